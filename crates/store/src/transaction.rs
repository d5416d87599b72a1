//! One transaction of several acts: each may read first and decide in memory, and sees what the ones before it
//! wrote.
//!
//! Its body is an async function over a [`Tx`], and the same on both stores. It never meets a driver: what it asks
//! lies in [`Talk`], the store that runs it serves that and resumes it. So it can run on SQLite's writer thread,
//! which knows no async, as well as on a connection of PostgreSQL's pool, and it can wait for its transaction alone.

use crate::{Result, StoreError, note};
use parking_lot::Mutex;
use spec::statement::{Rows, Statement, Step, Written};
use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

/// A transaction under way, as its body sees it.
///
/// Where a statement failed or a step missed, the transaction cannot be committed any more. On PostgreSQL nothing
/// can be read in it after a failure either: what there is to say about one is looked up outside.
pub struct Tx {
    talk: Arc<Mutex<Talk>>,
}

/// How a transaction's body ends.
#[derive(Debug)]
pub enum End<T> {
    /// Everything that was written stands, and this is answered when it is durable.
    Commit(T),
    /// Nothing of it does.
    Undo(T),
    /// What it rests on has moved meanwhile: from the beginning. A bounded number of times, then
    /// [`StoreError::Contended`].
    Again,
}

/// Times that a body is begun, all in all.
pub(crate) const ROUNDS: u32 = 8;

/// How long to wait before a body is begun again: twice as long each time.
pub(crate) fn pause(round: u32) -> Duration {
    Duration::from_millis(2) * (1 << round.min(6))
}

#[derive(Default)]
struct Talk {
    asked: Option<Asked>,
    told: Option<Told>,
}

/// What a body waits for.
pub(crate) enum Asked {
    /// Of each statement, this many rows at most.
    Read(Vec<Statement>, u32),
    Write(Vec<Step>),
}

pub(crate) enum Told {
    Read(Result<Vec<Rows>>),
    Written(Result<Written>),
}

impl Told {
    /// Whether the transaction can still be committed.
    fn stands(&self) -> bool {
        match self {
            Told::Read(rows) => rows.is_ok(),
            Told::Written(written) => matches!(written, Ok(Written::Done(_))),
        }
    }
}

impl Tx {
    /// Runs a statement that reads. Of its rows, `emit` are answered.
    pub async fn read(&mut self, statement: Statement, emit: u32) -> Result<Rows> {
        let mut rows = self.read_all(vec![statement], emit).await?;
        rows.pop().ok_or_else(strayed)
    }

    /// Runs statements that read, in one round trip. Of the rows of each, `emit` are answered.
    pub async fn read_all(&mut self, statements: Vec<Statement>, emit: u32) -> Result<Vec<Rows>> {
        statements.iter().for_each(note);
        match self.ask(Asked::Read(statements, emit)).await {
            Told::Read(rows) => rows,
            Told::Written(_) => Err(strayed()),
        }
    }

    /// Runs steps in their order. One that fails or misses is the last, and the transaction cannot be committed.
    pub async fn write(&mut self, steps: Vec<Step>) -> Result<Written> {
        if steps.is_empty() {
            return Ok(Written::Done(Vec::new()));
        }
        steps.iter().for_each(|step| note(&step.statement));
        match self.ask(Asked::Write(steps)).await {
            Told::Written(written) => written,
            Told::Read(_) => Err(strayed()),
        }
    }

    async fn ask(&mut self, asked: Asked) -> Told {
        self.talk.lock().asked = Some(asked);
        // Resumed only with an answer.
        poll_fn(|_| match self.talk.lock().told.take() {
            Some(told) => Poll::Ready(told),
            None => Poll::Pending,
        })
        .await
    }
}

/// A body on its way, for the store that serves it.
pub(crate) struct Script<F> {
    body: Pin<Box<F>>,
    talk: Arc<Mutex<Talk>>,
    /// Nothing failed and nothing missed.
    stands: bool,
}

pub(crate) enum Resumed<T> {
    Asks(Asked),
    Ended(End<T>),
}

impl<T, F: Future<Output = Result<End<T>>>> Script<F> {
    pub fn begin(body: impl Fn(Tx) -> F) -> Script<F> {
        let talk = Arc::new(Mutex::new(Talk::default()));
        let tx = Tx {
            talk: Arc::clone(&talk),
        };
        Script {
            body: Box::pin(body(tx)),
            talk,
            stands: true,
        }
    }

    /// Runs the body up to its next question, or to its end.
    pub fn resume(&mut self, told: Option<Told>) -> Result<Resumed<T>> {
        self.stands &= told.as_ref().is_none_or(Told::stands);
        self.talk.lock().told = told;
        match self
            .body
            .as_mut()
            .poll(&mut Context::from_waker(Waker::noop()))
        {
            Poll::Ready(Ok(End::Commit(_))) if !self.stands => Err(StoreError::Other {
                cause: "a transaction of which a step failed was to be committed".to_owned(),
            }),
            Poll::Ready(end) => Ok(Resumed::Ended(end?)),
            Poll::Pending => {
                let asked = self.talk.lock().asked.take();
                asked.map(Resumed::Asks).ok_or_else(strayed)
            }
        }
    }
}

/// The body waits for something that is not its transaction: that would hold up every writer.
fn strayed() -> StoreError {
    StoreError::Other {
        cause: "a transaction's body waited for something else than its transaction".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(
        body: impl AsyncFn(&mut Tx) -> Result<End<u8>>,
        mut told: impl FnMut() -> Told,
    ) -> Result<End<u8>> {
        let body = &body;
        let mut script = Script::begin(|mut tx| async move { body(&mut tx).await });
        let mut resumed = script.resume(None)?;
        loop {
            match resumed {
                Resumed::Ended(end) => return Ok(end),
                Resumed::Asks(_) => resumed = script.resume(Some(told()))?,
            }
        }
    }

    fn step() -> Step {
        Step {
            statement: Statement {
                text: String::new(),
                params: Vec::new(),
                shape: Arc::default(),
                lane: spec::statement::Lane::Bounded,
            },
            expect: spec::statement::Expect::Any,
        }
    }

    #[test]
    fn a_body_is_resumed_with_what_it_asked_for() {
        let end = run(
            async |tx| {
                for _ in 0..3 {
                    tx.write(vec![step()]).await?;
                }
                tx.write(Vec::new()).await?;
                Ok(End::Commit(7))
            },
            || Told::Written(Ok(Written::Done(Vec::new()))),
        );
        assert!(matches!(end, Ok(End::Commit(7))), "{end:?}");
    }

    #[test]
    fn what_failed_cannot_be_committed() {
        for told in [
            || Told::Written(Err(StoreError::Contended)),
            || Told::Written(Ok(Written::Missed { step: 0 })),
        ] {
            let heedless = async |tx: &mut Tx| {
                let _ = tx.write(vec![step()]).await;
                Ok(End::Commit(0))
            };
            assert!(run(heedless, told).is_err());
            let heedful = async |tx: &mut Tx| {
                let _ = tx.write(vec![step()]).await;
                Ok(End::Undo(1))
            };
            assert!(matches!(run(heedful, told), Ok(End::Undo(1))));
        }
    }

    #[test]
    fn a_body_waits_for_its_transaction_alone() {
        let strays = async |_: &mut Tx| {
            std::future::pending::<()>().await;
            Ok(End::Commit(0))
        };
        let end = run(strays, || unreachable!("nothing was asked"));
        assert!(matches!(end, Err(StoreError::Other { .. })), "{end:?}");
    }
}
