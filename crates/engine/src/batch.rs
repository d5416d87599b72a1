//! Several writes of records of one module, one after another in one transaction: each ruled as it would be alone,
//! by what those before it have written, and all stand or none. The first that fails decides.

use crate::act::{Acted, Acts, Bytes as Budget, Halt};
use crate::answer::{Answer, Outcome};
use crate::execute::{Companion, Run};
use crate::judge::Judge;
use crate::kept::{Kept, Part, results};
use crate::many::placed;
use crate::matching::{beside, perhaps_written, refusal};
use crate::once::Stood;
use crate::read::parse_id;
use crate::references::{Leading, Readable};
use crate::update::{Change, Way, Whose, named_by};
use bytes::Bytes;
use plan::operation::{Act, Batch, Given, Item, Precondition, Select};
use spec::input::{self, Holds, Input};
use spec::nearest::nearest;
use spec::problem::{MOST_ERRORS, Result, pointer, shown};
use spec::{FieldError, FieldId, ModelId, Problem, Value};
use std::collections::HashMap;
use std::sync::Arc;

/// An item that was read, and is still to be judged.
struct Write {
    judge: Judge,
    name: Option<String>,
    /// `/operations/2`.
    pointer: String,
    what: What,
    input: Input,
    body: Bytes,
    if_match: Option<Precondition>,
    /// References into other modules that lead nowhere.
    abroad: Vec<FieldId>,
}

enum What {
    Create,
    Change(Way, Target),
    Upsert(Vec<FieldId>),
    Delete(Target),
}

enum Target {
    Id(Value),
    /// What an item of this name wrote.
    Ref(String),
}

impl What {
    /// A delete leaves nothing to refer to.
    fn leaves(&self) -> bool {
        !matches!(self, What::Delete(_))
    }
}

