//! What defaults compute of other fields is a value like any other: of its field's type, within its limits, and no
//! way to ask what its caller could not ask by giving it.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/m/module.toml
[models.secrets.fields]
owner = { type = "relation", to = "auth.users" }
[models.secrets.access]
read = "owner == auth.id"

[models.items.fields]
given   = { type = "string", optional = true }
large   = { type = "text", optional = true }
number  = { type = "int", optional = true }
ref     = { type = "uuid", optional = true }
several = { type = "list", items = "string", optional = true }
status  = { type = "enum", values = ["open", "done"], optional = true, default = "given" }
code    = { type = "string", max = 60, unique = true, optional = true, default = "large" }
total   = { type = "int", max = 1000, optional = true, default = "number * 2" }
square  = { type = "int", optional = true, default = "number * number" }
contact = { type = "email", optional = true, default = "given" }
words   = { type = "list", items = "string", max = 2, optional = true, default = "several" }
parent  = { type = "relation", to = "secrets", optional = true, default = "ref" }
[models.items.access]
read   = "true"
create = "true"
update = "true"

[models.places.fields]
city_code = { type = "string" }
city      = { type = "string" }
[models.places.access]
create = "true"
"#;

const M: &str = "m.items";

each_store!(a_default_keeps_to_its_field, APP, async |fx| {
    let who = user(1);
    for (body, wrong) in [
        (
            json!({"given": "none", "contact": null}),
            vec!["/status not_in"],
        ),
        (json!({"given": "open"}), vec!["/contact format"]),
        (json!({"large": "x".repeat(10_000)}), vec!["/code too_long"]),
        (json!({"number": 501}), vec!["/total too_large"]),
        (
            json!({"number": 300_000_000, "total": null}),
            vec!["/square type"],
        ),
        (json!({"several": ["a", "b", "c"]}), vec!["/words too_long"]),
    ] {
        let reply = fx.create(&who, M, body.clone()).await;
        assert_eq!(reply.errors(), wrong, "{body}");
        let made = id(&fx.create(&who, M, json!({})).await.ok());
        assert_eq!(
            fx.replace(&who, M, &made, body.clone()).await.errors(),
            wrong
        );
        let absent = spec::new_id().hyphenated().to_string();
        assert_eq!(fx.replace(&who, M, &absent, body).await.errors(), wrong);
    }
    let said = fx.create(&who, M, json!({"number": 501})).await;
    let detail = &said.problem().errors[0].detail;
    assert!(
        detail.contains("left out") && detail.contains("1000"),
        "{detail}"
    );
    let body = json!({"given": "ME@Example.com", "status": "open", "number": 7, "several": ["a"]});
    let made = fx.create(&who, M, body).await.ok();
    for (field, value) in [
        ("contact", json!("me@example.com")),
        ("total", json!(14)),
        ("words", json!(["a"])),
        ("code", Json::Null),
    ] {
        assert_eq!(made[field], value, "{field}");
    }
});

each_store!(
    a_default_is_no_way_to_ask_for_hidden_records,
    APP,
    async |fx| {
        let hidden = fx
            .create(&system(), "m.secrets", json!({"owner": uid(2)}))
            .await
            .ok();
        let hidden = id(&hidden);
        let absent = spec::new_id().hyphenated().to_string();
        let made = id(&fx.create(&user(1), M, json!({})).await.ok());
        for target in [&hidden, &absent] {
            let body = json!({"ref": target});
            for reply in [
                fx.create(&user(1), M, body.clone()).await,
                fx.replace(&user(1), M, &made, body.clone()).await,
                fx.replace(&user(1), M, &spec::new_id().hyphenated().to_string(), body)
                    .await,
            ] {
                assert_eq!(reply.errors(), ["/parent not_found"], "{target}");
            }
        }
        let body = json!({"ref": hidden});
        let seen = fx.create(&user(2), M, body.clone()).await.ok();
        assert_eq!(seen["parent"], json!(hidden));
        let changed = fx.replace(&user(2), M, &made, body).await.ok();
        assert_eq!(changed["parent"], json!(hidden));
    }
);

each_store!(
    a_name_that_begins_like_another_hides_nothing,
    APP,
    async |fx| {
        let reply = fx
            .create(&user(1), "m.places", json!({"city_code": 5}))
            .await;
        assert_eq!(reply.errors(), ["/city required", "/city_code type"]);
    }
);
