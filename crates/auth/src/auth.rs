//! The room's one object, and what its operations share.

use crate::access_token::AccessTokens;
use crate::cache::Cache;
use crate::clock::{Clock, micros};
use crate::door::{UserAccount, UserDoor};
use crate::fault::{contended, problem_of, unauthenticated};
use crate::keys::{self, KeysError, Seal};
use crate::passwords::{Cost, Passwords, fill};
use crate::refresh_token::RefreshTokens;
use crate::session::Live;
use crate::signed_in::SignedIn;
use crate::sql::{NewSession, Sql};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use parking_lot::RwLock;
use spec::problem::Result;
use spec::settings;
use spec::statement::{Rows, Statement, Step, Written};
use spec::{Principal, Problem, Uuid, Value};
use std::fmt;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::{Bounds, Store};

/// How long one statement may take.
const QUERY_TIME: Duration = Duration::from_secs(5);
/// Roles of one user that are read. More than anybody is meant to have.
const MOST_ROLES: u32 = 1000;
/// Live sessions that are remembered: about 300 bytes each.
const REMEMBERED: usize = 16 * 1024;
/// Shorter secrets can be guessed.
const LEAST_SECRET: usize = 16;

/// Accounts, sessions and tokens of one app.
///
/// What a caller must not learn stays out of every answer: whether an address has an account, why a token was
/// refused. Everything that takes a [`Principal`] decides itself whether that principal may.
pub struct Auth {
    pub(crate) store: Arc<Store>,
    pub(crate) door: Arc<dyn UserDoor>,
    pub(crate) sql: Sql,
    pub(crate) clock: Clock,
    pub(crate) passwords: Passwords,
    pub(crate) access: AccessTokens,
    pub(crate) refresh: Arc<RefreshTokens>,
    pub(crate) live: Cache<Uuid, Arc<Live>>,
    settings: RwLock<settings::Auth>,
}

/// Why accounts cannot be served.
#[derive(Debug, Clone, PartialEq)]
pub enum StartError {
    /// The secret is shorter than 16 bytes.
    ShortSecret,
    /// The signing keys in the database were sealed under another secret.
    OtherSecret { kid: String },
    /// The database did not answer.
    Problem(Problem),
}

impl fmt::Display for StartError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            StartError::ShortSecret => write!(
                f,
                "the server's secret is shorter than {LEAST_SECRET} bytes: make one with `openssl rand -base64 32`"
            ),
            StartError::OtherSecret { kid } => write!(
                f,
                "signing key {kid} in this database was sealed under another secret: start with that secret, or \
                 delete the rows of the private table `keys` (everybody has to sign in again then)"
            ),
            StartError::Problem(problem) => match &problem.cause {
                Some(cause) => write!(f, "{} ({cause})", problem.detail),
                None => write!(f, "{}", problem.detail),
            },
        }
    }
}
impl std::error::Error for StartError {}

impl From<Problem> for StartError {
    fn from(problem: Problem) -> StartError {
        StartError::Problem(problem)
    }
}

impl Auth {
    /// Opens the room. The tables are there (see [`crate::tables`]); the first signing key is made if need be.
    ///
    /// `app` is the app's name, the issuer of its tokens. `secret` is the same on every server of the app: with
    /// another one nobody's tokens are good any more.
    pub async fn new(
        store: Arc<Store>,
        door: Arc<dyn UserDoor>,
        app: &str,
        settings: settings::Auth,
        secret: &[u8],
    ) -> std::result::Result<Auth, StartError> {
        if secret.len() < LEAST_SECRET {
            return Err(StartError::ShortSecret);
        }
        let sql = Sql::new(store.dialect());
        let clock = Clock::default();
        let seal = Seal::new(secret);
        let overlap = micros(settings.access_token);
        let keys = keys::load(&store, sql, &seal, clock.now(), overlap)
            .await
            .map_err(|error| match error {
                KeysError::Problem(problem) => StartError::Problem(problem),
                KeysError::Sealed { kid } => StartError::OtherSecret { kid },
            })?;
        Ok(Auth::with(store, door, app, settings, secret, keys))
    }

    /// For commands beside a server: passwords and roles, but no signing key is read or made, for those belong
    /// to the server's secret, which a command need not have. Tokens of this room are good nowhere else.
    pub fn for_commands(
        store: Arc<Store>,
        door: Arc<dyn UserDoor>,
        app: &str,
        settings: settings::Auth,
    ) -> std::result::Result<Auth, StartError> {
        let mut secret = [0; 32];
        crate::passwords::fill(&mut secret)?;
        Ok(Auth::with(
            store,
            door,
            app,
            settings,
            &secret,
            keys::passing()?,
        ))
    }

