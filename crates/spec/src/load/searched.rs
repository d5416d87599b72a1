//! Which fields of a model `?search=` looks in.

use super::declare::ModelDecl;
use super::report::Report;
use super::walk::list;
use crate::model::{Field, FieldId, Model};
use crate::nearest::nearest;
use crate::types::FieldType;
use std::collections::HashSet;

/// Fields of one search: each weighs twice as much as the next, and each is a column of an index.
const MAX_FIELDS: usize = 8;

pub(super) fn add(
    model: &mut Model,
    decl: &ModelDecl,
    broken: &HashSet<String>,
    report: &mut Report,
) {
    let Some(search) = &decl.search else { return };
    let mut fields: Vec<FieldId> = Vec::new();
    for name in &search.value {
        let Some(field) = model.field_named(&name.value) else {
            if !broken.contains(&name.value) {
                report_unknown(model, &name.value, name.at, report);
            }
            continue;
        };
        if !has_words(field) {
            report
                .error(
                    name.at,
                    "bad-search",
                    format!("`{}` has no words to search for", field.name),
                )
                .help("search looks in fields of the types `string`, `text`, `email` and `url`; `filter` compares the others");
        } else if fields.contains(&field.id) {
            report
                .error(
                    name.at,
                    "bad-search",
                    format!("`{}` is searched already", field.name),
                )
                .help("leave it out");
        } else {
            fields.push(field.id);
        }
    }
    if search.value.is_empty() {
        report
            .error(search.at, "bad-search", "there is no field to search")
            .help("name the fields, as in `search = [\"name\", \"description\"]`, or leave `search` out");
    }
    if fields.len() > MAX_FIELDS {
        report
            .error(
                search.at,
                "too-many",
                format!("a search looks in at most {MAX_FIELDS} fields"),
            )
            .help("leave out those that people do not search for");
    }
    model.search = fields;
}

fn has_words(field: &Field) -> bool {
    matches!(
        field.ty,
        FieldType::String { .. } | FieldType::Text { .. } | FieldType::Email | FieldType::Url
    )
}

fn report_unknown(model: &Model, name: &str, at: super::report::At, report: &mut Report) {
    let known = || {
        let fields = model.fields.iter().filter(|field| has_words(field));
        fields.map(|field| field.name.as_str())
    };
    let diagnostic = report.error(
        at,
        "unknown-field",
        format!("`{}` has no field `{name}`", model.full_name()),
    );
    if let Some(near) = nearest(name, known()) {
        diagnostic.label(format!("did you mean `{near}`?"));
    }
    if known().next().is_some() {
        diagnostic.help(format!("what can be searched is {}", list(known())));
    }
}
