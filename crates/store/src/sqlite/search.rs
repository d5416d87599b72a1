//! What search asks of Rust. Triggers call the first function, so that whoever writes to a searched table has it.
//!
//! | function | is |
//! |---|---|
//! | `mainstay_words_2(text)` | the words of a text, with spaces between them; nothing of null. The number is `spec::search::VERSION` |
//! | `mainstay_rank(query, text, …)` | the rank of a record with these texts, null where it is no answer |

use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result};
use spec::search::{self, Query};
use std::convert::Infallible;

/// The first one's name.
pub fn words() -> String {
    format!("mainstay_words_{}", search::VERSION)
}

/// Adds the functions to a connection.
pub fn register(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC;
    conn.create_scalar_function(
        words().as_str(),
        1,
        flags | FunctionFlags::SQLITE_INNOCUOUS,
        |args| {
            Ok(text(args.get_raw(0))
                .map(|text| search::plain(&text))
                .unwrap_or_default())
        },
    )?;
    conn.create_scalar_function(
        c"mainstay_rank",
        -1,
        flags | FunctionFlags::SQLITE_DIRECTONLY,
        |args| rank(args),
    )
}

fn rank(args: &Context<'_>) -> Result<Option<i64>> {
    if args.is_empty() {
        return Err(Error::InvalidParameterCount(0, 1));
    }
    // Read once for all rows: the query is a parameter.
    let query = args.get_or_create_aux(0, |query| {
        Ok::<_, Infallible>(Query::decode(&text(query).unwrap_or_default()))
    })?;
    let texts: Vec<_> = (1..args.len()).map(|at| text(args.get_raw(at))).collect();
    let texts: Vec<Option<&str>> = texts.iter().map(Option::as_deref).collect();
    Ok(search::rank(&query, &texts))
}

fn text(value: ValueRef<'_>) -> Option<std::borrow::Cow<'_, str>> {
    match value {
        ValueRef::Text(bytes) => Some(String::from_utf8_lossy(bytes)),
        _ => None,
    }
}
