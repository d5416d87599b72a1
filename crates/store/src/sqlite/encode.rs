//! Between SQLite's five storage classes and our values: parameters in, captured values and JSON out.
//!
//! | type | stored as |
//! |---|---|
//! | int, decimal (minor units), bool, timestamp (µs) | INTEGER |
//! | float | REAL |
//! | text, date (ISO), json (canonical) | TEXT |
//! | uuid | BLOB of 16 bytes |

use rusqlite::types::{ToSqlOutput, ValueRef};
use spec::{ColumnType, Decimal, Uuid, Value};

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
        Value::Date(days) => return owned(date_text(*days)),
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
            Value::Date(days) => spec::json::write_string(out, &date_text(*days)),
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
        (ColumnType::Date, ValueRef::Text(bytes)) => {
            date_days(bytes).map_or(Value::Null, Value::Date)
        }
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
            match std::str::from_utf8(bytes) {
                Ok(text) => spec::json::write_string(out, text),
                Err(_) => spec::json::write_string(out, &String::from_utf8_lossy(bytes)),
            }
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

/// `2026-11-24` of days since 1970 (Howard Hinnant's `civil_from_days`).
pub fn date_text(days: i32) -> String {
    let z = i64::from(days) + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    format!("{year:04}-{month:02}-{day:02}")
}

/// The other way (`days_from_civil`); `None` for what is no ISO date.
pub fn date_days(text: &[u8]) -> Option<i32> {
    let [y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = *text else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0i32, |sum, digit| {
            digit
                .is_ascii_digit()
                .then(|| sum * 10 + i32::from(digit - b'0'))
        })
    };
    let (year, month, day) = (
        number(&[y1, y2, y3, y4])?,
        number(&[m1, m2])?,
        number(&[d1, d2])?,
    );
    if !(1..=12).contains(&month) || !(1..=31).contains(&day) {
        return None;
    }
    let year = year - i32::from(month <= 2);
    let era = year.div_euclid(400);
    let year_of_era = year.rem_euclid(400);
    let shifted = if month > 2 { month - 3 } else { month + 9 };
    let day_of_year = (153 * shifted + 2) / 5 + day - 1;
    let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    Some(era * 146_097 + day_of_era - 719_468)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_go_there_and_back() {
        for days in (-719_162..2_932_896).step_by(37) {
            let text = date_text(days);
            assert_eq!(text.len(), 10);
            assert_eq!(date_days(text.as_bytes()), Some(days), "{text}");
        }
        assert_eq!(date_text(0), "1970-01-01");
        assert_eq!(date_text(19_782), "2024-02-29");
        assert_eq!(date_days(b"1-1-1"), None);
        assert_eq!(date_days(b"2024-13-01"), None);
    }

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
