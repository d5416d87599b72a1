//! One write among several in a transaction: judged as it would be alone, by what the transaction holds by then.

use crate::answer::Outcome;
use crate::cascade::Reach;
use crate::conflict::{Meant, Refused, Row};
use crate::create::Draft;
use crate::delete::Removal;
use crate::execute::Run;
use crate::judge::Judge;
use crate::once::{Once, Stood};
use crate::record::Record;
use crate::references::{Asks, Leading};
use crate::update::{Change, Turned, Way};
use plan::many::Hold;
use plan::operation::Precondition;
use spec::problem::Result;
use spec::settings::Limits;
use spec::statement::{Step, Written};
use spec::{Code, FieldId, ModelId, Problem, Value};
use std::collections::HashSet;
use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use store::error::problem_of;
use store::{End, StoreError, Tx};

/// Why a transaction ends without its writes.
pub(crate) enum Halt {
    Problem(Problem),
    /// The store refused the write of one record. What that is to its writer is looked up when the transaction is
    /// over: on PostgreSQL nothing can be read in it any more.
    Refused(Box<Refused>),
    /// What it rests on has moved: from the beginning.
    Again,
}

impl From<Problem> for Halt {
    fn from(problem: Problem) -> Halt {
        Halt::Problem(problem)
    }
}

pub(crate) type Acted<T> = std::result::Result<T, Halt>;

impl Halt {
    /// At its place in the body of the request.
    pub fn within(self, pointer: &str) -> Halt {
        match self {
            Halt::Problem(problem) => Halt::Problem(problem.within(pointer)),
            Halt::Refused(refused) => Halt::Refused(Box::new(refused.within(pointer))),
            Halt::Again => Halt::Again,
        }
    }
}

/// A transaction in which writes are done one after another.
pub(crate) struct Acts {
    pub tx: Tx,
    /// A delete that takes others along met a foreign key, and all was begun again: another may have referred to
    /// what goes since that was read. Not twice: a reference that holds it back is met each time.
    held: Arc<AtomicBool>,
    /// What was created so far.
    pub own: HashSet<(ModelId, String)>,
    /// Records that deletes may still take along or loosen.
    pub along: usize,
    /// The key that they are done under.
    pub once: Option<Arc<Once>>,
}

impl Acts {
    pub async fn read(&mut self, statement: spec::statement::Statement) -> Result<Vec<Value>> {
        let rows = self.tx.read(statement, u32::MAX).await;
        Ok(rows.map_err(problem_of)?.captured)
    }

    /// Writes a new record; where its check fails, only asks whether the rule holds that comes before it.
    pub async fn create(
        &mut self,
        judge: &Judge,
        draft: Draft,
        private: Vec<Step>,
    ) -> Acted<Record> {
        let mut steps = judge.draft_steps(&draft)?;
        let Draft {
            mut record,
            invalid,
            guard,
            ..
        } = draft;
        if invalid.is_none() {
            steps.extend(private);
        }
        let drawn = record.id().is_null();
        let captured = match self.tx.write(steps).await {
            Ok(Written::Done(captured)) => captured,
            Ok(Written::Missed { .. }) => {
                return Err(judge.missed("create", guard.is_some()).into());
            }
            Err(StoreError::Unique { columns, .. }) if drawn && columns == ["id"] => {
                return Err(Halt::Again);
            }
            Err(error) => {
                let row = Row {
                    pointer: String::new(),
                    record,
                    stored: None,
                };
                return Err(self.refused(judge, Meant::Written(vec![row]), error));
            }
        };
        if let Some(problem) = invalid {
            return Err(self.invalid(judge, &record.all(), problem).await);
        }
        if let Some(Value::Int(id)) = captured.first().and_then(|row| row.first()) {
            record.set(spec::model::ID, Value::Int(*id));
        }
        self.own.insert((judge.model, record.id().key_text()));
        Ok(record)
    }

