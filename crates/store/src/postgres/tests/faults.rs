//! A server that goes away and comes back: a second one, of the test's own.

use super::*;
use crate::StoreError;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use tempfile::TempDir;
use tokio::task::JoinSet;

struct Server {
    folder: TempDir,
    programs: PathBuf,
    port: u16,
}

impl Server {
    fn start() -> Server {
        // In /tmp and not wherever TMPDIR points: another user must get there, and a socket's path is short.
        let folder = tempfile::Builder::new()
            .prefix("mainstay-")
            .tempdir_in("/tmp")
            .unwrap();
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        drop(listener);
        let server = Server {
            folder,
            programs: programs(),
            port,
        };
        use std::os::unix::fs::PermissionsExt;
        let open = std::fs::Permissions::from_mode(0o777);
        std::fs::set_permissions(server.folder.path(), open).unwrap();
        server.run(
            "initdb",
            &[
                "-D",
                &server.data(),
                "-U",
                "postgres",
                "-A",
                "trust",
                "-E",
                "UTF8",
                "--locale=C",
                "-N",
            ],
        );
        server.up();
        server
    }

    fn data(&self) -> String {
        self.folder.path().join("data").display().to_string()
    }

    fn up(&self) {
        let options = format!(
            "-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories='{}' -c max_connections=60",
            self.port,
            self.folder.path().display()
        );
        let log = self.folder.path().join("log").display().to_string();
        self.run(
            "pg_ctl",
            &[
                "start",
                "-w",
                "-s",
                "-D",
                &self.data(),
                "-l",
                &log,
                "-o",
                &options,
            ],
        );
    }

    fn down(&self, mode: &str) {
        self.run(
            "pg_ctl",
            &["stop", "-w", "-s", "-m", mode, "-D", &self.data()],
        );
    }

    /// As the user postgres where the tests run as root, which the server refuses.
    fn run(&self, program: &str, arguments: &[&str]) {
        let program = self.programs.join(program);
        let root = Command::new("id").arg("-u").output().unwrap().stdout == b"0\n";
        let mut command = if root {
            let mut command = Command::new("setpriv");
            command.args([
                "--reuid=postgres",
                "--regid=postgres",
                "--init-groups",
                "env",
                "-u",
                "HOME",
            ]);
            command.arg(&program);
            command
        } else {
            Command::new(&program)
        };
        let status = command
            .args(arguments)
            .current_dir(self.folder.path())
            .stdin(std::process::Stdio::null())
            .stdout(std::process::Stdio::null())
            .stderr(std::process::Stdio::null())
            .status()
            .unwrap();
        assert!(status.success(), "{} {arguments:?}", program.display());
    }

    fn url(&self) -> String {
        format!("postgres://postgres@127.0.0.1:{}/postgres", self.port)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        if Path::new(&self.data()).join("postmaster.pid").exists() {
            self.down("immediate");
        }
    }
}

fn programs() -> PathBuf {
    if let Some(folder) = std::env::var_os("MAINSTAY_TEST_PGBIN") {
        return folder.into();
    }
    let mut found: Vec<PathBuf> = std::fs::read_dir("/usr/lib/postgresql")
        .map(|dirs| dirs.flatten().map(|dir| dir.path().join("bin")).collect())
        .unwrap_or_default();
    found.sort();
    found
        .pop()
        .expect("PostgreSQL's programs: name their folder in MAINSTAY_TEST_PGBIN")
}

async fn served(server: &Server) -> Postgres {
    let store = Postgres::connect(&server.url(), Options::default())
        .await
        .unwrap();
    store.apply(&shop(), Allow::SAFE).await.unwrap();
    store
}

