//! Modules whose tables are there already (`schema = "…"`): what their keys come to, and what does not go with them.

use super::declare::{FieldDecl, ModelDecl, ModuleDecl, TypeDecl};
use super::names;
use super::report::{At, Located, Report};
use crate::existing::{Column, Existing, Native, is_name};
use crate::expr::{Expr, ExprKind, Over, Place};
use crate::model::{Field, FieldId, Model, Rule};
use crate::schema::{OWN, TableName};
use crate::types::FieldType;
use std::collections::{HashMap, HashSet};

/// What is said of tables that are there, and what cannot be said of them.
pub(super) fn check(modules: &[ModuleDecl], report: &mut Report) {
    for module in modules {
        match &module.schema {
            Some(schema) => with_schema(module, schema, report),
            None => without_schema(module, report),
        }
    }
}

fn with_schema(module: &ModuleDecl, schema: &Located<String>, report: &mut Report) {
    check_name(schema, report);
    if schema.value == OWN || schema.value == "information_schema" || is_system(&schema.value) {
        report
            .error(
                schema.at,
                "reserved-name",
                format!("`{}` holds no tables of an app", schema.value),
            )
            .help("name the schema that your tables are in: often `public`");
    }
    let mut seen: HashMap<&str, &str> = HashMap::new();
    for model in &module.models {
        let (name, at) = match &model.table {
            Some(table) => {
                check_name(table, report);
                (table.value.as_str(), table.at)
            }
            None => (model.name.value.as_str(), model.name.at),
        };
        if let Some(other) = seen.insert(name, &model.name.value) {
            report
                .error(
                    at,
                    "contradiction",
                    format!("`{other}` has the table `{name}` already"),
                )
                .help("a table is one model's");
        }
        check_model(model, report);
    }
}

fn is_system(schema: &str) -> bool {
    schema.starts_with("pg_")
}

fn check_model(model: &ModelDecl, report: &mut Report) {
    let beyond = [
        (
            "open",
            model.open.as_ref().filter(|o| o.value).map(|o| o.at),
            "it has no column for undeclared fields",
        ),
        (
            "changes",
            model.changes.as_ref().filter(|c| c.value).map(|c| c.at),
            "others write to it as well, and a log without their writes would have gaps",
        ),
        (
            "renamed_from",
            model.renamed_from.as_ref().map(|old| old.at),
            "Mainstay renames nothing there; say with `table` what the table is called",
        ),
        (
            "search",
            model.search.as_ref().map(|search| search.at),
            "the index of its words would have to follow what others write",
        ),
    ];
    for (key, at, why) in beyond {
        let Some(at) = at else { continue };
        report
            .error(
                at,
                "misplaced-key",
                format!("`{key}` is not for a table that was there before the app: {why}"),
            )
            .help("remove it");
    }
    for said in model.key.iter().chain(&model.key_native) {
        check_name(said, report);
    }
    check_native(model.key_native.as_ref(), None, report);
    let key = model.key.as_ref().map_or("id", |key| key.value.as_str());
    let mut seen: HashMap<&str, &str> = HashMap::from([(key, "id")]);
    for field in &model.fields {
        let (name, at) = match &field.column {
            Some(column) => {
                check_name(column, report);
                (column.value.as_str(), column.at)
            }
            None => (field.name.value.as_str(), field.name.at),
        };
        if let Some(other) = seen.insert(name, &field.name.value) {
            report
                .error(
                    at,
                    "contradiction",
                    format!("`{other}` has the column `{name}` already"),
                )
                .help("a column is one field's");
        }
        check_field(field, report);
    }
}

fn check_field(field: &FieldDecl, report: &mut Report) {
    check_native(field.native.as_ref(), field.ty.as_ref(), report);
    for (key, said) in [
        ("backfill", &field.backfill),
        ("renamed_from", &field.renamed_from),
    ] {
        if let Some(said) = said {
            report
                .error(
                    said.at,
                    "misplaced-key",
                    format!("`{key}` is not for a table that was there before the app"),
                )
                .label("no migration changes that table")
                .help("remove it");
        }
    }
    let time = names::TIMES.contains(&field.name.value.as_str());
    let moment = matches!(&field.ty, Some(TypeDecl::Plain(FieldType::Datetime)) | None);
    if time && !moment {
        report
            .error(
                field.name.at,
                "reserved-name",
                format!("`{}` is a `datetime` wherever it is", field.name.value),
            )
            .help("give the field another name and keep its `column`");
    }
    if let Some(at) = field.computed {
        let given = [
            field.default.as_ref().map(|_| "default"),
            field.check.as_ref().map(|_| "check"),
            field.write.as_ref().map(|_| "write"),
        ];
        for key in given.into_iter().flatten() {
            report
                .error(
                    at,
                    "contradiction",
                    format!(
                        "`{}` is computed by the database, and has a `{key}`",
                        field.name.value
                    ),
                )
                .help("remove one of the two: nothing is ever written to it");
        }
    }
}

