//! Writes under an `Idempotency-Key`: done once, however often they are sent, and answered as the first time to whom
//! may still see it.

use mainstay_tests::http::{Caller, Reply};
use mainstay_tests::served::{PASSWORD, Served};
use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
name = "again"
[limits]
batch = 50
body = 4096
[idempotency]
keep = "1h"
## modules/auth/module.toml
# So that an order can be given away.
[models.users.access]
read = "true"
## modules/shop/module.toml
[models.orders.fields]
text   = { type = "string", optional = true }
number = { type = "string", unique = true, optional = true }
n      = { type = "int", default = "0", check = "n < 100" }
public = { type = "bool", default = "false" }
secret = { type = "string", optional = true, read = "owner == auth.id", write = "owner == auth.id" }
long   = { type = "text", optional = true }
owner  = { type = "relation", to = "auth.users", default = "auth.id" }
[models.orders.access]
read   = "owner == auth.id || public"
create = "auth.id != null"
update = "old.owner == auth.id || old.public"
delete = "owner == auth.id"

# Its rules look at another record.
[models.lines.fields]
order = { type = "relation", to = "orders", on_delete = "cascade" }
text  = { type = "string" }
[models.lines.access]
read   = "order.owner == auth.id"
create = "order.owner == auth.id"
update = "order.owner == auth.id"
delete = "order.owner == auth.id"

[models.counted]
id = "int"
[models.counted.fields]
text = { type = "string" }
[models.counted.access]
read = "true"
create = "true"
delete = "true"

# Nobody reads what they write.
[models.letters.fields]
text = { type = "string" }
[models.letters.access]
create = "true"
"#;
const ORDERS: &str = "/api/shop/orders";
const LINES: &str = "/api/shop/lines";

async fn keyed(who: &Caller, key: &str, method: &str, path: &str, body: &Json) -> Reply {
    let headers = [
        ("Content-Type", "application/json"),
        ("Idempotency-Key", key),
    ];
    let body = match body {
        Json::Null => String::new(),
        body => body.to_string(),
    };
    who.send(method, path, &headers, body.as_bytes()).await
}

fn is_replayed(reply: &Reply) -> bool {
    match reply.header("idempotency-replayed") {
        None => false,
        Some(value) => {
            assert_eq!(value, "true");
            true
        }
    }
}

/// An answer but for what differs between the first one and a replay.
fn same(reply: &Reply) -> String {
    let stable = reply.stable();
    let lines = stable.lines();
    let own = |line: &&str| {
        !line
            .to_ascii_lowercase()
            .starts_with("idempotency-replayed")
    };
    lines.filter(own).collect::<Vec<_>>().join("\n")
}

/// How many writes the change log knows of.
async fn writes(server: &Served) -> usize {
    let offset = store::changes::Offset::start();
    let batch = server.backend.store.changes(&offset, 10_000).await;
    let changes = batch.expect("the log").changes;
    changes.iter().filter(|c| c.module == "shop").count()
}

