//! The same over HTTP/2, which a client may speak from its first byte.

use crate::subject::{BIG, Stopping, Subject, both, short};
use bytes::Bytes;
use gateway::Options;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http2::{Builder, SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

async fn connect(subject: &Subject) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(subject.address).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// A client that lets each answer send `window` bytes until it takes some.
async fn connect_with(
    subject: &Subject,
    window: u32,
) -> (SendRequest<Full<Bytes>>, JoinHandle<hyper::Result<()>>) {
    let socket = TcpStream::connect(subject.address).await.unwrap();
    let (client, connection) = Builder::new(TokioExecutor::new())
        .initial_stream_window_size(window)
        .handshake(TokioIo::new(socket))
        .await
        .unwrap();
    (client, tokio::spawn(connection))
}

/// The head of an answer, and its body, of which nothing was taken.
async fn begin(
    client: &mut SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
) -> hyper::Result<Response<Incoming>> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://x{path}"))
        .body(Full::new(Bytes::new()))
        .unwrap();
    client.ready().await?;
    client.send_request(request).await
}

async fn send(
    client: &mut SendRequest<Full<Bytes>>,
    method: &str,
    path: &str,
    body: &'static str,
) -> Response<Bytes> {
    let request = Request::builder()
        .method(method)
        .uri(format!("http://x{path}"))
        .body(Full::new(Bytes::from_static(body.as_bytes())))
        .unwrap();
    let (head, body) = client.send_request(request).await.unwrap().into_parts();
    Response::from_parts(head, body.collect().await.unwrap().to_bytes())
}

#[tokio::test]
async fn requests_share_a_connection() {
    for options in both() {
        let subject = Subject::start(options);
        let mut client = connect(&subject).await;
        let answer = send(&mut client, "POST", "/a", "abc").await;
        assert_eq!(answer.body(), "POST /a nobody 3");
        assert_eq!(answer.headers()["x-content-type-options"], "nosniff");
        let head = send(&mut client, "HEAD", "/a", "").await;
        assert_eq!(head.headers()["content-length"], "16");
        assert!(head.body().is_empty());
        let (mut one, mut two) = (client.clone(), client.clone());
        let (slow, panicked) = tokio::join!(
            send(&mut one, "GET", "/slow", ""),
            send(&mut two, "GET", "/panic", "")
        );
        assert_eq!(
            (slow.status().as_u16(), panicked.status().as_u16()),
            (200, 500)
        );
        let too_large: &'static str = "x".repeat(65 * 1024).leak();
        let refused = send(&mut client, "POST", "/a", too_large).await;
        assert_eq!(refused.status(), 413);
        assert_eq!(send(&mut client, "GET", "/b", "").await.status(), 200);
    }
}

#[tokio::test]
async fn what_is_in_flight_is_finished_before_the_end() {
    let [options, _] = both();
    let subject = Subject::start(options);
    let mut client = connect(&subject).await;
    let mut busy = client.clone();
    let slow = tokio::spawn(async move { send(&mut busy, "GET", "/slow", "").await });
    tokio::time::sleep(Duration::from_millis(100)).await;
    let stopping: Stopping = subject.stop();
    assert_eq!(slow.await.unwrap().status(), 200);
    assert_eq!(
        tokio::task::spawn_blocking(move || stopping.wait())
            .await
            .unwrap()
            .cut_off,
        0
    );
    let request = Request::new(Full::new(Bytes::new()));
    assert!(client.send_request(request).await.is_err());
}

#[tokio::test]
async fn an_answer_that_is_not_taken_is_not_kept() {
    for options in both() {
        let subject = Subject::start(options);
        let (mut client, connection) = connect_with(&subject, 0).await;
        let start = Instant::now();
        let kept = begin(&mut client, "GET", "/big").await.unwrap();
        assert_eq!(kept.status(), 200);
        // Asking for something small now and then does not make it taken.
        while !connection.is_finished() {
            let _ = begin(&mut client, "HEAD", "/livez").await;
            tokio::time::sleep(Duration::from_millis(50)).await;
            let took = start.elapsed();
            assert!(took < Duration::from_secs(3), "still open after {took:?}");
        }
        assert!(start.elapsed() > Duration::from_millis(200));
        assert!(kept.into_body().collect().await.is_err());
        assert_eq!(subject.client().get("/x", "").status, 200);
    }
}

#[tokio::test]
async fn an_answer_that_is_taken_slowly_is_kept() {
    let subject = Subject::start(Options {
        // Shorter than all of it takes, longer than a piece does.
        idle_time: Duration::from_millis(300),
        ..short()
    });
    let (mut client, connection) = connect_with(&subject, 3 << 20).await;
    let mut body = begin(&mut client, "GET", "/big").await.unwrap().into_body();
    let (mut length, mut slept) = (0, 0);
    while let Some(frame) = body.frame().await {
        length += frame.unwrap().into_data().unwrap().len();
        if length / (3 << 20) > slept {
            slept += 1;
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }
    assert_eq!(length, BIG);
    assert!(slept >= 10 && !connection.is_finished());
    assert_eq!(send(&mut client, "GET", "/x", "").await.status(), 200);
}

#[tokio::test]
async fn a_connection_leaves_so_much_untaken_and_no_more() {
    let subject = Subject::start(Options {
        untaken: BIG + 1000,
        write_time: Duration::from_secs(5),
        ..short()
    });
    let (mut client, _) = connect_with(&subject, 0).await;
    let first = begin(&mut client, "GET", "/big").await.unwrap();
    let small = begin(&mut client, "GET", "/x").await.unwrap();
    let second = begin(&mut client, "GET", "/big").await.unwrap();
    let write = begin(&mut client, "POST", &format!("/{}", "x".repeat(2000)))
        .await
        .unwrap();
    let late = begin(&mut client, "POST", "/late").await.unwrap();
    let statuses = [&first, &small, &second, &write, &late].map(|a| a.status().as_u16());
    // What was done is said to be done, whatever it takes; and with that it is too much.
    assert_eq!(statuses, [200, 200, 503, 200, 503]);
    assert_eq!(second.headers()["retry-after"], "1");
    // Who takes it, or lets go of it, may go on.
    drop(first);
    tokio::time::sleep(Duration::from_millis(50)).await;
    assert_eq!(begin(&mut client, "GET", "/x").await.unwrap().status(), 200);
    drop((client, small, second, write, late));
    let lines = tokio::task::spawn_blocking(|| subject.lines())
        .await
        .unwrap();
    assert_eq!(lines[2]["code"], "limit.overloaded", "{}", lines[2]);
    assert_eq!(lines[2]["route"], "echo");
    assert_eq!(lines[4]["code"], "limit.overloaded", "{}", lines[4]);
}
