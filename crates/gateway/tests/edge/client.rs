//! A client that does what it is told, byte by byte.

use std::collections::HashMap;
use std::io::{ErrorKind, Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

pub struct Client {
    socket: TcpStream,
    /// Came, and was not read yet.
    rest: Vec<u8>,
}

#[derive(Debug)]
pub struct Answer {
    pub status: u16,
    pub headers: HashMap<String, String>,
    pub body: String,
}

impl Answer {
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub fn code(&self) -> String {
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        assert_eq!(problem["request_id"], self.header("x-request-id"));
        problem["code"].as_str().unwrap().to_owned()
    }
}

impl Client {
    pub fn connect(address: SocketAddr) -> Client {
        let socket = TcpStream::connect(address).unwrap();
        socket
            .set_read_timeout(Some(Duration::from_secs(5)))
            .unwrap();
        Client {
            socket,
            rest: Vec::new(),
        }
    }

    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        // The server may have hung up in the meantime, which some tests are about.
        let _ = self.socket.write_all(bytes.as_ref());
    }

    /// What comes until the other side hangs up or is silent for a moment.
    pub fn until_closed(&mut self) -> (String, bool) {
        loop {
            match self.more() {
                Ok(0) => return (String::from_utf8_lossy(&self.rest).into_owned(), true),
                Ok(_) => {}
                Err(error) if error.kind() == ErrorKind::ConnectionReset => {
                    return (String::from_utf8_lossy(&self.rest).into_owned(), true);
                }
                Err(_) => return (String::from_utf8_lossy(&self.rest).into_owned(), false),
            }
        }
    }

    pub fn silent_for(&mut self, time: Duration) {
        self.socket.set_read_timeout(Some(time)).unwrap();
    }

    pub fn finish_sending(&mut self) {
        self.socket.shutdown(std::net::Shutdown::Write).unwrap();
    }

    /// Takes from the socket until there are so many bytes, or no more have come; answers how many there are.
    pub fn take(&mut self, bytes: usize) -> usize {
        while self.rest.len() < bytes && self.more().is_ok_and(|read| read > 0) {}
        self.rest.len()
    }

    fn more(&mut self) -> std::io::Result<usize> {
        let mut chunk = [0; 16 * 1024];
        let read = self.socket.read(&mut chunk)?;
        self.rest.extend_from_slice(&chunk[..read]);
        Ok(read)
    }

    /// The next whole answer; of a HEAD, or with a status that has none, without a body.
    pub fn answer_of(&mut self, head_only: bool) -> Answer {
        let end = loop {
            if let Some(at) = self.rest.windows(4).position(|w| w == b"\r\n\r\n") {
                break at;
            }
            assert!(
                self.more().unwrap() > 0,
                "hung up after {:?}",
                String::from_utf8_lossy(&self.rest)
            );
        };
        let head: Vec<u8> = self.rest.drain(..end + 4).collect();
        let head = String::from_utf8(head).unwrap();
        let mut lines = head.lines();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let headers: HashMap<String, String> = lines
            .filter_map(|line| line.split_once(": "))
            .map(|(name, value)| (name.to_lowercase(), value.to_owned()))
            .collect();
        let length = match headers.get("content-length") {
            Some(length) if !head_only => length.parse().unwrap(),
            _ => 0,
        };
        while self.rest.len() < length {
            assert!(self.more().unwrap() > 0, "hung up inside a body");
        }
        let body: Vec<u8> = self.rest.drain(..length).collect();
        Answer {
            status,
            headers,
            body: String::from_utf8(body).unwrap(),
        }
    }

    pub fn answer(&mut self) -> Answer {
        self.answer_of(false)
    }

    /// Sends a request without a body and answers what comes back.
    pub fn get(&mut self, path: &str, headers: &str) -> Answer {
        self.send(format!("GET {path} HTTP/1.1\r\nHost: x\r\n{headers}\r\n"));
        self.answer()
    }
}