each_server!(a_write_is_done_once, APP, async |server| {
    let me = server.register("me@example.com").await;
    let make = async |path: &str, body: Json| id(&me.post(path, body).await.expect(201));
    let order = make(ORDERS, json!({"text": "o", "number": "1"})).await;
    let line = make(LINES, json!({"order": order, "text": "l"})).await;
    let doomed = make(ORDERS, json!({"text": "doomed"})).await;
    make(LINES, json!({"order": doomed, "text": "with it"})).await;
    let at = |id: &str| format!("{ORDERS}/{id}");
    let fresh = format!("{ORDERS}/{}", spec::new_id());
    let operations = json!({"operations": [
        {"op": "create", "name": "a", "model": "shop.orders", "body": {"text": "of a batch"}},
        {"op": "create", "model": "shop.lines", "body": {"order": {"$ref": "a"}, "text": "of a batch"}},
        {"op": "update", "model": "shop.orders", "id": {"$ref": "a"}, "body": {"n": 7}},
        {"op": "update", "model": "shop.orders", "id": order, "body": {"n": 8}},
    ]});
    let table = [
        (
            "POST",
            ORDERS.to_owned(),
            json!({"text": "a", "secret": "s"}),
            201,
        ),
        (
            "POST",
            format!("{ORDERS}?fields=text,version"),
            json!({"text": "b"}),
            201,
        ),
        (
            "POST",
            format!("{ORDERS}?expand=owner,lines"),
            json!({"text": "c"}),
            201,
        ),
        (
            "POST",
            format!("{ORDERS}?expand=lines(sort:text)"),
            json!({"text": "d", "lines": [{"text": "1"}, {"text": "2"}]}),
            201,
        ),
        (
            "POST",
            ORDERS.to_owned(),
            json!([{"text": "e"}, {"text": "f"}]),
            201,
        ),
        (
            "POST",
            format!("{ORDERS}?fields=text"),
            json!([{"text": "e"}]),
            201,
        ),
        (
            "POST",
            format!("{ORDERS}?expand=lines"),
            json!([{"text": "g", "lines": [{"text": "3"}]}]),
            201,
        ),
        (
            "POST",
            LINES.to_owned(),
            json!({"order": order, "text": "h"}),
            201,
        ),
        (
            "POST",
            format!("{LINES}?fields=text"),
            json!([{"order": order, "text": "i"}]),
            201,
        ),
        (
            "POST",
            "/api/shop/counted".to_owned(),
            json!({"text": "j"}),
            201,
        ),
        (
            "POST",
            "/api/shop/counted".to_owned(),
            json!([{"text": "k"}, {"text": "l"}]),
            201,
        ),
        (
            "POST",
            "/api/shop/letters".to_owned(),
            json!({"text": "m"}),
            204,
        ),
        ("PATCH", at(&order), json!({"n": 1}), 200),
        // Nothing changes.
        ("PATCH", at(&order), json!({"n": 1}), 200),
        (
            "PATCH",
            format!("{LINES}/{line}?expand=order"),
            json!({"text": "n"}),
            200,
        ),
        ("PUT", at(&order), json!({"text": "p", "number": "1"}), 200),
        ("PUT", fresh, json!({"text": "q"}), 201),
        (
            "PUT",
            format!("{ORDERS}?key=number"),
            json!({"number": "1", "text": "r"}),
            200,
        ),
        (
            "PUT",
            format!("{ORDERS}?key=number"),
            json!({"number": "2", "text": "s"}),
            201,
        ),
        (
            "PATCH",
            format!("{ORDERS}?text=s"),
            json!({"text": "t"}),
            200,
        ),
        (
            "PATCH",
            format!("{ORDERS}?text=nothing"),
            json!({"text": "t"}),
            200,
        ),
        ("POST", "/api/batch".to_owned(), operations, 200),
        ("DELETE", format!("{ORDERS}?text=t"), Json::Null, 200),
        ("DELETE", at(&doomed), Json::Null, 204),
    ];
    for (n, (method, path, body, status)) in table.iter().enumerate() {
        let key = format!("\"key {n}\"");
        let about = format!("{method} {path} {body}");
        let first = keyed(&me, &key, method, path, body).await;
        assert_eq!(first.status, *status, "{about}: {}", first.bytes());
        assert!(!is_replayed(&first), "{about}");
        let written = writes(server).await;
        for _ in 0..2 {
            let again = keyed(&me, &key, method, path, body).await;
            assert!(is_replayed(&again), "{about}: {}", again.bytes());
            assert_eq!(same(&first), same(&again), "{about}");
        }
        assert_eq!(writes(server).await, written, "{about}");
    }
    // A key says nothing elsewhere, and another key is another write.
    let (method, path, body, _) = &table[0];
    let first = keyed(&me, "\"key 0\"", method, path, body).await.json();
    let other = keyed(&me, "\"key 00\"", method, path, body).await;
    assert!(!is_replayed(&other));
    assert_ne!(id(&other.expect(201)), id(&first));
    // With or without quotes it is the same.
    let bare = keyed(&me, "bare-1", method, path, body).await;
    let quoted = keyed(&me, "\"bare-1\"", method, path, body).await;
    assert!(is_replayed(&quoted));
    assert_eq!(same(&bare), same(&quoted));
});

