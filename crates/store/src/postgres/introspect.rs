//! Which tables there are, by the system catalogue.

use super::catalogue::catalogue;
use super::connection::query;
use crate::migrate::postgres::{
    ASSIGNED, FORGOTTEN, XID, XID_INDEX, is_change_log, nulls_first, quoted, required_check,
};
use crate::migrate::record::parse_type;
use crate::migrate::search::postgres::SEARCHES;
use crate::migrate::{
    BOOKKEEPING, FoundColumn, FoundIndex, FoundKey, FoundSearch, FoundTable, Introspected, Size,
};
use spec::existing::catalogue::Catalogue;
use spec::schema::{ForeignKey, OWN, Schema, TableName, field_of_words};
use spec::{ColumnType, Dialect, Domain, Value};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use tokio_postgres::{Client, Error};

const NAMESPACES: &str = "
select nspname::text from pg_namespace where nspname = any($1::text[]) order by nspname";

/// With the size of what must be read to look at every row.
const TABLES: &str = "
select n.nspname::text, c.relname::text, pg_table_size(c.oid)::int8
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1::text[]) and c.relkind in ('r', 'p')
order by n.nspname, c.relname";

/// A collation that is not the type's own belongs to how the column is kept; so does an identity.
const COLUMNS: &str = "
select n.nspname::text, c.relname::text, a.attname::text,
  format_type(a.atttypid, a.atttypmod)
    || case when a.attcollation <> t.typcollation then ' collate ' || quote_ident(l.collname) else '' end,
  a.attidentity::text, not a.attnotnull, a.atthasdef or a.attidentity <> ''
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type t on t.oid = a.atttypid
left join pg_collation l on l.oid = a.attcollation
where n.nspname = any($1::text[]) and c.relkind in ('r', 'p') and a.attnum > 0 and not a.attisdropped
order by n.nspname, c.relname, a.attnum";

/// One row per column of an index: bit 1 of its option is descending, bit 2 nulls first.
const INDEXES: &str = "
select n.nspname::text, c.relname::text, i.relname::text, x.indisunique, x.indisprimary,
  x.indpred is not null or x.indnatts <> x.indnkeyatts or m.amname <> 'btree',
  a.attname::text, (x.indoption[k.at - 1])::int4, x.indisvalid,
  exists (select 1 from pg_constraint o where o.conindid = x.indexrelid and o.contype in ('u', 'x'))
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_am m on m.oid = i.relam
join pg_class c on c.oid = x.indrelid
join pg_namespace n on n.oid = c.relnamespace
cross join lateral generate_series(1, x.indnkeyatts) k(at)
left join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[k.at - 1] and x.indkey[k.at - 1] <> 0
where n.nspname = any($1::text[])
order by n.nspname, c.relname, i.relname, k.at";

const FOREIGN_KEYS: &str = "
select n.nspname::text, c.relname::text, a.attname::text, fn.nspname::text, f.relname::text,
  k.conname::text, k.convalidated
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_class f on f.oid = k.confrelid
join pg_namespace fn on fn.oid = f.relnamespace
join pg_attribute a on a.attrelid = c.oid and a.attnum = k.conkey[1]
where k.contype = 'f' and n.nspname = any($1::text[])
order by n.nspname, c.relname, k.conname";

/// Checks that a migration which stopped has left.
const CHECKS: &str = "
select n.nspname::text, c.relname::text, k.conname::text
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'c' and k.conname like 'mainstay\\_required\\_%' and n.nspname = any($1::text[])";

