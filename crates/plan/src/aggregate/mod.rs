//! Aggregates: groups of the records that a caller may read, and what each of them amounts to.
//!
//! The statement has two levels. The inner one joins, groups and adds up; the outer one filters (`having`), orders and
//! limits what came of it, and knows its columns as `c0`, `c1`, … whatever stands behind them.

mod having;
mod parts;
mod resolve;
#[cfg(test)]
mod tests;

pub use parts::Part;

use crate::access::{self, Verb};
use crate::condition::{Conditions, Eyes, Unsupported};
use crate::read::Planner;
use crate::sql::Sql;
use spec::expr::{Expr, ExprKind, Place, Span, Type};
use spec::model::ID;
use spec::statement::{Capture, Key, Lane, Output, Shape, Statement};
use spec::types::{ColumnType, FieldType};
use spec::{Dialect, Field, KeyKind, Model, Rule};

type Result<T> = std::result::Result<T, Unsupported>;

/// An aggregate whose names are resolved for its caller.
#[derive(Debug, Clone)]
pub struct Aggregation<'a> {
    pub model: &'a Model,
    pub filter: Option<Expr>,
    /// As they are answered: what is grouped by, then what each group amounts to.
    pub columns: Vec<Column<'a>>,
    /// Over the columns: see [`having::result`].
    having: Option<Expr>,
    /// Columns, and whether descending. All keys are among them, so that the order is total.
    sort: Vec<(usize, bool)>,
    /// Groups that are answered at most.
    pub limit: u32,
}

/// A column of the result.
#[derive(Debug, Clone)]
pub struct Column<'a> {
    pub name: String,
    of: Of<'a>,
}

