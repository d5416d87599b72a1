//! Values that PostgreSQL holds and no type of ours does: shown as the nearest, and left as they are.

use super::on;
use mainstay_tests::*;
use plan::operation::PlainOp;
use serde_json::{Value as Json, json};

/// Rows 1–12; the field `f` of each model holds what is odd, smallest first.
const ODD: &str = r#"
CREATE TABLE loose  (id int PRIMARY KEY, f numeric, note varchar(99));
CREATE TABLE exact  (id int PRIMARY KEY, f numeric(8, 2), note varchar(99));
CREATE TABLE wide   (id int PRIMARY KEY, f numeric(30, 4), note varchar(99));
CREATE TABLE long   (id int PRIMARY KEY, f numeric(38, 18), note varchar(99));
CREATE TABLE floats (id int PRIMARY KEY, f double precision, note varchar(99));
CREATE TABLE small  (id int PRIMARY KEY, f real, note varchar(99));
CREATE TABLE moment (id int PRIMARY KEY, f timestamptz, note varchar(99));
CREATE TABLE local  (id int PRIMARY KEY, f timestamp, note varchar(99));
CREATE TABLE day    (id int PRIMARY KEY, f date, note varchar(99));
INSERT INTO loose VALUES (1, '-Infinity'), (2, -1e40), (3, -999999999999.9999996), (4, 0.12345649), (5, 0.12345651),
  (6, 0.1234565), (7, 0.123456502), (8, 5), (9, 1e12), (10, 1e40), (11, 'Infinity'), (12, 'NaN'), (13, NULL);
INSERT INTO exact SELECT n, n FROM generate_series(1, 10) n;
INSERT INTO exact VALUES (11, 'NaN'), (12, 'NaN'), (13, NULL);
INSERT INTO wide SELECT n, n * 1e25 FROM generate_series(-5, -1) n;
INSERT INTO wide SELECT n + 100, n * 1e25 FROM generate_series(1, 5) n;
INSERT INTO wide VALUES (50, 12345678901234.5678), (200, 'NaN'), (201, NULL);
INSERT INTO long VALUES (1, 12345678901234567890.123456789012345678), (2, 'NaN');
INSERT INTO floats VALUES (1, '-Infinity'), (2, '-Infinity'), (3, -1), (4, 0), (5, 1), (6, 1e300), (7, 'Infinity'),
  (8, 'Infinity'), (9, 'NaN'), (10, 'NaN'), (11, 'NaN'), (12, NULL);
INSERT INTO small SELECT id, CASE WHEN id = 6 THEN 1.1 ELSE f END FROM floats;
INSERT INTO moment VALUES (1, '-infinity'), (2, '-infinity'), (3, '4713-01-01 BC'), (4, '0044-03-15 BC'),
  (5, '0001-01-01T00:00:00Z'), (6, '2024-02-29T00:00:00Z'), (7, '9999-12-31T23:59:59.999999Z'), (8, '10000-01-01'),
  (9, '294276-12-31T23:59:59.999999Z'), (10, 'infinity'), (11, 'infinity'), (12, NULL);
INSERT INTO local SELECT id, f AT TIME ZONE 'UTC' FROM moment;
INSERT INTO day SELECT id, (f AT TIME ZONE 'UTC')::date FROM moment;
UPDATE day SET f = '5874897-12-31' WHERE id = 9;
"#;

fn odd(test: impl AsyncFnOnce(&Fixture, &tokio_postgres::Client)) {
    on(ODD, async |old| {
        let draft = old.draft(&["public"]).await;
        let (fx, client) = old.serve(&draft, "").await;
        test(&fx, &client).await;
        drop(client);
        fx.remove().await;
    });
}

const MODELS: [&str; 9] = [
    "shop.loose",
    "shop.exact",
    "shop.wide",
    "shop.long",
    "shop.floats",
    "shop.small",
    "shop.moment",
    "shop.local",
    "shop.day",
];

async fn shown(fx: &Fixture, model: &str) -> Vec<Json> {
    let query = Query::new().sort("id").limit(100);
    let list = fx.list(&admin(), model, query).await.data();
    list.iter().map(|record| record["f"].clone()).collect()
}

