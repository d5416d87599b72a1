//! Puts one server under load and prints what it saw as JSON.
//!
//! `--connect ADDR --requests FILE --connections N --seconds S --warmup S [--pid P] [--postmaster P]`
//!
//! A closed loop: each connection sends its next request when the last answer is whole. One thread, one
//! epoll, no allocation per request, since it shares the cores with what it measures. A line of FILE is a
//! method, a path, and (after a second blank) a body; each connection walks the list from a place of its own.

use std::{
    error::Error,
    fs,
    io::{ErrorKind, Read, Write},
    net::SocketAddr,
    time::{Duration, Instant},
};

use mainstay_bench::{
    answer::{self, Answer},
    args, process,
};
use mio::{Events, Interest, Poll, Token, net::TcpStream};
use serde::Serialize;

#[derive(Serialize)]
struct Report {
    requests: u64,
    seconds: f64,
    requests_per_second: f64,
    /// Answers that were not 2xx.
    errors: u64,
    p50_us: f64,
    p99_us: f64,
    max_us: f64,
    bytes_per_answer: f64,
    /// The server program's own CPU time.
    cpu_us_per_request: Option<f64>,
    /// That of the database's processes, beside it.
    database_cpu_us_per_request: Option<f64>,
    /// The load generator's.
    load_cpu_us_per_request: f64,
    anonymous_bytes: Option<u64>,
}

struct Connection {
    stream: TcpStream,
    /// The request being answered, as an index into the list.
    at: usize,
    sent: Instant,
    buffer: Vec<u8>,
    filled: usize,
}

fn main() -> Result<(), Box<dyn Error>> {
    let address: SocketAddr = args::required("connect");
    let connections: usize = args::or("connections", 64);
    let length = Duration::from_secs_f64(args::or("seconds", 3.0));
    let warmup = Duration::from_secs_f64(args::or("warmup", 0.3));
    let (pid, postmaster) = (args::optional("pid"), args::optional("postmaster"));
    let requests = read_requests(&args::required::<String>("requests"), address)?;

    let mut poll = Poll::new()?;
    let mut all = Vec::with_capacity(connections);
    for i in 0..connections {
        let stream = std::net::TcpStream::connect(address)?;
        stream.set_nodelay(true)?;
        stream.set_nonblocking(true)?;
        let mut stream = TcpStream::from_std(stream);
        poll.registry()
            .register(&mut stream, Token(i), Interest::READABLE)?;
        let at = i * requests.len() / connections;
        let buffer = vec![0; 64 * 1024];
        all.push(Connection {
            stream,
            at,
            sent: Instant::now(),
            buffer,
            filled: 0,
        });
    }
    for connection in &mut all {
        connection.send(&requests)?;
    }

    let begin = Instant::now();
    let (mut start, mut end) = (begin + warmup, begin + warmup + length);
    let mut before = None;
    let (mut latencies, mut errors, mut bytes) = (Histogram::new(), 0, 0);
    let mut events = Events::with_capacity(connections);
    loop {
        poll.poll(&mut events, Some(Duration::from_millis(100)))?;
        let now = Instant::now();
        if before.is_none() && now >= start {
            before = Some(Cpu::now(pid, postmaster));
            (start, end) = (now, now + length);
        }
        if now >= end {
            break;
        }
        for event in &events {
            let connection = &mut all[event.token().0];
            while let Some(answer) = connection.receive()? {
                if before.is_some() {
                    latencies.record(connection.sent.elapsed());
                    errors += u64::from(!(200..300).contains(&answer.status));
                    bytes += answer.bytes as u64;
                }
                connection.at = (connection.at + 1) % requests.len();
                connection.send(&requests)?;
            }
        }
    }
    let seconds = start.elapsed().as_secs_f64();
    let (before, after) = (
        before.ok_or("it was over before it began")?,
        Cpu::now(pid, postmaster),
    );
    let count = latencies.count;
    let per_request = |after: f64, before: f64| (after - before) * 1e6 / count as f64;
    let report = Report {
        requests: count,
        seconds,
        requests_per_second: count as f64 / seconds,
        errors,
        p50_us: latencies.quantile(0.5),
        p99_us: latencies.quantile(0.99),
        max_us: latencies.quantile(1.0),
        bytes_per_answer: bytes as f64 / count as f64,
        cpu_us_per_request: after
            .server
            .zip(before.server)
            .map(|(a, b)| per_request(a, b)),
        database_cpu_us_per_request: after
            .database
            .zip(before.database)
            .map(|(a, b)| per_request(a, b)),
        load_cpu_us_per_request: per_request(after.load, before.load),
        anonymous_bytes: pid.and_then(process::anonymous_bytes),
    };
    #[expect(clippy::print_stdout, reason = "this is its answer")]
    {
        println!("{}", serde_json::to_string(&report)?);
    }
    Ok(())
}

