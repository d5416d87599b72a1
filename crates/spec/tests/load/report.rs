//! Many mistakes at once, in the order in which somebody mends them, and what the report looks like.

use crate::{APP, AUTH, SHOP, lines, load_texts};
use spec::diagnostic::{render, to_json};
use std::path::PathBuf;

const MANY: &[(&str, &str)] = &[
    (
        APP,
        "name = \"shop\"\n\n[sever]\nlisten = \"127.0.0.1:7070\"\n\n[auth]\nregistration = \"opne\"\n",
    ),
    (
        AUTH,
        "[models.users.fields]\nemail = { type = \"email\" }\n",
    ),
    (
        "modules/billing/module.toml",
        "[models.invoices.fields]\ntotal = { type = \"decimal\" }\npaid_by = { type = \"relation\", to = \"shop.custmers\" }\n\n[models.invoices.access]\nread = \"paid_by == auth.id && total > 0.0\"\n",
    ),
    (
        SHOP,
        r#"# Ünïcode before a mistake must not move its caret.
[models.customers]
tenant = true

[models.customers.fields]
Name = { type = "string" }
email = { type = "email", unique = true, read = "id == auth.id" }
status = { type = "enum", values = ["new", "old"], default = 'active', uniqe = true }

[models.customers.access]
read = "true"

[[models.customers.indexes]]
fields = ["emial", "created_at"]
"#,
    ),
];

#[test]
fn all_files_are_reported_at_once() {
    let loaded = load_texts(MANY);
    assert!(loaded.app.is_none());
    insta::assert_snapshot!(lines(&loaded.diagnostics, &loaded.sources).join("\n"));
}

#[test]
fn the_report_has_places_carets_and_ways_to_mend() {
    let loaded = load_texts(MANY);
    insta::assert_snapshot!(render(&loaded.diagnostics, &loaded.sources, false));
    assert!(render(&loaded.diagnostics, &loaded.sources, true).contains("\u{1b}["));
}

#[test]
fn json_has_bytes_and_places() {
    let loaded = load_texts(&[(SHOP, "# ü\n[models.\"ä\"]\nopen = true\n")]);
    let objects = to_json(&loaded.diagnostics, &loaded.sources);
    assert_eq!(
        objects[0],
        serde_json::json!({
            "severity": "error",
            "code": "bad-name",
            "message": "`ä` is not a good name for a model",
            "label": "lower-case letters, digits and `_`, beginning with a letter",
            "help": "write it like `order_items`",
            "path": SHOP,
            "line": 2,
            "column": 9,
            "byte": 13,
            "end": { "line": 2, "column": 12, "byte": 17 },
        })
    );
}

/// A file that does not parse still tells the others which models there are.
#[test]
fn a_broken_file_is_not_blamed_on_its_neighbours() {
    let loaded = load_texts(&[
        (
            "modules/crm/module.toml",
            "[models.people.fields]\nname = { type = \"string\" }\n\n[models.people.access]\nread = true\"\n",
        ),
        (
            SHOP,
            "[models.orders.fields]\nbuyer = { type = \"relation\", to = \"crm.people\" }\n[models.orders.access]\nread = \"true\"\n",
        ),
    ]);
    let said = lines(&loaded.diagnostics, &loaded.sources);
    assert!(!said.is_empty());
    assert!(
        said.iter()
            .all(|line| line.starts_with("modules/crm/module.toml:5:")
                && line.contains("toml-syntax")),
        "{said:#?}"
    );
}

/// One mistake in a declaration is one complaint, however many rules name the field.
#[test]
fn a_broken_field_is_not_blamed_on_its_rules() {
    let loaded = load_texts(&[(
        SHOP,
        "[models.a.fields]\nowner = { type = \"relation\", to = \"people\" }\n[models.a.access]\nread = \"owner == auth.id\"\nupdate = \"owner == auth.id\"\n[[models.a.indexes]]\nfields = [\"owner\"]\n",
    )]);
    let said = lines(&loaded.diagnostics, &loaded.sources);
    assert_eq!(
        said,
        [
            "modules/shop/module.toml:2:35 unknown-model there is no model `people` in the module `shop`"
        ]
    );
}

