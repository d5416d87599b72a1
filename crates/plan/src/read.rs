//! Reading: one record, a page of a list, records by their ids, and what a write needs to know beforehand.

use crate::Caller;
use crate::access::{self, Verb};
use crate::condition::{Conditions, Eyes, Unsupported};
use crate::expand::Selects;
use crate::many::Hold;
use crate::page::{After, fixed_fields, order_by};
use crate::resolve::{Sort, Want};
use crate::schema::EXTRA;
use crate::search::Search;
use crate::sql::Sql;
use spec::expr::Expr;
use spec::model::ID;
use spec::statement::{Capture, Lane, Output, Shape, Source, Statement};
use spec::types::ColumnType;
use spec::{App, Dialect, Field, Model, ModelId, Rule, Value};

type Result<T> = std::result::Result<T, Unsupported>;

/// Parameters of a statement: SQLite takes 32,766, PostgreSQL 65,535.
const PARAMETERS: usize = 30_000;

/// What every plan of an operation depends on.
#[derive(Clone, Copy)]
pub struct Planner<'a> {
    pub app: &'a App,
    pub dialect: Dialect,
    pub caller: Caller<'a>,
}

/// A page of a list. Its statement captures the sort keys of the last record, for the next cursor.
pub struct Page<'w, 'a> {
    pub want: &'w Want<'a>,
    pub filter: Option<&'w Expr>,
    pub sort: &'w [Sort],
    pub after: Option<&'w [Value]>,
    pub limit: u32,
    /// Without a sort order the best come first, and `after` is the rank and the key of the last record.
    pub search: Option<&'w Search<'a>>,
    /// Whether what the search found is shown.
    pub snippets: bool,
}

