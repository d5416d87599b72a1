//! Full-text search: which fields a caller searches, and the SQL that finds and ranks records.
//!
//! A store keeps the words of a model's searched fields beside its table (`spec::schema::TableName::searched`). What
//! is asked there is bound as a parameter whose text is made here, of words that have no character that could mean
//! something to FTS5 or `tsquery`.
//!
//! A field that a rule hides on some records is searched only where the rule shows it: the index finds who might
//! match, and the statement then looks again, as the caller sees the record.

use crate::Caller;
use crate::access::{self, Verb};
use crate::condition::{Conditions, Eyes, Unsupported};
use crate::expand::{Piece, Selects};
use crate::read::{Page, Planner};
use crate::resolve::Resolver;
use crate::schema::table_name;
use crate::sql::Sql;
use spec::problem::{Result, shown};
use spec::schema::words_of;
use spec::search::{EXACT, FOUND, Misread, Query, ROW, Term, WHOLE, weight};
use spec::statement::{Capture, Lane, Output, Shape, Statement};
use spec::types::ColumnType;
use spec::{Code, Dialect, Field, Model, Problem, Rule, Value};
use std::sync::Arc;

type Written<T = ()> = std::result::Result<T, Unsupported>;

/// A search of a model, by a caller.
#[derive(Debug, Clone)]
pub struct Search<'a> {
    pub query: Arc<Query>,
    /// The fields that this caller may see, the weightiest first.
    fields: Vec<Searched<'a>>,
}

#[derive(Debug, Clone)]
struct Searched<'a> {
    field: &'a Field,
    /// Allow or When.
    rule: Rule,
}

impl<'a> Resolver<'a> {
    /// What a caller's text searches for, and where.
    pub fn search(&self, model: &'a Model, text: &str) -> Result<Search<'a>> {
        if model.search.is_empty() {
            return Err(Problem::new(
                Code::BadSearch,
                format!(
                    "{} declares no fields that are searched; filter finds records by what their fields hold.",
                    model.full_name()
                ),
            ));
        }
        let length = text.chars().count();
        if length > self.limits.search as usize {
            return Err(Problem::new(
                Code::SearchTooLarge,
                format!(
                    "The search has {length} characters; {} are allowed.",
                    self.limits.search
                ),
            )
            .limited("limits.search", u64::from(self.limits.search)));
        }
        let query = Query::parse(text, self.limits.search_words as usize)
            .map_err(|misread| self.misread(text, misread))?;
        let fields = searched(model, self.caller);
        if fields.is_empty() {
            return Err(Problem::new(
                Code::BadSearch,
                format!(
                    "The fields of {} that are searched are not for this caller.",
                    model.full_name()
                ),
            ));
        }
        Ok(Search {
            query: Arc::new(query),
            fields,
        })
    }

    fn misread(&self, text: &str, misread: Misread) -> Problem {
        match misread {
            Misread::Nothing => Problem::new(
                Code::BadSearch,
                format!("search={} has no word in it.", shown(text)),
            ),
            Misread::OnlyExcluded => Problem::new(
                Code::BadSearch,
                "The search says only what records must not have; say also a word that they must have.",
            ),
            Misread::TooManyWords => {
                let most = self.limits.search_words;
                Problem::new(
                    Code::SearchTooLarge,
                    format!("A search has at most {most} words."),
                )
                .limited("limits.search_words", u64::from(most))
            }
        }
    }
}

/// The fields that a caller can search, of those that the model says are searched.
fn searched<'a>(model: &'a Model, caller: Caller<'_>) -> Vec<Searched<'a>> {
    let all = model.search.iter();
    all.filter_map(|field| {
        let field = model.field(*field);
        match access::field_read(field, caller) {
            Rule::Deny => None,
            rule => Some(Searched { field, rule }),
        }
    })
    .collect()
}

impl Search<'_> {
    /// Whether what the index finds is only what might match.
    fn guarded(&self) -> bool {
        self.fields
            .iter()
            .any(|searched| !matches!(searched.rule, Rule::Allow))
    }