    fn with(
        store: Arc<Store>,
        door: Arc<dyn UserDoor>,
        app: &str,
        settings: settings::Auth,
        secret: &[u8],
        keys: keys::Keys,
    ) -> Auth {
        Auth {
            sql: Sql::new(store.dialect()),
            clock: Clock::default(),
            passwords: Passwords::for_this_machine(),
            access: AccessTokens::new(app, keys),
            refresh: Arc::new(RefreshTokens::new(secret)),
            live: Cache::new(REMEMBERED),
            settings: RwLock::new(settings),
            store,
            door,
        }
    }

    /// With passwords that cost next to nothing, and protect nothing: for an app's own tests.
    pub fn on_trial(self) -> Auth {
        Auth {
            passwords: self.passwords.at_cost(Cost::Trial),
            ..self
        }
    }

    /// Goes by other settings from now on. What was issued keeps the times it was issued with.
    pub fn replace_settings(&self, settings: settings::Auth) {
        *self.settings.write() = settings;
    }

    pub(crate) fn settings(&self) -> settings::Auth {
        self.settings.read().clone()
    }

    pub(crate) fn deadline(&self) -> Instant {
        Instant::now() + QUERY_TIME
    }

    pub(crate) async fn read(&self, statement: &Statement, most: u32) -> Result<Rows> {
        let bounds = Bounds {
            emit: most,
            deadline: self.deadline(),
        };
        self.store.read(statement, bounds).await.map_err(problem_of)
    }

    pub(crate) async fn write(&self, steps: Vec<Step>) -> Result<Written> {
        self.store
            .write(steps, self.deadline())
            .await
            .map_err(problem_of)
    }

    /// A write whose steps only miss when somebody else was faster.
    pub(crate) async fn write_all(&self, steps: Vec<Step>) -> Result<Vec<Vec<Value>>> {
        match self.write(steps).await? {
            Written::Done(captured) => Ok(captured),
            Written::Missed { .. } => Err(contended()),
        }
    }

    /// A session that starts now, and is not written yet.
    pub(crate) fn new_session(&self, user: Uuid, agent: Option<&str>) -> Result<NewSession> {
        let mut seed = [0; 32];
        fill(&mut seed)?;
        let now = self.clock.now();
        Ok(NewSession {
            id: Uuid::now_v7(),
            user,
            seed: URL_SAFE_NO_PAD.encode(seed),
            now,
            expires_at: now.saturating_add(micros(self.settings().refresh_token)),
            agent: agent.map(shortened).filter(|agent| !agent.is_empty()),
        })
    }

    /// The answer to signing in, for a session that is written.
    pub(crate) async fn signed_in(
        &self,
        account: &UserAccount,
        session: Uuid,
        refresh_token: String,
    ) -> Result<SignedIn> {
        let roles = self.roles(account.id).await?;
        let principal = principal(account, roles.into(), session);
        let user = self.door.user_json(account.id, &principal).await?;
        self.tokens(account.id, session, refresh_token, user)
    }

    pub(crate) fn tokens(
        &self,
        user: Uuid,
        session: Uuid,
        refresh_token: String,
        json: bytes::Bytes,
    ) -> Result<SignedIn> {
        let expires_in = self.settings().access_token;
        let access_token = self
            .access
            .sign(user, session, self.clock.now(), expires_in)?;
        Ok(SignedIn {
            access_token,
            refresh_token,
            expires_in,
            user: json,
        })
    }

    pub(crate) async fn roles(&self, user: Uuid) -> Result<Vec<Arc<str>>> {
        let rows = self.read(&self.sql.roles(user), MOST_ROLES).await?;
        let text = |value: &Value| match value {
            Value::Text(text) => Some(Arc::clone(text)),
            _ => None,
        };
        Ok(rows.captured.iter().filter_map(text).collect())
    }
}

/// Who a session's user is.
pub(crate) fn principal(account: &UserAccount, roles: Arc<[Arc<str>]>, session: Uuid) -> Principal {
    let email = account.verified.then(|| Arc::clone(&account.email));
    Principal {
        session: Some(session),
        ..Principal::user(account.id, email, roles)
    }
}

/// The user and session of a caller who signed in.
pub(crate) fn signed_in_user(principal: &Principal) -> Result<(Uuid, Uuid)> {
    match (principal.id, principal.session) {
        (Some(user), Some(session)) => Ok((user, session)),
        _ => Err(unauthenticated()),
    }
}

/// What a program says of itself, fit to be shown in a list.
fn shortened(agent: &str) -> String {
    agent
        .chars()
        .filter(|c| !c.is_control())
        .take(200)
        .collect()
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").finish_non_exhaustive()
    }
}
