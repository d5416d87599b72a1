//! The last answer of a connection whose next request cannot be read: no [`crate::Service`] can answer it, and
//! where it ends, and the next one begins, is not known.
//!
//! hyper answers some of these by itself: a status line without a body, which nothing here would count or log. So
//! [`crate::guard::Guarded`] keeps hyper's answer from the socket, and this one is written when hyper is done. It
//! is HTTP/1 alone. In HTTP/2 a request that cannot be read is a stream or a connection reset with a code
//! (RFC 9113, 5.4), which the h2 crate does below anything that could answer a document.

use crate::body;
use crate::connection::head_buffer;
use crate::edge::Edge;
use crate::line::Line;
use crate::options::Options;
use crate::problem;
use crate::request_id::{RequestId, X_REQUEST_ID};
use crate::service::Service;
use bytes::Bytes;
use http::Response;
use http::header::{
    CONNECTION, CONTENT_LENGTH, DATE, HeaderName, HeaderValue, X_CONTENT_TYPE_OPTIONS,
};
use spec::{Code, PrincipalKind, Problem};
use std::time::{Duration, SystemTime};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// The route of the log line and the metrics.
const ROUTE: &str = "unreadable";
/// What is still taken from a client that goes on sending, so that it comes to read the answer: closing a socket
/// with unread bytes resets it, and the reset may overtake what was written.
const LINGER: Duration = Duration::from_secs(1);
const LINGER_BYTES: usize = 1024 * 1024;

/// The problem of a request that hyper refused with `status`, for the reason that `error` gives. `unread` is what it
/// had not taken from its buffer.
pub fn unreadable<S: Service>(
    status: u16,
    error: &hyper::Error,
    unread: &[u8],
    edge: &Edge<S>,
) -> Problem {
    let options = edge.options();
    match status {
        // Also hyper's answer to a Content-Length that it cannot count to. Then the head was taken.
        431 if unread.len() < head_buffer(options) && !has_request_line(unread) => {
            body::too_large(edge.service().body_limit())
        }
        431 => Problem::new(
            Code::HeaderTooLarge,
            format!(
                "The headers have more than {} bytes, or there are more than 100 of them.",
                options.headers
            ),
        )
        .limited("limits.headers", options.headers as u64),
        414 => Problem::new(
            Code::QueryTooLong,
            format!("The address has more than {} bytes.", options.address),
        )
        .limited("limits.address", options.address as u64),
        // hyper's texts are fixed, and say nothing but which part it did not understand.
        _ => Problem::new(
            Code::MalformedRequest,
            format!("This is not a request of HTTP/1.1: {error}."),
        ),
    }
}

fn has_request_line(unread: &[u8]) -> bool {
    let version = b" HTTP/1.";
    unread.windows(version.len()).any(|part| part == version)
}

/// The problem of a head that does not end.
pub fn slow(options: &Options) -> Problem {
    let time = options.head_time;
    Problem::new(
        Code::RequestTimeout,
        format!(
            "The request's head did not arrive within {} s.",
            time.as_secs_f32()
        ),
    )
    .limited("limits.head_time", time.as_millis() as u64)
}

/// Answers, counts and logs it, and ends the connection.
pub async fn answer<S: Service>(
    mut socket: TcpStream,
    problem: Problem,
    edge: &Edge<S>,
    took: Duration,
) {
    let id = RequestId::new();
    edge.metrics().started();
    let answered = problem::answered(problem, id.as_str(), ROUTE);
    let status = answered.response.status().as_u16();
    let (bytes, code) = (answered.response.body().len(), answered.code);
    let text = written(answered.response, &id);
    // As for any answer, before it is on its way: who has it can find it in the log.
    edge.metrics().finished(ROUTE, Some(status), took);
    if !edge.log().is_off() {
        edge.log().write(&Line {
            time: spec::time::now_micros(),
            // What there is of them is not known to be any.
            method: "-",
            path: "-",
            status: Some(status),
            took,
            bytes,
            request_id: id.as_str(),
            route: ROUTE,
            principal: (PrincipalKind::Anonymous, None),
            code,
            cause: None,
        });
    }
    let write = async {
        socket.write_all(&text).await?;
        socket.shutdown().await
    };
    let written = tokio::time::timeout(edge.options().write_time, write).await;
    if matches!(written, Ok(Ok(()))) {
        let _ = tokio::time::timeout(LINGER, drain(&mut socket)).await;
    }
}

async fn drain(socket: &mut TcpStream) {
    let mut chunk = [0; 4096];
    let mut left = LINGER_BYTES;
    while let Ok(read @ 1..) = socket.read(&mut chunk).await {
        left = left.saturating_sub(read);
        if left == 0 {
            return;
        }
    }
}

/// The response as HTTP/1.1 writes it.
fn written(response: Response<Bytes>, id: &RequestId) -> Vec<u8> {
    let (mut head, body) = response.into_parts();
    let date = httpdate::fmt_http_date(SystemTime::now());
    let own: [(HeaderName, HeaderValue); 5] = [
        (X_REQUEST_ID, id.header()),
        (X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
        (CONNECTION, HeaderValue::from_static("close")),
        (CONTENT_LENGTH, HeaderValue::from(body.len())),
        (
            DATE,
            HeaderValue::from_str(&date).unwrap_or_else(|_| HeaderValue::from_static("")),
        ),
    ];
    head.headers.extend(own);
    let mut out = Vec::with_capacity(512 + body.len());
    out.extend_from_slice(b"HTTP/1.1 ");
    out.extend_from_slice(head.status.as_str().as_bytes());
    out.push(b' ');
    let reason = head.status.canonical_reason().unwrap_or_default();
    out.extend_from_slice(reason.as_bytes());
    for (name, value) in &head.headers {
        out.extend_from_slice(b"\r\n");
        out.extend_from_slice(name.as_str().as_bytes());
        out.extend_from_slice(b": ");
        out.extend_from_slice(value.as_bytes());
    }
    out.extend_from_slice(b"\r\n\r\n");
    out.extend_from_slice(&body);
    out
}
