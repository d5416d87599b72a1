//! Writes of many records at once: each as it would be alone, all or none.

mod batch;
mod bounds;
mod bulk;
mod matching;
mod nested;
mod upsert;

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
name = "many"
[limits]
batch = 20
## modules/shop/module.toml
[models.products.fields]
name     = { type = "string", max = 10 }
sku      = { type = "string", unique = true, optional = true }
batch    = { type = "string", optional = true }
lot      = { type = "int", optional = true }
price    = { type = "decimal", scale = 2, default = "1.0", check = "price > 0.0" }
stock    = { type = "int", default = "0" }
public   = { type = "bool", default = "true" }
seller   = { type = "relation", to = "auth.users", default = "auth.id", immutable = true }
options  = { type = "json", optional = true }
cost     = { type = "int", optional = true, read = "seller == auth.id", write = "seller == auth.id" }
internal = { type = "string", optional = true, write = "false" }
[models.products.access]
read   = "public || seller == auth.id"
create = "seller == auth.id"
update = "seller == auth.id"
delete = "seller == auth.id"
[[models.products.indexes]]
fields = ["batch", "lot"]
unique = true

# Its rule looks at another record.
[models.reviews.fields]
product = { type = "relation", to = "products", on_delete = "cascade" }
author  = { type = "relation", to = "auth.users", default = "auth.id" }
stars   = { type = "int", optional = true, check = "stars <= 5" }
[models.reviews.access]
read   = "true"
create = "author == auth.id && product.stock > 0"
update = "author == auth.id && product.stock > 0"
delete = "author == auth.id"

[models.nodes]
id = "string"
[models.nodes.fields]
parent = { type = "relation", to = "nodes", optional = true }
owner  = { type = "relation", to = "auth.users", default = "auth.id" }
[models.nodes.access]
read   = "owner == auth.id"
create = "owner == auth.id"
update = "owner == auth.id"
delete = "owner == auth.id"

[models.orders]
id = "int"
[models.orders.fields]
buyer = { type = "relation", to = "auth.users", default = "auth.id" }
note  = { type = "string", optional = true }
[models.orders.access]
read   = "buyer == auth.id"
create = "buyer == auth.id"
update = "buyer == auth.id"
delete = "buyer == auth.id"

[models.order_items.fields]
order    = { type = "relation", to = "orders", on_delete = "cascade" }
product  = { type = "relation", to = "products", optional = true }
quantity = { type = "int", check = "quantity > 0" }
[models.order_items.access]
read   = "order.buyer == auth.id"
create = "order.buyer == auth.id"

[models.taxes.fields]
item = { type = "relation", to = "order_items", on_delete = "cascade" }
rate = { type = "int" }
[models.taxes.access]
read   = "true"
create = "item.order.buyer == auth.id"

[models.notes.fields]
tax = { type = "relation", to = "taxes" }
[models.notes.access]
create = "true"

[models.marks.fields]
note = { type = "relation", to = "notes" }
[models.marks.access]
create = "true"
## modules/other/module.toml
[models.things.fields]
name    = { type = "string" }
product = { type = "relation", to = "shop.products", optional = true }
[models.things.access]
read   = "true"
create = "true"
"#;

const P: &str = "shop.products";

/// How many records a model has, and how many rows the log.
async fn counted(fx: &Fixture, model: &str) -> (Json, usize) {
    let all = fx.list(&system(), model, Query::new().count()).await.ok();
    (all["count"].clone(), fx.changes().await.len())
}

async fn product(fx: &Fixture, seller: u32, body: Json) -> Json {
    fx.create(&user(seller), P, body).await.ok()
}

/// What no body may set, with the code of the refusal.
fn not_in_bodies() -> [(&'static str, Json, &'static str); 5] {
    [
        ("id", json!(uid(77)), "read_only"),
        ("created_at", json!("2020-01-01T00:00:00Z"), "read_only"),
        ("version", json!(9), "read_only"),
        ("internal", json!("x"), "forbidden"),
        ("_extra", json!({}), "unknown"),
    ]
}
