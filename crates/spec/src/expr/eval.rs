//! Deciding an expression in memory. What is compared is borrowed from the record, the caller and the
//! tree: the usual rule allocates nothing.
//!
//! The logic has two values. A comparison with null is false, `!` of it true; a null condition is
//! false. Only `== null` asks for null. The whole table is in `docs/expressions.md`; the SQL that
//! `plan` writes follows the same one, and a property test holds them against each other.
//!
//! `&&`, `||` and `? :` decide from left to right and stop as soon as the answer is known, so an
//! error behind that point is never met. The order cannot show in SQL: what can fail (arithmetic,
//! conversions) does not get there.

mod convert;
mod operand;

use super::tree::{AuthField, Comparison, Expr, ExprKind, Over, PathStep, Place, Span, TextFn};
use crate::json;
use crate::model::{FieldId, ModelId};
use crate::principal::Principal;
use crate::value::Value;
use operand::Operand;
use std::borrow::Cow;

/// A record in memory.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// By [`FieldId`]. A slot that is missing reads as null.
    pub fields: &'a [Value],
    /// The JSON object of an open model's undeclared fields.
    pub extra: Option<&'a str>,
}

impl<'a> Record<'a> {
    pub fn new(fields: &'a [Value]) -> Record<'a> {
        Record {
            fields,
            extra: None,
        }
    }

    fn get(&self, field: FieldId) -> &'a Value {
        self.fields
            .get(usize::from(field.0))
            .unwrap_or(&Value::Null)
    }
}

/// Following relations in memory: tests and `mainstay eval`; elsewhere traversing rules are SQL.
pub trait Related {
    /// The record of `model` with this id.
    fn record(&self, model: ModelId, id: &Value) -> Option<Record<'_>>;
    /// The records of `model` whose relation `field` holds this id.
    fn referring(&self, model: ModelId, field: FieldId, id: &Value) -> Vec<Record<'_>>;
}

/// What an expression is decided against.
#[derive(Clone, Copy)]
pub struct Env<'a> {
    pub this: Record<'a>,
    /// The stored record, before the write.
    pub old: Option<Record<'a>>,
    pub auth: &'a Principal,
    /// Microseconds since 1970.
    pub now: i64,
    pub related: Option<&'a dyn Related>,
}

impl<'a> Env<'a> {
    pub fn new(this: &'a [Value], auth: &'a Principal, now: i64) -> Env<'a> {
        Env {
            this: Record::new(this),
            old: None,
            auth,
            now,
            related: None,
        }
    }
}

/// Why an expression has no value. A rule then denies, a check fails, a filter is a 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    pub kind: EvalErrorKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalErrorKind {
    /// A number, moment or span of time beyond what can be kept.
    Overflow,
    DivisionByZero,
    /// A conversion whose operand does not fit.
    Conversion,
    /// It follows a relation, and nobody gave it the means.
    Traverses,
    /// It took more steps than it may.
    Budget,
}

impl std::fmt::Display for EvalError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self.kind {
            EvalErrorKind::Overflow => "the result is out of range",
            EvalErrorKind::DivisionByZero => "division by zero",
            EvalErrorKind::Conversion => "a value cannot be converted",
            EvalErrorKind::Traverses => "other records would have to be read",
            EvalErrorKind::Budget => "the expression takes too many steps",
        })
    }
}

impl std::error::Error for EvalError {}

/// Nodes visited at most: four quantifiers in each other over long lists end here, not much later.
const STEPS: u32 = 100_000;

/// Compiled patterns kept by a thread; an app has a handful.
const PATTERNS: usize = 64;

pub fn eval(expr: &Expr, env: &Env<'_>) -> Result<Value, EvalError> {
    let mut evaluation = Evaluation::new(env);
    Ok(evaluation.value(expr)?.into_value())
}

/// Whether a condition is true; null is not.
pub fn holds(expr: &Expr, env: &Env<'_>) -> Result<bool, EvalError> {
    Evaluation::new(env).truth(expr)
}

/// What a quantifier's variable stands for at the moment.
#[derive(Clone)]
enum Bound<'a> {
    Nothing,
    Record(Record<'a>),
    Element(Operand<'a>),
}

struct Evaluation<'a> {
    env: &'a Env<'a>,
    vars: Vec<Bound<'a>>,
    steps: u32,
}

type Result<T, E = EvalError> = std::result::Result<T, E>;

fn fail<T>(kind: EvalErrorKind, span: Span) -> Result<T> {
    Err(EvalError { kind, span })
}

