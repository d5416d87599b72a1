//! Change (merge patch) and replace (upsert by id or by a unique key): the record is read, decided in memory, and written at
//! the version that was read.

use crate::answer::{Answer, Outcome};
use crate::etag;
use crate::execute::{ATTEMPTS, Run, backoff, unsupported};
use crate::judge::{Judge, Question, Questions, all_of, traverses};
use crate::merge;
use crate::read::parse_id;
use crate::record::Record;
use crate::references::Leading;
use plan::access::{self, Verb};
use plan::many::Hold;
use plan::operation::{Precondition, Replace, Select, Update, Upsert};
use plan::write::{Guards, Logged};
use spec::input::{self, Input};
use spec::problem::Result;
use spec::statement::{Statement, Step};
use spec::types::FieldType;
use spec::{Code, FieldError, FieldId, ModelId, Problem, Rule, Value};
use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use store::error::problem_of;
use store::{Changed, Decision, StoreError};

/// How a body meets a stored record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    /// What is not named stays (RFC 7396).
    Patch,
    /// What is not named becomes its default, or null.
    Put,
}

/// Which record a body is about.
#[derive(Debug, Clone)]
pub(crate) enum Whose {
    Id(Value),
    /// The one that has these values, which are unique together; where there is none, a new one gets a key as any
    /// does.
    Unique(Vec<(FieldId, Value)>),
    /// Those that a filter chose.
    Matching,
}

/// A change as it is asked for.
#[derive(Clone)]
pub(crate) struct Change {
    pub way: Way,
    pub whose: Whose,
    pub input: Input,
    pub if_match: Option<Precondition>,
    /// `If-None-Match: *`.
    pub if_absent: bool,
}

/// A change to one record, decided each time it is read.
pub(crate) struct Turn {
    judge: Judge,
    change: Change,
    unreadable: Vec<FieldId>,
    read: Question,
    /// Whether the caller may read what they name the record by, of the fields that not everybody may: the record
    /// is not to be found by what they do not see.
    named: Vec<Question>,
    /// Of the stored record; none where the rule names `old` and is asked once, of the resulting record.
    update: Option<Question>,
    fields: Vec<(FieldId, Option<Question>)>,
    /// Whether the caller may read what they name, of the fields that not everybody may.
    seen: Vec<(FieldId, Question)>,
}

/// What an update would come to.
pub struct Rehearsal {
    /// The stored record and the resulting one, where there is one.
    pub records: Option<(Record, Record)>,
    pub decided: Result<()>,
    /// It is denied for the resulting record, by what was asked of the store.
    pub for_result: bool,
}

/// What a turn came to.
pub(crate) struct Turned {
    pub record: Record,
    pub outcome: Outcome,
    /// What a change replaces.
    pub stored: Option<Record>,
    /// What is left of the rules for the resulting record, where they follow relations: the steps ask it.
    pub guard: Option<Rule>,
    /// Whether the steps ask any rule, also one of the stored record.
    pub guarded: bool,
    /// A check fails, and the steps, if any, only ask a rule that comes before it (see [`crate::create::Draft`]).
    pub invalid: Option<Problem>,
    /// What is written of the record, where that is asked for: where `invalid`.
    pub given: Vec<(FieldId, Value)>,
}

