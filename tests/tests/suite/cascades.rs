//! Deletes that take other records along or loosen them: in an order that works, and truly told where none does.

use mainstay_tests::*;
use serde_json::{Value as Json, json};
use spec::Principal;
use store::changes::ChangeKind;

const APP: &str = r#"
## modules/work/module.toml
[models.comments]
id = "string"
[models.comments.fields]
project = { type = "relation", to = "projects", on_delete = "cascade" }
task    = { type = "relation", to = "tasks" }
[models.comments.access]
read = "true"
delete = "true"

[models.tasks]
id = "string"
[models.tasks.fields]
project = { type = "relation", to = "projects", on_delete = "cascade" }
parent  = { type = "relation", to = "tasks", on_delete = "cascade", optional = true, inverse = "parts" }
[models.tasks.access]
read = "true"
delete = "true"

[models.projects]
id = "string"
[models.projects.fields]
owner = { type = "relation", to = "auth.users", default = "auth.id" }
team  = { type = "relation", to = "teams", optional = true }
main  = { type = "relation", to = "tasks", on_delete = "set_null", optional = true, inverse = "main_of" }
[models.projects.access]
read = "true"
delete = "owner == auth.id && (team == null || team.name == 'open' || main.id == 'own')"

[models.teams]
id = "string"
[models.teams.fields]
name = { type = "string" }
[models.teams.access]
read = "true"

[models.bills]
id = "string"
[models.bills.fields]
task = { type = "relation", to = "tasks" }

[models.nodes]
id = "string"
[models.nodes.fields]
next = { type = "relation", to = "nodes", on_delete = "cascade" }
[models.nodes.access]
read = "true"
update = "true"
delete = "true"
"#;

async fn make(fx: &Fixture, model: &str, body: Json) {
    fx.create(&system(), model, body).await.ok();
}

async fn ids(fx: &Fixture, model: &str) -> Vec<String> {
    let all = fx.list(&system(), model, Query::new()).await.data();
    all.iter().map(id).collect()
}

async fn project(fx: &Fixture) {
    let owner = uid(1);
    make(fx, "work.projects", json!({"id": "p", "owner": owner})).await;
    make(fx, "work.tasks", json!({"id": "t", "project": "p"})).await;
}

// A comment leads to its project and to a task of it: it goes before both, whatever was found first.
each_store!(what_refers_to_two_goes_before_both, APP, async |fx| {
    project(fx).await;
    let part = json!({"id": "part", "project": "p", "parent": "t"});
    make(fx, "work.tasks", part).await;
    for (comment, task) in [("a", "t"), ("b", "part")] {
        let body = json!({"id": comment, "project": "p", "task": task});
        make(fx, "work.comments", body).await;
    }
    make(fx, "work.projects", json!({"id": "other", "owner": uid(1)})).await;
    fx.delete(&user(1), "work.projects", "p").await.done();
    assert_eq!(ids(fx, "work.projects").await, ["other"]);
    for model in ["work.tasks", "work.comments"] {
        assert!(ids(fx, model).await.is_empty(), "{model}");
    }
    let deleted = fx.changes().await;
    let deleted = deleted.iter().filter(|c| c.kind == ChangeKind::Delete);
    assert_eq!(deleted.count(), 5, "each with its row of the log");
});

