//! What the API says of itself: all that its reader could reach, and nothing else.

use super::routes::{self, Rows};
use mainstay_tests::http::Caller;
use mainstay_tests::process::run;
use mainstay_tests::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;

const PATH: &str = "/api/openapi.json";
const METHODS: [&str; 5] = ["get", "post", "put", "patch", "delete"];

async fn description(caller: &Caller) -> Json {
    caller.get(PATH).await.expect(200)
}

/// `GET /api/shop/open`, of all that are described.
fn operations(description: &Json) -> BTreeSet<String> {
    let mut out = BTreeSet::new();
    for (path, item) in description["paths"].as_object().expect("paths") {
        for method in METHODS.iter().filter(|m| item.get(**m).is_some()) {
            out.insert(format!("{} {path}", method.to_uppercase()));
        }
    }
    out
}

each_server!(
    every_route_is_described_and_no_other,
    routes::APP,
    async |server| {
        let table = routes::table();
        let mut wanted = BTreeSet::new();
        let mut rows = |base: &str, rows: &Rows| {
            for key in rows.keys() {
                let (method, path) = key.split_once(' ').expect("a method and a path");
                // HEAD is as GET, and OPTIONS says what there is: each is described once, for all.
                if method != "HEAD" && method != "OPTIONS" {
                    let path = path.strip_suffix('/').unwrap_or(path);
                    wanted.insert(format!("{method} {base}{path}"));
                }
            }
        };
        rows("", &table.description);
        rows("", &table.accounts);
        rows("", &table.batch);
        for (model, of) in &table.models {
            rows(&format!("/api/{}", model.replace('.', "/")), of);
        }
        // Accounts are created one by one: it is a 400 to everybody.
        wanted.remove("PUT /api/auth/users");
        let described = operations(&description(&server.admin().await).await);
        let missing: Vec<_> = wanted.difference(&described).collect();
        let gone: Vec<_> = described.difference(&wanted).collect();
        assert!(missing.is_empty(), "without a description: {missing:?}");
        assert!(
            gone.is_empty(),
            "described, and not in routes.toml: {gone:?}"
        );
    }
);

each_server!(
    a_reader_is_told_what_they_could_reach,
    routes::APP,
    async |server| {
        let owner = server.register("owner@example.com").await;
        let of = |description: &Json, model: &str| -> Vec<String> {
            let base = format!("/api/shop/{model}");
            let all = operations(description).into_iter();
            let one = format!("{base}/{{id}}");
            all.filter(|o| o.ends_with(&format!(" {base}")) || o.ends_with(&one))
                .map(|o| o.replace(&base, "").replace(" /", " ").trim().to_owned())
                .collect()
        };
        let all = [
            "DELETE",
            "DELETE {id}",
            "GET",
            "GET {id}",
            "PATCH",
            "PATCH {id}",
            "POST",
            "PUT",
            "PUT {id}",
        ];
        for (name, caller) in [("anonymous", &server.anonymous()), ("owner", &owner)] {
            let told = description(caller).await;
            assert_eq!(of(&told, "open"), all, "{name}");
            assert_eq!(of(&told, "shown"), ["GET", "GET {id}"], "{name}");
            assert!(of(&told, "closed").is_empty(), "{name}");
            assert!(!told.to_string().contains("shop.closed"), "{name}");
            let owned = of(&told, "owned");
            match name {
                "anonymous" => assert!(owned.is_empty(), "{owned:?}"),
                _ => assert_eq!(owned, all),
            }
            let accounts = operations(&told);
            assert!(accounts.contains("POST /api/auth/login"), "{name}");
            let me = accounts.contains("GET /api/auth/me");
            assert_eq!(me, name == "owner");
            assert!(
                !accounts.contains("PUT /api/auth/users/{id}/roles/{role}"),
                "{name}"
            );
        }
    }
);

const HIDDEN: &str = r#"
## modules/hr/module.toml
[models.zqvaults.fields]
zqsecret = { type = "string" }

[models.folders.fields]
name  = { type = "string", check = "name != zqbonus" }
zqbonus = { type = "string", optional = true, read = "'hr' in auth.roles", write = "'hr' in auth.roles" }
vault = { type = "relation", to = "zqvaults", optional = true }
owner = { type = "relation", to = "auth.users", optional = true }
pay   = { type = "decimal", scale = 2, optional = true, read = "owner == auth.id", write = "owner == auth.id" }
[models.folders.access]
read = "true"
create = "auth.id != null"
update = "owner == auth.id"

[models.zqnotes.fields]
folder = { type = "relation", to = "folders" }
[models.zqnotes.access]
read = "'hr' in auth.roles"
"#;

