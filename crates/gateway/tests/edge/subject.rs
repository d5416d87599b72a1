//! A server under test, with a service that does a few telling things.

use crate::client::Client;
use bytes::Bytes;
use gateway::{
    AccessLog, Answered, Context, Cors, Drained, Edge, Format, Gauge, Options, Service, Threads,
    serve,
};
use http::Response;
use http::request::Parts;
use spec::{Code, Principal, Problem, Uuid};
use std::borrow::Cow;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::net::TcpListener;
use tokio::sync::oneshot;

#[derive(Default)]
pub struct Echo {
    pub not_ready: AtomicBool,
}

/// Bytes of the answer at `/big`.
pub const BIG: usize = 32 << 20;

pub const USER: Uuid = Uuid::from_u128(7);

impl Service for Echo {
    async fn authenticate(&self, bearer: &str) -> Result<Principal, Problem> {
        match bearer {
            "good" => Ok(Principal::user(USER, None, Arc::from([]))),
            "panic" => panic!("while authenticating"),
            _ => Err(Problem::new(
                Code::BadToken,
                "The access token is not valid.",
            )),
        }
    }

    fn ignores_credentials(&self, path: &str) -> bool {
        path == "/login"
    }

    fn body_limit(&self) -> u64 {
        64 * 1024
    }

    async fn call(&self, parts: &Parts, body: Bytes, context: &Context<'_>) -> Answered {
        let path = parts.uri.path();
        let answered = |body: Bytes, code, cause: Option<&str>| Answered {
            response: Response::new(body),
            route: Cow::Borrowed("echo"),
            plan: Duration::from_micros(5),
            store: Duration::from_micros(7),
            code,
            cause: cause.map(str::to_owned),
        };
        match path {
            "/panic" => panic!("on purpose"),
            "/panic/later" => {
                tokio::time::sleep(Duration::from_millis(1)).await;
                panic!("on purpose, later");
            }
            "/slow" => tokio::time::sleep(Duration::from_millis(300)).await,
            // As nothing should do: the thread is held, not only the request.
            "/block" => std::thread::sleep(Duration::from_millis(4500)),
            "/stuck" => std::future::pending().await,
            "/big" => return answered(Bytes::from(vec![b'x'; BIG]), None, None),
            "/bare/400" => {
                let mut answered = answered(Bytes::new(), None, None);
                *answered.response.status_mut() = http::StatusCode::BAD_REQUEST;
                return answered;
            }
            "/cause" => {
                return answered(
                    Bytes::new(),
                    Some(Code::Internal),
                    Some("line one\nline two\u{1b}[31m"),
                );
            }
            _ => {}
        }
        let who = context
            .principal
            .id
            .map_or_else(|| "nobody".to_owned(), |id| id.to_string());
        answered(
            Bytes::from(format!("{} {path} {who} {}", parts.method, body.len())),
            None,
            None,
        )
    }

    async fn ready(&self) -> Result<(), Problem> {
        if self.not_ready.load(Ordering::Relaxed) {
            return Err(Problem::new(
                Code::StoreUnavailable,
                "The database cannot be reached.",
            ));
        }
        Ok(())
    }

    fn gauges(&self) -> Vec<Gauge> {
        vec![Gauge {
            name: "mainstay_writer_queue",
            help: "Writes that wait.",
            label: None,
            value: 3.0,
        }]
    }
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub struct Subject {
    pub address: SocketAddr,
    pub edge: Arc<Edge<Echo>>,
    log: Log,
    stop: oneshot::Sender<()>,
    done: std::sync::mpsc::Receiver<Drained>,
}

/// What most tests use: short times, so that what runs out does so soon.
pub fn short() -> Options {
    Options {
        head_time: Duration::from_millis(200),
        body_time: Duration::from_millis(200),
        idle_time: Duration::from_millis(400),
        write_time: Duration::from_millis(300),
        drain: Duration::from_secs(3),
        cors: Cors::Localhost,
        ..Options::default()
    }
}

impl Subject {
    pub fn start(options: Options) -> Subject {
        let log = Log::default();
        let access_log = AccessLog::new(Format::Json, Box::new(log.clone())).unwrap();
        let edge = Arc::new(Edge::new(Echo::default(), options, access_log));
        let (stop, stopped) = oneshot::channel();
        let (told, done) = std::sync::mpsc::channel();
        let (bound, address) = std::sync::mpsc::channel();
        let served = Arc::clone(&edge);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread()
                .worker_threads(2)
                .enable_all()
                .build()
                .unwrap();
            let drained = runtime.block_on(async {
                let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
                bound.send(listener.local_addr().unwrap()).unwrap();
                serve(listener, served, async {
                    let _ = stopped.await;
                })
                .await
                .unwrap()
            });
            let _ = told.send(drained);
        });
        Subject {
            address: address.recv().unwrap(),
            edge,
            log,
            stop,
            done,
        }
    }

    pub fn client(&self) -> Client {
        Client::connect(self.address)
    }

    /// Begins to stop.
    pub fn stop(self) -> Stopping {
        let _ = self.stop.send(());
        Stopping {
            done: self.done,
            log: self.log,
            edge: self.edge,
        }
    }

    /// Stops, and answers the log.
    pub fn lines(self) -> Vec<serde_json::Value> {
        self.stop().lines()
    }
}

pub struct Stopping {
    done: std::sync::mpsc::Receiver<Drained>,
    log: Log,
    edge: Arc<Edge<Echo>>,
}

impl Stopping {
    pub fn wait(&self) -> Drained {
        self.done.recv_timeout(Duration::from_secs(10)).unwrap()
    }

    pub fn lines(self) -> Vec<serde_json::Value> {
        self.wait();
        self.edge.log().close();
        let text = String::from_utf8(self.log.0.lock().unwrap().clone()).unwrap();
        text.lines()
            .map(|line| serde_json::from_str(line).unwrap())
            .collect()
    }
}

/// Both ways of serving.
pub fn both() -> [Options; 2] {
    [
        short(),
        Options {
            threads: Threads::Own(2),
            ..short()
        },
    ]
}
