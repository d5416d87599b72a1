use super::*;
use crate::migrate::{DifferenceKind, Extras, Label, Part};

fn table<'a>(schema: &'a mut Schema, name: &str) -> &'a mut Table {
    schema
        .tables
        .iter_mut()
        .find(|table| table.name.name == name)
        .unwrap()
}

#[tokio::test]
async fn a_plan_applied_twice_is_empty() {
    let shop_ = fixture().await;
    let plan = shop_.store.migration(&shop(), Extras::Keep).await.unwrap();
    assert_eq!(plan, crate::migrate::Plan::default());
    let applied = shop_.store.apply(&shop(), Allow::SAFE).await.unwrap();
    assert!(matches!(applied, Applied::Nothing(_)));
    let history = shop_.store.migrations().await.unwrap();
    assert_eq!(history.len(), 1);
    assert!(history[0].plan.contains("create table catalog.products"));
    assert!(history[0].schema.contains("decimal(2)"));
}

#[tokio::test]
async fn planning_changes_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let store = Sqlite::open(folder.path().join("data.db"), Options::default()).unwrap();
    assert_eq!(store.migrations().await.unwrap(), []);
    let plan = store.migration(&shop(), Extras::Keep).await.unwrap();
    assert_eq!(plan.steps.len(), 3);
    assert_eq!(plan.label(), Some(Label::Safe));
    assert_eq!(store.migration(&shop(), Extras::Keep).await.unwrap(), plan);
}

#[tokio::test]
async fn columns_and_indexes_are_added_to_tables_with_records() {
    let shop_ = fixture().await;
    shop_
        .write(vec![category(1, "lamps"), product(1, "lamp")])
        .await
        .unwrap();
    let mut wanted = shop();
    let products = table(&mut wanted, "products");
    for (name, ty, nullable, backfill) in [
        ("note", ColumnType::Text, true, None),
        ("stock", ColumnType::Int, false, Some(Value::Int(-3))),
        (
            "label",
            ColumnType::Text,
            false,
            Some(Value::text("it's \"new\"")),
        ),
        (
            "cost",
            ColumnType::Decimal { scale: 3 },
            false,
            Some(Value::Decimal(spec::Decimal::new(1500, 3))),
        ),
        ("weight", ColumnType::Float, false, Some(Value::Float(2.5))),
        ("sold", ColumnType::Bool, false, Some(Value::Bool(false))),
        ("since", ColumnType::Date, false, Some(Value::Date(0))),
        (
            "tags",
            ColumnType::Json,
            false,
            Some(Value::Json("[]".into())),
        ),
        (
            "home",
            ColumnType::Uuid,
            false,
            Some(Value::Uuid(Uuid::from_u128(1))),
        ),
    ] {
        products.columns.push(Column {
            backfill,
            ..column(name, ty, nullable)
        });
    }
    products.foreign_keys.push(ForeignKey {
        column: "home".to_owned(),
        to: TableName::new("catalog", "categories"),
    });
    products.indexes.push(TableIndex {
        name: "products_stock_idx".to_owned(),
        columns: vec!["stock".to_owned(), "id".to_owned()],
        unique: false,
    });
    let plan = shop_.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert_eq!((plan.steps.len(), plan.label()), (10, Some(Label::Slow)));
    let refused = shop_.store.apply(&wanted, Allow::SAFE).await.unwrap();
    assert!(matches!(refused, Applied::Refused(_)));
    let ran = shop_.store.apply(&wanted, Allow::SLOW).await.unwrap();
    assert!(matches!(ran, Applied::Ran(_)));
    let again = shop_.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert_eq!(again, crate::migrate::Plan::default());
    let read = select(
        "select note, stock, label, cost, weight, sold, since, tags from catalog__products",
        vec![],
        vec![
            field("note", ColumnType::Text),
            field("stock", ColumnType::Int),
            field("label", ColumnType::Text),
            field("cost", ColumnType::Decimal { scale: 3 }),
            field("weight", ColumnType::Float),
            field("sold", ColumnType::Bool),
            field("since", ColumnType::Date),
            field("tags", ColumnType::Json),
        ],
    );
    let rows = shop_.read(&read, 1).await.unwrap();
    assert_eq!(
        text(&rows),
        r#"{"note":null,"stock":-3,"label":"it's \"new\"","cost":"1.500","weight":2.5,"sold":false,"since":"1970-01-01","tags":[]}"#
    );
    // Keys are enforced again, the new one too.
    let gone = one("delete from catalog__categories", vec![]);
    assert!(shop_.write(vec![gone]).await.is_err());
}

