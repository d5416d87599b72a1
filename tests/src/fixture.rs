//! An app on a database of its own, and its one door.

use crate::actor;
use crate::database::{self, Held, On};
use crate::query::Query;
use crate::reply::Reply;
use bytes::Bytes;
use engine::Engine;
use plan::operation::{
    Act, Batch, Create, CreateMany, Delete, DeleteMany, Given, Item, Matching, One, Operation,
    Precondition, Replace, Select, Update, UpdateMany, Upsert,
};
use serde_json::{Value as Json, json};
use spec::statement::{Capture, Expect, Lane, Shape, Statement, Step};
use spec::{App, Model, ModelId, Principal};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;
use store::migrate::{Allow, Applied, Extras, Plan};

const SECRET: &[u8] = b"thirty-two bytes of test secret!";

pub struct Fixture {
    pub on: On,
    pub app: Arc<App>,
    pub engine: Arc<Engine>,
    pub store: Arc<Store>,
    /// None of one that lives on the store of another.
    held: Option<Held>,
}

/// Loads an app from one text: `## modules/shop/module.toml` begins a file, and what stands before the first
/// such line is `mainstay.toml`.
pub fn load(text: &str) -> Arc<App> {
    let mut files: Vec<(PathBuf, String)> = vec![(PathBuf::from("mainstay.toml"), String::new())];
    for line in text.lines() {
        if let Some(path) = line.strip_prefix("## ") {
            files.push((PathBuf::from(path.trim()), String::new()));
        } else if let Some((_, text)) = files.last_mut() {
            text.push_str(line);
            text.push('\n');
        }
    }
    let loaded = spec::load::load_sources(files);
    match loaded.app {
        Some(app) => Arc::new(app),
        None => panic!("the app does not load: {:#?}\n{text}", loaded.diagnostics),
    }
}

impl Fixture {
    pub async fn open(on: On, app: &str) -> Fixture {
        Fixture::with(on, load(app)).await
    }

    pub async fn with(on: On, app: Arc<App>) -> Fixture {
        Fixture::opened(on, app, database::open(on).await).await
    }

    /// On a store of the test's own making.
    pub async fn opened(on: On, app: Arc<App>, (store, held): (Store, Held)) -> Fixture {
        let schema = plan::schema::schema(&app);
        let applied = store.apply(&schema, Allow::SAFE).await.expect("tables");
        assert!(matches!(applied, Applied::Ran(_)), "{applied:?}");
        let store = Arc::new(store);
        let engine = Arc::new(Engine::new(Arc::clone(&app), Arc::clone(&store), SECRET));
        let fixture = Fixture {
            on,
            app,
            engine,
            store,
            held: Some(held),
        };
        for n in 1..=4 {
            let body = json!({"id": actor::uid(n), "email": format!("user{n}@example.com"), "name": format!("User {n}")});
            fixture
                .create(&actor::system(), "auth.users", body)
                .await
                .ok();
        }
        fixture
    }

