//! Every key of both files: its name, what it takes, its default and what it is for.
//!
//! One table, four uses: the walk (unknown keys, wrong kinds), the JSON Schema for editors, the
//! reference in `docs/app.md`, and the nearest known key in messages.

use super::foreign::{self, Foreign};

/// What a key takes.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    Text,
    /// One of these words.
    Word(&'static [&'static str]),
    Int {
        min: i64,
        max: i64,
    },
    /// A whole number or a float: what it means depends on the field's type.
    Number,
    Bool,
    /// `"250ms"`, `"15m"`, `"30d"`; bounds in milliseconds.
    Duration {
        min: u64,
        max: u64,
    },
    /// A list of strings.
    Texts,
    /// An expression, to be checked later against the model.
    Expression,
    Table(&'static Table),
    /// A table whose keys are names of the app's own, each with a table of this shape.
    Named(&'static Table),
    /// An array of tables of this shape.
    Tables(&'static Table),
    /// Any value: JSON, as TOML writes it.
    Any,
    /// A list of such values.
    Items,
    /// A table of such values, under names of the app's own.
    Entries,
}

#[derive(Debug)]
pub(super) struct Key {
    pub name: &'static str,
    pub kind: Kind,
    /// As it would be written; empty where there is none.
    pub default: &'static str,
    pub doc: &'static str,
    /// Fields only: the types that this key goes with; empty for all.
    pub types: &'static [&'static str],
}

/// A key that the design has and this version does not: an error that says so, because a key that is
/// read and ignored would be a lie.
#[derive(Debug)]
pub(super) struct Designed {
    pub name: &'static str,
    pub what: &'static str,
}

#[derive(Debug)]
pub(super) struct Table {
    /// As it is called in messages: `[server]`, `a field`.
    pub title: &'static str,
    pub doc: &'static str,
    pub keys: &'static [Key],
    pub designed: &'static [Designed],
    /// Words of other systems for what these keys say.
    pub foreign: &'static [Foreign],
}

impl Table {
    pub fn key(&self, name: &str) -> Option<&'static Key> {
        self.keys.iter().find(|key| key.name == name)
    }

    pub fn designed(&self, name: &str) -> Option<&'static Designed> {
        self.designed.iter().find(|key| key.name == name)
    }

    pub fn foreign(&self, name: &str) -> Option<&'static Foreign> {
        self.foreign.iter().find(|word| word.names.contains(&name))
    }
}

pub(super) const fn key(
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
        types: &[],
    }
}

const fn for_types(
    types: &'static [&'static str],
    name: &'static str,
    kind: Kind,
    default: &'static str,
    doc: &'static str,
) -> Key {
    Key {
        name,
        kind,
        default,
        doc,
        types,
    }
}

const fn designed(name: &'static str, what: &'static str) -> Designed {
    Designed { name, what }
}

const SECOND: u64 = 1000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

pub(super) static APP: Table = Table {
    title: "mainstay.toml",
    doc: "What the whole app is run with. Every key has a default. A flag comes before the environment, and that before the file: `MAINSTAY_DATABASE_URL` (then `DATABASE_URL`) is `database.url`, `MAINSTAY_DATABASE_POOL` is `database.pool`, and `MAINSTAY_LISTEN` is `server.listen`; no other key has a variable. `MAINSTAY_SECRET`, `MAINSTAY_LOG` and `MAINSTAY_TRACE` are no keys of the file ([operations.md](operations.md#settings)), and there are no other variables.",
    keys: &[
        key(
            "name",
            Kind::Text,
            "\"app\"",
            "What the app is called: in what `dev` and `check` say, and in its access tokens, which another name makes invalid.",
        ),
        key("server", Kind::Table(&SERVER), "", "How it listens."),
        key("database", Kind::Table(&DATABASE), "", "Where the data is."),
        key("auth", Kind::Table(&AUTH), "", "Accounts and sessions."),
        key(
            "limits",
            Kind::Table(&LIMITS),
            "",
            "What one request may ask for.",
        ),
        key("changes", Kind::Table(&CHANGES), "", "The change log."),
        key(
            "idempotency",
            Kind::Table(&IDEMPOTENCY),
            "",
            "Writes that are sent again.",
        ),
        key("backup", Kind::Table(&BACKUP), "", "Backups of SQLite."),
    ],
    designed: &[
        designed(
            "gateway",
            "the gateway's own settings and foreign upstreams",
        ),
        designed("services", "splitting an app into services"),
        designed("redis", "the shared cache and counters"),
        designed("cache", "caching"),
        designed("cors", "origins that browsers may call from"),
        designed("mail", "sending mail"),
        designed("files", "file storage"),
        designed("jobs", "queues and schedules"),
        designed("webhooks", "webhooks"),
        designed("graphql", "the GraphQL surface"),
        designed("live", "live feeds"),
        designed("telemetry", "exporting traces"),
    ],
    foreign: foreign::APP,
};

