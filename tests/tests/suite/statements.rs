//! What is hidden and what is not there differ in nothing that could be measured: the same statements, in the
//! same number, and the same answer.

use mainstay_tests::statements::statements_of;
use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/hush/module.toml
[models.groups]
id = "string"
[models.groups.fields]
name  = { type = "string" }
owner = { type = "relation", to = "auth.users" }
[models.groups.access]
read = "owner == auth.id"

[models.things]
id = "string"
[models.things.fields]
owner  = { type = "relation", to = "auth.users", optional = true }
name   = { type = "string", default = "'n'", check = "name != 'bad'" }
group  = { type = "relation", to = "groups", optional = true }
second = { type = "relation", to = "groups", optional = true, inverse = "seconds", read = "name == 'shown'" }
member = { type = "relation", to = "hushed.people", optional = true }
[models.things.access]
read   = "owner == auth.id"
create = "owner == auth.id"
update = "owner == auth.id"
delete = "owner == auth.id"

[models.parts]
id = "string"
[models.parts.fields]
thing = { type = "relation", to = "things" }
[models.parts.access]
read   = "thing.owner == auth.id"
create = "thing.owner == auth.id"
update = "thing.owner == auth.id && thing.group.owner == auth.id"
delete = "thing.owner == auth.id"

## modules/hushed/module.toml
[models.people]
id = "string"
[models.people.access]
read = "id == 'me'"
"#;

const T: &str = "hush.things";
const P: &str = "hush.parts";

/// What an attempt costs and says, without the id that was tried.
async fn seen(tried: &str, attempt: impl Future<Output = Reply>) -> (Vec<String>, String) {
    let (texts, reply) = statements_of("hush", attempt).await;
    let said = match &reply.0 {
        Ok(_) => String::from_utf8(reply.bytes()).expect("text"),
        Err(problem) => format!(
            "{} {} {:?}",
            problem.code.name(),
            problem.detail,
            problem.errors
        ),
    };
    (texts, said.replace(tried, "…"))
}

each_store!(hidden_and_absent_run_the_same_statements, APP, async |fx| {
    let (s, u) = (system(), user(1));
    let make = async |model: &str, body: Json| fx.create(&s, model, body).await.ok();
    make(
        "hush.groups",
        json!({"id": "theirs", "name": "g", "owner": uid(2)}),
    )
    .await;
    make(
        "hush.groups",
        json!({"id": "mine", "name": "g", "owner": uid(1)}),
    )
    .await;
    make("hushed.people", json!({"id": "somebody"})).await;
    make(T, json!({"id": "hidden", "owner": uid(2)})).await;
    make(T, json!({"id": "own", "owner": uid(1), "group": "mine"})).await;
    make(P, json!({"id": "hidden-part", "thing": "hidden"})).await;
    make(P, json!({"id": "own-part", "thing": "own"})).await;
    make(
        T,
        json!({"id": "leads", "owner": uid(1), "group": "theirs", "second": "mine"}),
    )
    .await;
    make(T, json!({"id": "leads-not", "owner": uid(1)})).await;

    // A record by its id, of both kinds of rules; anonymous callers learn no more.
    for who in [&u, &anonymous()] {
        for (model, hidden) in [(T, "hidden"), (P, "hidden-part")] {
            let change = || json!({"owner": uid(3)});
            let change = || {
                if model == T {
                    change()
                } else {
                    json!({"thing": "own"})
                }
            };
            let mut pairs = Vec::new();
            for id in [hidden, "nobody"] {
                let expand = Query::new().expand(if model == T {
                    "group,parts"
                } else {
                    "thing.group"
                });
                pairs.push([
                    ("one", seen(id, fx.one(who, model, id)).await),
                    (
                        "expand",
                        seen(id, fx.one_with(who, model, id, expand)).await,
                    ),
                    (
                        "update",
                        seen(id, fx.update(who, model, id, change())).await,
                    ),
                    ("delete", seen(id, fx.delete(who, model, id)).await),
                ]);
            }
            for ((what, hidden), (_, absent)) in pairs[0].iter().zip(&pairs[1]) {
                assert_eq!(hidden, absent, "{what} of {model}");
                // Where the caller alone decides, the store is not asked at all.
                assert!(
                    !hidden.0.is_empty() || who.is_anonymous(),
                    "{what}: no statement"
                );
            }
        }
    }
    // A PUT of whoever may not create it.
    let body = || json!({"owner": uid(2)});
    let hidden = seen("hidden", fx.replace(&u, T, "hidden", body())).await;
    let absent = seen("nobody", fx.replace(&u, T, "nobody", body())).await;
    assert_eq!(hidden, absent, "PUT");

    // A reference, written by create, PUT and PATCH; within the module, and into another one.
    for (field, hidden, absent) in [
        ("group", "theirs", "nobody"),
        ("member", "somebody", "nobody"),
    ] {
        for name in ["good", "bad"] {
            let body = |to: &str| json!({"owner": uid(1), field: to, "name": name});
            let with_id = |to: &str| {
                let mut body = body(to);
                body["id"] = json!("new");
                body
            };
            let a = seen(hidden, fx.create(&u, T, with_id(hidden))).await;
            let b = seen(absent, fx.create(&u, T, with_id(absent))).await;
            assert_eq!(a, b, "create with {field}");
            for id in ["own", "new"] {
                let a = seen(hidden, fx.replace(&u, T, id, body(hidden))).await;
                let b = seen(absent, fx.replace(&u, T, id, body(absent))).await;
                assert_eq!(a, b, "PUT of {id} with {field}");
            }
            let a = seen(hidden, fx.update(&u, T, "own", body(hidden))).await;
            let b = seen(absent, fx.update(&u, T, "own", body(absent))).await;
            assert_eq!(a, b, "PATCH with {field}");
        }
    }
    // The same where the rule follows the reference.
    let part = |id: &str, to: &str| json!({"id": id, "thing": to});
    let a = seen("hidden", fx.create(&u, P, part("new", "hidden"))).await;
    let b = seen("nobody", fx.create(&u, P, part("new", "nobody"))).await;
    assert_eq!(a, b, "create under a rule that follows it");
    let a = seen(
        "hidden",
        fx.update(&u, P, "own-part", json!({"thing": "hidden"})),
    )
    .await;
    let b = seen(
        "nobody",
        fx.update(&u, P, "own-part", json!({"thing": "nobody"})),
    )
    .await;
    assert_eq!(a, b, "PATCH under a rule that follows it");

    // What a relation leads to, hidden or null: in the answer, in a filter, and in an order.
    let expand = || Query::new().expand("group,member");
    let a = seen("leads", fx.one_with(&u, T, "leads", expand())).await;
    let b = seen("leads-not", fx.one_with(&u, T, "leads-not", expand())).await;
    assert_eq!(a.0, b.0, "expand");
    for filter in [
        "group.name == 'g'",
        "group.name == null",
        "second.name == 'g'",
        "parts.exists(p, p.id == 'x')",
    ] {
        let of = |id: &str| {
            Query::new()
                .filter(&format!("id == '{id}' && ({filter})"))
                .sort("group.name")
        };
        let a = seen("leads", fx.list(&u, T, of("leads"))).await;
        let b = seen("leads-not", fx.list(&u, T, of("leads-not"))).await;
        assert_eq!(a.0, b.0, "{filter}");
        let (a, b) = (a.1.matches("\"id\"").count(), b.1.matches("\"id\"").count());
        assert_eq!(a, b, "{filter}");
    }
});
