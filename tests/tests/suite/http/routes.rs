//! Every route, every method, every kind of caller: what `tests/routes.toml` says, and nothing beside it.

use api::accounts::{Endpoint, endpoint};
use mainstay_tests::http::{Caller, Reply, encoded};
use mainstay_tests::served::{PASSWORD, Served};
use mainstay_tests::*;
use serde_json::{Value as Json, json};
use std::collections::{BTreeMap, BTreeSet};

pub(super) const TABLE: &str = include_str!("../../../routes.toml");
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];

pub(super) const APP: &str = r#"
## modules/shop/module.toml
[models.closed.fields]
text = { type = "string" }
slug = { type = "string", unique = true, optional = true }

[models.shown.fields]
text = { type = "string" }
slug = { type = "string", unique = true, optional = true }
[models.shown.access]
read = "true"

[models.owned.fields]
text = { type = "string" }
slug = { type = "string", unique = true, optional = true }
owner = { type = "relation", to = "auth.users" }
[models.owned.access]
read = "owner == auth.id"
create = "owner == auth.id"
update = "owner == auth.id"
delete = "owner == auth.id"

[models.open.fields]
text = { type = "string" }
slug = { type = "string", unique = true, optional = true }
[models.open.access]
read = "true"
create = "true"
update = "true"
delete = "true"
"#;

/// In every record that somebody else made; nobody may meet it whom no rule lets.
const PLANTED: &str = "planted-7f3a9c";

#[derive(serde::Deserialize)]
pub(super) struct Table {
    probes: Rows,
    pub description: Rows,
    pub accounts: Rows,
    pub batch: Rows,
    pub models: BTreeMap<String, Rows>,
}

pub(super) type Rows = BTreeMap<String, Cells>;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cells {
    anonymous: String,
    stranger: String,
    owner: String,
    admin: String,
}

pub(super) fn table() -> Table {
    toml::from_str(TABLE).expect("tests/routes.toml")
}

/// An endpoint that is new does not compile here: it wants an example, and rows in the table.
fn example(of: Endpoint<'_>) -> &'static str {
    match of {
        Endpoint::Register => "/api/auth/register",
        Endpoint::Login => "/api/auth/login",
        Endpoint::Refresh => "/api/auth/refresh",
        Endpoint::Logout => "/api/auth/logout",
        Endpoint::Me => "/api/auth/me",
        Endpoint::Password => "/api/auth/password",
        Endpoint::Roles { .. } => "/api/auth/users/{id}/roles",
        Endpoint::Role { .. } => "/api/auth/users/{id}/roles/{role}",
    }
}

const ENDPOINTS: [Endpoint<'static>; 8] = [
    Endpoint::Register,
    Endpoint::Login,
    Endpoint::Refresh,
    Endpoint::Logout,
    Endpoint::Me,
    Endpoint::Password,
    Endpoint::Roles { user: "{id}" },
    Endpoint::Role {
        user: "{id}",
        role: "{role}",
    },
];

struct Crawl<'s> {
    server: &'s Served,
    owner: Caller,
    admin: Caller,
    stranger: Caller,
    made: u32,
    /// What does not agree with the table.
    wrong: Vec<String>,
    walked: u32,
}

/// A record that somebody made.
struct Planted {
    id: String,
    /// Of a user.
    token: Option<String>,
    email: Option<String>,
}

