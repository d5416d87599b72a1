//! The JSON Schemas of an app's files, for editors that complete and check TOML.

use super::keys::{self, Key, Kind, Table};
use super::scenario_keys;
use serde_json::{Map, Value, json};

const DIALECT: &str = "https://json-schema.org/draft/2020-12/schema";
/// As `names` has it; length is checked by the loader, in bytes.
const NAME: &str = "^[a-z][a-z0-9]*(_[a-z0-9]+)*_?$";
const DURATION: &str = "^[0-9]+(ms|s|m|h|d)$";

/// The schema of `mainstay.toml`.
pub fn app_schema() -> Value {
    document(&keys::APP, "Mainstay: mainstay.toml")
}

/// The schema of `modules/*/module.toml`.
pub fn module_schema() -> Value {
    document(&keys::MODULE, "Mainstay: module.toml")
}

/// The schema of the files in `tests/`.
pub fn tests_schema() -> Value {
    document(&scenario_keys::FILE, "Mainstay: tests/*.toml")
}

fn document(table: &'static Table, title: &str) -> Value {
    let mut schema = table_schema(table);
    schema.insert("$schema".to_owned(), json!(DIALECT));
    schema.insert("title".to_owned(), json!(title));
    Value::Object(schema)
}

fn table_schema(table: &'static Table) -> Map<String, Value> {
    let properties: Map<String, Value> = table
        .keys
        .iter()
        .map(|key| (key.name.to_owned(), key_schema(table, key)))
        .collect();
    let mut schema = object(json!({
        "type": "object",
        "description": table.doc,
        "properties": properties,
        "additionalProperties": false,
    }));
    if std::ptr::eq(table, &keys::FIELD) {
        schema.insert("required".to_owned(), json!(["type"]));
        schema.insert("allOf".to_owned(), Value::Array(type_conditions()));
    }
    schema
}

fn key_schema(table: &'static Table, key: &'static Key) -> Value {
    // The words are listed apart from the key tables, because the loader's messages about them differ.
    let is_field_type = std::ptr::eq(table, &keys::FIELD) && key.name == "type";
    let mut schema = match key.kind {
        Kind::Text if is_field_type => {
            json!({ "enum": keys::TYPES.iter().map(|(name, _)| name).collect::<Vec<_>>() })
        }
        Kind::Text | Kind::Expression => json!({ "type": "string" }),
        Kind::Word(words) => json!({ "enum": words }),
        Kind::Int { min, max } => json!({ "type": "integer", "minimum": min, "maximum": max }),
        Kind::Number => json!({ "type": "number" }),
        Kind::Bool => json!({ "type": "boolean" }),
        Kind::Duration { .. } => json!({ "type": "string", "pattern": DURATION }),
        Kind::Texts => json!({ "type": "array", "items": { "type": "string" }, "minItems": 1 }),
        Kind::Table(shape) => Value::Object(table_schema(shape)),
        Kind::Named(shape) => json!({
            "type": "object",
            "patternProperties": { NAME: table_schema(shape) },
            "additionalProperties": false,
        }),
        Kind::Tables(shape) => json!({ "type": "array", "items": table_schema(shape) }),
        Kind::Any => json!({}),
        Kind::Items => json!({ "type": "array" }),
        Kind::Entries => json!({ "type": "object" }),
    };
    if let Value::Object(schema) = &mut schema {
        schema.insert("description".to_owned(), json!(key.doc));
        if let Some(default) = default(key) {
            schema.insert("default".to_owned(), default);
        }
    }
    schema
}

/// The default as JSON: what is written in the key tables is TOML, which for these values is JSON too.
fn default(key: &Key) -> Option<Value> {
    serde_json::from_str(key.default).ok()
}

/// Which keys a type needs, and which it does not take.
fn type_conditions() -> Vec<Value> {
    let needs = [
        ("enum", "values"),
        ("decimal", "scale"),
        ("list", "items"),
        ("relation", "to"),
    ];
    keys::TYPES
        .iter()
        .map(|(ty, _)| {
            let refused: Map<String, Value> = keys::FIELD
                .keys
                .iter()
                .filter(|key| !key.types.is_empty() && !key.types.contains(ty))
                .map(|key| (key.name.to_owned(), Value::Bool(false)))
                .collect();
            let required: Vec<&str> = needs
                .iter()
                .filter(|(needy, _)| needy == ty)
                .map(|(_, key)| *key)
                .collect();
            json!({
                "if": { "properties": { "type": { "const": ty } }, "required": ["type"] },
                "then": { "properties": refused, "required": required },
            })
        })
        .collect()
}

fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A default that is no JSON would be left out of the schema without a word.
    #[test]
    fn every_default_of_a_setting_is_in_the_schema() {
        let app = app_schema();
        for (section, key) in [
            ("server", "drain"),
            ("auth", "verify_email"),
            ("limits", "page"),
        ] {
            let found = &app["properties"][section]["properties"][key]["default"];
            assert!(!found.is_null(), "{section}.{key}");
        }
    }
}
