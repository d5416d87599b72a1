//! An app's own tests, run: each on a database of its own, which is thrown away with it.
//!
//! ```text
//! scenario::File (spec) ─▶ select ─▶ Ground::instance (a database with the app's tables and no record)
//!                                        └─▶ play (given, steps) ─▶ compare ─▶ Outcome ─▶ report
//! ```
//!
//! A step's request crosses all that a request from a socket does: the edge, identity, the API, the engine.

mod address;
mod compare;
mod exchange;
mod ground;
mod play;
pub mod report;

pub use exchange::Exchange;
pub use ground::{Ground, Instance, On};
pub use play::Failure;

use spec::load::Scenarios;
use spec::scenario::{File, Test};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::task::JoinSet;

/// How long one test may take: a step has the bounds of its request, a test has any number of steps.
const LONGEST: Duration = Duration::from_secs(60);

/// One test, by its place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Case {
    file: usize,
    test: usize,
}

impl Case {
    pub fn file(self, scenarios: &Scenarios) -> &File {
        &scenarios.files[self.file]
    }

    pub fn test(self, scenarios: &Scenarios) -> &Test {
        &self.file(scenarios).tests[self.test]
    }

    /// `products › nobody sees what is a draft`.
    pub fn name(self, scenarios: &Scenarios) -> String {
        let (file, test) = (self.file(scenarios), self.test(scenarios));
        format!("{} › {}", file.name, test.name.value)
    }
}

/// How a test ended.
#[derive(Debug)]
pub struct Outcome {
    pub case: Case,
    pub on: On,
    /// Its database included.
    pub took: Duration,
    pub failure: Option<Failure>,
}

/// The tests whose names have these words in them, in whatever letters; all of them without.
pub fn select(scenarios: &Scenarios, filter: Option<&str>) -> Vec<Case> {
    let filter = filter.unwrap_or_default().to_lowercase();
    let mut cases = Vec::new();
    for (file, of) in scenarios.files.iter().enumerate() {
        cases.extend((0..of.tests.len()).map(|test| Case { file, test }));
    }
    cases.retain(|case| case.name(scenarios).to_lowercase().contains(&filter));
    cases
}

/// How tests are run.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    pub at_once: usize,
    /// Begin no other test after one has failed.
    pub fail_fast: bool,
}

/// Runs tests, some at once, and tells of each in the order of `cases`. Dropped, it stops; what was made by then is
/// removed by [`Ground::remove`].
pub async fn run(
    scenarios: &Arc<Scenarios>,
    cases: &[Case],
    ground: &Arc<Ground>,
    options: Options,
    mut told: impl FnMut(&Outcome),
) -> Vec<Outcome> {
    let mut running = JoinSet::new();
    let mut waiting = cases.iter().copied().enumerate();
    // Those that ended before one that is in front of them.
    let mut ended = BTreeMap::new();
    let mut outcomes = Vec::with_capacity(cases.len());
    let mut failed = false;
    loop {
        while running.len() < options.at_once.max(1)
            && !(failed && options.fail_fast)
            && let Some((at, case)) = waiting.next()
        {
            let (scenarios, ground) = (Arc::clone(scenarios), Arc::clone(ground));
            running.spawn(async move { (at, run_one(&scenarios, case, &ground).await) });
        }
        match running.join_next().await {
            None => break,
            Some(Ok((at, outcome))) => {
                failed |= outcome.failure.is_some();
                ended.insert(at, outcome);
            }
            // `run_one` catches what the test does; nothing aborts it while this is polled.
            Some(Err(_)) => failed = true,
        }
        while let Some(outcome) = ended.remove(&outcomes.len()) {
            told(&outcome);
            outcomes.push(outcome);
        }
    }
    // With `fail_fast`, one in front was never begun: what ended behind it is told all the same.
    for outcome in ended.into_values() {
        told(&outcome);
        outcomes.push(outcome);
    }
    outcomes
}

async fn run_one(scenarios: &Arc<Scenarios>, case: Case, ground: &Arc<Ground>) -> Outcome {
    let began = Instant::now();
    let task = {
        let (scenarios, ground) = (Arc::clone(scenarios), Arc::clone(ground));
        async move {
            let (file, test) = (case.file(&scenarios), case.test(&scenarios));
            let instance = match ground.instance().await {
                Ok(instance) => instance,
                Err(error) => return Err(Failure::at(test.name.at, "database", error.to_string())),
            };
            let played = play::play(&instance, ground.app(), file, test);
            let (played, settled) = match tokio::time::timeout(LONGEST, played).await {
                Ok(played) => (played, true),
                Err(_) => {
                    let message = format!("the test took longer than {} s", LONGEST.as_secs());
                    (Err(Failure::at(test.name.at, "timeout", message)), false)
                }
            };
            ground.give_back(instance, settled).await;
            played
        }
    };
    // In a task of its own, whose panic is this test's failure and nobody else's.
    let mut alone = JoinSet::new();
    alone.spawn(task);
    let failure = match alone.join_next().await {
        Some(Ok(played)) => played.err(),
        Some(Err(error)) => {
            let at = case.test(scenarios).name.at;
            Some(Failure::at(
                at,
                "panic",
                format!("the test panicked: {error}"),
            ))
        }
        None => None,
    };
    Outcome {
        case,
        on: ground.on(),
        took: began.elapsed(),
        failure,
    }
}
