//! Signing in with a password.
//!
//! A known and an unknown address cannot be told apart: the same statements run, a hash is verified either way,
//! and the answer is the same.

use crate::auth::Auth;
use crate::fault::{bad_credentials, suspended};
use crate::passwords::Password;
use crate::request::Body;
use crate::signed_in::SignedIn;
use spec::problem::Result;
use spec::statement::Written;
use spec::{Uuid, Value};

/// RFC 5321 allows no longer path; the type `email` neither.
const MOST_EMAIL: usize = 254 * 4;

impl Auth {
    /// `{"email", "password"}` → a session. `agent`: what the caller's program says of itself.
    pub async fn login(&self, body: &[u8], agent: Option<&str>) -> Result<SignedIn> {
        let mut body = Body::read(body)?;
        let email = body.text("email", MOST_EMAIL);
        let password = body.password("password");
        body.end()?;
        self.sign_in(&email, password, agent).await
    }

    async fn sign_in(
        &self,
        email: &str,
        password: Password,
        agent: Option<&str>,
    ) -> Result<SignedIn> {
        // As the type `email` stores it.
        let email = email.trim().to_lowercase();
        let account = self.door.user_by_email(&email).await?;
        let user = account.as_ref().map_or(Uuid::nil(), |account| account.id);
        let hash = self.password_of(user).await?;
        let right = self.passwords.verify(password, hash.clone()).await?;
        let (Some(account), Some(hash), true) = (account, hash, right) else {
            return Err(bad_credentials());
        };
        if account.suspended {
            return Err(suspended());
        }
        let session = self.new_session(account.id, agent)?;
        let start = self.sql.start_session_with(&session, &hash);
        if let Written::Missed { .. } = self.write(vec![start]).await? {
            return Err(bad_credentials());
        }
        let refresh = self.refresh.make(session.id, 0, &session.seed);
        self.signed_in(&account, session.id, refresh).await
    }

    /// The hash of a user's password.
    pub(crate) async fn password_of(&self, user: Uuid) -> Result<Option<String>> {
        let rows = self.read(&self.sql.password(user), 1).await?;
        Ok(rows
            .captured
            .first()
            .and_then(Value::as_text)
            .map(str::to_owned))
    }
}
