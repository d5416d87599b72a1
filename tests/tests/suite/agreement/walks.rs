//! Lists that are walked page by page are the list, in the order in which memory sorts.

use super::world::{Row, World};
use super::{Worlds, compile, worlds};
use mainstay_tests::{Query, id, system, user};
use spec::expr::check::Purpose;
use spec::expr::eval::Related;
use spec::{FieldType, ModelId, Rule, Value};
use std::cmp::Ordering;
use std::sync::Arc;

/// A sort term: the way over to-one relations, the field, and whether it descends.
#[derive(Clone)]
struct Term {
    text: String,
    path: Vec<usize>,
    descending: bool,
}

fn random_term(worlds: &mut Worlds, model: ModelId) -> Term {
    let app = Arc::clone(&worlds.world.app);
    let mut path = Vec::new();
    let mut names: Vec<String> = Vec::new();
    let mut at = model;
    while worlds.random.one_in(4) && path.len() < 2 {
        let fields = &app.model(at).fields;
        let inside = |f: &&spec::Field| {
            f.relation()
                .is_some_and(|r| app.model(r.to).module == app.model(at).module)
        };
        let relations: Vec<&spec::Field> = fields.iter().filter(inside).collect();
        let Some(relation) = relations.get(worlds.random.below(relations.len().max(1))) else {
            break;
        };
        path.push(usize::from(relation.id.0));
        names.push(relation.name.clone());
        at = relation.relation().map_or(at, |r| r.to);
    }
    let sortable: Vec<&spec::Field> = app
        .model(at)
        .fields
        .iter()
        .filter(|f| has_order(f) && !matches!(f.ty, FieldType::Url))
        .collect();
    let field = *worlds.random.pick(&sortable);
    path.push(usize::from(field.id.0));
    names.push(field.name.clone());
    Term {
        text: names.join("."),
        path,
        descending: worlds.random.one_in(2),
    }
}

/// Whether a list can be sorted by it. (Several URLs in one order may not fit into a cursor.)
fn has_order(field: &spec::Field) -> bool {
    !matches!(
        field.ty,
        FieldType::Json | FieldType::List { .. } | FieldType::Text { .. }
    )
}

/// The value that a term has for a record; null where the way leads nowhere.
fn key<'w>(world: &'w World, model: ModelId, row: &'w Row, term: &Term) -> &'w Value {
    let (last, hops) = term.path.split_last().expect("a term names a field");
    let (mut model, mut fields) = (model, row.values.as_slice());
    for hop in hops {
        let to = world.app.model(model).fields[*hop]
            .relation()
            .expect("a relation")
            .to;
        match world.record(to, &fields[*hop]) {
            Some(record) => (model, fields) = (to, record.fields),
            None => return &Value::Null,
        }
    }
    &fields[*last]
}

/// Nulls lowest, text by code point, ids by their bytes.
fn order(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Null, Value::Null) => Ordering::Equal,
        (Value::Null, _) => Ordering::Less,
        (_, Value::Null) => Ordering::Greater,
        (Value::Bool(a), Value::Bool(b)) => a.cmp(b),
        (Value::Int(a), Value::Int(b)) | (Value::Timestamp(a), Value::Timestamp(b)) => a.cmp(b),
        (Value::Float(a), Value::Float(b)) => a.partial_cmp(b).expect("floats are finite"),
        (Value::Decimal(a), Value::Decimal(b)) => a.units.cmp(&b.units),
        (Value::Text(a), Value::Text(b)) => a.chars().cmp(b.chars()),
        (Value::Uuid(a), Value::Uuid(b)) => a.as_bytes().cmp(b.as_bytes()),
        (Value::Date(a), Value::Date(b)) => a.cmp(b),
        other => panic!("not of one type: {other:?}"),
    }
}

fn sorted(world: &World, model: ModelId, terms: &[Term]) -> Vec<String> {
    let mut rows: Vec<&Row> = world.of(model).iter().collect();
    let last = terms.last().is_some_and(|t| t.descending);
    rows.sort_by(|a, b| {
        for term in terms {
            let order = order(key(world, model, a, term), key(world, model, b, term));
            let order = if term.descending {
                order.reverse()
            } else {
                order
            };
            if order != Ordering::Equal {
                return order;
            }
        }
        let order = order(a.id(), b.id());
        if last { order.reverse() } else { order }
    });
    rows.into_iter().map(|row| row.id().key_text()).collect()
}

