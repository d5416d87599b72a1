//! Related records in answers: forwards, backwards, nested and across modules, each under its own rule.

use mainstay_tests::*;
use plan::operation::Expand;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/lib/module.toml
[models.authors.fields]
name   = { type = "string" }
hidden = { type = "bool", default = "false" }
salary = { type = "int", optional = true, read = "'boss' in auth.roles" }
diary  = { type = "string", optional = true, read = "name == 'open'" }
[models.authors.access]
read = "!hidden"

[models.books.fields]
title  = { type = "string" }
author = { type = "relation", to = "authors", optional = true }
keeper = { type = "relation", to = "auth.users", optional = true }
sequel = { type = "relation", to = "books", optional = true, inverse = "prequels" }
source = { type = "relation", to = "authors", optional = true, inverse = "sourced", read = "title == 'open'" }
warden = { type = "relation", to = "auth.users", optional = true, read = "title == 'open'" }
[models.books.access]
read = "title != 'hidden'"

[models.notes.fields]
book = { type = "relation", to = "books" }
text = { type = "string" }
rank = { type = "int", optional = true }
[models.notes.access]
read = "text != 'hidden'"

## modules/auth/module.toml
[models.users.access]
read = "id == auth.id || suspended == false"
"#;

struct Books {
    author: String,
    hidden_author: String,
    book: String,
}

async fn books(fx: &Fixture) -> Books {
    let s = system();
    let make = async |model: &str, body: Json| id(&fx.create(&s, model, body).await.ok());
    let author = make(
        "lib.authors",
        json!({"name": "open", "salary": 7, "diary": "d"}),
    )
    .await;
    let hidden_author = make(
        "lib.authors",
        json!({"name": "h", "hidden": true, "diary": "x"}),
    )
    .await;
    let book = make(
        "lib.books",
        json!({"title": "A", "author": author, "keeper": uid(1)}),
    )
    .await;
    for (text, rank) in [("n1", 3), ("n2", 1), ("hidden", 2), ("n3", 2)] {
        make(
            "lib.notes",
            json!({"book": book, "text": text, "rank": rank}),
        )
        .await;
    }
    Books {
        author,
        hidden_author,
        book,
    }
}

async fn expanded(fx: &Fixture, id: &str, paths: &str) -> Json {
    fx.one_with(&user(1), "lib.books", id, Query::new().expand(paths))
        .await
        .ok()
}

each_store!(
    forwards_the_record_stands_where_the_id_stood,
    APP,
    async |fx| {
        let b = books(fx).await;
        let book = expanded(fx, &b.book, "author").await;
        assert_eq!(book["author"]["name"], "open");
        assert_eq!(
            book["author"]["diary"], "d",
            "a field that this record shows"
        );
        assert!(
            book["author"].get("salary").is_none(),
            "a field that this caller does not see"
        );
        let plain = fx.one(&user(1), "lib.authors", &b.author).await.ok();
        assert_eq!(book["author"], plain, "the same as by its own address");
        // Hidden, and null: both null.
        for author in [json!(b.hidden_author), Json::Null] {
            fx.update(&system(), "lib.books", &b.book, json!({"author": author}))
                .await
                .ok();
            let book = expanded(fx, &b.book, "author").await;
            assert_eq!(book["author"], Json::Null, "{author}");
        }
        let by_boss = fx
            .one_with(
                &admin(),
                "lib.books",
                &b.book,
                Query::new().expand("author"),
            )
            .await
            .ok();
        assert_eq!(by_boss["author"], Json::Null);
    }
);

each_store!(backwards_what_refers_is_a_page, APP, async |fx| {
    let b = books(fx).await;
    let book = expanded(fx, &b.book, "notes").await;
    let texts = |book: &Json| -> Vec<String> {
        book["notes"]["data"]
            .as_array()
            .expect("a page")
            .iter()
            .map(|n| n["text"].as_str().unwrap_or("").to_owned())
            .collect()
    };
    assert_eq!(
        texts(&book),
        ["n1", "n2", "n3"],
        "by id, without the hidden one"
    );
    assert_eq!(book["notes"]["more"], false);
    let mut query = Query::new();
    query.select.expand = vec![Expand {
        name: "notes".into(),
        limit: Some(2),
        sort: mainstay_tests::query::sort("-rank"),
        nested: Vec::new(),
    }];
    let book = fx
        .one_with(&user(1), "lib.books", &b.book, query)
        .await
        .ok();
    assert_eq!(
        (texts(&book), &book["notes"]["more"]),
        (vec!["n1".into(), "n3".into()], &json!(true))
    );
    let author = fx
        .one_with(
            &user(1),
            "lib.authors",
            &b.author,
            Query::new().expand("books.notes,sourced"),
        )
        .await
        .ok();
    assert_eq!(
        author["books"]["data"][0]["notes"]["data"]
            .as_array()
            .map(Vec::len),
        Some(3)
    );
    assert_eq!(author["sourced"]["data"], json!([]));
    let nobody = fx
        .one_with(
            &user(1),
            "lib.authors",
            &b.hidden_author,
            Query::new().expand("books"),
        )
        .await;
    assert_eq!(nobody.code(), "access.not_found");
});

