//! Answers as they are kept for who asks again: in parts, a record each, so that a replay can look whether its caller
//! may still see them.
//!
//! A record is kept as it was answered. Where it has related records in it, or the whole is large, it is kept which
//! record it is, and a replay reads that again: what it may show of others is not known any more.

use crate::act::{Acted, Acts};
use crate::answer::{Answer, Outcome};
use crate::create::{not_read_back, or_nothing};
use crate::execute::{Run, unsupported};
use crate::judge::Judge;
use crate::record::Record;
use plan::operation::Select;
use plan::resolve::Resolver;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use spec::problem::Result;
use spec::{App, Code, Model, ModelId, Problem, Value, json};
use std::collections::{HashMap, HashSet};
use store::error::problem_of;

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kept {
    One(Part),
    /// `{"data":[…]}`, of new records.
    Data(Vec<Part>),
    /// `{"results":[…]}`, of a batch.
    Results(Vec<Part>),
    /// `{"count":n}`
    Count {
        count: usize,
        outcome: Outcome,
    },
}

/// What is answered of one record.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Part {
    /// With its module.
    model: String,
    id: String,
    outcome: Outcome,
    shown: Shown,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Shown {
    /// It is gone, or its writer may not read it.
    Nothing,
    /// Whatever it is when it is read.
    Read,
    Text {
        etag: Option<String>,
        body: Box<RawValue>,
    },
}

impl Part {
    pub fn of(model: &Model, id: &Value, answer: &Answer) -> Result<Part> {
        let (outcome, shown) = match answer {
            Answer::Record {
                body,
                etag,
                outcome,
                ..
            } => {
                let etag = etag.clone();
                let body = raw(body)?;
                (*outcome, Shown::Text { etag, body })
            }
            Answer::Done { outcome, .. } => (*outcome, Shown::Nothing),
            Answer::Page { .. } | Answer::Many { .. } => {
                return Err(Problem::internal("a record's answer has several"));
            }
        };
        Ok(Part::new(model, id, outcome, shown))
    }

    pub fn deleted(model: &Model, id: &Value) -> Part {
        Part::new(model, id, Outcome::Deleted, Shown::Nothing)
    }

    fn new(model: &Model, id: &Value, outcome: Outcome, shown: Shown) -> Part {
        Part {
            model: model.full_name(),
            id: id.key_text(),
            outcome,
            shown,
        }
    }

    fn with(&self, etag: Option<String>, body: Vec<u8>) -> Answer {
        Answer::Record {
            body,
            etag,
            outcome: self.outcome,
            id: self.id.clone(),
        }
    }

    fn without(&self) -> Answer {
        Answer::Done {
            outcome: self.outcome,
            id: Some(self.id.clone()),
        }
    }
}

fn raw(body: &[u8]) -> Result<Box<RawValue>> {
    let text = String::from_utf8(body.to_vec()).map_err(|e| Problem::internal(e.to_string()))?;
    RawValue::from_string(text).map_err(|e| Problem::internal(e.to_string()))
}

impl Kept {
    pub fn read(text: &str) -> Result<Kept> {
        serde_json::from_str(text)
            .map_err(|error| Problem::internal(format!("an answer that was kept: {error}")))
    }

    /// As it is kept; where it is more than `most` bytes, which records they are and nothing of them.
    pub fn text(&self, most: usize) -> Result<String> {
        let text = |kept: &Kept| {
            serde_json::to_string(kept).map_err(|error| Problem::internal(error.to_string()))
        };
        let whole = text(self)?;
        if whole.len() <= most {
            return Ok(whole);
        }
        let mut bare = self.clone();
        for part in bare.parts_mut() {
            if let Shown::Text { .. } = part.shown {
                part.shown = Shown::Read;
            }
        }
        text(&bare)
    }

    fn parts_mut(&mut self) -> &mut [Part] {
        match self {
            Kept::One(part) => std::slice::from_mut(part),
            Kept::Data(parts) | Kept::Results(parts) => parts,
            Kept::Count { .. } => &mut [],
        }
    }
}

/// `{"data":[…]}`: each record, null where it is not shown.
pub(crate) fn data(answers: &[Answer]) -> Vec<u8> {
    let mut out = b"{\"data\":[".to_vec();
    for (at, answer) in answers.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        out.extend_from_slice(answer.body().unwrap_or(b"null"));
    }
    out.extend_from_slice(b"]}");
    out
}

/// `{"results":[{"status":201,"body":{…},"etag":"…"},…]}`
pub(crate) fn results<'a>(answers: impl IntoIterator<Item = &'a Answer>) -> Vec<u8> {
    let mut out = b"{\"results\":[".to_vec();
    for (at, answer) in answers.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        result(&mut out, answer);
    }
    out.extend_from_slice(b"]}");
    out
}

