//! Accounts, as a client meets them.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use mainstay_tests::http::Caller;
use mainstay_tests::served::{PASSWORD, Served};
use mainstay_tests::*;
use serde_json::{Value as Json, json};
use std::time::{Duration, Instant};

const APP: &str = r#"
name = "shop"
## modules/auth/module.toml
[models.users.fields]
nickname = { type = "string", optional = true, max = 40 }
score = { type = "int", default = "0", write = "false" }
## modules/shop/module.toml
[models.notes.fields]
title = { type = "string" }
[models.notes.access]
read = "auth.id != null"
create = "auth.roles.exists(r, r == 'editor')"
[models.pages.fields]
title = { type = "string" }
[models.pages.access]
read = "true"
"#;

async fn refresh(server: &Served, token: &Json) -> http::Reply {
    let body = json!({"refresh_token": token});
    server.anonymous().post("/api/auth/refresh", body).await
}

each_server!(signing_in_and_out, APP, async |server| {
    let body = json!({"email": " Ann@Example.com", "password": PASSWORD, "nickname": "ann"});
    let reply = server
        .anonymous()
        .post("/api/auth/register", body.clone())
        .await;
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    let answer = reply.expect(201);
    assert_eq!(answer["token_type"], "Bearer");
    assert_eq!(answer["expires_in"], 900);
    assert_eq!(answer["user"]["email"], "ann@example.com");
    assert_eq!(answer["user"]["nickname"], "ann");
    assert!(!reply.text().contains(PASSWORD));
    let taken = server.anonymous().post("/api/auth/register", body).await;
    assert_eq!(taken.word(), "409 data.conflict");

    let ann = server.signed_in(&server.login("ANN@example.com", PASSWORD).await.expect(200));
    let me = ann.get("/api/auth/me").await.expect(200);
    assert_eq!(me, answer["user"]);
    assert_eq!(me["roles"], json!([]));
    let mut record = ann
        .get(&format!("/api/auth/users/{}", ann.id))
        .await
        .expect(200);
    record["roles"] = json!([]);
    assert_eq!(record, me);
    assert_eq!(
        server.anonymous().get("/api/auth/me").await.word(),
        "401 auth.required"
    );
    assert_eq!(ann.post("/api/auth/logout", json!(null)).await.status, 204);
    server
        .within_a_second(&ann, "/api/auth/me", "401 auth.bad_token")
        .await;
    // The session of registering is another one.
    assert_eq!(
        server.signed_in(&answer).get("/api/auth/me").await.status,
        200
    );
});

each_server!(a_refresh_token_works_once, APP, async |server| {
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    let first = server
        .anonymous()
        .post("/api/auth/register", body)
        .await
        .expect(201);
    let second = refresh(server, &first["refresh_token"]).await.expect(200);
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    // The answer may have been lost: asking again right away gives the same one.
    let again = refresh(server, &first["refresh_token"]).await.expect(200);
    assert_eq!(again["refresh_token"], second["refresh_token"]);
    let third = refresh(server, &second["refresh_token"]).await.expect(200);
    let caller = server.signed_in(&third);
    assert_eq!(caller.get("/api/auth/me").await.status, 200);
    // Two generations old: it was stolen, or its thief has gone on. The whole session ends.
    let reused = refresh(server, &first["refresh_token"]).await;
    assert_eq!(reused.word(), "401 auth.bad_refresh_token");
    server
        .within_a_second(&caller, "/api/auth/me", "401 auth.bad_token")
        .await;
    let after = refresh(server, &third["refresh_token"]).await;
    assert_eq!(after.word(), "401 auth.bad_refresh_token");
    // What never was a refresh token is answered alike.
    for text in ["", "x", third["access_token"].as_str().unwrap()] {
        let reply = refresh(server, &json!(text)).await;
        assert!(
            ["401 auth.bad_refresh_token", "422 data.invalid"].contains(&&*reply.word()),
            "{text}: {}",
            reply.text()
        );
    }
});

