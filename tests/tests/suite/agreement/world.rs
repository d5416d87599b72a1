//! A random app and random records of it: a model with a field of every type, what it points at, and what
//! points at it.

use mainstay_tests::{Fixture, Random, fixture, system, user_id};
use spec::expr::eval::{self, Related};
use spec::types::ItemType;
use spec::{
    App, ColumnType, Decimal, Field, FieldId, FieldType, KeyKind, Model, ModelId, Uuid, Value,
};
use std::fmt::Write as _;
use std::sync::Arc;

pub const NOW: i64 = 1_790_000_000_000_000;

pub const STRINGS: &[&str] = &[
    "",
    "a",
    "ab",
    "abc",
    "b",
    "A",
    "é",
    "e\u{301}",
    "É",
    "a'b",
    "a\"b",
    "100%",
    "a_b",
    "\\",
    "a\\b",
    "\u{FFFF}",
    "\u{10FFFF}",
    "\u{E000}x",
    "\u{D7FF}",
    "\u{D7FF}y",
    "😀",
    "😀😀",
    " a ",
    "user1@example.com",
    "null",
    "true",
    "1",
    "draft",
    "editor",
    "a\u{FFFF}",
    "%",
    "_",
];
pub const INTS: &[i64] = &[
    0,
    1,
    -1,
    2,
    3,
    7,
    42,
    -100,
    9_007_199_254_740_991,
    -9_007_199_254_740_991,
    9_007_199_254_740_990,
];
pub const FLOATS: &[f64] = &[
    0.0,
    -0.0,
    0.1,
    0.5,
    -1.5,
    1.0,
    2.0,
    7.0,
    1e300,
    -1e300,
    5e-324,
    1e-300,
    9_007_199_254_740_991.0,
    0.300_000_000_000_000_04,
    -42.0,
];
const DECIMALS: &[i64] = &[
    0,
    1,
    -1,
    5,
    10,
    99,
    100,
    150,
    -100,
    999_999_999_999_999_999,
    -999_999_999_999_999_999,
    123_456_789_012_345_678,
];
const DAYS: &[i32] = &[
    spec::time::MIN_DATE,
    spec::time::MAX_DATE,
    0,
    -1,
    1,
    11_016,
    20_000,
    20_717,
    20_718,
];
const MOMENTS: &[i64] = &[
    spec::time::MIN_TIMESTAMP,
    spec::time::MAX_TIMESTAMP,
    0,
    -1,
    1,
    NOW,
    NOW - 1,
    NOW - 3_600_000_000,
    1_700_000_000_123_456,
    -62_000_000_000_000_001,
];
pub const JSONS: &[&str] = &[
    "true",
    "false",
    "0",
    "1",
    "-1",
    "1.5",
    "\"a\"",
    "\"\"",
    "\"é\"",
    "\"user1@example.com\"",
    "[]",
    "{}",
    r#"[1,"a",null,true,{"k":1}]"#,
    r#"{"k":1}"#,
    r#"{"k":"a"}"#,
    r#"{"k":"ab"}"#,
    r#"{"k":null}"#,
    r#"{"k":[1,2,"a"]}"#,
    r#"{"k":{"m":"deep"}}"#,
    r#"{"k":1.0}"#,
    r#"{"k":true}"#,
    r#"{"k":false}"#,
    r#"{"a b":1}"#,
    r#"{"k":9007199254740993}"#,
    r#"{"k":-0.0}"#,
    r#"{"k":1e300}"#,
    r#"[[1],[2,[3]]]"#,
    "[true,false]",
    r#"{"":1}"#,
    r#"{"k":{"m":[{"n":"a"},{"n":1}]}}"#,
    r#"{"0":"zero"}"#,
    r#"["a","b"]"#,
    r#"[1,2,3]"#,
    r#"[1.5,"1.5"]"#,
    r#"{"k":"a'b\\\"\u0001"}"#,
    r#"{"k":[]}"#,
    r#"{"k":{}}"#,
    r#"[null]"#,
    r#"[{"k":"a"},{"k":"b"}]"#,
    r#"{"k":9007199254740992}"#,
    r#"{"k":0.1}"#,
    r#"{"k":[{"k":1},{"k":2}]}"#,
    "9007199254740993",
    "\"1\"",
    "9223372036854775807",
];
const ENUMS: &[&str] = &["draft", "active", "sold", "x y"];
pub const EMAILS: &[&str] = &["user1@example.com", "a@b.c", "é@example.com"];
const URLS: &[&str] = &[
    "http://a.b/",
    "https://example.com/x?y=%25",
    "https://a.b/é",
];

