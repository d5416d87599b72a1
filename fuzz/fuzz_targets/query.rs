//! Any query string: read or refused, within the bounds on pages, depth and number, without an answer that
//! repeats at length what was sent.
#![no_main]

use api::rest::aggregate;
use api::rest::query::{parse_list, parse_nothing, parse_select};
use engine::operation::Expand;
use libfuzzer_sys::fuzz_target;
use spec::App;
use spec::load::load_sources;
use std::path::PathBuf;
use std::sync::LazyLock;

static APP: LazyLock<App> = LazyLock::new(|| {
    let module = r#"
[models.categories.fields]
name = { type = "string" }
parent = { type = "relation", to = "categories", optional = true }

[models.products.fields]
name = { type = "string" }
price = { type = "decimal", scale = 2 }
limit = { type = "int", optional = true }
category = { type = "relation", to = "categories" }
"#;
    let files = vec![
        (PathBuf::from("mainstay.toml"), "name = \"a\"\n".to_owned()),
        (PathBuf::from("modules/a/module.toml"), module.to_owned()),
    ];
    load_sources(files).app.expect("the app is right")
});

fn depth_and_number(level: &[Expand]) -> (u32, u32) {
    level.iter().fold((0, 0), |(deepest, number), node| {
        let (depth, below) = depth_and_number(&node.nested);
        (deepest.max(depth + 1), number + below + 1)
    })
}

fuzz_target!(|query: &str| {
    let limits = &APP.settings.limits;
    let model = APP.model_named("a.products").expect("it is there");
    match parse_list(Some(query), model, &APP) {
        Ok(list) => {
            assert!(list.limit.is_none_or(|l| (1..=limits.page).contains(&l)));
            assert!(list.plain.iter().all(|p| model.field_named(&p.field).is_some()));
            let (depth, number) = depth_and_number(&list.select.expand);
            assert!(depth <= limits.expand_depth && number <= limits.expand);
            assert!(list.filter.is_none_or(|f| !f.contains('\0')));
        }
        Err(problem) => {
            assert!((400..500).contains(&problem.status()));
            assert!(problem.detail.len() < 1000, "{}", problem.detail);
            assert!(!problem.detail.contains(char::is_control));
        }
    }
    match aggregate::parse(Some(query), model, &APP) {
        Ok(asked) => {
            assert!(asked.limit.is_none_or(|l| (1..=limits.groups).contains(&l)));
            assert!(asked.plain.iter().all(|p| model.field_named(&p.field).is_some()));
        }
        Err(problem) => {
            assert!((400..500).contains(&problem.status()));
            assert!(problem.detail.len() < 1000, "{}", problem.detail);
            assert!(!problem.detail.contains(char::is_control));
        }
    }
    let _ = parse_select(Some(query), model, &APP);
    let _ = parse_nothing(Some(query));
});
