//! A description while it is written: paths, and what they share.

use super::node::{Node, Object};
use super::problems::{self, Refusals};
use crate::reader::{Kind, Reader};
use engine::reach::Reach;
use serde_json::{Value, json};
use spec::{App, Principal};

/// One method of one address.
pub struct Endpoint {
    /// In lower case, as OpenAPI writes it.
    pub method: &'static str,
    pub path: String,
    /// As the metrics label it: `catalog.products.list`.
    pub id: String,
    pub tag: String,
    pub summary: String,
    /// Markdown; empty where the summary says it all.
    pub description: String,
    pub signed_in: SignedIn,
    pub parameters: Vec<Node>,
    pub body: Option<Object>,
    /// The answers that are no problems, by status.
    pub answers: Vec<(u16, Node)>,
    pub refusals: Refusals,
}

/// Whether a caller must say who they are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SignedIn {
    /// It changes what they get.
    May,
    Must,
    /// An access token is not looked at.
    Ignored,
}

pub struct Document<'a> {
    pub app: &'a App,
    pub reader: &'a Reader,
    /// How far a caller gets who does not say who they are.
    pub anonymous: Reach,
    /// In the order in which they came.
    paths: Vec<(String, Object)>,
    schemas: Object,
    responses: Object,
}

impl<'a> Document<'a> {
    pub fn new(app: &'a App, reader: &'a Reader) -> Document<'a> {
        Document {
            app,
            reader,
            anonymous: Reach::of(app, &Principal::anonymous()),
            paths: Vec::new(),
            schemas: problems::schemas(),
            responses: Object::new(),
        }
    }

    pub fn schema(&mut self, name: impl Into<String>, schema: impl Into<Node>) {
        self.schemas.add(name, schema);
    }

    pub fn add(&mut self, endpoint: Endpoint) {
        let mut operation = Object::new()
            .with("operationId", endpoint.id)
            .with("tags", json!([endpoint.tag]))
            .with("summary", endpoint.summary);
        if !endpoint.description.is_empty() {
            operation.add("description", endpoint.description);
        }
        match endpoint.signed_in {
            // As the whole document says.
            SignedIn::May => {}
            SignedIn::Must => operation.add("security", json!([{"bearer": []}])),
            SignedIn::Ignored => operation.add("security", json!([])),
        }
        if !endpoint.parameters.is_empty() {
            operation.add("parameters", endpoint.parameters);
        }
        if let Some(body) = endpoint.body {
            operation.add("requestBody", body);
        }
        let mut responses = Object::new();
        for (status, answer) in endpoint.answers {
            responses.add(status.to_string(), answer);
        }
        for refusal in endpoint.refusals.responses() {
            if !self.responses.has(&refusal.name) {
                self.responses.add(refusal.name.clone(), refusal.response);
            }
            let reference = format!("#/components/responses/{}", refusal.name);
            responses.add(refusal.status.to_string(), json!({"$ref": reference}));
        }
        operation.add("responses", responses);
        let known = self
            .paths
            .iter()
            .position(|(path, _)| *path == endpoint.path);
        let at = known.unwrap_or_else(|| {
            let item = Object::new().with("parameters", json!([parameter("X-Request-Id")]));
            self.paths.push((endpoint.path, item));
            self.paths.len() - 1
        });
        self.paths[at].1.add(endpoint.method, operation);
    }

    /// Adds a write, which its caller may send again under a key.
    pub fn add_write(&mut self, mut endpoint: Endpoint) {
        if self.reader.kind != Kind::Anonymous {
            endpoint.parameters.push(parameter(KEY).into());
            for (_, answer) in &mut endpoint.answers {
                if let Node::Object(answer) = answer
                    && let Some(headers) = answer.object_mut("headers")
                {
                    headers.add(REPLAYED, header(REPLAYED));
                }
            }
        }
        self.add(endpoint);
    }

    /// The whole, but for its version, which names what is in it.
    pub fn finish(self, tags: Vec<Node>) -> Object {
        let mut paths = Object::new();
        for (path, item) in self.paths {
            paths.add(path, item);
        }
        let components = Object::new()
            .with("schemas", self.schemas)
            .with("responses", self.responses)
            .with("parameters", parameters())
            .with("headers", headers())
            .with(
                "securitySchemes",
                json!({"bearer": {
                    "type": "http",
                    "scheme": "bearer",
                    "bearerFormat": "JWT",
                    "description": "An access token, as /api/auth/login answers it.",
                }}),
            );
        Object::new()
            .with("servers", json!([{"url": "/"}]))
            .with("security", json!([{"bearer": []}, {}]))
            .with("tags", tags)
            .with("paths", paths)
            .with("components", components)
    }
}

