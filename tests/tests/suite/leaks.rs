//! The leak matrix: actor × record × field × surface, from the committed table `leak-matrix.toml`. A surface without
//! its rows fails, and an operation without a surface does not compile.

use engine::{Beforehand, IdempotencyKey};
use mainstay_tests::*;
use plan::operation::{
    Aggregate, Batch, Create, CreateMany, Delete, DeleteMany, List, Matching, One, Operation,
    Replace, Select, Update, UpdateMany, Upsert,
};
use serde_json::{Value as Json, json};
use spec::{ModelId, Principal};
use std::collections::BTreeMap;
use std::fmt::Write as _;

const APP: &str = r#"
## modules/m/module.toml
[models.items.fields]
name   = { type = "string" }
slug   = { type = "string", unique = true, optional = true }
owner  = { type = "relation", to = "auth.users" }
public = { type = "bool" }
open   = { type = "int", optional = true }
cost   = { type = "int", optional = true, read = "owner == auth.id", write = "owner == auth.id" }
audit  = { type = "int", optional = true, read = "'boss' in auth.roles", write = "'boss' in auth.roles" }
fixed  = { type = "int", optional = true, write = "false" }
box    = { type = "relation", to = "boxes", optional = true }
[models.items.access]
read   = "public || owner == auth.id || 'boss' in auth.roles"
create = "owner == auth.id"
update = "owner == auth.id || 'boss' in auth.roles"
delete = "owner == auth.id"

[models.papers]
search = ["open", "cost", "audit", "fixed"]
[models.papers.fields]
owner  = { type = "relation", to = "auth.users" }
public = { type = "bool" }
open   = { type = "string" }
cost   = { type = "text", optional = true, read = "owner == auth.id" }
audit  = { type = "text", optional = true, read = "'boss' in auth.roles" }
fixed  = { type = "text", optional = true, write = "false" }
[models.papers.access]
read = "public || owner == auth.id || 'boss' in auth.roles"

[models.boxes.access]
read   = "true"
create = "true"

[models.lines.fields]
item = { type = "relation", to = "items", on_delete = "cascade" }
[models.lines.access]
read = "true"
"#;

const M: &str = "m.items";
const TABLE: &str = include_str!("../../leak-matrix.toml");
const ACTORS: [&str; 5] = ["anonymous", "other", "owner", "boss", "admin"];
const RECORDS: [&str; 2] = ["public", "private"];
const FIELDS: [&str; 4] = ["open", "cost", "audit", "fixed"];

/// The ways in which an operation can show or change a field. Who adds an operation decides here, and adds rows.
fn surfaces(operation: &Operation) -> &'static [&'static str] {
    match operation {
        Operation::List(_) => &[
            "list", "filter", "sort", "expand", "count", "search", "ranked", "snippets",
        ],
        Operation::One(_) => &["one"],
        Operation::Aggregate(_) => &["sum", "extreme", "group", "having", "sorted_groups"],
        Operation::Create(_) => &["create", "nested"],
        Operation::Update(_) => &["update", "answered", "replayed"],
        Operation::Replace(_) => &["replace", "upsert"],
        Operation::Delete(_) => &["delete"],
        Operation::CreateMany(_) => &["create_many"],
        Operation::UpdateMany(_) => &["update_many", "matching"],
        Operation::DeleteMany(_) => &["delete_many"],
        Operation::Upsert(_) => &["upsert_key"],
        Operation::Batch(_) => &[
            "batch_create",
            "batch_update",
            "batch_replace",
            "batch_upsert",
            "batch_delete",
        ],
    }
}

/// What shows fields without an operation.
const BESIDE: [&str; 1] = ["describe"];

