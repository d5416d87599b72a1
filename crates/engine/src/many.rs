//! Creating several records at once: the elements of an array, and records with those that refer to them. Each is
//! judged as it would be alone, and all are written or none.
//!
//! Elements that stand by themselves go to the store in one piece. Where one refers to another, or a rule looks at
//! other records, they are written wave after wave in a transaction, and each sees what was written before it.

use crate::act::{Acted, Acts, Halt, too_many};
use crate::answer::{Answer, Outcome};
use crate::conflict::{Meant, Refused, Row};
use crate::create::{Draft, Whole, not_there};
use crate::execute::{ATTEMPTS, Run, backoff, unsupported};
use crate::judge::Judge;
use crate::kept::Kept;
use crate::once::Stood;
use crate::record::Record;
use crate::references::{Asks, Leading, Readable};
use plan::access::{self, Verb};
use plan::operation::{CreateMany, Select};
use spec::input::{self, Holds, Input};
use spec::problem::{MOST_ERRORS, Result, pointer};
use spec::statement::Written;
use spec::{App, Code, FieldError, FieldId, KeyKind, ModelId, Problem, Rule, Value};
use std::borrow::Cow;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use store::StoreError;
use store::error::problem_of;

/// How deep records stand in records that they refer to.
const NESTED: usize = 3;

/// Records to create together, as one body says them.
pub(crate) struct New {
    /// One for each model.
    judges: Vec<Judge>,
    /// A record stands behind the one around it.
    seeds: Vec<Seed>,
    /// Mistakes that were met in reading them.
    wrong: usize,
}

/// One of them.
struct Seed {
    judge: usize,
    /// Where the body says it.
    pointer: String,
    input: Input,
    /// None where the store assigns it with the write.
    key: Option<Value>,
    /// The record around it, and the field that refers to that.
    parent: Option<(usize, FieldId)>,
    /// References to others of the same body, by their places.
    beside: Vec<(FieldId, usize)>,
    /// Relations that lead nowhere.
    unreadable: Vec<FieldId>,
    wave: usize,
    /// Of one that refers to no other of the body.
    draft: Option<Draft>,
}

impl New {
    /// From an array of objects.
    fn array(app: &App, judge: Judge, body: &[u8]) -> Result<New> {
        let most = app.settings.limits.batch;
        let elements = input::elements(body)?;
        if elements.len() > most as usize {
            let found = format!("The array has {} records", elements.len());
            return Err(too_many(&found, most));
        }
        let mut new = New {
            judges: vec![judge],
            seeds: Vec::with_capacity(elements.len()),
            wrong: 0,
        };
        for (at, element) in elements.into_iter().enumerate() {
            new.read(app, 0, element, format!("/{at}"), None)?;
        }
        Ok(new)
    }

    /// From an object that was read, with others in it.
    pub fn one(app: &App, judge: Judge, input: Input) -> Result<New> {
        let mut new = New {
            judges: vec![judge],
            seeds: Vec::new(),
            wrong: 0,
        };
        new.put(app, 0, input, String::new(), None)?;
        Ok(new)
    }

    fn read(
        &mut self,
        app: &App,
        judge: usize,
        text: &str,
        pointer: String,
        parent: Option<(usize, FieldId)>,
    ) -> Result<()> {
        let model = self.judges[judge].model();
        let limits = &app.settings.limits;
        let input = input::read_as(model, text.as_bytes(), limits, Holds::Nested);
        let input = input.map_err(|mut problem| {
            problem.detail = format!("At {pointer}: {}", problem.detail);
            problem
        })?;
        self.put(app, judge, input, pointer, parent)
    }

