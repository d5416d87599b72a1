//! The tree as it was written: names unresolved, nothing typed yet.

use super::Span;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: Kind,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Name {
    pub text: Arc<str>,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    Null,
    Bool(bool),
    Int(i64),
    /// The text is kept because a decimal needs its digits exactly.
    Double {
        value: f64,
        text: Arc<str>,
    },
    String(Arc<str>),
    List(Vec<Expr>),
    Name(Arc<str>),
    /// `base.name`
    Member {
        base: Box<Expr>,
        name: Name,
    },
    /// `base[index]`
    Index {
        base: Box<Expr>,
        index: Box<Expr>,
    },
    /// `name(arguments)`
    Call {
        function: Name,
        arguments: Vec<Expr>,
    },
    /// `base.name(arguments)`
    Method {
        base: Box<Expr>,
        name: Name,
        arguments: Vec<Expr>,
    },
    Not(Box<Expr>),
    Negate(Box<Expr>),
    /// Two or more, as they are chained without parentheses.
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Binary {
        op: Binary,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Conditional {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Binary {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
    In,
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

impl Binary {
    pub fn text(self) -> &'static str {
        match self {
            Binary::Eq => "==",
            Binary::Ne => "!=",
            Binary::Lt => "<",
            Binary::Le => "<=",
            Binary::Gt => ">",
            Binary::Ge => ">=",
            Binary::In => "in",
            Binary::Add => "+",
            Binary::Sub => "-",
            Binary::Mul => "*",
            Binary::Div => "/",
            Binary::Rem => "%",
        }
    }
}
