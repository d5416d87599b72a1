//! The bottom room: what an app *is*, checked, and the small vocabulary that every other room shares.
//!
//! - [`load`]: the app folder → a checked [`App`], with every mistake as a [`diagnostic::Diagnostic`].
//! - [`expr`]: one language for rules, checks, filters and defaults: parse, check, fold, evaluate, print.
//! - [`input`], [`fit`], [`key`]: what is sent for a record → typed values, driven by its model.
//! - [`model`], [`types`], [`value`], [`principal`]: the words of the design as types.
//! - [`scenario`]: an app's own tests, as data.
//! - [`schema`], [`statement`]: how `plan` and `store` talk without knowing each other.
//! - [`existing`]: tables that were there before the app.
//! - [`problem`]: the catalogue of errors a caller can see.
//!
//! Absent here: I/O other than the loader's file reads, async, drivers, HTTP.

pub mod decimal;
pub mod diagnostic;
pub mod domain;
pub mod existing;
pub mod expr;
pub mod fit;
pub mod input;
pub mod json;
pub mod key;
pub mod load;
pub mod model;
pub mod nearest;
pub mod principal;
pub mod problem;
pub mod scenario;
pub mod schema;
pub mod search;
pub mod settings;
pub mod statement;
pub mod time;
pub mod types;
pub mod value;

pub use decimal::Decimal;
pub use domain::Domain;
pub use expr::{Expr, Span};
pub use model::{
    Access, App, Field, FieldId, Index, Inverse, KeyKind, Model, ModelId, Module, ModuleId,
    OnDelete, Relation, Rule,
};
pub use principal::{Principal, PrincipalKind};
pub use problem::{Code, FieldError, Problem};
pub use schema::Dialect;
pub use settings::Settings;
pub use types::{ColumnType, FieldType};
pub use uuid::Uuid;
pub use value::Value;

/// A new record's id: UUIDv7, so that keys grow with time and stay together in an index.
pub fn new_id() -> Uuid {
    Uuid::now_v7()
}
