//! What the tests of both stores say alike.

mod transactions;

use spec::Value;
use spec::schema::{Column, ForeignKey, Schema, Table, TableIndex, TableName, change_log};
use spec::statement::{Capture, Key, Lane, Output, Shape, Statement};
use spec::types::ColumnType;
use std::sync::Arc;
use std::time::{Duration, Instant};

pub fn soon() -> Instant {
    Instant::now() + Duration::from_secs(10)
}

pub fn column(name: &str, ty: ColumnType, nullable: bool) -> Column {
    Column::new(name, ty, nullable)
}

/// A shop: products of these columns and with this index, in categories.
pub fn shop(columns: Vec<Column>, index: (&str, &[&str])) -> Schema {
    let categories = Table {
        name: TableName::new("catalog", "categories"),
        columns: vec![
            column("id", ColumnType::Uuid, false),
            column("name", ColumnType::Text, false),
        ],
        key: vec!["id".to_owned()],
        assigned_key: false,
        indexes: vec![TableIndex {
            name: "categories_name_key".to_owned(),
            columns: vec!["name".to_owned()],
            unique: true,
        }],
        foreign_keys: vec![],
        renamed_from: None,
        search: Vec::new(),
    };
    let products = Table {
        name: TableName::new("catalog", "products"),
        columns,
        key: vec!["id".to_owned()],
        assigned_key: true,
        indexes: vec![TableIndex {
            name: index.0.to_owned(),
            columns: index.1.iter().map(|&name| name.to_owned()).collect(),
            unique: false,
        }],
        foreign_keys: vec![ForeignKey {
            column: "category".to_owned(),
            to: TableName::new("catalog", "categories"),
        }],
        renamed_from: None,
        search: Vec::new(),
    };
    Schema {
        // The one that refers comes first: tables may be made in any order.
        tables: vec![products, categories, change_log()],
        ..Schema::default()
    }
}

pub fn key(name: &str) -> Key {
    Key::new(name)
}

pub fn field(name: &str, ty: ColumnType) -> Output {
    Output::Field { key: key(name), ty }
}

pub fn captured(ty: ColumnType) -> Output {
    Output::Captured { ty }
}

pub fn select(text: &str, params: Vec<Value>, columns: Vec<Output>) -> Statement {
    Statement {
        text: text.to_owned(),
        params,
        shape: Arc::new(Shape {
            columns,
            capture: Capture::Every,
        }),
        lane: Lane::Bounded,
    }
}

/// The only value of a count.
pub fn counted(values: &[Value]) -> i64 {
    match values {
        [Value::Int(count)] => *count,
        other => panic!("{other:?}"),
    }
}
