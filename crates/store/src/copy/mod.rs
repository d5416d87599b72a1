//! Carries everything in one database over to another, empty one: the tables of a schema, private ones and the change
//! log included, as they are.
//!
//! The source is held still for as long as it takes, the target is filled in one transaction. Before that is
//! committed, what is in the target is read back and held against what was read from the source: rows, values that
//! are there, and a digest over all of them in the order of their keys.

mod tally;

pub(crate) use tally::Counter;
pub use tally::Tally;

use crate::migrate::{Allow, Applied, Extras, Plan};
use crate::snapshot::{Snapshot, Writers};
use crate::{Result, Store, StoreError};
use spec::schema::{CHANGES, OWN, Schema, Table, TableName};
use spec::statement::{Capture, Lane, Output, Shape, Statement};
use spec::types::ColumnType;
use spec::value::Value;
use spec::{Dialect, json};
use std::sync::Arc;
use tokio::sync::mpsc;

/// What a copy is at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// So many rows will be carried.
    Counted { rows: u64 },
    /// These were carried.
    Carried { rows: u64 },
    /// The indexes and references of the target are made.
    Indexing,
    /// These were read back from the target and compared.
    Verified { rows: u64 },
}

/// Who is told how far it is, from whatever thread.
pub type Told = Arc<dyn Fn(Progress) + Send + Sync>;

/// What was carried.
#[derive(Debug, Clone, PartialEq)]
pub struct Copied {
    /// Table after table, in the order of the schema.
    pub tables: Vec<(TableName, Tally)>,
    /// What is in the source beyond the schema, and stayed there.
    pub left: Vec<String>,
}

/// Why nothing was carried. The target is as it was, but for empty tables.
#[derive(Debug)]
pub enum CopyError {
    Source(StoreError),
    Target(StoreError),
    /// The tables of the source are not those of the schema.
    SourceTables(Plan),
    /// Nor can those of the target become it.
    TargetTables(Plan),
    /// These tables of the target have rows.
    Occupied(Vec<TableName>),
    /// What was read from the source is not what it counts, or not what is in the target afterwards.
    Differs {
        table: TableName,
        how: String,
    },
}

/// What [`Store::fill`] is fed with.
pub(crate) enum Part {
    /// Rows of a table of the schema, by its place, in the order of their keys: value after value, row after row.
    Rows { table: usize, values: Vec<Value> },
    /// That was all. Without it everything is undone.
    Finish {
        /// What must be there, table after table.
        tallies: Vec<Tally>,
        /// Tables that assign their keys, and the last key that was given out.
        keys: Vec<(usize, i64)>,
    },
}

/// What became of [`Store::fill`].
#[derive(Debug, PartialEq)]
pub(crate) enum Filled {
    /// Committed and durable.
    Done,
    Occupied(Vec<TableName>),
    Differs {
        table: usize,
        how: String,
    },
    /// The channel closed before [`Part::Finish`].
    Abandoned,
}

/// Carries the tables of `schema` from one store to another. Nobody may write to either meanwhile.
pub async fn copy(
    from: &Store,
    to: &Store,
    schema: &Schema,
    told: Told,
) -> std::result::Result<Copied, CopyError> {
    let found = from
        .migration(schema, Extras::Keep)
        .await
        .map_err(CopyError::Source)?;
    if !found.is_settled() {
        return Err(CopyError::SourceTables(found));
    }
    let left = found.differences.iter().map(ToString::to_string).collect();
    // Before it is touched at all.
    let occupied = to.occupied(schema).await.map_err(CopyError::Target)?;
    if !occupied.is_empty() {
        return Err(CopyError::Occupied(occupied));
    }
    match to.apply(schema, Allow::SLOW).await {
        Ok(Applied::Nothing(_) | Applied::Ran(_)) => {}
        Ok(Applied::Refused(plan)) => return Err(CopyError::TargetTables(plan)),
        Err(error) => return Err(CopyError::Target(error)),
    }
    let mut snapshot = from
        .snapshot(Writers::Wait(schema))
        .await
        .map_err(CopyError::Source)?;
    let (send, parts) = mpsc::channel(2);
    let feed = Feed {
        snapshot: &mut snapshot,
        from: from.dialect(),
        to: to.dialect(),
        schema,
        told: Arc::clone(&told),
    };
    let (fed, filled) = tokio::join!(feed.run(send), to.fill(schema, parts, told));
    let differs = |table: usize, how: String| CopyError::Differs {
        table: schema.tables[table].name.clone(),
        how,
    };
    // The source's own error first: it is why the target was left alone.
    let tallies = match fed {
        Ok(tallies) => tallies,
        Err(Stopped::Source(error)) => return Err(CopyError::Source(error)),
        Err(Stopped::Differs { table, how }) => return Err(differs(table, how)),
        Err(Stopped::Target) => Vec::new(),
    };
    match filled.map_err(CopyError::Target)? {
        Filled::Done => Ok(Copied {
            tables: schema
                .tables
                .iter()
                .map(|table| table.name.clone())
                .zip(tallies)
                .collect(),
            left,
        }),
        Filled::Occupied(tables) => Err(CopyError::Occupied(tables)),
        Filled::Differs { table, how } => Err(differs(table, how)),
        Filled::Abandoned => Err(CopyError::Target(StoreError::Other {
            cause: "the copy was abandoned".to_owned(),
        })),
    }
}

