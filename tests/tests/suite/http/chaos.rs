//! What is below fails: the file is locked, the disk is full, the database slow. Clear answers meanwhile, and
//! recovery by itself.

use mainstay_tests::http::{Caller, Connection};
use mainstay_tests::place::write_app;
use mainstay_tests::process::{Process, binary};
use serde_json::json;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

const APP: &str = r#"
name = "chaos"
[database]
url = "sqlite:data/data.db"
## modules/log/module.toml
[models.entries.fields]
text = { type = "text" }
[models.entries.access]
read = "true"
create = "true"
update = "true"
"#;
const ENTRIES: &str = "/api/log/entries";
const SERVE: &[&str] = &["serve", "--migrate"];

fn run(behaviour: impl AsyncFnOnce(&Path)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let folder = tempfile::tempdir().expect("a folder");
    write_app(folder.path(), APP);
    runtime.block_on(behaviour(folder.path()));
}

async fn create(caller: &Caller, text: &str) -> String {
    caller.post(ENTRIES, json!({"text": text})).await.word()
}

#[test]
fn a_file_that_another_program_locks() {
    run(async |folder| {
        let server = Process::start(folder, SERVE).await;
        let caller = server.anonymous();
        assert_eq!(create(&caller, "before").await, "201");
        let other = rusqlite::Connection::open(folder.join("data/data.db")).expect("the file");
        other.execute_batch("BEGIN IMMEDIATE").expect("the lock");
        let writing = tokio::spawn({
            let caller = caller.clone();
            async move { caller.post(ENTRIES, json!({"text": "meanwhile"})).await }
        });
        // Our own writer waits for the lock all this time: readers never wait for it.
        let start = Instant::now();
        let mut reads = 0;
        while start.elapsed() < Duration::from_millis(500) {
            let asked = Instant::now();
            caller.get(ENTRIES).await.expect(200);
            assert!(
                asked.elapsed() < Duration::from_millis(1000),
                "a read waited {:?}",
                asked.elapsed()
            );
            reads += 1;
        }
        println!("{reads} reads while the file was locked");
        let refused = writing.await.expect("an answer");
        assert_eq!(refused.word(), "503 store.busy");
        assert!(refused.header("retry-after").is_some(), "{}", refused.head);
        other.execute_batch("ROLLBACK").expect("to let go");
        assert_eq!(create(&caller, "after").await, "201");
        let page = caller
            .get(&format!("{ENTRIES}?count=exact"))
            .await
            .expect(200);
        assert_eq!(page["count"], 2, "what was refused was not written");
        assert!(!server.panicked());
    });
}

#[test]
fn a_second_server_on_one_file() {
    run(async |folder| {
        let server = Process::start(folder, SERVE).await;
        let second = Process::try_start(Command::new(binary()), folder, SERVE).await;
        let said = second.err().expect("a refusal");
        assert!(said.contains("data.db"), "it names the file: {said}");
        assert!(said.contains("another server"), "and why: {said}");
        // The first does not notice, and a command may write beside it.
        assert_eq!(create(&server.anonymous(), "x").await, "201");
        let made = mainstay_tests::process::run_with(
            folder,
            &["admin", "create", "a@example.com", "--password-stdin"],
            &[("MAINSTAY_SECRET", mainstay_tests::process::SECRET)],
            "a long password\n",
        );
        made.expect(0, &["a@example.com"]);
        let login = json!({"email": "a@example.com", "password": "a long password"});
        let reply = server.anonymous().post("/api/auth/login", login).await;
        assert_eq!(reply.word(), "200");
    });
}