#[tokio::test]
async fn a_reference_added_to_nothing_is_refused_whole() {
    let shop_ = fixture().await;
    shop_.write(vec![product(1, "lamp")]).await.unwrap();
    let mut wanted = shop();
    let products = table(&mut wanted, "products");
    products.columns.push(Column {
        backfill: Some(Value::Uuid(Uuid::from_u128(404))),
        ..column("home", ColumnType::Uuid, false)
    });
    products.foreign_keys.push(ForeignKey {
        column: "home".to_owned(),
        to: TableName::new("catalog", "categories"),
    });
    assert!(shop_.store.apply(&wanted, Allow::SLOW).await.is_err());
    let plan = shop_.store.migration(&shop(), Extras::Keep).await.unwrap();
    assert_eq!(plan, crate::migrate::Plan::default(), "nothing was left");
}

#[tokio::test]
async fn a_unique_index_over_duplicates_is_refused_with_a_reason() {
    let shop_ = fixture().await;
    shop_
        .write(vec![product(1, "same"), product(2, "same")])
        .await
        .unwrap();
    let mut wanted = shop();
    table(&mut wanted, "products").indexes.push(TableIndex {
        name: "products_name_key".to_owned(),
        columns: vec!["name".to_owned()],
        unique: true,
    });
    let refused = shop_.store.apply(&wanted, Allow::SLOW).await.unwrap();
    let Applied::Refused(plan) = refused else {
        panic!("{refused:?}")
    };
    let said: Vec<String> = plan.obstacles.iter().map(ToString::to_string).collect();
    assert_eq!(
        said,
        [
            "catalog.products (index products_name_key): 2 records of catalog.products have the same name; make them differ first"
        ]
    );
}

#[tokio::test]
async fn a_table_is_made_anew_where_sqlite_cannot_alter_it() {
    let shop_ = fixture().await;
    let lamps = shop_.write(vec![category(1, "lamps"), product(7, "lamp")]);
    lamps.await.unwrap();
    shop_
        .stranger()
        .execute_batch(
            "update catalog__products set category = x'00000000000000000000000000000001', price = 1999;
             create trigger watch after update on catalog__products begin select 1; end;
             create view cheap as select name from catalog__products where price < 500",
        )
        .unwrap();
    let mut wanted = shop();
    let products = table(&mut wanted, "products");
    products
        .columns
        .retain(|column| column.name != "rating" && column.name != "version");
    for column in &mut products.columns {
        match column.name.as_str() {
            "price" => column.ty = ColumnType::Decimal { scale: 3 },
            "name" => column.nullable = true,
            "category" => {
                column.nullable = false;
            }
            _ => {}
        }
    }
    products.indexes[0].columns = vec!["name".to_owned(), "id".to_owned()];
    let plan = shop_.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert_eq!(plan.blocking().count(), 0, "{plan:?}");
    assert_eq!(plan.label(), Some(Label::Slow));
    let mut noted: Vec<Part> = plan
        .differences
        .iter()
        .map(|one| one.part.clone())
        .collect();
    noted.sort_by_key(|part| format!("{part:?}"));
    let place = |name: &str| Part::Column(name.to_owned());
    assert_eq!(noted, [place("rating"), place("version")]);
    assert!(
        plan.differences
            .iter()
            .all(|one| one.kind == DifferenceKind::Extra && one.detail.contains("--drop")),
        "{plan:?}"
    );
    let ran = shop_.store.apply(&wanted, Allow::SLOW).await.unwrap();
    assert!(matches!(ran, Applied::Ran(_)), "{ran:?}");
    let again = shop_.store.migration(&wanted, Extras::Keep).await.unwrap();
    assert!(again.steps.is_empty() && again.is_settled(), "{again:?}");
    let stranger = shop_.stranger();
    let count = |sql: &str| {
        stranger
            .query_row(sql, [], |row| row.get::<_, i64>(0))
            .unwrap()
    };
    assert_eq!(
        count("select price from catalog__products where id = 7"),
        19_990
    );
    // What nobody declares any more is kept, and no new record has to have it.
    assert_eq!(
        count("select version from catalog__products where id = 7"),
        1
    );
    assert_eq!(
        count(
            "select count(*) from pragma_table_xinfo('catalog__products') where name = 'version' and \"notnull\""
        ),
        0
    );
    // So are triggers, views, references, and the numbers that were given out.
    assert_eq!(
        count("select count(*) from sqlite_schema where type in ('trigger', 'view')"),
        2
    );
    assert_eq!(
        count("select count(*) from pragma_foreign_key_list('catalog__products')"),
        1
    );
    assert_eq!(
        count("select seq from sqlite_sequence where name = 'catalog__products'"),
        7
    );
    let gone = one("delete from catalog__categories", vec![]);
    assert!(
        shop_.write(vec![gone]).await.is_err(),
        "keys are enforced again"
    );

    let dropped = shop_.store.apply(&wanted, Allow::EVERYTHING).await.unwrap();
    assert!(
        matches!(&dropped, Applied::Ran(plan) if plan.steps.len() == 2),
        "{dropped:?}"
    );
    let nothing = shop_.store.migration(&wanted, Extras::Drop).await.unwrap();
    assert!(nothing.is_empty(), "{nothing:?}");
}