    fn put(
        &mut self,
        app: &App,
        judge: usize,
        mut input: Input,
        place: String,
        parent: Option<(usize, FieldId)>,
    ) -> Result<()> {
        let most = app.settings.limits.batch;
        if self.seeds.len() >= most as usize {
            return Err(too_many("The body has more records", most));
        }
        if self.wrong >= MOST_ERRORS {
            return Err(Problem::invalid(self.mistakes()));
        }
        self.wrong += input.errors.len();
        let of = &self.judges[judge];
        let model = of.model();
        if let Some((_, field)) = parent {
            let name = &model.field(field).name;
            if input.get(field).is_some() {
                let detail = format!("{name} is the record around this one: leave it out.");
                input.errors.retain(|e| e.pointer != pointer(&[name]));
                input.errors.push(FieldError::at(name, "read_only", detail));
            } else {
                // Known when that has a key.
                input.fields.push((field, Value::Null));
            }
        }
        let given = input.get(spec::model::ID).filter(|id| !id.is_null());
        let key = match (model.key, given) {
            (KeyKind::String, given) => given.cloned(),
            (KeyKind::Uuid | KeyKind::Int, Some(given)) if of.principal.system => {
                Some(given.clone())
            }
            // It is refused.
            (KeyKind::Uuid | KeyKind::Int, Some(_)) | (KeyKind::Int, None) => None,
            (KeyKind::Uuid, None) => Some(Value::Uuid(spec::new_id())),
        };
        let depth = place.matches('/').count() / 2;
        let nested = std::mem::take(&mut input.nested);
        let around = self.seeds.len();
        self.seeds.push(Seed {
            judge,
            pointer: place.clone(),
            input,
            key,
            parent,
            beside: Vec::new(),
            unreadable: Vec::new(),
            wave: 0,
            draft: None,
        });
        let model = self.judges[judge].model;
        for (at, text) in nested {
            let inverse = &app.model(model).inverses[at];
            let place = format!("{place}{}", pointer(&[&inverse.name]));
            let mut wrong = |code, detail: String| {
                self.seeds[around].input.errors.push(FieldError {
                    pointer: pointer(&[&inverse.name]),
                    code,
                    detail,
                });
            };
            if depth >= NESTED {
                let detail = format!("Records stand in records {NESTED} levels deep at most.");
                wrong("too_deep", detail);
                continue;
            }
            let Ok(elements) = input::elements(text.as_bytes()) else {
                let detail = format!(
                    "{} must be an array of the records to create with this one.",
                    inverse.name
                );
                wrong("type", detail);
                continue;
            };
            let child = self.judge_of(judge, inverse.model);
            for (at, element) in elements.into_iter().enumerate() {
                let place = format!("{place}/{at}");
                self.read(app, child, element, place, Some((around, inverse.field)))?;
            }
        }
        Ok(())
    }

    /// What was wrong with the bodies by themselves.
    fn mistakes(&self) -> Vec<FieldError> {
        let of = |seed: &Seed| placed(&seed.input.errors, &seed.pointer).collect::<Vec<_>>();
        self.seeds.iter().flat_map(of).collect()
    }

    fn judge_of(&mut self, like: usize, model: ModelId) -> usize {
        if let Some(at) = self.judges.iter().position(|judge| judge.model == model) {
            return at;
        }
        self.judges.push(Judge {
            model,
            ..self.judges[like].clone()
        });
        self.judges.len() - 1
    }

    fn judge(&self, seed: &Seed) -> &Judge {
        &self.judges[seed.judge]
    }

    /// Puts every record behind those that it refers to. One of a ring is behind none: its references lead nowhere
    /// yet, as they would if it came alone.
    fn order(&mut self) {
        let places: HashMap<(ModelId, String), usize> = self
            .seeds
            .iter()
            .enumerate()
            .filter_map(|(at, seed)| {
                let key = seed.key.as_ref().filter(|_| seed.input.errors.is_empty())?;
                Some(((self.judge(seed).model, key.key_text()), at))
            })
            .collect();
        for at in 0..self.seeds.len() {
            let seed = &self.seeds[at];
            let references = self.judge(seed).references(&seed.input.fields);
            self.seeds[at].beside = references
                .into_iter()
                .filter_map(|(field, to, id)| {
                    let other = *places.get(&(to, id.key_text()))?;
                    (other != at).then_some((field, other))
                })
                .collect();
        }
        // What is not placed by now waits for something; a round that places nothing has found the rings.
        let mut placed: Vec<Option<usize>> = vec![None; self.seeds.len()];
        let mut left: Vec<usize> = (0..self.seeds.len()).collect();
        while !left.is_empty() {
            let before = left.len();
            left.retain(|at| {
                let seed = &self.seeds[*at];
                let parent = seed.parent.iter().map(|(parent, _)| *parent);
                let behind = parent.chain(seed.beside.iter().map(|(_, other)| *other));
                let mut wave = behind.map(|other| placed[other].map(|wave| wave + 1));
                let wave = wave.try_fold(0, |most, wave| wave.map(|wave| wave.max(most)));
                placed[*at] = wave;
                wave.is_none()
            });
            if left.len() < before {
                continue;
            }
            for at in &left {
                let seed = &mut self.seeds[*at];
                let ring = seed.beside.iter().filter(|(_, other)| left.contains(other));
                let ring: Vec<FieldId> = ring.map(|(field, _)| *field).collect();
                seed.beside.retain(|(field, _)| !ring.contains(field));
                seed.unreadable.extend(ring);
            }
        }
        for (seed, wave) in self.seeds.iter_mut().zip(placed) {
            seed.wave = wave.unwrap_or_default();
        }
    }

