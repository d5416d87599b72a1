//! Records of tables that were there before, through the one door: read, written, and kept from whom they are not for.

use super::{CHINOOK, on};
use mainstay_tests::*;
use plan::operation::PlainOp;
use serde_json::{Value as Json, json};

/// Who may do what with some of the shop's tables; the rest stays closed.
const RULES: &str = r#"
[models.artist.access]
read = "true"

[models.genre.access]
read = "true"

[models.media_type.access]
read = "true"

[models.album.access]
read = "artist_id.name != 'Accept'"

[models.track.access]
read = "auth.id != null"
create = "auth.id != null"
update = "album_id.title != 'Big Ones'"
delete = "auth.roles.exists(r, r == 'staff')"

[models.playlist.access]
read = "owner == auth.id"
create = "owner == auth.id"
update = "owner == auth.id"
delete = "owner == auth.id"

[models.customer.access]
read = "auth.id != null"

[models.invoice.access]
read = "auth.roles.exists(r, r == 'staff')"
"#;

fn shop(test: impl AsyncFnOnce(&Fixture, &tokio_postgres::Client)) {
    on(CHINOOK, async |old| {
        let mut draft = old.draft(&["public"]).await;
        let (_, module) = &mut draft.files[1];
        // A field that only staff may see.
        let whole =
            "email          = { type = \"string\", max = 60, column = \"Email\", unique = true }";
        assert!(module.contains(whole), "{module}");
        let hidden = whole.replace(
            " }",
            ", disclose = true, read = \"auth.roles.exists(r, r == 'staff')\" }",
        );
        *module = module.replace(whole, &hidden);
        let before = old.catalogue(&["public"]).await;
        let (fx, client) = old.serve(&draft, RULES).await;
        test(&fx, &client).await;
        let catalogue = match &*fx.store {
            store::Store::Postgres(store) => store.catalogue(&["public".to_owned()]).await,
            store::Store::Sqlite(_) => panic!("PostgreSQL"),
        };
        // Whatever was done with the records, the tables are as they were.
        assert_eq!(before.relations, catalogue.expect("a catalogue").relations);
        let others = fx.changes().await;
        assert!(
            others.iter().all(|change| change.module == "auth"),
            "{others:?}"
        );
        fx.verify().await;
        drop(client);
        fx.remove().await;
    });
}

fn names(records: &[Json], field: &str) -> Vec<String> {
    records
        .iter()
        .map(|r| r[field].as_str().unwrap_or("null").to_owned())
        .collect()
}

#[test]
fn records_are_read_under_the_models_names() {
    shop(async |fx, _| {
        let one = fx.one(&user(1), "shop.track", "3").await.ok();
        assert_eq!(
            one,
            json!({
                "id": 3, "name": "Track 3", "album_id": 4, "media_type_id": 2, "genre_id": 2, "composer": null,
                "milliseconds": 3500, "bytes": 9_007_199_254_740_993_i64, "unit_price": "0.99", "quality": "high",
                "tags": null, "length": "00:00:03", "seconds": 3,
            })
        );
        let even = fx.one(&user(1), "shop.track", "4").await.ok();
        assert_eq!(even["tags"], json!(["a", "b 4"]));
        // Times without a zone are UTC.
        let invoice = fx
            .one(&with_roles(1, &["staff"]), "shop.invoice", "2")
            .await
            .ok();
        assert_eq!(invoice["invoice_date"], "2009-01-31T23:59:59.500000Z");
        // In code points, whatever the column's collation.
        let sorted = fx
            .list(&anonymous(), "shop.artist", Query::new().sort("name"))
            .await
            .data();
        let expected = ["null", "AC/DC", "Accept", "Zappa", "aerosmith", "Ärzte"];
        assert_eq!(names(&sorted, "name"), expected);
        for (filter, found) in [
            ("name < 'Z'", &["AC/DC", "Accept"][..]),
            ("name.startsWith('A')", &["AC/DC", "Accept"]),
            ("name >= 'a'", &["aerosmith", "Ärzte"]),
            ("name == null", &["null"]),
            ("size(name) == 5", &["AC/DC", "Zappa", "Ärzte"]),
            ("album.exists(a, a.title.startsWith('Big'))", &["aerosmith"]),
        ] {
            let query = Query::new().filter(filter).sort("name");
            let list = fx.list(&admin(), "shop.artist", query).await.data();
            assert_eq!(names(&list, "name"), found, "{filter}");
        }
        for (filter, count) in [
            ("quality == 'high'", 30),
            ("bytes > 5 && seconds <= 10", 10),
            ("genre_id.name == 'Jazz'", 30),
            ("unit_price == 0.99", 60),
            ("length == '00:00:07'", 1),
            ("'a' in tags", 30),
            ("id in [1, 2, 99]", 2),
        ] {
            let query = Query::new().filter(filter).count();
            let page = fx.list(&user(1), "shop.track", query).await.ok();
            assert_eq!(page["count"], count, "{filter}");
        }
    });
}

