use super::*;
use crate::changes::Offset;
use std::collections::HashMap;

#[tokio::test]
async fn changes_are_read_in_pages_from_where_one_was() {
    let shop = fixture().await;
    assert_eq!(shop.store.changes_head().await.unwrap().as_text(), "0");
    let steps = (1..=5).map(|id| logged(id, 1, id)).collect();
    shop.write(steps).await.unwrap();
    let first = shop.store.changes(&Offset::start(), 3).await.unwrap();
    let ids: Vec<&str> = first
        .changes
        .iter()
        .map(|one| one.record_id.as_str())
        .collect();
    assert_eq!(
        (ids, first.more, first.lost),
        (vec!["1", "2", "3"], true, false)
    );
    let kept = Offset::from_text(first.next.as_text());
    let second = shop.store.changes(&kept, 3).await.unwrap();
    assert_eq!((second.changes.len(), second.more), (2, false));
    let third = shop.store.changes(&second.next, 3).await.unwrap();
    assert_eq!((third.changes.len(), third.lost), (0, false));
    assert_eq!(third.next, second.next);
    assert_eq!(third.next, shop.store.changes_head().await.unwrap());
    assert!(
        shop.store
            .changes(&Offset::from_text("x"), 3)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn the_mark_moves_with_writes_of_any_process() {
    let shop = fixture().await;
    let before = shop.store.changes_mark().await.unwrap();
    assert_eq!(shop.store.changes_mark().await.unwrap(), before);
    shop.write(vec![logged(1, 1, 0)]).await.unwrap();
    let own = shop.store.changes_mark().await.unwrap();
    assert_ne!(own, before);
    shop.stranger()
        .execute_batch("delete from catalog__products")
        .unwrap();
    shop.stranger()
        .execute_batch("update _mainstay_changes set at = 5")
        .unwrap();
    assert_ne!(shop.store.changes_mark().await.unwrap(), own);
}

#[tokio::test]
async fn old_changes_are_forgotten_in_slices_and_whoever_missed_them_learns_it() {
    let shop = fixture().await;
    for slice in 0..5 {
        let steps = (0..500).map(|id| logged(id, 1, slice * 500 + id)).collect();
        shop.write(steps).await.unwrap();
    }
    assert_eq!(shop.store.forget_changes(2_100).await.unwrap(), 2_100);
    assert_eq!(shop.count("_mainstay_changes").await, 400);
    let behind = shop.store.changes(&Offset::start(), 10).await.unwrap();
    assert!(behind.lost);
    assert_eq!(behind.changes[0].at, 2_100);
    let exact = shop
        .store
        .changes(&Offset::from_text("2100"), 10)
        .await
        .unwrap();
    assert!(!exact.lost);
    assert_eq!(shop.store.forget_changes(i64::MAX).await.unwrap(), 400);
    let behind = shop
        .store
        .changes(&Offset::from_text("2100"), 10)
        .await
        .unwrap();
    assert!(behind.lost && behind.changes.is_empty());
    assert_eq!(behind.next.as_text(), "2500");
    // Numbers go on where they were.
    shop.write(vec![logged(1, 1, 0)]).await.unwrap();
    let fresh = shop.store.changes(&behind.next, 10).await.unwrap();
    assert_eq!((fresh.changes[0].seq, fresh.lost), (2_501, false));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_tailing_reader_misses_nothing_and_keeps_each_records_order() {
    const WRITERS: i64 = 16;
    const WRITES: i64 = 60;
    let shop = Arc::new(fixture().await);
    let records: Vec<Step> = (0..5).map(|id| product(id, "hot")).collect();
    shop.write(records).await.unwrap();
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let shop = Arc::clone(&shop);
        writers.push(tokio::spawn(async move {
            let mut written = 0;
            for turn in 0..WRITES {
                let id = (writer + turn) % 5;
                let bump = one(
                    "update catalog__products set version = version + 1 where id = ?1",
                    vec![id.into()],
                );
                let log = one(
                    "insert into _mainstay_changes (module, model, record_id, version, kind, by_kind, at)
                     select 'catalog', 'products', id, version, 'update', 'user', 0 from catalog__products where id = ?1",
                    vec![id.into()],
                );
                // Every seventh is undone after it has drawn a number.
                let steps = if turn % 7 == 3 {
                    vec![bump, log, one("delete from catalog__products where id = -1", vec![])]
                } else {
                    written += 1;
                    vec![bump, log]
                };
                shop.write(steps).await.unwrap();
            }
            written
        }));
    }
    let tail = tokio::spawn({
        let shop = Arc::clone(&shop);
        async move {
            let mut at = Offset::start();
            let mut versions: HashMap<String, i64> = HashMap::new();
            let mut seen = 0;
            let mut idle = 0;
            while idle < 50 {
                let batch = shop.store.changes(&at, 7).await.unwrap();
                assert!(!batch.lost);
                idle = if batch.changes.is_empty() {
                    idle + 1
                } else {
                    0
                };
                for change in &batch.changes {
                    seen += 1;
                    let last = versions.insert(change.record_id.clone(), change.version);
                    assert_eq!(
                        change.version,
                        last.unwrap_or(1) + 1,
                        "{}",
                        change.record_id
                    );
                }
                at = batch.next;
                if batch.changes.is_empty() {
                    tokio::time::sleep(Duration::from_millis(5)).await;
                }
            }
            seen
        }
    });
    let mut written = 0;
    for writer in writers {
        written += writer.await.unwrap();
    }
    assert_eq!(tail.await.unwrap(), written);
}
