//! Strings with names in them.

use super::path::Path;
use serde_json::Value as Json;
use std::collections::BTreeMap;

/// What names stand for while a test runs.
pub type Names = BTreeMap<String, Json>;

/// `/api/orders/{order.id}`: what is in braces is the value of a name, or what a path into it leads to. `{{` is a
/// brace; so is one that no letter follows, for JSON has many.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text(pub Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Piece {
    Plain(String),
    Named { name: String, path: Path },
}

impl Text {
    /// Or what is wrong with it.
    pub fn parse(text: &str) -> Result<Text, String> {
        let mut pieces = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find('{') {
            plain.push_str(&rest[..at]);
            let behind = &rest[at + 1..];
            if let Some(more) = behind.strip_prefix('{') {
                plain.push('{');
                rest = more;
            } else if behind.starts_with(|c: char| c.is_ascii_lowercase()) {
                let Some((inside, more)) = behind.split_once('}') else {
                    return Err("a `{` that no `}` ends".to_owned());
                };
                let end = inside.find(['.', '[']).unwrap_or(inside.len());
                let (name, path) = inside.split_at(end);
                let path = match path.strip_prefix('.') {
                    Some(keys) => Path::parse(keys).filter(Path::begins_with_key),
                    None => Path::parse(path),
                };
                let Some(path) = path.filter(|_| is_name(name)) else {
                    return Err(format!(
                        "`{{{inside}}}` is no name with a path, like `{{order.id}}`"
                    ));
                };
                if !plain.is_empty() {
                    pieces.push(Piece::Plain(std::mem::take(&mut plain)));
                }
                let name = name.to_owned();
                pieces.push(Piece::Named { name, path });
                rest = more;
            } else {
                plain.push('{');
                rest = behind;
            }
        }
        plain.push_str(rest);
        if !plain.is_empty() || pieces.is_empty() {
            pieces.push(Piece::Plain(plain));
        }
        Ok(Text(pieces))
    }

    /// The names in it, each with what it leads to.
    pub fn places(&self) -> impl Iterator<Item = (&str, &Path)> {
        self.0.iter().filter_map(|piece| match piece {
            Piece::Plain(_) => None,
            Piece::Named { name, path } => Some((name.as_str(), path)),
        })
    }

    /// Its value: what a name stands for, where there is nothing else, and a string otherwise.
    pub fn fill(&self, names: &Names) -> Result<Json, String> {
        match self.0.as_slice() {
            [Piece::Named { name, path }] => value(name, path, names).cloned(),
            _ => self.spell(names, str::to_owned).map(Json::String),
        }
    }

    /// As a string, with each value spelled by `spell`.
    pub fn spell(&self, names: &Names, spell: impl Fn(&str) -> String) -> Result<String, String> {
        let mut out = String::new();
        for piece in &self.0 {
            match piece {
                Piece::Plain(text) => out.push_str(text),
                Piece::Named { name, path } => match value(name, path, names)? {
                    Json::String(text) => out.push_str(&spell(text)),
                    other => out.push_str(&spell(&other.to_string())),
                },
            }
        }
        Ok(out)
    }
}

fn value<'n>(name: &str, path: &Path, names: &'n Names) -> Result<&'n Json, String> {
    if name == super::NULL && path.0.is_empty() {
        return Ok(&Json::Null);
    }
    let value = names
        .get(name)
        .ok_or_else(|| format!("there is no `{name}`"))?;
    path.get(value)
        .ok_or_else(|| format!("`{name}` has no `{path}`: it is {value}"))
}

/// As names of models: a letter, then letters, digits and `_`, in lower case.
pub fn is_name(text: &str) -> bool {
    text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn names_stand_for_values_and_other_braces_for_themselves() {
        let names: Names = [
            ("lamp".to_owned(), json!({"id": 7, "tags": ["a b"]})),
            ("tag".to_owned(), json!("x/y")),
        ]
        .into();
        let fill = |text: &str| Text::parse(text).and_then(|text| text.fill(&names));
        for (text, value) in [
            ("plain", json!("plain")),
            ("", json!("")),
            ("{lamp.id}", json!(7)),
            ("{lamp.tags[0]}", json!("a b")),
            ("{null}", Json::Null),
            ("/x/{lamp.id}?t={tag}", json!("/x/7?t=x/y")),
            ("{{tag}", json!("{tag}")),
            ("{\"a\": {}}", json!("{\"a\": {}}")),
        ] {
            assert_eq!(fill(text), Ok(value), "{text}");
        }
        for text in [
            "{lamp",
            "{lamp.}",
            "{lamp.[0]}",
            "{lAmp}",
            "{lamp.tags[}",
            "{tag!}",
        ] {
            assert!(Text::parse(text).is_err(), "{text}");
        }
        assert!(fill("{nobody}").unwrap_err().contains("no `nobody`"));
        assert!(fill("{lamp.name}").unwrap_err().contains("no `name`"));
    }
}
