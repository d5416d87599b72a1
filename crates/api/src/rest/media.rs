//! What a body is, and what an answer may be.

use crate::problem::Refusal;
use http::HeaderMap;
use http::header::{ACCEPT, ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_TYPE, HeaderName};
use spec::{Code, Problem};

type Result<T> = std::result::Result<T, Refusal>;

const JSON: &str = "application/json";
const MERGE_PATCH: &str = "application/merge-patch+json";
const ACCEPT_PATCH: HeaderName = HeaderName::from_static("accept-patch");

/// A body of POST and PUT.
pub fn json(headers: &HeaderMap, body: &[u8]) -> Result<()> {
    typed(headers, body, &[JSON]).map_err(|r| r.with(ACCEPT, JSON))?;
    plain(headers)
}

/// A body of PATCH.
pub fn merge_patch(headers: &HeaderMap, body: &[u8]) -> Result<()> {
    typed(headers, body, &[MERGE_PATCH, JSON]).map_err(|r| {
        let both = "application/merge-patch+json, application/json";
        r.with(ACCEPT_PATCH, both)
    })?;
    plain(headers)
}

fn typed(headers: &HeaderMap, body: &[u8], allowed: &[&str]) -> Result<()> {
    let wrong = |detail: String| Refusal::from(Problem::new(Code::UnsupportedMediaType, detail));
    let mut values = headers.get_all(CONTENT_TYPE).iter();
    let value = match (values.next(), values.next()) {
        (Some(value), None) => value,
        // An empty body has no type; that it is empty is what is wrong with it.
        (None, _) if body.is_empty() => return Ok(()),
        (None, _) => {
            return Err(wrong(format!(
                "The body has no Content-Type; send {}.",
                allowed[0]
            )));
        }
        (Some(_), Some(_)) => return Err(wrong("There are two Content-Type headers.".to_owned())),
    };
    let text = value.to_str().unwrap_or_default();
    let mut parts = text.split(';');
    let essence = parts.next().unwrap_or_default().trim();
    if !allowed.iter().any(|a| essence.eq_ignore_ascii_case(a)) {
        return Err(wrong(format!(
            "The body is sent as something else than {}.",
            allowed.join(" or ")
        )));
    }
    for parameter in parts {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        let value = value.trim().trim_matches('"');
        if name.trim().eq_ignore_ascii_case("charset")
            && !value.eq_ignore_ascii_case("utf-8")
            && !value.eq_ignore_ascii_case("utf8")
        {
            return Err(wrong(
                "JSON is UTF-8 here; send no other charset.".to_owned(),
            ));
        }
    }
    Ok(())
}

/// A body is not decompressed: that would be a way around the bound on its size.
fn plain(headers: &HeaderMap) -> Result<()> {
    let coded = headers
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| !value.as_bytes().eq_ignore_ascii_case(b"identity"));
    if coded {
        let problem = Problem::new(
            Code::UnsupportedMediaType,
            "The body is compressed; send it as it is.",
        );
        return Err(Refusal::from(problem).with(ACCEPT_ENCODING, "identity"));
    }
    Ok(())
}

/// 406 only where `Accept` clearly leaves JSON out; what cannot be read excludes nothing (RFC 9110, 12.4.1 lets
/// a server disregard the header).
pub fn acceptable(headers: &HeaderMap) -> Result<()> {
    let mut seen = false;
    for value in headers.get_all(ACCEPT) {
        // What nearly everybody sends.
        if value == "*/*" || value == JSON {
            return Ok(());
        }
        let Ok(text) = value.to_str() else {
            return Ok(());
        };
        for range in text.split(',') {
            let mut parts = range.split(';');
            let kind = parts.next().unwrap_or_default().trim();
            if kind.is_empty() {
                continue;
            }
            if !kind.contains('/') {
                return Ok(());
            }
            seen = true;
            let json = kind == "*/*"
                || kind.eq_ignore_ascii_case("application/*")
                || kind.eq_ignore_ascii_case(JSON)
                || kind.eq_ignore_ascii_case("application/problem+json");
            if json && !parts.any(refused) {
                return Ok(());
            }
        }
    }
    if seen {
        return Err(Problem::new(
            Code::NotAcceptable,
            "Answers are JSON, and Accept leaves that out.",
        )
        .into());
    }
    Ok(())
}

