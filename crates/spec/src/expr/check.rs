//! [`ast`] → [`Expr`]: names resolved against the model, types decided, literals turned
//! into what they are compared with. What cannot become SQL, or would mean something else there,
//! does not get past this file; the reasons are in the messages and in `docs/expressions.md`.

mod calls;
mod compare;
mod literals;
mod names;
mod rules;

pub(crate) use calls::{duration_text, regex};
pub use names::type_of;

use super::ast::{self, Binary, Kind};
use super::parse::{self, Limits};
use super::tree::{Arith, Comparison, Place, Type};
use super::{Expr, ExprError, ExprKind, Span};
use crate::model::{App, FieldId, ModelId};
use crate::value::Value;
use literals::Target;
use std::sync::Arc;

/// What an expression is for: decides what it may name, its result, and whether it must compile to SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    Read,
    Create,
    Update,
    Delete,
    FieldRead,
    FieldWrite,
    /// A field's check: memory only, so arithmetic and `matches` are open to it.
    Check,
    /// A field's default; the result has this field's type.
    Default(FieldId),
    /// A caller's filter.
    Filter,
    /// `mainstay eval` and tests: any result, memory only.
    Free,
}

impl Purpose {
    /// Whether it is only ever evaluated in memory.
    fn in_memory(self) -> bool {
        matches!(self, Purpose::Check | Purpose::Default(_) | Purpose::Free)
    }

    /// Whether there is a record before the write to speak of.
    fn has_old(self) -> bool {
        matches!(
            self,
            Purpose::Update | Purpose::FieldWrite | Purpose::Check | Purpose::Free
        )
    }

    /// Whether it may look at other records.
    fn may_traverse(self) -> bool {
        !matches!(self, Purpose::Check | Purpose::Default(_))
    }

    /// Whether it decides who may do something.
    fn is_access(self) -> bool {
        matches!(
            self,
            Purpose::Read
                | Purpose::Create
                | Purpose::Update
                | Purpose::Delete
                | Purpose::FieldRead
                | Purpose::FieldWrite
        )
    }
}

/// Where an expression stands. The app's models must have their fields resolved; rules may be unset.
#[derive(Debug, Clone, Copy)]
pub struct Scope<'a> {
    pub app: &'a App,
    /// The model whose fields are bare names.
    pub model: Option<ModelId>,
    pub purpose: Purpose,
    /// Models that whoever wrote the expression cannot reach: none of their names is told, or can be named.
    pub closed: &'a [ModelId],
}

/// [`parse`](parse::parse), then [`check`].
pub fn compile(text: &str, scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    compile_within(text, Limits::default(), scope)
}

pub fn compile_within(
    text: &str,
    limits: Limits,
    scope: &Scope<'_>,
) -> Result<Expr, Vec<ExprError>> {
    check(&parse::parse_within(text, limits)?, scope)
}

/// Types an expression. Every mistake in it is told, not just the first.
pub fn check(ast: &ast::Expr, scope: &Scope<'_>) -> Result<Expr, Vec<ExprError>> {
    let mut checker = Checker {
        scope: *scope,
        errors: Vec::new(),
        vars: Vec::new(),
        doubles: Vec::new(),
    };
    let checked = checker.value(ast).and_then(|expr| checker.result(expr));
    match checked {
        Some(expr) if checker.errors.is_empty() => {
            rules::check(&expr, scope)?;
            Ok(expr)
        }
        _ if checker.errors.is_empty() => Err(vec![ExprError::new(
            "expr-type",
            ast.span,
            "this expression has no meaning here",
        )]),
        _ => Err(checker.errors),
    }
}

/// What a piece of the tree stands for while it is being resolved: not everything is a value yet.
enum Thing {
    Value(Expr),
    /// One record: `old`, or the variable of a quantifier over a relation.
    Record {
        place: Place,
        model: ModelId,
    },
    /// The records that refer to `place` by their relation `field`.
    Many {
        place: Place,
        model: ModelId,
        field: FieldId,
        name: Arc<str>,
    },
    /// `auth`, whose members are the caller's.
    Auth,
}

/// What a quantifier binds.
struct Var {
    name: Arc<str>,
    bound: Bound,
}

enum Bound {
    Record(ModelId),
    Element {
        ty: Type,
        /// Whether the list is about the caller alone, and so known before any SQL is written.
        constant: bool,
    },
}

