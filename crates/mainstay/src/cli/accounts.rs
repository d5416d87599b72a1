//! Administrators and global roles.

use super::Admin;
use super::app::{self, Opened};
use super::print::{self, Failure};
use crate::users::Users;
use auth::{Auth, UserAccount, UserDoor};
use spec::Uuid;
use spec::principal::ADMIN_ROLE;
use std::io::Read;
use std::path::Path;
use std::sync::Arc;
use store::Batch;

pub async fn admin(folder: &Path, database: Option<String>, what: Admin) -> Result<(), Failure> {
    let opened = app::open(folder, database, true).await?;
    let auth = opened.backend.accounts_for_commands()?;
    let users = Users::new(Arc::clone(&opened.backend.engine));
    let find = async |email: &str| users.user_by_email(&email.trim().to_lowercase()).await;
    let must_find = async |email: &str| -> Result<UserAccount, Failure> {
        find(email)
            .await?
            .ok_or_else(|| Failure::new(format!(
                "there is no user with the address {email}\n  users register at /api/auth/register; \
                 `mainstay admin create {email}` makes an administrator"
            )))
    };
    match what {
        Admin::Create {
            email,
            password_stdin,
        } => match find(&email).await? {
            Some(user) => {
                auth.grant_role(user.id, ADMIN_ROLE).await?;
                print::line(format!(
                    "{} {email} is an administrator now",
                    print::good("✓")
                ));
            }
            None => create(&opened, &auth, &email, password_stdin).await?,
        },
        Admin::Grant { email, role } => {
            auth.grant_role(must_find(&email).await?.id, &role).await?;
            print::line(format!("{} {email} has the role {role}", print::good("✓")));
        }
        Admin::Revoke { email, role } => {
            auth.revoke_role(must_find(&email).await?.id, &role).await?;
            print::line(format!(
                "{} {email} has the role {role} no more",
                print::good("✓")
            ));
        }
    }
    opened.backend.store.close().await;
    Ok(())
}

async fn create(opened: &Opened, auth: &Auth, email: &str, stdin: bool) -> Result<(), Failure> {
    let (password, made_up) = if stdin {
        let mut text = String::new();
        std::io::stdin()
            .take(4096)
            .read_to_string(&mut text)
            .map_err(Failure::new)?;
        (text.trim_end_matches(['\r', '\n']).to_owned(), false)
    } else {
        (made_up_password(), true)
    };
    let id = spec::new_id();
    let model = opened.model("auth.users")?.id;
    let body = serde_json::json!({"id": id.to_string(), "email": email, "verified": true});
    let imported = opened
        .backend
        .engine
        .import(&opened.app, model, body.to_string().as_bytes())?;
    let mut steps = imported.steps;
    steps.extend(auth.password_steps(id, &password).await?);
    steps.extend(auth.role_steps(id, ADMIN_ROLE)?);
    let (send, receive) = tokio::sync::mpsc::channel(2);
    let feed = async move {
        let _ = send.send(Batch::Steps(steps)).await;
        let _ = send.send(Batch::Commit).await;
    };
    let (_, loaded) = tokio::join!(feed, opened.backend.store.load(receive));
    loaded?.done()?;
    print::line(format!(
        "{} administrator {email} created",
        print::good("✓")
    ));
    if made_up {
        print::line(format!("  password: {}", print::bold(&password)));
        print::line(print::dim(
            "  It is shown this once; change it after signing in.",
        ));
    }
    Ok(())
}

/// 122 random bits, in a form that can be typed.
fn made_up_password() -> String {
    Uuid::new_v4().hyphenated().to_string()
}
