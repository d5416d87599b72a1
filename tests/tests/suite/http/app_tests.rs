//! `mainstay test`: an app's own tests, as the real binary runs them.

use super::cli::app;
use mainstay_tests::On;
use mainstay_tests::process::{Ended, binary, run, signal};
use mainstay_tests::*;
use serde_json::Value as Json;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// A model of each kind of key, and a field that is its owner's alone.
const APP: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.tags]
id = "int"
[models.tags.fields]
name = { type = "string" }
owner = { type = "relation", to = "auth.users", default = "auth.id", immutable = true }
secret = { type = "string", optional = true, read = "owner == auth.id" }
n = { type = "int", optional = true, unique = true }
[models.tags.access]
read = "true"
create = "auth.id != null"
update = "owner == auth.id"
delete = "owner == auth.id"
[models.words]
id = "string"
[models.words.fields]
of = { type = "relation", to = "tags", optional = true }
[models.words.access]
read = "true"
create = "true"
"#;

/// Everything that can be said, so that all of it holds.
const HOLDS: &str = r#"
## tests/deep/tags.toml
[actors.ann]
email = "ann.lee@example.com"
password = "quite another password"
record = { name = "Ann" }
[actors.ben]
[actors.boss]
roles = ["admin"]

[[given]]
model = "shop.tags"
as = "red"
record = { name = "red & blue", owner = "{ann.id}", secret = "s3cr3t", n = 1, created_at = 2020-02-29T12:00:00Z }

[[tests]]
name = "what is given is there, and what is asked is answered"
[[tests.given]]
model = "shop.words"
as = "word"
record = { id = "a/b {{c}", of = "{red.id}" }
[[tests.steps]]
request = "GET /api/shop/tags/{red.id}"
expect.status = 200
expect.exactly = { id = 1, name = "red & blue", owner = "{ann.id}", n = 1, created_at = 2020-02-29T12:00:00Z, updated_at = "<datetime>" }
expect.headers = { content-type = "<contains application/json>", etag = "<any>" }
[[tests.steps]]
request = "GET /api/shop/words/{word.id}"
expect.body = { id = "a/b {{c}", of = 1 }
[[tests.steps]]
request = "GET /api/shop/tags?sort=-name"
query = { filter = "name == 'red & blue' && n < 5", fields = "id,name" }
expect.body = { data = [{ id = 1 }], next_cursor = "{null}" }
expect.count = 1
expect.contains = [{ name = "<contains & b>" }]
expect.lacks = [{ name = "blue" }, { id = 2 }]
expect.absent = ["data[*].secret", "data[1]", "nothing.here"]
[[tests.steps]]
as = "ann"
request = "GET /api/shop/tags/{red.id}"
expect.body = { secret = "s3cr3t", n = "<number>", owner = "<uuid>" }
[[tests.steps]]
as = "ben"
request = "POST /api/shop/tags"
body = { name = "green", secret = "{null}", n = 2 }
expect.status = 201
expect.body = { id = 2, owner = "{ben.id}", secret = "{null}" }
expect.writes = 1
keep = { green = "body", tag = "headers.etag" }
[[tests.steps]]
as = "ben"
request = "PATCH /api/shop/tags/{green.id}"
headers = { If-Match = "{tag}", Content-Type = "application/merge-patch+json" }
text = '{"name": "{green.name}ish"}'
expect.body.name = "greenish"
[[tests.steps]]
as = "ben"
request = "POST /api/shop/tags"
body = { name = "twice", n = 2 }
expect.code = "data.conflict"
[[tests.steps]]
as = "boss"
request = "DELETE /api/shop/tags/{green.id}"
expect.status = 204
expect.writes = 1
[[tests.steps]]
request = "POST /api/auth/login"
body = { email = "{ann.email}", password = "{ann.password}" }
expect.body = { access_token = "<string>", user = { name = "Ann", email = "ann.lee@example.com" } }
[[tests.steps]]
request = "GET /api/shop/tagz"
expect.code = "request.unknown_route"

[[tests]]
name = "the next test has none of that"
never = { shown = ["s3cr3t", "{ann.email}"], to = ["ben", "anonymous"], changed = ["red", "ann"] }
[[tests.steps]]
as = "ben"
request = "GET /api/shop/tags?count=exact"
expect.count = 1
[[tests.steps]]
as = "ben"
request = "POST /api/shop/tags"
body = { name = "again" }
expect.body.id = 2
[[tests.steps]]
request = "GET /api/shop/words"
expect.body.data = []
[[tests.steps]]
as = "ben"
request = "PATCH /api/shop/tags/{red.id}"
body = { name = "mine" }
expect.code = "access.forbidden"
[[tests.steps]]
as = "ann"
request = "GET /api/shop/tags/{red.id}"
expect.body.secret = "s3cr3t"
"#;

