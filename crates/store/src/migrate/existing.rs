//! Tables that were there before the app: whether they still are what it uses. No step ever touches one.

use super::{Difference, DifferenceKind, Introspected, Part};
use spec::decimal::MAX_DIGITS;
use spec::existing::catalogue::{Class, Kind, Relation, Type};
use spec::existing::{UsedColumn, UsedTable, keeps};
use spec::schema::{OWN, Schema, TableName};
use spec::{ColumnType, Dialect};

const MEND: &str = "mend the model, or write the module anew with `mainstay introspect`";

pub(super) fn differences(
    found: &Introspected,
    wanted: &Schema,
    dialect: Dialect,
) -> Vec<Difference> {
    let mut out = Vec::new();
    for used in &wanted.existing {
        if dialect == Dialect::Sqlite {
            let detail = format!(
                "`{}` is kept in a table of a PostgreSQL database that was there before: name that database, or remove \
                 `schema` and `table` for a table of Mainstay's own",
                used.model
            );
            out.push(missing(used, Part::Table, detail));
            continue;
        }
        let relation = found
            .existing
            .relations
            .iter()
            .find(|one| one.name == used.name);
        match relation {
            None => {
                let detail = format!(
                    "`{}` is kept in this table, which is gone: {MEND}",
                    used.model
                );
                out.push(missing(used, Part::Table, detail));
            }
            Some(relation) => table(used, relation, &mut out),
        }
    }
    if !wanted.existing.is_empty() {
        strangers(found, &mut out);
    }
    out
}

fn missing(used: &UsedTable, part: Part, detail: String) -> Difference {
    difference(used, part, DifferenceKind::Missing, detail)
}

fn difference(used: &UsedTable, part: Part, kind: DifferenceKind, detail: String) -> Difference {
    Difference {
        table: used.name.clone(),
        part,
        kind,
        blocking: true,
        detail,
    }
}

fn table(used: &UsedTable, relation: &Relation, out: &mut Vec<Difference>) {
    match relation.kind {
        Kind::Table | Kind::Partitioned | Kind::Partition | Kind::Child => {}
        Kind::View | Kind::MaterializedView | Kind::Foreign => {
            let detail = format!("`{}` needs a table, and this is none: {MEND}", used.model);
            out.push(difference(
                used,
                Part::Table,
                DifferenceKind::Mistyped,
                detail,
            ));
            return;
        }
    }
    if relation.key != used.key {
        let detail = format!(
            "the key is ({}) and should be ({}): {MEND}",
            relation.key.join(", "),
            used.key.join(", ")
        );
        out.push(difference(
            used,
            Part::Key,
            DifferenceKind::Mistyped,
            detail,
        ));
    }
    for column in &used.columns {
        let part = Part::Column(column.column.name.clone());
        let there = relation
            .columns
            .iter()
            .find(|one| one.name == column.column.name);
        match there {
            None => {
                let detail = format!(
                    "`{}.{}` is kept in this column, which is gone: {MEND}",
                    used.model, column.field
                );
                out.push(missing(used, part, detail));
            }
            Some(there) if !fits(column, &there.ty) => {
                let mend = decimal(column, &there.ty).unwrap_or_else(|| MEND.to_owned());
                let detail = format!(
                    "the column is {}, which `{}.{}` is not kept as: {mend}",
                    there.ty.shown, used.model, column.field
                );
                out.push(difference(used, part, DifferenceKind::Mistyped, detail));
            }
            Some(_) => {}
        }
    }
}

fn fits(column: &UsedColumn, ty: &Type) -> bool {
    match &column.column.native {
        Some(native) => native.list == ty.array && native.ty == ty.name && has_digits(column, ty),
        // As whatever the type prints.
        None if column.computed && matches!(column.ty, ColumnType::Text | ColumnType::Json) => true,
        None => {
            let built_in = ty.name.namespace == "pg_catalog" && ty.class == Class::Base;
            built_in && !ty.array && keeps(column.ty, &ty.name.name) && has_digits(column, ty)
        }
    }
}

/// A decimal has the column's digits behind the point, all of them and no others: fewer would be shown rounded, and more
/// would be rounded where they are kept. Of a column without a scale, or with more than 18 digits, it is said (`native`)
/// that a field shows the nearest decimal.
fn has_digits(column: &UsedColumn, ty: &Type) -> bool {
    let ColumnType::Decimal { scale } = column.ty else {
        return true;
    };
    match (ty.digits, &column.column.native) {
        (Some((digits, behind)), None) => behind == i32::from(scale) && digits <= MAX_DIGITS,
        (Some((_, behind)), Some(_)) => behind == i32::from(scale),
        (None, native) => native.is_some(),
    }
}

/// How a decimal of other digits is mended.
fn decimal(column: &UsedColumn, ty: &Type) -> Option<String> {
    let ColumnType::Decimal { scale } = column.ty else {
        return None;
    };
    if ty.array || ty.name != TableName::new("pg_catalog", "numeric") {
        return None;
    }
    match ty.digits {
        Some((_, behind)) if behind != i32::from(scale) => {
            Some(format!("give the field `scale = {behind}`"))
        }
        _ => Some(
            "give the field `native = \"numeric\"`, which shows the nearest decimal of 18 digits"
                .to_owned(),
        ),
    }
}

/// Tables where Mainstay makes its own, and that it did not make: it would take them for its own.
fn strangers(found: &Introspected, out: &mut Vec<Difference>) {
    for table in &found.tables {
        let known = table.columns.iter().any(|one| one.recorded.is_some());
        if known || table.name.namespace == OWN {
            continue;
        }
        let namespace = &table.name.namespace;
        out.push(Difference {
            table: table.name.clone(),
            part: Part::Table,
            kind: DifferenceKind::Extra,
            blocking: true,
            detail: format!(
                "it was there before, in the schema {namespace:?} that Mainstay makes for its module of that name: rename \
                 that schema (`ALTER SCHEMA … RENAME TO …`), or the module"
            ),
        });
    }
}
