//! `POST /api/batch`: `{"operations":[{"op":"create","model":"orders.orders","body":{…}}, …]}`.
//!
//! What is wrong with the document is told at once, each at its place; what the operations come to is the engine's.

use super::{idempotency, media, precondition, query, reply};
use crate::answered::{Answered, Context};
use crate::problem::Refusal;
use bytes::Bytes;
use engine::operation::{Act, Batch, Given, Item, Operation, Precondition};
use engine::{Answer, Beforehand, Engine, Stages};
use http::Method;
use http::header::ALLOW;
use http::request::Parts;
use serde_json::value::RawValue;
use spec::input::malformed_at;
use spec::nearest::{nearest, nearest_model};
use spec::problem::{MOST_ERRORS, shown};
use spec::{App, Code, FieldError, ModelId, Problem};
use std::borrow::Cow;
use std::collections::HashSet;
use std::sync::Arc;

pub const PATH: &str = "/api/batch";

const ALLOWED: &str = "POST, OPTIONS";
const OPS: &[&str] = &["create", "update", "replace", "upsert", "delete"];
const KEYS: &[&str] = &["op", "model", "name", "id", "key", "body", "if_match"];

/// Answers one request to this address.
pub async fn answer(
    engine: &Engine,
    app: &Arc<App>,
    parts: &Parts,
    body: Bytes,
    context: &Context<'_>,
) -> Answered {
    let mut stages = Stages::default();
    let (label, done) = match parts.method {
        Method::OPTIONS => ("batch.options", Ok(reply::options(ALLOWED))),
        Method::POST => {
            let done = respond(engine, app, parts, body, context, &mut stages).await;
            ("batch", done)
        }
        _ => {
            let problem = Problem::new(
                Code::MethodNotAllowed,
                format!("This address takes {ALLOWED}."),
            );
            let refused = Refusal::from(problem).with(ALLOW, ALLOWED);
            ("batch.unknown", Err(refused))
        }
    };
    let label = Cow::Borrowed(label);
    match done {
        Ok(response) => Answered {
            response,
            route: label,
            stages,
            failure: None,
        },
        Err(refusal) => refusal.answered(context.request_id, label, stages),
    }
}

async fn respond(
    engine: &Engine,
    app: &Arc<App>,
    parts: &Parts,
    body: Bytes,
    context: &Context<'_>,
    stages: &mut Stages,
) -> Result<http::Response<Bytes>, Refusal> {
    let headers = &parts.headers;
    media::acceptable(headers)?;
    let once = idempotency::key(parts, &body)?;
    precondition::none_of_many(headers)?;
    query::parse_nothing(parts.uri.query())?;
    media::json(headers, &body)?;
    let is_closed = |model| engine.is_closed(app, context.principal, model);
    let batch = Operation::Batch(read(app, &body, &is_closed)?);
    let beforehand = Beforehand {
        once,
        ..Beforehand::default()
    };
    let executed = engine
        .execute_on(app, context.principal, batch, beforehand)
        .await;
    *stages = executed.stages;
    let mut response = match executed.result? {
        Answer::Many { body, outcome } => reply::many(body, outcome),
        Answer::Record { .. } | Answer::Page { .. } | Answer::Done { .. } => {
            return Err(Problem::internal("a batch answers results").into());
        }
    };
    if executed.replayed {
        idempotency::mark(&mut response);
    }
    Ok(response)
}

/// The members of an object, in their order. Repeated ones are refused: readers would not agree on them.
struct Members<'b>(Vec<(Cow<'b, str>, &'b RawValue)>);

impl<'de> serde::Deserialize<'de> for Members<'de> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> serde::de::Visitor<'de> for Visitor {
            type Value = Members<'de>;
            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a JSON object")
            }
            fn visit_map<A: serde::de::MapAccess<'de>>(
                self,
                mut map: A,
            ) -> Result<Members<'de>, A::Error> {
                let mut members = Vec::new();
                let mut seen = HashSet::new();
                while let Some(name) = map.next_key::<String>()? {
                    if !seen.insert(name.clone()) {
                        let twice = format_args!("the key {} is there twice", shown(&name));
                        return Err(serde::de::Error::custom(twice));
                    }
                    members.push((Cow::Owned(name), map.next_value()?));
                }
                Ok(Members(members))
            }
        }
        deserializer.deserialize_map(Visitor)
    }
}

/// Whether a model is one that the caller cannot reach.
type IsClosed<'a> = &'a dyn Fn(ModelId) -> bool;

