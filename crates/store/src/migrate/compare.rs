//! What was found against what is wanted.

use super::{
    ByHand, Ddl, Difference, DifferenceKind, FoundColumn, FoundTable, Introspected, Label, Part,
    Plan, PlanStep,
};
use spec::ColumnType;
use spec::schema::{Column, Schema, Table};
use std::collections::BTreeSet;

const NOT_YET: &str = "it cannot be migrated yet";

/// The column of an open model's undeclared fields, as `plan` calls it.
const EXTRA: &str = "_extra";

/// What a person does where a plan cannot.
fn way_out(table: &Table, change: ByHand<'_>, ddl: &dyn Ddl) -> String {
    let sql = ddl.by_hand(table, change);
    if sql.is_empty() {
        return format!(
            "{NOT_YET}: while you develop, remove the folder .mainstay to begin with empty tables"
        );
    }
    format!("{NOT_YET}; run by hand: {};", sql.join("; "))
}

/// Compares, and plans what can be done. Planning against the outcome of a plan gives an empty one.
pub fn plan(found: &Introspected, wanted: &Schema, ddl: &dyn Ddl) -> Plan {
    let mut plan = Plan::default();
    namespaces(found, wanted, ddl, &mut plan);
    let (known, new): (Vec<&Table>, Vec<&Table>) = wanted
        .tables
        .iter()
        .partition(|table| find(found, table).is_some());
    create(&new, ddl, &mut plan);
    for table in known {
        if let Some(current) = find(found, table) {
            bring_up(current, table, ddl, &mut plan);
        }
    }
    for table in &found.tables {
        if !wanted.tables.iter().any(|one| one.name == table.name) {
            plan.differences.push(Difference {
                table: table.name.clone(),
                part: Part::Table,
                kind: DifferenceKind::Extra,
                blocking: false,
                detail: format!(
                    "no model has this table; {NOT_YET}, drop it by hand if it is no longer needed"
                ),
            });
        }
    }
    plan
}

fn find<'a>(found: &'a Introspected, table: &Table) -> Option<&'a FoundTable> {
    found.tables.iter().find(|one| one.name == table.name)
}

fn namespaces(found: &Introspected, wanted: &Schema, ddl: &dyn Ddl, plan: &mut Plan) {
    let wanted: BTreeSet<&str> = wanted
        .tables
        .iter()
        .map(|table| table.name.namespace.as_str())
        .collect();
    for namespace in wanted {
        if found.namespaces.iter().any(|one| one == namespace) {
            continue;
        }
        let sql = ddl.create_namespace(namespace);
        if !sql.is_empty() {
            plan.steps
                .push(step(Label::Safe, format!("create schema {namespace}"), sql));
        }
    }
}

/// Tables first and references after, where they cannot be part of the table: models may refer to each other.
fn create(new: &[&Table], ddl: &dyn Ddl, plan: &mut Plan) {
    for table in new {
        let mut sql = ddl.create_table(table);
        for index in &table.indexes {
            sql.extend(ddl.create_index(&table.name, index));
        }
        plan.steps.push(step(
            Label::Safe,
            format!("create table {}", name(table)),
            sql,
        ));
    }
    if ddl.inline_foreign_keys() {
        return;
    }
    for table in new {
        for key in &table.foreign_keys {
            plan.steps.push(step(
                Label::Safe,
                format!(
                    "add reference {}.{} to {}.{}",
                    name(table),
                    key.column,
                    key.to.namespace,
                    key.to.name
                ),
                ddl.add_foreign_key(table, key),
            ));
        }
    }
}

fn bring_up(current: &FoundTable, table: &Table, ddl: &dyn Ddl, plan: &mut Plan) {
    let mut added = BTreeSet::new();
    for column in &table.columns {
        match current.columns.iter().find(|one| one.name == column.name) {
            Some(there) => mistyped(there, table, column, ddl, plan),
            None if column.nullable || column.backfill.is_some() || current.empty => {
                added.insert(column.name.as_str());
                plan.steps.push(step(
                    Label::Safe,
                    format!("add column {}.{}", name(table), column.name),
                    ddl.add_column(table, column, current.empty),
                ));
            }
            None => plan.differences.push(difference(
                table,
                Part::Column(column.name.clone()),
                DifferenceKind::Missing,
                true,
                "the table has records and a required field needs a value for them: give it a constant default, or make it optional",
            )),
        }
    }
    extra_columns(current, table, ddl, plan);
    if current.key != table.key {
        plan.differences.push(difference(
            table,
            Part::Key,
            DifferenceKind::Mistyped,
            true,
            &format!(
                "the key is ({}) and should be ({}); {NOT_YET}",
                current.key.join(", "),
                table.key.join(", ")
            ),
        ));
    }
    indexes(current, table, ddl, plan);
    references(current, table, &added, plan);
}

