//! The log on SQLite. There is one writer at a time, and numbers are drawn and committed in one order: whoever
//! has read up to a number has read everything before it. Numbers have no gaps, for a transaction that is undone
//! gives its numbers back; so a gap at the start means that changes were forgotten.

use super::{Change, ChangeBatch, ChangeKind, Mark, Offset};
use crate::sqlite::Sqlite;
use crate::{Result, StoreError};
use rusqlite::Connection;
use spec::Value;
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step, Written};
use spec::types::ColumnType;
use std::sync::Arc;
use std::time::{Duration, Instant};

const READ: Duration = Duration::from_secs(10);

/// How many changes are forgotten in one turn of the writer.
const SLICE: i64 = 1_000;

/// Newer changes than `?1` end the slice. The log has no index on `at`: it is looked through from its oldest end,
/// and no further than one slice.
const FORGET: &str = "
WITH oldest AS MATERIALIZED (SELECT seq, at FROM _mainstay_changes ORDER BY seq LIMIT ?2)
DELETE FROM _mainstay_changes WHERE seq < coalesce(
  (SELECT min(seq) FROM oldest WHERE at >= ?1),
  (SELECT max(seq) + 1 FROM oldest))
RETURNING seq";

impl Sqlite {
    pub async fn changes(&self, after: &Offset, limit: u32) -> Result<ChangeBatch> {
        let after = number(after)?;
        self.on_reader(Instant::now() + READ, move |session| {
            read(&session.conn, after, limit)
        })
        .await
    }

    pub async fn changes_head(&self) -> Result<Offset> {
        let head = self
            .on_reader(Instant::now() + READ, |session| head(&session.conn))
            .await?;
        Ok(offset(head))
    }

    pub async fn changes_mark(&self) -> Result<Mark> {
        // One and the same connection each time: `data_version` counts what others than itself have written.
        self.on_watch(|session| {
            let conn = &session.conn;
            let version = conn
                .prepare_cached("PRAGMA data_version")?
                .query_row([], |row| row.get(0))?;
            Ok(Mark(version, head(conn)?))
        })
    }

    pub async fn forget_changes(&self, older_than: i64) -> Result<u64> {
        let mut forgotten = 0;
        loop {
            let step = Step {
                statement: Statement {
                    text: FORGET.to_owned(),
                    params: vec![Value::Timestamp(older_than), Value::Int(SLICE)],
                    shape: Arc::new(Shape {
                        columns: vec![Output::Captured {
                            ty: ColumnType::Int,
                        }],
                        capture: Capture::Every,
                    }),
                    lane: Lane::Bounded,
                },
                expect: Expect::Any,
            };
            let written = self.write(vec![step], Instant::now() + READ).await?;
            let slice = match written {
                Written::Done(captured) => captured.first().map_or(0, Vec::len),
                Written::Missed { .. } => 0,
            };
            forgotten += slice as u64;
            if (slice as i64) < SLICE {
                return Ok(forgotten);
            }
        }
    }
}

fn number(offset: &Offset) -> Result<i64> {
    match offset.as_text() {
        "" => Ok(0),
        text => text.parse().map_err(|_| StoreError::Other {
            cause: format!("{text:?} is no offset of this store"),
        }),
    }
}

fn offset(seq: i64) -> Offset {
    Offset::from_text(&seq.to_string())
}

/// The last number given out, also where its change is forgotten already.
fn head(conn: &Connection) -> rusqlite::Result<i64> {
    let mut statement =
        conn.prepare_cached("SELECT seq FROM sqlite_sequence WHERE name = '_mainstay_changes'")?;
    let mut rows = statement.query([])?;
    rows.next()?.map_or(Ok(0), |row| row.get(0))
}

pub(crate) fn read(conn: &Connection, after: i64, limit: u32) -> rusqlite::Result<ChangeBatch> {
    // One snapshot: a change that commits between the rows and the head would pass for a forgotten one.
    let snapshot = conn.unchecked_transaction()?;
    let mut statement = conn.prepare_cached(
        "SELECT seq, module, model, record_id, version, kind, by_kind, by_id, at, record, previous
         FROM _mainstay_changes WHERE seq > ?1 ORDER BY seq LIMIT ?2",
    )?;
    let mut rows = statement.query((after, i64::from(limit) + 1))?;
    let mut batch = ChangeBatch {
        changes: Vec::new(),
        next: offset(after),
        more: false,
        lost: false,
    };
    while let Some(row) = rows.next()? {
        if batch.changes.len() == limit as usize {
            batch.more = true;
            break;
        }
        let kind: String = row.get(5)?;
        batch.changes.push(Change {
            seq: row.get(0)?,
            module: row.get(1)?,
            model: row.get(2)?,
            record_id: row.get(3)?,
            version: row.get(4)?,
            kind: ChangeKind::from_name(&kind).ok_or(rusqlite::Error::InvalidQuery)?,
            by_kind: row.get(6)?,
            by_id: row
                .get::<_, Option<Vec<u8>>>(7)?
                .and_then(|bytes| spec::Uuid::from_slice(&bytes).ok()),
            at: row.get(8)?,
            record: row.get(9)?,
            previous: row.get(10)?,
        });
    }
    drop(rows);
    match (batch.changes.first(), batch.changes.last()) {
        (Some(first), Some(last)) => {
            batch.lost = first.seq > after + 1;
            batch.next = offset(last.seq);
        }
        // Nothing after it: either the reader is at the head, or what it has not read is forgotten, or it comes
        // from another database.
        _ => {
            let head = head(conn)?;
            batch.lost = head != after;
            batch.next = offset(head);
        }
    }
    drop(statement);
    snapshot.commit()?;
    Ok(batch)
}
