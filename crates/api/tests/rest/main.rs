//! REST from the outside: query strings, and requests against a small app on SQLite.

mod aggregate;
mod app;
mod http;
mod query;
mod random;
