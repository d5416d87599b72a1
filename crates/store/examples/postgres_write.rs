//! How many durable creates a second PostgreSQL takes, each with its row in the change log, against bare inserts
//! over a pool. `Options::default` follows from it.
//!
//! ```text
//! scripts/postgres run -- cargo run --release -p mainstay-store --example postgres_write -- [seconds] [rounds] [tasks]
//! ```
#![allow(clippy::print_stdout)] // it is a program for a terminal

use deadpool_postgres::{Manager, Pool, Runtime};
use spec::schema::{Column, Schema, Table, TableIndex, TableName, change_log};
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step, Written};
use spec::types::ColumnType;
use spec::{Decimal, Uuid, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::migrate::Allow;
use store::postgres::{Options, Postgres};
use tokio_postgres::NoTls;

const COLUMNS: [(&str, ColumnType); 8] = [
    ("id", ColumnType::Uuid),
    ("name", ColumnType::Text),
    ("description", ColumnType::Text),
    ("price", ColumnType::Decimal { scale: 2 }),
    ("category", ColumnType::Uuid),
    ("created_at", ColumnType::Timestamp),
    ("attributes", ColumnType::Json),
    ("version", ColumnType::Int),
];

const INSERT: &str = "insert into catalog.products (id, name, description, price, category, created_at, attributes, version) \
    values ($1, $2, $3, $4, $5, $6, $7, $8)";

fn schema() -> Schema {
    let products = Table {
        name: TableName::new("catalog", "products"),
        columns: COLUMNS
            .iter()
            .map(|(name, ty)| Column::new(name, *ty, false))
            .collect(),
        key: vec!["id".to_owned()],
        assigned_key: false,
        indexes: vec![TableIndex {
            name: "products_category_price".to_owned(),
            columns: vec!["category".to_owned(), "price".to_owned(), "id".to_owned()],
            unique: false,
        }],
        foreign_keys: vec![],
        renamed_from: None,
        search: Vec::new(),
    };
    Schema {
        tables: vec![products, change_log()],
        ..Schema::default()
    }
}

fn record(n: u64) -> Vec<Value> {
    vec![
        Value::Uuid(Uuid::now_v7()),
        Value::text(&format!("Product number {n}")),
        Value::text(
            "A description of some length, so that the record has the size that records have: 0123456789 0123456789 0123456789.",
        ),
        Value::Decimal(Decimal::new((n % 100_000) as i64, 2)),
        Value::Uuid(Uuid::from_u128(u128::from(n % 100))),
        Value::Timestamp(1_700_000_000_000_000 + n as i64),
        Value::Json("{\"color\":\"red\",\"size\":12}".into()),
        Value::Int(1),
    ]
}

/// The insert and its row of the log, in one statement.
fn logged(n: u64) -> Step {
    let mut params = record(n);
    let id = params[0].key_text();
    let json = format!(
        "{{\"id\":\"{id}\",\"name\":\"Product number {n}\",\"price\":\"12.50\",\"version\":1,\
         \"attributes\":{{\"size\":12,\"color\":\"red\"}},\"created_at\":\"2026-11-24T00:00:00.000000Z\",\
         \"description\":\"A description of some length, so that the record has the size that records have.\"}}"
    );
    params.extend([Value::text(&id), Value::Json(json.into())]);
    Step {
        statement: Statement {
            text: format!(
                "with w as ({INSERT} returning version), \
                 l as (insert into mainstay.changes (module, model, record_id, version, kind, by_kind, at, record) \
                       select 'catalog', 'products', $9, w.version, 'create', 'user', $6, $10 from w) \
                 select version from w"
            ),
            params,
            shape: Arc::new(Shape {
                columns: vec![Output::Captured {
                    ty: ColumnType::Int,
                }],
                capture: Capture::Every,
            }),
            lane: Lane::Bounded,
        },
        expect: Expect::One,
    }
}

/// Runs `one` in so many tasks for so long: operations a second, and p50 and p99 in milliseconds.
async fn measure<F, W>(tasks: usize, seconds: f64, one: W) -> (f64, f64, f64)
where
    W: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let started = Instant::now();
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let one = one.clone();
            tokio::spawn(async move {
                let mut took = Vec::new();
                while Instant::now() < end {
                    let at = Instant::now();
                    one(NEXT.fetch_add(1, Ordering::Relaxed)).await;
                    took.push(at.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in running {
        took.extend(task.await.expect("a task"));
    }
    let elapsed = started.elapsed().as_secs_f64();
    took.sort();
    let at = |part: usize| took[(took.len() - 1) * part / 100].as_secs_f64() * 1e3;
    (took.len() as f64 / elapsed, at(50), at(99))
}

/// What the hand-written program does: a prepared insert over a pool, no log.
async fn bare(url: &str, size: usize, tasks: usize, seconds: f64) -> (f64, f64, f64) {
    let config = url.parse().expect("a URL");
    let pool = Pool::builder(Manager::new(config, NoTls))
        .max_size(size)
        .runtime(Runtime::Tokio1)
        .build()
        .expect("a pool");
    measure(tasks, seconds, move |n| {
        let pool = pool.clone();
        async move {
            let id = Uuid::now_v7().to_string();
            let client = pool.get().await.expect("a connection");
            // Ids and numbers go as text, which costs the client less than it gives it: the driver's own types
            // for them are not among our dependencies.
            let text = "insert into catalog.products (id, name, description, price, category, created_at, attributes, version) \
                values ($1::text::uuid, $2, $3, $4::text::numeric, $5::text::uuid, $6::text::timestamptz, $7::text::jsonb, $8)";
            let insert = client.prepare_cached(text).await.expect("prepared");
            let name = format!("Product number {n}");
            let price = format!("{}.{:02}", n % 1000, n % 100);
            let category = Uuid::from_u128(u128::from(n % 100)).to_string();
            client
                .execute(
                    &insert,
                    &[
                        &id,
                        &name,
                        &"A description of some length, so that the record has the size that records have: 0123456789 0123456789 0123456789.",
                        &price,
                        &category,
                        &"2026-11-24T00:00:00Z",
                        &"{\"color\":\"red\",\"size\":12}",
                        &1i64,
                    ],
                )
                .await
                .expect("inserted");
        }
    })
    .await
}

async fn ours(
    url: &str,
    writers: usize,
    group: usize,
    log: bool,
    tasks: usize,
    seconds: f64,
) -> (f64, f64, f64) {
    let options = Options {
        writers,
        group,
        ..Options::default()
    };
    let store = Arc::new(Postgres::connect(url, options).await.expect("connected"));
    measure(tasks, seconds, move |n| {
        let store = store.clone();
        async move {
            let step = if log {
                logged(n)
            } else {
                let mut step = logged(n);
                step.statement.text = INSERT.to_owned();
                step.statement.params.truncate(8);
                step
            };
            let deadline = Instant::now() + Duration::from_secs(10);
            let written = store.write(vec![step], deadline).await.expect("written");
            assert!(matches!(written, Written::Done(_)));
        }
    })
    .await
}

#[tokio::main]
async fn main() {
    let server = std::env::var("MAINSTAY_TEST_POSTGRES")
        .expect("MAINSTAY_TEST_POSTGRES: run it under scripts/postgres");
    let argument = |at: usize, default: f64| {
        let given = std::env::args().nth(at);
        given.map_or(default, |text| text.parse().expect("a number"))
    };
    let (seconds, rounds, tasks) = (
        argument(1, 3.0),
        argument(2, 3.0) as usize,
        argument(3, 64.0) as usize,
    );
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    let name = format!("write_{}", Uuid::new_v4().simple());
    let (admin, driver) = tokio_postgres::connect(&server, NoTls)
        .await
        .expect("connected");
    tokio::spawn(driver);
    admin
        .batch_execute(&format!("create database {name}"))
        .await
        .expect("created");
    let url = format!("{base}/{name}");
    let store = Postgres::connect(&url, Options::default())
        .await
        .expect("connected");
    store.apply(&schema(), Allow::SAFE).await.expect("tables");
    drop(store);

    println!("{tasks} tasks, {seconds} s a cell: creates/s (p50 ms, p99 ms)");
    for round in 0..rounds {
        let base = bare(&url, 32, tasks, seconds).await;
        println!(
            "round {round}: bare, pool of 32: {:.0} ({:.2}, {:.2})",
            base.0, base.1, base.2
        );
        for (writers, group) in [(16, 1), (1, 64), (2, 32), (4, 32), (8, 16)] {
            let (rate, p50, p99) = ours(&url, writers, group, true, tasks, seconds).await;
            println!(
                "  {writers:2} writers, groups of {group:2}: {rate:6.0} ({p50:.2}, {p99:.2})  {:.2} of bare",
                rate / base.0
            );
        }
        let (rate, p50, p99) = ours(&url, 4, 32, false, tasks, seconds).await;
        println!(
            "   4 writers, groups of 32, no log: {rate:6.0} ({p50:.2}, {p99:.2})  {:.2} of bare",
            rate / base.0
        );
    }
    admin
        .batch_execute(&format!("drop database {name} with (force)"))
        .await
        .expect("dropped");
}