pub fn uuids() -> [Uuid; 6] {
    [
        Uuid::nil(),
        Uuid::max(),
        Uuid::from_u128(7),
        user_id(1),
        user_id(2),
        user_id(3),
    ]
}

/// The app's text. Every type is there, so that every rule of the language can be met in every world; what is
/// optional, open, how long and how keyed differs.
pub fn app(random: &mut Random) -> String {
    let scale = *random.pick(&[0u8, 2, 4, 17]);
    let mut text = String::from("## modules/m/module.toml\n");
    let types_of_a: Vec<(String, String)> = [
        ("s", "type = \"string\""),
        ("s2", "type = \"string\""),
        ("t", "type = \"text\""),
        ("e", "type = \"email\""),
        ("u", "type = \"url\""),
        ("i", "type = \"int\""),
        ("i2", "type = \"int\""),
        ("f", "type = \"float\""),
        ("f2", "type = \"float\""),
        ("flag", "type = \"bool\""),
        ("flag2", "type = \"bool\""),
        ("at", "type = \"datetime\""),
        ("at2", "type = \"datetime\""),
        ("day", "type = \"date\""),
        ("day2", "type = \"date\""),
        ("g", "type = \"uuid\""),
        ("g2", "type = \"uuid\""),
        ("j", "type = \"json\""),
        ("j2", "type = \"json\""),
        ("owner", "type = \"relation\", to = \"auth.users\""),
        ("b", "type = \"relation\", to = \"b\", inverse = \"ays\""),
    ]
    .into_iter()
    .map(|(name, ty)| (name.to_owned(), ty.to_owned()))
    .chain([
        (
            "kind".to_owned(),
            "type = \"enum\", values = [\"draft\", \"active\", \"sold\", \"x y\"]".to_owned(),
        ),
        (
            "d".to_owned(),
            format!("type = \"decimal\", scale = {scale}"),
        ),
        (
            "d2".to_owned(),
            format!("type = \"decimal\", scale = {scale}"),
        ),
        (
            "ls".to_owned(),
            "type = \"list\", items = \"string\"".to_owned(),
        ),
        (
            "li".to_owned(),
            "type = \"list\", items = \"int\"".to_owned(),
        ),
        (
            "lf".to_owned(),
            "type = \"list\", items = \"float\"".to_owned(),
        ),
        (
            "lb".to_owned(),
            "type = \"list\", items = \"bool\"".to_owned(),
        ),
    ])
    .collect();
    let fields_b = [
        ("s", "type = \"string\""),
        ("i", "type = \"int\""),
        ("flag", "type = \"bool\""),
        ("j", "type = \"json\""),
        ("at", "type = \"datetime\""),
        ("f", "type = \"float\""),
        ("ls", "type = \"list\", items = \"string\""),
        ("d", "type = \"decimal\", scale = 2"),
        ("owner", "type = \"relation\", to = \"auth.users\""),
    ];
    let fields_c = [
        ("s", "type = \"string\""),
        ("i", "type = \"int\""),
        ("flag", "type = \"bool\""),
        ("j", "type = \"json\""),
        ("day", "type = \"date\""),
        ("g", "type = \"uuid\""),
        ("li", "type = \"list\", items = \"int\""),
        ("owner", "type = \"relation\", to = \"auth.users\""),
    ];
    let mut model =
        |text: &mut String, name: &str, fields: &[(String, String)], relations: &[&str]| {
            let key = *random.pick(&["uuid", "int", "string"]);
            let open = random.one_in(2);
            let _ = writeln!(
                text,
                "[models.{name}]\nid = \"{key}\"\nopen = {open}\n[models.{name}.fields]"
            );
            for (field, ty) in fields {
                let optional = !random.one_in(3);
                let _ = writeln!(text, "{field} = {{ {ty}, optional = {optional} }}");
            }
            for relation in relations {
                let _ = writeln!(text, "{relation}");
            }
            let _ = writeln!(
                text,
                "[models.{name}.access]\nread = \"true\"\ncreate = \"true\""
            );
        };
    let owned = |fields: &[(&str, &str)]| -> Vec<(String, String)> {
        fields
            .iter()
            .map(|(n, t)| ((*n).to_owned(), (*t).to_owned()))
            .collect()
    };
    model(
        &mut text,
        "b",
        &owned(&fields_b),
        &["boss = { type = \"relation\", to = \"b\", optional = true, inverse = \"team\" }"],
    );
    model(
        &mut text,
        "a",
        &types_of_a,
        &["parent = { type = \"relation\", to = \"a\", optional = true, inverse = \"kids\" }"],
    );
    model(
        &mut text,
        "c",
        &owned(&fields_c),
        &[
            "a = { type = \"relation\", to = \"a\", optional = true, inverse = \"cs\" }",
            "b = { type = \"relation\", to = \"b\", optional = true, inverse = \"bcs\" }",
        ],
    );
    text
}

