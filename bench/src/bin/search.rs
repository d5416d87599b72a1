//! What searches of Mainstay take, by how many records hold the words. Started by `bench/search`, which see.
//!
//! `[--size N] [--seconds S] [--connections N] [--stores sqlite,postgres]`; PostgreSQL's URL is in MAINSTAY_TEST_POSTGRES.

use std::{
    env,
    error::Error,
    fmt::Write as _,
    fs::{self, File},
    io::{self, BufWriter, Write},
    net::{SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use mainstay_bench::{answer, args, dataset::Random};
use serde::Deserialize;
use tokio_postgres::NoTls;

type Result<T, E = Box<dyn Error>> = std::result::Result<T, E>;

/// What is searched for, and how many different searches of the kind there are.
struct Kind {
    name: &'static str,
    different: usize,
    query: fn(usize) -> String,
}

const KINDS: &[Kind] = &[
    Kind {
        name: "a word that 0.1% hold",
        different: 1000,
        query: |n| format!("scarce{n}"),
    },
    Kind {
        name: "a word that 1% hold",
        different: 100,
        query: |n| format!("rare{n}"),
    },
    Kind {
        name: "a word that 1% hold, with snippets",
        different: 100,
        query: |n| format!("rare{n}&snippets=true"),
    },
    Kind {
        name: "a word that 1% hold, sorted by price",
        different: 100,
        query: |n| format!("rare{n}&sort=price"),
    },
    Kind {
        name: "two words in a row that 1% hold",
        different: 100,
        query: |n| format!("%22two{n}+row{n}%22"),
    },
    Kind {
        name: "words that 1% and 50% hold",
        different: 100,
        query: |n| format!("rare{n}+half{}", n % 2),
    },
    Kind {
        name: "a word that 5% hold",
        different: 20,
        query: |n| format!("some{n}"),
    },
    Kind {
        name: "a word that 50% hold",
        different: 2,
        query: |n| format!("half{n}"),
    },
    Kind {
        name: "a beginning that 10% hold",
        different: 10,
        query: |n| format!("rare{n}*"),
    },
    Kind {
        name: "a beginning that nearly all hold",
        different: 1,
        query: |_| "s*".to_owned(),
    },
];

/// What of `load`'s report is shown.
#[derive(Deserialize)]
struct Load {
    requests: u64,
    requests_per_second: f64,
    errors: u64,
    p50_us: f64,
    p99_us: f64,
    cpu_us_per_request: Option<f64>,
}

fn main() -> Result<()> {
    let bench = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    let size: usize = args::or("size", 100_000);
    let seconds: f64 = args::or("seconds", 3.0);
    let connections: usize = args::or("connections", 1);
    let stores = args::or("stores", "sqlite,postgres".to_owned());
    let data = bench.join("data").join(format!("search-{size}"));
    fs::create_dir_all(&data)?;
    let records = data.join("products.jsonl");
    write_records(&records, size)?;
    let mut text = format!("{size} records, {connections} connections, {seconds} s a cell\n\n");
    text += "| | records | searches/s | p50 ms | p99 ms | server's CPU µs |\n|---|---|---|---|---|---|\n";
    for store in stores.split(',') {
        let url = match store {
            "sqlite" => sqlite(&data)?,
            "postgres" => postgres()?,
            other => return Err(format!("--stores takes sqlite and postgres, not {other}").into()),
        };
        let mainstay = Mainstay { bench: &bench, url };
        mainstay.run(&["migrate", "apply"])?;
        let file = records.to_string_lossy();
        mainstay.run(&["import", "shop.products", &file])?;
        if store == "postgres" {
            vacuum(&mainstay.url)?;
        }
        let server = mainstay.serve(&data)?;
        for kind in KINDS {
            let load = measure(&server, kind, &data, (seconds, connections))?;
            if load.errors > 0 || load.requests == 0 {
                return Err(format!("{}: {} errors", kind.name, load.errors).into());
            }
            let _ = writeln!(
                text,
                "| {store}: {} | {} | {:.0} | {:.2} | {:.2} | {:.0} |",
                kind.name,
                matches(&server, kind)?,
                load.requests_per_second,
                load.p50_us / 1e3,
                load.p99_us / 1e3,
                load.cpu_us_per_request.unwrap_or_default()
            );
        }
    }
    fs::create_dir_all(bench.join("results"))?;
    fs::write(bench.join("results/search.md"), &text)?;
    io::stdout().write_all(text.as_bytes())?;
    Ok(())
}

/// Each record holds one of a thousand scarce words, of a hundred rare ones, and so on, among words as a language has
/// them: a few that are everywhere and many that are seldom.
fn write_records(path: &Path, size: usize) -> Result<()> {
    let mut out = BufWriter::new(File::create(path)?);
    let mut random = Random(7);
    for n in 0..size {
        let mut description = String::new();
        for at in 0..40 {
            let _ = write!(description, "{} ", word(&mut random));
            match at {
                5 => write!(description, "rare{} ", n % 100)?,
                10 => write!(description, "two{0} row{0} ", n * 7 % 100)?,
                20 => write!(description, "scarce{} ", n * 13 % 1000)?,
                30 => write!(description, "some{} half{} ", n * 3 % 20, n / 100 % 2)?,
                _ => {}
            }
        }
        let name = format!("{} {} {n}", word(&mut random), word(&mut random));
        let (price, active) = (1 + random.below(10_000), random.below(10) != 0);
        writeln!(
            out,
            r#"{{"name":"{name}","description":"{}","price":{price},"active":{active}}}"#,
            description.trim_end()
        )?;
    }
    out.flush()?;
    Ok(())
}

/// One of some 20,000, the first ones most often.
fn word(random: &mut Random) -> String {
    let most = 1 + random.below(20_000);
    let mut which = random.below(most);
    let mut word = String::from("w");
    for _ in 0..3 {
        word.push(char::from(b'a' + (which % 26) as u8));
        word.push(['a', 'e', 'i', 'o', 'u'][(which % 5) as usize]);
        which /= 26;
    }
    word
}

fn sqlite(data: &Path) -> Result<String> {
    for ending in ["db", "db-wal", "db-shm"] {
        match fs::remove_file(data.join("search").with_extension(ending)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error.into()),
            _ => {}
        }
    }
    Ok(format!("sqlite:{}", data.join("search.db").display()))
}

fn postgres() -> Result<String> {
    let url =
        env::var("MAINSTAY_TEST_POSTGRES").map_err(|_| "MAINSTAY_TEST_POSTGRES is not set")?;
    for statement in [
        "drop database if exists bench_search with (force)",
        "create database bench_search",
    ] {
        execute(&url, statement)?;
    }
    let (server, _) = url.rsplit_once('/').ok_or("the URL names no database")?;
    Ok(format!("{server}/bench_search"))
}

fn vacuum(url: &str) -> Result<()> {
    // What the server would do by itself in time, and not in the middle of a measurement.
    execute(url, "vacuum analyze")?;
    execute(url, "checkpoint")
}

fn execute(url: &str, statement: &str) -> Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_io()
        .build()?;
    runtime.block_on(async {
        let (client, connection) = tokio_postgres::connect(url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client.batch_execute(statement).await?)
    })
}

