//! What can go wrong below, in the words that the rooms above decide on.

use spec::{Code, Problem};
use std::fmt;
use std::time::{Duration, Instant};

#[derive(Debug, Clone, PartialEq)]
pub enum StoreError {
    /// Not reachable, restarting, or the connection was lost. The write did not happen, or nobody knows (`maybe`).
    Unavailable { cause: String, maybe: bool },
    /// No room on the disk.
    Full { cause: String },
    /// Locked by another program for longer than we wait.
    Busy { cause: String },
    /// It ran until the deadline.
    Timeout,
    /// It waited for others until the deadline, or longer than it ran.
    Overloaded,
    /// A unique index (or the primary key) of this table (`namespace.name`) holds already what was written.
    Unique { table: String, columns: Vec<String> },
    /// A foreign key: the target is not there (insert, update), or others refer to the row (delete). SQLite does
    /// not tell which: there, `table` is the one the statement writes, and `columns` are those whose targets are
    /// not there, looked up after the failure; none of a delete.
    ForeignKey { table: String, columns: Vec<String> },
    /// A rule of the table itself: a check, a trigger, a type whose form the value has not. `column` where it is known.
    Refused {
        cause: String,
        column: Option<String>,
    },
    /// A write was beaten by others too many times.
    Contended,
    /// A sum is beyond what it is answered as.
    OutOfRange { cause: String },
    /// The schema is not what the statement expects, a defect of ours, or corruption.
    Other { cause: String },
}

pub type Result<T> = std::result::Result<T, StoreError>;

impl fmt::Display for StoreError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StoreError::Unavailable { cause, .. } => {
                write!(f, "the database cannot be reached: {cause}")
            }
            StoreError::Full { cause } => write!(f, "the database has no room left: {cause}"),
            StoreError::Busy { cause } => {
                write!(f, "the database is locked by another program: {cause}")
            }
            StoreError::Timeout => write!(f, "the query took too long"),
            StoreError::Overloaded => write!(f, "the database was busy with others"),
            StoreError::Unique { table, columns } => {
                write!(f, "{table}: the same {} exists", columns.join(", "))
            }
            StoreError::ForeignKey { table, columns } => {
                write!(f, "{table}: a reference by {}", columns.join(", "))
            }
            StoreError::Refused { cause, .. } => write!(f, "{cause}"),
            StoreError::Contended => write!(f, "the record is being changed by many at once"),
            StoreError::OutOfRange { cause } => write!(f, "a sum is too large: {cause}"),
            StoreError::Other { cause } => write!(f, "{cause}"),
        }
    }
}
impl std::error::Error for StoreError {}

impl StoreError {
    /// A timeout of what was asked at one moment and had its turn at another: whoever waited longer than it ran is
    /// not what took so long.
    pub(crate) fn with_turn(self, asked: Instant, turn: Instant) -> StoreError {
        match self {
            StoreError::Timeout if turn.duration_since(asked) > turn.elapsed() => {
                StoreError::Overloaded
            }
            other => other,
        }
    }

    /// What a failed commit is: its last frame may have reached the disk although the answer did not come back.
    pub(crate) fn or_maybe_done(self) -> StoreError {
        match self {
            StoreError::Unavailable { cause, .. } => StoreError::Unavailable { cause, maybe: true },
            other => other,
        }
    }
}

/// What a caller is told, and what the log is. Conflicts, references and sums are the caller's own data: whoever
/// writes or adds up tells of them, and here they are defects.
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
        // The same again would take as long: there is nothing to wait for.
        StoreError::Timeout => {
            Problem::new(Code::QueryTimeout, "The database did not answer within the time one query has.")
        }
        StoreError::Overloaded => Problem::new(
            Code::Overloaded,
            "The database was busy with others for most of the time one query has.",
        )
        .retry_after(wait),
        StoreError::Contended => {
            Problem::new(Code::Contended, "Others changed the record each time this write was tried.").retry_after(wait)
        }
        StoreError::Unique { .. }
        | StoreError::ForeignKey { .. }
        | StoreError::Refused { .. }
        | StoreError::OutOfRange { .. }
        | StoreError::Other { .. } => {
            return Problem::internal(cause);
        }
    }
    .because(cause)
}
