//! The engine, and the function that does every operation.

use crate::answer::{Answer, Executed, Stages};
use crate::closed::Look;
use crate::cursor::Cursors;
use crate::matching::perhaps_written;
use crate::once::{IdempotencyKey, Keys, Once, UnderWay};
use crate::tables::Tables;
use arc_swap::ArcSwap;
use plan::Caller;
use plan::operation::{List, Operation, Select};
use plan::read::Planner;
use plan::resolve::Resolver;
use spec::problem::Result;
use spec::statement::Step;
use spec::{App, Code, FieldError, FieldId, Model, ModelId, Principal, Problem, Value};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};
use store::Store;

/// An app on its store.
pub struct Engine {
    app: ArcSwap<App>,
    pub(crate) store: Arc<Store>,
    pub(crate) cursors: Cursors,
    pub(crate) keys: Keys,
    tables: Tables,
    companion: OnceLock<Arc<dyn Companion>>,
}

/// A room that keeps private rows beside records: what it adds to a write commits with it.
pub trait Companion: Send + Sync + 'static {
    /// What goes with a change of a record (with this body) or with its delete (with none).
    fn beside(&self, model: &Model, id: &Value, body: Option<&[u8]>) -> Beside;

    /// Whether what is kept beside a record is made by the way of creating it alone, so that it is not created with
    /// others.
    fn is_created_alone(&self, model: &Model) -> bool;

    /// A record was written; nothing that is remembered of it holds any more.
    fn written(&self, model: &Model, id: &Value);
}

/// What a companion adds to a write.
#[derive(Debug, Default)]
pub struct Beside {
    pub steps: Vec<Step>,
    /// What a caller whom the rules do not bind is told where one of the steps misses. To everybody else that is
    /// a denial like any other: whether they may at all comes first.
    pub missed: Option<Problem>,
}

/// What another room saw to before an operation.
#[derive(Debug, Default)]
pub struct Beforehand {
    /// Its own statements (a password's row, say), which commit together with a write or not at all.
    pub private: Vec<Step>,
    /// The id of a record to create, so that private rows can name it.
    pub key: Option<Value>,
    /// What is wrong with what it took out of the body of a record to create.
    pub wrong: Vec<FieldError>,
    /// The record to create is the account of the principal, who has its id, and this field names it (their
    /// address): the one write that no create rule decides, for before it there is nobody to decide about.
    /// Everything else binds it as any write of theirs; which other fields they may give is for the fields' write
    /// rules to say.
    pub registers: Option<FieldId>,
    /// The caller's key for a write, which is then done once however often it is sent.
    pub once: Option<IdempotencyKey>,
}

/// One operation on its way: everything its stages share.
pub(crate) struct Run<'a> {
    pub engine: &'a Engine,
    pub app: &'a Arc<App>,
    pub principal: &'a Principal,
    pub now: i64,
    pub deadline: Instant,
    pub stages: Stages,
    /// The write is done under a key.
    pub once: Option<Arc<Once>>,
    pub under_way: Option<UnderWay>,
    /// What is answered was answered before.
    pub replayed: bool,
}

impl Engine {
    /// `secret` keeps cursors from being forged; every server of one app has the same.
    pub fn new(app: Arc<App>, store: Arc<Store>, secret: &[u8]) -> Engine {
        Engine {
            app: ArcSwap::new(app),
            store,
            companion: OnceLock::new(),
            cursors: Cursors::new(secret),
            keys: Keys::new(secret),
            tables: Tables::default(),
        }
    }

    /// Sets the room that keeps private rows beside records; once, before the first operation.
    pub fn set_companion(&self, companion: impl Companion) {
        // A second one would leave the first one's rows behind.
        let taken = self.companion.set(Arc::new(companion)).is_err();
        debug_assert!(!taken, "an engine has one companion");
    }

    pub(crate) fn companion(&self) -> Option<Arc<dyn Companion>> {
        self.companion.get().cloned()
    }

    /// The app in force. Operations in flight keep the one they began with.
    pub fn app(&self) -> Arc<App> {
        self.app.load_full()
    }

    /// Serves another version of the app from now on.
    pub fn replace_app(&self, app: Arc<App>) {
        self.app.store(app);
    }

