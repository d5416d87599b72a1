//! `If-Match` and `If-None-Match` (RFC 9110, 13.1).

use engine::operation::{Operation, Precondition};
use http::HeaderMap;
use http::header::{HeaderName, IF_MATCH, IF_NONE_MATCH};
use spec::{Code, Problem};

type Result<T> = std::result::Result<T, Problem>;

/// Tags in one header.
const MOST_TAGS: usize = 32;

/// What a read asks of the record it answers.
#[derive(Debug, Default)]
pub struct Conditions {
    if_match: Option<Precondition>,
    /// Every tag, weak ones included.
    if_none_match: Option<Precondition>,
}

/// What becomes of an answer to a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    Answer,
    NotModified,
    Failed,
}

impl Conditions {
    /// Those of reading one record. A list has no tag, so there is nothing to compare; writes carry theirs in the
    /// operation.
    pub fn of_read(operation: &Operation, headers: &HeaderMap) -> Result<Conditions> {
        if !matches!(operation, Operation::One(_)) {
            return Ok(Conditions::default());
        }
        Conditions::of(headers)
    }

    /// Those of reading whatever has a tag.
    pub fn of(headers: &HeaderMap) -> Result<Conditions> {
        Ok(Conditions {
            if_match: if_match(headers)?,
            if_none_match: read(headers, &IF_NONE_MATCH, true)?,
        })
    }

    pub fn verdict(&self, etag: Option<&str>) -> Verdict {
        // The version stands before the dot: it is what `If-Match` compares, as it does in writes.
        let version = |tag: &str| tag.split('.').next().map(str::to_owned);
        if let Some(Precondition::Tags(tags)) = &self.if_match {
            let same = etag.is_some_and(|etag| tags.iter().any(|t| version(t) == version(etag)));
            if !same {
                return Verdict::Failed;
            }
        }
        match &self.if_none_match {
            Some(Precondition::Exists) => Verdict::NotModified,
            Some(Precondition::Tags(tags)) if etag.is_some_and(|e| tags.iter().any(|t| t == e)) => {
                Verdict::NotModified
            }
            _ => Verdict::Answer,
        }
    }
}

/// A weak tag never matches where a strong comparison is asked for, so it is left out.
pub fn if_match(headers: &HeaderMap) -> Result<Option<Precondition>> {
    read(headers, &IF_MATCH, false)
}

/// `If-None-Match: *` with PUT: create only.
pub fn if_absent(headers: &HeaderMap) -> Result<bool> {
    match read(headers, &IF_NONE_MATCH, true)? {
        None => Ok(false),
        Some(Precondition::Exists) => Ok(true),
        Some(Precondition::Tags(_)) => Err(bad(
            "With PUT, If-None-Match takes * only: create, never replace.",
        )),
    }
}

/// Where the header could only be ignored, and its sender would be wrong about what happened.
pub fn no_if_none_match(headers: &HeaderMap) -> Result<()> {
    if headers.contains_key(IF_NONE_MATCH) {
        return Err(bad(
            "If-None-Match has no meaning with this method; use If-Match.",
        ));
    }
    Ok(())
}

pub fn none_taken(headers: &HeaderMap) -> Result<()> {
    if headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MATCH) {
        return Err(bad(
            "A create takes no precondition; PUT with If-None-Match: * creates under a given id.",
        ));
    }
    Ok(())
}

/// A precondition is about one record.
pub fn none_of_many(headers: &HeaderMap) -> Result<()> {
    if headers.contains_key(IF_NONE_MATCH) || headers.contains_key(IF_MATCH) {
        return Err(bad(
            "A write of many records takes no precondition; /api/batch takes if_match with each operation.",
        ));
    }
    Ok(())
}

/// A tag in a body, with its quotes or without.
pub fn tag(text: &str) -> Result<Precondition> {
    let quoted = match text.starts_with(['"', '*']) {
        true => text.to_owned(),
        false => format!("\"{text}\""),
    };
    let mut headers = HeaderMap::new();
    let value =
        http::HeaderValue::from_str(&quoted).map_err(|_| bad("This is not an entity tag."))?;
    headers.insert(IF_MATCH, value);
    if_match(&headers)?.ok_or_else(|| bad("This is not an entity tag."))
}

fn read(headers: &HeaderMap, name: &HeaderName, weak: bool) -> Result<Option<Precondition>> {
    let mut values = headers.get_all(name).iter().peekable();
    if values.peek().is_none() {
        return Ok(None);
    }
    let wrong = || bad(&format!("{name} is not * or a list of quoted tags."));
    let mut tags = Vec::new();
    let (mut any, mut number) = (false, 0);
    for value in values {
        let mut rest = value.to_str().map_err(|_| wrong())?.trim();
        loop {
            rest = rest.trim_start_matches([' ', '\t', ',']);
            if rest.is_empty() {
                break;
            }
            number += 1;
            if number > MOST_TAGS {
                return Err(bad(&format!("{name} takes {MOST_TAGS} tags at most.")));
            }
            if let Some(after) = rest.strip_prefix('*') {
                any = true;
                rest = after;
            } else {
                let (is_weak, quoted) = match rest.strip_prefix("W/") {
                    Some(quoted) => (true, quoted),
                    None => (false, rest),
                };
                let inner = quoted.strip_prefix('"').ok_or_else(wrong)?;
                let (tag, after) = inner.split_once('"').ok_or_else(wrong)?;
                if !tag.bytes().all(|b| b > 0x20 && b != 0x7f) {
                    return Err(wrong());
                }
                if weak || !is_weak {
                    tags.push(tag.to_owned());
                }
                rest = after;
            }
            rest = rest.trim_start_matches([' ', '\t']);
            if !rest.is_empty() && !rest.starts_with(',') {
                return Err(wrong());
            }
        }
    }
    match (any, number) {
        (true, 1) => Ok(Some(Precondition::Exists)),
        (false, 1..) => Ok(Some(Precondition::Tags(tags))),
        _ => Err(wrong()),
    }
}