#[test]
fn the_nearest_value_is_shown() {
    odd(async |fx, _| {
        let loose = [
            "-999999999999.999999",
            "-999999999999.999999",
            "-999999999999.999999",
            "0.123456",
            "0.123457",
            "0.123457",
            "0.123457",
            "5.000000",
            "999999999999.999999",
            "999999999999.999999",
            "999999999999.999999",
            "999999999999.999999",
        ];
        assert_eq!(shown(fx, "shop.loose").await[..12], loose);
        let exact = shown(fx, "shop.exact").await;
        assert_eq!(
            exact[9..],
            [
                json!("10.00"),
                json!("9999999999999999.99"),
                json!("9999999999999999.99"),
                Json::Null
            ]
        );
        let wide = shown(fx, "shop.wide").await;
        assert_eq!(
            wide[4..7],
            [
                "-99999999999999.9999",
                "12345678901234.5678",
                "99999999999999.9999"
            ]
        );
        let long = shown(fx, "shop.long").await;
        assert_eq!(long, ["12345678901234567890.123456789012345678", "NaN"]);
        let most = f64::MAX;
        let floats = json!([
            -most, -most, -1, 0, 1, 1e300, most, most, most, most, most, null
        ]);
        assert_eq!(json!(shown(fx, "shop.floats").await), floats);
        assert_eq!(shown(fx, "shop.small").await[5], json!(1.1));
        let (first, last) = ("0001-01-01T00:00:00.000000Z", "9999-12-31T23:59:59.999999Z");
        let moments = json!([
            first,
            first,
            first,
            first,
            first,
            "2024-02-29T00:00:00.000000Z",
            last,
            last,
            last,
            last,
            last,
            null
        ]);
        assert_eq!(json!(shown(fx, "shop.moment").await), moments);
        assert_eq!(json!(shown(fx, "shop.local").await), moments);
        let days = moments
            .to_string()
            .replace("T00:00:00.000000Z", "")
            .replace("T23:59:59.999999Z", "");
        assert_eq!(json!(shown(fx, "shop.day").await).to_string(), days);
    });
}

/// Every record once, in one order, whatever the pages end on; and filters agree with the order.
#[test]
fn a_walk_meets_every_record_once() {
    odd(async |fx, client| {
        for model in MODELS {
            let table = model.trim_start_matches("shop.");
            let count: i64 = client
                .query_one(&format!("SELECT count(*) FROM {table}"), &[])
                .await
                .expect("a count")
                .get(0);
            for sort in ["f", "-f", "f,-id", "-f,note"] {
                let all = Query::new().sort(sort).limit(100);
                let all = fx.list(&admin(), model, all).await.data();
                assert_eq!(all.len() as i64, count, "{model}");
                for limit in 1..=3 {
                    let (mut walked, mut cursor) = (Vec::new(), None::<String>);
                    while walked.len() <= all.len() {
                        let mut query = Query::new().sort(sort).limit(limit);
                        if let Some(cursor) = &cursor {
                            query = query.cursor(cursor);
                        }
                        let page = fx.list(&admin(), model, query).await.ok();
                        walked.extend(page["data"].as_array().expect("records").clone());
                        match page["next_cursor"].as_str() {
                            Some(next) => cursor = Some(next.to_owned()),
                            None => break,
                        }
                    }
                    assert_eq!(walked, all, "{model} by {sort}, {limit} a page");
                }
            }
        }
        for (model, filter, count) in [
            ("shop.loose", "f == 0.123457", 3),
            ("shop.loose", "f >= 999999999999.0", 4),
            ("shop.exact", "f > 5.0", 7),
            ("shop.wide", "f < 0.0", 5),
            ("shop.floats", "f > 1.0", 6),
            ("shop.floats", "f < 0.0", 3),
            ("shop.small", "f == 1.1", 1),
            ("shop.moment", "f > timestamp('9999-01-01T00:00:00Z')", 5),
            ("shop.moment", "f < now", 6),
            ("shop.local", "f < timestamp('0001-01-01T00:00:00Z')", 4),
            ("shop.day", "f == null", 1),
        ] {
            let query = Query::new().filter(filter).count();
            let page = fx.list(&admin(), model, query).await.ok();
            assert_eq!(page["count"], count, "{model}: {filter}");
        }
    });
}

