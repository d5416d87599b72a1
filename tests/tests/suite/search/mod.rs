//! Full-text search: what is found, in which order, for whom, and what keeps it true.

mod alike;
mod hidden;
mod kept;
mod migrated;

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/shop/module.toml
[models.categories.fields]
name = { type = "string" }
[models.categories.access]
read = "true"

[models.products]
search = ["name", "description"]
[models.products.fields]
name        = { type = "string" }
description = { type = "text", optional = true }
price       = { type = "int", optional = true }
category    = { type = "relation", to = "categories", optional = true }
status      = { type = "string", default = "'active'" }
[models.products.access]
read   = "status != 'draft' || auth.id != null"
create = "true"
update = "true"
delete = "true"

[models.plain.fields]
name = { type = "string" }
[models.plain.access]
read = "true"
"#;

const M: &str = "shop.products";

async fn product(fx: &Fixture, name: &str, description: &str) -> String {
    let body = json!({"name": name, "description": description});
    id(&fx.create(&system(), M, body).await.ok())
}

async fn names(fx: &Fixture, query: Query) -> Vec<String> {
    let found = fx.list(&anonymous(), M, query).await.data();
    let name = |one: &Json| one["name"].as_str().expect("a name").to_owned();
    found.iter().map(name).collect()
}

async fn found(fx: &Fixture, search: &str) -> Vec<String> {
    names(fx, Query::new().search(search)).await
}

each_store!(every_word_must_be_there, APP, async |fx| {
    for (name, description) in [
        ("Red shoe", "Leather"),
        ("Blue shoe", "With a red sole"),
        ("Red hat", "Not a SHOE at all"),
        ("Crème brûlée", "Dessert from the café"),
        ("T-shirt O'Neill", "wi-fi; anna@example.com, v2.10, 1,000"),
        ("東京タワー", "日本の塔"),
        ("Straße in Łódź", "Ünïcödé ﬁnds"),
        ("🎉 party", "❤️"),
        ("NEAR OR AND NOT", "name:red {name} ^red"),
        ("Nothing", ""),
    ] {
        product(fx, name, description).await;
    }
    fx.create(&system(), M, json!({"name": "No description"}))
        .await
        .ok();
    let table: &[(&str, &[&str])] = &[
        // Words that stand in the name weigh more, a row more than words apart; then the last comes first.
        (
            "red",
            &["Red hat", "Red shoe", "NEAR OR AND NOT", "Blue shoe"],
        ),
        ("red shoe", &["Red shoe", "Red hat", "Blue shoe"]),
        ("shoe red", &["Red shoe", "Red hat", "Blue shoe"]),
        ("\"red shoe\"", &["Red shoe"]),
        ("\"shoe red\"", &[]),
        ("red -hat", &["Red shoe", "NEAR OR AND NOT", "Blue shoe"]),
        ("red -\"red sole\" -near", &["Red hat", "Red shoe"]),
        ("sho*", &["Blue shoe", "Red shoe", "Red hat"]),
        ("sho", &[]),
        ("re* leath*", &["Red shoe"]),
        ("\"red so\"*", &["Blue shoe"]),
        ("creme", &["Crème brûlée"]),
        ("BRÛLÉE cafe", &["Crème brûlée"]),
        ("t-shirt", &["T-shirt O'Neill"]),
        ("shirt", &["T-shirt O'Neill"]),
        ("shirt-t", &[]),
        ("o'neill", &["T-shirt O'Neill"]),
        ("o’neill", &["T-shirt O'Neill"]),
        ("anna@example.com", &["T-shirt O'Neill"]),
        ("example", &["T-shirt O'Neill"]),
        ("v2.10", &["T-shirt O'Neill"]),
        ("1,000", &["T-shirt O'Neill"]),
        ("東京", &["東京タワー"]),
        ("京都", &[]),
        ("タワ*", &["東京タワー"]),
        ("strasse lodz", &["Straße in Łódź"]),
        ("unicode finds", &["Straße in Łódź"]),
        ("🎉", &["🎉 party"]),
        ("❤", &["🎉 party"]),
        ("near or and not", &["NEAR OR AND NOT"]),
        ("description", &["No description"]),
        ("name:red", &["NEAR OR AND NOT"]),
        ("nowhere", &[]),
    ];
    for (search, wanted) in table {
        assert_eq!(found(fx, search).await, *wanted, "{search}");
    }
});

