//! Several operations in one transaction.

use super::*;
use std::sync::Arc;

fn create(model: &str, body: Json) -> Json {
    json!({"op": "create", "model": model, "body": body})
}

fn results(reply: Reply) -> Vec<Json> {
    match reply.ok()["results"].take() {
        Json::Array(results) => results,
        other => panic!("{other}"),
    }
}

each_store!(items_use_what_earlier_ones_wrote, APP, async |fx| {
    let reply = fx
        .batch(
            &user(1),
            json!([
                {"op": "create", "name": "lamp", "model": P, "body": {"name": "lamp", "stock": 1}},
                {"op": "create", "name": "order", "model": "shop.orders", "body": {"note": "n"}},
                {"op": "create", "model": "shop.order_items",
                 "body": {"order": {"$ref": "order"}, "product": {"$ref": "lamp"}, "quantity": 2}},
                // The rule looks at the product's stock.
                {"op": "create", "name": "review", "model": "shop.reviews", "body": {"product": {"$ref": "lamp"}}},
                {"op": "update", "model": "shop.reviews", "id": {"$ref": "review"}, "body": {"stars": 5}},
                {"op": "update", "model": P, "id": {"$ref": "lamp"}, "body": {"options": {"$ref": "lamp"}}},
                {"op": "upsert", "model": P, "key": "sku", "body": {"name": "b", "sku": "s"}},
                {"op": "upsert", "model": P, "key": "sku", "body": {"name": "c", "sku": "s"}},
                {"op": "delete", "model": "shop.orders", "id": {"$ref": "order"}},
            ]),
        )
        .await;
    let results = results(reply);
    let statuses: Vec<i64> = results
        .iter()
        .filter_map(|r| r["status"].as_i64())
        .collect();
    assert_eq!(statuses, [201, 201, 201, 201, 200, 200, 201, 200, 204]);
    let (lamp, order) = (&results[0]["body"]["id"], &results[1]["body"]["id"]);
    assert_eq!(results[2]["body"]["order"], *order);
    assert_eq!(results[2]["body"]["product"], *lamp);
    assert_eq!(results[4]["body"]["stars"], 5);
    assert_eq!(
        results[5]["body"]["options"],
        json!({"$ref": "lamp"}),
        "in JSON it is what the caller wrote"
    );
    assert_eq!(results[6]["body"]["id"], results[7]["body"]["id"]);
    assert!(results[8].get("body").is_none());
    let tag = results[5]["etag"].as_str().expect("a tag");
    assert_eq!(
        fx.one(&user(1), P, lamp.as_str().expect("an id"))
            .await
            .etag(),
        tag
    );
    assert_eq!(
        counted(fx, "shop.order_items").await.0,
        0,
        "gone with its order"
    );
    // A tag as it was answered, and one that is old by then.
    let update =
        json!({"op": "update", "model": P, "id": lamp, "if_match": tag, "body": {"stock": 7}});
    fx.batch(&user(1), json!([update])).await.ok();
    let reply = fx
        .batch(&user(1), json!([create(P, json!({"name": "x"})), update]))
        .await;
    assert_eq!(reply.code(), "data.precondition_failed");
    assert_eq!(reply.errors(), ["/operations/1 precondition_failed"]);
});

