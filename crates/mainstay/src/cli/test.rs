//! `test`: an app's own tests, on either store.

use super::app;
use super::next;
use super::print::{self, Failure, MISTAKES};
use super::{Report, TestStore};
use crate::config::Flags;
use crate::database::Database;
use crate::scenarios::{self, Ground, On, Options, Outcome, report};
use spec::App;
use spec::diagnostic::{self, Diagnostic};
use spec::load::{self, Scenarios};
use std::io::IsTerminal;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// What the command line asks for.
pub struct Asked {
    pub filter: Option<String>,
    pub store: Option<TestStore>,
    pub database: Option<String>,
    pub format: Report,
    pub fail_fast: bool,
    pub jobs: Option<usize>,
}

/// `test WORDS` in an app's folder: words that are no folder choose tests.
pub fn folder(
    given: Option<PathBuf>,
    path: Option<PathBuf>,
    filter: Option<String>,
) -> (PathBuf, Option<String>) {
    let here = || given.clone().unwrap_or_else(|| PathBuf::from("."));
    match (path, filter) {
        (Some(path), None) if given.is_some() || !path.is_dir() => {
            (here(), Some(path.to_string_lossy().into_owned()))
        }
        (Some(path), filter) => (path, filter),
        (None, filter) => (here(), filter),
    }
}

/// An app's tests; a failure where there are mistakes in them.
fn read(folder: &Path, app: &App) -> Result<Scenarios, Failure> {
    let mut scenarios = load::scenarios(folder, app);
    scenarios.sources.seen_from_outside(folder);
    if !scenarios.diagnostics.is_empty() {
        let colour = std::io::stderr().is_terminal();
        let text = diagnostic::render(&scenarios.diagnostics, &scenarios.sources, colour);
        anstream::eprintln!("{text}");
    }
    match scenarios
        .diagnostics
        .iter()
        .filter(|d| d.is_error())
        .count()
    {
        0 => Ok(scenarios),
        n => {
            let mistakes = print::count(n as u64, "mistake");
            Err(Failure::with_code(
                MISTAKES,
                format!("the tests have {mistakes}"),
            ))
        }
    }
}

/// What is wrong with an app's tests, for `check`.
pub fn mistakes(folder: &Path, app: &App) -> (Vec<Diagnostic>, diagnostic::Sources) {
    let mut scenarios = load::scenarios(folder, app);
    scenarios.sources.seen_from_outside(folder);
    (scenarios.diagnostics, scenarios.sources)
}

pub async fn test(folder: &Path, asked: Asked) -> Result<(), Failure> {
    super::serve::events();
    let (app, _) = app::loaded(folder)?;
    let scenarios = Arc::new(read(folder, &app)?);
    let cases = scenarios::select(&scenarios, asked.filter.as_deref());
    if cases.is_empty() {
        return Err(Failure::new(nothing(folder, asked.filter.as_deref())));
    }
    let server = format!("http://{}", app.settings.server.listen);
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for on in stores(&asked) {
        let ground = Arc::new(ground(folder, &app, on, asked.database.as_deref()).await?);
        let options = Options {
            at_once: asked.jobs.unwrap_or_else(|| at_once(on)),
            fail_fast: asked.fail_fast,
        };
        let told = |outcome: &Outcome| {
            if asked.format == Report::Human {
                tell(outcome, &scenarios, &server);
            }
        };
        let ran = tokio::select! {
            ran = scenarios::run(&scenarios, &cases, &ground, options, told) => Some(ran),
            () = super::serve::asked_to_stop() => {
                anstream::eprintln!("stopping: the tests' databases are removed");
                None
            }
        };
        ground.remove().await;
        match ran {
            Some(ran) => outcomes.extend(ran),
            None => {
                return Err(Failure::new("interrupted: not all tests were run"));
            }
        }
        if asked.fail_fast && outcomes.iter().any(|o| o.failure.is_some()) {
            break;
        }
    }
    match asked.format {
        Report::Human => {}
        Report::Json => print::line(report::json(&outcomes, &scenarios, &server)),
        Report::Junit => print::line(report::junit(&outcomes, &scenarios, &server)),
    }
    finish(&asked, &outcomes, began.elapsed())
}