/// The batch that a body asks for.
fn read(app: &App, body: &Bytes, is_closed: IsClosed<'_>) -> Result<Batch, Problem> {
    let text = std::str::from_utf8(body)
        .map_err(|_| Problem::new(Code::MalformedJson, "The body is not UTF-8."))?;
    let Members(members) = serde_json::from_str(text).map_err(|e| malformed_at(body, &e))?;
    let mut errors = Vec::new();
    let mut operations = None;
    for (name, raw) in members {
        match &*name {
            "operations" => operations = Some(raw),
            other => errors.push(unknown("", other, &["operations"])),
        }
    }
    let mut items = Vec::new();
    match operations.map(|raw| serde_json::from_str::<Vec<&RawValue>>(raw.get())) {
        Some(Ok(elements)) => {
            let most = app.settings.limits.batch;
            if elements.len() > most as usize {
                let detail = format!(
                    "The batch has {} operations; {most} are done at once at most, and none was.",
                    elements.len()
                );
                return Err(Problem::new(Code::BatchTooLarge, detail)
                    .limited("limits.batch", u64::from(most)));
            }
            for (at, element) in elements.into_iter().enumerate() {
                let place = format!("/operations/{at}");
                items.extend(item((app, is_closed), body, &place, element, &mut errors)?);
                if errors.len() >= MOST_ERRORS {
                    break;
                }
            }
        }
        Some(Err(_)) => errors.push(error(
            "/operations",
            "type",
            "operations must be an array of objects.",
        )),
        None => errors.push(error(
            "/operations",
            "required",
            "operations is required: an array of {\"op\", \"model\", …}.",
        )),
    }
    match errors.is_empty() {
        true => Ok(Batch { items }),
        false => Err(Problem::invalid(errors)),
    }
}

fn error(pointer: &str, code: &'static str, detail: impl Into<String>) -> FieldError {
    FieldError {
        pointer: pointer.to_owned(),
        code,
        detail: detail.into(),
    }
}

fn unknown(place: &str, name: &str, known: &[&str]) -> FieldError {
    let detail = match nearest(name, known.iter().copied()) {
        Some(near) => format!("{} is not known; did you mean {near}?", shown(name)),
        None => format!(
            "{} is not known; there are {}.",
            shown(name),
            known.join(", ")
        ),
    };
    let pointer = format!("{place}{}", spec::problem::pointer(&[name]));
    error(&pointer, "unknown", detail)
}

/// What an item says, each part as it stands.
#[derive(Default)]
struct Said<'b> {
    op: Option<String>,
    model: Option<ModelId>,
    name: Option<String>,
    id: Option<Given>,
    key: Option<Vec<String>>,
    body: Option<&'b RawValue>,
    if_match: Option<Precondition>,
}

