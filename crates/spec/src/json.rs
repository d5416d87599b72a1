//! JSON as bytes: writing scalars, bringing foreign text into one canonical form, and finding one's
//! way in that form. There is no value tree: rows become bytes directly, and a path into a stored
//! document looks at the bytes it needs.
//!
//! **Canonical text** is what both stores keep and what the API answers:
//! - no whitespace; keys ordered by their length in bytes, then by bytes (as `jsonb` orders them);
//! - a key twice in one object is an error, under whatever spelling;
//! - strings with the fewest escapes: `\"`, `\\`, `\b \f \n \r \t`, `\u00xx` for the other controls;
//! - numbers are `i64` or finite doubles. A value that is whole and fits an `i64` is written as digits
//!   (`1.0` and `1e0` are `1`, `1e17` is `100000000000000000`, `-0` is `0`); any other double is
//!   written in the shortest form that reads back the same. The text follows from the value alone,
//!   so that a store that spells numbers its own way (`jsonb` prints `1e17` in digits) comes back to it;
//! - no U+0000 and no lone surrogate, which PostgreSQL cannot keep.

mod canonical;
mod fault;
mod node;

pub use canonical::{JsonError, canonical};
pub use fault::Fault;
pub use node::{Items, Member, Members, Node, index, items, member, members, node};

use crate::time;
use crate::types::ColumnType;
use crate::value::Value;
use std::sync::Arc;

/// What a byte of a string becomes: 0 for itself, `u` for `\u00xx`, otherwise the letter behind the backslash.
const ESCAPE: [u8; 256] = {
    let mut table = [0u8; 256];
    let mut b = 0;
    while b < 0x20 {
        table[b] = b'u';
        b += 1;
    }
    table[0x08] = b'b';
    table[0x09] = b't';
    table[0x0a] = b'n';
    table[0x0c] = b'f';
    table[0x0d] = b'r';
    table[b'"' as usize] = b'"';
    table[b'\\' as usize] = b'\\';
    table
};

/// Whether one of eight bytes needs an escape: below 0x20, `"` or `\\`. The usual trick with a borrow
/// into each byte's top bit ("Bit Twiddling Hacks", haszero and hasless); it may mark a neighbour of
/// a hit as well, never a hit less.
fn needs_escape(eight: u64) -> bool {
    const ONES: u64 = u64::MAX / 255;
    const TOPS: u64 = ONES << 7;
    let zero = |x: u64| x.wrapping_sub(ONES) & !x;
    let control = eight.wrapping_sub(ONES * 0x20) & !eight;
    let quote = zero(eight ^ (ONES * b'"' as u64));
    let backslash = zero(eight ^ (ONES * b'\\' as u64));
    (control | quote | backslash) & TOPS != 0
}

/// Whether all of it is ASCII that needs no escape, as nearly every text is. One comparison finds control
/// characters and bytes of longer characters alike; written so that the compiler takes 16 bytes at a time.
fn is_plain(bytes: &[u8]) -> bool {
    let other = |b: &u8| (*b as i8) < 0x20 || *b == b'"' || *b == b'\\';
    !bytes.iter().fold(false, |found, b| found | other(b))
}

fn write_plain(out: &mut Vec<u8>, bytes: &[u8]) {
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    out.extend_from_slice(bytes);
    out.push(b'"');
}

/// Appends a database's text as a JSON string. What is no UTF-8 (another program wrote it) is shown as U+FFFD.
pub fn write_text(out: &mut Vec<u8>, bytes: &[u8]) {
    if is_plain(bytes) {
        return write_plain(out, bytes);
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => write_string(out, text),
        Err(_) => write_string(out, &String::from_utf8_lossy(bytes)),
    }
}

/// Appends a JSON string, quotes included, with the fewest escapes.
pub fn write_string(out: &mut Vec<u8>, text: &str) {
    let bytes = text.as_bytes();
    if is_plain(bytes) {
        return write_plain(out, bytes);
    }
    out.reserve(bytes.len() + 2);
    out.push(b'"');
    // Most texts have nothing to escape, and then this is a scan of words and one copy.
    let mut from = 0;
    let mut at = 0;
    while at < bytes.len() {
        if let Some(eight) = bytes.get(at..at + 8).and_then(|b| b.try_into().ok())
            && !needs_escape(u64::from_le_bytes(eight))
        {
            at += 8;
            continue;
        }
        let end = (at + 8).min(bytes.len());
        for (here, b) in bytes.iter().enumerate().take(end).skip(at) {
            let escape = ESCAPE[usize::from(*b)];
            if escape != 0 {
                out.extend_from_slice(&bytes[from..here]);
                from = here + 1;
                write_escape(out, escape, *b);
            }
        }
        at = end;
    }
    out.extend_from_slice(&bytes[from..]);
    out.push(b'"');
}

