//! Cursors: the sort keys of the last record of a page, encrypted and bound to who asked for what.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chacha20poly1305::aead::{Aead, Payload};
use chacha20poly1305::{KeyInit, XChaCha20Poly1305, XNonce};
use plan::operation::List;
use spec::{Code, Decimal, Model, Principal, Problem, Uuid, Value};
use std::sync::Arc;

const NONCE: usize = 24;

/// Seals and opens cursors under a key that derives from the server's secret.
pub struct Cursors {
    cipher: XChaCha20Poly1305,
    nonce_key: [u8; 32],
}

impl Cursors {
    pub fn new(secret: &[u8]) -> Cursors {
        let key = blake3::derive_key("mainstay 2026 cursor encryption", secret);
        Cursors {
            cipher: XChaCha20Poly1305::new(&key.into()),
            nonce_key: blake3::derive_key("mainstay 2026 cursor nonce", secret),
        }
    }

    /// What a cursor belongs to: another caller, model, filter or order cannot use it.
    pub fn scope(model: &Model, list: &List, principal: &Principal) -> [u8; 32] {
        let mut hash = blake3::Hasher::new();
        let mut part = |bytes: &[u8]| {
            hash.update(&(bytes.len() as u64).to_be_bytes());
            hash.update(bytes);
        };
        part(model.module_name.as_bytes());
        part(model.name.as_bytes());
        part(list.filter.as_deref().unwrap_or_default().as_bytes());
        for filter in &list.plain {
            part(filter.field.as_bytes());
            part(&[filter.op as u8]);
            part(&(filter.values.len() as u64).to_be_bytes());
            for value in &filter.values {
                part(value.as_bytes());
            }
        }
        part(b"sort");
        for term in &list.sort {
            part(&[u8::from(term.descending)]);
            part(term.path.join(".").as_bytes());
        }
        part(principal.kind.as_str().as_bytes());
        part(principal.id.as_ref().map_or(&[][..], |id| id.as_bytes()));
        *hash.finalize().as_bytes()
    }

    pub fn seal(&self, scope: &[u8; 32], keys: &[Value]) -> String {
        let mut plain = Vec::with_capacity(64);
        for key in keys {
            write(&mut plain, key);
        }
        // The nonce is a keyed hash of all that is sealed: no randomness is needed and equal cursors are equal.
        let mut hash = blake3::Hasher::new_keyed(&self.nonce_key);
        hash.update(scope);
        hash.update(&plain);
        let mut nonce = [0; NONCE];
        nonce.copy_from_slice(&hash.finalize().as_bytes()[..NONCE]);
        let payload = Payload {
            msg: &plain,
            aad: scope,
        };
        // Encryption fails on messages of more than 2^38 bytes only.
        let sealed = self
            .cipher
            .encrypt(&XNonce::from(nonce), payload)
            .unwrap_or_default();
        let mut out = Vec::with_capacity(NONCE + sealed.len());
        out.extend_from_slice(&nonce);
        out.extend_from_slice(&sealed);
        URL_SAFE_NO_PAD.encode(out)
    }

    pub fn open(
        &self,
        scope: &[u8; 32],
        cursor: &str,
        count: usize,
    ) -> Result<Vec<Value>, Problem> {
        let bad = || {
            Problem::new(
                Code::BadCursor,
                "This cursor was not made for this caller, model, filter and sort order, or it is damaged.",
            )
        };
        let bytes = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| bad())?;
        let (nonce, sealed) = bytes.split_at_checked(NONCE).ok_or_else(bad)?;
        let nonce: [u8; NONCE] = nonce.try_into().map_err(|_| bad())?;
        let plain = self
            .cipher
            .decrypt(
                &XNonce::from(nonce),
                Payload {
                    msg: sealed,
                    aad: scope,
                },
            )
            .map_err(|_| bad())?;
        let mut rest = plain.as_slice();
        let mut keys = Vec::with_capacity(count);
        while !rest.is_empty() {
            keys.push(read(&mut rest).ok_or_else(bad)?);
        }
        if keys.len() == count {
            Ok(keys)
        } else {
            Err(bad())
        }
    }
}

