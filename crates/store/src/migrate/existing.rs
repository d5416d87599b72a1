//! Tables that were there before the app: whether they still are what it uses. No step ever touches one.

use super::{Difference, DifferenceKind, Introspected, Part};
use spec::decimal::MAX_DIGITS;
use spec::existing::catalogue::{Class, Column, Index, Kind, OnDelete, Relation, Type};
use spec::existing::{UsedColumn, UsedReference, UsedTable, keeps};
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
            Some(there) => out.extend(undecided(used, column, there)),
        }
    }
    for columns in &used.unique {
        if let Some(why) = not_unique(used, relation, columns) {
            let part = match columns.as_slice() {
                [only] => Part::Column(only.clone()),
                _ => Part::Table,
            };
            out.push(difference(used, part, DifferenceKind::Missing, why));
        }
    }
    for reference in &used.references {
        if let Some(why) = dangles(used, relation, reference) {
            let part = Part::ForeignKey(reference.column.clone());
            out.push(difference(used, part, DifferenceKind::Missing, why));
        }
    }
}

/// A default that comes in behind the back of rules.
fn undecided(used: &UsedTable, column: &UsedColumn, there: &Column) -> Option<Difference> {
    let of_domain = || there.ty.domain.as_ref()?.default.as_deref();
    let default = there.default.as_deref().or_else(of_domain);
    if !column.undecided || default.is_none() && there.identity.is_none() {
        return None;
    }
    let field = format!("{}.{}", used.model, column.field);
    let detail = format!(
        "the database gives it a value of its own ({}), and rules, checks or defaults of what is written name `{field}`, \
         which could not see that value: give the field a `default`, make it required, or drop the column's default",
        default.unwrap_or("an identity")
    );
    let part = Part::Column(column.column.name.clone());
    Some(difference(used, part, DifferenceKind::Mistyped, detail))
}

/// Whether nothing in the table keeps two records from having the same values, and what to do.
fn not_unique(used: &UsedTable, relation: &Relation, columns: &[String]) -> Option<String> {
    let rounded = columns.iter().find(|name| {
        let kept = |one: &&Column| one.name == **name && one.ty.digits.is_none();
        let decimal = |one: &UsedColumn| {
            one.column.name == **name && matches!(one.ty, ColumnType::Decimal { .. })
        };
        used.columns.iter().any(decimal) && relation.columns.iter().any(|one| kept(&one))
    });
    if let Some(name) = rounded {
        return Some(format!(
            "`{}` says that {name} is unique, and it is shown rounded, so that two may look alike: remove `unique`",
            used.model
        ));
    }
    // Fewer columns that are unique by themselves are so together with others.
    let among = |name: &Option<String>| name.as_ref().is_some_and(|name| columns.contains(name));
    let holds = |index: &Index| {
        index.unique && index.valid && !index.partial && index.columns.iter().all(among)
    };
    let by_key = !relation.key.is_empty() && relation.key.iter().all(|name| columns.contains(name));
    (!by_key && !relation.indexes.iter().any(holds)).then(|| {
        let listed = columns.join(", ");
        format!(
            "`{}` says that no two records have the same {listed}, and no unique index of the table does: remove \
             `unique`, or create one on ({listed})",
            used.model
        )
    })
}

/// Whether nothing in the database keeps a reference from outliving its target, and what to do.
fn dangles(used: &UsedTable, relation: &Relation, reference: &UsedReference) -> Option<String> {
    let field = format!("{}.{}", used.model, reference.field);
    let to = super::dotted(&reference.to);
    let found = relation.references.iter().find(|one| {
        one.columns == [reference.column.as_str()]
            && one.to == reference.to
            && one.to_columns == [reference.to_column.as_str()]
    });
    match found {
        None => Some(format!(
            "`{field}` is a relation, and no foreign key of the table leads to {to} ({}): add one, or give the field the \
             type of its values instead",
            reference.to_column
        )),
        Some(found) if reference.restricts && found.on_delete == OnDelete::Cascade => {
            Some(format!(
                "`{field}` keeps its target from being deleted, and the database deletes these rows along (ON DELETE CASCADE): \
             write `on_delete = \"cascade\"`"
            ))
        }
        Some(_) => None,
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
