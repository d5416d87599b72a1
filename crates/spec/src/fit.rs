//! What a field keeps of a value of its type: limits, forms, and letters. It binds what is sent and what a default
//! computes alike.

use crate::input::{number, whole};
use crate::problem::FieldError;
use crate::types::{FieldType, ItemType};
use crate::{Field, KeyKind, Value, key};
use serde_json::value::RawValue;
use std::fmt;
use std::net::Ipv6Addr;
use std::sync::Arc;

type Result<T> = std::result::Result<T, FieldError>;

/// Characters of an address, and bytes of a URL: an index holds them.
const MAX_EMAIL: u32 = 254;
pub(crate) const MAX_URL: usize = 2_048;

/// The value as the field keeps it, or what is wrong with it. The error's pointer is relative to the field.
pub fn fitted(field: &Field, value: Value) -> Result<Value> {
    let name = &field.name;
    match (&field.ty, value) {
        (_, Value::Null) => Ok(Value::Null),
        (FieldType::String { max } | FieldType::Text { max }, Value::Text(text)) => {
            within(name, &text, *max)?;
            Ok(Value::Text(text))
        }
        (FieldType::Email, Value::Text(text)) => {
            let folded = text.trim().to_lowercase();
            within(name, &folded, MAX_EMAIL)?;
            if !is_email(&folded) {
                return Err(wrong("format", format!("{name} is not an email address.")));
            }
            Ok(Value::Text(folded.into()))
        }
        (FieldType::Url, Value::Text(text)) => {
            if text.len() > MAX_URL {
                let detail = format!("{name} is longer than {MAX_URL} bytes.");
                return Err(wrong("too_long", detail));
            }
            if !is_url(&text) {
                let detail = format!("{name} is not an absolute http or https URL.");
                return Err(wrong("format", detail));
            }
            Ok(Value::Text(text))
        }
        (FieldType::Enum { values }, Value::Text(text)) => {
            let known = values.iter().find(|v| **v == text);
            let known = known.ok_or_else(|| {
                let detail = format!("{name} must be one of {}.", values.join(", "));
                wrong("not_in", detail)
            })?;
            Ok(Value::Text(Arc::clone(known)))
        }
        (FieldType::Int { min, max }, Value::Int(n)) => {
            if !key::is_exact(n) {
                return Err(no_whole(name));
            }
            range(name, n, *min, *max)?;
            Ok(Value::Int(n))
        }
        (FieldType::Float { min, max }, Value::Float(n)) => {
            if !n.is_finite() {
                return Err(no_number(name));
            }
            range(name, n, *min, *max)?;
            // SQLite keeps no sign of zero: there is one zero.
            Ok(Value::Float(n + 0.0))
        }
        (FieldType::Decimal { scale }, Value::Decimal(given)) => {
            let kept = given.rescale(*scale).filter(|d| d.fits());
            kept.map(Value::Decimal)
                .ok_or_else(|| no_decimal(name, *scale))
        }
        (FieldType::List { items, max }, Value::Json(text)) => {
            list(name, &text, *items, *max)?;
            Ok(Value::Json(text))
        }
        (FieldType::Relation { key, .. }, Value::Text(text)) => {
            key::read(KeyKind::String, &text).ok_or_else(|| no_id(name, *key))
        }
        (FieldType::Relation { key, .. }, Value::Int(n)) if !key::is_exact(n) => {
            Err(no_id(name, *key))
        }
        (_, value) => Ok(value),
    }
}

/// An error whose pointer is relative to the field.
pub(crate) fn wrong(code: &'static str, detail: impl Into<String>) -> FieldError {
    FieldError {
        pointer: String::new(),
        code,
        detail: detail.into(),
    }
}

pub(crate) fn no_whole(name: &str) -> FieldError {
    wrong(
        "type",
        format!("{name} must be a whole number within ±(2^53 − 1)."),
    )
}

pub(crate) fn no_number(name: &str) -> FieldError {
    wrong("type", format!("{name} must be a finite number."))
}

pub(crate) fn no_decimal(name: &str, scale: u8) -> FieldError {
    wrong(
        "type",
        format!("{name} must be a decimal of at most 18 digits, {scale} of them behind the point."),
    )
}

pub(crate) fn no_id(name: &str, key: KeyKind) -> FieldError {
    let expected = key::expected(key);
    wrong(
        "type",
        format!("{name} must be the id of a record it refers to, {expected}."),
    )
}

