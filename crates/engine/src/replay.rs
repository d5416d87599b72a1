//! The change log, done again: from an older state of the data to a later one.

use crate::execute::Engine;
use crate::judge::Judge;
use crate::record::Record;
use spec::input;
use spec::problem::Result;
use spec::settings::Limits;
use spec::statement::Step;
use spec::{App, Code, Principal, Problem, Value};
use std::sync::Arc;
use store::changes::{Change, ChangeKind};

impl Engine {
    /// The step that does a logged change again, on the record as it was before. Each step finds the version before
    /// its own, or it misses: a log that does not belong to the data shows.
    pub fn replay(&self, app: &Arc<App>, change: &Change) -> Result<Step> {
        let model = app
            .model_in(&change.module, &change.model)
            .ok_or_else(|| misfit(change, "the app has no such model"))?;
        let judge = Judge {
            app: Arc::clone(app),
            principal: Principal::system(),
            now: change.at,
            dialect: self.store().dialect(),
            model: model.id,
            registers: None,
        };
        let id = spec::key::read(model.key, &change.record_id)
            .ok_or_else(|| misfit(change, "its id is none of the model's"))?;
        let Some(text) = &change.record else {
            return Ok(judge.planner().replay_delete(model, &id, change.version));
        };
        let record = logged(&judge, change, text, id)?;
        let first = change.kind == ChangeKind::Create;
        Ok(judge.planner().replay(model, &record.for_plan(), first))
    }
}

/// A record as the log has it: everything but the id and the version, which have columns of their own there.
fn logged(judge: &Judge, change: &Change, text: &str, id: Value) -> Result<Record> {
    let model = judge.model();
    // What is in the log was within the limits of its time.
    let limits = Limits {
        json_depth: u32::MAX,
        members: u32::MAX,
        ..judge.app.settings.limits.clone()
    };
    let input = input::read(model, text.as_bytes(), &limits)?;
    if let Some(error) = input.errors.first() {
        return Err(misfit(change, &error.detail));
    }
    let mut values = vec![Value::Null; model.fields.len()];
    for (field, value) in &input.fields {
        values[usize::from(field.0)] = value.clone();
    }
    values[0] = id;
    values[usize::from(model.version().0)] = Value::Int(change.version);
    let absent = model
        .fields
        .iter()
        .find(|field| !field.optional && values[usize::from(field.id.0)].is_null());
    if let Some(field) = absent {
        return Err(misfit(change, &format!("it has no {}.", field.name)));
    }
    Ok(Record {
        values,
        extra: judge.extra_of(&input),
        stale: false,
        left_out: Vec::new(),
    })
}

fn misfit(change: &Change, why: &str) -> Problem {
    Problem::new(
        Code::Invalid,
        format!(
            "Change {} ({}.{} {}) does not fit the app: {why}",
            change.seq, change.module, change.model, change.record_id
        ),
    )
}
