//! One typed value: what a parameter binds, a rule computes and a record holds in memory.

use crate::decimal::Decimal;
use crate::time;
use std::sync::Arc;
use uuid::Uuid;

/// The largest whole number that every JSON client reads exactly: 2^53 − 1.
pub const MAX_INT: i64 = (1 << 53) - 1;

#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
    /// Finite, save in a table that was there before: see [`Value::nearest`].
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

    /// The value that is shown of it. A table that was there before the app may keep what no type of ours can hold: times
    /// without end and outside of the years 1–9999, the infinities, `NaN`. Rules, filters and cursors see these as they
    /// are, in PostgreSQL's order, which has `NaN` above all numbers; people see the nearest that there is.
    pub fn nearest(&self) -> Value {
        match self {
            Value::Float(x) => Value::Float(finite(*x)),
            Value::Decimal(d) => Value::Decimal(d.nearest()),
            Value::Timestamp(micros) => {
                Value::Timestamp((*micros).clamp(time::MIN_TIMESTAMP, time::MAX_TIMESTAMP))
            }
            Value::Date(days) => Value::Date((*days).clamp(time::MIN_DATE, time::MAX_DATE)),
            other => other.clone(),
        }
    }

    /// Whether nothing would change if one took the place of the other. `NaN` is itself, as PostgreSQL has it.
    pub fn is_same(&self, other: &Value) -> bool {
        match (self, other) {
            (Value::Float(a), Value::Float(b)) if a.is_nan() => b.is_nan(),
            _ => self == other,
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

/// The finite number that is nearest; of `NaN` the largest, where PostgreSQL has it in order.
pub fn finite(x: f64) -> f64 {
    match x.is_nan() {
        true => f64::MAX,
        false => x.clamp(f64::MIN, f64::MAX),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_no_type_holds_is_shown_as_the_nearest() {
        let beyond = |units| Value::Decimal(Decimal::new(units, 2));
        for (value, shown) in [
            (Value::Float(f64::NAN), Value::Float(f64::MAX)),
            (Value::Float(f64::NEG_INFINITY), Value::Float(f64::MIN)),
            (Value::Float(0.5), Value::Float(0.5)),
            (
                Value::Timestamp(i64::MAX),
                Value::Timestamp(time::MAX_TIMESTAMP),
            ),
            (Value::Date(i32::MIN), Value::Date(time::MIN_DATE)),
            (beyond(i64::MAX), beyond(999_999_999_999_999_999)),
            (beyond(-i64::MAX), beyond(-999_999_999_999_999_999)),
            (beyond(5), beyond(5)),
        ] {
            assert_eq!(value.nearest(), shown);
        }
        assert!(Value::Float(f64::NAN).is_same(&Value::Float(f64::NAN)));
        assert!(!Value::Float(f64::NAN).is_same(&Value::Float(1.0)));
    }
}
