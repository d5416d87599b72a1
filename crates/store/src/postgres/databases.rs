//! Databases of a server that are made, emptied and dropped again: for tests of an app.

use super::config::{self, Options};
use super::connection::Connection;
use super::error;
use super::lane::drive;
use crate::migrate::BOOKKEEPING;
use crate::{Result, StoreError};
use std::sync::Arc;
use tokio::task::JoinHandle;

/// Only tables that have rows, or whose keys are drawn from a sequence that may have moved: each costs new files.
const EMPTY: &str = "do $$
declare
  one record;
  filled boolean;
  tables text[];
begin
  for one in
    select format('%I.%I', n.nspname, c.relname) as name,
      exists (select 1 from pg_attribute a where a.attrelid = c.oid and a.attidentity <> '') as draws
    from pg_class c join pg_namespace n on n.oid = c.relnamespace
    where c.relkind = 'r' and n.nspname !~ '^pg_' and n.nspname <> 'information_schema'
      and n.nspname || '.' || c.relname not in (KEPT)
  loop
    filled := one.draws;
    if not filled then
      execute 'select exists (select 1 from ' || one.name || ')' into filled;
    end if;
    if filled then
      tables := tables || one.name;
    end if;
  end loop;
  if tables is not null then
    execute 'truncate ' || array_to_string(tables, ', ') || ' restart identity cascade';
  end if;
end $$";

/// A connection to a server, by which databases come and go. One at a time: what was begun is through before the
/// next, also where nobody waited for it.
pub struct Databases {
    url: String,
    connection: Arc<Connection>,
    driver: JoinHandle<()>,
}

impl Databases {
    /// Connects to the database that the URL names, which is left as it is.
    pub async fn connect(url: &str) -> Result<Databases> {
        let configs = config::parse(url, &Options::default())?;
        let opened = Connection::open(&configs.pooled).await;
        let (connection, driver) = opened.map_err(|error| error::map(&error, false))?;
        let driver = tokio::spawn(drive(driver));
        Ok(Databases {
            url: url.to_owned(),
            connection,
            driver,
        })
    }

    /// Makes an empty one.
    pub async fn create(&self, name: &str) -> Result<()> {
        self.run(&format!("create database {}", quoted(name)?))
            .await
    }

    /// Takes all rows out of all tables of one, but for those of our own that are named, and lets its keys
    /// begin again. Measured on a busy machine: a tenth of what dropping and making it takes, which waits for a checkpoint.
    pub async fn empty(&self, name: &str, but: &[&str]) -> Result<()> {
        let options = Options {
            database: Some(quoted(name).map(|_| name.to_owned())?),
            durable: false,
            ..Options::default()
        };
        let configs = config::parse(&self.url, &options)?;
        let opened = Connection::open(&configs.pooled).await;
        let (connection, driver) = opened.map_err(|error| error::map(&error, false))?;
        let driver = tokio::spawn(drive(driver));
        let kept: Vec<String> = BOOKKEEPING
            .iter()
            .chain(&["forgotten"])
            .chain(but)
            .map(|table| format!("'mainstay.{table}'"))
            .collect();
        let statement = EMPTY.replace("KEPT", &kept.join(", "));
        let done = connection.client().batch_execute(&statement).await;
        driver.abort();
        done.map_err(|error| error::map(&error, true))
    }

    /// Drops one, whoever is connected to it. One that is not there is gone already.
    pub async fn remove(&self, name: &str) -> Result<()> {
        let name = quoted(name)?;
        self.run(&format!("drop database if exists {name} with (force)"))
            .await
    }

    async fn run(&self, statement: &str) -> Result<()> {
        let done = self.connection.client().batch_execute(statement).await;
        done.map_err(|error| error::map(&error, true))
    }
}

impl Drop for Databases {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

/// Names that we make are words, so there is nothing to escape.
fn quoted(name: &str) -> Result<String> {
    let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if name.is_empty() || !name.chars().all(plain) {
        return Err(StoreError::Other {
            cause: format!("{name:?} is no name for a database here"),
        });
    }
    Ok(format!("\"{name}\""))
}