each_server!(a_new_password_ends_other_sessions, APP, async |server| {
    let here = server.register("a@example.com").await;
    let there = server.signed_in(&server.login("a@example.com", PASSWORD).await.expect(200));
    assert_eq!(there.get("/api/auth/me").await.status, 200);
    let change =
        |current: &str, new: &str| json!({"current_password": current, "new_password": new});
    let path = "/api/auth/password";
    for (body, word) in [
        (change("another one", "a new password"), "422 data.invalid"),
        (change(PASSWORD, "short"), "422 data.invalid"),
        (
            json!({"new_password": "a new password"}),
            "422 data.invalid",
        ),
    ] {
        assert_eq!(here.post(path, body).await.word(), word);
    }
    let body = change(PASSWORD, "a new password");
    assert_eq!(
        server.anonymous().post(path, body.clone()).await.word(),
        "401 auth.required"
    );
    assert_eq!(here.post(path, body).await.status, 204);
    server
        .within_a_second(&there, "/api/auth/me", "401 auth.bad_token")
        .await;
    assert_eq!(here.get("/api/auth/me").await.status, 200);
    assert_eq!(
        server.login("a@example.com", PASSWORD).await.word(),
        "401 auth.bad_credentials"
    );
    server
        .login("a@example.com", "a new password")
        .await
        .expect(200);
});

each_server!(who_has_an_account_is_not_told, APP, async |server| {
    server.register("known@example.com").await;
    let mut times: [Vec<Duration>; 2] = Default::default();
    let emails = ["known@example.com", "never@example.com"];
    // Of the fastest, so that what else the machine does matters least, and again until it does not. Without a
    // hash for the unknown address they are an order of magnitude apart, however often it is tried.
    let mut told = String::new();
    for round in 1..=40 {
        let mut answers = Vec::new();
        for (email, times) in emails.iter().zip(&mut times) {
            let start = Instant::now();
            let reply = server.login(email, "not the password").await;
            times.push(start.elapsed());
            assert_eq!(reply.word(), "401 auth.bad_credentials");
            answers.push(reply.stable());
        }
        assert_eq!(answers[0], answers[1]);
        let [known, unknown] = times.each_ref().map(|times| times.iter().min().copied());
        let (known, unknown) = (known.unwrap_or_default(), unknown.unwrap_or_default());
        let ratio = known.as_secs_f64() / unknown.as_secs_f64();
        told = format!("known {known:?}, unknown {unknown:?}");
        if round >= 7 && (0.5..2.0).contains(&ratio) {
            return;
        }
    }
    panic!("{told}");
});

fn part(json: Json) -> String {
    URL_SAFE_NO_PAD.encode(json.to_string())
}

