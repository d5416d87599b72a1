//! References that lead nowhere, or where one may not look: all told at once, and no more than may be.

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const VISITS: &str = r#"
## modules/care/module.toml
[models.rooms.fields]
name = { type = "string" }
[models.rooms.access]
read = "true"
create = "true"

[models.doctors.fields]
name = { type = "string" }
[models.doctors.access]
read = "auth.id != null"
create = "true"

[models.visits.fields]
doctor = { type = "relation", to = "doctors" }
room   = { type = "relation", to = "rooms" }
other  = { type = "relation", to = "rooms", optional = true, inverse = "spares" }
guest  = { type = "relation", to = "auth.users", optional = true }
hour   = { type = "int", check = "hour < 24" }
[models.visits.access]
read = "true"
create = "true"
update = "true"
[[models.visits.indexes]]
fields = ["doctor", "hour"]
unique = true

# Which rule applies is for the store to say.
[models.followed.fields]
room  = { type = "relation", to = "rooms" }
by    = { type = "relation", to = "doctors" }
hour  = { type = "int", check = "hour < 24" }
[models.followed.access]
create = "by.name == 'Ada'"
"#;

each_store!(
    every_reference_that_leads_nowhere_is_told_at_once,
    VISITS,
    async |fx| {
        let who = &user(1);
        let made = fx.create(who, "care.rooms", json!({"name": "a"})).await;
        let room = id(&made.ok());
        let made = fx.create(who, "care.doctors", json!({"name": "Ada"})).await;
        let ada = id(&made.ok());
        let made = fx.create(who, "care.doctors", json!({"name": "Bo"})).await;
        let bo = id(&made.ok());
        let (gone, model) = (uid(77), "care.visits");
        let all = [
            "/doctor not_found",
            "/guest not_found",
            "/hour check",
            "/other not_found",
            "/room not_found",
        ];
        let bad = json!({"doctor": gone, "room": gone, "other": gone, "guest": gone, "hour": 30});
        let reply = fx.create(who, model, bad.clone()).await;
        assert_eq!(reply.errors(), all);
        let reply = fx.replace(who, model, &uid(50), bad.clone()).await;
        assert_eq!(reply.errors(), all);
        let good = json!({"doctor": ada, "room": room, "hour": 1});
        let visit = id(&fx.create(who, model, good.clone()).await.ok());
        let reply = fx.update(who, model, &visit, bad.clone()).await;
        assert_eq!(reply.errors(), all);
        let reply = fx.replace(who, model, &visit, bad).await;
        assert_eq!(reply.errors(), all);
        // Only what is wrong, be it told by a foreign key, by a question, or both.
        let none: &[&str] = &[];
        for (patch, wrong) in [
            (json!({"room": gone}), &["/room not_found"][..]),
            (json!({"guest": gone}), &["/guest not_found"]),
            (json!({"hour": 99}), &["/hour check"]),
            (
                json!({"room": gone, "guest": gone}),
                &["/guest not_found", "/room not_found"],
            ),
            (json!({"room": room, "hour": 99}), &["/hour check"]),
            (
                json!({"room": gone, "other": gone}),
                &["/other not_found", "/room not_found"],
            ),
            (json!({"room": room, "hour": 2}), none),
        ] {
            let reply = fx.update(who, model, &visit, patch.clone()).await;
            match wrong {
                [] => drop(reply.ok()),
                wrong => assert_eq!(reply.errors(), wrong, "{patch}"),
            }
        }
        // Types come before, and a rule, also one that follows relations, does too.
        let reply = fx
            .create(who, model, json!({"room": gone, "hour": "x"}))
            .await;
        assert_eq!(reply.errors(), ["/doctor required", "/hour type"]);
        let body = |by: &str| json!({"by": by, "room": gone, "hour": 30});
        let reply = fx.create(who, "care.followed", body(&ada)).await;
        assert_eq!(reply.errors(), ["/hour check", "/room not_found"]);
        let reply = fx.create(who, "care.followed", body(&bo)).await;
        assert_eq!(reply.code(), "access.forbidden");
    }
);

