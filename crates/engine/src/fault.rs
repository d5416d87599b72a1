//! What went wrong below → what the caller is told, and what the log is.

use spec::{Code, Problem};
use std::time::Duration;
use store::StoreError;

/// For errors that say nothing of the caller's data. Conflicts and references are told by the writes.
pub fn problem_of(error: StoreError) -> Problem {
    let cause = error.to_string();
    let wait = Duration::from_secs(1);
    match error {
        StoreError::Unavailable { maybe: false, .. } => {
            Problem::new(Code::StoreUnavailable, "The database cannot be reached right now.").retry_after(wait)
        }
        StoreError::Unavailable { maybe: true, .. } => Problem::new(
            Code::StoreUnavailable,
            "The connection to the database was lost during the write; whether it happened is not known.",
        )
        .retry_after(wait),
        StoreError::Full { .. } => {
            Problem::new(Code::StoreFull, "The database has no room left; nothing was written.").retry_after(wait * 10)
        }
        StoreError::Busy { .. } => {
            Problem::new(Code::StoreBusy, "Another program holds the database; nothing was written.").retry_after(wait)
        }
        StoreError::Timeout => {
            Problem::new(Code::QueryTimeout, "The database did not answer within the time one query has.")
                .retry_after(wait)
        }
        StoreError::Contended => {
            Problem::new(Code::Contended, "Others changed the record each time this write was tried.").retry_after(wait)
        }
        StoreError::Unique { .. } | StoreError::ForeignKey { .. } | StoreError::Other { .. } => {
            return Problem::internal(cause);
        }
    }
    .because(cause)
}
