//! The command line, as the real binary: exit codes as `mainstay --help` documents them, and messages that say
//! what to do next.

use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{SECRET, run, run_with};
use mainstay_tests::*;
use serde_json::Value as Json;
use std::path::Path;

pub(super) const APP: &str = r#"
name = "shop"
[server]
listen = "127.0.0.1:7099"
## modules/shop/module.toml
[models.tags.fields]
name = { type = "string" }
n = { type = "int", optional = true, unique = true }
owner = { type = "relation", to = "auth.users", optional = true }
of = { type = "relation", to = "tags", optional = true }
[models.tags.access]
read = "owner == auth.id || n > 10"
create = "auth.id != null"
"#;

const BROKEN: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.tags.fields]
name = { type = "sting" }
[models.tags.access]
read = "nam == 'x'"
"#;

pub(super) const GIVEN: &str = "01900000-0000-7000-8000-000000000001";
pub(super) const MIGRATE: &[&str] = &["migrate", "apply"];

pub(super) fn app(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write_app(folder.path(), text);
    folder
}

pub(super) fn import(folder: &Path, lines: &str) -> process::Ended {
    std::fs::write(folder.join("lines.jsonl"), lines).expect("a file");
    run(folder, &["import", "shop.tags", "lines.jsonl"])
}

pub(super) fn create_admin(folder: &Path) {
    let arguments = ["admin", "create", "a@example.com", "--password-stdin"];
    run_with(folder, &arguments, &[], "a long password\n").expect(0, &["a@example.com"]);
}

#[test]
fn exit_codes_are_documented() {
    let folder = app(APP);
    let help = run(folder.path(), &["--help"]);
    help.expect(
        0,
        &[
            "0 done",
            "1 failed",
            "2 wrong",
            "3 mistakes",
            "4 the database",
        ],
    );
    assert!(help.stderr.is_empty());
    run(folder.path(), &[]).expect(2, &["Usage", "dev", "serve", "check", "import"]);
    run(folder.path(), &["bogus"]).expect(2, &["bogus", "--help"]);
    run(folder.path(), &["serve", "--bogus"]).expect(2, &["--bogus"]);
    run(folder.path(), &["migrate"]).expect(2, &["plan", "apply"]);
    run(folder.path(), &["--version"]).expect(0, &["mainstay "]);
    // No colour where there is no terminal.
    for arguments in [
        &["check"][..],
        &["config"],
        &["migrate", "plan"],
        &["bogus"],
    ] {
        let said = run(folder.path(), arguments).said();
        assert!(!said.contains('\u{1b}'), "{arguments:?}: {said:?}");
    }
}

#[test]
fn a_new_app_is_whole() {
    let folder = tempfile::tempdir().expect("a folder");
    for template in ["blank", "marketplace"] {
        let new = run(folder.path(), &["new", template, "--template", template]);
        new.expect(0, &["next: mainstay dev"]);
        run(folder.path(), &["check", template]).expect(0, &[template]);
        let again = run(folder.path(), &["new", template]);
        again.expect(1, &["is not empty", "name a new folder"]);
    }
    // It is called as its folder is, in letters that a name may have.
    for (at, template, name) in [
        ("My Shop", "marketplace", "my-shop"),
        ("deep/er/bazaar", "marketplace", "bazaar"),
        ("2nd", "marketplace", "app-2nd"),
        ("Ünlü", "blank", "nl"),
        ("...", "blank", "app"),
    ] {
        run(folder.path(), &["new", at, "--template", template]).expect(0, &[]);
        let name = format!("✓ {name}:");
        run(folder.path(), &["check", at]).expect(0, &[&name]);
    }
    let here = folder.path().join("here");
    std::fs::create_dir(&here).expect("a folder");
    run(&here, &["new", "."]).expect(0, &[]);
    run(&here, &["check"]).expect(0, &["✓ here:"]);
    run(folder.path(), &["new", "x", "--template", "nothing"]).expect(2, &["blank", "marketplace"]);
    run(folder.path(), &["check", "nowhere"]).expect(3, &["mainstay new"]);
}

