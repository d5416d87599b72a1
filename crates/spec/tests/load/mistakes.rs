//! Mistakes as tables, in `mistakes/*.txt`: a file, and all that is said about it, where and how.
//!
//! ```text
//! --- modules/shop/module.toml
//! [models.a]
//! opne = true
//! >>> 2:1 unknown-key `opne` is not a key of a model
//! >>>   ^ did you mean `open`?
//! >>>   help: write `open`, or remove the key
//! ```
//!
//! After a change of words, `UPDATE_MISTAKES=1 cargo test -p mainstay-spec --test load` writes what is
//! said now into the tables, for review.

use crate::{SHOP, lines, load_texts};
use std::collections::BTreeSet;
use std::fmt::Write;
use std::path::{Path, PathBuf};

const TABLES: &[&str] = &[
    "existing",
    "fields",
    "keys",
    "migrations",
    "names",
    "relations",
    "rules",
    "scenarios",
    "seeds",
    "settings",
];

#[derive(Debug, Default, Clone)]
struct Case {
    /// The heading above it, if it is the first below one.
    heading: Option<String>,
    path: String,
    text: String,
    /// `line:column code message`, and below it what the caret says and how to mend it.
    said: Vec<String>,
}

fn path(table: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/load/mistakes/{table}.txt"))
}

fn read(table: &str) -> Vec<Case> {
    let text = std::fs::read_to_string(path(table)).expect("a table");
    let mut cases: Vec<Case> = Vec::new();
    let mut heading = None;
    for line in text.lines() {
        if let Some(title) = line.strip_prefix("## ") {
            heading = Some(title.to_owned());
        } else if let Some(path) = line.strip_prefix("--- ") {
            cases.push(Case {
                heading: heading.take(),
                path: path.to_owned(),
                ..Case::default()
            });
        } else if let Some(case) = cases.last_mut() {
            match line.strip_prefix(">>> ") {
                Some(said) => case.said.push(said.to_owned()),
                // What follows is the blank line before the next case.
                None if !case.said.is_empty() => {}
                None => {
                    case.text.push_str(line);
                    case.text.push('\n');
                }
            }
        }
    }
    cases
}

fn write(table: &str, cases: &[Case]) {
    let mut text = String::new();
    for case in cases {
        if let Some(heading) = &case.heading {
            let _ = writeln!(text, "## {heading}\n");
        }
        let _ = writeln!(text, "--- {}\n{}", case.path, case.text.trim_end());
        for said in &case.said {
            let _ = writeln!(text, ">>> {said}");
        }
        text.push('\n');
    }
    std::fs::write(path(table), format!("{}\n", text.trim_end())).expect("a table");
}

/// What is said of a file of tests, as of one of the app's.
fn with_tests(case: &Case) -> spec::load::Loaded {
    let mut loaded = load_texts(&[(SHOP, TESTED)]);
    let app = loaded.app.take().expect("an app");
    let tests = spec::load::scenarios_of(vec![(case.path.clone().into(), case.text.clone())], &app);
    let good = !tests
        .diagnostics
        .iter()
        .any(spec::diagnostic::Diagnostic::is_error);
    spec::load::Loaded {
        app: good.then_some(app),
        diagnostics: tests.diagnostics,
        sources: tests.sources,
        seeds: Vec::new(),
    }
}

/// The app that the tests of `scenarios.txt` are about.
const TESTED: &str =
    "[models.tags.fields]\nname = { type = \"string\" }\n[models.tags.access]\nread = \"true\"\n";

/// What is said now.
fn say(case: &Case) -> Vec<String> {
    let loaded = match case.path.starts_with("tests/") {
        true => with_tests(case),
        false => load_texts(&[(&case.path, &case.text)]),
    };
    let errors = loaded
        .diagnostics
        .iter()
        .any(spec::diagnostic::Diagnostic::is_error);
    assert_eq!(loaded.app.is_none(), errors, "{}", case.text);
    let mut said = Vec::new();
    // True of nearly every case, and a test of its own below.
    let diagnostics = loaded.diagnostics;
    for diagnostic in diagnostics.iter().filter(|d| d.code != "unreachable-model") {
        for line in lines(std::slice::from_ref(diagnostic), &loaded.sources) {
            // About another file: never expected, and shown as such.
            let line = line
                .strip_prefix(&format!("{}:", case.path))
                .unwrap_or(&line);
            said.push(line.to_owned());
        }
        said.extend(diagnostic.label.iter().map(|label| format!("  ^ {label}")));
        said.extend(diagnostic.help.iter().map(|help| format!("  help: {help}")));
    }
    said
}

