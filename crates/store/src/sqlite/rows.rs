//! A statement's rows, straight into the answer's JSON.
//!
//! Nothing is made per column: what SQLite hands out is borrowed from its page and written into the buffer.
//! Nested statements run once per parent row (faster here than a join or JSON made in SQL, whatever the depth),
//! all of them inside one read transaction, so that they see one state of the database.

use super::encode;
use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{CachedStatement, Connection, Row};
use spec::Value;
use spec::statement::{Bind, Capture, Nested, Output, Part, Rows, Shape, Splice, Statement};

/// Runs a reading statement; of its rows, `emit` are written.
pub fn read(conn: &Connection, statement: &Statement, emit: u32) -> rusqlite::Result<Rows> {
    if !has_nested(&statement.shape) {
        return run(conn, statement, emit);
    }
    conn.prepare_cached("BEGIN DEFERRED")?.execute([])?;
    let rows = run(conn, statement, emit)?;
    conn.prepare_cached("COMMIT")?.execute([])?;
    Ok(rows)
}

fn has_nested(shape: &Shape) -> bool {
    shape.columns.iter().any(|output| match output {
        Output::When(inner) => matches!(**inner, Output::Nested(_)),
        output => matches!(output, Output::Nested(_)),
    })
}

fn run(conn: &Connection, statement: &Statement, emit: u32) -> rusqlite::Result<Rows> {
    let shape = &*statement.shape;
    let mut level = Level::prepare(conn, &statement.text, shape)?;
    let Level { own, nested, .. } = &mut level;
    for (at, value) in statement.params.iter().enumerate() {
        own.raw_bind_parameter(at + 1, encode::bind(value))?;
    }
    let mut out = Rows {
        body: Vec::with_capacity(512 * emit.clamp(1, 32) as usize),
        ..Rows::default()
    };
    let mut rows = own.raw_query();
    let mut written = 0;
    while let Some(row) = rows.next()? {
        if written == emit {
            out.more = true;
            break;
        }
        if written > 0 {
            out.body.push(b',');
        }
        if shape.capture == Capture::Last {
            out.captured.clear();
        }
        let mut record = Record {
            row,
            column: 0,
            slot: 0,
            capture: true,
        };
        record.write(shape, nested, &mut out)?;
        out.ends.push(out.body.len());
        written += 1;
    }
    Ok(out)
}

/// A condition that is null does not hold.
fn is_true(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Integer(v) if v != 0)
}

/// A prepared statement and those nested in it, in the order of their shape.
struct Level<'conn> {
    own: CachedStatement<'conn>,
    nested: Vec<Level<'conn>>,
    /// How many [`Output::Splice`]s there are at this level and below.
    slots: usize,
}

impl<'conn> Level<'conn> {
    fn prepare(conn: &'conn Connection, text: &str, shape: &Shape) -> rusqlite::Result<Self> {
        let own = conn.prepare_cached(text)?;
        let mut nested = Vec::new();
        let mut slots = 0;
        for output in &shape.columns {
            let output = match output {
                Output::When(inner) => inner,
                output => output,
            };
            match output {
                Output::Splice { .. } => slots += 1,
                Output::Nested(inner) => match &inner.part {
                    Part::Statement { text, shape, .. } => {
                        let level = Level::prepare(conn, text, shape)?;
                        slots += level.slots;
                        nested.push(level);
                    }
                    // These are how PostgreSQL nests.
                    Part::Inline(_) | Part::Arrays(_) | Part::Records(_) => {
                        return Err(rusqlite::Error::InvalidQuery);
                    }
                },
                _ => {}
            }
        }
        Ok(Level { own, nested, slots })
    }
}

/// One row on its way to become an object.
struct Record<'row, 'stmt> {
    row: &'row Row<'stmt>,
    /// The driver's next column.
    column: usize,
    /// The number of the next splice.
    slot: usize,
    /// Captured columns are handed back: those of the outermost statement.
    capture: bool,
}

