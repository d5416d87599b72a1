//! A model that no rule opens to a caller: whatever they ask of it, the answer tells none of its names, and is the same
//! for a name that is there and for one that is not.

use mainstay_tests::http::{Caller, Reply, encoded};
use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/vault/module.toml
[models.safes]
search = ["password_hash"]
[models.safes.fields]
password_hash = { type = "string" }
grade         = { type = "enum", values = ["hidden_one", "hidden_two"] }
shelf         = { type = "relation", to = "shelves", optional = true }
slug          = { type = "string", unique = true, disclose = true }

[models.shelves.fields]
label = { type = "string" }
safe  = { type = "relation", to = "safes", optional = true, inverse = "of_shelf" }
[models.shelves.access]
read = "true"

# Open to the signed in.
[models.notes.fields]
text  = { type = "string" }
owner = { type = "relation", to = "auth.users", default = "auth.id" }
[models.notes.access]
read   = "auth.id != null"
create = "owner == auth.id"
"#;

/// `METHOD path body`; {F} is a field's name, {E} a value.
const SURFACES: &[&str] = &[
    "GET /api/vault/safes?{F}=x",
    "GET /api/vault/safes?{F}[gte]=x&count=exact",
    "GET /api/vault/safes?fields={F}",
    "GET /api/vault/safes?sort={F}",
    "GET /api/vault/safes?sort=-{F}.label",
    "GET /api/vault/safes?filter={F} == 'x'",
    "GET /api/vault/safes?filter={F}.label == 'x'",
    "GET /api/vault/safes?filter=grade == '{E}'",
    "GET /api/vault/safes?grade={E}",
    "GET /api/vault/safes?expand={F}",
    "GET /api/vault/safes?search=x&snippets=true&fields={F}",
    "GET /api/vault/safes/aggregate?group_by={F}",
    "GET /api/vault/safes/aggregate?max={F}&having=max_{F} == 'x'",
    "GET /api/vault/safes/aggregate?{F}=x&count=*",
    "GET /api/vault/safes/x?fields={F}",
    "GET /api/vault/safes/01980000-0000-7000-8000-00000000dead?expand={F}",
    "HEAD /api/vault/safes?{F}=x",
    "POST /api/vault/safes {\"{F}\":\"x\"}",
    "POST /api/vault/safes {\"grade\":\"{E}\"}",
    "POST /api/vault/safes {}",
    "POST /api/vault/safes [{\"{F}\":5}]",
    "POST /api/vault/safes?fields={F} {}",
    "POST /api/vault/safes?{F}=x {}",
    "PUT /api/vault/safes?key={F} {\"{F}\":\"x\"}",
    "PUT /api/vault/safes/01980000-0000-7000-8000-00000000dead {\"{F}\":5}",
    "PATCH /api/vault/safes/01980000-0000-7000-8000-00000000dead {\"{F}\":5}",
    "PATCH /api/vault/safes?{F}=x {\"{F}\":5}",
    "DELETE /api/vault/safes?filter={F} == 'x'",
    "DELETE /api/vault/safes/x",
    "POST /api/batch {\"operations\":[{\"op\":\"create\",\"model\":\"vault.safes\",\"body\":{\"{F}\":5}}]}",
    "POST /api/batch {\"operations\":[{\"op\":\"create\",\"model\":\"vault.safes\",\"body\":{\"grade\":\"{E}\"}}]}",
    "POST /api/batch {\"operations\":[{\"op\":\"upsert\",\"model\":\"vault.safes\",\"key\":\"{F}\",\"body\":{}}]}",
    "POST /api/batch {\"operations\":[{\"op\":\"update\",\"model\":\"vault.safes\",\"id\":\"x\",\"body\":{\"{F}\":5}}]}",
    // From a model that is open into one that is not.
    "GET /api/vault/shelves?filter=safe.{F} == 'x'",
    "GET /api/vault/shelves?sort=safe.{F}",
    "GET /api/vault/shelves/aggregate?group_by=safe.{F}",
    "GET /api/vault/shelves?filter=of_shel.exists(s, s.{F} == 'x')",
    "GET /api/vault/shelves?expand=nothing",
    "GET /api/vault/shelves?expand={F}",
    "GET /api/vault/shelves?expand=safe.{F}",
    "GET /api/vault/shelves?expand={F}.label",
    "GET /api/vault/shelves?expand=safe.{F}.label",
];

