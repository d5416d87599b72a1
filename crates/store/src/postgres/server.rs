//! Is it a server that Mainstay runs on?

use super::connection::{Connection, query};
use super::error;
use super::lane::drive;
use crate::{Result, StoreError};

/// The oldest major release that the suite runs on, and so the oldest that is promised: its databases can take a
/// collation from ICU, which shows where a statement relies on the database's own.
const OLDEST: i32 = 15;

/// Connects once, and refuses what cannot work with a sentence that says what to do.
pub(super) async fn check(config: &tokio_postgres::Config) -> Result<()> {
    let failed = |error: tokio_postgres::Error| error::map(&error, false);
    let (connection, driver) = Connection::open(config).await.map_err(failed)?;
    let driver = tokio::spawn(drive(driver));
    let rows = query(
        connection.client(),
        "select current_setting('server_version_num')::int4, current_setting('server_encoding'), pg_is_in_recovery()",
        &[],
    )
    .await
    .map_err(failed);
    driver.abort();
    let rows = rows?;
    let refuse = |cause: String| Err(StoreError::Other { cause });
    let Some(row) = rows.first() else {
        return refuse("the server did not say what it is".to_owned());
    };
    let (version, encoding, standby): (i32, String, bool) = (row.get(0), row.get(1), row.get(2));
    if version < OLDEST * 10_000 {
        return refuse(format!(
            "the server is PostgreSQL {}; Mainstay needs {OLDEST} or later",
            version / 10_000
        ));
    }
    if encoding != "UTF8" {
        return refuse(format!(
            "the database's encoding is {encoding}; make it with: create database … encoding 'UTF8' template template0"
        ));
    }
    if standby {
        return refuse("the server is a standby and takes no writes: name the primary".to_owned());
    }
    Ok(())
}
