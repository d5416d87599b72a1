//! Commands about the app alone, and opening one for those about its data.

use super::next;
use super::print::{self, Failure, MISTAKES};
use super::{Format, SchemaFile};
use crate::backend::Backend;
use crate::config::{Config, Flags};
use crate::database::Role;
use crate::secret;
use spec::App;
use spec::diagnostic::{self, Severity};
use spec::load::{self, Loaded, Seed};
use spec::schema::Schema;
use std::io::IsTerminal;
use std::path::Path;
use std::sync::Arc;
use store::migrate::Extras;

/// Loads an app and tells every mistake; a failure when there are some.
pub fn loaded(folder: &Path) -> Result<(Arc<App>, Vec<Seed>), Failure> {
    let Loaded {
        app,
        diagnostics,
        mut sources,
        seeds,
    } = load::load(folder);
    sources.seen_from_outside(folder);
    if !diagnostics.is_empty() {
        let colour = std::io::stderr().is_terminal();
        anstream::eprintln!("{}", diagnostic::render(&diagnostics, &sources, colour));
    }
    match app {
        Some(app) => {
            unprovable(&app)?;
            Ok((Arc::new(app), seeds))
        }
        None => Err(Failure::with_code(MISTAKES, summary(&diagnostics))),
    }
}

fn summary(diagnostics: &[diagnostic::Diagnostic]) -> String {
    let errors = diagnostics
        .iter()
        .filter(|d| d.severity == Severity::Error)
        .count();
    format!("the app has {}", print::count(errors as u64, "mistake"))
}

/// A rule that type-checks but has no SQL would be a surprise at run time.
fn unprovable(app: &App) -> Result<(), Failure> {
    let found = plan::prove(app);
    if found.is_empty() {
        return Ok(());
    }
    let lines: Vec<String> = found
        .iter()
        .map(|f| format!("{}: {}", f.of, f.reason))
        .collect();
    Err(Failure::with_code(
        MISTAKES,
        format!("rules that cannot become SQL:\n  {}", lines.join("\n  ")),
    ))
}

pub fn check(folder: &Path, format: Format) -> Result<(), Failure> {
    let mut loaded = load::load(folder);
    loaded.sources.seen_from_outside(folder);
    let (of_tests, test_sources) = match &loaded.app {
        Some(app) => super::test::mistakes(folder, app),
        None => Default::default(),
    };
    let unprovable = loaded.app.as_ref().map(plan::prove).unwrap_or_default();
    let errors = loaded
        .diagnostics
        .iter()
        .chain(&of_tests)
        .filter(|d| d.severity == Severity::Error)
        .count()
        + unprovable.len();
    match format {
        Format::Json => {
            let mut all = diagnostic::to_json(&loaded.diagnostics, &loaded.sources);
            all.extend(diagnostic::to_json(&of_tests, &test_sources));
            all.extend(unprovable.iter().map(|f| {
                let message = format!("{}: {}", f.of, f.reason);
                serde_json::json!({"severity": "error", "code": "no-sql", "message": message})
            }));
            print::line(serde_json::Value::Array(all));
        }
        Format::Human => {
            for (found, sources) in [
                (&loaded.diagnostics, &loaded.sources),
                (&of_tests, &test_sources),
            ] {
                if !found.is_empty() {
                    let colour = std::io::stdout().is_terminal();
                    print::line(diagnostic::render(found, sources, colour));
                }
            }
            for f in &unprovable {
                print::line(format!("{}: {}: {}", print::bad("error"), f.of, f.reason));
            }
            if let (0, Some(app)) = (errors, &loaded.app) {
                let models: usize = app.models.len();
                print::line(format!(
                    "{} {}: {}, {}",
                    print::good("✓"),
                    app.settings.name,
                    print::count(app.modules.len() as u64, "module"),
                    print::count(models as u64, "model")
                ));
            }
        }
    }
    match errors {
        0 => Ok(()),
        n => Err(Failure::with_code(
            MISTAKES,
            if format == Format::Json {
                String::new()
            } else {
                print::count(n as u64, "mistake")
            },
        )),
    }
}

/// An app on its database, for a command beside a server.
pub struct Opened {
    pub app: Arc<App>,
    pub config: Config,
    pub backend: Backend,
}

pub fn resolve(folder: &Path, app: &App, flags: &Flags) -> Result<Config, Failure> {
    for line in crate::config::unread() {
        print::warning(&line);
    }
    Config::resolve(folder, &app.settings, flags).map_err(Failure::new)
}

/// Which tables a command needs as the app has them.
#[derive(Debug, Clone, Copy)]
pub enum Needs {
    /// It sees for itself.
    Nothing,
    /// Those of this schema alone: what the other models need may be under way.
    Only(fn(&App) -> Schema),
    Everything,
}

/// Opens an app's data for a command. With `ready`, its tables must be as the app needs them.
pub async fn open(folder: &Path, database: Option<String>, ready: bool) -> Result<Opened, Failure> {
    let needs = if ready {
        Needs::Everything
    } else {
        Needs::Nothing
    };
    open_for(folder, database, needs).await
}

