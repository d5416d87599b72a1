//! Operands inside JSON: `attributes.color`, items of lists, undeclared fields. A comparison with a value of
//! another kind is false, so every one asks for the kind first; `CASE` keeps a store from casting before it.

use super::{Bound, Conditions, Result, symbol, unsupported};
use crate::schema::EXTRA;
use crate::sql::Sql;
use spec::expr::{Comparison, Expr, ExprKind, PathStep, Type};
use spec::types::ColumnType;
use spec::{Dialect, Value};

impl Conditions<'_> {
    pub(super) fn compare_json(
        &mut self,
        sql: &mut Sql,
        op: Comparison,
        json: &Expr,
        other: &Expr,
    ) -> Result<()> {
        let whole;
        let other = match whole_number(other) {
            Some(n) => {
                whole = Expr::literal(Value::Int(n), Type::Int, other.span);
                &whole
            }
            None => other,
        };
        let (kinds, text): (&[&str], bool) = match (&other.ty, sql.dialect) {
            (Type::Bool, Dialect::Postgres) => (&["boolean"], false),
            (Type::Bool, Dialect::Sqlite) => (&["true", "false"], false),
            (Type::Int | Type::Float, Dialect::Postgres) => (&["number"], false),
            (Type::Int | Type::Float, Dialect::Sqlite) => (&["integer", "real"], false),
            (Type::String | Type::Uuid, Dialect::Postgres) => (&["string"], true),
            (Type::String | Type::Uuid, Dialect::Sqlite) => (&["text"], true),
            _ => {
                return Err(unsupported(
                    other,
                    "a JSON value compares with text, numbers and booleans only",
                ));
            }
        };
        sql.push("CASE WHEN ");
        self.json_kind(sql, json)?;
        sql.push(" IN (");
        for (i, kind) in kinds.iter().enumerate() {
            sql.push(if i > 0 { ", '" } else { "'" })
                .push(kind)
                .push("'");
        }
        sql.push(") THEN ");
        match sql.dialect {
            Dialect::Sqlite => self.json_value(sql, json)?,
            Dialect::Postgres => {
                sql.push("(");
                self.json(sql, json)?;
                sql.push(" #>> '{}')");
                sql.push(match other.ty {
                    Type::Bool => "::boolean",
                    // JSON has whole numbers that no double tells apart.
                    Type::Int => "::numeric",
                    Type::Float => "::double precision",
                    _ => " COLLATE \"C\"",
                });
            }
        }
        sql.push(symbol(op));
        match (&other.ty, &other.kind, sql.dialect) {
            (Type::Uuid, ExprKind::Literal(value), _) => {
                sql.bind(Value::text(&value.key_text()), ColumnType::Text);
            }
            (Type::Uuid, _, Dialect::Postgres) => {
                self.scalar(sql, other)?;
                sql.push("::text");
            }
            (Type::Uuid, _, Dialect::Sqlite) => {
                return Err(unsupported(
                    other,
                    "an id inside JSON cannot be compared with an id field here; use a relation",
                ));
            }
            _ if text => self.string(sql, other)?,
            _ => self.scalar(sql, other)?,
        }
        sql.push(" END");
        Ok(())
    }

    /// The kind of a JSON operand, in the store's words; null where there is none.
    pub(super) fn json_kind(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        match sql.dialect {
            Dialect::Postgres => {
                sql.push("jsonb_typeof(");
                self.json(sql, expr)?;
                sql.push(")");
            }
            Dialect::Sqlite => match self.sqlite_path(expr)? {
                SqlitePath::Item(alias) => {
                    sql.push(&alias).push(".type");
                }
                SqlitePath::Inside { base, path } => {
                    sql.push("json_type(");
                    self.sqlite_base(sql, base)?;
                    if !path.is_empty() {
                        sql.push(", ")
                            .bind(Value::text(&format!("${path}")), ColumnType::Text);
                    }
                    sql.push(")");
                }
            },
        }
        Ok(())
    }

    /// The value of a JSON operand on SQLite: a scalar as itself, the rest as JSON text.
    pub(super) fn json_value(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        match self.sqlite_path(expr)? {
            SqlitePath::Item(alias) => {
                sql.push(&alias).push(".value");
            }
            SqlitePath::Inside { base, path } => {
                sql.push("json_extract(");
                self.sqlite_base(sql, base)?;
                sql.push(", ")
                    .bind(Value::text(&format!("${path}")), ColumnType::Text)
                    .push(")");
            }
        }
        Ok(())
    }

    /// A JSON operand as JSON.
    pub(super) fn json(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        match (&expr.kind, sql.dialect) {
            (ExprKind::Path { base, steps }, Dialect::Postgres) => {
                // `'"a"'::jsonb -> 0` is `"a"`: a bare scalar is an array of one inside. Strictly, it is not.
                for step in steps.iter().rev() {
                    sql.push(match step {
                        PathStep::Member(_) => "(",
                        PathStep::Index(_) => "jsonb_path_query_first(",
                    });
                }
                self.json(sql, base)?;
                for step in steps {
                    match step {
                        PathStep::Member(name) => sql
                            .push(" -> ")
                            .bind(Value::Text(name.clone()), ColumnType::Text)
                            .push(")"),
                        PathStep::Index(at) => {
                            sql.push(", 'strict $[").number(*at).push("]', '{}', true)")
                        }
                    };
                }
            }
            (ExprKind::Path { .. }, Dialect::Sqlite) => self.json_value(sql, expr)?,
            (ExprKind::Extra { place, .. }, _) => self.at(sql, place, &mut |sql, alias| {
                sql.column(alias, EXTRA);
                Ok(())
            })?,
            (
                ExprKind::Field {
                    place,
                    model,
                    field,
                },
                _,
            ) => self.field(sql, place, *model, *field)?,
            (ExprKind::Element(var), _) => self.element(sql, *var, &expr.ty),
            _ => return Err(unsupported(expr, "this is no JSON of the record")),
        }
        Ok(())
    }

    fn sqlite_path<'e>(&self, expr: &'e Expr) -> Result<SqlitePath<'e>> {
        match &expr.kind {
            ExprKind::Path { base, steps } => {
                let mut path = String::new();
                for step in steps {
                    match step {
                        PathStep::Member(name) => {
                            if name.contains(['"', '\\']) {
                                return Err(unsupported(
                                    expr,
                                    "a JSON key with a quote or a backslash cannot be looked up",
                                ));
                            }
                            path.push_str(".\"");
                            path.push_str(name);
                            path.push('"');
                        }
                        PathStep::Index(at) => path.push_str(&format!("[{at}]")),
                    }
                }
                match self.sqlite_path(base)? {
                    SqlitePath::Item(_) => Ok(SqlitePath::Inside { base, path }),
                    SqlitePath::Inside { base, path: before } => Ok(SqlitePath::Inside {
                        base,
                        path: before + &path,
                    }),
                }
            }
            ExprKind::Element(var) => match self.bound.get(usize::from(*var)) {
                Some(Bound::Item { alias }) => Ok(SqlitePath::Item(alias.clone())),
                _ => Err(unsupported(expr, "this is no JSON of the record")),
            },
            _ => Ok(SqlitePath::Inside {
                base: expr,
                path: String::new(),
            }),
        }
    }

    /// The JSON text that a path starts from. An item of an array is JSON only when it is an object or array:
    /// a bare text would be malformed JSON, which is an error and not null.
    fn sqlite_base(&mut self, sql: &mut Sql, base: &Expr) -> Result<()> {
        if let ExprKind::Element(var) = base.kind
            && let Some(Bound::Item { alias }) = self.bound.get(usize::from(var)).cloned()
        {
            sql.push("CASE WHEN ")
                .push(&alias)
                .push(".type IN ('object', 'array') THEN ");
            sql.push(&alias).push(".value END");
            return Ok(());
        }
        self.json(sql, base)
    }
}

/// The whole number that a double literal is, where its neighbours among JSON's whole numbers would be the
/// same double.
fn whole_number(expr: &Expr) -> Option<i64> {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    const END: f64 = 9_223_372_036_854_775_808.0;
    match expr.kind {
        ExprKind::Literal(Value::Float(x)) if (EXACT..END).contains(&x.abs()) => Some(x as i64),
        _ => None,
    }
}

enum SqlitePath<'e> {
    /// An item of an unpacked array.
    Item(String),
    Inside {
        base: &'e Expr,
        path: String,
    },
}
