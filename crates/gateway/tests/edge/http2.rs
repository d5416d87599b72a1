//! The same over HTTP/2, which a client may speak from its first byte.

use crate::subject::{Stopping, Subject, both};
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt, Full};
use hyper::client::conn::http2::{SendRequest, handshake};
use hyper_util::rt::{TokioExecutor, TokioIo};
use std::time::Duration;
use tokio::net::TcpStream;

async fn connect(subject: &Subject) -> SendRequest<Full<Bytes>> {
    let socket = TcpStream::connect(subject.address).await.unwrap();
    let (client, connection) = handshake(TokioExecutor::new(), TokioIo::new(socket))
        .await
        .unwrap();
    tokio::spawn(connection);
    client
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
