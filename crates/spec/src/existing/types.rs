//! A column's type → a field's, and what it takes to read and write the one as the other.

use super::Native;
use super::catalogue::{Class, Column, Type};
use crate::schema::TableName;
use crate::types::{FieldType, ItemType};
use std::sync::Arc;

/// What a column is to us.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Mapped {
    pub ty: FieldType,
    pub native: Option<Native>,
    /// It is read, and never written: there is no way back from what is shown of it.
    pub read_only: bool,
    /// What differs, for people.
    pub note: Option<String>,
}

/// Characters of a text that an index holds (see `load::indexes`), and of one that nothing limits.
const INDEXED: u32 = 600;
const STRING: u32 = 10_000;
const TEXT: u32 = 10_000_000;

/// What is said of a `bigint`.
pub(super) const LARGE: &str = "written within ±(2^53 − 1), as JSON's readers take numbers";

const MOST_LABELS: usize = 500;
const LONGEST_LABEL: usize = 100;

/// `indexed`: an index orders it, so that its values must fit one.
pub(super) fn of(column: &Column, indexed: bool) -> Result<Mapped, String> {
    let ty = &column.ty;
    if column.blurred {
        return Err(
            "its collation takes different texts for equal, which no rule or filter here does"
                .to_owned(),
        );
    }
    if ty.array {
        return Ok(array(ty));
    }
    match ty.class {
        Class::Enum => return Ok(enumeration(ty)),
        Class::Composite => return Ok(shown_only(ty)),
        Class::Range => return Ok(printed(ty, indexed)),
        Class::Base => {}
    }
    if ty.name.namespace != "pg_catalog" {
        return Ok(extension(ty));
    }
    let plain = |ty| Mapped {
        ty,
        native: None,
        read_only: false,
        note: None,
    };
    let int = |bits: u32| {
        let most = (1_i64 << (bits - 1)) - 1;
        plain(FieldType::Int {
            min: Some(-most - 1),
            max: Some(most),
        })
    };
    let noted = |mapped: Mapped, note: &str| Mapped {
        note: Some(note.to_owned()),
        ..mapped
    };
    Ok(match ty.name.name.as_str() {
        "text" | "name" => plain(text(ty.length, indexed)),
        "varchar" => plain(text(ty.length, indexed)),
        "bpchar" => noted(
            Mapped {
                native: native(ty),
                ..plain(text(ty.length, indexed))
            },
            "read without the blanks that fill it up; filtering by it uses no index",
        ),
        "int2" => int(16),
        "int4" => int(32),
        "int8" => noted(
            plain(FieldType::Int {
                min: None,
                max: None,
            }),
            LARGE,
        ),
        "float8" => plain(FieldType::Float {
            min: None,
            max: None,
        }),
        "float4" => noted(
            Mapped {
                native: native(ty),
                ..plain(FieldType::Float {
                    min: None,
                    max: None,
                })
            },
            "a number is rounded to some 6 digits where it is kept, so it may not be answered as it was written; \
             filters and orders use no index",
        ),
        "numeric" => numeric(ty),
        "bool" => plain(FieldType::Bool),
        "date" => plain(FieldType::Date),
        "timestamptz" if is_coarse(ty) => noted(plain(FieldType::Datetime), COARSE),
        "timestamptz" => plain(FieldType::Datetime),
        "timestamp" if is_coarse(ty) => noted(
            plain(FieldType::Datetime),
            &format!("it has no time zone: taken as UTC; {COARSE}"),
        ),
        "timestamp" => noted(
            plain(FieldType::Datetime),
            "it has no time zone: taken as UTC",
        ),
        "uuid" => plain(FieldType::Uuid),
        "jsonb" => plain(FieldType::Json),
        "json" => noted(
            Mapped {
                native: native(ty),
                ..plain(FieldType::Json)
            },
            "its text is written anew: without blanks and doubled keys",
        ),
        "inet" | "cidr" | "macaddr" | "macaddr8" | "interval" | "time" | "timetz" | "bit"
        | "varbit" | "xml" | "bytea" | "point" | "line" | "lseg" | "box" | "path" | "polygon"
        | "circle" | "pg_lsn" => printed(ty, false),
        "tsvector" | "tsquery" => {
            return Err("what a text search keeps is no value of a record".to_owned());
        }
        _ => shown_only(ty),
    })
}

fn text(length: Option<u32>, indexed: bool) -> FieldType {
    match length {
        Some(max) if max <= STRING => FieldType::String { max },
        Some(max) => FieldType::Text { max: max.min(TEXT) },
        None if indexed => FieldType::String { max: INDEXED },
        None => FieldType::Text { max: TEXT },
    }
}

const COARSE: &str = "a moment is rounded to the fractions of a second that the column keeps";

/// Whether a time has fewer digits of a second than ours: `timestamp(0) with time zone`.
fn is_coarse(ty: &Type) -> bool {
    ty.shown.starts_with("timestamp(") && !ty.shown.starts_with("timestamp(6)")
}

/// As the text that the database makes of it.
fn printed(ty: &Type, indexed: bool) -> Mapped {
    let native = native(ty).filter(|native| native.spelled().is_some());
    match native {
        None => shown_only(ty),
        native => Mapped {
            ty: text(None, indexed),
            native,
            read_only: false,
            note: Some(
                "read and written as the text that the database prints and takes".to_owned(),
            ),
        },
    }
}

fn native(ty: &Type) -> Option<Native> {
    Some(Native {
        ty: ty.name.clone(),
        list: ty.array,
    })
}

