//! What an aggregate names, as its caller wrote it → columns of the result, for this caller.

use super::parts::{PARTS, Part};
use super::{Aggregation, Column, Number, Of, Operand, having};
use crate::operation::{Aggregate, Function, SortTerm};
use crate::resolve::{Resolver, suggestion};
use spec::expr::check::{Purpose, Scope};
use spec::expr::fold::{self, Known};
use spec::expr::{Expr, Place};
use spec::model::ID;
use spec::problem::{Result, shown};
use spec::types::FieldType;
use spec::{Code, Model, Problem};

/// Fields to group by.
const MOST_KEYS: usize = 8;
/// Relations that are followed, whatever the settings say: SQLite joins 64 tables.
const MOST_JOINS: u32 = 60;

fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(Code::BadAggregate, detail)
}

impl<'a> Resolver<'a> {
    /// An aggregate's names, filters and bounds.
    pub fn aggregate(&self, model: &'a Model, asked: &Aggregate) -> Result<Aggregation<'a>> {
        self.within_bounds(asked)?;
        let mut columns = Vec::with_capacity(asked.group_by.len() + asked.aggregates.len());
        for path in &asked.group_by {
            columns.push(self.key(model, path)?);
        }
        for term in &asked.aggregates {
            columns.push(self.amount(model, term.function, term.path.as_deref())?);
        }
        unambiguous(&columns)?;
        self.few_relations(&columns)?;
        let filter = self.filter(model, asked.filter.as_deref(), &asked.plain)?;
        let having = match &asked.having {
            Some(text) => Some(self.having(text, &columns)?),
            None => None,
        };
        let sort = order(&columns, &asked.sort)?;
        Ok(Aggregation {
            model,
            filter,
            columns,
            having,
            sort,
            limit: asked.limit.unwrap_or(self.limits.groups),
        })
    }

    fn within_bounds(&self, asked: &Aggregate) -> Result<()> {
        if asked.group_by.is_empty() && asked.aggregates.is_empty() {
            return Err(bad(
                "Nothing is asked for: name fields to group by, as in group_by=category, or say what to count or add up, \
                 as in count=* and sum=price.",
            ));
        }
        if asked.group_by.len() > MOST_KEYS {
            return Err(bad(format!(
                "At most {MOST_KEYS} fields can be grouped by."
            )));
        }
        let most = self.limits.aggregates;
        if asked.aggregates.len() > most as usize {
            return Err(bad(format!(
                "One request takes {most} counts, sums and the like at most."
            ))
            .limited("limits.aggregates", u64::from(most)));
        }
        let most = self.limits.groups;
        match asked.limit {
            Some(limit) if limit > most => Err(Problem::new(
                Code::TooManyGroups,
                format!("An answer has at most {most} groups."),
            )
            .limited("limits.groups", u64::from(most))),
            _ => Ok(()),
        }
    }

    fn key(&self, model: &'a Model, path: &[String]) -> Result<Column<'a>> {
        let name = path.join(".");
        let of = match self.part(model, path)? {
            Some((operand, part)) => Of::Part(operand, part),
            None => {
                let operand = self.operand(model, path)?;
                if operand.is_json() {
                    let kind = kind(&operand);
                    let instead = match operand.field.ty {
                        FieldType::List { .. } => format!(
                            " Count the records that hold an item one item at a time, with a filter: \
                             filter=item in {name}&count=*."
                        ),
                        _ => String::new(),
                    };
                    return Err(bad(format!(
                        "{name} is {kind}; it cannot be grouped by.{instead}"
                    )));
                }
                Of::Key(operand)
            }
        };
        Ok(Column { name, of })
    }

    /// `created_at.month`; none where the path does not lead over a date or datetime.
    fn part(&self, model: &'a Model, path: &[String]) -> Result<Option<(Operand<'a>, Part)>> {
        let Some((last, before)) = path.split_last().filter(|(_, before)| !before.is_empty())
        else {
            return Ok(None);
        };
        if !self.is_moment(model, before) {
            return Ok(None);
        }
        let operand = self.operand(model, before)?;
        let name = &operand.field.name;
        let is_date = matches!(operand.field.ty, FieldType::Date);
        match Part::named(last) {
            Some(part) if is_date && !part.of_date() => {
                Err(bad(format!("{name} is a date; it has no {last}.")))
            }
            Some(part) => Ok(Some((operand, part))),
            None => {
                let known = PARTS.iter().filter(|(_, part)| part.of_date() || !is_date);
                let known: Vec<&str> = known.map(|(name, _)| *name).collect();
                Err(bad(format!(
                    "{name} has no part {}{}",
                    shown(last),
                    suggestion(last, &known)
                )))
            }
        }
    }

    fn is_moment(&self, model: &Model, path: &[String]) -> bool {
        let mut at = model;
        for (n, name) in path.iter().enumerate() {
            let Some(field) = at.field_named(name) else {
                return false;
            };
            if n + 1 == path.len() {
                return matches!(field.ty, FieldType::Datetime | FieldType::Date);
            }
            match field.relation() {
                Some(relation) => at = self.app.model(relation.to),
                None => return false,
            }
        }
        false
    }

    fn amount(
        &self,
        model: &'a Model,
        function: Function,
        path: Option<&[String]>,
    ) -> Result<Column<'a>> {
        let Some(path) = path else {
            return match function {
                Function::Count => Ok(Column {
                    name: "count".to_owned(),
                    of: Of::Records,
                }),
                _ => Err(bad(format!(
                    "{} wants a field; only records are counted by *.",
                    function.name()
                ))),
            };
        };
        let path_text = path.join(".");
        let operand = self.operand(model, path)?;
        let name = format!("{}_{path_text}", function.name());
        let of = match function {
            Function::Count => Of::Count(operand),
            Function::Sum | Function::Avg => {
                let Some(number) = number(&operand) else {
                    return Err(bad(format!(
                        "{path_text} is {}; {} takes numbers.",
                        kind(&operand),
                        function.name()
                    )));
                };
                match function {
                    Function::Sum => Of::Sum(operand, number),
                    _ => Of::Avg(operand, number),
                }
            }
            Function::Min | Function::Max => {
                if !has_extremes(&operand) {
                    return Err(bad(format!(
                        "{path_text} is {}; {} takes numbers, texts, dates and datetimes.",
                        kind(&operand),
                        function.name()
                    )));
                }
                match function {
                    Function::Min => Of::Min(operand),
                    _ => Of::Max(operand),
                }
            }
        };
        Ok(Column { name, of })
    }

    fn operand(&self, model: &'a Model, path: &[String]) -> Result<Operand<'a>> {
        let (place, model, field) = self.path(model, path, Code::BadAggregate, "an aggregate")?;
        Ok(Operand {
            place,
            model,
            field,
        })
    }

    /// Each relation that is followed is a join.
    fn few_relations(&self, columns: &[Column<'a>]) -> Result<()> {
        let mut followed: Vec<&Place> = Vec::new();
        for column in columns {
            let mut place = match &column.of {
                Of::Records => continue,
                Of::Key(operand)
                | Of::Part(operand, _)
                | Of::Count(operand)
                | Of::Sum(operand, _)
                | Of::Avg(operand, _)
                | Of::Min(operand)
                | Of::Max(operand) => &operand.place,
            };
            while let Place::Follow { base, .. } = place {
                if !followed.contains(&place) {
                    followed.push(place);
                }
                place = base;
            }
        }
        let most = self.limits.expand.min(MOST_JOINS);
        if followed.len() > most as usize {
            return Err(bad(format!("{most} relations are followed at most."))
                .limited("limits.expand", u64::from(most)));
        }
        Ok(())
    }

    fn having(&self, text: &str, columns: &[Column<'a>]) -> Result<Expr> {
        let result = having::as_named(self.app, columns);
        let scope = Scope {
            app: &result,
            model: Some(having::RESULT),
            purpose: Purpose::Filter,
            closed: &[],
        };
        let typed = self.condition("having", text, &scope, |ast| {
            having::join_names(ast, columns);
        });
        let expr = typed.map_err(|problem| Problem {
            detail: having::reworded(&problem.detail),
            ..problem
        })?;
        let known = Known {
            auth: Some(self.caller.principal),
            now: Some(self.caller.now),
        };
        Ok(fold::fold(&expr, known).into_owned())
    }
}

/// Two columns of one name would be two members of one name.
fn unambiguous(columns: &[Column<'_>]) -> Result<()> {
    for (at, column) in columns.iter().enumerate() {
        let Some(other) = columns[..at].iter().find(|other| other.name == column.name) else {
            continue;
        };
        return Err(bad(match (other.is_key(), column.is_key()) {
            (true, false) => format!(
                "{0} would be both what is grouped by and what is computed: leave one of them out.",
                column.name
            ),
            _ => format!("{} is asked for twice.", column.name),
        }));
    }
    Ok(())
}

/// Columns of the result by their names, then what is grouped by, so that the order is total.
fn order(columns: &[Column<'_>], terms: &[SortTerm]) -> Result<Vec<(usize, bool)>> {
    let mut sort: Vec<(usize, bool)> = Vec::with_capacity(terms.len() + columns.len());
    for term in terms {
        let name = term.path.join(".");
        let Some(at) = columns.iter().position(|column| column.name == name) else {
            let known: Vec<&str> = columns.iter().map(|column| column.name.as_str()).collect();
            return Err(Problem::new(
                Code::BadSort,
                format!(
                    "The result has no column {}{}",
                    shown(&name),
                    suggestion(&name, &known)
                ),
            ));
        };
        sort.push((at, term.descending));
    }
    for (at, column) in columns.iter().enumerate() {
        if column.is_key() && !sort.iter().any(|(sorted, _)| *sorted == at) {
            sort.push((at, false));
        }
    }
    Ok(sort)
}

fn number(operand: &Operand<'_>) -> Option<Number> {
    if operand.field.id == ID {
        return None;
    }
    match operand.field.ty {
        FieldType::Int { .. } => Some(Number::Int),
        FieldType::Float { .. } => Some(Number::Float),
        FieldType::Decimal { scale } => Some(Number::Decimal(scale)),
        _ => None,
    }
}

fn has_extremes(operand: &Operand<'_>) -> bool {
    let is_key = operand.field.id == ID || operand.field.relation().is_some();
    !is_key
        && !matches!(
            operand.field.ty,
            FieldType::Bool | FieldType::Uuid | FieldType::Json | FieldType::List { .. }
        )
}

/// What a field is, for a message.
fn kind(operand: &Operand<'_>) -> &'static str {
    match &operand.field.ty {
        _ if operand.field.id == ID => "an id",
        FieldType::Enum { .. } => "an enum",
        FieldType::Email => "an email",
        FieldType::Int { .. } => "an int",
        FieldType::Url => "a url",
        FieldType::Json => "JSON",
        FieldType::String { .. } => "a string",
        FieldType::Text { .. } => "a text",
        FieldType::Float { .. } => "a float",
        FieldType::Decimal { .. } => "a decimal",
        FieldType::Bool => "a bool",
        FieldType::Datetime => "a datetime",
        FieldType::Date => "a date",
        FieldType::Uuid => "a uuid",
        FieldType::Relation { .. } => "a relation",
        FieldType::List { .. } => "a list",
    }
}
