//! Slow clients: how long a connection may take over what, watched without a timer per request.
//!
//! hyper's own timeout for heads sets a timer for each request and tries to read once more after each answer;
//! on small requests that was dearer than all else the edge does. Here the socket's wrapper and the edge write
//! down what the connection is doing and until when it may, and one coarse timer per connection looks at it.

use hyper::rt::{Read, ReadBufCursor, Write};
use hyper_util::rt::TokioIo;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicU32, AtomicU64, Ordering::Relaxed};
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
        let now = now.saturating_duration_since(self.born).as_millis() as u64;
        now > self.read_until.load(Relaxed) || now > self.write_until.load(Relaxed)
    }

    /// Whether there was never a request, nor a byte of one.
    pub fn is_untouched(&self) -> bool {
        self.seen.load(Relaxed) == 0 && self.phase.load(Relaxed) == IDLE
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
    vital: Arc<Vital>,
    /// In HTTP/2 bytes also come that belong to no request.
    watch_heads: bool,
}

impl Guarded {
    pub fn new(socket: TcpStream, vital: Arc<Vital>, watch_heads: bool) -> Guarded {
        Guarded {
            socket: TokioIo::new(socket),
            vital,
            watch_heads,
        }
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
        buffer: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.socket).poll_read(cx, buffer))?;
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
        let result = Pin::new(&mut self.socket).poll_write(cx, bytes);
        self.wrote(result)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        parts: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
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
        Pin::new(&mut self.socket).poll_shutdown(cx)
    }
}
