//! Full-text search: what words a text has, what a search asks for, how well a record answers it, and what is shown
//! of it. SQLite asks these functions; PostgreSQL does the same in its own words (`store::migrate::search`), and tests
//! hold the two to one answer.
//!
//! A rank is made of one record alone: which of the words stand in which of its fields. What is common in other
//! records, as in BM25's inverse document frequency, would tell a caller about records that they cannot see.

pub mod letters;
mod query;
mod rank;
mod snippet;
mod words;

pub use query::{Misread, Query, Term};
pub use rank::{EXACT, FOUND, ROW, WHOLE, rank, weight};
pub use snippet::snippet;
pub use words::{CHARACTERS, LONGEST, WORDS, each, plain};

/// How words are made. Another number is another index: one that was filled by other rules is made anew.
pub const VERSION: u32 = 2;
