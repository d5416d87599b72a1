//! Functions of texts, the same on both stores: code points, no folding of case, no patterns to escape.

use super::{Conditions, Result, constant, is_null_literal, unsupported};
use crate::sql::Sql;
use spec::expr::{Expr, ExprKind, TextFn, Type};
use spec::types::ColumnType;
use spec::{Dialect, Value};
use std::sync::Arc;

impl Conditions<'_> {
    pub(super) fn text(
        &mut self,
        sql: &mut Sql,
        function: TextFn,
        subject: &Expr,
        argument: &Expr,
        want: bool,
    ) -> Result<()> {
        if is_null_literal(subject) || is_null_literal(argument) {
            constant(sql, !want);
            return Ok(());
        }
        let needle = match &argument.kind {
            ExprKind::Literal(Value::Text(needle)) => Some(needle.clone()),
            _ => None,
        };
        sql.push("(");
        match (function, needle) {
            (TextFn::Matches, _) => {
                return Err(unsupported(
                    argument,
                    "matches is for checks and defaults; the stores' regular expressions differ",
                ));
            }
            // Every text starts with, ends with and contains the empty one.
            (_, Some(needle)) if needle.is_empty() => {
                self.string(sql, subject)?;
                sql.push(" IS NOT NULL");
            }
            (TextFn::StartsWith, Some(needle)) => {
                // A range, so that an index serves in prepared statements too.
                self.range(sql, subject)?;
                sql.push(" >= ")
                    .bind(Value::Text(needle.clone()), ColumnType::Text);
                if let Some(end) = after_prefix(&needle) {
                    sql.push(" AND ");
                    self.range(sql, subject)?;
                    sql.push(" < ").bind(Value::Text(end), ColumnType::Text);
                }
            }
            (TextFn::StartsWith, None) => match sql.dialect {
                Dialect::Postgres => {
                    self.call(sql, "starts_with(", subject, ", ", argument, ")")?
                }
                Dialect::Sqlite => {
                    self.call(sql, "substr(", subject, ", 1, length(", argument, ")) = ")?;
                    self.string(sql, argument)?;
                }
            },
            (TextFn::EndsWith, _) => match sql.dialect {
                Dialect::Postgres => {
                    self.call(sql, "right(", subject, ", char_length(", argument, ")) = ")?;
                    self.string(sql, argument)?;
                }
                Dialect::Sqlite => {
                    // substr(s, -0) is the whole text, not the empty end of it; and a needle longer than the
                    // text would be compared with all of it.
                    self.call(
                        sql,
                        "CASE WHEN length(",
                        argument,
                        ") = 0 THEN ",
                        subject,
                        " IS NOT NULL ELSE ",
                    )?;
                    self.call(sql, "substr(", subject, ", -length(", argument, ")) = ")?;
                    self.string(sql, argument)?;
                    sql.push(" END");
                }
            },
            (TextFn::Contains, _) => {
                let name = if sql.dialect == Dialect::Postgres {
                    "strpos("
                } else {
                    "instr("
                };
                self.call(sql, name, subject, ", ", argument, ") > 0")?;
            }
        }
        sql.push(if want { ")" } else { ") IS NOT TRUE" });
        Ok(())
    }

    fn call(
        &mut self,
        sql: &mut Sql,
        open: &str,
        a: &Expr,
        between: &str,
        b: &Expr,
        close: &str,
    ) -> Result<()> {
        sql.push(open);
        self.string(sql, a)?;
        sql.push(between);
        self.string(sql, b)?;
        sql.push(close);
        Ok(())
    }

    /// A text operand whose order is asked for.
    fn range(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        match expr.ty {
            Type::Dyn => self.string(sql, expr),
            _ => self.ordered(sql, expr),
        }
    }

    /// A text operand; a JSON value counts when it is a string.
    pub(super) fn string(&mut self, sql: &mut Sql, expr: &Expr) -> Result<()> {
        if expr.ty != Type::Dyn {
            return self.scalar(sql, expr);
        }
        sql.push("(CASE WHEN ");
        self.json_kind(sql, expr)?;
        match sql.dialect {
            Dialect::Postgres => {
                sql.push(" = 'string' THEN (");
                self.json(sql, expr)?;
                sql.push(" #>> '{}') COLLATE \"C\" END)");
            }
            Dialect::Sqlite => {
                sql.push(" = 'text' THEN ");
                self.json_value(sql, expr)?;
                sql.push(" END)");
            }
        }
        Ok(())
    }
}

/// The least text that is greater than every text with this prefix, in code-point order; none if there is none.
pub fn after_prefix(prefix: &str) -> Option<Arc<str>> {
    let mut chars: Vec<char> = prefix.chars().collect();
    while let Some(last) = chars.pop() {
        let next = match last {
            // Surrogates are no characters.
            '\u{D7FF}' => Some('\u{E000}'),
            other => char::from_u32(other as u32 + 1),
        };
        if let Some(next) = next {
            chars.push(next);
            return Some(chars.into_iter().collect::<String>().into());
        }
    }
    None
}
