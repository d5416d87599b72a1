//! The loader: what loads clean, and what is said about what does not.

mod app;
mod docs;
mod mistakes;
mod mutation;
mod report;
mod schemas;
mod seeds;

use spec::diagnostic::{Diagnostic, Sources};
use spec::load::{Loaded, load_sources};
use std::path::PathBuf;

pub const APP: &str = "mainstay.toml";
pub const SHOP: &str = "modules/shop/module.toml";
pub const AUTH: &str = "modules/auth/module.toml";

/// Loads files that are not on disk; `mainstay.toml` is added where a test does not care.
pub fn load_texts(files: &[(&str, &str)]) -> Loaded {
    let mut files: Vec<(PathBuf, String)> = files
        .iter()
        .map(|(path, text)| (PathBuf::from(path), (*text).to_owned()))
        .collect();
    if !files.iter().any(|(path, _)| path == &PathBuf::from(APP)) {
        files.push((PathBuf::from(APP), String::new()));
    }
    load_sources(files)
}

/// What a report says first about each mistake: `path:line:column code message`.
pub fn lines(diagnostics: &[Diagnostic], sources: &Sources) -> Vec<String> {
    diagnostics
        .iter()
        .map(|d| {
            let at = sources.position(d.file, d.span.start);
            let path = sources.files[d.file.0 as usize].path.display();
            format!("{path}:{}:{} {} {}", at.line, at.column, d.code, d.message)
        })
        .collect()
}
