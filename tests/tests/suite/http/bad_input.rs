//! Input that is wrong: each case a line, each answer a problem document with its stable code, never a 500.

use mainstay_tests::http::{Caller, Connection};
use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
[limits]
body = 200000
## modules/all/module.toml
[models.things.fields]
string = { type = "string", max = 20, optional = true }
text = { type = "text", optional = true }
email = { type = "email", optional = true }
url = { type = "url", optional = true }
kind = { type = "enum", values = ["a", "b"], optional = true }
int = { type = "int", optional = true }
float = { type = "float", optional = true }
decimal = { type = "decimal", scale = 2, optional = true }
bool = { type = "bool", optional = true }
datetime = { type = "datetime", optional = true }
date = { type = "date", optional = true }
uuid = { type = "uuid", optional = true }
thing = { type = "relation", to = "things", optional = true }
json = { type = "json", optional = true }
list = { type = "list", items = "string", optional = true }
name = { type = "string" }
[models.things.access]
read = "true"
create = "true"
update = "true"
delete = "true"

[models.numbers]
id = "int"
[models.numbers.fields]
name = { type = "string" }
[models.numbers.access]
read = "true"

[models.words]
id = "string"
[models.words.fields]
name = { type = "string" }
[models.words.access]
read = "true"
create = "true"
update = "true"

[models.bags]
open = true
[models.bags.fields]
name = { type = "string" }
[models.bags.access]
read = "true"
create = "true"
update = "true"
"#;

const THINGS: &str = "/api/all/things";

/// Bodies that are no JSON, or not JSON that can be meant.
fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let text = |text: &str| text.as_bytes().to_vec();
    vec![
        ("empty", text("")),
        ("blank", text("  \n ")),
        ("truncated object", text("{\"name\":\"x\"")),
        ("truncated key", text("{\"na")),
        ("truncated string", text("{\"name\":\"x")),
        ("truncated escape", text("{\"name\":\"\\u00")),
        ("truncated number", text("{\"name\":\"x\",\"int\":-")),
        ("trailing bytes", text("{\"name\":\"x\"}x")),
        ("two documents", text("{\"name\":\"x\"}{\"name\":\"y\"}")),
        ("trailing comma", text("{\"name\":\"x\",}")),
        ("single quotes", text("{'name':'x'}")),
        ("bare key", text("{name:\"x\"}")),
        ("a comment", text("{\"name\":\"x\"/* */}")),
        ("NaN", text("{\"name\":\"x\",\"float\":NaN}")),
        ("Infinity", text("{\"name\":\"x\",\"float\":Infinity}")),
        ("leading zero", text("{\"name\":\"x\",\"int\":01}")),
        ("plus sign", text("{\"name\":\"x\",\"int\":+1}")),
        ("hexadecimal", text("{\"name\":\"x\",\"int\":0x1}")),
        ("a control character", text("{\"name\":\"a\nb\"}")),
        ("a bad escape", text("{\"name\":\"\\x41\"}")),
        ("a lone high surrogate", text("{\"name\":\"\\ud800\"}")),
        ("a lone low surrogate", text("{\"name\":\"\\udc00\"}")),
        (
            "surrogates the wrong way round",
            text("{\"name\":\"\\udc00\\ud800\"}"),
        ),
        (
            "a lone surrogate as a key",
            text("{\"\\ud800\":1,\"name\":\"x\"}"),
        ),
        ("duplicate keys", text("{\"name\":\"x\",\"name\":\"y\"}")),
        (
            "duplicate keys, escaped",
            text("{\"name\":\"x\",\"n\\u0061me\":\"y\"}"),
        ),
        (
            "duplicate unknown keys",
            text("{\"name\":\"x\",\"zz\":1,\"zz\":2}"),
        ),
        (
            "a byte order mark",
            b"\xef\xbb\xbf{\"name\":\"x\"}".to_vec(),
        ),
        ("UTF-16", b"\xff\xfe{\0\"\0n\0".to_vec()),
        ("Latin-1", b"{\"name\":\"caf\xe9\"}".to_vec()),
        ("an overlong encoding", b"{\"name\":\"\xc0\xaf\"}".to_vec()),
        (
            "an encoded surrogate",
            b"{\"name\":\"\xed\xa0\x80\"}".to_vec(),
        ),
        (
            "cut inside a character",
            b"{\"name\":\"\xe2\x82\"}".to_vec(),
        ),
        ("a NUL byte", b"{\"name\":\"x\"}\0".to_vec()),
        ("100,000 brackets", "[".repeat(100_000).into_bytes()),
        ("100,000 objects", "{\"a\":".repeat(30_000).into_bytes()),
        (
            "nested deep under a field",
            format!(
                "{{\"name\":\"x\",\"json\":{}{}}}",
                "[".repeat(90_000),
                "]".repeat(90_000)
            )
            .into_bytes(),
        ),
        ("form fields", text("name=x&int=1")),
        (
            "XML",
            text("<?xml version=\"1.0\"?><!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]>"),
        ),
    ]
}

