//! What a query string may hold.

use super::document::{Document, parameter};
use super::fields::{compared, key, said};
use super::node::{Node, Object};
use crate::reader::{Related, is_ordered};
use crate::words::{AGGREGATE_CONTROLS, CONTROLS, MOST_FIELDS, MOST_SORTS, MOST_VALUES, OPS};
use engine::operation::PlainOp;
use serde_json::{Value, json};
use spec::types::FieldType;
use spec::{FieldId, Model};

/// Fields that an aggregate can be grouped by.
const MOST_KEYS: u32 = 8;

/// Those of a list.
pub fn list(doc: &Document<'_>, model: &Model) -> Vec<Node> {
    let limits = &doc.app.settings.limits;
    let mut out = filters(doc, model, CONTROLS);
    out.extend([
        query("sort", "Fields separated by commas, each with an optional leading `-`; by `id` where nothing is said.", sort(doc, model), COMMAS),
        query(
            "limit",
            "Records of a page.",
            json!({"type": "integer", "minimum": 1, "maximum": limits.page, "default": limits.page_default}),
            Style::Form,
        ),
        query(
            "cursor",
            "`next_cursor` of the page before.",
            json!({"type": "string", "minLength": 1}),
            Style::Form,
        ),
        query(
            "count",
            "`exact`: the number of all records that match, as `count` in the answer.",
            json!({"type": "string", "enum": ["exact"]}),
            Style::Form,
        ),
    ]);
    if !doc.reader.searched(model).is_empty() {
        out.extend([
            query(
                "search",
                "Words that records must have, best first unless `sort` says otherwise: `red shoe`, `\"red shoe\"` in a \
                 row, `sho*` for beginnings, `-used` for what must not be there.",
                json!({"type": "string", "minLength": 1, "maxLength": limits.search}),
                Style::Form,
            ),
            query(
                "snippets",
                "`true`: show what the search found.",
                json!({"type": "boolean"}),
                Style::Form,
            ),
        ]);
    }
    out.extend(select(doc, model));
    out
}

/// Those of an aggregate.
pub fn aggregate(doc: &Document<'_>, model: &Model) -> Vec<Node> {
    let limits = &doc.app.settings.limits;
    let mut out = filters(doc, model, AGGREGATE_CONTROLS);
    let columns = |what: &str, own: Vec<String>, most: u32| {
        let mut names = own;
        let related = doc.reader.related(doc.app, model);
        for near in related.iter().filter(|r| r.near && !r.many) {
            names.push(format!("{}(\\.[a-z][a-z0-9_]*)+", near.name));
        }
        let items = json!({"type": "string", "pattern": format!("^({})$", names.join("|"))});
        let many = json!({"type": "array", "items": items, "minItems": 1, "maxItems": most});
        (!names.is_empty()).then(|| {
            let meaning = match what {
                "group_by" => {
                    "What to group by, separated by commas; behind a date, a dot and a part of it."
                }
                "count" => "`*` counts records, a field those on which it is not null.",
                "sum" => "Numbers to add up.",
                "avg" => "Numbers to take the average of.",
                "min" => "What to take the least of.",
                _ => "What to take the greatest of.",
            };
            query(what, meaning, many, COMMAS)
        })
    };
    let readable = doc.reader.readable(model);
    let named = |which: &dyn Fn(&FieldType) -> bool| -> Vec<String> {
        let fields = readable.iter().filter(|(field, _)| which(&field.ty));
        fields.map(|(field, _)| field.name.clone()).collect()
    };
    let keys = readable
        .iter()
        .filter(|(field, _)| !matches!(field.ty, FieldType::Json | FieldType::List { .. }))
        .map(|(field, _)| match field.ty {
            FieldType::Date | FieldType::Datetime => format!("{}(\\.[a-z_]+)?", field.name),
            _ => field.name.clone(),
        })
        .collect();
    let mut counted = named(&|_| true);
    counted.push("\\*".to_owned());
    let number = |ty: &FieldType| {
        matches!(
            ty,
            FieldType::Int { .. } | FieldType::Float { .. } | FieldType::Decimal { .. }
        )
    };
    let extreme = |ty: &FieldType| {
        !matches!(
            ty,
            FieldType::Json
                | FieldType::List { .. }
                | FieldType::Bool
                | FieldType::Uuid
                | FieldType::Relation { .. }
        )
    };
    out.extend(columns("group_by", keys, MOST_KEYS));
    out.extend(columns("count", counted, limits.aggregates));
    out.extend(columns("sum", named(&number), limits.aggregates));
    out.extend(columns("avg", named(&number), limits.aggregates));
    out.extend(columns("min", named(&extreme), limits.aggregates));
    out.extend(columns("max", named(&extreme), limits.aggregates));
    out.extend([
        query(
            "having",
            "A CEL expression over the columns of the result: which groups are answered.",
            json!({"type": "string", "minLength": 1, "maxLength": limits.filter}),
            Style::Form,
        ),
        query(
            "sort",
            "Columns of the result, separated by commas, each with an optional leading `-`.",
            json!({
                "type": "array",
                "items": {"type": "string", "pattern": "^-?[a-z][a-z0-9_.]*$"},
                "minItems": 1,
                "maxItems": MOST_SORTS,
            }),
            COMMAS,
        ),
        query(
            "limit",
            "So many groups, the first ones of the order; without it, all.",
            json!({"type": "integer", "minimum": 1, "maximum": limits.groups}),
            Style::Form,
        ),
    ]);
    out
}

