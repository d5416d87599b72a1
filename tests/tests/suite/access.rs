//! Who may do what, and how a refusal reads.

use engine::Outcome;
use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/desk/module.toml
[models.teams.fields]
name  = { type = "string" }
lead  = { type = "relation", to = "auth.users" }
[models.teams.access]
read = "lead == auth.id"
create = "lead == auth.id"
update = "lead == auth.id"

[models.tasks.fields]
title  = { type = "string" }
owner  = { type = "relation", to = "auth.users", default = "auth.id" }
team   = { type = "relation", to = "teams", optional = true }
status = { type = "enum", values = ["open", "done", "shut"], default = "'open'" }
note   = { type = "string", optional = true, read = "owner == auth.id", write = "owner == auth.id" }
budget = { type = "int", optional = true, write = "team.lead == auth.id" }
boss   = { type = "string", optional = true, read = "'boss' in auth.roles", write = "'boss' in auth.roles" }
[models.tasks.access]
read   = "status != 'shut' || owner == auth.id"
create = "owner == auth.id && (team == null || team.lead == auth.id)"
update = "owner == auth.id || team.lead == auth.id"
delete = "owner == auth.id && team.lead == auth.id"

[models.tickets.fields]
owner  = { type = "relation", to = "auth.users", default = "auth.id", immutable = true }
status = { type = "enum", values = ["open", "done"], default = "'open'" }
[models.tickets.access]
read   = "true"
create = "true"
update = "old.status == 'open' && old.owner == auth.id"

[models.inbox.fields]
text = { type = "string" }
[models.inbox.access]
create = "true"

[models.closed.fields]
text = { type = "string" }
"#;

const TASKS: &str = "desk.tasks";

async fn team(fx: &Fixture, lead: u32) -> String {
    id(&fx
        .create(
            &user(lead),
            "desk.teams",
            json!({"name": "t", "lead": uid(lead)}),
        )
        .await
        .ok())
}

each_store!(refusals_tell_no_more_than_they_must, APP, async |fx| {
    let shut = id(&fx
        .create(&user(1), TASKS, json!({"title": "a", "status": "shut"}))
        .await
        .ok());
    let open = id(&fx.create(&user(1), TASKS, json!({"title": "b"})).await.ok());
    let nowhere = spec::new_id().hyphenated().to_string();
    for who in [anonymous(), user(2)] {
        let read = fx.one(&who, TASKS, &shut).await;
        let absent = fx.one(&who, TASKS, &nowhere).await;
        assert_eq!(
            read.problem(),
            absent.problem(),
            "hidden is absent, to the letter"
        );
        for id in [&shut, &nowhere] {
            assert_eq!(
                fx.update(&who, TASKS, id, json!({"title": "x"}))
                    .await
                    .problem(),
                absent.problem()
            );
            assert_eq!(fx.delete(&who, TASKS, id).await.problem(), absent.problem());
        }
    }
    let patch = json!({"title": "x"});
    assert_eq!(
        fx.update(&anonymous(), TASKS, &open, patch.clone())
            .await
            .code(),
        "auth.required"
    );
    assert_eq!(
        fx.update(&user(2), TASKS, &open, patch).await.code(),
        "access.forbidden"
    );
    assert_eq!(
        fx.delete(&anonymous(), TASKS, &open).await.code(),
        "auth.required"
    );
    assert_eq!(
        fx.delete(&user(2), TASKS, &open).await.code(),
        "access.forbidden"
    );
    let theirs = json!({"name": "c", "lead": uid(1)});
    assert_eq!(
        fx.create(&anonymous(), TASKS, json!({"title": "c"}))
            .await
            .code(),
        "auth.required",
        "whoever may create nothing is not told what a record is to have"
    );
    assert_eq!(
        fx.create(&user(2), "desk.teams", theirs.clone())
            .await
            .code(),
        "access.forbidden"
    );
    assert_eq!(
        fx.create(&anonymous(), "desk.teams", theirs).await.code(),
        "auth.required"
    );
    // A list is never refused: it is empty.
    for model in ["desk.closed", "desk.inbox"] {
        let page = fx.list(&user(1), model, Query::new().count()).await.ok();
        assert_eq!(page, json!({"data": [], "next_cursor": null, "count": 0}));
        assert_eq!(
            fx.one(&user(1), model, &nowhere).await.code(),
            "access.not_found"
        );
    }
    assert_eq!(
        fx.create(&user(1), "desk.closed", json!({"text": "x"}))
            .await
            .code(),
        "access.forbidden"
    );
    assert_eq!(
        fx.create(&anonymous(), "desk.closed", json!({"text": "x"}))
            .await
            .code(),
        "auth.required"
    );
    // Types come before a rule that hangs on the record, and behind one that lets nobody of this kind: they would tell
    // what the model is like.
    assert_eq!(
        fx.create(&user(1), "desk.closed", json!({"text": 1}))
            .await
            .code(),
        "access.forbidden"
    );
    assert_eq!(
        fx.create(&user(2), "desk.teams", json!({"name": 1}))
            .await
            .code(),
        "data.invalid"
    );
});

