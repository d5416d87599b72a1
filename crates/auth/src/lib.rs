//! Who is calling: passwords, sessions and tokens become a [`spec::Principal`].
//!
//! - [`Auth`]: everything it can do. [`SignedIn`] is what signing in answers.
//! - [`UserDoor`]: what it needs of user records, which are ordinary records behind the one door.
//! - [`tables`]: the private tables, which no model shows.
//!
//! | file | holds |
//! |---|---|
//! | `register`, `login`, `refresh`, `password_change`, `new_user` | one operation each |
//! | `session` | what a token's session allows at this moment |
//! | `roles` | who is what |
//! | `access_token`, `refresh_token`, `keys` | what goes over the wire, and what vouches for it |
//! | `passwords` | Argon2id, off the async threads and bounded |
//! | `request` | bodies, read strictly |
//! | `sql` | every statement |
//!
//! Absent here: HTTP, rules, and who may see or write which field of a user.

mod access_token;
mod auth;
mod cache;
mod clock;
mod door;
mod fault;
mod keys;
mod login;
mod new_user;
mod password_change;
mod passwords;
mod refresh;
mod refresh_token;
mod register;
mod request;
mod roles;
mod session;
mod signed_in;
mod sql;
mod tables;
#[cfg(test)]
mod tests;

pub use auth::{Auth, StartError};
pub use door::{Answer, UserAccount, UserDoor, UserRecord};
pub use new_user::NewUser;
pub use roles::{Holder, last_administrator};
pub use signed_in::SignedIn;
pub use tables::tables;
