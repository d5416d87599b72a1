//! What a value of a field looks like in JSON: in answers, in bodies, and in a query string.

use super::node::{Node, Object};
use serde_json::{Value, json};
use spec::model::ID;
use spec::types::{FieldType, ItemType};
use spec::value::MAX_INT;
use spec::{Field, KeyKind, Model};
use std::sync::Arc;

/// In answers. Bounds on what may be written are left out: what was written under wider ones is answered, too.
pub fn answered(model: &Model, field: &Field) -> Value {
    if field.id == ID {
        return key(model.key);
    }
    let schema = match &field.ty {
        FieldType::String { .. } | FieldType::Text { .. } => json!({"type": "string"}),
        FieldType::Email => json!({"type": "string", "format": "email"}),
        FieldType::Url => json!({"type": "string", "format": "iri"}),
        FieldType::Enum { values } => choice(values),
        FieldType::Int { .. } => int(None, None),
        FieldType::Float { .. } => json!({"type": "number", "format": "double"}),
        FieldType::Decimal { scale } => json!({"type": "string", "pattern": at_scale(*scale)}),
        FieldType::Bool => json!({"type": "boolean"}),
        FieldType::Datetime => json!({"type": "string", "format": "date-time"}),
        FieldType::Date => json!({"type": "string", "format": "date"}),
        FieldType::Uuid => json!({"type": "string", "format": "uuid"}),
        FieldType::Relation { key: of, .. } => key(*of),
        FieldType::Json => json!({}),
        FieldType::List { items, .. } => json!({"type": "array", "items": item(*items)}),
    };
    or_null(schema, field.optional)
}

/// In bodies.
pub fn given(model: &Model, field: &Field) -> Value {
    let schema = match &field.ty {
        FieldType::String { max } | FieldType::Text { max } if field.id != ID => {
            json!({"type": "string", "maxLength": max})
        }
        FieldType::Email => json!({"type": "string", "format": "email", "maxLength": 254}),
        FieldType::Url => json!({"type": "string", "format": "iri", "maxLength": 2048}),
        FieldType::Int { min, max } if field.id != ID => int(*min, *max),
        FieldType::Float { min, max } => {
            let mut schema = json!({"type": "number", "format": "double"});
            if let Some(min) = min {
                schema["minimum"] = json!(min);
            }
            if let Some(max) = max {
                schema["maximum"] = json!(max);
            }
            schema
        }
        FieldType::Decimal { scale } => json!({"anyOf": [
            {"type": "string", "pattern": up_to_scale(*scale)},
            {"type": "number"},
        ]}),
        FieldType::List { items, max } => {
            json!({"type": "array", "items": item(*items), "maxItems": max})
        }
        FieldType::String { .. }
        | FieldType::Text { .. }
        | FieldType::Enum { .. }
        | FieldType::Int { .. }
        | FieldType::Bool
        | FieldType::Datetime
        | FieldType::Date
        | FieldType::Uuid
        | FieldType::Relation { .. }
        | FieldType::Json => return answered(model, field),
    };
    or_null(schema, field.optional)
}

/// In a plain filter; none where a field cannot be compared in one.
pub fn compared(model: &Model, field: &Field) -> Option<Value> {
    if field.id == ID {
        return Some(key(model.key));
    }
    Some(match &field.ty {
        FieldType::String { .. } | FieldType::Text { .. } | FieldType::Email | FieldType::Url => {
            json!({"type": "string"})
        }
        FieldType::Enum { values } => choice(values),
        FieldType::Int { .. } => int(None, None),
        FieldType::Float { .. } => json!({"type": "number"}),
        FieldType::Decimal { scale } => json!({"type": "string", "pattern": up_to_scale(*scale)}),
        FieldType::Bool => json!({"type": "boolean"}),
        FieldType::Datetime => json!({"type": "string", "format": "date-time"}),
        FieldType::Date => json!({"type": "string", "format": "date"}),
        FieldType::Uuid => json!({"type": "string", "format": "uuid"}),
        FieldType::Relation { key: of, .. } => key(*of),
        FieldType::Json | FieldType::List { .. } => return None,
    })
}

pub fn key(kind: KeyKind) -> Value {
    match kind {
        KeyKind::Uuid => json!({"type": "string", "format": "uuid"}),
        KeyKind::Int => int(None, None),
        KeyKind::String => json!({"type": "string", "minLength": 1, "maxLength": 128}),
    }
}

fn choice(values: &[Arc<str>]) -> Value {
    let values: Vec<&str> = values.iter().map(|value| &**value).collect();
    json!({"type": "string", "enum": values})
}

fn int(min: Option<i64>, max: Option<i64>) -> Value {
    json!({
        "type": "integer",
        "format": "int64",
        "minimum": min.unwrap_or(-MAX_INT),
        "maximum": max.unwrap_or(MAX_INT),
    })
}

fn item(items: ItemType) -> Value {
    match items {
        ItemType::String => json!({"type": "string"}),
        ItemType::Int => int(None, None),
        ItemType::Float => json!({"type": "number"}),
        ItemType::Bool => json!({"type": "boolean"}),
    }
}

/// `18.50`
fn at_scale(scale: u8) -> String {
    match scale {
        0 => "^-?[0-9]{1,18}$".to_owned(),
        scale => format!("^-?[0-9]{{1,18}}\\.[0-9]{{{scale}}}$"),
    }
}

/// `18.5`, `18`; at most 18 digits in all once there are `scale` behind the point.
fn up_to_scale(scale: u8) -> String {
    let whole = 18 - scale.min(17);
    match scale {
        0 => "^-?[0-9]{1,18}$".to_owned(),
        scale => format!("^-?[0-9]{{1,{whole}}}(\\.[0-9]{{1,{scale}}})?$"),
    }
}

fn or_null(mut schema: Value, optional: bool) -> Value {
    if !optional {
        return schema;
    }
    if let Some(ty) = schema.get("type").cloned() {
        schema["type"] = json!([ty, "null"]);
    }
    for of in ["enum", "anyOf"] {
        let null = if of == "enum" {
            Value::Null
        } else {
            json!({"type": "null"})
        };
        if let Some(Value::Array(values)) = schema.get_mut(of) {
            values.push(null);
        }
    }
    schema
}

/// A schema with a sentence about it.
pub fn said(schema: Value, description: &str) -> Node {
    if description.is_empty() {
        return schema.into();
    }
    match schema {
        Value::Object(members) => {
            let mut out = Object::new();
            for (name, value) in members {
                out.add(name, value);
            }
            out.with("description", description).into()
        }
        other => other.into(),
    }
}