each_server!(what_was_done_may_have_changed_since, APP, async |server| {
    let me = server.register("me@example.com").await;
    let body = json!({"text": "first", "n": 1});
    let first = keyed(&me, "k", "POST", ORDERS, &body).await;
    let path = format!("{ORDERS}/{}", id(&first.expect(201)));
    me.patch(&path, json!({"text": "second"})).await.expect(200);
    // As it was answered; the tag is of the version that it was, and fits no more.
    let again = keyed(&me, "k", "POST", ORDERS, &body).await;
    assert!(is_replayed(&again));
    assert_eq!(same(&first), same(&again));
    let tag = again.header("etag").expect("a tag").to_owned();
    let headers = [("Content-Type", "application/json"), ("If-Match", &*tag)];
    let lost = me.send("PATCH", &path, &headers, b"{\"n\":2}").await;
    assert_eq!(lost.word(), "412 data.precondition_failed");
    // Related records are looked up, so the whole is.
    let expanded = format!("{ORDERS}?expand=lines");
    let first = keyed(&me, "e", "POST", &expanded, &body).await.expect(201);
    me.post(LINES, json!({"order": id(&first), "text": "later"}))
        .await
        .expect(201);
    let again = keyed(&me, "e", "POST", &expanded, &body).await;
    assert!(is_replayed(&again));
    assert_eq!(again.expect(201)["lines"]["data"][0]["text"], "later");
    // What would not be allowed any more was allowed when it was done.
    let unique = json!({"number": "7"});
    let first = keyed(&me, "u", "POST", ORDERS, &unique).await;
    first.expect(201);
    assert_eq!(
        me.post(ORDERS, unique.clone()).await.word(),
        "409 data.conflict"
    );
    let again = keyed(&me, "u", "POST", ORDERS, &unique).await;
    assert_eq!(same(&first), same(&again));
    // The condition held then.
    let read = me.get(&path).await;
    let tag = read.header("etag").expect("a tag").to_owned();
    let headers = [
        ("Content-Type", "application/json"),
        ("If-Match", &*tag),
        ("Idempotency-Key", "c"),
    ];
    let first = me.send("PATCH", &path, &headers, b"{\"n\":3}").await;
    first.expect(200);
    let again = me.send("PATCH", &path, &headers, b"{\"n\":3}").await;
    assert_eq!(same(&first), same(&again));
});

each_server!(a_key_stands_for_one_request, APP, async |server| {
    let me = server.register("me@example.com").await;
    let other = server.register("other@example.com").await;
    let body = json!({"text": "a"});
    let mine = keyed(&me, "k", "POST", ORDERS, &body).await;
    let mine = id(&mine.expect(201));
    let path = format!("{ORDERS}/{mine}");
    let written = writes(server).await;
    for (path, body) in [
        (ORDERS.to_owned(), json!({"text": "b"})),
        (ORDERS.to_owned(), json!([{"text": "a"}])),
        (format!("{ORDERS}?fields=id"), body.clone()),
    ] {
        let reply = keyed(&me, "k", "POST", &path, &body).await;
        assert_eq!(
            reply.word(),
            "422 request.idempotency_key_reused",
            "{path} {body}"
        );
        // Nothing of the first one is told.
        assert!(!reply.bytes().contains(&mine), "{}", reply.bytes());
    }
    assert_eq!(writes(server).await, written);
    let patch = json!({"n": 1});
    keyed(&me, "k", "PATCH", &path, &patch).await.expect(200);
    let headers = [
        ("Content-Type", "application/json"),
        ("If-Match", "*"),
        ("Idempotency-Key", "k"),
    ];
    let reply = me.send("PATCH", &path, &headers, b"{\"n\":1}").await;
    assert_eq!(reply.word(), "422 request.idempotency_key_reused");
    // To somebody else it is a key like any other, whatever they send with it.
    for body in [body, json!({"text": "other"})] {
        let reply = keyed(
            &other,
            &format!("k{}", body["text"]).replace('"', ""),
            "POST",
            ORDERS,
            &body,
        )
        .await;
        assert!(!is_replayed(&reply));
        assert_ne!(id(&reply.expect(201)), mine);
    }
    let reply = keyed(&other, "k", "POST", ORDERS, &json!({"text": "theirs"})).await;
    assert!(!is_replayed(&reply));
    assert_eq!(reply.expect(201)["text"], "theirs");
    let reply = keyed(&other, "k", "PATCH", &path, &patch).await;
    assert_eq!(reply.word(), "404 access.not_found");
});

