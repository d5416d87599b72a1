//! A checked, folded expression → SQL. The logic is two-valued on both stores: a condition is written so
//! that it is true exactly when the expression is (or, negated, is not); SQL's third value never escapes.

mod json;
mod lists;
mod text;

pub use text::after_prefix;

use crate::access;

use crate::Caller;
use crate::sql::Sql;
use spec::expr::{Comparison, Expr, ExprKind, Over, Place, Span, Type};
use spec::types::ColumnType;
use spec::{App, Dialect, FieldId, ModelId, Rule, Value};
use std::sync::Arc;

/// Why an expression has no SQL. Found at load time for rules, answered as a 400 for filters.
#[derive(Debug, Clone, PartialEq)]
pub struct Unsupported {
    pub span: Span,
    pub reason: String,
    /// The limit that was met, where it is one.
    pub limit: Option<(&'static str, u64)>,
}

type Result<T> = std::result::Result<T, Unsupported>;

/// Whose reading of other records and fields it is.
#[derive(Debug, Clone, Copy)]
pub enum Eyes<'a> {
    /// A rule of the app: it sees everything in its module.
    Rule,
    /// A caller's filter or sort: each hop and field applies its read rule.
    Caller(Caller<'a>),
}

/// A folded expression about a row called `t`, as a bare condition: for `mainstay eval`, and to prove at load
/// time that a rule has its SQL.
pub fn condition_of(app: &App, dialect: Dialect, model: ModelId, expr: &Expr) -> Result<Sql> {
    let mut sql = Sql::new(dialect);
    Conditions::new(app, model, "t", Eyes::Rule).holds(&mut sql, expr)?;
    Ok(sql)
}

/// Compiles expressions about one row, which the surrounding statement calls `this`.
pub struct Conditions<'a> {
    app: &'a App,
    model: ModelId,
    this: &'a str,
    old: Option<&'a str>,
    absent: &'a [FieldId],
    eyes: Eyes<'a>,
    bound: Vec<Bound>,
    /// Conditions written of a caller's filter.
    written: usize,
}

/// Conditions that a caller's filter may come to in any case; more where `limits.filter_nodes` lets it say more.
/// Lists are written out, and one in another multiplies, so that what it says does not bound it.
const CONDITIONS: usize = 500;

/// Conditions in a row. SQLite bounds how deep a tree is (1,000), and a row is as deep as it is long.
const ROW: usize = 100;

/// What a quantifier's variable stands for.
#[derive(Debug, Clone)]
enum Bound {
    Record {
        alias: String,
        model: ModelId,
    },
    Literal(Value),
    /// An item of a JSON array, unpacked under this alias.
    Item {
        alias: String,
    },
    /// Nothing names it any more: folding has written its list out.
    Nothing,
}

