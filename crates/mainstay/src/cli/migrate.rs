//! `migrate`: what lies between an app and its database, what is done about it, and what was done.

use super::app::{self, Opened};
use super::print::{self, Failure, TABLES};
use super::{PlanFormat, next};
use crate::backend;
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::{Value as Json, json};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use store::migrate::{
    Allow, Applied, Difference, DifferenceKind, Ended, Extras, Label, Migration, Part, Plan,
    PlanStep, Progress, Run, Terms,
};

/// How a plan is shown.
#[derive(Debug, Clone, Copy)]
pub struct Show {
    pub format: PlanFormat,
    /// People see the statements too.
    pub sql: bool,
    /// A failure where there is something to do.
    pub check: bool,
    /// What `apply --drop` would do.
    pub drop: bool,
}

pub async fn plan(folder: &Path, database: Option<String>, how: Show) -> Result<(), Failure> {
    let opened = app::open(folder, database, false).await?;
    let extras = match how.drop {
        true => Extras::Drop,
        false => Extras::Keep,
    };
    let plan = opened
        .backend
        .store
        .migration(&backend::schema(&opened.app), extras)
        .await?;
    match how.format {
        PlanFormat::Human => show(&plan, how.sql),
        PlanFormat::Json => print::line(as_json(&plan)),
        PlanFormat::Sql => as_sql(&plan),
    }
    opened.backend.store.close().await;
    if plan.in_the_way().next().is_some() {
        return Err(Failure::with_code(TABLES, "mend what is in the way first"));
    }
    if how.check && !plan.steps.is_empty() {
        let steps = print::count(plan.steps.len() as u64, "step");
        return Err(Failure::with_code(TABLES, format!("{steps} to apply")));
    }
    Ok(())
}

/// Prints a plan: each step labelled, then what no step mends.
fn show(plan: &Plan, sql: bool) {
    if plan.is_empty() {
        let good = print::good("✓");
        print::line(format!("{good} the database is as the app needs it"));
        return;
    }
    for step in &plan.steps {
        show_step(step, sql);
    }
    for difference in &plan.differences {
        let label = if difference.blocking {
            print::bad("in the way")
        } else {
            print::dim("note")
        };
        print::line(format!("{label:11} {difference}"));
    }
    for obstacle in &plan.obstacles {
        let label = print::bad("in the way");
        print::line(format!("{label:11} {obstacle}"));
    }
}

fn show_step(step: &PlanStep, sql: bool) {
    let label = step.label.name();
    let label = match step.label {
        Label::Safe | Label::Slow => print::good(label),
        Label::Destructive => print::bad(label),
    };
    print::line(format!("{label:11} {}", step.summary));
    if sql {
        for statement in &step.sql {
            let statement = statement.trim_end().trim_end_matches(';');
            print::line(print::dim(format!("            {statement};")));
        }
    }
}

fn as_json(plan: &Plan) -> Json {
    let step = |step: &PlanStep| {
        json!({
            "label": step.label.name(),
            "needed": step.needed,
            "summary": step.summary,
            "sql": step.sql,
            "alone": matches!(step.run, Run::Alone { .. }),
        })
    };
    let difference = |one: &Difference| {
        let (part, name) = match &one.part {
            Part::Table => ("table", None),
            Part::Column(name) => ("column", Some(name)),
            Part::Key => ("key", None),
            Part::Search => ("search", None),
            Part::Index(name) => ("index", Some(name)),
            Part::ForeignKey(name) => ("reference", Some(name)),
            Part::DataStep(name) => ("data_step", Some(name)),
        };
        let kind = match one.kind {
            DifferenceKind::Missing => "missing",
            DifferenceKind::Mistyped => "mistyped",
            DifferenceKind::Extra => "extra",
            DifferenceKind::Records => "records",
        };
        json!({
            "table": format!("{}.{}", one.table.namespace, one.table.name),
            "part": part,
            "name": name,
            "kind": kind,
            "blocking": one.blocking,
            "detail": one.detail,
        })
    };
    json!({
        "steps": plan.steps.iter().map(step).collect::<Vec<_>>(),
        "differences": plan.differences.iter().map(difference).collect::<Vec<_>>(),
        "obstacles": plan.obstacles.iter().map(difference).collect::<Vec<_>>(),
    })
}

