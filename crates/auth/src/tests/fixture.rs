//! An app's accounts on a database of its own.

use super::door::FakeDoor;
use crate::sql::Sql;
use crate::{Auth, SignedIn, StartError, tables};
use spec::problem::Result;
use spec::schema::{Column, Schema, Table, TableName};
use spec::settings::{self, Settings};
use spec::statement::{Statement, Step};
use spec::{Code, ColumnType, Principal, Problem, Uuid, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::migrate::{Allow, Applied};
use store::{Bounds, Store, postgres, sqlite};

pub const SECRET: &[u8] = b"thirty-two bytes of test secret!";
pub const PASSWORD: &str = "correct horse battery staple";

pub struct Fixture {
    pub store: Arc<Store>,
    pub door: Arc<FakeDoor>,
    pub auth: Auth,
    /// Held for its drop.
    _folder: Option<tempfile::TempDir>,
}

/// Runs a behaviour on SQLite, and on PostgreSQL where there is one (`scripts/postgres run -- …`).
pub async fn on_each_store(behaviour: impl AsyncFn(&Fixture)) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let store = Store::Sqlite(sqlite::Sqlite::open(path, sqlite::Options::default()).unwrap());
    behaviour(&Fixture::on(store, Some(folder)).await).await;

    let Ok(server) = std::env::var("MAINSTAY_TEST_POSTGRES") else {
        return;
    };
    let name = format!("auth_{}", Uuid::now_v7().simple());
    let admin = administer(&server).await;
    admin
        .batch_execute(&format!("CREATE DATABASE {name}"))
        .await
        .unwrap();
    let url = match server.rsplit_once('/') {
        Some((before, _)) => format!("{before}/{name}"),
        None => server.clone(),
    };
    let store = postgres::Postgres::connect(&url, postgres::Options::default())
        .await
        .unwrap();
    let fixture = Fixture::on(Store::Postgres(store), None).await;
    behaviour(&fixture).await;
    drop(fixture);
    // What a failed test leaves behind is gone with the test server.
    admin
        .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
        .await
        .unwrap();
}

async fn administer(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .unwrap();
    tokio::spawn(connection);
    client
}

/// What of `auth.users` a statement of this room asks for.
fn users() -> Table {
    let column = |name: &str, ty| Column::new(name, ty, false);
    Table {
        name: TableName::new("auth", "users"),
        columns: vec![
            column("id", ColumnType::Uuid),
            column("suspended", ColumnType::Bool),
        ],
        key: vec!["id".to_owned()],
        assigned_key: false,
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        renamed_from: None,
        search: Vec::new(),
    }
}

impl Fixture {
    async fn on(store: Store, folder: Option<tempfile::TempDir>) -> Fixture {
        let mut wanted = Schema {
            tables: tables(),
            ..Schema::default()
        };
        wanted.tables.push(users());
        let applied = store.apply(&wanted, Allow::SAFE).await.unwrap();
        assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
        let plan = store
            .migration(&wanted, store::migrate::Extras::Keep)
            .await
            .unwrap();
        assert!(plan.is_settled(), "{plan:?}");
        let store = Arc::new(store);
        let door = Arc::new(FakeDoor::new(Arc::clone(&store)));
        let auth = start(&store, &door, SECRET).await.unwrap();
        Fixture {
            store,
            door,
            auth,
            _folder: folder,
        }
    }

    /// Another server of the same app.
    pub async fn another(&self) -> Auth {
        start(&self.store, &self.door, SECRET).await.unwrap()
    }

    pub async fn with_secret(&self, secret: &[u8]) -> std::result::Result<Auth, StartError> {
        start(&self.store, &self.door, secret).await
    }

    pub async fn register(&self, email: &str) -> Account {
        let body = format!(r#"{{"email":"{email}","password":"{PASSWORD}"}}"#);
        let signed_in = self
            .auth
            .register(body.as_bytes(), Some("test"))
            .await
            .unwrap();
        self.account(signed_in).await
    }

    pub async fn login(&self, email: &str, password: &str) -> Result<SignedIn> {
        let body = format!(r#"{{"email":"{email}","password":"{password}"}}"#);
        self.auth.login(body.as_bytes(), None).await
    }

    pub async fn refresh(&self, token: &str) -> Result<SignedIn> {
        let body = format!(r#"{{"refresh_token":"{token}"}}"#);
        self.auth.refresh(body.as_bytes()).await
    }

    pub async fn change_password(&self, principal: &Principal, from: &str, to: &str) -> Result<()> {
        let body = format!(r#"{{"current_password":"{from}","new_password":"{to}"}}"#);
        self.auth.change_password(principal, body.as_bytes()).await
    }

    pub async fn account(&self, tokens: SignedIn) -> Account {
        let principal = self.auth.authenticate(&tokens.access_token).await.unwrap();
        Account {
            id: principal.id.unwrap(),
            principal,
            tokens,
        }
    }

    pub async fn captured(&self, statement: Statement) -> Vec<Value> {
        let bounds = Bounds {
            emit: 1000,
            deadline: Instant::now() + Duration::from_secs(5),
        };
        self.store.read(&statement, bounds).await.unwrap().captured
    }

    pub async fn run(&self, steps: Vec<Step>) {
        let deadline = Instant::now() + Duration::from_secs(5);
        self.store.write(steps, deadline).await.unwrap();
    }

    pub fn sql(&self) -> Sql {
        Sql::new(self.store.dialect())
    }
}

/// Somebody who signed in.
pub struct Account {
    pub id: Uuid,
    pub principal: Principal,
    pub tokens: SignedIn,
}

impl Account {
    pub fn session(&self) -> Uuid {
        self.principal.session.unwrap()
    }
}

pub fn settings() -> settings::Auth {
    Settings::default().auth
}

async fn start(
    store: &Arc<Store>,
    door: &Arc<FakeDoor>,
    secret: &[u8],
) -> std::result::Result<Auth, StartError> {
    let door = Arc::clone(door) as Arc<dyn crate::UserDoor>;
    Auth::new(Arc::clone(store), door, "shop", settings(), secret).await
}

pub fn code<T: std::fmt::Debug>(result: Result<T>) -> Code {
    result.unwrap_err().code
}

/// `pointer code` of each error, in order.
pub fn errors(problem: &Problem) -> Vec<String> {
    let mut errors: Vec<String> = problem
        .errors
        .iter()
        .map(|error| format!("{} {}", error.pointer, error.code))
        .collect();
    errors.sort();
    errors
}
