//! What a write that the store refuses is to its writer.

use crate::execute::Run;
use crate::judge::Judge;
use crate::record::Record;
use spec::problem::Result;
use spec::{Code, FieldError, FieldId, Problem, Value};
use store::StoreError;
use store::error::problem_of;

impl Run<'_> {
    /// What a failed write is to its writer. `stored` is what a change would have replaced.
    pub async fn write_problem(
        &mut self,
        judge: &Judge,
        record: &Record,
        stored: Option<&Record>,
        error: StoreError,
    ) -> Problem {
        match error {
            StoreError::Unique { columns, .. } => {
                let own = stored.map(Record::id);
                // Which one a store meets first is its own affair; gone by now, it is what the store said.
                let taken = self.taken(judge, record, own).await.unwrap_or_default();
                match taken.is_empty() {
                    true => conflict(&[columns]),
                    false => conflict(&taken),
                }
            }
            StoreError::ForeignKey { .. } => {
                // The store says that a reference dangles, not always which.
                let mut references = judge.references(&record.all());
                if let Some(stored) = stored {
                    references.retain(|(field, ..)| record.get(*field) != stored.get(*field));
                }
                match self.not_readable(judge, references).await {
                    Err(problem) => problem,
                    Ok(fields) if fields.is_empty() => problem_of(StoreError::Contended),
                    Ok(fields) => {
                        Problem::invalid(fields.into_iter().map(|f| judge.dangling(f)).collect())
                    }
                }
            }
            other => problem_of(other),
        }
    }

    /// The columns of each unique key that another record holds; `own` is the one that is changed.
    async fn taken(
        &mut self,
        judge: &Judge,
        record: &Record,
        own: Option<&Value>,
    ) -> Result<Vec<Vec<String>>> {
        let model = judge.model();
        let keys = plan::write::unique_keys(model, &record.values, own.is_none());
        let statement = judge.planner().taken(model, &record.for_plan(), &keys, own);
        let rows = self.engine.store.read(&statement, self.bounds(1)).await;
        let rows = rows.map_err(problem_of)?;
        let name = |field: &FieldId| model.field(*field).name.clone();
        Ok(keys
            .iter()
            .zip(&rows.captured)
            .filter(|(_, taken)| **taken == Value::Bool(true))
            .map(|(key, _)| key.iter().map(name).collect())
            .collect())
    }
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
