//! A snapshot is a transaction that reads, on a connection of its own.

use super::cursor::Cursor;
use super::migration::Own;
use super::{Postgres, error};
use crate::snapshot::{Ask, Snapshot, Writers};
use crate::{Result, StoreError};
use spec::Dialect;
use spec::schema::Schema;
use tokio::sync::mpsc;

/// How long one waits for whoever is writing.
const PATIENCE: &str = "5s";

impl Postgres {
    pub(crate) async fn snapshot(&self, writers: Writers<'_>) -> Result<Snapshot> {
        let own = self.own().await?;
        let mut begin = "begin isolation level repeatable read read only".to_owned();
        if let Writers::Wait(schema) = writers {
            begin.push_str(&lock(schema, "share"));
        }
        // The state is that of the first statement behind the locks.
        begin.push_str("; select 1");
        let failed = |cause: tokio_postgres::Error| in_use(error::map(&cause, false));
        own.client().batch_execute(&begin).await.map_err(failed)?;
        let (asks, asked) = mpsc::channel(1);
        tokio::spawn(serve(own, asked));
        Ok(Snapshot::new(asks))
    }
}

/// Takes the tables of a schema, as statements of a transaction that is open.
pub(super) fn lock(schema: &Schema, mode: &str) -> String {
    let names: Vec<String> = schema
        .tables
        .iter()
        .map(|table| table.name.sql(Dialect::Postgres))
        .collect();
    format!(
        "; set local lock_timeout = '{PATIENCE}'; lock table {} in {mode} mode; set local lock_timeout = 0",
        names.join(", ")
    )
}

/// A lock that was not had in time.
pub(super) fn in_use(error: StoreError) -> StoreError {
    match error {
        StoreError::Busy { .. } => StoreError::Busy {
            cause: format!("somebody has been using its tables for {PATIENCE}"),
        },
        other => other,
    }
}

/// Until the snapshot is dropped; the transaction ends with the connection.
async fn serve(own: Own, mut asked: mpsc::Receiver<Ask>) {
    while let Some(Ask { statement, pieces }) = asked.recv().await {
        let mut cursor = match Cursor::open(&own.connection, &statement).await {
            Ok(cursor) => cursor,
            Err(cause) => {
                let _ = pieces.send(Err(cause)).await;
                continue;
            }
        };
        while let Some(piece) = cursor.next().await.transpose() {
            let failed = piece.is_err();
            if pieces.send(piece).await.is_err() || failed {
                break;
            }
        }
    }
}
