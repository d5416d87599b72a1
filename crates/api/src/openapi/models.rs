//! The endpoints of a model: `/api/{module}/{model}` and `/api/{module}/{model}/{id}`. Those that write many of its
//! records are in `many`.

use super::document::{
    Document, Endpoint, SignedIn, empty_answer, json_answer, json_body, reference,
};
use super::many;
use super::node::{Node, Object};
use super::parameters;
use super::problems::{BODY, Refusals};
use super::records::{self, shown};
use engine::reach::Reached;
use serde_json::json;
use spec::{Code, KeyKind, Model};

pub const SELECT: &[Code] = &[
    Code::UnknownParameter,
    Code::BadParameter,
    Code::BadFields,
    Code::BadExpand,
    Code::ExpandTooDeep,
    Code::PageTooLarge,
];
const LIST: &[Code] = &[
    Code::BadFilter,
    Code::FilterTooLarge,
    Code::BadSort,
    Code::BadSearch,
    Code::SearchTooLarge,
    Code::BadCursor,
];
const AGGREGATE: &[Code] = &[
    Code::UnknownParameter,
    Code::BadParameter,
    Code::BadAggregate,
    Code::TooManyGroups,
    Code::BadFilter,
    Code::FilterTooLarge,
    Code::BadSort,
];
const RECORD: &[Code] = &[
    Code::BadId,
    Code::NotFound,
    Code::UnknownRoute,
    Code::BadPrecondition,
    Code::PreconditionFailed,
];
pub const WRITE: &[Code] = &[
    Code::Unauthenticated,
    Code::Forbidden,
    Code::Contended,
    Code::BadIdempotencyKey,
    Code::IdempotencyKeyInUse,
    Code::IdempotencyKeyReused,
    Code::NotBuilt,
];
pub const VALUES: &[Code] = &[Code::FieldForbidden, Code::Conflict];

/// Adds the endpoints of a model that the reader can reach.
pub fn describe(doc: &mut Document<'_>, model: &Model) {
    records::schemas(doc, model);
    let reach = doc.reader.reach.model(model.id).clone();
    if reach.read > Reached::Never {
        doc.add(list(doc, model));
        doc.add(aggregate(doc, model));
    }
    if reach.create > Reached::Never {
        let signed_in = match doc.anonymous.model(model.id).create {
            Reached::Never => SignedIn::Must,
            Reached::Sometimes | Reached::Always => SignedIn::May,
        };
        doc.add_write(create(doc, model, signed_in));
    }
    many::of_model(doc, model);
    if reach.read > Reached::Never {
        doc.add(one(doc, model));
    }
    if reach.update > Reached::Never {
        doc.add_write(update(doc, model));
    }
    if reach.replace > Reached::Never {
        doc.add_write(replace(doc, model));
    }
    if reach.delete > Reached::Never {
        doc.add_write(delete(model));
    }
}

/// What every endpoint of a model has.
pub fn endpoint(model: &Model, verb: &str, method: &'static str, refusals: Refusals) -> Endpoint {
    let base = format!("/api/{}/{}", model.module_name, model.name);
    Endpoint {
        method,
        path: match verb {
            "list" | "create" | "update_many" | "delete_many" | "upsert" => base,
            "aggregate" => format!("{base}/aggregate"),
            _ => format!("{base}/{{id}}"),
        },
        id: format!("{}.{verb}", model.full_name()),
        tag: model.full_name(),
        summary: String::new(),
        description: String::new(),
        signed_in: SignedIn::May,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        refusals,
    }
}

fn list(doc: &Document<'_>, model: &Model) -> Endpoint {
    let name = model.full_name();
    Endpoint {
        summary: format!("List {}", model.name),
        description: "What the caller may read, and so never a 403. A plain filter is a field's name: equality, \
                      and other comparisons in brackets."
            .to_owned(),
        parameters: parameters::list(doc, model),
        answers: vec![(
            200,
            leading(
                doc,
                model,
                "/data/0/id",
                json_answer("A page.", &["Vary"], reference(&format!("{name}.page"))),
            ),
        )],
        ..endpoint(model, "list", "get", Refusals::of("list", &[SELECT, LIST]))
    }
}

