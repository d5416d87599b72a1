//! Quantifiers and membership: over lists, over what a list is known to be, and over related records.

use super::*;

impl Conditions<'_> {
    pub(super) fn quantified(
        &mut self,
        sql: &mut Sql,
        all: bool,
        over: &Over,
        body: &Expr,
        want: bool,
    ) -> Result<()> {
        // exists(p) is EXISTS(p); all(p) is NOT EXISTS(not p).
        let negate = all == want;
        match over {
            Over::Related {
                place,
                model,
                field,
            } => {
                let child = self.app.model(*model);
                let alias = sql.alias("m");
                sql.push(if negate {
                    "NOT EXISTS (SELECT 1 FROM "
                } else {
                    "EXISTS (SELECT 1 FROM "
                });
                sql.table(child).push(" ").push(&alias).push(" WHERE ");
                self.bound.push(Bound::Record {
                    alias: alias.clone(),
                    model: *model,
                });
                let var = Place::Var((self.bound.len() - 1) as u8);
                self.field(sql, &var, *model, *field)?;
                sql.push(" = ");
                self.at(sql, place, &mut |sql, alias| {
                    sql.column(alias, "id");
                    Ok(())
                })?;
                self.target_rule(sql, child, &alias)?;
                sql.push(" AND ");
                let done = self.truth(sql, body, !all);
                self.bound.pop();
                done?;
                sql.push(")");
            }
            Over::List(list) => match literal_items(list) {
                Some(items) => {
                    // `all` over nothing is true, `exists` over nothing is not.
                    if items.is_empty() {
                        constant(sql, all == want);
                        return Ok(());
                    }
                    self.joined(sql, all == want, &items, |this, sql, item| {
                        this.bound.push(Bound::Literal(item.clone()));
                        let done = this.truth(sql, body, want);
                        this.bound.pop();
                        done
                    })?;
                }
                None => {
                    // Of what is no list, null included, neither `exists` nor `all` can be said.
                    if all {
                        sql.push(if want { "(" } else { "(coalesce(" });
                        self.json_kind(sql, list)?;
                        sql.push(if want {
                            " = 'array' AND "
                        } else {
                            ", '') <> 'array' OR "
                        });
                    }
                    let alias = sql.alias("j");
                    sql.push(if negate {
                        "NOT EXISTS (SELECT 1 FROM "
                    } else {
                        "EXISTS (SELECT 1 FROM "
                    });
                    self.unpack(sql, list, &alias)?;
                    sql.push(" WHERE ");
                    self.bound.push(Bound::Item { alias });
                    let done = self.truth(sql, body, !all);
                    self.bound.pop();
                    done?;
                    sql.push(if all { "))" } else { ")" });
                }
            },
        }
        Ok(())
    }

    /// The items of a JSON array as rows.
    pub(super) fn unpack(&mut self, sql: &mut Sql, list: &Expr, alias: &str) -> Result<()> {
        match sql.dialect {
            Dialect::Postgres => {
                sql.push("jsonb_array_elements(CASE WHEN jsonb_typeof(");
                self.json(sql, list)?;
                sql.push(") = 'array' THEN ");
                self.json(sql, list)?;
                sql.push(" END) ").push(alias).push("(v)");
            }
            Dialect::Sqlite => {
                sql.push("json_each(CASE WHEN ");
                self.json_kind(sql, list)?;
                sql.push(" = 'array' THEN ");
                self.json(sql, list)?;
                sql.push(" END) ").push(alias);
            }
        }
        Ok(())
    }

    pub(super) fn element(&mut self, sql: &mut Sql, var: u8, ty: &Type) {
        match self.bound.get(usize::from(var)).cloned() {
            Some(Bound::Literal(Value::Bool(value))) => constant(sql, value),
            Some(Bound::Literal(Value::Null)) => {
                sql.push("NULL");
            }
            Some(Bound::Literal(value)) => {
                sql.bind(value, column_type(ty).unwrap_or(ColumnType::Text));
            }
            Some(Bound::Item { alias }) => match (sql.dialect, ty) {
                (Dialect::Sqlite, _) => {
                    sql.push(&alias).push(".value");
                }
                (Dialect::Postgres, Type::Int) => {
                    sql.push("(").push(&alias).push(".v #>> '{}')::bigint");
                }
                (Dialect::Postgres, Type::Float) => {
                    sql.push("(")
                        .push(&alias)
                        .push(".v #>> '{}')::double precision");
                }
                (Dialect::Postgres, Type::Bool) => {
                    sql.push("(").push(&alias).push(".v #>> '{}')::boolean");
                }
                (Dialect::Postgres, Type::Dyn) => {
                    sql.push(&alias).push(".v");
                }
                (Dialect::Postgres, _) => {
                    sql.push("((")
                        .push(&alias)
                        .push(".v #>> '{}') COLLATE \"C\")");
                }
            },
            // A record variable is never used as a scalar: the checker refuses it.
            Some(Bound::Record { .. }) | None => {
                sql.push("NULL");
            }
        }
    }

    pub(super) fn member(
        &mut self,
        sql: &mut Sql,
        item: &Expr,
        list: &Expr,
        want: bool,
    ) -> Result<()> {
        if is_null_literal(item) {
            constant(sql, !want);
            return Ok(());
        }
        if let Some(items) = literal_items(list) {
            let items: Vec<Value> = items.iter().filter(|v| !v.is_null()).cloned().collect();
            if items.is_empty() {
                constant(sql, !want);
                return Ok(());
            }
            // In a list that is written out, this one is written for each of its items.
            if self.bound.iter().any(|b| matches!(b, Bound::Literal(_))) {
                self.count(list, items.len())?;
            }
            if item.ty == Type::Dyn {
                // Each is compared as what it is: the list's own type is as open as the item's.
                let any: Vec<Expr> = items
                    .into_iter()
                    .map(|v| {
                        let ty = json_type(&v);
                        equal(item, Expr::literal(v, ty, list.span))
                    })
                    .collect();
                return self.truth(
                    sql,
                    &Expr {
                        kind: ExprKind::Or(any),
                        ty: Type::Bool,
                        span: item.span,
                    },
                    want,
                );
            }
            let ty = column_type(&item.ty)
                .ok_or_else(|| unsupported(item, "this value has no column type"))?;
            let wrap = !want && self.nullable(item);
            if wrap {
                sql.push("(");
            }
            self.scalar(sql, item)?;
            let not = !want && !wrap;
            match sql.dialect {
                Dialect::Postgres => {
                    sql.push(if not { " <> ALL(" } else { " = ANY(" });
                    sql.bind_array(Arc::from(items), ty).push(")");
                }
                Dialect::Sqlite => {
                    sql.push(if not { " NOT IN (" } else { " IN (" });
                    for (i, value) in items.into_iter().enumerate() {
                        if i > 0 {
                            sql.push(", ");
                        }
                        sql.bind(value, ty);
                    }
                    sql.push(")");
                }
            }
            if wrap {
                sql.push(") IS NOT TRUE");
            }
            return Ok(());
        }
        if let ExprKind::List(items) = &list.kind {
            let any: Vec<Expr> = items
                .iter()
                .map(|other| equal(item, other.clone()))
                .collect();
            return self.truth(
                sql,
                &Expr {
                    kind: ExprKind::Or(any),
                    ty: Type::Bool,
                    span: item.span,
                },
                want,
            );
        }
        // A JSON array: one of its items equals.
        let alias = sql.alias("j");
        sql.push(if want {
            "EXISTS (SELECT 1 FROM "
        } else {
            "NOT EXISTS (SELECT 1 FROM "
        });
        self.unpack(sql, list, &alias)?;
        sql.push(" WHERE ");
        self.bound.push(Bound::Item { alias });
        let element = Expr {
            kind: ExprKind::Element((self.bound.len() - 1) as u8),
            ty: item_type(&list.ty),
            span: list.span,
        };
        let done = self.compare(sql, Comparison::Eq, &element, item, true);
        self.bound.pop();
        done?;
        sql.push(")");
        Ok(())
    }
}
