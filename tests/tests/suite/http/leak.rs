//! What no rule lets somebody see is in no byte of any answer, of the log, or of the metrics; and no answer
//! depends on it.
//!
//! Actors × what is hidden × surfaces. The engine's own leak matrix walks operations; this one walks what only
//! HTTP has: headers, problem documents, entity tags, HEAD, the access log.

use mainstay_tests::http::{Caller, encoded};
use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/hr/module.toml
# Hidden whole: its records are their owner's alone.
[models.letters.fields]
owner = { type = "relation", to = "auth.users", optional = true }
slug = { type = "string", unique = true, optional = true, disclose = true }
text = { type = "string" }
tags = { type = "json", optional = true }
[models.letters.access]
read = "owner == auth.id"
create = "auth.id != null"
update = "owner == auth.id"
delete = "owner == auth.id"

# Everybody sees the record, and only its owner the field.
[models.people.fields]
owner = { type = "relation", to = "auth.users" }
name = { type = "string" }
pay = { type = "string", optional = true, read = "owner == auth.id", write = "owner == auth.id" }
# Hidden by the caller alone.
note = { type = "string", optional = true, read = "auth.roles.exists(r, r == 'hr')", write = "true" }
letter = { type = "relation", to = "letters", optional = true }
sealed = { type = "string", optional = true, immutable = true, read = "owner == auth.id" }
[models.people.access]
read = "true"
create = "auth.id != null"
update = "auth.id != null"
"#;

/// Nobody but the owner may meet these; neither value is in the other.
const SECRET: &str = "zq-hidden-4711-zq";
const OTHER: &str = "zq-absent-0815-zq";

