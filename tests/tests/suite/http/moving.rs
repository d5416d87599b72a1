//! Records that leave and come back: exports and imports of both kinds of files, and whole databases.

use super::cli::MIGRATE;
use mainstay_tests::http::Caller;
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{Ended, Process, run, run_with};
use mainstay_tests::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::path::Path;

/// Every type of field and every kind of key, each hidden from somebody.
const APP: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.things]
open = true
[models.things.fields]
name = { type = "string" }
note = { type = "text", optional = true, read = "false" }
mail = { type = "email", optional = true }
link = { type = "url", optional = true }
kind = { type = "enum", values = ["a", "b"], optional = true }
n = { type = "int", optional = true }
x = { type = "float", optional = true }
price = { type = "decimal", scale = 2, optional = true }
yes = { type = "bool", default = "false" }
moment = { type = "datetime", optional = true }
day = { type = "date", optional = true }
token = { type = "uuid", optional = true, read = "name == 'x'" }
of = { type = "relation", to = "things", optional = true }
data = { type = "json", optional = true }
tags = { type = "list", items = "string", optional = true }
[models.things.access]
read = "true"
[models.numbered]
id = "int"
[models.numbered.fields]
thing = { type = "relation", to = "things", optional = true }
[models.numbered.access]
read = "true"
[models.named]
id = "string"
[models.named.fields]
text = { type = "string", optional = true }
number = { type = "relation", to = "numbered", optional = true }
[models.named.access]
read = "true"
"#;
const THINGS: &str = "shop.things";

fn uuid(n: u32) -> String {
    format!("01900000-0000-7000-8000-{n:012}")
}

