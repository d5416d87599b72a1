//! Prepared statements of one connection, kept between uses, and columns as they lie in SQLite's memory.
//!
//! rusqlite opens connections, runs scripts and reports errors. What runs for each row of each answer is here:
//! its `value_ref` asks SQLite three or four times per column and each time looks up the column anew, 160
//! instructions where [`Prepared::column`] takes 70; on a list of 20 that was a tenth of the whole request.
#![allow(unsafe_code)]

use hashbrown::HashMap;
use rusqlite::types::ValueRef;
use rusqlite::{Connection, ffi};
use std::cell::RefCell;
use std::ffi::{CStr, c_char, c_int};
use std::marker::PhantomData;
use std::ptr::NonNull;
use std::sync::Arc;

/// The statements of a connection, by their text. Those longest unused make room for new ones.
///
/// A statement must not outlive its connection: who holds both declares this first, so that it is dropped first.
pub struct Statements {
    kept: RefCell<Kept>,
    capacity: usize,
}

#[derive(Default)]
struct Kept {
    slots: Vec<Slot>,
    by_text: HashMap<Arc<str>, usize>,
    /// Counts uses.
    clock: u64,
}

struct Slot {
    text: Arc<str>,
    /// None while it is in use.
    prepared: Option<Prepared>,
    used: u64,
}

impl Statements {
    pub fn new(capacity: usize) -> Statements {
        Statements {
            kept: RefCell::new(Kept::default()),
            capacity,
        }
    }

    /// A statement ready to be bound: the kept one, or a new one where there is none or it is in use.
    pub fn get<'s>(&'s self, conn: &'s Connection, text: &str) -> rusqlite::Result<InUse<'s>> {
        let found = self.kept.borrow_mut().take(text);
        let (prepared, slot) = match found {
            Some((prepared, slot)) => (prepared, Some(slot)),
            None => {
                let prepared = Prepared::new(conn, text)?;
                (prepared, self.kept.borrow_mut().room(text, self.capacity))
            }
        };
        Ok(InUse {
            prepared: Some(prepared),
            slot,
            home: self,
            conn: PhantomData,
        })
    }
}

impl Kept {
    fn take(&mut self, text: &str) -> Option<(Prepared, usize)> {
        let at = *self.by_text.get(text)?;
        self.clock += 1;
        let slot = &mut self.slots[at];
        slot.used = self.clock;
        Some((slot.prepared.take()?, at))
    }

    /// A slot for a statement of this text that is about to be used. None where one of the same text is in
    /// use, or everything is.
    fn room(&mut self, text: &str, capacity: usize) -> Option<usize> {
        if self.by_text.contains_key(text) {
            return None;
        }
        self.clock += 1;
        let slot = Slot {
            text: Arc::from(text),
            prepared: None,
            used: self.clock,
        };
        let at = if self.slots.len() < capacity {
            self.slots.len()
        } else {
            let idle = self.slots.iter().enumerate();
            let idle = idle.filter(|(_, slot)| slot.prepared.is_some());
            idle.min_by_key(|(_, slot)| slot.used)?.0
        };
        self.by_text.insert(Arc::clone(&slot.text), at);
        match self.slots.get_mut(at) {
            None => self.slots.push(slot),
            Some(old) => {
                self.by_text.remove(&old.text);
                *old = slot;
            }
        }
        Some(at)
    }
}

/// A statement that goes back to its place, reset, when this is dropped.
pub struct InUse<'s> {
    /// Always there until the drop.
    prepared: Option<Prepared>,
    slot: Option<usize>,
    home: &'s Statements,
    conn: PhantomData<&'s Connection>,
}

impl std::ops::Deref for InUse<'_> {
    type Target = Prepared;

    fn deref(&self) -> &Prepared {
        self.prepared.as_ref().expect("there until it is dropped")
    }
}

impl std::ops::DerefMut for InUse<'_> {
    fn deref_mut(&mut self) -> &mut Prepared {
        self.prepared.as_mut().expect("there until it is dropped")
    }
}

