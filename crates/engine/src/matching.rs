//! Changing and deleting the records that a filter matches: each as it would be alone, all or none.
//!
//! Which they are is looked up before the transaction, where a slow search holds nobody up. In it each is read and
//! locked by its key, and whether it still matches is asked once more, of these alone.

use crate::act::{Acted, Acts, Bytes, Halt, too_many, weight};
use crate::answer::{Answer, Outcome};
use crate::conflict::{Meant, Row};
use crate::execute::{Companion, Run, unsupported};
use crate::judge::{Judge, Questions};
use crate::kept::{Kept, count};
use crate::once::Stood;
use crate::order::{Reference, order};
use crate::record::Record;
use crate::references::Leading;
use crate::update::{Change, Way, Whose};
use plan::access::{self, Verb};
use plan::many::Hold;
use plan::operation::{DeleteMany, Matching, Select, UpdateMany};
use spec::expr::Expr;
use spec::input;
use spec::problem::Result;
use spec::statement::{Step, Written};
use spec::{Code, Field, Model, ModelId, Problem, Rule, Value};
use std::cmp::Ordering;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use store::error::problem_of;

/// Records that are read at a time, so that what is too much together is noticed before all of it is there.
const SLICE: usize = 64;

impl Run<'_> {
    pub async fn update_many(&mut self, update: UpdateMany) -> Result<Answer> {
        let start = Instant::now();
        let judge = self.judge(update.matching.model);
        let filter = self.chosen(judge.model(), &update.matching)?;
        let input = input::read(judge.model(), &update.body, &self.app.settings.limits)?;
        if !input.errors.is_empty() {
            return Err(Problem::invalid(input.errors));
        }
        self.planned(start);
        let asks = &mut self.asks();
        let unreadable = judge
            .unreadable(asks, &input.fields, Leading::Anywhere)
            .await?;
        // What is said of all of them, for what the store may have against it.
        let given = Record::of(judge.model(), &input.fields);
        let (turn, questions) = judge.turn(
            Change {
                way: Way::Patch,
                whose: Whose::Matching,
                input,
                if_match: None,
                if_absent: false,
            },
            unreadable,
        );
        let ids = self.matching(&judge, &filter).await?;
        never(&judge, Verb::Update, &ids)?;
        let all = Arc::new((judge, turn, questions, filter, given));
        let (companion, body) = (self.engine.companion(), update.body);
        let chosen = Arc::clone(&ids);
        let written = self.together(ids.len(), move |mut acts| {
            let (all, ids) = (Arc::clone(&all), Arc::clone(&chosen));
            let (companion, body) = (companion.clone(), body.clone());
            async move {
                let (judge, turn, questions, filter, given) = &*all;
                let model = judge.model();
                let mut writes = Writes::default();
                let mut bytes = Bytes::of(&judge.app.settings.limits);
                for ids in ids.chunks(SLICE) {
                    let rows = stored(&mut acts, judge, ids, questions, filter, Hold::Change);
                    for row in rows.await? {
                        bytes.take(weight(&row))?;
                        let id = &row[0];
                        let beside = beside(&companion, model, id, Some(&body));
                        let (steps, turned) = match turn.decide(Some(&row), &beside.steps) {
                            Ok(decided) => decided,
                            // Not any more, or not for this caller.
                            Err(problem) if problem.code == Code::NotFound => continue,
                            Err(problem) => return Err(of(id, problem).into()),
                        };
                        if let Some(problem) = turned.invalid {
                            let asked = acts.tx.write(steps.unwrap_or_default()).await;
                            return Err(match asked.map_err(problem_of)? {
                                Written::Done(_) => of(id, problem).into(),
                                Written::Missed { .. } => of(id, judge.denied("update")).into(),
                            });
                        }
                        writes.guarded |= turned.guarded;
                        writes.add(id, steps.unwrap_or_default(), beside.missed);
                    }
                }
                let written = writes.run(&mut acts, judge, given).await?;
                acts.stand(written, |written| Ok(counted(written, Outcome::Changed)))
                    .await
            }
        });
        let written = written.await;
        self.counted(update.matching.model, &ids, written, Outcome::Changed)
            .await
    }

    pub async fn delete_many(&mut self, delete: DeleteMany) -> Result<Answer> {
        let start = Instant::now();
        let judge = self.judge(delete.matching.model);
        let filter = self.chosen(judge.model(), &delete.matching)?;
        let (removal, questions) = judge.removal(None);
        self.planned(start);
        let ids = self.matching(&judge, &filter).await?;
        never(&judge, Verb::Delete, &ids)?;
        let all = Arc::new((judge, removal, questions, filter));
        let companion = self.engine.companion();
        let chosen = Arc::clone(&ids);
        let written = self.together(ids.len(), move |mut acts| {
            let (all, ids) = (Arc::clone(&all), Arc::clone(&chosen));
            let companion = companion.clone();
            async move {
                let (judge, removal, questions, filter) = &*all;
                let model = judge.model();
                let mut doomed = Vec::new();
                let mut bytes = Bytes::of(&judge.app.settings.limits);
                for ids in ids.chunks(SLICE) {
                    let rows = stored(&mut acts, judge, ids, questions, filter, Hold::Remove);
                    for row in rows.await? {
                        bytes.take(weight(&row))?;
                        match removal.judged(Some(&row)) {
                            Ok(stored) => doomed.push(stored),
                            Err(problem) if problem.code == Code::NotFound => {}
                            Err(problem) => return Err(of(&row[0], problem).into()),
                        }
                    }
                }
                let takes_along = judge.takes_along();
                let mut written: Vec<Value> = doomed.iter().map(|r| r.id().clone()).collect();
                let mut gone: HashSet<(ModelId, String)> = HashSet::new();
                for record in in_order(judge, doomed) {
                    let id = record.id().clone();
                    let beside = beside(&companion, model, &id, None);
                    let removed = match takes_along {
                        // What goes along with one may be another: each is read again.
                        true => acts.remove(judge, id.clone(), None, beside.steps).await,
                        false => acts.remove_stored(removal, record, beside.steps).await,
                    };
                    match removed {
                        // It went along with another, or what went hides it from the caller.
                        Err(Halt::Problem(problem)) if problem.code == Code::NotFound => {}
                        Err(Halt::Problem(problem)) => {
                            return Err(of(&id, refusal(judge, problem, &beside.missed)).into());
                        }
                        removed => {
                            let keys = removed?.into_iter();
                            gone.extend(keys.map(|(model, id)| (model, id.key_text())));
                        }
                    }
                }
                written.retain(|id| gone.contains(&(judge.model, id.key_text())));
                acts.stand(written, |written| Ok(counted(written, Outcome::Deleted)))
                    .await
            }
        });
        let written = written.await;
        self.counted(delete.matching.model, &ids, written, Outcome::Deleted)
            .await
    }

    /// The filter that chooses the records. There must be one: who leaves it out by mistake means few records, and
    /// would hit all.
    fn chosen(&self, model: &Model, matching: &Matching) -> Result<Expr> {
        // The model of the app that the run holds, which is the judge's.
        let model = self.app.model(model.id);
        self.resolver()
            .filter(model, matching.filter.as_deref(), &matching.plain)?
            .ok_or_else(|| {
                Problem::new(
                    Code::BadFilter,
                    "Say which records: filter=… or a field's name, as in lists. All of them are filter=true.",
                )
            })
    }

    /// The keys of the records that match, in one order for everybody, so that two who want the same ones do not
    /// wait for each other.
    async fn matching(&mut self, judge: &Judge, filter: &Expr) -> Result<Arc<[Value]>> {
        let most = self.app.settings.limits.batch;
        let statement = judge
            .planner()
            .matching(judge.model(), filter, most + 1)
            .map_err(unsupported(Code::BadFilter))?;
        let Some(statement) = statement else {
            return Ok(Arc::from([]));
        };
        let start = Instant::now();
        let rows = self
            .engine
            .store
            .read(&statement, self.bounds(most + 1))
            .await;
        self.stored(start);
        let mut ids = rows.map_err(problem_of)?.captured;
        if ids.len() > most as usize {
            return Err(too_many("More records match", most));
        }
        ids.sort_by(by_key);
        Ok(ids.into())
    }

    async fn counted(
        &mut self,
        model: ModelId,
        chosen: &[Value],
        written: Result<Stood<Vec<Value>>>,
        outcome: Outcome,
    ) -> Result<Answer> {
        if let Some(companion) = self.engine.companion() {
            let model = self.app.model(model);
            let touched = match &written {
                Ok(Stood::Now(written)) => written.as_slice(),
                Err(problem) if perhaps_written(problem) => chosen,
                Ok(Stood::Before(_)) | Err(_) => &[],
            };
            touched.iter().for_each(|id| companion.written(model, id));
        }
        match written? {
            Stood::Now(written) => Ok(count(written.len(), outcome)),
            Stood::Before(kept) => self.replay(kept, &Select::default()).await,
        }
    }
}

