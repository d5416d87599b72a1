use super::*;
use crate::{Batch, Items, Loaded, StoreError};
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
    assert_eq!(loaded, Ok(Loaded::Done { items: 1000 }));
    let next = shop.write(vec![create("next")]).await.unwrap();
    assert_eq!(next, Written::Done(vec![vec![Value::Int(1001)]]));
    // Smaller keys do not move it back.
    assert!(load(&shop, vec![batch(-5..0), Batch::Commit]).await.is_ok());
    let next = shop.write(vec![create("next")]).await.unwrap();
    assert_eq!(next, Written::Done(vec![vec![Value::Int(1002)]]));
}

#[tokio::test]
async fn items_that_fail_at_once_are_tried_one_by_one() {
    let shop = fixture().await;
    let at_once = step(
        "insert into catalog.products (id, name, version) \
         select n, 'many', 1 from generate_series($1::bigint, $2::bigint) n",
        vec![1.into(), 50.into()],
        Expect::Any,
    );
    let items = |each: Vec<Vec<Step>>| Items {
        count: each.len(),
        at_once: Some(vec![at_once.clone()]),
        each: Box::new(move || Ok(each)),
    };
    let single = || (1..51).map(|id| vec![given(id)]).collect::<Vec<_>>();
    let done = load(&shop, vec![Batch::Items(items(single()))]).await;
    assert_eq!(done, Ok(Loaded::Abandoned));
    // 3 is there already: all at once fails, and so does the third of them.
    let batches = vec![
        Batch::Steps(vec![given(3)]),
        Batch::Items(items(single())),
        Batch::Commit,
    ];
    let refused = load(&shop, batches).await;
    let third = matches!(refused, Ok(Loaded::Refused { item: 3, .. }));
    assert!(third, "{refused:?}");
    // One by one nothing fails, and what was done at once has left nothing behind.
    let mut other = single();
    other[2] = vec![given(300), given(301)];
    let batches = vec![
        Batch::Steps(vec![given(3)]),
        Batch::Items(items(other)),
        Batch::Commit,
    ];
    assert_eq!(load(&shop, batches).await, Ok(Loaded::Done { items: 51 }));
    assert_eq!(shop.count("catalog.products").await, 52);
    assert_eq!(shop.count("catalog.products where name = 'many'").await, 0);
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
    assert_eq!(missed, Ok(Loaded::Missed { item: 100 }));
    let twice = load(&shop, vec![first(), first(), Batch::Commit]).await;
    let unique = matches!(
        twice,
        Ok(Loaded::Refused {
            item: 99,
            error: StoreError::Unique { .. }
        })
    );
    assert!(unique, "{twice:?}");
    assert_eq!(load(&shop, vec![first()]).await, Ok(Loaded::Abandoned));
    assert_eq!(shop.count("catalog.products").await, 0);
}
