//! Query strings → what an aggregate asks for.
//!
//! The engine knows which fields can be grouped by and added up; here it is only how they are written.

use super::query::{self, Once, bad, bounded, filled, is_name, plain, whole};
use crate::words::{AGGREGATE_CONTROLS, OF_LISTS};
use engine::operation::{Aggregate, Amount, Function};
use spec::problem::shown;
use spec::{App, Code, Model, Problem};

type Result<T> = std::result::Result<T, Problem>;

/// Names in one path.
const MOST_HOPS: usize = 16;
/// Fields that one parameter may name; the engine takes fewer.
const MOST_NAMES: usize = 256;

/// What is said elsewhere, and what is here.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &["group", "groupby", "groupBy", "by"],
        "what is grouped by is group_by, as in group_by=category",
    ),
    (
        &["average", "mean"],
        "averages are asked for with avg, as in avg=price",
    ),
    (
        &["order", "order_by", "orderBy", "sort_by", "sortBy"],
        "the order is sort, as in sort=-count",
    ),
    (
        &["where", "query", "q"],
        "records are chosen with filter, as in filter=price < 20",
    ),
    (
        &["offset", "page", "skip"],
        "groups have no pages; limit answers the first ones of their order",
    ),
];

/// The aggregate that a query string asks for.
pub fn parse(query: Option<&str>, model: &Model, app: &App) -> Result<Aggregate> {
    let mut aggregate = Aggregate {
        model: model.id,
        filter: None,
        plain: Vec::new(),
        group_by: Vec::new(),
        aggregates: Vec::new(),
        having: None,
        sort: Vec::new(),
        limit: None,
    };
    let mut once = Once::default();
    for parameter in bounded(query, &app.settings.limits)? {
        let (name, value) = parameter?;
        match &*name {
            "filter" => {
                once.take("filter")?;
                aggregate.filter = Some(filled("filter", &value, Code::BadFilter)?.to_owned());
            }
            "having" => {
                once.take("having")?;
                aggregate.having = Some(filled("having", &value, Code::BadFilter)?.to_owned());
            }
            "group_by" => {
                once.take("group_by")?;
                aggregate.group_by = paths("group_by", &value)?;
            }
            "count" => {
                once.take("count")?;
                amounts(&mut aggregate.aggregates, Function::Count, &value)?;
            }
            "sum" => {
                once.take("sum")?;
                amounts(&mut aggregate.aggregates, Function::Sum, &value)?;
            }
            "avg" => {
                once.take("avg")?;
                amounts(&mut aggregate.aggregates, Function::Avg, &value)?;
            }
            "min" => {
                once.take("min")?;
                amounts(&mut aggregate.aggregates, Function::Min, &value)?;
            }
            "max" => {
                once.take("max")?;
                amounts(&mut aggregate.aggregates, Function::Max, &value)?;
            }
            "sort" => {
                once.take("sort")?;
                aggregate.sort = query::sort(filled("sort", &value, Code::BadSort)?)?;
            }
            "limit" => {
                once.take("limit")?;
                aggregate.limit = Some(groups(&value, app.settings.limits.groups)?);
            }
            _ => plain(&mut aggregate.plain, &name, value, model, &STEERED)?,
        }
    }
    Ok(aggregate)
}

const STEERED: query::Steered = query::Steered {
    what: "aggregate",
    controls: AGGREGATE_CONTROLS,
    elsewhere: OF_LISTS,
    foreign: FOREIGN,
};

fn wrong(detail: String) -> Problem {
    Problem::new(Code::BadAggregate, detail)
}

/// `*`, or fields: `count=*,price`.
fn amounts(into: &mut Vec<Amount>, function: Function, value: &str) -> Result<()> {
    let all = function == Function::Count;
    for text in value.split(',') {
        let path = match text {
            "*" if all => None,
            // Told apart from a product, `count=exact` is what a list is asked.
            text => Some(path(function.name(), text)?),
        };
        if into.len() == MOST_NAMES {
            return Err(wrong(format!("At most {MOST_NAMES} fields can be named.")));
        }
        into.push(Amount { function, path });
    }
    Ok(())
}

fn paths(parameter: &'static str, value: &str) -> Result<Vec<Vec<String>>> {
    let mut out = Vec::new();
    for text in value.split(',') {
        if out.len() == MOST_NAMES {
            return Err(wrong(format!("At most {MOST_NAMES} fields can be named.")));
        }
        out.push(path(parameter, text)?);
    }
    Ok(out)
}

/// `price`, or over relations `category.name`.
fn path(parameter: &str, text: &str) -> Result<Vec<String>> {
    let names: Vec<String> = text
        .split('.')
        .take(MOST_HOPS + 1)
        .map(str::to_owned)
        .collect();
    if names.len() > MOST_HOPS {
        return Err(wrong(format!("A path in {parameter} is too long.")));
    }
    if names.iter().all(|name| is_name(name)) {
        return Ok(names);
    }
    Err(wrong(match text {
        "" => format!("A name in {parameter} is empty: {}.", example(parameter)),
        "*" => format!("{parameter}=* has no meaning: {}.", example(parameter)),
        text => format!(
            "{} in {parameter} is not a field or a path of relations.",
            shown(text)
        ),
    }))
}

fn example(parameter: &str) -> String {
    match parameter {
        "count" => "count=* counts records, and count=price those that have one".to_owned(),
        "group_by" => "it names fields, as in group_by=category,created_at.month".to_owned(),
        _ => format!("it names fields, as in {parameter}=price,quantity"),
    }
}

fn groups(value: &str, most: u32) -> Result<u32> {
    let limit = whole(value).filter(|limit| *limit > 0).ok_or_else(|| {
        bad(format!(
            "limit={} is not a whole number from 1 to {most}.",
            shown(value)
        ))
    })?;
    match u32::try_from(limit) {
        Ok(limit) if limit <= most => Ok(limit),
        _ => Err(Problem::new(
            Code::TooManyGroups,
            format!("An answer has at most {most} groups."),
        )
        .limited("limits.groups", u64::from(most))),
    }
}
