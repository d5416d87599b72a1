//! The command line, as the real binary: exit codes as `mainstay --help` documents them, and messages that say
//! what to do next.

use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{Process, SECRET, run, run_with};
use mainstay_tests::*;
use serde_json::Value as Json;
use std::path::Path;

const APP: &str = r#"
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

const GIVEN: &str = "01900000-0000-7000-8000-000000000001";
const MIGRATE: &[&str] = &["migrate", "apply"];

fn app(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    write_app(folder.path(), text);
    folder
}

fn import(folder: &Path, lines: &str) -> process::Ended {
    std::fs::write(folder.join("lines.jsonl"), lines).expect("a file");
    run(folder, &["import", "shop.tags", "lines.jsonl"])
}

fn create_admin(folder: &Path) {
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
        &["import"],
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

fn migrations(on: On) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let place = runtime.block_on(Place::new(on));
    let folder = place.path().join("app");
    write_app(&folder, APP);
    let with =
        |arguments: &[&str]| run_with(&folder, arguments, &[("DATABASE_URL", &place.url)], "");
    with(&["migrate", "plan"]).expect(0, &["create table shop.tags", "safe"]);
    with(&["migrate", "plan", "--sql"]).expect(0, &["CREATE TABLE"]);
    // A plan changes nothing, and a server says what to do.
    let environment = [
        ("DATABASE_URL", place.url.as_str()),
        ("MAINSTAY_SECRET", SECRET),
    ];
    run_with(
        &folder,
        &["serve", "--listen", "127.0.0.1:0"],
        &environment,
        "",
    )
    .expect(4, &["create table shop.tags", "mainstay migrate apply"]);
    with(MIGRATE).expect(0, &["applied"]);
    for arguments in [MIGRATE, &["migrate", "plan"]] {
        with(arguments).expect(0, &["as the app needs it"]);
    }
    std::fs::write(folder.join("tags.jsonl"), "{\"name\":\"a\"}\n").expect("a file");
    with(&["import", "shop.tags", "tags.jsonl"]).expect(0, &["1 record imported"]);

    // A field that may be missing is safe; one that must be there says what it needs.
    let optional = APP.replace(
        "owner = {",
        "size = { type = \"int\", optional = true }\nowner = {",
    );
    write_app(&folder, &optional);
    with(MIGRATE).expect(0, &["size", "applied 1 step"]);
    let required = APP.replace("owner = {", "weight = { type = \"int\" }\nowner = {");
    write_app(&folder, &required);
    for arguments in [&["migrate", "plan"][..], MIGRATE] {
        with(arguments).expect(4, &["shop.tags.weight", "default", "optional"]);
    }

    // What the records do not allow is said with what to do about them.
    write_app(&folder, &optional);
    with(&["import", "shop.tags", "tags.jsonl"]).expect(0, &["1 record imported"]);
    let unique =
        format!("{optional}\n[[models.tags.indexes]]\nfields = [\"name\"]\nunique = true\n");
    write_app(&folder, &unique);
    let same = "records of shop.tags have the same name; make them differ first";
    with(&["migrate", "apply", "--allow-slow"]).expect(1, &["add unique index", same]);
    let dev = ["dev", "--listen", "127.0.0.1:0", "--apply"];
    run_with(&folder, &dev, &environment, "").expect(1, &[same]);
    runtime.block_on(place.remove());
}

mod tables_are_brought_up_to_date {
    use super::*;

    #[test]
    fn sqlite() {
        migrations(On::Sqlite);
    }

    #[test]
    fn postgres() {
        migrations(On::Postgres);
    }
}

