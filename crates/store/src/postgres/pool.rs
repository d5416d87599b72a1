//! Connections of their own: transactions of several steps, and statements that are not plainly bounded.

use super::connection::{Answer, run};
use super::error::{self, Failure};
use super::join::join_all;
use super::lane::{drive, jittered};
use super::{NOTICE, rows};
use crate::{Result, StoreError};
use deadpool_postgres::{
    ClientWrapper, Connect, Hook, Manager, ManagerConfig, Object, PoolError, RecyclingMethod,
    Runtime, Timeouts,
};
use spec::statement::{Expect, Lane, Statement, Step, Written};
use std::future::Future;
use std::ops::Deref;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::{Duration, Instant};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_postgres::{Error, NoTls};

/// Tries of a transaction that others beat, all in all.
const TRIES: u32 = crate::transaction::ROUNDS;

/// Between two tries to connect.
const PAUSE: Duration = Duration::from_millis(50);

/// Statements kept prepared on a connection.
const PREPARED: usize = 256;

/// How long a transaction that was not beaten yet waits for a lock before it counts as beaten. Two that took each
/// other's rows find out by this; the server looks for such a circle after `deadlock_timeout`, a second, which only a
/// superuser may change.
const GIVES_WAY: Duration = Duration::from_millis(100);

/// The class of the advisory lock behind which transactions wait that were beaten: "agai" in ASCII.
const TURNSTILE: i32 = 0x6167_6169;

#[derive(Clone)]
pub(super) struct Pool {
    pool: deadpool_postgres::Pool,
    patience: Duration,
}

/// Connects on the runtime that opened the store, which outlives the serving threads and theirs: a connection that
/// one of them asked for is another's next.
struct OnRuntime(Handle);

type Connected = std::result::Result<(tokio_postgres::Client, JoinHandle<()>), Error>;

impl Connect for OnRuntime {
    fn connect(
        &self,
        config: &tokio_postgres::Config,
    ) -> Pin<Box<dyn Future<Output = Connected> + Send + '_>> {
        let config = config.clone();
        let connecting = self.0.spawn(async move {
            let (client, driver) = config.connect(NoTls).await?;
            Ok((client, tokio::spawn(drive(driver))))
        });
        Box::pin(async move {
            match connecting.await {
                Ok(connected) => connected,
                // It is never aborted, and the runtime is over when this one is: nobody waits any more.
                Err(_) => std::future::pending().await,
            }
        })
    }
}

/// How a transaction ended without an answer.
pub(super) enum Ended {
    /// Run it again: it was undone.
    Again(StoreError),
    /// Run it again with statements prepared anew.
    Stale,
    /// The connection died before the commit was sent.
    Dead(StoreError),
    /// Tell the caller.
    Failed(StoreError),
}

