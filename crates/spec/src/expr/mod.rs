//! Expressions: a published subset of CEL, the Common Expression Language (<https://cel.dev>).
//!
//! text → [`parse`] → [`ast`] → [`check`] → [`Expr`] (typed, spans kept) → [`eval`] in memory,
//! `plan` to SQL, [`print`] back to text.

pub mod ast;
pub mod check;
pub mod eval;
pub mod fold;
pub mod parse;
pub mod print;
pub mod tree;

pub use tree::{
    Arith, AuthField, Comparison, Expr, ExprKind, Over, PathStep, Place, Span, TextFn, Type,
};
