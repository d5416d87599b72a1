//! Filling empty tables, in one long transaction of the writer.

use super::connection::Session;
use super::load::{CACHE, resize};
use super::migration::check_references;
use super::{Sqlite, encode, error, rows};
use crate::Result;
use crate::copy::{self, Counter, Filled, Part, Progress, Tally, Told};
use rusqlite::Connection;
use spec::Dialect;
use spec::schema::{Schema, TableName};
use spec::value::Value;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

const LOOK: Duration = Duration::from_secs(30);

impl Sqlite {
    pub(crate) async fn occupied(&self, schema: &Schema) -> Result<Vec<TableName>> {
        let schema = schema.clone();
        self.on_reader(Instant::now() + LOOK, move |session| {
            occupied(&session.conn, &schema)
        })
        .await
    }

    pub(crate) async fn fill(
        &self,
        schema: &Schema,
        parts: mpsc::Receiver<Part>,
        told: Told,
    ) -> Result<Filled> {
        let options = Arc::clone(&self.options);
        let schema = schema.clone();
        self.alone(move |session| {
            let conn = &session.conn;
            resize(conn, CACHE.max(options.writer_cache)).map_err(error::map)?;
            // Tables may refer to each other in a circle; references are checked when all of them are there.
            conn.execute_batch("PRAGMA foreign_keys = OFF; BEGIN IMMEDIATE")
                .map_err(error::map)?;
            let result = run(session, &schema, parts, &told);
            if !conn.is_autocommit() {
                let _ = conn.execute_batch("ROLLBACK");
            }
            conn.execute_batch("PRAGMA foreign_keys = ON")
                .map_err(error::map)?;
            let _ = resize(conn, options.writer_cache);
            result
        })
        .await
    }
}

fn occupied(conn: &Connection, schema: &Schema) -> rusqlite::Result<Vec<TableName>> {
    let mut there =
        conn.prepare("SELECT 1 FROM sqlite_schema WHERE type = 'table' AND name = ?1")?;
    let mut found = Vec::new();
    for table in &schema.tables {
        if !there.exists([table.name.flat()])? {
            continue;
        }
        let any = format!("SELECT 1 FROM {} LIMIT 1", table.name.sql(Dialect::Sqlite));
        if conn.prepare(&any)?.exists([])? {
            found.push(table.name.clone());
        }
    }
    Ok(found)
}

fn run(
    session: &Session,
    schema: &Schema,
    mut parts: mpsc::Receiver<Part>,
    told: &Told,
) -> Result<Filled> {
    let conn = &session.conn;
    let found = occupied(conn, schema).map_err(error::map)?;
    if !found.is_empty() {
        return Ok(Filled::Occupied(found));
    }
    while let Some(part) = parts.blocking_recv() {
        match part {
            Part::Rows { table, values } => {
                insert(session, schema, table, &values).map_err(error::map)?;
            }
            Part::Finish { tallies, keys } => {
                told(Progress::Indexing);
                check_references(conn)?;
                for (table, last) in keys {
                    let flat = schema.tables[table].name.flat();
                    set_key(conn, &flat, last).map_err(error::map)?;
                }
                if let Some((table, how)) =
                    differs(session, schema, &tallies, told).map_err(error::map)?
                {
                    return Ok(Filled::Differs { table, how });
                }
                conn.execute_batch("COMMIT").map_err(error::map)?;
                return Ok(Filled::Done);
            }
        }
    }
    Ok(Filled::Abandoned)
}

fn insert(
    session: &Session,
    schema: &Schema,
    table: usize,
    values: &[Value],
) -> rusqlite::Result<()> {
    let table = &schema.tables[table];
    let width = table.columns.len();
    let places: Vec<String> = (1..=width).map(|at| format!("?{at}")).collect();
    let mut statement = session.prepare(&format!(
        "INSERT INTO {} ({}) VALUES ({})",
        table.name.sql(Dialect::Sqlite),
        copy::columns(table),
        places.join(", ")
    ))?;
    for row in values.chunks(width) {
        encode::bind_all(&mut statement, row)?;
        statement.execute()?;
    }
    Ok(())
}

/// Keys that are assigned from now on come behind this one.
fn set_key(conn: &Connection, flat: &str, last: i64) -> rusqlite::Result<()> {
    let set = conn.execute(
        "UPDATE sqlite_sequence SET seq = max(seq, ?2) WHERE name = ?1",
        (flat, last),
    )?;
    if set == 0 && last > 0 {
        conn.execute(
            "INSERT INTO sqlite_sequence (name, seq) VALUES (?1, ?2)",
            (flat, last),
        )?;
    }
    Ok(())
}

/// The first table whose rows are not what they should be.
fn differs(
    session: &Session,
    schema: &Schema,
    tallies: &[Tally],
    told: &Told,
) -> rusqlite::Result<Option<(usize, String)>> {
    let mut verified = 0;
    for (at, (table, wanted)) in schema.tables.iter().zip(tallies).enumerate() {
        let mut counter = Counter::new(table.columns.len());
        rows::read_in_pieces(session, &copy::every(table, Dialect::Sqlite), |piece| {
            counter.add(&piece.captured);
            verified += piece.ends.len() as u64;
            told(Progress::Verified { rows: verified });
            true
        })?;
        if let Some(how) = wanted.against(&counter.finish()) {
            return Ok(Some((at, how)));
        }
    }
    Ok(None)
}
