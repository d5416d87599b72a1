//! What came back against what was expected.

use serde_json::Value as Json;
use spec::scenario::{At, Entry, Like, Names, Node, Path, Tree};

/// Characters of a value that are shown.
const SHOWN: usize = 160;

/// One way in which they differ.
#[derive(Debug, Clone, PartialEq)]
pub struct Difference {
    /// Where it was expected.
    pub at: At,
    pub message: String,
    /// What came instead.
    pub label: String,
}

/// How much of a value is expected.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Extent {
    /// Keys that are not named may be there.
    Part,
    Whole,
}

/// Every difference, each at its place.
pub fn differences(want: &Tree, got: &Json, names: &Names, extent: Extent) -> Vec<Difference> {
    let mut comparison = Comparison {
        names,
        extent,
        found: Vec::new(),
    };
    comparison.compare(want, got, &Path::default());
    comparison.found
}

struct Comparison<'n> {
    names: &'n Names,
    extent: Extent,
    found: Vec<Difference>,
}

impl Comparison<'_> {
    fn compare(&mut self, want: &Tree, got: &Json, way: &Path) {
        match (&want.node, got) {
            (Node::Table(entries), Json::Object(map)) => self.table(want.at, entries, map, way),
            (Node::List(items), Json::Array(found)) => self.list(want.at, items, found, way),
            (Node::Like(like), got) => match is_like(like, got, self.names) {
                Ok(true) => {}
                Ok(false) => self.differs(want.at, way, got),
                Err(why) => self.say(want.at, why, String::new()),
            },
            (
                Node::Table(_) | Node::List(_) | Node::Bool(_) | Node::Number(_) | Node::Text(_),
                got,
            ) => match want.fill(self.names) {
                Ok(value) if same(&value, got) => {}
                Ok(_) => self.differs(want.at, way, got),
                Err(why) => self.say(want.at, why, String::new()),
            },
        }
    }

    fn table(
        &mut self,
        at: At,
        entries: &[Entry],
        map: &serde_json::Map<String, Json>,
        way: &Path,
    ) {
        for entry in entries {
            let inner = way.key(&entry.key);
            match map.get(&entry.key) {
                Some(value) => self.compare(&entry.value, value, &inner),
                None => {
                    let keys: Vec<&str> = map.keys().map(String::as_str).collect();
                    let label = match spec::nearest::nearest(&entry.key, keys.iter().copied()) {
                        Some(near) => format!("there is `{near}`"),
                        None => format!("there are {}", keys.join(", ")),
                    };
                    self.say(entry.at, format!("`{inner}` is not there"), label);
                }
            }
        }
        if self.extent == Extent::Whole {
            for (key, value) in map {
                if !entries.iter().any(|entry| entry.key == *key) {
                    let message = format!("`{}` is there too", way.key(key));
                    self.say(at, message, format!("it is {}", shown(value)));
                }
            }
        }
    }

    fn list(&mut self, at: At, items: &[Tree], found: &[Json], way: &Path) {
        if items.len() != found.len() {
            let message = format!(
                "{} has {} items, not {}",
                named(way),
                found.len(),
                items.len()
            );
            self.say(at, message, shown(&Json::Array(found.to_vec())));
        }
        for (index, (want, got)) in items.iter().zip(found).enumerate() {
            self.compare(want, got, &way.item(index));
        }
    }

    fn differs(&mut self, at: At, way: &Path, got: &Json) {
        let message = format!("{} is something else", named(way));
        self.say(at, message, format!("got {}", shown(got)));
    }

    fn say(&mut self, at: At, message: String, label: String) {
        self.found.push(Difference { at, message, label });
    }
}

fn named(way: &Path) -> String {
    match way.0.is_empty() {
        true => "the body".to_owned(),
        false => format!("`{way}`"),
    }
}

/// Numbers are the same where they are equal, however they are written.
fn same(a: &Json, b: &Json) -> bool {
    match (a, b) {
        (Json::Number(a), Json::Number(b)) => a == b || a.as_f64() == b.as_f64(),
        (Json::Array(a), Json::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| same(a, b))
        }
        (Json::Object(a), Json::Object(b)) => {
            let matches =
                |(key, value): (&String, &Json)| b.get(key).is_some_and(|b| same(value, b));
            a.len() == b.len() && a.iter().all(matches)
        }
        (a, b) => a == b,
    }
}

