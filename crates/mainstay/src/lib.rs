//! The binary and the embedding library: settings, wiring, the command line. No logic of its own.

pub mod backend;
pub mod backup;
pub mod cli;
pub mod config;
mod csv;
pub mod database;
pub mod dev;
pub mod export;
mod new_file;
pub mod records;
pub mod scenarios;
pub mod secret;
pub mod server;
pub mod users;
