//! The framing of HTTP/1.1 answers, as far as the bench's own clients need it.

use std::{
    io::{self, ErrorKind, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// A whole answer within a buffer that begins with it.
pub struct Answer {
    pub status: u16,
    /// How many bytes it takes, head and all.
    pub bytes: usize,
    body: usize,
    chunked: bool,
}

fn bad(why: &str) -> io::Error {
    io::Error::new(ErrorKind::InvalidData, why)
}

impl Answer {
    /// The answer at the start of `bytes`, framed by its length or in chunks; none when more must come.
    pub fn parse(bytes: &[u8]) -> io::Result<Option<Self>> {
        let Some(end) = bytes.windows(4).position(|w| w == b"\r\n\r\n") else {
            return Ok(None);
        };
        let head = str::from_utf8(&bytes[..end]).map_err(io::Error::other)?;
        let mut lines = head.split("\r\n");
        let status = lines.next().and_then(|line| line.split(' ').nth(1));
        let status = status
            .and_then(|s| s.parse().ok())
            .ok_or_else(|| bad("no status"))?;
        let mut length = matches!(status, 204 | 304).then_some(0);
        let mut chunked = false;
        for line in lines {
            let (name, value) = line
                .split_once(':')
                .ok_or_else(|| bad("no colon in a header"))?;
            if name.eq_ignore_ascii_case("content-length") {
                length = Some(value.trim().parse().map_err(io::Error::other)?);
            } else if name.eq_ignore_ascii_case("transfer-encoding") {
                chunked = value.trim().eq_ignore_ascii_case("chunked");
            }
        }
        let body = end + 4;
        let total: Option<usize> = match length {
            Some(length) => (bytes.len() >= body + length).then_some(body + length),
            None if chunked => {
                let mut at = body;
                loop {
                    match chunk(bytes, at)? {
                        None => break None,
                        Some((_, next, 0)) => break Some(next),
                        Some((_, next, _)) => at = next,
                    }
                }
            }
            None => return Err(bad("an answer of unknown length")),
        };
        Ok(total.map(|bytes| Self {
            status,
            bytes,
            body,
            chunked: length.is_none(),
        }))
    }

    /// Its body, out of the buffer that it was parsed from.
    pub fn body(&self, buffer: &[u8]) -> io::Result<Vec<u8>> {
        if !self.chunked {
            return Ok(buffer[self.body..self.bytes].to_vec());
        }
        let (mut out, mut at) = (Vec::new(), self.body);
        while let Some((start, next, size)) = chunk(buffer, at)? {
            out.extend_from_slice(&buffer[start..start + size]);
            at = next;
            if size == 0 {
                break;
            }
        }
        Ok(out)
    }
}

/// Where the data of the chunk at `at` begins, where the next chunk does, and the chunk's size.
fn chunk(bytes: &[u8], at: usize) -> io::Result<Option<(usize, usize, usize)>> {
    let Some(line) = bytes[at..].windows(2).position(|w| w == b"\r\n") else {
        return Ok(None);
    };
    let size = str::from_utf8(&bytes[at..at + line]).map_err(io::Error::other)?;
    let size = usize::from_str_radix(size.trim(), 16).map_err(io::Error::other)?;
    let start = at + line + 2;
    Ok((bytes.len() >= start + size + 2).then_some((start, start + size + 2, size)))
}

/// A request as it goes out.
pub fn request(method: &str, path: &str, body: &str, host: SocketAddr) -> Vec<u8> {
    let mut out = format!("{method} {path} HTTP/1.1\r\nhost: {host}\r\n");
    if !body.is_empty() {
        out += &format!(
            "content-type: application/json\r\ncontent-length: {}\r\n",
            body.len()
        );
    }
    (out + "\r\n" + body).into_bytes()
}

/// One request over a connection of its own: the status and the body.
pub fn fetch(host: SocketAddr, method: &str, path: &str, body: &str) -> io::Result<(u16, Vec<u8>)> {
    let mut stream = TcpStream::connect(host)?;
    stream.set_read_timeout(Some(Duration::from_secs(10)))?;
    stream.write_all(&request(method, path, body, host))?;
    let (mut buffer, mut part) = (Vec::new(), [0; 16 * 1024]);
    loop {
        if let Some(answer) = Answer::parse(&buffer)? {
            return Ok((answer.status, answer.body(&buffer)?));
        }
        match stream.read(&mut part)? {
            0 => return Err(ErrorKind::UnexpectedEof.into()),
            n => buffer.extend_from_slice(&part[..n]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_framed_by_length() {
        let plain = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc";
        assert_eq!(Answer::parse(plain).unwrap().unwrap().bytes, plain.len());
        assert!(Answer::parse(&plain[..plain.len() - 1]).unwrap().is_none());
    }

    #[test]
    fn answers_are_framed_in_chunks() {
        let chunks =
            b"HTTP/1.1 500 No\r\ntransfer-encoding: chunked\r\n\r\n3\r\nabc\r\n1\r\nd\r\n0\r\n\r\n";
        let answer = Answer::parse(chunks).unwrap().unwrap();
        assert_eq!((answer.bytes, answer.status), (chunks.len(), 500));
        assert_eq!(answer.body(chunks).unwrap(), b"abcd");
        for cut in 1..chunks.len() {
            assert!(Answer::parse(&chunks[..cut]).unwrap().is_none());
        }
    }
}