each_server!(only_the_servers_own_tokens_pass, APP, async |server| {
    let reply = server
        .anonymous()
        .post(
            "/api/auth/register",
            json!({"email": "a@example.com", "password": PASSWORD}),
        )
        .await
        .expect(201);
    let ann = server.signed_in(&reply);
    let token = ann.token.clone().unwrap();
    let [head, claims, signature]: [&str; 3] =
        token.split('.').collect::<Vec<_>>().try_into().unwrap();
    let read = |part: &str| -> Json {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    let kid = read(head)["kid"].clone();
    let with = |name: &str, value: Json| {
        let mut all = read(claims);
        all[name] = value;
        part(all)
    };
    let mut forged = vec![
        ("no token at all".to_owned(), "x".to_owned()),
        ("two parts".into(), format!("{head}.{claims}")),
        ("no signature".into(), format!("{head}.{claims}.")),
        ("four parts".into(), format!("{token}.{signature}")),
        (
            "the refresh token".into(),
            reply["refresh_token"].as_str().unwrap().to_owned(),
        ),
        ("another kid".into(), {
            let head = part(json!({"typ": "JWT", "alg": "EdDSA", "kid": "../../etc/passwd"}));
            format!("{head}.{claims}.{signature}")
        }),
        ("no kid".into(), {
            let head = part(json!({"typ": "JWT", "alg": "EdDSA"}));
            format!("{head}.{claims}.{signature}")
        }),
        ("overlong".into(), format!("{token}{}", "A".repeat(9000))),
    ];
    for alg in ["none", "None", "NONE", "HS256", "RS256", "ES256", ""] {
        let head = part(json!({"typ": "JWT", "alg": alg, "kid": kid}));
        forged.push((format!("alg {alg}"), format!("{head}.{claims}.")));
        forged.push((
            format!("alg {alg}, signed"),
            format!("{head}.{claims}.{signature}"),
        ));
    }
    for (name, value) in [
        ("exp", json!(9_999_999_999_i64)),
        ("sub", json!(user_id(1).to_string())),
        ("sid", json!(user_id(1).to_string())),
        ("aud", json!("admin")),
        ("iss", json!("other")),
        ("typ", json!("refresh")),
    ] {
        forged.push((
            format!("another {name}"),
            format!("{head}.{}.{signature}", with(name, value)),
        ));
    }
    // A flipped bit in every part.
    for at in [2, head.len() + 5, token.len() - 5] {
        let mut bytes = token.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        forged.push((
            format!("flipped at {at}"),
            String::from_utf8(bytes).unwrap(),
        ));
    }
    for (name, token) in forged {
        let caller = Caller {
            token: Some(token),
            ..ann.clone()
        };
        // Nor does a bad token pass as anonymous where everybody may read.
        for path in ["/api/auth/me", "/api/shop/pages"] {
            assert_eq!(
                caller.get(path).await.word(),
                "401 auth.bad_token",
                "{name} at {path}"
            );
        }
    }
    for value in ["Basic YTpi", "Bearer", "bearer  ", "Token x"] {
        let reply = server
            .anonymous()
            .send("GET", "/api/shop/pages", &[("Authorization", value)], b"")
            .await;
        assert_eq!(reply.word(), "401 auth.bad_token", "{value}");
    }
    assert_eq!(ann.get("/api/auth/me").await.status, 200);
});

each_server!(who_is_suspended_is_out_at_once, APP, async |server| {
    let admin = server.admin().await;
    let body = json!({"email": "a@example.com", "password": PASSWORD});
    let signed_in = server
        .anonymous()
        .post("/api/auth/register", body)
        .await
        .expect(201);
    let ann = server.signed_in(&signed_in);
    assert_eq!(ann.get("/api/shop/notes").await.status, 200);
    let path = format!("/api/auth/users/{}", ann.id);
    let reply = admin.patch(&path, json!({"suspended": true})).await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    let start = Instant::now();
    let word = loop {
        let word = ann.get("/api/shop/notes").await.word();
        if word != "200" || start.elapsed() > Duration::from_secs(1) {
            break word;
        }
    };
    assert!(
        ["403 auth.suspended", "401 auth.bad_token"].contains(&&*word),
        "{word}"
    );
    assert!(refresh(server, &signed_in["refresh_token"]).await.status >= 400);
    let login = server.login("a@example.com", PASSWORD).await;
    assert_eq!(login.word(), "403 auth.suspended");
    // Only to whoever knows the password.
    let login = server.login("a@example.com", "not the password").await;
    assert_eq!(login.word(), "401 auth.bad_credentials");
    admin
        .patch(&path, json!({"suspended": false}))
        .await
        .expect(200);
    server.login("a@example.com", PASSWORD).await.expect(200);
});

each_server!(roles_come_and_go_within_a_second, APP, async |server| {
    let admin = server.admin().await;
    let ann = server.register("a@example.com").await;
    let role = |user: &str, role: &str| format!("/api/auth/users/{user}/roles/{role}");
    let may = async || {
        let reply = ann.post("/api/shop/notes", json!({"title": "x"})).await;
        reply.word()
    };
    let until = async |wanted: &str| {
        let start = Instant::now();
        while may().await != wanted {
            assert!(start.elapsed() < Duration::from_secs(1), "not {wanted}");
        }
    };
    assert_eq!(may().await, "403 access.forbidden");
    let editor = role(&ann.id, "editor");
    for (caller, word) in [
        (&server.anonymous(), "401 auth.required"),
        (&ann, "403 access.forbidden"),
    ] {
        assert_eq!(caller.put(&editor, json!(null)).await.word(), word);
        assert_eq!(caller.delete(&editor).await.word(), word);
    }
    assert_eq!(admin.put(&editor, json!(null)).await.status, 204);
    assert_eq!(admin.put(&editor, json!(null)).await.status, 204);
    until("201").await;
    assert_eq!(admin.delete(&editor).await.status, 204);
    until("403 access.forbidden").await;
    // The same through the library.
    let id = spec::Uuid::try_parse(&ann.id).unwrap();
    server.auth.grant_role(id, "editor").await.unwrap();
    until("201").await;
    server.auth.revoke_role(id, "editor").await.unwrap();
    until("403 access.forbidden").await;
    for (path, word) in [
        (role(&uid(77), "editor"), "404 access.not_found"),
        (role("77", "editor"), "400 request.bad_id"),
        (role(&ann.id, "Not%20a%20role"), "422 data.invalid"),
        (role(&ann.id, "%00"), "400 request.malformed"),
    ] {
        assert_eq!(admin.put(&path, json!(null)).await.word(), word, "{path}");
    }
});

each_server!(roles_can_be_read, APP, async |server| {
    let admin = server.admin().await;
    let ann = server.register("a@example.com").await;
    let roles = |user: &str| format!("/api/auth/users/{user}/roles");
    for role in ["writer", "editor"] {
        let path = format!("{}/{role}", roles(&ann.id));
        assert_eq!(admin.put(&path, json!(null)).await.status, 204);
    }
    let both = json!(["editor", "writer"]);
    for caller in [&ann, &admin] {
        let answer = caller.get(&roles(&ann.id)).await;
        assert_eq!(answer.header("cache-control"), Some("no-store"));
        assert_eq!(answer.expect(200), json!({"roles": both}));
    }
    assert_eq!(
        admin.get(&roles(&admin.id)).await.expect(200),
        json!({"roles": ["admin"]})
    );
    for (caller, user, word) in [
        (&ann, &*admin.id, "404 access.not_found"),
        (&ann, &*uid(77), "404 access.not_found"),
        (&admin, &*uid(77), "404 access.not_found"),
        (&admin, "77", "400 request.bad_id"),
        (&server.anonymous(), &*ann.id, "401 auth.required"),
    ] {
        assert_eq!(caller.get(&roles(user)).await.word(), word, "{user}");
    }
    server.within_a_second(&ann, "/api/auth/me", "200").await;
    let start = Instant::now();
    while ann.get("/api/auth/me").await.expect(200)["roles"] != both {
        assert!(start.elapsed() < Duration::from_secs(1));
    }
    let again = server.login("a@example.com", PASSWORD).await.expect(200);
    assert_eq!(again["user"]["roles"], both);
    let refreshed = refresh(server, &again["refresh_token"]).await.expect(200);
    assert_eq!(refreshed["user"]["roles"], both);
});

const CLOSED: &str = r#"
name = "shop"
[auth]
registration = "closed"
## modules/auth/module.toml
[models.users.fields]
nickname = { type = "string", optional = true, max = 40 }
"#;

each_server!(
    an_administrator_gives_a_new_user_a_password,
    CLOSED,
    async |server| {
        // Nobody can register: the first administrator comes from the command line.
        let id = spec::new_id();
        let users = server.app.model_named("auth.users").unwrap().id;
        let make = async |id: spec::Uuid, email: &str, role: &str| {
            let body = json!({"id": id.to_string(), "email": email, "verified": true}).to_string();
            let engine = &server.backend.engine;
            let import = engine.import(&server.app, users, spec::time::now_micros());
            let user = import.record(body.as_bytes()).unwrap();
            let mut steps = import.steps(user).unwrap();
            steps.extend(server.auth.password_steps(id, PASSWORD).await.unwrap());
            steps.extend(server.auth.role_steps(id, role).unwrap());
            let deadline = Instant::now() + Duration::from_secs(5);
            server.backend.store.write(steps, deadline).await.unwrap();
            server.signed_in(&server.login(email, PASSWORD).await.expect(200))
        };
        let admin = make(id, "admin@example.com", "admin").await;
        let clerk = make(spec::new_id(), "clerk@example.com", "clerk").await;
        let given = "a password given by hand";
        let body = json!({"email": "New@example.com", "nickname": "n", "password": given});
        let reply = admin.post("/api/auth/users", body).await;
        let made = reply.expect(201);
        assert_eq!(made["email"], "new@example.com");
        assert_eq!(made["nickname"], "n");
        assert!(!reply.text().contains(given) && !reply.text().contains("argon2"));
        assert_eq!(
            reply
                .header("location")
                .map(|at| at.ends_with(made["id"].as_str().unwrap())),
            Some(true)
        );
        let signed_in = server.login("new@example.com", given).await.expect(200);
        assert_eq!(signed_in["user"]["id"], made["id"]);
        // Every mistake at once, and nothing is written.
        let body = json!({"email": "x", "nickname": 7, "password": "short", "id": uid(9)});
        let wrong = admin.post("/api/auth/users", body).await;
        assert_eq!(wrong.word(), "422 data.invalid");
        let errors = wrong.json()["errors"].clone();
        let mut pointers: Vec<&str> = errors
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|e| e["pointer"].as_str())
            .collect();
        pointers.sort_unstable();
        assert_eq!(pointers, ["/email", "/id", "/nickname", "/password"]);
        for body in [
            json!({"email": "y@example.com", "password": null}),
            json!({"email": "y@example.com", "password": 12345678}),
            json!({"email": "y@example.com", "password": "x".repeat(2000)}),
        ] {
            let reply = admin.post("/api/auth/users", body).await;
            assert_eq!(reply.word(), "422 data.invalid", "{}", reply.text());
            assert!(reply.text().contains("/password"), "{}", reply.text());
        }
        let taken = json!({"email": "new@example.com", "password": given});
        assert_eq!(
            admin.post("/api/auth/users", taken).await.word(),
            "409 data.conflict"
        );
        assert_eq!(
            server.login("y@example.com", given).await.word(),
            "401 auth.bad_credentials"
        );
        // Without one, as before; and others may create none, whatever they say.
        let plain = json!({"email": "plain@example.com"});
        admin.post("/api/auth/users", plain).await.expect(201);
        let body = json!({"email": "z@example.com", "password": given});
        let reply = clerk.post("/api/auth/users", body.clone()).await;
        assert_eq!(reply.word(), "403 access.forbidden");
        assert!(!reply.text().contains("/password"), "{}", reply.text());
        let reply = server.anonymous().post("/api/auth/users", body).await;
        assert_eq!(reply.status, 401, "{}", reply.text());
        // Write-only: no change, and no log.
        let page = admin.get("/api/auth/users").await;
        assert!(!page.text().contains("argon2") && !page.text().contains("password"));
        let log: String = server
            .lines()
            .await
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(!log.contains(given) && !log.contains("argon2"));
    }
);

