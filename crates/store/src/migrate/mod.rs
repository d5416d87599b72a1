//! Brings a database to the schema an app wants: look, compare, plan, and (in each store) apply.
//!
//! [`plan`] is pure: what was found ([`Introspected`]) and what is wanted ([`Schema`]) go in, a [`Plan`] comes
//! out. The SQL of each store is behind [`Ddl`], so that both stores decide alike and only spell differently.
//!
//! ```text
//! renames ─▶ compare ─▶ search:  indexes of words that are to be made anew, or that nobody wants
//!                       prepare: room, renames, what goes, tables, columns
//!                       data:    the app's own SQL
//!                       checks:  what records are in the way
//!                       tighten: types, required, indexes, references
//!                       online:  the long part of these, where others go on writing (PostgreSQL)
//!                       search:  indexes of words, filled
//!                       drop:    what no model has any more
//! ```
//!
//! Steps that stand together share a transaction; a step that runs alone divides them. What was committed stays, and
//! a plan computed again goes on from there.

mod checks;
mod compare;
mod convert;
mod existing;
mod indexes;
pub mod postgres;
pub mod record;
mod renames;
pub mod search;
pub mod sqlite;
#[cfg(test)]
mod tests;

pub use checks::Check;
pub use compare::plan;

use spec::existing::catalogue::Catalogue;
use spec::schema::{Column, ForeignKey, Schema, Table, TableIndex, TableName};
use spec::{ColumnType, Domain};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

/// Own tables that hold the bookkeeping of migrations. They are made before any plan, and are no part of one.
pub const BOOKKEEPING: [&str; 4] = ["migrations", "schema", "format", "data_steps"];

/// How the bookkeeping is kept. 1: migrations and the types of columns. 2: also this number, the domains of columns,
/// how long a migration took and how it ended, and the data steps that ran.
pub const FORMAT: i64 = 2;

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

/// How a step is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Run {
    /// In one transaction with those beside it.
    Together,
    /// In none, after what came before it is committed; where it fails, this cleans up behind it.
    Alone { undo: Vec<String> },
    /// The data step of this name, in one transaction with those beside it.
    Data(String),
}

/// One thing to do, as it is shown to a person and as it is run.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PlanStep {
    pub label: Label,
    /// The app cannot run as it should before this is done.
    pub needed: bool,
    /// One line: `create table catalog.products`.
    pub summary: String,
    /// Statements in their order, without parameters. None where only the bookkeeping changes.
    pub sql: Vec<String>,
    pub run: Run,
}

impl PlanStep {
    pub(crate) fn new(label: Label, summary: String, sql: Vec<String>) -> PlanStep {
        PlanStep {
            label,
            needed: true,
            summary,
            sql,
            run: Run::Together,
        }
    }

    /// The app runs without it as well.
    pub(crate) fn spare(self) -> PlanStep {
        PlanStep {
            needed: false,
            ..self
        }
    }

    pub(crate) fn alone(self, undo: Vec<String>) -> PlanStep {
        PlanStep {
            run: Run::Alone { undo },
            ..self
        }
    }
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
    /// The index of its words.
    Search,
    /// No part of a table: a data step, by its name.
    DataStep(String),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum DifferenceKind {
    /// Wanted, not there, and it cannot be added.
    Missing,
    /// There, but not as wanted: another type, key or order of columns.
    Mistyped,
    /// There and not wanted. Does no harm.
    Extra,
    /// What records hold does not fit what is wanted.
    Records,
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
        if let Part::DataStep(name) = &self.part {
            return write!(f, "data step {name}: {}", self.detail);
        }
        write!(f, "{}", dotted(&self.table))?;
        match &self.part {
            Part::Table | Part::DataStep(_) => {}
            Part::Column(name) | Part::ForeignKey(name) => write!(f, ".{name}")?,
            Part::Key => write!(f, " (key)")?,
            Part::Search => write!(f, " (search)")?,
            Part::Index(name) => write!(f, " (index {name})")?,
        }
        write!(f, ": {}", self.detail)
    }
}