impl Run<'_> {
    pub async fn batch(&mut self, batch: Batch) -> Result<Answer> {
        let most = self.app.settings.limits.batch;
        if batch.items.len() > most as usize {
            let found = format!("The batch has {} operations", batch.items.len());
            return Err(crate::act::too_many(&found, most));
        }
        let mut writes = self.read_items(batch.items)?;
        self.ask_abroad(&mut writes).await?;
        let writes = Arc::new(writes);
        let companion = self.engine.companion();
        let done = self.together(writes.len(), {
            let (writes, companion) = (Arc::clone(&writes), companion.clone());
            move |mut acts| {
                let (writes, companion) = (Arc::clone(&writes), companion.clone());
                async move {
                    let done = run(&mut acts, &writes, &companion).await?;
                    let part = |(write, (id, answer)): (&Write, &(Value, Answer))| {
                        Part::of(write.judge.model(), id, answer)
                    };
                    acts.stand(done, |done| {
                        let parts = writes.iter().zip(done).map(part);
                        Ok(Kept::Results(parts.collect::<Result<_>>()?))
                    })
                    .await
                }
            }
        });
        let done = done.await;
        if let Some(companion) = companion {
            match &done {
                Ok(Stood::Now(done)) => {
                    for (write, (id, _)) in writes.iter().zip(done) {
                        companion.written(write.judge.model(), id);
                    }
                }
                Err(problem) if perhaps_written(problem) => {
                    for write in writes.iter() {
                        if let What::Change(_, Target::Id(id)) | What::Delete(Target::Id(id)) =
                            &write.what
                        {
                            companion.written(write.judge.model(), id);
                        }
                    }
                }
                Ok(Stood::Before(_)) | Err(_) => {}
            }
        }
        let done = match done? {
            Stood::Now(done) => done,
            Stood::Before(kept) => return self.replay(kept, &Select::default()).await,
        };
        Ok(Answer::Many {
            body: results(done.iter().map(|(_, answer)| answer)),
            outcome: Outcome::Changed,
        })
    }

    /// Reads the items; what is wrong with the batch as a whole is told at once. What is wrong with the data of one
    /// waits for its turn.
    fn read_items(&self, items: Vec<Item>) -> Result<Vec<Write>> {
        let mut writes: Vec<Write> = Vec::with_capacity(items.len());
        let mut judges: HashMap<ModelId, Judge> = HashMap::new();
        let mut names = Names::default();
        let mut wrong = Vec::new();
        let mut mistakes = 0;
        let module = items
            .first()
            .map(|first| self.app.model(first.model).module);
        for (at, item) in items.into_iter().enumerate() {
            let pointer = format!("/operations/{at}");
            let model = self.app.model(item.model);
            if Some(model.module) != module {
                let first = module.map(|module| self.app.module(module).name.as_str());
                wrong.push(FieldError {
                    pointer: format!("{pointer}/model"),
                    code: "other_module",
                    detail: format!(
                        "A batch writes records of one module: {} is not of {}.",
                        model.full_name(),
                        first.unwrap_or_default()
                    ),
                });
                continue;
            }
            if let Some(problem) = self.closed_act(model, &item.act) {
                return Err(problem.within(&pointer));
            }
            let judge = judges
                .entry(model.id)
                .or_insert_with(|| self.judge(model.id))
                .clone();
            if let Act::Create { .. } | Act::Upsert { .. } = item.act {
                self.one_by_one(model.id)
                    .map_err(|problem| problem.within(&pointer))?;
            }
            let mut target = |given: Given, names: &Names| -> Target {
                match given {
                    Given::Id(id) => match parse_id(model, &id) {
                        Ok(id) => Target::Id(id),
                        Err(problem) => {
                            wrong.push(FieldError {
                                pointer: format!("{pointer}/id"),
                                code: "type",
                                detail: problem.detail,
                            });
                            Target::Id(Value::Null)
                        }
                    },
                    Given::Ref(name) => {
                        let found = names.find(&name, model.id, &model.full_name());
                        wrong.extend(found.err().map(|detail| FieldError {
                            pointer: format!("{pointer}/id"),
                            code: "ref",
                            detail,
                        }));
                        Target::Ref(name)
                    }
                }
            };
            let (what, body, if_match) = match item.act {
                Act::Create { body } => (What::Create, body, None),
                Act::Update { id, body, if_match } => {
                    let change = What::Change(Way::Patch, target(id, &names));
                    (change, body, if_match)
                }
                Act::Replace { id, body, if_match } => {
                    let change = What::Change(Way::Put, target(id, &names));
                    (change, body, if_match)
                }
                Act::Upsert {
                    key,
                    body,
                    if_match,
                } => {
                    let key = match self.resolver().unique_key(model, &key) {
                        Ok(key) => key,
                        Err(problem) => {
                            wrong.push(FieldError {
                                pointer: format!("{pointer}/key"),
                                code: "key",
                                detail: problem.detail,
                            });
                            Vec::new()
                        }
                    };
                    (What::Upsert(key), body, if_match)
                }
                Act::Delete { id, if_match } => {
                    (What::Delete(target(id, &names)), Bytes::new(), if_match)
                }
            };
            let input = match what {
                What::Delete(_) => Input::default(),
                _ => input::read_as(model, &body, &self.app.settings.limits, Holds::Refs).map_err(
                    |mut problem| {
                        problem.detail = format!("At {pointer}/body: {}", problem.detail);
                        problem
                    },
                )?,
            };
            // What is wrong with its data waits for its turn, unless there is so much that nothing else is told.
            mistakes += input.errors.len();
            if wrong.len() + mistakes >= MOST_ERRORS {
                let before = writes.iter().map(|w| (&w.pointer, &w.input.errors));
                for (pointer, errors) in before.chain([(&pointer, &input.errors)]) {
                    wrong.extend(placed(errors, &format!("{pointer}/body")));
                }
                return Err(Problem::invalid(wrong));
            }
            for (field, name) in &input.refs {
                let field = model.field(*field);
                let Some(relation) = field.relation() else {
                    continue;
                };
                let to = self.app.model(relation.to);
                if let Err(detail) = names.find(name, to.id, &to.full_name()) {
                    wrong.push(FieldError {
                        pointer: format!("{pointer}/body{}", self::pointer(&[&field.name])),
                        code: "ref",
                        detail,
                    });
                }
            }
            if let Some(name) = &item.name
                && let Err(detail) = names.add(name, model.id, what.leaves())
            {
                wrong.push(FieldError {
                    pointer: format!("{pointer}/name"),
                    code: "name",
                    detail,
                });
            }
            writes.push(Write {
                judge,
                name: item.name,
                pointer,
                what,
                input,
                body,
                if_match,
                abroad: Vec::new(),
            });
        }
        match wrong.is_empty() {
            true => Ok(writes),
            false => Err(Problem::invalid(wrong)),
        }
    }

    /// No transaction spans modules: what refers to records of another is asked before it begins.
    async fn ask_abroad(&mut self, writes: &mut [Write]) -> Result<()> {
        let mut doubtful = Vec::new();
        for (at, write) in writes.iter().enumerate() {
            let chosen = match &write.what {
                What::Create | What::Upsert(_) => write.judge.chosen(&write.input, None),
                What::Change(Way::Put, Target::Id(id)) => {
                    write.judge.chosen(&write.input, Some(id))
                }
                What::Change(Way::Put, Target::Ref(_)) => write.judge.chosen(&write.input, None),
                What::Change(Way::Patch, _) | What::Delete(_) => write.input.fields.clone(),
            };
            let references = write.judge.doubtful(&chosen, Leading::Abroad);
            doubtful.extend(references.into_iter().map(|reference| (at, reference)));
        }
        let Some(first) = writes.first() else {
            return Ok(());
        };
        let targets = doubtful.iter().map(|(_, (_, to, id))| (*to, id.clone()));
        let readable = Readable::ask(&first.judge, &mut self.asks(), targets).await?;
        for (at, (field, to, id)) in doubtful {
            if !readable.holds(to, &id) {
                writes[at].abroad.push(field);
            }
        }
        Ok(())
    }
}

