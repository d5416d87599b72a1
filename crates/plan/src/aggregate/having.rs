//! Conditions over the result: its columns become the fields of a model that exists for the time of one request, so that
//! the checker and the compiler of filters serve here as they are.

use super::{Column, Of};
use spec::expr::ast::{self, Kind};
use spec::model::Access;
use spec::statement::Key;
use spec::types::FieldType;
use spec::{App, Dialect, Field, FieldId, KeyKind, Model, ModelId, Module, ModuleId, Rule};
use std::sync::Arc;

/// The one model of such an app.
pub const RESULT: ModelId = ModelId(0);
/// As the checker names it; never shown.
const NAME: (&str, &str) = ("aggregate", "result");

/// The result as its caller knows it.
pub fn as_named(app: &App, columns: &[Column<'_>]) -> App {
    result(app, columns, |_, column| column.name.clone())
}

/// The result as the statement's outer level knows it. SQLite compares a sum as the number that is nearest to it among
/// its own: exact up to 2^63, and beyond that on the right side of every number that can be written.
pub fn as_stored(app: &App, dialect: Dialect, columns: &[Column<'_>]) -> App {
    result(app, columns, |at, column| {
        let narrow = dialect == Dialect::Sqlite && column.is_total();
        format!("{}{at}", if narrow { 'h' } else { 'c' })
    })
}

fn result(app: &App, columns: &[Column<'_>], name: impl Fn(usize, &Column<'_>) -> String) -> App {
    let columns = columns.iter().enumerate();
    let fields = columns
        .map(|(at, column)| {
            let counts = matches!(column.of, Of::Records | Of::Count(_));
            field(at, name(at, column), column.ty(), !counts)
        })
        .collect();
    let model = Model {
        id: RESULT,
        module: ModuleId(0),
        module_name: NAME.0.to_owned(),
        name: NAME.1.to_owned(),
        key: KeyKind::Uuid,
        open: false,
        changes: false,
        fields,
        access: Access::closed(),
        indexes: Vec::new(),
        search: Vec::new(),
        inverses: Vec::new(),
        taken: Arc::default(),
        logged: Arc::default(),
        renamed_from: None,
        existing: None,
    };
    let module = Module {
        id: ModuleId(0),
        name: NAME.0.to_owned(),
        models: vec![RESULT],
    };
    App::new(app.settings.clone(), vec![module], vec![model])
}

fn field(at: usize, name: String, ty: FieldType, optional: bool) -> Field {
    Field {
        // There are at most some thirty.
        id: FieldId(at as u16),
        key: Key::new(&name),
        name,
        ty,
        optional,
        unique: false,
        disclose: false,
        immutable: false,
        system: false,
        computed: false,
        existing: None,
        hidden: false,
        default: None,
        check: None,
        read: Rule::Allow,
        write: Rule::Deny,
        backfill: None,
        renamed_from: None,
    }
}

/// What the checker says of fields, said of columns: nobody declares these, and there is no check to move a comparison to.
pub fn reworded(message: &str) -> String {
    [
        (
            "`aggregate.result` has no field",
            "the result has no column",
        ),
        (": only checks and defaults may use it", ""),
        (
            "declare the fields with one scale",
            "compare each with a number",
        ),
        (
            "declare both as decimals of one scale",
            "compare each with a number",
        ),
    ]
    .iter()
    .fold(message.to_owned(), |message, (of_fields, of_columns)| {
        message.replace(of_fields, of_columns)
    })
}

/// Makes one name of a path that is a column's, `created_at.month`.
pub fn join_names(expr: &mut ast::Expr, columns: &[Column<'_>]) {
    if let Some(path) = path(expr)
        && let Some(column) = columns.iter().find(|column| column.name == path)
    {
        expr.kind = Kind::Name(Arc::from(column.name.as_str()));
        return;
    }
    match &mut expr.kind {
        Kind::Null
        | Kind::Bool(_)
        | Kind::Int(_)
        | Kind::Double { .. }
        | Kind::String(_)
        | Kind::Name(_) => {}
        Kind::List(items) | Kind::And(items) | Kind::Or(items) => {
            items.iter_mut().for_each(|item| join_names(item, columns));
        }
        Kind::Member { base: inner, .. } | Kind::Not(inner) | Kind::Negate(inner) => {
            join_names(inner, columns);
        }
        Kind::Index { base, index } => {
            join_names(base, columns);
            join_names(index, columns);
        }
        Kind::Call { arguments, .. } => {
            arguments
                .iter_mut()
                .for_each(|item| join_names(item, columns));
        }
        Kind::Method {
            base, arguments, ..
        } => {
            join_names(base, columns);
            arguments
                .iter_mut()
                .for_each(|item| join_names(item, columns));
        }
        Kind::Binary { left, right, .. } => {
            join_names(left, columns);
            join_names(right, columns);
        }
        Kind::Conditional {
            condition,
            then,
            otherwise,
        } => {
            join_names(condition, columns);
            join_names(then, columns);
            join_names(otherwise, columns);
        }
    }
}

fn path(expr: &ast::Expr) -> Option<String> {
    match &expr.kind {
        Kind::Name(name) => Some(name.to_string()),
        Kind::Member { base, name } => Some(format!("{}.{}", path(base)?, name.text)),
        _ => None,
    }
}
