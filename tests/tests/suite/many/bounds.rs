//! What one request over many records may cost, and in which order it is refused.

use super::*;

/// The app above, with room for few bytes.
fn small() -> String {
    let app = APP.replace("batch = 20", "batch = 20\nbatch_bytes = 65536");
    let votes = "[models.votes.fields]\n\
                 review = { type = \"relation\", to = \"reviews\" }\n\
                 count  = { type = \"int\", check = \"count > 0\" }\n\
                 [models.votes.access]\nread = \"true\"\ncreate = \"true\"\n## modules/other/module.toml\n\
                 [models.wishes.fields]\n\
                 wanted  = { type = \"uuid\", optional = true }\n\
                 product = { type = \"relation\", to = \"shop.products\", optional = true, default = \"wanted\" }\n\
                 [models.wishes.access]\nread = \"true\"\ncreate = \"true\"\nupdate = \"true\"\n";
    app.replace("## modules/other/module.toml\n", votes)
}

each_store!(mistakes_are_told_up_to_a_hundred, APP, async |fx| {
    let mut one = serde_json::Map::new();
    for at in 0..150 {
        one.insert(format!("unknown{at}"), json!(0));
    }
    let one = Json::Object(one);
    let many = fx
        .create_many(&user(1), P, json!(vec![one.clone(); 20]))
        .await;
    let nested = fx
        .create(
            &user(1),
            "shop.orders",
            json!({"order_items": vec![one.clone(); 19]}),
        )
        .await;
    let update = json!({"op": "update", "model": P, "id": uid(1), "body": one});
    let batch = fx.batch(&user(1), json!(vec![update; 20])).await;
    for reply in [many, nested, batch] {
        assert_eq!(reply.code(), "data.invalid");
        assert_eq!(reply.errors().len(), 100);
    }
});

each_store!(bytes_are_bounded_in_their_sum, &small(), async |fx| {
    let text = "x".repeat(40_000);
    let body = |name: &str| json!({"name": name, "options": {"text": text}});
    let (a, b) = (
        product(fx, 1, body("a")).await,
        product(fx, 1, body("b")).await,
    );
    let before = counted(fx, P).await;
    let touch = |record: &Json| json!({"op": "update", "model": P, "id": record["id"], "body": {"stock": 5}});
    let all = Query::new().filter("true");
    for reply in [
        fx.batch(&user(1), json!([touch(&a), touch(&b)])).await,
        // The same record as often as one likes.
        fx.batch(&user(1), json!([touch(&a), touch(&a)])).await,
        fx.update_many(&user(1), P, all.clone(), json!({"stock": 5}))
            .await,
        fx.delete_many(&user(1), P, all.clone()).await,
    ] {
        assert_eq!(reply.code(), "limit.batch");
        assert_eq!(reply.problem().limit, Some(("limits.batch_bytes", 65536)));
    }
    assert_eq!(counted(fx, P).await, before);
    fx.batch(&user(1), json!([touch(&a)])).await.ok();
    let one = all.filter("name == 'b'");
    fx.update_many(&user(1), P, one, json!({"stock": 5}))
        .await
        .ok();
});

each_store!(what_goes_along_counts, APP, async |fx| {
    let orders = |count: usize| json!(vec![json!({"order_items": [{"quantity": 1}]}); count]);
    fx.create_many(&user(1), "shop.orders", orders(10))
        .await
        .data();
    let all = Query::new().filter("true");
    // Ten, with ten along: as many as one request writes.
    let reply = fx.delete_many(&user(1), "shop.orders", all.clone()).await;
    assert_eq!(reply.bytes(), b"{\"count\":10}");
    for _ in 0..2 {
        fx.create_many(&user(1), "shop.orders", orders(6))
            .await
            .data();
    }
    let before = counted(fx, "shop.orders").await;
    let reply = fx.delete_many(&user(1), "shop.orders", all).await;
    assert_eq!(reply.code(), "limit.batch");
    assert_eq!(counted(fx, "shop.orders").await, before);
});

