//! Writes that are done once, however often they are sent (`Idempotency-Key`,
//! draft-ietf-httpapi-idempotency-key-header).
//!
//! Under a key a write is a transaction that takes the key, looks whether its answer is kept, writes, and keeps the
//! answer: all of it commits or nothing does. Who asks again is told what is kept ([`crate::kept`]). A key is its
//! caller's alone: whose it is, is part of the hash that it is kept under, so that a key of somebody else is no key.

use crate::act::{Acted, Acts, Halt};
use crate::answer::{Answer, Outcome};
use crate::create::Draft;
use crate::execute::{Engine, Run};
use crate::judge::Judge;
use crate::kept::{Kept, Part};
use crate::references::Leading;
use crate::update::Change;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use bytes::Bytes;
use parking_lot::Mutex;
use plan::idempotency::{self, Row};
use plan::operation::{Operation, Precondition, Select};
use spec::problem::Result;
use spec::statement::{Step, Written};
use spec::{Code, Dialect, Principal, Problem, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;
use store::error::problem_of;
use store::{StoreError, Tx};

/// A key that a client made up for a write, and what the write is that it stands for.
#[derive(Debug, Clone, PartialEq)]
pub struct IdempotencyKey {
    pub value: String,
    /// The address and what is done there: the same key means something else at another.
    pub target: String,
    /// All that makes the request what it is beside that. Another request under the key is refused.
    pub request: Vec<Bytes>,
}

/// What an engine knows of keys.
pub(crate) struct Keys {
    /// Requests are hashed under it. A body may hold what can be guessed, a password say, and the hash should not tell
    /// who guesses.
    secret: [u8; 32],
    under_way: Arc<Mutex<HashSet<Hash>>>,
}

type Hash = [u8; 32];

/// Takes a key for one request of this process.
pub(crate) struct UnderWay {
    all: Arc<Mutex<HashSet<Hash>>>,
    key: Hash,
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.all.lock().remove(&self.key);
    }
}

impl Keys {
    pub fn new(secret: &[u8]) -> Keys {
        Keys {
            secret: blake3::derive_key("mainstay 2026 idempotency requests", secret),
            under_way: Arc::default(),
        }
    }

    fn take(&self, key: Hash) -> Result<UnderWay> {
        if !self.under_way.lock().insert(key) {
            return Err(in_use());
        }
        Ok(UnderWay {
            all: Arc::clone(&self.under_way),
            key,
        })
    }
}

fn in_use() -> Problem {
    Problem::new(
        Code::IdempotencyKeyInUse,
        "The first request with this Idempotency-Key is still under way.",
    )
    .retry_after(Duration::from_secs(1))
}

/// Without the server's secret: when that is changed, who asks again is still known.
fn hash_of(principal: &Principal, key: &IdempotencyKey) -> Hash {
    let hasher = blake3::Hasher::new_derive_key("mainstay 2026 idempotency keys");
    let id = principal.id.as_ref().map_or(&[][..], |id| id.as_bytes());
    let kind = principal.kind.as_str().as_bytes();
    hashed(
        hasher,
        [kind, id, key.target.as_bytes(), key.value.as_bytes()],
    )
}

