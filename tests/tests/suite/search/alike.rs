//! Both stores find and rank as the definition says (`spec::search`), whatever is written and whatever is asked.

use mainstay_tests::*;
use serde_json::json;
use spec::search;
use spec::statement::{Capture, Lane, Output, Shape, Statement};
use spec::{ColumnType, Value};
use std::time::{Duration, Instant};
use store::Bounds;

const APP: &str = r#"
## modules/shop/module.toml
[models.texts]
search = ["title", "body", "more"]
[models.texts.fields]
title = { type = "string", optional = true }
body  = { type = "text", optional = true }
more  = { type = "text", optional = true }
[models.texts.access]
read = "true"
"#;

/// The words of a text, as the store makes them.
async fn words(fx: &Fixture, text: &str) -> String {
    let sql = match fx.on {
        On::Sqlite => format!("SELECT mainstay_words_{}(?1)", search::VERSION),
        On::Postgres => format!(
            "SELECT coalesce(string_agg(lexeme, ' ' ORDER BY at), '') FROM \
             unnest(mainstay.words_{}($1::text)) u (lexeme, positions, weights), unnest(positions) at",
            search::VERSION
        ),
    };
    let statement = Statement {
        text: sql,
        params: vec![Value::text(text)],
        shape: std::sync::Arc::new(Shape {
            columns: vec![Output::Captured {
                ty: ColumnType::Text,
            }],
            capture: Capture::Every,
        }),
        lane: Lane::Unbounded,
    };
    let bounds = Bounds {
        emit: 1,
        deadline: Instant::now() + Duration::from_secs(10),
    };
    let rows = fx.store.read(&statement, bounds).await.expect("words");
    match rows.captured.first() {
        Some(Value::Text(text)) => text.to_string(),
        other => panic!("{other:?}"),
    }
}

each_store!(
    each_character_is_to_words_what_it_is_on_the_other_store,
    APP,
    async |fx| {
        // Letters and marks behind the character, and the character alone.
        let around = |c: char| format!("a{c}b {c} x{c}\u{301} {c}{c} .");
        let mut odd: Vec<char> = Vec::new();
        let all: Vec<char> = ('\u{1}'..='\u{FFFF}')
            .chain('\u{1D400}'..='\u{1D7FF}')
            .chain('\u{1F300}'..='\u{1FAFF}')
            .collect();
        let mut left: Vec<&[char]> = all.chunks(512).collect();
        while let Some(some) = left.pop() {
            let text: String = some.iter().map(|c| around(*c)).collect();
            if words(fx, &text).await == search::plain(&text) {
                continue;
            }
            match some {
                [c] => odd.push(*c),
                some => left.extend(some.chunks(some.len().div_ceil(2))),
            }
        }
        let shown: Vec<String> = odd.iter().map(|c| format!("{:X}", u32::from(*c))).collect();
        // Letters that got a lower case or a decomposition in a later version of Unicode than the server has.
        println!("{} differ: {shown:?}", odd.len());
        assert!(odd.len() <= 20, "{} differ: {shown:?}", odd.len());
    }
);

each_store!(long_texts_are_cut_alike, APP, async |fx| {
    for text in [
        "ab ".repeat(20_000),
        "x".repeat(150_000),
        format!("{} ", "y".repeat(99)).repeat(1_500),
        "東京".repeat(30_000),
        format!("{}é", "z".repeat(63)),
        "e\u{301}".repeat(70),
        // What PostgreSQL would put in order for minutes, and nothing would stop it.
        format!("a{}{}b", "\u{301}".repeat(50_000), "\u{316}".repeat(49_999)),
        format!("क{}ख", "\u{94D}\u{93C}".repeat(49_000)),
    ] {
        let wanted = search::plain(&text);
        let found = words(fx, &text).await;
        // PostgreSQL keeps 256 places of a word.
        match fx.on {
            On::Sqlite => assert!(found == wanted),
            On::Postgres => assert!(
                wanted.starts_with(&found) && !found.is_empty(),
                "{}",
                found.len()
            ),
        }
    }
});

const PIECES: &[&str] = &[
    "red",
    "Red",
    "réd",
    "shoe",
    "shoes",
    "sho",
    "blue",
    "東",
    "京都",
    "タワー",
    "ß",
    "ss",
    "o'neill",
    "e-mail",
    "a@b.c",
    "3.14",
    "🎉",
    "❤️",
    "ﬁ",
    "Ω",
    "ς",
    "co\u{ad}op",
    "…",
    "#",
    "x_y",
    "ا\u{64e}ب",
    "हिन्दी",
    "한국어",
    "I\u{307}",
];

fn text(random: &mut Random, most: usize) -> String {
    let count = random.below(most);
    let mut out = String::new();
    for _ in 0..count {
        out.push_str(random.word(PIECES));
        out.push_str(random.word(&[" ", " ", " ", ", ", "", "-"]));
    }
    out
}

fn query(random: &mut Random) -> String {
    let mut out = Vec::new();
    for _ in 0..=random.below(3) {
        let minus = if random.one_in(6) { "-" } else { "" };
        let star = if random.one_in(4) { "*" } else { "" };
        let word = match random.below(4) {
            0 => format!("\"{} {}\"", random.word(PIECES), random.word(PIECES)),
            1 => random.word(PIECES).chars().take(2).collect(),
            _ => random.word(PIECES).to_owned(),
        };
        out.push(format!("{minus}{word}{star}"));
    }
    out.join(" ")
}

each_store!(stores_rank_as_the_definition_says, APP, async |fx| {
    let seed = random::setting("MAINSTAY_TEST_SEED", 7);
    let mut random = Random::new(seed);
    let mut records = Vec::new();
    for _ in 0..random::setting("MAINSTAY_TEST_RECORDS", 120) {
        let fields: Vec<Option<String>> = [4, 12, 12]
            .map(|most| (!random.one_in(8)).then(|| text(&mut random, most)))
            .to_vec();
        let body = json!({"title": fields[0], "body": fields[1], "more": fields[2]});
        let made = fx.create(&system(), "shop.texts", body).await.ok();
        records.push((id(&made), fields));
    }
    let (mut asked, mut hits) = (0, 0);
    for _ in 0..random::setting("MAINSTAY_TEST_SEARCHES", 200) {
        let text = query(&mut random);
        let Ok(query) = search::Query::parse(&text, 32) else {
            continue;
        };
        let mut wanted: Vec<(i64, &str)> = records
            .iter()
            .filter_map(|(id, fields)| {
                let fields: Vec<Option<&str>> = fields.iter().map(Option::as_deref).collect();
                Some((search::rank(&query, &fields)?, id.as_str()))
            })
            .collect();
        wanted.sort_by(|a, b| b.cmp(a));
        let every = Query::new().search(&text).limit(200).count();
        let found = fx.list(&anonymous(), "shop.texts", every).await.ok();
        let ids: Vec<String> = found["data"]
            .as_array()
            .expect("records")
            .iter()
            .map(id)
            .collect();
        let wanted: Vec<String> = wanted.iter().map(|(_, id)| (*id).to_owned()).collect();
        assert_eq!(ids, wanted, "seed {seed}: {text}");
        assert_eq!(found["count"], wanted.len(), "seed {seed}: {text}");
        asked += 1;
        hits += wanted.len();
    }
    println!("{asked} searches found {hits} records");
    assert!(asked > 100 && hits > 500, "{asked} {hits}");
});
