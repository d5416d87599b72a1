//! The examples of `README.md` and `docs/` do what the pages say.
//!
//! A block is known by the word behind its fence. `sh` runs against `mainstay dev` on the marketplace, where every
//! request must succeed; a `json` block that follows is what it answered. `console` gives commands (`$ …`) and what
//! they print. `toml` loads, as an app or a module, or stands in the marketplace as it is quoted. `cel` types against
//! `catalog.products`. Tests that are shown run or are quoted from the example's. In what is printed, `…` stands for anything. What cannot run here is marked for all to see:
//! ```` ```sh ignore ````. The TOML of `docs/app.md` is loaded in `crates/spec/tests/load/docs.rs`, as one app.

use mainstay_tests::process::{Process, binary, run};
use spec::expr::check::{Purpose, Scope, compile};
use std::path::{Path, PathBuf};
use std::process::Command;

const PAGES: &[&str] = &[
    "README.md",
    "docs/README.md",
    "docs/accounts.md",
    "docs/aggregates.md",
    APP_PAGE,
    "docs/backup.md",
    "docs/errors.md",
    "docs/expressions.md",
    "docs/introspect.md",
    "docs/migrations.md",
    "docs/moving.md",
    "docs/openapi.md",
    "docs/operations.md",
    "docs/rest.md",
    "docs/retries.md",
    "docs/rules.md",
    "docs/testing.md",
    "docs/writes.md",
];
/// Its blocks of TOML are one app, which is loaded elsewhere.
const APP_PAGE: &str = "docs/app.md";
/// Where the pages say that the example is served.
const SERVED: &str = "http://127.0.0.1:7070";
const EXAMPLE: &str = "examples/marketplace";

const ACCESS: &[&str] = &["read", "create", "update", "delete"];

