//! Filling empty tables with `COPY`, in one transaction on a connection of its own.
//!
//! References and indexes are dropped before and made again afterwards, as they were: checked and built once over the
//! whole, and tables may refer to each other in a circle.

use super::Postgres;
use super::connection::{Connection, query};
use super::cursor::Cursor;
use super::load::failed;
use super::param::Param;
use super::snapshot::{in_use, lock};
use crate::Result;
use crate::copy::{self, Counter, Filled, Part, Progress, Tally, Told};
use spec::Dialect;
use spec::schema::{Schema, Table, TableName};
use spec::value::Value;
use std::pin::Pin;
use tokio::sync::mpsc;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::ToSql;

/// What drops a reference or an index, and what makes it again. References first: they lean on indexes.
const PUT_OFF: &str = "
select 'alter table ' || c.oid::regclass || ' drop constraint ' || quote_ident(k.conname),
  'alter table ' || c.oid::regclass || ' add constraint ' || quote_ident(k.conname) || ' ' || pg_get_constraintdef(k.oid)
from pg_constraint k
join pg_class c on c.oid = k.conrelid
join pg_namespace n on n.oid = c.relnamespace
where k.contype = 'f' and (n.nspname || '.' || c.relname) = any($1::text[])
union all
select 'drop index ' || i.oid::regclass, pg_get_indexdef(i.oid)
from pg_index x
join pg_class i on i.oid = x.indexrelid
join pg_class c on c.oid = x.indrelid
join pg_namespace n on n.oid = c.relnamespace
where not x.indisprimary and (n.nspname || '.' || c.relname) = any($1::text[])
  and not exists (select 1 from pg_constraint k where k.conindid = i.oid)";

impl Postgres {
    pub(crate) async fn occupied(&self, schema: &Schema) -> Result<Vec<TableName>> {
        let own = self.own().await?;
        occupied(own.client(), schema).await
    }

    pub(crate) async fn fill(
        &self,
        schema: &Schema,
        mut parts: mpsc::Receiver<Part>,
        told: Told,
    ) -> Result<Filled> {
        let own = self.own().await?;
        // Whatever leaves this function without a commit closes the connection, which undoes everything.
        let client = own.client();
        let begin = format!("begin{}", lock(schema, "access exclusive"));
        let begun = client.batch_execute(&begin).await;
        begun.map_err(|cause| in_use(failed(cause)))?;
        let found = occupied(client, schema).await?;
        if !found.is_empty() {
            return Ok(Filled::Occupied(found));
        }
        let later = put_off(client, schema).await?;
        let mut filling: Option<Filling> = None;
        while let Some(part) = parts.recv().await {
            match part {
                Part::Rows { table, values } => {
                    let here = match filling.take() {
                        Some(here) if here.table == table => here,
                        before => {
                            finish(before).await?;
                            Filling::begin(client, schema, table).await?
                        }
                    };
                    filling = Some(here.write(&values).await?);
                }
                Part::Finish { tallies, keys } => {
                    finish(filling.take()).await?;
                    told(Progress::Indexing);
                    for text in &later {
                        client.batch_execute(text).await.map_err(failed)?;
                    }
                    for (table, last) in keys {
                        set_key(client, &schema.tables[table], last).await?;
                    }
                    let differs = differs(&own.connection, schema, &tallies, &told).await?;
                    if let Some((table, how)) = differs {
                        return Ok(Filled::Differs { table, how });
                    }
                    client
                        .batch_execute("commit")
                        .await
                        .map_err(|error| super::error::map(&error, true))?;
                    // Otherwise its first queries are planned for empty tables. What is carried is there already.
                    for table in &schema.tables {
                        let analyze = format!("analyze {}", table.name.sql(Dialect::Postgres));
                        let _ = client.batch_execute(&analyze).await;
                    }
                    return Ok(Filled::Done);
                }
            }
        }
        Ok(Filled::Abandoned)
    }
}

/// `module.model`, as the catalogue has it.
fn names(schema: &Schema) -> Value {
    let name =
        |table: &Table| Value::text(&format!("{}.{}", table.name.namespace, table.name.name));
    Value::List(schema.tables.iter().map(name).collect())
}