#[test]
fn check_tells_every_mistake_where_it_is() {
    let folder = app(BROKEN);
    let human = run(folder.path(), &["check"]);
    human.expect(
        3,
        &[
            "module.toml:2:17",
            "sting",
            "did you mean `string`",
            "^^^",
            "module.toml:4",
            "2 mistakes",
        ],
    );
    let json = run(folder.path(), &["check", "--format", "json"]);
    json.expect(3, &[]);
    let all: Json = serde_json::from_str(&json.stdout).expect("JSON and nothing else");
    let errors: Vec<&Json> = all
        .as_array()
        .expect("a list")
        .iter()
        .filter(|d| d["severity"] == "error")
        .collect();
    assert_eq!(errors.len(), 2, "{all}");
    for error in errors {
        for key in ["code", "message", "path"] {
            assert!(error[key].is_string(), "{error}");
        }
        assert!(
            error["line"].is_u64() && error["column"].is_u64(),
            "{error}"
        );
    }
    // No command goes on with a broken app.
    for arguments in [&["migrate", "plan"][..], &["serve"], &["dev"], &["config"]] {
        run(folder.path(), arguments).expect(3, &["sting"]);
    }
    let good = app(APP);
    run(good.path(), &["check"]).expect(0, &["shop"]);
    let json = run(good.path(), &["check", "--format", "json"]);
    assert_eq!((json.code, json.stdout.trim()), (0, "[]"));
}

/// An editor and a terminal find a file from where the command was run.
#[test]
fn places_are_given_from_the_current_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let broken = APP.replace("type = \"string\"", "type = \"sting\"");
    write_app(&folder.path().join("apps/shop"), &broken);
    let absolute = folder.path().join("apps/shop");
    let absolute = absolute.to_str().expect("a path");
    for (here, app, path) in [
        ("", "apps/shop", "apps/shop/modules/shop/module.toml"),
        ("", "apps/shop/", "apps/shop/modules/shop/module.toml"),
        (
            "",
            absolute,
            &*format!("{absolute}/modules/shop/module.toml"),
        ),
        ("apps", "shop", "shop/modules/shop/module.toml"),
        ("apps/shop", ".", "modules/shop/module.toml"),
        ("apps/shop/modules", "..", "../modules/shop/module.toml"),
    ] {
        let here = folder.path().join(here);
        for arguments in [&["check", app][..], &["check", "--app", app]] {
            let said = run(&here, arguments);
            let at = format!("--> {path}:");
            said.expect(3, &[&at]);
            let json = run(&here, &[arguments, &["--format", "json"]].concat());
            let all: Json = serde_json::from_str(&json.stdout).expect("JSON and nothing else");
            assert_eq!(all[0]["path"], path, "{app}");
        }
        run(&here, &["config", app]).expect(3, &[&format!("--> {path}:")]);
    }
    run(folder.path(), &["check", "nowhere"]).expect(3, &["nowhere/mainstay.toml"]);
}

/// Whoever meets one of these is told what to do next, in a command that can be pasted.
#[test]
fn what_goes_wrong_comes_with_what_to_do() {
    let folder = tempfile::tempdir().expect("a folder");
    write_app(&folder.path().join("my shop"), APP);
    let secret = [("MAINSTAY_SECRET", SECRET)];
    let said = |arguments: &[&str], code: i32, texts: &[&str]| {
        run_with(folder.path(), arguments, &secret, "").expect(code, texts);
    };
    // The tables: with the folder and the database that were given.
    let next = "next: mainstay migrate apply 'my shop'";
    said(&["serve", "my shop"], 4, &["create table shop.tags", next]);
    said(
        &["admin", "create", "a@example.com", "--app", "my shop"],
        4,
        &[next],
    );
    let elsewhere = ["serve", "my shop", "--database", "sqlite:other.db"];
    said(
        &elsewhere,
        4,
        &[&format!("{next} --database sqlite:other.db")],
    );
    said(
        &["new", "other shop"],
        0,
        &["next: mainstay dev 'other shop'"],
    );
    // The address.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    let taken = taken.local_addr().expect("an address").to_string();
    for (address, texts) in [
        (&*taken, &["another program", "--listen 127.0.0.1:0"][..]),
        ("8080", &["127.0.0.1:8080"]),
        ("127.0.0.1:80808", &["127.0.0.1:8080", "65535"]),
        ("203.0.113.9:7070", &["this machine", "0.0.0.0:7070"]),
    ] {
        said(&["serve", "my shop", "--listen", address], 1, texts);
    }
    // The database.
    std::fs::write(folder.path().join("no.db"), "this is a text\n".repeat(100)).expect("a file");
    let no = format!("sqlite:{}", folder.path().join("no.db").display());
    for (database, texts) in [
        (
            "postgres://nobody:pass-word@127.0.0.1:1/x",
            &["running", "DATABASE_URL"][..],
        ),
        (
            "postgres://nobody@no.such.host.invalid/x",
            &["running", "DATABASE_URL"],
        ),
        ("sqlite:/proc/nothing/data.db", &["sqlite:PATH"]),
        (&no, &["not a database", "sqlite:PATH"]),
    ] {
        said(
            &["migrate", "plan", "my shop", "--database", database],
            1,
            texts,
        );
    }
    said(&["migrate", "apply", "my shop"], 0, &[]);
    said(
        &[
            "admin",
            "grant",
            "c@example.com",
            "editor",
            "--app",
            "my shop",
        ],
        1,
        &["no user", "register", "mainstay admin create"],
    );
}

