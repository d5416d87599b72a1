use super::fixture::{SECRET, on_each_store};
use crate::StartError;

#[tokio::test(flavor = "multi_thread")]
async fn servers_that_start_at_once_agree_on_the_key() {
    on_each_store(async |app| {
        // As if the fixture's own had not made one yet.
        app.run(vec![app.sql().drop_keys()]).await;
        let servers = tokio::join!(app.another(), app.another(), app.another(), app.another());
        let servers = [servers.0, servers.1, servers.2, servers.3];
        assert_eq!(
            app.captured(app.sql().keys()).await.len(),
            5,
            "one key of five columns"
        );
        let (user, session) = (spec::Uuid::from_u128(1), spec::Uuid::from_u128(2));
        for signer in &servers {
            let now = signer.clock.now();
            let good_for = std::time::Duration::from_secs(60);
            let token = signer.access.sign(user, session, now, good_for).unwrap();
            for verifier in &servers {
                assert_eq!(
                    verifier.access.verify(&token, now).unwrap().session,
                    session
                );
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn another_secret_is_told_and_a_short_one_refused() {
    on_each_store(async |app| {
        let other = app.with_secret(b"another secret, as long as that!").await;
        let error = other.unwrap_err();
        assert_eq!(
            error,
            StartError::OtherSecret {
                kid: "1".to_owned()
            }
        );
        assert!(error.to_string().contains("another secret"));
        assert_eq!(
            app.with_secret(b"short").await.unwrap_err(),
            StartError::ShortSecret
        );
        assert!(app.with_secret(SECRET).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_retired_key_signs_no_more_and_verifies_until_its_tokens_expire() {
    on_each_store(async |app| {
        let account = app.register("ada@example.com").await;
        app.run(vec![app.sql().retire_key("1", app.auth.clock.now())])
            .await;
        let after = app.another().await;
        assert!(
            after
                .authenticate(&account.tokens.access_token)
                .await
                .is_ok()
        );
        let body = format!(r#"{{"refresh_token":"{}"}}"#, account.tokens.refresh_token);
        let refreshed = after.refresh(body.as_bytes()).await.unwrap();
        let header = jsonwebtoken::decode_header(&refreshed.access_token).unwrap();
        assert_eq!(header.kid.as_deref(), Some("2"));
        // A server that started before does not know the new key yet.
        assert!(
            app.auth
                .authenticate(&refreshed.access_token)
                .await
                .is_err()
        );

        let long_ago = app.auth.clock.now() - 3_600_000_000;
        app.run(vec![app.sql().retire_key("1", long_ago)]).await;
        let later = app.another().await;
        assert!(
            later
                .authenticate(&account.tokens.access_token)
                .await
                .is_err()
        );
        assert!(later.authenticate(&refreshed.access_token).await.is_ok());
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_public_key_that_was_swapped_in_the_table_is_refused() {
    on_each_store(async |app| {
        app.run(vec![app.sql().replace_public_key("1", "AAAA")])
            .await;
        let error = app.with_secret(SECRET).await.unwrap_err();
        assert!(matches!(error, StartError::OtherSecret { .. }), "{error:?}");
    })
    .await;
}
