//! A JSON body → typed values, driven by the model: duplicates, unknown fields, wrong types and limits are
//! seen while reading, all at once, each with a JSON pointer. There is no value tree.

use crate::key::{self, hyphenated};
use crate::nearest::nearest;
use crate::problem::{Result, shown};
use crate::settings::Limits;
use crate::types::{FieldType, ItemType};
use crate::{Code, Decimal, Field, FieldError, FieldId, KeyKind, Model, Problem, Value, json};
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;

/// What a body says of a record.
#[derive(Debug, Clone, Default)]
pub struct Input {
    /// By field; a field that is not named is not here. Null is [`Value::Null`].
    pub fields: Vec<(FieldId, Value)>,
    /// The JSON text of what was given for a JSON field, for merging. Undeclared members of an open model
    /// stand in `extra`.
    pub extra: Vec<(String, String)>,
    /// Types and limits that were not met.
    pub errors: Vec<FieldError>,
}

impl Input {
    pub fn get(&self, field: FieldId) -> Option<&Value> {
        self.fields
            .iter()
            .find(|(id, _)| *id == field)
            .map(|(_, value)| value)
    }
}

/// Reads a body. What is not JSON at all is an error of its own; the rest is in [`Input::errors`].
pub fn read(model: &Model, body: &[u8], limits: &Limits) -> Result<Input> {
    let malformed = |detail: String| Problem::new(Code::MalformedJson, detail);
    let text = std::str::from_utf8(body).map_err(|e| {
        malformed(format!(
            "The body is not UTF-8: byte {} is wrong.",
            e.valid_up_to()
        ))
    })?;
    let outline = Outline::of(text, limits.json_depth);
    if let Some(at) = outline.too_deep {
        return Err(malformed(format!(
            "The body is nested more than {} levels deep at byte {at}.",
            limits.json_depth
        ))
        .limited("limits.json_depth", u64::from(limits.json_depth)));
    }
    // Each is compared with those before it, and answered for if it is wrong: not without a bound.
    if outline.members > limits.members {
        return Err(malformed(format!(
            "The body has {} members; {} are allowed.",
            outline.members, limits.members
        ))
        .limited("limits.members", u64::from(limits.members)));
    }
    let mut deserializer = serde_json::Deserializer::from_str(text);
    let seed = Body { model, limits };
    let input = seed
        .deserialize(&mut deserializer)
        .map_err(|e| malformed(sentence(&e)))?;
    deserializer.end().map_err(|e| malformed(sentence(&e)))?;
    Ok(input)
}

fn sentence(error: &serde_json::Error) -> String {
    let text = error.to_string();
    let mut out: String = text.chars().take(200).collect();
    if let Some(first) = out.get(..1) {
        let upper = first.to_uppercase();
        out.replace_range(..1, &upper);
    }
    out.push('.');
    out
}

/// What a text that may be JSON looks like from outside; brackets and commas in strings are not counted.
#[derive(Default)]
struct Outline {
    /// Where it is first nested deeper than is allowed.
    too_deep: Option<usize>,
    /// Members of the outermost object.
    members: u32,
}

impl Outline {
    fn of(text: &str, depth_allowed: u32) -> Outline {
        let mut outline = Outline {
            members: 1,
            ..Outline::default()
        };
        let (mut depth, mut in_string, mut escaped) = (0u32, false, false);
        for (at, byte) in text.bytes().enumerate() {
            if in_string {
                match byte {
                    _ if escaped => escaped = false,
                    b'\\' => escaped = true,
                    b'"' => in_string = false,
                    _ => {}
                }
                continue;
            }
            match byte {
                b'"' => in_string = true,
                b'{' | b'[' => {
                    depth += 1;
                    if depth > depth_allowed {
                        outline.too_deep = Some(at);
                        break;
                    }
                }
                b'}' | b']' => depth = depth.saturating_sub(1),
                b',' if depth == 1 => outline.members += 1,
                _ => {}
            }
        }
        outline
    }
}

