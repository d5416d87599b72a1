//! Ways into a JSON value.

use serde_json::Value as Json;
use std::fmt;

/// `data[0].name`; `[*]` is every item of a list. The empty path is the value itself.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Path(pub Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    Key(String),
    Item(usize),
    Every,
}

impl Path {
    /// None where the text is no path.
    pub fn parse(text: &str) -> Option<Path> {
        let mut parts = Vec::new();
        let mut rest = text;
        while !rest.is_empty() {
            if let Some(inside) = rest.strip_prefix('[') {
                let (index, behind) = inside.split_once(']')?;
                parts.push(match index {
                    "*" => Part::Every,
                    index => Part::Item(index.parse().ok()?),
                });
                rest = behind;
            } else {
                let key = match parts.is_empty() {
                    true => rest,
                    false => rest.strip_prefix('.')?,
                };
                let end = key.find(['.', '[', ']']).unwrap_or(key.len());
                let (key, behind) = key.split_at(end);
                if key.is_empty() {
                    return None;
                }
                parts.push(Part::Key(key.to_owned()));
                rest = behind;
            }
        }
        Some(Path(parts))
    }

    /// Whether it may stand behind a dot.
    pub fn begins_with_key(&self) -> bool {
        matches!(self.0.first(), Some(Part::Key(_)))
    }

    /// Every value that is there, with the way to it.
    pub fn find<'j>(&self, json: &'j Json) -> Vec<(Path, &'j Json)> {
        let mut found = vec![(Path::default(), json)];
        for part in &self.0 {
            found = found
                .into_iter()
                .flat_map(|(way, value)| step(part, &way, value))
                .collect();
        }
        found
    }

    /// The value, where the path leads to one.
    pub fn get<'j>(&self, json: &'j Json) -> Option<&'j Json> {
        self.find(json).first().map(|(_, value)| *value)
    }

    pub fn key(&self, key: &str) -> Path {
        self.with(Part::Key(key.to_owned()))
    }

    pub fn item(&self, index: usize) -> Path {
        self.with(Part::Item(index))
    }

    fn with(&self, part: Part) -> Path {
        let mut parts = self.0.clone();
        parts.push(part);
        Path(parts)
    }
}

fn step<'j>(part: &Part, way: &Path, value: &'j Json) -> Vec<(Path, &'j Json)> {
    match (part, value) {
        (Part::Key(key), Json::Object(map)) => map
            .get(key)
            .map(|value| (way.key(key), value))
            .into_iter()
            .collect(),
        (Part::Item(index), Json::Array(items)) => items
            .get(*index)
            .map(|value| (way.item(*index), value))
            .into_iter()
            .collect(),
        (Part::Every, Json::Array(items)) => items
            .iter()
            .enumerate()
            .map(|(index, value)| (way.item(index), value))
            .collect(),
        (Part::Key(_) | Part::Item(_) | Part::Every, _) => Vec::new(),
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (at, part) in self.0.iter().enumerate() {
            match part {
                Part::Key(key) if at == 0 => f.write_str(key)?,
                Part::Key(key) => write!(f, ".{key}")?,
                Part::Item(index) => write!(f, "[{index}]")?,
                Part::Every => f.write_str("[*]")?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_path_is_printed_as_it_was_read() {
        for text in ["", "id", "data[0].name", "data[*]", "[1].a", "a.b.c"] {
            let path = Path::parse(text).unwrap_or_else(|| panic!("{text}"));
            assert_eq!(path.to_string(), text);
        }
        for text in [".a", "a.", "a..b", "a[", "a[x]", "a[-1]", "a]", "a[0]b"] {
            assert_eq!(Path::parse(text), None, "{text}");
        }
    }

    #[test]
    fn what_a_path_leads_to_is_found() {
        let json = json!({"data": [{"id": 1}, {"id": 2, "x": null}, 3], "more": false});
        let found = |path: &str| -> Vec<String> {
            let path = Path::parse(path).expect("a path");
            let found = path.find(&json);
            found.iter().map(|(p, v)| format!("{p}={v}")).collect()
        };
        assert_eq!(found("more"), ["more=false"]);
        assert_eq!(found("data[*].id"), ["data[0].id=1", "data[1].id=2"]);
        assert_eq!(found("data[1].x"), ["data[1].x=null"]);
        assert_eq!(found("data[9]"), [""; 0]);
        assert_eq!(found("data.id"), [""; 0]);
        assert_eq!(found("more[*]"), [""; 0]);
    }
}
