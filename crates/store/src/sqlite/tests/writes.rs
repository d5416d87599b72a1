use super::*;
use crate::{Changed, Decision, StoreError};

#[tokio::test]
async fn a_write_hands_back_what_its_steps_return() {
    let shop = fixture().await;
    let mut insert = product(1, "lamp");
    insert.statement.text += " returning id, version";
    insert.statement.shape = Arc::new(Shape {
        columns: vec![
            Output::Captured {
                ty: ColumnType::Int,
            },
            Output::Captured {
                ty: ColumnType::Int,
            },
        ],
        capture: Capture::Every,
    });
    let written = shop.write(vec![insert, category(1, "x")]).await.unwrap();
    assert_eq!(
        written,
        Written::Done(vec![vec![Value::Int(1), Value::Int(1)], vec![]])
    );
}

#[tokio::test]
async fn a_missed_step_undoes_the_whole_write() {
    let shop = fixture().await;
    let miss = one(
        "update catalog__products set version = 2 where id = 404",
        vec![],
    );
    let written = shop.write(vec![product(1, "lamp"), miss]).await.unwrap();
    assert_eq!(written, Written::Missed { step: 1 });
    assert_eq!(shop.count("catalog__products").await, 0);
    shop.write(vec![product(1, "a"), product(2, "b")])
        .await
        .unwrap();
    let both = one("update catalog__products set version = 2", vec![]);
    assert_eq!(
        shop.write(vec![both]).await.unwrap(),
        Written::Missed { step: 0 }
    );
    assert_eq!(
        shop.count("catalog__products where version = 2").await,
        0,
        "two rows are not one"
    );
}

#[tokio::test]
async fn constraints_are_told_apart() {
    let shop = fixture().await;
    shop.write(vec![category(1, "lamps"), product(1, "lamp")])
        .await
        .unwrap();
    assert_eq!(
        shop.write(vec![category(2, "lamps")]).await.unwrap_err(),
        StoreError::Unique {
            table: "catalog.categories".to_owned(),
            columns: vec!["name".to_owned()]
        }
    );
    assert_eq!(
        shop.write(vec![product(1, "again")]).await.unwrap_err(),
        StoreError::Unique {
            table: "catalog.products".to_owned(),
            columns: vec!["id".to_owned()]
        }
    );
    let update = |to: u128| {
        one(
            "update \"catalog__products\" set category = ?1 where id = 1",
            vec![Uuid::from_u128(to).into()],
        )
    };
    assert_eq!(
        shop.write(vec![update(404)]).await.unwrap_err(),
        StoreError::ForeignKey {
            table: "catalog.products".to_owned(),
            columns: vec![]
        }
    );
    // Of what the planner writes, the column is looked up.
    let planned = one(
        "UPDATE \"catalog__products\" AS t SET \"name\" = ?1, \"category\" = ?2 WHERE t.\"id\" = 1",
        vec![Value::text("x"), Uuid::from_u128(404).into()],
    );
    assert_eq!(
        shop.write(vec![planned]).await.unwrap_err(),
        StoreError::ForeignKey {
            table: "catalog.products".to_owned(),
            columns: vec!["category".to_owned()]
        }
    );
    shop.write(vec![update(1)]).await.unwrap();
    let delete = one(
        "delete from \"catalog__categories\" where id = ?1",
        vec![Uuid::from_u128(1).into()],
    );
    assert_eq!(
        shop.write(vec![delete]).await.unwrap_err(),
        StoreError::ForeignKey {
            table: "catalog.categories".to_owned(),
            columns: vec![]
        }
    );
}

fn look(id: i64) -> Statement {
    select(
        "select name, version from catalog__products where id = ?1",
        vec![id.into()],
        vec![
            Output::Captured {
                ty: ColumnType::Text,
            },
            Output::Captured {
                ty: ColumnType::Int,
            },
        ],
    )
}

