//! Exact sums and averages. SQLite's own `sum` fails beyond 64 bits and its `avg` is a double; ours add 128 bits, in which
//! every sum of what a database can hold has room.
//!
//! A total is a blob of 16 bytes that orders as its number does: big-endian, with the sign bit turned.
//!
//! | function | is |
//! |---|---|
//! | `mainstay_sum(x)` | the total of the integers among `x`; null where there are none |
//! | `mainstay_avg(total, n, digits)` | total × 10^digits ÷ n, rounded half to even, as a total |
//! | `mainstay_narrow(total)` | the total as an integer; as the nearest double where it is none |
//! | `mainstay_finite(x)` | `x`; fails where it is infinite |

use rusqlite::functions::{Aggregate, Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Error, Result, ffi};

const SIGN: u128 = 1 << 127;

/// Adds the functions to a connection.
pub fn register(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8
        | FunctionFlags::SQLITE_DETERMINISTIC
        | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_aggregate_function(c"mainstay_sum", 1, flags, Sum)?;
    conn.create_scalar_function(c"mainstay_avg", 3, flags, |args| {
        let (total, n, digits) = (args.get_raw(0), args.get_raw(1), args.get_raw(2));
        let (Some(total), ValueRef::Integer(n), ValueRef::Integer(digits)) =
            (read(total), n, digits)
        else {
            return Ok(None);
        };
        average(total, n, digits).map(Some)
    })?;
    conn.create_scalar_function(c"mainstay_narrow", 1, flags, |args| {
        Ok(
            read(args.get_raw(0)).map(|total| match i64::try_from(total) {
                Ok(total) => rusqlite::types::Value::Integer(total),
                Err(_) => rusqlite::types::Value::Real(total as f64),
            }),
        )
    })?;
    conn.create_scalar_function(c"mainstay_finite", 1, flags, |args| match args.get_raw(0) {
        ValueRef::Real(x) if x.is_finite() => Ok(Some(x)),
        ValueRef::Real(_) => Err(out_of_range()),
        ValueRef::Integer(x) => Ok(Some(x as f64)),
        _ => Ok(None),
    })
}

/// A number is beyond what it is asked as. Nothing else answers with this code, which SQLite keeps for functions like ours.
pub fn out_of_range() -> Error {
    Error::SqliteFailure(ffi::Error::new(ffi::SQLITE_CONSTRAINT_FUNCTION), None)
}

/// The number of a total.
pub fn read(value: ValueRef<'_>) -> Option<i128> {
    match value {
        ValueRef::Blob(bytes) => {
            let bytes: [u8; 16] = bytes.try_into().ok()?;
            Some((u128::from_be_bytes(bytes) ^ SIGN) as i128)
        }
        _ => None,
    }
}

fn total(number: i128) -> [u8; 16] {
    (number as u128 ^ SIGN).to_be_bytes()
}

struct Sum;

/// The sum so far, and whether anything was added to it.
#[derive(Default)]
struct Sofar {
    sum: i128,
    any: bool,
}

impl Aggregate<Sofar, Option<[u8; 16]>> for Sum {
    fn init(&self, _: &mut Context<'_>) -> Result<Sofar> {
        Ok(Sofar::default())
    }

    fn step(&self, args: &mut Context<'_>, sofar: &mut Sofar) -> Result<()> {
        // What is no integer was written by somebody else: as everywhere, it is read as null.
        if let ValueRef::Integer(x) = args.get_raw(0) {
            // 2^63 rows of 2^63 each would fill it.
            sofar.sum += i128::from(x);
            sofar.any = true;
        }
        Ok(())
    }

    fn finalize(&self, _: &mut Context<'_>, sofar: Option<Sofar>) -> Result<Option<[u8; 16]>> {
        Ok(sofar
            .filter(|sofar| sofar.any)
            .map(|sofar| total(sofar.sum)))
    }
}

