//! Models → the text of `module.toml`, one thing a line, so that what the loader says of a line is said of a thing.

use super::shown;
use super::tables::{Field, Model, Ty};
use crate::KeyKind;
use crate::types::FieldType;
use std::fmt::Write;

/// What stands on a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Owner {
    Nothing,
    Model(usize),
    Field(usize, usize),
    Index(usize, usize),
}

pub(super) struct Text {
    pub text: String,
    /// By line, from 0.
    pub owners: Vec<Owner>,
}

impl Text {
    /// One line, whatever is in it.
    fn line(&mut self, owner: Owner, line: &str) {
        debug_assert!(!line.contains('\n'));
        self.text.push_str(line);
        self.text.push('\n');
        self.owners.push(owner);
    }

    fn comment(&mut self, text: &str) {
        for line in text.lines() {
            let line = format!("# {}", shown(line));
            self.line(Owner::Nothing, line.trim_end());
        }
    }
}

/// `models` with their places among all; those of one module.
pub(super) fn module(schema: &str, header: &str, models: &[(usize, &Model<'_>)]) -> Text {
    let mut out = Text {
        text: String::new(),
        owners: Vec::new(),
    };
    out.comment(header);
    out.line(Owner::Nothing, "");
    out.line(Owner::Nothing, &format!("schema = {}", string(schema)));
    for (at, model) in models {
        one(&mut out, *at, model);
    }
    out
}

/// Appends comments, a paragraph each.
pub(super) fn remarks(out: &mut Text, lines: &[String]) {
    out.line(Owner::Nothing, "");
    for line in lines {
        out.comment(line);
    }
}

fn one(out: &mut Text, at: usize, model: &Model<'_>) {
    let own = Owner::Model(at);
    out.line(Owner::Nothing, "");
    if let Some(comment) = &model.relation.comment {
        out.comment(comment);
    }
    out.line(own, &format!("[models.{}]", model.name));
    let table = &model.relation.name.name;
    if *table != model.name {
        out.line(own, &format!("table = {}", string(table)));
    }
    if model.key != "id" {
        out.line(own, &format!("key = {}", string(&model.key)));
    }
    if let Some(native) = model.key_native.as_ref().and_then(|n| n.spelled()) {
        out.line(own, &format!("key_native = {}", string(&native)));
    }
    match model.id {
        KeyKind::Uuid => {}
        KeyKind::Int => out.line(own, "id = \"int\""),
        KeyKind::String => out.line(own, "id = \"string\""),
    }
    if !model.fields.is_empty() {
        out.line(Owner::Nothing, "");
        out.line(own, &format!("[models.{}.fields]", model.name));
    }
    let wide = model.fields.iter().map(|f| f.name.len()).max().unwrap_or(0);
    for (field_at, field) in model.fields.iter().enumerate() {
        if let Some(comment) = &field.column.comment {
            out.comment(comment);
        }
        let line = format!("{:wide$} = {}", field.name, declaration(field));
        out.line(Owner::Field(at, field_at), &line);
    }
    for (index_at, index) in model.indexes.iter().enumerate() {
        let own = Owner::Index(at, index_at);
        out.line(Owner::Nothing, "");
        out.line(own, &format!("[[models.{}.indexes]]", model.name));
        out.line(own, &format!("fields = {}", strings(&index.fields)));
        if index.unique {
            out.line(own, "unique = true");
        }
    }
}

fn declaration(field: &Field<'_>) -> String {
    let mut keys: Vec<String> = Vec::new();
    match &field.ty {
        Ty::Plain(ty) => plain(ty, &mut keys),
        Ty::Relation {
            to,
            on_delete,
            inverse,
        } => {
            keys.push("type = \"relation\"".to_owned());
            keys.push(format!("to = {}", string(to)));
            if let Some(on_delete) = on_delete {
                keys.push(format!("on_delete = {}", string(on_delete)));
            }
            if let Some(inverse) = inverse {
                keys.push(format!("inverse = {}", string(inverse)));
            }
        }
    }
    if field.column.name != field.name {
        keys.push(format!("column = {}", string(&field.column.name)));
    }
    if let Some(native) = field.native.as_ref().and_then(|n| n.spelled()) {
        keys.push(format!("native = {}", string(&native)));
    }
    for (key, said) in [
        ("computed", field.computed),
        ("optional", field.optional && !field.computed),
        ("unique", field.unique),
    ] {
        if said {
            keys.push(format!("{key} = true"));
        }
    }
    for (key, said) in [("default", &field.default), ("check", &field.check)] {
        if let Some(expression) = said {
            keys.push(format!("{key} = {}", string(expression)));
        }
    }
    format!("{{ {} }}", keys.join(", "))
}

fn plain(ty: &FieldType, keys: &mut Vec<String>) {
    keys.push(format!("type = \"{}\"", ty.name()));
    match ty {
        FieldType::String { max } if *max != 255 => keys.push(format!("max = {max}")),
        FieldType::Text { max } if *max != 100_000 => keys.push(format!("max = {max}")),
        FieldType::List { items, max } => {
            keys.push(format!("items = \"{}\"", items.name()));
            keys.push(format!("max = {max}"));
        }
        FieldType::Enum { values } => {
            let values: Vec<String> = values.iter().map(|v| v.to_string()).collect();
            keys.push(format!("values = {}", strings(&values)));
        }
        FieldType::Int { min, max } => {
            keys.extend(min.map(|min| format!("min = {min}")));
            keys.extend(max.map(|max| format!("max = {max}")));
        }
        FieldType::Decimal { scale } => keys.push(format!("scale = {scale}")),
        FieldType::String { .. }
        | FieldType::Text { .. }
        | FieldType::Email
        | FieldType::Url
        | FieldType::Float { .. }
        | FieldType::Bool
        | FieldType::Datetime
        | FieldType::Date
        | FieldType::Uuid
        | FieldType::Relation { .. }
        | FieldType::Json => {}
    }
}

fn strings(values: &[String]) -> String {
    let values: Vec<String> = values.iter().map(|value| string(value)).collect();
    format!("[{}]", values.join(", "))
}

/// A basic string of TOML, on one line, whatever is in it.
pub(super) fn string(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() => {
                // Writing to a String cannot fail.
                let _ = write!(out, "\\u{:04X}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_string_is_what_it_was_whatever_is_in_it() {
        for text in [
            "a",
            "",
            "\"\\\n\r\t\u{1}\u{7f}\u{85}",
            "'''\"\"\" ]}=#",
            "日本\u{202e}",
        ] {
            let toml = format!("x = {}", string(text));
            let table: toml::Table = toml.parse().unwrap_or_else(|e| panic!("{toml}: {e}"));
            assert_eq!(table["x"].as_str(), Some(text));
            assert_eq!(toml.lines().count(), 1);
        }
    }
}
