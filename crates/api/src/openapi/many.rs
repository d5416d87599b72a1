//! The endpoints that write many records: of a model, and `/api/batch`.

use super::document::{
    Document, Endpoint, SignedIn, empty_answer, json_answer, json_body, reference,
};
use super::models::{CHANGE, SELECT, VALUES, WRITE, endpoint, shaped, written};
use super::node::{Node, Object};
use super::parameters;
use super::problems::{BODY, Refusals};
use super::records::shown;
use engine::reach::Reached;
use serde_json::{Value, json};
use spec::{Code, Model};

const MATCHING: &[Code] = &[
    Code::UnknownParameter,
    Code::BadParameter,
    Code::BadFilter,
    Code::FilterTooLarge,
    Code::BatchTooLarge,
    Code::BadPrecondition,
];
const KEY: &[Code] = &[Code::BadPrecondition, Code::PreconditionFailed];
const BATCH: &[Code] = &[
    Code::UnknownParameter,
    Code::BadParameter,
    Code::BadPrecondition,
    Code::PreconditionFailed,
    Code::NotFound,
    Code::BatchTooLarge,
];

/// Whether records of a model are created one by one: a password is hashed with each.
pub fn is_alone(model: &Model) -> bool {
    model.full_name() == "auth.users"
}

/// Adds those of a model that the reader can reach.
pub fn of_model(doc: &mut Document<'_>, model: &Model) {
    let reach = doc.reader.reach.model(model.id).clone();
    if reach.create.max(reach.update) > Reached::Never
        && !is_alone(model)
        && let Some(key) = parameters::unique_key(doc, model)
    {
        doc.add_write(upsert(doc, model, key));
    }
    if reach.update > Reached::Never {
        doc.add_write(update(doc, model));
    }
    if reach.delete > Reached::Never {
        doc.add_write(delete(doc, model));
    }
}

/// The answer to a create: the record, or of an array all of them.
pub fn created(doc: &Document<'_>, model: &Model) -> Node {
    let reads = doc.reader.reach.model(model.id).read > Reached::Never;
    let one = shown(&model.full_name());
    let item = match reads {
        true => json!({"anyOf": [one, {"type": "null"}]}),
        false => json!({"type": "null"}),
    };
    let many = json!({
        "type": "object",
        "required": ["data"],
        "properties": {"data": {
            "type": "array",
            "items": item,
            "description": "In the order of the array; null what its writer may not read.",
        }},
        "additionalProperties": false,
    });
    let schema = match (reads, is_alone(model)) {
        (true, true) => one,
        (true, false) => json!({"anyOf": [one, many]}),
        (false, _) => many,
    };
    json_answer("What was created.", &["ETag", "Location?", "Vary"], schema)
}

fn counted(description: &str) -> Vec<(u16, Node)> {
    let schema = json!({
        "type": "object",
        "required": ["count"],
        "properties": {"count": {"type": "integer", "minimum": 0, "description": "How many records matched."}},
        "additionalProperties": false,
    });
    vec![(200, json_answer(description, &["Vary"], schema))]
}

fn update(doc: &Document<'_>, model: &Model) -> Endpoint {
    let schema = reference(&format!("{}.update", model.full_name()));
    let body = Object::new().with("schema", schema);
    let body = Object::new().with("required", json!(true)).with(
        "content",
        Object::new()
            .with("application/merge-patch+json", body.clone())
            .with("application/json", body),
    );
    Endpoint {
        summary: format!("Change records of {}", model.name),
        description: "One merge patch for every record that matches, all or none. There must be a filter; all records \
                      are `filter=true`."
            .to_owned(),
        parameters: parameters::matching(doc, model),
        body: Some(body),
        answers: counted("Changed."),
        ..endpoint(
            model,
            "update_many",
            "patch",
            Refusals::of("update_many", &[MATCHING, WRITE, BODY, VALUES, CHANGE]),
        )
    }
}

fn delete(doc: &Document<'_>, model: &Model) -> Endpoint {
    Endpoint {
        summary: format!("Delete records of {}", model.name),
        description: "Every record that matches, all or none. There must be a filter; all records are `filter=true`."
            .to_owned(),
        parameters: parameters::matching(doc, model),
        answers: counted("Deleted."),
        ..endpoint(
            model,
            "delete_many",
            "delete",
            Refusals::of("delete_many", &[MATCHING, WRITE, CHANGE]),
        )
    }
}

