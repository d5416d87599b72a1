//! Arithmetic and conversions: the only things in an expression that can fail. Null in, null out.

use super::operand::Operand;
use super::{EvalErrorKind, Result, fail};
use crate::decimal::{Decimal, MAX_DIGITS};
use crate::expr::tree::{Arith, Span, Type};
use crate::json;
use crate::time;
use std::borrow::Cow;

pub(super) fn negate<'a>(value: Operand<'a>, span: Span) -> Result<Operand<'a>> {
    Ok(match value {
        Operand::Int(n) => match n.checked_neg() {
            Some(n) => Operand::Int(n),
            None => return fail(EvalErrorKind::Overflow, span),
        },
        Operand::Float(x) => Operand::Float(-x),
        Operand::Decimal(d) => Operand::Decimal(Decimal::new(-d.units, d.scale)),
        _ => Operand::Null,
    })
}

pub(super) fn arithmetic<'a>(
    op: Arith,
    left: Operand<'a>,
    right: Operand<'a>,
    span: Span,
) -> Result<Operand<'a>> {
    use Operand::{Date, Decimal as Dec, Duration, Float, Int, Text, Timestamp};
    let result = match (left, right) {
        (Int(a), Int(b)) => return integers(op, a, b, span),
        (Float(a), Float(b)) => return floats(op, a, b, span),
        (Dec(a), Dec(b)) => decimals(op, a, b),
        (Dec(a), Int(b)) => decimals(op, a, Decimal::new(b, 0)),
        (Int(a), Dec(b)) => decimals(op, Decimal::new(a, 0), b),
        (Text(a), Text(b)) => Some(Text(Cow::Owned(a.into_owned() + &b))),
        (Timestamp(a), Timestamp(b)) => a.checked_sub(b).map(Duration),
        (Date(a), Date(b)) => Some(Duration(time::date_to_micros(a) - time::date_to_micros(b))),
        (Timestamp(at), Duration(by)) | (Duration(by), Timestamp(at)) => {
            let moved = if op == Arith::Sub {
                at.checked_sub(by)
            } else {
                at.checked_add(by)
            };
            moved
                .filter(|t| (time::MIN_TIMESTAMP..=time::MAX_TIMESTAMP).contains(t))
                .map(Timestamp)
        }
        (Duration(a), Duration(b)) => {
            if op == Arith::Sub {
                a.checked_sub(b).map(Duration)
            } else {
                a.checked_add(b).map(Duration)
            }
        }
        _ => return Ok(Operand::Null),
    };
    match result {
        Some(value) => Ok(value),
        None => fail(EvalErrorKind::Overflow, span),
    }
}

fn integers<'a>(op: Arith, a: i64, b: i64, span: Span) -> Result<Operand<'a>> {
    if b == 0 && matches!(op, Arith::Div | Arith::Rem) {
        return fail(EvalErrorKind::DivisionByZero, span);
    }
    let result = match op {
        Arith::Add => a.checked_add(b),
        Arith::Sub => a.checked_sub(b),
        Arith::Mul => a.checked_mul(b),
        Arith::Div => a.checked_div(b),
        Arith::Rem => a.checked_rem(b),
    };
    match result {
        Some(n) => Ok(Operand::Int(n)),
        None => fail(EvalErrorKind::Overflow, span),
    }
}

/// Unlike CEL's: no infinities, no NaN, because no field and no JSON text can hold one.
fn floats<'a>(op: Arith, a: f64, b: f64, span: Span) -> Result<Operand<'a>> {
    if b == 0.0 && matches!(op, Arith::Div | Arith::Rem) {
        return fail(EvalErrorKind::DivisionByZero, span);
    }
    let result = match op {
        Arith::Add => a + b,
        Arith::Sub => a - b,
        Arith::Mul => a * b,
        Arith::Div => a / b,
        Arith::Rem => a % b,
    };
    if result.is_finite() {
        Ok(Operand::Float(result))
    } else {
        fail(EvalErrorKind::Overflow, span)
    }
}