impl<'a> Planner<'a> {
    pub(crate) fn selects(&self) -> Selects<'a> {
        Selects {
            app: self.app,
            caller: self.caller,
        }
    }

    /// For what rules say of a row called `alias`.
    pub(crate) fn rules<'s>(&self, model: &Model, alias: &'s str) -> Conditions<'s>
    where
        'a: 's,
    {
        Conditions::new(self.app, model.id, alias, Eyes::Rule)
    }

    /// The fields that a caller sees on some records only, with their rules.
    pub fn guarded<'m>(&self, model: &'m Model) -> Vec<(&'m Field, Rule)> {
        let guarded = |field: &'m Field| match access::field_read(field, self.caller) {
            rule @ Rule::When(_) => Some((field, rule)),
            Rule::Allow | Rule::Deny => None,
        };
        model
            .fields
            .iter()
            .filter(|f| !f.hidden)
            .filter_map(guarded)
            .collect()
    }

    /// One record by its key. It captures the version, then whether each of [`Planner::guarded`] is seen:
    /// an entity tag depends on the view, whatever part of it was asked for. None where the caller may read no record at all.
    pub fn one(&self, want: &Want<'_>, id: Value) -> Result<Option<Statement>> {
        let model = want.model;
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(None);
        }
        let mut sql = Sql::new(self.dialect);
        let mut piece = self.selects().record(&mut sql, want, "t")?;
        piece.add("t.\"version\"");
        piece.outputs.push(Output::Captured {
            ty: ColumnType::Int,
        });
        // A record that was deleted and created again is at version 1 again.
        if let Some(created_at) = model.created_at() {
            let captured = Output::Captured {
                ty: ColumnType::Timestamp,
            };
            match piece.shared(created_at) {
                Some(at) => piece.outputs.push(Output::Shared {
                    source: Source::Row(at),
                    output: Box::new(captured),
                }),
                None => {
                    piece.add("t.\"created_at\"");
                    piece.outputs.push(captured);
                }
            }
        }
        for (_, rule) in self.guarded(model) {
            let (condition, done) = sql.aside(|sql| self.rules(model, "t").rule(sql, &rule));
            done?;
            piece.add(&format!("({condition}) IS TRUE"));
            piece.outputs.push(Output::Captured {
                ty: ColumnType::Bool,
            });
        }
        sql.push("SELECT ").push(piece.list()).push(" FROM ");
        sql.table(model).push(" t").push(&piece.joins);
        sql.push(" WHERE t.\"id\" = ").bind(id, model.key.column());
        if !matches!(rule, Rule::Allow) {
            sql.push(" AND ");
            self.rules(model, "t").rule(&mut sql, &rule)?;
        }
        Ok(Some(sql.statement(
            Shape {
                columns: piece.outputs,
                capture: Capture::Every,
            },
            Lane::Bounded,
        )))
    }

    /// A page. None where the caller may read no record at all: the page is empty.
    pub fn page(&self, page: &Page<'_, '_>) -> Result<Option<Statement>> {
        if let Some(search) = page.search.filter(|_| page.sort.is_empty()) {
            return self.ranked(page, search);
        }
        let model = page.want.model;
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(None);
        }
        let mut sql = Sql::new(self.dialect);
        let mut piece = self.selects().record(&mut sql, page.want, "t")?;
        if let Some(search) = page.search.filter(|_| page.snippets) {
            self.snippets(&mut sql, model, search, &mut piece)?;
        }
        let mut asker = Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller));
        for term in page.sort {
            let ty = self.sort_column(term);
            let output = Output::Captured { ty };
            if let Some(at) = term.column.and_then(|field| piece.shared(field)) {
                piece.outputs.push(Output::Shared {
                    source: Source::Row(at),
                    output: Box::new(output),
                });
                continue;
            }
            let (key, done) = sql.aside(|sql| asker.scalar(sql, &term.expr));
            done?;
            piece.add(&key);
            piece.outputs.push(output);
        }
        sql.push("SELECT ").push(piece.list()).push(" FROM ");
        let after = page.after.map(|keys| After {
            sort: page.sort,
            keys,
        });
        let branches = after.as_ref().map(After::branches).unwrap_or_default();
        let rows = u64::from(page.limit) + 1;
        match (&after, branches.as_slice()) {
            // Nothing lies behind the cursor.
            (Some(_), []) => return Ok(None),
            (None, _) | (Some(_), [_]) if piece.joins.is_empty() => {
                sql.table(model).push(" t");
                self.page_where(
                    &mut sql,
                    page,
                    &rule,
                    after.as_ref().zip(branches.first().copied()),
                )?;
            }
            (None, _) | (Some(_), [_]) => {
                sql.push("(SELECT t.* FROM ").table(model).push(" t");
                self.page_where(
                    &mut sql,
                    page,
                    &rule,
                    after.as_ref().zip(branches.first().copied()),
                )?;
                order_by(&mut sql, &mut asker, page.sort)?;
                sql.push(" LIMIT ")
                    .number(rows)
                    .push(") t")
                    .push(&piece.joins);
            }
            (Some(after), several) => {
                sql.push("(");
                for (i, branch) in several.iter().enumerate() {
                    let alias = format!("b{i}");
                    sql.push(if i > 0 {
                        " UNION ALL SELECT "
                    } else {
                        "SELECT "
                    });
                    sql.push(&alias)
                        .push(".* FROM (SELECT t.* FROM ")
                        .table(model)
                        .push(" t");
                    self.page_where(&mut sql, page, &rule, Some((after, *branch)))?;
                    order_by(&mut sql, &mut asker, page.sort)?;
                    sql.push(" LIMIT ").number(rows).push(") ").push(&alias);
                }
                sql.push(") t").push(&piece.joins);
            }
        }
        order_by(&mut sql, &mut asker, page.sort)?;
        sql.push(" LIMIT ").number(rows);
        self.bindable(&sql)?;
        let lane = if page.search.is_some() {
            Lane::ByValues
        } else if self.bounded(page, &rule) {
            Lane::Bounded
        } else {
            Lane::Unbounded
        };
        Ok(Some(sql.statement(
            Shape {
                columns: piece.outputs,
                capture: Capture::Last,
            },
            lane,
        )))
    }

    /// A filter stands in the statement once for each branch behind a cursor, and stores bound their parameters.
    fn bindable(&self, sql: &Sql) -> Result<()> {
        if sql.params.len() <= PARAMETERS {
            return Ok(());
        }
        let nodes = self.app.settings.limits.filter_nodes;
        Err(Unsupported {
            span: spec::expr::Span::default(),
            reason: format!("it needs {} parameters", sql.params.len()),
            limit: Some(("limits.filter_nodes", u64::from(nodes))),
        })
    }

    fn sort_column(&self, term: &Sort) -> ColumnType {
        match &term.expr.kind {
            spec::expr::ExprKind::Field { model, field, .. } => {
                let model = self.app.model(*model);
                if *field == ID {
                    model.key.column()
                } else {
                    model.field(*field).ty.column()
                }
            }
            // Sort terms are made of fields only.
            _ => ColumnType::Text,
        }
    }

    fn page_where(
        &self,
        sql: &mut Sql,
        page: &Page<'_, '_>,
        rule: &Rule,
        after: Option<(&After<'_>, crate::page::Branch)>,
    ) -> Result<()> {
        let model = page.want.model;
        let mut word = " WHERE ";
        if let Some(filter) = page.filter {
            sql.push(word);
            Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller))
                .holds(sql, filter)?;
            word = " AND ";
        }
        if !matches!(rule, Rule::Allow) {
            sql.push(word);
            self.rules(model, "t").rule(sql, rule)?;
            word = " AND ";
        }
        if let Some(search) = page.search {
            sql.push(word);
            self.found(sql, model, search)?;
            word = " AND ";
        }
        if let Some((after, branch)) = after {
            sql.push(word);
            let mut asker = Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller));
            after.condition(sql, &mut asker, branch)?;
        }
        Ok(())
    }

    /// How many records match, all pages together. None where the caller may read no record at all.
    pub fn count(
        &self,
        model: &Model,
        filter: Option<&Expr>,
        search: Option<&Search<'_>>,
    ) -> Result<Option<Statement>> {
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(None);
        }
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT count(*) FROM ")
            .table(model)
            .push(" t WHERE ");
        self.rules(model, "t").rule(&mut sql, &rule)?;
        if let Some(filter) = filter {
            sql.push(" AND ");
            Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller))
                .holds(&mut sql, filter)?;
        }
        if let Some(search) = search {
            sql.push(" AND ");
            self.found(&mut sql, model, search)?;
        }
        self.bindable(&sql)?;
        let lane = match search {
            Some(_) => Lane::ByValues,
            None => Lane::Unbounded,
        };
        let shape = Shape {
            columns: vec![Output::Captured {
                ty: ColumnType::Int,
            }],
            capture: Capture::Every,
        };
        Ok(Some(sql.statement(shape, lane)))
    }

    /// The readable ones among these records, in any order; each row captures its key.
    pub fn by_ids(&self, want: &Want<'_>, ids: Vec<Value>) -> Result<Option<Statement>> {
        let model = want.model;
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) || ids.is_empty() {
            return Ok(None);
        }
        let key = model.key.column();
        let mut sql = Sql::new(self.dialect);
        let mut piece = self.selects().record(&mut sql, want, "t")?;
        piece.add("t.\"id\"");
        sql.push("SELECT ").push(piece.list()).push(" FROM ");
        sql.table(model).push(" t").push(&piece.joins);
        sql.push(" WHERE t.\"id\"");
        match self.dialect {
            Dialect::Postgres => {
                sql.push(" = ANY(").bind_array(ids.into(), key).push(")");
            }
            Dialect::Sqlite => {
                sql.push(" IN (");
                for (i, id) in ids.into_iter().enumerate() {
                    if i > 0 {
                        sql.push(", ");
                    }
                    sql.bind(id, key);
                }
                sql.push(")");
            }
        }
        if !matches!(rule, Rule::Allow) {
            sql.push(" AND ");
            self.rules(model, "t").rule(&mut sql, &rule)?;
        }
        piece.outputs.push(Output::Captured { ty: key });
        Ok(Some(sql.statement(
            Shape {
                columns: piece.outputs,
                capture: Capture::Every,
            },
            Lane::Bounded,
        )))
    }

    /// The stored record as values: every field in the model's order, then `_extra` of an open model, then
    /// whether each of `rules` holds for it. Rules that need no other record are better asked in memory.
    pub fn stored(
        &self,
        model: &Model,
        id: Value,
        rules: &[&Rule],
        hold: Hold,
    ) -> Result<Statement> {
        self.stored_by(model, &[(ID, id)], rules, hold)
    }

    /// `SELECT` and the columns of a stored record.
    pub(crate) fn stored_columns(
        &self,
        sql: &mut Sql,
        model: &Model,
        rules: &[&Rule],
    ) -> Result<Vec<Output>> {
        let mut columns = whole(sql, model);
        for rule in rules {
            sql.push(", (");
            self.rules(model, "t").rule(sql, rule)?;
            sql.push(") IS TRUE");
            columns.push(Output::Captured {
                ty: ColumnType::Bool,
            });
        }
        Ok(columns)
    }

    /// Whether the caller may read each of these records; one row of booleans.
    pub fn readable(&self, targets: &[(ModelId, Value)]) -> Result<Statement> {
        let mut sql = Sql::new(self.dialect);
        sql.push("SELECT ");
        for (i, (model, id)) in targets.iter().enumerate() {
            let model = self.app.model(*model);
            sql.push(if i > 0 {
                ", EXISTS (SELECT 1 FROM "
            } else {
                "EXISTS (SELECT 1 FROM "
            });
            sql.table(model).push(" t WHERE t.\"id\" = ");
            sql.bind(id.clone(), model.key.column()).push(" AND ");
            self.rules(model, "t")
                .rule(&mut sql, &access::rule(model, Verb::Read, self.caller))?;
            sql.push(")");
        }
        let columns = targets
            .iter()
            .map(|_| Output::Captured {
                ty: ColumnType::Bool,
            })
            .collect();
        Ok(sql.statement(
            Shape {
                columns,
                capture: Capture::Every,
            },
            Lane::Bounded,
        ))
    }

    /// The records that refer to one by a relation, as stored (see [`Planner::stored`]), at most `limit`.
    pub fn referring(
        &self,
        model: &Model,
        field: spec::FieldId,
        id: Value,
        limit: u32,
    ) -> Result<Statement> {
        let mut sql = Sql::new(self.dialect);
        let columns = whole(&mut sql, model);
        let relation = model.field(field);
        sql.push(" FROM ")
            .table(model)
            .push(" t WHERE ")
            .column("t", &relation.name);
        sql.push(" = ")
            .bind(id, relation.ty.column())
            .push(" ORDER BY t.\"id\" LIMIT ")
            .number(limit);
        Ok(sql.statement(
            Shape {
                columns,
                capture: Capture::Every,
            },
            Lane::Bounded,
        ))
    }

    /// Whether an index bounds the page: it begins with the fields that are fixed and goes on in the sort
    /// order, all in one direction. What else the filter asks is checked on the way, under the limit.
    fn bounded(&self, page: &Page<'_, '_>, rule: &Rule) -> bool {
        let model = page.want.model;
        // A caller's quantifier may look at any number of records, quantifiers in it at as many for each.
        if page.filter.is_some_and(Expr::quantifies) {
            return false;
        }
        let mut fixed = Vec::new();
        if let Some(filter) = page.filter {
            fixed_fields(filter, &mut fixed);
            // Behind a rule it is asked of a `CASE`, which no index serves.
            let bare = |field| matches!(access::field_read(field, self.caller), Rule::Allow);
            fixed.retain(|field| bare(model.field(*field)));
        }
        if let Rule::When(expr) = rule {
            fixed_fields(expr, &mut fixed);
        }
        if fixed.iter().any(|f| *f == ID || model.field(*f).unique) {
            return true;
        }
        let descending = page.sort[0].descending;
        let Some(order) = page
            .sort
            .iter()
            .map(|s| s.column.filter(|_| s.descending == descending))
            .collect::<Option<Vec<_>>>()
        else {
            return false;
        };
        if order == [ID] && fixed.is_empty() {
            // The primary key itself; a filter without an index may walk far along it.
            return page.filter.is_none();
        }
        model.indexes.iter().any(|index| {
            let mut columns = index.fields.clone();
            if columns.last() != Some(&ID) {
                columns.push(ID);
            }
            let skip = columns.iter().take_while(|c| fixed.contains(c)).count();
            (0..=skip).rev().any(|skip| {
                columns[skip..].starts_with(&order) && (skip > 0 || page.filter.is_none())
            })
        })
    }
}

