//! `/livez`, `/readyz` and `/metrics`: answered by the edge, for those who watch it.

use crate::edge::Edge;
use crate::options::Exposure;
use crate::problem;
use crate::service::{Answered, Service};
use bytes::Bytes;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, FORWARDED, HeaderValue, VIA};
use http::request::Parts;
use http::{Method, Response};
use spec::{Code, Problem};
use std::borrow::Cow;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    Live,
    Ready,
    Metrics,
}

pub fn find(path: &str) -> Option<Probe> {
    match path {
        "/livez" => Some(Probe::Live),
        "/readyz" => Some(Probe::Ready),
        "/metrics" => Some(Probe::Metrics),
        _ => None,
    }
}

impl Probe {
    pub fn route(self) -> &'static str {
        match self {
            Probe::Live => "livez",
            Probe::Ready => "readyz",
            Probe::Metrics => "metrics",
        }
    }

    pub async fn answer<S: Service>(
        self,
        edge: &Edge<S>,
        parts: &Parts,
        peer: SocketAddr,
        request_id: &str,
    ) -> Answered {
        if !matches!(parts.method, Method::GET | Method::HEAD) {
            let wrong = Problem::new(Code::MethodNotAllowed, "This address takes GET, HEAD.");
            let mut answered = problem::answered(wrong, request_id, self.route());
            let allow = HeaderValue::from_static("GET, HEAD");
            answered.response.headers_mut().insert(ALLOW, allow);
            return answered;
        }
        match self {
            Probe::Live => self.text("application/json", "{\"status\":\"live\"}"),
            Probe::Ready => match ready(edge).await {
                Ok(()) => self.text("application/json", "{\"status\":\"ready\"}"),
                Err(problem) => problem::answered(problem, request_id, self.route()),
            },
            Probe::Metrics if !shown(edge.options().metrics, parts, peer) => {
                let hidden = Problem::new(Code::UnknownRoute, "There is nothing at this address.");
                problem::answered(hidden, request_id, "unknown")
            }
            Probe::Metrics => {
                let text = edge.metrics().text(&edge.service().gauges());
                self.text("text/plain; version=0.0.4; charset=utf-8", text)
            }
        }
    }

    fn text(self, kind: &'static str, text: impl Into<Bytes>) -> Answered {
        let mut response = Response::new(text.into());
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(kind));
        headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        Answered {
            response,
            route: Cow::Borrowed(self.route()),
            plan: Duration::ZERO,
            store: Duration::ZERO,
            code: None,
            cause: None,
        }
    }
}

async fn ready<S: Service>(edge: &Edge<S>) -> Result<(), Problem> {
    let wait = Duration::from_secs(1);
    if edge.is_draining() {
        return Err(Problem::new(Code::Overloaded, "The server is stopping.").retry_after(wait));
    }
    // A balancer that asks each second must not wait longer than that for a no.
    match tokio::time::timeout(Duration::from_secs(1), edge.service().ready()).await {
        Ok(ready) => ready,
        Err(_) => Err(
            Problem::new(Code::StoreUnavailable, "The database does not answer.").retry_after(wait),
        ),
    }
}

/// Figures say much about an app: they are for its own network.
fn shown(exposure: Exposure, parts: &Parts, peer: SocketAddr) -> bool {
    match exposure {
        Exposure::Public => true,
        Exposure::Private => is_private(peer.ip()) && !is_proxied(parts),
    }
}

/// Whether a proxy says that it is one. One that adds none of these looks like the caller itself.
fn is_proxied(parts: &Parts) -> bool {
    parts.headers.keys().any(|name| {
        *name == FORWARDED
            || *name == VIA
            || name.as_str() == "x-real-ip"
            || name.as_str().starts_with("x-forwarded-")
    })
}

fn is_private(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => ip.is_loopback() || ip.is_private() || ip.is_link_local(),
        IpAddr::V6(ip) => ip.is_loopback() || ip.is_unique_local() || ip.is_unicast_link_local(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn private_networks_are_known() {
        for (ip, private) in [
            ("127.0.0.1", true),
            ("10.1.2.3", true),
            ("192.168.0.9", true),
            ("172.16.0.1", true),
            ("169.254.1.1", true),
            ("::1", true),
            ("fd00::1", true),
            ("fe80::1", true),
            ("::ffff:10.0.0.1", true),
            ("8.8.8.8", false),
            ("172.32.0.1", false),
            ("2001:db8::1", false),
            ("::ffff:8.8.8.8", false),
        ] {
            assert_eq!(is_private(ip.parse().unwrap()), private, "{ip}");
        }
    }
}
