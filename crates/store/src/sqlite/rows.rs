//! A statement's rows, straight into the answer's JSON.
//!
//! Nothing is made per column: what SQLite hands out is borrowed from its page and written into the buffer.
//! Nested statements run once per parent row (faster here than a join or JSON made in SQL, whatever the depth).
//! They all see one state of the database: while the outermost statement stands at a row, its connection stays
//! in that statement's read transaction (<https://www.sqlite.org/lang_transaction.html>, "implicit transactions").

use super::connection::Session;
use super::encode;
use super::prepared::{InUse, Prepared};
use crate::snapshot::{PIECE_BYTES, PIECE_ROWS, weight};
use rusqlite::types::ValueRef;
use spec::Value;
use spec::json;
use spec::statement::{
    Bind, Capture, Key, Nested, Output, Part, Rows, Shape, Source, Splice, Statement,
};

/// Runs a reading statement; of its rows, `emit` are written.
pub fn read(session: &Session, statement: &Statement, emit: u32) -> rusqlite::Result<Rows> {
    let shape = &*statement.shape;
    let mut level = Level::prepare(session, &statement.text, shape)?;
    let Level { own, nested, .. } = &mut level;
    encode::bind_all(own, &statement.params)?;
    let mut out = Rows {
        body: Vec::with_capacity(512 * emit.clamp(1, 32) as usize),
        ends: Vec::with_capacity(emit.min(128) as usize),
        ..Rows::default()
    };
    let mut written = 0;
    while own.step()? {
        if written == emit {
            out.more = true;
            break;
        }
        if written > 0 {
            out.body.push(b',');
        }
        written += 1;
        let mut record = Record {
            row: own,
            parent: None,
            column: 0,
            slot: 0,
            // The last row that may be written is the last one that is, or nothing is behind it.
            capture: shape.capture == Capture::Every || written == emit,
        };
        record.write(shape, nested, &mut out)?;
        out.ends.push(out.body.len());
    }
    Ok(out)
}

/// Runs a reading statement to its end, a piece of its rows at a time; `each` says whether to go on.
pub fn read_in_pieces(
    session: &Session,
    statement: &Statement,
    mut each: impl FnMut(Rows) -> bool,
) -> rusqlite::Result<()> {
    let shape = &*statement.shape;
    let mut level = Level::prepare(session, &statement.text, shape)?;
    let Level { own, nested, .. } = &mut level;
    encode::bind_all(own, &statement.params)?;
    let mut out = Rows::default();
    let mut captured = 0;
    while own.step()? {
        if !out.ends.is_empty() {
            out.body.push(b',');
        }
        let before = out.captured.len();
        let mut record = Record {
            row: own,
            parent: None,
            column: 0,
            slot: 0,
            capture: true,
        };
        record.write(shape, nested, &mut out)?;
        out.ends.push(out.body.len());
        captured += out.captured[before..].iter().map(weight).sum::<usize>();
        if out.ends.len() == PIECE_ROWS || out.body.len() + captured >= PIECE_BYTES {
            captured = 0;
            if !each(std::mem::take(&mut out)) {
                return Ok(());
            }
        }
    }
    if !out.ends.is_empty() {
        each(out);
    }
    Ok(())
}

/// A condition that is null does not hold.
fn is_true(value: ValueRef<'_>) -> bool {
    matches!(value, ValueRef::Integer(v) if v != 0)
}

/// A prepared statement and those nested in it, in the order of their shape.
struct Level<'s> {
    own: InUse<'s>,
    nested: Vec<Level<'s>>,
    /// How many [`Output::Splice`]s there are at this level and below.
    slots: usize,
}

impl<'s> Level<'s> {
    fn prepare(session: &'s Session, text: &str, shape: &Shape) -> rusqlite::Result<Self> {
        let own = session.prepare(text)?;
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
                        let level = Level::prepare(session, text, shape)?;
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
struct Record<'row> {
    row: &'row Prepared,
    /// The row of the record in which this one is nested.
    parent: Option<&'row Prepared>,
    /// The driver's next column.
    column: usize,
    /// The number of the next splice.
    slot: usize,
    /// Captured columns are handed back: those of the outermost statement.
    capture: bool,
}

impl<'row> Record<'row> {
    fn next(&mut self) -> ValueRef<'row> {
        let value = self.row.column(self.column);
        self.column += 1;
        value
    }

