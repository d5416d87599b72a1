use super::*;
use crate::StoreError;
use spec::Decimal;
use spec::statement::{Bind, Many, Nested, Part};

/// One product with a value of every type, and one with as many nulls as there may be.
async fn filled() -> Fixture {
    let shop = fixture().await;
    let insert = one(
        "insert into \"catalog__products\" values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10)",
        vec![
            Value::Int(7),
            Value::text("a \"lamp\"\n"),
            Value::Decimal(Decimal::new(-1205, 2)),
            Value::Bool(true),
            Value::Float(4.5),
            Value::Timestamp(1_700_000_000_123_456),
            Value::Date(19_782),
            Value::Uuid(Uuid::from_u128(0xabc)),
            Value::Json("{\"a\":[1,2]}".into()),
            Value::Int(3),
        ],
    );
    let written = shop
        .write(vec![category(0xabc, "lamps"), insert, product(8, "plain")])
        .await;
    assert!(matches!(written, Ok(Written::Done(_))), "{written:?}");
    shop
}

fn everything() -> Vec<Output> {
    vec![
        field("id", ColumnType::Int),
        field("name", ColumnType::Text),
        field("price", ColumnType::Decimal { scale: 2 }),
        field("active", ColumnType::Bool),
        field("rating", ColumnType::Float),
        field("created_at", ColumnType::Timestamp),
        field("day", ColumnType::Date),
        field("category", ColumnType::Uuid),
        field("attributes", ColumnType::Json),
        Output::Captured {
            ty: ColumnType::Int,
        },
    ]
}

#[tokio::test]
async fn each_type_is_answered_as_the_api_does() {
    let shop = filled().await;
    let read = select(
        "select * from catalog__products order by id",
        vec![],
        everything(),
    );
    let rows = shop.read(&read, 10).await.unwrap();
    assert_eq!(
        text(&rows),
        concat!(
            r#"{"id":7,"name":"a \"lamp\"\n","price":"-12.05","active":true,"rating":4.5,"#,
            r#""created_at":"2023-11-14T22:13:20.123456Z","day":"2024-02-29","#,
            r#""category":"00000000-0000-0000-0000-000000000abc","attributes":{"a":[1,2]}},"#,
            r#"{"id":8,"name":"plain","price":"12.50","active":true,"rating":null,"#,
            r#""created_at":"1970-01-01T00:00:00.000000Z","day":null,"category":null,"attributes":null}"#,
        )
    );
    assert_eq!(rows.captured, [Value::Int(3), Value::Int(1)]);
    assert!(!rows.more);
    let second = rows.ends[0] + 1;
    assert_eq!(rows.ends[1], rows.body.len());
    assert!(rows.body[second..].starts_with(b"{\"id\":8"));
}

#[tokio::test]
async fn values_come_back_as_they_went_in() {
    let shop = filled().await;
    let types = [
        ColumnType::Int,
        ColumnType::Text,
        ColumnType::Decimal { scale: 2 },
        ColumnType::Bool,
        ColumnType::Float,
        ColumnType::Timestamp,
        ColumnType::Date,
        ColumnType::Uuid,
        ColumnType::Json,
        ColumnType::Int,
    ];
    let captured = types.map(|ty| Output::Captured { ty }).to_vec();
    let read = select(
        "select * from catalog__products where id = ?1",
        vec![7.into()],
        captured,
    );
    let rows = shop.read(&read, 1).await.unwrap();
    assert_eq!(
        rows.captured,
        [
            Value::Int(7),
            Value::text("a \"lamp\"\n"),
            Value::Decimal(Decimal::new(-1205, 2)),
            Value::Bool(true),
            Value::Float(4.5),
            Value::Timestamp(1_700_000_000_123_456),
            Value::Date(19_782),
            Value::Uuid(Uuid::from_u128(0xabc)),
            Value::Json("{\"a\":[1,2]}".into()),
            Value::Int(3),
        ]
    );
    assert_eq!(text(&rows), "{}");
}

#[tokio::test]
async fn one_row_more_than_wanted_is_seen_and_not_written() {
    let shop = filled().await;
    let mut read = select(
        "select id, id, id from catalog__products order by id",
        vec![],
        vec![
            field("id", ColumnType::Int),
            Output::Captured {
                ty: ColumnType::Int,
            },
            Output::Unused,
        ],
    );
    let rows = shop.read(&read, 1).await.unwrap();
    assert_eq!((text(&rows), rows.more), ("{\"id\":7}", true));
    assert_eq!(rows.captured, [Value::Int(7)]);
    read.shape = Arc::new(Shape {
        capture: Capture::Last,
        ..(*read.shape).clone()
    });
    let rows = shop.read(&read, 2).await.unwrap();
    assert_eq!((rows.ends.len(), rows.more), (2, false));
    assert_eq!(rows.captured, [Value::Int(8)]);
}

