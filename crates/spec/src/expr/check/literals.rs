//! Literals take the other side's type: `'2026-01-31'` beside a date is a date, `12.5` beside a
//! decimal is exact, `'actve'` beside an enum is a mistake.

use super::Checker;
use super::names::type_of;
use crate::decimal::{Decimal, DecimalError};
use crate::expr::tree::{AuthField, Place, Type};
use crate::expr::{Expr, ExprKind, Span};
use crate::json;
use crate::key;
use crate::model::{App, FieldId};
use crate::nearest::nearest;
use crate::time;
use crate::types::FieldType;
use crate::value::Value;
use std::sync::Arc;

/// What a literal has to become.
#[derive(Debug, Clone)]
pub(super) struct Target {
    pub ty: Type,
    /// The values it may have, where they are known.
    pub values: Option<Arc<[Arc<str>]>>,
    /// Kept in lower case.
    pub email: bool,
    /// For messages: `status`.
    pub name: Option<Arc<str>>,
}

impl Target {
    pub fn of_type(ty: Type) -> Target {
        Target {
            ty,
            values: None,
            email: false,
            name: None,
        }
    }

    /// What is compared with this expression.
    pub fn of(expr: &Expr, app: &App) -> Target {
        let mut target = Target::of_type(expr.ty.clone());
        match &expr.kind {
            ExprKind::Field { model, field, .. } => {
                let field = app.model(*model).field(*field);
                target.of_field(&field.ty, &field.name);
            }
            ExprKind::Auth(AuthField::Kind) => {
                let kinds = ["user", "key", "service", "anonymous"];
                target.values = Some(kinds.into_iter().map(Arc::from).collect());
                target.name = Some(Arc::from("auth.kind"));
            }
            ExprKind::Auth(AuthField::Email) => target.email = true,
            _ => {}
        }
        target
    }

    fn of_field(&mut self, ty: &FieldType, name: &str) {
        self.name = Some(Arc::from(name));
        match ty {
            FieldType::Enum { values } => self.values = Some(values.clone()),
            FieldType::Email => self.email = true,
            _ => {}
        }
    }

    fn called(&self) -> String {
        match &self.name {
            Some(name) => format!("`{name}` is {}", type_name(&self.ty)),
            None => format!("the other side is {}", type_name(&self.ty)),
        }
    }
}

/// Whether an expression is written out, so that it can take another type: a literal, or a choice of them.
pub(super) fn is_literal(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Literal(_) => true,
        ExprKind::Conditional {
            then, otherwise, ..
        } => is_literal(then) && is_literal(otherwise),
        _ => false,
    }
}

/// A type, for a message: `a string`.
pub(super) fn type_name(ty: &Type) -> String {
    match ty {
        Type::Null => "null".to_owned(),
        Type::Bool => "true or false".to_owned(),
        Type::Int => "a whole number".to_owned(),
        Type::Float => "a float".to_owned(),
        Type::Decimal(scale) => format!("a decimal of scale {scale}"),
        Type::String => "a string".to_owned(),
        Type::Uuid => "a uuid".to_owned(),
        Type::Timestamp => "a datetime".to_owned(),
        Type::Date => "a date".to_owned(),
        Type::Duration => "a duration".to_owned(),
        Type::Dyn => "a JSON value".to_owned(),
        Type::List(of) if **of == Type::Null => "an empty list".to_owned(),
        Type::List(of) => format!("a list ({} each)", type_name(of)),
    }
}

/// An expression, for a message: `` `name` (a string) ``.
pub(super) fn describe(expr: &Expr, app: &App) -> String {
    let ty = type_name(&expr.ty);
    match &expr.kind {
        ExprKind::Field { model, field, .. } => {
            format!("`{}` ({ty})", app.model(*model).field(*field).name)
        }
        ExprKind::Auth(AuthField::Id) => format!("`auth.id` ({ty})"),
        ExprKind::Auth(AuthField::Email) => format!("`auth.email` ({ty})"),
        ExprKind::Auth(AuthField::Kind) => format!("`auth.kind` ({ty})"),
        ExprKind::Auth(AuthField::Roles) => "`auth.roles` (a list)".to_owned(),
        ExprKind::Now => format!("`now` ({ty})"),
        _ => ty,
    }
}

