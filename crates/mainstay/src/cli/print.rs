//! What goes to a person's screen. Colour on a terminal only.

use std::fmt::Display;

/// Why a command failed, and with which exit code.
#[derive(Debug)]
pub struct Failure {
    pub code: u8,
    /// Nothing, where all has been said already.
    pub message: String,
}

pub const FAILED: u8 = 1;
pub const MISTAKES: u8 = 3;
pub const TABLES: u8 = 4;

impl Failure {
    pub fn new(message: impl Display) -> Failure {
        Failure {
            code: FAILED,
            message: message.to_string(),
        }
    }

    pub fn with_code(code: u8, message: impl Display) -> Failure {
        Failure {
            code,
            message: message.to_string(),
        }
    }
}

impl From<crate::backend::StartError> for Failure {
    fn from(error: crate::backend::StartError) -> Failure {
        let code = match error {
            crate::backend::StartError::Tables(_) => TABLES,
            _ => FAILED,
        };
        Failure::with_code(code, error)
    }
}

impl From<spec::Problem> for Failure {
    fn from(problem: spec::Problem) -> Failure {
        let cause = problem
            .cause
            .as_ref()
            .map(|c| format!(" ({c})"))
            .unwrap_or_default();
        Failure::new(format!("{problem}{cause}"))
    }
}

impl From<store::StoreError> for Failure {
    fn from(error: store::StoreError) -> Failure {
        Failure::new(error)
    }
}

/// A line for a person.
pub fn line(text: impl Display) {
    anstream::println!("{text}");
}

/// An error for a person.
pub fn error(text: &str) {
    let style = anstyle::Style::new()
        .bold()
        .fg_color(Some(anstyle::AnsiColor::Red.into()));
    anstream::eprintln!("{style}error{style:#}: {text}");
}

pub fn warning(text: &str) {
    let style = anstyle::Style::new()
        .bold()
        .fg_color(Some(anstyle::AnsiColor::Yellow.into()));
    anstream::eprintln!("{style}warning{style:#}: {text}");
}

/// `1 record`, `2 records`.
pub fn count(n: u64, what: &str) -> String {
    format!("{n} {what}{}", if n == 1 { "" } else { "s" })
}

pub fn bold(text: impl Display) -> String {
    let style = anstyle::Style::new().bold();
    format!("{style}{text}{style:#}")
}

pub fn dim(text: impl Display) -> String {
    let style = anstyle::Style::new().dimmed();
    format!("{style}{text}{style:#}")
}

pub fn good(text: impl Display) -> String {
    let style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Green.into()));
    format!("{style}{text}{style:#}")
}

pub fn bad(text: impl Display) -> String {
    let style = anstyle::Style::new().fg_color(Some(anstyle::AnsiColor::Red.into()));
    format!("{style}{text}{style:#}")
}
