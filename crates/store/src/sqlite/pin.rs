//! Keeps the lock that every read takes taken, while there are reads.
//!
//! In WAL mode a read locks a byte of the `-shm` file and unlocks it afterwards: two `fcntl` calls, made under a
//! mutex that all connections of the process share. SQLite leaves both out when another connection of the process
//! holds the same lock, so the writer's thread holds it on a connection of its own: a read transaction on the
//! newest state, idle. One record read by its key costs a tenth less with it, and threads no longer wait for each
//! other's system calls.
//!
//! A lock that is held also holds up checkpoints. So it is let go before every write, taken again when none waits,
//! let go for a moment four times a second (other programs write, too), and not taken at all when nobody reads.

use super::Options;
use super::connection::{self, Role, Session};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

/// Whether there are reads, as readers tell the writer's thread.
#[derive(Default)]
pub struct Activity {
    /// Somebody has read since this was last asked.
    read: AtomicBool,
    /// The writer's thread waits for a job and nothing else.
    asleep: AtomicBool,
}

impl Activity {
    /// A read begins. On the path of every read: one load, as long as others read too.
    pub fn note(&self, wake: impl FnOnce()) {
        if self.read.load(Ordering::Relaxed) {
            return;
        }
        // In one order with `sleep`: of the two, one sees what the other did.
        self.read.store(true, Ordering::SeqCst);
        if self.asleep.swap(false, Ordering::SeqCst) {
            wake();
        }
    }

    pub fn is_seen(&self) -> bool {
        self.read.load(Ordering::SeqCst)
    }

    pub fn forget(&self) {
        self.read.store(false, Ordering::SeqCst);
    }

    /// The next read has to wake the writer's thread. False where one came in between.
    pub fn sleep(&self) -> bool {
        self.asleep.store(true, Ordering::SeqCst);
        if self.is_seen() {
            self.asleep.store(false, Ordering::SeqCst);
            return false;
        }
        true
    }
}

pub struct Pin {
    session: Option<Session>,
    held: bool,
    path: Arc<PathBuf>,
    options: Arc<Options>,
}

impl Pin {
    pub fn new(path: &Arc<PathBuf>, options: &Arc<Options>) -> Pin {
        Pin {
            session: None,
            held: false,
            path: Arc::clone(path),
            options: Arc::clone(options),
        }
    }

    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Takes the lock of the newest state. Where that fails, reads take their own, as without this.
    pub fn hold(&mut self) {
        if self.held {
            return;
        }
        if self.session.is_none() {
            self.session = connection::open(&self.path, &self.options, Role::Reader).ok();
            if let Some(session) = &self.session {
                // The writer's thread does not wait for another program here.
                session.patience(Duration::ZERO);
            }
        }
        let Some(session) = &self.session else { return };
        // The transaction begins with its first read.
        let begun = session
            .execute("BEGIN")
            .and_then(|()| session.execute("SELECT rootpage FROM sqlite_schema LIMIT 1"));
        match begun {
            Ok(()) => self.held = true,
            Err(_) => self.session = None,
        }
    }

    pub fn release(&mut self) {
        if !self.held {
            return;
        }
        self.held = false;
        if let Some(session) = &self.session
            && session.execute("COMMIT").is_err()
        {
            self.session = None;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_read_wakes_a_sleeper_and_no_other_does() {
        let activity = Activity::default();
        let woken = std::cell::Cell::new(0);
        let read = || activity.note(|| woken.set(woken.get() + 1));
        read();
        assert_eq!(woken.get(), 0, "nobody sleeps");
        assert!(!activity.sleep(), "somebody has read");
        activity.forget();
        assert!(activity.sleep());
        read();
        read();
        assert_eq!(woken.get(), 1);
    }
}