fn write(out: &mut Vec<u8>, value: &Value) {
    match value {
        Value::Bool(v) => out.extend_from_slice(&[1, u8::from(*v)]),
        Value::Int(v) => {
            out.push(2);
            out.extend_from_slice(&v.to_be_bytes());
        }
        Value::Float(v) => {
            out.push(3);
            out.extend_from_slice(&v.to_bits().to_be_bytes());
        }
        Value::Decimal(v) => {
            out.extend_from_slice(&[4, v.scale]);
            out.extend_from_slice(&v.units.to_be_bytes());
        }
        Value::Text(v) => {
            out.push(5);
            out.extend_from_slice(&(v.len() as u32).to_be_bytes());
            out.extend_from_slice(v.as_bytes());
        }
        Value::Uuid(v) => {
            out.push(6);
            out.extend_from_slice(v.as_bytes());
        }
        Value::Timestamp(v) => {
            out.push(7);
            out.extend_from_slice(&v.to_be_bytes());
        }
        Value::Date(v) => {
            out.push(8);
            out.extend_from_slice(&v.to_be_bytes());
        }
        // Nothing else can be sorted by.
        Value::Null | Value::Duration(_) | Value::Json(_) | Value::List(_) => out.push(0),
    }
}

fn read(rest: &mut &[u8]) -> Option<Value> {
    fn take<const N: usize>(rest: &mut &[u8]) -> Option<[u8; N]> {
        let (head, tail) = rest.split_first_chunk::<N>()?;
        *rest = tail;
        Some(*head)
    }
    Some(match take::<1>(rest)?[0] {
        0 => Value::Null,
        1 => Value::Bool(take::<1>(rest)?[0] == 1),
        2 => Value::Int(i64::from_be_bytes(take(rest)?)),
        3 => Value::Float(f64::from_bits(u64::from_be_bytes(take(rest)?))),
        4 => {
            let scale = take::<1>(rest)?[0];
            Value::Decimal(Decimal::new(i64::from_be_bytes(take(rest)?), scale))
        }
        5 => {
            let len = u32::from_be_bytes(take(rest)?) as usize;
            let (text, tail) = rest.split_at_checked(len)?;
            *rest = tail;
            Value::Text(Arc::from(std::str::from_utf8(text).ok()?))
        }
        6 => Value::Uuid(Uuid::from_bytes(take(rest)?)),
        7 => Value::Timestamp(i64::from_be_bytes(take(rest)?)),
        8 => Value::Date(i32::from_be_bytes(take(rest)?)),
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_opens_only_where_it_was_made() {
        let cursors = Cursors::new(b"secret");
        let keys = vec![
            Value::Null,
            Value::Int(-7),
            Value::text("ü\u{1F600}"),
            Value::Decimal(Decimal::new(-1250, 2)),
            Value::Uuid(Uuid::from_u128(77)),
            Value::Float(-0.5),
            Value::Bool(true),
            Value::Timestamp(1),
            Value::Date(-3),
        ];
        let sealed = cursors.seal(&[1; 32], &keys);
        assert_eq!(
            cursors.open(&[1; 32], &sealed, keys.len()).as_deref(),
            Ok(&keys[..])
        );
        assert!(cursors.open(&[2; 32], &sealed, keys.len()).is_err());
        assert!(cursors.open(&[1; 32], &sealed, 2).is_err());
        assert!(
            Cursors::new(b"other")
                .open(&[1; 32], &sealed, keys.len())
                .is_err()
        );
        for at in 0..sealed.len() {
            let mut broken = sealed.clone().into_bytes();
            broken[at] = if broken[at] == b'A' { b'B' } else { b'A' };
            if let Ok(broken) = String::from_utf8(broken) {
                assert!(cursors.open(&[1; 32], &broken, keys.len()).is_err() || broken == sealed);
            }
        }
        for junk in ["", "!", "AAAA", &"A".repeat(500)] {
            assert!(cursors.open(&[1; 32], junk, 1).is_err());
        }
    }
}
