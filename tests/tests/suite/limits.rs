//! Bounds, each named by who meets it; lists, counts and cursors; names that are not there.

use mainstay_tests::*;
use plan::operation::{Expand, PlainOp};
use serde_json::{Value as Json, json};

const APP: &str = r#"
[limits]
page = 50
page_default = 5
nested_page = 10
## modules/m/module.toml
[models.items.fields]
n     = { type = "int" }
name  = { type = "string", optional = true }
attrs = { type = "json", optional = true }
long  = { type = "text", optional = true }
wide  = { type = "string", max = 1500, optional = true }
less  = { type = "string", max = 1000, optional = true }
owner = { type = "relation", to = "auth.users", optional = true }
next  = { type = "relation", to = "items", optional = true, inverse = "before" }
[models.items.access]
read = "owner == null || owner == auth.id"
create = "true"
update = "true"
delete = "true"
"#;

const M: &str = "m.items";

each_store!(each_bound_is_named_by_who_meets_it, APP, async |fx| {
    let who = user(1);
    let large = fx.list(&who, M, Query::new().limit(51)).await;
    assert_eq!(
        (large.code(), large.problem().limit),
        ("limit.page", Some(("limits.page", 50)))
    );
    fx.list(&who, M, Query::new().limit(50)).await.ok();
    let deep = fx
        .list(&who, M, Query::new().expand("next.next.next.next"))
        .await;
    assert_eq!(
        (deep.code(), deep.problem().limit),
        ("limit.expand", Some(("limits.expand_depth", 3)))
    );
    fx.list(&who, M, Query::new().expand("next.next.next"))
        .await
        .ok();
    let mut query = Query::new();
    query.select.expand = vec![Expand {
        name: "before".into(),
        limit: Some(11),
        ..Expand::default()
    }];
    let nested = fx.list(&who, M, query).await;
    assert_eq!(
        (nested.code(), nested.problem().limit),
        ("limit.page", Some(("limits.nested_page", 10)))
    );
    let long = format!("name == '{}'", "x".repeat(4096));
    let long = fx.list(&who, M, Query::new().filter(&long)).await;
    assert_eq!(
        (long.code(), long.problem().limit),
        ("limit.filter", Some(("limits.filter", 4096)))
    );
    let many = vec!["n==1"; 250].join("||");
    let many = fx.list(&who, M, Query::new().filter(&many)).await;
    assert_eq!(
        (many.code(), many.problem().limit),
        ("limit.filter", Some(("limits.filter_nodes", 500)))
    );
    let nested = format!("{}n == 1{}", "(!(".repeat(40), "))".repeat(40));
    let nested = fx.list(&who, M, Query::new().filter(&nested)).await;
    assert_eq!(
        (nested.code(), nested.problem().limit),
        ("limit.filter", Some(("limits.filter_depth", 32)))
    );
    let sorts = fx
        .list(&who, M, Query::new().sort("n,name,n,name,n,name,n,name,n"))
        .await;
    assert_eq!(sorts.code(), "request.bad_sort");
    let values: Vec<String> = (0..101).map(|n| n.to_string()).collect();
    let values: Vec<&str> = values.iter().map(String::as_str).collect();
    let plain = fx
        .list(&who, M, Query::new().plain("n", PlainOp::In, &values))
        .await;
    assert_eq!(plain.code(), "request.bad_parameter");
});

each_store!(what_is_no_name_here_is_refused, APP, async |fx| {
    let who = user(1);
    for (query, code) in [
        (Query::new().filter("nmae == 'x'"), "request.bad_filter"),
        (Query::new().filter("n == 'x'"), "request.bad_filter"),
        (Query::new().filter("n"), "request.bad_filter"),
        (Query::new().filter("n =="), "request.bad_filter"),
        (Query::new().filter("n + 1 == 2"), "request.bad_filter"),
        (
            Query::new().filter("name.matches('a')"),
            "request.bad_filter",
        ),
        (Query::new().filter("1 / 0 == 1"), "request.bad_filter"),
        (Query::new().filter("old.n == 1"), "request.bad_filter"),
        (Query::new().filter(""), "request.bad_filter"),
        (Query::new().filter("name == '\0'"), "request.bad_filter"),
        (Query::new().sort("nmae"), "request.bad_sort"),
        (Query::new().sort("attrs"), "request.bad_sort"),
        (Query::new().sort("long"), "request.bad_sort"),
        (Query::new().sort("next.long"), "request.bad_sort"),
        (Query::new().sort("wide"), "request.bad_sort"),
        (Query::new().sort("less,id"), "ok"),
        (Query::new().sort("less,next.less"), "request.bad_sort"),
        (Query::new().sort("less,next.less,id"), "request.bad_sort"),
        (Query::new().sort("name.x"), "request.bad_sort"),
        (Query::new().sort("next"), "ok"),
        (Query::new().fields("nmae"), "request.bad_fields"),
        (Query::new().expand("nmae"), "request.bad_expand"),
        (Query::new().expand("name"), "request.bad_expand"),
        (
            Query::new().plain("nmae", PlainOp::Eq, &["x"]),
            "request.unknown_parameter",
        ),
        (
            Query::new().plain("n", PlainOp::Eq, &["x"]),
            "request.bad_parameter",
        ),
        (
            Query::new().plain("attrs", PlainOp::Eq, &["x"]),
            "request.bad_parameter",
        ),
        (Query::new().cursor("x"), "request.bad_cursor"),
        (Query::new().cursor(""), "request.bad_cursor"),
    ] {
        let reply = fx.list(&who, M, query.clone()).await;
        let word = if reply.0.is_ok() { "ok" } else { reply.code() };
        assert_eq!(word, code, "{query:?}");
    }
    let near = fx.list(&who, M, Query::new().sort("nmae")).await;
    assert!(near.problem().detail.contains("name"), "{}", near.problem());
});

