//! Figures for Prometheus: requests and their latency by route, and what the service adds.
//!
//! Each thread counts for itself, so that counting a request touches no memory that another thread writes; a scrape
//! adds the threads up.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fmt::Write as _;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

/// Upper bounds of the latency buckets, in microseconds: fine where an engine on a warm database lives.
const BOUNDS: [u64; 16] = [
    50, 100, 250, 500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000,
    1_000_000, 2_500_000, 10_000_000,
];
/// Labels are one of few; if they are not after all, memory stays bounded.
const MOST_ROUTES: usize = 4096;
const OTHER: &str = "other";

/// One value that the service shows, gathered when it is asked for.
#[derive(Debug, Clone, PartialEq)]
pub struct Gauge {
    /// As Prometheus wants names: `mainstay_pool_connections`.
    pub name: &'static str,
    pub help: &'static str,
    /// `("state", "idle")`.
    pub label: Option<(&'static str, &'static str)>,
    pub value: f64,
}

/// One thread's figures of one route.
#[derive(Debug, Default)]
struct Series {
    /// By the status' first digit, from 1.
    classes: [AtomicU64; 5],
    buckets: [AtomicU64; BOUNDS.len() + 1],
    micros: AtomicU64,
}

/// One thread's figures.
#[derive(Debug, Default)]
struct Shard {
    routes: Mutex<HashMap<String, Arc<Series>>>,
    started: AtomicU64,
    finished: AtomicU64,
}

/// A thread's own way to its figures, by the registry they belong to.
struct Local {
    owner: Weak<Registry>,
    shard: Arc<Shard>,
    routes: HashMap<String, Arc<Series>>,
}

#[derive(Debug, Default)]
struct Registry {
    shards: Mutex<Vec<Arc<Shard>>>,
    connections: AtomicU64,
    abandoned: AtomicU64,
}

#[derive(Debug, Clone, Default)]
pub struct Metrics(Arc<Registry>);

thread_local! {
    static LOCAL: RefCell<Option<Local>> = const { RefCell::new(None) };
}

impl Metrics {
    pub fn connected(&self) {
        self.0.connections.fetch_add(1, Relaxed);
    }

    pub fn started(&self) {
        self.local(|local| {
            local.shard.started.fetch_add(1, Relaxed);
        });
    }

    /// A request is over. Without a status nobody was there to take the answer.
    pub fn finished(&self, route: &str, status: Option<u16>, took: Duration) {
        self.local(|local| {
            local.shard.finished.fetch_add(1, Relaxed);
            let Some(status) = status else {
                self.0.abandoned.fetch_add(1, Relaxed);
                return;
            };
            let series = match local.routes.get(route) {
                Some(series) => series,
                None => local.add(route),
            };
            let micros = took.as_micros() as u64;
            let class = (usize::from(status / 100)).clamp(1, 5) - 1;
            let bucket = BOUNDS.partition_point(|bound| *bound < micros);
            series.classes[class].fetch_add(1, Relaxed);
            series.buckets[bucket].fetch_add(1, Relaxed);
            series.micros.fetch_add(micros, Relaxed);
        });
    }

    fn local(&self, use_it: impl FnOnce(&mut Local)) {
        LOCAL.with_borrow_mut(|local| {
            let own = |l: &Local| std::ptr::eq(l.owner.as_ptr(), Arc::as_ptr(&self.0));
            if !local.as_ref().is_some_and(own) {
                *local = Some(self.enter());
            }
            if let Some(local) = local {
                use_it(local);
            }
        });
    }

    fn enter(&self) -> Local {
        let shard = Arc::new(Shard::default());
        lock(&self.0.shards).push(Arc::clone(&shard));
        Local {
            owner: Arc::downgrade(&self.0),
            shard,
            routes: HashMap::new(),
        }
    }

    /// The text that Prometheus reads (exposition format 0.0.4).
    pub fn text(&self, gauges: &[Gauge]) -> String {
        let mut sum: BTreeMap<String, Total> = BTreeMap::new();
        let (mut started, mut finished) = (0, 0);
        for shard in lock(&self.0.shards).iter() {
            // Finished first: what starts in between would else make it negative.
            finished += shard.finished.load(Relaxed);
            started += shard.started.load(Relaxed);
            for (route, series) in lock(&shard.routes).iter() {
                sum.entry(route.clone()).or_default().add(series);
            }
        }
        let mut out = String::with_capacity(1024 + sum.len() * 1024);
        head(
            &mut out,
            "mainstay_requests_total",
            "counter",
            "Requests answered.",
        );
        for (route, total) in &sum {
            let route = escaped(route);
            for (class, count) in total.classes.iter().enumerate().filter(|(_, c)| **c > 0) {
                let _ = writeln!(
                    out,
                    "mainstay_requests_total{{route=\"{route}\",status=\"{}xx\"}} {count}",
                    class + 1
                );
            }
        }
        let name = "mainstay_request_duration_seconds";
        head(
            &mut out,
            name,
            "histogram",
            "From the end of a request's head to its answer.",
        );
        for (route, total) in &sum {
            let route = escaped(route);
            let mut below = 0;
            for (bound, count) in BOUNDS.iter().zip(&total.buckets) {
                below += count;
                let le = *bound as f64 / 1e6;
                let _ = writeln!(
                    out,
                    "{name}_bucket{{route=\"{route}\",le=\"{le}\"}} {below}"
                );
            }
            below += total.buckets[BOUNDS.len()];
            let _ = writeln!(
                out,
                "{name}_bucket{{route=\"{route}\",le=\"+Inf\"}} {below}"
            );
            let seconds = total.micros as f64 / 1e6;
            let _ = writeln!(out, "{name}_sum{{route=\"{route}\"}} {seconds}");
            let _ = writeln!(out, "{name}_count{{route=\"{route}\"}} {below}");
        }
        for (name, kind, help, value) in [
            (
                "mainstay_requests_in_flight",
                "gauge",
                "Requests being answered.",
                started - finished.min(started),
            ),
            (
                "mainstay_requests_abandoned_total",
                "counter",
                "Requests whose client went away before the answer.",
                self.0.abandoned.load(Relaxed),
            ),
            (
                "mainstay_connections_total",
                "counter",
                "Connections accepted.",
                self.0.connections.load(Relaxed),
            ),
        ] {
            head(&mut out, name, kind, help);
            let _ = writeln!(out, "{name} {value}");
        }
        let mut last = "";
        for gauge in gauges {
            if gauge.name != last {
                head(&mut out, gauge.name, "gauge", gauge.help);
                last = gauge.name;
            }
            let _ = match gauge.label {
                Some((label, of)) => {
                    writeln!(
                        out,
                        "{}{{{label}=\"{}\"}} {}",
                        gauge.name,
                        escaped(of),
                        gauge.value
                    )
                }
                None => writeln!(out, "{} {}", gauge.name, gauge.value),
            };
        }
        out
    }
}

