//! The tables an app wants: made by `plan` from the models, brought about by `store`.

use crate::domain::Domain;
use crate::existing::UsedTable;
use crate::types::ColumnType;
use crate::value::Value;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Dialect {
    Sqlite,
    Postgres,
}

impl Dialect {
    pub fn name(self) -> &'static str {
        match self {
            Dialect::Sqlite => "sqlite",
            Dialect::Postgres => "postgres",
        }
    }
}

/// The schema (PostgreSQL) or prefix (SQLite, with a leading underscore) of Mainstay's own tables.
pub const OWN: &str = "mainstay";

/// The change log: `module, model, record_id, version, kind, by_kind, by_id, at, record, previous`.
/// See [`change_log`] for its columns.
pub const CHANGES: &str = "changes";

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Schema {
    pub tables: Vec<Table>,
    /// Tables that were there before, and are never touched: only looked at.
    pub existing: Vec<UsedTable>,
    /// In the order in which they are to run.
    pub data_steps: Vec<DataStep>,
}

/// SQL that the app brings along for a change that declaring cannot do. It runs once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DataStep {
    /// The file's name without its ending: `2026-11-28-split-name`.
    pub name: String,
    pub sqlite: Option<Arc<str>>,
    pub postgres: Option<Arc<str>>,
}

impl DataStep {
    /// What it is on a store; nothing where it is for the other alone.
    pub fn text(&self, dialect: Dialect) -> Option<&str> {
        match dialect {
            Dialect::Sqlite => self.sqlite.as_deref(),
            Dialect::Postgres => self.postgres.as_deref(),
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableName {
    /// The module, or [`OWN`].
    pub namespace: String,
    pub name: String,
}

impl TableName {
    pub fn new(namespace: &str, name: &str) -> TableName {
        TableName {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        }
    }

    pub fn own(name: &str) -> TableName {
        TableName::new(OWN, name)
    }

    /// The table beside it that says which record has which number (`doc`, in the order in which records came); on
    /// PostgreSQL it also holds their words, a column for each field that is searched ([`words_of`]). No model can be
    /// called so.
    pub fn searched(&self) -> TableName {
        TableName::new(&self.namespace, &format!("_{}_search", self.name))
    }

    /// SQLite's index of the words, by the numbers of [`TableName::searched`]; with columns as that one on PostgreSQL.
    pub fn words(&self) -> TableName {
        TableName::new(&self.namespace, &format!("_{}_words", self.name))
    }

    /// As it is written in SQL, quoted: `"catalog"."products"`, `"catalog__products"`, `"_mainstay_changes"`.
    pub fn sql(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Postgres => format!("{}.{}", quoted(&self.namespace), quoted(&self.name)),
            Dialect::Sqlite => format!("\"{}\"", self.flat()),
        }
    }

    /// SQLite's name for it, unquoted.
    pub fn flat(&self) -> String {
        if self.namespace == OWN {
            format!("_{OWN}_{}", self.name)
        } else {
            format!("{}__{}", self.namespace, self.name)
        }
    }
}

/// What an index of words calls the column of a field. By its name, not its place: a server of the app from before finds
/// its fields although others came, went or changed places. FTS5 has names of its own (`rank`), so none stands alone.
pub fn words_of(field: &str) -> String {
    format!("{WORDS_OF}{field}")
}

/// The field whose words a column of an index has.
pub fn field_of_words(column: &str) -> Option<&str> {
    column.strip_prefix(WORDS_OF)
}

const WORDS_OF: &str = "f_";

/// A name as it stands in SQL, whatever is in it. (A NUL is in no name: PostgreSQL and the loader refuse it.)
pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    pub name: TableName,
    pub columns: Vec<Column>,
    /// The primary key's columns.
    pub key: Vec<String>,
    /// An integer key that the store assigns (and that may be given).
    pub assigned_key: bool,
    pub indexes: Vec<TableIndex>,
    pub foreign_keys: Vec<ForeignKey>,
    /// What it was called before, in the same namespace.
    pub renamed_from: Option<String>,
    /// The columns whose texts are searched, in the order of their weight. The store keeps an index of their words
    /// ([`TableName::words`]).
    pub search: Vec<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: ColumnType,
    pub nullable: bool,
    /// What existing rows get when the column is added to a table that has some, or becomes required.
    pub backfill: Option<Value>,
    pub domain: Domain,
    /// What it was called before.
    pub renamed_from: Option<String>,
}

impl Column {
    pub fn new(name: &str, ty: ColumnType, nullable: bool) -> Column {
        Column {
            name: name.to_owned(),
            ty,
            nullable,
            backfill: None,
            domain: Domain::Any,
            renamed_from: None,
        }
    }
}

/// An index; its last column is `id` unless it is unique. Ascending, nulls lowest.
#[derive(Debug, Clone, PartialEq)]
pub struct TableIndex {
    /// Unique within the namespace; at most 63 bytes.
    pub name: String,
    pub columns: Vec<String>,
    pub unique: bool,
}

/// Always `ON DELETE RESTRICT`, always inside one namespace, always to the target's `id`.
#[derive(Debug, Clone, PartialEq)]
pub struct ForeignKey {
    pub column: String,
    pub to: TableName,
}

/// The table of the change log, the same on both stores. `store` adds what ordering needs there:
/// `seq` (both; the primary key, assigned) and, on PostgreSQL, `xid xid8 default pg_current_xact_id()`.
pub fn change_log() -> Table {
    let column = Column::new;
    Table {
        name: TableName::own(CHANGES),
        columns: vec![
            column("seq", ColumnType::Int, false),
            column("module", ColumnType::Text, false),
            column("model", ColumnType::Text, false),
            // The record's key as text, whatever kind it is.
            column("record_id", ColumnType::Text, false),
            column("version", ColumnType::Int, false),
            // create | update | delete
            column("kind", ColumnType::Text, false),
            // Who: `auth.kind`, and `auth.id` where there is one.
            column("by_kind", ColumnType::Text, false),
            column("by_id", ColumnType::Uuid, true),
            column("at", ColumnType::Timestamp, false),
            // The new record and the previous values of what changed: canonical JSON, equal on both stores.
            column("record", ColumnType::Text, true),
            column("previous", ColumnType::Text, true),
        ],
        key: vec!["seq".to_owned()],
        assigned_key: true,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        renamed_from: None,
        search: Vec::new(),
    }
}