each_store!(a_relation_behind_a_rule_leads_nowhere, APP, async |fx| {
    let b = books(fx).await;
    fx.update(&system(), "lib.books", &b.book, json!({"source": b.author}))
        .await
        .ok();
    let book = expanded(fx, &b.book, "source").await;
    assert!(
        book.get("source").is_none(),
        "neither the record nor its id"
    );
    let author = fx
        .one_with(
            &user(1),
            "lib.authors",
            &b.author,
            Query::new().expand("sourced"),
        )
        .await
        .ok();
    assert_eq!(
        author["sourced"]["data"],
        json!([]),
        "nor does the way back show it"
    );
    let found = fx
        .list(
            &user(1),
            "lib.books",
            Query::new().filter("source.name == 'open'"),
        )
        .await
        .data();
    assert_eq!(found.len(), 0);
    fx.update(&system(), "lib.books", &b.book, json!({"title": "open"}))
        .await
        .ok();
    assert_eq!(
        expanded(fx, &b.book, "source").await["source"]["name"],
        "open"
    );
    let author = fx
        .one_with(
            &user(1),
            "lib.authors",
            &b.author,
            Query::new().expand("sourced"),
        )
        .await
        .ok();
    assert_eq!(author["sourced"]["data"].as_array().map(Vec::len), Some(1));
});

each_store!(
    a_hidden_relation_is_left_out_at_every_level,
    APP,
    async |fx| {
        let b = books(fx).await;
        let s = system();
        let behind = json!({"source": b.author, "warden": uid(1)});
        fx.update(&s, "lib.books", &b.book, behind).await.ok();
        let shown =
            json!({"title": "open", "author": b.author, "source": b.author, "warden": uid(1)});
        let shown = id(&fx.create(&s, "lib.books", shown).await.ok());
        let empty = json!({"title": "open", "author": b.author});
        let empty = id(&fx.create(&s, "lib.books", empty).await.ok());
        for book in [&shown, &empty] {
            let note = json!({"book": book, "text": "n"});
            fx.create(&s, "lib.notes", note).await.ok();
        }
        let sequel = json!({"title": "open", "sequel": b.book});
        let sequel = id(&fx.create(&s, "lib.books", sequel).await.ok());
        let holds = |book: &Json, what: &str| {
            for (name, person) in [("source", "open"), ("warden", "User 1")] {
                let (there, value) = match &book["id"] {
                    id if *id == json!(b.book) => (false, &Json::Null),
                    id if *id == json!(shown) => (true, &json!(person)),
                    // Nothing to hide is a null that may be seen.
                    _ => (true, &Json::Null),
                };
                assert_eq!(book.get(name).is_some(), there, "{what}: {name} of {book}");
                assert_eq!(&book[name]["name"], value, "{what}: {name} of {book}");
            }
        };
        // Of the record itself, alone and in a list.
        for id in [&b.book, &shown, &empty] {
            holds(&expanded(fx, id, "warden,source").await, "one");
        }
        let query = Query::new().expand("source.books,warden,notes");
        let list = fx.list(&user(1), "lib.books", query).await.data();
        assert_eq!(list.len(), 4);
        list.iter().for_each(|book| holds(book, "a list"));
        // Below a relation to one, below one to many, and with one to many beside.
        let below = expanded(fx, &sequel, "sequel.source,sequel.warden").await;
        holds(&below["sequel"], "to one");
        for paths in [
            "books.source,books.warden",
            "books.warden,books.notes,books.source",
        ] {
            let query = Query::new().expand(paths);
            let author = fx.one_with(&user(1), "lib.authors", &b.author, query).await;
            let author = author.ok();
            let books = author["books"]["data"].as_array().expect("a page").clone();
            assert_eq!(books.len(), 3);
            books.iter().for_each(|book| holds(book, paths));
        }
        for id in [&b.book, &shown, &empty] {
            let book = expanded(fx, id, "notes.book.warden,notes.book.source").await;
            let notes = book["notes"]["data"].as_array().expect("a page").clone();
            assert!(!notes.is_empty());
            for note in &notes {
                holds(&note["book"], "to one below to many");
            }
        }
        // An administrator is bound by no rule.
        let query = Query::new().expand("source,warden");
        let whole = fx
            .one_with(&admin(), "lib.books", &b.book, query)
            .await
            .ok();
        assert_eq!(whole["source"]["name"], "open");
        assert_eq!(whole["warden"]["name"], "User 1");
    }
);