#[test]
fn a_walk_by_cursor_is_the_list() {
    shop(async |fx, _| {
        for sort in [
            "name",
            "-composer,name",
            "seconds",
            "-quality,-id",
            "album_id,name",
            "id",
        ] {
            let all = Query::new().sort(sort).limit(200);
            let all = fx.list(&user(1), "shop.track", all).await.data();
            assert_eq!(all.len(), 60);
            let (mut walked, mut cursor) = (Vec::new(), None::<String>);
            loop {
                let mut query = Query::new().sort(sort).limit(7);
                if let Some(cursor) = &cursor {
                    query = query.cursor(cursor);
                }
                let page = fx.list(&user(1), "shop.track", query).await.ok();
                walked.extend(page["data"].as_array().unwrap().clone());
                match page["next_cursor"].as_str() {
                    Some(next) => cursor = Some(next.to_owned()),
                    None => break,
                }
            }
            assert_eq!(walked, all, "{sort}");
        }
    });
}

#[test]
fn relations_and_aggregates() {
    shop(async |fx, _| {
        let query = Query::new()
            .expand("artist_id,track")
            .sort("title")
            .limit(1);
        let albums = fx.list(&user(1), "shop.album", query).await.data();
        assert_eq!(albums[0]["title"], "Big Ones");
        assert_eq!(albums[0]["artist_id"]["name"], "aerosmith");
        assert_eq!(
            albums[0]["track"]["data"].as_array().map(Vec::len),
            Some(15)
        );
        let grouped = fx
            .aggregate(
                &user(1),
                "shop.track",
                "group_by=quality&count=*&sum=unit_price&min=name&max=seconds&sort=quality",
            )
            .await
            .data();
        assert_eq!(
            grouped[0],
            json!({"quality": "high", "count": 30, "sum_unit_price": "29.70", "min_name": "Track 1", "max_seconds": 59})
        );
        let staff = with_roles(1, &["staff"]);
        let months = fx
            .aggregate(
                &staff,
                "shop.invoice",
                "group_by=invoice_date.month&sum=total&sort=invoice_date.month",
            )
            .await
            .data();
        assert_eq!(
            months,
            [
                json!({"invoice_date.month": "2009-01", "sum_total": "5.94"}),
                json!({"invoice_date.month": "2009-02", "sum_total": "0.99"}),
            ]
        );
    });
}

