//! Records that come in as the system writes them: seeds and imports. They pass the same types, checks and
//! log as any write; rules do not bind the system, and given ids and times are kept.

use crate::create::Draft;
use crate::execute::{Engine, unsupported};
use crate::judge::Judge;
use spec::input;
use spec::problem::Result;
use spec::settings::Limits;
use spec::statement::Step;
use spec::{App, Code, Field, FieldId, ModelId, Principal, Value};
use std::sync::Arc;

/// What one line of an import becomes.
pub struct Imported {
    /// The key; null where the store assigns it.
    pub id: Value,
    /// The records of the same model that it refers to, which must come before it.
    pub after: Vec<Value>,
    /// What is written with it.
    pub beside: Vec<Step>,
    draft: Draft,
}

/// Records of one model that come in together: they are all written at one moment.
pub struct Import {
    judge: Judge,
    /// The fields that refer to the same model.
    own: Vec<FieldId>,
}

impl Engine {
    /// `now`: when the import was begun, in microseconds since 1970.
    pub fn import(&self, app: &Arc<App>, model: ModelId, now: i64) -> Import {
        let of_own = |field: &&Field| field.relation().is_some_and(|to| to.to == model);
        Import {
            own: app
                .model(model)
                .fields
                .iter()
                .filter(of_own)
                .map(|field| field.id)
                .collect(),
            judge: Judge {
                app: Arc::clone(app),
                principal: Principal::system(),
                now,
                dialect: self.store().dialect(),
                model,
                registers: None,
            },
        }
    }
}

impl Import {
    /// Whether records of the model may refer to each other, so that their order matters.
    pub fn refers_to_itself(&self) -> bool {
        !self.own.is_empty()
    }

    /// A record from a JSON object. Whether its references lead somewhere is for the
    /// store to say, inside the module; across modules a reference may come before its target.
    pub fn record(&self, body: &[u8]) -> Result<Imported> {
        let judge = &self.judge;
        // Records grow over many requests: what bounds one of them does not bound what comes of them.
        let limits = Limits {
            json_depth: u32::MAX,
            members: u32::MAX,
            ..judge.app.settings.limits.clone()
        };
        let input = input::read(judge.model(), body, &limits)?;
        let draft = judge.draft(&input, None, &[])?;
        if let Some(problem) = &draft.invalid {
            return Err(problem.clone());
        }
        let refers_to = |field: &FieldId| draft.record.get(*field).clone();
        let after = self.own.iter().map(refers_to);
        Ok(Imported {
            id: draft.record.id().clone(),
            after: after.filter(|id| !id.is_null()).collect(),
            beside: Vec::new(),
            draft,
        })
    }

    /// The steps that create it, by itself.
    pub fn steps(&self, record: Imported) -> Result<Vec<Step>> {
        let mut steps = self.judge.draft_steps(&record.draft)?;
        steps.extend(record.beside);
        Ok(steps)
    }

    /// The steps that create these, in one piece; None where the store has no quicker way than one by one.
    pub fn at_once(&self, records: &[Imported]) -> Result<Option<Vec<Step>>> {
        let model = self.judge.model();
        let logs: Vec<_> = records.iter().map(|r| r.draft.logged(model)).collect();
        let beside = records.iter().flat_map(|record| &record.beside).cloned();
        let records: Vec<_> = records.iter().map(|r| r.draft.record.for_plan()).collect();
        let steps = self.judge.planner().import_many(model, &records, &logs);
        let steps = steps.map_err(unsupported(Code::Internal))?;
        Ok(steps.map(|mut steps| {
            steps.extend(beside);
            steps
        }))
    }
}
