//! Names of ours for names of any kind. A name that already is one stays as it is.

use crate::load::names::{possible, with_ending};
use std::collections::BTreeSet;

/// Models of a module, in the order of their tables; each once.
pub(super) fn models<'a>(tables: impl Iterator<Item = &'a str>, module: &str) -> Vec<String> {
    unique(tables.map(|table| possible(table, "records", Some(module), "records")))
}

/// Fields of a model, in the order of their columns.
pub(super) fn fields<'a>(columns: impl Iterator<Item = &'a str>) -> Vec<String> {
    unique(columns.map(|column| possible(column, "field", None, "value")))
}

fn unique(names: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    names.map(|name| free(name, &mut seen)).collect()
}

/// The name, or the first of `name_2`, `name_3`, … that is free; taken from now on.
pub(super) fn free(name: String, taken: &mut BTreeSet<String>) -> String {
    let numbered = (2..).map(|n: u32| with_ending(&name, &n.to_string()));
    let free = std::iter::once(name.clone())
        .chain(numbered)
        .find(|name| !taken.contains(name))
        .unwrap_or_default();
    taken.insert(free.clone());
    free
}

/// A name of the database as a person reads it: what would move a cursor or end a comment is escaped.
pub fn shown(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for c in name.chars() {
        let hidden = matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}');
        match c.is_control() || hidden {
            true => out.extend(c.escape_default()),
            false => out.push(c),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn good_names_stay_and_others_become_good() {
        let tables = [
            "orders",
            "Order Items",
            "OrderItems",
            "1st",
            "",
            "Größe",
            "batch",
            "a__b",
            "_x_",
            "drop table x; --",
            "日本",
            "\"",
            "select",
        ];
        let names = models(tables.into_iter(), "shop");
        let expected = [
            "orders",
            "order_items",
            "order_items_2",
            "st",
            "records",
            "gr_e",
            "batch_records",
            "a_b",
            "x",
            "drop_table_x",
            "records_2",
            "records_3",
            "select",
        ];
        assert_eq!(names, expected);
        let long = "x".repeat(63);
        let names = models([&*long, &*long, &*long].into_iter(), "shop");
        assert!(names.iter().all(|name| name.len() <= 40), "{names:?}");
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), 3);
        let columns = [
            "id",
            "version",
            "created_at",
            "createdAt",
            "in",
            "auth",
            "ctid",
            "Id",
        ];
        assert_eq!(
            fields(columns.into_iter()),
            [
                "id_value",
                "version_value",
                "created_at",
                "created_at_2",
                "in_value",
                "auth_value",
                "ctid_value",
                "id_value_2"
            ]
        );
    }

    #[test]
    fn nothing_in_a_name_reaches_the_terminal() {
        assert_eq!(
            shown("a\nb\u{1b}[31m\u{202e}c"),
            "a\\nb\\u{1b}[31m\\u{202e}c"
        );
    }
}