#[test]
fn what_the_database_makes_of_a_record_is_answered() {
    shop(async |fx, client| {
        let me = user(1);
        let body = json!({"name": "  tidy me  ", "owner": uid(1)});
        let made = fx.create(&me, "shop.playlist", body).await;
        let etag = made.etag();
        let made = made.ok();
        assert_eq!((&made["id"], &made["name"]), (&json!(4), &json!("tidy me")));
        let read = fx.one(&me, "shop.playlist", "4").await;
        assert_eq!(read.etag(), etag);

        let track = json!({
            "name": "New", "media_type_id": 1, "milliseconds": 90_000, "tags": ["x", "y \"z\", {"], "length": "1 day 2:03",
            "quality": "high", "album_id": 1,
        });
        let made = fx.create(&me, "shop.track", track).await.ok();
        assert_eq!(made["seconds"], 90);
        assert_eq!(made["unit_price"], "0.99");
        assert_eq!(made["tags"], json!(["x", "y \"z\", {"]));
        assert_eq!(made["length"], "1 day 02:03:00");
        let row = client
            .query_one(
                "SELECT \"Quality\"::text, \"Tags\"[2] FROM \"Track\" WHERE \"TrackId\" = 61",
                &[],
            )
            .await
            .expect("the row");
        assert_eq!(row.get::<_, &str>(0), "high");
        assert_eq!(row.get::<_, &str>(1), "y \"z\", {");
        let patch = json!({"tags": null, "length": null, "quality": "low", "milliseconds": 1000});
        let patched = fx.update(&me, "shop.track", "61", patch).await.ok();
        assert_eq!(
            (
                &patched["tags"],
                &patched["length"],
                &patched["quality"],
                &patched["seconds"]
            ),
            (&Json::Null, &Json::Null, &json!("low"), &json!(1))
        );
        let empty = fx
            .update(&me, "shop.track", "61", json!({"tags": []}))
            .await
            .ok();
        assert_eq!(empty["tags"], json!([]));
        // GET, edit, PUT: what the database computes comes back as it was.
        let mut whole = fx.one(&me, "shop.track", "61").await.ok();
        whole["name"] = json!("Renamed");
        let put = fx.replace(&me, "shop.track", "61", whole).await.ok();
        assert_eq!(
            (&put["name"], &put["seconds"]),
            (&json!("Renamed"), &json!(1))
        );
    });
}

#[test]
fn writes_of_others_are_noticed() {
    shop(async |fx, client| {
        let me = user(1);
        let etag = fx.one(&me, "shop.playlist", "1").await.etag();
        let again = fx.one(&me, "shop.playlist", "1").await.etag();
        assert_eq!(etag, again);
        client
            .batch_execute("UPDATE \"Playlist\" SET \"Name\" = 'theirs' WHERE \"PlaylistId\" = 1")
            .await
            .expect("a write beside Mainstay");
        let stale = fx
            .update_if(
                &me,
                "shop.playlist",
                "1",
                json!({"name": "mine"}),
                Some(&etag),
            )
            .await;
        assert_eq!(stale.code(), "data.precondition_failed");
        let fresh = fx.one(&me, "shop.playlist", "1").await.etag();
        assert_ne!(etag, fresh);
        let written = fx
            .update_if(
                &me,
                "shop.playlist",
                "1",
                json!({"name": "mine"}),
                Some(&fresh),
            )
            .await;
        assert_ne!(written.etag(), fresh);
        // A row that is locked is waited for, decided again, and nobody's write is lost.
        client
            .batch_execute("BEGIN; UPDATE \"Playlist\" SET owner = NULL WHERE \"PlaylistId\" = 1")
            .await
            .expect("a transaction");
        let (reply, _) = tokio::join!(
            fx.update(&me, "shop.playlist", "1", json!({"name": "late"})),
            async {
                tokio::time::sleep(std::time::Duration::from_millis(120)).await;
                client.batch_execute("COMMIT").await.expect("a commit");
            }
        );
        assert_eq!(reply.code(), "access.not_found", "it is nobody's by now");
        let row = client
            .query_one(
                "SELECT \"Name\" FROM \"Playlist\" WHERE \"PlaylistId\" = 1",
                &[],
            )
            .await
            .expect("the row");
        assert_eq!(row.get::<_, &str>(0), "mine");
        // The same with a rule that follows a relation, which is asked in the statement itself.
        client
            .batch_execute("BEGIN; UPDATE \"Track\" SET \"AlbumId\" = 3 WHERE \"TrackId\" = 3")
            .await
            .expect("a transaction");
        let (reply, _) = tokio::join!(
            fx.update(&me, "shop.track", "3", json!({"name": "late"})),
            async {
                tokio::time::sleep(std::time::Duration::from_millis(120)).await;
                client.batch_execute("COMMIT").await.expect("a commit");
            }
        );
        assert_eq!(reply.code(), "access.forbidden");
    });
}