each_store!(who_may_write_nothing_is_told_so, APP, async |fx| {
    product(fx, 1, json!({"name": "a"})).await;
    let all = Query::new().filter("true");
    let reply = fx
        .update_many(&anonymous(), P, all.clone(), json!({"stock": 1}))
        .await;
    assert_eq!(reply.code(), "auth.required");
    let reply = fx.delete_many(&anonymous(), P, all.clone()).await;
    assert_eq!(reply.code(), "auth.required");
    // Where nothing matches there is nothing to refuse.
    let none = all.filter("stock > 99");
    let reply = fx.delete_many(&anonymous(), P, none).await;
    assert_eq!(reply.bytes(), b"{\"count\":0}");
});

each_store!(keys_are_not_drawn_in_vain, APP, async |fx| {
    for (who, records, code, errors) in [
        (anonymous(), json!([{}, {}]), "auth.required", vec![]),
        (
            user(1),
            json!([{"id": 1}, {}]),
            "data.invalid",
            vec!["/0/id read_only"],
        ),
        (
            user(1),
            json!([{}, {"nothing": 1}]),
            "data.invalid",
            vec!["/1/nothing unknown"],
        ),
    ] {
        let reply = fx.create_many(&who, "shop.orders", records).await;
        assert_eq!(reply.code(), code);
        if !errors.is_empty() {
            assert_eq!(reply.errors(), errors);
        }
    }
    let made = fx
        .create_many(&user(1), "shop.orders", json!([{}, {}]))
        .await
        .data();
    assert_eq!([&made[0]["id"], &made[1]["id"]], [&json!(1), &json!(2)]);
});

each_store!(
    the_rule_of_the_record_around_comes_before_checks,
    &small(),
    async |fx| {
        let p = product(fx, 1, json!({"name": "p", "stock": 0})).await;
        let review = |count: i64| json!({"product": p["id"], "votes": [{"count": count}]});
        for count in [1, -1] {
            let reply = fx.create(&user(1), "shop.reviews", review(count)).await;
            assert_eq!(reply.code(), "access.forbidden", "{count}");
        }
        fx.update(&user(1), P, &id(&p), json!({"stock": 1}))
            .await
            .ok();
        let reply = fx.create(&user(1), "shop.reviews", review(-1)).await;
        assert_eq!(reply.errors(), ["/votes/0/count check"]);
        fx.create(&user(1), "shop.reviews", review(1)).await.ok();
    }
);

each_store!(
    a_computed_reference_is_asked_about_too,
    &small(),
    async |fx| {
        let hidden = product(fx, 2, json!({"name": "h", "public": false})).await;
        let shown = product(fx, 2, json!({"name": "s"})).await;
        let replaced = |wanted: &Json| {
            json!([
                {"op": "create", "name": "wish", "model": "other.wishes", "body": {}},
                {"op": "replace", "model": "other.wishes", "id": {"$ref": "wish"}, "body": {"wanted": wanted["id"]}},
            ])
        };
        fx.batch(&user(1), replaced(&shown)).await.ok();
        let reply = fx.batch(&user(1), replaced(&hidden)).await;
        assert_eq!(reply.errors(), ["/operations/1/body/product not_found"]);
        assert_eq!(counted(fx, "other.wishes").await.0, 1);
    }
);

each_store!(a_batch_s_own_mistakes_are_told_at_once, APP, async |fx| {
    let reply = fx
        .batch(
            &user(1),
            json!([
                {"op": "upsert", "model": P, "key": "nme", "body": {"name": "x"}},
                {"op": "upsert", "model": P, "key": "name", "body": {"name": "x"}},
                {"op": "delete", "model": P, "id": {"$ref": "zz"}},
            ]),
        )
        .await;
    assert_eq!(
        reply.errors(),
        [
            "/operations/0/key key",
            "/operations/1/key key",
            "/operations/2/id ref"
        ]
    );
});
