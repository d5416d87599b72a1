//! What is well typed and still a trap in an access rule.
//!
//! 1. *Inequality with the caller.* `owner != auth.id` is true of an ownerless record and of every
//!    record for an anonymous caller, because null equals nothing. The same goes for an equality
//!    behind `!`. Both are refused; `auth.id != null` is a null test and fine.
//! 2. *New values that prove themselves.* A rule that names `old` is decided once, with bare names
//!    meaning the record as it will be. Where a writable field meets `auth.*` only in its new value,
//!    the caller writes what the rule asks for: `old.status == 'open' && owner == auth.id` lets
//!    anybody take an open record. So wherever such a field's new value meets the caller, its old
//!    value must meet the caller too, in a condition that must hold at the same time.

use super::{Purpose, Scope};
use crate::expr::tree::{Comparison, Over, Place, Type};
use crate::expr::{Expr, ExprError, ExprKind, Span};
use crate::model::{App, FieldId, ModelId};
use crate::value::Value;

pub(super) fn check(expr: &Expr, scope: &Scope<'_>) -> Result<(), Vec<ExprError>> {
    if !scope.purpose.is_access() {
        return Ok(());
    }
    let mut rules = Rules {
        app: scope.app,
        model: scope.model,
        vars: Vec::new(),
        errors: Vec::new(),
    };
    rules.inequalities(expr, true);
    if matches!(scope.purpose, Purpose::Update | Purpose::FieldWrite) && expr.names_old() {
        rules.new_values(expr, &[]);
    }
    if rules.errors.is_empty() {
        Ok(())
    } else {
        Err(rules.errors)
    }
}

/// A field of the record itself, or the undeclared ones of an open model together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Own {
    Field(FieldId),
    Extra,
}

/// What a value depends on.
#[derive(Debug, Clone, Default)]
struct Mentions {
    auth: bool,
    /// Any record's field.
    record: bool,
    new: Vec<Own>,
    old: Vec<Own>,
}

struct Rules<'a> {
    app: &'a App,
    model: Option<ModelId>,
    /// What the quantifiers' variables depend on, outermost first.
    vars: Vec<Mentions>,
    errors: Vec<ExprError>,
}

