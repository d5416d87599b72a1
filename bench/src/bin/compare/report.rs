//! The table, as Markdown that reads well in a terminal too.

use std::{fmt::Write as _, fs, process::Command};

use mainstay_bench::{
    stats::{interval_95, median},
    work::Work,
};

use crate::{
    Result, Settings, fill,
    measure::{Cell, Load, Memory},
    servers::{Program, Site, Store},
};

pub struct Report {
    machine: String,
    versions: String,
    binary: Option<String>,
    postgres_over: &'static str,
    pub cells: Vec<Cell>,
    pub idle: Vec<Memory>,
    pub loaded: Vec<Memory>,
    /// Milliseconds.
    pub cold_starts: Vec<(Program, Vec<f64>)>,
    /// Microseconds, small dataset and large.
    pub sizes: Vec<(Store, Program, [Vec<f64>; 2])>,
}

impl Report {
    pub fn new(site: &Site, settings: &Settings) -> Result<Self> {
        let with_mainstay = settings.programs.contains(&Program::Mainstay);
        let mut versions = format!("SQLite {}", rusqlite::version());
        if let Some(version) = &site.postgres_version {
            write!(versions, ", PostgreSQL {version}")?;
        }
        for command in [
            &["rustc", "--version"][..],
            &["git", "describe", "--always", "--dirty"],
        ] {
            if let Some(version) = first_line(site, command) {
                let version = version.split(" (").next().unwrap_or(&version);
                let what = if command[0] == "git" { "commit " } else { "" };
                write!(versions, ", {what}{version}")?;
            }
        }
        Ok(Self {
            machine: machine(),
            versions,
            binary: with_mainstay.then(|| binary_size(site)).transpose()?,
            postgres_over: if fill::tcp_only() {
                "TCP"
            } else {
                "its Unix socket"
            },
            cells: Vec::new(),
            idle: Vec::new(),
            loaded: Vec::new(),
            cold_starts: Vec::new(),
            sizes: Vec::new(),
        })
    }

    /// A figure of each round for one program at one kind of work, in the order of the rounds.
    fn rounds(
        &self,
        store: Store,
        work: Work,
        program: Program,
        figure: impl Fn(&Load) -> Option<f64>,
    ) -> Vec<f64> {
        let mut cells: Vec<&Cell> = self.cells.iter().collect();
        cells.retain(|cell| {
            let place = (cell.store, cell.work, cell.program);
            place == (store.name(), work.name(), program.name())
        });
        cells.iter().filter_map(|cell| figure(&cell.load)).collect()
    }

    pub fn markdown(&self, settings: &Settings) -> String {
        let mut out = format!(
            "# Bench\n\n{}; {}.\n{} products; {} connections; {} rounds of {} s a cell; load generator, \
             servers and database share the cores.\nPostgreSQL over {}; every create is durable. \
             Hand-written / Mainstay; medians of the rounds.\n",
            self.machine,
            self.versions,
            settings.size,
            settings.connections,
            settings.rounds,
            settings.seconds,
            self.postgres_over,
        );
        for store in &settings.stores {
            self.works(settings, *store, &mut out);
        }
        self.rest(settings, &mut out);
        out
    }

    fn works(&self, settings: &Settings, store: Store, out: &mut String) {
        let database = store == Store::Postgres;
        let mut head = vec![
            "work",
            "requests/s",
            "Mainstay ÷ hand-written [95%]",
            "p50 ms",
            "p99 ms",
            "CPU µs/request",
        ];
        if database {
            head.push("database CPU µs/request");
        }
        let mut rows = Vec::new();
        for work in &settings.works {
            let pair = |digits, scale: f64, figure: fn(&Load) -> Option<f64>| {
                let one = |program| median(self.rounds(store, *work, program, figure));
                let both = [Program::Handwritten, Program::Mainstay].map(one);
                both.map(|value| number(value.map(|v| v / scale), digits))
                    .join(" / ")
            };
            let mut row = vec![
                work.title().to_string(),
                pair(0, 1.0, |load| Some(load.requests_per_second)),
                self.ratio(store, *work),
                pair(2, 1000.0, |load| Some(load.p50_us)),
                pair(2, 1000.0, |load| Some(load.p99_us)),
                pair(1, 1.0, |load| load.cpu_us_per_request),
            ];
            if database {
                row.push(pair(1, 1.0, |load| load.database_cpu_us_per_request));
            }
            rows.push(row);
        }
        let _ = write!(out, "\n## {}\n\n", store.title());
        table(out, &head, &rows);
    }

