//! `serve` and `dev`.

use super::app;
use super::next;
use super::print::{self, Failure};
use crate::backend::Backend;
use crate::backup::schedule::Schedule;
use crate::config::Flags;
use crate::dev::{self, Agreed};
use crate::secret::{self, Secret};
use crate::server::{Serve, Server};
use gateway::{AccessLog, Format};
use spec::schema::Schema;
use std::io::IsTerminal;
use std::path::PathBuf;
use std::sync::Arc;
use store::migrate::{Allow, Plan, PlanStep};

fn log() -> Result<AccessLog, Failure> {
    AccessLog::new(log_format()?, Box::new(std::io::stdout())).map_err(Failure::new)
}

/// `MAINSTAY_LOG`: json, pretty or off; pretty on a terminal otherwise.
pub fn log_format() -> Result<Format, Failure> {
    let terminal = std::io::stdout().is_terminal();
    Ok(match std::env::var("MAINSTAY_LOG").ok().as_deref() {
        Some("json") => Format::Json,
        Some("pretty") => Format::Pretty { color: terminal },
        Some("off") => Format::Off,
        None | Some("") if terminal => Format::Pretty { color: true },
        None | Some("") => Format::Json,
        Some(other) => {
            return Err(Failure::new(format!(
                "MAINSTAY_LOG={other} is not json, pretty or off"
            )));
        }
    })
}

/// The server's own events, on standard error.
pub fn events() {
    let mut wanted = std::env::var("MAINSTAY_TRACE").unwrap_or_default();
    if tracing_subscriber::EnvFilter::try_new(&wanted).is_err() || wanted.trim().is_empty() {
        wanted = "warn".to_owned();
    }
    // In its details the driver tells the parameters of each statement: password hashes, addresses.
    if !wanted.contains("tokio_postgres") {
        wanted.push_str(",tokio_postgres=warn");
    }
    let filter = tracing_subscriber::EnvFilter::new(wanted);
    // A second subscriber can only be one that an embedding program set, which is fine.
    let _ = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr)
        .try_init();
}

/// Ends at Ctrl-C or SIGTERM.
pub async fn asked_to_stop() {
    let interrupt = tokio::signal::ctrl_c();
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        match signal(SignalKind::terminate()) {
            Ok(mut terminate) => {
                tokio::select! {
                    _ = interrupt => {}
                    _ = terminate.recv() => {}
                }
            }
            Err(_) => {
                let _ = interrupt.await;
            }
        }
    }
    #[cfg(not(unix))]
    let _ = interrupt.await;
}

fn url(address: std::net::SocketAddr) -> String {
    format!("http://{address}")
}

pub async fn serve(
    folder: PathBuf,
    database: Option<String>,
    listen: Option<String>,
    migrate: bool,
) -> Result<(), Failure> {
    events();
    let (app, _) = app::loaded(&folder)?;
    let given = database.clone();
    let config = app::resolve(&folder, &app, &Flags { database, listen })?;
    let secret = match secret::find(&folder) {
        // A secret that `dev` left in the folder is for development.
        Some(Secret::Environment(secret)) => secret,
        _ => {
            return Err(Failure::new(format!(
                "{} is not set: it keeps tokens and cursors from being forged, and every server of the app needs \
                 the same\n  make one:  export {}=$(openssl rand -base64 32)",
                secret::VARIABLE,
                secret::VARIABLE
            )));
        }
    };
    let server = Server::start(Serve {
        app,
        database: config.database.clone(),
        listen: config.settings.server.listen.clone(),
        secret,
        migrate: migrate.then_some(Allow::NEEDED),
        localhost: false,
        log: log()?,
        backups: Schedule::of(&config),
    })
    .await
    .map_err(|error| next::failure(error, &folder, given.as_deref()))?;
    for step in &server.migrated.steps {
        match migrate {
            true => anstream::eprintln!("{}", print::dim(format!("  {}", step.summary))),
            false => print::warning(&not_done(step)),
        }
    }
    for difference in left(&server.migrated) {
        print::warning(&difference);
    }
    if config.settings.backup.every.is_some() && Schedule::of(&config).is_none() {
        print::warning(
            "[backup] every is for SQLite: `mainstay backup create` says what PostgreSQL has",
        );
    }
    anstream::eprintln!("{} on {}", print::bold("mainstay"), url(server.address));
    let cut_off = server.run(asked_to_stop()).await.map_err(Failure::new)?;
    if cut_off > 0 {
        print::warning(&format!(
            "{cut_off} connections were cut off: their requests took longer than server.drain"
        ));
    }
    Ok(())
}

