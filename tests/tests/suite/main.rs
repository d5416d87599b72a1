//! Every behaviour, on SQLite and on PostgreSQL, from one source.

// Counts are printed: kills survived, cases tried, cells walked.
#![allow(clippy::print_stdout)]

mod access;
mod aggregates;
mod agreement;
mod batches;
mod cascades;
mod concurrent;
mod conditions;
mod defaults;
mod expand;
mod http;
mod introspect;
mod joins;
mod leaks;
mod limits;
mod many;
mod migrations;
mod names;
mod narrowed;
mod nothing;
mod open_models;
mod oracle;
mod references;
mod retries;
mod search;
mod statements;
mod string_keys;
mod types;
mod writes;
