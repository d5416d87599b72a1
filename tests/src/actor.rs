//! Who calls.

use spec::{Principal, Uuid};
use std::sync::Arc;

pub fn anonymous() -> Principal {
    Principal::anonymous()
}

/// The id of [`user`]`(n)`.
pub fn user_id(n: u32) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 + u128::from(n))
}

/// [`user_id`] as it stands in JSON.
pub fn uid(n: u32) -> String {
    user_id(n).hyphenated().to_string()
}

/// Somebody who signed in, with a verified address and no role. Users 1 to 4 are records of `auth.users`.
pub fn user(n: u32) -> Principal {
    with_roles(n, &[])
}

pub fn with_roles(n: u32, roles: &[&str]) -> Principal {
    let email = Arc::from(format!("user{n}@example.com"));
    let roles = roles.iter().map(|role| Arc::from(*role)).collect();
    Principal::user(user_id(n), Some(email), roles)
}

/// User 9, whom rules do not bind.
pub fn admin() -> Principal {
    with_roles(9, &[spec::principal::ADMIN_ROLE])
}

pub fn system() -> Principal {
    Principal::system()
}