impl Run<'_> {
    pub async fn update(&mut self, update: Update, private: Vec<Step>) -> Result<Answer> {
        let Update {
            model,
            id,
            body,
            if_match,
            select,
        } = update;
        let judge = self.judge(model);
        let id = parse_id(judge.model(), &id)?;
        let change = self.requested(&judge, Way::Patch, Whose::Id(id), &body, if_match, &select)?;
        self.change(judge, change, &select, private).await
    }

    pub async fn replace(&mut self, replace: Replace, private: Vec<Step>) -> Result<Answer> {
        let Replace {
            model,
            id,
            body,
            if_match,
            if_absent,
            select,
        } = replace;
        let judge = self.judge(model);
        let id = parse_id(judge.model(), &id)?;
        let change = self.requested(&judge, Way::Put, Whose::Id(id), &body, if_match, &select)?;
        let change = Change {
            if_absent,
            ..change
        };
        self.change(judge, change, &select, private).await
    }

    /// Replaces the record that has the body's values of some unique fields, or creates it.
    pub async fn upsert(&mut self, upsert: Upsert) -> Result<Answer> {
        let Upsert {
            model,
            key,
            body,
            if_match,
            if_absent,
            select,
        } = upsert;
        self.one_by_one(model)?;
        let judge = self.judge(model);
        let key = self.resolver().unique_key(self.app.model(model), &key)?;
        let whose = Whose::Unique(Vec::new());
        let mut change = self.requested(&judge, Way::Put, whose, &body, if_match, &select)?;
        change.whose = named_by(&judge, &change.input, &key)?;
        change.if_absent = if_absent;
        self.change(judge, change, &select, Vec::new()).await
    }

    /// What an update would come to, decided as one and not written.
    pub async fn rehearse(&mut self, model: ModelId, id: &str, body: &[u8]) -> Result<Rehearsal> {
        let judge = self.judge(model);
        let id = parse_id(judge.model(), id)?;
        let select = Select::default();
        let change = self.requested(&judge, Way::Patch, Whose::Id(id), body, None, &select)?;
        let (statement, turn) = self.prepare(&judge, change).await?;
        let rows = self
            .engine
            .store
            .read(&statement, self.bounds(1))
            .await
            .map_err(problem_of)?;
        let row = (!rows.captured.is_empty()).then_some(rows.captured.as_slice());
        let records = row.map(|row| {
            let (stored, _) = Record::from_row(turn.judge.model(), row);
            let result = turn.merged(&stored, &[], &mut Vec::new());
            (stored, result)
        });
        let version = records
            .as_ref()
            .map(|(stored, _)| stored.version(turn.judge.model()));
        let mut for_result = false;
        let decided = match turn.decide(row, &[]) {
            Err(problem) => Err(problem),
            Ok((_, turned)) => {
                for_result = !self.passes(&turn, version, &turned).await?;
                match for_result {
                    true => Err(turn.judge.denied("update")),
                    false => self.valid(&turn.judge, turned).await.map(drop),
                }
            }
        };
        Ok(Rehearsal {
            records,
            decided,
            for_result,
        })
    }

    /// Whether what is left of the rules holds for the resulting record.
    async fn passes(&self, turn: &Turn, version: Option<i64>, turned: &Turned) -> Result<bool> {
        let Some(guard) = &turned.guard else {
            return Ok(true);
        };
        let given = |field: &FieldId| turned.given.iter().any(|(given, _)| given == field);
        let absent: Vec<FieldId> = turn.unreadable.iter().copied().filter(given).collect();
        self.asked(&turn.judge, version, &turned.record, guard, &absent)
            .await
    }

    /// Reads what is asked for.
    fn requested(
        &mut self,
        judge: &Judge,
        way: Way,
        whose: Whose,
        body: &[u8],
        if_match: Option<Precondition>,
        select: &Select,
    ) -> Result<Change> {
        let start = Instant::now();
        if *select != Select::default() {
            let want = self.resolver().want(self.app.model(judge.model), select)?;
            self.resolver().within(&want, 1)?;
        }
        let input = input::read(judge.model(), body, &self.app.settings.limits)?;
        self.planned(start);
        Ok(Change {
            way,
            whose,
            input,
            if_match,
            if_absent: false,
        })
    }

    /// How to read the record, and what to decide when it is read.
    async fn prepare(&mut self, judge: &Judge, change: Change) -> Result<(Statement, Turn)> {
        let chosen = judge.chosen_by(&change);
        let unreadable = judge
            .unreadable(&mut self.asks(), &chosen, Leading::Anywhere)
            .await?;
        let start = Instant::now();
        let (turn, questions) = judge.turn(change, unreadable);
        let statement = turn.statement(&questions, Hold::No)?;
        self.planned(start);
        Ok((statement, turn))
    }

    async fn change(
        &mut self,
        judge: Judge,
        change: Change,
        select: &Select,
        private: Vec<Step>,
    ) -> Result<Answer> {
        if self.once.is_some() {
            return self.change_once(judge, change, select, private).await;
        }
        let is_put = change.way == Way::Put;
        let (statement, turn) = self.prepare(&judge, change).await?;
        let start = Instant::now();
        let (turn, private) = (Arc::new(turn), Arc::new(private));
        let mut tried = 0;
        let attempt = loop {
            let was_there = Arc::new(AtomicBool::new(false));
            let decide = {
                let (turn, private) = (Arc::clone(&turn), Arc::clone(&private));
                let was_there = Arc::clone(&was_there);
                move |row: Option<&[Value]>| {
                    was_there.store(row.is_some(), Ordering::Relaxed);
                    match turn.decide(row, &private) {
                        Ok((Some(steps), turned)) => Decision::Write(steps, Ok(turned)),
                        Ok((None, turned)) => Decision::Stop(Ok(turned)),
                        Err(problem) => Decision::Stop(Err(problem)),
                    }
                }
            };
            let store = &self.engine.store;
            let attempt = store.change(statement.clone(), self.deadline, decide).await;
            match attempt {
                // Between the look at what is not there and its insert, another `PUT` created it on PostgreSQL. By now
                // there is something to replace, unless it is deleted again.
                Err(StoreError::Unique { columns, .. })
                    if is_put && turn.names(&columns) && !was_there.load(Ordering::Relaxed) =>
                {
                    if tried == ATTEMPTS {
                        break Err(StoreError::Contended);
                    }
                    tokio::time::sleep(backoff(tried)).await;
                    tried += 1;
                }
                attempt => break attempt,
            }
        };
        self.stored(start);
        let turned = match attempt {
            Ok(Changed::Stopped(result)) => self.valid(&judge, result?).await?,
            Ok(Changed::Done(result, captured)) => {
                let mut turned = self.valid(&judge, result?).await?;
                if let (Outcome::Created, Some(Value::Int(id))) =
                    (turned.outcome, captured.first().and_then(|row| row.first()))
                {
                    turned.record.set(spec::model::ID, Value::Int(*id));
                }
                turned
            }
            // A rule that needs other records does not hold for what would result.
            Ok(Changed::Missed(result, _)) => {
                let turned = result?;
                let verb = if turned.outcome == Outcome::Created {
                    "create"
                } else {
                    "update"
                };
                return Err(judge.missed(verb, turned.guarded));
            }
            Err(error) => return Err(self.change_problem(&statement, &turn, error).await),
        };
        self.show(&judge, &turned.record, select, turned.outcome)
            .await
    }

    async fn valid(&mut self, judge: &Judge, mut turned: Turned) -> Result<Turned> {
        match turned.invalid.take() {
            None => Ok(turned),
            Some(problem) => {
                let asks = &mut self.asks();
                Err(judge.with_dangling(asks, &turned.given, problem).await)
            }
        }
    }

    /// What a failed write is to its writer, of whom it is decided again what they would write by now.
    async fn change_problem(
        &mut self,
        statement: &Statement,
        turn: &Turn,
        error: StoreError,
    ) -> Problem {
        if !matches!(
            error,
            StoreError::ForeignKey { .. }
                | StoreError::Unique { .. }
                | StoreError::OutOfRange { .. }
                | StoreError::Refused { .. }
        ) {
            return problem_of(error);
        }
        let rows = match self.engine.store.read(statement, self.bounds(1)).await {
            Ok(rows) => rows,
            Err(error) => return problem_of(error),
        };
        let row = (!rows.captured.is_empty()).then_some(rows.captured.as_slice());
        let Turned { record, stored, .. } = match turn.decide(row, &[]) {
            Ok((_, turned)) => turned,
            Err(problem) => return problem,
        };
        let own = HashSet::new();
        turn.judge
            .write_problem(&mut self.asks(), &record, stored.as_ref(), &own, error)
            .await
    }
}

