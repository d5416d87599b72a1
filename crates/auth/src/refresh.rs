//! A new access token for a refresh token, which is worn out by it.
//!
//! - The token in force: the next one takes over.
//! - The one before it, within [`GRACE`] of that: the answer was lost, or another tab was faster; the token in
//!   force is answered again.
//! - Any older one: it was copied. Whether the thief or the owner presents it cannot be known, so the session
//!   ends for both.

use crate::auth::Auth;
use crate::clock::micros;
use crate::fault::{bad_refresh_token, contended, problem_of, suspended};
use crate::refresh_token::{Presented, RefreshTokens};
use crate::request::Body;
use crate::signed_in::SignedIn;
use crate::sql::Sql;
use spec::problem::Result;
use spec::{Problem, Uuid, Value};
use std::time::Duration;
use store::{Changed, Decision};

/// Long enough for a client that times out and asks again, short enough to be of no use to a thief who comes
/// later.
pub(crate) const GRACE: Duration = Duration::from_secs(10);

/// Longer than any refresh token.
const MOST_BYTES: usize = 512;

/// What is done with a token that is ours.
#[derive(Clone, Copy)]
enum Outcome {
    /// The token of this generation is in force.
    Next(i64),
    Reused,
    Ended,
}

/// A session's row.
struct Row {
    user: Uuid,
    seed: String,
    generation: i64,
    refreshed_at: i64,
    over: bool,
}

impl Row {
    fn read(values: &[Value], now: i64) -> Option<Row> {
        match values {
            [
                Value::Uuid(user),
                Value::Text(seed),
                Value::Int(generation),
                Value::Timestamp(refreshed_at),
                Value::Timestamp(expires_at),
                revoked_at,
            ] => Some(Row {
                user: *user,
                seed: seed.to_string(),
                generation: *generation,
                refreshed_at: *refreshed_at,
                over: !revoked_at.is_null() || *expires_at <= now,
            }),
            _ => None,
        }
    }
}

impl Auth {
    /// `{"refresh_token"}` → new tokens of the same session.
    pub async fn refresh(&self, body: &[u8]) -> Result<SignedIn> {
        let mut body = Body::read(body)?;
        let text = body.text("refresh_token", MOST_BYTES);
        body.end()?;
        let token = RefreshTokens::read(&text).ok_or_else(bad_refresh_token)?;
        let now = self.clock.now();
        let rows = self.read(&self.sql.session(token.session), 1).await?;
        if rows.captured.is_empty() {
            return Err(bad_refresh_token());
        }
        let row = Row::read(&rows.captured, now)
            .ok_or_else(|| Problem::internal("a session's row is not as it was written"))?;
        // A token that we did not make changes nothing, however much it knows of the session.
        if !self.refresh.is_ours(&token, &row.seed) || row.over {
            return Err(bad_refresh_token());
        }
        let Some(account) = self.door.user(row.user).await? else {
            self.end_session(token.session).await?;
            return Err(bad_refresh_token());
        };
        if account.suspended {
            return Err(suspended());
        }
        match self.rotate(token, now).await? {
            Outcome::Next(generation) => {
                let next = self.refresh.make(token.session, generation, &row.seed);
                self.signed_in(&account, token.session, next).await
            }
            Outcome::Reused => {
                self.live.remove(&token.session);
                tracing::warn!(session = %token.session, user = %row.user, "a refresh token was used again: its session is ended");
                Err(bad_refresh_token())
            }
            Outcome::Ended => Err(bad_refresh_token()),
        }
    }

    async fn rotate(&self, token: Presented, now: i64) -> Result<Outcome> {
        let sql = self.sql;
        let expires_at = now.saturating_add(micros(self.settings().refresh_token));
        let decide = move |row: Option<&[Value]>| decide(sql, token, row, now, expires_at);
        let read = sql.session(token.session);
        match self.store.change(read, self.deadline(), decide).await {
            Ok(Changed::Stopped(outcome) | Changed::Done(outcome, _)) => Ok(outcome),
            Ok(Changed::Missed(..)) => Err(contended()),
            Err(error) => Err(problem_of(error)),
        }
    }
}

/// Looks at the row as it is when nobody else can change it.
fn decide(
    sql: Sql,
    token: Presented,
    row: Option<&[Value]>,
    now: i64,
    expires_at: i64,
) -> Decision<Outcome> {
    let Some(row) = row
        .and_then(|row| Row::read(row, now))
        .filter(|row| !row.over)
    else {
        return Decision::Stop(Outcome::Ended);
    };
    let behind = row.generation.saturating_sub(token.generation);
    match behind {
        0 => {
            let step = sql.rotate(token.session, token.generation, now, expires_at);
            Decision::Write(vec![step], Outcome::Next(token.generation + 1))
        }
        1 if now - row.refreshed_at <= micros(GRACE) => {
            Decision::Stop(Outcome::Next(row.generation))
        }
        1.. => Decision::Write(vec![sql.revoke(token.session, now)], Outcome::Reused),
        // From a time that the database does not remember: it was restored from a backup.
        _ => Decision::Stop(Outcome::Ended),
    }
}
