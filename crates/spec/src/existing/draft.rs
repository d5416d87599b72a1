//! The app that an existing database could have. What it writes, the loader takes: what that refuses is taken out, and
//! listed like all else that is not as it was.

use super::catalogue::{Catalogue, Kind};
use super::render::{self, Owner, Text};
use super::tables::{self, AllServed, Model, Served};
use super::{names, shown};
use crate::diagnostic::{Diagnostic, Severity};
use crate::load::load_sources;
use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};

#[derive(Debug, Clone)]
pub struct Draft {
    /// Paths within the app's folder.
    pub files: Vec<(PathBuf, String)>,
    /// What the files do not say, table by table.
    pub listed: Vec<Listed>,
    pub models: usize,
}

/// Something of the database that a model has not, or has otherwise.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// `public.orders`, `public.orders.total`; safe to print.
    pub of: String,
    pub what: What,
    pub why: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// A table, view or column that is not served.
    LeftOut,
    /// Served, and never written.
    ReadOnly,
    /// Served, and not quite the same.
    Different,
    /// It goes on in the database, and no model knows of it.
    Database,
}

impl What {
    pub fn name(self) -> &'static str {
        match self {
            What::LeftOut => "left out",
            What::ReadOnly => "read only",
            What::Different => "differs",
            What::Database => "database",
        }
    }
}

impl fmt::Display for Listed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:9} {}: {}", self.what.name(), self.of, self.why)
    }
}

/// What the app is called, and where its database is.
#[derive(Debug, Clone)]
pub struct Named<'n> {
    pub app: &'n str,
    /// Without the password.
    pub url: Option<&'n str>,
}

/// Rounds in which the loader may refuse something. Each takes out at least one thing of each line it complains about.
const ROUNDS: usize = 40;

/// Writes the app. An error is that the loader takes nothing of it: a defect of ours, or a database beyond its bounds.
pub fn draft(catalogue: &Catalogue, named: &Named<'_>) -> Result<Draft, String> {
    let mut listed = Vec::new();
    let modules = modules(catalogue, named.app);
    let served = served(catalogue, &modules, &mut listed);
    let mut models: Vec<Model<'_>> = catalogue
        .relations
        .iter()
        .filter_map(|relation| tables::model(relation, &catalogue.relations, &served, &mut listed))
        .collect();
    tables::inverses(&mut models);
    for _ in 0..ROUNDS {
        let mut files = vec![(PathBuf::from("mainstay.toml"), app_file(named))];
        let mut texts: Vec<(PathBuf, Text)> = Vec::new();
        for (schema, module) in &modules {
            texts.push((
                Path::new("modules").join(module).join("module.toml"),
                module_file(schema, module, &models, &listed),
            ));
        }
        files.extend(
            texts
                .iter()
                .map(|(path, text)| (path.clone(), text.text.clone())),
        );
        let loaded = load_sources(files.clone());
        let wrong: Vec<&Diagnostic> = loaded
            .diagnostics
            .iter()
            .filter(|one| one.severity == Severity::Error)
            .collect();
        if wrong.is_empty() {
            return Ok(Draft {
                files,
                listed,
                models: models.len(),
            });
        }
        let mut refused: Vec<(Owner, &Diagnostic)> = Vec::new();
        for one in &wrong {
            let path = loaded.sources.get(one.file).map(|source| &source.path);
            let place = loaded.sources.position(one.file, one.span.start);
            let owner = texts
                .iter()
                .find(|(known, _)| Some(known) == path)
                .and_then(|(_, text)| text.owners.get(place.line.saturating_sub(1)));
            match owner {
                Some(owner) if *owner != Owner::Nothing => {
                    if !refused.iter().any(|(known, _)| known == owner) {
                        refused.push((*owner, one));
                    }
                }
                _ => return Err(one.message.clone()),
            }
        }
        take_out(&mut models, &refused, &mut listed);
    }
    Err("the loader refuses something new each time".to_owned())
}

/// A module for each schema. `public` says nothing, and is called as the app is.
fn modules(catalogue: &Catalogue, app: &str) -> Vec<(String, String)> {
    let mut taken = BTreeSet::new();
    let mut schemas: Vec<&String> = catalogue.schemas.iter().collect();
    schemas.sort_by_key(|schema| *schema != "public");
    schemas
        .into_iter()
        .map(|schema| {
            let name = match schema.as_str() {
                "public" => app,
                other => other,
            };
            let name = crate::load::names::possible_module(name);
            (schema.clone(), names::free(name, &mut taken))
        })
        .collect()
}

