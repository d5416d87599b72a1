//! The one thread that writes, and its group commit.
//!
//! Whoever waits is taken into one transaction, and all are answered after
//! one `COMMIT` (one fsync). While it runs the next group gathers: 64 callers share an fsync without waiting for
//! each other. Nobody is answered before the commit, for even a refusal ("the same name exists") may rest on
//! what another of the group has written.

use super::connection::{self, Role, Session};
use super::pin::{Activity, Pin};
use super::turn::{Effect, Turn};
use super::{Options, error, unwound};
use crate::{Result, StoreError};
use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::{Duration, Instant};

/// How many turns share a commit at most, and how long the first waits for the others to run.
const GROUP: usize = 256;
const GROUP_TIME: Duration = Duration::from_millis(2);
/// The same where many records are written at once: those of several callers change the same pages, which are then
/// written once.
const LONG_GROUP_TIME: Duration = Duration::from_millis(30);
/// A transaction is lost by a time limit inside a write, or by a full disk. It is begun again without the
/// culprit, with those that were in it and no others; this often, then everybody in the group fails.
const RESTARTS: usize = 4;
/// After this long without a write the log is brought into the database file.
const IDLE: Duration = Duration::from_millis(500);
/// How long the lock of reads is held at a stretch, and for how long it is let go in between.
const HELD: Duration = Duration::from_millis(250);
const FREE: Duration = Duration::from_millis(10);
/// A write-ahead log of more bytes than this is cut back as soon as no reader needs it.
const LONG_LOG: u64 = 16 << 20;

type Alone = Box<dyn FnOnce(Result<&Session>) -> bool + Send>;

pub enum Job {
    Turn(Box<dyn Turn>),
    /// Something with a transaction of its own: a migration, an import. It is given the reason where there is no
    /// connection, and answers whether it left the connection as it found it.
    Alone(Alone),
    /// Nothing to do: reads begin again.
    Wake,
    /// Everything sent before has been done when this is answered.
    Close(Option<tokio::sync::oneshot::Sender<()>>),
}

/// Figures of the writer, for gauges.
#[derive(Default)]
pub struct Counters {
    pub queued: AtomicUsize,
    pub groups: AtomicU64,
    pub turns: AtomicU64,
    pub last_group: AtomicUsize,
    pub restarts: AtomicU64,
}

pub struct Writer {
    jobs: mpsc::Sender<Job>,
    activity: Arc<Activity>,
    pub counters: Arc<Counters>,
}

impl Writer {
    /// Opens the database (and makes it, where it is not there) and starts the thread. `keep` lives as long as it.
    pub fn start(
        path: &Arc<PathBuf>,
        options: &Arc<Options>,
        keep: impl Send + 'static,
    ) -> Result<Writer> {
        let session = connection::open(path, options, Role::Writer).map_err(error::map)?;
        let (jobs, queue) = mpsc::channel();
        let counters = Arc::new(Counters::default());
        let activity = Arc::new(Activity::default());
        let thread = Thread {
            session,
            queue,
            held: None,
            counters: Arc::clone(&counters),
            path: Arc::clone(path),
            options: Arc::clone(options),
            reopen: false,
            busy: false,
            dirty: false,
            idle: Instant::now(),
            activity: Arc::clone(&activity),
            pin: Pin::new(path, options),
            free: false,
        };
        std::thread::Builder::new()
            .name("sqlite-write".to_owned())
            .spawn(move || {
                let closed = thread.run();
                drop(keep);
                if let Some(reply) = closed {
                    let _ = reply.send(());
                }
            })
            .map_err(|cause| StoreError::Unavailable {
                cause: format!("cannot start the writer thread: {cause}"),
                maybe: false,
            })?;
        Ok(Writer {
            jobs,
            activity,
            counters,
        })
    }

    /// A read begins.
    pub fn reads(&self) {
        self.activity.note(|| {
            // Nobody waits for it, so it does not count.
            let _ = self.jobs.send(Job::Wake);
        });
    }

