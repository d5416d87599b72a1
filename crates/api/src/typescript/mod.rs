//! The API as TypeScript types: what goes over the wire, for clients of any make.
//!
//! | file | holds |
//! |---|---|
//! | `prelude.ts` | what is the same for every app: pages, lists, `expand`, problems |
//! | `models` | a model's interfaces |
//! | `routes` | every address with what it takes and answers |

mod models;
mod routes;

use crate::reader::Reader;
use engine::reach::Reached;
use spec::problem::CATALOGUE;
use spec::{App, Model};
use std::collections::HashSet;
use std::fmt::Write as _;

const PRELUDE: &str = include_str!("prelude.ts");

/// The whole file.
pub fn write(app: &App, reader: &Reader) -> String {
    let names = names(app);
    let codes: Vec<String> = CATALOGUE.iter().map(|entry| quoted(entry.name)).collect();
    let mut out = format!(
        "// The API of {}, as `mainstay types` wrote it. Do not edit: write it again when the app has changed.\n\n",
        // The name is one line of printable characters; the loader sees to it.
        app.settings.name
    );
    out.push_str(PRELUDE);
    let _ = write!(
        out,
        "\nexport type ProblemCode =\n  | {};\n",
        codes.join("\n  | ")
    );
    let mut index = String::new();
    for model in &app.models {
        if !reader.reach.model(model.id).is_reached() {
            continue;
        }
        let name = &names[usize::from(model.id.0)];
        models::write(&mut out, app, reader, model, name);
        models::index(&mut index, reader, model, name);
    }
    let _ = write!(
        out,
        "\n/** Every model by its name, with all that is known of it. */\nexport interface Models {{\n{index}}}\n"
    );
    routes::write(&mut out, app, reader, &names);
    out
}

/// `CatalogProducts`, by model; two that would be called alike get an underscore between module and model.
fn names(app: &App) -> Vec<String> {
    let joined = |model: &Model, between: &str| {
        format!(
            "{}{between}{}",
            pascal(&model.module_name),
            pascal(&model.name)
        )
    };
    let mut seen = HashSet::new();
    let mut twice = HashSet::new();
    for model in &app.models {
        let name = joined(model, "");
        if !seen.insert(name.clone()) {
            twice.insert(name);
        }
    }
    app.models
        .iter()
        .map(|model| match twice.contains(&joined(model, "")) {
            true => joined(model, "_"),
            false => joined(model, ""),
        })
        .collect()
}

fn pascal(name: &str) -> String {
    name.split('_')
        .map(|word| {
            let (first, rest) = word.split_at(word.len().min(1));
            first.to_uppercase() + rest
        })
        .collect()
}

fn quoted(text: &str) -> String {
    let mut out = Vec::new();
    spec::json::write_string(&mut out, text);
    String::from_utf8_lossy(&out).into_owned()
}

/// `name` or `name?`
fn key(name: &str, always: bool) -> String {
    match always {
        true => name.to_owned(),
        false => format!("{name}?"),
    }
}

fn is_reached(reached: Reached) -> bool {
    reached > Reached::Never
}
