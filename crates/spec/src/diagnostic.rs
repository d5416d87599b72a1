//! Mistakes in an app, as data: loaders return a value *and* everything that is wrong, at once.
//!
//! [`render`] prints them for people, [`to_json`] for editors and scripts.

use crate::expr::Span;
use annotate_snippets::{AnnotationKind, Level, Origin, Renderer, Snippet};
use serde_json::json;
use std::ops::Range;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Severity {
    Error,
    Warning,
}

impl Severity {
    pub fn name(self) -> &'static str {
        match self {
            Severity::Error => "error",
            Severity::Warning => "warning",
        }
    }
}

/// One of the app's files, as an index into [`Sources`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
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

impl Diagnostic {
    pub fn is_error(&self) -> bool {
        self.severity == Severity::Error
    }

    /// Says at the caret what the message does not.
    pub fn label(&mut self, label: impl Into<String>) -> &mut Diagnostic {
        self.label = Some(label.into());
        self
    }

    /// Says how to mend it.
    pub fn help(&mut self, help: impl Into<String>) -> &mut Diagnostic {
        self.help = Some(help.into());
        self
    }
}

#[derive(Debug, Clone)]
pub struct Source {
    /// Relative to the app's folder, until [`Sources::seen_from_outside`].
    pub path: PathBuf,
    pub text: String,
}

/// The texts that diagnostics point into.
#[derive(Debug, Clone, Default)]
pub struct Sources {
    pub files: Vec<Source>,
}

/// Where something is, for people: both from 1, columns in code points.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    pub line: usize,
    pub column: usize,
}

impl Sources {
    pub fn get(&self, file: FileId) -> Option<&Source> {
        self.files.get(file.0 as usize)
    }

    /// Gives paths as they are found from where `folder` was named, so that a click on one opens the file.
    pub fn seen_from_outside(&mut self, folder: &Path) {
        if folder == Path::new(".") {
            return;
        }
        // What is built in is no file.
        let files = self.files.iter_mut();
        for source in files.filter(|source| !source.path.starts_with("(built in)")) {
            source.path = folder.join(&source.path);
        }
    }

    /// The line and column of a byte of a file. What lies outside the text is put at its end.
    pub fn position(&self, file: FileId, byte: u32) -> Position {
        let text = self.get(file).map_or("", |source| &source.text);
        let before = &text[..boundary(text, byte as usize)];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }
}

/// `byte`, moved back to where a character begins and into the text.
fn boundary(text: &str, byte: usize) -> usize {
    let mut at = byte.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn range(text: &str, span: Span) -> Range<usize> {
    let start = boundary(text, span.start as usize);
    start..boundary(text, span.end as usize).max(start)
}

/// In the order in which somebody mends them: by file, by place, errors before warnings.
pub fn sort(diagnostics: &mut [Diagnostic]) {
    diagnostics.sort_by_key(|d| (d.file, d.span.start, !d.is_error(), d.span.end));
}

/// What a person reads: file, line, column, the line itself with a caret, and a way to mend it.
///
/// Ends with a newline unless there is nothing to say.
pub fn render(diagnostics: &[Diagnostic], sources: &Sources, colour: bool) -> String {
    let renderer = if colour {
        Renderer::styled()
    } else {
        Renderer::plain()
    };
    let mut out = String::new();
    for diagnostic in diagnostics {
        if !out.is_empty() {
            out.push('\n');
        }
        out.push_str(&render_one(diagnostic, sources, &renderer));
        out.push('\n');
    }
    out
}

fn render_one(diagnostic: &Diagnostic, sources: &Sources, renderer: &Renderer) -> String {
    let level = match diagnostic.severity {
        Severity::Error => Level::ERROR,
        Severity::Warning => Level::WARNING,
    };
    let title = level
        .primary_title(diagnostic.message.as_str())
        .id(diagnostic.code);
    let (path, text) = sources.get(diagnostic.file).map_or_else(
        || (String::new(), ""),
        |source| (source.path.display().to_string(), source.text.as_str()),
    );
    let marked = range(text, diagnostic.span);
    // Only the lines that are shown: the renderer copies all it is given, for each mistake.
    let first = text[..marked.start].rfind('\n').map_or(0, |at| at + 1);
    let last = text[marked.end..]
        .find('\n')
        .map_or(text.len(), |at| marked.end + at);
    let line = text[..first].matches('\n').count() + 1;
    let mut annotation = AnnotationKind::Primary.span(marked.start - first..marked.end - first);
    if let Some(label) = &diagnostic.label {
        annotation = annotation.label(label.as_str());
    }
    let mut group = match text.is_empty() {
        // A file that is not there, or that was not read, has no line to show.
        true => title.element(Origin::path(path)),
        false => title.element(
            Snippet::source(&text[first..last])
                .path(path)
                .line_start(line)
                .annotation(annotation),
        ),
    };
    if let Some(help) = &diagnostic.help {
        group = group.element(Level::HELP.message(help.as_str()));
    }
    renderer.render(&[group])
}

/// What `check --format json` prints: an object for each, with places both in bytes and for people.
pub fn to_json(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<serde_json::Value> {
    diagnostics
        .iter()
        .map(|d| {
            let start = sources.position(d.file, d.span.start);
            let end = sources.position(d.file, d.span.end);
            json!({
                "severity": d.severity.name(),
                "code": d.code,
                "message": d.message,
                "label": d.label,
                "help": d.help,
                "path": sources.get(d.file).map(|s| s.path.display().to_string()),
                "line": start.line,
                "column": start.column,
                "byte": d.span.start,
                "end": { "line": end.line, "column": end.column, "byte": d.span.end },
            })
        })
        .collect()
}
