//! The private table of answers that a client may ask for again (`Idempotency-Key`), and its statements.
//!
//! A row commits with the write that it answers, or not at all. Keys and requests are there as hashes; whose a key
//! is, is part of its hash.

use crate::sql::Sql;
use crate::write::step;
use spec::schema::{Column, Table, TableIndex, TableName};
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step};
use spec::types::ColumnType;
use spec::{Dialect, Value};

const KEYS: &str = "idempotency_keys";

/// An answer as it is kept.
#[derive(Debug, Clone)]
pub struct Row<'r> {
    /// Hash of whose key it is, of the address that it is for, and of the key.
    pub key: &'r str,
    /// Keyed hash of the rest of the request.
    pub request: &'r str,
    /// Microseconds since 1970.
    pub at: i64,
    /// JSON, the engine's own.
    pub answer: &'r str,
}

pub fn table() -> Table {
    let text = |name| Column::new(name, ColumnType::Text, false);
    Table {
        name: TableName::own(KEYS),
        columns: vec![
            text("key"),
            text("request"),
            Column::new("at", ColumnType::Timestamp, false),
            text("answer"),
        ],
        key: vec!["key".to_owned()],
        assigned_key: false,
        indexes: vec![TableIndex {
            name: "idempotency_keys_at".to_owned(),
            columns: vec!["at".to_owned(), "key".to_owned()],
            unique: false,
        }],
        foreign_keys: Vec::new(),
        renamed_from: None,
        search: Vec::new(),
    }
}

/// Takes a key for as long as the transaction lasts, or captures `false` where another transaction has it: nobody
/// waits. None on SQLite, which runs one transaction at a time.
pub fn claim(dialect: Dialect, key: i64) -> Option<Statement> {
    if dialect == Dialect::Sqlite {
        return None;
    }
    let mut sql = Sql::new(dialect);
    sql.push("SELECT pg_try_advisory_xact_lock(")
        .bind(Value::Int(key), ColumnType::Int)
        .push(")");
    Some(sql.statement(captures(&[ColumnType::Bool]), Lane::Bounded))
}

/// Captures what is kept under a key since a moment: `request, answer`.
pub fn find(dialect: Dialect, key: &str, since: i64) -> Statement {
    let mut sql = Sql::new(dialect);
    sql.push("SELECT k.\"request\", k.\"answer\" FROM ")
        .push(&TableName::own(KEYS).sql(dialect))
        .push(" k WHERE k.\"key\" = ")
        .bind(Value::text(key), ColumnType::Text)
        .push(" AND k.\"at\" > ")
        .bind(Value::Timestamp(since), ColumnType::Timestamp);
    sql.statement(
        captures(&[ColumnType::Text, ColumnType::Text]),
        Lane::Bounded,
    )
}

/// Keeps an answer; in the place of one from before `since`, which counts no more. Misses where there is another.
pub fn keep(dialect: Dialect, row: &Row<'_>, since: i64) -> Step {
    let mut sql = Sql::new(dialect);
    sql.push("INSERT INTO ")
        .push(&TableName::own(KEYS).sql(dialect))
        .push(" AS k (\"key\", \"request\", \"at\", \"answer\") VALUES (")
        .bind(Value::text(row.key), ColumnType::Text)
        .push(", ")
        .bind(Value::text(row.request), ColumnType::Text)
        .push(", ")
        .bind(Value::Timestamp(row.at), ColumnType::Timestamp)
        .push(", ")
        .bind(Value::text(row.answer), ColumnType::Text)
        .push(
            ") ON CONFLICT (\"key\") DO UPDATE SET \"request\" = excluded.\"request\", \"at\" = excluded.\"at\", \
             \"answer\" = excluded.\"answer\" WHERE k.\"at\" <= ",
        )
        .bind(Value::Timestamp(since), ColumnType::Timestamp);
    step(sql, Vec::new(), Expect::One)
}

/// Forgets at most `most` answers from before a moment, the oldest first; captures their keys.
pub fn forget(dialect: Dialect, before: i64, most: u32) -> Step {
    let table = TableName::own(KEYS).sql(dialect);
    let mut sql = Sql::new(dialect);
    sql.push("DELETE FROM ")
        .push(&table)
        .push(" WHERE \"key\" IN (SELECT k.\"key\" FROM ")
        .push(&table)
        .push(" k WHERE k.\"at\" <= ")
        .bind(Value::Timestamp(before), ColumnType::Timestamp)
        .push(" ORDER BY k.\"at\" LIMIT ")
        .number(most)
        .push(") RETURNING \"key\"");
    let key = Output::Captured {
        ty: ColumnType::Text,
    };
    step(sql, vec![key], Expect::Any)
}

fn captures(types: &[ColumnType]) -> Shape {
    Shape {
        columns: types
            .iter()
            .map(|ty| Output::Captured { ty: *ty })
            .collect(),
        capture: Capture::Every,
    }
}
