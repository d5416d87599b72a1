//! Writing: the steps of a create, an update and a delete, each with its row of the change log in the same
//! transaction: on PostgreSQL in the same statement, on SQLite in the same turn of the writer.

use crate::condition::{Conditions, Eyes, Unsupported};
use crate::read::Planner;
use crate::schema::EXTRA;
use crate::sql::Sql;
use spec::model::ID;
use spec::statement::{Capture, Expect, Lane, Output, Shape, Statement, Step};
use spec::types::ColumnType;
use spec::{Dialect, FieldId, KeyKind, Model, Rule, Value};

type Result<T> = std::result::Result<T, Unsupported>;

/// The class of advisory locks that sequences are moved under: "main" in ASCII.
const KEYS_LOCK: i32 = 0x6d61_696e;

/// What the change log says of a write, beside what the model says.
#[derive(Debug, Clone, Default)]
pub struct Logged {
    /// Canonical JSON; without the id, which has a column of its own.
    pub record: Option<String>,
    pub previous: Option<String>,
}

/// A record as it will be after the write.
pub struct Record<'r> {
    /// By [`FieldId`]. The id of a model that assigns its keys is null until then.
    pub values: &'r [Value],
    /// Canonical JSON object, on open models.
    pub extra: Option<&'r str>,
    /// Fields of an existing table that nobody and no default of the model gave a value: the database's own default
    /// comes in.
    pub left_out: &'r [FieldId],
}

/// Rules that need other records, and so are asked in the statement itself.
#[derive(Default, Clone, Copy)]
pub struct Guards<'r> {
    /// Of the stored record.
    pub stored: Option<&'r Rule>,
    /// Of the resulting one (`old` is the stored one).
    pub result: Option<&'r Rule>,
}

#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Create,
    Update,
    Delete,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Create => "create",
            Kind::Update => "update",
            Kind::Delete => "delete",
        }
    }
}

