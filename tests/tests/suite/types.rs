//! Every type's round trip: what is created is what is answered, listed, patched and logged, in the same bytes on
//! both stores.

use mainstay_tests::*;
use plan::operation::PlainOp;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/t/module.toml
[models.everything]
id = "string"
[models.everything.fields]
s    = { type = "string", max = 20, optional = true }
t    = { type = "text", optional = true }
e    = { type = "email", optional = true }
u    = { type = "url", optional = true }
k    = { type = "enum", values = ["a", "b c"], optional = true }
i    = { type = "int", optional = true }
f    = { type = "float", optional = true }
d0   = { type = "decimal", scale = 0, optional = true }
d2   = { type = "decimal", scale = 2, optional = true }
d18  = { type = "decimal", scale = 18, optional = true }
b    = { type = "bool", optional = true }
at   = { type = "datetime", optional = true }
day  = { type = "date", optional = true }
g    = { type = "uuid", optional = true }
r    = { type = "relation", to = "everything", optional = true }
o    = { type = "relation", to = "auth.users", optional = true }
j    = { type = "json", optional = true }
ls   = { type = "list", items = "string", optional = true }
li   = { type = "list", items = "int", optional = true }
lf   = { type = "list", items = "float", optional = true }
lb   = { type = "list", items = "bool", optional = true }
[models.everything.access]
read = "true"
create = "true"
update = "true"
delete = "true"
[models.numbered]
id = "int"
open = true
[models.numbered.fields]
s = { type = "string", optional = true }
[models.numbered.access]
read = "true"
create = "true"
update = "true"
delete = "true"
"#;

