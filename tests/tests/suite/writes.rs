//! What a write may change, and what it does not.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/shop/module.toml
[models.categories.fields]
name = { type = "string", unique = true }
[models.categories.access]
read = "true"
create = "auth.id != null"
delete = "auth.id != null"

[models.products.fields]
name     = { type = "string" }
price    = { type = "decimal", scale = 2, check = "price > 0.0" }
stock    = { type = "int", default = "10", check = "stock >= 0 && stock <= 100" }
seller   = { type = "relation", to = "auth.users", default = "auth.id", immutable = true }
slug     = { type = "string", default = "name", optional = true }
category = { type = "relation", to = "categories", on_delete = "restrict", optional = true }
made     = { type = "date", default = "date(now)", immutable = true }
options  = { type = "json", optional = true }
tags     = { type = "list", items = "string", default = "['new']" }
internal = { type = "string", optional = true, write = "false" }
[models.products.access]
read = "true"
create = "auth.id != null"
update = "seller == auth.id"
delete = "seller == auth.id"

[models.reviews.fields]
product = { type = "relation", to = "products", on_delete = "cascade" }
text    = { type = "text" }
[models.reviews.access]
read = "true"
create = "auth.id != null"

[models.replies.fields]
review = { type = "relation", to = "reviews", on_delete = "cascade" }
[models.replies.access]
read = "true"
create = "auth.id != null"

[models.wishes.fields]
product = { type = "relation", to = "products", on_delete = "set_null", optional = true }
[models.wishes.access]
read = "true"
create = "auth.id != null"

[models.codes]
id = "string"
[models.codes.fields]
owner = { type = "relation", to = "auth.users", default = "auth.id" }
value = { type = "int", optional = true }
[models.codes.access]
read = "owner == auth.id"
create = "owner == auth.id"
update = "owner == auth.id"
delete = "owner == auth.id"
"#;

const P: &str = "shop.products";

each_store!(
    a_create_takes_defaults_and_owns_what_is_the_servers,
    APP,
    async |fx| {
        let made = fx
            .create(&user(1), P, json!({"name": "Lamp", "price": "9.99"}))
            .await
            .ok();
        assert_eq!(made["stock"], 10);
        assert_eq!(made["seller"], uid(1));
        assert_eq!(
            made["slug"], "Lamp",
            "a default may name the fields before its own"
        );
        assert_eq!(made["tags"], json!(["new"]));
        assert_eq!(made["options"], Json::Null);
        assert_eq!(made["created_at"], made["updated_at"]);
        assert!(made.get("version").is_none(), "hidden unless asked for");
        // Given values win, null included where the field is optional.
        let body = json!({"name": "B", "price": 1, "stock": 0, "slug": null, "tags": []});
        let made = fx.create(&user(1), P, body).await.ok();
        assert_eq!(
            (&made["stock"], &made["slug"], &made["tags"]),
            (&json!(0), &Json::Null, &json!([]))
        );
    }
);

