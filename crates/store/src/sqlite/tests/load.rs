use super::*;
use crate::{Batch, Loaded, StoreError};
use tokio::sync::mpsc;

#[tokio::test]
async fn a_load_is_all_or_nothing() {
    let shop = fixture().await;
    let (batches, receiver) = mpsc::channel(2);
    let feed = async {
        for start in 0..20 {
            let steps = (0..500)
                .map(|id| product(start * 500 + id, "bulk"))
                .collect();
            batches.send(Batch::Steps(steps)).await.unwrap();
        }
        batches.send(Batch::Commit).await.unwrap();
    };
    let (loaded, ()) = tokio::join!(shop.store.load(receiver), feed);
    assert_eq!(loaded, Ok(Loaded::Done { items: 10_000 }));
    assert_eq!(shop.count("catalog__products").await, 10_000);
}

#[tokio::test]
async fn a_load_that_fails_or_is_abandoned_leaves_nothing() {
    let shop = fixture().await;
    for ending in ["abandon", "duplicate", "miss"] {
        let (batches, receiver) = mpsc::channel(8);
        batches
            .send(Batch::Steps(vec![product(1, "a"), product(2, "b")]))
            .await
            .unwrap();
        let last = match ending {
            "abandon" => None,
            "duplicate" => Some(product(1, "again")),
            _ => Some(one("delete from catalog__products where id = -1", vec![])),
        };
        if let Some(last) = last {
            batches
                .send(Batch::Steps(vec![product(3, "c"), last]))
                .await
                .unwrap();
            batches.send(Batch::Commit).await.unwrap();
        }
        drop(batches);
        let loaded = shop.store.load(receiver).await;
        match ending {
            "abandon" => assert_eq!(loaded, Ok(Loaded::Abandoned)),
            "duplicate" => assert!(matches!(
                loaded,
                Ok(Loaded::Refused {
                    item: 3,
                    error: StoreError::Unique { .. }
                })
            )),
            _ => assert_eq!(loaded, Ok(Loaded::Missed { item: 3 })),
        }
        assert_eq!(shop.count("catalog__products").await, 0, "{ending}");
    }
    shop.write(vec![product(1, "after")]).await.unwrap();
}