/// Whether a text can be kept, and is not too long.
pub(crate) fn within(name: &str, text: &str, max: u32) -> Result<()> {
    if text.contains('\0') {
        return Err(wrong(
            "type",
            format!("{name} contains U+0000, which no store keeps."),
        ));
    }
    if text.len() > max as usize && text.chars().count() > max as usize {
        return Err(wrong(
            "too_long",
            format!("{name} is longer than {max} characters."),
        ));
    }
    Ok(())
}

fn range<T: PartialOrd + fmt::Display>(
    name: &str,
    n: T,
    min: Option<T>,
    max: Option<T>,
) -> Result<()> {
    if let Some(min) = min
        && n < min
    {
        return Err(wrong(
            "too_small",
            format!("{name} must be at least {min}."),
        ));
    }
    if let Some(max) = max
        && n > max
    {
        return Err(wrong("too_large", format!("{name} must be at most {max}.")));
    }
    Ok(())
}

fn list(name: &str, text: &str, items: ItemType, max: u32) -> Result<()> {
    let given: Vec<&RawValue> = serde_json::from_str(text)
        .map_err(|_| wrong("type", format!("{name} must be an array.")))?;
    if given.len() > max as usize {
        return Err(wrong(
            "too_long",
            format!("{name} has more than {max} items."),
        ));
    }
    for (at, item) in given.iter().enumerate() {
        let item = item.get();
        let (fits, expected) = match items {
            ItemType::String => (item.starts_with('"'), "a string"),
            ItemType::Int => (whole(item).is_some(), "a whole number within ±(2^53 − 1)"),
            ItemType::Float => (number(item).is_some(), "a finite number"),
            ItemType::Bool => (matches!(item, "true" | "false"), "true or false"),
        };
        if !fits {
            let mut error = wrong("type", format!("Item {at} of {name} must be {expected}."));
            error.pointer = format!("/{at}");
            return Err(error);
        }
    }
    Ok(())
}

/// One `@`, something before it, a dotted or local name behind it, no spaces: delivery is the real test.
fn is_email(text: &str) -> bool {
    let Some((local, domain)) = text.rsplit_once('@') else {
        return false;
    };
    !local.is_empty()
        && local.len() <= 64
        && !local.contains('@')
        && !domain.is_empty()
        && !domain.starts_with(['.', '-'])
        && !domain.ends_with(['.', '-'])
        && !domain.contains("..")
        && domain
            .chars()
            .all(|c| c.is_alphanumeric() || matches!(c, '.' | '-'))
        && !local.chars().any(|c| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '<' | '>' | '(' | ')' | ',' | ';' | '"')
        })
}

/// `http` or `https`, a host, and nothing that no URL holds (RFC 3986, with letters beyond ASCII let through).
fn is_url(text: &str) -> bool {
    let rest = text
        .strip_prefix("https://")
        .or_else(|| text.strip_prefix("http://"));
    let Some(rest) = rest else { return false };
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    is_authority(&rest[..end])
        && !text.chars().any(|c| {
            c.is_whitespace()
                || c.is_control()
                || matches!(c, '<' | '>' | '"' | '\\' | '^' | '`' | '{' | '|' | '}')
        })
}

/// `user@host:port`: brackets stand around an IPv6 address and nowhere else.
fn is_authority(text: &str) -> bool {
    let host = text.rsplit_once('@').map_or(text, |(_, host)| host);
    let (host, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((address, port)) if address.parse::<Ipv6Addr>().is_ok() => ("[]", port),
            _ => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port_fits = match port.strip_prefix(':') {
        Some(digits) => digits.is_empty() || digits.parse::<u16>().is_ok(),
        None => port.is_empty(),
    };
    let bracketed = host != "[]" && host.contains(['[', ']']);
    !host.is_empty() && !bracketed && port_fits
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_have_a_host() {
        for good in [
            "http://a",
            "https://a.b/c?d=e#f",
            "http://[::1]",
            "http://[::1]:8080/a?b[c]=d",
            "http://me:secret@a.b:80/",
            "http://a:/",
            "https://grüße.de/ü",
        ] {
            assert!(is_url(good), "{good}");
        }
        for bad in [
            "",
            "a",
            "/a",
            "ftp://a",
            "http://",
            "http:///a",
            "http://?a",
            "http://:80",
            "http://me@",
            "http://me@:80/",
            "http://[::1",
            "http://[::1/",
            "http://[zz]/",
            "http://[::1]x/",
            "http://::1/",
            "http://a]/",
            "http://a[/",
            "http://a:b/",
            "http://a:99999/",
            "http://a b/",
            "HTTP://a",
        ] {
            assert!(!is_url(bad), "{bad}");
        }
    }
}