/// The last line, and the exit code.
fn finish(asked: &Asked, outcomes: &[Outcome], took: Duration) -> Result<(), Failure> {
    let failed = outcomes.iter().filter(|o| o.failure.is_some()).count();
    let took = format!("{:.2} s", took.as_secs_f64());
    let all = print::count(outcomes.len() as u64, "test");
    match (failed, asked.format) {
        (0, Report::Human) => {
            print::line(format!("{} {all} passed in {took}", print::good("✓")));
            Ok(())
        }
        (0, Report::Json | Report::Junit) => Ok(()),
        (failed, Report::Human) => {
            let stopped = if asked.fail_fast {
                "; the rest was not run"
            } else {
                ""
            };
            Err(Failure::new(format!(
                "{failed} of {all} failed in {took}{stopped}"
            )))
        }
        (_, Report::Json | Report::Junit) => Err(Failure::new("")),
    }
}

fn tell(outcome: &Outcome, scenarios: &Scenarios, server: &str) {
    let name = outcome.case.name(scenarios);
    let took = report::millis(outcome.took);
    let about = match outcome.on {
        On::Sqlite => print::dim(&took),
        On::Postgres => print::dim(format!("{took} (postgres)")),
    };
    match outcome.failure {
        None => print::line(format!("{} {name}  {about}", print::good("✓"))),
        Some(_) => {
            print::line(format!("{} {name}  {about}", print::bad("✗")));
            let colour = std::io::stdout().is_terminal();
            print::line(report::failure(outcome, scenarios, server, colour));
        }
    }
}

fn stores(asked: &Asked) -> Vec<On> {
    match asked.store {
        Some(TestStore::Sqlite) => vec![On::Sqlite],
        Some(TestStore::Postgres) => vec![On::Postgres],
        Some(TestStore::Both) => vec![On::Sqlite, On::Postgres],
        // Who names a server means it.
        None if asked.database.is_some() => vec![On::Postgres],
        None => vec![On::Sqlite],
    }
}

/// SQLite keeps cores busy; with PostgreSQL half of the time is waiting.
fn at_once(on: On) -> usize {
    let cores = std::thread::available_parallelism().map_or(2, usize::from);
    match on {
        On::Sqlite => cores,
        On::Postgres => (cores * 2).min(16),
    }
}

async fn ground(
    folder: &Path,
    app: &Arc<App>,
    on: On,
    database: Option<&str>,
) -> Result<Ground, Failure> {
    let ground = match on {
        On::Sqlite => Ground::sqlite(Arc::clone(app)).await,
        On::Postgres => {
            let flags = Flags {
                database: database.map(str::to_owned),
                listen: None,
            };
            let config = app::resolve(folder, app, &flags)?;
            let Database::Postgres { url, .. } = &config.database else {
                return Err(Failure::new(
                    "tests on PostgreSQL need a server: name one with --database postgres://user@host/database\n  \
                     Each test makes a database of its own beside that one and drops it again.",
                ));
            };
            Ground::postgres(Arc::clone(app), url).await
        }
    };
    ground.map_err(|error| {
        let failure = Failure::from(error);
        match failure.message.contains("42501") {
            true => Failure::new(format!(
                "{}\n  the user must be allowed to create databases: alter role NAME createdb",
                failure.message
            )),
            false => failure,
        }
    })
}

/// There is nothing to run.
fn nothing(folder: &Path, filter: Option<&str>) -> String {
    match filter {
        Some(filter) => format!(
            "no test has `{filter}` in its name\n  `mainstay test{}` runs them all",
            next::app(folder)
        ),
        None => format!(
            "there are no tests: write them in {}, `[[tests]]` each; docs/testing.md shows how",
            folder.join("tests/NAME.toml").display()
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_that_are_no_folder_choose_tests() {
        let (src, none) = (|| Some(PathBuf::from("src")), None::<PathBuf>);
        let text = |text: &str| Some(text.to_owned());
        for (given, path, filter, is) in [
            (none.clone(), none.clone(), None, (".", None)),
            (none.clone(), src(), None, ("src", None)),
            (none.clone(), src(), text("x"), ("src", text("x"))),
            (
                none.clone(),
                Some("drafts".into()),
                None,
                (".", text("drafts")),
            ),
            (src(), Some("drafts".into()), None, ("src", text("drafts"))),
            (src(), Some("src".into()), None, ("src", text("src"))),
            (src(), none, None, ("src", None)),
        ] {
            let (folder, found) = folder(given, path, filter);
            assert_eq!((folder.to_str(), found), (Some(is.0), is.1));
        }
    }
}
