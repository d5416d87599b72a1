//! Fills the databases, each afresh, so that a run does not find what the one before it created.

use std::{env, fs, io::ErrorKind, process::Command};

use mainstay_bench::{dataset::Dataset, work};
use tokio_postgres::{Client, Config, NoTls, config::Host};

use crate::{
    Result,
    servers::{Program, Site, Store, run},
};

/// Writes what is imported and what is asked for.
pub fn write_files(site: &Site, data: &Dataset) -> Result<()> {
    let dataset = site.own("dataset")?;
    let (size, dir) = (data.products.len().to_string(), site.data(data));
    run(Command::new(&dataset)
        .args(["jsonl", "--size", &size, "--dir"])
        .arg(&dir))?;
    let requests = dir.join("requests");
    run(Command::new(&dataset)
        .args(["requests", "--size", &size, "--dir"])
        .arg(requests))
}

pub fn fill(site: &Site, program: Program, store: Store, data: &Dataset) -> Result<()> {
    let dir = site.data(data);
    let url = site.url(program, store, data)?;
    match store {
        Store::Sqlite => {
            for ending in ["db", "db-wal", "db-shm"] {
                match fs::remove_file(dir.join(program.name()).with_extension(ending)) {
                    Err(error) if error.kind() != ErrorKind::NotFound => return Err(error.into()),
                    _ => {}
                }
            }
        }
        Store::Postgres => {
            let name = site.database(program, data);
            postgres(&admin_url()?, async |client| {
                client
                    .batch_execute(&format!("drop database if exists {name} with (force)"))
                    .await?;
                client
                    .batch_execute(&format!("create database {name}"))
                    .await
            })?;
        }
    }
    match program {
        Program::Handwritten => {
            let size = data.products.len().to_string();
            let arguments = [store.name(), "--size", &size, "--database", &url];
            run(Command::new(site.own("dataset")?).args(arguments))?;
        }
        Program::Mainstay => {
            site.commands.migrate(&url)?;
            for model in ["products", "reviews"] {
                let file = dir.join(model).with_extension("jsonl");
                site.commands
                    .import(&url, &format!("shop.{model}"), &file)?;
            }
        }
    }
    if store == Store::Postgres {
        // What the server would do by itself in time, and not in the middle of a measurement.
        // One at a time: several in one text are one transaction, in which neither may be.
        for statement in ["vacuum analyze", "checkpoint"] {
            postgres(&url, async |client| client.batch_execute(statement).await)?;
        }
    }
    Ok(())
}

pub struct PostgresServer {
    pub url: String,
    pub version: String,
    /// A process whose parent is the postmaster.
    pub backend: u32,
}

fn admin_url() -> Result<String> {
    env::var("MAINSTAY_TEST_POSTGRES").map_err(|_| "MAINSTAY_TEST_POSTGRES is not set".into())
}

/// Looks at the server that the script started: creates must be durable, or their row means nothing.
pub fn postgres_server() -> Result<PostgresServer> {
    let url = admin_url()?;
    let settings = "select current_setting('fsync'), current_setting('synchronous_commit'), \
        current_setting('unix_socket_directories'), current_setting('port'), \
        current_setting('server_version'), pid from pg_stat_activity where backend_type = 'checkpointer'";
    let row = postgres(&url, async |client| client.query_one(settings, &[]).await)?;
    if row.get::<_, &str>(0) != "on" || row.get::<_, &str>(1) != "on" {
        return Err("PostgreSQL must run with fsync and synchronous_commit on".into());
    }
    let sockets: &str = row.get(2);
    let user = url
        .parse::<Config>()?
        .get_user()
        .unwrap_or("postgres")
        .to_string();
    let host = match sockets.split(',').next() {
        Some(dir) if !dir.is_empty() && !tcp_only() => dir.trim().replace('/', "%2F"),
        _ => host(&url)?,
    };
    Ok(PostgresServer {
        url: format!("postgres://{user}@{host}:{}", row.get::<_, &str>(3)),
        version: row
            .get::<_, &str>(4)
            .split(" (")
            .next()
            .unwrap_or_default()
            .to_string(),
        backend: row.get::<_, i32>(5) as u32,
    })
}

/// TRANSPORT=tcp measures over TCP instead of the Unix socket.
pub fn tcp_only() -> bool {
    env::var("TRANSPORT").is_ok_and(|transport| transport == "tcp")
}

fn host(url: &str) -> Result<String> {
    match url.parse::<Config>()?.get_hosts().first() {
        Some(Host::Tcp(host)) => Ok(host.clone()),
        _ => Err("MAINSTAY_TEST_POSTGRES names no host".into()),
    }
}

/// Runs `work` on a connection of its own.
fn postgres<T>(
    url: &str,
    work: impl AsyncFnOnce(&Client) -> Result<T, tokio_postgres::Error>,
) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        Ok(work(&client).await?)
    })
}

/// The requests of `work` as a file for `load`.
pub fn requests_file(site: &Site, data: &Dataset, work: work::Work) -> std::path::PathBuf {
    site.data(data).join("requests").join(work.name())
}
