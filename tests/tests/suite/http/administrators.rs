//! Administrators, passwords and roles from the command line.

use super::cli::{APP, MIGRATE, app, create_admin};
use mainstay_tests::place::{Place, write_app};
use mainstay_tests::process::{Process, run, run_with};
use mainstay_tests::*;
use serde_json::Value as Json;

#[test]
fn administrators_and_roles() {
    let folder = app(APP);
    let folder = folder.path();
    let create = ["admin", "create", "a@example.com", "--password-stdin"];
    run_with(folder, &create, &[], "a long password\n").expect(4, &["migrate apply"]);
    run(folder, MIGRATE).expect(0, &[]);
    run_with(folder, &create, &[], "short\n").expect(1, &["at least 8 characters"]);
    run_with(
        folder,
        &["admin", "create", "no address", "--password-stdin"],
        &[],
        "a long password\n",
    )
    .expect(1, &["email"]);
    create_admin(folder);
    run(folder, &["admin", "create", "a@example.com"]).expect(0, &["is an administrator"]);
    let made_up = run(folder, &["admin", "create", "b@example.com"]);
    made_up.expect(0, &["password:", "shown this once"]);
    run(folder, &["admin", "grant", "b@example.com", "editor"]).expect(0, &["editor"]);
    run(folder, &["admin", "grant", "b@example.com", "Not A Role"]).expect(1, &["lower-case"]);
    run(folder, &["admin", "grant", "c@example.com", "editor"])
        .expect(1, &["no user", "c@example.com"]);
    run(folder, &["admin", "revoke", "b@example.com", "admin"]).expect(0, &[]);
    // Somebody must be left.
    run(folder, &["admin", "revoke", "a@example.com", "admin"]).expect(1, &["last administrator"]);
}

/// With the command line alone: nobody can be left outside of their own app.
#[tokio::test(flavor = "multi_thread")]
async fn who_is_locked_out_is_let_in_again() {
    let folder = app(APP);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    create_admin(folder);
    let process = Process::start(folder, &["serve"]).await;
    let anonymous = process.anonymous();
    let login = async |password: &str| {
        let body = serde_json::json!({"email": "a@example.com", "password": password});
        anonymous.post("/api/auth/login", body).await
    };
    let first = login("a long password").await.expect(200);
    let set = |what: &str, input: &str, code: i32, said: &[&str]| {
        let arguments = ["admin", what, "a@example.com", "--password-stdin"];
        run_with(folder, &arguments, &[], input).expect(code, said);
    };
    set(
        "password",
        "another password\n",
        0,
        &["a@example.com", "sessions are ended"],
    );
    assert_eq!(
        login("a long password").await.word(),
        "401 auth.bad_credentials"
    );
    login("another password").await.expect(200);
    let body = serde_json::json!({"refresh_token": first["refresh_token"]});
    let refreshed = anonymous.post("/api/auth/refresh", body).await;
    assert_eq!(refreshed.word(), "401 auth.bad_refresh_token");
    set("password", "short\n", 1, &["at least 8 characters"]);
    run(folder, &["admin", "password", "a@example.com"]).expect(1, &["--password-stdin"]);
    let nobody = ["admin", "password", "b@example.com", "--password-stdin"];
    run_with(folder, &nobody, &[], "a long password\n").expect(1, &["no user"]);
    // Who is an administrator already gets the password that was given, too.
    set(
        "create",
        "a third password\n",
        0,
        &["is an administrator", "new password"],
    );
    login("a third password").await.expect(200);
    // And who is suspended is so no more.
    let id = first["user"]["id"].as_str().unwrap();
    let database = rusqlite::Connection::open(folder.join(".mainstay/data.db")).unwrap();
    let suspend = "UPDATE auth__users SET suspended = 1";
    assert_eq!(database.execute(suspend, []).unwrap(), 1);
    assert_eq!(login("a third password").await.word(), "403 auth.suspended");
    set("password", "a fourth password\n", 0, &["is suspended", id]);
    run(folder, &["admin", "create", "a@example.com"])
        .expect(0, &["is an administrator", "suspended; that is lifted"]);
    login("a fourth password").await.expect(200);
    // The database may stand on either side.
    for arguments in [
        [
            "admin",
            "grant",
            "a@example.com",
            "x",
            "--database",
            "sqlite:.mainstay/data.db",
        ],
        [
            "admin",
            "--database",
            "sqlite:.mainstay/data.db",
            "revoke",
            "a@example.com",
            "x",
        ],
    ] {
        run(folder, &arguments).expect(0, &["a@example.com"]);
    }
    run(folder, &["admin", "create", "--help"]).expect(0, &["--database"]);
}

