//! Every behaviour, on SQLite and on PostgreSQL, from one source.

mod access;
mod agreement;
mod concurrent;
mod expand;
mod http;
mod leaks;
mod limits;
mod oracle;
mod types;
mod writes;
