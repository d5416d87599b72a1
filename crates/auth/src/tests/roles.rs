use super::fixture::{code, errors, on_each_store};
use spec::{Code, Principal};

#[tokio::test(flavor = "multi_thread")]
async fn roles_are_felt_at_once() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let roles = async || {
            app.auth
                .authenticate(&ada.tokens.access_token)
                .await
                .unwrap()
                .roles
                .to_vec()
        };
        assert!(roles().await.is_empty());
        for _ in 0..2 {
            app.auth.grant_role(ada.id, "editor").await.unwrap();
            assert_eq!(roles().await, ["editor".into()]);
        }
        app.auth.grant_role(ada.id, "admin").await.unwrap();
        let mut both = roles().await;
        both.sort();
        assert_eq!(both, ["admin".into(), "editor".into()]);
        assert_eq!(app.auth.roles_of(ada.id).await.unwrap(), both);
        for _ in 0..2 {
            app.auth.revoke_role(ada.id, "editor").await.unwrap();
            assert_eq!(roles().await, ["admin".into()]);
        }
        let steps = app.auth.role_steps(ada.id, "seeded").unwrap();
        app.run(steps).await;
        assert_eq!(
            app.auth.roles_of(ada.id).await.unwrap(),
            ["admin".into(), "seeded".into()]
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn only_administrators_give_and_take() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let bob = app.register("bob@example.com").await;
        for (principal, wanted) in [
            (&ada.principal, Code::Forbidden),
            (&Principal::anonymous(), Code::Unauthenticated),
        ] {
            for role in ["admin", "editor"] {
                assert_eq!(
                    code(app.auth.grant_role_as(principal, ada.id, role).await),
                    wanted
                );
                assert_eq!(
                    code(app.auth.revoke_role_as(principal, bob.id, role).await),
                    wanted
                );
            }
        }
        app.auth.grant_role(ada.id, "admin").await.unwrap();
        let ada = app
            .account(app.refresh(&ada.tokens.refresh_token).await.unwrap())
            .await;
        app.auth
            .grant_role_as(&ada.principal, bob.id, "editor")
            .await
            .unwrap();
        app.auth
            .grant_role_as(&Principal::system(), bob.id, "writer")
            .await
            .unwrap();
        assert_eq!(
            app.auth.roles_of(bob.id).await.unwrap(),
            ["editor".into(), "writer".into()]
        );
        app.auth
            .revoke_role_as(&ada.principal, bob.id, "editor")
            .await
            .unwrap();
        assert_eq!(app.auth.roles_of(bob.id).await.unwrap(), ["writer".into()]);
        let nobody = app
            .auth
            .grant_role_as(&ada.principal, spec::Uuid::from_u128(1), "editor")
            .await;
        assert_eq!(code(nobody), Code::NotFound);
        for bad in ["", "Admin", "a b", "1st", "é", "admin ", &"x".repeat(64)] {
            let problem = app.auth.grant_role(bob.id, bad).await.unwrap_err();
            assert_eq!(errors(&problem), ["/role format"], "{bad}");
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_last_administrator_stays() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await;
        let bob = app.register("bob@example.com").await;
        let eve = app.register("eve@example.com").await;
        app.auth.grant_role(ada.id, "admin").await.unwrap();
        assert_eq!(
            code(app.auth.revoke_role(ada.id, "admin").await),
            Code::Restricted
        );
        // Taking it from somebody who is none takes nothing from anybody.
        app.auth.revoke_role(bob.id, "admin").await.unwrap();
        // Administrators who cannot sign in do not count.
        app.auth.grant_role(bob.id, "admin").await.unwrap();
        app.auth.grant_role(eve.id, "admin").await.unwrap();
        app.door.change(bob.id, |user| user.suspended = true);
        app.door.delete(eve.id);
        assert_eq!(
            code(app.auth.revoke_role(ada.id, "admin").await),
            Code::Restricted
        );
        app.door.change(bob.id, |user| user.suspended = false);
        app.auth.revoke_role(ada.id, "admin").await.unwrap();
        assert_eq!(
            code(app.auth.revoke_role(bob.id, "admin").await),
            Code::Restricted
        );
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_administrators_cannot_remove_each_other_at_once() {
    on_each_store(async |app| {
        let ada = app.register("ada@example.com").await.id;
        let bob = app.register("bob@example.com").await.id;
        for round in 0..10 {
            app.auth.grant_role(ada, "admin").await.unwrap();
            app.auth.grant_role(bob, "admin").await.unwrap();
            let (one, other) = tokio::join!(
                app.auth.revoke_role(ada, "admin"),
                app.auth.revoke_role(bob, "admin")
            );
            let left = app.captured(app.sql().holders("admin")).await;
            assert_eq!(left.len(), 1, "round {round}: {one:?} {other:?}");
            assert!(
                one.is_ok() != other.is_ok(),
                "round {round}: {one:?} {other:?}"
            );
        }
    })
    .await;
}