fn write_escape(out: &mut Vec<u8>, escape: u8, b: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    out.push(b'\\');
    out.push(escape);
    if escape == b'u' {
        let (high, low) = (HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]);
        out.extend_from_slice(&[b'0', b'0', high, low]);
    }
}

pub fn write_i64(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// Appends a double in the canonical form (see the module). What is not finite, and no store keeps,
/// is written as `null`.
pub fn write_f64(out: &mut Vec<u8>, value: f64) {
    // 2^63 as a double; every whole double below it is an i64 exactly.
    const END: f64 = 9_223_372_036_854_775_808.0;
    if value.trunc() == value && (-END..END).contains(&value) {
        write_i64(out, value as i64);
    } else if value.is_finite() {
        out.extend_from_slice(ryu::Buffer::new().format_finite(value).as_bytes());
    } else {
        out.extend_from_slice(b"null");
    }
}

/// Appends a value as the API answers it: decimals as strings at the column's full scale, datetimes
/// in RFC 3339 (UTC, six fractional digits), JSON as is.
pub fn write_value(out: &mut Vec<u8>, value: &Value, ty: ColumnType) {
    match value {
        Value::Null => out.extend_from_slice(b"null"),
        Value::Bool(true) => out.extend_from_slice(b"true"),
        Value::Bool(false) => out.extend_from_slice(b"false"),
        Value::Int(n) => match ty {
            ColumnType::Decimal { scale } => {
                write_decimal(out, crate::Decimal::new(*n, 0), scale);
            }
            _ => write_i64(out, *n),
        },
        Value::Float(x) => write_f64(out, crate::value::finite(*x)),
        Value::Decimal(d) => match ty {
            ColumnType::Decimal { scale } => write_decimal(out, d.nearest(), scale),
            _ => write_decimal(out, d.nearest(), d.scale),
        },
        Value::Text(text) => write_string(out, text),
        Value::Uuid(id) => write_uuid(out, id),
        Value::Timestamp(micros) => {
            out.push(b'"');
            time::write_timestamp(out, *micros);
            out.push(b'"');
        }
        Value::Date(days) => {
            out.push(b'"');
            time::write_date(out, *days);
            out.push(b'"');
        }
        Value::Duration(micros) => write_i64(out, *micros),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::List(items) => {
            out.push(b'[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push(b',');
                }
                write_value(out, item, ty);
            }
            out.push(b']');
        }
    }
}

/// Appends the members of an object, without its braces, but for those with one of the names `without`: what a
/// record answers under these is not for a stored document to say. A comma comes first where something is `behind`.
pub fn write_members(out: &mut Vec<u8>, behind: bool, object: &str, without: &[Arc<str>]) {
    let mut behind = behind;
    for member in members(object) {
        if without.iter().any(|name| **name == *member.name) {
            continue;
        }
        if behind {
            out.push(b',');
        }
        behind = true;
        out.extend_from_slice(member.text.as_bytes());
    }
}

/// Appends `"0190b3a4-…"`, quotes included.
pub fn write_uuid(out: &mut Vec<u8>, id: &uuid::Uuid) {
    let mut text = [0u8; uuid::fmt::Hyphenated::LENGTH];
    id.hyphenated().encode_lower(&mut text);
    out.push(b'"');
    out.extend_from_slice(&text);
    out.push(b'"');
}

/// Appends `"-12.50"`, quotes included, every digit of the scale shown; of any number of digits.
pub fn write_units(out: &mut Vec<u8>, units: i128, scale: u8) {
    let mut buffer = itoa::Buffer::new();
    let digits = buffer.format(units.unsigned_abs()).as_bytes();
    let scale = usize::from(scale);
    out.push(b'"');
    if units < 0 {
        out.push(b'-');
    }
    let whole = digits.len().saturating_sub(scale);
    if whole == 0 {
        out.push(b'0');
    }
    out.extend_from_slice(&digits[..whole]);
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale - (digits.len() - whole), b'0');
        out.extend_from_slice(&digits[whole..]);
    }
    out.push(b'"');
}

/// Appends a sum or an average: with a scale as [`write_units`] does; without one as a number, unless it is one that a
/// client would not read exactly. False where nothing was written.
#[must_use]
pub fn write_total(out: &mut Vec<u8>, units: i128, scale: Option<u8>) -> bool {
    match (scale, i64::try_from(units)) {
        (Some(scale), _) => write_units(out, units, scale),
        (None, Ok(whole)) if whole.abs() <= crate::value::MAX_INT => write_i64(out, whole),
        (None, _) => return false,
    }
    true
}

