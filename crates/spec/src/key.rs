//! Keys as text: in addresses, in bodies, in expressions.

use crate::value::MAX_INT;
use crate::{KeyKind, Uuid, Value};

/// Characters of a key that its caller gives.
pub const MAX_TEXT: u32 = 128;

/// A key as it stands in an address.
pub fn read(key: KeyKind, text: &str) -> Option<Value> {
    match key {
        KeyKind::Uuid => hyphenated(text).map(Value::Uuid),
        // One record has one address: not `01`, `-0` or `+1` beside `1`.
        KeyKind::Int => whole(text)
            .filter(|n| n.to_string() == text)
            .map(Value::Int),
        KeyKind::String => {
            let fits = !text.is_empty()
                && text.chars().count() <= MAX_TEXT as usize
                && !text.contains('\0');
            // What an address could not lead to: a word of its own, and what clients and proxies take for folders.
            let reachable = !matches!(text, "aggregate" | "." | "..");
            (fits && reachable).then(|| Value::text(text))
        }
    }
}

/// What a key looks like, for a message.
pub fn expected(key: KeyKind) -> &'static str {
    match key {
        KeyKind::Uuid => "a UUID with hyphens, like 01980000-0000-7000-8000-000000000000",
        KeyKind::Int => "a whole number within ±(2^53 − 1)",
        KeyKind::String => {
            "text of 1 to 128 characters, and none of \"aggregate\", \".\" and \"..\""
        }
    }
}

/// The hyphenated form only, of which RFC 9562 (4) has either case read and the lower one written. A record's tag
/// hangs on the value; a cursor on the query as it was written.
pub fn hyphenated(text: &str) -> Option<Uuid> {
    if text.len() == 36 {
        Uuid::try_parse(text).ok()
    } else {
        None
    }
}

/// A whole number within ±(2^53 − 1).
pub fn whole(text: &str) -> Option<i64> {
    let n: i64 = text.parse().ok()?;
    (is_exact(n) && !text.starts_with('+')).then_some(n)
}

/// Whether every JSON client reads this number exactly: it is within ±(2^53 − 1).
pub fn is_exact(n: i64) -> bool {
    // The least number has no positive counterpart.
    n.unsigned_abs() <= MAX_INT.unsigned_abs()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whole_numbers_end_where_doubles_stop_telling_them_apart() {
        for (text, wanted) in [
            ("9007199254740991", Some(MAX_INT)),
            ("-9007199254740991", Some(-MAX_INT)),
            ("9007199254740992", None),
            ("-9007199254740992", None),
            ("9223372036854775807", None),
            ("-9223372036854775808", None),
            ("-9223372036854775809", None),
            ("+1", None),
        ] {
            assert_eq!(whole(text), wanted, "{text}");
            let key = wanted.map(Value::Int);
            assert_eq!(read(KeyKind::Int, text), key, "{text}");
        }
    }
}
