//! Seeds: whether their lines could be records at all. What only the whole database knows, unique values and
//! whether a reference leads anywhere, shows when they are loaded.

use super::report::{At, Report};
use super::walk::list;
use crate::decimal::Decimal;
use crate::diagnostic::FileId;
use crate::model::{Field, KeyKind, Model};
use crate::nearest::nearest;
use crate::time;
use crate::types::{FieldType, ItemType};
use serde_json::{Map, Value};

/// What a user's line may say beside the fields of the model; see `import`.
const OF_USERS: &[&str] = &["password", "roles"];

/// Looks at the lines of a text, whose last one may be cut off where `cut`.
pub(super) fn check(text: &str, cut: bool, model: &Model, file: FileId, report: &mut Report) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (from, whole) = (start, line.ends_with('\n') || !cut);
        start += line.len();
        if report.is_full(file) {
            return;
        }
        if !line.trim().is_empty() && whole {
            let from = from + line.len() - line.trim_start().len();
            Line {
                text: line.trim(),
                from,
                file,
                model,
            }
            .check(report);
        }
    }
}

struct Line<'a> {
    text: &'a str,
    /// Its first byte in the file.
    from: usize,
    file: FileId,
    model: &'a Model,
}

impl Line<'_> {
    fn check(&self, report: &mut Report) {
        let record: Map<String, Value> = match serde_json::from_str(self.text) {
            Ok(record) => record,
            Err(error) => return self.malformed(&error, report),
        };
        let is_users = self.model.module_name == super::names::AUTH && self.model.name == "users";
        for (name, value) in &record {
            match self.model.field_named(name) {
                Some(field) => self.value(field, value, report),
                None if self.model.open || (is_users && OF_USERS.contains(&name.as_str())) => {}
                None => self.unknown(name, report),
            }
        }
        // One slip is one mistake: a misspelt field is not missing too.
        let misspelt: Vec<&str> = record
            .keys()
            .filter(|name| self.model.field_named(name).is_none())
            .filter_map(|name| nearest(name, self.fields()))
            .collect();
        for field in self.model.fields.iter().filter(|field| !field.system) {
            if misspelt.contains(&field.name.as_str()) {
                continue;
            }
            let given = record
                .get(&field.name)
                .is_some_and(|value| !value.is_null());
            if !given && !field.optional && field.default.is_none() {
                report
                    .error(
                        At::new(self.file, self.from..self.from + 1),
                        "bad-seed",
                        format!("this record has no `{}`, which is required", field.name),
                    )
                    .help(format!(
                        "add `\"{}\": …`, or give the field a `default` or `optional = true`",
                        field.name
                    ));
            }
        }
    }

    fn malformed(&self, error: &serde_json::Error, report: &mut Report) {
        // Columns are bytes from 1.
        let at = self
            .text
            .floor_char_boundary(error.column().saturating_sub(1));
        let at = self.from + at.min(self.text.len());
        let text = error.to_string();
        let what = text.split(" at line ").next().unwrap_or(&text);
        report
            .error(
                At::new(self.file, at..at),
                "bad-seed",
                format!("this line is no JSON object: {what}"),
            )
            .help("a seed is one JSON object a line, without commas between the lines");
    }

    fn unknown(&self, name: &str, report: &mut Report) {
        let diagnostic = report.error(
            self.key(name),
            "bad-seed",
            format!("`{}` has no field `{name}`", self.model.full_name()),
        );
        match nearest(name, self.fields()) {
            Some(near) => diagnostic
                .label(format!("did you mean `{near}`?"))
                .help(format!("write `{near}`, or declare the field")),
            None => diagnostic.help(format!("there are {}", list(self.fields()))),
        };
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.model.fields.iter().filter(|field| !field.system);
        fields.map(|field| field.name.as_str())
    }

    fn value(&self, field: &Field, value: &Value, report: &mut Report) {
        let wanted = match wanted(field, self.model.key, value) {
            None => return,
            Some(wanted) => wanted,
        };
        report
            .error(
                self.key(&field.name),
                "bad-seed",
                format!("`{}` does not take this value", field.name),
            )
            .help(wanted);
    }

    /// Where a key stands, or the beginning of the line where it has escapes.
    fn key(&self, name: &str) -> At {
        let quoted = format!("\"{name}\"");
        let found = self.text.match_indices(&quoted).find(|(at, _)| {
            let after = self.text[at + quoted.len()..].trim_start();
            after.starts_with(':')
        });
        let (at, length) = found.map_or((0, 1), |(at, _)| (at, quoted.len()));
        At::new(self.file, self.from + at..self.from + at + length)
    }
}

