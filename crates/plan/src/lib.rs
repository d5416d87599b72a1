//! An operation and who asks for it → SQL; an app → the tables it wants. Pure: no I/O, no store.
//!
//! - [`operation`]: what can be asked of the data, as every surface builds it.
//! - [`access`]: which rule binds this caller, folded for them.
//! - [`condition`]: a checked expression → a SQL condition, on either dialect.
//! - [`read`], [`page`], [`expand`]: one record, a page of a list, related records.
//! - [`aggregate`]: what groups of records amount to.
//! - `existing`: the same of tables that were there before the app.
//! - [`write`]: the steps of a create, an update, a delete, with their rows of the change log.
//! - [`many`]: many records at once.
//! - [`schema`]: models → tables.
//! - [`idempotency`]: the answers that are kept for who asks again.

pub mod access;
pub mod aggregate;
pub mod condition;
pub mod every;
mod existing;
pub mod expand;
pub mod idempotency;
pub mod many;
pub mod operation;
pub mod page;
mod prove;
pub mod read;
pub mod resolve;
pub mod schema;
pub mod search;
pub mod sql;
pub mod write;

pub use prove::{Unproven, prove};

/// Whom a plan is for and when: everything beside the operation that a plan depends on.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    pub principal: &'a spec::Principal,
    /// Microseconds since 1970: `now` in every expression of the operation.
    pub now: i64,
}
