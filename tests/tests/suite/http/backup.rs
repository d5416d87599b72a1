//! Backups: made beside a server that writes, read through, restored to when they were made and to moments between.

use super::cli::MIGRATE;
use mainstay_tests::http::Caller;
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{Ended, Process, run, run_with};
use mainstay_tests::*;
use serde_json::{Value as Json, json};
use std::path::{Path, PathBuf};
use std::time::Duration;

const APP: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.notes]
open = true
[models.notes.fields]
text = { type = "string" }
n = { type = "int", optional = true, unique = true }
price = { type = "decimal", scale = 2, optional = true }
of = { type = "relation", to = "notes", optional = true }
[models.notes.access]
read = "true"
create = "true"
update = "true"
delete = "true"
[models.seen]
id = "int"
changes = false
[models.seen.fields]
text = { type = "string" }
[models.seen.access]
read = "true"
create = "true"
"#;
const NOTES: &str = "/api/shop/notes";
const SERVE: &[&str] = &["serve", "app"];

fn app() -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write_app(&folder.path().join("app"), APP);
    run(folder.path(), &[MIGRATE, &["app"]].concat()).expect(0, &[]);
    folder
}

fn backup(folder: &Path, arguments: &[&str]) -> Ended {
    run(
        folder,
        &[&["backup"], arguments, &["--app", "app"]].concat(),
    )
}

/// The files of the backups, oldest first.
fn files(folder: &Path) -> Vec<PathBuf> {
    let listed = backup(folder, &["list", "--format", "json"]);
    listed.expect(0, &[]);
    let all: Json = serde_json::from_str(&listed.stdout).expect("JSON and nothing else");
    let file = |entry: &Json| PathBuf::from(entry["file"].as_str().expect("a path"));
    all.as_array().expect("a list").iter().map(file).collect()
}

fn export(folder: &Path, database: &str, model: &str) -> String {
    let arguments = ["export", model, "--app", "app", "--database", database];
    let exported = run(folder, &arguments);
    exported.expect(0, &[]);
    exported.stdout
}

