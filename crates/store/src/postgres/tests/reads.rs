use super::*;
use crate::StoreError;
use spec::Decimal;
use spec::statement::{Many, Nested, Part, Source};

fn shape(columns: Vec<Output>) -> Shape {
    Shape {
        columns,
        capture: Capture::Every,
    }
}

fn nested(name: &str, limit: Option<u32>, part: Part) -> Output {
    Output::Nested(Box::new(Nested {
        key: key(name),
        many: limit.map(|limit| Many { limit }),
        part,
    }))
}

const INT: ColumnType = ColumnType::Int;
const TEXT: ColumnType = ColumnType::Text;

#[tokio::test]
async fn every_type_goes_in_and_comes_out() {
    let shop = fixture().await;
    let id: Uuid = "0190b3a4-0000-7000-8000-0000000000ab".parse().unwrap();
    let scaled = ColumnType::Decimal { scale: 3 };
    let cases = [
        (
            "text",
            ColumnType::Text,
            Value::text("a\"b\u{1}é"),
            "\"a\\\"b\\u0001é\"",
        ),
        (
            "bigint",
            INT,
            Value::Int(-9_007_199_254_740_991),
            "-9007199254740991",
        ),
        ("integer", INT, Value::Int(-7), "-7"),
        ("smallint", INT, Value::Int(7), "7"),
        ("float8", ColumnType::Float, Value::Float(0.1), "0.1"),
        (
            "numeric",
            scaled,
            Value::Decimal(Decimal::new(-12_500, 3)),
            "\"-12.500\"",
        ),
        (
            "numeric",
            scaled,
            Value::Decimal(Decimal::new(123_456_789_012_345_678, 3)),
            "\"123456789012345.678\"",
        ),
        ("bool", ColumnType::Bool, Value::Bool(true), "true"),
        (
            "timestamptz",
            ColumnType::Timestamp,
            Value::Timestamp(-1),
            "\"1969-12-31T23:59:59.999999Z\"",
        ),
        ("date", ColumnType::Date, Value::Date(-1), "\"1969-12-31\""),
        (
            "uuid",
            ColumnType::Uuid,
            Value::Uuid(id),
            "\"0190b3a4-0000-7000-8000-0000000000ab\"",
        ),
        (
            "jsonb",
            ColumnType::Json,
            Value::Json("{\"a\":[1,2.5,1e300],\"bb\":{\"c\":\"x, y: z\"}}".into()),
            "{\"a\":[1,2.5,1e300],\"bb\":{\"c\":\"x, y: z\"}}",
        ),
        (
            "json",
            ColumnType::Json,
            Value::Json("[1, 2]".into()),
            "[1,2]",
        ),
        ("text", ColumnType::Text, Value::Null, "null"),
        ("jsonb", ColumnType::Json, Value::Null, "null"),
    ];
    for (wire, ty, value, json) in cases {
        let text = format!("select $1::{wire}, $1::{wire}");
        let columns = vec![field("v", ty), captured(ty)];
        let rows = shop
            .read(&select(&text, vec![value.clone()], columns), 1)
            .await
            .unwrap();
        assert_eq!(
            String::from_utf8(rows.body).unwrap(),
            format!("{{\"v\":{json}}}")
        );
        if wire != "json" {
            assert_eq!(rows.captured, [value], "{wire}");
        }
    }
}

#[tokio::test]
async fn numbers_of_the_server_are_exact() {
    let shop = fixture().await;
    for (sql, scale, json) in [
        (
            "'123456789012345678901234567890.12'::numeric",
            2,
            "123456789012345678901234567890.12",
        ),
        ("'-0.005'::numeric", 2, "0.00"),
        ("'-0.015'::numeric", 2, "-0.02"),
        ("'1e20'::numeric", 0, "100000000000000000000"),
        ("'10000'::numeric", 4, "10000.0000"),
        ("'0.00010'::numeric", 5, "0.00010"),
        // What is no number is shown as the nearest that is, in the server's order.
        ("'NaN'::numeric", 2, "9999999999999999.99"),
        ("'-Infinity'::numeric", 0, "-999999999999999999"),
        (
            "(select avg(v) from (values (1.0), (2.0), (2.0)) t(v))",
            4,
            "1.6667",
        ),
        (
            "(select sum(v) from (values (0.10), (0.20)) t(v))",
            2,
            "0.30",
        ),
    ] {
        let columns = vec![field("v", ColumnType::Decimal { scale })];
        let body = shop.json(&format!("select {sql}"), vec![], columns).await;
        assert_eq!(body, format!("{{\"v\":\"{json}\"}}"), "{sql}");
    }
}

