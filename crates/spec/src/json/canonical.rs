//! Foreign JSON text → canonical text, in one pass and without recursion: what is deep is refused by
//! a counter, not by the end of the stack.

use super::{write_f64, write_i64, write_string};
use std::fmt;

/// Where JSON text went wrong, and how.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonError {
    /// In bytes, from the start of the text.
    pub offset: usize,
    /// From 1.
    pub line: u32,
    /// In code points, from 1.
    pub column: u32,
    pub message: String,
}

impl fmt::Display for JsonError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} (line {}, column {})",
            self.message, self.line, self.column
        )
    }
}

impl std::error::Error for JsonError {}

/// A container that is not closed yet. Its text so far stands in the output from `start`.
enum Open {
    Array {
        start: usize,
    },
    Object {
        start: usize,
        members: Vec<Member>,
        /// Whether the members stand in the output in their canonical order already.
        sorted: bool,
    },
}

struct Member {
    /// Unescaped: what is ordered and what must be unique.
    key: String,
    /// Where `"key":value` starts in the output, and in the source (for the message).
    start: usize,
    source: usize,
    /// Where it ends in the output; known once its successor starts or the object closes.
    end: usize,
}

struct Reader<'a> {
    text: &'a [u8],
    at: usize,
    out: Vec<u8>,
    /// The string read last, unescaped.
    scratch: Vec<u8>,
}

/// The canonical form of `text` (see [the module](super)); at most `max_depth` containers deep.
pub fn canonical(text: &str, max_depth: u32) -> Result<String, JsonError> {
    let mut reader = Reader {
        text: text.as_bytes(),
        at: 0,
        out: Vec::with_capacity(text.len()),
        scratch: Vec::new(),
    };
    match reader.document(max_depth as usize) {
        // Only whole code points of a `str` and our own ASCII were written.
        Ok(()) => String::from_utf8(reader.out).map_err(|_| locate(text, 0, "not UTF-8".into())),
        Err((offset, message)) => Err(locate(text, offset, message)),
    }
}

fn locate(text: &str, offset: usize, message: String) -> JsonError {
    let before = text.as_bytes().get(..offset).unwrap_or(text.as_bytes());
    let line = before.iter().filter(|b| **b == b'\n').count();
    let start = before
        .iter()
        .rposition(|b| *b == b'\n')
        .map_or(0, |n| n + 1);
    // Bytes that do not continue a code point.
    let column = before[start..]
        .iter()
        .filter(|b| **b & 0xc0 != 0x80)
        .count();
    JsonError {
        offset,
        line: u32::try_from(line).unwrap_or(u32::MAX).saturating_add(1),
        column: u32::try_from(column).unwrap_or(u32::MAX).saturating_add(1),
        message,
    }
}

type Step<T> = Result<T, (usize, String)>;

