//! `explain` and `eval`: why a decision is what it is, and a playground for expressions.

use super::Verb;
use super::app::{self, Opened};
use super::print::{self, Failure};
use crate::users::Users;
use auth::UserDoor;
use engine::About;
use plan::access;
use spec::expr::ExprError;
use spec::expr::check::{self, Purpose, Scope};
use spec::{App, Principal, Uuid};
use std::path::Path;
use std::sync::Arc;

/// Who `--as` means, of whom a command takes these.
pub async fn principal(opened: &Opened, who: &str, choices: &str) -> Result<Principal, Failure> {
    if who == "anonymous" {
        return Ok(Principal::anonymous());
    }
    let users = Users::new(Arc::clone(&opened.backend.engine));
    let Some(user) = users.user_by_email(&who.trim().to_lowercase()).await? else {
        return Err(Failure::new(format!(
            "there is no user with the address {who}; --as takes {choices}"
        )));
    };
    let auth = opened.backend.accounts_for_commands()?;
    let roles = auth.roles_of(user.id).await?;
    Ok(Principal::user(
        user.id,
        user.verified.then_some(user.email),
        roles.into(),
    ))
}

pub async fn explain(
    folder: &Path,
    database: Option<String>,
    who: &str,
    verb: Verb,
    model: &str,
    about: (Option<&str>, Option<&str>),
) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let model = opened.model(model)?;
    let principal = principal(&opened, who, "anonymous or a user's email").await?;
    let about = match (verb, about) {
        (_, (None, _)) => About::Rule,
        (Verb::Create, (Some(json), None)) => About::Body(json.as_bytes()),
        (_, (Some(id), None)) => About::Record(id),
        (Verb::Update, (Some(id), Some(json))) => About::Change(id, json.as_bytes()),
        (_, (Some(_), Some(_))) => {
            return Err(Failure::with_code(
                2,
                "only an update has a change to decide on",
            ));
        }
    };
    let verb = match verb {
        Verb::Read => access::Verb::Read,
        Verb::Create => access::Verb::Create,
        Verb::Update => access::Verb::Update,
        Verb::Delete => access::Verb::Delete,
    };
    let told = opened
        .backend
        .engine
        .explain(&principal, verb, model.id, about)
        .await?;
    print::line(format!(
        "{} {} as {who}",
        print::bold(told.verb.name()),
        print::bold(&told.model)
    ));
    print::line(format!("  rule       {}", told.rule));
    if let Some(why) = told.above_rules {
        print::line(format!("  bound      no: {why}"));
    }
    if told.folded != told.rule {
        print::line(format!(
            "  left       {}  {}",
            told.folded,
            print::dim(format!("for {who}"))
        ));
    }
    for (name, value) in &told.values {
        print::line(format!("  where      {name} = {value}"));
    }
    for (name, value) in &told.becomes {
        print::line(format!("  becomes    {name} = {value}"));
    }
    for barred in &told.barred {
        print::line(format!("  field      {barred}"));
    }
    match told.allowed {
        Some(true) => print::line(format!("  decision   {}", print::good("allowed"))),
        Some(false) => print::line(format!("  decision   {}", print::bad("denied"))),
        None => {}
    }
    if let Some(note) = &told.note {
        print::line(format!("  note       {note}"));
    }
    if let Some((sql, params)) = &told.sql {
        print::line(format!("  sql        {sql}"));
        for (n, param) in params.iter().enumerate() {
            print::line(print::dim(format!("             {} = {param}", n + 1)));
        }
    }
    opened.backend.store.close().await;
    Ok(())
}

/// What `eval` is asked.
pub struct Asked<'a> {
    pub expr: &'a str,
    pub record: &'a str,
    pub who: &'a str,
    pub roles: &'a [String],
    pub model: Option<&'a str>,
}

pub async fn eval(
    folder: &Path,
    database: Option<String>,
    asked: Asked<'_>,
) -> Result<(), Failure> {
    // Names of a model need its app; without one, every name is a member of the record.
    let (app, name) = match asked.model {
        Some(model) => (app::loaded(folder)?.0, model),
        None => (free_app()?, "free.records"),
    };
    let model = app::model(&app, name)?;
    let principal = match asked.who {
        "anonymous" => Principal::anonymous(),
        who => match who.parse::<Uuid>() {
            Ok(id) => {
                let roles = asked.roles.iter().map(|r| Arc::from(r.as_str())).collect();
                Principal::user(id, None, roles)
            }
            Err(_) => {
                let opened = app::open(folder, database, true).await?;
                principal(&opened, who, "anonymous, or a user's email or id").await?
            }
        },
    };
    let scope = Scope {
        app: &app,
        model: Some(model.id),
        purpose: Purpose::Free,
        closed: &[],
    };
    let expr = check::compile(asked.expr, &scope)
        .map_err(|errors| Failure::new(pointed(asked.expr, &errors)))?;
    let found = engine::evaluate(&app, &expr, model.id, asked.record.as_bytes(), &principal)
        .map_err(|problem| Failure::new(format!("--record: {}", told(&problem))))?;
    print::line(format!("type        {}", found.ty));
    match &found.value {
        Ok(value) => print::line(format!("value       {}", print::bold(value))),
        Err(error) => print::line(format!("value       none: {error}")),
    }
    if found.ty == "bool" {
        for compiled in &found.sql {
            let dialect = compiled.dialect;
            match &compiled.sql {
                Ok((text, params)) => {
                    let params = if params.is_empty() {
                        String::new()
                    } else {
                        format!("  [{}]", params.join(", "))
                    };
                    print::line(format!("{dialect:10}  {text}{}", print::dim(params)));
                }
                Err(reason) => print::line(format!(
                    "{dialect:10}  {}",
                    print::dim(format!("no SQL: {reason}"))
                )),
            }
        }
    }
    Ok(())
}

/// Without the code, which is for programs.
fn told(problem: &spec::Problem) -> String {
    let errors = problem.errors.iter();
    let lines = errors.map(|error| format!("\n  {}: {}", error.pointer, error.detail));
    lines.fold(problem.detail.clone(), |all, line| all + &line)
}

/// One open model: whatever the record holds can be named.
fn free_app() -> Result<Arc<App>, Failure> {
    let files = vec![
        ("mainstay.toml".into(), "name = \"free\"\n".to_owned()),
        (
            "modules/free/module.toml".into(),
            "[models.records]\nopen = true\n".to_owned(),
        ),
    ];
    let loaded = spec::load::load_sources(files);
    loaded
        .app
        .map(Arc::new)
        .ok_or_else(|| Failure::new("the playground's own app does not load"))
}

/// Each mistake under its place.
fn pointed(text: &str, errors: &[ExprError]) -> String {
    let mut out = String::from("the expression is not valid");
    for error in errors {
        let start = text
            .get(..error.span.start as usize)
            .map_or(0, |t| t.chars().count());
        let width = text
            .get(error.span.start as usize..error.span.end as usize)
            .map_or(1, |t| t.chars().count());
        out.push_str(&format!(
            "\n  {text}\n  {}{} {}",
            " ".repeat(start),
            "^".repeat(width.max(1)),
            error.message
        ));
        if let Some(help) = &error.help {
            out.push_str(&format!("\n  help: {help}"));
        }
    }
    out
}
