//! What this room needs of user records. They are ordinary records behind the one door, so whoever wires the
//! rooms together implements this with the engine.

use bytes::Bytes;
use spec::problem::Result;
use spec::statement::Step;
use spec::{Principal, Uuid};
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;

/// A future that borrows from its arguments.
pub type Answer<'a, T> = Pin<Box<dyn Future<Output = Result<T>> + Send + 'a>>;

/// What of a user decides whether and as whom they are signed in.
#[derive(Debug, Clone, PartialEq)]
pub struct UserAccount {
    pub id: Uuid,
    /// In lower case, as it is stored.
    pub email: Arc<str>,
    pub verified: bool,
    pub suspended: bool,
}

/// A user who has just registered.
#[derive(Debug, Clone, PartialEq)]
pub struct UserRecord {
    pub account: UserAccount,
    /// The record as the user themself sees it, and their roles.
    pub json: Bytes,
}

/// The way to `auth.users`.
///
/// The reads are done as the system: what a caller may learn of them is decided here. A record that is not
/// there is `None`; an error is a problem of the store or a defect.
pub trait UserDoor: Send + Sync + 'static {
    /// Creates the record `id` and runs the private steps in the same transaction.
    ///
    /// `body` is a JSON object without `id` and `password`. Its fields are judged by the write rules of the
    /// fields as for the new user (so nobody registers as `verified`), and by all that binds any writer. A taken
    /// address is a [`spec::Code::Conflict`]. When a private step misses, nothing is written and the answer is
    /// any problem but [`spec::Code::Invalid`].
    fn register(&self, body: Bytes, id: Uuid, private: Vec<Step>) -> Answer<'_, UserRecord>;

    /// The user with this address, which is given in lower case. One statement, whether there is one or not:
    /// an unknown address must not be told by what was asked of the database.
    fn user_by_email<'a>(&'a self, email: &'a str) -> Answer<'a, Option<UserAccount>>;

    fn user(&self, id: Uuid) -> Answer<'_, Option<UserAccount>>;

    /// The record as `principal`, whose own it is, sees it, with their roles as `roles`.
    fn user_json<'a>(&'a self, id: Uuid, principal: &'a Principal) -> Answer<'a, Bytes>;
}
