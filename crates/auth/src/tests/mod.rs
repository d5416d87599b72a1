//! Behaviours, each written once and run on both stores.

mod accounts;
mod door;
mod fixture;
mod refreshing;
mod roles;
mod sessions;
mod starting;
