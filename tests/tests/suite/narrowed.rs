//! An app that takes less than it took: the records that are there stay, and are not held to it.

use mainstay_tests::*;
use serde_json::json;
use store::migrate::{Allow, Applied, Extras};

const BEFORE: &str = r#"
## modules/m/module.toml
[models.parts.fields]
name  = { type = "string", max = 20 }
kind  = { type = "enum", values = ["a", "b", "old"] }
size  = { type = "int", max = 100 }
spare = { type = "int", optional = true }
[models.parts.access]
read = "true"
create = "true"
update = "true"
"#;

const AFTER: &str = r#"
## modules/m/module.toml
[models.parts.fields]
name  = { type = "string", max = 5 }
kind  = { type = "enum", values = ["a", "b"] }
size  = { type = "int", max = 10 }
spare = { type = "int", optional = true }
shelf = { type = "int", optional = true }
[models.parts.access]
read = "true"
create = "true"
update = "true"
"#;

const CHECKED: &str = r#"
## modules/m/module.toml
[models.parts.fields]
name  = { type = "string", max = 20 }
kind  = { type = "enum", values = ["a", "b", "old"] }
size  = { type = "int", check = "size <= 10" }
spare = { type = "int", optional = true }
shelf = { type = "int", optional = true }
[models.parts.access]
read = "true"
create = "true"
update = "true"
"#;

const M: &str = "m.parts";

each_store!(what_is_stored_is_not_held_to_it, BEFORE, async |before| {
    let who = user(1);
    let body = json!({"name": "a long name", "kind": "old", "size": 50});
    let made = before.create(&who, M, body.clone()).await.ok();
    let id = id(&made);
    // A value that is declared no more is in the way of a migration, and not of a server.
    let declared = AFTER.replace("\"b\"]", "\"b\", \"old\"]");
    let wide = before.later(&declared).await;
    let (fx, applied) = wide.migrate(AFTER, Allow::SLOW).await;
    assert!(matches!(applied, Ok(Applied::Refused(_))), "{applied:?}");
    assert!(fx.plan(Extras::Keep).await.is_settled());
    let read = fx.one(&who, M, &id).await.ok();
    for field in ["name", "kind", "size"] {
        assert_eq!(read[field], made[field], "{field}");
    }
    let found = fx.list(&who, M, Query::new().filter("size > 10")).await;
    assert_eq!(found.data().len(), 1);
    // Other fields change as before.
    let changed = fx.update(&who, M, &id, json!({"spare": 1})).await.ok();
    assert_eq!(
        (&changed["kind"], &changed["spare"]),
        (&json!("old"), &json!(1))
    );
    // What is sent is held to it, also where it is what is there.
    let wrong = ["/kind not_in", "/name too_long", "/size too_large"];
    assert_eq!(fx.update(&who, M, &id, body.clone()).await.errors(), wrong);
    assert_eq!(fx.replace(&who, M, &id, body).await.errors(), wrong);
    // Nor is there such a value any more to ask for.
    let named = fx.list(&who, M, Query::new().filter("kind == 'old'")).await;
    assert_eq!(named.code(), "request.bad_filter");
    let others = fx.list(&who, M, Query::new().filter("kind != 'a'")).await;
    assert_eq!(others.data().len(), 1);
    let mended = json!({"name": "short", "kind": "a", "size": 5});
    fx.update(&who, M, &id, mended).await.ok();
    fx.delete(&admin(), M, &id).await.done();
});

each_store!(
    a_new_check_is_asked_at_the_next_change,
    BEFORE,
    async |before| {
        let who = user(1);
        let body = json!({"name": "a", "kind": "a", "size": 50});
        let made = id(&before.create(&who, M, body).await.ok());
        let fx = before.later(CHECKED).await;
        assert_eq!(fx.one(&who, M, &made).await.ok()["size"], 50);
        let reply = fx.update(&who, M, &made, json!({"spare": 1})).await;
        assert_eq!(reply.errors(), ["/size check"]);
        let both = json!({"spare": 1, "size": 5});
        fx.update(&who, M, &made, both).await.ok();
        fx.delete(&admin(), M, &made).await.done();
    }
);
