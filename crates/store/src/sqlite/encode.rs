//! Between SQLite's five storage classes and our values: parameters in, captured values and JSON out.
//!
//! | type | stored as |
//! |---|---|
//! | int, decimal (minor units), bool, timestamp (µs) | INTEGER |
//! | float | REAL |
//! | text, date (ISO), json (canonical) | TEXT |
//! | uuid | BLOB of 16 bytes |

use super::prepared::Prepared;
use rusqlite::types::{ToSqlOutput, ValueRef};
use spec::{ColumnType, Decimal, Uuid, Value};

/// Sets a statement's parameters.
pub fn bind_all(statement: &mut Prepared, params: &[Value]) -> rusqlite::Result<()> {
    for (at, value) in params.iter().enumerate() {
        bind_one(statement, at + 1, value)?;
    }
    Ok(())
}

/// Sets the parameter with this number.
pub fn bind_one(statement: &mut Prepared, at: usize, value: &Value) -> rusqlite::Result<()> {
    match bind(value) {
        ToSqlOutput::Borrowed(value) => statement.bind(at, value),
        ToSqlOutput::Owned(rusqlite::types::Value::Text(text)) => {
            statement.bind(at, ValueRef::Text(text.as_bytes()))
        }
        // `bind` makes nothing else.
        _ => Err(rusqlite::Error::InvalidQuery),
    }
}

/// A parameter as SQLite wants it. Borrows text; only dates and lists make new text.
pub fn bind(value: &Value) -> ToSqlOutput<'_> {
    let owned = |text: String| ToSqlOutput::Owned(rusqlite::types::Value::Text(text));
    ToSqlOutput::Borrowed(match value {
        Value::Null => ValueRef::Null,
        Value::Bool(v) => ValueRef::Integer(i64::from(*v)),
        Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => ValueRef::Integer(*v),
        Value::Float(v) => ValueRef::Real(*v),
        Value::Decimal(v) => ValueRef::Integer(v.units),
        Value::Text(text) | Value::Json(text) => ValueRef::Text(text.as_bytes()),
        Value::Uuid(id) => ValueRef::Blob(id.as_bytes()),
        Value::Date(days) => return owned(spec::time::date_text(*days)),
        Value::List(items) => {
            let mut out = Vec::new();
            write_list(&mut out, items);
            return owned(String::from_utf8_lossy(&out).into_owned());
        }
    })
}

/// A list as JSON text, for `json_each(?)`. Items are as they are stored, blobs in upper hexadecimal
/// (compare with `hex(column)`), for JSON has no bytes.
pub fn write_list(out: &mut Vec<u8>, items: &[Value]) {
    out.push(b'[');
    for (at, item) in items.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match item {
            Value::Null => out.extend_from_slice(b"null"),
            Value::Bool(v) => write_int(out, i64::from(*v)),
            Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => write_int(out, *v),
            Value::Float(v) => spec::json::write_f64(out, *v),
            Value::Decimal(v) => write_int(out, v.units),
            Value::Text(text) | Value::Json(text) => spec::json::write_string(out, text),
            Value::Uuid(id) => {
                let mut hex = [0; 32];
                out.push(b'"');
                out.extend_from_slice(id.simple().encode_upper(&mut hex).as_bytes());
                out.push(b'"');
            }
            Value::Date(days) => spec::json::write_string(out, &spec::time::date_text(*days)),
            Value::List(items) => write_list(out, items),
        }
    }
    out.push(b']');
}

