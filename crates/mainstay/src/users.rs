//! The accounts' way to `auth.users`: through the one door, like everybody's.

use auth::{Answer as Later, UserAccount, UserDoor, UserRecord};
use bytes::Bytes;
use engine::{Answer, Beforehand, Beside, Engine};
use plan::operation::{Create, List, One, Operation, PlainFilter, PlainOp, Select};
use spec::problem::Result;
use spec::statement::Step;
use spec::{Code, Model, ModelId, Principal, Problem, Uuid, Value};
use std::sync::Arc;

/// [`UserDoor`] by the engine.
pub struct Users {
    engine: Arc<Engine>,
}

impl Users {
    pub fn new(engine: Arc<Engine>) -> Users {
        Users { engine }
    }

    async fn account(&self, field: &str, value: String) -> Result<Option<UserAccount>> {
        let app = self.engine.app();
        let list = List {
            model: users(&app)?,
            filter: None,
            plain: vec![PlainFilter {
                field: field.to_owned(),
                op: PlainOp::Eq,
                values: vec![value],
            }],
            sort: Vec::new(),
            limit: Some(1),
            cursor: None,
            select: Select {
                fields: Some(
                    ["id", "email", "verified", "suspended"]
                        .map(str::to_owned)
                        .to_vec(),
                ),
                expand: Vec::new(),
            },
            count: false,
            search: None,
            snippets: false,
        };
        let done = self
            .engine
            .execute_on(
                &app,
                &Principal::system(),
                Operation::List(list),
                Beforehand::default(),
            )
            .await;
        let answer = done.result?;
        let page: serde_json::Value = serde_json::from_slice(answer.body().unwrap_or(b"null"))
            .map_err(|e| Problem::internal(format!("a page of users: {e}")))?;
        Ok(page["data"].get(0).and_then(account_of))
    }
}

fn account_of(user: &serde_json::Value) -> Option<UserAccount> {
    Some(UserAccount {
        id: user["id"].as_str()?.parse().ok()?,
        email: user["email"].as_str()?.into(),
        verified: user["verified"].as_bool()?,
        suspended: user["suspended"].as_bool()?,
    })
}

fn users(app: &spec::App) -> Result<ModelId> {
    app.model_named("auth.users")
        .map(|m| m.id)
        .ok_or_else(|| Problem::internal("the app has no auth.users"))
}

impl UserDoor for Users {
    fn register(&self, body: Bytes, id: Uuid, private: Vec<Step>) -> Later<'_, UserRecord> {
        Box::pin(async move {
            let app = self.engine.app();
            let model = users(&app)?;
            let principal = Principal::user(id, None, Arc::from([]));
            let email = app.model(model).field_named("email").map(|f| f.id);
            let email = email.ok_or_else(|| Problem::internal("auth.users has no email"))?;
            let create = Create {
                model,
                body,
                select: Select::default(),
            };
            let beforehand = Beforehand {
                private,
                key: Some(Value::Uuid(id)),
                registers: Some(email),
                ..Beforehand::default()
            };
            let create = Operation::Create(create);
            let done = self.engine.execute_on(&app, &principal, create, beforehand);
            let answer = done.await.result?;
            let account = self
                .account("id", id.to_string())
                .await?
                .ok_or_else(|| Problem::internal("a user who has just registered is not there"))?;
            let json = match answer {
                Answer::Record { body, .. } => Bytes::from(body),
                // An app may keep its users from reading themselves; then there is the id to show, no more.
                Answer::Page { .. } | Answer::Many { .. } | Answer::Done { .. } => bare(id),
            };
            let json = with_roles(&json, &[]);
            Ok(UserRecord { account, json })
        })
    }

    fn user_by_email<'a>(&'a self, email: &'a str) -> Later<'a, Option<UserAccount>> {
        Box::pin(self.account("email", email.to_owned()))
    }

    fn user(&self, id: Uuid) -> Later<'_, Option<UserAccount>> {
        Box::pin(self.account("id", id.to_string()))
    }

    fn user_json<'a>(&'a self, id: Uuid, principal: &'a Principal) -> Later<'a, Bytes> {
        Box::pin(async move {
            let app = self.engine.app();
            let one = One {
                model: users(&app)?,
                id: id.to_string(),
                select: Select::default(),
            };
            let done = self
                .engine
                .execute_on(&app, principal, Operation::One(one), Beforehand::default())
                .await;
            let json = match done.result {
                Ok(Answer::Record { body, .. }) => Bytes::from(body),
                Ok(_) => bare(id),
                Err(problem) if problem.code == Code::NotFound => bare(id),
                Err(problem) => return Err(problem),
            };
            Ok(with_roles(&json, &principal.roles))
        })
    }
}

/// Whether a change's body may suspend its user: what cannot be read here counts, for it is read again.
fn suspends(body: &[u8]) -> bool {
    let body: Option<serde_json::Value> = serde_json::from_slice(body).ok();
    body.is_none_or(|change| change["suspended"] == true)
}

fn bare(id: Uuid) -> Bytes {
    Bytes::from(format!("{{\"id\":\"{}\"}}", id.hyphenated()))
}

/// A user's record with their roles in it: a name that the loader keeps free.
fn with_roles(record: &[u8], roles: &[Arc<str>]) -> Bytes {
    let mut roles: Vec<&str> = roles.iter().map(|role| &**role).collect();
    roles.sort_unstable();
    let mut out = record.strip_suffix(b"}").unwrap_or(record).to_vec();
    if !out.ends_with(b"{") {
        out.push(b',');
    }
    out.extend_from_slice(b"\"roles\":[");
    for (at, role) in roles.into_iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        spec::json::write_string(&mut out, role);
    }
    out.extend_from_slice(b"]}");
    out.into()
}

/// What accounts keep beside `auth.users`: a deleted user's password, sessions and roles go with them, a changed
/// one is looked at anew, and the last administrator stays.
pub struct Accounts(pub Arc<auth::Auth>);

impl Accounts {
    fn user(model: &Model, id: &Value) -> Option<Uuid> {
        match id {
            Value::Uuid(id) if model.module_name == "auth" && model.name == "users" => Some(*id),
            _ => None,
        }
    }
}

impl engine::Companion for Accounts {
    fn beside(&self, model: &Model, id: &Value, body: Option<&[u8]>) -> Beside {
        let Some(user) = Accounts::user(model, id) else {
            return Beside::default();
        };
        if !body.is_none_or(suspends) {
            return Beside::default();
        }
        let mut steps = vec![self.0.keep_administrator(user)];
        if body.is_none() {
            steps.extend(self.0.forget_steps(user));
        }
        Beside {
            steps,
            missed: Some(auth::last_administrator()),
        }
    }

    /// A password is asked for and hashed on the way of creating a user.
    fn is_created_alone(&self, model: &Model) -> bool {
        model.module_name == "auth" && model.name == "users"
    }

    fn written(&self, model: &Model, id: &Value) {
        if let Some(user) = Accounts::user(model, id) {
            self.0.touched(user);
        }
    }
}