impl<'a> Evaluation<'a> {
    fn new(env: &'a Env<'a>) -> Evaluation<'a> {
        Evaluation {
            env,
            vars: Vec::new(),
            steps: STEPS,
        }
    }

    fn truth(&mut self, expr: &'a Expr) -> Result<bool> {
        Ok(matches!(self.value(expr)?, Operand::Bool(true)))
    }

    fn value(&mut self, expr: &'a Expr) -> Result<Operand<'a>> {
        self.steps = match self.steps.checked_sub(1) {
            Some(left) => left,
            None => return fail(EvalErrorKind::Budget, expr.span),
        };
        let truth = match &expr.kind {
            ExprKind::Literal(value) => return Ok(Operand::of(value)),
            ExprKind::Field { place, field, .. } => {
                let record = self.record(place, expr.span)?;
                return Ok(record.map_or(Operand::Null, |r| Operand::of(r.get(*field))));
            }
            ExprKind::Extra { place, .. } => {
                let record = self.record(place, expr.span)?;
                return Ok(record
                    .and_then(|r| r.extra)
                    .map_or(Operand::Null, Operand::json));
            }
            ExprKind::Element(var) => {
                return Ok(match self.vars.get(usize::from(*var)) {
                    Some(Bound::Element(element)) => element.clone(),
                    _ => Operand::Null,
                });
            }
            ExprKind::Auth(field) => return Ok(self.auth(*field)),
            ExprKind::Now => return Ok(Operand::Timestamp(self.env.now)),
            ExprKind::Path { base, steps } => {
                let base = self.value(base)?;
                return Ok(base.follow(steps));
            }
            ExprKind::List(items) => {
                let items: Result<Vec<_>> = items
                    .iter()
                    .map(|item| Ok(self.value(item)?.into_value()))
                    .collect();
                return Ok(Operand::Made(Value::List(items?.into())));
            }
            ExprKind::Size(inner) => return Ok(self.value(inner)?.size()),
            ExprKind::Negate(inner) => {
                return convert::negate(self.value(inner)?, expr.span);
            }
            ExprKind::Arith { op, left, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                return convert::arithmetic(*op, left, right, expr.span);
            }
            ExprKind::Convert(inner) => {
                return convert::convert(self.value(inner)?, &expr.ty, expr.span);
            }
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                let branch = if self.truth(condition)? {
                    then
                } else {
                    otherwise
                };
                return self.value(branch);
            }
            ExprKind::Not(inner) => !self.truth(inner)?,
            ExprKind::And(items) => {
                for item in items {
                    if !self.truth(item)? {
                        return Ok(Operand::Bool(false));
                    }
                }
                true
            }
            ExprKind::Or(items) => {
                for item in items {
                    if self.truth(item)? {
                        return Ok(Operand::Bool(true));
                    }
                }
                false
            }
            ExprKind::Compare { op, left, right } => {
                let (left, right) = (self.value(left)?, self.value(right)?);
                compare(*op, &left, &right)
            }
            ExprKind::IsNull(inner) => self.value(inner)?.is_null(),
            ExprKind::In { item, list } => self.is_in(item, list)?,
            ExprKind::Quantified {
                all,
                over,
                var,
                body,
                ..
            } => self.quantified(*all, over, usize::from(*var), body, expr.span)?,
            ExprKind::Text {
                function,
                subject,
                argument,
            } => {
                let (subject, argument) = (self.value(subject)?, self.value(argument)?);
                match (subject.as_text(), argument.as_text()) {
                    (Some(subject), Some(argument)) => text(*function, &subject, &argument),
                    _ => false,
                }
            }
            ExprKind::Has(path) => self.has(path)?,
        };
        Ok(Operand::Bool(truth))
    }

    fn auth(&self, field: AuthField) -> Operand<'a> {
        let auth = self.env.auth;
        match field {
            AuthField::Id => auth.id.map_or(Operand::Null, Operand::Uuid),
            AuthField::Email => match &auth.email {
                Some(email) => Operand::Text(Cow::Borrowed(email)),
                None => Operand::Null,
            },
            AuthField::Roles => Operand::Roles(&auth.roles),
            AuthField::Kind => Operand::Text(Cow::Borrowed(auth.kind.as_str())),
        }
    }

    /// The record at a place; none where a relation on the way is null or points at nothing.
    fn record(&mut self, place: &'a Place, span: Span) -> Result<Option<Record<'a>>> {
        match place {
            Place::This => Ok(Some(self.env.this)),
            Place::Old => Ok(self.env.old),
            Place::Var(var) => Ok(match self.vars.get(usize::from(*var)) {
                Some(Bound::Record(record)) => Some(*record),
                _ => None,
            }),
            Place::Follow { base, field, to } => {
                let Some(related) = self.env.related else {
                    return fail(EvalErrorKind::Traverses, span);
                };
                let Some(base) = self.record(base, span)? else {
                    return Ok(None);
                };
                match base.get(*field) {
                    Value::Null => Ok(None),
                    id => Ok(related.record(*to, id)),
                }
            }
        }
    }

    fn is_in(&mut self, item: &'a Expr, list: &'a Expr) -> Result<bool> {
        let item = self.value(item)?;
        if let ExprKind::List(items) = &list.kind {
            for other in items {
                if compare(Comparison::Eq, &item, &self.value(other)?) {
                    return Ok(true);
                }
            }
            return Ok(false);
        }
        let list = self.value(list)?;
        if item.is_null() {
            return Ok(false);
        }
        let mut found = false;
        list.each(&mut |other| {
            found = compare(Comparison::Eq, &item, &other);
            Ok(!found)
        })?;
        Ok(found)
    }

    /// `exists`: some item fulfils the body. `all`: none fails to; of a null, or of JSON that is no
    /// array, neither can be said.
    fn quantified(
        &mut self,
        all: bool,
        over: &'a Over,
        var: usize,
        body: &'a Expr,
        span: Span,
    ) -> Result<bool> {
        if self.vars.len() <= var {
            self.vars.resize(var + 1, Bound::Nothing);
        }
        let mut decided = false;
        let mut try_one = |this: &mut Self, bound| {
            this.vars[var] = bound;
            decided = this.truth(body)? != all;
            Ok(!decided)
        };
        match over {
            Over::Related {
                place,
                model,
                field,
            } => {
                let Some(related) = self.env.related else {
                    return fail(EvalErrorKind::Traverses, span);
                };
                let records = match self.record(place, span)? {
                    Some(record) => related.referring(*model, *field, record.get(crate::model::ID)),
                    None => Vec::new(),
                };
                for record in records {
                    if !try_one(self, Bound::Record(record))? {
                        break;
                    }
                }
            }
            Over::List(list) => {
                let list = match &list.kind {
                    ExprKind::List(items) => {
                        for item in items {
                            let element = self.value(item)?;
                            if !try_one(self, Bound::Element(element))? {
                                break;
                            }
                        }
                        self.vars[var] = Bound::Nothing;
                        return Ok(decided != all);
                    }
                    _ => self.value(list)?,
                };
                if !list.is_list() {
                    return Ok(false);
                }
                list.each(&mut |element| try_one(self, Bound::Element(element)))?;
            }
        }
        self.vars[var] = Bound::Nothing;
        Ok(decided != all)
    }

    fn has(&mut self, path: &'a Expr) -> Result<bool> {
        let ExprKind::Path { base, steps } = &path.kind else {
            return Ok(!self.value(path)?.is_null());
        };
        let Some((PathStep::Member(name), before)) = steps.split_last() else {
            return Ok(!self.value(path)?.is_null());
        };
        Ok(match self.value(base)?.follow(before) {
            Operand::Json(text) => json::member(text, name).is_some(),
            _ => false,
        })
    }
}

