//! Nothing of a search tells what its caller may not see.

use mainstay_tests::*;
use serde_json::json;

const APP: &str = r#"
## modules/hr/module.toml
[models.people]
search = ["name", "notes", "file"]
[models.people.fields]
name  = { type = "string" }
owner = { type = "relation", to = "auth.users" }
notes = { type = "text", optional = true, read = "owner == auth.id" }
file  = { type = "text", optional = true, read = "'hr' in auth.roles" }
[models.people.access]
read = "name != 'ghost' || owner == auth.id"

[models.secrets]
search = ["text"]
[models.secrets.fields]
text = { type = "text", read = "'hr' in auth.roles" }
[models.secrets.access]
read = "true"
"#;

const M: &str = "hr.people";

/// Every way in which a search could tell of `notes`, of `file` and of the ghost.
const SEARCHES: &[&str] = &[
    "ann",
    "a*",
    "ghost",
    "fired",
    "fire*",
    "promoted",
    "ann fired",
    "ann promoted",
    "\"ann fired\"",
    "-fired ann",
    "ann -promoted",
    "person -fired",
    "person -\"was promoted\"",
    "person",
    "person was",
    "secret",
    "person -secret",
];

each_store!(hidden_texts_change_no_search, APP, async |fx| {
    let mut made: Vec<String> = Vec::new();
    let mut answers: Vec<Vec<String>> = Vec::new();
    let mut owners: Vec<Vec<String>> = Vec::new();
    // Two worlds that differ in what a stranger may not see, and in nothing else.
    for (notes, file, ghosts) in [
        ("ann was fired", "person, secret", 1),
        ("person was promoted, person, person", "ann ann", 4),
    ] {
        for id in made.drain(..) {
            fx.delete(&system(), M, &id).await.done();
        }
        for (n, name) in ["ann, a person", "person", "bob", "a person called bob"]
            .into_iter()
            .chain(vec!["ghost"; ghosts])
            .enumerate()
        {
            let notes = if n % 2 == 0 { notes } else { "" };
            // With the same keys in both worlds.
            let id_ = format!("0190aaaa-0000-7000-8000-{n:012}");
            let body = json!({
                "id": id_, "name": name, "owner": uid(1), "notes": notes, "file": file,
            });
            made.push(id(&fx.create(&system(), M, body).await.ok()));
        }
        for (who, all) in [(user(2), &mut answers), (user(1), &mut owners)] {
            let mut said = Vec::new();
            for search in SEARCHES {
                for sort in ["", "name"] {
                    let query = Query::new().search(search).sort(sort).snippets().count();
                    let mut page = fx.list(&who, M, query).await.ok();
                    for record in page["data"].as_array_mut().expect("records") {
                        record["created_at"].take();
                        record["updated_at"].take();
                    }
                    said.push(format!("{search} {sort}: {page}"));
                }
            }
            all.push(said);
        }
    }
    assert_eq!(answers[0], answers[1]);
    // Their owner does see a difference, or the rest would show nothing.
    let differ = owners[0].iter().zip(&owners[1]).filter(|(a, b)| a != b);
    assert!(differ.count() > 20);
});

each_store!(
    a_field_is_searched_by_those_who_may_read_it,
    APP,
    async |fx| {
        let body = json!({"name": "ann", "owner": uid(1), "notes": "likes tea", "file": "warned"});
        fx.create(&system(), M, body).await.ok();
        let body = json!({"name": "bob", "owner": uid(2), "notes": "likes tea", "file": "praised"});
        fx.create(&system(), M, body).await.ok();
        let found = async |who: &spec::Principal, search: &str| -> Vec<String> {
            let query = Query::new().search(search).snippets();
            let page = fx.list(who, M, query).await.ok();
            let data = page["data"].as_array().expect("records");
            let snippets = page["snippets"].as_array().expect("snippets");
            data.iter()
                .zip(snippets)
                .map(|(one, snippet)| format!("{} {snippet}", one["name"]))
                .collect()
        };
        let none: &[&str] = &[];
        assert_eq!(found(&anonymous(), "tea").await, none);
        assert_eq!(
            found(&user(1), "tea").await,
            ["\"ann\" {\"notes\":\"likes <mark>tea</mark>\"}"]
        );
        assert_eq!(
            found(&user(2), "likes tea").await,
            ["\"bob\" {\"notes\":\"<mark>likes</mark> <mark>tea</mark>\"}"]
        );
        assert_eq!(found(&user(2), "bob -tea").await, none);
        assert_eq!(
            found(&user(1), "bob -tea").await,
            ["\"bob\" {\"name\":\"<mark>bob</mark>\"}"]
        );
        assert_eq!(found(&user(1), "warned").await, none);
        assert_eq!(found(&user(1), "ann -warned").await.len(), 1);
        let hr = with_roles(3, &["hr"]);
        assert_eq!(
            found(&hr, "warned").await,
            ["\"ann\" {\"file\":\"<mark>warned</mark>\"}"]
        );
        assert_eq!(found(&hr, "tea").await, none);
        assert_eq!(found(&admin(), "tea").await.len(), 2);
        // Where nothing is left to search, the answer says so whatever is stored.
        for search in ["x", "secret"] {
            let reply = fx
                .list(&user(1), "hr.secrets", Query::new().search(search))
                .await;
            assert_eq!(reply.code(), "request.bad_search");
            assert!(
                !reply.problem().detail.contains("text"),
                "{}",
                reply.problem().detail
            );
        }
        fx.list(&hr, "hr.secrets", Query::new().search("x"))
            .await
            .ok();
    }
);
