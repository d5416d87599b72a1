//! Every behaviour, on SQLite and on PostgreSQL, from one source.

mod accounts;
mod agreement;
mod smoke;
