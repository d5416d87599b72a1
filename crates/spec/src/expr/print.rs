//! Back to text: for `explain`, and for anybody who wants to see what a rule became.

use super::ast;
use super::check::duration_text;
use super::lex;
use super::tree::{
    Arith, AuthField, Comparison, Expr, ExprKind, Over, PathStep, Place, TextFn, Type,
};
use crate::model::{App, FieldId, ModelId};
use crate::time;
use crate::value::Value;
use std::fmt::Write as _;

/// CEL text that compiles to this tree again. `model` is the one whose fields are bare names.
pub fn print(expr: &Expr, app: &App, model: Option<ModelId>) -> String {
    let mut printer = Printer {
        app,
        model,
        out: String::new(),
        vars: Vec::new(),
    };
    printer.expr(expr, Level::Conditional);
    printer.out
}

/// How tightly a piece of text binds; one of a lower level needs parentheses in a higher one's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Level {
    Conditional,
    Or,
    And,
    Relation,
    Sum,
    Product,
    Unary,
    Member,
}

struct Printer<'a> {
    app: &'a App,
    model: Option<ModelId>,
    out: String,
    /// The quantifiers around: their variable, its name, and the model where it is a record.
    vars: Vec<(u8, &'a str, Option<ModelId>)>,
}

/// Whether a member can be written behind a dot.
fn is_selector(name: &str) -> bool {
    let mut chars = name.chars();
    chars
        .next()
        .is_some_and(|c| c.is_ascii_alphabetic() || c == '_')
        && chars.all(|c| c.is_ascii_alphanumeric() || c == '_')
        && !lex::is_keyword(name)
}

fn comparison(op: Comparison) -> ast::Binary {
    match op {
        Comparison::Eq => ast::Binary::Eq,
        Comparison::Ne => ast::Binary::Ne,
        Comparison::Lt => ast::Binary::Lt,
        Comparison::Le => ast::Binary::Le,
        Comparison::Gt => ast::Binary::Gt,
        Comparison::Ge => ast::Binary::Ge,
    }
}

impl<'a> Printer<'a> {
    fn put(&mut self, text: &str) {
        self.out.push_str(text);
    }

    fn level(expr: &Expr) -> Level {
        match &expr.kind {
            ExprKind::Conditional { .. } => Level::Conditional,
            ExprKind::Or(_) => Level::Or,
            ExprKind::And(_) => Level::And,
            ExprKind::Compare { .. } | ExprKind::In { .. } | ExprKind::IsNull(_) => Level::Relation,
            ExprKind::Not(inner) if matches!(inner.kind, ExprKind::IsNull(_)) => Level::Relation,
            ExprKind::Arith { op, .. } => match op {
                Arith::Add | Arith::Sub => Level::Sum,
                Arith::Mul | Arith::Div | Arith::Rem => Level::Product,
            },
            ExprKind::Not(_) | ExprKind::Negate(_) => Level::Unary,
            _ => Level::Member,
        }
    }

    /// Writes an expression where one of `least` or tighter is wanted.
    fn expr(&mut self, expr: &'a Expr, least: Level) {
        if Self::level(expr) < least {
            self.put("(");
            self.bare(expr);
            self.put(")");
        } else {
            self.bare(expr);
        }
    }

    fn joined(&mut self, items: &'a [Expr], by: &str, least: Level) {
        for (i, item) in items.iter().enumerate() {
            if i > 0 {
                self.put(by);
            }
            self.expr(item, least);
        }
    }

    fn binary(&mut self, left: &'a Expr, op: &str, right: &'a Expr, own: Level, above: Level) {
        self.expr(left, own);
        let _ = write!(self.out, " {op} ");
        self.expr(right, above);
    }

    fn call(&mut self, name: &str, inner: &'a Expr) {
        self.put(name);
        self.put("(");
        self.expr(inner, Level::Conditional);
        self.put(")");
    }

