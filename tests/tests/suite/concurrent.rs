//! Many at once: nothing is lost, and the log tells it in order.

use mainstay_tests::*;
use serde_json::json;
use spec::ModelId;
use std::collections::HashMap;
use std::sync::Arc;
use store::changes::Offset;

const APP: &str = r#"
## modules/m/module.toml
[models.counters]
id = "string"
[models.counters.fields]
n = { type = "int", default = "0" }
[models.counters.access]
read = "true"
create = "true"
update = "true"
delete = "true"

[models.tickets]
id = "int"
[models.tickets.fields]
note = { type = "string", optional = true }
[models.tickets.access]
read = "true"
create = "true"

[models.names.fields]
name = { type = "string", unique = true }
[models.names.access]
read = "true"
create = "true"
"#;

const M: &str = "m.counters";

/// The fixture's engine, for tasks that outlive a borrow.
fn door(fx: &Fixture) -> (Arc<engine::Engine>, ModelId) {
    (Arc::clone(&fx.engine), fx.model(M).id)
}

async fn run(engine: &engine::Engine, operation: plan::operation::Operation) -> Reply {
    Reply(engine.execute(&user(1), operation).await.result)
}

fn patch(model: ModelId, id: &str, n: i64, tag: Option<String>) -> plan::operation::Operation {
    plan::operation::Operation::Update(plan::operation::Update {
        model,
        id: id.to_owned(),
        body: bytes::Bytes::from(json!({ "n": n }).to_string()),
        if_match: tag.map(|tag| plan::operation::Precondition::Tags(vec![tag])),
        select: plan::operation::Select::default(),
    })
}

fn one(model: ModelId, id: &str) -> plan::operation::Operation {
    plan::operation::Operation::One(plan::operation::One {
        model,
        id: id.to_owned(),
        select: plan::operation::Select::default(),
    })
}

fn put(model: ModelId, id: &str, n: i64) -> plan::operation::Operation {
    plan::operation::Operation::Replace(plan::operation::Replace {
        model,
        id: id.to_owned(),
        body: bytes::Bytes::from(json!({ "n": n }).to_string()),
        if_match: None,
        if_absent: false,
        select: plan::operation::Select::default(),
    })
}

each_store!(no_update_is_lost, APP, async |fx| {
    const TASKS: i64 = 32;
    fx.create(&user(1), M, json!({"id": "c"})).await.ok();
    let (engine, model) = door(fx);
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..TASKS {
        let engine = Arc::clone(&engine);
        tasks.spawn(async move {
            let mut refused = 0u32;
            loop {
                let read = run(&engine, one(model, "c")).await;
                let tag = read.etag();
                let n = read.ok()["n"].as_i64().expect("a number");
                let reply = run(&engine, patch(model, "c", n + 1, Some(tag))).await;
                match reply.0 {
                    Ok(_) => return refused,
                    Err(problem) => {
                        let code = problem.code.name();
                        assert!(
                            matches!(code, "data.precondition_failed" | "data.contended"),
                            "{problem}"
                        );
                        refused += 1;
                        assert!(refused < 2000, "never got through");
                    }
                }
            }
        });
    }
    let mut refused = 0;
    while let Some(task) = tasks.join_next().await {
        refused += task.expect("a task");
    }
    assert_eq!(fx.one(&user(1), M, "c").await.ok()["n"], TASKS);
    assert!(refused > 0, "they met");
    let versions: Vec<i64> = fx
        .changes_of(M, "c")
        .await
        .iter()
        .map(|c| c.version)
        .collect();
    assert_eq!(versions, (1..=TASKS + 1).collect::<Vec<_>>());
});

// One of them creates it; the others find it there and replace it, on either store.
each_store!(a_put_by_many_at_once_is_a_put, APP, async |fx| {
    for round in 0..8 {
        let id = format!("new{round}");
        let (engine, model) = door(fx);
        let mut tasks = tokio::task::JoinSet::new();
        for n in 0..16 {
            let (engine, id) = (Arc::clone(&engine), id.clone());
            tasks.spawn(async move { run(&engine, put(model, &id, n)).await });
        }
        while let Some(reply) = tasks.join_next().await {
            let reply = reply.expect("a task");
            assert!(
                reply.0.is_ok() || reply.code() == "data.contended",
                "{:?}",
                reply.problem()
            );
        }
        let versions: Vec<i64> = fx
            .changes_of(M, &id)
            .await
            .iter()
            .map(|c| c.version)
            .collect();
        assert_eq!(versions, (1..=versions.len() as i64).collect::<Vec<_>>());
    }
});