#[test]
fn an_import_is_all_or_nothing() {
    let folder = app(APP);
    let folder = folder.path();
    import(folder, "{\"name\":\"x\"}\n").expect(4, &["migrate apply"]);
    run(folder, MIGRATE).expect(0, &[]);
    let bad =
        "{\"name\":\"a\",\"n\":1}\n{\"name\":2}\n\n{\"nam\":\"c\"}\nnot json\n{\"name\":\"ok\"}\n";
    let refused = import(folder, bad);
    refused.expect(
        1,
        &[
            "lines.jsonl:2",
            "lines.jsonl:4",
            "lines.jsonl:5",
            "did you mean name",
            "nothing was imported",
        ],
    );
    for good in ["lines.jsonl:1", "lines.jsonl:3", "lines.jsonl:6"] {
        assert!(!refused.said().contains(good), "{}", refused.said());
    }
    // The unique value of the first line was not taken, so nothing was.
    let good =
        format!("{{\"name\":\"a\",\"n\":1,\"id\":\"{GIVEN}\"}}\n{{\"name\":\"b\",\"n\":20}}\n");
    import(folder, &good).expect(0, &["2 records imported into shop.tags"]);
    // Only the store sees these, and the line before them goes with them.
    for twice in [
        "{\"name\":\"c\",\"n\":3}\n{\"name\":\"d\",\"n\":3}\n",
        "{\"name\":\"c\",\"n\":3}\n{\"name\":\"d\",\"n\":20}\n",
    ] {
        let said = ["lines.jsonl:2: ", "the same n", "nothing was imported"];
        import(folder, twice).expect(1, &said);
    }
    import(folder, "{\"name\":\"c\",\"n\":3}\n").expect(0, &["1 record"]);
    run(folder, &["import", "shop.tag", "lines.jsonl"]).expect(1, &["did you mean shop.tags"]);
    run(folder, &["import", "shop.tags", "none.jsonl"]).expect(1, &["none.jsonl"]);
    // So is a reference within the module, and in the midst of many batches.
    let mut many = String::new();
    for n in 1..=5000 {
        let of = if n == 4321 {
            GIVEN.replace("01", "02")
        } else {
            GIVEN.to_owned()
        };
        many.push_str(&format!("{{\"name\":\"x\",\"of\":\"{of}\"}}\n\n"));
    }
    import(folder, &many).expect(
        1,
        &["lines.jsonl:8641: of refers to", "nothing was imported"],
    );
    // The given id was kept.
    run(folder, &["explain", "read", "shop.tags", GIVEN]).expect(0, &["owner == auth.id"]);
}

#[test]
fn an_import_says_one_thing_of_a_bad_id() {
    let folder = app(APP);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    for id in ["\"nope\"", "\"\"", "5", "null"] {
        let what = match id {
            "null" => "lines.jsonl:1: id is set by the server.",
            _ => "lines.jsonl:1: id is not an id of this model.",
        };
        let tag = format!("{{\"name\":\"a\",\"id\":{id}}}\n");
        import(folder, &tag).expect(1, &[what, "nothing was imported"]);
        let user = format!("{{\"name\":\"a\",\"email\":\"a@example.com\",\"id\":{id}}}\n");
        std::fs::write(folder.join("lines.jsonl"), user).expect("a file");
        let users = run(folder, &["import", "auth.users", "lines.jsonl"]);
        users.expect(1, &[what, "nothing was imported"]);
    }
}

fn imports_in_any_order(on: On) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let place = runtime.block_on(Place::new(on));
    let folder = place.path().join("app");
    write_app(&folder, APP);
    let with =
        |arguments: &[&str]| run_with(&folder, arguments, &[("DATABASE_URL", &place.url)], "");
    with(MIGRATE).expect(0, &[]);
    let key = |n: u32| format!("01900000-0000-7000-8000-{n:012}");
    let line = |n: u32, of: u32| {
        let (id, of) = (key(n), key(of));
        format!("{{\"name\":\"t\",\"id\":\"{id}\",\"of\":\"{of}\"}}\n")
    };
    let import = |lines: &[String]| {
        std::fs::write(folder.join("tags.jsonl"), lines.concat()).expect("a file");
        with(&["import", "shop.tags", "tags.jsonl"])
    };
    // Each refers to the line behind it, and the last to itself; more than one batch of them.
    let mut lines: Vec<String> = (1..=1200).map(|n| line(n, n + 1)).collect();
    lines.push(line(1201, 1201));
    import(&lines).expect(0, &["1201 records imported"]);
    // What they refer to is there since before, or comes with them, whichever way round.
    let lines = [
        line(2001, 2002),
        line(2003, 2001),
        line(2002, 7),
        line(2004, 8),
    ];
    import(&lines).expect(0, &["4 records imported"]);
    // Nowhere, and the line that says so.
    let lines = [line(3001, 3002), line(3002, 1), line(3003, 9999)];
    import(&lines).expect(1, &["tags.jsonl:3: ", "not there", "nothing was imported"]);
    let lines = [line(3001, 3002), line(3002, 3001), line(3003, 1)];
    import(&lines).expect(1, &["tags.jsonl:1: ", "nothing was imported"]);
    runtime.block_on(place.remove());
}