/// What there is of the namespaces that the schema wants or that were made before. Other schemas of the
/// database are somebody else's.
///
/// `large`: from so many bytes on a table is large.
pub(super) async fn introspect(
    client: &Client,
    wanted: &Schema,
    format: i64,
    large: u64,
) -> Result<Introspected, Error> {
    let recorded = recorded(client, format).await?;
    let mut ours: BTreeSet<String> = wanted
        .tables
        .iter()
        .map(|table| table.name.namespace.clone())
        .collect();
    ours.extend(recorded.keys().map(|(table, _)| table.namespace.clone()));
    let ours: Arc<[Value]> = ours.iter().map(|name| Value::text(name)).collect();
    let params = [Value::List(ours)];

    let namespaces = query(client, NAMESPACES, &params).await?;
    let mut tables = tables(client, &params, large).await?;
    columns(client, &params, &recorded, &mut tables).await?;
    indexes(client, &params, &mut tables).await?;
    for row in query(client, FOREIGN_KEYS, &params).await? {
        if let Some(table) = tables.get_mut(&named(row.get(0), row.get(1))) {
            table.foreign_keys.push(FoundKey {
                key: ForeignKey {
                    column: row.get(2),
                    to: named(row.get(3), row.get(4)),
                },
                constraint: row.get(5),
                valid: row.get(6),
            });
        }
    }
    for row in query(client, CHECKS, &params).await? {
        let check: String = row.get(2);
        if let Some(table) = tables.get_mut(&named(row.get(0), row.get(1))) {
            for column in &mut table.columns {
                column.checked |= required_check(&column.name) == check;
            }
        }
    }
    Ok(Introspected {
        namespaces: namespaces.iter().map(|row| row.get(0)).collect(),
        tables: tables.into_values().collect(),
        searches: searches(client, &params).await?,
        existing: existing(client, wanted).await?,
        data_steps: data_steps(client, format).await?,
    })
}

/// Indexes of words. One that does not work is known as none that could be wanted.
async fn searches(client: &Client, params: &[Value]) -> Result<Vec<FoundSearch>, Error> {
    let mut found = Vec::new();
    for row in query(client, SEARCHES, params).await? {
        let name: &str = row.get(1);
        let table = name.strip_prefix('_');
        let Some(table) = table.and_then(|name| name.strip_suffix("_search")) else {
            continue;
        };
        found.push(FoundSearch {
            table: named(row.get(0), table.to_owned()),
            made: match row.get(3) {
                true => row.get(2),
                false => String::new(),
            },
            fields: row
                .get::<_, Vec<&str>>(4)
                .into_iter()
                .filter_map(field_of_words)
                .map(str::to_owned)
                .collect(),
            triggers: Vec::new(),
        });
    }
    Ok(found)
}

/// The schemas of tables that were there before; nothing is asked where there are none.
async fn existing(client: &Client, wanted: &Schema) -> Result<Catalogue, Error> {
    let schemas: BTreeSet<String> = wanted
        .existing
        .iter()
        .map(|table| table.name.namespace.clone())
        .collect();
    match schemas.is_empty() {
        true => Ok(Catalogue::default()),
        false => catalogue(client, &schemas.into_iter().collect::<Vec<_>>()).await,
    }
}

type Tables = BTreeMap<TableName, FoundTable>;

fn named(namespace: String, name: String) -> TableName {
    TableName { namespace, name }
}

async fn tables(client: &Client, params: &[Value], large: u64) -> Result<Tables, Error> {
    let mut tables = Tables::new();
    for row in query(client, TABLES, params).await? {
        let name = named(row.get(0), row.get(1));
        if name.namespace == OWN
            && (BOOKKEEPING.contains(&name.name.as_str()) || name.name == FORGOTTEN)
        {
            continue;
        }
        // What keeps the words of a table: no model is called so.
        if name.namespace != OWN && name.name.starts_with('_') {
            continue;
        }
        let full = format!("{}.{}", quoted(&name.namespace), quoted(&name.name));
        let any = query(
            client,
            &format!("select exists (select 1 from {full})"),
            &[],
        )
        .await?;
        let empty = any.first().is_some_and(|row| !row.get::<_, bool>(0));
        let bytes = u64::try_from(row.get::<_, i64>(2)).unwrap_or_default();
        let size = match empty {
            true => Size::Empty,
            false if bytes < large => Size::Small,
            false => Size::Large,
        };
        tables.insert(
            name.clone(),
            FoundTable {
                name,
                columns: Vec::new(),
                key: Vec::new(),
                indexes: Vec::new(),
                foreign_keys: Vec::new(),
                size,
                triggers: Vec::new(),
            },
        );
    }
    Ok(tables)
}

async fn columns(
    client: &Client,
    params: &[Value],
    recorded: &Recorded,
    tables: &mut Tables,
) -> Result<(), Error> {
    for row in query(client, COLUMNS, params).await? {
        let name = named(row.get(0), row.get(1));
        let column: String = row.get(2);
        if is_change_log(&name) && column == XID {
            continue;
        }
        let identity = match row.get::<_, &str>(4) {
            "d" => ASSIGNED,
            "a" => " generated always as identity",
            _ => "",
        };
        if let Some(table) = tables.get_mut(&name) {
            let (recorded, domain) = recorded
                .get(&(name, column.clone()))
                .cloned()
                .unwrap_or_default();
            table.columns.push(FoundColumn {
                recorded,
                domain,
                name: column,
                physical: format!("{}{identity}", row.get::<_, &str>(3)),
                nullable: row.get(5),
                default: row.get(6),
                checked: false,
            });
        }
    }
    Ok(())
}

