//! One request as one line, for a machine or for a person.

use spec::json::{write_string, write_uuid};
use spec::{Code, PrincipalKind, Uuid};
use std::borrow::Cow;
use std::io::Write as _;
use std::time::Duration;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Pretty {
        color: bool,
    },
    Off,
}

/// What is said of a request. Never its query string's values, its headers or its body.
#[derive(Debug, Clone, Copy)]
pub struct Line<'a> {
    /// Microseconds since 1970.
    pub time: i64,
    pub method: &'a str,
    pub path: &'a str,
    /// None when nobody was there to take the answer.
    pub status: Option<u16>,
    pub took: Duration,
    /// Of the answer's body.
    pub bytes: usize,
    pub request_id: &'a str,
    pub route: &'a str,
    pub principal: (PrincipalKind, Option<Uuid>),
    pub code: Option<Code>,
    pub cause: Option<&'a str>,
}

impl Line<'_> {
    pub fn write(&self, out: &mut Vec<u8>, format: Format) {
        match format {
            Format::Json => self.json(out),
            Format::Pretty { color } => self.pretty(out, color),
            Format::Off => {}
        }
    }

    fn level(&self) -> &'static str {
        match self.status {
            Some(500..) => "error",
            _ => "info",
        }
    }

    fn json(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"time\":\"");
        spec::time::write_timestamp(out, self.time);
        out.extend_from_slice(b"\",\"level\":\"");
        out.extend_from_slice(self.level().as_bytes());
        out.extend_from_slice(b"\",\"message\":\"request\",\"method\":");
        write_string(out, self.method);
        out.extend_from_slice(b",\"path\":");
        write_string(out, self.path);
        // Writing to a Vec cannot fail.
        if let Some(status) = self.status {
            out.extend_from_slice(b",\"status\":");
            number(out, u64::from(status));
        }
        out.extend_from_slice(b",\"duration_ms\":");
        millis(out, self.took);
        out.extend_from_slice(b",\"bytes\":");
        number(out, self.bytes as u64);
        out.extend_from_slice(b",\"request_id\":");
        write_string(out, self.request_id);
        out.extend_from_slice(b",\"route\":");
        write_string(out, self.route);
        let (kind, id) = &self.principal;
        out.extend_from_slice(b",\"principal\":\"");
        match id {
            Some(id) => {
                // The writer puts quotes of its own around it.
                out.pop();
                write_uuid(out, id);
            }
            None => {
                out.extend_from_slice(kind.as_str().as_bytes());
                out.push(b'"');
            }
        }
        if let Some(code) = self.code {
            out.extend_from_slice(b",\"code\":");
            write_string(out, code.name());
        }
        if let Some(cause) = self.cause {
            out.extend_from_slice(b",\"cause\":");
            write_string(out, &bounded(cause));
        }
        if self.status.is_none() {
            out.extend_from_slice(b",\"abandoned\":true");
        }
        out.extend_from_slice(b"}\n");
    }

    fn pretty(&self, out: &mut Vec<u8>, color: bool) {
        let (dim, reset) = if color {
            ("\x1b[2m", "\x1b[0m")
        } else {
            ("", "")
        };
        let status_color = match self.status {
            _ if !color => "",
            Some(..300) => "\x1b[32m",
            Some(300..400) => "\x1b[36m",
            Some(400..500) => "\x1b[33m",
            _ => "\x1b[31m",
        };
        let mut stamp = Vec::with_capacity(32);
        spec::time::write_timestamp(&mut stamp, self.time);
        out.extend_from_slice(dim.as_bytes());
        // The time of day, in UTC: on a terminal the day is known.
        out.extend_from_slice(stamp.get(11..19).unwrap_or(&stamp));
        out.extend_from_slice(reset.as_bytes());
        out.push(b' ');
        out.extend_from_slice(status_color.as_bytes());
        match self.status {
            Some(status) => number(out, u64::from(status)),
            None => out.extend_from_slice(b"---"),
        }
        out.extend_from_slice(reset.as_bytes());
        let _ = write!(out, " {:<6} ", Shown(self.method));
        let _ = write!(out, "{} {dim}", Shown(self.path));
        millis(out, self.took);
        let _ = write!(out, " ms {} B", self.bytes);
        if self.code.is_some() || self.status.is_none() {
            let _ = write!(out, " {}", self.request_id);
        }
        out.extend_from_slice(reset.as_bytes());
        if let Some(code) = self.code {
            let _ = write!(out, " {status_color}{}{reset}", code.name());
        }
        if let Some(cause) = self.cause {
            let _ = write!(out, ": {}", Shown(&bounded(cause)));
        }
        out.push(b'\n');
    }
}

/// So much of a cause is logged: it may repeat what a caller sent, and they may send it often.
const MOST_CAUSE: usize = 1024;

/// A cause as the log has it.
pub fn bounded(cause: &str) -> Cow<'_, str> {
    if cause.len() <= MOST_CAUSE {
        return Cow::Borrowed(cause);
    }
    Cow::Owned(format!(
        "{}…",
        &cause[..cause.floor_char_boundary(MOST_CAUSE)]
    ))
}

