//! What `dev` does beyond serving: seeds once, reload on save, a greeting that works when pasted.

use crate::backend::{Backend, schema};
use crate::export::Format;
use crate::records::{self, File, ImportError};
use auth::Auth;
use notify::{RecursiveMode, Watcher};
use spec::diagnostic;
use spec::load::{self, Loaded, Seed};
use spec::schema::Schema;
use spec::{App, ModelId, Rule, Settings};
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use store::migrate::{Allow, Applied, Label, Plan, Terms};

/// Loads each seed file once: what a module declares first, what refers to it afterwards. A model that was
/// seeded and emptied stays empty; a database without any seeded record is a new one, and gets them all.
/// Answers how many records came in.
pub async fn seed(
    backend: &Backend,
    auth: &Auth,
    app: &Arc<App>,
    seeds: &[Seed],
    folder: &Path,
) -> Result<u64, ImportError> {
    let marker = folder.join(".mainstay").join("seeded");
    let seeded = std::fs::read_to_string(&marker).unwrap_or_default();
    let mut empty = Vec::new();
    for seed in seeds {
        let answer = backend.engine.is_empty(app, seed.model).await;
        if answer.map_err(ImportError::Problem)? {
            empty.push(seed.model);
        }
    }
    let new = empty.len() == seeds.len();
    let due = |model: ModelId| {
        let name = app.model(model).full_name();
        empty.contains(&model) && (new || !seeded.lines().any(|line| line == name))
    };
    let mut files = Vec::new();
    for model in in_order(app).into_iter().filter(|model| due(*model)) {
        for seed in seeds.iter().filter(|s| s.model == model) {
            files.push(File {
                model,
                path: seed.path.clone(),
                format: Format::Jsonl,
            });
        }
    }
    let count = match files.is_empty() {
        true => 0,
        false => records::import(backend, Some(auth), app, &files, &|_, _| {}).await?,
    };
    let mut names: Vec<String> = seeds
        .iter()
        .map(|seed| app.model(seed.model).full_name())
        .collect();
    names.dedup();
    let text = names.join("\n") + "\n";
    if text != seeded && !names.is_empty() {
        // With a secret from elsewhere and PostgreSQL, nothing else has made this folder.
        let folder = folder.join(".mainstay");
        let written = std::fs::create_dir_all(folder).and_then(|()| std::fs::write(&marker, text));
        written.map_err(|error| ImportError::Io {
            path: marker,
            error,
        })?;
    }
    Ok(count)
}

/// The models, each behind those that its relations lead to, as far as there is such an order.
pub fn in_order(app: &App) -> Vec<ModelId> {
    fn visit(app: &App, model: ModelId, seen: &mut Vec<ModelId>, out: &mut Vec<ModelId>) {
        if seen.contains(&model) {
            return;
        }
        seen.push(model);
        for relation in app
            .model(model)
            .fields
            .iter()
            .filter_map(spec::Field::relation)
        {
            visit(app, relation.to, seen, out);
        }
        out.push(model);
    }
    let (mut seen, mut out) = (Vec::new(), Vec::new());
    for model in &app.models {
        visit(app, model.id, &mut seen, &mut out);
    }
    out
}

/// Tells when one of the app's files was saved.
pub fn watch(folder: &Path) -> notify::Result<tokio::sync::mpsc::Receiver<()>> {
    let (tell, told) = tokio::sync::mpsc::channel(16);
    let own = folder
        .join(".mainstay")
        .canonicalize()
        .unwrap_or_else(|_| folder.join(".mainstay"));
    let mut watcher = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
        let Ok(event) = event else { return };
        let ours = |path: &std::path::PathBuf| {
            path.starts_with(&own) || path.components().any(|c| c.as_os_str() == ".mainstay")
        };
        if event.kind.is_access() || event.paths.iter().all(ours) {
            return;
        }
        // A full channel has something to tell already.
        let _ = tell.try_send(());
    })?;
    watcher.watch(folder, RecursiveMode::Recursive)?;
    // The watcher lives as long as the process: `dev` watches until it ends.
    std::mem::forget(watcher);
    Ok(told)
}

pub enum Reloaded {
    /// Nothing that matters was saved.
    Same,
    /// The new app is served.
    Now(Served),
    /// The new app needs steps that somebody should agree to.
    Beyond(Plan, Schema),
    Refused(String),
}

/// What serving a new app came to.
#[derive(Debug, Default)]
pub struct Served {
    /// What was done to the tables.
    pub done: Vec<String>,
    /// What the tables have beyond the app by now.
    pub left: Vec<String>,
    /// Settings that changed and are only read at the start.
    pub later: Vec<&'static str>,
}

/// Which steps beyond the safe ones were agreed to.
#[derive(Debug, Clone, PartialEq)]
pub enum Agreed {
    None,
    /// Those of this plan, and no others.
    To(Plan),
    /// To what only takes time. What loses data is asked for, whoever is asked.
    Always,
}

impl Agreed {
    /// How a plan beyond the safe ones may be run.
    fn terms(&self, plan: &Plan) -> Option<Terms> {
        let label = plan.label()?;
        let agreed = match self {
            Agreed::None => return None,
            Agreed::Always if label == Label::Destructive => return None,
            Agreed::Always => None,
            Agreed::To(shown) if shown != plan => return None,
            Agreed::To(shown) => Some(shown.clone()),
        };
        Some(Terms {
            agreed,
            ..Allow::up_to(label).into()
        })
    }
}

