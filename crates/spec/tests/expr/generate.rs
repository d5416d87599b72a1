//! Expressions and records for the properties: well typed over `shop.toml`, with every operator, type and null.

use proptest::prelude::*;
use spec::{App, Decimal, Principal, Uuid, Value};

pub fn shop() -> App {
    let files = vec![
        ("mainstay.toml".into(), "name = \"shop\"\n".to_owned()),
        (
            "modules/shop/module.toml".into(),
            include_str!("shop.toml").to_owned(),
        ),
    ];
    spec::load::load_sources(files)
        .app
        .expect("the fixture loads")
}

fn pick(of: &'static [&'static str]) -> BoxedStrategy<String> {
    prop::sample::select(of).prop_map(str::to_owned).boxed()
}

/// A comparison or test without conditions in it. `v` may be a variable in reach.
fn atom() -> BoxedStrategy<String> {
    let order = || pick(&["==", "!=", "<", "<=", ">", ">="]);
    let equal = || pick(&["==", "!="]);
    let compared =
        |left: BoxedStrategy<String>, right: BoxedStrategy<String>, op: BoxedStrategy<String>| {
            (left, op, right)
                .prop_map(|(l, op, r)| format!("{l} {op} {r}"))
                .boxed()
        };
    let ints = || {
        prop_oneof![
            pick(&[
                "qty",
                "stock",
                "0",
                "1",
                "-3",
                "size(name)",
                "size(tags)",
                "size(attrs.l)"
            ]),
            pick(&[
                "qty + 1",
                "qty * stock",
                "-qty",
                "qty % stock",
                "(active ? qty : 1)",
                "int(name)"
            ]),
        ]
        .boxed()
    };
    let texts = || {
        pick(&[
            "name",
            "note",
            "'a'",
            "''",
            "'á\\'b'",
            "auth.email",
            "auth.kind",
            "string(qty)",
            "name + note",
        ])
    };
    let floats = || {
        pick(&[
            "weight",
            "1.5",
            "-0.5",
            "double(qty)",
            "weight * 2.0",
            "weight / 2.0",
        ])
    };
    let decimals = || {
        pick(&[
            "price",
            "cost",
            "1.5",
            "0",
            "price * 1.1",
            "price + cost",
            "-cost",
        ])
    };
    let moments = || {
        pick(&[
            "at",
            "now",
            "now - duration('1h')",
            "timestamp('2026-01-01T00:00:00Z')",
            "at + duration('90m')",
        ])
    };
    let uuids = || {
        pick(&[
            "token",
            "seller",
            "maker",
            "auth.id",
            "category",
            "old.seller",
            "id",
        ])
    };
    let paths = || {
        pick(&[
            "attrs.s",
            "attrs.n",
            "attrs.u",
            "attrs.b",
            "attrs.l[0]",
            "attrs['x y']",
            "tags[0]",
            "nums[1]",
        ])
    };
    let json = || pick(&["'a'", "1", "1.5", "true", "auth.id", "''", "auth.email"]);
    prop_oneof![
        compared(ints(), ints(), order()),
        compared(ints(), floats(), order()),
        compared(texts(), texts(), order()),
        compared(floats(), floats(), order()),
        compared(decimals(), decimals(), order()),
        compared(moments(), moments(), order()),
        compared(uuids(), uuids(), equal()),
        compared(
            pick(&["due", "date(now)", "date(at)"]),
            pick(&["due", "date('2026-01-31')"]),
            order()
        ),
        compared(
            pick(&["status"]),
            pick(&["'draft'", "'active'", "old.status"]),
            order()
        ),
        compared(paths(), json(), equal()),
        compared(paths(), pick(&["'a'", "1", "1.5", "0"]), order()),
        compared(
            prop_oneof![paths(), texts(), uuids(), ints()].boxed(),
            pick(&["null"]),
            equal(),
        ),
        compared(
            pick(&["active", "(qty > 1)", "true"]),
            pick(&["active", "false", "true"]),
            equal()
        ),
        (
            texts(),
            pick(&["startsWith", "endsWith", "contains"]),
            texts()
        )
            .prop_map(|(s, f, a)| format!("{s}.{f}({a})").replace("name + note.", "note."))
            .boxed(),
        pick(&[
            "active",
            "true",
            "false",
            "name.matches('^[a-z]*$')",
            "'a' in tags",
            "name in tags",
            "1 in nums",
            "qty in nums",
            "'a' in attrs.l",
            "auth.id in [seller, maker]",
            "name in ['a', 'b', note]",
            "qty in [1, 2, stock]",
            "name in []",
            "weight in [1, 2.5]",
            "price in [1.5, 0]",
            "attrs.s in ['a', 'x']",
            "'admin' in auth.roles",
            "has(attrs.s)",
            "has(attrs.n.deep)",
            "auth.roles.exists(r, r == name)",
            "auth.roles.all(r, r in tags)",
            "[name, note].exists(x, x == 'a')",
            "tags.exists(t, t.startsWith('a') && t in auth.roles)",
            "nums.all(n, n > 0 && nums.exists(m, m == n))",
            "attrs.l.exists(x, x == 'a' || x == 1)",
            "1 / stock == 1",
            "int(note) > 1",
        ]),
    ]
    .boxed()
}