    fn shared(&self, source: Source) -> rusqlite::Result<ValueRef<'row>> {
        match (source, self.parent) {
            (Source::Row(at), _) => Ok(self.row.column(at)),
            (Source::Parent(at), Some(parent)) => Ok(parent.column(at)),
            (Source::Parent(_), None) => Err(rusqlite::Error::InvalidQuery),
        }
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
        let name = |body: &mut Vec<u8>, key: &Key| {
            body.extend_from_slice(key.behind(body.len() > start));
        };
        for output in &shape.columns {
            let (output, shown) = match output {
                Output::When(inner) => (&**inner, is_true(self.next())),
                output => (output, true),
            };
            match output {
                Output::Field { key, ty } => {
                    let value = self.next();
                    name(&mut out.body, key);
                    encode::write(&mut out.body, *ty, value);
                }
                Output::Total { key, scale } => {
                    let value = self.next();
                    name(&mut out.body, key);
                    encode::write_total(&mut out.body, *scale, value)?;
                }
                Output::Guarded { key, ty } => {
                    let shown = is_true(self.next());
                    let value = self.next();
                    if shown {
                        name(&mut out.body, key);
                        encode::write(&mut out.body, *ty, value);
                    }
                }
                Output::Snippets { keys, query } => {
                    let texts = keys.iter().map(|key| {
                        let text = match self.next() {
                            ValueRef::Text(text) => Some(String::from_utf8_lossy(text)),
                            _ => None,
                        };
                        (key, text)
                    });
                    Rows::write_snippets(&mut out.snippets, query, texts);
                }
                Output::Captured { ty } => {
                    if self.capture {
                        out.captured.push(encode::decode(*ty, self.next()));
                    } else {
                        self.column += 1;
                    }
                }
                Output::Unused => self.column += 1,
                Output::Members { without } => {
                    // A text of another program may be no UTF-8.
                    if let ValueRef::Text(text) = self.next() {
                        let text = String::from_utf8_lossy(text);
                        let behind = out.body.len() > start;
                        json::write_members(&mut out.body, behind, &text, without);
                    }
                }
                Output::Splice { key, ty } => {
                    let id = encode::decode(*ty, self.next());
                    if shown {
                        name(&mut out.body, key);
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
                        name(&mut out.body, &inner.key);
                        self.relation(inner, level, out)?;
                    }
                    self.slot += level.slots;
                }
                // A condition does not hold another one.
                Output::When(_) => return Err(rusqlite::Error::InvalidQuery),
                Output::Shared { source, output } => match &**output {
                    Output::Field { key, ty } => {
                        name(&mut out.body, key);
                        encode::write(&mut out.body, *ty, self.shared(*source)?);
                    }
                    Output::Captured { ty } => {
                        if self.capture {
                            out.captured
                                .push(encode::decode(*ty, self.shared(*source)?));
                        }
                    }
                    // Nothing else is shared.
                    _ => return Err(rusqlite::Error::InvalidQuery),
                },
            }
        }
        out.body.push(b'}');
        Ok(())
    }

    /// A record nested in this one.
    fn child<'a>(&self, row: &'a Prepared) -> Record<'a>
    where
        'row: 'a,
    {
        Record {
            row,
            parent: Some(self.row),
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
        let Level {
            own,
            nested: inside,
            ..
        } = level;
        for (at, bind) in binds.iter().enumerate() {
            match bind {
                Bind::Value(value) => encode::bind_one(own, at + 1, value)?,
                Bind::Parent(column) => own.bind(at + 1, self.row.column(*column))?,
            }
        }
        let Some(many) = nested.many else {
            if own.step()? && own.column(0) != ValueRef::Null {
                self.child(own).write(shape, inside, out)?;
            } else {
                out.body.extend_from_slice(b"null");
            }
            own.reset();
            return Ok(());
        };
        out.body.extend_from_slice(b"{\"data\":[");
        let mut written = 0;
        let mut more = false;
        while own.step()? {
            if written == many.limit {
                more = true;
                break;
            }
            if written > 0 {
                out.body.push(b',');
            }
            self.child(own).write(shape, inside, out)?;
            written += 1;
        }
        own.reset();
        out.body.extend_from_slice(if more {
            b"],\"more\":true}"
        } else {
            b"],\"more\":false}"
        });
        Ok(())
    }
}

/// The captured columns of a row whose shape has nothing else that is wanted here.
pub fn captured(row: &Prepared, shape: &Shape, into: &mut Vec<Value>) {
    let mut column = 0;
    for output in &shape.columns {
        match output {
            Output::Captured { ty } => {
                into.push(encode::decode(*ty, row.column(column)));
                column += 1;
            }
            Output::Guarded { .. } => column += 2,
            Output::Snippets { keys, .. } => column += keys.len(),
            Output::Nested(_) | Output::Shared { .. } => {}
            Output::When(inner) => column += 1 + usize::from(!matches!(**inner, Output::Nested(_))),
            _ => column += 1,
        }
    }
}
