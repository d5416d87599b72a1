use super::*;
use crate::{Changed, Decision, StoreError};
use tokio::task::JoinSet;

const CATEGORY: &str = "insert into catalog.categories (id, name) values ($1, $2)";

fn category(name: &str) -> Step {
    step(
        CATEGORY,
        vec![Uuid::new_v4().into(), name.into()],
        Expect::One,
    )
}

#[tokio::test]
async fn one_step_is_done_or_missed() {
    let shop = fixture().await;
    let Written::Done(done) = shop.write(vec![create("lamp")]).await.unwrap() else {
        panic!("missed");
    };
    let [Value::Int(id)] = done[0][..] else {
        panic!("{done:?}");
    };
    let renamed = shop.write(vec![rename(id, 1, "bulb")]).await.unwrap();
    assert_eq!(renamed, Written::Done(vec![vec![Value::Int(2)]]));
    let missed = shop.write(vec![rename(id, 1, "tube")]).await.unwrap();
    assert_eq!(missed, Written::Missed { step: 0 });
    assert_eq!(shop.count("mainstay.changes").await, 2);
    assert_eq!(shop.write(vec![]).await.unwrap(), Written::Done(vec![]));
}

#[tokio::test]
async fn several_steps_stand_or_fall_together() {
    let shop = fixture().await;
    let rename_nothing = || {
        step(
            "update catalog.products set name = 'x' where id = $1",
            vec![Value::Int(99)],
            Expect::One,
        )
    };
    let missed = shop
        .write(vec![
            create("a"),
            category("b"),
            rename_nothing(),
            category("c"),
        ])
        .await
        .unwrap();
    assert_eq!(missed, Written::Missed { step: 2 });
    let failed = shop.write(vec![category("d"), category("d")]).await;
    assert!(
        matches!(failed, Err(StoreError::Unique { .. })),
        "{failed:?}"
    );
    assert_eq!(shop.count("catalog.products").await, 0);
    assert_eq!(shop.count("catalog.categories").await, 0);

    let any = step(
        "delete from catalog.products where id = 99",
        vec![],
        Expect::Any,
    );
    let done = shop
        .write(vec![create("a"), any, category("b")])
        .await
        .unwrap();
    let Written::Done(done) = done else {
        panic!("{done:?}")
    };
    assert_eq!(done.len(), 3);
    assert!(matches!(done[0][..], [Value::Int(_)]));
    assert_eq!(shop.count("catalog.products").await, 1);
    assert_eq!(shop.count("catalog.categories").await, 1);
    assert_eq!(shop.store.stats().pool_in_use, 0);
}

#[tokio::test]
async fn constraints_name_their_columns_and_no_values() {
    let shop = fixture().await;
    let secret = "nobody's business";
    shop.write(vec![category(secret)]).await.unwrap();
    for steps in [
        vec![category(secret)],
        vec![category("x"), category(secret)],
    ] {
        let error = shop.write(steps).await.unwrap_err();
        assert_eq!(
            error,
            StoreError::Unique {
                table: "catalog.categories".to_owned(),
                columns: vec!["name".to_owned()]
            }
        );
        assert!(!format!("{error} {error:?}").contains(secret));
    }
    let orphan = "insert into catalog.products (name, version, category) values ('a', 1, $1)";
    let error = shop
        .write(vec![step(orphan, vec![Uuid::new_v4().into()], Expect::One)])
        .await;
    assert_eq!(
        error.unwrap_err(),
        StoreError::ForeignKey {
            table: "catalog.products".to_owned(),
            columns: vec!["category".to_owned()]
        }
    );
    let adopt = "insert into catalog.products (name, version, category) select 'a', 1, id from catalog.categories";
    shop.write(vec![step(adopt, vec![], Expect::One)])
        .await
        .unwrap();
    let error = shop
        .write(vec![step(
            "delete from catalog.categories",
            vec![],
            Expect::Any,
        )])
        .await;
    assert!(
        matches!(error, Err(StoreError::ForeignKey { .. })),
        "{error:?}"
    );
}

