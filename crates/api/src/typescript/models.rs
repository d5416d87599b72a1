//! A model's interfaces: the record, its bodies, where its relations lead, and what it is filtered by.

use super::{is_reached, key, quoted};
use crate::reader::{Kind, Member, Reader, Sent, Way, is_ordered};
use engine::reach::Reached;
use spec::model::ID;
use spec::types::{FieldType, ItemType};
use spec::{App, Field, KeyKind, Model};
use std::fmt::Write as _;

const WAYS: [(Way, &str, &str); 3] = [
    (Way::Create, "Create", "create"),
    (Way::Update, "Update", "update"),
    (Way::Replace, "Replace", "replace"),
];

pub fn write(out: &mut String, app: &App, reader: &Reader, model: &Model, name: &str) {
    let _ = write!(out, "\n// {}\n", model.full_name());
    let reads = is_reached(reader.reach.model(model.id).read);
    if reads {
        record(out, reader, model, name);
        relations(out, app, reader, model, name);
        filters(out, reader, model, name);
    }
    for (way, word, _) in WAYS {
        if is_reached(reader.reached(model, way)) {
            body(out, app, reader, model, &format!("{name}{word}"), way);
        }
    }
}

/// The model's line among all.
pub fn index(out: &mut String, reader: &Reader, model: &Model, name: &str) {
    let mut members = vec![format!("key: {}", of_key(model.key))];
    let of = |reached: bool, ty: String| if reached { ty } else { "never".to_owned() };
    let reads = is_reached(reader.reach.model(model.id).read);
    for (member, ty) in [
        ("record", ""),
        ("relations", "Relations"),
        ("filters", "Filters"),
    ] {
        members.push(format!("{member}: {}", of(reads, format!("{name}{ty}"))));
    }
    let names = reader.readable(model).into_iter().map(|(field, _)| field);
    let ordered: Vec<String> = names
        .filter(|field| reads && is_ordered(field))
        .map(|field| quoted(&field.name))
        .collect();
    members.push(format!("ordered: {}", of(reads, ordered.join(" | "))));
    for (way, word, member) in WAYS {
        let reached = is_reached(reader.reached(model, way));
        members.push(format!(
            "{member}: {}",
            of(reached, format!("{name}{word}"))
        ));
    }
    let _ = writeln!(
        out,
        "  {}: {{ {} }};",
        quoted(&model.full_name()),
        members.join("; ")
    );
}

fn record(out: &mut String, reader: &Reader, model: &Model, name: &str) {
    let _ = writeln!(out, "export interface {name} {{");
    for (field, read) in reader
        .readable(model)
        .into_iter()
        .filter(|(f, _)| !f.hidden)
    {
        let ty = or_null(answered(model, field), field.optional);
        let _ = writeln!(
            out,
            "  {}: {ty};",
            key(&field.name, read == Reached::Always)
        );
    }
    if model.open {
        // An index signature has to admit the types of the fields that are declared.
        let _ = writeln!(out, "  [undeclared: string]: Json | undefined;");
    }
    let _ = writeln!(out, "}}");
}

fn relations(out: &mut String, app: &App, reader: &Reader, model: &Model, name: &str) {
    let _ = writeln!(out, "export interface {name}Relations {{");
    for related in reader.related(app, model) {
        let to = quoted(&app.model(related.to).full_name());
        let how = if related.many { "many" } else { "one" };
        let _ = writeln!(out, "  {}: {{ to: {to}; how: \"{how}\" }};", related.name);
    }
    let _ = writeln!(out, "}}");
}

fn filters(out: &mut String, reader: &Reader, model: &Model, name: &str) {
    let _ = writeln!(out, "export interface {name}Filters {{");
    for (field, _) in reader.readable(model) {
        let ty = match &field.ty {
            FieldType::Json | FieldType::List { .. } if field.id != ID => continue,
            FieldType::Decimal { .. } => "DecimalInput".to_owned(),
            _ => answered(model, field),
        };
        let _ = writeln!(out, "  {}: {ty};", field.name);
    }
    let _ = writeln!(out, "}}");
}

fn body(out: &mut String, app: &App, reader: &Reader, model: &Model, name: &str, way: Way) {
    let _ = writeln!(out, "export interface {name} {{");
    for Member {
        field,
        sent,
        needed,
    } in reader.members(model, way)
    {
        if sent == Sent::Back {
            let _ = writeln!(out, "  /** May be sent back as it was read. */");
        }
        let _ = writeln!(
            out,
            "  {}: {};",
            key(&field.name, needed),
            or_null(given(model, field), field.optional)
        );
    }
    if way == Way::Create {
        for inverse in &model.inverses {
            let child = app.model(inverse.model);
            let reach = reader.reach.model(child.id);
            let field = child.field(inverse.field);
            if is_reached(reach.create) && is_reached(reach.field(field.id).write) {
                let _ = writeln!(
                    out,
                    "  /** Created with it. */\n  {}?: readonly Omit<Models[{}][\"create\"], {}>[];",
                    inverse.name,
                    quoted(&child.full_name()),
                    quoted(&field.name)
                );
            }
        }
    }
    if way == Way::Create && model.full_name() == "auth.users" && reader.kind == Kind::Administrator
    {
        let _ = writeln!(
            out,
            "  /** Kept as a hash, and never answered. */\n  password?: string;"
        );
    }
    if model.open {
        let _ = writeln!(out, "  [undeclared: string]: Json | undefined;");
    }
    let _ = writeln!(out, "}}");
}

/// A value in answers.
pub fn answered(model: &Model, field: &Field) -> String {
    if field.id == ID {
        return of_key(model.key).to_owned();
    }
    match &field.ty {
        FieldType::String { .. } | FieldType::Text { .. } | FieldType::Email | FieldType::Url => {
            "string".to_owned()
        }
        FieldType::Enum { values } => {
            let values: Vec<String> = values.iter().map(|value| quoted(value)).collect();
            values.join(" | ")
        }
        FieldType::Int { .. } | FieldType::Float { .. } => "number".to_owned(),
        FieldType::Decimal { .. } => "Decimal".to_owned(),
        FieldType::Bool => "boolean".to_owned(),
        FieldType::Datetime => "Datetime".to_owned(),
        FieldType::Date => "CalendarDate".to_owned(),
        FieldType::Uuid => "Uuid".to_owned(),
        FieldType::Relation { key, .. } => of_key(*key).to_owned(),
        FieldType::Json => "Json".to_owned(),
        FieldType::List { items, .. } => {
            let item = match items {
                ItemType::String => "string",
                ItemType::Int | ItemType::Float => "number",
                ItemType::Bool => "boolean",
            };
            format!("{item}[]")
        }
    }
}

/// A value in bodies.
pub fn given(model: &Model, field: &Field) -> String {
    match &field.ty {
        FieldType::Decimal { .. } => "DecimalInput".to_owned(),
        FieldType::List { .. } => format!("readonly {}", answered(model, field)),
        _ => answered(model, field),
    }
}

pub fn of_key(kind: KeyKind) -> &'static str {
    match kind {
        KeyKind::Uuid => "Uuid",
        KeyKind::Int => "number",
        KeyKind::String => "string",
    }
}

pub fn or_null(ty: String, optional: bool) -> String {
    match optional {
        true => format!("{ty} | null"),
        false => ty,
    }
}
