//! Where throw-away instances come from. On SQLite each has a copy of a file with the app's tables in it. On
//! PostgreSQL, where to make and drop a database takes a checkpoint, there is one for each test that runs at the same
//! time, and it is emptied in between.

use crate::backend::{Backend, StartError, schema};
use crate::secret::new_secret;
use crate::server::{Service, bounds, wire};
use auth::Auth;
use bytes::Bytes;
use engine::Engine;
use gateway::{AccessLog, Edge};
use http::{Request, Response};
use spec::App;
use std::collections::BTreeMap;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use store::migrate::{Allow, Applied};
use store::postgres::{self, Databases, Postgres};
use store::sqlite::{self, Sqlite};
use store::{Store, StoreError};
use tempfile::TempDir;

/// A kind of store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum On {
    Sqlite,
    Postgres,
}

impl On {
    pub fn name(self) -> &'static str {
        match self {
            On::Sqlite => "sqlite",
            On::Postgres => "postgres",
        }
    }
}

/// Signing keys are the ground's, not a test's.
const KEPT: &[&str] = &["keys"];

pub struct Ground {
    app: Arc<App>,
    /// Of all instances: their databases hold keys that are sealed with it.
    secret: String,
    place: Place,
}

enum Place {
    Sqlite {
        folder: TempDir,
        made: AtomicU64,
    },
    Postgres {
        url: String,
        server: Databases,
        /// What is there to be dropped, with the store that may still be on it.
        made: Mutex<BTreeMap<String, Weak<Store>>>,
        /// Emptied, and waiting for the next test.
        idle: Mutex<Vec<(String, Arc<Store>)>>,
        /// Whether they have been dropped: a test that is being stopped on another thread makes none after that. Held
        /// while one is made.
        over: tokio::sync::Mutex<bool>,
    },
}

/// What is held until an instance is given back.
enum Held {
    Folder(PathBuf),
    Database(String),
}

/// The app on a database of its own.
pub struct Instance {
    pub backend: Backend,
    pub auth: Arc<Auth>,
    edge: Edge<Service>,
    held: Held,
}

impl Instance {
    /// Answers as a server does.
    pub async fn answer(&self, request: Request<Bytes>) -> Response<Bytes> {
        let peer = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
        self.edge.answer(request, peer).await
    }
}

impl Ground {
    /// In files of a temporary folder.
    pub async fn sqlite(app: Arc<App>) -> Result<Ground, StartError> {
        let folder = tempfile::Builder::new().prefix("mainstay-test-").tempdir();
        let place = Place::Sqlite {
            folder: folder.map_err(StartError::Io)?,
            made: AtomicU64::new(0),
        };
        Ground::on_place(app, place).await
    }

    /// In databases beside the one that the URL names, which is left alone. Its user may create databases.
    pub async fn postgres(app: Arc<App>, url: &str) -> Result<Ground, StartError> {
        let place = Place::Postgres {
            url: url.to_owned(),
            server: Databases::connect(url).await?,
            made: Mutex::default(),
            idle: Mutex::default(),
            over: tokio::sync::Mutex::default(),
        };
        Ground::on_place(app, place).await
    }

    async fn on_place(app: Arc<App>, place: Place) -> Result<Ground, StartError> {
        let ground = Ground {
            app,
            secret: new_secret(),
            place,
        };
        match ground.prepare().await {
            Ok(()) => Ok(ground),
            Err(error) => {
                ground.remove().await;
                Err(error)
            }
        }
    }

    pub fn app(&self) -> &Arc<App> {
        &self.app
    }

    pub fn on(&self) -> On {
        match self.place {
            Place::Sqlite { .. } => On::Sqlite,
            Place::Postgres { .. } => On::Postgres,
        }
    }

    /// Finds out early whether the app's tables can be there: the file that is copied, or the first database.
    async fn prepare(&self) -> Result<(), StartError> {
        match &self.place {
            Place::Sqlite { folder, .. } => {
                let store = open_sqlite(template(folder.path())).await?;
                let store = self.with_tables(store).await?;
                store.close().await;
            }
            Place::Postgres { idle, .. } => {
                let first = self.new_database().await?;
                locked(idle).push(first);
            }
        }
        Ok(())
    }

    /// Brings a new database to the app, signing key included.
    async fn with_tables(&self, store: Store) -> Result<Arc<Store>, StartError> {
        let backend = self.backend(Arc::new(store));
        match backend.store.apply(&schema(&self.app), Allow::SLOW).await? {
            Applied::Nothing(_) | Applied::Ran(_) => {}
            Applied::Refused(plan) => return Err(StartError::Tables(plan)),
        }
        backend.accounts(self.secret.as_bytes()).await?;
        Ok(backend.store)
    }

    fn backend(&self, store: Arc<Store>) -> Backend {
        let app = Arc::clone(&self.app);
        let engine = Engine::new(app, Arc::clone(&store), self.secret.as_bytes());
        Backend {
            store,
            engine: Arc::new(engine),
        }
    }

