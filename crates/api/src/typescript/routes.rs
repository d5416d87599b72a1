//! Every address of the API, with what it takes and what it answers.

use super::models::{given, of_key, or_null};
use super::{is_reached, key, quoted};
use crate::reader::{Kind, Reader, Way};
use engine::reach::{Reach, Reached, must_be_given};
use spec::settings::Registration;
use spec::{App, Model};
use std::fmt::Write as _;

pub fn write(out: &mut String, app: &App, reader: &Reader, names: &[String]) {
    let users = app.model_named("auth.users");
    if let Some(users) = users {
        accounts(out, app, reader, users, &names[usize::from(users.id.0)]);
    }
    let _ = write!(
        out,
        "\n/** Every address: `query` and `body` as they are sent, `answer` as it comes; `undefined` is a 204. */\n\
         export interface Routes {{\n"
    );
    if users.is_some() {
        out.push_str(&account_routes(app, reader));
    }
    for model in &app.models {
        of_model(out, reader, model);
    }
    let _ = write!(
        out,
        "  \"POST /api/batch\": {{ body: Batch; answer: {{ results: BatchResult[] }} }};\n  \
           \"GET /api/openapi.json\": {{ answer: Json }};\n}}\nexport type Route = keyof Routes;\n"
    );
}

fn of_model(out: &mut String, reader: &Reader, model: &Model) {
    let reach = reader.reach.model(model.id);
    let name = quoted(&model.full_name());
    let base = format!("/api/{}/{}", model.module_name, model.name);
    let params = format!("params: {{ id: {} }}", of_key(model.key));
    let reads = is_reached(reach.read);
    let select = if reads {
        format!("query?: Select<{name}>; ")
    } else {
        String::new()
    };
    // A writer who may not read the result gets a 204.
    let written = match reads {
        true => format!("RecordOf<{name}> | undefined"),
        false => "undefined".to_owned(),
    };
    let mut line = |route: String, of: String| {
        let _ = writeln!(out, "  \"{route}\": {{ {of} }};");
    };
    if reads {
        line(
            format!("GET {base}"),
            format!("query?: List<{name}>; answer: Page<RecordOf<{name}>>"),
        );
        line(
            format!("GET {base}/aggregate"),
            format!("query: Aggregate<{name}>; answer: Groups"),
        );
        line(
            format!("GET {base}/{{id}}"),
            format!("{params}; query?: Select<{name}>; answer: RecordOf<{name}>"),
        );
    }
    for (way, method, at, member) in [
        (Way::Create, "POST", "", "create"),
        (Way::Update, "PATCH", "/{id}", "update"),
        (Way::Replace, "PUT", "/{id}", "replace"),
    ] {
        if is_reached(reader.reached(model, way)) {
            let of = match at {
                "" => String::new(),
                _ => format!("{params}; "),
            };
            let body = format!("Models[{name}][\"{member}\"]");
            let (body, answer) = match way {
                // An array is answered by what was created, null what its writer may not read.
                Way::Create => (
                    format!("{body} | readonly {body}[]"),
                    format!("{written} | {}", created(reads, &name)),
                ),
                Way::Update | Way::Replace => (body, written.clone()),
            };
            line(
                format!("{method} {base}{at}"),
                format!("{of}{select}body: {body}; answer: {answer}"),
            );
        }
    }
    let matching = format!("query: Matching<{name}>");
    if is_reached(reach.create.max(reach.update)) {
        let way = match is_reached(reach.replace) {
            true => "replace",
            false => "create",
        };
        let select = match reads {
            true => format!(" & Select<{name}>"),
            false => String::new(),
        };
        line(
            format!("PUT {base}"),
            format!(
                "query: {{ key: string }}{select}; body: Models[{name}][\"{way}\"]; answer: {written}"
            ),
        );
    }
    if is_reached(reach.update) {
        line(
            format!("PATCH {base}"),
            format!("{matching}; body: Models[{name}][\"update\"]; answer: {{ count: number }}"),
        );
    }
    if is_reached(reach.delete) {
        line(
            format!("DELETE {base}"),
            format!("{matching}; answer: {{ count: number }}"),
        );
        line(
            format!("DELETE {base}/{{id}}"),
            format!("{params}; answer: undefined"),
        );
    }
}

fn created(reads: bool, name: &str) -> String {
    match reads {
        true => format!("{{ data: (RecordOf<{name}> | null)[] }}"),
        false => "{ data: null[] }".to_owned(),
    }
}

fn accounts(out: &mut String, app: &App, reader: &Reader, users: &Model, name: &str) {
    let record = match is_reached(reader.reach.model(users.id).read) {
        true => format!("Partial<{name}>"),
        false => "{ [field: string]: Json | undefined }".to_owned(),
    };
    let _ = write!(
        out,
        "\n/** A user's own record, as far as they may read it, and their roles. */\n\
         export type Me = {record} & {{ id: Uuid; roles: string[] }};\n"
    );
    if app.settings.auth.registration == Registration::Open {
        let reach = Reach::of_new_user(app);
        let reach = reach.model(users.id);
        let _ = write!(out, "\nexport interface Register {{\n");
        for field in &users.fields {
            if !field.system
                && (field.name == "email" || reach.field(field.id).write > Reached::Never)
            {
                let ty = or_null(given(users, field), field.optional);
                let _ = writeln!(
                    out,
                    "  {}: {ty};",
                    key(&field.name, must_be_given(field, users.key))
                );
            }
        }
        let _ = write!(out, "  password: string;\n}}\n");
    }
}

fn account_routes(app: &App, reader: &Reader) -> String {
    let mut out = String::new();
    let mut line = |route: &str, of: &str| {
        let _ = writeln!(out, "  \"{route}\": {{ {of} }};");
    };
    if app.settings.auth.registration == Registration::Open {
        line("POST /api/auth/register", "body: Register; answer: Tokens");
    }
    line(
        "POST /api/auth/login",
        "body: { email: string; password: string }; answer: Tokens",
    );
    line(
        "POST /api/auth/refresh",
        "body: { refresh_token: string }; answer: Tokens",
    );
    if reader.kind != Kind::Anonymous {
        line("POST /api/auth/logout", "answer: undefined");
        line("GET /api/auth/me", "answer: Me");
        line(
            "POST /api/auth/password",
            "body: { current_password: string; new_password: string }; answer: undefined",
        );
        line(
            "GET /api/auth/users/{id}/roles",
            "params: { id: Uuid }; answer: { roles: string[] }",
        );
    }
    if reader.kind == Kind::Administrator {
        for method in ["PUT", "DELETE"] {
            line(
                &format!("{method} /api/auth/users/{{id}}/roles/{{role}}"),
                "params: { id: Uuid; role: string }; answer: undefined",
            );
        }
    }
    out
}
