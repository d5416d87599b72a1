//! Entity tags: `<version part>.<view part>`. The view part hashes which fields the caller sees, so that two
//! callers never share a cached body; `If-Match` compares the version part alone.

use crate::record::Record;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plan::operation::Precondition;
use spec::{Model, Value};

/// Which state of which record it is: its version, and when it was created, where that is kept, for one that was deleted
/// and created again is at version 1 again.
#[derive(Debug, Clone, Copy)]
pub struct At<'a> {
    pub id: &'a Value,
    pub version: i64,
    pub created_at: Option<i64>,
}

impl At<'_> {
    pub fn of<'r>(model: &Model, record: &'r Record) -> At<'r> {
        At {
            id: record.id(),
            version: record.version(model),
            created_at: model
                .created_at()
                .and_then(|field| moment(record.get(field))),
        }
    }
}

pub fn moment(value: &Value) -> Option<i64> {
    match value {
        Value::Timestamp(micros) => Some(*micros),
        _ => None,
    }
}

/// The tag of a record at a state of which `visible` fields are seen.
pub fn tag<'n>(model: &Model, at: At<'_>, visible: impl Iterator<Item = &'n str>) -> String {
    // Gathered and hashed at once: handing the hash its parts one by one costs five times what hashing does.
    let mut view = Vec::with_capacity(256);
    for name in visible {
        view.extend_from_slice(name.as_bytes());
        view.push(0);
    }
    let mut out = version_part(model, at);
    out.push('.');
    URL_SAFE_NO_PAD.encode_string(&blake3::hash(&view).as_bytes()[..6], &mut out);
    out
}

fn version_part(model: &Model, at: At<'_>) -> String {
    let mut text = Vec::with_capacity(128);
    text.extend_from_slice(model.module_name.as_bytes());
    text.push(b'.');
    text.extend_from_slice(model.name.as_bytes());
    text.push(0);
    match at.id {
        Value::Uuid(id) => text.extend_from_slice(id.as_bytes()),
        other => text.extend_from_slice(other.key_text().as_bytes()),
    };
    text.extend_from_slice(&at.version.to_be_bytes());
    if let Some(created_at) = at.created_at {
        text.extend_from_slice(&created_at.to_be_bytes());
    }
    let mut out = String::with_capacity(24);
    URL_SAFE_NO_PAD.encode_string(&blake3::hash(&text).as_bytes()[..9], &mut out);
    out
}

/// Whether a precondition holds for a stored record.
pub fn matches(precondition: &Precondition, model: &Model, stored: &Record) -> bool {
    match precondition {
        Precondition::Exists => true,
        Precondition::Tags(tags) => {
            let wanted = version_part(model, At::of(model, stored));
            tags.iter()
                .any(|tag| tag.split('.').next() == Some(&wanted))
        }
    }
}
