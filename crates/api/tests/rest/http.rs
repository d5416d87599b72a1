//! Requests and responses, header by header, against a small app on SQLite.

use crate::app::app;
use ::http::{HeaderMap, Request};
use api::rest;
use api::{Answered, Context};
use bytes::Bytes;
use engine::Engine;
use spec::Principal;
use std::sync::Arc;
use store::Store;
use store::migrate::Allow;
use store::sqlite::{Options, Sqlite};

struct Server {
    engine: Engine,
    principal: Principal,
    _folder: tempfile::TempDir,
}

const ID: &str = "0190c0de-0000-7000-8000-000000000001";
const JSON: (&str, &str) = ("content-type", "application/json");

impl Server {
    async fn start() -> Server {
        let folder = tempfile::tempdir().unwrap();
        let app = Arc::new(app());
        let sqlite = Sqlite::open(folder.path().join("data.db"), Options::default()).unwrap();
        let store = Arc::new(Store::Sqlite(sqlite));
        let schema = plan::schema::schema(&app);
        store.apply(&schema, Allow::SAFE).await.unwrap();
        Server {
            engine: Engine::new(app, store, b"0123456789abcdef0123456789abcdef"),
            principal: Principal::anonymous(),
            _folder: folder,
        }
    }

    async fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Reply {
        let mut request = Request::builder().method(method).uri(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let (parts, ()) = request.body(()).unwrap().into_parts();
        let context = Context {
            request_id: "the-id",
            principal: &self.principal,
        };
        let body = Bytes::copy_from_slice(body.as_bytes());
        let answered = rest::answer(&self.engine, None, &parts, body, &context).await;
        Reply::of(answered)
    }

    async fn get(&self, path: &str) -> Reply {
        self.send("GET", path, &[], "").await
    }

    async fn product(&self) -> Reply {
        let body = r#"{"name":"Lamp","price":"9.50","status":"active"}"#;
        self.send("PUT", &format!("/api/shop/products/{ID}"), &[JSON], body)
            .await
    }
}

#[derive(Debug)]
struct Reply {
    status: u16,
    headers: HeaderMap,
    body: String,
    route: String,
    code: Option<&'static str>,
}

impl Reply {
    fn of(answered: Answered) -> Reply {
        let (head, body) = answered.response.into_parts();
        let reply = Reply {
            status: head.status.as_u16(),
            headers: head.headers,
            body: String::from_utf8(body.to_vec()).unwrap(),
            route: answered.route.into_owned(),
            code: answered.failure.map(|f| f.code.name()),
        };
        if let Some(code) = reply.code {
            assert_eq!(reply.header("content-type"), "application/problem+json");
            assert_eq!(reply.json()["code"], code);
            assert_eq!(reply.json()["request_id"], "the-id");
        }
        reply
    }

    fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |v| v.to_str().unwrap())
    }

    fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.body).unwrap()
    }

    fn refused(&self) -> (u16, &str) {
        (self.status, self.code.unwrap_or(""))
    }
}

