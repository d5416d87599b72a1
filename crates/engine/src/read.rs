//! One record, and a page of a list.

use crate::answer::{Answer, Outcome};
use crate::cursor::Cursors;
use crate::etag;
use crate::execute::{Run, unsupported};
use crate::judge::Judge;
use plan::Caller;
use plan::access;
use plan::operation::{List, One, Select};
use plan::read::Page;
use spec::problem::Result;
use spec::statement::{Capture, Rows};
use spec::{Code, Model, ModelId, Problem, Rule, Value};
use std::time::Instant;
use store::error::problem_of;

/// What the cursor of a ranked page holds.
const RANK_AND_ID: usize = 2;

impl Run<'_> {
    pub async fn one(&mut self, one: One) -> Result<Answer> {
        let model = self.app.model(one.model);
        let id = parse_id(model, &one.id)?;
        self.record(model.id, id, &one.select, Outcome::Read).await
    }

    /// The record with this key, as this caller sees it.
    pub async fn record(
        &mut self,
        model: ModelId,
        id: Value,
        select: &Select,
        outcome: Outcome,
    ) -> Result<Answer> {
        let start = Instant::now();
        let app = self.app;
        let model = app.model(model);
        let want = self.resolver().want(model, select)?;
        self.resolver().within(&want, 1)?;
        let statement = self
            .planner()
            .one(&want, id.clone())
            .map_err(unsupported(Code::Internal))?;
        self.planned(start);
        let Some(statement) = statement else {
            return Err(Problem::not_found());
        };
        let start = Instant::now();
        let rows = self
            .engine
            .store
            .read(&statement, self.bounds(1))
            .await
            .map_err(problem_of)?;
        self.stored(start);
        if rows.ends.is_empty() {
            return Err(Problem::not_found());
        }
        // Related records change without this one's version: their answers carry no tag.
        let etag = match select.expand.is_empty() {
            true => tag_of(model, &id, &rows.captured, self.caller()),
            false => None,
        };
        let body = self.with_foreign(rows, &want).await?;
        Ok(Answer::Record {
            body,
            etag,
            outcome,
            id: id.key_text(),
        })
    }

    pub async fn list(&mut self, list: List) -> Result<Answer> {
        let start = Instant::now();
        let app = self.app;
        let model = app.model(list.model);
        let limits = &app.settings.limits;
        let limit = list.limit.unwrap_or(limits.page_default);
        if limit > limits.page {
            return Err(Problem::new(
                Code::PageTooLarge,
                format!("A page has at most {} records.", limits.page),
            )
            .limited("limits.page", u64::from(limits.page)));
        }
        let resolver = self.resolver();
        let want = resolver.want(model, &list.select)?;
        resolver.within(&want, limit)?;
        let filter = resolver.filter(model, list.filter.as_deref(), &list.plain)?;
        let search = match &list.search {
            Some(text) => Some(resolver.search(model, text)?),
            None => None,
        };
        if list.snippets && search.is_none() {
            return Err(Problem::new(
                Code::BadParameter,
                "snippets shows what a search found, and there is no search.",
            ));
        }
        // Without an order of the caller's, a search answers the best first.
        let ranked = search.is_some() && list.sort.is_empty();
        let sort = match ranked {
            true => Vec::new(),
            false => resolver.sort(model, &list.sort)?,
        };
        let keys = if ranked { RANK_AND_ID } else { sort.len() };
        let scope = Cursors::scope(model, &list, self.principal);
        let after = match &list.cursor {
            Some(cursor) => Some(self.engine.cursors.open(&scope, cursor, keys)?),
            None => None,
        };
        let page = Page {
            want: &want,
            filter: filter.as_ref(),
            sort: &sort,
            after: after.as_deref(),
            limit,
            search: search.as_ref(),
            snippets: list.snippets,
        };
        let planner = self.planner();
        let statement = planner.page(&page).map_err(unsupported(Code::BadFilter))?;
        let count = match list.count {
            true => planner
                .count(model, filter.as_ref(), search.as_ref())
                .map_err(unsupported(Code::BadFilter))?,
            false => None,
        };
        self.planned(start);

        let start = Instant::now();
        let store = &self.engine.store;
        let rows = async {
            match &statement {
                Some(statement) => store.read(statement, self.bounds(limit)).await,
                None => Ok(spec::statement::Rows::default()),
            }
        };
        let (rows, total) = match &count {
            None => (rows.await, Ok(list.count.then_some(Value::Int(0)))),
            Some(count) => {
                let total = async {
                    let rows = store.read(count, self.bounds(1)).await?;
                    Ok(rows.captured.first().cloned())
                };
                Box::pin(async { tokio::join!(rows, total) }).await
            }
        };
        let (rows, total) = (rows.map_err(problem_of)?, total.map_err(problem_of)?);
        self.stored(start);

        let cursor = match (&statement, rows.more) {
            (Some(statement), true) => {
                debug_assert_eq!(statement.shape.capture, Capture::Last);
                Some(self.engine.cursors.seal(&scope, &rows.captured))
            }
            _ => None,
        };
        let mut rows = rows;
        let snippets = std::mem::take(&mut rows.snippets);
        let mut body = self.with_foreign(rows, &want).await?;
        // Moved by nine bytes where it lies. Copying it into a new body was 9% of a page with nested records, most of
        // it for memory that was not touched before.
        body.splice(..0, *b"{\"data\":[");
        body.extend_from_slice(b"],\"next_cursor\":");
        match cursor {
            Some(cursor) => spec::json::write_string(&mut body, &cursor),
            None => body.extend_from_slice(b"null"),
        }
        if let Some(Value::Int(total)) = total {
            body.extend_from_slice(b",\"count\":");
            spec::json::write_i64(&mut body, total);
        }
        if list.snippets {
            body.extend_from_slice(b",\"snippets\":[");
            body.extend_from_slice(&snippets);
            body.push(b']');
        }
        body.push(b'}');
        Ok(Answer::Page { body })
    }
}

