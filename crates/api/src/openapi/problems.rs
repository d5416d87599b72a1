//! Problem documents as answers: which codes an endpoint can answer, by their statuses.

use super::document::with_headers;
use super::node::{Node, Object};
use serde_json::{Value, json};
use spec::Code;
use spec::problem::CATALOGUE;
use std::collections::BTreeMap;

/// What any request can be answered, whatever it asks for.
const ANY: &[Code] = &[
    Code::MalformedRequest,
    Code::NotAcceptable,
    Code::HeaderTooLarge,
    Code::QueryTooLong,
    Code::QueryTimeout,
    Code::Overloaded,
    Code::RequestTimeout,
    Code::StoreUnavailable,
    Code::StoreFull,
    Code::StoreBusy,
    Code::StoreMigrated,
    Code::Internal,
];
/// And one whose access token is looked at.
const CALLER: &[Code] = &[Code::BadToken, Code::Suspended];
/// And one with a body.
pub const BODY: &[Code] = &[
    Code::UnsupportedMediaType,
    Code::MalformedJson,
    Code::BodyTooLarge,
    Code::Invalid,
];

/// The codes that one kind of endpoint can answer.
#[derive(Debug, Clone)]
pub struct Refusals {
    /// Names them among the shared responses.
    kind: &'static str,
    codes: Vec<Code>,
}

/// All codes of one status.
pub struct Refusal {
    pub name: String,
    pub status: u16,
    pub response: Node,
}

impl Refusals {
    /// Of an endpoint that looks at the caller's token.
    pub fn of(kind: &'static str, own: &[&[Code]]) -> Refusals {
        let mut refusals = Refusals::unasked(kind, own);
        refusals.codes.extend(CALLER);
        refusals
    }

    /// Of an endpoint that does not.
    pub fn unasked(kind: &'static str, own: &[&[Code]]) -> Refusals {
        let mut codes = ANY.to_vec();
        codes.extend(own.iter().copied().flatten());
        Refusals { kind, codes }
    }

    pub fn responses(mut self) -> Vec<Refusal> {
        self.codes.sort_unstable();
        self.codes.dedup();
        let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
        for code in self.codes {
            by_status.entry(code.status()).or_default().push(code);
        }
        let refusal = |(status, codes): (u16, Vec<Code>)| {
            // What is everywhere is described once.
            let everywhere = codes.iter().all(|code| ANY.contains(code));
            let kind = if everywhere { "any" } else { self.kind };
            Refusal {
                name: format!("{kind}.{status}"),
                status,
                response: response(status, &codes),
            }
        };
        by_status.into_iter().map(refusal).collect()
    }
}

fn response(status: u16, codes: &[Code]) -> Node {
    let says: Vec<String> = codes
        .iter()
        .map(|code| format!("`{}`: {}.", code.name(), code.entry().title))
        .collect();
    let names: Vec<&str> = codes.iter().map(|code| code.name()).collect();
    let headers = match status {
        401 => with_headers(&["Vary", "WWW-Authenticate"]),
        409 | 503 => with_headers(&["Vary", "Retry-After"]),
        _ => with_headers(&["Vary"]),
    };
    let schema = json!({
        "allOf": [{"$ref": "#/components/schemas/Problem"}],
        "properties": {"status": {"const": status}, "code": {"enum": names}},
    });
    Object::new()
        .with("description", says.join("\n\n"))
        .with("headers", headers)
        .with(
            "content",
            Object::new().with(
                "application/problem+json",
                Object::new().with("schema", schema),
            ),
        )
        .into()
}

/// The schemas that every description has.
pub fn schemas() -> Object {
    Object::new()
        .with("Problem", problem())
        .with("ProblemCode", codes())
}

fn problem() -> Node {
    let text = |description: &str| json!({"type": "string", "description": description});
    let properties = Object::new()
        .with(
            "type",
            json!({"type": "string", "format": "uri", "description": "The code as a URI: a name, not an address."}),
        )
        .with("title", text("What the code means."))
        .with("status", json!({"type": "integer", "minimum": 400, "maximum": 599}))
        .with("code", json!({"$ref": "#/components/schemas/ProblemCode"}))
        .with("detail", text("What is wrong, for people."))
        .with("hint", text("What to do about it."))
        .with(
            "limit",
            json!({
                "type": "object",
                "description": "The bound that was met.",
                "required": ["name", "value"],
                "properties": {
                    "name": {"type": "string", "description": "The setting in mainstay.toml."},
                    "value": {"type": "integer", "description": "Its value; of a time, in milliseconds."},
                },
            }),
        )
        .with(
            "errors",
            json!({
                "type": "array",
                "description": "Every failure in the body.",
                "items": {
                    "type": "object",
                    "required": ["pointer", "code", "detail"],
                    "properties": {
                        "pointer": {"type": "string", "description": "A JSON pointer into the body (RFC 6901)."},
                        "code": {"type": "string"},
                        "detail": {"type": "string"},
                    },
                },
            }),
        )
        .with("request_id", text("The request's id, which is in the server's log, too."));
    Object::new()
        .with("type", "object")
        .with(
            "description",
            "An error (RFC 9457). Act on `code`; `detail` is for people and may change.",
        )
        .with(
            "required",
            json!([
                "type",
                "title",
                "status",
                "code",
                "detail",
                "hint",
                "request_id"
            ]),
        )
        .with("properties", properties)
        .into()
}

fn codes() -> Value {
    let names: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name).collect();
    json!({"type": "string", "enum": names})
}
