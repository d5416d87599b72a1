//! Delete, and the choice between the plain way and the one that takes other records along.

use crate::answer::{Answer, Outcome};
use crate::conflict::{kept, together};
use crate::etag;
use crate::execute::{Run, unsupported};
use crate::judge::{Judge, Question, Questions, traverses};
use crate::read::parse_id;
use crate::record::Record;
use plan::access::{self, Verb};
use plan::many::Hold;
use plan::operation::{Delete, List, PlainFilter, PlainOp, Precondition, Select};
use plan::read::Planner;
use plan::write::Logged;
use spec::problem::Result;
use spec::statement::{Statement, Step};
use spec::{Code, Model, ModelId, OnDelete, Problem, Rule, Value};
use std::collections::BTreeMap;
use std::time::Instant;
use store::error::problem_of;
use store::{Changed, Decision, StoreError};

/// A delete of one record, decided each time it is read.
#[derive(Clone)]
pub(crate) struct Removal {
    pub judge: Judge,
    pub if_match: Option<Precondition>,
    read: Question,
    delete: Question,
    /// The delete rule, where it needs other records.
    pub guard: Option<Rule>,
}

impl Run<'_> {
    pub async fn delete(&mut self, delete: Delete, private: Vec<Step>) -> Result<Answer> {
        let start = Instant::now();
        let judge = self.judge(delete.model);
        let id = parse_id(judge.model(), &delete.id)?;
        if self.once.is_some() {
            return self.delete_once(judge, id, delete.if_match, private).await;
        }
        let (removal, questions) = judge.removal(delete.if_match);
        let statement = removal.statement(id.clone(), &questions, Hold::No)?;
        self.planned(start);
        if judge.takes_along() {
            return self.cascade(&removal, &statement, private).await;
        }
        let start = Instant::now();
        let guarded = removal.guard.is_some();
        let attempt = self
            .engine
            .store
            .change(statement, self.deadline, move |row| {
                let steps = removal
                    .judged(row)
                    .and_then(|stored| removal.steps(&stored));
                match steps {
                    Ok(mut steps) => {
                        steps.extend(private.iter().cloned());
                        Decision::Write(steps, Ok(()))
                    }
                    Err(problem) => Decision::Stop(Err(problem)),
                }
            })
            .await;
        self.stored(start);
        match attempt {
            Ok(Changed::Stopped(result) | Changed::Done(result, _)) => result?,
            Ok(Changed::Missed(..)) => return Err(judge.missed("delete", guarded)),
            Err(error) => {
                let going = [(judge.model, id)];
                return Err(self.delete_problem(&going, error).await);
            }
        }
        Ok(Answer::Done {
            outcome: Outcome::Deleted,
            id: None,
        })
    }

    /// What a failed delete is to its caller. `going` is what was to go, the record itself first.
    pub async fn delete_problem(
        &mut self,
        going: &[(ModelId, Value)],
        error: StoreError,
    ) -> Problem {
        let existing = |(model, _): &(ModelId, Value)| self.app.model(*model).existing.is_some();
        if let StoreError::Refused { cause, .. } = &error
            && going.iter().any(existing)
        {
            return kept().because(cause.clone());
        }
        if !matches!(error, StoreError::ForeignKey { .. }) {
            return problem_of(error);
        }
        let (own, others) = going.split_at(1.min(going.len()));
        let direct = self.referring_models(own, going).await;
        let further = match direct.as_slice() {
            [] => self.referring_models(others, going).await,
            _ => Vec::new(),
        };
        let said = match (direct.as_slice(), further.as_slice()) {
            ([], []) if others.is_empty() => "Other records refer to this one".to_owned(),
            ([], []) => {
                "Other records refer to this one or to what would be deleted with it".to_owned()
            }
            ([], further) => format!(
                "Records of {} refer to what would be deleted with this one",
                together(further)
            ),
            (direct, _) => format!("Records of {} refer to this one", together(direct)),
        };
        Problem::new(Code::Restricted, format!("{said}, so it was not deleted."))
    }

    /// Of the records that hold one of these, and do not go themselves: the models of those that the caller could
    /// have listed by what they refer to.
    async fn referring_models(
        &mut self,
        held: &[(ModelId, Value)],
        going: &[(ModelId, Value)],
    ) -> Vec<String> {
        let app = self.app;
        let mut by_model: BTreeMap<ModelId, Vec<String>> = BTreeMap::new();
        for (model, id) in held {
            by_model.entry(*model).or_default().push(id.key_text());
        }
        let mut names = Vec::new();
        for (model, ids) in by_model {
            for inverse in &app.model(model).inverses {
                let from = app.model(inverse.model);
                let field = from.field(inverse.field);
                let restricts = field.relation().map(|r| r.on_delete) == Some(OnDelete::Restrict);
                let name = from.full_name();
                if !restricts || names.contains(&name) {
                    continue;
                }
                let not: Vec<PlainFilter> = going
                    .iter()
                    .filter(|(model, _)| *model == from.id)
                    .map(|(_, id)| plain("id", PlainOp::Ne, vec![id.key_text()]))
                    .collect();
                // Where they cannot be told apart in a filter, none of them is named.
                if not.len() > LISTED {
                    continue;
                }
                for ids in ids.chunks(LISTED) {
                    let mut filters = not.clone();
                    filters.push(plain(&field.name, PlainOp::In, ids.to_vec()));
                    let list = List {
                        model: from.id,
                        filter: None,
                        plain: filters,
                        sort: Vec::new(),
                        limit: Some(1),
                        cursor: None,
                        select: Select {
                            fields: Some(vec!["id".to_owned()]),
                            ..Select::default()
                        },
                        count: false,
                        search: None,
                        snippets: false,
                    };
                    if self
                        .list(list)
                        .await
                        .is_ok_and(|page| !page.is_empty_page())
                    {
                        names.push(name);
                        break;
                    }
                }
            }
        }
        names
    }
}

