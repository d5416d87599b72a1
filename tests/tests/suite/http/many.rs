//! Writes of many records, as their requests and answers look from outside.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
name = "many"
[limits]
batch = 50
## modules/shop/module.toml
[models.products.fields]
name  = { type = "string" }
sku   = { type = "string", unique = true, optional = true }
stock = { type = "int", default = "0" }
data  = { type = "json", optional = true }
owner = { type = "relation", to = "auth.users", default = "auth.id" }
[models.products.access]
read   = "owner == auth.id && name != 'blind'"
create = "auth.id != null"
update = "owner == auth.id"
delete = "owner == auth.id"
"#;
const P: &str = "/api/shop/products";

each_server!(
    requests_for_many_are_understood_or_refused,
    APP,
    async |server| {
        let me = server.register("me@example.com").await;
        let json_type = [("Content-Type", "application/json")];
        let made = me.post(P, json!([{"name": "a"}, {"name": "b"}])).await;
        assert_eq!(made.status, 201);
        assert_eq!(made.header("location"), None);
        assert_eq!(made.header("etag"), None);
        let made = me
            .put(&format!("{P}?key=sku"), json!({"name": "c", "sku": "s"}))
            .await;
        assert_eq!(made.status, 201);
        let address = made
            .header("location")
            .map(str::to_owned)
            .expect("an address");
        assert_eq!(me.get(&address).await.expect(200)["name"], "c");
        let again = me
            .put(&format!("{P}?key=sku"), json!({"name": "d", "sku": "s"}))
            .await;
        assert_eq!((again.status, again.header("location")), (200, None));
        let patched = me
            .patch(
                &format!("{P}?stock=0&filter=name%20!%3D%20'a'"),
                json!({"stock": 5}),
            )
            .await;
        assert_eq!(patched.expect(200), json!({"count": 2}));
        let gone = me
            .send("DELETE", &format!("{P}?stock[gte]=5"), &[], b"")
            .await;
        assert_eq!(gone.expect(200), json!({"count": 2}));

        let good = br#"{"stock":1}"#;
        for (method, query, headers, body, word) in [
            (
                "PATCH",
                "",
                &json_type[..],
                &good[..],
                "400 request.bad_filter",
            ),
            (
                "PATCH",
                "?filter=",
                &json_type,
                good,
                "400 request.bad_filter",
            ),
            (
                "PATCH",
                "?filter=nothing%20%3D%3D%201",
                &json_type,
                good,
                "400 request.bad_filter",
            ),
            (
                "PATCH",
                "?nothing=1",
                &json_type,
                good,
                "400 request.unknown_parameter",
            ),
            (
                "PATCH",
                "?filter=true&limit=1",
                &json_type,
                good,
                "400 request.unknown_parameter",
            ),
            (
                "PATCH",
                "?filter=true&sort=name",
                &json_type,
                good,
                "400 request.unknown_parameter",
            ),
            (
                "PATCH",
                "?filter=true&fields=name",
                &json_type,
                good,
                "400 request.unknown_parameter",
            ),
            (
                "PATCH",
                "?filter=true&filter=true",
                &json_type,
                good,
                "400 request.bad_parameter",
            ),
            (
                "PATCH",
                "?filter=true",
                &[("Content-Type", "text/plain")],
                good,
                "415 request.unsupported_media_type",
            ),
            (
                "PATCH",
                "?filter=true",
                &[("Content-Type", "application/json"), ("If-Match", "*")],
                good,
                "400 request.bad_precondition",
            ),
            (
                "PATCH",
                "?filter=true",
                &json_type,
                b"[{}]",
                "400 request.malformed_json",
            ),
            ("DELETE", "", &[], b"", "400 request.bad_filter"),
            (
                "DELETE",
                "?filter=true&cursor=x",
                &[],
                b"",
                "400 request.unknown_parameter",
            ),
            (
                "DELETE",
                "?filter=true",
                &[("If-Match", "\"x\"")],
                b"",
                "400 request.bad_precondition",
            ),
            ("PUT", "", &json_type, good, "400 request.bad_parameter"),
            (
                "PUT",
                "?key=",
                &json_type,
                good,
                "400 request.bad_parameter",
            ),
            (
                "PUT",
                "?key=name",
                &json_type,
                good,
                "400 request.bad_parameter",
            ),
            (
                "PUT",
                "?key=sku&stock=1",
                &json_type,
                good,
                "400 request.unknown_parameter",
            ),
            (
                "PUT",
                "?key=sku",
                &json_type,
                b"[]",
                "400 request.malformed_json",
            ),
            (
                "POST",
                "",
                &json_type,
                b"[{\"name\":\"a\"},]",
                "400 request.malformed_json",
            ),
            ("POST", "", &json_type, b"[", "400 request.malformed_json"),
            ("POST", "", &json_type, b"[]x", "400 request.malformed_json"),
            (
                "POST",
                "",
                &json_type,
                b"[{\"name\":\"a\",\"name\":\"b\"}]",
                "400 request.malformed_json",
            ),
            (
                "POST",
                "",
                &json_type,
                b"[{\"name\":\"\xff\"}]",
                "400 request.malformed_json",
            ),
            (
                "POST",
                "?filter=true",
                &json_type,
                b"[]",
                "400 request.unknown_parameter",
            ),
        ] {
            let reply = me.send(method, &format!("{P}{query}"), headers, body).await;
            assert_eq!(
                reply.word(),
                word,
                "{method} {query} {}",
                String::from_utf8_lossy(body)
            );
        }
        assert_eq!(
            me.get(&format!("{P}?count=exact")).await.expect(200)["count"],
            1
        );
    }
);