    /// Changes or replaces one record. `abroad`: references into other modules that lead nowhere.
    pub async fn change(
        &mut self,
        judge: &Judge,
        change: Change,
        abroad: &[FieldId],
        private: &[Step],
    ) -> Acted<(Record, Outcome)> {
        let mut unreadable = abroad.to_vec();
        let asks = &mut Asks::Tx(&mut self.tx);
        let given = judge.chosen_by(&change);
        unreadable.extend(judge.unreadable(asks, &given, Leading::Inside).await?);
        let is_put = change.way == Way::Put;
        let (turn, questions) = judge.turn(change, unreadable);
        let statement = turn.statement(&questions, Hold::Change)?;
        let row = self.read(statement).await?;
        let row = (!row.is_empty()).then_some(row.as_slice());
        let (steps, turned) = turn.decide(row, private)?;
        let verb = match turned.outcome {
            Outcome::Created => "create",
            Outcome::Read | Outcome::Changed | Outcome::Deleted => "update",
        };
        let captured = match self.tx.write(steps.unwrap_or_default()).await {
            Ok(Written::Done(captured)) => captured,
            // The row is locked, so that it has not moved: it is a rule that needs other records.
            Ok(Written::Missed { .. }) => {
                return Err(judge.missed(verb, turned.guarded).into());
            }
            // Another one created it in between: there is something to replace, unless it is deleted again.
            Err(StoreError::Unique { columns, .. })
                if is_put && row.is_none() && turn.names(&columns) =>
            {
                return Err(Halt::Again);
            }
            Err(error) => {
                let row = Row {
                    pointer: String::new(),
                    record: turned.record,
                    stored: turned.stored,
                };
                return Err(self.refused(judge, Meant::Written(vec![row]), error));
            }
        };
        let Turned {
            mut record,
            outcome,
            invalid,
            given: written,
            ..
        } = turned;
        if let Some(problem) = invalid {
            return Err(self.invalid(judge, &written, problem).await);
        }
        if outcome == Outcome::Created {
            if let Some(Value::Int(id)) = captured.first().and_then(|row| row.first()) {
                record.set(spec::model::ID, Value::Int(*id));
            }
            self.own.insert((judge.model, record.id().key_text()));
        }
        Ok((record, outcome))
    }

    /// Deletes one record, with what goes along. Answers what went, the record itself first.
    pub async fn remove(
        &mut self,
        judge: &Judge,
        id: Value,
        if_match: Option<Precondition>,
        private: Vec<Step>,
    ) -> Acted<Vec<(ModelId, Value)>> {
        let (removal, questions) = judge.removal(if_match);
        let statement = removal.statement(id, &questions, Hold::Remove)?;
        let row = self.read(statement).await?;
        let stored = removal.judged((!row.is_empty()).then_some(row.as_slice()))?;
        self.remove_stored(&removal, stored, private).await
    }

    /// Deletes a record that was read, locked and judged.
    pub async fn remove_stored(
        &mut self,
        removal: &Removal,
        stored: Record,
        private: Vec<Step>,
    ) -> Acted<Vec<(ModelId, Value)>> {
        let judge = &removal.judge;
        let takes_along = judge.takes_along();
        let (mut steps, going, asks) = if takes_along {
            let asks = &mut Asks::Tx(&mut self.tx);
            let mut reach = Reach::of(judge, asks, stored, Some(self.along)).await?;
            self.along -= reach.others();
            let (steps, asks) = reach.steps(judge, removal.guard.as_ref())?;
            (steps, reach.keys(), asks)
        } else {
            let key = (judge.model, stored.id().clone());
            (removal.steps(&stored)?, vec![key], 0)
        };
        let own = steps.len();
        steps.extend(private);
        match self.tx.write(steps).await {
            Ok(Written::Done(_)) => Ok(going),
            // What goes along is not locked, and somebody else changed it: that is no denial.
            Ok(Written::Missed { step })
                if takes_along && step < own && !(step == asks && removal.guard.is_some()) =>
            {
                Err(Halt::Again)
            }
            Ok(Written::Missed { .. }) => {
                Err(judge.missed("delete", removal.guard.is_some()).into())
            }
            Err(StoreError::ForeignKey { .. })
                if takes_along && !self.held.swap(true, Ordering::Relaxed) =>
            {
                Err(Halt::Again)
            }
            Err(error) => {
                let pointer = String::new();
                Err(self.refused(judge, Meant::Deleted { pointer, going }, error))
            }
        }
    }

