//! Any query string is read or refused, within the bounds; the fuzz target `query` holds the same.

use crate::app::{app, products};
use api::rest::aggregate;
use api::rest::query::{parse_list, parse_select};
use engine::operation::Expand;
use proptest::prelude::*;

/// Pieces of query strings, so that chance gets past the first letter.
fn piece() -> impl Strategy<Value = String> {
    let known = prop::sample::select(vec![
        "filter=",
        "sort=",
        "limit=",
        "cursor=",
        "fields=",
        "expand=",
        "count=",
        "group_by=",
        "sum=",
        "avg=",
        "having=",
        "*",
        "search=",
        "exact",
        "status",
        "price",
        "[in]=",
        "[lte]=",
        "[eq]=",
        "[",
        "]",
        "=",
        "&",
        ",",
        ".",
        "(",
        ")",
        ":",
        "-",
        "limit:",
        "sort:",
        "reviews",
        "category",
        "parent",
        "name",
        "id",
        "a",
        "1",
        "0",
        "200",
        "201",
        "99999999999999999999",
        "%20",
        "%",
        "%C3",
        "%C3%A9",
        "%00",
        "+",
        "'",
        "true",
        "==",
        " ",
    ]);
    prop_oneof![8 => known.prop_map(str::to_owned), 1 => any::<String>(), 1 => "[a-z]{1,80}"]
}

fn depth_and_number(level: &[Expand]) -> (u32, u32) {
    let mut deepest = 0;
    let mut number = 0;
    for node in level {
        let (depth, below) = depth_and_number(&node.nested);
        deepest = deepest.max(depth + 1);
        number += below + 1;
    }
    (deepest, number)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn any_query_string_is_read_or_refused(pieces in prop::collection::vec(piece(), 0..40)) {
        let query = pieces.concat();
        let app = app_once();
        let model = products(app);
        let limits = &app.settings.limits;
        match parse_list(Some(&query), model, app) {
            Ok(list) => {
                prop_assert!(list.limit.is_none_or(|l| (1..=limits.page).contains(&l)));
                prop_assert!(list.plain.iter().all(|p| model.field_named(&p.field).is_some()));
                let (depth, number) = depth_and_number(&list.select.expand);
                prop_assert!(depth <= limits.expand_depth && number <= limits.expand);
                prop_assert!(list.filter.is_none_or(|f| !f.is_empty() && !f.contains('\0')));
            }
            Err(problem) => {
                prop_assert!((400..500).contains(&problem.status()));
                prop_assert!(problem.detail.len() < 600, "{}", problem.detail);
                prop_assert!(!problem.detail.contains(char::is_control));
            }
        }
        match aggregate::parse(Some(&query), model, app) {
            Ok(asked) => {
                prop_assert!(asked.limit.is_none_or(|l| (1..=limits.groups).contains(&l)));
                prop_assert!(asked.plain.iter().all(|p| model.field_named(&p.field).is_some()));
                let mut paths = asked.aggregates.iter().filter_map(|a| a.path.as_ref()).chain(&asked.group_by);
                prop_assert!(paths.all(|path| !path.is_empty() && path.iter().all(|name| !name.is_empty())));
            }
            Err(problem) => {
                prop_assert!((400..500).contains(&problem.status()));
                prop_assert!(problem.detail.len() < 600, "{}", problem.detail);
                prop_assert!(!problem.detail.contains(char::is_control));
            }
        }
        if let Err(problem) = parse_select(Some(&query), model, app) {
            prop_assert!((400..500).contains(&problem.status()));
        }
    }
}

fn app_once() -> &'static spec::App {
    static APP: std::sync::LazyLock<spec::App> = std::sync::LazyLock::new(app);
    &APP
}
