//! Access tokens: signed statements that a session is whose. What the session allows is asked at each request.
//!
//! JWT with EdDSA (RFC 8037). Verifying costs some 40 µs, several times what a read costs, so that verified
//! tokens are remembered by their hash.

use crate::cache::Cache;
use crate::clock::micros;
use crate::fault::bad_token;
use crate::keys::Keys;
use jsonwebtoken::{Algorithm, Header, Validation};
use serde::{Deserialize, Serialize};
use spec::problem::Result;
use spec::time::MICROS_PER_SECOND;
use spec::{Code, Problem, Uuid};
use std::time::Duration;

/// How far clocks may be apart.
const LEEWAY: i64 = 5;
/// Longer ones are not ours.
const MOST_BYTES: usize = 2048;
/// Verified tokens that are remembered: about 100 bytes each.
const REMEMBERED: usize = 32 * 1024;

/// Whom access tokens are for: the app's API, as opposed to what else its issuer may sign some day.
const AUDIENCE: &str = "api";
/// What they are: no other kind of token passes for one.
const TYPE: &str = "access";

#[derive(Serialize, Deserialize)]
struct Claims {
    iss: String,
    aud: String,
    sub: String,
    sid: String,
    iat: i64,
    nbf: i64,
    exp: i64,
    typ: String,
}

/// What a verified token says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Verified {
    pub user: Uuid,
    pub session: Uuid,
    /// Seconds since 1970.
    nbf: i64,
    exp: i64,
}

pub struct AccessTokens {
    issuer: String,
    keys: Keys,
    validation: Validation,
    verified: Cache<[u8; 32], Verified>,
}

impl AccessTokens {
    pub fn new(issuer: &str, keys: Keys) -> AccessTokens {
        let mut validation = Validation::new(Algorithm::EdDSA);
        validation.set_issuer(&[issuer]);
        validation.set_audience(&[AUDIENCE]);
        validation.set_required_spec_claims(&["iss", "aud", "sub", "exp", "nbf"]);
        // Times are ours to check, since a remembered token meets them again at each use.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        AccessTokens {
            issuer: issuer.to_owned(),
            keys,
            validation,
            verified: Cache::new(REMEMBERED),
        }
    }

    /// A token for a session from `now` (microseconds) on.
    pub fn sign(&self, user: Uuid, session: Uuid, now: i64, good_for: Duration) -> Result<String> {
        let now = now.div_euclid(MICROS_PER_SECOND);
        let claims = Claims {
            iss: self.issuer.clone(),
            aud: AUDIENCE.to_owned(),
            sub: user.hyphenated().to_string(),
            sid: session.hyphenated().to_string(),
            iat: now,
            nbf: now,
            exp: now.saturating_add(micros(good_for) / MICROS_PER_SECOND),
            typ: TYPE.to_owned(),
        };
        let mut header = Header::new(Algorithm::EdDSA);
        header.kid = Some(self.keys.kid.clone());
        jsonwebtoken::encode(&header, &claims, &self.keys.signer).map_err(|error| {
            Problem::internal(format!("an access token cannot be signed: {error}"))
        })
    }

    /// What the token says, if it is one of ours and in force now.
    pub fn verify(&self, token: &str, now: i64) -> Result<Verified> {
        if token.len() > MOST_BYTES {
            return Err(bad_token("longer than any of ours"));
        }
        let name = *blake3::hash(token.as_bytes()).as_bytes();
        let verified = match self.verified.get(&name) {
            Some(verified) => verified,
            None => {
                let verified = self.decode(token)?;
                self.verified.put(name, verified);
                verified
            }
        };
        let now = now.div_euclid(MICROS_PER_SECOND);
        if now > verified.exp.saturating_add(LEEWAY) {
            return Err(Problem::new(
                Code::BadToken,
                "The access token has expired.",
            ));
        }
        if now < verified.nbf.saturating_sub(LEEWAY) {
            return Err(bad_token("not in force yet"));
        }
        Ok(verified)
    }

    fn decode(&self, token: &str) -> Result<Verified> {
        let wrong = |error: jsonwebtoken::errors::Error| bad_token(error.to_string());
        let header = jsonwebtoken::decode_header(token).map_err(wrong)?;
        // Before a key is looked up: the key decides on the algorithm, never the token.
        if header.alg != Algorithm::EdDSA {
            return Err(bad_token(format!("signed with {:?}", header.alg)));
        }
        let key = header
            .kid
            .as_deref()
            .and_then(|kid| self.keys.verifiers.get(kid))
            .ok_or_else(|| bad_token("signed with an unknown key"))?;
        let claims = jsonwebtoken::decode::<Claims>(token, key, &self.validation)
            .map_err(wrong)?
            .claims;
        if claims.typ != TYPE {
            return Err(bad_token("a token of another type"));
        }
        let id = |text: &str| {
            Uuid::try_parse(text).map_err(|_| bad_token("a subject or session that is no id"))
        };
        Ok(Verified {
            user: id(&claims.sub)?,
            session: id(&claims.sid)?,
            nbf: claims.nbf,
            exp: claims.exp,
        })
    }
}