impl Drop for InUse<'_> {
    fn drop(&mut self) {
        if let (Some(at), Some(mut prepared)) = (self.slot, self.prepared.take()) {
            prepared.reset();
            prepared.forget();
            if let Some(slot) = self.home.kept.borrow_mut().slots.get_mut(at) {
                slot.prepared = Some(prepared);
            }
        }
    }
}

/// One statement.
pub struct Prepared {
    raw: NonNull<ffi::sqlite3_stmt>,
    columns: usize,
}

// SAFETY: a statement may be used by any thread, by one at a time (its connection is opened without mutexes);
// it is reached through `&mut` or through a `Session`, which is not `Sync`.
unsafe impl Send for Prepared {}

impl Prepared {
    fn new(conn: &Connection, text: &str) -> rusqlite::Result<Prepared> {
        let length = c_int::try_from(text.len()).map_err(|_| {
            rusqlite::Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_TOOBIG), None)
        })?;
        let mut raw = std::ptr::null_mut();
        // SAFETY: the connection is open; the text is `length` bytes long, and SQLite keeps a copy.
        let code = unsafe {
            ffi::sqlite3_prepare_v3(
                conn.handle(),
                text.as_ptr().cast::<c_char>(),
                length,
                ffi::SQLITE_PREPARE_PERSISTENT,
                &raw mut raw,
                std::ptr::null_mut(),
            )
        };
        if code != ffi::SQLITE_OK {
            // SAFETY: the connection is open.
            return Err(unsafe { failure(conn.handle(), code) });
        }
        // A text without a statement (blanks, a comment) gives none, and no error.
        let raw = NonNull::new(raw).ok_or(rusqlite::Error::InvalidQuery)?;
        // SAFETY: the statement was made above.
        let columns = unsafe { ffi::sqlite3_column_count(raw.as_ptr()) };
        Ok(Prepared {
            raw,
            columns: usize::try_from(columns).unwrap_or(0),
        })
    }

    /// How many columns its rows have; none where it answers no rows.
    pub fn columns(&self) -> usize {
        self.columns
    }

    /// Sets a parameter, counted from 1. The statement must have been reset.
    pub fn bind(&mut self, at: usize, value: ValueRef<'_>) -> rusqlite::Result<()> {
        let raw = self.raw.as_ptr();
        // A number that is too large names no parameter, and SQLite says so.
        let at = c_int::try_from(at).unwrap_or(c_int::MAX);
        // SAFETY: the statement is alive; texts and blobs are as long as is said, and are copied.
        let code = unsafe {
            match value {
                ValueRef::Null => ffi::sqlite3_bind_null(raw, at),
                ValueRef::Integer(value) => ffi::sqlite3_bind_int64(raw, at, value),
                ValueRef::Real(value) => ffi::sqlite3_bind_double(raw, at, value),
                ValueRef::Text(text) => ffi::sqlite3_bind_text64(
                    raw,
                    at,
                    text.as_ptr().cast::<c_char>(),
                    text.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                    ffi::SQLITE_UTF8 as u8,
                ),
                // A null pointer would be null.
                ValueRef::Blob([]) => ffi::sqlite3_bind_zeroblob(raw, at, 0),
                ValueRef::Blob(blob) => ffi::sqlite3_bind_blob64(
                    raw,
                    at,
                    blob.as_ptr().cast(),
                    blob.len() as u64,
                    ffi::SQLITE_TRANSIENT(),
                ),
            }
        };
        self.check(code)
    }

    /// Lets go of the parameters: of megabytes of somebody's text, and so that one that is not bound next time is
    /// null and not somebody else's.
    fn forget(&mut self) {
        // SAFETY: the statement is alive, and was reset.
        unsafe { ffi::sqlite3_clear_bindings(self.raw.as_ptr()) };
    }

    /// Goes to the next row, and says whether there is one. After the last one the statement is reset.
    pub fn step(&mut self) -> rusqlite::Result<bool> {
        // SAFETY: the statement is alive.
        let code = unsafe { ffi::sqlite3_step(self.raw.as_ptr()) };
        match code {
            ffi::SQLITE_ROW => Ok(true),
            ffi::SQLITE_DONE => {
                self.reset();
                Ok(false)
            }
            failed => {
                let error = self.check(failed);
                self.reset();
                error.map(|()| false)
            }
        }
    }

    /// Runs it to its end; its rows, if it answers any, are passed over.
    pub fn execute(&mut self) -> rusqlite::Result<()> {
        while self.step()? {}
        Ok(())
    }

    /// A column of the row that [`Prepared::step`] came to.
    #[inline]
    pub fn column(&self, at: usize) -> ValueRef<'_> {
        debug_assert!(
            at < self.columns,
            "a shape asks for more than the statement gives"
        );
        // SAFETY: the statement is alive. Where there is no such column or no row, SQLite answers a null value.
        // The value is used by this thread only and before the next step, which needs `&mut`; this is what
        // "unprotected" values ask for (https://www.sqlite.org/c3ref/column_blob.html). A text's length is
        // asked after the text, as is said there, and is that of its bytes.
        unsafe {
            let value = ffi::sqlite3_column_value(self.raw.as_ptr(), at as c_int);
            match ffi::sqlite3_value_type(value) {
                ffi::SQLITE_INTEGER => ValueRef::Integer(ffi::sqlite3_value_int64(value)),
                ffi::SQLITE_FLOAT => ValueRef::Real(ffi::sqlite3_value_double(value)),
                ffi::SQLITE_TEXT => {
                    let text = ffi::sqlite3_value_text(value);
                    ValueRef::Text(bytes(text, ffi::sqlite3_value_bytes(value)))
                }
                ffi::SQLITE_BLOB => {
                    let blob = ffi::sqlite3_value_blob(value).cast::<u8>();
                    ValueRef::Blob(bytes(blob, ffi::sqlite3_value_bytes(value)))
                }
                _ => ValueRef::Null,
            }
        }
    }

    /// Makes it ready to be bound and run again. The values of its parameters stay.
    pub fn reset(&mut self) {
        // The code repeats what the last step said.
        // SAFETY: the statement is alive.
        let _ = unsafe { ffi::sqlite3_reset(self.raw.as_ptr()) };
    }

    fn check(&self, code: c_int) -> rusqlite::Result<()> {
        if code == ffi::SQLITE_OK {
            return Ok(());
        }
        // SAFETY: the statement is alive, and so is its connection.
        Err(unsafe { failure(ffi::sqlite3_db_handle(self.raw.as_ptr()), code) })
    }
}

