//! Which tables there are.

use crate::migrate::record::parse_type;
use crate::migrate::{BOOKKEEPING, FoundColumn, FoundIndex, FoundTable, Introspected};
use rusqlite::Connection;
use spec::ColumnType;
use spec::schema::{ForeignKey, OWN, TableName};
use std::collections::{BTreeSet, HashMap};

/// What [`TableName::flat`] made; `None` for a table that is not ours.
pub fn table_name(flat: &str) -> Option<TableName> {
    if let Some(own) = flat.strip_prefix('_') {
        let name = own.strip_prefix(OWN)?.strip_prefix('_')?;
        return Some(TableName::own(name));
    }
    let (namespace, name) = flat.split_once("__")?;
    Some(TableName::new(namespace, name))
}

pub fn introspect(conn: &Connection) -> rusqlite::Result<Introspected> {
    let recorded = recorded(conn)?;
    let mut tables = Vec::new();
    for flat in strings(
        conn,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
        None,
    )? {
        let Some(name) = table_name(&flat) else {
            continue;
        };
        if name.namespace == OWN && BOOKKEEPING.contains(&name.name.as_str()) {
            continue;
        }
        tables.push(table(conn, &flat, name, &recorded)?);
    }
    let namespaces: BTreeSet<&str> = tables
        .iter()
        .map(|table| table.name.namespace.as_str())
        .collect();
    Ok(Introspected {
        namespaces: namespaces.into_iter().map(str::to_owned).collect(),
        tables,
    })
}

type Recorded = HashMap<(String, String), ColumnType>;

/// The types that columns were made as. Empty before the first migration.
fn recorded(conn: &Connection) -> rusqlite::Result<Recorded> {
    if !has_bookkeeping(conn)? {
        return Ok(Recorded::new());
    }
    let mut statement =
        conn.prepare("SELECT table_name, column_name, type FROM _mainstay_schema")?;
    let mut rows = statement.query([])?;
    let mut types = Recorded::new();
    while let Some(row) = rows.next()? {
        if let Some(ty) = parse_type(&row.get::<_, String>(2)?) {
            types.insert((row.get(0)?, row.get(1)?), ty);
        }
    }
    Ok(types)
}

pub fn has_bookkeeping(conn: &Connection) -> rusqlite::Result<bool> {
    conn.prepare(
        "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = '_mainstay_migrations'",
    )?
    .exists([])
}

fn table(
    conn: &Connection,
    flat: &str,
    name: TableName,
    recorded: &Recorded,
) -> rusqlite::Result<FoundTable> {
    let mut columns = Vec::new();
    let mut key: Vec<(i64, String)> = Vec::new();
    let mut statement =
        conn.prepare("SELECT name, type, \"notnull\", pk FROM pragma_table_xinfo(?1)")?;
    let mut rows = statement.query([flat])?;
    while let Some(row) = rows.next()? {
        let column: String = row.get(0)?;
        let place: i64 = row.get(3)?;
        if place > 0 {
            key.push((place, column.clone()));
        }
        columns.push(FoundColumn {
            recorded: recorded.get(&(flat.to_owned(), column.clone())).copied(),
            name: column,
            physical: row.get(1)?,
            nullable: row.get::<_, i64>(2)? == 0 && place == 0,
        });
    }
    key.sort();
    let quoted = name.sql(spec::Dialect::Sqlite);
    Ok(FoundTable {
        columns,
        key: key.into_iter().map(|(_, column)| column).collect(),
        indexes: indexes(conn, flat, &name)?,
        foreign_keys: foreign_keys(conn, flat)?,
        empty: !conn
            .prepare(&format!("SELECT 1 FROM {quoted} LIMIT 1"))?
            .exists([])?,
        name,
    })
}

/// Those made by `CREATE INDEX`; the key's own is none of them.
fn indexes(conn: &Connection, flat: &str, table: &TableName) -> rusqlite::Result<Vec<FoundIndex>> {
    let mut statement = conn.prepare(
        "SELECT name, \"unique\" FROM pragma_index_list(?1) WHERE origin = 'c' ORDER BY name",
    )?;
    let mut rows = statement.query([flat])?;
    let mut indexes = Vec::new();
    while let Some(row) = rows.next()? {
        let full: String = row.get(0)?;
        let columns = strings(
            conn,
            // An expression has no name.
            "SELECT coalesce(name, '(expression)') FROM pragma_index_info(?1) ORDER BY seqno",
            Some(&full),
        )?;
        let name = match table_name(&full) {
            Some(name) if name.namespace == table.namespace => name.name,
            _ => full,
        };
        indexes.push(FoundIndex {
            name,
            columns,
            unique: row.get(1)?,
        });
    }
    Ok(indexes)
}

fn foreign_keys(conn: &Connection, flat: &str) -> rusqlite::Result<Vec<ForeignKey>> {
    let mut statement = conn
        .prepare("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC")?;
    let mut rows = statement.query([flat])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let to: String = row.get(1)?;
        keys.push(ForeignKey {
            column: row.get(0)?,
            to: table_name(&to).unwrap_or_else(|| TableName::new("", &to)),
        });
    }
    Ok(keys)
}

fn strings(conn: &Connection, sql: &str, of: Option<&str>) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(of), |row| row.get(0))?;
    rows.collect()
}
