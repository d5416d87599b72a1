//! `mainstay backup`: files of SQLite's, advice for PostgreSQL.

use super::app;
use super::moving::bar;
use super::next;
use super::print::{self, Failure};
use super::{Backup, Format};
use crate::backup::restore::{Restore, Restored, Until, restore};
use crate::backup::{self, BackupError, Entry, Manifest};
use crate::config::{Config, Flags};
use crate::database::{Database, Role};
use indicatif::ProgressBar;
use spec::App;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::Store;
use store::postgres::Archive;

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Failure {
        Failure::new(error)
    }
}

/// An app, and where its data and backups are.
struct At {
    app: Arc<App>,
    config: Config,
    /// Whose backups are meant: the app's own database, whatever file is to be restored to.
    own: Database,
    folder: PathBuf,
    /// What `--database` said.
    asked: Option<String>,
}

impl At {
    fn open(folder: &Path, database: Option<String>) -> Result<At, Failure> {
        let (app, _) = app::loaded(folder)?;
        let asked = database.clone();
        let flags = Flags {
            database,
            listen: None,
        };
        let config = app::resolve(folder, &app, &flags)?;
        let flags = Flags {
            database: None,
            listen: None,
        };
        let own = app::resolve(folder, &app, &flags)?.database;
        Ok(At {
            app,
            config,
            own,
            folder: folder.to_owned(),
            asked,
        })
    }

    fn name(&self) -> &str {
        &self.app.settings.name
    }

    fn backups(&self, dir: Option<PathBuf>) -> PathBuf {
        dir.unwrap_or_else(|| self.folder.join(&self.config.settings.backup.dir))
    }

    fn all(&self, dir: &Path) -> Result<Vec<Entry>, Failure> {
        let own = match &self.own {
            Database::Sqlite(file) => Some(file.as_path()),
            Database::Postgres { .. } => None,
        };
        Ok(backup::list(&self.app, own, dir)?)
    }

    /// The newest backup made at a moment or before it; the newest of all without one.
    fn newest(&self, dir: &Path, until: Option<i64>) -> Result<PathBuf, Failure> {
        let mut found = self.all(dir)?;
        found.retain(|entry| until.is_none_or(|until| entry.manifest.made_at <= until));
        found.pop().map(|entry| entry.path).ok_or_else(|| {
            let before =
                until.map(|until| format!(" made before {}", spec::time::timestamp_text(until)));
            Failure::new(format!(
                "{}: there is no backup of {}{}",
                dir.display(),
                self.name(),
                before.unwrap_or_default()
            ))
        })
    }
}

pub async fn backup(
    folder: &dyn Fn(&Option<PathBuf>) -> PathBuf,
    what: Backup,
) -> Result<(), Failure> {
    match what {
        Backup::Create {
            path,
            database,
            dir,
            keep,
        } => create(At::open(&folder(&path), database.database)?, dir, keep).await,
        Backup::List { path, dir, format } => list(&At::open(&folder(&path), None)?, dir, format),
        Backup::Verify {
            file,
            database,
            dir,
        } => verify(At::open(&folder(&None), database.database)?, file, dir).await,
        Backup::Restore {
            file,
            database,
            dir,
            at,
            log,
            force,
        } => {
            let open = At::open(&folder(&None), database.database)?;
            let asked = Asked {
                file,
                dir,
                at,
                log,
                force,
            };
            restore_one(open, asked).await
        }
    }
}