/// A failure of ours may have come after the commit, or nobody knows.
pub(crate) fn perhaps_written(problem: &Problem) -> bool {
    problem.code.status() >= 500
}

/// Whether the caller may write none of the model's records, whichever: then nothing is locked to find that out.
fn never(judge: &Judge, verb: Verb, ids: &[Value]) -> Result<()> {
    match (access::rule(judge.model(), verb, judge.caller()), ids) {
        (Rule::Deny, [first, ..]) => {
            let what = match verb {
                Verb::Delete => "delete",
                Verb::Create | Verb::Read | Verb::Update => "update",
            };
            Err(of(first, judge.denied(what)))
        }
        _ => Ok(()),
    }
}

fn counted(written: &[Value], outcome: Outcome) -> Kept {
    let count = written.len();
    Kept::Count { count, outcome }
}

/// The records that still match, as they are stored, locked.
async fn stored(
    acts: &mut Acts,
    judge: &Judge,
    ids: &[Value],
    questions: &Questions,
    filter: &Expr,
    hold: Hold,
) -> Acted<Vec<Vec<Value>>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let rules: Vec<&spec::Rule> = questions.rules.iter().collect();
    let statements = judge
        .planner()
        .stored_many(judge.model(), ids, &rules, Some(filter), hold)
        .map_err(unsupported(Code::BadFilter))?;
    let width = statements[0].shape.columns.len();
    let rows = acts.tx.read_all(statements, u32::MAX).await;
    let mut out = Vec::with_capacity(ids.len());
    for rows in rows.map_err(problem_of)? {
        let mut cells = rows.captured.into_iter();
        loop {
            let mut row: Vec<Value> = cells.by_ref().take(width).collect();
            match row.pop() {
                None => break,
                Some(Value::Bool(true)) => out.push(row),
                // Not any more.
                Some(_) => {}
            }
        }
    }
    Ok(out)
}