    /// Another app on the same store, brought to it: what is there after a change to the app.
    pub async fn later(&self, app: &str) -> Fixture {
        let (fixture, applied) = self.migrate(app, Allow::SLOW).await;
        assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}");
        fixture
    }

    /// Another app on the same store, and what came of bringing the store to it.
    pub async fn migrate(&self, app: &str, allow: Allow) -> (Fixture, store::Result<Applied>) {
        let app = load(app);
        let schema = plan::schema::schema(&app);
        let applied = self.store.apply(&schema, allow).await;
        let store = Arc::clone(&self.store);
        let engine = Arc::new(Engine::new(Arc::clone(&app), Arc::clone(&store), SECRET));
        let fixture = Fixture {
            on: self.on,
            app,
            engine,
            store,
            held: None,
        };
        (fixture, applied)
    }

    /// What lies between the database and the app.
    pub async fn plan(&self, extras: Extras) -> Plan {
        let schema = plan::schema::schema(&self.app);
        self.store.migration(&schema, extras).await.expect("a plan")
    }

    /// One statement as somebody beside Mainstay would run it.
    pub async fn by_hand(&self, sql: &str) {
        let step = Step {
            statement: Statement {
                text: sql.to_owned(),
                params: Vec::new(),
                shape: Arc::new(Shape {
                    columns: Vec::new(),
                    capture: Capture::Every,
                }),
                lane: Lane::Bounded,
            },
            expect: Expect::Any,
        };
        let deadline = Instant::now() + Duration::from_secs(10);
        let written = self.store.write(vec![step], deadline).await;
        assert!(written.is_ok(), "{sql}: {written:?}");
    }

    /// Where its database is, where it is on a server.
    pub fn url(&self) -> Option<String> {
        self.held.as_ref()?.url()
    }

    pub async fn remove(self) {
        let Some(held) = self.held else { return };
        self.store.close().await;
        drop(self.engine);
        drop(self.store);
        held.remove().await;
    }

    #[track_caller]
    pub fn model(&self, full_name: &str) -> &Model {
        self.app
            .model_named(full_name)
            .unwrap_or_else(|| panic!("no model {full_name}"))
    }

    #[track_caller]
    fn id_of(&self, full_name: &str) -> ModelId {
        self.model(full_name).id
    }

    pub async fn execute(&self, who: &Principal, operation: Operation) -> Reply {
        Reply(self.engine.execute(who, operation).await.result)
    }

    pub async fn create(&self, who: &Principal, model: &str, body: Json) -> Reply {
        self.create_text(who, model, &body.to_string()).await
    }

    /// With a body that no JSON value can express: duplicate keys, digits as they were written.
    pub async fn create_text(&self, who: &Principal, model: &str, body: &str) -> Reply {
        let create = Create {
            model: self.id_of(model),
            body: Bytes::copy_from_slice(body.as_bytes()),
            select: Select::default(),
        };
        self.execute(who, Operation::Create(create)).await
    }

    /// As the command line imports: all or nothing.
    pub async fn import(&self, model: &str, records: &[Json]) {
        let (sender, receiver) = tokio::sync::mpsc::channel(1);
        let now = spec::time::now_micros();
        let whole = self.engine.import(&self.app, self.id_of(model), now);
        let import = |record: &Json| {
            let record = whole.record(record.to_string().as_bytes());
            let steps = record.and_then(|record| whole.steps(record));
            steps.expect("a record")
        };
        let steps = records.iter().flat_map(import).collect();
        let feed = async {
            for batch in [store::Batch::Steps(steps), store::Batch::Commit] {
                sender.send(batch).await.expect("somebody who loads");
            }
        };
        let (loaded, ()) = tokio::join!(self.store.load(receiver), feed);
        assert!(
            matches!(loaded, Ok(store::Loaded::Done { .. })),
            "{loaded:?}"
        );
    }

    pub async fn one(&self, who: &Principal, model: &str, id: &str) -> Reply {
        self.one_with(who, model, id, Query::new()).await
    }

    /// Only the query's fields and relations count.
    pub async fn one_with(&self, who: &Principal, model: &str, id: &str, query: Query) -> Reply {
        let one = One {
            model: self.id_of(model),
            id: id.to_owned(),
            select: query.select,
        };
        self.execute(who, Operation::One(one)).await
    }

    pub async fn list(&self, who: &Principal, model: &str, query: Query) -> Reply {
        let list = query.list(self.id_of(model));
        self.execute(who, Operation::List(list)).await
    }

    /// As a query string says it; `&&` and `+` stand for themselves.
    pub async fn aggregate(&self, who: &Principal, model: &str, query: &str) -> Reply {
        let query = query.replace("&&", "%26%26").replace('+', "%2B");
        match api::rest::aggregate::parse(Some(&query), self.model(model), &self.app) {
            Ok(aggregate) => self.execute(who, Operation::Aggregate(aggregate)).await,
            Err(problem) => Reply(Err(problem)),
        }
    }

    pub async fn update(&self, who: &Principal, model: &str, id: &str, body: Json) -> Reply {
        self.update_if(who, model, id, body, None).await
    }

    pub async fn update_if(
        &self,
        who: &Principal,
        model: &str,
        id: &str,
        body: Json,
        if_match: Option<&str>,
    ) -> Reply {
        let update = Update {
            model: self.id_of(model),
            id: id.to_owned(),
            body: Bytes::from(body.to_string()),
            if_match: if_match.map(tag),
            select: Select::default(),
        };
        self.execute(who, Operation::Update(update)).await
    }

    pub async fn replace(&self, who: &Principal, model: &str, id: &str, body: Json) -> Reply {
        self.replace_if(who, model, id, body, None, false).await
    }

    pub async fn replace_if(
        &self,
        who: &Principal,
        model: &str,
        id: &str,
        body: Json,
        if_match: Option<&str>,
        if_absent: bool,
    ) -> Reply {
        let replace = Replace {
            model: self.id_of(model),
            id: id.to_owned(),
            body: Bytes::from(body.to_string()),
            if_match: if_match.map(tag),
            if_absent,
            select: Select::default(),
        };
        self.execute(who, Operation::Replace(replace)).await
    }

    /// `records` is an array.
    pub async fn create_many(&self, who: &Principal, model: &str, records: Json) -> Reply {
        self.create_many_with(who, model, records, Query::new())
            .await
    }

    /// Only the query's fields and relations count.
    pub async fn create_many_with(
        &self,
        who: &Principal,
        model: &str,
        records: Json,
        query: Query,
    ) -> Reply {
        let many = CreateMany {
            model: self.id_of(model),
            body: Bytes::from(records.to_string()),
            select: query.select,
        };
        self.execute(who, Operation::CreateMany(many)).await
    }

    /// Only the query's filters count.
    pub async fn update_many(
        &self,
        who: &Principal,
        model: &str,
        query: Query,
        body: Json,
    ) -> Reply {
        let update = UpdateMany {
            matching: self.matching(model, query),
            body: Bytes::from(body.to_string()),
        };
        self.execute(who, Operation::UpdateMany(update)).await
    }

    pub async fn delete_many(&self, who: &Principal, model: &str, query: Query) -> Reply {
        let matching = self.matching(model, query);
        let delete = Operation::DeleteMany(DeleteMany { matching });
        self.execute(who, delete).await
    }

    fn matching(&self, model: &str, query: Query) -> Matching {
        Matching {
            model: self.id_of(model),
            filter: query.filter,
            plain: query.plain,
        }
    }

    /// `key`: fields, separated by commas.
    pub async fn upsert(&self, who: &Principal, model: &str, key: &str, body: Json) -> Reply {
        self.upsert_if(who, model, key, body, None, false).await
    }

    pub async fn upsert_if(
        &self,
        who: &Principal,
        model: &str,
        key: &str,
        body: Json,
        if_match: Option<&str>,
        if_absent: bool,
    ) -> Reply {
        let upsert = Upsert {
            model: self.id_of(model),
            key: key.split(',').map(str::to_owned).collect(),
            body: Bytes::from(body.to_string()),
            if_match: if_match.map(tag),
            if_absent,
            select: Select::default(),
        };
        self.execute(who, Operation::Upsert(upsert)).await
    }

    /// `operations` as they stand in the body of `/api/batch`.
    pub async fn batch(&self, who: &Principal, operations: Json) -> Reply {
        self.execute(who, self.batch_of(&operations)).await
    }

    /// The same, for a task that outlives a borrow.
    pub fn batch_of(&self, operations: &Json) -> Operation {
        let items = operations.as_array().expect("an array").iter();
        let items = items.map(|item| self.item(item)).collect();
        Operation::Batch(Batch { items })
    }

    fn item(&self, item: &Json) -> Item {
        let text = |key: &str| item[key].as_str().map(str::to_owned);
        let body = Bytes::from(item["body"].to_string());
        let if_match = item["if_match"].as_str().map(tag);
        let id = || match &item["id"] {
            Json::String(id) => Given::Id(id.clone()),
            Json::Object(of) => Given::Ref(of["$ref"].as_str().expect("a name").to_owned()),
            id => Given::Id(id.to_string()),
        };
        let key = || {
            let key = text("key").unwrap_or_default();
            key.split(',').map(str::to_owned).collect()
        };
        let act = match item["op"].as_str().expect("op") {
            "create" => Act::Create { body },
            "update" => Act::Update {
                id: id(),
                body,
                if_match,
            },
            "replace" => Act::Replace {
                id: id(),
                body,
                if_match,
            },
            "upsert" => Act::Upsert {
                key: key(),
                body,
                if_match,
            },
            _ => Act::Delete { id: id(), if_match },
        };
        Item {
            name: text("name"),
            model: self.id_of(&text("model").expect("a model")),
            act,
        }
    }

    pub async fn delete(&self, who: &Principal, model: &str, id: &str) -> Reply {
        self.delete_if(who, model, id, None).await
    }

    pub async fn delete_if(
        &self,
        who: &Principal,
        model: &str,
        id: &str,
        if_match: Option<&str>,
    ) -> Reply {
        let delete = Delete {
            model: self.id_of(model),
            id: id.to_owned(),
            if_match: if_match.map(tag),
        };
        self.execute(who, Operation::Delete(delete)).await
    }
}

/// `*`, or one entity tag.
fn tag(text: &str) -> Precondition {
    match text {
        "*" => Precondition::Exists,
        tag => Precondition::Tags(vec![tag.to_owned()]),
    }
}