static SERVER: Table = Table {
    title: "[server]",
    doc: "How the server listens.",
    keys: &[
        key(
            "listen",
            Kind::Text,
            "\"127.0.0.1:7070\"",
            "Address and port. Port 0 takes a free one.",
        ),
        key(
            "drain",
            Kind::Duration { min: 0, max: HOUR },
            "\"10s\"",
            "How long a graceful shutdown waits for requests in flight.",
        ),
        key(
            "docs",
            Kind::Bool,
            "true",
            "Whether the API describes itself at `/api/openapi.json` and `/api/docs`: to each caller what they could reach.",
        ),
    ],
    designed: &[],
    foreign: foreign::SERVER,
};

static DATABASE: Table = Table {
    title: "[database]",
    doc: "Where the app keeps its data.",
    keys: &[
        key(
            "url",
            Kind::Text,
            "\"sqlite:.mainstay/data.db\"",
            "`sqlite:PATH`, relative to the app's folder, or `postgres://…`. `DATABASE_URL` comes before it.",
        ),
        key(
            "pool",
            Kind::Int { min: 1, max: 1000 },
            "16",
            "PostgreSQL: connections of the pool, beside the few shared ones.",
        ),
    ],
    designed: &[],
    foreign: foreign::DATABASE,
};

static AUTH: Table = Table {
    title: "[auth]",
    doc: "Accounts and sessions.",
    keys: &[
        key(
            "registration",
            Kind::Word(&["open", "invite", "closed"]),
            "\"open\"",
            "Who may register: anybody, or nobody (`closed`: administrators create accounts). `invite` is designed but not built yet.",
        ),
        key(
            "access_token",
            Kind::Duration {
                min: 10 * SECOND,
                max: DAY,
            },
            "\"15m\"",
            "How long an access token is good for.",
        ),
        key(
            "refresh_token",
            Kind::Duration {
                min: MINUTE,
                max: 400 * DAY,
            },
            "\"30d\"",
            "How long a session lives without being refreshed.",
        ),
        key(
            "verify_email",
            Kind::Bool,
            "false",
            "Whether an address must be verified before its owner is signed in. `true` is designed but not built yet.",
        ),
        key(
            "password_min",
            Kind::Int { min: 8, max: 64 },
            "8",
            "The shortest password, in characters.",
        ),
    ],
    designed: &[
        designed("providers", "signing in with other providers"),
        designed("magic_link", "signing in by mail"),
        designed("totp", "one-time codes"),
        designed("passkeys", "passkeys"),
        designed("api_keys", "API keys"),
        designed("organizations", "organizations"),
    ],
    foreign: &[],
};