impl Store {
    /// The tables of a schema that are there and have rows.
    pub async fn occupied(&self, schema: &Schema) -> Result<Vec<TableName>> {
        match self {
            Store::Sqlite(store) => store.occupied(schema).await,
            Store::Postgres(store) => store.occupied(schema).await,
        }
    }

    /// Fills the tables of a schema, which are there and empty, in one transaction.
    pub(crate) async fn fill(
        &self,
        schema: &Schema,
        parts: mpsc::Receiver<Part>,
        told: Told,
    ) -> Result<Filled> {
        match self {
            Store::Sqlite(store) => store.fill(schema, parts, told).await,
            Store::Postgres(store) => store.fill(schema, parts, told).await,
        }
    }
}

/// The reading half of a copy.
struct Feed<'f> {
    snapshot: &'f mut Snapshot,
    from: Dialect,
    to: Dialect,
    schema: &'f Schema,
    told: Told,
}

enum Stopped {
    Source(StoreError),
    Differs {
        table: usize,
        how: String,
    },
    /// The target takes no more, and says why itself.
    Target,
}

impl From<StoreError> for Stopped {
    fn from(error: StoreError) -> Stopped {
        Stopped::Source(error)
    }
}

impl Feed<'_> {
    async fn run(self, send: mpsc::Sender<Part>) -> std::result::Result<Vec<Tally>, Stopped> {
        let schema = self.schema;
        let mut counts = Vec::with_capacity(schema.tables.len());
        for table in &schema.tables {
            counts.push(self.snapshot.values(count(table, self.from)).await?);
        }
        let rows = |counts: &[Value]| match counts.first() {
            Some(Value::Int(rows)) => rows.unsigned_abs(),
            _ => 0,
        };
        let total = counts.iter().map(|counts| rows(counts)).sum();
        (self.told)(Progress::Counted { rows: total });
        let (mut tallies, mut keys) = (Vec::new(), Vec::new());
        let mut carried = 0;
        for (at, table) in schema.tables.iter().enumerate() {
            let mut counter = Counter::new(table.columns.len());
            let mut numbers = Numbers::of(table, self.to);
            let mut pieces = self.snapshot.read(every(table, self.from)).await;
            while let Some(mut piece) = pieces.next().await? {
                if self.from == Dialect::Sqlite {
                    piece.captured.iter_mut().for_each(canonical);
                }
                numbers.renumber(&mut piece.captured);
                counter.add(&piece.captured);
                carried += piece.ends.len() as u64;
                let part = Part::Rows {
                    table: at,
                    values: piece.captured,
                };
                send.send(part).await.map_err(|_| Stopped::Target)?;
                (self.told)(Progress::Carried { rows: carried });
            }
            drop(pieces);
            let tally = counter.finish();
            if let Some(how) = tally.beside(&counts[at], table) {
                return Err(Stopped::Differs { table: at, how });
            }
            tallies.push(tally);
            if table.assigned_key {
                let last = self.snapshot.values(last_key(table, self.from)).await?;
                let last = match last.first() {
                    Some(Value::Int(last)) => *last,
                    _ => 0,
                };
                keys.push((at, numbers.last().unwrap_or(last)));
            }
        }
        let finish = Part::Finish {
            tallies: tallies.clone(),
            keys,
        };
        send.send(finish).await.map_err(|_| Stopped::Target)?;
        Ok(tallies)
    }
}