fn served(
    catalogue: &Catalogue,
    modules: &[(String, String)],
    listed: &mut Vec<Listed>,
) -> AllServed {
    let mut served = AllServed::new();
    for (schema, module) in modules {
        let mut good = Vec::new();
        for relation in &catalogue.relations {
            if relation.name.namespace != *schema {
                continue;
            }
            match tables::key(relation) {
                Ok(key) => good.push((relation, key)),
                // There may be hundreds, of one table.
                Err(_) if relation.kind == Kind::Partition => {}
                Err(why) => listed.push(Listed {
                    of: shown(&format!("{schema}.{}", relation.name.name)),
                    what: What::LeftOut,
                    why,
                }),
            }
        }
        let tables = good.iter().map(|(relation, _)| relation.name.name.as_str());
        let names = names::models(tables, module);
        for ((relation, (id, key, key_native)), model) in good.into_iter().zip(names) {
            served.insert(
                relation.name.clone(),
                Served {
                    module: module.clone(),
                    model,
                    id,
                    key,
                    key_native,
                },
            );
        }
    }
    served
}

/// Takes out what the loader refuses: the least that can be blamed.
fn take_out(
    models: &mut Vec<Model<'_>>,
    refused: &[(Owner, &Diagnostic)],
    listed: &mut Vec<Listed>,
) {
    let mut gone_models = Vec::new();
    let mut gone_fields = Vec::new();
    let mut gone_indexes = Vec::new();
    for (owner, why) in refused {
        let model = match owner {
            Owner::Nothing => continue,
            Owner::Model(model) | Owner::Field(model, _) | Owner::Index(model, _) => *model,
        };
        let of = &models[model].relation.name;
        let of = shown(&format!("{}.{}", of.namespace, of.name));
        let mut list = |of: String, what: What, thing: &str| {
            let why = format!("{thing} ({})", shown(&why.message));
            listed.push(Listed { of, what, why });
        };
        match *owner {
            Owner::Nothing => {}
            Owner::Model(_) => {
                gone_models.push(model);
                list(of, What::LeftOut, "a model cannot say it");
            }
            Owner::Index(_, at) => {
                let name = models[model].indexes[at].name.clone();
                gone_indexes.push((model, at));
                let what = format!("a model cannot say the index {name}; the database has it");
                list(of, What::Database, &what);
            }
            Owner::Field(_, at) => {
                let field = &mut models[model].fields[at];
                let of = format!("{of}.{}", shown(&field.column.name));
                let expression = why.code.starts_with("expr-") || why.code == "bad-default";
                if expression && field.check.take().is_some() {
                    list(of, What::Database, "its check is the database's alone");
                } else if expression && field.default.take().is_some() {
                    field.optional = true;
                    list(of, What::Database, "its default is the database's alone");
                } else if std::mem::take(&mut field.unique) {
                    list(of, What::Database, "`unique` is the database's alone");
                } else {
                    gone_fields.push((model, at));
                    list(of, What::LeftOut, "a field cannot say it");
                }
            }
        }
    }
    // From behind, so that places stay.
    gone_indexes.sort_unstable();
    for (model, at) in gone_indexes.into_iter().rev() {
        models[model].indexes.remove(at);
    }
    gone_fields.sort_unstable();
    for (model, at) in gone_fields.into_iter().rev() {
        let field = models[model].fields.remove(at);
        models[model]
            .indexes
            .retain(|index| !index.fields.contains(&field.name));
    }
    gone_models.sort_unstable();
    for model in gone_models.into_iter().rev() {
        models.remove(model);
    }
}

fn app_file(named: &Named<'_>) -> String {
    let mut out = format!("name = {}\n\n[database]\n", render::string(named.app));
    match named.url {
        Some(url) => {
            out.push_str("# A password is not kept here: set DATABASE_URL to the whole address.\n");
            out.push_str(&format!("url = {}\n", render::string(url)));
        }
        None => out.push_str("# Set DATABASE_URL to its address.\n"),
    }
    out.push_str("\n[auth]\n# Nobody registers until this is \"open\"; `mainstay admin create` makes accounts.\n");
    out.push_str("registration = \"closed\"\n");
    out
}

const HEADER: &str = "\
Every model is closed: administrators reach it, and nobody else. To open one, say who may do what:

  [models.NAME.access]
  read = \"auth.id != null\"

Models and fields may be called otherwise here: `table` and `column` say what the database calls them.
What this file does not say is listed at its end. The tables stay as they are: see docs/introspect.md.";

fn module_file(schema: &str, module: &str, models: &[Model<'_>], listed: &[Listed]) -> Text {
    let own: Vec<(usize, &Model<'_>)> = models
        .iter()
        .enumerate()
        .filter(|(_, model)| model.module == module)
        .collect();
    let header = format!(
        "Written by `mainstay introspect` from the schema {}.\n{HEADER}",
        shown(schema)
    );
    let mut text = render::module(schema, &header, &own);
    let prefix = shown(&format!("{schema}."));
    let mut lines: Vec<String> = listed
        .iter()
        .filter(|one| one.of.starts_with(&prefix))
        .map(ToString::to_string)
        .collect();
    if !lines.is_empty() {
        let head = "What this file does not say, or says otherwise:\n";
        lines.insert(0, head.to_owned());
        render::remarks(&mut text, &lines);
    }
    text
}