each_server!(the_last_administrator_stays, APP, async |server| {
    let admin = server.admin().await;
    let ann = server.register("a@example.com").await;
    let path = |user: &str| format!("/api/auth/users/{user}");
    let role = |user: &str| format!("/api/auth/users/{user}/roles/admin");
    let record = admin.get(&path(&admin.id)).await.expect(200);
    let mut suspended = record.clone();
    suspended["suspended"] = json!(true);
    // Somebody must be left who can give the role back, whichever way it would go.
    let refused = async |who: &str| {
        let all = [
            admin.delete(&role(&admin.id)).await,
            admin.delete(&path(&admin.id)).await,
            admin
                .patch(&path(&admin.id), json!({"suspended": true}))
                .await,
            admin.put(&path(&admin.id), suspended.clone()).await,
        ];
        for reply in all {
            assert_eq!(
                reply.word(),
                "409 data.restricted",
                "{who}: {}",
                reply.text()
            );
        }
    };
    refused("alone").await;
    assert_eq!(admin.get(&path(&admin.id)).await.expect(200), record);
    // Who may not at all is not told who is the last.
    let stranger = ann.delete(&path(&admin.id)).await;
    assert_eq!(stranger.word(), "404 access.not_found");
    assert_eq!(admin.put(&role(&ann.id), json!(null)).await.status, 204);
    let reply = admin
        .patch(&path(&ann.id), json!({"suspended": true}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    refused("the other is suspended").await;
    // Others go as before.
    let bob = server.register("b@example.com").await;
    assert_eq!(admin.delete(&path(&bob.id)).await.status, 204);
    let reply = admin
        .patch(&path(&ann.id), json!({"suspended": false}))
        .await;
    assert_eq!(reply.status, 200, "{}", reply.text());
    assert_eq!(admin.delete(&path(&admin.id)).await.status, 204);
});

each_server!(
    two_administrators_cannot_end_each_other,
    APP,
    async |server| {
        let keeper = server.admin().await;
        let id = |caller: &http::Caller| spec::Uuid::try_parse(&caller.id).unwrap();
        for round in 0..8 {
            let mut two = Vec::new();
            for who in ["x", "y"] {
                let user = server.register(&format!("{who}{round}@example.com")).await;
                server.auth.grant_role(id(&user), "admin").await.unwrap();
                two.push(user);
            }
            let _ = server.auth.revoke_role(id(&keeper), "admin").await;
            let path = |at: usize| format!("/api/auth/users/{}", two[at].id);
            let suspend = json!({"suspended": true});
            let (one, other) = match round % 2 {
                0 => {
                    let (first, second) = (path(0), path(1));
                    tokio::join!(two[1].delete(&first), two[0].patch(&second, suspend))
                }
                _ => {
                    let (first, second) = (path(0), path(1));
                    tokio::join!(
                        two[1].patch(&first, suspend.clone()),
                        two[0].patch(&second, suspend)
                    )
                }
            };
            let words = [one.word(), other.word()];
            let done = words.iter().filter(|word| word.starts_with('2')).count();
            assert_eq!(done, 1, "round {round}: {words:?}");
            server.auth.grant_role(id(&keeper), "admin").await.unwrap();
            for user in &two {
                let _ = keeper.delete(&format!("/api/auth/users/{}", user.id)).await;
            }
        }
    }
);

each_server!(
    what_is_the_servers_cannot_be_registered,
    APP,
    async |server| {
        let admin = server.admin().await;
        let count = async || {
            let page = admin.get("/api/auth/users?count=exact").await.expect(200);
            page["count"].clone()
        };
        let before = count().await;
        for (name, value) in [
            ("verified", json!(true)),
            ("verified", json!(null)),
            ("suspended", json!(true)),
            ("roles", json!(["admin"])),
            ("role", json!("admin")),
            ("id", json!(uid(5))),
            ("id", json!(null)),
            ("created_at", json!("2020-01-01T00:00:00Z")),
            ("updated_at", json!(null)),
            ("version", json!(7)),
            ("score", json!(1000)),
            ("hash", json!("$argon2id$")),
            ("sessions", json!([])),
            ("user", json!({"verified": true})),
            ("__proto__", json!({"verified": true})),
            ("auth", json!({"roles": ["admin"]})),
        ] {
            let mut body = json!({"email": "m@example.com", "password": PASSWORD});
            body[name] = value;
            let reply = server
                .anonymous()
                .post("/api/auth/register", body.clone())
                .await;
            let word = reply.word();
            assert!(
                ["422 data.invalid", "403 access.field_forbidden"].contains(&&*word),
                "{body}: {word}"
            );
            assert!(
                reply.json()["errors"]
                    .to_string()
                    .contains(&format!("\"/{name}\"")),
                "{body}: {}",
                reply.text()
            );
        }
        assert_eq!(count().await, before);
        // Nor set afterwards.
        let ann = server.register("m@example.com").await;
        let path = format!("/api/auth/users/{}", ann.id);
        let own = ann.get(&path).await.expect(200);
        for patch in [
            json!({"verified": true}),
            json!({"verified": null}),
            json!({"suspended": true}),
            json!({"email": "other@example.com"}),
            json!({"score": 1}),
            json!({"id": uid(5)}),
            json!({"created_at": null}),
            json!({"roles": ["admin"]}),
            json!({"password": "another password"}),
        ] {
            let reply = ann.patch(&path, patch.clone()).await;
            assert!(
                [403, 422].contains(&reply.status),
                "{patch}: {}",
                reply.text()
            );
            let mut whole = own.clone();
            for (name, value) in patch.as_object().unwrap() {
                whole[name] = value.clone();
            }
            let reply = ann.put(&path, whole).await;
            assert!(
                [403, 422].contains(&reply.status),
                "PUT {patch}: {}",
                reply.text()
            );
        }
        assert_eq!(ann.get(&path).await.expect(200), own);
        let other = server.register("n@example.com").await;
        for reply in [
            other.patch(&path, json!({"nickname": "x"})).await,
            other.get(&path).await,
            other.delete(&path).await,
        ] {
            assert_eq!(reply.word(), "404 access.not_found");
        }
    }
);

each_server!(no_password_stands_in_the_change_log, APP, async |server| {
    let admin = server.admin().await;
    let secret = "a secret that nobody logs";
    let users = "/api/auth/users";
    let body = |email: &str| json!({"email": email, "password": secret, "nickname": "logged"});
    let made = admin
        .post(users, body("made@example.com"))
        .await
        .expect(201);
    let registered = server.anonymous();
    let registered = registered.post("/api/auth/register", body("own@example.com"));
    registered.await.expect(201);
    server.login("made@example.com", secret).await.expect(200);
    // Refused ones leave nothing, either.
    let path = format!("{users}/{}", made["id"].as_str().expect("an id"));
    admin
        .patch(&path, json!({"password": secret}))
        .await
        .expect(422);
    admin.put(&path, body("made@example.com")).await.expect(422);
    let taken = admin.post(users, body("made@example.com")).await;
    assert_eq!(taken.word(), "409 data.conflict");
    let store = &server.backend.store;
    let log = store.changes(&store::changes::Offset::start(), 1000).await;
    let log = log.expect("the log");
    assert!(!log.more);
    let text = format!("{:?}", log.changes);
    assert!(text.matches("logged").count() >= 2, "{text}");
    for hidden in [secret, "password", "$argon2"] {
        assert!(!text.contains(hidden), "{hidden} in {text}");
    }
});
