//! An array of new records.

use super::*;

each_store!(an_array_is_created_as_its_elements_are, APP, async |fx| {
    let made = fx
        .create_many(
            &user(1),
            P,
            json!([{"name": "a"}, {"name": "b", "price": 2, "options": {"x": [1]}}, {"name": "c", "sku": "s"}]),
        )
        .await;
    assert_eq!(made.outcome(), engine::Outcome::Created);
    let made = made.data();
    let names: Vec<&Json> = made.iter().map(|record| &record["name"]).collect();
    assert_eq!(names, ["a", "b", "c"]);
    for record in &made {
        assert_eq!(record["seller"], uid(1));
        let alone = fx.one(&user(1), P, &id(record)).await.ok();
        assert_eq!(*record, alone, "the same bytes as a read of it");
        assert_eq!(fx.changes_of(P, &id(record)).await.len(), 1);
    }
    assert_eq!(made[1]["price"], "2.00");
    assert_eq!(made[1]["options"], json!({"x": [1]}));
    let none = fx.create_many(&user(1), P, json!([])).await;
    assert_eq!(none.bytes(), b"{\"data\":[]}");
    // Keys that the store assigns.
    let orders = fx
        .create_many(
            &user(1),
            "shop.orders",
            json!([{"note": "a"}, {"note": "b"}]),
        )
        .await
        .data();
    assert_ne!(orders[0]["id"], orders[1]["id"]);
    for (order, note) in orders.iter().zip(["a", "b"]) {
        let alone = fx.one(&user(1), "shop.orders", &id(order)).await.ok();
        assert_eq!(alone["note"], note);
        assert_eq!(*order, alone);
    }
    let after = fx.create(&user(1), "shop.orders", json!({})).await.ok();
    assert!(orders.iter().all(|order| order["id"] != after["id"]));
});

each_store!(an_array_answers_what_is_asked_for, APP, async |fx| {
    let p = product(fx, 1, json!({"name": "p", "stock": 1})).await;
    let body = json!([{"product": id(&p)}, {"product": id(&p), "stars": 4}]);
    let query = Query::new().fields("stars").expand("product");
    let made = fx
        .create_many_with(&user(2), "shop.reviews", body, query)
        .await
        .data();
    assert_eq!(made.len(), 2);
    assert_eq!(made[0]["stars"], Json::Null);
    assert_eq!(made[1]["stars"], 4);
    assert_eq!(made[1]["product"]["name"], "p");
    assert!(made[1].get("author").is_none());
    // Not what its writer may not read.
    let hidden = json!([{"name": "a"}, {"name": "b", "public": false, "seller": uid(2)}]);
    let made = fx.create_many(&admin(), P, hidden).await.data();
    assert_eq!(made[1]["name"], "b", "an administrator reads everything");
    let wrong = Query::new().fields("nothing");
    let reply = fx
        .create_many_with(&user(1), P, json!([{"name": "a"}]), wrong)
        .await;
    assert_eq!(reply.code(), "request.bad_fields");
    assert_eq!(
        counted(fx, P).await.0,
        3,
        "refused before anything is written"
    );
});

each_store!(every_mistake_of_every_element_is_told, APP, async |fx| {
    let taken = product(fx, 2, json!({"name": "t", "sku": "taken", "public": false})).await;
    let before = counted(fx, P).await;
    let good = || json!({"name": "ok"});
    let table = [
        (
            json!([good(), {"name": "far too long", "price": "x"}, {"nmae": "a"}]),
            "data.invalid",
            vec![
                "/1/name too_long",
                "/1/price type",
                "/2/name required",
                "/2/nmae unknown",
            ],
        ),
        (
            json!([{"name": "a", "price": 0}, good(), {"name": "b", "price": -1}]),
            "data.invalid",
            vec!["/0/price check", "/2/price check"],
        ),
        (
            json!([good(), {"name": "a", "seller": uid(2)}]),
            "access.forbidden",
            vec!["/1 forbidden"],
        ),
        (
            json!([good(), {"name": "a", "internal": "x"}]),
            "access.field_forbidden",
            vec!["/1/internal forbidden"],
        ),
        (
            json!([good(), {"name": "a", "sku": "x"}, {"name": "b", "sku": "x"}]),
            "data.conflict",
            vec!["/2/sku duplicate"],
        ),
        (
            json!([good(), {"name": "a", "sku": "taken"}]),
            "data.conflict",
            vec!["/1/sku duplicate"],
        ),
        // Types come before rules, rules before checks.
        (
            json!([{"name": "a", "price": 0}, {"name": "b", "seller": uid(2)}, {"name": 5}]),
            "data.invalid",
            vec!["/2/name type"],
        ),
        (
            json!([{"name": "a", "price": 0}, {"name": "b", "seller": uid(2)}]),
            "access.forbidden",
            vec!["/1 forbidden"],
        ),
    ];
    for (body, code, errors) in table {
        let reply = fx.create_many(&user(1), P, body.clone()).await;
        assert_eq!(
            (reply.code(), reply.errors()),
            (code, errors.iter().map(|e| (*e).to_owned()).collect()),
            "{body}"
        );
        assert!(!format!("{:?}", reply.problem()).contains(&id(&taken)));
        assert_eq!(counted(fx, P).await, before, "{body}");
    }
    for (body, says) in [(json!([good(), 5]), "At /1"), (json!([[good()]]), "At /0")] {
        let reply = fx.create_many(&user(1), P, body.clone()).await;
        assert_eq!(reply.code(), "request.malformed_json", "{body}");
        assert!(
            reply.problem().detail.starts_with(says),
            "{}",
            reply.problem().detail
        );
    }
    let anonymous = fx
        .create_many(&anonymous(), P, json!([{"name": "a", "seller": uid(1)}]))
        .await;
    assert_eq!(anonymous.code(), "auth.required");
    for (field, value, code) in not_in_bodies() {
        let body = json!([good(), {"name": "a", field: value}]);
        let reply = fx.create_many(&user(1), P, body).await;
        assert_eq!(reply.errors(), [format!("/1/{field} {code}")]);
    }
    assert_eq!(counted(fx, P).await, before);
});