/// Hundreds at once, so that they are grouped; every seventh violates a constraint, every eleventh misses, every
/// thirteenth cannot even be sent.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failed_neighbour_takes_nobody_along() {
    let shop = Arc::new(fixture().await);
    shop.write(vec![category("taken")]).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..600u32 {
        let shop = shop.clone();
        tasks.spawn(async move {
            let step = if n.is_multiple_of(7) {
                category("taken")
            } else if n.is_multiple_of(11) {
                rename(-1, 1, "nobody")
            } else if n.is_multiple_of(13) {
                step(CATEGORY, vec![true.into(), "mistyped".into()], Expect::One)
            } else {
                category(&format!("number {n}"))
            };
            (n, shop.write(vec![step]).await)
        });
    }
    let mut created = 1;
    while let Some(done) = tasks.join_next().await {
        let (n, written) = done.unwrap();
        if n.is_multiple_of(7) {
            assert!(
                matches!(written, Err(StoreError::Unique { .. })),
                "{n}: {written:?}"
            );
        } else if n.is_multiple_of(11) {
            assert_eq!(written.unwrap(), Written::Missed { step: 0 });
        } else if n.is_multiple_of(13) {
            assert!(
                matches!(written, Err(StoreError::Other { .. })),
                "{n}: {written:?}"
            );
        } else {
            assert_eq!(written.unwrap(), Written::Done(vec![vec![]]), "{n}");
            created += 1;
        }
    }
    assert_eq!(shop.count("catalog.categories").await, created);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dropped_write_harms_nobody() {
    let shop = Arc::new(fixture().await);
    let mut tasks = JoinSet::new();
    for n in 0..200 {
        let shop = shop.clone();
        tasks.spawn(async move {
            let write = shop.write(vec![category(&n.to_string())]);
            if n % 2 == 0 {
                write.await.unwrap();
            } else {
                let _ = tokio::time::timeout(Duration::from_micros(50 * n), write).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap();
    }
    assert!(shop.count("catalog.categories").await >= 100);
    shop.write(vec![create("after")]).await.unwrap();
    assert_eq!(shop.store.stats().writes_waiting, 0);
}

/// A lock held longer than the shared connections wait: the write goes on elsewhere, its neighbours at once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_locked_record_holds_up_its_own_writers_only() {
    let shop = Arc::new(fixture().await);
    shop.write(vec![create("locked")]).await.unwrap();
    let stranger = shop.stranger().await;
    stranger
        .batch_execute("begin; update catalog.products set name = 'held'")
        .await
        .unwrap();
    let locked = tokio::spawn({
        let shop = shop.clone();
        async move { shop.write(vec![rename(1, 1, "free")]).await }
    });
    tokio::time::sleep(Duration::from_millis(10)).await;
    let started = Instant::now();
    let mut tasks = JoinSet::new();
    for n in 0..64 {
        let shop = shop.clone();
        tasks.spawn(async move { shop.write(vec![category(&n.to_string())]).await });
    }
    while let Some(done) = tasks.join_next().await {
        done.unwrap().unwrap();
    }
    assert!(
        started.elapsed() < Duration::from_secs(1),
        "{:?}",
        started.elapsed()
    );
    assert!(!locked.is_finished());
    // The whole deadline, and then a clear answer.
    let hopeless = shop
        .store
        .write(
            vec![rename(1, 1, "no")],
            Instant::now() + Duration::from_millis(300),
        )
        .await;
    assert_eq!(hopeless, Err(StoreError::Overloaded));
    stranger.batch_execute("commit").await.unwrap();
    assert_eq!(
        locked.await.unwrap().unwrap(),
        Written::Done(vec![vec![Value::Int(2)]])
    );
}

fn stored(id: i64) -> Statement {
    select(
        "select version, name from catalog.products where id = $1",
        vec![Value::Int(id)],
        vec![captured(ColumnType::Int), captured(ColumnType::Text)],
    )
}

fn version(record: Option<&[Value]>) -> i64 {
    match record {
        Some([Value::Int(version), _]) => *version,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_change_looks_decides_and_writes() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let stopped = shop
        .store
        .change(stored(7), soon(), |record| Decision::Stop(record.is_none()))
        .await;
    assert!(matches!(stopped, Ok(Changed::Stopped(true))));
    let done = shop
        .store
        .change(stored(1), soon(), |record| {
            Decision::Write(vec![rename(1, version(record), "b")], "x")
        })
        .await;
    assert!(
        matches!(done, Ok(Changed::Done("x", ref rows)) if *rows == [[Value::Int(2)]]),
        "{done:?}"
    );
    // The record stays as it was read, so a miss is for another reason.
    let missed = shop
        .store
        .change(stored(1), soon(), |_| {
            Decision::Write(vec![create("c"), rename(1, 77, "b")], ())
        })
        .await;
    assert!(matches!(missed, Ok(Changed::Missed((), 1))), "{missed:?}");
    assert_eq!(shop.count("catalog.products").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_one_record_by_many_are_all_counted() {
    let shop = Arc::new(fixture().await);
    shop.write(vec![create("0")]).await.unwrap();
    let mut tasks = JoinSet::new();
    for _ in 0..6 {
        let shop = shop.clone();
        tasks.spawn(async move {
            let mut done = 0;
            for _ in 0..10 {
                let changed = shop
                    .store
                    .change(stored(1), soon(), |record| {
                        let name = record.unwrap()[1]
                            .as_text()
                            .unwrap()
                            .parse::<i64>()
                            .unwrap()
                            + 1;
                        Decision::Write(vec![rename(1, version(record), &name.to_string())], ())
                    })
                    .await;
                match changed {
                    Ok(Changed::Done(..)) => done += 1,
                    Err(StoreError::Contended) => {}
                    other => panic!("{other:?}"),
                }
            }
            done
        });
    }
    let mut done = 0i64;
    while let Some(count) = tasks.join_next().await {
        done += count.unwrap();
    }
    let body = shop
        .json(
            "select name from catalog.products",
            vec![],
            vec![field("n", ColumnType::Text)],
        )
        .await;
    assert_eq!(body, format!("{{\"n\":\"{done}\"}}"));
    assert!(done > 30, "only {done} of 60 came through");
}

/// Transactions that take each other's locks: one gives way and runs again, before the server has to end a circle.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_took_each_others_locks_runs_again() {
    let shop = Arc::new(fixture().await);
    shop.write(vec![create("a"), create("b")]).await.unwrap();
    let mut tasks = JoinSet::new();
    for n in 0..4 {
        let shop = shop.clone();
        tasks.spawn(async move {
            let touch = |id| step("update catalog.products set version = version + 1 where id = $1 and pg_sleep(0.02) is not null", vec![Value::Int(id)], Expect::One);
            let steps = if n % 2 == 0 { vec![touch(1), touch(2)] } else { vec![touch(2), touch(1)] };
            shop.store.write(steps, Instant::now() + Duration::from_secs(20)).await
        });
    }
    while let Some(done) = tasks.join_next().await {
        assert!(matches!(done.unwrap(), Ok(Written::Done(_))));
    }
    let sum = "select sum(version)::int8 from catalog.products";
    assert_eq!(
        shop.json(sum, vec![], vec![field("n", ColumnType::Int)])
            .await,
        "{\"n\":10}"
    );
    let seen = "select deadlocks from pg_stat_database where datname = current_database()";
    let shape = vec![field("n", ColumnType::Int)];
    assert_eq!(shop.json(seen, vec![], shape).await, "{\"n\":0}");
}

/// Stands between a store and its server, and makes of every `begin` something that the server refuses, as it may
/// refuse that one message by cancelling it.
async fn without_begin(server: std::net::SocketAddr) -> std::net::SocketAddr {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = tokio::net::TcpStream::connect(server).await.unwrap();
            let (mut from_client, mut to_client) = client.into_split();
            let (mut from_server, mut to_server) = server.into_split();
            tokio::spawn(async move { tokio::io::copy(&mut from_server, &mut to_client).await });
            tokio::spawn(async move {
                let mut buffer = vec![0; 1 << 16];
                while let Ok(read @ 1..) = from_client.read(&mut buffer).await {
                    let bytes = &mut buffer[..read];
                    for at in 0..read.saturating_sub(5) {
                        if &bytes[at..at + 6] == b"begin\0" || &bytes[at..at + 6] == b"begin;" {
                            bytes[at..at + 5].copy_from_slice(b"bogus");
                        }
                    }
                    if to_server.write_all(bytes).await.is_err() {
                        break;
                    }
                }
            });
        }
    });
    address
}

/// Its statements are committed each by itself then. Whoever was told that something is done finds it done once,
/// and nobody is told that nothing was where something may have been.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_begin_doubles_nothing() {
    let shop = fixture().await;
    shop.write(vec![category("taken")]).await.unwrap();
    let mut url: String = shop.database.url();
    let config: tokio_postgres::Config = url.parse().unwrap();
    let tokio_postgres::config::Host::Tcp(host) = &config.get_hosts()[0] else {
        panic!("the tests' server is reached over TCP");
    };
    let server = format!("{host}:{}", config.get_ports()[0]);
    let server = tokio::net::lookup_host(&server)
        .await
        .unwrap()
        .next()
        .unwrap();
    let proxy = without_begin(server).await;
    url = url.replace(
        &format!("{host}:{}", config.get_ports()[0]),
        &proxy.to_string(),
    );
    let through = Arc::new(Postgres::connect(&url, Options::default()).await.unwrap());

    let mut tasks = JoinSet::new();
    for n in 0..300u32 {
        let through = through.clone();
        tasks.spawn(async move {
            let step = if n.is_multiple_of(7) {
                category("taken")
            } else {
                create(&format!("number {n}"))
            };
            through.write(vec![step], soon()).await
        });
    }
    let (mut done, mut unsure) = (0, 0);
    while let Some(written) = tasks.join_next().await {
        match written.unwrap() {
            Ok(Written::Done(_)) => done += 1,
            Err(StoreError::Unavailable { maybe: true, .. }) => unsure += 1,
            // The taken ones: elsewhere, their transaction is not begun either.
            Err(StoreError::Unique { .. } | StoreError::Other { .. }) => {}
            other => panic!("{other:?}"),
        }
    }
    let there = shop.count("catalog.products").await;
    assert!(done > 0, "nothing was written");
    assert!(
        (done..=done + unsure).contains(&there),
        "{done} done, {unsure} unsure, {there} there"
    );

    let both = through
        .write(vec![create("one"), create("two")], soon())
        .await;
    let after = shop.count("catalog.products").await;
    assert!(
        matches!(both, Err(StoreError::Unavailable { maybe: true, .. })),
        "{both:?} with {} there",
        after - there
    );
}
