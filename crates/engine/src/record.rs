//! A record in memory: on its way into a store, or as it was read for a write.

use spec::expr::eval;
use spec::{FieldId, Model, Value};
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub struct Record {
    /// By [`FieldId`].
    pub values: Vec<Value>,
    /// The undeclared fields of an open model: a canonical JSON object.
    pub extra: Option<Arc<str>>,
    /// The store keeps undeclared fields under names that the model has taken since. They are not in `extra`, and
    /// the next write leaves them out.
    pub stale: bool,
    /// Fields that neither the caller nor a default gave a value, of a table that was there before: the database may.
    pub left_out: Vec<FieldId>,
}

impl Record {
    /// From the captured columns of [`plan::read::Planner::stored`]; what follows the record is the answers
    /// to the rules that were asked.
    pub fn from_row<'r>(model: &Model, row: &'r [Value]) -> (Record, &'r [Value]) {
        let (values, rest) = row.split_at(model.fields.len().min(row.len()));
        let (extra, rest) = match (model.open, rest) {
            (true, [Value::Json(extra), rest @ ..]) => (Some(extra.clone()), rest),
            (true, [_, rest @ ..]) => (Some(Arc::from("{}")), rest),
            (_, rest) => (None, rest),
        };
        let kept = extra.as_deref().and_then(|text| without_taken(model, text));
        (
            Record {
                values: values.to_vec(),
                stale: kept.is_some(),
                extra: kept.or(extra),
                left_out: Vec::new(),
            },
            rest,
        )
    }

    /// With these values and no others.
    pub fn of(model: &Model, values: &[(FieldId, Value)]) -> Record {
        let mut record = Record {
            values: vec![Value::Null; model.fields.len()],
            extra: None,
            stale: false,
            left_out: Vec::new(),
        };
        for (field, value) in values {
            record.set(*field, value.clone());
        }
        record
    }

    pub fn get(&self, field: FieldId) -> &Value {
        &self.values[usize::from(field.0)]
    }

    pub fn set(&mut self, field: FieldId, value: Value) {
        self.values[usize::from(field.0)] = value;
    }

    /// Every field with its value.
    pub fn all(&self) -> Vec<(FieldId, Value)> {
        let fields = (0..).map(FieldId);
        fields.zip(self.values.iter().cloned()).collect()
    }

    pub fn id(&self) -> &Value {
        &self.values[0]
    }

    pub fn version(&self, model: &Model) -> i64 {
        match self.get(model.version()) {
            Value::Int(version) => *version,
            _ => 0,
        }
    }

    /// What each change sets beside what it is about: the time, where the table keeps it, and the version.
    pub fn touched(&mut self, model: &Model, now: i64) -> impl Iterator<Item = FieldId> + use<> {
        let (time, version) = (model.updated_at(), model.version());
        if let Some(time) = time {
            self.set(time, Value::Timestamp(now));
        }
        self.set(version, Value::Int(self.version(model) + 1));
        time.into_iter().chain([version])
    }

    pub fn for_eval(&self) -> eval::Record<'_> {
        eval::Record {
            fields: &self.values,
            extra: self.extra.as_deref(),
        }
    }

    pub fn for_plan(&self) -> plan::write::Record<'_> {
        plan::write::Record {
            values: &self.values,
            extra: self.extra.as_deref(),
            left_out: &self.left_out,
        }
    }

    /// The record as it is answered, with the fields for which `visible` says so. The same bytes as a read
    /// of it writes.
    pub fn answer(&self, model: &Model, visible: impl Fn(FieldId) -> bool) -> Vec<u8> {
        let mut out = Vec::with_capacity(64 + model.fields.len() * 32);
        out.push(b'{');
        for field in model.fields.iter().filter(|f| !f.hidden && visible(f.id)) {
            member(
                &mut out,
                &field.name,
                self.get(field.id),
                column(model, field.id),
            );
        }
        if let Some(members) = self
            .extra
            .as_deref()
            .and_then(|e| e.strip_prefix('{')?.strip_suffix('}'))
            && !members.is_empty()
        {
            if out.len() > 1 {
                out.push(b',');
            }
            out.extend_from_slice(members.as_bytes());
        }
        out.push(b'}');
        out
    }

    /// Canonical JSON for the change log: everything but the id and the version, which have columns of
    /// their own; or only `fields`.
    pub fn logged(&self, model: &Model, fields: Option<&[FieldId]>, extra: bool) -> String {
        let order = match fields {
            None => Arc::clone(&model.logged),
            Some(fields) => {
                let is_logged = |id: &&FieldId| model.logged.contains(id);
                let fields = fields.iter().filter(is_logged).copied().collect();
                model.canonical(fields).into()
            }
        };
        let mut out = Vec::with_capacity(64 + order.len() * 32);
        out.push(b'{');
        for id in order.iter() {
            member(
                &mut out,
                &model.field(*id).name,
                self.get(*id),
                column(model, *id),
            );
        }
        let members = self
            .extra
            .as_deref()
            .filter(|_| extra)
            .and_then(|e| e.strip_prefix('{')?.strip_suffix('}'));
        let Some(members) = members.filter(|m| !m.is_empty()) else {
            out.push(b'}');
            return String::from_utf8(out).unwrap_or_default();
        };
        if out.len() > 1 {
            out.push(b',');
        }
        out.extend_from_slice(members.as_bytes());
        out.push(b'}');
        let text = String::from_utf8(out).unwrap_or_default();
        // Undeclared keys come in between declared ones.
        spec::json::canonical(&text, u32::MAX).unwrap_or(text)
    }
}

/// Undeclared fields without those whose names the model has taken; none where there are no such.
fn without_taken(model: &Model, extra: &str) -> Option<Arc<str>> {
    let taken = |name: &str| model.taken.iter().any(|own| **own == *name);
    if !spec::json::members(extra).any(|member| taken(&member.name)) {
        return None;
    }
    let mut out = vec![b'{'];
    spec::json::write_members(&mut out, false, extra, &model.taken);
    out.push(b'}');
    String::from_utf8(out).ok().map(Arc::from)
}

fn column(model: &Model, field: FieldId) -> spec::ColumnType {
    if field == spec::model::ID {
        model.key.column()
    } else {
        model.field(field).ty.column()
    }
}

fn member(out: &mut Vec<u8>, name: &str, value: &Value, ty: spec::ColumnType) {
    if out.len() > 1 {
        out.push(b',');
    }
    spec::json::write_string(out, name);
    out.push(b':');
    spec::json::write_value(out, value, ty);
}
