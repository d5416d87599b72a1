//! Prints what a point read, a list of 20, 20 with 5 nested each, and durable writes cost on this machine:
//! `cargo run --release -p mainstay-store --example sqlite_read`.
#![allow(clippy::print_stdout)]

use spec::schema::{Column, Schema, Table, TableIndex, TableName, change_log};
use spec::statement::{
    Bind, Capture, Expect, Key, Lane, Many, Nested, Output, Part, Shape, Statement, Step,
};
use spec::types::ColumnType;
use spec::{Decimal, Uuid, Value};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::migrate::Allow;
use store::sqlite::{Options, Sqlite};
use store::{Batch, Bounds};

const RECORDS: u128 = 100_000;
/// Numbers of records that are written one by one.
static NEXT: AtomicU64 = AtomicU64::new(10_000_000);
const COLUMNS: &str = "id, name, description, price, category, active, created_at, version";

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        tokio::spawn(run()).await.expect("the trial");
    });
}

async fn run() {
    let folder = std::env::temp_dir().join(format!("mainstay-trial-{}", std::process::id()));
    let store = Sqlite::open(folder.join("data.db"), Options::default()).expect("a database");
    let store = Arc::new(store);
    store.apply(&schema(), Allow::SAFE).await.expect("tables");
    fill(&store).await;
    floor(&store);
    reads(&store).await;
    for tasks in [1, 64] {
        writes(&store, tasks).await;
    }
    store.close().await;
    let _ = std::fs::remove_dir_all(folder);
}

fn soon() -> Instant {
    Instant::now() + Duration::from_secs(60)
}

fn schema() -> Schema {
    let column = |name: &str, ty| Column::new(name, ty, false);
    let table = |name: &str, columns: Vec<Column>, index: &[&str]| Table {
        name: TableName::new("shop", name),
        columns,
        key: vec!["id".to_owned()],
        assigned_key: false,
        indexes: vec![TableIndex {
            name: format!("{name}_idx"),
            columns: index.iter().map(|name| (*name).to_owned()).collect(),
            unique: false,
        }],
        foreign_keys: vec![],
        renamed_from: None,
        search: Vec::new(),
    };
    let products = vec![
        column("id", ColumnType::Uuid),
        column("name", ColumnType::Text),
        column("description", ColumnType::Text),
        column("price", ColumnType::Decimal { scale: 2 }),
        column("category", ColumnType::Text),
        column("active", ColumnType::Bool),
        column("created_at", ColumnType::Timestamp),
        column("version", ColumnType::Int),
    ];
    let reviews = vec![
        column("id", ColumnType::Uuid),
        column("product", ColumnType::Uuid),
        column("rating", ColumnType::Int),
        column("body", ColumnType::Text),
    ];
    Schema {
        tables: vec![
            table("products", products, &["category", "price", "id"]),
            table("reviews", reviews, &["product", "id"]),
            change_log(),
        ],
        ..Schema::default()
    }
}

fn id(number: u128) -> Value {
    // Spread like the tail of a UUIDv7, so that neighbours are not neighbours in the index.
    Value::Uuid(Uuid::from_u128(
        number.wrapping_mul(0x9E37_79B9_7F4A_7C15_F39C_C060_5CED_C835),
    ))
}

fn statement(text: String, params: Vec<Value>, columns: Vec<Output>) -> Statement {
    Statement {
        text,
        params,
        shape: Arc::new(Shape {
            columns,
            capture: Capture::Last,
        }),
        lane: Lane::Bounded,
    }
}

fn step(text: &str, params: Vec<Value>) -> Step {
    Step {
        statement: statement(text.to_owned(), params, vec![]),
        expect: Expect::One,
    }
}

fn product(number: u128) -> Step {
    step(
        "insert into shop__products values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)",
        vec![
            id(number),
            Value::text(&format!("Product {number}")),
            Value::text(
                "A description of ordinary length, with a \"quoted\" word in it and some more text after that.",
            ),
            Value::Decimal(Decimal::new((number % 50_000) as i64, 2)),
            Value::text(&format!("category-{}", number % 50)),
            Value::Bool(!number.is_multiple_of(3)),
            Value::Timestamp(1_700_000_000_000_000 + number as i64),
            Value::Int(1),
        ],
    )
}

async fn fill(store: &Sqlite) {
    let (batches, receiver) = tokio::sync::mpsc::channel(4);
    let began = Instant::now();
    let feed = async {
        for start in (0..RECORDS).step_by(500) {
            let mut steps = Vec::new();
            for number in start..start + 500 {
                steps.push(product(number));
                for review in 0..5 {
                    steps.push(step(
                        "insert into shop__reviews values (?1, ?2, ?3, ?4)",
                        vec![
                            id(RECORDS + number * 5 + review),
                            id(number),
                            Value::Int(4),
                            Value::text("Does what it says, and arrived in time."),
                        ],
                    ));
                }
            }
            if batches.send(Batch::Steps(steps)).await.is_err() {
                return;
            }
        }
        let _ = batches.send(Batch::Commit).await;
    };
    let (loaded, ()) = tokio::join!(store.load(receiver), feed);
    loaded.expect("records");
    println!(
        "{:<28}{:>10.2} s",
        "600,000 records loaded",
        began.elapsed().as_secs_f64()
    );
}