/// Documents that are no objects.
const NOT_OBJECTS: &[&str] = &[
    "[]",
    "[{\"name\":\"x\"}]",
    "null",
    "true",
    "1",
    "\"x\"",
    "1e999",
];

/// `field`, a value that is not of its type, as JSON text.
fn mistyped() -> Vec<(&'static str, String)> {
    let digits = format!("1{}", "0".repeat(400));
    let many = "9".repeat(100_000);
    let mut out: Vec<(&str, String)> = Vec::new();
    for (field, values) in [
        (
            "name",
            &["1", "true", "null", "[]", "{}", "\"a\\u0000b\""][..],
        ),
        ("string", &["1", "\"123456789012345678901\"", "[\"x\"]"]),
        ("text", &["false", "{\"a\":1}", "\"\\u0000\""]),
        (
            "email",
            &[
                "\"x\"",
                "\"@\"",
                "\"a@\"",
                "\"a b@c.de\"",
                "\"a@b\\u0000.de\"",
                "5",
            ],
        ),
        (
            "url",
            &["\"x\"", "\"http://\"", "\"javascript:alert(1)\"", "7"],
        ),
        ("kind", &["\"c\"", "\"A\"", "\"\"", "0", "[\"a\"]"]),
        (
            "int",
            &[
                "\"1\"",
                "1.5",
                "1e999",
                "9007199254740993",
                "-9223372036854775809",
                "true",
                "{}",
            ],
        ),
        ("float", &["\"1.5\"", "1e999", "-1e400", "[]"]),
        (
            "decimal",
            &[
                "\"x\"",
                "1.234",
                "\"1.234\"",
                "1e999",
                "\"1e5x\"",
                "true",
                "\"\"",
                "\"99999999999999999999.00\"",
            ],
        ),
        ("bool", &["0", "1", "\"true\"", "\"\""]),
        (
            "datetime",
            &[
                "0",
                "\"yesterday\"",
                "\"2024-02-30T00:00:00Z\"",
                "\"2024-01-01\"",
                "\"0000-01-01T00:00:00Z\"",
                "\"99999-01-01T00:00:00Z\"",
                "\"2024-01-01T25:00:00Z\"",
                "\"2024-01-01T00:00:00.1234567Z\"",
            ],
        ),
        (
            "date",
            &[
                "\"2024-02-30\"",
                "\"2024-1-1\"",
                "\"2024-01-01T00:00:00Z\"",
                "20240101",
            ],
        ),
        (
            "uuid",
            &["\"x\"", "1", "\"0190000000007000800000000000000\""],
        ),
        ("thing", &["\"x\"", "1", "{\"id\":1}", "[]"]),
        (
            "json",
            &["1e999", "{\"a\":1e400}", "\"\\u0000\"", "[\"\\u0000\"]"],
        ),
        ("list", &["\"x\"", "{}", "[1]", "[null]", "[[\"x\"]]"]),
        ("id", &["1", "\"x\"", "null"]),
        ("created_at", &["\"2020-01-01T00:00:00Z\""]),
        ("version", &["7"]),
        ("unknown", &["1", "null"]),
        ("", &["1"]),
        ("name ", &["\"x\""]),
        ("na\\u006De2", &["1"]),
        ("id'; DROP TABLE things; --", &["1"]),
    ] {
        out.extend(values.iter().map(|value| (field, (*value).to_owned())));
    }
    for field in ["int", "float", "decimal", "json"] {
        out.push((field, format!("{many}e{digits}")));
    }
    out.push(("int", digits));
    out.push(("int", many));
    out
}