    pub fn store(&self) -> &Arc<Store> {
        &self.store
    }

    /// Does one operation for one principal.
    pub async fn execute(&self, principal: &Principal, operation: Operation) -> Executed {
        self.execute_on(&self.app(), principal, operation, Beforehand::default())
            .await
    }

    /// The same against the app in which the operation's names were resolved, where another room had a part in
    /// it.
    pub async fn execute_on(
        &self,
        app: &Arc<App>,
        principal: &Principal,
        operation: Operation,
        mut beforehand: Beforehand,
    ) -> Executed {
        let mut run = Run::begin(self, app, principal);
        let mut missed = None;
        let touched = self.companion.get().and_then(|companion| {
            let (model, id, body) = match &operation {
                Operation::Update(o) => (o.model, &o.id, Some(&*o.body)),
                Operation::Replace(o) => (o.model, &o.id, Some(&*o.body)),
                Operation::Delete(o) => (o.model, &o.id, None),
                Operation::List(_)
                | Operation::One(_)
                | Operation::Aggregate(_)
                | Operation::Create(_)
                | Operation::CreateMany(_)
                // These ask for each record.
                | Operation::UpdateMany(_)
                | Operation::DeleteMany(_)
                | Operation::Upsert(_)
                | Operation::Batch(_) => return None,
            };
            let model = app.model(model);
            let id = spec::key::read(model.key, id)?;
            let beside = companion.beside(model, &id, body);
            beforehand.private.extend(beside.steps);
            missed = beside.missed;
            Some((companion, model, id))
        });
        let before = match beforehand.once.take() {
            None => Ok(None),
            Some(key) => Box::pin(run.take_up(key, &operation)).await,
        };
        let registers = beforehand.registers.is_some();
        let look = Look::of(&operation);
        let closed = match &before {
            Ok(None) if !registers => run.closed(&operation),
            Ok(_) | Err(_) => None,
        };
        let mut result = match before {
            Err(problem) => Err(problem),
            Ok(Some(answer)) => Ok(answer),
            Ok(None) => match operation {
                _ if closed.is_some() => closed.unwrap_or_else(|| Err(Problem::not_found())),
                Operation::List(list) => run.list(list).await,
                Operation::One(one) => run.one(one).await,
                // Boxed, so that a read's future has no room for theirs: it is moved with every request.
                Operation::Aggregate(aggregate) => Box::pin(run.aggregate(aggregate)).await,
                Operation::Create(create) => Box::pin(run.create(create, beforehand)).await,
                Operation::Update(update) => Box::pin(run.update(update, beforehand.private)).await,
                Operation::Replace(replace) => {
                    Box::pin(run.replace(replace, beforehand.private)).await
                }
                Operation::Delete(delete) => Box::pin(run.delete(delete, beforehand.private)).await,
                Operation::CreateMany(many) => Box::pin(run.create_many(many)).await,
                Operation::UpdateMany(many) => Box::pin(run.update_many(many)).await,
                Operation::DeleteMany(many) => Box::pin(run.delete_many(many)).await,
                Operation::Upsert(upsert) => Box::pin(run.upsert(upsert)).await,
                Operation::Batch(batch) => Box::pin(run.batch(batch)).await,
            },
        };
        if let (Err(_), Some(look)) = (&result, look)
            && let Some(closed) = run.closed_look(look)
        {
            result = closed;
        }
        if let (Err(problem), Some(missed)) = (&mut result, missed)
            && problem.code == Code::Forbidden
            && principal.above_rules()
        {
            *problem = missed;
        }
        name_limit(app, &mut result);
        if let Err(problem) = &mut result
            && problem.code == Code::Internal
        {
            Box::pin(self.tables.blame(app, &self.store, problem)).await;
        }
        let written = result.as_ref().err().is_none_or(perhaps_written);
        if let Some((companion, model, id)) = touched.filter(|_| written) {
            companion.written(model, &id);
        }
        Executed {
            result,
            replayed: run.replayed,
            stages: run.stages,
        }
    }

