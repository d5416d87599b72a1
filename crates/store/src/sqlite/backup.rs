//! A database file as a whole: copied while others use it, looked at, put in the place of another.

use super::introspect::introspect;
use super::{error, lock};
use crate::changes::{self, ChangeBatch};
use crate::migrate::Migration;
use crate::{Result, StoreError};
use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use spec::Dialect;
use spec::schema::TableName;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Pages copied at a time, between two looks at how far it is.
const PAGES: i32 = 2_000;

/// How long one waits for whoever holds the database.
const PATIENCE: Duration = Duration::from_secs(5);

/// What is in a database file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Every table of ours, and how many rows it has.
    pub tables: Vec<(TableName, u64)>,
    /// The last number of the change log that was given out, and when the change under it was made (microseconds
    /// since 1970; none where it is forgotten, or there never was one).
    pub changes: i64,
    pub changed_at: Option<i64>,
    /// The last migration that ran, and when.
    pub migration: Option<(i64, i64)>,
}

/// How thoroughly a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Look {
    /// Whether it is a database whose pages are in order.
    Quick,
    /// Whether each index has what its table has, too, and each reference leads somewhere.
    Whole,
}

/// Copies a database that others may read and write meanwhile into a file, which is there and empty: its state at one
/// moment. `progress` is told the pages done, and all of them.
pub fn back_up(from: &Path, to: &Path, mut progress: impl FnMut(u64, u64)) -> Result<()> {
    let source = open(from)?;
    // In one transaction: otherwise it would begin anew whenever somebody writes, and might never end. It hinders no
    // writer; the write-ahead log is kept until it is over.
    source.execute_batch("BEGIN").map_err(error::map)?;
    source
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))
        .map_err(error::map)?;
    let mut target = Connection::open(to).map_err(error::map)?;
    // Nobody sees the file before it is whole, and whoever made it makes it durable.
    target
        .execute_batch("PRAGMA synchronous = OFF")
        .map_err(error::map)?;
    {
        let backup = Backup::new(&source, &mut target).map_err(error::map)?;
        loop {
            let step = backup.step(PAGES).map_err(error::map)?;
            let at = backup.progress();
            let (all, left) = (at.pagecount.max(0) as u64, at.remaining.max(0) as u64);
            progress(all - left.min(all), all);
            match step {
                StepResult::Done => break,
                StepResult::More => {}
                // Somebody looks at the new file, or holds the old one's last lock for a moment.
                _ => std::thread::sleep(Duration::from_millis(5)),
            }
        }
    }
    // One file, and no log beside it.
    target
        .query_row("PRAGMA journal_mode = DELETE", [], |_| Ok(()))
        .map_err(error::map)?;
    target.close().map_err(|(_, failed)| error::map(failed))
}