fn bad(detail: &str) -> Problem {
    Problem::new(Code::BadPrecondition, detail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

    fn with(name: HeaderName, values: &[&str]) -> HeaderMap {
        let mut map = HeaderMap::new();
        for value in values {
            map.append(name.clone(), HeaderValue::from_str(value).unwrap());
        }
        map
    }

    fn tags(tags: &[&str]) -> Option<Precondition> {
        Some(Precondition::Tags(
            tags.iter().map(|t| (*t).to_owned()).collect(),
        ))
    }

    #[test]
    fn tags_are_read_strictly() {
        for (value, strong, all) in [
            ("*", Some(Precondition::Exists), Some(Precondition::Exists)),
            (
                " * ",
                Some(Precondition::Exists),
                Some(Precondition::Exists),
            ),
            ("\"a\"", tags(&["a"]), tags(&["a"])),
            ("\"a\", \"b\"", tags(&["a", "b"]), tags(&["a", "b"])),
            ("\"a\",,\"b\",", tags(&["a", "b"]), tags(&["a", "b"])),
            ("W/\"a\", \"b\"", tags(&["b"]), tags(&["a", "b"])),
            ("W/\"a\"", tags(&[]), tags(&["a"])),
            ("\"a,b\"", tags(&["a,b"]), tags(&["a,b"])),
            ("\"\"", tags(&[""]), tags(&[""])),
        ] {
            assert_eq!(
                if_match(&with(IF_MATCH, &[value])).unwrap(),
                strong,
                "{value}"
            );
            let read = read(&with(IF_NONE_MATCH, &[value]), &IF_NONE_MATCH, true);
            assert_eq!(read.unwrap(), all, "{value}");
        }
        for value in [
            "",
            ",",
            "a",
            "\"a",
            "a\"",
            "\"a\"b",
            "\"a\" \"b\"",
            "*, \"a\"",
            "\"a\", *",
            "**",
            "*,*",
            "w/\"a\"",
            "W/a",
            "W/ \"a\"",
            "\"a b\"",
            "'a'",
        ] {
            let problem = if_match(&with(IF_MATCH, &[value])).unwrap_err();
            assert_eq!(problem.code, Code::BadPrecondition, "{value}");
        }
        let many = vec!["\"a\""; 33].join(",");
        assert!(if_match(&with(IF_MATCH, &[&many])).is_err());
        assert_eq!(
            if_match(&with(IF_MATCH, &["\"a\"", "\"b\""])).unwrap(),
            tags(&["a", "b"])
        );
        assert_eq!(if_match(&HeaderMap::new()).unwrap(), None);
    }

    #[test]
    fn a_put_creates_only_by_star() {
        assert!(if_absent(&with(IF_NONE_MATCH, &["*"])).unwrap());
        assert!(!if_absent(&HeaderMap::new()).unwrap());
        assert!(if_absent(&with(IF_NONE_MATCH, &["\"a\""])).is_err());
    }

    #[test]
    fn a_read_is_answered_or_not() {
        use Verdict::{Answer, Failed, NotModified};
        for (if_match_value, if_none_match_value, etag, expected) in [
            (None, None, Some("v.a"), Answer),
            (None, Some("\"v.a\""), Some("v.a"), NotModified),
            (None, Some("W/\"v.a\""), Some("v.a"), NotModified),
            (None, Some("\"v.b\""), Some("v.a"), Answer),
            (None, Some("\"x\", \"v.a\""), Some("v.a"), NotModified),
            (None, Some("*"), Some("v.a"), NotModified),
            (None, Some("*"), None, NotModified),
            (None, Some("\"v.a\""), None, Answer),
            (Some("\"v.a\""), None, Some("v.a"), Answer),
            (Some("\"v.b\""), None, Some("v.a"), Answer),
            (Some("\"w.a\""), None, Some("v.a"), Failed),
            (Some("W/\"v.a\""), None, Some("v.a"), Failed),
            (Some("\"v.a\""), None, None, Failed),
            (Some("*"), None, None, Answer),
            (Some("\"v.a\""), Some("\"v.a\""), Some("v.a"), NotModified),
        ] {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                (IF_MATCH, if_match_value),
                (IF_NONE_MATCH, if_none_match_value),
            ] {
                if let Some(value) = value {
                    headers.insert(name, HeaderValue::from_static(value));
                }
            }
            let conditions = Conditions {
                if_match: if_match(&headers).unwrap(),
                if_none_match: read(&headers, &IF_NONE_MATCH, true).unwrap(),
            };
            assert_eq!(
                conditions.verdict(etag),
                expected,
                "{if_match_value:?} {if_none_match_value:?} {etag:?}"
            );
        }
    }
}
