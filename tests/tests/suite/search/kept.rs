//! Whatever writes a record, the index is true of it.

use super::{APP, M, found, product};
use mainstay_tests::*;
use serde_json::json;

each_store!(the_index_follows_each_write, APP, async |fx| {
    let first = product(fx, "red shoe", "leather").await;
    fx.update(&system(), M, &first, json!({"name": "blue shoe"}))
        .await
        .ok();
    assert_eq!(found(fx, "red").await, Vec::<String>::new());
    assert_eq!(found(fx, "blue leather").await, ["blue shoe"]);
    // What is not searched does not matter to it.
    fx.update(&system(), M, &first, json!({"price": 3}))
        .await
        .ok();
    assert_eq!(found(fx, "blue").await, ["blue shoe"]);
    fx.update(&system(), M, &first, json!({"description": null}))
        .await
        .ok();
    assert_eq!(found(fx, "leather").await, Vec::<String>::new());
    fx.replace(
        &system(),
        M,
        &first,
        json!({"name": "green shoe", "description": "wool"}),
    )
    .await
    .ok();
    assert_eq!(found(fx, "wool green").await, ["green shoe"]);
    let other = uid(77);
    fx.replace(&system(), M, &other, json!({"name": "green hat"}))
        .await
        .ok();
    assert_eq!(found(fx, "green").await, ["green shoe", "green hat"]);
    fx.delete(&system(), M, &first).await.done();
    assert_eq!(found(fx, "green").await, ["green hat"]);
    // A key that was used before.
    fx.delete(&system(), M, &other).await.done();
    fx.replace(&system(), M, &other, json!({"name": "yellow hat"}))
        .await
        .ok();
    assert_eq!(found(fx, "hat").await, ["yellow hat"]);
    assert_eq!(found(fx, "green").await, Vec::<String>::new());
});

each_store!(what_is_undone_is_not_found, APP, async |fx| {
    let id = product(fx, "red shoe", "").await;
    // Refused in the middle of a write: by its version, by a key that is taken.
    let stale = "W/\"x\"";
    let reply = fx
        .update_if(&system(), M, &id, json!({"name": "blue shoe"}), Some(stale))
        .await;
    assert_eq!(reply.code(), "data.precondition_failed");
    let taken = json!({"id": id, "name": "green shoe"});
    assert_eq!(fx.create(&system(), M, taken).await.code(), "data.conflict");
    assert_eq!(found(fx, "shoe").await, ["red shoe"]);
    assert_eq!(found(fx, "blue").await, Vec::<String>::new());
    // Many at a time, of which some fail: on SQLite they share a transaction.
    let one = async |n: u32| {
        let body = match n % 3 {
            0 => json!({"id": id, "name": format!("taken {n}")}),
            _ => json!({"name": format!("new {n}")}),
        };
        fx.create(&system(), M, body).await.0.is_ok()
    };
    let (a, b, c, d, e, f) = tokio::join!(one(0), one(1), one(2), one(3), one(4), one(5));
    assert_eq!([a, b, c, d, e, f], [false, true, true, false, true, true]);
    assert_eq!(found(fx, "taken").await, Vec::<String>::new());
    assert_eq!(found(fx, "new").await.len(), 4);
    assert_eq!(found(fx, "new 4").await, ["new 4"]);
});

each_store!(imports_and_sql_are_found_too, APP, async |fx| {
    let records: Vec<_> = (0..50)
        .map(|n| json!({"name": format!("import {n}"), "description": "many"}))
        .collect();
    fx.import(M, &records).await;
    let page = fx
        .list(&anonymous(), M, Query::new().search("import").count())
        .await
        .ok();
    assert_eq!(page["count"], 50);
    assert_eq!(found(fx, "\"import 7\"").await, ["import 7"]);
    let table = match fx.on {
        On::Sqlite => "\"shop__products\"",
        On::Postgres => "\"shop\".\"products\"",
    };
    fx.by_hand(&format!(
        "UPDATE {table} SET \"description\" = 'by hand' WHERE \"name\" = 'import 7'"
    ))
    .await;
    assert_eq!(found(fx, "hand").await, ["import 7"]);
    fx.by_hand(&format!(
        "UPDATE {table} SET \"description\" = 'many' WHERE \"name\" = 'import 7'"
    ))
    .await;
    assert_eq!(found(fx, "hand").await, Vec::<String>::new());
});
