//! Percent-encoding, read strictly: what cannot be decoded is an error, not a guess.

use spec::{Code, Problem};
use std::borrow::Cow;

/// A path segment. `+` is itself there.
pub fn segment(text: &str) -> Result<Cow<'_, str>, Problem> {
    decode(text, false)
}

/// A name or value of a query string, as forms and `URLSearchParams` write it: `+` is a blank.
pub fn parameter(text: &str) -> Result<Cow<'_, str>, Problem> {
    decode(text, true)
}

fn decode(text: &str, plus_is_blank: bool) -> Result<Cow<'_, str>, Problem> {
    let plain = |b: u8| b != b'%' && (b != b'+' || !plus_is_blank);
    let Some(first) = text.bytes().position(|b| !plain(b)) else {
        return Ok(Cow::Borrowed(text));
    };
    let bytes = text.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    out.extend_from_slice(&bytes[..first]);
    let mut rest = bytes[first..].iter();
    while let Some(&byte) = rest.next() {
        out.push(match byte {
            b'%' => match (digit(rest.next()), digit(rest.next())) {
                (Some(high), Some(low)) => high << 4 | low,
                _ => {
                    return Err(malformed(
                        "The address has a % without two hexadecimal digits behind it.",
                    ));
                }
            },
            b'+' if plus_is_blank => b' ',
            byte => byte,
        });
    }
    let text = String::from_utf8(out)
        .map_err(|_| malformed("The address is not UTF-8 once it is percent-decoded."))?;
    // No store can keep it, so nothing can be found by it.
    if text.contains('\0') {
        return Err(malformed("The address contains U+0000."));
    }
    Ok(Cow::Owned(text))
}

fn digit(byte: Option<&u8>) -> Option<u8> {
    char::from(*byte?).to_digit(16).map(|d| d as u8)
}

fn malformed(detail: &str) -> Problem {
    Problem::new(Code::MalformedRequest, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_are_decoded_and_slips_refused() {
        for (text, expected) in [
            ("abc", Some("abc")),
            ("a+b", Some("a b")),
            ("a%2Bb", Some("a+b")),
            ("a%2bb", Some("a+b")),
            ("%C3%A9", Some("é")),
            ("%e2%82%ac", Some("€")),
            ("%25", Some("%")),
            ("", Some("")),
            ("é", Some("é")),
            ("%", None),
            ("%4", None),
            ("%zz", None),
            ("%4g", None),
            ("%C3", None),
            ("%FF", None),
            ("%ED%A0%80", None),
            ("%C0%AF", None),
            ("%00", None),
            ("a%00b", None),
        ] {
            assert_eq!(parameter(text).ok().as_deref(), expected, "{text}");
        }
        assert_eq!(segment("a+b").unwrap(), "a+b");
        assert_eq!(segment("a%2Fb").unwrap(), "a/b");
    }
}
