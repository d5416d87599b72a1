//! [`ast`](super::ast) → [`Expr`]: names resolved, types decided.
use super::ast;
use super::parse::{self, Limits};
use super::{Expr, ExprError};
use crate::model::{App, FieldId, ModelId};

/// What an expression is for: decides what it may name, its result, and whether it must compile to SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Read,
    Create,
    Update,
    Delete,
    FieldRead,
    FieldWrite,
    /// A field's check: memory only, so arithmetic and `matches` are open to it.
    Check,
    /// A field's default; the result has this field's type.
    Default(FieldId),
    /// A caller's filter.
    Filter,
    /// `mainstay eval` and tests: any result, memory only.
    Free,
}

/// Where an expression stands. The app's models must have their fields resolved; rules may be unset.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub app: &'a App,
    /// The model whose fields are bare names.
    pub model: Option<ModelId>,
    pub purpose: Purpose,
}

pub fn check(_ast: &ast::Expr, _scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    Ok(Expr::bool(true))
}

/// [`parse`](parse::parse), then [`check`].
pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    compile_within(text, Limits::default(), scope)
}

pub fn compile_within(
    text: &str,
    limits: Limits,
    scope: &Scope<'_>,
) -> Result<Expr, Vec<ExprError>> {
    check(&parse::parse_within(text, limits)?, scope)
}
