//! Every record of a model, from the first to the last: what an export reads. And a record as it was logged, back
//! into its table: what a replay of the change log writes.

use crate::access::{self, Verb};
use crate::condition::Unsupported;
use crate::read::Planner;
use crate::resolve::Want;
use crate::schema::EXTRA;
use crate::sql::Sql;
use crate::write::Record;
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step};
use spec::types::ColumnType;
use spec::{Field, FieldId, Model, Rule, Value};

type Result<T> = std::result::Result<T, Unsupported>;

/// What the records of an export are.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// Objects, with undeclared members of an open model among the declared.
    Json,
    /// Captured values: each field in the model's order, then what an open model keeps undeclared as one document.
    Values,
}

impl Planner<'_> {
    /// Every record that the caller may read, in the order of ids, with every field that they may see: also those
    /// that answers leave out unless asked. None where the caller may read no record at all.
    pub fn every(&self, model: &Model, form: Form) -> Result<Option<Statement>> {
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(None);
        }
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT ");
        let columns = match form {
            Form::Json => {
                let with_rule = |field| (field, access::field_read(field, self.caller));
                let want = Want {
                    model,
                    fields: model.fields.iter().map(with_rule).collect(),
                    extra: model.open,
                    to_one: Vec::new(),
                    to_many: Vec::new(),
                    foreign: Vec::new(),
                };
                let piece = self.selects().record(&mut sql, &want, "t")?;
                sql.push(piece.list());
                piece.outputs
            }
            Form::Values => self.values_of(&mut sql, model)?,
        };
        sql.push(" FROM ").table(model).push(" t");
        if !matches!(rule, Rule::Allow) {
            sql.push(" WHERE ");
            self.rules(model, "t").rule(&mut sql, &rule)?;
        }
        sql.push(" ORDER BY t.\"id\"");
        let shape = Shape {
            columns,
            capture: Capture::Every,
        };
        Ok(Some(sql.statement(shape, Lane::Unbounded)))
    }

    fn values_of(&self, sql: &mut Sql, model: &Model) -> Result<Vec<Output>> {
        let mut columns = Vec::with_capacity(model.fields.len() + 1);
        for (at, field) in model.fields.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" });
            match access::field_read(field, self.caller) {
                Rule::Allow => {
                    sql.column("t", &field.name);
                }
                rule @ (Rule::Deny | Rule::When(_)) => {
                    sql.push("CASE WHEN ");
                    self.rules(model, "t").rule(sql, &rule)?;
                    sql.push(" THEN ").column("t", &field.name).push(" END");
                }
            }
            columns.push(Output::Captured {
                ty: column_type(model, field),
            });
        }
        if model.open {
            sql.push(", ").column("t", EXTRA);
            columns.push(Output::Captured {
                ty: ColumnType::Json,
            });
        }
        Ok(columns)
    }

    /// Puts a record into its table as it was logged, as the first of its versions or behind the one before it.
    /// Nothing is decided and nothing logged: that was done when it was written.
    pub fn replay(&self, model: &Model, record: &Record<'_>, first: bool) -> Step {
        let mut sql = Sql::new(self.dialect);
        let version = match record.values[usize::from(model.version().0)] {
            Value::Int(version) => version,
            _ => 0,
        };
        if first {
            sql.push("INSERT INTO ").table(model).push(" (");
            for (at, field) in model.fields.iter().enumerate() {
                sql.push(if at > 0 { ", " } else { "" }).ident(&field.name);
            }
            if model.open {
                sql.push(", ").ident(EXTRA);
            }
            sql.push(") VALUES (");
            self.values(&mut sql, model, record, 0, false);
            sql.push(")");
        } else {
            sql.push("UPDATE ").table(model).push(" AS t SET ");
            for (at, field) in model.fields.iter().enumerate().skip(1) {
                sql.push(if at > 1 { ", " } else { "" })
                    .ident(&field.name)
                    .push(" = ")
                    .bind(record.values[at].clone(), field.ty.column());
            }
            if let (true, Some(extra)) = (model.open, record.extra) {
                sql.push(", ").ident(EXTRA).push(" = ");
                sql.bind(Value::Json(extra.into()), ColumnType::Json);
            }
            self.where_version(&mut sql, model, &record.values[0], version - 1);
        }
        step(sql)
    }

    /// Removes a record whose deletion was logged under this version.
    pub fn replay_delete(&self, model: &Model, id: &Value, version: i64) -> Step {
        let mut sql = Sql::new(self.dialect);
        sql.push("DELETE FROM ").table(model).push(" AS t");
        self.where_version(&mut sql, model, id, version - 1);
        step(sql)
    }
}

/// The column that a field is.
pub fn column_type(model: &Model, field: &Field) -> ColumnType {
    match field.id {
        FieldId(0) => model.key.column(),
        _ => field.ty.column(),
    }
}

fn step(sql: Sql) -> Step {
    let shape = Shape::default();
    Step {
        statement: sql.statement(shape, Lane::Bounded),
        expect: Expect::One,
    }
}
