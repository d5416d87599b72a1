//! Memory, SQLite and PostgreSQL decide alike: random apps, random records, random conditions.
//!
//! `MAINSTAY_AGREEMENT_SEED` (another number, another run), `MAINSTAY_AGREEMENT_SCHEMAS` and
//! `MAINSTAY_AGREEMENT_EXPRESSIONS` enlarge a run; a failure prints the seed of its world.

mod coverage;
mod generate;
mod literals;
mod rules;
mod walks;

mod world;

use coverage::Coverage;
use generate::{ATOMS, Generator};
use mainstay_tests::random::setting;
use mainstay_tests::{Fixture, On, Random, anonymous, with_roles};
use plan::condition::{Conditions, Eyes};
use plan::sql::Sql;
use spec::expr::check::{self, Purpose, Scope};
use spec::expr::{Expr, ExprKind, fold, print};
use spec::statement::{Capture, Lane, Output, Shape};
use spec::{Model, ModelId, Principal};
use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::time::{Duration, Instant};
use world::{NOW, World};

/// One world on both stores.
struct Worlds {
    seed: u64,
    random: Random,
    world: World,
    sqlite: Fixture,
    postgres: Fixture,
}

impl Worlds {
    async fn open(seed: u64) -> Worlds {
        let mut random = Random::new(seed);
        let world = World::random(&mut random);
        let sqlite = Fixture::with(On::Sqlite, world.app.clone()).await;
        let postgres = Fixture::with(On::Postgres, world.app.clone()).await;
        world.fill(&sqlite).await;
        world.fill(&postgres).await;
        Worlds {
            seed,
            random,
            world,
            sqlite,
            postgres,
        }
    }

    async fn close(self) {
        self.sqlite.remove().await;
        self.postgres.remove().await;
    }

