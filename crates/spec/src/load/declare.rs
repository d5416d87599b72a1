//! `module.toml` → declarations: what somebody wrote, each thing with its place, before any of it is
//! compared with anything outside its own table.

use super::foreign;
use super::keys::{self, Kind};
use super::names;
use super::report::{At, Located, Report};
use super::walk::{Entries, Number, choice, list, not_built};
use crate::diagnostic::FileId;
use crate::model::KeyKind;
use crate::nearest::nearest;
use crate::types::{FieldType, ItemType};
use crate::value::MAX_INT;
use std::collections::HashSet;
use std::sync::Arc;
use toml::de::DeTable;

#[derive(Debug)]
pub(super) struct ModuleDecl {
    pub name: String,
    /// Where its tables are already.
    pub schema: Option<Located<String>>,
    pub models: Vec<ModelDecl>,
}

#[derive(Debug)]
pub(super) struct ModelDecl {
    pub name: Located<String>,
    /// Declared by Mainstay itself; warnings about it would help nobody.
    pub built_in: bool,
    pub id: Option<Located<KeyKind>>,
    pub open: Option<Located<bool>>,
    pub changes: Option<Located<bool>>,
    pub renamed_from: Option<Located<String>>,
    pub table: Option<Located<String>>,
    pub key: Option<Located<String>>,
    pub key_native: Option<Located<String>>,
    pub fields: Vec<FieldDecl>,
    pub access: AccessDecl,
    pub indexes: Vec<IndexDecl>,
    pub search: Option<Located<Vec<Located<String>>>>,
}

/// Expressions as they were written.
#[derive(Debug, Default)]
pub(super) struct AccessDecl {
    pub read: Option<Located<String>>,
    pub create: Option<Located<String>>,
    pub update: Option<Located<String>>,
    pub delete: Option<Located<String>>,
}

#[derive(Debug)]
pub(super) struct IndexDecl {
    pub at: At,
    pub fields: Vec<Located<String>>,
    pub unique: bool,
}

#[derive(Debug)]
pub(super) struct FieldDecl {
    pub name: Located<String>,
    /// None where the declaration is wrong: the name is known, and nothing else.
    pub ty: Option<TypeDecl>,
    pub optional: bool,
    pub unique: Option<At>,
    pub disclose: Option<At>,
    pub immutable: bool,
    pub default: Option<Located<String>>,
    pub backfill: Option<Located<String>>,
    pub renamed_from: Option<Located<String>>,
    pub column: Option<Located<String>>,
    pub native: Option<Located<String>>,
    pub computed: Option<At>,
    pub check: Option<Located<String>>,
    pub read: Option<Located<String>>,
    pub write: Option<Located<String>>,
}

#[derive(Debug)]
pub(super) enum TypeDecl {
    Plain(FieldType),
    Relation {
        to: Located<String>,
        on_delete: Option<Located<String>>,
        inverse: Option<Located<String>>,
    },
}

/// Columns of one table: PostgreSQL takes 1,600 and SQLite 2,000, and neither is wise.
const MAX_FIELDS: usize = 500;

pub(super) fn read(
    module: String,
    table: &DeTable<'_>,
    file: FileId,
    built_in: bool,
    report: &mut Report,
) -> ModuleDecl {
    let entries = Entries::open(table, &keys::MODULE, file, report);
    let schema = entries.text("schema");
    let existing = schema.is_some();
    let models = entries
        .named("models")
        .into_iter()
        .map(|(name, table)| {
            let name = owned(name);
            if !built_in {
                names::check_model(&module, &name, report);
            }
            read_model(name, table, file, (built_in, existing), report)
        })
        .collect();
    ModuleDecl {
        name: module,
        schema,
        models,
    }
}

fn owned(name: Located<&str>) -> Located<String> {
    Located {
        value: name.value.to_owned(),
        at: name.at,
    }
}

