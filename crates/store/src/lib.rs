//! Runs statements, and brings a database to a schema. Two stores, one behaviour.
//!
//! Absent here: what a model means, rules, HTTP.

pub mod changes;
pub mod copy;
pub mod error;
pub mod migrate;
pub mod postgres;
pub mod snapshot;
pub mod sqlite;
#[cfg(test)]
mod tests;
mod transaction;

pub use error::{Result, StoreError};
pub use transaction::{End, Tx};

use changes::{ChangeBatch, Mark, Offset};
use migrate::{Applied, Extras, Migration, Plan, Terms};
use spec::Dialect;
use spec::schema::Schema;
use spec::statement::{Rows, Statement, Step, Written};
use spec::value::Value;
use std::future::Future;
use std::time::Instant;

/// The target of the statement log: an event at `TRACE` for each statement that is handed to a store, with its
/// text. Values are parameters, so they are not in it. Nobody listening, it costs a look at a flag.
pub const STATEMENTS: &str = "mainstay::statements";

fn note(statement: &Statement) {
    tracing::trace!(target: STATEMENTS, text = %statement.text);
}

/// The database under one or more modules.
// There are a handful of them in a process, each behind a pointer: their size does not matter.
#[allow(clippy::large_enum_variant)]
pub enum Store {
    Sqlite(sqlite::Sqlite),
    Postgres(postgres::Postgres),
}

/// Bounds of one read.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// Rows written into the body at most; one more only sets [`Rows::more`].
    pub emit: u32,
    /// When to give up with [`StoreError::Timeout`].
    pub deadline: Instant,
}

/// What to do after looking at the stored record.
pub enum Decision<T> {
    /// Nothing is written.
    Stop(T),
    /// These steps, all or none.
    Write(Vec<Step>, T),
}

/// What became of [`Store::change`].
#[derive(Debug)]
pub enum Changed<T> {
    Stopped(T),
    Done(T, Vec<Vec<Value>>),
    /// A step missed although the record read stayed the same: a condition in its `where` does not hold.
    Missed(T, usize),
}

/// What [`Store::load`] is fed with.
pub enum Batch {
    /// Each is an item.
    Steps(Vec<Step>),
    Items(Items),
    /// That was all. Without it, everything is undone when the channel closes.
    Commit,
}

/// Items that can be written at once, or one by one where that fails: to find out for which.
pub struct Items {
    pub count: usize,
    /// None where the store has no quicker way.
    pub at_once: Option<Vec<Step>>,
    /// The steps of each item.
    pub each: Box<dyn FnOnce() -> Result<Vec<Vec<Step>>> + Send>,
}

/// What became of [`Store::load`].
#[derive(Debug, Clone, PartialEq)]
pub enum Loaded {
    /// Committed and durable.
    Done { items: u64 },
    /// A step of this item (counted from 0 over all batches) missed; nothing was written.
    Missed { item: u64 },
    /// A step of this item failed; nothing was written.
    Refused { item: u64, error: StoreError },
    /// The channel closed before [`Batch::Commit`]; nothing was written.
    Abandoned,
}

impl Loaded {
    /// How many items were done, for whom it does not matter which one was not.
    pub fn done(self) -> Result<u64> {
        match self {
            Loaded::Done { items } => Ok(items),
            Loaded::Missed { .. } => Err(StoreError::Contended),
            Loaded::Refused { error, .. } => Err(error),
            Loaded::Abandoned => Err(StoreError::Other {
                cause: "the load was abandoned".to_owned(),
            }),
        }
    }
}

