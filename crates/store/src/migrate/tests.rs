//! Planning alone, without a database: what is found is made up from a schema.

use super::postgres::PostgresDdl;
use super::sqlite::SqliteDdl;
use super::*;
use spec::schema::change_log;
use std::time::Instant;

/// What a database looks like that was brought to a schema.
fn made(schema: &Schema, ddl: &dyn Ddl, size: Size) -> Introspected {
    let table = |table: &Table| FoundTable {
        name: table.name.clone(),
        columns: table
            .columns
            .iter()
            .map(|column| FoundColumn {
                name: column.name.clone(),
                physical: ddl.physical(table, column),
                recorded: Some(column.ty),
                domain: Some(column.domain.clone()),
                nullable: column.nullable,
                default: false,
                checked: false,
            })
            .collect(),
        key: table.key.clone(),
        indexes: table
            .indexes
            .iter()
            .map(|index| FoundIndex {
                name: index.name.clone(),
                columns: index.columns.clone(),
                unique: index.unique,
                valid: true,
                special: false,
                constraint: false,
                quoted: index.name.clone(),
                made: None,
            })
            .collect(),
        foreign_keys: table
            .foreign_keys
            .iter()
            .map(|key| FoundKey {
                key: key.clone(),
                constraint: format!("{}_fkey", key.column),
                valid: true,
            })
            .collect(),
        size,
        triggers: Vec::new(),
    };
    Introspected {
        searches: Vec::new(),
        namespaces: vec!["shop".to_owned(), spec::schema::OWN.to_owned()],
        tables: schema.tables.iter().map(table).collect(),
        ..Introspected::default()
    }
}

fn table(name: &str, columns: Vec<Column>) -> Table {
    let mut all = vec![Column::new("id", ColumnType::Uuid, false)];
    all.extend(columns);
    Table {
        name: TableName::new("shop", name),
        columns: all,
        key: vec!["id".to_owned()],
        assigned_key: false,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        renamed_from: None,
        search: Vec::new(),
    }
}

fn schema(tables: Vec<Table>) -> Schema {
    let mut tables = tables;
    tables.push(change_log());
    Schema {
        tables,
        ..Schema::default()
    }
}

fn tags() -> Schema {
    schema(vec![table(
        "tags",
        vec![
            Column::new("name", ColumnType::Text, false),
            Column::new("price", ColumnType::Decimal { scale: 2 }, true),
        ],
    )])
}

fn summaries(plan: &Plan) -> Vec<String> {
    plan.steps
        .iter()
        .map(|step| format!("{} {}", step.label.name(), step.summary))
        .collect()
}

#[test]
fn a_rename_is_a_rename_once() {
    let mut wanted = tags();
    wanted.tables[0].name.name = "labels".to_owned();
    wanted.tables[0].renamed_from = Some("tags".to_owned());
    wanted.tables[0].columns[1].name = "title".to_owned();
    wanted.tables[0].columns[1].renamed_from = Some("name".to_owned());
    for ddl in [&SqliteDdl as &dyn Ddl, &PostgresDdl] {
        let before = made(&tags(), ddl, Size::Small);
        let renamed = plan(&before, &wanted, ddl, Extras::Drop);
        assert_eq!(
            summaries(&renamed),
            [
                "safe rename table shop.tags to labels",
                "safe rename column shop.labels.name to title"
            ]
        );
        assert!(renamed.differences.is_empty(), "{renamed:?}");
        // Where only the new name is there, it is done; where both are, nobody guesses.
        let after = made(&wanted, ddl, Size::Small);
        assert!(plan(&after, &wanted, ddl, Extras::Drop).is_empty());
        let mut both = after.clone();
        both.tables.extend(before.tables.clone());
        let refused = plan(&both, &wanted, ddl, Extras::Keep);
        assert!(refused.steps.is_empty(), "{refused:?}");
        let said: Vec<String> = refused.blocking().map(ToString::to_string).collect();
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].contains("both there"), "{said:?}");
    }
}

#[test]
fn what_no_model_has_goes_only_where_that_is_asked_for() {
    let mut wanted = tags();
    wanted.tables[0].columns.truncate(2);
    let mut before = tags();
    before.tables.push(table("old", Vec::new()));
    for ddl in [&SqliteDdl as &dyn Ddl, &PostgresDdl] {
        let found = made(&before, ddl, Size::Small);
        let kept = plan(&found, &wanted, ddl, Extras::Keep);
        assert!(kept.steps.is_empty() && kept.is_settled(), "{kept:?}");
        assert_eq!(kept.differences.len(), 2, "{kept:?}");
        let dropped = plan(&found, &wanted, ddl, Extras::Drop);
        assert_eq!(
            summaries(&dropped),
            [
                "destructive drop column shop.tags.price",
                "destructive drop table shop.old"
            ]
        );
        assert!(!Allow::SLOW.covers(&dropped) && Allow::EVERYTHING.covers(&dropped));
        // An app runs on a database that has more than it needs.
        assert!(dropped.is_settled());
    }
    // A column that new records would have to fill is let be null.
    let mut before = tags();
    before.tables[0]
        .columns
        .push(Column::new("need", ColumnType::Int, false));
    let found = made(&before, &PostgresDdl, Size::Large);
    let relaxed = plan(&found, &tags(), &PostgresDdl, Extras::Keep);
    assert_eq!(
        summaries(&relaxed),
        ["safe let column shop.tags.need, which no field has, be null"]
    );
    assert!(!relaxed.is_settled());
}