#[derive(Debug, Clone)]
pub struct Row {
    pub values: Vec<Value>,
    pub extra: Option<String>,
}

impl Row {
    pub fn id(&self) -> &Value {
        &self.values[0]
    }
}

/// The records of every model of the module `m`, by model.
#[derive(Clone)]
pub struct World {
    pub app: Arc<App>,
    pub rows: Vec<(ModelId, Vec<Row>)>,
}

impl World {
    pub fn random(random: &mut Random) -> World {
        let app = fixture::load(&app(random));
        let mut world = World {
            app: Arc::clone(&app),
            rows: Vec::new(),
        };
        for (name, count) in [("b", 8), ("a", 26), ("c", 24)] {
            let Some(model) = app.model_in("m", name) else {
                continue;
            };
            world.rows.push((model.id, Vec::new()));
            for n in 0..count {
                let row = world.row(model, n, random);
                if let Some((_, rows)) = world.rows.last_mut() {
                    rows.push(row);
                }
            }
        }
        world
    }

    fn row(&self, model: &Model, n: usize, random: &mut Random) -> Row {
        let values = model
            .fields
            .iter()
            .map(|field| {
                if field.id == spec::model::ID {
                    return key(model.key, n);
                }
                if field.id == model.version() {
                    return Value::Int(1);
                }
                if field.optional && random.one_in(4) {
                    return Value::Null;
                }
                self.value(field, random)
            })
            .collect();
        let extra = model.open.then(|| {
            let mut members = Vec::new();
            for name in ["x1", "x2"] {
                if !random.one_in(4) {
                    members.push(format!("\"{name}\":{}", random.word(JSONS)));
                }
            }
            canonical(&format!("{{{}}}", members.join(",")))
        });
        Row { values, extra }
    }

    fn value(&self, field: &Field, random: &mut Random) -> Value {
        match &field.ty {
            FieldType::String { .. } | FieldType::Text { .. } => Value::text(random.word(STRINGS)),
            FieldType::Email => Value::text(random.word(EMAILS)),
            FieldType::Url => Value::text(random.word(URLS)),
            FieldType::Enum { .. } => Value::text(random.word(ENUMS)),
            FieldType::Int { .. } => Value::Int(*random.pick(INTS)),
            FieldType::Float { .. } => Value::Float(*random.pick(FLOATS)),
            FieldType::Decimal { scale } => {
                Value::Decimal(Decimal::new(*random.pick(DECIMALS), *scale))
            }
            FieldType::Bool => Value::Bool(random.one_in(2)),
            FieldType::Datetime => Value::Timestamp(*random.pick(MOMENTS)),
            FieldType::Date => Value::Date(*random.pick(DAYS)),
            FieldType::Uuid => Value::Uuid(*random.pick(&uuids())),
            FieldType::Relation { to, .. } => {
                let target = self.app.model(*to);
                if target.module_name == "auth" {
                    return Value::Uuid(user_id(1 + random.below(3) as u32));
                }
                match self.of(*to) {
                    [] => Value::Null,
                    rows => random.pick(rows).id().clone(),
                }
            }
            FieldType::Json => Value::Json(canonical(random.word(JSONS)).into()),
            FieldType::List { items, .. } => {
                let items: Vec<String> =
                    (0..random.below(4)).map(|_| item(*items, random)).collect();
                Value::Json(canonical(&format!("[{}]", items.join(","))).into())
            }
        }
    }

