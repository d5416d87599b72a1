//! What signing in answers.

use bytes::Bytes;
use spec::json::{write_i64, write_string};
use std::fmt;
use std::time::Duration;

/// Tokens, and who they are for.
#[derive(Clone, PartialEq)]
pub struct SignedIn {
    pub access_token: String,
    pub refresh_token: String,
    /// How long the access token is good for.
    pub expires_in: Duration,
    /// The user's record as JSON, as they themself see it.
    pub user: Bytes,
}

impl SignedIn {
    /// The answer's body. It must not be cached on the way (RFC 6749, 5.1: `Cache-Control: no-store`).
    pub fn to_json(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(768 + self.user.len());
        out.extend_from_slice(b"{\"access_token\":");
        write_string(&mut out, &self.access_token);
        out.extend_from_slice(b",\"refresh_token\":");
        write_string(&mut out, &self.refresh_token);
        out.extend_from_slice(b",\"token_type\":\"Bearer\",\"expires_in\":");
        write_i64(
            &mut out,
            i64::try_from(self.expires_in.as_secs()).unwrap_or(i64::MAX),
        );
        out.extend_from_slice(b",\"user\":");
        out.extend_from_slice(&self.user);
        out.push(b'}');
        out
    }
}

/// Without the tokens: they would end up in a log.
impl fmt::Debug for SignedIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedIn")
            .field("expires_in", &self.expires_in)
            .finish_non_exhaustive()
    }
}
