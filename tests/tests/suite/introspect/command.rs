//! `mainstay introspect` and what comes after it, as the real binary.

use super::{CHINOOK, RICH, on};
use mainstay_tests::existing::Existing;
use mainstay_tests::process::{Process, SECRET, run, run_with};
use serde_json::Value as Json;
use std::path::{Path, PathBuf};

const PASSWORD: &str = "p4ss w/rd:@?#";

/// The database under another user, who has a password. (The test server asks nobody for one.)
fn with_password(url: &str) -> String {
    let (_, behind) = url.split_once('@').expect("a user");
    format!("postgres://postgres:p4ss%20w%2Frd%3A%40%3F%23@{behind}")
}

/// Every file of a folder.
fn files(folder: &Path) -> Vec<(PathBuf, String)> {
    let mut out = Vec::new();
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        match path.is_dir() {
            true => out.extend(files(&path)),
            false => out.push((
                path.clone(),
                std::fs::read_to_string(&path).expect("a text"),
            )),
        }
    }
    out
}

#[test]
fn an_app_is_written_and_the_password_is_not() {
    on(RICH, async |old| {
        let folder = tempfile::tempdir().expect("a folder");
        let url = with_password(&old.url);
        let arguments = [
            "introspect",
            &url,
            "--schema",
            "public,sales",
            "--out",
            "app",
        ];
        let ended = run(folder.path(), &arguments);
        ended.expect(
            0,
            &[
                "left out  public.by_two",
                "read only public.types.cash",
                "✓ wrote app: 17 models",
                "next: mainstay migrate plan app",
            ],
        );
        let all = files(&folder.path().join("app"));
        assert_eq!(all.len(), 3, "{all:?}");
        for text in all.iter().map(|(_, text)| text).chain([&ended.said()]) {
            for part in [PASSWORD, "p4ss", "w%2Frd", "w/rd"] {
                assert!(!text.contains(part), "{text}");
            }
        }
        run(folder.path(), &["check", "app"]).expect(0, &["3 modules, 18 models"]);
        // Nothing is written over.
        run(folder.path(), &arguments).expect(1, &["app is not empty", "--out DIR"]);
        let plan = run(
            folder.path(),
            &["migrate", "plan", "app", "--database", &url],
        );
        plan.expect(
            0,
            &[
                "create schema mainstay",
                "create schema auth",
                "create table auth.users",
            ],
        );
        assert!(!plan.said().contains("p4ss"));
        old.remove().await;
    });
}

#[test]
fn mistakes_on_the_command_line_say_what_to_do() {
    on(
        "CREATE SCHEMA sales; CREATE TABLE sales.a (id serial PRIMARY KEY)",
        async |old| {
            let folder = tempfile::tempdir().expect("a folder");
            let introspect = |arguments: &[&str]| {
                let arguments: Vec<&str> =
                    ["introspect"].iter().chain(arguments).copied().collect();
                run(folder.path(), &arguments)
            };
            introspect(&[]).expect(1, &["postgres://user@host/database", "DATABASE_URL"]);
            introspect(&["sqlite:x.db"]).expect(1, &["PostgreSQL"]);
            introspect(&["mysql://me:p4ss@x/y"]).expect(1, &["no database URL"]);
            let wrong = introspect(&[&old.url, "--schema", "sale"]);
            wrong.expect(1, &["no schema sale", "did you mean sales?"]);
            let away = introspect(&["postgres://me:p4ss@127.0.0.1:1/x"]);
            away.expect(1, &["cannot be reached", "is PostgreSQL running there?"]);
            assert!(!away.said().contains("p4ss"), "{}", away.said());
            let by_name = run_with(
                folder.path(),
                &["introspect", "--schema", "sales", "--name", "Old Shop"],
                &[("DATABASE_URL", &old.url)],
                "",
            );
            by_name.expect(0, &["✓ wrote old-shop: 1 model", "other schemas: public"]);
            assert!(
                folder
                    .path()
                    .join("old-shop/modules/sales/module.toml")
                    .exists()
            );
            assert_eq!(
                std::fs::read_dir(folder.path()).expect("a folder").count(),
                1
            );
            old.remove().await;
        },
    );
}

/// All that anybody could notice of the tables: what they are, where they are kept, and who is told of them.
async fn fingerprint(old: &Existing) -> Vec<String> {
    let sql = "
      SELECT n.nspname || '.' || c.relname || ' ' || c.relkind::text || ' ' || c.relfilenode || ' '
          || coalesce(c.relacl::text, '') || ' ' || c.relhastriggers || coalesce(c.reloptions::text, '')
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE n.nspname IN ('public', 'sales')
      UNION ALL SELECT conname || ' ' || pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('public', 'sales'))
      UNION ALL SELECT nspname FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'
      ORDER BY 1";
    let rows = old.client.query(sql, &[]).await.expect("the catalogue");
    rows.iter().map(|row| row.get(0)).collect()
}