fn numeric(ty: &Type) -> Mapped {
    /// The most digits behind the point that leave nine before it.
    const MOST_ROOM: i32 = 9;
    let mapped = |scale, native, note: Option<String>| Mapped {
        ty: FieldType::Decimal { scale },
        native,
        read_only: false,
        note,
    };
    match ty.digits {
        Some((digits, scale @ 0..=18)) if digits <= 18 => mapped(scale as u8, None, None),
        Some((_, scale @ 0..=MOST_ROOM)) => mapped(
            scale as u8,
            native(ty),
            Some(
                "a decimal has 18 digits: a number of more is shown as the nearest that has, and stays as it is until \
                 the field itself is written; filters and orders use no index"
                    .to_owned(),
            ),
        ),
        Some((digits, scale @ 0..)) => Mapped {
            ty: FieldType::String {
                max: digits + scale.unsigned_abs() + 3,
            },
            native: native(ty),
            read_only: false,
            note: Some(
                "a decimal has 18 digits, too few for it: a text here, exact, and sorted by its letters".to_owned(),
            ),
        },
        // What is before the point would be rounded.
        Some(_) => shown_only(ty),
        None => mapped(
            6,
            native(ty),
            Some(
                "the column sets no scale: a number is shown with 6 digits behind the point and 12 before it, as the \
                 nearest that has these, and stays as it is until the field itself is written; filters and orders use no \
                 index; give the field another `scale`, or the column one"
                    .to_owned(),
            ),
        ),
    }
}

fn enumeration(ty: &Type) -> Mapped {
    let fits = |label: &String| {
        !label.is_empty()
            && label.chars().count() <= LONGEST_LABEL
            && !label.chars().any(char::is_control)
    };
    let ours =
        ty.labels.len() <= MOST_LABELS && !ty.labels.is_empty() && ty.labels.iter().all(fits);
    let native = native(ty);
    let sayable = native.as_ref().is_some_and(|n| n.spelled().is_some());
    match (ours, sayable) {
        (true, true) => Mapped {
            ty: FieldType::Enum {
                values: ty.labels.iter().map(|label| Arc::from(&**label)).collect(),
            },
            native,
            read_only: false,
            note: Some(
                "sorted by its letters, not in the enumeration's order; filtering by it uses no index"
                    .to_owned(),
            ),
        },
        (false, true) => Mapped {
            ty: FieldType::String { max: 255 },
            native,
            read_only: false,
            note: Some(
                "an enumeration with values that ours cannot have (none, empty, too long or unprintable): a text here"
                    .to_owned(),
            ),
        },
        (_, false) => Mapped {
            ty: FieldType::String { max: 255 },
            native: None,
            read_only: true,
            note: Some("the name of its type cannot be said here: it is read only".to_owned()),
        },
    }
}

fn extension(ty: &Type) -> Mapped {
    let native = native(ty).filter(|native| native.spelled().is_some());
    match ty.name.name.as_str() {
        "citext" if native.is_some() => Mapped {
            ty: FieldType::String { max: INDEXED },
            native,
            read_only: false,
            note: Some(
                "filters, rules and the order tell its letters' case apart; `unique` goes on not to, in the database"
                    .to_owned(),
            ),
        },
        _ => shown_only(ty),
    }
}

/// Arrays of what lists hold are lists.
fn array(ty: &Type) -> Mapped {
    let items = match ty.name.name.as_str() {
        _ if ty.name.namespace != "pg_catalog" => None,
        "text" | "varchar" => Some(ItemType::String),
        "int2" | "int4" | "int8" => Some(ItemType::Int),
        "float4" | "float8" => Some(ItemType::Float),
        "bool" => Some(ItemType::Bool),
        _ => None,
    };
    match items {
        Some(items) => Mapped {
            ty: FieldType::List { items, max: 10_000 },
            native: native(ty),
            read_only: false,
            note: Some("an array: written with one dimension".to_owned()),
        },
        None => shown_only(ty),
    }
}

/// What has no counterpart is shown as the database turns it into JSON.
fn shown_only(ty: &Type) -> Mapped {
    Mapped {
        ty: FieldType::Json,
        native: None,
        read_only: true,
        note: Some(format!(
            "no type of ours holds {}: it is read as JSON, and not written",
            super::shown(&ty.shown)
        )),
    }
}

/// Whether such a column can name records, and how.
pub(super) fn key(column: &Column) -> Result<(crate::KeyKind, Option<Native>), String> {
    use crate::KeyKind;
    let ty = &column.ty;
    let own = native(ty).filter(|native| native.spelled().is_some());
    let other = || Err(format!("its key is {}", super::shown(&ty.shown)));
    if ty.array || column.blurred {
        return other();
    }
    match (ty.class, &ty.name) {
        (Class::Enum, _) if own.is_some() => Ok((KeyKind::String, own)),
        (Class::Base, TableName { namespace, name }) if namespace == "pg_catalog" => {
            match name.as_str() {
                "int2" | "int4" | "int8" => Ok((KeyKind::Int, None)),
                "uuid" => Ok((KeyKind::Uuid, None)),
                "text" | "varchar" => Ok((KeyKind::String, None)),
                "bpchar" => Ok((KeyKind::String, own)),
                _ => other(),
            }
        }
        (Class::Base, name) if name.name == "citext" && own.is_some() => Ok((KeyKind::String, own)),
        _ => other(),
    }
}
