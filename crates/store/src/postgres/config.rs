//! From a URL to a connection's settings.

use crate::{Result, StoreError};
use std::time::Duration;
use tokio_postgres::Config;
use tokio_postgres::config::SslMode;

/// How many connections of which kind, and how long they are waited for.
#[derive(Debug, Clone)]
pub struct Options {
    /// As it is shown in `pg_stat_activity`.
    pub application_name: String,
    /// Shared connections for bounded reads.
    pub readers: usize,
    /// Connections for bounded reads that each serving thread has beside them.
    pub readers_per_thread: usize,
    /// Shared connections for writes of one statement.
    pub writers: usize,
    /// So many waiting writes of one statement at most share a transaction, and with it one flush to the disk.
    pub group: usize,
    /// Connections of their own for transactions and unbounded statements.
    pub pool: usize,
    /// The limit of a statement on a shared connection, where others wait behind it.
    pub statement_timeout: Duration,
    /// The limit of a wait for a lock on a shared connection.
    pub lock_timeout: Duration,
    /// How long to wait for a connection while the server is away, where the deadline is further off.
    pub patience: Duration,
    /// From so many bytes on, a table is migrated by the online path. Reading 8 MiB takes some 50 ms, which is what a
    /// write can be asked to wait.
    pub online_from: u64,
    /// In place of the database that the URL names.
    pub database: Option<String>,
    /// Whether a write that is acknowledged survives the end of the machine. Not so for a database that is thrown
    /// away with the test it is for.
    pub durable: bool,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            application_name: "mainstay".to_owned(),
            readers: 4,
            readers_per_thread: 2,
            // Measured by `examples/postgres_write.rs` (64 tasks, 2 busy cores): with its log row, 1.1–1.3 of a
            // bare insert over a pool of 32; 0.5–0.75 where each of 16 connections commits one by one.
            writers: 8,
            group: 16,
            pool: 10,
            statement_timeout: Duration::from_millis(250),
            lock_timeout: Duration::from_millis(50),
            patience: Duration::from_secs(2),
            online_from: 8 << 20,
            database: None,
            durable: true,
        }
    }
}

/// The settings of the three kinds of connections.
#[derive(Debug, Clone)]
pub(super) struct Configs {
    pub(super) shared: Config,
    pub(super) pooled: Config,
}

fn other(cause: impl Into<String>) -> StoreError {
    StoreError::Other {
        cause: cause.into(),
    }
}

pub(super) fn parse(url: &str, options: &Options) -> Result<Configs> {
    for mode in ["require", "verify-ca", "verify-full"] {
        if url.contains(&format!("sslmode={mode}")) {
            return Err(other(format!(
                "the database URL asks for TLS (sslmode={mode}), which is not built yet: connect over a unix socket or a private network and leave sslmode out"
            )));
        }
    }
    let mut config: Config = url.parse().map_err(|error| {
        other(format!(
            "the database URL is not valid: {}",
            super::error::describe(&error)
        ))
    })?;
    if config.get_hosts().is_empty() && config.get_hostaddrs().is_empty() {
        config.host("/var/run/postgresql");
    }
    if let Some(database) = &options.database {
        config.dbname(database);
    }
    config.ssl_mode(SslMode::Disable);
    if config.get_application_name().is_none() {
        config.application_name(options.application_name.as_str());
    }
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(Duration::from_secs(2));
    }
    // A server that vanished without a word is noticed, instead of being waited for by every statement behind.
    if config.get_tcp_user_timeout().is_none() {
        config.tcp_user_timeout(Duration::from_secs(10));
    }
    // jit: compiling costs more than such statements take. synchronous_commit: a server's or role's default
    // may be weaker than the promise that an acknowledged write is durable.
    let commit = if options.durable { "on" } else { "off" };
    let common = format!(
        "{} -c jit=off -c timezone=UTC -c synchronous_commit={commit} -c default_transaction_isolation=read\\ committed",
        config.get_options().unwrap_or_default()
    );
    let mut pooled = config.clone();
    pooled.options(common.as_str());
    let mut shared = config;
    // Bounded statements have one good plan; planning each of the first five times anew only costs.
    shared.options(format!(
        "{common} -c plan_cache_mode=force_generic_plan -c statement_timeout={} -c lock_timeout={}",
        options.statement_timeout.as_millis(),
        options.lock_timeout.as_millis()
    ));
    Ok(Configs { shared, pooled })
}
