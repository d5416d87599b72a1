//! A model's records as schemas: answered, shaped by `fields` and `expand`, and given in bodies.

use super::document::{Document, reference};
use super::fields::{answered, given, said};
use super::many;
use super::node::{Node, Object};
use crate::reader::{Kind, Member, Sent, Way};
use engine::reach::{ModelReach, Reached};
use serde_json::{Value, json};
use spec::expr::{Expr, ExprKind, Place};
use spec::model::ID;
use spec::{Field, FieldId, Inverse, Model};

/// Adds what a model's endpoints refer to.
pub fn schemas(doc: &mut Document<'_>, model: &Model) {
    let name = model.full_name();
    if doc.reader.reach.model(model.id).read > Reached::Never {
        let record = record(doc, model);
        doc.schema(&name, record);
        let selected = selected(doc, model);
        doc.schema(format!("{name}.selected"), selected);
        doc.schema(format!("{name}.page"), page(doc, model));
    }
    for (way, word) in [
        (Way::Create, "create"),
        (Way::Update, "update"),
        (Way::Replace, "replace"),
    ] {
        if doc.reader.reached(model, way) > Reached::Never {
            let schema = body(doc, model, way, None);
            doc.schema(format!("{name}.{word}"), schema);
        }
    }
    // As it stands in a record that it refers to.
    let nested = |inverse: &Inverse| (inverse.model == model.id).then_some(inverse.field);
    let around = doc.app.models.iter().flat_map(|around| &around.inverses);
    for field in around.filter_map(nested).collect::<Vec<FieldId>>() {
        if is_nested(doc, model, field) {
            let schema = body(doc, model, Way::Create, Some(field));
            doc.schema(within(model, field), schema);
        }
    }
}

/// Whether the reader can create such records with the one that they refer to by this field.
fn is_nested(doc: &Document<'_>, model: &Model, field: FieldId) -> bool {
    let reach = doc.reader.reach.model(model.id);
    !many::is_alone(model)
        && reach.create > Reached::Never
        && reach.field(field).write > Reached::Never
}

fn within(model: &Model, field: FieldId) -> String {
    format!(
        "{}.create.by.{}",
        model.full_name(),
        model.field(field).name
    )
}

/// What is answered of a record: whole, or as `fields` and `expand` shaped it.
pub fn shown(name: &str) -> Value {
    json!({"anyOf": [reference(name), reference(&format!("{name}.selected"))]})
}

fn record(doc: &Document<'_>, model: &Model) -> Node {
    let mut properties = Object::new();
    let mut required = Vec::new();
    for (field, read) in doc
        .reader
        .readable(model)
        .into_iter()
        .filter(|(f, _)| !f.hidden)
    {
        properties.add(
            &field.name,
            said(answered(model, field), &about(doc, model, field)),
        );
        if read == Reached::Always {
            required.push(field.name.as_str());
        }
    }
    object("", &required, properties, model.open)
}

fn selected(doc: &Document<'_>, model: &Model) -> Node {
    let mut properties = Object::new();
    let related = doc.reader.related(doc.app, model);
    for (field, _) in doc.reader.readable(model) {
        let id = answered(model, field);
        let expanded = related.iter().find(|r| !r.many && r.name == field.name);
        let Some(expanded) = expanded else {
            properties.add(&field.name, said(id, &about(doc, model, field)));
            continue;
        };
        let to = doc.app.model(expanded.to).full_name();
        let either = json!({"anyOf": [id, reference(&format!("{to}.selected")), {"type": "null"}]});
        let description =
            format!("The id, or with `expand` the record of {to}, null where it cannot be read.");
        properties.add(&field.name, said(either, &description));
    }
    for many in related.iter().filter(|r| r.many) {
        let to = doc.app.model(many.to).full_name();
        let schema = json!({
            "type": "object",
            "required": ["data", "more"],
            "properties": {
                "data": {"type": "array", "items": reference(&format!("{to}.selected"))},
                "more": {"type": "boolean", "description": "Whether there are others."},
            },
            "additionalProperties": false,
        });
        properties.add(
            many.name,
            said(schema, &format!("With `expand`: records of {to}.")),
        );
    }
    let description = "A record as `fields` and `expand` shaped it.";
    object(description, &[], properties, model.open)
}

