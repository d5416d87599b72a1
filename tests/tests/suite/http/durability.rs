//! An acknowledged write survives: the server's process is killed under load, and the database's.

use mainstay_tests::http::{Caller, Connection};
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::Process;
use mainstay_tests::random::setting;
use mainstay_tests::*;
use serde_json::{Value as Json, json};
use spec::Principal;
use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

const APP: &str = r#"
name = "kill"
## modules/log/module.toml
[models.entries.fields]
text = { type = "string" }
n = { type = "int" }
[models.entries.access]
read = "true"
create = "true"
"#;
const ENTRIES: &str = "/api/log/entries";
const CONNECTIONS: u64 = 32;

/// What the text of records begins with that were written together, and how many those are.
const GROUP: &str = "group ";
const OF_A_GROUP: u64 = 5;

/// What the clients know.
#[derive(Default)]
struct Known {
    acknowledged: BTreeSet<String>,
    sent: u64,
    /// Statuses other than 201.
    refused: BTreeSet<String>,
}

/// Creates records over one connection as fast as it can, until the server is gone or `stop` says so.
async fn write(caller: Caller, client: u64, known: Arc<Mutex<Known>>, stop: Arc<AtomicBool>) {
    let headers = [("Content-Type", "application/json")];
    let Ok(mut connection) = Connection::open(caller.address).await else {
        return;
    };
    for n in 0_u64.. {
        if stop.load(Ordering::Relaxed) {
            return;
        }
        // Every second client writes several at once, as an array or as a batch.
        let group = format!("{GROUP}{} of client {client}", spec::new_id());
        let record = |text: &str, n: u64| json!({"text": text, "n": n});
        let several = || (0..OF_A_GROUP).map(|n| record(&group, n));
        let (path, body) = match (client % 2, n % 2) {
            (0, _) => (ENTRIES, record(&format!("client {client}"), n)),
            (_, 0) => (ENTRIES, several().collect()),
            _ => {
                let create =
                    |body: Json| json!({"op": "create", "model": "log.entries", "body": body});
                let operations: Vec<Json> = several().map(create).collect();
                ("/api/batch", json!({"operations": operations}))
            }
        };
        let body = body.to_string();
        let request = caller.request("POST", path, &headers, body.as_bytes());
        known.lock().unwrap().sent += 1;
        if connection.send(&request).await.is_err() {
            return;
        }
        let Ok(reply) = connection.answer(false).await else {
            return;
        };
        if reply.status == 201 || reply.status == 200 {
            let answer = reply.json();
            let made: Vec<String> = match (&answer["data"], &answer["results"]) {
                (Json::Array(data), _) => data.iter().map(id).collect(),
                (_, Json::Array(results)) => results.iter().map(|r| id(&r["body"])).collect(),
                _ => vec![id(&answer)],
            };
            known.lock().unwrap().acknowledged.extend(made);
        } else {
            known.lock().unwrap().refused.insert(reply.word());
            // Refusals of a database that is away come back at once.
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }
}

struct Load {
    known: Arc<Mutex<Known>>,
    stop: Arc<AtomicBool>,
    clients: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn on(caller: &Caller) -> Load {
        let (known, stop) = (Arc::default(), Arc::new(AtomicBool::new(false)));
        let clients = (0..CONNECTIONS)
            .map(|n| {
                tokio::spawn(write(
                    caller.clone(),
                    n,
                    Arc::clone(&known),
                    Arc::clone(&stop),
                ))
            })
            .collect();
        Load {
            known,
            stop,
            clients,
        }
    }

    async fn end(self) -> Known {
        self.stop.store(true, Ordering::Relaxed);
        for client in self.clients {
            client.await.expect("a client");
        }
        std::mem::take(&mut *self.known.lock().unwrap())
    }
}

/// Ids in the table and in the change log, as a program beside the server reads them.
async fn stored(url: &str, app: &Arc<spec::App>) -> (BTreeSet<String>, BTreeSet<String>) {
    let database = mainstay::database::Database::parse(url, std::path::Path::new("/")).unwrap();
    let backend = mainstay::backend::Backend::open(
        Arc::clone(app),
        &database,
        mainstay::database::Role::Command,
        b"thirty-two bytes of test secret!",
    )
    .await
    .expect("the database");
    let model = app.model_named("log.entries").unwrap().id;
    let mut records = BTreeSet::new();
    let mut groups: BTreeMap<String, u64> = BTreeMap::new();
    let mut cursor: Option<String> = None;
    loop {
        let mut query = Query::new()
            .limit(app.settings.limits.page)
            .fields("id,text");
        query.cursor = cursor;
        let list = engine::operation::Operation::List(query.list(model));
        let answer = backend.engine.execute(&Principal::system(), list).await;
        let page: Json = Reply(answer.result).ok();
        for record in page["data"].as_array().unwrap() {
            records.insert(id(record));
            if let Some(group) = record["text"].as_str().filter(|t| t.starts_with(GROUP)) {
                *groups.entry(group.to_owned()).or_default() += 1;
            }
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    let mut logged = BTreeSet::new();
    let mut offset = store::changes::Offset::start();
    loop {
        let batch = backend.store.changes(&offset, 1000).await.expect("the log");
        for change in batch.changes {
            if change.model == "entries" {
                assert!(
                    logged.insert(change.record_id.clone()),
                    "logged twice: {change:?}"
                );
            }
        }
        offset = batch.next;
        if !batch.more {
            break;
        }
    }
    backend.store.close().await;
    for (group, count) in groups {
        assert_eq!(count, OF_A_GROUP, "{group} is there in part");
    }
    (records, logged)
}

/// Nothing that was acknowledged is missing, and no write is half there. Answers how many records nobody was told of.
async fn whole(url: &str, app: &Arc<spec::App>, acknowledged: &BTreeSet<String>) -> usize {
    let (records, logged) = stored(url, app).await;
    let lost: Vec<_> = acknowledged.difference(&records).collect();
    assert!(lost.is_empty(), "acknowledged and lost: {lost:?}");
    let half: Vec<_> = records.symmetric_difference(&logged).collect();
    assert!(half.is_empty(), "half written: {half:?}");
    records.len() - acknowledged.len()
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime")
}

fn killed(on: On, rounds: u64) {
    let seed = setting("MAINSTAY_TEST_KILL_SEED", 1);
    let mut random = Random::new(seed);
    runtime().block_on(async {
        let place = Place::new(on).await;
        let folder = place.path().join("app");
        write_app(&folder, APP);
        let app = fixture::load(APP);
        let (mut acknowledged, mut sent) = (BTreeSet::new(), 0);
        for round in 1..=rounds {
            let arguments = ["serve", "--migrate", "--database", &place.url];
            let mut server = Process::start(&folder, &arguments).await;
            let load = Load::on(&server.anonymous());
            // From the middle of the first group to well into the load.
            let life = Duration::from_millis(20 + random.next() % 800);
            tokio::time::sleep(life).await;
            server.kill().await;
            let known = load.end().await;
            assert_eq!(known.refused, BTreeSet::new(), "round {round}");
            assert!(!server.panicked(), "{}", server.stderr.text());
            acknowledged.extend(known.acknowledged);
            sent += known.sent;
            let untold = whole(&place.url, &app, &acknowledged).await;
            // No more than was on its way.
            let under_way = round * CONNECTIONS / 2 * (1 + OF_A_GROUP);
            assert!(untold as u64 <= under_way, "{untold} out of nowhere");
            println!(
                "{on:?}, round {round}: killed after {life:?}; {sent} sent, {} acknowledged and there, {untold} more there that nobody was told of",
                acknowledged.len()
            );
        }
        // Without any load in the first milliseconds a loop would show nothing.
        assert!(acknowledged.len() > 100, "{} acknowledged", acknowledged.len());
        println!("{on:?}, seed {seed}: {rounds} kills, {} acknowledged, 0 lost", acknowledged.len());
        place.remove().await;
    });
}

on_each!(what_was_acknowledged_survives_kill_9, |on| {
    let kills = match on {
        On::Sqlite => 8,
        On::Postgres => 4,
    };
    killed(on, setting("MAINSTAY_TEST_KILLS", kills));
});

/// A PostgreSQL of this test's own, which may be killed.
struct Cluster {
    folder: tempfile::TempDir,
}

impl Cluster {
    fn script(&self, what: &str) -> String {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
        let output = Command::new(script)
            .arg(what)
            .env("MAINSTAY_TEST_PGDATA", self.folder.path().join("cluster"))
            .output()
            .expect("scripts/postgres");
        let said = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{what}: {said}");
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    fn start() -> Cluster {
        let folder = tempfile::tempdir().expect("a folder");
        // Root's server runs as another user, who must get in here.
        Command::new("chmod")
            .arg("755")
            .arg(folder.path())
            .status()
            .expect("chmod");
        Cluster { folder }
    }

    /// An immediate stop: nothing is flushed, and the next start recovers from the log.
    fn kill(&self) {
        let file = self.folder.path().join("cluster/data/postmaster.pid");
        let text = std::fs::read_to_string(file).expect("its pid");
        let pid = text
            .lines()
            .next()
            .and_then(|line| line.parse().ok())
            .expect("a pid");
        process::signal(pid, "-QUIT");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../scripts/postgres");
        let _ = Command::new(script)
            .arg("stop")
            .env("MAINSTAY_TEST_PGDATA", self.folder.path().join("cluster"))
            .output();
    }
}

async fn until(within: Duration, what: &str, mut done: impl AsyncFnMut() -> Option<String>) {
    let start = Instant::now();
    while let Some(not_yet) = done().await {
        assert!(start.elapsed() < within, "{what}: still {not_yet}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

#[test]
fn a_postgresql_that_is_killed_comes_back_by_itself() {
    runtime().block_on(async {
        let cluster = Cluster::start();
        let url = cluster.script("start");
        let folder = tempfile::tempdir().expect("a folder");
        write_app(folder.path(), APP);
        let app = fixture::load(APP);
        let arguments = ["serve", "--migrate", "--database", &url];
        let server = Process::start(folder.path(), &arguments).await;
        let caller = server.anonymous();
        let mut acknowledged = BTreeSet::new();
        for round in 1..=2 {
            let load = Load::on(&caller);
            tokio::time::sleep(Duration::from_millis(400)).await;
            if round == 1 {
                // Every backend is ended; the server stays.
                let (client, connection) = tokio_postgres::connect(&url, tokio_postgres::NoTls)
                    .await
                    .expect("the cluster");
                tokio::spawn(connection);
                let end = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity \
                           WHERE pid <> pg_backend_pid() AND backend_type = 'client backend'";
                client.batch_execute(end).await.expect("to end them");
            } else {
                cluster.kill();
                until(Duration::from_secs(10), "a refusal", async || {
                    let reply = caller.get(ENTRIES).await;
                    (reply.word() != "503 store.unavailable").then(|| reply.word())
                })
                .await;
                let reply = caller.get(ENTRIES).await;
                assert!(reply.header("retry-after").is_some(), "{}", reply.bytes());
                assert_eq!(caller.get("/readyz").await.word(), "503 store.unavailable");
                assert_eq!(caller.get("/livez").await.status, 200);
                cluster.script("start");
            }
            until(Duration::from_secs(15), "writes again", async || {
                let reply = caller.post(ENTRIES, json!({"text": "after", "n": 0})).await;
                (reply.status != 201).then(|| reply.word())
            })
            .await;
            until(Duration::from_secs(15), "ready", async || {
                let reply = caller.get("/readyz").await;
                (reply.status != 200).then(|| reply.word())
            })
            .await;
            tokio::time::sleep(Duration::from_millis(300)).await;
            let known = load.end().await;
            for refused in &known.refused {
                assert!(refused.starts_with("503 "), "{refused}");
            }
            println!(
                "round {round}: {} sent, {} acknowledged, refused as {:?}",
                known.sent,
                known.acknowledged.len(),
                known.refused
            );
            acknowledged.extend(known.acknowledged);
            whole(&url, &app, &acknowledged).await;
        }
        assert!(acknowledged.len() > 100, "{}", acknowledged.len());
        println!(
            "PostgreSQL killed: {} acknowledged, 0 lost",
            acknowledged.len()
        );
        assert!(!server.panicked(), "{}", server.stderr.text());
        drop(cluster);
    });
}
