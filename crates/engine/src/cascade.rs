//! Deletes that take other records along (`on_delete = "cascade"`) or loosen them (`"set_null"`): carried out
//! here and not by the database, so that each is an ordinary write with its row of the change log. Only the
//! parent's delete rule is asked. Everything is written at the versions that were read; foreign keys refuse
//! what came in between, and then all of it is read again.

use crate::answer::{Answer, Outcome};
use crate::delete::Removal;
use crate::execute::{ATTEMPTS, Run, backoff, unsupported};
use crate::record::Record;
use plan::write::{Guards, Logged};
use spec::problem::Result;
use spec::statement::{Statement, Step, Written};
use spec::{Code, FieldId, ModelId, OnDelete, Problem, Value};
use store::StoreError;
use store::error::problem_of;

/// Records that one delete may take along or loosen.
const MAX: usize = 1000;

/// What a delete reaches, children before their parents.
#[derive(Default)]
struct Reach {
    deleted: Vec<(ModelId, Record)>,
    loosened: Vec<(ModelId, Record, Vec<FieldId>)>,
}

impl Run<'_> {
    pub async fn cascade(
        &mut self,
        removal: &Removal,
        statement: &Statement,
        private: Vec<Step>,
    ) -> Result<Answer> {
        let start = std::time::Instant::now();
        let model = removal.judge.model();
        for attempt in 0..ATTEMPTS {
            let rows = self
                .engine
                .store
                .read(statement, self.bounds(1))
                .await
                .map_err(problem_of)?;
            let row = (!rows.captured.is_empty()).then_some(rows.captured.as_slice());
            let stored = removal.judged(row)?;
            let reach = self.reach(removal.judge.model, &stored).await?;
            let mut steps = self.reach_steps(&reach)?;
            let last = steps.len();
            steps.extend(removal.steps(&stored)?);
            let own = steps.len();
            steps.extend(private.iter().cloned());
            match self.engine.store.write(steps, self.deadline).await {
                Ok(Written::Done(_)) => {
                    self.stored(start);
                    return Ok(Answer::Done {
                        outcome: Outcome::Deleted,
                        id: None,
                    });
                }
                Ok(Written::Missed { step }) if step >= own => {
                    return Err(removal.judge.denied("delete"));
                }
                // With nothing moved since, it is the rule's other records that do not agree.
                Ok(Written::Missed { step })
                    if step == last && removal.guard.is_some() && attempt > 0 =>
                {
                    return Err(removal.judge.denied("delete"));
                }
                Err(error @ StoreError::ForeignKey { .. }) if attempt + 1 == ATTEMPTS => {
                    return Err(self.delete_problem(model, stored.id(), error).await);
                }
                Ok(Written::Missed { .. })
                | Err(StoreError::ForeignKey { .. } | StoreError::Contended) => {
                    tokio::time::sleep(backoff(attempt)).await;
                }
                Err(error) => return Err(self.delete_problem(model, stored.id(), error).await),
            }
        }
        Err(problem_of(StoreError::Contended))
    }

    /// Every record that refers to one, directly or over others, by a relation that takes along or loosens.
    async fn reach(&mut self, model: ModelId, root: &Record) -> Result<Reach> {
        let app = self.app;
        let mut reach = Reach::default();
        let mut open: Vec<(ModelId, Value)> = vec![(model, root.id().clone())];
        let mut seen = open.clone();
        while let Some((model, id)) = open.pop() {
            for inverse in &app.model(model).inverses {
                let child = app.model(inverse.model);
                let Some(relation) = child.field(inverse.field).relation() else {
                    continue;
                };
                if !matches!(relation.on_delete, OnDelete::Cascade | OnDelete::SetNull) {
                    continue;
                }
                let statement = self
                    .planner()
                    .referring(child, inverse.field, id.clone(), MAX as u32 + 1)
                    .map_err(unsupported(Code::Internal))?;
                let rows = self
                    .engine
                    .store
                    .read(&statement, self.bounds(MAX as u32 + 1))
                    .await
                    .map_err(problem_of)?;
                for row in rows.captured.chunks(statement.shape.columns.len()) {
                    let (record, _) = Record::from_row(child, row);
                    let key = (child.id, record.id().clone());
                    if relation.on_delete == OnDelete::Cascade {
                        if !seen.contains(&key) {
                            seen.push(key.clone());
                            open.push(key);
                            // Found later is further from the root: it goes first.
                            reach.deleted.insert(0, (child.id, record));
                        }
                    } else {
                        match reach
                            .loosened
                            .iter_mut()
                            .find(|(m, r, _)| (*m, r.id()) == (key.0, &key.1))
                        {
                            Some((.., fields)) => fields.push(inverse.field),
                            None => reach.loosened.push((child.id, record, vec![inverse.field])),
                        }
                    }
                }
                if reach.deleted.len() + reach.loosened.len() > MAX {
                    return Err(Problem::new(
                        Code::Restricted,
                        format!(
                            "Deleting this would change more than {MAX} other records; delete some of them first."
                        ),
                    ));
                }
            }
        }
        // What is deleted need not be loosened.
        let Reach { deleted, loosened } = &mut reach;
        loosened.retain(|(model, record, _)| {
            !deleted
                .iter()
                .any(|(m, r)| m == model && r.id() == record.id())
        });
        loosened.retain(|(m, record, _)| (*m, record.id()) != (model, root.id()));
        Ok(reach)
    }

    fn reach_steps(&self, reach: &Reach) -> Result<Vec<Step>> {
        let planner = self.planner();
        let mut steps = Vec::new();
        for (id, stored, fields) in &reach.loosened {
            let model = self.app.model(*id);
            let mut record = stored.clone();
            let version = stored.version(model);
            for field in fields {
                record.set(*field, Value::Null);
            }
            let previous = stored.logged(model, Some(fields), false);
            record.set(model.updated_at(), Value::Timestamp(self.now));
            record.set(model.version(), Value::Int(version + 1));
            let mut changed = fields.clone();
            changed.extend([model.updated_at(), model.version()]);
            let logged = Logged {
                record: Some(record.logged(model, None, true)),
                previous: Some(previous),
            };
            let for_plan = plan::write::Record {
                values: &record.values,
                extra: record.extra.as_deref().filter(|_| record.stale),
            };
            let update = planner.update(
                model,
                version,
                &changed,
                &for_plan,
                Guards::default(),
                &logged,
            );
            steps.extend(update.map_err(unsupported(Code::Internal))?);
        }
        for (id, stored) in &reach.deleted {
            let model = self.app.model(*id);
            let logged = Logged {
                record: None,
                previous: Some(stored.logged(model, None, true)),
            };
            let delete = planner.delete(model, stored.id(), stored.version(model), None, &logged);
            steps.extend(delete.map_err(unsupported(Code::Internal))?);
        }
        Ok(steps)
    }
}
