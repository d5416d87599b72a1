//! JSON Merge Patch (RFC 7396) inside JSON fields and undeclared members. There is no value tree: what a patch does
//! not name stays byte for byte, numbers and all, however deep it is.

use spec::json::{self, JsonError, Member};
use std::cmp::Ordering;

/// Applies a patch to a stored JSON text; the result is not yet canonical. An error is that one of them is no JSON.
pub fn merge(stored: Option<&str>, patch: &str) -> Result<String, JsonError> {
    // Read through once, so that the walk below meets nothing malformed.
    let patch = json::canonical(patch, u32::MAX)?;
    let stored = stored.map(|text| json::canonical(text, u32::MAX));
    let stored = stored.transpose()?;
    let mut out = String::with_capacity(patch.len() + stored.as_ref().map_or(0, String::len));
    apply(&mut out, stored.as_deref(), &patch);
    Ok(out)
}

// The recursion is as deep as the patch, whose depth is bounded when it is read.
fn apply(out: &mut String, target: Option<&str>, patch: &str) {
    if !patch.starts_with('{') {
        out.push_str(patch);
        return;
    }
    // Both are in the canonical order of names, and so is what they come to.
    let order =
        |a: &Member<'_>, b: &Member<'_>| (a.name.len(), &*a.name).cmp(&(b.name.len(), &*b.name));
    let mut changes = json::members(patch).peekable();
    let mut kept = json::members(target.unwrap_or_default()).peekable();
    out.push('{');
    let mut behind = false;
    loop {
        let which = match (changes.peek(), kept.peek()) {
            (None, None) => break,
            (Some(_), None) => Ordering::Less,
            (None, Some(_)) => Ordering::Greater,
            (Some(change), Some(stays)) => order(change, stays),
        };
        let change = changes.next_if(|_| which.is_le());
        let before = kept.next_if(|_| which.is_ge());
        if change.as_ref().is_some_and(|change| change.value == "null") {
            continue;
        }
        if std::mem::replace(&mut behind, true) {
            out.push(',');
        }
        match (change, before) {
            (Some(change), before) => {
                let name = change.text.len() - change.value.len();
                out.push_str(&change.text[..name]);
                apply(out, before.map(|before| before.value), change.value);
            }
            (None, before) => out.push_str(before.map_or("", |before| before.text)),
        }
    }
    out.push('}');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_examples_of_rfc_7396() {
        for (target, patch, result) in [
            (r#"{"a":"b"}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"b":"c"}"#, r#"{"a":"b","b":"c"}"#),
            (r#"{"a":"b"}"#, r#"{"a":null}"#, r#"{}"#),
            (r#"{"a":"b","b":"c"}"#, r#"{"a":null}"#, r#"{"b":"c"}"#),
            (r#"{"a":["b"]}"#, r#"{"a":"c"}"#, r#"{"a":"c"}"#),
            (r#"{"a":"c"}"#, r#"{"a":["b"]}"#, r#"{"a":["b"]}"#),
            (
                r#"{"a":{"b":"c"}}"#,
                r#"{"a":{"b":"d","c":null}}"#,
                r#"{"a":{"b":"d"}}"#,
            ),
            (r#"{"a":[{"b":"c"}]}"#, r#"{"a":[1]}"#, r#"{"a":[1]}"#),
            (r#"["a","b"]"#, r#"["c","d"]"#, r#"["c","d"]"#),
            (r#"{"a":"b"}"#, r#"["c"]"#, r#"["c"]"#),
            (r#"{"a":"foo"}"#, "null", "null"),
            (r#"{"e":null}"#, r#"{"a":1}"#, r#"{"a":1,"e":null}"#),
            ("[1,2]", r#"{"a":"b","c":null}"#, r#"{"a":"b"}"#),
            ("{}", r#"{"a":{"bb":{"ccc":null}}}"#, r#"{"a":{"bb":{}}}"#),
        ] {
            let merged = merge(Some(target), patch).expect("JSON");
            assert_eq!(merged, result, "{target} + {patch}");
        }
    }

    #[test]
    fn what_a_patch_does_not_name_stays_byte_for_byte() {
        let deep = format!("{}1{}", "[".repeat(1000), "]".repeat(1000));
        let stored = format!(
            r#"{{"d":{deep},"x":51.248178375505404,"in":{{"x":-5e-324,"y":1}},"é\n":9007199254740993}}"#
        );
        let merged = merge(Some(&stored), r#"{"in":{"y":2,"z":{"a":null,"b":[null]}}}"#).unwrap();
        assert_eq!(
            merged,
            stored.replace(r#""y":1"#, r#""y":2,"z":{"b":[null]}"#)
        );
        let merged = merge(Some(&stored), r#"{"d":null,"é\n":null,"none":null}"#).unwrap();
        assert_eq!(
            merged,
            r#"{"x":51.248178375505404,"in":{"x":-5e-324,"y":1}}"#
        );
    }

    #[test]
    fn what_is_no_json_is_an_error_and_not_nothing() {
        for broken in ["{", r#"{"a":1,}"#, r#"{"a":1,"a":2}"#, ""] {
            assert!(merge(Some(broken), r#"{"b":1}"#).is_err(), "{broken}");
            assert!(merge(None, broken).is_err(), "{broken}");
        }
    }
}
