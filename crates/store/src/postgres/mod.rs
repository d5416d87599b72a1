//! PostgreSQL, through tokio-postgres, in three lanes.
//!
//! | lane | for | limits |
//! |---|---|---|
//! | read | bounded reads, pipelined over a few shared connections, where there are some the calling thread's own | the connection's: 250 ms a statement |
//! | write | writes of one statement, in groups over a few connections | the same, and 50 ms for a lock |
//! | pool | everything else, each on a connection of its own | the request's deadline |
//!
//! What meets a limit on a shared connection runs again on the pool. Nothing is ever cancelled on a shared
//! connection: a cancel hits whatever runs at the moment it arrives, which is the neighbour as often as not.

mod archive;
mod catalogue;
mod cell;
mod config;
mod connection;
mod cursor;
mod databases;
mod error;
mod fill;
mod homes;
mod introspect;
mod join;
mod lane;
mod load;
mod migration;
mod numeric;
mod param;
mod pool;
mod rows;
mod server;
mod snapshot;
mod transact;
mod writer;

pub use archive::Archive;
pub use config::Options;
pub use databases::Databases;

use crate::{Bounds, Changed, Decision, End, Result, StoreError, Tx};
use error::Failure;
use homes::Homes;
use lane::{Lane, jittered};
use pool::Pool;
use spec::statement::{Lane as Where, Output, Rows, Statement, Step, Written};
use spec::value::Value;
use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};
use writer::Writer;

/// A PostgreSQL database. Dropping it closes its connections.
pub struct Postgres {
    reads: Lane,
    homes: Homes,
    writes: Writer,
    pool: Pool,
    configs: config::Configs,
    readers_per_thread: usize,
    patience: Duration,
    online_from: u64,
}

/// How busy the connections are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Stats {
    /// Shared connections that are open, those of serving threads included.
    pub readers: usize,
    pub writers: usize,
    /// Statements on their way, per lane.
    pub reads_in_flight: usize,
    pub writes_in_flight: usize,
    /// Writes that wait for a connection.
    pub writes_waiting: usize,
    /// Connections of the pool: the most there may be, open, in use, and callers waiting for one.
    pub pool_max: usize,
    pub pool_size: usize,
    pub pool_in_use: usize,
    pub pool_waiting: usize,
}

/// How long after one connection was lost the others are left alone.
const NOTICE: Duration = Duration::from_millis(5);

/// Rounds of [`Postgres::change`] before it gives up.
const ROUNDS: u32 = 10;

impl Postgres {
    /// Connects, and checks that the server is one that Mainstay runs on.
    ///
    /// The URL is libpq's, `postgres://user:password@host:port/database` (a host that begins with `/` is the
    /// folder of a unix socket).
    pub async fn connect(url: &str, options: Options) -> Result<Postgres> {
        let configs = config::parse(url, &options)?;
        server::check(&configs.pooled).await?;
        let pool = Pool::new(configs.pooled.clone(), options.pool, options.patience)?;
        let reads = Lane::start(&configs.shared, options.readers);
        let writes = Writer::start(
            &configs.shared,
            options.writers,
            options.group,
            &pool,
            options.patience,
        );
        let until = Instant::now() + options.patience;
        if reads.get(until).await.is_none() || !writes.ready(until).await {
            return Err(StoreError::Unavailable {
                cause: "the server gave one connection and no more".to_owned(),
                maybe: false,
            });
        }
        Ok(Postgres {
            reads,
            homes: Homes::new(),
            writes,
            pool,
            configs,
            readers_per_thread: options.readers_per_thread,
            patience: options.patience,
            online_from: options.online_from,
        })
    }

    /// Gives the calling thread connections of its own for bounded reads. See [`crate::Store::settle`].
    pub fn settle(&self) {
        self.homes
            .settle(&self.configs.shared, self.readers_per_thread);
    }

    /// Whether others of us are connected to the database, as far as they call themselves so and this role may see
    /// them.
    pub async fn is_served(&self) -> Result<bool> {
        let own = self.own().await?;
        let text = "select exists (select 1 from pg_stat_activity where datname = current_database() \
             and backend_type = 'client backend' and application_name = $1::text)";
        let name = [Value::text(&Options::default().application_name)];
        let rows = connection::query(own.client(), text, &name).await;
        let rows = rows.map_err(|error| error::map(&error, false))?;
        Ok(rows.first().is_some_and(|row| row.get(0)))
    }

    /// Runs a statement that reads. See [`crate::Store::read`].
    pub async fn read(&self, statement: &Statement, bounds: Bounds) -> Result<Rows> {
        let rows = self.rows(statement, bounds.deadline).await?;
        let is_snippets = |output: &Output| matches!(output, Output::Snippets { .. });
        if !statement.shape.columns.iter().any(is_snippets) {
            return Ok(rows::write(&rows, &statement.shape, bounds.emit)?);
        }
        // Each text is looked through: too long for a thread that serves others meanwhile.
        let (shape, emit) = (Arc::clone(&statement.shape), bounds.emit);
        let written = tokio::task::spawn_blocking(move || rows::write(&rows, &shape, emit));
        match tokio::time::timeout_at(bounds.deadline.into(), written).await {
            Ok(Ok(written)) => Ok(written?),
            Ok(Err(panic)) => Err(StoreError::Other {
                cause: panic.to_string(),
            }),
            Err(_) => Err(StoreError::Timeout),
        }
    }