    pub fn of(&self, model: ModelId) -> &[Row] {
        self.rows
            .iter()
            .find(|(m, _)| *m == model)
            .map_or(&[], |(_, rows)| rows)
    }

    /// Writes every record through the door.
    pub async fn fill(&self, fixture: &Fixture) {
        for (model, rows) in &self.rows {
            let model = self.app.model(*model);
            for row in rows {
                let body = body(model, row);
                fixture
                    .create_text(&system(), &model.full_name(), &body)
                    .await
                    .ok();
            }
        }
    }

    /// What is left to see where some fields and records are hidden.
    pub fn seen(&self, hidden: impl Fn(&World, ModelId, &Row, Option<FieldId>) -> bool) -> World {
        let mut seen = self.clone();
        for (model, rows) in &mut seen.rows {
            rows.retain(|row| !hidden(self, *model, row, None));
            for row in rows.iter_mut() {
                let whole = row.clone();
                for field in &self.app.model(*model).fields {
                    if hidden(self, *model, &whole, Some(field.id)) {
                        row.values[usize::from(field.id.0)] = Value::Null;
                    }
                }
            }
        }
        seen
    }
}

fn item(items: ItemType, random: &mut Random) -> String {
    let (value, ty) = match items {
        ItemType::String => (Value::text(random.word(STRINGS)), ColumnType::Text),
        ItemType::Int => (Value::Int(*random.pick(INTS)), ColumnType::Int),
        ItemType::Float => (Value::Float(*random.pick(FLOATS)), ColumnType::Float),
        ItemType::Bool => (Value::Bool(random.one_in(2)), ColumnType::Bool),
    };
    let mut out = Vec::new();
    spec::json::write_value(&mut out, &value, ty);
    String::from_utf8_lossy(&out).into_owned()
}

pub fn canonical(text: &str) -> String {
    match spec::json::canonical(text, 64) {
        Ok(text) => text,
        Err(error) => panic!("{text}: {error}"),
    }
}

fn key(kind: KeyKind, n: usize) -> Value {
    match kind {
        KeyKind::Uuid => Value::Uuid(Uuid::from_u128(1 + n as u128)),
        KeyKind::Int => Value::Int(n as i64 + 1),
        KeyKind::String => Value::text(&format!("k{n}{}", STRINGS[n % STRINGS.len()])),
    }
}

fn body(model: &Model, row: &Row) -> String {
    let mut out = vec![b'{'];
    for (field, value) in model.fields.iter().zip(&row.values) {
        if field.id == model.version() {
            continue;
        }
        if out.len() > 1 {
            out.push(b',');
        }
        spec::json::write_string(&mut out, &field.name);
        out.push(b':');
        let ty = if field.id == spec::model::ID {
            model.key.column()
        } else {
            field.ty.column()
        };
        spec::json::write_value(&mut out, value, ty);
    }
    if let Some(members) = row
        .extra
        .as_deref()
        .and_then(|e| e.strip_prefix('{')?.strip_suffix('}'))
        && !members.is_empty()
    {
        out.push(b',');
        out.extend_from_slice(members.as_bytes());
    }
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

fn for_eval(row: &Row) -> eval::Record<'_> {
    eval::Record {
        fields: &row.values,
        extra: row.extra.as_deref(),
    }
}

impl Related for World {
    fn record(&self, model: ModelId, id: &Value) -> Option<eval::Record<'_>> {
        self.of(model)
            .iter()
            .find(|row| row.id() == id)
            .map(for_eval)
    }

    fn referring(&self, model: ModelId, field: FieldId, id: &Value) -> Vec<eval::Record<'_>> {
        let refers = |row: &&Row| !id.is_null() && row.values[usize::from(field.0)] == *id;
        self.of(model).iter().filter(refers).map(for_eval).collect()
    }
}

impl World {
    /// Whether a condition holds for a record, in memory.
    pub fn holds(
        &self,
        expr: &spec::Expr,
        row: &Row,
        who: &spec::Principal,
    ) -> Result<bool, eval::EvalError> {
        let env = eval::Env {
            this: for_eval(row),
            old: None,
            auth: who,
            now: NOW,
            related: Some(self),
        };
        eval::holds(expr, &env)
    }
}