each_server!(
    no_name_is_told_to_whom_it_is_hidden,
    HIDDEN,
    async |server| {
        let user = server.register("user@example.com").await;
        let hr = server.register("hr@example.com").await;
        let id = spec::Uuid::try_parse(&hr.id).expect("an id");
        server.auth.grant_role(id, "hr").await.expect("a role");
        server
            .within_a_second(&hr, "/api/hr/folders?sort=zqbonus", "200")
            .await;
        for (name, caller) in [("anonymous", &server.anonymous()), ("user", &user)] {
            let reply = caller.get(PATH).await;
            assert!(!reply.bytes().contains("zq"), "{name}: {}", reply.bytes());
            assert!(
                !caller.get("/api/docs").await.bytes().contains("zq"),
                "{name}"
            );
        }
        let told = description(&hr).await;
        let text = told.to_string();
        assert!(text.contains("zqbonus") && text.contains("zqnotes") && !text.contains("zqvaults"));
        assert!(
            description(&server.admin().await)
                .await
                .to_string()
                .contains("zqvaults")
        );

        // Of a record that the rules may show: what they may keep is not promised.
        let told = description(&user).await;
        let folder = &told["components"]["schemas"]["hr.folders"];
        assert_eq!(
            folder["required"].to_string(),
            r#"["id","name","vault","owner","created_at","updated_at"]"#
        );
        assert!(folder["properties"]["pay"].is_object());
        assert_eq!(folder["additionalProperties"], false);
        let told = description(&server.anonymous()).await;
        let folder = &told["components"]["schemas"]["hr.folders"];
        assert!(
            folder["properties"].get("pay").is_none(),
            "nobody is nobody's owner"
        );
    }
);

each_server!(
    a_kept_description_is_its_readers_own,
    HIDDEN,
    async |server| {
        let user = server.register("user@example.com").await;
        let admin = server.admin().await;
        let anonymous = server.anonymous();
        let mut tags = BTreeSet::new();
        for caller in [&anonymous, &user, &admin] {
            let reply = caller.get(PATH).await;
            assert_eq!(reply.header("cache-control"), Some("private, no-cache"));
            assert!(
                reply
                    .header("vary")
                    .is_some_and(|vary| vary.contains("Authorization"))
            );
            let tag = reply.header("etag").expect("a tag").to_owned();
            let again = caller
                .send("GET", PATH, &[("If-None-Match", &tag)], b"")
                .await;
            assert_eq!((again.status, again.body.len()), (304, 0));
            let head = caller.send("HEAD", PATH, &[], b"").await;
            assert_eq!(
                (head.status, head.header("etag")),
                (200, Some(tag.as_str()))
            );
            tags.insert(tag);
        }
        assert_eq!(tags.len(), 3, "each their own");
        // With the tag of somebody who sees more, one gets one's own.
        for tag in &tags {
            let reply = anonymous
                .send("GET", PATH, &[("If-None-Match", tag)], b"")
                .await;
            assert!(reply.status == 304 && reply.body.is_empty() || !reply.bytes().contains("zq"));
        }
        let other = server.register("other@example.com").await;
        assert_eq!(
            user.get(PATH).await.text(),
            other.get(PATH).await.text(),
            "of one reach"
        );
        for (path, headers, word) in [
            (
                "/api/openapi.json?x=1",
                &[][..],
                "400 request.unknown_parameter",
            ),
            ("/api/docs?x=1", &[], "400 request.unknown_parameter"),
            (
                PATH,
                &[("If-None-Match", "x")],
                "400 request.bad_precondition",
            ),
            (
                PATH,
                &[("If-Match", "\"x\"")],
                "412 data.precondition_failed",
            ),
            (
                PATH,
                &[("Accept", "text/html")],
                "406 request.not_acceptable",
            ),
            (PATH, &[("Authorization", "Bearer x")], "401 auth.bad_token"),
        ] {
            let reply = anonymous.send("GET", path, headers, b"").await;
            assert_eq!(reply.word(), word, "{path} {headers:?}");
        }
    }
);

each_server!(the_page_runs_nothing_but_its_own, HIDDEN, async |server| {
    let reply = server.anonymous().get("/api/docs").await;
    assert_eq!(reply.status, 200);
    assert_eq!(
        reply.header("content-type"),
        Some("text/html; charset=utf-8")
    );
    assert_eq!(reply.header("x-content-type-options"), Some("nosniff"));
    let policy = reply.header("content-security-policy").expect("a policy");
    for part in [
        "default-src 'none'",
        "script-src 'sha256-",
        "frame-ancestors 'none'",
        "form-action 'none'",
    ] {
        assert!(policy.contains(part), "{policy}");
    }
    assert!(!policy.contains("unsafe"), "{policy}");
    let page = reply.text();
    for inline in [
        " onclick=\"",
        " style=\"",
        "javascript:",
        "src=",
        "innerHTML",
        "eval(",
        "://cdn",
        "{{",
    ] {
        assert!(!page.contains(inline), "{inline}");
    }
    // It is the same for everybody; what they see in it is asked for by them.
    let user = server.register("user@example.com").await;
    assert_eq!(user.get("/api/docs").await.body, reply.body);
});