struct Body<'m> {
    model: &'m Model,
    limits: &'m Limits,
}

impl<'de> DeserializeSeed<'de> for Body<'_> {
    type Value = Input;

    fn deserialize<D: Deserializer<'de>>(
        self,
        deserializer: D,
    ) -> std::result::Result<Input, D::Error> {
        deserializer.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for Body<'_> {
    type Value = Input;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "a JSON object with the fields of {}",
            self.model.full_name()
        )
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> std::result::Result<Input, A::Error> {
        let mut input = Input {
            fields: Vec::with_capacity(self.model.fields.len()),
            ..Input::default()
        };
        while let Some(Name(name)) = map.next_key::<Name<'de>>()? {
            let raw: &'de RawValue = map.next_value()?;
            let twice = || {
                serde::de::Error::custom(format_args!("the key {} is there twice", shown(&name)))
            };
            match self.model.field_named(&name) {
                Some(field) => {
                    if input.get(field.id).is_some() {
                        return Err(twice());
                    }
                    match value(field, self.model.key, raw.get(), self.limits) {
                        Ok(value) => input.fields.push((field.id, value)),
                        Err(mut error) => {
                            error
                                .pointer
                                .insert_str(0, &crate::problem::pointer(&[&field.name]));
                            input.errors.push(error);
                            // Kept, so that a second mention is still a duplicate and it does not count as missing.
                            input.fields.push((field.id, Value::Null));
                        }
                    }
                }
                None if self.model.open && self.model.inverse_named(&name).is_some() => {
                    let detail = format!(
                        "{} is what other records say that refer to this one; it is not written here.",
                        shown(&name)
                    );
                    input
                        .errors
                        .push(FieldError::at(&name, "read_only", detail));
                }
                None if self.model.open => {
                    if input.extra.iter().any(|(known, _)| *known == *name) {
                        return Err(twice());
                    }
                    match undeclared(&name, raw.get(), self.limits) {
                        Ok(text) => input.extra.push((name.into_owned(), text)),
                        Err(error) => input.errors.push(error),
                    }
                }
                None => {
                    let known = self.model.fields.iter().map(|f| f.name.as_str());
                    let hint = nearest(&name, known)
                        .map(|n| format!("; did you mean {n}?"))
                        .unwrap_or_else(|| ".".to_owned());
                    let detail = format!(
                        "{} has no field {}{hint}",
                        self.model.full_name(),
                        shown(&name)
                    );
                    input.errors.push(FieldError::at(&name, "unknown", detail));
                }
            }
        }
        Ok(input)
    }
}

/// A key, borrowed where it has no escapes.
struct Name<'de>(Cow<'de, str>);