fn upsert(doc: &Document<'_>, model: &Model, key: Node) -> Endpoint {
    let name = model.full_name();
    let mut parameters = vec![key];
    parameters.extend(shaped(doc, model));
    parameters.extend([
        parameters::header("If-Match"),
        parameters::header("If-Absent"),
    ]);
    let mut answers = written(
        doc,
        model,
        200,
        "The record as it is now.",
        &["ETag", "Vary"],
    );
    let headers = ["ETag", "Location", "Vary"];
    answers.extend(written(doc, model, 201, "The new record.", &headers));
    // It has a Location where the record is new.
    answers.push((
        204,
        empty_answer("Done; its writer may not read the result.", &["Vary"]),
    ));
    // Who may not change one by its id has no other body to send than that of a new one.
    let way = match doc.reader.reach.model(model.id).replace {
        Reached::Never => "create",
        Reached::Sometimes | Reached::Always => "replace",
    };
    Endpoint {
        summary: format!("Create or replace a record of {} by a unique key", model.name),
        description: "The record that has the body's values of the key is replaced; where there is none, it is created."
            .to_owned(),
        parameters,
        body: Some(json_body(reference(&format!("{name}.{way}")))),
        answers,
        ..endpoint(
            model,
            "upsert",
            "put",
            Refusals::of("upsert", &[SELECT, WRITE, BODY, VALUES, CHANGE, KEY]),
        )
    }
}

/// Adds `/api/batch`, where there is something that the reader can write. Answers whether there is.
pub fn describe(doc: &mut Document<'_>) -> bool {
    let writes = |model: &&Model| {
        let reach = doc.reader.reach.model(model.id);
        reach.create.max(reach.update).max(reach.delete) > Reached::Never
    };
    let models: Vec<String> = doc
        .app
        .models
        .iter()
        .filter(writes)
        .map(Model::full_name)
        .collect();
    if models.is_empty() {
        return false;
    }
    let most = doc.app.settings.limits.batch;
    let operations = json!({"type": "array", "maxItems": most, "items": operation(&models)});
    let body = json!({
        "type": "object",
        "required": ["operations"],
        "properties": {"operations": operations},
        "additionalProperties": false,
    });
    doc.add_write(Endpoint {
        method: "post",
        path: "/api/batch".to_owned(),
        id: "batch".to_owned(),
        tag: "batch".to_owned(),
        summary: "Do several operations in one transaction".to_owned(),
        description: "On models of one module, one after another: each is ruled as if alone and sees what those before \
                      it wrote; all stand, or none. The first that fails decides."
            .to_owned(),
        signed_in: SignedIn::May,
        parameters: Vec::new(),
        body: Some(json_body(body)),
        answers: vec![(200, json_answer("What became of each.", &["Vary"], results()))],
        refusals: Refusals::of("batch", &[BATCH, WRITE, BODY, VALUES, CHANGE]),
    });
    true
}

fn operation(models: &[String]) -> Value {
    let reference = json!({
        "type": "object",
        "description": "The record that the earlier operation of this name wrote.",
        "required": ["$ref"],
        "properties": {"$ref": {"type": "string"}},
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "required": ["op", "model"],
        "properties": {
            "op": {"type": "string", "enum": ["create", "update", "replace", "upsert", "delete"]},
            "model": {"type": "string", "enum": models},
            "name": {"type": "string", "minLength": 1, "maxLength": 64, "description": "What later operations call the record."},
            "id": {
                "description": "With `update`, `replace` and `delete`.",
                "anyOf": [{"type": "string"}, {"type": "integer"}, reference],
            },
            "key": {
                "description": "With `upsert`: unique fields of the body that the record is found by.",
                "anyOf": [{"type": "string"}, {"type": "array", "items": {"type": "string"}, "minItems": 1}],
            },
            "body": {
                "type": "object",
                "description": "As the operation alone takes it; a relation may be `{\"$ref\": \"name\"}`.",
            },
            "if_match": {"type": "string", "description": "`etag` of the record as it was read, or `*`."},
        },
        "additionalProperties": false,
    })
}

fn results() -> Value {
    let result = json!({
        "type": "object",
        "required": ["status"],
        "properties": {
            "status": {"type": "integer", "enum": [200, 201, 204]},
            "etag": {"type": "string"},
            "body": {"type": "object", "description": "The record; not there with 204."},
            "id": {"type": "string", "description": "Of what was created and may not be read by its writer."},
        },
        "additionalProperties": false,
    });
    json!({
        "type": "object",
        "required": ["results"],
        "properties": {"results": {"type": "array", "items": result}},
        "additionalProperties": false,
    })
}
