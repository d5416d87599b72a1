//! The binary and the embedding library: settings, wiring, the command line. No logic of its own.

pub mod backend;
pub mod database;
pub mod users;
