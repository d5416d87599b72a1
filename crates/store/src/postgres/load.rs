//! Bulk: any number of steps, all or none, in one long transaction on a connection of its own.

use super::connection::{Connection, query, run};
use super::join::join_all;
use super::{Postgres, error, rows};
use crate::migrate::postgres::quoted;
use crate::{Batch, Items, Loaded, Result, StoreError};
use spec::Value;
use spec::statement::{Expect, Step};
use tokio::sync::mpsc;
use tokio_postgres::Client;

/// Steps on the wire at a time.
const PIPELINE: usize = 64;

/// Identity columns of our tables, with the sequence behind each.
const SEQUENCES: &str = "
select n.nspname::text, c.relname::text, a.attname::text,
  pg_get_serial_sequence(quote_ident(n.nspname) || '.' || quote_ident(c.relname), a.attname)
from pg_attribute a
join pg_class c on c.oid = a.attrelid
join pg_namespace n on n.oid = c.relnamespace
where a.attidentity = 'd' and not a.attisdropped and c.relkind in ('r', 'p')
  and (n.nspname, c.relname) in (select namespace, table_name from mainstay.schema)";

pub(super) fn failed(error: tokio_postgres::Error) -> StoreError {
    error::map(&error, false)
}

impl Postgres {
    /// Others read and write meanwhile, and see nothing of it until it is committed. Keys that the store
    /// assigns go on behind the ones that were given.
    pub async fn load(&self, mut batches: mpsc::Receiver<Batch>) -> Result<Loaded> {
        let own = self.own().await?;
        // Whatever leaves this function without a commit closes the connection, which undoes everything.
        own.client().batch_execute("begin").await.map_err(failed)?;
        let mut done = 0;
        while let Some(batch) = batches.recv().await {
            let (count, failed_at) = match batch {
                Batch::Steps(steps) => (steps.len(), pipeline(&own.connection, &steps).await?),
                Batch::Items(items) => (items.count, write(&own.connection, items).await?),
                Batch::Commit => {
                    sync_keys(own.client()).await.map_err(failed)?;
                    own.client()
                        .batch_execute("commit")
                        .await
                        .map_err(|error| error::map(&error, true))?;
                    return Ok(Loaded::Done { items: done });
                }
            };
            if let Some((at, why)) = failed_at {
                let item = done + at as u64;
                return Ok(match why {
                    None => Loaded::Missed { item },
                    Some(error) => Loaded::Refused { item, error },
                });
            }
            done += count as u64;
        }
        Ok(Loaded::Abandoned)
    }

    /// Moves the sequences behind assigned keys past the keys that are there.
    pub async fn sync_keys(&self) -> Result<()> {
        let own = self.own().await?;
        sync_keys(own.client()).await.map_err(failed)
    }
}

/// The number of the first that missed, or failed for this reason.
type Failed = Option<(usize, Option<StoreError>)>;

/// Writes items at once, or one by one.
async fn write(connection: &Connection, items: Items) -> Result<Failed> {
    let client = connection.client();
    if let Some(at_once) = items.at_once {
        client
            .batch_execute("savepoint items")
            .await
            .map_err(failed)?;
        let all = pipeline(connection, &at_once).await?;
        let end = match all {
            None => "release items",
            Some(_) => "rollback to items; release items",
        };
        client.batch_execute(end).await.map_err(failed)?;
        if all.is_none() {
            return Ok(None);
        }
    }
    let each = (items.each)()?;
    let item_of: Vec<usize> = each
        .iter()
        .enumerate()
        .flat_map(|(item, steps)| steps.iter().map(move |_| item))
        .collect();
    let steps: Vec<Step> = each.into_iter().flatten().collect();
    let first = pipeline(connection, &steps).await?;
    Ok(first.map(|(at, why)| (item_of[at], why)))
}

/// Runs the steps, some at a time.
async fn pipeline(connection: &Connection, steps: &[Step]) -> Result<Failed> {
    for (chunk, steps) in steps.chunks(PIPELINE).enumerate() {
        let first = run_chunk(connection, steps).await?;
        if let Some((at, why)) = first {
            return Ok(Some((chunk * PIPELINE + at, why)));
        }
    }
    Ok(None)
}

async fn run_chunk(connection: &Connection, steps: &[Step]) -> Result<Failed> {
    let mut prepared = Vec::with_capacity(steps.len());
    for step in steps {
        prepared.push(
            connection
                .prepare(&step.statement.text)
                .await
                .map_err(failed)?,
        );
    }
    let work = steps
        .iter()
        .zip(&prepared)
        .map(|(step, prepared)| run(connection.client(), prepared, &step.statement));
    for (at, (step, answer)) in steps.iter().zip(join_all(work).await).enumerate() {
        let answer = match answer {
            Ok(answer) => answer,
            Err(error) => return Ok(Some((at, Some(failed(error))))),
        };
        if step.expect == Expect::One && answer.count != 1 {
            return Ok(Some((at, None)));
        }
        rows::captured(&answer.rows, &step.statement.shape)?;
    }
    Ok(None)
}

async fn sync_keys(client: &Client) -> std::result::Result<(), tokio_postgres::Error> {
    for row in query(client, SEQUENCES, &[]).await? {
        let (namespace, table, column): (&str, &str, &str) = (row.get(0), row.get(1), row.get(2));
        let sequence: &str = row.get(3);
        // Only ever forwards. A key that is given behind this look, by somebody else, waits for their turn.
        let text = format!(
            "select setval($1::text::regclass, top) from (select max({column}) top from {namespace}.{table}) t
             where top > coalesce(pg_sequence_last_value($1::text::regclass), 0)",
            column = quoted(column),
            namespace = quoted(namespace),
            table = quoted(table),
        );
        query(client, &text, &[Value::text(sequence)]).await?;
    }
    Ok(())
}
