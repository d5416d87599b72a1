//! SQLite's spelling of a plan.
//!
//! Tables are `STRICT` and keep their rowid: with random keys a `WITHOUT ROWID` table would carry the whole
//! record through every index page. A column that was added with a value for existing rows keeps that value as
//! its `DEFAULT` (SQLite has no way to drop it); defaults are ignored when comparing, and nothing relies on them.
//!
//! What `ALTER TABLE` cannot do is done by making the table anew, as SQLite's own documentation describes it
//! (lang_altertable.html, "Making Other Kinds Of Table Schema Changes"), with foreign keys off and checked at the end.

use super::{
    Altered, ColumnChange, Ddl, FoundColumn, FoundIndex, FoundTable, Introspected, Label,
    Nullability, PlanStep, Retype, Size, TableChange, compare::words, dotted, search,
};
use spec::schema::{Column, ForeignKey, Table, TableIndex, TableName};
use spec::{ColumnType, Dialect, Value};
use std::fmt::Write;

pub struct SqliteDdl;

/// What a table is called while it is made anew.
const REBUILT: &str = "_mainstay_rebuilt";

/// The declared type of a column in a `STRICT` table.
pub fn physical(ty: ColumnType) -> &'static str {
    match ty {
        ColumnType::Text | ColumnType::Date | ColumnType::Json => "TEXT",
        ColumnType::Int | ColumnType::Decimal { .. } | ColumnType::Bool | ColumnType::Timestamp => {
            "INTEGER"
        }
        ColumnType::Float => "REAL",
        ColumnType::Uuid => "BLOB",
    }
}

/// Index names share one space with everything else in the file, so they carry their namespace.
pub fn index_name(table: &TableName, index: &str) -> String {
    TableName::new(&table.namespace, index).flat()
}

impl Ddl for SqliteDdl {
    fn physical(&self, _table: &Table, column: &Column) -> String {
        physical(column.ty).to_owned()
    }

    /// The table is made anew with the values as they are, and `STRICT` refuses those that do not fit.
    fn can_restore(&self, _found: &FoundColumn, table: &Table, wanted: &Column) -> bool {
        !table.key.contains(&wanted.name)
    }

    fn convert(&self, expr: &str, from: ColumnType, to: ColumnType) -> String {
        convert(expr, from, to)
    }

    fn dialect(&self) -> Dialect {
        Dialect::Sqlite
    }

    fn create_namespace(&self, _namespace: &str) -> Vec<String> {
        Vec::new()
    }

    fn create_table(&self, table: &Table) -> Vec<String> {
        let mut lines: Vec<String> = Vec::with_capacity(table.columns.len() + 1);
        for column in &table.columns {
            lines.push(table_line(table, column));
        }
        if table.key.len() != 1 {
            lines.push(format!("PRIMARY KEY ({})", names(&table.key)));
        }
        vec![create(&table.name.sql(Dialect::Sqlite), &lines)]
    }

    fn inline_foreign_keys(&self) -> bool {
        true
    }

    fn add_foreign_key(&self, _table: &Table, _key: &ForeignKey) -> Vec<String> {
        Vec::new()
    }

    fn add_column(&self, table: &Table, column: &Column) -> Vec<String> {
        let mut line = declaration(table, column);
        if let Some(value) = &column.backfill {
            let _ = write!(line, " DEFAULT {}", literal(value));
        }
        vec![format!(
            "ALTER TABLE {} ADD COLUMN {line}",
            table.name.sql(Dialect::Sqlite)
        )]
    }

    fn create_index(&self, table: &TableName, index: &TableIndex) -> Vec<String> {
        vec![create_index(
            table,
            &index.name,
            &index.columns,
            index.unique,
        )]
    }

    fn index_step(&self, table: &TableName, index: &TableIndex, _size: Size) -> PlanStep {
        PlanStep::new(Label::Slow, String::new(), self.create_index(table, index))
    }

    fn drop_index(&self, _table: &TableName, index: &FoundIndex) -> Vec<String> {
        vec![format!("DROP INDEX {}", index.quoted)]
    }

    fn rename_index(&self, _table: &TableName, _from: &str, _to: &str) -> Option<Vec<String>> {
        None
    }

    fn rename_table(&self, from: &TableName, to: &TableName) -> Vec<String> {
        vec![format!(
            "ALTER TABLE {} RENAME TO {}",
            from.sql(Dialect::Sqlite),
            to.sql(Dialect::Sqlite)
        )]
    }