each_store!(an_administrator_is_not_bound_by_rules, APP, async |fx| {
    let shut = id(&fx
        .create(
            &user(1),
            TASKS,
            json!({"title": "a", "status": "shut", "note": "n"}),
        )
        .await
        .ok());
    for who in [admin(), system()] {
        let seen = fx.one(&who, TASKS, &shut).await.ok();
        assert!(seen["note"] == "n" && seen.get("boss").is_some(), "{seen}");
        fx.update(
            &who,
            TASKS,
            &shut,
            json!({"title": who.kind.as_str(), "budget": 3, "boss": "b"}),
        )
        .await
        .ok();
        let made = id(&fx
            .create(&who, "desk.closed", json!({"text": "x"}))
            .await
            .ok());
        fx.delete(&who, "desk.closed", &made).await.done();
    }
    let log = fx.changes_of(TASKS, &shut).await;
    let by: Vec<(&str, Option<spec::Uuid>)> =
        log.iter().map(|c| (c.by_kind.as_str(), c.by_id)).collect();
    assert_eq!(
        by,
        [
            ("user", Some(user_id(1))),
            ("user", Some(user_id(9))),
            ("service", None)
        ]
    );
});

each_store!(
    what_the_writer_may_not_read_is_done_in_silence,
    APP,
    async |fx| {
        let reply = fx
            .create(&anonymous(), "desk.inbox", json!({"text": "hello"}))
            .await;
        assert_eq!(reply.done(), Outcome::Created);
        let stored = fx.list(&system(), "desk.inbox", Query::new()).await.data();
        assert_eq!(stored[0]["text"], "hello");
        let task = id(&fx.create(&user(1), TASKS, json!({"title": "a"})).await.ok());
        let team = team(fx, 2).await;
        fx.update(&system(), TASKS, &task, json!({"team": team}))
            .await
            .ok();
        // The lead may change it, and shuts it away from their own eyes.
        let reply = fx
            .update(&user(2), TASKS, &task, json!({"status": "shut"}))
            .await;
        assert_eq!(reply.done(), Outcome::Changed);
        assert_eq!(
            fx.one(&user(2), TASKS, &task).await.code(),
            "access.not_found"
        );
    }
);

each_store!(nothing_is_stolen_or_given_away, APP, async |fx| {
    let task = id(&fx.create(&user(1), TASKS, json!({"title": "a"})).await.ok());
    // Steal: true of the result only. Give: true of what is stored only.
    for (who, owner) in [(user(2), uid(2)), (user(1), uid(2))] {
        let reply = fx.update(&who, TASKS, &task, json!({"owner": owner})).await;
        let put = fx
            .replace(&who, TASKS, &task, json!({"title": "a", "owner": owner}))
            .await;
        assert!(
            matches!(reply.code(), "access.forbidden" | "data.invalid"),
            "{}",
            reply.code()
        );
        assert!(
            matches!(put.code(), "access.forbidden" | "data.invalid"),
            "{}",
            put.code()
        );
    }
    assert_eq!(fx.one(&system(), TASKS, &task).await.ok()["owner"], uid(1));
    // The same over a relation: into a team one does not lead, and out of it by who leads another.
    let (mine, other) = (team(fx, 1).await, team(fx, 2).await);
    fx.update(&user(1), TASKS, &task, json!({"team": mine}))
        .await
        .ok();
    assert_eq!(
        fx.update(&user(2), TASKS, &task, json!({"team": other}))
            .await
            .code(),
        "access.forbidden"
    );
    let hidden = fx
        .update(&user(1), TASKS, &task, json!({"team": other}))
        .await;
    let absent = fx
        .update(
            &user(1),
            TASKS,
            &task,
            json!({"team": spec::new_id().hyphenated().to_string()}),
        )
        .await;
    assert_eq!(
        hidden.errors(),
        ["/team not_found"],
        "one may not read that team"
    );
    assert_eq!(
        hidden.problem(),
        absent.problem(),
        "and it answers as one that is not there"
    );
});