/// The record that has the body's values of these fields.
pub(crate) fn named_by(judge: &Judge, input: &Input, key: &[FieldId]) -> Result<Whose> {
    let mut values = Vec::with_capacity(key.len());
    let mut errors = input.errors.clone();
    for id in key {
        let name = &judge.model().field(*id).name;
        match input.get(*id) {
            Some(value) if !value.is_null() => values.push((*id, value.clone())),
            // What is wrong with it is told already.
            _ if errors
                .iter()
                .any(|e| e.pointer == spec::problem::pointer(&[name])) => {}
            _ => errors.push(FieldError::at(
                name,
                "required",
                format!("{name} is required: the record is found by it."),
            )),
        }
    }
    match values.len() == key.len() {
        true => Ok(Whose::Unique(values)),
        false => Err(Problem::invalid(errors)),
    }
}

impl Judge {
    /// What the caller chose of the record: where it is replaced, what defaults compute of it, too.
    pub fn chosen_by(&self, change: &Change) -> Vec<(FieldId, Value)> {
        match (change.way, &change.whose) {
            (Way::Patch, _) => change.input.fields.clone(),
            (Way::Put, Whose::Id(id)) => self.chosen(&change.input, Some(id)),
            (Way::Put, Whose::Unique(_) | Whose::Matching) => self.chosen(&change.input, None),
        }
    }

