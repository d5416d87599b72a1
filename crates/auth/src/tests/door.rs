//! User records in memory, in place of the engine; a table has of them what SQL asks for.

use crate::door::{Answer, UserAccount, UserDoor, UserRecord};
use bytes::Bytes;
use parking_lot::Mutex;
use spec::problem::Result;
use spec::statement::{Expect, Lane, Statement, Step, Written};
use spec::{Code, FieldError, Principal, Problem, Uuid};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;

pub struct FakeDoor {
    store: Arc<Store>,
    pub users: Mutex<HashMap<Uuid, UserAccount>>,
    /// What was asked of it.
    pub asked: Mutex<Vec<&'static str>>,
}

impl FakeDoor {
    pub fn new(store: Arc<Store>) -> FakeDoor {
        FakeDoor {
            store,
            users: Mutex::default(),
            asked: Mutex::default(),
        }
    }

    pub fn change(&self, id: Uuid, change: impl FnOnce(&mut UserAccount)) {
        let suspended = {
            let mut users = self.users.lock();
            let user = users.get_mut(&id).unwrap();
            change(user);
            user.suspended
        };
        let values = [(id, suspended)];
        self.mirror(
            r#"UPDATE {users} SET "suspended" = {1} WHERE "id" = {0}"#,
            values,
        );
    }

    /// Changes a record as another process would: nobody here is told.
    pub fn delete(&self, id: Uuid) {
        self.users.lock().remove(&id);
        self.mirror(r#"DELETE FROM {users} WHERE "id" = {0}"#, [(id, false)]);
    }

    /// Values are written out: nothing here is anybody's input.
    fn mirror(&self, sql: &str, [(id, suspended)]: [(Uuid, bool); 1]) {
        let dialect = self.store.dialect();
        let table = spec::schema::TableName::new("auth", "users").sql(dialect);
        let (id, suspended) = match dialect {
            spec::Dialect::Sqlite => (
                format!("x'{}'", id.simple()),
                i32::from(suspended).to_string(),
            ),
            spec::Dialect::Postgres => (format!("'{id}'::uuid"), suspended.to_string()),
        };
        let text = sql.replace("{users}", &table).replace("{0}", &id);
        let step = Step {
            statement: Statement {
                text: text.replace("{1}", &suspended),
                params: Vec::new(),
                shape: Arc::default(),
                lane: Lane::Bounded,
            },
            expect: Expect::One,
        };
        let deadline = Instant::now() + Duration::from_secs(5);
        let written = tokio::task::block_in_place(|| {
            tokio::runtime::Handle::current().block_on(self.store.write(vec![step], deadline))
        });
        assert!(matches!(written, Ok(Written::Done(_))), "{written:?}");
    }

    async fn create(&self, body: Bytes, id: Uuid, private: Vec<Step>) -> Result<UserRecord> {
        let body: serde_json::Map<String, serde_json::Value> = serde_json::from_slice(&body)
            .map_err(|e| Problem::new(Code::MalformedJson, e.to_string()))?;
        let mut errors = Vec::new();
        for (name, value) in &body {
            match name.as_str() {
                "email" | "name" if !value.is_string() => {
                    errors.push(FieldError::at(
                        name,
                        "type",
                        format!("{name} must be a string."),
                    ));
                }
                "email" | "name" => {}
                "verified" => {
                    return Err(Problem::new(
                        Code::FieldForbidden,
                        "You may not write verified.",
                    ));
                }
                _ => errors.push(FieldError::at(
                    name,
                    "unknown",
                    format!("there is no {name}"),
                )),
            }
        }
        if !body.contains_key("email") {
            errors.push(FieldError::at("email", "required", "email is required."));
        }
        if !errors.is_empty() {
            return Err(Problem::invalid(errors));
        }
        let email = body["email"]
            .as_str()
            .unwrap_or_default()
            .trim()
            .to_lowercase();
        if self.users.lock().values().any(|user| *user.email == *email) {
            let taken = FieldError::at("email", "duplicate", "The address is taken.");
            return Err(
                Problem::new(Code::Conflict, "The address is taken.").with_errors(vec![taken])
            );
        }
        let deadline = Instant::now() + Duration::from_secs(5);
        let written = self.store.write(private, deadline).await;
        if !matches!(written.map_err(crate::fault::problem_of)?, Written::Done(_)) {
            return Err(Problem::new(Code::Forbidden, "A private step missed."));
        }
        let account = UserAccount {
            id,
            email: email.into(),
            verified: false,
            suspended: false,
        };
        self.users.lock().insert(id, account.clone());
        self.mirror(
            r#"INSERT INTO {users} ("id", "suspended") VALUES ({0}, {1})"#,
            [(id, false)],
        );
        Ok(UserRecord {
            json: json(&account),
            account,
        })
    }
}

fn json(account: &UserAccount) -> Bytes {
    format!(r#"{{"id":"{}","email":"{}"}}"#, account.id, account.email).into()
}

impl UserDoor for FakeDoor {
    fn register(&self, body: Bytes, id: Uuid, private: Vec<Step>) -> Answer<'_, UserRecord> {
        self.asked.lock().push("register");
        Box::pin(self.create(body, id, private))
    }

    fn user_by_email<'a>(&'a self, email: &'a str) -> Answer<'a, Option<UserAccount>> {
        self.asked.lock().push("user_by_email");
        Box::pin(async move {
            let users = self.users.lock();
            Ok(users.values().find(|user| *user.email == *email).cloned())
        })
    }

    fn user(&self, id: Uuid) -> Answer<'_, Option<UserAccount>> {
        self.asked.lock().push("user");
        Box::pin(async move { Ok(self.users.lock().get(&id).cloned()) })
    }

    fn user_json<'a>(&'a self, id: Uuid, principal: &'a Principal) -> Answer<'a, Bytes> {
        self.asked.lock().push("user_json");
        Box::pin(async move {
            assert_eq!(
                principal.id,
                Some(id),
                "records are shown to their own users"
            );
            self.users
                .lock()
                .get(&id)
                .map(json)
                .ok_or_else(Problem::not_found)
        })
    }
}
