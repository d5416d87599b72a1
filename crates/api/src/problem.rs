//! Problems as responses (RFC 9457).

use crate::answered::{Answered, Failure};
use bytes::Bytes;
use engine::Stages;
use http::header::{
    CACHE_CONTROL, CONTENT_TYPE, HeaderName, HeaderValue, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use http::{Response, StatusCode};
use spec::Problem;
use std::borrow::Cow;

/// A problem on its way out, with the headers that belong to it.
#[derive(Debug)]
pub struct Refusal {
    /// Boxed: it is rare, and results that carry it are not.
    pub problem: Box<Problem>,
    pub header: Option<(HeaderName, &'static str)>,
}

impl From<Problem> for Refusal {
    fn from(problem: Problem) -> Refusal {
        Refusal {
            problem: Box::new(problem),
            header: None,
        }
    }
}

impl Refusal {
    pub fn with(mut self, name: HeaderName, value: &'static str) -> Refusal {
        self.header = Some((name, value));
        self
    }

    pub fn answered(self, request_id: &str, route: Cow<'static, str>, stages: Stages) -> Answered {
        let problem = *self.problem;
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
            // In whole seconds, rounded up: sooner is too soon.
            headers.insert(
                RETRY_AFTER,
                HeaderValue::from(wait.as_millis().div_ceil(1000).max(1) as u64),
            );
        }
        if problem.status() == 401 {
            headers.insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
        }
        if let Some((name, value)) = self.header {
            headers.insert(name, HeaderValue::from_static(value));
        }
        Answered {
            response,
            route,
            stages,
            failure: Some(Failure {
                code: problem.code,
                cause: problem.cause,
            }),
        }
    }
}
