//! Tables that were there before the app, on PostgreSQL: read through a view that stands in the statement itself, under
//! the names of the model; written by their own names.
//!
//! A view of plain columns costs nothing: the planner of PostgreSQL pulls it up, and the table's indexes serve. A column
//! of a type that none of ours is kept as is cast, and its indexes do not. Filters, orders, cursors and answers all see
//! what the view makes of it.
//!
//! Such a table has no `version`. Each row knows the transaction that wrote it last (`xmin`), whoever that was: it is as
//! good for entity tags and for writing only what was read, and better in that it sees the writes of others.

use crate::condition::{Conditions, Eyes, Unsupported};
use crate::read::Planner;
use crate::sql::{Sql, pg_type};
use crate::write::{Guards, Record, step};
use spec::decimal::{Decimal, MAX_UNITS};
use spec::existing::{Column, Existing};
use spec::model::ID;
use spec::schema::{Dialect, TableName};
use spec::statement::{Expect, Lane, Output, Step};
use spec::types::ColumnType;
use spec::{FieldId, KeyKind, Model, Rule, Value};

type Result<T> = std::result::Result<T, Unsupported>;

/// What stands for the version. A transaction's number is below 2^32, and comes again after four thousand millions of them.
const VERSION: &str = "xmin::text::bigint";

impl Sql {
    /// `(SELECT "OrderID" AS "id", …, xmin::text::bigint AS "version" FROM "public"."Orders")`.
    pub(crate) fn view(&mut self, model: &Model, existing: &Existing) -> &mut Sql {
        self.push("(SELECT ");
        for field in &model.fields {
            let (column, ty) = match (&field.existing, field.id) {
                (_, ID) => (&existing.key, model.key.column()),
                (Some(column), _) => (column, field.ty.column()),
                (None, _) => continue,
            };
            self.read(column, ty, field.computed)
                .push(" AS ")
                .ident(&field.name)
                .push(", ");
        }
        self.push(VERSION).push(" AS \"version\" FROM ");
        self.foreign_table(&existing.table).push(")")
    }

    pub(crate) fn foreign_table(&mut self, table: &TableName) -> &mut Sql {
        self.foreign(&table.namespace)
            .push(".")
            .foreign(&table.name)
    }

    /// A column as a value of ours.
    fn read(&mut self, column: &Column, ty: ColumnType, computed: bool) -> &mut Sql {
        let json = ty == ColumnType::Json;
        match &column.native {
            Some(native) if native.list => self.call("to_jsonb", &column.name),
            None if computed && json => self.call("to_jsonb", &column.name),
            Some(_) if let ColumnType::Decimal { scale } = ty => self.rounded(&column.name, scale),
            // As the database prints it: 0.1, where the double of the same value is 0.10000000149011612.
            Some(_) if ty == ColumnType::Float => self
                .push("CAST(")
                .cast(&column.name, ColumnType::Text)
                .push(" AS double precision)"),
            Some(native) if json && native.ty == TableName::new("pg_catalog", "json") => {
                self.json(&column.name)
            }
            Some(_) => self.cast(&column.name, ty),
            None if computed && ty == ColumnType::Text => self.cast(&column.name, ty),
            None => self.foreign(&column.name),
        }
    }

    /// A `numeric` of more digits than a decimal has, as the nearest decimal.
    fn rounded(&mut self, column: &str, scale: u8) -> &mut Sql {
        let most = Decimal::new(MAX_UNITS, scale).to_string();
        for (beyond, sign) in [(" > ", ""), (" < ", "-")] {
            self.push(if sign.is_empty() {
                "(CASE WHEN "
            } else {
                " WHEN "
            })
            .foreign(column)
            .push(beyond)
            .push(sign)
            .push(&most)
            .push(" THEN ")
            .push(sign)
            .push(&most);
        }
        self.push(" ELSE round(")
            .foreign(column)
            .push(", ")
            .number(scale)
            .push(") END)")
    }

    /// A `json` may have in it what no `jsonb` takes: the character U+0000, half a pair of surrogates, a number without
    /// measure. Such a document is shown as a text. (Behind escaped backslashes and whole pairs, which go first.)
    fn json(&mut self, column: &str) -> &mut Sql {
        const WHOLE: &str = r"\\\\|\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}";
        const BROKEN: &str = r"\\u(0000|[dD][89a-fA-F])|(\[|:|,)\s*-?[0-9.]+[eE][+]?[0-9]{6}";
        self.push("(CASE WHEN regexp_replace(CAST(")
            .foreign(column)
            .push(" AS text), '")
            .push(WHOLE)
            .push("', '', 'g') ~ '")
            .push(BROKEN)
            .push("' THEN to_jsonb(CAST(")
            .foreign(column)
            .push(" AS text)) ELSE CAST(")
            .foreign(column)
            .push(" AS jsonb) END)")
    }