#[test]
fn what_the_database_refuses_is_no_failure_of_the_server() {
    shop(async |fx, _| {
        let me = user(1);
        let good = json!({"name": "x", "media_type_id": 1, "milliseconds": 5, "album_id": 1});
        let with = |field: &str, value: Json| {
            let mut body = good.clone();
            body[field] = value;
            body
        };
        for (body, errors) in [
            (with("milliseconds", json!(0)), &["/milliseconds check"][..]),
            (
                with("milliseconds", json!(2_147_483_648_i64)),
                &["/milliseconds too_large"],
            ),
            (with("quality", json!("medium")), &["/quality not_in"]),
            (with("length", json!("no interval")), &[" refused"]),
            (
                with("length", json!("'; DROP TABLE \"Track\"; --")),
                &[" refused"],
            ),
            (with("seconds", json!(5)), &["/seconds read_only"]),
            (
                with("media_type_id", json!(99)),
                &["/media_type_id not_found"],
            ),
            (with("name", json!("SECRET")), &[" refused"]),
            (with("unit_price", json!("123456789.00")), &[" refused"]),
            (with("name", Json::Null), &["/name required"]),
            (with("unit_price", Json::Null), &["/unit_price required"]),
            (with("version", json!(5)), &["/version read_only"]),
            (with("TrackId", json!(5)), &["/TrackId unknown"]),
        ] {
            let reply = fx.create(&me, "shop.track", body.clone()).await;
            assert_eq!(reply.errors(), errors, "{body}");
            // Which constraint, which type, which column: nobody's business.
            let said = format!("{:?}", reply.problem().errors) + &reply.problem().detail;
            for secret in [
                "Track_loud",
                "interval",
                "22007",
                "23514",
                "Milliseconds",
                "Composer",
            ] {
                assert!(!said.contains(secret), "{said}");
            }
        }
        let trigger = json!({"name": "forbidden", "owner": uid(1)});
        let reply = fx.create(&me, "shop.playlist", trigger).await;
        assert_eq!(reply.errors(), [" refused"]);
        assert!(!reply.problem().detail.contains("trigger"));
        let reply = fx
            .update(&me, "shop.playlist", "1", json!({"name": "forbidden"}))
            .await;
        assert_eq!(reply.errors(), [" refused"]);
        // A reference of a table that is not served keeps its target.
        let reply = fx
            .delete(&with_roles(1, &["staff"]), "shop.track", "1")
            .await;
        assert_eq!(reply.code(), "data.restricted");
        let reply = fx
            .create(&admin(), "shop.genre", json!({"name": "Rock"}))
            .await;
        assert_eq!(reply.code(), "data.conflict");
        assert_eq!(reply.errors(), ["/name duplicate"]);
    });
}

#[test]
fn a_delete_takes_along_what_the_database_would() {
    shop(async |fx, client| {
        let count = async |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM \"{table}\"");
            client.query_one(&sql, &[]).await.expect("a count").get(0)
        };
        // Invoice lines refer to two of the tracks.
        let reply = fx.delete(&admin(), "shop.album", "2").await;
        assert_eq!(reply.code(), "data.restricted");
        client
            .batch_execute("DELETE FROM \"PlaylistTrack\"; DELETE FROM \"InvoiceLine\"")
            .await
            .expect("to delete");
        fx.delete(&admin(), "shop.album", "2").await.done();
        assert_eq!((count("Album").await, count("Track").await), (3, 45));
        fx.delete(&admin(), "shop.employee", "1").await.done();
        let nancy = fx.one(&admin(), "shop.employee", "2").await.ok();
        assert_eq!(nancy["reports_to"], Json::Null);
        // Rows of a table that no model has go as the database says.
        client
            .batch_execute("INSERT INTO \"PlaylistTrack\" VALUES (1, 3)")
            .await
            .expect("a row");
        fx.delete(&user(1), "shop.playlist", "1").await.done();
        assert_eq!(count("PlaylistTrack").await, 0);
    });
}

