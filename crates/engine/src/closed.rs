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
use plan::operation::{Act, Operation};
use spec::problem::Result;
use spec::{App, KeyKind, Model, ModelId, Principal, Problem, Rule};

impl Engine {
    /// Whether the rules let this caller do nothing with a model, whatever its records are.
    pub fn is_closed(&self, app: &App, principal: &Principal, model: ModelId) -> bool {
        let now = spec::time::now_micros();
        access::is_closed(app.model(model), Caller { principal, now })
    }
}

/// What a read of records is, without what it names. It is the commonest of all, and a rule is not folded once more for
/// each: where it succeeds, its answer is that of a model without records; where it fails, it is looked at again.
#[derive(Clone, Copy)]
pub(crate) struct Look {
    model: ModelId,
    /// None of a single record.
    page: Option<Page>,
}

#[derive(Clone, Copy)]
struct Page {
    counts: bool,
    snippets: bool,
    goes_on: bool,
}

impl Look {
    pub fn of(operation: &Operation) -> Option<Look> {
        match operation {
            Operation::List(list) => Some(Look {
                model: list.model,
                page: Some(Page {
                    counts: list.count,
                    snippets: list.snippets,
                    goes_on: list.cursor.is_some(),
                }),
            }),
            Operation::One(one) => Some(Look {
                model: one.model,
                page: None,
            }),
            _ => None,
        }
    }
}

impl Run<'_> {
    /// The answer to a read that failed, where it could come to nothing.
    pub fn closed_look(&self, look: Look) -> Option<Result<Answer>> {
        access::is_closed(self.app.model(look.model), self.caller()).then(|| match look.page {
            None => Err(Problem::not_found()),
            // An empty page leads nowhere.
            Some(page) if page.goes_on => Err(misfit()),
            Some(page) => Ok(empty(page)),
        })
    }

    /// The answer to another operation that comes to nothing whatever it says.
    pub fn closed(&self, operation: &Operation) -> Option<Result<Answer>> {
        let model = match operation {
            // See `closed_look`; and of a batch each item is looked at.
            Operation::List(_) | Operation::One(_) | Operation::Batch(_) => return None,
            Operation::Aggregate(o) => o.model,
            Operation::Create(o) => o.model,
            Operation::CreateMany(o) => o.model,
            Operation::Update(o) => o.model,
            Operation::UpdateMany(o) => o.matching.model,
            Operation::Replace(o) => o.model,
            Operation::Upsert(o) => o.model,
            Operation::Delete(o) => o.model,
            Operation::DeleteMany(o) => o.matching.model,
        };
        let model = self.app.model(model);
        if let Operation::Create(_) | Operation::CreateMany(_) = operation {
            return self.not_to_create(model).map(Err);
        }
        if !access::is_closed(model, self.caller()) {
            return None;
        }
        Some(match operation {
            Operation::Aggregate(_) => Ok(Answer::Page {
                body: b"{\"data\":[],\"more\":false}".to_vec(),
            }),
            Operation::UpdateMany(_) => Ok(count(0, Outcome::Changed)),
            Operation::DeleteMany(_) => Ok(count(0, Outcome::Deleted)),
            Operation::Replace(_) if model.key == KeyKind::Int => Err(Problem::not_found()),
            Operation::Replace(_) | Operation::Upsert(_) => {
                Err(self.judge(model.id).denied("create"))
            }
            _ => Err(Problem::not_found()),
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

fn empty(page: Page) -> Answer {
    let mut body = b"{\"data\":[],\"next_cursor\":null".to_vec();
    if page.counts {
        body.extend_from_slice(b",\"count\":0");
    }
    if page.snippets {
        body.extend_from_slice(b",\"snippets\":[]");
    }
    body.push(b'}');
    Answer::Page { body }
}
