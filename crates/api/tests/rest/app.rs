//! The app that the tests ask.

use spec::load::load_sources;
use spec::{App, Model};
use std::path::PathBuf;

const SHOP: &str = r#"
[models.categories.fields]
name = { type = "string", max = 60 }
parent = { type = "relation", to = "categories", optional = true }

[models.categories.access]
read = "true"

[models.products.fields]
name = { type = "string", max = 120 }
price = { type = "decimal", scale = 2 }
status = { type = "enum", values = ["draft", "active"], default = "'draft'" }
limit = { type = "int", optional = true }
tags = { type = "json", optional = true }
category = { type = "relation", to = "categories", optional = true }

[models.products.access]
read = "status == 'active'"
create = "true"
update = "status == 'active'"
delete = "status == 'active'"

[models.reviews.fields]
product = { type = "relation", to = "products", on_delete = "cascade" }
text = { type = "text", optional = true }

[models.reviews.access]
read = "true"
create = "true"

[models.notes]
id = "string"
open = true

[models.notes.fields]
title = { type = "string", max = 50, optional = true }

[models.notes.access]
read = "true"
create = "true"
update = "true"
delete = "true"
"#;

pub fn app() -> App {
    let files = vec![
        (
            PathBuf::from("mainstay.toml"),
            "name = \"shop\"\n".to_owned(),
        ),
        (PathBuf::from("modules/shop/module.toml"), SHOP.to_owned()),
    ];
    let loaded = load_sources(files);
    assert!(loaded.app.is_some(), "{:#?}", loaded.diagnostics);
    loaded.app.unwrap()
}

pub fn products(app: &App) -> &Model {
    app.model_named("shop.products").unwrap()
}
