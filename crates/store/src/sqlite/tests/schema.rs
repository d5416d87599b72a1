use super::*;
use crate::migrate::{DifferenceKind, Label, Part};

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
    let plan = shop_.store.migration(&shop()).await.unwrap();
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
    let plan = store.migration(&shop()).await.unwrap();
    assert_eq!(plan.steps.len(), 3);
    assert_eq!(plan.label(), Some(Label::Safe));
    assert_eq!(store.migration(&shop()).await.unwrap(), plan);
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
    let plan = shop_.store.migration(&wanted).await.unwrap();
    assert_eq!((plan.steps.len(), plan.label()), (10, Some(Label::Slow)));
    let refused = shop_.store.apply(&wanted, Allow::SAFE).await.unwrap();
    assert!(matches!(refused, Applied::Refused(_)));
    let ran = shop_.store.apply(&wanted, Allow::SLOW).await.unwrap();
    assert!(matches!(ran, Applied::Ran(_)));
    let again = shop_.store.migration(&wanted).await.unwrap();
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
    let plan = shop_.store.migration(&shop()).await.unwrap();
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
    let failed = shop_.store.apply(&wanted, Allow::SLOW).await.unwrap_err();
    let said = failed.to_string();
    assert!(
        said.contains("products_name_key") && said.contains("have the same name"),
        "{said}"
    );
}

#[tokio::test]
async fn what_cannot_be_migrated_is_named_and_left_alone() {
    let shop_ = fixture().await;
    shop_.write(vec![product(1, "lamp")]).await.unwrap();
    let mut wanted = shop();
    wanted
        .tables
        .retain(|table| table.name.name != "categories");
    let products = table(&mut wanted, "products");
    products.foreign_keys.clear();
    products.indexes[0].columns = vec!["name".to_owned(), "id".to_owned()];
    products
        .columns
        .retain(|column| column.name != "rating" && column.name != "version");
    for column in &mut products.columns {
        match column.name.as_str() {
            "price" => column.ty = ColumnType::Decimal { scale: 3 },
            "name" => column.nullable = true,
            "attributes" => column.ty = ColumnType::Int,
            _ => {}
        }
    }
    products
        .columns
        .push(column("required", ColumnType::Text, false));
    let plan = shop_.store.migration(&wanted).await.unwrap();
    let mut seen: Vec<(Part, DifferenceKind, bool)> = plan
        .differences
        .iter()
        .map(|one| (one.part.clone(), one.kind, one.blocking))
        .collect();
    let place = |name: &str| Part::Column(name.to_owned());
    let expected = [
        (place("name"), DifferenceKind::Mistyped, true),
        (place("price"), DifferenceKind::Mistyped, true),
        (place("attributes"), DifferenceKind::Mistyped, true),
        (place("required"), DifferenceKind::Missing, true),
        (place("rating"), DifferenceKind::Extra, false),
        (place("version"), DifferenceKind::Extra, true),
        (
            Part::Index("products_category_idx".to_owned()),
            DifferenceKind::Mistyped,
            false,
        ),
        (
            Part::ForeignKey("category".to_owned()),
            DifferenceKind::Extra,
            true,
        ),
        (Part::Table, DifferenceKind::Extra, false),
    ];
    for one in &expected {
        let at = seen.iter().position(|found| found == one);
        seen.remove(at.unwrap_or_else(|| panic!("{one:?} is not in {seen:?}")));
    }
    assert_eq!(seen, [], "and nothing else");
    for one in plan
        .blocking()
        .filter(|one| one.kind != DifferenceKind::Missing && matches!(one.part, Part::Column(_)))
    {
        assert!(one.detail.contains("remove the folder .mainstay"), "{one}");
    }
    assert_eq!(plan.steps, []);
    let applied = shop_.store.apply(&wanted, Allow::EVERYTHING).await.unwrap();
    assert_eq!(applied, Applied::Refused(plan));
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
    let plan = shop_.store.migration(&shop()).await.unwrap();
    let said: Vec<String> = plan.blocking().map(ToString::to_string).collect();
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
    let plan = shop_.store.migration(&shop()).await.unwrap();
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
