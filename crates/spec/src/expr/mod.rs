//! Expressions: a published subset of CEL, the Common Expression Language (<https://cel.dev>);
//! `docs/expressions.md` lists it.
//!
//! text → [`parse`] → [`ast`] → [`check`] → [`Expr`] (typed, spans kept) → [`mod@fold`] (constants, and
//! the caller where known) → [`eval`] in memory, `plan` to SQL, [`mod@print`] back to text.

pub mod ast;
pub mod check;
pub mod error;
pub mod eval;
pub mod fold;
mod lex;
pub mod parse;
pub mod print;
pub mod tree;

pub use check::{Purpose, Scope, compile, type_of};
pub use error::ExprError;
pub use eval::{Env, EvalError, Record, Related};
pub use fold::{Known, fold};
pub use lex::is_reserved;
pub use parse::Limits;
pub use print::print;
pub use tree::{
    Arith, AuthField, Comparison, Expr, ExprKind, Over, PathStep, Place, Span, TextFn, Type,
};
