//! Every key of the files in `tests/`. Used as those of the other files are: see [`super::keys`].

use super::foreign::{self, Foreign};
use super::keys::{Kind, Table, key};

/// The tables as `docs/testing.md` lists them.
pub(super) const SECTIONS: &[(&str, &Table)] = &[
    ("tests/*.toml", &FILE),
    ("[actors.NAME]", &ACTOR),
    ("[[given]], [[tests.given]]", &GIVEN),
    ("[[tests]]", &TEST),
    ("[[tests.steps]]", &STEP),
    ("expect", &EXPECT),
    ("[tests.never]", &NEVER),
];

pub(super) static FILE: Table = Table {
    title: "a file of tests",
    doc: "Tests that share who acts and what is there before each of them.",
    keys: &[
        key(
            "actors",
            Kind::Named(&ACTOR),
            "",
            "Users who are there before each test, by the names that the file gives them.",
        ),
        key(
            "given",
            Kind::Tables(&GIVEN),
            "",
            "Records that are there before each test, written in this order.",
        ),
        key("tests", Kind::Tables(&TEST), "", "The tests."),
    ],
    designed: &[],
    foreign: &[Foreign {
        names: &["steps", "request", "expect", "name", "as", "never"],
        help: "this belongs into a test: write `[[tests]]` above it",
    }],
};

pub(super) static ACTOR: Table = Table {
    title: "an actor",
    doc: "A user who signs in when a step first needs it. `{NAME.id}`, `{NAME.email}`, `{NAME.password}` and the other fields are there for steps and records.",
    keys: &[
        key(
            "email",
            Kind::Text,
            "NAME@example.com",
            "The address, which counts as verified.",
        ),
        key("password", Kind::Text, "a long password", "The password."),
        key(
            "roles",
            Kind::Texts,
            "",
            "Global roles; `admin` is above access rules.",
        ),
        key(
            "record",
            Kind::Entries,
            "",
            "Further fields of `auth.users`.",
        ),
    ],
    designed: &[],
    foreign: foreign::ACTOR,
};

pub(super) static GIVEN: Table = Table {
    title: "a given record",
    doc: "A record that the system writes, as an import does: access rules do not bind it, types and checks do, and it may give `id`, `created_at` and `updated_at`.",
    keys: &[
        key("model", Kind::Text, "", "`module.model`."),
        key(
            "as",
            Kind::Text,
            "",
            "Its name in this file: `{NAME.id}` and all its other fields are there for what follows.",
        ),
        key("record", Kind::Entries, "", "Its fields."),
    ],
    designed: &[],
    foreign: &[Foreign {
        names: &["name", "id", "fields", "data", "body"],
        help: "write `as = \"…\"` for its name in the tests, and `record = { … }` for its fields",
    }],
};

pub(super) static TEST: Table = Table {
    title: "a test",
    doc: "It has a database of its own, with the file's actors and records in it. Its steps follow each other; it ends at the first that fails.",
    keys: &[
        key("name", Kind::Text, "", "What must be so, as a sentence."),
        key(
            "given",
            Kind::Tables(&GIVEN),
            "",
            "Records for this test, beside the file's.",
        ),
        key("steps", Kind::Tables(&STEP), "", "What is asked."),
        key(
            "never",
            Kind::Table(&NEVER),
            "",
            "What must not happen in any step.",
        ),
    ],
    designed: &[],
    foreign: &[Foreign {
        names: &[
            "as", "request", "expect", "body", "headers", "status", "keep",
        ],
        help: "this belongs into a step of the test: write `[[tests.steps]]` above it",
    }],
};

pub(super) static STEP: Table = Table {
    title: "a step",
    doc: "One request, which takes the way of every request but for the socket. Where it is refused (a status from 400), it must also have written nothing.",
    keys: &[
        key(
            "as",
            Kind::Text,
            "\"anonymous\"",
            "Who asks: an actor, or `anonymous`.",
        ),
        key(
            "request",
            Kind::Text,
            "",
            "Method and path: `GET /api/catalog/products/{lamp.id}`.",
        ),
        key(
            "query",
            Kind::Entries,
            "",
            "Parameters of the query, which need no encoding here.",
        ),
        key("headers", Kind::Entries, "", "Headers."),
        key("body", Kind::Any, "", "The body, sent as JSON."),
        key(
            "text",
            Kind::Text,
            "",
            "The body as it is, in place of `body`.",
        ),
        key(
            "expect",
            Kind::Table(&EXPECT),
            "",
            "What must come back; a success (2xx), where it names neither status nor code.",
        ),
        key(
            "keep",
            Kind::Entries,
            "",
            "Values for later steps: `keep.order = \"body\"` for `{order.id}`, `keep.tag = \"headers.etag\"`.",
        ),
    ],
    designed: &[],
    foreign: foreign::STEP,
};

pub(super) static EXPECT: Table = Table {
    title: "`expect`",
    doc: "Every mistake of an answer is told at once. Where a success was expected and the request was refused, or the other way round, that is told, and of the body only what `absent` names.",
    keys: &[
        key(
            "status",
            Kind::Int { min: 100, max: 599 },
            "",
            "The status.",
        ),
        key(
            "code",
            Kind::Text,
            "",
            "The code of the problem (errors.md), which also says the status.",
        ),
        key("headers", Kind::Entries, "", "Headers and their values."),
        key(
            "body",
            Kind::Any,
            "",
            "What the body has: of tables the keys that are named, of lists all items.",
        ),
        key(
            "exactly",
            Kind::Any,
            "",
            "The whole body: a key that is not named is a mistake.",
        ),
        key(
            "absent",
            Kind::Texts,
            "",
            "Paths that lead nowhere: `cost`, `data[*].cost`.",
        ),
        key(
            "contains",
            Kind::Items,
            "",
            "Records that are in the page, each as `body` would have it.",
        ),
        key(
            "lacks",
            Kind::Items,
            "",
            "Records that are not in the page.",
        ),
        key(
            "count",
            Kind::Int {
                min: 0,
                max: 10_000,
            },
            "",
            "Records of the page.",
        ),
        key(
            "writes",
            Kind::Int {
                min: 0,
                max: 10_000,
            },
            "",
            "Records that the request created, changed or deleted, as the change log has them.",
        ),
    ],
    designed: &[],
    foreign: foreign::EXPECT,
};

pub(super) static NEVER: Table = Table {
    title: "`never`",
    doc: "What must not happen, whichever step of the test would do it.",
    keys: &[
        key(
            "shown",
            Kind::Items,
            "",
            "Values that no answer holds, in head or body: of a field that must not be seen.",
        ),
        key(
            "to",
            Kind::Texts,
            "",
            "Whom `shown` is about; everybody, unless said.",
        ),
        key(
            "changed",
            Kind::Texts,
            "",
            "Names of given records that are the same at the end of the test.",
        ),
    ],
    designed: &[],
    foreign: &[],
};
