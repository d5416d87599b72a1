//! What the writer does for one caller: a few steps, a look at a record and then a few steps, or a transaction's
//! body.

use super::connection::Session;
use super::prepared::{InUse, Prepared};
use super::{encode, error, rows, unwound};
use crate::transaction::{Asked, Resumed, Script, Told};
use crate::{Changed, Decision, End, Result, StoreError, Tx};
use spec::statement::{Expect, Statement, Step, Written};
use spec::value::Value;
use std::future::Future;
use std::sync::Arc;
use std::time::Instant;
use tokio::sync::oneshot;

/// More steps than these are a long turn.
const FEW: usize = 8;

/// What a turn leaves behind in the transaction it shares with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Effect {
    Keep,
    Undo,
}

/// One caller's turn at the writer. It may be run again, when the transaction was lost by another's fault;
/// the last run counts.
pub trait Turn: Send {
    fn deadline(&self) -> Instant;
    fn run(&mut self, session: &Session) -> Effect;
    /// Whether it writes before it knows that it will stand, so that it is worth a savepoint of its own.
    fn is_doubtful(&self) -> bool {
        false
    }
    /// Whether it writes so much that what comes behind it has waited anyway.
    fn is_long(&self) -> bool {
        false
    }
    /// It will not be run, or what it did is lost.
    fn fail(&mut self, error: StoreError);
    /// The group is committed (or this turn failed): tells the caller.
    fn answer(self: Box<Self>);
}

/// What the steps did: the captured columns of each, or which one missed.
type Outcome = std::result::Result<Vec<Vec<Value>>, usize>;