/// Opens a database that is there, to read it.
fn open(path: &Path) -> Result<Connection> {
    if !path.is_file() {
        return Err(StoreError::Unavailable {
            cause: format!("{} is no file", path.display()),
            maybe: false,
        });
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let conn = Connection::open_with_flags(path, flags).map_err(error::map)?;
    conn.busy_timeout(PATIENCE).map_err(error::map)?;
    Ok(conn)
}

/// The change log of a database file, which stays as it is: to be opened as a store, a file is made ready to be
/// written, and a backup is one no longer.
pub struct Log(Connection);

impl Log {
    pub fn open(path: &Path) -> Result<Log> {
        open(path).map(Log)
    }

    /// At most `limit` changes behind the one with this number.
    pub fn changes(&self, after: i64, limit: u32) -> Result<ChangeBatch> {
        changes::sqlite::read(&self.0, after, limit).map_err(error::map)
    }

    /// The migrations that ran, oldest first.
    pub fn migrations(&self) -> Result<Vec<Migration>> {
        super::migration::history(&self.0).map_err(error::map)
    }
}

/// What is in a file, where it is sound; what is wrong with it otherwise.
pub fn look(path: &Path, how: Look) -> Result<Facts> {
    let conn = open(path)?;
    let check = match how {
        Look::Quick => "PRAGMA quick_check(3)",
        Look::Whole => "PRAGMA integrity_check(3)",
    };
    let found = strings(&conn, check).map_err(error::map)?;
    if found != ["ok"] {
        return Err(StoreError::Other {
            cause: format!("the database is damaged: {}", found.join("; ")),
        });
    }
    if how == Look::Whole {
        super::migration::check_references(&conn)?;
    }
    facts(&conn).map_err(error::map)
}

fn facts(conn: &Connection) -> rusqlite::Result<Facts> {
    let found = introspect(conn)?;
    let mut tables = Vec::with_capacity(found.tables.len());
    for table in found.tables {
        let count = format!("SELECT count(*) FROM {}", table.name.sql(Dialect::Sqlite));
        let rows: i64 = conn.query_row(&count, [], |row| row.get(0))?;
        tables.push((table.name, rows.unsigned_abs()));
    }
    let one = |table: &str, text: &str| -> rusqlite::Result<Option<(i64, i64)>> {
        let there = "SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1";
        if !conn.prepare(there)?.exists([table])? {
            return Ok(None);
        }
        conn.query_row(text, [], |row| Ok((row.get(0)?, row.get(1)?)))
            .optional()
    };
    let last = one(
        "_mainstay_changes",
        "SELECT s.seq, coalesce(c.at, -1) FROM sqlite_sequence s
         LEFT JOIN _mainstay_changes c ON c.seq = s.seq WHERE s.name = '_mainstay_changes'",
    )?;
    Ok(Facts {
        tables,
        changes: last.map_or(0, |(seq, _)| seq),
        changed_at: last.map(|(_, at)| at).filter(|at| *at >= 0),
        migration: one(
            "_mainstay_migrations",
            "SELECT id, at FROM _mainstay_migrations ORDER BY id DESC LIMIT 1",
        )?,
    })
}

fn strings(conn: &Connection, sql: &str) -> rusqlite::Result<Vec<String>> {
    let mut statement = conn.prepare(sql)?;
    let rows = statement.query_map([], |row| row.get(0))?;
    rows.collect()
}

/// Puts a whole database file in the place of another, that no program may be using. What was there goes to `kept`.
pub fn replace(path: &Path, with: &Path, kept: &Path) -> Result<()> {
    // Held to the end: no server begins on it meanwhile.
    let _lock = lock(path)?;
    if path.exists() {
        // What is no database, or a damaged one, is what somebody may want to replace.
        if let Err(error @ StoreError::Busy { .. }) = settle(path) {
            return Err(error);
        }
    }
    // What a damaged database could not bring in, or one that was taken away left behind. It would be taken for a
    // part of the new one.
    for suffix in ["-wal", "-shm"] {
        let (from, to) = (beside(path, suffix), beside(kept, suffix));
        if from.exists() {
            fs::rename(&from, &to).map_err(|cause| super::unavailable(&from, &cause))?;
        }
    }
    if path.exists() {
        // Under both names, so that there is one at every moment.
        fs::hard_link(path, kept)
            .or_else(|_| fs::copy(path, kept).map(|_| ()))
            .map_err(|cause| super::unavailable(kept, &cause))?;
    }
    fs::rename(with, path).map_err(|cause| super::unavailable(path, &cause))
}

/// Whether no server has it for itself at this moment. Where none ever had, nothing is left behind.
pub fn unserved(path: &Path) -> Result<()> {
    match beside(path, ".lock").exists() {
        true => lock(path).map(drop),
        false => Ok(()),
    }
}

/// Makes a database one file, with nothing beside it, which shows that nobody else has it open.
pub fn settle(path: &Path) -> Result<()> {
    let settle = || {
        let conn = Connection::open(path)?;
        let mode: String = conn.query_row("PRAGMA journal_mode = DELETE", [], |row| row.get(0))?;
        conn.close().map_err(|(_, failed)| failed)?;
        Ok(mode)
    };
    // A store that was closed lets go of its last connections a moment later; nobody waits for this lock by himself.
    let until = Instant::now() + Duration::from_secs(2);
    loop {
        match settle().map_err(error::map) {
            Ok(mode) if mode == "delete" => return Ok(()),
            Ok(_) | Err(StoreError::Busy { .. }) if Instant::now() < until => {
                std::thread::sleep(Duration::from_millis(20));
            }
            Ok(_) | Err(StoreError::Busy { .. }) => {
                return Err(StoreError::Busy {
                    cause: format!("another program uses {}; end it first", path.display()),
                });
            }
            Err(other) => return Err(other),
        }
    }
}

fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    PathBuf::from(name)
}