    /// What FTS5 is asked: in which columns, which terms, and which not.
    fn fts5(&self) -> String {
        let term = |term: &Term| {
            let prefix = if term.prefix { " *" } else { "" };
            format!("\"{}\"{prefix}", term.words.join(" "))
        };
        let columns: Vec<String> = self
            .fields
            .iter()
            .map(|one| words_of(&one.field.name))
            .collect();
        let required: Vec<String> = self.query.required().map(term).collect();
        let excluded: Vec<String> = self.query.excluded().map(term).collect();
        let columns = columns.join(" ");
        let required = required.join(" AND ");
        // What is hidden excludes nothing.
        match excluded.is_empty() || self.guarded() {
            true => format!("{{{columns}}} : ({required})"),
            false => format!(
                "{{{columns}}} : (({required}) NOT ({}))",
                excluded.join(" OR ")
            ),
        }
    }
}

/// What a term is as a `tsquery`.
fn tsquery<'w>(parts: impl Iterator<Item = (&'w str, bool)>) -> String {
    let words: Vec<String> = parts
        .map(|(word, prefix)| format!("'{word}'{}", if prefix { ":*" } else { "" }))
        .collect();
    words.join(" <-> ")
}

/// These words, and the field has no others: its first word is marked `A`, its last one `B`, its only one `C`.
fn tsquery_whole(words: &[&str]) -> String {
    if let [only] = words {
        return format!("'{only}':C");
    }
    let last = words.len() - 1;
    let marked = words.iter().enumerate().map(|(at, word)| match at {
        0 => format!("'{word}':A"),
        at if at == last => format!("'{word}':B"),
        _ => format!("'{word}'"),
    });
    marked.collect::<Vec<_>>().join(" <-> ")
}

impl<'a> Planner<'a> {
    /// A condition on a record `t`: the search finds it.
    pub(crate) fn found(&self, sql: &mut Sql, model: &Model, search: &Search<'_>) -> Written {
        match sql.dialect {
            Dialect::Sqlite => {
                sql.push("t.\"id\" IN (SELECT s.\"id\" FROM ");
                self.index(sql, model);
                sql.push(" WHERE ");
                self.matches(sql, model, search);
                sql.push(")");
                self.again(sql, model, search)
            }
            Dialect::Postgres => {
                sql.push("EXISTS (SELECT 1 FROM ");
                self.index(sql, model);
                sql.push(" WHERE s.\"id\" = t.\"id\" AND ");
                self.matches(sql, model, search);
                self.again(sql, model, search)?;
                sql.push(")");
                Ok(())
            }
        }
    }

    /// The table `s` of numbers, on SQLite behind the index `w` of words.
    fn index(&self, sql: &mut Sql, model: &Model) {
        let name = table_name(model);
        if sql.dialect == Dialect::Sqlite {
            sql.push(&name.words().sql(sql.dialect));
            sql.push(" w CROSS JOIN ");
        }
        sql.push(&name.searched().sql(sql.dialect)).push(" s");
        if sql.dialect == Dialect::Sqlite {
            sql.push(" ON s.\"doc\" = w.rowid");
        }
    }

    /// What the index itself can tell: all that match, and of guarded fields those that might.
    fn matches(&self, sql: &mut Sql, model: &Model, search: &Search<'_>) {
        match sql.dialect {
            Dialect::Sqlite => {
                let words = table_name(model).words();
                sql.push("w.\"").push(&words.flat()).push("\" MATCH ");
                sql.bind(Value::text(&search.fts5()), ColumnType::Text);
            }
            Dialect::Postgres => {
                for (i, term) in search.query.required().enumerate() {
                    sql.push(if i > 0 { " AND " } else { "" });
                    let query = bound(sql, &tsquery(term.parts()));
                    sql.push("(");
                    for (i, searched) in search.fields.iter().enumerate() {
                        sql.push(if i > 0 { " OR " } else { "" });
                        column(sql, searched).push(" @@ ").push(&query);
                    }
                    sql.push(")");
                }
            }
        }
    }