fn page(doc: &Document<'_>, model: &Model) -> Node {
    let mut properties = Object::new()
        .with("data", json!({"type": "array", "items": shown(&model.full_name())}))
        .with(
            "next_cursor",
            json!({"type": ["string", "null"], "description": "`cursor` of the next page; null on the last one."}),
        )
        .with(
            "count",
            json!({"type": "integer", "minimum": 0, "description": "All that match, with `count=exact`."}),
        );
    let searched = doc.reader.searched(model);
    if !searched.is_empty() {
        let mut found = Object::new();
        for field in searched {
            found.add(&field.name, json!({"type": "string"}));
        }
        let description = "With `snippets=true`: of each record of `data`, the fields in which the search found something, \
                           as escaped HTML with `<mark>` around it.";
        let snippets = json!({
            "type": "array",
            "items": object("", &[], found, false),
            "description": description,
        });
        properties.add("snippets", snippets);
    }
    object("", &["data", "next_cursor"], properties, false)
}

/// `around` is the relation to a record around it, which is not given.
fn body(doc: &Document<'_>, model: &Model, way: Way, around: Option<FieldId>) -> Node {
    let reach = doc.reader.reach.model(model.id);
    let mut properties = Object::new();
    let mut required = Vec::new();
    for Member {
        field,
        sent,
        needed,
    } in doc.reader.members(model, way)
    {
        if around == Some(field.id) {
            continue;
        }
        let mut schema = given(model, field);
        let description = match sent {
            Sent::Back => {
                schema["readOnly"] = json!(true);
                "May be sent back as it was read.".to_owned()
            }
            Sent::Set => {
                if way != Way::Update
                    && let Some(default) = default(field)
                {
                    schema["default"] = default;
                }
                let mut said = about(doc, model, field);
                if let Some(check) = field
                    .check
                    .as_deref()
                    .filter(|check| shows(check, model, reach))
                {
                    let check = spec::expr::print::print(check, doc.app, Some(model.id));
                    said.push_str(&format!(" Must satisfy `{check}`."));
                }
                said
            }
        };
        properties.add(&field.name, said(schema, description.trim()));
        if needed {
            required.push(field.name.as_str());
        }
    }
    if way == Way::Create
        && model.full_name() == "auth.users"
        && doc.reader.kind == Kind::Administrator
    {
        let schema = json!({"$ref": "#/components/schemas/auth.new_password", "writeOnly": true});
        properties.add("password", schema);
    }
    if way == Way::Create {
        for inverse in &model.inverses {
            let child = doc.app.model(inverse.model);
            if is_nested(doc, child, inverse.field) {
                let items = reference(&within(child, inverse.field));
                let description = format!(
                    "New records of {} that refer to this one, created with it; three levels deep at most.",
                    child.full_name()
                );
                properties.add(
                    &inverse.name,
                    json!({"type": "array", "items": items, "description": description}),
                );
            }
        }
    }
    object("", &required, properties, model.open)
}

/// What is worth saying of a field beside its type.
fn about(doc: &Document<'_>, model: &Model, field: &Field) -> String {
    let mut said = Vec::new();
    if let Some(relation) = field.relation()
        && doc.reader.reach.model(relation.to).is_reached()
    {
        said.push(format!(
            "Id of a record of {}.",
            doc.app.model(relation.to).full_name()
        ));
    }
    if field.unique {
        said.push("Unique.".to_owned());
    }
    if field.immutable && field.id != ID {
        said.push("Set on creation and never again.".to_owned());
    }
    if field.id == model.version() {
        said.push("Counts the writes; answered when `fields` names it.".to_owned());
    }
    said.join(" ")
}

/// A default that is the same for every record.
fn default(field: &Field) -> Option<Value> {
    let ExprKind::Literal(value) = &field.default.as_deref()?.kind else {
        return None;
    };
    let mut text = Vec::new();
    spec::json::write_value(&mut text, value, field.ty.column());
    serde_json::from_slice(&text)
        .ok()
        .filter(|v: &Value| !v.is_null())
}

/// Whether an expression names nothing but what the reader may see.
fn shows(expr: &Expr, model: &Model, reach: &ModelReach) -> bool {
    let mut shows = true;
    expr.walk(&mut |e| match &e.kind {
        ExprKind::Field {
            place: Place::This | Place::Old,
            model: of,
            field,
        } => shows &= *of == model.id && reach.field(*field).read > Reached::Never,
        ExprKind::Field { .. } | ExprKind::Quantified { .. } | ExprKind::Extra { .. } => {
            shows = false
        }
        _ => {}
    });
    shows
}

pub fn object(description: &str, required: &[&str], properties: Object, open: bool) -> Node {
    let mut out = Object::new().with("type", "object");
    if !description.is_empty() {
        out.add("description", description);
    }
    if !required.is_empty() {
        out.add("required", json!(required));
    }
    out.with("properties", properties)
        .with("additionalProperties", json!(open))
        .into()
}
