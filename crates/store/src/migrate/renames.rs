//! Renames are declared (`renamed_from`), for they cannot be guessed: what is gone and what is new may be two things.
//! They come first, and everything else is compared as if they were done.

use super::{Ddl, Difference, DifferenceKind, Introspected, Label, Part, Plan, PlanStep, dotted};
use spec::schema::{Schema, Table, TableName};
use std::collections::HashMap;

/// What things were called before the plan.
#[derive(Debug, Default)]
pub(super) struct Names {
    tables: HashMap<TableName, TableName>,
    columns: HashMap<(TableName, String), String>,
}

impl Names {
    pub fn table(&self, name: &TableName) -> TableName {
        self.tables.get(name).unwrap_or(name).clone()
    }

    pub fn column<'a>(&'a self, table: &TableName, column: &'a str) -> &'a str {
        let key = (table.clone(), column.to_owned());
        self.columns.get(&key).map_or(column, String::as_str)
    }
}

/// What is found once the declared renames are done, and the steps that do them.
pub(super) fn rename(
    found: &Introspected,
    wanted: &Schema,
    ddl: &dyn Ddl,
    plan: &mut Plan,
) -> (Introspected, Names) {
    let mut found = found.clone();
    let mut names = Names::default();
    for table in &wanted.tables {
        rename_table(&mut found, table, wanted, ddl, plan, &mut names);
    }
    for table in &wanted.tables {
        rename_columns(&mut found, table, ddl, plan, &mut names);
    }
    (found, names)
}

fn rename_table(
    found: &mut Introspected,
    table: &Table,
    wanted: &Schema,
    ddl: &dyn Ddl,
    plan: &mut Plan,
    names: &mut Names,
) {
    let Some(old) = &table.renamed_from else {
        return;
    };
    let old = TableName::new(&table.name.namespace, old);
    // Of another model by now; the loader says so where that is a mistake.
    let taken = wanted.tables.iter().any(|one| one.name == old);
    if taken || found.table(&old).is_none() {
        return;
    }
    if found.table(&table.name).is_some() {
        plan.differences.push(both(
            table,
            Part::Table,
            &dotted(&old),
            &dotted(&table.name),
        ));
        return;
    }
    plan.steps.push(PlanStep::new(
        Label::Safe,
        format!("rename table {} to {}", dotted(&old), table.name.name),
        ddl.rename_table(&old, &table.name),
    ));
    for one in &mut found.tables {
        if one.name == old {
            one.name = table.name.clone();
        }
        for key in &mut one.foreign_keys {
            if key.key.to == old {
                key.key.to = table.name.clone();
            }
        }
    }
    names.tables.insert(table.name.clone(), old);
}

fn rename_columns(
    found: &mut Introspected,
    table: &Table,
    ddl: &dyn Ddl,
    plan: &mut Plan,
    names: &mut Names,
) {
    let Some(current) = found.tables.iter_mut().find(|one| one.name == table.name) else {
        return;
    };
    for column in &table.columns {
        let Some(old) = &column.renamed_from else {
            continue;
        };
        let declared = table.columns.iter().any(|one| one.name == *old);
        if declared || current.column(old).is_none() {
            continue;
        }
        if current.column(&column.name).is_some() {
            let part = Part::Column(column.name.clone());
            plan.differences.push(both(table, part, old, &column.name));
            continue;
        }
        plan.steps.push(PlanStep::new(
            Label::Safe,
            format!(
                "rename column {}.{old} to {}",
                dotted(&table.name),
                column.name
            ),
            ddl.rename_column(&table.name, old, &column.name),
        ));
        let rename = |name: &mut String| {
            if name == old {
                name.clone_from(&column.name);
            }
        };
        current
            .columns
            .iter_mut()
            .for_each(|one| rename(&mut one.name));
        current.key.iter_mut().for_each(rename);
        for index in &mut current.indexes {
            index.columns.iter_mut().for_each(rename);
        }
        for key in &mut current.foreign_keys {
            rename(&mut key.key.column);
        }
        names
            .columns
            .insert((table.name.clone(), column.name.clone()), old.clone());
    }
}

fn both(table: &Table, part: Part, old: &str, new: &str) -> Difference {
    Difference {
        table: table.name.clone(),
        part,
        kind: DifferenceKind::Extra,
        blocking: true,
        detail: format!(
            "`{old}` and `{new}` are both there, so nothing can be renamed: copy what is to be kept with a data step, \
             and remove `renamed_from`"
        ),
    }
}
