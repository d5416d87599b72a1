//! Refresh tokens: the session's id, which token of it this is, and a code that only the server can make.
//!
//! ```text
//! msr_ base64url( session: 16 bytes ‖ generation: 8 ‖ code: 32 )      code = BLAKE3(key, session ‖ generation ‖ seed)
//! ```
//!
//! The key derives from the server's secret and the seed is random and in the session's row, so neither the
//! database nor the secret is enough to make one. Nothing that could be presented is stored, not even its hash.
//!
//! Since a token follows from its generation, whoever presents the token before the one in force, within the
//! grace, is answered with the very token that was lost on the way (or went to the other tab). And since only
//! we can make one, an old token proves that it was copied, while a made-up one proves nothing and ends nothing.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use spec::Uuid;
use zeroize::Zeroizing;

/// So that scanners for leaked secrets can tell what it is.
const PREFIX: &str = "msr_";
const LENGTH: usize = 16 + 8 + 32;

pub struct RefreshTokens {
    key: Zeroizing<[u8; 32]>,
}

/// A token as it was presented; whether it is ours is not known yet.
#[derive(Debug, Clone, Copy)]
pub struct Presented {
    pub session: Uuid,
    pub generation: i64,
    code: blake3::Hash,
}

impl RefreshTokens {
    pub fn new(secret: &[u8]) -> RefreshTokens {
        RefreshTokens {
            key: Zeroizing::new(blake3::derive_key("mainstay 2026 refresh tokens", secret)),
        }
    }

    pub fn make(&self, session: Uuid, generation: i64, seed: &str) -> String {
        let mut bytes = Vec::with_capacity(LENGTH);
        bytes.extend_from_slice(session.as_bytes());
        bytes.extend_from_slice(&generation.to_be_bytes());
        bytes.extend_from_slice(self.code(session, generation, seed).as_bytes());
        format!("{PREFIX}{}", URL_SAFE_NO_PAD.encode(bytes))
    }

    pub fn read(text: &str) -> Option<Presented> {
        let text = text
            .strip_prefix(PREFIX)
            .filter(|text| text.len() <= 2 * LENGTH)?;
        let bytes: [u8; LENGTH] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
        let (session, rest) = bytes.split_first_chunk::<16>()?;
        let (generation, code) = rest.split_first_chunk::<8>()?;
        Some(Presented {
            session: Uuid::from_bytes(*session),
            generation: i64::from_be_bytes(*generation),
            code: blake3::Hash::from_bytes(code.try_into().ok()?),
        })
    }

    /// Whether it was made here for the session with this seed. Compares in constant time.
    pub fn is_ours(&self, token: &Presented, seed: &str) -> bool {
        self.code(token.session, token.generation, seed) == token.code
    }

    fn code(&self, session: Uuid, generation: i64, seed: &str) -> blake3::Hash {
        let mut hash = blake3::Hasher::new_keyed(&self.key);
        hash.update(session.as_bytes());
        hash.update(&generation.to_be_bytes());
        hash.update(seed.as_bytes());
        hash.finalize()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_reads_back_and_no_other_passes_for_it() {
        let tokens = RefreshTokens::new(b"the server's secret");
        let session = Uuid::from_u128(7);
        let text = tokens.make(session, 3, "seed");
        let token = RefreshTokens::read(&text).unwrap();
        assert_eq!((token.session, token.generation), (session, 3));
        assert!(tokens.is_ours(&token, "seed"));
        assert!(!tokens.is_ours(&token, "another seed"));
        assert!(!RefreshTokens::new(b"another secret").is_ours(&token, "seed"));
        assert_eq!(tokens.make(session, 3, "seed"), text);
        for at in PREFIX.len()..text.len() {
            let mut other = text.clone().into_bytes();
            other[at] = if other[at] == b'x' { b'y' } else { b'x' };
            let other = String::from_utf8(other).unwrap();
            let passes = RefreshTokens::read(&other).is_some_and(|t| tokens.is_ours(&t, "seed"));
            assert!(!passes, "changed at {at}");
        }
        for broken in [
            "",
            "msr_",
            "msr_!!",
            &text[4..],
            &text[..text.len() - 1],
            &format!("{text}A"),
        ] {
            assert!(RefreshTokens::read(broken).is_none(), "{broken}");
        }
    }
}
