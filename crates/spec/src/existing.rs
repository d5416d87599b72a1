//! Tables that were there before the app: how a model names what it uses of one, and how an app that uses them is
//! written from what the database says of itself.
//!
//! ```text
//! Catalogue ─▶ draft (names, types, keys, relations) ─▶ render ─▶ the loader takes it, or what it refuses is listed
//! ```
//!
//! Such a table stays as it is. It is no part of the [`Schema`](crate::schema::Schema) that migrations bring about, so
//! no plan can touch it; only whether it still has what the app uses is looked at.

pub mod catalogue;
mod checks;
mod defaults;
pub mod draft;
mod names;
mod render;
mod tables;
mod types;

pub use names::shown;

use crate::schema::TableName;
use crate::types::ColumnType;

/// Where a model's records are, of one that did not make its own table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    pub table: TableName,
    /// The primary key, whatever it is called.
    pub key: Column,
}

/// A column of an existing table.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    pub name: String,
    /// Its own type, where values are cast to and from it.
    pub native: Option<Native>,
    /// A rule of what is written, another field's check or a default names it: what these were decided on is what is
    /// written, so that no default of the database may come in.
    pub judged: bool,
}

/// A type of PostgreSQL that no type of ours is kept as: an enumeration, `citext`, an array.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Native {
    /// `pg_catalog` where none is said.
    pub ty: TableName,
    /// An array of it.
    pub list: bool,
}

impl Native {
    /// `citext`, `public.mood`, `text[]`. The first point divides, so a schema whose name has one cannot be said.
    pub fn parse(text: &str) -> Option<Native> {
        let (name, list) = match text.strip_suffix("[]") {
            Some(item) => (item, true),
            None => (text, false),
        };
        let (namespace, name) = name.split_once('.').unwrap_or(("pg_catalog", name));
        (is_name(namespace) && is_name(name)).then(|| Native {
            ty: TableName::new(namespace, name),
            list,
        })
    }

    /// As [`Native::parse`] takes it; `None` of what it could not take back.
    pub fn spelled(&self) -> Option<String> {
        let suffix = if self.list { "[]" } else { "" };
        let text = match self.ty.namespace.as_str() {
            "pg_catalog" => format!("{}{suffix}", self.ty.name),
            namespace => format!("{namespace}.{}{suffix}", self.ty.name),
        };
        (Native::parse(&text).as_ref() == Some(self)).then_some(text)
    }
}

/// Whether PostgreSQL can have something of this name: 1 to 63 bytes, and no NUL.
pub fn is_name(name: &str) -> bool {
    (1..=63).contains(&name.len()) && !name.contains('\0')
}

/// What an app uses of an existing table, for the store to look whether it is there.
#[derive(Debug, Clone, PartialEq)]
pub struct UsedTable {
    pub name: TableName,
    /// The model, for messages.
    pub model: String,
    pub key: Vec<String>,
    pub columns: Vec<UsedColumn>,
    /// Columns of which the model says that no two records have the same values.
    pub unique: Vec<Vec<String>>,
    /// Of relations inside the module: those may not dangle.
    pub references: Vec<UsedReference>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UsedReference {
    pub field: String,
    pub column: String,
    pub to: TableName,
    pub to_column: String,
    /// The target stays while something refers to it.
    pub restricts: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct UsedColumn {
    pub field: String,
    pub column: Column,
    pub ty: ColumnType,
    /// It is read as whatever its type prints.
    pub computed: bool,
    /// [`Column::judged`], and a new record may leave it out although the model has no default for it.
    pub undecided: bool,
}

/// Whether a column of a built-in type of PostgreSQL keeps such values as they are.
pub fn keeps(ty: ColumnType, native: &str) -> bool {
    match ty {
        ColumnType::Text => matches!(native, "text" | "varchar" | "name"),
        ColumnType::Int => matches!(native, "int2" | "int4" | "int8"),
        ColumnType::Float => matches!(native, "float4" | "float8"),
        ColumnType::Decimal { .. } => native == "numeric",
        ColumnType::Bool => native == "bool",
        ColumnType::Timestamp => matches!(native, "timestamp" | "timestamptz"),
        ColumnType::Date => native == "date",
        ColumnType::Uuid => native == "uuid",
        ColumnType::Json => native == "jsonb",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_native_type_is_spelled_as_it_is_read() {
        for text in ["citext", "public.mood", "text[]", "My Schema.Ä \"x\"[]"] {
            let native = Native::parse(text).expect(text);
            assert_eq!(native.spelled().as_deref(), Some(text));
        }
        for bad in ["", ".", "a.", ".b", "[]", "a\0b"] {
            assert_eq!(Native::parse(bad), None, "{bad:?}");
        }
        // What would be read as something else is not spelled at all.
        for (namespace, name) in [("a.b", "c"), ("pg_catalog", "x.y"), ("s", "t[]")] {
            let native = Native {
                ty: TableName::new(namespace, name),
                list: false,
            };
            assert_eq!(native.spelled(), None, "{namespace} {name}");
        }
    }
}
