//! One kind of change after another, each with records in the tables.

use super::{all, app, migrating, ran, refused, things};
use mainstay_tests::*;
use serde_json::json;
use store::migrate::{Allow, Applied, Extras, Label};

/// Field, value, what the field becomes, and the value then.
const CONVERSIONS: &[(&str, &str, &str, &str)] = &[
    (
        "type = \"int\"",
        "-42",
        "type = \"decimal\", scale = 2",
        "\"-42.00\"",
    ),
    (
        "type = \"int\"",
        "9007199254740991",
        "type = \"float\"",
        "9007199254740991",
    ),
    ("type = \"int\"", "-7", "type = \"string\"", "\"-7\""),
    (
        "type = \"decimal\", scale = 2",
        "\"-0.05\"",
        "type = \"decimal\", scale = 4",
        "\"-0.0500\"",
    ),
    (
        "type = \"decimal\", scale = 2",
        "\"-12345.67\"",
        "type = \"string\"",
        "\"-12345.67\"",
    ),
    (
        "type = \"decimal\", scale = 2",
        "\"0.50\"",
        "type = \"text\"",
        "\"0.50\"",
    ),
    (
        "type = \"decimal\", scale = 0",
        "\"12\"",
        "type = \"int\"",
        "12",
    ),
    (
        "type = \"decimal\", scale = 0",
        "\"12\"",
        "type = \"string\"",
        "\"12\"",
    ),
    ("type = \"bool\"", "true", "type = \"string\"", "\"true\""),
    ("type = \"bool\"", "false", "type = \"int\"", "0"),
    (
        "type = \"uuid\"",
        "\"0a1b2c3d-0000-4000-8000-0000000000ff\"",
        "type = \"string\"",
        "\"0a1b2c3d-0000-4000-8000-0000000000ff\"",
    ),
    (
        "type = \"date\"",
        "\"0987-02-28\"",
        "type = \"string\"",
        "\"0987-02-28\"",
    ),
    (
        "type = \"date\"",
        "\"1969-12-31\"",
        "type = \"datetime\"",
        "\"1969-12-31T00:00:00.000000Z\"",
    ),
    (
        "type = \"datetime\"",
        "\"1969-12-31T23:59:59.000001Z\"",
        "type = \"string\"",
        "\"1969-12-31T23:59:59.000001Z\"",
    ),
    (
        "type = \"enum\", values = [\"a\", \"b\"]",
        "\"a\"",
        "type = \"string\"",
        "\"a\"",
    ),
    (
        "type = \"string\"",
        "\"a\"",
        "type = \"enum\", values = [\"a\", \"b\"]",
        "\"a\"",
    ),
    ("type = \"string\"", "\"é\"", "type = \"text\"", "\"é\""),
    (
        "type = \"list\", items = \"int\"",
        "[1,2]",
        "type = \"list\", items = \"float\"",
        "[1,2]",
    ),
    (
        "type = \"list\", items = \"string\"",
        "[\"a\"]",
        "type = \"json\"",
        "[\"a\"]",
    ),
    (
        "type = \"json\"",
        "[true]",
        "type = \"list\", items = \"bool\"",
        "[true]",
    ),
    // These lose something, and say so.
    (
        "type = \"decimal\", scale = 3",
        "\"-1.125\"",
        "type = \"decimal\", scale = 2",
        "\"-1.13\"",
    ),
    (
        "type = \"decimal\", scale = 1",
        "\"2.5\"",
        "type = \"int\"",
        "3",
    ),
    (
        "type = \"datetime\"",
        "\"1969-12-31T23:59:59.999999Z\"",
        "type = \"date\"",
        "\"1969-12-31\"",
    ),
    (
        "type = \"decimal\", scale = 2",
        "\"0.25\"",
        "type = \"float\"",
        "0.25",
    ),
];

const LOSSY: usize = 4;

fn converted(which: usize) -> String {
    let fields: Vec<String> = CONVERSIONS
        .iter()
        .enumerate()
        .map(|(at, (from, _, to, _))| {
            let ty = [from, to][which];
            format!("f{at} = {{ {ty}, optional = true }}")
        })
        .collect();
    format!("n = {{ type = \"int\" }}\n{}", fields.join("\n"))
}