/// The same for a command that needs some tables of the app.
pub async fn open_for(
    folder: &Path,
    database: Option<String>,
    needs: Needs,
) -> Result<Opened, Failure> {
    let (app, _) = loaded(folder)?;
    let given = database.clone();
    let config = resolve(
        folder,
        &app,
        &Flags {
            database,
            listen: None,
        },
    )?;
    // Only cursors would need the server's secret, and no command hands one out.
    let passing = secret::new_secret();
    let backend = Backend::open(
        Arc::clone(&app),
        &config.database,
        Role::Command,
        passing.as_bytes(),
    )
    .await?;
    let needed = match needs {
        Needs::Nothing => None,
        Needs::Only(schema) => Some(schema(&app)),
        Needs::Everything => Some(crate::backend::schema(&app)),
    };
    if let Some(needed) = needed {
        let plan = backend.store.migration(&needed, Extras::Keep).await?;
        if !plan.is_settled() {
            return Err(next::tables(&plan, folder, given.as_deref()));
        }
    }
    Ok(Opened {
        app,
        config,
        backend,
    })
}

impl Opened {
    pub fn model(&self, name: &str) -> Result<&spec::Model, Failure> {
        model(&self.app, name)
    }
}

/// A model by its full name, or the one that may be meant.
pub fn model<'a>(app: &'a App, name: &str) -> Result<&'a spec::Model, Failure> {
    app.model_named(name).ok_or_else(|| {
        let names: Vec<String> = app.models.iter().map(spec::Model::full_name).collect();
        let near = spec::nearest::nearest_model(name, names.iter().map(String::as_str));
        let hint = match near {
            Some(near) => format!("did you mean {near}?"),
            None => format!("there are {}", names.join(", ")),
        };
        Failure::new(format!("the app has no model {name}; {hint}"))
    })
}

pub fn config(folder: &Path, database: Option<String>, format: Format) -> Result<(), Failure> {
    let (app, _) = loaded(folder)?;
    let config = resolve(
        folder,
        &app,
        &Flags {
            database,
            listen: None,
        },
    )?;
    // Nobody but a server reads it; that it is wrong is said here, too.
    super::serve::log_format()?;
    let secret = match secret::find(folder) {
        Some(secret::Secret::Environment(_)) => format!("set (environment: {})", secret::VARIABLE),
        Some(secret::Secret::File(path, _)) => format!("set ({})", path.display()),
        None => "not set: `mainstay dev` makes one; `mainstay serve` needs one".to_owned(),
    };
    match format {
        Format::Json => {
            let mut all = serde_json::Map::new();
            for line in &config.lines {
                all.insert(
                    line.key.to_owned(),
                    serde_json::json!({"value": line.value, "from": line.origin.to_string()}),
                );
            }
            print::line(serde_json::Value::Object(all));
        }
        Format::Human => {
            let key = config.lines.iter().map(|l| l.key.len()).max().unwrap_or(0);
            let shown = |value: &serde_json::Value| match value {
                serde_json::Value::String(text) => text.clone(),
                other => other.to_string(),
            };
            let value = config
                .lines
                .iter()
                .map(|l| shown(&l.value).chars().count())
                .max()
                .unwrap_or(0)
                .min(48);
            for line in &config.lines {
                let origin = print::dim(line.origin);
                print::line(format!(
                    "{:key$}  {:value$}  {origin}",
                    line.key,
                    shown(&line.value)
                ));
            }
            print::line(format!("{:key$}  {secret}", "secret"));
        }
    }
    Ok(())
}

pub fn schema(file: SchemaFile) -> Result<(), Failure> {
    let schema = match file {
        SchemaFile::Mainstay => load::schema::app_schema(),
        SchemaFile::Module => load::schema::module_schema(),
        SchemaFile::Tests => load::schema::tests_schema(),
    };
    print::line(serde_json::to_string_pretty(&schema).map_err(Failure::new)?);
    Ok(())
}

/// The page of error codes.
pub fn errors() -> Result<(), Failure> {
    print::line(errors_page().trim_end());
    Ok(())
}

/// `docs/errors.md`, from the catalogue.
pub fn errors_page() -> String {
    let mut out = String::from(
        "# Error codes\n\n<!-- Generated by `make docs` from the catalogue in crates/spec/src/problem.rs. -->\n\n\
         Every error is a problem document (RFC 9457, `application/problem+json`) whose `code` is one of these \
         and whose `type` is `urn:mainstay:problem:` and the code. Codes are stable and never reused.\n\n| code | status | what it means | what to do |\n|---|---|---|---|\n",
    );
    for entry in spec::problem::CATALOGUE {
        out.push_str(&format!(
            "| <a id=\"{0}\"></a>`{0}` | {1} | {2} | {3} |\n",
            entry.name, entry.status, entry.title, entry.hint
        ));
    }
    out
}
