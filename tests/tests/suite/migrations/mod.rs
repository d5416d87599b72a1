//! What becomes of records when their models change.

mod changes;
mod data_steps;
mod kept;
mod random;

use mainstay_tests::*;
use serde_json::Value as Json;
use store::migrate::{Applied, Plan};

/// An app of one model, `shop.things`, with these fields, and whatever stands behind them.
fn things(fields: &str) -> String {
    app(&format!("[models.things.fields]\n{fields}\n"))
}

fn app(module: &str) -> String {
    format!("## modules/shop/module.toml\n{module}")
}

#[track_caller]
fn ran(applied: store::Result<Applied>) -> Plan {
    match applied {
        Ok(Applied::Ran(plan)) => plan,
        other => panic!("{other:?}"),
    }
}

/// Everything that was in the way, and nothing was done.
#[track_caller]
fn refused(applied: store::Result<Applied>) -> String {
    match applied {
        Ok(Applied::Refused(plan)) => {
            let all: Vec<String> = plan.in_the_way().map(ToString::to_string).collect();
            all.join("\n")
        }
        other => panic!("{other:?}"),
    }
}

async fn all(fx: &Fixture, model: &str, sort: &str) -> Vec<Json> {
    fx.list(&system(), model, Query::new().sort(sort).limit(200))
        .await
        .data()
}

/// A behaviour on either store. What holds at the end of other tests does not here: the log tells of models that are
/// no more.
pub(crate) fn run(on: On, app: &str, behaviour: impl AsyncFnOnce(&Fixture)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let fixture = runtime.block_on(Fixture::open(on, app));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(behaviour(&fixture));
    }));
    runtime.block_on(fixture.remove());
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

macro_rules! migrating {
    ($name:ident, $app:expr, $behaviour:expr) => {
        on_each!($name, |on| crate::migrations::run(on, $app, $behaviour));
    };
}
use migrating;
