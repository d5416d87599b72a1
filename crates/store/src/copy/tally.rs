//! What a table holds, in a form that is the same on both stores.

use spec::schema::Table;
use spec::value::Value;

/// Rows, values that are there, and a digest of everything in the order of the key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tally {
    pub rows: u64,
    /// Of each column, how many values are not null.
    pub present: Vec<u64>,
    pub digest: [u8; 32],
}

/// Makes a tally of rows as they come.
pub(crate) struct Counter {
    tally: Tally,
    width: usize,
    hasher: blake3::Hasher,
    /// A row's bytes.
    row: Vec<u8>,
}

impl Counter {
    pub fn new(width: usize) -> Counter {
        Counter {
            tally: Tally {
                rows: 0,
                present: vec![0; width],
                digest: [0; 32],
            },
            width,
            hasher: blake3::Hasher::new(),
            row: Vec::with_capacity(512),
        }
    }

    /// Row after row, value after value.
    pub fn add(&mut self, values: &[Value]) {
        for row in values.chunks(self.width.max(1)) {
            self.tally.rows += 1;
            self.row.clear();
            for (value, present) in row.iter().zip(&mut self.tally.present) {
                *present += u64::from(!value.is_null());
                write(&mut self.row, value);
            }
            self.hasher.update(&self.row);
        }
    }

    pub fn finish(mut self) -> Tally {
        self.tally.digest = *self.hasher.finalize().as_bytes();
        self.tally
    }
}

impl Tally {
    /// How it differs from what the store itself counts (rows, then values by column); none where it does not.
    pub fn beside(&self, counts: &[Value], table: &Table) -> Option<String> {
        let count = |at: usize| match counts.get(at) {
            Some(Value::Int(count)) => count.unsigned_abs(),
            _ => 0,
        };
        if count(0) != self.rows {
            return Some(format!(
                "{} rows are counted, {} were read",
                count(0),
                self.rows
            ));
        }
        let columns = table.columns.iter().zip(&self.present).enumerate();
        columns
            .filter(|(at, (_, present))| count(at + 1) != **present)
            .map(|(at, (column, present))| {
                format!(
                    "{} values of {} are counted, {present} could be read: what others wrote into it is not of its type",
                    count(at + 1),
                    column.name
                )
            })
            .next()
    }

    /// How another one differs from it; none where it does not.
    pub fn against(&self, other: &Tally) -> Option<String> {
        if self.rows != other.rows {
            return Some(format!(
                "{} rows were carried, {} are there",
                self.rows, other.rows
            ));
        }
        (self != other)
            .then(|| "the records that are there are not those that were carried".to_owned())
    }
}

/// Each value with its kind, and its length where that is not the kind's: no two rows have the same bytes.
fn write(out: &mut Vec<u8>, value: &Value) {
    let mut sized = |kind: u8, bytes: &[u8]| {
        out.push(kind);
        out.extend_from_slice(&(bytes.len() as u64).to_le_bytes());
        out.extend_from_slice(bytes);
    };
    match value {
        Value::Text(text) => sized(1, text.as_bytes()),
        Value::Json(text) => sized(2, text.as_bytes()),
        Value::Null => out.push(0),
        Value::Bool(v) => out.extend_from_slice(&[3, u8::from(*v)]),
        Value::Int(v) => fixed(out, 4, &v.to_le_bytes()),
        // SQLite keeps no sign of zero.
        Value::Float(v) => fixed(out, 5, &(v + 0.0).to_bits().to_le_bytes()),
        Value::Decimal(v) => {
            fixed(out, 6, &v.units.to_le_bytes());
            out.push(v.scale);
        }
        Value::Uuid(id) => fixed(out, 7, id.as_bytes()),
        Value::Timestamp(v) => fixed(out, 8, &v.to_le_bytes()),
        Value::Date(v) => fixed(out, 9, &v.to_le_bytes()),
        Value::Duration(v) => fixed(out, 10, &v.to_le_bytes()),
        Value::List(items) => {
            fixed(out, 11, &(items.len() as u64).to_le_bytes());
            items.iter().for_each(|item| write(out, item));
        }
    }
}

fn fixed(out: &mut Vec<u8>, kind: u8, bytes: &[u8]) {
    out.push(kind);
    out.extend_from_slice(bytes);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(width: usize, values: &[Value]) -> Tally {
        let mut counter = Counter::new(width);
        counter.add(values);
        counter.finish()
    }

    #[test]
    fn a_tally_depends_on_every_value_its_kind_and_its_place() {
        let text = Value::text;
        let all = [
            tally(2, &[text("a"), text("b")]),
            tally(2, &[text("b"), text("a")]),
            tally(2, &[text("ab"), text("")]),
            tally(2, &[text("a"), Value::Null]),
            tally(2, &[Value::Null, text("a")]),
            tally(2, &[Value::Int(1), Value::Int(2)]),
            tally(2, &[Value::Int(1), Value::Timestamp(2)]),
            tally(2, &[Value::Json("1".into()), Value::Int(2)]),
            tally(2, &[]),
        ];
        for (at, one) in all.iter().enumerate() {
            for (other_at, other) in all.iter().enumerate() {
                assert_eq!(
                    one.against(other).is_none(),
                    at == other_at,
                    "{at} {other_at}"
                );
            }
        }
        let rows = [text("a"), text("b"), Value::Null, text("d")];
        let whole = tally(2, &rows);
        assert_eq!((whole.rows, &*whole.present), (2, &[1, 2][..]));
        // In whatever pieces it comes.
        let mut counter = Counter::new(2);
        counter.add(&rows[..2]);
        counter.add(&rows[2..]);
        assert_eq!(counter.finish(), whole);
    }

    #[test]
    fn there_is_one_zero() {
        let of = |x: f64| tally(1, &[Value::Float(x)]);
        assert_eq!(of(0.0), of(-0.0));
        assert_ne!(of(0.0), of(f64::MIN_POSITIVE));
    }
}
