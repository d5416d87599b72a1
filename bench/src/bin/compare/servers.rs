//! The programs under comparison: where their data is, how they are started, and that they are ended.

use std::{
    fs::{self, File},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mainstay_bench::{answer, dataset::Dataset, process};
use serde::Deserialize;

use crate::{Result, fill};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Store {
    Sqlite,
    Postgres,
}

impl Store {
    pub const ALL: [Self; 2] = [Self::Sqlite, Self::Postgres];

    pub fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Postgres => "postgres",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Sqlite => "SQLite",
            Self::Postgres => "PostgreSQL",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Program {
    Handwritten,
    Mainstay,
}

impl Program {
    pub const ALL: [Self; 2] = [Self::Handwritten, Self::Mainstay];

    pub fn name(self) -> &'static str {
        match self {
            Self::Handwritten => "handwritten",
            Self::Mainstay => "mainstay",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Self::Handwritten => "hand-written",
            Self::Mainstay => "Mainstay",
        }
    }
}

/// `mainstay.commands.toml`.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Commands {
    build: Vec<String>,
    binary: PathBuf,
    migrate: Vec<String>,
    import: Vec<String>,
    serve: Vec<String>,
    #[serde(skip)]
    bench: PathBuf,
}

impl Commands {
    pub fn read(bench: &Path) -> Result<Self> {
        let text = fs::read_to_string(bench.join("mainstay.commands.toml"))?;
        Ok(Self {
            bench: bench.to_path_buf(),
            ..toml::from_str(&text)?
        })
    }

    fn root(&self) -> &Path {
        self.bench.parent().expect("bench/ is in the repository")
    }

    pub fn binary(&self) -> PathBuf {
        self.root().join(&self.binary)
    }

    pub fn build(&self) -> Result<()> {
        crate::note(&format!("building Mainstay: {}", self.build.join(" ")));
        let (program, arguments) = self.build.split_first().ok_or("no build command")?;
        let mut command = Command::new(program);
        // A target folder that was set for the bench is not Mainstay's.
        run(command
            .args(arguments)
            .current_dir(self.root())
            .env_remove("CARGO_TARGET_DIR"))
    }

    /// One of the commands, with its braces filled.
    fn command(&self, words: &[String], url: &str, values: &[(&str, &str)]) -> Command {
        let app = self.bench.join("app");
        let mut command = Command::new(self.binary());
        for word in words {
            let word = word
                .replace("{app}", &app.to_string_lossy())
                .replace("{url}", url);
            command.arg(
                values
                    .iter()
                    .fold(word, |word, (name, value)| word.replace(name, value)),
            );
        }
        command.current_dir(self.root());
        // The bench holds no secrets: its data is made up, and its servers listen on the loopback alone.
        command
            .env("DATABASE_URL", url)
            .env("MAINSTAY_SECRET", "bench".repeat(13));
        command
    }

    pub fn migrate(&self, url: &str) -> Result<()> {
        run(&mut self.command(&self.migrate, url, &[]))
    }

    pub fn import(&self, url: &str, model: &str, file: &Path) -> Result<()> {
        let values = [("{model}", model), ("{file}", &*file.to_string_lossy())];
        run(&mut self.command(&self.import, url, &values))
    }
}

/// Runs a command to its end, with its words on standard error.
pub fn run(command: &mut Command) -> Result<()> {
    let status = command
        .stdin(Stdio::null())
        .stdout(std::io::stderr())
        .status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("{command:?}: {status}").into()),
        Err(error) => Err(format!("{command:?}: {error}").into()),
    }
}

/// Where everything is.
pub struct Site {
    pub bench: PathBuf,
    pub commands: Commands,
    /// URL of PostgreSQL without a database's name, over its Unix socket.
    postgres: Option<String>,
    pub postmaster: Option<u32>,
    pub postgres_version: Option<String>,
}

impl Site {
    pub fn new(bench: PathBuf, commands: Commands, with_postgres: bool) -> Result<Self> {
        let mut site = Self {
            bench,
            commands,
            postgres: None,
            postmaster: None,
            postgres_version: None,
        };
        if with_postgres {
            let server = fill::postgres_server()?;
            site.postgres = Some(server.url);
            site.postmaster = process::parent(server.backend);
            site.postgres_version = Some(server.version);
        }
        Ok(site)
    }