each_server!(
    keys_that_are_none_are_refused_and_nothing_is_done,
    APP,
    async |server| {
        let me = server.register("me@example.com").await;
        let body = json!({"text": "a"});
        let login = json!({"email": "me@example.com", "password": PASSWORD});
        let user = format!("/api/auth/users/{}", me.id);
        let long = "k".repeat(256);
        for (who, key, method, path, body) in [
            (&server.anonymous(), "k", "POST", "/api/shop/counted", &body),
            (&server.anonymous(), "k", "POST", "/api/auth/login", &login),
            (
                &server.anonymous(),
                "k",
                "POST",
                "/api/auth/register",
                &login,
            ),
            (&me, "k", "POST", "/api/auth/login", &login),
            (&me, "k", "POST", "/api/auth/logout", &Json::Null),
            (&me, "", "POST", ORDERS, &body),
            (&me, "\"", "POST", ORDERS, &body),
            (&me, "a, b", "POST", ORDERS, &body),
            (&me, &long, "POST", ORDERS, &body),
            (&me, "a b", "POST", "/api/batch", &json!({"operations": []})),
            (&me, "a b", "DELETE", &user, &Json::Null),
        ] {
            let reply = keyed(who, key, method, path, body).await;
            assert_eq!(
                reply.word(),
                "400 request.bad_idempotency_key",
                "{key} {method} {path}"
            );
            assert!(reply.text().contains("Idempotency-Key"), "{}", reply.text());
        }
        let twice = [
            ("Content-Type", "application/json"),
            ("Idempotency-Key", "a"),
            ("Idempotency-Key", "b"),
        ];
        let reply = me.send("POST", ORDERS, &twice, b"{}").await;
        assert_eq!(reply.word(), "400 request.bad_idempotency_key");
        assert_eq!(writes(server).await, 0);
        // Reading has no use for one, and does not mind.
        let reply = keyed(&me, "a, b", "GET", ORDERS, &Json::Null).await;
        assert!(!is_replayed(&reply));
        assert_eq!(reply.expect(200)["data"], json!([]));
    }
);

each_server!(only_what_was_done_is_kept, APP, async |server| {
    let me = server.register("me@example.com").await;
    let key = "k";
    for (body, word) in [
        (json!({"n": "x"}), "422 data.invalid"),
        (json!({"n": 100}), "422 data.invalid"),
        (json!({"nothing": 1}), "422 data.invalid"),
        (json!([{"n": 1}, {"n": 100}]), "422 data.invalid"),
        (json!({"owner": uid(7)}), "422 data.invalid"),
    ] {
        let reply = keyed(&me, key, "POST", ORDERS, &body).await;
        assert_eq!(reply.word(), word, "{body}");
    }
    let reply = keyed(&me, key, "POST", ORDERS, &json!({"n": 99})).await;
    assert!(!is_replayed(&reply));
    let order = id(&reply.expect(201));
    assert_eq!(writes(server).await, 1);
    // A conflict, a denial, a lost race, a batch that fails half-way.
    let other = server.register("other@example.com").await;
    other.post(ORDERS, json!({"number": "1"})).await.expect(201);
    let path = format!("{ORDERS}/{order}");
    for (who, method, path, body, word) in [
        (
            &me,
            "PATCH",
            &path,
            json!({"number": "1"}),
            "409 data.conflict",
        ),
        (&other, "DELETE", &path, Json::Null, "404 access.not_found"),
        (
            &me,
            "POST",
            &LINES.to_owned(),
            json!({"order": uid(7), "text": "x"}),
            "403 access.forbidden",
        ),
        (
            &me,
            "POST",
            &"/api/batch".to_owned(),
            json!({"operations": [
                {"op": "create", "model": "shop.orders", "body": {}},
                {"op": "delete", "model": "shop.orders", "id": uid(7)},
            ]}),
            "404 access.not_found",
        ),
    ] {
        for _ in 0..2 {
            let reply = keyed(who, "l", method, path, &body).await;
            assert_eq!(reply.word(), word, "{method} {path} {body}");
            assert!(!is_replayed(&reply));
        }
    }
    assert_eq!(writes(server).await, 2);
    me.patch(&path, json!({"public": true})).await.expect(200);
    let reply = keyed(&other, "l", "DELETE", &path, &Json::Null).await;
    assert_eq!(reply.word(), "403 access.forbidden");
    me.patch(&path, json!({"owner": other.id}))
        .await
        .expect(200);
    keyed(&other, "l", "DELETE", &path, &Json::Null)
        .await
        .expect(204);
});

