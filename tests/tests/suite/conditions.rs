//! Filters that one store would answer otherwise than the other.

use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/m/module.toml
[models.items.fields]
flag  = { type = "bool" }
attrs = { type = "json", optional = true }
n     = { type = "int", optional = true }
nums  = { type = "list", items = "int", optional = true }
next  = { type = "relation", to = "items", optional = true, inverse = "before" }
[models.items.access]
read = "true"
create = "true"
"#;

const M: &str = "m.items";

each_store!(a_choice_of_texts_has_the_order_of_texts, APP, async |fx| {
    for flag in [true, false] {
        fx.create(&user(1), M, json!({ "flag": flag })).await.ok();
    }
    for (filter, found) in [
        ("(flag ? 'Z' : 'a') < 'b'", 2),
        ("'b' > (flag ? 'Z' : 'a')", 2),
        ("(flag ? 'Z' : 'a') < (flag ? 'a' : 'Z')", 1),
        ("(flag ? 'Z' : 'a').startsWith('Z')", 1),
        ("(flag ? 'e\u{301}' : 'x') == 'é'", 0),
    ] {
        let query = Query::new().filter(filter).count();
        let page = fx.list(&user(1), M, query).await.ok();
        assert_eq!(page["count"], found, "{filter}");
    }
});

each_store!(a_json_key_that_sqlite_cannot_name, APP, async |fx| {
    let attrs = json!({"a\"b": 1, "a\\b": 1, "a'b": 1, "a b": 1, "": 1});
    let body = json!({"flag": true, "attrs": attrs});
    fx.create(&user(1), M, body).await.ok();
    for key in [r#"a"b"#, r"a\\b"] {
        let filter = format!("attrs['{key}'] == 1");
        let reply = fx.list(&user(1), M, Query::new().filter(&filter)).await;
        assert_eq!(reply.code(), "request.bad_filter", "{filter}");
        let detail = &reply.problem().detail;
        assert!(detail.contains("a quote or a backslash"), "{detail}");
    }
    for key in [r"a\'b", "a b", ""] {
        let filter = format!("attrs['{key}'] == 1");
        let query = Query::new().filter(&filter).count();
        let page = fx.list(&user(1), M, query).await.ok();
        assert_eq!(page["count"], 1, "{filter}");
    }
});

each_store!(a_loop_in_a_list_that_is_written_out, APP, async |fx| {
    let body = json!({"flag": true, "n": 1, "nums": [1, 5], "attrs": {"list": ["a", "b"]}});
    let first = id(&fx.create(&user(1), M, body).await.ok());
    let body = json!({"flag": false, "n": 2, "nums": [7], "next": first});
    fx.create(&user(1), M, body).await.ok();
    for (filter, found) in [
        ("[1, 2].exists(x, nums.exists(y, y == x))", 1),
        ("[1, 2].exists(x, nums.exists(y, y > x + 4))", 1),
        ("[5, 7].exists(x, nums.exists(y, y == x && y > n))", 2),
        ("[1, 2].exists(x, before.exists(b, b.n == x))", 1),
        (
            "[1, 2].exists(x, before.exists(b, b.nums.exists(y, y > x)))",
            1,
        ),
        ("[1, 2].all(x, before.exists(b, b.n >= x))", 1),
        ("['a', 'c'].exists(x, attrs.list.exists(y, y == x))", 1),
        ("[true].exists(x, flag == x)", 1),
        ("(nums.exists(y, y > 6) ? 7 : 1) in nums", 2),
    ] {
        let query = Query::new().filter(filter).count();
        let page = fx.list(&user(1), M, query).await.ok();
        assert_eq!(page["count"], found, "{filter}");
    }
});