fn compare(op: Comparison, left: &Operand<'_>, right: &Operand<'_>) -> bool {
    let ordering = left.order(right);
    match op {
        Comparison::Eq => ordering.is_some_and(|o| o.is_eq()),
        Comparison::Ne => !ordering.is_some_and(|o| o.is_eq()),
        Comparison::Lt => ordering.is_some_and(|o| o.is_lt()),
        Comparison::Le => ordering.is_some_and(|o| o.is_le()),
        Comparison::Gt => ordering.is_some_and(|o| o.is_gt()),
        Comparison::Ge => ordering.is_some_and(|o| o.is_ge()),
    }
}

fn text(function: TextFn, subject: &str, argument: &str) -> bool {
    match function {
        TextFn::StartsWith => subject.starts_with(argument),
        TextFn::EndsWith => subject.ends_with(argument),
        TextFn::Contains => subject.contains(argument),
        TextFn::Matches => matches(subject, argument),
    }
}

fn matches(subject: &str, pattern: &str) -> bool {
    use std::cell::RefCell;
    use std::collections::HashMap;
    thread_local! {
        static COMPILED: RefCell<HashMap<String, Option<regex::Regex>>> = RefCell::default();
    }
    COMPILED.with_borrow_mut(|compiled| {
        if let Some(regex) = compiled.get(pattern) {
            return regex.as_ref().is_some_and(|r| r.is_match(subject));
        }
        if compiled.len() >= PATTERNS {
            compiled.clear();
        }
        // The checker compiled it once, with the same limits.
        let regex = super::check::regex(pattern).ok();
        let found = regex.as_ref().is_some_and(|r| r.is_match(subject));
        compiled.insert(pattern.to_owned(), regex);
        found
    })
}

#[cfg(test)]
#[path = "eval/tests.rs"]
mod tests;