/// `METHOD path body`; {V} is a guess at the secret, {L} the hidden letter, {P} the person with the hidden field.
const SURFACES: &[&str] = &[
    "GET /api/hr/letters",
    "GET /api/hr/letters?count=exact",
    "GET /api/hr/letters?text={V}",
    "GET /api/hr/letters?filter=text == '{V}'",
    "GET /api/hr/letters?filter=text.contains('{V}')&count=exact",
    "GET /api/hr/letters?filter=text >= '{V}'&sort=text",
    "GET /api/hr/letters?filter=tags.key == '{V}'",
    "GET /api/hr/letters?sort=-text&limit=1",
    "GET /api/hr/letters?fields=text",
    "GET /api/hr/letters/{L}",
    "GET /api/hr/letters/{L}?fields=text",
    "GET /api/hr/letters/{L}?expand=owner",
    "HEAD /api/hr/letters/{L}",
    "HEAD /api/hr/letters?text={V}",
    "PATCH /api/hr/letters/{L} {\"text\":\"{V}\"}",
    "PATCH /api/hr/letters/{L} {\"nothing\":\"{V}\"}",
    "PATCH /api/hr/letters/{L} {\"text\":5}",
    "DELETE /api/hr/letters/{L}",
    "GET /api/hr/people",
    "GET /api/hr/people/{P}",
    "HEAD /api/hr/people/{P}",
    "GET /api/hr/people?pay={V}",
    "GET /api/hr/people?pay[ne]={V}",
    "GET /api/hr/people?pay[gte]={V}&count=exact",
    "GET /api/hr/people?filter=pay == '{V}'&count=exact",
    "GET /api/hr/people?filter=pay != '{V}'",
    "GET /api/hr/people?filter=pay.startsWith('{V}')",
    "GET /api/hr/people?filter=pay < '{V}' || name == 'x'",
    "GET /api/hr/people?filter=pay == null",
    "GET /api/hr/people?sort=pay",
    "GET /api/hr/people?sort=-pay&limit=1",
    "GET /api/hr/people?fields=pay",
    "GET /api/hr/people/{P}?fields=pay,name",
    "GET /api/hr/people?note={V}",
    "GET /api/hr/people?filter=note == '{V}'",
    "GET /api/hr/people?sort=note",
    "GET /api/hr/people?fields=note",
    "GET /api/hr/people/{P}?fields=note",
    "GET /api/hr/people?expand=letter",
    "GET /api/hr/people/{P}?expand=letter,owner",
    "GET /api/hr/people?filter=letter.text == '{V}'&count=exact",
    "GET /api/hr/people?filter=letter.text != '{V}'",
    "GET /api/hr/people?sort=letter.text&limit=1",
    "GET /api/hr/people?letter={L}",
    "PATCH /api/hr/people/{P} {\"pay\":\"{V}\"}",
    "PATCH /api/hr/people/{P} {\"pay\":null}",
    "PATCH /api/hr/people/{P} {\"sealed\":\"{V}\"}",
    "PATCH /api/hr/people/{P} {\"name\":\"n\"}",
    "PATCH /api/hr/people/{P} {\"name\":\"n\",\"pay\":7}",
    "PUT /api/hr/people/{P} {\"name\":\"n\",\"owner\":\"{O}\",\"pay\":\"{V}\"}",
    "GET /api/hr/letters/aggregate?count=*",
    "GET /api/hr/letters/aggregate?group_by=text&count=*",
    "GET /api/hr/letters/aggregate?count=*&text={V}",
    "GET /api/hr/letters/aggregate?max=text&filter=tags.key == '{V}'",
    "GET /api/hr/people/aggregate?group_by=pay&count=*",
    "GET /api/hr/people/aggregate?min=pay&max=pay&count=pay",
    "GET /api/hr/people/aggregate?group_by=name&max=pay&having=max_pay == '{V}'",
    "GET /api/hr/people/aggregate?group_by=name&max=pay&having=max_pay >= '{V}'&sort=-max_pay",
    "GET /api/hr/people/aggregate?group_by=letter.text&count=*",
    "GET /api/hr/people/aggregate?max=letter.text&having=max_letter.text == '{V}'",
    "GET /api/hr/people/aggregate?count=*&filter=letter.text == '{V}'",
    "GET /api/hr/people/aggregate?group_by=note",
    "GET /api/hr/people/aggregate?max=note&having=max_note == '{V}'",
    "HEAD /api/hr/people/aggregate?group_by=pay&having=pay == '{V}'",
    "PATCH /api/hr/letters?filter=text == '{V}' {\"text\":\"x\"}",
    "PATCH /api/hr/letters?text={V} {\"text\":\"x\"}",
    "DELETE /api/hr/letters?filter=text == '{V}'",
    "PATCH /api/hr/people?filter=pay == '{V}' {\"name\":\"n\"}",
    "PATCH /api/hr/people?filter=letter.text == '{V}' {\"name\":\"n\"}",
    "PATCH /api/hr/people?note={V} {\"name\":\"n\"}",
    "DELETE /api/hr/people?pay[gte]={V}",
    "POST /api/hr/people [{\"name\":\"n\",\"owner\":\"{O}\",\"pay\":\"{V}\"}]",
    "POST /api/hr/people [{\"name\":\"n\",\"letter\":\"{L}\",\"pay\":\"{V}\"}]",
    "POST /api/batch {\"operations\":[{\"op\":\"update\",\"model\":\"hr.letters\",\"id\":\"{L}\",\"body\":{\"text\":\"{V}\"}}]}",
    "POST /api/batch {\"operations\":[{\"op\":\"update\",\"model\":\"hr.people\",\"id\":\"{P}\",\"body\":{\"pay\":\"{V}\"}}]}",
    "POST /api/batch {\"operations\":[{\"op\":\"delete\",\"model\":\"hr.letters\",\"id\":\"{L}\"}]}",
    "GET /api/hr/{V}",
    "GET /api/{V}/letters",
    "GET /metrics",
];

fn filled(surface: &str, value: &str, ids: &[(&str, &str)]) -> (String, String, String) {
    let mut parts = surface.splitn(2, ' ');
    let method = parts.next().unwrap_or_default().to_owned();
    let rest = parts.next().unwrap_or_default();
    let (path, body) = match rest.find(" {\"").or_else(|| rest.find(" [{\"")) {
        Some(at) => (&rest[..at], &rest[at + 1..]),
        None => (rest, ""),
    };
    let fill = |text: &str, value: &str| {
        let mut text = text.replace("{V}", value);
        for (name, id) in ids {
            text = text.replace(name, id);
        }
        text
    };
    let path = match path.split_once('?') {
        Some((path, query)) => {
            let pairs: Vec<String> = query
                .split('&')
                .map(|pair| {
                    // `==` belongs to the expression.
                    let (name, value_of) = pair.split_once('=').unwrap_or((pair, ""));
                    format!("{name}={}", encoded(&fill(value_of, value)))
                })
                .collect();
            format!("{path}?{}", pairs.join("&"))
        }
        None => path.to_owned(),
    };
    (method, fill(&path, value), fill(body, value))
}

async fn ask(caller: &Caller, surface: &str, value: &str, ids: &[(&str, &str)]) -> http::Reply {
    ask_under(caller, None, surface, value, ids).await
}

