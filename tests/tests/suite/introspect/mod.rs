//! Databases that were there before: what is written of them, what is listed, and that they stay as they are.

mod command;
mod hostile;
mod kinds;
mod promises;
mod serving;
mod triggers;
mod values;
mod written;

use mainstay_tests::existing::Existing;

/// Several dozen constructs.
const RICH: &str = include_str!("rich.sql");
/// A shop of eleven tables in quoted names, with some records.
const CHINOOK: &str = include_str!("chinook.sql");

/// Runs a test on a database with these tables. It is removed by whoever takes it.
fn on(sql: &str, test: impl AsyncFnOnce(Existing)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    runtime.block_on(async { test(Existing::with(sql).await).await });
}