each_server!(
    a_replay_says_nothing_to_whom_may_not_see_it_any_more,
    APP,
    async |server| {
        let me = server.register("me@example.com").await;
        let other = server.register("other@example.com").await;
        let secret = "zq-hidden-4711-zq";
        let order = json!({"text": secret, "secret": secret, "public": true});
        let many = json!([{"text": secret}, {"text": "stays"}]);
        let batch = json!({"operations": [
            {"op": "create", "model": "shop.orders", "body": {"text": secret}},
            {"op": "create", "model": "shop.orders", "body": {"text": "stays"}},
        ]});
        let one = keyed(&me, "one", "POST", ORDERS, &order).await.expect(201);
        let with = format!("{ORDERS}?expand=lines");
        let nested = json!({"text": secret, "lines": [{"text": secret}]});
        let expanded = keyed(&me, "with", "POST", &with, &nested).await.expect(201);
        let path = |record: &Json| format!("{ORDERS}/{}", id(record));
        let patched = keyed(&me, "patch", "PATCH", &path(&one), &json!({"n": 1})).await;
        assert!(patched.text().contains(secret));
        let all = keyed(&me, "many", "POST", ORDERS, &many).await.expect(201);
        let results = keyed(&me, "batch", "POST", "/api/batch", &batch)
            .await
            .expect(200);
        // Given away. The record is still to be read, and the field is not.
        me.patch(&path(&one), json!({"owner": other.id}))
            .await
            .expect(200);
        for (key, method, at, body) in [
            ("one", "POST", ORDERS.to_owned(), order.clone()),
            ("patch", "PATCH", path(&one), json!({"n": 1})),
        ] {
            let reply = keyed(&me, key, method, &at, &body).await;
            assert!(is_replayed(&reply), "{}", reply.bytes());
            let record = reply.json();
            assert_eq!(record["text"], secret);
            assert_eq!(record.get("secret"), None, "{}", reply.text());
        }
        other
            .patch(&path(&one), json!({"public": false}))
            .await
            .expect(200);
        me.patch(&path(&all["data"][0]), json!({"owner": other.id}))
            .await
            .expect(204);
        me.patch(
            &path(&results["results"][0]["body"]),
            json!({"owner": other.id}),
        )
        .await
        .expect(204);
        me.patch(&path(&expanded), json!({"owner": other.id}))
            .await
            .expect(204);
        let missing = me.get(&format!("{ORDERS}/{}", spec::new_id())).await;
        for (key, method, at, body) in [
            ("one", "POST", ORDERS.to_owned(), order),
            ("with", "POST", with, nested),
            ("patch", "PATCH", path(&one), json!({"n": 1})),
        ] {
            let reply = keyed(&me, key, method, &at, &body).await;
            assert_eq!(reply.word(), "404 access.not_found", "{key}");
            assert_eq!(reply.stable(), missing.stable(), "{key}");
        }
        let reply = keyed(&me, "many", "POST", ORDERS, &many).await;
        assert!(is_replayed(&reply) && !reply.bytes().contains(secret));
        assert_eq!(reply.expect(201)["data"][0], Json::Null);
        assert_eq!(reply.json()["data"][1]["text"], "stays");
        let reply = keyed(&me, "batch", "POST", "/api/batch", &batch).await;
        assert!(is_replayed(&reply) && !reply.bytes().contains(secret));
        assert_eq!(reply.expect(200)["results"][0]["status"], 204);
        assert_eq!(reply.json()["results"][1]["body"]["text"], "stays");
        // What is gone is as what never was, for whoever made it.
        let gone = keyed(&me, "gone", "POST", ORDERS, &json!({"text": "x"}))
            .await
            .expect(201);
        me.delete(&path(&gone)).await.expect(204);
        let reply = keyed(&me, "gone", "POST", ORDERS, &json!({"text": "x"})).await;
        assert_eq!(reply.word(), "404 access.not_found");
        // And who is not signed in any more is told that, first.
        let body = json!({"text": secret});
        keyed(&me, "out", "POST", ORDERS, &body).await.expect(201);
        me.post("/api/auth/logout", Json::Null).await;
        let reply = keyed(&me, "out", "POST", ORDERS, &body).await;
        assert_eq!(reply.word(), "401 auth.bad_token");
    }
);

