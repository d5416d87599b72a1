//! The reference page: one document with its style and script in it, so that it needs nothing from anywhere, and a
//! policy that lets nothing else run.

use super::Text;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use sha2::{Digest, Sha256};
use std::sync::LazyLock;

const HTML: &str = include_str!("page.html");
const STYLE: &str = include_str!("page.css");
const SCRIPT: &str = include_str!("page.js");

static PAGE: LazyLock<Text> = LazyLock::new(|| {
    let page = HTML
        .replace("{{style}}", STYLE)
        .replace("{{script}}", SCRIPT);
    Text::new(page)
});

static POLICY: LazyLock<String> = LazyLock::new(|| {
    let hash = |text: &str| {
        format!(
            "'sha256-{}'",
            STANDARD.encode(Sha256::digest(text.as_bytes()))
        )
    };
    format!(
        "default-src 'none'; script-src {}; style-src {}; img-src data:; connect-src 'self'; base-uri 'none'; \
         form-action 'none'; frame-ancestors 'none'",
        hash(SCRIPT),
        hash(STYLE)
    )
});

pub fn text() -> Text {
    PAGE.clone()
}

/// `Content-Security-Policy` (CSP 3).
pub fn policy() -> &'static str {
    &POLICY
}