fn aggregate(doc: &Document<'_>, model: &Model) -> Endpoint {
    let amount = json!({"type": ["string", "number", "boolean", "null"]});
    let group = json!({"type": "object", "additionalProperties": amount});
    let groups = json!({
        "type": "object",
        "properties": {
            "data": {"type": "array", "items": group, "description": "A group each: what it was grouped by, and its amounts."},
            "more": {"type": "boolean", "description": "There are more groups than `limit`."},
        },
        "required": ["data", "more"],
        "additionalProperties": false,
    });
    Endpoint {
        summary: format!("Count and add up {}", model.name),
        description: "Of what the caller may read: how many records there are, sums, averages, least and greatest \
                      values, by group. Columns are named as in `sum_price`."
            .to_owned(),
        parameters: parameters::aggregate(doc, model),
        answers: vec![(200, json_answer("The groups.", &["Vary"], groups))],
        ..endpoint(
            model,
            "aggregate",
            "get",
            Refusals::of("aggregate", &[AGGREGATE]),
        )
    }
}

fn one(doc: &Document<'_>, model: &Model) -> Endpoint {
    let name = model.full_name();
    let mut parameters = vec![parameters::id(model)];
    parameters.extend(parameters::select(doc, model));
    parameters.extend([
        parameters::header("If-None-Match"),
        parameters::header("If-Match"),
    ]);
    Endpoint {
        summary: format!("Read a record of {}", model.name),
        description:
            "A record that is not there and one that the caller may not read are the same 404."
                .to_owned(),
        parameters,
        answers: vec![
            (
                200,
                json_answer("The record.", &["ETag", "Vary"], shown(&name)),
            ),
            (
                304,
                empty_answer("As the caller has it.", &["ETag", "Vary"]),
            ),
        ],
        ..endpoint(model, "one", "get", Refusals::of("one", &[SELECT, RECORD]))
    }
}

fn create(doc: &Document<'_>, model: &Model, signed_in: SignedIn) -> Endpoint {
    let one = reference(&format!("{}.create", model.full_name()));
    let (body, description) = match many::is_alone(model) {
        true => (one, ""),
        false => {
            let most = doc.app.settings.limits.batch;
            let several = json!({"type": "array", "items": one, "maxItems": most});
            let both = json!({"anyOf": [one, several]});
            (
                both,
                "An object, or an array of them: all are created, or none.",
            )
        }
    };
    let mut answers = vec![(201, leading(doc, model, "/id", many::created(doc, model)))];
    answers.push((
        204,
        empty_answer(
            "Created; its writer may not read it.",
            &["Location", "Vary"],
        ),
    ));
    Endpoint {
        summary: format!("Create records of {}", model.name),
        description: description.to_owned(),
        signed_in,
        parameters: shaped(doc, model),
        body: Some(json_body(body)),
        answers,
        ..endpoint(
            model,
            "create",
            "post",
            Refusals::of(
                "create",
                &[
                    SELECT,
                    WRITE,
                    BODY,
                    VALUES,
                    &[Code::BadPrecondition, Code::BatchTooLarge],
                ],
            ),
        )
    }
}

fn update(doc: &Document<'_>, model: &Model) -> Endpoint {
    let body = Object::new().with(
        "schema",
        reference(&format!("{}.update", model.full_name())),
    );
    let body = Object::new().with("required", json!(true)).with(
        "content",
        Object::new()
            .with("application/merge-patch+json", body.clone())
            .with("application/json", body),
    );
    let mut parameters = vec![parameters::id(model)];
    parameters.extend(shaped(doc, model));
    parameters.push(parameters::header("If-Match"));
    let mut answers = written(
        doc,
        model,
        200,
        "The record as it is now.",
        &["ETag", "Vary"],
    );
    answers.push((
        204,
        empty_answer("Done; its writer may not read the result.", &["Vary"]),
    ));
    Endpoint {
        summary: format!("Change a record of {}", model.name),
        description: "A JSON Merge Patch (RFC 7396): what is not named stays, `null` removes."
            .to_owned(),
        parameters,
        body: Some(body),
        answers,
        ..endpoint(
            model,
            "update",
            "patch",
            Refusals::of("update", &[SELECT, RECORD, WRITE, BODY, VALUES, CHANGE]),
        )
    }
}

