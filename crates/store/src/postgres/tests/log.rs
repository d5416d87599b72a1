use super::*;
use crate::changes::{Change, ChangeKind, Offset};
use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::task::JoinSet;

/// Reads until the writers have stopped and nothing is left.
async fn follow(store: &Postgres, mut at: Offset, limit: u32, stop: &AtomicBool) -> Vec<Change> {
    let mut seen = Vec::new();
    loop {
        let stopped = stop.load(Ordering::Acquire);
        let batch = store.changes(&at, limit).await.unwrap();
        assert!(!batch.lost);
        assert!(batch.changes.len() <= limit as usize);
        let idle = batch.changes.is_empty() && !batch.more;
        seen.extend(batch.changes);
        at = batch.next;
        if idle && stopped {
            return seen;
        }
        if idle {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    }
}

/// Many writers on few records, through the store and beside it: numbers drawn early and committed late, in
/// transactions of several rows, some of them undone.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_missed_and_each_record_is_in_order() {
    let shop = Arc::new(
        fixture_with(Options {
            pool: 16,
            ..Options::default()
        })
        .await,
    );
    let hot = 5;
    for n in 0..hot {
        shop.write(vec![create(&n.to_string())]).await.unwrap();
    }
    let start = shop.store.changes_head().await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let readers: Vec<_> = [3, 1000]
        .into_iter()
        .map(|limit| {
            let (shop, start, stop) = (shop.clone(), start.clone(), stop.clone());
            tokio::spawn(async move { follow(&shop.store, start, limit, &stop).await })
        })
        .collect();

    let mut writers = JoinSet::new();
    for writer in 0..12i64 {
        let shop = shop.clone();
        writers.spawn(async move {
            let stranger = shop.stranger().await;
            for round in 0..40i64 {
                let id = (writer * 7 + round) % hot + 1;
                match writer % 3 {
                    // Creates, grouped with others.
                    0 => drop(shop.write(vec![create("new")]).await.unwrap()),
                    // Updates of a hot record, logged behind its lock.
                    1 => {
                        let text = bump(id, "");
                        drop(
                            shop.write(vec![step(&text, vec![], Expect::Any)])
                                .await
                                .unwrap(),
                        );
                    }
                    // A number drawn long before the commit, and now and then none at all.
                    _ => {
                        let end = if round % 5 == 0 { "rollback" } else { "commit" };
                        let sql = format!(
                            "begin; {}; select pg_sleep(0.00{}); {end}",
                            bump(id, "slow"),
                            round % 9
                        );
                        stranger.batch_execute(&sql).await.unwrap();
                    }
                }
            }
        });
    }
    while let Some(done) = writers.join_next().await {
        done.unwrap();
    }
    stop.store(true, Ordering::Release);

    let logged: HashSet<i64> = shop
        .stranger()
        .await
        .query("select seq from mainstay.changes where seq > $1", &[&hot])
        .await
        .unwrap()
        .iter()
        .map(|row| row.get(0))
        .collect();
    assert!(logged.len() > 400);
    for reader in readers {
        let seen = reader.await.unwrap();
        let numbers: HashSet<i64> = seen.iter().map(|change| change.seq).collect();
        assert_eq!(numbers.len(), seen.len(), "something came twice");
        assert_eq!(numbers, logged);
        let mut versions: HashMap<&str, i64> = HashMap::new();
        for change in &seen {
            let last = versions.insert(&change.record_id, change.version);
            assert!(
                last.is_none_or(|last| last + 1 == change.version),
                "{change:?} after {last:?}"
            );
        }
    }
}

fn bump(id: i64, name: &str) -> String {
    format!(
        "with w as (update catalog.products set version = version + 1 where id = {id} returning id, version) \
         insert into mainstay.changes (module, model, record_id, version, kind, by_kind, at, record) \
         select 'catalog', 'products', w.id::text, w.version, 'update', 'anonymous', now(), '{name}' from w"
    )
}

#[tokio::test]
async fn an_open_transaction_holds_nobody_up() {
    let shop = fixture().await;
    let idle = shop.stranger().await;
    idle.batch_execute(&format!("begin; {}", "create table t (a int)"))
        .await
        .unwrap();
    let late = shop.stranger().await;
    shop.write(vec![create("a")]).await.unwrap();
    late.batch_execute(&format!("begin; {}", bump(1, "late")))
        .await
        .unwrap();
    let start = shop.store.changes_head().await.unwrap();
    shop.write(vec![create("b")]).await.unwrap();
    let batch = shop.store.changes(&start, 10).await.unwrap();
    assert_eq!(batch.changes.len(), 1);
    assert_eq!(batch.changes[0].record.as_deref(), Some("b"));
    assert_eq!(batch.changes[0].kind, ChangeKind::Create);
    let none = shop.store.changes(&batch.next, 10).await.unwrap();
    assert!(none.changes.is_empty() && !none.more);
    // Drawn before, committed after: it comes, late, and once. The mark sees it too.
    let mark = shop.store.changes_mark().await.unwrap();
    assert_eq!(mark, shop.store.changes_mark().await.unwrap());
    late.batch_execute("commit").await.unwrap();
    assert_ne!(mark, shop.store.changes_mark().await.unwrap());
    let batch = shop.store.changes(&none.next, 10).await.unwrap();
    assert_eq!(batch.changes.len(), 1);
    assert_eq!(batch.changes[0].record.as_deref(), Some("late"));
    let all = shop.store.changes(&Offset::start(), 10).await.unwrap();
    assert_eq!(all.changes.len(), 3);
    assert!(!all.lost);
}

