//! What is no value: null and what is not named; and what is one, though it is empty.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/m/module.toml
[models.cards.fields]
title  = { type = "string", max = 40 }
body   = { type = "text", default = "'none'" }
data   = { type = "json", default = "'{}'" }
from   = { type = "int", optional = true }
until  = { type = "int", optional = true, check = "until > from" }
line   = { type = "string", optional = true, check = "size(line) >= 1 && !line.contains('\\n')" }
slug   = { type = "string", max = 40, optional = true, unique = true }
shelf  = { type = "string", max = 40, optional = true }
place  = { type = "int", optional = true }
[models.cards.access]
read = "true"
create = "true"
update = "true"
[[models.cards.indexes]]
fields = ["shelf", "place"]
unique = true
"#;

const M: &str = "m.cards";

each_store!(an_empty_text_is_a_value_and_null_is_none, APP, async |fx| {
    let who = user(1);
    let made = fx.create(&who, M, json!({"title": ""})).await.ok();
    assert_eq!(
        (&made["title"], &made["body"]),
        (&json!(""), &json!("none"))
    );
    let two = json!({"title": "one\ntwo", "body": ""});
    let made = fx.create(&who, M, two).await.ok();
    assert_eq!(
        (&made["title"], &made["body"]),
        (&json!("one\ntwo"), &json!(""))
    );
    let reply = fx.create(&who, M, json!({})).await;
    assert_eq!(reply.errors(), ["/title required"]);
    // A default is for what is not named: a null is not filled in.
    let nulls = json!({"title": null, "body": null, "data": null});
    let required = ["/body required", "/data required", "/title required"];
    let reply = fx.create(&who, M, nulls.clone()).await;
    assert_eq!(reply.errors(), required);
    let reply = fx.update(&who, M, &id(&made), nulls).await;
    assert_eq!(reply.errors(), required);
    // Inside of JSON, null is a value like any other.
    let inside = json!({"title": "a", "data": [null]});
    let made = fx.create(&who, M, inside).await.ok();
    assert_eq!(made["data"], json!([null]));
});

each_store!(
    a_check_is_not_asked_of_a_field_without_a_value,
    APP,
    async |fx| {
        let who = user(1);
        let create = async |body: Json| {
            let mut whole = json!({"title": "a"});
            for (name, value) in body.as_object().expect("fields") {
                whole[name] = value.clone();
            }
            fx.create(&who, M, whole).await
        };
        // It stands at `until`: without one, nothing is compared, and with one, null is not less.
        for body in [json!({}), json!({"from": 5}), json!({"until": null})] {
            create(body).await.ok();
        }
        assert_eq!(create(json!({"until": 5})).await.errors(), ["/until check"]);
        let made = create(json!({"from": 1, "until": 5})).await.ok();
        for line in ["", "one\ntwo"] {
            let reply = create(json!({"line": line})).await;
            assert_eq!(reply.errors(), ["/line check"], "{line:?}");
        }
        // All of them are asked, whichever field changes.
        let reply = fx.update(&who, M, &id(&made), json!({"from": 9})).await;
        assert_eq!(reply.errors(), ["/until check"]);
        let both = json!({"from": 9, "until": null});
        fx.update(&who, M, &id(&made), both).await.ok();
    }
);

each_store!(records_without_a_value_do_not_collide, APP, async |fx| {
    let who = user(1);
    let table: &[(Json, bool)] = &[
        (json!({"title": "a"}), true),
        (json!({"title": "a"}), true),
        (json!({"title": "a", "slug": ""}), true),
        (json!({"title": "a", "slug": ""}), false),
        // Of several fields, one without a value is enough.
        (json!({"title": "a", "shelf": "x"}), true),
        (json!({"title": "a", "shelf": "x"}), true),
        (json!({"title": "a", "shelf": "x", "place": 1}), true),
        (json!({"title": "a", "shelf": "x", "place": 1}), false),
    ];
    for (at, (body, taken)) in table.iter().enumerate() {
        let reply = fx.create(&who, M, body.clone()).await;
        match taken {
            true => drop(reply.ok()),
            false => assert_eq!(reply.code(), "data.conflict", "{at}: {body}"),
        }
    }
});