fn operations() -> Vec<Operation> {
    let (model, id, body) = (ModelId(0), String::new(), bytes::Bytes::new());
    let select = Select::default();
    let matching = Matching {
        model,
        filter: None,
        plain: Vec::new(),
    };
    vec![
        Operation::List(Query::new().list(model) as List),
        Operation::One(One {
            model,
            id: id.clone(),
            select: select.clone(),
        }),
        Operation::Aggregate(Aggregate {
            model,
            filter: None,
            plain: Vec::new(),
            group_by: Vec::new(),
            aggregates: Vec::new(),
            having: None,
            sort: Vec::new(),
            limit: None,
        }),
        Operation::Create(Create {
            model,
            body: body.clone(),
            select: select.clone(),
        }),
        Operation::Update(Update {
            model,
            id: id.clone(),
            body: body.clone(),
            if_match: None,
            select: select.clone(),
        }),
        Operation::Replace(Replace {
            model,
            id: id.clone(),
            body: body.clone(),
            if_match: None,
            if_absent: false,
            select: select.clone(),
        }),
        Operation::Delete(Delete {
            model,
            id,
            if_match: None,
        }),
        Operation::CreateMany(CreateMany {
            model,
            body: body.clone(),
            select: select.clone(),
        }),
        Operation::UpdateMany(UpdateMany {
            matching: matching.clone(),
            body: body.clone(),
        }),
        Operation::DeleteMany(DeleteMany { matching }),
        Operation::Upsert(Upsert {
            model,
            key: Vec::new(),
            body,
            if_match: None,
            if_absent: false,
            select,
        }),
        Operation::Batch(Batch { items: Vec::new() }),
    ]
}

fn actor(name: &str) -> Principal {
    match name {
        "anonymous" => anonymous(),
        "other" => user(2),
        "owner" => user(1),
        "boss" => with_roles(3, &["boss"]),
        _ => admin(),
    }
}

const HIGH: i64 = 1000;

async fn record(fx: &Fixture, kind: &str) -> String {
    let body = json!({
        "name": "x", "slug": "s", "owner": uid(1), "public": kind == "public",
        "open": HIGH, "cost": HIGH, "audit": HIGH, "fixed": HIGH,
    });
    let id = id(&fx.create(&system(), M, body).await.ok());
    fx.create(&system(), "m.lines", json!({"item": id}))
        .await
        .ok();
    id
}

/// What an actor meets: a word of the table.
async fn met(fx: &Fixture, surface: &str, kind: &str, field: &str, who: &Principal) -> String {
    let id = record(fx, kind).await;
    let word = answered(fx, surface, kind, field, who, &id).await;
    // Gone already, where the actor could delete it.
    fx.delete(&system(), M, &id).await.0.ok();
    word
}

