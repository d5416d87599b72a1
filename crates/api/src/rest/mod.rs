//! REST: an address and a method become an operation, and its answer becomes a response.
//!
//! | file | holds |
//! |---|---|
//! | `route` | addresses and methods |
//! | `query`, `expand`, `aggregate`, `decode` | query strings, read strictly and within bounds |
//! | `batch` | `/api/batch` |
//! | `media` | what a body is, and what an answer may be |
//! | `precondition` | `If-Match` and `If-None-Match` |
//! | `idempotency` | `Idempotency-Key` |
//! | `reply` | answers as responses |

pub mod aggregate;
mod batch;
pub(crate) mod decode;
mod expand;
pub(crate) mod idempotency;
pub(crate) mod media;
pub(crate) mod precondition;
pub mod query;
mod reply;
mod route;

use crate::answered::{Answered, Context};
use crate::problem::Refusal;
use auth::Auth;
use bytes::Bytes;
use engine::operation::{
    Aggregate, Create, CreateMany, Delete, DeleteMany, Matching, One, Operation, Replace, Select,
    Update, UpdateMany, Upsert,
};
use engine::{Beforehand, Engine, Stages};
use http::Method;
use http::header::ALLOW;
use http::request::Parts;
use route::{Route, Target};
use spec::{App, Code, Model, Principal, Problem, Value};
use std::borrow::Cow;
use std::sync::Arc;

type Result<T> = std::result::Result<T, Refusal>;

/// Answers one request.
pub async fn answer(
    engine: &Engine,
    auth: Option<&Auth>,
    parts: &Parts,
    body: Bytes,
    context: &Context<'_>,
) -> Answered {
    let app = engine.app();
    if parts.uri.path() == batch::PATH {
        // Boxed, as whatever is on the path of few requests.
        return Box::pin(batch::answer(engine, &app, parts, body, context)).await;
    }
    let is_closed = |model| engine.is_closed(&app, context.principal, model);
    let route = match route::find(&app, parts.uri.path(), is_closed) {
        Ok(route) => route,
        Err(problem) => {
            return Refusal::from(problem).answered(
                context.request_id,
                Cow::Borrowed("unknown"),
                Stages::default(),
            );
        }
    };
    let mut stages = Stages::default();
    let mut label = Cow::Borrowed("unknown");
    let done = respond(
        engine,
        auth,
        &app,
        &route,
        parts,
        body,
        context,
        &mut stages,
        &mut label,
    )
    .await;
    match done {
        Ok(response) => Answered {
            response,
            route: label,
            stages,
            failure: None,
        },
        Err(refusal) => refusal.answered(context.request_id, label, stages),
    }
}

#[expect(
    clippy::too_many_arguments,
    reason = "the one step between routing and the answer; a struct would be built once and taken apart at once"
)]
async fn respond(
    engine: &Engine,
    auth: Option<&Auth>,
    app: &Arc<App>,
    route: &Route<'_>,
    parts: &Parts,
    body: Bytes,
    context: &Context<'_>,
    stages: &mut Stages,
    label: &mut Cow<'static, str>,
) -> Result<http::Response<Bytes>> {
    let allow = route.allow();
    if parts.method == Method::OPTIONS {
        *label = Cow::Owned(route.label("options"));
        return Ok(reply::options(allow));
    }
    let Some(verb) = route.verb(&parts.method) else {
        *label = Cow::Owned(route.label("unknown"));
        let problem = Problem::new(
            Code::MethodNotAllowed,
            format!("This address takes {allow}."),
        );
        return Err(Refusal::from(problem).with(ALLOW, allow));
    };
    *label = Cow::Owned(route.label(verb));
    media::acceptable(&parts.headers)?;
    let once = idempotency::key(parts, &body)?;
    let model = route.model.id;
    let operation = match read(app, route, parts, body) {
        // What is wrong with it would tell what the model is like.
        Err(_) if engine.is_closed(app, context.principal, model) => unread(route, parts),
        read => read?,
    };
    if matches!(operation, Operation::CreateMany(_)) {
        *label = Cow::Owned(route.label(operation.name()));
    }
    let conditions = precondition::Conditions::of_read(&operation, &parts.headers)?;
    let principal = context.principal;
    let (operation, mut beforehand) = match (operation, auth) {
        (Operation::Create(create), Some(auth)) if is_users(route.model) => {
            // Boxed, as whatever is on the path of few requests.
            Box::pin(with_password(auth, principal, create)).await?
        }
        (operation, _) => (operation, Beforehand::default()),
    };
    beforehand.once = once;
    let executed = engine
        .execute_on(app, principal, operation, beforehand)
        .await;
    *stages = executed.stages;
    let answer = executed.result?;
    let mut response = reply::reply(route.model, answer, &conditions)?;
    if executed.replayed {
        idempotency::mark(&mut response);
    }
    Ok(response)
}

fn is_users(model: &Model) -> bool {
    model.module_name == "auth" && model.name == "users"
}

/// The create of a user, without the password that an administrator gives: `auth` keeps it.
async fn with_password(
    auth: &Auth,
    principal: &Principal,
    create: Create,
) -> Result<(Operation, Beforehand)> {
    let Some(new) = auth.new_user(principal, &create.body).await? else {
        return Ok((Operation::Create(create), Beforehand::default()));
    };
    let create = Create {
        body: new.record,
        ..create
    };
    let beforehand = Beforehand {
        private: new.private,
        key: Some(Value::Uuid(new.id)),
        wrong: new.wrong,
        ..Beforehand::default()
    };
    Ok((Operation::Create(create), beforehand))
}

