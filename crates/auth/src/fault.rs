//! The problems of this room.

use spec::{Code, Problem};
use std::time::Duration;
use store::StoreError;

/// As everywhere; but what others changed is an account.
pub fn problem_of(error: StoreError) -> Problem {
    match error {
        StoreError::Contended => contended(),
        error => store::error::problem_of(error),
    }
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
