//! The codes of the loader's own diagnostics. Those of expressions begin with `expr-` and are listed
//! with the expressions.

/// A kind of mistake: scripts tell them apart by its name, which never changes.
#[derive(Debug, Clone, Copy)]
pub struct Code {
    pub name: &'static str,
    pub when: &'static str,
}

const fn code(name: &'static str, when: &'static str) -> Code {
    Code { name, when }
}

pub const CODES: &[Code] = &[
    // Files
    code(
        "unreadable-file",
        "A file is missing, too large, not UTF-8, or cannot be read.",
    ),
    code(
        "unread-file",
        "Warning. A file or folder looks as if it belonged to the app, and nothing reads it.",
    ),
    code(
        "toml-syntax",
        "The file is not TOML. Nothing else is said about it until it is.",
    ),
    code("duplicate-key", "A key is there twice."),
    code(
        "more-mistakes",
        "A file has more mistakes than are shown at a time.",
    ),
    // Keys and values
    code("unknown-key", "A key that its table does not have."),
    code("missing-key", "A key that has to be there is not."),
    code(
        "misplaced-key",
        "A key that does not go with the field's type, or with where the table is.",
    ),
    code(
        "not-built",
        "Designed but not built yet: refused, so that nobody relies on what does nothing.",
    ),
    code(
        "wrong-kind",
        "A string where a number belongs, and the like.",
    ),
    code(
        "unknown-value",
        "A word that is not among those a key takes.",
    ),
    code(
        "out-of-range",
        "A number, length or duration beyond its bounds.",
    ),
    code("bad-duration", "Not a duration like `\"15m\"`."),
    code("bad-address", "Not an address and a port."),
    code(
        "bad-url",
        "Not the address of a database that Mainstay knows.",
    ),
    code("contradiction", "Two keys that cannot both be meant."),
    // Names
    code(
        "bad-name",
        "A name that does not fit: its letters, `__`, or its length.",
    ),
    code("reserved-name", "A name that means something else already."),
    code(
        "too-many",
        "More models or fields than an app or a model may have.",
    ),
    // Fields
    code("unknown-type", "A type that there is not."),
    code(
        "duplicate-value",
        "A value of an `enum` that is there twice.",
    ),
    code(
        "bad-value",
        "A value of an `enum` that is empty, too long or unprintable.",
    ),
    code(
        "bad-default",
        "A default that the field itself would refuse.",
    ),
    code(
        "bad-backfill",
        "A backfill that is no constant: it is one value for all records that are there.",
    ),
    code(
        "bad-rename",
        "A `renamed_from` that names what is there, or what another is renamed from.",
    ),
    code(
        "undisclosed-unique",
        "`unique` would tell writers about values that the read rule hides.",
    ),
    code(
        "no-effect",
        "Warning. A key that changes nothing where it stands.",
    ),
    // Relations
    code(
        "unknown-model",
        "A model that there is not, in a relation or as the name of a seed.",
    ),
    code(
        "bad-on-delete",
        "An `on_delete` that does not fit its relation.",
    ),
    code(
        "crosses-module",
        "Something that would need another module's tables.",
    ),
    code(
        "inverse-clash",
        "Two things on the target's side of a relation would have one name.",
    ),
    // Indexes
    code("unknown-field", "A field that there is not, in an index."),
    code("bad-index", "A field that cannot be in an index."),
    code("duplicate-index", "An index that is there already."),
    code(
        "wide-index",
        "An entry could be longer than an index holds.",
    ),
    code("bad-search", "A field that cannot be searched."),
    // The built-in module
    code(
        "built-in",
        "Something of `auth.users` that an app cannot change.",
    ),
    // Seeds
    code(
        "bad-seed",
        "A line of a seed that is no JSON object, or no record of its model.",
    ),
    // Data steps
    code(
        "bad-data-step",
        "A file under `migrations/` that is empty, called otherwise than a data step, or there twice.",
    ),
    // Tests of the app's own
    code(
        "bad-request",
        "A step of a test whose `request` is not a method and a path.",
    ),
    code(
        "bad-text",
        "A `{…}` or `<…>` in a test's text that says nothing.",
    ),
    code(
        "unknown-name",
        "A name that a test does not have: of an actor, a record or something kept.",
    ),
    code("duplicate-name", "Two things of a test with one name."),
    // Rules that are probably not meant
    code(
        "unreachable-model",
        "Warning. A model without access rules: administrators only.",
    ),
    code(
        "write-without-read",
        "Warning. An `update` or `delete` rule on a model that nobody may read.",
    ),
    code(
        "uncreatable",
        "Warning. A `create` rule that no record can satisfy.",
    ),
    code(
        "unknown-role",
        "Warning. A role of a seeded user that no rule asks for, and that is nearly one that some rule does.",
    ),
    code(
        "unregistrable",
        "Warning. A required field of `auth.users` that nobody who registers can give.",
    ),
    code(
        "never-equal",
        "Warning. A relation to something else than users, compared with `auth.id`.",
    ),
];
