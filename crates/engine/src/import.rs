//! Records that come in as the system writes them: seeds and imports. They pass the same types, checks and
//! log as any write; rules do not bind the system, and given ids and times are kept.

use crate::execute::Engine;
use crate::judge::Judge;
use spec::input;
use spec::problem::Result;
use spec::settings::Limits;
use spec::statement::Step;
use spec::{App, Field, FieldId, ModelId, Principal, Value};
use std::sync::Arc;

/// What one line of an import becomes.
#[derive(Debug)]
pub struct Imported {
    /// The key; null where the store assigns it.
    pub id: Value,
    /// The records of the same model that it refers to, which must come before it.
    pub after: Vec<Value>,
    pub steps: Vec<Step>,
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

    /// The steps that create a record from a JSON object. Whether its references lead somewhere is for the
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
        let steps = judge.draft_steps(&draft)?;
        if let Some(problem) = draft.invalid {
            return Err(problem);
        }
        let refers_to = |field: &FieldId| draft.record.get(*field).clone();
        let after = self.own.iter().map(refers_to);
        Ok(Imported {
            id: draft.record.id().clone(),
            after: after.filter(|id| !id.is_null()).collect(),
            steps,
        })
    }
}
