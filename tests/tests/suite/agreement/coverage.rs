//! What of the language was met: a key for each operator on each type.

use spec::Expr;
use spec::expr::{ExprKind, Over, Place, Type};
use std::collections::BTreeMap;

#[derive(Debug, Default)]
pub struct Coverage(BTreeMap<String, u32>);

/// Each of these at least [`QUOTA`] times in a run.
pub fn required() -> Vec<String> {
    let mut out = Vec::new();
    for ty in [
        "string",
        "int",
        "float",
        "decimal",
        "uuid",
        "timestamp",
        "date",
        "json",
        "bool",
    ] {
        for op in ["Eq", "Ne", "Lt", "Le", "Gt", "Ge"] {
            if ty != "bool" || matches!(op, "Eq" | "Ne") {
                out.push(format!("{op} {ty}"));
            }
        }
        out.push(format!("null {ty}"));
        if ty != "bool" {
            out.push(format!("in literals {ty}"));
        }
    }
    for function in ["StartsWith", "EndsWith", "Contains"] {
        out.extend([format!("{function} string"), format!("{function} json")]);
    }
    for word in ["exists", "all"] {
        for over in ["string", "int", "float", "bool", "json", "related"] {
            out.push(format!("{word} {over}"));
        }
    }
    for word in [
        "not",
        "and",
        "or",
        "conditional bool",
        "conditional",
        "follow",
        "has",
        "extra",
        "path",
        "size string",
        "size list",
        "size json",
        "in list string",
        "in list int",
        "in list float",
        "in list bool",
        "in json",
        "element",
        "null list",
        "auth",
        "now",
        "var",
    ] {
        out.push(word.to_owned());
    }
    out
}

pub const QUOTA: u32 = 2;

impl Coverage {
    pub fn missing(&self) -> Vec<String> {
        let enough = |key: &String| self.0.get(key).copied().unwrap_or(0) >= QUOTA;
        required().into_iter().filter(|key| !enough(key)).collect()
    }

    pub fn add(&mut self, expr: &Expr) {
        expr.walk(&mut |e| {
            for key in keys(e) {
                *self.0.entry(key).or_default() += 1;
            }
        });
    }
}

fn name(ty: &Type) -> &'static str {
    match ty {
        Type::Null => "null",
        Type::Bool => "bool",
        Type::Int => "int",
        Type::Float => "float",
        Type::Decimal(_) => "decimal",
        Type::String => "string",
        Type::Uuid => "uuid",
        Type::Timestamp => "timestamp",
        Type::Date => "date",
        Type::Duration => "duration",
        Type::Dyn => "json",
        Type::List(_) => "list",
    }
}

fn keys(expr: &Expr) -> Vec<String> {
    let one = |key: &str| vec![key.to_owned()];
    match &expr.kind {
        ExprKind::Compare { op, left, right } => {
            let ty = if right.ty == Type::Dyn {
                &right.ty
            } else {
                &left.ty
            };
            vec![format!("{op:?} {}", name(ty))]
        }
        ExprKind::IsNull(inner) => vec![format!("null {}", name(&inner.ty))],
        ExprKind::In { item, list } => match (&list.kind, &list.ty) {
            (ExprKind::Literal(_) | ExprKind::List(_), _) => {
                vec![format!("in literals {}", name(&item.ty))]
            }
            (_, Type::List(of)) => vec![format!("in list {}", name(of))],
            _ => one("in json"),
        },
        ExprKind::Text {
            function, subject, ..
        } => vec![format!("{function:?} {}", name(&subject.ty))],
        ExprKind::Quantified { all, over, .. } => {
            let word = if *all { "all" } else { "exists" };
            let over = match over {
                Over::Related { .. } => "related",
                Over::List(list) => match &list.ty {
                    Type::List(of) => name(of),
                    _ => "json",
                },
            };
            vec![format!("{word} {over}")]
        }
        ExprKind::Size(inner) => vec![format!("size {}", name(&inner.ty))],
        ExprKind::Field {
            place: Place::Follow { .. },
            ..
        } => one("follow"),
        ExprKind::Field {
            place: Place::Var(_),
            ..
        } => one("var"),
        ExprKind::Not(_) => one("not"),
        ExprKind::And(_) => one("and"),
        ExprKind::Or(_) => one("or"),
        ExprKind::Conditional { .. } if expr.ty == Type::Bool => one("conditional bool"),
        ExprKind::Conditional { .. } => one("conditional"),
        ExprKind::Has(_) => one("has"),
        ExprKind::Extra { .. } => one("extra"),
        ExprKind::Path { .. } => one("path"),
        ExprKind::Element(_) => one("element"),
        ExprKind::Auth(_) => one("auth"),
        ExprKind::Now => one("now"),
        _ => Vec::new(),
    }
}
