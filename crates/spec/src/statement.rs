//! How `plan` tells `store` what to run and how its rows become JSON, without either knowing the other.

use crate::search::{self, Query};
use crate::types::ColumnType;
use crate::value::Value;
use std::borrow::Cow;
use std::sync::Arc;

/// One SQL statement of one dialect. Literals are always in `params`, never in `text`.
#[derive(Debug, Clone)]
pub struct Statement {
    pub text: String,
    /// `$1…` on PostgreSQL, `?1…` on SQLite. Decimals stand at their column's scale.
    pub params: Vec<Value>,
    pub shape: Arc<Shape>,
    pub lane: Lane,
}

/// Where a statement runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lane {
    /// Plainly bounded: by key, or an index search under a limit. May share a connection or run inline.
    Bounded,
    /// Everything else: a connection (or reader thread) of its own, under the request's deadline.
    Unbounded,
    /// The same, and how it is best run hangs on the values of its parameters: PostgreSQL plans it for them each time.
    ByValues,
}

/// What a statement's columns are, in their order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Shape {
    pub columns: Vec<Output>,
    /// Which rows' captured columns are wanted.
    pub capture: Capture,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Capture {
    /// Of every row written.
    #[default]
    Every,
    /// Of the last row written: the next cursor.
    Last,
}

/// What becomes of one column (or, where it says so, of several) of the driver's row.
#[derive(Debug, Clone, PartialEq)]
pub enum Output {
    /// `"key":value`.
    Field { key: Key, ty: ColumnType },
    /// `"key":value` of a sum or an average, which may be larger than any field: a string of this scale; without one a
    /// whole number, and the read ends with an error where a JSON client could not read it exactly. The column is
    /// `numeric` on PostgreSQL, and on SQLite what `mainstay_sum` answers.
    Total { key: Key, scale: Option<u8> },
    /// Two columns, a condition and a value: written as a field where the condition is true, left out otherwise.
    Guarded { key: Key, ty: ColumnType },
    /// So many columns of text as there are keys, null where they are not shown: not written into the record, but
    /// what a search found in them into [`Rows::snippets`].
    Snippets { keys: Arc<[Key]>, query: Arc<Query> },
    /// Not written, handed back as a [`Value`].
    Captured { ty: ColumnType },
    /// Neither written nor handed back: only there for a nested statement to bind ([`Bind::Parent`]).
    Unused,
    /// A JSON object whose members are written into the record (undeclared fields of an open model), but for those
    /// `without`: what was written as an undeclared field before the model took the name for its own.
    Members { without: Arc<[Arc<str>]> },
    /// The id of a record of another module: `"key":` is written and the place kept in
    /// [`Rows::splices`], for the engine to put the record there.
    Splice { key: Key, ty: ColumnType },
    /// Records of a relation.
    Nested(Box<Nested>),
    /// A column with a condition, then what the other output has: written where the condition is true, key and
    /// all left out otherwise. For a [`Output::Splice`] or [`Output::Nested`].
    When(Box<Output>),
    /// What a [`Output::Field`] or [`Output::Captured`] says of a column that is there already: it has none of its
    /// own. PostgreSQL sends a column item by item: one column of 100 nested records costs it some 20 µs.
    Shared { source: Source, output: Box<Output> },
}

/// Where a [`Output::Shared`] column is, counted from the first one of a row (a nested row's marker).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    Row(usize),
    /// In the row of the record in which this one is nested.
    Parent(usize),
}

#[derive(Debug, Clone, PartialEq)]
pub struct Nested {
    pub key: Key,
    pub many: Option<Many>,
    pub part: Part,
}

/// A to-many relation answers `{"data":[…],"more":bool}`; the part yields up to `limit + 1` records.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Many {
    pub limit: u32,
}

/// Where the nested records come from. The first column of the part's rows is a [`Output::Captured`]-like
/// presence marker: the nested record's key, not written by itself, null where there is no record.
#[derive(Debug, Clone, PartialEq)]
pub enum Part {
    /// PostgreSQL, to-one: the marker and the columns follow in the same row.
    Inline(Shape),
    /// PostgreSQL, to-many at the leaf: the marker and each column are arrays, all of one length.
    Arrays(Shape),
    /// PostgreSQL, to-many in the middle: one column, an array of anonymous records of marker and columns.
    Records(Shape),
    /// SQLite: a statement that runs for each parent row. Its rows start with the marker.
    Statement {
        text: Arc<str>,
        binds: Vec<Bind>,
        shape: Shape,
    },
}

/// A parameter of a [`Part::Statement`].
#[derive(Debug, Clone, PartialEq)]
pub enum Bind {
    Value(Value),
    /// The parent row's column with this index.
    Parent(usize),
}

/// A JSON key, ready to be copied: `"name":`, with a comma before it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key(Arc<str>);

impl Key {
    pub fn new(name: &str) -> Key {
        let mut out = Vec::with_capacity(name.len() + 4);
        out.push(b',');
        crate::json::write_string(&mut out, name);
        out.push(b':');
        Key(Arc::from(String::from_utf8_lossy(&out).as_ref()))
    }

    pub fn as_bytes(&self) -> &[u8] {
        self.behind(false)
    }

    /// The key, with a comma where something is before it.
    pub fn behind(&self, something: bool) -> &[u8] {
        &self.0.as_bytes()[usize::from(!something)..]
    }
}

/// What a read gives back: the records as JSON, and what was asked to be captured.
#[derive(Debug, Default)]
pub struct Rows {
    /// The records, `{…}`, separated by commas, without an enclosing bracket.
    pub body: Vec<u8>,
    /// Where in `body` each record ends (before its comma).
    pub ends: Vec<usize>,
    /// There was one more row than `emit` allowed.
    pub more: bool,
    /// Row after row (or the last row only), the captured columns in their order.
    pub captured: Vec<Value>,
    pub splices: Vec<Splice>,
    /// Of each record what [`Output::Snippets`] says, `{…}`, separated by commas.
    pub snippets: Vec<u8>,
}

impl Rows {
    /// Writes the snippets of a record, whose fields have these texts.
    pub fn write_snippets<'t>(
        snippets: &mut Vec<u8>,
        query: &Query,
        fields: impl Iterator<Item = (&'t Key, Option<Cow<'t, str>>)>,
    ) {
        if !snippets.is_empty() {
            snippets.push(b',');
        }
        snippets.push(b'{');
        let start = snippets.len();
        for (key, text) in fields {
            if let Some(html) = text.and_then(|text| search::snippet(query, &text)) {
                snippets.extend_from_slice(key.behind(snippets.len() > start));
                crate::json::write_string(snippets, &html);
            }
        }
        snippets.push(b'}');
    }
}

#[derive(Debug, Clone)]
pub struct Splice {
    /// Where in `body` the record (or null) belongs.
    pub at: usize,
    /// Which [`Output::Splice`] of the shape, counted depth first.
    pub slot: usize,
    pub id: Value,
}

/// One statement of a write, and what it must have done for the write to stand.
#[derive(Debug, Clone)]
pub struct Step {
    pub statement: Statement,
    pub expect: Expect,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expect {
    /// Any number of rows.
    Any,
    /// Exactly one row; otherwise the whole write is undone and reported as missed.
    One,
}

/// What became of a write's steps, all of them committed together or none.
#[derive(Debug, Clone, PartialEq)]
pub enum Written {
    /// Committed and durable. For each step, the captured columns of the rows it returned.
    Done(Vec<Vec<Value>>),
    /// This step touched no row, or several, against its expectation; nothing was written.
    Missed { step: usize },
}
