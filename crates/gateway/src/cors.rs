//! Which other origins' pages may read answers (the Fetch standard, "CORS protocol").
//!
//! Credentials in the sense of that standard (cookies) are never allowed: callers send a bearer token, which no
//! browser attaches by itself.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_METHOD,
    HeaderMap, HeaderValue, ORIGIN, VARY,
};
use http::request::Parts;
use http::{Method, Response, StatusCode};

#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Cors {
    /// No other origin.
    #[default]
    Off,
    /// Pages served from this machine, on any port: for development.
    Localhost,
    /// These, as a browser writes them: `https://app.example.com`.
    Origins(Vec<String>),
}

impl Cors {
    /// The origin of a request, where it may read the answer.
    pub fn allowed<'h>(&self, headers: &'h HeaderMap) -> Option<&'h HeaderValue> {
        if *self == Cors::Off {
            return None;
        }
        let mut origins = headers.get_all(ORIGIN).iter();
        let (Some(origin), None) = (origins.next(), origins.next()) else {
            return None;
        };
        let text = origin.to_str().ok()?;
        let known = match self {
            Cors::Off => false,
            Cors::Localhost => is_local(text),
            Cors::Origins(known) => known.iter().any(|k| k == text),
        };
        known.then_some(origin)
    }

    /// The answer to a browser that asks beforehand.
    pub fn preflight(&self, parts: &Parts) -> Option<Response<Bytes>> {
        if parts.method != Method::OPTIONS
            || !parts.headers.contains_key(ACCESS_CONTROL_REQUEST_METHOD)
        {
            return None;
        }
        self.allowed(&parts.headers)?;
        let mut response = Response::new(Bytes::new());
        *response.status_mut() = StatusCode::NO_CONTENT;
        let headers = response.headers_mut();
        headers.insert(
            ACCESS_CONTROL_ALLOW_METHODS,
            HeaderValue::from_static("GET, HEAD, POST, PUT, PATCH, DELETE"),
        );
        headers.insert(
            ACCESS_CONTROL_ALLOW_HEADERS,
            HeaderValue::from_static(
                "Authorization, Content-Type, Idempotency-Key, If-Match, If-None-Match, X-Request-Id",
            ),
        );
        // Ten minutes: what Chromium keeps at most is two hours, and a change of settings should be felt.
        headers.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static("600"));
        headers.insert(
            VARY,
            HeaderValue::from_static(
                "Access-Control-Request-Method, Access-Control-Request-Headers",
            ),
        );
        Some(response)
    }

    /// Marks an answer to a request with these headers.
    pub fn mark(&self, request: &HeaderMap, response: &mut HeaderMap) {
        if *self == Cors::Off {
            return;
        }
        // Also where there is no origin: a cache must not answer one kind of request with the other's answer.
        response.append(VARY, HeaderValue::from_static("Origin"));
        if let Some(origin) = self.allowed(request) {
            response.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
            response.insert(
                ACCESS_CONTROL_EXPOSE_HEADERS,
                HeaderValue::from_static(
                    "ETag, Idempotency-Replayed, Location, Retry-After, Server-Timing, X-Request-Id",
                ),
            );
        }
    }
}

/// `http://localhost:5173` and the like; nothing that merely begins so.
fn is_local(origin: &str) -> bool {
    let Some(rest) = origin
        .strip_prefix("http://")
        .or_else(|| origin.strip_prefix("https://"))
    else {
        return false;
    };
    ["localhost", "127.0.0.1", "[::1]"].iter().any(|host| {
        rest.strip_prefix(host)
            .is_some_and(|rest| match rest.strip_prefix(':') {
                Some(port) => {
                    port.parse::<u16>().is_ok() && port.bytes().all(|b| b.is_ascii_digit())
                }
                None => rest.is_empty(),
            })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_origin(origin: &str) -> HeaderMap {
        let mut headers = HeaderMap::new();
        headers.insert(ORIGIN, HeaderValue::from_str(origin).unwrap());
        headers
    }

    #[test]
    fn only_this_machine_is_local() {
        for (origin, local) in [
            ("http://localhost", true),
            ("http://localhost:5173", true),
            ("https://localhost:5173", true),
            ("http://127.0.0.1:3000", true),
            ("http://[::1]:3000", true),
            ("http://[::1]", true),
            ("http://localhost.evil.com", false),
            ("http://localhost:80.evil.com", false),
            ("http://localhost:80@evil.com", false),
            ("http://localhost:", false),
            ("http://localhost:+80", false),
            ("http://localhost:99999", false),
            ("http://localhost/", false),
            ("http://evil.com", false),
            ("http://127.0.0.1.evil.com", false),
            ("http://127.0.0.2", false),
            ("http://LOCALHOST", false),
            ("null", false),
            ("file://localhost", false),
            ("", false),
        ] {
            let headers = with_origin(origin);
            assert_eq!(
                Cors::Localhost.allowed(&headers).is_some(),
                local,
                "{origin}"
            );
            assert_eq!(Cors::Off.allowed(&headers), None, "{origin}");
        }
    }

    #[test]
    fn a_list_is_exact() {
        let cors = Cors::Origins(vec!["https://app.example.com".to_owned()]);
        assert!(
            cors.allowed(&with_origin("https://app.example.com"))
                .is_some()
        );
        for other in [
            "https://app.example.com.evil.com",
            "http://app.example.com",
            "https://APP.example.com",
        ] {
            assert_eq!(cors.allowed(&with_origin(other)), None, "{other}");
        }
        let mut two = with_origin("https://app.example.com");
        two.append(ORIGIN, HeaderValue::from_static("https://app.example.com"));
        assert_eq!(cors.allowed(&two), None);
    }

    #[test]
    fn nothing_is_reflected_to_strangers() {
        let mut out = HeaderMap::new();
        Cors::Localhost.mark(&with_origin("https://evil.com"), &mut out);
        assert_eq!(out.get(ACCESS_CONTROL_ALLOW_ORIGIN), None);
        assert_eq!(out[VARY], "Origin");
        let mut out = HeaderMap::new();
        Cors::Localhost.mark(&with_origin("http://localhost:1"), &mut out);
        assert_eq!(out[ACCESS_CONTROL_ALLOW_ORIGIN], "http://localhost:1");
        let mut out = HeaderMap::new();
        Cors::Off.mark(&with_origin("http://localhost:1"), &mut out);
        assert!(out.is_empty());
    }
}