    /// What to decide about a record, and the rules that are asked with it.
    pub fn turn(&self, change: Change, unreadable: Vec<FieldId>) -> (Turn, Questions) {
        let model = self.model();
        let caller = self.caller();
        let mut questions = Questions::default();
        let read = questions.add(access::rule(model, Verb::Read, caller));
        let stored_too = |rule: Rule, questions: &mut Questions| match &rule {
            Rule::When(expr) if expr.names_old() => None,
            _ => Some(questions.add(rule)),
        };
        let update = stored_too(access::rule(model, Verb::Update, caller), &mut questions);
        let given = || change.input.fields.iter().map(|(field, _)| *field);
        let fields = given()
            .map(|field| {
                let rule = access::field_write(model.field(field), caller);
                (field, stored_too(rule, &mut questions))
            })
            .collect();
        let not_by_all = |field: FieldId| {
            let rule = access::field_read(model.field(field), caller);
            (!matches!(rule, Rule::Allow)).then_some(rule)
        };
        let seen = given()
            .filter_map(|field| Some((field, questions.add(not_by_all(field)?))))
            .collect();
        let named = match &change.whose {
            Whose::Unique(values) => values
                .iter()
                .filter_map(|(field, _)| Some(questions.add(not_by_all(*field)?)))
                .collect(),
            Whose::Id(_) | Whose::Matching => Vec::new(),
        };
        let turn = Turn {
            judge: self.clone(),
            change,
            unreadable,
            read,
            named,
            update,
            fields,
            seen,
        };
        (turn, questions)
    }
}

impl Turn {
    /// Reads the record.
    pub fn statement(&self, questions: &Questions, hold: Hold) -> Result<Statement> {
        let rules: Vec<&Rule> = questions.rules.iter().collect();
        let (planner, model) = (self.judge.planner(), self.judge.model());
        match &self.change.whose {
            Whose::Id(id) => planner.stored(model, id.clone(), &rules, hold),
            Whose::Unique(values) => planner.stored_by(model, values, &rules, hold),
            Whose::Matching => return Err(Problem::internal("these are read by their keys")),
        }
        .map_err(unsupported(Code::Internal))
    }

    /// Whether these columns are what the record is named by.
    pub fn names(&self, columns: &[String]) -> bool {
        match &self.change.whose {
            Whose::Id(_) => columns == [self.judge.model().key_column()],
            Whose::Unique(values) => {
                let model = self.judge.model();
                values.len() == columns.len()
                    && values
                        .iter()
                        .all(|(field, _)| columns.iter().any(|c| model.column(*field) == c))
            }
            Whose::Matching => false,
        }
    }