    fn bare(&mut self, expr: &'a Expr) {
        match &expr.kind {
            ExprKind::Literal(value) => self.literal(value, &expr.ty),
            ExprKind::List(items) => {
                self.put("[");
                self.joined(items, ", ", Level::Conditional);
                self.put("]");
            }
            ExprKind::Field {
                place,
                model,
                field,
            } => {
                self.place(place);
                self.put(&self.app.model(*model).field(*field).name);
            }
            ExprKind::Element(var) => self.var(*var),
            ExprKind::Path { base, steps } => self.path(base, steps),
            // Never by itself in a checked tree.
            ExprKind::Extra { place, .. } => self.place(place),
            ExprKind::Auth(field) => self.put(match field {
                AuthField::Id => "auth.id",
                AuthField::Email => "auth.email",
                AuthField::Roles => "auth.roles",
                AuthField::Kind => "auth.kind",
            }),
            ExprKind::Now => self.put("now"),
            ExprKind::Not(inner) => match &inner.kind {
                ExprKind::IsNull(tested) => {
                    self.expr(tested, Level::Relation);
                    self.put(" != null");
                }
                ExprKind::Not(innermost) if !matches!(innermost.kind, ExprKind::IsNull(_)) => {
                    self.put("!");
                    self.bare(inner);
                }
                _ => {
                    self.put("!");
                    self.expr(inner, Level::Member);
                }
            },
            ExprKind::And(items) => self.joined(items, " && ", Level::Relation),
            ExprKind::Or(items) => self.joined(items, " || ", Level::And),
            ExprKind::Compare { op, left, right } => {
                let op = comparison(*op).text();
                self.binary(left, op, right, Level::Relation, Level::Sum);
            }
            ExprKind::IsNull(tested) => {
                self.expr(tested, Level::Relation);
                self.put(" == null");
            }
            ExprKind::Arith { op, left, right } => {
                let (text, own, above) = match op {
                    Arith::Add => ("+", Level::Sum, Level::Product),
                    Arith::Sub => ("-", Level::Sum, Level::Product),
                    Arith::Mul => ("*", Level::Product, Level::Unary),
                    Arith::Div => ("/", Level::Product, Level::Unary),
                    Arith::Rem => ("%", Level::Product, Level::Unary),
                };
                self.binary(left, text, right, own, above);
            }
            ExprKind::Negate(inner) => {
                self.put("-");
                match &inner.kind {
                    ExprKind::Negate(_) => self.bare(inner),
                    // `-5` would be read as one literal.
                    ExprKind::Literal(_) => {
                        self.put("(");
                        self.bare(inner);
                        self.put(")");
                    }
                    _ => self.expr(inner, Level::Member),
                }
            }
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                self.expr(condition, Level::Or);
                self.put(" ? ");
                self.expr(then, Level::Or);
                self.put(" : ");
                self.expr(otherwise, Level::Conditional);
            }
            ExprKind::In { item, list } => {
                self.binary(item, "in", list, Level::Relation, Level::Sum);
            }
            ExprKind::Quantified {
                all,
                over,
                var,
                name,
                body,
            } => self.quantified(*all, over, (*var, name), body),
            ExprKind::Size(inner) => self.call("size", inner),
            ExprKind::Text {
                function,
                subject,
                argument,
            } => {
                self.expr(subject, Level::Member);
                let name = match function {
                    TextFn::StartsWith => ".startsWith",
                    TextFn::EndsWith => ".endsWith",
                    TextFn::Contains => ".contains",
                    TextFn::Matches => ".matches",
                };
                self.call(name, argument);
            }
            ExprKind::Has(path) => self.call("has", path),
            ExprKind::Convert(inner) => {
                let name = match expr.ty {
                    Type::Int => "int",
                    Type::Float => "double",
                    Type::Timestamp => "timestamp",
                    Type::Date => "date",
                    _ => "string",
                };
                self.call(name, inner);
            }
        }
    }

    fn quantified(&mut self, all: bool, over: &'a Over, var: (u8, &'a str), body: &'a Expr) {
        let bound = match over {
            Over::List(list) => {
                self.expr(list, Level::Member);
                None
            }
            Over::Related {
                place,
                model,
                field,
            } => {
                self.place(place);
                let name = self.inverse(*model, *field);
                self.put(name);
                Some(*model)
            }
        };
        let (index, name) = var;
        self.put(if all { ".all(" } else { ".exists(" });
        self.put(name);
        self.put(", ");
        self.vars.push((index, name, bound));
        self.expr(body, Level::Conditional);
        self.vars.pop();
        self.put(")");
    }

    /// What the target of a relation calls the records that refer to it.
    fn inverse(&self, model: ModelId, field: FieldId) -> &'a str {
        let referring = self.app.model(model);
        referring
            .field(field)
            .relation()
            .and_then(|relation| {
                let inverses = &self.app.model(relation.to).inverses;
                inverses
                    .iter()
                    .find(|i| i.model == model && i.field == field)
            })
            .map_or(&referring.name, |inverse| &inverse.name)
    }

    fn var(&mut self, var: u8) {
        let name = self
            .vars
            .iter()
            .rev()
            .find(|(index, ..)| *index == var)
            .map_or("_", |(_, name, _)| *name);
        self.put(name);
    }

    /// What stands before a field's name, with its dot.
    fn place(&mut self, place: &Place) {
        match place {
            Place::This => {}
            Place::Old => self.put("old."),
            Place::Var(var) => {
                self.var(*var);
                self.put(".");
            }
            Place::Follow { base, field, .. } => {
                self.place(base);
                if let Some(model) = self.model_at(base) {
                    let app = self.app;
                    self.put(&app.model(model).field(*field).name);
                }
                self.put(".");
            }
        }
    }

    fn model_at(&self, place: &Place) -> Option<ModelId> {
        match place {
            Place::This | Place::Old => self.model,
            Place::Var(var) => {
                let mut vars = self.vars.iter().rev();
                vars.find(|(index, ..)| index == var)
                    .and_then(|(.., model)| *model)
            }
            Place::Follow { to, .. } => Some(*to),
        }
    }

    fn path(&mut self, base: &'a Expr, steps: &[PathStep]) {
        let mut steps = steps.iter();
        match &base.kind {
            ExprKind::Extra { place, .. } => {
                self.place(place);
                if let Some(PathStep::Member(name)) = steps.next() {
                    self.put(name);
                }
            }
            _ => self.expr(base, Level::Member),
        }
        for step in steps {
            match step {
                PathStep::Member(name) if is_selector(name) => {
                    self.put(".");
                    self.put(name);
                }
                PathStep::Member(name) => {
                    self.put("[");
                    self.string(name);
                    self.put("]");
                }
                PathStep::Index(index) => {
                    let _ = write!(self.out, "[{index}]");
                }
            }
        }
    }

    fn string(&mut self, text: &str) {
        self.put("'");
        for c in text.chars() {
            match c {
                '\\' => self.put("\\\\"),
                '\'' => self.put("\\'"),
                '\n' => self.put("\\n"),
                '\r' => self.put("\\r"),
                '\t' => self.put("\\t"),
                c if c.is_control() && (c as u32) < 0x100 => {
                    let _ = write!(self.out, "\\x{:02x}", c as u32);
                }
                c => self.out.push(c),
            }
        }
        self.put("'");
    }

    fn literal(&mut self, value: &Value, ty: &Type) {
        match value {
            Value::Null => self.put("null"),
            Value::Bool(b) => self.put(if *b { "true" } else { "false" }),
            Value::Int(n) => {
                let _ = write!(self.out, "{n}");
            }
            // Debug keeps the point or exponent that makes it a double.
            Value::Float(x) => {
                let _ = write!(self.out, "{x:?}");
            }
            Value::Decimal(d) => {
                let _ = write!(self.out, "{d}");
            }
            Value::Text(text) => self.string(text),
            Value::Uuid(id) => {
                let _ = write!(self.out, "'{}'", id.hyphenated());
            }
            Value::Timestamp(t) => {
                let _ = write!(self.out, "timestamp('{}')", time::timestamp_text(*t));
            }
            Value::Date(d) => {
                let _ = write!(self.out, "date('{}')", time::date_text(*d));
            }
            Value::Duration(d) => {
                let _ = write!(self.out, "duration('{}')", duration_text(*d));
            }
            // JSON's arrays of scalars are CEL's lists; any other JSON is written as its text.
            Value::Json(text) => match ty {
                Type::List(_) => self.put(text),
                _ => self.string(text),
            },
            Value::List(items) => {
                self.put("[");
                for (i, item) in items.iter().enumerate() {
                    if i > 0 {
                        self.put(", ");
                    }
                    self.literal(item, &Type::Null);
                }
                self.put("]");
            }
        }
    }
}

