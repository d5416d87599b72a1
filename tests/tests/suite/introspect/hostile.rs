//! Names that would be something else where they are written: SQL, TOML, expressions, a terminal.

use super::on;
use mainstay_tests::existing::as_text;
use mainstay_tests::fixture::load;
use mainstay_tests::*;
use serde_json::json;
use spec::schema::quoted;

const NAMES: &[&str] = &[
    "a\"; DROP TABLE canary; --",
    "a\"\"\" = 1\n[models.evil.access]\nread = \"true\"\n#",
    "x' || (SELECT 1) || '",
    "line\nbreak",
    "carriage\rreturn",
    "tab\there",
    "\u{1b}[31mred",
    "\u{202e}right to left",
    "back\\slash\\\"",
    "$1",
    "{{template}}",
    "../../etc/passwd",
    "a.b.c",
    "select",
    "SELECT",
    "Order",
    "order",
    "ORDER",
    "table",
    "true",
    "in",
    "auth",
    "old",
    "now",
    "batch",
    "actions",
    "aggregate",
    "id ",
    " id",
    "__proto__",
    "größe",
    "日本語",
    "😀",
    "1starts_with_a_digit",
    "-",
    "a__b",
    "a_b",
    "0123456789012345678901234567890123456789012345678901234567890-x",
    "0123456789012345678901234567890123456789012345678901234567890-y",
];

/// A table of each name, with a column, an index, a check, an enumeration, a reference and a comment of each name.
fn tables() -> String {
    let text = |text: &str| format!("'{}'", text.replace('\'', "''"));
    let mut sql = String::from("CREATE TABLE canary (id serial PRIMARY KEY, name text);\n");
    for (at, name) in NAMES.iter().enumerate() {
        let q = quoted(name);
        let cut: String = name.chars().take(18).collect();
        let ty = quoted(&format!("t{at} {cut}"));
        let (index, check) = (
            quoted(&format!("i{at} {cut}")),
            quoted(&format!("c{at} {cut}")),
        );
        sql.push_str(&format!(
            "CREATE TYPE {ty} AS ENUM ({}, 'plain');
             CREATE TABLE {q} (
               \"the key\" serial PRIMARY KEY,
               {q} text DEFAULT {},
               \"kind of\" {ty} DEFAULT 'plain',
               up int REFERENCES {q},
               n int CONSTRAINT {check} CHECK (n > 0)
             );
             CREATE INDEX {index} ON {q} ({q});
             COMMENT ON TABLE {q} IS {};
             COMMENT ON COLUMN {q}.{q} IS {};\n",
            text(&cut),
            text(name),
            text(name),
            text(name),
        ));
    }
    sql
}

#[test]
fn names_of_any_kind_are_names() {
    on(&tables(), async |old| {
        let draft = old.draft(&["public"]).await;
        assert_eq!(draft.models, NAMES.len() + 1);
        // Nothing that is printed moves a cursor or ends its line.
        for one in &draft.listed {
            let line = one.to_string();
            let bad = |c: char| c.is_control() || c == '\u{202e}';
            assert!(!line.contains(bad), "{line:?}");
        }
        let text = as_text(&draft, "");
        let app = load(&text);
        assert!(app.model_named("shop.evil").is_none());
        for name in NAMES {
            let of = |m: &&spec::Model| m.existing.as_ref().is_some_and(|e| e.table.name == *name);
            let model = app
                .models
                .iter()
                .find(of)
                .unwrap_or_else(|| panic!("{name:?}"));
            assert_eq!(model.key_column(), "the key");
            assert!(model.field_in(name).is_some(), "{name:?}");
            assert!(matches!(model.access.read, spec::Rule::Deny), "{name:?}");
        }
        let before = old.catalogue(&["public"]).await;
        let (fx, client) = old.serve(&draft, "").await;
        for name in NAMES {
            let of = |m: &&spec::Model| m.existing.as_ref().is_some_and(|e| e.table.name == *name);
            let model = fx.app.models.iter().find(of).unwrap();
            let (full, field) = (
                model.full_name(),
                model.field_in(name).unwrap().name.clone(),
            );
            let kind = model.field_in("kind of").map(|field| field.name.clone());
            let made = fx.create(&admin(), &full, json!({"n": 1})).await.ok();
            // The default was the name itself.
            assert_eq!(made[&field], json!(name), "{name:?}");
            let value = format!("{name} again");
            let mut body = json!({&field: value, "up": made["id"]});
            if let Some(kind) = &kind {
                body[kind] = json!("plain");
            }
            let second = fx.create(&admin(), &full, body).await.ok();
            let query = Query::new()
                .plain(&field, plan::operation::PlainOp::Eq, &[&value])
                .sort(&format!("-{field}"))
                .expand("up");
            let found = fx.list(&admin(), &full, query).await.data();
            assert_eq!(found.len(), 1, "{name:?}");
            assert_eq!(found[0]["up"]["id"], made["id"]);
            let patched = fx
                .update(&admin(), &full, &id(&second), json!({&field: "x", "n": 2}))
                .await
                .ok();
            assert_eq!((&patched[&field], &patched["n"]), (&json!("x"), &json!(2)));
            let refused = fx
                .update(&admin(), &full, &id(&second), json!({"n": 0}))
                .await;
            assert_eq!(refused.errors(), ["/n check"], "{name:?}");
            fx.delete(&admin(), &full, &id(&second)).await.done();
            let list = fx.list(&anonymous(), &full, Query::new()).await.data();
            assert!(list.is_empty(), "{name:?}");
        }
        let canary = client.query_one("SELECT count(*) FROM canary", &[]).await;
        assert!(canary.is_ok());
        let Some(url) = fx.url() else { panic!("a URL") };
        let after = store::postgres::Postgres::connect(&url, Default::default())
            .await
            .expect("the database")
            .catalogue(&["public".to_owned()])
            .await
            .expect("a catalogue");
        assert_eq!(before.relations, after.relations);
        drop(client);
        fx.remove().await;
    });
}
