//! Keys of writes, as the engine and the stores know them: whose they are, for how long, and what they cost.

use bytes::Bytes;
use engine::operation::{Create, Operation, Select};
use engine::{Beforehand, Engine, Executed, IdempotencyKey};
use mainstay_tests::statements::statements_of;
use mainstay_tests::*;
use serde_json::json;
use spec::Principal;
use std::sync::Arc;

const APP: &str = r#"
[idempotency]
keep = "1h"
## modules/shop/module.toml
[models.notes.fields]
text = { type = "string" }
[models.notes.access]
read = "true"
create = "auth.id != null"
"#;
const NOTES: &str = "shop.notes";
const SECRET: &[u8] = b"thirty-two bytes of test secret!";

async fn create(engine: &Engine, who: &Principal, key: &str, text: &str) -> Executed {
    let app = engine.app();
    let body = Bytes::from(json!({"text": text}).to_string());
    let create = Operation::Create(Create {
        model: app.model_named(NOTES).expect("notes").id,
        body: body.clone(),
        select: Select::default(),
    });
    let beforehand = Beforehand {
        once: Some(IdempotencyKey {
            value: key.to_owned(),
            target: "POST /api/shop/notes".to_owned(),
            request: vec![body],
        }),
        ..Beforehand::default()
    };
    engine.execute_on(&app, who, create, beforehand).await
}

async fn count(fx: &Fixture) -> usize {
    let page = fx
        .list(&system(), NOTES, Query::new().limit(100))
        .await
        .ok();
    page["data"].as_array().expect("a page").len()
}

each_store!(servers_on_one_database_are_one, APP, async |fx| {
    // Each with its own memory: what they have in common is the database.
    let engines: Vec<Arc<Engine>> = (0..4)
        .map(|_| Arc::new(Engine::new(fx.app.clone(), fx.store.clone(), SECRET)))
        .collect();
    for round in 0..10 {
        let key = format!("round {round}");
        let sent: Vec<_> = engines
            .iter()
            .map(|engine| {
                let (engine, key) = (engine.clone(), key.clone());
                tokio::spawn(async move { create(&engine, &user(1), &key, "a").await })
            })
            .collect();
        let mut firsts = 0;
        for sent in sent {
            let done = sent.await.expect("an answer");
            match Reply(done.result) {
                reply if reply.0.is_ok() => firsts += usize::from(!done.replayed),
                reply => assert_eq!(reply.code(), "request.idempotency_key_in_use"),
            }
        }
        assert_eq!(firsts, 1, "{key}");
        assert_eq!(count(fx).await, round + 1);
    }
});

each_store!(a_key_is_forgotten_in_time, APP, async |fx| {
    let u = user(1);
    for n in 0..5 {
        let done = create(&fx.engine, &u, &n.to_string(), "a").await;
        assert!(done.result.is_ok() && !done.replayed);
    }
    assert!(create(&fx.engine, &u, "0", "a").await.replayed);
    assert_eq!(fx.engine.forget_answers(10).await, Ok(0));
    let (table, long_ago) = match fx.on {
        On::Sqlite => ("_mainstay_idempotency_keys", "0"),
        On::Postgres => ("mainstay.idempotency_keys", "to_timestamp(0)"),
    };
    fx.by_hand(&format!("UPDATE {table} SET at = {long_ago}"))
        .await;
    // From then on it is as new, whether it was swept or not; another request, too.
    let done = create(&fx.engine, &u, "0", "b").await;
    assert!(done.result.is_ok() && !done.replayed);
    assert!(create(&fx.engine, &u, "0", "b").await.replayed);
    assert_eq!(count(fx).await, 6);
    assert_eq!(fx.engine.forget_answers(3).await, Ok(3));
    assert_eq!(fx.engine.forget_answers(3).await, Ok(1));
    assert_eq!(fx.engine.forget_answers(3).await, Ok(0));
    assert!(create(&fx.engine, &u, "0", "b").await.replayed);
    let done = create(&fx.engine, &u, "1", "a").await;
    assert!(done.result.is_ok() && !done.replayed);
});

each_store!(a_key_of_somebody_else_is_no_key, APP, async |fx| {
    create(&fx.engine, &user(1), "known", "a")
        .await
        .result
        .expect("a note");
    let (taken, done) = statements_of(
        "idempotency_keys",
        create(&fx.engine, &user(2), "known", "a"),
    )
    .await;
    assert!(done.result.is_ok() && !done.replayed);
    let (free, done) = statements_of(
        "idempotency_keys",
        create(&fx.engine, &user(2), "unknown", "a"),
    )
    .await;
    assert!(done.result.is_ok() && !done.replayed);
    assert_eq!(taken, free);
    assert!(!taken.is_empty());
});

each_store!(a_write_without_a_key_knows_of_none, APP, async |fx| {
    let u = user(1);
    let write = fx.create(&u, NOTES, json!({"text": "a"}));
    let (about_keys, done) = statements_of("idempotency_keys", write).await;
    done.ok();
    assert_eq!(about_keys, Vec::<String>::new());
});

each_store!(another_secret_does_no_write_twice, APP, async |fx| {
    create(&fx.engine, &user(1), "k", "a")
        .await
        .result
        .expect("a note");
    // The key is known; whether it is the same request cannot be told any more.
    let other = Engine::new(
        fx.app.clone(),
        fx.store.clone(),
        b"another secret of the server",
    );
    let reply = Reply(create(&other, &user(1), "k", "a").await.result);
    assert_eq!(reply.code(), "request.idempotency_key_reused");
    assert_eq!(count(fx).await, 1);
});
