//! Commands about an app's tables and records.

use super::app::{self, Opened};
use super::print::{self, Failure, TABLES};
use crate::backend;
use crate::records::{self, File};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;
use store::migrate::{Allow, Applied, Plan};

/// `check`: with a failure where the database is not as the app needs it.
pub async fn plan(
    folder: &Path,
    database: Option<String>,
    sql: bool,
    check: bool,
) -> Result<(), Failure> {
    let opened = app::open(folder, database, false).await?;
    let plan = opened
        .backend
        .store
        .migration(&backend::schema(&opened.app))
        .await?;
    show(&plan, sql);
    opened.backend.store.close().await;
    if plan.blocking().next().is_some() {
        return Err(Failure::with_code(
            TABLES,
            "the differences above must be mended by hand for now",
        ));
    }
    if check && !plan.steps.is_empty() {
        let steps = print::count(plan.steps.len() as u64, "step");
        return Err(Failure::with_code(TABLES, format!("{steps} to apply")));
    }
    Ok(())
}

/// Prints a plan: each step labelled, then what no step mends.
pub fn show(plan: &Plan, sql: bool) {
    if plan.steps.is_empty() && plan.differences.is_empty() {
        print::line(format!(
            "{} the database is as the app needs it",
            print::good("✓")
        ));
        return;
    }
    for step in &plan.steps {
        print::line(format!(
            "{:11} {}",
            print::good(step.label.name()),
            step.summary
        ));
        if sql {
            for statement in &step.sql {
                print::line(print::dim(format!("            {statement};")));
            }
        }
    }
    for difference in &plan.differences {
        let label = if difference.blocking {
            print::bad("in the way")
        } else {
            print::dim("note")
        };
        print::line(format!("{label:11} {difference}"));
    }
}

pub async fn apply(folder: &Path, database: Option<String>, slow: bool) -> Result<(), Failure> {
    let opened = app::open(folder, database, false).await?;
    let allow = if slow { Allow::SLOW } else { Allow::SAFE };
    let applied = opened.backend.migrate(&opened.app, allow).await?;
    opened.backend.store.close().await;
    match applied {
        Applied::Nothing(plan) => show(&plan, false),
        Applied::Ran(plan) => {
            show(&plan, false);
            let n = plan.steps.len();
            print::line(format!(
                "{} applied {}",
                print::good("✓"),
                print::count(n as u64, "step")
            ));
        }
        Applied::Refused(plan) => {
            show(&plan, false);
            let hint = if plan.blocking().next().is_some() {
                "nothing was done: the differences above must be mended by hand for now"
            } else {
                "nothing was done: some steps are slow; run it with --allow-slow when that suits you"
            };
            return Err(Failure::with_code(TABLES, hint));
        }
    }
    Ok(())
}

pub async fn import(
    folder: &Path,
    database: Option<String>,
    model: &str,
    file: &Path,
) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let id = opened.model(model)?.id;
    let auth = match model {
        "auth.users" => Some(opened.backend.accounts_for_commands()?),
        _ => None,
    };
    let size = std::fs::metadata(file)
        .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?
        .len();
    let bar = bar(size);
    let files = [File {
        model: id,
        path: file.to_path_buf(),
    }];
    let progress = |bytes: u64, records: u64| {
        bar.set_position(bytes);
        bar.set_message(print::count(records, "record"));
    };
    let Opened { app, backend, .. } = &opened;
    let result = records::import(backend, auth.as_deref(), app, &files, &progress).await;
    bar.finish_and_clear();
    backend.store.close().await;
    match result {
        Ok(count) => {
            print::line(format!(
                "{} {} imported into {model}",
                print::good("✓"),
                print::count(count, "record")
            ));
            Ok(())
        }
        Err(error) => Err(Failure::new(error.report())),
    }
}

/// Hidden by itself where standard error is no terminal.
fn bar(size: u64) -> ProgressBar {
    let bar = ProgressBar::new(size);
    let style = ProgressStyle::with_template(
        "{bar:30} {bytes}/{total_bytes} {msg} {elapsed} (about {eta} left)",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
