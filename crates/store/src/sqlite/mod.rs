//! SQLite: one file, many readers, one writer.
//!
//! - `readers`: short reads run inline on the caller's thread, the rest on threads of their own.
//! - `writer`: one thread, one transaction for everybody who waits (`turn` is one caller's part in it); while
//!   idle it spares readers a lock (`pin`).
//! - `rows`, `encode`: rows become JSON; `exact`: sums and averages without rounding; `search`: words and ranks;
//!   `connection`: how a connection is opened; `prepared`: its statements; `error`: what codes mean.
//! - `introspect`, `migration`, `load`: tables, and bulk.
//!
//! In WAL mode readers never wait for the writer. A second *server* on one file is refused; command-line
//! programs may write beside it, and each waits for the other's transactions.

pub mod backup;
mod connection;
pub(crate) mod encode;
mod error;
mod exact;
mod ffi;
mod fill;
mod introspect;
mod load;
mod migration;
mod pin;
mod prepared;
mod readers;
mod rows;
pub(crate) mod search;
mod snapshot;
mod turn;
mod writer;

use crate::transaction::{ROUNDS, pause};
use crate::{Bounds, Changed, Decision, End, Result, StoreError, Tx};
use connection::{Role, Session};
use parking_lot::Mutex;
use readers::{Inline, Place, Readers};
use spec::statement::{Lane, Rows, Statement, Step, Written};
use spec::value::Value;
use std::fs::File;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};
use turn::{BodyTurn, ChangeTurn, WriteTurn};
use writer::{Job, Writer};

/// How a database is opened.
#[derive(Debug, Clone)]
pub struct Options {
    /// Takes the file for itself among servers: a second one is refused. Command-line programs leave it off.
    pub server: bool,
    /// Connections for reads on the caller's thread; as many as there are such threads is right.
    pub inline: usize,
    /// Threads for reads that are not plainly bounded.
    pub readers: usize,
    /// The longest an inline read may block its thread; what takes longer begins again on a reader thread.
    pub inline_budget: Duration,
    /// The longest a write may hold up the writer, whatever its deadline.
    pub turn_budget: Duration,
    /// How long to wait for a lock that another program holds.
    pub busy_timeout: Duration,
    /// Page cache of each reading connection, in bytes. Pages come through `mmap`, so little is needed.
    pub reader_cache: usize,
    /// Page cache of the writer, in bytes.
    pub writer_cache: usize,
    /// How much of the file is mapped, in bytes.
    pub mmap: u64,
    /// The file may not grow beyond this many pages (of 4 KiB).
    pub max_pages: Option<u32>,
    /// Whether a write that is acknowledged survives the end of the machine. Not so for a database that is thrown
    /// away with the test it is for.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Options {
        let cores = std::thread::available_parallelism().map_or(2, usize::from);
        Options {
            server: false,
            inline: cores.clamp(2, 16),
            readers: cores.clamp(2, 8),
            inline_budget: Duration::from_millis(20),
            turn_budget: Duration::from_secs(5),
            busy_timeout: Duration::from_secs(2),
            reader_cache: 2 << 20,
            writer_cache: 4 << 20,
            mmap: 256 << 20,
            max_pages: None,
            durable: true,
        }
    }
}

/// What a store is doing, for gauges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Writes that wait for the writer.
    pub writes_queued: usize,
    /// Transactions committed, and the writes in them.
    pub groups: u64,
    pub writes: u64,
    /// How many writes the last transaction held.
    pub last_group: usize,
    /// Transactions begun again because one of their writes lost them.
    pub restarts: u64,
    /// Reads that wait for a reader thread.
    pub reads_queued: usize,
    /// Bytes of the write-ahead log.
    pub log_bytes: u64,
}

/// An open database.
pub struct Sqlite {
    path: Arc<PathBuf>,
    options: Arc<Options>,
    inline: Inline,
    readers: Readers,
    watch: Mutex<Place>,
    writer: Writer,
}

impl Sqlite {
    /// Opens the file, and makes it where it is not there. Blocks for a few milliseconds.
    pub fn open(path: impl AsRef<Path>, options: Options) -> Result<Sqlite> {
        let path = path.as_ref();
        if let Some(folder) = path
            .parent()
            .filter(|folder| !folder.as_os_str().is_empty())
        {
            std::fs::create_dir_all(folder).map_err(|cause| unavailable(folder, &cause))?;
        }
        let lock = options.server.then(|| lock(path)).transpose()?;
        let path = Arc::new(path.to_owned());
        let options = Arc::new(options);
        let writer = Writer::start(&path, &options, lock)?;
        Ok(Sqlite {
            inline: Inline::new(&path, &options),
            watch: Mutex::new(Place::new(&path, &options, Role::Reader)),
            readers: Readers::start(&path, &options)?,
            writer,
            path,
            options,
        })
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    pub async fn read(&self, statement: &Statement, bounds: Bounds) -> Result<Rows> {
        match statement.lane {
            Lane::Bounded => {
                self.writer.reads();
                let budget = Instant::now() + self.options.inline_budget;
                let inline = self.inline.run(bounds.deadline.min(budget), |session| {
                    rows::read(session, statement, bounds.emit)
                });
                match inline {
                    // Not so short after all. Its thread has others to serve, so it begins again on one that
                    // has not.
                    // Nor does it wait for a lock.
                    Err(StoreError::Timeout | StoreError::Busy { .. })
                        if Instant::now() < bounds.deadline =>
                    {
                        Box::pin(self.read_apart(statement, bounds)).await
                    }
                    result => result,
                }
            }
            Lane::Unbounded | Lane::ByValues => Box::pin(self.read_apart(statement, bounds)).await,
        }
    }

    /// Reads on a reader thread.
    async fn read_apart(&self, statement: &Statement, bounds: Bounds) -> Result<Rows> {
        let statement = statement.clone();
        self.readers
            .run(bounds.deadline, move |session| {
                rows::read(session, &statement, bounds.emit)
            })
            .await
    }

    pub async fn write(&self, steps: Vec<Step>, deadline: Instant) -> Result<Written> {
        let (turn, answer) = WriteTurn::new(steps, deadline);
        self.writer.send(Job::Turn(Box::new(turn)))?;
        answer.await.map_err(|_| closed())?
    }

    pub async fn change<T: Send + 'static>(
        &self,
        read: Statement,
        deadline: Instant,
        decide: impl FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
    ) -> Result<Changed<T>> {
        let (turn, answer) = ChangeTurn::new(read, deadline, decide);
        self.writer.send(Job::Turn(Box::new(turn)))?;
        answer.await.map_err(|_| closed())?
    }