    async fn read_shared(
        &self,
        statement: &Statement,
        deadline: Instant,
    ) -> Result<Vec<tokio_postgres::Row>> {
        let mut tries = 0;
        loop {
            tries += 1;
            let until = deadline.min(Instant::now() + self.patience);
            let connection = match self.homes.get() {
                Some(own) => own,
                None => self
                    .reads
                    .get(until)
                    .await
                    .ok_or_else(|| StoreError::Unavailable {
                        cause: "no connection to the database".to_owned(),
                        maybe: false,
                    })?,
            };
            // Giving up leaves the statement to the server, which ends it soon by itself.
            let answer = tokio::time::timeout_at(deadline.into(), connection.run(statement))
                .await
                .map_err(|_| StoreError::Timeout)?;
            match answer {
                Ok(answer) => return Ok(answer.rows),
                Err(error) => match Failure::of(&error) {
                    // A moment, for the other connections to notice that they are dead as well: a longer one each
                    // time, for a busy machine. Not often: it may be this statement that brings the server down.
                    Failure::Lost if tries < 4 => {
                        tokio::time::sleep(NOTICE * 4_u32.pow(tries - 1)).await;
                    }
                    Failure::Contended if tries < 3 => {}
                    Failure::Slow | Failure::Locked => {
                        return Ok(self.pool.read(statement, deadline).await?.rows);
                    }
                    Failure::Lost
                    | Failure::Contended
                    | Failure::Stale
                    | Failure::Refused
                    | Failure::Local => return Err(error::map(&error, false)),
                },
            }
        }
    }

    /// Runs the steps in one transaction. See [`crate::Store::write`].
    ///
    /// A step's count is the number of rows it returned if it returns rows, of rows it affected otherwise.
    /// A single step that expects one row must not be able to touch several: it is committed when that shows.
    pub async fn write(&self, steps: Vec<Step>, deadline: Instant) -> Result<Written> {
        match <[Step; 1]>::try_from(steps) {
            Ok([step]) if step.statement.lane == Where::Bounded => {
                self.writes.write(step, deadline).await
            }
            Ok(steps) => self.pool.write(&steps, deadline).await,
            Err(steps) if steps.is_empty() => Ok(Written::Done(Vec::new())),
            Err(steps) => self.pool.write(&steps, deadline).await,
        }
    }

    /// Reads, decides, writes, and again when somebody else was faster. See [`crate::Store::change`].
    pub async fn change<T: Send + 'static>(
        &self,
        read: Statement,
        deadline: Instant,
        mut decide: impl FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
    ) -> Result<Changed<T>> {
        let mut record = self.record(&read, deadline).await?;
        let mut wait = Duration::from_millis(1);
        for _ in 0..ROUNDS {
            let (steps, outcome) = match decide(record.as_deref()) {
                Decision::Stop(outcome) => return Ok(Changed::Stopped(outcome)),
                Decision::Write(steps, outcome) => (steps, outcome),
            };
            let missed = match self.write(steps, deadline).await? {
                Written::Done(captured) => return Ok(Changed::Done(outcome, captured)),
                Written::Missed { step } => step,
            };
            let again = self.record(&read, deadline).await?;
            if again == record {
                return Ok(Changed::Missed(outcome, missed));
            }
            record = again;
            // Those who collided should not collide again.
            tokio::time::sleep(jittered(wait)).await;
            wait = (wait * 2).min(Duration::from_millis(20));
        }
        Err(StoreError::Contended)
    }

    /// See [`crate::Store::transact`].
    pub async fn transact<T, F, B>(&self, deadline: Instant, body: B) -> Result<T>
    where
        F: Future<Output = Result<End<T>>>,
        B: Fn(Tx) -> F,
    {
        self.pool.transact(&body, deadline).await
    }

    /// The captured columns of the statement's only row.
    async fn record(&self, read: &Statement, deadline: Instant) -> Result<Option<Vec<Value>>> {
        let rows = self.rows(read, deadline).await?;
        let Some(row) = rows.first() else {
            return Ok(None);
        };
        let row = std::slice::from_ref(row);
        Ok(Some(rows::captured(row, &read.shape)?))
    }

    /// Row after row, the captured columns and nothing else.
    pub(crate) async fn captured(
        &self,
        statement: &Statement,
        deadline: Instant,
    ) -> Result<Vec<Value>> {
        let rows = self.rows(statement, deadline).await?;
        Ok(rows::captured(&rows, &statement.shape)?)
    }

    async fn rows(
        &self,
        statement: &Statement,
        deadline: Instant,
    ) -> Result<Vec<tokio_postgres::Row>> {
        match statement.lane {
            Where::Bounded => self.read_shared(statement, deadline).await,
            Where::Unbounded | Where::ByValues => {
                Ok(self.pool.read(statement, deadline).await?.rows)
            }
        }
    }

    /// Finishes the writes that wait, a few seconds long at most, and closes the connections. What comes after
    /// fails.
    pub async fn close(&self) {
        let until = Instant::now() + Duration::from_secs(5);
        let busy = |stats: Stats| {
            stats.writes_waiting
                + stats.writes_in_flight
                + stats.reads_in_flight
                + stats.pool_in_use
                > 0
        };
        while busy(self.stats()) && Instant::now() < until {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        self.writes.close();
        self.reads.close();
        self.homes.close();
        self.pool.close();
    }

    /// How busy the connections are now.
    pub fn stats(&self) -> Stats {
        let pool = self.pool.status();
        Stats {
            readers: self.reads.open() + self.homes.open(),
            writers: self.writes.open(),
            reads_in_flight: self.reads.in_flight() + self.homes.in_flight(),
            writes_in_flight: self.writes.in_flight(),
            writes_waiting: self.writes.waiting(),
            pool_max: pool.max_size,
            pool_size: pool.size,
            pool_in_use: pool.size.saturating_sub(pool.available),
            pool_waiting: pool.waiting,
        }
    }
}

#[cfg(test)]
pub(crate) mod tests;