/// One test of one step, on the actors and the record of [`HOLDS`].
fn one(step: &str) -> String {
    let (before, _) = HOLDS.split_once("[[tests]]").expect("a test");
    format!("{APP}{before}[[tests]]\nname = \"it\"\n{step}\n")
}

/// The arguments for a store.
fn on_store(on: On) -> Vec<String> {
    match on {
        On::Sqlite => vec!["--store".into(), "sqlite".into()],
        On::Postgres => {
            let server = std::env::var("MAINSTAY_TEST_POSTGRES").expect("a server");
            vec!["--database".into(), server]
        }
    }
}

fn test(folder: &Path, on: On, more: &[&str]) -> Ended {
    let store = on_store(on);
    let mut arguments = vec!["test"];
    arguments.extend(store.iter().map(String::as_str));
    arguments.extend(more);
    run(folder, &arguments)
}

on_each!(the_examples_and_the_templates_pass_their_tests, |on| {
    let example = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../examples/marketplace");
    test(&example, on, &[]).expect(0, &["✓ catalog › ", "✓ orders › ", "tests passed"]);
    let folder = tempfile::tempdir().expect("a folder");
    for (template, count) in [
        ("blank", "✓ 3 tests passed"),
        ("marketplace", "✓ 15 tests passed"),
    ] {
        run(folder.path(), &["new", template, "--template", template]).expect(0, &[]);
        test(folder.path(), on, &["--app", template]).expect(0, &[count]);
    }
    // Nothing of it is in the app's folder.
    assert!(!folder.path().join("blank/.mainstay").exists());
});

on_each!(
    each_test_begins_anew_and_all_that_can_be_expected_holds,
    |on| {
        let folder = app(&format!("{APP}{HOLDS}"));
        // One after the other, so that the second would see what the first has left.
        let ended = test(folder.path(), on, &["--jobs", "1"]);
        ended.expect(
            0,
            &[
                "✓ deep/tags › the next test has none of that",
                "✓ 2 tests passed",
            ],
        );
    }
);

on_each!(what_is_otherwise_is_told_where_it_is_expected, |on| {
    for (step, said) in [
        (
            "[[tests.steps]]\nrequest = \"GET /api/shop/tags/{red.id}\"\nexpect.status = 404",
            &[
                "error[status]: expected the status 404, got 200",
                "tests/deep/tags.toml:1",
                "^^^",
            ][..],
        ),
        (
            "[[tests.steps]]\nas = \"ben\"\nrequest = \"PATCH /api/shop/tags/{red.id}\"\nbody = { name = \"mine\" }",
            &[
                "expected a success, got 403",
                "got access.forbidden",
                "step 1  ben  PATCH /api/shop/tags/1 {\"name\":\"mine\"}",
                "answer  403 {",
                "curl -i -X PATCH 'http://127.0.0.1:7070/api/shop/tags/1' -H \"Authorization: Bearer $TOKEN\"",
            ],
        ),
        (
            "[[tests.steps]]\nas = \"ann\"\nrequest = \"GET /api/shop/tags\"\nexpect.absent = [\"data[*].secret\"]\n\
             expect.body.data = [{ nam = \"x\", n = 7 }]\nexpect.count = 2\nexpect.headers.etag = \"<any>\"\n\
             expect.contains = [{ n = 9 }]\nexpect.lacks = [{ n = 1 }]\nexpect.writes = 3",
            &[
                "`data[0].secret` is there",
                "it is \"s3cr3t\"",
                "`data[0].nam` is not there",
                "there is `name`",
                "`data[0].n` is something else",
                "expected 2 records",
                "the answer has no header etag",
                "no record of the page is like this",
                "a record of the page is like this",
                "expected 3 records to be written",
            ],
        ),
        // Another success is compared as far as it goes, and another refusal.
        (
            "[[tests.steps]]\nas = \"ann\"\nrequest = \"GET /api/shop/tags\"\nexpect.status = 201\nexpect.count = 2\n\
             expect.body.data = [{ n = 7 }]\nexpect.lacks = [{ n = 1 }]",
            &[
                "expected the status 201, got 200",
                "expected 2 records",
                "`data[0].n` is something else",
                "a record of the page is like this",
            ],
        ),
        (
            "[[tests.steps]]\nrequest = \"GET /api/shop/tagz\"\nexpect.code = \"access.not_found\"\n\
             expect.body.title = \"x\"",
            &[
                "expected the code access.not_found",
                "`title` is something else",
            ],
        ),
        // In a refusal, only what must be nowhere.
        (
            "[[tests.steps]]\nrequest = \"GET /api/shop/tagz\"\nexpect.count = 2\nexpect.body.data = [{ n = 7 }]\n\
             expect.absent = [\"hint\"]",
            &["expected a success, got 404", "`hint` is there"],
        ),
        (
            "never = { shown = [\"s3cr3t\"], changed = [\"red\"] }\n\
             [[tests.steps]]\nas = \"ann\"\nrequest = \"PATCH /api/shop/tags/{red.id}\"\nbody = { name = \"new\" }",
            &["\"s3cr3t\" is shown to ann", "in the body of step 1"],
        ),
        (
            "never.changed = [\"red\"]\n\
             [[tests.steps]]\nas = \"ann\"\nrequest = \"PATCH /api/shop/tags/{red.id}\"\nbody = { name = \"new\" }",
            &[
                "`red` has changed",
                "name was \"red & blue\" and is \"new\"",
            ],
        ),
        (
            "never.changed = [\"red\"]\n[[tests.steps]]\nas = \"ann\"\nrequest = \"DELETE /api/shop/tags/{red.id}\"",
            &["`red` has changed", "it is gone"],
        ),
        (
            "[[tests.given]]\nmodel = \"shop.tags\"\nrecord = { name = \"x\", n = \"many\", owner = \"{ann.id}\" }\n\
             [[tests.steps]]\nrequest = \"GET /livez\"",
            &["error[given]: the given record is refused", "n "],
        ),
        (
            "[[tests.given]]\nmodel = \"shop.tags\"\nrecord = { name = \"x\", n = 1, owner = \"{ann.id}\" }\n\
             [[tests.steps]]\nrequest = \"GET /livez\"",
            &["a record with the same n is there already"],
        ),
        (
            "[[tests.steps]]\nrequest = \"GET /api/shop/tagz\"",
            &["got request.unknown_route", "did you mean tags?"],
        ),
        (
            "[[tests.steps]]\nrequest = \"GET /api/shop/tags/{red.name.nothing}\"",
            &["error[request]: `red` has no `name.nothing`"],
        ),
    ] {
        let folder = app(&one(step));
        let ended = test(folder.path(), on, &[]);
        ended
            .expect(1, said)
            .expect(1, &["✗ deep/tags › it", "1 of 1 test failed"]);
        if ended.said().contains("`hint` is there") {
            for noise in ["expected 2 records", "`data`"] {
                assert!(!ended.said().contains(noise), "{}", ended.said());
            }
        }
        // Nobody's token is shown.
        assert!(!ended.said().contains("Bearer ey"), "{}", ended.said());
    }
});

