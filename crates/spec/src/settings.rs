//! What `mainstay.toml` says, every key with a default.

use std::time::Duration;

#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub name: String,
    pub server: Server,
    pub database: Database,
    pub auth: Auth,
    pub limits: Limits,
    pub changes: Changes,
    pub idempotency: Idempotency,
    pub backup: Backup,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Server {
    pub listen: String,
    /// How long a graceful shutdown waits for requests in flight.
    pub drain: Duration,
    /// Whether the API describes itself: `/api/openapi.json` and `/api/docs`.
    pub docs: bool,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Database {
    /// `sqlite:PATH` (relative to the app's folder) or `postgres://…`.
    pub url: String,
    /// PostgreSQL: connections of the pool, beside the shared ones.
    pub pool: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Registration {
    Open,
    Invite,
    Closed,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Auth {
    pub registration: Registration,
    /// How long an access token is good for.
    pub access_token: Duration,
    /// How long a session lives without being refreshed.
    pub refresh_token: Duration,
    /// Whether an address must be verified before its owner is signed in. False until mail exists.
    pub verify_email: bool,
    /// Shortest password, in code points.
    pub password_min: u32,
}

/// Bounds on what one request may ask. Each is named in the problem document of who meets it.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// Records a page at most.
    pub page: u32,
    /// Records a page unless asked.
    pub page_default: u32,
    /// Records of a nested to-many relation at most.
    pub nested_page: u32,
    pub expand_depth: u32,
    /// Relations expanded in one request.
    pub expand: u32,
    /// Records that one answer may hold, those of relations included.
    pub answer: u32,
    /// Characters of a search.
    pub search: u32,
    /// Words of a search.
    pub search_words: u32,
    /// Records that a search ranks.
    pub search_ranked: u32,
    /// Groups of an aggregate's answer at most.
    pub groups: u32,
    /// Counts, sums and the like in one aggregate.
    pub aggregates: u32,
    /// Bytes of a filter.
    pub filter: u32,
    /// Nodes of a filter's tree.
    pub filter_nodes: u32,
    /// Nesting of a filter.
    pub filter_depth: u32,
    /// Bytes of a body.
    pub body: u64,
    /// Nesting of a JSON body.
    pub json_depth: u32,
    /// Members of a JSON body.
    pub members: u32,
    /// Records that one request may write.
    pub batch: u32,
    /// Bytes of records that one request may write or answer together, where each is written by itself.
    pub batch_bytes: u64,
    pub query_time: Duration,
    /// Bytes of an address: path and query.
    pub address: u32,
    /// Bytes of all headers, names and values.
    pub headers: u32,
    /// Bytes of a query string.
    pub query: u32,
    /// From the first byte of a request to the end of its head.
    pub head_time: Duration,
    /// From the end of a head to the end of its body.
    pub body_time: Duration,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Changes {
    /// How long the change log is kept.
    pub keep: Duration,
}

/// Answers that are kept for who asks again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// How long an `Idempotency-Key` is known.
    pub keep: Duration,
}

/// Backups of a SQLite database.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Backup {
    /// How often a server makes one; none does where this is not said.
    pub every: Option<Duration>,
    /// How many are kept.
    pub keep: u32,
    /// Their folder, relative to the app's.
    pub dir: String,
}

/// Whether a server could listen there: a name or an address, and a port.
pub fn is_address(text: &str) -> bool {
    text.rsplit_once(':')
        .is_some_and(|(host, port)| !host.is_empty() && port.parse::<u16>().is_ok())
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            name: "app".to_owned(),
            server: Server {
                listen: "127.0.0.1:7070".to_owned(),
                drain: Duration::from_secs(10),
                docs: true,
            },
            database: Database {
                url: "sqlite:.mainstay/data.db".to_owned(),
                pool: 16,
            },
            auth: Auth {
                registration: Registration::Open,
                access_token: Duration::from_secs(15 * 60),
                refresh_token: Duration::from_secs(30 * 24 * 3600),
                verify_email: false,
                password_min: 8,
            },
            limits: Limits {
                page: 200,
                page_default: 20,
                nested_page: 100,
                expand_depth: 3,
                expand: 10,
                answer: 25_000,
                search: 400,
                search_words: 32,
                search_ranked: 1000,
                groups: 1000,
                aggregates: 20,
                filter: 4096,
                filter_nodes: 500,
                filter_depth: 32,
                body: 1024 * 1024,
                json_depth: 64,
                members: 1000,
                batch: 1000,
                batch_bytes: 16 * 1024 * 1024,
                query_time: Duration::from_secs(5),
                address: 16 * 1024,
                headers: 16 * 1024,
                query: 8 * 1024,
                head_time: Duration::from_secs(10),
                body_time: Duration::from_secs(30),
            },
            changes: Changes {
                keep: Duration::from_secs(7 * 24 * 3600),
            },
            idempotency: Idempotency {
                keep: Duration::from_secs(24 * 3600),
            },
            backup: Backup {
                every: None,
                keep: 28,
                dir: ".mainstay/backups".to_owned(),
            },
        }
    }
}