/// Appends `"12.50"`, quotes included: `value` at `scale`, or as it is where that would round it.
pub fn write_decimal(out: &mut Vec<u8>, value: crate::Decimal, scale: u8) {
    let value = value.rescale(scale).unwrap_or(value);
    let mut buffer = itoa::Buffer::new();
    let text = buffer.format(value.units.unsigned_abs()).as_bytes();
    let scale = usize::from(value.scale);
    out.push(b'"');
    if value.units < 0 {
        out.push(b'-');
    }
    let whole = text.len().saturating_sub(scale);
    if whole == 0 {
        out.push(b'0');
    } else {
        out.extend_from_slice(&text[..whole]);
    }
    if scale > 0 {
        out.push(b'.');
        out.resize(out.len() + scale - (text.len() - whole), b'0');
        out.extend_from_slice(&text[whole..]);
    }
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Decimal;
    use proptest::prelude::*;

    fn written(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn strings_carry_the_fewest_escapes() {
        for (text, wanted) in [
            ("", r#""""#),
            ("plain", r#""plain""#),
            ("a\"b\\c", r#""a\"b\\c""#),
            (
                "\u{8}\u{9}\u{a}\u{c}\u{d}\u{1f}\u{7f}/",
                "\"\\b\\t\\n\\f\\r\\u001f\u{7f}/\"",
            ),
            ("é€😀", "\"é€😀\""),
        ] {
            assert_eq!(written(|out| write_string(out, text)), wanted);
        }
    }

    #[test]
    fn numbers_have_one_text() {
        for (value, wanted) in [
            (0.0, "0"),
            (-0.0, "0"),
            (1.0, "1"),
            (-2.5, "-2.5"),
            (0.1, "0.1"),
            (1e-7, "1e-7"),
            (1e17, "100000000000000000"),
            (9_007_199_254_740_992.0, "9007199254740992"),
            (1e19, "1e19"),
            (-9_223_372_036_854_775_808.0, "-9223372036854775808"),
            (9_223_372_036_854_775_808.0, "9.223372036854776e18"),
            (5e-324, "5e-324"),
            (f64::MAX, "1.7976931348623157e308"),
            (f64::NAN, "null"),
            (f64::INFINITY, "null"),
        ] {
            assert_eq!(written(|out| write_f64(out, value)), wanted);
        }
    }

    #[test]
    fn values_look_as_the_api_answers_them() {
        let decimal = ColumnType::Decimal { scale: 2 };
        let id: uuid::Uuid = "0190b3a4-0000-7000-8000-0000000000ab".parse().unwrap();
        for (value, ty, wanted) in [
            (Value::Null, ColumnType::Text, "null"),
            (Value::Bool(true), ColumnType::Bool, "true"),
            (Value::Int(-7), ColumnType::Int, "-7"),
            (Value::Float(1.5), ColumnType::Float, "1.5"),
            (Value::Decimal(Decimal::new(125, 1)), decimal, r#""12.50""#),
            (Value::Decimal(Decimal::new(-5, 2)), decimal, r#""-0.05""#),
            (Value::Decimal(Decimal::new(0, 2)), decimal, r#""0.00""#),
            (Value::text("a\"b"), ColumnType::Text, r#""a\"b""#),
            (
                Value::Uuid(id),
                ColumnType::Uuid,
                r#""0190b3a4-0000-7000-8000-0000000000ab""#,
            ),
            (
                Value::Timestamp(1),
                ColumnType::Timestamp,
                r#""1970-01-01T00:00:00.000001Z""#,
            ),
            (Value::Date(0), ColumnType::Date, r#""1970-01-01""#),
            (Value::Json("[1]".into()), ColumnType::Json, "[1]"),
            (
                Value::List([Value::Int(1), Value::text("x")].into()),
                ColumnType::Json,
                r#"[1,"x"]"#,
            ),
        ] {
            assert_eq!(written(|out| write_value(out, &value, ty)), wanted);
        }
    }

    #[test]
    fn text_that_is_no_utf8_is_marked() {
        let text = |bytes: &[u8]| written(|out| write_text(out, bytes));
        assert_eq!(text(b"a\xffb\"\n"), "\"a\u{fffd}b\\\"\\n\"");
        assert_eq!(text("ü".as_bytes()), "\"ü\"");
        assert_eq!(text(b""), "\"\"");
    }

    proptest! {
        #[test]
        fn text_is_written_like_a_string(text in "[ -~]{0,40}|.*") {
            let ours = written(|out| write_text(out, text.as_bytes()));
            prop_assert_eq!(ours, written(|out| write_string(out, &text)));
        }

        #[test]
        fn strings_read_back(text in ".*") {
            let ours = written(|out| write_string(out, &text));
            prop_assert_eq!(serde_json::from_str::<String>(&ours).unwrap(), text);
        }

        #[test]
        fn doubles_read_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            let ours = written(|out| write_f64(out, value));
            prop_assert_eq!(ours.parse::<f64>().unwrap(), value);
        }

        #[test]
        fn decimals_are_written_as_displayed(units in -(10i64.pow(18) - 1)..10i64.pow(18), scale in 0u8..=18) {
            let value = Decimal::new(units, scale);
            prop_assert_eq!(written(|out| write_decimal(out, value, scale)), format!("\"{value}\""));
        }
    }
}