    fn fixtures(&self) -> [(&'static str, &Fixture); 2] {
        [("sqlite", &self.sqlite), ("postgres", &self.postgres)]
    }
}

fn principals() -> Vec<Principal> {
    vec![
        anonymous(),
        with_roles(1, &[]),
        with_roles(2, &["editor", "a'b", "draft"]),
    ]
}

/// Runs a body for each world of this part of the run.
fn worlds(part: u64, parts: u64, body: impl AsyncFn(&mut Worlds)) {
    let seed = setting("MAINSTAY_AGREEMENT_SEED", 20_260_921);
    let schemas = setting("MAINSTAY_AGREEMENT_SCHEMAS", 20);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    for n in (part..schemas).step_by(parts as usize) {
        let seed = seed.wrapping_mul(1_000_003).wrapping_add(n);
        runtime.block_on(async {
            let mut worlds = Worlds::open(seed).await;
            body(&mut worlds).await;
            worlds.close().await;
        });
    }
}

/// Compiles as a caller's filter, or as a read rule (in which fewer comparisons with the caller are allowed).
fn compile(world: &World, model: ModelId, text: &str, purpose: Purpose) -> Result<Expr, String> {
    let scope = Scope {
        app: &world.app,
        model: Some(model),
        purpose,
        closed: &[],
    };
    check::compile(text, &scope).map_err(|errors| {
        errors
            .first()
            .map(|e| e.message.clone())
            .unwrap_or_default()
    })
}

fn folded(expr: &Expr, who: &Principal) -> Expr {
    fold::fold(
        expr,
        fold::Known {
            auth: Some(who),
            now: Some(NOW),
        },
    )
    .into_owned()
}

/// The ids of the records for which a condition holds, in a store; and its SQL.
async fn selected(
    fixture: &Fixture,
    model: &Model,
    expr: &Expr,
    eyes: Eyes<'_>,
) -> (Result<BTreeSet<String>, String>, String) {
    let mut sql = Sql::new(fixture.store.dialect());
    sql.push("SELECT t.\"id\" FROM ")
        .table(model)
        .push(" t WHERE ");
    if let Err(unsupported) =
        Conditions::new(&fixture.app, model.id, "t", eyes).holds(&mut sql, expr)
    {
        return (Err(format!("no SQL: {}", unsupported.reason)), sql.text);
    }
    let shape = Shape {
        columns: vec![Output::Captured {
            ty: model.key.column(),
        }],
        capture: Capture::Every,
    };
    let statement = sql.statement(shape, Lane::Unbounded);
    let shown = format!("{} {:?}", statement.text, statement.params);
    let bounds = store::Bounds {
        emit: 1000,
        deadline: Instant::now() + Duration::from_secs(10),
    };
    let answer = match fixture.store.read(&statement, bounds).await {
        Ok(rows) => Ok(rows.captured.iter().map(spec::Value::key_text).collect()),
        Err(error) => Err(format!("{error:?}")),
    };
    (answer, shown)
}

/// The ids of the records for which a condition holds, in memory.
fn remembered(
    world: &World,
    model: ModelId,
    expr: &Expr,
    who: &Principal,
) -> Result<BTreeSet<String>, String> {
    let mut out = BTreeSet::new();
    for row in world.of(model) {
        if world.holds(expr, row, who).map_err(|e| e.to_string())? {
            out.insert(row.id().key_text());
        }
    }
    Ok(out)
}

/// How a condition is answered differently, if it is.
async fn disagreement(
    worlds: &Worlds,
    model: ModelId,
    expr: &Expr,
    who: &Principal,
) -> Option<String> {
    let world = &worlds.world;
    let memory = match remembered(world, model, expr, who) {
        Ok(memory) => memory,
        Err(error) => return Some(format!("fails in memory: {error}")),
    };
    let folded = folded(expr, who);
    let mut out = String::new();
    if remembered(world, model, &folded, who).as_ref() != Ok(&memory) {
        let _ = writeln!(
            out,
            "  folding changes it: {}",
            print(&folded, &world.app, Some(model))
        );
    }
    for (name, fixture) in worlds.fixtures() {
        let (answer, sql) = selected(fixture, world.app.model(model), &folded, Eyes::Rule).await;
        match answer {
            Err(error) => {
                let _ = writeln!(out, "  {name}: {error}\n    {sql}");
            }
            Ok(answer) if answer == memory => {}
            Ok(answer) => {
                let (more, less) = (
                    answer.difference(&memory).next(),
                    memory.difference(&answer).next(),
                );
                let _ = writeln!(
                    out,
                    "  {name} answers {more:?} too, and not {less:?}\n    {sql}"
                );
                for row in world.of(model) {
                    if name == "sqlite" && Some(&row.id().key_text()) == more.or(less) {
                        let fields = world.app.model(model).fields.iter().zip(&row.values);
                        let shown: Vec<String> =
                            fields.map(|(f, v)| format!("{}={v:?}", f.name)).collect();
                        let _ = writeln!(out, "    {} extra={:?}", shown.join(" "), row.extra);
                    }
                }
            }
        }
    }
    (!out.is_empty()).then_some(out)
}

/// Conditions inside a condition that stand outside of quantifiers.
fn parts(expr: &Expr) -> Vec<&Expr> {
    let below: Vec<&Expr> = match &expr.kind {
        ExprKind::And(items) | ExprKind::Or(items) => items.iter().collect(),
        ExprKind::Not(inner) => vec![inner],
        ExprKind::Conditional {
            condition,
            then,
            otherwise,
        } => vec![condition, then, otherwise],
        ExprKind::Compare { left, right, .. } => vec![left, right],
        _ => Vec::new(),
    };
    below
        .into_iter()
        .filter(|e| e.ty == spec::expr::Type::Bool)
        .collect()
}

/// The smallest part of a condition that is still answered differently.
async fn minimized(worlds: &Worlds, model: ModelId, expr: &Expr, who: &Principal) -> String {
    let mut smallest = expr.clone();
    'smaller: loop {
        for part in parts(&smallest) {
            if disagreement(worlds, model, part, who).await.is_some() {
                smallest = part.clone();
                continue 'smaller;
            }
        }
        let difference = disagreement(worlds, model, &smallest, who)
            .await
            .unwrap_or_default();
        return format!(
            "{}\n{difference}",
            print(&smallest, &worlds.world.app, Some(model))
        );
    }
}