/// The same tree without its places in the text: what two spellings of one expression share.
pub fn without_spans(expr: &Expr) -> Expr {
    let mut bare = expr.clone();
    strip(&mut bare);
    bare
}

fn strip(expr: &mut Expr) {
    expr.span = super::Span::default();
    match &mut expr.kind {
        ExprKind::Literal(_)
        | ExprKind::Field { .. }
        | ExprKind::Element(_)
        | ExprKind::Extra { .. }
        | ExprKind::Auth(_)
        | ExprKind::Now => {}
        ExprKind::List(items) | ExprKind::And(items) | ExprKind::Or(items) => {
            items.iter_mut().for_each(strip);
        }
        ExprKind::Path { base: inner, .. }
        | ExprKind::Not(inner)
        | ExprKind::IsNull(inner)
        | ExprKind::Negate(inner)
        | ExprKind::Size(inner)
        | ExprKind::Has(inner)
        | ExprKind::Convert(inner) => strip(inner),
        ExprKind::Compare { left, right, .. }
        | ExprKind::Arith { left, right, .. }
        | ExprKind::In {
            item: left,
            list: right,
        }
        | ExprKind::Text {
            subject: left,
            argument: right,
            ..
        } => {
            strip(left);
            strip(right);
        }
        ExprKind::Conditional {
            condition,
            then,
            otherwise,
        } => {
            strip(condition);
            strip(then);
            strip(otherwise);
        }
        ExprKind::Quantified { over, body, .. } => {
            if let Over::List(list) = over {
                strip(list);
            }
            strip(body);
        }
    }
}