    /// Asks about the references that lead out of the body.
    async fn ask(&mut self, asks: &mut Asks<'_>) -> Result<()> {
        let mut doubtful = Vec::new();
        for (at, seed) in self.seeds.iter().enumerate() {
            let judge = self.judge(seed);
            let chosen = judge.chosen(&seed.input, seed.key.as_ref());
            let mut references = judge.doubtful(&chosen, Leading::Anywhere);
            references.retain(|(field, ..)| seed.beside.iter().all(|(own, _)| own != field));
            doubtful.extend(references.into_iter().map(|reference| (at, reference)));
        }
        let targets = doubtful.iter().map(|(_, (_, to, id))| (*to, id.clone()));
        let readable = Readable::ask(&self.judges[0], asks, targets).await?;
        for (at, (field, to, id)) in doubtful {
            if !readable.holds(to, &id) && !self.seeds[at].unreadable.contains(&field) {
                self.seeds[at].unreadable.push(field);
            }
        }
        Ok(())
    }

    /// Judges what can be judged before anything is written, all mistakes at once: types, then rules, then checks.
    async fn judge_all(&mut self, asks: &mut Asks<'_>) -> Result<()> {
        let mut types = Vec::new();
        let mut denied = None;
        let mut invalid = Vec::new();
        let mut guarded = Vec::new();
        for at in 0..self.seeds.len() {
            let seed = &self.seeds[at];
            let parent = seed.parent.map(|(parent, _)| &self.seeds[parent].key);
            if matches!(parent, Some(None)) {
                // Judged when it has what it refers to. What is wrong already is told now.
                types.extend(placed(&seed.input.errors, &seed.pointer));
                continue;
            }
            let input = self.with_parent(seed, parent.and_then(Option::as_ref));
            let drafted = self
                .judge(seed)
                .draft(&input, seed.key.as_ref(), &seed.unreadable);
            match drafted {
                Err(problem) if problem.code == Code::Invalid => {
                    types.extend(placed(&problem.errors, &seed.pointer));
                }
                Err(problem) => denied = denied.or(Some(problem.within(&seed.pointer))),
                Ok(draft) => {
                    match (&draft.guard, seed.wave) {
                        (None, _) => {
                            let wrong = draft.invalid.iter().flat_map(|problem| &problem.errors);
                            invalid.extend(placed(wrong, &seed.pointer));
                        }
                        (Some(_), 0) => guarded.push(at),
                        // The rule may look at what is not there yet.
                        (Some(_), _) => {}
                    }
                    if seed.wave == 0 {
                        self.seeds[at].draft = Some(draft);
                    }
                }
            }
        }
        if !types.is_empty() {
            return Err(Problem::invalid(types));
        }
        if let Some(problem) = denied {
            return Err(problem);
        }
        let is_valid = |at: &usize| {
            let draft = self.seeds[*at].draft.as_ref();
            draft.is_none_or(|draft| draft.invalid.is_none())
        };
        if invalid.is_empty() && guarded.iter().all(is_valid) {
            return Ok(());
        }
        // The rules come before the checks, those of the records around first.
        for at in guarded {
            let seed = &self.seeds[at];
            let Some(draft) = &seed.draft else { continue };
            let judge = self.judge(seed);
            if let Some(step) = judge.allows(draft)?
                && asks.read(step.statement, 1).await?.ends.is_empty()
            {
                return Err(judge.denied("create").within(&seed.pointer));
            }
            let wrong = draft.invalid.iter().flat_map(|problem| &problem.errors);
            invalid.extend(placed(wrong, &seed.pointer));
        }
        invalid.extend(self.dangling(asks).await?);
        Err(Problem::invalid(invalid))
    }