// By create, by patch and by PUT, of oneself and of others: nothing of these may come from a body.
each_store!(what_the_server_owns_is_in_no_body, APP, async |fx| {
    let good = json!({"name": "Lamp", "price": "9.99"});
    let made = fx.create(&user(1), P, good.clone()).await.ok();
    let id = id(&made);
    let table: &[(&str, Json, &str)] = &[
        (
            "id",
            json!("0190b3a4-0000-7000-8000-00000000000a"),
            "read_only",
        ),
        ("id", Json::Null, "read_only"),
        ("created_at", json!("2020-01-01T00:00:00Z"), "read_only"),
        ("created_at", Json::Null, "read_only"),
        ("updated_at", json!("2020-01-01T00:00:00Z"), "read_only"),
        ("version", json!(99), "read_only"),
        ("version", Json::Null, "read_only"),
        ("seller", json!(uid(2)), "immutable"),
        ("seller", Json::Null, "immutable"),
        ("made", json!("2020-01-01"), "immutable"),
        ("internal", json!("x"), "forbidden"),
        ("_extra", json!({}), "unknown"),
        ("auth", json!({"id": uid(2)}), "unknown"),
        ("seller.id", json!(uid(2)), "unknown"),
    ];
    for (field, value, code) in table {
        let mut body = good.clone();
        body[*field] = value.clone();
        let error = format!("/{field} {code}");
        let patched = fx.update(&user(1), P, &id, json!({ *field: value })).await;
        assert_eq!(
            patched.errors(),
            std::slice::from_ref(&error),
            "patch {field} = {value}"
        );
        let put = fx.replace(&user(1), P, &id, body.clone()).await;
        assert_eq!(
            put.errors(),
            std::slice::from_ref(&error),
            "put {field} = {value}"
        );
        if *code == "immutable" {
            continue;
        }
        let created = fx.create(&user(1), P, body.clone()).await;
        // A null id or time is what is set anyway; anything else is refused.
        if !value.is_null() || *field == "version" {
            assert_eq!(created.errors(), [error], "create {field} = {value}");
        }
        let fresh = spec::new_id().hyphenated().to_string();
        let upserted = fx.replace(&user(1), P, &fresh, body).await;
        assert!(upserted.0.is_err(), "upsert {field} = {value}");
    }
    // Not by nesting either.
    let nested = json!({"text": "t", "product": {"id": id, "seller": uid(2)}});
    assert_eq!(
        fx.create(&user(2), "shop.reviews", nested).await.errors(),
        ["/product type"]
    );
    assert_eq!(
        fx.one(&user(1), P, &id).await.ok(),
        made,
        "nothing of it came through"
    );
    assert_eq!(
        fx.list(&system(), P, Query::new().count()).await.ok()["count"],
        1
    );
});

each_store!(a_patch_merges_and_a_put_replaces, APP, async |fx| {
    let body = json!({"name": "A", "price": "1.00", "stock": 3, "slug": "s", "options": {"a": 1, "b": {"c": 2}}, "tags": ["x"]});
    let made = fx.create(&user(1), P, body).await.ok();
    let id = id(&made);
    let patch = json!({"stock": 4, "options": {"a": null, "b": {"d": 3}}, "slug": null});
    let patched = fx.update(&user(1), P, &id, patch).await.ok();
    assert_eq!(patched["name"], "A", "what is not named stays");
    assert_eq!(patched["options"], json!({"b": {"c": 2, "d": 3}}));
    assert_eq!(patched["slug"], Json::Null);
    assert_eq!(patched["stock"], 4);
    let whole = fx
        .update(&user(1), P, &id, json!({"options": [1]}))
        .await
        .ok();
    assert_eq!(whole["options"], json!([1]), "what is no object replaces");
    let gone = fx
        .update(&user(1), P, &id, json!({"options": null}))
        .await
        .ok();
    assert_eq!(gone["options"], Json::Null);
    assert_eq!(
        fx.update(&user(1), P, &id, json!({"name": null}))
            .await
            .errors(),
        ["/name required"]
    );
    let put = fx
        .replace(&user(1), P, &id, json!({"name": "B", "price": "2.00"}))
        .await
        .ok();
    assert_eq!(put["stock"], 10, "what is not named has its default again");
    assert_eq!(put["tags"], json!(["new"]));
    assert_eq!(put["slug"], "B");
    assert_eq!(
        (&put["seller"], &put["made"], &put["created_at"]),
        (&made["seller"], &made["made"], &made["created_at"])
    );
    assert_eq!(
        fx.replace(&user(1), P, &id, json!({"name": "B"}))
            .await
            .errors(),
        ["/price required"]
    );
    // GET, edit, PUT: what is the server's may come back as it was read.
    let mut read = fx.one(&user(1), P, &id).await.ok();
    read["name"] = json!("C");
    let put = fx.replace(&user(1), P, &id, read).await.ok();
    assert_eq!(put["name"], "C");
    // A change of nothing is none: same version, no row of the log.
    let before = fx.changes_of(P, &id).await.len();
    let etag = fx.one(&user(1), P, &id).await.etag();
    let same = fx.update(&user(1), P, &id, json!({"name": "C"})).await;
    assert_eq!(same.etag(), etag);
    assert_eq!(fx.changes_of(P, &id).await.len(), before);
});