/// Those that choose the records to write.
pub fn matching(doc: &Document<'_>, model: &Model) -> Vec<Node> {
    filters(doc, model, CONTROLS)
}

/// The unique fields that a record is found by. None where there are none that the reader may name.
pub fn unique_key(doc: &Document<'_>, model: &Model) -> Option<Node> {
    let readable = doc.reader.readable(model);
    let name = |id: &FieldId| {
        let field = readable.iter().find(|(field, _)| field.id == *id);
        field.map(|(field, _)| field.name.as_str())
    };
    let keys = model.indexes.iter().filter(|index| index.unique);
    let keys: Vec<String> = keys
        .filter_map(|index| index.fields.iter().map(name).collect::<Option<Vec<_>>>())
        .map(|names| names.join(","))
        .collect();
    if keys.is_empty() {
        return None;
    }
    let key = query(
        "key",
        "The unique field by whose value in the body the record is found; several that are unique together are \
         separated by commas.",
        json!({"type": "string", "enum": keys}),
        Style::Form,
    );
    match key {
        Node::Object(key) => Some(key.with("required", json!(true)).into()),
        other => Some(other),
    }
}

/// `filter`, and a plain filter for every field and comparison.
fn filters(doc: &Document<'_>, model: &Model, controls: &[&str]) -> Vec<Node> {
    let most = doc.app.settings.limits.filter;
    let filter = json!({"type": "string", "minLength": 1, "maxLength": most});
    let mut out = vec![query(
        "filter",
        "A CEL expression over the record, as in `price < 20.0 && name.startsWith('A')`. All filters are and-ed.",
        filter,
        Style::Form,
    )];
    for (field, _) in doc.reader.readable(model) {
        let Some(schema) = compared(model, field) else {
            continue;
        };
        for (op, meaning) in OPS {
            // A field that is called as a parameter is reached with its comparison alone.
            let name = match meaning {
                PlainOp::Eq if !controls.contains(&field.name.as_str()) => field.name.clone(),
                _ => format!("{}[{op}]", field.name),
            };
            out.push(match meaning {
                PlainOp::In => {
                    let list = json!({"type": "array", "items": schema, "minItems": 1, "maxItems": MOST_VALUES});
                    query(&name, "", list, Style::Repeated)
                }
                _ => query(&name, "", schema.clone(), Style::Form),
            });
        }
    }
    out
}

/// Those of an answer that holds records.
pub fn select(doc: &Document<'_>, model: &Model) -> Vec<Node> {
    let names: Vec<&str> = doc
        .reader
        .readable(model)
        .iter()
        .map(|(f, _)| f.name.as_str())
        .collect();
    let fields = json!({
        "type": "array",
        "items": {"type": "string", "enum": names},
        "minItems": 1,
        "maxItems": MOST_FIELDS,
    });
    let mut out = vec![query(
        "fields",
        "Fields to answer, separated by commas; all unless said.",
        fields,
        COMMAS,
    )];
    let related = doc.reader.related(doc.app, model);
    if !related.is_empty() {
        out.push(query(
            "expand",
            "Related records to put in the answer, separated by commas; dots go deeper, and of many records \
             brackets say how many and in which order: `reviews(limit:5,sort:-created_at),category.parent`.",
            json!({"type": "string", "pattern": expand(&related)}),
            Style::Form,
        ));
    }
    out
}

/// Of an address that ends in an id.
pub fn id(model: &Model) -> Node {
    json!({"name": "id", "in": "path", "required": true, "schema": key(model.key)}).into()
}

pub fn header(name: &str) -> Node {
    parameter(name).into()
}

/// How a parameter that holds several values is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Style {
    Form,
    /// `sort=a,b`
    Commas,
    /// `status[in]=a&status[in]=b`
    Repeated,
}
const COMMAS: Style = Style::Commas;

fn query(name: &str, description: &str, schema: Value, style: Style) -> Node {
    let mut out = Object::new().with("name", name).with("in", "query");
    if !description.is_empty() {
        out.add("description", description);
    }
    match style {
        Style::Form => {}
        Style::Commas => out.add("explode", json!(false)),
        Style::Repeated => out.add("explode", json!(true)),
    }
    out.with("schema", said(schema, "")).into()
}

fn sort(doc: &Document<'_>, model: &Model) -> Value {
    let readable = doc.reader.readable(model);
    let mut names: Vec<String> = readable
        .iter()
        .filter(|(field, _)| is_ordered(field))
        .map(|(field, _)| field.name.clone())
        .collect();
    let related = doc.reader.related(doc.app, model);
    for near in related.iter().filter(|r| r.near && !r.many) {
        names.push(format!("{}(\\.[a-z][a-z0-9_]*)+", near.name));
    }
    json!({
        "type": "array",
        "items": {"type": "string", "pattern": format!("^-?({})$", names.join("|"))},
        "minItems": 1,
        "maxItems": MOST_SORTS,
    })
}

/// Paths of relations, the first of each known.
fn expand(related: &[Related<'_>]) -> String {
    const BRACKETS: &str = "(\\([a-z0-9_:,.-]+\\))?";
    let names: Vec<&str> = related.iter().map(|r| r.name).collect();
    let path = format!(
        "({}){BRACKETS}(\\.[a-z][a-z0-9_]*{BRACKETS})*",
        names.join("|")
    );
    format!("^{path}(,{path})*$")
}
