//! SQLite's spelling of a plan.
//!
//! Tables are `STRICT` and keep their rowid: with random keys a `WITHOUT ROWID` table would carry the whole
//! record through every index page. A column that was added with a value for existing rows keeps that value as
//! its `DEFAULT` (SQLite has no way to drop it); defaults are ignored when comparing, and nothing relies on them.

use super::{ByHand, Ddl};
use spec::schema::{Column, ForeignKey, Table, TableIndex, TableName};
use spec::{ColumnType, Dialect, Value};
use std::fmt::Write;

pub struct SqliteDdl;

/// The declared type of a column in a `STRICT` table.
pub fn physical(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Text | ColumnType::Date | ColumnType::Json => "TEXT",
        ColumnType::Int | ColumnType::Decimal { .. } | ColumnType::Bool | ColumnType::Timestamp => {
            "INTEGER"
        }
        ColumnType::Float => "REAL",
        ColumnType::Uuid => "BLOB",
    }
}

/// Index names share one space with everything else in the file, so they carry their namespace.
pub fn index_name(table: &TableName, index: &str) -> String {
    TableName::new(&table.namespace, index).flat()
}

impl Ddl for SqliteDdl {
    /// SQLite changes a column only by making its table anew.
    fn by_hand(&self, _table: &Table, _change: ByHand<'_>) -> Vec<String> {
        Vec::new()
    }

    fn physical(&self, _table: &Table, column: &Column) -> String {
        physical(column.ty).to_owned()
    }

    fn create_namespace(&self, _namespace: &str) -> Vec<String> {
        Vec::new()
    }

    fn create_table(&self, table: &Table) -> Vec<String> {
        let mut lines: Vec<String> = Vec::with_capacity(table.columns.len() + 1);
        let inline_key = table.key.len() == 1;
        for column in &table.columns {
            let mut line = declaration(table, column);
            if inline_key && table.key.contains(&column.name) {
                line.push_str(" PRIMARY KEY");
                // A number is never used twice, as on PostgreSQL: whoever kept one (a reader of the log, a
                // reference from another module) would take the new record for the old.
                if table.assigned_key {
                    line.push_str(" AUTOINCREMENT");
                }
            }
            lines.push(line);
        }
        if !inline_key {
            lines.push(format!("PRIMARY KEY ({})", names(&table.key)));
        }
        vec![format!(
            "CREATE TABLE {} (\n  {}\n) STRICT",
            table.name.sql(Dialect::Sqlite),
            lines.join(",\n  ")
        )]
    }

    fn inline_foreign_keys(&self) -> bool {
        true
    }

    fn add_foreign_key(&self, _table: &Table, _key: &ForeignKey) -> Vec<String> {
        Vec::new()
    }

    fn add_column(&self, table: &Table, column: &Column, _empty: bool) -> Vec<String> {
        let mut line = declaration(table, column);
        if let Some(value) = &column.backfill {
            let _ = write!(line, " DEFAULT {}", literal(value));
        }
        vec![format!(
            "ALTER TABLE {} ADD COLUMN {line}",
            table.name.sql(Dialect::Sqlite)
        )]
    }

    fn create_index(&self, table: &TableName, index: &TableIndex) -> Vec<String> {
        vec![format!(
            "CREATE {}INDEX {} ON {} ({})",
            if index.unique { "UNIQUE " } else { "" },
            quoted(&index_name(table, &index.name)),
            table.sql(Dialect::Sqlite),
            names(&index.columns)
        )]
    }
}

/// `"category" BLOB NOT NULL REFERENCES "catalog__categories" ("id") ON DELETE RESTRICT`.
fn declaration(table: &Table, column: &Column) -> String {
    let mut line = format!("{} {}", quoted(&column.name), physical(column.ty));
    let rowid = table.key.len() == 1
        && table.key.contains(&column.name)
        && physical(column.ty) == "INTEGER";
    // `INTEGER PRIMARY KEY` is the rowid and never null; `NOT NULL` on it would refuse "assign one".
    if !column.nullable && !rowid {
        line.push_str(" NOT NULL");
    }
    if let Some(key) = table
        .foreign_keys
        .iter()
        .find(|key| key.column == column.name)
    {
        let _ = write!(
            line,
            " REFERENCES {} (\"id\") ON DELETE RESTRICT",
            key.to.sql(Dialect::Sqlite)
        );
    }
    line
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn names(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}

/// A constant in DDL, which takes no parameters.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(v) => i64::from(*v).to_string(),
        Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => v.to_string(),
        // Always with a point or exponent, so that it stays REAL.
        Value::Float(v) => format!("{v:?}"),
        Value::Decimal(v) => v.units.to_string(),
        Value::Text(text) | Value::Json(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Uuid(id) => format!("x'{}'", id.simple()),
        Value::Date(days) => format!("'{}'", spec::time::date_text(*days)),
        Value::List(items) => {
            let mut out = Vec::new();
            crate::sqlite::encode::write_list(&mut out, items);
            format!("'{}'", String::from_utf8_lossy(&out).replace('\'', "''"))
        }
    }
}
