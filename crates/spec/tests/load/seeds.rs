//! Seeds: which lines could be records, value by value.

use crate::{SHOP, lines, load_texts};

const SEED: &str = "modules/shop/seed/things.jsonl";

const THINGS: &str = r#"
[models.things]
id = "int"

[models.things.fields]
name = { type = "string", max = 5, optional = true }
kind = { type = "enum", values = ["a", "b"], optional = true }
count = { type = "int", min = 1, max = 9, optional = true }
ratio = { type = "float", max = 1, optional = true }
price = { type = "decimal", scale = 2, optional = true }
live = { type = "bool", optional = true }
at = { type = "datetime", optional = true }
day = { type = "date", optional = true }
tag = { type = "uuid", optional = true }
next = { type = "relation", to = "things", optional = true }
owner = { type = "relation", to = "auth.users", optional = true }
data = { type = "json", optional = true }
words = { type = "list", items = "string", max = 2, optional = true }
sums = { type = "list", items = "int", optional = true }
mail = { type = "email", optional = true }
home = { type = "url", optional = true }
step = { type = "int", default = "1" }
part = { type = "relation", to = "parts", optional = true }

[models.things.access]
read = "true"

[models.parts]
id = "string"
[models.parts.access]
read = "true"
"#;

fn said(seed: &str) -> Vec<String> {
    let loaded = load_texts(&[(SHOP, THINGS), (SEED, seed)]);
    let helps = loaded
        .diagnostics
        .iter()
        .map(|d| d.help.clone().unwrap_or_default());
    lines(&loaded.diagnostics, &loaded.sources)
        .into_iter()
        .zip(helps)
        .map(|(line, help)| format!("{line} / {help}"))
        .collect()
}

#[test]
fn what_could_be_a_record_is_let_through() {
    for line in [
        r#"{}"#,
        r#"{"id": 7, "name": "Grüße", "kind": "a", "count": 9, "ratio": 1, "price": "1.50", "live": true}"#,
        r#"{"count": 7.0, "price": 1.5, "next": 3, "data": [{"x": null}], "words": ["a", "b"]}"#,
        r#"{"at": "2026-01-31T12:00:00+02:00", "day": "2026-01-31", "owner": "01980000-0000-7000-8000-000000000001"}"#,
        r#"{"name": null, "created_at": "2026-01-31T12:00:00Z"}"#,
    ] {
        assert_eq!(said(line), Vec::<String>::new(), "{line}");
        assert_eq!(
            said(&format!("\n{line}\r\n\n")),
            Vec::<String>::new(),
            "{line}"
        );
    }
}

