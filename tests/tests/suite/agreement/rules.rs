//! Conditions where they are used: as the rule of a list, as a client's filter, as what hides a field or a record.

use super::generate::{ATOMS, Generator};
use super::world::{Row, World};
use super::{Worlds, compile, folded, principals, remembered, worlds};
use mainstay_tests::{Fixture, Query, id};
use plan::operation::{List, Operation};
use spec::expr::ExprKind;
use spec::expr::check::Purpose;
use spec::{App, Expr, FieldId, ModelId, Principal, Rule};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// The records that a list answers, by id.
async fn listed(
    fixture: &Fixture,
    app: &Arc<App>,
    who: &Principal,
    list: List,
) -> BTreeSet<String> {
    let executed = fixture
        .engine
        .execute_on(
            app,
            who,
            Operation::List(list),
            engine::Beforehand::default(),
        )
        .await;
    mainstay_tests::Reply(executed.result)
        .data()
        .iter()
        .map(id)
        .collect()
}

fn random_rule(
    worlds: &mut Worlds,
    model: ModelId,
    n: usize,
    purpose: Purpose,
) -> Option<(String, Expr)> {
    let world = worlds.world.clone();
    let text =
        Generator::new(&world.app, model, &mut worlds.random).condition(ATOMS[n % ATOMS.len()]);
    compile(&world, model, &text, purpose)
        .ok()
        .map(|expr| (text, expr))
}

fn model_named(world: &World, name: &str) -> ModelId {
    world.app.model_in("m", name).expect("the world's model").id
}

/// `now` differs from run to run of the engine, but not between two moments far from every record's.
fn speaks_of_now(text: &str) -> bool {
    text.contains("now")
}

/// A list under a rule answers exactly the records for which the rule holds in memory; so does the count, and
/// each record by its id.
#[test]
fn a_rule_decides_a_list_as_it_decides_in_memory() {
    let tried = AtomicU32::new(0);
    worlds(1, 5, async |worlds| {
        for n in 0..30 {
            let a = model_named(&worlds.world, "a");
            let Some((text, expr)) = random_rule(worlds, a, n * 3, Purpose::Read) else {
                continue;
            };
            if speaks_of_now(&text) {
                continue;
            }
            let who = worlds.random.pick(&principals()).clone();
            let mut app = (*worlds.world.app).clone();
            app.models[usize::from(a.0)].access.read = Rule::When(Arc::new(expr.clone()));
            let app = Arc::new(app);
            let memory =
                remembered(&worlds.world, a, &expr, &who).expect("no arithmetic on fields");
            for (store, fixture) in worlds.fixtures() {
                let answered = listed(fixture, &app, &who, Query::new().limit(200).list(a)).await;
                tried.fetch_add(1, Ordering::Relaxed);
                assert_eq!(answered, memory, "{store}, seed {}: {text}", worlds.seed);
                let counted = Operation::List(Query::new().limit(1).count().list(a));
                let counted = fixture
                    .engine
                    .execute_on(&app, &who, counted, engine::Beforehand::default())
                    .await;
                let counted = mainstay_tests::Reply(counted.result).ok();
                assert_eq!(
                    counted["count"],
                    memory.len(),
                    "{store}, seed {}: {text}",
                    worlds.seed
                );
            }
        }
    });
    assert!(tried.into_inner() >= 40, "too few rules were tried");
}

/// What a caller may not see is null to their filters: a field behind a rule, on the record itself and on each
/// record that a relation leads to; and a record behind a rule is not there.
#[test]
fn a_filter_sees_what_its_caller_sees() {
    let tried = AtomicU32::new(0);
    worlds(2, 5, async |worlds| {
        for n in 0..25 {
            let (a, b, c) = (
                model_named(&worlds.world, "a"),
                model_named(&worlds.world, "b"),
                model_named(&worlds.world, "c"),
            );
            let Some((text, filter)) = random_rule(worlds, a, n * 3 + 1, Purpose::Filter) else {
                continue;
            };
            let hidden: Vec<FieldId> = {
                let fields = &worlds.world.app.model(a).fields;
                let mut named = BTreeSet::new();
                filter.walk(&mut |e| {
                    if let spec::expr::ExprKind::Field { model, field, .. } = &e.kind
                        && *model == a
                        && !fields[usize::from(field.0)].system
                    {
                        named.insert(field.0);
                    }
                });
                named.into_iter().map(FieldId).collect()
            };
            let rule = |worlds: &mut Worlds, model, n| loop {
                if let Some((text, expr)) = random_rule(worlds, model, n, Purpose::Read)
                    && !speaks_of_now(&text)
                {
                    return (text, expr);
                }
            };
            if speaks_of_now(&text) {
                continue;
            }
            let (field_text, field_rule) = rule(worlds, a, n);
            let who = worlds.random.pick(&principals()).clone();
            // One that says no to this caller whatever the record makes naming the field a mistake: another test.
            if matches!(folded(&field_rule, &who).kind, ExprKind::Literal(_)) {
                continue;
            }
            let on_b = simple(&worlds.world, b, "i != null && i >= 1");
            let on_c = simple(&worlds.world, c, "flag == true || owner == auth.id");
            let mut app = (*worlds.world.app).clone();
            for field in &hidden {
                app.models[usize::from(a.0)].fields[usize::from(field.0)].read =
                    Rule::When(Arc::new(field_rule.clone()));
            }
            app.models[usize::from(b.0)].access.read = Rule::When(Arc::new(on_b.clone()));
            app.models[usize::from(c.0)].access.read = Rule::When(Arc::new(on_c.clone()));
            let app = Arc::new(app);
            let decides = |world: &World, expr: &Expr, row: &Row| {
                world.holds(expr, row, &who).expect("no arithmetic")
            };
            let seen = worlds.world.seen(|world, model, row, field| match field {
                Some(field) => {
                    model == a && hidden.contains(&field) && !decides(world, &field_rule, row)
                }
                None if model == b => !decides(world, &on_b, row),
                None if model == c => !decides(world, &on_c, row),
                None => false,
            });
            let memory = remembered(&seen, a, &filter, &who).expect("no arithmetic on fields");
            // A filter shows something where hiding changes what it finds.
            if remembered(&worlds.world, a, &filter, &who).as_ref() != Ok(&memory) {
                tried.fetch_add(1, Ordering::Relaxed);
            }
            for (store, fixture) in worlds.fixtures() {
                let list = Query::new().limit(200).filter(&text).list(a);
                let answered = listed(fixture, &app, &who, list).await;
                assert_eq!(
                    answered, memory,
                    "{store}, seed {}, as {:?}: filter {text}\n  hidden {hidden:?} unless {field_text}",
                    worlds.seed, who.kind
                );
            }
        }
    });
    assert!(tried.into_inner() >= 10, "hiding hardly ever mattered");
}

fn simple(world: &World, model: ModelId, text: &str) -> Expr {
    compile(world, model, text, Purpose::Read).expect(text)
}