mod an_import_takes_lines_in_any_order {
    use super::*;

    #[test]
    fn sqlite() {
        imports_in_any_order(On::Sqlite);
    }

    #[test]
    fn postgres() {
        imports_in_any_order(On::Postgres);
    }
}

#[test]
fn administrators_and_roles() {
    let folder = app(APP);
    let folder = folder.path();
    let create = ["admin", "create", "a@example.com", "--password-stdin"];
    run_with(folder, &create, &[], "a long password\n").expect(4, &["migrate apply"]);
    run(folder, MIGRATE).expect(0, &[]);
    run_with(folder, &create, &[], "short\n").expect(1, &["at least 8 characters"]);
    run_with(
        folder,
        &["admin", "create", "no address", "--password-stdin"],
        &[],
        "a long password\n",
    )
    .expect(1, &["email"]);
    create_admin(folder);
    run(folder, &["admin", "create", "a@example.com"]).expect(0, &["is an administrator"]);
    let made_up = run(folder, &["admin", "create", "b@example.com"]);
    made_up.expect(0, &["password:", "shown this once"]);
    run(folder, &["admin", "grant", "b@example.com", "editor"]).expect(0, &["editor"]);
    run(folder, &["admin", "grant", "b@example.com", "Not A Role"]).expect(1, &["lower-case"]);
    run(folder, &["admin", "grant", "c@example.com", "editor"])
        .expect(1, &["no user", "c@example.com"]);
    run(folder, &["admin", "revoke", "b@example.com", "admin"]).expect(0, &[]);
    // Somebody must be left.
    run(folder, &["admin", "revoke", "a@example.com", "admin"]).expect(1, &["last administrator"]);
}

/// With the command line alone: nobody can be left outside of their own app.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_locked_out_is_let_in_again() {
    let folder = app(APP);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    create_admin(folder);
    let process = Process::start(folder, &["serve"]).await;
    let anonymous = process.anonymous();
    let login = async |password: &str| {
        let body = serde_json::json!({"email": "a@example.com", "password": password});
        anonymous.post("/api/auth/login", body).await
    };
    let first = login("a long password").await.expect(200);
    let set = |what: &str, input: &str, code: i32, said: &[&str]| {
        let arguments = ["admin", what, "a@example.com", "--password-stdin"];
        run_with(folder, &arguments, &[], input).expect(code, said);
    };
    set(
        "password",
        "another password\n",
        0,
        &["a@example.com", "sessions are ended"],
    );
    assert_eq!(
        login("a long password").await.word(),
        "401 auth.bad_credentials"
    );
    login("another password").await.expect(200);
    let body = serde_json::json!({"refresh_token": first["refresh_token"]});
    let refreshed = anonymous.post("/api/auth/refresh", body).await;
    assert_eq!(refreshed.word(), "401 auth.bad_refresh_token");
    set("password", "short\n", 1, &["at least 8 characters"]);
    run(folder, &["admin", "password", "a@example.com"]).expect(1, &["--password-stdin"]);
    let nobody = ["admin", "password", "b@example.com", "--password-stdin"];
    run_with(folder, &nobody, &[], "a long password\n").expect(1, &["no user"]);
    // Who is an administrator already gets the password that was given, too.
    set(
        "create",
        "a third password\n",
        0,
        &["is an administrator", "new password"],
    );
    login("a third password").await.expect(200);
    // And who is suspended is so no more.
    let id = first["user"]["id"].as_str().unwrap();
    let database = rusqlite::Connection::open(folder.join(".mainstay/data.db")).unwrap();
    let suspend = "UPDATE auth__users SET suspended = 1";
    assert_eq!(database.execute(suspend, []).unwrap(), 1);
    assert_eq!(login("a third password").await.word(), "403 auth.suspended");
    set("password", "a fourth password\n", 0, &["is suspended", id]);
    run(folder, &["admin", "create", "a@example.com"])
        .expect(0, &["is an administrator", "suspended; that is lifted"]);
    login("a fourth password").await.expect(200);
    // The database may stand on either side.
    for arguments in [
        [
            "admin",
            "grant",
            "a@example.com",
            "x",
            "--database",
            "sqlite:.mainstay/data.db",
        ],
        [
            "admin",
            "--database",
            "sqlite:.mainstay/data.db",
            "revoke",
            "a@example.com",
            "x",
        ],
    ] {
        run(folder, &arguments).expect(0, &["a@example.com"]);
    }
    run(folder, &["admin", "create", "--help"]).expect(0, &["--database"]);
}

