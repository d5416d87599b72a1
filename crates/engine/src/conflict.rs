//! What a write that the store refuses is to its writer.

use crate::execute::Run;
use crate::judge::Judge;
use crate::record::Record;
use spec::{Code, FieldError, Problem};
use store::StoreError;
use store::error::problem_of;

impl Run<'_> {
    /// What a failed write is to its writer.
    pub async fn write_problem(
        &mut self,
        judge: &Judge,
        record: &Record,
        error: StoreError,
    ) -> Problem {
        match error {
            StoreError::Unique { columns, .. } => conflict(&columns),
            StoreError::ForeignKey { .. } => {
                // The store says that a reference dangles, not always which.
                let references = judge.references(&record.all());
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
}

/// One bit and no more: the same value exists, or of several columns, the same values together. Not whose, not
/// where.
pub fn conflict(columns: &[String]) -> Problem {
    let detail = match columns {
        [column] => format!("A record with this {column} exists."),
        several => format!("A record with the same {} exists.", together(several)),
    };
    let errors = columns
        .iter()
        .map(|column| FieldError::at(column, "duplicate", &detail))
        .collect();
    let detail = match columns {
        [] | [_] => "A record with the same unique value exists.".to_owned(),
        _ => detail,
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
