//! What can go wrong below, in the words that the engine decides on.

use std::fmt;

#[derive(Debug, Clone, PartialEq)]
pub enum StoreError {
    /// Not reachable, restarting, or the connection was lost. The write did not happen, or nobody knows (`maybe`).
    Unavailable { cause: String, maybe: bool },
    /// No room on the disk.
    Full { cause: String },
    /// Locked by another program for longer than we wait.
    Busy { cause: String },
    /// The deadline passed.
    Timeout,
    /// A unique index (or the primary key) of this table (`namespace.name`) holds already what was written.
    Unique { table: String, columns: Vec<String> },
    /// A foreign key: the target is not there (insert, update), or others refer to the row (delete). SQLite does
    /// not tell which key: there, `table` is the one the statement writes, and `columns` are empty.
    ForeignKey { table: String, columns: Vec<String> },
    /// A write was beaten by others too many times.
    Contended,
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
            StoreError::Unique { table, columns } => {
                write!(f, "{table}: the same {} exists", columns.join(", "))
            }
            StoreError::ForeignKey { table, columns } => {
                write!(f, "{table}: a reference by {}", columns.join(", "))
            }
            StoreError::Contended => write!(f, "the record is being changed by many at once"),
            StoreError::Other { cause } => write!(f, "{cause}"),
        }
    }
}
impl std::error::Error for StoreError {}
