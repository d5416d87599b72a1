//! `api`'s wire formats are siblings: none imports another, so that each can be read, and removed, alone.

use std::path::{Path, PathBuf};
use std::{fs, io};

const SIBLINGS: &[&str] = &["rest", "graphql", "live", "admin", "openapi"];

/// The Rust files of the siblings, relative to `crates/api/src`.
pub fn files(api: &Path) -> io::Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for name in SIBLINGS {
        let file = PathBuf::from(format!("{name}.rs"));
        if api.join(&file).exists() {
            found.push(file);
        }
        let mut folders = vec![PathBuf::from(name)];
        while let Some(folder) = folders.pop() {
            if !api.join(&folder).is_dir() {
                continue;
            }
            for entry in fs::read_dir(api.join(&folder))? {
                let entry = entry?;
                let path = folder.join(entry.file_name());
                if entry.file_type()?.is_dir() {
                    folders.push(path);
                } else if path.extension().is_some_and(|extension| extension == "rs") {
                    found.push(path);
                }
            }
        }
    }
    found.sort();
    Ok(found)
}

/// One line for each import of a sibling in `file` (relative to `crates/api/src`), which holds `text`.
pub fn wrong_imports(file: &Path, text: &str) -> Vec<String> {
    let own = own_name(file);
    let mut wrong = Vec::new();
    for (start, path) in paths_from_root(file, text) {
        for first in first_names(path) {
            if first != own && SIBLINGS.contains(&first) {
                let line = text[..start].matches('\n').count() + 1;
                wrong.push(format!(
                    "{}:{line}: {own} -> {first}: api's wire formats do not import each other",
                    file.display()
                ));
            }
        }
    }
    wrong
}

fn own_name(file: &Path) -> String {
    let first = file.iter().next().unwrap_or_default().to_string_lossy();
    first.strip_suffix(".rs").unwrap_or(&first).to_owned()
}

/// Where the crate's root is named, and what follows: after `crate::`, or after as many `super::` as lead there.
fn paths_from_root<'a>(file: &Path, text: &'a str) -> Vec<(usize, &'a str)> {
    // `rest.rs` and `rest/mod.rs` are one module below the root, `rest/list.rs` two.
    let depth = file.components().count() - usize::from(file.ends_with("mod.rs"));
    let up = "super::".repeat(depth.max(1));
    let mut found = Vec::new();
    for root in ["crate::", up.as_str()] {
        for (start, _) in text.match_indices(root) {
            let before = &text[..start];
            let comment = before
                .rsplit('\n')
                .next()
                .unwrap_or_default()
                .contains("//");
            let inside_name =
                before.ends_with(|c: char| c.is_alphanumeric() || c == '_' || c == '$');
            let longer = root != "crate::" && before.ends_with("super::");
            if !comment && !inside_name && !longer {
                found.push((start, &text[start + root.len()..]));
            }
        }
    }
    found
}

/// The first name of each path in `a::b`, or in `{a::b, c::{d, e}}`: `a`, and `a` and `c`.
fn first_names(path: &str) -> Vec<&str> {
    fn name(text: &str) -> &str {
        let text = text.trim_start();
        let end = text
            .find(|c: char| !c.is_alphanumeric() && c != '_')
            .unwrap_or(text.len());
        &text[..end]
    }
    let Some(group) = path.strip_prefix('{') else {
        return vec![name(path)];
    };
    let mut names = vec![name(group)];
    let mut depth = 0;
    for (at, c) in group.char_indices() {
        match c {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => names.push(name(&group[at + 1..])),
            _ => {}
        }
    }
    names
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn imports_of_siblings_are_named() {
        // file, its text, the siblings that it wrongly imports
        let cases: &[(&str, &str, &[&str])] = &[
            (
                "rest/list.rs",
                "use crate::problem;\nuse crate::rest::page;\nuse super::page;",
                &[],
            ),
            ("rest/list.rs", "use crate::graphql::plan;", &["graphql"]),
            ("rest/list.rs", "fn f() { crate::live::feed() }", &["live"]),
            (
                "rest/list.rs",
                "use crate::{problem, admin::{a, rest}, openapi as o};",
                &["admin", "openapi"],
            ),
            (
                "rest/list.rs",
                "use crate::{problem::{live, graphql}, rest::page};",
                &[],
            ),
            ("rest/list.rs", "use super::super::graphql;", &["graphql"]),
            ("rest/list.rs", "use super::graphql;", &[]), // rest::graphql
            ("rest/mod.rs", "use super::graphql;", &["graphql"]),
            ("rest.rs", "use super::live::feed;", &["live"]),
            (
                "live/mod.rs",
                "// not crate::rest::list\n/// [`crate::rest`]",
                &[],
            ),
            (
                "live/mod.rs",
                "use crate::restful;\nuse mycrate::rest;",
                &[],
            ),
        ];
        for (file, text, expected) in cases {
            let wrong = wrong_imports(Path::new(file), text);
            assert_eq!(wrong.len(), expected.len(), "{file} {text:?}: {wrong:?}");
            for (line, sibling) in wrong.iter().zip(*expected) {
                assert!(
                    line.contains(&format!("-> {sibling}:")),
                    "{line:?} does not name {sibling}"
                );
            }
        }
    }

    #[test]
    fn the_line_is_given() {
        let wrong = wrong_imports(Path::new("admin/mod.rs"), "\n\nuse crate::rest::list;\n");
        assert!(
            wrong[0].starts_with("admin/mod.rs:3: admin -> rest"),
            "{wrong:?}"
        );
    }
}
