//! Commands about an app's records.

use super::app::{self, Opened};
use super::print::{self, Failure};
use crate::records::{self, File};
use indicatif::{ProgressBar, ProgressStyle};
use std::path::Path;

pub async fn import(
    folder: &Path,
    database: Option<String>,
    model: &str,
    file: &Path,
) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let id = opened.model(model)?.id;
    let auth = match model {
        "auth.users" => Some(opened.backend.accounts_for_commands()?),
        _ => None,
    };
    let size = std::fs::metadata(file)
        .map_err(|e| Failure::new(format!("{}: {e}", file.display())))?
        .len();
    let bar = bar(size);
    let files = [File {
        model: id,
        path: file.to_path_buf(),
    }];
    let progress = |bytes: u64, records: u64| {
        bar.set_position(bytes);
        bar.set_message(print::count(records, "record"));
    };
    let Opened { app, backend, .. } = &opened;
    let result = records::import(backend, auth.as_deref(), app, &files, &progress).await;
    bar.finish_and_clear();
    backend.store.close().await;
    match result {
        Ok(count) => {
            print::line(format!(
                "{} {} imported into {model}",
                print::good("✓"),
                print::count(count, "record")
            ));
            Ok(())
        }
        Err(error) => Err(Failure::new(error.report())),
    }
}

/// Hidden by itself where standard error is no terminal.
fn bar(size: u64) -> ProgressBar {
    let bar = ProgressBar::new(size);
    let style = ProgressStyle::with_template(
        "{bar:30} {bytes}/{total_bytes} {msg} {elapsed} (about {eta} left)",
    );
    if let Ok(style) = style {
        bar.set_style(style);
    }
    bar
}
