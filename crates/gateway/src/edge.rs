//! One request across the edge, from its head to its log line.

use crate::access_log::AccessLog;
use crate::body;
use crate::guard::Vital;
use crate::line::{Line, bounded, millis, number};
use crate::metrics::Metrics;
use crate::options::{Options, Timing};
use crate::probes;
use crate::problem;
use crate::request_id::{RequestId, X_REQUEST_ID};
use crate::service::{Answered, Context, Service};
use bytes::Bytes;
use http::header::{
    AUTHORIZATION, CONTENT_LENGTH, HOST, HeaderMap, HeaderName, HeaderValue, TRANSFER_ENCODING,
    X_CONTENT_TYPE_OPTIONS,
};
use http::request::Parts;
use http::{Method, Request, Response, Version};
use http_body_util::Full;
use hyper::body::Body;
use spec::{Code, Principal, PrincipalKind, Problem, Uuid};
use std::any::Any;
use std::borrow::Cow;
use std::fmt::Display;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::Poll;
use std::time::{Duration, Instant};

const SERVER_TIMING: HeaderName = HeaderName::from_static("server-timing");
/// The label of what never came to a route.
const NOWHERE: &str = "edge";

/// A service with the edge around it.
pub struct Edge<S> {
    service: S,
    options: Options,
    log: AccessLog,
    metrics: Metrics,
    draining: AtomicBool,
    bodies: body::Room,
    /// Made once: an anonymous principal has an empty list on the heap.
    anonymous: Principal,
}

impl<S: Service> Edge<S> {
    pub fn new(service: S, options: Options, log: AccessLog) -> Edge<S> {
        Edge {
            bodies: body::Room::new(options.bodies),
            service,
            options,
            log,
            metrics: Metrics::default(),
            draining: AtomicBool::new(false),
            anonymous: Principal::anonymous(),
        }
    }

    pub fn service(&self) -> &S {
        &self.service
    }

    pub fn options(&self) -> &Options {
        &self.options
    }

    pub fn metrics(&self) -> &Metrics {
        &self.metrics
    }

    pub fn log(&self) -> &AccessLog {
        &self.log
    }

    /// `/readyz` says no from now on.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Release);
    }

    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Acquire)
    }

    /// Answers a request of this process: it crosses all that one from a socket does, but for the socket.
    pub async fn answer(&self, request: Request<Bytes>, peer: SocketAddr) -> Response<Bytes> {
        let vital = Vital::new(&self.options);
        self.handle(request.map(Full::new), peer, &vital).await
    }

    pub(crate) async fn handle<B>(
        &self,
        request: Request<B>,
        peer: SocketAddr,
        vital: &Vital,
    ) -> Response<Bytes>
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        let (parts, body) = request.into_parts();
        let mut entry = Entry::begin(self, &parts, vital);
        let mut answered = {
            let crossing = self.cross(&parts, body, peer, vital, &mut entry.principal, &entry.id);
            match caught(pin!(crossing)).await {
                Ok(answered) => answered,
                Err(panic) => {
                    let problem = Problem::internal(format!("panic: {}", said(&*panic)));
                    problem::answered(problem, entry.id.as_str(), NOWHERE)
                }
            }
        };
        if entry.is_too_much(&answered) {
            answered = Answered {
                route: answered.route,
                ..problem::answered(untaken(self.options.untaken), entry.id.as_str(), NOWHERE)
            };
        }
        entry.finish(answered)
    }

    /// The stages of the edge, in order; the first that refuses answers.
    async fn cross<B>(
        &self,
        parts: &Parts,
        body: B,
        peer: SocketAddr,
        vital: &Vital,
        who: &mut (PrincipalKind, Option<Uuid>),
        id: &RequestId,
    ) -> Answered
    where
        B: Body<Data = Bytes, Error: Display> + Unpin,
    {
        let id = id.as_str();
        if let Err(problem) = self.within_bounds(parts, vital) {
            return problem::answered(problem, id, NOWHERE);
        }
        let path = parts.uri.path();
        if let Some(probe) = probes::find(path) {
            return Box::pin(probe.answer(self, parts, peer, id)).await;
        }
        if let Some(response) = self.options.cors.preflight(parts) {
            return Answered {
                response,
                route: Cow::Borrowed("preflight"),
                plan: Duration::ZERO,
                store: Duration::ZERO,
                code: None,
                cause: None,
            };
        }
        let known;
        let principal = match self.identify(parts).await {
            Ok(None) => &self.anonymous,
            Ok(Some(principal)) => {
                known = principal;
                &known
            }
            Err(problem) => return problem::answered(problem, id, NOWHERE),
        };
        *who = (principal.kind, principal.id);
        let body = match parts.method {
            // Theirs says nothing (RFC 9110, 9.3.1 and 9.3.5), so it is not waited for.
            Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS => Bytes::new(),
            _ => {
                let limit = self.service.body_limit();
                match body::collect(body, limit, self.options.body_time, &self.bodies).await {
                    Ok(body) => body,
                    Err(problem) => return problem::answered(problem, id, NOWHERE),
                }
            }
        };
        let context = Context {
            request_id: id,
            principal,
            peer,
        };
        self.service.call(parts, body, &context).await
    }

    fn within_bounds(&self, parts: &Parts, vital: &Vital) -> Result<(), Problem> {
        if vital.untaken.bytes() > self.options.untaken {
            return Err(untaken(self.options.untaken));
        }
        let address = parts
            .uri
            .path_and_query()
            .map_or(0, |address| address.as_str().len());
        if address > self.options.address {
            let most = self.options.address;
            return Err(Problem::new(
                Code::QueryTooLong,
                format!("The address has {address} bytes; {most} are allowed."),
            )
            .limited("limits.address", most as u64));
        }
        let (mut headers, mut hosts, mut codings) = (0, 0, 0);
        let mut only_chunked = true;
        for (name, value) in &parts.headers {
            headers += name.as_str().len() + value.len();
            if *name == HOST {
                hosts += 1;
            } else if *name == TRANSFER_ENCODING {
                codings += 1;
                only_chunked &= value.as_bytes().eq_ignore_ascii_case(b"chunked");
            }
        }
        if headers > self.options.headers {
            let most = self.options.headers;
            return Err(Problem::new(
                Code::HeaderTooLarge,
                format!("The headers have {headers} bytes; {most} are allowed."),
            )
            .limited("limits.headers", most as u64));
        }
        // RFC 9112, 3.2. HTTP/2 has another field for it.
        if hosts > 1 || (hosts == 0 && parts.version == Version::HTTP_11) {
            let detail = format!("The request has {hosts} Host headers instead of one.");
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        // hyper undoes the last one, chunked, and would leave the others in the body.
        if codings > 1 || !only_chunked {
            let detail = "The only Transfer-Encoding that is understood is chunked.";
            return Err(Problem::new(Code::MalformedRequest, detail));
        }
        Ok(())
    }

    /// Who is calling; none for those who do not say.
    async fn identify(&self, parts: &Parts) -> Result<Option<Principal>, Problem> {
        let Some(bearer) = bearer(&parts.headers) else {
            return Ok(None);
        };
        if self.service.ignores_credentials(parts.uri.path()) {
            return Ok(None);
        }
        self.service.authenticate(bearer?).await.map(Some)
    }
}