/// Addresses of lists and records that are wrong, and the code of each.
fn addresses() -> Vec<(String, &'static str)> {
    let list = |query: &str| format!("{THINGS}?{query}");
    let one = |id: &str| format!("{THINGS}/{id}");
    let deep = format!("{}true{}", "(".repeat(2000), ")".repeat(2000));
    let chain = format!("int==1{}", "%7C%7Cint==1".repeat(330));
    let long = "x".repeat(9000);
    vec![
        (list("lmit=5"), "400 request.unknown_parameter"),
        (list("nothing=5"), "400 request.unknown_parameter"),
        (list("name[like]=x"), "400 request.bad_parameter"),
        (list("name[=x"), "400 request.bad_parameter"),
        (list("=x"), "400 request.unknown_parameter"),
        (list("limit=0"), "400 request.bad_parameter"),
        (list("limit=-1"), "400 request.bad_parameter"),
        (list("limit=x"), "400 request.bad_parameter"),
        (list("limit="), "400 request.bad_parameter"),
        (list("limit=1.5"), "400 request.bad_parameter"),
        (list("limit=1&limit=2"), "400 request.bad_parameter"),
        (list("limit=201"), "400 limit.page"),
        (list("limit=99999999999999999999999"), "400 limit.page"),
        (list("count=yes"), "400 request.bad_parameter"),
        (list("count=estimated"), "400 request.bad_parameter"),
        (list("search=x"), "400 request.bad_search"),
        (list("search="), "400 request.bad_search"),
        (list("search=a&search=b"), "400 request.bad_parameter"),
        (list("search=%FF"), "400 request.malformed"),
        (list("snippets=1"), "400 request.bad_parameter"),
        (list("int=x"), "400 request.bad_parameter"),
        (list("int=1e999"), "400 request.bad_parameter"),
        (list("bool=yes"), "400 request.bad_parameter"),
        (list("datetime[gt]=yesterday"), "400 request.bad_parameter"),
        (list("id=x"), "400 request.bad_parameter"),
        (list("decimal=1.234"), "400 request.bad_parameter"),
        (list("sort="), "400 request.bad_sort"),
        (list("sort=nothing"), "400 request.bad_sort"),
        (list("sort=--name"), "400 request.bad_sort"),
        (list("sort=name,"), "400 request.bad_sort"),
        (list("sort=name;drop"), "400 request.bad_sort"),
        (list("sort=json"), "400 request.bad_sort"),
        (list("fields="), "400 request.bad_fields"),
        (list("fields=nothing"), "400 request.bad_fields"),
        (list("fields=name,,id"), "400 request.bad_fields"),
        (list("fields=*"), "400 request.bad_fields"),
        (list("expand="), "400 request.bad_expand"),
        (list("expand=nothing"), "400 request.bad_expand"),
        (list("expand=name"), "400 request.bad_expand"),
        (list("expand=thing("), "400 request.bad_expand"),
        (list("expand=thing.thing.thing.thing"), "400 limit.expand"),
        (
            list(&format!("expand={}thing", "thing.".repeat(900))),
            "400 limit.expand",
        ),
        (list("filter="), "400 request.bad_filter"),
        (list("filter=name%20=="), "400 request.bad_filter"),
        (list("filter=nothing==1"), "400 request.bad_filter"),
        (list("filter=name==1"), "400 request.bad_filter"),
        (list("filter=name"), "400 request.bad_filter"),
        (list("filter=1/0==1"), "400 request.bad_filter"),
        (list("filter=int%2B1==2"), "400 request.bad_filter"),
        (
            list("filter=name.matches('(a*)*$')"),
            "400 request.bad_filter",
        ),
        (list("filter='%00'==name"), "400 request.malformed"),
        (
            list("filter=9999999999999999999999==int"),
            "400 request.bad_filter",
        ),
        (list(&format!("filter={deep}")), "400 limit.filter"),
        (list(&format!("filter={chain}")), "400 limit.filter"),
        (
            list(&format!("filter={}", "!".repeat(4000))),
            "400 request.bad_filter",
        ),
        (list(&format!("name={long}")), "414 limit.query"),
        (list("cursor="), "400 request.bad_cursor"),
        (list("cursor=x"), "400 request.bad_cursor"),
        (
            list("cursor=AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"),
            "400 request.bad_cursor",
        ),
        (
            list(&format!("cursor={}", "A".repeat(5000))),
            "400 request.bad_cursor",
        ),
        (list("name=%"), "400 request.malformed"),
        (list("name=%4"), "400 request.malformed"),
        (list("name=%zz"), "400 request.malformed"),
        (list("name=%ff"), "400 request.malformed"),
        (list("name=%00"), "400 request.malformed"),
        (list("%ff=1"), "400 request.malformed"),
        (list("name=%ED%A0%80"), "400 request.malformed"),
        (one("x"), "400 request.bad_id"),
        (one("1"), "400 request.bad_id"),
        (one("%20"), "400 request.bad_id"),
        (
            one("01900000-0000-7000-8000-00000000000"),
            "400 request.bad_id",
        ),
        (
            one("01900000000070008000000000000001"),
            "400 request.bad_id",
        ),
        (
            one("%7B01900000-0000-7000-8000-000000000001%7D"),
            "400 request.bad_id",
        ),
        (one("..%2f..%2fetc%2fpasswd"), "400 request.bad_id"),
        (one("%2e%2e"), "400 request.bad_id"),
        (one("'%20OR%201=1--"), "400 request.bad_id"),
        (one("%00"), "400 request.malformed"),
        (one("%ff"), "400 request.malformed"),
        (one("%"), "400 request.malformed"),
        (one(&"x".repeat(5000)), "400 request.bad_id"),
        (one(&"x".repeat(17_000)), "414 limit.query"),
        (one("a/b"), "404 request.unknown_route"),
        (one(""), "404 request.unknown_route"),
        (one(&uid(404)), "404 access.not_found"),
        (
            one(&format!("{}?limit=1", uid(404))),
            "400 request.unknown_parameter",
        ),
        (
            one(&format!("{}?filter=true", uid(404))),
            "400 request.unknown_parameter",
        ),
        (
            one(&format!("{}?fields=nothing", uid(404))),
            "400 request.bad_fields",
        ),
        ("/api/all/numbers/x".into(), "400 request.bad_id"),
        ("/api/all/numbers/1.0".into(), "400 request.bad_id"),
        // One record has one address.
        ("/api/all/numbers/01".into(), "400 request.bad_id"),
        ("/api/all/numbers/+1".into(), "400 request.bad_id"),
        ("/api/all/numbers/%2b1".into(), "400 request.bad_id"),
        ("/api/all/numbers/-0".into(), "400 request.bad_id"),
        ("/api/all/numbers/-01".into(), "400 request.bad_id"),
        ("/api/all/numbers?id=01".into(), "400 request.bad_parameter"),
        (
            "/api/all/numbers?id[in]=1,01".into(),
            "400 request.bad_parameter",
        ),
        (
            "/api/all/numbers/99999999999999999999".into(),
            "400 request.bad_id",
        ),
        ("/api/all/numbers/7".into(), "404 access.not_found"),
        ("/api/all/words/nothing".into(), "404 access.not_found"),
        (
            format!("/api/all/words/{}", "w".repeat(5000)),
            "400 request.bad_id",
        ),
    ]
}