/// What items are called, so far.
#[derive(Default)]
struct Names {
    known: HashMap<String, (ModelId, bool)>,
}

impl Names {
    fn add(&mut self, name: &str, model: ModelId, leaves: bool) -> std::result::Result<(), String> {
        let is_name = !name.is_empty() && name.len() <= 64 && !name.contains(char::is_control);
        if !is_name {
            return Err("A name has 1 to 64 bytes.".to_owned());
        }
        match self.known.insert(name.to_owned(), (model, leaves)) {
            None => Ok(()),
            Some(_) => Err(format!("An earlier operation is called {name}, too.")),
        }
    }

    /// Whether an earlier item of this name writes a record of this model.
    fn find(
        &self,
        name: &str,
        model: ModelId,
        model_name: &str,
    ) -> std::result::Result<(), String> {
        match self.known.get(name) {
            Some((of, true)) if *of == model => Ok(()),
            Some((_, true)) => Err(format!("{name} writes no record of {model_name}.")),
            Some((_, false)) => Err(format!("{name} deletes its record.")),
            None => {
                // With many names the search costs more than the hint is worth.
                let few = self.known.len() <= 64;
                let known = self.known.keys().map(String::as_str);
                Err(match nearest(name, known.filter(|_| few)) {
                    Some(near) => format!(
                        "No earlier operation is called {}; did you mean {near}?",
                        shown(name)
                    ),
                    None => format!("No earlier operation is called {}.", shown(name)),
                })
            }
        }
    }
}

