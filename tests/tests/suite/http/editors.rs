//! What an editor is given: the schemas, and the line that leads to them.

use super::cli::{APP, app};
use mainstay_tests::process::run;
use serde_json::Value as Json;

#[test]
fn the_schemas_can_lie_in_the_folder_of_the_app() {
    let folder = app(APP);
    let folder = folder.path();
    for (file, path, line, key) in [
        (
            "mainstay",
            "mainstay.toml",
            "./mainstay.schema.json",
            "limits",
        ),
        (
            "module",
            "modules/shop/module.toml",
            "../../module.schema.json",
            "models",
        ),
    ] {
        let printed = run(folder, &["schema", file]);
        printed.expect(0, &[]);
        let schema: Json = serde_json::from_str(&printed.stdout).expect("JSON and nothing else");
        assert!(schema["properties"][key].is_object(), "{key} of {file}");
        let path = folder.join(path);
        let there = path.parent().expect("a folder").join(line);
        std::fs::write(&there, &printed.stdout).expect("a file");
        let text = std::fs::read_to_string(&path).expect("a file");
        std::fs::write(&path, format!("#:schema {line}\n{text}")).expect("a file");
    }
    let checked = run(folder, &["check"]);
    checked.expect(0, &["✓ shop:"]);
    assert!(!checked.said().contains("warning"), "{}", checked.said());
}