impl Store {
    pub fn dialect(&self) -> Dialect {
        match self {
            Store::Sqlite(_) => Dialect::Sqlite,
            Store::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Called by a thread that will serve requests, inside its own runtime: on PostgreSQL it gets connections
    /// for bounded reads that this runtime drives.
    pub fn settle(&self) {
        match self {
            // Its connections are for whoever runs on them.
            Store::Sqlite(_) => {}
            Store::Postgres(store) => store.settle(),
        }
    }

    /// Runs a statement that reads, and writes its rows as JSON.
    pub async fn read(&self, statement: &Statement, bounds: Bounds) -> Result<Rows> {
        note(statement);
        match self {
            Store::Sqlite(store) => store.read(statement, bounds).await,
            Store::Postgres(store) => store.read(statement, bounds).await,
        }
    }

    /// Runs the steps in one transaction, all or none; answers when they are durable.
    pub async fn write(&self, steps: Vec<Step>, deadline: Instant) -> Result<Written> {
        steps.iter().for_each(|step| note(&step.statement));
        match self {
            Store::Sqlite(store) => store.write(steps, deadline).await,
            Store::Postgres(store) => store.write(steps, deadline).await,
        }
    }

    /// Reads one record (the captured columns of `read`'s only row, `None` where there is none), lets
    /// `decide` look at it, and runs the steps it returns. On SQLite all of it is one turn of the writer.
    /// On PostgreSQL the steps name the version that was read: when one misses, the record is read again,
    /// and if it has moved, decided again; a bounded number of times, then [`StoreError::Contended`].
    pub async fn change<T: Send + 'static>(
        &self,
        read: Statement,
        deadline: Instant,
        mut decide: impl FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
    ) -> Result<Changed<T>> {
        note(&read);
        let decide = move |row: Option<&[Value]>| {
            let decision = decide(row);
            if let Decision::Write(steps, _) = &decision {
                steps.iter().for_each(|step| note(&step.statement));
            }
            decision
        };
        match self {
            Store::Sqlite(store) => store.change(read, deadline, decide).await,
            Store::Postgres(store) => store.change(read, deadline, decide).await,
        }
    }

    /// Runs `body` in one transaction: it reads, decides and writes as often as it likes, and sees what it wrote.
    /// All of that stands when this answers, or nothing. On SQLite it is one turn of the writer, on PostgreSQL a
    /// connection of its own. It may be run more than once: the last run counts.
    ///
    /// For one record [`Store::change`] is cheaper: on PostgreSQL it needs no connection of its own.
    pub async fn transact<T, F, B>(&self, deadline: Instant, body: B) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<End<T>>> + Send + 'static,
        B: Fn(Tx) -> F + Send + Sync + 'static,
    {
        match self {
            Store::Sqlite(store) => store.transact(deadline, body).await,
            Store::Postgres(store) => store.transact(deadline, body).await,
        }
    }

    /// Runs any number of steps in one transaction, all or none. The receiver is dropped at the first failure,
    /// so that sending fails; the reason is this function's answer.
    pub async fn load(&self, batches: tokio::sync::mpsc::Receiver<Batch>) -> Result<Loaded> {
        match self {
            Store::Sqlite(store) => store.load(batches).await,
            Store::Postgres(store) => store.load(batches).await,
        }
    }

    /// What lies between the database and the schema. Changes nothing.
    pub async fn migration(&self, wanted: &Schema, extras: Extras) -> Result<Plan> {
        match self {
            Store::Sqlite(store) => store.migration(wanted, extras).await,
            Store::Postgres(store) => store.migration(wanted, extras).await,
        }
    }

    /// Whether the tables have what the schema needs. No records are counted: it is asked while others are served.
    pub async fn has(&self, wanted: &Schema) -> Result<bool> {
        let plan = match self {
            Store::Sqlite(store) => store.compared(wanted).await,
            Store::Postgres(store) => store.compared(wanted).await,
        };
        Ok(plan?.is_settled())
    }

    /// Compares again under a lock and runs the plan, if all of it is allowed. On SQLite all or nothing; on
    /// PostgreSQL what runs outside of a transaction divides it, and what is done before a failure stays.
    pub async fn apply(&self, wanted: &Schema, terms: impl Into<Terms>) -> Result<Applied> {
        let terms = terms.into();
        match self {
            Store::Sqlite(store) => store.apply(wanted, terms).await,
            Store::Postgres(store) => store.apply(wanted, terms).await,
        }
    }

    /// The migrations that ran, oldest first.
    pub async fn migrations(&self) -> Result<Vec<Migration>> {
        match self {
            Store::Sqlite(store) => store.migrations().await,
            Store::Postgres(store) => store.migrations().await,
        }
    }

    /// At most `limit` changes after an offset; each record's in the order in which they happened.
    pub async fn changes(&self, after: &Offset, limit: u32) -> Result<ChangeBatch> {
        match self {
            Store::Sqlite(store) => store.changes(after, limit).await,
            Store::Postgres(store) => store.changes(after, limit).await,
        }
    }

    /// Behind everything that is committed now.
    pub async fn changes_head(&self) -> Result<Offset> {
        match self {
            Store::Sqlite(store) => store.changes_head().await,
            Store::Postgres(store) => store.changes_head().await,
        }
    }

    /// Differs from the last answer when something may have been written since, by whatever process.
    pub async fn changes_mark(&self) -> Result<Mark> {
        match self {
            Store::Sqlite(store) => store.changes_mark().await,
            Store::Postgres(store) => store.changes_mark().await,
        }
    }

    /// Forgets changes from before a moment (microseconds since 1970), in slices that hold nobody up for long.
    /// Returns how many.
    pub async fn forget_changes(&self, older_than: i64) -> Result<u64> {
        match self {
            Store::Sqlite(store) => store.forget_changes(older_than).await,
            Store::Postgres(store) => store.forget_changes(older_than).await,
        }
    }

    /// Finishes what is under way and lets go of the database. What comes after fails.
    pub async fn close(&self) {
        match self {
            Store::Sqlite(store) => store.close().await,
            Store::Postgres(store) => store.close().await,
        }
    }
}