each_store!(what_no_operator_is_means_nothing, APP, async |fx| {
    product(fx, "red shoe", "near it").await;
    product(fx, "blue hat", "or not").await;
    // FTS5's and tsquery's own words and signs, and SQL.
    for search in [
        "red OR blue",
        "red NEAR hat",
        "NEAR(red shoe, 2)",
        "name : red : blue",
        "{f_name} : red blue",
        "red AND NOT shoe",
        "red | blue",
        "red & !blue",
        "red <-> blue",
        "red:A blue",
        "f_name: red blue",
        "^blue red",
        "red + blue",
        "'red' 'blue'",
        "red\\ blue'",
        "red') OR 1=1 -- blue",
        "\"red\" OR \"blue\"",
        "red\u{0}blue",
        "red; DROP TABLE x; blue",
        "rank:red blue",
    ] {
        assert_eq!(found(fx, search).await, Vec::<String>::new(), "{search}");
    }
    for search in [
        "red'", "\"red", "red\\", "(red)", "red&", "|red", "{red}", "red:", "*red", "red\u{0}",
    ] {
        assert_eq!(found(fx, search).await, ["red shoe"], "{search}");
    }
});

each_store!(what_cannot_be_searched_for_is_refused, APP, async |fx| {
    let code = async |model: &str, query: Query| {
        let reply = fx.list(&anonymous(), model, query).await;
        (reply.code(), reply.problem().detail.clone())
    };
    for search in ["!?", "\"\"", "*", "-", "-red -\"blue hat\""] {
        let (code, detail) = code(M, Query::new().search(search)).await;
        assert_eq!(code, "request.bad_search", "{search}: {detail}");
    }
    let (bad, detail) = code("shop.plain", Query::new().search("red")).await;
    assert_eq!(bad, "request.bad_search");
    assert!(detail.contains("shop.plain declares no fields"), "{detail}");
    let (long, _) = code(M, Query::new().search(&"é".repeat(401))).await;
    assert_eq!(long, "limit.search");
    found(fx, &"é".repeat(400)).await;
    let (many, _) = code(M, Query::new().search(&"a ".repeat(33))).await;
    assert_eq!(many, "limit.search");
    let most: Vec<String> = (0..32).map(|n| format!("w{n}")).collect();
    found(fx, &most.join(" ")).await;
    let (alone, _) = code(M, Query::new().snippets()).await;
    assert_eq!(alone, "request.bad_parameter");
});

each_store!(a_search_goes_with_everything_else, APP, async |fx| {
    let shoes = json!({"name": "Shoes"});
    let category = id(&fx.create(&system(), "shop.categories", shoes).await.ok());
    for n in 1..=9 {
        let body = json!({
            "name": format!("shoe {n}"), "price": n, "category": category,
            "status": if n == 9 { "draft" } else { "active" },
        });
        fx.create(&system(), M, body).await.ok();
    }
    product(fx, "shoe without a price", "").await;
    product(fx, "hat", "").await;
    let shoes = || Query::new().search("shoe");
    assert_eq!(
        names(fx, shoes().filter("price < 3")).await,
        ["shoe 2", "shoe 1"]
    );
    assert_eq!(
        names(fx, shoes().sort("price").limit(3).filter("price != null")).await,
        ["shoe 1", "shoe 2", "shoe 3"]
    );
    assert_eq!(
        names(fx, shoes().sort("-price").limit(2)).await,
        ["shoe 8", "shoe 7"]
    );
    let page = fx
        .list(&anonymous(), M, shoes().count().limit(1))
        .await
        .ok();
    assert_eq!(page["count"], 9);
    let page = fx
        .list(&user(1), M, shoes().count().sort("name").limit(1))
        .await
        .ok();
    assert_eq!(page["count"], 10);
    let mut query = shoes().limit(2);
    query.select.expand = expand("category");
    query.select.fields = Some(vec!["name".to_owned()]);
    let page = fx.list(&anonymous(), M, query).await.ok();
    assert_eq!(page["data"][1]["name"], "shoe 8");
    assert_eq!(page["data"][1]["category"]["name"], "Shoes");
    assert_eq!(page["data"][1]["price"], Json::Null);
});

