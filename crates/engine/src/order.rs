//! In which order records that refer to one another can be deleted: what refers goes before what it refers to. The
//! foreign keys are checked at every step, so that a circle has no such order: it is opened where a reference may
//! be null.

/// A record refers to another one; both are positions.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reference {
    pub from: usize,
    pub to: usize,
    /// Whether it may be null.
    pub optional: bool,
}

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Order {
    /// The references that are set to null first, as positions among those given.
    pub loosened: Vec<usize>,
    pub records: Vec<usize>,
}

/// An order for `count` records; none where they hold one another in a circle of references that cannot be null.
pub fn order(count: usize, references: &[Reference]) -> Option<Order> {
    // A record that refers to itself holds up nobody: its reference goes with it.
    let kept = |at: &usize| references[*at].from != references[*at].to;
    let all: Vec<usize> = (0..references.len()).filter(kept).collect();
    let forwards = peel(count, references, &all, |r| (r.from, r.to));
    if forwards.len() == count {
        return Some(Order {
            loosened: Vec::new(),
            records: forwards,
        });
    }
    // What has neither an end nor a beginning lies on a circle, or between two.
    let backwards = peel(count, references, &all, |r| (r.to, r.from));
    let mut circling = vec![true; count];
    for at in forwards.iter().chain(&backwards) {
        circling[*at] = false;
    }
    let (loosened, rest): (Vec<usize>, Vec<usize>) = all.into_iter().partition(|at| {
        let reference = references[*at];
        reference.optional && circling[reference.from] && circling[reference.to]
    });
    let records = peel(count, references, &rest, |r| (r.from, r.to));
    (records.len() == count).then_some(Order { loosened, records })
}

/// The records in the order in which nothing is `before` them any more, without those that never come to it.
fn peel(
    count: usize,
    references: &[Reference],
    among: &[usize],
    ends: impl Fn(&Reference) -> (usize, usize),
) -> Vec<usize> {
    let mut held = vec![0u32; count];
    let mut holds: Vec<Vec<usize>> = vec![Vec::new(); count];
    for at in among {
        let (before, after) = ends(&references[*at]);
        held[after] += 1;
        holds[before].push(after);
    }
    let mut out: Vec<usize> = (0..count).filter(|at| held[*at] == 0).collect();
    let mut next = 0;
    while let Some(at) = out.get(next).copied() {
        next += 1;
        for after in &holds[at] {
            held[*after] -= 1;
            if held[*after] == 0 {
                out.push(*after);
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn required(from: usize, to: usize) -> Reference {
        Reference {
            from,
            to,
            optional: false,
        }
    }

    fn optional(from: usize, to: usize) -> Reference {
        Reference {
            optional: true,
            ..required(from, to)
        }
    }

    /// What is loosened, and the records in order.
    type Found<'a> = Option<(&'a [usize], &'a [usize])>;

    #[test]
    fn what_refers_goes_first_and_circles_open_where_they_can() {
        let table: &[(usize, &[Reference], Found)] = &[
            (1, &[], Some((&[], &[0]))),
            (
                3,
                &[required(1, 0), required(2, 1)],
                Some((&[], &[2, 1, 0])),
            ),
            // A comment on a task and on its project: the diamond.
            (
                3,
                &[required(1, 0), required(2, 0), required(1, 2)],
                Some((&[], &[1, 2, 0])),
            ),
            (2, &[required(0, 0), required(1, 0)], Some((&[], &[1, 0]))),
            // A project and the main one of its tasks; another task has nothing to do with it.
            (
                3,
                &[required(1, 0), optional(0, 1), optional(2, 0)],
                Some((&[1], &[1, 2, 0])),
            ),
            (2, &[required(1, 0), required(0, 1)], None),
            (3, &[required(1, 0), required(0, 1), optional(2, 0)], None),
        ];
        for (count, references, wanted) in table {
            let found = order(*count, references);
            let found = found.as_ref().map(|o| (&*o.loosened, &*o.records));
            assert_eq!(found, *wanted, "{references:?}");
        }
    }

    #[test]
    fn an_order_breaks_no_reference_that_was_kept() {
        // A few thousand small graphs, from a fixed sequence (xorshift).
        let mut state = 0x9e37_79b9_7f4a_7c15u64;
        let mut draw = |below: u64| {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            (state % below) as usize
        };
        let (mut found, mut none) = (0, 0);
        for _ in 0..3000 {
            let count = 1 + draw(7);
            let references: Vec<Reference> = (0..draw(10))
                .map(|_| Reference {
                    from: draw(count as u64),
                    to: draw(count as u64),
                    optional: draw(3) == 0,
                })
                .collect();
            let Some(order) = order(count, &references) else {
                none += 1;
                continue;
            };
            found += 1;
            let mut place = vec![usize::MAX; count];
            for (at, record) in order.records.iter().enumerate() {
                assert_eq!(place[*record], usize::MAX, "once each");
                place[*record] = at;
            }
            assert_eq!(order.records.len(), count);
            for (at, r) in references.iter().enumerate() {
                let loosened = order.loosened.contains(&at);
                assert!(!loosened || r.optional, "{references:?}");
                assert!(
                    loosened || r.from == r.to || place[r.from] < place[r.to],
                    "{references:?} {order:?}"
                );
            }
        }
        assert!(found > 500 && none > 100, "{found} {none}");
    }
}
