//! References: which of a record's lead nowhere, or to what its writer may not read.

use crate::execute::{Run, unsupported};
use crate::judge::Judge;
use plan::access::{self, Verb};
use spec::problem::Result;
use spec::{Code, FieldError, FieldId, Model, ModelId, Problem, Rule, Value};
use std::time::Instant;
use store::error::problem_of;

impl Judge {
    /// Relation fields among these values, with where they lead.
    pub fn references(&self, values: &[(FieldId, Value)]) -> Vec<(FieldId, ModelId, Value)> {
        let model = self.model();
        values
            .iter()
            .filter(|(_, value)| !value.is_null())
            .filter_map(|(id, value)| {
                model
                    .field(*id)
                    .relation()
                    .map(|r| (*id, r.to, value.clone()))
            })
            .collect()
    }

    /// The answer to a reference that leads nowhere, or to what the writer may not read: the same.
    pub fn dangling(&self, field: FieldId) -> FieldError {
        let name = &self.model().field(field).name;
        FieldError::at(
            name,
            "not_found",
            format!("{name} refers to no record that you may read."),
        )
    }
}

impl Run<'_> {
    /// Which relation fields lead to records that the caller may not read, or to none. Inside the module a
    /// foreign key tells of absent ones, so only targets with a rule are asked for.
    pub async fn unreadable(
        &mut self,
        judge: &Judge,
        values: &[(FieldId, Value)],
    ) -> Result<Vec<FieldId>> {
        let model = judge.model();
        let app = self.app;
        let mut asked: Vec<(FieldId, ModelId, Value)> = judge.references(values);
        asked.retain(|(_, to, value)| {
            let target = app.model(*to);
            let oneself = self
                .principal
                .id
                .is_some_and(|id| *value == Value::Uuid(id))
                && target.module_name == "auth"
                && target.name == "users";
            !oneself && !told_by_key(judge, model, target)
        });
        self.not_readable(judge, asked).await
    }

    /// A failure with the references that only a foreign key would tell of, once the rest was mended: all are
    /// named at once, and who makes no mistake is not held up for it. `values` are what would be written.
    pub async fn with_dangling(
        &mut self,
        judge: &Judge,
        values: &[(FieldId, Value)],
        problem: Problem,
    ) -> Problem {
        let mut asked = judge.references(values);
        asked.retain(|(_, to, _)| told_by_key(judge, judge.model(), self.app.model(*to)));
        let Ok(fields) = self.not_readable(judge, asked).await else {
            return problem;
        };
        let mut errors = problem.errors;
        errors.extend(fields.into_iter().map(|field| judge.dangling(field)));
        Problem::invalid(errors)
    }

    /// Which of these references lead to no record that the caller may read.
    pub async fn not_readable(
        &mut self,
        judge: &Judge,
        mut asked: Vec<(FieldId, ModelId, Value)>,
    ) -> Result<Vec<FieldId>> {
        let app = self.app;
        let mut out = Vec::new();
        // One batched question per module: a module answers for its own records.
        asked.sort_by_key(|(_, to, _)| app.model(*to).module);
        for group in asked.chunk_by(|a, b| app.model(a.1).module == app.model(b.1).module) {
            let start = Instant::now();
            let targets: Vec<(ModelId, Value)> =
                group.iter().map(|(_, to, id)| (*to, id.clone())).collect();
            let statement = judge
                .planner()
                .readable(&targets)
                .map_err(unsupported(Code::Internal))?;
            self.planned(start);
            let start = Instant::now();
            let rows = self
                .engine
                .store
                .read(&statement, self.bounds(1))
                .await
                .map_err(problem_of)?;
            self.stored(start);
            for ((field, ..), readable) in group.iter().zip(&rows.captured) {
                if *readable != Value::Bool(true) {
                    out.push(*field);
                }
            }
        }
        Ok(out)
    }
}

/// Whether a foreign key is all that a reference needs: inside the module, to what the caller may read in any case.
fn told_by_key(judge: &Judge, model: &Model, target: &Model) -> bool {
    let read = access::rule(target, Verb::Read, judge.caller());
    target.module == model.module && matches!(read, Rule::Allow)
}
