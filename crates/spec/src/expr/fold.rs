//! Replacing what is known by its value: constants at load time, the caller and the clock once per
//! request. Of a rule like `status == 'active' || seller == auth.id` only what depends on the record
//! is left, so that `plan` writes no SQL for questions that are answered already.
//!
//! Folding keeps the meaning, errors included: a part that may fail is dropped only where evaluation
//! would not have reached it. (Following relations counts as safe: what is missing there is the means
//! to look, not an answer.)

use super::eval::{Env, eval};
use super::tree::{AuthField, Comparison, Expr, ExprKind, Over, TextFn, Type};
use crate::principal::Principal;
use crate::value::Value;
use std::borrow::Cow;
use std::cell::Cell;
use std::sync::Arc;

/// What is known beforehand.
#[derive(Debug, Clone, Copy, Default)]
pub struct Known<'a> {
    pub auth: Option<&'a Principal>,
    /// Microseconds since 1970.
    pub now: Option<i64>,
}

/// Parts that unrolling may make of one expression, all its quantifiers together: one in another multiplies.
/// Those beyond stay loops.
const UNROLLED: usize = 10_000;

/// The same expression with everything that is known replaced; borrowed where nothing changes.
///
/// A condition's result is preserved as [`holds`](super::eval::holds) sees it: a null may become false.
pub fn fold<'e>(expr: &'e Expr, known: Known<'_>) -> Cow<'e, Expr> {
    let folder = Folder {
        known,
        left: Cell::new(UNROLLED),
    };
    folder.fold(expr, expr.ty == Type::Bool)
}

struct Folder<'k> {
    known: Known<'k>,
    /// What is left of [`UNROLLED`].
    left: Cell<usize>,
}

fn literal(expr: &Expr) -> Option<&Value> {
    match &expr.kind {
        ExprKind::Literal(value) => Some(value),
        _ => None,
    }
}

fn is_true(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Value::Bool(true)))
}

fn is_null(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Value::Null))
}

/// Whether a condition is never null, only true or false.
fn is_strict(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(value) => !value.is_null(),
        ExprKind::Field { .. }
        | ExprKind::Element(_)
        | ExprKind::Path { .. }
        | ExprKind::Conditional { .. } => false,
        _ => true,
    }
}

fn can_fail(expr: &Expr) -> bool {
    let mut found = false;
    expr.walk(&mut |e| {
        found |= match &e.kind {
            ExprKind::Arith { .. } | ExprKind::Negate(_) => true,
            ExprKind::Convert(inner) => e.ty != Type::String || inner.ty == Type::Dyn,
            _ => false,
        }
    });
    found
}

fn size(expr: &Expr) -> usize {
    let mut count = 0;
    expr.walk(&mut |_| count += 1);
    count
}

/// The value of an expression whose parts are literals, unless it fails.
fn evaluated(expr: Expr) -> Expr {
    let nobody = Principal::anonymous();
    match eval(&expr, &Env::new(&[], &nobody, 0)) {
        Ok(value) => Expr::literal(value, expr.ty, expr.span),
        Err(_) => expr,
    }
}