impl Crawl<'_> {
    fn email(&mut self) -> String {
        self.made += 1;
        format!("made{}@example.com", self.made)
    }

    fn caller(&self, column: &str) -> Caller {
        match column {
            "anonymous" => self.server.anonymous(),
            "owner" => self.owner.clone(),
            "admin" => self.admin.clone(),
            _ => self.stranger.clone(),
        }
    }

    async fn row(&mut self, place: &str, rows: &Rows, key: &str, method: &str, path: &str) {
        let Some(cells) = rows.get(key) else {
            self.wrong.push(format!("{place}: no row for {key}"));
            return;
        };
        for (column, cell) in [
            ("anonymous", &cells.anonymous),
            ("stranger", &cells.stranger),
            ("owner", &cells.owner),
            ("admin", &cells.admin),
        ] {
            self.walked += 1;
            let reply = match place {
                "probes" | "description" => self.caller(column).send(method, path, &[], b"").await,
                "accounts" => self.account(column, method, path).await,
                "batch" => {
                    let body = self.fresh("shop.owned");
                    let create = json!({"op": "create", "model": "shop.owned", "body": body});
                    let caller = self.caller(column);
                    match method {
                        "POST" => caller.post(path, json!({"operations": [create]})).await,
                        _ => caller.send(method, path, &[], b"").await,
                    }
                }
                model => self.record(column, model, method, path).await,
            };
            let word = reply.word();
            if word != *cell {
                let text = format!("{place} {key} as {column}: {word}, not {cell}");
                self.wrong.push(text);
            }
            let open = ["shop.open", "shop.shown"].contains(&place);
            let private = ["anonymous", "stranger"].contains(&column);
            if private && !open && reply.bytes().contains(PLANTED) {
                let text = format!("{place} {key} as {column} leaks: {}", reply.bytes());
                self.wrong.push(text);
            }
        }
    }

    async fn account(&mut self, column: &str, method: &str, path: &str) -> Reply {
        // Somebody of their own: some of these end sessions.
        let email = self.email();
        let user = self.server.register(&email).await;
        if column == "admin" {
            let id = spec::Uuid::try_parse(&user.id).unwrap();
            self.server.auth.grant_role(id, "admin").await.unwrap();
        }
        let signed_in = self.server.login(&email, PASSWORD).await.expect(200);
        let caller = match column {
            "anonymous" => self.server.anonymous(),
            _ => self.server.signed_in(&signed_in),
        };
        let body = match path {
            "/api/auth/register" => json!({"email": self.email(), "password": PASSWORD}),
            "/api/auth/login" => json!({"email": email, "password": PASSWORD}),
            "/api/auth/refresh" => json!({"refresh_token": signed_in["refresh_token"]}),
            // To the same, so that the next may sign in too.
            _ => json!({"current_password": PASSWORD, "new_password": PASSWORD}),
        };
        let whose = match column {
            "owner" => &user.id,
            _ => &self.owner.id,
        };
        let path = path.replace("{id}", whose);
        let path = path.replace("{role}", "editor");
        match method {
            "POST" => caller.post(&path, body).await,
            _ => caller.send(method, &path, &[], b"").await,
        }
    }

    async fn record(&mut self, column: &str, model: &str, method: &str, path: &str) -> Reply {
        let base = format!("/api/{}", model.replace('.', "/"));
        let planted = self.plant(model, &base).await;
        let mut caller = self.caller(column);
        if let ("owner", Some(token)) = (column, planted.token) {
            caller.token = Some(token);
        }
        let path = match (path, method) {
            // By what everybody may ask for: whom it finds is for the read rule.
            ("/", "PATCH" | "DELETE") => {
                format!(
                    "{base}?filter={}",
                    encoded(&format!("id == '{}'", planted.id))
                )
            }
            ("/", "PUT") if model == "auth.users" => format!("{base}?key=email"),
            ("/", "PUT") => format!("{base}?key=slug"),
            ("/", _) => base,
            ("/aggregate", _) => {
                let field = if model == "auth.users" {
                    "name"
                } else {
                    "text"
                };
                format!("{base}/aggregate?group_by={field}&count=*&max={field}")
            }
            _ => format!("{base}/{}", planted.id),
        };
        match method {
            "POST" => caller.post(&path, self.fresh(model)).await,
            "PATCH" => {
                let field = if model == "auth.users" {
                    "name"
                } else {
                    "text"
                };
                caller.patch(&path, json!({ field: "changed" })).await
            }
            "PUT" => {
                // Of a user the address as it stands: it is the server's.
                let body = match planted.email {
                    Some(email) => json!({"email": email, "name": "changed"}),
                    None => self.fresh(model),
                };
                caller.put(&path, body).await
            }
            _ => caller.send(method, &path, &[], b"").await,
        }
    }

    /// A record with the marker in it that is the owner's; a user of their own for `auth.users`.
    async fn plant(&mut self, model: &str, base: &str) -> Planted {
        if model == "auth.users" {
            let email = self.email();
            let body = json!({"email": email, "password": PASSWORD, "name": PLANTED});
            let reply = self
                .server
                .anonymous()
                .post("/api/auth/register", body)
                .await;
            let user = self.server.signed_in(&reply.expect(201));
            return Planted {
                id: user.id,
                token: user.token,
                email: Some(email),
            };
        }
        let mut body = self.fresh(model);
        body["text"] = json!(PLANTED);
        let made = self.admin.post(base, body).await.expect(201);
        Planted {
            id: id(&made),
            token: None,
            email: None,
        }
    }

    fn fresh(&mut self, model: &str) -> Json {
        match model {
            "auth.users" => json!({"email": self.email()}),
            "shop.owned" => json!({"text": "new", "slug": self.email(), "owner": self.owner.id}),
            _ => json!({"text": "new", "slug": self.email()}),
        }
    }
}

/// What an address takes, by its own account.
async fn allowed(caller: &Caller, path: &str) -> BTreeSet<String> {
    let reply = caller.send("OPTIONS", path, &[], b"").await;
    let allow = reply.header("allow").unwrap_or_default().to_owned();
    allow.split(", ").map(str::to_owned).collect()
}