each_store!(pages_of_a_search_are_the_whole_of_it, APP, async |fx| {
    for n in 0..53 {
        let name = ["shoe", "a shoe", "red", "a shoe, red"][n % 4];
        product(fx, name, if n % 3 == 0 { "red shoe" } else { "shoe" }).await;
    }
    for (search, sort) in [
        ("shoe", ""),
        ("shoe", "name"),
        ("shoe", "-created_at"),
        ("re* sho*", ""),
    ] {
        let all = Query::new().search(search).sort(sort).limit(200);
        let all = fx.list(&anonymous(), M, all).await.data();
        let mut walked = Vec::new();
        let mut query = Query::new().search(search).sort(sort).limit(7);
        loop {
            let mut page = fx.list(&anonymous(), M, query.clone()).await.ok();
            walked.extend(page["data"].take().as_array().expect("records").clone());
            let Some(cursor) = page["next_cursor"].as_str() else {
                break;
            };
            query.cursor = Some(cursor.to_owned());
            if sort.is_empty() {
                // What comes meanwhile moves nothing.
                product(fx, "shoe", "shoe").await;
            }
        }
        assert_eq!(walked, all, "{search} {sort}");
    }
    // A cursor is of one search.
    let page = fx
        .list(&anonymous(), M, Query::new().search("shoe").limit(1))
        .await
        .ok();
    let cursor = page["next_cursor"]
        .as_str()
        .expect("another page")
        .to_owned();
    for query in [
        Query::new().search("shoes"),
        Query::new(),
        Query::new().search("shoe").sort("name"),
    ] {
        let query = Query {
            cursor: Some(cursor.clone()),
            ..query
        };
        assert_eq!(
            fx.list(&anonymous(), M, query).await.code(),
            "request.bad_cursor"
        );
    }
});

each_store!(
    snippets_of_long_texts_keep_nobody_waiting,
    APP,
    async |fx| {
        // The longest that is looked through, in words that have to be taken apart.
        let long = "Crème brûlée ".repeat(7_000);
        let made: Vec<Json> = (0..12)
            .map(|n| json!({"name": format!("n{n}"), "description": long}))
            .collect();
        fx.import(M, &made).await;
        // Both on one thread, as what is served by one.
        let answered = std::cell::Cell::new(false);
        let watch = async {
            let mut longest = std::time::Duration::ZERO;
            loop {
                let start = std::time::Instant::now();
                tokio::time::sleep(std::time::Duration::from_millis(1)).await;
                longest = longest.max(start.elapsed());
                if answered.get() {
                    return longest;
                }
            }
        };
        let search = async {
            let start = std::time::Instant::now();
            let query = Query::new().search("brulee").fields("name").snippets();
            let page = fx.list(&anonymous(), M, query).await.ok();
            answered.set(true);
            assert_eq!(page["snippets"].as_array().map(Vec::len), Some(12));
            start.elapsed()
        };
        let (longest, whole) = tokio::join!(watch, search);
        assert!(longest < whole / 2, "{longest:?} of {whole:?}");
    }
);