#[tokio::test]
async fn a_change_sees_the_record_and_decides() {
    let shop = fixture().await;
    shop.write(vec![product(1, "lamp")]).await.unwrap();
    let changed = shop
        .store
        .change(look(1), soon(), |record| {
            assert_eq!(record, Some(&[Value::text("lamp"), Value::Int(1)][..]));
            let update = one(
                "update catalog__products set version = 2 where id = 1",
                vec![],
            );
            Decision::Write(vec![update], "told")
        })
        .await
        .unwrap();
    assert!(matches!(changed, Changed::Done("told", _)), "{changed:?}");
    let changed = shop
        .store
        .change(look(404), soon(), |record| {
            assert_eq!(record, None);
            Decision::<&str>::Stop("absent")
        })
        .await
        .unwrap();
    assert!(matches!(changed, Changed::Stopped("absent")));
    let changed = shop
        .store
        .change(look(1), soon(), |_| {
            let never = one(
                "update catalog__products set version = 9 where id = 404",
                vec![],
            );
            Decision::Write(vec![product(2, "undone"), never], 5)
        })
        .await
        .unwrap();
    assert!(matches!(changed, Changed::Missed(5, 1)), "{changed:?}");
    assert_eq!(shop.count("catalog__products").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn good_writes_survive_the_bad_ones_of_their_group() {
    let shop = Arc::new(fixture().await);
    let mut tasks = Vec::new();
    for id in 0..400i64 {
        let shop = Arc::clone(&shop);
        tasks.push(tokio::spawn(async move {
            match id % 4 {
                // A good one.
                0 => shop.write(vec![product(id, "good"), logged(id, 1, 0)]).await.map(|_| ()),
                // Fails at its second step, with something to undo.
                1 => {
                    let result = shop.write(vec![product(id, "bad"), product(id, "bad")]).await;
                    assert!(matches!(result, Err(StoreError::Unique { .. })), "{result:?}");
                    Ok(())
                }
                // Misses.
                2 => {
                    let miss = one("update catalog__products set version = 1 where id = -1", vec![]);
                    let result = shop.write(vec![product(id, "bad"), miss]).await;
                    assert_eq!(result, Ok(Written::Missed { step: 1 }));
                    Ok(())
                }
                // Panics.
                _ => {
                    let result = shop
                        .store
                        .change(look(id), soon(), |_| -> Decision<()> { panic!("on purpose") })
                        .await;
                    assert!(
                        matches!(&result, Err(StoreError::Other { cause }) if cause.contains("on purpose")),
                        "{result:?}"
                    );
                    Ok(())
                }
            }
        }));
    }
    for task in tasks {
        task.await.unwrap().unwrap();
    }
    assert_eq!(shop.count("catalog__products").await, 100);
    assert_eq!(
        shop.count("catalog__products where name = 'good'").await,
        100
    );
    assert_eq!(shop.count("_mainstay_changes").await, 100);
    let stats = shop.store.stats();
    assert_eq!((stats.writes, stats.writes_queued), (400, 0));
    assert!(
        stats.groups < stats.writes,
        "writes share commits: {stats:?}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn long_writes_share_commits_and_each_stands_or_falls_alone() {
    let shop = Arc::new(fixture().await);
    let mut tasks = Vec::new();
    for write in 0..24i64 {
        let shop = Arc::clone(&shop);
        tasks.push(tokio::spawn(async move {
            let id = |at: i64| write * 1000 + at;
            let mut steps: Vec<_> = (0..60).map(|at| product(id(at), "good")).collect();
            if write % 6 == 0 {
                steps.push(product(id(0), "twice"));
                let result = shop.write(steps).await;
                assert!(
                    matches!(result, Err(StoreError::Unique { .. })),
                    "{result:?}"
                );
            } else {
                shop.write(steps).await.unwrap();
            }
        }));
    }
    for task in tasks {
        task.await.unwrap();
    }
    assert_eq!(shop.count("catalog__products").await, 20 * 60);
    let of_failed = "catalog__products where id / 1000 % 6 = 0";
    assert_eq!(shop.count(of_failed).await, 0);
}

#[tokio::test]
async fn what_fails_with_nobody_beside_it_is_not_run_again() {
    let shop = fixture().await;
    let (run, runs) = std::sync::mpsc::channel();
    let told = shop
        .store
        .change(look(1), soon(), move |_| {
            let _ = run.send(());
            Decision::Write(vec![product(1, "once"), product(1, "twice")], ())
        })
        .await;
    assert!(matches!(told, Err(StoreError::Unique { .. })), "{told:?}");
    assert_eq!(runs.try_iter().count(), 1);
    assert_eq!(shop.count("catalog__products").await, 0);
    shop.write(vec![product(1, "lamp")]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_runaway_write_costs_nobody_else_theirs() {
    let shop = Arc::new(fixture().await);
    // Holds the writer, so that the others gather behind it.
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let (entered, holding) = std::sync::mpsc::channel::<()>();
    let holder = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move {
            shop.store
                .change(look(1), soon(), move |_| {
                    // Run again after the transaction is lost: the gate stays open then.
                    let _ = entered.send(());
                    let _ = gate.recv();
                    Decision::Stop(())
                })
                .await
        }
    });
    while holding.try_recv().is_err() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    let mut tasks = Vec::new();
    for id in 0..20 {
        let shop = Arc::clone(&shop);
        tasks.push(tokio::spawn(async move {
            shop.write(vec![product(id, "good")]).await
        }));
    }
    let runaway = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move {
            let endless = step(
                "insert into catalog__products (id, name, price, active, created_at, version)
                 with recursive n(i) as (select 1000 union all select i + 1 from n) select i, 'x', 1, 1, 1, 1 from n",
                vec![],
            );
            shop.store
                .write(vec![endless], Instant::now() + Duration::from_millis(300))
                .await
        }
    });
    while shop.store.stats().writes_queued < 21 {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
    drop(go);
    holder.await.unwrap().unwrap();
    assert_eq!(runaway.await.unwrap().unwrap_err(), StoreError::Timeout);
    for task in tasks {
        assert!(matches!(task.await.unwrap(), Ok(Written::Done(_))));
    }
    assert_eq!(shop.count("catalog__products").await, 20);
}

#[tokio::test]
async fn a_write_past_its_deadline_is_not_begun() {
    let shop = fixture().await;
    let result = shop
        .store
        .write(vec![product(1, "late")], Instant::now())
        .await;
    assert_eq!(result.unwrap_err(), StoreError::Overloaded);
    assert_eq!(shop.count("catalog__products").await, 0);
}

#[tokio::test]
async fn five_hundred_steps_are_one_write() {
    let shop = fixture().await;
    let steps = (0..500).map(|id| product(id, "one of many")).collect();
    let written = shop.write(steps).await.unwrap();
    assert!(matches!(written, Written::Done(captured) if captured.len() == 500));
    assert_eq!(shop.count("catalog__products").await, 500);
}

#[tokio::test]
async fn readers_do_not_wait_for_the_writer() {
    let shop = Arc::new(fixture().await);
    shop.write(vec![product(1, "lamp")]).await.unwrap();
    let (go, gate) = std::sync::mpsc::channel::<()>();
    let writer = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move {
            shop.store
                .change(look(1), soon(), move |_| {
                    gate.recv().unwrap();
                    Decision::Write(vec![product(2, "second")], ())
                })
                .await
        }
    });
    tokio::task::yield_now().await;
    assert_eq!(shop.count("catalog__products").await, 1);
    go.send(()).unwrap();
    writer.await.unwrap().unwrap();
    assert_eq!(shop.count("catalog__products").await, 2);
}

