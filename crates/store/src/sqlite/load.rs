//! Bulk: any number of steps, all or none, in one long transaction of the writer.

use super::turn::run_steps;
use super::{Sqlite, error};
use crate::{Batch, Loaded, Result};
use rusqlite::Connection;
use tokio::sync::mpsc;

impl Sqlite {
    /// Other writes of this process wait until it is over; those of other processes are told that the database
    /// is locked after a while. Readers see nothing of it until it is committed.
    pub async fn load(&self, batches: mpsc::Receiver<Batch>) -> Result<Loaded> {
        self.alone(move |session| {
            let conn = &session.conn;
            conn.execute_batch("BEGIN IMMEDIATE").map_err(error::map)?;
            let result = run(conn, batches);
            if !matches!(result, Ok(Loaded::Done { .. })) && !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            result
        })
        .await
    }
}

fn run(conn: &Connection, mut batches: mpsc::Receiver<Batch>) -> Result<Loaded> {
    let mut steps = 0;
    while let Some(batch) = batches.blocking_recv() {
        match batch {
            Batch::Commit => {
                conn.execute_batch("COMMIT").map_err(error::map)?;
                return Ok(Loaded::Done { steps });
            }
            Batch::Steps(batch) => match run_steps(conn, &batch)? {
                Ok(_) => steps += batch.len() as u64,
                Err(missed) => {
                    return Ok(Loaded::Missed {
                        step: steps + missed as u64,
                    });
                }
            },
        }
    }
    Ok(Loaded::Abandoned)
}
