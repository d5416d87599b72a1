//! An app on its database, without HTTP: what commands work with, and what a server serves.

use crate::database::{Database, Role};
use crate::users::Users;
use auth::Auth;
use engine::Engine;
use spec::schema::{OWN, Schema};
use spec::{App, Problem};
use std::sync::Arc;
use store::migrate::{Applied, Plan, Terms};
use store::{Store, StoreError};

/// Everything that is needed to work on an app's data.
#[derive(Clone)]
pub struct Backend {
    pub store: Arc<Store>,
    pub engine: Arc<Engine>,
}

/// Why an app cannot be served.
#[derive(Debug)]
pub enum StartError {
    Database {
        shown: String,
        error: StoreError,
    },
    /// The tables are not what the app needs.
    Tables(Plan),
    /// In its own words: whoever starts a program reads what is in no log.
    Store(StoreError),
    Problem(Problem),
    Accounts(auth::StartError),
    Address {
        listen: String,
        error: std::io::Error,
    },
    Io(std::io::Error),
}

impl Backend {
    /// Opens the database and puts the app on it. The tables are not looked at.
    pub async fn open(
        app: Arc<App>,
        database: &Database,
        role: Role,
        secret: &[u8],
    ) -> Result<Backend, StartError> {
        let store = database
            .open(role)
            .await
            .map_err(|error| StartError::Database {
                shown: database.shown(),
                error,
            })?;
        let store = Arc::new(store);
        let engine = Arc::new(Engine::new(app, Arc::clone(&store), secret));
        Ok(Backend { store, engine })
    }

    /// The app's accounts, for a server. The tables must be there.
    pub async fn accounts(&self, secret: &[u8]) -> Result<Arc<Auth>, StartError> {
        self.auth(secret).await.map(Arc::new)
    }

    /// The same for an app's own tests, whose passwords protect nothing and cost nothing.
    pub async fn accounts_on_trial(&self, secret: &[u8]) -> Result<Arc<Auth>, StartError> {
        let auth = self.auth(secret).await?;
        Ok(Arc::new(auth.on_trial()))
    }

    async fn auth(&self, secret: &[u8]) -> Result<Auth, StartError> {
        let app = self.engine.app();
        let (name, settings) = (&app.settings.name, app.settings.auth.clone());
        let auth = Auth::new(
            Arc::clone(&self.store),
            self.users(),
            name,
            settings,
            secret,
        );
        auth.await.map_err(StartError::Accounts)
    }

    /// The same for a command, which has no part in the server's secret.
    pub fn accounts_for_commands(&self) -> Result<Arc<Auth>, StartError> {
        let app = self.engine.app();
        let (name, settings) = (&app.settings.name, app.settings.auth.clone());
        let auth = Auth::for_commands(Arc::clone(&self.store), self.users(), name, settings);
        auth.map(Arc::new).map_err(StartError::Accounts)
    }

    fn users(&self) -> Arc<Users> {
        Arc::new(Users::new(Arc::clone(&self.engine)))
    }

    /// Brings the tables up to date as far as the terms go; the plan that ran (or nothing to do).
    pub async fn migrate(&self, app: &App, terms: impl Into<Terms>) -> Result<Applied, StartError> {
        self.store
            .apply(&schema(app), terms)
            .await
            .map_err(StartError::from)
    }
}

/// Every table that an app needs, the private ones included.
pub fn schema(app: &App) -> Schema {
    let mut schema = plan::schema::schema(app);
    schema.tables.extend(auth::tables());
    schema
}

/// What is kept of accounts: the private tables, the users, and the log that changes of users go to. The tables of
/// other models have no part in it.
pub fn accounts_schema(app: &App) -> Schema {
    let mut schema = schema(app);
    let users = app.model_named("auth.users").map(|users| users.full_name());
    let own = auth::tables();
    schema.tables.retain(|table| {
        let name = format!("{}.{}", table.name.namespace, table.name.name);
        let changes = table.name.namespace == OWN && table.name.name == "changes";
        changes || users.as_ref() == Some(&name) || own.iter().any(|own| own.name == table.name)
    });
    schema.existing.clear();
    schema.data_steps.clear();
    schema
}

impl From<StoreError> for StartError {
    fn from(error: StoreError) -> StartError {
        StartError::Store(error)
    }
}

impl std::fmt::Display for StartError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            StartError::Database { shown, error } => {
                write!(f, "{shown}: {error}")?;
                match advice(shown, &error.to_string()) {
                    Some(advice) => write!(f, "\n  {advice}"),
                    None => Ok(()),
                }
            }
            StartError::Store(error) => write!(f, "{error}"),
            StartError::Problem(problem) => write!(f, "{problem}"),
            StartError::Accounts(error) => write!(f, "{error}"),
            StartError::Address { listen, error } => {
                write!(f, "cannot listen on {listen}: {error}\n  ")?;
                match error.kind() {
                    std::io::ErrorKind::AddrInUse => write!(
                        f,
                        "another program has it: stop that one, or take a free port with --listen 127.0.0.1:0"
                    ),
                    std::io::ErrorKind::AddrNotAvailable => write!(
                        f,
                        "this machine does not have it: --listen 0.0.0.0:7070 takes all that it has"
                    ),
                    std::io::ErrorKind::InvalidInput => write!(
                        f,
                        "write an address and a port up to 65535: --listen 127.0.0.1:8080"
                    ),
                    _ => write!(f, "name another with --listen or MAINSTAY_LISTEN"),
                }
            }
            StartError::Io(error) => write!(f, "{error}"),
            StartError::Tables(plan) => {
                writeln!(f, "the database is not what the app needs:")?;
                for step in plan.steps.iter().filter(|step| step.needed) {
                    writeln!(f, "  to do: {}", step.summary)?;
                }
                for difference in plan.in_the_way() {
                    writeln!(f, "  {difference}")?;
                }
                write!(
                    f,
                    "run `mainstay migrate plan` to see what would be done, and `mainstay migrate apply` to do it"
                )
            }
        }
    }
}
impl std::error::Error for StartError {}

/// What to do about a database that does not open, where its message is one that has an answer. Drivers tell these
/// apart by text and by PostgreSQL's codes (appendix A) alone.
fn advice(shown: &str, message: &str) -> Option<String> {
    let says = |text: &str| message.contains(text);
    let elsewhere = "DATABASE_URL, --database or [database] url in mainstay.toml";
    if shown.starts_with("sqlite:") {
        let unreadable = says("denied") || says("No such file") || says("unable to open");
        return (unreadable || says("not a database") || says("encrypted")).then(|| {
            format!("name a file that this user may write with sqlite:PATH in {elsewhere}")
        });
    }
    if says("(3D000)") {
        let name = shown.rsplit('/').next().unwrap_or_default();
        let name = name.split('?').next().unwrap_or_default();
        return Some(format!(
            "make it first: createdb {name}; or name another in {elsewhere}"
        ));
    }
    if says("(28000)") || says("(28P01)") {
        return Some(format!(
            "check the user and the password in {elsewhere}; `createuser NAME` makes a user"
        ));
    }
    says("cannot be reached")
        .then(|| format!("is PostgreSQL running there? The address is that of {elsewhere}"))
}