    /// The references that only a foreign key would tell of.
    async fn dangling(&self, asks: &mut Asks<'_>) -> Result<Vec<FieldError>> {
        let rows = self.seeds.iter().map(|seed| {
            let mut fields = seed.input.fields.clone();
            fields.retain(|(field, _)| {
                !seed.unreadable.contains(field) && seed.beside.iter().all(|(own, _)| own != field)
            });
            (seed.pointer.as_str(), self.judge(seed), fields)
        });
        dangling(asks, rows.collect(), &HashSet::new()).await
    }

    /// What the body says of a record, and the record around it.
    fn with_parent<'s>(&self, seed: &'s Seed, key: Option<&Value>) -> Cow<'s, Input> {
        let (Some((_, field)), Some(key)) = (seed.parent, key) else {
            return Cow::Borrowed(&seed.input);
        };
        let mut input = seed.input.clone();
        input.fields.retain(|(id, _)| *id != field);
        input.fields.push((field, key.clone()));
        Cow::Owned(input)
    }

    /// Whether they can be written in one piece.
    fn is_plain(&self) -> bool {
        self.seeds.iter().all(|seed| {
            seed.wave == 0
                && seed
                    .draft
                    .as_ref()
                    .is_some_and(|draft| draft.guard.is_none())
        })
    }

    /// Writes wave after wave.
    async fn write(&self, acts: &mut Acts) -> Acted<Vec<Record>> {
        let mut made: Vec<Option<Record>> = self.seeds.iter().map(|_| None).collect();
        let waves = self.seeds.iter().map(|seed| seed.wave).max();
        for wave in 0..=waves.unwrap_or_default() {
            let here: Vec<usize> = (0..self.seeds.len())
                .filter(|at| self.seeds[*at].wave == wave)
                .collect();
            for group in here.chunk_by(|a, b| self.seeds[*a].judge == self.seeds[*b].judge) {
                let judge = self.judge(&self.seeds[group[0]]);
                let drafts = self.drafts(acts, group, &made).await?;
                let drafts = acts.valid(judge, drafts).await?;
                for (at, record) in group.iter().zip(acts.create_all(judge, drafts).await?) {
                    made[*at] = Some(record);
                }
            }
        }
        Ok(made.into_iter().flatten().collect())
    }

    /// Of the records that were made, those that stand in no other.
    fn outermost(&self, made: Vec<Record>) -> Vec<Record> {
        let made = self.seeds.iter().zip(made);
        made.filter_map(|(seed, record)| seed.parent.is_none().then_some(record))
            .collect()
    }

    /// What is kept of the answer, where it is.
    async fn kept(
        &self,
        acts: &mut Acts,
        made: &[Record],
        select: &Select,
        whole: Whole,
    ) -> Acted<Option<Kept>> {
        let judge = &self.judges[0];
        Ok(match (whole, made.first()) {
            _ if !acts.keeps() => None,
            (Whole::Array, _) => Some(Kept::Data(acts.parts(judge, made, select).await?)),
            (Whole::One, Some(record)) => {
                let part = acts.part(judge, record, select, Outcome::Created);
                Some(Kept::One(part.await?))
            }
            (Whole::One, None) => None,
        })
    }

    /// What is to be written of one wave and model, with where the body says it.
    async fn drafts(
        &self,
        acts: &mut Acts,
        group: &[usize],
        made: &[Option<Record>],
    ) -> Acted<Vec<(String, Draft)>> {
        let judge = self.judge(&self.seeds[group[0]]);
        let mut inputs = Vec::with_capacity(group.len());
        let mut doubtful = Vec::new();
        for at in group {
            let seed = &self.seeds[*at];
            if seed.wave == 0 {
                continue;
            }
            let parent = seed.parent.and_then(|(parent, _)| made[parent].as_ref());
            let input = self.with_parent(seed, parent.map(Record::id));
            let mut references = judge.doubtful(&input.fields, Leading::Inside);
            references.retain(|(field, ..)| {
                let mut beside = seed.beside.iter().map(|(own, _)| own);
                seed.parent.is_some_and(|(_, own)| own == *field) || beside.any(|own| own == field)
            });
            doubtful.push(references);
            inputs.push(input);
        }
        let targets = doubtful.iter().flatten();
        let targets = targets.map(|(_, to, id)| (*to, id.clone()));
        let readable = Readable::ask(judge, &mut Asks::Tx(&mut acts.tx), targets).await?;
        let mut later = inputs.into_iter().zip(doubtful);
        let mut drafts = Vec::with_capacity(group.len());
        for at in group {
            let seed = &self.seeds[*at];
            let draft = match (&seed.draft, seed.wave) {
                (Some(draft), 0) => draft.clone(),
                _ => {
                    let (input, doubtful) = later.next().unwrap_or_default();
                    let mut unreadable = seed.unreadable.clone();
                    let hidden = doubtful
                        .into_iter()
                        .filter(|(_, to, id)| !readable.holds(*to, id));
                    unreadable.extend(hidden.map(|(field, ..)| field));
                    judge
                        .draft(&input, seed.key.as_ref(), &unreadable)
                        .map_err(|problem| problem.within(&seed.pointer))?
                }
            };
            drafts.push((seed.pointer.clone(), draft));
        }
        Ok(drafts)
    }
}