/// Exact: sums at the larger scale, products at the sum of both.
fn decimals<'a>(op: Arith, a: Decimal, b: Decimal) -> Option<Operand<'a>> {
    let (units, scale) = match op {
        Arith::Add | Arith::Sub => {
            let scale = a.scale.max(b.scale);
            let (a, b) = (a.rescale(scale)?, b.rescale(scale)?);
            let (a, b) = (i128::from(a.units), i128::from(b.units));
            (if op == Arith::Add { a + b } else { a - b }, scale)
        }
        Arith::Mul => (
            i128::from(a.units) * i128::from(b.units),
            a.scale.checked_add(b.scale)?,
        ),
        Arith::Div | Arith::Rem => return None,
    };
    if units.unsigned_abs() >= 10u128.pow(MAX_DIGITS) {
        return None;
    }
    Some(Operand::Decimal(Decimal::new(
        i64::try_from(units).ok()?,
        scale,
    )))
}

pub(super) fn convert<'a>(value: Operand<'a>, to: &Type, span: Span) -> Result<Operand<'a>> {
    let value = value.decoded();
    if value.is_null() {
        return Ok(Operand::Null);
    }
    let converted = match to {
        Type::Int => to_int(value),
        Type::Float => to_float(value).map(Operand::Float),
        Type::String => to_string(value),
        Type::Timestamp => to_timestamp(value),
        Type::Date => to_date(value),
        // The checker makes no other conversion.
        _ => Some(value),
    };
    match converted {
        Some(value) => Ok(value),
        None => fail(EvalErrorKind::Conversion, span),
    }
}

/// Towards zero, as in CEL.
fn to_int(value: Operand<'_>) -> Option<Operand<'_>> {
    const END: f64 = 9_223_372_036_854_775_808.0;
    let n = match value {
        Operand::Int(n) => n,
        Operand::Float(x) if (-END..END).contains(&x) => x as i64,
        Operand::Decimal(d) => {
            let by = 10i128.pow(u32::from(d.scale));
            i64::try_from(i128::from(d.units) / by).ok()?
        }
        // Rust reads `+1` as well; CEL does not write it.
        Operand::Text(text) if !text.starts_with('+') => text.parse().ok()?,
        Operand::Timestamp(t) => t.div_euclid(time::MICROS_PER_SECOND),
        _ => return None,
    };
    Some(Operand::Int(n))
}

fn to_float(value: Operand<'_>) -> Option<f64> {
    let x = match value {
        Operand::Float(x) => x,
        Operand::Int(n) => n as f64,
        Operand::Decimal(d) => d.to_f64(),
        Operand::Text(text) => {
            let first = text.strip_prefix('-').unwrap_or(&text).bytes().next()?;
            // Rust reads `inf`, `nan` and `+1` as well.
            if !first.is_ascii_digit() {
                return None;
            }
            text.parse().ok()?
        }
        _ => return None,
    };
    x.is_finite().then_some(x)
}

fn to_string(value: Operand<'_>) -> Option<Operand<'_>> {
    let mut out = Vec::new();
    match value {
        Operand::Text(_) => return Some(value),
        Operand::Bool(b) => out.extend_from_slice(if b { b"true" } else { b"false" }),
        Operand::Int(n) => json::write_i64(&mut out, n),
        Operand::Float(x) => json::write_f64(&mut out, x),
        Operand::Decimal(d) => out.extend_from_slice(d.to_string().as_bytes()),
        Operand::Uuid(id) => {
            let mut text = [0; uuid::fmt::Hyphenated::LENGTH];
            out.extend_from_slice(id.hyphenated().encode_lower(&mut text).as_bytes());
        }
        Operand::Timestamp(t) => time::write_timestamp(&mut out, t),
        Operand::Date(d) => time::write_date(&mut out, d),
        _ => return None,
    }
    Some(Operand::Text(Cow::Owned(String::from_utf8(out).ok()?)))
}

fn to_timestamp(value: Operand<'_>) -> Option<Operand<'_>> {
    let t = match value {
        Operand::Timestamp(t) => t,
        Operand::Date(d) => time::date_to_micros(d),
        Operand::Int(seconds) => seconds
            .checked_mul(time::MICROS_PER_SECOND)
            .filter(|t| (time::MIN_TIMESTAMP..=time::MAX_TIMESTAMP).contains(t))?,
        Operand::Text(text) => time::parse_timestamp(&text).ok()?,
        _ => return None,
    };
    Some(Operand::Timestamp(t))
}

fn to_date(value: Operand<'_>) -> Option<Operand<'_>> {
    let d = match value {
        Operand::Date(d) => d,
        Operand::Timestamp(t) => time::micros_to_date(t),
        Operand::Text(text) => time::parse_date(&text).ok()?,
        _ => return None,
    };
    Some(Operand::Date(d))
}
