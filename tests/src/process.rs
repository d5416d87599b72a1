//! The real binary: what users run, and what can be killed.

use crate::http::Caller;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant, SystemTime};
use tokio::io::AsyncReadExt;

pub const SECRET: &str = "thirty-two bytes of test secret!";

/// The binary beside the test's own executable, built if it is missing or older than that.
///
/// Cargo tells a test where a binary is only inside the binary's own package. It is asked once in a build: a
/// stamp that is newer than the test's executable, which links the same crates, says that it was.
pub fn binary() -> &'static Path {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let own = std::env::current_exe().expect("the test's executable");
        // target/debug/deps/suite-…
        let profile = own
            .parent()
            .and_then(Path::parent)
            .expect("a profile's folder");
        let target = profile.parent().expect("a target folder");
        let binary = profile.join(format!("mainstay{}", std::env::consts::EXE_SUFFIX));
        let stamp = profile.join(".mainstay-built-for-tests");
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
        let time = |path: &Path| {
            let modified = std::fs::metadata(path).and_then(|m| m.modified());
            modified.unwrap_or(SystemTime::UNIX_EPOCH)
        };
        let main = root.join("crates/mainstay/src/main.rs");
        if binary.exists() && time(&stamp) > time(&own).max(time(&main)) {
            return binary;
        }
        let name = match profile.file_name().and_then(|n| n.to_str()) {
            Some("debug") | None => "dev",
            Some(other) => other,
        };
        let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let built = Command::new(cargo)
            .current_dir(&root)
            .args([
                "build",
                "--quiet",
                "--package",
                "mainstay",
                "--bin",
                "mainstay",
            ])
            .args(["--profile", name, "--target-dir"])
            .arg(target)
            .status()
            .expect("cargo");
        assert!(built.success(), "the binary does not build");
        std::fs::write(&stamp, "").expect("a stamp");
        binary
    })
}

/// Without the settings that the tests' own environment may hold.
pub(crate) fn clean(command: &mut Command) {
    for (name, _) in std::env::vars_os() {
        let text = name.to_string_lossy();
        if text.starts_with("MAINSTAY_") || text == "DATABASE_URL" {
            command.env_remove(&name);
        }
    }
}

/// How a command ended.
#[derive(Debug)]
pub struct Ended {
    pub code: i32,
    pub stdout: String,
    pub stderr: String,
}

impl Ended {
    /// Everything it said.
    pub fn said(&self) -> String {
        format!("{}{}", self.stdout, self.stderr)
    }

    /// The exit code is this, and each of these was said.
    #[track_caller]
    pub fn expect(&self, code: i32, said: &[&str]) -> &Ended {
        assert_eq!(self.code, code, "{}", self.said());
        for text in said {
            assert!(
                self.said().contains(text),
                "`{text}` was not said:\n{}",
                self.said()
            );
        }
        assert!(!self.said().contains("panicked"), "{}", self.said());
        self
    }
}

/// Runs a command in a folder to its end.
pub fn run(folder: &Path, arguments: &[&str]) -> Ended {
    run_with(folder, arguments, &[], "")
}

pub fn run_with(
    folder: &Path,
    arguments: &[&str],
    environment: &[(&str, &str)],
    input: &str,
) -> Ended {
    let mut command = Command::new(binary());
    clean(&mut command);
    let mut child = command
        .current_dir(folder)
        .args(arguments)
        .envs(environment.iter().copied())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the binary");
    // Closed at once: a command that asks for more than it was given must not hang. One that reads nothing may
    // have ended already.
    let mut stdin = child.stdin.take().expect("standard input");
    let _ = std::io::Write::write_all(&mut stdin, input.as_bytes());
    drop(stdin);
    let output = child.wait_with_output().expect("an end");
    Ended {
        code: output.status.code().unwrap_or(-1),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// A server in a process of its own; it is killed when this is dropped.
pub struct Process {
    pub child: tokio::process::Child,
    pub address: SocketAddr,
    pub stdout: Said,
    pub stderr: Said,
}

/// What a process has said so far.
#[derive(Clone, Default)]
pub struct Said(Arc<Mutex<Vec<u8>>>);

impl Said {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("what it said")).into_owned()
    }

    fn follow(&self, mut from: impl tokio::io::AsyncRead + Unpin + Send + 'static) {
        let said = self.clone();
        tokio::spawn(async move {
            let mut bytes = Vec::new();
            while let Ok(1..) = from.read_buf(&mut bytes).await {
                said.0.lock().expect("what it said").append(&mut bytes);
            }
        });
    }

    pub async fn wait_for(&self, text: &str) -> bool {
        let start = Instant::now();
        while start.elapsed() < Duration::from_secs(20) {
            if self.text().contains(text) {
                return true;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
        false
    }
}

impl Process {
    /// `serve` or `dev` on a free port, once it answers.
    pub async fn start(folder: &Path, arguments: &[&str]) -> Process {
        match Process::try_start(Command::new(binary()), folder, arguments).await {
            Ok(process) => process,
            Err(said) => panic!("the server does not start: {said}"),
        }
    }

    /// The same through another program that runs the binary: `command` ends in its path.
    pub async fn try_start(
        mut command: Command,
        folder: &Path,
        arguments: &[&str],
    ) -> Result<Process, String> {
        clean(&mut command);
        command
            .current_dir(folder)
            .args(arguments)
            .args(["--listen", "127.0.0.1:0"])
            .env("MAINSTAY_SECRET", SECRET)
            .env("MAINSTAY_LOG", "json")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = tokio::process::Command::from(command)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary");
        let (stdout, stderr) = (Said::default(), Said::default());
        stdout.follow(child.stdout.take().expect("standard output"));
        stderr.follow(child.stderr.take().expect("standard error"));
        let start = Instant::now();
        loop {
            if let Some(address) = address(&stderr.text()) {
                return Ok(Process {
                    child,
                    address,
                    stdout,
                    stderr,
                });
            }
            let ended = child.try_wait().expect("its state").is_some();
            if ended || start.elapsed() > Duration::from_secs(30) {
                // What it said last may still be on its way.
                tokio::time::sleep(Duration::from_millis(50)).await;
                return Err(stderr.text());
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    }

    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(self.address)
    }

    /// Ends it as a power cut would.
    pub async fn kill(&mut self) {
        self.child.kill().await.expect("a process to kill");
    }

    /// Asks it to end.
    pub fn terminate(&self) {
        if let Some(pid) = self.child.id() {
            signal(pid, "-TERM");
        }
    }

    pub fn panicked(&self) -> bool {
        self.stderr.text().contains("panicked") || self.stdout.text().contains("panic")
    }
}

pub fn signal(pid: u32, signal: &str) {
    let sent = Command::new("kill")
        .args([signal, &pid.to_string()])
        .status()
        .expect("kill");
    assert!(sent.success(), "kill {signal} {pid}");
}

fn address(said: &str) -> Option<SocketAddr> {
    let (_, rest) = said.split_once("http://")?;
    // The whole line is there once its end is.
    rest.split_once([' ', '\n'])?.0.trim().parse().ok()
}
