//! Every behaviour, on SQLite and on PostgreSQL, from one source.

// Counts are printed: kills survived, cases tried, cells walked.
#![allow(clippy::print_stdout)]

mod access;
mod agreement;
mod batches;
mod concurrent;
mod expand;
mod http;
mod leaks;
mod limits;
mod names;
mod oracle;
mod references;
mod statements;
mod types;
mod writes;
