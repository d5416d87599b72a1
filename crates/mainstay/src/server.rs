//! A running server: the rooms wired together, behind the edge.

use crate::backend::{Backend, StartError, schema};
use crate::backup::schedule::{Made, Schedule};
use crate::database::{Database, Role};
use crate::users::Accounts;
use api::Api;
use auth::Auth;
use bytes::Bytes;
use gateway::{AccessLog, Answered, Cors, Edge, Gauge, Options, Threads, Timing};
use http::request::Parts;
use spec::schema::Dialect;
use spec::{App, Principal, Problem};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::migrate::{Allow, Applied, Extras, Plan};
use store::{Bounds, Store};
use tokio::net::TcpListener;

/// How an app is served.
pub struct Serve {
    pub app: Arc<App>,
    pub database: Database,
    pub listen: String,
    pub secret: Vec<u8>,
    /// Which steps bring the tables up to date before the first request.
    pub migrate: Option<Allow>,
    /// Pages from this machine may call, answers tell their times to the microsecond, and a browser at `/` is led to
    /// the page that describes the API: for development.
    pub localhost: bool,
    pub log: AccessLog,
    /// Backups to make while it serves.
    pub backups: Option<Schedule>,
}

/// A server that listens but does not answer yet.
pub struct Server {
    pub backend: Backend,
    pub auth: Arc<Auth>,
    pub address: SocketAddr,
    /// What was done to the tables, or is there to note.
    pub migrated: Plan,
    listener: TcpListener,
    edge: Arc<Edge<Service>>,
    backups: Option<(Schedule, Arc<Made>)>,
}

impl Server {
    /// Opens the database, sees to the tables, and takes the address.
    pub async fn start(serve: Serve) -> Result<Server, StartError> {
        let app = serve.app;
        // The address first: a second server on it should not get as far as the database.
        let listener =
            TcpListener::bind(&serve.listen)
                .await
                .map_err(|error| StartError::Address {
                    listen: serve.listen.clone(),
                    error,
                })?;
        let address = listener.local_addr().map_err(StartError::Io)?;
        let backend = Backend::open(
            Arc::clone(&app),
            &serve.database,
            Role::Server,
            &serve.secret,
        )
        .await?;
        let migrated = match serve.migrate {
            Some(allow) => match backend.migrate(&app, allow).await? {
                Applied::Nothing(plan) | Applied::Ran(plan) => plan,
                Applied::Refused(plan) => return Err(StartError::Tables(plan)),
            },
            None => {
                let plan = backend.store.migration(&schema(&app), Extras::Keep).await?;
                if !plan.is_settled() {
                    return Err(StartError::Tables(plan));
                }
                plan
            }
        };
        let auth = backend.accounts(&serve.secret).await?;
        let backups = serve.backups.map(|schedule| (schedule, Arc::default()));
        let options = Options {
            cors: if serve.localhost {
                Cors::Localhost
            } else {
                Cors::Off
            },
            timing: if serve.localhost {
                Timing::Precise
            } else {
                Timing::Whole
            },
            // A request that never crosses threads costs less: a fifth on either store (measured).
            threads: Threads::Own(std::thread::available_parallelism().map_or(2, usize::from)),
            ..bounds(&app)
        };
        let edge = Arc::new(wire(
            &backend,
            &auth,
            backups.as_ref().map(|(_, made)| Arc::clone(made)),
            options,
            serve.log,
            serve.localhost,
        ));
        Ok(Server {
            backend,
            auth,
            address,
            migrated,
            listener,
            edge,
            backups,
        })
    }

    /// Answers until `shutdown`, finishes what is in flight, and lets go of the database.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> std::io::Result<usize> {
        let upkeep = tokio::spawn(upkeep(self.backend.clone(), Arc::clone(&self.auth)));
        let backups = self
            .backups
            .map(|(schedule, made)| tokio::spawn(schedule.run(self.backend.clone(), made)));
        let drained = gateway::serve(self.listener, Arc::clone(&self.edge), shutdown).await;
        upkeep.abort();
        if let Some(backups) = backups {
            backups.abort();
        }
        self.backend.store.close().await;
        self.edge.log().close();
        drained.map(|d| d.cut_off)
    }
}

/// Ended sessions that are forgotten in one statement.
const SWEPT: u32 = 1000;
/// Kept answers, likewise: one may be as large as a body.
const ANSWERS: u32 = 200;

/// Forgets what is past its time: old changes, ended sessions, kept answers.
async fn upkeep(backend: Backend, auth: Arc<Auth>) {
    let mut every = tokio::time::interval(Duration::from_secs(600));
    loop {
        every.tick().await;
        let keep = backend.engine.app().settings.changes.keep;
        let until = spec::time::now_micros() - i64::try_from(keep.as_micros()).unwrap_or(i64::MAX);
        if let Err(error) = backend.store.forget_changes(until).await {
            tracing::warn!(%error, "old changes were not forgotten");
        }
        loop {
            match auth.sweep(SWEPT).await {
                Ok(swept) if swept < SWEPT as usize => break,
                Ok(_) => {}
                Err(problem) => {
                    tracing::warn!(%problem, "ended sessions were not forgotten");
                    break;
                }
            }
        }
        loop {
            match backend.engine.forget_answers(ANSWERS).await {
                Ok(forgotten) if forgotten < ANSWERS as usize => break,
                Ok(_) => {}
                Err(problem) => {
                    tracing::warn!(%problem, "kept answers were not forgotten");
                    break;
                }
            }
        }
    }
}