/// A condition.
pub fn condition() -> BoxedStrategy<String> {
    atom()
        .prop_recursive(4, 24, 4, |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 2..4)
                    .prop_map(|items| format!("({})", items.join(" && "))),
                prop::collection::vec(inner.clone(), 2..4)
                    .prop_map(|items| format!("({})", items.join(" || "))),
                inner.clone().prop_map(|x| format!("!({x})")),
                inner.clone().prop_map(|x| format!("!!({x})")),
                (inner.clone(), inner.clone(), inner.clone())
                    .prop_map(|(a, b, c)| format!("({a} ? {b} : {c})")),
                (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("({a}) == ({b})")),
                inner.prop_map(|x| format!("auth.roles.exists(r, r == note || {x})")),
            ]
        })
        .boxed()
}

fn value(field: &str) -> BoxedStrategy<Value> {
    let texts =
        |of: &'static [&'static str]| prop::sample::select(of).prop_map(Value::from).boxed();
    let some: BoxedStrategy<Value> = match field {
        "name" | "note" | "contact" => texts(&["", "a", "á'b", "ab", "7", "admin"]),
        "status" => texts(&["draft", "active", "sold"]),
        "qty" | "stock" | "version" => (-3i64..4).prop_map(Value::Int).boxed(),
        "weight" => prop::sample::select(&[-0.5, 0.0, 1.5, 2.5, 1e300][..])
            .prop_map(Value::Float)
            .boxed(),
        "price" | "cost" => (-200i64..200)
            .prop_map(|n| Value::Decimal(Decimal::new(n, 2)))
            .boxed(),
        "rate" => (-200i64..200)
            .prop_map(|n| Value::Decimal(Decimal::new(n, 4)))
            .boxed(),
        "active" => any::<bool>().prop_map(Value::Bool).boxed(),
        "at" | "created_at" | "updated_at" => (NOW - 7_200_000_000..NOW + 1)
            .prop_map(Value::Timestamp)
            .boxed(),
        "due" => (20_480i32..20_500).prop_map(Value::Date).boxed(),
        "attrs" => prop::sample::select(
            &[
                "{}",
                r#"{"b":true,"l":["a",1,null],"s":"a","u":1.5}"#,
                r#"{"l":[],"n":{"deep":null},"s":""}"#,
                r#"{"l":"a","n":null,"s":1,"x y":"a"}"#,
                "[]",
                "null",
                r#"{"s":"00000000-0000-0000-0000-000000000001"}"#,
            ][..],
        )
        .prop_map(|t| Value::Json(t.into()))
        .boxed(),
        "tags" => prop::sample::select(&["[]", r#"["a"]"#, r#"["ab","admin"]"#][..])
            .prop_map(|t| Value::Json(t.into()))
            .boxed(),
        "nums" => prop::sample::select(&["[]", "[1]", "[0,2,3]"][..])
            .prop_map(|t| Value::Json(t.into()))
            .boxed(),
        _ => (0u128..4)
            .prop_map(|n| Value::Uuid(Uuid::from_u128(n)))
            .boxed(),
    };
    prop_oneof![1 => Just(Value::Null), 3 => some].boxed()
}

pub const NOW: i64 = 1_770_000_000_000_000;

pub fn record(app: &App) -> BoxedStrategy<Vec<Value>> {
    let products = app.model_named("shop.products").expect("products");
    let fields: Vec<_> = products.fields.iter().map(|f| value(&f.name)).collect();
    fields.boxed()
}

pub fn principal() -> BoxedStrategy<Principal> {
    let roles = prop::collection::vec(prop::sample::select(&["admin", "a", "ab"][..]), 0..3);
    prop_oneof![
        Just(Principal::anonymous()),
        (0u128..4, any::<bool>(), roles).prop_map(|(id, email, roles)| {
            let roles = roles.into_iter().map(Into::into).collect();
            Principal::user(Uuid::from_u128(id), email.then(|| "a".into()), roles)
        }),
    ]
    .boxed()
}