/// `catalog.products`.
pub(crate) fn dotted(name: &TableName) -> String {
    format!("{}.{}", name.namespace, name.name)
}

/// What lies between a database and a schema.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Plan {
    /// What can be done, in the order in which it must be.
    pub steps: Vec<PlanStep>,
    /// What to count before the steps from [`Plan::checks_at`] on.
    pub checks: Vec<Check>,
    pub checks_at: usize,
    /// What cannot.
    pub differences: Vec<Difference>,
    /// Records in the way of the steps: nothing is done until they are mended.
    pub obstacles: Vec<Difference>,
}

impl Plan {
    /// Nothing that the app needs is to be done, and nothing is in the way. Harmless extras may be there.
    pub fn is_settled(&self) -> bool {
        !self.steps.iter().any(|step| step.needed) && self.blocking().next().is_none()
    }

    /// There is nothing to do, to mend or to note.
    pub fn is_empty(&self) -> bool {
        self.steps.is_empty() && self.differences.is_empty() && self.obstacles.is_empty()
    }

    /// The differences that keep the app from running on this database.
    pub fn blocking(&self) -> impl Iterator<Item = &Difference> {
        self.differences.iter().filter(|found| found.blocking)
    }

    /// What keeps the plan from being applied, whatever is allowed.
    pub fn in_the_way(&self) -> impl Iterator<Item = &Difference> {
        self.blocking().chain(&self.obstacles)
    }

    /// The most that any step may hurt; `None` where there is nothing to do.
    pub fn label(&self) -> Option<Label> {
        self.steps.iter().map(|step| step.label).max()
    }

    /// Without the steps that the app can do without.
    fn needed(mut self) -> Plan {
        let spared = |step: &&PlanStep| !step.needed;
        self.checks_at -= self.steps[..self.checks_at].iter().filter(spared).count();
        self.steps.retain(|step| step.needed);
        self
    }
}

/// What is done about what no model declares any more.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extras {
    /// It stays, and is noted: an older app may run on it again.
    Keep,
    Drop,
}

/// Whether a look at a database counts the records that are in the way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Counting {
    All,
    Nothing,
}

/// Which steps may be run without asking again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Allow {
    /// Steps up to and with this label.
    pub up_to: Label,
    /// Only what the app needs: the rest is left to somebody who looks at it.
    pub needed_only: bool,
    /// What happens to what no model has any more.
    pub extras: Extras,
}

impl Allow {
    pub const SAFE: Allow = Allow::up_to(Label::Safe);
    pub const SLOW: Allow = Allow::up_to(Label::Slow);
    /// What loses values that there is no room for any more; what no model has stays.
    pub const DESTRUCTIVE: Allow = Allow::up_to(Label::Destructive);
    pub const EVERYTHING: Allow = Allow {
        extras: Extras::Drop,
        ..Allow::up_to(Label::Destructive)
    };
    /// What a server may do that starts beside older ones: what they have stays.
    pub const NEEDED: Allow = Allow {
        needed_only: true,
        ..Allow::up_to(Label::Safe)
    };

    pub const fn up_to(up_to: Label) -> Allow {
        Allow {
            up_to,
            needed_only: false,
            extras: Extras::Keep,
        }
    }

    /// Nothing in the plan is forbidden, and nothing is in its way.
    pub fn covers(self, plan: &Plan) -> bool {
        plan.label().is_none_or(|label| label <= self.up_to) && plan.in_the_way().next().is_none()
    }

    /// What of a plan is to be done.
    pub(crate) fn cut(self, plan: Plan) -> Plan {
        match self.needed_only {
            true => plan.needed(),
            false => plan,
        }
    }
}

