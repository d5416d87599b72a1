//! What the store promises, on SQLite. What both stores promise alike is also held by the suite above.

mod faults;
mod load;
mod log;
mod reads;
mod schema;
mod writes;

use super::{Options, Sqlite};
use crate::migrate::{Allow, Applied};
use crate::{Bounds, Result};
use spec::schema::{Column, ForeignKey, Schema, Table, TableIndex, TableName, change_log};
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
        let statement = select(
            &format!("select count(*) from {table}"),
            vec![],
            vec![Output::Captured {
                ty: ColumnType::Int,
            }],
        );
        match self.read(&statement, 1).await.unwrap().captured[..] {
            [Value::Int(count)] => count,
            ref other => panic!("{other:?}"),
        }
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

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub fn column(name: &str, ty: ColumnType, nullable: bool) -> Column {
    Column {
        name: name.to_owned(),
        ty,
        nullable,
        backfill: None,
    }
}

pub fn shop() -> Schema {
    let categories = Table {
        name: TableName::new("catalog", "categories"),
        columns: vec![
            column("id", ColumnType::Uuid, false),
            column("name", ColumnType::Text, false),
        ],
        key: vec!["id".to_owned()],
        assigned_key: false,
        indexes: vec![TableIndex {
            name: "categories_name_key".to_owned(),
            columns: vec!["name".to_owned()],
            unique: true,
        }],
        foreign_keys: vec![],
    };
    let products = Table {
        name: TableName::new("catalog", "products"),
        columns: vec![
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
        ],
        key: vec!["id".to_owned()],
        assigned_key: true,
        indexes: vec![TableIndex {
            name: "products_category_idx".to_owned(),
            columns: vec!["category".to_owned(), "id".to_owned()],
            unique: false,
        }],
        foreign_keys: vec![ForeignKey {
            column: "category".to_owned(),
            to: TableName::new("catalog", "categories"),
        }],
    };
    Schema {
        // The one that refers comes first: order must not matter.
        tables: vec![products, categories, change_log()],
    }
}

pub fn statement(text: &str, params: Vec<Value>, columns: Vec<Output>) -> Statement {
    Statement {
        text: text.to_owned(),
        params,
        shape: Arc::new(Shape {
            columns,
            capture: Capture::Every,
        }),
        lane: Lane::Bounded,
    }
}

pub fn select(text: &str, params: Vec<Value>, columns: Vec<Output>) -> Statement {
    statement(text, params, columns)
}

pub fn field(name: &str, ty: ColumnType) -> Output {
    Output::Field {
        key: Key::new(name),
        ty,
    }
}

pub fn step(text: &str, params: Vec<Value>) -> Step {
    Step {
        statement: statement(text, params, vec![]),
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
