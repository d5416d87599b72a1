//! Random pairs of apps: the records of one, brought to the other. What should survive is compared exactly.
//!
//! `MIGRATION_PAIRS` says how many for each store, however long that takes; otherwise 160, or as many as fit into
//! [`TIME`]. `MIGRATION_SEED` repeats a run.

use super::ran;
use mainstay_tests::random::setting;
use mainstay_tests::*;
use serde_json::{Map, Value as Json, json};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};
use store::migrate::{Allow, Applied, Extras, Label};

/// Changes of one database, one after another.
const CHAIN: usize = 8;
const RECORDS: usize = 7;
/// What a run may take where nobody says how much to try.
const TIME: Duration = Duration::from_secs(20);

#[derive(Debug, Clone, PartialEq)]
enum Kind {
    String,
    Text,
    Enum(Vec<&'static str>),
    Int,
    Float,
    Decimal(u32),
    Bool,
    Datetime,
    Date,
    Uuid,
    Json,
    /// To a model of this place.
    Relation(usize),
}

#[derive(Debug, Clone)]
struct Field {
    name: String,
    kind: Kind,
    optional: bool,
    unique: bool,
    indexed: bool,
    renamed_from: Option<String>,
    backfill: Option<&'static str>,
}

#[derive(Debug, Clone)]
struct Model {
    name: String,
    renamed_from: Option<String>,
    fields: Vec<Field>,
    /// Whether its texts are searched.
    searched: bool,
}

impl Model {
    /// The fields that are searched: the last one first, so that their order is not that of the columns.
    fn search(&self) -> Vec<&str> {
        let texts = self
            .fields
            .iter()
            .rev()
            .filter(|field| self.searched && matches!(field.kind, Kind::String | Kind::Text));
        texts.map(|field| field.name.as_str()).take(8).collect()
    }
}

type Records = BTreeMap<String, Map<String, Json>>;

#[derive(Debug, Clone, Default)]
struct World {
    models: Vec<Option<Model>>,
    /// Of each model by id: what its records answer.
    records: Vec<Records>,
    names: usize,
    values: u64,
}

const WORDS: [&str; 3] = ["red", "green", "blue"];

impl World {
    fn toml(&self) -> String {
        let mut out = String::from("## modules/shop/module.toml\n");
        for model in self.models.iter().flatten() {
            out.push_str(&format!("[models.{}]\n", model.name));
            if let Some(old) = &model.renamed_from {
                out.push_str(&format!("renamed_from = \"{old}\"\n"));
            }
            if !model.search().is_empty() {
                out.push_str(&format!("search = {:?}\n", model.search()));
            }
            out.push_str(&format!("[models.{}.fields]\n", model.name));
            for field in &model.fields {
                out.push_str(&format!(
                    "{} = {{ {} }}\n",
                    field.name,
                    self.declared(model, field)
                ));
            }
            for field in model.fields.iter().filter(|field| field.indexed) {
                out.push_str(&format!(
                    "[[models.{}.indexes]]\nfields = [\"{}\", \"created_at\"]\n",
                    model.name, field.name
                ));
            }
        }
        out
    }

    fn declared(&self, model: &Model, field: &Field) -> String {
        let mut out = match &field.kind {
            Kind::String => "type = \"string\"".to_owned(),
            Kind::Text => "type = \"text\"".to_owned(),
            Kind::Enum(values) => format!("type = \"enum\", values = {values:?}"),
            Kind::Int => "type = \"int\"".to_owned(),
            Kind::Float => "type = \"float\"".to_owned(),
            Kind::Decimal(scale) => format!("type = \"decimal\", scale = {scale}"),
            Kind::Bool => "type = \"bool\"".to_owned(),
            Kind::Datetime => "type = \"datetime\"".to_owned(),
            Kind::Date => "type = \"date\"".to_owned(),
            Kind::Uuid => "type = \"uuid\"".to_owned(),
            Kind::Json => "type = \"json\"".to_owned(),
            Kind::Relation(to) => {
                let to = self.models[*to].as_ref().map_or("", |model| &model.name);
                format!(
                    "type = \"relation\", to = \"{to}\", inverse = \"{}_by_{}\"",
                    model.name, field.name
                )
            }
        };
        for (set, key) in [(field.optional, "optional"), (field.unique, "unique")] {
            if set {
                out.push_str(&format!(", {key} = true"));
            }
        }
        if let Some(old) = &field.renamed_from {
            out.push_str(&format!(", renamed_from = \"{old}\""));
        }
        if let Some(backfill) = field.backfill {
            out.push_str(&format!(", backfill = \"{backfill}\""));
        }
        out
    }