each_server!(a_batch_is_read_strictly, APP, async |server| {
    let me = server.register("me@example.com").await;
    let create = |body: Json| json!({"op": "create", "model": "shop.products", "body": body});
    let table = [
        (json!({}), vec!["/operations required"]),
        (json!({"operations": {}}), vec!["/operations type"]),
        (
            json!({"operations": [5, {}]}),
            vec![
                "/operations/0 type",
                "/operations/1/op required",
                "/operations/1/model required",
            ],
        ),
        (
            json!({"operations": [], "operation": []}),
            vec!["/operation unknown"],
        ),
        (
            json!({"operations": [{"op": "crate", "model": "shop.product", "boddy": {}}]}),
            vec![
                "/operations/0/op not_in",
                "/operations/0/model unknown",
                "/operations/0/boddy unknown",
            ],
        ),
        (
            json!({"operations": [{"op": "create", "model": "shop.products"}]}),
            vec!["/operations/0/body required"],
        ),
        (
            json!({"operations": [{"op": "delete", "model": "shop.products", "body": {}}]}),
            vec!["/operations/0/id required", "/operations/0/body unknown"],
        ),
        (
            json!({"operations": [{"op": "update", "model": "shop.products", "id": [], "body": {}}]}),
            vec!["/operations/0/id type"],
        ),
        (
            json!({"operations": [{"op": "upsert", "model": "shop.products", "body": []}]}),
            vec!["/operations/0/key required", "/operations/0/body type"],
        ),
        (
            json!({"operations": [{"op": "create", "model": "shop.products", "name": 5, "body": {}, "if_match": "x"}]}),
            vec!["/operations/0/name type", "/operations/0/if_match unknown"],
        ),
        (
            json!({"operations": [{"op": "update", "model": "shop.products", "id": {"$ref": "x", "more": 1}, "body": {}}]}),
            vec!["/operations/0/id type"],
        ),
    ];
    for (body, errors) in table {
        let reply = me.post("/api/batch", body.clone()).await;
        assert_eq!(reply.word(), "422 data.invalid", "{body}");
        let told: Vec<String> = reply.json()["errors"]
            .as_array()
            .unwrap()
            .iter()
            .map(|e| {
                format!(
                    "{} {}",
                    e["pointer"].as_str().unwrap(),
                    e["code"].as_str().unwrap()
                )
            })
            .collect();
        let mut errors: Vec<&str> = errors;
        let mut told: Vec<&str> = told.iter().map(String::as_str).collect();
        errors.sort_unstable();
        told.sort_unstable();
        assert_eq!(told, errors, "{body}");
    }
    let json_type = [("Content-Type", "application/json")];
    for (body, word) in [
        (&b"[]"[..], "400 request.malformed_json"),
        (b"{\"operations\":[],\"operations\":[]}", "400 request.malformed_json"),
        (b"{\"operations\":[{\"op\":\"create\",\"op\":\"delete\"}]}", "400 request.malformed_json"),
        (b"{\"operations\":[{\"op\":\"create\",\"model\":\"shop.products\",\"body\":{\"name\":1,\"name\":2}}]}", "400 request.malformed_json"),
        (b"", "400 request.malformed_json"),
    ] {
        let reply = me.send("POST", "/api/batch", &json_type, body).await;
        assert_eq!(reply.word(), word, "{}", String::from_utf8_lossy(body));
    }
    let reply = me.send("POST", "/api/batch?x=1", &json_type, b"{}").await;
    assert_eq!(reply.word(), "400 request.unknown_parameter");
    let many: Vec<Json> = (0..51).map(|_| create(json!({"name": "a"}))).collect();
    let reply = me.post("/api/batch", json!({"operations": many})).await;
    assert_eq!(reply.word(), "400 limit.batch");
    assert_eq!(
        reply.json()["limit"],
        json!({"name": "limits.batch", "value": 50})
    );
    // Text that looks like SQL, paths or references is text.
    let odd = [
        "'; DROP TABLE x; --",
        "../../etc/passwd",
        "{\"$ref\": \"a\"}",
        "$1",
        "\u{0}",
    ];
    let items: Vec<Json> = odd[..4]
        .iter()
        .map(|text| create(json!({"name": text, "data": {"$ref": text}})))
        .collect();
    let done = me
        .post("/api/batch", json!({"operations": items}))
        .await
        .expect(200);
    for (result, text) in done["results"].as_array().unwrap().iter().zip(odd) {
        assert_eq!(result["body"]["name"], text);
        assert_eq!(result["body"]["data"], json!({"$ref": text}));
    }
    let reply = me
        .post(
            "/api/batch",
            json!({"operations": [create(json!({"name": odd[4]}))]}),
        )
        .await;
    assert_eq!(reply.word(), "422 data.invalid");
    assert_eq!(
        me.get(&format!("{P}?count=exact")).await.expect(200)["count"],
        4
    );
    // What its writer may not read.
    let body = create(json!({"name": "blind"}));
    let done = me
        .post("/api/batch", json!({"operations": [body]}))
        .await
        .expect(200);
    assert_eq!(done["results"][0]["status"], 204);
    assert!(done["results"][0].get("body").is_none());
    let path = format!("{P}/{}", done["results"][0]["id"].as_str().unwrap());
    assert_eq!(me.get(&path).await.status, 404);
    let admin = server.admin().await;
    assert_eq!(admin.get(&path).await.expect(200)["name"], "blind");
    let made = me.post(P, json!([{"name": "a"}, {"name": "blind"}])).await;
    let made = made.expect(201);
    assert_eq!(made["data"][1], Json::Null);
});

