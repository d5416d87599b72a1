//! A record with those that refer to it, in one body.

use super::*;

const O: &str = "shop.orders";

async fn everything(fx: &Fixture) -> Vec<(Json, usize)> {
    let mut out = Vec::new();
    for model in [O, "shop.order_items", "shop.taxes"] {
        out.push(counted(fx, model).await);
    }
    out
}

each_store!(a_record_comes_with_its_children, APP, async |fx| {
    let p = product(fx, 2, json!({"name": "p"})).await;
    let body = json!({
        "note": "n",
        "order_items": [
            {"product": id(&p), "quantity": 2, "taxes": [{"rate": 7}, {"rate": 19}]},
            {"quantity": 1},
        ],
    });
    let made = fx.create(&user(1), O, body).await.ok();
    assert_eq!(made["note"], "n");
    assert!(
        made.get("order_items").is_none(),
        "the record alone, unless expanded"
    );
    let query = Query::new().expand("order_items.taxes");
    let whole = fx.one_with(&user(1), O, &id(&made), query).await.ok();
    let items = whole["order_items"]["data"].as_array().expect("items");
    assert_eq!(items.len(), 2);
    let mut rates = Vec::new();
    for item in items {
        assert_eq!(item["order"], made["id"]);
        for tax in item["taxes"]["data"].as_array().expect("taxes") {
            assert_eq!(tax["item"], item["id"]);
            rates.push(tax["rate"].clone());
        }
    }
    rates.sort_by_key(Json::as_i64);
    assert_eq!(rates, [7, 19]);
    // In an array, too.
    let body = json!([{"order_items": [{"quantity": 1}]}, {"order_items": [{"quantity": 2}, {"quantity": 3}]}]);
    let made = fx.create_many(&user(1), O, body).await.data();
    assert_eq!(made.len(), 2);
    for (order, count) in made.iter().zip([1, 2]) {
        let query = Query::new().filter(&format!("order == {}", order["id"]));
        let items = fx.list(&user(1), "shop.order_items", query).await.data();
        assert_eq!(items.len(), count);
    }
});

each_store!(one_that_fails_leaves_none, APP, async |fx| {
    let p = product(fx, 2, json!({"name": "p", "public": false})).await;
    let before = everything(fx).await;
    let table = [
        (
            json!({"order_items": [{"quantity": 1}, {"quantity": "x"}], "nothing": 1}),
            "data.invalid",
            vec!["/nothing unknown", "/order_items/1/quantity type"],
        ),
        (
            json!({"order_items": [{"quantity": 1}, {"quantity": 0}, {"quantity": -1}]}),
            "data.invalid",
            vec![
                "/order_items/1/quantity check",
                "/order_items/2/quantity check",
            ],
        ),
        (
            json!({"order_items": [{"quantity": 1, "order": 1}]}),
            "data.invalid",
            vec!["/order_items/0/order read_only"],
        ),
        (
            json!({"order_items": [{"quantity": 1, "product": id(&p)}]}),
            "data.invalid",
            vec!["/order_items/0/product not_found"],
        ),
        (
            json!({"order_items": [{"quantity": 1, "product": uid(404)}]}),
            "data.invalid",
            vec!["/order_items/0/product not_found"],
        ),
        (
            json!({"order_items": {"quantity": 1}}),
            "data.invalid",
            vec!["/order_items type"],
        ),
        (
            json!({"order_items": [{"quantity": 1, "id": uid(5)}]}),
            "data.invalid",
            vec!["/order_items/0/id read_only"],
        ),
        (
            json!({"buyer": uid(2), "order_items": [{"quantity": 1}]}),
            "access.forbidden",
            vec![],
        ),
        (
            json!({"order_items": [{"quantity": 1, "taxes": [{"rate": 1, "notes": [{"marks": [{}]}]}]}]}),
            "data.invalid",
            vec!["/order_items/0/taxes/0/notes/0/marks too_deep"],
        ),
        (
            json!({"order_items": (0..20).map(|_| json!({"quantity": 1})).collect::<Vec<_>>()}),
            "limit.batch",
            vec![],
        ),
    ];
    for (body, code, errors) in table {
        let reply = fx.create(&user(1), O, body.clone()).await;
        let errors: Vec<String> = errors.into_iter().map(str::to_owned).collect();
        assert_eq!((reply.code(), reply.errors()), (code, errors), "{body}");
        assert_eq!(everything(fx).await, before, "{body}");
    }
    // The children's own rule binds.
    let own = product(fx, 1, json!({"name": "a", "reviews": []})).await;
    assert_eq!(own["stock"], 0);
    let before = counted(fx, P).await;
    let reply = fx
        .create(&user(1), P, json!({"name": "b", "reviews": [{"stars": 1}]}))
        .await;
    assert_eq!(
        (reply.code(), reply.errors()),
        ("access.forbidden", vec!["/reviews/0 forbidden".to_owned()])
    );
    assert_eq!(counted(fx, P).await, before);
    fx.create(
        &user(1),
        P,
        json!({"name": "b", "stock": 1, "reviews": [{"stars": 1}]}),
    )
    .await
    .ok();
    // Only with a new record.
    let order = fx.create(&user(1), O, json!({})).await.ok();
    let before = everything(fx).await;
    let nested = json!({"order_items": [{"quantity": 1}]});
    let reply = fx.update(&user(1), O, &id(&order), nested.clone()).await;
    assert_eq!(reply.errors(), ["/order_items read_only"]);
    let reply = fx.replace(&user(1), O, &id(&order), nested).await;
    assert_eq!(reply.errors(), ["/order_items read_only"]);
    assert_eq!(everything(fx).await, before);
});