    pub fn send(&self, job: Job) -> Result<()> {
        self.counters.queued.fetch_add(1, Ordering::Relaxed);
        self.jobs.send(job).map_err(|_| {
            self.counters.queued.fetch_sub(1, Ordering::Relaxed);
            super::closed()
        })
    }
}

/// What became of the group's transaction while a turn ran in it.
enum Ran {
    /// It is as it should be, with what the turn did or without.
    Through,
    /// Undone with all the others, because the turn failed half-way; it may run again.
    Undone,
    /// Gone, by the turn's fault.
    Lost,
}

struct Thread {
    session: Session,
    queue: mpsc::Receiver<Job>,
    /// Taken from the queue while a group gathered, and not part of one.
    held: Option<Job>,
    counters: Arc<Counters>,
    path: Arc<PathBuf>,
    options: Arc<Options>,
    /// The connection may be of no use any more.
    reopen: bool,
    /// The last group found the database locked by another program.
    busy: bool,
    /// Something was written since the last checkpoint.
    dirty: bool,
    /// When the last job was done.
    idle: Instant,
    activity: Arc<Activity>,
    pin: Pin,
    /// The pin was let go a moment ago, for others.
    free: bool,
}

impl Thread {
    /// Until it is closed; then returns who waits for that.
    fn run(mut self) -> Option<tokio::sync::oneshot::Sender<()>> {
        loop {
            match self.next() {
                Some(Job::Turn(first)) => self.group(first),
                Some(Job::Alone(alone)) => {
                    self.dirty = true;
                    let session = self.sound().map(|()| &self.session);
                    let ended_well = unwound(|| alone(session)).unwrap_or(false);
                    self.roll_back();
                    // What it set for itself (foreign keys off, say) may still be set.
                    self.reopen |= !ended_well;
                }
                Some(Job::Wake) => {}
                Some(Job::Close(reply)) => {
                    self.checkpoint();
                    return reply;
                }
                None => {
                    self.checkpoint();
                    return None;
                }
            }
        }
    }

    fn next(&mut self) -> Option<Job> {
        if let Some(held) = self.held.take() {
            return Some(held);
        }
        let job = match self.queue.try_recv() {
            Ok(job) => job,
            Err(_) => self.wait()?,
        };
        self.taken(&job);
        // Before a write: its commit may bring the log into the file, and begin it anew.
        self.pin.release();
        self.free = false;
        Some(job)
    }

    /// The next job, when there is one. Until then the log is brought into the file and reads are helped.
    fn wait(&mut self) -> Option<Job> {
        self.idle = Instant::now();
        loop {
            let timeout = if self.free {
                FREE
            } else if self.activity.is_seen() {
                self.pin.hold();
                HELD
            } else if self.dirty {
                IDLE
            } else if self.activity.sleep() {
                return self.queue.recv().ok();
            } else {
                continue;
            };
            match self.queue.recv_timeout(timeout) {
                Ok(job) => return Some(job),
                Err(mpsc::RecvTimeoutError::Timeout) => {}
                Err(mpsc::RecvTimeoutError::Disconnected) => return None,
            }
            self.free = self.pin.is_held();
            self.pin.release();
            if self.free {
                self.activity.forget();
            }
            // Other programs write, too, and cannot bring in a log while reads hold it.
            let long = || super::log_bytes(&self.path) > LONG_LOG;
            if (self.dirty && self.idle.elapsed() >= IDLE) || (self.free && long()) {
                self.checkpoint();
            }
        }
    }

    fn taken(&self, job: &Job) {
        if !matches!(job, Job::Wake) {
            self.counters.queued.fetch_sub(1, Ordering::Relaxed);
        }
    }

    /// The next turn that waits already. Anything else is held for later and ends the group.
    fn waiting(&mut self) -> Option<Box<dyn Turn>> {
        if self.held.is_some() {
            return None;
        }
        let job = self.queue.try_recv().ok()?;
        self.taken(&job);
        match job {
            Job::Turn(turn) => Some(turn),
            other => {
                self.held = Some(other);
                None
            }
        }
    }