async fn answered(
    fx: &Fixture,
    surface: &str,
    kind: &str,
    field: &str,
    who: &Principal,
    id: &str,
) -> String {
    let refusal = |reply: &Reply| reply.problem().status().to_string();
    let shown = |record: Option<&Json>| match record {
        None | Some(Json::Null) => "absent",
        Some(record) if record[field] == HIGH => "seen",
        Some(record) => {
            assert!(record.get(field).is_none(), "half seen: {record}");
            "hidden"
        }
    };
    let found = |data: &[Json]| data.iter().find(|r| r["id"] == id).cloned();
    match surface {
        "one" => {
            let reply = fx.one(who, M, id).await;
            if reply.0.is_err() {
                assert_eq!(reply.code(), "access.not_found");
                return "absent".to_owned();
            }
            shown(Some(&reply.ok())).to_owned()
        }
        "list" => shown(found(&fx.list(who, M, Query::new()).await.data()).as_ref()).to_owned(),
        "filter" | "count" => {
            let query = Query::new().filter(&format!("{field} == {HIGH}")).count();
            let reply = fx.list(who, M, query).await;
            if reply.0.is_err() {
                return refusal(&reply);
            }
            let page = reply.ok();
            let seen = match surface {
                "filter" => found(page["data"].as_array().map_or(&[], Vec::as_slice)).is_some(),
                _ => page["count"] == 1,
            };
            let word = if seen { "seen" } else { "hidden" };
            word.to_owned()
        }
        "search" | "ranked" | "snippets" => searched(fx, surface, kind, field, who).await,
        "sum" | "extreme" | "group" | "having" => {
            let (query, column) = match surface {
                "sum" => (format!("sum={field}&count={field}"), format!("sum_{field}")),
                "extreme" => (format!("max={field}&min={field}"), format!("max_{field}")),
                "group" => (format!("group_by={field}&count=*"), field.to_owned()),
                _ => (
                    format!("group_by=name&avg={field}&max={field}&having=avg_{field} > 1.0"),
                    format!("max_{field}"),
                ),
            };
            let reply = fx.aggregate(who, M, &query).await;
            if reply.0.is_err() {
                return refusal(&reply);
            }
            let seen = reply.data().iter().any(|group| group[&column] == HIGH);
            let word = if seen { "seen" } else { "hidden" };
            word.to_owned()
        }
        "sorted_groups" => {
            let decoy = decoy(fx).await;
            let mut first = Vec::new();
            for sign in ["", "-"] {
                let query = format!("group_by=name&sum={field}&sort={sign}sum_{field}");
                let reply = fx.aggregate(who, M, &query).await;
                if reply.0.is_err() {
                    fx.delete(&system(), M, &decoy).await.done();
                    return refusal(&reply);
                }
                let data = reply.data();
                first.push(data.iter().position(|group| group["name"] == "x"));
            }
            fx.delete(&system(), M, &decoy).await.done();
            // Of two groups that look alike the order follows the name: the decoy's is lower.
            match first[..] {
                [None, None] => "absent",
                [Some(1), Some(0)] => "seen",
                [Some(1), Some(1)] => "hidden",
                _ => "told",
            }
            .to_owned()
        }
        "sort" => {
            let decoy = decoy(fx).await;
            let mut first = Vec::new();
            for sort in [field.to_owned(), format!("-{field}")] {
                let reply = fx.list(who, M, Query::new().sort(&sort)).await;
                if reply.0.is_err() {
                    fx.delete(&system(), M, &decoy).await.done();
                    return refusal(&reply);
                }
                let data = reply.data();
                first.push(data.iter().position(|r| r["id"] == id));
            }
            fx.delete(&system(), M, &decoy).await.done();
            // Of two records that look alike the order follows the id: the decoy's is higher.
            match first[..] {
                [None, None] => "absent",
                [Some(1), Some(0)] => "seen",
                [Some(0), Some(1)] => "hidden",
                _ => "told",
            }
            .to_owned()
        }
        "expand" => {
            let data = fx
                .list(who, "m.lines", Query::new().expand("item"))
                .await
                .data();
            assert_eq!(data.len(), 1, "one line");
            shown(data.first().map(|line| &line["item"])).to_owned()
        }
        "describe" => {
            let reader = api::reader::Reader::of(&fx.app, who);
            let text = String::from_utf8(api::openapi::text(&fx.app, &reader)).expect("text");
            let description: Json = serde_json::from_str(&text).expect("JSON");
            let fields = &description["components"]["schemas"][M]["properties"];
            if fields.get(field).is_some() {
                return "seen".to_owned();
            }
            // Not in a filter, a sort order, a body or a word about another field either.
            assert!(!text.contains(field), "{field} is told: {text}");
            "hidden".to_owned()
        }
        "create" | "nested" | "create_many" | "batch_create" | "upsert" => {
            let mut body = json!({"name": "x", "owner": who.id.map(|id| id.to_string()).unwrap_or(uid(1)), "public": kind == "public", "open": 1, "cost": 1, "audit": 1, "fixed": 1});
            for other in FIELDS.iter().filter(|f| **f != field) {
                body.as_object_mut().expect("an object").remove(*other);
            }
            let reply = match surface {
                "create" => fx.create(who, M, body).await,
                "nested" => fx.create(who, "m.boxes", json!({"items": [body]})).await,
                "create_many" => fx.create_many(who, M, json!([body])).await,
                "batch_create" => {
                    let item = json!({"op": "create", "model": M, "body": body});
                    fx.batch(who, json!([item])).await
                }
                _ => fx.replace(who, M, &spec::new_id().to_string(), body).await,
            };
            written(fx, &reply).await
        }
        "update" => {
            let reply = fx.update(who, M, id, json!({ field: HIGH + 1 })).await;
            written(fx, &reply).await
        }
        "answered" | "replayed" => {
            let again = surface == "replayed";
            let key = spec::new_id().to_string();
            let mut reply = renamed(fx, who, id, &key).await;
            if again && reply.0.is_ok() {
                // What they saw of it at first does not matter any more.
                reply = renamed(fx, who, id, &key).await;
            }
            match reply.0 {
                Ok(_) => shown(Some(&reply.ok())).to_owned(),
                Err(_) => refusal(&reply),
            }
        }
        "replace" | "upsert_key" | "batch_replace" | "batch_upsert" => {
            let mut body = json!({
                "name": "x", "slug": "s", "owner": uid(1), "public": kind == "public", "open": HIGH,
            });
            body[field] = json!(HIGH + 1);
            let reply = match surface {
                "replace" => fx.replace(who, M, id, body).await,
                "upsert_key" => fx.upsert(who, M, "slug", body).await,
                "batch_replace" => {
                    let item = json!({"op": "replace", "model": M, "id": id, "body": body});
                    fx.batch(who, json!([item])).await
                }
                _ => {
                    let item = json!({"op": "upsert", "model": M, "key": "slug", "body": body});
                    fx.batch(who, json!([item])).await
                }
            };
            written(fx, &reply).await
        }
        "batch_update" | "batch_delete" => {
            let item = match surface {
                "batch_update" => {
                    json!({"op": "update", "model": M, "id": id, "body": {field: HIGH + 1}})
                }
                _ => json!({"op": "delete", "model": M, "id": id}),
            };
            let reply = fx.batch(who, json!([item])).await;
            written(fx, &reply).await
        }
        "update_many" | "delete_many" => {
            let query = Query::new().filter("name == 'x'");
            let reply = match surface {
                "update_many" => {
                    fx.update_many(who, M, query, json!({ field: HIGH + 1 }))
                        .await
                }
                _ => fx.delete_many(who, M, query).await,
            };
            match reply.0.is_ok() && reply.bytes() == b"{\"count\":0}" {
                true => "absent".to_owned(),
                false => written(fx, &reply).await,
            }
        }
        "matching" => {
            let query = Query::new().filter(&format!("{field} == {HIGH}"));
            let reply = fx.update_many(who, M, query, json!({"name": "x"})).await;
            match &reply.0 {
                Ok(_) if reply.bytes() == b"{\"count\":0}" => "hidden".to_owned(),
                // It was found, and is the caller's to read.
                Ok(_) => "seen".to_owned(),
                Err(problem) if problem.status() == 403 || problem.status() == 401 => {
                    "seen".to_owned()
                }
                Err(_) => refusal(&reply),
            }
        }
        "delete" => {
            let reply = fx.delete(who, M, id).await;
            written(fx, &reply).await
        }
        other => panic!("no way to walk the surface {other}"),
    }
}

