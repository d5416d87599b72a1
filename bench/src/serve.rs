//! How both hand-written programs are served: a thread per core, each with a runtime, a router and
//! database connections of its own, so that a request never crosses threads; hyper's HTTP/1 under
//! axum's router. The accepting thread deals connections out in turn.

use std::{
    io,
    net::{TcpListener, TcpStream},
    sync::mpsc,
    thread,
};

use axum::{
    Router,
    body::Body,
    http::{HeaderValue, StatusCode, header},
    response::Response,
};
use hyper::server::conn::http1;
use hyper_util::{rt::TokioIo, service::TowerToHyperService};
use tokio::sync::mpsc::{Sender, channel};

/// Serves at `listen` for ever; `router` is called once in each thread, inside its runtime.
pub fn serve<F, R>(listen: &str, threads: usize, router: F) -> io::Result<()>
where
    F: Fn() -> R + Clone + Send + 'static,
    R: Future<Output = Router>,
{
    let listener = TcpListener::bind(listen)?;
    let workers = (0..threads)
        .map(|_| worker(router.clone()))
        .collect::<io::Result<Vec<_>>>()?;
    for turn in 0.. {
        let (stream, _) = listener.accept()?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        workers[turn % threads]
            .blocking_send(stream)
            .map_err(io::Error::other)?;
    }
    Ok(())
}

/// Starts a thread and returns when its router is ready.
fn worker<F, R>(router: F) -> io::Result<Sender<TcpStream>>
where
    F: Fn() -> R + Send + 'static,
    R: Future<Output = Router>,
{
    let (send, mut connections) = channel::<TcpStream>(64);
    let (ready, is_ready) = mpsc::channel();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    thread::spawn(move || {
        runtime.block_on(async move {
            let router = router().await;
            ready.send(()).expect("the starting thread waits");
            while let Some(stream) = connections.recv().await {
                let stream =
                    TokioIo::new(tokio::net::TcpStream::from_std(stream).expect("a socket"));
                let service = TowerToHyperService::new(router.clone());
                // A client that goes away is not worth a word.
                tokio::spawn(http1::Builder::new().serve_connection(stream, service));
            }
        });
    });
    is_ready.recv().map_err(io::Error::other)?;
    Ok(send)
}

/// A JSON answer.
pub fn json(status: StatusCode, body: Vec<u8>) -> Response {
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = status;
    let json = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, json);
    response
}

/// An answer without anything to say.
pub fn empty(status: StatusCode) -> Response {
    json(status, b"{}".to_vec())
}

/// What went wrong goes to standard error, not to the caller.
pub fn failed(error: impl std::fmt::Display) -> Response {
    #[expect(clippy::print_stderr, reason = "the programs have no log")]
    {
        eprintln!("{error}");
    }
    empty(StatusCode::INTERNAL_SERVER_ERROR)
}
