//! What becomes of the index when its model changes.

use mainstay_tests::*;
use serde_json::{Value as Json, json};
use store::migrate::{Allow, Applied, Extras, Label};

fn app(model: &str) -> String {
    format!(
        "## modules/shop/module.toml\n{model}\n[models.others.fields]\nname = {{ type = \"string\" }}\n"
    )
}

fn things(search: &str, fields: &str) -> String {
    app(&format!(
        "[models.things]\n{search}\n[models.things.fields]\n{fields}"
    ))
}

const FIELDS: &str = "name = { type = \"string\" }\nbody = { type = \"text\", optional = true }";

async fn found(fx: &Fixture, model: &str, search: &str) -> Vec<String> {
    let found = fx
        .list(&system(), model, Query::new().search(search))
        .await
        .data();
    let name = |one: &Json| {
        let name = one.get("name").or_else(|| one.get("title"));
        name.and_then(Json::as_str).expect("a name").to_owned()
    };
    found.iter().map(name).collect()
}

async fn settled(fx: &Fixture) {
    for extras in [Extras::Keep, Extras::Drop] {
        let plan = fx.plan(extras).await;
        assert!(plan.is_empty(), "{plan:#?}");
    }
}

on_each!(a_search_is_added_changed_and_removed, |on| {
    crate::migrations::run(on, &things("", FIELDS), async |fx| {
        for (name, body) in [("red", "a shoe"), ("blue", "a hat"), ("shoe", "of wood")] {
            fx.create(
                &system(),
                "shop.things",
                json!({"name": name, "body": body}),
            )
            .await
            .ok();
        }
        // What there is, is found.
        let searched = things("search = [\"name\"]", FIELDS);
        let (refused, applied) = fx.migrate(&searched, Allow::SAFE).await;
        let Ok(Applied::Refused(plan)) = applied else {
            panic!("{applied:?}");
        };
        assert_eq!(plan.steps.len(), 1);
        assert_eq!(plan.steps[0].label, Label::Slow);
        assert_eq!(plan.steps[0].summary, "search shop.things by name");
        drop(refused);
        let fx = fx.later(&searched).await;
        settled(&fx).await;
        assert_eq!(found(&fx, "shop.things", "shoe").await, ["shoe"]);
        // Another field.
        let fx = fx
            .later(&things("search = [\"body\", \"name\"]", FIELDS))
            .await;
        settled(&fx).await;
        assert_eq!(found(&fx, "shop.things", "shoe").await, ["shoe", "red"]);
        let body = json!({"name": "new", "body": "shoe"});
        fx.create(&system(), "shop.things", body).await.ok();
        assert_eq!(
            found(&fx, "shop.things", "shoe").await,
            ["new", "shoe", "red"]
        );
        // A change of something else makes the table anew on SQLite: the index stays true.
        let optional = FIELDS.replace("\"string\"", "\"string\", optional = true");
        let fx = fx
            .later(&things("search = [\"body\", \"name\"]", &optional))
            .await;
        settled(&fx).await;
        fx.create(
            &system(),
            "shop.things",
            json!({"body": "one more shoe", "name": "x"}),
        )
        .await
        .ok();
        assert_eq!(
            found(&fx, "shop.things", "shoe").await,
            ["new", "shoe", "x", "red"]
        );
        // Gone when that is allowed.
        let unsearched = things("", &optional);
        let (fx, applied) = fx.migrate(&unsearched, Allow::SAFE).await;
        let Ok(Applied::Nothing(plan)) = applied else {
            panic!("{applied:?}");
        };
        assert_eq!(plan.differences.len(), 1, "{plan:?}");
        fx.create(
            &system(),
            "shop.things",
            json!({"body": "written meanwhile", "name": "y"}),
        )
        .await
        .ok();
        let (fx, applied) = fx.migrate(&unsearched, Allow::EVERYTHING).await;
        assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}");
        settled(&fx).await;
        fx.create(
            &system(),
            "shop.things",
            json!({"body": "and later", "name": "z"}),
        )
        .await
        .ok();
    });
});

