//! What messages say: plain words, and what to do next.

use super::cli::{MIGRATE, app, create_admin};
use mainstay_tests::http::{Caller, encoded};
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{Process, run, run_with};
use mainstay_tests::*;
use serde_json::{Value as Json, json};

const WORDS: &str = r#"
name = "shop"
## modules/shop/module.toml
[models.tags.fields]
name = { type = "string" }
tags = { type = "list", items = "string", optional = true }
sizes = { type = "list", items = "int", optional = true }
attrs = { type = "json", optional = true }
of = { type = "relation", to = "tags", optional = true, inverse = "parts" }
[models.tags.access]
read = "true"
create = "true"
update = "true"
delete = "true"

[models.words]
id = "string"
[models.words.fields]
name = { type = "string" }
[models.words.access]
read = "true"
create = "true"
update = "true"

[models.numbers]
id = "int"
[models.numbers.fields]
word = { type = "relation", to = "words", optional = true }
[models.numbers.access]
read = "true"
create = "true"
"#;

const TAGS: &str = "/api/shop/tags";

fn with(on: On, behaviour: impl AsyncFnOnce(&Place, &Process)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async {
        let place = Place::new(on).await;
        write_app(place.path(), WORDS);
        let database = [("DATABASE_URL", place.url.as_str())];
        run_with(place.path(), MIGRATE, &database, "").expect(0, &[]);
        let server = Process::start(place.path(), &["serve", "--database", &place.url]).await;
        behaviour(&place, &server).await;
        drop(server);
        place.remove().await;
    });
}

fn lists_are_filtered_as_the_message_says(on: On) {
    with(on, async |_, server| {
        let caller = server.anonymous();
        let tag = json!({"name": "a", "tags": ["steel"], "sizes": [7]});
        caller.post(TAGS, tag).await.expect(201);
        // What the message says finds it when it is sent.
        for (query, filter) in [("tags=steel", "'steel' in tags"), ("sizes=7", "7 in sizes")] {
            let refused = caller.get(&format!("{TAGS}?{query}")).await.expect(400);
            let detail = refused["detail"].as_str().expect("a detail");
            assert!(
                detail.contains(&format!("is a list: use filter, as in filter={filter}.")),
                "{detail}"
            );
            let found = caller
                .get(&format!("{TAGS}?filter={}", encoded(filter)))
                .await;
            assert_eq!(found.expect(200)["data"].as_array().map(Vec::len), Some(1));
        }
        for (query, words) in [
            ("tags=it's", "filter='x' in tags."),
            ("sizes=big", "filter=7 in sizes."),
            (
                "attrs=x",
                "attrs is JSON: use filter, as in filter=attrs.member == 'x'.",
            ),
            ("sort=tags", "tags is a list; it has no order."),
        ] {
            let refused = caller.get(&format!("{TAGS}?{query}")).await.expect(400);
            assert!(
                refused["detail"].to_string().contains(words),
                "{query}: {refused}"
            );
        }
        let refused = caller
            .get(&format!("{TAGS}/aggregate?group_by=tags&count=*"))
            .await;
        let detail = refused.expect(400)["detail"].to_string();
        assert!(
            detail.contains("tags is a list; it cannot be grouped by"),
            "{detail}"
        );
        assert!(detail.contains("filter=item in tags&count=*"), "{detail}");
    });
}

fn ids_are_described(on: On) {
    with(on, async |_, server| {
        let caller = server.anonymous();
        let (uuid, whole, text) = (
            "a UUID with hyphens, like 0198",
            "a whole number",
            "text of 1 to 128 characters",
        );
        let said = async |caller: &Caller, path: &str, body: Json| {
            caller.post(path, body).await.expect(422)["errors"][0]["detail"].to_string()
        };
        for id in [json!(""), json!(".."), json!("aggregate"), json!(5)] {
            let detail = said(&caller, "/api/shop/words", json!({"id": id, "name": "x"})).await;
            assert!(detail.contains(text), "{id}: {detail}");
        }
        for (path, body, words) in [
            (TAGS, json!({"name": "x", "of": "x"}), uuid),
            ("/api/shop/numbers", json!({"word": ""}), text),
        ] {
            let detail = said(&caller, path, body).await;
            assert!(detail.contains(words), "{path}: {detail}");
        }
        for (path, words) in [
            (format!("{TAGS}?id=x"), uuid),
            (format!("{TAGS}?of=x"), uuid),
            (format!("{TAGS}/x"), uuid),
            ("/api/shop/numbers/x".to_owned(), whole),
        ] {
            let refused = caller.get(&path).await.expect(400);
            assert!(
                refused["detail"].to_string().contains(words),
                "{path}: {refused}"
            );
        }
    });
}