static LIMITS: Table = Table {
    title: "[limits]",
    doc: "Bounds on what one request may ask for. Whoever meets one gets a problem document that names it.",
    keys: &[
        key(
            "page",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "200",
            "Records a page, at most.",
        ),
        key(
            "page_default",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "20",
            "Records a page, unless asked otherwise.",
        ),
        key(
            "nested_page",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "100",
            "Records of an expanded to-many relation, at most.",
        ),
        key(
            "expand_depth",
            Kind::Int { min: 0, max: 8 },
            "3",
            "How deep `expand` may go.",
        ),
        key(
            "expand",
            Kind::Int { min: 0, max: 100 },
            "10",
            "Relations expanded in one request.",
        ),
        key(
            "answer",
            Kind::Int {
                min: 1,
                max: 1_000_000,
            },
            "25000",
            "Records of one answer, those of expanded relations included.",
        ),
        key(
            "search",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "400",
            "Characters of a search.",
        ),
        key(
            "search_words",
            Kind::Int { min: 1, max: 64 },
            "32",
            "Words of a search.",
        ),
        key(
            "search_ranked",
            Kind::Int {
                min: 1,
                max: 100_000,
            },
            "1000",
            "Records that a search ranks: where more are found, the ones that came last.",
        ),
        key(
            "groups",
            Kind::Int {
                min: 1,
                max: 100_000,
            },
            "1000",
            "Groups of an aggregate's answer, at most.",
        ),
        key(
            "aggregates",
            Kind::Int { min: 1, max: 100 },
            "20",
            "Counts, sums, averages, least and greatest values that one aggregate asks for.",
        ),
        key(
            "filter",
            Kind::Int {
                min: 16,
                max: 65_536,
            },
            "4096",
            "Bytes of a filter.",
        ),
        key(
            "filter_nodes",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "500",
            "Nodes of a filter's tree.",
        ),
        key(
            "filter_depth",
            Kind::Int { min: 1, max: 64 },
            "32",
            "Nesting of a filter.",
        ),
        key(
            "body",
            Kind::Int {
                min: 1024,
                max: 1 << 30,
            },
            "1048576",
            "Bytes of a body.",
        ),
        key(
            "json_depth",
            Kind::Int { min: 1, max: 127 },
            "64",
            "Nesting of a JSON body.",
        ),
        key(
            "members",
            Kind::Int {
                min: 10,
                max: 10_000,
            },
            "1000",
            "Members of a JSON body.",
        ),
        key(
            "batch",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "1000",
            "Records that one request may write.",
        ),
        key(
            "batch_bytes",
            Kind::Int {
                min: 1024,
                max: 1 << 30,
            },
            "16777216",
            "Bytes of the records that a change or delete by a filter reads, and of a batch's answer.",
        ),
        key(
            "query_time",
            Kind::Duration {
                min: 1,
                max: 10 * MINUTE,
            },
            "\"5s\"",
            "How long the store may work for one request.",
        ),
        key(
            "address",
            Kind::Int {
                min: 256,
                max: 65_000,
            },
            "16384",
            "Bytes of an address, query string included.",
        ),
        key(
            "query",
            Kind::Int {
                min: 64,
                max: 65_000,
            },
            "8192",
            "Bytes of a query string.",
        ),
        key(
            "headers",
            Kind::Int {
                min: 1024,
                max: 262_144,
            },
            "16384",
            "Bytes of all headers.",
        ),
        key(
            "head_time",
            Kind::Duration {
                min: 100,
                max: 10 * MINUTE,
            },
            "\"10s\"",
            "How long a request's head may take to arrive.",
        ),
        key(
            "body_time",
            Kind::Duration {
                min: 100,
                max: HOUR,
            },
            "\"30s\"",
            "How long a request's body may take to arrive.",
        ),
    ],
    designed: &[designed("rate", "rate limits")],
    foreign: &[],
};

static CHANGES: Table = Table {
    title: "[changes]",
    doc: "The change log, which commits with the data.",
    keys: &[key(
        "keep",
        Kind::Duration {
            min: HOUR,
            max: 3650 * DAY,
        },
        "\"7d\"",
        "How long entries are kept.",
    )],
    designed: &[],
    foreign: &[],
};

static IDEMPOTENCY: Table = Table {
    title: "[idempotency]",
    doc: "Writes that are sent again under an `Idempotency-Key`.",
    keys: &[key(
        "keep",
        Kind::Duration {
            min: MINUTE,
            max: 30 * DAY,
        },
        "\"24h\"",
        "How long a key and its answer are kept. A retry that comes later is a new request.",
    )],
    designed: &[],
    foreign: &[],
};

static BACKUP: Table = Table {
    title: "[backup]",
    doc: "Backups of a SQLite database. PostgreSQL has its own means.",
    keys: &[
        key(
            "every",
            Kind::Duration {
                min: MINUTE,
                max: 365 * DAY,
            },
            "",
            "How often `serve` makes one. Without it, none is made but by `mainstay backup create`.",
        ),
        key(
            "keep",
            Kind::Int {
                min: 1,
                max: 10_000,
            },
            "28",
            "How many are kept; the oldest go.",
        ),
        key(
            "dir",
            Kind::Text,
            "\".mainstay/backups\"",
            "The folder they are in, relative to the app's.",
        ),
    ],
    designed: &[],
    foreign: &[],
};