each_server!(twins_are_one, APP, async |server| {
    let me = server.register("me@example.com").await;
    for round in 0..10 {
        let body = json!({"text": format!("round {round}"), "number": format!("{round}")});
        let key = format!("round-{round}");
        let mut sent = Vec::new();
        for _ in 0..8 {
            let (me, key, body) = (me.clone(), key.clone(), body.clone());
            sent.push(tokio::spawn(async move {
                keyed(&me, &key, "POST", ORDERS, &body).await
            }));
        }
        let mut answers = Vec::new();
        for sent in sent {
            let reply = sent.await.expect("an answer");
            if reply.status == 201 {
                answers.push(reply);
                continue;
            }
            assert_eq!(reply.word(), "409 request.idempotency_key_in_use");
            assert_eq!(reply.header("retry-after"), Some("1"));
        }
        let again = keyed(&me, &key, "POST", ORDERS, &body).await;
        assert!(is_replayed(&again));
        let firsts = answers.iter().filter(|reply| !is_replayed(reply)).count();
        assert_eq!(firsts, 1, "round {round}");
        for answer in &answers {
            assert_eq!(same(answer), same(&again), "round {round}");
        }
    }
    assert_eq!(writes(server).await, 10);
});

each_server!(large_answers_are_read_again, APP, async |server| {
    let me = server.register("me@example.com").await;
    // More than the 4,096 bytes of `limits.body`, which no answer is kept beyond.
    let long = "x".repeat(3000);
    let one = me.post(ORDERS, json!({"long": long})).await.expect(201);
    let two = me.post(ORDERS, json!({"long": long})).await.expect(201);
    let update = |record: &Json, n: u32| json!({"op": "update", "model": "shop.orders", "id": id(record), "body": {"n": n}});
    let body = json!({"operations": [update(&one, 1), update(&two, 2)]});
    let first = keyed(&me, "k", "POST", "/api/batch", &body)
        .await
        .expect(200);
    let again = keyed(&me, "k", "POST", "/api/batch", &body).await;
    assert!(is_replayed(&again));
    let again = again.expect(200);
    for at in [0, 1] {
        assert_eq!(first["results"][at]["body"], again["results"][at]["body"]);
        assert_eq!(again["results"][at]["body"]["n"], at + 1);
    }
    let written = writes(server).await;
    keyed(&me, "k", "POST", "/api/batch", &body)
        .await
        .expect(200);
    assert_eq!(writes(server).await, written);
});

each_server!(
    a_password_under_a_key_is_kept_nowhere,
    APP,
    async |server| {
        let admin = server.admin().await;
        let body = json!({"email": "new@example.com", "password": "zq-password-4711"});
        let first = keyed(&admin, "zq-key-4711", "POST", "/api/auth/users", &body).await;
        first.expect(201);
        let again = keyed(&admin, "zq-key-4711", "POST", "/api/auth/users", &body).await;
        assert!(is_replayed(&again));
        assert_eq!(same(&first), same(&again));
        server
            .login("new@example.com", "zq-password-4711")
            .await
            .expect(200);
        let dialect = server.backend.store.dialect();
        let mut rows = plan::read::ping();
        let table = spec::schema::TableName::own("idempotency_keys").sql(dialect);
        rows.text =
            format!("SELECT \"key\" || ' ' || \"request\" || ' ' || \"answer\" FROM {table}");
        rows.shape = std::sync::Arc::new(spec::statement::Shape {
            columns: vec![spec::statement::Output::Captured {
                ty: spec::ColumnType::Text,
            }],
            capture: spec::statement::Capture::Every,
        });
        let bounds = store::Bounds {
            emit: 100,
            deadline: std::time::Instant::now() + std::time::Duration::from_secs(5),
        };
        let rows = server
            .backend
            .store
            .read(&rows, bounds)
            .await
            .expect("rows");
        let text = format!("{:?}", rows.captured);
        assert!(text.contains("new@example.com"), "{text}");
        assert!(
            !text.contains("zq-password") && !text.contains("zq-key") && !text.contains("argon2")
        );
    }
);
