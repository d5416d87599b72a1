//! What is wrong with an expression, in words a person can act on.

use super::Span;
use std::fmt;

/// One mistake. Spans count bytes from the start of the expression's text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExprError {
    /// Stable: `expr-syntax`, `expr-unknown-name`, `expr-type`, … (all of them in `docs/expressions.md`).
    pub code: &'static str,
    pub span: Span,
    pub message: String,
    /// A way to mend it.
    pub help: Option<String>,
}

impl ExprError {
    pub fn new(code: &'static str, span: Span, message: impl Into<String>) -> ExprError {
        ExprError {
            code,
            span,
            message: message.into(),
            help: None,
        }
    }

    #[must_use]
    pub fn help(mut self, help: impl Into<String>) -> ExprError {
        self.help = Some(help.into());
        self
    }
}

impl fmt::Display for ExprError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)?;
        if let Some(help) = &self.help {
            write!(f, " ({help})")?;
        }
        Ok(())
    }
}

impl std::error::Error for ExprError {}
