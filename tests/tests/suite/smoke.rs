use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/shop/module.toml
[models.products.fields]
name = { type = "string" }
[models.products.access]
read = "true"
create = "auth.id != null"
update = "true"
delete = "true"
"#;

each_store!(a_record_comes_and_goes, APP, async |fx| {
    let made = fx
        .create(&user(1), "shop.products", json!({"name": "a"}))
        .await
        .ok();
    let id = id(&made);
    assert_eq!(fx.one(&anonymous(), "shop.products", &id).await.ok(), made);
    fx.update(&user(1), "shop.products", &id, json!({"name": "b"}))
        .await
        .ok();
    fx.delete(&user(1), "shop.products", &id).await.done();
});