/// Loads the app again and serves it, unless it has mistakes or needs more of its tables than was agreed to.
pub async fn reload(folder: &Path, backend: &Backend, auth: &Auth, agreed: &Agreed) -> Reloaded {
    let Loaded {
        app,
        diagnostics,
        mut sources,
        ..
    } = load::load(folder);
    sources.seen_from_outside(folder);
    let report = || diagnostic::render(&diagnostics, &sources, std::io::stderr().is_terminal());
    let Some(app) = app else {
        return Reloaded::Refused(report());
    };
    let unproven = plan::prove(&app);
    if !unproven.is_empty() {
        let lines: Vec<String> = unproven
            .iter()
            .map(|u| format!("{}: {}", u.of, u.reason))
            .collect();
        return Reloaded::Refused(lines.join("\n"));
    }
    let before = backend.engine.app();
    let served = (&before.models, &before.settings, &before.data_steps);
    let saved = (&app.models, &app.settings, &app.data_steps);
    if format!("{served:?}") == format!("{saved:?}") {
        return Reloaded::Same;
    }
    let schema = schema(&app);
    let mut applied = backend.store.apply(&schema, Allow::SAFE).await;
    if let Ok(Applied::Refused(plan)) = &applied
        && let Some(terms) = agreed.terms(plan)
    {
        applied = backend.store.apply(&schema, terms).await;
    }
    let applied = match applied {
        Ok(applied) => applied,
        Err(error) => return Reloaded::Refused(error.to_string()),
    };
    let (done, differences) = match applied {
        Applied::Nothing(plan) => (Vec::new(), plan.differences),
        Applied::Ran(plan) => (
            plan.steps.into_iter().map(|s| s.summary).collect(),
            plan.differences,
        ),
        Applied::Refused(plan) if plan.in_the_way().next().is_none() => {
            return Reloaded::Beyond(plan, schema);
        }
        Applied::Refused(plan) => {
            let mut why = String::from("the tables cannot be brought up to date:\n");
            for difference in plan.in_the_way() {
                why.push_str(&format!("  {difference}\n"));
            }
            return Reloaded::Refused(why.trim_end().to_owned());
        }
    };
    let later = only_at_the_start(&before.settings, &app.settings);
    auth.replace_settings(app.settings.auth.clone());
    backend.engine.replace_app(Arc::new(app));
    Reloaded::Now(Served {
        done,
        left: differences.iter().map(ToString::to_string).collect(),
        later,
    })
}

/// Which settings differ that a running server does not take up.
fn only_at_the_start(before: &Settings, after: &Settings) -> Vec<&'static str> {
    let limits = (&before.limits, &after.limits);
    [
        ("name", before.name != after.name),
        ("server.listen", before.server.listen != after.server.listen),
        ("server.drain", before.server.drain != after.server.drain),
        ("database.url", before.database.url != after.database.url),
        ("database.pool", before.database.pool != after.database.pool),
        ("backup", before.backup != after.backup),
        ("limits.address", limits.0.address != limits.1.address),
        ("limits.headers", limits.0.headers != limits.1.headers),
        ("limits.head_time", limits.0.head_time != limits.1.head_time),
        ("limits.body_time", limits.0.body_time != limits.1.body_time),
    ]
    .into_iter()
    .filter_map(|(name, changed)| changed.then_some(name))
    .collect()
}

/// A login from the seeds, three lines to paste, and where the reference is.
pub fn greeting(app: &App, seeds: &[Seed], base: &str) -> Vec<String> {
    let mut out = Vec::new();
    let who = |administrator: bool| {
        let users = |s: &&Seed| app.model(s.model).full_name() == "auth.users";
        let mut files = seeds.iter().filter(users);
        files.find_map(|s| login(&s.path, administrator))
    };
    let open = app
        .models
        .iter()
        .find(|m| !matches!(m.access.read, Rule::Deny) && m.module_name != "auth");
    if let Some(model) = open {
        out.push(String::new());
        out.push(format!(
            "  curl '{base}/api/{}/{}?limit=3'",
            model.module_name, model.name
        ));
    }
    match who(false) {
        Some((email, password)) => {
            // Each can be pasted as it is, one after the other: the second keeps the token for the third.
            out.push(format!(
                "  TOKEN=$(curl -s {base}/api/auth/login -H 'content-type: application/json' \\"
            ));
            out.push(format!(
                "       -d '{{\"email\":\"{email}\",\"password\":\"{password}\"}}' | sed 's/.*\"access_token\":\"\\([^\"]*\\).*/\\1/')"
            ));
            out.push(format!(
                "  curl {base}/api/auth/me -H \"authorization: Bearer $TOKEN\""
            ));
            out.push(String::new());
            out.push(format!("  demo login: {email} / {password}"));
        }
        None => {
            out.push(format!(
                "  curl -X POST {base}/api/auth/register -H 'content-type: application/json' \\"
            ));
            out.push(
                "       -d '{\"email\":\"me@example.com\",\"password\":\"a long password\"}'"
                    .to_owned(),
            );
        }
    }
    if let Some((email, password)) = who(true) {
        out.push(format!("  demo admin: {email} / {password}"));
    }
    if app.settings.server.docs {
        out.push(format!("  reference:  {base}/api/docs"));
    }
    out
}

/// The first user of a seed file who has a password and is an administrator, or is none.
fn login(path: &Path, administrator: bool) -> Option<(String, String)> {
    let text = std::fs::read_to_string(path).ok()?;
    text.lines()
        .filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok())
        .find_map(|user| {
            let admin = user["roles"]
                .as_array()
                .is_some_and(|roles| roles.iter().any(|r| r == "admin"));
            let (email, password) = (user["email"].as_str()?, user["password"].as_str()?);
            (admin == administrator).then(|| (email.to_owned(), password.to_owned()))
        })
}
