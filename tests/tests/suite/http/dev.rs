//! `mainstay dev`: what is saved is served, and what is broken is not.

use mainstay_tests::http::Caller;
use mainstay_tests::place::write_app;
use mainstay_tests::process::{Process, run};
use serde_json::json;
use std::time::{Duration, Instant};

const APP: &str = r#"
name = "dev"
## modules/shop/module.toml
[models.things.fields]
name = { type = "string" }
[models.things.access]
read = "true"
create = "true"
"#;

const MODULE: &str = r#"
[models.things.fields]
name = { type = "string" }
color = { type = "string", default = "'red'" }
[models.things.access]
read = "true"
create = "true"
"#;

const BROKEN: &str = r#"
[models.things.fields]
name = { type = "sting" }
[models.things.access]
read = "colour == 'red'"
"#;

async fn fields(caller: &Caller) -> String {
    let page = caller.get("/api/shop/things?limit=1").await.expect(200);
    page["data"][0].to_string()
}

#[test]
fn what_is_saved_is_served_within_a_second() {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        write_app(folder.path(), APP);
        let server = Process::start(folder.path(), &["dev"]).await;
        let caller = server.anonymous();
        caller
            .post("/api/shop/things", json!({"name": "a"}))
            .await
            .expect(201);
        assert!(!fields(&caller).await.contains("color"));
        // The watch begins a moment after the first answer.
        tokio::time::sleep(Duration::from_millis(300)).await;
        let module = folder.path().join("modules/shop/module.toml");

        std::fs::write(&module, MODULE).expect("to save");
        let saved = Instant::now();
        while !fields(&caller).await.contains("\"color\":\"red\"") {
            let said = server.stderr.text();
            assert!(
                saved.elapsed() < Duration::from_secs(2),
                "not served: {said}"
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        println!("served {:?} after it was saved", saved.elapsed());
        let made = caller
            .post("/api/shop/things", json!({"name": "b", "color": "blue"}))
            .await;
        assert_eq!(made.expect(201)["color"], "blue");

        std::fs::write(&module, BROKEN).expect("to save");
        assert!(
            server.stderr.wait_for("goes on serving").await,
            "{}",
            server.stderr.text()
        );
        // Every mistake, where it is, and how it may be mended.
        let said = server.stderr.text();
        for text in ["module.toml:3", "sting", "string", "colour"] {
            assert!(said.contains(text), "`{text}` was not said: {said}");
        }
        assert!(fields(&caller).await.contains("\"color\":\"red\""));
        let made = caller
            .post("/api/shop/things", json!({"name": "c", "color": "green"}))
            .await;
        made.expect(201);

        // Mended, and served again.
        let before = said.matches("reloaded").count();
        std::fs::write(&module, MODULE.replace("'red'", "'grey'")).expect("to save");
        let saved = Instant::now();
        while server.stderr.text().matches("reloaded").count() == before {
            assert!(
                saved.elapsed() < Duration::from_secs(2),
                "{}",
                server.stderr.text()
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let made = caller.post("/api/shop/things", json!({"name": "d"})).await;
        assert_eq!(made.expect(201)["color"], "grey");
        assert!(!server.panicked());
    });
}

const INDEXED: &str = r#"
[models.things.fields]
name = { type = "string" }
[models.things.access]
read = "true"
create = "true"
[[models.things.indexes]]
fields = ["name"]
"#;

/// An index on a table with records holds up writes while it is made.
async fn with_a_thing(folder: &std::path::Path) {
    write_app(folder, APP);
    let mut server = Process::start(folder, &["dev"]).await;
    let made = server
        .anonymous()
        .post("/api/shop/things", json!({"name": "a"}))
        .await;
    made.expect(201);
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reload_says_what_it_did_not_do() {
    const UNIQUE: &str = r#"
name = "dev"
[server]
listen = "127.0.0.1:0"
## modules/shop/module.toml
[models.things.fields]
name = { type = "string", unique = true }
colour = { type = "string", optional = true }
[models.things.access]
read = "true"
create = "true"
"#;
    let folder = tempfile::tempdir().expect("a folder");
    write_app(folder.path(), UNIQUE);
    let mut server = Process::start(folder.path(), &["dev"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let module = folder.path().join("modules/shop/module.toml");
    let settings = folder.path().join("mainstay.toml");
    let first = std::fs::read_to_string(&module).expect("a file");
    let saved = async |path: &std::path::Path, text: &str, said: &[&str]| {
        let before = server.stderr.text().len();
        std::fs::write(path, text).expect("to save");
        let start = Instant::now();
        loop {
            let all = server.stderr.text();
            let new = &all[before..];
            if said.iter().all(|text| new.contains(text)) {
                break new.to_owned();
            }
            assert!(start.elapsed() < Duration::from_secs(10), "{said:?}: {new}");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    // What is undone is as before; what was never away is not spoken of.
    let broken = first.replace("\"string\"", "\"sting\"");
    saved(&module, &broken, &["sting", "goes on serving"]).await;
    saved(&module, &first, &["as before"]).await;
    let looser = first.replace(", unique = true", "");
    saved(&module, &looser, &["drop unique index", "reloaded"]).await;
    let renamed = looser.replace("colour", "tint");
    let said = saved(
        &module,
        &renamed,
        &["add column", "shop.things.colour", "reloaded"],
    )
    .await;
    assert!(said.contains("--drop"), "{said}");
    // It is said once.
    let again = format!("{renamed}\n# again\n").replace("tint", "shade");
    let said = saved(&module, &again, &["shop.things.tint", "reloaded"]).await;
    assert!(!said.contains("shop.things.colour"), "{said}");
    let moved = folder.path().join("modules/store");
    std::fs::rename(module.parent().expect("a folder"), &moved).expect("to rename");
    let said = [
        "create table store.things",
        "shop.things: no model has this table",
        "reloaded",
    ];
    saved(&moved.join("module.toml"), &again, &said).await;
    let elsewhere = "name = \"dev\"\n[server]\nlisten = \"127.0.0.1:1\"\n[database]\nurl = \"sqlite:other.db\"\n";
    let said = [
        "server.listen, database.url changed",
        "start it again",
        "reloaded",
    ];
    saved(&settings, elsewhere, &said).await;
    server.kill().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_terminal_only_safe_steps_are_done_and_the_next_command_is_said() {
    let folder = tempfile::tempdir().expect("a folder");
    with_a_thing(folder.path()).await;
    for (arguments, said) in [
        (
            &["dev"][..],
            &[
                "slow",
                "add index",
                "mainstay dev --apply",
                "goes on serving",
            ][..],
        ),
        (&["dev", "--apply"], &["add index", "reloaded"]),
    ] {
        let module = folder.path().join("modules/shop/module.toml");
        write_app(folder.path(), APP);
        let mut server = Process::start(folder.path(), arguments).await;
        tokio::time::sleep(Duration::from_millis(300)).await;
        std::fs::write(&module, INDEXED).expect("to save");
        for text in said {
            assert!(
                server.stderr.wait_for(text).await,
                "`{text}` was not said: {}",
                server.stderr.text()
            );
        }
        server.kill().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_app_that_waits_for_its_tables_is_served_when_they_are_there() {
    let renamed = INDEXED
        .replace("name =", "title =")
        .replace("\"string\"", "\"string\", renamed_from = \"name\"")
        .replace("[\"name\"]", "[\"title\"]");
    let folder = tempfile::tempdir().expect("a folder");
    with_a_thing(folder.path()).await;
    let mut server = Process::start(folder.path(), &["dev"]).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    let module = folder.path().join("modules/shop/module.toml");
    std::fs::write(&module, renamed).expect("to save");
    assert!(server.stderr.wait_for("goes on serving").await);
    let path = folder.path().to_path_buf();
    let applied = tokio::task::spawn_blocking(move || {
        run(&path, &["migrate", "apply", "--allow-slow"]);
    });
    // Between the two, the app from before says what it lacks, and nothing fails that is nobody's fault.
    let caller = server.anonymous();
    let until = Instant::now() + Duration::from_secs(20);
    loop {
        let reply = caller.get("/api/shop/things").await;
        match reply.status {
            200 if reply.text().contains("\"title\":\"a\"") => break,
            200 => {}
            _ => assert_eq!(reply.word(), "503 store.migrated"),
        }
        assert!(Instant::now() < until, "{}", server.stderr.text());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    applied.await.expect("no panic");
    assert!(server.stderr.wait_for("reloaded").await);
    server.kill().await;
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn on_a_terminal_it_asks_before_what_holds_up_writes() {
    use mainstay_tests::terminal::Terminal;
    let folder = tempfile::tempdir().expect("a folder");
    with_a_thing(folder.path()).await;
    let module = folder.path().join("modules/shop/module.toml");
    let mut terminal = Terminal::start(folder.path(), &["dev", "--listen", "127.0.0.1:0"]);
    terminal.wait_for("ready in");
    std::thread::sleep(Duration::from_millis(300));

    std::fs::write(&module, INDEXED).expect("to save");
    terminal.wait_for("add index");
    terminal.wait_for("[y/N]");
    // Enter alone is a no.
    terminal.type_in("\n");
    terminal.wait_for("goes on serving");
    assert!(!terminal.said().contains("reloaded"), "{}", terminal.said());

    std::fs::write(&module, format!("{INDEXED}# saved again\n")).expect("to save");
    terminal.wait_for("[y/N]");
    // A question that is out of date is asked anew, and an app that needs nothing is not asked for.
    let before = MODULE.replace("color = { type = \"string\", default = \"'red'\" }", "");
    std::fs::write(&module, &before).expect("to save");
    terminal.wait_for("saved again");
    terminal.wait_for("as before");
    std::fs::write(&module, INDEXED).expect("to save");
    terminal.wait_for("[y/N]");
    std::fs::write(&module, format!("{INDEXED}# once more\n")).expect("to save");
    terminal.wait_for("saved again");
    terminal.wait_for("[y/N]");
    terminal.type_in("y\n");
    terminal.wait_for("reloaded");
}

/// They are the first that anybody tries: each works as it is pasted, one after the other.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_that_a_demo_prints_work() {
    let folder = tempfile::tempdir().expect("a folder");
    run(folder.path(), &["new", "demo", "--template", "marketplace"]).expect(0, &[]);
    let server = Process::start(&folder.path().join("demo"), &["dev"]).await;
    assert!(server.stderr.wait_for("reference:").await);
    let said = server.stderr.text();
    let (_, lines) = said.split_once("ready in").expect("the first line");
    let (lines, _) = lines.split_once("demo login").expect("the login");
    let script: String = lines
        .lines()
        .skip(1)
        .fold(String::new(), |all, line| all + line.trim_start() + "\n");
    let script = format!(
        "set -euo pipefail\n{}",
        script.replace("curl ", "curl -sf ")
    );
    let pasted = std::process::Command::new("bash")
        .args(["-c", &script])
        .output()
        .expect("bash");
    let answers = String::from_utf8_lossy(&pasted.stdout);
    assert!(pasted.status.success(), "{script}{answers}");
    assert!(answers.starts_with("{\"data\":[{\"id\":"), "{answers}");
    assert!(
        answers.contains("\"email\":\"demo@example.com\""),
        "{answers}"
    );
}
