//! The measurements themselves. Whatever is compared is measured in turn within a round, so that what
//! else the machine does falls on both alike.

use std::{path::Path, process::Command};

use mainstay_bench::{dataset::Dataset, process, work::Work};
use serde::{Deserialize, Serialize};

use crate::{
    Result, Settings, fill, note,
    servers::{Program, Server, Site, Store},
};

/// Seconds of load before each measurement that are not counted.
pub const WARMUP: f64 = 0.3;

/// What `load` prints.
#[derive(Serialize, Deserialize)]
pub struct Load {
    pub requests: u64,
    pub requests_per_second: f64,
    pub errors: u64,
    pub p50_us: f64,
    pub p99_us: f64,
    pub max_us: f64,
    pub bytes_per_answer: f64,
    pub cpu_us_per_request: Option<f64>,
    pub database_cpu_us_per_request: Option<f64>,
    pub load_cpu_us_per_request: f64,
}

/// One measurement of one server.
#[derive(Serialize)]
pub struct Cell {
    pub round: usize,
    pub store: &'static str,
    pub work: &'static str,
    pub program: &'static str,
    pub load: Load,
}

/// One round: each kind of work on each store by each program, the programs in turns.
pub fn round(
    site: &Site,
    settings: &Settings,
    servers: &[Server],
    data: &Dataset,
    round: usize,
) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for store in &settings.stores {
        for work in &settings.works {
            let mut turn: Vec<_> = servers.iter().filter(|s| s.store == *store).collect();
            if round % 2 == 1 {
                turn.reverse();
            }
            let mut line = format!("round {} {} {}:", round + 1, store.name(), work.name());
            for server in turn {
                let requests = fill::requests_file(site, data, *work);
                let connections = work.connections(settings.connections);
                let seconds = settings.seconds;
                let load = load(site, server, &requests, connections, seconds)?;
                line += &format!(
                    " {} {:.0}/s",
                    server.program.title(),
                    load.requests_per_second
                );
                let (store, program) = (store.name(), server.program.name());
                cells.push(Cell {
                    round,
                    store,
                    work: work.name(),
                    program,
                    load,
                });
            }
            note(&line);
        }
    }
    Ok(cells)
}

fn load(
    site: &Site,
    server: &Server,
    requests: &Path,
    connections: usize,
    seconds: f64,
) -> Result<Load> {
    let mut command = Command::new(site.own("load")?);
    let mut option = |name: &str, value: String| {
        command.arg(format!("--{name}")).arg(value);
    };
    option("connect", server.address.to_string());
    option("requests", requests.to_string_lossy().into_owned());
    option("connections", connections.to_string());
    option("seconds", seconds.to_string());
    option("warmup", WARMUP.to_string());
    option("pid", server.pid().to_string());
    if let Some(postmaster) = site.postmaster.filter(|_| server.store == Store::Postgres) {
        option("postmaster", postmaster.to_string());
    }
    let output = command.output()?;
    if !output.status.success() {
        return Err(format!("{command:?}: {}", String::from_utf8_lossy(&output.stderr)).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Memory of a server at this moment.
pub struct Memory {
    pub program: Program,
    pub store: Store,
    pub bytes: u64,
}

pub fn memory(server: &Server) -> Memory {
    let bytes = process::anonymous_bytes(server.pid()).unwrap_or(0);
    Memory {
        program: server.program,
        store: server.store,
        bytes,
    }
}

/// Milliseconds from a start to the first 200, ten times.
pub fn cold_start(site: &Site, program: Program, store: Store, data: &Dataset) -> Result<Vec<f64>> {
    let start = || Server::start(site, program, store, data);
    (0..10)
        .map(|_| Ok(start()?.started_in.as_secs_f64() * 1000.0))
        .collect()
}

/// The indexed list's p50 over one connection at each of two sizes, in microseconds, a value a round.
pub fn sizes(
    site: &Site,
    settings: &Settings,
    program: Program,
    store: Store,
    data: [&Dataset; 2],
) -> Result<[Vec<f64>; 2]> {
    let servers = [
        Server::start(site, program, store, data[0])?,
        Server::start(site, program, store, data[1])?,
    ];
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..settings.rounds.min(7) {
        for ((server, data), found) in servers.iter().zip(data).zip(&mut found) {
            let requests = fill::requests_file(site, data, Work::List);
            let seconds = settings.seconds.min(1.0);
            found.push(load(site, server, &requests, 1, seconds)?.p50_us);
        }
    }
    Ok(found)
}
