//! One connection: which HTTP it speaks, its requests, and its end.

use crate::edge::Edge;
use crate::guard::{Guarded, Vital};
use crate::options::Options;
use crate::refusal;
use crate::service::Service;
use crate::untaken::Counted;
use bytes::Bytes;
use http_body_util::Full;
use hyper::server::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioTimer};
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::net::SocketAddr;
use std::pin::{Pin, pin};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::task::Poll;
use std::time::{Duration, Instant};
use tokio::io::AsyncReadExt;
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

/// A head that does not fit is refused as it comes; a smaller one that is too large by the edge, which can say what
/// is. So there is room for what is allowed and for what HTTP puts between it.
pub fn head_buffer(options: &Options) -> usize {
    (2 * (options.address + options.headers)).max(64 * 1024)
}

/// Serves a connection to its end. What goes wrong on it is the client's to see.
pub async fn run<S: Service>(
    mut socket: TcpStream,
    peer: SocketAddr,
    edge: Arc<Edge<S>>,
    stage: watch::Receiver<Stage>,
) {
    let vital = Arc::new(Vital::new(edge.options()));
    let (is_http2, first) = match speaks_http2(&mut socket, &vital, stage.clone()).await {
        Sniffed::Http1(first) => (false, first),
        Sniffed::Http2(first) => (true, first),
        Sniffed::Slow => {
            let problem = refusal::slow(edge.options());
            let took = edge.options().head_time;
            return refusal::answer(socket, problem, &edge, took).await;
        }
        Sniffed::Nothing => return,
    };
    let io = Guarded::new(socket, first, Arc::clone(&vital), !is_http2);
    if is_http2 {
        let service = service_fn(|request| {
            let (edge, vital) = (Arc::clone(&edge), Arc::clone(&vital));
            async move {
                let response = edge.handle(request, peer, &vital).await;
                Ok::<_, Infallible>(response.map(|body| Counted::new(body, vital)))
            }
        });
        let connection = http2::Builder::new(TokioExecutor::new())
            .timer(TokioTimer::new())
            .max_header_list_size(head_buffer(edge.options()) as u32)
            .max_concurrent_streams(128)
            .keep_alive_interval(Some(Duration::from_secs(20)))
            .serve_connection(io, service);
        let connection = pin!(connection);
        drive(connection, &vital, &edge, stage, |c| c.graceful_shutdown()).await;
    } else {
        let service = service_fn(|request| {
            let (edge, vital) = (Arc::clone(&edge), Arc::clone(&vital));
            async move { Ok::<_, Infallible>(edge.handle(request, peer, &vital).await.map(Full::new)) }
        });
        let mut connection = http1::Builder::new()
            .max_buf_size(head_buffer(edge.options()))
            .serve_connection(io, service);
        let pinned = Pin::new(&mut connection);
        let end = drive(pinned, &vital, &edge, stage, |c| c.graceful_shutdown()).await;
        let refused = vital.refused();
        let parts = connection.into_parts();
        let problem = match (end, refused) {
            (End::Failed(error), Some(status)) => {
                refusal::unreadable(status, &error, &parts.read_buf, &edge)
            }
            (End::Slow, None) if vital.waits_for_head() => refusal::slow(edge.options()),
            (End::Done | End::Failed(_) | End::Slow, _) => return,
        };
        let socket = parts.io.into_socket();
        let took = vital.head_took(Instant::now());
        refusal::answer(socket, problem, &edge, took).await;
    }
}

/// How a connection ended.
enum End {
    Done,
    Failed(hyper::Error),
    /// Its client let a time run out.
    Slow,
}

impl End {
    fn of(result: hyper::Result<()>) -> End {
        match result {
            Ok(()) => End::Done,
            Err(error) => {
                tracing::debug!(%error, "a connection ended early");
                End::Failed(error)
            }
        }
    }
}

async fn drive<C: Future<Output = hyper::Result<()>>, S: Service>(
    mut connection: Pin<&mut C>,
    vital: &Vital,
    edge: &Edge<S>,
    mut stage: watch::Receiver<Stage>,
    stop: impl Fn(Pin<&mut C>),
) -> End {
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
            return Poll::Ready(Some(End::of(result)));
        }
        if overdue(look.as_mut(), vital, cx) {
            return Poll::Ready(Some(End::Slow));
        }
        // Polled once to be woken, and then only when there is something to hear: it takes a lock.
        if (!listening || edge.is_draining())
            && let Poll::Ready(stage) = told.as_mut().poll(cx)
        {
            rest = Some(stage);
            return Poll::Ready(None);
        }
        listening = true;
        Poll::Pending
    })
    .await;
    if let Some(end) = ended {
        return end;
    }
    // hyper would wait for a first request that may never come.
    if vital.is_untouched() {
        return End::Done;
    }
    stop(connection.as_mut());
    let mut over = pin!(async move {
        if let Some(stage) = &mut rest {
            let _ = stage.wait_for(|s| *s == Stage::Over).await;
        }
    });
    poll_fn(|cx| {
        if let Poll::Ready(result) = connection.as_mut().poll(cx) {
            return Poll::Ready(End::of(result));
        }
        if overdue(look.as_mut(), vital, cx) {
            return Poll::Ready(End::Slow);
        }
        over.as_mut().poll(cx).map(|()| End::Done)
    })
    .await
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

/// What the first bytes say, and those of them that had to be taken.
enum Sniffed {
    Http1(Bytes),
    Http2(Bytes),
    /// Something began, and did not come so far that it can be told what.
    Slow,
    Nothing,
}

/// What begins with these bytes, as soon as they say.
fn spoken(first: &[u8], taken: bool) -> Option<Sniffed> {
    let kept = || {
        if taken {
            Bytes::copy_from_slice(first)
        } else {
            Bytes::new()
        }
    };
    if !PREFACE.starts_with(first) {
        Some(Sniffed::Http1(kept()))
    } else if first.len() == PREFACE.len() {
        Some(Sniffed::Http2(kept()))
    } else {
        None
    }
}

/// Looks at the first bytes.
async fn speaks_http2(
    socket: &mut TcpStream,
    vital: &Vital,
    mut stage: watch::Receiver<Stage>,
) -> Sniffed {
    let begun = AtomicBool::new(false);
    let sniff = async {
        let mut first = [0; PREFACE.len()];
        let Ok(seen @ 1..) = socket.peek(&mut first).await else {
            return Sniffed::Nothing;
        };
        if let Some(said) = spoken(&first[..seen], false) {
            return said;
        }
        begun.store(true, Relaxed);
        // A piece of the preface, or of POST, PUT, PATCH. Left in the socket it would keep it readable, and neither
        // more bytes nor the end of them could be waited for.
        let mut taken = 0;
        loop {
            let Ok(read @ 1..) = socket.read(&mut first[taken..]).await else {
                return Sniffed::Nothing;
            };
            taken += read;
            if let Some(said) = spoken(&first[..taken], true) {
                return said;
            }
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
        () = bounded => if begun.load(Relaxed) { Sniffed::Slow } else { Sniffed::Nothing },
        _ = stage.wait_for(|s| *s >= Stage::Draining) => Sniffed::Nothing,
    }
}
