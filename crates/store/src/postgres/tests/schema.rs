use super::*;
use crate::StoreError;
use crate::migrate::{Ended, Extras, Label};
use spec::Decimal;

#[tokio::test]
async fn a_plan_applied_twice_is_empty_and_history_is_kept() {
    let shop = fixture().await;
    let again = shop
        .store
        .apply(&shop_schema(), Allow::EVERYTHING)
        .await
        .unwrap();
    let Applied::Nothing(plan) = again else {
        panic!("{again:?}")
    };
    assert!(plan.differences.is_empty(), "{:?}", plan.differences);
    let history = shop.store.migrations().await.unwrap();
    assert_eq!(history.len(), 1);
    assert!(history[0].plan.contains("create table catalog.products"));
    assert!(history[0].schema.contains("\"decimal(2)\""));
    assert!((spec::time::now_micros() - history[0].at).abs() < 60_000_000);
}

fn shop_schema() -> Schema {
    super::shop()
}

#[tokio::test]
async fn a_plan_on_nothing_changes_nothing() {
    let database = Database::create().await;
    let store = Postgres::connect(&database.url(), Options::default())
        .await
        .unwrap();
    let plan = store.migration(&shop_schema(), Extras::Keep).await.unwrap();
    assert!(!plan.steps.is_empty());
    assert_eq!(
        store.migration(&shop_schema(), Extras::Keep).await.unwrap(),
        plan
    );
    assert_eq!(store.migrations().await.unwrap(), []);
}

#[tokio::test]
async fn fields_indexes_and_references_are_added() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let mut wanted = shop_schema();
    let products = &mut wanted.tables[0];
    for (name, ty, backfill) in [
        ("note", ColumnType::Text, Value::text("it's \\ new")),
        ("score", ColumnType::Float, Value::Float(1.5)),
        (
            "cost",
            ColumnType::Decimal { scale: 3 },
            Value::Decimal(Decimal::new(1_500, 3)),
        ),
        ("live", ColumnType::Bool, Value::Bool(true)),
        ("seen", ColumnType::Timestamp, Value::Timestamp(1)),
        ("day", ColumnType::Date, Value::Date(0)),
        ("tag", ColumnType::Uuid, Value::Uuid(Uuid::nil())),
        ("data", ColumnType::Json, Value::Json("{\"a\":1}".into())),
        ("count", ColumnType::Int, Value::Int(-3)),
    ] {
        products.columns.push(Column {
            backfill: Some(backfill),
            ..column(name, ty, false)
        });
    }
    products
        .columns
        .push(column("parent", ColumnType::Uuid, true));
    products.foreign_keys.push(ForeignKey {
        column: "parent".to_owned(),
        to: TableName::new("catalog", "categories"),
    });
    products.indexes.push(TableIndex {
        name: "products_note".to_owned(),
        columns: vec!["note".to_owned(), "id".to_owned()],
        unique: false,
    });
    let applied = shop.store.apply(&wanted, Allow::SLOW).await.unwrap();
    assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
    let again = shop.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert!(
        again.steps.is_empty() && again.differences.is_empty(),
        "{again:?}"
    );
    let body = shop
        .json(
            "select note, score, cost, live, seen, day, tag, data, count from catalog.products",
            vec![],
            vec![
                field("note", ColumnType::Text),
                field("score", ColumnType::Float),
                field("cost", ColumnType::Decimal { scale: 3 }),
                field("live", ColumnType::Bool),
                field("seen", ColumnType::Timestamp),
                field("day", ColumnType::Date),
                field("tag", ColumnType::Uuid),
                field("data", ColumnType::Json),
                field("count", ColumnType::Int),
            ],
        )
        .await;
    assert_eq!(
        body,
        "{\"note\":\"it's \\\\ new\",\"score\":1.5,\"cost\":\"1.500\",\"live\":true,\
         \"seen\":\"1970-01-01T00:00:00.000001Z\",\"day\":\"1970-01-01\",\
         \"tag\":\"00000000-0000-0000-0000-000000000000\",\"data\":{\"a\":1},\"count\":-3}"
    );
}