migrating!(
    values_are_converted_exactly,
    &things(&converted(0)),
    async |before| {
        let mut body = serde_json::Map::new();
        body.insert("n".to_owned(), json!(1));
        for (at, (_, value, ..)) in CONVERSIONS.iter().enumerate() {
            let value = serde_json::from_str(value).expect("JSON");
            body.insert(format!("f{at}"), value);
        }
        before
            .create(&system(), "shop.things", body.into())
            .await
            .ok();
        before
            .create(&system(), "shop.things", json!({"n": 2}))
            .await
            .ok();
        let after = things(&converted(1));
        let (_, applied) = before.migrate(&after, Allow::SLOW).await;
        let Ok(Applied::Refused(plan)) = applied else {
            panic!("{applied:?}")
        };
        assert_eq!(plan.label(), Some(Label::Destructive));
        let (fx, applied) = before.migrate(&after, Allow::EVERYTHING).await;
        let plan = ran(applied);
        if fx.on == On::Postgres {
            let lossy = |step: &&store::migrate::PlanStep| step.label == Label::Destructive;
            assert_eq!(plan.steps.iter().filter(lossy).count(), LOSSY, "{plan:?}");
        }
        let found = all(&fx, "shop.things", "n").await;
        for (at, (from, value, to, expected)) in CONVERSIONS.iter().enumerate() {
            let name = format!("f{at}");
            let expected: serde_json::Value = serde_json::from_str(expected).expect("JSON");
            assert_eq!(found[0][&name], expected, "{value}: {from} to {to}");
            assert!(found[1][&name].is_null(), "{from} to {to}");
        }
        assert!(fx.plan(Extras::Drop).await.is_empty());
        // The app works on what it has now.
        fx.create(
            &system(),
            "shop.things",
            json!({"n": 3, "f0": "1.5", "f2": "x"}),
        )
        .await
        .ok();
    }
);

migrating!(
    what_has_no_room_or_no_conversion_stays_as_it_is,
    &things("n = { type = \"int\" }\nname = { type = \"string\" }"),
    async |before| {
        let body = json!({"n": 9_007_199_254_740_991_i64, "name": "7"});
        before.create(&system(), "shop.things", body).await.ok();
        let wide = things("n = { type = \"decimal\", scale = 6 }\nname = { type = \"string\" }");
        let said = refused(before.migrate(&wide, Allow::EVERYTHING).await.1);
        assert!(
            said.contains(
                "1 record of shop.things has a value of n that does not fit decimals of scale 6"
            ),
            "{said}"
        );
        let number = things("n = { type = \"int\" }\nname = { type = \"int\" }");
        let said = refused(before.migrate(&number, Allow::EVERYTHING).await.1);
        assert!(
            said.contains("no conversion") && said.contains("data step"),
            "{said}"
        );
        assert!(before.plan(Extras::Drop).await.is_empty());
    }
);

/// Two hundred models, looked at and compared. A release build is held to 100 ms for planning alone
/// (`planning_two_hundred_models_takes_no_time`); this one is not optimised, and shares its machine.
fn two_hundred_models(on: On) {
    let mut module = String::new();
    for at in 0..200 {
        module.push_str(&format!("[models.m{at}.fields]\n"));
        for n in 0..8 {
            module.push_str(&format!(
                "f{n} = {{ type = \"string\", optional = true }}\n"
            ));
        }
        let to = at / 2;
        module.push_str(&format!("of = {{ type = \"relation\", to = \"m{to}\", optional = true, inverse = \"of{at}\" }}\n"));
    }
    super::run(on, &app(&module), async |fx| {
        let began = std::time::Instant::now();
        let plan = fx.plan(Extras::Drop).await;
        println!(
            "{on:?}: looked at 200 models and compared them in {:?}",
            began.elapsed()
        );
        assert!(plan.is_empty(), "{plan:?}");
        assert!(began.elapsed() < std::time::Duration::from_secs(10));
    });
}

on_each!(a_large_app_is_compared_quickly, two_hundred_models);

const SHOP: &str = r#"
[models.things.fields]
name = { type = "string", unique = true }
colour = { type = "string", optional = true }
[models.parts.fields]
of = { type = "relation", to = "things", on_delete = "cascade" }
n = { type = "int" }
"#;