async fn ask_under(
    caller: &Caller,
    key: Option<&str>,
    surface: &str,
    value: &str,
    ids: &[(&str, &str)],
) -> http::Reply {
    let (method, path, body) = filled(surface, value, ids);
    let mut headers = Vec::new();
    headers.extend((!body.is_empty()).then_some(("Content-Type", "application/json")));
    headers.extend(key.map(|key| ("Idempotency-Key", key)));
    caller.send(&method, &path, &headers, body.as_bytes()).await
}

each_server!(a_secret_is_in_no_byte, APP, async |server| {
    let owner = server.register("owner@example.com").await;
    let stranger = server.register("stranger@example.com").await;
    let letter = owner
        .post(
            "/api/hr/letters",
            json!({"owner": owner.id, "text": SECRET, "slug": format!("slug-{SECRET}"), "tags": {"key": SECRET}}),
        )
        .await
        .expect(201);
    let letter = id(&letter);
    let person = owner
        .post(
            "/api/hr/people",
            json!({"owner": owner.id, "name": "n", "pay": SECRET, "note": SECRET, "letter": letter, "sealed": SECRET}),
        )
        .await
        .expect(201);
    let person = id(&person);
    let ids = [
        ("{L}", letter.as_str()),
        ("{P}", person.as_str()),
        ("{O}", owner.id.as_str()),
    ];

    // The owner does see it, or the rest would show nothing.
    let mut seen = 0;
    for surface in SURFACES {
        if surface.starts_with("GET /api/hr/letters") || surface.starts_with("GET /api/hr/people") {
            let reply = ask(&owner, surface, SECRET, &ids).await;
            seen += usize::from(reply.text().contains(SECRET));
        }
    }
    assert!(seen >= 20, "the owner sees it on {seen} surfaces only");

    let mut asked = 0;
    for (name, caller) in [("anonymous", &server.anonymous()), ("stranger", &stranger)] {
        for surface in SURFACES {
            let right = ask(caller, surface, SECRET, &ids).await;
            let wrong = ask(caller, surface, OTHER, &ids).await;
            let bytes = wrong.bytes();
            assert!(!bytes.contains(SECRET), "{name}: {surface}: {bytes}");
            asked += 2;
            // A guess that is right is answered as one that is wrong. The metrics count requests.
            if !surface.ends_with("/metrics") {
                assert_eq!(
                    right.stable().replace(SECRET, OTHER),
                    wrong.stable(),
                    "{name}: {surface}"
                );
            }
        }
    }
    // Under a key, and sent again.
    for (n, surface) in SURFACES.iter().enumerate() {
        if surface.starts_with("GET") || surface.starts_with("HEAD") {
            continue;
        }
        for attempt in ["the first", "a second"] {
            let under = async |value: &str| {
                let key = format!("{n}-{value}");
                ask_under(&stranger, Some(&key), surface, value, &ids).await
            };
            let (right, wrong) = (under(SECRET).await, under(OTHER).await);
            assert!(!wrong.bytes().contains(SECRET), "{attempt}: {surface}");
            assert_eq!(
                right.stable().replace(SECRET, OTHER),
                wrong.stable(),
                "{attempt}: {surface}"
            );
            asked += 2;
        }
    }
    println!("{asked} answers, {} surfaces", SURFACES.len());

    // An id that is there and hidden, and one that never was.
    for caller in [&server.anonymous(), &stranger] {
        for surface in SURFACES
            .iter()
            .filter(|s| s.contains("{L}") && s.contains("letters/"))
        {
            let hidden = ask(caller, surface, OTHER, &ids).await;
            let absent = ask(caller, surface, OTHER, &[("{L}", &uid(404))]).await;
            assert_eq!(
                hidden.stable().replace(&letter, "L"),
                absent.stable().replace(&uid(404), "L"),
                "{surface}"
            );
        }
    }

    // A conflict tells that the value is taken, and nothing of who has it.
    let slug = format!("slug-{SECRET}");
    let body = json!({"owner": stranger.id, "text": "mine", "slug": slug});
    let reply = stranger.post("/api/hr/letters", body).await;
    assert_eq!(reply.word(), "409 data.conflict");
    for hidden in [SECRET, &letter, &owner.id] {
        assert!(!reply.bytes().contains(hidden), "{}", reply.bytes());
    }
    // A field that may be written and not read: whether it held the value already does not show.
    let path = format!("/api/hr/people/{person}");
    for value in [SECRET, OTHER] {
        let before = owner.get(&path).await.expect(200);
        stranger
            .patch(&path, json!({"note": value}))
            .await
            .expect(200);
        let after = owner.get(&path).await.expect(200);
        assert_ne!(before["updated_at"], after["updated_at"], "{value}");
    }
    // A write that its writer may not read is done, and shows nothing.
    let body = json!({"text": "nobody's"});
    let reply = stranger.post("/api/hr/letters", body).await;
    assert_eq!((reply.status, reply.body.len()), (204, 0));
    assert_eq!(reply.header("etag"), None);

    // Entity tags: of the same visible fields the same, whatever the hidden ones hold.
    let tag = stranger
        .get(&format!("/api/hr/people/{person}"))
        .await
        .header("etag")
        .map(str::to_owned)
        .expect("a tag");
    let reply = stranger
        .send("GET", &path, &[("If-None-Match", &tag)], b"")
        .await;
    assert_eq!(reply.status, 304);
    assert!(!reply.bytes().contains(SECRET));

    for line in server.lines().await {
        // A path is logged, and a test put the guess into some; the query is not.
        let path = line["path"].as_str().unwrap_or_default().to_owned();
        let mut line = line.clone();
        line["path"] = json!("");
        assert!(!line.to_string().contains(SECRET), "{line}");
        assert!(!path.contains('?'), "{path}");
    }
    let metrics = server.anonymous().get("/metrics").await;
    assert!(!metrics.text().contains(SECRET));
});