fn result(out: &mut Vec<u8>, answer: &Answer) {
    let status: &[u8] = match answer {
        Answer::Record {
            outcome: Outcome::Created,
            ..
        } => b"{\"status\":201",
        Answer::Record { .. } | Answer::Page { .. } | Answer::Many { .. } => b"{\"status\":200",
        Answer::Done { .. } => b"{\"status\":204",
    };
    out.extend_from_slice(status);
    match answer {
        Answer::Record { body, etag, .. } => {
            if let Some(etag) = etag {
                out.extend_from_slice(b",\"etag\":");
                json::write_string(out, etag);
            }
            out.extend_from_slice(b",\"body\":");
            out.extend_from_slice(body);
        }
        Answer::Done {
            outcome: Outcome::Created,
            id: Some(id),
        } => {
            out.extend_from_slice(b",\"id\":");
            json::write_string(out, id);
        }
        Answer::Done { .. } | Answer::Page { .. } | Answer::Many { .. } => {}
    }
    out.push(b'}');
}

/// `{"count":n}`
pub(crate) fn count(count: usize, outcome: Outcome) -> Answer {
    Answer::Many {
        body: format!("{{\"count\":{count}}}").into_bytes(),
        outcome,
    }
}

/// What was answered of a record, without the fields that its caller does not see any more.
fn narrowed(model: &Model, kept: &str, fresh: &[u8]) -> Vec<u8> {
    let fresh = String::from_utf8_lossy(fresh);
    let seen: HashSet<_> = json::members(&fresh).map(|member| member.name).collect();
    let mut out = vec![b'{'];
    for member in json::members(kept) {
        // Nobody hides an undeclared member; who has removed it since did so later.
        let is_declared = !model.open || model.field_named(&member.name).is_some();
        if is_declared && !seen.contains(&member.name) {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(member.text.as_bytes());
    }
    out.push(b'}');
    out
}

/// Records as their caller sees them now, by model and key.
type Fresh = HashMap<String, HashMap<String, Vec<u8>>>;

/// What is answered of each; `again` where it was answered before, and what is kept is shown as far as it still may be.
fn answers(app: &App, parts: &[Part], fresh: &Fresh, again: bool) -> Vec<Answer> {
    let one = |part: &Part| {
        let found = fresh.get(&part.model).and_then(|of| of.get(&part.id));
        match (&part.shown, found) {
            (Shown::Text { etag, body }, _) if !again => part.with(etag.clone(), text(body)),
            (Shown::Text { etag, body }, Some(found)) => match app.model_named(&part.model) {
                Some(model) => part.with(etag.clone(), narrowed(model, body.get(), found)),
                None => part.without(),
            },
            (Shown::Read, Some(found)) => part.with(None, found.clone()),
            (Shown::Nothing | Shown::Read | Shown::Text { .. }, _) => part.without(),
        }
    };
    parts.iter().map(one).collect()
}

fn text(body: &RawValue) -> Vec<u8> {
    body.get().as_bytes().to_vec()
}

impl Run<'_> {
    /// The answer to what was just done.
    pub async fn tell(&mut self, kept: Kept, select: &Select) -> Result<Answer> {
        // It is written, and a failure to read it would say that it is not.
        Ok(match kept {
            Kept::Count { count: n, outcome } => count(n, outcome),
            Kept::One(part) => match &part.shown {
                Shown::Text { etag, body } => part.with(etag.clone(), text(body)),
                Shown::Nothing => part.without(),
                Shown::Read => self
                    .part_now(&part, select)
                    .await
                    .unwrap_or_else(|problem| {
                        if problem.code != Code::NotFound {
                            not_read_back(&problem);
                        }
                        part.without()
                    }),
            },
            Kept::Data(parts) => {
                let fresh = self.parts_now(&parts, select, false).await;
                let fresh = fresh.unwrap_or_else(|problem| {
                    not_read_back(&problem);
                    Fresh::new()
                });
                Answer::Many {
                    body: data(&answers(self.app, &parts, &fresh, false)),
                    outcome: Outcome::Created,
                }
            }
            Kept::Results(parts) => Answer::Many {
                body: results(&answers(self.app, &parts, &Fresh::new(), false)),
                outcome: Outcome::Changed,
            },
        })
    }

    /// The answer to what was done before, as far as its caller may still see what is in it.
    pub async fn replay(&mut self, kept: Kept, select: &Select) -> Result<Answer> {
        let answer = match kept {
            Kept::Count { count: n, outcome } => count(n, outcome),
            Kept::One(part) => match &part.shown {
                Shown::Nothing => part.without(),
                Shown::Read => self.part_now(&part, select).await?,
                Shown::Text { etag, body } => {
                    let fresh = self.part_now(&part, select).await?;
                    let model = self.model_of(&part)?;
                    let body = narrowed(model, body.get(), fresh.body().unwrap_or(b"{}"));
                    part.with(etag.clone(), body)
                }
            },
            Kept::Data(parts) => {
                let fresh = self.parts_now(&parts, select, true).await?;
                Answer::Many {
                    body: data(&answers(self.app, &parts, &fresh, true)),
                    outcome: Outcome::Created,
                }
            }
            Kept::Results(parts) => {
                let fresh = self.parts_now(&parts, select, true).await?;
                Answer::Many {
                    body: results(&answers(self.app, &parts, &fresh, true)),
                    outcome: Outcome::Changed,
                }
            }
        };
        self.replayed = true;
        Ok(answer)
    }

    fn model_of(&self, part: &Part) -> Result<&Model> {
        // The app may be another by now.
        let model = self.app.model_named(&part.model);
        model.ok_or_else(Problem::not_found)
    }

    async fn part_now(&mut self, part: &Part, select: &Select) -> Result<Answer> {
        let model = self.model_of(part)?;
        let id = spec::key::read(model.key, &part.id).ok_or_else(Problem::not_found)?;
        self.record(model.id, id, select, part.outcome).await
    }

    /// Of these records, those that their caller may read; all of those that are shown, or those alone that are not
    /// kept with their text.
    async fn parts_now(&mut self, parts: &[Part], select: &Select, all: bool) -> Result<Fresh> {
        let mut wanted: HashMap<ModelId, HashMap<&str, Value>> = HashMap::new();
        for part in parts {
            let is_wanted = match part.shown {
                Shown::Nothing => false,
                Shown::Read => true,
                Shown::Text { .. } => all,
            };
            if is_wanted
                && let Some(model) = self.app.model_named(&part.model)
                && let Some(id) = spec::key::read(model.key, &part.id)
            {
                wanted.entry(model.id).or_default().insert(&part.id, id);
            }
        }
        let mut fresh = Fresh::new();
        for (model, ids) in wanted {
            let name = self.app.model(model).full_name();
            let found = self.records(model, ids.into_values().collect(), select);
            fresh.insert(name, found.await?);
        }
        Ok(fresh)
    }
}

