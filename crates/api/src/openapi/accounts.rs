//! The endpoints of accounts: `/api/auth/…`.

use super::document::{
    Document, Endpoint, SignedIn, empty_answer, json_answer, json_body, reference,
};
use super::fields::{answered, given, said};
use super::node::{Node, Object};
use super::problems::{BODY, Refusals};
use super::records::object;
use crate::reader::{Kind, Reader};
use engine::reach::{Reach, Reached, must_be_given};
use serde_json::{Value, json};
use spec::settings::Registration;
use spec::{Code, Model};

/// Passwords are bounded in bytes; no text of so many characters has fewer.
const MOST_PASSWORD: u32 = 1024;
const TAG: &str = "auth";
/// No parameter is taken, and no key for a retry.
const PLAIN: &[Code] = &[Code::UnknownParameter, Code::BadIdempotencyKey];

/// Adds the endpoints that the reader can reach.
pub fn describe(doc: &mut Document<'_>) {
    let Some(users) = doc.app.model_named("auth.users") else {
        return;
    };
    schemas(doc, users);
    if doc.app.settings.auth.registration == Registration::Open {
        let body = registration(doc, users);
        doc.schema("auth.register", body);
        doc.add(register());
    }
    doc.add(login());
    doc.add(refresh());
    if doc.reader.kind == Kind::Anonymous {
        return;
    }
    doc.add(logout());
    doc.add(me());
    doc.add(password());
    doc.add(roles());
    if doc.reader.kind == Kind::Administrator {
        doc.add(role("put", "grant", "Give a role"));
        doc.add(role("delete", "revoke", "Take a role"));
    }
}

fn schemas(doc: &mut Document<'_>, users: &Model) {
    let least = doc.app.settings.auth.password_min;
    let new = json!({"type": "string", "format": "password", "minLength": least, "maxLength": MOST_PASSWORD});
    doc.schema("auth.new_password", new);
    let known = json!({"type": "string", "format": "password", "maxLength": MOST_PASSWORD});
    doc.schema("auth.password", known);
    let me = own(doc, users);
    doc.schema("auth.signed_in", signed_in(me.clone()));
    if doc.reader.kind != Kind::Anonymous {
        doc.schema("auth.me", me);
    }
}

/// A user as they themself see it, with their roles. Whose it is is not known, nor what their roles let them see
/// more than the reader.
fn own(doc: &Document<'_>, users: &Model) -> Node {
    let of_new_user;
    let reader = match doc.reader.kind {
        Kind::User | Kind::Administrator => doc.reader,
        Kind::Anonymous if doc.app.settings.auth.registration == Registration::Open => {
            of_new_user = Reader {
                reach: Reach::of_new_user(doc.app),
                kind: Kind::User,
            };
            &of_new_user
        }
        // Nobody can become one, so their fields are not theirs to know.
        Kind::Anonymous => doc.reader,
    };
    let reads = reader.reach.model(users.id).read > Reached::Never;
    let mut properties = Object::new();
    for (field, _) in reader.readable(users) {
        if (reads || field.id == spec::model::ID) && !field.hidden {
            properties.add(&field.name, answered(users, field));
        }
    }
    let roles = json!({"type": "array", "items": {"type": "string"}});
    properties.add("roles", said(roles, "Global roles."));
    object(
        "A user's own record, as far as they may read it.",
        &["id", "roles"],
        properties,
        true,
    )
}

fn signed_in(user: Node) -> Node {
    let properties = Object::new()
        .with(
            "access_token",
            json!({"type": "string", "description": "Sent as `Authorization: Bearer …`."}),
        )
        .with(
            "refresh_token",
            json!({"type": "string", "description": "Works once; for /api/auth/refresh."}),
        )
        .with("token_type", json!({"const": "Bearer"}))
        .with(
            "expires_in",
            json!({"type": "integer", "description": "Seconds that the access token is good for."}),
        )
        .with("user", user);
    let required = [
        "access_token",
        "refresh_token",
        "token_type",
        "expires_in",
        "user",
    ];
    object("", &required, properties, false)
}

/// What registering takes: an address, a password, and what users may set of themselves.
fn registration(doc: &Document<'_>, users: &Model) -> Node {
    let reach = Reach::of_new_user(doc.app);
    let reach = reach.model(users.id);
    let mut properties = Object::new();
    let mut required = Vec::new();
    for field in &users.fields {
        let names = field.name == "email";
        if field.system || !names && reach.field(field.id).write == Reached::Never {
            continue;
        }
        properties.add(&field.name, given(users, field));
        if must_be_given(field, users.key) {
            required.push(field.name.as_str());
        }
    }
    properties.add("password", reference("auth.new_password"));
    required.push("password");
    object("", &required, properties, users.open)
}

fn flat(members: &[(&str, Value)]) -> Object {
    let mut properties = Object::new();
    let mut required = Vec::new();
    for (name, schema) in members {
        properties.add(*name, schema.clone());
        required.push(*name);
    }
    json_body(object("", &required, properties, false))
}

fn endpoint(
    name: &str,
    method: &'static str,
    path: &str,
    summary: &str,
    refusals: Refusals,
) -> Endpoint {
    Endpoint {
        method,
        path: format!("/api/auth/{path}"),
        id: format!("auth.{name}"),
        tag: TAG.to_owned(),
        summary: summary.to_owned(),
        description: String::new(),
        signed_in: SignedIn::Must,
        parameters: Vec::new(),
        body: None,
        answers: Vec::new(),
        refusals,
    }
}