each_store!(a_rule_sees_what_stands_before_it, APP, async |fx| {
    let ready = product(fx, 1, json!({"name": "a", "stock": 1})).await;
    let sold = product(fx, 1, json!({"name": "b"})).await;
    let hidden = product(fx, 1, json!({"name": "c", "stock": 1, "public": false})).await;
    let r = "shop.reviews";
    let of = |p: &Json| json!({"product": id(p)});
    let before = counted(fx, r).await;
    let reply = fx
        .create_many(&user(2), r, json!([of(&ready), of(&sold)]))
        .await;
    assert_eq!(
        (reply.code(), reply.errors()),
        ("access.forbidden", vec!["/1 forbidden".to_owned()])
    );
    // A hidden record is as one that is not there; where the rule holds of it.
    let reply = fx
        .create_many(&user(2), r, json!([of(&ready), of(&hidden)]))
        .await;
    let absent = json!([of(&ready), {"product": uid(404)}]);
    let absent = fx.create_many(&user(2), r, absent).await;
    assert_eq!(reply.code(), absent.code());
    assert_eq!(reply.errors(), absent.errors());
    // The rule comes before the check.
    let reply = fx
        .create_many(&user(2), r, json!([{"product": id(&sold), "stars": 9}]))
        .await;
    assert_eq!(reply.code(), "access.forbidden");
    let reply = fx
        .create_many(
            &user(2),
            r,
            json!([of(&ready), {"product": id(&ready), "stars": 9}]),
        )
        .await;
    assert_eq!(reply.errors(), ["/1/stars check"]);
    assert_eq!(counted(fx, r).await, before);
    let made = fx
        .create_many(&user(2), r, json!([of(&ready), of(&ready)]))
        .await
        .data();
    assert_eq!(made.len(), 2);
});

each_store!(elements_may_refer_to_each_other, APP, async |fx| {
    let n = "shop.nodes";
    let node = |id: &str, parent: Option<&str>| json!({"id": id, "parent": parent});
    // In any order, in chains, to what is there already and to themselves.
    fx.create(&user(1), n, node("root", None)).await.ok();
    let body = json!([
        node("c", Some("b")),
        node("b", Some("a")),
        node("a", Some("root")),
        node("d", Some("a"))
    ]);
    let made = fx.create_many(&user(1), n, body).await.data();
    let ids: Vec<&Json> = made.iter().map(|node| &node["id"]).collect();
    assert_eq!(ids, ["c", "b", "a", "d"], "as they came");
    let before = counted(fx, n).await;
    for (body, errors) in [
        (
            json!([node("x", Some("y")), node("y", Some("x"))]),
            vec!["/0/parent not_found", "/1/parent not_found"],
        ),
        (
            json!([node("x", None), node("y", Some("nowhere"))]),
            vec!["/1/parent not_found"],
        ),
    ] {
        let reply = fx.create_many(&user(1), n, body.clone()).await;
        assert_eq!(reply.errors(), errors, "{body}");
    }
    // One of somebody else is not to be referred to, nor to be taken.
    let reply = fx
        .create_many(&user(2), n, json!([node("x", Some("root"))]))
        .await;
    assert_eq!(reply.errors(), ["/0/parent not_found"]);
    let reply = fx
        .create_many(
            &user(2),
            n,
            json!([node("x", None), node("root", Some("x"))]),
        )
        .await;
    assert_eq!(
        (reply.code(), reply.errors()),
        ("data.conflict", vec!["/1/id duplicate".to_owned()])
    );
    let reply = fx
        .create_many(&user(1), n, json!([node("x", None), node("x", None)]))
        .await;
    assert_eq!(
        (reply.code(), reply.errors()),
        ("data.conflict", vec!["/1/id duplicate".to_owned()])
    );
    assert_eq!(counted(fx, n).await, before);
});

each_store!(an_array_has_a_bound, APP, async |fx| {
    let many = |n: usize| Json::Array((0..n).map(|_| json!({"name": "a"})).collect());
    let reply = fx.create_many(&user(1), P, many(21)).await;
    assert_eq!(reply.code(), "limit.batch");
    assert_eq!(reply.problem().limit, Some(("limits.batch", 20)));
    assert_eq!(counted(fx, P).await.0, 0);
    assert_eq!(fx.create_many(&user(1), P, many(20)).await.data().len(), 20);
});
