//! Tokens → [`ast`](super::ast).
use super::Span;
use super::ast;
use super::error::ExprError;

/// What an expression may be at most, so that no input can exhaust the stack or the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the text.
    pub bytes: u32,
    /// Of the tree.
    pub nodes: u32,
    /// Of brackets, calls and conditionals in each other.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 4096,
            nodes: 500,
            depth: 32,
        }
    }
}

pub fn parse(text: &str) -> Result<ast::Expr, Vec<ExprError>> {
    parse_within(text, Limits::default())
}

pub fn parse_within(_text: &str, _limits: Limits) -> Result<ast::Expr, Vec<ExprError>> {
    Err(vec![ExprError::new(
        "expr-syntax",
        Span::default(),
        "not yet",
    )])
}
