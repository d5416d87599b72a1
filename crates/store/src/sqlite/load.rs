//! Bulk: any number of steps, all or none, in one long transaction of the writer.

use super::connection::Session;
use super::turn::run_steps;
use super::{Sqlite, error};
use crate::{Batch, Loaded, Result};
use rusqlite::Connection;
use spec::statement::Step;
use std::sync::Arc;
use tokio::sync::mpsc;

/// Page cache of a long transaction, in bytes. What does not fit is written into the log and read from there
/// again, many times over.
pub(super) const CACHE: usize = 32 << 20;

impl Sqlite {
    /// Other writes of this process wait until it is over; those of other processes are told that the database
    /// is locked after a while. Readers see nothing of it until it is committed.
    pub async fn load(&self, batches: mpsc::Receiver<Batch>) -> Result<Loaded> {
        let options = Arc::clone(&self.options);
        self.alone(move |session| {
            let conn = &session.conn;
            resize(conn, CACHE.max(options.writer_cache)).map_err(error::map)?;
            let result = conn
                .execute_batch("BEGIN IMMEDIATE")
                .map_err(error::map)
                .and_then(|()| run(session, batches));
            if !matches!(result, Ok(Loaded::Done { .. })) && !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            // The memory is given back.
            let _ = resize(conn, options.writer_cache);
            result
        })
        .await
    }
}

pub(super) fn resize(conn: &Connection, bytes: usize) -> rusqlite::Result<()> {
    conn.execute_batch(&format!(
        "PRAGMA cache_size = -{}; PRAGMA shrink_memory;",
        bytes / 1024
    ))
}

fn run(session: &Session, mut batches: mpsc::Receiver<Batch>) -> Result<Loaded> {
    let mut done = 0;
    while let Some(batch) = batches.blocking_recv() {
        match batch {
            Batch::Commit => {
                session
                    .conn
                    .execute_batch("COMMIT")
                    .map_err(|failed| error::map(failed).or_maybe_done())?;
                return Ok(Loaded::Done { items: done });
            }
            Batch::Steps(steps) => {
                for step in &steps {
                    if let Some(ended) = item(session, std::slice::from_ref(step), done) {
                        return Ok(ended);
                    }
                    done += 1;
                }
            }
            // A savepoint to come back to would cost more than is gained.
            Batch::Items(items) => {
                for steps in (items.each)()? {
                    if let Some(ended) = item(session, &steps, done) {
                        return Ok(ended);
                    }
                    done += 1;
                }
            }
        }
    }
    Ok(Loaded::Abandoned)
}

/// Runs the steps of an item, and answers how the load ends where they fail.
fn item(session: &Session, steps: &[Step], item: u64) -> Option<Loaded> {
    match run_steps(session, steps) {
        Ok(Ok(_)) => None,
        Ok(Err(_)) => Some(Loaded::Missed { item }),
        Err(error) => Some(Loaded::Refused { item, error }),
    }
}
