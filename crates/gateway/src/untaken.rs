//! Answers of HTTP/2 that lie ready until their client takes them.
//!
//! A client decides by its windows when an answer may be sent (RFC 9113, 5.2). With a window of nothing the socket
//! never stalls, and every answer stays in memory. So their bytes are counted for each connection: there is a bound
//! to them, and a connection of which nothing is taken for a while is ended. HTTP/1 answers in turn, and there the
//! socket shows it all.

use crate::guard::Vital;
use bytes::{Buf, Bytes};
use hyper::body::{Body, Frame, SizeHint};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::task::{Context, Poll};
use std::time::Duration;

/// What a client takes in its time at least, unless there is less. Of the slowest networks that are still used, it is
/// a fraction.
const LEAST: u64 = 8 * 1024;

/// What one connection has not taken.
#[derive(Debug, Default)]
pub struct Untaken {
    bytes: AtomicUsize,
    /// Bytes ever taken; without those that were dropped, so that asking and letting go does not count as taking.
    taken: AtomicU64,
    /// `taken` at the last look that saw it move, and when that was. Only whoever looks writes these, which spares
    /// the answers from reading the clock.
    seen: AtomicU64,
    seen_at: AtomicU64,
}

impl Untaken {
    pub fn bytes(&self) -> usize {
        self.bytes.load(Relaxed)
    }

    /// Looked at every now and then: whether there is something to take, and hardly anything was taken for `time`:
    /// one byte now and then would hold the rest for ever. `now` is in milliseconds.
    pub fn is_left(&self, now: u64, time: Duration) -> bool {
        let taken = self.taken.load(Relaxed);
        if self.bytes() == 0 || taken - self.seen.load(Relaxed) >= LEAST {
            self.seen.store(taken, Relaxed);
            self.seen_at.store(now, Relaxed);
            return false;
        }
        u128::from(now - self.seen_at.load(Relaxed).min(now)) > time.as_millis()
    }
}

/// The body of an answer, counted until it is taken or dropped.
#[derive(Debug)]
pub struct Counted(Option<Piece>);

impl Counted {
    pub fn new(bytes: Bytes, vital: Arc<Vital>) -> Counted {
        if bytes.is_empty() {
            return Counted(None);
        }
        vital.untaken.bytes.fetch_add(bytes.len(), Relaxed);
        Counted(Some(Piece { bytes, vital }))
    }
}

impl Body for Counted {
    type Data = Piece;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Piece>, Infallible>>> {
        Poll::Ready(self.0.take().map(|piece| Ok(Frame::data(piece))))
    }

    fn is_end_stream(&self) -> bool {
        self.0.is_none()
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.0.as_ref().map_or(0, |piece| piece.bytes.len() as u64))
    }
}

/// What is left of a body. h2 keeps it until it may send it, and takes from it what it writes.
#[derive(Debug)]
pub struct Piece {
    bytes: Bytes,
    vital: Arc<Vital>,
}

impl Buf for Piece {
    fn remaining(&self) -> usize {
        self.bytes.len()
    }

    fn chunk(&self) -> &[u8] {
        &self.bytes
    }

    fn advance(&mut self, count: usize) {
        self.bytes.advance(count);
        self.vital.untaken.bytes.fetch_sub(count, Relaxed);
        self.vital.untaken.taken.fetch_add(count as u64, Relaxed);
    }
}

impl Drop for Piece {
    fn drop(&mut self) {
        let left = self.bytes.len();
        if left > 0 {
            self.vital.untaken.bytes.fetch_sub(left, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_taken_or_dropped_is_no_longer_counted() {
        let vital = Arc::new(Vital::new(&crate::Options::default()));
        let body = |bytes: &'static str| Counted::new(Bytes::from(bytes), Arc::clone(&vital));
        let large = || {
            Counted::new(vec![0; 40_000].into(), Arc::clone(&vital))
                .0
                .unwrap()
        };
        let second = Duration::from_secs(1);
        let mut one = body("0123456789").0.unwrap();
        let two = body("01234");
        assert!(body("").is_end_stream());
        assert_eq!(vital.untaken.bytes(), 15);
        assert!(!vital.untaken.is_left(1000, second));
        assert!(vital.untaken.is_left(2001, second));
        one.advance(4);
        assert_eq!((vital.untaken.bytes(), one.remaining()), (11, 6));
        // A few bytes are not enough.
        assert!(vital.untaken.is_left(2002, second));
        let mut three = large();
        three.advance(10_000);
        assert!(!vital.untaken.is_left(2002, second));
        drop(three);
        drop(two);
        // Letting go is not taking.
        assert!(vital.untaken.is_left(3003, second));
        drop(one);
        assert_eq!(vital.untaken.bytes(), 0);
        assert!(!vital.untaken.is_left(9000, second));
    }
}