struct Block {
    /// `docs/rest.md:45`
    at: String,
    kind: String,
    ignored: bool,
    text: String,
    /// It stands right below the block before it, with nothing in between.
    follows: bool,
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn blocks(page: &str) -> Vec<Block> {
    let text = std::fs::read_to_string(root().join(page)).expect("a page");
    let mut out: Vec<Block> = Vec::new();
    let mut open = false;
    let mut follows = false;
    for (at, line) in text.lines().enumerate() {
        if let Some(info) = line.strip_prefix("```") {
            if !open {
                let (kind, rest) = info.split_once(' ').unwrap_or((info, ""));
                assert!(["", "ignore"].contains(&rest), "{page}:{} {info}", at + 1);
                out.push(Block {
                    at: format!("{page}:{}", at + 1),
                    kind: kind.to_owned(),
                    ignored: rest == "ignore",
                    text: String::new(),
                    follows,
                });
            }
            open = !open;
            follows = true;
        } else if open && let Some(block) = out.last_mut() {
            block.text.push_str(line);
            block.text.push('\n');
        } else if !line.is_empty() {
            follows = false;
        }
    }
    assert!(!open, "{page} ends inside a block");
    out
}

/// Whether `said` is what a page shows, in which `…` stands for anything and the width of gaps for nothing.
fn shows(shown: &str, said: &str) -> bool {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (shown, said) = (plain(shown), plain(said));
    let mut rest = said.as_str();
    let mut parts = shown.split('…').peekable();
    let Some(first) = parts.next() else {
        return false;
    };
    let Some(behind) = rest.strip_prefix(first) else {
        return false;
    };
    rest = behind;
    while let Some(part) = parts.next() {
        let at = if parts.peek().is_none() && !part.is_empty() {
            rest.rfind(part)
        } else {
            rest.find(part)
        };
        match at {
            Some(_) if part.is_empty() && parts.peek().is_none() => return true,
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    rest.is_empty()
}

/// What the commands of a page run in: a folder with the example in it, the binary in the path, and a server.
struct Shell {
    folder: tempfile::TempDir,
    served: String,
    token: String,
}

impl Shell {
    /// What a script prints, which must succeed, every request in it included.
    fn run(&mut self, script: &str) -> Result<String, String> {
        let script = script
            .replace(SERVED, &self.served)
            .replace(" APP", &format!(" {EXAMPLE}"));
        let left = self.folder.path().join("token");
        let whole = format!("set -eo pipefail\n{script}\nprintf %s \"$TOKEN\" > token\n");
        let path = std::env::var("PATH").unwrap_or_default();
        let folder = self.folder.path();
        let ended = Command::new("bash")
            .args(["-c", &whole])
            .current_dir(folder)
            .env("PATH", format!("{}:{path}", folder.join("bin").display()))
            .env("CURL_HOME", folder)
            .env("TOKEN", &self.token)
            .env("PASSWORD", "a long password")
            .env_remove("DATABASE_URL")
            .output()
            .expect("bash");
        let said = String::from_utf8_lossy(&ended.stdout).into_owned();
        if !ended.status.success() {
            let error = String::from_utf8_lossy(&ended.stderr);
            return Err(format!("{script}\n{said}{error}"));
        }
        self.token = std::fs::read_to_string(left).expect("the token");
        if let Some(token) = access_token(&said) {
            self.token = token;
        }
        Ok(said)
    }

    /// Each `$ command` prints what is below it.
    fn console(&mut self, text: &str) -> Result<(), String> {
        for session in text.split("$ ").skip(1) {
            let mut command = String::new();
            let mut lines = session.lines();
            for line in lines.by_ref() {
                command.push_str(line);
                command.push('\n');
                if !line.ends_with('\\') {
                    break;
                }
            }
            let shown: String = lines.map(|line| format!("{line}\n")).collect();
            let said = self.run(&command)?;
            if !shows(&shown, &said) {
                return Err(format!("{command}is shown with\n{shown}and says\n{said}"));
            }
        }
        Ok(())
    }
}

fn access_token(said: &str) -> Option<String> {
    let (_, rest) = said.split_once("\"access_token\":\"")?;
    Some(rest.split_once('"')?.0.to_owned())
}

/// The files of the example, to find quotations in.
fn quoted(example: &Path, text: &str) -> bool {
    let plain = |text: &str| -> String { text.split_whitespace().collect::<Vec<_>>().join(" ") };
    let text: Vec<&str> = text.lines().filter(|l| !l.starts_with('#')).collect();
    let wanted = plain(&text.join("\n"));
    let modules = std::fs::read_dir(example.join("modules")).expect("modules");
    let modules = modules.filter_map(|module| Some(module.ok()?.path().join("module.toml")));
    let tests = std::fs::read_dir(example.join("tests")).expect("tests");
    modules
        .chain(tests.filter_map(|test| Some(test.ok()?.path())))
        .filter_map(|file| std::fs::read_to_string(file).ok())
        .any(|file| plain(&file).contains(&wanted))
}

/// A block of TOML: a file whose first line is its path, a module's models, or a quotation.
fn toml(example: &Path, folder: &Path, block: &Block) -> Result<(), String> {
    if let Some(path) = block.text.strip_prefix("# ").and_then(|t| t.lines().next())
        && path.ends_with(".toml")
    {
        let file = folder.join("written").join(path);
        std::fs::create_dir_all(file.parent().expect("a folder")).expect("a folder");
        std::fs::write(file, &block.text).expect("a file");
        return Ok(());
    }
    if block.text.starts_with("[models.") || block.text.starts_with("schema = ") {
        let app = folder.join(block.at.replace(['/', ':', '.'], "-"));
        std::fs::create_dir_all(app.join("modules/m")).expect("a folder");
        std::fs::write(app.join("mainstay.toml"), "").expect("a file");
        std::fs::write(app.join("modules/m/module.toml"), &block.text).expect("a file");
        return loads_clean(&app);
    }
    if quoted(example, &block.text) {
        return Ok(());
    }
    // A rule by itself: one that some model of the marketplace could have.
    let table: ::toml::Table = block.text.parse().map_err(|e| format!("{e}"))?;
    for (key, value) in &table {
        let rule = value.as_str().filter(|_| ACCESS.contains(&key.as_str()));
        rule.ok_or("the marketplace does not say this")?;
        cel(example, rule.unwrap_or_default())?;
    }
    Ok(())
}

fn loads_clean(app: &Path) -> Result<(), String> {
    let checked = run(app, &["check"]);
    let clean = checked.code == 0 && !checked.said().contains("warning");
    clean.then_some(()).ok_or_else(|| checked.said())
}

fn cel(example: &Path, text: &str) -> Result<(), String> {
    let app = spec::load::load(example).app.expect("the example");
    let model = app.model_named("catalog.products").map(|model| model.id);
    let purpose = Purpose::Read;
    let scope = Scope {
        app: &app,
        model,
        purpose,
        closed: &[],
    };
    for line in text.lines() {
        if let Err(errors) = compile(line, &scope) {
            return Err(format!("{line}: {errors:?}"));
        }
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_pages_show_is_so() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    run(at, &["new", EXAMPLE, "--template", "marketplace"]).expect(0, &[]);
    let server = Process::start(at, &["dev", EXAMPLE]).await;
    std::fs::create_dir(at.join("bin")).expect("a folder");
    std::os::unix::fs::symlink(binary(), at.join("bin/mainstay")).expect("a link");
    // A request that is refused fails its script.
    std::fs::write(at.join(".curlrc"), "fail-with-body\nsilent\nshow-error\n").expect("a file");
    let product = "{\"name\":\"Lamp\",\"price\":\"9.00\",\"category\":\"01980000-0000-7000-8001-000000000003\",\
                   \"seller\":\"01980000-0000-7000-8000-000000000002\"}\n";
    std::fs::write(at.join("products.jsonl"), product).expect("a file");
    let mut shell = Shell {
        served: format!("http://{}", server.address),
        token: String::new(),
        folder,
    };
    let example = shell.folder.path().join(EXAMPLE);
    let (mut ran, mut ignored, mut wrong) = (0, Vec::new(), Vec::new());
    for page in PAGES {
        shell.token = String::new();
        let mut answered: Option<String> = None;
        for block in blocks(page) {
            let before = answered.take().filter(|_| block.follows);
            if block.ignored {
                ignored.push(block.at);
                continue;
            }
            let result = match block.kind.as_str() {
                "sh" => shell.run(&block.text).map(|said| answered = Some(said)),
                "console" => shell.console(&block.text),
                "toml" if *page == APP_PAGE => Ok(()),
                "toml" => toml(&example, shell.folder.path(), &block),
                "cel" => cel(&example, &block.text),
                "json" => match before {
                    Some(said) if shows(&block.text, &said) => Ok(()),
                    Some(said) => Err(format!("answered was {said}")),
                    None => serde_json::from_str::<serde_json::Value>(&block.text)
                        .map(|_| ())
                        .map_err(|e| e.to_string()),
                },
                "" if !block.text.starts_with("$ ") => Ok(()),
                other => Err(format!("what is `{other}`?")),
            };
            ran += 1;
            if let Err(why) = result {
                wrong.push(format!("{}: {why}", block.at));
            }
        }
    }
    let written = shell.folder.path().join("written");
    let mut tested = 0;
    for app in std::fs::read_dir(&written).expect("the README's app") {
        let app = app.expect("a folder").path();
        if let Err(why) = loads_clean(&app) {
            wrong.push(format!("{}: {why}", app.display()));
        }
        // The README's app has the tests of docs/testing.md.
        if app.join("tests").is_dir() {
            tested += 1;
            let reply = run(&app, &["test"]);
            if reply.code != 0 {
                wrong.push(format!("{}: {}", app.display(), reply.said()));
            }
        }
    }
    assert_eq!(tested, 1, "the apps with tests");
    println!("{ran} examples are so; ignored: {}", ignored.join(", "));
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n\n"));
    assert!(ran > 30, "{ran}");
}

#[test]
fn dots_stand_for_anything() {
    for (shown, said, is) in [
        ("a  b", "a b\n", true),
        ("a … c", "a b c", true),
        ("{\"x\":\"…\",\"y\":1}", "{\"x\":\"zz\",\"y\":1}", true),
        ("a…", "abc", true),
        ("a…c", "abd", false),
        ("a", "ab", false),
        ("b", "ab", false),
    ] {
        assert_eq!(shows(shown, said), is, "{shown}");
    }
}
