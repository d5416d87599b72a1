//! Order and keyset pages: `id` last, nulls lowest on both stores, and never a page by offset.

use crate::condition::{Conditions, Unsupported};
use crate::resolve::Sort;
use crate::sql::Sql;
use spec::Value;
use spec::expr::{Comparison, Expr, ExprKind, Span, Type};

type Result<T> = std::result::Result<T, Unsupported>;

/// ` ORDER BY …`, every column qualified, the place of nulls always written: PostgreSQL uses an index only
/// where it agrees, and its own default differs from SQLite's.
pub fn order_by(sql: &mut Sql, conditions: &mut Conditions<'_>, sort: &[Sort]) -> Result<()> {
    sql.push(" ORDER BY ");
    for (i, term) in sort.iter().enumerate() {
        if i > 0 {
            sql.push(", ");
        }
        conditions.ordered(sql, &term.expr)?;
        let by_key = term.column == Some(spec::model::ID);
        sql.push(match (term.descending, by_key) {
            // A key has no nulls, and the index of a primary key cannot declare where they would be.
            (false, true) => " ASC",
            (true, true) => " DESC",
            (false, false) => " ASC NULLS FIRST",
            (true, false) => " DESC NULLS LAST",
        });
    }
    Ok(())
}

/// Where a page begins: behind the record with these sort keys.
pub struct After<'a> {
    pub sort: &'a [Sort],
    pub keys: &'a [Value],
}

/// One part of a page: rows that agree in the first `equal` keys and lie behind in the next one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Branch {
    equal: usize,
    then: Then,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Then {
    /// All keys at once, as a row value.
    Row,
    /// Behind the key in its direction, and not null.
    Behind,
    Null,
    NotNull,
}

impl After<'_> {
    /// The disjoint parts of the page, in order. One where a row value does it: all terms in one direction
    /// and none nullable.
    pub fn branches(&self) -> Vec<Branch> {
        let descending = self.sort[0].descending;
        if self
            .sort
            .iter()
            .all(|s| s.descending == descending && !s.nullable)
        {
            return vec![Branch {
                equal: 0,
                then: Then::Row,
            }];
        }
        let mut out = Vec::new();
        for equal in (0..self.sort.len()).rev() {
            let (term, key) = (&self.sort[equal], &self.keys[equal]);
            let mut add = |then| out.push(Branch { equal, then });
            match (key.is_null(), term.descending) {
                // Nulls come first: behind them is everything else.
                (true, false) => add(Then::NotNull),
                // Nulls come last: nothing is behind them.
                (true, true) => {}
                (false, false) => add(Then::Behind),
                (false, true) => {
                    add(Then::Behind);
                    if term.nullable {
                        add(Then::Null);
                    }
                }
            }
        }
        out
    }

    /// Writes the condition of one branch.
    pub fn condition(
        &self,
        sql: &mut Sql,
        conditions: &mut Conditions<'_>,
        branch: Branch,
    ) -> Result<()> {
        if branch.then == Then::Row {
            sql.push("(");
            for (i, term) in self.sort.iter().enumerate() {
                if i > 0 {
                    sql.push(", ");
                }
                conditions.ordered(sql, &term.expr)?;
            }
            sql.push(if self.sort[0].descending {
                ") < ("
            } else {
                ") > ("
            });
            for (i, (term, key)) in self.sort.iter().zip(self.keys).enumerate() {
                if i > 0 {
                    sql.push(", ");
                }
                conditions.scalar(sql, &literal(key, &term.expr.ty))?;
            }
            sql.push(")");
            return Ok(());
        }
        for (term, key) in self.sort.iter().zip(self.keys).take(branch.equal) {
            conditions.scalar(sql, &term.expr)?;
            if key.is_null() {
                sql.push(" IS NULL AND ");
            } else {
                sql.push(" = ");
                conditions.scalar(sql, &literal(key, &term.expr.ty))?;
                sql.push(" AND ");
            }
        }
        let (term, key) = (&self.sort[branch.equal], &self.keys[branch.equal]);
        match branch.then {
            Then::Null | Then::NotNull => {
                conditions.scalar(sql, &term.expr)?;
                sql.push(if branch.then == Then::Null {
                    " IS NULL"
                } else {
                    " IS NOT NULL"
                });
            }
            Then::Behind | Then::Row => {
                conditions.ordered(sql, &term.expr)?;
                sql.push(if term.descending { " < " } else { " > " });
                conditions.scalar(sql, &literal(key, &term.expr.ty))?;
            }
        }
        Ok(())
    }
}

fn literal(value: &Value, ty: &Type) -> Expr {
    Expr::literal(value.clone(), ty.clone(), Span::default())
}

/// The fields that a conjunction fixes to one value: an index may begin with them in any order.
pub fn fixed_fields(expr: &Expr, out: &mut Vec<spec::FieldId>) {
    match &expr.kind {
        ExprKind::And(parts) => parts.iter().for_each(|part| fixed_fields(part, out)),
        ExprKind::Compare {
            op: Comparison::Eq,
            left,
            right,
        } => {
            for (side, other) in [(left, right), (right, left)] {
                if let ExprKind::Field {
                    place: spec::expr::Place::This,
                    field,
                    ..
                } = &side.kind
                    && matches!(other.kind, ExprKind::Literal(_))
                {
                    out.push(*field);
                }
            }
        }
        _ => {}
    }
}
