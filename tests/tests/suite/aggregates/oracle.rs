//! Random records, aggregated by the store and again here, in exact arithmetic.

use mainstay_tests::*;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;

const APP: &str = r#"
[limits]
groups = 5000
## modules/m/module.toml
[models.kinds.fields]
name = { type = "string" }
[models.kinds.access]
read = "true"

[models.rows.fields]
word  = { type = "string", optional = true }
flag  = { type = "bool" }
n     = { type = "int", optional = true }
whole = { type = "decimal", scale = 0, optional = true }
price = { type = "decimal", scale = 2, optional = true }
fine  = { type = "decimal", scale = 16, optional = true }
day   = { type = "date", optional = true }
at    = { type = "datetime", optional = true }
kind  = { type = "relation", to = "kinds", optional = true }
mine  = { type = "decimal", scale = 3, optional = true, read = "flag" }
[models.rows.access]
read = "n == null || n != 13"
"#;

const M: &str = "m.rows";
const NUMBERS: [(&str, u8); 5] = [
    ("n", 0),
    ("whole", 0),
    ("price", 2),
    ("fine", 16),
    ("mine", 3),
];

/// A decimal of so many units.
fn decimal(units: i128, scale: u8) -> String {
    let digits = format!(
        "{:0>width$}",
        units.unsigned_abs(),
        width = usize::from(scale) + 1
    );
    let (whole, fraction) = digits.split_at(digits.len() - usize::from(scale));
    let sign = if units < 0 { "-" } else { "" };
    let point = if scale == 0 { "" } else { "." };
    format!("{sign}{whole}{point}{fraction}")
}

fn units(text: &str) -> i128 {
    text.replace('.', "").parse().expect("a decimal")
}

/// Rounded half to even.
fn divided(units: i128, n: i128) -> i128 {
    let (down, rest) = (units.div_euclid(n), units.rem_euclid(n));
    match (rest * 2).cmp(&n) {
        std::cmp::Ordering::Less => down,
        std::cmp::Ordering::Greater => down + 1,
        std::cmp::Ordering::Equal => down + down.rem_euclid(2),
    }
}

fn random_units(random: &mut Random) -> i128 {
    // Digits first: small numbers and those at the end of the range are as many.
    let most = 10i128.pow(1 + random.below(17) as u32);
    let units = i128::from(random.next()) % most;
    if random.one_in(2) { -units } else { units }
}

fn row(random: &mut Random, kinds: &[String]) -> Json {
    let mut row = Map::new();
    row.insert("flag".to_owned(), json!(random.one_in(2)));
    let mut put = |random: &mut Random, name: &str, value: Json| {
        if !random.one_in(5) {
            row.insert(name.to_owned(), value);
        }
    };
    let word = random.word(&["a", "b", "B", "é", "", "a b"]);
    put(random, "word", json!(word));
    let n = *random.pick(&[0i64, 1, -1, 2, 7, 13, 100, -250, 4_000_000_000]);
    put(random, "n", json!(n));
    for (name, scale) in &NUMBERS[1..] {
        let value = decimal(random_units(random), *scale);
        put(random, name, json!(value));
    }
    let day = random.below(800) as i32 - 400;
    put(random, "day", json!(spec::time::date_text(day)));
    let at = random.next() as i64 % 40_000_000_000_000;
    put(random, "at", json!(spec::time::timestamp_text(at)));
    let kind = random.pick(kinds).clone();
    put(random, "kind", json!(kind));
    Json::Object(row)
}

/// What a caller sees of a field: nothing of `mine` where its rule does not hold.
fn seen<'r>(row: &'r Json, field: &str) -> &'r Json {
    match field {
        "mine" if row["flag"] != true => &Json::Null,
        field => &row[field],
    }
}

fn key(row: &Json, field: &str, names: &BTreeMap<String, String>) -> Json {
    match field.split_once('.') {
        None => seen(row, field).clone(),
        Some(("kind", _)) => match row["kind"].as_str() {
            Some(id) => json!(names[id]),
            None => Json::Null,
        },
        Some((field, part)) => {
            let Some(text) = row[field].as_str() else {
                return Json::Null;
            };
            match part {
                "year" => json!(text[..4].parse::<i64>().expect("a year")),
                "month" => json!(&text[..7]),
                "day" => json!(&text[..10]),
                "hour_of_day" => json!(text[11..13].parse::<i64>().expect("an hour")),
                "hour" => json!(format!("{}:00:00.000000Z", &text[..13])),
                "quarter" => {
                    let month: u32 = text[5..7].parse().expect("a month");
                    json!(format!("{}-Q{}", &text[..4], month.div_ceil(3)))
                }
                other => panic!("no way to compute {other}"),
            }
        }
    }
}

