//! Whether the tables under a running server are still those of its app.
//!
//! Another version may be migrated to while this one serves. What it removed, renamed or converted then fails in as many
//! ways as there are statements: a column that is not there, a value of another type. So nothing is read out of the
//! database's errors. Where one is nobody's fault, the tables are compared with what the app needs, as a start does.

use spec::{App, Code, Problem};
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::Store;
use tokio::sync::Mutex;

/// How long the outcome of a look holds, so that a thousand errors cost one look.
const HOLDS: Duration = Duration::from_secs(1);

/// The last look.
#[derive(Default)]
pub(crate) struct Tables(Mutex<Option<Look>>);

struct Look {
    app: Arc<App>,
    at: Instant,
    fit: bool,
}

impl Tables {
    /// Makes of an error of ours what it is where the tables are another version's.
    pub async fn blame(&self, app: &Arc<App>, store: &Store, problem: &mut Problem) {
        if self.fit(app, store).await {
            return;
        }
        let cause = problem.cause.take().unwrap_or_default();
        *problem = Problem::new(
            Code::StoreMigrated,
            "The database was migrated for another version of this app, or is being migrated.",
        )
        .retry_after(HOLDS * 5)
        .because(cause);
    }

    async fn fit(&self, app: &Arc<App>, store: &Store) -> bool {
        let mut last = self.0.lock().await;
        if let Some(look) = &*last
            && Arc::ptr_eq(&look.app, app)
            && look.at.elapsed() < HOLDS
        {
            return look.fit;
        }
        // Where nobody can look, the error stays what it is.
        let fit = store.has(&plan::schema::schema(app)).await.unwrap_or(true);
        *last = Some(Look {
            app: Arc::clone(app),
            at: Instant::now(),
            fit,
        });
        fit
    }
}
