//! Deletes that take other records along (`on_delete = "cascade"`) or loosen them (`"set_null"`): carried out
//! here and not by the database, so that each is an ordinary write with its row of the change log. Only the
//! parent's delete rule is asked. Everything is written at the versions that were read; foreign keys refuse
//! what came in between, and then all of it is read again.

use crate::act::too_many;
use crate::answer::{Answer, Outcome};
use crate::delete::{Removal, steps_of};
use crate::execute::{ATTEMPTS, Run, backoff, unsupported};
use crate::judge::Judge;
use crate::order::{Reference, order};
use crate::record::Record;
use crate::references::Asks;
use plan::write::{Guards, Logged};
use spec::problem::Result;
use spec::statement::{Statement, Step, Written};
use spec::{App, Code, FieldId, ModelId, OnDelete, Problem, Rule, Value};
use std::collections::{BTreeMap, HashMap, HashSet};
use store::StoreError;
use store::error::problem_of;

/// Records that one delete may take along or loosen.
const MAX: usize = 1000;

/// What a delete reaches.
pub(crate) struct Reach {
    /// What goes; the record to delete comes first.
    going: Vec<(ModelId, Record)>,
    /// What stays without these references.
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
        let mut missed = false;
        let mut id = Value::Null;
        for attempt in 0..ATTEMPTS {
            let rows = self
                .engine
                .store
                .read(statement, self.bounds(1))
                .await
                .map_err(problem_of)?;
            let row = (!rows.captured.is_empty()).then_some(rows.captured.as_slice());
            let stored = removal.judged(row)?;
            id = stored.id().clone();
            let judge = &removal.judge;
            let mut reach = Reach::of(judge, &mut self.asks(), stored, None).await?;
            let (mut steps, asks) = reach.steps(judge, removal.guard.as_ref())?;
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
                    if step == asks && removal.guard.is_some() && attempt > 0 =>
                {
                    return Err(removal.judge.denied("delete"));
                }
                Err(error @ StoreError::ForeignKey { .. }) if attempt + 1 == ATTEMPTS => {
                    return Err(self.delete_problem(&reach.keys(), error).await);
                }
                written @ (Ok(Written::Missed { .. })
                | Err(StoreError::ForeignKey { .. } | StoreError::Contended)) => {
                    missed = matches!(written, Ok(Written::Missed { .. }));
                    tokio::time::sleep(backoff(attempt)).await;
                }
                Err(error) => return Err(self.delete_problem(&reach.keys(), error).await),
            }
        }
        match removal.judge.model().existing {
            // Each time, with nobody else about: a trigger keeps one of the records.
            Some(_) if missed => Err(removal.judge.missed("delete", false)),
            // Beaten each time: in a transaction that locks what it reads, or has SQLite's writer for itself.
            _ => {
                let (judge, if_match) = (removal.judge.clone(), removal.if_match.clone());
                self.delete_once(judge, id, if_match, private).await
            }
        }
    }
}

fn keys(records: &[(ModelId, Record)]) -> impl Iterator<Item = (ModelId, String)> {
    let key = |(model, record): &(ModelId, Record)| (*model, record.id().key_text());
    records.iter().map(key)
}

impl Reach {
    /// Every record that refers to one, directly or over others, by a relation that takes along or loosens.
    /// `left` is how many of them a request over many records may still reach.
    pub async fn of(
        judge: &Judge,
        asks: &mut Asks<'_>,
        root: Record,
        left: Option<usize>,
    ) -> Result<Reach> {
        let (app, model) = (&judge.app, judge.model);
        let most = left.unwrap_or(MAX).min(MAX);
        let mut going = vec![(model, root)];
        let mut seen: HashSet<(ModelId, String)> = keys(&going).collect();
        let mut loosened: BTreeMap<(ModelId, String), (Record, Vec<FieldId>)> = BTreeMap::new();
        let mut next = 0;
        while let Some((model, record)) = going.get(next) {
            let (model, id) = (*model, record.id().clone());
            next += 1;
            for inverse in &app.model(model).inverses {
                let child = app.model(inverse.model);
                let Some(relation) = child.field(inverse.field).relation() else {
                    continue;
                };
                if !matches!(relation.on_delete, OnDelete::Cascade | OnDelete::SetNull) {
                    continue;
                }
                let statement = judge
                    .planner()
                    .referring(child, inverse.field, id.clone(), most as u32 + 1)
                    .map_err(unsupported(Code::Internal))?;
                let width = statement.shape.columns.len();
                let rows = asks.read(statement, most as u32 + 1).await?;
                for row in rows.captured.chunks(width) {
                    let (record, _) = Record::from_row(child, row);
                    let key = (child.id, record.id().key_text());
                    if relation.on_delete == OnDelete::SetNull {
                        let (_, fields) = loosened.entry(key).or_insert((record, Vec::new()));
                        fields.push(inverse.field);
                    } else if seen.insert(key) {
                        going.push((child.id, record));
                    }
                }
                let others = going.len() - 1 + loosened.len();
                if others > MAX {
                    return Err(Problem::new(
                        Code::Restricted,
                        format!(
                            "Deleting this would change more than {MAX} other records; delete some of them first."
                        ),
                    ));
                }
                if others > most {
                    let most = app.settings.limits.batch;
                    return Err(too_many(
                        "With what goes along, there are more records",
                        most,
                    ));
                }
            }
        }
        // What goes need not be loosened.
        let loosened = loosened
            .into_iter()
            .filter(|(key, _)| !seen.contains(key))
            .map(|((model, _), (record, fields))| (model, record, fields))
            .collect();
        Ok(Reach { going, loosened })
    }