/// `SELECT …` of all that is stored of a record of `t`: every field in the model's order, then `_extra` of an open
/// model.
fn whole(sql: &mut Sql, model: &Model) -> Vec<Output> {
    let mut columns = Vec::with_capacity(model.fields.len() + 1);
    sql.push("SELECT ");
    for (i, field) in model.fields.iter().enumerate() {
        sql.push(if i > 0 { ", " } else { "" })
            .column("t", &field.name);
        columns.push(Output::Captured {
            ty: if i == 0 {
                model.key.column()
            } else {
                field.ty.column()
            },
        });
    }
    if model.open {
        sql.push(", ").column("t", EXTRA);
        columns.push(Output::Captured {
            ty: ColumnType::Json,
        });
    }
    columns
}

/// The cheapest statement there is: whether the store answers.
pub fn ping() -> Statement {
    let shape = Shape {
        columns: vec![Output::Captured {
            ty: ColumnType::Int,
        }],
        capture: Capture::Every,
    };
    Statement {
        text: "SELECT CAST(1 AS bigint)".to_owned(),
        params: Vec::new(),
        shape: shape.into(),
        lane: Lane::Bounded,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::operation::{PlainFilter, PlainOp, Select};
    use crate::resolve::Resolver;
    use spec::Principal;

    const APP: &str = r#"
[models.people.fields]
email = { type = "email", unique = true, disclose = true, read = "name == 'open'" }
phone = { type = "string", unique = true }
name  = { type = "string" }
[models.people.access]
read = "true"
[[models.people.indexes]]
fields = ["name"]
"#;

    fn lane(field: &str, who: &Principal) -> Lane {
        let files = vec![
            ("mainstay.toml".into(), String::new()),
            ("modules/m/module.toml".into(), APP.to_owned()),
        ];
        let loaded = spec::load::load_sources(files);
        let diagnostics = loaded.diagnostics;
        let app = loaded.app.unwrap_or_else(|| panic!("{diagnostics:?}"));
        let caller = Caller {
            principal: who,
            now: 0,
        };
        let resolver = Resolver {
            app: &app,
            caller,
            limits: &app.settings.limits,
        };
        let model = app.model_named("m.people").unwrap();
        let plain = PlainFilter {
            field: field.to_owned(),
            op: PlainOp::Eq,
            values: vec!["a@b.c".to_owned()],
        };
        let want = resolver.want(model, &Select::default()).unwrap();
        let filter = resolver.filter(model, None, &[plain]).unwrap();
        let page = Page {
            want: &want,
            filter: filter.as_ref(),
            sort: &resolver.sort(model, &[]).unwrap(),
            after: None,
            limit: 10,
            search: None,
            snippets: false,
        };
        let planner = Planner {
            app: &app,
            dialect: Dialect::Sqlite,
            caller,
        };
        planner.page(&page).unwrap().unwrap().lane
    }

    #[test]
    fn a_field_behind_a_rule_bounds_no_page() {
        let (somebody, system) = (Principal::anonymous(), Principal::system());
        assert_eq!(lane("phone", &somebody), Lane::Bounded);
        assert_eq!(lane("name", &somebody), Lane::Bounded);
        assert_eq!(lane("email", &system), Lane::Bounded);
        assert_eq!(lane("email", &somebody), Lane::Unbounded);
    }
}
