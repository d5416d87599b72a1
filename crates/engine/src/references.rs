//! Where the references of a write lead: to records that the writer may read, or they lead nowhere.

use crate::execute::{Run, unsupported};
use crate::judge::Judge;
use plan::access::{self, Verb};
use spec::problem::Result;
use spec::statement::{Rows, Statement};
use spec::{Code, FieldError, FieldId, Model, ModelId, Problem, Rule, Value};
use std::collections::{HashMap, HashSet};
use std::time::Instant;
use store::error::problem_of;
use store::{Bounds, Store, Tx};

/// Where a write asks: the store, or the transaction that it is part of.
pub(crate) enum Asks<'a> {
    Store(&'a Store, Instant),
    Tx(&'a mut Tx),
}

impl Asks<'_> {
    pub async fn read(&mut self, statement: Statement, emit: u32) -> Result<Rows> {
        match self {
            Asks::Store(store, deadline) => {
                let bounds = Bounds {
                    emit,
                    deadline: *deadline,
                };
                store.read(&statement, bounds).await
            }
            Asks::Tx(tx) => tx.read(statement, emit).await,
        }
        .map_err(problem_of)
    }
}

/// Which references are asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Leading {
    /// All of them.
    Anywhere,
    /// Those to records of the writer's module: a transaction may have written these itself.
    Inside,
    /// Those to records of other modules, which no transaction spans.
    Abroad,
}

impl Leading {
    fn takes(self, judge: &Judge, target: &Model) -> bool {
        let inside = target.module == judge.model().module;
        match self {
            Leading::Anywhere => true,
            Leading::Inside => inside,
            Leading::Abroad => !inside,
        }
    }
}

/// A relation field with what it says.
type Reference = (FieldId, ModelId, Value);

impl Judge {
    /// Relation fields among these values, with where they lead.
    pub fn references(&self, values: &[(FieldId, Value)]) -> Vec<Reference> {
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

    /// The references that must be asked about before the write: a foreign key tells of absent records inside the
    /// module, so there only targets with a rule are.
    pub fn doubtful(&self, values: &[(FieldId, Value)], leading: Leading) -> Vec<Reference> {
        let mut asked = self.references(values);
        asked.retain(|(_, to, value)| {
            let target = self.app.model(*to);
            let oneself = self
                .principal
                .id
                .is_some_and(|id| *value == Value::Uuid(id))
                && target.module_name == "auth"
                && target.name == "users";
            leading.takes(self, target) && !oneself && !self.told_by_key(target)
        });
        asked
    }

    /// Whether a foreign key is all that a reference needs: inside the module, to what the caller may read in any
    /// case.
    fn told_by_key(&self, target: &Model) -> bool {
        let read = access::rule(target, Verb::Read, self.caller());
        target.module == self.model().module && matches!(read, Rule::Allow)
    }

    /// Which relation fields lead to records that the caller may not read, or to none.
    pub async fn unreadable(
        &self,
        asks: &mut Asks<'_>,
        values: &[(FieldId, Value)],
        leading: Leading,
    ) -> Result<Vec<FieldId>> {
        let asked = self.doubtful(values, leading);
        self.not_readable(asks, asked).await
    }

    pub async fn not_readable(
        &self,
        asks: &mut Asks<'_>,
        mut asked: Vec<Reference>,
    ) -> Result<Vec<FieldId>> {
        let app = &self.app;
        let mut out = Vec::new();
        // One batched question per module: a module answers for its own records.
        asked.sort_by_key(|(_, to, _)| app.model(*to).module);
        for group in asked.chunk_by(|a, b| app.model(a.1).module == app.model(b.1).module) {
            let targets: Vec<(ModelId, Value)> =
                group.iter().map(|(_, to, id)| (*to, id.clone())).collect();
            let statement = self
                .planner()
                .readable(&targets)
                .map_err(unsupported(Code::Internal))?;
            let rows = asks.read(statement, 1).await?;
            for ((field, ..), readable) in group.iter().zip(&rows.captured) {
                if *readable != Value::Bool(true) {
                    out.push(*field);
                }
            }
        }
        Ok(out)
    }

    /// A failure with the references that only a foreign key would tell of, once the rest was mended: all are
    /// named at once, and who makes no mistake is not held up for it. `values` are what would be written.
    pub async fn with_dangling(
        &self,
        asks: &mut Asks<'_>,
        values: &[(FieldId, Value)],
        problem: Problem,
    ) -> Problem {
        let mut asked = self.references(values);
        asked.retain(|(_, to, _)| self.told_by_key(self.app.model(*to)));
        let Ok(fields) = self.not_readable(asks, asked).await else {
            return problem;
        };
        let mut errors = problem.errors;
        errors.extend(fields.into_iter().map(|field| self.dangling(field)));
        Problem::invalid(errors)
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

/// Which of many records a caller may read, each asked once.
#[derive(Debug, Default)]
pub(crate) struct Readable {
    found: HashMap<ModelId, HashSet<String>>,
}

impl Readable {
    /// Asks about records of any models, one statement for each model and as many ids as one takes.
    pub async fn ask(
        judge: &Judge,
        asks: &mut Asks<'_>,
        targets: impl IntoIterator<Item = (ModelId, Value)>,
    ) -> Result<Readable> {
        let mut by_model: HashMap<ModelId, HashMap<String, Value>> = HashMap::new();
        for (model, id) in targets {
            by_model.entry(model).or_default().insert(id.key_text(), id);
        }
        let mut readable = Readable::default();
        for (id, wanted) in by_model {
            let model = judge.app.model(id);
            let wanted: Vec<Value> = wanted.into_values().collect();
            let statements = judge
                .planner()
                .readable_ids(model, &wanted)
                .map_err(unsupported(Code::Internal))?;
            let found = readable.found.entry(id).or_default();
            for statement in statements {
                let rows = asks.read(statement, wanted.len() as u32).await?;
                found.extend(rows.captured.iter().map(Value::key_text));
            }
        }
        Ok(readable)
    }

    pub fn holds(&self, model: ModelId, id: &Value) -> bool {
        self.found
            .get(&model)
            .is_some_and(|found| found.contains(&id.key_text()))
    }
}

impl Run<'_> {
    /// Outside any transaction.
    pub fn asks(&self) -> Asks<'_> {
        Asks::Store(&self.engine.store, self.deadline)
    }
}
