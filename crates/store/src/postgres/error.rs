//! What the server says, in the words of [`StoreError`], by SQLSTATE.

use crate::StoreError;
use tokio_postgres::Error;
use tokio_postgres::error::{DbError, SqlState};

/// What to do about a failed statement, before anybody is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// The connection is gone, and nobody knows how far the server came.
    Lost,
    /// A prepared statement that the server no longer accepts: prepare it again.
    Stale,
    /// A limit on time struck; the statement was undone.
    Slow,
    /// A limit on waiting for a lock struck; the statement was undone.
    Locked,
    /// Beaten by a concurrent transaction; the transaction was undone.
    Contended,
    /// The server refused it for another reason; the transaction was undone.
    Refused,
    /// It never left: its parameters do not fit, or an answer could not be read.
    Local,
}

impl Failure {
    pub(super) fn of(error: &Error) -> Failure {
        let Some(db) = error.as_db_error() else {
            return if is_lost(error) {
                Failure::Lost
            } else {
                Failure::Local
            };
        };
        match *db.code() {
            SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
                Failure::Contended
            }
            _ if is_decided(db) => Failure::Refused,
            SqlState::READ_ONLY_SQL_TRANSACTION => Failure::Lost,
            ref code if is_down(code) => Failure::Lost,
            SqlState::FEATURE_NOT_SUPPORTED | SqlState::INVALID_SQL_STATEMENT_NAME => {
                Failure::Stale
            }
            SqlState::QUERY_CANCELED => Failure::Slow,
            SqlState::LOCK_NOT_AVAILABLE => Failure::Locked,
            _ => Failure::Refused,
        }
    }
}

/// The driver does not show its kind; what is neither the server's nor a matter of encoding is the wire's.
fn is_lost(error: &Error) -> bool {
    use std::error::Error as _;
    error.is_closed()
        || error
            .source()
            .is_some_and(|source| source.is::<std::io::Error>())
        || error.to_string().starts_with("timeout")
}

/// The server is going down, coming up, or has no connection left.
fn is_down(code: &SqlState) -> bool {
    code.code().starts_with("08")
        || matches!(
            *code,
            SqlState::ADMIN_SHUTDOWN
                | SqlState::CRASH_SHUTDOWN
                | SqlState::CANNOT_CONNECT_NOW
                | SqlState::TOO_MANY_CONNECTIONS
        )
}

/// `maybe`: what failed may have been committed, if the connection was lost on the way.
pub(super) fn map(error: &Error, maybe: bool) -> StoreError {
    if let Some(db) = error.as_db_error() {
        return refused(db, maybe);
    }
    let cause = describe(error);
    if is_lost(error) {
        StoreError::Unavailable { cause, maybe }
    } else {
        StoreError::Other { cause }
    }
}

fn refused(db: &DbError, maybe: bool) -> StoreError {
    let cause = format!("{} ({})", db.message(), db.code().code());
    let table = || match (db.schema(), db.table()) {
        (Some(schema), Some(table)) => format!("{schema}.{table}"),
        _ => String::new(),
    };
    let columns = || db.detail().map(key_columns).unwrap_or_default();
    match *db.code() {
        SqlState::UNIQUE_VIOLATION => StoreError::Unique {
            table: table(),
            columns: columns(),
        },
        ref code if is_reference(code) => StoreError::ForeignKey {
            table: table(),
            columns: columns(),
        },
        SqlState::T_R_SERIALIZATION_FAILURE | SqlState::T_R_DEADLOCK_DETECTED => {
            StoreError::Contended
        }
        _ if is_decided(db) => StoreError::Refused {
            cause,
            column: None,
        },
        SqlState::QUERY_CANCELED => StoreError::Timeout,
        SqlState::LOCK_NOT_AVAILABLE => StoreError::Busy { cause },
        SqlState::NUMERIC_VALUE_OUT_OF_RANGE => StoreError::OutOfRange { cause },
        SqlState::DISK_FULL => StoreError::Full { cause },
        // A server that became a standby, or was told to take no writes: for the time being, and certainly not done.
        SqlState::READ_ONLY_SQL_TRANSACTION => StoreError::Unavailable {
            cause,
            maybe: false,
        },
        ref code if is_down(code) => StoreError::Unavailable { cause, maybe },
        ref code if is_rule(code) => StoreError::Refused {
            cause,
            column: db.column().map(str::to_owned),
        },
        _ => StoreError::Other { cause },
    }
}

/// A reference that leads nowhere, or one that is left: since PostgreSQL 18 a delete that `ON DELETE RESTRICT` refuses
/// has a code of its own.
fn is_reference(code: &SqlState) -> bool {
    matches!(
        *code,
        SqlState::FOREIGN_KEY_VIOLATION | SqlState::RESTRICT_VIOLATION
    )
}

/// What a trigger raised, whatever code it chose, and what row security forbids, whose code is also that of a role that
/// lacks a right: PostgreSQL names the place in its own source that an error is from.
fn is_decided(db: &DbError) -> bool {
    matches!(
        db.routine(),
        Some("exec_stmt_raise" | "exec_stmt_assert" | "ExecWithCheckOptions")
    )
}

/// What a table does not take: a null, a value outside of a check, an exclusion, a form that its type has not, or more
/// than an index or a text search holds.
fn is_rule(code: &SqlState) -> bool {
    code.code().starts_with("22")
        || matches!(
            *code,
            SqlState::NOT_NULL_VIOLATION
                | SqlState::CHECK_VIOLATION
                | SqlState::EXCLUSION_VIOLATION
                | SqlState::RAISE_EXCEPTION
                | SqlState::PROGRAM_LIMIT_EXCEEDED
        )
}

/// The error and what is behind it, for the log.
pub(super) fn describe(error: &Error) -> String {
    use std::error::Error as _;
    match error.source() {
        Some(source) => format!("{error}: {source}"),
        None => error.to_string(),
    }
}

/// The columns of `Key (a, b)=(1, 2) already exists.`, in whatever language the server speaks. The values,
/// which belong to somebody else's record, stay behind.
fn key_columns(detail: &str) -> Vec<String> {
    let Some((columns, _)) = detail
        .split_once('(')
        .and_then(|(_, rest)| rest.split_once(")=("))
    else {
        return Vec::new();
    };
    columns
        .split(", ")
        .map(|name| name.trim_matches('"').to_owned())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refused_delete_is_about_references_under_both_of_its_codes() {
        for (code, reference) in [("23503", true), ("23001", true), ("23505", false)] {
            assert_eq!(
                is_reference(&SqlState::from_code(code)),
                reference,
                "{code}"
            );
        }
    }

    #[test]
    fn a_detail_gives_its_columns_and_keeps_its_values() {
        for (detail, columns) in [
            ("Key (sku)=(A-1) already exists.", vec!["sku"]),
            (
                "Key (\"order\", sku)=(1, )=(x) already exists.",
                vec!["order", "sku"],
            ),
            ("Schlüssel »(sku)=(A)« existiert bereits.", vec!["sku"]),
            ("nothing of the kind", vec![]),
        ] {
            assert_eq!(key_columns(detail), columns, "{detail}");
        }
    }
}
