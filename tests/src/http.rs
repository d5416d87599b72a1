//! A client over real sockets that says exactly what it is told, and keeps every byte that comes back.
//!
//! Not a library's: a test must be able to send what no library would.

use serde_json::Value as Json;
use std::io::{Error, ErrorKind, Result};
use std::net::SocketAddr;
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// Longer than any answer may take, so that a server that hangs fails its test instead of stopping it.
const PATIENCE: Duration = Duration::from_secs(20);

/// An answer, as it came over the wire.
#[derive(Debug, Clone)]
pub struct Reply {
    pub status: u16,
    /// Status line and headers.
    pub head: String,
    pub body: Vec<u8>,
}

impl Reply {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.head.lines().skip(1).find_map(|line| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim())
        })
    }

    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// Head and body, to look for what must not be there.
    pub fn bytes(&self) -> String {
        format!("{}{}", self.head, self.text())
    }

    /// The body; null where there is none.
    #[track_caller]
    pub fn json(&self) -> Json {
        if self.body.is_empty() {
            return Json::Null;
        }
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|e| panic!("{e}: {} {}", self.status, self.text()))
    }

    /// The JSON of an answer with this status.
    #[track_caller]
    pub fn expect(&self, status: u16) -> Json {
        assert_eq!(self.status, status, "{}", self.bytes());
        self.json()
    }

    /// A problem document: its code, after everything that holds for each of them was looked at.
    #[track_caller]
    pub fn problem(&self) -> String {
        let all = self.bytes();
        assert!(self.status >= 400, "{all}");
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{all}"
        );
        let problem = self.json();
        assert_eq!(problem["status"], self.status, "{all}");
        let id = problem["request_id"].as_str().unwrap_or("none");
        assert_eq!(self.header("x-request-id"), Some(id), "{all}");
        for text in ["type", "title", "detail", "code"] {
            assert!(problem[text].is_string(), "no {text}: {all}");
        }
        let code = problem["code"].as_str().unwrap_or_default();
        assert_eq!(
            problem["type"],
            format!("urn:mainstay:problem:{code}"),
            "{all}"
        );
        code.to_owned()
    }

    /// `400 request.bad_id` of a problem, `200` of anything else.
    #[track_caller]
    pub fn word(&self) -> String {
        if self.status >= 400 && !self.body.is_empty() {
            format!("{} {}", self.status, self.problem())
        } else {
            self.status.to_string()
        }
    }

    /// The answer without what differs between any two: the request's id and the times.
    pub fn stable(&self) -> String {
        let own = self.header("x-request-id").unwrap_or("no id").to_owned();
        let head: Vec<&str> = self
            .head
            .lines()
            .filter(|line| {
                let name = line.split(':').next().unwrap_or_default();
                !["date", "server-timing"]
                    .iter()
                    .any(|n| name.eq_ignore_ascii_case(n))
            })
            .collect();
        format!("{}\n{}", head.join("\n"), self.text()).replace(&own, "ID")
    }
}

/// One connection that is kept.
pub struct Connection {
    stream: TcpStream,
    waiting: Vec<u8>,
}

impl Connection {
    pub async fn open(address: SocketAddr) -> Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Connection {
            stream,
            waiting: Vec::new(),
        })
    }

    pub async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        self.stream.write_all(bytes).await
    }

    /// The next answer. `head` says that it has no body whatever its headers say.
    pub async fn answer(&mut self, head: bool) -> Result<Reply> {
        let reading = self.read_answer(head);
        match tokio::time::timeout(PATIENCE, reading).await {
            Ok(answer) => answer,
            Err(_) => Err(Error::new(ErrorKind::TimedOut, "no answer")),
        }
    }

    async fn read_answer(&mut self, without_body: bool) -> Result<Reply> {
        let end = loop {
            if let Some(at) = self.waiting.windows(4).position(|w| w == b"\r\n\r\n") {
                break at + 4;
            }
            self.more().await?;
        };
        let head = String::from_utf8_lossy(&self.waiting[..end]).into_owned();
        self.waiting.drain(..end);
        let mut reply = Reply {
            status: head
                .split(' ')
                .nth(1)
                .and_then(|s| s.parse().ok())
                .ok_or_else(|| Error::other(format!("no status: {head}")))?,
            head,
            body: Vec::new(),
        };
        let length = match reply.header("content-length") {
            _ if without_body || [204, 304].contains(&reply.status) => 0,
            Some(text) => text.parse::<usize>().map_err(Error::other)?,
            None => 0,
        };
        while self.waiting.len() < length {
            self.more().await?;
        }
        reply.body = self.waiting.drain(..length).collect();
        Ok(reply)
    }

    async fn more(&mut self) -> Result<()> {
        match self.stream.read_buf(&mut self.waiting).await? {
            0 => Err(Error::new(ErrorKind::UnexpectedEof, "closed")),
            _ => Ok(()),
        }
    }
}

/// Somebody who calls.
#[derive(Debug, Clone)]
pub struct Caller {
    pub address: SocketAddr,
    pub token: Option<String>,
    /// Empty for the anonymous.
    pub id: String,
}

impl Caller {
    pub fn anonymous(address: SocketAddr) -> Caller {
        Caller {
            address,
            token: None,
            id: String::new(),
        }
    }

    /// The request as bytes, with the caller's token.
    pub fn request(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Vec<u8> {
        let mut head = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n");
        if let Some(token) = &self.token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        if !body.is_empty() || ["POST", "PATCH", "PUT"].contains(&method) {
            head.push_str(&format!("Content-Length: {}\r\n", body.len()));
        }
        head.push_str("\r\n");
        let mut bytes = head.into_bytes();
        bytes.extend_from_slice(body);
        bytes
    }

    pub async fn try_send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> Result<Reply> {
        let mut connection = Connection::open(self.address).await?;
        let request = self.request(method, path, headers, body);
        // A server may refuse a large body before it has taken all of it.
        let _ = connection.send(&request).await;
        connection.answer(method == "HEAD").await
    }

    #[track_caller]
    pub fn send(
        &self,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &[u8],
    ) -> impl Future<Output = Reply> {
        let at = std::panic::Location::caller();
        async move {
            self.try_send(method, path, headers, body)
                .await
                .unwrap_or_else(|e| panic!("{method} {path} at {at}: {e}"))
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], b"").await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        self.send("DELETE", path, &[], b"").await
    }

    pub async fn post(&self, path: &str, body: Json) -> Reply {
        self.json("POST", path, &body).await
    }

    pub async fn patch(&self, path: &str, body: Json) -> Reply {
        self.json("PATCH", path, &body).await
    }

    pub async fn put(&self, path: &str, body: Json) -> Reply {
        self.json("PUT", path, &body).await
    }

    pub async fn json(&self, method: &str, path: &str, body: &Json) -> Reply {
        let headers = [("Content-Type", "application/json")];
        self.send(method, path, &headers, body.to_string().as_bytes())
            .await
    }
}

/// A value of a query string.
pub fn encoded(text: &str) -> String {
    let mut out = String::new();
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}