each_store!(
    checks_bind_everybody_and_are_told_together,
    APP,
    async |fx| {
        for who in [user(1), admin(), system()] {
            let body = json!({"name": "A", "price": "0.00", "stock": 101, "seller": uid(1)});
            let reply = fx.create(&who, P, body).await;
            assert_eq!(
                (reply.code(), reply.errors()),
                (
                    "data.invalid",
                    vec!["/price check".into(), "/stock check".into()]
                )
            );
        }
        let made = fx
            .create(&user(1), P, json!({"name": "A", "price": "1.00"}))
            .await
            .ok();
        let reply = fx
            .update(&user(1), P, &id(&made), json!({"price": -1, "stock": -1}))
            .await;
        assert_eq!(reply.errors(), ["/price check", "/stock check"]);
    }
);

each_store!(a_unique_value_tells_one_bit, APP, async |fx| {
    fx.create(&user(1), "shop.categories", json!({"name": "Books"}))
        .await
        .ok();
    let reply = fx
        .create(&user(2), "shop.categories", json!({"name": "Books"}))
        .await;
    assert_eq!(
        (reply.code(), reply.errors()),
        ("data.conflict", vec!["/name duplicate".into()])
    );
    assert!(!format!("{:?}", reply.problem()).contains("Books"));
    // Code points decide, not looks.
    fx.create(&user(2), "shop.categories", json!({"name": "books"}))
        .await
        .ok();
    fx.create(&user(2), "shop.categories", json!({"name": "é"}))
        .await
        .ok();
    fx.create(&user(2), "shop.categories", json!({"name": "e\u{301}"}))
        .await
        .ok();
});

each_store!(a_delete_takes_along_what_is_declared_so, APP, async |fx| {
    let who = user(1);
    let category = id(&fx
        .create(&who, "shop.categories", json!({"name": "c"}))
        .await
        .ok());
    let product = id(&fx
        .create(
            &who,
            P,
            json!({"name": "A", "price": 1, "category": category}),
        )
        .await
        .ok());
    let review = id(&fx
        .create(
            &user(2),
            "shop.reviews",
            json!({"product": product, "text": "t"}),
        )
        .await
        .ok());
    let reply = id(&fx
        .create(&user(3), "shop.replies", json!({"review": review}))
        .await
        .ok());
    let wish = id(&fx
        .create(&user(3), "shop.wishes", json!({"product": product}))
        .await
        .ok());
    assert_eq!(
        fx.delete(&who, "shop.categories", &category).await.code(),
        "data.restricted"
    );
    assert_eq!(
        fx.delete(&user(2), P, &product).await.code(),
        "access.forbidden"
    );
    fx.delete(&who, P, &product).await.done();
    for (model, id) in [
        (P, &product),
        ("shop.reviews", &review),
        ("shop.replies", &reply),
    ] {
        assert_eq!(
            fx.one(&system(), model, id).await.code(),
            "access.not_found",
            "{model}"
        );
        let log = fx.changes_of(model, id).await;
        let last = log.last().expect("a row");
        assert_eq!(
            (last.kind.name(), last.by_id),
            ("delete", Some(user_id(1))),
            "{model}"
        );
        assert!(last.previous.is_some() && last.record.is_none());
    }
    let loosened = fx
        .one_with(
            &system(),
            "shop.wishes",
            &wish,
            Query::new().fields("product,version"),
        )
        .await
        .ok();
    assert_eq!(loosened, json!({"product": null, "version": 2}));
    let log = fx.changes_of("shop.wishes", &wish).await;
    assert_eq!(
        log.iter().map(|c| c.kind.name()).collect::<Vec<_>>(),
        ["create", "update"]
    );
    fx.delete(&who, "shop.categories", &category).await.done();
    assert_eq!(
        fx.delete(&who, P, &product).await.code(),
        "access.not_found",
        "once is enough"
    );
});

