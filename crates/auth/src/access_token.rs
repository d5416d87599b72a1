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

#[cfg(test)]
mod tests {
    use super::*;
    use base64::Engine as _;
    use base64::engine::general_purpose::URL_SAFE_NO_PAD;
    use ed25519_dalek::SigningKey;
    use ed25519_dalek::pkcs8::EncodePrivateKey;
    use jsonwebtoken::{DecodingKey, EncodingKey};
    use serde_json::{Value, json};
    use std::collections::HashMap;

    /// 2027-01-15, in seconds and in microseconds.
    const NOW: i64 = 1_800_000_000;
    const MICROS: i64 = NOW * MICROS_PER_SECOND;

    fn pair(seed: u8) -> SigningKey {
        SigningKey::from_bytes(&[seed; 32])
    }

    fn signer(seed: u8) -> EncodingKey {
        EncodingKey::from_ed_der(pair(seed).to_pkcs8_der().unwrap().as_bytes())
    }

    fn public(seed: u8) -> [u8; 32] {
        *pair(seed).verifying_key().as_bytes()
    }

    fn tokens() -> AccessTokens {
        let verifier = |seed| DecodingKey::from_ed_der(&public(seed));
        let keys = Keys {
            kid: "2".to_owned(),
            signer: signer(2),
            verifiers: HashMap::from([
                ("1".to_owned(), verifier(1)),
                ("2".to_owned(), verifier(2)),
            ]),
        };
        AccessTokens::new("shop", keys)
    }

    fn claims() -> Value {
        json!({
            "iss": "shop", "aud": "api", "typ": "access", "iat": NOW, "nbf": NOW, "exp": NOW + 900,
            "sub": Uuid::from_u128(1).to_string(), "sid": Uuid::from_u128(2).to_string(),
        })
    }

    fn with(name: &str, value: Value) -> Value {
        let mut claims = claims();
        claims[name] = value;
        claims
    }

    fn without(name: &str) -> Value {
        let mut claims = claims();
        claims.as_object_mut().unwrap().remove(name);
        claims
    }

    fn header(kid: &str) -> Header {
        Header {
            kid: Some(kid.to_owned()),
            ..Header::new(Algorithm::EdDSA)
        }
    }

    fn signed(claims: &Value) -> String {
        jsonwebtoken::encode(&header("2"), claims, &signer(2)).unwrap()
    }

    /// A token of any header, whose signature is made over it by a key of ours or anybody's.
    fn raw(header: &Value, claims: &Value, sign: impl FnOnce(&[u8]) -> Vec<u8>) -> String {
        let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
        let message = format!("{}.{}", part(header), part(claims));
        let signature = sign(message.as_bytes());
        format!("{message}.{}", URL_SAFE_NO_PAD.encode(signature))
    }

    fn eddsa(seed: u8) -> impl FnOnce(&[u8]) -> Vec<u8> {
        use ed25519_dalek::Signer as _;
        move |message| pair(seed).sign(message).to_bytes().to_vec()
    }

    #[test]
    fn ours_are_good_while_they_last() {
        let tokens = tokens();
        let (user, session) = (Uuid::from_u128(1), Uuid::from_u128(2));
        let token = tokens
            .sign(user, session, MICROS, Duration::from_secs(900))
            .unwrap();
        // Remembered or not makes no difference.
        for tokens in [&tokens, &self::tokens()] {
            for (seconds, good) in [
                (-6, false),
                (-5, true),
                (0, true),
                (900, true),
                (905, true),
                (906, false),
                (0, true),
            ] {
                let answer = tokens.verify(&token, MICROS + seconds * MICROS_PER_SECOND);
                assert_eq!(answer.is_ok(), good, "after {seconds} s: {answer:?}");
            }
            let verified = tokens.verify(&token, MICROS).unwrap();
            assert_eq!((verified.user, verified.session), (user, session));
        }
        let older_key = jsonwebtoken::encode(&header("1"), &claims(), &signer(1)).unwrap();
        assert!(tokens.verify(&older_key, MICROS).is_ok());
    }