#[derive(Debug, Clone)]
enum Of<'a> {
    Key(Operand<'a>),
    Part(Operand<'a>, Part),
    /// How many records.
    Records,
    /// On how many of them the field is not null.
    Count(Operand<'a>),
    Sum(Operand<'a>, Number),
    Avg(Operand<'a>, Number),
    Min(Operand<'a>),
    Max(Operand<'a>),
}

/// A field of the record, or of one that its to-one relations lead to.
#[derive(Debug, Clone)]
struct Operand<'a> {
    place: Place,
    model: &'a Model,
    field: &'a Field,
}

/// What can be added up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Number {
    Int,
    Float,
    Decimal(u8),
}

impl Number {
    /// Digits behind the point of an average: four more than the field has, and as many as a decimal can have.
    fn average(self) -> u8 {
        match self {
            Number::Int | Number::Float => 4,
            Number::Decimal(scale) => (scale + 4).min(18),
        }
    }
}

impl Operand<'_> {
    fn column(&self) -> ColumnType {
        match self.field.id {
            ID => self.model.key.column(),
            _ => self.field.ty.column(),
        }
    }

    /// The type of its values alone: an id and a relation are keys, wherever they lead.
    fn values(&self) -> FieldType {
        let of_key = |key| match key {
            KeyKind::Uuid => FieldType::Uuid,
            KeyKind::Int => INT,
            KeyKind::String => TEXT,
        };
        match &self.field.ty {
            _ if self.field.id == ID => of_key(self.model.key),
            FieldType::Relation { key, .. } => of_key(*key),
            ty => ty.clone(),
        }
    }

    fn is_json(&self) -> bool {
        matches!(self.field.ty, FieldType::Json | FieldType::List { .. })
    }
}

const INT: FieldType = FieldType::Int {
    min: None,
    max: None,
};
const TEXT: FieldType = FieldType::Text { max: u32::MAX };

impl Column<'_> {
    /// The type of its values, as an expression over the result sees them.
    fn ty(&self) -> FieldType {
        match &self.of {
            Of::Key(operand) | Of::Min(operand) | Of::Max(operand) => operand.values(),
            Of::Part(_, part) => part.ty(),
            Of::Records | Of::Count(_) | Of::Sum(_, Number::Int) => INT,
            Of::Sum(_, Number::Float) | Of::Avg(_, Number::Float) => FieldType::Float {
                min: None,
                max: None,
            },
            Of::Sum(_, Number::Decimal(scale)) => FieldType::Decimal { scale: *scale },
            Of::Avg(_, number) => FieldType::Decimal {
                scale: number.average(),
            },
        }
    }

    fn output(&self) -> Output {
        let key = Key::new(&self.name);
        let scale = match &self.of {
            Of::Sum(_, Number::Int) => None,
            Of::Sum(_, Number::Decimal(scale)) => Some(*scale),
            Of::Avg(_, number @ (Number::Int | Number::Decimal(_))) => Some(number.average()),
            Of::Key(_)
            | Of::Part(..)
            | Of::Records
            | Of::Count(_)
            | Of::Min(_)
            | Of::Max(_)
            | Of::Sum(_, Number::Float)
            | Of::Avg(_, Number::Float) => {
                let ty = self.ty().column();
                return Output::Field { key, ty };
            }
        };
        Output::Total { key, scale }
    }

    fn is_key(&self) -> bool {
        matches!(self.of, Of::Key(_) | Of::Part(..))
    }

    /// Whether SQLite holds it as the bytes of a number that may be larger than its own.
    fn is_total(&self) -> bool {
        matches!(self.output(), Output::Total { .. })
    }
}

/// The relations that are followed, each joined once. A hop applies the rule of its relation field and that of the record
/// it leads to: what the caller may not read is not there.
struct Joins<'p, 'a> {
    planner: &'p Planner<'a>,
    model: &'a Model,
    text: String,
    known: Vec<(Place, String)>,
}

impl<'a> Joins<'_, 'a> {
    /// What the row at a place is called.
    fn alias(&mut self, sql: &mut Sql, place: &Place) -> Result<String> {
        let Place::Follow { base, field, to } = place else {
            return Ok("t".to_owned());
        };
        if let Some((_, alias)) = self.known.iter().find(|(known, _)| known == place) {
            return Ok(alias.clone());
        }
        let app = self.planner.app;
        let from = match &**base {
            Place::Follow { to, .. } => app.model(*to),
            _ => self.model,
        };
        let (left, target) = (self.alias(sql, base)?, app.model(*to));
        let alias = sql.alias("j");
        let (join, done) = sql.aside(|sql| {
            sql.push(" LEFT JOIN ")
                .table(target)
                .push(" ")
                .push(&alias)
                .push(" ON (")
                .column(&alias, "id")
                .push(" = ");
            self.planner.seen(sql, from, from.field(*field), &left)?;
            let rule = access::rule(target, Verb::Read, self.planner.caller);
            if !matches!(rule, Rule::Allow) {
                sql.push(" AND ");
                Conditions::new(app, target.id, &alias, Eyes::Rule).rule(sql, &rule)?;
            }
            sql.push(")");
            Ok(())
        });
        done?;
        self.text.push_str(&join);
        self.known.push((place.clone(), alias.clone()));
        Ok(alias)
    }

    fn scalar(&mut self, sql: &mut Sql, operand: &Operand<'_>) -> Result<String> {
        let alias = self.alias(sql, &operand.place)?;
        let (mut text, done) =
            sql.aside(|sql| self.planner.seen(sql, operand.model, operand.field, &alias));
        done?;
        if self.planner.existing(operand.model).is_some() {
            // As columns of ours say of themselves.
            match operand.column() {
                ColumnType::Text => text.push_str(" COLLATE \"C\""),
                ColumnType::Timestamp => text.push_str("::timestamptz"),
                _ => {}
            }
        }
        Ok(text)
    }
}

impl<'a> Planner<'a> {
    /// The statement of an aggregate. A caller who may read no record at all gets it too: of nothing, the count is 0.
    pub fn aggregate(&self, asked: &Aggregation<'a>) -> Result<Statement> {
        let mut sql = Sql::new(self.dialect);
        let mut joins = Joins {
            planner: self,
            model: asked.model,
            text: String::new(),
            known: Vec::new(),
        };
        let (mut inner, mut groups) = (Vec::new(), Vec::new());
        for column in &asked.columns {
            let (shown, group) = self.column(&mut sql, &mut joins, column)?;
            inner.push(shown);
            groups.extend(group);
        }
        sql.push("SELECT ");
        for at in 0..asked.columns.len() {
            sql.push(if at > 0 { ", r.c" } else { "r.c" }).number(at);
        }
        sql.push(" FROM (SELECT ");
        for (at, shown) in inner.iter().enumerate() {
            let comma = if at > 0 { ", " } else { "" };
            sql.push(comma).push(shown).push(" AS c").number(at);
            if self.dialect == Dialect::Sqlite
                && asked.having.is_some()
                && asked.columns[at].is_total()
            {
                sql.push(", mainstay_narrow(")
                    .push(shown)
                    .push(") AS h")
                    .number(at);
            }
        }
        sql.push(" FROM ")
            .table(asked.model)
            .push(" t")
            .push(&joins.text);
        self.records(&mut sql, asked)?;
        for (at, group) in groups.iter().enumerate() {
            sql.push(if at > 0 { ", " } else { " GROUP BY " })
                .push(group);
        }
        sql.push(") r");
        if let Some(condition) = &asked.having {
            let result = having::as_stored(self.app, self.dialect, &asked.columns);
            sql.push(" WHERE ");
            Conditions::new(&result, having::RESULT, "r", Eyes::Caller(self.caller))
                .holds(&mut sql, condition)?;
        }
        for (at, (column, descending)) in asked.sort.iter().enumerate() {
            sql.push(if at > 0 { ", r.c" } else { " ORDER BY r.c" })
                .number(*column);
            sql.push(if *descending {
                " DESC NULLS LAST"
            } else {
                " ASC NULLS FIRST"
            });
        }
        sql.push(" LIMIT ").number(u64::from(asked.limit) + 1);
        let shape = Shape {
            columns: asked.columns.iter().map(Column::output).collect(),
            capture: Capture::Every,
        };
        Ok(sql.statement(shape, Lane::Unbounded))
    }

    /// ` WHERE …`: the records that are counted.
    fn records(&self, sql: &mut Sql, asked: &Aggregation<'_>) -> Result<()> {
        let model = asked.model;
        let mut word = " WHERE ";
        if let Some(filter) = &asked.filter {
            sql.push(word);
            Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller))
                .holds(sql, filter)?;
            word = " AND ";
        }
        let rule = access::rule(model, Verb::Read, self.caller);
        if !matches!(rule, Rule::Allow) {
            sql.push(word);
            Conditions::new(self.app, model.id, "t", Eyes::Rule).rule(sql, &rule)?;
        }
        Ok(())
    }

    /// A field of the row called `alias`; null where the caller may not see it.
    fn seen(&self, sql: &mut Sql, model: &Model, field: &Field, alias: &str) -> Result<()> {
        let expr = field_of(model, field);
        Conditions::new(self.app, model.id, alias, Eyes::Caller(self.caller)).scalar(sql, &expr)
    }

    /// What a column is, and of a key what it groups by.
    fn column(
        &self,
        sql: &mut Sql,
        joins: &mut Joins<'_, 'a>,
        column: &Column<'a>,
    ) -> Result<(String, Option<String>)> {
        Ok(match &column.of {
            Of::Key(operand) => {
                let key = joins.scalar(sql, operand)?;
                (key.clone(), Some(key))
            }
            Of::Part(operand, part) => {
                let mut moment = joins.scalar(sql, operand)?;
                if self.existing(operand.model).is_some() {
                    moment = crate::existing::shown_moment(operand.column(), &moment);
                }
                let (shown, group) = part.sql(self.dialect, operand.column(), &moment);
                (shown, Some(group))
            }
            Of::Records => ("count(*)".to_owned(), None),
            Of::Count(operand) if operand.is_json() => {
                // A JSON null is no value either, as in a filter.
                let alias = joins.alias(sql, &operand.place)?;
                let inner = Box::new(field_of(operand.model, operand.field));
                let there = Expr {
                    kind: ExprKind::Not(Box::new(boolean(ExprKind::IsNull(inner)))),
                    ty: Type::Bool,
                    span: Span::default(),
                };
                let (text, done) = sql.aside(|sql| {
                    let eyes = Eyes::Caller(self.caller);
                    Conditions::new(self.app, operand.model.id, &alias, eyes).holds(sql, &there)
                });
                done?;
                (format!("count(CASE WHEN {text} THEN 1 END)"), None)
            }
            Of::Count(operand) => (format!("count({})", joins.scalar(sql, operand)?), None),
            Of::Min(operand) => (format!("min({})", joins.scalar(sql, operand)?), None),
            Of::Max(operand) => (format!("max({})", joins.scalar(sql, operand)?), None),
            Of::Sum(operand, number) => {
                let field = joins.scalar(sql, operand)?;
                (self.sum(*number, &field), None)
            }
            Of::Avg(operand, number) => {
                let field = joins.scalar(sql, operand)?;
                (self.average(*number, &field), None)
            }
        })
    }

    fn sum(&self, number: Number, field: &str) -> String {
        match (self.dialect, number) {
            // What a sum is, follows its column: a numeric of a bigint alone, and of a real no more than a real.
            (Dialect::Postgres, Number::Int) => format!("sum({field}::bigint)"),
            (Dialect::Postgres, Number::Float) => format!("sum({field}::float8)"),
            (Dialect::Postgres, Number::Decimal(_)) => format!("sum({field})"),
            // PostgreSQL fails where a sum of doubles is beyond them; SQLite would answer infinity.
            (Dialect::Sqlite, Number::Float) => format!("mainstay_finite(sum({field}))"),
            (Dialect::Sqlite, Number::Int | Number::Decimal(_)) => format!("mainstay_sum({field})"),
        }
    }

    /// Rounded half to even at [`Number::average`]'s scale.
    fn average(&self, number: Number, field: &str) -> String {
        let have = match number {
            Number::Float if self.dialect == Dialect::Postgres => return format!("avg({field})"),
            Number::Float => return format!("mainstay_finite(sum({field})) / count({field})"),
            Number::Int => 0,
            Number::Decimal(scale) => scale,
        };
        let scale = number.average();
        match self.dialect {
            Dialect::Sqlite => {
                let more = scale - have;
                format!("mainstay_avg(mainstay_sum({field}), count({field}), {more})")
            }
            // A quotient of numerics is cut somewhere behind the point, so that rounding it would round twice: the
            // remainder decides.
            Dialect::Postgres => {
                let units = format!("(sum({field}) * {}::numeric)", 10i64.pow(u32::from(scale)));
                let (n, zeros) = (format!("count({field})"), usize::from(scale) - 1);
                format!(
                    "((div({units}, {n}) + sign({units}) * CASE \
                     WHEN abs(mod({units}, {n})) * 2 > {n} THEN 1 \
                     WHEN abs(mod({units}, {n})) * 2 = {n} THEN abs(mod(div({units}, {n}), 2)) \
                     ELSE 0 END) * 0.{:0<zeros$}1)",
                    ""
                )
            }
        }
    }
}

fn field_of(model: &Model, field: &Field) -> Expr {
    Expr {
        kind: ExprKind::Field {
            place: Place::This,
            model: model.id,
            field: field.id,
        },
        ty: spec::expr::type_of(&field.ty),
        span: Span::default(),
    }
}

fn boolean(kind: ExprKind) -> Expr {
    Expr {
        kind,
        ty: Type::Bool,
        span: Span::default(),
    }
}