    fn group(&mut self, first: Box<dyn Turn>) {
        let mut ahead = VecDeque::from([first]);
        // Run in the transaction that is open; and those that lost one, which have their own error.
        let mut done: Vec<Box<dyn Turn>> = Vec::new();
        let mut apart: Vec<Box<dyn Turn>> = Vec::new();
        let mut restarts = 0;
        if let Err(cause) = self.begin() {
            return self.refuse(ahead, &cause);
        }
        let started = Instant::now();
        let mut time = GROUP_TIME;
        loop {
            let mut turn = match ahead.pop_front() {
                Some(turn) => turn,
                None if restarts > 0 || done.len() >= GROUP || started.elapsed() > time => break,
                None => match self.waiting() {
                    Some(turn) => turn,
                    None => break,
                },
            };
            if turn.is_long() {
                time = LONG_GROUP_TIME;
            }
            let saved = restarts > 0 || turn.is_doubtful();
            let ran = self.run_one(&mut *turn, saved);
            let again = match ran {
                Ran::Through => {
                    done.push(turn);
                    continue;
                }
                // Last, and under a savepoint: what it failed for may rest on what the others wrote, and stands
                // or falls with them.
                Ran::Undone if !done.is_empty() || !ahead.is_empty() => Some(turn),
                // By its own fault, or with nobody else in it.
                Ran::Undone | Ran::Lost => {
                    apart.push(turn);
                    None
                }
            };
            for turn in done.drain(..).rev() {
                ahead.push_front(turn);
            }
            ahead.extend(again);
            restarts += 1;
            self.counters.restarts.fetch_add(1, Ordering::Relaxed);
            let again = if restarts > RESTARTS {
                Err(StoreError::Unavailable {
                    cause: "the transaction was lost too often".to_owned(),
                    maybe: false,
                })
            } else {
                self.begin()
            };
            if let Err(cause) = again {
                self.refuse(ahead, &cause);
                for turn in apart {
                    turn.answer();
                }
                return;
            }
        }
        if let Err(cause) = self.commit() {
            for turn in &mut done {
                turn.fail(cause.clone());
            }
        }
        let size = done.len() + apart.len();
        self.counters.groups.fetch_add(1, Ordering::Relaxed);
        self.counters
            .turns
            .fetch_add(size as u64, Ordering::Relaxed);
        self.counters.last_group.store(size, Ordering::Relaxed);
        for turn in done.into_iter().chain(apart) {
            turn.answer();
        }
    }

    /// Runs a turn in the open transaction. What it did is undone where it fails: back to a savepoint of its own
    /// if `saved`, otherwise with the whole transaction, which the others then lose and begin again. A turn that
    /// fails has hardly ever written anything before, so that the first try does without: the savepoint's two
    /// statements are a fifth of what the writer does for a create.
    fn run_one(&mut self, turn: &mut dyn Turn, saved: bool) -> Ran {
        let now = Instant::now();
        if turn.deadline() <= now {
            // It may have waited behind a locked database: then say so.
            turn.fail(if self.busy {
                StoreError::Busy {
                    cause: "the database was locked".to_owned(),
                }
            } else {
                StoreError::Overloaded
            });
            return Ran::Through;
        }
        self.session
            .limit
            .until(turn.deadline().min(now + self.options.turn_budget));
        let session = &self.session;
        let before = session.conn.total_changes();
        let begun = match saved {
            true => session.execute("SAVEPOINT turn").map_err(error::map),
            false => Ok(()),
        };
        let result = begun.and_then(|()| {
            let effect = unwound(|| turn.run(session)).unwrap_or_else(|cause| {
                turn.fail(cause);
                Effect::Undo
            });
            session.limit.lift();
            // A lost transaction has no savepoints any more.
            if session.conn.is_autocommit() {
                if effect == Effect::Keep {
                    turn.fail(StoreError::Unavailable {
                        cause: "the transaction was lost".to_owned(),
                        maybe: false,
                    });
                }
                return Ok(Ran::Lost);
            }
            let undo = effect == Effect::Undo && session.conn.total_changes() != before;
            match (saved, undo) {
                (false, false) => Ok(Ran::Through),
                (false, true) => {
                    session.execute("ROLLBACK").map_err(error::map)?;
                    Ok(Ran::Undone)
                }
                (true, _) => {
                    if effect == Effect::Undo {
                        session.execute("ROLLBACK TO turn").map_err(error::map)?;
                    }
                    session.execute("RELEASE turn").map_err(error::map)?;
                    Ok(Ran::Through)
                }
            }
        });
        self.session.limit.lift();
        result.unwrap_or_else(|cause| {
            // What this turn left behind is unknown, so the transaction must not stand: lost, by our own hand.
            // Where it cannot even be undone, it ends with its connection, which the next `begin` replaces.
            turn.fail(cause);
            self.roll_back();
            self.reopen = true;
            Ran::Lost
        })
    }