impl Acts {
    /// The written record as its writer sees it, or nothing if they may not.
    pub async fn show(
        &mut self,
        judge: &Judge,
        record: &Record,
        select: &Select,
        outcome: Outcome,
    ) -> Acted<Answer> {
        if *select == Select::default()
            && let Some(answer) = judge.shown(record, outcome)
        {
            return Ok(answer);
        }
        let resolver = resolver(judge);
        let want = resolver.want(judge.model(), select)?;
        let statement = judge
            .planner()
            .one(&want, record.id().clone())
            .map_err(unsupported(Code::Internal))?;
        let shown = match statement {
            None => Err(Problem::not_found()),
            Some(statement) => {
                let rows = self.tx.read(statement, 1).await.map_err(problem_of)?;
                crate::read::answer_of(judge, record.id(), rows, outcome)
            }
        };
        Ok(or_nothing(shown, record, outcome)?)
    }

    /// What is kept of a record that was written.
    pub async fn part(
        &mut self,
        judge: &Judge,
        record: &Record,
        select: &Select,
        outcome: Outcome,
    ) -> Acted<Part> {
        let (model, id) = (judge.model(), record.id());
        if !select.expand.is_empty() {
            return Ok(Part::new(model, id, outcome, Shown::Read));
        }
        let answer = self.show(judge, record, select, outcome).await?;
        Ok(Part::of(model, id, &answer)?)
    }

    /// What is kept of new records, which are answered together and have no entity tags.
    pub async fn parts(
        &mut self,
        judge: &Judge,
        records: &[Record],
        select: &Select,
    ) -> Acted<Vec<Part>> {
        let model = judge.model();
        let mut parts = Vec::with_capacity(records.len());
        let mut unknown = Vec::new();
        let sees = judge.sees();
        for record in records {
            let shown = match sees.as_ref().and_then(|sees| sees.json(record)) {
                _ if !select.expand.is_empty() => Shown::Read,
                Some(None) => Shown::Nothing,
                Some(Some(body)) if *select == Select::default() => Shown::Text {
                    etag: None,
                    body: raw(&body)?,
                },
                _ => {
                    unknown.push(record.id().clone());
                    Shown::Nothing
                }
            };
            parts.push(Part::new(model, record.id(), Outcome::Created, shown));
        }
        let want = resolver(judge).want(model, select)?;
        let emit = unknown.len() as u32;
        let statement = judge
            .planner()
            .by_ids(&want, unknown)
            .map_err(unsupported(Code::Internal))?;
        let Some(statement) = statement else {
            return Ok(parts);
        };
        let rows = self.tx.read(statement, emit).await.map_err(problem_of)?;
        let mut found = HashMap::with_capacity(parts.len());
        let mut from = 0;
        for (key, end) in rows.captured.iter().zip(&rows.ends) {
            found.insert(key.key_text(), raw(&rows.body[from..*end])?);
            from = end + 1;
        }
        for part in &mut parts {
            if let Some(body) = found.remove(&part.id) {
                part.shown = Shown::Text { etag: None, body };
            }
        }
        Ok(parts)
    }
}

fn resolver(judge: &Judge) -> Resolver<'_> {
    Resolver {
        app: &judge.app,
        caller: judge.caller(),
        limits: &judge.app.settings.limits,
    }
}
