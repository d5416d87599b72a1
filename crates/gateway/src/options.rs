//! Bounds and behaviour of the edge.

use crate::cors::Cors;
use std::time::Duration;

#[derive(Debug, Clone)]
pub struct Options {
    pub threads: Threads,
    pub cors: Cors,
    /// Who may read `/metrics`.
    pub metrics: Exposure,
    /// What answers say of the time they took.
    pub timing: Timing,
    /// Connections at most; more wait to be accepted.
    pub connections: u32,
    /// Bytes of an address at most.
    pub address: usize,
    /// Bytes of all headers at most.
    pub headers: usize,
    /// From the first byte of a head to its end.
    pub head_time: Duration,
    /// From the end of a head to the end of its body.
    pub body_time: Duration,
    /// Bytes at most of all bodies, of whomever, that have come in part; who sends more waits for room.
    pub bodies: usize,
    /// Between requests of one connection.
    pub idle_time: Duration,
    /// How long a client may take no byte of its answer, or of several answers in HTTP/2 hardly any.
    pub write_time: Duration,
    /// Bytes of answers at most that one connection of HTTP/2 leaves untaken; one answer may have more, alone.
    pub untaken: usize,
    /// How long requests in flight may take when the server stops.
    pub drain: Duration,
}

/// Where connections are served.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Threads {
    /// On the runtime that called [`crate::serve`].
    Shared,
    /// On so many threads with a runtime each, so that a request never crosses threads.
    Own(usize),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exposure {
    /// Peers on this machine or a private network, not through a proxy.
    Private,
    Public,
}

/// How exactly `Server-Timing` tells the time of a stage.
///
/// Microseconds of the database tell a record that is hidden from one that is not there, without the noise of the
/// network between: a caller would only have to ask often.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    /// Whole milliseconds, rounded down.
    Whole,
    /// Microseconds: for development.
    Precise,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            threads: Threads::Shared,
            cors: Cors::Off,
            metrics: Exposure::Private,
            timing: Timing::Whole,
            connections: 10_000,
            address: 16 * 1024,
            headers: 16 * 1024,
            head_time: Duration::from_secs(10),
            body_time: Duration::from_secs(30),
            bodies: 256 * 1024 * 1024,
            idle_time: Duration::from_secs(75),
            write_time: Duration::from_secs(30),
            untaken: 32 * 1024 * 1024,
            drain: Duration::from_secs(10),
        }
    }
}
