//! What a database says of tables that are there: facts, in PostgreSQL's own words. A store fills it in.

use crate::schema::TableName;

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Catalogue {
    /// The schemas that were looked at, and the others there are.
    pub schemas: Vec<String>,
    pub others: Vec<String>,
    pub relations: Vec<Relation>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Relation {
    pub name: TableName,
    pub kind: Kind,
    pub comment: Option<String>,
    pub columns: Vec<Column>,
    /// The primary key's columns in their order.
    pub key: Vec<String>,
    /// The other indexes.
    pub indexes: Vec<Index>,
    pub references: Vec<Reference>,
    pub checks: Vec<Check>,
    /// Triggers and rewrite rules of its owner, by their names.
    pub triggers: Vec<String>,
    /// Policies decide which rows a role sees.
    pub row_security: bool,
    /// What the role that looked may not do: `SELECT`, `INSERT`, …
    pub denied: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Table,
    /// With its partitions behind it.
    Partitioned,
    /// One of them: its rows are its parent's.
    Partition,
    /// It takes the rows of a parent's table along (`INHERITS`).
    Child,
    View,
    MaterializedView,
    Foreign,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Column {
    pub name: String,
    pub ty: Type,
    pub nullable: bool,
    /// As the database prints it.
    pub default: Option<String>,
    pub identity: Option<Identity>,
    pub generated: bool,
    /// Texts that are not alike may be equal to it.
    pub blurred: bool,
    pub comment: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    Always,
    ByDefault,
}

/// A column's type, below the domains that lead to it.
#[derive(Debug, Clone, PartialEq)]
pub struct Type {
    /// Of an array, its items' type.
    pub name: TableName,
    pub array: bool,
    /// As the database prints the whole: `character varying(20)`.
    pub shown: String,
    pub class: Class,
    /// The values of an enumeration in their order.
    pub labels: Vec<String>,
    /// Characters of a `varchar(n)` or `char(n)`.
    pub length: Option<u32>,
    /// Digits of a `numeric(p, s)`, and those behind the point.
    pub digits: Option<(u32, i32)>,
    pub domain: Option<Domain>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class {
    Base,
    Enum,
    Composite,
    Range,
}

/// The domain that a column names; what it asks beside the type.
#[derive(Debug, Clone, PartialEq)]
pub struct Domain {
    pub name: TableName,
    /// `CHECK ((VALUE > 0))`
    pub checks: Vec<Check>,
    pub default: Option<String>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Index {
    pub name: String,
    /// `None` where it is on an expression.
    pub columns: Vec<Option<String>>,
    pub unique: bool,
    /// It has a condition.
    pub partial: bool,
    /// `btree`, `gin`, …
    pub method: String,
    pub valid: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Reference {
    pub name: String,
    pub columns: Vec<String>,
    pub to: TableName,
    pub to_columns: Vec<String>,
    pub on_delete: OnDelete,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// `NO ACTION` and `RESTRICT`.
    Refuse,
    Cascade,
    SetNull,
    SetDefault,
}

/// A constraint on the values of a row: a check or an exclusion.
#[derive(Debug, Clone, PartialEq)]
pub struct Check {
    pub name: String,
    /// The columns that it is about; none of a domain's.
    pub columns: Vec<String>,
    /// As `pg_get_constraintdef` prints it: `CHECK ((price > (0)::numeric))`.
    pub text: String,
}