each_store!(preconditions_compare_versions, APP, async |fx| {
    let who = user(1);
    let made = fx.create(&who, P, json!({"name": "A", "price": 1})).await;
    let first = made.etag();
    let id = id(&made.ok());
    let second = fx
        .update_if(&who, P, &id, json!({"name": "B"}), Some(&first))
        .await
        .etag();
    assert_ne!(first, second);
    for stale in [first.as_str(), "junk", ""] {
        let patched = fx
            .update_if(&who, P, &id, json!({"name": "C"}), Some(stale))
            .await;
        assert_eq!(patched.code(), "data.precondition_failed");
        let put = fx
            .replace_if(
                &who,
                P,
                &id,
                json!({"name": "C", "price": 1}),
                Some(stale),
                false,
            )
            .await;
        assert_eq!(put.code(), "data.precondition_failed");
        assert_eq!(
            fx.delete_if(&who, P, &id, Some(stale)).await.code(),
            "data.precondition_failed"
        );
    }
    fx.update_if(&who, P, &id, json!({"name": "C"}), Some("*"))
        .await
        .ok();
    let fresh = spec::new_id().hyphenated().to_string();
    let body = json!({"name": "N", "price": 1});
    for tag in ["*", second.as_str()] {
        let absent = fx
            .replace_if(&who, P, &fresh, body.clone(), Some(tag), false)
            .await;
        assert_eq!(
            absent.code(),
            "data.precondition_failed",
            "there is nothing to match"
        );
    }
    let made = fx
        .replace_if(&who, P, &fresh, body.clone(), None, true)
        .await;
    assert_eq!(made.outcome(), engine::Outcome::Created);
    let twice = fx.replace_if(&who, P, &fresh, body, None, true).await;
    assert_eq!(twice.code(), "data.precondition_failed");
    // A tag is of one record: it does not fit another.
    let other = fx.one(&who, P, &fresh).await.etag();
    assert_eq!(
        fx.delete_if(&who, P, &id, Some(&other)).await.code(),
        "data.precondition_failed"
    );
});

// It is at version 1 again, with the same id: another record all the same.
each_store!(a_tag_ends_with_its_record, APP, async |fx| {
    let who = user(1);
    let id = spec::new_id().hyphenated().to_string();
    let body = json!({"name": "A", "price": 1});
    let made = fx.replace(&who, P, &id, body.clone()).await;
    let tag = made.etag();
    assert_eq!(fx.one(&who, P, &id).await.etag(), tag);
    let named = Query::new().fields("name");
    fx.delete(&who, P, &id).await.done();
    fx.replace(&who, P, &id, body.clone()).await.ok();
    let again = fx.one(&who, P, &id).await.etag();
    assert_ne!(again, tag);
    assert_eq!(fx.one_with(&who, P, &id, named).await.etag(), again);
    let stale = Some(tag.as_str());
    for reply in [
        fx.update_if(&who, P, &id, json!({"name": "B"}), stale)
            .await,
        fx.replace_if(&who, P, &id, body, stale, false).await,
        fx.delete_if(&who, P, &id, stale).await,
    ] {
        assert_eq!(reply.code(), "data.precondition_failed");
    }
    fx.delete_if(&who, P, &id, Some(&again)).await.done();
});

each_store!(a_put_onto_a_hidden_id_is_a_conflict, APP, async |fx| {
    fx.replace(&user(1), "shop.codes", "secret", json!({"value": 1}))
        .await
        .ok();
    let taken = fx
        .replace(&user(2), "shop.codes", "secret", json!({"value": 2}))
        .await;
    let unique = fx
        .create(&user(2), "shop.codes", json!({"id": "secret"}))
        .await;
    assert_eq!(taken.code(), "data.conflict");
    assert_eq!(taken.errors(), unique.errors());
    assert_eq!(
        taken.problem().detail,
        unique.problem().detail,
        "the same bit by either way"
    );
    let absent = fx
        .replace_if(&user(2), "shop.codes", "secret", json!({}), None, true)
        .await;
    assert_eq!(absent.code(), "data.conflict");
    assert_eq!(
        fx.update(&user(2), "shop.codes", "secret", json!({"value": 2}))
            .await
            .code(),
        "access.not_found"
    );
    assert_eq!(
        fx.delete(&user(2), "shop.codes", "secret").await.code(),
        "access.not_found"
    );
    assert_eq!(
        fx.one(&user(1), "shop.codes", "secret").await.ok()["value"],
        1
    );
    // One that is given away is gone from the giver's eyes, so it is not given.
    let given = fx
        .update(&user(1), "shop.codes", "secret", json!({"owner": uid(2)}))
        .await;
    assert!(given.0.is_err());
});

