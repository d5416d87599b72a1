use super::fixture::{PASSWORD, code, errors, on_each_store, settings};
use crate::Auth;
use spec::settings::{self, Registration};
use spec::{Code, Principal};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn registering_signs_in() {
    on_each_store(async |app| {
        let body = br#"{"email":" Ada@Example.com","password":"correct horse","name":"Ada"}"#;
        let signed_in = app.auth.register(body, Some("curl/8\u{7}")).await.unwrap();
        let json: serde_json::Value = serde_json::from_slice(&signed_in.to_json()).unwrap();
        assert_eq!(json["token_type"], "Bearer");
        assert_eq!(json["expires_in"], 900);
        assert_eq!(json["user"]["email"], "ada@example.com");
        let principal = app
            .auth
            .authenticate(json["access_token"].as_str().unwrap())
            .await
            .unwrap();
        assert_eq!(
            principal.id.unwrap().to_string(),
            json["user"]["id"].as_str().unwrap()
        );
        assert_eq!(principal.email, None, "not until it is verified");
        assert!(principal.session.is_some() && principal.roles.is_empty() && !principal.system);
        assert_eq!(app.auth.me(&principal).await.unwrap(), signed_in.user);
        assert!(app.refresh(&signed_in.refresh_token).await.is_ok());
        assert!(app.login("ADA@example.com ", "correct horse").await.is_ok());
        app.door
            .change(principal.id.unwrap(), |user| user.verified = true);
        app.auth.touched(principal.id.unwrap());
        let principal = app
            .auth
            .authenticate(&signed_in.access_token)
            .await
            .unwrap();
        assert_eq!(principal.email.as_deref(), Some("ada@example.com"));
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn registering_says_everything_that_is_wrong_and_writes_nothing() {
    on_each_store(async |app| {
        let deep = format!(r#"{{"password":{}1{}}}"#, "[".repeat(10_000), "]".repeat(10_000));
        for (body, wanted) in [
            (r#"{"email":"a@b.c"}"#, "422 /password required"),
            (r#"{"email":"a@b.c","password":null}"#, "422 /password required"),
            (r#"{"email":"a@b.c","password":7}"#, "422 /password type"),
            (&deep, "422 /email required, /password type"),
            (r#"{"email":"a@b.c","password":"short"}"#, "422 /password too_short"),
            (r#"{"email":7,"nmae":1,"password":"short"}"#, "422 /email type, /nmae unknown, /password too_short"),
            (r#"{"email":7,"password":"long enough"}"#, "422 /email type"),
            (r#"{"email":"a@b.c","password":"long enough","verified":true}"#, "403 "),
            (r#"{"email":"a@b.c","password":"long enough","id":"0190b3a4-0000-7000-8000-0000000000ab"}"#, "422 /id read_only"),
            (r#"{"email":"a@b.c","password":"long enough","password":"long enough"}"#, "400 "),
            (r#"{"email":"a@b.c","password":"long enough","p\u0061ssword":"long enough"}"#, "400 "),
            (r#"{"email":"a@b.c","password":"long enough""#, "400 "),
            (r#"{"email":"a@b.c","password":"long enough"} x"#, "400 "),
            (r#"["email"]"#, "422  type"),
            ("null", "422  type"),
            ("", "400 "),
        ] {
            let problem = app.auth.register(body.as_bytes(), None).await.unwrap_err();
            let said = format!("{} {}", problem.status(), errors(&problem).join(", "));
            assert_eq!(said, wanted, "{}", &body[..body.len().min(120)]);
        }
        let invalid = app.auth.register(b"{\"email\":\"\xff\"}", None).await;
        assert_eq!(code(invalid), Code::MalformedJson);
        let long = format!(r#"{{"email":"a@b.c","password":"{}"}}"#, "x".repeat(1025));
        let problem = app.auth.register(long.as_bytes(), None).await.unwrap_err();
        assert_eq!(errors(&problem), ["/password too_long"]);
        assert!(app.door.users.lock().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_is_taken_once() {
    on_each_store(async |app| {
        app.register("ada@example.com").await;
        let body = br#"{"email":"ADA@example.com","password":"another one"}"#;
        let problem = app.auth.register(body, None).await.unwrap_err();
        assert_eq!(
            (problem.code, errors(&problem)),
            (Code::Conflict, vec!["/email duplicate".to_owned()])
        );
        assert_eq!(
            code(app.login("ada@example.com", "another one").await),
            Code::BadCredentials
        );
        assert!(app.login("ada@example.com", PASSWORD).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_closed_app_takes_nobody() {
    on_each_store(async |app| {
        for registration in [Registration::Closed, Registration::Invite] {
            app.auth.replace_settings(settings::Auth {
                registration,
                ..settings()
            });
            let body = br#"{"email":"a@b.c","password":"long enough"}"#;
            assert_eq!(
                code(app.auth.register(body, None).await),
                Code::RegistrationClosed
            );
        }
        assert!(app.door.asked.lock().is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn bodies_are_read_strictly() {
    on_each_store(async |app| {
        let account = app.register("ada@example.com").await;
        let me = &account.principal;
        let auth = &app.auth;
        async fn said(answer: impl Future<Output = spec::problem::Result<()>>) -> String {
            let problem = answer.await.unwrap_err();
            format!("{} {}", problem.status(), errors(&problem).join(", "))
        }
        let login = async |body: &'static str| {
            said(async { auth.login(body.as_bytes(), None).await.map(|_| ()) }).await
        };
        assert_eq!(login("{}").await, "422 /email required, /password required");
        assert_eq!(
            login(r#"{"email":1,"password":[],"x":0}"#).await,
            "422 /email type, /password type, /x unknown"
        );
        assert_eq!(
            login(r#"{"email":"a","email":"b","password":"x"}"#).await,
            "400 "
        );
        assert_eq!(
            login(r#"{"email":"a\u0000","password":"x"}"#).await,
            "422 /email type"
        );
        assert_eq!(login(r#"{"email":"","password":""}"#).await, "401 ");
        assert_eq!(login("{").await, "400 ");
        assert_eq!(login("[]").await, "422  type");
        let problem = auth
            .login(br#"{"email":"a","passwort":"x"}"#, None)
            .await
            .unwrap_err();
        let unknown = problem
            .errors
            .iter()
            .find(|error| error.code == "unknown")
            .unwrap();
        assert!(unknown.detail.contains("password"), "{}", unknown.detail);
        let refresh = async |body: &'static str| {
            said(async { auth.refresh(body.as_bytes()).await.map(|_| ()) }).await
        };
        assert_eq!(refresh("{}").await, "422 /refresh_token required");
        assert_eq!(refresh(r#"{"refresh_token":"nonsense"}"#).await, "401 ");
        assert_eq!(
            refresh(r#"{"refresh_token":"x","y":1}"#).await,
            "422 /y unknown"
        );
        let change =
            async |body: &'static str| said(auth.change_password(me, body.as_bytes())).await;
        assert_eq!(
            change("{}").await,
            "422 /current_password required, /new_password required"
        );
        assert_eq!(
            change(r#"{"current_password":"x","new_password":"short"}"#).await,
            "422 /new_password too_short"
        );
        assert_eq!(
            change(r#"{"current_password":"x","new_password":"long enough"}"#).await,
            "422 /current_password wrong"
        );
    })
    .await;
}

/// By answer, by what is asked of the database, and by time.
#[tokio::test(flavor = "multi_thread")]
async fn known_and_unknown_addresses_cannot_be_told_apart() {
    on_each_store(async |app| {
        app.register("ada@example.com").await;
        let mut known = Vec::new();
        let mut unknown = Vec::new();
        for _ in 0..9 {
            for (email, times) in [
                ("ada@example.com", &mut known),
                ("bob@example.com", &mut unknown),
            ] {
                app.door.asked.lock().clear();
                let begun = Instant::now();
                let problem = app.login(email, "wrong password").await.unwrap_err();
                times.push(begun.elapsed());
                let asked = app.door.asked.lock().clone();
                assert_eq!(asked, ["user_by_email"], "{email}");
                let document = String::from_utf8(problem.to_json("r")).unwrap();
                let other = crate::fault::bad_credentials();
                assert_eq!(document, String::from_utf8(other.to_json("r")).unwrap());
            }
        }
        let median = |times: &mut Vec<Duration>| {
            times.sort();
            times[times.len() / 2]
        };
        let (known, unknown) = (median(&mut known), median(&mut unknown));
        let ratio = known.as_secs_f64() / unknown.as_secs_f64();
        // A missing hash would show as 10 or more; this leaves room for a busy machine.
        assert!((0.4..2.5).contains(&ratio), "{known:?} and {unknown:?}");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_new_password_ends_all_other_sessions() {
    on_each_store(async |app| {
        let here = app.register("ada@example.com").await;
        let there = app
            .account(app.login("ada@example.com", PASSWORD).await.unwrap())
            .await;
        let bob = app.register("bob@example.com").await;
        app.change_password(&here.principal, PASSWORD, "something else")
            .await
            .unwrap();
        assert!(
            app.auth
                .authenticate(&here.tokens.access_token)
                .await
                .is_ok()
        );
        assert!(
            app.auth
                .authenticate(&bob.tokens.access_token)
                .await
                .is_ok()
        );
        let ended = app.auth.authenticate(&there.tokens.access_token).await;
        assert_eq!(code(ended), Code::BadToken);
        assert_eq!(
            code(app.refresh(&there.tokens.refresh_token).await),
            Code::BadRefreshToken
        );
        assert!(app.refresh(&here.tokens.refresh_token).await.is_ok());
        assert_eq!(
            code(app.login("ada@example.com", PASSWORD).await),
            Code::BadCredentials
        );
        assert!(app.login("ada@example.com", "something else").await.is_ok());
        let anonymous = app
            .change_password(&Principal::anonymous(), PASSWORD, "something")
            .await;
        assert_eq!(code(anonymous), Code::Unauthenticated);
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_began_with_the_old_password_does_not_outlive_it() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        // What a sign-in does last, after the password has changed under it.
        let old = app.auth.password_of(ada.id).await.unwrap().unwrap();
        app.auth
            .set_password(ada.id, "something else")
            .await
            .unwrap();
        let session = app.auth.new_session(ada.id, None).unwrap();
        let start = app.sql().start_session_with(&session, &old);
        let written = app.auth.write(vec![start]).await.unwrap();
        assert!(
            matches!(written, spec::statement::Written::Missed { .. }),
            "{written:?}"
        );
        assert!(app.captured(app.sql().session(session.id)).await.is_empty());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn nor_when_both_happen_at_the_same_moment() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await.id;
        let sql = app.sql();
        for round in 0..40 {
            let old = format!("hash {round}");
            app.run(vec![sql.put_password(ada, &old, 0)]).await;
            let session = app.auth.new_session(ada, None).unwrap();
            let start = vec![sql.start_session_with(&session, &old)];
            let change = vec![
                sql.change_password(ada, &old, "new", 1),
                sql.revoke_all(ada, None, 1),
            ];
            let (started, changed) = tokio::join!(app.auth.write(start), app.auth.write(change));
            changed.unwrap();
            let row = app.captured(sql.session(session.id)).await;
            let alive = row.last().is_some_and(spec::Value::is_null);
            assert!(!alive, "round {round}: {started:?}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_changes_of_one_password_at_once_leave_one_of_them() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let (one, other) = tokio::join!(
            app.change_password(&ada.principal, PASSWORD, "the first one"),
            app.change_password(&ada.principal, PASSWORD, "the second one"),
        );
        let lost = match (&one, &other) {
            (Ok(()), Err(lost)) | (Err(lost), Ok(())) => lost.code,
            both => panic!("{both:?}"),
        };
        // The slower one found the password changed, before it was verified or after.
        assert!(matches!(lost, Code::Contended | Code::Invalid), "{lost:?}");
        let good = if one.is_ok() {
            "the first one"
        } else {
            "the second one"
        };
        assert!(app.login("ada@example.com", good).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_command_line_sets_passwords() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let short = app.auth.set_password(ada.id, "short").await.unwrap_err();
        assert_eq!(errors(&short), ["/password too_short"]);
        app.auth.set_password(ada.id, "set by hand").await.unwrap();
        assert_eq!(
            code(app.auth.authenticate(&ada.tokens.access_token).await),
            Code::BadToken
        );
        assert!(app.login("ada@example.com", "set by hand").await.is_ok());
        let steps = app.auth.password_steps(ada.id, "by a seed").await.unwrap();
        app.run(steps).await;
        assert!(app.login("ada@example.com", "by a seed").await.is_ok());
    })
    .await;
}

#[test]
fn it_can_be_shared() {
    fn shared<T: Send + Sync + 'static>() {}
    shared::<Auth>();
}