#[tokio::test]
async fn columns_and_references_are_altered() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let mut wanted = shop_schema();
    let products = &mut wanted.tables[0];
    products.columns.retain(|column| column.name != "version");
    for column in &mut products.columns {
        match column.name.as_str() {
            "price" => column.ty = ColumnType::Decimal { scale: 3 },
            "name" => column.nullable = true,
            _ => {}
        }
    }
    products.foreign_keys.clear();
    let plan = shop.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert_eq!(plan.blocking().count(), 0, "{plan:?}");
    let applied = shop.store.apply(&wanted, Allow::SLOW).await.unwrap();
    assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
    let again = shop.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert!(again.steps.is_empty(), "{again:?}");
    assert_eq!(again.differences.len(), 1, "{again:?}");
    let stranger = shop.stranger().await;
    let insert = "insert into catalog.products (price) values (1)";
    stranger.batch_execute(insert).await.unwrap();
    let applied = shop.store.apply(&wanted, Allow::EVERYTHING).await.unwrap();
    assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
    let nothing = shop.store.migration(&wanted, Extras::Drop).await.unwrap();
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn what_was_altered_by_hand_is_mended() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let stranger = shop.stranger().await;
    for there in [
        "alter table catalog.products alter name type text collate \"default\"",
        "alter table catalog.products alter name type varchar(90)",
        "alter table catalog.products alter version type int",
        "alter table catalog.products alter version drop not null",
        "alter table catalog.products alter price type numeric(10, 2)",
        "alter table catalog.products alter id drop identity",
        "alter table catalog.products drop constraint products_category_fkey",
        "drop index catalog.products_category_price; create index products_category_price on catalog.products (category, price, id)",
        "alter table catalog.products add constraint more unique (name)",
        "alter table catalog.products add constraint mainstay_required_price check (price is not null) not valid",
        "create unique index products_extra on catalog.products (name, id)",
    ] {
        stranger.batch_execute(there).await.unwrap();
        let plan = shop
            .store
            .migration(&shop_schema(), Extras::Keep)
            .await
            .unwrap();
        assert_eq!(
            plan.steps.len(),
            if there.contains("create index") { 2 } else { 1 },
            "{there}: {plan:?}"
        );
        let applied = shop.store.apply(&shop_schema(), Allow::SLOW).await.unwrap();
        assert!(matches!(applied, Applied::Ran(_)), "{there}: {applied:?}");
        let plan = shop
            .store
            .migration(&shop_schema(), Extras::Drop)
            .await
            .unwrap();
        assert!(plan.is_empty(), "{there}: {plan:?}");
    }
    shop.write(vec![create("b")]).await.unwrap();
    // Another schema of the database is nobody's business.
    stranger
        .batch_execute("create schema elsewhere; create table elsewhere.t (a int); create table public.u (a int)")
        .await
        .unwrap();
    let plan = shop
        .store
        .migration(&shop_schema(), Extras::Drop)
        .await
        .unwrap();
    assert!(plan.is_empty(), "{plan:?}");
}

/// Every table is taken for a large one.
async fn online(shop: &Fixture) -> Postgres {
    let options = Options {
        online_from: 0,
        ..Options::default()
    };
    Postgres::connect(&shop.database.url(), options)
        .await
        .unwrap()
}

fn tightened() -> Schema {
    let mut wanted = shop_schema();
    let products = &mut wanted.tables[0];
    products
        .columns
        .push(column("parent", ColumnType::Int, true));
    products.foreign_keys.push(ForeignKey {
        column: "parent".to_owned(),
        to: TableName::new("catalog", "products"),
    });
    products.indexes.push(TableIndex {
        name: "products_name_key".to_owned(),
        columns: vec!["name".to_owned()],
        unique: true,
    });
    wanted
}

#[tokio::test]
async fn a_large_table_is_changed_while_others_write_to_it() {
    let shop = fixture().await;
    shop.write(vec![create("a"), create("b")]).await.unwrap();
    let store = online(&shop).await;
    let loose = "alter table catalog.products alter name drop not null";
    shop.stranger().await.batch_execute(loose).await.unwrap();
    let (told, heard) = std::sync::mpsc::channel();
    let terms = crate::migrate::Terms {
        watch: Arc::new(move |progress| {
            if let crate::migrate::Progress::Done { step, .. } = progress {
                let _ = told.send(step.summary.clone());
            }
        }),
        ..Allow::SLOW.into()
    };
    let writing = async {
        for n in 0..40 {
            shop.write(vec![create(&format!("while {n}"))])
                .await
                .unwrap();
        }
    };
    let wanted = tightened();
    let (applied, ()) = tokio::join!(store.apply(&wanted, terms), writing);
    let Ok(Applied::Ran(plan)) = applied else {
        panic!("{applied:?}")
    };
    assert_eq!(heard.try_iter().count(), plan.steps.len());
    let again = store.migration(&tightened(), Extras::Drop).await.unwrap();
    assert!(again.is_empty(), "{again:?}");
    let history = store.migrations().await.unwrap();
    let last = history.last().unwrap();
    assert_eq!((history.len(), last.ended), (2, Ended::Done));
    assert!(
        last.plan.contains("CONCURRENTLY") && last.took.is_some(),
        "{last:?}"
    );
}