each_store!(rules_follow_relations_on_every_write, APP, async |fx| {
    let (mine, other) = (team(fx, 1).await, team(fx, 2).await);
    let task = id(&fx
        .create(&user(1), TASKS, json!({"title": "a", "team": mine}))
        .await
        .ok());
    let reply = fx
        .create(&user(1), TASKS, json!({"title": "b", "team": other}))
        .await;
    // The rule comes before the reference, and sees none there: as of a team that there is not.
    assert_eq!(reply.code(), "access.forbidden");
    let nowhere = spec::new_id().hyphenated().to_string();
    let absent = fx
        .create(&user(1), TASKS, json!({"title": "b", "team": nowhere}))
        .await;
    assert_eq!(reply.problem(), absent.problem());
    // A team that one may read is not yet one that one leads.
    let lent = id(&fx
        .create(
            &system(),
            "desk.teams",
            json!({"name": "x", "lead": uid(1)}),
        )
        .await
        .ok());
    fx.update(&system(), "desk.teams", &lent, json!({"lead": uid(3)}))
        .await
        .ok();
    assert!(
        fx.create(&user(1), TASKS, json!({"title": "b", "team": lent}))
            .await
            .0
            .is_err()
    );
    assert_eq!(
        fx.delete(&user(2), TASKS, &task).await.code(),
        "access.forbidden"
    );
    let loose = id(&fx.create(&user(1), TASKS, json!({"title": "c"})).await.ok());
    assert_eq!(
        fx.delete(&user(1), TASKS, &loose).await.code(),
        "access.forbidden",
        "no team, no lead"
    );
    // The lead of the team changes: at once somebody else may, and this one may not.
    fx.update(&system(), "desk.teams", &mine, json!({"lead": uid(3)}))
        .await
        .ok();
    assert_eq!(
        fx.delete(&user(1), TASKS, &task).await.code(),
        "access.forbidden"
    );
    fx.update(&user(3), TASKS, &task, json!({"title": "by the lead"}))
        .await
        .ok();
    fx.update(&system(), "desk.teams", &mine, json!({"lead": uid(1)}))
        .await
        .ok();
    fx.delete(&user(1), TASKS, &task).await.done();
});

each_store!(a_rule_with_old_is_asked_once, APP, async |fx| {
    let ticket = id(&fx.create(&user(1), "desk.tickets", json!({})).await.ok());
    assert_eq!(
        fx.update(&user(2), "desk.tickets", &ticket, json!({"status": "done"}))
            .await
            .code(),
        "access.forbidden"
    );
    fx.update(&user(1), "desk.tickets", &ticket, json!({"status": "done"}))
        .await
        .ok();
    let back = fx
        .update(&user(1), "desk.tickets", &ticket, json!({"status": "open"}))
        .await;
    assert_eq!(back.code(), "access.forbidden", "what is done stays done");
});

each_store!(field_rules_hide_and_refuse_fields, APP, async |fx| {
    let mine = team(fx, 2).await;
    let task = id(&fx
        .create(&user(1), TASKS, json!({"title": "a", "note": "secret"}))
        .await
        .ok());
    fx.update(&system(), TASKS, &task, json!({"team": mine, "boss": "b"}))
        .await
        .ok();
    let owner = fx.one(&user(1), TASKS, &task).await.ok();
    assert_eq!(owner["note"], "secret");
    assert!(owner.get("boss").is_none(), "the key itself is gone");
    let other = fx.one(&user(2), TASKS, &task).await.ok();
    assert!(other.get("note").is_none() && other.get("boss").is_none());
    let boss = with_roles(3, &["boss"]);
    assert_eq!(fx.one(&boss, TASKS, &task).await.ok()["boss"], "b");
    assert_ne!(
        fx.one(&user(1), TASKS, &task).await.etag(),
        fx.one(&user(2), TASKS, &task).await.etag(),
        "two views, two tags"
    );
    // Asked for by name: left out where the record decides, refused where only the caller does.
    let named = fx
        .one_with(&user(2), TASKS, &task, Query::new().fields("title,note"))
        .await
        .ok();
    assert_eq!(named, json!({"title": "a"}));
    for query in [
        Query::new().fields("boss"),
        Query::new().filter("boss == 'b'"),
        Query::new().sort("boss"),
        Query::new().plain("boss", plan::operation::PlainOp::Eq, &["b"]),
    ] {
        let reply = fx.list(&user(1), TASKS, query.clone()).await;
        assert!(
            reply.problem().status() == 400,
            "{query:?}: {}",
            reply.code()
        );
        fx.list(&boss, TASKS, query).await.ok();
    }
    // Written: the lead may set the budget, not the note; the owner the other way round.
    let lead = fx
        .update(
            &user(2),
            TASKS,
            &task,
            json!({"note": "x", "boss": "y", "budget": 1}),
        )
        .await;
    assert_eq!(lead.code(), "access.field_forbidden");
    assert_eq!(lead.errors(), ["/boss forbidden", "/note forbidden"]);
    fx.update(&user(2), TASKS, &task, json!({"budget": 5}))
        .await
        .ok();
    let owner = fx
        .update(&user(1), TASKS, &task, json!({"budget": 6}))
        .await;
    assert!(owner.problem().status() == 403, "{}", owner.code());
    fx.update(&user(1), TASKS, &task, json!({"budget": 5, "note": "y"}))
        .await
        .ok();
    // A PUT resets nothing that its caller could not have named.
    fx.replace(&user(1), TASKS, &task, json!({"title": "z", "team": null}))
        .await
        .0
        .ok();
    let kept = fx.one(&system(), TASKS, &task).await.ok();
    assert_eq!((&kept["boss"], &kept["budget"]), (&json!("b"), &json!(5)));
    let anonymous = fx
        .update(&anonymous(), TASKS, &task, json!({"boss": "y"}))
        .await;
    assert_eq!(anonymous.code(), "auth.required");
    let created = fx
        .create(&user(1), TASKS, json!({"title": "q", "boss": "y"}))
        .await;
    assert_eq!(
        (created.code(), created.errors()),
        ("access.field_forbidden", vec!["/boss forbidden".into()])
    );
});

