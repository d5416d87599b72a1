//! Ids that are given by the caller: which texts can be one.

use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/m/module.toml
[models.pages]
id = "string"
[models.pages.fields]
up = { type = "relation", to = "pages", optional = true }
[models.pages.access]
read = "true"
create = "true"
update = "true"
delete = "true"
"#;

const M: &str = "m.pages";

each_store!(an_id_has_1_to_128_code_points, APP, async |fx| {
    let who = user(1);
    let (most, wide) = ("k".repeat(128), "😀".repeat(128));
    for good in [
        "a",
        " ",
        "a/b",
        "..a",
        "Aggregate",
        "aggregate2",
        &most,
        &wide,
    ] {
        let made = fx.create(&who, M, json!({"id": good})).await.ok();
        assert_eq!(made["id"], json!(good));
        let read = fx.one(&who, M, good).await.ok();
        assert_eq!(read, made);
        let put = fx.replace(&who, M, good, json!({})).await;
        assert_eq!(put.outcome(), engine::Outcome::Changed, "{good}");
        let filter = Query::new().plain("id", plan::operation::PlainOp::Eq, &[good]);
        assert_eq!(fx.list(&who, M, filter).await.data().len(), 1, "{good}");
    }
    let (long, wide) = ("k".repeat(129), "😀".repeat(129));
    // What an address could not lead to is refused wherever it is given, as an id or as a reference to one.
    for bad in ["", ".", "..", "aggregate", "a\0b", &long, &wide] {
        let created = fx.create(&who, M, json!({"id": bad})).await;
        assert_eq!(created.errors(), ["/id type"], "{bad}");
        let refers = fx.create(&who, M, json!({"id": "x", "up": bad})).await;
        assert_eq!(refers.errors(), ["/up type"], "{bad}");
        for reply in [
            fx.one(&who, M, bad).await,
            fx.replace(&who, M, bad, json!({})).await,
            fx.delete(&who, M, bad).await,
        ] {
            assert_eq!(reply.code(), "request.bad_id", "{bad}");
        }
    }
    // It is set once.
    let moved = fx.update(&who, M, "a", json!({"id": "b"})).await;
    assert_eq!(moved.errors(), ["/id read_only"]);
    fx.update(&who, M, "a", json!({"id": "a"})).await.ok();
});
