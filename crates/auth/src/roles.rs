//! Global roles: who has which, who may say so, and that one administrator is always left.

use crate::auth::Auth;
use crate::fault::unauthenticated;
use spec::principal::{A_ROLE, ADMIN_ROLE, is_role};
use spec::problem::Result;
use spec::statement::{Step, Written};
use spec::{Code, FieldError, Principal, Problem, Uuid, Value};
use std::sync::Arc;

/// Somebody with roles.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    pub id: Uuid,
    pub email: Arc<str>,
    pub suspended: bool,
    /// All of theirs, in the order of their names.
    pub roles: Vec<Arc<str>>,
}

impl Auth {
    /// A user's global roles, in the order of their names.
    pub async fn roles_of(&self, user: Uuid) -> Result<Vec<Arc<str>>> {
        self.roles(user).await
    }

    /// Everybody who has a role, or that one, by their addresses; of `most` grants. The caller has made sure that it
    /// may know.
    pub async fn holders(&self, role: Option<&str>, most: u32) -> Result<Vec<Holder>> {
        let rows = self.read(&self.sql.people(role), most).await?;
        let mut all: Vec<Holder> = Vec::new();
        for row in rows.captured.chunks_exact(4) {
            let [
                Value::Uuid(id),
                Value::Text(email),
                Value::Bool(suspended),
                Value::Text(role),
            ] = row
            else {
                return Err(Problem::internal("a row of roles is of another shape"));
            };
            match all.last_mut() {
                Some(last) if last.id == *id => last.roles.push(Arc::clone(role)),
                _ => all.push(Holder {
                    id: *id,
                    email: Arc::clone(email),
                    suspended: *suspended,
                    roles: vec![Arc::clone(role)],
                }),
            }
        }
        Ok(all)
    }

    /// A user's roles for whoever may know: the user themself and administrators. To others there is nobody.
    pub async fn roles_as(&self, principal: &Principal, user: Uuid) -> Result<Vec<Arc<str>>> {
        if principal.is_anonymous() {
            return Err(unauthenticated());
        }
        let oneself = principal.id == Some(user);
        if !oneself && !principal.above_rules() || self.door.user(user).await?.is_none() {
            return Err(Problem::not_found());
        }
        self.roles(user).await
    }

    /// Gives a role. Giving it twice is no error. The caller has made sure that it may.
    pub async fn grant_role(&self, user: Uuid, role: &str) -> Result<()> {
        self.grant(user, role, None).await
    }

    /// The same for an administrator.
    pub async fn grant_role_as(&self, principal: &Principal, user: Uuid, role: &str) -> Result<()> {
        administrator(principal)?;
        self.grant(user, role, principal.id).await
    }

    /// Steps that give a role, to be committed with the record of a new user: seeds and `admin create`.
    pub fn role_steps(&self, user: Uuid, role: &str) -> Result<Vec<Step>> {
        check(role)?;
        Ok(vec![self.sql.grant(user, role, None, self.clock.now())])
    }

    async fn grant(&self, user: Uuid, role: &str, by: Option<Uuid>) -> Result<()> {
        check(role)?;
        if self.door.user(user).await?.is_none() {
            return Err(Problem::not_found());
        }
        let step = self.sql.grant(user, role, by, self.clock.now());
        let written = self.write_all(vec![step]).await;
        self.touched(user);
        written.map(|_| ())
    }

    /// Takes a role. Taking it twice is no error; taking `admin` from the last administrator is
    /// [`spec::Code::Restricted`]. The caller has made sure that it may.
    pub async fn revoke_role(&self, user: Uuid, role: &str) -> Result<()> {
        check(role)?;
        let mut steps = Vec::new();
        if role == ADMIN_ROLE {
            steps.push(self.keep_administrator(user));
        }
        steps.push(self.sql.withdraw(user, role));
        let written = self.write(steps).await;
        self.touched(user);
        match written? {
            Written::Done(_) => Ok(()),
            Written::Missed { .. } => Err(last_administrator()),
        }
    }

    /// A step for whatever makes that a user can no longer act as administrator: losing the role, being suspended
    /// or deleted. It misses if they are the last who can, and then [`last_administrator`] says so.
    pub fn keep_administrator(&self, user: Uuid) -> Step {
        self.sql.another_holder(user, ADMIN_ROLE)
    }

    /// The same for an administrator.
    pub async fn revoke_role_as(
        &self,
        principal: &Principal,
        user: Uuid,
        role: &str,
    ) -> Result<()> {
        administrator(principal)?;
        self.revoke_role(user, role).await
    }
}

/// Somebody must be left who can give the role back.
pub fn last_administrator() -> Problem {
    Problem::new(
        Code::Restricted,
        "This is the last administrator: make somebody else one first.",
    )
}

fn administrator(principal: &Principal) -> Result<()> {
    if principal.above_rules() {
        Ok(())
    } else if principal.is_anonymous() {
        Err(unauthenticated())
    } else {
        Err(Problem::new(
            Code::Forbidden,
            "Only administrators give and take roles.",
        ))
    }
}

fn check(role: &str) -> Result<()> {
    if is_role(role) {
        return Ok(());
    }
    let error = FieldError::at("role", "format", format!("A role is {A_ROLE}."));
    Err(Problem::invalid(vec![error]))
}