// A project names the main one of its own tasks: a circle that a null opens, under the same rule.
each_store!(a_circle_is_opened_where_it_can_be, APP, async |fx| {
    project(fx).await;
    fx.update(&system(), "work.projects", "p", json!({"main": "t"}))
        .await
        .ok();
    let denied = fx.delete(&user(2), "work.projects", "p").await;
    assert_eq!(denied.code(), "access.forbidden");
    assert_eq!(ids(fx, "work.tasks").await, ["t"]);
    fx.delete(&user(1), "work.projects", "p").await.done();
    assert!(ids(fx, "work.tasks").await.is_empty());

    // The rule is asked of the record as it was, not as it is loosened.
    make(fx, "work.teams", json!({"id": "closed", "name": "closed"})).await;
    let body = json!({"id": "p", "owner": uid(1), "team": "closed"});
    make(fx, "work.projects", body).await;
    for task in ["t", "own"] {
        make(fx, "work.tasks", json!({"id": task, "project": "p"})).await;
        fx.update(&system(), "work.projects", "p", json!({"main": task}))
            .await
            .ok();
        let reply = fx.delete(&user(1), "work.projects", "p").await;
        match task {
            "own" => drop(reply.done()),
            _ => assert_eq!(reply.code(), "access.forbidden"),
        }
    }
    assert!(ids(fx, "work.tasks").await.is_empty());

    // Tasks that are parts of one another; and of themselves.
    project(fx).await;
    let part = json!({"id": "part", "project": "p", "parent": "t"});
    make(fx, "work.tasks", part).await;
    for parent in ["part", "t"] {
        fx.update(&system(), "work.tasks", "t", json!({"parent": parent}))
            .await
            .ok();
    }
    fx.update(&system(), "work.tasks", "t", json!({"parent": "part"}))
        .await
        .ok();
    fx.delete(&user(1), "work.tasks", "part").await.done();
    assert!(ids(fx, "work.tasks").await.is_empty());
});

each_store!(a_circle_that_nothing_opens_is_told, APP, async |fx| {
    make(fx, "work.nodes", json!({"id": "a", "next": "a"})).await;
    make(fx, "work.nodes", json!({"id": "b", "next": "a"})).await;
    fx.update(&user(1), "work.nodes", "a", json!({"next": "b"}))
        .await
        .ok();
    let refused = fx.delete(&user(1), "work.nodes", "a").await;
    assert_eq!(refused.code(), "data.restricted");
    assert!(refused.problem().detail.contains("circle"));
    assert_eq!(ids(fx, "work.nodes").await, ["a", "b"]);
    // As it says: one of them elsewhere, and both can go.
    fx.update(&user(1), "work.nodes", "a", json!({"next": "a"}))
        .await
        .ok();
    fx.delete(&user(1), "work.nodes", "a").await.done();
    assert!(ids(fx, "work.nodes").await.is_empty());
});

each_store!(what_holds_further_down_is_told_as_that, APP, async |fx| {
    project(fx).await;
    make(fx, "work.bills", json!({"id": "bill", "task": "t"})).await;
    let body = json!({"id": "c", "project": "p", "task": "t"});
    make(fx, "work.comments", body).await;
    let detail = async |who: &Principal, model: &str, id: &str| {
        let refused = fx.delete(who, model, id).await;
        assert_eq!(refused.code(), "data.restricted");
        refused.problem().detail.clone()
    };
    assert_eq!(
        detail(&user(1), "work.projects", "p").await,
        "Other records refer to this one or to what would be deleted with it, so it was not deleted."
    );
    assert_eq!(
        detail(&admin(), "work.projects", "p").await,
        "Records of work.bills refer to what would be deleted with this one, so it was not deleted.",
        "not of work.comments, which would go with it"
    );
    assert_eq!(
        detail(&admin(), "work.tasks", "t").await,
        "Records of work.comments and work.bills refer to this one, so it was not deleted."
    );
    fx.delete(&user(1), "work.comments", "c").await.done();
    assert_eq!(
        detail(&user(1), "work.tasks", "t").await,
        "Other records refer to this one, so it was not deleted."
    );
    assert_eq!(ids(fx, "work.tasks").await, ["t"]);
});

// As for a change: first whether the record is the one that the caller saw, then what they may do with it.
each_store!(a_precondition_comes_before_the_rule, APP, async |fx| {
    project(fx).await;
    let delete = async |who: &Principal, tag: &str| {
        let reply = fx.delete_if(who, "work.projects", "p", Some(tag)).await;
        reply.code()
    };
    assert_eq!(delete(&user(2), "stale").await, "data.precondition_failed");
    assert_eq!(delete(&user(2), "*").await, "access.forbidden");
    assert_eq!(delete(&user(1), "stale").await, "data.precondition_failed");
});
