//! Administrators, global roles and passwords.

use super::app::{self, Needs, Opened};
use super::print::{self, Failure};
use super::typed::{self, Password};
use super::{Admin, Format};
use crate::backend;
use crate::users::Users;
use auth::{Auth, UserAccount, UserDoor};
use engine::operation::{Operation, Select, Update};
use spec::principal::ADMIN_ROLE;
use spec::{Principal, Uuid};
use std::path::Path;
use std::sync::Arc;
use store::Batch;

pub async fn admin(folder: &Path, database: Option<String>, what: Admin) -> Result<(), Failure> {
    let needs = Needs::Only(backend::accounts_schema);
    let opened = app::open_for(folder, database, needs).await?;
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
            Some(user) => promote(&opened, &auth, &user, &email, password_stdin).await?,
            None => create(&opened, &auth, &email, password_stdin).await?,
        },
        Admin::Password {
            email,
            password_stdin,
        } => {
            let user = must_find(&email).await?;
            let password = match password_stdin {
                true => typed::from_stdin()?,
                false => typed::asked(&email).await?,
            };
            auth.set_password(user.id, &password).await?;
            print::line(format!(
                "{} {email} has a new password, and their sessions are ended",
                print::good("✓")
            ));
            if user.suspended {
                print::warning(&format!(
                    "{email} is suspended and cannot sign in; an administrator lifts that with \
                     PATCH /api/auth/users/{} {{\"suspended\":false}}",
                    user.id
                ));
            }
        }
        Admin::Grant { email, role } => {
            auth.grant_role(must_find(&email).await?.id, &role).await?;
            print::line(format!("{} {email} has the role {role}", print::good("✓")));
        }
        Admin::Revoke { email, role } => {
            let user = must_find(&email).await?.id;
            let had = auth.roles_of(user).await?;
            if had.iter().any(|one| **one == *role) {
                auth.revoke_role(user, &role).await?;
                print::line(format!(
                    "{} {email} has the role {role} no more",
                    print::good("✓")
                ));
            } else {
                let has = match had.as_slice() {
                    [] => "they have no roles".to_owned(),
                    had => format!("they have {}", had.join(", ")),
                };
                print::line(format!(
                    "{} {email} did not have the role {role}; {has}",
                    print::good("✓")
                ));
            }
        }
        Admin::List { role, format } => list(&auth, role.as_deref(), format).await?,
    }
    opened.backend.store.close().await;
    Ok(())
}

/// Roles that are listed at most.
const LISTED: u32 = 1_000_000;

/// Who has roles, one line each.
async fn list(auth: &Auth, role: Option<&str>, format: Format) -> Result<(), Failure> {
    let holders = auth.holders(role, LISTED).await?;
    if format == Format::Json {
        let all = holders.iter().map(|one| {
            serde_json::json!({
                "id": one.id.to_string(),
                "email": &*one.email,
                "roles": one.roles.iter().map(|role| &**role).collect::<Vec<_>>(),
                "suspended": one.suspended,
            })
        });
        print::line(serde_json::Value::Array(all.collect()));
        return Ok(());
    }
    let widths = holders.iter().map(|one| one.email.chars().count());
    let width = widths.max().unwrap_or(0);
    for one in &holders {
        let suspended = if one.suspended { "  (suspended)" } else { "" };
        print::line(format!(
            "{:width$}  {}{}",
            one.email,
            one.roles.join(", "),
            print::dim(suspended)
        ));
    }
    // Beside the list, which is for programs, too.
    if holders.is_empty() {
        anstream::eprintln!(
            "nobody has {}",
            role.map_or_else(|| "a role".to_owned(), |role| format!("the role {role}"))
        );
    }
    Ok(())
}

/// Makes an administrator of a user who is there: one who can sign in, or the word would be empty.
async fn promote(
    opened: &Opened,
    auth: &Auth,
    user: &UserAccount,
    email: &str,
    stdin: bool,
) -> Result<(), Failure> {
    if stdin {
        let password = typed::from_stdin()?;
        auth.set_password(user.id, &password).await?;
    }
    if user.suspended {
        lift_suspension(opened, user.id).await?;
    }
    auth.grant_role(user.id, ADMIN_ROLE).await?;
    print::line(format!(
        "{} {email} is an administrator now",
        print::good("✓")
    ));
    if user.suspended {
        print::line("  They were suspended; that is lifted.");
    }
    if stdin {
        print::line("  They have the new password, and their sessions are ended.");
    }
    Ok(())
}

async fn lift_suspension(opened: &Opened, user: Uuid) -> Result<(), Failure> {
    let update = Operation::Update(Update {
        model: opened.model("auth.users")?.id,
        id: user.to_string(),
        body: bytes::Bytes::from_static(b"{\"suspended\":false}"),
        if_match: None,
        select: Select::default(),
    });
    let engine = &opened.backend.engine;
    let done = engine.execute(&Principal::system(), update).await;
    done.result?;
    Ok(())
}

async fn create(opened: &Opened, auth: &Auth, email: &str, stdin: bool) -> Result<(), Failure> {
    let password = if stdin {
        typed::from_stdin()?
    } else {
        made_up_password()
    };
    let id = spec::new_id();
    let model = opened.model("auth.users")?.id;
    let body = serde_json::json!({"id": id.to_string(), "email": email, "verified": true});
    let engine = &opened.backend.engine;
    let import = engine.import(&opened.app, model, spec::time::now_micros());
    let mut steps = import.steps(import.record(body.to_string().as_bytes())?)?;
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
    if !stdin {
        print::line(format!("  password: {}", print::bold(&*password)));
        print::line(print::dim(
            "  It is shown this once; change it after signing in.",
        ));
    }
    Ok(())
}

/// 122 random bits, in a form that can be typed.
fn made_up_password() -> Password {
    Password::new(Uuid::new_v4().hyphenated().to_string())
}
