//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header): a structured string (RFC 8941, 3.3.3), or as many
//! clients send it, the characters alone.

use bytes::Bytes;
use engine::IdempotencyKey;
use http::header::{HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};
use http::request::Parts;
use http::{HeaderMap, Method, Response};
use spec::{Code, Problem};

type Result<T> = std::result::Result<T, Problem>;

const KEY: HeaderName = HeaderName::from_static("idempotency-key");
const REPLAYED: HeaderName = HeaderName::from_static("idempotency-replayed");

/// Characters of a key.
const MOST: usize = 255;

/// The key of a write. Reading is safe to repeat, whatever it is sent with.
pub fn key(parts: &Parts, body: &Bytes) -> Result<Option<IdempotencyKey>> {
    let Some(value) = given(&parts.method, &parts.headers)? else {
        return Ok(None);
    };
    let query = parts.uri.query().unwrap_or_default();
    let mut request = vec![Bytes::copy_from_slice(query.as_bytes())];
    for name in [IF_MATCH, IF_NONE_MATCH] {
        let values: Vec<&[u8]> = values(&parts.headers, &name)
            .map(HeaderValue::as_bytes)
            .collect();
        request.push(values.join(&b","[..]).into());
    }
    request.push(body.clone());
    Ok(Some(IdempotencyKey {
        value,
        target: format!("{} {}", parts.method, parts.uri.path()),
        request,
    }))
}

/// Of an address where a write cannot be asked for again.
pub fn none(method: &Method, headers: &HeaderMap) -> Result<()> {
    match given(method, headers)? {
        None => Ok(()),
        Some(_) => Err(bad(
            "Idempotency-Key is not taken at this address, whose answers are not kept: nothing was done. Leave it out.",
        )),
    }
}

/// Marks an answer that was given before.
pub fn mark(response: &mut Response<Bytes>) {
    let value = HeaderValue::from_static("true");
    response.headers_mut().insert(REPLAYED, value);
}

fn values<'h>(
    headers: &'h HeaderMap,
    name: &HeaderName,
) -> impl Iterator<Item = &'h HeaderValue> + use<'h> {
    headers.get_all(name).into_iter()
}

fn given(method: &Method, headers: &HeaderMap) -> Result<Option<String>> {
    if matches!(*method, Method::GET | Method::HEAD | Method::OPTIONS) {
        return Ok(None);
    }
    let mut values = values(headers, &KEY);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => read(value.as_bytes()).map(Some),
        (Some(_), Some(_)) => Err(bad("There are several Idempotency-Key headers; send one.")),
    }
}

fn read(value: &[u8]) -> Result<String> {
    let key = match value.trim_ascii() {
        [b'"', rest @ ..] => quoted(rest),
        // What has a meaning in a structured field, or in a list of several headers, is quoted.
        bare if bare
            .iter()
            .all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(b)) =>
        {
            Some(String::from_utf8_lossy(bare).into_owned())
        }
        _ => None,
    };
    match key {
        Some(key) if (1..=MOST).contains(&key.len()) => Ok(key),
        Some(key) => Err(bad(&format!(
            "An Idempotency-Key has 1 to {MOST} characters; this one has {}.",
            key.len()
        ))),
        None => Err(bad(
            "An Idempotency-Key is a string in double quotes, \"8e03978e-40d5-43dd-bc93-6894a57f9324\", or the same \
             without them; in quotes of printable ASCII, without them neither with spaces nor with \", comma, semicolon \
             or backslash.",
        )),
    }
}

/// The string behind its first quote, which ends with its last.
fn quoted(rest: &[u8]) -> Option<String> {
    let mut out = String::with_capacity(rest.len());
    let mut bytes = rest.iter();
    loop {
        match bytes.next()? {
            b'"' => break,
            b'\\' => match bytes.next()? {
                escaped @ (b'"' | b'\\') => out.push(char::from(*escaped)),
                _ => return None,
            },
            byte @ b' '..=b'~' => out.push(char::from(*byte)),
            _ => return None,
        }
    }
    bytes.next().is_none().then_some(out)
}

fn bad(detail: &str) -> Problem {
    Problem::new(Code::BadIdempotencyKey, detail)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_all(values: &[&[u8]]) -> Result<Option<String>> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(KEY, HeaderValue::from_bytes(value).unwrap());
        }
        given(&Method::POST, &headers)
    }

    #[test]
    fn keys_are_read_strictly() {
        let most = "k".repeat(MOST);
        for (value, key) in [
            ("a", "a"),
            ("\"a\"", "a"),
            (" \"a b\" ", "a b"),
            (r#""a\"b\\c""#, r#"a"b\c"#),
            ("\"a,b;c\"", "a,b;c"),
            (
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
                "8e03978e-40d5-43dd-bc93-6894a57f9324",
            ),
            ("order/17:retry+1=~'(*)", "order/17:retry+1=~'(*)"),
            (&most, &most),
        ] {
            let read = read_all(&[value.as_bytes()]);
            assert_eq!(read, Ok(Some(key.to_owned())), "{value}");
        }
        let more = "k".repeat(MOST + 1);
        let quoted = format!("\"{more}\"");
        for value in [
            "",
            " ",
            "\"\"",
            "\"",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\";p=1",
            "\"a\", \"b\"",
            "a, b",
            "a b",
            "a;p=1",
            "a\\b",
            r#""a\b""#,
            "\"a\tb\"",
            "ä",
            "\"ä\"",
            &more,
            &quoted,
        ] {
            let read = read_all(&[value.as_bytes()]);
            let code = read.map_err(|problem| problem.code);
            assert_eq!(code, Err(Code::BadIdempotencyKey), "{value}");
        }
        assert!(read_all(&[b"a", b"a"]).is_err());
        assert!(read_all(&[b"\xff"]).is_err());
        assert_eq!(read_all(&[]), Ok(None));
    }

    #[test]
    fn reading_has_no_use_for_one() {
        let mut headers = HeaderMap::new();
        headers.insert(KEY, HeaderValue::from_static("no, key"));
        for method in [Method::GET, Method::HEAD, Method::OPTIONS] {
            assert_eq!(given(&method, &headers), Ok(None));
        }
        assert!(given(&Method::DELETE, &headers).is_err());
    }
}