const RENAMED: &str = r#"
[models.goods]
renamed_from = "things"
[models.goods.fields]
title = { type = "string", unique = true, renamed_from = "name" }
colour = { type = "string", optional = true }
[models.parts.fields]
whole = { type = "relation", to = "goods", on_delete = "cascade", renamed_from = "of" }
n = { type = "int" }
"#;

migrating!(renames_keep_everything, &app(SHOP), async |before| {
    let made = before
        .create(
            &system(),
            "shop.things",
            json!({"name": "a", "colour": "red"}),
        )
        .await
        .ok();
    let thing = id(&made);
    let part = json!({"of": thing, "n": 1});
    before.create(&system(), "shop.parts", part).await.ok();
    let (fx, applied) = before.migrate(&app(RENAMED), Allow::SLOW).await;
    let plan = ran(applied);
    let said = format!("{plan:?}");
    assert!(said.contains("rename table shop.things to goods"), "{said}");
    assert!(
        fx.plan(Extras::Drop).await.is_empty(),
        "{:?}",
        fx.plan(Extras::Drop).await
    );
    let goods = all(&fx, "shop.goods", "id").await;
    assert_eq!(
        (&goods[0]["title"], &goods[0]["colour"]),
        (&json!("a"), &json!("red"))
    );
    assert_eq!(goods[0]["id"], json!(thing));
    let parts = fx
        .list(&system(), "shop.parts", Query::new().expand("whole"))
        .await
        .data();
    assert_eq!(parts[0]["whole"]["title"], "a");
    // What was declared of them holds as before: unique, and the reference.
    let twice = fx
        .create(&system(), "shop.goods", json!({"title": "a"}))
        .await;
    assert_eq!(twice.code(), "data.conflict");
    let nowhere = json!({"whole": uid(9), "n": 2});
    assert!(fx.create(&system(), "shop.parts", nowhere).await.0.is_err());
    // The names are free for others.
    let both = format!(
        "{}\n[models.things.fields]\nname = {{ type = \"string\", unique = true }}\n",
        RENAMED
            .replace("renamed_from = \"things\"", "")
            .replace(", renamed_from = \"name\"", "")
    );
    let (_, applied) = fx.migrate(&app(&both), Allow::SAFE).await;
    ran(applied);
    // Old entries of the log keep the names of their time.
    let log = fx.changes().await;
    assert!(log.iter().any(|change| change.model == "things"), "{log:?}");
    fx.delete(&system(), "shop.goods", &thing).await.done();
    assert!(all(&fx, "shop.parts", "id").await.is_empty());
});

migrating!(
    what_becomes_required_needs_a_value,
    &things(
        "n = { type = \"int\" }\nsize = { type = \"int\", optional = true }\nneed = { type = \"int\" }"
    ),
    async |before| {
        for n in 1..=3 {
            let size = if n == 1 { json!(1) } else { json!(null) };
            let body = json!({"n": n, "size": size, "need": n});
            before.create(&system(), "shop.things", body).await.ok();
        }
        let bare = things(
            "n = { type = \"int\" }\nsize = { type = \"int\" }\nneed = { type = \"int\", optional = true }",
        );
        let said = refused(before.migrate(&bare, Allow::EVERYTHING).await.1);
        assert!(
            said.contains("2 records of shop.things have no size") && said.contains("backfill"),
            "{said}"
        );
        let filled = bare.replace(
            "size = { type = \"int\" }",
            "size = { type = \"int\", backfill = \"7\" }",
        );
        let (fx, applied) = before.migrate(&filled, Allow::SLOW).await;
        ran(applied);
        let sizes: Vec<i64> = all(&fx, "shop.things", "n")
            .await
            .iter()
            .filter_map(|thing| thing["size"].as_i64())
            .collect();
        assert_eq!(sizes, [1, 7, 7]);
        // The backfill is for what was there; new records say it themselves.
        let missing = fx.create(&system(), "shop.things", json!({"n": 4})).await;
        assert!(missing.0.is_err());
        fx.create(&system(), "shop.things", json!({"n": 4, "size": 1}))
            .await
            .ok();
        assert!(fx.plan(Extras::Drop).await.is_empty());
        // A new required field likewise.
        let more = format!("{filled}\nmore = {{ type = \"string\" }}");
        let said = refused(fx.migrate(&more, Allow::EVERYTHING).await.1);
        assert!(
            said.contains("shop.things.more") && said.contains("backfill"),
            "{said}"
        );
        let more = more.replace(
            "more = { type = \"string\"",
            "more = { type = \"string\", backfill = \"'x'\"",
        );
        let (fx, applied) = fx.migrate(&more, Allow::SAFE).await;
        ran(applied);
        assert_eq!(all(&fx, "shop.things", "n").await[0]["more"], "x");
    }
);