#[tokio::test]
async fn lists_are_arrays() {
    let shop = fixture().await;
    let id = Uuid::new_v4();
    let list = |items: Vec<Value>| Value::List(items.into());
    for (text, items) in [
        (
            "select 'b' = any($1::text[]) and array_length($1, 1) = 3",
            list(vec!["a".into(), Value::Null, "b".into()]),
        ),
        ("select 2 = any($1::int8[])", list(vec![1.into(), 2.into()])),
        (
            "select 1.5 = any($1::numeric[])",
            list(vec![Value::Decimal(Decimal::new(150, 2))]),
        ),
        (
            "select 1.5 = any($1::float8[])",
            list(vec![Value::Float(1.5)]),
        ),
        ("select true = any($1::bool[])", list(vec![true.into()])),
        ("select $1::uuid[] is not null", list(vec![id.into()])),
        ("select not 'b' = any($1::text[])", list(vec![])),
    ] {
        let body = shop
            .json(text, vec![items], vec![field("v", ColumnType::Bool)])
            .await;
        assert_eq!(body, "{\"v\":true}", "{text}");
    }
}

#[tokio::test]
async fn what_does_not_fit_is_an_error_and_nothing_else() {
    let shop = fixture().await;
    for (text, params, columns) in [
        (
            "select $1::uuid",
            vec![Value::text("x")],
            vec![field("v", ColumnType::Uuid)],
        ),
        (
            "select $1::int4",
            vec![Value::Int(1 << 40)],
            vec![field("v", INT)],
        ),
        (
            "select $1::bigint",
            vec![Value::Bool(true)],
            vec![field("v", INT)],
        ),
        ("select $1::bigint", vec![], vec![field("v", INT)]),
        (
            "select 1::bigint",
            vec![],
            vec![field("v", ColumnType::Uuid)],
        ),
        (
            "select 1::bigint",
            vec![],
            vec![field("v", INT), field("w", INT)],
        ),
        ("select 1::bigint, 2", vec![], vec![field("v", INT)]),
        ("select nothing", vec![], vec![field("v", INT)]),
    ] {
        for lane in [Lane::Bounded, Lane::Unbounded] {
            let mut statement = select(text, params.clone(), columns.clone());
            statement.lane = lane;
            let answer = shop.read(&statement, 1).await;
            assert!(
                matches!(answer, Err(StoreError::Other { .. })),
                "{text}: {answer:?}"
            );
        }
    }
    assert_eq!(
        shop.json("select 1::int8", vec![], vec![field("v", INT)])
            .await,
        "{\"v\":1}"
    );
}

#[tokio::test]
async fn a_page_says_where_records_end_and_whether_there_are_more() {
    let shop = fixture().await;
    let mut statement = select(
        "select n, n, true, 'shown', n > 1, 'from the second' from generate_series(1::int8, 3) n",
        vec![],
        vec![
            field("n", INT),
            captured(INT),
            Output::Guarded {
                key: key("a"),
                ty: TEXT,
            },
            Output::Guarded {
                key: key("b"),
                ty: TEXT,
            },
        ],
    );
    let rows = shop.read(&statement, 2).await.unwrap();
    let body = String::from_utf8(rows.body).unwrap();
    let first = "{\"n\":1,\"a\":\"shown\"}";
    assert_eq!(
        body,
        format!("{first},{{\"n\":2,\"a\":\"shown\",\"b\":\"from the second\"}}")
    );
    assert_eq!(rows.ends, [first.len(), body.len()]);
    assert!(rows.more);
    assert_eq!(rows.captured, [Value::Int(1), Value::Int(2)]);

    Arc::make_mut(&mut statement.shape).capture = Capture::Last;
    assert_eq!(
        shop.read(&statement, 2).await.unwrap().captured,
        [Value::Int(2)]
    );
    assert!(!shop.read(&statement, 3).await.unwrap().more);
    let none = select("select 1::int8 where false", vec![], vec![field("n", INT)]);
    let none = shop.read(&none, 5).await.unwrap();
    assert!(none.body.is_empty() && none.ends.is_empty() && !none.more);
}

