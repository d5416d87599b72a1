//! Which tables there are.

use crate::migrate::record::parse_type;
use crate::migrate::search::sqlite::{TRIGGERS, found, trigger_name};
use crate::migrate::{
    BOOKKEEPING, FoundColumn, FoundIndex, FoundKey, FoundSearch, FoundTable, Introspected, Size,
};
use rusqlite::Connection;
use spec::existing::catalogue::Catalogue;
use spec::schema::{ForeignKey, OWN, TableName, field_of_words};
use spec::{ColumnType, Domain};
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
    let format = format(conn)?;
    let recorded = recorded(conn, format)?;
    let (mut tables, mut searches) = (Vec::new(), Vec::new());
    for flat in strings(
        conn,
        "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name",
        None,
    )? {
        let Some(name) = table_name(&flat) else {
            continue;
        };
        // What keeps the words of a table: no model is called so.
        if name.namespace != OWN && name.name.starts_with('_') {
            if let Some(search) = search(conn, &name)? {
                searches.push(search);
            }
            continue;
        }
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
        existing: Catalogue::default(),
        namespaces: namespaces.into_iter().map(str::to_owned).collect(),
        tables,
        searches,
        data_steps: data_steps(conn, format)?,
    })
}

/// The index of words that a table of numbers belongs to.
fn search(conn: &Connection, name: &TableName) -> rusqlite::Result<Option<FoundSearch>> {
    let table = name.name.strip_prefix('_');
    let Some(table) = table.and_then(|name| name.strip_suffix("_search")) else {
        return Ok(None);
    };
    let table = TableName::new(&name.namespace, table);
    let made = |kind: &str, name: &str| {
        conn.query_row(
            "SELECT coalesce(max(sql), '') FROM sqlite_schema WHERE type = ?1 AND name = ?2",
            [kind, name],
            |row| row.get::<_, String>(0),
        )
    };
    let mut sql = vec![
        made("table", &name.flat())?,
        made("table", &table.words().flat())?,
    ];
    let mut triggers = Vec::new();
    for what in TRIGGERS {
        triggers.push(made("trigger", &trigger_name(&table, what))?);
    }
    sql.extend(triggers.iter().cloned());
    let columns = strings(
        conn,
        "SELECT name FROM pragma_table_info(?1) ORDER BY cid",
        Some(&table.words().flat()),
    )?;
    let fields = columns.iter().filter_map(|one| field_of_words(one));
    Ok(Some(FoundSearch {
        made: found(&sql),
        fields: fields.map(str::to_owned).collect(),
        table,
        triggers,
    }))
}

type Recorded = HashMap<(String, String), (Option<ColumnType>, Option<Domain>)>;

/// What columns were made as. Empty before the first migration.
fn recorded(conn: &Connection, format: i64) -> rusqlite::Result<Recorded> {
    let mut known = Recorded::new();
    if format == 0 {
        return Ok(known);
    }
    let domain = if format == 1 { "NULL" } else { "domain" };
    let mut statement = conn.prepare(&format!(
        "SELECT table_name, column_name, type, {domain} FROM _mainstay_schema"
    ))?;
    let mut rows = statement.query([])?;
    while let Some(row) = rows.next()? {
        let domain: Option<String> = row.get(3)?;
        let what = (
            parse_type(&row.get::<_, String>(2)?),
            domain.as_deref().and_then(Domain::parse),
        );
        known.insert((row.get(0)?, row.get(1)?), what);
    }
    Ok(known)
}

fn data_steps(conn: &Connection, format: i64) -> rusqlite::Result<Vec<(String, String)>> {
    if format < 2 {
        return Ok(Vec::new());
    }
    let mut statement =
        conn.prepare("SELECT name, text FROM _mainstay_data_steps ORDER BY name")?;
    let rows = statement.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    rows.collect()
}

