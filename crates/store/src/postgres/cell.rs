//! One column's bytes, in PostgreSQL's binary format, as JSON or as a [`Value`].

use super::numeric::{self, Number};
use crate::StoreError;
use spec::{ColumnType, Decimal, Uuid, Value};

/// From 1970 to 2000, where PostgreSQL's clocks start.
pub(super) const EPOCH_MICROS: i64 = 946_684_800_000_000;
pub(super) const EPOCH_DAYS: i32 = 10_957;

/// The store keeps what passed the depth check on its way in; this only bounds what others wrote.
const JSON_DEPTH: u32 = 10_000;

/// Why a row does not become an answer.
#[derive(Debug)]
pub(super) enum Unreadable {
    /// The bytes are not what the shape says: a defect of the statement, or somebody else's data.
    Malformed(&'static str),
    /// A sum that is no number, or a whole one beyond what JSON clients read exactly.
    TooLarge,
}
pub(super) use Unreadable::Malformed;

impl From<Unreadable> for StoreError {
    fn from(unreadable: Unreadable) -> StoreError {
        match unreadable {
            Malformed(what) => StoreError::Other {
                cause: format!("a row is not what its statement's shape says: {what}"),
            },
            Unreadable::TooLarge => StoreError::OutOfRange {
                cause: "a whole number is beyond 2^53 − 1, or a sum is none".to_owned(),
            },
        }
    }
}

pub(super) type Result<T> = std::result::Result<T, Unreadable>;

fn array<const N: usize>(raw: &[u8], what: &'static str) -> Result<[u8; N]> {
    raw.try_into().map_err(|_| Malformed(what))
}

/// `bigint`, `integer`, `smallint` (and `xid8`): the length says which.
fn int(raw: &[u8]) -> Result<i64> {
    match raw.len() {
        8 => Ok(i64::from_be_bytes(array(raw, "int")?)),
        4 => Ok(i64::from(i32::from_be_bytes(array(raw, "int")?))),
        2 => Ok(i64::from(i16::from_be_bytes(array(raw, "int")?))),
        _ => Err(Malformed("an int has 2, 4 or 8 bytes")),
    }
}

fn float(raw: &[u8]) -> Result<f64> {
    match raw.len() {
        8 => Ok(f64::from_be_bytes(array(raw, "float")?)),
        4 => Ok(f64::from(f32::from_be_bytes(array(raw, "float")?))),
        _ => Err(Malformed("a float has 4 or 8 bytes")),
    }
}

pub(super) fn boolean(raw: &[u8]) -> Result<bool> {
    match raw {
        [byte] => Ok(*byte != 0),
        _ => Err(Malformed("a bool has 1 byte")),
    }
}

/// The last moment that PostgreSQL knows, 294276-12-31 23:59:59.999999, since 2000. Counted from 1970 it would not fit.
pub(super) const LAST_MICROS: i64 = 9_223_371_331_200_000_000 - 1;
/// What stands for that moment, and for all that does not fit: the last one before infinity.
pub(super) const LAST: i64 = i64::MAX - 1;

/// Microseconds since 1970; the infinities are the ends of the range.
fn timestamp(raw: &[u8]) -> Result<i64> {
    let since_2000 = i64::from_be_bytes(array(raw, "a timestamp has 8 bytes")?);
    Ok(match since_2000 {
        i64::MIN | i64::MAX => since_2000,
        since_2000 => since_2000.saturating_add(EPOCH_MICROS).min(LAST),
    })
}

fn date(raw: &[u8]) -> Result<i32> {
    let since_2000 = i32::from_be_bytes(array(raw, "a date has 4 bytes")?);
    Ok(match since_2000 {
        i32::MIN => i32::MIN,
        since_2000 => since_2000.saturating_add(EPOCH_DAYS),
    })
}

fn uuid(raw: &[u8]) -> Result<Uuid> {
    Ok(Uuid::from_bytes(array(raw, "a uuid has 16 bytes")?))
}

pub(super) fn text(raw: &[u8]) -> Result<&str> {
    std::str::from_utf8(raw).map_err(|_| Malformed("text is not UTF-8"))
}

fn number(raw: &[u8], scale: u8) -> Result<Number> {
    numeric::read(raw, scale).ok_or(Malformed("a numeric is not well-formed"))
}

/// `jsonb` is a version byte and text; `json` (and text) is text alone, which never starts with that byte.
fn json(raw: &[u8]) -> Result<&str> {
    text(raw.strip_prefix(&[1]).unwrap_or(raw))
}

/// `jsonb` prints with spaces and spells numbers its own way. What has no canonical form (a number that is
/// no double, written by somebody else) is a text: its readers could not take it as JSON.
pub(super) fn canonical(raw: &[u8]) -> Result<std::borrow::Cow<'_, str>> {
    let text = json(raw)?;
    Ok(match spec::json::canonical(text, JSON_DEPTH) {
        Ok(canonical) => canonical.into(),
        Err(_) => {
            let mut out = Vec::with_capacity(text.len() + 2);
            spec::json::write_text(&mut out, text.as_bytes());
            String::from_utf8_lossy(&out).into_owned().into()
        }
    })
}

