//! What the system catalogue says of tables that Mainstay did not make. Nothing is changed, and no row of theirs is read.

use super::connection::query;
use super::{Postgres, error};
use spec::Value;
use spec::existing::catalogue::{
    Catalogue, Check, Class, Column, Domain, Identity, Index, Kind, OnDelete, Reference, Relation,
    Type,
};
use spec::schema::TableName;
use std::collections::BTreeMap;
use std::sync::Arc;
use tokio_postgres::{Client, Error, Row};

const SCHEMAS: &str = "
select nspname::text from pg_namespace
where nspname !~ '^pg_' and nspname <> 'information_schema' order by nspname";

const RELATIONS: &str = "
select n.nspname::text, c.relname::text, c.relkind::text, c.relispartition,
  exists (select 1 from pg_inherits i where i.inhrelid = c.oid), obj_description(c.oid, 'pg_class'), c.relrowsecurity,
  array(select t.tgname::text from pg_trigger t where t.tgrelid = c.oid and not t.tgisinternal order by t.tgname)
    || array(select r.rulename::text from pg_rewrite r
             where r.ev_class = c.oid and r.rulename <> '_RETURN' order by r.rulename),
  array(select p from unnest(array['SELECT', 'INSERT', 'UPDATE', 'DELETE']) p where not has_table_privilege(c.oid, p))
    || array(select 'use the sequence ' || s.relname::text from pg_attrdef d
             join pg_depend p on p.classid = 'pg_attrdef'::regclass and p.objid = d.oid
               and p.refclassid = 'pg_class'::regclass
             join pg_class s on s.oid = p.refobjid
             where d.adrelid = c.oid
               and case when s.relkind = 'S' then not has_sequence_privilege(s.oid, 'USAGE') else false end
             order by s.relname)
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f')
order by n.nspname, c.relname";

/// A domain is followed to the type below it; of an array, the type of its items counts.
const COLUMNS: &str = "
select n.nspname::text, c.relname::text, a.attname::text,
  ni.nspname::text, i.typname::text, t.typcategory = 'A' and t.typelem <> 0,
  format_type(a.atttypid, a.atttypmod), i.typtype::text, b.typmod,
  array(select e.enumlabel::text from pg_enum e where e.enumtypid = i.oid order by e.enumsortorder),
  not (a.attnotnull or b.required), pg_get_expr(d.adbin, d.adrelid), a.attidentity::text, a.attgenerated <> '',
  coalesce(not l.collisdeterministic, false), col_description(c.oid, a.attnum),
  case when o.typtype = 'd' then no.nspname::text end, o.typname::text, b.default_text,
  array(select k.conname::text from pg_constraint k where k.contypid = any(b.chain) and k.contype = 'c'
        order by k.conname),
  array(select pg_get_constraintdef(k.oid) from pg_constraint k where k.contypid = any(b.chain) and k.contype = 'c'
        order by k.conname)
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
join pg_type o on o.oid = a.atttypid
join pg_namespace no on no.oid = o.typnamespace
cross join lateral (
  with recursive below(oid, typmod, required, default_text, chain, level) as (
    select a.atttypid, a.atttypmod, false, null::text collate \"C\", array[]::oid[], 0
    union all
    select x.typbasetype, case when x.typtypmod <> -1 then x.typtypmod else below.typmod end,
      below.required or x.typnotnull, coalesce(below.default_text, x.typdefault), below.chain || x.oid, below.level + 1
    from below join pg_type x on x.oid = below.oid where x.typtype = 'd')
  select * from below order by level desc limit 1) b
join pg_type t on t.oid = b.oid
join pg_type i on i.oid = case when t.typcategory = 'A' and t.typelem <> 0 then t.typelem else t.oid end
join pg_namespace ni on ni.oid = i.typnamespace
left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
left join pg_collation l on l.oid = a.attcollation
where n.nspname = any($1::text[]) and c.relkind in ('r', 'p', 'v', 'm', 'f') and a.attnum > 0 and not a.attisdropped
order by n.nspname, c.relname, a.attnum";

/// An exclusion's index is told of as the constraint that it is.
const INDEXES: &str = "
select n.nspname::text, c.relname::text, i.relname::text, x.indisprimary, x.indisunique, x.indpred is not null,
  m.amname::text, x.indisvalid,
  array(select a.attname::text from generate_series(0, x.indnkeyatts - 1) k(at)
        left join pg_attribute a on a.attrelid = c.oid and a.attnum = x.indkey[k.at] and x.indkey[k.at] <> 0
        order by k.at)
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_am m on m.oid = i.relam
join pg_class c on c.oid = x.indrelid
join pg_namespace n on n.oid = c.relnamespace
where n.nspname = any($1::text[]) and not x.indisexclusion
order by n.nspname, c.relname, x.indisunique desc, i.relname";

const CONSTRAINTS: &str = "
select n.nspname::text, c.relname::text, k.conname::text, k.contype::text,
  array(select a.attname::text from unnest(k.conkey) with ordinality u(num, at)
        join pg_attribute a on a.attrelid = k.conrelid and a.attnum = u.num order by u.at),
  fn.nspname::text, f.relname::text,
  array(select a.attname::text from unnest(k.confkey) with ordinality u(num, at)
        join pg_attribute a on a.attrelid = k.confrelid and a.attnum = u.num order by u.at),
  k.confdeltype::text, pg_get_constraintdef(k.oid)
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
left join pg_class f on f.oid = k.confrelid
left join pg_namespace fn on fn.oid = f.relnamespace
where n.nspname = any($1::text[]) and k.contype in ('f', 'c', 'x') and k.conparentid = 0
order by n.nspname, c.relname, k.conname";

