//! SQLite's result codes in the words of the store.

use super::encode;
use crate::StoreError;
use rusqlite::{Connection, ffi};
use spec::statement::Statement;

/// What an error of the driver means to the caller.
pub fn map(error: rusqlite::Error) -> StoreError {
    let cause = error.to_string();
    let Some(code) = error.sqlite_extended_error_code() else {
        return StoreError::Other { cause };
    };
    match code & 0xff {
        ffi::SQLITE_FULL => StoreError::Full { cause },
        ffi::SQLITE_BUSY | ffi::SQLITE_LOCKED => StoreError::Busy { cause },
        ffi::SQLITE_INTERRUPT => StoreError::Timeout,
        // A write that fails with these is rolled back, by SQLite or by us.
        ffi::SQLITE_IOERR if out_of_space(&cause) => StoreError::Full { cause },
        ffi::SQLITE_IOERR
        | ffi::SQLITE_CANTOPEN
        | ffi::SQLITE_READONLY
        | ffi::SQLITE_PERM
        | ffi::SQLITE_NOMEM
        | ffi::SQLITE_PROTOCOL => StoreError::Unavailable {
            cause,
            maybe: false,
        },
        // Only our own functions fail so, and only for this.
        _ if code == ffi::SQLITE_CONSTRAINT_FUNCTION => StoreError::OutOfRange { cause },
        ffi::SQLITE_CONSTRAINT => constraint(code, &error, cause),
        _ => StoreError::Other { cause },
    }
}

/// The connection is of no use any more, or may not be: the next one who needs it opens another.
pub fn is_broken(error: &rusqlite::Error) -> bool {
    error.sqlite_extended_error_code().is_some_and(|code| {
        matches!(
            code & 0xff,
            ffi::SQLITE_IOERR
                | ffi::SQLITE_CANTOPEN
                | ffi::SQLITE_NOTADB
                | ffi::SQLITE_CORRUPT
                | ffi::SQLITE_NOMEM
        )
    })
}

fn out_of_space(cause: &str) -> bool {
    cause.contains("full") || cause.contains("No space")
}

fn constraint(code: i32, error: &rusqlite::Error, cause: String) -> StoreError {
    let message = match error {
        rusqlite::Error::SqliteFailure(_, Some(message)) => message.as_str(),
        _ => cause.as_str(),
    };
    match code {
        ffi::SQLITE_CONSTRAINT_UNIQUE
        | ffi::SQLITE_CONSTRAINT_PRIMARYKEY
        | ffi::SQLITE_CONSTRAINT_ROWID => {
            let (table, columns) = unique(message);
            StoreError::Unique { table, columns }
        }
        // A RESTRICT that refuses a delete reports itself as a trigger.
        ffi::SQLITE_CONSTRAINT_FOREIGNKEY | ffi::SQLITE_CONSTRAINT_TRIGGER => {
            StoreError::ForeignKey {
                table: String::new(),
                columns: Vec::new(),
            }
        }
        _ => StoreError::Other { cause },
    }
}

/// `UNIQUE constraint failed: catalog__products.sku, catalog__products.shop`.
fn unique(message: &str) -> (String, Vec<String>) {
    let Some((_, list)) = message.split_once("failed: ") else {
        return (String::new(), Vec::new());
    };
    let mut table = String::new();
    let mut columns = Vec::new();
    for item in list.split(", ") {
        if let Some((of, column)) = item.split_once('.') {
            table = dotted(of);
            columns.push(column.to_owned());
        }
    }
    (table, columns)
}

/// `catalog__products` → `catalog.products`, `_mainstay_changes` → `mainstay.changes`: the name both stores report.
pub fn dotted(flat: &str) -> String {
    match super::introspect::table_name(flat) {
        Some(name) => format!("{}.{}", name.namespace, name.name),
        None => flat.to_owned(),
    }
}

/// The columns whose references lead nowhere, of those that an insert or update writes. SQLite only says that
/// there is one; so they are looked up, which costs whoever wrote it and nobody else. None where others refer
/// to what a delete would remove, or where it cannot be found out.
pub fn dangling(conn: &Connection, statement: &Statement) -> Vec<String> {
    let written = written(&statement.text);
    let look = || -> rusqlite::Result<Vec<String>> {
        let flat = statement.text.split('"').nth(1).unwrap_or_default();
        let mut out = Vec::new();
        let mut keys = conn.prepare(
            "SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC",
        )?;
        let mut keys = keys.query([flat])?;
        while let Some(key) = keys.next()? {
            let (column, to): (String, String) = (key.get(0)?, key.get(1)?);
            let value = written
                .iter()
                .position(|name| *name == column)
                .and_then(|at| statement.params.get(at));
            let Some(value) = value.filter(|value| !value.is_null()) else {
                continue;
            };
            let exists = format!("SELECT EXISTS (SELECT 1 FROM \"{to}\" WHERE id = ?1)");
            if !conn.query_row(&exists, [encode::bind(value)], |row| row.get(0))? {
                out.push(column);
            }
        }
        Ok(out)
    };
    look().unwrap_or_default()
}

/// The columns that a statement of the planner writes, in the order of its first parameters: those of
/// `INSERT INTO "t" ("a", "b") …` or of `UPDATE "t" AS t SET "a" = ?1, "b" = ?2 WHERE …`.
fn written(text: &str) -> Vec<&str> {
    let list = if text.starts_with("INSERT ") {
        text.split_once('(')
            .and_then(|(_, rest)| rest.split_once(')'))
    } else if text.starts_with("UPDATE ") {
        text.split_once(" SET ")
            .and_then(|(_, rest)| rest.split_once(" WHERE "))
    } else {
        None
    };
    let list = list.map_or("", |(list, _)| list);
    list.split('"').skip(1).step_by(2).collect()
}

/// The table a writing statement is about: the first quoted name in it. SQLite's foreign key errors do not say.
pub fn table_of(text: &str) -> String {
    text.split('"').nth(1).map(dotted).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unique_failure_names_table_and_columns() {
        assert_eq!(
            unique("UNIQUE constraint failed: catalog__products.sku, catalog__products.shop"),
            (
                "catalog.products".to_owned(),
                vec!["sku".to_owned(), "shop".to_owned()]
            )
        );
        assert_eq!(
            unique("UNIQUE constraint failed: _mainstay_sessions.id").0,
            "mainstay.sessions"
        );
        assert_eq!(
            written("INSERT INTO \"m__t\" (\"id\", \"of\") VALUES (?1, ?2) RETURNING \"id\""),
            ["id", "of"]
        );
        assert_eq!(
            written("UPDATE \"m__t\" AS t SET \"of\" = ?1, \"n\" = ?2 WHERE t.\"id\" = ?3"),
            ["of", "n"]
        );
        assert!(written("DELETE FROM \"m__t\" AS t WHERE t.\"id\" = ?1").is_empty());
        assert_eq!(
            table_of("insert into \"shop__orders\" (\"id\")"),
            "shop.orders"
        );
    }
}