    /// ` AND …`: what the index cannot tell of a record `t`.
    fn again(&self, sql: &mut Sql, model: &Model, search: &Search<'_>) -> Written {
        if sql.dialect == Dialect::Sqlite {
            if search.guarded() {
                sql.push(" AND ");
                self.rank(sql, model, search)?;
                sql.push(" IS NOT NULL");
            }
            return Ok(());
        }
        let terms = search.query.required().filter(|_| search.guarded());
        for term in terms.chain(search.query.excluded()) {
            let query = bound(sql, &tsquery(term.parts()));
            sql.push(if term.excluded {
                " AND NOT ("
            } else {
                " AND ("
            });
            for (i, searched) in search.fields.iter().enumerate() {
                sql.push(if i > 0 { " OR " } else { "" });
                self.stands(sql, model, searched, &query)?;
            }
            sql.push(")");
        }
        Ok(())
    }

    /// Whether a query stands in a field, as the caller sees it. Never null. PostgreSQL only.
    fn stands(
        &self,
        sql: &mut Sql,
        model: &Model,
        searched: &Searched<'_>,
        query: &str,
    ) -> Written {
        if matches!(searched.rule, Rule::Allow) {
            column(sql, searched).push(" @@ ").push(query);
            return Ok(());
        }
        sql.push("((");
        self.shows(sql, model, &searched.rule)?;
        sql.push(") IS TRUE AND ");
        column(sql, searched).push(" @@ ").push(query).push(")");
        Ok(())
    }

    fn shows(&self, sql: &mut Sql, model: &Model, rule: &Rule) -> Written {
        Conditions::new(self.app, model.id, "t", Eyes::Rule).rule(sql, rule)
    }

    /// The text of a field of `t`, null where the caller does not see it.
    fn text(&self, sql: &mut Sql, model: &Model, searched: &Searched<'_>) -> Written {
        if matches!(searched.rule, Rule::Allow) {
            sql.column("t", &searched.field.name);
            return Ok(());
        }
        sql.push("CASE WHEN ");
        self.shows(sql, model, &searched.rule)?;
        sql.push(" THEN ")
            .column("t", &searched.field.name)
            .push(" END");
        Ok(())
    }

    /// The rank of a record `t` that was found, as `spec::search::rank` says.
    fn rank(&self, sql: &mut Sql, model: &Model, search: &Search<'_>) -> Written {
        let query = &search.query;
        if sql.dialect == Dialect::Sqlite {
            sql.push("mainstay_rank(");
            sql.bind(Value::text(&query.encode()), ColumnType::Text);
            for searched in &search.fields {
                sql.push(", ");
                self.text(sql, model, searched)?;
            }
            sql.push(")");
            return Ok(());
        }
        // What each field is asked, and what it is worth where it says yes.
        let mut asked: Vec<(String, i64)> = Vec::new();
        let count = query.required().count() as i64;
        for term in query.required() {
            let worth = if term.prefix { FOUND - EXACT } else { FOUND };
            asked.push((bound(sql, &tsquery(term.parts())), worth));
            if term.prefix {
                let whole_words = term.words.iter().map(|word| (word.as_str(), false));
                asked.push((bound(sql, &tsquery(whole_words)), EXACT));
            }
        }
        if let Some(row) = query.row() {
            asked.push((bound(sql, &tsquery(row.into_iter())), ROW * count));
        }
        let all: Vec<&str> = query
            .required()
            .flat_map(|term| term.words.iter().map(String::as_str))
            .collect();
        asked.push((bound(sql, &tsquery_whole(&all)), WHOLE * count));
        sql.push("(");
        for (at, searched) in search.fields.iter().enumerate() {
            let weight = weight(at, search.fields.len());
            let guarded = !matches!(searched.rule, Rule::Allow);
            sql.push(if at > 0 { " + " } else { "" });
            if guarded {
                sql.push("CASE WHEN ");
                self.shows(sql, model, &searched.rule)?;
                sql.push(" THEN ");
            }
            for (i, (query, worth)) in asked.iter().enumerate() {
                sql.push(if i > 0 { " + " } else { "" });
                sql.push("CASE WHEN ");
                column(sql, searched).push(" @@ ").push(query);
                sql.push(" THEN ")
                    .number(worth * weight)
                    .push(" ELSE 0 END");
            }
            sql.push(if guarded { " ELSE 0 END" } else { "" });
        }
        sql.push(")::bigint");
        Ok(())
    }