impl Planner<'_> {
    /// The first step returns the key where the store assigns it. Where it is given although the store would
    /// assign it, keys that are assigned later go on behind it.
    pub fn create(
        &self,
        model: &Model,
        record: &Record<'_>,
        guard: Option<&Rule>,
        log: &Logged,
    ) -> Result<Vec<Step>> {
        if let Some(existing) = self.existing(model) {
            return self.create_existing(model, existing, record, guard);
        }
        let mut sql = Sql::new(self.dialect);
        let assigned = model.key == KeyKind::Int && record.values[0].is_null();
        let logged = model.changes && self.dialect == Dialect::Postgres;
        // The first, unless the record comes from elsewhere with one.
        let version = match record.values[usize::from(model.version().0)] {
            Value::Int(version) => version,
            _ => 1,
        };
        if logged {
            sql.push("WITH w AS (");
        }
        sql.push("INSERT INTO ").table(model).push(" (");
        let skip = usize::from(assigned);
        for (i, field) in model.fields.iter().enumerate().skip(skip) {
            sql.push(if i > skip { ", " } else { "" })
                .ident(&field.name);
        }
        if model.open {
            sql.push(", ").ident(EXTRA);
        }
        match guard {
            None => {
                sql.push(") VALUES (");
                self.values(&mut sql, model, record, skip, false);
                sql.push(")");
            }
            Some(rule) => {
                sql.push(") SELECT * FROM (SELECT ");
                self.values(&mut sql, model, record, skip, true);
                sql.push(") n WHERE ");
                Conditions::new(self.app, model.id, "n", Eyes::Rule).rule(&mut sql, rule)?;
            }
        }
        let mut columns = Vec::new();
        if logged {
            sql.push(" RETURNING \"id\")");
            if assigned {
                sql.push(", l AS (");
            }
            sql.push(" ");
            self.log(
                &mut sql,
                model,
                Kind::Create,
                version,
                log,
                LogId::From("w"),
            );
            if assigned {
                sql.push(") SELECT w.\"id\" FROM w");
            }
        } else if assigned {
            sql.push(" RETURNING \"id\"");
        }
        if assigned {
            columns.push(Output::Captured {
                ty: ColumnType::Int,
            });
        }
        let mut steps = Vec::with_capacity(2);
        if model.key == KeyKind::Int && !assigned && self.dialect == Dialect::Postgres {
            steps.push(self.advance(model, record.values[0].clone()));
        }
        steps.push(step(sql, columns, Expect::One));
        if model.changes && !logged {
            let id = if assigned {
                LogId::Inserted
            } else {
                LogId::Known(record.values[0].key_text())
            };
            steps.push(self.log_step(model, Kind::Create, version, log, id));
        }
        Ok(steps)
    }

    /// Moves the sequence behind assigned keys to a given one, before that is there for others to meet.
    /// Reading and setting it are two things, so they have a lock around them; it ends with the transaction.
    /// (SQLite goes on behind the highest key by itself.)
    pub(crate) fn advance(&self, model: &Model, given: Value) -> Step {
        let mut sql = Sql::new(self.dialect);
        let (table, key) = match &model.existing {
            Some(existing) => (&existing.table, existing.key.name.as_str()),
            None => (&crate::schema::table_name(model), "id"),
        };
        let name = Value::text(&table.sql(self.dialect));
        sql.push("WITH s AS MATERIALIZED (SELECT coalesce(pg_get_serial_sequence(");
        sql.bind(name.clone(), ColumnType::Text);
        sql.push(", ").bind(Value::text(key), ColumnType::Text);
        sql.push(")");
        if model.existing.is_some() {
            // One that its column draws from and does not own.
            sql.push(", (SELECT q.oid::regclass::text FROM pg_attrdef d");
            sql.push(" JOIN pg_attribute a ON a.attrelid = d.adrelid AND a.attnum = d.adnum");
            sql.push(" JOIN pg_depend p ON p.classid = 'pg_attrdef'::regclass AND p.objid = d.oid");
            sql.push(" AND p.refclassid = 'pg_class'::regclass");
            sql.push(
                " JOIN pg_class q ON q.oid = p.refobjid AND q.relkind = 'S' WHERE d.adrelid = ",
            );
            sql.bind(name, ColumnType::Text);
            sql.push("::regclass AND a.attname = ")
                .bind(Value::text(key), ColumnType::Text);
            sql.push(" LIMIT 1)");
        }
        sql.push(") AS name), k AS MATERIALIZED (SELECT name, pg_advisory_xact_lock(");
        sql.number(KEYS_LOCK)
            .push(", hashtext(name)) FROM s) SELECT setval(name::regclass, ");
        sql.bind(given.clone(), ColumnType::Int);
        sql.push(") FROM k WHERE coalesce(pg_sequence_last_value(name::regclass), 0) < ");
        sql.bind(given, ColumnType::Int);
        step(sql, vec![Output::Unused], Expect::Any)
    }

    /// The rules that the stored record, as `t`, and the resulting one must meet to be written.
    pub(crate) fn and_guards(
        &self,
        sql: &mut Sql,
        model: &Model,
        record: &Record<'_>,
        guards: Guards<'_>,
    ) -> Result<()> {
        if let Some(rule) = guards.stored {
            sql.push(" AND ");
            Conditions::new(self.app, model.id, "t", Eyes::Rule).rule(sql, rule)?;
        }
        if let Some(rule) = guards.result {
            sql.push(" AND EXISTS (SELECT 1 FROM (SELECT ");
            self.values(sql, model, record, 0, true);
            sql.push(") n WHERE ");
            Conditions::new(self.app, model.id, "n", Eyes::Rule)
                .with_old("t")
                .rule(sql, rule)?;
            sql.push(")");
        }
        Ok(())
    }

    /// `$1, $2…`, or `$1 AS "name", …` for a row that rules can name.
    pub(crate) fn values(
        &self,
        sql: &mut Sql,
        model: &Model,
        record: &Record<'_>,
        skip: usize,
        named: bool,
    ) {
        for (i, field) in model.fields.iter().enumerate().skip(skip) {
            let ty = if i == 0 {
                model.key.column()
            } else {
                field.ty.column()
            };
            sql.push(if i > skip { ", " } else { "" })
                .bind(record.values[i].clone(), ty);
            if named {
                sql.push(" AS ").ident(&field.name);
            }
        }
        if model.open {
            let extra = Value::Json(record.extra.unwrap_or("{}").into());
            sql.push(", ").bind(extra, ColumnType::Json);
            if named {
                sql.push(" AS ").ident(EXTRA);
            }
        }
    }

    /// Sets `changed` (and `_extra` where given) of the record that was read at `version`.
    pub fn update(
        &self,
        model: &Model,
        version: i64,
        changed: &[FieldId],
        record: &Record<'_>,
        guards: Guards<'_>,
        log: &Logged,
    ) -> Result<Vec<Step>> {
        if let Some(existing) = self.existing(model) {
            return self.update_existing(model, existing, version, changed, record, guards);
        }
        let mut sql = Sql::new(self.dialect);
        let logged = model.changes && self.dialect == Dialect::Postgres;
        if logged {
            sql.push("WITH w AS (");
        }
        sql.push("UPDATE ").table(model).push(" AS t SET ");
        for (i, id) in changed.iter().enumerate() {
            let field = model.field(*id);
            sql.push(if i > 0 { ", " } else { "" })
                .ident(&field.name)
                .push(" = ");
            sql.bind(record.values[usize::from(id.0)].clone(), field.ty.column());
        }
        if let Some(extra) = record.extra {
            sql.push(if changed.is_empty() { "" } else { ", " })
                .ident(EXTRA)
                .push(" = ");
            sql.bind(Value::Json(extra.into()), ColumnType::Json);
        }
        self.where_read(&mut sql, model, record, version);
        self.and_guards(&mut sql, model, record, guards)?;
        Ok(self.finish(
            sql,
            model,
            Kind::Update,
            version + 1,
            &record.values[0],
            log,
        ))
    }

    /// Asks whether the rules of a write hold that will not be done: one row if they do. `version` is that of
    /// the stored record, where there is one; relations in `absent` lead nowhere.
    pub fn allowed(
        &self,
        model: &Model,
        version: Option<i64>,
        record: &Record<'_>,
        rule: &Rule,
        absent: &[FieldId],
    ) -> Result<Step> {
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT 1 FROM (SELECT ");
        let skip = usize::from(model.key == KeyKind::Int && record.values[0].is_null());
        self.values(&mut sql, model, record, skip, true);
        sql.push(") n");
        let mut conditions =
            Conditions::new(self.app, model.id, "n", Eyes::Rule).with_absent(absent);
        if let Some(version) = version {
            sql.push(", ").table(model).push(" t");
            self.where_read(&mut sql, model, record, version);
            sql.push(" AND ");
            conditions = conditions.with_old("t");
        } else {
            sql.push(" WHERE ");
        }
        conditions.rule(&mut sql, rule)?;
        Ok(step(sql, vec![Output::Unused], Expect::One))
    }

    /// Whether each of these unique keys is held by a record that is not the one with the id `own`; one row of
    /// booleans.
    pub fn taken(
        &self,
        model: &Model,
        record: &Record<'_>,
        keys: &[Vec<FieldId>],
        own: Option<&Value>,
    ) -> Statement {
        let mut sql = Sql::new(self.dialect);
        for (i, key) in keys.iter().enumerate() {
            sql.push(if i > 0 { ", " } else { "SELECT " })
                .push("EXISTS (SELECT 1 FROM ")
                .table(model)
                .push(" t");
            for (i, field) in key.iter().enumerate() {
                let ty = column_of(model, *field);
                sql.push(if i > 0 { " AND " } else { " WHERE " })
                    .column("t", &model.field(*field).name)
                    .push(" = ")
                    .bind(record.values[usize::from(field.0)].clone(), ty);
            }
            if let Some(own) = own {
                sql.push(" AND t.\"id\" <> ")
                    .bind(own.clone(), model.key.column());
            }
            sql.push(")");
        }
        let columns = keys.iter().map(|_| Output::Captured {
            ty: ColumnType::Bool,
        });
        let shape = Shape {
            columns: columns.collect(),
            capture: Capture::Every,
        };
        sql.statement(shape, Lane::Bounded)
    }

    /// Removes the record that was read at `version`.
    pub fn delete(
        &self,
        model: &Model,
        record: &Record<'_>,
        version: i64,
        guard: Option<&Rule>,
        log: &Logged,
    ) -> Result<Vec<Step>> {
        let id = &record.values[0];
        if let Some(existing) = self.existing(model) {
            return self.delete_existing(model, existing, id, version, guard);
        }
        let mut sql = Sql::new(self.dialect);
        let logged = model.changes && self.dialect == Dialect::Postgres;
        if logged {
            sql.push("WITH w AS (");
        }
        sql.push("DELETE FROM ").table(model).push(" AS t");
        self.where_read(&mut sql, model, record, version);
        if let Some(rule) = guard {
            sql.push(" AND ");
            Conditions::new(self.app, model.id, "t", Eyes::Rule).rule(&mut sql, rule)?;
        }
        Ok(self.finish(sql, model, Kind::Delete, version + 1, id, log))
    }

    /// The record as it was read, at this version: one that was deleted since and created anew under its id counts from
    /// the beginning, and is another.
    fn where_read(&self, sql: &mut Sql, model: &Model, record: &Record<'_>, version: i64) {
        self.where_version(sql, model, &record.values[0], version);
        if let Some(created_at) = model.created_at() {
            let created = record.values[usize::from(created_at.0)].clone();
            sql.push(" AND t.\"created_at\" = ")
                .bind(created, ColumnType::Timestamp);
        }
    }

    pub(crate) fn where_version(&self, sql: &mut Sql, model: &Model, id: &Value, version: i64) {
        sql.push(" WHERE t.\"id\" = ")
            .bind(id.clone(), model.key.column());
        sql.push(" AND t.\"version\" = ")
            .bind(Value::Int(version), ColumnType::Int);
    }

    fn finish(
        &self,
        mut sql: Sql,
        model: &Model,
        kind: Kind,
        version: i64,
        id: &Value,
        log: &Logged,
    ) -> Vec<Step> {
        if model.changes && self.dialect == Dialect::Postgres {
            sql.push(" RETURNING t.\"id\") ");
            self.log(&mut sql, model, kind, version, log, LogId::From("w"));
            return vec![step(sql, Vec::new(), Expect::One)];
        }
        let mut steps = vec![step(sql, Vec::new(), Expect::One)];
        if model.changes {
            steps.push(self.log_step(model, kind, version, log, LogId::Known(id.key_text())));
        }
        steps
    }

    fn log_step(&self, model: &Model, kind: Kind, version: i64, log: &Logged, id: LogId) -> Step {
        let mut sql = Sql::new(self.dialect);
        self.log(&mut sql, model, kind, version, log, id);
        step(sql, Vec::new(), Expect::One)
    }

    fn log(&self, sql: &mut Sql, model: &Model, kind: Kind, version: i64, log: &Logged, id: LogId) {
        let text = |v: &Option<String>| v.as_deref().map_or(Value::Null, Value::text);
        let mut from = None;
        let key = |sql: &mut Sql| match id {
            LogId::From(table) => {
                sql.push(table).push(".\"id\"");
                if model.key != KeyKind::String {
                    sql.push("::text");
                }
                from = Some(table);
            }
            LogId::Inserted => {
                sql.push("CAST(last_insert_rowid() AS TEXT)");
            }
            LogId::Known(id) => {
                sql.bind(Value::text(&id), ColumnType::Text);
            }
        };
        self.log_of(sql, model, kind, key, |sql| {
            sql.bind(Value::Int(version), ColumnType::Int);
        });
        sql.bind(text(&log.record), ColumnType::Text).push(", ");
        sql.bind(text(&log.previous), ColumnType::Text);
        match from {
            Some(table) => sql.push(" FROM ").push(table),
            // On SQLite.
            None => sql.push(")"),
        };
    }

    /// A row of the log up to the record, which follows; `id` and `version` write where the record's are
    /// from. SQLite would copy
    /// each page that a `SELECT` changes, in case that its second row fails: it is told that there is one row.
    pub(crate) fn log_of(
        &self,
        sql: &mut Sql,
        model: &Model,
        kind: Kind,
        id: impl FnOnce(&mut Sql),
        version: impl FnOnce(&mut Sql),
    ) {
        // Known names: on the path of every write, so they are not put together anew.
        sql.push(match self.dialect {
            Dialect::Postgres => "INSERT INTO \"mainstay\".\"changes\"",
            Dialect::Sqlite => "INSERT INTO \"_mainstay_changes\"",
        });
        sql.push(
            " (\"module\", \"model\", \"record_id\", \"version\", \"kind\", \"by_kind\", \"by_id\", \"at\", \
             \"record\", \"previous\")",
        );
        sql.push(match self.dialect {
            Dialect::Postgres => " SELECT ",
            Dialect::Sqlite => " VALUES (",
        });
        let principal = self.caller.principal;
        sql.bind(Value::text(&model.module_name), ColumnType::Text)
            .push(", ");
        sql.bind(Value::text(&model.name), ColumnType::Text)
            .push(", ");
        id(sql);
        sql.push(", ");
        version(sql);
        sql.push(", ")
            .bind(Value::text(kind.name()), ColumnType::Text);
        sql.push(", ")
            .bind(Value::text(principal.kind.as_str()), ColumnType::Text);
        sql.push(", ").bind(principal.id.into(), ColumnType::Uuid);
        sql.push(", ")
            .bind(Value::Timestamp(self.caller.now), ColumnType::Timestamp);
        sql.push(", ");
    }
}

/// The unique keys of a model for which a record has values, in the order of their fields; with the primary key or
/// without.
pub fn unique_keys(model: &Model, values: &[Value], primary: bool) -> Vec<Vec<FieldId>> {
    let mut keys: Vec<Vec<FieldId>> = model
        .indexes
        .iter()
        .filter(|index| index.unique)
        .map(|index| index.fields.clone())
        .collect();
    if primary {
        keys.push(vec![ID]);
    }
    keys.retain(|key| key.iter().all(|f| !values[usize::from(f.0)].is_null()));
    keys.sort();
    keys
}

fn column_of(model: &Model, field: FieldId) -> ColumnType {
    match field {
        ID => model.key.column(),
        field => model.field(field).ty.column(),
    }
}

/// Where the log takes the record's id from.
enum LogId {
    /// A common table expression that returns it.
    From(&'static str),
    /// The row that SQLite inserted last, in this transaction.
    Inserted,
    Known(String),
}

pub(crate) fn step(sql: Sql, columns: Vec<Output>, expect: Expect) -> Step {
    Step {
        statement: sql.statement(
            Shape {
                columns,
                capture: Capture::Every,
            },
            Lane::Bounded,
        ),
        expect,
    }
}
