//! `PUT` by a unique key.

use super::*;
use engine::Outcome;

each_store!(a_record_is_found_by_its_unique_values, APP, async |fx| {
    let body = json!({"name": "a", "sku": "s1", "stock": 3});
    let made = fx.upsert(&user(1), P, "sku", body).await;
    assert_eq!(made.outcome(), Outcome::Created);
    let made = made.ok();
    let again = fx
        .upsert(&user(1), P, "sku", json!({"name": "b", "sku": "s1"}))
        .await;
    assert_eq!(again.outcome(), Outcome::Changed);
    let again = again.ok();
    assert_eq!((&again["id"], &again["name"]), (&made["id"], &json!("b")));
    assert_eq!(again["stock"], 0, "a PUT replaces");
    // Together unique, in any order.
    let first = fx
        .upsert(
            &user(1),
            P,
            "lot,batch",
            json!({"name": "c", "batch": "x", "lot": 1}),
        )
        .await
        .ok();
    let second = fx
        .upsert(
            &user(1),
            P,
            "batch,lot",
            json!({"name": "d", "batch": "x", "lot": 1}),
        )
        .await
        .ok();
    let third = fx
        .upsert(
            &user(1),
            P,
            "batch,lot",
            json!({"name": "d", "batch": "x", "lot": 2}),
        )
        .await;
    assert_eq!(first["id"], second["id"]);
    assert_eq!(third.outcome(), Outcome::Created);
    assert_eq!(counted(fx, P).await.0, 3);
    // Preconditions.
    let tag = fx.one(&user(1), P, &id(&made)).await.etag();
    let body = || json!({"name": "z", "sku": "s1"});
    let reply = fx.upsert_if(&user(1), P, "sku", body(), None, true).await;
    assert_eq!(reply.code(), "data.precondition_failed");
    fx.upsert_if(&user(1), P, "sku", body(), Some(&tag), false)
        .await
        .ok();
    let reply = fx
        .upsert_if(&user(1), P, "sku", body(), Some(&tag), false)
        .await;
    assert_eq!(reply.code(), "data.precondition_failed");
    let absent = json!({"name": "z", "sku": "s9"});
    let reply = fx
        .upsert_if(&user(1), P, "sku", absent, Some("*"), false)
        .await;
    assert_eq!(reply.code(), "data.precondition_failed");
});

each_store!(what_is_no_key_is_refused, APP, async |fx| {
    let body = json!({"name": "a", "sku": "s"});
    for key in ["name", "batch", "sku,batch", "nothing", "cost"] {
        let reply = fx.upsert(&user(1), P, key, body.clone()).await;
        assert_eq!(reply.code(), "request.bad_parameter", "{key}");
    }
    let says = fx.upsert(&user(1), P, "name", body).await;
    assert!(
        says.problem().detail.contains("key=sku"),
        "{}",
        says.problem().detail
    );
    for (body, error) in [
        (json!({"name": "a"}), "/sku required"),
        (json!({"name": "a", "sku": null}), "/sku required"),
        (json!({"name": "a", "sku": 5}), "/sku type"),
    ] {
        assert_eq!(fx.upsert(&user(1), P, "sku", body).await.errors(), [error]);
    }
    for (field, value, code) in not_in_bodies() {
        let reply = fx
            .upsert(
                &user(1),
                P,
                "sku",
                json!({"name": "a", "sku": "s", field: value}),
            )
            .await;
        assert_eq!(reply.errors(), [format!("/{field} {code}")]);
    }
    assert_eq!(counted(fx, P).await.0, 0);
});

// One that the caller may not read is met as any value that is taken, and told apart by nothing.
each_store!(a_hidden_record_is_a_conflict, APP, async |fx| {
    let hidden = product(fx, 1, json!({"name": "h", "sku": "s", "public": false})).await;
    let shown = product(fx, 1, json!({"name": "s", "sku": "t"})).await;
    let before = counted(fx, P).await;
    let reply = fx
        .upsert(&user(2), P, "sku", json!({"name": "x", "sku": "s"}))
        .await;
    let create = fx
        .create(&user(2), P, json!({"name": "x", "sku": "s"}))
        .await;
    assert_eq!(reply.problem(), create.problem());
    assert_eq!(reply.code(), "data.conflict");
    let denied = json!({"name": "x", "sku": "s", "seller": uid(1)});
    assert_eq!(
        fx.upsert(&user(2), P, "sku", denied).await.code(),
        "access.forbidden"
    );
    let reply = fx
        .upsert(&user(2), P, "sku", json!({"name": "x", "sku": "t"}))
        .await;
    assert_eq!(reply.code(), "access.forbidden");
    assert_eq!(counted(fx, P).await, before);
    for (record, name) in [(hidden, "h"), (shown, "s")] {
        assert_eq!(fx.one(&user(1), P, &id(&record)).await.ok()["name"], name);
    }
});

each_store!(upserts_of_one_key_meet_in_one_record, APP, async |fx| {
    let all = (0..8).map(|n| {
        let body = json!({"name": format!("n{n}"), "sku": "same"});
        async move { fx.upsert(&user(1), P, "sku", body).await }
    });
    let mut created = 0;
    for reply in futures_join(all).await {
        match reply.word() {
            "record" => created += u32::from(reply.outcome() == Outcome::Created),
            word => assert_eq!(word, "data.contended"),
        }
    }
    assert_eq!(created, 1);
    assert_eq!(counted(fx, P).await.0, 1);
});

/// All at once, each polled in turn.
pub(super) async fn futures_join<F: Future>(futures: impl Iterator<Item = F>) -> Vec<F::Output> {
    let mut running: Vec<_> = futures.map(Box::pin).collect();
    let mut out: Vec<Option<F::Output>> = running.iter().map(|_| None).collect();
    std::future::poll_fn(|context| {
        for (future, out) in running.iter_mut().zip(&mut out) {
            if out.is_none()
                && let std::task::Poll::Ready(done) = future.as_mut().poll(context)
            {
                *out = Some(done);
            }
        }
        match out.iter().all(Option::is_some) {
            true => std::task::Poll::Ready(()),
            false => std::task::Poll::Pending,
        }
    })
    .await;
    out.into_iter().flatten().collect()
}
