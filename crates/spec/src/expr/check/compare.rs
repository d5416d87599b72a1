//! What may be compared with what, and what each side becomes by it.

use super::literals::{self, Target};
use super::{Checker, Thing};
use crate::expr::ast::{self, Kind};
use crate::expr::tree::{Arith, Comparison, Type};
use crate::expr::{Expr, ExprKind, Span};
use crate::value::Value;

pub(super) fn arith_text(op: Arith) -> &'static str {
    match op {
        Arith::Add => "+",
        Arith::Sub => "-",
        Arith::Mul => "*",
        Arith::Div => "/",
        Arith::Rem => "%",
    }
}

/// Whether a comparison between the two types means something somewhere.
pub(super) fn comparable(a: &Type, b: &Type) -> bool {
    use Type::{Bool, Decimal, Dyn, Float, Int, List, Null, String};
    match (a, b) {
        (Null, _) | (_, Null) => true,
        (List(_), _) | (_, List(_)) => false,
        (Int, Float) | (Float, Int) => true,
        (Decimal(_), Decimal(_) | Int) | (Int, Decimal(_)) => true,
        (Dyn, Bool | Int | Float | String | Dyn) | (Bool | Int | Float | String, Dyn) => true,
        _ => a == b,
    }
}

impl Checker<'_> {
    /// Makes the literals of either side what the other side is.
    pub(super) fn meet(&mut self, left: Expr, right: Expr) -> Option<(Expr, Expr)> {
        match (literals::is_literal(&left), literals::is_literal(&right)) {
            (true, false) => {
                let target = Target::of(&right, self.scope.app);
                let left = self.coerce(left, &target)?;
                Some((left, right))
            }
            (false, true) => {
                let target = Target::of(&left, self.scope.app);
                let right = self.coerce(right, &target)?;
                Some((left, right))
            }
            // Two literals, `1 < 2.5`: the whole number becomes the other's kind.
            (true, true) if left.ty == Type::Int && right.ty == Type::Float => {
                let left = self.coerce(left, &Target::of_type(Type::Float))?;
                Some((left, right))
            }
            (true, true) if left.ty == Type::Float && right.ty == Type::Int => {
                let right = self.coerce(right, &Target::of_type(Type::Float))?;
                Some((left, right))
            }
            // The caller's id beside a JSON value, which holds it as text.
            _ if left.ty == Type::Dyn && right.ty == Type::Uuid => {
                let right = literals::as_string(right);
                Some((left, right))
            }
            _ if left.ty == Type::Uuid && right.ty == Type::Dyn => {
                let left = literals::as_string(left);
                Some((left, right))
            }
            _ => Some((left, right)),
        }
    }

    /// Like [`Self::meet`], for arithmetic: only numbers adapt, and a factor keeps its own scale.
    pub(super) fn meet_numbers(
        &mut self,
        op: Arith,
        left: Expr,
        right: Expr,
    ) -> Option<(Expr, Expr)> {
        let number = |e: &Expr| matches!(e.ty, Type::Int | Type::Float);
        let scaled = |e: &Expr| matches!(e.ty, Type::Decimal(_));
        let (left_is, right_is) = (literals::is_literal(&left), literals::is_literal(&right));
        if op == Arith::Mul && (scaled(&left) || scaled(&right)) {
            let left = if left_is { self.factor(left)? } else { left };
            let right = if right_is { self.factor(right)? } else { right };
            return Some((left, right));
        }
        let numbers = (number(&left) || scaled(&left)) && (number(&right) || scaled(&right));
        if numbers {
            self.meet(left, right)
        } else {
            Some((left, right))
        }
    }

    pub(super) fn comparison(
        &mut self,
        op: Comparison,
        left: Expr,
        right: Expr,
        span: Span,
    ) -> Option<Expr> {
        let boolean = |kind| Expr {
            kind,
            ty: Type::Bool,
            span,
        };
        // Only the literal `null` tests for null.
        if left.ty == Type::Null || right.ty == Type::Null {
            let tested = if right.ty == Type::Null { left } else { right };
            let test = boolean(ExprKind::IsNull(Box::new(tested)));
            return match op {
                Comparison::Eq => Some(test),
                Comparison::Ne => Some(boolean(ExprKind::Not(Box::new(test)))),
                _ => self.type_error(span, "null is neither less nor more than anything", ""),
            };
        }
        let ordered = !matches!(op, Comparison::Eq | Comparison::Ne);
        if ordered && (left.ty == Type::Bool || right.ty == Type::Bool) {
            let help = match (&left.kind, &right.kind) {
                (ExprKind::Compare { .. }, _) | (_, ExprKind::Compare { .. }) => {
                    "comparisons do not chain: write `a < b && b < c`"
                }
                _ => "",
            };
            return self.type_error(span, "true and false have no order", help);
        }
        // A literal has no way to become a list: what is said of the two says more.
        let one_listed = matches!(left.ty, Type::List(_)) != matches!(right.ty, Type::List(_));
        let (left, right) = match one_listed {
            true => (left, right),
            false => self.meet(left, right)?,
        };
        self.may_stand_beside(Some(op), &left, &right, span)?;
        Some(boolean(ExprKind::Compare {
            op,
            left: Box::new(left),
            right: Box::new(right),
        }))
    }

    /// Whether the two may stand beside each other, here.
    pub(super) fn may_compare(&mut self, left: &Expr, right: &Expr, span: Span) -> Option<()> {
        self.may_stand_beside(None, left, right, span)
    }

    fn may_stand_beside(
        &mut self,
        op: Option<Comparison>,
        left: &Expr,
        right: &Expr,
        span: Span,
    ) -> Option<()> {
        use Type::{Date, Decimal, Dyn, Float, Int, List, String, Timestamp, Uuid};
        let app = self.scope.app;
        if !comparable(&left.ty, &right.ty) {
            let in_list = literals::as_written(left, app)
                .zip(literals::as_written(right, app))
                .map(|(left_is, right_is)| match &right.ty {
                    List(_) => (left_is, right_is),
                    _ => (right_is, left_is),
                })
                .and_then(|(item, list)| match op? {
                    Comparison::Eq => Some(format!("write `{item} in {list}`")),
                    Comparison::Ne => Some(format!("write `!({item} in {list})`")),
                    _ => None,
                });
            let help = match (&left.ty, &right.ty) {
                (List(of), item) | (item, List(of))
                    if comparable(item, of) && in_list.is_some() =>
                {
                    in_list.as_deref().unwrap_or_default()
                }
                (Date, Timestamp) | (Timestamp, Date) => {
                    "a day is not a moment: compare with `date(now)`"
                }
                (Decimal(_), Float) | (Float, Decimal(_)) => {
                    "a decimal is exact and a float is not: make both fields decimals"
                }
                (String, Uuid) | (Uuid, String) => "make the field a relation or a `uuid`",
                (List(_), _) | (_, List(_)) => {
                    "ask for items instead: `x in list`, `list.exists(x, …)`, `size(list)`"
                }
                (Dyn, _) | (_, Dyn) => "JSON holds strings, numbers, true and false only",
                (Int | Float | Decimal(_), String) | (String, Int | Float | Decimal(_)) => {
                    "leave out the quotes around numbers"
                }
                (Timestamp, _) | (_, Timestamp)
                    if [&left.ty, &right.ty].contains(&&Type::Duration) =>
                {
                    "a moment and a span of time meet in arithmetic: `now - duration('24h')`"
                }
                _ => "",
            };
            let message = format!(
                "{} cannot be compared with {}",
                literals::describe(left, app),
                literals::describe(right, app)
            );
            return self.type_error(span, message, help);
        }
        match (&left.ty, &right.ty) {
            // Minor units of different scales would have to be multiplied inside the database, and may overflow there.
            (Decimal(a), Decimal(b)) if a != b => self.needs_memory(
                "a comparison of decimals of different scales",
                span,
                "declare the fields with one scale",
            ),
            (Decimal(_), Int) | (Int, Decimal(_)) => self.needs_memory(
                "a comparison of a decimal with a whole number's field",
                span,
                "declare both as decimals of one scale",
            ),
            (Dyn, _) if !self.is_constant(right) => {
                self.needs_memory("a comparison of a JSON value with a field", span, "")
            }
            (_, Dyn) if !self.is_constant(left) => {
                self.needs_memory("a comparison of a JSON value with a field", span, "")
            }
            _ => Some(()),
        }
    }

    /// `item in list`
    pub(super) fn membership(
        &mut self,
        item: &ast::Expr,
        list: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        let item = self.value(item);
        if let Kind::List(items) = &list.kind {
            let item = item?;
            return self.membership_in_written(item, items, list.span, span);
        }
        let listed = self.thing(list)?;
        let item = item?;
        let list = match listed {
            Thing::Value(list) => list,
            Thing::Many { name, .. } => {
                return self.type_error(
                    list.span,
                    format!("`{name}` stands for many records, not for values"),
                    format!("write `{name}.exists(x, x.… == …)`"),
                );
            }
            _ => return self.value(list),
        };
        let of = match &list.ty {
            Type::List(of) => Target::of_type((**of).clone()),
            Type::Dyn => Target::of_type(Type::Dyn),
            _ => {
                let message = format!(
                    "`in` looks into a list, and this is {}",
                    literals::describe(&list, self.scope.app)
                );
                let help = match list.ty {
                    Type::String => "for a part of a string, write `text.contains(part)`",
                    _ => "",
                };
                return self.type_error(list.span, message, help);
            }
        };
        let item = self.list_item(item, &of, &list)?;
        Some(in_list(item, list, span))
    }

    /// The item that is looked for in a list of `of`.
    fn list_item(&mut self, item: Expr, of: &Target, list: &Expr) -> Option<Expr> {
        if item.ty == Type::Null {
            return self.type_error(item.span, "null is in no list", "");
        }
        let item = if literals::is_literal(&item) {
            self.coerce(item, of)?
        } else if of.ty == Type::Dyn && item.ty == Type::Uuid {
            literals::as_string(item)
        } else {
            item
        };
        // A list field may be searched for another field's value; JSON only for what is known beforehand.
        if list.ty == Type::Dyn && !self.is_constant(&item) {
            self.needs_memory("a field looked for in a JSON value", item.span, "")?;
        }
        if !comparable(&item.ty, &of.ty) || (item.ty == Type::Dyn && of.ty == Type::Dyn) {
            let message = format!(
                "{} is never in {}",
                literals::describe(&item, self.scope.app),
                literals::describe(list, self.scope.app)
            );
            return self.type_error(item.span, message, "");
        }
        Some(item)
    }

    fn membership_in_written(
        &mut self,
        item: Expr,
        items: &[ast::Expr],
        list_span: Span,
        span: Span,
    ) -> Option<Expr> {
        if item.ty == Type::Null {
            return self.type_error(item.span, "null is in no list", "write `x == null`");
        }
        let (item, list) = if literals::is_literal(&item) {
            let list = self.list(items, None, list_span)?;
            let typed = match &list.kind {
                ExprKind::List(items) => items.iter().find(|i| !literals::is_literal(i)),
                _ => None,
            };
            let of = match (typed, &list.ty) {
                (Some(typed), _) => Target::of(typed, self.scope.app),
                (None, Type::List(of)) => Target::of_type((**of).clone()),
                _ => Target::of_type(Type::Null),
            };
            (self.coerce(item, &of)?, list)
        } else {
            let mut of = Target::of(&item, self.scope.app);
            let dynamic = of.ty == Type::Dyn;
            if dynamic {
                // The items stay what they are; each is compared with whatever the JSON holds.
                of = Target::of_type(Type::Dyn);
            }
            let list = self.list(items, Some(&of), list_span)?;
            (item, list)
        };
        match &list.kind {
            ExprKind::List(items) => {
                for other in items {
                    self.may_compare(&item, other, other.span)?;
                }
            }
            ExprKind::Literal(Value::List(_)) => {
                if let Type::List(of) = &list.ty
                    && !comparable(&item.ty, of)
                {
                    let message = format!(
                        "{} is never in {}",
                        literals::describe(&item, self.scope.app),
                        literals::describe(&list, self.scope.app)
                    );
                    return self.type_error(span, message, "");
                }
            }
            _ => {}
        }
        Some(in_list(item, list, span))
    }
}

fn in_list(item: Expr, list: Expr, span: Span) -> Expr {
    Expr {
        kind: ExprKind::In {
            item: Box::new(item),
            list: Box::new(list),
        },
        ty: Type::Bool,
        span,
    }
}
