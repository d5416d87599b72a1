//! Which indexes a model has: those of its unique fields, those it declares, and one for each relation.

use super::declare::{FieldDecl, IndexDecl, ModelDecl};
use super::report::{At, Report};
use super::walk::list;
use crate::model::{FieldId, Index, Model};
use crate::nearest::nearest;
use crate::types::FieldType;
use std::collections::HashSet;

/// Fields of one index.
const MAX_FIELDS: usize = 8;
/// What PostgreSQL's B-tree holds in one entry is 2,704 bytes; a record whose values need more could
/// not be written. Compression may squeeze more in, but nobody can rely on it.
const MAX_BYTES: u64 = 2_600;

pub(super) fn add(
    model: &mut Model,
    decl: &ModelDecl,
    broken: &HashSet<String>,
    report: &mut Report,
) {
    let mut indexes: Vec<Index> = Vec::new();
    for field in &decl.fields {
        let Some(at) = field.unique else { continue };
        let Some(id) = model.field_named(&field.name.value).map(|made| made.id) else {
            continue;
        };
        if can_be_indexed(model, id, at, report) {
            indexes.push(Index {
                fields: vec![id],
                unique: true,
            });
        }
    }
    for declared in &decl.indexes {
        if let Some(index) = read(model, declared, broken, report) {
            if indexes.iter().any(|known| covers(known, &index)) {
                report
                    .error(
                        declared.at,
                        "duplicate-index",
                        "there is such an index already",
                    )
                    .help("remove it; `unique` fields have an index of their own");
                continue;
            }
            indexes.push(index);
        }
    }
    for field in &model.fields {
        let begun = |index: &Index| index.fields.first() == Some(&field.id);
        if field.relation().is_some() && !indexes.iter().any(begun) {
            indexes.push(Index {
                fields: vec![field.id],
                unique: false,
            });
        }
    }
    model.indexes = indexes;
    disclosure(model, decl, report);
}

/// Whether `known` does all that `new` would do.
fn covers(known: &Index, new: &Index) -> bool {
    known.fields == new.fields && (known.unique || !new.unique)
}

fn read(
    model: &Model,
    decl: &IndexDecl,
    broken: &HashSet<String>,
    report: &mut Report,
) -> Option<Index> {
    let mut fields: Vec<FieldId> = Vec::new();
    let mut good = true;
    for name in &decl.fields {
        let Some(field) = model.field_named(&name.value) else {
            if !broken.contains(&name.value) {
                report_unknown(model, &name.value, name.at, report);
            }
            good = false;
            continue;
        };
        if field.hidden || field.name == "id" {
            let why = match field.hidden {
                true => "it changes with every write, and nobody lists by it",
                false => "every index ends in it already",
            };
            report
                .error(
                    name.at,
                    "bad-index",
                    format!("`{}` is not for an index: {why}", field.name),
                )
                .help("leave it out");
            good = false;
        } else if fields.contains(&field.id) {
            report
                .error(
                    name.at,
                    "bad-index",
                    format!("`{}` is in this index already", field.name),
                )
                .help("leave it out");
            good = false;
        } else if can_be_indexed(model, field.id, name.at, report) {
            fields.push(field.id);
        } else {
            good = false;
        }
    }
    if !good {
        return None;
    }
    if fields.len() > MAX_FIELDS {
        report.error(
            decl.at,
            "bad-index",
            format!("an index has at most {MAX_FIELDS} fields"),
        );
        return None;
    }
    let bytes: u64 = fields.iter().map(|id| model.field(*id).ty.widest()).sum();
    if bytes > MAX_BYTES {
        report
            .error(
                decl.at,
                "wide-index",
                format!("an entry could need {bytes} bytes, and an index holds {MAX_BYTES}"),
            )
            .help(
                "lower `max` of its strings (a character is up to 4 bytes), or leave a field out",
            );
        return None;
    }
    Some(Index {
        fields,
        unique: decl.unique,
    })
}

fn report_unknown(model: &Model, name: &str, at: At, report: &mut Report) {
    let known = || {
        model
            .fields
            .iter()
            .filter(|f| !f.hidden && f.name != "id")
            .map(|f| f.name.as_str())
    };
    if model.open && nearest(name, known()).is_none() {
        super::walk::not_built(
            report,
            at,
            &format!("an index on the undeclared `{name}`"),
            "indexes on undeclared fields",
        );
        return;
    }
    let diagnostic = report.error(
        at,
        "unknown-field",
        format!("`{}` has no field `{name}`", model.full_name()),
    );
    if let Some(near) = nearest(name, known()) {
        diagnostic.label(format!("did you mean `{near}`?"));
    }
    diagnostic.help(format!("there are {}", list(known())));
}

/// Whether the values of a field can be kept in order, in an index of both stores.
fn can_be_indexed(model: &Model, id: FieldId, at: At, report: &mut Report) -> bool {
    let field = model.field(id);
    let why = match &field.ty {
        FieldType::Json | FieldType::List { .. } => "its values have no order",
        FieldType::Text { .. } => "it may be longer than an index can hold",
        FieldType::Url if field.ty.widest() > MAX_BYTES => {
            "it may be longer than an index can hold"
        }
        FieldType::String { .. } if field.ty.widest() > MAX_BYTES => {
            "it may be longer than an index can hold"
        }
        _ => return true,
    };
    let diagnostic = report.error(
        at,
        "bad-index",
        format!(
            "`{}`, of type `{}`, cannot be indexed: {why}",
            field.name,
            field.ty.name()
        ),
    );
    match field.ty {
        FieldType::Json => diagnostic.help("declare what is looked up as a field of its own"),
        FieldType::List { .. } => diagnostic.help("keep the items in a model of their own"),
        _ => diagnostic.help("use a `string` with a `max` of at most 600"),
    };
    false
}

/// `disclose` where there is nothing to disclose.
fn disclosure(model: &Model, decl: &ModelDecl, report: &mut Report) {
    if decl.built_in {
        return;
    }
    let unused = |field: &&FieldDecl| {
        model.field_named(&field.name.value).is_some_and(|made| {
            !model
                .indexes
                .iter()
                .any(|index| index.unique && index.fields.contains(&made.id))
        })
    };
    for field in decl.fields.iter().filter(unused) {
        if let Some(at) = field.disclose {
            report
                .warning(
                    at,
                    "no-effect",
                    "`disclose` says something about `unique`, and this field is in nothing unique",
                )
                .help("remove it");
        }
    }
}