pub(crate) fn beside(
    companion: &Option<Arc<dyn Companion>>,
    model: &Model,
    id: &Value,
    body: Option<&[u8]>,
) -> crate::execute::Beside {
    match companion {
        Some(companion) => companion.beside(model, id, body),
        None => crate::execute::Beside::default(),
    }
}

/// In an order in which no record goes before those that refer to it, as far as there is one: in a ring, the store
/// says that they hold each other back.
fn in_order(judge: &Judge, records: Vec<Record>) -> Vec<Record> {
    let model = judge.model();
    let places: HashMap<String, usize> = records
        .iter()
        .map(|record| record.id().key_text())
        .zip(0..)
        .collect();
    let mut references = Vec::new();
    let own = |field: &&Field| field.relation().is_some_and(|r| r.to == model.id);
    for field in model.fields.iter().filter(own) {
        for (from, record) in records.iter().enumerate() {
            if let Some(to) = places.get(&record.get(field.id).key_text()) {
                references.push(Reference {
                    from,
                    to: *to,
                    optional: false,
                });
            }
        }
    }
    let Some(order) = order(records.len(), &references) else {
        return records;
    };
    let mut records: Vec<Option<Record>> = records.into_iter().map(Some).collect();
    let taken = order.records.into_iter().map(|at| records[at].take());
    taken.flatten().collect()
}

/// What a companion has to say instead of a denial, to whom the rules do not bind.
pub(crate) fn refusal(judge: &Judge, problem: Problem, missed: &Option<Problem>) -> Problem {
    match missed {
        Some(missed) if problem.code == Code::Forbidden && judge.principal.above_rules() => {
            missed.clone()
        }
        _ => problem,
    }
}

/// The steps of several records, to be run together.
#[derive(Default)]
struct Writes {
    steps: Vec<Step>,
    /// Of each record, where its steps end.
    records: Vec<(usize, Value, Option<Problem>)>,
    /// Whether they ask rules.
    guarded: bool,
}

impl Writes {
    fn add(&mut self, id: &Value, steps: Vec<Step>, missed: Option<Problem>) {
        self.steps.extend(steps);
        self.records.push((self.steps.len(), id.clone(), missed));
    }

    /// Answers which records they were.
    async fn run(self, acts: &mut Acts, judge: &Judge, given: &Record) -> Acted<Vec<Value>> {
        match acts.tx.write(self.steps).await {
            Ok(Written::Done(_)) => Ok(self.records.into_iter().map(|(_, id, _)| id).collect()),
            // The rows are locked, so that they have not moved: it is a rule that needs other records.
            Ok(Written::Missed { step }) => {
                let denied = judge.missed("update", self.guarded);
                Err(match self.records.iter().find(|(end, ..)| step < *end) {
                    Some((_, id, missed)) => of(id, refusal(judge, denied, missed)).into(),
                    None => denied.into(),
                })
            }
            Err(error) => {
                let row = Row {
                    pointer: String::new(),
                    record: given.clone(),
                    stored: None,
                };
                Err(acts.refused(judge, Meant::Written(vec![row]), error))
            }
        }
    }
}

/// Of which record it is told: the caller may read it, and said only what it has in common with others.
fn of(id: &Value, mut problem: Problem) -> Problem {
    problem.detail = format!("The record {}: {}", id.key_text(), problem.detail);
    problem
}

fn by_key(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Int(a), Value::Int(b)) => a.cmp(b),
        _ => a.key_text().cmp(&b.key_text()),
    }
}
