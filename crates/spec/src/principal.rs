//! Who is calling.

use std::sync::Arc;
use uuid::Uuid;

/// `auth.kind`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PrincipalKind {
    Anonymous,
    User,
    Key,
    Service,
}

impl PrincipalKind {
    pub fn as_str(self) -> &'static str {
        match self {
            PrincipalKind::Anonymous => "anonymous",
            PrincipalKind::User => "user",
            PrincipalKind::Key => "key",
            PrincipalKind::Service => "service",
        }
    }
}

/// Who an operation is done for. Every operation carries one; there is no operation without.
#[derive(Debug, Clone, PartialEq)]
pub struct Principal {
    pub kind: PrincipalKind,
    /// `auth.id`; none for anonymous callers.
    pub id: Option<Uuid>,
    /// `auth.email`; none until the address is verified.
    pub email: Option<Arc<str>>,
    /// `auth.roles`: the global roles (and, later, those in the active organization).
    pub roles: Arc<[Arc<str>]>,
    /// The session a token carried.
    pub session: Option<Uuid>,
    /// The command line or the engine itself: rules do not bind it, checks do.
    pub system: bool,
}

/// The global role that access rules do not bind.
pub const ADMIN_ROLE: &str = "admin";

/// Characters of a role's name at most.
const MOST_OF_ROLE: usize = 63;
/// What a role is, for a message.
pub const A_ROLE: &str = "a word of lower-case letters, digits, _ and -, of 63 characters at most";

/// Whether a text can be a role: a word that rules can spell, `[a-z][a-z0-9_-]*`.
pub fn is_role(text: &str) -> bool {
    text.len() <= MOST_OF_ROLE
        && text.starts_with(|c: char| c.is_ascii_lowercase())
        && text
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || matches!(c, '_' | '-'))
}

impl Principal {
    pub fn anonymous() -> Principal {
        Principal {
            kind: PrincipalKind::Anonymous,
            id: None,
            email: None,
            roles: Arc::from([]),
            session: None,
            system: false,
        }
    }

    pub fn user(id: Uuid, email: Option<Arc<str>>, roles: Arc<[Arc<str>]>) -> Principal {
        Principal {
            kind: PrincipalKind::User,
            id: Some(id),
            email,
            roles,
            session: None,
            system: false,
        }
    }

    /// The server itself: seeds, imports, the command line.
    pub fn system() -> Principal {
        Principal {
            kind: PrincipalKind::Service,
            system: true,
            ..Principal::anonymous()
        }
    }

    pub fn is_anonymous(&self) -> bool {
        self.kind == PrincipalKind::Anonymous
    }

    pub fn has_role(&self, role: &str) -> bool {
        self.roles.iter().any(|r| &**r == role)
    }

    /// Whether access rules bind this caller. Checks, types and uniqueness bind everybody.
    pub fn above_rules(&self) -> bool {
        self.system || self.has_role(ADMIN_ROLE)
    }
}
