//! The edge: what every request crosses first.
//!
//! ```text
//! socket ─▶ connection (slow clients, HTTP/1.1 or HTTP/2) ─▶ edge (id, bounds, CORS, identity, body) ─▶ Service
//! socket ◀── headers, metrics, one log line ◀───────────────────────────────────────── Answered ◀──────┘
//! ```
//!
//! - [`Service`]: what is behind the edge, given by whoever wires it.
//! - [`serve`]: a listener, until it is told to stop; then what is in flight is finished.
//! - [`Options`]: bounds and behaviour, every one with a default.
//! - [`AccessLog`]: one line a request. [`Metrics`]: what Prometheus asks for.
//!
//! Absent here: routes, formats, rules; errors are [`spec::Problem`]s.

mod access_log;
mod body;
mod connection;
mod cors;
mod edge;
mod guard;
mod line;
mod metrics;
mod options;
mod probes;
mod problem;
mod refusal;
mod request_id;
mod serve;
mod service;
mod untaken;
mod workers;

pub use access_log::AccessLog;
pub use cors::Cors;
pub use edge::Edge;
pub use line::Format;
pub use metrics::{Gauge, Metrics};
pub use options::{Exposure, Options, Threads, Timing};
pub use serve::{Drained, serve};
pub use service::{Answered, Context, Service};
