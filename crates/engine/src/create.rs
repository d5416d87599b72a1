//! Create. Types, then the rule, then checks; the record, its row of the log and private rows commit together.

use crate::answer::{Answer, Outcome};
use crate::execute::{ATTEMPTS, Beforehand, Run, backoff, unsupported};
use crate::judge::{Judge, all_of, traverses};
use crate::many::New;
use crate::record::Record;
use crate::references::Leading;
use plan::access::{self, Verb};
use plan::operation::{Create, Select};
use plan::write::Logged;
use spec::expr::{AuthField, ExprKind};
use spec::input::{self, Holds, Input};
use spec::problem::Result;
use spec::statement::{Step, Written};
use spec::{Code, Field, FieldError, FieldId, KeyKind, Model, ModelId, Problem, Rule, Value};
use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Instant;
use store::StoreError;
use store::error::problem_of;

/// A record that may be created.
#[derive(Clone)]
pub(crate) struct Draft {
    pub record: Record,
    /// Rules that follow relations: they are asked by the statement that writes.
    pub guard: Option<Rule>,
    /// Relations of it that lead nowhere.
    unreadable: Vec<FieldId>,
    /// A check fails. Where there is a guard, that comes before it.
    pub invalid: Option<Problem>,
}

impl Draft {
    /// What the change log says of its creation.
    pub fn logged(&self, model: &Model) -> Logged {
        Logged {
            record: Some(self.record.logged(model, None, true)),
            previous: None,
        }
    }
}

