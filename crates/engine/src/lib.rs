//! The one door. Every surface hands an [`Operation`](plan::operation::Operation) and a
//! [`Principal`] to [`Engine::execute`]; nothing else reaches the data.
//!
//! ```text
//! Operation ─▶ resolve (names, types) ─▶ plan (rules, fields, relations, limits) ─▶ store ─▶ rows
//!                                                                                    │
//! Answer ◀── JSON straight from rows, cursors, entity tags ◀─────────────────────────┘
//! ```
//!
//! Absent here: HTTP, SQL drivers, JavaScript.

mod answer;
mod cascade;
mod conflict;
mod create;
mod cursor;
mod delete;
mod etag;
mod evaluate;
mod execute;
mod expand;
mod explain;
mod import;
mod input;
mod judge;
mod merge;
mod read;
mod record;
mod references;
mod register;
mod update;

/// What can be asked, for those who ask: surfaces know the engine and not the planner.
pub use plan::operation;

pub use answer::{Answer, Executed, Outcome, Stages};
pub use create::Beforehand;
pub use execute::{Beside, Companion, Engine};
pub use evaluate::{Compiled, Evaluated, evaluate};
pub use explain::{About, Explanation, value_text};
pub use import::Imported;