#[tokio::test]
async fn closing_finishes_what_was_sent_and_empties_the_log() {
    let shop = fixture().await;
    for id in 0..50 {
        shop.write(vec![product(id, "kept")]).await.unwrap();
    }
    shop.store.close().await;
    let result = shop.write(vec![product(99, "late")]).await;
    assert!(
        matches!(result, Err(StoreError::Unavailable { .. })),
        "{result:?}"
    );
    let again = Sqlite::open(shop.path(), Options::default()).unwrap();
    let reopened = Fixture {
        store: again,
        folder: tempfile::tempdir().unwrap(),
    };
    assert_eq!(reopened.count("catalog__products").await, 50);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_never_pause_let_others_bring_in_the_log() {
    let shop = Arc::new(fixture().await);
    let over = Instant::now() + Duration::from_secs(2);
    let reader = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move {
            let mut reads = 0;
            while Instant::now() < over {
                shop.count("catalog__products").await;
                reads += 1;
                tokio::task::yield_now().await;
            }
            reads
        }
    });
    for id in 0..50 {
        shop.write(vec![product(id, "x"), logged(id, 1, 0)])
            .await
            .unwrap();
    }
    // Another program, as patient as one is by default, gets the log cut back to nothing.
    let path = shop.store.path().to_owned();
    let busy = tokio::task::spawn_blocking(move || {
        let other = rusqlite::Connection::open(path).unwrap();
        other.busy_timeout(Duration::from_secs(2)).unwrap();
        let mut busy = 1;
        while busy != 0 && Instant::now() < over {
            busy = other
                .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get(0))
                .unwrap();
        }
        busy
    });
    assert_eq!(busy.await.unwrap(), 0);
    assert!(reader.await.unwrap() > 100);
    assert_eq!(shop.count("catalog__products").await, 50);
}