impl Local {
    fn add(&mut self, route: &str) -> &Series {
        let route = if self.routes.len() < MOST_ROUTES {
            route
        } else {
            OTHER
        };
        let series = self.routes.entry(route.to_owned()).or_default();
        lock(&self.shard.routes)
            .entry(route.to_owned())
            .or_insert_with(|| Arc::clone(series));
        series
    }
}

#[derive(Debug, Default)]
struct Total {
    classes: [u64; 5],
    buckets: [u64; BOUNDS.len() + 1],
    micros: u64,
}

impl Total {
    fn add(&mut self, series: &Series) {
        for (total, count) in self.classes.iter_mut().zip(&series.classes) {
            *total += count.load(Relaxed);
        }
        for (total, count) in self.buckets.iter_mut().zip(&series.buckets) {
            *total += count.load(Relaxed);
        }
        self.micros += series.micros.load(Relaxed);
    }
}

fn head(out: &mut String, name: &str, kind: &str, help: &str) {
    let _ = writeln!(out, "# HELP {name} {help}\n# TYPE {name} {kind}");
}

fn escaped(label: &str) -> String {
    label
        .replace('\\', "\\\\")
        .replace('"', "\\\"")
        .replace('\n', "\\n")
}

/// A panic while counting loses no figure worth refusing the rest for.
fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_are_added_up() {
        let metrics = Metrics::default();
        std::thread::scope(|scope| {
            for _ in 0..4 {
                scope.spawn(|| {
                    for status in [200, 204, 404, 500] {
                        metrics.started();
                        metrics.finished("a.b.one", Some(status), Duration::from_micros(75));
                    }
                });
            }
        });
        metrics.started();
        metrics.finished("a.b.one", None, Duration::ZERO);
        metrics.started();
        let gauge = |state, value| Gauge {
            name: "mainstay_pool",
            help: "The pool.",
            label: Some(("state", state)),
            value,
        };
        let text = metrics.text(&[gauge("idle", 3.0), gauge("used", 1.5)]);
        for line in [
            "mainstay_requests_total{route=\"a.b.one\",status=\"2xx\"} 8",
            "mainstay_requests_total{route=\"a.b.one\",status=\"4xx\"} 4",
            "mainstay_requests_total{route=\"a.b.one\",status=\"5xx\"} 4",
            "mainstay_request_duration_seconds_bucket{route=\"a.b.one\",le=\"0.00005\"} 0",
            "mainstay_request_duration_seconds_bucket{route=\"a.b.one\",le=\"0.0001\"} 16",
            "mainstay_request_duration_seconds_bucket{route=\"a.b.one\",le=\"+Inf\"} 16",
            "mainstay_request_duration_seconds_sum{route=\"a.b.one\"} 0.0012",
            "mainstay_request_duration_seconds_count{route=\"a.b.one\"} 16",
            "mainstay_requests_in_flight 1",
            "mainstay_requests_abandoned_total 1",
            "mainstay_pool{state=\"idle\"} 3",
            "mainstay_pool{state=\"used\"} 1.5",
        ] {
            assert!(text.lines().any(|l| l == line), "{line} in\n{text}");
        }
        assert_eq!(text.matches("# TYPE mainstay_pool gauge").count(), 1);
    }

    #[test]
    fn labels_cannot_exhaust_memory_or_break_a_line() {
        let metrics = Metrics::default();
        for at in 0..MOST_ROUTES + 10 {
            metrics.finished(&format!("r{at}"), Some(200), Duration::ZERO);
        }
        metrics.finished("a\"b\nc", Some(200), Duration::ZERO);
        let text = metrics.text(&[]);
        assert!(text.contains("mainstay_requests_total{route=\"other\",status=\"2xx\"} 11"));
        assert_eq!(escaped("a\"b\nc\\"), "a\\\"b\\nc\\\\");
    }
}