    /// Token confusion: whatever is not exactly ours is refused, with one and the same answer.
    #[test]
    fn nothing_else_passes_for_ours() {
        let good = signed(&claims());
        let parts: Vec<&str> = good.split('.').collect();
        let other = signed(&with("sub", json!(Uuid::from_u128(9).to_string())));
        let others_claims = other.split('.').nth(1).unwrap();
        let hs256 = |secret: &[u8]| {
            let header = Header {
                kid: Some("2".to_owned()),
                ..Header::new(Algorithm::HS256)
            };
            jsonwebtoken::encode(&header, &claims(), &EncodingKey::from_secret(secret)).unwrap()
        };
        let der = {
            use ed25519_dalek::pkcs8::EncodePublicKey;
            pair(2).verifying_key().to_public_key_der().unwrap()
        };
        let ours = |kid: &str| jsonwebtoken::encode(&header(kid), &claims(), &signer(2)).unwrap();
        let none = |alg: &str| json!({"alg": alg, "typ": "JWT", "kid": "2"});
        let nothing = |_: &[u8]| Vec::new();
        let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(public(7))});
        let table: Vec<(&str, String)> = vec![
            ("none", raw(&none("none"), &claims(), nothing)),
            ("None", raw(&none("None"), &claims(), nothing)),
            (
                "none with a good signature",
                raw(&none("none"), &claims(), eddsa(2)),
            ),
            (
                "no algorithm",
                raw(&json!({"kid": "2"}), &claims(), eddsa(2)),
            ),
            (
                "an algorithm in lower case",
                raw(&none("eddsa"), &claims(), eddsa(2)),
            ),
            ("ES256 in name", raw(&none("ES256"), &claims(), eddsa(2))),
            ("HS256 with the public key", hs256(&public(2))),
            (
                "HS256 with the public key's text",
                hs256(URL_SAFE_NO_PAD.encode(public(2)).as_bytes()),
            ),
            ("HS256 with the public key's DER", hs256(der.as_bytes())),
            ("HS256 with nothing", hs256(b"")),
            (
                "EdDSA without a signature",
                raw(&none("EdDSA"), &claims(), nothing),
            ),
            (
                "EdDSA with zeros",
                raw(&none("EdDSA"), &claims(), |_| vec![0; 64]),
            ),
            (
                "another key under our name",
                jsonwebtoken::encode(&header("2"), &claims(), &signer(7)).unwrap(),
            ),
            (
                "our older key under the newer's name",
                jsonwebtoken::encode(&header("2"), &claims(), &signer(1)).unwrap(),
            ),
            ("an unknown key", ours("3")),
            ("a key by a path", ours("../../../dev/null")),
            ("a key by SQL", ours("2' OR '1'='1")),
            ("a key by nothing", ours("")),
            (
                "no key",
                jsonwebtoken::encode(&Header::new(Algorithm::EdDSA), &claims(), &signer(2))
                    .unwrap(),
            ),
            (
                "a key that is no text",
                raw(&json!({"alg": "EdDSA", "kid": ["2"]}), &claims(), eddsa(2)),
            ),
            (
                "a key brought along",
                raw(
                    &json!({"alg": "EdDSA", "kid": "2", "jwk": jwk}),
                    &claims(),
                    eddsa(7),
                ),
            ),
            (
                "a key from elsewhere",
                raw(
                    &json!({"alg": "EdDSA", "kid": "2", "jku": "https://evil.example/"}),
                    &claims(),
                    eddsa(7),
                ),
            ),
            ("another issuer", signed(&with("iss", json!("other")))),
            (
                "an issuer among others",
                signed(&with("iss", json!(["shop"]))),
            ),
            ("no issuer", signed(&without("iss"))),
            ("another audience", signed(&with("aud", json!("other")))),
            (
                "an audience among others",
                signed(&with("aud", json!(["api", "other"]))),
            ),
            ("no audience", signed(&without("aud"))),
            ("another type", signed(&with("typ", json!("refresh")))),
            ("no type", signed(&without("typ"))),
            ("expired", signed(&with("exp", json!(NOW - 6)))),
            ("no end", signed(&without("exp"))),
            (
                "an end that is text",
                signed(&with("exp", json!((NOW + 900).to_string()))),
            ),
            (
                "an end beyond all numbers",
                signed(&with("exp", json!(1e300))),
            ),
            ("not in force yet", signed(&with("nbf", json!(NOW + 6)))),
            ("no beginning", signed(&without("nbf"))),
            ("no user", signed(&without("sub"))),
            ("a user that is no id", signed(&with("sub", json!("admin")))),
            ("no session", signed(&without("sid"))),
            ("a session that is no id", signed(&with("sid", json!(7)))),
            ("claims that are no object", signed(&json!(["access"]))),
            ("a claim twice", {
                let text = claims().to_string().replacen(
                    '{',
                    r#"{"sub":"00000000-0000-0000-0000-000000000009","#,
                    1,
                );
                let message = format!("{}.{}", parts[0], URL_SAFE_NO_PAD.encode(text));
                format!(
                    "{message}.{}",
                    URL_SAFE_NO_PAD.encode(eddsa(2)(message.as_bytes()))
                )
            }),
            (
                "another's claims",
                format!("{}.{others_claims}.{}", parts[0], parts[2]),
            ),
            (
                "without its signature",
                format!("{}.{}", parts[0], parts[1]),
            ),
            (
                "with an empty signature",
                format!("{}.{}.", parts[0], parts[1]),
            ),
            ("cut short", good[..good.len() - 1].to_owned()),
            ("cut in half", good[..good.len() / 2].to_owned()),
            ("with something behind", format!("{good}A")),
            ("with a fourth part", format!("{good}.{}", parts[2])),
            ("with padding", format!("{good}==")),
            ("with its word", format!("Bearer {good}")),
            ("with a blank", format!("{good} ")),
            ("empty", String::new()),
            ("dots", "..".to_owned()),
            ("long", "x".repeat(100_000)),
        ];
        let tokens = tokens();
        assert!(tokens.verify(&good, MICROS).is_ok());
        for (what, token) in &table {
            // Twice: a refusal must not be remembered as anything else.
            for _ in 0..2 {
                let problem = match tokens.verify(token, MICROS) {
                    Ok(verified) => panic!("{what}: {verified:?}"),
                    Err(problem) => problem,
                };
                assert_eq!(problem.code, Code::BadToken, "{what}");
                let said = problem.detail.as_str();
                let known = [
                    "The access token is not valid.",
                    "The access token has expired.",
                ];
                assert!(known.contains(&said), "{what}: {said}");
                assert_eq!(said == known[1], *what == "expired", "{what}: {said}");
            }
        }
        assert!(tokens.verify(&good, MICROS).is_ok());
        let cut = (0..good.len()).filter(|end| tokens.verify(&good[..*end], MICROS).is_ok());
        assert_eq!(cut.count(), 0);
    }
}