/// What is wrong with each answer, to tell them all at once.
struct Found(Vec<String>, u32);

impl Found {
    fn meet(&mut self, case: &str, reply: &http::Reply, words: &[&str]) {
        self.1 += 1;
        let word = reply.word();
        if !words.contains(&&*word) {
            let text: String = reply.text().chars().take(300).collect();
            let case: String = case.chars().take(160).collect();
            self.0
                .push(format!("{case}: {word}, not {words:?}: {text}"));
        }
    }

    fn end(self) {
        println!("{} cases", self.1);
        assert!(self.0.is_empty(), "{}", self.0.join("\n"));
    }
}

async fn send(caller: &Caller, method: &str, path: &str, body: &[u8]) -> http::Reply {
    let headers = [("Content-Type", "application/json")];
    caller.send(method, path, &headers, body).await
}

each_server!(bodies_that_are_wrong, APP, async |server| {
    let caller = server.anonymous();
    let made = caller.post(THINGS, json!({"name": "x"})).await.expect(201);
    let (record, fresh) = (
        format!("{THINGS}/{}", id(&made)),
        format!("{THINGS}/{}", uid(404)),
    );
    let ways = [
        ("POST", THINGS),
        ("PATCH", record.as_str()),
        ("PUT", record.as_str()),
        ("PUT", fresh.as_str()),
    ];
    let mut found = Found(Vec::new(), 0);
    for (name, body) in malformed() {
        for (method, path) in ways {
            let reply = send(&caller, method, path, &body).await;
            found.meet(
                &format!("{method}: {name}"),
                &reply,
                &["400 request.malformed_json", "422 data.invalid"],
            );
        }
        for path in ["/api/auth/register", "/api/auth/login", "/api/auth/refresh"] {
            let reply = send(&caller, "POST", path, &body).await;
            found.meet(
                &format!("{path}: {name}"),
                &reply,
                &["400 request.malformed_json", "422 data.invalid"],
            );
        }
    }
    for body in NOT_OBJECTS {
        for (method, path) in ways {
            // What is created may be many.
            if method == "POST" && body.starts_with('[') {
                continue;
            }
            let reply = send(&caller, method, path, body.as_bytes()).await;
            found.meet(
                &format!("{method}: {body}"),
                &reply,
                &["400 request.malformed_json", "422 data.invalid"],
            );
        }
    }
    for (field, value) in mistyped() {
        let body = match field {
            "name" => format!("{{\"name\":{value}}}"),
            _ => format!("{{\"name\":\"x\",\"{field}\":{value}}}"),
        };
        for (method, path) in ways {
            // A null id or version of the server's own passes on create.
            if (field, &*value) == ("id", "null") {
                continue;
            }
            let reply = send(&caller, method, path, body.as_bytes()).await;
            found.meet(
                &format!("{method}: {field} = {value}"),
                &reply,
                &["422 data.invalid", "400 request.malformed_json"],
            );
            // Never a value back at length: bodies of errors stay small.
            if reply.body.len() > 4000 {
                found
                    .0
                    .push(format!("{field}: an answer of {} bytes", reply.body.len()));
            }
        }
    }
    assert_eq!(
        caller.get(&record).await.expect(200),
        made,
        "it was changed by none of these"
    );
    assert_eq!(caller.get(&fresh).await.status, 404);
    found.end();
});