    /// The ratio of the medians, and the interval of the rounds' own ratios.
    fn ratio(&self, store: Store, work: Work) -> String {
        let speed =
            |program| self.rounds(store, work, program, |load| Some(load.requests_per_second));
        let (hand, mainstay) = (speed(Program::Handwritten), speed(Program::Mainstay));
        let Some((m, h)) = median(mainstay.iter().copied()).zip(median(hand.iter().copied()))
        else {
            return number(None, 0);
        };
        let ratios: Vec<f64> = mainstay.iter().zip(&hand).map(|(m, h)| m / h).collect();
        let interval = match interval_95(&ratios) {
            Some((low, high)) => format!("[{low:.2}, {high:.2}]"),
            // Too few rounds for an interval: what was seen, and said so.
            None => {
                let low = ratios.iter().copied().fold(f64::INFINITY, f64::min);
                let high = ratios.iter().copied().fold(0.0, f64::max);
                format!("({low:.2} to {high:.2} seen)")
            }
        };
        format!("{:.2} {interval}", m / h)
    }

    fn rest(&self, settings: &Settings, out: &mut String) {
        let _ = write!(out, "\n## Memory, start and size\n\n");
        let mut rows = Vec::new();
        let megabytes = |memory: &Memory| format!("{:.1} MB", memory.bytes as f64 / 1e6);
        for (idle, loaded) in self.idle.iter().zip(&self.loaded) {
            let name = format!("{}, {}", idle.program.title(), idle.store.title());
            rows.push(vec![name, megabytes(idle), megabytes(loaded)]);
        }
        table(out, &["anonymous memory", "idle", "after load"], &rows);
        out.push('\n');
        for (program, times) in &self.cold_starts {
            let (low, high) = (
                times.iter().copied().fold(f64::INFINITY, f64::min),
                times.iter().copied().fold(0.0, f64::max),
            );
            let name = program.title();
            let middle = number(median(times.iter().copied()), 1);
            let _ = writeln!(
                out,
                "- Start to first 200 on SQLite, {name}: {middle} ms ({low:.1} to {high:.1}, {} starts)",
                times.len()
            );
        }
        if let Some(binary) = &self.binary {
            let _ = writeln!(out, "- Release binary: {binary}");
        }
        let _ = write!(
            out,
            "\n## The indexed list as the table grows\n\np50 over one connection, µs.\n\n"
        );
        let mut rows = Vec::new();
        for (store, program, [small, large]) in &self.sizes {
            let (small, large) = (median(small.iter().copied()), median(large.iter().copied()));
            let ratio = large.zip(small).map(|(large, small)| large / small);
            let name = format!("{}, {}", program.title(), store.title());
            rows.push(vec![
                name,
                number(small, 0),
                number(large, 0),
                number(ratio, 2),
            ]);
        }
        let sizes = [settings.size / 10, settings.size].map(|size| format!("{size} rows"));
        table(out, &["", &sizes[0], &sizes[1], "ratio"], &rows);
    }
}

fn number(value: Option<f64>, digits: usize) -> String {
    value.map_or("—".into(), |value| format!("{value:.digits$}"))
}

/// A Markdown table with even columns.
fn table(out: &mut String, head: &[&str], rows: &[Vec<String>]) {
    let width = |column: usize| {
        let cells = rows.iter().map(|row| row[column].chars().count());
        cells
            .chain([head[column].chars().count()])
            .max()
            .unwrap_or(0)
    };
    let mut line = |cells: &[&str]| {
        for (column, cell) in cells.iter().enumerate() {
            let _ = write!(out, "| {cell:0$} ", width(column));
        }
        out.push_str("|\n");
    };
    line(head);
    let rule: Vec<String> = (0..head.len())
        .map(|column| "-".repeat(width(column)))
        .collect();
    line(&rule.iter().map(String::as_str).collect::<Vec<_>>());
    for row in rows {
        line(&row.iter().map(String::as_str).collect::<Vec<_>>());
    }
}

fn machine() -> String {
    let text = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let field = |line: &str| {
        let (name, value) = line.split_once(':')?;
        (name.trim() == "model name").then(|| value.trim().to_string())
    };
    let model = text
        .lines()
        .find_map(field)
        .unwrap_or_else(|| "unknown processor".into());
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores ({model})")
}

fn first_line(site: &Site, command: &[&str]) -> Option<String> {
    let output = Command::new(command[0])
        .args(&command[1..])
        .current_dir(&site.bench)
        .output()
        .ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    output
        .status
        .success()
        .then(|| text.lines().next().map(str::to_string))?
}

/// As built, and without its symbols where there is a `strip`.
fn binary_size(site: &Site) -> Result<String> {
    let binary = site.commands.binary();
    let megabytes = |bytes: u64| format!("{:.1} MB", bytes as f64 / 1e6);
    let whole = megabytes(fs::metadata(&binary)?.len());
    let stripped = site.bench.join("data/mainstay-stripped");
    let strip = Command::new("strip")
        .arg(&binary)
        .arg("-o")
        .arg(&stripped)
        .status();
    if !strip.is_ok_and(|status| status.success()) {
        return Ok(whole);
    }
    let size = fs::metadata(&stripped)?.len();
    fs::remove_file(&stripped)?;
    Ok(format!("{whole}, {} without symbols", megabytes(size)))
}
