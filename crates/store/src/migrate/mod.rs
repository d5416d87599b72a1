//! Brings a database to the schema an app wants: look, compare, plan, and (in each store) apply.
//!
//! [`plan`] is pure: what was found ([`Introspected`]) and what is wanted ([`Schema`]) go in, a [`Plan`] comes
//! out. The SQL of each store is behind [`Ddl`], so that both stores decide alike and only spell differently.
//!
//! So far tables, columns and indexes are made. Everything else that differs is reported as a [`Difference`]
//! and left alone: a plan never drops or rewrites what it does not understand.

mod compare;
pub mod postgres;
pub mod record;
pub mod sqlite;

pub use compare::plan;

use spec::ColumnType;
use spec::schema::{Column, ForeignKey, Table, TableIndex, TableName};
use std::fmt;

/// Own tables that hold the bookkeeping of migrations. They are made before any plan, and are no part of one.
pub const BOOKKEEPING: [&str; 2] = ["migrations", "schema"];

/// How much a step may hurt.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Label {
    /// Quick, and loses nothing.
    Safe,
    /// Loses nothing, but takes as long as the table is large, and may hold up writes meanwhile.
    Slow,
    /// Loses data.
    Destructive,
}

impl Label {
    pub fn name(self) -> &'static str {
        match self {
            Label::Safe => "safe",
            Label::Slow => "slow",
            Label::Destructive => "destructive",
        }
    }
}

/// One thing to do, as it is shown to a person and as it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    pub label: Label,
    /// One line: `create table catalog.products`.
    pub summary: String,
    /// Statements in their order, without parameters.
    pub sql: Vec<String>,
}

/// What part of a table differs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Table,
    Column(String),
    Key,
    Index(String),
    /// The column that refers.
    ForeignKey(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// Wanted, not there, and it cannot be added.
    Missing,
    /// There, but not as wanted: another type, nullability, key or order of columns.
    Mistyped,
    /// There and not wanted. Does no harm, unless it is a required column.
    Extra,
}

/// Something a plan does not mend.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    pub table: TableName,
    pub part: Part,
    pub kind: DifferenceKind,
    /// The app cannot run on this database until it is mended.
    pub blocking: bool,
    /// For a person, ending in what to do.
    pub detail: String,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", self.table.namespace, self.table.name)?;
        match &self.part {
            Part::Table => {}
            Part::Column(name) | Part::ForeignKey(name) => write!(f, ".{name}")?,
            Part::Key => write!(f, " (key)")?,
            Part::Index(name) => write!(f, " (index {name})")?,
        }
        write!(f, ": {}", self.detail)
    }
}

/// What lies between a database and a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What can be done, in the order in which it must be.
    pub steps: Vec<PlanStep>,
    /// What cannot.
    pub differences: Vec<Difference>,
}

impl Plan {
    /// Nothing to do and nothing in the way. Harmless extras may be there.
    pub fn is_settled(&self) -> bool {
        self.steps.is_empty() && self.blocking().next().is_none()
    }

    /// The differences that keep the app from running on this database.
    pub fn blocking(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|found| found.blocking)
    }

    /// The most that any step may hurt; `None` where there is nothing to do.
    pub fn label(&self) -> Option<Label> {
        self.steps.iter().map(|step| step.label).max()
    }
}

/// Which steps may be run without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow {
    /// Steps up to and with this label.
    pub up_to: Label,
}

impl Allow {
    pub const SAFE: Allow = Allow { up_to: Label::Safe };
    pub const SLOW: Allow = Allow { up_to: Label::Slow };
    pub const EVERYTHING: Allow = Allow {
        up_to: Label::Destructive,
    };

    /// Nothing in the plan is forbidden, and nothing is in its way.
    pub fn covers(self, plan: &Plan) -> bool {
        plan.label().is_none_or(|label| label <= self.up_to) && plan.blocking().next().is_none()
    }
}

/// What became of an `apply`. The plan is the one computed under the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// There was nothing to do.
    Nothing(Plan),
    /// Every step ran, in one transaction.
    Ran(Plan),
    /// Nothing ran: a step is beyond what was allowed, or a difference is in the way.
    Refused(Plan),
}

/// One line of the history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub id: i64,
    /// Microseconds since 1970.
    pub at: i64,
    /// The steps that ran, as JSON: see [`record::plan_json`].
    pub plan: String,
    /// The schema afterwards, as JSON: see [`record::schema_json`].
    pub schema: String,
}

/// What was found in a database. Only namespaces that can be ours; [`BOOKKEEPING`] and columns that a store
/// adds of itself (the change log's `xid` on PostgreSQL) are left out.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Introspected {
    /// Namespaces that exist. SQLite has none to make: it names those of its tables.
    pub namespaces: Vec<String>,
    pub tables: Vec<FoundTable>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundTable {
    pub name: TableName,
    pub columns: Vec<FoundColumn>,
    /// The primary key's columns in their order.
    pub key: Vec<String>,
    pub indexes: Vec<FoundIndex>,
    pub foreign_keys: Vec<ForeignKey>,
    /// It has no rows: a required column can be added without a value, an index costs nothing.
    pub empty: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundColumn {
    pub name: String,
    /// As the database prints it; compared with [`Ddl::physical`].
    pub physical: String,
    /// What we made it as, where that is known. Tells apart what one physical type stands for (on SQLite, a
    /// decimal and its scale, a timestamp and a bool are all `INTEGER`).
    pub recorded: Option<ColumnType>,
    pub nullable: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundIndex {
    /// Without the namespace's prefix where the store adds one.
    pub name: String,
    pub columns: Vec<String>,
    pub unique: bool,
}

/// What a plan does not do, and a person can.
#[derive(Debug, Clone, Copy)]
pub enum ByHand<'a> {
    /// Let a column be null.
    Optional(&'a Column),
    /// Let a column be null no more.
    Required(&'a Column),
    /// Make of a column what it is wanted as.
    Retype(&'a Column),
    /// Drop a column with what it holds.
    Drop(&'a str),
}

/// How one store spells what a plan consists of.
pub trait Ddl {
    /// The SQL that a person may run instead of a step; nothing where there is none that is short and safe.
    fn by_hand(&self, table: &Table, change: ByHand<'_>) -> Vec<String>;
    /// The column's type as introspection prints it.
    fn physical(&self, table: &Table, column: &Column) -> String;
    /// Makes room for the namespace's tables; nothing on SQLite.
    fn create_namespace(&self, namespace: &str) -> Vec<String>;
    /// The table without its indexes; with its foreign keys where [`Ddl::inline_foreign_keys`].
    fn create_table(&self, table: &Table) -> Vec<String>;
    /// Whether foreign keys are part of `create_table` (their target may come later) or come after all tables.
    fn inline_foreign_keys(&self) -> bool;
    fn add_foreign_key(&self, table: &Table, key: &ForeignKey) -> Vec<String>;
    /// Adds a column, its foreign key included. Where it is required and the table `empty`, no value is needed;
    /// otherwise existing rows get [`Column::backfill`].
    fn add_column(&self, table: &Table, column: &Column, empty: bool) -> Vec<String>;
    fn create_index(&self, table: &TableName, index: &TableIndex) -> Vec<String>;
}