/// Hidden names, each beside one that nothing is called.
const NAMES: &[(&str, &str)] = &[
    ("password_hash", "password_hush"),
    ("slug", "slog"),
    ("shelf", "shelv"),
    ("grade", "grude"),
    ("created_at", "crafted_at"),
    ("of_shelf", "of_shelv"),
];

async fn ask(caller: &Caller, surface: &str, field: &str, value: &str) -> Reply {
    let fill = |text: &str| text.replace("{F}", field).replace("{E}", value);
    let (method, rest) = surface.split_once(' ').unwrap_or_default();
    let (path, body) = match rest.find(" {").or_else(|| rest.find(" [")) {
        Some(at) => (&rest[..at], fill(&rest[at + 1..])),
        None => (rest, String::new()),
    };
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let pairs: Vec<String> = query
        .split('&')
        .filter(|pair| !pair.is_empty())
        .map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            format!("{}={}", encoded(&fill(name)), encoded(&fill(value)))
        })
        .collect();
    let path = format!("{path}?{}", pairs.join("&"));
    let path = path.trim_end_matches('?');
    let mut headers = Vec::new();
    headers.extend((!body.is_empty()).then_some(("Content-Type", "application/json")));
    caller.send(method, path, &headers, body.as_bytes()).await
}

each_server!(no_name_of_a_closed_model_is_told, APP, async |server| {
    let stranger = server.register("stranger@example.com").await;
    let callers = [
        ("anonymous", server.anonymous(), 401),
        ("a stranger", stranger, 403),
    ];
    let mut asked = 0;
    for (who, caller, denied) in &callers {
        for surface in SURFACES {
            for (there, absent) in NAMES {
                let (one, other) = (
                    ask(caller, surface, there, "hidden_one").await,
                    ask(caller, surface, absent, "nothing").await,
                );
                assert_eq!(
                    one.stable().replace(there, absent),
                    other.stable(),
                    "{who}: {surface} {there}"
                );
                asked += 2;
                let told = other.text();
                for hidden in [
                    "password_hash",
                    "hidden_",
                    "slug",
                    "of_shelf",
                    "is required",
                ] {
                    assert!(!told.contains(hidden), "{who}: {surface}: {told}");
                }
                if surface.starts_with("POST /api/vault") || surface.starts_with("PUT /api/vault") {
                    assert_eq!(other.status, *denied, "{who}: {surface}: {told}");
                }
                assert!(other.status < 500, "{who}: {surface}: {told}");
            }
        }
        // Nor that the model is there, by a name that is near it.
        for (near, far) in [
            ("/api/vault/saves", "/api/vault/xxxxx"),
            ("/api/vauld/safes", "/api/vauld/safes"),
        ] {
            let (near, far) = (caller.get(near).await, caller.get(far).await);
            assert_eq!(near.status, 404);
            for reply in [&near, &far] {
                assert!(!reply.text().contains("safes"), "{who}: {}", reply.text());
            }
        }
        let batch = json!({"operations": [{"op": "create", "model": "vault.safe", "body": {}}]});
        let reply = caller.post("/api/batch", batch).await;
        assert_eq!(reply.word(), "422 data.invalid");
        assert!(!reply.text().contains("safes"), "{who}: {}", reply.text());
    }
    println!("{asked} answers, {} surfaces", SURFACES.len());

    // What they can reach is suggested as before.
    let caller = server.anonymous();
    let said = caller.get("/api/vault/shelve").await.text();
    assert!(said.contains("did you mean shelves?"), "{said}");
    let said = caller.get("/api/vault/shelves?lable=x").await.text();
    assert!(said.contains("did you mean label?"), "{said}");
    // Who forgot to sign in is told that, and not what else a record needs.
    let reply = caller.post("/api/vault/notes", json!({})).await;
    assert_eq!(reply.word(), "401 auth.required");
    let signed_in = server.register("writer@example.com").await;
    let reply = signed_in.post("/api/vault/notes", json!({})).await;
    assert!(
        reply.text().contains("text is required"),
        "{}",
        reply.text()
    );
    // An administrator is told everything.
    let admin = server.admin().await;
    let said = admin.post("/api/vault/safes", json!({})).await.text();
    assert!(said.contains("password_hash is required"), "{said}");
    let said = admin.get("/api/vault/saves").await.text();
    assert!(said.contains("did you mean safes?"), "{said}");
});
