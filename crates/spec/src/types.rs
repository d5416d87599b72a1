//! The types of fields, and the columns they become.

use crate::model::{FieldId, KeyKind, ModelId, OnDelete};
use std::sync::Arc;

/// What a field was declared as, with the limits that belong to the type.
#[derive(Debug, Clone, PartialEq)]
pub enum FieldType {
    /// One line of text. `max`: code points, 255 unless declared.
    String {
        max: u32,
    },
    /// Text of any length up to `max` code points (100,000 unless declared).
    Text {
        max: u32,
    },
    /// An address; compared and stored in lower case.
    Email,
    /// An absolute `http` or `https` URL.
    Url,
    /// One of the declared values.
    Enum {
        values: Arc<[Arc<str>]>,
    },
    /// A whole number within ±(2^53 − 1), so that every JSON client reads it exactly.
    Int {
        min: Option<i64>,
        max: Option<i64>,
    },
    /// A finite IEEE 754 double.
    Float {
        min: Option<f64>,
        max: Option<f64>,
    },
    /// An exact number of at most 18 digits, `scale` of them behind the point.
    Decimal {
        scale: u8,
    },
    Bool,
    /// A moment, to the microsecond, in UTC; years 1–9999.
    Datetime,
    /// A calendar day; years 1–9999.
    Date,
    Uuid,
    /// A reference to a record of another model (or of the same).
    Relation {
        to: ModelId,
        key: KeyKind,
        on_delete: OnDelete,
    },
    /// Any JSON value, canonicalised.
    Json,
    /// A JSON array whose items are all of one scalar type.
    List {
        items: ItemType,
        max: u32,
    },
}

/// What a list holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ItemType {
    String,
    Int,
    Float,
    Bool,
}

/// How a field is kept: the vocabulary in which `plan` tells `store` what a column or a parameter is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ColumnType {
    Text,
    Int,
    Float,
    /// Minor units on SQLite, `numeric` on PostgreSQL.
    Decimal {
        scale: u8,
    },
    Bool,
    /// Microseconds since 1970 on SQLite, `timestamptz` on PostgreSQL.
    Timestamp,
    /// ISO text on SQLite, `date` on PostgreSQL.
    Date,
    /// 16 bytes on SQLite, `uuid` on PostgreSQL.
    Uuid,
    /// Canonical JSON text on SQLite, `jsonb` on PostgreSQL.
    Json,
}

impl ItemType {
    /// The word used for it in `module.toml`.
    pub fn name(self) -> &'static str {
        match self {
            ItemType::String => "string",
            ItemType::Int => "int",
            ItemType::Float => "float",
            ItemType::Bool => "bool",
        }
    }

    pub fn parse(name: &str) -> Option<ItemType> {
        [
            ItemType::String,
            ItemType::Int,
            ItemType::Float,
            ItemType::Bool,
        ]
        .into_iter()
        .find(|item| item.name() == name)
    }

    /// Whether every item of the other type is one of this.
    pub fn takes(self, other: ItemType) -> bool {
        self == other || (self == ItemType::Float && other == ItemType::Int)
    }
}

impl FieldType {
    pub fn column(&self) -> ColumnType {
        match self {
            FieldType::String { .. }
            | FieldType::Text { .. }
            | FieldType::Email
            | FieldType::Url
            | FieldType::Enum { .. } => ColumnType::Text,
            FieldType::Int { .. } => ColumnType::Int,
            FieldType::Float { .. } => ColumnType::Float,
            FieldType::Decimal { scale } => ColumnType::Decimal { scale: *scale },
            FieldType::Bool => ColumnType::Bool,
            FieldType::Datetime => ColumnType::Timestamp,
            FieldType::Date => ColumnType::Date,
            FieldType::Uuid => ColumnType::Uuid,
            FieldType::Relation { key, .. } => key.column(),
            FieldType::Json | FieldType::List { .. } => ColumnType::Json,
        }
    }

    /// The most bytes that a value needs where it is kept in order: in an index, or in a cursor.
    pub fn widest(&self) -> u64 {
        match self {
            FieldType::String { max } | FieldType::Text { max } => u64::from(*max) * 4,
            FieldType::Email => 320,
            FieldType::Url => crate::fit::MAX_URL as u64,
            FieldType::Enum { values } => values.iter().map(|v| v.len() as u64).max().unwrap_or(0),
            FieldType::Relation {
                key: KeyKind::String,
                ..
            } => u64::from(crate::key::MAX_TEXT) * 4,
            _ => 16,
        }
    }

    /// The word used for it in `module.toml` and in messages.
    pub fn name(&self) -> &'static str {
        match self {
            FieldType::String { .. } => "string",
            FieldType::Text { .. } => "text",
            FieldType::Email => "email",
            FieldType::Url => "url",
            FieldType::Enum { .. } => "enum",
            FieldType::Int { .. } => "int",
            FieldType::Float { .. } => "float",
            FieldType::Decimal { .. } => "decimal",
            FieldType::Bool => "bool",
            FieldType::Datetime => "datetime",
            FieldType::Date => "date",
            FieldType::Uuid => "uuid",
            FieldType::Relation { .. } => "relation",
            FieldType::Json => "json",
            FieldType::List { .. } => "list",
        }
    }
}

/// A field of a model, named from outside it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldOf {
    pub model: ModelId,
    pub field: FieldId,
}
