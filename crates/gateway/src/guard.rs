//! Slow clients: how long a connection may take over what, watched without a timer per request.
//!
//! hyper's own timeout for heads sets a timer for each request and tries to read once more after each answer;
//! on small requests that was dearer than all else the edge does. Here the socket's wrapper and the edge write
//! down what the connection is doing and until when it may, and one coarse timer per connection looks at it.

use crate::request_id::X_REQUEST_ID;
use crate::untaken::Untaken;
use bytes::Bytes;
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU16, AtomicU32, AtomicU64, Ordering::Relaxed};
use std::task::{Context, Poll, ready};
use std::time::{Duration, Instant};
use tokio::net::TcpStream;

/// Between requests: the next byte begins a head.
const IDLE: u8 = 0;
/// A head has begun and is not whole.
const HEAD: u8 = 1;
/// Requests are being answered; they have bounds of their own.
const BUSY: u8 = 2;

const NEVER: u64 = u64::MAX;

/// What one connection is doing.
#[derive(Debug)]
pub struct Vital {
    born: Instant,
    head_time: Duration,
    idle_time: Duration,
    write_time: Duration,
    phase: AtomicU8,
    /// Requests being answered: more than one in HTTP/2.
    busy: AtomicU32,
    /// Requests ever seen.
    seen: AtomicU32,
    /// Milliseconds after `born`.
    read_until: AtomicU64,
    write_until: AtomicU64,
    /// The status of hyper's own answer to a request that it cannot read; zero without one.
    refused: AtomicU16,
    /// Answers that lie ready, in HTTP/2.
    pub untaken: Untaken,
}

impl Vital {
    pub fn new(options: &crate::Options) -> Vital {
        let vital = Vital {
            born: Instant::now(),
            head_time: options.head_time,
            idle_time: options.idle_time,
            write_time: options.write_time,
            phase: AtomicU8::new(IDLE),
            busy: AtomicU32::new(0),
            seen: AtomicU32::new(0),
            read_until: AtomicU64::new(NEVER),
            write_until: AtomicU64::new(NEVER),
            refused: AtomicU16::new(0),
            untaken: Untaken::default(),
        };
        // Who connects wants something: the first head has no idle time before it.
        vital
            .read_until
            .store(vital.after(vital.born, vital.head_time), Relaxed);
        vital
    }

    fn after(&self, now: Instant, time: Duration) -> u64 {
        (now.saturating_duration_since(self.born) + time).as_millis() as u64
    }

    /// How often it is worth looking.
    pub fn interval(&self) -> Duration {
        let least = self.head_time.min(self.idle_time).min(self.write_time);
        (least / 4).clamp(Duration::from_millis(10), Duration::from_secs(5))
    }

    pub fn is_overdue(&self, now: Instant) -> bool {
        let at = self.after(now, Duration::ZERO);
        let write_until = self.write_until.load(Relaxed);
        if at > write_until || self.untaken.is_left(at, self.write_time) {
            return true;
        }
        let read_until = self.read_until.load(Relaxed);
        let takes = write_until != NEVER || self.untaken.bytes() > 0;
        if takes && read_until != NEVER && self.phase.load(Relaxed) == IDLE {
            // Who still takes an answer is not idle. A request that begins meanwhile has set another time.
            let later = self.after(now, self.idle_time);
            let _ = self
                .read_until
                .compare_exchange(read_until, later, Relaxed, Relaxed);
            return false;
        }
        at > read_until
    }

    /// Whether there was never a request, nor a byte of one.
    pub fn is_untouched(&self) -> bool {
        self.seen.load(Relaxed) == 0 && self.phase.load(Relaxed) == IDLE
    }

    /// How long the head that has begun has been coming.
    pub fn head_took(&self, now: Instant) -> Duration {
        let until = self.read_until.load(Relaxed);
        if self.phase.load(Relaxed) != HEAD || until == NEVER {
            return Duration::ZERO;
        }
        let end = self.born + Duration::from_millis(until);
        (now + self.head_time).saturating_duration_since(end)
    }

    /// Whether a head has begun, and everything before it is answered and taken.
    pub fn waits_for_head(&self) -> bool {
        self.phase.load(Relaxed) == HEAD && self.write_until.load(Relaxed) == NEVER
    }

    /// The status with which hyper refused a request, where its answer was kept from the socket.
    pub fn refused(&self) -> Option<u16> {
        Some(self.refused.load(Relaxed)).filter(|status| *status != 0)
    }

    pub fn request_begins(&self) {
        self.seen.fetch_add(1, Relaxed);
        self.busy.fetch_add(1, Relaxed);
        self.phase.store(BUSY, Relaxed);
        self.read_until.store(NEVER, Relaxed);
    }