    pub fn refused(&mut self, judge: &Judge, what: Meant, error: StoreError) -> Halt {
        Halt::Refused(Box::new(Refused {
            judge: judge.clone(),
            what,
            own: std::mem::take(&mut self.own),
            error,
        }))
    }

    async fn invalid(
        &mut self,
        judge: &Judge,
        values: &[(FieldId, Value)],
        problem: Problem,
    ) -> Halt {
        let asks = &mut Asks::Tx(&mut self.tx);
        judge.with_dangling(asks, values, problem).await.into()
    }
}

impl Run<'_> {
    /// Runs several writes in one transaction: all or none, and under a key once. The body may be run more than once;
    /// the last run counts. It ends with [`Acts::stand`]. `count` is how many records are written, beside those that
    /// deletes take along.
    pub async fn together<T, F, B>(&mut self, count: usize, body: B) -> Result<Stood<T>>
    where
        T: Send + 'static,
        F: Future<Output = Acted<Stood<T>>> + Send + 'static,
        B: Fn(Acts) -> F + Send + Sync + 'static,
    {
        let start = Instant::now();
        let held = Arc::new(AtomicBool::new(false));
        let along = (self.app.settings.limits.batch as usize).saturating_sub(count);
        let (once, body) = (self.once.clone(), Arc::new(body));
        let done = self
            .engine
            .store
            .transact(self.deadline, move |tx| {
                let mut acts = Acts {
                    tx,
                    held: Arc::clone(&held),
                    own: HashSet::new(),
                    along,
                    once: once.clone(),
                };
                let body = Arc::clone(&body);
                let done = async move {
                    if let Some(once) = acts.once.clone()
                        && let Some(kept) = once.claim(&mut acts.tx).await?
                    {
                        return Ok(Stood::Before(kept));
                    }
                    body(acts).await
                };
                async move {
                    Ok(match done.await {
                        Ok(done) => End::Commit(Ok(done)),
                        Err(Halt::Again) => End::Again,
                        Err(halt) => End::Undo(Err(halt)),
                    })
                }
            })
            .await;
        self.stored(start);
        match done.map_err(problem_of)? {
            Ok(done) => Ok(done),
            Err(halt) => Err(self.halted(halt).await),
        }
    }

    /// What is told of a transaction that came to nothing.
    pub async fn halted(&mut self, halt: Halt) -> Problem {
        match halt {
            Halt::Problem(problem) => problem,
            Halt::Again => problem_of(StoreError::Contended),
            Halt::Refused(refused) => self.refused(*refused).await,
        }
    }
}

/// Bytes that one request may write or answer together: it holds them in memory, and on SQLite the writer waits.
pub(crate) struct Bytes {
    most: u64,
    used: u64,
}

impl Bytes {
    pub fn of(limits: &Limits) -> Bytes {
        Bytes {
            most: limits.batch_bytes,
            used: 0,
        }
    }

    pub fn take(&mut self, bytes: usize) -> Result<()> {
        self.used = self.used.saturating_add(bytes as u64);
        if self.used <= self.most {
            return Ok(());
        }
        Err(Problem::new(
            Code::BatchTooLarge,
            format!(
                "The records have more than {} bytes together, and nothing was written.",
                self.most
            ),
        )
        .limited("limits.batch_bytes", self.most))
    }
}

/// What a stored record takes, about.
pub(crate) fn weight(row: &[Value]) -> usize {
    let of = |value: &Value| match value {
        Value::Text(text) | Value::Json(text) => text.len(),
        _ => 0,
    };
    row.iter().map(|value| 16 + of(value)).sum()
}

/// Bounds on how much one request writes.
pub(crate) fn too_many(found: &str, most: u32) -> Problem {
    Problem::new(
        Code::BatchTooLarge,
        format!("{found}; {most} are written at once at most, and nothing was."),
    )
    .limited("limits.batch", u64::from(most))
}