impl Drop for Prepared {
    fn drop(&mut self) {
        // SAFETY: the statement is alive, and nothing names it after this.
        let _ = unsafe { ffi::sqlite3_finalize(self.raw.as_ptr()) };
    }
}

/// # Safety
/// `start` is null, or `length` bytes are there for `'a`.
unsafe fn bytes<'a>(start: *const u8, length: c_int) -> &'a [u8] {
    match usize::try_from(length) {
        // An empty blob has no address; a text that SQLite had no memory for has none either.
        Ok(length) if length > 0 && !start.is_null() => {
            // SAFETY: the caller's.
            unsafe { std::slice::from_raw_parts(start, length) }
        }
        _ => &[],
    }
}

/// # Safety
/// The connection is open.
unsafe fn failure(db: *mut ffi::sqlite3, code: c_int) -> rusqlite::Error {
    // SAFETY: the connection is open, and both texts end in a zero byte and live until it is used again.
    let said = unsafe {
        let said = match ffi::sqlite3_errcode(db) == code {
            true => ffi::sqlite3_errmsg(db),
            false => ffi::sqlite3_errstr(code),
        };
        (!said.is_null()).then(|| CStr::from_ptr(said).to_string_lossy().into_owned())
    };
    rusqlite::Error::SqliteFailure(ffi::Error::new(code), said)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one(statements: &Statements, conn: &Connection, text: &str) -> i64 {
        let mut statement = statements.get(conn, text).unwrap();
        assert!(statement.step().unwrap());
        match statement.column(0) {
            ValueRef::Integer(value) => value,
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn every_kind_of_value_comes_back() {
        let conn = Connection::open_in_memory().unwrap();
        let statements = Statements::new(4);
        let values = [
            ValueRef::Null,
            ValueRef::Integer(i64::MIN),
            ValueRef::Real(-0.5),
            ValueRef::Text("ü\0b".as_bytes()),
            ValueRef::Text(b""),
            ValueRef::Blob(b"\0\x01"),
            ValueRef::Blob(b""),
        ];
        for value in values {
            let mut statement = statements.get(&conn, "SELECT ?1").unwrap();
            statement.bind(1, value).unwrap();
            assert!(statement.step().unwrap());
            assert_eq!(statement.column(0), value);
            assert!(!statement.step().unwrap());
        }
        let mut statement = statements.get(&conn, "SELECT 1").unwrap();
        assert!(
            statement.bind(1, ValueRef::Null).is_err(),
            "no such parameter"
        );
    }

    #[test]
    fn the_longest_unused_make_room_and_one_in_use_is_never_shared() {
        let conn = Connection::open_in_memory().unwrap();
        let statements = Statements::new(2);
        let texts = || {
            let kept = statements.kept.borrow();
            let mut texts: Vec<String> = kept.slots.iter().map(|s| s.text.to_string()).collect();
            texts.sort();
            assert_eq!(kept.by_text.len(), texts.len());
            texts
        };
        assert_eq!(one(&statements, &conn, "SELECT 1"), 1);
        assert_eq!(one(&statements, &conn, "SELECT 2"), 2);
        assert_eq!(one(&statements, &conn, "SELECT 1"), 1);
        assert_eq!(one(&statements, &conn, "SELECT 3"), 3);
        assert_eq!(texts(), ["SELECT 1", "SELECT 3"]);

        let mut outer = statements.get(&conn, "SELECT 1").unwrap();
        assert!(outer.step().unwrap());
        assert_eq!(one(&statements, &conn, "SELECT 1"), 1);
        assert_eq!(outer.column(0), ValueRef::Integer(1));
        assert_eq!(one(&statements, &conn, "SELECT 4"), 4);
        let other = statements.get(&conn, "SELECT 4").unwrap();
        // Both places are taken.
        assert_eq!(one(&statements, &conn, "SELECT 5"), 5);
        drop((outer, other));
        assert_eq!(texts(), ["SELECT 1", "SELECT 4"]);
    }

    #[test]
    fn errors_say_what_is_wrong_and_leave_the_statement_usable() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (n INTEGER UNIQUE NOT NULL) STRICT")
            .unwrap();
        let statements = Statements::new(2);
        let wrong = |text| statements.get(&conn, text).err().unwrap().to_string();
        let said = wrong("SELECT absent");
        assert!(said.contains("no such column: absent"), "{said}");
        wrong("-- nothing");
        for (value, works) in [(1, true), (1, false), (2, true)] {
            let mut insert = statements.get(&conn, "INSERT INTO t VALUES (?1)").unwrap();
            insert.bind(1, ValueRef::Integer(value)).unwrap();
            match insert.execute() {
                Ok(()) => assert!(works),
                Err(error) => {
                    assert!(!works);
                    assert_eq!(
                        error.sqlite_extended_error_code(),
                        Some(ffi::SQLITE_CONSTRAINT_UNIQUE)
                    );
                    assert!(error.to_string().contains("t.n"), "{error}");
                }
            }
        }
        assert_eq!(one(&statements, &conn, "SELECT count(*) FROM t"), 2);
    }

    #[test]
    fn a_table_that_changed_is_seen() {
        let conn = Connection::open_in_memory().unwrap();
        conn.execute_batch("CREATE TABLE t (n INTEGER); INSERT INTO t VALUES (7)")
            .unwrap();
        let statements = Statements::new(2);
        assert_eq!(one(&statements, &conn, "SELECT n FROM t"), 7);
        conn.execute_batch("ALTER TABLE t ADD COLUMN m INTEGER; UPDATE t SET n = 8")
            .unwrap();
        assert_eq!(one(&statements, &conn, "SELECT n FROM t"), 8);
    }
}
