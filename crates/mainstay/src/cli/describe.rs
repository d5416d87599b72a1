//! `openapi` and `types`: the API told to programs, without serving it.

use super::app;
use super::explain;
use super::print::{self, Failure};
use api::reader::Reader;
use spec::principal::ADMIN_ROLE;
use spec::{App, Principal, Uuid};
use std::path::Path;
use std::sync::Arc;

/// What `--as` takes, for a message.
const WHO: &str = "anonymous, user (signed in, no roles), admin, or a user's email";

/// Whom a description is for.
pub struct Asked {
    /// `anonymous`, `user`, `admin`, or a user's email.
    pub who: String,
    /// Roles of `user`.
    pub roles: Vec<String>,
    pub database: Option<String>,
}

pub async fn openapi(folder: &Path, asked: Asked) -> Result<(), Failure> {
    let (app, _) = app::loaded(folder)?;
    let reader = reader(folder, &app, &asked).await?;
    print::line(api::openapi::pretty(&app, &reader));
    Ok(())
}

/// To standard output, or to a file.
pub async fn types(folder: &Path, asked: Option<Asked>, out: Option<&Path>) -> Result<(), Failure> {
    let (app, _) = app::loaded(folder)?;
    let reader = match asked {
        Some(asked) => reader(folder, &app, &asked).await?,
        None => Reader::everybody(&app),
    };
    let text = api::typescript::write(&app, &reader);
    match out {
        None => print::line(text.trim_end()),
        Some(file) => {
            let failed =
                |error| Failure::new(format!("{} cannot be written: {error}", file.display()));
            std::fs::write(file, text).map_err(failed)?;
            anstream::eprintln!("{} {}", print::good("✓ wrote"), file.display());
        }
    }
    Ok(())
}

/// Of those who are no one in particular the app says all there is; whoever has an email is in its database.
async fn reader(folder: &Path, app: &Arc<App>, asked: &Asked) -> Result<Reader, Failure> {
    let some = |roles: &[&str]| {
        let roles: Vec<Arc<str>> = roles.iter().map(|role| Arc::from(*role)).collect();
        Principal::user(Uuid::now_v7(), None, roles.into())
    };
    if !asked.roles.is_empty() && asked.who != "user" {
        return Err(Failure::with_code(
            2,
            "--roles goes with --as user; whoever has an email has the roles they were granted",
        ));
    }
    let principal = match asked.who.as_str() {
        "anonymous" => Principal::anonymous(),
        "user" => {
            let roles: Vec<&str> = asked.roles.iter().map(String::as_str).collect();
            some(&roles)
        }
        "admin" => some(&[ADMIN_ROLE]),
        email => {
            let opened = app::open(folder, asked.database.clone(), true).await?;
            let principal = explain::principal(&opened, email, WHO).await;
            opened.backend.store.close().await;
            principal?
        }
    };
    Ok(Reader::of(app, &principal))
}