#[test]
fn every_mistake_is_named_where_it_is() {
    let mut wrong = String::new();
    let mut count = 0;
    for table in TABLES {
        let mut cases = read(table);
        count += cases.len();
        for case in &mut cases {
            let said = say(case);
            if said != case.said {
                let (was, is) = (case.said.join("\n  "), said.join("\n  "));
                let _ = writeln!(
                    wrong,
                    "{table}: {}\n{}expected:\n  {was}\nsaid:\n  {is}\n",
                    case.path, case.text
                );
                case.said = said;
            }
        }
        if std::env::var_os("UPDATE_MISTAKES").is_some() {
            write(table, &cases);
        }
    }
    if std::env::var_os("UPDATE_MISTAKES").is_none() {
        assert!(wrong.is_empty(), "{wrong}");
    }
    assert!(count >= 140, "only {count} cases were read");
}

/// `docs/app.md` lists what can be said; here each of it is said, but for what needs files on disk, or
/// very many models, and has a test of its own.
#[test]
fn every_code_is_listed_and_met() {
    let elsewhere = [
        "more-mistakes",
        "unreadable-file",
        "unread-file",
        "too-many",
        "unreachable-model",
    ];
    let listed: BTreeSet<&str> = spec::load::codes::CODES
        .iter()
        .map(|code| code.name)
        .collect();
    let cases: Vec<Case> = TABLES.iter().flat_map(|name| read(name)).collect();
    let mut met: BTreeSet<&str> = cases
        .iter()
        .flat_map(|case| &case.said)
        .filter(|said| !said.starts_with(' '))
        .filter_map(|said| said.split(' ').nth(1))
        .collect();
    met.retain(|code| !code.starts_with("expr-"));
    met.extend(elsewhere);
    assert_eq!(met, listed);
}

#[test]
fn a_model_without_rules_is_said_to_be_for_administrators() {
    let loaded = load_texts(&[(SHOP, "[models.notes.fields]\nx = { type = \"int\" }\n")]);
    assert!(loaded.app.is_some());
    assert_eq!(
        lines(&loaded.diagnostics, &loaded.sources),
        [
            "modules/shop/module.toml:1:9 unreachable-model nobody but an administrator can reach `shop.notes`"
        ]
    );
}

#[test]
fn there_is_an_end_to_fields_and_models() {
    let fields: String = (0..501)
        .map(|n| format!("f{n} = {{ type = \"int\" }}\n"))
        .collect();
    let models: String = (0..2_001)
        .map(|n| format!("[models.m{n}.access]\nread = \"true\"\n"))
        .collect();
    for (text, line) in [
        (
            format!("[models.a.fields]\n{fields}\n[models.a.access]\nread = \"true\"\n"),
            502,
        ),
        // `auth.users` is a model too.
        (models, 2 * 1_999 + 1),
    ] {
        let loaded = load_texts(&[(SHOP, &text)]);
        let said = lines(&loaded.diagnostics, &loaded.sources);
        assert_eq!(said.len(), 1, "{said:?}");
        assert!(said[0].starts_with(&format!("{SHOP}:{line}:")), "{said:?}");
        assert!(said[0].contains("too-many"), "{said:?}");
    }
}

#[test]
fn a_file_is_not_reported_without_end() {
    let fields: String = (0..400)
        .map(|n| format!("f{n} = {{ type = \"relation\", to = \"nothing\" }}\n"))
        .collect();
    let text = format!("[models.a.fields]\n{fields}\n[models.a.access]\nread = \"true\"\n");
    let loaded = load_texts(&[(SHOP, &text)]);
    let said = lines(&loaded.diagnostics, &loaded.sources);
    assert_eq!(said.len(), 201);
    assert_eq!(
        said[200],
        format!("{SHOP}:202:34 more-mistakes there are 200 more mistakes in this file")
    );
}
