//! Words that people bring from other systems, too far from ours for the nearest name to find, and what is
//! written here instead.

/// Keys of one meaning elsewhere.
#[derive(Debug)]
pub(super) struct Foreign {
    pub names: &'static [&'static str],
    /// `NAME` stands for the model or field whose key it is.
    pub help: &'static str,
}

const fn foreign(names: &'static [&'static str], help: &'static str) -> Foreign {
    Foreign { names, help }
}

pub(super) const APP: &[Foreign] = &[
    foreign(
        &[
            "models",
            "model",
            "modules",
            "module",
            "tables",
            "collections",
        ],
        "models are declared in a file of their module: `modules/NAME/module.toml`",
    ),
    foreign(
        &["port", "host", "listen", "address", "bind"],
        "write `listen = \"127.0.0.1:7070\"` under `[server]`",
    ),
    foreign(
        &["url", "database_url", "db", "sqlite", "postgres"],
        "write `url = \"…\"` under `[database]`",
    ),
];

pub(super) const SERVER: &[Foreign] = &[foreign(
    &["port", "host", "address", "bind", "url"],
    "address and port are one key: `listen = \"127.0.0.1:7070\"`",
)];

pub(super) const DATABASE: &[Foreign] = &[foreign(
    &[
        "path", "file", "host", "port", "name", "user", "password", "type", "driver",
    ],
    "one address says it all: `url = \"sqlite:.mainstay/data.db\"` or `url = \"postgres://user@host/database\"`",
)];

pub(super) const MODEL: &[Foreign] = &[
    foreign(
        &[
            "read",
            "create",
            "update",
            "delete",
            "write",
            "rules",
            "permissions",
            "policies",
        ],
        "rules belong under `[models.NAME.access]`, as `read`, `create`, `update` and `delete`",
    ),
    foreign(
        &["unique", "unique_together", "constraints"],
        "write `[[models.NAME.indexes]]` with `fields = [\"…\"]` and `unique = true`",
    ),
    foreign(
        &["timestamps"],
        "every record has `created_at` and `updated_at`: remove the key",
    ),
];

pub(super) const ACCESS: &[Foreign] = &[
    foreign(
        &["list", "view", "get", "select"],
        "write `read`: it holds for lists and for single records",
    ),
    foreign(
        &["write"],
        "write `create`, `update` and `delete`, each with a rule of its own",
    ),
    foreign(&["insert", "post", "add"], "write `create`"),
    foreign(&["edit", "patch", "put"], "write `update`"),
    foreign(&["remove", "destroy"], "write `delete`"),
];

pub(super) const FIELD: &[Foreign] = &[
    foreign(
        &["required", "not_null", "notnull"],
        "a field is required unless it has `optional = true`: remove the key, or write that",
    ),
    foreign(
        &["nullable", "null", "nil", "blank"],
        "write `optional = true`; without it a field is required",
    ),
    foreign(
        &["index", "indexed"],
        "write an index of the model: `[[models.….indexes]]` with `fields = [\"NAME\"]`",
    ),
    foreign(
        &["pattern", "regex", "regexp", "match", "matches"],
        "write a check: `check = \"NAME.matches('^…$')\"`",
    ),
    foreign(
        &["precision", "digits", "decimals"],
        "`scale` says how many digits stand behind the point; there are at most 18 in all",
    ),
    foreign(
        &["maxlength", "max_length", "length", "size", "limit"],
        "write `max`",
    ),
    foreign(
        &["minlength", "min_length"],
        "write a check: `check = \"size(NAME) >= 1\"`",
    ),
    foreign(
        &[
            "references",
            "ref",
            "model",
            "target",
            "collection",
            "table",
        ],
        "write `to`, in a field of type `relation`",
    ),
    foreign(
        &["options", "choices", "enum", "allowed"],
        "write `values`, in a field of type `enum`",
    ),
    foreign(
        &["primary", "primary_key", "primarykey", "auto_increment"],
        "every record has an `id`; the model's own `id = \"uuid\"`, `\"int\"` or `\"string\"` says of which kind",
    ),
    foreign(
        &["validate", "validation", "rule", "constraint"],
        "write a check: `check = \"NAME > 0\"`",
    ),
    foreign(
        &["hidden", "private", "secret"],
        "say who sees the field: `read = \"false\"` for administrators only",
    ),
    foreign(
        &["readonly", "read_only"],
        "write `write = \"false\"`, or `immutable = true` for what is set once",
    ),
    foreign(
        &["description", "comment", "doc", "label"],
        "write it behind a `#`",
    ),
];

/// Types for which there is one here.
pub(super) const TYPES: &[(&str, &str)] = &[
    ("str", "string"),
    ("varchar", "string"),
    ("char", "string"),
    ("integer", "int"),
    ("bigint", "int"),
    ("number", "float"),
    ("double", "float"),
    ("real", "float"),
    ("numeric", "decimal"),
    ("money", "decimal"),
    ("boolean", "bool"),
    ("timestamp", "datetime"),
    ("timestamptz", "datetime"),
    ("time", "datetime"),
    ("reference", "relation"),
    ("ref", "relation"),
    ("foreign_key", "relation"),
    ("belongs_to", "relation"),
    ("many_to_one", "relation"),
    ("object", "json"),
    ("jsonb", "json"),
    ("map", "json"),
    ("array", "list"),
    ("select", "enum"),
];

/// What stands for a relation that is no field of this model.
pub(super) fn relation_type(name: &str) -> Option<&'static str> {
    let plain: String = name
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .map(|c| c.to_ascii_lowercase())
        .collect();
    match plain.as_str() {
        "manytomany" | "belongstomany" | "hasandbelongstomany" | "m2m" => Some(
            "declare a model between the two, with a `relation` to each: a `[models.….fields]` with \
             `left = { type = \"relation\", to = \"…\" }` and `right = { type = \"relation\", to = \"…\" }`",
        ),
        "hasmany" | "onetomany" | "hasone" => Some(
            "declare a `relation` to this model in the other one: seen from here it is called as that model, or as \
             its `inverse` says",
        ),
        "onetoone" => {
            Some("write `type = \"relation\"` with `unique = true`, on one of the two sides")
        }
        _ => None,
    }
}

pub(super) const ACTOR: &[Foreign] = &[
    foreign(&["role", "admin", "groups"], "write `roles = [\"admin\"]`"),
    foreign(
        &["name", "fields", "verified", "suspended", "id"],
        "write the fields of the user under `record`: `record = { name = \"…\" }`",
    ),
];

pub(super) const STEP: &[Foreign] = &[
    foreign(
        &[
            "get", "post", "patch", "put", "delete", "method", "url", "path",
        ],
        "method and path are one key: `request = \"GET /api/…\"`",
    ),
    foreign(&["actor", "user", "who", "by"], "write `as = \"…\"`"),
    foreign(
        &["json", "data", "send", "payload"],
        "write `body = { … }`, which is sent as JSON",
    ),
    foreign(&["params", "parameters"], "write `query = { … }`"),
    foreign(
        &["status", "code", "response", "absent", "count"],
        "this is about the answer: write `expect.status = 403`, and so on",
    ),
    foreign(
        &["save", "capture", "extract", "store"],
        "write `keep.order = \"body\"`, then `{order.id}`",
    ),
];

pub(super) const EXPECT: &[Foreign] = &[
    foreign(
        &["json", "response", "data", "has"],
        "write `body = { … }` for what the body has, `exactly` for all of it",
    ),
    foreign(&["not", "missing", "hidden"], "write `absent = [\"…\"]`"),
    foreign(&["error", "problem"], "write `code = \"…\"`"),
];
