//! A name for each request, in its answer, its problem document and its log line.

use http::header::{HeaderMap, HeaderName, HeaderValue};
use std::hash::{BuildHasher, RandomState};
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU64, Ordering};

pub const X_REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Kept as the header it is answered in.
#[derive(Debug, Clone)]
pub struct RequestId(HeaderValue);

impl RequestId {
    /// The caller's own, where there is one that is harmless in a log; otherwise a new one.
    pub fn of(headers: &HeaderMap) -> RequestId {
        let mut given = headers.get_all(X_REQUEST_ID).iter();
        match (given.next(), given.next()) {
            (Some(id), None) if is_sane(id.as_bytes()) => RequestId(id.clone()),
            _ => RequestId::new(),
        }
    }

    /// 16 hexadecimal digits, no two alike in one process and hardly in two.
    pub fn new() -> RequestId {
        // The random start of this process; ids need not be unpredictable, only apart.
        static SEED: LazyLock<u64> = LazyLock::new(|| RandomState::new().hash_one(0));
        static NEXT: AtomicU64 = AtomicU64::new(0);
        const DIGITS: &[u8; 16] = b"0123456789abcdef";
        let number = mix(SEED.wrapping_add(NEXT.fetch_add(1, Ordering::Relaxed)));
        let mut text = [0; 16];
        for (at, digit) in text.iter_mut().enumerate() {
            *digit = DIGITS[(number >> (60 - 4 * at)) as usize & 15];
        }
        RequestId(
            HeaderValue::from_bytes(&text).unwrap_or_else(|_| HeaderValue::from_static("unknown")),
        )
    }

    pub fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    pub fn header(&self) -> HeaderValue {
        self.0.clone()
    }
}

/// SplitMix64's finaliser: one to one, so a counter stays without repeats but loses its pattern.
fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn is_sane(id: &[u8]) -> bool {
    (1..=64).contains(&id.len())
        && id
            .iter()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(b))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn ids_are_apart() {
        let ids: HashSet<String> = (0..10_000)
            .map(|_| RequestId::new().as_str().to_owned())
            .collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 16));
    }

    #[test]
    fn only_sane_ids_are_taken_over() {
        let of = |values: &[&str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(X_REQUEST_ID, HeaderValue::from_str(value).unwrap());
            }
            RequestId::of(&headers).as_str().to_owned()
        };
        let long = "a".repeat(65);
        assert_eq!(of(&["abc-1.2_Z"]), "abc-1.2_Z");
        for values in [
            &[""][..],
            &["a b"],
            &["a\"b"],
            &[&long],
            &["a", "b"],
            &["a;b"],
        ] {
            let id = of(values);
            assert!(
                id.len() == 16 && !values.contains(&id.as_str()),
                "{values:?}"
            );
        }
    }
}