#[test]
fn a_large_table_takes_the_online_path() {
    let mut wanted = tags();
    let tags_ = &mut wanted.tables[0];
    tags_.columns[2].nullable = false;
    tags_.columns[2].backfill = Some(spec::Value::Int(0));
    tags_
        .columns
        .push(Column::new("parent", ColumnType::Uuid, true));
    tags_.foreign_keys.push(ForeignKey {
        column: "parent".to_owned(),
        to: TableName::new("shop", "tags"),
    });
    tags_.indexes.push(TableIndex {
        name: "tags_name_key".to_owned(),
        columns: vec!["name".to_owned()],
        unique: true,
    });
    let found = made(&tags(), &PostgresDdl, Size::Large);
    let online = plan(&found, &wanted, &PostgresDdl, Extras::Keep);
    let sql: Vec<&str> = online
        .steps
        .iter()
        .flat_map(|step| step.sql.iter().map(String::as_str))
        .collect();
    let at = |text: &str| {
        let found = sql.iter().position(|sql| sql.contains(text));
        found.unwrap_or_else(|| panic!("{text}: {sql:#?}"))
    };
    assert!(
        at("CHECK (\"price\" IS NOT NULL) NOT VALID")
            < at("VALIDATE CONSTRAINT \"mainstay_required_price\"")
    );
    assert!(at("VALIDATE CONSTRAINT \"mainstay_required_price\"") < at("SET NOT NULL"));
    assert!(at("SET NOT NULL") < at("DROP CONSTRAINT \"mainstay_required_price\""));
    assert!(at("ON DELETE RESTRICT NOT VALID") < at("VALIDATE CONSTRAINT \"tags_parent_fkey\""));
    let index = &online
        .steps
        .iter()
        .find(|step| step.summary.contains("tags_name_key"));
    let index = index.expect("a step");
    assert!(
        index.sql[0].contains("UNIQUE INDEX CONCURRENTLY"),
        "{index:?}"
    );
    assert!(matches!(&index.run, Run::Alone { undo } if undo.len() == 1));
    // Where it stopped in between, it goes on from there.
    let mut half = made(&wanted, &PostgresDdl, Size::Large);
    let table = &mut half.tables[0];
    table.columns[2].nullable = true;
    table.columns[2].checked = true;
    table.foreign_keys[0].valid = false;
    table.indexes[0].valid = false;
    let rest = plan(&half, &wanted, &PostgresDdl, Extras::Keep);
    let sql: Vec<&String> = rest.steps.iter().flat_map(|step| &step.sql).collect();
    assert!(sql[0].starts_with("DROP INDEX"), "{sql:#?}");
    assert!(!sql.iter().any(|sql| sql.contains("NOT VALID")), "{sql:#?}");
    assert_eq!(sql.iter().filter(|sql| sql.contains("VALIDATE")).count(), 2);
    assert!(sql.iter().any(|sql| sql.contains("CONCURRENTLY")));
}

#[test]
fn what_cannot_be_converted_says_how_else() {
    let mut wanted = tags();
    wanted.tables[0].columns[1].ty = ColumnType::Int;
    for ddl in [&SqliteDdl as &dyn Ddl, &PostgresDdl] {
        let found = made(&tags(), ddl, Size::Small);
        let refused = plan(&found, &wanted, ddl, Extras::Drop);
        assert!(refused.steps.is_empty(), "{refused:?}");
        let said: Vec<String> = refused.blocking().map(ToString::to_string).collect();
        assert!(said[0].contains("data step"), "{said:?}");
        assert!(!Allow::EVERYTHING.covers(&refused));
    }
}

/// Two hundred models of twenty fields, with what changes in a release of each kind.
#[test]
fn planning_two_hundred_models_takes_no_time() {
    let of = |at: usize| {
        let fields = (0..20)
            .map(|n| Column::new(&format!("field_{n}"), ColumnType::Text, n % 2 == 0))
            .collect();
        let mut one = table(&format!("models_{at}"), fields);
        one.foreign_keys.push(ForeignKey {
            column: "field_0".to_owned(),
            to: TableName::new("shop", &format!("models_{}", at / 2)),
        });
        for n in 0..4 {
            one.indexes.push(TableIndex {
                name: format!("models_{at}_field_{n}_idx"),
                columns: vec![format!("field_{n}"), "id".to_owned()],
                unique: false,
            });
        }
        one
    };
    let before = schema((0..200).map(of).collect());
    let mut after = before.clone();
    for (at, one) in after.tables.iter_mut().enumerate().take(200) {
        match at % 4 {
            0 => one.columns[3].nullable = !one.columns[3].nullable,
            1 => {
                one.columns.pop();
            }
            2 => one.columns[5].renamed_from = Some("field_x".to_owned()),
            _ => one.indexes.truncate(2),
        }
    }
    for (name, ddl) in [
        ("sqlite", &SqliteDdl as &dyn Ddl),
        ("postgres", &PostgresDdl),
    ] {
        let found = made(&before, ddl, Size::Small);
        let began = Instant::now();
        let same = plan(&found, &before, ddl, Extras::Drop);
        let none = began.elapsed();
        assert!(same.is_empty());
        let began = Instant::now();
        let changed = plan(&found, &after, ddl, Extras::Drop);
        let took = began.elapsed();
        println!(
            "planning 200 models on {name}: {none:?} for no change, {took:?} for {} steps",
            changed.steps.len()
        );
        // 100 ms is what a release build is held to; this one is not optimised, and shares its machine.
        assert!(took < Duration::from_secs(2), "{took:?}");
    }
}