    fn call(&mut self, function: &str, column: &str) -> &mut Sql {
        self.push(function).push("(").foreign(column).push(")")
    }

    fn cast(&mut self, column: &str, ty: ColumnType) -> &mut Sql {
        self.push("CAST(")
            .foreign(column)
            .push(" AS ")
            .push(pg_type(ty))
            .push(")")
    }

    /// A value of ours, as SQL, as the column keeps it. Where its type is ours, PostgreSQL converts by itself: an
    /// `integer` takes a `bigint` that fits.
    fn kept(&mut self, column: &Column, value: &str) -> &mut Sql {
        let Some(native) = &column.native else {
            return self.push(value);
        };
        if native.list {
            self.push("CASE WHEN ")
                .push(value)
                .push(" IS NULL THEN NULL ELSE CAST(ARRAY(SELECT jsonb_array_elements_text(")
                .push(value)
                .push(")) AS ")
                .foreign_table(&native.ty)
                .push("[]) END")
        } else {
            self.push("CAST(")
                .push(value)
                .push(" AS ")
                .foreign_table(&native.ty)
                .push(")")
        }
    }

    fn bind_kept(&mut self, column: &Column, value: Value, ty: ColumnType) -> &mut Sql {
        if column.native.is_none() {
            return self.bind(value, ty);
        }
        let (bound, _) = self.aside(|sql| {
            sql.bind(value, ty);
        });
        self.kept(column, &bound)
    }
}

/// A date or datetime as it is shown: parts of it are taken of the nearest day or moment in the years 1–9999.
pub(crate) fn shown_moment(column: ColumnType, moment: &str) -> String {
    let (first, last) = match column {
        ColumnType::Date => ("date '0001-01-01'", "date '9999-12-31'"),
        _ => (
            "timestamptz '0001-01-01T00:00:00Z'",
            "timestamptz '9999-12-31T23:59:59.999999Z'",
        ),
    };
    format!(
        "(CASE WHEN {moment} < {first} THEN {first} WHEN {moment} > {last} THEN {last} ELSE {moment} END)"
    )
}