/// Writes go on while the server is killed and started; every acknowledged one is there afterwards, and none
/// that was refused for sure.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_survive_a_server_that_is_killed() {
    let server = Server::start();
    let store = Arc::new(served(&server).await);
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = JoinSet::new();
    for writer in 0..24 {
        let (store, stop) = (store.clone(), stop.clone());
        writers.spawn(async move {
            let (mut sure, mut never, mut maybe) = (Vec::new(), Vec::new(), Vec::new());
            for n in 0.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let name = format!("{writer}-{n}");
                // Some in a group, some in a transaction of their own.
                let steps = match n % 4 {
                    0 => vec![create(&name), create("beside")],
                    _ => vec![create(&name)],
                };
                match store.write(steps, soon()).await {
                    Ok(Written::Done(_)) => sure.push(name),
                    Err(StoreError::Unavailable { maybe: true, .. }) => maybe.push(name),
                    Err(StoreError::Unavailable { maybe: false, .. }) => never.push(name),
                    other => panic!("{other:?}"),
                }
            }
            (sure, never, maybe)
        });
    }
    for mode in ["immediate", "fast"] {
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.down(mode);
        tokio::time::sleep(Duration::from_millis(200)).await;
        server.up();
    }
    tokio::time::sleep(Duration::from_millis(2500)).await;
    stop.store(true, Ordering::Relaxed);

    let mut outcomes = Vec::new();
    while let Some(done) = writers.join_next().await {
        outcomes.push(done.unwrap());
    }
    let stranger = connect(&server.url()).await;
    let there: std::collections::HashMap<String, i64> = stranger
        .query(
            "select name, count(*) from catalog.products group by name",
            &[],
        )
        .await
        .unwrap()
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    let mut last = 0;
    for (sure, never, maybe) in &outcomes {
        for name in sure {
            assert_eq!(there.get(name), Some(&1), "{name} was acknowledged");
        }
        for name in never {
            assert_eq!(there.get(name), None, "{name} was refused");
        }
        for name in maybe {
            assert!(
                there.get(name).is_none_or(|count| *count == 1),
                "{name} came twice"
            );
        }
        last += sure.len();
    }
    assert!(last > 200, "only {last} writes came through");
    let logged = stranger
        .query_one("select count(*) from mainstay.changes", &[])
        .await
        .unwrap();
    assert_eq!(logged.get::<_, i64>(0), there.values().sum::<i64>());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_server_is_a_clear_error_and_comes_back_by_itself() {
    let server = Server::start();
    let store = served(&server).await;
    let bounded = select("select 1::int8", vec![], vec![field("n", ColumnType::Int)]);
    let mut unbounded = bounded.clone();
    unbounded.lane = Lane::Unbounded;
    let bounds = |wait| Bounds {
        emit: 1,
        deadline: Instant::now() + wait,
    };
    store
        .read(&unbounded, bounds(Duration::from_secs(5)))
        .await
        .unwrap();

    server.down("fast");
    for wait in [Duration::from_millis(200), Duration::from_secs(10)] {
        let started = Instant::now();
        for statement in [&bounded, &unbounded] {
            let read = store.read(statement, bounds(wait)).await;
            assert!(
                matches!(read, Err(StoreError::Unavailable { maybe: false, .. })),
                "{read:?}"
            );
        }
        for steps in [vec![create("a")], vec![create("a"), create("b")]] {
            let written = store.write(steps, Instant::now() + wait).await;
            assert!(
                matches!(written, Err(StoreError::Unavailable { maybe: false, .. })),
                "{written:?}"
            );
        }
        assert!(
            started.elapsed() < Duration::from_secs(10),
            "{:?}",
            started.elapsed()
        );
    }
    assert!(store.changes_head().await.is_err());

    server.up();
    // At once: they wait for the connection that is being made.
    store
        .read(&bounded, bounds(Duration::from_secs(5)))
        .await
        .unwrap();
    store
        .read(&unbounded, bounds(Duration::from_secs(5)))
        .await
        .unwrap();
    assert!(matches!(
        store.write(vec![create("a")], soon()).await,
        Ok(Written::Done(_))
    ));
    assert!(matches!(
        store.write(vec![create("a"), create("b")], soon()).await,
        Ok(Written::Done(_))
    ));

    // One backend after the other is killed under reads, which do not notice.
    let stranger = connect(&server.url()).await;
    for _ in 0..10 {
        stranger
            .batch_execute("select pg_terminate_backend(pid) from pg_stat_activity where application_name = 'mainstay'")
            .await
            .unwrap();
        for _ in 0..20 {
            store
                .read(&bounded, bounds(Duration::from_secs(5)))
                .await
                .unwrap();
            store
                .read(&unbounded, bounds(Duration::from_secs(5)))
                .await
                .unwrap();
        }
    }
}

#[tokio::test]
async fn a_full_server_is_unavailable() {
    let server = Server::start();
    let mut held = Vec::new();
    while let Ok((client, driver)) = tokio_postgres::connect(&server.url(), NoTls).await {
        tokio::spawn(driver);
        held.push(client);
    }
    let refused = Postgres::connect(&server.url(), Options::default()).await;
    assert!(matches!(
        refused,
        Err(StoreError::Unavailable { maybe: false, .. })
    ));
}

/// As a standby is, and a server that its operators keep from writing for a while.
#[tokio::test]
async fn a_server_that_takes_no_writes_is_unavailable_to_them() {
    let shop = fixture().await;
    let stranger = shop.stranger().await;
    let name = shop.database.url();
    let (_, name) = name.rsplit_once('/').unwrap();
    let switch = async |how: &str| {
        let sql = format!(
            "alter database {name} {how}; select pg_terminate_backend(pid) from pg_stat_activity \
             where datname = current_database() and pid <> pg_backend_pid()"
        );
        stranger.batch_execute(&sql).await.unwrap();
    };
    switch("set default_transaction_read_only = on").await;
    for steps in [vec![create("a")], vec![create("a"), create("b")]] {
        let mut written = shop.write(steps.clone()).await;
        // The connections from before are gone, which the first may be told.
        if let Err(StoreError::Unavailable { maybe: true, .. }) = written {
            written = shop.write(steps).await;
        }
        assert!(
            matches!(&written, Err(StoreError::Unavailable { maybe: false, cause }) if cause.contains("25006")),
            "{written:?}"
        );
    }
    assert_eq!(shop.count("catalog.products").await, 0);
    switch("reset default_transaction_read_only").await;
    let back = Instant::now() + Duration::from_secs(5);
    while !matches!(shop.write(vec![create("a")]).await, Ok(Written::Done(_))) {
        assert!(Instant::now() < back, "it takes writes again");
    }
    assert_eq!(shop.count("catalog.products").await, 1);
}

#[tokio::test]
async fn a_closed_store_has_finished_and_takes_nothing_more() {
    let shop = Arc::new(fixture().await);
    let writes: Vec<_> = (0..50)
        .map(|n| {
            let shop = shop.clone();
            tokio::spawn(async move { shop.write(vec![create(&n.to_string())]).await })
        })
        .collect();
    tokio::task::yield_now().await;
    shop.store.close().await;
    for write in writes {
        assert!(matches!(write.await.unwrap(), Ok(Written::Done(_))));
    }
    let soon = Instant::now() + Duration::from_millis(200);
    let bounds = Bounds {
        emit: 1,
        deadline: soon,
    };
    let read = select("select 1::int8", vec![], vec![field("n", ColumnType::Int)]);
    assert!(shop.store.read(&read, bounds).await.is_err());
    assert!(shop.store.write(vec![create("x")], soon).await.is_err());
    assert!(
        shop.store
            .write(vec![create("x"), create("y")], soon)
            .await
            .is_err()
    );
}
