//! Indexes: which stay, which are made, and which go. An index is known by what it is on; its name follows.

use super::compare::Planning;
use super::{
    DifferenceKind, Extras, FoundIndex, FoundTable, Label, Part, PlanStep, Size, TableChange,
    dotted,
};
use spec::schema::{Table, TableIndex};

/// The indexes that a remade table gets again, and the steps that come behind it.
#[derive(Default)]
pub(super) struct Kept<'a> {
    pub indexes: Vec<&'a FoundIndex>,
    pub tighten: Vec<PlanStep>,
    pub online: Vec<PlanStep>,
}

pub(super) fn compare<'a>(
    planning: &mut Planning<'a>,
    current: &'a FoundTable,
    table: &'a Table,
    dropped: &[&str],
    change: &TableChange<'_>,
) -> Kept<'a> {
    let mut kept = Kept::default();
    let mut known: Vec<&FoundIndex> = Vec::new();
    for index in &table.indexes {
        let alike = |one: &&FoundIndex| {
            one.valid && !one.special && one.columns == index.columns && one.unique == index.unique
        };
        let mut there = current.indexes.iter().filter(alike);
        let named = there.clone().find(|one| one.name == index.name);
        let free = |one: &&FoundIndex| !known.contains(one) && !wants(table, &one.name);
        match named.or_else(|| there.find(free)) {
            Some(there) => {
                known.push(there);
                if there.name != index.name {
                    rename(planning, current, table, (there, index), &mut kept);
                } else {
                    kept.indexes.push(there);
                }
            }
            None => add(planning, current, table, index, change, &mut kept),
        }
    }
    for there in &current.indexes {
        if !known.contains(&there) {
            extra(planning, table, there, dropped, &mut kept);
        }
    }
    kept
}

fn wants(table: &Table, name: &str) -> bool {
    table.indexes.iter().any(|index| index.name == name)
}

fn describe(table: &Table, index: &TableIndex) -> String {
    format!(
        "{}index {} on {} ({})",
        if index.unique { "unique " } else { "" },
        index.name,
        dotted(&table.name),
        index.columns.join(", ")
    )
}

fn add<'a>(
    planning: &mut Planning<'a>,
    current: &'a FoundTable,
    table: &'a Table,
    index: &'a TableIndex,
    change: &TableChange<'_>,
    kept: &mut Kept<'a>,
) {
    let mut step = planning.ddl.index_step(&table.name, index, current.size);
    step.label = current.size.label();
    step.summary = format!("add {}", describe(table, index));
    // Without it, something is only slow.
    step.needed = index.unique;
    match step.run {
        super::Run::Alone { .. } => kept.online.push(step),
        super::Run::Together | super::Run::Data(_) => kept.tighten.push(step),
    }
    // Values of another type are looked at when they have it, by the index itself.
    let same = !index.columns.iter().any(|column| change.retypes(column));
    if index.unique && same && current.size != Size::Empty {
        let names: Option<Vec<String>> = index
            .columns
            .iter()
            .map(|column| {
                current.column(column)?;
                Some(planning.names.column(&table.name, column).to_owned())
            })
            .collect();
        let check = planning.places(table).duplicates(index, names);
        planning.checks.push(check);
    }
}

fn rename<'a>(
    planning: &mut Planning<'a>,
    current: &'a FoundTable,
    table: &'a Table,
    (there, index): (&'a FoundIndex, &'a TableIndex),
    kept: &mut Kept<'a>,
) {
    let ddl = planning.ddl;
    let summary = format!(
        "rename index {}.{} to {}",
        table.name.namespace, there.name, index.name
    );
    let step = match ddl.rename_index(&table.name, &there.name, &index.name) {
        Some(sql) => {
            planning
                .prepare
                .push(PlanStep::new(Label::Safe, summary, sql).spare());
            return;
        }
        None => {
            // Before a table is remade, so that it is not made twice.
            let sql = ddl.drop_index(&table.name, there);
            let drop = format!("drop index {}.{}", table.name.namespace, there.name);
            planning
                .prepare
                .push(PlanStep::new(Label::Safe, drop, sql).spare());
            PlanStep::new(
                current.size.label(),
                summary,
                ddl.create_index(&table.name, index),
            )
        }
    };
    kept.tighten.push(step.spare());
}

fn extra<'a>(
    planning: &mut Planning<'a>,
    table: &'a Table,
    there: &'a FoundIndex,
    dropped: &[&str],
    kept: &mut Kept<'a>,
) {
    if there
        .columns
        .iter()
        .any(|column| dropped.contains(&column.as_str()))
    {
        // It goes with its column.
        kept.indexes.push(there);
        return;
    }
    let in_the_way = wants(table, &there.name);
    let declared = there
        .columns
        .iter()
        // Behind the name stands an order that is not ours.
        .filter_map(|column| column.split(' ').next())
        .all(|column| table.columns.iter().any(|one| one.name == *column));
    if in_the_way || (declared && !there.special && there.valid) {
        let sql = planning.ddl.drop_index(&table.name, there);
        let what = match (there.valid, there.unique) {
            (false, _) => "what was left of the index",
            (true, true) => "unique index",
            (true, false) => "index",
        };
        let step = PlanStep::new(
            Label::Safe,
            format!(
                "drop {what} {} on {} ({})",
                there.name,
                dotted(&table.name),
                there.columns.join(", ")
            ),
            sql,
        );
        // Where the index of that name is needed, so is its room.
        let wanted = table.indexes.iter().find(|one| one.name == there.name);
        planning
            .prepare
            .push(match wanted.is_some_and(|one| one.unique) {
                true => step,
                false => step.spare(),
            });
        return;
    }
    kept.indexes.push(there);
    let what = match there.special {
        true => {
            "no model declares this index, which is of a kind that models have not; drop it by hand if it is no longer needed"
        }
        false => "no model declares this index",
    };
    // One on columns that are left over is noted with them.
    if there.special || planning.extras == Extras::Drop {
        let part = Part::Index(there.name.clone());
        planning.differ(table, part, DifferenceKind::Extra, false, what.to_owned());
    }
}