/// Quantifiers in each other; each is a loop.
const MAX_VARS: usize = 4;

struct Checker<'a> {
    scope: Scope<'a>,
    errors: Vec<ExprError>,
    vars: Vec<Var>,
    /// The digits of double literals, by their place: a decimal needs them exactly.
    doubles: Vec<(Span, Arc<str>)>,
}

impl Checker<'_> {
    /// Notes a mistake.
    fn error<T>(
        &mut self,
        code: &'static str,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        let help = help.into();
        let error = ExprError::new(code, span, message);
        self.errors.push(if help.is_empty() {
            error
        } else {
            error.help(help)
        });
        None
    }

    fn type_error<T>(
        &mut self,
        span: Span,
        message: impl Into<String>,
        help: impl Into<String>,
    ) -> Option<T> {
        self.error("expr-type", span, message, help)
    }

    /// What is needed here has no SQL: fine in memory, a mistake elsewhere.
    fn needs_memory(&mut self, what: &str, span: Span, help: &str) -> Option<()> {
        if self.scope.purpose.in_memory() {
            return Some(());
        }
        self.error(
            "expr-not-sql",
            span,
            format!(
                "{what} cannot be decided inside the database: only checks and defaults may use it"
            ),
            help,
        )
    }

    /// Whether an expression depends on the caller and the clock alone, so that it is a literal by
    /// the time SQL is written.
    fn is_constant(&self, expr: &Expr) -> bool {
        let mut constant = expr.is_about_caller();
        expr.walk(&mut |e| {
            if let ExprKind::Element(var) = e.kind {
                constant &= self
                    .vars
                    .get(usize::from(var))
                    .is_none_or(|v| matches!(v.bound, Bound::Element { constant, .. } if constant));
            }
        });
        constant
    }

    /// The whole expression's value, as its purpose wants it.
    fn result(&mut self, expr: Expr) -> Option<Expr> {
        match self.scope.purpose {
            Purpose::Free => Some(expr),
            Purpose::Default(field) => self.default_value(expr, field),
            _ => self.condition(expr),
        }
    }

    /// Something that must be true or false.
    fn condition(&mut self, expr: Expr) -> Option<Expr> {
        match expr.ty {
            Type::Bool => Some(expr),
            Type::Dyn => self.type_error(
                expr.span,
                "a JSON value may be anything, and a condition is true or false",
                "write `… == true`",
            ),
            _ => {
                let found = literals::describe(&expr, self.scope.app);
                self.type_error(
                    expr.span,
                    format!("a condition is true or false, and this is {found}"),
                    "compare it with something",
                )
            }
        }
    }

    fn condition_of(&mut self, ast: &ast::Expr) -> Option<Expr> {
        let expr = self.value(ast)?;
        self.condition(expr)
    }

    /// A piece of the tree that must be a value.
    fn value(&mut self, ast: &ast::Expr) -> Option<Expr> {
        match self.thing(ast)? {
            Thing::Value(expr) => Some(expr),
            Thing::Record { .. } => self.type_error(
                ast.span,
                "this is a whole record",
                "name one of its fields, `.id` for example",
            ),
            Thing::Many { name, .. } => self.type_error(
                ast.span,
                format!("`{name}` stands for many records"),
                format!("ask for one or all of them: `{name}.exists(x, x.… == …)`"),
            ),
            Thing::Auth => self.type_error(
                ast.span,
                "`auth` is the caller",
                "write `auth.id`, `auth.email`, `auth.roles` or `auth.kind`",
            ),
        }
    }

    fn thing(&mut self, ast: &ast::Expr) -> Option<Thing> {
        let span = ast.span;
        let literal = |value, ty| Some(Thing::Value(Expr::literal(value, ty, span)));
        match &ast.kind {
            Kind::Null => literal(Value::Null, Type::Null),
            Kind::Bool(b) => literal(Value::Bool(*b), Type::Bool),
            Kind::Int(n) => literal(Value::Int(*n), Type::Int),
            Kind::Double { value, text } => {
                self.doubles.push((span, text.clone()));
                literal(Value::Float(*value), Type::Float)
            }
            Kind::String(text) => literal(Value::Text(text.clone()), Type::String),
            Kind::Name(name) => self.name(name, span),
            Kind::Member { base, name } => {
                let base = self.thing(base)?;
                self.member(base, name, span)
            }
            Kind::Index { base, index } => self.index(base, index, span),
            Kind::List(items) => self.list(items, None, span).map(Thing::Value),
            Kind::Call {
                function,
                arguments,
            } => self.call(function, arguments, span).map(Thing::Value),
            Kind::Method {
                base,
                name,
                arguments,
            } => self.method(base, name, arguments, span).map(Thing::Value),
            _ => self.operation(ast).map(Thing::Value),
        }
    }

    fn operation(&mut self, ast: &ast::Expr) -> Option<Expr> {
        let span = ast.span;
        let boolean = |kind| Expr {
            kind,
            ty: Type::Bool,
            span,
        };
        match &ast.kind {
            Kind::Not(inner) => {
                let inner = self.condition_of(inner)?;
                Some(boolean(ExprKind::Not(Box::new(inner))))
            }
            Kind::And(items) => Some(boolean(ExprKind::And(self.operands(items, true)?))),
            Kind::Or(items) => Some(boolean(ExprKind::Or(self.operands(items, false)?))),
            Kind::Negate(inner) => {
                let inner = self.value(inner)?;
                self.negate(inner, span)
            }
            Kind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.condition_of(condition);
                let (then, otherwise) = (self.value(then), self.value(otherwise));
                self.conditional(condition?, then?, otherwise?, span)
            }
            Kind::Binary { op, left, right } => {
                let comparison = match op {
                    Binary::Eq => Comparison::Eq,
                    Binary::Ne => Comparison::Ne,
                    Binary::Lt => Comparison::Lt,
                    Binary::Le => Comparison::Le,
                    Binary::Gt => Comparison::Gt,
                    Binary::Ge => Comparison::Ge,
                    Binary::In => return self.membership(left, right, span),
                    Binary::Add => return self.arithmetic(Arith::Add, left, right, span),
                    Binary::Sub => return self.arithmetic(Arith::Sub, left, right, span),
                    Binary::Mul => return self.arithmetic(Arith::Mul, left, right, span),
                    Binary::Div => return self.arithmetic(Arith::Div, left, right, span),
                    Binary::Rem => return self.arithmetic(Arith::Rem, left, right, span),
                };
                let (left, right) = (self.value(left), self.value(right));
                self.comparison(comparison, left?, right?, span)
            }
            _ => None,
        }
    }

    /// The conditions of an `&&` or `||`, those of the same operator in parentheses taken out of them.
    fn operands(&mut self, items: &[ast::Expr], and: bool) -> Option<Vec<Expr>> {
        let checked: Vec<_> = items.iter().map(|item| self.condition_of(item)).collect();
        let mut flat = Vec::with_capacity(checked.len());
        for item in checked {
            let item = item?;
            match item.kind {
                ExprKind::And(inner) if and => flat.extend(inner),
                ExprKind::Or(inner) if !and => flat.extend(inner),
                _ => flat.push(item),
            }
        }
        Some(flat)
    }

    fn negate(&mut self, inner: Expr, span: Span) -> Option<Expr> {
        if !matches!(inner.ty, Type::Int | Type::Float | Type::Decimal(_)) {
            let found = literals::describe(&inner, self.scope.app);
            return self.type_error(span, format!("`-` wants a number, and this is {found}"), "");
        }
        if !self.is_constant(&inner) {
            self.needs_memory(
                "arithmetic on fields",
                span,
                "change the sign on the other side",
            )?;
        }
        Some(Expr {
            ty: inner.ty.clone(),
            kind: ExprKind::Negate(Box::new(inner)),
            span,
        })
    }

    fn conditional(
        &mut self,
        condition: Expr,
        then: Expr,
        otherwise: Expr,
        span: Span,
    ) -> Option<Expr> {
        let (then, otherwise) = self.meet(then, otherwise)?;
        let ty = match (&then.ty, &otherwise.ty) {
            (Type::Null, other) | (other, Type::Null) => other.clone(),
            (a, b) if a == b => a.clone(),
            _ => {
                let message = format!(
                    "the two sides of a conditional must have one type, and these are {} and {}",
                    literals::describe(&then, self.scope.app),
                    literals::describe(&otherwise, self.scope.app)
                );
                return self.type_error(span, message, "");
            }
        };
        Some(Expr {
            kind: ExprKind::Conditional {
                condition: Box::new(condition),
                then: Box::new(then),
                otherwise: Box::new(otherwise),
            },
            ty,
            span,
        })
    }

    fn arithmetic(
        &mut self,
        op: Arith,
        left: &ast::Expr,
        right: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        let (left, right) = (self.value(left), self.value(right));
        let (left, right) = self.meet_numbers(op, left?, right?)?;
        let ty = self.arithmetic_type(op, &left, &right, span)?;
        let expr = Expr {
            kind: ExprKind::Arith {
                op,
                left: Box::new(left),
                right: Box::new(right),
            },
            ty,
            span,
        };
        if !self.is_constant(&expr) {
            self.needs_memory(
                "arithmetic on fields",
                span,
                "move it to the other side: `created_at > now - duration('24h')`",
            )?;
        }
        Some(expr)
    }

    fn arithmetic_type(
        &mut self,
        op: Arith,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Option<Type> {
        use Type::{Date, Decimal, Duration, Float, Int, String, Timestamp};
        let sum = matches!(op, Arith::Add | Arith::Sub);
        let ty = match (&left.ty, &right.ty) {
            (Int, Int) => Some(Int),
            (Float, Float) if op != Arith::Rem => Some(Float),
            (Decimal(a), Decimal(b)) if sum => Some(Decimal(*a.max(b))),
            (Decimal(a), Int) | (Int, Decimal(a)) if sum || op == Arith::Mul => Some(Decimal(*a)),
            (Decimal(a), Decimal(b)) if op == Arith::Mul && a + b <= 18 => Some(Decimal(a + b)),
            (String, String) if op == Arith::Add => Some(String),
            (Timestamp, Timestamp) | (Date, Date) if op == Arith::Sub => Some(Duration),
            (Timestamp, Duration) if sum => Some(Timestamp),
            (Duration, Timestamp) if op == Arith::Add => Some(Timestamp),
            (Duration, Duration) if sum => Some(Duration),
            _ => None,
        };
        if ty.is_some() {
            return ty;
        }
        let help = match (&left.ty, &right.ty) {
            (Decimal(_), _) | (_, Decimal(_)) if matches!(op, Arith::Div | Arith::Rem) => {
                "the quotient of decimals is not exact: use `double(…)`"
            }
            (Timestamp | Date, String) | (String, Timestamp) => "write `duration('24h')`",
            (Float, Int) | (Int, Float) => "use `double(…)` on the whole number",
            (Type::Dyn, _) | (_, Type::Dyn) => {
                "use `int(…)`, `double(…)` or `string(…)` on the JSON value"
            }
            _ => "",
        };
        let message = format!(
            "`{}` does not work on {} and {}",
            compare::arith_text(op),
            literals::describe(left, self.scope.app),
            literals::describe(right, self.scope.app)
        );
        self.type_error(span, message, help)
    }

    /// A list written out. `target`: what its items are compared with, if that is known.
    fn list(&mut self, items: &[ast::Expr], target: Option<&Target>, span: Span) -> Option<Expr> {
        let values: Vec<_> = items.iter().map(|item| self.value(item)).collect();
        let values = values.into_iter().collect::<Option<Vec<_>>>()?;
        if let Some(null) = values.iter().find(|v| v.ty == Type::Null) {
            return self.type_error(
                null.span,
                "null cannot be in a list",
                "test it apart: `x == null || x in […]`",
            );
        }
        let target = match target {
            Some(target) => target.clone(),
            // The first item that is more than a literal says what the others are.
            None => match values.iter().find(|v| !literals::is_literal(v)) {
                Some(typed) => Target::of(typed, self.scope.app),
                None => match values.iter().find(|v| v.ty == Type::Float) {
                    Some(float) => Target::of(float, self.scope.app),
                    None => match values.first() {
                        Some(first) => Target::of(first, self.scope.app),
                        None => Target::of_type(Type::Null),
                    },
                },
            },
        };
        let mut typed = Vec::with_capacity(values.len());
        for value in values {
            let value = self.coerce(value, &target)?;
            if !compare::comparable(&value.ty, &target.ty) {
                let message = format!(
                    "the items of a list must be of one type, and this is {}, not {}",
                    literals::describe(&value, self.scope.app),
                    literals::type_name(&target.ty)
                );
                return self.type_error(value.span, message, "");
            }
            typed.push(value);
        }
        Some(literals::list_of(typed, target.ty, span))
    }
}

#[cfg(test)]
#[path = "check/tests.rs"]
pub(crate) mod tests;
