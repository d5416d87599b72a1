use super::*;
use crate::StoreError;
use crate::migrate::{DifferenceKind, Part};
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
    let plan = store.migration(&shop_schema()).await.unwrap();
    assert!(!plan.steps.is_empty());
    assert_eq!(store.migration(&shop_schema()).await.unwrap(), plan);
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
    let again = shop.store.migration(&wanted).await.unwrap();
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

/// What a plan leaves to a person, it says as SQL that does it.
#[tokio::test]
async fn what_is_told_to_be_run_by_hand_is_enough() {
    let shop = fixture().await;
    shop.write(vec![create("a")]).await.unwrap();
    let stranger = shop.stranger().await;
    let mut wanted = shop_schema();
    let products = &mut wanted.tables[0];
    products.columns.retain(|column| column.name != "version");
    for column in &mut products.columns {
        match column.name.as_str() {
            "price" => column.ty = ColumnType::Decimal { scale: 3 },
            "name" => column.nullable = true,
            "rating" => column.ty = ColumnType::Text,
            "attributes" => {
                column.ty = ColumnType::Text;
                column.nullable = false;
            }
            _ => {}
        }
    }
    let told = shop.store.migration(&wanted).await.unwrap();
    let mut runs = 0;
    for difference in told.blocking() {
        let (_, sql) = difference
            .detail
            .split_once("run by hand: ")
            .unwrap_or_else(|| panic!("{difference}"));
        let sql = sql.replace('…', "'{}'");
        stranger
            .batch_execute(&sql)
            .await
            .unwrap_or_else(|error| panic!("{sql}: {error:?}"));
        runs += 1;
    }
    assert!(runs >= 5, "{told:?}");
    let left = shop.store.migration(&wanted).await.unwrap();
    assert_eq!(left.blocking().count(), 0, "{left:?}");
}

#[tokio::test]
async fn what_was_altered_by_hand_shows() {
    let shop = fixture().await;
    let stranger = shop.stranger().await;
    let blocking = async || {
        let plan = shop.store.migration(&shop_schema()).await.unwrap();
        let mut found: Vec<(Part, DifferenceKind, bool)> = plan
            .differences
            .into_iter()
            .map(|found| (found.part, found.kind, found.blocking))
            .collect();
        found.sort_by_key(|found| format!("{found:?}"));
        found
    };
    for (there, back, part, kind) in [
        (
            "alter table catalog.products alter name type text collate \"default\"",
            "alter table catalog.products alter name type text collate \"C\"",
            Part::Column("name".to_owned()),
            DifferenceKind::Mistyped,
        ),
        (
            "alter table catalog.products alter version type int",
            "alter table catalog.products alter version type bigint",
            Part::Column("version".to_owned()),
            DifferenceKind::Mistyped,
        ),
        (
            "alter table catalog.products alter version drop not null",
            "alter table catalog.products alter version set not null",
            Part::Column("version".to_owned()),
            DifferenceKind::Mistyped,
        ),
        (
            "alter table catalog.products alter price type numeric(10, 2)",
            "alter table catalog.products alter price type numeric",
            Part::Column("price".to_owned()),
            DifferenceKind::Mistyped,
        ),
        (
            "alter table catalog.products alter id drop identity",
            "alter table catalog.products alter id add generated by default as identity",
            Part::Column("id".to_owned()),
            DifferenceKind::Mistyped,
        ),
        (
            "alter table catalog.products drop constraint products_category_fkey",
            "alter table catalog.products add foreign key (category) references catalog.categories",
            Part::ForeignKey("category".to_owned()),
            DifferenceKind::Missing,
        ),
        (
            "drop index catalog.products_category_price; create index products_category_price on catalog.products (category, price, id)",
            "drop index catalog.products_category_price; create index products_category_price on catalog.products (category nulls first, price nulls first, id)",
            Part::Index("products_category_price".to_owned()),
            DifferenceKind::Mistyped,
        ),
    ] {
        stranger.batch_execute(there).await.unwrap();
        let found = blocking().await;
        assert_eq!(found.len(), 1, "{there}: {found:?}");
        assert_eq!((&found[0].0, found[0].1), (&part, kind), "{there}");
        stranger.batch_execute(back).await.unwrap();
        assert_eq!(blocking().await, [], "{back}");
    }
    // Another schema of the database is nobody's business.
    stranger
        .batch_execute("create schema elsewhere; create table elsewhere.t (a int); create table public.u (a int)")
        .await
        .unwrap();
    assert_eq!(blocking().await, []);
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
    let failed = shop.store.apply(&wanted, Allow::SLOW).await;
    assert!(
        matches!(&failed, Err(StoreError::Other { cause }) if cause.contains("have the same name")),
        "{failed:?}"
    );
    // The column of the same plan was undone with it.
    let plan = shop.store.migration(&wanted).await.unwrap();
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
