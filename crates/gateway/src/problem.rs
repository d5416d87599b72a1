//! Problems of the edge itself as responses (RFC 9457).

use crate::service::Answered;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE};
use http::{Response, StatusCode};
use spec::Problem;
use std::borrow::Cow;
use std::time::Duration;

/// The answer that is `problem`. Problems of one code look the same wherever they come from.
pub fn answered(problem: Problem, request_id: &str, route: &'static str) -> Answered {
    let mut response = Response::new(Bytes::from(problem.to_json(request_id)));
    *response.status_mut() =
        StatusCode::from_u16(problem.status()).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let headers = response.headers_mut();
    headers.insert(
        CONTENT_TYPE,
        HeaderValue::from_static("application/problem+json"),
    );
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("private, no-cache"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    if let Some(wait) = problem.retry_after {
        let seconds = wait.as_millis().div_ceil(1000).max(1);
        headers.insert(RETRY_AFTER, HeaderValue::from(seconds as u64));
    }
    if problem.status() == 401 {
        headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
    }
    Answered {
        response,
        route: Cow::Borrowed(route),
        plan: Duration::ZERO,
        store: Duration::ZERO,
        code: Some(problem.code),
        cause: problem.cause,
    }
}
