//! What goes in beside a request, and what comes out beside its response.

use bytes::Bytes;
use engine::Stages;
use http::Response;
use spec::{Code, Principal};
use std::borrow::Cow;

/// What the edge knows of a request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    /// Stands in problem documents.
    pub request_id: &'a str,
    pub principal: &'a Principal,
}

/// A response, and what is worth knowing about how it came to be.
#[derive(Debug)]
pub struct Answered {
    pub response: Response<Bytes>,
    /// What was asked for, as a label for metrics: `catalog.products.list`, `auth.login`. One of few.
    pub route: Cow<'static, str>,
    pub stages: Stages,
    /// Where the response is a problem document.
    pub failure: Option<Failure>,
}

/// What the log is told of a problem.
#[derive(Debug, Clone, PartialEq)]
pub struct Failure {
    pub code: Code,
    /// What the caller must not learn.
    pub cause: Option<String>,
}
