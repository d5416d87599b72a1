//! The app folder → a checked [`App`], with every mistake at once.
//!
//! ```text
//! files ─▶ walk (TOML against the key tables) ─▶ declare ─▶ resolve (names) ─▶ rules (expressions) ─▶ App
//! ```
//!
//! No stage stops at a mistake, and none complains about what an earlier one already has complained
//! about. [`load`] reads the files; all else is pure, as [`load_sources`].

mod cautions;
pub mod codes;
mod data_steps;
mod declare;
mod existing;
mod files;
mod foreign;
mod indexes;
mod keys;
mod literal;
pub(crate) mod names;
pub mod reference;
mod renames;
mod report;
mod resolve;
mod rules;
mod scenario_keys;
mod scenarios;
pub mod schema;
mod searched;
mod seeds;
mod settings;
mod sound;
mod transactions;
mod walk;

use crate::diagnostic::{Diagnostic, Sources};
use crate::model::{App, ModelId};
use crate::nearest::nearest;
use declare::ModuleDecl;
use files::{Found, Role};
use report::Report;
use sound::Sound;
use std::path::{Path, PathBuf};

pub use report::{At, Located};
pub use scenarios::{Scenarios, scenarios, scenarios_of};

/// The built-in module, declared as an app would declare it.
const AUTH_TOML: &str = include_str!("auth.toml");
const AUTH_PATH: &str = "(built in)/auth.toml";

/// What a folder says, and what is wrong with it.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// There iff no diagnostic is an error.
    pub app: Option<App>,
    /// Sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
    /// By model, in the order of the models.
    pub seeds: Vec<Seed>,
}

/// Records that come with the app: one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seed {
    pub model: ModelId,
    /// Within the folder that was given to [`load`].
    pub path: PathBuf,
}

/// Reads and checks an app's folder.
pub fn load(folder: &Path) -> Loaded {
    let found = files::find(folder);
    let mut loaded = check(found);
    for seed in &mut loaded.seeds {
        seed.path = folder.join(&seed.path);
    }
    loaded
}

/// Checks an app that is not on disk. Paths are relative to its folder (`modules/orders/module.toml`);
/// what is no part of an app is ignored.
pub fn load_sources(files: Vec<(PathBuf, String)>) -> Loaded {
    check(Found {
        files,
        ..Found::default()
    })
}

fn check(found: Found) -> Loaded {
    let mut report = Report::default();
    let (sources, parts) = gather(found, &mut report);
    let mut settings = crate::settings::Settings::default();
    let mut modules = vec![built_in_auth(&sources, &parts, &mut report)];
    for (at, role) in &parts.texts {
        let Some(source) = sources.get(at.file) else {
            continue;
        };
        match role {
            Role::App => {
                let table = walk::parse(&source.text, at.file, &mut report);
                settings = self::settings::read(&table, at.file, &mut report);
            }
            Role::Module(name) => {
                let table = walk::parse(&source.text, at.file, &mut report);
                if name != names::AUTH {
                    names::check_module(name, *at, &mut report);
                }
                let module = declare::read(name.clone(), &table, at.file, false, &mut report);
                if name == names::AUTH {
                    resolve::extend_auth(&mut modules[0], module, &mut report);
                } else {
                    modules.push(module);
                }
            }
            Role::Seed { .. } | Role::Function { .. } | Role::DataStep { .. } => {}
        }
    }
    renames::check(&modules, &mut report);
    existing::check(&modules, &mut report);
    let resolved = resolve::resolve(&modules, &mut report);
    let mut app = App::new(settings, resolved.modules, resolved.models);
    app.data_steps = data_steps::read(&parts.data_steps, &sources, &mut report);
    rules::add(&mut app, &modules, &resolved.broken, &sources, &mut report);
    existing::judge(&mut app.models);
    for (model, (_, _, decl)) in app.models.iter_mut().zip(resolve::in_order(&modules)) {
        indexes::add(model, decl, &resolved.broken, &mut report);
        searched::add(model, decl, &resolved.broken, &mut report);
    }
    cautions::check(&app, &modules, &mut report);
    let seeds = seeds(&app, &modules, &sources, &parts, &mut report);
    let app = (!report.has_errors()).then_some(app);
    Loaded {
        app,
        diagnostics: report.finish(),
        sources,
        seeds,
    }
}

/// The app's files, by what they are.
struct Parts {
    auth: At,
    /// `mainstay.toml` and the modules', in this order.
    texts: Vec<(At, Role)>,
    seeds: Vec<SeedFile>,
    data_steps: Vec<(At, Role)>,
}

struct SeedFile {
    at: At,
    role: Role,
    path: PathBuf,
    /// There is more of it than was read.
    cut: bool,
}