    fn rename_column(&self, table: &TableName, from: &str, to: &str) -> Vec<String> {
        vec![format!(
            "ALTER TABLE {} RENAME COLUMN {} TO {}",
            table.sql(Dialect::Sqlite),
            quoted(from),
            quoted(to)
        )]
    }

    fn drop_column(&self, table: &FoundTable, column: &str) -> Vec<String> {
        // SQLite refuses to drop a column that an index has.
        let mut sql: Vec<String> = table
            .indexes
            .iter()
            .filter(|index| index.columns.iter().any(|one| one == column))
            .map(|index| format!("DROP INDEX IF EXISTS {}", index.quoted))
            .collect();
        sql.push(format!(
            "ALTER TABLE {} DROP COLUMN {}",
            table.name.sql(Dialect::Sqlite),
            quoted(column)
        ));
        sql
    }

    fn drop_table(&self, table: &FoundTable, _found: &Introspected) -> Vec<String> {
        vec![format!("DROP TABLE {}", table.name.sql(Dialect::Sqlite))]
    }

    fn search_made(&self, table: &Table) -> String {
        search::sqlite::made(table)
    }

    fn create_search(&self, table: &Table, size: Size) -> Vec<PlanStep> {
        search::sqlite::create(table, size)
    }

    fn drop_search(&self, table: &TableName) -> Vec<String> {
        search::sqlite::drop(table)
    }

    fn alter(
        &self,
        found: &FoundTable,
        table: &Table,
        change: &TableChange<'_>,
        kept: &[&FoundIndex],
        _all: &Introspected,
    ) -> Altered {
        let step = match needs_rebuild(table, change) {
            true => rebuild(found, table, change, kept),
            false => rewrite(found, table, change),
        };
        Altered {
            tighten: vec![step],
            ..Altered::default()
        }
    }
}

/// Whether more changes than the values.
fn needs_rebuild(table: &Table, change: &TableChange<'_>) -> bool {
    let remade = |one: &ColumnChange<'_>| {
        let same = one
            .found
            .is_some_and(|found| found.physical == SqliteDdl.physical(table, one.wanted));
        one.nullability.is_some() || !same
    };
    // Row by row, one converted value may meet another that is still to be: in a copy, indexes are made in the end.
    let unique = |one: &ColumnChange<'_>| {
        let mut indexes = table.indexes.iter().filter(|index| index.unique);
        one.retype.is_some() && indexes.any(|index| index.columns.contains(&one.wanted.name))
    };
    change.columns.iter().any(remade)
        || change.columns.iter().any(unique)
        || !change.keys_to_drop.is_empty()
        || !change.keys_to_add.is_empty()
        || !change.relaxed.is_empty()
}

fn label(found: &FoundTable, change: &TableChange<'_>) -> Label {
    let of_values = change
        .columns
        .iter()
        .filter_map(|one| one.retype)
        .map(|retype| retype.label(found.size));
    of_values.fold(found.size.label(), Label::max)
}

/// What a change comes to, for a person.
fn summary(change: &TableChange<'_>) -> String {
    let mut parts = Vec::new();
    for one in &change.columns {
        let name = &one.wanted.name;
        if one.retype.is_some() {
            parts.push(format!("{name} becomes {}", words(one.wanted.ty)));
        }
        match one.nullability {
            Some(Nullability::Optional) => parts.push(format!("{name} becomes optional")),
            Some(Nullability::Required) => parts.push(format!("{name} becomes required")),
            None => {}
        }
    }
    for column in &change.relaxed {
        parts.push(format!("{}, of no field, may be null", column.name));
    }
    for key in &change.keys_to_drop {
        let (column, to) = (&key.key.column, dotted(&key.key.to));
        parts.push(format!("{column} no longer refers to {to}"));
    }
    for key in &change.keys_to_add {
        parts.push(format!("{} refers to {}", key.column, dotted(&key.to)));
    }
    parts.join(", ")
}

/// Other values in the same columns.
fn rewrite(found: &FoundTable, table: &Table, change: &TableChange<'_>) -> PlanStep {
    let set: Vec<String> = change
        .columns
        .iter()
        .map(|one| {
            let name = quoted(&one.wanted.name);
            format!("{name} = {}", value(one, &name))
        })
        .collect();
    PlanStep::new(
        label(found, change),
        format!("rewrite {}: {}", dotted(&table.name), summary(change)),
        vec![format!(
            "UPDATE {} SET {}",
            table.name.sql(Dialect::Sqlite),
            set.join(", ")
        )],
    )
}

