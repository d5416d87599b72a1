//! Runs statements, and brings a database to a schema. Two stores, one behaviour.
//!
//! Absent here: what a model means, rules, HTTP.

pub mod changes;
pub mod error;
pub mod migrate;
pub mod postgres;
pub mod sqlite;

pub use error::{Result, StoreError};

use spec::Dialect;
use spec::statement::{Rows, Statement, Step, Written};
use spec::value::Value;
use std::time::Instant;

/// The database under one or more modules.
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

impl Store {
    pub fn dialect(&self) -> Dialect {
        match self {
            Store::Sqlite(_) => Dialect::Sqlite,
            Store::Postgres(_) => Dialect::Postgres,
        }
    }

    /// Runs a statement that reads, and writes its rows as JSON.
    pub async fn read(&self, statement: &Statement, bounds: Bounds) -> Result<Rows> {
        match self {
            Store::Sqlite(store) => store.read(statement, bounds).await,
            Store::Postgres(store) => store.read(statement, bounds).await,
        }
    }

    /// Runs the steps in one transaction, all or none; answers when they are durable.
    pub async fn write(&self, steps: Vec<Step>, deadline: Instant) -> Result<Written> {
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
        decide: impl FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
    ) -> Result<Changed<T>> {
        match self {
            Store::Sqlite(store) => store.change(read, deadline, decide).await,
            Store::Postgres(store) => store.change(read, deadline, decide).await,
        }
    }
}