async fn items(fx: &Fixture, count: i64) {
    for n in 0..count {
        let name = if n % 3 == 0 {
            Json::Null
        } else {
            json!(format!("x{}", n % 4))
        };
        fx.create(&system(), M, json!({"n": n, "name": name}))
            .await
            .ok();
    }
}

each_store!(a_list_has_pages_and_a_count, APP, async |fx| {
    items(fx, 12).await;
    fx.create(&system(), M, json!({"n": 99, "owner": uid(2)}))
        .await
        .ok();
    let first = fx
        .list(&user(1), M, Query::new().sort("n").count())
        .await
        .ok();
    assert_eq!(
        first["data"].as_array().map(Vec::len),
        Some(5),
        "page_default"
    );
    assert_eq!(first["count"], 12, "of what the caller may read");
    let zero = fx.list(&user(1), M, Query::new().limit(0).count()).await;
    assert!(zero.0.is_err() || zero.0.is_ok_and(|a| a.body().is_some()));
    let filtered = Query::new()
        .filter("n >= 3 && n < 9")
        .plain("n", PlainOp::Ne, &["4"])
        .count()
        .limit(50);
    let page = fx.list(&user(1), M, filtered).await.ok();
    assert_eq!(
        (&page["count"], page["data"].as_array().map(Vec::len)),
        (&json!(5), Some(5))
    );
    let exact = fx
        .list(&user(1), M, Query::new().sort("n").limit(12))
        .await
        .ok();
    assert_eq!(
        exact["next_cursor"],
        Json::Null,
        "the last page says so, also when it is full"
    );
    let listed = Query::new()
        .plain("n", PlainOp::In, &["1", "2", "99"])
        .sort("-n");
    let listed = fx.list(&user(2), M, listed).await.data();
    assert_eq!(
        listed.iter().map(|r| r["n"].clone()).collect::<Vec<_>>(),
        [json!(99), json!(2), json!(1)]
    );
});

each_store!(a_cursor_is_bound_to_who_asked_for_what, APP, async |fx| {
    items(fx, 12).await;
    let query = Query::new().sort("name,-n").filter("n < 11");
    let page = fx.list(&user(1), M, query.clone()).await.ok();
    let cursor = page["next_cursor"].as_str().expect("more pages").to_owned();
    let on = |query: Query| query.cursor(&cursor);
    fx.list(&user(1), M, on(query.clone())).await.ok();
    fx.list(&user(1), M, on(query.clone().limit(2).fields("n")))
        .await
        .ok();
    for (who, other) in [
        (user(2), query.clone()),
        (anonymous(), query.clone()),
        (user(1), Query::new().sort("name,-n")),
        (user(1), Query::new().sort("name,-n").filter("n < 12")),
        (user(1), Query::new().sort("name,n").filter("n < 11")),
        (user(1), Query::new().sort("name").filter("n < 11")),
        (user(1), query.clone().plain("n", PlainOp::Gt, &["0"])),
    ] {
        assert_eq!(
            fx.list(&who, M, on(other.clone())).await.code(),
            "request.bad_cursor",
            "{other:?}"
        );
    }
    assert_eq!(
        fx.list(&user(1), "auth.users", on(Query::new()))
            .await
            .code(),
        "request.bad_cursor"
    );
    let mut forged = cursor.clone().into_bytes();
    forged[30] = if forged[30] == b'A' { b'B' } else { b'A' };
    let forged = String::from_utf8(forged).expect("base64");
    assert_eq!(
        fx.list(&user(1), M, query.clone().cursor(&forged))
            .await
            .code(),
        "request.bad_cursor"
    );
    // What happens behind the cursor is seen, what happens before it is not.
    fx.create(&system(), M, json!({"n": -1, "name": "zzz"}))
        .await
        .ok();
    fx.create(&system(), M, json!({"n": -2, "name": null}))
        .await
        .ok();
    let rest = fx.list(&user(1), M, on(query).limit(50)).await.data();
    assert!(rest.iter().any(|r| r["n"] == -1) && !rest.iter().any(|r| r["n"] == -2));
});

