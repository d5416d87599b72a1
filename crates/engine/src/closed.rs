//! Models that no rule opens to a caller: what they ask of one is answered before any name in it is looked at.
//!
//! Whether it has a field, which values that takes, what is required: all of it would be told by the errors of a request
//! that cannot succeed. So the answer is the same whatever is asked: what a model without records answers, or a denial.

use crate::answer::{Answer, Outcome};
use crate::cursor::misfit;
use crate::execute::{Engine, Run};
use crate::kept::count;
use plan::Caller;
use plan::access::{self, Verb};
use plan::operation::{Act, List, Operation};
use spec::problem::Result;
use spec::{App, KeyKind, Model, ModelId, Principal, Problem, Rule};

impl Engine {
    /// Whether the rules let this caller do nothing with a model, whatever its records are.
    pub fn is_closed(&self, app: &App, principal: &Principal, model: ModelId) -> bool {
        let now = spec::time::now_micros();
        access::is_closed(app.model(model), Caller { principal, now })
    }
}

impl Run<'_> {
    /// The answer to an operation that comes to nothing whatever it says.
    pub fn closed(&self, operation: &Operation) -> Option<Result<Answer>> {
        let model = match operation {
            Operation::List(o) => o.model,
            Operation::One(o) => o.model,
            Operation::Aggregate(o) => o.model,
            Operation::Create(o) => o.model,
            Operation::CreateMany(o) => o.model,
            Operation::Update(o) => o.model,
            Operation::UpdateMany(o) => o.matching.model,
            Operation::Replace(o) => o.model,
            Operation::Upsert(o) => o.model,
            Operation::Delete(o) => o.model,
            Operation::DeleteMany(o) => o.matching.model,
            // Each of its items is looked at.
            Operation::Batch(_) => return None,
        };
        let model = self.app.model(model);
        if let Operation::Create(_) | Operation::CreateMany(_) = operation {
            return self.not_to_create(model).map(Err);
        }
        if !access::is_closed(model, self.caller()) {
            return None;
        }
        Some(match operation {
            // An empty page leads nowhere.
            Operation::List(list) if list.cursor.is_some() => Err(misfit()),
            Operation::List(list) => Ok(empty(list)),
            Operation::Aggregate(_) => Ok(Answer::Page {
                body: b"{\"data\":[],\"more\":false}".to_vec(),
            }),
            Operation::UpdateMany(_) => Ok(count(0, Outcome::Changed)),
            Operation::DeleteMany(_) => Ok(count(0, Outcome::Deleted)),
            Operation::Replace(_) if model.key == KeyKind::Int => Err(Problem::not_found()),
            Operation::Replace(_) | Operation::Upsert(_) => {
                Err(self.judge(model.id).denied("create"))
            }
            Operation::One(_)
            | Operation::Update(_)
            | Operation::Delete(_)
            | Operation::Create(_)
            | Operation::CreateMany(_)
            | Operation::Batch(_) => Err(Problem::not_found()),
        })
    }

    /// The same of an item of a batch.
    pub fn closed_act(&self, model: &Model, act: &Act) -> Option<Problem> {
        if let Act::Create { .. } = act {
            return self.not_to_create(model);
        }
        access::is_closed(model, self.caller()).then(|| match act {
            Act::Replace { .. } if model.key == KeyKind::Int => Problem::not_found(),
            Act::Create { .. } | Act::Replace { .. } | Act::Upsert { .. } => {
                self.judge(model.id).denied("create")
            }
            Act::Update { .. } | Act::Delete { .. } => Problem::not_found(),
        })
    }

    /// Whoever may create nothing hears that, and not what a record is to have.
    fn not_to_create(&self, model: &Model) -> Option<Problem> {
        let rule = access::rule(model, Verb::Create, self.caller());
        matches!(rule, Rule::Deny).then(|| self.judge(model.id).denied("create"))
    }
}

fn empty(list: &List) -> Answer {
    let mut body = b"{\"data\":[],\"next_cursor\":null".to_vec();
    if list.count {
        body.extend_from_slice(b",\"count\":0");
    }
    if list.snippets {
        body.extend_from_slice(b",\"snippets\":[]");
    }
    body.push(b'}');
    Answer::Page { body }
}
