use super::*;
use crate::{Batch, Loaded, StoreError};
use tokio::sync::mpsc;

fn given(id: i64) -> Step {
    step(
        "insert into catalog.products (id, name, version) values ($1, 'x', 1)",
        vec![Value::Int(id)],
        Expect::One,
    )
}

async fn load(shop: &Fixture, batches: Vec<Batch>) -> Result<Loaded> {
    let (send, receive) = mpsc::channel(1);
    let feed = async move {
        for batch in batches {
            if send.send(batch).await.is_err() {
                break;
            }
        }
    };
    tokio::join!(shop.store.load(receive), feed).0
}

#[tokio::test]
async fn a_load_keeps_given_keys_and_new_ones_follow() {
    let shop = fixture().await;
    let batch = |ids: std::ops::Range<i64>| Batch::Steps(ids.map(given).collect());
    let loaded = load(&shop, vec![batch(1..500), batch(500..1001), Batch::Commit]).await;
    assert_eq!(loaded, Ok(Loaded::Done { steps: 1000 }));
    let next = shop.write(vec![create("next")]).await.unwrap();
    assert_eq!(next, Written::Done(vec![vec![Value::Int(1001)]]));
    // Smaller keys do not move it back.
    assert!(load(&shop, vec![batch(-5..0), Batch::Commit]).await.is_ok());
    let next = shop.write(vec![create("next")]).await.unwrap();
    assert_eq!(next, Written::Done(vec![vec![Value::Int(1002)]]));
}

#[tokio::test]
async fn a_load_is_all_or_nothing() {
    let shop = fixture().await;
    let missing = step(
        "update catalog.products set version = 2 where id = 0",
        vec![],
        Expect::One,
    );
    let first = || Batch::Steps((1..100).map(given).collect());
    let missed = load(
        &shop,
        vec![
            first(),
            Batch::Steps(vec![given(100), missing]),
            Batch::Commit,
        ],
    )
    .await;
    assert_eq!(missed, Ok(Loaded::Missed { step: 100 }));
    let twice = load(&shop, vec![first(), first(), Batch::Commit]).await;
    let unique = matches!(
        twice,
        Ok(Loaded::Refused {
            step: 99,
            error: StoreError::Unique { .. }
        })
    );
    assert!(unique, "{twice:?}");
    assert_eq!(load(&shop, vec![first()]).await, Ok(Loaded::Abandoned));
    assert_eq!(shop.count("catalog.products").await, 0);
}