each_store!(snippets_show_what_was_found, APP, async |fx| {
    product(
        fx,
        "A <b>red</b> shoe",
        &format!("{}and red & blue soles", "word ".repeat(60)),
    )
    .await;
    product(fx, "hat", "red").await;
    let page = fx
        .list(&anonymous(), M, Query::new().search("red sole*").snippets())
        .await
        .ok();
    assert_eq!(
        page["snippets"],
        json!([{
            "name": "A &lt;b&gt;<mark>red</mark>&lt;/b&gt; shoe",
            "description": format!("…{}and <mark>red</mark> &amp; blue <mark>soles</mark>", "word ".repeat(20)),
        }])
    );
    for sort in ["", "name", "-name"] {
        let query = Query::new().search("red").sort(sort).snippets();
        let page = fx.list(&anonymous(), M, query).await.ok();
        let (data, snippets) = (page["data"].as_array(), page["snippets"].as_array());
        let (data, snippets) = (data.expect("records"), snippets.expect("snippets"));
        assert_eq!(data.len(), 2);
        for (record, snippet) in data.iter().zip(snippets) {
            match record["name"].as_str() {
                Some("hat") => assert_eq!(*snippet, json!({"description": "<mark>red</mark>"})),
                _ => assert!(
                    snippet["name"]
                        .as_str()
                        .expect("one")
                        .contains("<mark>red</mark>")
                ),
            }
        }
    }
    let none = fx
        .list(&anonymous(), M, Query::new().search("nowhere").snippets())
        .await
        .ok();
    assert_eq!(
        none,
        json!({"data": [], "next_cursor": null, "snippets": []})
    );
    // Those of one page only.
    let page = fx
        .list(
            &anonymous(),
            M,
            Query::new().search("red").snippets().limit(1),
        )
        .await
        .ok();
    assert_eq!(page["snippets"].as_array().map(Vec::len), Some(1));
    let page = fx
        .list(&anonymous(), M, Query::new().search("red"))
        .await
        .ok();
    assert_eq!(page.get("snippets"), None);
});

const BOUNDED: &str = r#"
[limits]
search_ranked = 10
## modules/shop/module.toml
[models.notes]
search = ["text"]
[models.notes.fields]
text = { type = "text" }
mine = { type = "bool", default = "true" }
[models.notes.access]
read = "mine"
"#;

each_store!(
    ranking_is_bounded_and_hidden_records_take_no_place,
    BOUNDED,
    async |fx| {
        let note = async |text: &str, mine: bool| {
            let body = json!({"text": text, "mine": mine});
            fx.create(&system(), "shop.notes", body).await.ok();
        };
        note("shoe", true).await;
        for n in 0..12 {
            note(&format!("a shoe {n}"), true).await;
            note("shoe", false).await;
        }
        let texts = async |query: Query| -> Vec<String> {
            let found = fx.list(&anonymous(), "shop.notes", query).await.data();
            found
                .iter()
                .map(|one| one["text"].as_str().unwrap_or_default().to_owned())
                .collect()
        };
        let newest: Vec<String> = (2..12).rev().map(|n| format!("a shoe {n}")).collect();
        assert_eq!(texts(Query::new().search("shoe").limit(50)).await, newest);
        // With an order of the caller's, all of them.
        assert_eq!(
            texts(Query::new().search("shoe").sort("created_at").limit(50))
                .await
                .len(),
            13
        );
        let page = fx
            .list(
                &anonymous(),
                "shop.notes",
                Query::new().search("shoe").count(),
            )
            .await
            .ok();
        assert_eq!(page["count"], 13);
    }
);

each_store!(
    other_kinds_of_keys_are_searched_too,
    r#"
## modules/shop/module.toml
[models.numbered]
id = "int"
search = ["title"]
[models.numbered.fields]
title = { type = "string" }
[models.numbered.access]
read = "true"
[models.named]
id = "string"
search = ["id", "title"]
[models.named.fields]
title = { type = "string" }
[models.named.access]
read = "true"
"#,
    async |fx| {
        for n in 1..=5 {
            fx.create(
                &system(),
                "shop.numbered",
                json!({"title": format!("red {n}")}),
            )
            .await
            .ok();
            fx.create(
                &system(),
                "shop.named",
                json!({"id": format!("red-{n}"), "title": "thing"}),
            )
            .await
            .ok();
        }
        for model in ["shop.numbered", "shop.named"] {
            let all = fx
                .list(&anonymous(), model, Query::new().search("red"))
                .await
                .data();
            let ids: Vec<String> = all.iter().map(id).collect();
            assert_eq!(ids.len(), 5);
            let first = fx
                .list(&anonymous(), model, Query::new().search("red").limit(3))
                .await
                .ok();
            let cursor = first["next_cursor"].as_str().map(str::to_owned);
            let query = Query {
                cursor,
                ..Query::new().search("red").limit(3)
            };
            let rest = fx.list(&anonymous(), model, query).await.data();
            assert_eq!(rest.iter().map(id).collect::<Vec<_>>(), ids[3..]);
        }
    }
);
