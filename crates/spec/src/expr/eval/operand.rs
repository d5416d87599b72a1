//! A value on its way through an evaluation: borrowed wherever it stands.

use super::{Result, Value};
use crate::decimal::Decimal;
use crate::expr::tree::PathStep;
use crate::json::{self, Node};
use std::borrow::Cow;
use std::cmp::Ordering;
use std::sync::Arc;
use uuid::Uuid;

#[derive(Debug, Clone)]
pub(super) enum Operand<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Decimal(Decimal),
    Text(Cow<'a, str>),
    Uuid(Uuid),
    Timestamp(i64),
    Date(i32),
    Duration(i64),
    /// JSON text other than `null`.
    Json(&'a str),
    List(&'a [Value]),
    Roles(&'a [Arc<str>]),
    /// A list put together on the way.
    Made(Value),
}

impl<'a> Operand<'a> {
    pub fn of(value: &'a Value) -> Operand<'a> {
        match value {
            Value::Null => Operand::Null,
            Value::Bool(b) => Operand::Bool(*b),
            Value::Int(n) => Operand::Int(*n),
            Value::Float(x) => Operand::Float(*x),
            Value::Decimal(d) => Operand::Decimal(*d),
            Value::Text(text) => Operand::Text(Cow::Borrowed(text)),
            Value::Uuid(id) => Operand::Uuid(*id),
            Value::Timestamp(t) => Operand::Timestamp(*t),
            Value::Date(d) => Operand::Date(*d),
            Value::Duration(d) => Operand::Duration(*d),
            Value::Json(text) => Operand::json(text),
            Value::List(items) => Operand::List(items),
        }
    }

    /// A JSON null is null.
    pub fn json(text: &'a str) -> Operand<'a> {
        if text == "null" {
            Operand::Null
        } else {
            Operand::Json(text)
        }
    }

    pub fn into_value(self) -> Value {
        match self {
            Operand::Null => Value::Null,
            Operand::Bool(b) => Value::Bool(b),
            Operand::Int(n) => Value::Int(n),
            Operand::Float(x) => Value::Float(x),
            Operand::Decimal(d) => Value::Decimal(d),
            Operand::Text(text) => Value::text(&text),
            Operand::Uuid(id) => Value::Uuid(id),
            Operand::Timestamp(t) => Value::Timestamp(t),
            Operand::Date(d) => Value::Date(d),
            Operand::Duration(d) => Value::Duration(d),
            Operand::Json(text) => Value::Json(Arc::from(text)),
            Operand::List(items) => Value::List(Arc::from(items)),
            Operand::Roles(roles) => {
                Value::List(roles.iter().map(|r| Value::Text(r.clone())).collect())
            }
            Operand::Made(value) => value,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Operand::Null)
    }

    pub fn as_text(&self) -> Option<Cow<'_, str>> {
        match self {
            Operand::Text(text) => Some(Cow::Borrowed(text)),
            Operand::Json(text) => match json::node(text) {
                Node::Text(text) => Some(text),
                _ => None,
            },
            _ => None,
        }
    }

    /// The scalar that JSON text holds; containers are left as text.
    pub fn decoded(self) -> Operand<'a> {
        match self {
            Operand::Json(text) => match json::node(text) {
                Node::Null => Operand::Null,
                Node::Bool(b) => Operand::Bool(b),
                Node::Int(n) => Operand::Int(n),
                Node::Float(x) => Operand::Float(x),
                Node::Text(text) => Operand::Text(text),
                Node::Array(text) | Node::Object(text) => Operand::Json(text),
            },
            other => other,
        }
    }

    /// How the two compare; none where either is null or the types have nothing in common.
    pub fn order(&self, other: &Operand<'_>) -> Option<Ordering> {
        use Operand::{Bool, Date, Decimal as Dec, Duration, Float, Int, Json, Text, Timestamp};
        match (self, other) {
            (Text(a), Text(b)) => Some(a.as_ref().cmp(b.as_ref())),
            (Operand::Uuid(a), Operand::Uuid(b)) => Some(a.cmp(b)),
            (Int(a), Int(b)) => Some(a.cmp(b)),
            (Float(a), Float(b)) => Some(order_floats(*a, *b)),
            (Int(a), Float(b)) => order_mixed(*a, *b),
            (Float(a), Int(b)) => order_mixed(*b, *a).map(Ordering::reverse),
            (Dec(a), Dec(b)) => Some(a.cmp(b)),
            (Dec(a), Int(b)) => Some(a.cmp(&Decimal::new(*b, 0))),
            (Int(a), Dec(b)) => Some(Decimal::new(*a, 0).cmp(b)),
            (Bool(a), Bool(b)) => Some(a.cmp(b)),
            (Timestamp(a), Timestamp(b)) | (Duration(a), Duration(b)) => Some(a.cmp(b)),
            (Date(a), Date(b)) => Some(a.cmp(b)),
            (Json(_), Json(_)) => match (self.clone().decoded(), other.clone().decoded()) {
                // Canonical text: the same document is the same bytes; documents have no order.
                (Json(a), Json(b)) => (a == b).then_some(Ordering::Equal),
                (Json(_), _) | (_, Json(_)) => None,
                (a, b) => a.order(&b),
            },
            (Json(_), _) => match self.clone().decoded() {
                Json(_) => None,
                a => a.order(other),
            },
            (_, Json(_)) => match other.clone().decoded() {
                Json(_) => None,
                b => self.order(&b),
            },
            _ => None,
        }
    }

    pub fn size(&self) -> Operand<'a> {
        let count = match self {
            Operand::Text(text) => text.chars().count(),
            Operand::List(items) => items.len(),
            Operand::Roles(roles) => roles.len(),
            Operand::Made(Value::List(items)) => items.len(),
            Operand::Json(text) => match json::node(text) {
                Node::Text(text) => text.chars().count(),
                Node::Array(text) => json::items(text).count(),
                _ => return Operand::Null,
            },
            _ => return Operand::Null,
        };
        Operand::Int(count as i64)
    }

    pub fn is_list(&self) -> bool {
        match self {
            Operand::List(_) | Operand::Roles(_) | Operand::Made(Value::List(_)) => true,
            Operand::Json(text) => matches!(json::node(text), Node::Array(_)),
            _ => false,
        }
    }

    /// Hands over the items one by one until `visit` answers false. What is no list has none.
    pub fn each(&self, visit: &mut dyn FnMut(Operand<'a>) -> Result<bool>) -> Result<()> {
        match self {
            Operand::List(items) => {
                for item in *items {
                    if !visit(Operand::of(item))? {
                        break;
                    }
                }
            }
            Operand::Roles(roles) => {
                for role in *roles {
                    if !visit(Operand::Text(Cow::Borrowed(role)))? {
                        break;
                    }
                }
            }
            Operand::Json(text) => {
                for item in json::items(text) {
                    if !visit(Operand::json(item).decoded())? {
                        break;
                    }
                }
            }
            Operand::Made(Value::List(items)) => {
                for item in items.iter() {
                    // A made list holds scalars; only its texts are copied.
                    let item = match Operand::of(item) {
                        Operand::Text(text) => Operand::Text(Cow::Owned(text.into_owned())),
                        Operand::Null => Operand::Null,
                        Operand::Bool(b) => Operand::Bool(b),
                        Operand::Int(n) => Operand::Int(n),
                        Operand::Float(x) => Operand::Float(x),
                        Operand::Decimal(d) => Operand::Decimal(d),
                        Operand::Uuid(id) => Operand::Uuid(id),
                        Operand::Timestamp(t) => Operand::Timestamp(t),
                        Operand::Date(d) => Operand::Date(d),
                        Operand::Duration(d) => Operand::Duration(d),
                        Operand::Json(_)
                        | Operand::List(_)
                        | Operand::Roles(_)
                        | Operand::Made(_) => Operand::Null,
                    };
                    if !visit(item)? {
                        break;
                    }
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// Steps into JSON; a path to nothing is null.
    pub fn follow(self, steps: &[PathStep]) -> Operand<'a> {
        let mut here = self;
        for step in steps {
            here = match (here, step) {
                (Operand::Json(text), PathStep::Member(name)) => {
                    json::member(text, name).map_or(Operand::Null, Operand::json)
                }
                (Operand::Json(text), PathStep::Index(index)) => {
                    json::index(text, *index).map_or(Operand::Null, Operand::json)
                }
                (Operand::List(items), PathStep::Index(index)) => items
                    .get(*index as usize)
                    .map_or(Operand::Null, Operand::of),
                _ => return Operand::Null,
            };
        }
        here
    }
}

/// As PostgreSQL orders them: `NaN`, which only a table that was there before can hold, is above all and equal to itself.
fn order_floats(a: f64, b: f64) -> Ordering {
    a.partial_cmp(&b)
        .unwrap_or_else(|| a.is_nan().cmp(&b.is_nan()))
}

/// Exactly, also where the whole number is beyond what a double can tell apart.
fn order_mixed(int: i64, float: f64) -> Option<Ordering> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    if float >= END || float.is_nan() {
        return Some(Ordering::Less);
    }
    if float < -END {
        return Some(Ordering::Greater);
    }
    let whole = float.trunc();
    Some(int.cmp(&(whole as i64)).then_with(|| {
        0.0f64
            .partial_cmp(&(float - whole))
            .unwrap_or(Ordering::Equal)
    }))
}
