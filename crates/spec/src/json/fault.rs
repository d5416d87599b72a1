//! What a parser (serde_json) found wrong with a text, in the words of whoever wrote the text.

use std::fmt;

/// Where a text is no JSON, or not the JSON that was asked for, and what was expected there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fault {
    /// From 1; none where the text is one line, or the parser does not know.
    pub line: Option<usize>,
    /// In code points, from 1; none where the parser does not know.
    pub column: Option<usize>,
    /// Part of a sentence.
    pub what: String,
}

const NAME: &str = "a name in double quotes was expected";
const COMMA: &str = "a comma stands before the closing bracket; leave it out";

/// Characters of what a parser says of a value that it met.
const MOST: usize = 200;

impl Fault {
    /// What is wrong with `text`, of which serde_json said this.
    pub fn of(text: &[u8], error: &serde_json::Error) -> Fault {
        let (line, column) = (error.line(), error.column());
        let what = match text.iter().all(u8::is_ascii_whitespace) {
            true => "there is nothing where JSON was expected".to_owned(),
            false => expected(error),
        };
        if line == 0 {
            return Fault {
                line: None,
                column: None,
                what,
            };
        }
        let of_line = text.split(|b| *b == b'\n').nth(line - 1);
        // Where a value is passed over, the parser asks for a name behind a comma that ends an object.
        let there = of_line.and_then(|of_line| of_line.get(column.checked_sub(1)?));
        let what = match (what.as_str(), there) {
            (NAME, Some(b'}')) => COMMA.to_owned(),
            _ => what,
        };
        let before = of_line.map(|of_line| &of_line[..of_line.len().min(column)]);
        // The parser counts bytes: here those that begin a code point.
        let column = before.map(|before| before.iter().filter(|b| **b & 0xc0 != 0x80).count());
        Fault {
            line: text.trim_ascii_end().contains(&b'\n').then_some(line),
            column: column.map(|column| column.max(1)),
            what,
        }
    }
}

/// A sentence: `Line 2, column 7: a comma or } was expected.`
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = &self.what;
        match (self.line, self.column) {
            (Some(line), Some(column)) => write!(f, "Line {line}, column {column}: {what}."),
            (Some(line), None) => write!(f, "Line {line}: {what}."),
            (None, Some(column)) => write!(f, "Column {column}: {what}."),
            (None, None) => {
                let mut letters = what.chars();
                let first = letters.next().map(|c| c.to_uppercase().to_string());
                write!(f, "{}{}.", first.unwrap_or_default(), letters.as_str())
            }
        }
    }
}

/// The parser's messages, as of serde_json 1; one that it words anew is passed on as it is.
fn expected(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let said = text
        .rsplit_once(" at line ")
        .map_or(&*text, |(said, _)| said);
    let plain = match said {
        "EOF while parsing a list" => "the text ends inside an array; a ] is missing",
        "EOF while parsing an object" => "the text ends inside an object; a } is missing",
        "EOF while parsing a string" => "the text ends inside a string; a closing \" is missing",
        "EOF while parsing a value" => "the text ends where a value was expected",
        "expected `:`" => "a : was expected behind the name",
        "expected `,` or `]`" => "a comma or ] was expected behind a value of an array",
        "expected `,` or `}`" => "a comma or } was expected behind a value of an object",
        "expected ident" | "expected value" => {
            "a value was expected: text in double quotes, a number, true, false, null, [ or {"
        }
        "expected `\"`" | "key must be a string" => NAME,
        "invalid escape" => {
            "behind \\ in a string stands one of \" \\ / b f n r t, or u and four digits"
        }
        "invalid number" => "a number was expected as JSON has it, like 7, -0.5 or 2e3",
        "number out of range" => "this number is too large",
        "invalid unicode code point" => "this is no character; text is UTF-8",
        "control character (\\u0000-\\u001F) found while parsing a string" => {
            "a line break or another control character stands in a string; write \\n or \\u00XX"
        }
        "lone leading surrogate in hex escape" | "unexpected end of hex escape" => {
            "a \\u escape is half a character; its other half is missing"
        }
        "trailing comma" => COMMA,
        "trailing characters" => "there is more text behind the end of the JSON",
        "recursion limit exceeded" => "it is nested too deep",
        other => return of_shape(other),
    };
    plain.to_owned()
}