fn is_like(like: &Like, got: &Json, names: &Names) -> Result<bool, String> {
    let text = got.as_str();
    Ok(match like {
        Like::Any => !got.is_null(),
        Like::Uuid => {
            text.is_some_and(|text| text.len() == 36 && text.parse::<spec::Uuid>().is_ok())
        }
        Like::Datetime => text.is_some_and(|text| spec::time::parse_timestamp(text).is_ok()),
        Like::Date => text.is_some_and(|text| spec::time::parse_date(text).is_ok()),
        Like::String => got.is_string(),
        Like::Number => got.is_number(),
        Like::Bool => got.is_boolean(),
        Like::List => got.is_array(),
        Like::Object => got.is_object(),
        Like::Contains(part) => {
            let part = part.spell(names, str::to_owned)?;
            text.is_some_and(|text| text.contains(&part))
        }
    })
}

/// A value for one line.
pub fn shown(value: &Json) -> String {
    let text = value.to_string();
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// What a test's TOML expects, as the loader reads it.
    fn expected(toml: &str) -> Tree {
        let app = spec::load::load_sources(vec![("mainstay.toml".into(), String::new())]).app;
        let text = format!(
            "[[tests]]\nname = \"x\"\n[[tests.steps]]\nrequest = \"GET /\"\nexpect.body = {toml}\n"
        );
        let read =
            spec::load::scenarios_of(vec![("tests/x.toml".into(), text)], &app.expect("an app"));
        assert!(read.diagnostics.is_empty(), "{:?}", read.diagnostics);
        let step = &read.files[0].tests[0].steps[0];
        step.expect.body.clone().expect("a body")
    }

    fn said(toml: &str, got: &Json, extent: Extent) -> Vec<String> {
        differences(&expected(toml), got, &Names::new(), extent)
            .into_iter()
            .map(|d| format!("{}: {}", d.message, d.label))
            .collect()
    }

    #[test]
    fn a_body_has_what_is_named_and_may_have_more() {
        let got = json!({
            "id": "01980000-0000-7000-8001-000000000003", "n": 2, "price": "9.00", "at": "2026-01-01T00:00:00.000000Z",
            "day": "2026-01-01", "tags": ["a", "b"], "none": null, "of": {"name": "x < y", "ok": true},
        });
        for good in [
            "{}",
            "{ n = 2, price = \"9.00\" }",
            "{ n = 2.0 }",
            "{ id = \"<uuid>\", at = \"<datetime>\", day = \"<date>\", n = \"<number>\", tags = \"<list>\", of = \"<object>\" }",
            "{ of = { ok = \"<bool>\", name = \"<contains < y>\" } }",
            "{ none = \"{null}\", price = \"<string>\", tags = [\"a\", \"<any>\"] }",
            "{ at = 2026-01-01T00:00:00Z }",
        ] {
            assert_eq!(said(good, &got, Extent::Part), [""; 0], "{good}");
        }
        for (bad, why) in [
            ("{ n = 3 }", "`n` is something else: got 2"),
            ("{ n = \"2\" }", "`n` is something else: got 2"),
            ("{ none = \"<any>\" }", "`none` is something else: got null"),
            (
                "{ price = \"<number>\" }",
                "`price` is something else: got \"9.00\"",
            ),
            (
                "{ prise = \"9.00\" }",
                "`prise` is not there: there is `price`",
            ),
            (
                "{ tags = [\"a\"] }",
                "`tags` has 2 items, not 1: [\"a\",\"b\"]",
            ),
            (
                "{ of = { ok = false } }",
                "`of.ok` is something else: got true",
            ),
            ("[1]", "the body is something else: got {"),
        ] {
            let said = said(bad, &got, Extent::Part);
            assert!(
                said.len() == 1 && said[0].starts_with(why),
                "{bad}: {said:?}"
            );
        }
    }

    #[test]
    fn a_whole_body_has_nothing_else() {
        let got = json!({"a": 1, "b": {"c": 2}});
        assert_eq!(
            said("{ a = 1, b = { c = 2 } }", &got, Extent::Whole),
            [""; 0]
        );
        assert_eq!(
            said("{ b = {} }", &got, Extent::Whole),
            ["`b.c` is there too: it is 2", "`a` is there too: it is 1"]
        );
    }
}
