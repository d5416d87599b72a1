//! What `renamed_from` names must be gone: a migration that finds both would have to guess.

use super::declare::{FieldDecl, ModuleDecl};
use super::names;
use super::report::{Located, Report};
use std::collections::HashSet;

pub(super) fn check(modules: &[ModuleDecl], report: &mut Report) {
    for module in modules {
        let declared: Vec<&str> = module
            .models
            .iter()
            .map(|model| model.name.value.as_str())
            .collect();
        let renamed = module
            .models
            .iter()
            .filter_map(|model| model.renamed_from.as_ref());
        each(renamed, "model", |name| declared.contains(&name), report);
        for model in &module.models {
            let declared = |name: &str| {
                let is = |field: &FieldDecl| field.name.value == name;
                model.fields.iter().any(is)
                    || ["id", "created_at", "updated_at", "version"].contains(&name)
            };
            let renamed = model
                .fields
                .iter()
                .filter_map(|field| field.renamed_from.as_ref());
            each(renamed, "field", declared, report);
        }
    }
}

fn each<'a>(
    renamed: impl Iterator<Item = &'a Located<String>>,
    what: &str,
    declared: impl Fn(&str) -> bool,
    report: &mut Report,
) {
    let mut seen = HashSet::new();
    for old in renamed {
        if !names::check_old(old, what, report) {
            continue;
        }
        if declared(&old.value) {
            report
                .error(
                    old.at,
                    "bad-rename",
                    format!("`{}` is a {what} of its own", old.value),
                )
                .label("what is renamed is there no more under its old name")
                .help("remove `renamed_from`, or the other declaration");
        } else if !seen.insert(old.value.as_str()) {
            report
                .error(
                    old.at,
                    "bad-rename",
                    format!("another {what} is renamed from `{}` already", old.value),
                )
                .help("remove one of the two");
        }
    }
}
