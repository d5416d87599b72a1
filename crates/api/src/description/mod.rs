//! `/api/openapi.json` and `/api/docs`: the description of the API over HTTP.
//!
//! What a reader gets hangs on what they could reach, which is computed for each request; the text is kept for those
//! who come with the same reach to the same app.

mod cache;
mod page;

use crate::answered::{Answered, Context};
use crate::problem::Refusal;
use crate::reader::Reader;
use crate::rest::precondition::{Conditions, Verdict};
use crate::rest::{media, query};
use bytes::Bytes;
use cache::Cache;
use engine::Stages;
use http::header::{
    ACCEPT, ALLOW, CACHE_CONTROL, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use spec::{App, Code, Problem};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint {
    /// `/api/openapi.json`
    Document,
    /// `/api/docs`
    Page,
}

pub const ENDPOINTS: &[Endpoint] = &[Endpoint::Document, Endpoint::Page];

/// What both take.
const ALLOWED: &str = "GET, HEAD, OPTIONS";

impl Endpoint {
    pub const fn path(self) -> &'static str {
        match self {
            Endpoint::Document => "/api/openapi.json",
            Endpoint::Page => "/api/docs",
        }
    }

    fn label(self) -> &'static str {
        match self {
            Endpoint::Document => "openapi",
            Endpoint::Page => "docs",
        }
    }
}

/// The endpoint at an address.
pub fn endpoint(path: &str) -> Option<Endpoint> {
    ENDPOINTS.iter().copied().find(|e| e.path() == path)
}

/// Whether somebody has put the address of a server into a browser. Clients of an API accept anything, or JSON.
pub fn is_browser_at_root(parts: &Parts) -> bool {
    let accepts = parts.headers.get_all(ACCEPT).iter();
    let mut kinds = accepts.filter_map(|value| value.to_str().ok());
    matches!(parts.method, Method::GET | Method::HEAD)
        && parts.uri.path() == "/"
        && kinds.any(|kinds| kinds.contains("text/html"))
}

/// To the page: for now, so that no browser remembers it.
pub fn lead() -> Answered {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::FOUND;
    let headers = response.headers_mut();
    headers.insert(LOCATION, HeaderValue::from_static(Endpoint::Page.path()));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Accept"));
    Answered {
        response,
        route: Cow::Borrowed("root"),
        stages: Stages::default(),
        failure: None,
    }
}

/// An answer that can be asked for again by its tag.
#[derive(Debug, Clone)]
struct Text {
    body: Bytes,
    /// Without quotes.
    etag: String,
}

impl Text {
    fn new(body: impl Into<Bytes>) -> Text {
        let body = body.into();
        let etag = blake3::hash(&body).to_hex()[..24].to_owned();
        Text { body, etag }
    }
}

#[derive(Default)]
pub struct Description {
    cache: Cache,
}

impl Description {
    pub fn answer(
        &self,
        app: &Arc<App>,
        endpoint: Endpoint,
        parts: &Parts,
        context: &Context<'_>,
    ) -> Answered {
        let route = Cow::Borrowed(endpoint.label());
        match self.respond(app, endpoint, parts, context) {
            Ok(response) => Answered {
                response,
                route,
                stages: Stages::default(),
                failure: None,
            },
            Err(refusal) => refusal.answered(context.request_id, route, Stages::default()),
        }
    }

    fn respond(
        &self,
        app: &Arc<App>,
        endpoint: Endpoint,
        parts: &Parts,
        context: &Context<'_>,
    ) -> Result<Response<Bytes>, Refusal> {
        match parts.method {
            Method::GET | Method::HEAD => {}
            Method::OPTIONS => {
                let mut response = reply(StatusCode::NO_CONTENT, Bytes::new());
                let headers = response.headers_mut();
                headers.insert(ALLOW, HeaderValue::from_static(ALLOWED));
                return Ok(response);
            }
            _ => {
                let detail = format!("This address takes {ALLOWED}.");
                return Err(Refusal::from(Problem::new(Code::MethodNotAllowed, detail))
                    .with(ALLOW, ALLOWED));
            }
        }
        query::parse_nothing(parts.uri.query())?;
        let conditions = Conditions::of(&parts.headers)?;
        let (text, content_type) = match endpoint {
            Endpoint::Document => {
                media::acceptable(&parts.headers)?;
                let reader = Reader::of(app, context.principal);
                (self.cache.get(app, reader), "application/json")
            }
            Endpoint::Page => (page::text(), "text/html; charset=utf-8"),
        };
        let (status, body) = match conditions.verdict(Some(&text.etag)) {
            Verdict::Answer => (StatusCode::OK, text.body.clone()),
            Verdict::NotModified => (StatusCode::NOT_MODIFIED, Bytes::new()),
            Verdict::Failed => {
                return Err(Problem::new(
                    Code::PreconditionFailed,
                    "The description is not the one that If-Match names.",
                )
                .into());
            }
        };
        let mut response = reply(status, body);
        let headers = response.headers_mut();
        let etag = HeaderValue::try_from(format!("\"{}\"", text.etag))
            .map_err(|_| Problem::internal("an entity tag does not fit a header"))?;
        headers.insert(ETAG, etag);
        if status == StatusCode::OK {
            headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        if endpoint == Endpoint::Page {
            let policy = HeaderValue::try_from(page::policy())
                .map_err(|_| Problem::internal("a policy does not fit a header"))?;
            headers.insert(HeaderName::from_static("content-security-policy"), policy);
            headers.insert(
                HeaderName::from_static("referrer-policy"),
                HeaderValue::from_static("no-referrer"),
            );
        }
        Ok(response)
    }
}

/// What is seen hangs on who asks: no shared cache keeps it, and the reader's own asks before it answers.
fn reply(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    response
}
