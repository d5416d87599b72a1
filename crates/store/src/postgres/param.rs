//! Parameters: a [`Value`] as the type that the server asks for.

use super::cell::{EPOCH_DAYS, EPOCH_MICROS, LAST, LAST_MICROS};
use super::numeric;
use bytes::{BufMut, BytesMut};
use spec::Value;
use std::error::Error;
use tokio_postgres::types::{IsNull, Kind, ToSql, Type, to_sql_checked};

type Encoded = Result<IsNull, Box<dyn Error + Sync + Send>>;

/// A value on its way into a statement.
#[derive(Debug)]
pub(super) struct Param<'a>(pub(super) &'a Value);

impl ToSql for Param<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Encoded {
        encode(self.0, ty, out)
    }

    fn accepts(_ty: &Type) -> bool {
        true
    }

    to_sql_checked!();
}

fn encode(value: &Value, ty: &Type, out: &mut BytesMut) -> Encoded {
    match ty.kind() {
        _ if value.is_null() => return Ok(IsNull::Yes),
        Kind::Domain(inner) => return encode(value, inner, out),
        Kind::Array(item) => return list(value, ty, item, out),
        Kind::Enum(_) => return text(value, ty, out),
        _ => {}
    }
    match *ty {
        Type::TEXT | Type::VARCHAR | Type::BPCHAR | Type::NAME | Type::UNKNOWN => {
            return text(value, ty, out);
        }
        Type::INT8 => out.put_i64(int(value, ty)?),
        Type::INT4 => out.put_i32(int(value, ty)?.try_into()?),
        Type::INT2 => out.put_i16(int(value, ty)?.try_into()?),
        Type::XID8 => out.put_u64(int(value, ty)?.try_into()?),
        Type::FLOAT8 => match value {
            Value::Float(v) => out.put_f64(*v),
            Value::Int(v) => out.put_f64(*v as f64),
            _ => return Err(mismatch(value, ty)),
        },
        Type::NUMERIC => match value {
            Value::Decimal(v) => numeric::encode(*v, out),
            Value::Int(v) => numeric::encode(spec::Decimal::new(*v, 0), out),
            _ => return Err(mismatch(value, ty)),
        },
        Type::BOOL => match value {
            Value::Bool(v) => out.put_u8(u8::from(*v)),
            _ => return Err(mismatch(value, ty)),
        },
        Type::TIMESTAMPTZ | Type::TIMESTAMP => match value {
            Value::Timestamp(endless @ (i64::MIN | i64::MAX)) => out.put_i64(*endless),
            Value::Timestamp(LAST) => out.put_i64(LAST_MICROS),
            Value::Timestamp(v) => out.put_i64(
                v.checked_sub(EPOCH_MICROS)
                    .ok_or_else(|| mismatch(value, ty))?,
            ),
            _ => return Err(mismatch(value, ty)),
        },
        Type::DATE => match value {
            Value::Date(endless @ (i32::MIN | i32::MAX)) => out.put_i32(*endless),
            Value::Date(v) => out.put_i32(
                v.checked_sub(EPOCH_DAYS)
                    .ok_or_else(|| mismatch(value, ty))?,
            ),
            _ => return Err(mismatch(value, ty)),
        },
        Type::INTERVAL => match value {
            Value::Duration(v) => {
                out.put_i64(*v);
                out.put_i32(0); // days
                out.put_i32(0); // months
            }
            _ => return Err(mismatch(value, ty)),
        },
        Type::UUID => match value {
            Value::Uuid(v) => out.put_slice(v.as_bytes()),
            _ => return Err(mismatch(value, ty)),
        },
        Type::JSONB | Type::JSON => match value {
            Value::Json(v) => {
                if *ty == Type::JSONB {
                    out.put_u8(1); // the format's version
                }
                out.put_slice(v.as_bytes());
            }
            _ => return Err(mismatch(value, ty)),
        },
        _ => return Err(mismatch(value, ty)),
    }
    Ok(IsNull::No)
}

/// The change log keeps canonical JSON in text columns, so a document is text as well.
fn text(value: &Value, ty: &Type, out: &mut BytesMut) -> Encoded {
    match value {
        Value::Text(v) | Value::Json(v) => {
            out.put_slice(v.as_bytes());
            Ok(IsNull::No)
        }
        _ => Err(mismatch(value, ty)),
    }
}

fn int(value: &Value, ty: &Type) -> Result<i64, Box<dyn Error + Sync + Send>> {
    match value {
        Value::Int(v) => Ok(*v),
        _ => Err(mismatch(value, ty)),
    }
}

/// An array of one dimension: its header, then each item behind its length.
fn list(value: &Value, ty: &Type, item_type: &Type, out: &mut BytesMut) -> Encoded {
    let Value::List(items) = value else {
        return Err(mismatch(value, ty));
    };
    out.put_i32(i32::from(!items.is_empty()));
    out.put_i32(i32::from(items.iter().any(Value::is_null)));
    out.put_u32(item_type.oid());
    if !items.is_empty() {
        out.put_i32(items.len().try_into()?);
        out.put_i32(1);
    }
    for item in items.iter() {
        let at = out.len();
        out.put_i32(-1);
        if matches!(encode(item, item_type, out)?, IsNull::No) {
            let length = i32::try_from(out.len() - at - 4)?;
            out[at..at + 4].copy_from_slice(&length.to_be_bytes());
        }
    }
    Ok(IsNull::No)
}

/// Says which kinds met, never the value.
fn mismatch(value: &Value, ty: &Type) -> Box<dyn Error + Sync + Send> {
    let kind = match value {
        Value::Null => "null",
        Value::Bool(_) => "a bool",
        Value::Int(_) => "an int",
        Value::Float(_) => "a float",
        Value::Decimal(_) => "a decimal",
        Value::Text(_) => "text",
        Value::Uuid(_) => "a uuid",
        Value::Timestamp(_) => "a timestamp",
        Value::Date(_) => "a date",
        Value::Duration(_) => "a duration",
        Value::Json(_) => "JSON",
        Value::List(_) => "a list",
    };
    format!("{kind} cannot be bound as {ty}").into()
}