impl Folder<'_> {
    /// `truth`: whether only the expression's being true matters, so that null is as good as false.
    fn fold<'e>(&self, expr: &'e Expr, truth: bool) -> Cow<'e, Expr> {
        match self.changed(expr, truth) {
            Some(expr) => Cow::Owned(expr),
            None => Cow::Borrowed(expr),
        }
    }

    /// The folded expression, if it is another.
    fn changed(&self, expr: &Expr, truth: bool) -> Option<Expr> {
        let with = |kind| Expr {
            kind,
            ty: expr.ty.clone(),
            span: expr.span,
        };
        let constant = |value| Expr::literal(value, expr.ty.clone(), expr.span);
        match &expr.kind {
            ExprKind::Literal(_)
            | ExprKind::Field { .. }
            | ExprKind::Element(_)
            | ExprKind::Extra { .. }
            | ExprKind::Path { .. }
            | ExprKind::Has(_) => None,
            ExprKind::Auth(field) => Some(constant(caller(self.known.auth?, *field))),
            ExprKind::Now => Some(constant(Value::Timestamp(self.known.now?))),
            ExprKind::List(items) => {
                let (items, changed) = self.all(items)?;
                let values: Option<Arc<[Value]>> =
                    items.iter().map(|item| literal(item).cloned()).collect();
                match values {
                    Some(values) => Some(constant(Value::List(values))),
                    None => changed.then(|| with(ExprKind::List(items))),
                }
            }
            ExprKind::Not(inner) => self.not(expr, inner, truth),
            ExprKind::And(items) => self.junction(expr, items, truth, true),
            ExprKind::Or(items) => self.junction(expr, items, truth, false),
            ExprKind::Compare { op, left, right } => {
                let (left, right) = (self.fold(left, false), self.fold(right, false));
                let both = literal(&left).is_some() && literal(&right).is_some();
                if !both && (is_null(&left) || is_null(&right)) {
                    let other = if is_null(&left) { &right } else { &left };
                    if !can_fail(other) {
                        return Some(constant(Value::Bool(*op == Comparison::Ne)));
                    }
                }
                let changed = changed_of(&left, &right);
                (both || changed).then(|| {
                    let folded = with(ExprKind::Compare {
                        op: *op,
                        left: Box::new(left.into_owned()),
                        right: Box::new(right.into_owned()),
                    });
                    if both { evaluated(folded) } else { folded }
                })
            }
            ExprKind::Arith { op, left, right } => {
                let (left, right) = (self.fold(left, false), self.fold(right, false));
                let both = literal(&left).is_some() && literal(&right).is_some();
                let changed = changed_of(&left, &right);
                let folded = (both || changed).then(|| {
                    with(ExprKind::Arith {
                        op: *op,
                        left: Box::new(left.into_owned()),
                        right: Box::new(right.into_owned()),
                    })
                })?;
                self.settled(folded, both, changed)
            }
            ExprKind::IsNull(inner) => self.unary(expr, inner, ExprKind::IsNull),
            ExprKind::Negate(inner) => self.unary(expr, inner, ExprKind::Negate),
            ExprKind::Size(inner) => self.unary(expr, inner, ExprKind::Size),
            ExprKind::Convert(inner) => self.unary(expr, inner, ExprKind::Convert),
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                let condition = self.fold(condition, true);
                if let Some(value) = literal(&condition) {
                    let branch = if *value == Value::Bool(true) {
                        then
                    } else {
                        otherwise
                    };
                    let branch = self.fold(branch, truth).into_owned();
                    // A null branch has the other's type to everybody else.
                    return Some(Expr {
                        ty: expr.ty.clone(),
                        ..branch
                    });
                }
                let (then, otherwise) = (self.fold(then, truth), self.fold(otherwise, truth));
                let changed = matches!(condition, Cow::Owned(_)) || changed_of(&then, &otherwise);
                changed.then(|| {
                    with(ExprKind::Conditional {
                        condition: Box::new(condition.into_owned()),
                        then: Box::new(then.into_owned()),
                        otherwise: Box::new(otherwise.into_owned()),
                    })
                })
            }
            ExprKind::In { item, list } => self.membership(expr, item, list),
            ExprKind::Quantified {
                all,
                over,
                var,
                name,
                body,
            } => {
                let list = match over {
                    Over::List(list) => self.fold(list, false),
                    Over::Related { .. } => {
                        let body = self.changed(body, true)?;
                        if literal(&body).is_some() && is_true(&body) == *all {
                            return Some(constant(Value::Bool(*all)));
                        }
                        return Some(with(ExprKind::Quantified {
                            all: *all,
                            over: over.clone(),
                            var: *var,
                            name: name.clone(),
                            body: Box::new(body),
                        }));
                    }
                };
                // Whoever has no roles asks this with every request: of nobody, whatever the body says.
                if matches!(&list.kind, ExprKind::Literal(Value::List(values)) if values.is_empty())
                {
                    return Some(constant(Value::Bool(*all)));
                }
                let other = as_membership(&list, *var, body, *all, expr)
                    .or_else(|| self.unroll(&list, *var, body, *all, expr));
                if let Some(other) = other {
                    let folded = self.fold(&other, truth);
                    return Some(folded.into_owned());
                }
                let body = self.fold(body, true);
                // (`all` of what is no list is false, whatever the body says.)
                if !*all && literal(&body).is_some() && !is_true(&body) && !can_fail(&list) {
                    return Some(constant(Value::Bool(false)));
                }
                let changed = changed_of(&list, &body);
                changed.then(|| {
                    with(ExprKind::Quantified {
                        all: *all,
                        over: Over::List(Box::new(list.into_owned())),
                        var: *var,
                        name: name.clone(),
                        body: Box::new(body.into_owned()),
                    })
                })
            }
            ExprKind::Text {
                function,
                subject,
                argument,
            } => {
                let (subject, argument) = (self.fold(subject, false), self.fold(argument, false));
                self.text(expr, *function, subject, argument)
            }
        }
    }

    /// An expression whose evaluation may have failed, which is then no news.
    fn settled(&self, folded: Expr, constant: bool, changed: bool) -> Option<Expr> {
        if !constant {
            return Some(folded);
        }
        let folded = evaluated(folded);
        (changed || literal(&folded).is_some()).then_some(folded)
    }

    fn unary(&self, expr: &Expr, inner: &Expr, make: fn(Box<Expr>) -> ExprKind) -> Option<Expr> {
        let inner = self.fold(inner, false);
        let changed = matches!(inner, Cow::Owned(_));
        let constant = literal(&inner).is_some();
        (changed || constant).then_some(())?;
        let folded = Expr {
            kind: make(Box::new(inner.into_owned())),
            ty: expr.ty.clone(),
            span: expr.span,
        };
        self.settled(folded, constant, changed)
    }

    fn all(&self, items: &[Expr]) -> Option<(Vec<Expr>, bool)> {
        let folded: Vec<_> = items.iter().map(|item| self.fold(item, false)).collect();
        let changed = folded.iter().any(|item| matches!(item, Cow::Owned(_)));
        let literals = folded.iter().all(|item| literal(item).is_some());
        (changed || literals).then(|| (folded.into_iter().map(Cow::into_owned).collect(), changed))
    }

    fn not(&self, expr: &Expr, inner: &Expr, truth: bool) -> Option<Expr> {
        let inner = self.fold(inner, true);
        if let Some(value) = literal(&inner) {
            let value = Value::Bool(*value != Value::Bool(true));
            return Some(Expr::literal(value, Type::Bool, expr.span));
        }
        if let ExprKind::Not(innermost) = &inner.kind
            && (truth || is_strict(innermost))
        {
            return Some((**innermost).clone());
        }
        match inner {
            Cow::Owned(inner) => Some(Expr {
                kind: ExprKind::Not(Box::new(inner)),
                ty: Type::Bool,
                span: expr.span,
            }),
            Cow::Borrowed(_) => None,
        }
    }

    /// `&&` (`and`) and `||`.
    fn junction(&self, expr: &Expr, items: &[Expr], truth: bool, and: bool) -> Option<Expr> {
        let mut kept: Vec<Cow<'_, Expr>> = Vec::with_capacity(items.len());
        let mut changed = false;
        // The value that decides, once it is met.
        let mut decided = false;
        for item in items {
            let item = self.fold(item, true);
            changed |= matches!(item, Cow::Owned(_));
            // One of the same kind inside (an unrolled quantifier, say) is taken apart.
            let (whole, parts) = match (&item.kind, and) {
                (ExprKind::And(inner), true) | (ExprKind::Or(inner), false) => {
                    changed = true;
                    (None, inner.iter().cloned().map(Cow::Owned).collect())
                }
                _ => (Some(item), Vec::new()),
            };
            for part in whole.into_iter().chain(parts) {
                let Some(value) = literal(&part) else {
                    kept.push(part);
                    continue;
                };
                decided = (*value == Value::Bool(true)) != and;
                if decided {
                    break;
                }
                changed = true;
            }
            if decided {
                break;
            }
        }
        let constant = |value| Expr::literal(Value::Bool(value), Type::Bool, expr.span);
        if decided {
            // What stands before the deciding value is asked first, and may fail.
            if !kept.iter().any(|item| can_fail(item)) {
                return Some(constant(!and));
            }
            if !changed && kept.len() + 1 == items.len() {
                return None;
            }
            kept.push(Cow::Owned(constant(!and)));
            changed = true;
        }
        if !changed && kept.len() > 1 {
            return None;
        }
        let mut kept: Vec<Expr> = kept.into_iter().map(Cow::into_owned).collect();
        let kind = match kept.len() {
            0 => return Some(constant(and)),
            1 => {
                let only = kept.remove(0);
                if truth || is_strict(&only) {
                    return Some(only);
                }
                // `!!x`: what is null becomes false, as it was inside the `&&`.
                let inner = Expr {
                    kind: ExprKind::Not(Box::new(only)),
                    ty: Type::Bool,
                    span: expr.span,
                };
                ExprKind::Not(Box::new(inner))
            }
            _ if and => ExprKind::And(kept),
            _ => ExprKind::Or(kept),
        };
        Some(Expr {
            kind,
            ty: Type::Bool,
            span: expr.span,
        })
    }

    /// A quantifier over a list whose items are known, as the `||` or `&&` of its bodies; none where it would
    /// become too large.
    fn unroll(&self, list: &Expr, var: u8, body: &Expr, all: bool, whole: &Expr) -> Option<Expr> {
        let of = match &list.ty {
            Type::List(of) => (**of).clone(),
            _ => Type::Dyn,
        };
        let items: Vec<Expr> = match &list.kind {
            ExprKind::Literal(Value::List(values)) => values
                .iter()
                .map(|value| Expr::literal(value.clone(), of.clone(), list.span))
                .collect(),
            ExprKind::List(items) => items.clone(),
            ExprKind::Literal(Value::Null) => return Some(Expr::bool(false)),
            _ => return None,
        };
        let items_size: usize = items.iter().map(size).sum();
        let parts = items_size.saturating_mul(size(body));
        self.left.set(self.left.get().checked_sub(parts)?);
        let bodies = items
            .iter()
            .map(|item| substitute(body, var, item))
            .collect();
        Some(Expr {
            kind: if all {
                ExprKind::And(bodies)
            } else {
                ExprKind::Or(bodies)
            },
            ty: Type::Bool,
            span: whole.span,
        })
    }

    fn membership(&self, expr: &Expr, item: &Expr, list: &Expr) -> Option<Expr> {
        let item = self.fold(item, false);
        let mut list = self.fold(list, false);
        let never = || Some(Expr::literal(Value::Bool(false), Type::Bool, expr.span));
        // Null items are found by nobody.
        if let ExprKind::List(items) = &list.kind
            && items.iter().any(is_null)
        {
            let rest: Vec<Expr> = items.iter().filter(|i| !is_null(i)).cloned().collect();
            list = Cow::Owned(written(rest, &list));
        }
        if let ExprKind::Literal(Value::List(values)) = &list.kind
            && values.iter().any(Value::is_null)
        {
            let rest = values.iter().filter(|v| !v.is_null()).cloned().collect();
            let kind = ExprKind::Literal(Value::List(rest));
            list = Cow::Owned(Expr {
                kind,
                ..list.into_owned()
            });
        }
        let empty = matches!(&list.kind, ExprKind::Literal(Value::List(v)) if v.is_empty());
        if is_null(&item) && !can_fail(&list) || (empty || is_null(&list)) && !can_fail(&item) {
            return never();
        }
        let constant = literal(&item).is_some() && literal(&list).is_some();
        (constant || changed_of(&item, &list)).then(|| {
            let folded = Expr {
                kind: ExprKind::In {
                    item: Box::new(item.into_owned()),
                    list: Box::new(list.into_owned()),
                },
                ty: Type::Bool,
                span: expr.span,
            };
            if constant { evaluated(folded) } else { folded }
        })
    }

    fn text(
        &self,
        expr: &Expr,
        function: TextFn,
        subject: Cow<'_, Expr>,
        argument: Cow<'_, Expr>,
    ) -> Option<Expr> {
        let constant = literal(&subject).is_some() && literal(&argument).is_some();
        if !constant && (is_null(&subject) || is_null(&argument)) {
            let other = if is_null(&subject) {
                &argument
            } else {
                &subject
            };
            if !can_fail(other) {
                return Some(Expr::literal(Value::Bool(false), Type::Bool, expr.span));
            }
        }
        let everywhere = function != TextFn::Matches
            && subject.ty == Type::String
            && literal(&argument).and_then(Value::as_text) == Some("");
        if everywhere && !constant {
            // The empty text is in every text; what is left to ask is whether there is one.
            let test = |kind| Expr {
                kind,
                ty: Type::Bool,
                span: expr.span,
            };
            let is_null = test(ExprKind::IsNull(Box::new(subject.into_owned())));
            return Some(test(ExprKind::Not(Box::new(is_null))));
        }
        (constant || changed_of(&subject, &argument)).then(|| {
            let folded = Expr {
                kind: ExprKind::Text {
                    function,
                    subject: Box::new(subject.into_owned()),
                    argument: Box::new(argument.into_owned()),
                },
                ty: Type::Bool,
                span: expr.span,
            };
            if constant { evaluated(folded) } else { folded }
        })
    }
}

