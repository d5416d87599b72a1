//! What a caller may not see must not show in what they can ask: two apps that differ in hidden values only answer
//! every question alike.

use mainstay_tests::*;
use plan::operation::PlainOp;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/m/module.toml
[models.people]
id = "string"
[models.people.fields]
name   = { type = "string" }
owner  = { type = "relation", to = "auth.users", optional = true }
secret = { type = "int", optional = true, read = "owner == auth.id" }
word   = { type = "string", optional = true, read = "owner == auth.id" }
data   = { type = "json", optional = true, read = "owner == auth.id" }
friend = { type = "relation", to = "people", optional = true, inverse = "friends", read = "owner == auth.id" }
[models.people.access]
read = "name != 'ghost'"
create = "true"
update = "owner == auth.id"
delete = "owner == auth.id"

[models.letters]
id = "string"
[models.letters.fields]
to   = { type = "relation", to = "people", inverse = "letters" }
text = { type = "string" }
[models.letters.access]
read = "true"
create = "true"
"#;

const M: &str = "m.people";

/// What is hidden from user 2: two pairs of values that differ in every way.
fn secrets(which: bool) -> (Json, Json, Json, Json) {
    match which {
        true => (
            json!(7),
            json!("zz"),
            json!({"k": "a", "n": [1]}),
            json!("b"),
        ),
        false => (json!(-3), Json::Null, json!([1, 2]), json!("c")),
    }
}

async fn fill(fx: &Fixture, which: bool) {
    let (secret, word, data, friend) = secrets(which);
    let at = "2026-01-01T00:00:00Z";
    let mut make = Vec::new();
    for id in ["b", "c", "d", "e"] {
        make.push(json!({"id": id, "name": id, "owner": uid(2), "secret": 5, "word": "m"}));
    }
    make.push(json!({"id": "a", "name": "a", "owner": uid(1), "secret": secret, "word": word, "data": data, "friend": friend}));
    make.push(json!({"id": "g", "name": "ghost", "secret": secret, "word": word, "data": data}));
    for mut body in make {
        body["created_at"] = json!(at);
        body["updated_at"] = json!(at);
        fx.create(&system(), M, body).await.ok();
    }
    for (id, to) in [("l1", "a"), ("l2", "b"), ("l3", "g")] {
        let body = json!({"id": id, "to": to, "text": "t", "created_at": at, "updated_at": at});
        fx.create(&system(), "m.letters", body).await.ok();
    }
}

/// Questions of user 2 about `people`.
fn questions() -> Vec<Query> {
    let filters = [
        "secret == 7",
        "secret == -3",
        "secret > 0",
        "secret < 0",
        "secret == null",
        "secret != null",
        "secret in [7, 5]",
        "!(secret == 7)",
        "secret != 7",
        "word == 'zz'",
        "word > 'n'",
        "word.startsWith('z')",
        "word.contains('z')",
        "word.endsWith('z')",
        "size(word) == 2",
        "word == null",
        "word == name",
        "data.k == 'a'",
        "has(data.k)",
        "data == null",
        "data.n.exists(x, x == 1)",
        "data.all(x, x > 0)",
        "size(data) > 0",
        "data[0] == 1",
        "friend == 'b'",
        "friend.name == 'b'",
        "friend == null",
        "friend.secret == 5",
        "friend.id == 'c'",
        "friends.exists(f, f.name == 'a')",
        "friends.all(f, f.secret == 5)",
        "friends.exists(f, f.secret == 7)",
        "(secret == 7 ? name : word) == 'a'",
        "(secret > 0) == true",
        "secret == 7 || name == 'd'",
        "letters.exists(l, l.to == 'a' && l.to.secret == 7)",
    ];
    let mut out: Vec<Query> = filters
        .iter()
        .map(|f| Query::new().filter(f).count())
        .collect();
    for sort in [
        "secret",
        "-secret",
        "word,secret",
        "-word",
        "friend",
        "friend.name",
        "friend.secret,-name",
        "-friend.word",
    ] {
        out.push(Query::new().sort(sort));
        out.push(Query::new().sort(sort).limit(1));
        out.push(Query::new().sort(sort).limit(2));
    }
    for (op, value) in [
        (PlainOp::Eq, "7"),
        (PlainOp::Ne, "7"),
        (PlainOp::Gt, "0"),
        (PlainOp::Lte, "0"),
        (PlainOp::In, "7"),
    ] {
        out.push(Query::new().plain("secret", op, &[value]).count());
    }
    out.push(Query::new().fields("id,secret,word,data,friend"));
    out.push(Query::new().expand("friend,friends,letters"));
    out.push(Query::new().expand("friends.friend,letters.to"));
    out
}

