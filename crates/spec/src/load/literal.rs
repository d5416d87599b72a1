//! Places inside a string of TOML: an expression's own places are counted in the text that the string
//! means, and a caret has to stand in the text that somebody wrote.

/// The byte of a raw TOML string (quotes and all) that byte `wanted` of its meaning comes from.
///
/// What lies past the end is at the closing quote.
pub(super) fn place(raw: &str, wanted: usize) -> usize {
    let (delimiter, escapes) = match raw.as_bytes() {
        [b'"', b'"', b'"', ..] => (3, true),
        [b'\'', b'\'', b'\'', ..] => (3, false),
        [b'"', ..] => (1, true),
        [b'\'', ..] => (1, false),
        // No string: nothing to translate.
        _ => return wanted.min(raw.len()),
    };
    // An unclosed string was reported as such; whatever is left of it is all meaning.
    let end = raw.len().saturating_sub(delimiter).max(delimiter);
    let mut at = delimiter;
    if delimiter == 3 {
        // A line break right behind the opening quotes means nothing.
        at += ["\r\n", "\n"]
            .iter()
            .find(|newline| {
                raw.get(at..)
                    .is_some_and(|rest| rest.starts_with(**newline))
            })
            .map_or(0, |newline| newline.len());
    }
    let mut meant = 0;
    while at < end {
        let Some(c) = raw.get(at..).and_then(|rest| rest.chars().next()) else {
            break;
        };
        let (length, means) = match c {
            '\\' if escapes => escape(&raw[at..]),
            c => (c.len_utf8(), c.len_utf8()),
        };
        if meant + means > wanted {
            return at;
        }
        at += length;
        meant += means;
    }
    end.min(raw.len())
}

/// How long an escape is, and how many bytes it means.
fn escape(text: &str) -> (usize, usize) {
    let digits = match text.as_bytes().get(1) {
        Some(b'x') => 2,
        Some(b'u') => 4,
        Some(b'U') => 8,
        Some(b' ' | b'\t' | b'\r' | b'\n') | None => {
            // A line continuation: it and the blanks behind it mean nothing.
            let rest = text.get(1..).unwrap_or("");
            return (1 + rest.len() - rest.trim_start().len(), 0);
        }
        Some(_) => return (2, 1),
    };
    let means = text
        .get(2..2 + digits)
        .and_then(|hex| u32::from_str_radix(hex, 16).ok())
        .and_then(char::from_u32)
        .map_or(1, char::len_utf8);
    (2 + digits, means)
}

#[cfg(test)]
mod tests {
    use super::place;

    /// For each character of the meaning: the raw text from its place on begins with this.
    fn check(raw: &str, meaning: &str, marks: &[(&str, &str)]) {
        let parsed: toml::Table = format!("x = {raw}").parse().expect("good TOML");
        assert_eq!(parsed["x"].as_str(), Some(meaning));
        for (inside, outside) in marks {
            let at = place(raw, meaning.find(inside).expect("a mark"));
            assert!(
                raw[at..].starts_with(outside),
                "{raw}: {inside} is at {}",
                &raw[at..]
            );
        }
        assert!(place(raw, meaning.len() + 10) <= raw.len());
    }

    #[test]
    fn every_kind_of_string_is_translated() {
        check(r#""a == b""#, "a == b", &[("a", "a =="), ("b", "b\"")]);
        check("'a == b'", "a == b", &[("b", "b'")]);
        check(
            r#""a == \"x\" && b""#,
            "a == \"x\" && b",
            &[("\"x", "\\\"x"), ("b", "b\"")],
        );
        check(
            r#""\u00e9\U0001F600\xe9\tz""#,
            "é😀é\tz",
            &[("😀", "\\U"), ("z", "z\"")],
        );
        check(
            "\"\"\"\na ==\n  b\"\"\"",
            "a ==\n  b",
            &[("a", "a =="), ("b", "b\"")],
        );
        check(
            "\"\"\"a \\\n   && b\"\"\"",
            "a && b",
            &[("&&", "&& b"), ("b", "b\"")],
        );
        check(
            "'''\na\\n == b'''",
            "a\\n == b",
            &[("\\n", "\\n"), ("b", "b'")],
        );
        check("\"\"\"\"a\"\"\"\"", "\"a\"", &[("a", "a\"")]);
    }

    #[test]
    fn nonsense_does_not_panic() {
        for raw in [
            "",
            "\"",
            "\"\"",
            "\"\"\"",
            "'",
            "\"\\",
            "\"\\u12",
            "\"\\U0001F60",
            "x",
            "\"é",
            "\"\\é",
        ] {
            for wanted in 0..12 {
                assert!(place(raw, wanted) <= raw.len(), "{raw}");
            }
        }
    }
}