// Whether a `Cow` is owned is the question here, so there is no `&Expr` to take instead.
#[allow(clippy::ptr_arg)]
fn changed_of(a: &Cow<'_, Expr>, b: &Cow<'_, Expr>) -> bool {
    matches!(a, Cow::Owned(_)) || matches!(b, Cow::Owned(_))
}

fn caller(auth: &Principal, field: AuthField) -> Value {
    match field {
        AuthField::Id => auth.id.into(),
        AuthField::Email => auth.email.clone().map_or(Value::Null, Value::Text),
        AuthField::Roles => {
            Value::List(auth.roles.iter().map(|r| Value::Text(r.clone())).collect())
        }
        AuthField::Kind => Value::text(auth.kind.as_str()),
    }
}

/// A written list of these items, in the place of another.
fn written(items: Vec<Expr>, like: &Expr) -> Expr {
    let values: Option<Arc<[Value]>> = items.iter().map(|i| literal(i).cloned()).collect();
    Expr {
        kind: match values {
            Some(values) => ExprKind::Literal(Value::List(values)),
            None => ExprKind::List(items),
        },
        ty: like.ty.clone(),
        span: like.span,
    }
}

/// `list.exists(v, v == x)` as `x in list`, and `list.all(v, v != x)` as `!(x in list)`: one question, however many
/// roles a caller has.
fn as_membership(list: &Expr, var: u8, body: &Expr, all: bool, whole: &Expr) -> Option<Expr> {
    let (ExprKind::Literal(Value::List(_)), Type::List(of)) = (&list.kind, &list.ty) else {
        return None;
    };
    let ExprKind::Compare { op, left, right } = &body.kind else {
        return None;
    };
    let is_var = |e: &Expr| e.kind == ExprKind::Element(var);
    let item = match (is_var(left), is_var(right)) {
        (true, false) => right,
        (false, true) => left,
        _ => return None,
    };
    let mut names_var = false;
    item.walk(&mut |e| names_var |= is_var(e));
    let wanted = if all { Comparison::Ne } else { Comparison::Eq };
    // Between values of one type, membership is equality; JSON is compared as what it holds.
    let alike = item.ty == **of && !matches!(item.ty, Type::Null | Type::Dyn | Type::List(_));
    if *op != wanted || !alike || names_var || can_fail(item) {
        return None;
    }
    let boolean = |kind| Expr {
        kind,
        ty: Type::Bool,
        span: whole.span,
    };
    let found = boolean(ExprKind::In {
        item: item.clone(),
        list: Box::new(list.clone()),
    });
    Some(if all {
        boolean(ExprKind::Not(Box::new(found)))
    } else {
        found
    })
}