#[tokio::test]
async fn members_of_an_open_model_join_the_record() {
    let shop = fixture().await;
    let columns = || {
        vec![
            field("id", INT),
            Output::Members {
                without: Default::default(),
            },
            Output::Unused,
            field("z", INT),
        ]
    };
    for (extra, json) in [
        (
            "'{\"b\": 1, \"a\": [1, 2]}'::jsonb",
            "{\"id\":1,\"a\":[1,2],\"b\":1,\"z\":2}",
        ),
        ("'{}'::jsonb", "{\"id\":1,\"z\":2}"),
        ("null::jsonb", "{\"id\":1,\"z\":2}"),
    ] {
        let text = format!("select 1::int8, {extra}, 'unused', 2::int8");
        assert_eq!(shop.json(&text, vec![], columns()).await, json);
    }
    let only = shop
        .json(
            "select '{\"a\":1}'::jsonb",
            vec![],
            vec![Output::Members {
                without: Default::default(),
            }],
        )
        .await;
    assert_eq!(only, "{\"a\":1}");
}

#[tokio::test]
async fn relations_nest_inline_in_arrays_and_in_records() {
    let shop = fixture().await;
    // Two authors; the first with two books (one untitled) of which the first has reviews; the second with none.
    let text = "
with authors(id, name, born) as (values (1::int8, 'Ann', 7::int8), (2, 'Bob', null)),
     places(id, name) as (values (7::int8, 'Rome')),
     books(id, author, title) as (values (10::int8, 1::int8, 'Zero'), (11, 1, null)),
     reviews(id, book, stars) as (values (100::int8, 10::int8, 5::int8), (101, 10, null), (102, 10, 1))
select a.name, p.id, p.name,
  array(select row(b.id, b.title, r.ids, r.stars)
        from books b
        left join lateral (select array_agg(id order by id) ids, array_agg(stars order by id) stars
                           from (select * from reviews where book = b.id order by id limit 3) r) r on true
        where b.author = a.id order by b.id),
  b.ids, b.titles, a.name
from authors a
left join places p on p.id = a.born
left join lateral (select array_agg(id order by id) ids, array_agg(title order by id) titles
                   from books where author = a.id) b on true
order by a.id";
    let columns = vec![
        field("name", TEXT),
        nested("born", None, Part::Inline(shape(vec![field("name", TEXT)]))),
        nested(
            "books",
            Some(5),
            Part::Records(shape(vec![
                field("title", TEXT),
                nested(
                    "reviews",
                    Some(2),
                    Part::Arrays(shape(vec![field("stars", INT)])),
                ),
            ])),
        ),
        nested(
            "titles",
            Some(1),
            Part::Arrays(shape(vec![field("title", TEXT)])),
        ),
        field("end", TEXT),
    ];
    let body = shop.json(text, vec![], columns).await;
    let books = "{\"data\":[\
        {\"title\":\"Zero\",\"reviews\":{\"data\":[{\"stars\":5},{\"stars\":null}],\"more\":true}},\
        {\"title\":null,\"reviews\":{\"data\":[],\"more\":false}}],\"more\":false}";
    assert_eq!(
        body,
        format!(
            "{{\"name\":\"Ann\",\"born\":{{\"name\":\"Rome\"}},\"books\":{books},\
             \"titles\":{{\"data\":[{{\"title\":\"Zero\"}}],\"more\":true}},\"end\":\"Ann\"}},\
             {{\"name\":\"Bob\",\"born\":null,\"books\":{{\"data\":[],\"more\":false}},\
             \"titles\":{{\"data\":[],\"more\":false}},\"end\":\"Bob\"}}"
        )
    );
}