async fn occupied(client: &Client, schema: &Schema) -> Result<Vec<TableName>> {
    let mut found = Vec::new();
    for table in &schema.tables {
        let name = table.name.sql(Dialect::Postgres);
        let there = "select to_regclass($1::text) is not null";
        let params = [Value::text(&name)];
        let there = query(client, there, &params).await.map_err(failed)?;
        if !there.first().is_some_and(|row| row.get::<_, bool>(0)) {
            continue;
        }
        let any = format!("select exists (select 1 from {name})");
        let any = query(client, &any, &[]).await.map_err(failed)?;
        if any.first().is_some_and(|row| row.get::<_, bool>(0)) {
            found.push(table.name.clone());
        }
    }
    Ok(found)
}

/// Drops what costs less when it is made at the end; answers what makes it.
async fn put_off(client: &Client, schema: &Schema) -> Result<Vec<String>> {
    let found = query(client, PUT_OFF, &[names(schema)])
        .await
        .map_err(failed)?;
    let mut later = Vec::with_capacity(found.len());
    for row in &found {
        let (drop, make): (&str, String) = (row.get(0), row.get(1));
        client.batch_execute(drop).await.map_err(failed)?;
        later.push(make);
    }
    // The other way round: what leans on something comes behind it.
    later.reverse();
    Ok(later)
}

/// A table whose rows are on their way.
struct Filling {
    table: usize,
    width: usize,
    writer: Pin<Box<BinaryCopyInWriter>>,
}

impl Filling {
    async fn begin(client: &Client, schema: &Schema, at: usize) -> Result<Filling> {
        let table = &schema.tables[at];
        let (name, columns) = (table.name.sql(Dialect::Postgres), copy::columns(table));
        let look = format!("select {columns} from {name}");
        let look = client.prepare(&look).await.map_err(failed)?;
        let types: Vec<_> = look
            .columns()
            .iter()
            .map(|column| column.type_().clone())
            .collect();
        let text = format!("copy {name} ({columns}) from stdin (format binary)");
        let sink = client.copy_in(&text).await.map_err(failed)?;
        Ok(Filling {
            table: at,
            width: types.len(),
            writer: Box::pin(BinaryCopyInWriter::new(sink, &types)),
        })
    }

    async fn write(mut self, values: &[Value]) -> Result<Filling> {
        for row in values.chunks(self.width) {
            let params: Vec<Param<'_>> = row.iter().map(Param).collect();
            let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
            self.writer.as_mut().write(&params).await.map_err(failed)?;
        }
        Ok(self)
    }
}

async fn finish(filling: Option<Filling>) -> Result<()> {
    if let Some(mut filling) = filling {
        filling.writer.as_mut().finish().await.map_err(failed)?;
    }
    Ok(())
}

/// Keys that are assigned from now on come behind this one.
async fn set_key(client: &Client, table: &Table, last: i64) -> Result<()> {
    if last < 1 {
        return Ok(());
    }
    let params = [
        Value::text(&table.name.sql(Dialect::Postgres)),
        Value::text(&table.key.concat()),
        Value::Int(last),
    ];
    let text = "select setval(pg_get_serial_sequence($1::text, $2::text)::regclass, $3::bigint)";
    query(client, text, &params).await.map_err(failed)?;
    Ok(())
}

/// The first table whose rows are not what they should be.
async fn differs(
    connection: &Connection,
    schema: &Schema,
    tallies: &[Tally],
    told: &Told,
) -> Result<Option<(usize, String)>> {
    let mut verified = 0;
    for (at, (table, wanted)) in schema.tables.iter().zip(tallies).enumerate() {
        let mut counter = Counter::new(table.columns.len());
        let every = copy::every(table, Dialect::Postgres);
        let mut cursor = Cursor::open(connection, &every).await?;
        while let Some(piece) = cursor.next().await? {
            counter.add(&piece.captured);
            verified += piece.ends.len() as u64;
            told(Progress::Verified { rows: verified });
        }
        if let Some(how) = wanted.against(&counter.finish()) {
            return Ok(Some((at, how)));
        }
    }
    Ok(None)
}