#[test]
fn keys_that_are_given_do_not_get_in_the_way_of_those_drawn() {
    shop(async |fx, _| {
        fx.import(
            "shop.genre",
            &[
                json!({"id": 3, "name": "Given"}),
                json!({"id": 10, "name": "Far"}),
            ],
        )
        .await;
        let made = fx
            .create(&admin(), "shop.genre", json!({"name": "Drawn"}))
            .await
            .ok();
        assert_eq!(made["id"], 11);
    });
}

/// What nobody opened is reached by nobody, and what some may see is seen by no others: by no parameter, no answer
/// and no error.
#[test]
fn rules_hold_for_tables_of_others_as_for_ones_own() {
    shop(async |fx, _| {
        for model in fx.app.models.iter().filter(|m| m.existing.is_some()) {
            let name = model.full_name();
            if ["shop.artist", "shop.album", "shop.genre", "shop.media_type"].contains(&&*name) {
                continue;
            }
            let who = anonymous();
            assert!(fx.list(&who, &name, Query::new().count()).await.ok()["data"] == json!([]));
            assert_eq!(fx.one(&who, &name, "1").await.code(), "access.not_found");
            let reply = fx.update(&who, &name, "1", json!({})).await;
            assert_eq!(reply.code(), "access.not_found");
            assert_eq!(fx.delete(&who, &name, "1").await.code(), "access.not_found");
            let counted = fx.aggregate(&who, &name, "count=*").await.data();
            assert!(counted.is_empty(), "{name}: {counted:?}");
        }
        // A record that a rule hides is one that is not there, whichever way it is asked for.
        let hidden = fx.one(&user(1), "shop.album", "2").await;
        let absent = fx.one(&user(1), "shop.album", "999").await;
        assert_eq!(
            format!("{:?}", hidden.problem()),
            format!("{:?}", absent.problem())
        );
        let albums = fx
            .list(&anonymous(), "shop.album", Query::new())
            .await
            .data();
        assert_eq!(albums.len(), 3);
        let expanded = Query::new().filter("id == 1").expand("album_id");
        let track = fx.list(&user(1), "shop.track", expanded).await.data();
        assert_eq!(track[0]["album_id"], Json::Null);
        let filtered = Query::new().filter("album_id.title == 'Balls to the Wall'");
        assert!(
            fx.list(&user(1), "shop.track", filtered)
                .await
                .data()
                .is_empty()
        );
        let body = json!({"name": "x", "media_type_id": 1, "milliseconds": 5, "album_id": 2});
        let reply = fx.create(&user(1), "shop.track", body).await;
        assert_eq!(reply.errors(), ["/album_id not_found"]);

        // What is wrong with a write is told to who may do it alone, also where the rule follows a relation.
        for (track, code) in [("2", "access.forbidden"), ("3", "data.invalid")] {
            let reply = fx
                .update(&user(1), "shop.track", track, json!({"milliseconds": 0}))
                .await;
            assert_eq!(reply.code(), code, "{track}");
        }

        // A field that only staff may see is no oracle.
        let (me, staff) = (user(1), with_roles(2, &["staff"]));
        let seen = fx.one(&staff, "shop.customer", "1").await.ok();
        assert_eq!(seen["email"], "luis@example.com");
        assert!(
            fx.one(&me, "shop.customer", "1")
                .await
                .ok()
                .get("email")
                .is_none()
        );
        for query in [
            Query::new().filter("email.startsWith('l')"),
            Query::new().plain("email", PlainOp::Eq, &["luis@example.com"]),
            Query::new().sort("email"),
            Query::new().fields("email"),
        ] {
            let reply = fx.list(&me, "shop.customer", query).await;
            assert!(reply.code().starts_with("request."), "{}", reply.code());
        }
        for query in ["group_by=email&count=*", "max=email", "count=email"] {
            let reply = fx.aggregate(&me, "shop.customer", query).await;
            assert!(
                reply.code().starts_with("request."),
                "{query}: {}",
                reply.code()
            );
        }

        // Owners keep what is theirs, and give nothing away.
        let theirs = fx
            .list(&user(1), "shop.playlist", Query::new())
            .await
            .data();
        assert_eq!(names(&theirs, "name"), ["Mine"]);
        let body = json!({"name": "x", "owner": uid(2)});
        assert_eq!(
            fx.create(&user(1), "shop.playlist", body).await.code(),
            "access.forbidden"
        );
        let away = fx
            .update(&user(1), "shop.playlist", "1", json!({"owner": uid(2)}))
            .await;
        assert_eq!(away.code(), "access.forbidden");
        let stolen = fx
            .update(&user(1), "shop.playlist", "2", json!({"owner": uid(1)}))
            .await;
        assert_eq!(stolen.code(), "access.not_found");
        assert_eq!(
            fx.delete(&user(1), "shop.playlist", "3").await.code(),
            "access.not_found"
        );
        assert_eq!(
            fx.delete(&user(1), "shop.track", "60").await.code(),
            "access.forbidden"
        );
    });
}

