//! Entity tags: `<version part>.<view part>`. The view part hashes which fields the caller sees, so that two
//! callers never share a cached body; `If-Match` compares the version part alone.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use plan::operation::Precondition;
use spec::{Model, Value};

/// The tag of a record at `version` of which `visible` fields are seen.
pub fn tag<'n>(
    model: &Model,
    id: &Value,
    version: i64,
    visible: impl Iterator<Item = &'n str>,
) -> String {
    let mut view = blake3::Hasher::new();
    for name in visible {
        view.update(name.as_bytes());
        view.update(b"\0");
    }
    let mut out = version_part(model, id, version);
    out.push('.');
    URL_SAFE_NO_PAD.encode_string(&view.finalize().as_bytes()[..6], &mut out);
    out
}

fn version_part(model: &Model, id: &Value, version: i64) -> String {
    let mut hash = blake3::Hasher::new();
    hash.update(model.module_name.as_bytes());
    hash.update(b".");
    hash.update(model.name.as_bytes());
    hash.update(b"\0");
    match id {
        Value::Uuid(id) => hash.update(id.as_bytes()),
        other => hash.update(other.key_text().as_bytes()),
    };
    hash.update(&version.to_be_bytes());
    URL_SAFE_NO_PAD.encode(&hash.finalize().as_bytes()[..9])
}

/// Whether a precondition holds for a stored record.
pub fn matches(precondition: &Precondition, model: &Model, id: &Value, version: i64) -> bool {
    match precondition {
        Precondition::Exists => true,
        Precondition::Tags(tags) => {
            let wanted = version_part(model, id, version);
            tags.iter()
                .any(|tag| tag.split('.').next() == Some(&wanted))
        }
    }
}
