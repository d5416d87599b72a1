//! What can only be seen from outside: over sockets, and with the real binary.

#![expect(
    clippy::print_stdout,
    reason = "counts are printed: kills survived, cases tried, cells walked"
)]

mod accounts;
mod administrators;
mod app_tests;
mod backup;
mod bad_input;
mod bounds;
mod chaos;
mod cli;
mod closed;
mod dev;
#[cfg(unix)]
mod docs;
mod durability;
mod editors;
mod injections;
mod killed_retries;
mod leak;
mod many;
mod moving;
mod openapi;
mod retries;
mod routes;
mod slow_steps;
mod tables;
mod words;