/// Every page of a list, cursors told apart only by whether there is one.
async fn pages(fx: &Fixture, model: &str, query: &Query) -> Vec<String> {
    let mut out = Vec::new();
    let mut query = query.clone();
    loop {
        let reply = fx.list(&user(2), model, query.clone()).await;
        let mut page = match reply.0 {
            Err(problem) => return vec![problem.to_string()],
            Ok(_) => reply.ok(),
        };
        let next = page["next_cursor"].take();
        out.push(page.to_string());
        // A cursor holds what the caller's sort key is, sealed: its length must not tell either.
        match next.as_str() {
            Some(cursor) => {
                out.push(format!("a cursor of {}", cursor.len()));
                query.cursor = Some(cursor.to_owned());
            }
            None => return out,
        }
    }
}

each_store!(hidden_values_do_not_show_in_any_answer, APP, async |fx| {
    let twin = Fixture::open(fx.on, APP).await;
    fill(fx, true).await;
    fill(&twin, false).await;
    let mut told = 0;
    for query in questions() {
        let (one, other) = (pages(fx, M, &query).await, pages(&twin, M, &query).await);
        assert_eq!(one, other, "{query:?}");
        // And the owner does see a difference in most: the question asks about what differs.
        let own = fx.list(&user(1), M, query.clone()).await;
        let own_twin = twin.list(&user(1), M, query.clone()).await;
        if own.0.is_ok() && own.ok() != own_twin.ok() {
            told += 1;
        }
    }
    assert!(told > 40, "{told} questions are about what differs");
    // Over another model's hop.
    for filter in [
        "to.secret == 7",
        "to.word == 'zz'",
        "to.name == 'ghost'",
        "to.friend.name == 'b'",
        "to.secret == null",
    ] {
        let query = Query::new().filter(filter).count().expand("to");
        assert_eq!(
            pages(fx, "m.letters", &query).await,
            pages(&twin, "m.letters", &query).await,
            "{filter}"
        );
    }
    // One by one, and by writes that are refused.
    for id in ["a", "g"] {
        for fixture in [fx, &twin] {
            let reply = fixture.one(&user(2), M, id).await;
            assert_eq!(
                reply.word(),
                if id == "a" {
                    "record"
                } else {
                    "access.not_found"
                }
            );
        }
        for body in [
            json!({"secret": 7}),
            json!({"secret": -3}),
            json!({"word": "zz"}),
            json!({"friend": "b"}),
            json!({}),
        ] {
            let one = fx.update(&user(2), M, id, body.clone()).await;
            let other = twin.update(&user(2), M, id, body.clone()).await;
            assert_eq!(
                format!("{:?}", one.0.err()),
                format!("{:?}", other.0.err()),
                "patch {body}"
            );
            let one = fx.replace(&user(2), M, id, body.clone()).await;
            let other = twin.replace(&user(2), M, id, body.clone()).await;
            assert_eq!(
                format!("{:?}", one.0.err()),
                format!("{:?}", other.0.err()),
                "put {body}"
            );
        }
    }
    twin.verify().await;
    twin.remove().await;
});
