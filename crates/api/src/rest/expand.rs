//! `expand=reviews(limit:5,sort:-created_at),category.parent` → a tree of relations.
//!
//! There is no recursion: a path is walked name by name, within the bounds on depth and number, which are met
//! here before anything is resolved.

use super::query::{is_name, push_sort, whole};
use engine::operation::{Expand, SortTerm};
use spec::problem::shown;
use spec::settings::Limits;
use spec::{Code, Problem};

type Result<T> = std::result::Result<T, Problem>;

/// One name on a path, with what stands in its brackets.
struct Hop<'t> {
    name: &'t str,
    limit: Option<u32>,
    sort: Vec<SortTerm>,
}

pub fn parse(text: &str, limits: &Limits) -> Result<Vec<Expand>> {
    if text.is_empty() {
        return Err(bad("expand is empty."));
    }
    let mut tree = Vec::new();
    let mut number = 0;
    let mut rest = text;
    loop {
        rest = path(rest, &mut tree, &mut number, limits)?;
        match rest.strip_prefix(',') {
            Some(more) => rest = more,
            None if rest.is_empty() => return Ok(tree),
            None => {
                return Err(bad(format!(
                    "At {}: a comma, a dot or the end is expected.",
                    shown(rest)
                )));
            }
        }
    }
}

/// Reads one path into the tree and answers what follows it.
fn path<'t>(
    text: &'t str,
    tree: &mut Vec<Expand>,
    number: &mut u32,
    limits: &Limits,
) -> Result<&'t str> {
    let mut level = tree;
    let mut depth = 0;
    let mut rest = text;
    loop {
        if depth == limits.expand_depth {
            return Err(Problem::new(
                Code::ExpandTooDeep,
                format!(
                    "Relations are expanded {} levels deep at most.",
                    limits.expand_depth
                ),
            )
            .limited("limits.expand_depth", u64::from(limits.expand_depth)));
        }
        let (hop, after) = hop(rest, limits)?;
        level = &mut merge(level, hop, number, limits)?.nested;
        depth += 1;
        match after.strip_prefix('.') {
            Some(more) => rest = more,
            None => return Ok(after),
        }
    }
}

/// The node for a name, which may be there already: `a.b,a.c` is one `a`.
fn merge<'e>(
    level: &'e mut Vec<Expand>,
    hop: Hop<'_>,
    number: &mut u32,
    limits: &Limits,
) -> Result<&'e mut Expand> {
    let at = match level.iter().position(|e| e.name == hop.name) {
        Some(at) => at,
        None => {
            *number += 1;
            if *number > limits.expand {
                return Err(Problem::new(
                    Code::ExpandTooDeep,
                    format!("{} relations are expanded at most.", limits.expand),
                )
                .limited("limits.expand", u64::from(limits.expand)));
            }
            level.push(Expand {
                name: hop.name.to_owned(),
                ..Expand::default()
            });
            level.len() - 1
        }
    };
    let node = &mut level[at];
    let twice = |option: &str| {
        bad(format!(
            "{} has two different values for {option}.",
            hop.name
        ))
    };
    if let Some(limit) = hop.limit {
        if node.limit.is_some_and(|before| before != limit) {
            return Err(twice("limit"));
        }
        node.limit = Some(limit);
    }
    if !hop.sort.is_empty() {
        if !node.sort.is_empty() && node.sort != hop.sort {
            return Err(twice("sort"));
        }
        node.sort = hop.sort;
    }
    Ok(node)
}

/// `name` or `name(limit:5,sort:-created_at,name)`.
fn hop<'t>(text: &'t str, limits: &Limits) -> Result<(Hop<'t>, &'t str)> {
    let end = text.find([',', '.', '(', ')', ':']).unwrap_or(text.len());
    let (name, rest) = text.split_at(end);
    if !is_name(name) {
        return Err(match name {
            "" => {
                bad("The name of a relation is expected: expand=reviews(limit:5),category.parent.")
            }
            name => bad(format!("{} is not a relation's name.", shown(name))),
        });
    }
    let mut hop = Hop {
        name,
        limit: None,
        sort: Vec::new(),
    };
    let Some(inner) = rest.strip_prefix('(') else {
        return Ok((hop, rest));
    };
    let Some((options, rest)) = inner.split_once(')') else {
        return Err(bad(format!("The bracket behind {name} is not closed.")));
    };
    // A comma parts options, and also the terms of a sort order: what has no colon goes on with the order.
    let mut sorting = false;
    for option in options.split(',') {
        match option.split_once(':') {
            Some(("limit", value)) => {
                if hop.limit.is_some() {
                    return Err(bad(format!("{name} has two limits.")));
                }
                hop.limit = Some(nested_page(name, value, limits)?);
                sorting = false;
            }
            Some(("sort", term)) => {
                if !hop.sort.is_empty() {
                    return Err(bad(format!("{name} has two sort orders.")));
                }
                push_sort(&mut hop.sort, term).map_err(in_expand)?;
                sorting = true;
            }
            None if sorting => push_sort(&mut hop.sort, option).map_err(in_expand)?,
            _ => {
                return Err(bad(format!(
                    "{} is not an option of {name}: there are limit:N and sort:FIELD.",
                    shown(option)
                )));
            }
        }
    }
    Ok((hop, rest))
}

fn nested_page(name: &str, value: &str, limits: &Limits) -> Result<u32> {
    let most = limits.nested_page;
    match whole(value).map(u32::try_from) {
        None | Some(Ok(0)) => Err(bad(format!(
            "The limit of {name} is a whole number from 1 to {most}."
        ))),
        Some(Ok(limit)) if limit <= most => Ok(limit),
        Some(_) => Err(Problem::new(
            Code::PageTooLarge,
            format!("{most} records are nested at most."),
        )
        .limited("limits.nested_page", u64::from(most))),
    }
}

fn in_expand(problem: Problem) -> Problem {
    bad(problem.detail)
}

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(Code::BadExpand, detail)
}