// Somebody reads the log while many write: every row once, each record's in order.
each_store!(the_log_is_whole_under_concurrent_writers, APP, async |fx| {
    const RECORDS: usize = 8;
    const TASKS: usize = 16;
    const WRITES: i64 = 12;
    for n in 0..RECORDS {
        fx.create(&user(1), M, json!({"id": format!("r{n}")}))
            .await
            .ok();
    }
    let (engine, model) = door(fx);
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..TASKS {
        let engine = Arc::clone(&engine);
        tasks.spawn(async move {
            let mut done = 0u32;
            for write in 0..WRITES {
                let id = format!("r{}", (task + write as usize) % RECORDS);
                let n = task as i64 * 1000 + write + 1;
                match run(&engine, patch(model, &id, n, None)).await.0 {
                    Ok(_) => done += 1,
                    Err(problem) => assert_eq!(problem.code.name(), "data.contended", "{problem}"),
                }
            }
            done
        });
    }
    let mut offset = Offset::start();
    let mut seen: HashMap<String, Vec<i64>> = HashMap::new();
    let mut quiet = 0;
    let mut written = 0;
    loop {
        while let Some(task) = tasks.try_join_next() {
            written += task.expect("a task");
        }
        let over = tasks.is_empty();
        let batch = fx.store.changes(&offset, 7).await.expect("the log");
        assert!(!batch.lost);
        let more = !batch.changes.is_empty();
        for change in batch.changes.into_iter().filter(|c| c.model == "counters") {
            seen.entry(change.record_id)
                .or_default()
                .push(change.version);
        }
        offset = batch.next;
        quiet = if over && !more { quiet + 1 } else { 0 };
        if quiet > 2 {
            break;
        }
    }
    let mut rows = 0;
    for (id, versions) in &seen {
        assert_eq!(
            *versions,
            (1..=versions.len() as i64).collect::<Vec<_>>(),
            "{id}: no gap, none twice, in order"
        );
        rows += versions.len();
    }
    assert_eq!(rows, RECORDS + written as usize);
    assert!(written as usize > TASKS, "most came through");
});