#[test]
fn many_records_are_written_as_one_is() {
    shop(async |fx, client| {
        let count = async |table: &str| -> i64 {
            let sql = format!("SELECT count(*) FROM \"{table}\"");
            client.query_one(&sql, &[]).await.expect("a count").get(0)
        };
        let me = user(1);
        // An array: keys are assigned, and each record gets the defaults of what it leaves out.
        let three = json!([
            {"name": "One", "media_type_id": 1, "milliseconds": 2000, "unit_price": "1.50", "tags": ["t"]},
            {"name": "Two", "media_type_id": 2, "milliseconds": 3000},
            {"name": "Three", "media_type_id": 1, "milliseconds": 4000, "length": "00:04:00"},
        ]);
        let made = fx.create_many(&me, "shop.track", three).await.data();
        let said = |field: &str| made.iter().map(|r| r[field].clone()).collect::<Vec<_>>();
        assert_eq!(said("id"), [61, 62, 63]);
        assert_eq!(said("unit_price"), ["1.50", "0.99", "0.99"]);
        assert_eq!(said("seconds"), [2, 3, 4]);
        // All or none, and what the database refuses says where it was.
        let bad = json!([
            {"name": "Good", "media_type_id": 1, "milliseconds": 2000},
            {"name": "Bad", "media_type_id": 1, "milliseconds": 2000, "length": "never"},
        ]);
        let reply = fx.create_many(&me, "shop.track", bad).await;
        assert_eq!(reply.code(), "data.invalid");
        assert!(!format!("{:?}", reply.problem().errors).contains("interval"));
        let owned = json!([{"name": "x", "owner": uid(1)}, {"name": "y", "owner": uid(2)}]);
        let reply = fx.create_many(&me, "shop.playlist", owned).await;
        assert_eq!(reply.code(), "access.forbidden");
        assert_eq!((count("Track").await, count("Playlist").await), (63, 3));

        // A record with those that refer to it.
        let nested = json!({"total": "9.00", "customer_id": 1, "invoice_line": [
            {"track_id": 61, "unit_price": "1.50", "quantity": 2},
            {"track_id": 62, "unit_price": "0.99", "quantity": 1},
        ]});
        let invoice = fx.create(&admin(), "shop.invoice", nested).await.ok();
        let lines = Query::new().plain("invoice_id", PlainOp::Eq, &[&id(&invoice)]);
        assert_eq!(
            fx.list(&admin(), "shop.invoice_line", lines)
                .await
                .data()
                .len(),
            2
        );

        // By filter, under the rules of each record.
        let some = || Query::new().filter("name in ['One', 'Two']");
        let patch = json!({"composer": "Somebody"});
        let big_ones = Query::new().filter("album_id == 3");
        let reply = fx
            .update_many(&me, "shop.track", big_ones, patch.clone())
            .await;
        assert_eq!(reply.code(), "access.forbidden");
        let changed = fx
            .update_many(&admin(), "shop.track", some(), patch)
            .await
            .ok();
        assert_eq!(changed["count"], 2, "{changed}");
        let reply = fx.delete_many(&me, "shop.track", some()).await;
        assert_eq!(reply.code(), "access.forbidden");
        let mine = Query::new().filter("name != 'Theirs'");
        let gone = fx.delete_many(&me, "shop.playlist", mine).await.ok();
        assert_eq!(gone["count"], 1, "{gone}");
        assert_eq!(count("Playlist").await, 2);

        // By a unique key: made, then changed, and never somebody else's.
        let genre = json!({"name": "Polka"});
        let made = fx
            .upsert(&admin(), "shop.genre", "name", genre.clone())
            .await
            .ok();
        let again = fx.upsert(&admin(), "shop.genre", "name", genre).await.ok();
        assert_eq!(made, again);

        // A batch: references between its items, all or none, one record twice.
        let batch = json!([
            {"op": "create", "name": "a", "model": "shop.artist", "body": {"name": "New"}},
            {"op": "create", "name": "b", "model": "shop.album", "body": {"title": "Debut", "artist_id": {"$ref": "a"}}},
            {"op": "update", "model": "shop.album", "id": {"$ref": "b"}, "body": {"title": "Second"}},
            {"op": "update", "model": "shop.album", "id": {"$ref": "b"}, "body": {"title": "Third"}},
            {"op": "delete", "model": "shop.album", "id": "4"},
        ]);
        let before = count("Album").await;
        fx.batch(&admin(), batch.clone()).await.ok();
        let third = Query::new().filter("title == 'Third' && artist_id.name == 'New'");
        assert_eq!(fx.list(&admin(), "shop.album", third).await.data().len(), 1);
        let mut bad = batch;
        bad[4] = json!({"op": "delete", "model": "shop.artist", "id": "1"});
        assert_eq!(fx.batch(&admin(), bad).await.code(), "data.restricted");
        assert_eq!(count("Album").await, before);
        assert_eq!(
            fx.batch(
                &user(1),
                json!([
                    {"op": "create", "model": "shop.artist", "body": {"name": "Mine"}},
                ])
            )
            .await
            .code(),
            "access.forbidden"
        );
    });
}

