//! A whole server in the test's process: sockets, edge, API, accounts, engine, store.

use crate::http::{Caller, Reply};
use crate::place::Place;
use crate::{On, fixture};
use auth::Auth;
use gateway::{AccessLog, Format};
use mainstay::backend::Backend;
use mainstay::database::Database;
use mainstay::server::{Serve, Server};
use serde_json::{Value as Json, json};
use spec::App;
use std::io::Write;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use store::migrate::Allow;
use tokio::sync::oneshot;

pub const PASSWORD: &str = "correct horse battery";
const SECRET: &[u8] = b"thirty-two bytes of test secret!";

/// What the access log wrote.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().expect("the log").extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl Lines {
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.0.lock().expect("the log")).into_owned()
    }
}

pub struct Served {
    pub app: Arc<App>,
    pub address: SocketAddr,
    pub backend: Backend,
    pub auth: Arc<Auth>,
    pub log: Lines,
    pub place: Place,
    stop: oneshot::Sender<()>,
    running: tokio::task::JoinHandle<()>,
}

impl Served {
    pub async fn start(on: On, app: &str) -> Served {
        let app = fixture::load(app);
        let place = Place::new(on).await;
        let log = Lines::default();
        let access = AccessLog::new(Format::Json, Box::new(log.clone())).expect("a log");
        let server = Server::start(Serve {
            app: Arc::clone(&app),
            database: Database::parse(&place.url, place.path()).expect("a URL"),
            listen: "127.0.0.1:0".to_owned(),
            secret: SECRET.to_vec(),
            migrate: Some(Allow::SAFE),
            localhost: false,
            log: access,
            backups: None,
        })
        .await
        .expect("a server");
        let (address, backend, auth) = (
            server.address,
            server.backend.clone(),
            Arc::clone(&server.auth),
        );
        let (stop, stopped) = oneshot::channel();
        let running = tokio::spawn(async move {
            let shutdown = async {
                let _ = stopped.await;
            };
            server.run(shutdown).await.expect("a clean stop");
        });
        Served {
            app,
            address,
            backend,
            auth,
            log,
            place,
            stop,
            running,
        }
    }

    /// Stops the server, then looks at every line that it wrote: no request failed on our side.
    async fn finish(self, judge: bool) {
        let _ = self.stop.send(());
        let ended = tokio::time::timeout(Duration::from_secs(20), self.running).await;
        drop((self.backend, self.auth));
        self.place.remove().await;
        if judge {
            ended.expect("a server that stops").expect("no panic");
            let log = self.log.text();
            let bad: Vec<&str> = log
                .lines()
                .filter(|line| line.contains("panic") || line.contains("internal.error"))
                .collect();
            assert!(bad.is_empty(), "{}", bad.join("\n"));
        }
    }

    pub fn anonymous(&self) -> Caller {
        Caller::anonymous(self.address)
    }

    pub async fn register(&self, email: &str) -> Caller {
        let body = json!({"email": email, "password": PASSWORD});
        let reply = self.anonymous().post("/api/auth/register", body).await;
        self.signed_in(&reply.expect(201))
    }

    pub async fn login(&self, email: &str, password: &str) -> Reply {
        let body = json!({"email": email, "password": password});
        self.anonymous().post("/api/auth/login", body).await
    }

    /// The caller whom an answer of the account routes is for.
    #[track_caller]
    pub fn signed_in(&self, answer: &Json) -> Caller {
        Caller {
            address: self.address,
            token: Some(answer["access_token"].as_str().expect("a token").to_owned()),
            id: answer["user"]["id"].as_str().expect("an id").to_owned(),
        }
    }

    pub async fn admin(&self) -> Caller {
        let admin = self.register("admin@example.com").await;
        let id = spec::Uuid::try_parse(&admin.id).expect("an id");
        self.auth.grant_role(id, "admin").await.expect("a role");
        admin
    }

    /// Asks until the answer is as wanted, for a second: what the design gives to changes of access.
    pub async fn within_a_second(&self, caller: &Caller, path: &str, wanted: &str) {
        let start = std::time::Instant::now();
        loop {
            let word = caller.get(path).await.word();
            if word == wanted {
                return;
            }
            assert!(
                start.elapsed() < Duration::from_secs(1),
                "{path} is {word}, not {wanted}"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// The lines of the access log, once those of earlier requests are there.
    pub async fn lines(&self) -> Vec<Json> {
        // They gather for 50 ms before they are written.
        tokio::time::sleep(Duration::from_millis(150)).await;
        let text = self.log.text();
        text.lines()
            .map(|line| serde_json::from_str(line).expect("a line of the log is JSON"))
            .collect()
    }
}

/// Runs a behaviour against a server on one kind of store.
pub fn run(on: On, app: &str, behaviour: impl AsyncFnOnce(&Served)) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()
        .expect("a runtime");
    let served = runtime.block_on(Served::start(on, app));
    let outcome = std::panic::catch_unwind(std::panic::AssertUnwindSafe(|| {
        runtime.block_on(behaviour(&served));
    }));
    runtime.block_on(served.finish(outcome.is_ok()));
    if let Err(panic) = outcome {
        std::panic::resume_unwind(panic);
    }
}

/// One behaviour over HTTP, two tests: `name::sqlite` and `name::postgres`.
#[macro_export]
macro_rules! each_server {
    ($name:ident, $app:expr, $behaviour:expr) => {
        mod $name {
            #[allow(unused_imports)]
            use super::*;

            fn on(on: $crate::On) {
                $crate::served::run(on, $app, $behaviour);
            }

            #[test]
            fn sqlite() {
                on($crate::On::Sqlite);
            }

            #[test]
            fn postgres() {
                on($crate::On::Postgres);
            }
        }
    };
}