each_store!(the_first_that_fails_decides, APP, async |fx| {
    let theirs = product(fx, 2, json!({"name": "t", "sku": "taken"})).await;
    let hidden = product(
        fx,
        2,
        json!({"name": "h", "sku": "hidden", "public": false}),
    )
    .await;
    let before = counted(fx, P).await;
    let good = || create(P, json!({"name": "ok"}));
    let of = |op: &str, id: &Json| json!({"op": op, "model": P, "id": id, "body": {"name": "x"}});
    let table = [
        (
            create(P, json!({"name": 5, "price": "x"})),
            "data.invalid",
            vec![
                "/operations/1/body/name type",
                "/operations/1/body/price type",
            ],
        ),
        (
            create(P, json!({"name": "a", "price": 0})),
            "data.invalid",
            vec!["/operations/1/body/price check"],
        ),
        (
            create(P, json!({"name": "a", "seller": uid(2)})),
            "access.forbidden",
            vec!["/operations/1 forbidden"],
        ),
        (
            create(P, json!({"name": "a", "sku": "taken"})),
            "data.conflict",
            vec!["/operations/1/body/sku duplicate"],
        ),
        (
            create(P, json!({"name": "a", "reviews": []})),
            "data.invalid",
            vec!["/operations/1/body/reviews read_only"],
        ),
        (
            create("shop.reviews", json!({"product": uid(404)})),
            "access.forbidden",
            vec!["/operations/1 forbidden"],
        ),
        (
            create("shop.nodes", json!({"id": "a", "parent": "nowhere"})),
            "data.invalid",
            vec!["/operations/1/body/parent not_found"],
        ),
        (
            of("update", &theirs["id"]),
            "access.forbidden",
            vec!["/operations/1 forbidden"],
        ),
        (
            of("update", &hidden["id"]),
            "access.not_found",
            vec!["/operations/1 not_found"],
        ),
        (
            of("update", &json!(uid(404))),
            "access.not_found",
            vec!["/operations/1 not_found"],
        ),
        (
            of("replace", &theirs["id"]),
            "access.forbidden",
            vec!["/operations/1 forbidden"],
        ),
        (
            of("delete", &theirs["id"]),
            "access.forbidden",
            vec!["/operations/1 forbidden"],
        ),
        (
            of("delete", &hidden["id"]),
            "access.not_found",
            vec!["/operations/1 not_found"],
        ),
        (
            json!({"op": "upsert", "model": P, "key": "sku", "body": {"name": "a", "sku": "hidden"}}),
            "data.conflict",
            vec!["/operations/1/body/sku duplicate"],
        ),
    ];
    for (item, code, errors) in table {
        let bad = create(P, json!({"name": 5}));
        let reply = fx.batch(&user(1), json!([good(), item, bad])).await;
        let errors: Vec<String> = errors.into_iter().map(str::to_owned).collect();
        assert_eq!((reply.code(), reply.errors()), (code, errors), "{item}");
        assert_eq!(counted(fx, P).await, before, "{item}");
    }
    for (field, value, code) in not_in_bodies() {
        let body = json!({"name": "a", field: value});
        let reply = fx.batch(&user(1), json!([good(), create(P, body)])).await;
        assert_eq!(
            reply.errors(),
            [format!("/operations/1/body/{field} {code}")]
        );
    }
    assert_eq!(counted(fx, P).await, before);
});

each_store!(
    what_is_wrong_with_the_batch_is_told_at_once,
    APP,
    async |fx| {
        let reply = fx
            .batch(
                &user(1),
                json!([
                    {"op": "create", "name": "a", "model": P, "body": {"name": "a"}},
                    {"op": "create", "name": "a", "model": P, "body": {"name": "b"}},
                    create("other.things", json!({"name": "a"})),
                    create("shop.reviews", json!({"product": {"$ref": "later"}})),
                    {"op": "create", "name": "later", "model": P, "body": {"name": "b"}},
                    create("shop.order_items", json!({"order": {"$ref": "a"}, "quantity": 1})),
                    {"op": "update", "model": P, "id": "no uuid", "body": {}},
                    {"op": "update", "model": "shop.nodes", "id": {"$ref": "a"}, "body": {}},
                    {"op": "delete", "name": "gone", "model": P, "id": {"$ref": "a"}},
                    {"op": "update", "model": P, "id": {"$ref": "gone"}, "body": {}},
                ]),
            )
            .await;
        assert_eq!(
            reply.errors(),
            [
                "/operations/1/name name",
                "/operations/2/model other_module",
                "/operations/3/body/product ref",
                "/operations/5/body/order ref",
                "/operations/6/id type",
                "/operations/7/id ref",
                "/operations/9/id ref",
            ]
        );
        // Nothing else is a reference.
        for body in [
            json!({"name": "a", "sku": {"$ref": "a"}}),
            json!({"name": {"$ref": "a"}}),
            json!({"name": "a", "seller": {"$ref": "x", "more": 1}}),
        ] {
            let reply = fx.batch(&user(1), json!([create(P, body.clone())])).await;
            assert!(
                reply.errors()[0].ends_with(" type"),
                "{body}: {:?}",
                reply.errors()
            );
        }
        // Nor outside of a batch.
        let reply = fx
            .create(&user(1), "shop.reviews", json!({"product": {"$ref": "a"}}))
            .await;
        assert_eq!(reply.errors(), ["/product type"]);
        let many: Vec<Json> = (0..21).map(|_| create(P, json!({"name": "a"}))).collect();
        assert_eq!(fx.batch(&user(1), json!(many)).await.code(), "limit.batch");
        assert_eq!(counted(fx, P).await.0, 0);
        assert_eq!(results(fx.batch(&user(1), json!([])).await).len(), 0);
    }
);