on_each!(a_search_goes_along_with_names_and_types, |on| {
    let before = things("search = [\"name\", \"body\"]", FIELDS);
    crate::migrations::run(on, &before, async |fx| {
        settled(fx).await;
        fx.create(
            &system(),
            "shop.things",
            json!({"name": "red", "body": "shoe"}),
        )
        .await
        .ok();
        let renamed = FIELDS.replace("name = {", "title = { renamed_from = \"name\",");
        let fx = fx
            .later(&things("search = [\"title\", \"body\"]", &renamed))
            .await;
        settled(&fx).await;
        assert_eq!(found(&fx, "shop.things", "red shoe").await, ["red"]);
        let fx = fx
            .later(&app(&format!(
                "[models.goods]\nrenamed_from = \"things\"\nsearch = [\"title\", \"body\"]\n[models.goods.fields]\n{renamed}"
            )))
            .await;
        settled(&fx).await;
        fx.create(
            &system(),
            "shop.goods",
            json!({"title": "blue", "body": "shoe"}),
        )
        .await
        .ok();
        assert_eq!(found(&fx, "shop.goods", "shoe").await, ["blue", "red"]);
        // A number becomes text, and is found as such.
        let goods = |search: &str, count: &str| {
            app(&format!(
                "[models.goods]\nsearch = [{search}]\n[models.goods.fields]\n{renamed}\ncount = {{ type = \"{count}\", optional = true }}"
            ))
        };
        let fx = fx.later(&goods("\"title\"", "int")).await;
        fx.create(
            &system(),
            "shop.goods",
            json!({"title": "many", "count": 42}),
        )
        .await
        .ok();
        let fx = fx.later(&goods("\"title\", \"count\"", "string")).await;
        assert_eq!(found(&fx, "shop.goods", "42").await, ["many"]);
        let plan = fx.plan(Extras::Keep).await;
        assert!(
            plan.is_settled() && plan.differences.len() == 1,
            "{plan:#?}"
        );
        // The model goes, and so does the index.
        let (fx, applied) = fx.migrate(&app(""), Allow::EVERYTHING).await;
        assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}");
        settled(&fx).await;
    });
});

on_each!(what_was_altered_by_hand_is_made_anew, |on| {
    let app = things("search = [\"name\"]", FIELDS);
    crate::migrations::run(on, &app, async |fx| {
        fx.create(&system(), "shop.things", json!({"name": "red"}))
            .await
            .ok();
        let sql = match on {
            On::Sqlite => "DROP TRIGGER \"shop___things_search_insert\"",
            On::Postgres => "DROP TRIGGER \"_things_search\" ON shop.things",
        };
        fx.by_hand(sql).await;
        fx.create(&system(), "shop.things", json!({"name": "red hat"}))
            .await
            .ok();
        assert_eq!(found(fx, "shop.things", "red").await, ["red"]);
        let fx = fx.later(&app).await;
        settled(&fx).await;
        assert_eq!(found(&fx, "shop.things", "red").await, ["red", "red hat"]);
    });
});

on_each!(a_search_that_goes_is_in_nobody_s_way, |on| {
    let before = things("search = [\"name\"]", FIELDS);
    crate::migrations::run(on, &before, async |fx| {
        fx.create(&system(), "shop.things", json!({"name": "x"}))
            .await
            .ok();
        // Its triggers know the column by its old name.
        let after = "title = { type = \"string\", renamed_from = \"name\" }\n\
                     body = { type = \"text\", optional = true }";
        let (fx, applied) = fx.migrate(&things("", after), Allow::SAFE).await;
        assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}");
        let made = fx
            .create(&system(), "shop.things", json!({"title": "y"}))
            .await
            .ok();
        fx.update(&system(), "shop.things", &id(&made), json!({"title": "z"}))
            .await
            .ok();
        settled(&fx).await;
    });
});