fn tokens(status: u16) -> Vec<(u16, Node)> {
    vec![(
        status,
        json_answer("Tokens.", &["Pragma", "Vary"], reference("auth.signed_in")),
    )]
}

fn done(description: &str) -> Vec<(u16, Node)> {
    vec![(204, empty_answer(description, &[]))]
}

fn register() -> Endpoint {
    let own = &[
        Code::RegistrationClosed,
        Code::Conflict,
        Code::Unauthenticated,
        Code::FieldForbidden,
        Code::Forbidden,
    ];
    Endpoint {
        description: "Creates an account and signs in. An address that is taken is a 409."
            .to_owned(),
        signed_in: SignedIn::Ignored,
        body: Some(json_body(reference("auth.register"))),
        answers: tokens(201),
        ..endpoint(
            "register",
            "post",
            "register",
            "Register",
            Refusals::unasked("register", &[PLAIN, BODY, own]),
        )
    }
}

fn login() -> Endpoint {
    let own = &[Code::BadCredentials, Code::Suspended];
    let body = [
        ("email", json!({"type": "string", "maxLength": 254})),
        ("password", reference("auth.password")),
    ];
    Endpoint {
        description: "A wrong password and an unknown address are the same 401.".to_owned(),
        signed_in: SignedIn::Ignored,
        body: Some(flat(&body)),
        answers: tokens(200),
        ..endpoint(
            "login",
            "post",
            "login",
            "Sign in",
            Refusals::unasked("login", &[PLAIN, BODY, own]),
        )
    }
}

fn refresh() -> Endpoint {
    let own = &[Code::BadRefreshToken, Code::Suspended, Code::Contended];
    Endpoint {
        description: "A refresh token works once: the answer holds the next one. Presenting an older one ends the \
                      session."
            .to_owned(),
        signed_in: SignedIn::Ignored,
        body: Some(flat(&[("refresh_token", json!({"type": "string", "maxLength": 512}))])),
        answers: tokens(200),
        ..endpoint("refresh", "post", "refresh", "Refresh the access token", Refusals::unasked("refresh", &[PLAIN, BODY, own]))
    }
}

fn logout() -> Endpoint {
    Endpoint {
        answers: done("This session is over."),
        ..endpoint(
            "logout",
            "post",
            "logout",
            "Sign out",
            Refusals::of(
                "logout",
                &[
                    PLAIN,
                    &[Code::Unauthenticated, Code::BodyTooLarge, Code::Contended],
                ],
            ),
        )
    }
}

fn me() -> Endpoint {
    Endpoint {
        answers: vec![(
            200,
            json_answer("The caller's own record.", &["Vary"], reference("auth.me")),
        )],
        ..endpoint(
            "me",
            "get",
            "me",
            "Read one's own record",
            Refusals::of("me", &[&[Code::UnknownParameter, Code::Unauthenticated]]),
        )
    }
}

fn password() -> Endpoint {
    let own = &[Code::Unauthenticated, Code::Contended];
    let body = [
        ("current_password", reference("auth.password")),
        ("new_password", reference("auth.new_password")),
    ];
    Endpoint {
        body: Some(flat(&body)),
        answers: done("Changed; all other sessions are over."),
        ..endpoint(
            "password",
            "post",
            "password",
            "Change one's password",
            Refusals::of("password", &[PLAIN, BODY, own]),
        )
    }
}

fn user_id() -> Node {
    json!({"name": "id", "in": "path", "required": true, "schema": {"type": "string", "format": "uuid"}}).into()
}

fn roles() -> Endpoint {
    let own = &[
        Code::UnknownParameter,
        Code::Unauthenticated,
        Code::BadId,
        Code::NotFound,
        Code::UnknownRoute,
    ];
    let properties = Object::new().with(
        "roles",
        json!({"type": "array", "items": {"type": "string"}}),
    );
    Endpoint {
        description: "For the user themself and for administrators.".to_owned(),
        parameters: vec![user_id()],
        answers: vec![(
            200,
            json_answer(
                "Their global roles.",
                &["Vary"],
                object("", &["roles"], properties, false),
            ),
        )],
        ..endpoint(
            "roles",
            "get",
            "users/{id}/roles",
            "Read a user's roles",
            Refusals::of("roles", &[own]),
        )
    }
}

fn role(method: &'static str, name: &str, summary: &str) -> Endpoint {
    let own = &[
        Code::Unauthenticated,
        Code::Forbidden,
        Code::BadId,
        Code::NotFound,
        Code::UnknownRoute,
        Code::Invalid,
        Code::Restricted,
        Code::Contended,
        Code::BodyTooLarge,
    ];
    let role = json!({
        "name": "role", "in": "path", "required": true,
        "schema": {"type": "string", "pattern": "^[a-z][a-z0-9_-]{0,62}$"},
    });
    Endpoint {
        description: "For administrators. Doing it twice is no error.".to_owned(),
        parameters: vec![user_id(), role.into()],
        answers: done("Done."),
        ..endpoint(
            name,
            method,
            "users/{id}/roles/{role}",
            summary,
            Refusals::of("role", &[PLAIN, own]),
        )
    }
}
