//! A user whom an administrator creates may come with a password, as those of seeds do.

use crate::auth::Auth;
use crate::request::Body;
use bytes::Bytes;
use spec::problem::Result;
use spec::statement::Step;
use spec::{FieldError, Principal, Uuid};

/// A new user's body, taken apart.
pub struct NewUser {
    /// Chosen here, for the password's row names it.
    pub id: Uuid,
    /// What is the record's.
    pub record: Bytes,
    /// What is to be committed with it.
    pub private: Vec<Step>,
    /// What is wrong with the password; then there are no steps.
    pub wrong: Vec<FieldError>,
}

impl Auth {
    /// Takes the write-only `password` out of a body; none where there is none in it, or where the caller is bound
    /// by rules: to them it is a field that is not there, and no core is spent on hashing for them.
    pub async fn new_user(&self, principal: &Principal, body: &[u8]) -> Result<Option<NewUser>> {
        if !principal.above_rules() {
            return Ok(None);
        }
        // What is not read here is not read by the engine either, which says why.
        let Ok(mut body) = Body::read(body) else {
            return Ok(None);
        };
        if !body.has("password") {
            return Ok(None);
        }
        let password = body.new_password("password", self.settings().password_min);
        let (record, wrong) = body.rest();
        let id = spec::new_id();
        let mut private = Vec::new();
        if wrong.is_empty() {
            let hash = self.passwords.hash(password).await?;
            private.push(self.sql.put_password(id, &hash, self.clock.now()));
        }
        Ok(Some(NewUser {
            id,
            record: record.into(),
            private,
            wrong,
        }))
    }
}