#[tokio::test]
async fn guards_leave_fields_out_and_members_are_written_into_the_record() {
    let shop = fixture().await;
    let guarded = |name: &str| Output::Guarded {
        key: Key::new(name),
        ty: ColumnType::Int,
    };
    let read = |members: &str| {
        select(
            &format!("select 0, 1, 1, 2, null, 3, '{members}'"),
            vec![],
            vec![
                guarded("hidden"),
                guarded("shown"),
                guarded("unknown"),
                Output::Members {
                    without: Default::default(),
                },
            ],
        )
    };
    let rows = shop.read(&read("{\"x\":1,\"y\":[]}"), 1).await.unwrap();
    assert_eq!(text(&rows), r#"{"shown":2,"x":1,"y":[]}"#);
    let rows = shop.read(&read("{}"), 1).await.unwrap();
    assert_eq!(text(&rows), r#"{"shown":2}"#);
}

fn nested(
    key: &str,
    many: Option<Many>,
    sql: &str,
    binds: Vec<Bind>,
    columns: Vec<Output>,
) -> Output {
    Output::Nested(Box::new(Nested {
        key: Key::new(key),
        many,
        part: Part::Statement {
            text: sql.into(),
            binds,
            shape: Shape {
                columns,
                capture: Capture::Every,
            },
        },
    }))
}

#[tokio::test]
async fn relations_nest_to_any_depth_in_both_directions() {
    let shop = fixture().await;
    let mut steps = vec![category(1, "lamps"), category(2, "none")];
    for id in 1..=3 {
        steps.push(product(id, &format!("lamp {id}")));
    }
    steps.push(step(
        "update catalog__products set category = ?1",
        vec![Uuid::from_u128(1).into()],
    ));
    shop.write(steps).await.unwrap();
    let splice = |name: &str| Output::Splice {
        key: Key::new(name),
        ty: ColumnType::Int,
    };
    let back = nested(
        "category",
        None,
        "select id, name from catalog__categories where id = ?1",
        vec![Bind::Parent(2)],
        vec![field("name", ColumnType::Text)],
    );
    let products = nested(
        "products",
        Some(Many { limit: 2 }),
        "select id, id, category, nullif(id, 2) from catalog__products where category = ?1 order by id limit ?2",
        vec![Bind::Parent(0), Bind::Value(3.into())],
        vec![
            field("id", ColumnType::Int),
            Output::Unused,
            back,
            splice("maker"),
        ],
    );
    let read = select(
        "select id, name, 5 from catalog__categories order by name",
        vec![],
        vec![
            Output::Unused,
            field("name", ColumnType::Text),
            products,
            splice("owner"),
        ],
    );
    let rows = shop.read(&read, 10).await.unwrap();
    assert_eq!(
        text(&rows),
        concat!(
            r#"{"name":"lamps","products":{"data":[{"id":1,"category":{"name":"lamps"},"maker":},"#,
            r#"{"id":2,"category":{"name":"lamps"},"maker":null}],"more":true},"owner":},"#,
            r#"{"name":"none","products":{"data":[],"more":false},"owner":}"#,
        )
    );
    let splices: Vec<(usize, &Value, bool)> = rows
        .splices
        .iter()
        .map(|one| (one.slot, &one.id, rows.body[..one.at].ends_with(b":")))
        .collect();
    let five = Value::Int(5);
    assert_eq!(
        splices,
        [
            (0, &Value::Int(1), true),
            (1, &five, true),
            (1, &five, true)
        ]
    );
}

#[tokio::test]
async fn a_relation_to_nothing_is_null() {
    let shop = filled().await;
    let read = select(
        "select category from catalog__products order by id desc",
        vec![],
        vec![
            Output::Unused,
            nested(
                "category",
                None,
                "select id, name from catalog__categories where id = ?1",
                vec![Bind::Parent(0)],
                vec![field("name", ColumnType::Text)],
            ),
        ],
    );
    let rows = shop.read(&read, 10).await.unwrap();
    assert_eq!(
        text(&rows),
        r#"{"category":null},{"category":{"name":"lamps"}}"#
    );
}

const ENDLESS: &str =
    "with recursive n(i) as (select 1 union all select i + 1 from n) select max(i) from n";

#[tokio::test]
async fn a_runaway_query_is_stopped_in_both_lanes_and_the_connection_lives_on() {
    let shop = fixture().await;
    for lane in [Lane::Bounded, Lane::Unbounded] {
        let endless = Statement {
            lane,
            ..select(ENDLESS, vec![], vec![field("n", ColumnType::Int)])
        };
        let began = Instant::now();
        let bounds = Bounds {
            emit: 1,
            deadline: began + Duration::from_millis(50),
        };
        let result = shop.store.read(&endless, bounds).await;
        assert_eq!(result.unwrap_err(), StoreError::Timeout);
        assert!(began.elapsed() < Duration::from_secs(2));
        let fine = Statement {
            lane,
            ..select("select 1", vec![], vec![field("n", ColumnType::Int)])
        };
        let rows = shop.read(&fine, 1).await.unwrap();
        assert_eq!(text(&rows), "{\"n\":1}");
    }
}

/// Who waits behind long queries is told of them, and not that its own took long.
#[tokio::test]
async fn what_waits_behind_long_queries_is_not_called_slow() {
    let shop = fixture_with(Options {
        readers: 1,
        ..Options::default()
    })
    .await;
    let unbounded = |text| Statement {
        lane: Lane::Unbounded,
        ..select(text, vec![], vec![field("n", ColumnType::Int)])
    };
    let bounds = Bounds {
        emit: 1,
        deadline: Instant::now() + Duration::from_millis(200),
    };
    let (endless, short) = (unbounded(ENDLESS), unbounded("select 1"));
    let (endless, short) = tokio::join!(
        biased;
        shop.store.read(&endless, bounds),
        shop.store.read(&short, bounds)
    );
    assert_eq!(endless.unwrap_err(), StoreError::Timeout);
    assert_eq!(short.unwrap_err(), StoreError::Overloaded);
    // The same query again takes as long; the other one's has a chance.
    let again = |error| crate::error::problem_of(error).retry_after;
    assert_eq!(again(StoreError::Timeout), None);
    assert!(again(StoreError::Overloaded).is_some());
}

#[tokio::test]
async fn an_inline_read_that_takes_long_goes_on_elsewhere() {
    let shop = fixture_with(Options {
        inline_budget: Duration::from_millis(5),
        ..Options::default()
    })
    .await;
    let text = "with recursive c(n) as (select 1 union all select n + 1 from c where n < 500000) select max(n) from c";
    let long = select(text, vec![], vec![captured(ColumnType::Int)]);
    let rows = shop.read(&long, 1).await.unwrap();
    assert_eq!(rows.captured, [Value::Int(500_000)]);
    // There, too, its deadline holds.
    let endless = select(ENDLESS, vec![], vec![field("n", ColumnType::Int)]);
    let bounds = Bounds {
        emit: 1,
        deadline: Instant::now() + Duration::from_millis(100),
    };
    let begun = Instant::now();
    assert_eq!(
        shop.store.read(&endless, bounds).await.unwrap_err(),
        StoreError::Timeout
    );
    assert!(begun.elapsed() >= Duration::from_millis(100));
}

#[tokio::test]
async fn a_failed_nested_read_leaves_no_transaction_behind() {
    let shop = filled().await;
    let read = select(
        "select id from catalog__products",
        vec![],
        vec![Output::Unused, nested("n", None, ENDLESS, vec![], vec![])],
    );
    let bounds = Bounds {
        emit: 1,
        deadline: Instant::now() + Duration::from_millis(30),
    };
    assert!(shop.store.read(&read, bounds).await.is_err());
    // With the old snapshot still open this would not be seen.
    shop.write(vec![product(99, "new")]).await.unwrap();
    assert_eq!(shop.count("catalog__products").await, 3);
}

#[tokio::test]
async fn a_wrong_statement_is_an_error_and_nothing_more() {
    let shop = fixture().await;
    let wrong = select("select nothing from nowhere", vec![], vec![]);
    assert!(matches!(
        shop.read(&wrong, 1).await,
        Err(StoreError::Other { .. })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_stores_live_side_by_side_and_keep_their_data_apart() {
    let mut shops = Vec::new();
    for number in 0..24 {
        let shop = fixture().await;
        shop.write(vec![product(number, &format!("of {number}"))])
            .await
            .unwrap();
        shops.push(Arc::new(shop));
    }
    let read = Arc::new(select(
        "select name from catalog__products",
        vec![],
        vec![field("name", ColumnType::Text)],
    ));
    let mut tasks = Vec::new();
    for round in 0..4 {
        for (number, shop) in shops.iter().enumerate() {
            let (shop, read) = (Arc::clone(shop), Arc::clone(&read));
            tasks.push(tokio::spawn(async move {
                let rows = shop.read(&read, 10).await.unwrap();
                assert_eq!(
                    text(&rows),
                    format!("{{\"name\":\"of {number}\"}}"),
                    "{round}"
                );
            }));
        }
    }
    for task in tasks {
        task.await.unwrap();
    }
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_dropped_store_closes_its_files() {
    let open = |folder: &std::path::Path| {
        std::fs::read_dir("/proc/self/fd")
            .unwrap()
            .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok())
            .filter(|target| target.starts_with(folder))
            .count()
    };
    let Fixture { store, folder } = fixture().await;
    let read = select("select 1", vec![], vec![field("n", ColumnType::Int)]);
    let bounds = Bounds {
        emit: 1,
        deadline: soon(),
    };
    store.read(&read, bounds).await.unwrap();
    let unbounded = Statement {
        lane: Lane::Unbounded,
        ..read
    };
    store.read(&unbounded, bounds).await.unwrap();
    assert!(open(folder.path()) > 0);
    drop(store);
    let until = soon();
    while open(folder.path()) > 0 {
        assert!(Instant::now() < until, "files are still open");
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