each_store!(another_modules_records_are_asked_before, APP, async |fx| {
    let shown = product(fx, 1, json!({"name": "a"})).await;
    let hidden = product(fx, 1, json!({"name": "b", "public": false})).await;
    let thing = |p: &Json| create("other.things", json!({"name": "t", "product": id(p)}));
    let reply = fx
        .batch(&user(2), json!([thing(&shown), thing(&hidden)]))
        .await;
    assert_eq!(reply.errors(), ["/operations/1/body/product not_found"]);
    assert_eq!(counted(fx, "other.things").await.0, 0);
    assert_eq!(
        results(fx.batch(&user(2), json!([thing(&shown)])).await).len(),
        1
    );
});

// Writers that want the same records in other orders wait, begin again, and are done or told so: none is a defect.
each_store!(
    batches_over_the_same_records_are_all_answered,
    APP,
    async |fx| {
        let body: Vec<Json> = (0..4).map(|n| json!({"name": format!("n{n}")})).collect();
        let made = fx.create_many(&user(1), P, json!(body)).await.data();
        let batches = (0..8_i64).map(|task| {
        let mut items: Vec<Json> = made
            .iter()
            .map(|p| json!({"op": "update", "model": P, "id": p["id"], "body": {"stock": task + 1}}))
            .collect();
        if task % 2 == 1 {
            items.reverse();
        }
        async move { fx.batch(&user(1), json!(items)).await }
    });
        for reply in super::upsert::futures_join(batches).await {
            assert_eq!(reply.word(), "many");
        }
        let stocks = fx.list(&user(1), P, Query::new()).await.data();
        assert!(
            stocks
                .windows(2)
                .all(|two| two[0]["stock"] == two[1]["stock"]),
            "one was the last for all"
        );
    }
);

// Batches that name the same two keys in opposite order take each other's records. On PostgreSQL one gives way soon,
// and long before the server looks for such circles; on SQLite they take turns.
each_store!(opposite_orders_meet_and_pass, APP, async |fx| {
    for round in 0..6 {
        let mut tasks = tokio::task::JoinSet::new();
        let principal = user(1);
        let items = |n: usize| {
            let upsert = |sku: usize| json!({"op": "upsert", "model": P, "key": "sku", "body": {"name": n.to_string(), "sku": format!("{round}-{sku}")}});
            json!([upsert(n % 2), upsert(1 - n % 2)])
        };
        for n in 0..6 {
            let batch = fx.batch_of(&items(n));
            let (engine, principal) = (Arc::clone(&fx.engine), principal.clone());
            tasks.spawn(async move { engine.execute(&principal, batch).await.result });
        }
        while let Some(reply) = tasks.join_next().await {
            Reply(reply.expect("a task")).ok();
        }
    }
    assert_eq!(counted(fx, P).await.0, 12);
});