/// An expression as it would be written, where that is short: a field, something of the caller, a literal.
pub(super) fn as_written(expr: &Expr, app: &App) -> Option<String> {
    match &expr.kind {
        ExprKind::Field {
            place: Place::This,
            model,
            field,
        } => Some(app.model(*model).field(*field).name.clone()),
        ExprKind::Auth(AuthField::Id) => Some("auth.id".to_owned()),
        ExprKind::Auth(AuthField::Email) => Some("auth.email".to_owned()),
        ExprKind::Auth(AuthField::Kind) => Some("auth.kind".to_owned()),
        ExprKind::Auth(AuthField::Roles) => Some("auth.roles".to_owned()),
        ExprKind::Literal(Value::Text(text))
            if text.len() <= 100 && !text.contains(['\'', '\\']) =>
        {
            Some(format!("'{text}'"))
        }
        ExprKind::Literal(Value::Int(n)) => Some(n.to_string()),
        _ => None,
    }
}

/// The list of these items: a literal where all of them are.
pub(super) fn list_of(items: Vec<Expr>, of: Type, span: Span) -> Expr {
    let ty = Type::List(Box::new(of));
    let literals: Option<Arc<[Value]>> = items
        .iter()
        .map(|item| match &item.kind {
            ExprKind::Literal(value) => Some(value.clone()),
            _ => None,
        })
        .collect();
    let kind = match literals {
        Some(values) => ExprKind::Literal(Value::List(values)),
        None => ExprKind::List(items),
    };
    Expr { kind, ty, span }
}

/// A uuid as JSON would hold it.
pub(super) fn as_string(expr: Expr) -> Expr {
    Expr {
        span: expr.span,
        ty: Type::String,
        kind: ExprKind::Convert(Box::new(expr)),
    }
}

/// A string literal as what it stands beside.
fn from_text(text: &str, target: &Target) -> Result<Value, String> {
    match &target.ty {
        Type::String => match &target.values {
            Some(values) => match values.iter().find(|v| &***v == text) {
                Some(value) => Ok(Value::Text(value.clone())),
                None => Err(unknown_value(text, values, target)),
            },
            None if target.email => Ok(Value::text(&text.to_lowercase())),
            None => Ok(Value::text(text)),
        },
        Type::Dyn => Ok(Value::text(text)),
        Type::Uuid => key::hyphenated(text).map(Value::Uuid).ok_or_else(|| {
            format!(
                "`{text}` is no uuid: it is written like `0190b3a4-0000-7000-8000-000000000000`"
            )
        }),
        Type::Timestamp => time::parse_timestamp(text)
            .map(Value::Timestamp)
            .map_err(|e| match time::completed(text) {
                Some(whole) => format!("`{text}` is no datetime: write `{whole}`"),
                None => format!("`{text}` is no datetime: {e}"),
            }),
        Type::Date => time::parse_date(text)
            .map(Value::Date)
            .map_err(|e| format!("`{text}` is no date: {e}")),
        Type::Decimal(scale) => decimal(text, *scale),
        _ => Err(format!("{}, and this is a string", target.called())),
    }
}

fn decimal(text: &str, scale: u8) -> Result<Value, String> {
    Decimal::parse(text, scale)
        .map(Value::Decimal)
        .map_err(|error| match error {
            DecimalError::Syntax => format!("`{text}` is no decimal number"),
            DecimalError::Scale => {
                format!("`{text}` has more than {scale} digits behind the point")
            }
            DecimalError::Range => format!("`{text}` has more than 18 digits"),
        })
}

fn unknown_value(text: &str, values: &[Arc<str>], target: &Target) -> String {
    let known = values
        .iter()
        .map(|v| format!("`{v}`"))
        .collect::<Vec<_>>()
        .join(", ");
    let name = target.name.as_deref().unwrap_or("the field");
    match nearest(text, values.iter().map(|v| &**v)) {
        Some(near) => {
            format!("`{name}` is never `{text}`: did you mean `{near}`? (it is one of {known})")
        }
        None => format!("`{name}` is never `{text}`: it is one of {known}"),
    }
}

