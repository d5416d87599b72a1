//! Every wire format. Each reads bytes into an `Operation`, hands it to the engine, and writes the answer;
//! nothing is decided here.
//!
//! - [`rest`]: `/api/{module}/{model}` and `/api/{module}/{model}/{id}`.
//! - [`accounts`]: `/api/auth/…`: registering, signing in, passwords, roles.
//! - [`description`]: `/api/openapi.json` and `/api/docs`, written by [`openapi`].
//! - `problem`: errors as RFC 9457 documents, for all of them.
//!
//! Absent here: sockets, limits on bytes and time, who is calling (the gateway), rules (the engine).

pub mod accounts;
mod answered;
pub mod description;
pub mod openapi;
mod problem;
pub mod reader;
pub mod rest;
pub mod typescript;
mod words;

pub use answered::{Answered, Context, Failure};

use bytes::Bytes;
use description::Description;
use engine::Engine;
use http::request::Parts;
use std::sync::Arc;

/// The whole of the API, over one engine.
pub struct Api {
    engine: Arc<Engine>,
    /// Without it there are no account routes: an app whose callers are known otherwise.
    auth: Option<Arc<auth::Auth>>,
    description: Description,
    greets: bool,
}

impl Api {
    pub fn new(engine: Arc<Engine>, auth: Option<Arc<auth::Auth>>) -> Api {
        Api {
            engine,
            auth,
            description: Description::default(),
            greets: false,
        }
    }

    /// Leads browsers that ask for `/` to `/api/docs`, where the app has that page: for development.
    pub fn greeting(self, greets: bool) -> Api {
        Api { greets, ..self }
    }

    /// Answers one request whose body is already here, whole and within its bound.
    pub async fn answer(&self, parts: &Parts, body: Bytes, context: &Context<'_>) -> Answered {
        if let Some(auth) = &self.auth
            && let Some(endpoint) = accounts::endpoint(parts.uri.path())
        {
            // Boxed, as whatever is on the path of few requests: a connection holds the largest of its futures,
            // and moves it in with each request.
            return Box::pin(accounts::answer(auth, endpoint, parts, body, context)).await;
        }
        if let Some(endpoint) = description::endpoint(parts.uri.path()) {
            let app = self.engine.app();
            if app.settings.server.docs {
                return self.description.answer(&app, endpoint, parts, context);
            }
        }
        if self.greets
            && description::is_browser_at_root(parts)
            && self.engine.app().settings.server.docs
        {
            return description::lead();
        }
        rest::answer(&self.engine, self.auth.as_deref(), parts, body, context).await
    }

    /// Whether a request to this path says nothing by its access token, so that a stale one does no harm:
    /// signing in and refreshing must work for those whose token has expired.
    pub fn ignores_credentials(&self, path: &str) -> bool {
        self.auth.is_some()
            && accounts::endpoint(path).is_some_and(accounts::Endpoint::ignores_credentials)
    }
}