each_server!(every_route_does_what_its_row_says, APP, async |server| {
    let table = table();
    let admin = server.admin().await;
    let owner = server.register("owner@example.com").await;
    let mut crawl = Crawl {
        server,
        owner,
        admin,
        stranger: server.register("stranger@example.com").await,
        made: 0,
        wrong: Vec::new(),
        walked: 0,
    };
    let mut rows = 0;

    for path in probes() {
        for method in ["GET", "HEAD"] {
            let key = format!("{method} {path}");
            crawl
                .row("probes", &table.probes, &key, method, &path)
                .await;
            rows += 1;
        }
    }
    for of in api::description::ENDPOINTS {
        let path = of.path();
        let methods = allowed(&server.anonymous(), path).await;
        for method in &methods {
            let key = format!("{method} {path}");
            crawl
                .row("description", &table.description, &key, method, path)
                .await;
            rows += 1;
        }
        refuses_the_rest(server, path, &methods).await;
    }
    for of in ENDPOINTS {
        let path = example(of);
        assert_eq!(endpoint(path).map(example), Some(path));
        let methods = allowed(&server.anonymous(), path).await;
        for method in &methods {
            let key = format!("{method} {path}");
            crawl
                .row("accounts", &table.accounts, &key, method, path)
                .await;
            rows += 1;
        }
        refuses_the_rest(server, path, &methods).await;
    }
    let path = "/api/batch";
    let methods = allowed(&server.anonymous(), path).await;
    for method in &methods {
        let key = format!("{method} {path}");
        crawl.row("batch", &table.batch, &key, method, path).await;
        rows += 1;
    }
    refuses_the_rest(server, path, &methods).await;
    for model in &server.app.models {
        let name = model.full_name();
        let Some(of) = table.models.get(&name) else {
            crawl.wrong.push(format!("no rows for {name}"));
            continue;
        };
        for path in ["/", "/{id}", "/aggregate"] {
            let base = format!("/api/{}", name.replace('.', "/"));
            let address = match path {
                "/" => base,
                "/aggregate" => format!("{base}/aggregate"),
                _ => format!("{base}/{}", uid(77)),
            };
            let methods = allowed(&server.anonymous(), &address).await;
            for method in &methods {
                let key = format!("{method} {path}");
                crawl.row(&name, of, &key, method, path).await;
                rows += 1;
            }
            refuses_the_rest(server, &address, &methods).await;
        }
    }
    let in_table = table.probes.len()
        + table.description.len()
        + table.accounts.len()
        + table.batch.len()
        + table.models.values().map(BTreeMap::len).sum::<usize>();
    println!("{rows} rows, {} cells walked", crawl.walked);
    assert!(crawl.wrong.is_empty(), "{}", crawl.wrong.join("\n"));
    assert_eq!(rows, in_table, "the table has rows of routes that are gone");
});

async fn refuses_the_rest(server: &Served, path: &str, methods: &BTreeSet<String>) {
    for method in METHODS.iter().chain(&["TRACE", "PROPFIND", "get"]) {
        if !methods.contains(*method) {
            let reply = server.anonymous().send(method, path, &[], b"").await;
            assert_eq!(reply.status, 405, "{method} {path}");
            if *method != "HEAD" {
                assert_eq!(reply.problem(), "request.method_not_allowed");
            }
            assert!(reply.header("allow").is_some(), "{method} {path}");
        }
    }
}

/// What the edge answers by itself, from its own text: it has no list to ask for.
fn probes() -> Vec<String> {
    let source = include_str!("../../../../crates/gateway/src/probes.rs");
    let found: Vec<String> = source
        .lines()
        .filter_map(|line| {
            let (path, _) = line
                .trim()
                .strip_prefix('"')?
                .split_once("\" => Some(Probe::")?;
            Some(path.to_owned())
        })
        .collect();
    assert!(
        found.len() >= 3,
        "the probes are written in another way now"
    );
    found
}

each_server!(nothing_is_at_any_other_address, APP, async |server| {
    let admin = server.admin().await;
    for path in [
        "/",
        "/api",
        "/api/",
        "/api/shop",
        "/api/shop/",
        "/api/shop/open/",
        "/api/shop/nothing",
        "/api/nothing/open",
        "/api/shop/open/aggregate/",
        "/api/shop/open/aggregate/x",
        "/api/shop/aggregate",
        "/api/shop/open/x/y",
        "/api//open",
        "/api/shop//x",
        "/API/shop/open",
        "/api/auth/",
        "/api/auth/sessions",
        "/api/auth/passwords",
        "/api/auth/keys",
        "/api/auth/roles",
        "/api/mainstay/changes",
        "/api/_mainstay/changes",
        "/api/auth/register/",
        "/api/auth/users/x/roles/",
        "/api/shop/../auth/users",
        "/api/shop/%2e%2e/auth/users",
        "/api/openapi",
        "/api/openapi.json/",
        "/api/openapi.yaml",
        "/api/docs/",
        "/api/docs/page.js",
        "/graphql",
        "/live",
        "/api/batch/",
        "/favicon.ico",
        "/robots.txt",
        "/.mainstay/secret",
        "/mainstay.toml",
        "/metrics/",
        "/debug",
    ] {
        for caller in [&server.anonymous(), &admin] {
            let reply = caller.get(path).await;
            assert_eq!(reply.word(), "404 request.unknown_route", "{path}");
        }
    }
});