impl Checker<'_> {
    /// Turns the literals in an expression into what they meet; what is not a literal stays.
    pub(super) fn coerce(&mut self, expr: Expr, target: &Target) -> Option<Expr> {
        let span = expr.span;
        match expr.kind {
            ExprKind::Literal(value) => {
                let digits = self.digits(span);
                match literal_as(&value, digits.as_deref(), target) {
                    Ok((value, ty)) => Some(Expr::literal(value, ty, span)),
                    Err(message) => self.error("expr-literal", span, message, ""),
                }
            }
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } if is_literal(&then) && is_literal(&otherwise) => {
                let then = self.coerce(*then, target);
                let otherwise = self.coerce(*otherwise, target);
                self.conditional(*condition, then?, otherwise?, span)
            }
            _ if expr.ty == Type::Uuid && target.ty == Type::Dyn => Some(as_string(expr)),
            kind => Some(Expr {
                kind,
                ty: expr.ty,
                span,
            }),
        }
    }

    fn digits(&self, span: Span) -> Option<Arc<str>> {
        let found = self.doubles.iter().find(|(at, _)| *at == span);
        found.map(|(_, text)| text.clone())
    }

    /// A literal factor of a decimal keeps its own scale: `price * 1.19` has two more digits.
    pub(super) fn factor(&mut self, expr: Expr) -> Option<Expr> {
        if expr.ty == Type::Int {
            return self.coerce(expr, &Target::of_type(Type::Decimal(0)));
        }
        let Some(digits) = self.digits(expr.span).filter(|_| expr.ty == Type::Float) else {
            return Some(expr);
        };
        let scale = (0..=18).find(|scale| Decimal::parse(&digits, *scale).is_ok());
        match scale {
            Some(scale) => self.coerce(expr, &Target::of_type(Type::Decimal(scale))),
            None => self.type_error(expr.span, "this number does not fit a decimal", ""),
        }
    }

    /// The result of a default, which becomes the value of `field`.
    pub(super) fn default_value(&mut self, expr: Expr, field: FieldId) -> Option<Expr> {
        let model = self.scope.model?;
        let field = self.scope.app.model(model).field(field);
        let mut target = Target::of_type(type_of(&field.ty));
        target.of_field(&field.ty, &field.name);
        if target.ty == Type::Dyn && is_literal(&expr) {
            return self.json_literal(expr);
        }
        if let (Type::List(of), ExprKind::Literal(Value::List(items))) = (&target.ty, &expr.kind) {
            let of = Target::of_type((**of).clone());
            let mut typed = Vec::with_capacity(items.len());
            for item in items.iter() {
                let literal = Expr::literal(item.clone(), Type::Null, expr.span);
                typed.push(self.coerce(literal, &of)?);
            }
            return Some(list_of(typed, of.ty, expr.span));
        }
        let expr = if is_literal(&expr) {
            self.coerce(expr, &target)?
        } else {
            expr
        };
        let fits = match (&expr.ty, &target.ty) {
            (Type::Null, _) => true,
            // More digits behind the point are filled with zeros; fewer would be rounding.
            (Type::Decimal(a), Type::Decimal(b)) => a <= b,
            (a, b) => a == b,
        };
        if fits {
            return Some(expr);
        }
        let help = match (&target.ty, &expr.ty) {
            (Type::Date, Type::Timestamp) => "write `date(now)`",
            (Type::String, Type::Uuid) => "write `string(…)`",
            (Type::Float, Type::Int) => "write `double(…)`",
            _ => "",
        };
        let message = format!(
            "{}, and this default is {}",
            target.called(),
            describe(&expr, self.scope.app)
        );
        self.type_error(expr.span, message, help)
    }

    /// A JSON field's default: a string is read as JSON text, all else is JSON already.
    fn json_literal(&mut self, expr: Expr) -> Option<Expr> {
        let ExprKind::Literal(value) = &expr.kind else {
            return self.type_error(expr.span, "a JSON default must be one literal", "");
        };
        let text = match value {
            Value::Null => return Some(expr),
            Value::Text(text) => match json::canonical(text, 64) {
                Ok(text) => text,
                Err(error) => {
                    return self.error(
                        "expr-literal",
                        expr.span,
                        format!("this is not JSON: {error}"),
                        "a JSON string is written with its own quotes: '\"text\"'",
                    );
                }
            },
            other => {
                let mut out = Vec::new();
                json::write_value(&mut out, other, crate::types::ColumnType::Json);
                String::from_utf8_lossy(&out).into_owned()
            }
        };
        let value = Value::Json(Arc::from(text));
        Some(Expr::literal(value, Type::Dyn, expr.span))
    }
}