migrating!(
    values_that_are_no_longer_declared_are_counted,
    &things(
        "n = { type = \"int\", max = 9 }\nstate = { type = \"enum\", values = [\"a\", \"b\", \"c\"] }\nname = { type = \"string\" }"
    ),
    async |before| {
        for (n, state) in [(1, "a"), (2, "b"), (3, "b")] {
            let body = json!({"n": n, "state": state, "name": "a long name"});
            before.create(&system(), "shop.things", body).await.ok();
        }
        let with = |values: &str, max: u32| {
            things(&format!(
                "n = {{ type = \"int\", max = {max} }}\nstate = {{ type = \"enum\", values = [{values}] }}\nname = {{ type = \"string\", max = 5 }}"
            ))
        };
        let narrow = with("\"a\", \"c\"", 2);
        let (fx, applied) = before.migrate(&narrow, Allow::EVERYTHING).await;
        let said = refused(applied);
        assert!(
            said.contains(
                "2 records of shop.things have a state that is none of the declared values (b)"
            ),
            "{said}"
        );
        // A server with the narrower app runs, and says so.
        let plan = fx.plan(Extras::Keep).await;
        assert!(plan.is_settled() && plan.obstacles.len() == 1, "{plan:?}");
        // Bounds say what may be written: what is there stays.
        let noted: Vec<String> = plan.differences.iter().map(ToString::to_string).collect();
        assert_eq!(noted.len(), 2, "{noted:?}");
        assert!(
            noted
                .iter()
                .any(|one| one.contains("1 record of shop.things has a n beyond")),
            "{noted:?}"
        );
        assert!(
            noted
                .iter()
                .any(|one| one.contains("3 records of shop.things have a name of more than 5")),
            "{noted:?}"
        );
        let wide = with("\"a\", \"b\"", 2);
        let (fx, applied) = fx.migrate(&wide, Allow::SAFE).await;
        assert!(matches!(applied, Ok(Applied::Nothing(_))), "{applied:?}");
        // Said once; and a record that has too much can be written otherwise.
        assert!(fx.plan(Extras::Drop).await.is_empty());
        let record = &all(&fx, "shop.things", "n").await[2];
        let state = json!({"state": "a"});
        fx.update(&system(), "shop.things", &id(record), state)
            .await
            .ok();
    }
);

migrating!(
    uniqueness_comes_and_goes,
    &things("name = { type = \"string\" }\nn = { type = \"int\", optional = true }"),
    async |before| {
        let mut ids = Vec::new();
        for name in ["same", "same", "other"] {
            let made = before
                .create(&system(), "shop.things", json!({"name": name}))
                .await
                .ok();
            ids.push(id(&made));
        }
        let unique = things(
            "name = { type = \"string\", unique = true }\nn = { type = \"int\", optional = true, unique = true }",
        );
        let (fx, applied) = before.migrate(&unique, Allow::SLOW).await;
        let said = refused(applied);
        assert!(
            said.contains("2 records of shop.things have the same name; make them differ first"),
            "{said}"
        );
        // Mended, it goes on. Many may have none.
        before
            .update(&system(), "shop.things", &ids[0], json!({"name": "mended"}))
            .await
            .ok();
        let (_, applied) = before.migrate(&unique, Allow::SLOW).await;
        ran(applied);
        assert!(fx.plan(Extras::Drop).await.is_empty());
        let twice = fx
            .create(&system(), "shop.things", json!({"name": "same"}))
            .await;
        assert_eq!(twice.code(), "data.conflict");
        // An older server comes back on this database, and runs.
        assert!(before.plan(Extras::Keep).await.is_settled());
        let (_, applied) = before
            .migrate(
                &things("name = { type = \"string\" }\nn = { type = \"int\", optional = true }"),
                Allow::NEEDED,
            )
            .await;
        assert!(matches!(applied, Ok(Applied::Nothing(_))), "{applied:?}");
        let (fx, applied) = before
            .migrate(
                &things("name = { type = \"string\" }\nn = { type = \"int\", optional = true }"),
                Allow::SAFE,
            )
            .await;
        ran(applied);
        fx.create(&system(), "shop.things", json!({"name": "same"}))
            .await
            .ok();
    }
);