    /// The columns of the snippets of a record `t`.
    pub(crate) fn snippets(
        &self,
        sql: &mut Sql,
        model: &Model,
        search: &Search<'_>,
        piece: &mut Piece,
    ) -> Written {
        for searched in &search.fields {
            let (text, done) = sql.aside(|sql| self.text(sql, model, searched));
            done?;
            piece.add(&text);
        }
        let keys = search.fields.iter().map(|one| one.field.key.clone());
        piece.outputs.push(Output::Snippets {
            keys: keys.collect(),
            query: Arc::clone(&search.query),
        });
        Ok(())
    }

    /// A page of what a search found, best first and then by the greatest id. Its statement captures rank and key of
    /// the last record. Ranking is bounded: of what the caller may see, the records that came last are ranked.
    pub(crate) fn ranked(
        &self,
        page: &Page<'_, '_>,
        search: &Search<'_>,
    ) -> Written<Option<Statement>> {
        let model = page.want.model;
        let rule = access::rule(model, Verb::Read, self.caller);
        if matches!(rule, Rule::Deny) {
            return Ok(None);
        }
        let key = model.key.column();
        let mut sql = Sql::new(self.dialect);
        let selects = Selects {
            app: self.app,
            caller: self.caller,
        };
        let mut piece = selects.record(&mut sql, page.want, "t")?;
        if page.snippets {
            self.snippets(&mut sql, model, search, &mut piece)?;
        }
        for (column, ty) in [("m.\"rank\"", ColumnType::Int), ("m.\"id\"", key)] {
            piece.add(column);
            piece.outputs.push(Output::Captured { ty });
        }
        let rows = u64::from(page.limit) + 1;
        sql.push("SELECT ").push(piece.list());
        sql.push(" FROM (SELECT c.\"id\", c.\"rank\" FROM (SELECT t.\"id\" AS \"id\", ");
        self.rank(&mut sql, model, search)?;
        sql.push(" AS \"rank\" FROM ");
        self.index(&mut sql, model);
        sql.push(match self.dialect {
            Dialect::Sqlite => " CROSS JOIN ",
            Dialect::Postgres => " JOIN ",
        });
        sql.table(model).push(" t ON t.\"id\" = s.\"id\" WHERE ");
        self.matches(&mut sql, model, search);
        self.again(&mut sql, model, search)?;
        if let Some(filter) = page.filter {
            sql.push(" AND ");
            Conditions::new(self.app, model.id, "t", Eyes::Caller(self.caller))
                .holds(&mut sql, filter)?;
        }
        if !matches!(rule, Rule::Allow) {
            sql.push(" AND ");
            self.shows(&mut sql, model, &rule)?;
        }
        sql.push(match self.dialect {
            // The order in which FTS5 finds them.
            Dialect::Sqlite => " ORDER BY w.rowid DESC LIMIT ",
            Dialect::Postgres => " ORDER BY s.\"doc\" DESC LIMIT ",
        });
        sql.number(self.app.settings.limits.search_ranked)
            .push(") c");
        if let Some([rank, id]) = page.after {
            sql.push(" WHERE (c.\"rank\", c.\"id\") < (");
            sql.bind(rank.clone(), ColumnType::Int).push(", ");
            sql.bind(id.clone(), key).push(")");
        }
        sql.push(" ORDER BY c.\"rank\" DESC, c.\"id\" DESC LIMIT ")
            .number(rows);
        sql.push(") m JOIN ")
            .table(model)
            .push(" t ON t.\"id\" = m.\"id\"");
        sql.push(&piece.joins);
        sql.push(" ORDER BY m.\"rank\" DESC, m.\"id\" DESC LIMIT ")
            .number(rows);
        let shape = Shape {
            columns: piece.outputs,
            capture: Capture::Last,
        };
        Ok(Some(sql.statement(shape, Lane::ByValues)))
    }
}

/// `s.f_name`, the words of a field on PostgreSQL.
fn column<'s>(sql: &'s mut Sql, searched: &Searched<'_>) -> &'s mut Sql {
    sql.column("s", &words_of(&searched.field.name))
}

/// Binds a `tsquery`; what is answered stands for it as often as it is needed.
fn bound(sql: &mut Sql, query: &str) -> String {
    let (placeholder, ()) = sql.aside(|sql| {
        sql.bind(Value::text(query), ColumnType::Text)
            .push("::tsquery");
    });
    placeholder
}
