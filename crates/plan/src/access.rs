//! Which rule binds a caller. Deny by default; a rule is folded for the caller before anything else sees it.

use crate::Caller;
use spec::expr::ExprKind;
use spec::expr::fold::{self, Known};
use spec::{Field, Model, Rule, Value};
use std::borrow::Cow;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verb {
    Read,
    Create,
    Update,
    Delete,
}

impl Verb {
    pub fn name(self) -> &'static str {
        match self {
            Verb::Read => "read",
            Verb::Create => "create",
            Verb::Update => "update",
            Verb::Delete => "delete",
        }
    }
}

pub fn declared(model: &Model, verb: Verb) -> &Rule {
    match verb {
        Verb::Read => &model.access.read,
        Verb::Create => &model.access.create,
        Verb::Update => &model.access.update,
        Verb::Delete => &model.access.delete,
    }
}

/// What is left of a model's rule once the caller is known.
pub fn rule(model: &Model, verb: Verb, caller: Caller<'_>) -> Rule {
    fold_for(declared(model, verb), caller)
}

/// Whether the caller can do nothing with the model's records, whatever they are: only what may be read can be changed
/// or deleted.
pub fn is_closed(model: &Model, caller: Caller<'_>) -> bool {
    let denied = |verb| matches!(rule(model, verb, caller), Rule::Deny);
    denied(Verb::Read) && denied(Verb::Create)
}

/// Whether, and for which records, the caller sees this field.
pub fn field_read(field: &Field, caller: Caller<'_>) -> Rule {
    fold_for(&field.read, caller)
}

/// Whether, and for which records, the caller may set this field.
pub fn field_write(field: &Field, caller: Caller<'_>) -> Rule {
    fold_for(&field.write, caller)
}

fn fold_for(rule: &Rule, caller: Caller<'_>) -> Rule {
    if caller.principal.above_rules() {
        return Rule::Allow;
    }
    match rule {
        Rule::Allow => Rule::Allow,
        Rule::Deny => Rule::Deny,
        Rule::When(expr) => {
            let folded = fold::fold(
                expr,
                Known {
                    auth: Some(caller.principal),
                    now: Some(caller.now),
                },
            );
            match folded {
                folded if folded.kind == ExprKind::Literal(Value::Bool(true)) => Rule::Allow,
                // A null condition is a false one.
                folded if matches!(folded.kind, ExprKind::Literal(_)) => Rule::Deny,
                Cow::Borrowed(_) => Rule::When(Arc::clone(expr)),
                Cow::Owned(folded) => Rule::When(Arc::new(folded)),
            }
        }
    }
}