/// What is hardest to keep: each line as an export writes it.
fn lines() -> Vec<(&'static str, String)> {
    let times =
        r#""created_at":"2026-01-01T00:00:00.000001Z","updated_at":"2026-01-02T03:04:05.600000Z""#;
    let thing = |n: u32, fields: &str, version: u32, extra: &str| {
        format!(
            r#"{{"id":"{}",{fields},{times},"version":{version}{extra}}}"#,
            uuid(n)
        ) + "\n"
    };
    let null = r#""note":null,"mail":null,"link":null,"kind":null,"n":null,"x":null,"price":null,"yes":false,"moment":null,"day":null,"token":null,"of":null,"data":null,"tags":null"#;
    let texts = [
        "=1+1",
        "",
        "-1",
        "'=1",
        "'",
        "a,b",
        "\\\"q\\\"",
        "line\\nbreak\\r\\n",
        " padded ",
        "ünï\\u0001",
        "@x",
    ];
    let mut things = thing(
        1,
        &format!(
            r#""name":"x","note":"hidden","mail":"a@b.example","link":"https://a.example/?a=b","kind":"b","n":-9007199254740991,"x":-0.25,"price":"-12.50","yes":true,"moment":"0001-01-01T00:00:00.000000Z","day":"9999-12-31","token":"{0}","of":"{0}","data":{{"a":[1,null,"=2"],"bb":"\"x\""}},"tags":["","=x"]"#,
            uuid(2)
        ),
        7,
        r#","loose":{"a":"b"},"other":null"#,
    );
    things += &thing(2, &format!(r#""name":"second",{null}"#), 1, "");
    for (at, text) in (3..).zip(texts) {
        things += &thing(at, &format!(r#""name":"{text}",{null}"#), 2, "");
    }
    let numbered = format!(
        "{{\"id\":7,\"thing\":\"{}\",{times},\"version\":1}}\n",
        uuid(1)
    ) + &format!("{{\"id\":4000,\"thing\":null,{times},\"version\":3}}\n");
    let named = format!("{{\"id\":\"=id\",\"text\":null,\"number\":4000,{times},\"version\":1}}\n")
        + &format!("{{\"id\":\"z\",\"text\":\"\",\"number\":null,{times},\"version\":1}}\n");
    vec![
        (THINGS, things),
        ("shop.numbered", numbered),
        ("shop.named", named),
    ]
}

/// An app on a database of its own.
struct There {
    place: Place,
    runtime: tokio::runtime::Runtime,
}

impl There {
    fn new(on: On) -> There {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        let place = runtime.block_on(Place::new(on));
        write_app(place.path(), APP);
        let there = There { place, runtime };
        there.run(MIGRATE).expect(0, &[]);
        there
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.run_with(arguments, "")
    }

    fn run_with(&self, arguments: &[&str], input: &str) -> Ended {
        let url = [("DATABASE_URL", self.place.url.as_str())];
        run_with(self.place.path(), arguments, &url, input)
    }

    fn export(&self, model: &str, format: &str) -> String {
        let exported = self.run(&["export", model, "--format", format]);
        exported.expect(0, &[]);
        assert!(exported.stderr.is_empty(), "{}", exported.stderr);
        exported.stdout
    }

    /// The files that an export of everything makes in a folder.
    fn exported(&self, folder: &str, format: &str) -> BTreeMap<String, Vec<u8>> {
        let arguments = ["export", "--all", "--out", folder, "--format", format];
        self.run(&arguments).expect(0, &["exported to"]);
        files(&self.place.path().join(folder))
    }

    fn remove(self) {
        self.runtime.block_on(self.place.remove());
    }
}

fn round_trip(on: On) {
    let first = There::new(on);
    for (model, lines) in lines() {
        let arguments = ["import", model, "-"];
        first
            .run_with(&arguments, &lines)
            .expect(0, &["imported into"]);
        // Hidden fields, undeclared ones, versions and times included; in the order of ids.
        assert_eq!(first.export(model, "jsonl"), lines);
    }
    // All at once, by folder, to another database and out of it again.
    let whole = first.exported("out", "jsonl");
    for format in ["csv", "jsonl"] {
        let second = There::new(on);
        let exported = first.exported(&format!("out-{format}"), format);
        let folder = first.place.path().join(format!("out-{format}"));
        let folder = folder.to_str().expect("a path");
        let imported = second.run(&["import", "--all", folder]);
        imported.expect(0, &["17 records of 4 models imported"]);
        assert_eq!(second.exported("a", format), exported, "{format}");
        assert_eq!(second.exported("b", "jsonl"), whole, "by {format}");
        // Where there is a record already, nothing at all comes in.
        let again = second.run(&["import", "--all", folder]);
        again.expect(1, &["same id", "nothing was imported"]);
        // What the store assigns goes on behind what came in.
        let arguments = ["import", "shop.numbered", "-"];
        second.run_with(&arguments, "{}\n").expect(0, &[]);
        let numbered = second.export("shop.numbered", "jsonl");
        assert!(numbered.contains("{\"id\":4001,"), "{numbered}");
        second.remove();
    }
    for (model, lines) in lines() {
        assert_eq!(whole[&format!("{model}.jsonl")], lines.into_bytes());
    }
    // No cell of a spreadsheet is a formula.
    let csv = first.export(THINGS, "csv");
    assert!(csv.starts_with("id,name,note,"), "{csv}");
    for shielded in ["'=1+1", "'-1", "''=1", "'@x"] {
        assert!(csv.contains(&format!(",{shielded},")), "{csv}");
    }
    assert!(
        csv.contains(",\"\",") && csv.contains("\"\"\"q\"\"\""),
        "{csv}"
    );

    // Files are their owner's alone, and replaced when that is said.
    let folder = first.place.path().join("out");
    #[cfg(unix)]
    for path in [&folder, &folder.join("shop.things.jsonl")] {
        use std::os::unix::fs::PermissionsExt;
        let mode = std::fs::metadata(path).expect("it").permissions().mode();
        assert_eq!(mode & 0o077, 0, "{}", path.display());
    }
    let out = folder.to_str().expect("a path");
    let again = first.run(&["export", "--all", "--out", out]);
    again.expect(1, &["it is there already", "--force"]);
    first
        .run(&["export", "--all", "--out", out, "--force"])
        .expect(0, &[]);
    first.remove();
}

on_each!(what_is_exported_comes_back_the_same, round_trip);

/// Records go to the store many at a time, and what it refuses is told of the one.
fn refused(on: On) {
    let there = There::new(on);
    let import =
        |model: &str, lines: Vec<String>| there.run_with(&["import", model, "-"], &lines.concat());
    let thing = |n: u32| format!("{{\"id\":\"{}\",\"name\":\"a\"}}\n", uuid(n));
    let mut lines: Vec<String> = (1..=2600).map(thing).collect();
    lines[2344] = thing(12);
    import(THINGS, lines).expect(1, &["-:2345:", "same id", "nothing was imported"]);
    let number = |n: u32| format!("{{\"id\":{n},\"version\":3}}\n");
    let mut lines: Vec<String> = (1..=2600).map(number).collect();
    lines[1776] = format!("{{\"id\":1777,\"thing\":\"{}\"}}\n", uuid(1));
    import("shop.numbered", lines).expect(1, &["-:1777:", "thing refers to", "nothing was"]);
    for model in [THINGS, "shop.numbered"] {
        assert_eq!(there.export(model, "jsonl"), "");
    }
    // Without it they come in, and the store's own keys go on behind theirs.
    let lines: Vec<String> = (1..=2600).map(number).collect();
    import("shop.numbered", lines).expect(0, &["2600 records"]);
    import("shop.numbered", vec!["{}\n".to_owned()]).expect(0, &[]);
    let numbered = there.export("shop.numbered", "jsonl");
    assert_eq!(numbered.matches("\"version\":3").count(), 2600);
    assert!(numbered.contains("{\"id\":2601,"));
    there.remove();
}

on_each!(what_the_store_refuses_is_told_by_its_line, refused);

#[test]
fn bad_rows_are_told_by_their_lines_and_nothing_comes_in() {
    let there = There::new(On::Sqlite);
    let import = |csv: &str| {
        std::fs::write(there.place.path().join("in.csv"), csv).expect("a file");
        there.run(&["import", THINGS, "in.csv"])
    };
    let bad = "name,n,yes,data\r\n\
               good,1,TRUE,\r\n\
               \"two\nlines\",x,false,\r\n\
               ,2,,\r\n\
               b,3,maybe,{\r\n\
               c,4\r\n\
               d,5,,\"{\"\"a\"\":1}\"\r\n";
    let refused = import(bad);
    refused.expect(
        1,
        &[
            "in.csv:3: n must be a whole number",
            "in.csv:5: name is required",
            "in.csv:6: data must be JSON",
            "in.csv:7: The row has 2 cells, and the first row names 4 fields.",
            "nothing was imported",
        ],
    );
    for good in ["in.csv:2", "in.csv:8"] {
        assert!(!refused.said().contains(good), "{}", refused.said());
    }
    assert_eq!(there.export(THINGS, "jsonl"), "");
    import("nam\r\n").expect(1, &["in.csv:1", "did you mean name?"]);
    import("name,name\r\n").expect(1, &["names name twice"]);
    import("").expect(1, &["its first row names the fields"]);
    import("name\na\"b\n").expect(1, &["in.csv:2", "must be in quotes"]);
    import("name\n\"ab\n").expect(1, &["in.csv:2", "not closed"]);
    import("name,version\na,0\n").expect(1, &["in.csv:2", "version"]);
    import("name,_extra\na,[]\n").expect(1, &["in.csv:2", "_extra must be a JSON object"]);
    // Nor by what it smuggles in among the undeclared.
    import("name,_extra\na,\"{\"\"name\"\":\"\"b\"\"}\"\n").expect(1, &["name is there twice"]);
    assert_eq!(there.export(THINGS, "jsonl"), "");
    // What is no file of records, and where none may be written.
    there
        .run(&["export", "shop.thing"])
        .expect(1, &["did you mean shop.things?"]);
    there
        .run(&["export", THINGS, "--out", "no/such/folder/x"])
        .expect(1, &["no/such/folder/x"]);
    there
        .run(&["export", THINGS, "--out", "things.xml"])
        .expect(1, &["things.xml", "--format csv"]);
    assert!(!there.place.path().join("things.xml").exists());
    there
        .run(&["export", THINGS, "--out", "/dev/null", "--force"])
        .expect(1, &["no plain file"]);
    there.run(&["export", "--all"]).expect(2, &["--out"]);
    there.run(&["export"]).expect(2, &["MODEL|--all"]);
    there
        .run(&["import", "--all", "modules"])
        .expect(1, &["MODULE.MODEL.jsonl"]);
    std::fs::write(there.place.path().join("modules/other.thing.csv"), "").expect("a file");
    there
        .run(&["import", "--all", "modules"])
        .expect(1, &["no model other.thing"]);
    there.remove();
}

#[test]
fn an_export_holds_no_secret() {
    let there = There::new(On::Sqlite);
    let user =
        "{\"email\":\"a@example.com\",\"password\":\"a long password\",\"roles\":[\"admin\"]}\n";
    there
        .run_with(&["import", "auth.users", "-"], user)
        .expect(0, &[]);
    let users = there.export("auth.users", "jsonl");
    assert!(users.contains("a@example.com"), "{users}");
    for secret in ["password", "argon2", "roles", "admin"] {
        assert!(!users.contains(secret), "{users}");
    }
    // A password and roles may come by CSV, too, and a password is no formula.
    let csv = "email,password,roles\nb@example.com,'=a long password,\"[\"\"editor\"\"]\"\n";
    let arguments = ["import", "auth.users", "-", "--format", "csv"];
    there.run_with(&arguments, csv).expect(0, &[]);
    there.runtime.block_on(async {
        let server = Process::start(
            there.place.path(),
            &["serve", "--database", &there.place.url],
        )
        .await;
        let login = |password: &str| json!({"email": "b@example.com", "password": password});
        let caller = server.anonymous();
        let address = "/api/auth/login";
        assert_eq!(
            caller
                .post(address, login("'=a long password"))
                .await
                .status,
            200
        );
        assert_eq!(
            caller.post(address, login("=a long password")).await.status,
            401
        );
    });
    there.remove();
}

/// The marketplace with its seeds, a session and a few writes.
async fn marketplace(folder: &Path) -> String {
    run(folder, &["new", "app", "--template", "marketplace"]).expect(0, &[]);
    let server = Process::start(folder, &["dev", "app"]).await;
    let login = json!({"email": "admin@example.com", "password": "demo-password"});
    let signed_in = server.anonymous().post("/api/auth/login", login).await;
    let token = signed_in.json()["access_token"]
        .as_str()
        .expect("a token")
        .to_owned();
    let from = "sqlite:.mainstay/data.db";
    // While it is served, nothing is carried.
    let copy = ["copy", "app", "--from", from, "--to", "sqlite:../other.db"];
    run(folder, &copy).expect(1, &["another server uses", "stop it"]);
    server.terminate();
    let mut server = server;
    server.child.wait().await.expect("its end");
    token
}

fn exported(folder: &Path, url: &str) -> BTreeMap<String, Vec<u8>> {
    let out = folder.join(format!("out-{}", spec::new_id()));
    let arguments = [
        "export",
        "--all",
        "--app",
        "app",
        "--out",
        out.to_str().expect("a path"),
    ];
    run(folder, &[&arguments[..], &["--database", url]].concat()).expect(0, &["exported"]);
    files(&out)
}

/// The files of a folder by their names.
fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let files = std::fs::read_dir(folder).expect("a folder").map(|entry| {
        let path = entry.expect("a file").path();
        let name = path
            .file_name()
            .expect("a name")
            .to_string_lossy()
            .into_owned();
        (name, std::fs::read(&path).expect("a file"))
    });
    files.collect()
}

#[test]
fn a_database_is_carried_to_postgresql_and_back() {
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let place = runtime.block_on(Place::new(On::Postgres));
    let folder = place.path();
    let token = runtime.block_on(marketplace(folder));
    let (first, second) = ("sqlite:.mainstay/data.db", place.url.as_str());
    let third = format!("sqlite:{}", folder.join("back.db").display());
    let copy = |from: &str, to: &str| run(folder, &["copy", "app", "--from", from, "--to", to]);
    let there = copy(first, second);
    there.expect(
        0,
        &[
            "catalog.products",
            "mainstay.sessions",
            "mainstay.changes",
            "compared",
            "MAINSTAY_SECRET",
        ],
    );
    copy(second, &third).expect(0, &["compared"]);
    let whole = exported(folder, first);
    assert!(whole["catalog.products.jsonl"].len() > 1000);
    assert_eq!(exported(folder, second), whole);
    assert_eq!(exported(folder, &third), whole);
    // What it says of the rows and their digests is the same both ways: private tables and the log included.
    let table = |ended: &Ended| -> Vec<String> {
        let rows = ended.stdout.lines().filter(|line| line.starts_with("  "));
        rows.map(|row| row.split_whitespace().collect::<Vec<_>>().join(" "))
            .collect()
    };
    let again = format!("sqlite:{}", folder.join("again.db").display());
    let back = copy(&third, &again);
    back.expect(0, &[]);
    assert_eq!(table(&there), table(&back));

    // Who was signed in still is, and writing goes on.
    for url in [second, &third] {
        runtime.block_on(async {
            let server = Process::start(folder, &["serve", "app", "--database", url]).await;
            let caller = Caller {
                token: Some(token.clone()),
                ..server.anonymous()
            };
            let made = caller
                .post("/api/catalog/categories", json!({"name": "New"}))
                .await;
            assert!([201, 204].contains(&made.status), "{url}: {}", made.text());
            // Nothing is carried while it is served.
            let to = format!("sqlite:{}", folder.join("no.db").display());
            copy(url, &to).expect(1, &["stop"]);
        });
    }
    // Into what is there already, nothing is carried; nor from what is not there, nor onto itself.
    copy(&third, second).expect(1, &["the target is not empty", "nothing was carried"]);
    copy("sqlite:none.db", second).expect(1, &["there is no such file"]);
    assert!(!folder.join("app/none.db").exists());
    copy(first, first).expect(2, &["the same database"]);
    let secret = copy("postgres://me:pass-word@127.0.0.1:1/x", &third);
    secret.expect(1, &["127.0.0.1:1"]);
    assert!(!secret.said().contains("pass-word"), "{}", secret.said());
    runtime.block_on(place.remove());
}

fn what_grew_comes_back(on: On) {
    let there = There::new(on);
    // Undeclared fields come over many requests, and more than one of them may have.
    let extra: String = (0..1500).map(|n| format!(",\"u{n}\":{n}")).collect();
    let line = format!("{{\"name\":\"a\",\"x\":-0.0,\"colour\":\"red\"{extra}}}\n");
    let import = |file: &str, input: &str| {
        let arguments = ["import", THINGS, "-", "--format", file];
        there.run_with(&arguments, input)
    };
    import("jsonl", &line).expect(0, &[]);
    let exported = there.export(THINGS, "jsonl");
    assert!(
        exported.contains("\"x\":0,") || exported.contains("\"x\":0.0,"),
        "{exported}"
    );
    assert!(exported.contains("\"u1499\":1499"));
    // One of them is declared by now: the undeclared one of that name is in no export.
    let grown = APP.replace(
        "[models.things.fields]\n",
        "[models.things.fields]\ncolour = { type = \"string\", optional = true }\n",
    );
    write_app(there.place.path(), &grown);
    there.run(MIGRATE).expect(0, &[]);
    let exported = there.export(THINGS, "jsonl");
    assert!(!exported.contains("red"));
    let exported = there.export(THINGS, "csv");
    assert!(!exported.contains("red"));
    // It comes back as it is, but for the key.
    let id = exported.find('\n').expect("a header") + 1;
    let again = format!("{}{}{}", &exported[..id], uuid(7), &exported[id + 36..]);
    import("csv", &again).expect(0, &[]);
    assert!(there.export(THINGS, "csv").contains(&uuid(7)));
    there.remove();
}

on_each!(records_that_grew_come_back, what_grew_comes_back);