#[test]
fn nothing_changes_in_the_database_until_it_is_asked_for() {
    on(CHINOOK, async |old| {
        let before = fingerprint(&old).await;
        let folder = tempfile::tempdir().expect("a folder");
        let arguments = ["introspect", &old.url, "--name", "shop", "--out", "app"];
        run(folder.path(), &arguments).expect(0, &["✓ wrote app: 10 models"]);
        let secret = [("MAINSTAY_SECRET", SECRET)];
        for command in [&["serve", "app"][..], &["dev", "app"]] {
            let arguments: Vec<&str> = command
                .iter()
                .chain(&["--listen", "127.0.0.1:0"])
                .copied()
                .collect();
            let refused = run_with(folder.path(), &arguments, &secret, "");
            refused.expect(
                4,
                &[
                    "to do: create schema mainstay",
                    "to do: create table auth.users",
                    "next: mainstay migrate apply app",
                ],
            );
        }
        let plan = run(
            folder.path(),
            &["migrate", "plan", "app", "--format", "json"],
        );
        plan.expect(0, &[]);
        let plan: Json = serde_json::from_str(&plan.stdout).expect("JSON");
        assert_eq!(plan["differences"], serde_json::json!([]));
        let steps = plan["steps"].as_array().expect("steps");
        for step in steps {
            let summary = step["summary"].as_str().expect("a summary");
            let ours = [
                "create schema mainstay",
                "create schema auth",
                "create table mainstay.",
                "create table auth.",
            ];
            assert!(
                ours.iter().any(|ours| summary.starts_with(ours)),
                "{summary}"
            );
        }
        assert_eq!(fingerprint(&old).await, before);

        run(folder.path(), &["migrate", "apply", "app"]).expect(0, &["applied 9 steps"]);
        let mut with_ours = before.clone();
        with_ours.extend(["auth".to_owned(), "mainstay".to_owned()]);
        with_ours.sort();
        let mut after = fingerprint(&old).await;
        after.sort();
        assert_eq!(after, with_ours);
        let settled = run(
            folder.path(),
            &["migrate", "plan", "app", "--check", "--drop"],
        );
        settled.expect(0, &["the database is as the app needs it"]);

        let process = Process::start(&folder.path().join("app"), &["serve"]).await;
        let nobody = mainstay_tests::http::Caller::anonymous(process.address);
        let list = nobody.get("/api/shop/artist").await;
        assert_eq!(list.status, 200);
        drop(process);
        let mut after = fingerprint(&old).await;
        after.sort();
        assert_eq!(after, with_ours);

        // What the app uses and is no more there keeps it from being served, and nobody mends it by itself.
        old.client
            .batch_execute(
                "ALTER TABLE \"Artist\" RENAME COLUMN \"Name\" TO \"Nome\";
                 ALTER TABLE \"Genre\" ALTER COLUMN \"Name\" TYPE char(9);
                 ALTER TABLE \"Invoice\" RENAME TO \"Bill\"",
            )
            .await
            .expect("changes of others");
        let refused = run(folder.path(), &["migrate", "apply", "app", "--drop"]);
        refused.expect(
            4,
            &[
                "public.Artist.Name: `shop.artist.name` is kept in this column, which is gone",
                "public.Genre.Name: the column is character(9)",
                "public.Invoice: `shop.invoice` is kept in this table, which is gone",
                "nothing was done",
            ],
        );
        old.remove().await;
    });
}

/// A database may have a schema `auth` of its own: it is not taken over.
#[test]
fn a_schema_of_that_name_is_in_the_way() {
    let sql = "CREATE TABLE a (id serial PRIMARY KEY);
               CREATE SCHEMA auth; CREATE TABLE auth.users (id uuid PRIMARY KEY, email text); CREATE TABLE auth.x (y int)";
    on(sql, async |old| {
        let folder = tempfile::tempdir().expect("a folder");
        run(folder.path(), &["introspect", &old.url, "--out", "app"]).expect(0, &[]);
        let refused = run(folder.path(), &["migrate", "apply", "app", "--drop"]);
        refused.expect(
            4,
            &[
                "auth.users: it was there before",
                "auth.x: it was there before",
                "RENAME",
            ],
        );
        assert!(
            old.client
                .query("SELECT email FROM auth.users", &[])
                .await
                .is_ok()
        );
        assert!(old.client.query("SELECT y FROM auth.x", &[]).await.is_ok());
        old.remove().await;
    });
}

#[test]
fn such_an_app_is_for_postgres_alone() {
    on("CREATE TABLE a (id serial PRIMARY KEY)", async |old| {
        let folder = tempfile::tempdir().expect("a folder");
        run(
            folder.path(),
            &["introspect", &old.url, "--name", "shop", "--out", "app"],
        )
        .expect(0, &[]);
        let refused = run(
            folder.path(),
            &["migrate", "apply", "app", "--database", "sqlite:x.db"],
        );
        refused.expect(4, &["`shop.a` is kept in a table of a PostgreSQL database"]);
        old.remove().await;
    });
}
