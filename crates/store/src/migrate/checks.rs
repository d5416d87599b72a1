//! What records may be in the way of a plan: it is counted, before anything is done and, where data steps or earlier
//! steps may change it, right before the steps that rely on it. Only counts and names of the app are told: values
//! belong to somebody.

use super::{Difference, DifferenceKind, Part, convert, dotted};
use spec::schema::{ForeignKey, TableIndex, TableName};
use spec::types::ItemType;
use spec::{ColumnType, Dialect, Domain};

/// Something to count; nothing may be found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    pub table: TableName,
    pub part: Part,
    /// The count, on the database as it is: `None` where what it looks at is only made by the plan.
    pub before: Option<String>,
    /// The count when its turn comes.
    pub then: String,
    /// Whether it stops the plan. Otherwise it is only worth knowing.
    pub stops: bool,
    /// The sentence behind `1 record of catalog.products` and behind `2 records of catalog.products`.
    pub one: String,
    pub many: String,
}

impl Check {
    /// What is said of so many; nothing of none.
    pub(crate) fn found(&self, count: i64) -> Option<Difference> {
        let table = dotted(&self.table);
        let detail = match count {
            0 => return None,
            1 => format!("1 record of {table} {}", self.one),
            n => format!("{n} records of {table} {}", self.many),
        };
        Some(Difference {
            table: self.table.clone(),
            part: self.part.clone(),
            kind: DifferenceKind::Records,
            blocking: false,
            detail,
        })
    }
}

/// A table as its records can be counted now and when the check's turn comes.
#[derive(Debug, Clone)]
pub(super) struct Places<'a> {
    pub dialect: Dialect,
    pub table: &'a TableName,
    /// The table's name before the plan, where it is there.
    pub before: Option<TableName>,
}

impl Places<'_> {
    /// A check of this condition on a column, called `before` as yet: `None` where it comes with the plan.
    fn check(
        &self,
        part: Part,
        (before, then): (Option<String>, String),
        stops: bool,
        (one, many): (String, String),
    ) -> Check {
        let count = |table: &TableName, condition: &str| {
            format!(
                "SELECT count(*) FROM {} AS t WHERE {condition}",
                table.sql(self.dialect)
            )
        };
        Check {
            table: self.table.clone(),
            part,
            before: self
                .before
                .as_ref()
                .zip(before)
                .map(|(table, condition)| count(table, &condition)),
            then: count(self.table, &then),
            stops,
            one,
            many,
        }
    }

    pub fn nulls(&self, column: &str, before: Option<&str>) -> Check {
        let null = |name: &str| format!("t.{} IS NULL", quoted(name));
        let say = |verb: &str| {
            format!(
                "{verb} no {column}, which becomes required: give it a constant `default` or a `backfill`, fill it \
                 with a data step, or leave it `optional`"
            )
        };
        self.check(
            Part::Column(column.to_owned()),
            (before.map(null), null(column)),
            true,
            (say("has"), say("have")),
        )
    }

    /// `names` are the index's columns before the plan, where they all are there as they will be.
    pub fn duplicates(&self, index: &TableIndex, names: Option<Vec<String>>) -> Check {
        let count = |table: &TableName, columns: &[String]| {
            let columns: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
            let present: Vec<String> = columns
                .iter()
                .map(|name| format!("{name} IS NOT NULL"))
                .collect();
            format!(
                "SELECT CAST(coalesce(sum(d.n), 0) AS bigint) FROM (SELECT count(*) AS n FROM {} WHERE {} GROUP BY {} \
                 HAVING count(*) > 1) AS d",
                table.sql(self.dialect),
                present.join(" AND "),
                columns.join(", ")
            )
        };
        let say = format!(
            "have the same {}; make them differ first",
            index.columns.join(", ")
        );
        Check {
            table: self.table.clone(),
            part: Part::Index(index.name.clone()),
            before: self
                .before
                .as_ref()
                .zip(names)
                .map(|(table, names)| count(table, &names)),
            then: count(self.table, &index.columns),
            stops: true,
            one: say.clone(),
            many: say,
        }
    }

    /// `before` are the names of the column and of the target's table, where both are there as they will be.
    pub fn dangling(&self, key: &ForeignKey, before: Option<(String, TableName)>) -> Check {
        let leads_nowhere = |column: &str, to: &TableName, as_text: bool| {
            let value = |name: String| match as_text {
                true => format!("CAST({name} AS text)"),
                false => name,
            };
            format!(
                "t.{column} IS NOT NULL AND NOT EXISTS (SELECT 1 FROM {} AS r WHERE {} = {})",
                to.sql(self.dialect),
                value("r.\"id\"".to_owned()),
                value(format!("t.{column}")),
                column = quoted(column),
            )
        };
        // Before the plan the column may still have the type of the keys that it led to.
        let as_text = self.dialect == Dialect::Postgres;
        let say = |verb: &str| {
            format!(
                "{verb} by {} to a record of {} that is not there: change it with a data step first",
                key.column,
                dotted(&key.to)
            )
        };
        self.check(
            Part::ForeignKey(key.column.clone()),
            (
                before.map(|(column, to)| leads_nowhere(&column, &to, as_text)),
                leads_nowhere(&key.column, &key.to, false),
            ),
            true,
            (say("refers"), say("refer")),
        )
    }

    /// Values for which the new type has no room.
    pub fn misfits(
        &self,
        column: &str,
        before: &str,
        from: ColumnType,
        to: ColumnType,
        words: &str,
    ) -> Option<Check> {
        let fits_not =
            |name: &str| convert::misfit(self.dialect, &format!("t.{}", quoted(name)), from, to);
        let say = |verb: &str| {
            format!(
                "{verb} a value of {column} that does not fit {words}: change it with a data step first"
            )
        };
        Some(self.check(
            Part::Column(column.to_owned()),
            (fits_not(before), fits_not(column)?),
            true,
            (say("has"), say("have")),
        ))
    }

    /// Values that the column's new domain does not have. `value` makes of a column's name the value in its new type.
    pub fn outside(
        &self,
        column: &str,
        before: &str,
        value: impl Fn(&str) -> String,
        (was, now): (&Domain, &Domain),
    ) -> Option<Check> {
        let outside = |name: &str| outside(self.dialect, &value(name), was, now);
        let Outside { stops, words, .. } = outside(column)?;
        let say = |verb: &str| format!("{verb} a {column} {words}");
        Some(self.check(
            Part::Column(column.to_owned()),
            (
                outside(before).map(|found| found.condition),
                outside(column)?.condition,
            ),
            stops,
            (say("has"), say("have")),
        ))
    }
}