impl<'row> Record<'row, '_> {
    fn next(&mut self) -> rusqlite::Result<ValueRef<'row>> {
        let value = self.row.get_ref(self.column)?;
        self.column += 1;
        Ok(value)
    }

    fn write(
        &mut self,
        shape: &Shape,
        nested: &mut [Level<'_>],
        out: &mut Rows,
    ) -> rusqlite::Result<()> {
        let mut nested = nested.iter_mut();
        out.body.push(b'{');
        let start = out.body.len();
        let comma = |body: &mut Vec<u8>| {
            if body.len() > start {
                body.push(b',');
            }
        };
        for output in &shape.columns {
            let (output, shown) = match output {
                Output::When(inner) => (&**inner, is_true(self.next()?)),
                output => (output, true),
            };
            match output {
                Output::Field { key, ty } => {
                    let value = self.next()?;
                    comma(&mut out.body);
                    out.body.extend_from_slice(key.as_bytes());
                    encode::write(&mut out.body, *ty, value);
                }
                Output::Guarded { key, ty } => {
                    let shown = is_true(self.next()?);
                    let value = self.next()?;
                    if shown {
                        comma(&mut out.body);
                        out.body.extend_from_slice(key.as_bytes());
                        encode::write(&mut out.body, *ty, value);
                    }
                }
                Output::Captured { ty } => {
                    let value = self.next()?;
                    if self.capture {
                        out.captured.push(encode::decode(*ty, value));
                    }
                }
                Output::Unused => {
                    self.next()?;
                }
                Output::Members => {
                    if let ValueRef::Text([b'{', members @ .., b'}']) = self.next()?
                        && !members.is_empty()
                    {
                        comma(&mut out.body);
                        out.body.extend_from_slice(members);
                    }
                }
                Output::Splice { key, ty } => {
                    let id = encode::decode(*ty, self.next()?);
                    if shown {
                        comma(&mut out.body);
                        out.body.extend_from_slice(key.as_bytes());
                        if id.is_null() {
                            out.body.extend_from_slice(b"null");
                        } else {
                            out.splices.push(Splice {
                                at: out.body.len(),
                                slot: self.slot,
                                id,
                            });
                        }
                    }
                    self.slot += 1;
                }
                Output::Nested(inner) => {
                    let level = nested.next().ok_or(rusqlite::Error::InvalidQuery)?;
                    if shown {
                        comma(&mut out.body);
                        self.relation(inner, level, out)?;
                    }
                    self.slot += level.slots;
                }
                // A condition does not hold another one.
                Output::When(_) => return Err(rusqlite::Error::InvalidQuery),
            }
        }
        out.body.push(b'}');
        Ok(())
    }

    /// A record nested in this one.
    fn child<'a, 'b>(&self, row: &'a Row<'b>) -> Record<'a, 'b> {
        Record {
            row,
            column: 1,
            slot: self.slot,
            capture: false,
        }
    }

    /// The records of a relation. Their rows start with the marker, so their columns count from 1.
    fn relation(
        &self,
        nested: &Nested,
        level: &mut Level<'_>,
        out: &mut Rows,
    ) -> rusqlite::Result<()> {
        let Part::Statement { binds, shape, .. } = &nested.part else {
            return Err(rusqlite::Error::InvalidQuery);
        };
        for (at, bind) in binds.iter().enumerate() {
            let value = match bind {
                Bind::Value(value) => encode::bind(value),
                Bind::Parent(column) => ToSqlOutput::Borrowed(self.row.get_ref(*column)?),
            };
            level.own.raw_bind_parameter(at + 1, value)?;
        }
        out.body.extend_from_slice(nested.key.as_bytes());
        let mut rows = level.own.raw_query();
        let Some(many) = nested.many else {
            match rows.next()? {
                Some(row) if row.get_ref(0)? != ValueRef::Null => {
                    self.child(row).write(shape, &mut level.nested, out)?;
                }
                _ => out.body.extend_from_slice(b"null"),
            }
            return Ok(());
        };
        out.body.extend_from_slice(b"{\"data\":[");
        let mut written = 0;
        let mut more = false;
        while let Some(row) = rows.next()? {
            if written == many.limit {
                more = true;
                break;
            }
            if written > 0 {
                out.body.push(b',');
            }
            self.child(row).write(shape, &mut level.nested, out)?;
            written += 1;
        }
        out.body.extend_from_slice(if more {
            b"],\"more\":true}"
        } else {
            b"],\"more\":false}"
        });
        Ok(())
    }
}

/// The captured columns of a row whose shape has nothing else that is wanted here.
pub fn captured(row: &Row<'_>, shape: &Shape, into: &mut Vec<Value>) -> rusqlite::Result<()> {
    let mut column = 0;
    for output in &shape.columns {
        match output {
            Output::Captured { ty } => {
                into.push(encode::decode(*ty, row.get_ref(column)?));
                column += 1;
            }
            Output::Guarded { .. } => column += 2,
            Output::Nested(_) => {}
            Output::When(inner) => column += 1 + usize::from(!matches!(**inner, Output::Nested(_))),
            _ => column += 1,
        }
    }
    Ok(())
}
