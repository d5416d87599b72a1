//! User records in memory, in place of the engine.

use crate::door::{Answer, UserAccount, UserDoor, UserRecord};
use bytes::Bytes;
use parking_lot::Mutex;
use spec::problem::Result;
use spec::statement::{Step, Written};
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
        change(self.users.lock().get_mut(&id).unwrap());
    }

    /// Changes a record as another process would: nobody here is told.
    pub fn delete(&self, id: Uuid) {
        self.users.lock().remove(&id);
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