/// A change to another field, what comes back as it was read, and what another program wrote: no value moves by itself.
#[test]
fn what_is_not_written_stays_as_it_is() {
    odd(async |fx, client| {
        let who = admin();
        for model in MODELS {
            let table = model.trim_start_matches("shop.");
            let kept = async || -> String {
                let sql = format!("SELECT string_agg(f::text, ' ' ORDER BY id) FROM {table}");
                client.query_one(&sql, &[]).await.expect("texts").get(0)
            };
            let before = kept().await;
            let all = fx.list(&who, model, Query::new().limit(100)).await.data();
            for record in &all {
                let key = id(record);
                let note = json!({"note": "changed"});
                let changed = fx.update(&who, model, &key, note).await.ok();
                assert_eq!(changed["f"], record["f"], "{model} {key}");
                let mut whole = changed.clone();
                whole["note"] = json!("again");
                let put = fx.replace(&who, model, &key, whole).await.ok();
                assert_eq!(put["f"], record["f"], "{model} {key}");
                let same = json!({"f": record["f"]});
                fx.update(&who, model, &key, same).await.ok();
            }
            assert_eq!(kept().await, before, "{model}");
            let every = json!({"note": "all"});
            fx.update_many(&who, model, Query::new().filter("note != null"), every)
                .await
                .ok();
            assert_eq!(kept().await, before, "{model}");
            // What is written is what is kept.
            let (value, text) = match table {
                "loose" => (json!("0.123457"), "0.123457"),
                "exact" => (json!("1.25"), "1.25"),
                "wide" => (json!("1.25"), "1.2500"),
                "long" => (json!("1.000000000000000001"), "1.000000000000000001"),
                "floats" | "small" => (json!(0.5), "0.5"),
                "day" => (json!("2024-02-29"), "2024-02-29"),
                _ => (json!("2024-02-29T12:00:00Z"), "2024-02-29 12:00:00"),
            };
            if table == "long" {
                let longer = json!({"f": "1.0000000000000000001"});
                let reply = fx.update(&who, model, &id(&all[0]), longer).await;
                assert_eq!(reply.errors(), ["/f check"]);
            }
            let first = id(&all[0]);
            fx.update(&who, model, &first, json!({"f": value.clone()}))
                .await
                .ok();
            let sql = format!("SELECT f::text FROM {table} WHERE id = {first}");
            let now: String = client.query_one(&sql, &[]).await.expect("a row").get(0);
            assert!(now.starts_with(text), "{model}: {now}");
            for record in &all {
                fx.delete(&who, model, &id(record)).await.done();
            }
        }
    });
}

#[test]
fn they_are_added_up_or_told_to_be_too_large() {
    odd(async |fx, _| {
        let who = admin();
        for model in MODELS {
            let ask = async |query: &str| fx.aggregate(&who, model, query).await;
            let extremes = ask("min=f&max=f&count=f").await.data();
            assert!(!extremes[0]["max_f"].is_null(), "{model}");
            ask("group_by=f&count=*").await.ok();
            for sum in ["sum=f", "avg=f"] {
                let reply = ask(sum).await;
                let word = reply.word();
                assert!(
                    word == "page" || word.starts_with("request."),
                    "{model} {sum}: {word}"
                );
            }
        }
        for (model, part, first, last) in [
            ("shop.moment", "month", json!("0001-01"), json!("9999-12")),
            ("shop.local", "year", json!(1), json!(9999)),
            ("shop.day", "week", json!("0001-W01"), json!("9999-W52")),
            (
                "shop.moment",
                "hour",
                json!("0001-01-01T00:00:00.000000Z"),
                json!("9999-12-31T23:00:00.000000Z"),
            ),
            ("shop.day", "weekday", json!(1), json!(5)),
            ("shop.moment", "hour_of_day", json!(0), json!(23)),
        ] {
            let query = format!("group_by=f.{part}&count=*&sort=f.{part}");
            let groups = fx.aggregate(&who, model, &query).await.data();
            let name = format!("f.{part}");
            let keys: Vec<&Json> = groups.iter().map(|group| &group[&name]).collect();
            assert_eq!(keys[0], &Json::Null, "{model} {part}");
            assert_eq!(
                (keys[1], keys[keys.len() - 1]),
                (&first, &last),
                "{model} {part}"
            );
        }
        let found = Query::new().plain("f", PlainOp::Eq, &["NaN"]);
        assert_eq!(
            fx.list(&who, "shop.exact", found).await.code(),
            "request.bad_parameter"
        );
    });
}