/// Values that a plain filter may list.
const LISTED: usize = 100;

fn plain(field: &str, op: PlainOp, values: Vec<String>) -> PlainFilter {
    PlainFilter {
        field: field.to_owned(),
        op,
        values,
    }
}

/// The steps that delete a record as it was read; `guard` is a rule of it that needs other records.
pub fn steps_of(
    planner: Planner<'_>,
    model: &Model,
    stored: &Record,
    guard: Option<&Rule>,
) -> Result<Vec<Step>> {
    let logged = Logged {
        record: None,
        previous: Some(stored.logged(model, None, true)),
    };
    let version = stored.version(model);
    planner
        .delete(model, &stored.for_plan(), version, guard, &logged)
        .map_err(unsupported(Code::Internal))
}

impl Judge {
    /// What to decide about a record that is to go, and the rules that are asked with it.
    pub fn removal(&self, if_match: Option<Precondition>) -> (Removal, Questions) {
        let mut questions = Questions::default();
        let read = questions.add(access::rule(self.model(), Verb::Read, self.caller()));
        let rule = access::rule(self.model(), Verb::Delete, self.caller());
        let guard = traverses(&rule).then(|| rule.clone());
        let removal = Removal {
            judge: self.clone(),
            if_match,
            read,
            delete: questions.add(rule),
            guard,
        };
        (removal, questions)
    }

    /// Whether a delete changes other records, too.
    pub fn takes_along(&self) -> bool {
        self.model().inverses.iter().any(|inverse| {
            let relation = self
                .app
                .model(inverse.model)
                .field(inverse.field)
                .relation();
            relation.is_some_and(|r| matches!(r.on_delete, OnDelete::Cascade | OnDelete::SetNull))
        })
    }
}

impl Removal {
    /// Reads the record.
    pub fn statement(&self, id: Value, questions: &Questions, hold: Hold) -> Result<Statement> {
        let rules: Vec<&Rule> = questions.rules.iter().collect();
        self.judge
            .planner()
            .stored(self.judge.model(), id, &rules, hold)
            .map_err(unsupported(Code::Internal))
    }

    /// The stored record, if it may be deleted.
    pub fn judged(&self, row: Option<&[Value]>) -> Result<Record> {
        let model = self.judge.model();
        let row = row.ok_or_else(Problem::not_found)?;
        let (stored, answers) = Record::from_row(model, row);
        if !self.judge.answer(&self.read, &stored, answers) {
            return Err(Problem::not_found());
        }
        if let Some(precondition) = &self.if_match
            && !etag::matches(precondition, model, &stored)
        {
            return Err(Problem::new(
                Code::PreconditionFailed,
                "The record is at another version by now.",
            ));
        }
        if !self.judge.answer(&self.delete, &stored, answers) {
            return Err(self.judge.denied("delete"));
        }
        Ok(stored)
    }

    /// The steps that delete the record as it was read.
    pub fn steps(&self, stored: &Record) -> Result<Vec<Step>> {
        steps_of(
            self.judge.planner(),
            self.judge.model(),
            stored,
            self.guard.as_ref(),
        )
    }
}
