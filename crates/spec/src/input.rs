//! A JSON body, or a line of a seed → typed values, driven by the model: duplicates, unknown fields, wrong types and
//! limits are seen while reading, all at once, each with a JSON pointer. There is no value tree.

use crate::fit::{self, wrong};
use crate::key::{self, hyphenated};
use crate::nearest::nearest;
use crate::problem::{MOST_ERRORS, Result, shown};
use crate::settings::Limits;
use crate::types::FieldType;
use crate::{
    Code, Decimal, Field, FieldError, FieldId, KeyKind, Model, Problem, Rule, Value, json,
};
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
    /// Undeclared members of an open model, each with its canonical JSON text.
    pub extra: Vec<(String, String)>,
    /// Relation fields that take the key of what an earlier item of a batch wrote, by that item's name. They stand
    /// in `fields` as null.
    pub refs: Vec<(FieldId, String)>,
    /// Records to create with this one: which inverse of the model they come under, and the JSON text.
    pub nested: Vec<(usize, String)>,
    /// Types and limits that were not met.
    pub errors: Vec<FieldError>,
}

/// What a body may hold beside values.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Holds {
    Values,
    /// Records that refer to it, under the names of inverses.
    Nested,
    /// `{"$ref": "name"}` for a relation.
    Refs,
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
    read_as(model, body, limits, Holds::Values)
}

/// The elements of an array.
pub fn elements(body: &[u8]) -> Result<Vec<&str>> {
    let elements: Vec<&RawValue> =
        serde_json::from_str(utf8(body)?).map_err(|e| malformed_at(body, &e))?;
    Ok(elements.into_iter().map(RawValue::get).collect())
}

fn malformed(detail: String) -> Problem {
    Problem::new(Code::MalformedJson, detail)
}

/// What is not JSON, or not the JSON that was asked for.
pub fn malformed_at(body: &[u8], error: &serde_json::Error) -> Problem {
    malformed(json::Fault::of(body, error).to_string())
}

fn utf8(body: &[u8]) -> Result<&str> {
    std::str::from_utf8(body).map_err(|e| {
        malformed(format!(
            "The body is not UTF-8: byte {} is wrong.",
            e.valid_up_to()
        ))
    })
}

pub fn read_as(model: &Model, body: &[u8], limits: &Limits, holds: Holds) -> Result<Input> {
    let text = utf8(body)?;
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
    let seed = Body {
        model,
        limits,
        holds,
    };
    let input = seed
        .deserialize(&mut deserializer)
        .map_err(|e| malformed_at(body, &e))?;
    deserializer.end().map_err(|e| malformed_at(body, &e))?;
    Ok(input)
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
        let (bytes, mut depth, mut at) = (text.as_bytes(), 0u32, 0);
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'"' => at = end_of_string(bytes, at + 1),
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
            at += 1;
        }
        outline
    }
}

/// Where the quote is that ends a string, or the end of the text.
fn end_of_string(bytes: &[u8], mut at: usize) -> usize {
    while let Some(found) = memchr::memchr2(b'"', b'\\', bytes.get(at..).unwrap_or_default()) {
        at += found;
        if bytes[at] == b'"' {
            return at;
        }
        at += 2;
    }
    bytes.len()
}