each_store!(across_modules_the_other_module_answers, APP, async |fx| {
    let b = books(fx).await;
    let book = expanded(fx, &b.book, "keeper").await;
    assert_eq!(book["keeper"]["name"], "User 1");
    assert_eq!(book["keeper"]["email"], "user1@example.com", "one's own");
    let other = fx
        .one_with(
            &user(2),
            "lib.books",
            &b.book,
            Query::new().expand("keeper"),
        )
        .await
        .ok();
    assert_eq!(other["keeper"]["name"], "User 1");
    assert!(other["keeper"].get("email").is_none());
    // In a list, with several and with none.
    let second = fx
        .create(
            &system(),
            "lib.books",
            json!({"title": "B", "keeper": uid(2), "sequel": b.book}),
        )
        .await
        .ok();
    fx.create(&system(), "lib.books", json!({"title": "C"}))
        .await
        .ok();
    let query = Query::new().expand("keeper,sequel.keeper").sort("title");
    let list = fx.list(&user(1), "lib.books", query).await.data();
    let names: Vec<&Json> = list.iter().map(|b| &b["keeper"]["name"]).collect();
    assert_eq!(names, [&json!("User 1"), &json!("User 2"), &Json::Null]);
    assert_eq!(
        list[1]["sequel"]["keeper"]["name"], "User 1",
        "also below a relation of this module"
    );
    // Hidden, and gone: null.
    fx.update(&system(), "auth.users", &uid(2), json!({"suspended": true}))
        .await
        .ok();
    let hidden = expanded(fx, &id(&second), "keeper").await;
    assert_eq!(hidden["keeper"], Json::Null);
    fx.delete(&system(), "auth.users", &uid(2)).await.done();
    let gone = expanded(fx, &id(&second), "keeper").await;
    assert_eq!(gone["keeper"], Json::Null);
    let plain = fx.one(&user(1), "lib.books", &id(&second)).await.ok();
    assert_eq!(
        plain["keeper"],
        uid(2),
        "the reference itself outlives its target"
    );
    // A filter or sort does not read across.
    let filter = fx
        .list(
            &user(1),
            "lib.books",
            Query::new().filter("keeper.name == 'x'"),
        )
        .await;
    assert_eq!(filter.code(), "request.bad_filter");
    assert_eq!(
        fx.list(&user(1), "lib.books", Query::new().sort("keeper.name"))
            .await
            .code(),
        "request.bad_sort"
    );
});

each_store!(fields_and_relations_go_together, APP, async |fx| {
    let b = books(fx).await;
    let query = Query::new().fields("title").expand("author,notes");
    let book = fx
        .one_with(&user(1), "lib.books", &b.book, query)
        .await
        .ok();
    let names: Vec<&String> = book.as_object().expect("a record").keys().collect();
    assert_eq!(names, ["author", "notes", "title"]);
    let plain = fx
        .one_with(
            &user(1),
            "lib.books",
            &b.book,
            Query::new().fields("id,version,title"),
        )
        .await
        .ok();
    assert_eq!(plain, json!({"id": b.book, "version": 1, "title": "A"}));
    let reply = fx
        .one_with(
            &user(1),
            "lib.books",
            &b.book,
            Query::new().expand("author"),
        )
        .await;
    assert!(
        matches!(&reply.0, Ok(engine::Answer::Record { etag: None, .. })),
        "no tag: the author may change"
    );
});

each_store!(
    sorting_over_a_hop_sees_hidden_records_as_null,
    APP,
    async |fx| {
        let b = books(fx).await;
        let hidden = fx
            .create(
                &system(),
                "lib.books",
                json!({"title": "Z", "author": b.hidden_author}),
            )
            .await
            .ok();
        let listed = fx
            .list(&user(1), "lib.books", Query::new().sort("author.name"))
            .await
            .data();
        assert_eq!(
            listed[0]["id"], hidden["id"],
            "its author is null to this caller, and null is lowest"
        );
        let found = fx
            .list(
                &user(1),
                "lib.books",
                Query::new().filter("author.name == 'h'"),
            )
            .await
            .data();
        assert_eq!(found.len(), 0);
        let found = fx
            .list(
                &user(1),
                "lib.books",
                Query::new().filter("author.name == null"),
            )
            .await
            .data();
        assert_eq!(found.len(), 1);
        let found = fx
            .list(
                &admin(),
                "lib.books",
                Query::new().filter("author.name == 'h'"),
            )
            .await
            .data();
        assert_eq!(found.len(), 1);
    }
);