/// What a search tells of a text: that it is there, that its record ranks higher for it, what it says.
async fn searched(fx: &Fixture, surface: &str, kind: &str, field: &str, who: &Principal) -> String {
    const PAPERS: &str = "m.papers";
    let mut papers = Vec::new();
    for public in [kind == "public", true] {
        let mut body = json!({"owner": uid(1), "public": public, "open": "a common word"});
        if papers.is_empty() {
            body[field] = json!(if surface == "search" {
                "w1000"
            } else {
                "common"
            });
        }
        papers.push(id(&fx.create(&system(), PAPERS, body).await.ok()));
    }
    let text = if surface == "search" {
        "w1000"
    } else {
        "common"
    };
    let query = Query::new().search(text).snippets().count();
    let page = fx.list(who, PAPERS, query).await.ok();
    let data = page["data"].as_array().expect("records");
    let at = data.iter().position(|one| one["id"] == papers[0]);
    assert_eq!(page["count"], data.len());
    let word = match (surface, at) {
        ("search", at) => ["hidden", "seen"][usize::from(at.is_some())],
        (_, None) => "absent",
        // Of two that look alike, the one that came last is first.
        ("ranked", Some(at)) => ["seen", "hidden"][at],
        (_, Some(at)) => match page["snippets"][at][field].as_str() {
            Some("<mark>common</mark>") => "seen",
            None => "hidden",
            Some(other) => panic!("half seen: {other}"),
        },
    };
    for paper in papers {
        fx.delete(&system(), PAPERS, &paper).await.done();
    }
    word.to_owned()
}

