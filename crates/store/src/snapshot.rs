//! One state of a database, read from end to end in pieces: what is exported or copied. A few pieces are in memory
//! at a time, however much there is.

use crate::{Result, Store, note};
use spec::schema::Schema;
use spec::statement::{Rows, Statement};
use spec::value::Value;
use tokio::sync::mpsc;

/// A piece ends after so many rows, or bytes.
pub(crate) const PIECE_ROWS: usize = 500;
pub(crate) const PIECE_BYTES: usize = 256 << 10;

/// Pieces that wait to be taken.
const AHEAD: usize = 2;

/// What other writers may do while a snapshot is held.
#[derive(Debug, Clone, Copy)]
pub enum Writers<'s> {
    /// Write; the snapshot sees nothing of it.
    GoOn,
    /// Wait, those of the tables of this schema at least: what is read stays the newest there is.
    Wait(&'s Schema),
}

/// A transaction that reads. It ends when this is dropped.
pub struct Snapshot {
    asks: mpsc::Sender<Ask>,
}

/// A statement, and where its rows go.
pub(crate) struct Ask {
    pub statement: Statement,
    pub pieces: mpsc::Sender<Result<Rows>>,
}

/// The rows of one statement.
pub struct Pieces {
    pieces: mpsc::Receiver<Result<Rows>>,
}

impl Store {
    /// Takes the state of this moment. It has no time limit: whoever holds one keeps the store from tidying up.
    pub async fn snapshot(&self, writers: Writers<'_>) -> Result<Snapshot> {
        match self {
            Store::Sqlite(store) => store.snapshot(writers).await,
            Store::Postgres(store) => store.snapshot(writers).await,
        }
    }
}

impl Snapshot {
    pub(crate) fn new(asks: mpsc::Sender<Ask>) -> Snapshot {
        Snapshot { asks }
    }

    /// Runs a statement that reads. One at a time: the next begins when all pieces of this were taken, or dropped.
    pub async fn read(&mut self, statement: Statement) -> Pieces {
        note(&statement);
        let (sender, pieces) = mpsc::channel(AHEAD);
        let ask = Ask {
            statement,
            pieces: sender,
        };
        // Where nobody takes it, the sender inside is dropped, and the pieces end at once with the reason.
        let _ = self.asks.send(ask).await;
        Pieces { pieces }
    }

    /// The captured values of all rows, of a statement that has few.
    pub(crate) async fn values(&mut self, statement: Statement) -> Result<Vec<Value>> {
        let mut pieces = self.read(statement).await;
        let mut values = Vec::new();
        while let Some(rows) = pieces.next().await? {
            values.extend(rows.captured);
        }
        Ok(values)
    }
}

impl Pieces {
    /// The next rows; none behind the last.
    pub async fn next(&mut self) -> Result<Option<Rows>> {
        self.pieces.recv().await.transpose()
    }
}

/// About how much memory a value takes.
pub(crate) fn weight(value: &Value) -> usize {
    let own = std::mem::size_of::<Value>();
    match value {
        Value::Text(text) | Value::Json(text) => own + text.len(),
        _ => own,
    }
}