#[tokio::test]
async fn what_stops_half_way_goes_on_when_it_is_run_again() {
    let shop = fixture().await;
    shop.write(vec![create("a"), create("b")]).await.unwrap();
    let store = online(&shop).await;
    let stranger = shop.stranger().await;
    let loose = "alter table catalog.products alter name drop not null";
    stranger.batch_execute(loose).await.unwrap();
    // Nobody sees the second of the same name before the index is made: a data step writes it.
    let mut wanted = tightened();
    wanted.data_steps.push(spec::schema::DataStep {
        name: "2026-11-28-twice".to_owned(),
        sqlite: None,
        postgres: Some("insert into catalog.products (name, version) values ('c', 1)".into()),
    });
    // The count before the index is made finds nothing, the index does.
    stranger
        .batch_execute(
            "create function catalog.twice() returns trigger language plpgsql as
               $$ begin insert into catalog.products (name, version) values ('b', 1); return null; end $$;
             create trigger twice after insert on mainstay.migrations execute function catalog.twice()",
        )
        .await
        .unwrap();
    let failed = store
        .apply(&wanted, Allow::SLOW)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        failed.contains("have the same name") && failed.contains("go on"),
        "{failed}"
    );
    let history = store.migrations().await.unwrap();
    assert_eq!(history.last().unwrap().ended, Ended::HalfWay);
    let invalid = "select count(*) from pg_index where not indisvalid";
    let left: i64 = stranger.query_one(invalid, &[]).await.unwrap().get(0);
    assert_eq!(left, 0, "an index that failed is dropped");
    // Mended, it goes on, and what ran is not run again.
    stranger
        .batch_execute(
            "drop trigger twice on mainstay.migrations;
             delete from catalog.products where id = (select max(id) from catalog.products where name = 'b')",
        )
        .await
        .unwrap();
    let applied = store.apply(&wanted, Allow::SLOW).await.unwrap();
    assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
    let again = store.migration(&wanted, Extras::Drop).await.unwrap();
    assert!(again.is_empty(), "{again:?}");
    let count = "select count(*) from catalog.products where name = 'c'";
    assert_eq!(
        stranger
            .query_one(count, &[])
            .await
            .unwrap()
            .get::<_, i64>(0),
        1
    );
}

#[tokio::test]
async fn a_table_in_use_is_waited_for_and_let_go_in_between() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let stranger = shop.stranger().await;
    stranger
        .batch_execute("begin; select * from catalog.products")
        .await
        .unwrap();
    let mut wanted = shop_schema();
    wanted.tables[0]
        .columns
        .push(column("note", ColumnType::Text, true));
    // One is enough to know of; more are dropped.
    let (waits, mut waited) = tokio::sync::mpsc::channel(1);
    let terms = crate::migrate::Terms {
        watch: Arc::new(move |progress| {
            if matches!(progress, crate::migrate::Progress::Waits { .. }) {
                let _ = waits.try_send(());
            }
        }),
        ..Allow::SAFE.into()
    };
    let letting_go = async {
        waited.recv().await.unwrap();
        stranger.batch_execute("commit").await.unwrap();
    };
    let (applied, ()) = tokio::join!(shop.store.apply(&wanted, terms), letting_go);
    assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}");
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let shop = fixture().await;
    let stranger = shop.stranger().await;
    let newer = "update mainstay.format set version = 99";
    stranger.batch_execute(newer).await.unwrap();
    let looked = shop
        .store
        .migration(&shop_schema(), Extras::Keep)
        .await
        .unwrap_err();
    let applied = shop
        .store
        .apply(&shop_schema(), Allow::EVERYTHING)
        .await
        .unwrap_err();
    for said in [looked.to_string(), applied.to_string()] {
        assert!(
            said.contains("newer Mainstay") && said.contains("99"),
            "{said}"
        );
    }
    stranger
        .batch_execute(
            "drop table mainstay.format, mainstay.data_steps;
             alter table mainstay.migrations drop column took, drop column ended; alter table mainstay.schema drop column domain",
        )
        .await
        .unwrap();
    let applied = shop.store.apply(&shop_schema(), Allow::SAFE).await.unwrap();
    assert!(matches!(applied, Applied::Nothing(_)));
    assert_eq!(shop.store.migrations().await.unwrap()[0].took, None);
}

