//! The one door. Every surface hands an [`Operation`](plan::operation::Operation) and a
//! [`Principal`](spec::Principal) to [`Engine::execute`], and no other way leads to a caller's answer. Two more doors
//! are the command line's alone: [`Engine::import`] writes as the system does, [`Engine::explain`] tells an operator
//! why a caller is answered as they are, and writes nothing.
//!
//! ```text
//! Operation ─▶ resolve (names, types) ─▶ plan (rules, fields, relations, limits) ─▶ store ─▶ rows
//!                                                                                    │
//! Answer ◀── JSON straight from rows, cursors, entity tags ◀─────────────────────────┘
//! ```
//!
//! Absent here: HTTP, SQL drivers, JavaScript.

mod act;
mod aggregate;
mod answer;
mod batch;
mod cascade;
mod closed;
mod conflict;
mod create;
mod cursor;
mod delete;
mod etag;
mod evaluate;
mod execute;
mod expand;
mod explain;
mod export;
mod import;
mod judge;
mod kept;
mod many;
mod matching;
mod merge;
mod once;
mod order;
pub mod reach;
mod read;
mod record;
mod references;
mod replay;
mod tables;
mod update;

/// What can be asked, for those who ask: surfaces know the engine and not the planner.
pub use plan::operation;

pub use answer::{Answer, Executed, Outcome, Stages};
pub use evaluate::{Compiled, Evaluated, evaluate};
pub use execute::{Beforehand, Beside, Companion, Engine};
pub use explain::{About, Explanation, value_text};
pub use import::{Import, Imported};
pub use once::IdempotencyKey;
pub use spec::input::reference;
