//! What the store promises, on SQLite. What both stores promise alike is also held by the suite above.

mod faults;
mod load;
mod log;
mod reads;
mod schema;
mod writes;

use super::{Options, Sqlite};
use crate::migrate::{Allow, Applied};
pub use crate::tests::{captured, column, counted, field, select, soon};
use crate::{Bounds, Result};
use spec::schema::{Column, ForeignKey, Schema, Table, TableIndex, TableName};
use spec::statement::{Capture, Expect, Key, Lane, Output, Rows, Shape, Statement, Step, Written};
use spec::types::ColumnType;
use spec::{Uuid, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tempfile::TempDir;

pub struct Fixture {
    pub store: Sqlite,
    pub folder: TempDir,
}

impl Fixture {
    pub fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("data.db")
    }

    pub async fn write(&self, steps: Vec<Step>) -> Result<Written> {
        self.store.write(steps, soon()).await
    }

    pub async fn read(&self, statement: &Statement, emit: u32) -> Result<Rows> {
        let bounds = Bounds {
            emit,
            deadline: soon(),
        };
        self.store.read(statement, bounds).await
    }

    pub async fn count(&self, table: &str) -> i64 {
        let text = format!("select count(*) from {table}");
        let statement = select(&text, vec![], vec![captured(ColumnType::Int)]);
        counted(&self.read(&statement, 1).await.unwrap().captured)
    }

    /// A connection of another program.
    pub fn stranger(&self) -> rusqlite::Connection {
        rusqlite::Connection::open(self.path()).unwrap()
    }
}

pub async fn fixture() -> Fixture {
    fixture_with(Options::default()).await
}

pub async fn fixture_with(options: Options) -> Fixture {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("data.db"), options).unwrap();
    let applied = store.apply(&shop(), Allow::SAFE).await.unwrap();
    assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
    Fixture { store, folder }
}

pub fn shop() -> Schema {
    let columns = vec![
        column("id", ColumnType::Int, false),
        column("name", ColumnType::Text, false),
        column("price", ColumnType::Decimal { scale: 2 }, false),
        column("active", ColumnType::Bool, false),
        column("rating", ColumnType::Float, true),
        column("created_at", ColumnType::Timestamp, false),
        column("day", ColumnType::Date, true),
        column("category", ColumnType::Uuid, true),
        column("attributes", ColumnType::Json, true),
        column("version", ColumnType::Int, false),
    ];
    crate::tests::shop(columns, ("products_category_idx", &["category", "id"]))
}

pub fn step(text: &str, params: Vec<Value>) -> Step {
    Step {
        statement: select(text, params, vec![]),
        expect: Expect::Any,
    }
}

pub fn one(text: &str, params: Vec<Value>) -> Step {
    Step {
        expect: Expect::One,
        ..step(text, params)
    }
}

pub fn category(id: u128, name: &str) -> Step {
    one(
        "insert into \"catalog__categories\" (\"id\", \"name\") values (?1, ?2)",
        vec![Uuid::from_u128(id).into(), name.into()],
    )
}

/// A product with this id, and nothing remarkable about it.
pub fn product(id: i64, name: &str) -> Step {
    one(
        "insert into \"catalog__products\" (id, name, price, active, created_at, version)
         values (?1, ?2, 1250, 1, 0, 1)",
        vec![id.into(), name.into()],
    )
}

/// What a write adds to the log.
pub fn logged(id: i64, version: i64, at: i64) -> Step {
    one(
        "insert into _mainstay_changes (module, model, record_id, version, kind, by_kind, at, record)
         values ('catalog', 'products', ?1, ?2, 'create', 'user', ?3, '{}')",
        vec![
            Value::text(&id.to_string()),
            version.into(),
            Value::Timestamp(at),
        ],
    )
}

pub fn text(rows: &Rows) -> &str {
    std::str::from_utf8(&rows.body).unwrap()
}
