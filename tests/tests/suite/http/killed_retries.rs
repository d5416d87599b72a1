//! Who repeats a write under its key until it is answered has done it once, whenever the server's process was killed.

use mainstay_tests::http::{Caller, Connection};
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::Process;
use mainstay_tests::random::setting;
use mainstay_tests::served::PASSWORD;
use mainstay_tests::*;
use serde_json::{Value as Json, json};
use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

const APP: &str = r#"
name = "kill"
## modules/log/module.toml
[models.entries.fields]
text = { type = "string" }
[models.entries.access]
read = "true"
create = "auth.id != null"

[models.counters.fields]
n = { type = "int", default = "0" }
[models.counters.access]
read = "true"
create = "auth.id != null"
update = "auth.id != null"
"#;
const ENTRIES: &str = "/api/log/entries";
const COUNTERS: &str = "/api/log/counters";
const CLIENTS: u64 = 16;
const OF_A_BATCH: u64 = 4;

#[derive(Default)]
struct Shared {
    /// None while no server is up.
    caller: Mutex<Option<Caller>>,
    stop: AtomicBool,
    /// How many records there should be with this text.
    entries: Mutex<BTreeMap<String, u64>>,
    sent: AtomicU64,
    sent_again: AtomicU64,
    replayed: AtomicU64,
    in_use: AtomicU64,
    unavailable: AtomicU64,
}