/// The literal as `target`, and the type it then has. `digits`: a double's own text.
fn literal_as(
    value: &Value,
    digits: Option<&str>,
    target: &Target,
) -> Result<(Value, Type), String> {
    // 2^53: beyond, neighbouring whole numbers are one double.
    const EXACT: i64 = 1 << 53;
    let ty = target.ty.clone();
    let mismatch = |found: &str| Err(format!("{}, and this is {found}", target.called()));
    match (value, &target.ty) {
        (Value::Null, _) => Ok((Value::Null, Type::Null)),
        (_, Type::Null) => Ok((value.clone(), type_of_value(value))),
        (Value::Text(text), Type::Duration) => {
            Err(format!("a duration is written `duration('{text}')`"))
        }
        (Value::Text(text), _) => {
            let value = from_text(text, target)?;
            let ty = if ty == Type::Dyn { Type::String } else { ty };
            Ok((value, ty))
        }
        (Value::Int(n), Type::Float) if n.unsigned_abs() > EXACT.unsigned_abs() => {
            Err(format!("no float is exactly {n}"))
        }
        (Value::Int(n), Type::Float) => Ok((Value::Float(*n as f64), ty)),
        (Value::Int(n), Type::Decimal(scale)) => Ok((decimal(&n.to_string(), *scale)?, ty)),
        (Value::Float(x), Type::Decimal(scale)) => {
            let shortest;
            let digits = match digits {
                // CEL allows `.5`; a decimal's own syntax does not.
                Some(digits) => {
                    shortest = digits.replacen("-.", "-0.", 1);
                    match shortest.strip_prefix('.') {
                        Some(rest) => &format!("0.{rest}"),
                        None => shortest.as_str(),
                    }
                }
                None => {
                    shortest = x.to_string();
                    shortest.as_str()
                }
            };
            Ok((decimal(digits, *scale)?, ty))
        }
        (Value::Float(x), Type::Int) => {
            if x.trunc() == *x && x.abs() <= EXACT as f64 {
                Ok((Value::Int(*x as i64), ty))
            } else {
                Err(format!("{}, and {x} is none", target.called()))
            }
        }
        (Value::Bool(_) | Value::Int(_) | Value::Float(_), Type::Dyn) => {
            Ok((value.clone(), type_of_value(value)))
        }
        (Value::Uuid(id), Type::Dyn) => {
            Ok((Value::text(&id.hyphenated().to_string()), Type::String))
        }
        (Value::Timestamp(_) | Value::Date(_) | Value::Duration(_), Type::Dyn) => {
            Err("JSON holds no datetimes: compare with a string".to_owned())
        }
        _ if type_of_value(value) == ty => Ok((value.clone(), ty)),
        // Left to the comparison, which knows more to say.
        (Value::Timestamp(_) | Value::Date(_), Type::Timestamp | Type::Date) => {
            Ok((value.clone(), type_of_value(value)))
        }
        (Value::Duration(_), _) => Ok((value.clone(), Type::Duration)),
        _ => mismatch(&type_name(&type_of_value(value))),
    }
}

fn type_of_value(value: &Value) -> Type {
    match value {
        Value::Null => Type::Null,
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Decimal(d) => Type::Decimal(d.scale),
        Value::Text(_) => Type::String,
        Value::Uuid(_) => Type::Uuid,
        Value::Timestamp(_) => Type::Timestamp,
        Value::Date(_) => Type::Date,
        Value::Duration(_) => Type::Duration,
        Value::Json(_) => Type::Dyn,
        Value::List(items) => Type::List(Box::new(items.first().map_or(Type::Null, type_of_value))),
    }
}
