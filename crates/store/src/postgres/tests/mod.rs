//! What the store promises, on PostgreSQL. What both stores promise alike is also held by the suite above.

mod faults;
mod load;
mod log;
mod reads;
mod schema;
mod writes;

use super::{Options, Postgres};
use crate::migrate::{Allow, Applied};
pub use crate::tests::{captured, column, counted, field, key, select, soon};
use crate::{Bounds, Result};
use spec::schema::{Column, ForeignKey, Schema, TableIndex, TableName};
use spec::statement::{Capture, Expect, Lane, Output, Rows, Shape, Statement, Step, Written};
use spec::types::ColumnType;
use spec::{Uuid, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio_postgres::{Client, NoTls};

/// A database of its own, dropped with it.
pub struct Database {
    server: String,
    name: String,
}

impl Database {
    pub async fn create() -> Database {
        let server = std::env::var("MAINSTAY_TEST_POSTGRES")
            .expect("MAINSTAY_TEST_POSTGRES is not set: run the tests with `make test`");
        Database::create_on(server, "").await
    }

    pub async fn create_on(server: String, with: &str) -> Database {
        let name = format!("store_{}", Uuid::new_v4().simple());
        let client = connect(&server).await;
        let sql = format!("create database {name} {with}");
        client.batch_execute(&sql).await.unwrap();
        Database { server, name }
    }

    pub fn url(&self) -> String {
        let (server, _) = self.server.rsplit_once('/').expect("a URL with a database");
        format!("{server}/{}", self.name)
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // The test's runtime may be on its way out; this one is only for a moment.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .expect("a runtime");
            runtime.block_on(async {
                if let Ok((client, driver)) = tokio_postgres::connect(&server, NoTls).await {
                    let driver = tokio::spawn(driver);
                    let sql = format!("drop database {name} with (force)");
                    let _ = client.batch_execute(&sql).await;
                    driver.abort();
                }
            });
        });
        let _ = dropping.join();
    }
}

/// A connection of another program.
pub async fn connect(url: &str) -> Client {
    let (client, driver) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(driver);
    client
}

pub struct Fixture {
    pub store: Postgres,
    pub database: Database,
}

impl Fixture {
    pub async fn stranger(&self) -> Client {
        connect(&self.database.url()).await
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

    pub async fn json(&self, text: &str, params: Vec<Value>, columns: Vec<Output>) -> String {
        let rows = self
            .read(&select(text, params, columns), 100)
            .await
            .unwrap();
        String::from_utf8(rows.body).unwrap()
    }

    pub async fn count(&self, table: &str) -> i64 {
        let text = format!("select count(*) from {table}");
        let statement = select(&text, vec![], vec![captured(ColumnType::Int)]);
        counted(&self.read(&statement, 1).await.unwrap().captured)
    }
}

pub async fn fixture() -> Fixture {
    fixture_with(Options::default()).await
}

pub async fn fixture_with(options: Options) -> Fixture {
    let database = Database::create().await;
    let store = Postgres::connect(&database.url(), options).await.unwrap();
    let applied = store.apply(&shop(), Allow::SAFE).await.unwrap();
    assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
    Fixture { store, database }
}

pub fn shop() -> Schema {
    let columns = vec![
        column("id", ColumnType::Int, false),
        column("name", ColumnType::Text, false),
        column("price", ColumnType::Decimal { scale: 2 }, true),
        column("category", ColumnType::Uuid, true),
        column("attributes", ColumnType::Json, true),
        column("version", ColumnType::Int, false),
    ];
    let index: &[&str] = &["category", "price", "id"];
    crate::tests::shop(columns, ("products_category_price", index))
}

pub fn step(text: &str, params: Vec<Value>, expect: Expect) -> Step {
    Step {
        statement: select(text, params, vec![]),
        expect,
    }
}

/// Creates a product, and logs it in the same statement.
pub fn create(name: &str) -> Step {
    let text = "with w as (insert into catalog.products (name, version) values ($1, 1) returning id, name), \
        l as (insert into mainstay.changes (module, model, record_id, version, kind, by_kind, at, record) \
              select 'catalog', 'products', w.id::text, 1, 'create', 'anonymous', now(), w.name from w) \
        select id from w";
    Step {
        statement: select(
            text,
            vec![Value::text(name)],
            vec![captured(ColumnType::Int)],
        ),
        expect: Expect::One,
    }
}

/// Renames the product if it still has that version.
pub fn rename(id: i64, version: i64, name: &str) -> Step {
    let text = "with w as (update catalog.products set name = $3, version = version + 1 \
                           where id = $1 and version = $2 returning id, name, version), \
        l as (insert into mainstay.changes (module, model, record_id, version, kind, by_kind, at, record) \
              select 'catalog', 'products', w.id::text, w.version, 'update', 'anonymous', now(), w.name from w) \
        select version from w";
    Step {
        statement: select(
            text,
            vec![Value::Int(id), Value::Int(version), Value::text(name)],
            vec![captured(ColumnType::Int)],
        ),
        expect: Expect::One,
    }
}
