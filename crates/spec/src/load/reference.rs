//! The reference of both files in Markdown, from the key tables: `docs/app.md` holds it, and a test
//! holds them together.

use super::codes::CODES;
use super::keys::{self, Key, Kind, Table};
use super::scenario_keys;
use super::walk;
use std::fmt::Write;
use std::time::Duration;

/// All keys of both files and all codes of mistakes, as the reference part of `docs/app.md`.
pub fn markdown() -> String {
    let mut out = String::new();
    out.push_str("## `mainstay.toml`\n\n");
    section(&mut out, &keys::APP);
    for key in keys::APP.keys {
        if let Kind::Table(table) = key.kind {
            let _ = write!(out, "### `{}`\n\n", table.title);
            section(&mut out, table);
        }
    }
    out.push_str("## `modules/*/module.toml`\n\n");
    section(&mut out, &keys::MODULE);
    out.push_str("### `[models.NAME]`\n\n");
    section(&mut out, &keys::MODEL);
    out.push_str("### `[models.NAME.fields]`\n\n");
    section(&mut out, &keys::FIELD);
    out.push_str("### Types\n\n| type | holds | takes |\n|---|---|---|\n");
    for (name, doc) in keys::TYPES {
        let takes: Vec<String> = keys::FIELD
            .keys
            .iter()
            .filter(|key| key.types.contains(name))
            .map(|key| format!("`{}`", key.name))
            .collect();
        let _ = writeln!(out, "| `{name}` | {doc} | {} |", takes.join(", "));
    }
    out.push('\n');
    for key in keys::MODEL.keys {
        let (Kind::Table(table) | Kind::Tables(table)) = key.kind else {
            continue;
        };
        let title = match key.kind {
            Kind::Tables(_) => format!("[[models.NAME.{}]]", key.name),
            _ => format!("[models.NAME.{}]", key.name),
        };
        let _ = write!(out, "### `{title}`\n\n");
        section(&mut out, table);
    }
    out.push_str("## Mistakes\n\n| code | when |\n|---|---|\n");
    for code in CODES {
        let _ = writeln!(out, "| `{}` | {} |", code.name, code.when);
    }
    out
}

/// All keys of the files in `tests/`, as the reference part of `docs/testing.md`.
pub fn tests_markdown() -> String {
    let mut out = String::new();
    for (title, table) in scenario_keys::SECTIONS {
        let _ = write!(out, "### `{title}`\n\n");
        section(&mut out, table);
    }
    out
}

fn section(out: &mut String, table: &Table) {
    let _ = write!(
        out,
        "{}\n\n| key | takes | default | |\n|---|---|---|---|\n",
        table.doc
    );
    for key in table.keys {
        let default = match key.default {
            "" => String::new(),
            default => format!("`{default}`"),
        };
        let _ = writeln!(
            out,
            "| `{}` | {} | {default} | {} |",
            key.name,
            takes(key),
            key.doc
        );
    }
    if !table.designed.is_empty() {
        let names: Vec<String> = table
            .designed
            .iter()
            .map(|d| format!("`{}`", d.name))
            .collect();
        let _ = write!(
            out,
            "\nDesigned but not built yet, and refused: {}.\n",
            names.join(", ")
        );
    }
    out.push('\n');
}

/// A bound in milliseconds, as one would write it.
fn spelled(millis: u64) -> String {
    match millis {
        0 => "0s".to_owned(),
        millis => walk::spell(Duration::from_millis(millis)),
    }
}

fn takes(key: &Key) -> String {
    let kind = match key.kind {
        Kind::Text => "a string".to_owned(),
        Kind::Word(words) => {
            let words: Vec<String> = words.iter().map(|word| format!("`\"{word}\"`")).collect();
            words.join(", ")
        }
        Kind::Int { min, max } => format!("{min} to {max}"),
        Kind::Number => "a number".to_owned(),
        Kind::Bool => "`true`, `false`".to_owned(),
        Kind::Duration { min, max } => format!("a duration, {} to {}", spelled(min), spelled(max)),
        Kind::Texts => "a list of strings".to_owned(),
        Kind::Expression => "an expression".to_owned(),
        Kind::Table(_) => "a table".to_owned(),
        Kind::Named(_) => "a table for each name".to_owned(),
        Kind::Tables(_) => "an array of tables".to_owned(),
        Kind::Any => "any value".to_owned(),
        Kind::Items => "a list".to_owned(),
        Kind::Entries => "a table".to_owned(),
    };
    if key.types.is_empty() {
        return kind;
    }
    format!("{kind} ({} only)", key.types.join(", "))
}