/// How the bookkeeping is kept, [`crate::migrate::FORMAT`] or an older one; 0 where there is none.
pub fn format(conn: &Connection) -> rusqlite::Result<i64> {
    let has = |name: &str| {
        conn.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?
            .exists([name])
    };
    if has("_mainstay_format")? {
        return conn.query_row("SELECT version FROM _mainstay_format", [], |row| row.get(0));
    }
    Ok(i64::from(has("_mainstay_migrations")?))
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
        conn.prepare("SELECT name, type, \"notnull\", pk, dflt_value FROM pragma_table_xinfo(?1)")?;
    let mut rows = statement.query([flat])?;
    while let Some(row) = rows.next()? {
        let column: String = row.get(0)?;
        let place: i64 = row.get(3)?;
        if place > 0 {
            key.push((place, column.clone()));
        }
        let (recorded, domain) = recorded
            .get(&(flat.to_owned(), column.clone()))
            .cloned()
            .unwrap_or_default();
        columns.push(FoundColumn {
            recorded,
            domain,
            name: column,
            physical: row.get(1)?,
            nullable: row.get::<_, i64>(2)? == 0 && place == 0,
            default: row.get::<_, Option<String>>(4)?.is_some(),
            checked: false,
        });
    }
    key.sort();
    let quoted = name.sql(spec::Dialect::Sqlite);
    Ok(FoundTable {
        columns,
        key: key.into_iter().map(|(_, column)| column).collect(),
        indexes: indexes(conn, flat, &name)?,
        foreign_keys: foreign_keys(conn, flat)?,
        size: match conn
            .prepare(&format!("SELECT 1 FROM {quoted} LIMIT 1"))?
            .exists([])?
        {
            true => Size::Small,
            false => Size::Empty,
        },
        triggers: strings(
            conn,
            "SELECT sql FROM sqlite_schema WHERE type = 'trigger' AND tbl_name = ?1 ORDER BY name",
            Some(flat),
        )?,
        name,
    })
}

/// Those made by `CREATE INDEX`; the key's own is none of them.
fn indexes(conn: &Connection, flat: &str, table: &TableName) -> rusqlite::Result<Vec<FoundIndex>> {
    let mut statement = conn.prepare(
        "SELECT l.name, l.\"unique\", s.sql,
           l.partial OR EXISTS (SELECT 1 FROM pragma_index_xinfo(l.name) WHERE key AND (cid = -2 OR \"desc\"))
         FROM pragma_index_list(?1) l JOIN sqlite_schema s ON s.type = 'index' AND s.name = l.name
         WHERE l.origin = 'c' ORDER BY l.name",
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
        let quoted = format!("\"{}\"", full.replace('"', "\"\""));
        let (name, ours) = match table_name(&full) {
            Some(name) if name.namespace == table.namespace => (name.name, true),
            _ => (full, false),
        };
        indexes.push(FoundIndex {
            name,
            columns,
            unique: row.get(1)?,
            valid: true,
            // One that is called otherwise than ours is somebody's, whatever it is on.
            special: row.get::<_, bool>(3)? || !ours,
            constraint: false,
            quoted,
            made: row.get(2)?,
        });
    }
    Ok(indexes)
}

fn foreign_keys(conn: &Connection, flat: &str) -> rusqlite::Result<Vec<FoundKey>> {
    let mut statement = conn
        .prepare("SELECT \"from\", \"table\" FROM pragma_foreign_key_list(?1) ORDER BY id DESC")?;
    let mut rows = statement.query([flat])?;
    let mut keys = Vec::new();
    while let Some(row) = rows.next()? {
        let to: String = row.get(1)?;
        keys.push(FoundKey {
            key: ForeignKey {
                column: row.get(0)?,
                to: table_name(&to).unwrap_or_else(|| TableName::new("", &to)),
            },
            constraint: String::new(),
            valid: true,
        });
    }
    Ok(keys)
}

fn strings(conn: &Connection, sql: &str, of: Option<&str>) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map(rusqlite::params_from_iter(of), |row| row.get(0))?;
    rows.collect()
}
