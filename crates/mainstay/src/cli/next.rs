//! What to run next, as commands that can be pasted.

use super::print::{Failure, TABLES};
use crate::backend::StartError;
use std::path::Path;
use store::migrate::{Label, Plan};

/// A word as a shell takes it.
pub fn shell(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "-_./:@%+=,".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// ` APP`, or nothing for the current folder.
pub fn app(folder: &Path) -> String {
    if folder == Path::new(".") {
        return String::new();
    }
    format!(" {}", shell(&folder.to_string_lossy()))
}

/// ` --database URL`, or nothing where the command line named none: what is pasted is for the same database.
pub fn on(database: Option<&str>) -> String {
    match database {
        None => String::new(),
        // A password on the command line is there for everybody to see already, but not in every log.
        Some(url) if url.contains('@') => " --database URL".to_owned(),
        Some(url) => format!(" --database {}", shell(url)),
    }
}

/// Why an app cannot be opened, with the command that brings its tables up to date.
pub fn failure(error: StartError, folder: &Path, database: Option<&str>) -> Failure {
    match error {
        StartError::Tables(plan) => tables(&plan, folder, database),
        error @ (StartError::Database { .. }
        | StartError::Store(_)
        | StartError::Problem(_)
        | StartError::Accounts(_)
        | StartError::Address { .. }
        | StartError::Io(_)) => Failure::from(error),
    }
}

/// The database is not what the app needs. `database` is what `--database` said.
pub fn tables(plan: &Plan, folder: &Path, database: Option<&str>) -> Failure {
    let mut out = String::from("the database is not what the app needs:\n");
    for step in plan.steps.iter().filter(|step| step.needed) {
        out.push_str(&format!("  to do: {}\n", step.summary));
    }
    for difference in plan.in_the_way() {
        out.push_str(&format!("  {difference}\n"));
    }
    if plan.in_the_way().next().is_some() {
        out.push_str("next: mend what is in the way, or change the models back to what is there");
        return Failure::with_code(TABLES, out);
    }
    out.push_str(&format!(
        "next: mainstay migrate apply{}{}",
        app(folder),
        on(database)
    ));
    out.push_str(flag(plan.label()));
    out.push_str("   (`migrate plan` shows it first)");
    Failure::with_code(TABLES, out)
}

/// What `migrate apply` is to be told for such steps.
pub fn flag(label: Option<Label>) -> &'static str {
    match label {
        None | Some(Label::Safe) => "",
        Some(Label::Slow) => " --allow-slow",
        Some(Label::Destructive) => " --allow-destructive",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_pasted_is_for_the_same_database() {
        for (given, said) in [
            (None, ""),
            (Some("sqlite:other.db"), " --database sqlite:other.db"),
            (
                Some("sqlite:my other.db"),
                " --database 'sqlite:my other.db'",
            ),
            (Some("postgres://db/shop"), " --database postgres://db/shop"),
            (Some("postgres://me:secret@db/shop"), " --database URL"),
        ] {
            assert_eq!(on(given), said);
        }
    }

    #[test]
    fn a_shell_takes_words_as_one() {
        for (word, quoted) in [
            ("shop", "shop"),
            ("../a_b.c", "../a_b.c"),
            ("my shop", "'my shop'"),
            ("it's", "'it'\\''s'"),
            ("", "''"),
            ("$x", "'$x'"),
        ] {
            assert_eq!(shell(word), quoted);
        }
    }
}
