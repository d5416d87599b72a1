//! A plan, computed again under the lock and run in one transaction.

use super::connection::Session;
use super::introspect::{format, introspect};
use super::{Sqlite, error};
use crate::migrate::record::{plan_json, schema_json, type_name};
use crate::migrate::sqlite::SqliteDdl;
use crate::migrate::{
    self, Applied, Check, Counting, Difference, Ended, Extras, FORMAT, Introspected, Migration,
    Plan, PlanStep, Progress, Run, Terms,
};
use crate::{Result, StoreError};
use rusqlite::Connection;
use spec::Dialect;
use spec::schema::{Schema, TableName};
use std::time::{Duration, Instant};

/// Looking at every table takes milliseconds, and counting what is in the way as long as the tables are large.
const LOOK: Duration = Duration::from_secs(30);

const MADE: &str = "
CREATE TABLE _mainstay_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  plan TEXT NOT NULL,
  \"schema\" TEXT NOT NULL
) STRICT;
CREATE TABLE _mainstay_schema (
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  type TEXT NOT NULL,
  PRIMARY KEY (table_name, column_name)
) STRICT, WITHOUT ROWID;";

const FROM_1_TO_2: &str = "
ALTER TABLE _mainstay_migrations ADD COLUMN took INTEGER;
ALTER TABLE _mainstay_schema ADD COLUMN domain TEXT;
CREATE TABLE _mainstay_data_steps (
  name TEXT PRIMARY KEY,
  at INTEGER NOT NULL,
  text TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE _mainstay_format (version INTEGER NOT NULL) STRICT;
INSERT INTO _mainstay_format (version) VALUES (2);";

impl Sqlite {
    /// What lies between the file and the schema. Changes nothing.
    pub async fn migration(&self, wanted: &Schema, extras: Extras) -> Result<Plan> {
        self.look(wanted, extras, Counting::All).await
    }

    /// The same without a look at the records.
    pub(crate) async fn compared(&self, wanted: &Schema) -> Result<Plan> {
        self.look(wanted, Extras::Keep, Counting::Nothing).await
    }

    async fn look(&self, wanted: &Schema, extras: Extras, counting: Counting) -> Result<Plan> {
        let wanted = wanted.clone();
        let looked = self
            .readers
            .run(Instant::now() + LOOK, move |session| {
                let conn = &session.conn;
                conn.execute_batch("BEGIN DEFERRED")?;
                let format = format(conn)?;
                let plan = match format > FORMAT {
                    true => None,
                    false => {
                        let mut plan =
                            migrate::plan(&introspect(conn)?, &wanted, &SqliteDdl, extras);
                        if counting == Counting::All {
                            // Where that takes too long, applying tells.
                            let _ = count(conn, &mut plan);
                        }
                        Some(plan)
                    }
                };
                Ok(plan.ok_or(format))
            })
            .await?;
        looked.map_err(migrate::newer)
    }

    /// Runs what lies between, if all of it is allowed; all or nothing.
    pub async fn apply(&self, wanted: &Schema, terms: impl Into<Terms>) -> Result<Applied> {
        let terms = terms.into();
        let wanted = wanted.clone();
        self.alone(move |session| {
            // Tables are made anew and dropped while others refer to them; what refers is checked before the commit.
            let conn = &session.conn;
            conn.execute_batch("PRAGMA foreign_keys = OFF")
                .map_err(error::map)?;
            let result = apply(session, &wanted, &terms);
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            conn.execute_batch("PRAGMA legacy_alter_table = OFF; PRAGMA foreign_keys = ON")
                .map_err(error::map)?;
            result
        })
        .await
    }

    /// The migrations that ran, oldest first.
    pub async fn migrations(&self) -> Result<Vec<Migration>> {
        self.readers
            .run(Instant::now() + LOOK, |session| history(&session.conn))
            .await
    }
}

fn apply(session: &Session, wanted: &Schema, terms: &Terms) -> Result<Applied> {
    let conn = &session.conn;
    conn.execute_batch("BEGIN EXCLUSIVE").map_err(error::map)?;
    let format = format(conn).map_err(error::map)?;
    if format > FORMAT {
        return Err(migrate::newer(format));
    }
    let found = introspect(conn).map_err(error::map)?;
    let plan = migrate::plan(&found, wanted, &SqliteDdl, terms.allow.extras);
    let mut plan = terms.allow.cut(plan);
    count(conn, &mut plan).map_err(error::map)?;
    if !terms.cover(&plan) {
        return Ok(Applied::Refused(plan));
    }
    keep_books(conn, format).map_err(error::map)?;
    if plan.steps.is_empty() {
        record(conn, wanted, &found).map_err(error::map)?;
        conn.execute_batch("COMMIT").map_err(error::map)?;
        return Ok(Applied::Nothing(plan));
    }
    let (began, at) = (Instant::now(), spec::time::now_micros());
    for (number, step) in plan.steps.iter().enumerate() {
        if number == plan.checks_at
            && let Some(obstacle) = first_found(conn, &plan.checks)?
        {
            plan.obstacles.push(obstacle);
            return Ok(Applied::Refused(plan));
        }
        (terms.watch)(Progress::Begins {
            at: number,
            of: plan.steps.len(),
            step,
        });
        let begins = Instant::now();
        run(conn, step)?;
        (terms.watch)(Progress::Done {
            step,
            took: begins.elapsed(),
        });
    }
    if plan.checks_at == plan.steps.len()
        && let Some(obstacle) = first_found(conn, &plan.checks)?
    {
        plan.obstacles.push(obstacle);
        return Ok(Applied::Refused(plan));
    }
    check_references(conn)?;
    record(conn, wanted, &found)
        .and_then(|()| {
            conn.execute(
                "INSERT INTO _mainstay_migrations (at, plan, \"schema\", took) VALUES (?1, ?2, ?3, ?4)",
                (at, plan_json(&plan.steps), schema_json(wanted), micros(began.elapsed())),
            )
        })
        .map_err(error::map)?;
    conn.execute_batch("COMMIT").map_err(error::map)?;
    Ok(Applied::Ran(plan))
}

fn run(conn: &Connection, step: &PlanStep) -> Result<()> {
    for sql in &step.sql {
        conn.execute_batch(sql).map_err(|failed| match &step.run {
            Run::Data(name) if conn.is_autocommit() => {
                migrate::ended_transaction(name, Some(failed.to_string()))
            }
            Run::Data(_) | Run::Together | Run::Alone { .. } => explain(&step.summary, failed),
        })?;
    }
    if let Run::Data(name) = &step.run {
        if conn.is_autocommit() {
            return Err(migrate::ended_transaction(name, None));
        }
        conn.execute(
            "INSERT INTO _mainstay_data_steps (name, at, text) VALUES (?1, ?2, ?3)",
            (name, spec::time::now_micros(), step.sql.concat()),
        )
        .map_err(error::map)?;
    }
    Ok(())
}

/// Counts what is in the way before anything is done.
fn count(conn: &Connection, plan: &mut Plan) -> rusqlite::Result<()> {
    for check in &plan.checks {
        let Some(sql) = &check.before else { continue };
        let found = check.found(conn.query_row(sql, [], |row| row.get(0))?);
        match check.stops {
            true => plan.obstacles.extend(found),
            false => plan.differences.extend(found),
        }
    }
    Ok(())
}

/// What was not looked at before is looked at when its turn comes.
fn first_found(conn: &Connection, checks: &[Check]) -> Result<Option<Difference>> {
    for check in checks
        .iter()
        .filter(|one| one.stops && one.before.is_none())
    {
        let count = conn
            .query_row(&check.then, [], |row| row.get(0))
            .map_err(error::map)?;
        if let Some(found) = check.found(count) {
            return Ok(Some(found));
        }
    }
    Ok(None)
}

fn explain(summary: &str, failed: rusqlite::Error) -> StoreError {
    match error::map(failed) {
        StoreError::Unique { table, columns } => StoreError::Other {
            cause: format!(
                "{summary}: records of {table} have the same {}; make them differ first. Nothing was done.",
                columns.join(", ")
            ),
        },
        StoreError::Other { cause } => StoreError::Other {
            cause: format!("{summary}: {cause}. Nothing was done."),
        },
        other => other,
    }
}

pub(super) fn check_references(conn: &Connection) -> Result<()> {
    let broken: Option<String> = conn
        .prepare("SELECT \"table\" FROM pragma_foreign_key_check LIMIT 1")
        .and_then(|mut statement| {
            let mut rows = statement.query([])?;
            rows.next()?.map(|row| row.get(0)).transpose()
        })
        .map_err(error::map)?;
    match broken {
        None => Ok(()),
        Some(table) => Err(StoreError::Other {
            cause: format!(
                "records of {} would refer to records that are not there. Nothing was done.",
                error::dotted(&table)
            ),
        }),
    }
}

/// Makes the bookkeeping's own tables, or brings them up to date.
fn keep_books(conn: &Connection, format: i64) -> rusqlite::Result<()> {
    if format < 1 {
        conn.execute_batch(MADE)?;
    }
    if format < 2 {
        conn.execute_batch(FROM_1_TO_2)?;
    }
    Ok(())
}

/// Keeps as what each column stands now, and which data steps a new database has no need of.
fn record(conn: &Connection, wanted: &Schema, found: &Introspected) -> rusqlite::Result<()> {
    let known: std::collections::HashMap<String, &migrate::FoundTable> = found
        .tables
        .iter()
        .map(|table| (table.name.flat(), table))
        .collect();
    for table in &wanted.tables {
        if let Some(old) = &table.renamed_from {
            let old = TableName::new(&table.name.namespace, old);
            let renamed =
                !known.contains_key(&table.name.flat()) && known.contains_key(&old.flat());
            if renamed {
                // What is known of an earlier table of the new name, which is gone.
                conn.execute(
                    "DELETE FROM _mainstay_schema WHERE table_name = ?1",
                    [table.name.flat()],
                )?;
                conn.execute(
                    "UPDATE _mainstay_schema SET table_name = ?1 WHERE table_name = ?2",
                    (table.name.flat(), old.flat()),
                )?;
            }
        }
    }
    let mut statement = conn.prepare(
        "INSERT INTO _mainstay_schema (table_name, column_name, type, domain) VALUES (?1, ?2, ?3, ?4)
         ON CONFLICT DO UPDATE SET type = excluded.type, domain = excluded.domain",
    )?;
    for table in &wanted.tables {
        let flat = table.name.flat();
        for column in &table.columns {
            let there = known
                .get(&flat)
                .and_then(|table| table.column(&column.name));
            let same = there.is_some_and(|there| {
                there.recorded == Some(column.ty) && there.domain.as_ref() == Some(&column.domain)
            });
            if !same {
                let domain = column.domain.encode();
                statement.execute((&flat, &column.name, type_name(column.ty), domain))?;
            }
        }
    }
    conn.execute(
        "DELETE FROM _mainstay_schema WHERE NOT EXISTS (
           SELECT 1 FROM pragma_table_xinfo(_mainstay_schema.table_name) x
           WHERE x.name = _mainstay_schema.column_name)",
        [],
    )?;
    for (name, text) in migrate::pending(found, wanted, Dialect::Sqlite) {
        conn.execute(
            "INSERT INTO _mainstay_data_steps (name, at, text) VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
            (name, spec::time::now_micros(), text),
        )?;
    }
    Ok(())
}

fn micros(took: Duration) -> i64 {
    i64::try_from(took.as_micros()).unwrap_or(i64::MAX)
}

pub(super) fn history(conn: &Connection) -> rusqlite::Result<Vec<Migration>> {
    let format = format(conn)?;
    if format == 0 {
        return Ok(Vec::new());
    }
    let took = if format == 1 { "NULL" } else { "took" };
    let mut statement = conn.prepare(&format!(
        "SELECT id, at, plan, \"schema\", {took} FROM _mainstay_migrations ORDER BY id"
    ))?;
    let rows = statement.query_map([], |row| {
        let took: Option<i64> = row.get(4)?;
        Ok(Migration {
            id: row.get(0)?,
            at: row.get(1)?,
            took: took.and_then(|took| u64::try_from(took).ok().map(Duration::from_micros)),
            // In one transaction, there is nothing between none of it and all of it.
            ended: Ended::Done,
            plan: row.get(2)?,
            schema: row.get(3)?,
        })
    })?;
    rows.collect()
}
