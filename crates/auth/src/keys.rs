//! The keys that access tokens are signed with: Ed25519, kept in the private table, sealed under the secret.

use crate::fault::problem_of;
use crate::passwords::fill;
use crate::sql::{KeyRow, Sql};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use ed25519_dalek::SigningKey;
use ed25519_dalek::pkcs8::EncodePrivateKey;
use jsonwebtoken::{DecodingKey, EncodingKey};
use spec::problem::Result;
use spec::{Problem, Value};
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::{Bounds, Store};
use zeroize::Zeroizing;

const NONCE: usize = 24;
const SEED: usize = 32;

/// The key that signs, and all that verify.
pub struct Keys {
    pub kid: String,
    pub signer: EncodingKey,
    pub verifiers: HashMap<String, DecodingKey>,
}

/// Why there are no keys.
pub enum KeysError {
    Problem(Problem),
    /// This key cannot be unsealed.
    Sealed {
        kid: String,
    },
}

impl From<Problem> for KeysError {
    fn from(problem: Problem) -> KeysError {
        KeysError::Problem(problem)
    }
}

/// Seals and unseals under a key that derives from the server's secret.
pub struct Seal {
    cipher: XChaCha20Poly1305,
}

impl Seal {
    pub fn new(secret: &[u8]) -> Seal {
        let key = Zeroizing::new(blake3::derive_key("mainstay 2026 signing keys", secret));
        Seal {
            cipher: XChaCha20Poly1305::new((&*key).into()),
        }
    }

    /// Bound to the key's name, so that one cannot be put in another's place.
    fn seal(&self, kid: &str, plain: &[u8]) -> Result<String> {
        let mut out = vec![0; NONCE];
        fill(&mut out)?;
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&out);
        let payload = Payload {
            msg: plain,
            aad: kid.as_bytes(),
        };
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .map_err(|_| Problem::internal("a signing key cannot be sealed"))?;
        out.extend_from_slice(&sealed);
        Ok(URL_SAFE_NO_PAD.encode(out))
    }

    fn open(&self, kid: &str, sealed: &str) -> Option<Zeroizing<[u8; SEED]>> {
        let bytes = URL_SAFE_NO_PAD.decode(sealed).ok()?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE)?;
        let payload = Payload {
            msg: sealed,
            aad: kid.as_bytes(),
        };
        let nonce = XNonce::from(<[u8; NONCE]>::try_from(nonce).ok()?);
        let plain = Zeroizing::new(self.cipher.decrypt(&nonce, payload).ok()?);
        <[u8; SEED]>::try_from(plain.as_slice())
            .ok()
            .map(Zeroizing::new)
    }
}

/// A key as it stands in the table.
struct Stored {
    kid: String,
    private: String,
    public: String,
    retired_at: Option<i64>,
}

/// The keys in the table; makes the first one. `overlap`: how long a retired key still verifies.
pub async fn load(
    store: &Store,
    sql: Sql,
    seal: &Seal,
    now: i64,
    overlap: i64,
) -> std::result::Result<Keys, KeysError> {
    let mut stored = read(store, sql).await?;
    if stored.iter().all(|key| key.retired_at.is_some()) {
        // Two servers that start at once choose the same name: one of them inserts, and both read that one.
        let kid = (stored.len() + 1).to_string();
        let made = make(seal, kid, now)?;
        let deadline = Instant::now() + Duration::from_secs(5);
        store
            .write(vec![sql.put_key(&made)], deadline)
            .await
            .map_err(problem_of)?;
        stored = read(store, sql).await?;
    }
    let mut verifiers = HashMap::new();
    let mut signer = None;
    for key in stored {
        if key.retired_at.is_some_and(|at| at + overlap < now) {
            continue;
        }
        let sealed = || KeysError::Sealed {
            kid: key.kid.clone(),
        };
        let seed = seal.open(&key.kid, &key.private).ok_or_else(sealed)?;
        let pair = SigningKey::from_bytes(&seed);
        let public = pair.verifying_key();
        // What verifies follows from what was sealed: whoever can only write to the table cannot add a key.
        if URL_SAFE_NO_PAD.encode(public.as_bytes()) != key.public {
            return Err(sealed());
        }
        verifiers.insert(key.kid.clone(), DecodingKey::from_ed_der(public.as_bytes()));
        if key.retired_at.is_none() {
            signer = Some((key.kid, signer_of(&pair)?));
        }
    }
    let (kid, signer) = signer.ok_or_else(|| Problem::internal("there is no signing key"))?;
    Ok(Keys {
        kid,
        signer,
        verifiers,
    })
}

/// A key that is kept nowhere: for who signs no tokens that anybody will see.
pub fn passing() -> Result<Keys> {
    let mut seed = Zeroizing::new([0; SEED]);
    fill(&mut *seed)?;
    let pair = SigningKey::from_bytes(&seed);
    let kid = "passing".to_owned();
    let verifier = DecodingKey::from_ed_der(pair.verifying_key().as_bytes());
    Ok(Keys {
        verifiers: HashMap::from([(kid.clone(), verifier)]),
        kid,
        signer: signer_of(&pair)?,
    })
}

fn signer_of(pair: &SigningKey) -> Result<EncodingKey> {
    let der = pair
        .to_pkcs8_der()
        .map_err(|error| Problem::internal(format!("a signing key is unusable: {error}")))?;
    Ok(EncodingKey::from_ed_der(der.as_bytes()))
}

fn make(seal: &Seal, kid: String, now: i64) -> Result<KeyRow> {
    let mut seed = Zeroizing::new([0; SEED]);
    fill(&mut *seed)?;
    let public = SigningKey::from_bytes(&seed).verifying_key();
    Ok(KeyRow {
        private: seal.seal(&kid, &*seed)?,
        public: URL_SAFE_NO_PAD.encode(public.as_bytes()),
        created_at: now,
        kid,
    })
}

async fn read(store: &Store, sql: Sql) -> Result<Vec<Stored>> {
    let bounds = Bounds {
        emit: 1000,
        deadline: Instant::now() + Duration::from_secs(5),
    };
    let rows = store.read(&sql.keys(), bounds).await.map_err(problem_of)?;
    let mut keys = Vec::new();
    for row in rows.captured.chunks_exact(5) {
        let [
            Value::Text(kid),
            Value::Text(private),
            Value::Text(public),
            _,
            retired_at,
        ] = row
        else {
            return Err(Problem::internal(
                "a signing key's row is not as it was written",
            ));
        };
        keys.push(Stored {
            kid: kid.to_string(),
            private: private.to_string(),
            public: public.to_string(),
            retired_at: match retired_at {
                Value::Timestamp(at) => Some(*at),
                _ => None,
            },
        });
    }
    Ok(keys)
}
