//! Data steps: SQL files of the app, run once each in the order of their names.

use super::files::Role;
use super::report::{At, Report};
use super::transactions;
use crate::diagnostic::Sources;
use crate::schema::{DataStep, Dialect};
use std::sync::Arc;

const NAMED: &str = "call it after the day and what it does: `2026-11-28-split-name.sql`";

/// Sorted by name, which begins with a date.
pub(super) fn read(files: &[(At, Role)], sources: &Sources, report: &mut Report) -> Vec<DataStep> {
    let mut steps: Vec<DataStep> = Vec::new();
    for (at, role) in files {
        let Role::DataStep { name, dialect } = role else {
            continue;
        };
        let text = sources.get(at.file).map_or("", |source| &source.text);
        if !is_named(name) {
            report
                .error(
                    *at,
                    "bad-data-step",
                    format!("`{name}` is not a good name for a data step"),
                )
                .label("a date, then lower-case letters, digits, `-` and `_`")
                .help(NAMED);
            continue;
        }
        if text.trim().is_empty() || text.contains('\0') {
            report
                .error(*at, "bad-data-step", "this data step has no SQL in it")
                .help("write the statements, each ended by `;`, or remove the file");
            continue;
        }
        let for_both = [Dialect::Sqlite, Dialect::Postgres];
        let of = for_both
            .into_iter()
            .filter(|of| dialect.is_none_or(|one| one == *of));
        let mut found: Vec<_> = of.flat_map(|of| transactions::of(text, of)).collect();
        found.sort_by_key(|at| at.start);
        found.dedup();
        for place in found {
            report
                .error(
                    At::new(at.file, place),
                    "bad-data-step",
                    "a data step begins and ends no transaction",
                )
                .label("it runs in one with the rest of the plan")
                .help("remove this statement: all of the plan is done, or nothing");
        }
        let at_name = steps.iter().position(|step| step.name == *name);
        let index = at_name.unwrap_or_else(|| {
            steps.push(DataStep {
                name: name.clone(),
                sqlite: None,
                postgres: None,
            });
            steps.len() - 1
        });
        let Some(step) = steps.get_mut(index) else {
            continue;
        };
        let text: Arc<str> = Arc::from(text);
        let mut twice = false;
        for (of, place) in [
            (Dialect::Sqlite, &mut step.sqlite),
            (Dialect::Postgres, &mut step.postgres),
        ] {
            if dialect.is_none_or(|dialect| dialect == of) {
                twice |= place.replace(Arc::clone(&text)).is_some();
            }
        }
        if twice {
            report
                .error(
                    *at,
                    "bad-data-step",
                    format!("`{name}` is there twice for the same store"),
                )
                .help("keep either `.sql` for both stores, or `.sqlite.sql` and `.postgres.sql`");
        }
    }
    steps.sort_by(|a, b| a.name.cmp(&b.name));
    steps
}

fn is_named(name: &str) -> bool {
    let Some((date, rest)) = name.split_at_checked(10) else {
        return false;
    };
    let digits = |c: char| {
        if c == '-' {
            '-'
        } else if c.is_ascii_digit() {
            '0'
        } else {
            c
        }
    };
    let date: String = date.chars().map(digits).collect();
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
    date == "0000-00-00"
        && rest.len() > 1
        && rest.len() <= 90
        && rest.starts_with('-')
        && rest.chars().all(letters)
}