each_server!(hints_name_no_field_that_hides, APP, async |server| {
    let stranger = server.register("stranger@example.com").await;
    let person = stranger
        .post("/api/hr/people", json!({"owner": stranger.id, "name": "n"}))
        .await
        .expect(201);
    let ids = [("{P}", id(&person))];
    let ids = ids.each_ref().map(|(name, id)| (*name, id.as_str()));
    // A name that is near the hidden one, and one that is near to none, whose hint lists what there is.
    for surface in [
        "GET /api/hr/people?{V}=x",
        "GET /api/hr/people?{V}[gte]=x",
        "GET /api/hr/people?filter={V} == 'x'",
        "GET /api/hr/people?sort={V}",
        "GET /api/hr/people?fields={V}",
        "GET /api/hr/people?expand={V}",
        "GET /api/hr/people/{P}?fields={V}",
        "GET /api/hr/people/aggregate?group_by={V}",
        "GET /api/hr/people/aggregate?max={V}",
        "GET /api/hr/letters?filter=people.exists(p, p.{V} == 'x')",
        "PATCH /api/hr/people/{P} {\"{V}\":\"x\"}",
        "PATCH /api/hr/people?{V}=x {\"name\":\"n\"}",
        "POST /api/hr/people {\"name\":\"n\",\"{V}\":\"x\"}",
    ] {
        for value in ["noot", "qqqqqqqq"] {
            let reply = ask(&stranger, surface, value, &ids).await;
            assert!(
                matches!(reply.status, 400 | 422),
                "{surface}: {}",
                reply.bytes()
            );
            assert!(
                !reply.text().contains("note"),
                "{surface}: {}",
                reply.bytes()
            );
        }
    }
    // What does not hide is named.
    let reply = stranger.get("/api/hr/people?sort=nme").await;
    assert!(reply.text().contains("did you mean name?"));
});

each_server!(pages_of_others_cannot_be_followed, APP, async |server| {
    let owner = server.register("owner@example.com").await;
    let stranger = server.register("stranger@example.com").await;
    for n in 0..5 {
        let body = json!({"owner": owner.id, "text": format!("{SECRET}{n}")});
        owner.post("/api/hr/letters", body).await.expect(201);
    }
    let page = owner
        .get("/api/hr/letters?sort=text&limit=2")
        .await
        .expect(200);
    let cursor = page["next_cursor"].as_str().expect("a cursor");
    let path = format!(
        "/api/hr/letters?sort=text&limit=2&cursor={}",
        encoded(cursor)
    );
    assert_eq!(owner.get(&path).await.status, 200);
    for caller in [&server.anonymous(), &stranger] {
        let reply = caller.get(&path).await;
        assert_eq!(reply.word(), "400 request.bad_cursor");
        assert!(!reply.bytes().contains(SECRET));
    }
    // What a cursor holds cannot be read from it.
    use base64::Engine as _;
    for engine in [
        &base64::engine::general_purpose::URL_SAFE_NO_PAD,
        &base64::engine::general_purpose::STANDARD_NO_PAD,
    ] {
        if let Ok(bytes) = engine.decode(cursor) {
            assert!(!String::from_utf8_lossy(&bytes).contains("zq"));
        }
    }
});