/// A column's value in the changed table.
fn value(change: &ColumnChange<'_>, name: &str) -> String {
    let value = match change.retype {
        Some(Retype::Convert { from, to, .. }) => convert(name, from, to),
        Some(Retype::Restore) | None => name.to_owned(),
    };
    match (change.nullability, &change.wanted.backfill) {
        (Some(Nullability::Required), Some(backfill)) => {
            format!("coalesce({value}, {})", literal(backfill))
        }
        _ => value,
    }
}

fn rebuild(
    found: &FoundTable,
    table: &Table,
    change: &TableChange<'_>,
    kept: &[&FoundIndex],
) -> PlanStep {
    let name = table.name.sql(Dialect::Sqlite);
    let (mut lines, mut into, mut values) = (Vec::new(), Vec::new(), Vec::new());
    for column in &table.columns {
        lines.push(table_line(table, column));
        let name = quoted(&column.name);
        let one = change
            .columns
            .iter()
            .find(|one| one.wanted.name == column.name);
        values.push(one.map_or_else(|| name.clone(), |one| value(one, &name)));
        into.push(name);
    }
    for column in &found.columns {
        if table.columns.iter().any(|one| one.name == column.name) {
            continue;
        }
        let relaxed = change.relaxed.iter().any(|one| one.name == column.name);
        let required = !column.nullable && !relaxed;
        let name = quoted(&column.name);
        // One that is required and has a default would need that default; nobody writes it any more.
        let required = if required && !column.default {
            " NOT NULL"
        } else {
            ""
        };
        lines.push(format!("{name} {}{required}", column.physical));
        values.push(name.clone());
        into.push(name);
    }
    if table.key.len() != 1 {
        lines.push(format!("PRIMARY KEY ({})", names(&table.key)));
    }
    let mut sql = vec![
        create(&quoted(REBUILT), &lines),
        format!(
            "INSERT INTO {} ({})\n  SELECT {} FROM {name}",
            quoted(REBUILT),
            into.join(", "),
            values.join(", ")
        ),
    ];
    if table.assigned_key {
        // Keys of deleted records are not given out again.
        sql.push(format!(
            "DELETE FROM sqlite_sequence WHERE name = '{REBUILT}'"
        ));
        sql.push(format!(
            "INSERT INTO sqlite_sequence (name, seq) SELECT '{REBUILT}', seq FROM sqlite_sequence WHERE name = '{}'",
            table.name.flat()
        ));
    }
    sql.push(format!("DROP TABLE {name}"));
    // Others that refer to the table go on referring to its name.
    sql.push("PRAGMA legacy_alter_table = ON".to_owned());
    sql.push(format!("ALTER TABLE {} RENAME TO {name}", quoted(REBUILT)));
    sql.push("PRAGMA legacy_alter_table = OFF".to_owned());
    for index in kept {
        sql.push(match &index.made {
            Some(made) if index.special => made.clone(),
            _ => create_index(&table.name, &index.name, &index.columns, index.unique),
        });
    }
    sql.extend(found.triggers.iter().cloned());
    PlanStep::new(
        label(found, change),
        format!("rebuild table {}: {}", dotted(&table.name), summary(change)),
        sql,
    )
}

fn create(name: &str, lines: &[String]) -> String {
    format!("CREATE TABLE {name} (\n  {}\n) STRICT", lines.join(",\n  "))
}

fn create_index(table: &TableName, name: &str, columns: &[String], unique: bool) -> String {
    format!(
        "CREATE {}INDEX {} ON {} ({})",
        if unique { "UNIQUE " } else { "" },
        quoted(&index_name(table, name)),
        table.sql(Dialect::Sqlite),
        names(columns)
    )
}

/// A column's line in its table, the key's with what makes it one.
fn table_line(table: &Table, column: &Column) -> String {
    let mut line = declaration(table, column);
    if table.key.len() == 1 && table.key.contains(&column.name) {
        line.push_str(" PRIMARY KEY");
        // A number is never used twice, as on PostgreSQL: whoever kept one (a reader of the log, a
        // reference from another module) would take the new record for the old.
        if table.assigned_key {
            line.push_str(" AUTOINCREMENT");
        }
    }
    line
}