    fn name(&mut self, what: &str) -> String {
        self.names += 1;
        format!("{what}{}", self.names)
    }

    /// Places of models that are there.
    fn there(&self) -> Vec<usize> {
        (0..self.models.len())
            .filter(|at| self.models[*at].is_some())
            .collect()
    }

    fn kind(&self, random: &mut Random) -> Kind {
        match random.below(13) {
            0 => Kind::String,
            1 => Kind::Text,
            2 => Kind::Enum(WORDS.to_vec()),
            3 | 4 => Kind::Int,
            5 => Kind::Float,
            6 | 7 => Kind::Decimal(random.below(4) as u32),
            8 => Kind::Bool,
            9 => Kind::Datetime,
            10 => Kind::Date,
            11 => Kind::Uuid,
            _ => match random.pick(&self.there()) {
                at if !self.there().is_empty() && random.one_in(2) => Kind::Relation(*at),
                _ => Kind::Json,
            },
        }
    }

    fn field(&mut self, random: &mut Random) -> Field {
        let name = self.name("f");
        let kind = match self.there().is_empty() {
            true => Kind::Int,
            false => self.kind(random),
        };
        let indexable = !matches!(kind, Kind::Json | Kind::Text);
        let relation = matches!(kind, Kind::Relation(_));
        Field {
            name,
            optional: relation || random.one_in(2),
            unique: indexable
                && !relation
                && !matches!(kind, Kind::Bool | Kind::Enum(_))
                && random.one_in(4),
            indexed: indexable && random.one_in(4),
            kind,
            renamed_from: None,
            backfill: None,
        }
    }

    fn model(&mut self, random: &mut Random) -> Model {
        let name = self.name("m");
        let fields = (0..2 + random.below(4))
            .map(|_| self.field(random))
            .collect();
        Model {
            name,
            renamed_from: None,
            fields,
            searched: random.one_in(2),
        }
    }

    /// A value that no other record has, where the kind has so many; as it is answered.
    fn value(&mut self, kind: &Kind, random: &mut Random) -> Json {
        self.values += 1;
        let n = self.values;
        let signed = if random.one_in(3) {
            -(n as i64)
        } else {
            n as i64
        };
        match kind {
            Kind::String | Kind::Text => {
                json!(format!("{} é' {n}", random.word(&["a", "\"", ";--", ""])))
            }
            Kind::Enum(values) => json!(random.pick(values)),
            Kind::Int => json!(signed),
            Kind::Float => json!(signed as f64 + 0.5),
            Kind::Decimal(scale) => json!(decimal(i128::from(signed), *scale)),
            Kind::Bool => json!(n.is_multiple_of(2)),
            Kind::Datetime => json!(format!(
                "19{:02}-03-01T00:00:{:02}.{:06}Z",
                50 + n % 49,
                n % 60,
                n
            )),
            Kind::Date => json!(format!(
                "{:04}-{:02}-{:02}",
                1000 + n % 8999,
                1 + n % 12,
                1 + n % 28
            )),
            Kind::Uuid => json!(spec::Uuid::from_u128(u128::from(n)).to_string()),
            Kind::Json => json!({"k": [n, null, "é"]}),
            Kind::Relation(to) => {
                let ids: Vec<&String> = self.records[*to].keys().collect();
                match ids.is_empty() {
                    true => Json::Null,
                    false => json!(random.pick(&ids)),
                }
            }
        }
    }

    /// New records in every model, through the door.
    async fn fill(&mut self, fx: &Fixture, count: usize, random: &mut Random) {
        for at in self.there() {
            let Some(model) = self.models[at].clone() else {
                continue;
            };
            for _ in 0..count {
                let mut body = Map::new();
                for field in &model.fields {
                    let value = match field.optional && random.one_in(3) {
                        true => Json::Null,
                        false => self.value(&field.kind, random),
                    };
                    body.insert(field.name.clone(), value);
                }
                let name = format!("shop.{}", model.name);
                let made = fx.create(&system(), &name, body.clone().into()).await.ok();
                self.records[at].insert(id(&made), body);
            }
        }
    }