each_server!(addresses_that_are_wrong, APP, async |server| {
    let caller = server.anonymous();
    let mut found = Found(Vec::new(), 0);
    for (path, word) in addresses() {
        found.meet(&path, &caller.get(&path).await, &[word]);
        let head = caller.send("HEAD", &path, &[], b"").await;
        let case: String = path.chars().take(160).collect();
        assert_eq!(head.status.to_string(), word[..3], "HEAD {case}");
        if !path.contains('?') {
            let reply = caller.json("PATCH", &path, &json!({"name": "y"})).await;
            let words = [word, "401 auth.required", "403 access.forbidden"];
            found.meet(&format!("PATCH {path}"), &reply, &words);
        }
    }
    // An upper-case id is the same id.
    let made = caller.post(THINGS, json!({"name": "x"})).await.expect(201);
    let upper = format!("{THINGS}/{}", id(&made).to_uppercase());
    found.meet(
        "an upper-case id",
        &caller.get(&upper).await,
        &["200", "400 request.bad_id"],
    );
    found.end();
});

each_server!(cursors_that_are_wrong, APP, async |server| {
    let caller = server.anonymous();
    for n in 0..4 {
        caller
            .post(THINGS, json!({"name": "x", "int": n}))
            .await
            .expect(201);
    }
    let first = format!("{THINGS}?limit=2&sort=-int&name=x");
    let page = caller.get(&first).await.expect(200);
    let cursor = page["next_cursor"].as_str().expect("a cursor").to_owned();
    let mut found = Found(Vec::new(), 0);
    let bad = ["400 request.bad_cursor"];
    assert_eq!(
        caller.get(&format!("{first}&cursor={cursor}")).await.status,
        200
    );
    for at in 0..cursor.len() {
        let mut bytes = cursor.clone().into_bytes();
        bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
        // The last character may hold bits that say nothing.
        let path = format!("{first}&cursor={}", String::from_utf8(bytes).unwrap());
        let reply = caller.get(&path).await;
        if at + 1 < cursor.len() || reply.status != 200 {
            found.meet(&format!("flipped at {at}"), &reply, &bad);
        }
    }
    for end in [1, cursor.len() / 2, cursor.len() - 1] {
        let path = format!("{first}&cursor={}", &cursor[..end]);
        found.meet("cut", &caller.get(&path).await, &bad);
    }
    let somebody = server.register("a@example.com").await;
    for (what, caller, path) in [
        (
            "another user",
            &somebody,
            format!("{first}&cursor={cursor}"),
        ),
        (
            "another filter",
            &caller,
            format!("{THINGS}?limit=2&sort=-int&name=y&cursor={cursor}"),
        ),
        (
            "no filter",
            &caller,
            format!("{THINGS}?limit=2&sort=-int&cursor={cursor}"),
        ),
        (
            "another sort",
            &caller,
            format!("{THINGS}?limit=2&sort=int&name=x&cursor={cursor}"),
        ),
        (
            "another model",
            &caller,
            format!("/api/all/bags?limit=2&cursor={cursor}"),
        ),
        ("twice", &caller, format!("{first}&cursor={cursor}{cursor}")),
    ] {
        found.meet(what, &caller.get(&path).await, &bad);
    }
    found.end();
});

