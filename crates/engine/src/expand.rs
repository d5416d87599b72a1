//! Records of other modules, put where a relation leads to them: one batched operation per relation, never
//! one per record, and each ruled by the module it belongs to.

use crate::execute::{Run, unsupported};
use plan::operation::Select;
use plan::resolve::{Foreign, Want};
use spec::problem::Result;
use spec::statement::Rows;
use spec::{Code, ModelId, Value};
use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::pin::Pin;
use std::time::Instant;
use store::error::problem_of;

/// An operation that leads to operations of the same kind.
type Later<'s, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 's>>;

impl Run<'_> {
    /// The body of `rows` with every foreign record in its place; null where it is gone or hidden.
    pub async fn with_foreign(&mut self, rows: Rows, want: &Want<'_>) -> Result<Vec<u8>> {
        if rows.splices.is_empty() {
            return Ok(rows.body);
        }
        let (body, _) = Box::pin(self.put_foreign(rows, want)).await?;
        Ok(body)
    }

    /// The body, and where each of its records ends by then.
    async fn put_foreign(&mut self, rows: Rows, want: &Want<'_>) -> Result<(Vec<u8>, Vec<usize>)> {
        let mut slots = Vec::new();
        collect(want, &mut slots);
        // Each once, however many lead to it.
        let mut asked: Vec<(HashSet<String>, Vec<Value>)> = Vec::new();
        asked.resize_with(slots.len(), Default::default);
        for splice in rows.splices.iter().filter(|s| !s.id.is_null()) {
            if let Some((known, ids)) = asked.get_mut(splice.slot)
                && known.insert(splice.id.key_text())
            {
                ids.push(splice.id.clone());
            }
        }
        let mut found: Vec<HashMap<String, Vec<u8>>> = Vec::with_capacity(slots.len());
        for (foreign, (_, ids)) in slots.iter().zip(asked) {
            found.push(self.records(foreign.to, ids, &foreign.select).await?);
        }
        let extra: usize = found.iter().flat_map(HashMap::values).map(Vec::len).sum();
        let mut body = Vec::with_capacity(rows.body.len() + extra + rows.splices.len() * 4);
        let (mut from, mut ends) = (0, rows.ends);
        let mut next = 0;
        for splice in &rows.splices {
            // A record moves by what was put into those before it, and grows by what is put into itself.
            let grown = body.len() - from;
            while let Some(end) = ends.get_mut(next).filter(|end| **end <= splice.at) {
                *end += grown;
                next += 1;
            }
            body.extend_from_slice(&rows.body[from..splice.at]);
            from = splice.at;
            match found
                .get(splice.slot)
                .and_then(|records| records.get(&splice.id.key_text()))
            {
                Some(record) => body.extend_from_slice(record),
                None => body.extend_from_slice(b"null"),
            }
        }
        let grown = body.len() - from;
        ends[next..].iter_mut().for_each(|end| *end += grown);
        body.extend_from_slice(&rows.body[from..]);
        Ok((body, ends))
    }

    /// The port between modules: the readable ones among these records, by key.
    pub fn records<'s>(
        &'s mut self,
        model: ModelId,
        ids: Vec<Value>,
        select: &'s Select,
    ) -> Later<'s, HashMap<String, Vec<u8>>> {
        Box::pin(async move {
            let start = Instant::now();
            let app = self.app;
            let want = self.resolver().want(app.model(model), select)?;
            let count = ids.len() as u32;
            let statement = self
                .planner()
                .by_ids(&want, ids)
                .map_err(unsupported(Code::Internal))?;
            self.planned(start);
            let Some(statement) = statement else {
                return Ok(HashMap::new());
            };
            let start = Instant::now();
            let rows = self
                .engine
                .store
                .read(&statement, self.bounds(count))
                .await
                .map_err(problem_of)?;
            self.stored(start);
            let keys: Vec<String> = rows.captured.iter().map(Value::key_text).collect();
            // All of them at once: what they hold of other modules costs one more read, not one each.
            let (body, ends) = match rows.splices.is_empty() {
                true => (rows.body, rows.ends),
                false => self.put_foreign(rows, &want).await?,
            };
            let mut from = 0;
            let records = keys.into_iter().zip(ends).map(|(key, end)| {
                let record = body[from..end].to_vec();
                from = end + 1;
                (key, record)
            });
            Ok(records.collect())
        })
    }
}

/// The foreign relations of a select, depth first, in the order of their places in the shape.
fn collect<'w, 'a>(want: &'w Want<'a>, out: &mut Vec<&'w Foreign<'a>>) {
    for (field, _) in &want.fields {
        if let Some(relation) = want.to_one.iter().find(|r| r.field.id == field.id) {
            collect(&relation.want, out);
        } else if let Some(foreign) = want.foreign.iter().find(|r| r.field.id == field.id) {
            out.push(foreign);
        }
    }
    for relation in &want.to_many {
        collect(&relation.want, out);
    }
}
