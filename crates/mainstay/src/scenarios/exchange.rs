//! What was sent and what came back, for people.

use bytes::Bytes;
use http::{HeaderMap, Method};
use serde_json::Value as Json;

/// Characters of a body that are shown.
const SHOWN: usize = 2_000;

/// A step's request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// From 1.
    pub step: usize,
    pub who: String,
    pub method: Method,
    pub address: String,
    /// Those that the step names; the access token is not among them.
    pub headers: Vec<(String, String)>,
    pub body: Bytes,
    pub status: u16,
    pub answer_headers: HeaderMap,
    pub answer: Bytes,
    /// The body as JSON; what is none is a string.
    pub json: Json,
}

impl Exchange {
    /// `ann  PATCH /api/catalog/products/7 {"price":"1.00"}`.
    pub fn request(&self) -> String {
        let mut out = format!("{}  {} {}", self.who, self.method, self.address);
        for (name, value) in &self.headers {
            out.push_str(&format!("\n       {name}: {value}"));
        }
        if !self.body.is_empty() {
            out.push_str(&format!(" {}", shown(&self.body)));
        }
        out
    }

    /// `403 {"type":…}`.
    pub fn answer(&self) -> String {
        format!("{} {}", self.status, shown(&self.answer))
    }

    /// The same request to a server, as a line for a shell.
    pub fn curl(&self, server: &str) -> String {
        let quoted = |text: &str| format!("'{}'", text.replace('\'', "'\\''"));
        let mut out = "curl -i".to_owned();
        match self.method {
            Method::GET => {}
            Method::HEAD => out.push_str(" --head"),
            _ => out.push_str(&format!(" -X {}", self.method)),
        }
        out.push_str(&format!(
            " {}",
            quoted(&format!("{server}{}", self.address))
        ));
        if self.who != spec::scenario::ANONYMOUS {
            out.push_str(" -H \"Authorization: Bearer $TOKEN\"");
        }
        let mut typed = false;
        for (name, value) in &self.headers {
            typed |= name.eq_ignore_ascii_case("content-type");
            out.push_str(&format!(" -H {}", quoted(&format!("{name}: {value}"))));
        }
        if !self.body.is_empty() {
            if !typed {
                out.push_str(" -H 'Content-Type: application/json'");
            }
            let body = String::from_utf8_lossy(&self.body);
            out.push_str(&format!(" -d {}", quoted(&body)));
        }
        out
    }
}

/// Text of an answer for one line; the end of a long one is left out.
pub fn shown(bytes: &[u8]) -> String {
    let text = String::from_utf8_lossy(bytes);
    match text.char_indices().nth(SHOWN) {
        Some((end, _)) => format!("{}… ({} bytes)", &text[..end], bytes.len()),
        None => text.into_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shell_takes_the_line_as_the_request_was() {
        let exchange = Exchange {
            step: 1,
            who: "ann".to_owned(),
            method: Method::PATCH,
            address: "/api/shop/tags/1".to_owned(),
            headers: vec![("If-Match".to_owned(), "\"1\"".to_owned())],
            body: Bytes::from("{\"name\":\"it's\"}"),
            status: 200,
            answer_headers: HeaderMap::new(),
            answer: Bytes::new(),
            json: Json::Null,
        };
        assert_eq!(
            exchange.curl("http://127.0.0.1:7070"),
            "curl -i -X PATCH 'http://127.0.0.1:7070/api/shop/tags/1' -H \"Authorization: Bearer $TOKEN\" \
             -H 'If-Match: \"1\"' -H 'Content-Type: application/json' -d '{\"name\":\"it'\\''s\"}'"
        );
    }
}