    /// Steps to write, or none where nothing changes; the private ones among them.
    pub fn decide(
        &self,
        row: Option<&[Value]>,
        private: &[Step],
    ) -> Result<(Option<Vec<Step>>, Turned)> {
        let judge = &self.judge;
        let model = judge.model();
        let Some(row) = row else {
            return self.absent(private);
        };
        let (stored, answers) = Record::from_row(model, row);
        let mut sees = self.named.iter().chain([&self.read]);
        if !sees.all(|question| judge.answer(question, &stored, answers)) {
            return match self.change.way {
                Way::Patch => Err(Problem::not_found()),
                // As where there is none: who may not create learns nothing, and who may, that the id is taken,
                // when the write meets it as it meets any other unique value.
                Way::Put => self.absent(private),
            };
        }
        if self.change.if_absent {
            return Err(Problem::new(
                Code::PreconditionFailed,
                "The record exists already.",
            ));
        }
        let version = stored.version(model);
        if let Some(precondition) = &self.change.if_match
            && !etag::matches(precondition, model, &stored)
        {
            return Err(Problem::new(
                Code::PreconditionFailed,
                "The record is at another version by now.",
            ));
        }

        let mut errors = self.change.input.errors.clone();
        // A field that the caller may not read counts as changed whatever it held, or a guess that is right
        // would be told from one that is wrong.
        let unseen: Vec<FieldId> = self
            .seen
            .iter()
            .filter(|(_, read)| !judge.answer(read, &stored, answers))
            .map(|(field, _)| *field)
            .collect();
        let mut record = self.merged(&stored, &unseen, &mut errors);
        judge.missing(&record, &mut errors);
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        let mut changed: Vec<FieldId> = model
            .fields
            .iter()
            .map(|f| f.id)
            .filter(|id| !record.get(*id).is_same(stored.get(*id)) || unseen.contains(id))
            .collect();
        let extra_changed = record.extra != stored.extra;
        // What the model has a name for by now goes with the first write that changes something.
        let sheds = std::mem::take(&mut record.stale);

        let guards = self.rules(&stored, answers, &record, &changed)?;

        let mut errors: Vec<FieldError> = self
            .unreadable
            .iter()
            .filter(|field| changed.contains(field))
            .map(|field| judge.dangling(*field))
            .collect();
        judge.checks(&record, Some(&stored), &mut errors);
        if !errors.is_empty() {
            let invalid = Problem::invalid(errors);
            let given = changed.iter().map(|id| (*id, record.get(*id).clone()));
            let given = given.collect();
            let mut steps = None;
            // What the stored record has to answer, it has answered.
            if let Some(rule) = &guards.1 {
                let absent: Vec<FieldId> = self
                    .unreadable
                    .iter()
                    .copied()
                    .filter(|f| changed.contains(f))
                    .collect();
                let asks = judge
                    .planner()
                    .allowed(model, Some(version), &record.for_plan(), rule, &absent)
                    .map_err(unsupported(Code::Internal))?;
                steps = Some(vec![asks]);
            }
            return Ok((
                steps,
                Turned {
                    record,
                    outcome: Outcome::Changed,
                    stored: Some(stored),
                    guarded: guards.1.is_some(),
                    guard: guards.1,
                    invalid: Some(invalid),
                    given,
                },
            ));
        }
        if changed.is_empty() && !extra_changed && private.is_empty() {
            return Ok((
                None,
                Turned {
                    record: stored,
                    outcome: Outcome::Changed,
                    stored: None,
                    guard: None,
                    guarded: false,
                    invalid: None,
                    given: Vec::new(),
                },
            ));
        }

        let previous = stored.logged(model, Some(&changed), extra_changed);
        changed.extend(record.touched(model, judge.now));
        let logged = Logged {
            record: Some(record.logged(model, None, true)),
            previous: Some(previous),
        };
        let for_plan = plan::write::Record {
            values: &record.values,
            extra: record
                .extra
                .as_deref()
                .filter(|_| extra_changed || sheds || guards.1.is_some()),
            left_out: &record.left_out,
        };
        let guards = Guards {
            stored: guards.0.as_ref(),
            result: guards.1.as_ref(),
        };
        let mut steps = judge
            .planner()
            .update(model, version, &changed, &for_plan, guards, &logged)
            .map_err(unsupported(Code::Internal))?;
        steps.extend(private.iter().cloned());
        let guard = guards.result.cloned();
        let guarded = guards.stored.is_some() || guard.is_some();
        Ok((
            Some(steps),
            Turned {
                record,
                outcome: Outcome::Changed,
                stored: Some(stored),
                guard,
                guarded,
                invalid: None,
                given: Vec::new(),
            },
        ))
    }

    /// The rules of the update and of each field that changes. A rule holds for the stored record and for the
    /// resulting one, so that nothing can be stolen or given away; one that names `old` is asked once. What
    /// needs other records is answered with the stored record, and guards the write (stored, result).
    fn rules(
        &self,
        stored: &Record,
        answers: &[Value],
        record: &Record,
        changed: &[FieldId],
    ) -> Result<(Option<Rule>, Option<Rule>)> {
        let judge = &self.judge;
        let model = judge.model();
        let (mut of_stored, mut of_result) = (Vec::new(), Vec::new());
        let mut allowed = |rule: Rule, before: &Option<Question>| {
            if let Some(question) = before
                && !judge.answer(question, stored, answers)
            {
                return false;
            }
            if !traverses(&rule) {
                return judge.holds(&rule, record, Some(stored));
            }
            if before.is_some() {
                of_stored.push(rule.clone());
            }
            of_result.push(rule);
            true
        };
        if !allowed(
            access::rule(model, Verb::Update, judge.caller()),
            &self.update,
        ) {
            return Err(judge.denied("update"));
        }
        let mut denied = Vec::new();
        for (field, before) in self
            .fields
            .iter()
            .filter(|(field, _)| changed.contains(field))
        {
            let field = model.field(*field);
            if !allowed(access::field_write(field, judge.caller()), before) {
                denied.push(field.name.as_str());
            }
        }
        judge.field_denials(&denied)?;
        Ok((all_of(of_stored), all_of(of_result)))
    }