/// What a run tells while it goes on.
#[derive(Debug, Clone, Copy)]
pub enum Progress<'a> {
    /// Counted from 0.
    Begins {
        at: usize,
        of: usize,
        step: &'a PlanStep,
    },
    Done {
        step: &'a PlanStep,
        took: Duration,
    },
    /// A table is in use; what was begun is undone, and tried again after a pause.
    Waits {
        step: &'a PlanStep,
    },
}

/// Who is told.
pub type Watch = Arc<dyn Fn(Progress<'_>) + Send + Sync>;

/// How a plan is applied.
#[derive(Clone)]
pub struct Terms {
    pub allow: Allow,
    /// The plan that somebody agreed to: another one is refused.
    pub agreed: Option<Plan>,
    pub watch: Watch,
}

impl From<Allow> for Terms {
    fn from(allow: Allow) -> Terms {
        Terms {
            allow,
            agreed: None,
            watch: Arc::new(|_| {}),
        }
    }
}

impl Terms {
    pub(crate) fn cover(&self, plan: &Plan) -> bool {
        self.allow.covers(plan) && self.agreed.as_ref().is_none_or(|agreed| agreed == plan)
    }
}

/// What became of an `apply`. The plan is the one computed under the lock.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// There was nothing to do.
    Nothing(Plan),
    /// Every step ran.
    Ran(Plan),
    /// Nothing ran: a step is beyond what was allowed, or something is in the way.
    Refused(Plan),
}

/// How a migration of the history ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    Done,
    /// It stopped half-way, or still runs: the steps that are named are done, and running it again goes on.
    HalfWay,
}

/// One line of the history, oldest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Migration {
    pub id: i64,
    /// When it began: microseconds since 1970.
    pub at: i64,
    /// `None` of one that ran before this was kept.
    pub took: Option<Duration>,
    pub ended: Ended,
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
    /// Indexes of the words of tables. What they are made of is no table of [`Introspected::tables`].
    pub searches: Vec<FoundSearch>,
    /// What there is of the schemas whose tables were there before the app. PostgreSQL only.
    pub existing: Catalogue,
    /// The data steps that ran (or were passed over on a new database), with their text then.
    pub data_steps: Vec<(String, String)>,
}

impl Introspected {
    pub fn table(&self, name: &TableName) -> Option<&FoundTable> {
        self.tables.iter().find(|one| one.name == *name)
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundTable {
    pub name: TableName,
    pub columns: Vec<FoundColumn>,
    /// The primary key's columns in their order.
    pub key: Vec<String>,
    pub indexes: Vec<FoundIndex>,
    pub foreign_keys: Vec<FoundKey>,
    pub size: Size,
    /// What a rebuild must make again, as it was made: triggers that somebody added. SQLite only.
    pub triggers: Vec<String>,
}

/// The index of a table's words (`Table::search`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FoundSearch {
    /// The table whose words they are; it may be gone.
    pub table: TableName,
    /// What [`Ddl::search_made`] says of one that is complete; anything else of one that is not.
    pub made: String,
    /// The fields whose words it has.
    pub fields: Vec<String>,
    /// The SQL of its own triggers on the table. SQLite only.
    pub triggers: Vec<String>,
}

impl FoundTable {
    pub fn column(&self, name: &str) -> Option<&FoundColumn> {
        self.columns.iter().find(|one| one.name == name)
    }

