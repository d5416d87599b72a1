//! What a write that the store refuses is to its writer.

use crate::execute::Run;
use crate::judge::Judge;
use crate::many::{dangling, placed};
use crate::record::Record;
use crate::references::Asks;
use spec::problem::Result;
use spec::{Code, FieldError, FieldId, Model, ModelId, Problem, Value};
use std::collections::HashSet;
use store::StoreError;
use store::error::problem_of;

/// Writes of one model in a transaction that the store refused.
pub(crate) struct Refused {
    pub judge: Judge,
    pub what: Meant,
    /// What the transaction had created by then: it is gone now, and was there for them.
    pub own: HashSet<(ModelId, String)>,
    pub error: StoreError,
}

/// What was to be done.
pub(crate) enum Meant {
    Written(Vec<Row>),
    Deleted {
        /// Where the body of the request says it.
        pointer: String,
        /// What was to go, the record itself first.
        going: Vec<(ModelId, Value)>,
    },
}

/// A record that was to be written.
pub(crate) struct Row {
    /// Where the body of the request says it.
    pub pointer: String,
    pub record: Record,
    /// What it would have replaced.
    pub stored: Option<Record>,
}

impl Refused {
    /// At its place in the body of the request.
    pub fn within(mut self, part: &str) -> Refused {
        match &mut self.what {
            Meant::Written(rows) => {
                for row in rows {
                    row.pointer.insert_str(0, part);
                }
            }
            Meant::Deleted { pointer, .. } => pointer.insert_str(0, part),
        }
        self
    }
}

impl Judge {
    /// What a failed write is to its writer. `stored` is what a change would have replaced, `own` are records that
    /// the same transaction made.
    pub async fn write_problem(
        &self,
        asks: &mut Asks<'_>,
        record: &Record,
        stored: Option<&Record>,
        own: &HashSet<(ModelId, String)>,
        error: StoreError,
    ) -> Problem {
        match error {
            StoreError::Unique { columns, .. } => {
                let id = stored.map(Record::id);
                // Which one a store meets first is its own affair; gone by now, it is what the store said.
                let taken = self.taken(asks, record, id).await.unwrap_or_default();
                match taken.is_empty() {
                    true => conflict(&[named(self.model(), &columns)]),
                    false => conflict(&taken),
                }
            }
            StoreError::ForeignKey { .. } => {
                let cause = error.to_string();
                // The store says that a reference dangles, not always which.
                let mut references = self.references(&record.all());
                if let Some(stored) = stored {
                    references.retain(|(field, ..)| record.get(*field) != stored.get(*field));
                }
                references.retain(|(_, to, id)| !own.contains(&(*to, id.key_text())));
                match self.not_readable(asks, references).await {
                    Err(problem) => problem,
                    Ok(fields) if fields.is_empty() => told(self.model(), cause),
                    Ok(fields) => {
                        Problem::invalid(fields.into_iter().map(|f| self.dangling(f)).collect())
                    }
                }
            }
            other => refusal(self.model(), other),
        }
    }

    /// The columns of each unique key that another record holds; `own` is the one that is changed.
    async fn taken(
        &self,
        asks: &mut Asks<'_>,
        record: &Record,
        own: Option<&Value>,
    ) -> Result<Vec<Vec<String>>> {
        let model = self.model();
        let keys = plan::write::unique_keys(model, &record.values, own.is_none());
        if keys.is_empty() {
            return Ok(Vec::new());
        }
        let statement = self.planner().taken(model, &record.for_plan(), &keys, own);
        let rows = asks.read(statement, 1).await?;
        Ok(keys
            .iter()
            .zip(&rows.captured)
            .filter(|(_, taken)| **taken == Value::Bool(true))
            .map(|(key, _)| self.names(key))
            .collect())
    }

    fn names(&self, key: &[FieldId]) -> Vec<String> {
        let name = |field: &FieldId| self.model().field(*field).name.clone();
        key.iter().map(name).collect()
    }
}

impl Run<'_> {
    /// What the store's refusal is to the writer of these.
    pub async fn refused(&mut self, refused: Refused) -> Problem {
        let Refused {
            judge,
            what,
            own,
            error,
        } = refused;
        match what {
            Meant::Deleted { pointer, going } => {
                let problem = self.delete_problem(&going, error).await;
                problem.within(&pointer)
            }
            Meant::Written(rows) => match rows.as_slice() {
                [row] => {
                    let (asks, stored) = (&mut self.asks(), row.stored.as_ref());
                    let problem = judge
                        .write_problem(asks, &row.record, stored, &own, error)
                        .await;
                    problem.within(&row.pointer)
                }
                rows => self.several_refused(&judge, rows, &own, error).await,
            },
        }
    }

    async fn several_refused(
        &mut self,
        judge: &Judge,
        rows: &[Row],
        own: &HashSet<(ModelId, String)>,
        error: StoreError,
    ) -> Problem {
        let asks = &mut self.asks();
        match error {
            StoreError::Unique { columns, .. } => match several_taken(judge, asks, rows).await {
                Err(problem) => problem,
                // Gone by now; which of them it was, nobody knows any more.
                Ok(errors) if errors.is_empty() => Problem {
                    errors,
                    ..conflict(&[named(judge.model(), &columns)])
                },
                Ok(mut errors) => {
                    errors.truncate(100);
                    conflict(&[]).with_errors(errors)
                }
            },
            StoreError::ForeignKey { .. } => {
                let cause = error.to_string();
                let all = rows.iter().map(|row| {
                    let pointer = row.pointer.as_str();
                    (pointer, judge, row.record.all())
                });
                match dangling(asks, all.collect(), own).await {
                    Err(problem) => problem,
                    Ok(errors) if errors.is_empty() => told(judge.model(), cause),
                    Ok(errors) => Problem::invalid(errors),
                }
            }
            other => refusal(judge.model(), other),
        }
    }
}

