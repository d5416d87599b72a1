//! A plan, computed again under the lock and run in one transaction.

use super::connection::Session;
use super::introspect::{has_bookkeeping, introspect};
use super::{Sqlite, error};
use crate::migrate::record::{plan_json, schema_json, type_name};
use crate::migrate::sqlite::SqliteDdl;
use crate::migrate::{self, Allow, Applied, Migration, Plan};
use crate::{Result, StoreError};
use rusqlite::Connection;
use spec::schema::Schema;
use std::time::{Duration, Instant};

/// Looking at every table takes milliseconds; this is for a disk that hangs.
const LOOK: Duration = Duration::from_secs(30);

const OWN_TABLES: &str = "
CREATE TABLE IF NOT EXISTS _mainstay_migrations (
  id INTEGER PRIMARY KEY AUTOINCREMENT,
  at INTEGER NOT NULL,
  plan TEXT NOT NULL,
  \"schema\" TEXT NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS _mainstay_schema (
  table_name TEXT NOT NULL,
  column_name TEXT NOT NULL,
  type TEXT NOT NULL,
  PRIMARY KEY (table_name, column_name)
) STRICT, WITHOUT ROWID;";

impl Sqlite {
    /// What lies between the file and the schema. Changes nothing.
    pub async fn migration(&self, wanted: &Schema) -> Result<Plan> {
        let wanted = wanted.clone();
        self.readers
            .run(Instant::now() + LOOK, move |session| {
                let conn = &session.conn;
                conn.execute_batch("BEGIN DEFERRED")?;
                let found = introspect(conn)?;
                conn.execute_batch("COMMIT")?;
                Ok(migrate::plan(&found, &wanted, &SqliteDdl))
            })
            .await
    }

    /// Runs what lies between, if all of it is allowed; all or nothing.
    pub async fn apply(&self, wanted: &Schema, allow: Allow) -> Result<Applied> {
        let wanted = wanted.clone();
        self.alone(move |session| {
            // A required column that refers elsewhere can only be added while keys are not enforced (SQLite
            // fears its default); they are checked before the commit instead.
            let conn = &session.conn;
            conn.execute_batch("PRAGMA foreign_keys = OFF")
                .map_err(error::map)?;
            let result = apply(session, &wanted, allow);
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            conn.execute_batch("PRAGMA foreign_keys = ON")
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

fn apply(session: &Session, wanted: &Schema, allow: Allow) -> Result<Applied> {
    let conn = &session.conn;
    conn.execute_batch("BEGIN EXCLUSIVE").map_err(error::map)?;
    let found = introspect(conn).map_err(error::map)?;
    let plan = migrate::plan(&found, wanted, &SqliteDdl);
    if !allow.covers(&plan) {
        return Ok(Applied::Refused(plan));
    }
    if plan.steps.is_empty() {
        return Ok(Applied::Nothing(plan));
    }
    conn.execute_batch(OWN_TABLES).map_err(error::map)?;
    for step in &plan.steps {
        for sql in &step.sql {
            conn.execute_batch(sql)
                .map_err(|failed| explain(&step.summary, failed))?;
        }
    }
    check_references(conn)?;
    record(conn, wanted, &plan).map_err(error::map)?;
    conn.execute_batch("COMMIT").map_err(error::map)?;
    Ok(Applied::Ran(plan))
}

fn explain(summary: &str, failed: rusqlite::Error) -> StoreError {
    match error::map(failed) {
        StoreError::Unique { table, columns } => StoreError::Other {
            cause: format!(
                "{summary}: records of {table} have the same {}; make them differ first",
                columns.join(", ")
            ),
        },
        StoreError::Other { cause } => StoreError::Other {
            cause: format!("{summary}: {cause}"),
        },
        other => other,
    }
}

fn check_references(conn: &Connection) -> Result<()> {
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
                "records of {} would refer to records that are not there",
                error::dotted(&table)
            ),
        }),
    }
}

/// Keeps what ran, and as what type each column stands now.
fn record(conn: &Connection, wanted: &Schema, plan: &Plan) -> rusqlite::Result<()> {
    conn.execute(
        "INSERT INTO _mainstay_migrations (at, plan, \"schema\") VALUES (?1, ?2, ?3)",
        (
            spec::time::now_micros(),
            plan_json(plan),
            schema_json(wanted),
        ),
    )?;
    let mut statement = conn.prepare(
        "INSERT INTO _mainstay_schema (table_name, column_name, type) VALUES (?1, ?2, ?3)
         ON CONFLICT DO UPDATE SET type = excluded.type",
    )?;
    for table in &wanted.tables {
        let flat = table.name.flat();
        for column in &table.columns {
            statement.execute((&flat, &column.name, type_name(column.ty)))?;
        }
    }
    Ok(())
}

fn history(conn: &Connection) -> rusqlite::Result<Vec<Migration>> {
    if !has_bookkeeping(conn)? {
        return Ok(Vec::new());
    }
    let mut statement =
        conn.prepare("SELECT id, at, plan, \"schema\" FROM _mainstay_migrations ORDER BY id")?;
    let rows = statement.query_map([], |row| {
        Ok(Migration {
            id: row.get(0)?,
            at: row.get(1)?,
            plan: row.get(2)?,
            schema: row.get(3)?,
        })
    })?;
    rows.collect()
}