impl<'de> serde::Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a key")
            }
            fn visit_borrowed_str<E>(self, v: &'de str) -> std::result::Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(v)))
            }
            fn visit_str<E>(self, v: &str) -> std::result::Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(v.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

fn undeclared(name: &str, raw: &str, limits: &Limits) -> std::result::Result<String, FieldError> {
    if name.is_empty() || name.len() > 128 || name.contains('\0') {
        return Err(FieldError::at(
            name,
            "unknown",
            "An undeclared field's name has 1 to 128 bytes, none of them NUL.",
        ));
    }
    json::canonical(raw, limits.json_depth).map_err(|e| FieldError::at(name, "type", e.to_string()))
}

/// An error whose pointer is relative to the field.
fn wrong(code: &'static str, detail: impl Into<String>) -> FieldError {
    FieldError {
        pointer: String::new(),
        code,
        detail: detail.into(),
    }
}

fn value(
    field: &Field,
    key: KeyKind,
    raw: &str,
    limits: &Limits,
) -> std::result::Result<Value, FieldError> {
    if raw == "null" {
        return Ok(Value::Null);
    }
    let name = &field.name;
    if field.id == crate::model::ID {
        return key_value(key, raw)
            .ok_or_else(|| wrong("type", format!("{name} is not an id of this model.")));
    }
    match &field.ty {
        FieldType::String { max } | FieldType::Text { max } => {
            text(name, raw, *max).map(Value::Text)
        }
        FieldType::Email => {
            let given = text(name, raw, 254)?;
            let folded = given.trim().to_lowercase();
            if is_email(&folded) {
                Ok(Value::Text(folded.into()))
            } else {
                Err(wrong("format", format!("{name} is not an email address.")))
            }
        }
        FieldType::Url => {
            let given = text(name, raw, 2048)?;
            if is_url(&given) {
                Ok(Value::Text(given))
            } else {
                Err(wrong(
                    "format",
                    format!("{name} is not an absolute http or https URL."),
                ))
            }
        }
        FieldType::Enum { values } => {
            let given = text(name, raw, u32::MAX)?;
            match values.iter().find(|v| **v == given) {
                Some(known) => Ok(Value::Text(known.clone())),
                None => Err(wrong(
                    "not_in",
                    format!("{name} must be one of {}.", values.join(", ")),
                )),
            }
        }
        FieldType::Int { min, max } => {
            let n = whole(raw).ok_or_else(|| {
                wrong(
                    "type",
                    format!("{name} must be a whole number within ±(2^53 − 1)."),
                )
            })?;
            range(name, n, *min, *max)?;
            Ok(Value::Int(n))
        }
        FieldType::Float { min, max } => {
            let n = number(raw)
                .ok_or_else(|| wrong("type", format!("{name} must be a finite number.")))?;
            range(name, n, *min, *max)?;
            Ok(Value::Float(n))
        }
        FieldType::Decimal { scale } => {
            let unquoted;
            let digits = if raw.starts_with('"') {
                unquoted = text(name, raw, 64)?;
                &*unquoted
            } else {
                raw
            };
            Decimal::parse(digits, *scale).map(Value::Decimal).map_err(|_| {
                wrong(
                    "type",
                    format!("{name} must be a decimal of at most 18 digits, {scale} of them behind the point."),
                )
            })
        }
        FieldType::Bool => match raw {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err(wrong("type", format!("{name} must be true or false."))),
        },
        FieldType::Datetime => {
            let given = text(name, raw, 64)?;
            crate::time::parse_timestamp(&given)
                .map(Value::Timestamp)
                .map_err(|e| {
                    let why = match crate::time::completed(&given) {
                        Some(whole) => format!("write {whole}"),
                        None => e.to_string(),
                    };
                    wrong(
                        "type",
                        format!("{name} must be an RFC 3339 datetime: {why}."),
                    )
                })
        }
        FieldType::Date => {
            let given = text(name, raw, 64)?;
            crate::time::parse_date(&given)
                .map(Value::Date)
                .map_err(|e| {
                    wrong(
                        "type",
                        format!("{name} must be a date like 2026-01-31: {e}."),
                    )
                })
        }
        FieldType::Uuid => {
            let given = text(name, raw, 64)?;
            hyphenated(&given)
                .map(Value::Uuid)
                .ok_or_else(|| wrong("type", format!("{name} must be a hyphenated UUID.")))
        }
        FieldType::Relation { key, .. } => key_value(*key, raw).ok_or_else(|| {
            wrong(
                "type",
                format!("{name} must be the id of a record it refers to."),
            )
        }),
        FieldType::Json => json::canonical(raw, limits.json_depth)
            .map(|text| Value::Json(text.into()))
            .map_err(|e| wrong("type", format!("{name}: {e}."))),
        FieldType::List { items, max } => list(name, raw, *items, *max, limits),
    }
}

fn key_value(key: KeyKind, raw: &str) -> Option<Value> {
    match key {
        KeyKind::Int => whole(raw).map(Value::Int),
        KeyKind::Uuid | KeyKind::String => {
            let text: String = serde_json::from_str(raw).ok()?;
            key::read(key, &text)
        }
    }
}

fn text(name: &str, raw: &str, max: u32) -> std::result::Result<Arc<str>, FieldError> {
    if !raw.starts_with('"') {
        return Err(wrong("type", format!("{name} must be a string.")));
    }
    // Without escapes the text is what stands between the quotes.
    let inner = &raw[1..raw.len() - 1];
    let out: Arc<str> = if inner.contains('\\') {
        let unescaped: String = serde_json::from_str(raw)
            .map_err(|_| wrong("type", format!("{name} is no valid string.")))?;
        unescaped.into()
    } else {
        Arc::from(inner)
    };
    if out.contains('\0') {
        return Err(wrong(
            "type",
            format!("{name} contains U+0000, which no store keeps."),
        ));
    }
    if out.len() > max as usize && out.chars().count() > max as usize {
        return Err(wrong(
            "too_long",
            format!("{name} is longer than {max} characters."),
        ));
    }
    Ok(out)
}

/// `7`, `7.0` and `7e2` are whole; beyond ±(2^53 − 1) nothing is.
fn whole(raw: &str) -> Option<i64> {
    let n = match raw.parse::<i64>() {
        Ok(n) => n,
        Err(_) => {
            let n = number(raw)?;
            if n.fract() != 0.0 || n.abs() > crate::value::MAX_INT as f64 {
                return None;
            }
            n as i64
        }
    };
    key::is_exact(n).then_some(n)
}

fn number(raw: &str) -> Option<f64> {
    if !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    raw.parse::<f64>().ok().filter(|n| n.is_finite())
}

fn range<T: PartialOrd + fmt::Display>(
    name: &str,
    n: T,
    min: Option<T>,
    max: Option<T>,
) -> std::result::Result<(), FieldError> {
    if let Some(min) = min
        && n < min
    {
        return Err(wrong(
            "too_small",
            format!("{name} must be at least {min}."),
        ));
    }
    if let Some(max) = max
        && n > max
    {
        return Err(wrong("too_large", format!("{name} must be at most {max}.")));
    }
    Ok(())
}

fn list(
    name: &str,
    raw: &str,
    items: ItemType,
    max: u32,
    limits: &Limits,
) -> std::result::Result<Value, FieldError> {
    let given: Vec<&RawValue> = serde_json::from_str(raw)
        .map_err(|_| wrong("type", format!("{name} must be an array.")))?;
    if given.len() > max as usize {
        return Err(wrong(
            "too_long",
            format!("{name} has more than {max} items."),
        ));
    }
    for (at, item) in given.iter().enumerate() {
        let item = item.get();
        let (fits, expected) = match items {
            ItemType::String => (item.starts_with('"'), "a string"),
            ItemType::Int => (whole(item).is_some(), "a whole number within ±(2^53 − 1)"),
            ItemType::Float => (number(item).is_some(), "a finite number"),
            ItemType::Bool => (matches!(item, "true" | "false"), "true or false"),
        };
        if !fits {
            let mut error = wrong("type", format!("Item {at} of {name} must be {expected}."));
            error.pointer = format!("/{at}");
            return Err(error);
        }
    }
    json::canonical(raw, limits.json_depth)
        .map(|text| Value::Json(text.into()))
        .map_err(|e| wrong("type", format!("{name}: {e}.")))
}

/// One `@`, something before it, a dotted or local name behind it, no spaces: delivery is the real test.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    !local.is_empty()
        && local.len() <= 64
        && !local.contains('@')
        && !domain.is_empty()
        && !domain.starts_with(['.', '-'])
        && !domain.ends_with(['.', '-'])
        && !domain.contains("..")
        && domain
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && !local.chars().any(|c| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"')
        })
}

fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    rest.is_some_and(|rest| {
        !rest.is_empty()
            && !rest.starts_with(['/', '?', '#', ':'])
            && !text.chars().any(|c| {
                c.is_whitespace()
                    || c.is_control()
                    || matches!(c, '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}')
            })
    })
}