/// The rooms wired together behind the edge, wherever its requests come from. `greets`: see [`Api::greeting`].
pub fn wire(
    backend: &Backend,
    auth: &Arc<Auth>,
    backups: Option<Arc<Made>>,
    options: Options,
    log: AccessLog,
    greets: bool,
) -> Edge<Service> {
    backend.engine.set_companion(Accounts(Arc::clone(auth)));
    let service = Service {
        api: Api::new(Arc::clone(&backend.engine), Some(Arc::clone(auth))).greeting(greets),
        auth: Arc::clone(auth),
        backend: backend.clone(),
        backups,
    };
    Edge::new(service, options, log)
}

/// The bounds that the app sets the edge.
pub fn bounds(app: &App) -> Options {
    Options {
        address: app.settings.limits.address as usize,
        headers: app.settings.limits.headers as usize,
        head_time: app.settings.limits.head_time,
        body_time: app.settings.limits.body_time,
        drain: app.settings.server.drain,
        ..Options::default()
    }
}

/// The rooms, as the edge wants them.
pub struct Service {
    api: Api,
    auth: Arc<Auth>,
    backend: Backend,
    backups: Option<Arc<Made>>,
}

impl gateway::Service for Service {
    fn thread_begins(&self) {
        self.backend.store.settle();
    }

    async fn authenticate(&self, bearer: &str) -> Result<Principal, Problem> {
        self.auth.authenticate(bearer).await
    }

    fn ignores_credentials(&self, path: &str) -> bool {
        self.api.ignores_credentials(path)
    }

    fn body_limit(&self) -> u64 {
        self.backend.engine.app().settings.limits.body
    }

    async fn call(&self, parts: &Parts, body: Bytes, context: &gateway::Context<'_>) -> Answered {
        let context = api::Context {
            request_id: context.request_id,
            principal: context.principal,
        };
        let answered = self.api.answer(parts, body, &context).await;
        let (code, cause) = match answered.failure {
            Some(failure) => (Some(failure.code), failure.cause),
            None => (None, None),
        };
        Answered {
            response: answered.response,
            route: answered.route,
            plan: answered.stages.plan,
            store: answered.stages.store,
            code,
            cause,
        }
    }

    async fn ready(&self) -> Result<(), Problem> {
        let bounds = Bounds {
            emit: 1,
            deadline: Instant::now() + Duration::from_secs(2),
        };
        self.backend
            .store
            .read(&plan::read::ping(), bounds)
            .await
            .map(|_| ())
            .map_err(store::error::problem_of)
    }

    fn gauges(&self) -> Vec<Gauge> {
        let mut gauges = gauges(&self.backend.store);
        if let Some(backups) = &self.backups {
            gauges.extend(backups.gauges());
        }
        gauges
    }
}

fn gauges(store: &Store) -> Vec<Gauge> {
    let gauge = |name, help, label, value: usize| Gauge {
        name,
        help,
        label,
        value: value as f64,
    };
    debug_assert!(matches!(
        store.dialect(),
        Dialect::Sqlite | Dialect::Postgres
    ));
    match store {
        Store::Sqlite(sqlite) => {
            let stats = sqlite.stats();
            vec![
                gauge(
                    "mainstay_writer_queue",
                    "Writes that wait for the writer.",
                    None,
                    stats.writes_queued,
                ),
                gauge(
                    "mainstay_writer_last_group",
                    "Writes of the last commit.",
                    None,
                    stats.last_group,
                ),
                gauge(
                    "mainstay_reader_queue",
                    "Reads that wait for a reader thread.",
                    None,
                    stats.reads_queued,
                ),
                gauge(
                    "mainstay_wal_bytes",
                    "Size of the write-ahead log.",
                    None,
                    stats.log_bytes as usize,
                ),
            ]
        }
        Store::Postgres(postgres) => {
            let stats = postgres.stats();
            let pool = "mainstay_pool_connections";
            let help = "Connections of the pool.";
            vec![
                gauge(pool, help, Some(("state", "max")), stats.pool_max),
                gauge(pool, help, Some(("state", "open")), stats.pool_size),
                gauge(pool, help, Some(("state", "in_use")), stats.pool_in_use),
                gauge(
                    "mainstay_pool_waiting",
                    "Callers that wait for the pool.",
                    None,
                    stats.pool_waiting,
                ),
                gauge(
                    "mainstay_reads_in_flight",
                    "Statements on shared connections.",
                    None,
                    stats.reads_in_flight,
                ),
                gauge(
                    "mainstay_writes_in_flight",
                    "Writes on shared connections.",
                    None,
                    stats.writes_in_flight,
                ),
                gauge(
                    "mainstay_writer_queue",
                    "Writes that wait for the writer.",
                    None,
                    stats.writes_waiting,
                ),
            ]
        }
    }
}