const SILENT: &str = "[server]\ndocs = false\n## modules/m/module.toml\n[models.notes.fields]\ntext = { type = \"string\" }\n";

each_server!(an_app_may_be_silent, SILENT, async |server| {
    let admin = server.admin().await;
    for path in [PATH, "/api/docs"] {
        for caller in [&server.anonymous(), &admin] {
            assert_eq!(caller.get(path).await.word(), "404 request.unknown_route");
        }
    }
});

each_server!(
    it_is_open_for_the_names_of_parameters,
    r#"
## modules/m/module.toml
[models.notes]
id = "int"
open = true
[models.notes.fields]
limit = { type = "int" }
fields = { type = "list", items = "string" }
at = { type = "datetime", optional = true }
words = { type = "text", optional = true }
[models.notes.access]
read = "true"
create = "true"
"#,
    async |server| {
        let told = description(&server.anonymous()).await;
        let list = &told["paths"]["/api/m/notes"]["get"]["parameters"];
        let names: Vec<&str> = list
            .as_array()
            .expect("parameters")
            .iter()
            .filter_map(|p| p["name"].as_str())
            .collect();
        let unique: BTreeSet<&str> = names.iter().copied().collect();
        assert_eq!(unique.len(), names.len(), "each once: {names:?}");
        assert!(
            unique.contains("limit[eq]") && unique.contains("limit[in]") && unique.contains("at")
        );
        assert!(!unique.contains("fields[eq]"), "a list is not compared");
        for name in &names {
            let value = match *name {
                "filter" => "limit%20%3D%3D%201",
                "cursor" => continue,
                "sort" => "-limit,at",
                "count" => "exact",
                "fields" => "id,limit",
                name if name.starts_with("at")
                    || name.starts_with("created")
                    || name.starts_with("updated") =>
                {
                    "2026-01-31T12:00:00Z"
                }
                _ => "1",
            };
            let reply = server
                .anonymous()
                .get(&format!("/api/m/notes?{name}={value}"))
                .await;
            assert_eq!(reply.status, 200, "{name}={value}: {}", reply.text());
        }
        let sort = list
            .as_array()
            .expect("parameters")
            .iter()
            .find(|p| p["name"] == "sort");
        let pattern = sort.expect("sort")["schema"]["items"]["pattern"]
            .as_str()
            .unwrap_or_default();
        let pattern = pattern.trim_start_matches("^-?(").trim_end_matches(")$");
        assert_eq!(pattern, "id|limit|at|created_at|updated_at|version");
        let sort = pattern.replace('|', ",-");
        let reply = server
            .anonymous()
            .get(&format!("/api/m/notes?sort={}", &sort[3..]))
            .await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        // The store gives the key, so a PUT has nothing to create, and nobody may update.
        assert!(told["paths"]["/api/m/notes/{id}"].get("put").is_none());
        assert_eq!(
            told["components"]["schemas"]["m.notes"]["additionalProperties"],
            true
        );
        assert_eq!(
            told["components"]["schemas"]["m.notes.create"]["required"].to_string(),
            r#"["limit","fields"]"#
        );
    }
);

#[test]
fn the_command_line_tells_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let at = folder.path();
    run(at, &["new", "shop", "--template", "marketplace"]).expect(0, &[]);
    // Neither a server nor a database.
    let told = |who: &str| -> Json {
        let said = run(at, &["openapi", "shop", "--as", who]);
        assert_eq!(said.code, 0, "{}", said.said());
        serde_json::from_str(&said.stdout).expect("JSON")
    };
    let (anonymous, user, admin) = (told("anonymous"), told("user"), told("admin"));
    assert_eq!(anonymous["openapi"], "3.1.0");
    assert_eq!(anonymous["info"]["title"], "shop");
    assert!(operations(&anonymous).len() < operations(&user).len());
    assert!(operations(&user).len() < operations(&admin).len());
    assert!(!at.join("shop/.mainstay").exists(), "nothing was made");
    run(at, &["openapi", "shop", "--as", "admin", "--roles", "x"]).expect(2, &["--as user"]);
    run(at, &["types", "shop", "--out", "api.ts"]).expect(0, &["api.ts"]);
    let types = std::fs::read_to_string(at.join("api.ts")).expect("types");
    for part in [
        "export interface CatalogProducts {",
        "cost?: Decimal | null;",
        "\"POST /api/orders/orders\"",
        "data.conflict",
    ] {
        assert!(types.contains(part), "{part}");
    }
    run(at, &["types", "shop", "--out", "no/such/folder/api.ts"]).expect(1, &["cannot be written"]);
}
