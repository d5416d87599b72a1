//! Backups that a server makes by itself.

use super::{create, list, retain};
use crate::backend::Backend;
use crate::config::Config;
use crate::database::Database;
use gateway::Gauge;
use spec::App;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::time::Duration;

/// After one that failed. A disk that is full is not emptied by trying.
const AGAIN: Duration = Duration::from_secs(300);

/// When and where backups are made.
#[derive(Debug, Clone)]
pub struct Schedule {
    database: PathBuf,
    folder: PathBuf,
    every: Duration,
    keep: usize,
}

/// What became of them, for gauges.
#[derive(Debug, Default)]
pub struct Made {
    made: AtomicU64,
    failed: AtomicU64,
    /// When the newest was made, in microseconds since 1970; 0 before the first.
    newest: AtomicI64,
}

impl Schedule {
    /// None where the settings say nothing of it, or the database is not SQLite.
    pub fn of(config: &Config) -> Option<Schedule> {
        let backup = &config.settings.backup;
        match &config.database {
            Database::Sqlite(database) => Some(Schedule {
                database: database.clone(),
                folder: config.folder.join(&backup.dir),
                every: backup.every?,
                keep: backup.keep as usize,
            }),
            Database::Postgres { .. } => None,
        }
    }

    /// Makes one whenever the newest is old enough, also if that was made by the command or before a restart.
    pub async fn run(self, backend: Backend, made: Arc<Made>) {
        loop {
            let app = backend.engine.app();
            let wait = match self.due(&app, &made).await {
                Some(wait) => wait,
                None => match self.make(app).await {
                    Ok(at) => {
                        made.made.fetch_add(1, Ordering::Relaxed);
                        made.newest.store(at, Ordering::Relaxed);
                        self.every
                    }
                    Err(error) => {
                        made.failed.fetch_add(1, Ordering::Relaxed);
                        tracing::error!(%error, "the backup failed");
                        AGAIN.min(self.every)
                    }
                },
            };
            tokio::time::sleep(wait).await;
        }
    }

    /// How long until the next is due; none where it is.
    async fn due(&self, app: &Arc<App>, made: &Made) -> Option<Duration> {
        let (app, schedule) = (Arc::clone(app), self.clone());
        let list = move || list(&app, Some(&schedule.database), &schedule.folder);
        let found = tokio::task::spawn_blocking(list).await;
        let newest = found.ok()?.ok()?.pop()?.manifest.made_at;
        made.newest.store(newest, Ordering::Relaxed);
        // One from the future, by a clock that was wrong, tells nothing of when the last was made.
        let age = u64::try_from(spec::time::now_micros() - newest).ok()?;
        let age = Duration::from_micros(age);
        self.every.checked_sub(age).filter(|wait| !wait.is_zero())
    }

    /// Makes one and lets the oldest go; answers when it was made.
    async fn make(&self, app: Arc<App>) -> Result<i64, String> {
        let schedule = self.clone();
        let make = move || {
            let Schedule {
                database,
                folder,
                keep,
                ..
            } = &schedule;
            let entry = create(&app, database, folder, &mut |_, _, _| {})?;
            // The backup is there, whatever becomes of the others.
            if let Err(error) = retain(&app, database, folder, *keep, &entry.path) {
                tracing::warn!(%error, "old backups were not removed");
            }
            Ok(entry.manifest.made_at)
        };
        let made = tokio::task::spawn_blocking(make).await;
        made.map_err(|error| error.to_string())?
            .map_err(|error: super::BackupError| error.to_string())
    }
}

impl Made {
    pub fn gauges(&self) -> Vec<Gauge> {
        let gauge = |name, help, label, value: f64| Gauge {
            name,
            help,
            label,
            value,
        };
        let (total, help) = ("mainstay_backups", "Backups since the start.");
        let count = |of: &AtomicU64| of.load(Ordering::Relaxed) as f64;
        vec![
            gauge(total, help, Some(("result", "made")), count(&self.made)),
            gauge(total, help, Some(("result", "failed")), count(&self.failed)),
            gauge(
                "mainstay_backup_newest_seconds",
                "When the newest backup was made, in seconds since 1970; 0 where there is none.",
                None,
                self.newest.load(Ordering::Relaxed) as f64 / 1e6,
            ),
        ]
    }
}