const TEAMS: &str = r#"
## modules/club/module.toml
[models.teams.fields]
name    = { type = "string" }
founder = { type = "relation", to = "auth.users" }
open    = { type = "bool", default = "false" }
[models.teams.access]
read = "open"

[models.members]
id = "string"
[models.members.fields]
team  = { type = "relation", to = "teams" }
other = { type = "relation", to = "teams", optional = true, inverse = "guests" }
level = { type = "int", default = "1", check = "level < 10" }
title = { type = "string", optional = true, write = "team.name == 'chess'" }
[models.members.access]
read   = "true"
create = "team.founder == auth.id"
update = "team.founder == auth.id && (other == null || other.name != 'banned')"
"#;

// Types, then the rule, then checks; a reference that the writer may not read is a check. What it leads to is
// nothing to them, in the rule too: it answers as one that leads nowhere.
each_store!(
    a_rule_over_relations_comes_before_checks,
    TEAMS,
    async |fx| {
        const M: &str = "club.members";
        let team = async |name: &str, founder: u32, open: bool| {
            let body = json!({"name": name, "founder": uid(founder), "open": open});
            id(&fx.create(&system(), "club.teams", body).await.ok())
        };
        let mine = team("chess", 1, true).await;
        let mine_hidden = team("chess", 1, false).await;
        let others = team("go", 2, true).await;
        let others_hidden = team("go", 2, false).await;
        let none = "0190b3a4-0000-7000-8000-00000000000a".to_owned();
        let u = user(1);
        let invalid = "data.invalid";
        let refused = "access.forbidden";
        let table: &[(&str, Json, &str, &[&str])] = &[
            (
                "types",
                json!({"team": others, "level": "x"}),
                invalid,
                &["/level type"],
            ),
            ("rule", json!({"team": others}), refused, &[]),
            (
                "rule, check",
                json!({"team": others, "level": 10}),
                refused,
                &[],
            ),
            (
                "rule, reference",
                json!({"team": others, "other": none}),
                refused,
                &[],
            ),
            ("hidden", json!({"team": others_hidden}), refused, &[]),
            (
                "hidden, though one's own",
                json!({"team": mine_hidden}),
                refused,
                &[],
            ),
            ("absent", json!({"team": none}), refused, &[]),
            (
                "field rule",
                json!({"team": mine, "other": none, "title": "x", "level": 10}),
                invalid,
                &["/level check", "/other not_found"],
            ),
            (
                "check",
                json!({"team": mine, "level": 10}),
                invalid,
                &["/level check"],
            ),
            (
                "reference",
                json!({"team": mine, "other": others_hidden}),
                invalid,
                &["/other not_found"],
            ),
            (
                "no reference",
                json!({"team": mine, "other": none}),
                invalid,
                &["/other not_found"],
            ),
        ];
        for (what, body, code, errors) in table {
            let mut created = body.clone();
            created["id"] = json!("new");
            let reply = fx.create(&u, M, created).await;
            assert_eq!(
                (reply.code(), reply.errors()),
                (*code, words(errors)),
                "create: {what}"
            );
            let reply = fx.replace(&u, M, "new", body.clone()).await;
            assert_eq!(
                (reply.code(), reply.errors()),
                (*code, words(errors)),
                "PUT of a new one: {what}"
            );
        }
        fx.create(&u, M, json!({"id": "m", "team": mine}))
            .await
            .ok();
        for (what, body, code, errors) in table {
            let reply = fx.update(&u, M, "m", body.clone()).await;
            assert_eq!(
                (reply.code(), reply.errors()),
                (*code, words(errors)),
                "PATCH: {what}"
            );
            let reply = fx.replace(&u, M, "m", body.clone()).await;
            assert_eq!(
                (reply.code(), reply.errors()),
                (*code, words(errors)),
                "PUT: {what}"
            );
        }
        // Of the stored record, too: it is somebody else's, so no check says anything.
        let theirs = json!({"id": "t", "team": others});
        fx.create(&user(2), M, theirs).await.ok();
        let reply = fx
            .update(&u, M, "t", json!({"level": 10, "other": none}))
            .await;
        assert_eq!(reply.code(), refused);
        let kept = fx.one(&u, M, "m").await.ok();
        assert_eq!((&kept["team"], &kept["level"]), (&json!(mine), &json!(1)));
        assert_eq!(fx.one(&u, M, "new").await.code(), "access.not_found");
        let good = json!({"team": mine, "other": others, "title": "x", "level": 9});
        fx.update(&u, M, "m", good).await.ok();
    }
);

