//! The indexes of words: which stay, which are made, and which go.
//!
//! One is kept by triggers, so it is always true of the table. It is never altered: what differs in any way is dropped
//! before anything else happens to the table, and made anew from its records in the end.

pub mod postgres;
pub mod sqlite;

use super::{
    Ddl, Difference, DifferenceKind, Extras, FoundSearch, Introspected, Label, Part, PlanStep,
    Size, dotted,
};
use spec::schema::{Schema, Table, TableName};

/// What is done about the searches of a plan.
#[derive(Default)]
pub(super) struct Searches<'a> {
    pub drop: Vec<PlanStep>,
    /// The tables whose words are to be indexed.
    pub make: Vec<&'a Table>,
    pub differences: Vec<Difference>,
    /// Triggers that go with what is dropped.
    pub triggers: Vec<String>,
}

pub(super) fn compare<'a>(
    found: &Introspected,
    wanted: &'a Schema,
    ddl: &dyn Ddl,
    extras: Extras,
) -> Searches<'a> {
    let mut out = Searches::default();
    let mut kept: Vec<&TableName> = Vec::new();
    for there in &found.searches {
        let table = wanted.tables.iter().find(|one| one.name == there.table);
        let searched = table.filter(|table| !table.search.is_empty());
        if let Some(table) = searched.filter(|table| is_true(there, table, found, ddl)) {
            kept.push(&table.name);
            continue;
        }
        // Of a table that is to be another one, it goes along with the name.
        let renamed = |one: &Table| {
            one.name.namespace == there.table.namespace
                && one.renamed_from.as_deref() == Some(there.table.name.as_str())
        };
        // Its triggers name the columns, which another name would break.
        let moved = |table: &Table| {
            let current = found.table(&table.name);
            let there = |name: &str| current.is_some_and(|current| current.column(name).is_some());
            let mut columns = table.columns.iter();
            columns.any(|one| !there(&one.name) && one.renamed_from.as_deref().is_some_and(there))
        };
        let remade = searched.is_some()
            || table.is_some_and(moved)
            || table.is_none() && wanted.tables.iter().any(renamed);
        if !remade && extras == Extras::Keep {
            out.differences.push(Difference {
                table: there.table.clone(),
                part: Part::Search,
                kind: DifferenceKind::Extra,
                blocking: false,
                detail: "no model searches these words any more; `mainstay migrate apply --drop` drops their index"
                    .to_owned(),
            });
            continue;
        }
        // Nothing is lost: it is made of the records.
        let summary = format!("drop the search of {}", dotted(&there.table));
        let step = PlanStep::new(Label::Safe, summary, ddl.drop_search(&there.table));
        out.drop.push(if remade { step } else { step.spare() });
        out.triggers.extend(there.triggers.iter().cloned());
    }
    let searched = wanted.tables.iter().filter(|one| !one.search.is_empty());
    out.make = searched.filter(|one| !kept.contains(&&one.name)).collect();
    out
}

/// Whether an index is the one that is wanted, and will be after the plan.
fn is_true(there: &FoundSearch, table: &Table, found: &Introspected, ddl: &dyn Ddl) -> bool {
    let Some(current) = found.table(&table.name) else {
        return false;
    };
    // A column whose type changes cannot have a trigger that names it meanwhile.
    let same = |name: &String| {
        let column = table.columns.iter().find(|one| one.name == *name);
        let physical = column.map(|column| ddl.physical(table, column));
        current.column(name).map(|one| &one.physical) == physical.as_ref()
    };
    there.made == ddl.search_made(table) && table.search.iter().all(same)
}

/// Makes an index over the records that the table has by then.
pub(super) fn make(table: &Table, now: &Introspected, ddl: &dyn Ddl) -> Vec<PlanStep> {
    let size = now.table(&table.name).map_or(Size::Empty, |one| one.size);
    ddl.create_search(table, size)
}

/// What a person reads of it.
pub(super) fn summary(table: &Table) -> String {
    format!(
        "search {} by {}",
        dotted(&table.name),
        table.search.join(", ")
    )
}

/// FNV-1a: stable across versions and platforms, which the standard hasher does not promise.
pub(super) fn fingerprint(sql: &[String]) -> String {
    let hash = sql
        .iter()
        .flat_map(|one| one.bytes())
        .fold(0xcbf2_9ce4_8422_2325u64, |h, b| {
            (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3)
        });
    format!("mainstay search {hash:016x}")
}