impl Run<'_> {
    pub fn judge(&self, model: ModelId) -> Judge {
        Judge {
            app: Arc::clone(self.app),
            principal: self.principal.clone(),
            now: self.now,
            dialect: self.engine.store.dialect(),
            model,
            registers: None,
        }
    }

    /// `beforehand`: what was seen to before the engine was asked.
    pub async fn create(&mut self, create: Create, beforehand: Beforehand) -> Result<Answer> {
        let start = Instant::now();
        let mut judge = self.judge(create.model);
        judge.registers = beforehand.registers;
        let model = judge.model();
        if !create.select.expand.is_empty() || create.select.fields.is_some() {
            // A select that cannot be answered is refused before anything is written.
            let want = self.resolver().want(model, &create.select)?;
            self.resolver().within(&want, 1)?;
        }
        let limits = &self.app.settings.limits;
        let holds = match beforehand.private.is_empty() && beforehand.key.is_none() {
            true => Holds::Nested,
            false => Holds::Values,
        };
        let mut input = input::read_as(model, &create.body, limits, holds)?;
        input.errors.extend(beforehand.wrong);
        self.planned(start);
        if !input.nested.is_empty() {
            let nested = New::one(self.app, judge, input)?;
            return self.create_nested(nested, &create.select).await;
        }
        let chosen = judge.chosen(&input, beforehand.key.as_ref());
        let unreadable = judge
            .unreadable(&mut self.asks(), &chosen, Leading::Anywhere)
            .await?;
        let start = Instant::now();
        let mut draft = judge.draft(&input, beforehand.key.as_ref(), &unreadable)?;
        if self.once.is_some() {
            self.planned(start);
            return self
                .create_once(judge, draft, beforehand.private, &create.select)
                .await;
        }
        let mut steps = judge.draft_steps(&draft)?;
        self.planned(start);
        if draft.invalid.is_none() {
            steps.extend(beforehand.private);
        }
        let start = Instant::now();
        let written = if steps.is_empty() {
            Ok(Written::Done(Vec::new()))
        } else if draft.record.id().is_null() {
            self.write_drawing(model, steps).await
        } else {
            self.engine.store.write(steps, self.deadline).await
        };
        self.stored(start);
        let captured = match written {
            Ok(Written::Done(captured)) => captured,
            Ok(Written::Missed { .. }) => {
                return Err(judge.missed("create", draft.guard.is_some()));
            }
            Err(error) => {
                let (asks, own) = (&mut self.asks(), HashSet::new());
                return Err(judge
                    .write_problem(asks, &draft.record, None, &own, error)
                    .await);
            }
        };
        if let Some(problem) = draft.invalid {
            let values = draft.record.all();
            return Err(judge
                .with_dangling(&mut self.asks(), &values, problem)
                .await);
        }
        if let Some(Value::Int(id)) = captured.first().and_then(|row| row.first()) {
            draft.record.set(spec::model::ID, Value::Int(*id));
        }
        self.show(&judge, &draft.record, &create.select, Outcome::Created)
            .await
    }

    /// Writes a record whose key the store draws. One that somebody gave between the draw and the write is
    /// drawn again: only who names a key can be told that it is taken.
    async fn write_drawing(&self, model: &Model, steps: Vec<Step>) -> store::Result<Written> {
        let table = match &model.existing {
            Some(existing) => format!("{}.{}", existing.table.namespace, existing.table.name),
            None => model.full_name(),
        };
        let taken = StoreError::Unique {
            table,
            columns: vec![model.key_column().to_owned()],
        };
        for attempt in 0..ATTEMPTS {
            let written = self.engine.store.write(steps.clone(), self.deadline).await;
            match written {
                Err(error) if error == taken => tokio::time::sleep(backoff(attempt)).await,
                written => return written,
            }
        }
        Err(StoreError::Contended)
    }

    /// Whether rules that follow relations hold for a record, asked of the store without writing it. `version` is
    /// that of the stored record, where there is one; relations in `absent` lead nowhere.
    pub async fn asked(
        &self,
        judge: &Judge,
        version: Option<i64>,
        record: &Record,
        guard: &Rule,
        absent: &[FieldId],
    ) -> Result<bool> {
        let asks = judge
            .planner()
            .allowed(judge.model(), version, &record.for_plan(), guard, absent)
            .map_err(unsupported(Code::Internal))?;
        let asked = self.engine.store.write(vec![asks], self.deadline).await;
        Ok(matches!(asked.map_err(problem_of)?, Written::Done(_)))
    }

    /// The written record as its writer sees it; nothing, if they may not.
    pub async fn show(
        &mut self,
        judge: &Judge,
        record: &Record,
        select: &Select,
        outcome: Outcome,
    ) -> Result<Answer> {
        if *select == Select::default()
            && let Some(answer) = judge.shown(record, outcome)
        {
            return Ok(answer);
        }
        let shown = self
            .record(judge.model, record.id().clone(), select, outcome)
            .await;
        if matches!(&shown, Err(problem) if problem.code == Code::NotFound)
            && *select == Select::default()
            && let Some(answer) = self.deleted_since(judge, record, outcome).await
        {
            return Ok(answer);
        }
        match or_nothing(shown, record, outcome) {
            // It is written, and a failure would say that it is not: whoever tries again makes a second one.
            Err(problem) => {
                not_read_back(&problem);
                or_nothing(Err(Problem::not_found()), record, outcome)
            }
            shown => shown,
        }
    }

    /// A written record that is not found again, as its writer would see it. What they may not read is not there for
    /// them; what somebody deleted in the meantime was written all the same.
    async fn deleted_since(
        &self,
        judge: &Judge,
        record: &Record,
        outcome: Outcome,
    ) -> Option<Answer> {
        let model = judge.model();
        if model.existing.is_some() {
            return None;
        }
        let read = access::rule(model, Verb::Read, judge.caller());
        let readable = match &read {
            Rule::Allow => true,
            Rule::Deny => false,
            Rule::When(_) => {
                let asked = self.asked(judge, None, record, &read, &[]).await;
                asked.unwrap_or(false)
            }
        };
        let visible = judge.fields_of(record).filter(|_| readable)?;
        Some(judge.told(record, &visible, outcome))
    }

    /// New records, each as its writer sees it.
    pub async fn show_new(
        &mut self,
        judge: &Judge,
        records: &[Record],
        select: &Select,
        whole: Whole,
    ) -> Result<Answer> {
        match (whole, records.first()) {
            (Whole::Array, _) => Ok(Answer::Many {
                body: self.show_all(judge, records, select).await,
                outcome: Outcome::Created,
            }),
            (Whole::One, Some(record)) => self.show(judge, record, select, Outcome::Created).await,
            (Whole::One, None) => Err(not_there()),
        }
    }

    /// `{"data":[…]}`: each record as its writer sees it, null where they may not.
    async fn show_all(&mut self, judge: &Judge, records: &[Record], select: &Select) -> Vec<u8> {
        let mut body = Vec::with_capacity(32 + records.len() * 256);
        body.extend_from_slice(b"{\"data\":[");
        let sees = judge.sees().filter(|_| *select == Select::default());
        let mut shown = None;
        for (at, record) in records.iter().enumerate() {
            if at > 0 {
                body.push(b',');
            }
            if let Some(answer) = sees.as_ref().and_then(|sees| sees.json(record)) {
                body.extend_from_slice(answer.as_deref().unwrap_or(b"null"));
                continue;
            }
            if shown.is_none() {
                let ids = records.iter().map(|record| record.id().clone());
                // They are written, and a failure would say that they are not.
                let read = self.records(judge.model, ids.collect(), select).await;
                shown = Some(read.unwrap_or_else(|problem| {
                    not_read_back(&problem);
                    HashMap::new()
                }));
            }
            let found = shown
                .as_ref()
                .and_then(|shown| shown.get(&record.id().key_text()));
            body.extend_from_slice(found.map_or(b"null", Vec::as_slice));
        }
        body.extend_from_slice(b"]}");
        body
    }
}

