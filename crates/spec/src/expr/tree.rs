//! The typed tree: what the checker makes, and everything else reads.

use crate::model::{FieldId, ModelId};
use crate::value::Value;
use std::sync::Arc;

/// A range of bytes in the source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Span {
    pub start: u32,
    pub end: u32,
}

/// A checked expression. Every literal already has the type of the side it meets.
#[derive(Debug, Clone, PartialEq)]
pub struct Expr {
    pub kind: ExprKind,
    pub ty: Type,
    pub span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub enum Type {
    Null,
    Bool,
    Int,
    Float,
    /// Scale.
    Decimal(u8),
    String,
    /// A CEL string that is known to be a UUID.
    Uuid,
    Timestamp,
    Date,
    Duration,
    /// A JSON value of any kind.
    Dyn,
    List(Box<Type>),
}

/// A record that an expression can name.
#[derive(Debug, Clone, PartialEq)]
pub enum Place {
    /// The record the expression is about (bare names): the stored one on reads, the resulting one on writes.
    This,
    /// The stored record, before the write.
    Old,
    /// The record bound by a quantifier over a to-many relation; counted from the outermost quantifier, 0.
    Var(u8),
    /// The record that a to-one relation field of another place points at.
    Follow {
        base: Box<Place>,
        field: FieldId,
        to: ModelId,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum ExprKind {
    Literal(Value),
    /// A list written out; its items need not be literals.
    List(Vec<Expr>),
    Field {
        place: Place,
        model: ModelId,
        field: FieldId,
    },
    /// The scalar bound by a quantifier over a list; counted with [`Place::Var`].
    Element(u8),
    /// A step into JSON: `attributes.color`, `attributes['a b']`, `items[0]`. The type is [`Type::Dyn`].
    /// The base is a JSON (or undeclared) field or an element; undeclared fields of an open model
    /// are paths from [`ExprKind::Extra`].
    Path {
        base: Box<Expr>,
        steps: Vec<PathStep>,
    },
    /// The JSON object of an open model's undeclared fields.
    Extra {
        place: Place,
        model: ModelId,
    },
    Auth(AuthField),
    Now,
    Not(Box<Expr>),
    And(Vec<Expr>),
    Or(Vec<Expr>),
    Compare {
        op: Comparison,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    /// `x == null`; `x != null` is its negation.
    IsNull(Box<Expr>),
    Arith {
        op: Arith,
        left: Box<Expr>,
        right: Box<Expr>,
    },
    Negate(Box<Expr>),
    Conditional {
        condition: Box<Expr>,
        then: Box<Expr>,
        otherwise: Box<Expr>,
    },
    /// `item in list`: the list is a literal list, a list field, `auth.roles` or a JSON value.
    In {
        item: Box<Expr>,
        list: Box<Expr>,
    },
    /// `over.exists(v, body)` (`all: false`) and `over.all(v, body)`.
    Quantified {
        all: bool,
        over: Over,
        var: u8,
        name: Arc<str>,
        body: Box<Expr>,
    },
    /// Code points of a string, items of a list.
    Size(Box<Expr>),
    Text {
        function: TextFn,
        subject: Box<Expr>,
        argument: Box<Expr>,
    },
    /// `has(attributes.color)`: the JSON member is there (and may be null).
    Has(Box<Expr>),
    /// `int(x)`, `double(x)`, `string(x)`, `timestamp(x)`: to `Expr::ty`.
    Convert(Box<Expr>),
}

/// What a quantifier ranges over.
#[derive(Debug, Clone, PartialEq)]
pub enum Over {
    /// A list field, `auth.roles`, a literal list, or JSON.
    List(Box<Expr>),
    /// The records of `model` whose relation `field` points at `place`.
    Related {
        place: Place,
        model: ModelId,
        field: FieldId,
    },
}

#[derive(Debug, Clone, PartialEq)]
pub enum PathStep {
    Member(Arc<str>),
    Index(u32),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthField {
    Id,
    Email,
    Roles,
    Kind,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    Eq,
    Ne,
    Lt,
    Le,
    Gt,
    Ge,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Arith {
    Add,
    Sub,
    Mul,
    Div,
    Rem,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TextFn {
    StartsWith,
    EndsWith,
    Contains,
    Matches,
}

impl Expr {
    pub fn literal(value: Value, ty: Type, span: Span) -> Expr {
        Expr {
            kind: ExprKind::Literal(value),
            ty,
            span,
        }
    }

    pub fn bool(value: bool) -> Expr {
        Expr::literal(Value::Bool(value), Type::Bool, Span::default())
    }

    /// Whether a quantifier over records is in it.
    pub fn quantifies(&self) -> bool {
        let mut found = false;
        self.walk(&mut |expr| {
            found |= matches!(
                expr.kind,
                ExprKind::Quantified {
                    over: Over::Related { .. },
                    ..
                }
            );
        });
        found
    }

    /// Calls `visit` for this expression and every one below it, outermost first.
    pub fn walk<'a>(&'a self, visit: &mut dyn FnMut(&'a Expr)) {
        visit(self);
        match &self.kind {
            ExprKind::Literal(_)
            | ExprKind::Field { .. }
            | ExprKind::Element(_)
            | ExprKind::Extra { .. }
            | ExprKind::Auth(_)
            | ExprKind::Now => {}
            ExprKind::List(items) | ExprKind::And(items) | ExprKind::Or(items) => {
                for item in items {
                    item.walk(visit);
                }
            }
            ExprKind::Path { base: inner, .. }
            | ExprKind::Not(inner)
            | ExprKind::IsNull(inner)
            | ExprKind::Negate(inner)
            | ExprKind::Size(inner)
            | ExprKind::Has(inner)
            | ExprKind::Convert(inner) => inner.walk(visit),
            ExprKind::Compare { left, right, .. } | ExprKind::Arith { left, right, .. } => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::In {
                item: left,
                list: right,
            }
            | ExprKind::Text {
                subject: left,
                argument: right,
                ..
            } => {
                left.walk(visit);
                right.walk(visit);
            }
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                condition.walk(visit);
                then.walk(visit);
                otherwise.walk(visit);
            }
            ExprKind::Quantified { over, body, .. } => {
                if let Over::List(list) = over {
                    list.walk(visit);
                }
                body.walk(visit);
            }
        }
    }

    fn any(&self, mut test: impl FnMut(&Expr) -> bool) -> bool {
        let mut found = false;
        self.walk(&mut |e| found |= test(e));
        found
    }

    /// Whether deciding it needs records other than the one it is about.
    pub fn traverses(&self) -> bool {
        self.any(|e| match &e.kind {
            ExprKind::Field { place, .. } | ExprKind::Extra { place, .. } => place.traverses(),
            ExprKind::Quantified {
                over: Over::Related { .. },
                ..
            } => true,
            _ => false,
        })
    }

    /// Whether it names `old`.
    pub fn names_old(&self) -> bool {
        self.any(|e| match &e.kind {
            ExprKind::Field { place, .. } | ExprKind::Extra { place, .. } => {
                place.root() == &Place::Old
            }
            ExprKind::Quantified {
                over: Over::Related { place, .. },
                ..
            } => place.root() == &Place::Old,
            _ => false,
        })
    }

    /// Whether it depends on the caller and the clock alone, not on any record.
    pub fn is_about_caller(&self) -> bool {
        !self.any(|e| {
            matches!(
                &e.kind,
                ExprKind::Field { .. }
                    | ExprKind::Extra { .. }
                    | ExprKind::Quantified {
                        over: Over::Related { .. },
                        ..
                    }
            )
        })
    }
}

impl Place {
    pub fn root(&self) -> &Place {
        match self {
            Place::Follow { base, .. } => base.root(),
            other => other,
        }
    }

    pub fn traverses(&self) -> bool {
        matches!(self, Place::Follow { .. } | Place::Var(_))
    }
}
