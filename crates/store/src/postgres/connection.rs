//! A connection that many share: statements are pipelined, and prepared once.

use super::error::Failure;
use super::param::Param;
use parking_lot::Mutex;
use spec::Value;
use spec::statement::Statement;
use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use tokio::sync::OnceCell;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Error, NoTls, Row, Socket, tls::NoTlsStream};

/// What drives a connection: to be awaited until the connection ends.
pub(super) type Driver = tokio_postgres::Connection<Socket, NoTlsStream>;

/// Statements kept prepared on a connection. Each costs the server some 20–100 KB.
const PREPARED: usize = 512;

pub(super) struct Connection {
    client: Client,
    statements: Mutex<Statements>,
    in_flight: AtomicUsize,
}

/// What a statement gave.
pub(super) struct Answer {
    pub(super) rows: Vec<Row>,
    /// Rows returned if it returns rows, rows affected otherwise.
    pub(super) count: u64,
}

impl Connection {
    pub(super) async fn open(
        config: &tokio_postgres::Config,
    ) -> Result<(Arc<Connection>, Driver), Error> {
        let (client, driver) = config.connect(NoTls).await?;
        let connection = Connection {
            client,
            statements: Mutex::new(Statements::default()),
            in_flight: AtomicUsize::new(0),
        };
        Ok((Arc::new(connection), driver))
    }

    pub(super) fn client(&self) -> &Client {
        &self.client
    }

    pub(super) fn is_closed(&self) -> bool {
        self.client.is_closed()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.in_flight.load(Ordering::Relaxed)
    }

    /// Counts a statement as in flight as long as the guard lives.
    pub(super) fn enter(self: &Arc<Connection>) -> Flight {
        self.in_flight.fetch_add(1, Ordering::Relaxed);
        Flight(Arc::clone(self))
    }

    /// Runs a statement, and once more where it has to be prepared again. Do not call it inside a transaction.
    pub(super) async fn run(&self, statement: &Statement) -> Result<Answer, Error> {
        let prepared = self.prepare(&statement.text).await?;
        match run(&self.client, &prepared, statement).await {
            Err(error) if Failure::of(&error) == Failure::Stale => {
                self.forget(&statement.text);
                let prepared = self.prepare(&statement.text).await?;
                run(&self.client, &prepared, statement).await
            }
            answer => answer,
        }
    }

    /// The prepared statement of a text. Whoever asks first prepares it, the others wait for that; statements
    /// that are prepared already pass by.
    pub(super) async fn prepare(&self, text: &str) -> Result<tokio_postgres::Statement, Error> {
        let cell = self.statements.lock().cell(text);
        if let Some(prepared) = cell.get() {
            return Ok(prepared.clone());
        }
        let prepared = cell.get_or_try_init(|| self.client.prepare(text)).await;
        prepared.cloned()
    }

    pub(super) fn forget(&self, text: &str) {
        self.statements.lock().kept.remove(text);
    }
}

pub(super) struct Flight(Arc<Connection>);

impl Deref for Flight {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.0
    }
}

impl Drop for Flight {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// Runs a prepared statement. It is sent on the first poll, so that what is polled in order runs in order.
pub(super) async fn run(
    client: &Client,
    prepared: &tokio_postgres::Statement,
    statement: &Statement,
) -> Result<Answer, Error> {
    let params: Vec<Param<'_>> = statement.params.iter().map(Param).collect();
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
    if prepared.columns().is_empty() {
        let count = client.execute(prepared, &params).await?;
        Ok(Answer {
            rows: Vec::new(),
            count,
        })
    } else {
        let rows = client.query(prepared, &params).await?;
        let count = rows.len() as u64;
        Ok(Answer { rows, count })
    }
}

/// Runs a text with parameters that nobody keeps prepared.
pub(super) async fn query(
    client: &Client,
    text: &str,
    params: &[Value],
) -> Result<Vec<Row>, Error> {
    let params: Vec<Param<'_>> = params.iter().map(Param).collect();
    let params: Vec<&(dyn ToSql + Sync)> = params.iter().map(|param| param as _).collect();
    client.query(text, &params).await
}

/// Prepared statements by text; the one unused for longest makes room.
#[derive(Default)]
struct Statements {
    kept: HashMap<Box<str>, Kept>,
    clock: u64,
}

struct Kept {
    cell: Arc<OnceCell<tokio_postgres::Statement>>,
    used: u64,
}

impl Statements {
    fn cell(&mut self, text: &str) -> Arc<OnceCell<tokio_postgres::Statement>> {
        self.clock += 1;
        if let Some(kept) = self.kept.get_mut(text) {
            kept.used = self.clock;
            return Arc::clone(&kept.cell);
        }
        if self.kept.len() >= PREPARED {
            // Rare, and it looks at 512 numbers: cheaper than a list that every use has to keep in order.
            let oldest = self
                .kept
                .iter()
                .min_by_key(|(_, kept)| kept.used)
                .map(|(text, _)| text.clone());
            if let Some(oldest) = oldest {
                self.kept.remove(&oldest);
            }
        }
        let cell = Arc::new(OnceCell::new());
        self.kept.insert(
            text.into(),
            Kept {
                cell: Arc::clone(&cell),
                used: self.clock,
            },
        );
        cell
    }
}