impl Pool {
    pub(super) fn new(
        config: tokio_postgres::Config,
        size: usize,
        patience: Duration,
    ) -> Result<Pool> {
        let manager = Manager::from_connect(
            config,
            OnRuntime(Handle::current()),
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        let pool = deadpool_postgres::Pool::builder(manager)
            .max_size(size.max(1))
            .runtime(Runtime::Tokio1)
            .post_recycle(Hook::sync_fn(|client: &mut ClientWrapper, _| {
                if client.statement_cache.size() > PREPARED {
                    client.statement_cache.clear();
                }
                Ok(())
            }))
            .build()
            .map_err(|error| StoreError::Other {
                cause: error.to_string(),
            })?;
        Ok(Pool { pool, patience })
    }

    pub(super) fn status(&self) -> deadpool_postgres::Status {
        self.pool.status()
    }

    pub(super) fn close(&self) {
        self.pool.close();
    }

    pub(super) async fn get(&self, deadline: Instant) -> Result<Leased> {
        let left = deadline.saturating_duration_since(Instant::now());
        let timeouts = Timeouts {
            // A pool in use is waited for as long as there is time, a server that is away is not.
            wait: Some(left),
            create: Some(left.min(self.patience)),
            recycle: Some(left.min(self.patience)),
        };
        let patience = deadline.min(Instant::now() + self.patience);
        loop {
            match self.pool.timeout_get(&timeouts).await {
                Ok(object) => {
                    return Ok(Leased {
                        object: Some(object),
                    });
                }
                Err(PoolError::Timeout(deadpool_postgres::TimeoutType::Wait)) => {
                    return Err(StoreError::Overloaded);
                }
                // A server that restarts refuses at once, and is back in a moment.
                Err(PoolError::Backend(error))
                    if Failure::of(&error) == Failure::Lost
                        && Instant::now() + PAUSE < patience =>
                {
                    tokio::time::sleep(jittered(PAUSE)).await;
                }
                Err(PoolError::Backend(error)) => return Err(error::map(&error, false)),
                Err(error) => {
                    return Err(StoreError::Unavailable {
                        cause: error.to_string(),
                        maybe: false,
                    });
                }
            }
        }
    }

    /// Runs one statement that reads, under the deadline.
    pub(super) async fn read(&self, statement: &Statement, deadline: Instant) -> Result<Answer> {
        let mut tries = 0;
        let asked = Instant::now();
        loop {
            tries += 1;
            let reached = Reached::default();
            let once = self.read_once(statement, deadline, &reached);
            let ended = match tokio::time::timeout_at(deadline.into(), once).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(ended)) => ended,
                // A statement is read in no time, unless somebody has its tables to themselves.
                Err(_) if reached.turn.get().is_some() && reached.prepared.get().is_none() => {
                    Ended::Failed(StoreError::Busy {
                        cause: "a table was locked".to_owned(),
                    })
                }
                Err(_) => Ended::Failed(StoreError::Timeout),
            };
            let ended = match ended {
                Ended::Failed(error) => Ended::Failed(error.with_turn(
                    asked,
                    reached.turn.get().copied().unwrap_or_else(Instant::now),
                )),
                other => other,
            };
            match ended {
                Ended::Again(busy @ StoreError::Busy { .. }) => return Err(busy),
                Ended::Stale | Ended::Again(_) if tries < 3 => {}
                Ended::Dead(_) if tries < 3 => self.bury(tries).await,
                Ended::Stale => return Err(stale()),
                Ended::Dead(error) | Ended::Again(error) | Ended::Failed(error) => {
                    return Err(error);
                }
            }
        }
    }

    async fn read_once(
        &self,
        statement: &Statement,
        deadline: Instant,
        reached: &Reached,
    ) -> std::result::Result<Answer, Ended> {
        let client = self.get(deadline).await.map_err(Ended::Failed)?;
        reached.turn.get_or_init(Instant::now);
        let prepared = client
            .prepare_cached(&statement.text)
            .await
            .map_err(undone)?;
        reached.prepared.get_or_init(|| ());
        let planned = match statement.lane {
            Lane::ByValues => "; set local plan_cache_mode = force_custom_plan",
            Lane::Bounded | Lane::Unbounded => "",
        };
        // Sooner than the statement's own limit, so that whoever waits for a lock (a table that is being altered) is
        // told that, and not that the query is slow.
        let left = deadline.saturating_duration_since(Instant::now());
        let lock = (left.as_millis() * 9 / 10).max(1);
        let limits = limits(deadline);
        let begin = format!("begin read only; {limits}; set local lock_timeout = {lock}{planned}");
        // Polled in order, so sent in order: three messages and one wait.
        let (began, answer, ended) = tokio::join!(
            biased;
            client.batch_execute(&begin),
            run(&client, &prepared, statement),
            client.batch_execute("commit"),
        );
        match answer {
            Ok(answer) => {
                began.and(ended).map_err(undone)?;
                client.release();
                Ok(answer)
            }
            Err(error) => {
                let ended = undone(error);
                if matches!(ended, Ended::Stale) {
                    client.statement_cache.clear();
                }
                client.release();
                Err(ended)
            }
        }
    }

    /// Runs the steps in one transaction, again where others beat it.
    pub(super) async fn write(&self, steps: &[Step], deadline: Instant) -> Result<Written> {
        self.again(deadline, |beaten| {
            self.write_once(steps, Begin { deadline, beaten })
        })
        .await
    }

    /// Runs a transaction, again where others beat it (which it is told), and where it has not begun to be committed.
    pub(super) async fn again<T, F>(&self, deadline: Instant, once: impl Fn(bool) -> F) -> Result<T>
    where
        F: Future<Output = std::result::Result<T, Ended>>,
    {
        let mut tries = 0;
        let mut beaten = false;
        let mut wait = Duration::from_millis(2);
        loop {
            tries += 1;
            // The server keeps the limit; ours is for a server that does not answer, and leaves it some time.
            let patience = deadline + Duration::from_millis(500);
            let ended = match tokio::time::timeout_at(patience.into(), once(beaten)).await {
                Ok(Ok(done)) => return Ok(done),
                Ok(Err(ended)) => ended,
                Err(_) => {
                    return Err(StoreError::Unavailable {
                        cause: "the server did not answer in time".to_owned(),
                        maybe: true,
                    });
                }
            };
            let left = deadline.saturating_duration_since(Instant::now());
            match ended {
                Ended::Again(_) if tries < TRIES && left > wait => {
                    beaten = true;
                    tokio::time::sleep(jittered(wait)).await;
                    wait *= 2;
                }
                Ended::Stale if tries < 3 => {}
                Ended::Dead(_) if tries < 3 => self.bury(tries).await,
                Ended::Stale => return Err(stale()),
                // Behind the turnstile, where others were before it.
                Ended::Failed(StoreError::Timeout) if beaten => return Err(StoreError::Overloaded),
                Ended::Dead(error) | Ended::Again(error) | Ended::Failed(error) => {
                    return Err(error);
                }
            }
        }
    }

    /// Before another try on another connection. A server that went away took all with it, which are not met one by one.
    async fn bury(&self, tries: u32) {
        if tries > 1 {
            self.pool.retain(|_, _| false);
        }
        tokio::time::sleep(NOTICE).await;
    }

    async fn write_once(
        &self,
        steps: &[Step],
        begin: Begin,
    ) -> std::result::Result<Written, Ended> {
        let client = self.get(begin.deadline).await.map_err(Ended::Failed)?;
        let mut prepared = Vec::with_capacity(steps.len());
        for step in steps {
            let statement = client
                .prepare_cached(&step.statement.text)
                .await
                .map_err(undone)?;
            prepared.push(statement);
        }
        let begin = begin.text();
        // All steps go out at once. What runs behind a failed or missed one is undone with it.
        let work = steps
            .iter()
            .zip(&prepared)
            .map(|(step, prepared)| run(&client, prepared, &step.statement));
        let (began, answers) = tokio::join!(biased; client.batch_execute(&begin), join_all(work));
        let outcome = begun(began, &answers).and_then(|()| outcome(steps, answers));
        match outcome {
            Ok(written @ Written::Done(_)) => {
                client.commit().await?;
                Ok(written)
            }
            ended => {
                client.undo(matches!(ended, Err(Ended::Stale))).await;
                ended
            }
        }
    }
}

