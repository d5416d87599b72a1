//! Every bound that a problem can name is a setting: named as in the reference, met at the value that was set.

use mainstay_tests::http::{Connection, Reply, encoded};
use mainstay_tests::served::Served;
use mainstay_tests::*;
use serde_json::Value as Json;
use std::collections::BTreeSet;

const APP: &str = r#"
name = "bounds"
[limits]
page = 7
page_default = 5
nested_page = 6
expand_depth = 2
expand = 3
answer = 200
filter = 200
filter_nodes = 9
filter_depth = 4
body = 1024
json_depth = 5
members = 10
batch = 4
groups = 3
aggregates = 2
search = 20
search_words = 3
query_time = "1s"
address = 2000
headers = 1024
query = 600
head_time = "300ms"
body_time = "400ms"
## modules/m/module.toml
[models.notes]
search = ["text"]
[models.notes.fields]
text = { type = "string" }
[models.notes.access]
read = "true"

[models.items.fields]
n     = { type = "int" }
attrs = { type = "json", optional = true }
next  = { type = "relation", to = "items", optional = true, inverse = "before" }
[models.items.access]
read = "true"
create = "true"
"#;

const ITEMS: &str = "/api/m/items";

/// The limit that a problem names; with a word for the table below.
fn named(reply: &Reply, what: &str) -> (String, u64) {
    reply.problem();
    let limit = reply.json()["limit"].clone();
    let name = limit["name"].as_str().unwrap_or_else(|| {
        panic!("{what} names no limit: {}", reply.text());
    });
    (name.to_owned(), limit["value"].as_u64().expect("a value"))
}

async fn sent(served: &Served, bytes: &[u8]) -> Reply {
    let mut connection = Connection::open(served.address).await.expect("open");
    // The rest of what is too much may be refused before it is sent.
    let _ = connection.send(bytes).await;
    connection.answer(false).await.expect("an answer")
}

async fn every_limit(served: &Served) {
    let caller = served.anonymous();
    let get = async |query: &str| caller.get(&format!("{ITEMS}?{query}")).await;
    let post = async |body: &str| {
        let headers = [("Content-Type", "application/json")];
        caller.send("POST", ITEMS, &headers, body.as_bytes()).await
    };
    let filter = |text: String| format!("filter={}", encoded(&text));
    let long = "x".repeat(3000);
    let head = |line: String| format!("GET {line}\r\n\r\n").into_bytes();
    let begun = |text: &str| text.as_bytes().to_vec();
    let met: Vec<(&str, u64, Reply)> =
        vec![
        ("limits.page", 7, get("limit=8").await),
        ("limits.nested_page", 6, get("expand=before(limit:7)").await),
        ("limits.expand_depth", 2, get("expand=next.next.next").await),
        (
            "limits.expand",
            3,
            get("expand=next.next,before.next,next.before").await,
        ),
        (
            "limits.answer",
            200,
            get("limit=7&expand=before(limit:6).before(limit:6)").await,
        ),
        (
            "limits.groups",
            3,
            caller
                .get(&format!("{ITEMS}/aggregate?count=*&limit=4"))
                .await,
        ),
        (
            "limits.aggregates",
            2,
            caller
                .get(&format!("{ITEMS}/aggregate?count=*,n&sum=n"))
                .await,
        ),
        (
            "limits.search",
            20,
            caller.get("/api/m/notes?search=xxxxxxxxxxxxxxxxxxxxx").await,
        ),
        (
            "limits.search_words",
            3,
            caller.get("/api/m/notes?search=a+b+c+d").await,
        ),
        (
            "limits.members",
            10,
            post(&format!("{{{}}}", ["\"x\":1"; 11].join(","))).await,
        ),
        (
            "limits.batch",
            4,
            post(&format!("[{}]", ["{\"n\":1}"; 5].join(","))).await,
        ),
        (
            "limits.filter",
            200,
            get(&filter(format!("'{}' == 'y'", "x".repeat(200)))).await,
        ),
        (
            "limits.filter_nodes",
            9,
            get(&filter(["n==1"; 6].join("||"))).await,
        ),
        (
            "limits.filter_depth",
            4,
            get(&filter(format!("{}n==1{}", "!(".repeat(6), ")".repeat(6)))).await,
        ),
        ("limits.query", 600, get(&"n=1&".repeat(200)).await),
        (
            "limits.body",
            1024,
            post(&format!("{{\"n\":1{}}}", " ".repeat(1024))).await,
        ),
        (
            "limits.json_depth",
            5,
            post("{\"n\":1,\"attrs\":[[[[[[1]]]]]]}").await,
        ),
        (
            "limits.address",
            2000,
            sent(served, &head(format!("/{long} HTTP/1.1\r\nHost: x"))).await,
        ),
        (
            "limits.headers",
            1024,
            sent(
                served,
                &head(format!("{ITEMS} HTTP/1.1\r\nHost: x\r\nX-Long: {long}")),
            )
            .await,
        ),
        // Beyond what is buffered at all.
        (
            "limits.headers",
            1024,
            sent(
                served,
                &head(format!(
                    "{ITEMS} HTTP/1.1\r\nHost: x\r\nX-Long: {}",
                    "x".repeat(300_000)
                )),
            )
            .await,
        ),
        (
            "limits.head_time",
            300,
            sent(served, &begun("GET /livez HTTP/1.1\r\nHost: x\r\n")).await,
        ),
        (
            "limits.body_time",
            400,
            sent(
                served,
                &begun(
                    "POST /api/m/items HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n\
                     Content-Length: 9\r\n\r\n{",
                ),
            )
            .await,
        ),
    ];
    let mut met = met;
    if served.place.on == On::Postgres {
        let waited = while_locked(served).await;
        assert_eq!(waited.word(), "503 store.busy");
        assert!(waited.header("retry-after").is_some());
        met.push(("limits.query_time", 1000, waited));
    }
    let reference = spec::load::reference::markdown();
    let mut seen = BTreeSet::from([
        "limits.page_default".to_owned(),
        "limits.query_time".to_owned(),
        // What it bounds is answered, and not refused: see `search`.
        "limits.search_ranked".to_owned(),
        // Its least value takes more than the bodies here may have: see `many::bounds`.
        "limits.batch_bytes".to_owned(),
    ]);
    for (name, value, reply) in &met {
        assert_eq!(named(reply, name), ((*name).to_owned(), *value), "{name}");
        let key = name.strip_prefix("limits.").expect("one of [limits]");
        let row = format!("| `{key}` |");
        assert!(reference.contains(&row), "{name} is no setting");
        seen.insert((*name).to_owned());
    }
    // And every setting of the table was met, but for a default, and on SQLite for a time that nothing takes.
    let settings: BTreeSet<String> = limits().collect();
    assert_eq!(seen, settings);
}