/// Does one item after another. Answers of each the key of its record, and what it answers.
async fn run(
    acts: &mut Acts,
    writes: &[Write],
    companion: &Option<Arc<dyn Companion>>,
) -> Acted<Vec<(Value, Answer)>> {
    let mut made: HashMap<&str, Value> = HashMap::new();
    let mut done = Vec::with_capacity(writes.len());
    let mut bytes = writes
        .first()
        .map(|write| Budget::of(&write.judge.app.settings.limits));
    for write in writes {
        let (id, answer) = act(acts, write, &made, companion)
            .await
            .map_err(|halt| write.place(halt))?;
        if let Some(bytes) = &mut bytes {
            bytes.take(answer.body().map_or(0, <[u8]>::len))?;
        }
        if let Some(name) = &write.name {
            made.insert(name, id.clone());
        }
        done.push((id, answer));
    }
    Ok(done)
}

async fn act(
    acts: &mut Acts,
    write: &Write,
    made: &HashMap<&str, Value>,
    companion: &Option<Arc<dyn Companion>>,
) -> Acted<(Value, Answer)> {
    let (judge, select) = (&write.judge, Select::default());
    let mut input = write.input.clone();
    for (field, name) in &write.input.refs {
        // Every name is known: that was looked at before.
        let id = made.get(name.as_str()).cloned().unwrap_or(Value::Null);
        input.fields.retain(|(of, _)| of != field);
        input.fields.push((*field, id));
    }
    let id_of = |target: &Target| match target {
        Target::Id(id) => id.clone(),
        Target::Ref(name) => made.get(name.as_str()).cloned().unwrap_or(Value::Null),
    };
    let (way, whose) = match &write.what {
        What::Create => {
            let mut unreadable = write.abroad.clone();
            let asks = &mut crate::references::Asks::Tx(&mut acts.tx);
            let chosen = judge.chosen(&input, None);
            let inside = judge.unreadable(asks, &chosen, Leading::Inside);
            unreadable.extend(inside.await?);
            let draft = judge.draft(&input, None, &unreadable)?;
            let record = acts.create(judge, draft, Vec::new()).await?;
            let answer = acts.show(judge, &record, &select, Outcome::Created).await?;
            return Ok((record.id().clone(), answer));
        }
        What::Delete(target) => {
            let id = id_of(target);
            let beside = beside(companion, judge.model(), &id, None);
            let if_match = write.if_match.clone();
            acts.remove(judge, id.clone(), if_match, beside.steps)
                .await
                .map_err(|halt| instead(judge, halt, &beside.missed))?;
            let answer = Answer::Done {
                outcome: Outcome::Deleted,
                id: None,
            };
            return Ok((id, answer));
        }
        What::Change(way, target) => (*way, Whose::Id(id_of(target))),
        What::Upsert(key) => (Way::Put, named_by(judge, &input, key)?),
    };
    let beside = match &whose {
        Whose::Id(id) => beside(companion, judge.model(), id, Some(&write.body)),
        Whose::Unique(_) | Whose::Matching => crate::execute::Beside::default(),
    };
    let change = Change {
        way,
        whose,
        input,
        if_match: write.if_match.clone(),
        if_absent: false,
    };
    let (record, outcome) = acts
        .change(judge, change, &write.abroad, &beside.steps)
        .await
        .map_err(|halt| instead(judge, halt, &beside.missed))?;
    let answer = acts.show(judge, &record, &select, outcome).await?;
    Ok((record.id().clone(), answer))
}

fn instead(judge: &Judge, halt: Halt, missed: &Option<Problem>) -> Halt {
    match halt {
        Halt::Problem(problem) => Halt::Problem(refusal(judge, problem, missed)),
        halt => halt,
    }
}

impl Write {
    /// Errors of values are in the body, the others of the item.
    fn place(&self, halt: Halt) -> Halt {
        match halt {
            Halt::Problem(problem) if problem.errors.is_empty() => {
                Halt::Problem(problem.within(&self.pointer))
            }
            halt => match self.what {
                What::Delete(_) => halt,
                What::Create | What::Change(..) | What::Upsert(_) => halt.within("/body"),
            }
            .within(&self.pointer),
        }
    }
}
