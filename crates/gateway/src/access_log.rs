//! Where the lines go: into a bounded buffer, and from there, by a thread of its own, to wherever that may be slow.
//!
//! Measured beside `tracing-subscriber`'s JSON layer (3–6 µs an event), a line costs its formatting and one short
//! lock. A terminal or pipe that does not take lines holds up nobody: lines are dropped then, and counted.

use crate::line::{Format, Line};
use std::cell::RefCell;
use std::io::Write;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, mpsc};
use std::time::Duration;

/// What may wait. At 60,000 requests/s that is a quarter of a second.
const MOST_BYTES: usize = 4 * 1024 * 1024;
/// So much is written at once without waiting for more: it is still in the cache of the core that wrote it.
const FULL_BYTES: usize = 128 * 1024;
/// A buffer that grew beyond this in a burst is given back.
const KEPT_BYTES: usize = 4 * FULL_BYTES;
/// How long lines gather, so that they are written together.
const GATHER: Duration = Duration::from_millis(50);
/// How long closing waits for a slow output.
const CLOSE: Duration = Duration::from_secs(1);

#[derive(Debug, Default)]
struct Waiting {
    lines: Vec<u8>,
    dropped: u64,
    closing: bool,
}

#[derive(Debug, Default)]
struct Shared {
    waiting: Mutex<Waiting>,
    some: Condvar,
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One line a request.
#[derive(Debug)]
pub struct AccessLog {
    format: Format,
    shared: Arc<Shared>,
    written: Mutex<Option<mpsc::Receiver<()>>>,
}

thread_local! {
    static SCRATCH: RefCell<Vec<u8>> = const { RefCell::new(Vec::new()) };
}

impl AccessLog {
    pub fn new(format: Format, output: Box<dyn Write + Send>) -> std::io::Result<AccessLog> {
        let shared = Arc::new(Shared::default());
        if format == Format::Off {
            return Ok(AccessLog::off());
        }
        let (done, written) = mpsc::sync_channel(1);
        let writer = Arc::clone(&shared);
        std::thread::Builder::new()
            .name("access-log".to_owned())
            .spawn(move || {
                write_out(&writer, output, format);
                let _ = done.send(());
            })?;
        Ok(AccessLog {
            format,
            shared,
            written: Mutex::new(Some(written)),
        })
    }

    pub fn off() -> AccessLog {
        AccessLog {
            format: Format::Off,
            shared: Arc::new(Shared::default()),
            written: Mutex::new(None),
        }
    }

    pub fn is_off(&self) -> bool {
        self.format == Format::Off
    }

    pub(crate) fn write(&self, line: &Line<'_>) {
        if self.is_off() {
            return;
        }
        SCRATCH.with_borrow_mut(|scratch| {
            scratch.clear();
            line.write(scratch, self.format);
            let mut waiting = self.shared.lock();
            if waiting.lines.len() + scratch.len() > MOST_BYTES {
                waiting.dropped += 1;
                return;
            }
            let before = waiting.lines.len();
            waiting.lines.extend_from_slice(scratch);
            let after = waiting.lines.len();
            drop(waiting);
            if before == 0 || (before < FULL_BYTES && after >= FULL_BYTES) {
                self.shared.some.notify_one();
            }
        });
    }

    /// Writes what waits, for a second at most. Lines after that are lost.
    pub fn close(&self) {
        self.shared.lock().closing = true;
        self.shared.some.notify_one();
        let written = self
            .written
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        if let Some(written) = written {
            let _ = written.recv_timeout(CLOSE);
        }
    }
}

impl Drop for AccessLog {
    fn drop(&mut self) {
        self.close();
    }
}

fn write_out(shared: &Shared, mut output: Box<dyn Write + Send>, format: Format) {
    let mut lines = Vec::new();
    loop {
        let mut waiting = shared.lock();
        while waiting.lines.is_empty() && waiting.dropped == 0 && !waiting.closing {
            waiting = shared
                .some
                .wait(waiting)
                .unwrap_or_else(PoisonError::into_inner);
        }
        let few = |w: &mut Waiting| !w.closing && w.lines.len() < FULL_BYTES;
        waiting = shared
            .some
            .wait_timeout_while(waiting, GATHER, few)
            .unwrap_or_else(PoisonError::into_inner)
            .0;
        std::mem::swap(&mut waiting.lines, &mut lines);
        let dropped = std::mem::take(&mut waiting.dropped);
        let closing = waiting.closing;
        drop(waiting);
        if dropped > 0 {
            note_dropped(&mut lines, dropped, format);
        }
        // An output that is gone takes nothing more; requests go on.
        let _ = output.write_all(&lines).and_then(|()| output.flush());
        lines.clear();
        if lines.capacity() > KEPT_BYTES {
            lines = Vec::new();
        }
        if closing {
            return;
        }
    }
}

fn note_dropped(lines: &mut Vec<u8>, dropped: u64, format: Format) {
    let _ = match format {
        Format::Json => writeln!(
            lines,
            "{{\"time\":\"{}\",\"level\":\"warn\",\"message\":\"request lines dropped\",\"dropped\":{dropped}}}",
            spec::time::timestamp_text(spec::time::now_micros())
        ),
        _ => writeln!(
            lines,
            "({dropped} lines were dropped: the output is too slow)"
        ),
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::PrincipalKind;
    use std::io;

    #[derive(Clone, Default)]
    struct Output {
        bytes: Arc<Mutex<Vec<u8>>>,
        stuck: Arc<Mutex<()>>,
    }

    impl Write for Output {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let _stuck = self.stuck.lock().unwrap();
            self.bytes.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }
        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    fn line() -> Line<'static> {
        Line {
            time: 0,
            method: "GET",
            path: "/",
            status: Some(200),
            took: Duration::ZERO,
            bytes: 0,
            request_id: "x",
            route: "r",
            principal: (PrincipalKind::Anonymous, None),
            code: None,
            cause: None,
        }
    }

    #[test]
    fn every_line_arrives_before_closing_is_done() {
        let output = Output::default();
        let log = AccessLog::new(Format::Json, Box::new(output.clone())).unwrap();
        for _ in 0..1000 {
            log.write(&line());
        }
        log.close();
        let text = String::from_utf8(output.bytes.lock().unwrap().clone()).unwrap();
        assert_eq!(text.lines().count(), 1000);
    }

    #[test]
    fn a_stuck_output_holds_up_nobody() {
        let output = Output::default();
        let log = AccessLog::new(Format::Json, Box::new(output.clone())).unwrap();
        {
            let _stuck = output.stuck.lock().unwrap();
            log.write(&line());
            std::thread::sleep(GATHER * 3);
            let long = "x".repeat(1000);
            let start = std::time::Instant::now();
            for _ in 0..10_000 {
                log.write(&Line {
                    path: &long,
                    ..line()
                });
            }
            assert!(start.elapsed() < Duration::from_secs(1));
            assert!(log.shared.lock().dropped > 0);
            assert!(log.shared.lock().lines.len() <= MOST_BYTES);
        }
        log.close();
        let text = String::from_utf8(output.bytes.lock().unwrap().clone()).unwrap();
        assert!(text.contains("\"message\":\"request lines dropped\""));
    }
}
