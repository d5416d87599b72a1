//! How a connection is opened, and how long a statement on it may run.

use super::prepared::{InUse, Statements};
use super::{Options, exact, ffi, search};
use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags};
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

/// VM steps between two looks at the clock. Measured: no cost at 1,000, and a limit of 5 ms is met within 0.2.
const STEPS: i32 = 1_000;

/// Pages in the write-ahead log from which on a commit brings them into the file. What many records are written to, a
/// few pages again and again, is so written four times less often than with SQLite's 1,000, and a reader still looks
/// for a page in one table of the log's index (4,062 pages).
const LOG_PAGES: u32 = 4_000;

static EPOCH: LazyLock<Instant> = LazyLock::new(Instant::now);

/// When the statement that runs on a connection must stop.
#[derive(Clone)]
pub struct Limit(Arc<AtomicU64>);

impl Limit {
    fn new() -> Limit {
        Limit(Arc::new(AtomicU64::new(u64::MAX)))
    }

    pub fn until(&self, deadline: Instant) {
        // 2^64 ns are 584 years.
        let at = deadline.saturating_duration_since(*EPOCH).as_nanos() as u64;
        self.0.store(at, Ordering::Relaxed);
    }

    pub fn lift(&self) {
        self.0.store(u64::MAX, Ordering::Relaxed);
    }

    fn passed(&self) -> bool {
        let at = self.0.load(Ordering::Relaxed);
        at != u64::MAX && EPOCH.elapsed().as_nanos() as u64 > at
    }
}

/// A connection, its statements and its time limit.
pub struct Session {
    /// Before the connection, which must be the last to go.
    statements: Statements,
    pub conn: Connection,
    pub limit: Limit,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    Writer,
    /// Short reads, many different statements.
    Inline,
    /// Long reads, seldom the same twice.
    Reader,
}

pub fn open(path: &Path, options: &Options, role: Role) -> rusqlite::Result<Session> {
    ffi::without_memory_statistics();
    LazyLock::force(&EPOCH);
    let mode = match role {
        Role::Writer => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Role::Inline | Role::Reader => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    // Each connection is used by one thread at a time: SQLite's own mutexes are not needed.
    let mut conn = Connection::open_with_flags(path, mode | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    conn.busy_timeout(match role {
        Role::Writer | Role::Reader => options.busy_timeout,
        // Its thread has others to serve.
        Role::Inline => Duration::ZERO,
    })?;
    // With the statistics of ANALYZE (STAT4), every new parameter would prepare a statement anew.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DEFENSIVE, true)?;
    // Quoted text that is no column is a mistake of ours, not a string.
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DML, false)?;
    conn.set_db_config(DbConfig::SQLITE_DBCONFIG_DQS_DDL, false)?;
    let cache = match role {
        Role::Writer => options.writer_cache,
        Role::Inline | Role::Reader => options.reader_cache,
    };
    conn.execute_batch(&format!(
        "PRAGMA cache_size = -{}; PRAGMA mmap_size = {}; PRAGMA temp_store = MEMORY;",
        cache / 1024,
        options.mmap
    ))?;
    if role == Role::Writer {
        let synchronous = if options.durable { "FULL" } else { "OFF" };
        conn.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = {synchronous}; PRAGMA foreign_keys = ON;
             PRAGMA journal_size_limit = 67108864; PRAGMA wal_autocheckpoint = {LOG_PAGES};"
        ))?;
        if let Some(pages) = options.max_pages {
            conn.execute_batch(&format!("PRAGMA max_page_count = {pages}"))?;
        }
    }
    exact::register(&conn)?;
    search::register(&conn)?;
    let limit = Limit::new();
    let watched = limit.clone();
    conn.progress_handler(STEPS, Some(move || watched.passed()))?;
    let statements = Statements::new(match role {
        Role::Writer | Role::Inline => 192,
        Role::Reader => 48,
    });
    Ok(Session {
        statements,
        conn,
        limit,
    })
}

impl Session {
    /// A prepared statement of this connection.
    pub fn prepare(&self, text: &str) -> rusqlite::Result<InUse<'_>> {
        self.statements.get(&self.conn, text)
    }

    /// Runs a statement that has no parameters, to its end.
    pub fn execute(&self, text: &str) -> rusqlite::Result<()> {
        self.prepare(text)?.execute()
    }

    /// Runs with a time limit, and leaves neither a limit nor a transaction behind.
    pub fn limited<T>(
        &self,
        deadline: Instant,
        run: impl FnOnce(&Session) -> rusqlite::Result<T>,
    ) -> rusqlite::Result<T> {
        self.limit.until(deadline);
        let result = run(self);
        self.limit.lift();
        if !self.conn.is_autocommit() {
            // Only a failed read leaves its transaction open. Nothing is lost with it.
            let _ = self.conn.execute_batch("ROLLBACK");
        }
        result
    }

    /// Waits at most this long for locks of other programs.
    pub fn patience(&self, wait: Duration) {
        let _ = self.conn.busy_timeout(wait);
    }
}