pub(super) static MODULE: Table = Table {
    title: "module.toml",
    doc: "What one module owns. The module is called as its folder.",
    keys: &[
        key(
            "schema",
            Kind::Text,
            "",
            "A schema of the PostgreSQL database whose tables are there already and hold the records of this module. Mainstay reads and writes the records and changes nothing else. `mainstay introspect` writes such modules.",
        ),
        key(
            "models",
            Kind::Named(&MODEL),
            "",
            "The module's models by name: plural, lower_snake_case.",
        ),
    ],
    designed: &[
        designed("database", "a database per module"),
        designed("actions", "actions"),
        designed("hooks", "hooks"),
        designed("jobs", "jobs"),
        designed("schedules", "schedules"),
        designed("events", "events"),
        designed("subscriptions", "subscriptions to events"),
        designed("webhooks", "webhooks"),
        designed("channels", "channels"),
        designed("functions", "functions in TypeScript"),
        designed("renamed_from", "renaming"),
    ],
    foreign: &[],
};

pub(super) static MODEL: Table = Table {
    title: "a model",
    doc: "A typed collection of records. Every record also has `created_at`, `updated_at` and a hidden `version`.",
    keys: &[
        key(
            "id",
            Kind::Word(&["uuid", "int", "string"]),
            "\"uuid\"",
            "The kind of key: a UUIDv7 made by the engine, a number assigned by the store, or a string given by the caller.",
        ),
        key(
            "open",
            Kind::Bool,
            "false",
            "Whether records keep undeclared fields too, as JSON that can be filtered.",
        ),
        key(
            "changes",
            Kind::Bool,
            "true",
            "Whether writes are kept in the change log, which live feeds and audit read.",
        ),
        key(
            "fields",
            Kind::Named(&FIELD),
            "",
            "The declared fields by name, in this order.",
        ),
        key(
            "access",
            Kind::Table(&ACCESS),
            "",
            "Who may do what. Without rules: administrators only.",
        ),
        key(
            "indexes",
            Kind::Tables(&INDEX),
            "",
            "Indexes beside those that relations and `unique` fields have anyway.",
        ),
        key(
            "search",
            Kind::Texts,
            "",
            "The fields that `?search=` looks in, the weightiest first: strings, texts, addresses and URLs.",
        ),
        key(
            "renamed_from",
            Kind::Text,
            "",
            "What the model was called before: a migration renames its table, records and all.",
        ),
        key(
            "table",
            Kind::Text,
            "the model's name",
            "What the table is called that is there already, in a module with `schema`.",
        ),
        key(
            "key",
            Kind::Text,
            "\"id\"",
            "What the primary key of that table is called.",
        ),
        key(
            "key_native",
            Kind::Text,
            "",
            "The type of that key, as `native` says it of a field.",
        ),
    ],
    designed: &[
        designed("tenant", "tenants"),
        designed("cache", "caching"),
        designed("database", "a database per module"),
    ],
    foreign: foreign::MODEL,
};

static ACCESS: Table = Table {
    title: "[access]",
    doc: "Who may do what, as expressions over the record (bare names), the caller (`auth`) and, on update, the stored record (`old`). What is not said is denied to everybody but administrators.",
    keys: &[
        key(
            "read",
            Kind::Expression,
            "\"false\"",
            "Which records a caller may see.",
        ),
        key(
            "create",
            Kind::Expression,
            "\"false\"",
            "Which records a caller may create.",
        ),
        key(
            "update",
            Kind::Expression,
            "\"false\"",
            "Which records a caller may change. Holds for the stored and for the resulting record, unless it names `old`.",
        ),
        key(
            "delete",
            Kind::Expression,
            "\"false\"",
            "Which records a caller may delete.",
        ),
    ],
    designed: &[],
    foreign: foreign::ACCESS,
};

static INDEX: Table = Table {
    title: "an index",
    doc: "Every index ends in `id`, so that lists in its order can be paged.",
    keys: &[
        key("fields", Kind::Texts, "", "Fields in their order."),
        key(
            "unique",
            Kind::Bool,
            "false",
            "Whether two records may not have the same values in them.",
        ),
    ],
    designed: &[],
    foreign: &[],
};