    /// Every record answers what it should, and there are no others.
    async fn compare(&self, fx: &Fixture, of: &str) {
        for at in self.there() {
            let Some(model) = &self.models[at] else {
                continue;
            };
            let name = format!("shop.{}", model.name);
            let found = fx
                .list(&system(), &name, Query::new().limit(200))
                .await
                .data();
            assert_eq!(found.len(), self.records[at].len(), "{of}: {name}");
            for record in found {
                let expected = &self.records[at][&id(&record)];
                for (field, value) in expected {
                    assert_eq!(&record[field], value, "{of}: {name}.{field} of {record}");
                }
            }
            self.compare_searches(fx, at, model, of).await;
        }
    }

    /// Some texts of records are searched for, and found as the definition says.
    async fn compare_searches(&self, fx: &Fixture, at: usize, model: &Model, of: &str) {
        let (name, fields) = (format!("shop.{}", model.name), model.search());
        let texts = self.records[at].values().rev().flat_map(|record| {
            let texts = fields.iter().filter_map(|field| record[*field].as_str());
            texts.map(str::to_owned).collect::<Vec<_>>()
        });
        for text in texts.take(3) {
            let Ok(query) = spec::search::Query::parse(&text, 32) else {
                continue;
            };
            let rank = |record: &Map<String, Json>| {
                let texts: Vec<_> = fields.iter().map(|field| record[*field].as_str()).collect();
                spec::search::rank(&query, &texts)
            };
            let mut wanted: Vec<_> = self.records[at]
                .iter()
                .filter_map(|(id, record)| Some((rank(record)?, id.clone())))
                .collect();
            wanted.sort_by(|a, b| b.cmp(a));
            let wanted: Vec<String> = wanted.into_iter().map(|(_, id)| id).collect();
            let every = Query::new().search(&text).limit(200);
            let found = fx.list(&system(), &name, every).await.data();
            let found: Vec<String> = found.iter().map(id).collect();
            assert_eq!(found, wanted, "{of}: {name}, {text}");
        }
    }

    /// One change; what it is called, or nothing where there was none to make.
    fn change(&mut self, random: &mut Random) -> Option<&'static str> {
        let there = self.there();
        let at = *random.pick(&there);
        if random.one_in(8) {
            let model = self.model(random);
            self.models.push(Some(model));
            self.records.push(Records::new());
            return Some("new model");
        }
        if random.one_in(10) && there.len() > 2 {
            return self.drop_model(at);
        }
        if random.one_in(8) {
            let name = self.name("m");
            let model = self.models[at].as_mut()?;
            // One rename a plan: what it was called in between is no table's name.
            if model.renamed_from.is_some() || self.records[at].is_empty() {
                return None;
            }
            model.renamed_from = Some(std::mem::replace(&mut model.name, name));
            return Some("rename model");
        }
        if random.one_in(4) {
            return self.add_field(at, random);
        }
        if random.one_in(8) {
            let model = self.models[at].as_mut()?;
            model.searched = !model.searched;
            return (!model.fields.is_empty()).then_some("search");
        }
        let count = self.models[at].as_ref()?.fields.len();
        let which = random.below(count);
        match random.below(7) {
            0 if count > 1 => {
                let field = self.models[at].as_mut()?.fields.remove(which);
                self.each(at, |record| {
                    record.remove(&field.name);
                });
                Some("drop field")
            }
            1 => {
                let name = self.name("f");
                let field = &mut self.models[at].as_mut()?.fields[which];
                if field.renamed_from.is_some() || field.backfill.is_some() {
                    return None;
                }
                let old = std::mem::replace(&mut field.name, name.clone());
                field.renamed_from = Some(old.clone());
                self.each(at, |record| {
                    if let Some(value) = record.remove(&old) {
                        record.insert(name.clone(), value);
                    }
                });
                Some("rename field")
            }
            2 => self.requirement(at, which),
            3 => self.uniqueness(at, which),
            4 => {
                let field = &mut self.models[at].as_mut()?.fields[which];
                if matches!(field.kind, Kind::Json | Kind::Text) {
                    return None;
                }
                field.indexed = !field.indexed;
                Some("index")
            }
            _ => self.retype(at, which),
        }
    }

    fn each(&mut self, at: usize, change: impl Fn(&mut Map<String, Json>)) {
        self.records[at].values_mut().for_each(change);
    }

