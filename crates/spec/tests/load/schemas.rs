//! The JSON Schemas that editors are given, held by somebody else's validator: they are JSON Schemas, they accept
//! every file that we ship, and refuse what the loader refuses.

use jsonschema::Validator;
use serde_json::Value;
use spec::load::schema::{app_schema, module_schema, tests_schema};
use std::path::{Path, PathBuf};

fn validator(schema: &Value) -> Validator {
    if let Err(error) = jsonschema::draft202012::meta::validate(schema) {
        panic!("no JSON Schema: {error} at {}", error.instance_path());
    }
    jsonschema::draft202012::new(schema).expect("a schema")
}

fn mistakes(validator: &Validator, text: &str) -> Vec<String> {
    let value: Value = toml::from_str(text).expect("TOML");
    validator
        .iter_errors(&value)
        .map(|error| format!("{}: {error}", error.instance_path()))
        .collect()
}

/// Every TOML file of an app below a folder.
fn files(folder: &Path, out: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            files(&path, out);
        } else if path.extension().is_some_and(|ext| ext == "toml") {
            out.push(path);
        }
    }
}

#[test]
fn the_schemas_accept_the_files_that_we_ship() {
    let (app, module) = (validator(&app_schema()), validator(&module_schema()));
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut found = Vec::new();
    for folder in ["../../examples", "../mainstay/templates", "tests/apps"] {
        files(&root.join(folder), &mut found);
    }
    let tests = validator(&tests_schema());
    let (mut apps, mut modules, mut tested) = (0, 0, 0);
    for path in found {
        let text = std::fs::read_to_string(&path).expect("a file");
        let schema = match path.file_name().and_then(|name| name.to_str()) {
            Some("mainstay.toml") => {
                apps += 1;
                &app
            }
            Some("module.toml") => {
                modules += 1;
                &module
            }
            _ if path
                .parent()
                .is_some_and(|folder| folder.ends_with("tests")) =>
            {
                tested += 1;
                &tests
            }
            _ => continue,
        };
        assert_eq!(mistakes(schema, &text), [""; 0], "{}", path.display());
    }
    assert!(apps >= 3 && modules >= 8, "{apps} apps, {modules} modules");
    assert!(tested >= 4, "{tested} files of tests");
}

#[test]
fn the_schemas_refuse_what_is_no_app() {
    let (app, module) = (validator(&app_schema()), validator(&module_schema()));
    let tests = validator(&tests_schema());
    let step = |step: &str| format!("[[tests]]\nname = \"x\"\n[[tests.steps]]\n{step}\n");
    let field = |field: &str| format!("[models.a.fields]\nx = {field}\n");
    let table: &[(&Validator, String)] = &[
        (&app, "nam = \"x\"".into()),
        (&app, "[server]\ndrain = \"soon\"".into()),
        (&app, "[limits]\npage = 0".into()),
        (&app, "[auth]\nregistration = \"opne\"".into()),
        (&module, "[models.A.fields]\n".into()),
        (&module, "[models.a]\nid = \"number\"".into()),
        (&module, "[models.a.access]\nlist = \"true\"".into()),
        (&module, field("{ type = \"sting\" }")),
        (&module, field("{ optional = true }")),
        (&module, field("{ type = \"relation\" }")),
        (&module, field("{ type = \"enum\" }")),
        (&module, field("{ type = \"bool\", max = 3 }")),
        (&module, field("{ type = \"decimal\", scale = 19 }")),
        (&tests, "[[test]]\nname = \"x\"".into()),
        (&tests, "[actors.Ann]".into()),
        (&tests, step("get = \"/\"")),
        (&tests, step("expect.status = \"200\"")),
        (&tests, step("expect.status = 99")),
        (&tests, step("expect.contains = {}")),
    ];
    for (schema, text) in table {
        assert!(!mistakes(schema, text).is_empty(), "accepted: {text}");
    }
}