/// Of a user: the last administrator stays one.
pub const CHANGE: &[Code] = &[Code::Restricted];

fn replace(doc: &Document<'_>, model: &Model) -> Endpoint {
    let name = model.full_name();
    let mut parameters = vec![parameters::id(model)];
    parameters.extend(shaped(doc, model));
    parameters.extend([
        parameters::header("If-Match"),
        parameters::header("If-Absent"),
    ]);
    let (summary, description) = match model.key {
        KeyKind::Int => (
            "Replace",
            "What the body does not name becomes its default, or null.",
        ),
        KeyKind::Uuid | KeyKind::String => (
            "Create or replace",
            "The record is created under this id where it does not exist. What the body does not name becomes its \
             default, or null; immutable fields stay.",
        ),
    };
    let mut answers = written(
        doc,
        model,
        200,
        "The record as it is now.",
        &["ETag", "Vary"],
    );
    if model.key != KeyKind::Int {
        answers.extend(written(
            doc,
            model,
            201,
            "The new record.",
            &["ETag", "Location", "Vary"],
        ));
    }
    // It has a Location where the record is new.
    answers.push((
        204,
        empty_answer("Done; its writer may not read the result.", &["Vary"]),
    ));
    Endpoint {
        summary: format!("{summary} a record of {}", model.name),
        description: description.to_owned(),
        parameters,
        body: Some(json_body(reference(&format!("{name}.replace")))),
        answers,
        ..endpoint(
            model,
            "replace",
            "put",
            Refusals::of("replace", &[SELECT, RECORD, WRITE, BODY, VALUES, CHANGE]),
        )
    }
}

fn delete(model: &Model) -> Endpoint {
    Endpoint {
        summary: format!("Delete a record of {}", model.name),
        description: "What refers to it decides by its `on_delete` whether it goes along, is emptied, or stands in \
                      the way (409)."
            .to_owned(),
        parameters: vec![parameters::id(model), parameters::header("If-Match")],
        answers: vec![(204, empty_answer("Deleted.", &["Vary"]))],
        ..endpoint(
            model,
            "delete",
            "delete",
            Refusals::of("delete", &[RECORD, WRITE, &[Code::UnknownParameter, Code::Restricted]]),
        )
    }
}

/// `fields` and `expand` for the answer to a write; none where its writer can never read it.
pub fn shaped(doc: &Document<'_>, model: &Model) -> Vec<Node> {
    match doc.reader.reach.model(model.id).read {
        Reached::Never => Vec::new(),
        Reached::Sometimes | Reached::Always => parameters::select(doc, model),
    }
}

/// The answer to a write with the record in it; none where its writer can never read it.
pub fn written(
    doc: &Document<'_>,
    model: &Model,
    status: u16,
    description: &str,
    headers: &[&str],
) -> Vec<(u16, Node)> {
    match doc.reader.reach.model(model.id).read {
        Reached::Never => Vec::new(),
        Reached::Sometimes | Reached::Always => {
            vec![(
                status,
                json_answer(description, headers, shown(&model.full_name())),
            )]
        }
    }
}

/// An answer that says what can be done with the record in it, whose id is at `pointer`.
fn leading(doc: &Document<'_>, model: &Model, pointer: &str, answer: Node) -> Node {
    let reach = doc.reader.reach.model(model.id);
    let mut links = Object::new();
    for (verb, reached) in [
        ("one", reach.read),
        ("update", reach.update),
        ("replace", reach.replace),
        ("delete", reach.delete),
    ] {
        if reached > Reached::Never {
            let link = json!({
                "operationId": format!("{}.{verb}", model.full_name()),
                "parameters": {"id": format!("$response.body#{pointer}")},
            });
            links.add(verb, link);
        }
    }
    match answer {
        Node::Object(answer) => answer.with("links", links).into(),
        other => other,
    }
}
