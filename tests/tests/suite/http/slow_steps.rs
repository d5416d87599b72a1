//! Steps that hold up writes are taken when somebody says so, and until then none of a plan's are.

use super::cli::MIGRATE;
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{SECRET, run_with};
use mainstay_tests::*;

const BEFORE: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.tags.fields]
name = { type = "string", max = 40 }
[models.tags.access]
read = "true"
"#;

/// A safe step, and a unique index, which is slow on a table with records.
const AFTER: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.tags.fields]
name = { type = "string", max = 40 }
size = { type = "int", optional = true }
[models.tags.access]
read = "true"
[[models.tags.indexes]]
fields = ["name"]
unique = true
"#;

fn slow_steps(on: On) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let place = runtime.block_on(Place::new(on));
    let folder = place.path().join("app");
    write_app(&folder, BEFORE);
    let environment = [
        ("DATABASE_URL", place.url.as_str()),
        ("MAINSTAY_SECRET", SECRET),
    ];
    let with = |arguments: &[&str], code: i32, said: &[&str]| {
        run_with(&folder, arguments, &environment, "").expect(code, said);
    };
    with(MIGRATE, 0, &["applied"]);
    std::fs::write(folder.join("tags.jsonl"), "{\"name\":\"a\"}\n").expect("a file");
    with(
        &["import", "shop.tags", "tags.jsonl"],
        0,
        &["1 record imported"],
    );
    write_app(&folder, AFTER);
    let both = [
        "safe",
        "add column shop.tags.size",
        "slow",
        "add unique index",
    ];
    let check = ["migrate", "plan", "--check"];
    let serve = ["serve", "--migrate", "--listen", "127.0.0.1:0"];
    with(&["migrate", "plan"], 0, &both);
    with(&check, 4, &["add unique index", "2 steps to apply"]);
    // All or nothing: the column waits for the index.
    with(MIGRATE, 4, &["nothing was done", "--allow-slow"]);
    with(
        &serve,
        4,
        &["add unique index", "mainstay migrate apply --allow-slow"],
    );
    with(&check, 4, &both);
    with(
        &["migrate", "apply", "--allow-slow"],
        0,
        &["applied 2 steps"],
    );
    with(&check, 0, &["as the app needs it"]);

    // What no step mends is named by `plan` itself, and nothing is done beside it.
    let renamed = AFTER
        .replace("name =", "title =")
        .replace("\"name\"", "\"title\"");
    let renamed = renamed.replacen("title = \"shop\"", "name = \"shop\"", 1);
    write_app(
        &folder,
        &renamed.replace("fields = [\"title\"]", "fields = [\"size\"]"),
    );
    let said = [
        "in the way",
        "shop.tags.name",
        "shop.tags.title",
        "backfill",
    ];
    with(&["migrate", "plan"], 4, &said);
    with(
        &["migrate", "apply", "--allow-slow"],
        4,
        &["nothing was done"],
    );
    with(&serve, 4, &["shop.tags.title"]);
    runtime.block_on(place.remove());
}

on_each!(nothing_is_done_until_the_slow_ones_are_allowed, slow_steps);