fn read_model(
    name: Located<String>,
    table: &DeTable<'_>,
    file: FileId,
    (built_in, existing): (bool, bool),
    report: &mut Report,
) -> ModelDecl {
    let entries = Entries::of(&name.value, table, &keys::MODEL, file, report);
    let id = entries.text("id").map(|id| Located {
        value: match id.value.as_str() {
            "int" => KeyKind::Int,
            "string" => KeyKind::String,
            _ => KeyKind::Uuid,
        },
        at: id.at,
    });
    let mut fields = Vec::new();
    for (field, table) in entries.named("fields") {
        let field = owned(field);
        names::check_field(&field, existing, report);
        if fields.len() == MAX_FIELDS {
            report
                .error(
                    field.at,
                    "too-many",
                    format!("a model has at most {MAX_FIELDS} fields"),
                )
                .help("keep rarely used values in a `json` field, or in a model of their own");
            break;
        }
        fields.push(read_field(field, table, file, report));
    }
    ModelDecl {
        name,
        built_in,
        id,
        open: entries.bool("open"),
        changes: entries.bool("changes"),
        renamed_from: entries.text("renamed_from"),
        table: entries.text("table"),
        key: entries.text("key"),
        key_native: entries.text("key_native"),
        fields,
        access: read_access(&entries, file, report),
        indexes: read_indexes(&entries, file, report),
        search: entries.texts("search"),
    }
}

fn shape_of(name: &str) -> Option<&'static keys::Table> {
    match keys::MODEL.key(name)?.kind {
        Kind::Table(shape) | Kind::Tables(shape) | Kind::Named(shape) => Some(shape),
        _ => None,
    }
}

fn read_access(model: &Entries<'_>, file: FileId, report: &mut Report) -> AccessDecl {
    let (Some(table), Some(shape)) = (model.table("access"), shape_of("access")) else {
        return AccessDecl::default();
    };
    let access = Entries::open(table.value, shape, file, report);
    AccessDecl {
        read: access.text("read"),
        create: access.text("create"),
        update: access.text("update"),
        delete: access.text("delete"),
    }
}

fn read_indexes(model: &Entries<'_>, file: FileId, report: &mut Report) -> Vec<IndexDecl> {
    let Some(shape) = shape_of("indexes") else {
        return Vec::new();
    };
    let mut indexes = Vec::new();
    for table in model.tables("indexes") {
        let entries = Entries::open(table.value, shape, file, report);
        let fields = entries.texts("fields");
        if !entries.has("fields")
            || fields
                .as_ref()
                .is_some_and(|fields| fields.value.is_empty())
        {
            report
                .error(
                    fields.map_or(table.at, |fields| fields.at),
                    "missing-key",
                    "an index needs `fields`",
                )
                .help("write `fields = [\"…\"]` with the fields in their order");
            continue;
        }
        let Some(fields) = fields else { continue };
        indexes.push(IndexDecl {
            at: fields.at,
            fields: fields.value,
            unique: entries.bool("unique").is_some_and(|unique| unique.value),
        });
    }
    indexes
}

fn read_field(
    name: Located<String>,
    table: &DeTable<'_>,
    file: FileId,
    report: &mut Report,
) -> FieldDecl {
    let entries = Entries::of(&name.value, table, &keys::FIELD, file, report);
    let set = |name: &str| {
        entries
            .bool(name)
            .filter(|flag| flag.value)
            .map(|flag| flag.at)
    };
    FieldDecl {
        ty: read_type(&name, &entries, report),
        optional: set("optional").is_some(),
        unique: set("unique"),
        disclose: set("disclose"),
        immutable: set("immutable").is_some(),
        default: entries.text("default"),
        backfill: entries.text("backfill"),
        renamed_from: entries.text("renamed_from"),
        column: entries.text("column"),
        native: entries.text("native"),
        computed: set("computed"),
        check: entries.text("check"),
        read: entries.text("read"),
        write: entries.text("write"),
        name,
    }
}