    /// With the relations that lead to it, which become plain.
    fn drop_model(&mut self, at: usize) -> Option<&'static str> {
        self.models[at] = None;
        self.records[at].clear();
        for model in self.models.iter_mut().flatten() {
            for field in &mut model.fields {
                if field.kind == Kind::Relation(at) {
                    field.kind = Kind::Uuid;
                }
            }
        }
        Some("drop model")
    }

    fn add_field(&mut self, at: usize, random: &mut Random) -> Option<&'static str> {
        let mut field = self.field(random);
        let filled = match &field.kind {
            Kind::Relation(_) => None,
            kind if !field.unique => constant(kind),
            _ => None,
        };
        let value = match filled {
            Some((literal, value)) if !field.optional => {
                field.backfill = Some(literal);
                value
            }
            _ => {
                field.optional = true;
                Json::Null
            }
        };
        let name = field.name.clone();
        self.models[at].as_mut()?.fields.push(field);
        self.each(at, |record| {
            record.insert(name.clone(), value.clone());
        });
        Some("add field")
    }

    fn requirement(&mut self, at: usize, which: usize) -> Option<&'static str> {
        let records = self.records[at].clone();
        let field = &mut self.models[at].as_mut()?.fields[which];
        if !field.optional {
            // What was filled for this plan stays as it is: optional again, nothing would have been filled.
            if field.backfill.is_some() {
                return None;
            }
            field.optional = true;
            return Some("optional");
        }
        let missing = |record: &Map<String, Json>| record[&field.name].is_null();
        if matches!(field.kind, Kind::Relation(_)) {
            return None;
        }
        if records.values().any(missing) {
            if field.unique {
                return None;
            }
            let (literal, value) = constant(&field.kind)?;
            field.backfill = Some(literal);
            let name = field.name.clone();
            field.optional = false;
            self.each(at, |record| {
                if record[&name].is_null() {
                    record.insert(name.clone(), value.clone());
                }
            });
            return Some("required, filled");
        }
        field.optional = false;
        Some("required")
    }

    fn uniqueness(&mut self, at: usize, which: usize) -> Option<&'static str> {
        let records = self.records[at].clone();
        let field = &mut self.models[at].as_mut()?.fields[which];
        if field.unique {
            field.unique = false;
            return Some("not unique");
        }
        let few = matches!(
            field.kind,
            Kind::Json | Kind::Text | Kind::Bool | Kind::Enum(_) | Kind::Relation(_)
        );
        let mut seen = std::collections::BTreeSet::new();
        let mut values = records.values().map(|record| &record[&field.name]);
        if few || !values.all(|value| value.is_null() || seen.insert(value.to_string())) {
            return None;
        }
        field.unique = true;
        Some("unique")
    }

    fn retype(&mut self, at: usize, which: usize) -> Option<&'static str> {
        let field = &mut self.models[at].as_mut()?.fields[which];
        type Convert = Box<dyn Fn(&Json) -> Json>;
        let text = |value: &Json| match value {
            Json::String(text) => json!(text),
            other => json!(other.to_string()),
        };
        let (kind, convert): (Kind, Convert) = match &field.kind {
            Kind::String => (Kind::Text, Box::new(Json::clone)),
            Kind::Enum(_) | Kind::Bool | Kind::Uuid | Kind::Date | Kind::Datetime | Kind::Int
                if which.is_multiple_of(2) =>
            {
                (Kind::String, Box::new(text))
            }
            Kind::Int => (
                Kind::Decimal(2),
                Box::new(|value| json!(format!("{value}.00"))),
            ),
            Kind::Bool => (
                Kind::Int,
                Box::new(|value| json!(i64::from(value.as_bool() == Some(true)))),
            ),
            Kind::Date => (
                Kind::Datetime,
                Box::new(|value| {
                    json!(format!(
                        "{}T00:00:00.000000Z",
                        value.as_str().unwrap_or_default()
                    ))
                }),
            ),
            Kind::Decimal(scale) if *scale < 3 => {
                let point = if *scale == 0 { "." } else { "" };
                (
                    Kind::Decimal(scale + 1),
                    Box::new(move |value| {
                        json!(format!("{}{point}0", value.as_str().unwrap_or_default()))
                    }),
                )
            }
            Kind::Decimal(_) => (Kind::String, Box::new(text)),
            _ => return None,
        };
        if kind == Kind::Text && (field.unique || field.indexed) {
            return None;
        }
        field.kind = kind;
        field.backfill = None;
        let name = field.name.clone();
        self.each(at, |record| {
            if let Some(value) = record.get_mut(&name).filter(|value| !value.is_null()) {
                *value = convert(value);
            }
        });
        Some("another type")
    }

    /// What was said for one plan alone.
    fn settle(&mut self) {
        for model in self.models.iter_mut().flatten() {
            model.renamed_from = None;
            for field in &mut model.fields {
                field.renamed_from = None;
                field.backfill = None;
            }
        }
    }
}

