//! Where the data is: from a URL to an open store.

use std::path::{Path, PathBuf};
use store::postgres::{self, Postgres};
use store::sqlite::{self, Sqlite};
use store::{Store, StoreError};

/// A database, as `[database] url`, `DATABASE_URL` or `--database` names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Database {
    /// `sqlite:PATH`, relative to the app's folder.
    Sqlite(PathBuf),
    /// `postgres://…` or `postgresql://…`, and how many connections the pool has.
    Postgres { url: String, pool: u32 },
}

/// Who opens it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A server: it takes a SQLite file for itself.
    Server,
    /// A command, which may run beside a server.
    Command,
    /// A command that no server may run beside.
    Alone,
}

impl Database {
    pub fn parse(url: &str, folder: &Path) -> Result<Database, String> {
        if let Some(path) = url.strip_prefix("sqlite:") {
            let path = path.strip_prefix("//").unwrap_or(path);
            if path.is_empty() {
                return Err(format!(
                    "`{url}` names no file: write sqlite:.mainstay/data.db"
                ));
            }
            return Ok(Database::Sqlite(folder.join(path)));
        }
        if url.starts_with("postgres://") || url.starts_with("postgresql://") {
            return Ok(Database::Postgres {
                url: url.to_owned(),
                pool: spec::Settings::default().database.pool,
            });
        }
        Err(format!(
            "`{}` is no database URL: write sqlite:PATH or postgres://user@host/database",
            without_password(url)
        ))
    }

    /// The same with another number of connections; SQLite has no pool.
    pub fn with_pool(self, pool: u32) -> Database {
        match self {
            Database::Sqlite(path) => Database::Sqlite(path),
            Database::Postgres { url, .. } => Database::Postgres { url, pool },
        }
    }

    /// For people: without the password.
    pub fn shown(&self) -> String {
        match self {
            Database::Sqlite(path) => format!("sqlite:{}", path.display()),
            Database::Postgres { url, .. } => without_password(url),
        }
    }

    /// To be written down: an address that works where no password is needed, or one that is set beside it.
    pub fn kept(&self) -> String {
        let shown = self.shown().replacen(":…@", "@", 1);
        let Some((url, parameters)) = shown.split_once('?') else {
            return shown;
        };
        let kept: Vec<&str> = parameters
            .split('&')
            .filter(|parameter| *parameter != "password=…")
            .collect();
        match kept.is_empty() {
            true => url.to_owned(),
            false => format!("{url}?{}", kept.join("&")),
        }
    }

    pub async fn open(&self, role: Role) -> Result<Store, StoreError> {
        match self {
            Database::Sqlite(path) => {
                if let Some(parent) = path.parent() {
                    std::fs::create_dir_all(parent).map_err(|e| StoreError::Unavailable {
                        cause: format!("{}: {e}", parent.display()),
                        maybe: false,
                    })?;
                }
                let options = sqlite::Options {
                    server: role != Role::Command,
                    ..sqlite::Options::default()
                };
                let path = path.clone();
                if crate::backup::is_backup(&path) {
                    return Err(StoreError::Other {
                        cause: "it is a backup, which would be changed by opening it: restore it to a file of its own \
                                first (mainstay backup restore FILE --database sqlite:then.db)"
                            .to_owned(),
                    });
                }
                // Opening touches the disk and may wait for a lock.
                let open = move || {
                    keep_private(&path);
                    Sqlite::open(path, options)
                };
                let opened = tokio::task::spawn_blocking(open).await;
                opened
                    .map_err(|e| StoreError::Other {
                        cause: e.to_string(),
                    })?
                    .map(Store::Sqlite)
            }
            Database::Postgres { url, pool } => {
                let mut options = postgres::Options {
                    pool: (*pool).max(2) as usize,
                    ..postgres::Options::default()
                };
                if role == Role::Alone {
                    "mainstay-alone".clone_into(&mut options.application_name);
                }
                let postgres = Postgres::connect(url, options).await?;
                if role == Role::Alone && postgres.is_served().await? {
                    return Err(StoreError::Busy {
                        cause: "a server or another command of Mainstay uses it; stop that first"
                            .to_owned(),
                    });
                }
                Ok(Store::Postgres(postgres))
            }
        }
    }
}

/// A new database is its owner's alone, for it holds password hashes; SQLite gives the files beside it the same mode.
/// One that is there stays as its owner wants it. What goes wrong here goes wrong again when SQLite opens the file,
/// which says so.
fn keep_private(path: &Path) {
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let _ = options.open(path);
}

/// It may stand before the host and among the parameters.
fn without_password(url: &str) -> String {
    let credentials = url.split_once("://").and_then(|(scheme, rest)| {
        let (credentials, host) = rest.rsplit_once('@')?;
        let (user, _) = credentials.split_once(':')?;
        Some(format!("{scheme}://{user}:…@{host}"))
    });
    let url = credentials.unwrap_or_else(|| url.to_owned());
    let Some((url, parameters)) = url.split_once('?') else {
        return url;
    };
    let parameters: Vec<&str> = parameters
        .split('&')
        .map(|parameter| match parameter.split_once('=') {
            // Also `%70assword`: only what is known to be something else is shown.
            Some((name, _)) if name.contains('%') || name.eq_ignore_ascii_case("password") => {
                "password=…"
            }
            _ => parameter,
        })
        .collect();
    format!("{url}?{}", parameters.join("&"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_name_databases_and_never_show_passwords() {
        let folder = Path::new("/apps/shop");
        let parse = |url: &str| Database::parse(url, folder);
        assert_eq!(
            parse("sqlite:.mainstay/data.db"),
            Ok(Database::Sqlite("/apps/shop/.mainstay/data.db".into()))
        );
        assert_eq!(
            parse("sqlite:/var/data.db"),
            Ok(Database::Sqlite("/var/data.db".into()))
        );
        let pooled = parse("postgres://db/shop").map(|d| d.with_pool(3));
        let expected = Database::Postgres {
            url: "postgres://db/shop".to_owned(),
            pool: 3,
        };
        assert_eq!(pooled, Ok(expected));
        let shown = parse("postgres://me:se@cret@db/shop").map(|d| d.shown());
        assert_eq!(shown.as_deref(), Ok("postgres://me:…@db/shop"));
        let shown = parse("postgres:///shop?host=/tmp&user=me&password=secret&%70assword=secret")
            .map(|d| d.shown());
        assert_eq!(
            shown.as_deref(),
            Ok("postgres:///shop?host=/tmp&user=me&password=…&password=…")
        );
        for (url, kept) in [
            ("postgres://me:se@cret@db/shop", "postgres://me@db/shop"),
            (
                "postgres:///shop?host=/tmp&password=secret&user=me",
                "postgres:///shop?host=/tmp&user=me",
            ),
            ("postgres://db/shop?password=secret", "postgres://db/shop"),
            ("postgres://me@db/shop", "postgres://me@db/shop"),
        ] {
            assert_eq!(parse(url).map(|d| d.kept()).as_deref(), Ok(kept));
        }
        // A password with a question mark is no parameter, and is not shown as one either.
        let shown = parse("postgres://me:sec?ret@db/shop").map(|d| d.shown());
        assert!(
            !shown.as_deref().unwrap_or_default().contains("ret"),
            "{shown:?}"
        );
        for bad in ["", "sqlite:", "mysql://x:secret@y/z", "/tmp/x.db"] {
            let message = parse(bad).expect_err(bad);
            assert!(!message.contains("secret"), "{message}");
        }
    }
}
