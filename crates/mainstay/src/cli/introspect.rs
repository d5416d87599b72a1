//! `introspect`: the app that an existing PostgreSQL database could have.

use super::next;
use super::print::{self, Failure};
use crate::backend::StartError;
use crate::database::Database;
use spec::existing::draft::{self, Draft, Named, What};
use spec::existing::shown;
use spec::nearest::nearest;
use std::path::{Path, PathBuf};
use store::postgres::{Options, Postgres};

pub struct Asked {
    pub url: Option<String>,
    pub schemas: Vec<String>,
    pub out: Option<PathBuf>,
    pub name: Option<String>,
}

pub async fn introspect(asked: Asked) -> Result<(), Failure> {
    let from_environment = || {
        std::env::var("DATABASE_URL")
            .ok()
            .filter(|url| !url.is_empty())
    };
    let url = asked.url.or_else(from_environment).ok_or_else(|| {
        Failure::new("name the database: mainstay introspect postgres://user@host/database, or set DATABASE_URL")
    })?;
    let database = Database::parse(&url, Path::new(".")).map_err(Failure::new)?;
    let Database::Postgres { url, .. } = &database else {
        return Err(Failure::new(
            "only a PostgreSQL database can be introspected: name one with postgres://user@host/database",
        ));
    };
    let name = named(asked.name.as_deref().unwrap_or(&database_name(&database)));
    let out = asked.out.unwrap_or_else(|| PathBuf::from(&name));
    is_free(&out)?;

    let catalogue = look(url, &database, &asked.schemas).await?;
    for schema in &asked.schemas {
        if catalogue.schemas.contains(schema) {
            continue;
        }
        let there = catalogue.others.iter().chain(&catalogue.schemas);
        let all: Vec<String> = there.clone().map(|name| shown(name)).collect();
        let hint = match nearest(schema, there.map(String::as_str)) {
            Some(near) => format!("did you mean {}?", shown(near)),
            None => format!("there are {}", all.join(", ")),
        };
        return Err(Failure::new(format!(
            "{} has no schema {}; {hint}",
            database.shown(),
            shown(schema)
        )));
    }
    let kept = database.kept();
    let named = Named {
        app: &name,
        url: Some(&kept),
    };
    let draft = draft::draft(&catalogue, &named)
        .map_err(|why| Failure::new(format!("no app comes of this database: {why}")))?;
    write(&out, &draft)?;
    report(&draft, &catalogue.others, &out);
    Ok(())
}

async fn look(
    url: &str,
    database: &Database,
    schemas: &[String],
) -> Result<spec::existing::catalogue::Catalogue, Failure> {
    let options = Options {
        readers: 1,
        writers: 1,
        pool: 2,
        ..Options::default()
    };
    let failed = |error| {
        Failure::from(StartError::Database {
            shown: database.shown(),
            error,
        })
    };
    let store = Postgres::connect(url, options).await.map_err(failed)?;
    let catalogue = store.catalogue(schemas).await.map_err(failed);
    store.close().await;
    catalogue
}

/// What the URL calls the database, as far as it does.
fn database_name(database: &Database) -> String {
    let shown = database.shown();
    let behind = shown.split_once("://").map_or("", |(_, behind)| behind);
    let path = behind.split_once('/').map_or("", |(_, path)| path);
    path.split('?').next().unwrap_or_default().to_owned()
}

/// Letters, digits and `-`, as `mainstay new` names apps.
fn named(name: &str) -> String {
    let plain: String = name
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .take(60)
        .collect();
    match plain.trim_matches('-') {
        "" => "app".to_owned(),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("app-{name}"),
        name => name.to_owned(),
    }
}

/// Nothing is ever written over.
fn is_free(folder: &Path) -> Result<(), Failure> {
    let empty = match std::fs::read_dir(folder) {
        Ok(mut entries) => entries.next().is_none(),
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    match empty {
        true => Ok(()),
        false => Err(Failure::new(format!(
            "{} is not empty; name a new folder with --out DIR",
            folder.display()
        ))),
    }
}

fn write(folder: &Path, draft: &Draft) -> Result<(), Failure> {
    let failed = |path: &Path, e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    for (path, text) in &draft.files {
        let path = folder.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        std::fs::write(&path, text).map_err(|e| failed(&path, e))?;
    }
    Ok(())
}

fn report(draft: &Draft, others: &[String], folder: &Path) {
    for one in &draft.listed {
        let what = format!("{:9}", one.what.name());
        let what = match one.what {
            What::LeftOut => print::bad(what),
            What::ReadOnly | What::Different => print::bold(what),
            What::Database => print::dim(what),
        };
        print::line(format!("{what} {}: {}", one.of, one.why));
    }
    let of = |what: What| draft.listed.iter().filter(|one| one.what == what).count();
    print::line(format!(
        "{} wrote {}: {} ({} left out, {} read only, {} that differ, {} for the database alone)",
        print::good("✓"),
        folder.display(),
        print::count(draft.models as u64, "model"),
        of(What::LeftOut),
        of(What::ReadOnly),
        of(What::Different),
        of(What::Database),
    ));
    if !others.is_empty() {
        let others: Vec<String> = others.iter().map(|name| shown(name)).collect();
        let others = others.join(",");
        print::line(format!(
            "  other schemas: {others}   (--schema takes several)"
        ));
    }
    let app = next::app(folder);
    print::line("  every model is closed: open one in its module.toml, then");
    print::line(format!(
        "  next: mainstay migrate plan{app}   (what Mainstay would add: its own tables, and nothing to yours)"
    ));
}