/// A column as a value. What is not as its type says was written by someone else: it becomes null.
pub fn decode(ty: ColumnType, column: ValueRef<'_>) -> Value {
    match (ty, column) {
        (ColumnType::Int, ValueRef::Integer(v)) => Value::Int(v),
        (ColumnType::Decimal { scale }, ValueRef::Integer(v)) => {
            Value::Decimal(Decimal::new(v, scale))
        }
        (ColumnType::Bool, ValueRef::Integer(v)) => Value::Bool(v != 0),
        (ColumnType::Timestamp, ValueRef::Integer(v)) => Value::Timestamp(v),
        (ColumnType::Float, ValueRef::Real(v)) => Value::Float(v),
        (ColumnType::Float, ValueRef::Integer(v)) => Value::Float(v as f64),
        (ColumnType::Text, ValueRef::Text(bytes)) => Value::text(&String::from_utf8_lossy(bytes)),
        (ColumnType::Json, ValueRef::Text(bytes)) => {
            Value::Json(String::from_utf8_lossy(bytes).into())
        }
        (ColumnType::Date, ValueRef::Text(bytes)) => std::str::from_utf8(bytes)
            .ok()
            .and_then(|text| spec::time::parse_date(text).ok())
            .map_or(Value::Null, Value::Date),
        (ColumnType::Uuid, ValueRef::Blob(bytes)) => {
            Uuid::from_slice(bytes).map_or(Value::Null, Value::Uuid)
        }
        _ => Value::Null,
    }
}

/// A column as JSON. What is not as its type says is `null`, as in [`decode`].
pub fn write(out: &mut Vec<u8>, ty: ColumnType, column: ValueRef<'_>) {
    match (ty, column) {
        (ColumnType::Int, ValueRef::Integer(v)) => write_int(out, v),
        (ColumnType::Decimal { scale }, ValueRef::Integer(v)) => write_decimal(out, v, scale),
        (ColumnType::Bool, ValueRef::Integer(v)) => {
            out.extend_from_slice(if v != 0 { b"true" } else { b"false" });
        }
        (ColumnType::Timestamp, ValueRef::Integer(v)) => {
            out.push(b'"');
            spec::time::write_timestamp(out, v);
            out.push(b'"');
        }
        (ColumnType::Float, ValueRef::Real(v)) => spec::json::write_f64(out, v),
        (ColumnType::Float, ValueRef::Integer(v)) => spec::json::write_f64(out, v as f64),
        (ColumnType::Text | ColumnType::Date, ValueRef::Text(bytes)) => {
            spec::json::write_text(out, bytes);
        }
        (ColumnType::Json, ValueRef::Text(bytes)) => out.extend_from_slice(bytes),
        (ColumnType::Uuid, ValueRef::Blob(bytes)) => match Uuid::from_slice(bytes) {
            Ok(id) => {
                let mut text = [b'"'; 38];
                id.hyphenated().encode_lower(&mut text[1..37]);
                out.extend_from_slice(&text);
            }
            Err(_) => out.extend_from_slice(b"null"),
        },
        _ => out.extend_from_slice(b"null"),
    }
}

/// A sum or an average as JSON, of any number of digits: see [`spec::statement::Output::Total`].
pub fn write_total(
    out: &mut Vec<u8>,
    scale: Option<u8>,
    column: ValueRef<'_>,
) -> rusqlite::Result<()> {
    let Some(total) = super::exact::read(column) else {
        out.extend_from_slice(b"null");
        return Ok(());
    };
    if spec::json::write_total(out, total, scale) {
        Ok(())
    } else {
        Err(super::exact::out_of_range())
    }
}

pub fn write_int(out: &mut Vec<u8>, v: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(v).as_bytes());
}

/// `"-12.50"`: a string, with all digits of its scale.
pub fn write_decimal(out: &mut Vec<u8>, units: i64, scale: u8) {
    out.push(b'"');
    if units < 0 {
        out.push(b'-');
    }
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(units.unsigned_abs()).as_bytes();
    let scale = usize::from(scale);
    if scale == 0 {
        out.extend_from_slice(digits);
    } else if digits.len() > scale {
        let (whole, fraction) = digits.split_at(digits.len() - scale);
        out.extend_from_slice(whole);
        out.push(b'.');
        out.extend_from_slice(fraction);
    } else {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', scale - digits.len()));
        out.extend_from_slice(digits);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_show_every_digit_of_their_scale() {
        let written = |units, scale| {
            let mut out = Vec::new();
            write_decimal(&mut out, units, scale);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written(1250, 2), "\"12.50\"");
        assert_eq!(written(-5, 2), "\"-0.05\"");
        assert_eq!(written(0, 3), "\"0.000\"");
        assert_eq!(written(7, 0), "\"7\"");
        assert_eq!(written(100, 2), "\"1.00\"");
    }
}