    /// The stored record with the body laid over it.
    fn merged(&self, stored: &Record, unseen: &[FieldId], errors: &mut Vec<FieldError>) -> Record {
        let judge = &self.judge;
        let model = judge.model();
        let mut record = stored.clone();
        for field in &model.fields {
            let before = stored.get(field.id);
            let Some(given) = self.change.input.get(field.id) else {
                if self.change.way == Way::Put
                    && !field.system
                    && !field.immutable
                    && self.may_reset(field)
                {
                    let value = judge.default_of(field, &record, errors);
                    if model.existing.is_some() && field.default.is_none() {
                        record.left_out.push(field.id);
                    }
                    record.set(field.id, value);
                }
                continue;
            };
            if self
                .change
                .input
                .errors
                .iter()
                .any(|e| e.is_at(&field.name))
            {
                continue;
            }
            // What comes back as it was read passes: GET, edit, PUT works, and leaves alone what is only shown as near.
            let as_shown = given == before || *given == before.nearest();
            let came_back = as_shown && !unseen.contains(&field.id);
            if (field.system || field.immutable) && !came_back {
                let (code, detail) = match field.system {
                    true => ("read_only", format!("{} is set by the server.", field.name)),
                    false => ("immutable", format!("{} cannot be changed.", field.name)),
                };
                errors.push(FieldError::at(&field.name, code, detail));
                continue;
            }
            if came_back && !matches!(before, Value::Json(_)) {
                continue;
            }
            let value = match (&field.ty, given, before) {
                (FieldType::Json, Value::Json(patch), _) if self.change.way == Way::Patch => {
                    let base = match before {
                        Value::Json(text) => Some(&**text),
                        _ => None,
                    };
                    self.patched(&field.name, base, patch, errors)
                }
                _ => given.clone(),
            };
            record.set(field.id, value);
        }
        if model.open {
            let given = judge.extra_of(&self.change.input);
            record.extra = match (self.change.way, &stored.extra, given) {
                (Way::Put, _, given) => given,
                (Way::Patch, Some(base), Some(patch)) => {
                    match self.patched("", Some(base), &patch, errors) {
                        Value::Json(text) => Some(text),
                        _ => Some(base.clone()),
                    }
                }
                (Way::Patch, base, _) => base.clone(),
            };
        }
        record
    }

    /// A `PUT` resets what it does not name, but not what its caller could not have named: a field that they
    /// may not write keeps its value.
    fn may_reset(&self, field: &spec::Field) -> bool {
        let caller = self.judge.caller();
        matches!(access::field_write(field, caller), Rule::Allow)
            && matches!(access::field_read(field, caller), Rule::Allow)
    }

    fn patched(
        &self,
        field: &str,
        stored: Option<&str>,
        patch: &str,
        errors: &mut Vec<FieldError>,
    ) -> Value {
        let depth = self.judge.app.settings.limits.json_depth;
        let merged =
            merge::merge(stored, patch).and_then(|text| spec::json::canonical(&text, depth));
        match merged {
            Ok(text) if text == "null" => Value::Null,
            Ok(text) => Value::Json(text.into()),
            Err(error) => {
                errors.push(FieldError::at(field, "type", error.to_string()));
                Value::Null
            }
        }
    }

    fn absent(&self, private: &[Step]) -> Result<(Option<Vec<Step>>, Turned)> {
        let judge = &self.judge;
        let key = match &self.change.whose {
            _ if self.change.way == Way::Patch => return Err(Problem::not_found()),
            // A key that the store assigns cannot be taken by naming it.
            Whose::Id(_) if judge.model().key == spec::KeyKind::Int && !judge.principal.system => {
                return Err(Problem::not_found());
            }
            Whose::Id(id) => Some(id),
            Whose::Unique(_) | Whose::Matching => None,
        };
        if self.change.if_match.is_some() {
            return Err(Problem::new(
                Code::PreconditionFailed,
                "There is no such record to match.",
            ));
        }
        let draft = judge.draft(&self.change.input, key, &self.unreadable)?;
        let mut steps = judge.draft_steps(&draft)?;
        let mut given = Vec::new();
        if draft.invalid.is_none() {
            steps.extend(private.iter().cloned());
        } else {
            given = draft.record.all();
        }
        Ok((
            (!steps.is_empty()).then_some(steps),
            Turned {
                record: draft.record,
                outcome: Outcome::Created,
                stored: None,
                guarded: draft.guard.is_some(),
                guard: draft.guard,
                invalid: draft.invalid,
                given,
            },
        ))
    }
}