#[tokio::test]
async fn a_large_gap_is_read_in_pages() {
    let shop = fixture().await;
    for n in 0..25 {
        shop.write(vec![create(&n.to_string())]).await.unwrap();
    }
    let mut at = Offset::start();
    let mut names = Vec::new();
    for page in 0.. {
        let batch = shop.store.changes(&at, 10).await.unwrap();
        names.extend(batch.changes.into_iter().filter_map(|change| change.record));
        at = Offset::from_text(batch.next.as_text());
        if page < 5 {
            // Goes on meanwhile.
            shop.write(vec![create(&(25 + page).to_string())])
                .await
                .unwrap();
        }
        if !batch.more {
            break;
        }
        assert!(page < 20, "it does not end");
    }
    let rest = shop.store.changes(&at, 100).await.unwrap();
    names.extend(rest.changes.into_iter().filter_map(|change| change.record));
    let wanted: Vec<String> = (0..names.len()).map(|n| n.to_string()).collect();
    assert_eq!(names, wanted);
    assert!(names.len() >= 28);
}

#[tokio::test]
async fn what_was_forgotten_shows_as_lost() {
    let shop = fixture().await;
    let before = shop.store.changes_head().await.unwrap();
    let stranger = shop.stranger().await;
    stranger
        .batch_execute(
            "insert into mainstay.changes (module, model, record_id, version, kind, by_kind, at) \
             select 'm', 'n', n::text, 1, 'create', 'x', to_timestamp(n) from generate_series(1, 2500) n",
        )
        .await
        .unwrap();
    // One that knows nothing open from before (other tests' transactions are on the same server): where it did,
    // it would count as lost, for what was open may have been forgotten.
    let row = stranger.query_one("select xid::text from mainstay.changes limit 1", &[]);
    let written: i64 = row.await.unwrap().get::<_, &str>(0).parse().unwrap();
    let after = loop {
        let head = shop.store.changes_head().await.unwrap();
        let (_, snapshot) = head.as_text().split_once('/').unwrap();
        let xmin: i64 = snapshot.split(':').next().unwrap().parse().unwrap();
        if xmin > written {
            break head;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    shop.write(vec![create("kept")]).await.unwrap();
    assert_eq!(shop.store.forget_changes(500_000_000).await.unwrap(), 499);
    assert_eq!(
        shop.store.forget_changes(5_000_000_000).await.unwrap(),
        2001
    );
    assert_eq!(shop.store.forget_changes(5_000_000_000).await.unwrap(), 0);
    for (offset, lost) in [(&before, true), (&Offset::start(), true), (&after, false)] {
        let batch = shop.store.changes(offset, 10).await.unwrap();
        assert_eq!((batch.lost, batch.changes.len()), (lost, 1), "{offset}");
        assert!(!shop.store.changes(&batch.next, 10).await.unwrap().lost);
    }
}

#[tokio::test]
async fn an_offset_from_elsewhere_is_lost() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let head = shop.store.changes_head().await.unwrap();
    let (home, _) = head.as_text().split_once('/').unwrap();
    for text in [
        // From a cluster that was, from another database, and from the future of this one.
        "123.00000001.5/10:20:".to_owned(),
        format!("{home}0/10:20:"),
        format!("{home}/4000000000:4000000000:"),
    ] {
        let batch = shop
            .store
            .changes(&Offset::from_text(&text), 10)
            .await
            .unwrap();
        assert!(batch.lost && batch.changes.is_empty(), "{text}");
        assert!(!shop.store.changes(&batch.next, 10).await.unwrap().lost);
    }
    assert!(
        shop.store
            .changes(&Offset::from_text("17"), 10)
            .await
            .is_err()
    );
}

/// While something old is still open, offsets taken after the forgetting are not lost, and one taken before is.
#[tokio::test]
async fn forgetting_beside_an_open_transaction_loses_nobody_else() {
    let shop = fixture().await;
    let late = shop.stranger().await;
    late.batch_execute("begin; create table t (a int)")
        .await
        .unwrap();
    shop.write(vec![create("a")]).await.unwrap();
    let before = shop.store.changes_head().await.unwrap();
    shop.write(vec![create("b")]).await.unwrap();
    assert_eq!(shop.store.forget_changes(i64::MAX / 2).await.unwrap(), 2);
    let after = shop.store.changes_head().await.unwrap();
    assert!(shop.store.changes(&before, 10).await.unwrap().lost);
    assert!(!shop.store.changes(&after, 10).await.unwrap().lost);
    late.batch_execute("commit").await.unwrap();
    shop.write(vec![create("c")]).await.unwrap();
    let batch = shop.store.changes(&after, 10).await.unwrap();
    assert_eq!((batch.lost, batch.changes.len()), (false, 1));
}