#[test]
fn a_database_that_lets_nobody_in_is_told_apart() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let place = runtime.block_on(Place::new(On::Postgres));
    let folder = place.path().join("app");
    write_app(&folder, APP);
    let (server, _) = place.url.rsplit_once('/').expect("a URL");
    let (scheme, host) = server.split_once("://").expect("a URL");
    let host = host.rsplit_once('@').map_or(host, |(_, host)| host);
    for (url, texts) in [
        (
            format!("{server}/no_such_database"),
            &["createdb no_such_database"][..],
        ),
        (
            format!("{scheme}://no_such_role:pass-word@{host}/postgres"),
            &["user and the password", "createuser"],
        ),
    ] {
        let ended = run(&folder, &["migrate", "plan", "--database", &url]);
        ended.expect(1, texts);
        assert!(!ended.said().contains("pass-word"));
    }
    runtime.block_on(place.remove());
}

#[test]
fn every_command_has_an_example() {
    let folder = tempfile::tempdir().expect("a folder");
    for command in [
        &["new"][..],
        &["dev"],
        &["serve"],
        &["check"],
        &["migrate", "plan"],
        &["migrate", "apply"],
        &["migrate", "history"],
        &["import"],
        &["export"],
        &["copy"],
        &["backup", "create"],
        &["backup", "list"],
        &["backup", "verify"],
        &["backup", "restore"],
        &["admin", "create"],
        &["admin", "grant"],
        &["admin", "revoke"],
        &["explain"],
        &["eval"],
        &["config"],
        &["schema"],
    ] {
        let help = run(folder.path(), &[command, &["--help"]].concat());
        help.expect(0, &[&format!("  mainstay {}", command.join(" "))]);
        // Every argument says what it is.
        for line in help.stdout.lines() {
            let line = line.trim();
            assert!(
                !(line.starts_with('<') || line.starts_with('[')) || line.contains("  "),
                "{line}"
            );
        }
    }
}

#[test]
fn a_variable_that_nothing_reads_is_told() {
    let folder = app(APP);
    let with = |name: &str| run_with(folder.path(), &["config"], &[(name, "x")], "");
    with("MAINSTAY_LISTN").expect(0, &["nothing reads it; did you mean MAINSTAY_LISTEN?"]);
    with("MAINSTAY_AUTH_REGISTRATION")
        .expect(0, &["nothing reads it; there are MAINSTAY_DATABASE_URL"]);
    let known = with("MAINSTAY_LISTEN");
    assert!(!known.said().contains("nothing reads"), "{}", known.said());
}

