//! Answers as responses.

use super::precondition::{Conditions, Verdict};
use bytes::Bytes;
use engine::{Answer, Outcome};
use http::header::{
    ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderMap, HeaderValue, LOCATION, VARY,
};
use http::{Response, StatusCode};
use spec::{Code, Model, Problem};

/// The response to an operation that went well.
pub fn reply(
    model: &Model,
    answer: Answer,
    conditions: &Conditions,
) -> Result<Response<Bytes>, Problem> {
    match answer {
        Answer::Page { body } => Ok(data(StatusCode::OK, Bytes::from(body))),
        Answer::Many { body, outcome } => Ok(many(body, outcome)),
        Answer::Record {
            body,
            etag,
            outcome,
            id,
        } => {
            let (status, body) = match conditions.verdict(etag.as_deref()) {
                Verdict::Failed => {
                    return Err(Problem::new(
                        Code::PreconditionFailed,
                        "The record is not the one that If-Match names.",
                    ));
                }
                Verdict::NotModified => (StatusCode::NOT_MODIFIED, Bytes::new()),
                Verdict::Answer if outcome == Outcome::Created => {
                    (StatusCode::CREATED, Bytes::from(body))
                }
                Verdict::Answer => (StatusCode::OK, Bytes::from(body)),
            };
            let mut response = data(status, body);
            let headers = response.headers_mut();
            if let Some(etag) = etag {
                headers.insert(ETAG, quoted(&etag)?);
            }
            if outcome == Outcome::Created {
                headers.insert(LOCATION, address(model, &id)?);
            }
            Ok(response)
        }
        Answer::Done { outcome, id } => {
            let mut response = empty();
            if let (Outcome::Created, Some(id)) = (outcome, id) {
                response
                    .headers_mut()
                    .insert(LOCATION, address(model, &id)?);
            }
            Ok(response)
        }
    }
}

/// What became of several records.
pub fn many(body: Vec<u8>, outcome: Outcome) -> Response<Bytes> {
    let status = match outcome {
        Outcome::Created => StatusCode::CREATED,
        Outcome::Read | Outcome::Changed | Outcome::Deleted => StatusCode::OK,
    };
    data(status, Bytes::from(body))
}

/// What an address takes.
pub fn options(allow: &'static str) -> Response<Bytes> {
    let mut response = empty();
    response
        .headers_mut()
        .insert(ALLOW, HeaderValue::from_static(allow));
    response
}

fn data(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    // Room for what the edge adds, too: growing would hash every name again.
    let mut headers = HeaderMap::with_capacity(16);
    if status != StatusCode::NOT_MODIFIED {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    private(&mut headers);
    *response.headers_mut() = headers;
    response
}

pub(crate) fn empty() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    private(response.headers_mut());
    response
}

/// What a caller sees hangs on who they are: a shared cache keeps nothing, and their own asks before it answers.
fn private(headers: &mut HeaderMap) {
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
}

fn quoted(etag: &str) -> Result<HeaderValue, Problem> {
    let mut tag = String::with_capacity(etag.len() + 2);
    tag.push('"');
    tag.push_str(etag);
    tag.push('"');
    HeaderValue::from_maybe_shared(Bytes::from(tag))
        .map_err(|_| Problem::internal("an entity tag does not fit a header"))
}

/// Where a record is. Its id may hold anything, so it is encoded down to the unreserved characters (RFC 3986, 2.3).
fn address(model: &Model, id: &str) -> Result<HeaderValue, Problem> {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let unreserved =
        |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'.' | b'_' | b'~');
    let mut address =
        String::with_capacity(8 + model.module_name.len() + model.name.len() + id.len());
    for part in ["/api/", &model.module_name, "/", &model.name, "/"] {
        address.push_str(part);
    }
    if id.bytes().all(unreserved) {
        address.push_str(id);
        return header(address);
    }
    for byte in id.bytes() {
        if unreserved(byte) {
            address.push(char::from(byte));
        } else {
            address.push('%');
            address.push(char::from(HEX[usize::from(byte >> 4)]));
            address.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    header(address)
}

fn header(address: String) -> Result<HeaderValue, Problem> {
    HeaderValue::from_maybe_shared(Bytes::from(address))
        .map_err(|_| Problem::internal("an address does not fit a header"))
}
