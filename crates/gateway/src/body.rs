//! A body, whole, within its bounds of bytes and time.

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use spec::{Code, Problem};
use std::time::Duration;

/// What is set aside before any byte has come, however much is announced.
const FIRST: usize = 16 * 1024;

pub async fn collect(body: Incoming, limit: u64, time: Duration) -> Result<Bytes, Problem> {
    if body.is_end_stream() {
        return Ok(Bytes::new());
    }
    // What is announced is refused before it is sent.
    if body.size_hint().lower() > limit {
        return Err(too_large(limit));
    }
    match tokio::time::timeout(time, read(body, limit)).await {
        Ok(read) => read,
        Err(_) => Err(Problem::new(
            Code::RequestTimeout,
            format!("The body did not arrive within {} s.", time.as_secs_f32()),
        )
        .limited("limits.body_time", time.as_millis() as u64)),
    }
}

async fn read(mut body: Incoming, limit: u64) -> Result<Bytes, Problem> {
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
