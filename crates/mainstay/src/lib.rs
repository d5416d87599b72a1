//! The binary and the embedding library: settings, wiring, the command line. No logic of its own.

pub mod backend;
pub mod cli;
pub mod config;
pub mod database;
pub mod dev;
pub mod records;
pub mod secret;
pub mod server;
pub mod users;