fn malformed_json_is_told_in_plain_words(on: On) {
    with(on, async |place, server| {
        let caller = server.anonymous();
        let headers = [("Content-Type", "application/json")];
        for path in [TAGS, "/api/batch", "/api/auth/login"] {
            for (body, words) in [
                (
                    "{'name':'x'}",
                    "Column 2: a name in double quotes was expected.",
                ),
                (
                    "{\n \"name\": nope}",
                    "Line 2, column 11: a value was expected: text in double quotes,",
                ),
                (
                    "{\"name\":\"x\",}",
                    "a comma stands before the closing bracket; leave it out.",
                ),
                ("", "there is nothing where JSON was expected."),
            ] {
                let refused = caller
                    .send("POST", path, &headers, body.as_bytes())
                    .await
                    .expect(400);
                assert_eq!(refused["code"], "request.malformed_json");
                let detail = refused["detail"].as_str().expect("a detail");
                assert!(detail.contains(words), "{path} {body}: {detail}");
                assert!(
                    !detail.contains("ident") && !detail.contains("EOF"),
                    "{detail}"
                );
            }
        }
        let folder = place.path();
        let database = [("DATABASE_URL", place.url.as_str())];
        std::fs::write(
            folder.join("lines.jsonl"),
            "{\"name\":\"x\"}\n{name:\"x\"}\n",
        )
        .expect("a file");
        for (model, words) in [
            (
                "shop.tags",
                "lines.jsonl:2: Column 2: a name in double quotes was expected.",
            ),
            (
                "auth.users",
                "lines.jsonl:2: Column 2: a name in double quotes was expected.",
            ),
        ] {
            run_with(folder, &["import", model, "lines.jsonl"], &database, "").expect(1, &[words]);
        }
    });
}

fn titles_and_hints_fit_every_case(on: On) {
    with(on, async |place, server| {
        let caller = server.anonymous();
        let tag = caller.post(TAGS, json!({"name": "a"})).await.expect(201);
        let id = tag["id"].as_str().expect("an id");
        let at = format!("{TAGS}/{id}");
        let headers = [("Content-Type", "application/json"), ("If-None-Match", "*")];
        let refused = caller
            .send("PUT", &at, &headers, b"{\"name\":\"b\"}")
            .await
            .expect(412);
        assert!(
            !refused["title"]
                .to_string()
                .contains("changed since you read it"),
            "{refused}"
        );
        assert!(
            refused["hint"]
                .to_string()
                .contains("If-None-Match: * only creates"),
            "{refused}"
        );
        // The last administrator is needed, though no record refers to them.
        let folder = place.path();
        let database = [("DATABASE_URL", place.url.as_str())];
        let create = ["admin", "create", "a@example.com", "--password-stdin"];
        run_with(folder, &create, &database, "a long password\n").expect(0, &[]);
        let login = json!({"email": "a@example.com", "password": "a long password"});
        let session = caller.post("/api/auth/login", login).await.expect(200);
        let admin = Caller {
            token: session["access_token"].as_str().map(str::to_owned),
            ..caller.clone()
        };
        let own = format!(
            "/api/auth/users/{}",
            session["user"]["id"].as_str().expect("an id")
        );
        let refused = admin.delete(&own).await.expect(409);
        assert!(
            refused["detail"].to_string().contains("last administrator"),
            "{refused}"
        );
        assert!(
            !refused["title"].to_string().contains("records refer"),
            "{refused}"
        );
        assert!(
            refused["hint"].to_string().contains("The detail says what"),
            "{refused}"
        );
    });
}

on_each!(
    a_list_is_filtered_as_the_message_says,
    lists_are_filtered_as_the_message_says
);
on_each!(an_id_is_described, ids_are_described);
on_each!(
    malformed_json_is_told_plainly,
    malformed_json_is_told_in_plain_words
);
on_each!(titles_and_hints_fit, titles_and_hints_fit_every_case);