struct Outside {
    condition: String,
    stops: bool,
    /// Behind "has a status".
    words: String,
}

/// What a record answers must be of its field's type, so that what is no value of it stops the plan. A bound only
/// says what may be written.
fn outside(dialect: Dialect, value: &str, was: &Domain, now: &Domain) -> Option<Outside> {
    let stays = "it stays as it is, and is refused when it is written again";
    let bounded = |min: Option<String>, max: Option<String>| {
        let low = min.map(|min| format!("{value} < {min}"));
        let high = max.map(|max| format!("{value} > {max}"));
        let both: Vec<String> = low.into_iter().chain(high).collect();
        (!both.is_empty()).then(|| Outside {
            condition: both.join(" OR "),
            stops: false,
            words: format!("beyond its new bounds: {stays}"),
        })
    };
    match now {
        Domain::Any => None,
        Domain::Text { max } => Some(Outside {
            condition: format!("length({value}) > {max}"),
            stops: false,
            words: format!("of more than {max} characters: {stays}"),
        }),
        Domain::OneOf(values) => {
            let list: Vec<String> = values.iter().map(|value| text(value)).collect();
            let gone = match was {
                Domain::OneOf(before) => {
                    let gone: Vec<&str> = before
                        .iter()
                        .filter(|value| !values.contains(value))
                        .map(|value| &**value)
                        .collect();
                    format!(" ({})", gone.join(", "))
                }
                _ => String::new(),
            };
            Some(Outside {
                condition: format!(
                    "{value} IS NOT NULL AND {value} NOT IN ({})",
                    list.join(", ")
                ),
                stops: true,
                words: format!(
                    "that is none of the declared values{gone}: change it with a data step, or declare the value again"
                ),
            })
        }
        Domain::Int { min, max } => bounded(min.map(|n| n.to_string()), max.map(|n| n.to_string())),
        // A double is written so that it is one in either dialect.
        Domain::Float { min, max } => {
            let number = |n: f64| format!("{n:?}");
            bounded(min.map(number), max.map(number))
        }
        Domain::List { items, max } => {
            let same = matches!(was, Domain::List { items: before, .. } if items.takes(*before));
            Some(match same {
                true => Outside {
                    condition: format!("{} > {max}", array_length(dialect, value)),
                    stops: false,
                    words: format!("of more than {max} items: {stays}"),
                },
                false => Outside {
                    condition: no_list_of(dialect, value, *items),
                    stops: true,
                    words: format!(
                        "that is no list of {}s: change it with a data step first",
                        items.name()
                    ),
                },
            })
        }
    }
}

fn array_length(dialect: Dialect, value: &str) -> String {
    match dialect {
        Dialect::Sqlite => format!("json_array_length({value})"),
        Dialect::Postgres => format!("jsonb_array_length({value})"),
    }
}

fn no_list_of(dialect: Dialect, value: &str, items: ItemType) -> String {
    match dialect {
        Dialect::Sqlite => {
            let types = match items {
                ItemType::String => "'text'",
                ItemType::Int => "'integer'",
                ItemType::Float => "'integer', 'real'",
                ItemType::Bool => "'true', 'false'",
            };
            format!(
                "{value} IS NOT NULL AND (json_type({value}) <> 'array' OR EXISTS (SELECT 1 FROM json_each({value}) \
                 WHERE type NOT IN ({types})))"
            )
        }
        Dialect::Postgres => {
            let good = match items {
                ItemType::String => "jsonb_typeof(e) = 'string'",
                ItemType::Int => "jsonb_typeof(e) = 'number' AND e::text ~ '^-?[0-9]+$'",
                ItemType::Float => "jsonb_typeof(e) = 'number'",
                ItemType::Bool => "jsonb_typeof(e) = 'boolean'",
            };
            format!(
                "{value} IS NOT NULL AND CASE WHEN jsonb_typeof({value}) <> 'array' THEN true ELSE EXISTS (SELECT 1 \
                 FROM jsonb_array_elements({value}) AS e WHERE NOT ({good})) END"
            )
        }
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn text(value: &str) -> String {
    format!("'{}'", value.replace('\'', "''"))
}
