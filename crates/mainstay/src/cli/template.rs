//! `mainstay new`.

use super::Template;
use super::next;
use super::print::{self, Failure};
use std::path::Path;

/// The files of each template, embedded: the binary is all that is needed.
const BLANK: &[(&str, &str)] = &[
    (
        "mainstay.toml",
        include_str!("../../templates/blank/mainstay.toml"),
    ),
    (
        "modules/notes/module.toml",
        include_str!("../../templates/blank/modules/notes/module.toml"),
    ),
    (
        "tests/notes.toml",
        include_str!("../../templates/blank/tests/notes.toml"),
    ),
    (
        ".gitignore",
        include_str!("../../templates/blank/gitignore"),
    ),
];

const MARKETPLACE: &[(&str, &str)] = &include!("../../templates/marketplace.rs");

/// The app is called as its folder is, in letters that need no quoting anywhere.
fn name(dir: &Path) -> String {
    // `.` and `..` have a name only once they are resolved.
    let resolved = dir.canonicalize();
    let dir = resolved.as_deref().unwrap_or(dir);
    let folder = dir.file_name().unwrap_or_default().to_string_lossy();
    let plain: String = folder
        .to_lowercase()
        .chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect();
    match plain.trim_matches('-') {
        "" => "app".to_owned(),
        name if name.starts_with(|c: char| c.is_ascii_digit()) => format!("app-{name}"),
        name => name.to_owned(),
    }
}

/// A template's `mainstay.toml` with another name in its place.
fn named(text: &str, name: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut due = true;
    for line in text.split_inclusive('\n') {
        if due && line.starts_with("name = ") {
            out.push_str(&format!("name = \"{name}\"\n"));
            due = false;
        } else {
            out.push_str(line);
        }
    }
    out
}

pub fn new(dir: &Path, template: Template) -> Result<(), Failure> {
    let failed = |path: &Path, e: std::io::Error| Failure::new(format!("{}: {e}", path.display()));
    if dir.exists()
        && std::fs::read_dir(dir)
            .map_err(|e| failed(dir, e))?
            .next()
            .is_some()
    {
        return Err(Failure::new(format!(
            "{} is not empty; name a new folder",
            dir.display()
        )));
    }
    let name = name(dir);
    let files = match template {
        Template::Blank => BLANK,
        Template::Marketplace => MARKETPLACE,
    };
    for (path, text) in files {
        let path = dir.join(path);
        if let Some(parent) = path.parent() {
            std::fs::create_dir_all(parent).map_err(|e| failed(parent, e))?;
        }
        let text = if path.ends_with("mainstay.toml") {
            named(text, &name)
        } else {
            (*text).to_owned()
        };
        std::fs::write(&path, text).map_err(|e| failed(&path, e))?;
    }
    print::line(format!(
        "{} made {} ({} files)",
        print::good("✓"),
        dir.display(),
        files.len()
    ));
    print::line(format!("  next: mainstay dev{}", next::app(dir)));
    Ok(())
}