/// Sends one request under one key until it is answered.
async fn insist(
    shared: &Shared,
    connection: &mut Option<(std::net::SocketAddr, Connection)>,
    request: impl Fn(&Caller) -> Vec<u8>,
) {
    let mut again = false;
    loop {
        let caller = shared.caller.lock().unwrap().clone();
        let Some(caller) = caller else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        if connection
            .as_ref()
            .is_none_or(|(to, _)| *to != caller.address)
        {
            let opened = Connection::open(caller.address).await.ok();
            *connection = opened.map(|opened| (caller.address, opened));
        }
        let Some((_, open)) = connection else {
            tokio::time::sleep(Duration::from_millis(5)).await;
            continue;
        };
        let count = if again {
            &shared.sent_again
        } else {
            &shared.sent
        };
        count.fetch_add(1, Ordering::Relaxed);
        again = true;
        let answer = match open.send(&request(&caller)).await {
            Ok(()) => open.answer(false).await,
            Err(error) => Err(error),
        };
        let Ok(reply) = answer else {
            *connection = None;
            continue;
        };
        match reply.word().as_str() {
            "200" | "201" => {
                if reply.header("idempotency-replayed").is_some() {
                    shared.replayed.fetch_add(1, Ordering::Relaxed);
                }
                return;
            }
            "409 request.idempotency_key_in_use" => {
                shared.in_use.fetch_add(1, Ordering::Relaxed);
            }
            "503 store.unavailable" => {
                shared.unavailable.fetch_add(1, Ordering::Relaxed);
            }
            other => panic!("{other}: {}", reply.text()),
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Writes one after another. Answers how often it changed its counter.
async fn client(shared: Arc<Shared>, client: u64, counter: String) -> u64 {
    let mut connection = None;
    let mut changes = 0;
    for n in 0_u64.. {
        if shared.stop.load(Ordering::Relaxed) {
            break;
        }
        let key = spec::new_id().to_string();
        let record = json!({"text": key});
        let (method, path, body) = match (client + n) % 3 {
            0 => ("POST", ENTRIES.to_owned(), record),
            1 => {
                let create = json!({"op": "create", "model": "log.entries", "body": record});
                let operations: Vec<&Json> = (0..OF_A_BATCH).map(|_| &create).collect();
                (
                    "POST",
                    "/api/batch".to_owned(),
                    json!({"operations": operations}),
                )
            }
            _ => {
                changes += 1;
                let path = format!("{COUNTERS}/{counter}");
                ("PATCH", path, json!({"n": changes}))
            }
        };
        let records = match path.as_str() {
            ENTRIES => 1,
            "/api/batch" => OF_A_BATCH,
            _ => 0,
        };
        let headers = [
            ("Content-Type", "application/json"),
            ("Idempotency-Key", &*key),
        ];
        let body = body.to_string();
        insist(&shared, &mut connection, |caller| {
            caller.request(method, &path, &headers, body.as_bytes())
        })
        .await;
        if records > 0 {
            shared.entries.lock().unwrap().insert(key, records);
        }
    }
    changes
}

/// How many entries there are of each text.
async fn entries(caller: &Caller) -> BTreeMap<String, u64> {
    let mut found = BTreeMap::new();
    let mut cursor = String::new();
    loop {
        let path = format!("{ENTRIES}?fields=text&limit=200{cursor}");
        let page = caller.get(&path).await.expect(200);
        for record in page["data"].as_array().expect("a page") {
            let text = record["text"].as_str().expect("a text").to_owned();
            *found.entry(text).or_default() += 1;
        }
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return found,
        }
    }
}

fn killed(on: On, rounds: u64) {
    let seed = setting("MAINSTAY_TEST_KILL_SEED", 1);
    let mut random = Random::new(seed);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let place = Place::new(on).await;
        let folder = place.path().join("app");
        write_app(&folder, APP);
        let arguments = ["serve", "--migrate", "--database", &place.url];
        let mut server = Process::start(&folder, &arguments).await;
        let body = json!({"email": "me@example.com", "password": PASSWORD});
        let signed_in = server.anonymous().post("/api/auth/register", body).await;
        let token = signed_in.expect(201)["access_token"].as_str().map(str::to_owned);
        let caller = |server: &Process| Caller {
            token: token.clone(),
            ..server.anonymous()
        };
        let shared = Arc::new(Shared::default());
        let mut clients = Vec::new();
        let mut counters = Vec::new();
        for n in 0..CLIENTS {
            let counter = caller(&server).post(COUNTERS, json!({})).await.expect(201);
            counters.push(id(&counter));
            clients.push(tokio::spawn(client(Arc::clone(&shared), n, id(&counter))));
        }
        for _ in 0..rounds {
            *shared.caller.lock().unwrap() = Some(caller(&server));
            // From the middle of the first group to well into the load.
            let life = Duration::from_millis(20 + random.next() % 600);
            tokio::time::sleep(life).await;
            server.kill().await;
            *shared.caller.lock().unwrap() = None;
            assert!(!server.panicked(), "{}", server.stderr.text());
            server = Process::start(&folder, &arguments).await;
        }
        *shared.caller.lock().unwrap() = Some(caller(&server));
        shared.stop.store(true, Ordering::Relaxed);
        let mut changes = Vec::new();
        for client in clients {
            changes.push(client.await.expect("a client"));
        }
        let caller = caller(&server);
        let (found, wanted) = (entries(&caller).await, shared.entries.lock().unwrap().clone());
        let wrong: Vec<_> = wanted
            .iter()
            .filter(|(text, count)| found.get(*text) != Some(count))
            .map(|(text, count)| (text, *count, found.get(text)))
            .collect();
        assert!(wrong.is_empty(), "doubled or lost: {wrong:?}");
        assert_eq!(found.len(), wanted.len(), "nobody's");
        for (counter, changes) in counters.iter().zip(&changes) {
            let record = caller.get(&format!("{COUNTERS}/{counter}?fields=n,version")).await;
            // Each change counts once.
            assert_eq!(record.expect(200), json!({"n": changes, "version": changes + 1}));
        }
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed);
        println!(
            "{on:?}, seed {seed}: {rounds} kills, {} writes, {} sent again, {} of them answered by what was kept; 0 doubled, 0 lost \
             ({} times still under way, {} times no database)",
            count(&shared.sent),
            count(&shared.sent_again),
            count(&shared.replayed),
            count(&shared.in_use),
            count(&shared.unavailable),
        );
        // Nothing to repeat, and a loop would show nothing.
        assert!(count(&shared.sent) > 30 && count(&shared.sent_again) > 0);
        place.remove().await;
    });
}

on_each!(a_retry_after_a_crash_neither_doubles_nor_loses, |on| {
    let kills = match on {
        On::Sqlite => 8,
        On::Postgres => 5,
    };
    killed(on, setting("MAINSTAY_TEST_KILLS", kills));
});
