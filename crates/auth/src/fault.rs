//! What went wrong below → what the caller is told, and what the log is; and the problems of this room.

use spec::{Code, Problem};
use std::time::Duration;
use store::StoreError;

pub fn problem_of(error: StoreError) -> Problem {
    let cause = error.to_string();
    let wait = Duration::from_secs(1);
    let problem = match error {
        StoreError::Unavailable { maybe: false, .. } => Problem::new(
            Code::StoreUnavailable,
            "The database cannot be reached right now.",
        ),
        StoreError::Unavailable { maybe: true, .. } => Problem::new(
            Code::StoreUnavailable,
            "The connection to the database was lost during the write; whether it happened is not known.",
        ),
        StoreError::Full { .. } => {
            let problem = Problem::new(
                Code::StoreFull,
                "The database has no room left; nothing was written.",
            );
            return problem.retry_after(wait * 10).because(cause);
        }
        StoreError::Busy { .. } => Problem::new(
            Code::StoreBusy,
            "Another program holds the database; nothing was written.",
        ),
        StoreError::Timeout => Problem::new(
            Code::QueryTimeout,
            "The database did not answer within the time one query has.",
        ),
        StoreError::Contended => return contended(),
        StoreError::Unique { .. } | StoreError::ForeignKey { .. } | StoreError::Other { .. } => {
            return Problem::internal(cause);
        }
    };
    problem.retry_after(wait).because(cause)
}

pub fn contended() -> Problem {
    Problem::new(
        Code::Contended,
        "Others changed the same account each time this was tried.",
    )
    .retry_after(Duration::from_secs(1))
}

/// The same for an unknown address and a wrong password.
pub fn bad_credentials() -> Problem {
    Problem::new(
        Code::BadCredentials,
        "There is no account with this email and this password.",
    )
}

pub fn bad_refresh_token() -> Problem {
    Problem::new(
        Code::BadRefreshToken,
        "The refresh token is not valid, or its session has ended.",
    )
}

/// `because` is for the log: a forger is not helped along.
pub fn bad_token(because: impl Into<String>) -> Problem {
    Problem::new(Code::BadToken, "The access token is not valid.").because(because)
}

pub fn session_ended() -> Problem {
    Problem::new(Code::BadToken, "The session of this token has ended.")
}

pub fn suspended() -> Problem {
    Problem::new(Code::Suspended, "This account is suspended.")
}

pub fn unauthenticated() -> Problem {
    Problem::new(Code::Unauthenticated, "This needs a signed-in user.")
}