/// Text from outside, on a terminal: what could move the cursor or turn the line around is shown as an escape.
struct Shown<'t>(&'t str);

impl std::fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        use std::fmt::Write as _;
        if self.0.bytes().all(|b| (b' '..=b'~').contains(&b)) {
            return f.pad(self.0);
        }
        for c in self.0.chars() {
            let turns = matches!(c, '\u{200e}' | '\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
            if c.is_control() || turns {
                write!(f, "{}", c.escape_unicode())?;
            } else {
                f.write_char(c)?;
            }
        }
        Ok(())
    }
}

pub fn number(out: &mut Vec<u8>, value: u64) {
    let mut digits = [0; 20];
    let mut at = digits.len();
    let mut rest = value;
    loop {
        at -= 1;
        digits[at] = b'0' + (rest % 10) as u8;
        rest /= 10;
        if rest == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}

/// Milliseconds with three digits behind the point.
pub fn millis(out: &mut Vec<u8>, time: Duration) {
    let micros = time.as_micros() as u64;
    number(out, micros / 1000);
    let rest = micros % 1000;
    out.push(b'.');
    out.extend_from_slice(&[
        b'0' + (rest / 100) as u8,
        b'0' + (rest / 10 % 10) as u8,
        b'0' + (rest % 10) as u8,
    ]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line() -> Line<'static> {
        Line {
            time: 1_767_225_600_123_456,
            method: "GET",
            path: "/api/catalog/products",
            status: Some(200),
            took: Duration::from_nanos(1_234_567),
            bytes: 812,
            request_id: "0011223344556677",
            route: "catalog.products.list",
            principal: (PrincipalKind::Anonymous, None),
            code: None,
            cause: None,
        }
    }

    fn written(line: &Line<'_>, format: Format) -> String {
        let mut out = Vec::new();
        line.write(&mut out, format);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn a_line_is_one_json_object() {
        assert_eq!(
            written(&line(), Format::Json),
            "{\"time\":\"2026-01-01T00:00:00.123456Z\",\"level\":\"info\",\"message\":\"request\",\"method\":\"GET\",\
             \"path\":\"/api/catalog/products\",\"status\":200,\"duration_ms\":1.234,\"bytes\":812,\
             \"request_id\":\"0011223344556677\",\"route\":\"catalog.products.list\",\"principal\":\"anonymous\"}\n"
        );
        let failed = Line {
            status: Some(503),
            principal: (PrincipalKind::User, Some(Uuid::nil())),
            code: Some(Code::StoreUnavailable),
            cause: Some("connection refused"),
            ..line()
        };
        let text = written(&failed, Format::Json);
        assert!(text.contains("\"level\":\"error\"") && text.ends_with(
            "\"principal\":\"00000000-0000-0000-0000-000000000000\",\"code\":\"store.unavailable\",\"cause\":\"connection refused\"}\n"
        ), "{text}");
        assert_eq!(written(&line(), Format::Off), "");
    }

    #[test]
    fn nothing_from_outside_breaks_a_line() {
        let evil = "/a\n{\"level\":\"error\"}\r\u{1b}[31m\u{9b}2J\u{202e}\"\\";
        let line = Line {
            path: evil,
            cause: Some(evil),
            ..line()
        };
        let json = written(&line, Format::Json);
        assert_eq!(json.matches('\n').count(), 1);
        let read: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(read["path"], evil);
        assert_eq!(read["cause"], evil);
        let pretty = written(&line, Format::Pretty { color: false });
        assert_eq!(pretty.matches('\n').count(), 1);
        let tame = |c: char| c == '\n' || !c.is_control() && c != '\u{202e}';
        assert!(pretty.chars().all(tame), "{pretty:?}");
    }

    #[test]
    fn a_cause_has_its_bound() {
        for (cause, shown) in [
            ("x".repeat(1024), "x".repeat(1024)),
            ("x".repeat(1025), format!("{}…", "x".repeat(1024))),
            // Never through a character.
            (
                format!("x{}", "é".repeat(1000)),
                format!("x{}…", "é".repeat(511)),
            ),
        ] {
            let line = Line {
                cause: Some(&cause),
                ..line()
            };
            let json: serde_json::Value =
                serde_json::from_str(&written(&line, Format::Json)).unwrap();
            assert_eq!(json["cause"], shown);
            let pretty = written(&line, Format::Pretty { color: false });
            assert!(pretty.ends_with(&format!(" B: {shown}\n")), "{pretty}");
        }
    }

    #[test]
    fn a_person_reads_it_at_a_glance() {
        assert_eq!(
            written(&line(), Format::Pretty { color: false }),
            "00:00:00 200 GET    /api/catalog/products 1.234 ms 812 B\n"
        );
        let failed = Line {
            status: Some(404),
            code: Some(Code::NotFound),
            ..line()
        };
        assert_eq!(
            written(&failed, Format::Pretty { color: true }),
            "\u{1b}[2m00:00:00\u{1b}[0m \u{1b}[33m404\u{1b}[0m GET    /api/catalog/products \
             \u{1b}[2m1.234 ms 812 B 0011223344556677\u{1b}[0m \u{1b}[33maccess.not_found\u{1b}[0m\n"
        );
    }
}