fn read_type(
    name: &Located<String>,
    entries: &Entries<'_>,
    report: &mut Report,
) -> Option<TypeDecl> {
    let Some(ty) = entries.text("type") else {
        if !entries.has("type") {
            report
                .error(
                    name.at,
                    "missing-key",
                    format!("`{}` has no `type`", name.value),
                )
                .help(format!("add `type = \"…\"`: {}", choice(type_names())));
        }
        return None;
    };
    if !type_names().any(|known| known == ty.value) {
        report_unknown_type(&ty, report);
        return None;
    }
    for (key, at) in entries.keys() {
        if !key.types.is_empty() && !key.types.contains(&ty.value.as_str()) {
            report_misplaced(key, at, &ty.value, report);
        }
    }
    Some(TypeDecl::Plain(match ty.value.as_str() {
        "string" => FieldType::String {
            max: length(entries, 255, 10_000, report),
        },
        "text" => FieldType::Text {
            max: length(entries, 100_000, 10_000_000, report),
        },
        "email" => FieldType::Email,
        "url" => FieldType::Url,
        "enum" => FieldType::Enum {
            values: values(name, entries, report)?,
        },
        "int" => int_bounds(entries, report),
        "float" => float_bounds(entries, report),
        "decimal" => FieldType::Decimal {
            scale: scale(name, entries, report)?,
        },
        "bool" => FieldType::Bool,
        "datetime" => FieldType::Datetime,
        "date" => FieldType::Date,
        "uuid" => FieldType::Uuid,
        "json" => FieldType::Json,
        "list" => FieldType::List {
            items: items(name, entries, report)?,
            max: length(entries, 1_000, 10_000, report),
        },
        _ => return relation(name, entries, report),
    }))
}

fn type_names() -> impl Iterator<Item = &'static str> {
    keys::TYPES.iter().map(|(name, _)| *name)
}

fn report_unknown_type(ty: &Located<String>, report: &mut Report) {
    if let Some(designed) = keys::DESIGNED_TYPES.iter().find(|d| d.name == ty.value) {
        not_built(
            report,
            ty.at,
            &format!("the type `{}`", ty.value),
            designed.what,
        );
        return;
    }
    let foreign = foreign::TYPES
        .iter()
        .find(|(theirs, _)| *theirs == ty.value.to_lowercase())
        .map(|(_, ours)| *ours);
    let diagnostic = report.error(
        ty.at,
        "unknown-type",
        format!("`{}` is not a type", ty.value),
    );
    if let Some(help) = foreign::relation_type(&ty.value) {
        diagnostic.help(help);
        return;
    }
    if let Some(near) = foreign.or_else(|| nearest(&ty.value, type_names())) {
        diagnostic.label(format!("did you mean `{near}`?"));
    }
    diagnostic.help(format!("write {}", choice(type_names())));
}

fn report_misplaced(key: &keys::Key, at: At, ty: &str, report: &mut Report) {
    let diagnostic = report.error(
        at,
        "misplaced-key",
        format!("`{}` is not for a field of type `{ty}`", key.name),
    );
    match (key.name, ty) {
        ("min", "string" | "text") => {
            diagnostic.help("write `check = \"size(…) >= …\"` for a least length")
        }
        ("min" | "max", "decimal") => diagnostic.help("write a check: `check = \"… >= 0.0\"`"),
        _ => diagnostic.help(format!("it goes with {}", list(key.types.iter().copied()))),
    };
}

fn missing(name: &Located<String>, ty: &str, key: &str, example: &str, report: &mut Report) {
    report
        .error(
            name.at,
            "missing-key",
            format!("`{}` is a field of type `{ty}` without `{key}`", name.value),
        )
        .help(format!("add `{key} = {example}`"));
}

fn length(entries: &Entries<'_>, default: u32, most: u32, report: &mut Report) -> u32 {
    let Some(max) = entries.number("max") else {
        return default;
    };
    match max.value {
        Number::Int(n) if (1..=i64::from(most)).contains(&n) => n as u32,
        _ => {
            report.error(
                max.at,
                "out-of-range",
                format!("`max` here is a whole number from 1 to {most}"),
            );
            default
        }
    }
}