const REFERRING: &str = r#"
[models.a.fields]
n = { type = "int" }
[models.b.fields]
n = { type = "int" }
[models.things.fields]
of = { type = "relation", to = "a", optional = true }
plain = { type = "uuid", optional = true }
"#;

migrating!(
    references_come_go_and_turn,
    &app(REFERRING),
    async |before| {
        let a = id(&before
            .create(&system(), "shop.a", json!({"n": 1}))
            .await
            .ok());
        let b = id(&before
            .create(&system(), "shop.b", json!({"n": 1}))
            .await
            .ok());
        let thing = json!({"of": a, "plain": b});
        let thing = id(&before.create(&system(), "shop.things", thing).await.ok());
        let turned = REFERRING
            .replace("to = \"a\"", "to = \"b\"")
            .replace("\"uuid\"", "\"relation\", to = \"b\", inverse = \"plains\"");
        // Where the keys are of another kind, the values cannot even be compared.
        let counted = turned.replace(
            "[models.b.fields]",
            "[models.b]\nid = \"int\"\n[models.b.fields]",
        );
        let counted = counted
            .replace("[models.b]", "[models.c]")
            .replace("models.b.", "models.c.");
        let counted = counted.replace("to = \"b\"", "to = \"c\"");
        let said = refused(before.migrate(&app(&counted), Allow::SLOW).await.1);
        assert!(said.contains("there is no conversion"), "{said}");
        let said = refused(before.migrate(&app(&turned), Allow::SLOW).await.1);
        assert!(
            said.contains(
                "1 record of shop.things refers by of to a record of shop.b that is not there"
            ),
            "{said}"
        );
        before
            .update(&system(), "shop.things", &thing, json!({"of": null}))
            .await
            .ok();
        let (fx, applied) = before.migrate(&app(&turned), Allow::SLOW).await;
        ran(applied);
        assert!(fx.plan(Extras::Drop).await.is_empty());
        assert!(
            fx.delete(&system(), "shop.b", &b).await.0.is_err(),
            "it is referred to"
        );
        fx.delete(&system(), "shop.a", &a).await.done();
        // Dropped, it holds nobody back, and the value stays.
        let plain = turned.replace("\"relation\", to = \"b\", inverse = \"plains\"", "\"uuid\"");
        let (fx, applied) = fx.migrate(&app(&plain), Allow::SLOW).await;
        ran(applied);
        fx.delete(&system(), "shop.b", &b).await.done();
        assert_eq!(all(&fx, "shop.things", "id").await[0]["plain"], json!(b));
        // What is no model any more goes, however it was referred to.
        let gone = app("[models.things.fields]\nplain = { type = \"uuid\", optional = true }\n");
        let (fx, applied) = fx.migrate(&gone, Allow::EVERYTHING).await;
        let plan = ran(applied);
        assert!(
            format!("{plan:?}").contains("drop table shop.a"),
            "{plan:?}"
        );
        assert!(fx.plan(Extras::Drop).await.is_empty());
    }
);

const CYCLE: &str = r#"
[models.a.fields]
of = { type = "relation", to = "b", optional = true, inverse = "in_a" }
[models.b.fields]
of = { type = "relation", to = "a", optional = true, inverse = "in_b" }
"#;

