//! Undeclared fields of an open model: `filter` compares them, and nothing else knows their names.

use mainstay_tests::*;
use plan::operation::PlainOp;
use serde_json::json;

const APP: &str = r#"
## modules/m/module.toml
[models.things]
open = true
[models.things.fields]
name = { type = "string", optional = true }
[models.things.access]
read = "true"
create = "true"
update = "true"
"#;

const M: &str = "m.things";

each_store!(
    undeclared_fields_are_known_to_filter_alone,
    APP,
    async |fx| {
        let who = user(1);
        for colour in ["red", "blue"] {
            let body = json!({"name": colour, "colour": colour, "at": {"x": 1}});
            fx.create(&who, M, body).await.ok();
        }
        let list = async |query: Query| fx.list(&who, M, query).await;
        let found = list(Query::new().filter("colour == 'red' && at.x == 1")).await;
        let found = found.data();
        assert_eq!(found.len(), 1);
        assert_eq!(found[0]["colour"], "red", "a whole record has them");
        for (query, code) in [
            (Query::new().fields("colour"), "request.bad_fields"),
            (Query::new().fields("name,colour"), "request.bad_fields"),
            (Query::new().sort("colour"), "request.bad_sort"),
            (Query::new().sort("-at.x"), "request.bad_sort"),
            (Query::new().expand("colour"), "request.bad_expand"),
            (
                Query::new().plain("colour", PlainOp::Eq, &["red"]),
                "request.unknown_parameter",
            ),
            (
                Query::new().plain("colour", PlainOp::In, &["red"]),
                "request.unknown_parameter",
            ),
        ] {
            assert_eq!(list(query.clone()).await.code(), code, "{query:?}");
            let one = fx.one_with(&who, M, &id(&found[0]), query.clone()).await;
            if query.select != plan::operation::Select::default() {
                assert_eq!(one.code(), code, "{query:?}");
            }
        }
        // With `fields`, a record has the declared ones that are named.
        let named = list(Query::new().fields("name").sort("name")).await.data();
        assert_eq!(named, [json!({"name": "blue"}), json!({"name": "red"})]);
    }
);