on_each!(servers_of_before_and_after_search_side_by_side, |on| {
    let fields = format!("{FIELDS}\nrank = {{ type = \"string\", default = \"''\" }}");
    let searching = |search: &str| things(&format!("search = [{search}]"), &fields);
    let before = searching("\"name\", \"body\"");
    crate::migrations::run(on, &before, async |first| {
        let shoe = |name: &str| json!({"name": name, "body": "a shoe", "rank": "first"});
        first
            .create(&system(), "shop.things", shoe("red"))
            .await
            .ok();
        // A field less: nothing is to be done, and both go on.
        let less = searching("\"name\"");
        let (after, applied) = first.migrate(&less, Allow::SAFE).await;
        let Ok(Applied::Nothing(plan)) = applied else {
            panic!("{applied:?}");
        };
        let notes: Vec<String> = plan.differences.iter().map(ToString::to_string).collect();
        assert_eq!(
            notes,
            [
                "shop.things (search): the model searches body no more; `mainstay migrate apply --drop` makes the index \
                 without"
            ]
        );
        after
            .create(&system(), "shop.things", shoe("blue"))
            .await
            .ok();
        assert_eq!(found(first, "shop.things", "shoe").await, ["blue", "red"]);
        assert_eq!(found(&after, "shop.things", "shoe").await, [""; 0]);
        assert_eq!(found(&after, "shop.things", "blue").await, ["blue"]);
        // Another one, in front of it; what the first one searches stays.
        let after = first.later(&searching("\"rank\", \"name\"")).await;
        after
            .create(&system(), "shop.things", shoe("green"))
            .await
            .ok();
        assert_eq!(
            found(first, "shop.things", "shoe").await,
            ["green", "blue", "red"]
        );
        assert_eq!(
            found(&after, "shop.things", "first").await,
            ["green", "blue", "red"]
        );
        // A rollback starts.
        for fx in [first, &after] {
            assert!(fx.plan(Extras::Keep).await.is_settled());
        }
        // Until somebody says that nobody goes back.
        let after = searching("\"rank\", \"name\"");
        let (after, applied) = first.migrate(&after, Allow::EVERYTHING).await;
        assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}");
        settled(&after).await;
        assert_eq!(found(&after, "shop.things", "green").await, ["green"]);
        let list = Query::new().search("shoe");
        let reply = first.list(&system(), "shop.things", list).await;
        assert_eq!(reply.code(), "store.migrated", "{:?}", reply.problem());
        // What the tables have, it still reads.
        let all = first.list(&system(), "shop.things", Query::new()).await;
        assert_eq!(all.data().len(), 3);
        let steps = first.plan(Extras::Keep).await.steps;
        let steps: Vec<&str> = steps.iter().map(|step| &*step.summary).collect();
        assert_eq!(
            steps,
            [
                "drop the search of shop.things",
                "search shop.things by name, body, rank"
            ]
        );
    });
});

on_each!(a_server_whose_tables_were_migrated_away_says_so, |on| {
    let before = things(
        "",
        "name = { type = \"string\" }\nsize = { type = \"int\" }",
    );
    crate::migrations::run(on, &before, async |first| {
        let made = first
            .create(&system(), "shop.things", json!({"name": "a", "size": 1}))
            .await
            .ok();
        let after = things(
            "",
            "title = { type = \"string\", renamed_from = \"name\" }\nsize = { type = \"string\" }",
        );
        let after = first.later(&after).await;
        let key = id(&made);
        let body = || json!({"name": "b", "size": 2});
        for reply in [
            first.one(&system(), "shop.things", &key).await,
            first.list(&system(), "shop.things", Query::new()).await,
            first.create(&system(), "shop.things", body()).await,
            first.update(&system(), "shop.things", &key, body()).await,
            first.replace(&system(), "shop.things", &key, body()).await,
        ] {
            assert_eq!(reply.code(), "store.migrated", "{:?}", reply.problem());
        }
        let now = after.one(&system(), "shop.things", &key).await.ok();
        assert_eq!((&now["title"], &now["size"]), (&json!("a"), &json!("1")));
    });
});