async fn walk(
    fixture: &mainstay_tests::Fixture,
    app: &Arc<spec::App>,
    who: &spec::Principal,
    model: ModelId,
    query: &Query,
) -> Vec<String> {
    let mut out = Vec::new();
    let mut query = query.clone();
    loop {
        let list = plan::operation::Operation::List(query.list(model));
        let executed = fixture
            .engine
            .execute_on(app, who, list, engine::Beforehand::default())
            .await;
        let page = mainstay_tests::Reply(executed.result).ok();
        let records = page["data"].as_array().expect("a page");
        assert!(records.len() <= query.limit.unwrap_or(20) as usize);
        out.extend(records.iter().map(id));
        match page["next_cursor"].as_str() {
            Some(cursor) => query.cursor = Some(cursor.to_owned()),
            None => return out,
        }
        assert!(out.len() <= 200, "the walk does not end");
    }
}

#[test]
fn a_walk_by_cursor_is_the_sorted_list() {
    worlds(3, 5, async |worlds| {
        for n in 0..40u32 {
            let models: Vec<ModelId> = worlds.world.rows.iter().map(|(m, _)| *m).collect();
            let model = *worlds.random.pick(&models);
            let count = worlds.random.below(4);
            let terms: Vec<Term> = (0..count).map(|_| random_term(worlds, model)).collect();
            let texts: Vec<String> = terms
                .iter()
                .map(|t| format!("{}{}", if t.descending { "-" } else { "" }, t.text))
                .collect();
            let query = Query::new().sort(&texts.join(",")).limit(1 + n % 7);
            let expected = sorted(&worlds.world, model, &terms);
            for (store, fixture) in worlds.fixtures() {
                let walked = walk(fixture, &worlds.world.app, &system(), model, &query).await;
                assert_eq!(
                    walked, expected,
                    "{store}, seed {}: {:?}",
                    worlds.seed, query.sort
                );
            }
        }
    });
}

/// A sort key that its caller sees on some records only is null on the others.
#[test]
fn a_walk_over_a_hidden_key_sorts_it_as_null() {
    worlds(4, 5, async |worlds| {
        let a = worlds.world.app.model_in("m", "a").expect("the model").id;
        let rule = compile(
            &worlds.world,
            a,
            "i != null && i > 0 || owner == auth.id",
            Purpose::Read,
        )
        .expect("a rule");
        for n in 0..20u32 {
            let fields: Vec<spec::Field> = worlds
                .world
                .app
                .model(a)
                .fields
                .iter()
                .filter(|f| !f.system && has_order(f))
                .cloned()
                .collect();
            let (first, second) = (
                worlds.random.pick(&fields).clone(),
                worlds.random.pick(&fields).clone(),
            );
            let terms: Vec<Term> = [&first, &second]
                .into_iter()
                .map(|field| Term {
                    text: field.name.clone(),
                    path: vec![usize::from(field.id.0)],
                    descending: worlds.random.one_in(2),
                })
                .collect();
            let mut app = (*worlds.world.app).clone();
            app.models[usize::from(a.0)].fields[usize::from(first.id.0)].read =
                Rule::When(Arc::new(rule.clone()));
            let app = Arc::new(app);
            let who = user(1);
            let seen = worlds.world.seen(|world, model, row, field| {
                model == a
                    && field == Some(first.id)
                    && !world.holds(&rule, row, &who).expect("no arithmetic")
            });
            let texts: Vec<String> = terms
                .iter()
                .map(|t| format!("{}{}", if t.descending { "-" } else { "" }, t.text))
                .collect();
            let query = Query::new().sort(&texts.join(",")).limit(1 + n % 7);
            let expected = sorted(&seen, a, &terms);
            for (store, fixture) in worlds.fixtures() {
                let walked = walk(fixture, &app, &who, a, &query).await;
                assert_eq!(
                    walked, expected,
                    "{store}, seed {}: {:?}",
                    worlds.seed, query.sort
                );
            }
        }
    });
}
