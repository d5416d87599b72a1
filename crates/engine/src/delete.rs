//! Delete, and the choice between the plain way and the one that takes other records along.

use crate::answer::{Answer, Outcome};
use crate::conflict::together;
use crate::etag;
use crate::execute::{Run, unsupported};
use crate::judge::{Judge, Question, Questions, traverses};
use crate::read::parse_id;
use crate::record::Record;
use plan::access::{self, Verb};
use plan::operation::{Delete, List, PlainFilter, PlainOp, Precondition, Select};
use plan::write::Logged;
use spec::problem::Result;
use spec::statement::Step;
use spec::{Code, Model, OnDelete, Problem, Rule, Value};
use std::time::Instant;
use store::error::problem_of;
use store::{Changed, Decision, StoreError};

/// A delete of one record, decided each time it is read.
#[derive(Clone)]
pub(crate) struct Removal {
    pub judge: Judge,
    pub id: Value,
    if_match: Option<Precondition>,
    read: Question,
    delete: Question,
    /// The delete rule, where it needs other records.
    pub guard: Option<Rule>,
}

impl Run<'_> {
    pub async fn delete(&mut self, delete: Delete, private: Vec<Step>) -> Result<Answer> {
        let start = Instant::now();
        let judge = self.judge(delete.model);
        let model = judge.model();
        let id = parse_id(model, &delete.id)?;
        let mut questions = Questions::default();
        let read = questions.add(access::rule(model, Verb::Read, judge.caller()));
        let rule = access::rule(model, Verb::Delete, judge.caller());
        let guard = traverses(&rule).then(|| rule.clone());
        let question = questions.add(rule);
        let rules: Vec<&Rule> = questions.rules.iter().collect();
        let statement = judge
            .planner()
            .stored(model, id.clone(), &rules)
            .map_err(unsupported(Code::Internal))?;
        let removal = Removal {
            judge: judge.clone(),
            id: id.clone(),
            if_match: delete.if_match,
            read,
            delete: question,
            guard,
        };
        self.planned(start);

        let takes_along = model.inverses.iter().any(|inverse| {
            let relation = judge
                .app
                .model(inverse.model)
                .field(inverse.field)
                .relation();
            relation.is_some_and(|r| matches!(r.on_delete, OnDelete::Cascade | OnDelete::SetNull))
        });
        if takes_along {
            return self.cascade(&removal, &statement, private).await;
        }
        let start = Instant::now();
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
            Ok(Changed::Missed(..)) => return Err(judge.denied("delete")),
            Err(error) => return Err(self.delete_problem(model, &id, error).await),
        }
        Ok(Answer::Done {
            outcome: Outcome::Deleted,
            id: None,
        })
    }

    /// What a failed delete is to its caller. Of the records that refer to this one, it names the models of those
    /// that the caller could have listed by what they refer to.
    pub async fn delete_problem(
        &mut self,
        model: &Model,
        id: &Value,
        error: StoreError,
    ) -> Problem {
        if !matches!(error, StoreError::ForeignKey { .. }) {
            return problem_of(error);
        }
        let app = self.app;
        let mut names = Vec::new();
        for inverse in &model.inverses {
            let from = app.model(inverse.model);
            let field = from.field(inverse.field);
            let restricts = field.relation().map(|r| r.on_delete) == Some(OnDelete::Restrict);
            let name = from.full_name();
            if !restricts || names.contains(&name) {
                continue;
            }
            let list = List {
                model: from.id,
                filter: None,
                plain: vec![PlainFilter {
                    field: field.name.clone(),
                    op: PlainOp::Eq,
                    values: vec![id.key_text()],
                }],
                sort: Vec::new(),
                limit: Some(1),
                cursor: None,
                select: Select {
                    fields: Some(vec!["id".to_owned()]),
                    ..Select::default()
                },
                count: false,
            };
            if self
                .list(list)
                .await
                .is_ok_and(|page| !page.is_empty_page())
            {
                names.push(name);
            }
        }
        let who = match names.as_slice() {
            [] => "Other records".to_owned(),
            names => format!("Records of {}", together(names)),
        };
        Problem::new(
            Code::Restricted,
            format!("{who} refer to this one, so it was not deleted."),
        )
    }
}

impl Removal {
    /// The stored record, if it may be deleted.
    pub fn judged(&self, row: Option<&[Value]>) -> Result<Record> {
        let model = self.judge.model();
        let row = row.ok_or_else(Problem::not_found)?;
        let (stored, answers) = Record::from_row(model, row);
        if !self.judge.answer(&self.read, &stored, answers) {
            return Err(Problem::not_found());
        }
        if !self.judge.answer(&self.delete, &stored, answers) {
            return Err(self.judge.denied("delete"));
        }
        if let Some(precondition) = &self.if_match
            && !etag::matches(precondition, model, &self.id, stored.version(model))
        {
            return Err(Problem::new(
                Code::PreconditionFailed,
                "The record is at another version by now.",
            ));
        }
        Ok(stored)
    }

    /// The steps that delete the record as it was read.
    pub fn steps(&self, stored: &Record) -> Result<Vec<Step>> {
        let model = self.judge.model();
        let logged = Logged {
            record: None,
            previous: Some(stored.logged(model, None, true)),
        };
        self.judge
            .planner()
            .delete(
                model,
                &self.id,
                stored.version(model),
                self.guard.as_ref(),
                &logged,
            )
            .map_err(unsupported(Code::Internal))
    }
}