#[tokio::test]
async fn columns_are_used_again() {
    let shop = fixture().await;
    let shared = |source, output| Output::Shared {
        source,
        output: Box::new(output),
    };
    let text = "select 7::int8, 'x'::text, 8::int8, 'born'::text, array[1, 2]::int8[], array['a', 'b'], \
        array(select row(n, array[n * 10]::int8[]) from generate_series(3, 4) n)";
    let columns = vec![
        field("id", INT),
        field("name", TEXT),
        nested(
            "one",
            None,
            Part::Inline(shape(vec![
                shared(Source::Row(0), field("id", INT)),
                field("name", TEXT),
                shared(Source::Parent(1), field("of", TEXT)),
            ])),
        ),
        nested(
            "leaves",
            Some(2),
            Part::Arrays(shape(vec![
                shared(Source::Parent(0), field("of", INT)),
                field("name", TEXT),
                shared(Source::Row(0), field("id", INT)),
            ])),
        ),
        nested(
            "middle",
            Some(1),
            Part::Records(shape(vec![
                shared(Source::Row(0), field("id", INT)),
                nested(
                    "leaves",
                    Some(2),
                    Part::Arrays(shape(vec![
                        shared(Source::Row(0), field("id", INT)),
                        shared(Source::Parent(0), field("of", INT)),
                    ])),
                ),
            ])),
        ),
        shared(Source::Row(1), captured(TEXT)),
    ];
    let rows = shop.read(&select(text, vec![], columns), 1).await.unwrap();
    assert_eq!(
        String::from_utf8(rows.body).unwrap(),
        "{\"id\":7,\"name\":\"x\",\"one\":{\"id\":8,\"name\":\"born\",\"of\":\"x\"},\
         \"leaves\":{\"data\":[{\"of\":7,\"name\":\"a\",\"id\":1},{\"of\":7,\"name\":\"b\",\"id\":2}],\
         \"more\":false},\"middle\":{\"data\":[{\"id\":3,\
         \"leaves\":{\"data\":[{\"id\":30,\"of\":3}],\"more\":false}}],\"more\":true}}"
    );
    assert_eq!(rows.captured, [Value::text("x")]);
}

#[tokio::test]
async fn records_carry_every_type() {
    let shop = fixture().await;
    let text = "select array(select row(1::int8, 'x'::text, 2.50::numeric, true, '2000-01-02'::date, \
        '2000-01-01 00:00:01Z'::timestamptz, '{\"b\": 1, \"a\": 2}'::jsonb, 'hidden'::text, false, null::int8, 5::int8))";
    let columns = vec![nested(
        "r",
        Some(3),
        Part::Records(shape(vec![
            field("t", TEXT),
            field("n", ColumnType::Decimal { scale: 2 }),
            field("b", ColumnType::Bool),
            field("d", ColumnType::Date),
            field("at", ColumnType::Timestamp),
            field("j", ColumnType::Json),
            Output::Unused,
            Output::Guarded {
                key: key("g"),
                ty: INT,
            },
            nested("one", None, Part::Inline(shape(vec![]))),
        ])),
    )];
    assert_eq!(
        shop.json(text, vec![], columns).await,
        "{\"r\":{\"data\":[{\"t\":\"x\",\"n\":\"2.50\",\"b\":true,\"d\":\"2000-01-02\",\
         \"at\":\"2000-01-01T00:00:01.000000Z\",\"j\":{\"a\":2,\"b\":1},\"one\":{}}],\"more\":false}}"
    );
}

#[tokio::test]
async fn places_of_other_modules_records_are_numbered_depth_first() {
    let shop = fixture().await;
    let splice = |name: &str| Output::Splice {
        key: key(name),
        ty: INT,
    };
    let text = "select n, case when n = 2 then 1::int8 end, 20 + n, 30 + n, null::int8 from generate_series(1::int8, 2) n";
    let columns = vec![
        splice("a"),
        nested("in", None, Part::Inline(shape(vec![splice("b")]))),
        splice("c"),
        splice("d"),
    ];
    let rows = shop.read(&select(text, vec![], columns), 9).await.unwrap();
    assert_eq!(
        String::from_utf8(rows.body).unwrap(),
        "{\"a\":,\"in\":null,\"c\":,\"d\":null},{\"a\":,\"in\":{\"b\":},\"c\":,\"d\":null}"
    );
    let found: Vec<(usize, usize, &Value)> =
        rows.splices.iter().map(|s| (s.at, s.slot, &s.id)).collect();
    assert_eq!(
        found,
        [
            (5, 0, &Value::Int(1)),
            (20, 2, &Value::Int(31)),
            (36, 0, &Value::Int(2)),
            (47, 1, &Value::Int(22)),
            (53, 2, &Value::Int(32)),
        ]
    );
}

