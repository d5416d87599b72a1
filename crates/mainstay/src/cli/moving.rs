//! Commands that move records: into an app, out of it, and from one database to another.

use super::app::{self, Opened};
use super::print::{self, Failure};
use super::{FileFormat, next};
use crate::backend;
use crate::database::{Database, Role};
use crate::dev;
use crate::export::{self, ExportError, Format};
use crate::new_file::{NewFile, private_folder};
use crate::records::{self, File, STANDARD};
use indicatif::{ProgressBar, ProgressStyle};
use spec::ModelId;
use std::io::{BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use store::copy::{CopyError, Progress};
use store::snapshot::Snapshot;
use store::{Store, StoreError};

/// Bytes that are gathered before they are written.
const BUFFER: usize = 1 << 18;

impl From<FileFormat> for Format {
    fn from(format: FileFormat) -> Format {
        match format {
            FileFormat::Jsonl => Format::Jsonl,
            FileFormat::Csv => Format::Csv,
        }
    }
}

/// What was said, or what the file's name says; none where neither does.
fn format_of(said: Option<FileFormat>, path: &Path) -> Option<Format> {
    said.map(Format::from).or_else(|| {
        let extension = path.extension()?.to_str()?;
        [Format::Jsonl, Format::Csv]
            .into_iter()
            .find(|format| extension.eq_ignore_ascii_case(format.extension()))
    })
}

/// How a file that is to be made is written. A name that asks for something else is not overruled.
fn format_to_write(said: Option<FileFormat>, path: &Path) -> Result<Format, Failure> {
    match format_of(said, path) {
        Some(format) => Ok(format),
        None if path.extension().is_none() || path.starts_with("/dev") => Ok(Format::Jsonl),
        None => Err(Failure::new(format!(
            "{}: records are written as JSON lines or CSV; call the file ….jsonl or ….csv, or say --format jsonl or \
             --format csv",
            path.display()
        ))),
    }
}

pub async fn import(
    folder: &Path,
    database: Option<String>,
    model: &str,
    path: PathBuf,
    format: Option<FileFormat>,
) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let file = File {
        model: opened.model(model)?.id,
        format: format_of(format, &path).unwrap_or(Format::Jsonl),
        path,
    };
    let count = load(&opened, &[file]).await?;
    let records = print::count(count, "record");
    print::line(format!(
        "{} {records} imported into {model}",
        print::good("✓")
    ));
    Ok(())
}

/// Every file of a folder, as `export --all` writes them: what others refer to first, all of them or none.
pub async fn import_all(
    folder: &Path,
    database: Option<String>,
    from: &Path,
) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let failed = |error| Failure::new(format!("{}: {error}", from.display()));
    let mut found: Vec<File> = Vec::new();
    for entry in std::fs::read_dir(from).map_err(failed)? {
        let path = entry.map_err(failed)?.path();
        let Some(format) = format_of(None, &path) else {
            continue;
        };
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let model = opened
            .model(&name)
            .map_err(|failure| Failure::new(format!("{}: {}", path.display(), failure.message)))?;
        if let Some(other) = found.iter().find(|file| file.model == model.id) {
            let other = other.path.display();
            return Err(Failure::new(format!(
                "{other} is of the same model as {}",
                path.display()
            )));
        }
        found.push(File {
            model: model.id,
            path: path.clone(),
            format,
        });
    }
    if found.is_empty() {
        let what = "there is no file called MODULE.MODEL.jsonl or MODULE.MODEL.csv";
        return Err(Failure::new(format!("{}: {what}", from.display())));
    }
    let order = dev::in_order(&opened.app);
    found.sort_by_key(|file| order.iter().position(|model| *model == file.model));
    let count = load(&opened, &found).await?;
    print::line(format!(
        "{} {} of {} imported from {}",
        print::good("✓"),
        print::count(count, "record"),
        print::count(found.len() as u64, "model"),
        from.display()
    ));
    Ok(())
}

async fn load(opened: &Opened, files: &[File]) -> Result<u64, Failure> {
    let Opened { app, backend, .. } = opened;
    let users = app.model_named("auth.users").map(|model| model.id);
    let auth = match files.iter().any(|file| Some(file.model) == users) {
        true => Some(backend.accounts_for_commands()?),
        false => None,
    };
    let mut size = Some(0);
    for file in files {
        size = match file.path.as_path() == Path::new(STANDARD) {
            true => None,
            false => {
                let failed = |error| Failure::new(format!("{}: {error}", file.path.display()));
                let bytes = std::fs::metadata(&file.path).map_err(failed)?.len();
                size.map(|size| size + bytes)
            }
        };
    }
    let bar = match size {
        Some(size) => bar(
            size,
            "{bar:30} {bytes}/{total_bytes} {msg} {elapsed} (about {eta} left)",
        ),
        None => spinner(),
    };
    let progress = |bytes: u64, records: u64| {
        bar.set_position(bytes);
        bar.set_message(print::count(records, "record"));
    };
    let result = records::import(backend, auth.as_deref(), app, files, &progress).await;
    bar.finish_and_clear();
    backend.store.close().await;
    result.map_err(|error| Failure::new(error.report()))
}

