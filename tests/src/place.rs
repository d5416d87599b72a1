//! A database for a server that opens it by its URL, as a user's does.

use crate::On;
use std::path::Path;

/// A folder of the test's own, and a database in it or beside it.
pub struct Place {
    pub on: On,
    pub folder: tempfile::TempDir,
    /// As `--database` takes it.
    pub url: String,
    postgres: Option<(tokio_postgres::Client, String)>,
}

impl Place {
    pub async fn new(on: On) -> Place {
        let folder = tempfile::tempdir().expect("a temporary folder");
        match on {
            On::Sqlite => Place {
                on,
                url: format!("sqlite:{}", folder.path().join("data.db").display()),
                folder,
                postgres: None,
            },
            On::Postgres => {
                let server = std::env::var("MAINSTAY_TEST_POSTGRES").unwrap_or_else(|_| {
                    panic!("this test needs a PostgreSQL server: run `make test`, which starts a private one")
                });
                let (client, connection) = tokio_postgres::connect(&server, tokio_postgres::NoTls)
                    .await
                    .expect("the server of MAINSTAY_TEST_POSTGRES");
                tokio::spawn(connection);
                let name = format!("served_{}", spec::Uuid::now_v7().simple());
                client
                    .batch_execute(&format!("CREATE DATABASE {name}"))
                    .await
                    .expect("the right to create databases");
                let (before, _) = server
                    .rsplit_once('/')
                    .expect("a URL that names a database");
                Place {
                    on,
                    url: format!("{before}/{name}"),
                    folder,
                    postgres: Some((client, name)),
                }
            }
        }
    }

    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    pub async fn remove(self) {
        if let Some((client, name)) = self.postgres {
            client
                .batch_execute(&format!("DROP DATABASE {name} WITH (FORCE)"))
                .await
                .expect("to drop the test's database");
        }
    }
}

/// Writes an app from one text (see [`crate::fixture::load`]) into a folder.
pub fn write_app(folder: &Path, text: &str) {
    let mut path = folder.join("mainstay.toml");
    let mut file = String::new();
    let write = |path: &Path, text: &str| {
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("folders");
        std::fs::write(path, text).expect("a file");
    };
    for line in text.lines() {
        if let Some(next) = line.strip_prefix("## ") {
            write(&path, &std::mem::take(&mut file));
            path = folder.join(next.trim());
        } else {
            file.push_str(line);
            file.push('\n');
        }
    }
    write(&path, &file);
}