fn read_requests(file: &str, address: SocketAddr) -> Result<Vec<Vec<u8>>, Box<dyn Error>> {
    let requests: Vec<Vec<u8>> = fs::read_to_string(file)?
        .lines()
        .map(|line| {
            let (method, rest) = line.split_once(' ').unwrap_or(("GET", line));
            let (path, body) = rest.split_once(' ').unwrap_or((rest, ""));
            answer::request(method, path, body, address)
        })
        .collect();
    if requests.is_empty() {
        Err("no requests".into())
    } else {
        Ok(requests)
    }
}

impl Connection {
    /// A request is small beside a socket's buffer, so it goes out whole or not at all.
    fn send(&mut self, requests: &[Vec<u8>]) -> Result<(), Box<dyn Error>> {
        let request = &requests[self.at];
        self.sent = Instant::now();
        if self.stream.write(request)? == request.len() {
            Ok(())
        } else {
            Err("half sent".into())
        }
    }

    /// The next whole answer; none when more bytes have to come first.
    fn receive(&mut self) -> Result<Option<Answer>, Box<dyn Error>> {
        loop {
            if self.filled == self.buffer.len() {
                self.buffer.resize(self.filled * 2, 0);
            }
            match self.stream.read(&mut self.buffer[self.filled..]) {
                Ok(0) => return Err("the server hung up".into()),
                Ok(n) => self.filled += n,
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(None),
                Err(error) if error.kind() == ErrorKind::Interrupted => continue,
                Err(error) => return Err(error.into()),
            }
            if let Some(answer) = Answer::parse(&self.buffer[..self.filled])? {
                if answer.bytes != self.filled {
                    return Err("more came than was asked for".into());
                }
                self.filled = 0;
                return Ok(Some(answer));
            }
        }
    }
}

/// Latencies in buckets of a 64th of their size, up to 68 seconds.
struct Histogram {
    counts: Vec<u64>,
    count: u64,
}

const FINE: u32 = 6;

impl Histogram {
    fn new() -> Self {
        Self {
            counts: vec![0; 31 << FINE],
            count: 0,
        }
    }

    fn record(&mut self, latency: Duration) {
        let nanos = (latency.as_nanos() as u64).clamp(1 << FINE, (1 << 36) - 1);
        let exponent = nanos.ilog2() - FINE;
        let bucket = ((exponent as usize) << FINE) + (nanos >> exponent) as usize - (1 << FINE);
        self.counts[bucket] += 1;
        self.count += 1;
    }

    /// In microseconds, the middle of the bucket in which the quantile lies.
    fn quantile(&self, q: f64) -> f64 {
        let wanted = ((self.count as f64 * q).ceil() as u64).max(1);
        let mut seen = 0;
        for (bucket, count) in self.counts.iter().enumerate() {
            seen += count;
            if seen >= wanted {
                let exponent = bucket >> FINE;
                let mantissa = (bucket & ((1 << FINE) - 1)) + (1 << FINE);
                return ((mantissa as f64 + 0.5) * (1u64 << exponent) as f64) / 1000.0;
            }
        }
        0.0
    }
}

/// CPU seconds since the processes began.
struct Cpu {
    server: Option<f64>,
    database: Option<f64>,
    load: f64,
}

impl Cpu {
    fn now(pid: Option<u32>, postmaster: Option<u32>) -> Self {
        Self {
            server: pid.and_then(process::cpu),
            database: postmaster.map(process::children_cpu),
            load: process::cpu(std::process::id()).unwrap_or(0.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_are_within_a_64th() {
        let mut histogram = Histogram::new();
        for micros in 1..=10_000 {
            histogram.record(Duration::from_micros(micros));
        }
        for (q, micros) in [(0.5, 5000.0), (0.99, 9900.0), (0.01, 100.0)] {
            let found = histogram.quantile(q);
            assert!((found / micros - 1.0).abs() < 1.0 / 64.0, "{q}: {found}");
        }
    }
}