    /// Whether a migration made it: then it is known what its columns were made as.
    pub fn is_made(&self) -> bool {
        self.columns.iter().any(|one| one.recorded.is_some())
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Size {
    /// No rows: a required column can be added without a value, an index costs nothing.
    Empty,
    Small,
    /// So large that holding up its writes while it is read would be felt.
    Large,
}

impl Size {
    /// The label of a step that reads or writes all of such a table.
    pub(crate) fn label(self) -> Label {
        match self {
            Size::Empty => Label::Safe,
            Size::Small | Size::Large => Label::Slow,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundColumn {
    pub name: String,
    /// As the database prints it; compared with [`Ddl::physical`].
    pub physical: String,
    /// What we made it as, where that is known. Tells apart what one physical type stands for (on SQLite, a
    /// decimal and its scale, a timestamp and a bool are all `INTEGER`).
    pub recorded: Option<ColumnType>,
    /// What its values kept to when it was last migrated, where that is known.
    pub domain: Option<Domain>,
    pub nullable: bool,
    /// An insert that does not name it gets a value.
    pub default: bool,
    /// The check that a run left which stopped before it could make the column required. PostgreSQL only.
    pub checked: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundIndex {
    /// Without the namespace's prefix where the store adds one.
    pub name: String,
    pub columns: Vec<String>,
    pub unique: bool,
    /// False of one whose making was interrupted. PostgreSQL only.
    pub valid: bool,
    /// It has what ours never have: a condition, an expression, another order.
    pub special: bool,
    /// It belongs to a constraint that somebody added, and goes with it. PostgreSQL only.
    pub constraint: bool,
    /// What the store calls it, quoted, and the SQL that made it where the store keeps that.
    pub quoted: String,
    pub made: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct FoundKey {
    pub key: ForeignKey,
    /// What the constraint is called. PostgreSQL only.
    pub constraint: String,
    /// False of one whose records were not looked at yet. PostgreSQL only.
    pub valid: bool,
}

/// What is to be done to the columns and references of one table that is there.
#[derive(Debug, Default)]
pub struct TableChange<'a> {
    pub columns: Vec<ColumnChange<'a>>,
    pub keys_to_drop: Vec<&'a FoundKey>,
    pub keys_to_add: Vec<&'a ForeignKey>,
    /// References that are there and were not validated.
    pub keys_to_validate: Vec<&'a FoundKey>,
    /// Columns of no field, which must not be required of new records.
    pub relaxed: Vec<&'a FoundColumn>,
}

impl TableChange<'_> {
    pub fn is_empty(&self) -> bool {
        self.columns.is_empty()
            && self.keys_to_drop.is_empty()
            && self.keys_to_add.is_empty()
            && self.keys_to_validate.is_empty()
            && self.relaxed.is_empty()
    }

    /// Whether the values of a column are made anew.
    pub fn retypes(&self, column: &str) -> bool {
        let of = |one: &&ColumnChange<'_>| one.wanted.name == column;
        let change = self.columns.iter().find(of);
        change.is_some_and(|change| change.retype.is_some())
    }
}

#[derive(Debug)]
pub struct ColumnChange<'a> {
    /// `None` of a column that the same plan has added.
    pub found: Option<&'a FoundColumn>,
    pub wanted: &'a Column,
    pub retype: Option<Retype>,
    pub nullability: Option<Nullability>,
}

/// How a column becomes another type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Retype {
    /// Each value is converted; `lossy` where some may not come back.
    Convert {
        from: ColumnType,
        to: ColumnType,
        lossy: bool,
    },
    /// The type is the same, and only kept in another way: somebody altered the column by hand.
    Restore,
}

impl Retype {
    pub fn label(self, size: Size) -> Label {
        match (self, size) {
            (_, Size::Empty) => Label::Safe,
            (Retype::Convert { lossy: true, .. }, _) => Label::Destructive,
            _ => Label::Slow,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Nullability {
    Optional,
    Required,
}

/// The steps of a change, by when they come.
#[derive(Debug, Default)]
pub struct Altered {
    pub prepare: Vec<PlanStep>,
    pub tighten: Vec<PlanStep>,
    pub online: Vec<PlanStep>,
}

/// How one store spells what a plan consists of.
pub trait Ddl {
    /// The column's type as introspection prints it.
    fn physical(&self, table: &Table, column: &Column) -> String;
    /// Whether a column that somebody altered by hand can be brought back to its type as it is kept.
    fn can_restore(&self, found: &FoundColumn, table: &Table, wanted: &Column) -> bool;
    /// A value of one type as one of another; `expr` is SQL. Only pairs of [`convert::loss`].
    fn convert(&self, expr: &str, from: ColumnType, to: ColumnType) -> String;
    fn dialect(&self) -> spec::Dialect;
    /// Makes room for the namespace's tables; nothing on SQLite.
    fn create_namespace(&self, namespace: &str) -> Vec<String>;
    /// The table without its indexes; with its foreign keys where [`Ddl::inline_foreign_keys`].
    fn create_table(&self, table: &Table) -> Vec<String>;
    /// Whether foreign keys are part of `create_table` and `add_column` (their target may come later) or come after.
    fn inline_foreign_keys(&self) -> bool;
    fn add_foreign_key(&self, table: &Table, key: &ForeignKey) -> Vec<String>;
    /// Adds a column. Where it is required and there are no records, no value is needed; otherwise existing rows get
    /// [`Column::backfill`].
    fn add_column(&self, table: &Table, column: &Column) -> Vec<String>;
    fn create_index(&self, table: &TableName, index: &TableIndex) -> Vec<String>;
    /// How an index is made on a table of this size: in the transaction, or alone.
    fn index_step(&self, table: &TableName, index: &TableIndex, size: Size) -> PlanStep;
    fn drop_index(&self, table: &TableName, index: &FoundIndex) -> Vec<String>;
    /// `None` where a store cannot but make it anew.
    fn rename_index(&self, table: &TableName, from: &str, to: &str) -> Option<Vec<String>>;
    fn rename_table(&self, from: &TableName, to: &TableName) -> Vec<String>;
    fn rename_column(&self, table: &TableName, from: &str, to: &str) -> Vec<String>;
    /// With the indexes it is part of, and its reference.
    fn drop_column(&self, table: &FoundTable, column: &str) -> Vec<String>;
    /// With the references that lead to it.
    fn drop_table(&self, table: &FoundTable, found: &Introspected) -> Vec<String>;
    /// What tells an index of this table's words from any other.
    fn search_made(&self, table: &Table) -> String;
    /// Makes the index of a table's words, and fills it.
    fn create_search(&self, table: &Table, size: Size) -> Vec<PlanStep>;
    /// Whether or not the table is there.
    fn drop_search(&self, table: &TableName) -> Vec<String>;
    /// Columns and references of a table that is there. `kept` are the indexes that stay.
    fn alter(
        &self,
        found: &FoundTable,
        table: &Table,
        change: &TableChange<'_>,
        kept: &[&FoundIndex],
        all: &Introspected,
    ) -> Altered;
}

/// Why a database is left alone.
pub(crate) fn newer(format: i64) -> crate::StoreError {
    crate::StoreError::Other {
        cause: format!(
            "a newer Mainstay has migrated this database: its bookkeeping has format {format}, and this version knows \
             {FORMAT}; use that version, or one after it"
        ),
    }
}

/// What a data step must not do. The loader finds it in most that would; `failed` is what came of the rest of the step.
pub(crate) fn ended_transaction(name: &str, failed: Option<String>) -> crate::StoreError {
    let then = failed.map_or(String::new(), |cause| {
        format!(", and then failed ({cause})")
    });
    crate::StoreError::Other {
        cause: format!(
            "data step {name} ended the transaction that it runs in{then}. What was done before that stays: look at it, \
             and remove from the step what ends the transaction"
        ),
    }
}

/// The schema's data steps for a store, as far as they have not run yet.
pub(crate) fn pending<'a>(
    found: &Introspected,
    wanted: &'a Schema,
    dialect: spec::Dialect,
) -> Vec<(&'a str, &'a str)> {
    let ran = |name: &str| found.data_steps.iter().any(|(one, _)| one == name);
    wanted
        .data_steps
        .iter()
        .filter(|step| !ran(&step.name))
        .filter_map(|step| Some((step.name.as_str(), step.text(dialect)?)))
        .collect()
}
