//! What a migration leaves alone, and what is not in its way.

use super::*;
use serde_json::json;
use spec::schema::TableName;
use store::migrate::{Allow, Extras};

/// The name of a table, as the store has it.
fn table(fx: &Fixture, name: &str) -> String {
    let dialect = fx.store.dialect();
    TableName::new("shop", name).sql(dialect)
}

migrating!(
    tables_of_others_are_left_alone,
    &things("name = { type = \"string\" }"),
    async |fx| {
        let theirs = table(fx, "report");
        fx.by_hand(&format!("create table {theirs} (n integer)"))
            .await;
        fx.by_hand(&format!("insert into {theirs} (n) values (1)"))
            .await;
        let plan = fx.plan(Extras::Drop).await;
        assert!(plan.steps.is_empty(), "{plan:?}");
        let note = plan.differences.first().map(ToString::to_string);
        assert!(note.is_some_and(|note| note.contains("somebody else's")));
        let wider = things("name = { type = \"string\" }\nn = { type = \"int\", optional = true }");
        let (fx, applied) = fx.migrate(&wider, Allow::EVERYTHING).await;
        ran(applied);
        fx.by_hand(&format!("insert into {theirs} (n) values (2)"))
            .await;
    }
);

migrating!(
    what_loses_values_drops_nothing_else,
    &things(
        "n = { type = \"decimal\", scale = 4 }\nearlier = { type = \"string\", optional = true }"
    ),
    async |fx| {
        let body = json!({"n": "1.2345", "earlier": "kept"});
        fx.create(&system(), "shop.things", body).await.ok();
        let narrow = things("n = { type = \"decimal\", scale = 2 }");
        let (fx, applied) = fx.migrate(&narrow, Allow::DESTRUCTIVE).await;
        ran(applied);
        assert_eq!(all(&fx, "shop.things", "n").await[0]["n"], "1.23");
        let back = things(
            "n = { type = \"decimal\", scale = 2 }\nearlier = { type = \"string\", optional = true }",
        );
        let (fx, applied) = fx.migrate(&back, Allow::SAFE).await;
        assert!(applied.is_ok(), "{applied:?}");
        assert_eq!(all(&fx, "shop.things", "n").await[0]["earlier"], "kept");
    }
);

migrating!(
    unique_numbers_are_converted_together,
    &things("n = { type = \"int\", unique = true }"),
    async |fx| {
        for n in [1, 100, 10_000] {
            let body = json!({"n": n});
            fx.create(&system(), "shop.things", body).await.ok();
        }
        let decimal = things("n = { type = \"decimal\", scale = 2, unique = true }");
        let (fx, applied) = fx.migrate(&decimal, Allow::SLOW).await;
        ran(applied);
        let numbers: Vec<Json> = all(&fx, "shop.things", "n")
            .await
            .iter()
            .map(|record| record["n"].clone())
            .collect();
        assert_eq!(numbers, ["1.00", "100.00", "10000.00"]);
        let twice = fx
            .create(&system(), "shop.things", json!({"n": "100"}))
            .await;
        assert_eq!(twice.code(), "data.conflict");
        assert!(fx.plan(Extras::Drop).await.is_empty());
    }
);

migrating!(
    a_name_is_free_when_its_table_is_gone,
    &app(
        "[models.things.fields]\nname = { type = \"string\" }\n[models.labels.fields]\nname = { type = \"string\" }\n"
    ),
    async |fx| {
        let body = json!({"name": "a"});
        fx.create(&system(), "shop.things", body).await.ok();
        // What is known of it stays until the next migration.
        fx.by_hand(&format!("drop table {}", table(fx, "labels")))
            .await;
        let renamed = app(
            "[models.labels]\nrenamed_from = \"things\"\n[models.labels.fields]\nname = { type = \"string\" }\n",
        );
        let (fx, applied) = fx.migrate(&renamed, Allow::SAFE).await;
        ran(applied);
        assert_eq!(all(&fx, "shop.labels", "name").await[0]["name"], "a");
        assert!(fx.plan(Extras::Drop).await.is_empty());
    }
);

migrating!(
    indexes_of_two_models_are_told_apart,
    &app(
        "[models.team.fields]\nmember_code = { type = \"string\", unique = true }\n\
         [models.team_member.fields]\ncode = { type = \"string\", unique = true }\n"
    ),
    async |fx| {
        assert!(fx.plan(Extras::Drop).await.is_empty());
        for (model, field) in [("shop.team", "member_code"), ("shop.team_member", "code")] {
            let body = json!({ field: "x" });
            fx.create(&system(), model, body.clone()).await.ok();
            let twice = fx.create(&system(), model, body).await;
            assert_eq!(twice.code(), "data.conflict", "{model}");
        }
    }
);
