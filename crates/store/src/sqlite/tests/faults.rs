//! Full disks, locked files, second servers.

use super::*;
use crate::StoreError;

#[tokio::test]
async fn a_second_server_on_one_file_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    let server = || Options {
        server: true,
        ..Options::default()
    };
    let first = Sqlite::open(&path, server()).unwrap();
    match Sqlite::open(&path, server()) {
        Err(StoreError::Busy { cause }) => assert!(cause.contains("another server"), "{cause}"),
        other => panic!("{:?}", other.map(|_| ())),
    }
    // A command-line program may write beside it.
    let tool = Sqlite::open(&path, Options::default()).unwrap();
    tool.apply(&shop(), Allow::SAFE).await.unwrap();
    tool.write(vec![product(1, "by hand")], soon())
        .await
        .unwrap();
    first
        .write(vec![product(2, "by the server")], soon())
        .await
        .unwrap();
    first.close().await;
    Sqlite::open(&path, server()).unwrap();
}

#[tokio::test]
async fn a_file_locked_by_another_program_is_busy_and_recovers() {
    let shop = fixture_with(Options {
        busy_timeout: Duration::from_millis(50),
        ..Options::default()
    })
    .await;
    let stranger = shop.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let result = shop.write(vec![product(1, "waits")]).await;
    assert!(matches!(result, Err(StoreError::Busy { .. })), "{result:?}");
    // Reading goes on.
    assert_eq!(shop.count("catalog__products").await, 0);
    stranger.execute_batch("ROLLBACK").unwrap();
    shop.write(vec![product(1, "goes")]).await.unwrap();
    assert_eq!(shop.count("catalog__products").await, 1);
}

#[tokio::test]
async fn who_waited_behind_a_lock_beyond_their_deadline_is_told_of_the_lock() {
    let shop = fixture_with(Options {
        busy_timeout: Duration::from_millis(200),
        ..Options::default()
    })
    .await;
    let stranger = shop.stranger();
    stranger.execute_batch("BEGIN IMMEDIATE").unwrap();
    let deadline = Instant::now() + Duration::from_millis(50);
    let (first, second) = tokio::join!(
        shop.store.write(vec![product(1, "a")], deadline),
        shop.store.write(vec![product(2, "b")], deadline),
    );
    assert!(matches!(first, Err(StoreError::Busy { .. })), "{first:?}");
    assert!(matches!(second, Err(StoreError::Busy { .. })), "{second:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_fails_what_does_not_fit_and_keeps_what_does() {
    let shop = Arc::new(
        fixture_with(Options {
            max_pages: Some(64),
            ..Options::default()
        })
        .await,
    );
    let long = "x".repeat(2_000);
    let mut kept = 0;
    let mut full = 0;
    let mut tasks = Vec::new();
    for id in 0..400 {
        let (shop, long) = (Arc::clone(&shop), long.clone());
        tasks.push(tokio::spawn(async move {
            shop.write(vec![product(id, &long)]).await
        }));
    }
    for task in tasks {
        match task.await.unwrap() {
            Ok(Written::Done(_)) => kept += 1,
            Err(StoreError::Full { .. }) => full += 1,
            other => panic!("{other:?}"),
        }
    }
    assert!(kept > 10 && full > 10, "{kept} kept, {full} refused");
    assert_eq!(shop.count("catalog__products").await, kept);
    // Room again: it goes on by itself.
    shop.write(vec![step("delete from catalog__products", vec![])])
        .await
        .unwrap();
    shop.write(vec![product(1, "fits")]).await.unwrap();
    assert_eq!(shop.count("catalog__products").await, 1);
}

/// A real full disk, where this machine lets us make a small one.
#[cfg(target_os = "linux")]
#[tokio::test]
async fn a_full_file_system_is_full_and_recovers() {
    let folder = tempfile::tempdir().unwrap();
    let mounted = std::process::Command::new("mount")
        .args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"])
        .arg(folder.path())
        .output()
        .is_ok_and(|output| output.status.success());
    if !mounted {
        // Only root may mount; `max_page_count` above stands in.
        return;
    }
    let store = Sqlite::open(folder.path().join("data.db"), Options::default()).unwrap();
    store.apply(&shop(), Allow::SAFE).await.unwrap();
    let ballast = folder.path().join("ballast");
    std::fs::write(&ballast, vec![0; 1 << 20]).unwrap();
    let long = "x".repeat(50_000);
    let mut kept = 0;
    let failed = loop {
        match store.write(vec![product(kept, &long)], soon()).await {
            Ok(_) => kept += 1,
            Err(failed) => break failed,
        }
        assert!(kept < 100);
    };
    assert!(matches!(failed, StoreError::Full { .. }), "{failed:?}");
    let count = || {
        let count = select(
            "select count(*) from catalog__products",
            vec![],
            vec![field("n", ColumnType::Int)],
        );
        let bounds = Bounds {
            emit: 1,
            deadline: soon(),
        };
        let store = &store;
        async move { text(&store.read(&count, bounds).await.unwrap()).to_owned() }
    };
    // Reading goes on, and what was acknowledged is there.
    assert_eq!(count().await, format!("{{\"n\":{kept}}}"));
    std::fs::remove_file(&ballast).unwrap();
    store
        .write(vec![product(kept, "fits")], soon())
        .await
        .unwrap();
    assert_eq!(count().await, format!("{{\"n\":{}}}", kept + 1));
    store.close().await;
    drop(store);
    std::thread::sleep(Duration::from_millis(50));
    let _ = std::process::Command::new("umount")
        .arg("--lazy")
        .arg(folder.path())
        .status();
}

#[tokio::test]
async fn what_is_no_database_is_an_error() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("data.db");
    std::fs::write(
        &path,
        "this is no database, and long enough to be looked at as one",
    )
    .unwrap();
    assert!(Sqlite::open(&path, Options::default()).is_err());
    assert!(Sqlite::open("/proc/none/data.db", Options::default()).is_err());
}