    fn begin(&mut self) -> Result<()> {
        let result = self.sound().and_then(|()| {
            self.session
                .execute("BEGIN IMMEDIATE")
                .map_err(|failed| self.failed(failed))
        });
        self.busy = matches!(result, Err(StoreError::Busy { .. }));
        result
    }

    fn commit(&mut self) -> Result<()> {
        self.dirty = true;
        let result = self.session.execute("COMMIT");
        let result = result.map_err(|failed| self.failed(failed).or_maybe_done());
        if result.is_err() {
            self.roll_back();
        }
        result
    }

    fn failed(&mut self, failed: rusqlite::Error) -> StoreError {
        self.reopen |= error::is_broken(&failed);
        error::map(failed)
    }

    fn roll_back(&mut self) {
        if !self.session.conn.is_autocommit()
            && self.session.conn.execute_batch("ROLLBACK").is_err()
        {
            self.reopen = true;
        }
    }

    /// A connection that can be used: a new one, where the old one failed in a way that may last.
    fn sound(&mut self) -> Result<()> {
        if self.reopen {
            // A transaction that could not be undone holds the lock as long as its connection is there.
            if !self.session.conn.is_autocommit() {
                let _ = self.session.conn.execute_batch("ROLLBACK");
            }
            self.session =
                connection::open(&self.path, &self.options, Role::Writer).map_err(error::map)?;
            self.reopen = false;
        }
        Ok(())
    }

    /// Nothing can be written now: everybody who waits is told, instead of each after the same wait again.
    fn refuse(&mut self, mut turns: VecDeque<Box<dyn Turn>>, cause: &StoreError) {
        while turns.len() < GROUP {
            let Some(turn) = self.waiting() else { break };
            turns.push_back(turn);
        }
        for mut turn in turns {
            turn.fail(cause.clone());
            turn.answer();
        }
    }

    /// Brings the log into the database file, without waiting for readers. SQLite does so by itself every 4,000
    /// pages; this is for the rest, and for a log that a long read has let grow.
    fn checkpoint(&mut self) {
        self.dirty = false;
        if self.reopen {
            return;
        }
        self.session.patience(Duration::ZERO);
        let pages = |mode: &str| {
            self.session
                .conn
                .query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| {
                    Ok((row.get::<_, i64>(1)?, row.get::<_, i64>(2)?))
                })
        };
        match pages("PASSIVE") {
            Ok((log, moved)) if log == moved => {
                if super::log_bytes(&self.path) > LONG_LOG {
                    let _ = pages("TRUNCATE");
                }
            }
            // A reader still needs older pages: look again when idle.
            Ok(_) => self.dirty = true,
            Err(cause) => {
                self.dirty = true;
                tracing::debug!(%cause, "checkpoint put off");
            }
        }
        self.session.patience(self.options.busy_timeout);
    }
}