/// What an app runs without and should not for long.
fn not_done(step: &PlanStep) -> String {
    format!(
        "{}: not done; `mainstay migrate apply{}` does it",
        step.summary,
        next::flag(Some(step.label))
    )
}

/// What of the tables and records is to note.
fn left(plan: &Plan) -> Vec<String> {
    let all = plan.differences.iter().chain(&plan.obstacles);
    all.map(ToString::to_string).collect()
}

pub async fn dev(
    folder: PathBuf,
    database: Option<String>,
    listen: Option<String>,
    apply: bool,
) -> Result<(), Failure> {
    let began = std::time::Instant::now();
    events();
    let (app, seeds) = app::loaded(&folder)?;
    let given = database.clone();
    let config = app::resolve(&folder, &app, &Flags { database, listen })?;
    let secret = secret::find_or_make(&folder)
        .map_err(|e| Failure::new(format!("{}: {e}", folder.join(".mainstay").display())))?;
    let server = Server::start(Serve {
        app: Arc::clone(&app),
        database: config.database.clone(),
        listen: config.settings.server.listen.clone(),
        secret: secret.bytes().to_vec(),
        // A database that was there before gets nothing of Mainstay's unless somebody says so.
        migrate: (apply || !app.uses_existing()).then_some(Allow::SLOW),
        localhost: true,
        log: log()?,
        backups: None,
    })
    .await
    .map_err(|error| next::failure(error, &folder, given.as_deref()))?;
    for step in &server.migrated.steps {
        anstream::eprintln!("{}", print::dim(format!("  {}", step.summary)));
    }
    for difference in left(&server.migrated) {
        print::warning(&difference);
    }
    let seeded = dev::seed(&server.backend, &server.auth, &app, &seeds, &folder)
        .await
        .map_err(|e| Failure::new(e.report()))?;
    if seeded > 0 {
        let records = print::count(seeded, "seed record");
        anstream::eprintln!("{}", print::dim(format!("  {records} loaded")));
    }
    let base = url(server.address);
    anstream::eprintln!(
        "\n{} {base}   {}   {}",
        print::bold(format!("mainstay dev · {}", app.settings.name)),
        config.database.shown(),
        print::dim(format!("ready in {} ms", began.elapsed().as_millis())),
    );
    for line in dev::greeting(&app, &seeds, &base) {
        anstream::eprintln!("{line}");
    }
    let watch = Watch {
        folder,
        database: given,
        apply,
        backend: server.backend.clone(),
        auth: Arc::clone(&server.auth),
        left: left(&server.migrated),
        behind: false,
        awaited: None,
        keyboard: Keyboard::default(),
    };
    let watching = tokio::spawn(watch.run());
    let run = server.run(asked_to_stop()).await;
    watching.abort();
    run.map(|_| ()).map_err(Failure::new)
}

/// What `dev` goes by while it watches.
struct Watch {
    folder: PathBuf,
    /// As the command line named it.
    database: Option<String>,
    /// Steps that hold up writes are taken without asking.
    apply: bool,
    backend: Backend,
    auth: Arc<auth::Auth>,
    /// What was said to be left over in the database; it is said once.
    left: Vec<String>,
    /// The last thing that was saved is not what is served.
    behind: bool,
    /// The tables that the app as it was saved last needs, where they are not there yet.
    awaited: Option<Schema>,
    keyboard: Keyboard,
}

/// What somebody answers to a plan.
enum Answer {
    Yes,
    No,
    /// Nothing: the app was saved again, so it is another question by now.
    Saved,
}

/// The lines that are typed; read from the first question on.
#[derive(Default)]
struct Keyboard(Option<tokio::sync::mpsc::Receiver<String>>);

impl Keyboard {
    /// What is typed from now on.
    fn lines(&mut self) -> &mut tokio::sync::mpsc::Receiver<String> {
        let lines = self.0.get_or_insert_with(|| {
            let (tell, lines) = tokio::sync::mpsc::channel(16);
            // A read of the terminal cannot be called off, so one thread does them all.
            std::thread::spawn(move || {
                for line in std::io::stdin().lines().map_while(Result::ok) {
                    if tell.blocking_send(line).is_err() {
                        return;
                    }
                }
            });
            lines
        });
        while lines.try_recv().is_ok() {}
        lines
    }
}

/// How often the tables are looked at while an app waits for them.
const LOOK: std::time::Duration = std::time::Duration::from_secs(1);

/// Saves that happen together are one: editors write in several steps, and the last one counts.
async fn settle(changes: &mut tokio::sync::mpsc::Receiver<()>) {
    tokio::time::sleep(std::time::Duration::from_millis(60)).await;
    while changes.try_recv().is_ok() {}
}

