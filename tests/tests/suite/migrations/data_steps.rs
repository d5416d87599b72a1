//! The app's own SQL, run once.

use super::{all, migrating, ran, refused, things};
use mainstay_tests::*;
use serde_json::json;
use store::migrate::{Allow, Applied, Extras};

const BEFORE: &str = "name = { type = \"string\" }";
const AFTER: &str =
    "name = { type = \"string\" }\nfirst = { type = \"string\" }\nlast = { type = \"string\" }";

/// The table has a name on each store.
const SPLIT: &str = "
## migrations/2026-11-28-split-name.sqlite.sql
update shop__things set first = substr(name, 1, instr(name, ' ') - 1);
update shop__things set last = substr(name, instr(name, ' ') + 1);
## migrations/2026-11-28-split-name.postgres.sql
update shop.things set first = split_part(name, ' ', 1);
update shop.things set last = split_part(name, ' ', 2);
";

fn with(fields: &str, steps: &str) -> String {
    format!("{}{steps}", things(fields))
}

migrating!(
    a_data_step_fills_what_becomes_required,
    &things(BEFORE),
    async |before| {
        for name in ["Ada Lovelace", "Alan Turing"] {
            before
                .create(&system(), "shop.things", json!({"name": name}))
                .await
                .ok();
        }
        let app = with(AFTER, SPLIT);
        let (_, applied) = before.migrate(&app, Allow::SAFE).await;
        assert!(matches!(applied, Ok(Applied::Refused(_))), "{applied:?}");
        let (fx, applied) = before.migrate(&app, Allow::SLOW).await;
        let plan = ran(applied);
        let said: Vec<&str> = plan
            .steps
            .iter()
            .map(|step| step.summary.as_str())
            .collect();
        assert!(
            said[..2].iter().all(|one| one.starts_with("add column")),
            "{said:?}"
        );
        assert_eq!(said[2], "run data step 2026-11-28-split-name");
        let found = all(&fx, "shop.things", "name").await;
        assert_eq!(
            (&found[0]["first"], &found[1]["last"]),
            (&json!("Ada"), &json!("Turing"))
        );
        assert!(
            fx.create(&system(), "shop.things", json!({"name": "x"}))
                .await
                .0
                .is_err()
        );
        // Once, and never again.
        assert!(fx.plan(Extras::Drop).await.is_empty());
        let history = fx.store.migrations().await.expect("a history");
        assert!(history[1].plan.contains("update shop"), "{history:?}");
        // One that ran stays as it was; line ends do not count.
        let same = app.replace("1);\n", "1);\r\n");
        assert_ne!(same, app);
        let (_, applied) = fx.migrate(&same, Allow::SLOW).await;
        assert!(matches!(applied, Ok(Applied::Nothing(_))), "{applied:?}");
        let changed = app
            .replace("split_part(name, ' ', 2)", "name")
            .replace("substr(name, instr(name, ' ') + 1)", "name");
        let said = refused(fx.migrate(&changed, Allow::EVERYTHING).await.1);
        assert!(
            said.contains("data step 2026-11-28-split-name") && said.contains("has changed since"),
            "{said}"
        );
        // Removed, it is not missed.
        let (_, applied) = fx.migrate(&things(AFTER), Allow::SAFE).await;
        assert!(matches!(applied, Ok(Applied::Nothing(_))), "{applied:?}");
    }
);

migrating!(
    a_data_step_that_fails_leaves_nothing,
    &things(BEFORE),
    async |before| {
        before
            .create(&system(), "shop.things", json!({"name": "Ada Lovelace"}))
            .await
            .ok();
        before
            .create(&system(), "shop.things", json!({"name": "Plato"}))
            .await
            .ok();
        let broken = with(AFTER, &SPLIT.replace("set last", "set no_such_column"));
        let (_, applied) = before.migrate(&broken, Allow::SLOW).await;
        let said = applied.expect_err("an error").to_string();
        assert!(
            said.contains("2026-11-28-split-name") && said.contains("Nothing was done"),
            "{said}"
        );
        // It did not do what the app needs of it.
        let short = with(
            AFTER,
            &SPLIT
                .replace(
                    "update shop__things set last",
                    "update shop__things set last = null; update shop__things set first",
                )
                .replace(
                    "update shop.things set last",
                    "update shop.things set last = null; update shop.things set first",
                ),
        );
        let said = refused(before.migrate(&short, Allow::SLOW).await.1);
        assert!(
            said.contains("2 records of shop.things have no last"),
            "{said}"
        );
        assert!(before.plan(Extras::Drop).await.is_empty());
    }
);

migrating!(
    a_data_step_that_ends_its_transaction_is_told_what_stays,
    &things(BEFORE),
    async |before| {
        let made = before
            .create(&system(), "shop.things", json!({"name": "Plato"}))
            .await
            .ok();
        // The loader finds these, and may not find all.
        for (then, failed) in [("", false), ("update no_such_table set a = 1;", true)] {
            let mut schema = plan::schema::schema(&fixture::load(&things(BEFORE)));
            let table = match before.on {
                On::Sqlite => "shop__things",
                On::Postgres => "shop.things",
            };
            let text = format!("update {table} set name = 'Kant'; commit; {then}");
            let text: std::sync::Arc<str> = text.into();
            schema.data_steps.push(spec::schema::DataStep {
                name: "2026-11-28-torn".to_owned(),
                sqlite: Some(text.clone()),
                postgres: Some(text),
            });
            let applied = before.store.apply(&schema, Allow::SLOW).await;
            let said = applied.expect_err("an error").to_string();
            let told = "data step 2026-11-28-torn ended the transaction that it runs in";
            assert!(
                said.contains(told) && said.contains("What was done before that stays"),
                "{said}"
            );
            assert!(!said.contains("Nothing was done"), "{said}");
            assert_eq!(said.contains("and then failed"), failed, "{said}");
            let now = before.one(&system(), "shop.things", &id(&made)).await.ok();
            assert_eq!(now["name"], "Kant");
        }
    }
);

/// What a new database never had is not to be carried over.
fn a_new_database_passes_over_data_steps(on: On) {
    super::run(on, &with(AFTER, SPLIT), async |fx| {
        assert!(fx.plan(Extras::Drop).await.is_empty());
        let more = "
## migrations/2026-11-29-later.sql
select 1;
## migrations/2026-11-27-earlier.sql
select 2;
";
        let (_, applied) = fx
            .migrate(&with(AFTER, &format!("{SPLIT}{more}")), Allow::SLOW)
            .await;
        let plan = ran(applied);
        let said: Vec<&str> = plan
            .steps
            .iter()
            .map(|step| step.summary.as_str())
            .collect();
        assert_eq!(
            said,
            [
                "run data step 2026-11-27-earlier",
                "run data step 2026-11-29-later"
            ]
        );
    });
}

on_each!(
    data_steps_are_for_old_databases,
    a_new_database_passes_over_data_steps
);