/// Runs the steps. On an error or a miss the caller undoes those that ran.
pub fn run_steps(session: &Session, steps: &[Step]) -> Result<Outcome> {
    let mut captured = Vec::with_capacity(steps.len());
    let mut again: Option<(&str, InUse<'_>)> = None;
    for (at, step) in steps.iter().enumerate() {
        let statement = &step.statement;
        let ran = match &mut again {
            Some((text, prepared)) if *text == statement.text => Ok(prepared),
            again => session
                .prepare(&statement.text)
                .map(|prepared| &mut again.insert((&statement.text, prepared)).1),
        }
        .and_then(|prepared| run(session, prepared, statement));
        let (touched, values) = ran.map_err(|failed| match error::map(failed) {
            StoreError::ForeignKey { .. } => StoreError::ForeignKey {
                table: error::table_of(&statement.text),
                columns: error::dangling(&session.conn, statement),
            },
            other => other,
        })?;
        if step.expect == Expect::One && touched != 1 {
            return Ok(Err(at));
        }
        captured.push(values);
    }
    Ok(Ok(captured))
}

/// How many rows the statement touched (or returned), and the captured columns of those it returned.
fn run(
    session: &Session,
    prepared: &mut Prepared,
    statement: &Statement,
) -> rusqlite::Result<(usize, Vec<Value>)> {
    encode::bind_all(prepared, &statement.params)?;
    let mut values = Vec::new();
    let mut returned = 0;
    while prepared.step()? {
        rows::captured(prepared, &statement.shape, &mut values);
        returned += 1;
    }
    if prepared.columns() == 0 {
        returned = session.conn.changes() as usize;
    }
    Ok((returned, values))
}

/// The captured columns of the only row of a read.
fn look(session: &Session, read: &Statement) -> Result<Option<Vec<Value>>> {
    let looked = session.prepare(&read.text);
    let looked = looked.and_then(|mut prepared| run(session, &mut prepared, read));
    let (returned, mut values) = looked.map_err(error::map)?;
    match returned {
        0 => Ok(None),
        1 => Ok(Some(values)),
        many => {
            values.truncate(values.len() / many);
            Ok(Some(values))
        }
    }
}

pub struct WriteTurn {
    pub steps: Vec<Step>,
    pub deadline: Instant,
    pub reply: oneshot::Sender<Result<Written>>,
    pub result: Result<Written>,
}

impl WriteTurn {
    pub fn new(
        steps: Vec<Step>,
        deadline: Instant,
    ) -> (WriteTurn, oneshot::Receiver<Result<Written>>) {
        let (reply, answer) = oneshot::channel();
        let turn = WriteTurn {
            steps,
            deadline,
            reply,
            result: Err(StoreError::Timeout),
        };
        (turn, answer)
    }
}

impl Turn for WriteTurn {
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn run(&mut self, session: &Session) -> Effect {
        let outcome = run_steps(session, &self.steps);
        let effect = effect_of(&outcome);
        self.result = outcome.map(|outcome| match outcome {
            Ok(captured) => Written::Done(captured),
            Err(step) => Written::Missed { step },
        });
        effect
    }

    fn is_long(&self) -> bool {
        self.steps.len() > FEW
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Err(error);
    }

    fn answer(self: Box<Self>) {
        // The caller may have left. What was committed stays.
        let _ = self.reply.send(self.result);
    }
}

fn effect_of(outcome: &Result<Outcome>) -> Effect {
    match outcome {
        Ok(Ok(_)) => Effect::Keep,
        Ok(Err(_)) | Err(_) => Effect::Undo,
    }
}

pub struct ChangeTurn<T, F> {
    read: Statement,
    deadline: Instant,
    decide: F,
    reply: oneshot::Sender<Result<Changed<T>>>,
    result: Result<Changed<T>>,
}

impl<T, F> ChangeTurn<T, F>
where
    T: Send + 'static,
    F: FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
{
    pub fn new(
        read: Statement,
        deadline: Instant,
        decide: F,
    ) -> (ChangeTurn<T, F>, oneshot::Receiver<Result<Changed<T>>>) {
        let (reply, answer) = oneshot::channel();
        let turn = ChangeTurn {
            read,
            deadline,
            decide,
            reply,
            result: Err(StoreError::Timeout),
        };
        (turn, answer)
    }

    fn change(&mut self, session: &Session) -> Result<(Effect, Changed<T>)> {
        let record = look(session, &self.read)?;
        let decide = &mut self.decide;
        match unwound(|| decide(record.as_deref()))? {
            Decision::Stop(told) => Ok((Effect::Undo, Changed::Stopped(told))),
            Decision::Write(steps, told) => Ok(match run_steps(session, &steps)? {
                Ok(captured) => (Effect::Keep, Changed::Done(told, captured)),
                Err(step) => (Effect::Undo, Changed::Missed(told, step)),
            }),
        }
    }
}

impl<T, F> Turn for ChangeTurn<T, F>
where
    T: Send + 'static,
    F: FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
{
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn run(&mut self, session: &Session) -> Effect {
        let (effect, result) = match self.change(session) {
            Ok((effect, changed)) => (effect, Ok(changed)),
            Err(error) => (Effect::Undo, Err(error)),
        };
        self.result = result;
        effect
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Err(error);
    }

    fn answer(self: Box<Self>) {
        let _ = self.reply.send(self.result);
    }
}

/// A transaction's body. It has no transaction of its own: one writer makes them one after another.
pub struct BodyTurn<T, B> {
    body: Arc<B>,
    deadline: Instant,
    reply: oneshot::Sender<Result<End<T>>>,
    result: Result<End<T>>,
}

impl<T, F, B> BodyTurn<T, B>
where
    F: Future<Output = Result<End<T>>>,
    B: Fn(Tx) -> F,
{
    pub fn new(
        body: Arc<B>,
        deadline: Instant,
    ) -> (BodyTurn<T, B>, oneshot::Receiver<Result<End<T>>>) {
        let (reply, answer) = oneshot::channel();
        let turn = BodyTurn {
            body,
            deadline,
            reply,
            result: Err(StoreError::Timeout),
        };
        (turn, answer)
    }

    fn play(&self, session: &Session) -> Result<End<T>> {
        let mut script = Script::begin(&*self.body);
        let mut told = None;
        loop {
            let asked = match script.resume(told)? {
                Resumed::Ended(end) => return Ok(end),
                Resumed::Asks(asked) => asked,
            };
            // The statements have a limit; so that there is one on their number.
            if Instant::now() >= self.deadline {
                return Err(StoreError::Timeout);
            }
            told = Some(match asked {
                Asked::Read(statements, emit) => Told::Read(
                    statements
                        .iter()
                        .map(|statement| rows::read(session, statement, emit).map_err(error::map))
                        .collect(),
                ),
                Asked::Write(steps) => {
                    Told::Written(run_steps(session, &steps).map(|outcome| match outcome {
                        Ok(captured) => Written::Done(captured),
                        Err(step) => Written::Missed { step },
                    }))
                }
            });
        }
    }
}

impl<T, F, B> Turn for BodyTurn<T, B>
where
    T: Send,
    F: Future<Output = Result<End<T>>>,
    B: Fn(Tx) -> F + Send + Sync,
{
    fn deadline(&self) -> Instant {
        self.deadline
    }

    fn run(&mut self, session: &Session) -> Effect {
        self.result = self.play(session);
        match self.result {
            Ok(End::Commit(_)) => Effect::Keep,
            Ok(End::Undo(_) | End::Again) | Err(_) => Effect::Undo,
        }
    }

    fn is_doubtful(&self) -> bool {
        true
    }

    fn fail(&mut self, error: StoreError) {
        self.result = Err(error);
    }

    fn answer(self: Box<Self>) {
        let _ = self.reply.send(self.result);
    }
}
