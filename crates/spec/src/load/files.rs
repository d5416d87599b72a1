//! The folder's files: which there are, and what each is.

use super::names::AUTH;
use super::report::{At, Report};
use super::scenarios;
use crate::diagnostic::{FileId, Source, Sources};
use crate::nearest::nearest;
use crate::schema::Dialect;
use std::fs;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// Bytes of one file. A module that needs more is several modules; and places fit their 32 bits.
pub(super) const MAX_FILE: usize = 1 << 20;

/// Bytes of a seed that are looked at: what is beyond shows when it is loaded.
pub(super) const MAX_SEED: usize = 1 << 20;

pub(super) const APP_FILE: &str = "mainstay.toml";
pub(super) const NO_FILE: &str = "there is no such file";
const MODULE_FILE: &str = "module.toml";
const MODULES: &str = "modules";
const SEED: &str = "seed";
const FUNCTIONS: &str = "functions";
const MIGRATIONS: &str = "migrations";

/// What a file is, by its path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Role {
    App,
    Module(String),
    Seed {
        module: String,
        model: String,
    },
    Function {
        module: String,
    },
    /// A data step by its name, for one store or for both.
    DataStep {
        name: String,
        dialect: Option<Dialect>,
    },
}

/// None for what is no part of an app: a README, tests, a dashboard of the app's own.
pub(super) fn role(path: &Path) -> Option<Role> {
    let parts: Vec<String> = path
        .components()
        .filter(|part| !matches!(part, Component::CurDir))
        .map(|part| part.as_os_str().to_string_lossy().into_owned())
        .collect();
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    match parts.as_slice() {
        [APP_FILE] => Some(Role::App),
        [MODULES, module, MODULE_FILE] => Some(Role::Module((*module).to_owned())),
        [MODULES, module, SEED, file] => Some(Role::Seed {
            module: (*module).to_owned(),
            model: file.strip_suffix(".jsonl")?.to_owned(),
        }),
        [MODULES, module, FUNCTIONS, file] if file.ends_with(".ts") => Some(Role::Function {
            module: (*module).to_owned(),
        }),
        [MIGRATIONS, file] => {
            let name = file.strip_suffix(".sql")?;
            let (name, dialect) = [Dialect::Sqlite, Dialect::Postgres]
                .into_iter()
                .find_map(|dialect| {
                    let name = name.strip_suffix(dialect.name())?.strip_suffix('.')?;
                    Some((name, Some(dialect)))
                })
                .unwrap_or((name, None));
            Some(Role::DataStep {
                name: name.to_owned(),
                dialect,
            })
        }
        _ => None,
    }
}

/// What was found in a folder. Files that cannot be read are mistakes like any other.
#[derive(Debug, Default)]
pub(super) struct Found {
    /// Paths relative to the folder. Of a seed, which may be large, there is no more text than is looked at.
    pub files: Vec<(PathBuf, String)>,
    pub unreadable: Vec<(PathBuf, String)>,
    /// Files and folders that look as if they were meant for the loader, and what they should be called.
    pub strays: Vec<(PathBuf, String)>,
    /// Files that are there in place of a module's, and what is wrong with that.
    pub misnamed: Vec<(PathBuf, String)>,
}

pub(super) fn find(folder: &Path) -> Found {
    let mut found = Found::default();
    found.read(folder, Path::new(APP_FILE));
    if found.files.is_empty() {
        // No app: nothing else in the folder is about Mainstay.
        return found;
    }
    let modules = found.list(folder, Path::new(MODULES));
    if modules.is_empty() {
        found.stray(folder, Path::new(""), &[MODULES]);
    }
    // Where there is one of that name, another one like it is somebody's own.
    for known in [MIGRATIONS, scenarios::FOLDER] {
        if !folder.join(known).exists() {
            found.stray(folder, Path::new(""), &[known]);
        }
    }
    for path in found.list(folder, Path::new(MIGRATIONS)) {
        match role(&path) {
            Some(_) => found.read(folder, &path),
            None => {
                let mended = "a data step is SQL in a file called `2026-11-28-what-it-does.sql`, or `.sqlite.sql` or \
                              `.postgres.sql` for one store";
                found.strays.push((path, mended.to_owned()));
            }
        }
    }
    for place in ["", MODULES] {
        found.misplaced_module(folder, Path::new(place));
    }
    for module in modules {
        if !folder.join(&module).is_dir() {
            continue;
        }
        let file = module.join(MODULE_FILE);
        // The built-in module is there without a file: a folder may hold nothing but seeds for it.
        if folder.join(&file).exists() {
            found.read(folder, &file);
            for path in found.list(folder, &module) {
                let is_toml = path.extension().is_some_and(|ending| ending == "toml");
                if is_toml && path != file && folder.join(&path).is_file() {
                    let mended = format!("what a module declares is in its `{MODULE_FILE}`");
                    found.strays.push((path, mended));
                }
            }
        } else if found.misnamed(folder, &module) {
            // The file that was found says it all.
        } else if !module.ends_with(AUTH) {
            found.read(folder, &file);
        }
        found.stray(folder, &module, &[SEED, FUNCTIONS]);
        for sub in [SEED, FUNCTIONS] {
            for path in found.list(folder, &module.join(sub)) {
                match role(&path) {
                    Some(Role::Seed { .. }) => found.read_seed(folder, path),
                    Some(_) => found.files.push((path, String::new())),
                    None if sub == SEED => {
                        let mended = "a seed is one JSON object a line, in a file called as its model: `products.jsonl`";
                        found.strays.push((path, mended.to_owned()));
                    }
                    None => {}
                }
            }
        }
    }
    found
}