/// Errors of a part of the body, at their places in it.
pub(crate) fn placed<'e>(
    errors: impl IntoIterator<Item = &'e FieldError>,
    part: &str,
) -> impl Iterator<Item = FieldError> {
    errors.into_iter().map(move |error| FieldError {
        pointer: format!("{part}{}", error.pointer),
        ..error.clone()
    })
}

/// Where a row stands in the body, who judges it, and what its fields hold.
type Placed<'a> = (&'a str, &'a Judge, Vec<(FieldId, Value)>);

/// Which references of these rows lead nowhere; the records of `own` are there for them.
pub(crate) async fn dangling(
    asks: &mut Asks<'_>,
    rows: Vec<Placed<'_>>,
    own: &HashSet<(ModelId, String)>,
) -> Result<Vec<FieldError>> {
    let mut asked = Vec::new();
    for (pointer, judge, values) in &rows {
        let mut references = judge.references(values);
        references.retain(|(_, to, id)| !own.contains(&(*to, id.key_text())));
        asked.extend(references.into_iter().map(|r| (*pointer, *judge, r)));
    }
    let Some((_, judge, _)) = asked.first() else {
        return Ok(Vec::new());
    };
    let targets = asked.iter().map(|(.., (_, to, id))| (*to, id.clone()));
    let readable = Readable::ask(judge, asks, targets).await?;
    let hidden = asked
        .into_iter()
        .filter(|(.., (_, to, id))| !readable.holds(*to, id));
    Ok(hidden
        .flat_map(|(pointer, judge, (field, ..))| {
            placed(&[judge.dangling(field)], pointer).collect::<Vec<_>>()
        })
        .collect())
}

impl Acts {
    /// Those of which no check fails; the others are told together, where the rule holds that comes before.
    async fn valid(
        &mut self,
        judge: &Judge,
        drafts: Vec<(String, Draft)>,
    ) -> Acted<Vec<(String, Draft)>> {
        let mut wrong = Vec::new();
        for (pointer, draft) in &drafts {
            let Some(problem) = &draft.invalid else {
                continue;
            };
            for step in judge.draft_steps(draft)? {
                let holds = self.tx.read(step.statement, 1).await.map_err(problem_of)?;
                if holds.ends.is_empty() {
                    return Err(judge.denied("create").within(pointer).into());
                }
            }
            wrong.extend(placed(&problem.errors, pointer));
        }
        match wrong.is_empty() {
            true => Ok(drafts),
            false => Err(Problem::invalid(wrong).into()),
        }
    }