#[test]
fn mistakes_in_tests_are_told_by_test_and_by_check_and_nothing_runs() {
    let step = "[[tests.steps]]\nas = \"bem\"\nrequest = \"GTE /api/shop/tags/{rad.id}\"\nexpct.status = 200";
    let folder = app(&one(step));
    let said = [
        "tests/deep/tags.toml:",
        "there is no `bem` here",
        "did you mean `ben`?",
        "did you mean `GET`?",
        "`expct` is not a key of a step",
        "did you mean `expect`?",
    ];
    for command in ["test", "check"] {
        let ended = run(folder.path(), &[command]);
        ended.expect(3, &said).expect(3, &["mistakes"]);
        assert!(!ended.said().contains('✗'), "{}", ended.said());
    }
    let ended = run(folder.path(), &["check", "--format", "json"]);
    let all: Json = serde_json::from_str(&ended.stdout).expect("JSON");
    assert_eq!(all.as_array().map(Vec::len), Some(3), "{all}");
    let schema = run(folder.path(), &["schema", "tests"]);
    let schema: Json = serde_json::from_str(&schema.stdout).expect("JSON");
    assert!(schema["properties"]["tests"]["items"]["properties"]["never"].is_object());
}

#[test]
fn words_choose_tests_and_one_failure_can_be_enough() {
    let many: String = (0..20)
        .map(|n| {
            format!(
                "[[tests]]\nname = \"number {n}\"\n[[tests.steps]]\nrequest = \"GET /api/{n}\"\n"
            )
        })
        .collect();
    let folder = app(&format!("{APP}## tests/n.toml\n{many}"));
    let folder = folder.path();
    run(folder, &["test", "NUMBER 7"]).expect(1, &["✗ n › number 7", "1 of 1 test failed"]);
    run(folder, &["test", ".", "number 1"]).expect(1, &["11 of 11 tests failed"]);
    let ended = run(folder, &["test", "--fail-fast", "--jobs", "1"]);
    ended.expect(1, &["1 of 1 test failed", "the rest was not run"]);
    run(folder, &["test", "nothing"]).expect(1, &["no test has `nothing` in its name"]);
    run(folder, &["test", "--store", "postgres"]).expect(1, &["--database postgres://"]);
    run(folder, &["test", "--jobs", "0"]).expect(2, &["--jobs"]);
    let bare = app(APP);
    run(bare.path(), &["test"]).expect(1, &["there are no tests", "tests/NAME.toml"]);
}