    pub fn request_ends(&self, now: Instant) {
        if self.busy.fetch_sub(1, Relaxed) == 1 {
            self.phase.store(IDLE, Relaxed);
            self.read_until
                .store(self.after(now, self.idle_time), Relaxed);
        }
    }

    fn bytes_came(&self) {
        if self.phase.load(Relaxed) == IDLE {
            self.phase.store(HEAD, Relaxed);
            self.read_until
                .store(self.after(Instant::now(), self.head_time), Relaxed);
        }
    }

    fn write_stalls(&self) {
        if self.write_until.load(Relaxed) == NEVER {
            self.write_until
                .store(self.after(Instant::now(), self.write_time), Relaxed);
        }
    }

    fn write_moves(&self) {
        if self.write_until.load(Relaxed) != NEVER {
            self.write_until.store(NEVER, Relaxed);
        }
    }
}

/// A socket that notes what happens on it.
#[derive(Debug)]
pub struct Guarded {
    socket: TokioIo<TcpStream>,
    /// Bytes that were taken from the socket before, and come first.
    first: Bytes,
    vital: Arc<Vital>,
    /// In HTTP/2 bytes also come that belong to no request.
    watch_heads: bool,
}

impl Guarded {
    pub fn new(socket: TcpStream, first: Bytes, vital: Arc<Vital>, watch_heads: bool) -> Guarded {
        Guarded {
            socket: TokioIo::new(socket),
            first,
            vital,
            watch_heads,
        }
    }

    pub fn into_socket(self) -> TcpStream {
        self.socket.into_inner()
    }

    /// Whether these bytes, which are about to be written, are hyper's own answer; then they are not to be written.
    fn refuses(&self, bytes: &[u8]) -> bool {
        let status = if self.watch_heads && self.vital.busy.load(Relaxed) == 0 {
            own_answer(bytes)
        } else {
            None
        };
        if let Some(status) = status {
            self.vital.refused.store(status, Relaxed);
        }
        status.is_some()
    }

    fn wrote(&self, result: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        match result {
            Poll::Pending => self.vital.write_stalls(),
            Poll::Ready(_) => self.vital.write_moves(),
        }
        result
    }
}

impl Read for Guarded {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        mut buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.first.is_empty() {
            ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
        } else {
            let fits = self.first.len().min(buffer.remaining());
            buffer.put_slice(&self.first.split_to(fits));
        }
        if self.watch_heads {
            self.vital.bytes_came();
        }
        Poll::Ready(Ok(()))
    }
}

impl Write for Guarded {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.refuses(bytes) {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        if let [bytes] = parts
            && self.refuses(bytes)
        {
            return Poll::Ready(Ok(bytes.len()));
        }
        let result = Pin::new(&mut self.socket).poll_write_vectored(cx, parts);
        self.wrote(result)
    }

    fn is_write_vectored(&self) -> bool {
        self.socket.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        // There is an answer to come.
        if self.vital.refused().is_some() {
            return Poll::Ready(Ok(()));
        }
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}

/// The status of a whole answer that did not cross the edge, which marks each of its own with the request's id.
///
/// Only hyper itself makes such answers, and only to a request that it cannot parse, which ends the connection. One
/// that shares its write with the end of an earlier answer, whose client is slow to take it, is not found here and
/// goes out as hyper made it.
fn own_answer(bytes: &[u8]) -> Option<u16> {
    let rest = bytes.strip_prefix(b"HTTP/1.1 4")?;
    let name = X_REQUEST_ID;
    let mark = name.as_str().as_bytes();
    if !bytes.ends_with(b"\r\n\r\n") || rest.windows(mark.len()).any(|part| part == mark) {
        return None;
    }
    let digits = std::str::from_utf8(rest.get(..2)?).ok()?;
    Some(400 + digits.parse::<u16>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_whole_answer_without_an_id_is_hypers_own() {
        for (text, status) in [
            (
                "HTTP/1.1 400 Bad Request\r\ncontent-length: 0\r\n\r\n",
                Some(400),
            ),
            ("HTTP/1.1 431 Too Large\r\n\r\n", Some(431)),
            ("HTTP/1.1 400 Bad Request\r\nx-request-id: a\r\n\r\n", None),
            ("HTTP/1.1 200 OK\r\n\r\n", None),
            ("HTTP/1.1 400 Bad Request\r\n", None),
            ("HTTP/1.1 4", None),
            ("", None),
        ] {
            assert_eq!(own_answer(text.as_bytes()), status, "{text:?}");
        }
    }
}