const DOCUMENTS: &str = r#"
CREATE TABLE old (id int PRIMARY KEY, f json, note varchar(99));
INSERT INTO old VALUES (1, '{"a": "\u0000"}'), (2, '{"a": "\\u0000"}'), (3, '"\ud800"'), (4, '"\ud83d\ude00"'),
  (5, '[1e999999]'), (6, '{"a": 1, "a": 2}'), (7, '{"a": "e123456"}'), (8, '{"a": 1e400}'), (9, NULL), (10, 'null'),
  (11, '"\\\\\ud83d\ude00\\\udc00"');
CREATE TABLE new (id int PRIMARY KEY, f jsonb, note varchar(99));
INSERT INTO new VALUES (1, '{"a": 1e400}'), (2, 'null'), (3, '{"a": 3}');
"#;

#[test]
fn documents_that_are_none_of_ours_are_shown_and_left_alone() {
    on(DOCUMENTS, async |old| {
        let draft = old.draft(&["public"]).await;
        let (fx, client) = old.serve(&draft, "").await;
        let who = admin();
        let old = shown(&fx, "shop.old").await;
        for (at, document) in [
            (1, json!("{\"a\": \"\\u0000\"}")),
            (2, json!({"a": "\\u0000"})),
            (3, json!("\"\\ud800\"")),
            (4, json!("😀")),
            (5, json!("[1e999999]")),
            (6, json!({"a": 2})),
            (7, json!({"a": "e123456"})),
            (9, Json::Null),
            (10, Json::Null),
            (11, json!("\"\\\\\\\\\\ud83d\\ude00\\\\\\udc00\"")),
        ] {
            assert_eq!(old[at - 1], document, "{at}");
        }
        for (model, filter, count) in [
            ("shop.old", "f.a == 2", 1),
            ("shop.old", "f.a == 'e123456'", 1),
            ("shop.new", "f.a == 3", 1),
        ] {
            let query = Query::new().filter(filter).count();
            let page = fx.list(&who, model, query).await.ok();
            assert_eq!(page["count"], count, "{filter}");
        }
        for (model, records) in [("shop.old", 11), ("shop.new", 3)] {
            let table = model.trim_start_matches("shop.");
            let kept = async || -> String {
                let sql = format!("SELECT string_agg(f::text, ' ' ORDER BY id) FROM {table}");
                client.query_one(&sql, &[]).await.expect("texts").get(0)
            };
            let before = kept().await;
            for key in 1..=records {
                let note = json!({"note": "changed"});
                let changed = fx.update(&who, model, &key.to_string(), note).await.ok();
                assert_eq!(changed["note"], "changed");
            }
            assert_eq!(kept().await, before, "{model}");
            for key in 1..=records {
                let merged = json!({"f": {"b": 1}});
                let reply = fx.update(&who, model, &key.to_string(), merged).await;
                assert!(
                    ["record", "data.invalid"].contains(&reply.word()),
                    "{}",
                    reply.word()
                );
                let set = json!({"f": null});
                fx.update(&who, model, &key.to_string(), set).await.ok();
            }
        }
        drop(client);
        fx.remove().await;
    });
}