/// What a group's records amount to, in the order of the columns.
fn amounts(rows: &[&Json]) -> Vec<(String, Json)> {
    let mut out = vec![("count".to_owned(), json!(rows.len()))];
    for (field, scale) in NUMBERS {
        let values: Vec<i128> = rows
            .iter()
            .filter_map(|row| match seen(row, field) {
                Json::Null => None,
                Json::String(text) => Some(units(text)),
                number => number.as_i64().map(i128::from),
            })
            .collect();
        let plain = field == "n";
        let shown = |value: i128| match plain {
            true => json!(value as i64),
            false => json!(decimal(value, scale)),
        };
        let sum: i128 = values.iter().sum();
        let average = || {
            let to = (scale + 4).min(18);
            let value = divided(
                sum * 10i128.pow(u32::from(to - scale)),
                values.len() as i128,
            );
            json!(decimal(value, to))
        };
        let some = !values.is_empty();
        let or_null = |value: Option<Json>| value.unwrap_or(Json::Null);
        out.push((format!("count_{field}"), json!(values.len())));
        out.push((format!("sum_{field}"), or_null(some.then(|| shown(sum)))));
        out.push((format!("avg_{field}"), or_null(some.then(average))));
        out.push((
            format!("min_{field}"),
            or_null(values.iter().min().map(|v| shown(*v))),
        ));
        out.push((
            format!("max_{field}"),
            or_null(values.iter().max().map(|v| shown(*v))),
        ));
    }
    out
}

each_store!(what_is_computed_here_is_answered, APP, async |fx| {
    let seed = random::setting("MAINSTAY_AGGREGATES_SEED", 20_261_128);
    let mut random = Random::new(seed);
    let mut names = BTreeMap::new();
    for name in ["one", "two", "three"] {
        let made = fx.create(&system(), "m.kinds", json!({"name": name})).await;
        names.insert(id(&made.ok()), name.to_owned());
    }
    let kinds: Vec<String> = names.keys().cloned().collect();
    let rows: Vec<Json> = (0..400).map(|_| row(&mut random, &kinds)).collect();
    fx.import(M, &rows).await;
    let visible: Vec<&Json> = rows.iter().filter(|row| row["n"] != 13).collect();
    let all_amounts = {
        let fields: Vec<&str> = NUMBERS.iter().map(|(field, _)| *field).collect();
        fields.join(",")
    };
    let keys = [
        "word",
        "flag",
        "n",
        "price",
        "day",
        "kind",
        "kind.name",
        "mine",
        "at.year",
        "at.month",
        "at.day",
        "at.hour",
        "at.hour_of_day",
        "at.quarter",
        "day.year",
        "day.month",
        "day.quarter",
    ];
    let mut groups_seen = 0;
    for _ in 0..40 {
        let mut by: Vec<&str> = Vec::new();
        for _ in 0..random.below(4) {
            let key = *random.pick(&keys);
            if !by.contains(&key) {
                by.push(key);
            }
        }
        let least = random.below(4) as i64;
        let mut expected: BTreeMap<String, Vec<&Json>> = BTreeMap::new();
        for row in &visible {
            let key: Vec<Json> = by.iter().map(|field| key(row, field, &names)).collect();
            expected
                .entry(json!(key).to_string())
                .or_default()
                .push(row);
        }
        expected.retain(|_, rows| rows.len() as i64 >= least);
        // A few functions at a time: 20 are the most.
        for function in ["count", "sum", "avg", "min", "max"] {
            let mut query = format!("{function}={all_amounts}");
            match function {
                "count" => query = query.replace("count=", "count=*,"),
                _ => query.push_str("&count=*"),
            }
            if !by.is_empty() {
                query.push_str(&format!("&group_by={}", by.join(",")));
            }
            query.push_str(&format!("&having=count >= {least}"));
            let answer = fx.aggregate(&anonymous(), M, &query).await.ok();
            assert_eq!(answer["more"], false);
            let answered = answer["data"].as_array().expect("groups");
            assert_eq!(answered.len(), expected.len(), "seed {seed}: {query}");
            for group in answered {
                let key: Vec<&Json> = by.iter().map(|field| &group[*field]).collect();
                let rows = expected
                    .get(&json!(key).to_string())
                    .unwrap_or_else(|| panic!("seed {seed}: {query}: no such group: {group}"));
                for (name, value) in amounts(rows) {
                    if name == "count" || name.starts_with(&format!("{function}_")) {
                        assert_eq!(
                            group[&name], value,
                            "seed {seed}: {query}: {name} of {group}"
                        );
                    }
                }
                groups_seen += 1;
            }
        }
    }
    println!("{groups_seen} groups");
});

each_store!(the_order_is_that_of_the_exact_values, APP, async |fx| {
    let mut random = Random::new(7);
    let rows: Vec<Json> = (0..300)
        .map(|n| {
            let price = decimal(random_units(&mut random), 2);
            json!({"flag": true, "word": format!("w{:02}", n % 40), "price": price})
        })
        .collect();
    fx.import(M, &rows).await;
    for column in ["sum_price", "avg_price", "max_price", "count"] {
        for sign in ["", "-"] {
            let query = format!(
                "group_by=word&count=*&sum=price&avg=price&max=price&sort={sign}{column},word"
            );
            let groups = fx.aggregate(&anonymous(), M, &query).await.data();
            assert_eq!(groups.len(), 40);
            let values: Vec<i128> = groups
                .iter()
                .map(|group| match &group[column] {
                    Json::String(text) => units(text),
                    number => i128::from(number.as_i64().expect("a number")),
                })
                .collect();
            let sorted = match sign {
                "" => values.is_sorted(),
                _ => values.iter().rev().is_sorted(),
            };
            assert!(sorted, "{query}: {values:?}");
        }
    }
});