    /// A program of the bench itself.
    pub fn own(&self, name: &str) -> Result<PathBuf> {
        Ok(std::env::current_exe()?.with_file_name(name))
    }

    pub fn data(&self, data: &Dataset) -> PathBuf {
        self.bench
            .join("data")
            .join(data.products.len().to_string())
    }

    /// The name of a program's database on PostgreSQL.
    pub fn database(&self, program: Program, data: &Dataset) -> String {
        format!("bench_{}_{}", program.name(), data.products.len())
    }

    /// What a program is told to use: a URL, or a file's name for the hand-written one on SQLite.
    pub fn url(&self, program: Program, store: Store, data: &Dataset) -> Result<String> {
        match store {
            Store::Postgres => {
                let server = self.postgres.as_deref().ok_or("there is no PostgreSQL")?;
                Ok(format!("{server}/{}", self.database(program, data)))
            }
            Store::Sqlite => {
                let file = self.data(data).join(program.name()).with_extension("db");
                let file = file.to_string_lossy();
                Ok(if program == Program::Mainstay {
                    format!("sqlite:{file}")
                } else {
                    file.into()
                })
            }
        }
    }

    /// A free port of the loopback; nobody holds it, so it should be used soon.
    fn free_address() -> Result<SocketAddr> {
        Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?)
    }

    fn command(&self, program: Program, store: Store, url: &str, listen: &str) -> Result<Command> {
        Ok(match program {
            Program::Mainstay => {
                self.commands
                    .command(&self.commands.serve, url, &[("{listen}", listen)])
            }
            Program::Handwritten => {
                let name = match store {
                    Store::Sqlite => "handwritten_sqlite",
                    Store::Postgres => "handwritten_pg",
                };
                let mut command = Command::new(self.own(name)?);
                command.args(["--listen", listen, "--database", url]);
                command
            }
        })
    }
}

/// A running server; it ends with this value, and with this program however that ends.
pub struct Server {
    pub program: Program,
    pub store: Store,
    pub address: SocketAddr,
    /// From its start to the first 200.
    pub started_in: Duration,
    child: Child,
}

impl Server {
    /// Starts a server and waits until it answers a read with 200.
    pub fn start(site: &Site, program: Program, store: Store, data: &Dataset) -> Result<Self> {
        let address = Site::free_address()?;
        let url = site.url(program, store, data)?;
        let bare = site.command(program, store, &url, &address.to_string())?;
        let log_name = site
            .data(data)
            .join(format!("{}-{}.log", program.name(), store.name()));
        let log = File::create(&log_name)?;
        // setpriv becomes the server after it has asked Linux to end it with this program.
        let mut command = Command::new("setpriv");
        command
            .args(["--pdeathsig", "KILL", "--"])
            .arg(bare.get_program())
            .args(bare.get_args());
        command.envs(
            bare.get_envs()
                .filter_map(|(name, value)| Some((name, value?))),
        );
        if let Some(dir) = bare.get_current_dir() {
            command.current_dir(dir);
        }
        command
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log);
        let begin = Instant::now();
        let child = command
            .spawn()
            .map_err(|error| format!("{command:?}: {error}"))?;
        let mut server = Self {
            program,
            store,
            address,
            started_in: Duration::ZERO,
            child,
        };
        let visible = data.products.iter().find(|p| p.active).ok_or("no data")?;
        let path = format!("/api/shop/products/{}", uuid::Uuid::from_bytes(visible.id));
        loop {
            let answer = answer::fetch(address, "GET", &path, "");
            server.started_in = begin.elapsed();
            if matches!(answer, Ok((200, _))) {
                return Ok(server);
            }
            let ended = server.child.try_wait()?;
            if ended.is_some() || server.started_in > Duration::from_secs(60) {
                let log = fs::read_to_string(&log_name).unwrap_or_default();
                let last = answer.map(|(status, _)| status);
                let state = format!("ended: {ended:?}, last answer: {last:?}");
                return Err(format!("{command:?} did not answer 200 ({state}):\n{log}").into());
            }
            thread::sleep(Duration::from_micros(500));
        }
    }

    pub fn pid(&self) -> u32 {
        self.child.id()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