/// The operation that a request asks for.
fn read(app: &App, route: &Route<'_>, parts: &Parts, body: Bytes) -> Result<Operation> {
    let model = route.model;
    let query = parts.uri.query();
    let headers = &parts.headers;
    let id = match &route.target {
        Target::Records => return read_records(app, model, parts, body),
        Target::Aggregate => {
            return Ok(Operation::Aggregate(aggregate::parse(query, model, app)?));
        }
        Target::Record(id) => id.clone().into_owned(),
    };
    Ok(match parts.method {
        Method::PATCH => {
            precondition::no_if_none_match(headers)?;
            let select = query::parse_select(query, model, app)?;
            media::merge_patch(headers, &body)?;
            Operation::Update(Update {
                model: model.id,
                id,
                body,
                if_match: precondition::if_match(headers)?,
                select,
            })
        }
        Method::PUT => {
            let select = query::parse_select(query, model, app)?;
            media::json(headers, &body)?;
            Operation::Replace(Replace {
                model: model.id,
                id,
                body,
                if_match: precondition::if_match(headers)?,
                if_absent: precondition::if_absent(headers)?,
                select,
            })
        }
        Method::DELETE => {
            precondition::no_if_none_match(headers)?;
            query::parse_nothing(query)?;
            Operation::Delete(Delete {
                model: model.id,
                id,
                if_match: precondition::if_match(headers)?,
            })
        }
        // GET and HEAD: the route has refused the rest.
        _ => Operation::One(One {
            model: model.id,
            id,
            select: query::parse_select(query, model, app)?,
        }),
    })
}

/// The operation that a request would have asked for, of which nothing but its kind is looked at: the engine answers what
/// is asked of a closed model alike, whatever it is.
fn unread(route: &Route<'_>, parts: &Parts) -> Operation {
    let model = route.model.id;
    let (body, select) = (Bytes::new(), Select::default());
    let matching = Matching {
        model,
        filter: None,
        plain: Vec::new(),
    };
    let id = match &route.target {
        Target::Record(id) => id.clone().into_owned(),
        Target::Records | Target::Aggregate => String::new(),
    };
    match (&route.target, &parts.method) {
        (Target::Records, &Method::POST) => Operation::Create(Create {
            model,
            body,
            select,
        }),
        (Target::Records, &Method::PUT) => Operation::Upsert(Upsert {
            model,
            key: Vec::new(),
            body,
            if_match: None,
            if_absent: false,
            select,
        }),
        (Target::Records, &Method::PATCH) => Operation::UpdateMany(UpdateMany { matching, body }),
        (Target::Records, &Method::DELETE) => Operation::DeleteMany(DeleteMany { matching }),
        (Target::Records, _) => Operation::List(query::parse_closed(parts.uri.query(), model)),
        (Target::Aggregate, _) => Operation::Aggregate(Aggregate {
            model,
            filter: None,
            plain: Vec::new(),
            group_by: Vec::new(),
            aggregates: Vec::new(),
            having: None,
            sort: Vec::new(),
            limit: None,
        }),
        (Target::Record(_), &Method::PATCH) => Operation::Update(Update {
            model,
            id,
            body,
            if_match: None,
            select,
        }),
        (Target::Record(_), &Method::PUT) => Operation::Replace(Replace {
            model,
            id,
            body,
            if_match: None,
            if_absent: false,
            select,
        }),
        (Target::Record(_), &Method::DELETE) => Operation::Delete(Delete {
            model,
            id,
            if_match: None,
        }),
        (Target::Record(_), _) => Operation::One(One { model, id, select }),
    }
}

/// What is asked of a model's records: a list, or a write of new or of many.
fn read_records(app: &App, model: &Model, parts: &Parts, body: Bytes) -> Result<Operation> {
    let query = parts.uri.query();
    let headers = &parts.headers;
    Ok(match parts.method {
        Method::POST => {
            precondition::none_taken(headers)?;
            let select = query::parse_select(query, model, app)?;
            media::json(headers, &body)?;
            let (model, first) = (model.id, body.iter().find(|b| !b.is_ascii_whitespace()));
            if first == Some(&b'[') {
                Operation::CreateMany(CreateMany {
                    model,
                    body,
                    select,
                })
            } else {
                Operation::Create(Create {
                    model,
                    body,
                    select,
                })
            }
        }
        Method::PUT => {
            let (key, select) = query::parse_key(query, model, app)?;
            media::json(headers, &body)?;
            Operation::Upsert(Upsert {
                model: model.id,
                key,
                body,
                if_match: precondition::if_match(headers)?,
                if_absent: precondition::if_absent(headers)?,
                select,
            })
        }
        Method::PATCH => {
            precondition::none_of_many(headers)?;
            let matching = query::parse_matching(query, model, app)?;
            media::merge_patch(headers, &body)?;
            Operation::UpdateMany(UpdateMany { matching, body })
        }
        Method::DELETE => {
            precondition::none_of_many(headers)?;
            let matching = query::parse_matching(query, model, app)?;
            Operation::DeleteMany(DeleteMany { matching })
        }
        // GET and HEAD: the route has refused the rest.
        _ => Operation::List(query::parse_list(query, model, app)?),
    })
}
