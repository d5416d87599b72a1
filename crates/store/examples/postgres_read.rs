//! A point read and a list of 20 on PostgreSQL, as JSON: through the store, and by the driver alone on as many
//! pipelined connections, once with generic plans and once as the server chooses.
//!
//! ```text
//! scripts/postgres run -- cargo run --release -p mainstay-store --example postgres_read -- [seconds] [rounds] [tasks]
//! ```
#![allow(clippy::print_stdout)] // it is a program for a terminal

use spec::statement::{Capture, Key, Lane, Output, Shape, Statement};
use spec::types::ColumnType;
use spec::{Uuid, Value};
use std::hint::black_box;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};
use store::Bounds;
use store::postgres::{Options, Postgres};
use tokio_postgres::{Client, NoTls};

const TABLE: &str = "
create table p (id bigint primary key, name text collate \"C\" not null, description text collate \"C\" not null,
  price numeric not null, category bigint not null, owner uuid not null, created_at timestamptz not null, active bool not null);
insert into p select n, 'Product number ' || n, repeat('0123456789 ', 12), (n % 10000) / 100.0, n % 50,
  md5(n::text)::uuid, now(), n % 3 <> 0 from generate_series(1, 100000) n;
create index on p (category nulls first, price nulls first, id);
analyze p";

const POINT: &str = "select id, name, description, price, category, owner, created_at, active from p where id = $1 and (active or owner = $2)";
const LIST: &str = "select id, name, description, price, category, owner, created_at, active from p \
    where category = $1 and (active or owner = $2) order by price nulls first, id limit 21";

fn shape() -> Arc<Shape> {
    let columns = [
        ("id", ColumnType::Int),
        ("name", ColumnType::Text),
        ("description", ColumnType::Text),
        ("price", ColumnType::Decimal { scale: 2 }),
        ("category", ColumnType::Int),
        ("owner", ColumnType::Uuid),
        ("created_at", ColumnType::Timestamp),
        ("active", ColumnType::Bool),
    ];
    Arc::new(Shape {
        columns: columns
            .iter()
            .map(|(name, ty)| Output::Field {
                key: Key::new(name),
                ty: *ty,
            })
            .collect(),
        capture: Capture::Every,
    })
}

/// Runs `one` in so many tasks for so long; microseconds of wall clock per operation.
async fn measure<F, W>(tasks: usize, seconds: f64, one: W) -> f64
where
    W: Fn(u64) -> F + Clone + Send + 'static,
    F: Future<Output = ()> + Send,
{
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let started = Instant::now();
    let end = started + Duration::from_secs_f64(seconds);
    let running: Vec<_> = (0..tasks)
        .map(|_| {
            let one = one.clone();
            tokio::spawn(async move {
                let mut count = 0u64;
                while Instant::now() < end {
                    one(NEXT.fetch_add(1, Ordering::Relaxed)).await;
                    count += 1;
                }
                count
            })
        })
        .collect();
    let mut count = 0;
    for task in running {
        count += task.await.expect("a task");
    }
    started.elapsed().as_secs_f64() * 1e6 / count as f64
}

/// The driver alone: four connections dealt out in turn, rows fetched and not looked at.
async fn driver(url: &str, text: &str, range: u64, mode: &str, tasks: usize, seconds: f64) -> f64 {
    let mut clients: Vec<(Client, tokio_postgres::Statement)> = Vec::new();
    for _ in 0..4 {
        let (client, driver) = tokio_postgres::connect(url, NoTls)
            .await
            .expect("connected");
        tokio::spawn(driver);
        let set = format!("set plan_cache_mode = {mode}");
        client.batch_execute(&set).await.expect("set");
        // The driver's own uuid type is not among our dependencies.
        let text = text.replace("owner = $2", "owner = $2::text::uuid");
        let prepared = client.prepare(&text).await.expect("prepared");
        clients.push((client, prepared));
    }
    let clients = Arc::new(clients);
    measure(tasks, seconds, move |n| {
        let clients = clients.clone();
        async move {
            let (client, prepared) = &clients[(n % 4) as usize];
            let key = (n.wrapping_mul(7919) % range) as i64;
            let nobody = Uuid::nil().to_string();
            black_box(
                client
                    .query(prepared, &[&key, &nobody])
                    .await
                    .expect("rows"),
            );
        }
    })
    .await
}

async fn ours(url: &str, text: &'static str, range: u64, tasks: usize, seconds: f64) -> f64 {
    let store = Postgres::connect(url, Options::default())
        .await
        .expect("connected");
    let (store, shape) = (Arc::new(store), shape());
    measure(tasks, seconds, move |n| {
        let (store, shape) = (store.clone(), shape.clone());
        async move {
            let key = (n.wrapping_mul(7919) % range) as i64;
            let statement = Statement {
                text: text.to_owned(),
                params: vec![Value::Int(key), Value::Uuid(Uuid::nil())],
                shape,
                lane: Lane::Bounded,
            };
            let bounds = Bounds {
                emit: 20,
                deadline: Instant::now() + Duration::from_secs(5),
            };
            black_box(store.read(&statement, bounds).await.expect("rows"));
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
        argument(1, 2.0),
        argument(2, 3.0) as usize,
        argument(3, 64.0) as usize,
    );
    let (base, _) = server.rsplit_once('/').expect("a URL with a database");
    let name = format!("read_{}", Uuid::new_v4().simple());
    let (admin, driving) = tokio_postgres::connect(&server, NoTls)
        .await
        .expect("connected");
    tokio::spawn(driving);
    admin
        .batch_execute(&format!("create database {name}"))
        .await
        .expect("created");
    let url = format!("{base}/{name}");
    let (client, driving) = tokio_postgres::connect(&url, NoTls)
        .await
        .expect("connected");
    tokio::spawn(driving);
    client.batch_execute(TABLE).await.expect("filled");
    drop(client);

    println!(
        "{tasks} tasks, µs an operation: driver alone (auto), driver alone (generic), store with JSON"
    );
    for round in 0..rounds {
        for (what, text, range) in [("point", POINT, 100_000), ("list of 20", LIST, 50)] {
            let auto = driver(&url, text, range, "auto", tasks, seconds).await;
            let generic = driver(&url, text, range, "force_generic_plan", tasks, seconds).await;
            let store = ours(&url, text, range, tasks, seconds).await;
            println!("round {round}, {what:10}: {auto:6.1} {generic:6.1} {store:6.1}");
        }
    }
    admin
        .batch_execute(&format!("drop database {name} with (force)"))
        .await
        .expect("dropped");
}