    /// Whether a model has no record at all, whoever may see it: then its seeds are due.
    pub async fn is_empty(&self, app: &Arc<App>, model: ModelId) -> Result<bool> {
        let list = List {
            limit: Some(1),
            select: Select {
                fields: Some(vec!["id".to_owned()]),
                ..Select::default()
            },
            ..List::of(model)
        };
        let (system, list) = (Principal::system(), Operation::List(list));
        let listed = self
            .execute_on(app, &system, list, Beforehand::default())
            .await;
        Ok(listed.result?.is_empty_page())
    }
}

/// A store knows of a deadline, not which setting it comes from.
fn name_limit(app: &App, result: &mut Result<Answer>) {
    if let Err(problem) = result
        && matches!(
            problem.code,
            Code::QueryTimeout | Code::Overloaded | Code::StoreBusy
        )
    {
        let time = app.settings.limits.query_time.as_millis() as u64;
        problem.limit = Some(("limits.query_time", time));
    }
}

impl<'a> Run<'a> {
    pub fn begin(engine: &'a Engine, app: &'a Arc<App>, principal: &'a Principal) -> Run<'a> {
        Run {
            engine,
            app,
            principal,
            now: spec::time::now_micros(),
            deadline: Instant::now() + app.settings.limits.query_time,
            stages: Stages::default(),
            once: None,
            under_way: None,
            replayed: false,
        }
    }

    pub fn caller(&self) -> Caller<'a> {
        Caller {
            principal: self.principal,
            now: self.now,
        }
    }

    pub fn resolver(&self) -> Resolver<'a> {
        Resolver {
            app: self.app,
            caller: self.caller(),
            limits: &self.app.settings.limits,
        }
    }

    pub fn planner(&self) -> Planner<'a> {
        Planner {
            app: self.app,
            dialect: self.engine.store.dialect(),
            caller: self.caller(),
        }
    }

    pub fn bounds(&self, emit: u32) -> store::Bounds {
        store::Bounds {
            emit,
            deadline: self.deadline,
        }
    }

    /// Counts the time since `start` as planning.
    pub fn planned(&mut self, start: Instant) {
        self.stages.plan += start.elapsed();
    }

    /// Counts the time since `start` as the store's.
    pub fn stored(&mut self, start: Instant) {
        self.stages.store += start.elapsed();
    }
}

/// A rule that did not become SQL although the loader let it through, or a filter that cannot.
pub(crate) fn unsupported(code: spec::Code) -> impl Fn(plan::condition::Unsupported) -> Problem {
    move |u| match (code, u.limit) {
        (spec::Code::Internal, _) => Problem::internal(format!("a rule has no SQL: {}", u.reason)),
        (_, Some((name, value))) => Problem::new(
            spec::Code::FilterTooLarge,
            format!("The filter is too large: {}.", u.reason),
        )
        .limited(name, value),
        (code, None) => Problem::new(
            code,
            format!("This cannot be asked of the database: {}.", u.reason),
        ),
    }
}

/// How often a write is tried again when others change what it read.
pub(crate) const ATTEMPTS: u32 = 8;

/// How long a loser waits before it tries again: short, growing, and not in step with the others.
pub(crate) fn backoff(attempt: u32) -> Duration {
    let wait = 200 * (1 << attempt.min(6));
    let mut random = [0; 2];
    // Without randomness losers wait alike and meet again; they still get through, one by one.
    let _ = getrandom::fill(&mut random);
    Duration::from_micros(wait + wait * u64::from(u16::from_le_bytes(random)) / u64::from(u16::MAX))
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Engine")
            .field("app", &self.app.load().settings.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn losers_wait_longer_each_time_and_not_in_step() {
        for attempt in [0, 1, 6, 7] {
            let least = Duration::from_micros(200 << attempt.min(6));
            let waits: Vec<Duration> = (0..200).map(|_| backoff(attempt)).collect();
            assert!(waits.iter().all(|w| (least..=least * 2).contains(w)));
            let different: HashSet<&Duration> = waits.iter().collect();
            assert!(different.len() > 50, "{attempt}: {}", different.len());
            assert!(waits.iter().any(|w| *w < least * 5 / 4));
            assert!(waits.iter().any(|w| *w > least * 7 / 4));
        }
    }
}