/// The token of `Authorization: Bearer …`. Credentials that are not understood are refused: to go on as anonymous
/// would answer another question than was asked.
fn bearer(headers: &HeaderMap) -> Option<Result<&str, Problem>> {
    let mut values = headers.get_all(AUTHORIZATION).iter();
    let value = values.next()?;
    let wrong = |detail| Some(Err(Problem::new(Code::BadToken, detail)));
    if values.next().is_some() {
        return wrong("There are two Authorization headers.");
    }
    let token = value.to_str().ok().and_then(|text| {
        let (scheme, token) = text.split_once(' ')?;
        let token = token.trim();
        (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
    });
    match token {
        Some(token) => Some(Ok(token)),
        None => wrong("The Authorization header is not Bearer with an access token."),
    }
}

/// The problem of a client that asks for more than it takes.
fn untaken(most: usize) -> Problem {
    Problem::new(
        Code::Overloaded,
        format!("A connection has {most} bytes of answers at most that are not taken yet."),
    )
    .retry_after(Duration::from_secs(1))
}

/// What is to be reported of one request, also when its client goes away and nothing of it is polled again.
struct Entry<'r, S: Service> {
    edge: &'r Edge<S>,
    parts: &'r Parts,
    vital: &'r Vital,
    id: RequestId,
    start: Instant,
    principal: (PrincipalKind, Option<Uuid>),
    finished: bool,
}

