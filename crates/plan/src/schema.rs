//! Models → the tables they want. The names on disk are the names of the design (§5). Tables that were there before are
//! none of them: what a model uses of one is only told.

use spec::existing::{UsedColumn, UsedReference, UsedTable};
use spec::schema::{Column, ForeignKey, Schema, Table, TableIndex, TableName, change_log};
use spec::types::{ColumnType, FieldType};
use spec::{App, Domain, Field, FieldId, Index, KeyKind, Model, OnDelete, Value};
use std::collections::HashMap;

/// The column that keeps an open model's undeclared fields. No field can be called so.
pub const EXTRA: &str = "_extra";

/// Every table of an app: its models', the change log, and the answers that are kept. Private tables of other rooms
/// are added by them.
pub fn schema(app: &App) -> Schema {
    let own = app.models.iter().filter(|model| model.existing.is_none());
    let mut tables: Vec<Table> = own.map(|model| table(app, model)).collect();
    tell_apart(&mut tables);
    tables.push(change_log());
    tables.push(crate::idempotency::table());
    Schema {
        tables,
        existing: app
            .models
            .iter()
            .filter_map(|model| used(app, model))
            .collect(),
        data_steps: app.data_steps.clone(),
    }
}

/// What a model uses of a table that was there before.
fn used(app: &App, model: &Model) -> Option<UsedTable> {
    let existing = model.existing.as_ref()?;
    let key = UsedColumn {
        field: "id".to_owned(),
        column: existing.key.clone(),
        ty: model.key.column(),
        computed: false,
        undecided: false,
    };
    let fields = model.fields.iter().filter_map(|field| {
        Some(UsedColumn {
            field: field.name.clone(),
            column: field.existing.clone()?,
            ty: field.ty.column(),
            computed: field.computed,
            undecided: field.existing.as_ref().is_some_and(|column| column.judged)
                && field.optional
                && field.default.is_none()
                && !field.system,
        })
    });
    let unique = model.indexes.iter().filter(|index| index.unique);
    let columns = |index: &Index| {
        let name = |field: &FieldId| model.column(*field).to_owned();
        index.fields.iter().map(name).collect()
    };
    let references = model.fields.iter().filter_map(|field| {
        let relation = field.relation()?;
        let to = app.model(relation.to);
        Some(UsedReference {
            field: field.name.clone(),
            column: field.existing.as_ref()?.name.clone(),
            to: to
                .existing
                .as_ref()
                .filter(|_| to.module == model.module)?
                .table
                .clone(),
            to_column: to.key_column().to_owned(),
            restricts: relation.on_delete == OnDelete::Restrict,
        })
    });
    Some(UsedTable {
        name: existing.table.clone(),
        model: model.full_name(),
        key: vec![existing.key.name.clone()],
        columns: std::iter::once(key).chain(fields).collect(),
        unique: unique.map(columns).collect(),
        references: references.collect(),
    })
}

pub fn table_name(model: &Model) -> TableName {
    TableName::new(&model.module_name, &model.name)
}

fn table(app: &App, model: &Model) -> Table {
    let mut columns: Vec<Column> = model.fields.iter().map(column).collect();
    if model.open {
        columns.push(Column {
            backfill: Some(Value::Json("{}".into())),
            ..Column::new(EXTRA, ColumnType::Json, false)
        });
    }
    let foreign_keys = model
        .fields
        .iter()
        .filter_map(|f| f.relation().map(|r| (f, app.model(r.to))))
        .filter(|(_, to)| to.module == model.module)
        .map(|(f, to)| ForeignKey {
            column: f.name.clone(),
            to: table_name(to),
        })
        .collect();
    Table {
        name: table_name(model),
        columns,
        key: vec!["id".to_owned()],
        assigned_key: model.key == KeyKind::Int,
        indexes: indexes(model),
        foreign_keys,
        renamed_from: model.renamed_from.clone(),
        search: model
            .search
            .iter()
            .map(|field| model.field(*field).name.clone())
            .collect(),
    }
}

fn column(field: &Field) -> Column {
    Column {
        backfill: backfill(field),
        domain: Domain::of(&field.ty),
        renamed_from: field.renamed_from.clone(),
        ..Column::new(&field.name, field.ty.column(), field.optional)
    }
}

/// What rows that exist already get when a required field is added: its backfill, or its default, where that is a
/// constant.
fn backfill(field: &Field) -> Option<Value> {
    if field.name == "version" {
        return Some(Value::Int(1));
    }
    let default = || match &field.default.as_ref()?.kind {
        spec::expr::ExprKind::Literal(value) if !value.is_null() => Some(value),
        _ => None,
    };
    Some(
        match (field.backfill.as_ref().or_else(default)?, &field.ty) {
            (Value::Decimal(d), FieldType::Decimal { scale }) => Value::Decimal(d.rescale(*scale)?),
            (value, _) => value.clone(),
        },
    )
}

fn indexes(model: &Model) -> Vec<TableIndex> {
    model
        .indexes
        .iter()
        .map(|index| table_index(model, index))
        .collect()
}

fn table_index(model: &Model, index: &Index) -> TableIndex {
    let mut columns: Vec<String> = index
        .fields
        .iter()
        .map(|f| model.field(*f).name.clone())
        .collect();
    let suffix = if index.unique { "key" } else { "idx" };
    let name = index_name(&model.name, &columns, suffix);
    if !index.unique && columns.last().is_none_or(|last| last != "id") {
        columns.push("id".to_owned());
    }
    TableIndex {
        name,
        columns,
        unique: index.unique,
    }
}

/// `products_category_price_idx`, cut with a hash where it would exceed PostgreSQL's 63 bytes.
fn index_name(model: &str, columns: &[String], suffix: &str) -> String {
    let full = format!("{model}_{}_{suffix}", columns.join("_"));
    match full.len() {
        0..=63 => full,
        _ => hashed(&full, &full, suffix),
    }
}

/// As much of a name as there is room for, and a hash of what it stands for.
fn hashed(name: &str, of: &str, suffix: &str) -> String {
    // FNV-1a: stable across versions and platforms, which the standard hasher does not promise.
    let hash = of.bytes().fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
        (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
    });
    // Names of models and fields are ASCII.
    let room = name.len().min(48);
    format!("{}_{:08x}_{suffix}", &name[..room], hash as u32)
}

/// `team.member_code` and `team_member.code` want an index of the same name, which a module has once.
fn tell_apart(tables: &mut [Table]) {
    let mut wanted: HashMap<(String, String), usize> = HashMap::new();
    for table in tables.iter() {
        for index in &table.indexes {
            let name = (table.name.namespace.clone(), index.name.clone());
            *wanted.entry(name).or_default() += 1;
        }
    }
    for table in tables {
        for index in &mut table.indexes {
            let name = (table.name.namespace.clone(), index.name.clone());
            if wanted.get(&name).is_some_and(|count| *count > 1) {
                let of = format!("{}.{}", table.name.name, index.columns.join("."));
                let suffix = if index.unique { "key" } else { "idx" };
                let name = index.name.trim_end_matches(suffix).trim_end_matches('_');
                index.name = hashed(name, &of, suffix);
            }
        }
    }
}