/// What a field takes instead of this value; none where it may take it.
fn wanted(field: &Field, key: KeyKind, value: &Value) -> Option<String> {
    if value.is_null() {
        // Whether it may be absent is another question.
        return None;
    }
    if field.id == crate::model::ID {
        return of_key(key, value);
    }
    let said = |good: bool, wanted: &str| (!good).then(|| format!("write {wanted}"));
    match &field.ty {
        FieldType::String { max } | FieldType::Text { max } => said(
            value
                .as_str()
                .is_some_and(|text| text.chars().count() <= *max as usize),
            &format!("a string in quotes, of at most {max} characters"),
        ),
        FieldType::Email | FieldType::Url => said(value.is_string(), "a string in quotes"),
        FieldType::Enum { values } => said(
            values.iter().any(|known| value.as_str() == Some(known)),
            &super::walk::choice(values.iter().map(|known| &**known)),
        ),
        FieldType::Int { min, max } => {
            let n = value.as_f64().filter(|n| n.fract() == 0.0);
            let fits = n.is_some_and(|n| {
                min.is_none_or(|min| n >= min as f64) && max.is_none_or(|max| n <= max as f64)
            });
            said(fits, &bounded("a whole number, without quotes", *min, *max))
        }
        FieldType::Float { min, max } => {
            let fits = value
                .as_f64()
                .is_some_and(|n| min.is_none_or(|min| n >= min) && max.is_none_or(|max| n <= max));
            said(fits, &bounded("a number, without quotes", *min, *max))
        }
        // A number is taken too; whether its digits fit is not seen once it is a float.
        FieldType::Decimal { .. } if value.is_number() => None,
        FieldType::Decimal { scale } => said(
            value
                .as_str()
                .is_some_and(|text| Decimal::parse(text, *scale).is_ok()),
            &format!("a number in quotes, with at most {scale} digits behind the point"),
        ),
        FieldType::Bool => said(value.is_boolean(), "`true` or `false`, without quotes"),
        FieldType::Datetime => {
            let text = value.as_str().unwrap_or_default();
            let whole = time::completed(text).unwrap_or("2026-01-31T12:00:00Z".to_owned());
            said(
                time::parse_timestamp(text).is_ok(),
                &format!("a moment in quotes: `\"{whole}\"`"),
            )
        }
        FieldType::Date => said(
            value
                .as_str()
                .is_some_and(|text| time::parse_date(text).is_ok()),
            "a day in quotes: `\"2026-01-31\"`",
        ),
        FieldType::Uuid => said(is_uuid(value), "a uuid in quotes"),
        FieldType::Relation { key, .. } => of_key(*key, value),
        FieldType::Json => None,
        FieldType::List { items, max } => {
            let good = value.as_array().is_some_and(|list| {
                list.len() <= *max as usize
                    && list.iter().all(|item| match items {
                        ItemType::String => item.is_string(),
                        ItemType::Int | ItemType::Float => item.is_number(),
                        ItemType::Bool => item.is_boolean(),
                    })
            });
            said(
                good,
                &format!(
                    "a list of at most {max} values of type `{}`",
                    item_name(*items)
                ),
            )
        }
    }
}

fn bounded<T: std::fmt::Display>(what: &str, min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (None, None) => what.to_owned(),
        (Some(min), None) => format!("{what}, of at least {min}"),
        (None, Some(max)) => format!("{what}, of at most {max}"),
        (Some(min), Some(max)) => format!("{what}, from {min} to {max}"),
    }
}

fn is_uuid(value: &Value) -> bool {
    value
        .as_str()
        .is_some_and(|text| text.len() == 36 && uuid::Uuid::try_parse(text).is_ok())
}

fn of_key(key: KeyKind, value: &Value) -> Option<String> {
    let (good, wanted) = match key {
        KeyKind::Int => (
            value.as_f64().is_some_and(|n| n.fract() == 0.0),
            "the id of a record, a whole number without quotes",
        ),
        KeyKind::Uuid => (is_uuid(value), "the id of a record, a uuid in quotes"),
        KeyKind::String => (value.is_string(), "the id of a record, in quotes"),
    };
    (!good).then(|| format!("write {wanted}"))
}

fn item_name(items: ItemType) -> &'static str {
    match items {
        ItemType::String => "string",
        ItemType::Int => "int",
        ItemType::Float => "float",
        ItemType::Bool => "bool",
    }
}
