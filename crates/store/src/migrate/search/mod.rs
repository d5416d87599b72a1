//! The indexes of words: which stay, which are made, and which go.
//!
//! One is kept by triggers, so it is always true of the table. It is never altered: what lacks a field, or differs
//! otherwise, is dropped before anything else happens to the table, and made anew from its records in the end. The words
//! of a field that is searched no more stay in it until somebody asks to drop what no model has: servers of the app from
//! before go on searching them.

pub mod postgres;
pub mod sqlite;

use super::{
    Ddl, Difference, DifferenceKind, Extras, FoundSearch, Introspected, Label, Part, PlanStep,
    Size, dotted,
};
use spec::ColumnType;
use spec::schema::{Column, Schema, Table, TableName};
use std::borrow::Cow;

/// What is done about the searches of a plan.
#[derive(Default)]
pub(super) struct Searches<'a> {
    pub drop: Vec<PlanStep>,
    /// The tables whose words are to be indexed, with the fields that the index is to have.
    pub make: Vec<Cow<'a, Table>>,
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
    let mut more: Vec<(&TableName, Vec<String>)> = Vec::new();
    for there in &found.searches {
        let table = wanted.tables.iter().find(|one| one.name == there.table);
        let searched = table.filter(|table| !table.search.is_empty());
        if let Some(table) = searched {
            let beyond = match extras {
                Extras::Keep => beyond(there, table, found, ddl),
                Extras::Drop => Vec::new(),
            };
            if is_true(there, table, &beyond, found, ddl) {
                kept.push(&table.name);
                out.differences.extend(noted(there, &beyond));
                continue;
            }
            more.push((&table.name, beyond));
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
    let made = searched.filter(|one| !kept.contains(&&one.name));
    out.make = made
        .map(
            |table| match more.iter().find(|(of, _)| **of == table.name) {
                Some((_, beyond)) if !beyond.is_empty() => Cow::Owned(with(table, beyond)),
                _ => Cow::Borrowed(table),
            },
        )
        .collect();
    out
}

/// The fields of an index that its model searches no more, and whose words it can go on having.
fn beyond(there: &FoundSearch, table: &Table, found: &Introspected, ddl: &dyn Ddl) -> Vec<String> {
    let is_text = |field: &str| {
        let current = found.table(&table.name).and_then(|now| now.column(field));
        current.is_some_and(|now| now.recorded == Some(ColumnType::Text))
    };
    let spare = |field: &&String| {
        !table.search.contains(field) && is_text(field) && stays(field, table, found, ddl)
    };
    there.fields.iter().filter(spare).cloned().collect()
}

/// The table as one whose index has these fields, too.
fn with(table: &Table, beyond: &[String]) -> Table {
    let mut table = table.clone();
    table.search.extend_from_slice(beyond);
    table
}

fn noted(there: &FoundSearch, beyond: &[String]) -> Option<Difference> {
    (!beyond.is_empty()).then(|| Difference {
        table: there.table.clone(),
        part: Part::Search,
        kind: DifferenceKind::Extra,
        blocking: false,
        detail: format!(
            "the model searches {} no more; `mainstay migrate apply --drop` makes the index without",
            beyond.join(", ")
        ),
    })
}

/// Whether an index is the one that is wanted, perhaps with some fields beyond it, and will be after the plan.
fn is_true(
    there: &FoundSearch,
    table: &Table,
    beyond: &[String],
    found: &Introspected,
    ddl: &dyn Ddl,
) -> bool {
    let wanted = |field: &String| table.search.contains(field) || beyond.contains(field);
    if there.fields.len() != table.search.len() + beyond.len() || !there.fields.iter().all(wanted) {
        return false;
    }
    // In its own order.
    let mut as_made = table.clone();
    as_made.search.clone_from(&there.fields);
    there.made == ddl.search_made(&as_made)
        && there
            .fields
            .iter()
            .all(|field| stays(field, table, found, ddl))
}

/// Whether a column is there and is left as it is. One whose type changes cannot have a trigger that names it meanwhile.
fn stays(field: &str, table: &Table, found: &Introspected, ddl: &dyn Ddl) -> bool {
    let Some(now) = found.table(&table.name) else {
        return false;
    };
    let there = |name: &str| now.column(name).is_some();
    let renamed = |one: &Column| one.renamed_from.as_deref() == Some(field) && !there(&one.name);
    let wanted = table.columns.iter().find(|one| one.name == field);
    match (now.column(field), wanted) {
        (Some(current), Some(wanted)) => current.physical == ddl.physical(table, wanted),
        (Some(_), None) => !table.columns.iter().any(renamed),
        (None, _) => false,
    }
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
