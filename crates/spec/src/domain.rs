//! What a column's values keep to beyond its type. No store enforces it, the engine does; a store records it, so
//! that a narrower one shows when the app changes.

use crate::types::{FieldType, ItemType};
use std::fmt::Write as _;
use std::sync::Arc;

#[derive(Debug, Clone, Default, PartialEq)]
pub enum Domain {
    /// Whatever the type takes.
    #[default]
    Any,
    /// At most so many code points.
    Text {
        max: u32,
    },
    /// One of an enum's values.
    OneOf(Arc<[Arc<str>]>),
    Int {
        min: Option<i64>,
        max: Option<i64>,
    },
    Float {
        min: Option<f64>,
        max: Option<f64>,
    },
    /// A JSON array of at most so many items of one type.
    List {
        items: ItemType,
        max: u32,
    },
}

impl Domain {
    pub fn of(ty: &FieldType) -> Domain {
        match ty {
            FieldType::String { max } | FieldType::Text { max } => Domain::Text { max: *max },
            FieldType::Enum { values } => Domain::OneOf(Arc::clone(values)),
            FieldType::Int { min, max } => Domain::Int {
                min: *min,
                max: *max,
            },
            FieldType::Float { min, max } => Domain::Float {
                min: *min,
                max: *max,
            },
            FieldType::List { items, max } => Domain::List {
                items: *items,
                max: *max,
            },
            FieldType::Email
            | FieldType::Url
            | FieldType::Decimal { .. }
            | FieldType::Bool
            | FieldType::Datetime
            | FieldType::Date
            | FieldType::Uuid
            | FieldType::Relation { .. }
            | FieldType::Json => Domain::Any,
        }
    }

    /// Whether every value of `before` is one of this.
    pub fn takes(&self, before: &Domain) -> bool {
        match (self, before) {
            (Domain::Any, Domain::List { .. }) => true,
            (Domain::Any, _) => true,
            (Domain::Text { max }, Domain::Text { max: before }) => before <= max,
            (Domain::Text { max }, Domain::OneOf(values)) => values
                .iter()
                .all(|value| value.chars().count() <= *max as usize),
            (Domain::OneOf(now), Domain::OneOf(before)) => {
                before.iter().all(|value| now.contains(value))
            }
            (
                Domain::Int { min, max },
                Domain::Int {
                    min: low,
                    max: high,
                },
            ) => above(min, low) && below(max, high),
            (
                Domain::Float { min, max },
                Domain::Float {
                    min: low,
                    max: high,
                },
            ) => above(min, low) && below(max, high),
            (
                Domain::List { items, max },
                Domain::List {
                    items: before,
                    max: most,
                },
            ) => items.takes(*before) && most <= max,
            _ => false,
        }
    }

    /// As it is recorded; [`Domain::parse`] is the other way. Lines, for no value of an enum has more than one.
    pub fn encode(&self) -> String {
        fn bound<T: std::fmt::Display>(bound: &Option<T>) -> String {
            bound.as_ref().map_or("-".to_owned(), ToString::to_string)
        }
        match self {
            Domain::Any => String::new(),
            Domain::Text { max } => format!("text {max}"),
            Domain::OneOf(values) => {
                let mut out = String::from("one of");
                for value in values.iter() {
                    let _ = write!(out, "\n{value}");
                }
                out
            }
            Domain::Int { min, max } => format!("int {} {}", bound(min), bound(max)),
            Domain::Float { min, max } => format!("float {} {}", bound(min), bound(max)),
            Domain::List { items, max } => format!("list {} {max}", items.name()),
        }
    }

    /// `None` for what a later version has written.
    pub fn parse(text: &str) -> Option<Domain> {
        fn bound<T: std::str::FromStr>(word: Option<&str>) -> Option<Option<T>> {
            match word? {
                "-" => Some(None),
                word => word.parse().ok().map(Some),
            }
        }
        if let Some(values) = text.strip_prefix("one of\n") {
            return Some(Domain::OneOf(values.split('\n').map(Arc::from).collect()));
        }
        let mut words = text.split(' ');
        Some(match words.next()? {
            "" => Domain::Any,
            "text" => Domain::Text {
                max: words.next()?.parse().ok()?,
            },
            "int" => Domain::Int {
                min: bound(words.next())?,
                max: bound(words.next())?,
            },
            "float" => Domain::Float {
                min: bound(words.next())?,
                max: bound(words.next())?,
            },
            "list" => Domain::List {
                items: ItemType::parse(words.next()?)?,
                max: words.next()?.parse().ok()?,
            },
            _ => return None,
        })
    }
}

/// No bound is the widest.
fn above<T: PartialOrd>(now: &Option<T>, before: &Option<T>) -> bool {
    match (now, before) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(now), Some(before)) => now <= before,
    }
}

fn below<T: PartialOrd>(now: &Option<T>, before: &Option<T>) -> bool {
    match (now, before) {
        (None, _) => true,
        (Some(_), None) => false,
        (Some(now), Some(before)) => now >= before,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn one_of(values: &[&str]) -> Domain {
        Domain::OneOf(values.iter().map(|value| Arc::from(*value)).collect())
    }

    #[test]
    fn what_is_recorded_is_read_again() {
        for domain in [
            Domain::Any,
            Domain::Text { max: 255 },
            one_of(&["draft"]),
            one_of(&["a b", "é", "-"]),
            Domain::Int {
                min: None,
                max: Some(-3),
            },
            Domain::Float {
                min: Some(0.1),
                max: None,
            },
            Domain::List {
                items: ItemType::Float,
                max: 9,
            },
        ] {
            assert_eq!(Domain::parse(&domain.encode()), Some(domain.clone()));
            assert!(domain.takes(&domain) && Domain::Any.takes(&domain));
        }
        for later in ["vector 3", "int", "int x -", "list money 3"] {
            assert_eq!(Domain::parse(later), None, "{later}");
        }
    }

    #[test]
    fn what_is_narrower_shows() {
        let int = |min, max| Domain::Int { min, max };
        for (before, now) in [
            (one_of(&["a", "b"]), one_of(&["a"])),
            (Domain::Text { max: 9 }, Domain::Text { max: 8 }),
            (Domain::Text { max: 9 }, one_of(&["a"])),
            (one_of(&["abc"]), Domain::Text { max: 2 }),
            (int(None, None), int(None, Some(3))),
            (int(Some(1), None), int(Some(2), None)),
            (Domain::Any, Domain::Text { max: 9 }),
        ] {
            assert!(!now.takes(&before), "{before:?} {now:?}");
            if before != Domain::Any && !matches!(now, Domain::OneOf(_)) {
                assert!(before.takes(&now) || matches!(before, Domain::OneOf(_)));
            }
        }
    }
}
