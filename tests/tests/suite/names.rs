//! A name of an open model says one thing: what the model declares, whatever was written before it did.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

/// `places` are open; `more` are fields of theirs.
fn app(more: &str) -> String {
    format!(
        r#"
## modules/map/module.toml
[models.places]
open = true
[models.places.fields]
name = {{ type = "string" }}
{more}
[models.places.access]
read = "true"
create = "true"
update = "true"
delete = "true"

[models.visits.fields]
place = {{ type = "relation", to = "places", on_delete = "cascade", optional = true, inverse = "kids" }}
note = {{ type = "string" }}
[models.visits.access]
read = "true"
create = "true"
"#
    )
}

/// An app whose tables these tests find: `more` come later.
const BEFORE: &str = r#"
## modules/map/module.toml
[models.places]
open = true
[models.places.fields]
name = { type = "string" }
[models.places.access]
read = "true"
create = "true"
update = "true"
delete = "true"
"#;

const DECLARED: &str = r#"
city = { type = "string", optional = true, read = "false" }
town = { type = "string", optional = true }
"#;

fn text(reply: Reply) -> String {
    String::from_utf8(reply.bytes()).expect("answers are UTF-8")
}

/// How often a record's JSON has a key at its top.
fn times(text: &str, key: &str) -> usize {
    spec::json::members(text).filter(|m| m.name == key).count()
}

each_store!(
    a_declared_field_is_never_answered_from_what_was_undeclared,
    BEFORE,
    async |before| {
        let body =
            json!({"name": "a", "city": "secret", "kids": ["theirs"], "town": "old", "x": 1});
        let made = before.create(&user(1), "map.places", body).await.ok();
        let id = id(&made);
        assert_eq!(made["city"], "secret", "undeclared as yet");
        let fx = before.later(&app(DECLARED)).await;
        let visit = json!({"place": id, "note": "ours"});
        fx.create(&system(), "map.visits", visit).await.ok();

        let hidden = |answer: &str| {
            let theirs = answer.contains("secret") || answer.contains("theirs");
            assert!(!theirs, "{answer}");
            assert!(times(answer, "town") <= 1, "{answer}");
        };
        let record = text(fx.one(&user(1), "map.places", &id).await);
        hidden(&record);
        assert!(
            record.contains(r#""x":1"#) && record.contains(r#""town":null"#),
            "{record}"
        );
        hidden(&text(fx.list(&user(1), "map.places", Query::new()).await));
        let with = Query::new().expand("kids");
        let record = text(fx.one_with(&user(1), "map.places", &id, with).await);
        hidden(&record);
        assert_eq!(times(&record, "kids"), 1, "{record}");
        assert!(record.contains("ours"), "{record}");
        let with = Query::new().expand("place");
        hidden(&text(fx.list(&user(1), "map.visits", with).await));
        // Who sees every field sees what the model has of it.
        let record = text(fx.one(&system(), "map.places", &id).await);
        assert_eq!(times(&record, "city"), 1, "{record}");
        assert!(record.contains(r#""city":null"#), "{record}");
        for filter in ["town == 'old'", "x == 1 && town == 'old'"] {
            let query = Query::new().filter(filter);
            let found = fx.list(&user(1), "map.places", query).await.data();
            assert_eq!(found, Vec::<Json>::new(), "{filter}");
        }

        // What changes nothing leaves things as they are.
        let same = fx
            .update(&user(1), "map.places", &id, json!({"x": 1}))
            .await;
        hidden(&text(same));
        assert_eq!(fx.changes_of("map.places", &id).await.len(), 1);
        // A write answers and logs what a read shows, and leaves nothing behind.
        let patch = json!({"name": "b"});
        let patched = text(fx.update(&user(1), "map.places", &id, patch).await);
        hidden(&patched);
        assert!(patched.contains(r#""town":null"#), "{patched}");
        let change = fx
            .changes_of("map.places", &id)
            .await
            .pop()
            .expect("a change");
        for text in [change.record, change.previous].into_iter().flatten() {
            assert!(
                !text.contains("secret") && !text.contains("theirs"),
                "{text}"
            );
        }
        let record = text(before.one(&system(), "map.places", &id).await);
        assert!(
            !record.contains("secret") && record.contains(r#""x":1"#),
            "{record}"
        );
        let patch = json!({"town": "new"});
        let patched = text(fx.update(&user(1), "map.places", &id, patch).await);
        assert!(patched.contains(r#""town":"new""#), "{patched}");
        fx.delete(&user(1), "map.places", &id).await.ok();
    }
);

const UP: &str =
    r#"up = { type = "relation", to = "places", on_delete = "set_null", optional = true }"#;

each_store!(
    a_relation_that_loosens_leaves_nothing_behind_either,
    &app(UP),
    async |before| {
        let root = json!({"name": "root"});
        let root = id(&before.create(&user(1), "map.places", root).await.ok());
        let body = json!({"name": "a", "up": root, "town": "old", "x": 1});
        let made = id(&before.create(&user(1), "map.places", body).await.ok());
        let fx = before.later(&app(&format!("{UP}\n{DECLARED}"))).await;
        fx.delete(&user(1), "map.places", &root).await.done();
        let record = text(before.one(&system(), "map.places", &made).await);
        assert!(record.contains(r#""up":null"#), "{record}");
        assert!(record.contains(r#""x":1"#), "{record}");
        assert_eq!(times(&record, "town"), 0, "{record}");
        fx.delete(&user(1), "map.places", &made).await.done();
    }
);

each_store!(
    an_undeclared_field_cannot_have_a_relations_name,
    &app(""),
    async |fx| {
        let made = fx
            .create(&user(1), "map.places", json!({"name": "a"}))
            .await
            .ok();
        let id = id(&made);
        let kids = json!({"name": "a", "kids": {"data": ["theirs"], "more": false}, "x": 1});
        let unit = ["/kids read_only"];
        // New ones can come with a new record, and are an array.
        let reply = fx.create(&user(1), "map.places", kids.clone()).await;
        assert_eq!(reply.errors(), ["/kids type"]);
        let reply = fx.update(&user(1), "map.places", &id, kids.clone()).await;
        assert_eq!(reply.errors(), unit);
        let reply = fx.replace(&user(1), "map.places", &id, kids).await;
        assert_eq!(reply.errors(), unit);
        let escaped = r#"{"name":"a","k\u0069ds":1}"#;
        let reply = fx.create_text(&user(1), "map.places", escaped).await;
        assert_eq!(reply.errors(), ["/kids type"]);
        let record = text(fx.one(&user(1), "map.places", &id).await);
        assert_eq!(times(&record, "kids"), 0, "{record}");
    }
);
