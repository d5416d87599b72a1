//! `/api/auth/…`: what is done with an account, beside its record (which is one of `auth.users`, like any other).

use crate::answered::{Answered, Context};
use crate::problem::Refusal;
use crate::rest::{decode, idempotency, media, query};
use auth::{Auth, SignedIn};
use bytes::Bytes;
use engine::Stages;
use http::header::{ALLOW, CACHE_CONTROL, CONTENT_TYPE, HeaderValue, PRAGMA, USER_AGENT, VARY};
use http::request::Parts;
use http::{Method, Response, StatusCode};
use spec::{Code, Problem, Uuid};
use std::borrow::Cow;
use std::sync::Arc;

/// What an address under `/api/auth/` names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Endpoint<'p> {
    Register,
    Login,
    Refresh,
    Logout,
    Me,
    Password,
    /// `users/{id}/roles`, still encoded.
    Roles {
        user: &'p str,
    },
    /// `users/{id}/roles/{role}`, both still encoded.
    Role {
        user: &'p str,
        role: &'p str,
    },
}

pub fn endpoint(path: &str) -> Option<Endpoint<'_>> {
    let rest = path.strip_prefix("/api/auth/")?;
    Some(match rest {
        "register" => Endpoint::Register,
        "login" => Endpoint::Login,
        "refresh" => Endpoint::Refresh,
        "logout" => Endpoint::Logout,
        "me" => Endpoint::Me,
        "password" => Endpoint::Password,
        _ => {
            let mut parts = rest.strip_prefix("users/")?.split('/');
            let user = parts.next().filter(|user| !user.is_empty())?;
            match (parts.next(), parts.next(), parts.next()) {
                (Some("roles"), None, None) => Endpoint::Roles { user },
                (Some("roles"), Some(role), None) if !role.is_empty() => {
                    Endpoint::Role { user, role }
                }
                _ => return None,
            }
        }
    })
}

impl Endpoint<'_> {
    pub fn ignores_credentials(self) -> bool {
        matches!(
            self,
            Endpoint::Register | Endpoint::Login | Endpoint::Refresh
        )
    }

    fn allow(self) -> &'static str {
        match self {
            Endpoint::Me | Endpoint::Roles { .. } => "GET, HEAD, OPTIONS",
            Endpoint::Role { .. } => "PUT, DELETE, OPTIONS",
            _ => "POST, OPTIONS",
        }
    }

    fn takes(self, method: &Method) -> bool {
        match self {
            Endpoint::Me | Endpoint::Roles { .. } => matches!(*method, Method::GET | Method::HEAD),
            Endpoint::Role { .. } => matches!(*method, Method::PUT | Method::DELETE),
            _ => *method == Method::POST,
        }
    }

    fn has_body(self) -> bool {
        matches!(
            self,
            Endpoint::Register | Endpoint::Login | Endpoint::Refresh | Endpoint::Password
        )
    }

    fn label(self) -> &'static str {
        match self {
            Endpoint::Register => "auth.register",
            Endpoint::Login => "auth.login",
            Endpoint::Refresh => "auth.refresh",
            Endpoint::Logout => "auth.logout",
            Endpoint::Me => "auth.me",
            Endpoint::Password => "auth.password",
            Endpoint::Roles { .. } => "auth.roles",
            Endpoint::Role { .. } => "auth.role",
        }
    }
}

pub async fn answer(
    auth: &Auth,
    endpoint: Endpoint<'_>,
    parts: &Parts,
    body: Bytes,
    context: &Context<'_>,
) -> Answered {
    let route = Cow::Borrowed(endpoint.label());
    match respond(auth, endpoint, parts, body, context).await {
        Ok(response) => Answered {
            response,
            route,
            stages: Stages::default(),
            failure: None,
        },
        Err(refusal) => refusal.answered(context.request_id, route, Stages::default()),
    }
}

async fn respond(
    auth: &Auth,
    endpoint: Endpoint<'_>,
    parts: &Parts,
    body: Bytes,
    context: &Context<'_>,
) -> Result<Response<Bytes>, Refusal> {
    let allow = endpoint.allow();
    if parts.method == Method::OPTIONS {
        let mut response = nothing();
        response
            .headers_mut()
            .insert(ALLOW, HeaderValue::from_static(allow));
        return Ok(response);
    }
    if !endpoint.takes(&parts.method) {
        let detail = format!("This address takes {allow}.");
        return Err(Refusal::from(Problem::new(Code::MethodNotAllowed, detail)).with(ALLOW, allow));
    }
    media::acceptable(&parts.headers)?;
    idempotency::none(&parts.method, &parts.headers)?;
    query::parse_nothing(parts.uri.query())?;
    if endpoint.has_body() {
        media::json(&parts.headers, &body)?;
    }
    let agent = parts.headers.get(USER_AGENT).and_then(|v| v.to_str().ok());
    Ok(match endpoint {
        Endpoint::Register => tokens(StatusCode::CREATED, &auth.register(&body, agent).await?),
        Endpoint::Login => tokens(StatusCode::OK, &auth.login(&body, agent).await?),
        Endpoint::Refresh => tokens(StatusCode::OK, &auth.refresh(&body).await?),
        Endpoint::Logout => {
            auth.logout(context.principal).await?;
            nothing()
        }
        Endpoint::Me => json(StatusCode::OK, auth.me(context.principal).await?),
        Endpoint::Password => {
            auth.change_password(context.principal, &body).await?;
            nothing()
        }
        Endpoint::Roles { user } => {
            let roles = auth.roles_as(context.principal, user_id(user)?).await?;
            json(StatusCode::OK, role_list(&roles))
        }
        Endpoint::Role { user, role } => {
            let (user, role) = (user_id(user)?, decode::segment(role)?);
            if parts.method == Method::PUT {
                auth.grant_role_as(context.principal, user, &role).await?;
            } else {
                auth.revoke_role_as(context.principal, user, &role).await?;
            }
            nothing()
        }
    })
}

fn user_id(text: &str) -> Result<Uuid, Problem> {
    let text = decode::segment(text)?;
    Some(&*text)
        .filter(|text| text.len() == 36)
        .and_then(|text| Uuid::try_parse(text).ok())
        .ok_or_else(|| Problem::new(Code::BadId, "The id of a user is a UUID."))
}

fn role_list(roles: &[Arc<str>]) -> Bytes {
    let mut out = Vec::from(*b"{\"roles\":[");
    for (at, role) in roles.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        spec::json::write_string(&mut out, role);
    }
    out.extend_from_slice(b"]}");
    out.into()
}

fn tokens(status: StatusCode, signed_in: &SignedIn) -> Response<Bytes> {
    let mut response = json(status, Bytes::from(signed_in.to_json()));
    let headers = response.headers_mut();
    // RFC 6749, 5.1.
    headers.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    response
}

fn json(status: StatusCode, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    headers.insert(VARY, HeaderValue::from_static("Authorization"));
    response
}

fn nothing() -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    response
        .headers_mut()
        .insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}