/// JSON, but not of the shape that was asked for: `invalid type: sequence, expected a JSON object`.
fn of_shape(said: &str) -> String {
    let short = |text: &str| text.chars().take(MOST).collect();
    let parts = said
        .strip_prefix("invalid type: ")
        .and_then(|rest| rest.rsplit_once(", expected "));
    let Some((found, wanted)) = parts else {
        return short(said);
    };
    let found = match found.split_once(' ').map_or(found, |(kind, _)| kind) {
        "sequence" => "an array",
        "map" => "an object",
        "string" => "a string",
        "integer" | "floating" => "a number",
        "boolean" => "true or false",
        "null" | "unit" => "null",
        other => other,
    };
    let wanted = match wanted {
        "a sequence" => "an array",
        "a map" => "an object",
        other => other,
    };
    short(&format!("{found} stands where {wanted} was expected"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::value::RawValue;
    use std::collections::BTreeMap;

    fn said(text: &str) -> String {
        let read = serde_json::from_str::<BTreeMap<String, &RawValue>>(text);
        let error = read.expect_err(text);
        Fault::of(text.as_bytes(), &error).to_string()
    }

    #[test]
    fn a_fault_is_told_without_the_parsers_words() {
        for (text, expected) in [
            ("", "Column 1: there is nothing where JSON was expected."),
            (" \n ", "nothing where JSON was expected."),
            (
                "{",
                "Column 1: the text ends inside an object; a } is missing.",
            ),
            (
                "{\"a\":",
                "Column 5: the text ends where a value was expected.",
            ),
            ("{\"a\":[1", "ends inside an array; a ] is missing."),
            (
                "{\"a\":\"x",
                "ends inside a string; a closing \" is missing.",
            ),
            ("{\"a\" 1}", "Column 6: a : was expected behind the name."),
            (
                "{\"a\":1 \"b\":2}",
                "Column 8: a comma or } was expected behind a value of an object.",
            ),
            (
                "{\"a\":[1 2]}",
                "a comma or ] was expected behind a value of an array.",
            ),
            (
                "{\"a\":nope}",
                "Column 7: a value was expected: text in double quotes,",
            ),
            (
                "{\"a\":'x'}",
                "Column 6: a value was expected: text in double quotes,",
            ),
            ("{'a':1}", "Column 2: a name in double quotes was expected."),
            ("{a:1}", "Column 2: a name in double quotes was expected."),
            ("nope", "Column 2: a value was expected: text"),
            ("{\"a\":01}", "a number was expected as JSON has it"),
            ("{\"a\":\"\\x41\"}", "behind \\ in a string stands one of"),
            (
                "{\"a\":\"x\ny\"}",
                "Line 1, column 7: a line break or another control character",
            ),
            (
                "{\"\\ud800\":1}",
                "is half a character; its other half is missing.",
            ),
            (
                "{\"a\":1,}",
                "Column 8: a comma stands before the closing bracket; leave it out.",
            ),
            (
                "{\"a\":1}x",
                "Column 8: there is more text behind the end of the JSON.",
            ),
            (
                "{\n \"ä\": 1,\n \"ö\" 2}",
                "Line 3, column 6: a : was expected",
            ),
            ("{\"ä\" 1}", "Column 6: a : was expected"),
            (
                "[1]",
                "Column 1: an array stands where an object was expected.",
            ),
            ("\"x\"", "a string stands where an object was expected."),
            ("7", "a number stands where an object was expected."),
            ("true", "true or false stands where an object was expected."),
            ("null", "null stands where an object was expected."),
        ] {
            let said = said(text);
            assert!(said.contains(expected), "{text:?}: {said}");
            for jargon in [
                "EOF",
                "ident",
                "invalid type",
                "sequence",
                "line 0",
                "trailing",
            ] {
                assert!(!said.contains(jargon), "{text:?}: {said}");
            }
        }
    }
}