#[tokio::test]
async fn applying_is_all_or_nothing_and_one_at_a_time() {
    let shop = fixture().await;
    shop.write(vec![create("same"), create("same")])
        .await
        .unwrap();
    let mut wanted = shop_schema();
    wanted.tables[0]
        .columns
        .push(column("note", ColumnType::Text, true));
    wanted.tables[0].indexes.push(TableIndex {
        name: "products_name_key".to_owned(),
        columns: vec!["name".to_owned()],
        unique: true,
    });
    let refused = shop.store.apply(&wanted, Allow::SAFE).await.unwrap();
    assert!(matches!(refused, Applied::Refused(_)), "{refused:?}");
    let refused = shop.store.apply(&wanted, Allow::SLOW).await.unwrap();
    let Applied::Refused(plan) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(plan.label(), Some(Label::Slow));
    assert!(
        plan.obstacles[0]
            .detail
            .contains("2 records of catalog.products have the same name"),
        "{plan:?}"
    );
    // The column of the same plan was not made either.
    let plan = shop.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert_eq!(plan.steps.len(), 2);

    wanted.tables[0].indexes.pop();
    let applied = futures(5, || shop.store.apply(&wanted, Allow::SAFE)).await;
    let ran = applied
        .iter()
        .filter(|one| matches!(one, Ok(Applied::Ran(_))))
        .count();
    let nothing = applied
        .iter()
        .filter(|one| matches!(one, Ok(Applied::Nothing(_))))
        .count();
    assert_eq!((ran, nothing), (1, 4), "{applied:?}");
}

async fn futures<F: Future>(count: usize, make: impl Fn() -> F) -> Vec<F::Output> {
    crate::postgres::join::join_all((0..count).map(|_| make())).await
}

#[tokio::test]
async fn order_by_is_served_by_the_indexes() {
    let shop = fixture().await;
    let stranger = shop.stranger().await;
    stranger
        .batch_execute(
            "insert into catalog.products (name, version, price) select n::text, 1, n from generate_series(1, 5000) n; analyze",
        )
        .await
        .unwrap();
    for order in [
        "category asc nulls first, price asc nulls first, id",
        "category desc nulls last, price desc nulls last, id desc",
        "id",
        "id desc",
    ] {
        let explain = format!("explain select * from catalog.products order by {order} limit 20");
        let plan: Vec<String> = stranger
            .query(&explain, &[])
            .await
            .unwrap()
            .iter()
            .map(|row| row.get(0))
            .collect();
        assert!(!plan.join("\n").contains("Sort"), "{order}: {plan:#?}");
    }
}

#[tokio::test]
async fn servers_and_urls_that_cannot_work_are_refused_with_a_reason() {
    let refused = async |url: &str| match Postgres::connect(url, Options::default()).await {
        Err(StoreError::Other { cause }) => cause,
        Err(other) => panic!("{other:?}"),
        Ok(_) => panic!("connected"),
    };
    let latin = std::env::var("MAINSTAY_TEST_POSTGRES").unwrap();
    let latin = Database::create_on(
        latin,
        "encoding 'LATIN1' locale_provider libc lc_collate 'C' lc_ctype 'C' template template0",
    )
    .await;
    assert!(refused(&latin.url()).await.contains("encoding is LATIN1"));
    let tls = format!("{}?sslmode=require", latin.url());
    assert!(refused(&tls).await.contains("not built yet"));
    assert!(
        refused("postgres://host:port/x")
            .await
            .contains("not valid")
    );
    let nowhere = Postgres::connect("postgres://u@127.0.0.1:1/x", Options::default()).await;
    assert!(matches!(
        nowhere,
        Err(StoreError::Unavailable { maybe: false, .. })
    ));
}