/// `"category" BLOB NOT NULL REFERENCES "catalog__categories" ("id") ON DELETE RESTRICT`.
fn declaration(table: &Table, column: &Column) -> String {
    let mut line = format!("{} {}", quoted(&column.name), physical(column.ty));
    let rowid = table.key.len() == 1
        && table.key.contains(&column.name)
        && physical(column.ty) == "INTEGER";
    // `INTEGER PRIMARY KEY` is the rowid and never null; `NOT NULL` on it would refuse "assign one".
    if !column.nullable && !rowid {
        line.push_str(" NOT NULL");
    }
    if let Some(key) = table
        .foreign_keys
        .iter()
        .find(|key| key.column == column.name)
    {
        let _ = write!(
            line,
            " REFERENCES {} (\"id\") ON DELETE RESTRICT",
            key.to.sql(Dialect::Sqlite)
        );
    }
    line
}

/// The same value, kept as another type; null stays null. Decimals are minor units, rounded half away from zero as
/// PostgreSQL's `round` does; times are microseconds, and divided down as they are below 1970.
fn convert(expr: &str, from: ColumnType, to: ColumnType) -> String {
    use ColumnType as T;
    let power = |n: u8| 10_i64.pow(u32::from(n));
    let divided = |by: i64| match by {
        1 => expr.to_owned(),
        by => format!(
            "({expr} + CASE WHEN {expr} < 0 THEN -{0} ELSE {0} END) / {by}",
            by / 2
        ),
    };
    let micros = format!("(({expr} % 1000000) + 1000000) % 1000000");
    let seconds = format!("({expr} - {micros}) / 1000000");
    match (from, to) {
        (T::Int, T::Decimal { scale }) => format!("{expr} * {}", power(scale)),
        (T::Int, T::Float) => format!("CAST({expr} AS REAL)"),
        (T::Int, T::Text) => format!("CAST({expr} AS TEXT)"),
        (T::Decimal { scale: a }, T::Decimal { scale: b }) if b >= a => {
            format!("{expr} * {}", power(b - a))
        }
        (T::Decimal { scale: a }, T::Decimal { scale: b }) => divided(power(a - b)),
        (T::Decimal { scale }, T::Int) => divided(power(scale)),
        (T::Decimal { scale }, T::Float) => format!("CAST({expr} AS REAL) / {}.0", power(scale)),
        (T::Decimal { scale: 0 }, T::Text) => format!("CAST({expr} AS TEXT)"),
        (T::Decimal { scale }, T::Text) => format!(
            "(CASE WHEN {expr} < 0 THEN '-' ELSE '' END) || (abs({expr}) / {0}) || '.' || \
             printf('%0{scale}d', abs({expr}) % {0})",
            power(scale)
        ),
        (T::Bool, T::Text) => format!("CASE {expr} WHEN 1 THEN 'true' WHEN 0 THEN 'false' END"),
        (T::Uuid, T::Text) => {
            let part = |from, length| format!("substr(hex({expr}), {from}, {length})");
            format!(
                "CASE WHEN {expr} IS NOT NULL THEN lower({} || '-' || {} || '-' || {} || '-' || {} || '-' || {}) END",
                part(1, 8),
                part(9, 4),
                part(13, 4),
                part(17, 4),
                part(21, 12)
            )
        }
        (T::Date, T::Timestamp) => format!("unixepoch({expr}) * 1000000"),
        (T::Timestamp, T::Date) => format!("date({seconds}, 'unixepoch')"),
        (T::Timestamp, T::Text) => format!(
            "strftime('%Y-%m-%dT%H:%M:%S', {seconds}, 'unixepoch') || printf('.%06dZ', {micros})"
        ),
        // Kept alike.
        _ => expr.to_owned(),
    }
}

pub fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

fn names(columns: &[String]) -> String {
    let quoted: Vec<String> = columns.iter().map(|name| quoted(name)).collect();
    quoted.join(", ")
}

/// A constant in DDL, which takes no parameters.
pub fn literal(value: &Value) -> String {
    match value {
        Value::Null => "NULL".to_owned(),
        Value::Bool(v) => i64::from(*v).to_string(),
        Value::Int(v) | Value::Timestamp(v) | Value::Duration(v) => v.to_string(),
        // Always with a point or exponent, so that it stays REAL.
        Value::Float(v) => format!("{v:?}"),
        Value::Decimal(v) => v.units.to_string(),
        Value::Text(text) | Value::Json(text) => format!("'{}'", text.replace('\'', "''")),
        Value::Uuid(id) => format!("x'{}'", id.simple()),
        Value::Date(days) => format!("'{}'", spec::time::date_text(*days)),
        Value::List(items) => {
            let mut out = Vec::new();
            crate::sqlite::encode::write_list(&mut out, items);
            format!("'{}'", String::from_utf8_lossy(&out).replace('\'', "''"))
        }
    }
}