async fn stop(mut server: Process) {
    server.terminate();
    server.child.wait().await.expect("its end");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_is_one_state_of_a_database_that_is_written() {
    let folder = app();
    let folder = folder.path();
    let server = Process::start(folder, SERVE).await;
    let write = async |caller: Caller| {
        for n in 0.. {
            // Two records that belong together, one after the other.
            let first = caller
                .post(NOTES, json!({"text": "first", "n": n * 2}))
                .await;
            let id = id(&first.expect(201));
            let second = json!({"text": "second", "n": n * 2 + 1, "of": id});
            caller.post(NOTES, second).await.expect(201);
        }
    };
    let writing = tokio::spawn(write(server.anonymous()));
    tokio::time::sleep(Duration::from_millis(200)).await;
    for _ in 0..3 {
        backup(folder, &["create"]).expect(0, &["app/.mainstay/backups/shop-", "rows"]);
    }
    assert!(!writing.is_finished(), "the writer was not hindered");
    writing.abort();
    let all = files(folder);
    assert_eq!(all.len(), 3);
    backup(folder, &["list"]).expect(0, &["3 backups of shop"]);
    #[cfg(unix)]
    for path in [&folder.join("app/.mainstay/backups"), &folder.join(&all[0])] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).expect("it").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    let mut before = 0;
    for file in &all {
        let name = file.to_str().expect("a path");
        backup(folder, &["verify", name]).expect(0, &["whole and sound"]);
        // It is a database by itself, and no second record is there without its first. To look into it, it is copied:
        // a database that is opened is written.
        let look = folder.join(format!("look-{before}.db"));
        std::fs::copy(folder.join(file), &look).expect("a copy");
        let look = format!("sqlite:{}", look.display());
        let notes = export(folder, &look, "shop.notes");
        let count = notes.lines().count();
        assert!(count > before, "{count} after {before}");
        let seconds = notes.matches("\"text\":\"second\"").count();
        let firsts = notes.matches("\"text\":\"first\"").count();
        assert!(
            firsts == seconds || firsts == seconds + 1,
            "{firsts} {seconds}"
        );
        before = count;
    }

    // Restored beside, and in place of what is served only when that has ended.
    let copy = format!("sqlite:{}", folder.join("copy/then.db").display());
    let first = all[0].to_str().expect("a path");
    backup(folder, &["restore", first, "--database", &copy]).expect(0, &["is as it was at"]);
    let then = export(folder, &copy, "shop.notes");
    backup(folder, &["restore", first, "--database", &copy]).expect(1, &["--force"]);
    backup(folder, &["restore", first]).expect(1, &["it is there already", "--force"]);
    backup(folder, &["restore", first, "--force"]).expect(1, &["another server uses"]);
    stop(server).await;
    let newest = export(folder, "sqlite:.mainstay/data.db", "shop.notes");
    assert_ne!(newest, then);
    let restored = backup(folder, &["restore", first, "--force"]);
    restored.expect(0, &["what was there is kept as", "mainstay serve app"]);
    assert_eq!(
        export(folder, "sqlite:.mainstay/data.db", "shop.notes"),
        then
    );
    let kept = std::fs::read_dir(folder.join("app/.mainstay")).expect("a folder");
    let kept = kept
        .map(|entry| entry.expect("an entry").path())
        .find(|path| path.to_string_lossy().contains(".before-"))
        .expect("the database from before");
    let kept = format!("sqlite:{}", kept.display());
    assert_eq!(export(folder, &kept, "shop.notes"), newest);
    // It is served again, and writing goes on.
    let server = Process::start(folder, SERVE).await;
    let posted = server.anonymous().post(NOTES, json!({"text": "x"})).await;
    posted.expect(201);
    stop(server).await;

    // The oldest go.
    backup(folder, &["create", "--keep", "2"]).expect(0, &["removed"]);
    let left = files(folder);
    assert_eq!((left.len(), &left[0]), (2, &all[2]));
    assert!(!folder.join(&all[0]).exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_backup_that_was_changed_is_told() {
    let folder = app();
    let folder = folder.path();
    let made = |folder: &Path| {
        backup(folder, &["create"]).expect(0, &[]);
        files(folder).pop().expect("a backup")
    };
    backup(folder, &["verify"]).expect(1, &["there is no backup of shop"]);
    let file = folder.join(made(folder));
    let name = file.to_str().expect("a path");
    let whole = std::fs::read(&file).expect("the file");
    let manifest = format!("{name}.json");
    let text = std::fs::read_to_string(&manifest).expect("the manifest");
    let refused = |said: &str| {
        backup(folder, &["verify", name]).expect(1, &[said]);
        let to = format!("sqlite:{}", folder.join("no.db").display());
        backup(folder, &["restore", name, "--database", &to]).expect(1, &[name]);
        assert!(!folder.join("no.db").exists());
    };
    // One bit, half of it, nothing of it.
    let mut flipped = whole.clone();
    flipped[whole.len() / 2] ^= 1;
    for bytes in [&flipped[..], &whole[..whole.len() / 2], &[]] {
        std::fs::write(&file, bytes).expect("a file");
        refused("its bytes are not those that were written");
    }
    std::fs::write(&file, &whole).expect("a file");
    backup(folder, &["verify"]).expect(0, &["whole and sound"]);
    // The manifest.
    let is = "\"mainstay_backup\": 1";
    std::fs::write(&manifest, text.replace(is, "\"mainstay_backup\": 9")).expect("a file");
    refused("its format is 9");
    std::fs::write(&manifest, "{}").expect("a file");
    refused("no manifest of a backup");
    std::fs::remove_file(&manifest).expect("to remove it");
    refused(".json");
    // Another app's is not taken for this one's, and never removed with the oldest.
    std::fs::write(&manifest, text.replace("\"shop\"", "\"other\"")).expect("a file");
    assert!(files(folder).is_empty());
    let to = format!("sqlite:{}", folder.join("no.db").display());
    backup(folder, &["restore", name, "--database", &to])
        .expect(1, &["a backup of other, not of shop"]);
    backup(folder, &["create", "--keep", "1"]).expect(0, &[]);
    assert!(file.exists());
    backup(folder, &["create", "--keep", "0"]).expect(2, &["--keep"]);
    backup(folder, &["create", "--database", "sqlite:none.db"]).expect(1, &["none.db is no file"]);
    assert!(!folder.join("app/none.db").exists());
}

fn now() -> String {
    spec::time::timestamp_text(spec::time::now_micros())
}

#[tokio::test(flavor = "multi_thread")]
async fn moments_between_backups_come_back_from_the_log() {
    let folder = app();
    let folder = folder.path();
    let before_all = now();
    let server = Process::start(folder, SERVE).await;
    let caller = server.anonymous();
    let made = caller.post(
        NOTES,
        json!({"text": "a", "n": 1, "price": "1.50", "loose": {"x": [1]}}),
    );
    let a = id(&made.await.expect(201));
    let b = id(&caller
        .post(NOTES, json!({"text": "b", "of": a}))
        .await
        .expect(201));
    let c = id(&caller.post(NOTES, json!({"text": "c"})).await.expect(201));
    let seen = "/api/shop/seen";
    caller
        .post(seen, json!({"text": "before"}))
        .await
        .expect(201);
    backup(folder, &["create"]).expect(0, &[]);
    let at = |id: &str| format!("{NOTES}/{id}");
    let data = "sqlite:.mainstay/data.db";
    // What happens afterwards, with a look at it in between.
    caller
        .patch(&at(&a), json!({"price": "2.75", "more": null}))
        .await
        .expect(200);
    caller
        .patch(&at(&a), json!({"n": 2, "loose": null}))
        .await
        .expect(200);
    caller
        .put(&at(&c), json!({"text": "c again", "n": 1}))
        .await
        .expect(200);
    caller.delete(&at(&b)).await;
    let d = id(&caller
        .post(NOTES, json!({"text": "d", "of": c}))
        .await
        .expect(201));
    caller
        .post(seen, json!({"text": "after"}))
        .await
        .expect(201);
    let then = export(folder, data, "shop.notes");
    let moment = now();
    tokio::time::sleep(Duration::from_millis(5)).await;
    // The accident.
    for id in [&d, &c, &a] {
        assert_eq!(caller.delete(&at(id)).await.status, 204);
    }
    caller
        .post(NOTES, json!({"text": "after"}))
        .await
        .expect(201);

    let to = format!("sqlite:{}", folder.join("then.db").display());
    let log = folder.join("app/.mainstay/data.db");
    let log = log.to_str().expect("a path");
    let restore = |arguments: &[&str]| {
        backup(
            folder,
            &[&["restore", "--database", &to], arguments].concat(),
        )
    };
    let restored = restore(&["--at", &moment, "--log", log]);
    restored.expect(
        0,
        &[
            "5 changes done again",
            "shop.seen have no change log",
            "passwords",
        ],
    );
    assert_eq!(export(folder, &to, "shop.notes"), then);
    // A model without a log is as it was backed up.
    let seen = export(folder, &to, "shop.seen");
    assert!(seen.contains("before") && !seen.contains("after"), "{seen}");
    // Its own log goes on: a later restore from it, to a moment that both have.
    let out = folder.join("again.db");
    let again = format!("sqlite:{}", out.display());
    let from = folder.join("then.db");
    let from = from.to_str().expect("a path");
    let arguments = [
        "restore",
        "--database",
        &again,
        "--at",
        &moment,
        "--log",
        from,
    ];
    backup(folder, &arguments).expect(0, &["5 changes"]);
    assert_eq!(export(folder, &again, "shop.notes"), then);
    // In place, once the server has ended: the log is that of the database which is replaced.
    stop(server).await;
    backup(folder, &["restore", "--at", &moment, "--force"]).expect(0, &["5 changes", "kept as"]);
    assert_eq!(export(folder, data, "shop.notes"), then);

    // What cannot be had is told, and nothing is written.
    for beside in ["", "-wal", "-shm"] {
        let _ = std::fs::remove_file(folder.join(format!("then.db{beside}")));
    }
    let file = files(folder).pop().expect("a backup");
    let file = file.to_str().expect("a path");
    for (arguments, said) in [
        (&["--at", "yesterday"][..], "2026-01-31T12:00:00Z"),
        (&["--at", "2026-01-31"], "write 2026-01-31T00:00:00Z"),
        (
            &["--at", "2999-01-01T00:00:00Z", "--log", log],
            "in the future",
        ),
        (
            &["--at", &before_all, "--log", log],
            "no backup of shop made before",
        ),
        (&[file, "--at", &before_all, "--log", log], "which is later"),
        (&["--at", &moment, "--log", "none.db"], "no such file"),
        (&["--at", &moment, "--log", file], "does not reach"),
    ] {
        let refused = restore(arguments);
        assert!([1, 2].contains(&refused.code), "{}", refused.said());
        assert!(refused.said().contains(said), "{said}: {}", refused.said());
        let left = std::fs::read_dir(folder).expect("a folder");
        let left = left.map(|entry| entry.expect("an entry").file_name());
        let left: Vec<_> = left
            .filter(|name| name.to_string_lossy().starts_with("then.db"))
            .collect();
        assert!(left.iter().all(|name| name == "then.db.lock"), "{left:?}");
    }
    // The log of another database.
    let elsewhere = app();
    let other = elsewhere.path().join("app/.mainstay/data.db");
    std::fs::write(
        elsewhere.path().join("n.jsonl"),
        "{\"text\":\"x\"}\n".repeat(9),
    )
    .expect("a file");
    run(
        elsewhere.path(),
        &["import", "shop.notes", "n.jsonl", "--app", "app"],
    )
    .expect(0, &[]);
    let other = other.to_str().expect("a path");
    restore(&["--at", &moment, "--log", other]).expect(1, &["not that of the database"]);
    // With another app than the backup's, the log means something else.
    write_app(&folder.join("app"), &APP.replace("price = {", "cost = {"));
    restore(&["--at", &moment, "--log", log]).expect(1, &["models are not those of the backup"]);
    assert!(!folder.join("then.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_makes_backups_by_itself() {
    let folder = tempfile::tempdir().expect("a folder");
    let folder = folder.path();
    let scheduled = APP.replace(
        "name = \"shop\"",
        "name = \"shop\"\n[backup]\nevery = \"1h\"\ndir = \"kept\"",
    );
    write_app(&folder.join("app"), &scheduled);
    let server = Process::start(folder, &["serve", "app", "--migrate"]).await;
    let metric = async |text: &str| {
        server
            .anonymous()
            .get("/metrics")
            .await
            .text()
            .contains(text)
    };
    let one = "mainstay_backups{result=\"made\"} 1";
    for _ in 0..400 {
        if metric(one).await {
            break;
        }
        tokio::time::sleep(Duration::from_millis(25)).await;
    }
    assert!(metric(one).await, "{}", server.stderr.text());
    assert!(metric("mainstay_backups{result=\"failed\"} 0").await);
    assert!(!metric("mainstay_backup_newest_seconds 0\n").await);
    let made = files(folder);
    assert_eq!(made.len(), 1);
    assert!(made[0].starts_with("app/kept"), "{made:?}");
    backup(folder, &["verify"]).expect(0, &["whole and sound"]);
    stop(server).await;
    // One that starts again waits until it is due.
    let server = Process::start(folder, &["serve", "app"]).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    stop(server).await;
    assert_eq!(files(folder), made);
}

#[test]
fn postgresql_has_its_own_means() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let place = runtime.block_on(Place::new(On::Postgres));
    write_app(place.path(), APP);
    let backup = |arguments: &[&str]| {
        let url = [("DATABASE_URL", place.url.as_str())];
        run_with(place.path(), &[&["backup"], arguments].concat(), &url, "")
    };
    backup(&["create"]).expect(
        1,
        &[
            "pg_dump",
            "archive_mode = off",
            "backup verify",
            "no backup of",
        ],
    );
    backup(&["verify"]).expect(1, &["archive_mode = off", "the log is not archived"]);
    backup(&["restore"]).expect(1, &["its own means", "mainstay copy"]);
    let gone = run_with(
        place.path(),
        &["backup", "verify"],
        &[("DATABASE_URL", "postgres://me:pass-word@127.0.0.1:1/x")],
        "",
    );
    gone.expect(1, &["127.0.0.1:1"]);
    assert!(!gone.said().contains("pass-word"), "{}", gone.said());
    runtime.block_on(place.remove());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_ended_after_a_backup_stays_ended() {
    let folder = app();
    let folder = folder.path();
    let server = Process::start(folder, SERVE).await;
    let me = json!({"email": "me@example.com", "password": "a long password"});
    let registered = server
        .anonymous()
        .post("/api/auth/register", me.clone())
        .await
        .expect(201);
    let caller = Caller {
        token: registered["access_token"].as_str().map(str::to_owned),
        ..server.anonymous()
    };
    backup(folder, &["create"]).expect(0, &[]);
    let ended = caller.send("POST", "/api/auth/logout", &[], b"").await;
    assert_eq!(ended.status, 204, "{}", ended.text());
    stop(server).await;
    backup(folder, &["restore", "--force"]).expect(0, &["all sessions were ended", "passwords"]);
    let server = Process::start(folder, SERVE).await;
    let refresh = json!({"refresh_token": registered["refresh_token"]});
    let refreshed = server.anonymous().post("/api/auth/refresh", refresh).await;
    assert_eq!(refreshed.status, 401, "{}", refreshed.text());
    let login = server.anonymous().post("/api/auth/login", me).await;
    login.expect(200);
    stop(server).await;
}

#[test]
fn a_clock_that_was_wrong_costs_no_backup() {
    let folder = app();
    let folder = folder.path();
    backup(folder, &["create"]).expect(0, &[]);
    let first = files(folder).pop().expect("a backup");
    let manifest = folder.join(format!("{}.json", first.display()));
    let text = std::fs::read_to_string(&manifest).expect("a manifest");
    let at = text.find("\"made_at\": \"20").expect("a time") + "\"made_at\": \"20".len();
    std::fs::write(&manifest, format!("{}99{}", &text[..at], &text[at + 2..])).expect("a file");
    backup(folder, &["create", "--keep", "1"]).expect(0, &[]);
    let left = files(folder);
    assert_eq!((left.len(), &left[1]), (2, &first), "the new one is there");
}

#[test]
fn backups_of_another_file_are_not_the_database_s() {
    let folder = app();
    let folder = folder.path();
    backup(folder, &["create"]).expect(0, &[]);
    let own = files(folder);
    let other = ["--database", "sqlite:other.db"];
    run(folder, &[MIGRATE, &["app"], &other].concat()).expect(0, &[]);
    backup(folder, &[&["create", "--keep", "1"], &other[..]].concat()).expect(0, &[]);
    assert_eq!(files(folder), own, "it is not listed, and pushed none out");
}

#[test]
fn a_backup_is_not_opened_as_a_database() {
    let folder = app();
    let folder = folder.path();
    backup(folder, &["create"]).expect(0, &[]);
    let file = files(folder).pop().expect("a backup");
    let url = format!("sqlite:{}", folder.join(&file).display());
    let export = ["export", "shop.notes", "--app", "app", "--database", &url];
    run(folder, &export).expect(1, &["it is a backup", "mainstay backup restore"]);
    let to = format!("sqlite:{}", folder.join("to.db").display());
    run(folder, &["copy", "app", "--from", &url, "--to", &to]).expect(1, &["it is a backup"]);
    backup(folder, &["verify"]).expect(0, &["whole and sound"]);
}
