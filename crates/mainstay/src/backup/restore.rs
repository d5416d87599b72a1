//! From a backup to a database, as it was when the backup was made or at a later moment.

use super::{BackupError, Progress, Result, manifest, of, schema_digest};
use crate::backend::{self, Backend};
use crate::database::{Database, Role};
use crate::new_file::NewFile;
use spec::App;
use std::fs::File;
use std::io::{Read, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::changes::{self, Change, ChangeBatch, Offset};
use store::migrate::Extras;
use store::sqlite::backup::{self, Log, Look};
use store::{Batch, Loaded};

/// Changes that are read from a log at a time.
const BATCH: u32 = 500;

/// What is restored, and where to.
pub struct Restore<'r> {
    pub app: &'r Arc<App>,
    pub backup: &'r Path,
    pub database: &'r Path,
    /// Whether a database that is there may be replaced.
    pub force: bool,
    pub until: Option<Until<'r>>,
}

/// A moment after the backup was made, and a database whose change log reaches from the one to the other.
#[derive(Debug, Clone, Copy)]
pub struct Until<'r> {
    /// Microseconds since 1970.
    pub at: i64,
    pub log: &'r Path,
}

/// What was done.
#[derive(Debug)]
pub struct Restored {
    /// Where the database that was there is now.
    pub kept: Option<PathBuf>,
    /// Changes of the log that were done again, and when the last of them was made.
    pub replayed: u64,
    pub last: Option<i64>,
}

/// Restores a backup. The database is replaced at the very end, at once; until then it stays as it is.
pub async fn restore(what: Restore<'_>, progress: Progress<'_>) -> Result<Restored> {
    let Restore { database, .. } = what;
    if database.exists() && !what.force {
        return Err(of(database)(
            "it is there already; replace it with --force (it is kept beside), or name another with --database",
        ));
    }
    // Before the work: it is seen to again at the end.
    backup::unserved(database).map_err(of(database))?;
    let manifest = super::manifest(what.backup)?;
    if manifest.app != what.app.settings.name {
        return Err(of(what.backup)(format!(
            "it is a backup of {}, not of {}",
            manifest.app, what.app.settings.name
        )));
    }
    if let Some(folder) = database.parent() {
        std::fs::create_dir_all(folder).map_err(of(folder))?;
    }
    let mut file = NewFile::create(database, true).map_err(of(database))?;
    let digest = copy(what.backup, &mut file, manifest.bytes, progress).map_err(of(what.backup))?;
    if digest != manifest.digest {
        return Err(of(what.backup)(
            "its bytes are not those that were written: it was changed or damaged since",
        ));
    }
    let mut restored = Restored {
        kept: None,
        replayed: 0,
        last: None,
    };
    if let Some(until) = what.until {
        if manifest.schema != schema_digest(what.app) {
            return Err(BackupError(format!(
                "{}: the app's models are not those of the backup, so its log cannot be done again: use the app's \
                 folder as it was then, or restore without --at",
                what.backup.display()
            )));
        }
        replay(
            &what,
            &manifest,
            until,
            file.partial(),
            &mut restored,
            progress,
        )
        .await?;
    }
    progress("ending sessions", 0, 1);
    end_sessions(file.partial())
        .await
        .map_err(of(what.backup))?;
    backup::settle(file.partial()).map_err(of(database))?;
    progress("checking", 0, 1);
    backup::look(file.partial(), Look::Quick).map_err(of(what.backup))?;
    let partial = file.keep().map_err(of(database))?;
    let now = spec::time::timestamp_text(spec::time::now_micros()).replace(':', "");
    let mut kept = database.as_os_str().to_owned();
    kept.push(format!(".before-{now}"));
    let kept = PathBuf::from(kept);
    let there = database.exists();
    if let Err(error) = backup::replace(database, &partial, &kept) {
        let _ = std::fs::remove_file(&partial);
        return Err(of(database)(error));
    }
    crate::new_file::sync_folder(database).map_err(of(database))?;
    restored.kept = there.then_some(kept);
    Ok(restored)
}

/// A session that was ended after the backup is alive in it: none is taken over.
async fn end_sessions(partial: &Path) -> store::Result<()> {
    let store = Database::Sqlite(partial.to_owned())
        .open(Role::Command)
        .await?;
    let steps = auth::Auth::restored_steps(store.dialect(), spec::time::now_micros());
    let ended = store
        .write(steps, Instant::now() + Duration::from_secs(600))
        .await;
    store.close().await;
    ended.map(|_| ())
}

/// Copies a backup, and answers the digest of what was copied.
fn copy(
    from: &Path,
    to: &mut NewFile,
    bytes: u64,
    progress: Progress<'_>,
) -> std::io::Result<String> {
    let mut from = File::open(from)?;
    let mut digest = manifest::Digester::default();
    let mut buffer = vec![0; 1 << 18];
    loop {
        match from.read(&mut buffer)? {
            0 => return Ok(digest.finish()),
            read => {
                to.write_all(&buffer[..read])?;
                progress("copying", digest.update(&buffer[..read]), bytes);
            }
        }
    }
}