    /// The steps, and which of them asks the delete rule where that needs other records (`guard`).
    pub fn steps(&mut self, judge: &Judge, guard: Option<&Rule>) -> Result<(Vec<Step>, usize)> {
        let mut steps = Vec::new();
        for (model, record, fields) in &mut self.loosened {
            steps.extend(loosen(judge, *model, record, fields, None)?);
        }
        let (references, fields) = self.references(&judge.app);
        let order = order(self.going.len(), &references).ok_or_else(|| {
            Problem::new(
                Code::Restricted,
                "Records that would be deleted with this one refer to one another in a circle, by fields that must \
                 have a value: change one of these references first.",
            )
        })?;
        let mut nulls: BTreeMap<usize, Vec<FieldId>> = BTreeMap::new();
        for at in order.loosened {
            nulls
                .entry(references[at].from)
                .or_default()
                .push(fields[at]);
        }
        let mut asks = None;
        for (at, fields) in nulls {
            // Of the record as it is stored, so that loosening it changes nothing about the rule.
            let guard = guard.filter(|_| at == 0);
            if at == 0 {
                asks = Some(steps.len());
            }
            let (model, record) = &mut self.going[at];
            steps.extend(loosen(judge, *model, record, &fields, guard)?);
        }
        for at in order.records {
            let guard = guard.filter(|_| at == 0 && asks.is_none());
            if at == 0 && asks.is_none() {
                asks = Some(steps.len());
            }
            let (model, record) = &self.going[at];
            let model = judge.app.model(*model);
            steps.extend(steps_of(judge.planner(), model, record, guard)?);
        }
        Ok((steps, asks.unwrap_or_default()))
    }

    /// How many records it changes beside the one to delete.
    pub fn others(&self) -> usize {
        self.going.len() - 1 + self.loosened.len()
    }

    /// What goes, by key.
    pub fn keys(&self) -> Vec<(ModelId, Value)> {
        let key = |(model, record): &(ModelId, Record)| (*model, record.id().clone());
        self.going.iter().map(key).collect()
    }

    /// Which of what goes refers to which, by whatever relation, and each one's field.
    fn references(&self, app: &App) -> (Vec<Reference>, Vec<FieldId>) {
        let places: HashMap<(ModelId, String), usize> = keys(&self.going).zip(0..).collect();
        let mut out = (Vec::new(), Vec::new());
        for (from, (model, record)) in self.going.iter().enumerate() {
            for field in &app.model(*model).fields {
                let Some(relation) = field.relation() else {
                    continue;
                };
                let id = record.get(field.id);
                if id.is_null() {
                    continue;
                }
                if let Some(to) = places.get(&(relation.to, id.key_text())) {
                    out.0.push(Reference {
                        from,
                        to: *to,
                        optional: field.optional,
                    });
                    out.1.push(field.id);
                }
            }
        }
        out
    }
}

/// Sets references of a record to null; `guard` asks a rule of it as it is stored.
fn loosen(
    judge: &Judge,
    model: ModelId,
    record: &mut Record,
    fields: &[FieldId],
    guard: Option<&Rule>,
) -> Result<Vec<Step>> {
    let model = judge.app.model(model);
    let version = record.version(model);
    let previous = record.logged(model, Some(fields), false);
    for field in fields {
        record.set(*field, Value::Null);
    }
    let mut changed = fields.to_vec();
    changed.extend(record.touched(model, judge.now));
    let logged = Logged {
        record: Some(record.logged(model, None, true)),
        previous: Some(previous),
    };
    let for_plan = plan::write::Record {
        values: &record.values,
        extra: record.extra.as_deref().filter(|_| record.stale),
        left_out: &[],
    };
    let guards = Guards {
        stored: guard,
        result: None,
    };
    judge
        .planner()
        .update(model, version, &changed, &for_plan, guards, &logged)
        .map_err(unsupported(Code::Internal))
}