impl<'a> Conditions<'a> {
    /// For expressions about a record of `model`, whose row is called `this`.
    pub fn new(app: &'a App, model: ModelId, this: &'a str, eyes: Eyes<'a>) -> Conditions<'a> {
        Conditions {
            app,
            model,
            this,
            old: None,
            absent: &[],
            eyes,
            bound: Vec::new(),
            written: 0,
        }
    }

    /// For rules over the resulting record (`this`) and the stored one (`old`).
    pub fn with_old(mut self, old: &'a str) -> Conditions<'a> {
        self.old = Some(old);
        self
    }

    /// These relations of the record lead nowhere, wherever they lead.
    pub fn with_absent(mut self, relations: &'a [FieldId]) -> Conditions<'a> {
        self.absent = relations;
        self
    }

    /// Writes a condition that is true exactly when `expr` is true.
    pub fn holds(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        self.truth(sql, expr, true)
    }

    /// Writes a rule as a condition.
    pub fn rule(&mut self, sql: &mut Sql, rule: &Rule) -> Result<()> {
        match rule {
            Rule::Allow => constant(sql, true),
            Rule::Deny => constant(sql, false),
            Rule::When(expr) => self.truth(sql, expr, true)?,
        }
        Ok(())
    }

    /// Writes a condition that is true when `expr` is (`want`) or is not (`!want`) true.
    fn truth(&mut self, sql: &mut Sql, expr: &Expr, want: bool) -> Result<()> {
        self.count(expr, 1)?;
        match &expr.kind {
            ExprKind::Literal(value) => constant(sql, (*value == Value::Bool(true)) == want),
            ExprKind::Not(inner) => self.truth(sql, inner, !want)?,
            ExprKind::And(parts) | ExprKind::Or(parts) => {
                let all = matches!(expr.kind, ExprKind::And(_)) == want;
                self.joined(sql, all, parts, |this, sql, part| {
                    this.truth(sql, part, want)
                })?;
            }
            ExprKind::IsNull(inner) => self.is_null(sql, inner, want)?,
            ExprKind::Compare { op, left, right } => {
                let (op, want) = match op {
                    Comparison::Ne => (Comparison::Eq, !want),
                    other => (*other, want),
                };
                self.compare(sql, op, left, right, want)?;
            }
            ExprKind::In { item, list } => self.member(sql, item, list, want)?,
            ExprKind::Quantified {
                all,
                over,
                var,
                body,
                ..
            } => self.quantified(sql, *all, over, *var, body, want)?,
            ExprKind::Text {
                function,
                subject,
                argument,
            } => self.text(sql, *function, subject, argument, want)?,
            ExprKind::Has(inner) => {
                sql.push("(");
                self.json_kind(sql, inner)?;
                sql.push(if want { " IS NOT NULL)" } else { " IS NULL)" });
            }
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                sql.push("(CASE WHEN ");
                self.truth(sql, condition, true)?;
                sql.push(" THEN ");
                self.truth(sql, then, want)?;
                sql.push(" ELSE ");
                self.truth(sql, otherwise, want)?;
                sql.push(" END)");
            }
            ExprKind::Path { .. } | ExprKind::Element(_) if expr.ty == Type::Dyn => {
                sql.push("(");
                self.json_kind(sql, expr)?;
                match sql.dialect {
                    // PostgreSQL's kind is 'boolean' for both; its value tells.
                    Dialect::Postgres => {
                        sql.push(" = 'boolean' AND ");
                        self.json(sql, expr)?;
                        sql.push(" = 'true'::jsonb");
                    }
                    Dialect::Sqlite => {
                        sql.push(" = 'true'");
                    }
                }
                sql.push(if want { ")" } else { ") IS NOT TRUE" });
            }
            ExprKind::Field { .. } | ExprKind::Element(_) if expr.ty == Type::Bool => {
                let nullable = self.nullable(expr);
                match (sql.dialect, want, nullable) {
                    (Dialect::Postgres, true, _) => self.scalar(sql, expr)?,
                    (Dialect::Postgres, false, false) => {
                        sql.push("NOT ");
                        self.scalar(sql, expr)?;
                    }
                    (Dialect::Sqlite, _, false) | (Dialect::Sqlite, true, true) => {
                        // `= 1`, so that an index on the column serves.
                        self.scalar(sql, expr)?;
                        sql.push(if want { " = 1" } else { " = 0" });
                    }
                    (_, false, true) => {
                        sql.push("(");
                        self.scalar(sql, expr)?;
                        sql.push(") IS NOT TRUE");
                    }
                }
            }
            _ => {
                return Err(unsupported(
                    expr,
                    match &expr.kind {
                        ExprKind::Auth(_) | ExprKind::Now => {
                            "the caller and the clock must be known before SQL is written"
                        }
                        _ => "this cannot be decided by the database",
                    },
                ));
            }
        }
        Ok(())
    }

    /// Counts what a caller's filter comes to, and refuses what is too much. A rule is its app's own.
    fn count(&mut self, expr: &Expr, conditions: usize) -> Result<()> {
        if matches!(self.eyes, Eyes::Rule) {
            return Ok(());
        }
        self.written += conditions;
        let nodes = self.app.settings.limits.filter_nodes;
        let most = CONDITIONS.max(nodes as usize);
        if self.written <= most {
            return Ok(());
        }
        Err(Unsupported {
            limit: Some(("limits.filter_nodes", u64::from(nodes))),
            ..unsupported(
                expr,
                &format!("with its lists written out it comes to more than {most} conditions"),
            )
        })
    }

    /// Conditions that must all hold, or of which one must.
    fn joined<T>(
        &mut self,
        sql: &mut Sql,
        all: bool,
        parts: &[T],
        mut write: impl FnMut(&mut Self, &mut Sql, &T) -> Result<()>,
    ) -> Result<()> {
        let word = if all { " AND " } else { " OR " };
        let rows = parts.len() > ROW;
        sql.push("(");
        for (r, row) in parts.chunks(ROW).enumerate() {
            sql.push(if r > 0 { word } else { "" });
            sql.push(if rows { "(" } else { "" });
            for (i, part) in row.iter().enumerate() {
                sql.push(if i > 0 { word } else { "" });
                write(self, sql, part)?;
            }
            sql.push(if rows { ")" } else { "" });
        }
        sql.push(")");
        Ok(())
    }

    fn is_null(&mut self, sql: &mut Sql, inner: &Expr, want: bool) -> Result<()> {
        if inner.ty == Type::Dyn {
            sql.push("(coalesce(");
            self.json_kind(sql, inner)?;
            sql.push(if want {
                ", 'null') = 'null')"
            } else {
                ", 'null') <> 'null')"
            });
        } else {
            self.scalar(sql, inner)?;
            sql.push(if want { " IS NULL" } else { " IS NOT NULL" });
        }
        Ok(())
    }

    fn compare(
        &mut self,
        sql: &mut Sql,
        op: Comparison,
        left: &Expr,
        right: &Expr,
        want: bool,
    ) -> Result<()> {
        if is_null_literal(left) || is_null_literal(right) {
            constant(sql, !want);
            return Ok(());
        }
        if left.ty == Type::Dyn || right.ty == Type::Dyn {
            sql.push("(");
            if left.ty == Type::Dyn {
                self.compare_json(sql, op, left, right)?;
            } else {
                self.compare_json(sql, mirrored(op), right, left)?;
            }
            sql.push(if want { ")" } else { ") IS NOT TRUE" });
            return Ok(());
        }
        let negated = !want;
        let nullable = self.nullable(left) || self.nullable(right);
        let op = if negated && !nullable {
            inverse(op)
        } else {
            op
        };
        if negated && nullable {
            sql.push("(");
        }
        // Both are of one type, or numbers that stores compare as such: the checker keeps others to memory.
        let order = !matches!(op, Comparison::Eq | Comparison::Ne);
        match order {
            true => self.ordered(sql, left)?,
            false => self.scalar(sql, left)?,
        }
        sql.push(symbol(op));
        match order {
            true => self.ordered(sql, right)?,
            false => self.scalar(sql, right)?,
        }
        if negated && nullable {
            sql.push(") IS NOT TRUE");
        }
        Ok(())
    }

    /// Whether the SQL of a scalar can be null.
    fn nullable(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Literal(value) => value.is_null(),
            ExprKind::Field {
                place,
                model,
                field,
            } => {
                let field = self.app.model(*model).field(*field);
                field.optional
                    || matches!(place, Place::Follow { .. })
                    || !matches!(self.seen(field), Rule::Allow)
            }
            ExprKind::Conditional {
                then, otherwise, ..
            } => self.nullable(then) || self.nullable(otherwise),
            ExprKind::Size(inner) => inner.ty == Type::Dyn || self.nullable(inner),
            ExprKind::Element(_) => true,
            _ => expr.ty != Type::Bool,
        }
    }

    /// The read rule that applies to a field through these eyes.
    fn seen(&self, field: &spec::Field) -> Rule {
        match self.eyes {
            Eyes::Rule => Rule::Allow,
            Eyes::Caller(caller) => access::field_read(field, caller),
        }
    }

    /// A scalar whose place in an order is asked for. Texts of an existing table have the collation that they were made
    /// with, and are put into the order that all texts have here. (Where only equality is asked for, its indexes serve.)
    pub fn ordered(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        self.scalar(sql, expr)?;
        if let ExprKind::Field { model, .. } = &expr.kind
            && self.app.model(*model).existing.is_some()
        {
            collate(sql, &expr.ty);
        }
        Ok(())
    }

    /// Writes a scalar: a column, a parameter, a sub-select.
    pub fn scalar(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        match &expr.kind {
            ExprKind::Literal(Value::Null) => {
                sql.push("NULL");
            }
            ExprKind::Literal(Value::Bool(value)) => constant(sql, *value),
            ExprKind::Literal(value) => {
                let ty = column_type(&expr.ty)
                    .ok_or_else(|| unsupported(expr, "this value has no column type"))?;
                sql.bind(value.clone(), ty);
            }
            ExprKind::Field {
                place,
                model,
                field,
            } => self.field(sql, place, *model, *field)?,
            ExprKind::Extra { .. } | ExprKind::Path { .. } => self.json(sql, expr)?,
            ExprKind::Element(var) => self.element(sql, *var, &expr.ty),
            ExprKind::Conditional {
                condition,
                then,
                otherwise,
            } => {
                sql.push("(CASE WHEN ");
                self.truth(sql, condition, true)?;
                sql.push(" THEN ");
                self.scalar(sql, then)?;
                sql.push(" ELSE ");
                self.scalar(sql, otherwise)?;
                sql.push(" END)");
                collate(sql, &expr.ty);
            }
            ExprKind::Size(inner) => self.size(sql, inner)?,
            _ if expr.ty == Type::Bool => {
                sql.push("((");
                self.truth(sql, expr, true)?;
                sql.push(") IS TRUE)");
            }
            ExprKind::Arith { .. } | ExprKind::Negate(_) => {
                return Err(unsupported(
                    expr,
                    "arithmetic on fields is for checks and defaults; it cannot become SQL",
                ));
            }
            ExprKind::Convert(_) => {
                return Err(unsupported(
                    expr,
                    "conversions of fields are for checks and defaults; they cannot become SQL",
                ));
            }
            _ => return Err(unsupported(expr, "this has no counterpart in SQL")),
        }
        Ok(())
    }

    /// A field of a place; null where these eyes may not see it.
    fn field(
        &mut self,
        sql: &mut Sql,
        place: &Place,
        model: ModelId,
        field: FieldId,
    ) -> Result<()> {
        let app = self.app;
        let declared = app.model(model).field(field);
        match self.seen(declared) {
            Rule::Allow => self.at(sql, place, &mut |sql, alias| {
                sql.column(alias, &declared.name);
                Ok(())
            }),
            Rule::Deny => {
                sql.push("NULL");
                Ok(())
            }
            Rule::When(rule) => self.at(sql, place, &mut |sql, alias| {
                sql.push("(CASE WHEN ");
                Conditions::new(app, model, alias, Eyes::Rule).holds(sql, &rule)?;
                sql.push(" THEN ")
                    .column(alias, &declared.name)
                    .push(" END)");
                Ok(())
            }),
        }
    }

    /// Writes something about the row of a place, in a sub-select where the place is another record.
    fn at(
        &mut self,
        sql: &mut Sql,
        place: &Place,
        write: &mut dyn FnMut(&mut Sql, &str) -> Result<()>,
    ) -> Result<()> {
        match place {
            Place::This => write(sql, self.this),
            Place::Old => write(sql, self.old.unwrap_or(self.this)),
            Place::Var(var) => match self.bound.get(usize::from(*var)) {
                Some(Bound::Record { alias, .. }) => {
                    let alias = alias.clone();
                    write(sql, &alias)
                }
                _ => Err(Unsupported {
                    span: Span::default(),
                    reason: "this variable is no record".to_owned(),
                    limit: None,
                }),
            },
            Place::Follow { base, field, to } => {
                let target = self.app.model(*to);
                let from = self.model_of(base)?;
                let alias = sql.alias("h");
                sql.push("(SELECT ");
                write(sql, &alias)?;
                sql.push(" FROM ").table(target).push(" ").push(&alias);
                sql.push(" WHERE ").column(&alias, "id").push(" = ");
                if matches!(**base, Place::This) && self.absent.contains(field) {
                    sql.push("NULL");
                } else {
                    self.field(sql, base, from, *field)?;
                }
                self.target_rule(sql, target, &alias)?;
                sql.push(")");
                Ok(())
            }
        }
    }

    fn model_of(&self, place: &Place) -> Result<ModelId> {
        match place {
            Place::This | Place::Old => Ok(self.model),
            Place::Follow { to, .. } => Ok(*to),
            Place::Var(var) => match self.bound.get(usize::from(*var)) {
                Some(Bound::Record { model, .. }) => Ok(*model),
                _ => Err(Unsupported {
                    span: Span::default(),
                    reason: "this variable is no record".to_owned(),
                    limit: None,
                }),
            },
        }
    }

    /// ` AND …`: what these eyes need of a record that a hop leads to.
    fn target_rule(&mut self, sql: &mut Sql, target: &spec::Model, alias: &str) -> Result<()> {
        let Eyes::Caller(caller) = self.eyes else {
            return Ok(());
        };
        match access::rule(target, access::Verb::Read, caller) {
            Rule::Allow => Ok(()),
            rule => {
                sql.push(" AND ");
                Conditions::new(self.app, target.id, alias, Eyes::Rule).rule(sql, &rule)
            }
        }
    }

    fn size(&mut self, sql: &mut Sql, inner: &Expr) -> Result<()> {
        match (&inner.ty, sql.dialect) {
            (Type::String | Type::Uuid, dialect) => {
                sql.push(if dialect == Dialect::Postgres {
                    "char_length("
                } else {
                    "length("
                });
                self.scalar(sql, inner)?;
                sql.push(")");
            }
            (Type::List(_), Dialect::Postgres) => {
                sql.push("jsonb_array_length(");
                self.json(sql, inner)?;
                sql.push(")");
            }
            (Type::List(_), Dialect::Sqlite) => {
                sql.push("json_array_length(");
                self.json(sql, inner)?;
                sql.push(")");
            }
            (Type::Dyn, Dialect::Postgres) => {
                sql.push("(CASE ");
                self.json_kind(sql, inner)?;
                sql.push(" WHEN 'array' THEN jsonb_array_length(");
                self.json(sql, inner)?;
                sql.push(") WHEN 'string' THEN char_length(");
                self.json(sql, inner)?;
                sql.push(" #>> '{}') END)");
            }
            (Type::Dyn, Dialect::Sqlite) => {
                sql.push("(CASE ");
                self.json_kind(sql, inner)?;
                sql.push(" WHEN 'array' THEN json_array_length(");
                self.json_value(sql, inner)?;
                sql.push(") WHEN 'text' THEN length(");
                self.json_value(sql, inner)?;
                sql.push(") END)");
            }
            _ => {
                return Err(unsupported(
                    inner,
                    "only texts and lists have a size in the database",
                ));
            }
        }
        Ok(())
    }
}

/// Texts compare by their code points. Columns say so themselves; what is no column takes the database's collation on
/// PostgreSQL, and `a` may come before `Z`.
fn collate(sql: &mut Sql, ty: &Type) {
    if sql.dialect == Dialect::Postgres && *ty == Type::String {
        sql.push(" COLLATE \"C\"");
    }
}

fn constant(sql: &mut Sql, value: bool) {
    sql.push(if value { "TRUE" } else { "FALSE" });
}

fn unsupported(expr: &Expr, reason: &str) -> Unsupported {
    Unsupported {
        span: expr.span,
        reason: reason.to_owned(),
        limit: None,
    }
}

fn is_null_literal(expr: &Expr) -> bool {
    matches!(expr.kind, ExprKind::Literal(Value::Null))
}

fn equal(left: &Expr, right: Expr) -> Expr {
    let span = left.span;
    Expr {
        kind: ExprKind::Compare {
            op: Comparison::Eq,
            left: Box::new(left.clone()),
            right: Box::new(right),
        },
        ty: Type::Bool,
        span,
    }
}

/// The values of a list that is known: written out, or the caller's roles after folding.
fn literal_items(list: &Expr) -> Option<Vec<Value>> {
    match &list.kind {
        ExprKind::Literal(Value::List(items)) => Some(items.to_vec()),
        ExprKind::Literal(Value::Null) => Some(Vec::new()),
        ExprKind::List(items) => items
            .iter()
            .map(|item| match &item.kind {
                ExprKind::Literal(value) => Some(value.clone()),
                _ => None,
            })
            .collect(),
        _ => None,
    }
}

fn item_type(list: &Type) -> Type {
    match list {
        Type::List(item) => (**item).clone(),
        _ => Type::Dyn,
    }
}

/// The type of a literal that stands beside JSON.
fn json_type(value: &Value) -> Type {
    match value {
        Value::Bool(_) => Type::Bool,
        Value::Int(_) => Type::Int,
        Value::Float(_) => Type::Float,
        Value::Text(_) => Type::String,
        Value::Uuid(_) => Type::Uuid,
        _ => Type::Dyn,
    }
}

fn column_type(ty: &Type) -> Option<ColumnType> {
    Some(match ty {
        Type::Bool => ColumnType::Bool,
        Type::Int => ColumnType::Int,
        Type::Float => ColumnType::Float,
        Type::Decimal(scale) => ColumnType::Decimal { scale: *scale },
        Type::String => ColumnType::Text,
        Type::Uuid => ColumnType::Uuid,
        Type::Timestamp => ColumnType::Timestamp,
        Type::Date => ColumnType::Date,
        Type::Null | Type::Duration | Type::Dyn | Type::List(_) => return None,
    })
}

fn symbol(op: Comparison) -> &'static str {
    match op {
        Comparison::Eq => " = ",
        Comparison::Ne => " <> ",
        Comparison::Lt => " < ",
        Comparison::Le => " <= ",
        Comparison::Gt => " > ",
        Comparison::Ge => " >= ",
    }
}

fn mirrored(op: Comparison) -> Comparison {
    match op {
        Comparison::Lt => Comparison::Gt,
        Comparison::Le => Comparison::Ge,
        Comparison::Gt => Comparison::Lt,
        Comparison::Ge => Comparison::Le,
        same => same,
    }
}

fn inverse(op: Comparison) -> Comparison {
    match op {
        Comparison::Eq => Comparison::Ne,
        Comparison::Ne => Comparison::Eq,
        Comparison::Lt => Comparison::Ge,
        Comparison::Le => Comparison::Gt,
        Comparison::Gt => Comparison::Le,
        Comparison::Ge => Comparison::Lt,
    }
}
