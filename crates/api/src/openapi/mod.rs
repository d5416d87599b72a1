//! The API as OpenAPI 3.1: what one reader could reach of it, and nothing else by so much as a name.
//!
//! | file | holds |
//! |---|---|
//! | `document` | a description while it is written: endpoints, and what they share |
//! | `models` | the endpoints of a model, a function each |
//! | `many` | those that write many records |
//! | `accounts` | those of accounts |
//! | `own` | those of the description itself |
//! | `records`, `fields` | schemas |
//! | `parameters` | query strings |
//! | `problems` | which problems an endpoint can answer |
//! | `node` | JSON in the order in which it was written |
//!
//! A new endpoint is one more function, and its place among those that its module adds; a test finds routes without
//! a description, and descriptions without a route.

mod accounts;
mod document;
mod fields;
mod many;
mod models;
mod node;
mod own;
mod parameters;
mod problems;
mod records;

use crate::reader::Reader;
use document::Document;
use node::{Node, Object};
use serde_json::json;
use spec::App;

const ABOUT: &str = "Bodies and answers are JSON. A call without an `Authorization` header is anonymous. `HEAD` works \
    where `GET` does, and `OPTIONS` answers `Allow`. Errors are problem documents (RFC 9457): act on their `code`.\n\n\
    This description holds what its reader could reach; another reader's may hold more. Fields that are not required \
    may be kept from the reader by a rule. A parameter or member that is not known is an error.";

/// The description as it goes out.
pub fn text(app: &App, reader: &Reader) -> Vec<u8> {
    // Keys are strings, and a buffer takes all that it is given, so nothing here can fail.
    serde_json::to_vec(&describe(app, reader)).unwrap_or_default()
}

/// The same for people, to keep and to compare.
pub fn pretty(app: &App, reader: &Reader) -> String {
    serde_json::to_string_pretty(&describe(app, reader)).unwrap_or_default()
}

fn describe(app: &App, reader: &Reader) -> Object {
    let mut doc = Document::new(app, reader);
    let mut tags: Vec<Node> = Vec::new();
    accounts::describe(&mut doc);
    tags.push(
        json!({"name": "auth", "description": "Accounts: registering, signing in, roles."}).into(),
    );
    for model in &app.models {
        if reader.reach.model(model.id).is_reached() {
            tags.push(json!({"name": model.full_name()}).into());
            models::describe(&mut doc, model);
        }
    }
    if many::describe(&mut doc) {
        tags.push(
            json!({"name": "batch", "description": "Several operations, all or none."}).into(),
        );
    }
    own::describe(&mut doc);
    tags.push(json!({"name": "description", "description": "This description."}).into());
    let rest = doc.finish(tags);
    let content = serde_json::to_vec(&rest).unwrap_or_default();
    let info = Object::new()
        .with("title", app.settings.name.as_str())
        .with("description", ABOUT)
        // It names the content: an app has no version of its own.
        .with("version", &blake3::hash(&content).to_hex()[..12]);
    Object::new()
        .with("openapi", "3.1.0")
        .with("info", info)
        .and(rest)
}