fn fields() -> Vec<Output> {
    let field = |name: &str, ty| Output::Field {
        key: Key::new(name),
        ty,
    };
    vec![
        field("id", ColumnType::Uuid),
        field("name", ColumnType::Text),
        field("description", ColumnType::Text),
        field("price", ColumnType::Decimal { scale: 2 }),
        field("category", ColumnType::Text),
        field("active", ColumnType::Bool),
        field("created_at", ColumnType::Timestamp),
        field("version", ColumnType::Int),
    ]
}

async fn reads(store: &Arc<Sqlite>) {
    let point = statement(
        format!("select {COLUMNS} from shop__products where id = ?1"),
        vec![Value::Null],
        fields(),
    );
    let list = statement(
        format!(
            "select {COLUMNS} from shop__products where category = ?1 and price > ?2 order by price, id limit 21"
        ),
        vec![Value::text("category-7"), Value::Int(1_000)],
        fields(),
    );
    let mut nested = list.clone();
    let mut columns = fields();
    let child = |name: &str, ty| Output::Field {
        key: Key::new(name),
        ty,
    };
    columns.push(Output::Nested(Box::new(Nested {
        key: Key::new("reviews"),
        many: Some(Many { limit: 5 }),
        part: Part::Statement {
            text: "select id, id, rating, body from shop__reviews where product = ?1 order by id limit 6".into(),
            binds: vec![Bind::Parent(0)],
            shape: Shape {
                columns: vec![
                    child("id", ColumnType::Uuid),
                    child("rating", ColumnType::Int),
                    child("body", ColumnType::Text),
                ],
                capture: Capture::Every,
            },
        },
    })));
    nested.shape = Arc::new(Shape {
        columns,
        capture: Capture::Last,
    });
    for (name, read, emit, times) in [
        ("point read", &point, 1, 300_000u128),
        ("list of 20", &list, 20, 60_000),
        ("20 with 5 nested each", &nested, 20, 10_000),
    ] {
        let mut best = f64::MAX;
        let mut bytes = 0;
        for _ in 0..5 {
            let mut read = read.clone();
            let began = Instant::now();
            for number in 0..times / 5 {
                if emit == 1 {
                    read.params[0] = id(number * 7 % RECORDS);
                }
                let bounds = Bounds {
                    emit,
                    deadline: soon(),
                };
                bytes = store.read(&read, bounds).await.expect("rows").body.len();
            }
            best = best.min(began.elapsed().as_secs_f64() * 1e6 / (times / 5) as f64);
        }
        println!("{name:<28}{best:>10.2} µs   ({bytes} B)");
    }
}

/// The same point read with the driver alone, its columns copied as they are: what ours is to be held against.
fn floor(store: &Sqlite) {
    let conn = rusqlite::Connection::open(store.path()).expect("a connection");
    conn.execute_batch("pragma mmap_size = 268435456; pragma cache_size = -2000")
        .expect("settings");
    let mut best = f64::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        for number in 0..60_000 {
            let Value::Uuid(key) = id(number * 7 % RECORDS) else {
                continue;
            };
            let mut out: Vec<u8> = Vec::with_capacity(512);
            let mut read = conn
                .prepare_cached(&format!(
                    "select {COLUMNS} from shop__products where id = ?1"
                ))
                .expect("a statement");
            let mut rows = read.query([key.as_bytes().as_slice()]).expect("rows");
            let row = rows.next().expect("a row").expect("a record");
            for column in 0..8 {
                match row.get_ref(column).expect("a column") {
                    rusqlite::types::ValueRef::Integer(v) => {
                        out.extend_from_slice(&v.to_le_bytes())
                    }
                    rusqlite::types::ValueRef::Text(v) | rusqlite::types::ValueRef::Blob(v) => {
                        out.extend_from_slice(v);
                    }
                    _ => {}
                }
            }
            std::hint::black_box(out);
        }
        best = best.min(began.elapsed().as_secs_f64() * 1e6 / 60_000.0);
    }
    println!("{:<28}{best:>10.2} µs", "point read, driver alone");
}

async fn writes(store: &Arc<Sqlite>, tasks: u128) {
    let each = 40_000 / tasks.max(8);
    let before = store.stats();
    let began = Instant::now();
    let mut running = Vec::new();
    for _ in 0..tasks {
        let store = Arc::clone(store);
        running.push(tokio::spawn(async move {
            for _ in 0..each {
                let number = u128::from(NEXT.fetch_add(1, Ordering::Relaxed));
                let log = step(
                    "insert into _mainstay_changes (module, model, record_id, version, kind, by_kind, at, record)
                     values ('shop', 'products', ?1, 1, 'create', 'user', ?2, '{}')",
                    vec![Value::text(&number.to_string()), Value::Timestamp(0)],
                );
                store
                    .write(vec![product(number), log], soon())
                    .await
                    .expect("a write");
            }
        }));
    }
    for one in running {
        one.await.expect("a task");
    }
    let after = store.stats();
    let written = (after.writes - before.writes) as f64;
    println!(
        "{:<28}{:>10.0} /s   ({:.1} a commit)",
        format!("writes, {tasks} tasks"),
        written / began.elapsed().as_secs_f64(),
        written / (after.groups - before.groups) as f64,
    );
}
