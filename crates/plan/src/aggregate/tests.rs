//! The statements of aggregates, to be read as code.

use crate::Caller;
use crate::operation::{Aggregate, Amount, Function, SortTerm};
use crate::read::Planner;
use crate::resolve::Resolver;
use spec::load::load_sources;
use spec::{App, Dialect, Principal};
use std::path::PathBuf;

const MODULE: &str = r#"
[models.categories.fields]
name  = { type = "string" }
owner = { type = "relation", to = "auth.users" }
[models.categories.access]
read = "owner == auth.id"

[models.products.fields]
price    = { type = "decimal", scale = 2 }
stock    = { type = "int", optional = true, read = "category.owner == auth.id" }
category = { type = "relation", to = "categories", optional = true }
[models.products.access]
read = "price > 0.0"
"#;

fn app() -> App {
    let files = vec![
        (PathBuf::from("mainstay.toml"), "name = \"a\"\n".to_owned()),
        (PathBuf::from("modules/shop/module.toml"), MODULE.to_owned()),
    ];
    load_sources(files).app.expect("the app is right")
}

fn path(text: &str) -> Vec<String> {
    text.split('.').map(str::to_owned).collect()
}

fn planned(dialect: Dialect) -> String {
    let app = app();
    let model = app.model_named("shop.products").expect("it is there");
    let amount = |function, of: Option<&str>| Amount {
        function,
        path: of.map(path),
    };
    let asked = Aggregate {
        model: model.id,
        filter: Some("price < 100.0".to_owned()),
        plain: Vec::new(),
        group_by: vec![path("category.name"), path("created_at.month")],
        aggregates: vec![
            amount(Function::Count, None),
            amount(Function::Avg, Some("price")),
            amount(Function::Sum, Some("stock")),
        ],
        having: Some("avg_price > 1.5 && created_at.month != '2026-01'".to_owned()),
        sort: vec![SortTerm {
            path: path("sum_stock"),
            descending: true,
        }],
        limit: Some(10),
    };
    let principal = Principal::user(spec::Uuid::nil(), None, std::sync::Arc::from([]));
    let caller = Caller {
        principal: &principal,
        now: 0,
    };
    let resolver = Resolver {
        app: &app,
        caller,
        limits: &app.settings.limits,
    };
    let aggregation = resolver.aggregate(model, &asked).expect("names");
    let planner = Planner {
        app: &app,
        dialect,
        caller,
    };
    let statement = planner.aggregate(&aggregation).expect("a statement");
    // A line for each clause.
    let mut text = statement.text;
    for clause in [
        " FROM ",
        " LEFT JOIN ",
        " WHERE ",
        " GROUP BY ",
        " ORDER BY ",
    ] {
        text = text.replace(clause, &format!("\n{}", &clause[1..]));
    }
    format!("{text}\n{:?}", statement.params)
}

#[test]
fn an_aggregate_is_a_statement_of_two_levels() {
    insta::assert_snapshot!("sqlite", planned(Dialect::Sqlite));
    insta::assert_snapshot!("postgres", planned(Dialect::Postgres));
}
