//! The playground: an expression tried on a record that need not exist.

use crate::explain::value_text;
use crate::judge::Judge;
use crate::record::Record;
use plan::condition::condition_of;
use spec::expr::Expr;
use spec::input;
use spec::problem::Result;
use spec::{App, ModelId, Principal, Value};
use std::sync::Arc;

/// What an expression is to one store.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub dialect: &'static str,
    /// The condition and its parameters, or why there is none.
    pub sql: std::result::Result<(String, Vec<String>), String>,
}

/// What [`evaluate`] found.
#[derive(Debug, Clone)]
pub struct Evaluated {
    pub ty: String,
    /// The value, or why there is none.
    pub value: std::result::Result<String, String>,
    /// The condition it becomes on SQLite and on PostgreSQL; or why it cannot.
    pub sql: Vec<Compiled>,
}

/// Tries an expression on a record that need not exist: the playground for rules.
pub fn evaluate(
    app: &Arc<App>,
    expr: &Expr,
    model: ModelId,
    record: &[u8],
    principal: &Principal,
) -> Result<Evaluated> {
    let now = spec::time::now_micros();
    let judge = Judge {
        app: Arc::clone(app),
        principal: principal.clone(),
        now,
        dialect: spec::Dialect::Sqlite,
        model,
        registers: None,
    };
    let declared = judge.model();
    let input = input::read(declared, record, &app.settings.limits)?;
    if !input.errors.is_empty() {
        return Err(spec::Problem::invalid(input.errors));
    }
    let mut values = vec![Value::Null; declared.fields.len()];
    for (field, value) in &input.fields {
        values[usize::from(field.0)] = value.clone();
    }
    let record = Record {
        values,
        extra: judge.extra_of(&input),
        stale: false,
        left_out: Vec::new(),
    };
    let env = spec::expr::eval::Env {
        this: record.for_eval(),
        old: None,
        auth: principal,
        now,
        related: None,
    };
    let value = spec::expr::eval::eval(expr, &env)
        .map(|v| value_text(&v))
        .map_err(|e| why_not(e.kind).to_owned());
    let known = spec::expr::fold::Known {
        auth: Some(principal),
        now: Some(now),
    };
    let folded = spec::expr::fold::fold(expr, known);
    let sql = [spec::Dialect::Sqlite, spec::Dialect::Postgres]
        .map(|dialect| {
            let text = condition_of(app, dialect, model, &folded);
            let text = text
                .map(|s| (s.text, s.params.iter().map(value_text).collect()))
                .map_err(|u| u.reason);
            Compiled {
                dialect: dialect.name(),
                sql: text,
            }
        })
        .to_vec();
    Ok(Evaluated {
        ty: type_name(&expr.ty),
        value,
        sql,
    })
}

fn type_name(ty: &spec::expr::Type) -> String {
    use spec::expr::Type;
    match ty {
        Type::Null => "null".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Float => "double".to_owned(),
        Type::Decimal(scale) => format!("decimal({scale})"),
        Type::String => "string".to_owned(),
        Type::Uuid => "string (uuid)".to_owned(),
        Type::Timestamp => "timestamp".to_owned(),
        Type::Date => "timestamp (date)".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::Dyn => "dyn (json)".to_owned(),
        Type::List(item) => format!("list({})", type_name(item)),
    }
}

fn why_not(kind: spec::expr::eval::EvalErrorKind) -> &'static str {
    use spec::expr::eval::EvalErrorKind;
    match kind {
        EvalErrorKind::Overflow => "a number becomes too large",
        EvalErrorKind::DivisionByZero => "it divides by zero",
        EvalErrorKind::Conversion => "a value cannot be converted",
        EvalErrorKind::Traverses => {
            "it follows a relation, which needs stored records: try mainstay explain"
        }
        EvalErrorKind::Budget => "it takes too many steps",
    }
}