#[test]
fn programs_read_what_became_of_each() {
    let folder = app(&one(
        "[[tests.steps]]\nrequest = \"GET /api/shop/tags\"\nexpect.count = 2",
    ));
    let ended = run(folder.path(), &["test", "--format", "json"]);
    ended.expect(1, &[]);
    let json: Json = serde_json::from_str(&ended.stdout).expect("JSON and nothing else");
    assert_eq!((&json["passed"], &json["failed"]), (&0.into(), &1.into()));
    let test = &json["tests"][0];
    assert_eq!(test["name"], "deep/tags › it");
    assert_eq!(test["store"], "sqlite");
    assert_eq!(test["diagnostics"][0]["code"], "count");
    assert_eq!(test["request"], "anonymous  GET /api/shop/tags");
    let ended = run(folder.path(), &["test", "--format", "junit"]);
    ended.expect(
        1,
        &[
            "<testsuites name=\"mainstay test\" tests=\"1\" failures=\"1\">",
            "<testcase classname=\"deep/tags (sqlite)\" name=\"it\" time=\"",
            "<failure message=\"expected 2 records\">",
        ],
    );
    let both = std::env::var("MAINSTAY_TEST_POSTGRES").expect("a server");
    let folder = app(&format!("{APP}{HOLDS}"));
    let arguments = [
        "test",
        "none of that",
        "--store",
        "both",
        "--database",
        &both,
        "--format",
        "json",
    ];
    let ended = run(folder.path(), &arguments);
    ended.expect(0, &[]);
    let json: Json = serde_json::from_str(&ended.stdout).expect("JSON");
    let stores: Vec<&Json> = (0..2).map(|at| &json["tests"][at]["store"]).collect();
    assert_eq!(stores, ["sqlite", "postgres"]);
}

/// Runs many tests until some have passed, and stops them as Ctrl-C does.
fn interrupted(folder: &Path, arguments: &[&str], temporary: &Path) -> (i32, String) {
    let mut child = Command::new(binary())
        .current_dir(folder)
        .arg("test")
        .args(arguments)
        .env("TMPDIR", temporary)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    let mut stdout = child.stdout.take().expect("standard output");
    let mut seen = [0; 64];
    // The first test has passed: others are under way.
    assert!(stdout.read(&mut seen).expect("something") > 0);
    signal(child.id(), "-INT");
    let output = child.wait_with_output().expect("an end");
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    (output.status.code().unwrap_or(-1), said)
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_interrupts_leaves_nothing_behind() {
    let steps = "[[tests.steps]]\nrequest = \"GET /api/shop/tags\"\n".repeat(20);
    let many: String = (0..300)
        .map(|n| format!("[[tests]]\nname = \"number {n}\"\n{steps}"))
        .collect();
    let folder = app(&format!("{APP}## tests/n.toml\n{many}"));
    let temporary = tempfile::tempdir().expect("a folder");
    let (code, said) = interrupted(folder.path(), &[], temporary.path());
    assert_eq!(code, 1, "{said}");
    assert!(
        said.contains("interrupted") && !said.contains("panicked"),
        "{said}"
    );
    let left: Vec<_> = std::fs::read_dir(temporary.path())
        .expect("a folder")
        .collect();
    assert!(left.is_empty(), "{left:?}");

    // A user of its own, by whom its databases are told from others'.
    let server = std::env::var("MAINSTAY_TEST_POSTGRES").expect("a server");
    let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls)
        .await
        .expect("the server");
    tokio::spawn(connection);
    let role = format!("tester_{}", spec::Uuid::now_v7().simple());
    let make = format!("create role {role} login createdb");
    client.batch_execute(&make).await.expect("a role");
    let (_, host) = server.rsplit_once('@').expect("a user");
    let url = format!("postgres://{role}@{host}");
    let owned = "select count(*) from pg_database d join pg_roles r on r.oid = d.datdba where r.rolname = $1";
    for whole in [false, true] {
        let arguments = match whole {
            false => vec!["--database", &url],
            true => vec!["number 29", "--database", &url],
        };
        if whole {
            run(folder.path(), &["test", arguments[0], "--database", &url])
                .expect(0, &["✓ 11 tests passed"]);
        } else {
            let (code, said) = interrupted(folder.path(), &arguments, temporary.path());
            assert_eq!(code, 1, "{said}");
        }
        let row = client.query_one(owned, &[&role]).await.expect("a count");
        assert_eq!(row.get::<_, i64>(0), 0, "databases are left");
    }
    // Who may not create databases is told what is needed.
    let forbid = format!("alter role {role} nocreatedb");
    client.batch_execute(&forbid).await.expect("a change");
    run(folder.path(), &["test", "--database", &url]).expect(1, &["createdb"]);
    client
        .batch_execute(&format!("drop role {role}"))
        .await
        .expect("no role");
}