#[test]
fn commands_say_what_there_is() {
    let folder = app(WORDS);
    let folder = folder.path();
    run(folder, &["--help"]).expect(0, &["errors", "error codes"]);
    run(folder, &["errors"]).expect(0, &["request.malformed_json", "data.invalid"]);
    run(folder, &["eval", "true", "--record", "{'a':1}"]).expect(
        1,
        &["--record: Column 2: a name in double quotes was expected."],
    );
    for (name, near) in [
        ("shop.tag", "did you mean shop.tags"),
        ("numbres", "did you mean shop.numbers"),
    ] {
        run(folder, &["eval", "true", "--model", name]).expect(1, &[near]);
    }
    let far = run(folder, &["eval", "true", "--model", "shop.nope"]);
    far.expect(1, &["there are auth.users, shop.tags"]);
    assert!(!far.said().contains("did you mean"), "{}", far.said());
    // Nothing is made of a restore that does not begin.
    run(folder, &["backup", "verify", "nofile"]).expect(1, &["nofile: there is no such file"]);
    let restore = [
        "backup",
        "restore",
        "nofile",
        "--database",
        "sqlite:sub/then.db",
    ];
    run(folder, &restore).expect(1, &["nofile: there is no such file"]);
    std::fs::write(folder.join("file"), "x").expect("a file");
    run(folder, &["backup", "verify", "file"])
        .expect(1, &["file: it has no manifest beside it (file.json)"]);
    for left in ["then.db.lock", "sub", "sub/then.db.lock"] {
        assert!(!folder.join(left).exists(), "{left} is left");
    }
    run(folder, MIGRATE).expect(0, &[]);
    for (command, words) in [
        (
            &["openapi", "--as", "x@example.com"][..],
            "--as takes anonymous, user (signed in, no roles), admin, or a user's email",
        ),
        (
            &["explain", "read", "shop.tags", "--as", "x@example.com"],
            "--as takes anonymous or a user's email",
        ),
    ] {
        run(folder, command).expect(1, &["no user with the address x@example.com", words]);
    }
    // The database that was made is the one to go on with.
    create_admin(folder);
    run(folder, &["backup", "create"]).expect(0, &[]);
    run(
        folder,
        &["backup", "restore", "--database", "sqlite:then.db"],
    )
    .expect(0, &["next: mainstay serve --database sqlite:then.db"]);
    run(
        folder,
        &[
            "copy",
            "--from",
            "sqlite:then.db",
            "--to",
            "sqlite:copied.db",
        ],
    )
    .expect(0, &["mainstay serve --database sqlite:copied.db"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_browser_at_the_root_of_dev_is_led_to_the_reference() {
    let folder = app(WORDS);
    let folder = folder.path();
    let mut server = Process::start(folder, &["dev"]).await;
    let caller = server.anonymous();
    let browser = [("Accept", "text/html,application/xhtml+xml,*/*;q=0.8")];
    let led = caller.send("GET", "/", &browser, b"").await;
    assert_eq!(
        (led.status, led.header("location")),
        (302, Some("/api/docs"))
    );
    assert_eq!(led.header("cache-control"), Some("no-store"));
    assert_eq!(caller.send("HEAD", "/", &browser, b"").await.status, 302);
    assert_eq!(
        caller.send("GET", "/api/docs", &browser, b"").await.status,
        200
    );
    // Everybody else, every other method and address: as before.
    assert_eq!(caller.get("/").await.word(), "404 request.unknown_route");
    let json = [("Accept", "application/json")];
    assert_eq!(
        caller.send("GET", "/", &json, b"").await.word(),
        "404 request.unknown_route"
    );
    assert_eq!(caller.send("POST", "/", &browser, b"").await.status, 404);
    assert_eq!(caller.send("GET", "/x", &browser, b"").await.status, 404);
    server.kill().await;
    // Nor in production, and where there is no such page.
    let mut server = Process::start(folder, &["serve"]).await;
    assert_eq!(
        server
            .anonymous()
            .send("GET", "/", &browser, b"")
            .await
            .status,
        404
    );
    server.kill().await;
    let off = WORDS.replace(
        "name = \"shop\"\n##",
        "name = \"shop\"\n[server]\ndocs = false\n##",
    );
    write_app(folder, &off);
    let server = Process::start(folder, &["dev"]).await;
    assert_eq!(
        server
            .anonymous()
            .send("GET", "/", &browser, b"")
            .await
            .status,
        404
    );
}