migrating!(
    models_that_refer_to_each_other_go_together,
    &app(CYCLE),
    async |before| {
        let a = id(&before.create(&system(), "shop.a", json!({})).await.ok());
        let b = id(&before
            .create(&system(), "shop.b", json!({"of": a}))
            .await
            .ok());
        before
            .update(&system(), "shop.a", &a, json!({"of": b}))
            .await
            .ok();
        let (fx, applied) = before
            .migrate(
                &app("[models.c.fields]\nn = { type = \"int\" }\n"),
                Allow::EVERYTHING,
            )
            .await;
        let plan = ran(applied);
        assert_eq!(plan.label(), Some(Label::Destructive));
        assert!(fx.plan(Extras::Drop).await.is_empty());
    }
);

migrating!(
    a_key_is_for_ever,
    &things("n = { type = \"int\" }"),
    async |before| {
        before
            .create(&system(), "shop.things", json!({"n": 1}))
            .await
            .ok();
        let other =
            app("[models.things]\nid = \"int\"\n[models.things.fields]\nn = { type = \"int\" }\n");
        let said = refused(before.migrate(&other, Allow::EVERYTHING).await.1);
        assert!(
            said.contains("keys are referred to") && said.contains("new model"),
            "{said}"
        );
    }
);

migrating!(
    an_open_model_closes_and_opens,
    &app("[models.things]\nopen = true\n[models.things.fields]\nn = { type = \"int\" }\n"),
    async |before| {
        let made = before
            .create(&system(), "shop.things", json!({"n": 1, "x": "y"}))
            .await
            .ok();
        let closed = things("n = { type = \"int\" }");
        let (fx, applied) = before.migrate(&closed, Allow::SLOW).await;
        ran(applied);
        // Nothing is lost, and nothing is in the way of new records.
        assert!(all(&fx, "shop.things", "n").await[0].get("x").is_none());
        fx.create(&system(), "shop.things", json!({"n": 2}))
            .await
            .ok();
        let plan = fx.plan(Extras::Keep).await;
        assert!(
            plan.steps.is_empty() && plan.differences[0].detail.contains("open = true"),
            "{plan:?}"
        );
        let open = "## modules/shop/module.toml\n[models.things]\nopen = true\n[models.things.fields]\nn = { type = \"int\" }\n";
        let (fx, applied) = fx.migrate(open, Allow::SLOW).await;
        ran(applied);
        let record = fx.one(&system(), "shop.things", &id(&made)).await.ok();
        assert_eq!(record["x"], "y");
        fx.create(&system(), "shop.things", json!({"n": 3, "x": 1}))
            .await
            .ok();
        let (fx, applied) = fx.migrate(&closed, Allow::EVERYTHING).await;
        ran(applied);
        assert!(fx.plan(Extras::Drop).await.is_empty());
    }
);

migrating!(
    what_was_altered_by_hand_is_brought_back,
    &things("name = { type = \"string\", unique = true }\nn = { type = \"int\", optional = true }"),
    async |fx| {
        fx.create(&system(), "shop.things", json!({"name": "a", "n": 1}))
            .await
            .ok();
        let (table, index) = match fx.on {
            On::Sqlite => ("shop__things", "shop__things_name_key"),
            On::Postgres => ("shop.things", "shop.things_name_key"),
        };
        for (sql, steps) in [
            (format!("drop index {index}"), 1),
            (format!("alter table {table} add column more integer"), 0),
            (format!("alter table {table} drop column n"), 1),
            (
                format!(
                    "create index {}_by_hand on {table} (name)",
                    if fx.on == On::Sqlite {
                        "shop__things"
                    } else {
                        "things"
                    }
                ),
                1,
            ),
        ] {
            fx.by_hand(&sql).await;
            let plan = fx.plan(Extras::Keep).await;
            assert_eq!(plan.steps.len(), steps, "{sql}: {plan:?}");
            let schema = plan::schema::schema(&fx.app);
            let applied = fx.store.apply(&schema, Allow::EVERYTHING).await;
            assert!(matches!(applied, Ok(Applied::Ran(_))), "{sql}: {applied:?}");
            let plan = fx.plan(Extras::Drop).await;
            assert!(plan.is_empty(), "{sql}: {plan:?}");
        }
        let found = all(fx, "shop.things", "name").await;
        assert_eq!(
            (&found[0]["name"], &found[0]["n"]),
            (&json!("a"), &json!(null))
        );
    }
);
