//! Deciding an expression in memory.

use super::tree::{Expr, Span};
use crate::model::{FieldId, ModelId};
use crate::principal::Principal;
use crate::value::Value;

/// A record in memory.
#[derive(Debug, Clone, Copy)]
pub struct Record<'a> {
    /// By [`FieldId`]. A slot that is missing reads as null.
    pub fields: &'a [Value],
    /// The JSON object of an open model's undeclared fields.
    pub extra: Option<&'a str>,
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

/// Why an expression has no value. A rule then denies, a check fails, a filter is a 400.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EvalError {
    pub kind: EvalErrorKind,
    pub span: Span,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum EvalErrorKind {
    Overflow,
    DivisionByZero,
    /// A conversion whose operand does not fit.
    Conversion,
    /// It follows a relation, and nobody gave it the means.
    Traverses,
    /// It took more steps than it may.
    Budget,
}

pub fn eval(_expr: &Expr, _env: &Env<'_>) -> Result<Value, EvalError> {
    Ok(Value::Null)
}

/// Whether a condition is true; null is not.
pub fn holds(expr: &Expr, env: &Env<'_>) -> Result<bool, EvalError> {
    Ok(eval(expr, env)? == Value::Bool(true))
}
