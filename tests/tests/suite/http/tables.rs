//! Tables and their contents from the command line: migrations and imports.

use super::cli::{APP, GIVEN, MIGRATE, app, import};
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{SECRET, run, run_with};
use mainstay_tests::*;

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
    with(&["migrate", "apply", "--allow-slow"]).expect(4, &["add unique index", same]);
    let dev = ["dev", "--listen", "127.0.0.1:0", "--apply"];
    run_with(&folder, &dev, &environment, "").expect(4, &[same]);
    let serve = ["serve", "--listen", "127.0.0.1:0"];
    run_with(&folder, &serve, &environment, "").expect(4, &[same]);

    // What a plan is, for people and for programs.
    let measure = "measure = { type = \"int\", optional = true, renamed_from = \"size\" }";
    let renamed = optional.replace("size = { type = \"int\", optional = true }", measure);
    write_app(&folder, &renamed);
    let plan = with(&["migrate", "plan", "--format", "json"]);
    plan.expect(0, &[]);
    let plan: serde_json::Value =
        serde_json::from_str(&plan.stdout).expect("JSON and nothing else");
    assert_eq!(plan["steps"][0]["label"], "safe", "{plan}");
    assert_eq!(
        plan["steps"][0]["summary"],
        "rename column shop.tags.size to measure"
    );
    let sql = with(&["migrate", "plan", "--format", "sql"]);
    sql.expect(
        0,
        &[
            "-- safe: rename column",
            "ALTER TABLE",
            "RENAME COLUMN \"size\" TO \"measure\";",
        ],
    );
    with(MIGRATE).expect(0, &["rename column", "applied 1 step"]);

    // What no model has any more stays until somebody says so.
    write_app(&folder, APP);
    with(&["migrate", "plan"]).expect(0, &["note", "shop.tags.measure", "--drop"]);
    with(&["migrate", "plan", "--check"]).expect(0, &[]);
    with(&["migrate", "plan", "--drop"]).expect(0, &["destructive drop column shop.tags.measure"]);
    with(MIGRATE).expect(0, &["shop.tags.measure"]);
    with(&["migrate", "apply", "--drop"])
        .expect(0, &["drop column shop.tags.measure", "applied 1 step"]);
    with(&["migrate", "plan", "--drop"]).expect(0, &["as the app needs it"]);

    let history = with(&["migrate", "history", "--sql"]);
    history.expect(
        0,
        &[
            "create table shop.tags",
            "rename column",
            "DROP COLUMN \"measure\"",
            " ms",
        ],
    );
    let history = with(&["migrate", "history", "--format", "json"]);
    let history: serde_json::Value =
        serde_json::from_str(&history.stdout).expect("JSON and nothing else");
    assert_eq!(history[0]["ended"], "done", "{history}");
    assert!(
        history[0]["took_ms"].is_f64() && history[0]["steps"][0]["sql"].is_array(),
        "{history}"
    );
    runtime.block_on(place.remove());
}

on_each!(tables_are_brought_up_to_date, migrations);

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
            _ => "lines.jsonl:1: id must be a UUID with hyphens, like 0198",
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

on_each!(an_import_takes_lines_in_any_order, imports_in_any_order);

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