/// How an export is written.
#[derive(Debug, Clone, Copy)]
pub struct Out {
    pub format: Option<FileFormat>,
    pub force: bool,
}

pub async fn export(
    folder: &Path,
    database: Option<String>,
    model: &str,
    out: Option<PathBuf>,
    how: Out,
) -> Result<(), Failure> {
    let path = out.unwrap_or_else(|| PathBuf::from(STANDARD));
    let format = format_to_write(how.format, &path)?;
    let opened = app::open(folder, database, true).await?;
    let id = opened.model(model)?.id;
    let mut snapshot = opened.backend.engine.snapshot().await?;
    let bar = spinner();
    let progress = |records| bar.set_message(print::count(records, "record"));
    if path == Path::new(STANDARD) {
        let mut out = std::io::stdout().lock();
        let written = write(&opened, id, format, &mut snapshot, &mut out, &progress).await;
        bar.finish_and_clear();
        close(&opened, snapshot).await;
        return match written {
            // Whoever read it has enough.
            Err(ExportError::Io(error)) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
            other => other.map(|_| ()).map_err(Failure::new),
        };
    }
    let failed = |error: ExportError| Failure::new(format!("{}: {error}", path.display()));
    let mut file = NewFile::create(&path, how.force).map_err(|e| failed(e.into()))?;
    let written = write(&opened, id, format, &mut snapshot, &mut file, &progress).await;
    let count = written.map_err(failed)?;
    bar.finish_and_clear();
    file.finish().map_err(|e| failed(e.into()))?;
    close(&opened, snapshot).await;
    let (records, to) = (print::count(count, "record"), path.display());
    print::line(format!(
        "{} {records} of {model} exported to {to}",
        print::good("✓")
    ));
    Ok(())
}

/// Every model, in one state of the database: files that are there all together or not at all.
pub async fn export_all(
    folder: &Path,
    database: Option<String>,
    out: &Path,
    how: Out,
) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let format = how.format.map_or(Format::Jsonl, Format::from);
    private_folder(out).map_err(|error| Failure::new(format!("{}: {error}", out.display())))?;
    let mut snapshot = opened.backend.engine.snapshot().await?;
    let bar = spinner();
    let mut files = Vec::with_capacity(opened.app.models.len());
    let mut total = 0;
    for model in &opened.app.models {
        let name = model.full_name();
        let path = out.join(format!("{name}.{}", format.extension()));
        let failed = |error: ExportError| Failure::new(format!("{}: {error}", path.display()));
        let mut file = NewFile::create(&path, how.force).map_err(|e| failed(e.into()))?;
        let progress = |records| {
            bar.set_message(format!(
                "{} {name}",
                print::count(total + records, "record")
            ))
        };
        let written = write(
            &opened,
            model.id,
            format,
            &mut snapshot,
            &mut file,
            &progress,
        )
        .await;
        let count = written.map_err(failed)?;
        total += count;
        files.push((path, file));
    }
    for (path, file) in files {
        let finished = file.finish();
        finished.map_err(|error| Failure::new(format!("{}: {error}", path.display())))?;
    }
    bar.finish_and_clear();
    close(&opened, snapshot).await;
    print::line(format!(
        "{} {} of {} exported to {}",
        print::good("✓"),
        print::count(total, "record"),
        print::count(opened.app.models.len() as u64, "model"),
        out.display()
    ));
    Ok(())
}

/// The snapshot first, which keeps SQLite from tidying up.
async fn close(opened: &Opened, snapshot: Snapshot) {
    drop(snapshot);
    opened.backend.store.close().await;
}

async fn write(
    opened: &Opened,
    model: ModelId,
    format: Format,
    snapshot: &mut Snapshot,
    out: &mut impl Write,
    progress: &dyn Fn(u64),
) -> Result<u64, ExportError> {
    let Opened { app, backend, .. } = opened;
    let mut out = BufWriter::with_capacity(BUFFER, out);
    let count = export::export(backend, app, model, format, snapshot, &mut out, progress).await?;
    out.flush()?;
    Ok(count)
}