/// The expression with a quantifier's variable replaced by what it stands for.
fn substitute(expr: &Expr, var: u8, item: &Expr) -> Expr {
    rebuild(expr, &mut |e| match e.kind {
        ExprKind::Element(v) if v == var => Some(item.clone()),
        _ => None,
    })
}

/// A copy in which `replace` has exchanged what it wanted to, outermost first.
fn rebuild(expr: &Expr, replace: &mut dyn FnMut(&Expr) -> Option<Expr>) -> Expr {
    if let Some(other) = replace(expr) {
        return other;
    }
    let mut one = |e: &Expr| Box::new(rebuild(e, replace));
    let kind = match &expr.kind {
        kind @ (ExprKind::Literal(_)
        | ExprKind::Field { .. }
        | ExprKind::Element(_)
        | ExprKind::Extra { .. }
        | ExprKind::Auth(_)
        | ExprKind::Now) => kind.clone(),
        ExprKind::List(items) => ExprKind::List(items.iter().map(|i| *one(i)).collect()),
        ExprKind::And(items) => ExprKind::And(items.iter().map(|i| *one(i)).collect()),
        ExprKind::Or(items) => ExprKind::Or(items.iter().map(|i| *one(i)).collect()),
        ExprKind::Path { base, steps } => ExprKind::Path {
            base: one(base),
            steps: steps.clone(),
        },
        ExprKind::Not(inner) => ExprKind::Not(one(inner)),
        ExprKind::IsNull(inner) => ExprKind::IsNull(one(inner)),
        ExprKind::Negate(inner) => ExprKind::Negate(one(inner)),
        ExprKind::Size(inner) => ExprKind::Size(one(inner)),
        ExprKind::Has(inner) => ExprKind::Has(one(inner)),
        ExprKind::Convert(inner) => ExprKind::Convert(one(inner)),
        ExprKind::Compare { op, left, right } => ExprKind::Compare {
            op: *op,
            left: one(left),
            right: one(right),
        },
        ExprKind::Arith { op, left, right } => ExprKind::Arith {
            op: *op,
            left: one(left),
            right: one(right),
        },
        ExprKind::Conditional {
            condition,
            then,
            otherwise,
        } => ExprKind::Conditional {
            condition: one(condition),
            then: one(then),
            otherwise: one(otherwise),
        },
        ExprKind::In { item, list } => ExprKind::In {
            item: one(item),
            list: one(list),
        },
        ExprKind::Quantified {
            all,
            over,
            var,
            name,
            body,
        } => ExprKind::Quantified {
            all: *all,
            over: match over {
                Over::List(list) => Over::List(one(list)),
                related @ Over::Related { .. } => related.clone(),
            },
            var: *var,
            name: name.clone(),
            body: one(body),
        },
        ExprKind::Text {
            function,
            subject,
            argument,
        } => ExprKind::Text {
            function: *function,
            subject: one(subject),
            argument: one(argument),
        },
    };
    Expr {
        kind,
        ty: expr.ty.clone(),
        span: expr.span,
    }
}
