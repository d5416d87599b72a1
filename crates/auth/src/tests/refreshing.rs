use super::fixture::{code, on_each_store};
use crate::refresh::GRACE;
use spec::{Code, Value};
use std::time::Duration;

#[tokio::test(flavor = "multi_thread")]
async fn tokens_rotate() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let mut token = ada.tokens.refresh_token.clone();
        for _ in 0..3 {
            let next = app.refresh(&token).await.unwrap();
            assert_ne!(next.refresh_token, token);
            assert_eq!(next.user, ada.tokens.user);
            let principal = app.auth.authenticate(&next.access_token).await.unwrap();
            assert_eq!(principal.session, ada.principal.session);
            token = next.refresh_token;
        }
        let row = app.captured(app.sql().session(ada.session())).await;
        let Value::Text(seed) = &row[1] else {
            panic!("{row:?}")
        };
        assert!(
            !token.contains(&**seed),
            "what is stored is not what is presented"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn an_older_token_ends_the_session_for_everybody() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let elsewhere = app.register("bob@example.com").await;
        let second = app.refresh(&ada.tokens.refresh_token).await.unwrap();
        let third = app.refresh(&second.refresh_token).await.unwrap();
        assert!(app.auth.authenticate(&third.access_token).await.is_ok());
        assert_eq!(
            code(app.refresh(&ada.tokens.refresh_token).await),
            Code::BadRefreshToken
        );
        for token in [
            &ada.tokens.refresh_token,
            &second.refresh_token,
            &third.refresh_token,
        ] {
            assert_eq!(code(app.refresh(token).await), Code::BadRefreshToken);
        }
        assert_eq!(
            code(app.auth.authenticate(&third.access_token).await),
            Code::BadToken
        );
        assert!(app.refresh(&elsewhere.tokens.refresh_token).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_answer_is_given_again_for_a_while() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let first = &ada.tokens.refresh_token;
        let second = app.refresh(first).await.unwrap().refresh_token;
        app.auth.clock.advance(GRACE / 2);
        assert_eq!(app.refresh(first).await.unwrap().refresh_token, second);
        // Asking again does not make it last longer.
        app.auth.clock.advance(GRACE / 2 + Duration::from_secs(1));
        assert_eq!(code(app.refresh(first).await), Code::BadRefreshToken);
        assert_eq!(
            code(app.refresh(&second).await),
            Code::BadRefreshToken,
            "the session ended"
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn tabs_that_refresh_at_once_get_the_same_token() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let mut token = ada.tokens.refresh_token.clone();
        for round in 0..10 {
            let (a, b, c) = tokio::join!(
                app.refresh(&token),
                app.refresh(&token),
                app.refresh(&token)
            );
            let next = a.unwrap().refresh_token;
            assert_eq!(b.unwrap().refresh_token, next, "round {round}");
            assert_eq!(c.unwrap().refresh_token, next, "round {round}");
            token = next;
        }
        let row = app.captured(app.sql().session(ada.session())).await;
        assert_eq!(row[2], Value::Int(10), "one rotation a round");
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_made_up_token_ends_nothing() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let bob = app.register("bob@example.com").await;
        let _ = app.refresh(&ada.tokens.refresh_token).await.unwrap();
        let current = app
            .refresh(
                &app.refresh(&ada.tokens.refresh_token)
                    .await
                    .unwrap()
                    .refresh_token,
            )
            .await
            .unwrap();
        // It names the session and an old generation, but was not made here.
        let stranger = crate::refresh_token::RefreshTokens::new(b"a secret of somebody else");
        let row = app.captured(app.sql().session(ada.session())).await;
        let seed = row[1].as_text().unwrap();
        for forged in [
            stranger.make(ada.session(), 0, seed),
            stranger.make(ada.session(), 2, seed),
            app.auth.refresh.make(ada.session(), 0, "another seed"),
            app.auth.refresh.make(bob.session(), 0, seed),
            app.auth.refresh.make(spec::Uuid::from_u128(7), 0, seed),
            ada.tokens.access_token.clone(),
        ] {
            assert_eq!(code(app.refresh(&forged).await), Code::BadRefreshToken);
        }
        // Of a generation that this database has not come to, as after it was restored from a backup.
        let future = app.auth.refresh.make(ada.session(), 9, seed);
        assert_eq!(code(app.refresh(&future).await), Code::BadRefreshToken);
        assert!(app.auth.authenticate(&current.access_token).await.is_ok());
        assert!(app.refresh(&current.refresh_token).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refresh_token_is_no_access_token() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let answer = app.auth.authenticate(&ada.tokens.refresh_token).await;
        assert_eq!(code(answer), Code::BadToken);
    })
    .await;
}