/// Whether what was sent behind a `begin` ran in its transaction. One that is refused by itself (cancelled, say) leaves
/// the statements without: each that was done is committed, and nobody can say that nothing was.
pub(super) fn begun(
    began: std::result::Result<(), Error>,
    answers: &[std::result::Result<Answer, Error>],
) -> std::result::Result<(), Ended> {
    began.map_err(|error| match answers.iter().any(|answer| answer.is_ok()) {
        true => Ended::Failed(StoreError::Unavailable {
            cause: "the transaction could not be begun".to_owned(),
            maybe: true,
        }),
        false => undone(error),
    })
}

fn stale() -> StoreError {
    StoreError::Other {
        cause: "a statement was prepared again and still refused as stale".to_owned(),
    }
}

fn limits(deadline: Instant) -> String {
    let left = deadline.saturating_duration_since(Instant::now());
    // Zero would mean no limit.
    format!("set local statement_timeout = {}", left.as_millis().max(1))
}

/// How far a read came, for when its time is up.
#[derive(Default)]
struct Reached {
    /// When it had a connection.
    turn: OnceLock<Instant>,
    /// The server has read the statement.
    prepared: OnceLock<()>,
}

/// How a transaction that writes begins.
#[derive(Clone, Copy)]
pub(super) struct Begin {
    pub(super) deadline: Instant,
    /// Others beat it before.
    pub(super) beaten: bool,
}

