//! `mainstay new`.

use super::Template;
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
        ".gitignore",
        include_str!("../../templates/blank/gitignore"),
    ),
];

const MARKETPLACE: &[(&str, &str)] = &include!("../../templates/marketplace.rs");

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
    let name = dir
        .file_name()
        .map(|n| n.to_string_lossy().to_lowercase())
        .map(|n| {
            n.chars()
                .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
                .collect::<String>()
        })
        .map(|n| n.trim_matches('-').to_owned())
        .filter(|n| n.starts_with(|c: char| c.is_ascii_alphabetic()))
        .unwrap_or_else(|| "app".to_owned());
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
            text.replacen("name = \"app\"", &format!("name = \"{name}\""), 1)
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
    print::line(format!("  next: mainstay dev {}", dir.display()));
    Ok(())
}