impl Rules<'_> {
    fn mentions(&self, expr: &Expr) -> Mentions {
        let mut found = Mentions::default();
        expr.walk(&mut |e| match &e.kind {
            ExprKind::Auth(_) => found.auth = true,
            ExprKind::Field { place, field, .. } => {
                self.add(&mut found, place, Own::Field(*field));
            }
            ExprKind::Extra { place, .. } => self.add(&mut found, place, Own::Extra),
            ExprKind::Element(var) => {
                if let Some(bound) = self.vars.get(usize::from(*var)) {
                    found.auth |= bound.auth;
                    found.record |= bound.record;
                    found.new.extend(&bound.new);
                    found.old.extend(&bound.old);
                }
            }
            _ => {}
        });
        found
    }

    /// Notes that `field` of the record at `place` is mentioned. What counts is the record's own
    /// field that leads there: `team.owner` depends on `team`.
    fn add(&self, found: &mut Mentions, place: &Place, field: Own) {
        found.record = true;
        match place {
            Place::This => found.new.push(field),
            Place::Old => found.old.push(field),
            Place::Var(var) => {
                if let Some(bound) = self.vars.get(usize::from(*var)) {
                    found.new.extend(&bound.new);
                    found.old.extend(&bound.old);
                }
            }
            Place::Follow { base, field, .. } => self.add(found, base, Own::Field(*field)),
        }
    }

    /// Runs `inside` with a quantifier's variable bound.
    fn within(&mut self, over: &Over, inside: impl FnOnce(&mut Self)) {
        let bound = match over {
            Over::List(list) => self.mentions(list),
            Over::Related { place, .. } => {
                let mut bound = Mentions::default();
                // Records that refer to this one do so by its id, which nobody can write; only a
                // relation on the way is the record's own.
                if let Place::Follow { .. } | Place::Var(_) = place {
                    self.add(&mut bound, place, Own::Field(FieldId(0)));
                }
                bound.record = true;
                bound
            }
        };
        self.vars.push(bound);
        inside(self);
        self.vars.pop();
    }

    /// The first trap. `positive`: whether the expression's being true makes the rule more true.
    fn inequalities(&mut self, expr: &Expr, positive: bool) {
        match &expr.kind {
            ExprKind::And(items) | ExprKind::Or(items) => {
                for item in items {
                    self.inequalities(item, positive);
                }
            }
            ExprKind::Not(inner) => self.inequalities(inner, !positive),
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                self.inequalities(condition, positive);
                // `c ? false : x` and `c ? x : true` are negations of `c` in disguise.
                let literally = |e: &Expr, b| e.kind == ExprKind::Literal(Value::Bool(b));
                if literally(then, false) || literally(otherwise, true) {
                    self.inequalities(condition, !positive);
                }
                self.inequalities(then, positive);
                self.inequalities(otherwise, positive);
            }
            ExprKind::Quantified { over, body, .. } => {
                self.within(over, |rules| rules.inequalities(body, positive));
            }
            ExprKind::Compare { op, left, right } => {
                let unequal = match op {
                    Comparison::Ne => positive,
                    Comparison::Eq => !positive,
                    _ => false,
                };
                if unequal && self.meet_caller(left, right) {
                    self.unequal(expr.span);
                }
                // A condition as an operand: `(owner == auth.id) == false`.
                for side in [left, right] {
                    if side.ty == Type::Bool && !matches!(side.kind, ExprKind::Field { .. }) {
                        self.inequalities(side, true);
                        self.inequalities(side, false);
                    }
                }
            }
            ExprKind::In { item, list } if !positive && self.meet_caller(item, list) => {
                self.unequal(expr.span);
            }
            _ => {}
        }
    }

    /// Whether one side is about the caller and the other about a record.
    fn meet_caller(&self, left: &Expr, right: &Expr) -> bool {
        let (left, right) = (self.mentions(left), self.mentions(right));
        (left.auth && right.record) || (left.record && right.auth)
    }

    fn unequal(&mut self, span: Span) {
        self.errors.push(
            ExprError::new(
                "expr-not-equal-caller",
                span,
                "a field that must differ from the caller's lets in everybody whose side is null: \
                 null equals nothing, so an anonymous caller differs from every record",
            )
            .help("say what must be equal, or add `auth.id != null &&` and turn the rest around"),
        );
    }

    /// The second trap. `proven`: the fields whose old value meets the caller as well, in conditions
    /// that hold at the same time.
    fn new_values(&mut self, expr: &Expr, proven: &[Own]) {
        match &expr.kind {
            ExprKind::And(items) => {
                for (i, item) in items.iter().enumerate() {
                    let mut known = proven.to_vec();
                    for (j, other) in items.iter().enumerate() {
                        if i != j {
                            known.extend(self.proves(other));
                        }
                    }
                    self.new_values(item, &known);
                }
            }
            ExprKind::Or(items) => {
                for item in items {
                    self.new_values(item, proven);
                }
            }
            ExprKind::Not(inner) => self.new_values(inner, proven),
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                let mut known = proven.to_vec();
                known.extend(self.proves(condition));
                self.new_values(condition, proven);
                self.new_values(then, &known);
                self.new_values(otherwise, proven);
            }
            ExprKind::Quantified { over, body, .. } => {
                self.within(over, |rules| rules.new_values(body, proven));
            }
            _ => self.meeting(expr, proven),
        }
    }

    /// A condition without conditions in it.
    fn meeting(&mut self, expr: &Expr, proven: &[Own]) {
        let found = self.mentions(expr);
        if !found.auth {
            return;
        }
        for own in &found.new {
            if self.is_writable(*own) && !proven.contains(own) {
                let name = self.name(*own);
                self.errors.push(
                    ExprError::new(
                        "expr-new-value",
                        expr.span,
                        format!(
                            "`{name}` here is the value being written, so a caller could write what \
                             this asks for and take the record"
                        ),
                    )
                    .help(format!(
                        "ask the same of the stored value, beside it: `old.{name} …  && …`; or make `{name}` immutable"
                    )),
                );
                return;
            }
        }
    }

    /// The fields whose old value is known to meet the caller wherever `expr` is true.
    fn proves(&mut self, expr: &Expr) -> Vec<Own> {
        match &expr.kind {
            ExprKind::And(items) => {
                let mut proven = Vec::new();
                for item in items {
                    proven.extend(self.proves(item));
                }
                proven
            }
            ExprKind::Or(items) => {
                let mut items = items.iter();
                let mut proven = match items.next() {
                    Some(first) => self.proves(first),
                    None => return Vec::new(),
                };
                for item in items {
                    let other = self.proves(item);
                    proven.retain(|own| other.contains(own));
                }
                proven
            }
            ExprKind::Quantified {
                all: false,
                over,
                body,
                ..
            } => {
                let mut proven = Vec::new();
                self.within(over, |rules| proven = rules.proves(body));
                proven
            }
            ExprKind::Compare {
                op: Comparison::Eq,
                left,
                right,
            }
            | ExprKind::In {
                item: left,
                list: right,
            } => {
                let (left, right) = (self.mentions(left), self.mentions(right));
                let (caller, mut stored) = if left.auth {
                    (left, right)
                } else {
                    (right, left)
                };
                stored.old.dedup();
                // Of several fields, one meets the caller, and nobody knows which.
                if caller.auth && !caller.record && stored.new.is_empty() && stored.old.len() == 1 {
                    stored.old
                } else {
                    Vec::new()
                }
            }
            _ => Vec::new(),
        }
    }

    fn is_writable(&self, own: Own) -> bool {
        match (own, self.model) {
            (Own::Field(field), Some(model)) => {
                let field = self.app.model(model).field(field);
                !field.immutable && !field.system
            }
            _ => true,
        }
    }

    fn name(&self, own: Own) -> String {
        match (own, self.model) {
            (Own::Field(field), Some(model)) => self.app.model(model).field(field).name.clone(),
            _ => "the undeclared field".to_owned(),
        }
    }
}