/// Reads go by the table's own indexes: the view that they go through is none to PostgreSQL.
#[test]
fn the_tables_indexes_serve() {
    shop(async |fx, client| {
        client
            .batch_execute("SET enable_seqscan = off; SET plan_cache_mode = force_generic_plan")
            .await
            .expect("settings");
        let who = admin();
        let caller = plan::Caller {
            principal: &who,
            now: 0,
        };
        let planner = plan::read::Planner {
            app: &fx.app,
            dialect: spec::Dialect::Postgres,
            caller,
        };
        let resolver = plan::resolve::Resolver {
            app: &fx.app,
            caller,
            limits: &fx.app.settings.limits,
        };
        let model = fx.model("shop.track");
        let want = resolver.want(model, &Default::default()).expect("a select");
        let one = planner
            .one(&want, spec::Value::Int(5))
            .expect("a plan")
            .expect("SQL");
        let filter = |cel: &str| {
            let filter = resolver.filter(model, Some(cel), &[]).expect("a filter");
            let statement = planner.count(model, filter.as_ref(), None).expect("a plan");
            let statement = statement.expect("SQL");
            (statement.text, statement.params.len())
        };
        let texts = [
            ((one.text, one.params.len()), "Track_pkey"),
            (filter("name == 'Track 7'"), "Track_Name"),
            (filter("album_id == 1"), "Track_AlbumId"),
            (filter("id == 3 && quality == 'low'"), "Track_pkey"),
        ];
        for (at, ((text, params), index)) in texts.iter().enumerate() {
            client
                .batch_execute(&format!("PREPARE q{at} AS {text}"))
                .await
                .expect("to prepare");
            let arguments = vec!["NULL"; *params].join(", ");
            let rows = client
                .query(&format!("EXPLAIN EXECUTE q{at}({arguments})"), &[])
                .await
                .expect("a plan");
            let plan: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let plan = plan.join("\n");
            assert!(
                plan.contains(index) && !plan.contains("Subquery"),
                "{text}\n{plan}"
            );
        }
    });
}