/// Runs what reads or writes a whole database, with a bar.
fn with_bar<T>(run: impl FnOnce(backup::Progress<'_>) -> T) -> T {
    let bar = bar(0, "{bar:30} {msg} {elapsed}");
    let result = run(&mut |what, done, all| tell(&bar, what, done, all));
    bar.finish_and_clear();
    result
}

fn tell(bar: &ProgressBar, what: &'static str, done: u64, all: u64) {
    bar.set_message(what);
    bar.set_length(all);
    bar.set_position(done);
}

async fn create(at: At, dir: Option<PathBuf>, keep: Option<u32>) -> Result<(), Failure> {
    let file = match &at.config.database {
        Database::Sqlite(file) => file,
        Database::Postgres { .. } => return advise(&at).await,
    };
    let dir = at.backups(dir);
    let Entry { path, manifest } =
        with_bar(|progress| backup::create(&at.app, file, &dir, progress))?;
    let rows: u64 = manifest.rows.iter().map(|(_, rows)| rows).sum();
    print::line(format!(
        "{} {} ({}, {})",
        print::good("✓"),
        path.display(),
        bytes(manifest.bytes),
        print::count(rows, "row")
    ));
    let keep = keep.unwrap_or(at.config.settings.backup.keep);
    for gone in backup::retain(&at.app, file, &dir, keep as usize, &path)? {
        print::line(print::dim(format!("  {} removed", gone.display())));
    }
    Ok(())
}

fn list(at: &At, dir: Option<PathBuf>, format: Format) -> Result<(), Failure> {
    let dir = at.backups(dir);
    let found = at.all(&dir)?;
    match format {
        Format::Json => {
            let entry = |entry: &Entry| {
                let text = entry.manifest.text();
                let mut json: serde_json::Value = serde_json::from_str(&text).unwrap_or_default();
                json["file"] = entry.path.display().to_string().into();
                json
            };
            let all: Vec<serde_json::Value> = found.iter().map(entry).collect();
            print::line(serde_json::Value::Array(all));
        }
        Format::Human => {
            for Entry { path, manifest } in &found {
                print::line(format!(
                    "{}  {:>10}  {}",
                    spec::time::timestamp_text(manifest.made_at),
                    bytes(manifest.bytes),
                    path.display()
                ));
            }
            let count = print::count(found.len() as u64, "backup");
            print::line(print::dim(format!(
                "{count} of {} in {}",
                at.name(),
                dir.display()
            )));
        }
    }
    Ok(())
}

async fn verify(at: At, file: Option<PathBuf>, dir: Option<PathBuf>) -> Result<(), Failure> {
    if let (None, Database::Postgres { .. }) = (&file, &at.config.database) {
        let archive = archive(&at).await?;
        let sound = show(&archive);
        return match sound {
            true => Ok(()),
            false => Err(Failure::new(
                "the log is not archived: there is no point to restore to",
            )),
        };
    }
    let file = match file {
        Some(file) => file,
        None => at.newest(&at.backups(dir), None)?,
    };
    let manifest = with_bar(|progress| backup::verify(&file, progress))?;
    print::line(format!(
        "{} {}: {} of {}, whole and sound",
        print::good("✓"),
        file.display(),
        spec::time::timestamp_text(manifest.made_at),
        manifest.app
    ));
    other_schema(&at.app, &manifest);
    Ok(())
}

fn other_schema(app: &App, manifest: &Manifest) {
    if manifest.schema != backup::schema_digest(app) {
        print::warning(
            "its tables are not those that the app wants now: `mainstay migrate plan` shows what differs",
        );
    }
}

/// What `backup restore` was asked.
struct Asked {
    file: Option<PathBuf>,
    dir: Option<PathBuf>,
    at: Option<String>,
    log: Option<PathBuf>,
    force: bool,
}

async fn restore_one(at: At, asked: Asked) -> Result<(), Failure> {
    let Database::Sqlite(database) = &at.config.database else {
        return Err(Failure::new(format!(
            "{} is restored by its own means (docs/backup.md); a backup of SQLite can be restored to a file with \
             --database sqlite:PATH and carried there with `mainstay copy`",
            at.config.database.shown()
        )));
    };
    let until = asked.at.as_deref().map(moment).transpose()?;
    let file = match asked.file {
        Some(file) => file,
        None => at.newest(&at.backups(asked.dir), until)?,
    };
    let log = asked.log.unwrap_or_else(|| database.clone());
    let bar = bar(0, "{bar:30} {msg} {elapsed}");
    let mut progress = |what, done, all| tell(&bar, what, done, all);
    let what = Restore {
        app: &at.app,
        backup: &file,
        database,
        force: asked.force,
        until: until.map(|at| Until { at, log: &log }),
    };
    let restored = restore(what, &mut progress).await;
    bar.finish_and_clear();
    let Restored {
        kept,
        replayed,
        last,
    } = restored?;
    let manifest = backup::manifest(&file)?;
    let made = spec::time::timestamp_text(manifest.made_at);
    print::line(format!(
        "{} {} is as it was at {}",
        print::good("✓"),
        database.display(),
        asked.at.as_ref().unwrap_or(&made)
    ));
    print::line(print::dim(format!(
        "  from {}, made at {made}",
        file.display()
    )));
    if until.is_some() {
        let last = last.map(|at| format!(", the last of {}", spec::time::timestamp_text(at)));
        let changes = print::count(replayed, "change");
        let text = format!("  {changes} done again{}", last.unwrap_or_default());
        print::line(print::dim(text));
        told_apart(&at.app);
    } else {
        other_schema(&at.app, &manifest);
    }
    print::warning(
        "passwords and roles are those of the backup, also where they were changed or withdrawn since; all sessions \
         were ended",
    );
    if let Some(kept) = kept {
        print::line(format!("what was there is kept as {}", kept.display()));
    }
    print::line(format!(
        "next: mainstay serve{}{}",
        next::app(&at.folder),
        next::on(at.asked.as_deref())
    ));
    Ok(())
}

/// What the log does not know of stays as the backup has it.
fn told_apart(app: &App) {
    let unlogged: Vec<String> = app
        .models
        .iter()
        .filter(|model| !model.changes)
        .map(spec::Model::full_name)
        .collect();
    if !unlogged.is_empty() {
        print::warning(&format!(
            "{} have no change log (`changes = false`): their records are those of the backup",
            unlogged.join(", ")
        ));
    }
}

fn moment(text: &str) -> Result<i64, Failure> {
    spec::time::parse_timestamp(text).map_err(|error| {
        let why = match spec::time::completed(text) {
            Some(whole) => format!("write {whole}"),
            None => format!("{error}; write it as 2026-01-31T12:00:00Z"),
        };
        Failure::with_code(2, format!("--at {text}: {why}"))
    })
}

/// `backup create` on PostgreSQL: what to use instead, and whether it is set up.
async fn advise(at: &At) -> Result<(), Failure> {
    let archive = archive(at).await?;
    show(&archive);
    print::line("");
    print::line("PostgreSQL is backed up by its own means, which know what it is doing:");
    print::line(
        "  one state, as a file:    pg_dump --format=custom --file=backup.dump \"$DATABASE_URL\"",
    );
    print::line(
        "  any moment, continuously: pg_basebackup and an archive of its log (pgBackRest does both)",
    );
    print::line(
        "`mainstay backup verify` says whether the log is archived. Keep MAINSTAY_SECRET with them.",
    );
    Err(Failure::new(format!(
        "no backup of {} was made",
        at.config.database.shown()
    )))
}

async fn archive(at: &At) -> Result<Archive, Failure> {
    let store = at.config.database.open(Role::Command).await;
    let store = store.map_err(|error| {
        let shown = at.config.database.shown();
        Failure::from(crate::backend::StartError::Database { shown, error })
    })?;
    let archive = match &store {
        Store::Postgres(postgres) => postgres.archive().await?,
        Store::Sqlite(_) => return Err(Failure::new("this is no PostgreSQL")),
    };
    store.close().await;
    Ok(archive)
}

/// Says how the archive is, and whether it can be relied on.
fn show(archive: &Archive) -> bool {
    let mut sound = true;
    let mut say = |good: bool, text: String| {
        sound &= good;
        let mark = if good {
            print::good("✓")
        } else {
            print::bad("✗")
        };
        print::line(format!("{mark} {text}"));
    };
    say(
        archive.wal_level != "minimal",
        format!(
            "PostgreSQL {}, wal_level = {}",
            archive.server, archive.wal_level
        ),
    );
    say(
        archive.mode != "off",
        format!("archive_mode = {}", archive.mode),
    );
    let set = if archive.configured {
        "is set"
    } else {
        "is not set"
    };
    say(
        archive.configured,
        format!("archive_command or archive_library {set}"),
    );
    match &archive.last {
        Some((segment, ago)) => say(
            true,
            format!("the last segment, {segment}, was archived {ago} s ago"),
        ),
        None => say(
            false,
            "no segment was archived since the server's statistics began".to_owned(),
        ),
    }
    // One is being written, and one may be on its way.
    if let Some(behind) = archive.behind.filter(|behind| *behind > 2) {
        say(
            false,
            format!("{behind} segments were written since that one: the archive does not keep up"),
        );
    }
    if let Some((segment, ago)) = &archive.failing {
        say(
            false,
            format!("archiving {segment} failed {ago} s ago, and nothing succeeded since"),
        );
    }
    sound
}

/// `12.3 MB`
fn bytes(bytes: u64) -> String {
    indicatif::HumanBytes(bytes).to_string()
}
