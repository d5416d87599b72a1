//! Every behaviour, on SQLite and on PostgreSQL, from one source.

mod agreement;
mod smoke;