each_server!(requests_that_are_wrong, APP, async |server| {
    let caller = server.anonymous();
    let made = caller.post(THINGS, json!({"name": "x"})).await.expect(201);
    let record = format!("{THINGS}/{}", id(&made));
    let body = b"{\"name\":\"x\"}";
    let mut found = Found(Vec::new(), 0);
    for (name, value) in [
        ("Content-Type", "text/plain"),
        ("Content-Type", "application/x-www-form-urlencoded"),
        ("Content-Type", "multipart/form-data; boundary=x"),
        ("Content-Type", "application/xml"),
        ("Content-Type", "application/jsonx"),
        ("Content-Type", "application/json; charset=latin-1"),
        ("Content-Type", "application/json, text/plain"),
        ("Content-Type", ""),
        ("X-Nothing", "x"),
    ] {
        for (method, path) in [
            ("POST", THINGS),
            ("PATCH", &record),
            ("PUT", &record),
            ("POST", "/api/auth/login"),
        ] {
            let reply = caller.send(method, path, &[(name, value)], body).await;
            let case = format!("{method} {name}: {value}");
            found.meet(&case, &reply, &["415 request.unsupported_media_type"]);
        }
    }
    let json_type = ("Content-Type", "application/json");
    for coding in ["gzip", "br", "deflate", "x"] {
        let headers = [json_type, ("Content-Encoding", coding)];
        let reply = caller.send("POST", THINGS, &headers, body).await;
        found.meet(coding, &reply, &["415 request.unsupported_media_type"]);
    }
    let reply = caller
        .send(
            "POST",
            THINGS,
            &[("Content-Type", "application/merge-patch+json")],
            body,
        )
        .await;
    found.meet(
        "a patch as a create",
        &reply,
        &["415 request.unsupported_media_type"],
    );
    for accept in [
        "text/html",
        "application/xml, text/*;q=0.5",
        "application/json;q=0",
    ] {
        let reply = caller.send("GET", THINGS, &[("Accept", accept)], b"").await;
        found.meet(accept, &reply, &["406 request.not_acceptable"]);
    }
    for (name, value) in [
        ("If-Match", "x"),
        ("If-Match", "\"unclosed"),
        ("If-Match", ""),
        ("If-Match", "\"a\" \"b\""),
        ("If-None-Match", "\"a\""),
    ] {
        let reply = caller
            .send("PATCH", &record, &[json_type, (name, value)], body)
            .await;
        found.meet(
            &format!("{name}: {value}"),
            &reply,
            &["400 request.bad_precondition"],
        );
    }
    let reply = caller
        .send(
            "PATCH",
            &record,
            &[json_type, ("If-Match", "\"never\"")],
            body,
        )
        .await;
    found.meet("another tag", &reply, &["412 data.precondition_failed"]);
    let big = format!("{{\"name\":\"{}\"}}", "x".repeat(300_000));
    for (method, path) in [
        ("POST", THINGS),
        ("PATCH", &record),
        ("PUT", &record),
        ("POST", "/api/auth/register"),
    ] {
        let reply = send(&caller, method, path, big.as_bytes()).await;
        found.meet(&format!("{method} too much"), &reply, &["413 limit.body"]);
    }
    let long = "x".repeat(17_000);
    let reply = caller.send("GET", THINGS, &[("X-Long", &long)], b"").await;
    found.meet("long headers", &reply, &["431 limit.headers"]);
    // An id of the caller's that could break out of a header or a log line is not taken over.
    for id in ["a b", "\"quoted\"", "<script>", &"x".repeat(300)] {
        let reply = caller
            .send("GET", "/api/nothing/x", &[("X-Request-Id", id)], b"")
            .await;
        assert_ne!(reply.header("x-request-id"), Some(id));
        found.meet(
            "a strange request id",
            &reply,
            &["404 request.unknown_route"],
        );
    }
    // Not even a request: refused or closed, and the server lives.
    for bytes in [
        &b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03"[..],
        b"GET /api/all/things\x00 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"POST /api/all/things HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"GET /api/all/things HTTP/1.1\r\nHost: x\r\nX: a\r\n\x00: b\r\n\r\n",
        b"GET /api/all/things\xff HTTP/1.1\r\nHost: x\r\n\r\n",
    ] {
        let mut connection = Connection::open(server.address).await.unwrap();
        connection.send(bytes).await.unwrap();
        if let Ok(reply) = connection.answer(false).await {
            assert!((400..500).contains(&reply.status), "{}", reply.bytes());
        }
        found.1 += 1;
    }
    assert_eq!(caller.get(&record).await.expect(200), made);
    found.end();
});
