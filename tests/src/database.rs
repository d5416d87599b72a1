//! A database of its own for each test.

use store::{Store, postgres, sqlite};

/// The kind of store that a test runs on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

/// Held until the test is over.
pub enum Held {
    Sqlite(tempfile::TempDir),
    Postgres {
        admin: tokio_postgres::Client,
        name: String,
    },
}

/// Where the server is in which tests make their databases.
fn server() -> String {
    std::env::var("MAINSTAY_TEST_POSTGRES").unwrap_or_else(|_| {
        panic!(
            "this test needs a PostgreSQL server: run `make test`, which starts a private one, or \
             `scripts/postgres run -- cargo nextest run …`"
        )
    })
}

pub async fn open(on: On) -> (Store, Held) {
    open_from(on, postgres::Options::default().online_from).await
}

/// `online_from`: how many bytes make a table a large one for PostgreSQL's migrations.
pub async fn open_from(on: On, online_from: u64) -> (Store, Held) {
    match on {
        On::Sqlite => {
            let folder = tempfile::tempdir().expect("a temporary folder");
            let options = sqlite::Options {
                server: true,
                ..sqlite::Options::default()
            };
            let path = folder.path().join("data.db");
            let store = sqlite::Sqlite::open(path, options).expect("a database file");
            (Store::Sqlite(store), Held::Sqlite(folder))
        }
        On::Postgres => {
            let server = server();
            let admin = connect(&server).await;
            let name = format!("suite_{}", spec::Uuid::now_v7().simple());
            admin
                .batch_execute(&format!("CREATE DATABASE {name}"))
                .await
                .expect("the right to create databases");
            let (before, _) = server
                .rsplit_once('/')
                .expect("a URL that names a database");
            let options = postgres::Options {
                readers: 2,
                writers: 2,
                pool: 4,
                online_from,
                ..postgres::Options::default()
            };
            let store = postgres::Postgres::connect(&format!("{before}/{name}"), options)
                .await
                .expect("the new database");
            (Store::Postgres(store), Held::Postgres { admin, name })
        }
    }
}

pub(crate) async fn connect(url: &str) -> tokio_postgres::Client {
    let (client, connection) = tokio_postgres::connect(url, tokio_postgres::NoTls)
        .await
        .expect("the server of MAINSTAY_TEST_POSTGRES");
    tokio::spawn(connection);
    client
}

impl Held {
    /// Where a database of its own is on a server.
    pub fn url(&self) -> Option<String> {
        let Held::Postgres { name, .. } = self else {
            return None;
        };
        let server = server();
        let (before, _) = server.rsplit_once('/')?;
        Some(format!("{before}/{name}"))
    }

    pub async fn remove(self) {
        match self {
            Held::Sqlite(folder) => drop(folder),
            Held::Postgres { admin, name } => {
                admin
                    .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
                    .await
                    .expect("to drop the test's database");
            }
        }
    }
}