impl<'r, S: Service> Entry<'r, S> {
    fn begin(edge: &'r Edge<S>, parts: &'r Parts, vital: &'r Vital) -> Entry<'r, S> {
        vital.request_begins();
        edge.metrics.started();
        Entry {
            edge,
            parts,
            vital,
            id: RequestId::of(&parts.headers),
            start: Instant::now(),
            principal: (PrincipalKind::Anonymous, None),
            finished: false,
        }
    }

    /// Whether the answer is more than may lie ready for its client: many requests can come before the first answer
    /// is there to be counted. Only of what can be asked again; a write is done and has to be told.
    fn is_too_much(&self, answered: &Answered) -> bool {
        let ready = self.vital.untaken.bytes();
        ready > 0
            && self.parts.method == Method::GET
            && ready + answered.response.body().len() > self.edge.options.untaken
    }

    /// The response as it goes out, reported.
    fn finish(mut self, answered: Answered) -> Response<Bytes> {
        self.finished = true;
        let Answered {
            response,
            route,
            plan,
            store,
            code,
            cause,
        } = answered;
        let now = Instant::now();
        let took = now.saturating_duration_since(self.start);
        let (mut head, mut body) = response.into_parts();
        let headers = &mut head.headers;
        headers.insert(X_REQUEST_ID, self.id.header());
        headers.insert(
            SERVER_TIMING,
            stages(self.edge.options.timing, plan, store, took),
        );
        headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
        self.edge.options.cors.mark(&self.parts.headers, headers);
        let bytes = body.len();
        if self.parts.method == Method::HEAD && bytes > 0 {
            // HTTP/2 would send the body.
            headers.insert(CONTENT_LENGTH, HeaderValue::from(bytes as u64));
            body = Bytes::new();
        }
        let status = head.status.as_u16();
        self.report(&route, Some(status), took, bytes, code, cause.as_deref());
        self.vital.request_ends(now);
        Response::from_parts(head, body)
    }

    fn report(
        &self,
        route: &str,
        status: Option<u16>,
        took: Duration,
        bytes: usize,
        code: Option<Code>,
        cause: Option<&str>,
    ) {
        self.edge.metrics.finished(route, status, took);
        if self.edge.log.is_off() {
            // The cause of a failure must be found somewhere.
            if status.is_some_and(|status| status >= 500) {
                let request_id = self.id.as_str();
                let cause = cause.map(bounded);
                let cause = cause.as_deref();
                tracing::error!(request_id, cause, "a request failed");
            }
            return;
        }
        self.edge.log.write(&Line {
            time: spec::time::now_micros(),
            method: self.parts.method.as_str(),
            path: self.parts.uri.path(),
            status,
            took,
            bytes,
            request_id: self.id.as_str(),
            route,
            principal: self.principal,
            code,
            cause,
        });
    }
}

impl<S: Service> Drop for Entry<'_, S> {
    fn drop(&mut self) {
        if !self.finished {
            let now = Instant::now();
            let took = now.saturating_duration_since(self.start);
            self.report(NOWHERE, None, took, 0, None, None);
            self.vital.request_ends(now);
        }
    }
}

/// `Server-Timing` (W3C), in milliseconds.
fn stages(timing: Timing, plan: Duration, store: Duration, total: Duration) -> HeaderValue {
    let write: fn(&mut Vec<u8>, Duration) = match timing {
        Timing::Whole => |text, time| number(text, time.as_millis() as u64),
        Timing::Precise => millis,
    };
    let mut text = Vec::with_capacity(80);
    for (name, time) in [("plan;dur=", plan), ("store;dur=", store)] {
        if !time.is_zero() {
            text.extend_from_slice(name.as_bytes());
            write(&mut text, time);
            text.extend_from_slice(b", ");
        }
    }
    text.extend_from_slice(b"total;dur=");
    write(&mut text, total);
    HeaderValue::from_maybe_shared(Bytes::from(text))
        .unwrap_or_else(|_| HeaderValue::from_static("total"))
}

/// A future's output, or what it panicked with: one request's mistake must not end its connection, let alone more.
///
/// Takes the future where it is: handed over, it would be held twice, and moved.
fn caught<F: Future>(
    mut future: Pin<&mut F>,
) -> impl Future<Output = Result<F::Output, Box<dyn Any + Send>>> {
    poll_fn(
        move |cx| match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(cx))) {
            Ok(Poll::Ready(output)) => Poll::Ready(Ok(output)),
            Ok(Poll::Pending) => Poll::Pending,
            Err(panic) => Poll::Ready(Err(panic)),
        },
    )
}

fn said(panic: &(dyn Any + Send)) -> &str {
    panic
        .downcast_ref::<&str>()
        .copied()
        .or_else(|| panic.downcast_ref::<String>().map(String::as_str))
        .unwrap_or("without a message")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_bearer_token_is_understood() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(AUTHORIZATION, HeaderValue::from_str(value).unwrap());
            }
            bearer(&headers).map(|token| token.map(str::to_owned).map_err(|p| p.code))
        };
        assert_eq!(of(&[]), None);
        for good in ["Bearer abc", "bearer abc", "BEARER  abc "] {
            assert_eq!(of(&[good]), Some(Ok("abc".to_owned())), "{good}");
        }
        for bad in ["", "abc", "Bearer", "Bearer ", "Basic YTpi", "Bearerabc"] {
            assert_eq!(of(&[bad]), Some(Err(Code::BadToken)), "{bad}");
        }
        assert_eq!(of(&["Bearer a", "Bearer a"]), Some(Err(Code::BadToken)));
    }

    #[test]
    fn stages_that_took_no_time_are_left_out() {
        let micros = Duration::from_micros;
        let of =
            |timing, plan, store, total| stages(timing, micros(plan), micros(store), micros(total));
        for (timing, text) in [
            (
                Timing::Precise,
                "plan;dur=0.012, store;dur=1.345, total;dur=2.999",
            ),
            (Timing::Whole, "plan;dur=0, store;dur=1, total;dur=2"),
        ] {
            assert_eq!(of(timing, 12, 1345, 2999), text);
        }
        assert_eq!(of(Timing::Precise, 0, 0, 3), "total;dur=0.003");
        assert_eq!(of(Timing::Whole, 0, 0, 3), "total;dur=0");
    }
}