/// A list while somebody else has the table to themselves.
async fn while_locked(served: &Served) -> Reply {
    let (mut client, connection) =
        tokio_postgres::connect(&served.place.url, tokio_postgres::NoTls)
            .await
            .expect("the database");
    tokio::spawn(connection);
    let lock = client.transaction().await.expect("a transaction");
    lock.batch_execute("LOCK TABLE m.items IN ACCESS EXCLUSIVE MODE")
        .await
        .expect("the lock");
    let reply = served.anonymous().get(ITEMS).await;
    lock.rollback().await.expect("to let go");
    reply
}

/// The keys of `[limits]`, from the schema that editors use.
fn limits() -> impl Iterator<Item = String> {
    let schema: Json = spec::load::schema::app_schema();
    let table = schema["properties"]["limits"]["properties"].clone();
    let keys: Vec<String> = table.as_object().expect("keys").keys().cloned().collect();
    keys.into_iter().map(|key| format!("limits.{key}"))
}

each_server!(every_limit_is_a_setting, APP, every_limit);

/// `limits.…` and `server.…` in what is said of each code are settings, too.
#[test]
fn hints_name_settings() {
    let keys: BTreeSet<String> = limits().collect();
    for entry in spec::problem::CATALOGUE {
        for word in entry.hint.split([' ', ',', ';']) {
            if word.starts_with("limits.") {
                let word = word.trim_end_matches('.');
                assert!(keys.contains(word), "{}: {word}", entry.name);
            }
        }
    }
    let told: String = spec::problem::CATALOGUE.iter().map(|e| e.hint).collect();
    assert!(told.contains("limits.address") && told.contains("limits.headers"));
}

const WIDE: &str = r#"
## modules/m/module.toml
[models.items.fields]
wide = { type = "string", max = 1000 }
[models.items.access]
read = "true"
create = "true"
"#;

/// A page may end on the longest value that can be sorted by: the next one begins behind it.
async fn a_long_cursor(served: &Served) {
    let caller = served.anonymous();
    for last in ["a", "b", "c"] {
        let wide = format!("{}{last}", "😀".repeat(999));
        let body = serde_json::json!({ "wide": wide });
        caller.post(ITEMS, body).await.expect(201);
    }
    let first = format!("{ITEMS}?sort=wide&limit=1");
    let mut path = first.clone();
    let mut seen = Vec::new();
    loop {
        let page = caller.get(&path).await.expect(200);
        let wide = page["data"][0]["wide"].as_str().expect("a value");
        seen.push(wide.chars().last().expect("a letter"));
        match page["next_cursor"].as_str() {
            Some(cursor) => path = format!("{first}&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen, ['a', 'b', 'c']);
}

each_server!(a_cursor_comes_back, WIDE, a_long_cursor);
