use super::fixture::{Fixture, PASSWORD, code, on_each_store};
use spec::{Code, Principal, Uuid};
use std::time::{Duration, Instant};

#[tokio::test(flavor = "multi_thread")]
async fn logout_takes_effect_at_once() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let other = app
            .account(app.login("ada@example.com", PASSWORD).await.unwrap())
            .await;
        for _ in 0..3 {
            app.auth.logout(&ada.principal).await.unwrap();
            assert_eq!(
                code(app.auth.authenticate(&ada.tokens.access_token).await),
                Code::BadToken
            );
            assert_eq!(
                code(app.refresh(&ada.tokens.refresh_token).await),
                Code::BadRefreshToken
            );
        }
        assert!(
            app.auth
                .authenticate(&other.tokens.access_token)
                .await
                .is_ok()
        );
        app.auth.end_sessions(ada.id).await.unwrap();
        assert_eq!(
            code(app.auth.authenticate(&other.tokens.access_token).await),
            Code::BadToken
        );
        let nobody = Principal::anonymous();
        assert_eq!(code(app.auth.logout(&nobody).await), Code::Unauthenticated);
        assert_eq!(code(app.auth.me(&nobody).await), Code::Unauthenticated);
    })
    .await;
}

/// Every way to lose access, as another server feels it.
#[tokio::test(flavor = "multi_thread")]
async fn what_happens_elsewhere_is_felt_within_a_second() {
    type Loss = (&'static str, Code, fn(&Fixture, Uuid));
    let losses: [Loss; 2] = [
        ("suspended", Code::Suspended, |app, id| {
            app.door.change(id, |user| user.suspended = true)
        }),
        ("deleted", Code::BadToken, |app, id| app.door.delete(id)),
    ];
    on_each_store(async |app| {
        let here = app.another().await;
        let felt = async |what: &str, token: &str, wanted: Code| {
            let begun = Instant::now();
            loop {
                match here.authenticate(token).await {
                    Ok(_) => assert!(begun.elapsed() < Duration::from_secs(1), "{what}"),
                    Err(problem) => return assert_eq!(problem.code, wanted, "{what}"),
                }
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        for (what, wanted, lose) in losses {
            let user = app.register(&format!("{what}@example.com")).await;
            here.authenticate(&user.tokens.access_token).await.unwrap();
            lose(app, user.id);
            felt(what, &user.tokens.access_token, wanted).await;
            let refresh = app.refresh(&user.tokens.refresh_token).await;
            assert!(refresh.is_err(), "{what}");
        }
        let suspended = app.login("suspended@example.com", PASSWORD).await;
        assert_eq!(code(suspended), Code::Suspended);
        let wrong = app.login("suspended@example.com", "wrong password").await;
        assert_eq!(
            code(wrong),
            Code::BadCredentials,
            "only the owner learns of it"
        );

        let user = app.register("logout@example.com").await;
        here.authenticate(&user.tokens.access_token).await.unwrap();
        app.auth.logout(&user.principal).await.unwrap();
        felt("logout", &user.tokens.access_token, Code::BadToken).await;

        let user = app.register("role@example.com").await;
        app.auth.grant_role(user.id, "editor").await.unwrap();
        assert!(
            here.authenticate(&user.tokens.access_token)
                .await
                .unwrap()
                .has_role("editor")
        );
        app.auth.revoke_role(user.id, "editor").await.unwrap();
        let begun = Instant::now();
        while here
            .authenticate(&user.tokens.access_token)
            .await
            .unwrap()
            .has_role("editor")
        {
            assert!(begun.elapsed() < Duration::from_secs(1), "role");
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_when_nobody_refreshes_it() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let day = Duration::from_secs(24 * 3600);
        app.auth.clock.advance(29 * day);
        assert_eq!(
            code(app.auth.authenticate(&ada.tokens.access_token).await),
            Code::BadToken
        );
        let again = app.refresh(&ada.tokens.refresh_token).await.unwrap();
        app.auth.clock.advance(29 * day);
        let again = app.refresh(&again.refresh_token).await.unwrap();
        assert!(app.auth.authenticate(&again.access_token).await.is_ok());
        app.auth.clock.advance(31 * day);
        assert_eq!(
            code(app.refresh(&again.refresh_token).await),
            Code::BadRefreshToken
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_ended_is_swept_away_in_slices() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        for _ in 0..4 {
            let signed_in = app.login("ada@example.com", PASSWORD).await.unwrap();
            let other = app.account(signed_in).await;
            app.auth.logout(&other.principal).await.unwrap();
        }
        assert_eq!(app.auth.sweep(10).await.unwrap(), 0, "kept for a day");
        app.auth.clock.advance(Duration::from_secs(25 * 3600));
        assert_eq!(app.auth.sweep(3).await.unwrap(), 3);
        assert_eq!(app.auth.sweep(3).await.unwrap(), 1);
        assert_eq!(app.auth.sweep(3).await.unwrap(), 0);
        assert!(app.refresh(&ada.tokens.refresh_token).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn of_a_deleted_user_nothing_is_kept() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        app.auth.grant_role(ada.id, "editor").await.unwrap();
        app.run(app.auth.forget_steps(ada.id)).await;
        assert_eq!(app.auth.password_of(ada.id).await.unwrap(), None);
        assert!(app.auth.roles_of(ada.id).await.unwrap().is_empty());
        assert!(
            app.captured(app.sql().session(ada.session()))
                .await
                .is_empty()
        );
    })
    .await;
}

/// A token of one user does not become another's by naming their session.
#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_mixes_users_and_sessions_is_refused() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let bob = app.register("bob@example.com").await;
        let now = app.auth.clock.now();
        let mixed = app
            .auth
            .access
            .sign(bob.id, ada.session(), now, Duration::from_secs(60))
            .unwrap();
        // Ada's session is remembered; once more when it is not.
        assert!(
            app.auth
                .authenticate(&ada.tokens.access_token)
                .await
                .is_ok()
        );
        assert_eq!(code(app.auth.authenticate(&mixed).await), Code::BadToken);
        app.auth.touched(ada.id);
        assert_eq!(code(app.auth.authenticate(&mixed).await), Code::BadToken);
    })
    .await;
}
