//! The loader: what loads clean, and what is said about what does not.

use spec::load::load;
use std::path::Path;

#[test]
fn the_marketplace_of_the_design_loads_clean() {
    let loaded = load(Path::new("tests/apps/marketplace"));
    let report = spec::diagnostic::render(&loaded.diagnostics, &loaded.sources, false);
    assert_eq!(report, "");
    assert!(loaded.app.is_some());
}
