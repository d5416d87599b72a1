//! Mistakes in an app, as data: loaders return a value *and* everything that is wrong, at once.

use crate::expr::Span;
use std::path::PathBuf;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

/// One of the app's files, as an index into [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FileId(pub u32);

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    pub severity: Severity,
    /// Stable: `unknown-key`, `unknown-model`, `rule-type`, …
    pub code: &'static str,
    pub message: String,
    /// What the caret says, if more than the message.
    pub label: Option<String>,
    /// A way to mend it.
    pub help: Option<String>,
    pub file: FileId,
    /// Bytes in the file's text.
    pub span: Span,
}

#[derive(Debug, Clone)]
pub struct Source {
    /// Relative to the app's folder.
    pub path: PathBuf,
    pub text: String,
}

/// The texts that diagnostics point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub files: Vec<Source>,
}