fn words(errors: &[&str]) -> Vec<String> {
    errors.iter().map(|&e| e.to_owned()).collect()
}

each_store!(
    whether_seeds_are_due_is_asked_of_the_engine,
    TEAMS,
    async |fx| {
        let app = fx.engine.app();
        let empty = async |model: &str| {
            fx.engine
                .is_empty(&app, fx.model(model).id)
                .await
                .expect("an answer")
        };
        assert!(empty("club.teams").await && empty("club.members").await);
        let hidden = json!({"name": "chess", "founder": uid(1)});
        fx.create(&system(), "club.teams", hidden).await.ok();
        assert!(!empty("club.teams").await, "whoever may see it");
        assert!(empty("club.members").await);
    }
);

const DOCUMENTS: &str = r#"
[limits]
json_depth = 127
## modules/store/module.toml
[models.documents]
id = "string"
open = true
[models.documents.fields]
meta = { type = "json", optional = true }
[models.documents.access]
read = "true"
create = "true"
update = "true"

[models.parts]
id = "string"
[models.parts.fields]
sku   = { type = "string", unique = true }
name  = { type = "string", unique = true }
shelf = { type = "int" }
place = { type = "int" }
note  = { type = "string", optional = true, unique = true }
[models.parts.access]
read = "true"
create = "true"
update = "true"
[[models.parts.indexes]]
fields = ["shelf", "place"]
unique = true
"#;

// Byte for byte, whatever a parser makes of numbers and however deep it is.
each_store!(
    a_patch_leaves_what_it_does_not_name_as_it_is,
    DOCUMENTS,
    async |fx| {
        let (who, model) = (&user(1), "store.documents");
        let deep = format!("{}1{}", "[".repeat(120), "]".repeat(120));
        let numbers = "[51.248178375505404,9007199254740993,1.7976931348623157e308,-5e-324,0.1]";
        let body = format!(
            "{{\"id\":\"d\",\"meta\":{{\"x\":{numbers},\"y\":{{\"a\":1,\"b\":null}}}},\
             \"x\":{numbers},\"deep\":{deep}}}"
        );
        fx.create_text(who, model, &body).await.ok();
        let patch = json!({"meta": {"y": {"a": 2}}, "small": {"z": null, "n": 1}});
        fx.update(who, model, "d", patch).await.ok();
        let after = String::from_utf8(fx.one(who, model, "d").await.bytes()).expect("text");
        for kept in [
            format!("\"meta\":{{\"x\":{numbers},\"y\":{{\"a\":2,\"b\":null}}}}"),
            format!("\"x\":{numbers}"),
            format!("\"deep\":{deep}"),
            "\"small\":{\"n\":1}".to_owned(),
        ] {
            assert!(after.contains(&kept), "{kept}\n{after}");
        }
        // The log says the same.
        let changes = fx.changes_of(model, "d").await;
        let logged = changes.last().and_then(|c| c.record.clone());
        let logged = logged.expect("a record");
        assert!(logged.contains(numbers) && logged.contains(&deep));
        fx.update(who, model, "d", json!({"deep": null, "x": null}))
            .await
            .ok();
        let after = fx.one(who, model, "d").await.ok();
        assert!(after.get("deep").is_none() && after.get("x").is_none());
    }
);

