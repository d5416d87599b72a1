//! Records that come in as the system writes them: seeds and imports. They pass the same types, checks and
//! log as any write; rules do not bind the system, and given ids and times are kept.

use crate::execute::Engine;
use crate::judge::Judge;
use spec::input;
use spec::problem::Result;
use spec::statement::Step;
use spec::{App, ModelId, Principal, Value};
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

impl Engine {
    /// The steps that create a record from a JSON object. Whether its references lead somewhere is for the
    /// store to say, inside the module; across modules a reference may come before its target.
    pub fn import(&self, app: &Arc<App>, model: ModelId, body: &[u8]) -> Result<Imported> {
        let judge = Judge {
            app: Arc::clone(app),
            principal: Principal::system(),
            now: spec::time::now_micros(),
            dialect: self.store().dialect(),
            model,
            registers: None,
        };
        let input = input::read(judge.model(), body, &app.settings.limits)?;
        let draft = judge.draft(&input, None, &[])?;
        if let Some(problem) = draft.invalid {
            return Err(problem);
        }
        let mut references = judge.references(&draft.record.all());
        references.retain(|(_, to, _)| *to == model);
        Ok(Imported {
            id: draft.record.id().clone(),
            after: references.into_iter().map(|(.., id)| id).collect(),
            steps: draft.steps,
        })
    }
}
