//! Literals of every type, as text: awkward ones, and those that the world's records hold.

use super::generate::Generator;
use super::world::{EMAILS, FLOATS, INTS, STRINGS, uuids};
use spec::{Field, FieldType};

impl Generator<'_> {
    pub(super) fn literal(&mut self, field: &Field) -> String {
        match &field.ty {
            FieldType::String { .. } | FieldType::Text { .. } => self.string(),
            FieldType::Email => text(self.random.word(EMAILS)),
            FieldType::Url => {
                text(
                    self.random
                        .word(&["http://a.b/", "https://a.b/é", "https://b"]),
                )
            }
            FieldType::Enum { .. } => text(self.random.word(&["draft", "active", "sold", "x y"])),
            FieldType::Int { .. } => self.random.pick(INTS).to_string(),
            FieldType::Float { .. } => self.float(),
            FieldType::Decimal { scale } => {
                let whole = self.random.pick(&[0, 1, -1, 5, 100]).to_string();
                let digits = self.random.word(&["0", "01", "5", "99", "10"]);
                let digits = &digits[..digits.len().min(usize::from(*scale))];
                if digits.is_empty() {
                    whole
                } else {
                    format!("{whole}.{digits}")
                }
            }
            FieldType::Bool => self.random.word(&["true", "false"]).to_owned(),
            FieldType::Datetime => self.moment(),
            FieldType::Date => self.day(),
            FieldType::Uuid => self.uuid(),
            FieldType::Relation { key, .. } => self.key(*key),
            FieldType::Json | FieldType::List { .. } => self.any_literal(),
        }
    }

    pub(super) fn key(&mut self, key: spec::KeyKind) -> String {
        match key {
            spec::KeyKind::Uuid => match self.random.below(3) {
                0 => "auth.id".to_owned(),
                1 => self.uuid(),
                _ => text(
                    &spec::Uuid::from_u128(1 + self.random.below(8) as u128)
                        .hyphenated()
                        .to_string(),
                ),
            },
            spec::KeyKind::Int => (1 + self.random.below(8)).to_string(),
            spec::KeyKind::String => {
                let n = self.random.below(8);
                text(&format!("k{n}{}", STRINGS[n]))
            }
        }
    }

    pub(super) fn string(&mut self) -> String {
        match self.random.below(8) {
            0 => "auth.email".to_owned(),
            1 => "auth.kind".to_owned(),
            2 => "('a' + 'b')".to_owned(),
            _ => text(self.random.word(STRINGS)),
        }
    }

    pub(super) fn float(&mut self) -> String {
        format!("{:?}", self.random.pick(FLOATS))
    }

    pub(super) fn uuid(&mut self) -> String {
        if self.random.one_in(3) {
            return "auth.id".to_owned();
        }
        text(&self.random.pick(&uuids()).hyphenated().to_string())
    }

    pub(super) fn moment(&mut self) -> String {
        let moments = [
            "now",
            "now - duration('1h')",
            "now + duration('0.000001s')",
            "'2026-09-21T13:33:20Z'",
            "timestamp('1970-01-01T00:00:00Z')",
            "'0001-01-01T00:00:00Z'",
            "'9999-12-31T23:59:59.999999Z'",
            "'2023-11-14T22:13:20.123456Z'",
            "'2023-11-15T00:13:20.123456+02:00'",
        ];
        self.random.word(&moments).to_owned()
    }

    pub(super) fn day(&mut self) -> String {
        let days = [
            "'1970-01-01'",
            "date('2000-02-29')",
            "'0001-01-01'",
            "'9999-12-31'",
            "date(now)",
            "date(now - duration('24h'))",
        ];
        self.random.word(&days).to_owned()
    }

    /// What JSON may be compared with.
    pub(super) fn any_literal(&mut self) -> String {
        match self.random.below(9) {
            0 => self.random.pick(INTS).to_string(),
            1 => self.float(),
            2 => self.random.word(&["true", "false"]).to_owned(),
            3 => "auth.id".to_owned(),
            4 => "1".to_owned(),
            5 => self
                .random
                .word(&[
                    "9007199254740993",
                    "9007199254740992",
                    "9223372036854775807",
                ])
                .to_owned(),
            6 => "'a'".to_owned(),
            _ => self.string(),
        }
    }
}

/// A string literal of CEL.
fn text(value: &str) -> String {
    let mut out = String::from("'");
    for c in value.chars() {
        match c {
            '\'' | '\\' => {
                out.push('\\');
                out.push(c);
            }
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}