each_server!(users_are_created_alone_and_go_whole, APP, async |server| {
    let admin = server.admin().await;
    let users = "/api/auth/users";
    let new = || json!({"email": "new@example.com"});
    let create = json!({"op": "create", "model": "auth.users", "body": new()});
    for reply in [
        admin.post(users, json!([new()])).await,
        admin.put(&format!("{users}?key=email"), new()).await,
        admin
            .post("/api/batch", json!({"operations": [create]}))
            .await,
    ] {
        assert_eq!(reply.word(), "400 request.not_built");
    }
    let mut gone = Vec::new();
    for n in 0..3 {
        gone.push(server.register(&format!("gone{n}@example.com")).await);
    }
    let stays = server.register("stays@example.com").await;
    // By a filter and in a batch, with their sessions and passwords.
    let path = format!(
        "{users}?filter=email.startsWith('gone')%20%26%26%20email%20!%3D%20'gone2@example.com'"
    );
    let reply = admin.send("DELETE", &path, &[], b"").await;
    assert_eq!(reply.expect(200), json!({"count": 2}));
    let delete = json!({"op": "delete", "model": "auth.users", "id": gone[2].id});
    admin
        .post("/api/batch", json!({"operations": [delete]}))
        .await
        .expect(200);
    tokio::time::sleep(std::time::Duration::from_millis(600)).await;
    for (n, user) in gone.iter().enumerate() {
        assert_eq!(user.get("/api/auth/me").await.status, 401, "{n}");
        let login = server
            .login(&format!("gone{n}@example.com"), served::PASSWORD)
            .await;
        assert_eq!(login.word(), "401 auth.bad_credentials");
    }
    stays.get("/api/auth/me").await.expect(200);
    // The last administrator stays, and with them whoever was to go along.
    let reply = admin
        .send("DELETE", &format!("{users}?filter=true"), &[], b"")
        .await;
    assert_eq!(reply.status, 409, "{}", reply.bytes());
    let path = format!("{users}?email=stays@example.com");
    assert_eq!(
        admin.get(&path).await.expect(200)["data"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let suspend = json!({"suspended": true});
    let reply = admin.patch(&format!("{users}?filter=true"), suspend).await;
    assert_eq!(reply.status, 409, "{}", reply.bytes());
    stays.get("/api/auth/me").await.expect(200);
});

each_server!(a_batch_tells_a_hundred_mistakes, APP, async |server| {
    let mut one = serde_json::Map::new();
    one.insert("op".into(), json!("update"));
    for at in 0..70 {
        one.insert(format!("unknown{at}"), json!(0));
    }
    let batch = json!({"operations": vec![Json::Object(one); 50]});
    let start = std::time::Instant::now();
    let reply = server.anonymous().post("/api/batch", batch).await;
    assert_eq!(reply.word(), "422 data.invalid");
    let errors = reply.json()["errors"].as_array().map(Vec::len);
    assert_eq!(errors, Some(100));
    assert!(start.elapsed() < std::time::Duration::from_secs(2));
});
