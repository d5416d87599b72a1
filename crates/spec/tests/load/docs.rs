//! `docs/app.md` is true: its examples load clean, and its reference is what the key tables say, as is that of
//! `docs/testing.md`.

use crate::load_texts;
use spec::diagnostic::render;
use std::path::{Path, PathBuf};

const BEGIN: &str = "<!-- generated: UPDATE_DOCS=1 cargo test -p mainstay-spec --test load -->\n";
const END: &str = "<!-- end of generated -->";

fn page(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../docs")
        .join(name)
}

#[test]
fn the_references_are_what_the_loader_takes() {
    for (name, reference) in [
        ("app.md", spec::load::reference::markdown()),
        ("testing.md", spec::load::reference::tests_markdown()),
    ] {
        let text = std::fs::read_to_string(page(name)).expect(name);
        let (before, rest) = text
            .split_once(BEGIN)
            .expect("the beginning of what is generated");
        let (found, after) = rest.split_once(END).expect("the end of what is generated");
        let wanted = format!("\n{reference}\n");
        if found != wanted && std::env::var_os("UPDATE_DOCS").is_some() {
            std::fs::write(page(name), format!("{before}{BEGIN}{wanted}{END}{after}")).expect(name);
            continue;
        }
        assert_eq!(
            found, wanted,
            "run: UPDATE_DOCS=1 cargo test -p mainstay-spec --test load"
        );
    }
}

/// Blocks of TOML whose first line is a comment with a path are files of one app.
#[test]
fn the_examples_are_an_app_that_loads_clean() {
    let text = std::fs::read_to_string(page("app.md")).expect("docs/app.md");
    let mut files: Vec<(String, String)> = Vec::new();
    for block in text.split("```toml\n").skip(1) {
        let block = block.split("```").next().unwrap_or_default();
        let path = block
            .lines()
            .next()
            .and_then(|line| line.strip_prefix("# "))
            .unwrap_or_else(|| panic!("a block without a path:\n{block}"));
        match files.iter_mut().find(|(known, _)| known == path) {
            Some((_, text)) => text.push_str(block),
            None => files.push((path.to_owned(), block.to_owned())),
        }
    }
    assert!(files.len() >= 3, "{files:?}");
    let files: Vec<(&str, &str)> = files
        .iter()
        .map(|(path, text)| (path.as_str(), text.as_str()))
        .collect();
    let loaded = load_texts(&files);
    assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
}