// Which of several unique values a store finds first is its own affair.
each_store!(every_value_that_is_taken_is_named, DOCUMENTS, async |fx| {
    let (who, model) = (&user(1), "store.parts");
    let part = |id: &str, name: &str, place: u32| json!({"id": id, "sku": name, "name": name, "shelf": 1, "place": place});
    fx.create(who, model, part("a", "a", 1)).await.ok();
    fx.create(who, model, part("b", "b", 2)).await.ok();
    let both = ["/name duplicate", "/sku duplicate"];
    let all = [
        "/name duplicate",
        "/place duplicate",
        "/shelf duplicate",
        "/sku duplicate",
    ];
    let some = json!({"sku": "a", "name": "b", "shelf": 1, "place": 3});
    for (reply, wanted) in [
        (
            fx.replace(who, model, "b", part("b", "a", 2)).await,
            &both[..],
        ),
        (
            fx.replace(who, model, "b", part("b", "a", 1)).await,
            &all[..],
        ),
        (
            fx.replace(who, model, "c", part("c", "a", 1)).await,
            &all[..],
        ),
        (fx.create(who, model, part("c", "a", 1)).await, &all[..]),
        (
            fx.update(who, model, "b", json!({"name": "a", "sku": "a"}))
                .await,
            &both[..],
        ),
        (
            fx.replace(who, model, "b", some).await,
            &["/sku duplicate"][..],
        ),
        (
            fx.create(who, model, part("a", "a", 3)).await,
            &["/id duplicate", "/name duplicate", "/sku duplicate"][..],
        ),
    ] {
        assert_eq!(reply.code(), "data.conflict");
        assert_eq!(reply.errors(), wanted);
        let order: Vec<&str> = reply.problem().errors.iter().map(|e| &*e.pointer).collect();
        let mut declared = order.clone();
        declared.sort_by_key(|p| {
            ["/id", "/sku", "/name", "/shelf", "/place"]
                .iter()
                .position(|d| d == p)
        });
        assert_eq!(order, declared, "in the order of the model");
    }
    assert_eq!(fx.one(who, model, "b").await.ok()["sku"], "b");
});

const SMALL: &str = r#"
[limits]
answer = 250
nested_page = 300
## modules/store/module.toml
[models.parts]
id = "string"
[models.parts.fields]
name = { type = "string" }
[models.parts.access]
read = "true"
create = "true"
update = "true"

[models.bins.fields]
part = { type = "relation", to = "parts", inverse = "bins" }
[models.bins.access]
read = "true"
"#;

// What cannot be answered is refused before anything is written, so that trying again makes no second one.
each_store!(
    a_write_whose_answer_is_too_large_does_not_happen,
    SMALL,
    async |fx| {
        let who = &user(1);
        let mut select = Query::new().expand("bins").select;
        select.expand[0].limit = Some(300);
        let body = json!({"id": "a", "name": "n"}).to_string();
        let model = fx.model("store.parts").id;
        let create = plan::operation::Create {
            model,
            body: body.clone().into(),
            select: select.clone(),
        };
        let operation = plan::operation::Operation::Create(create);
        assert_eq!(fx.execute(who, operation).await.code(), "limit.expand");
        let replace = plan::operation::Replace {
            model,
            id: "a".to_owned(),
            body: body.into(),
            if_match: None,
            if_absent: false,
            select,
        };
        let operation = plan::operation::Operation::Replace(replace);
        assert_eq!(fx.execute(who, operation).await.code(), "limit.expand");
        assert!(
            fx.list(who, "store.parts", Query::new())
                .await
                .data()
                .is_empty()
        );
    }
);