/// The types of fields, with what each is.
pub(super) const TYPES: &[(&str, &str)] = &[
    (
        "string",
        "text of up to `max` characters, line breaks included; with a `max` of up to 650 it can be indexed",
    ),
    (
        "text",
        "longer text, of up to `max` characters; it cannot be indexed",
    ),
    ("email", "an address, in lower case"),
    ("url", "an absolute `http` or `https` URL"),
    ("enum", "one of `values`"),
    ("int", "a whole number within ±(2^53 − 1)"),
    ("float", "a finite double"),
    (
        "decimal",
        "an exact number of at most 18 digits, `scale` of them behind the point; a string in JSON",
    ),
    ("bool", "true or false"),
    ("datetime", "a moment in UTC, to the microsecond"),
    ("date", "a calendar day"),
    ("uuid", "a UUID"),
    ("relation", "a reference to a record of the model `to`"),
    ("json", "any JSON value"),
    ("list", "a JSON array of `items`"),
];

/// Types of the design that this version does not have.
pub(super) const DESIGNED_TYPES: &[Designed] =
    &[designed("vector", "vectors"), designed("file", "files")];

pub(super) static FIELD: Table = Table {
    title: "a field",
    doc: "A field is required unless `optional`.",
    keys: &[
        // `type` is a text, not a word, so that its mistakes get messages of their own.
        key("type", Kind::Text, "", "What the field holds."),
        for_types(
            &["string", "text", "int", "float", "list"],
            "max",
            Kind::Number,
            "",
            "The most: characters of a `string` (255 unless said) or `text` (100,000), items of a `list` (1,000), the value of an `int` or `float`.",
        ),
        for_types(
            &["int", "float"],
            "min",
            Kind::Number,
            "",
            "The least value.",
        ),
        for_types(
            &["enum"],
            "values",
            Kind::Texts,
            "",
            "The values there are.",
        ),
        for_types(
            &["decimal"],
            "scale",
            Kind::Int { min: 0, max: 18 },
            "",
            "Digits behind the point.",
        ),
        for_types(
            &["list"],
            "items",
            Kind::Word(&["string", "int", "float", "bool"]),
            "",
            "What the list holds.",
        ),
        for_types(
            &["relation"],
            "to",
            Kind::Text,
            "",
            "The model it refers to: `model` in this module, `module.model` in another.",
        ),
        for_types(
            &["relation"],
            "on_delete",
            Kind::Word(&["restrict", "cascade", "set_null", "keep"]),
            "\"restrict\"",
            "What happens to this record when its target is deleted. Across modules the default, and so far the only choice, is `keep`.",
        ),
        for_types(
            &["relation"],
            "inverse",
            Kind::Text,
            "the model's name",
            "What the relation is called from its target's side. Inside a module only.",
        ),
        key(
            "optional",
            Kind::Bool,
            "false",
            "Whether the field may be absent (null).",
        ),
        key(
            "unique",
            Kind::Bool,
            "false",
            "Whether two records may not have the same value.",
        ),
        key(
            "disclose",
            Kind::Bool,
            "false",
            "That `unique` may tell a writer of a value that they cannot read.",
        ),
        key(
            "immutable",
            Kind::Bool,
            "false",
            "Whether the field is set on creation and never again.",
        ),
        key(
            "default",
            Kind::Expression,
            "",
            "The value of a field that a new record does not give.",
        ),
        key(
            "backfill",
            Kind::Expression,
            "the default, where that is a constant",
            "A constant for the records that are there already when the field is added or becomes required.",
        ),
        key(
            "renamed_from",
            Kind::Text,
            "",
            "What the field was called before: a migration renames its column, values and all.",
        ),
        key(
            "column",
            Kind::Text,
            "the field's name",
            "What the column is called that is there already, in a module with `schema`.",
        ),
        key(
            "native",
            Kind::Text,
            "",
            "The type of that column, where values must be cast to and from it: `citext`, `public.mood` for an enumeration, `text[]` for a `list`.",
        ),
        key(
            "computed",
            Kind::Bool,
            "false",
            "Whether the database computes that column: it is read, and never written.",
        ),
        key(
            "check",
            Kind::Expression,
            "",
            "What must hold whenever the record is written.",
        ),
        key(
            "read",
            Kind::Expression,
            "\"true\"",
            "Who sees the field, of those who see the record.",
        ),
        key(
            "write",
            Kind::Expression,
            "\"true\"",
            "Who may set the field, of those who may write the record.",
        ),
    ],
    designed: &[designed("dimensions", "vectors")],
    foreign: foreign::FIELD,
};
