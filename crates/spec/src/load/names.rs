//! What things may be called. A name stands in URLs, in expressions and in two dialects of SQL, and
//! must mean the same in each without quoting or folding.

use super::report::{At, Located, Report};

/// Bytes. Two of them, joined and with an index's suffix, are shortened where PostgreSQL's 63 bytes
/// are not enough; one alone always fits.
const MAX_NAME: usize = 40;

/// The module that Mainstay declares itself.
pub(super) const AUTH: &str = "auth";

struct Reserved {
    names: &'static [&'static str],
    why: &'static str,
}

const MODULES: &[Reserved] = &[
    Reserved {
        names: &["mainstay"],
        why: "it holds Mainstay's own tables",
    },
    Reserved {
        names: &["batch", "docs", "openapi"],
        why: "the API has a route of that name under `/api`",
    },
    Reserved {
        names: &[
            "public",
            "information_schema",
            "pg_catalog",
            "pg_toast",
            "pg_temp",
        ],
        why: "PostgreSQL has a schema of that name",
    },
    Reserved {
        names: &["main", "temp"],
        why: "SQLite has a schema of that name",
    },
];

const MODELS: &[Reserved] = &[Reserved {
    names: &["actions", "batch"],
    why: "every module has a route of that name",
}];

const AUTH_MODELS: &[Reserved] = &[
    Reserved {
        names: &["login", "logout", "me", "password", "refresh", "register"],
        why: "`auth` has an endpoint of that name",
    },
    Reserved {
        names: &["invitations", "memberships", "organizations", "sessions"],
        why: "the design has a built-in model of that name in `auth`",
    },
];

const FIELDS: &[Reserved] = &[
    Reserved {
        names: &["created_at", "id", "updated_at", "version"],
        why: "every record has it already",
    },
    Reserved {
        names: &["auth", "now", "old"],
        why: "it means something else in every expression",
    },
    Reserved {
        names: &[
            "as",
            "break",
            "const",
            "continue",
            "else",
            "false",
            "for",
            "function",
            "if",
            "import",
            "in",
            "let",
            "loop",
            "namespace",
            "null",
            "package",
            "return",
            "true",
            "var",
            "void",
            "while",
        ],
        why: "it is a reserved word of expressions",
    },
    Reserved {
        names: &[
            "cmax", "cmin", "ctid", "oid", "rowid", "tableoid", "xmax", "xmin",
        ],
        why: "the database has a hidden column of that name",
    },
];

const USER_FIELDS: &[Reserved] = &[
    Reserved {
        names: &["password"],
        why: "passwords are kept, hashed, where no model shows them",
    },
    Reserved {
        names: &["roles"],
        why: "roles are granted by administrators, not kept in the user's own record; rules read them as `auth.roles`",
    },
];

fn reserved(name: &str, among: &[Reserved]) -> Option<&'static str> {
    among
        .iter()
        .find(|r| r.names.contains(&name))
        .map(|r| r.why)
}

/// Whether it is a good module name; reports why not, at the file's beginning (the name is a folder's).
pub(super) fn check_module(name: &str, at: At, report: &mut Report) {
    if !check_form(name, at, "module", report) {
        return;
    }
    let why = reserved(name, MODULES).or_else(|| {
        if name.starts_with("pg_") {
            Some("PostgreSQL keeps names that begin with `pg_` for itself")
        } else if name.starts_with("sqlite_") {
            Some("SQLite keeps names that begin with `sqlite_` for itself")
        } else {
            None
        }
    });
    if let Some(why) = why {
        report_reserved(name, "module", why, at, report);
    }
}

pub(super) fn check_model(module: &str, name: &Located<String>, report: &mut Report) {
    if !check_form(&name.value, name.at, "model", report) {
        return;
    }
    let why = reserved(&name.value, MODELS).or_else(|| {
        (module == AUTH)
            .then(|| reserved(&name.value, AUTH_MODELS))
            .flatten()
    });
    if let Some(why) = why {
        report_reserved(&name.value, "model", why, name.at, report);
    }
}

/// Of an existing table, times that the engine keeps are fields like others.
pub(crate) const TIMES: [&str; 2] = ["created_at", "updated_at"];

pub(super) fn check_field(name: &Located<String>, existing: bool, report: &mut Report) {
    if check_form(&name.value, name.at, "field", report)
        && let Some(why) = reserved(&name.value, FIELDS)
        && !(existing && TIMES.contains(&name.value.as_str()))
    {
        report_reserved(&name.value, "field", why, name.at, report);
    }
}

