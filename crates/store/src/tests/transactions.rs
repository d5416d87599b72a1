//! Transactions of several acts, on both stores.

use super::{captured, counted, select, soon};
use crate::postgres::tests as on_postgres;
use crate::sqlite::tests as on_sqlite;
use crate::{Bounds, End, Store, StoreError, Tx};
use spec::statement::{Expect, Statement, Step, Written};
use spec::types::ColumnType;
use spec::{Dialect, Uuid, Value};
use std::any::Any;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// A shop on a store, and what must live as long as that.
struct Shop {
    store: Arc<Store>,
    _keep: Box<dyn Any>,
}

async fn shops() -> Vec<Shop> {
    let on_sqlite::Fixture { store, folder } = on_sqlite::fixture().await;
    let sqlite = Shop {
        store: Arc::new(Store::Sqlite(store)),
        _keep: Box::new(folder),
    };
    let on_postgres::Fixture { store, database } = on_postgres::fixture().await;
    let postgres = Shop {
        store: Arc::new(Store::Postgres(store)),
        _keep: Box::new(database),
    };
    vec![sqlite, postgres]
}

fn table(dialect: Dialect) -> &'static str {
    match dialect {
        Dialect::Sqlite => "catalog__categories",
        Dialect::Postgres => "catalog.categories",
    }
}

fn step(text: String, params: Vec<Value>) -> Step {
    Step {
        statement: select(&text, params, vec![]),
        expect: Expect::One,
    }
}

fn insert(dialect: Dialect, id: u128, name: &str) -> Step {
    let text = format!("insert into {} (id, name) values ($1, $2)", table(dialect));
    step(text, vec![Uuid::from_u128(id).into(), name.into()])
}

fn rename(dialect: Dialect, id: u128, name: &str) -> Step {
    let text = format!("update {} set name = $1 where id = $2", table(dialect));
    step(text, vec![name.into(), Uuid::from_u128(id).into()])
}

fn count(dialect: Dialect) -> Statement {
    let text = format!("select count(*) from {}", table(dialect));
    select(&text, vec![], vec![captured(ColumnType::Int)])
}

fn name_of(dialect: Dialect, id: u128) -> Statement {
    let text = format!("select name from {} where id = $1", table(dialect));
    select(
        &text,
        vec![Uuid::from_u128(id).into()],
        vec![captured(ColumnType::Text)],
    )
}

impl Shop {
    fn dialect(&self) -> Dialect {
        self.store.dialect()
    }

    async fn read(&self, statement: &Statement) -> Vec<Value> {
        let bounds = Bounds {
            emit: 10,
            deadline: soon(),
        };
        self.store.read(statement, bounds).await.unwrap().captured
    }

    async fn count(&self) -> i64 {
        counted(&self.read(&count(self.dialect())).await)
    }