fn int_bounds(entries: &Entries<'_>, report: &mut Report) -> FieldType {
    let mut bound = |name: &str| {
        let bound = entries.number(name)?;
        match bound.value {
            Number::Int(n) if (-MAX_INT..=MAX_INT).contains(&n) => Some((n, bound.at)),
            _ => {
                report.error(
                    bound.at,
                    "out-of-range",
                    format!("`{name}` of an `int` is a whole number within ±(2^53 − 1)"),
                );
                None
            }
        }
    };
    let (min, max) = (bound("min"), bound("max"));
    if let (Some((min, _)), Some((max, at))) = (min, max)
        && min > max
    {
        report.error(
            at,
            "contradiction",
            "`max` is less than `min`: no value would fit",
        );
    }
    FieldType::Int {
        min: min.map(|(n, _)| n),
        max: max.map(|(n, _)| n),
    }
}

fn float_bounds(entries: &Entries<'_>, report: &mut Report) -> FieldType {
    let bound = |name: &str| {
        let bound = entries.number(name)?;
        let value = match bound.value {
            Number::Int(n) => n as f64,
            Number::Float(f) => f,
        };
        Some((value, bound.at))
    };
    let (min, max) = (bound("min"), bound("max"));
    if let (Some((min, _)), Some((max, at))) = (min, max)
        && min > max
    {
        report.error(
            at,
            "contradiction",
            "`max` is less than `min`: no value would fit",
        );
    }
    FieldType::Float {
        min: min.map(|(n, _)| n),
        max: max.map(|(n, _)| n),
    }
}

fn scale(name: &Located<String>, entries: &Entries<'_>, report: &mut Report) -> Option<u8> {
    if !entries.has("scale") {
        missing(name, "decimal", "scale", "2", report);
    }
    u8::try_from(entries.int("scale")?.value).ok()
}

fn items(name: &Located<String>, entries: &Entries<'_>, report: &mut Report) -> Option<ItemType> {
    if !entries.has("items") {
        missing(name, "list", "items", "\"string\"", report);
    }
    Some(match entries.text("items")?.value.as_str() {
        "int" => ItemType::Int,
        "float" => ItemType::Float,
        "bool" => ItemType::Bool,
        _ => ItemType::String,
    })
}

const MAX_VALUES: usize = 500;
const MAX_VALUE: usize = 100;

fn values(
    name: &Located<String>,
    entries: &Entries<'_>,
    report: &mut Report,
) -> Option<Arc<[Arc<str>]>> {
    if !entries.has("values") {
        missing(name, "enum", "values", "[\"…\", \"…\"]", report);
    }
    let values = entries.texts("values")?;
    if values.value.is_empty() || values.value.len() > MAX_VALUES {
        report.error(
            values.at,
            "out-of-range",
            format!("an `enum` has from 1 to {MAX_VALUES} values"),
        );
        return None;
    }
    let mut seen = HashSet::new();
    for value in &values.value {
        if !seen.insert(value.value.as_str()) {
            report.error(
                value.at,
                "duplicate-value",
                format!("`{}` is among the values already", value.value),
            );
        }
        let fits = !value.value.is_empty()
            && value.value.chars().count() <= MAX_VALUE
            && !value.value.chars().any(char::is_control);
        if !fits {
            report.error(
                value.at,
                "bad-value",
                format!("a value of an `enum` is 1 to {MAX_VALUE} printable characters"),
            );
        }
    }
    Some(
        values
            .value
            .iter()
            .map(|value| Arc::from(value.value.as_str()))
            .collect(),
    )
}

fn relation(
    name: &Located<String>,
    entries: &Entries<'_>,
    report: &mut Report,
) -> Option<TypeDecl> {
    if !entries.has("to") {
        missing(name, "relation", "to", "\"…\"", report);
    }
    let inverse = entries.text("inverse");
    if let Some(inverse) = &inverse {
        names::check_inverse(inverse, report);
    }
    Some(TypeDecl::Relation {
        to: entries.text("to")?,
        on_delete: entries.text("on_delete"),
        inverse,
    })
}