const CREW: &str = r#"
## modules/crew/module.toml
[models.teams]
id = "string"
[models.teams.fields]
owner = { type = "relation", to = "auth.users" }
[models.teams.access]
read = "owner == auth.id"

[models.members]
id = "string"
[models.members.fields]
team = { type = "relation", to = "teams" }
rank = { type = "int", default = "1", check = "rank < 10" }
[models.members.access]
read   = "true"
create = "team.owner == auth.id"
update = "team.owner == auth.id"

[models.notes]
id = "string"
[models.notes.fields]
team = { type = "relation", to = "teams" }
[models.notes.access]
read   = "true"
create = "true"
update = "true"
"#;

// What is explained is what happens; and explaining writes nothing.
each_store!(explain_asks_what_a_write_asks, CREW, async |fx| {
    let who = &user(1);
    for (team, owner) in [("mine", 1), ("theirs", 2)] {
        let body = json!({"id": team, "owner": uid(owner)});
        fx.create(&system(), "crew.teams", body).await.ok();
    }
    for model in ["crew.members", "crew.notes"] {
        let body = json!({"id": "m", "team": "mine"});
        fx.create(&system(), model, body).await.ok();
    }
    for (model, body) in [
        ("crew.members", json!({"team": "mine"})),
        ("crew.members", json!({"team": "theirs"})),
        ("crew.members", json!({"team": "nobody"})),
        ("crew.members", json!({"team": "theirs", "rank": 11})),
        ("crew.members", json!({"team": "mine", "rank": 11})),
        ("crew.notes", json!({"team": "mine"})),
        ("crew.notes", json!({"team": "theirs"})),
    ] {
        let mut new = body.clone();
        new["id"] = json!("new");
        for (verb, change, body) in [
            (plan::access::Verb::Create, false, new.to_string()),
            (plan::access::Verb::Update, true, body.to_string()),
        ] {
            let about = match change {
                true => engine::About::Change("m", body.as_bytes()),
                false => engine::About::Body(body.as_bytes()),
            };
            let before = fx.changes().await.len();
            let id = fx.model(model).id;
            let told = fx.engine.explain(who, verb, id, about).await;
            let told = told.expect("an explanation");
            assert_eq!(fx.changes().await.len(), before, "nothing is written");
            let body: Json = serde_json::from_str(&body).expect("JSON");
            let done = match change {
                true => fx.update(who, model, "m", body.clone()).await,
                false => fx.create(who, model, body.clone()).await,
            };
            assert_eq!(
                told.allowed,
                Some(done.0.is_ok()),
                "{verb:?} {model} {body}: {:?} {:?}",
                told.note,
                done.0
            );
            if done.0.is_err() {
                assert!(told.note.is_some(), "{verb:?} {model} {body}");
            } else if !change {
                fx.delete(&system(), model, "new").await.done();
            }
        }
    }
});