    async fn new_database(&self) -> Result<(String, Arc<Store>), StartError> {
        let Place::Postgres {
            url,
            server,
            made,
            over,
            ..
        } = &self.place
        else {
            return Err(StartError::Io(std::io::Error::other("SQLite has files")));
        };
        let name = format!("mainstay_test_{}", spec::new_id().simple());
        {
            let over = over.lock().await;
            if *over {
                return Err(StartError::Io(std::io::Error::other(
                    "the tests were interrupted",
                )));
            }
            // Before it is there: if nobody waits for the answer, it is dropped all the same.
            locked(made).insert(name.clone(), Weak::new());
            server.create(&name).await?;
        }
        let store = open_postgres(url, &name).await?;
        let store = self.with_tables(store).await?;
        locked(made).insert(name.clone(), Arc::downgrade(&store));
        Ok((name, store))
    }

    /// A new instance, without a record.
    pub async fn instance(&self) -> Result<Instance, StartError> {
        let (store, held) = match &self.place {
            Place::Sqlite { folder, made } => {
                let own = made.fetch_add(1, Ordering::Relaxed).to_string();
                let own = folder.path().join(own);
                let (from, to) = (template(folder.path()), own.join("data.db"));
                let copied = {
                    let own = own.clone();
                    tokio::task::spawn_blocking(move || {
                        std::fs::create_dir(own)?;
                        std::fs::copy(from, &to).map(|_| to)
                    })
                };
                let path = copied.await.map_err(std::io::Error::other).flatten();
                let store = open_sqlite(path.map_err(StartError::Io)?).await?;
                (Arc::new(store), Held::Folder(own))
            }
            Place::Postgres { idle, .. } => {
                let free = locked(idle).pop();
                let (name, store) = match free {
                    Some(free) => free,
                    None => self.new_database().await?,
                };
                (store, Held::Database(name))
            }
        };
        let backend = self.backend(store);
        let auth = backend.accounts_on_trial(self.secret.as_bytes()).await?;
        let edge = wire(
            &backend,
            &auth,
            None,
            bounds(&self.app),
            AccessLog::off(),
            false,
        );
        Ok(Instance {
            backend,
            auth,
            edge,
            held,
        })
    }

    /// Throws an instance away. `settled`: nothing of it still runs.
    pub async fn give_back(&self, instance: Instance, settled: bool) {
        let Instance {
            backend,
            auth,
            edge,
            held,
        } = instance;
        let store = Arc::clone(&backend.store);
        drop((edge, auth, backend));
        match (held, &self.place) {
            (Held::Folder(folder), _) => {
                store.close().await;
                drop(store);
                // What stays in spite of this goes with the whole folder.
                let _ = tokio::task::spawn_blocking(|| std::fs::remove_dir_all(folder)).await;
            }
            (Held::Database(name), Place::Postgres { server, idle, .. }) => {
                // One that cannot be emptied is not used again, and dropped with the others.
                match server.empty(&name, KEPT).await {
                    Ok(()) if settled => locked(idle).push((name, store)),
                    Ok(()) => store.close().await,
                    Err(error) => {
                        tracing::warn!(%error, name, "a test's database was not emptied");
                        store.close().await;
                    }
                }
            }
            (Held::Database(_), Place::Sqlite { .. }) => {}
        }
    }

    /// Throws everything away, instances that nobody gave back included.
    pub async fn remove(&self) {
        match &self.place {
            Place::Sqlite { folder, .. } => {
                let _ = std::fs::remove_dir_all(folder.path());
            }
            Place::Postgres {
                server, made, over, ..
            } => {
                *over.lock().await = true;
                let all = std::mem::take(&mut *locked(made));
                for (name, store) in all {
                    if let Some(store) = store.upgrade() {
                        store.close().await;
                    }
                    if let Err(error) = server.remove(&name).await {
                        tracing::warn!(%error, name, "a test's database was not dropped");
                    }
                }
            }
        }
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn template(folder: &Path) -> PathBuf {
    folder.join("template.db")
}

/// Small: many are open at once, and each has few records.
async fn open_sqlite(path: PathBuf) -> Result<Store, StoreError> {
    let options = sqlite::Options {
        server: true,
        inline: 2,
        readers: 1,
        durable: false,
        ..sqlite::Options::default()
    };
    let opened = tokio::task::spawn_blocking(move || Sqlite::open(path, options)).await;
    let opened = opened.map_err(|error| StoreError::Other {
        cause: error.to_string(),
    })?;
    opened.map(Store::Sqlite)
}

async fn open_postgres(url: &str, database: &str) -> Result<Store, StoreError> {
    let options = postgres::Options {
        application_name: "mainstay test".to_owned(),
        readers: 1,
        writers: 1,
        pool: 2,
        database: Some(database.to_owned()),
        durable: false,
        ..postgres::Options::default()
    };
    Postgres::connect(url, options).await.map(Store::Postgres)
}