/// Does the changes again that were made behind the backup, up to the moment.
async fn replay(
    what: &Restore<'_>,
    manifest: &super::Manifest,
    until: Until<'_>,
    partial: &Path,
    restored: &mut Restored,
    progress: Progress<'_>,
) -> Result<()> {
    let shown = spec::time::timestamp_text;
    if until.at < manifest.made_at {
        return Err(of(what.backup)(format!(
            "it was made at {}, which is later: name an older one",
            shown(manifest.made_at)
        )));
    }
    if until.at > spec::time::now_micros() {
        return Err(BackupError("--at is in the future".to_owned()));
    }
    if !until.log.is_file() {
        return Err(of(until.log)("there is no such file to take the log from"));
    }
    if let Ok(later) = super::manifest(until.log)
        && later.made_at < until.at
    {
        return Err(of(until.log)(format!(
            "this backup was made at {}, so its log does not reach to {}",
            shown(later.made_at),
            shown(until.at)
        )));
    }
    let log = Log::open(until.log).map_err(of(until.log))?;
    let target = Database::Sqlite(partial.to_owned());
    let target = Backend::open(Arc::clone(what.app), &target, Role::Command, &[0; 32])
        .await
        .map_err(|error| BackupError(error.to_string()))?;
    let result = continue_from(what, manifest, until, &log, &target, restored, progress).await;
    target.store.close().await;
    result
}

async fn continue_from(
    what: &Restore<'_>,
    manifest: &super::Manifest,
    until: Until<'_>,
    log: &Log,
    target: &Backend,
    restored: &mut Restored,
    progress: Progress<'_>,
) -> Result<()> {
    let tables = backend::schema(what.app);
    let plan = target
        .store
        .migration(&tables, Extras::Keep)
        .await
        .map_err(of(what.backup))?;
    if !plan.is_settled() {
        return Err(of(what.backup)(
            "its tables are not those of the app; restore without --at",
        ));
    }
    let between = |at: i64| at > manifest.made_at && at <= until.at;
    let migrations = log.migrations().map_err(of(until.log))?;
    if let Some(migration) = migrations.iter().find(|migration| between(migration.at)) {
        return Err(of(until.log)(format!(
            "its tables were changed at {}, between the backup and --at: restore to a moment before that, or from a \
             backup behind it",
            spec::time::timestamp_text(migration.at)
        )));
    }
    // The last change that both must have.
    let head = manifest.changes;
    let before = (head - 1).max(0);
    let offset = Offset::from_text(&before.to_string());
    let ours = target.store.changes(&offset, 1).await;
    let ours = last(ours.map_err(of(what.backup))?, head);
    let theirs = last(log.changes(before, 1).map_err(of(until.log))?, head);
    if let (Some(ours), Some(theirs)) = (ours, theirs)
        && ours != theirs
    {
        return Err(of(until.log)(
            "its log is not that of the database that was backed up",
        ));
    }
    let (send, batches) = tokio::sync::mpsc::channel(2);
    let feed = async move {
        let mut after = head;
        let (mut count, mut latest) = (0u64, None);
        loop {
            let batch = log.changes(after, BATCH).map_err(of(until.log))?;
            if batch.lost {
                return Err(of(until.log)(format!(
                    "its log does not go on behind change {head}, the backup's last: it was forgotten (`[changes] \
                     keep`), or is of another database",
                )));
            }
            let mut steps = Vec::with_capacity(batch.changes.len() * 2);
            let mut over = !batch.more;
            for change in &batch.changes {
                // Changes are numbered as they were committed: what is before this one was there, whole.
                if change.at > until.at {
                    over = true;
                    break;
                }
                let again = target.engine.replay(what.app, change);
                steps.push(again.map_err(|problem| BackupError(problem.detail.clone()))?);
                steps.push(changes::append(change, target.store.dialect()));
                count += 1;
                latest = Some(change.at);
                after = change.seq;
            }
            progress("doing changes again", count, count);
            if send.send(Batch::Steps(steps)).await.is_err() {
                break;
            }
            if over {
                let _ = send.send(Batch::Commit).await;
                break;
            }
        }
        Ok((count, latest))
    };
    let (fed, loaded) = tokio::join!(feed, target.store.load(batches));
    let (count, latest) = fed?;
    // Two steps a change, and no number is left out.
    let at = |step: u64| format!("change {}", head + 1 + (step / 2) as i64);
    let refused = match loaded.map_err(of(what.backup))? {
        Loaded::Done { .. } => {
            restored.replayed = count;
            restored.last = latest;
            return Ok(());
        }
        Loaded::Missed { item } => format!("{} is not about the record that is there", at(item)),
        Loaded::Refused { item, error } => format!("{}: {error}", at(item)),
        Loaded::Abandoned => "it was abandoned".to_owned(),
    };
    Err(of(until.log)(format!(
        "its log does not continue the backup: {refused}"
    )))
}

/// The change with this number, where it is in a batch.
fn last(batch: ChangeBatch, number: i64) -> Option<Change> {
    let mut changes = batch.changes.into_iter();
    changes.find(|change| change.seq == number)
}
