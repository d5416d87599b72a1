//! Quantifiers and membership: over lists, over what a list is known to be, and over related records.

use super::*;

impl Conditions<'_> {
    pub(super) fn quantified(
        &mut self,
        sql: &mut Sql,
        all: bool,
        over: &Over,
        var: u8,
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
                let bound = Bound::Record {
                    alias: alias.clone(),
                    model: *model,
                };
                self.binding(var, bound, |this| {
                    this.field(sql, &Place::Var(var), *model, *field)?;
                    sql.push(" = ");
                    this.at(sql, place, &mut |sql, alias| {
                        sql.column(alias, "id");
                        Ok(())
                    })?;
                    this.target_rule(sql, child, &alias)?;
                    sql.push(" AND ");
                    this.truth(sql, body, !all)
                })?;
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
                        let bound = Bound::Literal(item.clone());
                        this.binding(var, bound, |this| this.truth(sql, body, want))
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
                    self.some_item(sql, list, var, !negate, |this, sql| {
                        this.truth(sql, body, !all)
                    })?;
                    sql.push(if all { ")" } else { "" });
                }
            },
        }
        Ok(())
    }

    /// Whether some item of a JSON array (or, where not `yes`, none) meets a condition.
    fn some_item(
        &mut self,
        sql: &mut Sql,
        list: &Expr,
        var: u8,
        yes: bool,
        condition: impl FnOnce(&mut Self, &mut Sql) -> Result<()>,
    ) -> Result<()> {
        let alias = sql.alias("j");
        sql.push(if yes { "" } else { "NOT " });
        sql.push("EXISTS (SELECT 1 FROM ");
        self.unpack(sql, list, &alias)?;
        sql.push(" WHERE ");
        self.binding(var, Bound::Item { alias }, |this| condition(this, sql))?;
        sql.push(")");
        Ok(())
    }

    /// Writes what a variable stands for something in. Variables are counted through the whole expression, also where
    /// folding has written out the list of an outer one.
    fn binding(
        &mut self,
        var: u8,
        bound: Bound,
        write: impl FnOnce(&mut Self) -> Result<()>,
    ) -> Result<()> {
        let at = usize::from(var);
        let before = at.min(self.bound.len());
        let others = self.bound.split_off(before);
        self.bound.resize(at, Bound::Nothing);
        self.bound.push(bound);
        let done = write(self);
        self.bound.truncate(before);
        self.bound.extend(others);
        done
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
                collate(sql, ty);
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
            Some(Bound::Record { .. } | Bound::Nothing) | None => {
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
                let others = items.into_iter().map(|value| {
                    let ty = json_type(&value);
                    Expr::literal(value, ty, list.span)
                });
                return self.any_equal(sql, item, others, want);
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
            return self.any_equal(sql, item, items.iter().cloned(), want);
        }
        // A JSON array: one of its items equals.
        let var = self.bound.len() as u8;
        self.some_item(sql, list, var, want, |this, sql| {
            let element = Expr {
                kind: ExprKind::Element(var),
                ty: item_type(&list.ty),
                span: list.span,
            };
            this.compare(sql, Comparison::Eq, &element, item, true)
        })
    }

    fn any_equal(
        &mut self,
        sql: &mut Sql,
        item: &Expr,
        others: impl Iterator<Item = Expr>,
        want: bool,
    ) -> Result<()> {
        let any = Expr {
            kind: ExprKind::Or(others.map(|other| equal(item, other)).collect()),
            ty: Type::Bool,
            span: item.span,
        };
        self.truth(sql, &any, want)
    }
}
