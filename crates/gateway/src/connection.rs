//! One connection: which HTTP it speaks, its requests, and its end.

use crate::edge::Edge;
use crate::guard::{Guarded, Vital};
use crate::service::Service;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::sync::watch;

/// What all connections are told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    Serving,
    /// Finish what is in flight.
    Draining,
    /// End.
    Over,
}

/// How a connection of HTTP/2 begins (RFC 9113, 3.4), as far as no method of HTTP/1 does.
const PREFACE: &[u8] = b"PRI ";
/// A head that does not fit is answered by hyper, without a body; a smaller one that is too large by the edge.
const HEAD_BUFFER: usize = 64 * 1024;

/// Serves a connection to its end. What goes wrong on it is the client's to see.
pub async fn run<S: Service>(
    socket: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge<S>>,
    stage: watch::Receiver<Stage>,
) {
    let vital = Arc::new(Vital::new(edge.options()));
    let Some(is_http2) = speaks_http2(&socket, &vital, stage.clone()).await else {
        return;
    };
    let io = Guarded::new(socket, Arc::clone(&vital), !is_http2);
    let service = service_fn(|request| {
        let (edge, vital) = (Arc::clone(&edge), Arc::clone(&vital));
        async move { Ok::<_, Infallible>(edge.handle(request, peer, &vital).await) }
    });
    if is_http2 {
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(HEAD_BUFFER as u32)
            .max_concurrent_streams(128)
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .serve_connection(io, service);
        drive(connection, &vital, &edge, stage, |c| c.graceful_shutdown()).await;
    } else {
        let connection = http1::Builder::new()
            .max_buf_size(HEAD_BUFFER)
            .serve_connection(io, service);
        drive(connection, &vital, &edge, stage, |c| c.graceful_shutdown()).await;
    }
}

async fn drive<C: Future<Output = hyper::Result<()>>, S: Service>(
    connection: C,
    vital: &Vital,
    edge: &Edge<S>,
    mut stage: watch::Receiver<Stage>,
    stop: impl Fn(Pin<&mut C>),
) {
    let mut connection = pin!(connection);
    let mut told = pin!(async move {
        let _ = stage.wait_for(|s| *s >= Stage::Draining).await;
        stage
    });
    let mut look = pin!(tokio::time::sleep(vital.interval()));
    let mut rest = None;
    let mut listening = false;
    // Until it is time to finish.
    let ended = poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            note(result);
            return Poll::Ready(true);
        }
        if overdue(look.as_mut(), vital, cx) {
            return Poll::Ready(true);
        }
        // Polled once to be woken, and then only when there is something to hear: it takes a lock.
        if (!listening || edge.is_draining())
            && let Poll::Ready(stage) = told.as_mut().poll(cx)
        {
            rest = Some(stage);
            return Poll::Ready(false);
        }
        listening = true;
        Poll::Pending
    })
    .await;
    // hyper would wait for a first request that may never come.
    if ended || vital.is_untouched() {
        return;
    }
    stop(connection.as_mut());
    let mut over = pin!(async move {
        if let Some(stage) = &mut rest {
            let _ = stage.wait_for(|s| *s == Stage::Over).await;
        }
    });
    poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            note(result);
            return Poll::Ready(());
        }
        if overdue(look.as_mut(), vital, cx) {
            return Poll::Ready(());
        }
        over.as_mut().poll(cx)
    })
    .await;
}

fn overdue(
    mut look: Pin<&mut tokio::time::Sleep>,
    vital: &Vital,
    cx: &mut std::task::Context<'_>,
) -> bool {
    while look.as_mut().poll(cx).is_ready() {
        let now = Instant::now();
        if vital.is_overdue(now) {
            tracing::debug!("a connection was closed because its client is too slow");
            return true;
        }
        look.as_mut().reset((now + vital.interval()).into());
    }
    false
}

fn note(result: hyper::Result<()>) {
    if let Err(error) = result {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Looks at the first bytes without taking them. None when nothing comes.
async fn speaks_http2(
    socket: &TcpStream,
    vital: &Vital,
    mut stage: watch::Receiver<Stage>,
) -> Option<bool> {
    let sniff = async {
        let mut first = [0; PREFACE.len()];
        loop {
            let seen = socket.peek(&mut first).await.ok()?;
            if seen == 0 {
                return None;
            }
            if first[..seen] != PREFACE[..seen] {
                return Some(false);
            }
            if seen == PREFACE.len() {
                return Some(true);
            }
            // A piece of the preface, or of POST, PUT, PATCH: the socket stays readable, so it is not waited for.
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let bounded = async {
        loop {
            tokio::time::sleep(vital.interval()).await;
            if vital.is_overdue(Instant::now()) {
                return;
            }
        }
    };
    tokio::select! {
        biased;
        seen = sniff => seen,
        () = bounded => None,
        _ = stage.wait_for(|s| *s >= Stage::Draining) => None,
    }
}
