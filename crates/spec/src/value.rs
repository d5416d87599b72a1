//! One typed value: what a parameter binds, a rule computes and a record holds in memory.

use crate::decimal::Decimal;
use std::sync::Arc;
use uuid::Uuid;

/// The largest whole number that every JSON client reads exactly: 2^53 − 1.
pub const MAX_INT: i64 = (1 << 53) - 1;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Always finite.
    Float(f64),
    Decimal(Decimal),
    Text(Arc<str>),
    Uuid(Uuid),
    /// Microseconds since 1970-01-01T00:00:00Z.
    Timestamp(i64),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds; lives in expressions only, never in a column.
    Duration(i64),
    /// Canonical JSON text (see [`crate::json`]).
    Json(Arc<str>),
    /// A list of scalars: `auth.roles`, a literal list, the parameter of `= any($1)`.
    List(Arc<[Value]>),
}

impl Value {
    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    pub fn text(text: &str) -> Value {
        Value::Text(Arc::from(text))
    }

    pub fn as_text(&self) -> Option<&str> {
        match self {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A key as it stands in a URL, a message or the change log.
    pub fn key_text(&self) -> String {
        match self {
            Value::Int(n) => n.to_string(),
            Value::Text(text) => text.to_string(),
            Value::Uuid(id) => id.hyphenated().to_string(),
            other => format!("{other:?}"),
        }
    }
}

impl From<bool> for Value {
    fn from(v: bool) -> Value {
        Value::Bool(v)
    }
}
impl From<i64> for Value {
    fn from(v: i64) -> Value {
        Value::Int(v)
    }
}
impl From<&str> for Value {
    fn from(v: &str) -> Value {
        Value::text(v)
    }
}
impl From<Uuid> for Value {
    fn from(v: Uuid) -> Value {
        Value::Uuid(v)
    }
}
impl<T: Into<Value>> From<Option<T>> for Value {
    fn from(v: Option<T>) -> Value {
        v.map_or(Value::Null, Into::into)
    }
}