    /// Writes new records of one model, in their order: in one piece, or where rules look at other records one by
    /// one.
    async fn create_all(
        &mut self,
        judge: &Judge,
        drafts: Vec<(String, Draft)>,
    ) -> Acted<Vec<Record>> {
        if drafts.iter().any(|(_, draft)| draft.guard.is_some()) {
            let mut out = Vec::with_capacity(drafts.len());
            for (pointer, draft) in drafts {
                let created = self.create(judge, draft, Vec::new()).await;
                out.push(created.map_err(|halt| halt.within(&pointer))?);
            }
            return Ok(out);
        }
        let steps = steps_of(judge, &drafts)?;
        match self.tx.write(steps).await {
            Ok(Written::Done(captured)) => {
                let records = with_keys(drafts, captured);
                let keys = records.iter().map(|r| (judge.model, r.id().key_text()));
                self.own.extend(keys);
                Ok(records)
            }
            Ok(Written::Missed { .. }) => Err(judge.missed("create", false).into()),
            Err(error) => Err(match drawn(judge, &error) {
                true => Halt::Again,
                false => self.refused(judge, Meant::Written(rows_of(drafts)), error),
            }),
        }
    }
}

fn steps_of(judge: &Judge, drafts: &[(String, Draft)]) -> Result<Vec<spec::statement::Step>> {
    let model = judge.model();
    let records: Vec<plan::write::Record<'_>> =
        drafts.iter().map(|(_, d)| d.record.for_plan()).collect();
    let logs: Vec<_> = drafts.iter().map(|(_, d)| d.logged(model)).collect();
    judge
        .planner()
        .create_many(model, &records, &logs)
        .map_err(unsupported(Code::Internal))
}

/// The records, with the keys that the store assigned.
fn with_keys(drafts: Vec<(String, Draft)>, captured: Vec<Vec<Value>>) -> Vec<Record> {
    let mut keys = captured.into_iter().flatten();
    let mut records: Vec<Record> = drafts.into_iter().map(|(_, draft)| draft.record).collect();
    for record in records.iter_mut().filter(|record| record.id().is_null()) {
        if let Some(key) = keys.next() {
            record.set(spec::model::ID, key);
        }
    }
    records
}

fn rows_of(drafts: Vec<(String, Draft)>) -> Vec<Row> {
    drafts
        .into_iter()
        .map(|(pointer, draft)| Row {
            pointer,
            record: draft.record,
            stored: None,
        })
        .collect()
}

/// Whether anything can come of it, by what is known before keys are drawn: they do not come back.
fn may_create(new: &New) -> bool {
    let denied = |judge: &Judge| {
        let rule = access::rule(judge.model(), Verb::Create, judge.caller());
        matches!(rule, Rule::Deny)
    };
    // A key that is given, where the store assigns them: it is refused, like everything with it.
    let given = |seed: &Seed| {
        let is_drawn = new.judge(seed).model().key == KeyKind::Int && seed.key.is_none();
        is_drawn && seed.parent.is_none() && seed.input.get(spec::model::ID).is_some()
    };
    new.wrong == 0 && !new.judges.iter().any(denied) && !new.seeds.iter().any(given)
}

/// Whether a key is taken that nobody but the store chose.
fn drawn(judge: &Judge, error: &StoreError) -> bool {
    judge.model().key == KeyKind::Int
        && !judge.principal.system
        && matches!(error, StoreError::Unique { columns, .. } if columns == &[judge.model().key_column()])
}