fn gather(found: Found, report: &mut Report) -> (Sources, Parts) {
    let Found {
        files: mut given,
        unreadable,
        strays,
        misnamed,
    } = found;
    let mut sources = Sources::default();
    let mut texts = Vec::new();
    let mut seeds = Vec::new();
    let mut data_steps = Vec::new();
    // By path, but the app's own file first: people read a report from its top.
    given.sort_by(|a, b| {
        (files::role(&a.0) != Some(Role::App), &a.0)
            .cmp(&(files::role(&b.0) != Some(Role::App), &b.0))
    });
    given.dedup_by(|a, b| a.0 == b.0);
    let has_app = given
        .iter()
        .chain(&unreadable)
        .any(|(path, _)| files::role(path) == Some(Role::App));
    if !has_app {
        files::add_unreadable(
            &mut sources,
            PathBuf::from(files::APP_FILE),
            files::NO_FILE,
            report,
        );
    }
    for (path, why) in unreadable {
        files::add_unreadable(&mut sources, path, &why, report);
    }
    for (path, why) in misnamed {
        files::add_misnamed(&mut sources, path, &why, report);
    }
    for (path, text) in given {
        let Some(role) = files::role(&path) else {
            continue;
        };
        match &role {
            Role::App | Role::Module(_) | Role::DataStep { .. } => {
                if text.len() > files::MAX_FILE {
                    let why = format!("the file has more than {} bytes", files::MAX_FILE);
                    files::add_unreadable(&mut sources, path, &why, report);
                    continue;
                }
                let at = At::top(files::add(&mut sources, path, text));
                match role {
                    Role::DataStep { .. } => data_steps.push((at, role)),
                    _ => texts.push((at, role)),
                }
            }
            Role::Seed { .. } => {
                let cut = text.len() > files::MAX_SEED;
                let id = files::add(&mut sources, path.clone(), text);
                seeds.push(SeedFile {
                    at: At::top(id),
                    role,
                    path,
                    cut,
                });
            }
            Role::Function { .. } => {
                let id = files::add(&mut sources, path, String::new());
                walk::not_built(report, At::top(id), "a function", "functions in TypeScript");
            }
        }
    }
    for (path, mended) in strays {
        files::add_stray(&mut sources, path, mended, report);
    }
    let auth = files::add(&mut sources, PathBuf::from(AUTH_PATH), AUTH_TOML.to_owned());
    let auth = At::top(auth);
    let parts = Parts {
        auth,
        texts,
        seeds,
        data_steps,
    };
    (sources, parts)
}

fn built_in_auth(sources: &Sources, parts: &Parts, report: &mut Report) -> ModuleDecl {
    let text = sources
        .get(parts.auth.file)
        .map_or("", |source| &source.text);
    let table = walk::parse(text, parts.auth.file, report);
    declare::read(
        names::AUTH.to_owned(),
        &table,
        parts.auth.file,
        true,
        report,
    )
}

fn seeds(
    app: &App,
    modules: &[ModuleDecl],
    sources: &Sources,
    parts: &Parts,
    report: &mut Report,
) -> Vec<Seed> {
    let mut seeds = Vec::new();
    let sound = Sound::of(app, modules, report);
    let roles = seeds::roles(app);
    let unread = |module: &str| {
        let mut texts = parts.texts.iter();
        texts.any(|(at, role)| *role == Role::Module(module.to_owned()) && report.is_muted(at.file))
    };
    let unread: Vec<&str> = modules
        .iter()
        .map(|decl| decl.name.as_str())
        .filter(|name| unread(name))
        .collect();
    for SeedFile {
        at,
        role,
        path,
        cut,
    } in &parts.seeds
    {
        let Role::Seed { module, model } = role else {
            continue;
        };
        if let Some(found) = app.model_in(module, model) {
            let text = sources.get(at.file).map_or("", |source| &source.text);
            // Held to what somebody is still mending, they would be blamed for that.
            let excused = sound.excused(found.id);
            if let Some(excused) = excused.filter(|_| !unread.contains(&module.as_str())) {
                let held = seeds::Held {
                    model: found,
                    settings: &app.settings,
                    excused,
                    roles: &roles,
                };
                seeds::check(text, *cut, held, at.file, report);
            }
            seeds.push(Seed {
                model: found.id,
                path: path.clone(),
            });
            continue;
        }
        let known = modules
            .iter()
            .filter(|decl| decl.name == *module)
            .flat_map(|decl| decl.models.iter().map(|model| model.name.value.as_str()));
        let near = nearest(model, known);
        let diagnostic = report.error(
            *at,
            "unknown-model",
            format!("there is no model `{model}` in the module `{module}` for this seed"),
        );
        match near {
            Some(near) => diagnostic.help(format!("call the file `{near}.jsonl`")),
            None => diagnostic.help("a seed is called as its model: `seed/products.jsonl`"),
        };
    }
    seeds.sort_by_key(|seed| seed.model);
    seeds
}