#[cfg(unix)]
#[test]
fn a_password_is_asked_for_and_not_shown() {
    use mainstay_tests::terminal::Terminal;
    let folder = app(APP);
    let folder = folder.path();
    run(folder, MIGRATE).expect(0, &[]);
    create_admin(folder);
    for (second, ends) in [
        ("something else", "the two differ"),
        ("typed by hand", "has a new password"),
    ] {
        let mut terminal = Terminal::start(folder, &["admin", "password", "a@example.com"]);
        terminal.wait_for("new password for a@example.com:");
        terminal.type_in("typed by hand\n");
        terminal.wait_for("again:");
        terminal.type_in(&format!("{second}\n"));
        terminal.wait_for(ends);
        assert!(!terminal.said().contains("typed"), "{}", terminal.said());
        assert!(
            !terminal.said().contains("something"),
            "{}",
            terminal.said()
        );
    }
}

/// Migrate, administrator, server: the order in which a production database is set up. The command has no part
/// in the server's secret, so what it leaves behind must not be bound to another one.
#[tokio::test]
async fn an_administrator_made_before_the_first_start_does_not_stop_it() {
    let folder = app(APP);
    run(folder.path(), MIGRATE).expect(0, &["applied"]);
    create_admin(folder.path());
    assert!(
        !folder.path().join(".mainstay/secret").exists(),
        "a command makes no secret"
    );
    let server = Process::start(folder.path(), &["serve"]).await;
    let answer = server
        .anonymous()
        .post(
            "/api/auth/login",
            serde_json::json!({"email": "a@example.com", "password": "a long password"}),
        )
        .await;
    assert_eq!(answer.status, 200, "{answer:?}");
}

/// In the middle of a deployment the folder is ahead of the database, or behind it.
fn while_the_models_differ(on: On) {
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let place = runtime.block_on(Place::new(on));
    let folder = place.path().join("app");
    write_app(&folder, APP);
    let with = |arguments: &[&str], input: &str| {
        run_with(&folder, arguments, &[("DATABASE_URL", &place.url)], input)
    };
    let create = |email: &'static str| ["admin", "create", email, "--password-stdin"];
    // Nothing is there: what is missing is Mainstay's own, and no other table is spoken of.
    let refused = with(&create("a@example.com"), "a long password\n");
    refused.expect(
        4,
        &[
            "create table mainstay.roles",
            "create table auth.users",
            "migrate apply",
        ],
    );
    assert!(!refused.said().contains("shop.tags"), "{}", refused.said());
    with(MIGRATE, "").expect(0, &[]);
    let ahead = APP.replace(
        "[models.tags.access]",
        "more = { type = \"int\" }\n[models.tags.access]",
    );
    let ahead = format!("{ahead}\n[models.others.fields]\nname = {{ type = \"string\" }}\n");
    write_app(&folder, &ahead);
    with(&["import", "auth.users", "none.jsonl"], "").expect(4, &["shop.others"]);
    with(&create("a@example.com"), "a long password\n").expect(0, &["a@example.com created"]);
    with(&create("b@example.com"), "a long password\n").expect(0, &["b@example.com created"]);
    for (arguments, said) in [
        (
            &["grant", "b@example.com", "editor"][..],
            "has the role editor",
        ),
        (
            &["revoke", "b@example.com", "admin"],
            "has the role admin no more",
        ),
        (
            &["revoke", "b@example.com", "admin"],
            "did not have the role admin; they have editor",
        ),
        (
            &["revoke", "a@example.com", "editr"],
            "did not have the role editr; they have admin",
        ),
        (
            &["password", "b@example.com", "--password-stdin"],
            "has a new password",
        ),
    ] {
        with(&[&["admin"], arguments].concat(), "another long password\n").expect(0, &[said]);
    }
    // Who is what, one line each.
    let list = |arguments: &[&str]| {
        let ended = with(&[&["admin", "list"], arguments].concat(), "");
        ended.expect(0, &[]);
        ended.stdout
    };
    assert_eq!(list(&[]), "a@example.com  admin\nb@example.com  editor\n");
    assert_eq!(list(&["--role", "editor"]), "b@example.com  editor\n");
    assert_eq!(list(&["--role", "nobody"]), "");
    with(&["admin", "list", "--role", "nobody"], "").expect(0, &["nobody has the role nobody"]);
    with(&["admin", "grant", "a@example.com", "editor"], "").expect(0, &[]);
    let json: Json = serde_json::from_str(&list(&["--role", "admin", "--format", "json"]))
        .expect("JSON and nothing else");
    assert_eq!(json.as_array().map(Vec::len), Some(1));
    assert_eq!(json[0]["email"], "a@example.com");
    assert_eq!(json[0]["roles"], serde_json::json!(["admin", "editor"]));
    assert_eq!(json[0]["suspended"], false);
    assert!(json[0]["id"].as_str().is_some_and(|id| id.len() == 36));
    // What the users themselves lack is in the way.
    let users = format!(
        "{ahead}## modules/auth/module.toml\n[models.users.fields]\nnick = {{ type = \"string\" }}\n"
    );
    write_app(&folder, &users);
    with(&["admin", "grant", "a@example.com", "x"], "").expect(4, &["auth.users", "nick"]);
    runtime.block_on(place.remove());
}

on_each!(
    commands_work_while_the_models_differ,
    while_the_models_differ
);