impl Run<'_> {
    pub async fn create_many(&mut self, many: CreateMany) -> Result<Answer> {
        let start = Instant::now();
        self.one_by_one(many.model)?;
        let judge = self.judge(many.model);
        let new = New::array(self.app, judge, &many.body)?;
        let count = new.seeds.iter().filter(|seed| seed.parent.is_none());
        if many.select != Select::default() {
            // A select that cannot be answered is refused before anything is written.
            let resolver = self.resolver();
            let want = resolver.want(self.app.model(many.model), &many.select)?;
            resolver.within(&want, count.count() as u32)?;
        }
        self.planned(start);
        self.create_all(new, &many.select, Whole::Array).await
    }

    /// Creates a record with those that refer to it.
    pub async fn create_nested(&mut self, new: New, select: &Select) -> Result<Answer> {
        for judge in &new.judges[1..] {
            self.one_by_one(judge.model)?;
        }
        self.create_all(new, select, Whole::One).await
    }

    /// Beside some records private rows are kept that only the way of creating one knows how to make.
    pub fn one_by_one(&self, model: ModelId) -> Result<()> {
        let model = self.app.model(model);
        let companion = self.engine.companion();
        if !companion.is_some_and(|companion| companion.is_created_alone(model)) {
            return Ok(());
        }
        Err(Problem::new(
            Code::NotBuilt,
            format!(
                "Records of {} are created one by one: POST each of them as one object.",
                model.full_name()
            ),
        ))
    }

    /// Answers the outermost records of the body, in its order.
    async fn create_all(&mut self, mut new: New, select: &Select, whole: Whole) -> Result<Answer> {
        let start = Instant::now();
        new.order();
        self.planned(start);
        if new.seeds.is_empty() {
            return self.show_new(&new.judges[0], &[], select, whole).await;
        }
        let mut attempt = 0;
        loop {
            if may_create(&new) {
                self.draw_keys(&mut new).await?;
            }
            new.ask(&mut self.asks()).await?;
            new.judge_all(&mut self.asks()).await?;
            let judge = new.judges[0].clone();
            if !new.is_plain() || self.once.is_some() {
                let all = Arc::new((new, select.clone()));
                let made = self.together(all.0.seeds.len(), move |mut acts| {
                    let all = Arc::clone(&all);
                    async move {
                        let (new, select) = &*all;
                        let made = new.outermost(new.write(&mut acts).await?);
                        let kept = new.kept(&mut acts, &made, select, whole).await?;
                        let done = (made, kept);
                        acts.stand(done, |(_, kept)| kept.clone().ok_or_else(not_there))
                            .await
                    }
                });
                return match made.await? {
                    Stood::Now((made, None)) => self.show_new(&judge, &made, select, whole).await,
                    Stood::Now((_, Some(kept))) => self.tell(kept, select).await,
                    Stood::Before(kept) => self.replay(kept, select).await,
                };
            }
            let start = Instant::now();
            let drafts: Vec<(String, Draft)> = new
                .seeds
                .iter_mut()
                .filter_map(|seed| Some((seed.pointer.clone(), seed.draft.take()?)))
                .collect();
            let steps = steps_of(&judge, &drafts)?;
            self.planned(start);
            let start = Instant::now();
            let written = self.engine.store.write(steps, self.deadline).await;
            self.stored(start);
            match written {
                Ok(Written::Done(captured)) => {
                    let records = with_keys(drafts, captured);
                    return self.show_new(&judge, &records, select, whole).await;
                }
                Ok(Written::Missed { .. }) => return Err(judge.missed("create", false)),
                Err(error) if drawn(&judge, &error) && attempt < ATTEMPTS => {
                    tokio::time::sleep(backoff(attempt)).await;
                    attempt += 1;
                    for seed in &mut new.seeds {
                        seed.key = None;
                    }
                }
                Err(error) => {
                    let refused = Refused {
                        judge,
                        what: Meant::Written(rows_of(drafts)),
                        own: HashSet::new(),
                        error,
                    };
                    return Err(self.refused(refused).await);
                }
            }
        }
    }

    /// Keys that the store assigns, where it can do so before the write.
    async fn draw_keys(&mut self, new: &mut New) -> Result<()> {
        for at in 0..new.judges.len() {
            let judge = &new.judges[at];
            let mut seeds: Vec<&mut Seed> = new
                .seeds
                .iter_mut()
                .filter(|seed| seed.judge == at && seed.key.is_none())
                .collect();
            let step = judge.planner().drawn_keys(judge.model(), seeds.len());
            let Some(step) = step.filter(|_| !seeds.is_empty()) else {
                continue;
            };
            let start = Instant::now();
            let drawn = self.engine.store.write(vec![step], self.deadline).await;
            self.stored(start);
            let keys = match drawn.map_err(problem_of)? {
                Written::Done(keys) => keys.into_iter().flatten(),
                Written::Missed { .. } => {
                    return Err(Problem::internal("a sequence gave no keys"));
                }
            };
            for (seed, key) in seeds.iter_mut().zip(keys) {
                seed.key = Some(key);
            }
        }
        Ok(())
    }
}
