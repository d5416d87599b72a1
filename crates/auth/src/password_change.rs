//! Changing a password ends all sessions but the one it was changed in.

use crate::auth::{Auth, signed_in_user};
use crate::fault::contended;
use crate::passwords::{self, Password};
use crate::request::Body;
use spec::problem::Result;
use spec::statement::{Step, Written};
use spec::{FieldError, Principal, Problem, Uuid};
use zeroize::Zeroizing;

impl Auth {
    /// `{"current_password", "new_password"}`.
    pub async fn change_password(&self, principal: &Principal, body: &[u8]) -> Result<()> {
        let (user, session) = signed_in_user(principal)?;
        let mut body = Body::read(body)?;
        let current = body.password("current_password");
        let new = body.new_password("new_password", self.settings().password_min);
        body.end()?;
        let hash = self.password_of(user).await?;
        let right = self.passwords.verify(current, hash.clone()).await?;
        let (Some(hash), true) = (hash, right) else {
            let detail = "The current password is another one.";
            let error = FieldError::at("current_password", "wrong", detail);
            return Err(Problem::invalid(vec![error]));
        };
        let new = self.passwords.hash(new).await?;
        let now = self.clock.now();
        // The password first: a sign-in with the old one holds its row until its session is there to be ended.
        let steps = vec![
            self.sql.change_password(user, &hash, &new, now),
            self.sql.revoke_all(user, Some(session), now),
        ];
        let written = self.write(steps).await;
        self.touched(user);
        match written? {
            Written::Done(_) => Ok(()),
            Written::Missed { .. } => Err(contended()),
        }
    }

    /// Sets a password without knowing the old one, and ends all sessions of the user. For the command line;
    /// the caller has made sure that it may.
    pub async fn set_password(&self, user: Uuid, password: &str) -> Result<()> {
        let mut steps = self.password_steps(user, password).await?;
        steps.push(self.sql.revoke_all(user, None, self.clock.now()));
        let written = self.write_all(steps).await;
        self.touched(user);
        written.map(|_| ())
    }

    /// Steps that set a password, to be committed with the record of a new user: seeds and `admin create`.
    /// A password that is too short or too long is [`spec::Code::Invalid`] at `/password`.
    pub async fn password_steps(&self, user: Uuid, password: &str) -> Result<Vec<Step>> {
        let least = self.settings().password_min;
        if let Some(error) = passwords::check("password", password, least) {
            return Err(Problem::invalid(vec![error]));
        }
        let password: Password = Zeroizing::new(password.to_owned());
        let hash = self.passwords.hash(password).await?;
        Ok(vec![self.sql.put_password(user, &hash, self.clock.now())])
    }
}
