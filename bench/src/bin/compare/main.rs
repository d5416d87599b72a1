//! Fills both stores, starts all servers, compares what they answer, measures them in turn, and prints
//! the table. Started by `bench/run`, which see.
//!
//! `[--quick] [--rounds N] [--seconds S] [--connections N] [--size N] [--stores sqlite,postgres]`
//! `[--works one,list,nested,aggregate,create] [--without-mainstay]`; PostgreSQL's URL is in MAINSTAY_TEST_POSTGRES.

mod check;
mod fill;
mod measure;
mod report;
mod servers;

use std::{env, error::Error, fs, io, path::PathBuf, process::ExitCode, time::Duration};

use mainstay_bench::{
    args,
    dataset::Dataset,
    work::{self, Work},
};

use crate::servers::{Commands, Program, Server, Site, Store};

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// What was asked for.
pub struct Settings {
    pub rounds: usize,
    pub seconds: f64,
    pub connections: usize,
    pub size: usize,
    pub stores: Vec<Store>,
    pub works: Vec<Work>,
    pub programs: Vec<Program>,
}

impl Settings {
    fn read() -> Result<Self> {
        let quick = args::flag("quick");
        let variable = |name| env::var(name).ok().filter(|value| !value.is_empty());
        let number = |flag, name, usual, quickly| -> Result<f64> {
            let given = match args::optional(flag) {
                Some(given) => Some(given),
                None => variable(name).map(|value| value.parse()).transpose()?,
            };
            Ok(given.unwrap_or(if quick { quickly } else { usual }))
        };
        let list = |flag, all: &str| {
            let text = args::or(flag, all.to_string());
            text.split(',').map(str::to_string).collect::<Vec<_>>()
        };
        let works = list("works", "one,list,nested,aggregate,create");
        let stores = list("stores", "sqlite,postgres");
        let with_mainstay = !args::flag("without-mainstay");
        let settings = Self {
            rounds: number("rounds", "ROUNDS", 11.0, 3.0)? as usize,
            seconds: number("seconds", "SECONDS_PER_CELL", 2.0, 1.0)?,
            connections: args::or("connections", 64),
            size: args::or("size", 100_000),
            stores: Store::ALL
                .into_iter()
                .filter(|s| stores.iter().any(|n| n == s.name()))
                .collect(),
            works: work::ALL
                .into_iter()
                .filter(|w| works.iter().any(|n| n == w.name()))
                .collect(),
            programs: Program::ALL
                .into_iter()
                .filter(|program| with_mainstay || *program == Program::Handwritten)
                .collect(),
        };
        if settings.works.len() != works.len() || settings.stores.len() != stores.len() {
            return Err(
                "--works and --stores take names as in the first lines of compare/main.rs".into(),
            );
        }
        // A run must end: an hour for each cell is beyond any use.
        if !(1..=1000).contains(&settings.rounds) || !(0.1..=3600.0).contains(&settings.seconds) {
            return Err("at most 1000 rounds of at most an hour a cell".into());
        }
        Ok(settings)
    }
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&error.to_string());
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let settings = Settings::read()?;
    let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let commands = Commands::read(&bench)?;
    if settings.programs.contains(&Program::Mainstay) {
        commands.build()?;
    }
    let site = Site::new(bench, commands, settings.stores.contains(&Store::Postgres))?;

    let (data, small) = (
        Dataset::generate(settings.size),
        Dataset::generate(settings.size / 10),
    );
    for data in [&data, &small] {
        note(&format!("loading {} products", data.products.len()));
        fill::write_files(&site, data)?;
        for store in &settings.stores {
            for program in &settings.programs {
                fill::fill(&site, *program, *store, data)?;
            }
        }
    }

    let mut report = report::Report::new(&site, &settings)?;
    let mut servers = Vec::new();
    for store in &settings.stores {
        for program in &settings.programs {
            servers.push(Server::start(&site, *program, *store, &data)?);
        }
    }
    note("comparing what they answer");
    check::check(&data, &servers)?;
    std::thread::sleep(Duration::from_secs(1));
    report.idle = servers.iter().map(measure::memory).collect();

    let cells = settings.rounds * settings.works.len() * servers.len();
    let minutes = cells as f64 * (settings.seconds + measure::WARMUP) / 60.0;
    note(&format!(
        "{} rounds, about {minutes:.0} minutes",
        settings.rounds
    ));
    for round in 0..settings.rounds {
        report
            .cells
            .extend(measure::round(&site, &settings, &servers, &data, round)?);
    }
    report.loaded = servers.iter().map(measure::memory).collect();
    drop(servers);

    note("starting from cold, and the list at two sizes");
    for store in &settings.stores {
        for program in &settings.programs {
            if *store == Store::Sqlite {
                let started = measure::cold_start(&site, *program, *store, &data)?;
                report.cold_starts.push((*program, started));
            }
            let sizes = measure::sizes(&site, &settings, *program, *store, [&small, &data])?;
            report.sizes.push((*store, *program, sizes));
        }
    }

    let text = report.markdown(&settings);
    let results = site.bench.join("results");
    fs::create_dir_all(&results)?;
    fs::write(results.join("latest.md"), &text)?;
    fs::write(
        results.join("latest.json"),
        serde_json::to_string_pretty(&report.cells)?,
    )?;
    io::Write::write_all(&mut io::stdout(), text.as_bytes())?;
    let errors: u64 = report.cells.iter().map(|cell| cell.load.errors).sum();
    if errors > 0 {
        Err(format!("{errors} answers were not 2xx").into())
    } else {
        Ok(())
    }
}

/// Progress goes to standard error, so that standard output is the table.
#[expect(clippy::print_stderr, reason = "a program for a terminal")]
pub fn note(text: &str) {
    eprintln!("bench: {text}");
}
