//! The endpoints of the description itself.

use super::document::{
    Document, Endpoint, SignedIn, empty_answer, json_answer, parameter, with_headers,
};
use super::node::{Node, Object};
use super::problems::Refusals;
use serde_json::json;
use spec::Code;

const CODES: &[Code] = &[
    Code::UnknownParameter,
    Code::BadPrecondition,
    Code::PreconditionFailed,
];

pub fn describe(doc: &mut Document<'_>) {
    let document = json!({"type": "object", "required": ["openapi", "info", "paths"]});
    doc.add(Endpoint {
        summary: "Read this description".to_owned(),
        description: "As far as it concerns the caller.".to_owned(),
        answers: vec![
            (
                200,
                json_answer("OpenAPI 3.1.", &["ETag", "Vary"], document),
            ),
            unchanged(),
        ],
        ..endpoint("openapi", "/api/openapi.json")
    });
    let html = Object::new().with("schema", json!({"type": "string"}));
    let page = Object::new()
        .with(
            "description",
            "A page that shows this description and tries calls.",
        )
        .with("headers", with_headers(&["ETag"]))
        .with("content", Object::new().with("text/html", html));
    doc.add(Endpoint {
        summary: "Read this description in a browser".to_owned(),
        answers: vec![(200, page.into()), unchanged()],
        ..endpoint("docs", "/api/docs")
    });
}

fn unchanged() -> (u16, Node) {
    (304, empty_answer("As the caller has it.", &["ETag"]))
}

fn endpoint(id: &str, path: &str) -> Endpoint {
    Endpoint {
        method: "get",
        path: path.to_owned(),
        id: id.to_owned(),
        tag: "description".to_owned(),
        summary: String::new(),
        description: String::new(),
        signed_in: SignedIn::May,
        parameters: vec![
            parameter("If-None-Match").into(),
            parameter("If-Match").into(),
        ],
        body: None,
        answers: Vec::new(),
        refusals: Refusals::of("own", &[CODES]),
    }
}