impl Begin {
    /// Who was beaten waits for the others of whom that is true: two transactions that took each other's rows would
    /// do so again and again. Behind the turnstile a lock is waited for as long as there is time, for whoever is not
    /// there gives way.
    pub(super) fn text(self) -> String {
        let limits = limits(self.deadline);
        match self.beaten {
            false => {
                let gives_way = GIVES_WAY.as_millis();
                format!("begin; {limits}; set local lock_timeout = {gives_way}")
            }
            true => format!("begin; {limits}; select pg_advisory_xact_lock({TURNSTILE}, 0)"),
        }
    }
}

/// An error before the commit was sent: whatever the cause, nothing of the transaction lasts.
pub(super) fn undone(error: Error) -> Ended {
    let mapped = error::map(&error, false);
    match Failure::of(&error) {
        Failure::Stale => Ended::Stale,
        Failure::Contended | Failure::Locked => Ended::Again(mapped),
        Failure::Lost => Ended::Dead(mapped),
        Failure::Slow | Failure::Refused | Failure::Local => Ended::Failed(mapped),
    }
}

/// The first step that failed or missed decides.
pub(super) fn outcome(
    steps: &[Step],
    answers: Vec<std::result::Result<Answer, Error>>,
) -> std::result::Result<Written, Ended> {
    let mut done = Vec::with_capacity(steps.len());
    for (at, (step, answer)) in steps.iter().zip(answers).enumerate() {
        let answer = answer.map_err(undone)?;
        if step.expect == Expect::One && answer.count != 1 {
            return Ok(Written::Missed { step: at });
        }
        let captured = rows::captured(&answer.rows, &step.statement.shape)
            .map_err(|malformed| Ended::Failed(malformed.into()))?;
        done.push(captured);
    }
    Ok(Written::Done(done))
}

/// A connection on loan. Where its user went away in the middle (a dropped future, an error), what still runs on
/// it is cancelled and the connection closed: nobody else was on it, so nobody else is hit.
pub(super) struct Leased {
    object: Option<Object>,
}

impl Leased {
    /// Gives the connection back: nothing runs on it and no transaction is open.
    pub(super) fn release(mut self) {
        drop(self.object.take());
    }

    /// Commits, and gives the connection back.
    pub(super) async fn commit(self) -> std::result::Result<(), Ended> {
        // The one moment in which nobody knows: the commit is out and its answer is not here.
        self.batch_execute("commit")
            .await
            .map_err(|error| match Failure::of(&error) {
                Failure::Lost => Ended::Failed(error::map(&error, true)),
                _ => undone(error),
            })?;
        self.release();
        Ok(())
    }

    /// Undoes the transaction, and gives the connection back. `stale`: its prepared statements are of no use.
    pub(super) async fn undo(self, stale: bool) {
        if stale {
            self.statement_cache.clear();
        }
        if self.batch_execute("rollback").await.is_ok() {
            self.release();
        }
    }
}

impl Deref for Leased {
    type Target = Object;

    fn deref(&self) -> &Object {
        // Present until `release` or `drop`, which end it.
        self.object.as_ref().expect("a lease holds its connection")
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        let Some(object) = self.object.take() else {
            return;
        };
        let client = Object::take(object);
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                let token = client.cancel_token();
                let cancel = token.cancel_query(NoTls);
                let _ = tokio::time::timeout(Duration::from_secs(2), cancel).await;
                drop(client);
            });
        }
    }
}