impl Found {
    fn read(&mut self, folder: &Path, path: &Path) {
        match fs::read(folder.join(path)) {
            Ok(bytes) => match String::from_utf8(bytes) {
                Ok(text) => self.files.push((path.to_owned(), text)),
                Err(error) => {
                    let at = error.utf8_error().valid_up_to();
                    let why = format!("the file is not UTF-8 (at byte {at})");
                    self.unreadable.push((path.to_owned(), why));
                }
            },
            Err(error) if error.kind() == io::ErrorKind::NotFound => {
                self.unreadable.push((path.to_owned(), NO_FILE.to_owned()));
            }
            Err(error) => self
                .unreadable
                .push((path.to_owned(), format!("the file cannot be read: {error}"))),
        }
    }

    /// The beginning of a seed.
    fn read_seed(&mut self, folder: &Path, path: PathBuf) {
        let mut bytes = Vec::new();
        let read = fs::File::open(folder.join(&path))
            .and_then(|file| file.take(MAX_SEED as u64 + 1).read_to_end(&mut bytes));
        match read {
            Ok(_) => {}
            Err(error) => {
                let why = format!("the file cannot be read: {error}");
                self.unreadable.push((path, why));
                return;
            }
        }
        let cut = bytes.len() > MAX_SEED;
        match String::from_utf8(bytes) {
            Ok(text) => self.files.push((path, text)),
            // A character in two halves at the end of what was read.
            Err(error) if cut && error.utf8_error().error_len().is_none() => {
                let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
                self.files.push((path, text));
            }
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                self.unreadable
                    .push((path, format!("the file is not UTF-8 (at byte {at})")));
            }
        }
    }

    /// A module's file outside of any module's folder.
    fn misplaced_module(&mut self, folder: &Path, inside: &Path) {
        let path = inside.join(MODULE_FILE);
        if folder.join(&path).is_file() {
            let mended = "put it into the folder of its module: `modules/NAME/module.toml`";
            self.strays.push((path, mended.to_owned()));
        }
    }

    /// What was probably meant as the file of a module that has none: `module.tml`, `billing.toml`.
    fn misnamed(&mut self, folder: &Path, module: &Path) -> bool {
        let found = self.list(folder, module).into_iter().find(|path| {
            let name = path.file_name().unwrap_or_default().to_string_lossy();
            folder.join(path).is_file()
                && (name.ends_with(".toml") || nearest(&name, [MODULE_FILE]).is_some())
        });
        let Some(path) = found else { return false };
        let why = format!("`{}` has no `{MODULE_FILE}`", module.display());
        self.misnamed.push((path, why));
        true
    }

    /// Folders whose names are nearly what the loader looks for: `seeds`, `module`.
    fn stray(&mut self, folder: &Path, inside: &Path, known: &[&'static str]) {
        let found = self.list(folder, inside);
        for path in found.iter().filter(|path| folder.join(path).is_dir()) {
            let name = path
                .file_name()
                .map(|name| name.to_string_lossy().into_owned())
                .unwrap_or_default();
            let near = nearest(&name, known.iter().copied()).filter(|near| *near != name);
            if let Some(near) = near {
                self.strays
                    .push((path.clone(), format!("call the folder `{near}`")));
            }
        }
    }

    /// What a folder holds, by name, without hidden files. A folder that is not there holds nothing.
    fn list(&mut self, folder: &Path, path: &Path) -> Vec<PathBuf> {
        let entries = match fs::read_dir(folder.join(path)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                let why = format!("the folder cannot be read: {error}");
                self.unreadable.push((path.to_owned(), why));
                return Vec::new();
            }
        };
        let mut names: Vec<PathBuf> = entries
            .filter_map(Result::ok)
            .filter(|entry| !entry.file_name().to_string_lossy().starts_with('.'))
            .map(|entry| path.join(entry.file_name()))
            .collect();
        names.sort();
        names
    }
}

/// Takes a file among the sources.
pub(super) fn add(sources: &mut Sources, path: PathBuf, text: String) -> FileId {
    let id = FileId(sources.files.len() as u32);
    sources.files.push(Source { path, text });
    id
}

/// Takes a file that could not be read: an empty one with a complaint at its top.
pub(super) fn add_unreadable(sources: &mut Sources, path: PathBuf, why: &str, report: &mut Report) {
    let role = role(&path).filter(|_| why == NO_FILE);
    let id = add(sources, path, String::new());
    let diagnostic = report.error(At::top(id), "unreadable-file", why);
    match role {
        Some(Role::App) => diagnostic
            .help("an app is a folder with a `mainstay.toml`; `mainstay new DIR` makes one"),
        Some(Role::Module(module)) => diagnostic.help(format!(
            "declare the models of `{module}` in it, `[models.invoices]` and so on, or remove the folder"
        )),
        _ => diagnostic,
    };
}

/// Says of a file that it should be called as a module's.
pub(super) fn add_misnamed(sources: &mut Sources, path: PathBuf, why: &str, report: &mut Report) {
    let id = add(sources, path, String::new());
    report
        .error(At::top(id), "unreadable-file", why)
        .help(format!("call this file `{MODULE_FILE}`"));
}

/// Says of a file that nothing reads it, and how something would.
pub(super) fn add_stray(sources: &mut Sources, path: PathBuf, mended: String, report: &mut Report) {
    let id = add(sources, path, String::new());
    report
        .warning(At::top(id), "unread-file", "nothing reads this")
        .help(mended);
}