/// A field, what is sent for it, and what is answered: as JSON text, for the bytes count.
const VALUES: &[(&str, &str, &str)] = &[
    ("s", r#""""#, r#""""#),
    ("s", r#""a'b\"c\\d%_""#, r#""a'b\"c\\d%_""#),
    (
        "s",
        r#""\u00e9 e\u0301 \uffff \ud83d\ude00""#,
        "\"é e\u{301} \u{ffff} \u{1f600}\"",
    ),
    ("s", "\"12345678901234567890\"", "\"12345678901234567890\""),
    (
        "s",
        "\"😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀\"",
        "\"😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀😀\"",
    ),
    (
        "t",
        "\"line\\nbreak\\ttab\\u0001\\u007f\"",
        "\"line\\nbreak\\ttab\\u0001\u{7f}\"",
    ),
    ("t", "\"\u{10ffff}\u{2028}\"", "\"\u{10ffff}\u{2028}\""),
    ("e", "\"ME@Example.COM\"", "\"me@example.com\""),
    ("u", "\"https://a.b/c?d=e#f\"", "\"https://a.b/c?d=e#f\""),
    (
        "u",
        "\"http://[::1]:80/?a[b]=c\"",
        "\"http://[::1]:80/?a[b]=c\"",
    ),
    ("k", "\"b c\"", "\"b c\""),
    ("i", "0", "0"),
    ("i", "-0", "0"),
    ("i", "9007199254740991", "9007199254740991"),
    ("i", "-9007199254740991", "-9007199254740991"),
    ("i", "7.0", "7"),
    ("i", "7e2", "700"),
    ("f", "0.1", "0.1"),
    ("f", "1.0", "1"),
    ("f", "1e300", "1e300"),
    ("f", "5e-324", "5e-324"),
    ("f", "-1.5", "-1.5"),
    ("d0", "\"12\"", "\"12\""),
    ("d0", "999999999999999999", "\"999999999999999999\""),
    ("d2", "\"1.5\"", "\"1.50\""),
    ("d2", "1.50", "\"1.50\""),
    ("d2", "-0.01", "\"-0.01\""),
    ("d2", "\"9999999999999999.99\"", "\"9999999999999999.99\""),
    (
        "d18",
        "\"0.999999999999999999\"",
        "\"0.999999999999999999\"",
    ),
    ("b", "true", "true"),
    ("b", "false", "false"),
    (
        "at",
        "\"2026-01-31T12:00:00Z\"",
        "\"2026-01-31T12:00:00.000000Z\"",
    ),
    (
        "at",
        "\"2026-01-31T12:00:00.123456+02:00\"",
        "\"2026-01-31T10:00:00.123456Z\"",
    ),
    (
        "at",
        "\"0001-01-01T00:00:00Z\"",
        "\"0001-01-01T00:00:00.000000Z\"",
    ),
    (
        "at",
        "\"9999-12-31T23:59:59.999999Z\"",
        "\"9999-12-31T23:59:59.999999Z\"",
    ),
    ("day", "\"2024-02-29\"", "\"2024-02-29\""),
    ("day", "\"0001-01-01\"", "\"0001-01-01\""),
    ("day", "\"9999-12-31\"", "\"9999-12-31\""),
    (
        "g",
        "\"0190B3A4-0000-7000-8000-00000000000A\"",
        "\"0190b3a4-0000-7000-8000-00000000000a\"",
    ),
    (
        "g",
        "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
        "\"ffffffff-ffff-ffff-ffff-ffffffffffff\"",
    ),
    (
        "j",
        r#"{"bb":1,"a":[true,null,"x"],"c":{}}"#,
        r#"{"a":[true,null,"x"],"c":{},"bb":1}"#,
    ),
    ("j", r#""text""#, r#""text""#),
    ("j", "[]", "[]"),
    ("j", "1.0", "1"),
    ("j", "0.1", "0.1"),
    ("j", "9223372036854775807", "9223372036854775807"),
    (
        "j",
        r#"{"k":"a\u0001\u00e9\\\"/"}"#,
        "{\"k\":\"a\\u0001é\\\\\\\"/\"}",
    ),
    ("ls", r#"["", "é", "a'b"]"#, r#"["","é","a'b"]"#),
    (
        "li",
        "[1, -9007199254740991, 2.0]",
        "[1,-9007199254740991,2]",
    ),
    ("lf", "[0.1, 1, 1e300]", "[0.1,1,1e300]"),
    ("lb", "[true, false]", "[true,false]"),
    ("li", "[]", "[]"),
];

each_store!(every_value_comes_back_as_it_went, APP, async |fx| {
    for (n, (field, sent, answered)) in VALUES.iter().enumerate() {
        let id = format!("k{n}");
        let body = format!(r#"{{"id":"{id}","{field}":{sent}}}"#);
        let who = user(1);
        let made = fx.create_text(&who, "t.everything", &body).await.bytes();
        let shown = String::from_utf8_lossy(&made).into_owned();
        assert!(
            shown.contains(&format!("\"{field}\":{answered},")),
            "{field}: {sent} became {shown}"
        );
        let one = fx.one(&anonymous(), "t.everything", &id).await.bytes();
        assert_eq!(
            String::from_utf8_lossy(&one),
            shown,
            "what is read is what was answered"
        );
        let listed = fx
            .list(
                &who,
                "t.everything",
                Query::new().filter(&format!("id == '{id}'")),
            )
            .await
            .bytes();
        assert_eq!(
            String::from_utf8_lossy(&listed),
            format!("{{\"data\":[{shown}],\"next_cursor\":null}}")
        );
        // Sent back as it was answered, nothing changes: no version, no row of the log.
        let back: Json = serde_json::from_slice(&made).expect("JSON");
        let again = fx.replace(&who, "t.everything", &id, back).await.bytes();
        assert_eq!(String::from_utf8_lossy(&again), shown);
        // And from nothing to the value by a patch.
        fx.update(&who, "t.everything", &id, json!({ *field: null }))
            .await
            .ok();
        let patch: Json = serde_json::from_str(sent).expect("JSON");
        let patched = fx
            .update(&who, "t.everything", &id, json!({ *field: patch }))
            .await
            .bytes();
        assert!(
            String::from_utf8_lossy(&patched).contains(&format!("\"{field}\":{answered},")),
            "{field}"
        );
        let log = fx.changes_of("t.everything", &id).await;
        let kinds: Vec<&str> = log.iter().map(|c| c.kind.name()).collect();
        assert_eq!(kinds, ["create", "update", "update"], "{field}: {sent}");
        for at in [0, 2] {
            let record = log[at].record.clone().unwrap_or_default();
            let needle = format!("\"{field}\":{answered}");
            assert!(record.contains(&needle), "{needle} in the log's {record}");
        }
        assert_eq!(
            log[1]
                .previous
                .as_deref()
                .map(|p| p.contains(&format!("\"{field}\":{answered}"))),
            Some(true)
        );
    }
});

/// A field, what is sent, and the code of its error.
const WRONG: &[(&str, &str, &str)] = &[
    ("s", "1", "type"),
    ("s", "true", "type"),
    ("s", "[]", "type"),
    ("s", "\"123456789012345678901\"", "too_long"),
    ("s", "\"a\\u0000b\"", "type"),
    ("e", "\"nobody\"", "format"),
    ("e", "\"a@b@c\"", "format"),
    ("u", "\"ftp://a\"", "format"),
    ("u", "\"/a\"", "format"),
    ("u", "\"http://[::1\"", "format"),
    ("k", "\"c\"", "not_in"),
    ("k", "\"A\"", "not_in"),
    ("i", "1.5", "type"),
    ("i", "\"1\"", "type"),
    ("i", "9007199254740992", "type"),
    ("i", "-9007199254740992", "type"),
    ("i", "9223372036854775807", "type"),
    ("i", "-9223372036854775808", "type"),
    ("i", "1e400", "type"),
    ("i", "99999999999999999999999", "type"),
    ("f", "\"1\"", "type"),
    ("f", "1e400", "type"),
    ("f", "true", "type"),
    ("d2", "\"1.234\"", "type"),
    ("d2", "1e-3", "type"),
    ("d2", "\"99999999999999999.99\"", "type"),
    ("d2", "\"abc\"", "type"),
    ("d2", "\"\"", "type"),
    ("b", "1", "type"),
    ("b", "\"true\"", "type"),
    ("at", "\"2026-02-30T00:00:00Z\"", "type"),
    ("at", "\"2026-01-31T12:00:00.1234567Z\"", "type"),
    ("at", "\"0000-01-01T00:00:00Z\"", "type"),
    ("at", "\"2026-01-31\"", "type"),
    ("at", "1", "type"),
    ("at", "\"0001-01-01T00:00:00+01:00\"", "type"),
    ("day", "\"2023-02-29\"", "type"),
    ("day", "\"2026-01-31T00:00:00Z\"", "type"),
    ("g", "\"0190b3a400007000800000000000000a\"", "type"),
    ("g", "\"x\"", "type"),
    ("r", "1", "type"),
    ("o", "\"x\"", "type"),
    ("ls", "[1]", "type"),
    ("ls", "\"a\"", "type"),
    ("li", "[1.5]", "type"),
    ("li", "[-9223372036854775808]", "type"),
    ("li", "[null]", "type"),
    ("lb", "[1]", "type"),
    ("j", "1e999", "type"),
    ("created_at", "\"2020-01-01T00:00:00Z\"", "read_only"),
    ("version", "7", "read_only"),
    ("nothing", "1", "unknown"),
];

each_store!(every_wrong_value_is_told_at_its_field, APP, async |fx| {
    for (n, (field, sent, code)) in WRONG.iter().enumerate() {
        let body = format!(r#"{{"id":"w{n}","{field}":{sent}}}"#);
        let reply = fx.create_text(&user(1), "t.everything", &body).await;
        assert_eq!(reply.code(), "data.invalid", "{field}: {sent}");
        let errors = reply.errors();
        assert!(
            errors.len() == 1
                && errors[0].starts_with(&format!("/{field}"))
                && errors[0].ends_with(code),
            "{field}: {sent} gives {errors:?}"
        );
    }
    // All at once, in one answer.
    let body = r#"{"id":"w","s":1,"i":"x","d2":"1.234","nothing":0,"li":[1,"a"],"version":3}"#;
    let reply = fx.create_text(&user(1), "t.everything", body).await;
    assert_eq!(
        reply.errors(),
        [
            "/d2 type",
            "/i type",
            "/li/1 type",
            "/nothing unknown",
            "/s type",
            "/version read_only"
        ]
    );
    assert_eq!(
        fx.list(&system(), "t.everything", Query::new())
            .await
            .data(),
        Vec::<Json>::new()
    );
});

each_store!(
    a_datetime_that_lacks_something_is_completed,
    APP,
    async |fx| {
        let sent = [
            ("2026-12-01", "2026-12-01T00:00:00Z"),
            ("2021-01-01T00:00:00", "2021-01-01T00:00:00Z"),
        ];
        for (at, whole) in sent {
            let body = json!({"id": "a", "at": at}).to_string();
            let reply = fx.create_text(&user(1), "t.everything", &body).await;
            let detail = &reply.problem().errors[0].detail;
            assert!(detail.contains(&format!("write {whole}.")), "{detail}");
            let plain = Query::new().plain("at", PlainOp::Gte, &[at]);
            let filter = Query::new().filter(&format!("at >= '{at}'"));
            for query in [plain, filter] {
                let reply = fx.list(&user(1), "t.everything", query).await;
                let problem = reply.problem();
                let said = format!("{problem:?}");
                assert!(said.contains(whole), "{said}");
            }
        }
    }
);

each_store!(a_body_that_is_no_record_is_refused_whole, APP, async |fx| {
    for body in [
        "",
        "{",
        "[]",
        "1",
        "null",
        "\"x\"",
        r#"{"id":"a","id":"b"}"#,
        r#"{"s":"a","\u0073":"b"}"#,
        r#"{"s":"a"} x"#,
        r#"{"s":'a'}"#,
        r#"{"s":01}"#,
        r#"{"s":NaN}"#,
    ] {
        let reply = fx.create_text(&user(1), "t.everything", body).await;
        assert_eq!(reply.code(), "request.malformed_json", "{body}");
    }
    let nested = format!(
        r#"{{"id":"deep","j":{}1{}}}"#,
        "[".repeat(70),
        "]".repeat(70)
    );
    let reply = fx.create_text(&user(1), "t.everything", &nested).await;
    assert_eq!(reply.code(), "request.malformed_json");
    assert_eq!(reply.problem().limit, Some(("limits.json_depth", 64)));
});

each_store!(undeclared_fields_of_an_open_model_stay, APP, async |fx| {
    let body = r#"{"s":"a","color":"red","deep":{"b":[1,{"c":null}]},"n":1.0}"#;
    let made = fx.create_text(&user(1), "t.numbered", body).await.ok();
    let id = id(&made);
    assert_eq!(id, "1", "the store counts");
    let one = fx.one(&user(1), "t.numbered", &id).await.ok();
    assert_eq!(one, made);
    assert_eq!(one["deep"], json!({"b": [1, {"c": null}]}));
    // Merge patch: a member goes by null, an object is merged, the rest stays.
    let patch = json!({"color": null, "deep": {"d": 1}, "more": [1]});
    let patched = fx.update(&user(1), "t.numbered", &id, patch).await.ok();
    assert!(patched.get("color").is_none());
    assert_eq!(patched["deep"], json!({"b": [1, {"c": null}], "d": 1}));
    assert_eq!(patched["more"], json!([1]));
    assert_eq!(patched["n"], json!(1));
    // PUT leaves nothing behind.
    let put = fx
        .replace(&user(1), "t.numbered", &id, json!({"s": "b", "x": true}))
        .await
        .ok();
    assert!(put.get("deep").is_none() && put.get("n").is_none());
    assert_eq!(put["x"], json!(true));
    let found = fx
        .list(&user(1), "t.numbered", Query::new().filter("x == true"))
        .await
        .data();
    assert_eq!(found.len(), 1);
    let none = fx
        .list(
            &user(1),
            "t.numbered",
            Query::new().filter("color == 'red'"),
        )
        .await
        .data();
    assert_eq!(none.len(), 0);
});

each_store!(a_key_is_of_its_models_kind, APP, async |fx| {
    for id in [
        "x",
        "1.5",
        "",
        "9007199254740992",
        "+1",
        "0190b3a4-0000-7000-8000-00000000000a",
    ] {
        assert_eq!(
            fx.one(&user(1), "t.numbered", id).await.code(),
            "request.bad_id",
            "{id}"
        );
    }
    assert_eq!(
        fx.one(&user(1), "t.everything", &"k".repeat(129))
            .await
            .code(),
        "request.bad_id"
    );
    assert_eq!(
        fx.one(&user(1), "auth.users", "1").await.code(),
        "request.bad_id"
    );
    // A key that the store assigns cannot be named by others than the system.
    assert_eq!(
        fx.create(&user(1), "t.numbered", json!({"id": 7}))
            .await
            .errors(),
        ["/id read_only"]
    );
    assert_eq!(
        fx.replace(&user(1), "t.numbered", "7", json!({}))
            .await
            .code(),
        "access.not_found"
    );
    fx.import("t.numbered", &[json!({"id": 41}), json!({"id": 7})])
        .await;
    let next = fx.create(&user(1), "t.numbered", json!({})).await.ok();
    assert_eq!(
        next["id"],
        json!(42),
        "the store counts on from what was given"
    );
    for id in ["é/ ?#", "a'b\"", "😀"] {
        fx.create(&user(1), "t.everything", json!({"id": id}))
            .await
            .ok();
        assert_eq!(
            fx.one(&user(1), "t.everything", id).await.ok()["id"],
            json!(id)
        );
    }
    assert_eq!(
        fx.create(&user(1), "t.everything", json!({}))
            .await
            .errors(),
        ["/id required"]
    );
    assert_eq!(
        fx.create(&user(1), "t.everything", json!({"id": ""}))
            .await
            .errors(),
        ["/id type"]
    );
});

each_store!(assigned_keys_go_on_behind_given_ones, APP, async |fx| {
    const N: &str = "t.numbered";
    let given = async |n: i64| {
        let made = fx.create(&system(), N, json!({"id": n})).await.ok();
        assert_eq!(made["id"], n);
    };
    let assigned = async || fx.create(&user(1), N, json!({})).await.ok()["id"].clone();
    given(1).await;
    assert_eq!(assigned().await, 2);
    for n in [5, 4, 3, -7] {
        given(n).await;
    }
    assert_eq!(assigned().await, 6, "behind the highest, whenever it came");
    // By PUT, which only the system may do to an assigned key.
    fx.replace(&system(), N, "9", json!({})).await.ok();
    assert_eq!(assigned().await, 10);
    // Given and assigned ones among each other in one import.
    let lines = [json!({"id": 20}), json!({}), json!({"id": 22}), json!({})];
    fx.import(N, &lines).await;
    assert_eq!(assigned().await, 24);
    // One that was not written leaves nothing to collide with, nor does one that is there already.
    let twice = fx.create(&system(), N, json!({"id": 24})).await;
    assert_eq!(twice.errors(), ["/id duplicate"]);
    assert_eq!(assigned().await, 25);
});

/// RFC 9562 has UUIDs read in either case and written in lower case. A cursor belongs to the query as it was written.
const TWO: &str = r#"
## modules/m/module.toml
[models.items.fields]
n = { type = "int" }
[models.items.access]
read = "true"
create = "true"
update = "true"
"#;

each_store!(a_uuid_is_read_in_either_case, TWO, async |fx| {
    let who = user(1);
    let mut ids = Vec::new();
    for n in 0..3 {
        let made = fx.create(&who, "m.items", json!({"n": n})).await.ok();
        ids.push(made["id"].as_str().expect("an id").to_owned());
    }
    let (lower, upper) = (ids[0].clone(), ids[0].to_uppercase());
    assert_ne!(lower, upper);
    let (one, other) = (
        fx.one(&who, "m.items", &lower).await,
        fx.one(&who, "m.items", &upper).await,
    );
    assert_eq!(one.etag(), other.etag());
    assert_eq!(one.ok(), other.ok());
    let listed = |id: &str| Query::new().plain("id", PlainOp::Ne, &[id]).limit(1);
    let page = fx.list(&who, "m.items", listed(&upper)).await.ok();
    let cursor = page["next_cursor"].as_str().expect("more").to_owned();
    let mixed = fx.list(&who, "m.items", listed(&lower).cursor(&cursor));
    assert_eq!(mixed.await.code(), "request.bad_cursor");
    let rest = fx
        .list(&who, "m.items", listed(&upper).cursor(&cursor))
        .await
        .data();
    assert_eq!(rest.len(), 1);
    assert_eq!(rest[0]["id"], json!(ids[2]), "in lower case");
});

each_store!(the_least_number_is_no_number_of_ours, APP, async |fx| {
    let least = i64::MIN.to_string();
    let who = user(1);
    let plain = Query::new().plain("i", PlainOp::Eq, &[&least]);
    assert_eq!(
        fx.list(&who, "t.everything", plain).await.code(),
        "request.bad_parameter"
    );
    let filter = Query::new().filter(&format!("f == {least} || i == {least}"));
    assert_eq!(
        fx.list(&who, "t.everything", filter).await.code(),
        "request.bad_filter"
    );
    let filter = Query::new().filter(&format!("i > {least}"));
    fx.list(&who, "t.everything", filter).await.ok();
    assert_eq!(
        fx.one(&who, "t.numbered", &least).await.code(),
        "request.bad_id"
    );
    let body = format!("{{\"id\":{least}}}");
    assert_eq!(
        fx.create_text(&system(), "t.numbered", &body)
            .await
            .errors(),
        ["/id type"]
    );
});