// Over a relation, too, one sees on which values it was decided.
each_store!(
    explain_shows_what_decided_over_relations,
    CREW,
    async |fx| {
        for (team, owner) in [("mine", 1), ("theirs", 2)] {
            let body = json!({"id": team, "owner": uid(owner)});
            fx.create(&system(), "crew.teams", body).await.ok();
        }
        let body = json!({"id": "m", "team": "mine"});
        fx.create(&system(), "crew.members", body).await.ok();
        let id = fx.model("crew.members").id;
        let told = async |verb, about| {
            let told = fx.engine.explain(&user(2), verb, id, about).await;
            told.expect("an explanation")
        };
        let pair = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mine = [pair("team", "\"mine\""), pair("team.owner", &uid(1))];
        let theirs = [pair("team", "\"theirs\""), pair("team.owner", &uid(2))];
        let stored = told(plan::access::Verb::Update, engine::About::Record("m")).await;
        assert_eq!(
            (stored.allowed, &stored.values[..]),
            (Some(false), &mine[..])
        );
        let change = engine::About::Change("m", b"{\"team\":\"theirs\"}");
        let changed = told(plan::access::Verb::Update, change).await;
        assert_eq!(
            (changed.allowed, &changed.values[..]),
            (Some(false), &mine[..])
        );
        assert_eq!(changed.becomes, theirs);
        let body = engine::About::Body(b"{\"id\":\"n\",\"team\":\"theirs\"}");
        let created = told(plan::access::Verb::Create, body).await;
        assert_eq!(
            (created.allowed, &created.values[..]),
            (Some(true), &theirs[..])
        );
        // A record that is not there decides as null does.
        let body = engine::About::Body(b"{\"id\":\"n\",\"team\":\"nobody\"}");
        let nobody = told(plan::access::Verb::Create, body).await;
        let nothing = [pair("team", "\"nobody\""), pair("team.owner", "null")];
        assert_eq!(
            (nobody.allowed, &nobody.values[..]),
            (Some(false), &nothing[..])
        );
    }
);

const SIGNS: &str = r#"
## modules/blog/module.toml
[models.posts.fields]
author = { type = "relation", to = "auth.users", default = "auth.id" }
title = { type = "string" }
[models.posts.access]
read   = "true"
create = "auth.id != null && author == auth.id"
[models.papers.fields]
author = { type = "relation", to = "auth.users", default = "auth.id" }
title = { type = "string" }
[models.papers.access]
read   = "true"
create = "true"
[models.guests.fields]
author = { type = "relation", to = "auth.users", default = "auth.id", optional = true }
title = { type = "string" }
[models.guests.access]
read   = "true"
create = "true"
"#;

// Who forgot their token is told to sign in, and not to send somebody's id.
each_store!(
    who_left_out_what_signing_in_gives_is_told_to_sign_in,
    SIGNS,
    async |fx| {
        let (posts, papers, guests) = ("blog.posts", "blog.papers", "blog.guests");
        for (who, model, body, code) in [
            // A rule that asks for a caller.
            (anonymous(), posts, json!({"title": "x"}), "auth.required"),
            (
                anonymous(),
                posts,
                json!({"title": "x", "author": uid(1)}),
                "auth.required",
            ),
            (user(1), posts, json!({"zzz": 1}), "data.invalid"),
            (
                user(1),
                posts,
                json!({"title": "x", "author": uid(2)}),
                "access.forbidden",
            ),
            // A rule that asks for none: whatever else is wrong with it is not looked at.
            (anonymous(), papers, json!({"title": "x"}), "auth.required"),
            (anonymous(), papers, json!({"zzz": 1}), "auth.required"),
            (
                anonymous(),
                papers,
                json!({"title": "x", "author": null}),
                "data.invalid",
            ),
            (
                anonymous(),
                papers,
                json!({"title": "x", "author": 7}),
                "data.invalid",
            ),
            // Where it is not required, nothing is missing.
            (anonymous(), guests, json!({}), "data.invalid"),
        ] {
            assert_eq!(
                fx.create(&who, model, body.clone()).await.code(),
                code,
                "{body}"
            );
        }
        let refused = fx.create(&anonymous(), papers, json!({"title": "x"})).await;
        assert_eq!(
            refused.problem().detail,
            "Sign in to create records of blog.papers."
        );
        assert!(refused.problem().errors.is_empty());
        fx.create(&user(1), posts, json!({"title": "x"})).await.ok();
        fx.create(&anonymous(), guests, json!({"title": "x"}))
            .await
            .ok();
        let many = fx
            .create_many(&anonymous(), posts, json!([{"title": "x"}, {"title": "y"}]))
            .await;
        assert_eq!(many.code(), "auth.required");
    }
);