/// On SQLite the numbers of the change log have no gaps, by which a reader sees that nothing was forgotten; on
/// PostgreSQL a write that is undone leaves one. They are closed where the log moves there. The first number stays:
/// what is before it was forgotten. A reader's place is lost with the move in any case.
struct Numbers {
    /// The width of a row, where it is this table and that store.
    width: Option<usize>,
    next: Option<i64>,
}

impl Numbers {
    fn of(table: &Table, to: Dialect) -> Numbers {
        let log = table.name.namespace == OWN && table.name.name == CHANGES;
        Numbers {
            width: (log && to == Dialect::Sqlite).then_some(table.columns.len()),
            next: None,
        }
    }

    fn renumber(&mut self, values: &mut [Value]) {
        let Some(width) = self.width else { return };
        for row in values.chunks_mut(width) {
            // `seq` is the log's first column, and its order.
            if let Some(Value::Int(seq)) = row.first_mut() {
                let number = self.next.unwrap_or(*seq);
                *seq = number;
                self.next = Some(number + 1);
            }
        }
    }

    /// The last number that was given, where any was.
    fn last(&self) -> Option<i64> {
        self.next.map(|next| next - 1)
    }
}

/// JSON that somebody wrote by hand as SQLite takes it becomes what PostgreSQL makes of it, so that both have the same.
fn canonical(value: &mut Value) {
    if let Value::Json(text) = value
        && let Ok(canonical) = json::canonical(text, u32::MAX)
        && canonical != **text
    {
        *value = Value::Json(canonical.into());
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// The names of a table's columns, as SQL lists them.
pub(crate) fn columns(table: &Table) -> String {
    let names: Vec<String> = table.columns.iter().map(|c| quoted(&c.name)).collect();
    names.join(", ")
}

/// Every row of a table, in the order of its key, which is the same on both stores.
pub(crate) fn every(table: &Table, dialect: Dialect) -> Statement {
    let key: Vec<String> = table.key.iter().map(|name| quoted(name)).collect();
    let text = format!(
        "SELECT {} FROM {} ORDER BY {}",
        columns(table),
        table.name.sql(dialect),
        key.join(", ")
    );
    statement(text, table.columns.iter().map(|column| column.ty))
}

/// How many rows there are, and of each column, how many values that are not null.
fn count(table: &Table, dialect: Dialect) -> Statement {
    let mut text = "SELECT count(*)".to_owned();
    for column in &table.columns {
        text.push_str(&format!(", count({})", quoted(&column.name)));
    }
    text.push_str(&format!(" FROM {}", table.name.sql(dialect)));
    statement(
        text,
        std::iter::repeat_n(ColumnType::Int, table.columns.len() + 1),
    )
}

/// The last key that a table gave out, whether its row is still there or not.
fn last_key(table: &Table, dialect: Dialect) -> Statement {
    let name = table.name.sql(dialect).replace('\'', "''");
    let text = match dialect {
        Dialect::Sqlite => format!(
            "SELECT seq FROM sqlite_sequence WHERE name = '{}'",
            table.name.flat().replace('\'', "''")
        ),
        Dialect::Postgres => format!(
            "SELECT coalesce(pg_sequence_last_value(pg_get_serial_sequence('{name}', '{}')::regclass), 0)",
            table.key.join("").replace('\'', "''")
        ),
    };
    statement(text, [ColumnType::Int])
}

fn statement(text: String, types: impl IntoIterator<Item = ColumnType>) -> Statement {
    let shape = Shape {
        columns: types
            .into_iter()
            .map(|ty| Output::Captured { ty })
            .collect(),
        capture: Capture::Every,
    };
    Statement {
        text,
        params: Vec::new(),
        shape: Arc::new(shape),
        lane: Lane::Unbounded,
    }
}

impl std::fmt::Display for CopyError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            CopyError::Source(error) => write!(f, "the source: {error}"),
            CopyError::Target(error) => write!(f, "the target: {error}"),
            CopyError::SourceTables(_) => write!(f, "the tables of the source are not the app's"),
            CopyError::TargetTables(_) => write!(f, "the tables of the target are not the app's"),
            CopyError::Occupied(tables) => {
                let names: Vec<String> = tables
                    .iter()
                    .map(|name| format!("{}.{}", name.namespace, name.name))
                    .collect();
                write!(f, "the target is not empty: {}", names.join(", "))
            }
            CopyError::Differs { table, how } => {
                write!(f, "{}.{}: {how}", table.namespace, table.name)
            }
        }
    }
}