/// Appends a column as the API answers it.
pub(super) fn write(out: &mut Vec<u8>, ty: ColumnType, raw: Option<&[u8]>) -> Result<()> {
    let Some(raw) = raw else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    match ty {
        ColumnType::Text => spec::json::write_text(out, raw),
        ColumnType::Int => spec::json::write_i64(out, int(raw)?),
        ColumnType::Float => spec::json::write_f64(out, spec::value::finite(float(raw)?)),
        ColumnType::Decimal { scale } => {
            let units = match number(raw, scale)? {
                Number::Units(units) => units,
                Number::Beyond { negative } => {
                    i128::from(Decimal::beyond(negative, scale).nearest().units)
                }
            };
            spec::json::write_units(out, units, scale);
        }
        ColumnType::Bool => out.extend_from_slice(if boolean(raw)? { b"true" } else { b"false" }),
        ColumnType::Timestamp => {
            let micros = timestamp(raw)?;
            out.push(b'"');
            spec::time::write_timestamp(out, micros);
            out.push(b'"');
        }
        ColumnType::Date => {
            let days = date(raw)?;
            out.push(b'"');
            spec::time::write_date(out, days);
            out.push(b'"');
        }
        ColumnType::Uuid => spec::json::write_uuid(out, &uuid(raw)?),
        ColumnType::Json => out.extend_from_slice(canonical(raw)?.as_bytes()),
    }
    Ok(())
}

/// Appends a sum or an average, of up to 38 digits: see [`spec::statement::Output::Total`].
pub(super) fn write_total(out: &mut Vec<u8>, scale: Option<u8>, raw: Option<&[u8]>) -> Result<()> {
    let Some(raw) = raw else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    match number(raw, scale.unwrap_or(0))? {
        Number::Units(units) if spec::json::write_total(out, units, scale) => Ok(()),
        Number::Units(_) | Number::Beyond { .. } => Err(Unreadable::TooLarge),
    }
}

/// A column as a value.
pub(super) fn value(ty: ColumnType, raw: Option<&[u8]>) -> Result<Value> {
    let Some(raw) = raw else {
        return Ok(Value::Null);
    };
    Ok(match ty {
        ColumnType::Text => Value::text(text(raw)?),
        ColumnType::Int => Value::Int(int(raw)?),
        ColumnType::Float => Value::Float(float(raw)?),
        ColumnType::Decimal { scale } => {
            let beyond = |negative| Decimal::beyond(negative, scale);
            Value::Decimal(match number(raw, scale)? {
                Number::Units(units) => i64::try_from(units)
                    .map_or_else(|_| beyond(units < 0), |units| Decimal::new(units, scale)),
                Number::Beyond { negative } => beyond(negative),
            })
        }
        ColumnType::Bool => Value::Bool(boolean(raw)?),
        ColumnType::Timestamp => Value::Timestamp(timestamp(raw)?),
        ColumnType::Date => Value::Date(date(raw)?),
        ColumnType::Uuid => Value::Uuid(uuid(raw)?),
        ColumnType::Json => Value::Json(canonical(raw)?.into()),
    })
}