each_store!(
    a_body_with_very_many_keys_is_refused_at_once,
    APP,
    async |fx| {
        let many: Vec<String> = (0..50_000).map(|n| format!("\"k{n}\":1")).collect();
        let body = format!("{{{}}}", many.join(","));
        let begun = std::time::Instant::now();
        let reply = fx.create_text(&user(1), M, &body).await;
        assert_eq!(reply.problem().limit, Some(("limits.members", 1000)));
        assert!(
            begun.elapsed() < std::time::Duration::from_millis(500),
            "{:?}",
            begun.elapsed()
        );
    }
);

/// `[0,1].exists(a, [0,1].exists(b, …))`, for lists of these lengths.
fn in_each_other(lengths: &[usize], body: &str) -> String {
    let mut filter = body.to_owned();
    for (length, name) in lengths.iter().zip(["a", "b", "c", "d"]).rev() {
        let items: Vec<String> = (0..*length).map(|n| n.to_string()).collect();
        filter = format!("[{}].exists({name}, {filter})", items.join(","));
    }
    filter
}

each_store!(lists_in_lists_of_a_filter_are_bounded, APP, async |fx| {
    items(fx, 12).await;
    for filter in [
        in_each_other(&[32, 32], "n == b || n == a"),
        in_each_other(&[100, 100, 100, 100], "n == d && n == a"),
        in_each_other(&[100, 100, 100, 100], "n == d"),
        in_each_other(&[10, 200], "n in [a, b] || attrs.x == b"),
        in_each_other(&[200], "n in [a, 1, 2, 3] || attrs.x in [4, 5, 6]"),
    ] {
        let begun = std::time::Instant::now();
        let reply = fx
            .list(&anonymous(), M, Query::new().filter(&filter).count())
            .await;
        assert_eq!(
            (reply.code(), reply.problem().limit),
            ("limit.filter", Some(("limits.filter_nodes", 500))),
            "{filter}"
        );
        let took = begun.elapsed();
        assert!(took < std::time::Duration::from_secs(5), "{took:?}");
    }
    // Each subject stands twice, and so does each subject in it.
    let doubled = (0..9).fold("name".to_owned(), |subject, _| {
        format!("({subject}.startsWith('x') ? name : 'y')")
    });
    let doubled = format!("{doubled}.startsWith('x')");
    let reply = fx.list(&user(1), M, Query::new().filter(&doubled)).await;
    assert_eq!(reply.code(), "limit.filter");

    for (filter, found) in [
        (in_each_other(&[10, 10], "n == a && n == b"), 10),
        (in_each_other(&[200], "n == a"), 12),
        (in_each_other(&[100], "a == n && n > 3"), 8),
        ("[1, 2].all(x, x != n)".to_owned(), 10),
        ("!['x1', 'x2'].exists(x, x == name)".to_owned(), 8),
    ] {
        let query = Query::new().filter(&filter).count();
        let page = fx.list(&user(1), M, query).await.ok();
        assert_eq!(page["count"], found, "{filter}");
    }
});

const ROLES: &str = r#"
## modules/m/module.toml
[models.items.fields]
n    = { type = "int" }
team = { type = "string" }
[models.items.access]
read   = "auth.roles.exists(r, r == team)"
create = "true"
update = "auth.roles.exists(r, r == team && n > 5)"
[models.notes.fields]
team = { type = "string" }
[models.notes.access]
read = "auth.roles.exists(r, team.startsWith(r) && size(team) > 3)"
"#;

each_store!(a_caller_may_have_very_many_roles, ROLES, async |fx| {
    let roles: Vec<String> = (0..1000).map(|n| format!("team{n}.")).collect();
    let roles: Vec<&str> = roles.iter().map(String::as_str).collect();
    let member = with_roles(1, &roles);
    for (n, team) in [(1, "team500."), (2, "team999."), (3, "other")] {
        fx.create(&system(), M, json!({"n": n, "team": team}))
            .await
            .ok();
        let team = format!("{team}x");
        fx.create(&system(), "m.notes", json!({"team": team}))
            .await
            .ok();
    }
    for (who, model, seen) in [
        (&member, M, 2),
        (&user(2), M, 0),
        (&member, "m.notes", 2),
        (&user(2), "m.notes", 0),
    ] {
        let page = fx.list(who, model, Query::new().count()).await.ok();
        assert_eq!(page["count"], seen, "{model}");
    }
});