/// A disk of a few megabytes, seen by one server alone: a mount of its own namespace.
async fn on_small_disk(folder: &Path) -> Option<(Process, PathBuf)> {
    let disk = folder.join("data");
    std::fs::create_dir_all(&disk).expect("a folder");
    let script = "mount -t tmpfs -o size=8m tmpfs \"$1\" && head -c 3000000 /dev/zero >\"$1/ballast\" && shift && exec \"$@\"";
    let mut command = Command::new("unshare");
    command
        .args(["--map-root-user", "--mount", "sh", "-c", script, "sh"])
        .arg(&disk)
        .arg(binary());
    let server = match Process::try_start(command, folder, SERVE).await {
        Ok(server) => server,
        Err(said)
            if ["unshare", "mount", "permitted", "permission"]
                .iter()
                .any(|w| said.contains(w)) =>
        {
            // Where no namespace can be made, the store's own tests still hold a file that may not grow.
            println!("skipped: no disk of its own can be made here: {said}");
            return None;
        }
        Err(said) => panic!("{said}"),
    };
    let pid = server.child.id().expect("a process");
    let inside = PathBuf::from(format!("/proc/{pid}/root{}", disk.display()));
    Some((server, inside))
}

#[test]
fn a_disk_that_is_full() {
    run(async |folder| {
        let Some((server, disk)) = on_small_disk(folder).await else {
            return;
        };
        let caller = server.anonymous();
        let text = "x".repeat(100_000);
        let mut written = 0;
        let refused = loop {
            let word = create(&caller, &text).await;
            if word != "201" {
                break word;
            }
            written += 1;
            assert!(written < 1000, "the disk does not fill");
        };
        assert_eq!(refused, "503 store.full");
        let path = format!("{ENTRIES}?count=exact&limit=1&fields=id");
        for _ in 0..5 {
            let page = caller.get(&path).await.expect(200);
            assert_eq!(page["count"], written);
            assert_eq!(create(&caller, &text).await, "503 store.full");
        }
        assert_eq!(caller.get("/livez").await.status, 200);
        std::fs::remove_file(disk.join("ballast")).expect("room");
        let start = Instant::now();
        loop {
            let word = create(&caller, "after").await;
            if word == "201" {
                break;
            }
            assert!(start.elapsed() < Duration::from_secs(5), "still {word}");
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        let page = caller.get(&path).await.expect(200);
        assert_eq!(page["count"], written + 1);
        println!(
            "full after {written} writes; writable {:?} after there was room",
            start.elapsed()
        );
        assert!(!server.panicked(), "{}", server.stderr.text());
    });
}

#[test]
fn a_server_that_is_asked_to_end_finishes_what_it_does() {
    run(async |folder| {
        let mut server = Process::start(folder, SERVE).await;
        let caller = server.anonymous();
        // A request whose body is still on its way.
        let body = json!({"text": "in flight"}).to_string();
        let headers = [("Content-Type", "application/json")];
        let request = caller.request("POST", ENTRIES, &headers, body.as_bytes());
        let mut slow = Connection::open(server.address)
            .await
            .expect("a connection");
        let (first, rest) = request.split_at(request.len() - 5);
        slow.send(first).await.expect("the beginning");
        // Long enough that the server has the head.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let idle = Connection::open(server.address)
            .await
            .expect("a connection");
        server.terminate();
        tokio::time::sleep(Duration::from_millis(150)).await;
        // Nobody new gets in, and what is under way is finished.
        let refused = caller.try_send("GET", ENTRIES, &[], b"").await;
        assert!(refused.is_err(), "{refused:?}");
        slow.send(rest).await.expect("the end");
        let reply = slow.answer(false).await.expect("an answer");
        assert_eq!(reply.status, 201, "{}", reply.bytes());
        let ended = tokio::time::timeout(Duration::from_secs(5), server.child.wait()).await;
        let status = ended.expect("it ends by itself").expect("a status");
        assert!(status.success(), "{status}: {}", server.stderr.text());
        drop(idle);
        // The last line is there, and so is the record.
        assert!(
            server.stdout.wait_for("log.entries.create").await,
            "{}",
            server.stdout.text()
        );
        let again = Process::start(folder, SERVE).await;
        let page = again.anonymous().get(ENTRIES).await.expect(200);
        assert_eq!(page["data"][0]["text"], "in flight");
    });
}
