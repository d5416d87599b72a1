//! Any two files are answered: an app exactly when nothing is wrong, every place inside its file, and
//! a report that can be printed.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::diagnostic::{Diagnostic, render, to_json};
use spec::load::load_sources;
use std::path::PathBuf;

fuzz_target!(|text: &str| {
    // A form feed parts the files, so that mutations reach what one says of the other.
    let mut texts = text.splitn(4, '\u{c}');
    let paths = [
        "modules/a/module.toml",
        "modules/b/module.toml",
        "modules/auth/module.toml",
        "mainstay.toml",
    ];
    let files = paths.iter().map(|path| {
        (
            PathBuf::from(path),
            texts.next().unwrap_or_default().to_owned(),
        )
    });
    let loaded = load_sources(files.collect());
    let errors = loaded.diagnostics.iter().any(Diagnostic::is_error);
    assert_eq!(loaded.app.is_none(), errors);
    for diagnostic in &loaded.diagnostics {
        let source = loaded.sources.get(diagnostic.file).expect("a known file");
        assert!(diagnostic.span.start <= diagnostic.span.end);
        assert!(diagnostic.span.end as usize <= source.text.len());
    }
    let report = render(&loaded.diagnostics, &loaded.sources, false);
    assert_eq!(report.is_empty(), loaded.diagnostics.is_empty());
    assert_eq!(
        to_json(&loaded.diagnostics, &loaded.sources).len(),
        loaded.diagnostics.len()
    );
});
