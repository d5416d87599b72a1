//! The time, which tests can move.

#[cfg(test)]
use std::sync::atomic::{AtomicI64, Ordering};

#[derive(Default)]
pub struct Clock {
    #[cfg(test)]
    ahead: AtomicI64,
}

impl Clock {
    /// Microseconds since 1970.
    pub fn now(&self) -> i64 {
        let now = spec::time::now_micros();
        #[cfg(test)]
        let now = now + self.ahead.load(Ordering::Relaxed);
        now
    }

    #[cfg(test)]
    pub fn advance(&self, by: std::time::Duration) {
        self.ahead.fetch_add(micros(by), Ordering::Relaxed);
    }
}

/// A duration in the unit of moments.
pub fn micros(duration: std::time::Duration) -> i64 {
    i64::try_from(duration.as_micros()).unwrap_or(i64::MAX / 4)
}