#[tokio::test]
async fn a_record_from_its_making_to_its_end() {
    let server = Server::start().await;
    let body = r#"{"name":"Lamp","price":"9.5","status":"active"}"#;
    let made = server
        .send("POST", "/api/shop/products", &[JSON], body)
        .await;
    assert_eq!(
        (made.status, &*made.route),
        (201, "shop.products.create"),
        "{made:?}"
    );
    assert_eq!(made.header("content-type"), "application/json");
    let id = made.json()["id"].as_str().unwrap().to_owned();
    let address = format!("/api/shop/products/{id}");
    assert_eq!(made.header("location"), address);
    let read = server.get(&address).await;
    assert_eq!((read.status, &*read.route), (200, "shop.products.one"));
    assert_eq!(read.header("cache-control"), "private, no-cache");
    assert_eq!(read.header("vary"), "Authorization");
    assert_eq!(read.body, made.body);
    let etag = read.header("etag").to_owned();
    assert!(etag.starts_with('"') && etag.ends_with('"'), "{etag}");
    assert_eq!(made.header("etag"), etag);

    let same = server
        .send("GET", &address, &[("if-none-match", &etag)], "")
        .await;
    assert_eq!(
        (same.status, &*same.body, same.header("etag")),
        (304, "", &*etag)
    );
    assert_eq!(same.header("content-type"), "");

    let patch = r#"{"price":"8.00"}"#;
    let merge = ("content-type", "application/merge-patch+json");
    let changed = server
        .send("PATCH", &address, &[merge, ("if-match", &etag)], patch)
        .await;
    assert_eq!(
        (changed.status, &*changed.route),
        (200, "shop.products.update"),
        "{changed:?}"
    );
    assert_eq!(changed.json()["price"], "8.00");
    let lost = server
        .send("PATCH", &address, &[merge, ("if-match", &etag)], patch)
        .await;
    assert_eq!(lost.refused(), (412, "data.precondition_failed"));
    let weak = format!("W/{}", changed.header("etag"));
    let lost = server
        .send("PATCH", &address, &[merge, ("if-match", &weak)], patch)
        .await;
    assert_eq!(lost.refused(), (412, "data.precondition_failed"));
    let stale = server
        .send("GET", &address, &[("if-match", &etag)], "")
        .await;
    assert_eq!(stale.refused(), (412, "data.precondition_failed"));

    let gone = server
        .send(
            "DELETE",
            &address,
            &[("if-match", changed.header("etag"))],
            "",
        )
        .await;
    assert_eq!(
        (gone.status, &*gone.body, &*gone.route),
        (204, "", "shop.products.delete")
    );
    assert_eq!(
        server.get(&address).await.refused(),
        (404, "access.not_found")
    );
}

#[tokio::test]
async fn a_put_creates_replaces_and_creates_only() {
    let server = Server::start().await;
    let made = server.product().await;
    assert_eq!(
        (made.status, &*made.route),
        (201, "shop.products.replace"),
        "{made:?}"
    );
    assert_eq!(made.header("location"), format!("/api/shop/products/{ID}"));
    assert_eq!(server.product().await.status, 200);
    let body = r#"{"name":"Lamp","price":"1.00"}"#;
    let only = [JSON, ("if-none-match", "*")];
    let refused = server
        .send("PUT", &format!("/api/shop/products/{ID}"), &only, body)
        .await;
    assert_eq!(refused.refused(), (412, "data.precondition_failed"));
}