#[tokio::test]
async fn a_slow_statement_has_its_deadline_and_holds_nobody_up() {
    let shop = fixture().await;
    let slow = |lane| {
        let mut statement = select("select pg_sleep(5)::text", vec![], vec![field("v", TEXT)]);
        statement.lane = lane;
        statement
    };
    let started = Instant::now();
    let within = Bounds {
        emit: 1,
        deadline: Instant::now() + Duration::from_millis(700),
    };
    let (bounded, unbounded) = (slow(Lane::Bounded), slow(Lane::Unbounded));
    let (bounded, unbounded) = tokio::join!(
        shop.store.read(&bounded, within),
        shop.store.read(&unbounded, within)
    );
    assert_eq!(bounded.unwrap_err(), StoreError::Timeout);
    assert_eq!(unbounded.unwrap_err(), StoreError::Timeout);
    assert!(started.elapsed() < Duration::from_secs(2));

    // Past the shared connections' limit, but within the request's: it runs again on a connection of its own.
    let longer = select("select pg_sleep(0.4)::text", vec![], vec![field("v", TEXT)]);
    assert!(shop.read(&longer, 1).await.is_ok());

    // A caller that goes away takes its statement along, and its connection too.
    {
        let statement = slow(Lane::Unbounded);
        let gone = shop.read(&statement, 1);
        let _ = tokio::time::timeout(Duration::from_millis(100), gone).await;
    }
    let busy = "select count(*) from pg_stat_activity where datname = current_database() \
                and state = 'active' and query like '%pg_sleep(5)%' and pid <> pg_backend_pid()";
    for tries in 0.. {
        if shop.json(busy, vec![], vec![field("n", INT)]).await == "{\"n\":0}" {
            break;
        }
        assert!(tries < 100, "the statement goes on without its caller");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    assert_eq!(shop.store.stats().pool_in_use, 0);
}

#[tokio::test]
async fn a_statement_is_prepared_again_when_its_table_changed() {
    let shop = fixture().await;
    let stranger = shop.stranger().await;
    stranger
        .batch_execute("create table t (a int8); insert into t values (1)")
        .await
        .unwrap();
    let columns = || vec![field("a", INT)];
    for lane in [Lane::Bounded, Lane::Unbounded] {
        let mut statement = select("select * from t", vec![], columns());
        statement.lane = lane;
        for ty in ["int8", "int4", "int8"] {
            let sql = format!("alter table t alter a type {ty}");
            stranger.batch_execute(&sql).await.unwrap();
            // As often as there are connections, and more.
            for _ in 0..12 {
                let rows = shop.read(&statement, 1).await.unwrap();
                assert_eq!(rows.body, b"{\"a\":1}");
            }
        }
    }
    // Also after somebody threw them all away.
    let insert = || {
        vec![step(
            "insert into t values ($1)",
            vec![Value::Int(2)],
            Expect::One,
        )]
    };
    shop.write(insert()).await.unwrap();
    stranger
        .batch_execute("alter table t alter a type int4")
        .await
        .unwrap();
    for _ in 0..8 {
        shop.write(insert()).await.unwrap();
    }
}

#[tokio::test]
async fn more_statements_than_are_kept_prepared() {
    let shop = fixture().await;
    for n in 0..1_200i64 {
        let text = format!("select {n}::int8");
        assert_eq!(
            shop.json(&text, vec![], vec![field("n", INT)]).await,
            format!("{{\"n\":{n}}}")
        );
    }
}

/// The server's process behind the connection that a read runs on.
async fn process(store: &Postgres) -> i64 {
    let text = "select pg_backend_pid()::bigint";
    let statement = select(text, vec![], vec![captured(INT)]);
    let bounds = Bounds {
        emit: 1,
        deadline: soon(),
    };
    match store.read(&statement, bounds).await.unwrap().captured[..] {
        [Value::Int(process)] => process,
        ref other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_thread_that_settles_reads_on_connections_of_its_own() {
    let options = Options {
        readers: 1,
        readers_per_thread: 1,
        ..Options::default()
    };
    let shop = fixture_with(options).await;
    let stranger = shop.stranger().await;
    let store = Arc::new(shop.store);
    let shared = process(&store).await;
    let settled = Arc::clone(&store);
    let run = async move {
        settled.settle();
        // Until its connection is up, it reads on the shared one.
        process(&settled).await;
        while settled.stats().readers < 2 {
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
        let own = process(&settled).await;
        let end = "select pg_terminate_backend($1::bigint::int)";
        stranger.execute(end, &[&own]).await.unwrap();
        // It does without while its own is lost, and has one again.
        let mut later = process(&settled).await;
        while later == own || later == shared {
            later = process(&settled).await;
        }
        own
    };
    let thread = std::thread::spawn(move || {
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        runtime.enable_all().build().unwrap().block_on(run)
    });
    let own = tokio::task::spawn_blocking(move || thread.join().unwrap());
    assert_ne!(own.await.unwrap(), shared);
    // The thread has ended, and its connections with it.
    assert_eq!(process(&store).await, shared);
}