/// The primary key, and the other indexes. Another order than ours shows in the name of a column, so that it differs.
async fn indexes(client: &Client, params: &[Value], tables: &mut Tables) -> Result<(), Error> {
    struct Found {
        primary: bool,
        unique: bool,
        special: bool,
        valid: bool,
        constraint: bool,
        columns: Vec<(String, i32)>,
    }
    let mut found: BTreeMap<(TableName, String), Found> = BTreeMap::new();
    for row in query(client, INDEXES, params).await? {
        let table = named(row.get(0), row.get(1));
        let index = found.entry((table, row.get(2))).or_insert(Found {
            unique: row.get(3),
            primary: row.get(4),
            special: row.get(5),
            valid: row.get(8),
            constraint: row.get(9),
            columns: Vec::new(),
        });
        let column: Option<String> = row.get(6);
        index.special |= column.is_none();
        let column = column.unwrap_or_else(|| "(expression)".to_owned());
        index.columns.push((column, row.get(7)));
    }
    for ((name, index), found) in found {
        let ours = is_change_log(&name) && index == XID_INDEX;
        let Some(table) = tables.get_mut(&name).filter(|_| !ours) else {
            continue;
        };
        let names: Vec<String> = found.columns.iter().map(|(name, _)| name.clone()).collect();
        if found.primary {
            table.key = names;
            continue;
        }
        let mut columns: Vec<String> = Vec::with_capacity(names.len());
        for (at, (name, option)) in found.columns.iter().enumerate() {
            let expected = if nulls_first(&names, at) { 2 } else { 0 };
            columns.push(if *option == expected {
                name.clone()
            } else {
                let direction = if option & 1 == 1 { "desc" } else { "asc" };
                let nulls = if option & 2 == 2 { "first" } else { "last" };
                format!("{name} {direction} nulls {nulls}")
            });
        }
        table.indexes.push(FoundIndex {
            quoted: format!("{}.{}", quoted(&name.namespace), quoted(&index)),
            name: index,
            columns,
            unique: found.unique,
            valid: found.valid,
            special: found.special,
            constraint: found.constraint,
            made: None,
        });
    }
    Ok(())
}

type Recorded = HashMap<(TableName, String), (Option<ColumnType>, Option<Domain>)>;

/// What columns were made as. Empty before the first migration.
async fn recorded(client: &Client, format: i64) -> Result<Recorded, Error> {
    let mut known = Recorded::new();
    if format == 0 {
        return Ok(known);
    }
    let domain = if format == 1 { "null::text" } else { "domain" };
    let text = format!(
        "select namespace, table_name, column_name, type, {domain} from {}",
        TableName::own("schema").sql(Dialect::Postgres)
    );
    for row in query(client, &text, &[]).await? {
        let domain: Option<&str> = row.get(4);
        let what = (parse_type(row.get(3)), domain.and_then(Domain::parse));
        known.insert((named(row.get(0), row.get(1)), row.get(2)), what);
    }
    Ok(known)
}

async fn data_steps(client: &Client, format: i64) -> Result<Vec<(String, String)>, Error> {
    if format < 2 {
        return Ok(Vec::new());
    }
    let text = "select name, text from mainstay.data_steps order by name";
    let rows = query(client, text, &[]).await?;
    Ok(rows.iter().map(|row| (row.get(0), row.get(1))).collect())
}

/// How the bookkeeping is kept, [`crate::migrate::FORMAT`] or an older one; 0 where there is none.
pub(super) async fn format(client: &Client) -> Result<i64, Error> {
    let has = "select to_regclass('mainstay.migrations') is not null, to_regclass('mainstay.format') is not null";
    let rows = query(client, has, &[]).await?;
    let (kept, numbered) = rows
        .first()
        .map_or((false, false), |row| (row.get(0), row.get(1)));
    if !numbered {
        return Ok(i64::from(kept));
    }
    let rows = query(
        client,
        "select max(version)::int8 from mainstay.format",
        &[],
    )
    .await?;
    Ok(rows.first().and_then(|row| row.get(0)).unwrap_or(0))
}