pub async fn copy(folder: &Path, from: &str, to: &str) -> Result<(), Failure> {
    let asked = to;
    let (app, _) = app::loaded(folder)?;
    if let Some(model) = app.models.iter().find(|model| model.existing.is_some()) {
        return Err(Failure::new(format!(
            "{} is in a table that was there before the app, and `copy` carries Mainstay's own tables alone: move such a \
             database with the tools of PostgreSQL (pg_dump, pg_restore), or its records with `mainstay export`",
            model.full_name()
        )));
    }
    let parse = |url: &str| Database::parse(url, folder).map(|d| d.with_pool(2));
    let source = parse(from).map_err(Failure::new)?;
    let target = parse(to).map_err(Failure::new)?;
    if source == target {
        return Err(Failure::with_code(
            2,
            "--from and --to are the same database",
        ));
    }
    if let Database::Sqlite(path) = &source
        && !path.is_file()
    {
        // Opening it would make an empty one.
        return Err(Failure::new(format!(
            "{}: there is no such file",
            source.shown()
        )));
    }
    let open = async |database: &Database| -> Result<Store, Failure> {
        let opened = database.open(Role::Alone).await;
        opened.map_err(|error| {
            let shown = database.shown();
            backend::StartError::Database { shown, error }.into()
        })
    };
    let from = open(&source).await?;
    let to = open(&target).await?;
    let bar = bar(
        0,
        "{bar:30} {pos}/{len} rows {msg} {elapsed} (about {eta} left)",
    );
    let shown = bar.clone();
    let told = Arc::new(move |progress: Progress| match progress {
        // Each row is carried, and then read back.
        Progress::Counted { rows } => shown.set_length(rows * 2),
        Progress::Carried { rows } => shown.set_position(rows),
        Progress::Indexing => shown.set_message("making indexes"),
        Progress::Verified { rows } => {
            shown.set_message("comparing");
            shown.set_position(shown.length().unwrap_or(0) / 2 + rows);
        }
    });
    let copied = store::copy::copy(&from, &to, &backend::schema(&app), told).await;
    bar.finish_and_clear();
    to.close().await;
    from.close().await;
    let copied = copied.map_err(|error| copy_failure(error, folder, &source, &target))?;
    for left in &copied.left {
        print::warning(&format!("not carried: {left}"));
    }
    let rows: u64 = copied.tables.iter().map(|(_, tally)| tally.rows).sum();
    for (table, tally) in &copied.tables {
        let digest: String = tally.digest[..8]
            .iter()
            .map(|b| format!("{b:02x}"))
            .collect();
        print::line(format!(
            "  {:32} {:>10}  {}",
            format!("{}.{}", table.namespace, table.name),
            tally.rows,
            print::dim(digest)
        ));
    }
    print::line(format!(
        "{} {} of {} carried to {} and compared",
        print::good("✓"),
        print::count(rows, "row"),
        print::count(copied.tables.len() as u64, "table"),
        target.shown()
    ));
    print::line(format!(
        "next: serve it with the same MAINSTAY_SECRET: mainstay serve{}{}",
        next::app(folder),
        next::on(Some(asked))
    ));
    Ok(())
}

fn copy_failure(error: CopyError, folder: &Path, from: &Database, to: &Database) -> Failure {
    let nothing = "nothing was carried";
    match error {
        CopyError::SourceTables(plan) => {
            let url = Some(from.shown());
            let failure = next::tables(&plan, folder, url.as_deref());
            Failure::with_code(
                failure.code,
                format!("{}: {}", from.shown(), failure.message),
            )
        }
        CopyError::TargetTables(plan) => {
            let url = Some(to.shown());
            let failure = next::tables(&plan, folder, url.as_deref());
            Failure::with_code(failure.code, format!("{}: {}", to.shown(), failure.message))
        }
        CopyError::Occupied(_) => Failure::new(format!(
            "{error}\n{nothing}: --to names a database without records, a new file or one that `createdb` made"
        )),
        CopyError::Source(error) => Failure::new(format!("{}: {error}\n{nothing}", from.shown())),
        // The connection was lost while it was committed.
        CopyError::Target(error @ StoreError::Unavailable { maybe: true, .. }) => {
            Failure::new(format!(
                "{}: {error}\nwhether all of it was carried or nothing is not known: look whether there are records",
                to.shown()
            ))
        }
        CopyError::Target(error) => Failure::new(format!("{}: {error}\n{nothing}", to.shown())),
        CopyError::Differs { .. } => Failure::new(format!("{error}\n{nothing}")),
    }
}

/// Hidden by itself where standard error is no terminal.
pub fn bar(length: u64, template: &str) -> ProgressBar {
    let bar = ProgressBar::new(length);
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}

/// For what has no known end.
fn spinner() -> ProgressBar {
    let bar = ProgressBar::new_spinner();
    if let Ok(style) = ProgressStyle::with_template("{spinner} {msg} {elapsed}") {
        bar.set_style(style);
    }
    bar.enable_steady_tick(Duration::from_millis(200));
    bar
}