/// A rule decides alike in memory, where writes are judged, and in the database, where reads are.
#[test]
fn rules_see_in_memory_what_the_database_sees() {
    on(ODD, async |old| {
        let draft = old.draft(&["public"]).await;
        let cases = [
            ("loose", "f > 5.0"),
            ("loose", "!(f > 5.0)"),
            ("loose", "f == 0.123457"),
            ("exact", "f > 5.0"),
            ("exact", "!(f <= 5.0)"),
            ("wide", "f < 0.0"),
            ("floats", "f > 1.0"),
            ("floats", "!(f > 1.0)"),
            ("small", "f >= 1.0"),
            ("moment", "f > now"),
            ("moment", "!(f < now)"),
            ("local", "f < timestamp('0001-01-01T00:00:00Z')"),
            ("day", "f > date('9999-12-30')"),
            ("day", "f == null"),
        ];
        let mut apps = std::collections::BTreeMap::<&str, Vec<&str>>::new();
        for (model, rule) in cases {
            apps.entry(model).or_default().push(rule);
        }
        let most = apps.values().map(Vec::len).max().expect("rules");
        let mut held = Some(old);
        for at in 0..most {
            let old = match held.take() {
                Some(old) => old,
                None => super::Existing::with(ODD).await,
            };
            let chosen: Vec<(&str, &str)> = apps
                .iter()
                .filter_map(|(model, rules)| Some((*model, *rules.get(at)?)))
                .collect();
            let rules: String = chosen
                .iter()
                .map(|(model, rule)| {
                    format!("[models.{model}.access]\nread = \"true\"\nupdate = \"{rule}\"\n")
                })
                .collect();
            let (fx, client) = old.serve(&draft, &rules).await;
            for (model, rule) in chosen {
                let name = format!("shop.{model}");
                let query = Query::new().filter(rule).limit(100);
                let found = fx.list(&user(1), &name, query).await.data();
                let found: Vec<String> = found.iter().map(id).collect();
                let all = fx
                    .list(&user(1), &name, Query::new().limit(100))
                    .await
                    .data();
                assert!(
                    !found.is_empty() && found.len() < all.len(),
                    "{model}: {rule}"
                );
                for record in &all {
                    let key = id(record);
                    let reply = fx.update(&user(1), &name, &key, json!({"note": "x"})).await;
                    let word = if found.contains(&key) {
                        "record"
                    } else {
                        "access.forbidden"
                    };
                    assert_eq!(reply.word(), word, "{model} {key}: {rule}");
                }
            }
            drop(client);
            fx.remove().await;
        }
    });
}

const NARROW: &str = r#"
CREATE TABLE sizes (id int PRIMARY KEY, i2 smallint, i4 int, i8 bigint, f4 real, f8 float8, n numeric(8,2));
INSERT INTO sizes VALUES
    (1, 30000, 2000000000, 5, 0.1, 0.1, 1.25), (2, 30000, 2000000000, 6, 16777216, 0.2, 1.25), (3, 3, 4, 7, 1, 0.3, 1);
"#;

/// PostgreSQL's sums are of another type than their column, and of one that depends on it.
#[test]
fn narrow_numbers_are_added_up_like_wide_ones() {
    on(NARROW, async |old| {
        let draft = old.draft(&["public"]).await;
        let (fx, _) = old.serve(&draft, "").await;
        let who = admin();
        for (field, sum, avg, max) in [
            ("i2", json!(60003), json!("20001.0000"), json!(30000)),
            (
                "i4",
                json!(4000000004i64),
                json!("1333333334.6667"),
                json!(2000000000),
            ),
            ("i8", json!(18), json!("6.0000"), json!(7)),
            ("n", json!("3.50"), json!("1.166667"), json!("1.25")),
        ] {
            let query = format!("sum={field}&avg={field}&max={field}");
            let mut groups = fx.aggregate(&who, "shop.sizes", &query).await.data();
            let wanted = json!({format!("sum_{field}"): sum, format!("avg_{field}"): avg, format!("max_{field}"): max});
            assert_eq!(groups.remove(0), wanted);
        }
        let reals = fx.aggregate(&who, "shop.sizes", "sum=f4,f8").await.data();
        let of = |name: &str| reals[0][name].as_f64().expect("a number");
        assert!(
            (of("sum_f4") - 16_777_217.1).abs() < 0.01,
            "{}",
            of("sum_f4")
        );
        assert!((of("sum_f8") - 0.6).abs() < 1e-9);
        let kept = "group_by=i2&sum=i4&having=sum_i4 > 5&sort=-sum_i4";
        let groups = fx.aggregate(&who, "shop.sizes", kept).await.data();
        assert_eq!(groups, [json!({"i2": 30000, "sum_i4": 4000000000i64})]);
    });
}
