//! Whatever a file holds: an answer, never a panic; and an app exactly when nothing is wrong.

use proptest::prelude::*;
use proptest::sample::{Index, select};
use spec::diagnostic::{render, to_json};
use spec::load::{load_sources, scenarios_of};
use std::path::PathBuf;

const FILES: &[(&str, &str)] = &[
    (
        "mainstay.toml",
        include_str!("../apps/marketplace/mainstay.toml"),
    ),
    (
        "modules/catalog/module.toml",
        include_str!("../apps/marketplace/modules/catalog/module.toml"),
    ),
    (
        "modules/orders/module.toml",
        include_str!("../apps/marketplace/modules/orders/module.toml"),
    ),
    (
        "modules/auth/module.toml",
        include_str!("../apps/marketplace/modules/auth/module.toml"),
    ),
];

const TESTS: &str = include_str!("../../../../examples/marketplace/tests/catalog.toml");

/// Pieces that mean something to the loader, so that mutations reach past the TOML parser.
const PIECES: &[&str] = &[
    "",
    "\n",
    "\"",
    "'",
    "\"\"\"",
    "=",
    "{",
    "}",
    "[",
    "]",
    "[[",
    "]]",
    ".",
    ",",
    "#",
    "\\",
    "\\u00e9",
    "é",
    "😀",
    "\u{0}",
    "\u{feff}",
    "true",
    "false",
    "null",
    "-1",
    "1e309",
    "9007199254740993",
    "inf",
    "nan",
    "1979-05-27",
    "type",
    "max",
    "scale",
    "values",
    "to",
    "on_delete",
    "inverse",
    "unique",
    "default",
    "check",
    "read",
    "write",
    "string",
    "decimal",
    "enum",
    "list",
    "relation",
    "vector",
    "auth.users",
    "catalog.products",
    "cascade",
    "set_null",
    "keep",
    "id",
    "version",
    "__",
    "models",
    "fields",
    "access",
    "indexes",
    "auth.id",
    "old.seller",
    "now",
    "==",
    "!=",
    "&&",
    "||",
    "in",
];

#[derive(Debug, Clone)]
enum Mutation {
    Insert(Index, &'static str),
    Remove(Index, usize),
    /// One word of the file in the place of another.
    Swap(Index, Index),
    RepeatLine(Index, Index),
}

fn mutation() -> impl Strategy<Value = Mutation> {
    prop_oneof![
        (any::<Index>(), select(PIECES)).prop_map(|(at, piece)| Mutation::Insert(at, piece)),
        (any::<Index>(), 1..40usize).prop_map(|(at, length)| Mutation::Remove(at, length)),
        (any::<Index>(), any::<Index>()).prop_map(|(at, from)| Mutation::Swap(at, from)),
        (any::<Index>(), any::<Index>()).prop_map(|(line, to)| Mutation::RepeatLine(line, to)),
    ]
}

fn mutate(text: &str, mutation: &Mutation) -> String {
    if text.is_empty() {
        return text.to_owned();
    }
    match mutation {
        Mutation::Insert(at, piece) => {
            let at = floor(text, at.index(text.len() + 1));
            format!("{}{piece}{}", &text[..at], &text[at..])
        }
        Mutation::Remove(at, length) => {
            let at = floor(text, at.index(text.len()));
            let end = floor(text, (at + length).min(text.len())).max(at);
            format!("{}{}", &text[..at], &text[end..])
        }
        Mutation::Swap(at, from) => {
            let words: Vec<&str> = text.split_inclusive([' ', '\n']).collect();
            let (at, from) = (at.index(words.len()), from.index(words.len()));
            let mut words = words.clone();
            words[at] = words[from];
            words.concat()
        }
        Mutation::RepeatLine(line, to) => {
            let mut lines: Vec<&str> = text.split_inclusive('\n').collect();
            let (line, to) = (line.index(lines.len()), to.index(lines.len()));
            lines.insert(to, lines[line]);
            lines.concat()
        }
    }
}

fn floor(text: &str, mut at: usize) -> usize {
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn holds(files: Vec<(PathBuf, String)>) {
    let loaded = load_sources(files);
    let errors = loaded
        .diagnostics
        .iter()
        .any(spec::diagnostic::Diagnostic::is_error);
    assert_eq!(loaded.app.is_none(), errors);
    for diagnostic in &loaded.diagnostics {
        let source = loaded.sources.get(diagnostic.file).expect("a known file");
        let (start, end) = (diagnostic.span.start as usize, diagnostic.span.end as usize);
        assert!(start <= end && end <= source.text.len(), "{diagnostic:?}");
        assert!(!diagnostic.message.is_empty());
    }
    let report = render(&loaded.diagnostics, &loaded.sources, false);
    assert_eq!(report.is_empty(), loaded.diagnostics.is_empty());
    assert_eq!(
        to_json(&loaded.diagnostics, &loaded.sources).len(),
        loaded.diagnostics.len()
    );
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, ..ProptestConfig::default() })]

    #[test]
    fn a_mutated_app_is_answered(file in 0..FILES.len(), mutations in prop::collection::vec(mutation(), 1..6)) {
        let files = FILES.iter().enumerate().map(|(place, (path, text))| {
            let text = match place == file {
                true => mutations.iter().fold((*text).to_owned(), |text, m| mutate(&text, m)),
                false => (*text).to_owned(),
            };
            (PathBuf::from(path), text)
        });
        holds(files.collect());
    }

    #[test]
    fn a_mutated_file_of_tests_is_answered(mutations in prop::collection::vec(mutation(), 1..6)) {
        let files = FILES.iter().map(|(path, text)| (PathBuf::from(path), (*text).to_owned()));
        let app = load_sources(files.collect()).app.expect("an app");
        let text = mutations.iter().fold(TESTS.to_owned(), |text, m| mutate(&text, m));
        let tests = scenarios_of(vec![(PathBuf::from("tests/a.toml"), text)], &app);
        let report = render(&tests.diagnostics, &tests.sources, false);
        assert_eq!(report.is_empty(), tests.diagnostics.is_empty());
    }

    #[test]
    fn any_text_is_answered(path in select(vec!["mainstay.toml", "modules/a/module.toml", "modules/é/module.toml"]), text in ".{0,200}") {
        holds(vec![(PathBuf::from(path), text)]);
    }
}