fn mistyped(there: &FoundColumn, table: &Table, column: &Column, ddl: &dyn Ddl, plan: &mut Plan) {
    let part = || Part::Column(column.name.clone());
    let physical = ddl.physical(table, column);
    if there.physical != physical {
        let detail = format!(
            "the column is {} and should be {physical}; {}",
            there.physical,
            way_out(table, ByHand::Retype(column), ddl)
        );
        plan.differences.push(difference(
            table,
            part(),
            DifferenceKind::Mistyped,
            true,
            &detail,
        ));
    } else if let Some(recorded) = there.recorded.filter(|recorded| *recorded != column.ty) {
        let detail = format!(
            "the column holds {} and should hold {}; {}",
            words(recorded),
            words(column.ty),
            way_out(table, ByHand::Retype(column), ddl)
        );
        plan.differences.push(difference(
            table,
            part(),
            DifferenceKind::Mistyped,
            true,
            &detail,
        ));
    }
    if there.nullable != column.nullable && !table.key.contains(&column.name) {
        let (detail, change) = if column.nullable {
            (
                "the column is required and should be optional",
                ByHand::Optional(column),
            )
        } else {
            (
                "the column is optional and should be required",
                ByHand::Required(column),
            )
        };
        plan.differences.push(difference(
            table,
            part(),
            DifferenceKind::Mistyped,
            true,
            &format!("{detail}; {}", way_out(table, change, ddl)),
        ));
    }
}

fn extra_columns(current: &FoundTable, table: &Table, ddl: &dyn Ddl, plan: &mut Plan) {
    for column in &current.columns {
        if table.columns.iter().any(|one| one.name == column.name) {
            continue;
        }
        let (blocking, detail) = if column.name == EXTRA {
            (
                !column.nullable,
                "the model was open, and its undeclared fields are here: write open = true again to keep them",
            )
        } else if column.nullable {
            (false, "no field has this column")
        } else {
            (
                true,
                "no field has this column, and it is required: no record could be created",
            )
        };
        plan.differences.push(difference(
            table,
            Part::Column(column.name.clone()),
            DifferenceKind::Extra,
            blocking,
            &format!(
                "{detail}; {}",
                match blocking {
                    true => way_out(table, ByHand::Drop(&column.name), ddl),
                    false => NOT_YET.to_owned(),
                }
            ),
        ));
    }
}

fn indexes(current: &FoundTable, table: &Table, ddl: &dyn Ddl, plan: &mut Plan) {
    for index in &table.indexes {
        match current.indexes.iter().find(|one| one.name == index.name) {
            None => {
                // Also a unique one: where duplicates are in the way, the whole migration is undone.
                let label = if current.empty {
                    Label::Safe
                } else {
                    Label::Slow
                };
                plan.steps.push(step(
                    label,
                    format!(
                        "add {}index {} on {} ({})",
                        if index.unique { "unique " } else { "" },
                        index.name,
                        name(table),
                        index.columns.join(", ")
                    ),
                    ddl.create_index(&table.name, index),
                ));
            }
            Some(there) if there.columns != index.columns || there.unique != index.unique => {
                plan.differences.push(difference(
                    table,
                    Part::Index(index.name.clone()),
                    DifferenceKind::Mistyped,
                    // A wrong uniqueness changes what may be written; wrong columns only cost time.
                    there.unique || index.unique,
                    &format!(
                        "the index is{} on ({}) and should be{} on ({}); {NOT_YET}",
                        if there.unique { " unique" } else { "" },
                        there.columns.join(", "),
                        if index.unique { " unique" } else { "" },
                        index.columns.join(", ")
                    ),
                ));
            }
            Some(_) => {}
        }
    }
    for there in &current.indexes {
        if !table.indexes.iter().any(|one| one.name == there.name) {
            let detail = if there.unique {
                "no model declares this unique index, and it still refuses duplicates"
            } else {
                "no model declares this index"
            };
            plan.differences.push(difference(
                table,
                Part::Index(there.name.clone()),
                DifferenceKind::Extra,
                false,
                &format!("{detail}; {NOT_YET}, drop it by hand if it is no longer needed"),
            ));
        }
    }
}

/// A foreign key comes with its table or its column; one that is missing afterwards is reported.
fn references(current: &FoundTable, table: &Table, added: &BTreeSet<&str>, plan: &mut Plan) {
    for key in &table.foreign_keys {
        if added.contains(key.column.as_str()) || current.foreign_keys.contains(key) {
            continue;
        }
        plan.differences.push(difference(
            table,
            Part::ForeignKey(key.column.clone()),
            DifferenceKind::Missing,
            true,
            &format!(
                "the column should refer to {}.{}; {NOT_YET}",
                key.to.namespace, key.to.name
            ),
        ));
    }
    for key in &current.foreign_keys {
        if !table.foreign_keys.contains(key) {
            plan.differences.push(difference(
                table,
                Part::ForeignKey(key.column.clone()),
                DifferenceKind::Extra,
                true,
                &format!(
                    "the column still refers to {}.{}; {NOT_YET}",
                    key.to.namespace, key.to.name
                ),
            ));
        }
    }
}

fn name(table: &Table) -> String {
    format!("{}.{}", table.name.namespace, table.name.name)
}

fn words(ty: ColumnType) -> String {
    match ty {
        ColumnType::Decimal { scale } => format!("decimals of scale {scale}"),
        other => super::record::type_name(other),
    }
}

fn step(label: Label, summary: String, sql: Vec<String>) -> PlanStep {
    PlanStep {
        label,
        summary,
        sql,
    }
}

fn difference(
    table: &Table,
    part: Part,
    kind: DifferenceKind,
    blocking: bool,
    detail: &str,
) -> Difference {
    Difference {
        table: table.name.clone(),
        part,
        kind,
        blocking,
        detail: detail.to_owned(),
    }
}