/// A backfill, and what it is answered as.
fn constant(kind: &Kind) -> Option<(&'static str, Json)> {
    Some(match kind {
        Kind::String | Kind::Text => ("'it\\\\'s'", json!("it's")),
        Kind::Int => ("-3", json!(-3)),
        Kind::Bool => ("true", json!(true)),
        Kind::Float => ("2.5", json!(2.5)),
        Kind::Enum(_) => ("'red'", json!("red")),
        _ => return None,
    })
}

fn decimal(units: i128, scale: u32) -> String {
    let power = 10_i128.pow(scale);
    let sign = if units < 0 { "-" } else { "" };
    let (whole, part) = (units.abs() / power, units.abs() % power);
    match scale {
        0 => format!("{sign}{whole}"),
        scale => format!("{sign}{whole}.{part:0width$}", width = scale as usize),
    }
}

async fn chain(on: On, seed: u64, counts: &mut BTreeMap<&'static str, usize>) -> usize {
    let mut random = Random::new(seed);
    let mut world = World::default();
    for _ in 0..2 + random.below(2) {
        let model = world.model(&mut random);
        world.models.push(Some(model));
        world.records.push(Records::new());
    }
    // Every other one takes the path of large tables on PostgreSQL.
    let online_from = if random.one_in(2) { 0 } else { 8 << 20 };
    let opened = database::open_from(on, online_from).await;
    let first = Fixture::opened(on, fixture::load(&world.toml()), opened).await;
    world.fill(&first, RECORDS, &mut random).await;
    world.compare(&first, "as it began").await;
    let mut pairs = 0;
    for _ in 0..CHAIN {
        world.settle();
        let before = world.toml();
        let mut made = Vec::new();
        for _ in 0..1 + random.below(4) {
            made.extend(world.change(&mut random));
        }
        let after = world.toml();
        let of = format!("seed {seed}: {made:?}\n{before}\n=>\n{after}");
        let (fx, applied) = first.migrate(&after, Allow::EVERYTHING).await;
        match applied {
            Ok(Applied::Nothing(_)) => {}
            applied => {
                assert!(matches!(applied, Ok(Applied::Ran(_))), "{applied:?}\n{of}");
                let plan = ran(applied);
                let worst = plan.label().map_or("none", Label::name);
                *counts.entry(worst).or_default() += 1;
            }
        }
        for extras in [Extras::Keep, Extras::Drop] {
            let plan = fx.plan(extras).await;
            assert!(plan.is_empty(), "{plan:#?}\n{of}");
        }
        world.compare(&fx, &of).await;
        world.settle();
        world.fill(&fx, 1, &mut random).await;
        for one in made {
            *counts.entry(one).or_default() += 1;
        }
        pairs += 1;
    }
    first.remove().await;
    pairs
}

fn pairs(on: On) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let wanted = setting("MIGRATION_PAIRS", 160) as usize;
    let seed = setting("MIGRATION_SEED", 0x6d69_6772);
    let began = Instant::now();
    let mut counts = BTreeMap::new();
    let mut done = 0;
    let mut at = 0;
    let bounded = std::env::var("MIGRATION_PAIRS").is_err();
    while done < wanted && (!bounded || began.elapsed() < TIME) {
        done += runtime.block_on(chain(on, seed.wrapping_add(at), &mut counts));
        at += 1;
    }
    println!(
        "{on:?}: {done} pairs of apps in {:?}, {counts:?}",
        began.elapsed()
    );
    for kind in [
        "add field",
        "drop field",
        "rename field",
        "rename model",
        "another type",
        "unique",
        "search",
        "destructive",
    ] {
        let enough = counts.get(kind).is_some_and(|count| *count > 0);
        assert!(enough || done < 100, "{kind} was never tried: {counts:?}");
    }
}

on_each!(any_app_is_brought_to_any_other, pairs);