each_store!(
    values_unique_together_are_told_together,
    VISITS,
    async |fx| {
        let who = &user(1);
        let made = fx.create(who, "care.rooms", json!({"name": "a"})).await;
        let room = id(&made.ok());
        let made = fx.create(who, "care.doctors", json!({"name": "Ada"})).await;
        let ada = id(&made.ok());
        let visit = |hour: u32| json!({"doctor": ada, "room": room, "hour": hour});
        fx.create(who, "care.visits", visit(1)).await.ok();
        let other = id(&fx.create(who, "care.visits", visit(2)).await.ok());
        for reply in [
            fx.create(who, "care.visits", visit(1)).await,
            fx.update(who, "care.visits", &other, json!({"hour": 1}))
                .await,
        ] {
            assert_eq!(reply.code(), "data.conflict");
            assert_eq!(reply.errors(), ["/doctor duplicate", "/hour duplicate"]);
            let problem = reply.problem();
            assert_eq!(
                problem.detail,
                "A record with the same doctor and hour exists."
            );
            assert!(problem.errors.iter().all(|e| e.detail == problem.detail));
        }
    }
);

const LENT: &str = r#"
## modules/lib/module.toml
[models.books.fields]
name = { type = "string" }
[models.books.access]
read = "true"
create = "true"
delete = "true"

[models.notes.fields]
book = { type = "relation", to = "books" }
[models.notes.access]
read = "true"
create = "true"

[models.loans.fields]
book = { type = "relation", to = "books" }
by   = { type = "relation", to = "auth.users", default = "auth.id" }
[models.loans.access]
read = "by == auth.id"
create = "true"

[models.thefts.fields]
book = { type = "relation", to = "books" }

[models.marks.fields]
book = { type = "relation", to = "books", read = "auth.roles.exists(r, r == 'marker')" }
[models.marks.access]
read = "true"
create = "true"
"#;

each_store!(
    a_refused_delete_names_the_models_of_what_is_readable,
    LENT,
    async |fx| {
        let make = async |who: &spec::Principal, model: &str, body: Json| {
            fx.create(who, model, body).await.ok();
        };
        let anew = async || {
            id(&fx
                .create(&system(), "lib.books", json!({"name": "b"}))
                .await
                .ok())
        };
        let refused = async |who: &spec::Principal, book: &str| {
            let reply = fx.delete(who, "lib.books", book).await;
            assert_eq!(reply.code(), "data.restricted");
            reply.problem().detail.clone()
        };
        let other = "Other records refer to this one, so it was not deleted.";
        let notes = "Records of lib.notes refer to this one, so it was not deleted.";
        let both = "Records of lib.notes and lib.loans refer to this one, so it was not deleted.";
        for hidden in ["lib.thefts", "lib.loans", "lib.marks"] {
            let book = anew().await;
            let by = json!({"book": book, "by": uid(1)});
            let body = if hidden == "lib.loans" {
                by
            } else {
                json!({"book": book})
            };
            make(&system(), hidden, body).await;
            assert_eq!(refused(&user(2), &book).await, other, "{hidden}");
            make(&system(), "lib.notes", json!({"book": book})).await;
            assert_eq!(refused(&user(2), &book).await, notes, "{hidden}");
            if hidden == "lib.loans" {
                assert_eq!(refused(&user(1), &book).await, both);
            }
        }
    }
);

const DEFAULTS: &str = r#"
## modules/lib/module.toml
[models.kinds]
id = "string"
[models.kinds.access]
read = "true"

[models.books]
id = "string"
[models.books.fields]
kind  = { type = "relation", to = "kinds", default = "'plain'" }
other = { type = "relation", to = "kinds", optional = true, inverse = "others" }
[models.books.access]
read = "true"
create = "true"
update = "true"
"#;

// Nobody else changes anything: trying again would never help.
each_store!(
    a_default_that_leads_nowhere_is_told_as_such,
    DEFAULTS,
    async |fx| {
        let who = &user(1);
        let wrong = ["/kind not_found"];
        let reply = fx.create(who, "lib.books", json!({"id": "a"})).await;
        assert_eq!(reply.errors(), wrong);
        let reply = fx.replace(who, "lib.books", "a", json!({})).await;
        assert_eq!(reply.errors(), wrong, "PUT of a new one");
        let rare = json!({"id": "rare"});
        fx.create(&system(), "lib.kinds", rare).await.ok();
        let rare = json!({"id": "a", "kind": "rare"});
        fx.create(who, "lib.books", rare).await.ok();
        let reply = fx.replace(who, "lib.books", "a", json!({})).await;
        assert_eq!(reply.errors(), wrong, "PUT onto one that is there");
        let reply = fx
            .replace(who, "lib.books", "a", json!({"other": "x"}))
            .await;
        assert_eq!(reply.errors(), ["/kind not_found", "/other not_found"]);
        assert_eq!(fx.one(who, "lib.books", "a").await.ok()["kind"], "rare");
    }
);