each_store!(of_many_with_one_unique_value_one_wins, APP, async |fx| {
    let model = fx.model("m.names").id;
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..16 {
        let engine = Arc::clone(&fx.engine);
        tasks.spawn(async move {
            let create = plan::operation::Create {
                model,
                body: bytes::Bytes::from_static(br#"{"name":"the one"}"#),
                select: plan::operation::Select::default(),
            };
            run(&engine, plan::operation::Operation::Create(create))
                .await
                .word()
        });
    }
    let mut words = Vec::new();
    while let Some(task) = tasks.join_next().await {
        words.push(task.expect("a task"));
    }
    words.sort_unstable();
    let mut expected = vec!["data.conflict"; 15];
    expected.push("record");
    assert_eq!(words, expected);
});

// The same id put by many at once: one creates, the others replace or miss; never two records.
each_store!(an_upsert_makes_one_record, APP, async |fx| {
    let model = fx.model(M).id;
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..16 {
        let engine = Arc::clone(&fx.engine);
        tasks.spawn(async move {
            let replace = plan::operation::Replace {
                model,
                id: "same".to_owned(),
                body: bytes::Bytes::from(json!({ "n": n }).to_string()),
                if_match: None,
                if_absent: true,
                select: plan::operation::Select::default(),
            };
            run(&engine, plan::operation::Operation::Replace(replace)).await
        });
    }
    let mut made = 0;
    while let Some(task) = tasks.join_next().await {
        let reply = task.expect("a task");
        match &reply.0 {
            Ok(_) => made += 1,
            Err(problem) => {
                let code = problem.code.name();
                assert!(
                    matches!(
                        code,
                        "data.precondition_failed" | "data.conflict" | "data.contended"
                    ),
                    "{problem}"
                );
            }
        }
    }
    assert_eq!(made, 1);
    assert_eq!(
        fx.list(&user(1), M, Query::new().count()).await.ok()["count"],
        1
    );
});

// Keys are given, from the highest down and up again, just where others are drawn.
each_store!(a_drawn_key_never_meets_a_given_one, APP, async |fx| {
    const DRAWS: usize = 60;
    let model = fx.model("m.tickets").id;
    let create = move |body: serde_json::Value| {
        plan::operation::Operation::Create(plan::operation::Create {
            model,
            body: bytes::Bytes::from(body.to_string()),
            select: plan::operation::Select::default(),
        })
    };
    let mut tasks = tokio::task::JoinSet::new();
    for given in (1..=30).rev().chain(31..=60) {
        let engine = Arc::clone(&fx.engine);
        tasks.spawn(async move {
            let result = engine
                .execute(&system(), create(json!({"id": given})))
                .await
                .result;
            let reply = Reply(result);
            if reply.word() != "record" {
                assert_eq!(reply.errors(), ["/id duplicate"], "drawn before");
            }
            None
        });
    }
    for _ in 0..DRAWS {
        let engine = Arc::clone(&fx.engine);
        tasks.spawn(async move { run(&engine, create(json!({}))).await.ok()["id"].as_i64() });
    }
    let mut drawn = Vec::new();
    while let Some(task) = tasks.join_next().await {
        drawn.extend(task.expect("a task"));
    }
    drawn.sort_unstable();
    drawn.dedup();
    assert_eq!(drawn.len(), DRAWS, "each its own");
});

/// The read rule needs other records, so that it is not decided in memory; a delete takes others along.
const PARCELS: &str = r#"
## modules/m/module.toml
[models.parcels.fields]
number = { type = "int", unique = true }
title  = { type = "string" }
owner  = { type = "relation", to = "auth.users", default = "auth.id", immutable = true }
[models.parcels.access]
read   = "owner == auth.id || stops.exists(s, s.place == title)"
create = "owner == auth.id"
update = "owner == auth.id"
delete = "owner == auth.id"

[models.stops.fields]
parcel = { type = "relation", to = "parcels", on_delete = "cascade" }
place  = { type = "string" }
[models.stops.access]
read = "true"
"#;

each_store!(a_put_that_races_a_delete_is_a_put, PARCELS, async |fx| {
    use plan::operation::{DeleteMany, Matching, Operation, Select, Upsert};
    let model = fx.model("m.parcels").id;
    let mut tasks = tokio::task::JoinSet::new();
    for task in 0..4 {
        let engine = Arc::clone(&fx.engine);
        let puts = task % 2 == 0;
        tasks.spawn(async move {
            let mut seen: HashMap<String, usize> = HashMap::new();
            for n in 0..100 {
                let body = json!({"number": 7, "title": n.to_string()}).to_string();
                let operation = match puts {
                    true => Operation::Upsert(Upsert {
                        model,
                        key: vec!["number".to_owned()],
                        body: bytes::Bytes::from(body),
                        if_match: None,
                        if_absent: false,
                        select: Select::default(),
                    }),
                    false => Operation::DeleteMany(DeleteMany {
                        matching: Matching {
                            model,
                            filter: Some("number == 7".to_owned()),
                            plain: Vec::new(),
                        },
                    }),
                };
                let came = match (run(&engine, operation).await.0, puts) {
                    (Err(problem), true) => format!("put: {}", problem.code.name()),
                    (Err(problem), false) => format!("delete: {}", problem.code.name()),
                    (Ok(engine::Answer::Record { .. }), true) => "put: a record".to_owned(),
                    (Ok(_), true) => "put: nothing".to_owned(),
                    (Ok(_), false) => "delete: done".to_owned(),
                };
                *seen.entry(came).or_default() += 1;
            }
            seen
        });
    }
    let mut all: HashMap<String, usize> = HashMap::new();
    while let Some(seen) = tasks.join_next().await {
        for (came, count) in seen.expect("a task") {
            *all.entry(came).or_default() += count;
        }
    }
    for (came, count) in &all {
        let fine = match came.as_str() {
            "put: a record" | "delete: done" => true,
            // Beaten again and again: it may be sent again.
            "put: data.contended" | "delete: data.contended" => *count <= 4,
            _ => false,
        };
        assert!(fine, "{came} {count} times: {all:?}");
    }
});

// A record that is created anew under its id begins at version 1, too. What was decided on the one before is not done to
// it: the log would tell of a record that was not there, and a rule would have been asked about another's.
each_store!(
    what_was_decided_is_done_to_no_other_record,
    APP,
    async |fx| {
        use plan::operation::{Delete, Operation, Replace, Select};
        let model = fx.model(M).id;
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..6 {
            let engine = Arc::clone(&fx.engine);
            tasks.spawn(async move {
                for n in 0..80 {
                    let id = "one".to_owned();
                    let operation = match task % 2 == 0 {
                        true => Operation::Replace(Replace {
                            model,
                            id,
                            body: bytes::Bytes::from(json!({"n": n}).to_string()),
                            if_match: None,
                            if_absent: false,
                            select: Select::default(),
                        }),
                        false => Operation::Delete(Delete {
                            model,
                            id,
                            if_match: None,
                        }),
                    };
                    if let Err(problem) = run(&engine, operation).await.0 {
                        let code = problem.code.name();
                        let fine = ["access.not_found", "data.contended"].contains(&code);
                        assert!(fine, "{code}");
                    }
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.expect("a task");
        }
        // Each change tells the record as the one before left it.
        let changes = fx.store.changes(&Offset::start(), 10_000).await;
        let changes = changes.expect("a log").changes;
        let mut now: Option<String> = None;
        for change in changes.iter().filter(|one| one.model == "counters") {
            if change.kind == store::changes::ChangeKind::Delete {
                assert_eq!(change.previous, now, "change {}", change.seq);
            }
            now = change.record.clone();
        }
    }
);