/// A change of what everybody who may change the record may set, under a key; the answer is the record.
async fn renamed(fx: &Fixture, who: &Principal, id: &str, key: &str) -> Reply {
    let body = bytes::Bytes::from_static(b"{\"name\": \"y\"}");
    let update = Operation::Update(Update {
        model: fx.model(M).id,
        id: id.to_owned(),
        body: body.clone(),
        if_match: None,
        select: Select::default(),
    });
    // Who is not known has no keys.
    let once = who.id.map(|_| IdempotencyKey {
        value: key.to_owned(),
        target: format!("PATCH /api/m/items/{id}"),
        request: vec![body],
    });
    let beforehand = Beforehand {
        once,
        ..Beforehand::default()
    };
    let engine = &fx.engine;
    let done = engine.execute_on(&fx.app, who, update, beforehand).await;
    Reply(done.result)
}

/// A record that everybody may see, with lower values.
async fn decoy(fx: &Fixture) -> String {
    let body = json!({"name": "decoy", "owner": uid(4), "public": true, "open": 1, "cost": 1, "audit": 1, "fixed": 1});
    let decoy = id(&fx.create(&system(), M, body).await.ok());
    fx.update(&system(), M, &decoy, json!({"name": "still"}))
        .await
        .ok();
    decoy
}

async fn written(fx: &Fixture, reply: &Reply) -> String {
    let word = match &reply.0 {
        Ok(_) => "done".to_owned(),
        Err(problem) => problem.status().to_string(),
    };
    // What was made in passing goes again, so that each cell stands alone.
    if let Ok(engine::Answer::Record { id, .. } | engine::Answer::Done { id: Some(id), .. }) =
        &reply.0
    {
        fx.delete(&system(), M, id).await.0.ok();
    }
    if reply.0.is_ok() {
        let others = Query::new().filter("slug == null");
        fx.delete_many(&system(), M, others).await.0.ok();
    }
    word
}

type Table = BTreeMap<String, BTreeMap<String, BTreeMap<String, Vec<String>>>>;

each_store!(the_table_holds, APP, async |fx| {
    let table: Table = toml::from_str(TABLE).expect("leak-matrix.toml");
    let mut wanted: Vec<&str> = operations()
        .iter()
        .flat_map(|o| surfaces(o).to_vec())
        .chain(BESIDE)
        .collect();
    wanted.sort_unstable();
    let known: Vec<&str> = table.keys().map(String::as_str).collect();
    assert_eq!(
        known, wanted,
        "every surface has its rows, and no row is of none"
    );
    let (mut wrong, mut actual) = (String::new(), String::new());
    for surface in wanted {
        for kind in RECORDS {
            let _ = writeln!(actual, "\n[{surface}.{kind}]");
            let fields: &[&str] = if surface.ends_with("delete") || surface == "delete_many" {
                &["record"]
            } else {
                &FIELDS
            };
            for field in fields {
                let row = table[surface].get(kind).and_then(|rows| rows.get(*field));
                let mut words = Vec::new();
                for (n, name) in ACTORS.iter().enumerate() {
                    let word = met(fx, surface, kind, field, &actor(name)).await;
                    let expected = row.and_then(|row| row.get(n));
                    if expected != Some(&word) {
                        let _ = writeln!(
                            wrong,
                            "{name} at {kind}.{field} by {surface}: {word}, not {expected:?}"
                        );
                    }
                    words.push(format!("{word:?}"));
                }
                let _ = writeln!(
                    actual,
                    "{field:<6} = [{}]",
                    words
                        .iter()
                        .map(|w| format!("{w:<9}"))
                        .collect::<Vec<_>>()
                        .join(", ")
                );
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}\nas met:\n{actual}");
});