impl Postgres {
    /// What there is in some schemas, as of one moment.
    pub async fn catalogue(&self, schemas: &[String]) -> crate::Result<Catalogue> {
        let own = self.own().await?;
        let client = own.client();
        let looked = async {
            let begin = "begin isolation level repeatable read read only; set local statement_timeout = '60s'";
            client.batch_execute(begin).await?;
            catalogue(client, schemas).await
        };
        looked
            .await
            .map_err(|failed: Error| error::map(&failed, false))
    }
}

pub(super) async fn catalogue(client: &Client, schemas: &[String]) -> Result<Catalogue, Error> {
    let names: Arc<[Value]> = schemas.iter().map(|name| Value::text(name)).collect();
    let params = [Value::List(names)];
    let all = query(client, SCHEMAS, &[]).await?;
    let (looked_at, others) = all
        .iter()
        .map(|row| row.get::<_, String>(0))
        .partition(|name| schemas.contains(name));
    let mut relations: BTreeMap<TableName, Relation> = BTreeMap::new();
    for row in query(client, RELATIONS, &params).await? {
        let name = named(&row, 0);
        relations.insert(
            name.clone(),
            Relation {
                name,
                kind: kind(row.get(2), row.get(3), row.get(4)),
                comment: row.get(5),
                row_security: row.get(6),
                triggers: row.get(7),
                denied: row.get(8),
                columns: Vec::new(),
                key: Vec::new(),
                indexes: Vec::new(),
                references: Vec::new(),
                checks: Vec::new(),
            },
        );
    }
    for row in query(client, COLUMNS, &params).await? {
        if let Some(relation) = relations.get_mut(&named(&row, 0)) {
            relation.columns.push(column(&row));
        }
    }
    for row in query(client, INDEXES, &params).await? {
        let Some(relation) = relations.get_mut(&named(&row, 0)) else {
            continue;
        };
        let columns: Vec<Option<String>> = row.get(8);
        if row.get(3) {
            relation.key = columns.into_iter().flatten().collect();
            continue;
        }
        relation.indexes.push(Index {
            name: row.get(2),
            unique: row.get(4),
            partial: row.get(5),
            method: row.get(6),
            valid: row.get(7),
            columns,
        });
    }
    for row in query(client, CONSTRAINTS, &params).await? {
        let Some(relation) = relations.get_mut(&named(&row, 0)) else {
            continue;
        };
        let name: String = row.get(2);
        if row.get::<_, &str>(3) != "f" {
            relation.checks.push(Check {
                name,
                columns: row.get(4),
                text: row.get(9),
            });
            continue;
        }
        relation.references.push(Reference {
            name,
            columns: row.get(4),
            to: named(&row, 5),
            to_columns: row.get(7),
            on_delete: match row.get::<_, &str>(8) {
                "c" => OnDelete::Cascade,
                "n" => OnDelete::SetNull,
                "d" => OnDelete::SetDefault,
                _ => OnDelete::Refuse,
            },
        });
    }
    Ok(Catalogue {
        schemas: looked_at,
        others,
        relations: relations.into_values().collect(),
    })
}

fn named(row: &Row, at: usize) -> TableName {
    TableName {
        namespace: row.get::<_, Option<String>>(at).unwrap_or_default(),
        name: row.get::<_, Option<String>>(at + 1).unwrap_or_default(),
    }
}

fn kind(kind: &str, partition: bool, inherits: bool) -> Kind {
    match kind {
        "v" => Kind::View,
        "m" => Kind::MaterializedView,
        "f" => Kind::Foreign,
        _ if partition => Kind::Partition,
        "p" => Kind::Partitioned,
        _ if inherits => Kind::Child,
        _ => Kind::Table,
    }
}

fn column(row: &Row) -> Column {
    let name = named(row, 3);
    let array: bool = row.get(5);
    let modifier: i32 = row.get(8);
    // What is said beside a type stands in four bytes behind a header of four (`VARHDRSZ`).
    let behind = (modifier >= 4 && !array && name.namespace == "pg_catalog").then(|| modifier - 4);
    let of = |names: &[&str]| behind.filter(|_| names.contains(&name.name.as_str()));
    let length = of(&["varchar", "bpchar"]).and_then(|length| u32::try_from(length).ok());
    let digits = of(&["numeric"]).map(|packed| {
        let scale = ((packed & 0x7ff) ^ 1024) - 1024;
        (((packed >> 16) & 0xffff) as u32, scale)
    });
    let domain = row.get::<_, Option<String>>(16).map(|namespace| {
        let (names, texts): (Vec<String>, Vec<String>) = (row.get(19), row.get(20));
        Domain {
            name: TableName {
                namespace,
                name: row.get(17),
            },
            default: row.get(18),
            checks: names
                .into_iter()
                .zip(texts)
                .map(|(name, text)| Check {
                    name,
                    columns: Vec::new(),
                    text,
                })
                .collect(),
        }
    });
    Column {
        name: row.get(2),
        nullable: row.get(10),
        default: row.get(11),
        identity: match row.get(12) {
            "a" => Some(Identity::Always),
            "d" => Some(Identity::ByDefault),
            _ => None,
        },
        generated: row.get(13),
        blurred: row.get(14),
        comment: row.get(15),
        ty: Type {
            shown: row.get(6),
            class: match row.get(7) {
                "e" => Class::Enum,
                "b" => Class::Base,
                "r" | "m" => Class::Range,
                _ => Class::Composite,
            },
            labels: row.get(9),
            name,
            array,
            length,
            digits,
            domain,
        },
    }
}
