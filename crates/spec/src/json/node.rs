//! Finding one's way in JSON text without a tree: a path into a document looks at the bytes before
//! its target and no others. Made for canonical text; blanks between tokens are tolerated, and what
//! is malformed reads as absent.

use std::borrow::Cow;

/// What stands at one place of a document.
#[derive(Debug, Clone, PartialEq)]
pub enum Node<'a> {
    Null,
    Bool(bool),
    Int(i64),
    Float(f64),
    Text(Cow<'a, str>),
    /// Its text, brackets included.
    Array(&'a str),
    Object(&'a str),
}

fn blank(bytes: &[u8], mut at: usize) -> usize {
    while let Some(b' ' | b'\t' | b'\n' | b'\r') = bytes.get(at) {
        at += 1;
    }
    at
}

/// The end of the string that starts at `at`.
fn skip_string(bytes: &[u8], at: usize) -> Option<usize> {
    let mut at = at + 1;
    loop {
        match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => at += 2,
            _ => at += 1,
        }
    }
}

/// The end of the value that starts at `at`.
fn skip_value(bytes: &[u8], at: usize) -> Option<usize> {
    let mut depth = 0usize;
    let mut at = at;
    loop {
        match bytes.get(at)? {
            b'"' => at = skip_string(bytes, at)?,
            b'[' | b'{' => {
                depth += 1;
                at += 1;
                continue;
            }
            b']' | b'}' => {
                depth = depth.checked_sub(1)?;
                at += 1;
            }
            b',' | b':' | b' ' | b'\t' | b'\n' | b'\r' if depth > 0 => {
                at += 1;
                continue;
            }
            _ => {
                let from = at;
                while bytes
                    .get(at)
                    .is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'+' | b'.'))
                {
                    at += 1;
                }
                if at == from {
                    return None;
                }
            }
        }
        if depth == 0 {
            return Some(at);
        }
    }
}

fn unescape(text: &str) -> Option<Cow<'_, str>> {
    let inner = text.get(1..text.len().checked_sub(1)?)?;
    if !inner.contains('\\') {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str::<String>(text).ok().map(Cow::Owned)
}

/// Reads what stands at the start of `text`. Scalars are decoded, containers stay text.
pub fn node(text: &str) -> Node<'_> {
    read(text).unwrap_or(Node::Null)
}

fn read(text: &str) -> Option<Node<'_>> {
    let bytes = text.as_bytes();
    let start = blank(bytes, 0);
    let text = text.get(start..skip_value(bytes, start)?)?;
    Some(match text.as_bytes().first()? {
        b'"' => Node::Text(unescape(text)?),
        b'[' => Node::Array(text),
        b'{' => Node::Object(text),
        b't' => Node::Bool(true),
        b'f' => Node::Bool(false),
        b'-' | b'0'..=b'9' => match text.parse::<i64>() {
            Ok(n) => Node::Int(n),
            Err(_) => Node::Float(text.parse::<f64>().ok().filter(|x| x.is_finite())?),
        },
        _ => Node::Null,
    })
}

/// The text of an object's member.
pub fn member<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let mut at = blank(bytes, 0);
    if bytes.get(at) != Some(&b'{') {
        return None;
    }
    loop {
        at = blank(bytes, at + 1);
        if bytes.get(at) != Some(&b'"') {
            return None;
        }
        let end = skip_string(bytes, at)?;
        let found = unescape(text.get(at..end)?)? == name;
        at = blank(bytes, end);
        if bytes.get(at) != Some(&b':') {
            return None;
        }
        let start = blank(bytes, at + 1);
        let end = skip_value(bytes, start)?;
        if found {
            return text.get(start..end);
        }
        at = blank(bytes, end);
        if bytes.get(at) != Some(&b',') {
            return None;
        }
    }
}

/// The text of an array's item, from 0.
pub fn index(text: &str, index: u32) -> Option<&str> {
    items(text).nth(index as usize)
}

/// The texts of an array's items; none if it is no array.
pub fn items(text: &str) -> Items<'_> {
    let bytes = text.as_bytes();
    let start = blank(bytes, 0);
    let at = (bytes.get(start) == Some(&b'[')).then_some(start);
    Items { text, at }
}

#[derive(Debug, Clone)]
pub struct Items<'a> {
    text: &'a str,
    /// Where the bracket or comma before the next item stands.
    at: Option<usize>,
}