#[test]
fn files_that_cannot_be_read_are_mistakes_too() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    std::fs::create_dir_all(root.join("modules/shop/seeds")).expect("a folder");
    std::fs::create_dir_all(root.join("modules/crm/seed")).expect("a folder");
    // The built-in module needs no file of its own.
    std::fs::create_dir_all(root.join("modules/auth/seed")).expect("a folder");
    std::fs::write(root.join("modules/auth/seed/users.jsonl"), b"{}\n").expect("a file");
    std::fs::write(root.join("mainstay.toml"), b"").expect("a file");
    std::fs::write(root.join("modules/crm/module.toml"), b"name = \"\xff\"\n").expect("a file");
    std::fs::write(root.join("modules/crm/seed/people.csv"), b"a,b\n").expect("a file");
    let loaded = spec::load::load(root);
    assert!(loaded.app.is_none());
    assert_eq!(loaded.seeds.len(), 1);
    insta::assert_snapshot!(lines(&loaded.diagnostics, &loaded.sources).join("\n"));
}

/// Each file in its wrong place, and what is said about it with the way to mend it.
#[test]
fn files_in_the_wrong_place_are_named() {
    for (file, says) in [
        (
            "modules/billing/",
            "modules/billing/module.toml:1:1 unreadable-file there is no such file / declare the models of `billing` in it, `[models.invoices]` and so on, or remove the folder",
        ),
        (
            "modules/billing/module.tml",
            "modules/billing/module.tml:1:1 unreadable-file `modules/billing` has no `module.toml` / call this file `module.toml`",
        ),
        (
            "modules/billing/billing.toml",
            "modules/billing/billing.toml:1:1 unreadable-file `modules/billing` has no `module.toml` / call this file `module.toml`",
        ),
        (
            "module.toml",
            "module.toml:1:1 unread-file nothing reads this / put it into the folder of its module: `modules/NAME/module.toml`",
        ),
        (
            "modules/module.toml",
            "modules/module.toml:1:1 unread-file nothing reads this / put it into the folder of its module: `modules/NAME/module.toml`",
        ),
    ] {
        let folder = tempfile::tempdir().expect("a folder");
        let root = folder.path();
        std::fs::write(root.join("mainstay.toml"), b"").expect("a file");
        let path = root.join(file);
        if file.ends_with('/') {
            std::fs::create_dir_all(path).expect("a folder");
        } else {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            std::fs::write(path, b"[models.a]\n").expect("a file");
        }
        let loaded = spec::load::load(root);
        let said = lines(&loaded.diagnostics, &loaded.sources);
        let help = loaded.diagnostics[0].help.clone().unwrap_or_default();
        assert_eq!(said.len(), 1, "{said:?}");
        assert_eq!(format!("{} / {help}", said[0]), says);
        // No line of a file that was not read is shown.
        let report = render(&loaded.diagnostics, &loaded.sources, false);
        assert!(!report.contains(" | "), "{report}");
    }
}

#[test]
fn a_folder_that_is_not_there_says_what_an_app_is() {
    let loaded = spec::load::load(&PathBuf::from("/nowhere/at/all"));
    let report = render(&loaded.diagnostics, &loaded.sources, false);
    assert!(report.contains("mainstay new"), "{report}");
    assert_eq!(loaded.diagnostics.len(), 1);
}

#[test]
fn a_file_may_be_large_but_not_endless() {
    let text = format!("# {}\n", "x".repeat(1 << 20));
    let loaded = load_texts(&[(SHOP, &text)]);
    assert!(lines(&loaded.diagnostics, &loaded.sources)[0].contains("more than 1048576 bytes"));
}