const KEY: &str = "Idempotency-Key";
const REPLAYED: &str = "Idempotency-Replayed";

/// The characters alone, or a structured field's string (RFC 8941, 3.3.3). Blanks around it are HTTP's.
const IDEMPOTENCY_KEY: &str = concat!(
    r"^[ \t]*([!#-+./0-9:<-\[\]-~-]{1,255}|",
    r#""([ !#-\[\]-~]|\\["\\]){1,255}")[ \t]*$"#
);

/// A reference to one of [`parameters`].
pub fn parameter(name: &str) -> Value {
    json!({"$ref": format!("#/components/parameters/{name}")})
}

fn parameters() -> Value {
    json!({
        "X-Request-Id": {
            "name": "X-Request-Id", "in": "header",
            "description": "Names the request in the answer and in the server's log: at most 64 letters, digits, `.`, \
                `_` and `-`. Another is made up where it is left out or is none.",
            "schema": {"type": "string"},
        },
        KEY: {
            "name": KEY, "in": "header",
            "description": "Makes the write safe to send again: with the same key and the same request it is done once, \
                and answered as the first time. A new UUID for each write.",
            "schema": {"type": "string", "pattern": IDEMPOTENCY_KEY},
        },
        "If-Match": {
            "name": "If-Match", "in": "header",
            "description": "`ETag` of the record as it was read: 412 where it was written since. `*`: the record exists.",
            "schema": {"type": "string"},
        },
        "If-None-Match": {
            "name": "If-None-Match", "in": "header",
            "description": "`ETag` of what the caller has: 304 where that is still so.",
            "schema": {"type": "string"},
        },
        "If-Absent": {
            "name": "If-None-Match", "in": "header",
            "description": "`*` creates only: 412 where the record exists.",
            "schema": {"type": "string", "const": "*"},
        },
    })
}

/// A reference to one of [`headers`].
fn header(name: &str) -> Value {
    json!({"$ref": format!("#/components/headers/{name}")})
}

fn headers() -> Value {
    json!({
        REPLAYED: {
            "description": "`true` where the request was done before under its key, and this is the answer it had.",
            "schema": {"type": "string", "const": "true"},
        },
        "X-Request-Id": {
            "description": "The request's id, which is in the server's log, too.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Server-Timing": {
            "description": "Milliseconds of planning, of the database and in all.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Cache-Control": {
            "description": "What is seen depends on who asks, so no shared cache may keep it.",
            "required": true,
            "schema": {"type": "string"},
        },
        "Vary": {
            "description": "What else the answer hangs on.",
            "schema": {"type": "string"},
        },
        "ETag": {
            "description": "The version of the record and of the caller's view of it; not with `expand`.",
            "schema": {"type": "string"},
        },
        "Location": {
            "description": "Where the new record is.",
            "required": true,
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "LocationOfOne": {
            "description": "Where the new record is, if it is one.",
            "schema": {"type": "string", "format": "uri-reference"},
        },
        "Retry-After": {
            "description": "Seconds to wait before it makes sense to try again.",
            "schema": {"type": "integer", "minimum": 1},
        },
        "WWW-Authenticate": {
            "description": "How to say who one is.",
            "required": true,
            "schema": {"type": "string", "const": "Bearer"},
        },
        "Pragma": {
            "description": "Tokens are not cached (RFC 6749, 5.1).",
            "required": true,
            "schema": {"type": "string", "const": "no-cache"},
        },
    })
}

/// References to headers: those of every answer, and these.
pub fn with_headers(more: &[&str]) -> Object {
    let mut out = Object::new();
    for name in more
        .iter()
        .chain(&["Cache-Control", "Server-Timing", "X-Request-Id"])
    {
        // `Location?` is a header that is there of one record, and not of many.
        out.add(
            name.trim_end_matches('?'),
            header(&name.replace('?', "OfOne")),
        );
    }
    out
}

/// An answer of JSON.
pub fn json_answer(description: &str, headers: &[&str], schema: impl Into<Node>) -> Node {
    Object::new()
        .with("description", description)
        .with("headers", with_headers(headers))
        .with(
            "content",
            Object::new().with("application/json", Object::new().with("schema", schema)),
        )
        .into()
}

/// An answer that has nothing in it.
pub fn empty_answer(description: &str, headers: &[&str]) -> Node {
    Object::new()
        .with("description", description)
        .with("headers", with_headers(headers))
        .into()
}

/// A body that must be there.
pub fn json_body(schema: impl Into<Node>) -> Object {
    Object::new().with("required", json!(true)).with(
        "content",
        Object::new().with("application/json", Object::new().with("schema", schema)),
    )
}

pub fn reference(schema: &str) -> Value {
    json!({"$ref": format!("#/components/schemas/{schema}")})
}