fn check_name(name: &Located<String>, report: &mut Report) {
    if !is_name(&name.value) {
        report
            .error(
                name.at,
                "bad-name",
                "PostgreSQL has nothing of such a name: 1 to 63 bytes",
            )
            .help("write it as the database has it, in its own letters and without quotes");
    }
}

fn check_native(native: Option<&Located<String>>, ty: Option<&TypeDecl>, report: &mut Report) {
    let Some(said) = native else { return };
    let Some(native) = Native::parse(&said.value) else {
        report
            .error(said.at, "unknown-value", "this is no name of a type")
            .help("write `citext`, `schema.type`, or `text[]`");
        return;
    };
    let list = matches!(ty, Some(TypeDecl::Plain(FieldType::List { .. })));
    if native.list && !list {
        report
            .error(
                said.at,
                "contradiction",
                "an array is a field of type `list`",
            )
            .help("write `type = \"list\"` with its `items`, or `computed = true` and `type = \"json\"`");
    }
}

/// Words about columns mean nothing where Mainstay makes them.
fn without_schema(module: &ModuleDecl, report: &mut Report) {
    let mut misplaced = |key: &str, at: Option<At>| {
        if let Some(at) = at {
            report
                .error(
                    at,
                    "misplaced-key",
                    format!("`{key}` is about a table that was there before the app"),
                )
                .label("the table of this model is Mainstay's own, and called as the model is")
                .help("remove it, or write `schema = \"…\"` at the top of the module");
        }
    };
    let at = |said: &Option<Located<String>>| said.as_ref().map(|said| said.at);
    for model in &module.models {
        misplaced("table", at(&model.table));
        misplaced("key", at(&model.key));
        misplaced("key_native", at(&model.key_native));
        for field in &model.fields {
            misplaced("column", at(&field.column));
            misplaced("native", at(&field.native));
            misplaced("computed", field.computed);
        }
    }
}

/// The table of a model, where it was there before.
pub(super) fn of_model(module: &ModuleDecl, model: &ModelDecl) -> Option<Existing> {
    let schema = &module.schema.as_ref()?.value;
    let named = |said: &Option<Located<String>>, or: &str| {
        said.as_ref()
            .map_or_else(|| or.to_owned(), |said| said.value.clone())
    };
    Some(Existing {
        table: TableName {
            namespace: schema.clone(),
            name: named(&model.table, &model.name.value),
        },
        key: Column {
            name: named(&model.key, "id"),
            native: native(&model.key_native),
            judged: false,
        },
    })
}

/// A declared field of such a table.
pub(super) fn settle(field: &mut Field, decl: &FieldDecl) {
    field.existing = Some(Column {
        name: decl
            .column
            .as_ref()
            .map_or_else(|| field.name.clone(), |column| column.value.clone()),
        native: native(&decl.native),
        judged: false,
    });
    if decl.computed.is_some() {
        field.computed = true;
        field.system = true;
        // Whether it has a value is the database's affair.
        field.optional = true;
    }
    if names::TIMES.contains(&field.name.as_str()) {
        field.system = true;
        field.immutable = field.name == "created_at";
    }
}

/// Marks the columns that a write is decided on, now that every rule is known.
pub(super) fn judge(models: &mut [Model]) {
    for model in models.iter_mut().filter(|model| model.existing.is_some()) {
        let judged = judged(model);
        for field in &mut model.fields {
            if let Some(column) = &mut field.existing {
                column.judged = judged.contains(&field.id);
            }
        }
    }
}

fn judged(model: &Model) -> HashSet<FieldId> {
    let mut named = HashSet::new();
    let mut add = |rule: &Rule| {
        if let Rule::When(expr) = rule {
            fields_of(expr, &mut named);
        }
    };
    add(&model.access.create);
    add(&model.access.update);
    for field in &model.fields {
        add(&field.write);
    }
    for field in &model.fields {
        if let Some(default) = &field.default {
            fields_of(default, &mut named);
        }
        // A field without a value is not checked, so its own check decides nothing about one that is left out.
        if let Some(check) = &field.check {
            let mut of_check = HashSet::new();
            fields_of(check, &mut of_check);
            of_check.remove(&field.id);
            named.extend(of_check);
        }
    }
    named
}

/// The fields of the record itself that an expression names, also on its way to others.
fn fields_of(expr: &Expr, out: &mut HashSet<FieldId>) {
    expr.walk(&mut |part| match &part.kind {
        ExprKind::Field { place, field, .. } if *place == Place::This => {
            out.insert(*field);
        }
        ExprKind::Field { place, .. }
        | ExprKind::Extra { place, .. }
        | ExprKind::Quantified {
            over: Over::Related { place, .. },
            ..
        } => out.extend(first_hop(place)),
        _ => {}
    });
}

fn first_hop(place: &Place) -> Option<FieldId> {
    match place {
        Place::Follow { base, field, .. } if **base == Place::This => Some(*field),
        Place::Follow { base, .. } => first_hop(base),
        _ => None,
    }
}

fn native(said: &Option<Located<String>>) -> Option<Native> {
    Native::parse(&said.as_ref()?.value)
}
