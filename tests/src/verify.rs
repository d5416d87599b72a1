//! What holds at the end of every test, whatever it did.

use crate::Fixture;
use crate::query::Query;
use serde_json::{Map, Value as Json};
use spec::{Model, Principal};
use std::collections::BTreeMap;
use store::changes::{Change, ChangeKind, Offset};

impl Fixture {
    /// Every change since the beginning.
    pub async fn changes(&self) -> Vec<Change> {
        let mut out = Vec::new();
        let mut offset = Offset::start();
        loop {
            let batch = self.store.changes(&offset, 500).await.expect("the log");
            assert!(!batch.lost);
            out.extend(batch.changes);
            offset = batch.next;
            if !batch.more {
                return out;
            }
        }
    }

    /// The changes of one record.
    pub async fn changes_of(&self, model: &str, id: &str) -> Vec<Change> {
        let mut changes = self.changes().await;
        changes.retain(|c| format!("{}.{}", c.module, c.model) == model && c.record_id == id);
        changes
    }

    /// Every record of a logged model agrees with the replay of the change log, and no version is missing.
    pub async fn verify(&self) {
        let mut replayed: BTreeMap<(String, String), (i64, Option<Json>)> = BTreeMap::new();
        for change in self.changes().await {
            let key = (
                format!("{}.{}", change.module, change.model),
                change.record_id.clone(),
            );
            let record = change
                .record
                .as_ref()
                .map(|text| serde_json::from_str(text).expect("the log holds JSON"));
            let before = replayed.get(&key);
            match (change.kind, before) {
                (ChangeKind::Create, None | Some((_, None))) => assert_eq!(change.version, 1),
                (ChangeKind::Update, Some((version, Some(before)))) => {
                    assert_eq!(change.version, version + 1, "a gap: {change:?}");
                    previous_holds(&change, before);
                }
                (ChangeKind::Delete, Some((version, Some(before)))) => {
                    assert!(change.version >= *version, "{change:?} after {version}");
                    previous_holds(&change, before);
                    assert!(record.is_none(), "{change:?}");
                }
                _ => panic!("{change:?} cannot follow {before:?}"),
            }
            replayed.insert(key, (change.version, record));
        }
        for model in self.app.models.iter().filter(|m| m.changes) {
            let name = model.full_name();
            let mut stored = self.everything(model).await;
            for ((of, id), (version, record)) in &replayed {
                if let (true, Some(record)) = (*of == name, record) {
                    let found = stored
                        .remove(id)
                        .unwrap_or_else(|| panic!("{name} {id} is in the log only"));
                    assert_eq!(found, (*version, record.clone()), "{name} {id}");
                }
            }
            assert!(
                stored.is_empty(),
                "{name}: not in the log: {:?}",
                stored.keys()
            );
        }
    }

    /// Version and record (as the log has it: without id and version) of every record of a model, by id.
    async fn everything(&self, model: &Model) -> BTreeMap<String, (i64, Json)> {
        let names: Vec<String> = model.fields.iter().map(|f| f.name.clone()).collect();
        let system = Principal::system();
        let mut out = BTreeMap::new();
        let mut cursor: Option<String> = None;
        loop {
            let mut query = Query::new().limit(self.app.settings.limits.page);
            // An open model's undeclared fields come only where no field is named, and the version only where it is.
            query.select.fields = (!model.open).then(|| names.clone());
            query.cursor = cursor;
            let page = self.list(&system, &model.full_name(), query).await.ok();
            for record in page["data"].as_array().into_iter().flatten() {
                let mut members = record.as_object().cloned().unwrap_or_default();
                let id = crate::id(record);
                members.remove("id");
                let version = match members.remove("version") {
                    Some(version) => version.as_i64(),
                    None => self.version(model, &id).await,
                };
                out.insert(id, (version.unwrap_or(0), Json::Object(members)));
            }
            match page["next_cursor"].as_str() {
                Some(next) => cursor = Some(next.to_owned()),
                None => return out,
            }
        }
    }

    async fn version(&self, model: &Model, id: &str) -> Option<i64> {
        let query = Query::new().fields("version");
        let system = Principal::system();
        let one = self
            .one_with(&system, &model.full_name(), id, query)
            .await
            .ok();
        one["version"].as_i64()
    }
}

/// The previous values that a change claims are those of the record before it.
fn previous_holds(change: &Change, before: &Json) {
    let previous: Map<String, Json> = match &change.previous {
        Some(text) => serde_json::from_str(text).expect("the log holds JSON"),
        None => panic!("{change:?} has no previous values"),
    };
    for (name, value) in &previous {
        assert_eq!(
            value,
            before.get(name).unwrap_or(&Json::Null),
            "{name} of {change:?}"
        );
    }
}