struct Body<'m> {
    model: &'m Model,
    limits: &'m Limits,
    holds: Holds,
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
                    if self.holds == Holds::Refs
                        && field.relation().is_some()
                        && let Some(name) = reference(raw.get())
                    {
                        input.refs.push((field.id, name));
                        input.fields.push((field.id, Value::Null));
                        continue;
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
                None if self.model.inverse_at(&name).is_some() => {
                    let at = self.model.inverse_at(&name).unwrap_or_default();
                    if self.holds == Holds::Nested {
                        if input.nested.iter().any(|(known, _)| *known == at) {
                            return Err(twice());
                        }
                        input.nested.push((at, raw.get().to_owned()));
                        continue;
                    }
                    let how = match self.holds {
                        Holds::Refs => {
                            "each is an operation of its own, with this one's name as {\"$ref\": …}"
                        }
                        Holds::Values | Holds::Nested => {
                            "with this one they are created by a POST, and changed at their own addresses"
                        }
                    };
                    let detail = format!(
                        "{} are the records that refer to this one: {how}.",
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
                // More are not told, and a hint costs the more the more names there are.
                None if input.errors.len() >= MOST_ERRORS => {}
                None => {
                    // Who asks is not known here: a hint names the fields that hide from nobody.
                    let shared = |field: &&Field| matches!(field.read, Rule::Allow);
                    let known = self
                        .model
                        .fields
                        .iter()
                        .filter(shared)
                        .map(|f| f.name.as_str());
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

/// The name in `{"$ref": "name"}`, and nothing else. No relation's value is an object, so that it is none of a
/// caller's data.
pub fn reference(raw: &str) -> Option<String> {
    #[derive(serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Ref {
        #[serde(rename = "$ref")]
        name: String,
    }
    if !raw.starts_with('{') {
        return None;
    }
    serde_json::from_str(raw).ok().map(|Ref { name }| name)
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
        return key_value(key, raw).ok_or_else(|| {
            let expected = key::expected(key);
            wrong("type", format!("{name} must be {expected}."))
        });
    }
    let given = match &field.ty {
        FieldType::String { .. }
        | FieldType::Text { .. }
        | FieldType::Email
        | FieldType::Url
        | FieldType::Enum { .. } => Value::Text(text(name, raw)?),
        FieldType::Int { .. } => Value::Int(whole(raw).ok_or_else(|| fit::no_whole(name))?),
        FieldType::Float { .. } => Value::Float(number(raw).ok_or_else(|| fit::no_number(name))?),
        FieldType::Decimal { scale } => {
            let unquoted;
            let digits = if raw.starts_with('"') {
                unquoted = short(name, raw)?;
                &*unquoted
            } else {
                raw
            };
            let read = Decimal::parse(digits, *scale);
            Value::Decimal(read.map_err(|_| fit::no_decimal(name, *scale))?)
        }
        FieldType::Bool => match raw {
            "true" => Value::Bool(true),
            "false" => Value::Bool(false),
            _ => return Err(wrong("type", format!("{name} must be true or false."))),
        },
        FieldType::Datetime => {
            let given = short(name, raw)?;
            let read = crate::time::parse_timestamp(&given);
            Value::Timestamp(read.map_err(|e| {
                let why = match crate::time::completed(&given) {
                    Some(whole) => format!("write {whole}"),
                    None => e.to_string(),
                };
                wrong(
                    "type",
                    format!("{name} must be an RFC 3339 datetime: {why}."),
                )
            })?)
        }
        FieldType::Date => {
            let given = short(name, raw)?;
            let read = crate::time::parse_date(&given);
            Value::Date(read.map_err(|e| {
                wrong(
                    "type",
                    format!("{name} must be a date like 2026-01-31: {e}."),
                )
            })?)
        }
        FieldType::Uuid => {
            let given = short(name, raw)?;
            let read = hyphenated(&given).map(Value::Uuid);
            read.ok_or_else(|| wrong("type", format!("{name} must be a hyphenated UUID.")))?
        }
        FieldType::Relation { key, .. } => {
            key_value(*key, raw).ok_or_else(|| fit::no_id(name, *key))?
        }
        FieldType::Json | FieldType::List { .. } => {
            let read = json::canonical(raw, limits.json_depth);
            Value::Json(
                read.map_err(|e| wrong("type", format!("{name}: {e}.")))?
                    .into(),
            )
        }
    };
    fit::fitted(field, given)
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

/// A text that no valid value of its type is longer than.
fn short(name: &str, raw: &str) -> std::result::Result<Arc<str>, FieldError> {
    let given = text(name, raw)?;
    fit::within(name, &given, 64)?;
    Ok(given)
}

fn text(name: &str, raw: &str) -> std::result::Result<Arc<str>, FieldError> {
    if !raw.starts_with('"') {
        return Err(wrong("type", format!("{name} must be a string.")));
    }
    // Without escapes the text is what stands between the quotes.
    let inner = &raw[1..raw.len() - 1];
    if !inner.contains('\\') {
        return Ok(Arc::from(inner));
    }
    let unescaped: String = serde_json::from_str(raw)
        .map_err(|_| wrong("type", format!("{name} is no valid string.")))?;
    Ok(unescaped.into())
}

/// `7`, `7.0` and `7e2` are whole; beyond ±(2^53 − 1) nothing is.
pub(crate) fn whole(raw: &str) -> Option<i64> {
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

pub(crate) fn number(raw: &str) -> Option<f64> {
    if !raw.starts_with(|c: char| c == '-' || c.is_ascii_digit()) {
        return None;
    }
    raw.parse::<f64>().ok().filter(|n| n.is_finite())
}