impl Planner<'_> {
    /// The existing table of a model, on the store that can have one.
    pub(crate) fn existing<'m>(&self, model: &'m Model) -> Option<&'m Existing> {
        model
            .existing
            .as_ref()
            .filter(|_| self.dialect == Dialect::Postgres)
    }

    /// What nobody gave is left out, so that the database's own defaults come in; but not where rules were decided on its
    /// having none.
    pub(crate) fn create_existing(
        &self,
        model: &Model,
        existing: &Existing,
        record: &Record<'_>,
        guard: Option<&Rule>,
    ) -> Result<Vec<Step>> {
        let mut sql = Sql::new(self.dialect);
        let given: Vec<(FieldId, &Column, ColumnType)> = columns(model, existing)
            .filter(|(field, column, _)| match *field {
                ID => !record.values[0].is_null(),
                _ => !by_database(*field, column, record),
            })
            .collect();
        let assigned = model.key == KeyKind::Int && record.values[0].is_null();
        sql.push("INSERT INTO ").foreign_table(&existing.table);
        for (i, (_, column, _)) in given.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { " (" })
                .foreign(&column.name);
        }
        sql.push(if given.is_empty() { " " } else { ") " });
        if model.key == KeyKind::Int && !assigned {
            // Also where the database would not have keys given (`GENERATED ALWAYS`).
            sql.push("OVERRIDING SYSTEM VALUE ");
        }
        match guard {
            None if given.is_empty() => {
                sql.push("DEFAULT VALUES");
            }
            None => {
                sql.push("VALUES (");
                for (i, (field, column, ty)) in given.iter().enumerate() {
                    let value = record.values[usize::from(field.0)].clone();
                    sql.push(if i > 0 { ", " } else { "" })
                        .bind_kept(column, value, *ty);
                }
                sql.push(")");
            }
            Some(rule) => {
                sql.push("SELECT ");
                for (i, (field, column, _)) in given.iter().enumerate() {
                    let value = format!("n.\"{}\"", model.field(*field).name);
                    sql.push(if i > 0 { ", " } else { "" }).kept(column, &value);
                }
                sql.push(" FROM (SELECT ");
                self.values(&mut sql, model, record, usize::from(assigned), true);
                sql.push(") n WHERE ");
                Conditions::new(self.app, model.id, "n", Eyes::Rule).rule(&mut sql, rule)?;
            }
        }
        let mut columns = Vec::new();
        if assigned {
            sql.push(" RETURNING ").foreign(&existing.key.name);
            columns.push(Output::Captured {
                ty: ColumnType::Int,
            });
        }
        let mut steps = Vec::with_capacity(2);
        if model.key == KeyKind::Int && !assigned {
            steps.push(self.advance(model, record.values[0].clone()));
        }
        steps.push(undoable(step(sql, columns, Expect::One)));
        Ok(steps)
    }

    pub(crate) fn update_existing(
        &self,
        model: &Model,
        existing: &Existing,
        version: i64,
        changed: &[FieldId],
        record: &Record<'_>,
        guards: Guards<'_>,
    ) -> Result<Vec<Step>> {
        let mut sql = Sql::new(self.dialect);
        sql.push("UPDATE ")
            .foreign_table(&existing.table)
            .push(" AS w SET ");
        let mut any = false;
        for (field, column, ty) in columns(model, existing).filter(|(id, ..)| changed.contains(id))
        {
            let value = record.values[usize::from(field.0)].clone();
            sql.push(if any { ", " } else { "" })
                .foreign(&column.name)
                .push(" = ");
            match by_database(field, column, record) {
                true => sql.push("DEFAULT"),
                false => sql.bind_kept(column, value, ty),
            };
            any = true;
        }
        if !any {
            // A write that changes nothing is one all the same: it moves the version.
            let key = &existing.key.name;
            sql.foreign(key).push(" = w.").foreign(key);
        }
        if guards.stored.is_some() || guards.result.is_some() {
            sql.push(" FROM ").table(model).push(" t");
        }
        self.where_row(&mut sql, model, existing, &record.values[0], version);
        if guards.stored.is_some() || guards.result.is_some() {
            self.and_view(&mut sql, model, &record.values[0], version);
        }
        self.and_guards(&mut sql, model, record, guards)?;
        Ok(vec![undoable(step(sql, Vec::new(), Expect::One))])
    }

    pub(crate) fn delete_existing(
        &self,
        model: &Model,
        existing: &Existing,
        id: &Value,
        version: i64,
        guard: Option<&Rule>,
    ) -> Result<Vec<Step>> {
        let mut sql = Sql::new(self.dialect);
        sql.push("DELETE FROM ")
            .foreign_table(&existing.table)
            .push(" AS w");
        if guard.is_some() {
            sql.push(" USING ").table(model).push(" t");
        }
        self.where_row(&mut sql, model, existing, id, version);
        if let Some(rule) = guard {
            self.and_view(&mut sql, model, id, version);
            sql.push(" AND ");
            Conditions::new(self.app, model.id, "t", Eyes::Rule).rule(&mut sql, rule)?;
        }
        Ok(vec![undoable(step(sql, Vec::new(), Expect::One))])
    }

    /// The row itself at the version that was read: looked at again when another transaction was waited for.
    fn where_row(
        &self,
        sql: &mut Sql,
        model: &Model,
        existing: &Existing,
        id: &Value,
        version: i64,
    ) {
        sql.push(" WHERE ");
        let (key, ty) = (&existing.key, model.key.column());
        match &key.native {
            None => sql.push("w.").foreign(&key.name),
            Some(_) => sql
                .push("CAST(w.")
                .foreign(&key.name)
                .push(" AS ")
                .push(pg_type(ty))
                .push(")"),
        };
        sql.push(" = ").bind(id.clone(), ty);
        sql.push(" AND w.")
            .push(VERSION)
            .push(" = ")
            .bind(Value::Int(version), ColumnType::Int);
    }

    /// The same row under the model's names, for rules that need other records.
    fn and_view(&self, sql: &mut Sql, model: &Model, id: &Value, version: i64) {
        sql.push(" AND t.\"id\" = ")
            .bind(id.clone(), model.key.column())
            .push(" AND t.\"version\" = ")
            .bind(Value::Int(version), ColumnType::Int);
    }
}

/// In a transaction, also where it is alone: a trigger may do something else and keep the row from being written, and a
/// table with others below it (`INHERITS`) may have a key twice. Then nothing of it lasts.
fn undoable(mut step: Step) -> Step {
    step.statement.lane = Lane::Unbounded;
    step
}

/// Whether the database's default, or null where it has none, takes the place of a value.
fn by_database(field: FieldId, column: &Column, record: &Record<'_>) -> bool {
    record.left_out.contains(&field) && !column.judged
}

/// The columns that are written, the key first.
fn columns<'m>(
    model: &'m Model,
    existing: &'m Existing,
) -> impl Iterator<Item = (FieldId, &'m Column, ColumnType)> {
    model.fields.iter().filter_map(|field| {
        if field.id == ID {
            return Some((ID, &existing.key, model.key.column()));
        }
        let column = field.existing.as_ref().filter(|_| !field.computed)?;
        Some((field.id, column, field.ty.column()))
    })
}
