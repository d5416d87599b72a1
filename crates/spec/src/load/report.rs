//! Where the loader puts what it finds wrong.

use crate::diagnostic::{Diagnostic, FileId, Severity};
use crate::expr::Span;
use std::collections::{HashMap, HashSet};
use std::ops::Range;

/// A place in one of the app's files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct At {
    pub file: FileId,
    pub span: Span,
}

impl At {
    /// Files are bounded, so every place fits.
    pub(super) fn new(file: FileId, range: Range<usize>) -> At {
        At {
            file,
            span: Span {
                start: range.start as u32,
                end: range.end as u32,
            },
        }
    }

    /// The beginning of a file: for what is wrong with the whole of it.
    pub(super) fn top(file: FileId) -> At {
        At::new(file, 0..0)
    }
}

/// Something, and where it was written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Located<T> {
    pub value: T,
    pub at: At,
}

#[derive(Debug, Default)]
pub(super) struct Report {
    pub diagnostics: Vec<Diagnostic>,
    /// Files whose TOML does not parse. What was recovered from them tells other files which names
    /// exist, but complaints about it would be about our guesses, not about what somebody wrote.
    muted: HashSet<FileId>,
    errors: usize,
    by_file: HashMap<FileId, Count>,
    /// Where what is not kept is written.
    spare: Option<Diagnostic>,
}

/// How much is said about one file. Nobody mends more at a time, and a file of a megabyte can hold
/// some hundred thousand mistakes.
const MAX_SHOWN: usize = 200;

#[derive(Debug, Default)]
struct Count {
    shown: usize,
    /// How many are not, and where the first of them is.
    beyond: usize,
    first: Option<At>,
}

impl Report {
    pub fn error(
        &mut self,
        at: At,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Error, at, code, message.into())
    }

    pub fn warning(
        &mut self,
        at: At,
        code: &'static str,
        message: impl Into<String>,
    ) -> &mut Diagnostic {
        self.add(Severity::Warning, at, code, message.into())
    }

    fn add(
        &mut self,
        severity: Severity,
        at: At,
        code: &'static str,
        message: String,
    ) -> &mut Diagnostic {
        let diagnostic = Diagnostic {
            severity,
            code,
            message,
            label: None,
            help: None,
            file: at.file,
            span: at.span,
        };
        self.errors += usize::from(diagnostic.is_error());
        let count = self.by_file.entry(at.file).or_default();
        if count.shown == MAX_SHOWN {
            count.beyond += 1;
            count.first.get_or_insert(at);
            return self.spare.insert(diagnostic);
        }
        count.shown += 1;
        let place = self.diagnostics.len();
        self.diagnostics.push(diagnostic);
        &mut self.diagnostics[place]
    }

    /// Whether anything more about this file would be shown: the search for words that could have been
    /// meant costs more than all the rest.
    pub fn is_full(&self, file: FileId) -> bool {
        self.by_file
            .get(&file)
            .is_some_and(|count| count.shown == MAX_SHOWN)
    }

    /// From now on nothing more is said about this file.
    pub fn mute(&mut self, file: FileId) {
        self.muted.insert(file);
    }

    /// Whether the file's TOML does not parse: of what is in it nothing is known for certain.
    pub fn is_muted(&self, file: FileId) -> bool {
        self.muted.contains(&file)
    }

    pub fn has_errors(&self) -> bool {
        self.errors > 0
    }

    /// What to show: muted files show only why they do not parse.
    pub fn finish(mut self) -> Vec<Diagnostic> {
        let muted = &self.muted;
        self.diagnostics
            .retain(|d| d.code == super::walk::SYNTAX || !muted.contains(&d.file));
        for count in self.by_file.values() {
            let Some(at) = count.first else { continue };
            self.diagnostics.push(Diagnostic {
                severity: Severity::Error,
                code: "more-mistakes",
                message: format!("there are {} more mistakes in this file", count.beyond),
                label: None,
                help: Some("mend those that are shown first".to_owned()),
                file: at.file,
                span: at.span,
            });
        }
        crate::diagnostic::sort(&mut self.diagnostics);
        self.diagnostics.dedup();
        self.diagnostics
    }
}