/// For a person's eyes, or for somebody who runs it by hand: what Mainstay keeps beside is not in it.
fn as_sql(plan: &Plan) {
    for one in plan.in_the_way() {
        print::line(format!("-- in the way: {one}"));
    }
    for step in &plan.steps {
        let alone = match step.run {
            Run::Alone { .. } => ", in no transaction",
            Run::Together | Run::Data(_) => "",
        };
        print::line(format!("-- {}{alone}: {}", step.label.name(), step.summary));
        for statement in &step.sql {
            let statement = statement.trim_end().trim_end_matches(';');
            print::line(format!("{statement};"));
        }
    }
}

pub async fn apply(folder: &Path, database: Option<String>, allow: Allow) -> Result<(), Failure> {
    let given = database.clone();
    let opened = app::open(folder, database, false).await?;
    let bar = ProgressBar::new_spinner();
    let terms = Terms {
        watch: Arc::new({
            let bar = bar.clone();
            move |progress| tell(&bar, progress)
        }),
        ..allow.into()
    };
    let applied = opened.backend.migrate(&opened.app, terms).await;
    bar.finish_and_clear();
    opened.backend.store.close().await;
    match applied? {
        Applied::Nothing(plan) => show(&plan, false),
        Applied::Ran(plan) => {
            show(&plan, false);
            let steps = print::count(plan.steps.len() as u64, "step");
            print::line(format!("{} applied {steps}", print::good("✓")));
        }
        Applied::Refused(plan) => {
            show(&plan, false);
            let hint = match plan.label() {
                _ if plan.in_the_way().next().is_some() => {
                    "mend what is in the way first".to_owned()
                }
                label => {
                    let what = match label {
                        Some(Label::Destructive) => "some steps lose data",
                        _ => "some steps are slow",
                    };
                    let (app, on) = (next::app(folder), next::on(given.as_deref()));
                    let flag = next::flag(label);
                    format!("{what}; where that is meant: mainstay migrate apply{app}{on}{flag}")
                }
            };
            return Err(Failure::with_code(
                TABLES,
                format!("nothing was done: {hint}"),
            ));
        }
    }
    Ok(())
}

/// Hidden by itself where standard error is no terminal.
fn tell(bar: &ProgressBar, progress: Progress<'_>) {
    match progress {
        Progress::Begins { at, of, step } => {
            if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
                bar.set_style(style);
            }
            bar.enable_steady_tick(Duration::from_millis(120));
            bar.set_message(format!("{} of {of}: {}", at + 1, step.summary));
        }
        Progress::Waits { step } => {
            bar.set_message(format!(
                "{}: the table is in use, trying again",
                step.summary
            ));
        }
        Progress::Done { .. } => {}
    }
}

pub async fn history(
    folder: &Path,
    database: Option<String>,
    json: bool,
    sql: bool,
) -> Result<(), Failure> {
    let Opened { backend, .. } = app::open(folder, database, false).await?;
    let migrations = backend.store.migrations().await?;
    backend.store.close().await;
    if json {
        let all: Vec<Json> = migrations.iter().map(line).collect();
        print::line(Json::Array(all));
        return Ok(());
    }
    if migrations.is_empty() {
        print::line("nothing has been migrated yet");
    }
    for migration in &migrations {
        let at = spec::time::timestamp_text(migration.at);
        let took = match migration.took {
            Some(took) => format!("in {} ms", took.as_millis()),
            None => String::new(),
        };
        let ended = match migration.ended {
            Ended::Done => String::new(),
            Ended::HalfWay => print::bad(" stopped half-way"),
        };
        let number = print::bold(migration.id);
        print::line(format!("{number}  {at}  {}{ended}", print::dim(took)));
        for step in steps(migration) {
            let text = |key: &str| step[key].as_str().unwrap_or_default().to_owned();
            print::line(format!("   {:11} {}", text("label"), text("summary")));
            if sql {
                for statement in step["sql"].as_array().into_iter().flatten() {
                    let statement = statement.as_str().unwrap_or_default().trim_end();
                    let statement = statement.trim_end_matches(';');
                    print::line(print::dim(format!("            {statement};")));
                }
            }
        }
    }
    Ok(())
}

fn steps(migration: &Migration) -> Vec<Json> {
    serde_json::from_str(&migration.plan).unwrap_or_default()
}

fn line(migration: &Migration) -> Json {
    json!({
        "id": migration.id,
        "at": spec::time::timestamp_text(migration.at),
        "took_ms": migration.took.map(|took| took.as_secs_f64() * 1000.0),
        "ended": match migration.ended {
            Ended::Done => "done",
            Ended::HalfWay => "half-way",
        },
        "steps": steps(migration),
    })
}
