//! What a token's session allows at this moment.
//!
//! A token says which session it belongs to and nothing else that counts: whose it is, their roles, whether it
//! was ended or its user suspended or deleted is read from the database and remembered for [`STALE`] at most.
//! What this process ends itself it forgets at once; what others end is felt within that time.

use crate::access_token::Verified;
use crate::auth::{Auth, principal};
use crate::fault::{session_ended, suspended};
use crate::sql::Sql;
use spec::problem::Result;
use spec::statement::Step;
use spec::{Dialect, Principal, Problem, Uuid, Value};
use std::sync::Arc;
use std::time::{Duration, Instant};

/// The promise is one second, the request itself included.
const STALE: Duration = Duration::from_millis(500);
/// One row a role.
const MOST_ROWS: u32 = 1000;
/// Sessions are kept for a while after they have ended.
const KEPT: Duration = Duration::from_secs(24 * 3600);

/// A session that was good when it was looked at.
pub struct Live {
    principal: Principal,
    user: Uuid,
    /// Microseconds since 1970.
    expires_at: i64,
    /// When looking began.
    since: Instant,
}

impl Auth {
    /// Who a bearer token (without the word `Bearer`) stands for.
    pub async fn authenticate(&self, bearer: &str) -> Result<Principal> {
        let now = self.clock.now();
        let token = self.access.verify(bearer, now)?;
        if let Some(live) = self.live.get(&token.session)
            && live.since.elapsed() < STALE
            && live.user == token.user
            && live.expires_at > now
        {
            return Ok(live.principal.clone());
        }
        // Boxed: the future of every request would have room for this one.
        Box::pin(self.look(token, now)).await
    }

    async fn look(&self, token: Verified, now: i64) -> Result<Principal> {
        let since = Instant::now();
        let moment = self.live.moment();
        let statement = self.sql.session_state(token.session);
        let (rows, account) =
            tokio::join!(self.read(&statement, MOST_ROWS), self.door.user(token.user));
        let rows = rows?;
        let mut roles = Vec::new();
        let mut expires_at = None;
        for row in rows.captured.chunks_exact(4) {
            let [Value::Uuid(user), Value::Timestamp(expires), revoked, role] = row else {
                return Err(Problem::internal(
                    "a session's row is not as it was written",
                ));
            };
            if *user != token.user || !revoked.is_null() || *expires <= now {
                return Err(session_ended());
            }
            expires_at = Some(*expires);
            if let Value::Text(role) = role {
                roles.push(Arc::clone(role));
            }
        }
        let (Some(expires_at), Some(account)) = (expires_at, account?) else {
            return Err(session_ended());
        };
        if account.suspended {
            return Err(suspended());
        }
        let principal = principal(&account, roles.into(), token.session);
        let live = Live {
            principal: principal.clone(),
            user: token.user,
            expires_at,
            since,
        };
        self.live.put_since(moment, token.session, Arc::new(live));
        Ok(principal)
    }

    /// Ends the caller's session, at once and for good. Ending it twice is no error.
    pub async fn logout(&self, principal: &Principal) -> Result<()> {
        let (_, session) = crate::auth::signed_in_user(principal)?;
        self.end_session(session).await
    }

    pub(crate) async fn end_session(&self, session: Uuid) -> Result<()> {
        let ended = self
            .write(vec![self.sql.revoke(session, self.clock.now())])
            .await;
        // Also when it is not known whether it happened: then the next request finds out.
        self.live.remove(&session);
        ended.map(|_| ())
    }

    /// Ends every session of a user. The caller has made sure that it may.
    pub async fn end_sessions(&self, user: Uuid) -> Result<()> {
        let step = self.sql.revoke_all(user, None, self.clock.now());
        let ended = self.write(vec![step]).await;
        self.touched(user);
        ended.map(|_| ())
    }

    /// The user's record has changed (they were suspended, verified or deleted): the next request looks.
    pub fn touched(&self, user: Uuid) {
        self.live.remove_where(|live| live.user == user);
    }

    /// The caller's own record, as they see it.
    pub async fn me(&self, principal: &Principal) -> Result<bytes::Bytes> {
        let (user, _) = crate::auth::signed_in_user(principal)?;
        self.door.user_json(user, principal).await
    }

    /// Steps that forget all that is kept of a user here. To be committed with the deletion of the record.
    pub fn forget_steps(&self, user: Uuid) -> Vec<Step> {
        self.sql.forget(user)
    }

    /// Steps for a database that was put back to an earlier state: every session in it ends, and what is kept of users
    /// who are not there is forgotten.
    pub fn restored_steps(dialect: Dialect, now: i64) -> Vec<Step> {
        Sql::new(dialect).restored(now)
    }

    /// Forgets sessions that ended more than a day ago, at most `slice` of them, and says how many: less than
    /// `slice` means that it is done for now.
    pub async fn sweep(&self, slice: u32) -> Result<usize> {
        let before = self.clock.now() - crate::clock::micros(KEPT);
        let captured = self.write_all(vec![self.sql.sweep(before, slice)]).await?;
        Ok(captured.first().map_or(0, Vec::len))
    }
}
