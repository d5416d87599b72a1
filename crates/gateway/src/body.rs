//! A body, whole, within its bounds of bytes and time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::Body;
use spec::{Code, Problem};
use std::fmt::Display;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

/// What is set aside before any byte has come, however much is announced.
const FIRST: usize = 16 * 1024;

/// What all bodies take that have come in part. A client may open many streams and connections, and withhold the
/// last byte of each body.
#[derive(Debug)]
pub struct Room {
    taken: AtomicUsize,
    most: usize,
}

impl Room {
    pub fn new(most: usize) -> Room {
        Room {
            taken: AtomicUsize::new(0),
            most,
        }
    }
}

/// A body's part of the room, given back with it.
struct Part<'r> {
    room: &'r Room,
    bytes: usize,
}

impl Part<'_> {
    fn grow(&mut self, bytes: usize) -> Result<(), Problem> {
        self.bytes += bytes;
        if self.room.taken.fetch_add(bytes, Relaxed) + bytes <= self.room.most {
            return Ok(());
        }
        Err(Problem::new(
            Code::Overloaded,
            "The server is receiving more than it has room for.",
        )
        .retry_after(Duration::from_secs(1)))
    }
}

impl Drop for Part<'_> {
    fn drop(&mut self) {
        self.room.taken.fetch_sub(self.bytes, Relaxed);
    }
}

pub async fn collect<B>(body: B, limit: u64, time: Duration, room: &Room) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // What is announced is refused before it is sent.
    if body.size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    match tokio::time::timeout(time, read(body, limit, room)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            Code::RequestTimeout,
            format!("The body did not arrive within {} s.", time.as_secs_f32()),
        )
        .limited("limits.body_time", time.as_millis() as u64)),
    }
}

async fn read<B>(mut body: B, limit: u64, room: &Room) -> Result<Bytes, Problem>
where
    B: Body<Data = Bytes, Error: Display> + Unpin,
{
    let mut part = Part { room, bytes: 0 };
    let mut first = Bytes::new();
    let mut whole: Option<BytesMut> = None;
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| {
            Problem::new(
                Code::MalformedRequest,
                "The body ended early or is malformed.",
            )
            .because(error.to_string())
        })?;
        // Trailers say nothing here.
        let Ok(data) = frame.into_data() else {
            continue;
        };
        length += data.len() as u64;
        if length > limit {
            return Err(too_large(limit));
        }
        // One that is complete is answered next, and those are as many as there are requests in hand.
        if !body.is_end_stream() {
            part.grow(data.len())?;
        }
        match &mut whole {
            Some(whole) => whole.extend_from_slice(&data),
            // Nearly every body comes in one piece, which needs no copy.
            None if first.is_empty() => first = data,
            None => {
                let announced = body.size_hint().lower() as usize + first.len() + data.len();
                let mut all = BytesMut::with_capacity(announced.min(FIRST));
                all.extend_from_slice(&first);
                all.extend_from_slice(&data);
                whole = Some(all);
            }
        }
    }
    Ok(whole.map_or(first, BytesMut::freeze))
}

pub fn too_large(limit: u64) -> Problem {
    Problem::new(
        Code::BodyTooLarge,
        format!("A body has {limit} bytes at most."),
    )
    .limited("limits.body", limit)
}