struct Mainstay<'a> {
    bench: &'a Path,
    url: String,
}

impl Mainstay<'_> {
    fn command(&self, words: &[&str]) -> Command {
        let root = self.bench.parent().unwrap_or(self.bench);
        let mut command = Command::new(root.join("target/release/mainstay"));
        command
            .args(words)
            .arg("--app")
            .arg(self.bench.join("search_app"))
            .args(["--database", &self.url])
            .env("MAINSTAY_SECRET", "bench".repeat(13))
            .stdin(Stdio::null());
        command
    }

    fn run(&self, words: &[&str]) -> Result<()> {
        let mut command = self.command(words);
        match command.stdout(io::stderr()).status()? {
            status if status.success() => Ok(()),
            status => Err(format!("{command:?}: {status}").into()),
        }
    }

    fn serve(&self, data: &Path) -> Result<Server> {
        // Nobody holds the port, so it should be used soon.
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?;
        let log = File::create(data.join("search.log"))?;
        let child = self
            .command(&["serve", "--listen", &address.to_string()])
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let server = Server { address, child };
        let begin = Instant::now();
        while !matches!(answer::fetch(address, "GET", "/readyz", ""), Ok((200, _))) {
            if begin.elapsed() > Duration::from_secs(60) {
                return Err("the server did not start: see search.log".into());
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(server)
    }
}

struct Server {
    address: SocketAddr,
    child: Child,
}

impl Drop for Server {
    fn drop(&mut self) {
        // It may have ended by itself already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn path(kind: &Kind, n: usize) -> String {
    format!("/api/shop/products?limit=20&search={}", (kind.query)(n))
}

/// How many records the first search of a kind finds.
fn matches(server: &Server, kind: &Kind) -> Result<u64> {
    #[derive(Deserialize)]
    struct Page {
        count: u64,
    }
    let path = format!("{}&count=exact", path(kind, 0));
    let (status, body) = answer::fetch(server.address, "GET", &path, "")?;
    if status != 200 {
        return Err(format!("{path}: {status}: {}", String::from_utf8_lossy(&body)).into());
    }
    Ok(serde_json::from_slice::<Page>(&body)?.count)
}

fn measure(
    server: &Server,
    kind: &Kind,
    data: &Path,
    (seconds, connections): (f64, usize),
) -> Result<Load> {
    let mut lines = String::new();
    for n in 0..kind.different {
        let _ = writeln!(lines, "GET {}", path(kind, n));
    }
    let requests = data.join("searches");
    fs::write(&requests, lines)?;
    let output = Command::new(env::current_exe()?.with_file_name("load"))
        .args(["--connect", &server.address.to_string(), "--requests"])
        .arg(&requests)
        .args(["--connections", &connections.to_string()])
        .args(["--seconds", &seconds.to_string(), "--warmup", "0.5"])
        .args(["--pid", &server.child.id().to_string()])
        .output()?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into());
    }
    Ok(serde_json::from_slice(&output.stdout)?)
}