/// What a body is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Whole {
    /// A record, which may have others in it.
    One,
    Array,
}

pub(crate) fn not_there() -> Problem {
    Problem::internal("a record was created and is not there")
}

/// Written, and not shown for a reason of ours.
pub(crate) fn not_read_back(problem: &Problem) {
    let cause = problem.cause.as_deref().unwrap_or(&problem.detail);
    tracing::warn!(cause, "a record was written and could not be read back");
}

/// A record that its writer may not read is shown as none.
pub(crate) fn or_nothing(
    shown: Result<Answer>,
    record: &Record,
    outcome: Outcome,
) -> Result<Answer> {
    match shown {
        Err(problem) if problem.code == Code::NotFound => Ok(Answer::Done {
            outcome,
            id: Some(record.id().key_text()),
        }),
        shown => shown,
    }
}

impl Judge {
    /// A new record from a body. `key`: the id of a `PUT`.
    pub fn draft(
        &self,
        input: &Input,
        key: Option<&Value>,
        unreadable: &[FieldId],
    ) -> Result<Draft> {
        let model = self.model();
        let mut errors = input.errors.clone();
        let record = self.blank(input, key, &mut errors);
        self.missing(&record, &mut errors);
        if self.lacks_a_caller(input, &errors) {
            return Err(self.denied("create"));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }

        let rule = match self.registers {
            Some(_) => Rule::Allow,
            None => access::rule(model, Verb::Create, self.caller()),
        };
        let mut guards = Vec::new();
        if traverses(&rule) {
            guards.push(rule);
        } else if !self.holds(&rule, &record, None) {
            return Err(self.denied("create"));
        }
        let mut denied = Vec::new();
        for (id, _) in &input.fields {
            if self.registers == Some(*id) {
                continue;
            }
            let field = model.field(*id);
            let rule = access::field_write(field, self.caller());
            if traverses(&rule) {
                guards.push(rule);
            } else if !self.holds(&rule, &record, None) {
                denied.push(field.name.as_str());
            }
        }
        self.field_denials(&denied)?;

        let mut errors: Vec<FieldError> = unreadable.iter().map(|f| self.dangling(*f)).collect();
        self.checks(&record, None, &mut errors);
        let invalid = (!errors.is_empty()).then(|| Problem::invalid(errors));
        Ok(Draft {
            record,
            guard: all_of(guards),
            unreadable: unreadable.to_vec(),
            invalid,
        })
    }

    /// Whether a field was left out that signing in would give: `default = "auth.id"`. Who has forgotten their token is
    /// told so, and not to send somebody's id. It hangs on the declaration and on what was sent, not on any record, and
    /// says less than that the field is required.
    fn lacks_a_caller(&self, input: &Input, errors: &[FieldError]) -> bool {
        let gives = |field: &Field| {
            let default = field.default.as_ref();
            default.is_some_and(|default| matches!(default.kind, ExprKind::Auth(AuthField::Id)))
        };
        self.principal.is_anonymous()
            && self.model().fields.iter().any(|field| {
                gives(field)
                    && input.get(field.id).is_none()
                    && errors
                        .iter()
                        .any(|error| error.code == "required" && error.is_at(&field.name))
            })
    }

    /// The steps that create it. Where a check fails they only ask whether the guard holds, and are none where there
    /// is no guard.
    pub fn draft_steps(&self, draft: &Draft) -> Result<Vec<Step>> {
        let (model, record) = (self.model(), draft.record.for_plan());
        if draft.invalid.is_some() {
            return Ok(self.allows(draft)?.into_iter().collect());
        }
        self.planner()
            .create(model, &record, draft.guard.as_ref(), &draft.logged(model))
            .map_err(unsupported(Code::Internal))
    }

    /// Asks whether the guard holds, if there is one.
    pub fn allows(&self, draft: &Draft) -> Result<Option<Step>> {
        let Some(guard) = &draft.guard else {
            return Ok(None);
        };
        let (model, record) = (self.model(), draft.record.for_plan());
        self.planner()
            .allowed(model, None, &record, guard, &draft.unreadable)
            .map(Some)
            .map_err(unsupported(Code::Internal))
    }

