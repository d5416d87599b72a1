//! Backups of SQLite databases: files in a folder, each with a manifest beside it that says what it holds.
//!
//! A backup is one state of the database, taken while it is used. It is of use by itself, without any other: a plain
//! SQLite file. Between two backups, the change log of a later database leads from one to any moment after it.

mod manifest;
pub mod restore;
pub mod schedule;

pub use manifest::{Manifest, schema_digest};

use crate::new_file::{NewFile, private_folder, sync_folder};
use spec::App;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;
use store::sqlite::backup::{self, Look};

/// What a backup's file ends in, and what is behind that for its manifest.
const EXTENSION: &str = ".db";
const BESIDE: &str = ".json";

/// A copy that was not written to for so long is nobody's any more.
const ABANDONED: Duration = Duration::from_secs(3600);

/// A backup that is there.
#[derive(Debug, Clone)]
pub struct Entry {
    pub path: PathBuf,
    pub manifest: Manifest,
}

/// Why there is no backup, or why one is of no use.
#[derive(Debug)]
pub struct BackupError(pub String);

impl std::fmt::Display for BackupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

pub type Result<T> = std::result::Result<T, BackupError>;

/// Names the file in what went wrong with it.
fn of<E: std::fmt::Display>(path: &Path) -> impl Fn(E) -> BackupError {
    let shown = path.display().to_string();
    move |error| BackupError(format!("{shown}: {error}"))
}

/// How far it is: what is done of how much, in whatever unit.
pub type Progress<'p> = &'p mut dyn FnMut(&'static str, u64, u64);

/// Makes a backup of a database in a folder, and checks it. Blocks.
pub fn create(app: &App, database: &Path, folder: &Path, progress: Progress<'_>) -> Result<Entry> {
    private_folder(folder).map_err(of(folder))?;
    clear(&app.settings.name, folder);
    let made_at = spec::time::now_micros();
    let path = folder.join(format!("{}{EXTENSION}", name(&app.settings.name, made_at)));
    let file = NewFile::create(&path, false).map_err(of(&path))?;
    backup::back_up(database, file.partial(), |done, all| {
        progress("copying", done, all)
    })
    .map_err(of(database))?;
    progress("checking", 0, 1);
    let facts = backup::look(file.partial(), Look::Quick).map_err(of(database))?;
    let manifest =
        Manifest::of(app, database, made_at, file.partial(), facts).map_err(of(&path))?;
    file.finish().map_err(of(&path))?;
    let beside = beside(&path);
    let mut text = NewFile::create(&beside, false).map_err(of(&beside))?;
    text.write_all(manifest.text().as_bytes())
        .map_err(of(&beside))?;
    text.finish().map_err(of(&beside))?;
    Ok(Entry { path, manifest })
}

/// Every backup of an app in a folder, oldest first; of its database of this name, if one is given. Files that are none
/// are passed over.
pub fn list(app: &App, database: Option<&Path>, folder: &Path) -> Result<Vec<Entry>> {
    let database = database.map(file_name);
    let entries = match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        entries => entries.map_err(of(folder))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let path = entry.map_err(of(folder))?.path();
        if !path.to_string_lossy().ends_with(EXTENSION) || !path.is_file() {
            continue;
        }
        if let Ok(manifest) = manifest(&path)
            && manifest.app == app.settings.name
            && (database.is_none() || manifest.database.is_none() || manifest.database == database)
        {
            found.push(Entry { path, manifest });
        }
    }
    found.sort_by(|a, b| (a.manifest.made_at, &a.path).cmp(&(b.manifest.made_at, &b.path)));
    Ok(found)
}

/// Removes what an earlier one left that was ended before it was done. Best effort: a backup does not hang on it.
fn clear(app: &str, folder: &Path) {
    let begins = name_of(app);
    let old = |entry: &std::fs::DirEntry| {
        let modified = entry.metadata().and_then(|m| m.modified()).ok();
        modified.is_some_and(|at| at.elapsed().is_ok_and(|age| age > ABANDONED))
    };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if name.starts_with(&begins) && name.contains(".db.partial-") && old(&entry) {
            let _ = std::fs::remove_file(entry.path());
        }
    }
}

/// Whether a file is a backup, with its manifest beside it.
pub fn is_backup(path: &Path) -> bool {
    beside(path).is_file() && manifest(path).is_ok()
}

fn file_name(path: &Path) -> String {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().into_owned()
}

/// The manifest beside a backup.
pub fn manifest(path: &Path) -> Result<Manifest> {
    if !path.is_file() {
        return Err(of(path)("there is no such file"));
    }
    let beside = beside(path);
    let text = std::fs::read_to_string(&beside).map_err(|error| match error.kind() {
        std::io::ErrorKind::NotFound => of(path)(format!(
            "it has no manifest beside it ({}): `mainstay backup create` writes both, and they belong together",
            file_name(&beside)
        )),
        _ => of(&beside)(error),
    })?;
    Manifest::read(&text).map_err(of(&beside))
}

/// Reads a backup through: its bytes are those that were written, the database in it is sound, and holds what the
/// manifest says. Blocks.
pub fn verify(path: &Path, progress: Progress<'_>) -> Result<Manifest> {
    let manifest = manifest(path)?;
    let digest = manifest::digest(path, &mut |done| progress("reading", done, manifest.bytes))
        .map_err(of(path))?;
    if digest != manifest.digest {
        return Err(of(path)(
            "its bytes are not those that were written: it was changed or damaged since",
        ));
    }
    progress("checking", 0, 1);
    let facts = backup::look(path, Look::Whole).map_err(of(path))?;
    if let Some(how) = manifest.against(&facts) {
        return Err(of(path)(how));
    }
    Ok(manifest)
}

/// Removes the oldest backups of an app's database beyond the `keep` newest, never `made`, the one that was just made:
/// one dated in the future would push it out. Answers those that went.
pub fn retain(
    app: &App,
    database: &Path,
    folder: &Path,
    keep: usize,
    made: &Path,
) -> Result<Vec<PathBuf>> {
    let mut found = list(app, Some(database), folder)?;
    found.truncate(found.len().saturating_sub(keep.max(1)));
    let mut gone = Vec::with_capacity(found.len());
    for Entry { path, .. } in found.into_iter().filter(|entry| entry.path != made) {
        // The database first: a manifest alone is passed over, a database alone might be taken for one of use.
        for file in [path.clone(), beside(&path)] {
            match std::fs::remove_file(&file) {
                // Somebody else lets it go at the same time.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                removed => removed.map_err(of(&file))?,
            }
        }
        gone.push(path);
    }
    if !gone.is_empty() {
        sync_folder(&folder.join(".")).map_err(of(folder))?;
    }
    Ok(gone)
}

fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(BESIDE);
    PathBuf::from(name)
}

/// An app's name as it is good on every file system.
fn name_of(app: &str) -> String {
    let plain = |c: char| match c.is_ascii_alphanumeric() || c == '_' {
        true => c,
        false => '-',
    };
    app.chars().take(40).map(plain).collect()
}

/// `shop-20261128T120000.000001Z`: in the order of time.
fn name(app: &str, at: i64) -> String {
    let app = name_of(app);
    let at: String = spec::time::timestamp_text(at)
        .chars()
        .filter(|c| !matches!(c, '-' | ':'))
        .collect();
    format!("{app}-{at}")
}