impl Reader<'_> {
    fn document(&mut self, max_depth: usize) -> Step<()> {
        let mut open: Vec<Open> = Vec::new();
        'value: loop {
            // Here a value must start.
            self.blank();
            match self.peek() {
                Some(b @ (b'[' | b'{')) => {
                    if open.len() >= max_depth {
                        return self.fail(format!("nested more than {max_depth} deep"));
                    }
                    let start = self.out.len();
                    self.at += 1;
                    self.out.push(b);
                    self.blank();
                    if b == b'[' {
                        open.push(Open::Array { start });
                        if self.peek() != Some(b']') {
                            continue 'value;
                        }
                    } else {
                        let mut members = Vec::new();
                        if self.peek() != Some(b'}') {
                            self.key(&mut members)?;
                            open.push(Open::Object {
                                start,
                                members,
                                sorted: true,
                            });
                            continue 'value;
                        }
                        open.push(Open::Object {
                            start,
                            members,
                            sorted: true,
                        });
                    }
                }
                Some(b'"') => {
                    self.string()?;
                    self.put_scratch();
                }
                Some(b'-' | b'0'..=b'9') => self.number()?,
                Some(b't') => self.word("true")?,
                Some(b'f') => self.word("false")?,
                Some(b'n') => self.word("null")?,
                Some(_) => return self.fail("a JSON value was expected here".into()),
                None => return self.fail("the text ends where a JSON value was expected".into()),
            }
            // Here a value has ended, or an empty container is about to.
            loop {
                self.blank();
                let Some(top) = open.last_mut() else {
                    if self.at < self.text.len() {
                        return self.fail("there is more text behind the JSON value".into());
                    }
                    return Ok(());
                };
                match (top, self.peek()) {
                    (Open::Array { .. }, Some(b',')) => {
                        self.at += 1;
                        self.out.push(b',');
                        continue 'value;
                    }
                    (Open::Array { .. }, Some(b']')) => {
                        self.at += 1;
                        self.out.push(b']');
                        open.pop();
                    }
                    (
                        Open::Object {
                            members, sorted, ..
                        },
                        Some(b','),
                    ) => {
                        self.at += 1;
                        if let Some(last) = members.last_mut() {
                            last.end = self.out.len();
                        }
                        self.out.push(b',');
                        self.blank();
                        self.key(members)?;
                        if let [.., a, b] = members.as_slice() {
                            *sorted &= order(&a.key, &b.key).is_lt();
                        }
                        continue 'value;
                    }
                    (
                        Open::Object {
                            start,
                            members,
                            sorted,
                        },
                        Some(b'}'),
                    ) => {
                        self.at += 1;
                        if let Some(last) = members.last_mut() {
                            last.end = self.out.len();
                        }
                        if !*sorted {
                            rearrange(&mut self.out, *start, members)?;
                        }
                        self.out.push(b'}');
                        open.pop();
                    }
                    (Open::Array { .. }, Some(_)) => {
                        return self.fail("`,` or `]` was expected here".into());
                    }
                    (Open::Object { .. }, Some(_)) => {
                        return self.fail("`,` or `}` was expected here".into());
                    }
                    (Open::Array { start } | Open::Object { start, .. }, None) => {
                        let what = self.out[*start] as char;
                        return self.fail(format!("the text ends and a `{what}` is still open"));
                    }
                }
            }
        }
    }

    fn fail<T>(&self, message: String) -> Step<T> {
        Err((self.at, message))
    }

    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn blank(&mut self) {
        while let Some(b' ' | b'\t' | b'\n' | b'\r') = self.peek() {
            self.at += 1;
        }
    }

    fn word(&mut self, word: &str) -> Step<()> {
        if self.text[self.at..].starts_with(word.as_bytes()) {
            self.at += word.len();
            self.out.extend_from_slice(word.as_bytes());
            return Ok(());
        }
        self.fail("a JSON value was expected here".into())
    }

    /// `"key":`
    fn key(&mut self, members: &mut Vec<Member>) -> Step<()> {
        let (source, start) = (self.at, self.out.len());
        if self.peek() != Some(b'"') {
            return self.fail("a key in double quotes was expected here".into());
        }
        self.string()?;
        self.put_scratch();
        self.blank();
        if self.peek() != Some(b':') {
            return self.fail("`:` was expected behind the key".into());
        }
        self.at += 1;
        self.out.push(b':');
        members.push(Member {
            key: String::from_utf8_lossy(&self.scratch).into_owned(),
            start,
            source,
            end: start,
        });
        Ok(())
    }

    fn put_scratch(&mut self) {
        // The scratch holds whole code points of the source and unescaped ones.
        write_string(&mut self.out, &String::from_utf8_lossy(&self.scratch));
    }

    /// Reads a string into the scratch.
    fn string(&mut self) -> Step<()> {
        self.scratch.clear();
        self.at += 1;
        loop {
            let from = self.at;
            while self
                .peek()
                .is_some_and(|b| b != b'"' && b != b'\\' && b >= 0x20)
            {
                self.at += 1;
            }
            self.scratch.extend_from_slice(&self.text[from..self.at]);
            match self.peek() {
                Some(b'"') => {
                    self.at += 1;
                    return Ok(());
                }
                Some(b'\\') => self.escape()?,
                Some(_) => {
                    return self.fail("a control character must be escaped in a string".into());
                }
                None => return self.fail("the text ends inside a string".into()),
            }
        }
    }

    fn escape(&mut self) -> Step<()> {
        let start = self.at;
        let plain = match self.text.get(self.at + 1) {
            Some(b @ (b'"' | b'\\' | b'/')) => *b,
            Some(b'b') => 0x08,
            Some(b'f') => 0x0c,
            Some(b'n') => b'\n',
            Some(b'r') => b'\r',
            Some(b't') => b'\t',
            Some(b'u') => {
                self.at += 2;
                let c = self.code_point(start)?;
                let mut utf8 = [0; 4];
                self.scratch
                    .extend_from_slice(c.encode_utf8(&mut utf8).as_bytes());
                return Ok(());
            }
            _ => return self.fail("there is no such escape in JSON".into()),
        };
        self.scratch.push(plain);
        self.at += 2;
        Ok(())
    }

    /// Behind `\u`: one unit, or the two of a surrogate pair.
    fn code_point(&mut self, start: usize) -> Step<char> {
        let lone = || (start, "a lone surrogate is no character".to_owned());
        let first = self.hex4(start)?;
        let code = match first {
            0 => return Err((start, "U+0000 cannot be stored".to_owned())),
            0xd800..=0xdbff => {
                if self.text.get(self.at..self.at + 2) != Some(b"\\u") {
                    return Err(lone());
                }
                self.at += 2;
                let second = self.hex4(start)?;
                if !(0xdc00..=0xdfff).contains(&second) {
                    return Err(lone());
                }
                0x10000 + ((first - 0xd800) << 10) + (second - 0xdc00)
            }
            other => other,
        };
        char::from_u32(code).ok_or_else(lone)
    }

    fn hex4(&mut self, start: usize) -> Step<u32> {
        let digits = self.text.get(self.at..self.at + 4).unwrap_or_default();
        let mut value = 0;
        for b in digits {
            match (*b as char).to_digit(16) {
                Some(digit) => value = value * 16 + digit,
                None => return Err((start, "`\\u` wants four hexadecimal digits".to_owned())),
            }
        }
        if digits.len() < 4 {
            return Err((start, "`\\u` wants four hexadecimal digits".to_owned()));
        }
        self.at += 4;
        Ok(value)
    }

    fn run_of_digits(&mut self) -> usize {
        let from = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_digit()) {
            self.at += 1;
        }
        self.at - from
    }

    fn number(&mut self) -> Step<()> {
        let start = self.at;
        let malformed = (start, "this is not a JSON number".to_owned());
        if self.peek() == Some(b'-') {
            self.at += 1;
        }
        let leading = self.peek();
        let whole = self.run_of_digits();
        if whole == 0 || (whole > 1 && leading == Some(b'0')) {
            return Err(malformed);
        }
        let mut integer = true;
        if self.peek() == Some(b'.') {
            integer = false;
            self.at += 1;
            if self.run_of_digits() == 0 {
                return Err(malformed);
            }
        }
        if let Some(b'e' | b'E') = self.peek() {
            integer = false;
            self.at += 1;
            if let Some(b'+' | b'-') = self.peek() {
                self.at += 1;
            }
            if self.run_of_digits() == 0 {
                return Err(malformed);
            }
        }
        let Ok(text) = std::str::from_utf8(&self.text[start..self.at]) else {
            return Err(malformed);
        };
        if integer && let Ok(value) = text.parse::<i64>() {
            write_i64(&mut self.out, value);
            return Ok(());
        }
        match text.parse::<f64>() {
            Ok(value) if value.is_finite() => {
                write_f64(&mut self.out, value);
                Ok(())
            }
            _ => Err((start, "this number is too large for a double".to_owned())),
        }
    }
}