#[cfg(unix)]
#[test]
fn a_password_is_asked_for_and_not_shown() {
    use mainstay_tests::terminal::Terminal;
    let folder = app(APP);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    create_admin(folder);
    for (second, ends) in [
        ("something else", "the two differ"),
        ("typed by hand", "has a new password"),
    ] {
        let mut terminal = Terminal::start(folder, &["admin", "password", "a@example.com"]);
        terminal.wait_for("new password for a@example.com:");
        terminal.type_in("typed by hand\n");
        terminal.wait_for("again:");
        terminal.type_in(&format!("{second}\n"));
        terminal.wait_for(ends);
        assert!(!terminal.said().contains("typed"), "{}", terminal.said());
        assert!(
            !terminal.said().contains("something"),
            "{}",
            terminal.said()
        );
    }
}

#[test]
fn a_plan_can_be_checked_by_a_script() {
    let folder = app(APP);
    let folder = folder.path();
    run(folder, &["migrate", "plan"]).expect(0, &["create table shop.tags"]);
    run(folder, &["migrate", "plan", "--check"]).expect(4, &["create table shop.tags", "to apply"]);
    run(folder, MIGRATE).expect(0, &[]);
    run(folder, &["migrate", "plan", "--check"]).expect(0, &["as the app needs it"]);
    import(folder, "{\"name\":\"a\"}\n").expect(0, &["✓ 1 record imported"]);
    run(folder, &["check"]).expect(0, &["2 modules, 2 models"]);
}

#[cfg(unix)]
#[test]
fn a_new_database_is_its_owners_alone() {
    use std::os::unix::fs::PermissionsExt;
    let folder = app(APP);
    let folder = folder.path();
    let mode = |name: &str| {
        let data = std::fs::metadata(folder.join(".mainstay").join(name)).expect("a file");
        data.permissions().mode() & 0o777
    };
    run(folder, MIGRATE).expect(0, &[]);
    assert_eq!(mode("data.db"), 0o600);
    // One that its owner has opened to others stays so.
    let wider = std::fs::Permissions::from_mode(0o640);
    std::fs::set_permissions(folder.join(".mainstay/data.db"), wider).expect("a mode");
    run(folder, &["migrate", "plan"]).expect(0, &[]);
    assert_eq!(mode("data.db"), 0o640);
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

/// Migrate, administrator, server: the order in which a production database is set up. The command has no part
/// in the server's secret, so what it leaves behind must not be bound to another one.
#[tokio::test]
async fn an_administrator_made_before_the_first_start_does_not_stop_it() {
    let folder = app(APP);
    run(folder.path(), MIGRATE).expect(0, &["applied"]);
    create_admin(folder.path());
    assert!(
        !folder.path().join(".mainstay/secret").exists(),
        "a command makes no secret"
    );
    let server = Process::start(folder.path(), &["serve"]).await;
    let answer = server
        .anonymous()
        .post(
            "/api/auth/login",
            serde_json::json!({"email": "a@example.com", "password": "a long password"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}