    /// See [`crate::Store::transact`].
    pub async fn transact<T, F, B>(&self, deadline: Instant, body: B) -> Result<T>
    where
        T: Send + 'static,
        F: Future<Output = Result<End<T>>> + Send + 'static,
        B: Fn(Tx) -> F + Send + Sync + 'static,
    {
        let body = Arc::new(body);
        for round in 0..ROUNDS {
            let (turn, answer) = BodyTurn::new(Arc::clone(&body), deadline);
            self.writer.send(Job::Turn(Box::new(turn)))?;
            match answer.await.map_err(|_| closed())?? {
                End::Commit(told) | End::Undo(told) => return Ok(told),
                End::Again => tokio::time::sleep(pause(round)).await,
            }
        }
        Err(StoreError::Contended)
    }

    /// Runs on a reader thread.
    pub(crate) async fn on_reader<T: Send + 'static>(
        &self,
        deadline: Instant,
        run: impl FnOnce(&Session) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.readers.run(deadline, run).await
    }

    /// Runs inline, always on the same connection.
    pub(crate) fn on_watch<T>(
        &self,
        run: impl FnOnce(&Session) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let deadline = Instant::now() + self.options.inline_budget;
        self.watch.lock().run(deadline, run)
    }

    /// Runs on the writer's thread with nothing else in between, outside any transaction.
    async fn alone<T: Send + 'static>(
        &self,
        run: impl FnOnce(&Session) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        self.writer
            .send(Job::Alone(Box::new(move |session: Result<&Session>| {
                let result =
                    session.and_then(|session| unwound(|| run(session)).and_then(|result| result));
                let ended_well = result.is_ok();
                let _ = reply.send(result);
                ended_well
            })))?;
        answer.await.map_err(|_| closed())?
    }

    pub fn stats(&self) -> Stats {
        let counters = &self.writer.counters;
        Stats {
            writes_queued: counters.queued.load(Ordering::Relaxed),
            groups: counters.groups.load(Ordering::Relaxed),
            writes: counters.turns.load(Ordering::Relaxed),
            last_group: counters.last_group.load(Ordering::Relaxed),
            restarts: counters.restarts.load(Ordering::Relaxed),
            reads_queued: self.readers.waiting(),
            log_bytes: log_bytes(&self.path),
        }
    }

    /// Finishes what was sent before, brings the log into the file and lets go of it. Writes after this fail.
    pub async fn close(&self) {
        let (reply, closed) = tokio::sync::oneshot::channel();
        if self.writer.send(Job::Close(Some(reply))).is_ok() {
            let _ = closed.await;
        }
    }
}

/// Takes `data.db.lock` beside the database. The system lets go of it when the process ends, however it ends.
fn lock(path: &Path) -> Result<File> {
    let mut name = path.as_os_str().to_owned();
    name.push(".lock");
    let name = PathBuf::from(name);
    let file = File::options()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&name)
        .map_err(|cause| unavailable(&name, &cause))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(StoreError::Busy {
            cause: format!(
                "another server uses {}; stop it, or give this one a database of its own",
                path.display()
            ),
        }),
        Err(std::fs::TryLockError::Error(cause)) => Err(unavailable(&name, &cause)),
    }
}

fn log_bytes(path: &Path) -> u64 {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    std::fs::metadata(name).map_or(0, |file| file.len())
}

fn unavailable(path: &Path, cause: &std::io::Error) -> StoreError {
    StoreError::Unavailable {
        cause: format!("{}: {cause}", path.display()),
        maybe: false,
    }
}

fn closed() -> StoreError {
    StoreError::Unavailable {
        cause: "the store is closed".to_owned(),
        maybe: false,
    }
}

/// A panic in what others gave us to run must not end the thread that runs it.
fn unwound<T>(run: impl FnOnce() -> T) -> Result<T> {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).map_err(|panic| {
        let said = panic
            .downcast_ref::<&str>()
            .map(|text| (*text).to_owned())
            .or_else(|| panic.downcast_ref::<String>().cloned())
            .unwrap_or_default();
        StoreError::Other {
            cause: format!("panicked: {said}"),
        }
    })
}

#[cfg(test)]
pub(crate) mod tests;
