//! SQLite's index of words: FTS5, asked by numbers that a table beside it gives to the records.

use super::{fingerprint, summary};
use crate::migrate::sqlite::{physical, quoted};
use crate::migrate::{PlanStep, Size};
use spec::Dialect;
use spec::schema::{Table, TableName, words_of};

pub fn made(table: &Table) -> String {
    let mut made = vec![searched(table), indexed(table)];
    made.extend(triggers(table));
    fingerprint(&made)
}

/// The index has no copy of the texts (`content=''`): it is kept by the numbers of a table beside, since a key is
/// no `rowid`, and the `rowid` of a table that has another key is not promised to stay.
pub fn create(table: &Table, size: Size) -> Vec<PlanStep> {
    let (name, map, words) = names(table);
    let mut sql = vec![searched(table), indexed(table)];
    if size != Size::Empty {
        let order = match table.columns.iter().any(|one| one.name == "created_at") {
            true => "\"created_at\", \"id\"",
            false => "\"id\"",
        };
        sql.push(format!(
            "INSERT INTO {map} (\"id\") SELECT \"id\" FROM {name} ORDER BY {order}"
        ));
        sql.push(format!(
            "INSERT INTO {words} (rowid, {}) SELECT s.\"doc\", {} FROM {map} s JOIN {name} t ON t.\"id\" = s.\"id\" \
             ORDER BY s.\"doc\"",
            columns(table),
            values(table, "t")
        ));
    }
    sql.extend(triggers(table));
    let summary = summary(table);
    vec![PlanStep::new(size.label(), summary, sql)]
}

pub fn drop(table: &TableName) -> Vec<String> {
    let mut sql: Vec<String> = TRIGGERS
        .iter()
        .map(|what| {
            format!(
                "DROP TRIGGER IF EXISTS {}",
                quoted(&trigger_name(table, what))
            )
        })
        .collect();
    for name in [table.words(), table.searched()] {
        sql.push(format!(
            "DROP TABLE IF EXISTS {}",
            name.sql(Dialect::Sqlite)
        ));
    }
    sql
}

pub const TRIGGERS: [&str; 3] = ["insert", "update", "delete"];

pub fn trigger_name(table: &TableName, what: &str) -> String {
    format!("{}_{what}", table.searched().flat())
}

/// The table, that of its numbers, and that of its words, quoted.
fn names(table: &Table) -> (String, String, String) {
    let name = &table.name;
    let [name, map, words] =
        [name, &name.searched(), &name.words()].map(|one| one.sql(Dialect::Sqlite));
    (name, map, words)
}

fn columns(table: &Table) -> String {
    let columns: Vec<String> = table.search.iter().map(|one| words_of(one)).collect();
    columns.join(", ")
}

fn values(table: &Table, row: &str) -> String {
    let words = crate::sqlite::search::words();
    let value = |column: &String| format!("{words}({row}.{})", quoted(column));
    let values: Vec<String> = table.search.iter().map(value).collect();
    values.join(", ")
}

fn searched(table: &Table) -> String {
    let key = table
        .columns
        .iter()
        .find(|one| table.key.contains(&one.name));
    let key = key.map_or("TEXT", |column| physical(column.ty));
    format!(
        "CREATE TABLE {} (\n  \"doc\" INTEGER PRIMARY KEY,\n  \"id\" {key} NOT NULL UNIQUE\n) STRICT",
        names(table).1
    )
}

/// Words come as `mainstay_words` makes them: what is left to FTS5 is to part them at spaces. Beginnings of one and two
/// letters have lists of their own, for who searches while they type: to put those of all words that begin so together
/// took 43 ms on 100,000 records, and takes 0.5; writing costs 25 µs more, and the index is twice as large.
fn indexed(table: &Table) -> String {
    format!(
        "CREATE VIRTUAL TABLE {} USING fts5({}, tokenize = 'ascii', prefix = '1 2', content = '', contentless_delete = 1)",
        names(table).2,
        columns(table)
    )
}

/// What keeps the index, in the order of [`TRIGGERS`].
fn triggers(table: &Table) -> [String; 3] {
    let (name, map, words) = names(table);
    let doc = |row: &str| format!("(SELECT \"doc\" FROM {map} WHERE \"id\" = {row}.\"id\")");
    let trigger = |what: &str, when: &str, body: &[String]| {
        format!(
            "CREATE TRIGGER {} AFTER {when} ON {name}{} BEGIN\n  {};\nEND",
            quoted(&trigger_name(&table.name, what)),
            match what {
                "update" => {
                    let differs =
                        |column: &String| format!("old.{0} IS NOT new.{0}", quoted(column));
                    let differ: Vec<String> = table.search.iter().map(differs).collect();
                    format!(" WHEN {}", differ.join(" OR "))
                }
                _ => String::new(),
            },
            body.join(";\n  ")
        )
    };
    let put = format!(
        "INSERT OR REPLACE INTO {words} (rowid, {}) VALUES ({}, {})",
        columns(table),
        doc("new"),
        values(table, "new")
    );
    let numbered = format!("INSERT INTO {map} (\"id\") VALUES (new.\"id\") ON CONFLICT DO NOTHING");
    let fields: Vec<String> = table.search.iter().map(|one| quoted(one)).collect();
    let [insert, update, delete] = TRIGGERS;
    [
        trigger(insert, "INSERT", &[numbered, put.clone()]),
        trigger(update, &format!("UPDATE OF {}", fields.join(", ")), &[put]),
        trigger(
            delete,
            "DELETE",
            &[
                format!("DELETE FROM {words} WHERE rowid = {}", doc("old")),
                format!("DELETE FROM {map} WHERE \"id\" = old.\"id\""),
            ],
        ),
    ]
}

/// What an index of words was made of, by the SQL that the file keeps.
pub fn found(sql: &[String]) -> String {
    fingerprint(sql)
}