/// As `jsonb` orders keys.
fn order(a: &str, b: &str) -> std::cmp::Ordering {
    a.len().cmp(&b.len()).then_with(|| a.cmp(b))
}

/// Puts the members of the object that starts at `start` in order; a key that is there twice is an error.
fn rearrange(out: &mut Vec<u8>, start: usize, members: &mut [Member]) -> Step<()> {
    members.sort_by(|a, b| order(&a.key, &b.key));
    for pair in members.windows(2) {
        if pair[0].key == pair[1].key {
            let second = pair[0].source.max(pair[1].source);
            return Err((
                second,
                format!("the key `{}` is in this object twice", pair[0].key),
            ));
        }
    }
    let old = out.split_off(start);
    out.push(b'{');
    for (i, member) in members.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        out.extend_from_slice(&old[member.start - start..member.end - start]);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn one_text_for_one_document() {
        for (text, wanted) in [
            (" null ", "null"),
            ("[ ]", "[]"),
            ("{ }", "{}"),
            ("[1, 2.50,[ true,{}], -0]", "[1,2.5,[true,{}],0]"),
            (
                r#"{"bb":1,"a":{"z":1,"y":2},"c":3}"#,
                r#"{"a":{"y":2,"z":1},"c":3,"bb":1}"#,
            ),
            ("{\"é\":1,\"zz\":2,\"b\":3}", "{\"b\":3,\"zz\":2,\"é\":1}"),
            (r#""\u0041\/\ud83d\ude00\u001F""#, "\"A/😀\\u001f\""),
            ("1e2", "100"),
            ("12345678901234567890", "1.2345678901234567e19"),
            ("9223372036854775807", "9223372036854775807"),
            ("1E-400", "0"),
        ] {
            assert_eq!(canonical(text, 8).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn what_is_refused_and_where() {
        for (text, offset, says) in [
            ("", 0, "ends where"),
            ("[1,]", 3, "value was expected"),
            ("[1", 2, "still open"),
            ("{\"a\":1,", 7, "key in double quotes"),
            ("{\"a\" 1}", 5, "`:`"),
            ("[1 2]", 3, "`,` or `]`"),
            ("1 2", 2, "more text"),
            ("tru", 0, "value was expected"),
            ("{\"a\":1,\"a\":2}", 7, "twice"),
            ("{\"a\":1,\"b\":0,\"\\u0061\":2}", 13, "twice"),
            ("\"\\u0000\"", 1, "U+0000"),
            ("\"\\ud800\"", 1, "surrogate"),
            ("\"\\ud800\\u0041\"", 1, "surrogate"),
            ("\"\\udc00\"", 1, "surrogate"),
            ("\"\\u12\"", 1, "four"),
            ("\"\\x\"", 1, "no such escape"),
            ("\"a\u{1}\"", 2, "control"),
            ("\"a", 2, "inside a string"),
            ("01", 0, "not a JSON number"),
            ("-", 0, "not a JSON number"),
            ("1.", 0, "not a JSON number"),
            ("1e999", 0, "too large"),
            ("[[[[1]]]]", 3, "deep"),
            ("\u{feff}1", 0, "value was expected"),
            ("NaN", 0, "value was expected"),
        ] {
            let error = canonical(text, 3).unwrap_err();
            assert_eq!(error.offset, offset, "{text}: {error}");
            assert!(error.message.contains(says), "{text}: {error}");
        }
        let error = canonical("{\n \"é\": x}", 3).unwrap_err();
        assert_eq!((error.line, error.column), (2, 7));
    }

    #[test]
    fn depth_does_not_cost_stack() {
        let deep = "[".repeat(1_000_000) + &"]".repeat(1_000_000);
        assert_eq!(canonical(&deep, u32::MAX).as_deref(), Ok(deep.as_str()));
    }

    fn document() -> impl Strategy<Value = serde_json::Value> {
        let leaf = prop_oneof![
            Just(serde_json::Value::Null),
            any::<bool>().prop_map(Into::into),
            any::<i64>().prop_map(Into::into),
            // Exact in few digits: serde_json reads long ones a last bit off.
            any::<i32>().prop_map(|n| (f64::from(n) / 64.0).into()),
            "[^\u{0}]*".prop_map(Into::into),
        ];
        leaf.prop_recursive(4, 40, 6, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Into::into),
                prop::collection::vec(("[^\u{0}]{0,3}", inner), 0..6)
                    .prop_map(|members| serde_json::Value::Object(members.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn canonical_is_idempotent_and_means_the_same(value in document(), pretty in any::<bool>()) {
            let text = if pretty {
                serde_json::to_string_pretty(&value).unwrap()
            } else {
                value.to_string()
            };
            let once = canonical(&text, 16).unwrap();
            prop_assert_eq!(canonical(&once, 16).unwrap(), once.clone());
            let back: serde_json::Value = serde_json::from_str(&once).unwrap();
            // Numbers may have changed their spelling (`1.0` is `1`): compared through it.
            prop_assert_eq!(canonical(&back.to_string(), 16).unwrap(), once);
        }

        #[test]
        fn accepts_what_serde_json_accepts(text in r#"[\[\]{},:"\\u0-9a-f.eE+ -]{0,12}"#) {
            let ours = canonical(&text, 100);
            let theirs = serde_json::from_str::<serde_json::Value>(&text);
            match (&ours, &theirs) {
                (Ok(_), Ok(_)) | (Err(_), Err(_)) => {}
                (Err(e), Ok(_)) => prop_assert!(
                    e.message.contains("twice") || e.message.contains("U+0000"),
                    "{text}: {e}"
                ),
                (Ok(ours), Err(e)) => prop_assert!(false, "{text} -> {ours}, but {e}"),
            }
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = canonical(&text, 4);
        }
    }
}
