//! What stands behind the edge.

use crate::metrics::Gauge;
use bytes::Bytes;
use http::Response;
use http::request::Parts;
use spec::{Code, Principal, Problem};
use std::borrow::Cow;
use std::future::Future;
use std::net::SocketAddr;
use std::time::Duration;

/// What the edge knows of a request.
#[derive(Debug, Clone, Copy)]
pub struct Context<'a> {
    pub request_id: &'a str,
    pub principal: &'a Principal,
    /// The other end of the socket: a proxy's address where there is one.
    pub peer: SocketAddr,
}

/// A response, and what the edge reports of it.
#[derive(Debug)]
pub struct Answered {
    pub response: Response<Bytes>,
    /// The label of metrics: one of few, never taken from the request as it is.
    pub route: Cow<'static, str>,
    /// Time spent planning, for `Server-Timing`.
    pub plan: Duration,
    /// Time spent in the store.
    pub store: Duration,
    /// Where the response is a problem document.
    pub code: Option<Code>,
    /// For the log only.
    pub cause: Option<String>,
}

/// The seam of the edge. Its futures are never boxed: this is on the path of every request.
pub trait Service: Send + Sync + 'static {
    /// A thread of [`crate::Threads::Own`] begins: called on it, inside its runtime, before its first request.
    fn thread_begins(&self) {}

    /// Who an access token (`Authorization: Bearer …`) stands for.
    fn authenticate(&self, bearer: &str)
    -> impl Future<Output = Result<Principal, Problem>> + Send;

    /// Whether requests to this path are answered without looking at their credentials.
    fn ignores_credentials(&self, path: &str) -> bool {
        let _ = path;
        false
    }

    /// Bytes of a body at most, at this moment.
    fn body_limit(&self) -> u64;

    /// Answers a request whose body is here. A panic becomes a 500.
    fn call(
        &self,
        parts: &Parts,
        body: Bytes,
        context: &Context<'_>,
    ) -> impl Future<Output = Answered> + Send;

    /// Whether requests can be answered: the store is reachable.
    fn ready(&self) -> impl Future<Output = Result<(), Problem>> + Send;

    /// What `/metrics` shows beside the edge's own figures.
    fn gauges(&self) -> Vec<Gauge> {
        Vec::new()
    }
}
