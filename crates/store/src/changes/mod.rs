//! Reads the change log: what was written, in an order that keeps each record's own.
//!
//! The rows are written by the steps of the writes themselves, in their transactions. Here they are only read,
//! and forgotten when they are old.

mod postgres;
pub(crate) mod sqlite;

use spec::schema::{CHANGES, TableName, change_log};
use spec::statement::{Expect, Lane, Shape, Statement, Step};
use spec::value::Value;
use spec::{Dialect, Uuid};
use std::fmt;
use std::sync::Arc;

/// How far a reader has come. Opaque; keep its text to go on from there later, on the same store.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Offset(Arc<str>);

impl Offset {
    /// Before the first change there ever was.
    pub fn start() -> Offset {
        Offset(Arc::from(""))
    }

    /// From the text of an offset. What is not one is refused when it is used.
    pub fn from_text(text: &str) -> Offset {
        Offset(Arc::from(text))
    }

    pub fn as_text(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Offset {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ChangeKind {
    Create,
    Update,
    Delete,
}

impl ChangeKind {
    /// As it stands in the log.
    pub fn name(self) -> &'static str {
        match self {
            ChangeKind::Create => "create",
            ChangeKind::Update => "update",
            ChangeKind::Delete => "delete",
        }
    }

    pub fn from_name(name: &str) -> Option<ChangeKind> {
        [ChangeKind::Create, ChangeKind::Update, ChangeKind::Delete]
            .into_iter()
            .find(|kind| kind.name() == name)
    }
}

/// One write of one record.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    pub seq: i64,
    pub module: String,
    pub model: String,
    /// The record's key as text.
    pub record_id: String,
    pub version: i64,
    pub kind: ChangeKind,
    /// `user`, `key`, `service`, `anonymous`, or who else acted.
    pub by_kind: String,
    pub by_id: Option<Uuid>,
    /// Microseconds since 1970.
    pub at: i64,
    /// The record after the write, as canonical JSON.
    pub record: Option<String>,
    /// The previous values of what changed, as canonical JSON.
    pub previous: Option<String>,
}

/// Puts a change of another log into this one, under its own number.
pub fn append(change: &Change, dialect: Dialect) -> Step {
    let text = |text: &str| Value::text(text);
    let maybe = |text: &Option<String>| text.as_deref().map_or(Value::Null, Value::text);
    // In the order of the table's columns.
    let params = vec![
        Value::Int(change.seq),
        text(&change.module),
        text(&change.model),
        text(&change.record_id),
        Value::Int(change.version),
        text(change.kind.name()),
        text(&change.by_kind),
        change.by_id.into(),
        Value::Timestamp(change.at),
        maybe(&change.record),
        maybe(&change.previous),
    ];
    let mark = match dialect {
        Dialect::Sqlite => "?",
        Dialect::Postgres => "$",
    };
    let places: Vec<String> = (1..=params.len()).map(|at| format!("{mark}{at}")).collect();
    Step {
        statement: Statement {
            text: format!(
                "INSERT INTO {} ({}) VALUES ({})",
                TableName::own(CHANGES).sql(dialect),
                crate::copy::columns(&change_log()),
                places.join(", ")
            ),
            params,
            shape: Arc::new(Shape::default()),
            lane: Lane::Bounded,
        },
        expect: Expect::One,
    }
}

/// What came after an offset.
#[derive(Debug, Clone, PartialEq)]
pub struct ChangeBatch {
    /// Changes of one record in the order in which they happened.
    pub changes: Vec<Change>,
    /// Where to go on.
    pub next: Offset,
    /// There are more already.
    pub more: bool,
    /// Changes after the given offset have been forgotten, or it is of another database: whoever keeps a copy
    /// must make it anew.
    pub lost: bool,
}

/// Something that differs after each write, by whatever process; cheap to ask for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Mark(pub(crate) i64, pub(crate) i64);