#[test]
fn explain_decides_on_a_change() {
    let folder = app(r#"
name = "shop"
## modules/shop/module.toml
[models.orders.fields]
status = { type = "string" }
note = { type = "string", optional = true }
total = { type = "int", default = "0", write = "status == 'draft'" }
[models.orders.access]
read = "true"
update = "old.status == 'draft' && status in ['draft', 'placed']"
[models.drafts.fields]
status = { type = "string" }
[models.drafts.access]
read = "true"
update = "status == 'draft'"
"#);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    for model in ["orders", "drafts"] {
        let line = format!("{{\"status\":\"draft\",\"id\":\"{GIVEN}\"}}\n");
        std::fs::write(folder.join("lines.jsonl"), line).expect("a file");
        run(folder, &["import", &format!("shop.{model}"), "lines.jsonl"]).expect(0, &[]);
    }
    let update = |model: &str, change: &str, said: &[&str]| {
        run(folder, &["explain", "update", model, GIVEN, change]).expect(0, said);
    };
    let of = "shop.orders";
    update(
        of,
        r#"{"status":"placed"}"#,
        &[
            "status = \"draft\"",
            "becomes    status = \"placed\"",
            "allowed",
        ],
    );
    update(of, r#"{"status":"shipped"}"#, &["denied", "asked once"]);
    update(of, r#"{"status":"placed","total":5}"#, &["denied", "total"]);
    update(of, r#"{"status":7}"#, &["denied", "status"]);
    update(
        "shop.drafts",
        r#"{"status":"placed"}"#,
        &["denied", "for the resulting record"],
    );
    let without = run(folder, &["explain", "update", of, GIVEN]);
    without.expect(0, &["as if nothing changed", "asked once"]);
    assert!(
        !without.said().contains("resulting one as well"),
        "{}",
        without.said()
    );
    // Nothing was written.
    run(folder, &["explain", "update", of, GIVEN, "{}"]).expect(0, &["status = \"draft\""]);
    run(folder, &["explain", "read", of, GIVEN, "{}"]).expect(2, &["only an update"]);
}

#[test]
fn explain_says_which_rule_decides() {
    let folder = app(APP);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    let line = format!("{{\"name\":\"a\",\"n\":20,\"id\":\"{GIVEN}\"}}\n");
    import(folder, &line).expect(0, &[]);
    create_admin(folder);
    let rule = "owner == auth.id || n > 10";
    run(folder, &["explain", "read", "shop.tags"]).expect(0, &[rule, "anonymous", "SELECT"]);
    run(folder, &["explain", "read", "shop.tags", GIVEN]).expect(0, &[rule, "20", "allowed"]);
    run(folder, &["explain", "delete", "shop.tags", GIVEN]).expect(0, &["denied"]);
    run(
        folder,
        &["explain", "create", "shop.tags", "{\"name\":\"x\"}"],
    )
    .expect(0, &["auth.id != null", "denied"]);
    run(
        folder,
        &["explain", "--as", "a@example.com", "read", "shop.tags"],
    )
    .expect(0, &["administrators"]);
    run(
        folder,
        &["explain", "--as", "no@example.com", "read", "shop.tags"],
    )
    .expect(1, &["no user", "anonymous"]);
    run(folder, &["explain", "read", "shop.tag"]).expect(1, &["did you mean shop.tags"]);
    run(folder, &["explain", "fly", "shop.tags"])
        .expect(2, &["read", "create", "update", "delete"]);
}

#[test]
fn eval_tries_expressions() {
    let folder = app(APP);
    let folder = folder.path();
    let eval = |arguments: &[&str]| run(folder, &[&["eval"], arguments].concat());
    eval(&["1 + 2 * 3"]).expect(0, &["int", "7"]);
    eval(&[
        "n > 3",
        "--model",
        "shop.tags",
        "--record",
        "{\"name\":\"x\",\"n\":5}",
    ])
    .expect(0, &["bool", "true", "\"n\""]);
    eval(&["auth.id == null"]).expect(0, &["true"]);
    eval(&["1 +"]).expect(1, &["^", "expected"]);
    eval(&["nam == 'x'", "--model", "shop.tags"]).expect(1, &["^", "did you mean `name`"]);
    eval(&["n == 'x'", "--model", "shop.tags"]).expect(1, &["^"]);
    eval(&["true", "--record", "{"]).expect(1, &["--record"]);
    let deep = "(".repeat(5000);
    eval(&[&deep]).expect(1, &[]);
}

#[test]
fn config_says_where_each_setting_comes_from() {
    let folder = app(APP);
    let folder = folder.path();
    let get = |environment: &[(&str, &str)], flags: &[&str], key: &str| {
        let arguments = [&["config", "--format", "json"], flags].concat();
        let ended = run_with(folder, &arguments, environment, "");
        ended.expect(0, &[]);
        let all: Json = serde_json::from_str(&ended.stdout).expect("JSON and nothing else");
        (all[key]["value"].clone(), all[key]["from"].clone())
    };
    let url = "database.url";
    assert_eq!(
        get(&[], &[], "server.listen"),
        ("127.0.0.1:7099".into(), "mainstay.toml".into())
    );
    assert_eq!(get(&[], &[], url).1, "default");
    // As the file would have them.
    assert_eq!(get(&[], &[], "auth.access_token").0, "15m");
    assert_eq!(get(&[], &[], "auth.refresh_token").0, "30d");
    assert_eq!(get(&[], &[], "limits.page").0, 200);
    assert_eq!(get(&[], &[], "auth.verify_email").0, false);
    let environment = [("DATABASE_URL", "postgres://me:secret@db/shop")];
    let (shown, from) = get(&environment, &[], url);
    assert_eq!(from, "environment: DATABASE_URL");
    assert!(!shown.to_string().contains("secret"), "{shown}");
    assert_eq!(
        get(&environment, &["--database", "sqlite:x.db"], url).1,
        "flag"
    );
    let both = [
        ("DATABASE_URL", "sqlite:a.db"),
        ("MAINSTAY_DATABASE_URL", "sqlite:b.db"),
    ];
    assert_eq!(get(&both, &[], url).1, "environment: MAINSTAY_DATABASE_URL");
    // Every one, so that what is refused can be looked up.
    assert_eq!(get(&[], &[], "limits.search_words").0, 32);
    for (name, wrong, said) in [
        ("MAINSTAY_LISTEN", "nope", "127.0.0.1:8080"),
        ("MAINSTAY_LISTEN", "127.0.0.1:70707", "127.0.0.1:8080"),
        ("MAINSTAY_DATABASE_POOL", "many", "from 1 to 1000"),
        ("MAINSTAY_DATABASE_POOL", "0", "from 1 to 1000"),
        ("MAINSTAY_LOG", "loud", "json, pretty or off"),
    ] {
        run_with(folder, &["config"], &[(name, wrong)], "").expect(1, &[name, wrong, said]);
    }
    run(folder, &["serve", "--listen", "nope"]).expect(1, &["nope (flag)", "127.0.0.1:8080"]);
    let human = run(folder, &["config"]);
    human.expect(
        0,
        &[
            "server.listen",
            "mainstay.toml",
            "not set: `mainstay dev` makes one",
        ],
    );
    run_with(
        folder,
        &["config"],
        &[("DATABASE_URL", "mysql://me:secret@db/x")],
        "",
    )
    .expect(1, &["sqlite:PATH", "postgres://"]);
}

#[test]
fn serve_wants_a_secret_a_database_and_a_free_address() {
    let folder = app(APP);
    let folder = folder.path();
    let secret = [("MAINSTAY_SECRET", SECRET)];
    let serve = ["serve", "--migrate", "--listen", "127.0.0.1:0"];
    run(folder, &serve).expect(1, &["MAINSTAY_SECRET", "openssl rand"]);
    assert!(
        !folder.join(".mainstay").exists(),
        "it was refused before anything was made"
    );
    run_with(folder, &serve, &[("MAINSTAY_SECRET", "short")], "")
        .expect(1, &["shorter", "openssl rand"]);
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("an address");
    let address = taken.local_addr().expect("an address").to_string();
    run_with(folder, &["serve", "--listen", &address], &secret, "")
        .expect(1, &[&address, "--listen"]);
    let nobody = "postgres://nobody:pass-word@127.0.0.1:1/x";
    let refused = run_with(
        folder,
        &[&serve[..], &["--database", nobody]].concat(),
        &secret,
        "",
    );
    refused.expect(1, &["127.0.0.1:1"]);
    assert!(!refused.said().contains("pass-word"), "{}", refused.said());
}