#[tokio::test]
async fn ids_are_decoded_once_and_answered_encoded() {
    let server = Server::start().await;
    let address = "/api/shop/notes/a%2Fb%20%C3%A9%25";
    let made = server
        .send("PUT", address, &[JSON], r#"{"title":"x","colour":"red"}"#)
        .await;
    assert_eq!(made.status, 201, "{made:?}");
    assert_eq!(made.json()["id"], "a/b é%");
    assert_eq!(made.header("location"), address);
    assert_eq!(server.get(address).await.status, 200);
    for path in [
        "/api/shop/notes/%",
        "/api/shop/notes/%zz",
        "/api/shop/notes/%FF",
        "/api/shop/notes/%00",
    ] {
        assert_eq!(
            server.get(path).await.refused(),
            (400, "request.malformed"),
            "{path}"
        );
    }
}

#[tokio::test]
async fn a_list_is_asked_by_its_query() {
    let server = Server::start().await;
    server.product().await;
    let list = server
        .get("/api/shop/products?status=active&sort=-price&limit=5&count=exact&fields=name")
        .await;
    assert_eq!(
        (list.status, &*list.route),
        (200, "shop.products.list"),
        "{list:?}"
    );
    assert_eq!(
        list.body,
        r#"{"data":[{"name":"Lamp"}],"next_cursor":null,"count":1}"#
    );
    assert_eq!(list.header("etag"), "");
    let again = server
        .send("GET", "/api/shop/products", &[("if-none-match", "*")], "")
        .await;
    assert_eq!(again.status, 200);
    let expanded = server
        .get(&format!(
            "/api/shop/products/{ID}?expand=reviews(limit:2),category"
        ))
        .await;
    assert_eq!(
        (expanded.status, expanded.header("etag")),
        (200, ""),
        "{expanded:?}"
    );
    assert_eq!(expanded.json()["reviews"]["data"], serde_json::json!([]));
    for (query, code) in [
        ("sttaus=1", "request.unknown_parameter"),
        ("limit=0", "request.bad_parameter"),
        ("limit=999", "limit.page"),
        ("filter=nope", "request.bad_filter"),
        ("sort=nope", "request.bad_sort"),
        ("fields=nope", "request.bad_fields"),
        ("expand=nope", "request.bad_expand"),
        ("cursor=nope", "request.bad_cursor"),
        ("search=x", "request.bad_search"),
        ("snippets=1", "request.bad_parameter"),
        ("price=cheap", "request.bad_parameter"),
        ("status=%", "request.malformed"),
    ] {
        let refused = server.get(&format!("/api/shop/products?{query}")).await;
        assert_eq!(refused.refused(), (400, code), "{query}: {}", refused.body);
        assert_eq!(refused.route, "shop.products.list");
    }
    let long = format!("/api/shop/products?filter={}", "x".repeat(9000));
    assert_eq!(server.get(&long).await.refused(), (414, "limit.query"));
}

#[tokio::test]
async fn addresses_and_methods_are_known_or_refused() {
    let server = Server::start().await;
    for (path, says) in [
        ("/", "nothing at this address"),
        ("/api", "nothing at this address"),
        ("/api/", "nothing at this address"),
        ("/api/shop", "nothing at this address"),
        ("/api/shop/", "nothing at this address"),
        ("/api//products", "nothing at this address"),
        ("/api/shp/products", "did you mean shop?"),
        ("/api/shop/prodcuts", "did you mean products?"),
        ("/api/zzzzzz/products", "nothing at this address"),
        ("/api/shop/products/", "leave the last slash out"),
        ("/api/shop/products/aggregate/", "nothing at this address"),
        ("/api/shop/products/1/2", "nothing at this address"),
        ("/API/shop/products", "nothing at this address"),
        ("/api/shop/%70roducts", "did you mean products?"),
    ] {
        let refused = server.get(path).await;
        assert_eq!(refused.refused(), (404, "request.unknown_route"), "{path}");
        let detail = refused.json()["detail"].as_str().unwrap().to_owned();
        assert!(detail.contains(says), "{path}: {detail}");
        assert_eq!(refused.route, "unknown");
    }
    let one = format!("/api/shop/products/{ID}");
    for (method, path, allow) in [
        ("POST", "/api/shop/products/aggregate", "GET, HEAD, OPTIONS"),
        (
            "DELETE",
            "/api/shop/products/aggregate",
            "GET, HEAD, OPTIONS",
        ),
        (
            "TRACE",
            "/api/shop/products",
            "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
        ),
        ("GET", "/api/batch", "POST, OPTIONS"),
        ("PUT", "/api/batch", "POST, OPTIONS"),
        ("POST", &one, "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
        ("TRACE", &one, "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
        ("PURGE", &one, "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
        ("get", &one, "GET, HEAD, PATCH, PUT, DELETE, OPTIONS"),
    ] {
        let refused = server.send(method, path, &[], "").await;
        assert_eq!(
            refused.refused(),
            (405, "request.method_not_allowed"),
            "{method} {path}"
        );
        assert_eq!(refused.header("allow"), allow);
        let options = server.send("OPTIONS", path, &[], "").await;
        assert_eq!((options.status, options.header("allow")), (204, allow));
    }
    assert_eq!(
        server.get("/api/shop/products/not-a-uuid").await.refused(),
        (400, "request.bad_id")
    );
}

#[tokio::test]
async fn bodies_and_conditions_are_understood_or_refused() {
    let server = Server::start().await;
    server.product().await;
    let all = "/api/shop/products";
    let one = format!("/api/shop/products/{ID}");
    let good = r#"{"name":"a","price":"1.00"}"#;
    let text = ("content-type", "text/plain");
    let zip = ("content-encoding", "gzip");
    for (method, path, headers, body, status, code) in [
        (
            "POST",
            all,
            vec![text],
            good,
            415,
            "request.unsupported_media_type",
        ),
        (
            "POST",
            all,
            vec![],
            good,
            415,
            "request.unsupported_media_type",
        ),
        (
            "POST",
            all,
            vec![JSON, zip],
            good,
            415,
            "request.unsupported_media_type",
        ),
        (
            "PATCH",
            &one,
            vec![text],
            good,
            415,
            "request.unsupported_media_type",
        ),
        (
            "POST",
            all,
            vec![JSON, ("accept", "text/html")],
            good,
            406,
            "request.not_acceptable",
        ),
        ("POST", all, vec![JSON], "", 400, "request.malformed_json"),
        ("POST", all, vec![], "", 400, "request.malformed_json"),
        ("POST", all, vec![JSON], "{", 400, "request.malformed_json"),
        (
            "POST",
            all,
            vec![JSON],
            r#"{"name":"a","name":"b"}"#,
            400,
            "request.malformed_json",
        ),
        ("POST", all, vec![JSON], " [{}]", 422, "data.invalid"),
        ("POST", all, vec![JSON], "{}", 422, "data.invalid"),
        (
            "POST",
            all,
            vec![JSON, ("if-match", "\"x\"")],
            good,
            400,
            "request.bad_precondition",
        ),
        (
            "POST",
            all,
            vec![JSON, ("if-none-match", "*")],
            good,
            400,
            "request.bad_precondition",
        ),
        (
            "PATCH",
            &one,
            vec![JSON, ("if-match", "x")],
            "{}",
            400,
            "request.bad_precondition",
        ),
        (
            "PATCH",
            &one,
            vec![JSON, ("if-none-match", "*")],
            "{}",
            400,
            "request.bad_precondition",
        ),
        (
            "PUT",
            &one,
            vec![JSON, ("if-none-match", "\"x\"")],
            good,
            400,
            "request.bad_precondition",
        ),
        (
            "DELETE",
            &one,
            vec![("if-match", "\"x\"")],
            "",
            412,
            "data.precondition_failed",
        ),
        (
            "DELETE",
            &one,
            vec![("if-match", "x")],
            "",
            400,
            "request.bad_precondition",
        ),
        (
            "GET",
            &one,
            vec![("if-none-match", "x")],
            "",
            400,
            "request.bad_precondition",
        ),
    ] {
        let refused = server.send(method, path, &headers, body).await;
        assert_eq!(
            refused.refused(),
            (status, code),
            "{method} {headers:?} {body}: {}",
            refused.body
        );
    }
    let refused = server.send("POST", all, &[text], good).await;
    assert_eq!(refused.header("accept"), "application/json");
    let refused = server.send("PATCH", &one, &[text], good).await;
    assert_eq!(
        refused.header("accept-patch"),
        "application/merge-patch+json, application/json"
    );
    let refused = server
        .send("DELETE", &format!("{one}?fields=id"), &[], "")
        .await;
    assert_eq!(refused.refused(), (400, "request.unknown_parameter"));
    let refused = server
        .send("GET", &format!("{one}?status=active"), &[], "")
        .await;
    assert_eq!(refused.refused(), (400, "request.unknown_parameter"));
}

#[tokio::test]
async fn what_its_writer_may_not_read_is_written_and_not_shown() {
    let server = Server::start().await;
    let body = r#"{"name":"Lamp","price":"9.50","status":"draft"}"#;
    let made = server
        .send("POST", "/api/shop/products", &[JSON], body)
        .await;
    assert_eq!((made.status, &*made.body), (204, ""), "{made:?}");
    assert_eq!(made.header("content-type"), "");
}

#[tokio::test]
async fn refusals_say_how_to_go_on() {
    let server = Server::start().await;
    let made = server
        .send("POST", "/api/shop/categories", &[JSON], r#"{"name":"a"}"#)
        .await;
    assert_eq!(made.refused(), (401, "auth.required"));
    assert_eq!(made.header("www-authenticate"), "Bearer");
}