fn hashed<'p>(mut hasher: blake3::Hasher, parts: impl IntoIterator<Item = &'p [u8]>) -> Hash {
    for part in parts {
        hasher.update(&(part.len() as u64).to_be_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

/// A write's key, as its transaction sees it.
pub(crate) struct Once {
    dialect: Dialect,
    key: String,
    /// Part of the hash, for the lock.
    lock: i64,
    request: String,
    at: i64,
    /// What was kept until then counts no more.
    since: i64,
    /// Bytes of an answer that is kept with its records.
    most: usize,
}

impl Once {
    /// What is kept under the key, which is this transaction's from now on.
    pub async fn claim(&self, tx: &mut Tx) -> Acted<Option<Kept>> {
        let mut statements = Vec::with_capacity(2);
        statements.extend(idempotency::claim(self.dialect, self.lock));
        let is_asked = !statements.is_empty();
        // Behind the lock and in a statement of its own, so that it sees what the transaction wrote that had it.
        statements.push(idempotency::find(self.dialect, &self.key, self.since));
        let mut rows = tx
            .read_all(statements, u32::MAX)
            .await
            .map_err(problem_of)?
            .into_iter();
        if is_asked && rows.next().map(|claimed| claimed.captured) != Some(vec![Value::Bool(true)])
        {
            return Err(in_use().into());
        }
        let found = rows.next().map(|found| found.captured);
        Ok(self.found(&found.unwrap_or_default())?)
    }

    fn found(&self, captured: &[Value]) -> Result<Option<Kept>> {
        match captured {
            [] => Ok(None),
            [Value::Text(request), Value::Text(answer)] if **request == *self.request => {
                Kept::read(answer).map(Some)
            }
            _ => Err(Problem::new(
                Code::IdempotencyKeyReused,
                "This Idempotency-Key was sent before with another request: other parameters, conditions or another \
                 body. Nothing was done.",
            )),
        }
    }

    async fn keep(&self, tx: &mut Tx, kept: &Kept) -> Acted<()> {
        let answer = kept.text(self.most)?;
        let row = Row {
            key: &self.key,
            request: &self.request,
            at: self.at,
            answer: &answer,
        };
        let step = idempotency::keep(self.dialect, &row, self.since);
        match tx.write(vec![step]).await.map_err(problem_of)? {
            Written::Done(_) => Ok(()),
            // Another was faster all the same; what it answered is found the next time.
            Written::Missed { .. } => Err(Halt::Again),
        }
    }
}

/// What became of a transaction.
pub(crate) enum Stood<T> {
    /// It was done.
    Now(T),
    /// It was done before, and this is its answer.
    Before(Kept),
}

impl Acts {
    /// Whether the answer is kept with the writes.
    pub fn keeps(&self) -> bool {
        self.once.is_some()
    }

    /// Ends the writes. Where there is a key, what is answered is kept with them.
    pub async fn stand<T>(
        mut self,
        done: T,
        kept: impl FnOnce(&T) -> Result<Kept>,
    ) -> Acted<Stood<T>> {
        if let Some(once) = self.once.take() {
            once.keep(&mut self.tx, &kept(&done)?).await?;
        }
        Ok(Stood::Now(done))
    }
}

impl Engine {
    /// Forgets at most `slice` answers whose time is over, and says how many: less than `slice` means that it is done
    /// for now.
    pub async fn forget_answers(&self, slice: u32) -> Result<usize> {
        let app = self.app();
        let system = Principal::system();
        let run = Run::begin(self, &app, &system);
        let step = idempotency::forget(self.store.dialect(), run.expired(), slice);
        match self.store.write(vec![step], run.deadline).await {
            Ok(Written::Done(captured)) => Ok(captured.first().map_or(0, Vec::len)),
            Ok(Written::Missed { .. }) => Err(problem_of(StoreError::Contended)),
            Err(error) => Err(problem_of(error)),
        }
    }
}

impl Run<'_> {
    /// Until when kept answers are too old.
    fn expired(&self) -> i64 {
        let keep = self.app.settings.idempotency.keep.as_micros();
        self.now.saturating_sub(keep as i64)
    }

    /// Takes the key for this operation. Answers what is kept under it.
    pub async fn take_up(
        &mut self,
        key: IdempotencyKey,
        operation: &Operation,
    ) -> Result<Option<Answer>> {
        if self.principal.id.is_none() {
            return Err(Problem::new(
                Code::BadIdempotencyKey,
                "An Idempotency-Key belongs to who is signed in, and nobody is: nothing was done. Sign in, or leave it \
                 out.",
            ));
        }
        let keys = &self.engine.keys;
        let hash = hash_of(self.principal, &key);
        let hasher = blake3::Hasher::new_keyed(&keys.secret);
        let request = hashed(hasher, key.request.iter().map(|part| &**part));
        self.under_way = Some(keys.take(hash)?);
        let [a, b, c, d, e, f, g, h, ..] = hash;
        let once = Once {
            dialect: self.engine.store.dialect(),
            key: URL_SAFE_NO_PAD.encode(hash),
            lock: i64::from_be_bytes([a, b, c, d, e, f, g, h]),
            request: URL_SAFE_NO_PAD.encode(request),
            at: self.now,
            since: self.expired(),
            most: self.app.settings.limits.body as usize,
        };
        // Before anything is judged: what was done once need not be allowed by now.
        let find = idempotency::find(once.dialect, &once.key, once.since);
        let rows = self.engine.store.read(&find, self.bounds(1)).await;
        let found = once.found(&rows.map_err(problem_of)?.captured)?;
        self.once = Some(Arc::new(once));
        match found {
            None => Ok(None),
            Some(kept) => self.replay(kept, operation.select()).await.map(Some),
        }
    }

    /// Answers one record, written in a transaction that keeps the answer.
    async fn one_once<F, B>(&mut self, select: &Select, body: B) -> Result<Answer>
    where
        F: Future<Output = Acted<(Acts, Part)>> + Send + 'static,
        B: Fn(Acts) -> F + Send + Sync + 'static,
    {
        let done = self.together(1, move |acts| {
            let body = body(acts);
            async move {
                let (acts, part) = body.await?;
                let kept = Kept::One(part);
                acts.stand(kept, |kept| Ok(kept.clone())).await
            }
        });
        match done.await? {
            Stood::Now(kept) => self.tell(kept, select).await,
            Stood::Before(kept) => self.replay(kept, select).await,
        }
    }

    pub async fn create_once(
        &mut self,
        judge: Judge,
        draft: Draft,
        private: Vec<Step>,
        select: &Select,
    ) -> Result<Answer> {
        let all = Arc::new((judge, draft, private, select.clone()));
        self.one_once(select, move |mut acts| {
            let all = Arc::clone(&all);
            async move {
                let (judge, draft, private, select) = &*all;
                let record = acts.create(judge, draft.clone(), private.clone()).await?;
                let part = acts.part(judge, &record, select, Outcome::Created).await?;
                Ok((acts, part))
            }
        })
        .await
    }

    pub async fn change_once(
        &mut self,
        judge: Judge,
        change: Change,
        select: &Select,
        private: Vec<Step>,
    ) -> Result<Answer> {
        let chosen = judge.chosen_by(&change);
        let asks = &mut self.asks();
        let abroad = judge.unreadable(asks, &chosen, Leading::Abroad).await?;
        let all = Arc::new((judge, change, abroad, private, select.clone()));
        self.one_once(select, move |mut acts| {
            let all = Arc::clone(&all);
            async move {
                let (judge, change, abroad, private, select) = &*all;
                let changed = acts.change(judge, change.clone(), abroad, private).await?;
                let (record, outcome) = changed;
                let part = acts.part(judge, &record, select, outcome).await?;
                Ok((acts, part))
            }
        })
        .await
    }

    pub async fn delete_once(
        &mut self,
        judge: Judge,
        id: Value,
        if_match: Option<Precondition>,
        private: Vec<Step>,
    ) -> Result<Answer> {
        let all = Arc::new((judge, id, if_match, private));
        self.one_once(&Select::default(), move |mut acts| {
            let all = Arc::clone(&all);
            async move {
                let (judge, id, if_match, private) = &*all;
                // As of any delete of one record; the bound of a request for many is another.
                acts.along = usize::MAX;
                acts.remove(judge, id.clone(), if_match.clone(), private.clone())
                    .await?;
                Ok((acts, Part::deleted(judge.model(), id)))
            }
        })
        .await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use spec::Uuid;

    fn key(value: &str, target: &str) -> IdempotencyKey {
        IdempotencyKey {
            value: value.to_owned(),
            target: target.to_owned(),
            request: Vec::new(),
        }
    }

    #[test]
    fn a_key_is_its_callers_at_one_address() {
        let user = |n| Principal::user(Uuid::from_u128(n), None, Arc::from([]));
        let hashes: HashSet<Hash> = [
            hash_of(&user(1), &key("a", "POST /x")),
            hash_of(&user(2), &key("a", "POST /x")),
            hash_of(&user(1), &key("b", "POST /x")),
            hash_of(&user(1), &key("a", "POST /y")),
            hash_of(&user(1), &key("a", "PUT /x")),
            hash_of(&user(1), &key("xa", "POST /")),
        ]
        .into();
        assert_eq!(hashes.len(), 6);
    }

    #[test]
    fn a_key_is_taken_by_one_at_a_time() {
        let keys = Keys::new(b"secret");
        let taken = keys.take([1; 32]).ok();
        assert!(taken.is_some());
        let again = keys.take([1; 32]).map(drop).map_err(|problem| problem.code);
        assert_eq!(again, Err(Code::IdempotencyKeyInUse));
        assert!(keys.take([2; 32]).is_ok());
        drop(taken);
        assert!(keys.take([1; 32]).is_ok());
        assert!(keys.under_way.lock().is_empty());
    }
}