fn average(sum: i128, n: i64, digits: i64) -> Result<[u8; 16]> {
    let by = u32::try_from(digits)
        .ok()
        .and_then(|d| 10i128.checked_pow(d));
    let units = by
        .and_then(|by| sum.checked_mul(by))
        .ok_or_else(out_of_range)?;
    let n = i128::from(n);
    let (whole, rest) = (units.checked_div(n).ok_or_else(out_of_range)?, units % n);
    // Of what is left, twice as much as the divisor or not.
    let away = match (rest.abs() * 2).cmp(&n) {
        std::cmp::Ordering::Less => 0,
        std::cmp::Ordering::Greater => 1,
        std::cmp::Ordering::Equal => whole.abs() % 2,
    };
    Ok(total(whole + away * units.signum()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn number(sql: &str) -> Option<i128> {
        let conn = Connection::open_in_memory().unwrap();
        register(&conn).unwrap();
        let blob: Option<Vec<u8>> = conn.query_row(sql, [], |row| row.get(0)).unwrap();
        blob.and_then(|bytes| read(ValueRef::Blob(&bytes)))
    }

    fn of(values: &str, call: &str) -> String {
        format!("WITH t(x) AS (VALUES {values}) SELECT {call} FROM t")
    }

    #[test]
    fn sums_are_exact_beyond_sixty_four_bits() {
        let max = "(9223372036854775807), (9223372036854775807), (null), (3)";
        assert_eq!(
            number(&of(max, "mainstay_sum(x)")),
            Some(2 * i128::from(i64::MAX) + 3)
        );
        assert_eq!(number(&of("(-5), (2)", "mainstay_sum(x)")), Some(-3));
        assert_eq!(number(&of("(null)", "mainstay_sum(x)")), None);
        assert_eq!(number("SELECT mainstay_sum(1) WHERE FALSE"), None);
        assert_eq!(
            number(&of("('12'), (1.5), (4)", "mainstay_sum(x)")),
            Some(4)
        );
    }

    #[test]
    fn averages_are_rounded_half_to_even() {
        let avg = |values: &str, digits| {
            number(&of(
                values,
                &format!("mainstay_avg(mainstay_sum(x), count(x), {digits})"),
            ))
        };
        assert_eq!(avg("(1), (2)", 1), Some(15));
        assert_eq!(avg("(1), (2)", 0), Some(2));
        assert_eq!(avg("(2), (3)", 0), Some(2));
        assert_eq!(avg("(-1), (-2)", 0), Some(-2));
        assert_eq!(avg("(-2), (-3)", 0), Some(-2));
        assert_eq!(avg("(1), (1), (0)", 4), Some(6667));
        assert_eq!(avg("(-1), (-1), (0)", 4), Some(-6667));
        assert_eq!(avg("(null)", 4), None);
    }

    #[test]
    fn totals_order_as_their_numbers_do() {
        let mut numbers = [i128::MIN, -(1 << 64), -1, 0, 1, 1 << 63, i128::MAX];
        numbers.sort_unstable();
        assert!(numbers.map(total).is_sorted());
        assert_eq!(
            numbers.map(|n| read(ValueRef::Blob(&total(n)))),
            numbers.map(Some)
        );
    }

    #[test]
    fn what_is_infinite_is_out_of_range() {
        let conn = Connection::open_in_memory().unwrap();
        register(&conn).unwrap();
        let asked = |sql: &str| conn.query_row(sql, [], |row| row.get::<_, Option<f64>>(0));
        assert_eq!(asked("SELECT mainstay_finite(1.5)"), Ok(Some(1.5)));
        assert_eq!(asked("SELECT mainstay_finite(null)"), Ok(None));
        let error = asked("SELECT mainstay_finite(9e999)").unwrap_err();
        assert_eq!(
            error.sqlite_extended_error_code(),
            Some(ffi::SQLITE_CONSTRAINT_FUNCTION)
        );
    }
}