impl<'a> Iterator for Items<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        let bytes = self.text.as_bytes();
        let start = blank(bytes, self.at.take()? + 1);
        if bytes.get(start) == Some(&b']') {
            return None;
        }
        let end = skip_value(bytes, start)?;
        let next = blank(bytes, end);
        if bytes.get(next) == Some(&b',') {
            self.at = Some(next);
        }
        self.text.get(start..end)
    }
}

/// The members of an object; none if it is no object.
pub fn members(text: &str) -> Members<'_> {
    let start = blank(text.as_bytes(), 0);
    let at = (text.as_bytes().get(start) == Some(&b'{')).then_some(start);
    Members { text, at }
}

#[derive(Debug, Clone)]
pub struct Members<'a> {
    text: &'a str,
    /// Where the brace or comma before the next member stands.
    at: Option<usize>,
}

/// A member of an object.
#[derive(Debug, Clone, PartialEq)]
pub struct Member<'a> {
    pub name: Cow<'a, str>,
    /// As it stands there, from the quote of its name to the end of its value.
    pub text: &'a str,
    /// The text of its value.
    pub value: &'a str,
}

impl<'a> Iterator for Members<'a> {
    type Item = Member<'a>;

    fn next(&mut self) -> Option<Member<'a>> {
        let bytes = self.text.as_bytes();
        let start = blank(bytes, self.at.take()? + 1);
        if bytes.get(start) != Some(&b'"') {
            return None;
        }
        let named = skip_string(bytes, start)?;
        let name = unescape(self.text.get(start..named)?)?;
        let colon = blank(bytes, named);
        if bytes.get(colon) != Some(&b':') {
            return None;
        }
        let from = blank(bytes, colon + 1);
        let end = skip_value(bytes, from)?;
        let next = blank(bytes, end);
        if bytes.get(next) == Some(&b',') {
            self.at = Some(next);
        }
        let text = self.text.get(start..end)?;
        let value = self.text.get(from..end)?;
        Some(Member { name, text, value })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const DOCUMENT: &str =
        r#"{"a":1,"b":[1,"x]",{"c":null},[]],"é":"q\"","\n":-2.5,"deep":{"a":{"a":true}}}"#;

    #[test]
    fn finds_members_and_items() {
        let member = |name| member(DOCUMENT, name);
        assert_eq!(member("a"), Some("1"));
        assert_eq!(member("b"), Some(r#"[1,"x]",{"c":null},[]]"#));
        assert_eq!(node(member("é").unwrap()), Node::Text("q\"".into()));
        assert_eq!(node(member("\n").unwrap()), Node::Float(-2.5));
        assert_eq!(member("c"), None);
        assert_eq!(
            super::member(super::member(member("deep").unwrap(), "a").unwrap(), "a"),
            Some("true")
        );
        let list = member("b").unwrap();
        assert_eq!(items(list).count(), 4);
        assert_eq!(index(list, 1), Some(r#""x]""#));
        assert_eq!(index(list, 3), Some("[]"));
        assert_eq!(index(list, 4), None);
        assert_eq!(items("[]").count(), 0);
        assert_eq!(items("{}").count(), 0);
        assert_eq!(super::member("[]", "a"), None);
        assert_eq!(super::member("{}", "a"), None);
        assert_eq!(
            super::member(" { \"a\" : [ 1 , 2 ] } ", "a"),
            Some("[ 1 , 2 ]")
        );
    }

    #[test]
    fn lists_members_by_their_unescaped_names() {
        let names: Vec<String> = members(DOCUMENT).map(|m| m.name.into_owned()).collect();
        assert_eq!(names, ["a", "b", "é", "\n", "deep"]);
        let texts: Vec<&str> = members(r#" { "a" : [ 1 , 2 ] , "\u0062":{"c":1}} "#)
            .map(|m| m.text)
            .collect();
        assert_eq!(texts, [r#""a" : [ 1 , 2 ]"#, r#""\u0062":{"c":1}"#]);
        for none in ["{}", "[1]", "", "{,}", "{a:1}"] {
            assert_eq!(members(none).count(), 0, "{none}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in r#"[\[\]{},:"\\u0-9a-é ]{0,20}"#) {
            let _ = node(&text);
            let _ = member(&text, "a");
            let _ = items(&text).count();
            let _ = members(&text).count();
        }
    }
}