/// One operation; none where something is wrong with it.
fn item(
    app: (&App, IsClosed<'_>),
    whole: &Bytes,
    place: &str,
    element: &RawValue,
    all: &mut Vec<FieldError>,
) -> Result<Option<Item>, Problem> {
    // Those of this item: what is still missing is looked up among them.
    let mut own = Vec::new();
    let item = item_of(app, whole, place, element, &mut own)?;
    let item = item.filter(|_| own.is_empty());
    all.append(&mut own);
    Ok(item)
}

fn item_of(
    (app, is_closed): (&App, IsClosed<'_>),
    whole: &Bytes,
    place: &str,
    element: &RawValue,
    errors: &mut Vec<FieldError>,
) -> Result<Option<Item>, Problem> {
    if !element.get().starts_with('{') {
        errors.push(error(place, "type", "An operation is an object."));
        return Ok(None);
    }
    let Members(members) = serde_json::from_str(element.get())
        .map_err(|e| malformed_at(element.get().as_bytes(), &e).within(place))?;
    let mut said = Said::default();
    for (name, raw) in members {
        if errors.len() >= MOST_ERRORS {
            return Ok(None);
        }
        let at = format!("{place}/{name}");
        let text = || -> Option<String> { serde_json::from_str(raw.get()).ok() };
        let mut wrong = |detail: &str| errors.push(error(&at, "type", detail));
        match &*name {
            "op" => match text() {
                Some(op) if OPS.contains(&op.as_str()) => said.op = Some(op),
                Some(op) => {
                    let detail = match nearest(&op, OPS.iter().copied()) {
                        Some(near) => format!("op is {}; did you mean {near}?", shown(&op)),
                        None => format!("op must be one of {}.", OPS.join(", ")),
                    };
                    errors.push(error(&at, "not_in", detail));
                }
                None => wrong("op must be a string."),
            },
            "model" => match text() {
                Some(model) => match app.model_named(&model) {
                    Some(model) => said.model = Some(model.id),
                    None => {
                        errors.push(error(&at, "unknown", unknown_model(app, &model, is_closed)))
                    }
                },
                None => wrong("model must be a string like orders.orders."),
            },
            "name" => match text() {
                Some(name) => said.name = Some(name),
                None => wrong("name must be a string."),
            },
            "id" => match given(raw.get()) {
                Some(id) => said.id = Some(id),
                None => wrong("id must be a record's id, or {\"$ref\": \"name\"}."),
            },
            "key" => match key(raw.get()) {
                Some(key) => said.key = Some(key),
                None => wrong("key must be a field's name, or an array of them."),
            },
            "body" => match raw.get().starts_with('{') {
                true => said.body = Some(raw),
                false => wrong("body must be an object."),
            },
            "if_match" => match text().map(|tag| precondition::tag(&tag)) {
                Some(Ok(tag)) => said.if_match = Some(tag),
                _ => wrong("if_match must be an entity tag, or *."),
            },
            other => errors.push(unknown(place, other, KEYS)),
        }
    }
    let act = act(place, whole, &mut said, errors);
    if said.model.is_none() && errors.iter().all(|e| e.pointer != format!("{place}/model")) {
        let at = format!("{place}/model");
        errors.push(error(
            &at,
            "required",
            "model is required, as in orders.orders.",
        ));
    }
    Ok(match (act, said.model) {
        (Some(act), Some(model)) => Some(Item {
            name: said.name,
            model,
            act,
        }),
        _ => None,
    })
}

/// Which parts an operation needs, and which have no meaning with it.
fn act(
    place: &str,
    whole: &Bytes,
    said: &mut Said<'_>,
    errors: &mut Vec<FieldError>,
) -> Option<Act> {
    let at = |part: &str| format!("{place}/{part}");
    let Some(op) = said.op.as_deref() else {
        if errors.iter().all(|e| e.pointer != at("op")) {
            let detail = format!("op is required: one of {}.", OPS.join(", "));
            errors.push(error(&at("op"), "required", detail));
        }
        return None;
    };
    let needs: &[&str] = match op {
        "create" => &["body"],
        "upsert" => &["key", "body"],
        "delete" => &["id"],
        _ => &["id", "body"],
    };
    for (part, is_there) in [
        ("id", said.id.is_some()),
        ("key", said.key.is_some()),
        ("body", said.body.is_some()),
        ("if_match", said.if_match.is_some()),
    ] {
        let is_wrong = errors.iter().any(|e| e.pointer == at(part));
        let takes = needs.contains(&part) || (part == "if_match" && op != "create");
        if needs.contains(&part) && !is_there && !is_wrong {
            let detail = format!("{part} is required with {op}.");
            errors.push(error(&at(part), "required", detail));
        } else if is_there && !takes {
            let detail = format!("{part} has no meaning with {op}.");
            errors.push(error(&at(part), "unknown", detail));
        }
    }
    let body = match said.body {
        // A part of the body's own memory.
        Some(body) => whole.slice_ref(body.get().as_bytes()),
        None => Bytes::new(),
    };
    let if_match = said.if_match.take();
    Some(match op {
        "create" => Act::Create { body },
        "upsert" => Act::Upsert {
            key: said.key.take()?,
            body,
            if_match,
        },
        "delete" => Act::Delete {
            id: said.id.take()?,
            if_match,
        },
        "replace" => Act::Replace {
            id: said.id.take()?,
            body,
            if_match,
        },
        _ => Act::Update {
            id: said.id.take()?,
            body,
            if_match,
        },
    })
}

fn unknown_model(app: &App, name: &str, is_closed: IsClosed<'_>) -> String {
    let open = app.models.iter().filter(|model| !is_closed(model.id));
    let names: Vec<String> = open.map(spec::Model::full_name).collect();
    match nearest_model(name, names.iter().map(String::as_str)) {
        Some(near) => format!("There is no model {}; did you mean {near}?", shown(name)),
        None => format!(
            "There is no model {}: it is named with its module, as in orders.orders.",
            shown(name)
        ),
    }
}

/// An id as it stands in an address, a number, or a reference.
fn given(raw: &str) -> Option<Given> {
    if let Some(name) = engine::reference(raw) {
        return Some(Given::Ref(name));
    }
    match raw.as_bytes().first()? {
        b'"' => serde_json::from_str(raw).ok().map(Given::Id),
        b'-' | b'0'..=b'9' => Some(Given::Id(raw.to_owned())),
        _ => None,
    }
}

fn key(raw: &str) -> Option<Vec<String>> {
    match serde_json::from_str::<String>(raw) {
        Ok(one) => Some(vec![one]),
        Err(_) => serde_json::from_str(raw)
            .ok()
            .filter(|names: &Vec<_>| !names.is_empty()),
    }
}