    async fn runs<T, F>(&self, body: impl Fn(Tx) -> F + Send + Sync + 'static) -> crate::Result<T>
    where
        T: Send + 'static,
        F: Future<Output = crate::Result<End<T>>> + Send + 'static,
    {
        self.store.transact(soon(), body).await
    }
}

#[tokio::test]
async fn each_act_sees_what_the_ones_before_it_wrote() {
    for shop in shops().await {
        let of = shop.dialect();
        let told = shop
            .runs(move |mut tx| async move {
                let mut seen = Vec::new();
                for n in 0..3 {
                    seen.push(counted(&tx.read(count(of), 1).await?.captured));
                    tx.write(vec![insert(of, n, &format!("n{n}"))]).await?;
                }
                let both = vec![name_of(of, 0), name_of(of, 404), name_of(of, 2)];
                let both = tx.read_all(both, 1).await?;
                let names: Vec<Value> = both.into_iter().flat_map(|r| r.captured).collect();
                assert_eq!(names, [Value::text("n0"), Value::text("n2")]);
                Ok(End::Commit(seen))
            })
            .await;
        assert_eq!(told, Ok(vec![0, 1, 2]));
        assert_eq!(shop.count().await, 3);
    }
}

#[tokio::test]
async fn what_is_undone_leaves_nothing() {
    for shop in shops().await {
        let of = shop.dialect();
        let told = shop
            .runs(move |mut tx| async move {
                tx.write(vec![insert(of, 1, "a"), insert(of, 2, "b")])
                    .await?;
                Ok(End::Undo("no"))
            })
            .await;
        assert_eq!(told, Ok("no"));
        // A failure is told to the body, whatever it then says.
        for ends in [|| End::Undo("refused"), || End::Commit("refused")] {
            let told = shop
                .runs(move |mut tx| async move {
                    tx.write(vec![insert(of, 1, "a")]).await?;
                    let same = tx.write(vec![insert(of, 2, "a")]).await;
                    assert!(matches!(same, Err(StoreError::Unique { .. })), "{same:?}");
                    Ok(ends())
                })
                .await;
            match ends() {
                End::Undo(said) => assert_eq!(told, Ok(said)),
                _ => assert!(matches!(told, Err(StoreError::Other { .. })), "{told:?}"),
            }
        }
        // So is a miss, behind which nothing is committed; what there is to read shows why.
        let told = shop
            .runs(move |mut tx| async move {
                let steps = vec![insert(of, 1, "a"), rename(of, 404, "b"), insert(of, 3, "c")];
                let missed = tx.write(steps).await?;
                assert_eq!(missed, Written::Missed { step: 1 });
                assert!(tx.read(name_of(of, 404), 1).await?.captured.is_empty());
                Ok(End::Undo(()))
            })
            .await;
        assert_eq!(told, Ok(()));
        // An error that the body passes on, and a panic.
        let told = shop
            .runs(move |mut tx| async move {
                tx.write(vec![insert(of, 1, "a")]).await?;
                tx.write(vec![insert(of, 1, "again")]).await?;
                Ok(End::Commit(()))
            })
            .await;
        assert!(matches!(told, Err(StoreError::Unique { .. })), "{told:?}");
        assert_eq!(shop.count().await, 0);
        let write = vec![insert(of, 9, "after")];
        assert_eq!(
            shop.store.write(write, soon()).await,
            Ok(Written::Done(vec![vec![]]))
        );
    }
}

#[tokio::test]
async fn a_body_may_begin_again_but_not_for_ever() {
    for shop in shops().await {
        let of = shop.dialect();
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let told = shop
            .runs(move |mut tx| {
                let run = counted.fetch_add(1, Ordering::Relaxed);
                async move {
                    tx.write(vec![insert(of, 1, &format!("run {run}"))]).await?;
                    Ok(match run {
                        2 => End::Commit(run),
                        _ => End::Again,
                    })
                }
            })
            .await;
        assert_eq!(told, Ok(2));
        let name = shop.read(&name_of(of, 1)).await;
        assert_eq!(name, [Value::text("run 2")]);
        let runs = Arc::new(AtomicU32::new(0));
        let counted = Arc::clone(&runs);
        let told = shop
            .runs::<(), _>(move |_| {
                counted.fetch_add(1, Ordering::Relaxed);
                async { Ok(End::Again) }
            })
            .await;
        assert_eq!(told, Err(StoreError::Contended));
        assert_eq!(
            runs.load(Ordering::Relaxed),
            crate::transaction::ROUNDS,
            "{of:?}"
        );
        assert_eq!(shop.count().await, 1);
    }
}

#[tokio::test]
async fn a_body_that_waits_for_something_else_is_refused() {
    for shop in shops().await {
        let of = shop.dialect();
        let told = shop
            .runs(move |mut tx| async move {
                tx.write(vec![insert(of, 1, "a")]).await?;
                tokio::time::sleep(Duration::from_millis(1)).await;
                Ok(End::Commit(()))
            })
            .await;
        assert!(matches!(told, Err(StoreError::Other { .. })), "{told:?}");
        assert_eq!(shop.count().await, 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bodies_that_meet_are_all_done() {
    for shop in shops().await {
        let of = shop.dialect();
        let rows = (0..4).map(|n| insert(of, n, &format!("n{n}"))).collect();
        shop.store.write(rows, soon()).await.unwrap();
        let mut tasks = tokio::task::JoinSet::new();
        for task in 0..8_u128 {
            let store = Arc::clone(&shop.store);
            tasks.spawn(async move {
                let body = move |mut tx: Tx| async move {
                    for at in 0..4 {
                        // Every second one in the other order: on PostgreSQL they wait for each other in a ring.
                        let id = if task % 2 == 0 { at } else { 3 - at };
                        tx.write(vec![rename(of, id, &format!("task {task} {id}"))])
                            .await?;
                    }
                    Ok(End::Commit(()))
                };
                store.transact(soon(), body).await
            });
        }
        while let Some(done) = tasks.join_next().await {
            assert_eq!(done.unwrap(), Ok(()), "{of:?}");
        }
        // One of them was the last, for all four.
        let mut last = Vec::new();
        for id in 0..4 {
            let name = format!("{:?}", shop.read(&name_of(of, id)).await);
            last.push(name.split(' ').nth(1).map(str::to_owned));
        }
        last.dedup();
        assert_eq!(last.len(), 1, "{of:?}: {last:?}");
    }
}