/// The entity tag of a record from what [`plan::read::Planner::one`] captures.
fn tag_of(model: &Model, id: &Value, captured: &[Value], caller: Caller<'_>) -> Option<String> {
    let (version, rest) = match captured {
        [Value::Int(version), rest @ ..] => (*version, rest),
        _ => return None,
    };
    let (created_at, seen) = match model.created_at() {
        Some(_) => rest
            .split_first()
            .map(|(at, seen)| (etag::moment(at), seen))?,
        None => (None, rest),
    };
    let at = etag::At {
        id,
        version,
        created_at,
    };
    let mut seen = seen.iter();
    let visible = model
        .fields
        .iter()
        .filter(|f| !f.hidden)
        .filter(|field| match access::field_read(field, caller) {
            Rule::Allow => true,
            Rule::Deny => false,
            Rule::When(_) => seen.next() == Some(&Value::Bool(true)),
        })
        .map(|field| field.name.as_str());
    Some(etag::tag(model, at, visible))
}

/// The answer from the row of one record without related ones.
pub(crate) fn answer_of(judge: &Judge, id: &Value, rows: Rows, outcome: Outcome) -> Result<Answer> {
    if rows.ends.is_empty() {
        return Err(Problem::not_found());
    }
    Ok(Answer::Record {
        etag: tag_of(judge.model(), id, &rows.captured, judge.caller()),
        body: rows.body,
        outcome,
        id: id.key_text(),
    })
}

/// A key from an address; one that is none of this kind names nothing that could exist.
pub(crate) fn parse_id(model: &Model, text: &str) -> Result<Value> {
    spec::key::read(model.key, text).ok_or_else(|| {
        let expected = spec::key::expected(model.key);
        Problem::new(
            Code::BadId,
            format!("An id of {} is {expected}.", model.full_name()),
        )
    })
}
