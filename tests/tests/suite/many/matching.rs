//! Changing and deleting what a filter matches.

use super::*;
use plan::operation::PlainOp;

async fn shop(fx: &Fixture) -> Vec<String> {
    let body = json!([
        {"name": "a", "stock": 1}, {"name": "b", "stock": 2}, {"name": "c", "stock": 3, "public": false},
    ]);
    let made = fx.create_many(&user(1), P, body).await.data();
    product(fx, 2, json!({"name": "d", "stock": 4})).await;
    product(
        fx,
        2,
        json!({"name": "e", "stock": 5, "public": false, "cost": 7}),
    )
    .await;
    made.iter().map(id).collect()
}

fn all() -> Query {
    Query::new().filter("true")
}

each_store!(
    each_record_that_matches_is_changed_as_alone,
    APP,
    async |fx| {
        let ids = shop(fx).await;
        let mine = Query::new().plain("seller", PlainOp::Eq, &[&uid(1)]);
        let reply = fx
            .update_many(
                &user(1),
                P,
                mine.clone().filter("stock >= 2"),
                json!({"price": "5", "options": {"a": 1}}),
            )
            .await;
        assert_eq!(reply.bytes(), b"{\"count\":2}");
        for (id, price, log) in [
            (&ids[0], "1.00", 1),
            (&ids[1], "5.00", 2),
            (&ids[2], "5.00", 2),
        ] {
            let record = fx.one(&user(1), P, id).await.ok();
            assert_eq!(record["price"], price);
            assert_eq!(fx.changes_of(P, id).await.len(), log);
        }
        // Objects in JSON fields are merged, each with its own.
        fx.update(&user(1), P, &ids[1], json!({"options": {"b": 2}}))
            .await
            .ok();
        let reply = fx
            .update_many(&user(1), P, mine.clone(), json!({"options": {"a": 9}}))
            .await;
        assert_eq!(reply.bytes(), b"{\"count\":3}");
        assert_eq!(
            fx.one(&user(1), P, &ids[1]).await.ok()["options"],
            json!({"a": 9, "b": 2})
        );
        // What is so already counts, and is not written.
        let before = fx.changes().await.len();
        let reply = fx
            .update_many(&user(1), P, mine.clone(), json!({"options": {"a": 9}}))
            .await;
        assert_eq!(reply.bytes(), b"{\"count\":3}");
        assert_eq!(fx.changes().await.len(), before);
        let none = fx
            .update_many(&user(1), P, mine.filter("stock > 99"), json!({"stock": 1}))
            .await;
        assert_eq!(none.bytes(), b"{\"count\":0}");
    }
);

each_store!(
    one_that_may_not_be_changed_holds_all_back,
    APP,
    async |fx| {
        let ids = shop(fx).await;
        let before = counted(fx, P).await;
        let mine = || Query::new().plain("seller", PlainOp::Eq, &[&uid(1)]);
        let patches = [
            (all(), json!({"stock": 0}), "access.forbidden"),
            (mine(), json!({"price": 0}), "data.invalid"),
            (mine(), json!({"price": "x"}), "data.invalid"),
            (mine(), json!({"internal": "x"}), "access.field_forbidden"),
            (mine(), json!({"seller": uid(2)}), "data.invalid"),
            (mine(), json!({"id": uid(5)}), "data.invalid"),
            (mine(), json!({"nothing": 1}), "data.invalid"),
            (mine(), json!({"sku": "one"}), "data.conflict"),
            (mine(), json!({"reviews": []}), "data.invalid"),
            (mine(), json!([]), "request.malformed_json"),
            (Query::new(), json!({"stock": 0}), "request.bad_filter"),
        ];
        for (query, patch, code) in patches {
            let reply = fx.update_many(&user(1), P, query, patch.clone()).await;
            assert_eq!(reply.code(), code, "{patch}");
            // What is hidden from the caller is not spoken of.
            assert!(
                !reply.problem().detail.contains('e') || !reply.problem().detail.contains("\"e\"")
            );
            assert_eq!(counted(fx, P).await, before, "{patch}");
        }
        let reply = fx
            .update_many(&user(1), P, mine(), json!({"price": 0}))
            .await;
        assert_eq!(reply.errors(), ["/price check"]);
        let told = ids
            .iter()
            .any(|id| reply.problem().detail.contains(id.as_str()));
        assert!(told, "{}", reply.problem().detail);
        let reply = fx
            .update_many(&anonymous(), P, all(), json!({"stock": 0}))
            .await;
        assert_eq!(reply.code(), "auth.required");
        assert_eq!(
            fx.delete_many(&user(1), P, all()).await.code(),
            "access.forbidden"
        );
        assert_eq!(
            fx.delete_many(&user(1), P, Query::new()).await.code(),
            "request.bad_filter"
        );
        assert_eq!(counted(fx, P).await, before);
    }
);