/// A field that an app adds to `auth.users`.
pub(super) fn check_user_field(name: &Located<String>, report: &mut Report) {
    if let Some(why) = reserved(&name.value, USER_FIELDS) {
        report_reserved(&name.value, "field of `auth.users`", why, name.at, report);
    }
}

/// What somebody says a model or field was called before.
pub(super) fn check_old(name: &Located<String>, what: &str, report: &mut Report) -> bool {
    check_form(&name.value, name.at, what, report)
}

pub(super) fn check_inverse(name: &Located<String>, report: &mut Report) {
    if check_form(&name.value, name.at, "relation's other side", report)
        && let Some(why) = reserved_in_expressions(&name.value)
    {
        report_reserved(&name.value, "relation's other side", why, name.at, report);
    }
}

/// Why a name cannot stand among a record's fields, if so.
pub(crate) fn reserved_in_expressions(name: &str) -> Option<&'static str> {
    reserved(name, FIELDS)
}

fn report_reserved(name: &str, what: &str, why: &str, at: At, report: &mut Report) {
    report
        .error(
            at,
            "reserved-name",
            format!("a {what} cannot be called `{name}`: {why}"),
        )
        .help("choose another name");
}

/// A name that a model or field can have, made of any other: `OrderItems` is `order_items`. `or` where nothing is left
/// of it; `behind` is put to what is reserved.
pub(crate) fn possible(name: &str, or: &str, module: Option<&str>, behind: &str) -> String {
    let mut name = mend(name);
    while name.contains("__") {
        name = name.replace("__", "_");
    }
    if name.is_empty() {
        or.clone_into(&mut name);
    }
    let taken = match module {
        Some(module) => {
            reserved(&name, MODELS).is_some()
                || module == AUTH && reserved(&name, AUTH_MODELS).is_some()
        }
        None => reserved(&name, FIELDS).is_some() && !TIMES.contains(&name.as_str()),
    };
    if taken {
        name = with_ending(&name, behind);
    }
    name
}

/// `name_ending`, cut where it would be too long.
pub(crate) fn with_ending(name: &str, ending: &str) -> String {
    let room = MAX_NAME.saturating_sub(ending.len() + 1);
    let name = name.get(..room.min(name.len())).unwrap_or(name);
    format!("{}_{ending}", name.trim_end_matches('_'))
}

/// A name that a module can have.
pub(crate) fn possible_module(name: &str) -> String {
    let name = possible(name, "app", None, "module");
    if name.starts_with("pg_") || name.starts_with("sqlite_") {
        return with_ending("app", name.get(..30).unwrap_or(&name));
    }
    match name == AUTH || reserved(&name, MODULES).is_some() {
        true => with_ending(&name, "data"),
        false => name,
    }
}

/// `^[a-z][a-z0-9_]*$`, without `__`, at most [`MAX_NAME`] bytes.
fn check_form(name: &str, at: At, what: &str, report: &mut Report) -> bool {
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_';
    if !name.starts_with(|c: char| c.is_ascii_lowercase()) || !name.chars().all(letters) {
        let diagnostic = report.error(
            at,
            "bad-name",
            format!("`{name}` is not a good name for a {what}"),
        );
        diagnostic.label("lower-case letters, digits and `_`, beginning with a letter");
        let mended = mend(name);
        if mended.is_empty() {
            diagnostic.help("write it like `order_items`");
        } else {
            diagnostic.help(format!("write `{mended}`"));
        }
        return false;
    }
    if name.contains("__") {
        report
            .error(at, "bad-name", format!("`{name}` has `__` in it"))
            .help("use one `_`: SQLite knows a model as `module__model`, and two names would become one");
        return false;
    }
    if name.len() > MAX_NAME {
        report
            .error(
                at,
                "bad-name",
                format!(
                    "a {what}'s name has at most {MAX_NAME} bytes, and this one has {}",
                    name.len()
                ),
            )
            .help("choose a shorter name");
        return false;
    }
    true
}

/// `OrderItems`, `order-items`, `Order Items` → `order_items`; empty where nothing is left.
fn mend(name: &str) -> String {
    let mut mended = String::new();
    for c in name.chars().take(MAX_NAME) {
        if c.is_ascii_uppercase() {
            if mended.ends_with(|last: char| last.is_ascii_lowercase() || last.is_ascii_digit()) {
                mended.push('_');
            }
            mended.push(c.to_ascii_lowercase());
        } else if c.is_ascii_lowercase() || c.is_ascii_digit() {
            mended.push(c);
        } else if !mended.is_empty() && !mended.ends_with('_') {
            mended.push('_');
        }
    }
    mended
        .trim_end_matches('_')
        .trim_start_matches(|c: char| c.is_ascii_digit() || c == '_')
        .to_owned()
}
