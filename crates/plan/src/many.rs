//! Many records at once: those that match, records as they are stored, and new ones.

use crate::access::{self, Verb};
use crate::condition::{Conditions, Eyes, Unsupported};
use crate::read::Planner;
use crate::schema::EXTRA;
use crate::sql::Sql;
use crate::write::{Kind, Logged, Record, step};
use spec::expr::Expr;
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step};
use spec::types::ColumnType;
use spec::{Dialect, FieldId, KeyKind, Model, Rule, Value};

type Result<T> = std::result::Result<T, Unsupported>;

/// Ids in one statement on SQLite, where each has a parameter of its own. Fewer are filled up, so that there are
/// few texts to keep prepared.
const IDS: usize = 64;

/// What a transaction is about to do with a record that it reads. On PostgreSQL its row is locked for that, so that
/// what was decided on it holds when it is written; SQLite has one writer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Hold {
    No,
    Change,
    Remove,
}

impl Planner<'_> {
    /// The keys of at most `limit` records that match and that the caller may read, in any order. None where they
    /// may read no record at all.
    pub fn matching(&self, model: &Model, filter: &Expr, limit: u32) -> Result<Option<Statement>> {
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(None);
        }
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT t.\"id\" FROM ")
            .table(model)
            .push(" t WHERE ");
        Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller))
            .holds(&mut sql, filter)?;
        if !matches!(rule, Rule::Allow) {
            sql.push(" AND ");
            self.rules(model, "t").rule(&mut sql, &rule)?;
        }
        // Without an order: an index on it could look like the short way to the first few, and be the long one.
        sql.push(" LIMIT ").number(limit);
        Ok(Some(sql.statement(
            captures(vec![model.key.column()]),
            Lane::Unbounded,
        )))
    }

    /// Records as they are stored (see [`Planner::stored`]); behind the answers to `rules`, whether `filter` holds
    /// through the caller's eyes.
    pub fn stored_many(
        &self,
        model: &Model,
        ids: &[Value],
        rules: &[&Rule],
        filter: Option<&Expr>,
        hold: Hold,
    ) -> Result<Vec<Statement>> {
        let one = |by: &dyn Fn(&mut Sql)| -> Result<Statement> {
            let mut sql = Sql::new(self.dialect);
            let mut columns = self.stored_columns(&mut sql, model, rules)?;
            if let Some(filter) = filter {
                sql.push(", (");
                Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller))
                    .holds(&mut sql, filter)?;
                sql.push(") IS TRUE");
                columns.push(Output::Captured {
                    ty: ColumnType::Bool,
                });
            }
            sql.push(" FROM ").table(model).push(" t WHERE t.\"id\"");
            by(&mut sql);
            self.hold(&mut sql, hold);
            Ok(sql.statement(every(columns), Lane::Bounded))
        };
        let key = model.key.column();
        match self.dialect {
            Dialect::Postgres => Ok(vec![one(&|sql| {
                // In one order, so that two who lock the same records do not wait for each other.
                sql.push(" = ANY(")
                    .bind_array(ids.into(), key)
                    .push(") ORDER BY t.\"id\"");
            })?]),
            Dialect::Sqlite => {
                let by = |id: &Value| {
                    one(&|sql| {
                        sql.push(" = ").bind(id.clone(), key);
                    })
                };
                ids.iter().map(by).collect()
            }
        }
    }

    /// The stored record that has these values, at most one, since together they are unique.
    pub fn stored_by(
        &self,
        model: &Model,
        values: &[(FieldId, Value)],
        rules: &[&Rule],
        hold: Hold,
    ) -> Result<Statement> {
        let mut sql = Sql::new(self.dialect);
        let columns = self.stored_columns(&mut sql, model, rules)?;
        sql.push(" FROM ").table(model).push(" t");
        for (at, (field, value)) in values.iter().enumerate() {
            let field = model.field(*field);
            let ty = match field.id {
                spec::model::ID => model.key.column(),
                _ => field.ty.column(),
            };
            sql.push(if at == 0 { " WHERE " } else { " AND " })
                .column("t", &field.name)
                .push(" = ")
                .bind(value.clone(), ty);
        }
        self.hold(&mut sql, hold);
        Ok(sql.statement(every(columns), Lane::Bounded))
    }

    /// Locks the rows of a statement that reads stored records. A key never changes, so that a change does not keep
    /// others from referring to the record.
    pub(crate) fn hold(&self, sql: &mut Sql, hold: Hold) {
        if self.dialect == Dialect::Postgres {
            sql.push(match hold {
                Hold::No => "",
                Hold::Change => " FOR NO KEY UPDATE OF t",
                Hold::Remove => " FOR UPDATE OF t",
            });
        }
    }

    /// Statements that capture the keys of those of these records that the caller may read.
    pub fn readable_ids(&self, model: &Model, ids: &[Value]) -> Result<Vec<Statement>> {
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(Vec::new());
        }
        let key = model.key.column();
        let one = |ids: &[Value]| -> Result<Statement> {
            let mut sql = Sql::new(self.dialect);
            sql.push("SELECT t.\"id\" FROM ")
                .table(model)
                .push(" t WHERE t.\"id\"");
            match self.dialect {
                Dialect::Postgres => {
                    sql.push(" = ANY(").bind_array(ids.into(), key).push(")");
                }
                Dialect::Sqlite => {
                    sql.push(" IN (");
                    for at in 0..ids.len().next_power_of_two() {
                        sql.push(if at > 0 { ", " } else { "" })
                            .bind(ids[at.min(ids.len() - 1)].clone(), key);
                    }
                    sql.push(")");
                }
            }
            if !matches!(rule, Rule::Allow) {
                sql.push(" AND ");
                self.rules(model, "t").rule(&mut sql, &rule)?;
            }
            Ok(sql.statement(captures(vec![key]), Lane::Bounded))
        };
        match self.dialect {
            Dialect::Postgres if ids.is_empty() => Ok(Vec::new()),
            Dialect::Postgres => Ok(vec![one(ids)?]),
            Dialect::Sqlite => ids.chunks(IDS).map(one).collect(),
        }
    }

    /// The next keys that the store assigns, drawn before their records are written. None where it hands them out
    /// with the write.
    pub fn drawn_keys(&self, model: &Model, count: usize) -> Option<Step> {
        if model.key != KeyKind::Int || self.dialect == Dialect::Sqlite || model.existing.is_some()
        {
            return None;
        }
        let mut table = Sql::new(self.dialect);
        table.table(model);
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT nextval(s.name::regclass) FROM (SELECT pg_get_serial_sequence(");
        sql.bind(Value::text(&table.text), ColumnType::Text);
        sql.push(", 'id') AS name) s, generate_series(1, ");
        sql.bind(Value::Int(count as i64), ColumnType::Int);
        sql.push(")");
        let column = Output::Captured {
            ty: ColumnType::Int,
        };
        Some(step(sql, vec![column], Expect::Any))
    }

    /// New records as an import brings them, in one piece. None where they are to be written one by one: the store is no
    /// slower then, or has to assign a key.
    pub fn import_many(
        &self,
        model: &Model,
        records: &[Record<'_>],
        logs: &[Logged],
    ) -> Result<Option<Vec<Step>>> {
        let key = |record: &Record<'_>| record.values[0].clone();
        let highest = records.iter().map(|record| match key(record) {
            Value::Int(key) => key,
            _ => i64::MIN,
        });
        if self.dialect == Dialect::Sqlite
            || model.existing.is_some()
            || records.iter().any(|record| key(record).is_null())
        {
            return Ok(None);
        }
        let mut steps = self.create_many(model, records, logs)?;
        if model.key == KeyKind::Int
            && let Some(highest) = highest.max()
        {
            steps.insert(0, self.advance(model, Value::Int(highest)));
        }
        Ok(Some(steps))
    }

    /// New records, with their rows of the change log. On PostgreSQL it is one statement, whose parameters are columns,
    /// and their keys are known; SQLite runs the statements of one record again and again.
    pub fn create_many(
        &self,
        model: &Model,
        records: &[Record<'_>],
        logs: &[Logged],
    ) -> Result<Vec<Step>> {
        // What one record leaves out, the defaults of an existing table fill in, and another may give.
        if self.dialect == Dialect::Sqlite || model.existing.is_some() {
            let mut steps = Vec::with_capacity(records.len() * 2);
            // A statement that comes again is quicker, and so is a table.
            let mut logged = Vec::with_capacity(records.len());
            for (record, log) in records.iter().zip(logs) {
                let mut of = self.create(model, record, None, log)?;
                if model.changes && model.existing.is_none() && !record.values[0].is_null() {
                    logged.extend(of.pop());
                }
                steps.extend(of);
            }
            steps.extend(logged);
            return Ok(steps);
        }
        let mut sql = Sql::new(self.dialect);
        if model.changes {
            sql.push("WITH w AS (");
        }
        sql.push("INSERT INTO ").table(model).push(" (");
        for (at, field) in model.fields.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { "" }).ident(&field.name);
        }
        if model.open {
            sql.push(", ").ident(EXTRA);
        }
        // Not `FROM unnest(…, …)`, which gathers the rows of each array before it puts the first ones together: a fifth
        // of what the insert takes. All arrays have one length.
        sql.push(") SELECT ");
        for (at, field) in model.fields.iter().enumerate() {
            let ty = match field.id {
                spec::model::ID => model.key.column(),
                _ => field.ty.column(),
            };
            let column = records.iter().map(|r| r.values[at].clone());
            sql.push(if at > 0 { ", unnest(" } else { "unnest(" })
                .bind_array(column.collect(), ty)
                .push(")");
        }
        if model.open {
            let extra = |r: &Record<'_>| Value::Json(r.extra.unwrap_or("{}").into());
            sql.push(", unnest(")
                .bind_array(records.iter().map(extra).collect(), ColumnType::Json)
                .push(")");
        }
        if model.changes {
            sql.push(") ");
            let ids = records.iter().map(|r| Value::text(&r.values[0].key_text()));
            let texts = logs
                .iter()
                .map(|l| l.record.as_deref().map_or(Value::Null, Value::text));
            let version = usize::from(model.version().0);
            let versions: Vec<Value> = records.iter().map(|r| r.values[version].clone()).collect();
            self.log_of(
                &mut sql,
                model,
                Kind::Create,
                |sql| {
                    sql.push("l.id");
                },
                |sql| {
                    sql.push("l.version");
                },
            );
            sql.push("l.record, NULL FROM unnest(")
                .bind_array(ids.collect(), ColumnType::Text)
                .push(", ")
                .bind_array(versions.into(), ColumnType::Int)
                .push(", ")
                .bind_array(texts.collect(), ColumnType::Text)
                .push(") AS l(id, version, record)");
        }
        let mut step = step(sql, Vec::new(), Expect::Any);
        step.statement.lane = Lane::Unbounded;
        Ok(vec![step])
    }
}

fn every(columns: Vec<Output>) -> Shape {
    Shape {
        columns,
        capture: Capture::Every,
    }
}

fn captures(types: Vec<ColumnType>) -> Shape {
    every(
        types
            .into_iter()
            .map(|ty| Output::Captured { ty })
            .collect(),
    )
}