impl Watch {
    /// Serves the app as it is saved; the old one goes on while the new one has mistakes.
    async fn run(mut self) {
        let mut changes = match dev::watch(&self.folder) {
            Ok(changes) => changes,
            Err(error) => {
                print::warning(&format!(
                    "the folder cannot be watched, so saving reloads nothing: {error}"
                ));
                return;
            }
        };
        while self.is_woken(&mut changes).await {
            settle(&mut changes).await;
            let unasked = if self.apply {
                Agreed::Always
            } else {
                Agreed::None
            };
            let mut agreed = unasked.clone();
            while let Some(plan) = self.reload(&agreed).await {
                agreed = match self.ask(&plan, &mut changes).await {
                    // What was saved in the meantime may need other steps, which are asked for as well.
                    Answer::Yes => Agreed::To(plan),
                    Answer::Saved => {
                        anstream::eprintln!("\n{}", print::dim("  saved again"));
                        settle(&mut changes).await;
                        unasked.clone()
                    }
                    Answer::No => {
                        self.goes_on();
                        break;
                    }
                };
            }
        }
    }

    /// Waits until the app is saved, or until somebody has brought the tables to what was saved before.
    async fn is_woken(&self, changes: &mut tokio::sync::mpsc::Receiver<()>) -> bool {
        loop {
            tokio::select! {
                saved = changes.recv() => return saved.is_some(),
                () = tokio::time::sleep(LOOK), if self.awaited.is_some() => {}
            }
            if let Some(awaited) = &self.awaited
                && self.backend.store.has(awaited).await.unwrap_or(false)
            {
                return true;
            }
        }
    }

    fn goes_on(&mut self) {
        self.behind = true;
        print::warning("the app from before goes on serving");
    }

    /// Reloads once and says what came of it; answers a plan that somebody should agree to.
    async fn reload(&mut self, agreed: &Agreed) -> Option<Plan> {
        let began = std::time::Instant::now();
        self.awaited = None;
        match dev::reload(&self.folder, &self.backend, &self.auth, agreed).await {
            dev::Reloaded::Same if self.behind => {
                anstream::eprintln!("{}", print::good("✓ as before"));
                self.behind = false;
            }
            dev::Reloaded::Same => {}
            dev::Reloaded::Now(served) => {
                self.behind = false;
                self.tell(served);
                let took = began.elapsed().as_millis();
                anstream::eprintln!(
                    "{} {}",
                    print::good("✓ reloaded"),
                    print::dim(format!("in {took} ms"))
                );
            }
            dev::Reloaded::Beyond(plan, wanted) => {
                self.awaited = Some(wanted);
                return Some(plan);
            }
            dev::Reloaded::Refused(why) => {
                anstream::eprintln!("{why}");
                self.goes_on();
            }
        }
        None
    }

    fn tell(&mut self, served: dev::Served) {
        for step in served.done {
            anstream::eprintln!("{}", print::dim(format!("  {step}")));
        }
        for left in &served.left {
            if !self.left.contains(left) {
                print::warning(left);
            }
        }
        self.left = served.left;
        if !served.later.is_empty() {
            print::warning(&format!(
                "{} changed, which is read at the start alone: stop `mainstay dev` and start it again",
                served.later.join(", ")
            ));
        }
    }

    /// Shows a plan and asks for a yes, where there is somebody to ask; says what to do where there is not.
    async fn ask(&mut self, plan: &Plan, changes: &mut tokio::sync::mpsc::Receiver<()>) -> Answer {
        anstream::eprintln!("the new app needs changes of its tables that are not plainly safe:");
        for step in &plan.steps {
            let label = print::good(step.label.name());
            anstream::eprintln!("  {label:11} {}", step.summary);
        }
        if !(std::io::stdin().is_terminal() && std::io::stderr().is_terminal()) {
            anstream::eprintln!(
                "  next: `mainstay migrate apply{2}{0}{1}`, upon which it is served, or start \
                 `mainstay dev --apply{0}{1}`, which does not ask",
                next::app(&self.folder),
                next::on(self.database.as_deref()),
                next::flag(plan.label())
            );
            return Answer::No;
        }
        let lines = self.keyboard.lines();
        anstream::eprint!("do it now? [y/N] ");
        tokio::select! {
            line = lines.recv() => {
                let line = line.unwrap_or_default().trim().to_lowercase();
                match ["y", "yes"].contains(&&*line) {
                    true => Answer::Yes,
                    false => Answer::No,
                }
            }
            Some(()) = changes.recv() => Answer::Saved,
        }
    }
}
