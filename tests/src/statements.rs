//! The statement log: which statements the engine handed to the store.

use std::sync::{Mutex, MutexGuard, Once, PoisonError};
use tracing::field::{Field, Visit};
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};

static LOG: Mutex<Vec<String>> = Mutex::new(Vec::new());

fn log() -> MutexGuard<'static, Vec<String>> {
    LOG.lock().unwrap_or_else(PoisonError::into_inner)
}

struct Keeper;

struct Text(String);

impl Visit for Text {
    fn record_debug(&mut self, field: &Field, value: &dyn std::fmt::Debug) {
        if field.name() == "text" {
            self.0 = format!("{value:?}");
        }
    }
}

impl<S: tracing::Subscriber> Layer<S> for Keeper {
    fn enabled(&self, metadata: &tracing::Metadata<'_>, _: Context<'_, S>) -> bool {
        metadata.target() == store::STATEMENTS
    }

    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        let mut text = Text(String::new());
        event.record(&mut text);
        log().push(text.0);
    }
}

/// The texts of the statements that `run` causes, of those that name `about`: other tests of the process may
/// run beside it.
pub async fn statements_of<T>(about: &str, run: impl Future<Output = T>) -> (Vec<String>, T) {
    static KEEPING: Once = Once::new();
    KEEPING.call_once(|| {
        let keeper = tracing_subscriber::registry().with(Keeper);
        tracing::subscriber::set_global_default(keeper).expect("no other subscriber");
    });
    log().clear();
    let answer = run.await;
    let mut texts = std::mem::take(&mut *log());
    texts.retain(|text| text.contains(about));
    (texts, answer)
}