/// `q=0`, in any of its spellings.
fn refused(parameter: &str) -> bool {
    let Some((name, value)) = parameter.split_once('=') else {
        return false;
    };
    name.trim().eq_ignore_ascii_case("q")
        && value
            .trim()
            .parse::<f32>()
            .is_ok_and(|quality| quality <= 0.0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn headers(pairs: &[(HeaderName, &'static str)]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for (name, value) in pairs {
            map.append(name.clone(), HeaderValue::from_static(value));
        }
        map
    }

    #[test]
    fn bodies_are_json() {
        for (value, post, patch) in [
            ("application/json", true, true),
            ("Application/JSON", true, true),
            ("application/json; charset=utf-8", true, true),
            ("application/json;charset=\"UTF-8\"", true, true),
            ("application/json; charset=latin1", false, false),
            ("application/json; profile=x", true, true),
            ("application/merge-patch+json", false, true),
            ("application/json-patch+json", false, false),
            ("text/plain;charset=UTF-8", false, false),
            ("text/json", false, false),
            ("application/x-www-form-urlencoded", false, false),
            ("multipart/form-data; boundary=x", false, false),
            ("", false, false),
            ("json", false, false),
        ] {
            let sent = headers(&[(CONTENT_TYPE, value)]);
            assert_eq!(json(&sent, b"{}").is_ok(), post, "{value}");
            assert_eq!(merge_patch(&sent, b"{}").is_ok(), patch, "{value}");
        }
        assert!(json(&HeaderMap::new(), b"{}").is_err());
        assert!(json(&HeaderMap::new(), b"").is_ok());
        let two = headers(&[(CONTENT_TYPE, JSON), (CONTENT_TYPE, JSON)]);
        assert!(json(&two, b"{}").is_err());
        for (coding, taken) in [("identity", true), ("gzip", false), ("br, identity", false)] {
            let sent = headers(&[(CONTENT_TYPE, JSON), (CONTENT_ENCODING, coding)]);
            assert_eq!(json(&sent, b"{}").is_ok(), taken, "{coding}");
        }
    }

    #[test]
    fn a_refused_body_says_what_is_taken() {
        let refusal = json(&headers(&[(CONTENT_TYPE, "text/html")]), b"x").unwrap_err();
        assert_eq!(refusal.problem.status(), 415);
        assert_eq!(refusal.header.unwrap().0, ACCEPT);
        let refusal = merge_patch(&headers(&[(CONTENT_TYPE, "text/html")]), b"x").unwrap_err();
        assert_eq!(refusal.header.unwrap().0, ACCEPT_PATCH);
    }

    #[test]
    fn accept_excludes_only_what_it_clearly_excludes() {
        for (value, taken) in [
            ("*/*", true),
            ("application/json", true),
            ("text/html,application/xhtml+xml,*/*;q=0.8", true),
            ("application/*", true),
            ("APPLICATION/JSON;q=0.1", true),
            ("application/problem+json", true),
            ("text/html", false),
            ("text/*, image/png", false),
            ("application/json;q=0", false),
            ("application/json; q=0.000", false),
            ("*/*;q=0", false),
            ("text/html, */*;q=0", false),
            ("", true),
            (",", true),
            ("nonsense", true),
        ] {
            assert_eq!(
                acceptable(&headers(&[(ACCEPT, value)])).is_ok(),
                taken,
                "{value}"
            );
        }
        assert!(acceptable(&HeaderMap::new()).is_ok());
        assert!(acceptable(&headers(&[(ACCEPT, "text/html"), (ACCEPT, "*/*")])).is_ok());
    }
}