// A filter asks through the caller's eyes, as in a list.
each_store!(a_filter_finds_nothing_by_what_is_hidden, APP, async |fx| {
    shop(fx).await;
    let patch = json!({"stock": 50});
    for filter in ["cost == 7", "cost > 0", "cost != null", "name == 'e'"] {
        let reply = fx
            .update_many(&user(1), P, Query::new().filter(filter), patch.clone())
            .await;
        assert_eq!(reply.bytes(), b"{\"count\":0}", "{filter}");
        let reply = fx
            .delete_many(&user(1), P, Query::new().filter(filter))
            .await;
        assert_eq!(reply.bytes(), b"{\"count\":0}", "{filter}");
    }
    let own = Query::new().filter("cost == 7");
    assert_eq!(
        fx.update_many(&user(2), P, own, patch).await.bytes(),
        b"{\"count\":1}"
    );
});

each_store!(deletes_take_along_and_hold_back, APP, async |fx| {
    let ids = shop(fx).await;
    for id in &ids {
        let review = json!({"product": id});
        fx.create_many(&user(1), "shop.reviews", json!([review, review]))
            .await
            .data();
    }
    let order = fx.create(&user(1), "shop.orders", json!({})).await.ok();
    let item = json!({"order": order["id"], "product": ids[0], "quantity": 1});
    fx.create(&user(1), "shop.order_items", item).await.ok();
    let mine = || Query::new().plain("seller", PlainOp::Eq, &[&uid(1)]);
    let before = counted(fx, "shop.reviews").await;
    let reply = fx.delete_many(&user(1), P, mine()).await;
    assert_eq!(reply.code(), "data.restricted");
    assert!(
        reply.problem().detail.contains("shop.order_items"),
        "{}",
        reply.problem().detail
    );
    assert_eq!(counted(fx, "shop.reviews").await, before);
    let reply = fx
        .delete_many(&user(1), P, mine().filter("stock > 1"))
        .await;
    assert_eq!(reply.bytes(), b"{\"count\":2}");
    assert_eq!(counted(fx, "shop.reviews").await.0, 2);
    for (id, kinds) in [
        (&ids[0], vec!["create"]),
        (&ids[1], vec!["create", "delete"]),
    ] {
        let log = fx.changes_of(P, id).await;
        let log: Vec<&str> = log.iter().map(|change| change.kind.name()).collect();
        assert_eq!(log, kinds);
    }
});

each_store!(
    more_matches_than_the_bound_change_nothing,
    APP,
    async |fx| {
        for _ in 0..2 {
            let many = Json::Array((0..11).map(|_| json!({"name": "a", "stock": 1})).collect());
            fx.create_many(&user(1), P, many).await.data();
        }
        let before = counted(fx, P).await;
        for reply in [
            fx.update_many(&user(1), P, all(), json!({"stock": 9}))
                .await,
            fx.delete_many(&user(1), P, all()).await,
        ] {
            assert_eq!(reply.code(), "limit.batch");
            assert_eq!(reply.problem().limit, Some(("limits.batch", 20)));
        }
        assert_eq!(counted(fx, P).await, before);
        // What goes along counts, too.
        let some = fx.list(&user(1), P, Query::new().limit(7)).await.data();
        let reviews: Vec<Json> = some.iter().map(|p| json!({"product": id(p)})).collect();
        for _ in 0..3 {
            fx.create_many(&user(1), "shop.reviews", json!(reviews))
                .await
                .data();
        }
        let ids: Vec<String> = some.iter().map(|p| format!("'{}'", id(p))).collect();
        let those = Query::new().filter(&format!("id in [{}]", ids.join(", ")));
        let before = counted(fx, P).await;
        let reply = fx.delete_many(&user(1), P, those).await;
        assert_eq!(reply.code(), "limit.batch", "7 products and 21 reviews");
        assert_eq!(counted(fx, P).await, before);
        let those = Query::new().filter(&format!("id in [{}]", ids[..5].join(", ")));
        assert_eq!(
            fx.delete_many(&user(1), P, those).await.bytes(),
            b"{\"count\":5}"
        );
    }
);

each_store!(rules_over_other_records_hold_for_each, APP, async |fx| {
    let ready = product(fx, 1, json!({"name": "a", "stock": 1})).await;
    let other = product(fx, 1, json!({"name": "b", "stock": 1})).await;
    let of = |p: &Json| json!({"product": id(p)});
    fx.create_many(&user(2), "shop.reviews", json!([of(&ready), of(&other)]))
        .await
        .data();
    let reply = fx
        .update_many(&user(2), "shop.reviews", all(), json!({"stars": 3}))
        .await;
    assert_eq!(reply.bytes(), b"{\"count\":2}");
    fx.update(&user(1), P, &id(&other), json!({"stock": 0}))
        .await
        .ok();
    let before = counted(fx, "shop.reviews").await;
    let reply = fx
        .update_many(&user(2), "shop.reviews", all(), json!({"stars": 4}))
        .await;
    assert_eq!(reply.code(), "access.forbidden");
    assert_eq!(counted(fx, "shop.reviews").await, before);
    let over = Query::new().filter("product.name == 'a'");
    let reply = fx
        .update_many(&user(2), "shop.reviews", over, json!({"stars": 4}))
        .await;
    assert_eq!(reply.bytes(), b"{\"count\":1}");
});