#[test]
fn what_a_field_does_not_take_is_said_with_what_it_does() {
    for (line, says) in [
        (r#"{"id": "7"}"#, "without quotes"),
        (r#"{"name": "longer"}"#, "at most 5 characters"),
        (r#"{"name": 5}"#, "a string in quotes"),
        (r#"{"kind": "c"}"#, "write `a` or `b`"),
        (r#"{"count": "3"}"#, "without quotes, from 1 to 9"),
        (r#"{"count": 1.5}"#, "a whole number"),
        (r#"{"count": 10}"#, "from 1 to 9"),
        (r#"{"ratio": 2}"#, "of at most 1"),
        (r#"{"price": "1.505"}"#, "at most 2 digits"),
        (r#"{"live": 1}"#, "`true` or `false`"),
        (r#"{"at": "2026-01-31"}"#, "write 2026-01-31T00:00:00Z"),
        (r#"{"at": 5}"#, "`\"2026-01-31T12:00:00Z\"`"),
        (r#"{"day": "31.1.2026"}"#, "a day in quotes"),
        (r#"{"tag": "x"}"#, "a uuid"),
        (r#"{"next": "x"}"#, "a whole number without quotes"),
        (r#"{"owner": "anna"}"#, "a uuid in quotes"),
        (r#"{"words": "a"}"#, "a list"),
        (r#"{"words": [1]}"#, "type `string`"),
        (r#"{"words": ["a", "b", "c"]}"#, "at most 2"),
        (r#"{"nmae": "x"}"#, "write `name`"),
        (r#"{"name": "a", "name": "b"}"#, "there twice"),
        (r#"{"count": 9007199254740993}"#, "2^53"),
        (r#"{"count": -9223372036854775808}"#, "2^53"),
        (r#"{"price": 1.505}"#, "2 of them behind the point"),
        (r#"{"price": 99999999999999999.5}"#, "18 digits"),
        (r#"{"mail": "anna"}"#, "not an "),
        (r#"{"home": "http://[::1"}"#, "not an "),
        (r#"{"sums": [1.5]}"#, "Item 0 of sums"),
        (r#"{"step": null}"#, "leave it out"),
        (r#"{"version": 3}"#, "leave it out"),
        (r#"{"part": "aggregate"}"#, "the id of a record"),
    ] {
        let said = said(&format!("{{}}\n{line}\n"));
        assert_eq!(said.len(), 1, "{line}: {said:?}");
        assert!(
            said[0].starts_with(&format!("{SEED}:2:2 bad-seed"))
                || said[0].starts_with(&format!("{SEED}:2:1 bad-seed")),
            "{said:?}"
        );
        assert!(said[0].contains(says), "{line}: {said:?}");
    }
}

#[test]
fn models_that_are_being_mended_are_not_held_against_seeds() {
    let broken = THINGS.replace("type = \"bool\"", "type = \"boolean\"");
    let loaded = load_texts(&[(SHOP, &broken), (SEED, "{\"live\": 1}\n{nonsense\n")]);
    let said = lines(&loaded.diagnostics, &loaded.sources);
    assert_eq!(said.len(), 2, "{said:?}");
    assert!(said[0].contains("`boolean` is not a type"), "{said:?}");
    assert!(said[1].contains("is no JSON object"), "{said:?}");
}

#[test]
fn a_large_seed_is_looked_at_as_far_as_it_is_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let root = folder.path();
    std::fs::create_dir_all(root.join("modules/shop/seed")).expect("a folder");
    std::fs::write(root.join("mainstay.toml"), b"").expect("a file");
    std::fs::write(root.join(SHOP), THINGS).expect("a file");
    // Lines of 19 bytes, so that the end of what is read cuts one, in the middle of a character.
    let mut seed = "{\"name\": \"\u{fc}\u{fc}\"} \n".repeat(60_000);
    seed.push_str("{nonsense}\n");
    std::fs::write(root.join(SEED), &seed).expect("a file");
    assert_eq!(spec::load::load(root).diagnostics.len(), 0);
    seed.insert_str(0, "{nonsense}\n");
    std::fs::write(root.join(SEED), &seed).expect("a file");
    assert_eq!(spec::load::load(root).diagnostics.len(), 1);
}

/// One field is wrong: everything that is not about it is said all the same.
#[test]
fn what_is_broken_excuses_nothing_else() {
    let broken = |module: &str, seed: &str| {
        let loaded = load_texts(&[(SHOP, module), (SEED, seed)]);
        assert!(loaded.app.is_none());
        lines(&loaded.diagnostics, &loaded.sources)
    };
    let module = r#"
[models.things.fields]
status = { type = "enun", values = ["a"] }
size = { type = "int", max = "many" }
name = { type = "string", max = 5, check = "name.size() > nothing" }
other = { type = "relation", to = "keyed", optional = true }
[models.things.access]
read = "status == 'a' || nme == 'x'"
update = "status == 5"
[models.keyed]
id = "intt"
"#;
    let seed = r#"{"status": 7, "size": "x", "name": "short", "other": 9}
{"nam": "x"}
{"status": "a", "zzz": 1, "name": "x"}
"#;
    let said = broken(module, seed).join("\n");
    for text in [
        "`enun` is not a type",
        "`max` takes a number",
        "has no field `nothing`",
        "has no field `nme`",
        "has no field `nam`",
        "has no field `zzz`",
        "`intt` is not one of the values here",
    ] {
        assert!(said.contains(text), "{text}: {said}");
    }
    // What a broken declaration would be needed for is not blamed on rules and seeds.
    for blamed in [
        "has no field `status`",
        "no `size`",
        "no `status`",
        "status is",
        "size must",
        "other must",
        "`5`",
    ] {
        assert!(!said.contains(blamed), "{blamed}: {said}");
    }
    // In a file that does not parse, and in a model of which not even the key is known, nothing is certain.
    for module in [
        "[models.things.fields]\nname = {",
        "[models.things]\nid = \"intt\"\n[models.things.fields]\n",
    ] {
        let said = broken(module, "{\"id\": \"7\", \"zzz\": 1}\n").join("\n");
        assert!(!said.contains("bad-seed"), "{said}");
    }
}
