//! Which types become which by declaring it. What needs reading (a text as a number, say) or has two answers (a float
//! as text) is for a data step, where its author decides.

use spec::{ColumnType, Dialect};

/// Beyond this a JSON reader may not see a whole number exactly; ours end there.
const MAX_INT: i64 = spec::value::MAX_INT;
/// Digits of a decimal.
const DIGITS: u32 = 18;

/// Whether values may be lost on the way; `None` where there is no way.
pub fn loss(from: ColumnType, to: ColumnType) -> Option<bool> {
    use ColumnType as T;
    match (from, to) {
        (T::Int, T::Decimal { .. } | T::Float | T::Text) => Some(false),
        (T::Decimal { scale }, T::Decimal { scale: to }) => Some(to < scale),
        (T::Decimal { scale }, T::Int) => Some(scale > 0),
        // 18 digits are more than a double has.
        (T::Decimal { .. }, T::Float) => Some(true),
        (T::Decimal { .. } | T::Bool | T::Uuid | T::Date | T::Timestamp, T::Text) => Some(false),
        (T::Bool, T::Int) => Some(false),
        (T::Date, T::Timestamp) => Some(false),
        (T::Timestamp, T::Date) => Some(true),
        _ => None,
    }
}

/// What holds of a value that the new type has no room for; `expr` is SQL, and the value as the store keeps it.
pub fn misfit(dialect: Dialect, expr: &str, from: ColumnType, to: ColumnType) -> Option<String> {
    use ColumnType as T;
    let beyond = |limit: u32| format!("abs({expr}) >= {}", 10_i64.pow(limit));
    match (from, to) {
        // Within ±(2^53 − 1) there are 16 digits.
        (T::Int, T::Decimal { scale }) if scale > 2 => Some(beyond(DIGITS - u32::from(scale))),
        (T::Decimal { scale: a }, T::Decimal { scale: b }) if b > a => {
            Some(beyond(match dialect {
                Dialect::Sqlite => DIGITS - u32::from(b - a),
                Dialect::Postgres => DIGITS - u32::from(b),
            }))
        }
        (T::Decimal { scale }, T::Int) if scale < 3 => Some(match dialect {
            Dialect::Sqlite => format!(
                "abs({expr}) > {}",
                i128::from(MAX_INT) * 10_i128.pow(u32::from(scale))
            ),
            Dialect::Postgres => format!("abs({expr}) > {MAX_INT}"),
        }),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Types in which a value can be written in another way, and back.
    #[test]
    fn what_loses_nothing_is_told_from_what_may() {
        let decimal = |scale| ColumnType::Decimal { scale };
        for (from, to, expected) in [
            (ColumnType::Int, decimal(2), Some(false)),
            (decimal(2), decimal(4), Some(false)),
            (decimal(4), decimal(2), Some(true)),
            (decimal(0), ColumnType::Int, Some(false)),
            (decimal(2), ColumnType::Int, Some(true)),
            (ColumnType::Uuid, ColumnType::Text, Some(false)),
            (ColumnType::Text, ColumnType::Uuid, None),
            (ColumnType::Text, ColumnType::Int, None),
            (ColumnType::Float, ColumnType::Text, None),
            (ColumnType::Json, ColumnType::Text, None),
        ] {
            assert_eq!(loss(from, to), expected, "{from:?} {to:?}");
        }
    }

    #[test]
    fn what_has_no_room_is_found_in_either_unit() {
        let (two, four) = (
            ColumnType::Decimal { scale: 2 },
            ColumnType::Decimal { scale: 4 },
        );
        let sqlite = misfit(Dialect::Sqlite, "c", two, four);
        assert_eq!(sqlite.as_deref(), Some("abs(c) >= 10000000000000000"));
        let postgres = misfit(Dialect::Postgres, "c", two, four);
        assert_eq!(postgres.as_deref(), Some("abs(c) >= 100000000000000"));
        assert_eq!(misfit(Dialect::Sqlite, "c", ColumnType::Int, two), None);
    }
}