    /// The record as it is answered to who wrote it, or nothing if they may not read it. None where a rule needs
    /// other records to tell.
    pub fn shown(&self, record: &Record, outcome: Outcome) -> Option<Answer> {
        let sees = self.sees()?;
        if !sees.record(record) {
            return Some(Answer::Done {
                outcome,
                id: Some(record.id().key_text()),
            });
        }
        Some(self.told(record, &sees.fields(record)?, outcome))
    }

    /// A record that its writer may read, with the fields that they see of it.
    fn told(&self, record: &Record, visible: &[bool], outcome: Outcome) -> Answer {
        let model = self.model();
        let body = record.answer(model, |field| visible[usize::from(field.0)]);
        let names = model
            .fields
            .iter()
            .filter(|f| !f.hidden && visible[usize::from(f.id.0)]);
        let etag = crate::etag::tag(
            model,
            crate::etag::At::of(model, record),
            names.map(|f| f.name.as_str()),
        );
        Answer::Record {
            body,
            etag: Some(etag),
            outcome,
            id: record.id().key_text(),
        }
    }

    /// Given values, defaults, and what the engine owns. The system may give what the engine owns.
    pub fn blank(
        &self,
        input: &Input,
        key: Option<&Value>,
        errors: &mut Vec<FieldError>,
    ) -> Record {
        let model = self.model();
        let mut record = Record {
            values: vec![Value::Null; model.fields.len()],
            extra: self.extra_of(input),
            stale: false,
            left_out: Vec::new(),
        };
        for field in &model.fields {
            let given = input.get(field.id);
            let system = self.principal.system;
            let is_here = |e: &FieldError| e.pointer.strip_prefix('/') == Some(&field.name);
            // One thing is said of a value: that none may be given, or to who may, what is wrong with it.
            let own = |errors: &mut Vec<FieldError>| {
                let wrong = errors.iter().any(is_here);
                if given.is_some() && !(system && wrong) {
                    errors.retain(|e| !is_here(e));
                    errors.push(FieldError::at(
                        &field.name,
                        "read_only",
                        format!("{} is set by the server.", field.name),
                    ));
                }
            };
            let value = if field.id == spec::model::ID {
                match (key, given, model.key) {
                    (Some(key), None, _) => key.clone(),
                    (Some(key), Some(given), _) => {
                        if key != given && !errors.iter().any(is_here) {
                            let detail = "id differs from the one in the address.";
                            errors.push(FieldError::at("id", "read_only", detail));
                        }
                        key.clone()
                    }
                    (None, Some(given), KeyKind::String) => given.clone(),
                    (None, Some(given), _) if system && !given.is_null() => given.clone(),
                    (None, _, KeyKind::Uuid) => {
                        own(errors);
                        Value::Uuid(spec::new_id())
                    }
                    (None, _, _) => {
                        own(errors);
                        Value::Null
                    }
                }
            } else if field.id == model.version() {
                match given {
                    // A record that comes from elsewhere keeps counting: its entity tags stay those that are known.
                    Some(Value::Int(version)) if system && *version > 0 => Value::Int(*version),
                    _ => {
                        own(errors);
                        Value::Int(1)
                    }
                }
            } else if field.computed {
                match system {
                    // An export has it, and where it comes in it is computed anew.
                    true => errors.retain(|e| !is_here(e)),
                    false => own(errors),
                }
                Value::Null
            } else if field.system {
                match given {
                    Some(given) if system && !given.is_null() => given.clone(),
                    _ => {
                        own(errors);
                        Value::Timestamp(self.now)
                    }
                }
            } else {
                match given {
                    Some(value) => value.clone(),
                    None => {
                        if model.existing.is_some() && field.default.is_none() {
                            record.left_out.push(field.id);
                        }
                        self.default_of(field, &record, errors)
                    }
                }
            };
            record.set(field.id, value);
        }
        record
    }

    /// The undeclared members of a body as one canonical object.
    pub fn extra_of(&self, input: &Input) -> Option<Arc<str>> {
        if !self.model().open {
            return None;
        }
        let mut members: Vec<&(String, String)> = input.extra.iter().collect();
        members.sort_by_key(|(name, _)| (name.len(), name.as_str()));
        let mut out = Vec::new();
        out.push(b'{');
        for (i, (name, text)) in members.into_iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            spec::json::write_string(&mut out, name);
            out.push(b':');
            out.extend_from_slice(text.as_bytes());
        }
        out.push(b'}');
        String::from_utf8(out).ok().map(Arc::from)
    }
}