/// Which of several new records have values that are taken: by one before them, or by a record that is there. One bit
/// of each key is told, as it would be of each alone.
async fn several_taken(
    judge: &Judge,
    asks: &mut Asks<'_>,
    rows: &[Row],
) -> Result<Vec<FieldError>> {
    let mut before: HashSet<(Vec<FieldId>, Vec<String>)> = HashSet::new();
    let mut errors = Vec::new();
    for row in rows {
        let record = &row.record;
        let mut taken = judge.taken(asks, record, None).await?;
        for key in plan::write::unique_keys(judge.model(), &record.values, true) {
            let values = key.iter().map(|field| record.get(*field).key_text());
            let values = values.collect();
            let names = judge.names(&key);
            if !before.insert((key, values)) {
                taken.push(names);
            }
        }
        errors.extend(placed(&conflict(&taken).errors, &row.pointer));
    }
    Ok(errors)
}

/// The fields of these columns. The others' names, of columns that no field shows, stay behind.
fn named(model: &Model, columns: &[String]) -> Vec<String> {
    let fields: Option<Vec<String>> = columns
        .iter()
        .map(|column| model.field_in(column).map(|field| field.name.clone()))
        .collect();
    fields.unwrap_or_default()
}

/// A reference dangled and does no more: its target has come since, or it is no relation, which a table that was there
/// before may have.
fn told(model: &Model, cause: String) -> Problem {
    match model.existing {
        Some(_) => refused(model, None).because(cause),
        None => problem_of(StoreError::Contended),
    }
}

/// What else a store refuses.
fn refusal(model: &Model, error: StoreError) -> Problem {
    match error {
        StoreError::Refused { cause, column } if model.existing.is_some() => {
            refused(model, column.as_deref()).because(cause)
        }
        StoreError::OutOfRange { cause } if model.existing.is_some() => {
            refused(model, None).because(cause)
        }
        other => problem_of(other),
    }
}

/// What the database of an existing table does not take: its own constraints, triggers and types, of which no model
/// says all. Which of them it was is for the log.
fn refused(model: &Model, column: Option<&str>) -> Problem {
    let detail = "The database does not take this value.";
    match column.and_then(|column| model.field_in(column)) {
        Some(field) => Problem::invalid(vec![FieldError::at(&field.name, "refused", detail)]),
        None => Problem::invalid(vec![FieldError {
            pointer: String::new(),
            code: "refused",
            detail: "The database does not take this record: a rule of its own is not met."
                .to_owned(),
        }]),
    }
}

/// A table that was there before took the statement and wrote no row: its trigger or rewrite rule said otherwise.
pub(crate) fn swallowed(model: &Model, verb: &str) -> Problem {
    let problem = match verb {
        "delete" => kept(),
        _ => refused(model, None),
    };
    problem.because("a trigger or rule of the table took the place of the write")
}

/// A delete that the database of an existing table does not do.
pub(crate) fn kept() -> Problem {
    let detail = "A rule of the database's own does not let this record be deleted.";
    Problem::new(Code::Restricted, detail)
}

/// One bit for each unique key and no more: the same value exists, or of several columns, the same values together.
/// Not whose, not where.
fn conflict(keys: &[Vec<String>]) -> Problem {
    let said = |columns: &[String]| match columns {
        [column] => format!("A record with this {column} exists."),
        several => format!("A record with the same {} exists.", together(several)),
    };
    let mut errors: Vec<FieldError> = Vec::new();
    for columns in keys {
        for column in columns {
            let error = FieldError::at(column, "duplicate", said(columns));
            if !errors.iter().any(|known| known.pointer == error.pointer) {
                errors.push(error);
            }
        }
    }
    let detail = match keys {
        [columns] if columns.len() > 1 => said(columns),
        // An index over an expression, which no field is.
        [columns] if columns.is_empty() => {
            let detail = "A record with the same unique value exists.";
            errors.push(FieldError {
                pointer: String::new(),
                code: "duplicate",
                detail: detail.to_owned(),
            });
            detail.to_owned()
        }
        [] | [_] => "A record with the same unique value exists.".to_owned(),
        _ => "Records with the same unique values exist.".to_owned(),
    };
    Problem::new(Code::Conflict, detail).with_errors(errors)
}

/// `doctor, room and starts_at`.
pub fn together(names: &[String]) -> String {
    match names {
        [first @ .., last] if !first.is_empty() => format!("{} and {last}", first.join(", ")),
        names => names.concat(),
    }
}