#[tokio::test]
async fn a_column_that_refers_is_dropped_with_its_index() {
    let shop_ = fixture().await;
    shop_
        .write(vec![category(1, "lamps"), product(1, "lamp")])
        .await
        .unwrap();
    let mut wanted = shop();
    let products = table(&mut wanted, "products");
    products.columns.retain(|column| column.name != "category");
    products.foreign_keys.clear();
    products.indexes.clear();
    let ran = shop_.store.apply(&wanted, Allow::EVERYTHING).await.unwrap();
    assert!(matches!(ran, Applied::Ran(_)), "{ran:?}");
    let nothing = shop_.store.migration(&wanted, Extras::Drop).await.unwrap();
    assert!(nothing.is_empty(), "{nothing:?}");
    shop_
        .write(vec![step("delete from catalog__categories", vec![])])
        .await
        .unwrap();
}

#[tokio::test]
async fn a_database_of_a_newer_version_is_left_alone() {
    let shop_ = fixture().await;
    shop_
        .stranger()
        .execute_batch("update _mainstay_format set version = 99")
        .unwrap();
    let looked = shop_
        .store
        .migration(&shop(), Extras::Keep)
        .await
        .unwrap_err();
    let applied = shop_
        .store
        .apply(&shop(), Allow::EVERYTHING)
        .await
        .unwrap_err();
    for said in [looked.to_string(), applied.to_string()] {
        assert!(
            said.contains("newer Mainstay") && said.contains("99"),
            "{said}"
        );
    }
}

#[tokio::test]
async fn bookkeeping_of_the_first_format_is_brought_up_to_date() {
    let shop_ = fixture().await;
    shop_
        .stranger()
        .execute_batch(
            "drop table _mainstay_format; drop table _mainstay_data_steps;
             alter table _mainstay_migrations drop column took; alter table _mainstay_schema drop column domain",
        )
        .unwrap();
    assert_eq!(shop_.store.migrations().await.unwrap()[0].took, None);
    let plan = shop_.store.migration(&shop(), Extras::Keep).await.unwrap();
    assert!(plan.is_empty(), "{plan:?}");
    let applied = shop_.store.apply(&shop(), Allow::SAFE).await.unwrap();
    assert!(matches!(applied, Applied::Nothing(_)));
    let mut more = shop();
    table(&mut more, "products")
        .columns
        .push(column("note", ColumnType::Text, true));
    shop_.store.apply(&more, Allow::SAFE).await.unwrap();
    assert!(shop_.store.migrations().await.unwrap()[1].took.is_some());
}

#[tokio::test]
async fn a_model_that_is_open_no_more_is_named_as_the_cause() {
    let shop_ = fixture().await;
    let mut open = shop();
    table(&mut open, "categories").columns.push(Column {
        backfill: Some(Value::Json("{}".into())),
        ..column("_extra", ColumnType::Json, false)
    });
    shop_.store.apply(&open, Allow::EVERYTHING).await.unwrap();
    let plan = shop_.store.migration(&shop(), Extras::Keep).await.unwrap();
    let said: Vec<String> = plan.differences.iter().map(ToString::to_string).collect();
    assert_eq!(said.len(), 1, "{said:?}");
    assert!(said[0].contains("the model was open"), "{said:?}");
    assert!(said[0].contains("open = true"), "{said:?}");
}

#[tokio::test]
async fn tables_of_others_are_none_of_ours() {
    let shop_ = fixture().await;
    shop_
        .stranger()
        .execute_batch("create table theirs (id integer); create table _x (id integer)")
        .unwrap();
    let plan = shop_.store.migration(&shop(), Extras::Keep).await.unwrap();
    assert_eq!(plan, crate::migrate::Plan::default());
}

#[tokio::test]
async fn assigned_keys_are_never_given_out_twice() {
    let shop_ = fixture().await;
    let insert = || {
        let mut insert = one(
            "insert into catalog__products (name, price, active, created_at, version) values ('a', 1, 1, 1, 1) returning id",
            vec![],
        );
        insert.statement.shape = Arc::new(Shape {
            columns: vec![Output::Captured {
                ty: ColumnType::Int,
            }],
            capture: Capture::Every,
        });
        insert
    };
    let first = shop_.write(vec![insert()]).await.unwrap();
    assert_eq!(first, Written::Done(vec![vec![Value::Int(1)]]));
    shop_
        .write(vec![step("delete from catalog__products", vec![])])
        .await
        .unwrap();
    let second = shop_.write(vec![insert()]).await.unwrap();
    assert_eq!(second, Written::Done(vec![vec![Value::Int(2)]]));
}