fn negated(expr: &Expr) -> Expr {
    Expr {
        kind: ExprKind::Not(Box::new(expr.clone())),
        ty: spec::expr::Type::Bool,
        span: expr.span,
    }
}

/// Which rejections are fine: the grammar above is wider than the language in a few places.
#[derive(Default)]
struct Tally {
    compiled: u32,
    rejected: Vec<String>,
    coverage: Coverage,
    wrong: Vec<String>,
}

impl Tally {
    async fn try_one(&mut self, worlds: &mut Worlds, n: usize) {
        let world = worlds.world.clone();
        let models: Vec<ModelId> = world.rows.iter().map(|(m, _)| *m).collect();
        let a = models[1];
        let model = if n % 5 == 4 {
            *worlds.random.pick(&models)
        } else {
            a
        };
        // Only the first model has a field of every type.
        let model = if world.app.model(model).name == "a" {
            model
        } else {
            a
        };
        let text =
            Generator::new(&world.app, model, &mut worlds.random).condition(ATOMS[n % ATOMS.len()]);
        let expr = match compile(&world, model, &text, Purpose::Read)
            .or_else(|_| compile(&world, model, &text, Purpose::Filter))
        {
            Ok(expr) => expr,
            Err(error) => {
                self.rejected.push(format!("{error}\n    {text}"));
                return;
            }
        };
        self.compiled += 1;
        self.coverage.add(&expr);
        let who = worlds.random.pick(&principals()).clone();
        for expr in [expr.clone(), negated(&expr)] {
            if disagreement(worlds, model, &expr, &who).await.is_some() {
                let minimized = minimized(worlds, model, &expr, &who).await;
                self.wrong.push(format!(
                    "seed {} as {:?}: {text}\n  {minimized}",
                    worlds.seed, who.kind
                ));
                return;
            }
        }
    }
}

/// A part of the run: its own worlds, its own quotas.
fn agree(part: u64) {
    const PARTS: u64 = 4;
    let expressions = setting("MAINSTAY_AGREEMENT_EXPRESSIONS", 50) as usize;
    let tally = tokio::sync::Mutex::new((Tally::default(), part as usize * 17));
    worlds(part, PARTS, async |worlds| {
        let mut guard = tally.lock().await;
        let (tally, n) = &mut *guard;
        for _ in 0..expressions {
            tally.try_one(worlds, *n).await;
            *n += 1;
        }
        // What chance left out is made up for, in the worlds that come last.
        let mut more = 0;
        while tally.compiled > 150 && !tally.coverage.missing().is_empty() && more < 500 {
            tally.try_one(worlds, *n).await;
            *n += 1;
            more += 1;
        }
    });
    let (tally, _) = tally.into_inner();
    let shown: Vec<&str> = tally.wrong.iter().take(6).map(String::as_str).collect();
    assert!(
        tally.wrong.is_empty(),
        "{} of {} disagree:\n{}",
        tally.wrong.len(),
        tally.compiled,
        shown.join("\n")
    );
    let rejected = tally.rejected.len() as u32;
    assert!(
        rejected * 5 < tally.compiled,
        "{rejected} rejected, {} not:\n{:#?}",
        tally.compiled,
        tally.rejected
    );
    assert_eq!(
        tally.coverage.missing(),
        Vec::<String>::new(),
        "never or hardly met"
    );
}

#[test]
fn memory_and_both_stores_agree_1() {
    agree(0);
}

#[test]
fn memory_and_both_stores_agree_2() {
    agree(1);
}

#[test]
fn memory_and_both_stores_agree_3() {
    agree(2);
}

#[test]
fn memory_and_both_stores_agree_4() {
    agree(3);
}
