//! Moments and days as text: RFC 3339 in, RFC 3339 in UTC with six fractional digits out.
//!
//! Both stores and the API agree on one range, years 1–9999 to the microsecond; what lies outside or
//! between is an error, never a rounded value. `jiff` is the oracle in the tests, not the
//! implementation: reading and writing here allocates nothing, and writing is on the path of every row.

use std::fmt;

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// 0001-01-01T00:00:00Z in microseconds since 1970.
pub const MIN_TIMESTAMP: i64 = -62_135_596_800 * MICROS_PER_SECOND;
/// 9999-12-31T23:59:59.999999Z.
pub const MAX_TIMESTAMP: i64 = 253_402_300_800 * MICROS_PER_SECOND - 1;
/// 0001-01-01 in days since 1970-01-01.
pub const MIN_DATE: i32 = -719_162;
/// 9999-12-31.
pub const MAX_DATE: i32 = 2_932_896;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeError {
    /// Not of the form `2026-01-31T12:00:00Z`.
    Datetime,
    /// Not of the form `2026-01-31`.
    Date,
    /// A month, day, hour, minute, second or offset that does not exist.
    Range,
    /// `:60`: neither store can keep a leap second.
    LeapSecond,
    /// More than six fractional digits.
    Precision,
    /// Outside the years 1–9999.
    Year,
}

impl fmt::Display for TimeError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TimeError::Datetime => {
                "a datetime is written like `2026-01-31T12:00:00Z`, with an offset or `Z`"
            }
            TimeError::Date => "a date is written like `2026-01-31`",
            TimeError::Range => "there is no such day, time or offset",
            TimeError::LeapSecond => "leap seconds (`:60`) cannot be kept",
            TimeError::Precision => {
                "at most six fractional digits (microseconds) are kept, and nothing is rounded"
            }
            TimeError::Year => "years run from 1 to 9999 (in UTC)",
        })
    }
}

impl std::error::Error for TimeError {}

/// Microseconds since 1970, now.
pub fn now_micros() -> i64 {
    match std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_micros())
            .unwrap_or(MAX_TIMESTAMP)
            .min(MAX_TIMESTAMP),
        // A clock before 1970 is a broken clock; the epoch is as good as any other answer.
        Err(_) => 0,
    }
}

pub fn date_to_micros(days: i32) -> i64 {
    i64::from(days) * MICROS_PER_DAY
}

/// The UTC day that a moment falls on.
pub fn micros_to_date(micros: i64) -> i32 {
    // Cannot truncate: 2^63 µs are some 10^8 days.
    micros.div_euclid(MICROS_PER_DAY) as i32
}

pub fn is_leap(year: i32) -> bool {
    (year % 4 == 0 && year % 100 != 0) || year % 400 == 0
}

fn month_days(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// Days since 1970-01-01 of a day of the proleptic Gregorian calendar.
/// Source: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms", `days_from_civil`.
pub fn days_from_civil(year: i32, month: u32, day: u32) -> i32 {
    let y = if month <= 2 { year - 1 } else { year };
    let era = y.div_euclid(400);
    let of_era = y.rem_euclid(400);
    let shifted = (month as i32 + 9) % 12;
    let of_year = (153 * shifted + 2) / 5 + day as i32 - 1;
    let day_of_era = of_era * 365 + of_era / 4 - of_era / 100 + of_year;
    era * 146_097 + day_of_era - 719_468
}

/// Year, month and day; the inverse of [`days_from_civil`], from the same source. What is outside the years
/// 1–9999 is the nearest day inside; so that all of it is above zero, where dividing is cheaper.
pub fn civil_from_days(days: i32) -> (u32, u32, u32) {
    let z = (days.clamp(MIN_DATE, MAX_DATE) + 719_468) as u32;
    let era = z / 146_097;
    let day_of_era = z % 146_097;
    let of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let of_year = day_of_era - (365 * of_era + of_era / 4 - of_era / 100);
    let shifted = (5 * of_year + 2) / 153;
    let day = of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    let year = of_era + era * 400 + u32::from(month <= 2);
    (year, month, day)
}

/// The datetime that a text without a time, or without its offset, most likely means, in UTC: what to write
/// instead of `2026-12-01`, `2026-12-01T00:00` or `2026-12-01 00:00:00`.
pub fn completed(text: &str) -> Option<String> {
    let (day, time) = match text.split_once(['T', 't', ' ']) {
        Some((day, time)) => (day, time.trim()),
        None => (text, "00:00:00"),
    };
    // A `+` that was not encoded in an address arrives as a space.
    let time = match time.rsplit_once(' ') {
        Some((time, offset)) => format!("{time}+{offset}"),
        None => time.to_owned(),
    };
    ["", "Z", ":00Z"]
        .into_iter()
        .map(|rest| format!("{day}T{time}{rest}"))
        .find(|whole| parse_timestamp(whole).is_ok())
}

/// `count` ASCII digits at `at`.
fn digits(text: &[u8], at: usize, count: usize) -> Option<u32> {
    let mut value = 0;
    for b in text.get(at..at + count)? {
        if !b.is_ascii_digit() {
            return None;
        }
        value = value * 10 + u32::from(b - b'0');
    }
    Some(value)
}

fn read_day(text: &[u8], malformed: TimeError) -> Result<i32, TimeError> {
    let (Some(year), Some(b'-'), Some(month), Some(b'-'), Some(day)) = (
        digits(text, 0, 4),
        text.get(4),
        digits(text, 5, 2),
        text.get(7),
        digits(text, 8, 2),
    ) else {
        return Err(malformed);
    };
    let year = year as i32;
    if year == 0 {
        return Err(TimeError::Year);
    }
    if !(1..=12).contains(&month) || day == 0 || day > month_days(year, month) {
        return Err(TimeError::Range);
    }
    Ok(days_from_civil(year, month, day))
}

/// `2026-01-31` → days since 1970-01-01.
pub fn parse_date(text: &str) -> Result<i32, TimeError> {
    if text.len() != 10 {
        return Err(TimeError::Date);
    }
    read_day(text.as_bytes(), TimeError::Date)
}

/// RFC 3339 (section 5.6) → microseconds since 1970. The date and time are separated by `T` or `t`
/// (the blank that the RFC tolerates is refused: it would have to be escaped in every URL).
pub fn parse_timestamp(text: &str) -> Result<i64, TimeError> {
    let text = text.as_bytes();
    let days = read_day(text, TimeError::Datetime)?;
    let (Some(b'T' | b't'), Some(hour), Some(b':'), Some(minute), Some(b':'), Some(second)) = (
        text.get(10),
        digits(text, 11, 2),
        text.get(13),
        digits(text, 14, 2),
        text.get(16),
        digits(text, 17, 2),
    ) else {
        return Err(TimeError::Datetime);
    };
    let mut at = 19;
    let mut micros: i64 = 0;
    let mut precise = true;
    if text.get(at) == Some(&b'.') {
        at += 1;
        let first = at;
        while let Some(b) = text.get(at).filter(|b| b.is_ascii_digit()) {
            if at - first < 6 {
                micros = micros * 10 + i64::from(b - b'0');
            } else {
                precise = false;
            }
            at += 1;
        }
        let count = at - first;
        if count == 0 {
            return Err(TimeError::Datetime);
        }
        for _ in count..6 {
            micros *= 10;
        }
    }
    let offset_minutes = match text.get(at) {
        Some(b'Z' | b'z') if text.len() == at + 1 => 0,
        Some(sign @ (b'+' | b'-')) if text.len() == at + 6 => {
            let (Some(hours), b':', Some(minutes)) = (
                digits(text, at + 1, 2),
                text[at + 3],
                digits(text, at + 4, 2),
            ) else {
                return Err(TimeError::Datetime);
            };
            if hours > 23 || minutes > 59 {
                return Err(TimeError::Range);
            }
            let offset = i64::from(hours * 60 + minutes);
            if *sign == b'-' { -offset } else { offset }
        }
        _ => return Err(TimeError::Datetime),
    };
    if second == 60 {
        return Err(TimeError::LeapSecond);
    }
    if hour > 23 || minute > 59 || second > 59 {
        return Err(TimeError::Range);
    }
    if !precise {
        return Err(TimeError::Precision);
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second) - offset_minutes * 60;
    let value = date_to_micros(days) + seconds * MICROS_PER_SECOND + micros;
    if (MIN_TIMESTAMP..=MAX_TIMESTAMP).contains(&value) {
        Ok(value)
    } else {
        Err(TimeError::Year)
    }
}

/// `00` to `99`, one behind the other: a pair is one load instead of two divisions.
const PAIRS: [[u8; 2]; 100] = {
    let mut pairs = [[b'0'; 2]; 100];
    let mut n = 0;
    while n < 100 {
        pairs[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    pairs
};

/// The last two digits of `value`.
#[inline]
fn two<const N: usize>(out: &mut [u8; N], at: usize, value: u32) {
    let [tens, ones] = PAIRS[(value % 100) as usize];
    out[at] = tens;
    out[at + 1] = ones;
}

#[inline]
fn day_into<const N: usize>(out: &mut [u8; N], days: i32) {
    let (year, month, day) = civil_from_days(days);
    two(out, 0, year / 100);
    two(out, 2, year);
    out[4] = b'-';
    two(out, 5, month);
    out[7] = b'-';
    two(out, 8, day);
}

/// Appends `2026-01-31`. What is outside the years 1–9999 is written as the nearest day inside.
pub fn write_date(out: &mut Vec<u8>, days: i32) {
    let mut text = [0u8; 10];
    day_into(&mut text, days);
    out.extend_from_slice(&text);
}

/// Appends `2026-01-31T12:00:00.000000Z`, always 27 bytes. What is outside the years 1–9999 is
/// written as the nearest moment inside.
pub fn write_timestamp(out: &mut Vec<u8>, micros: i64) {
    // Counted from the year 1: dividing what is above zero is cheaper, and this runs for each time of each record.
    let since = (micros.clamp(MIN_TIMESTAMP, MAX_TIMESTAMP) - MIN_TIMESTAMP) as u64;
    let mut text = *b"0000-00-00T00:00:00.000000Z";
    day_into(&mut text, (since / MICROS_PER_DAY as u64) as i32 + MIN_DATE);
    let of_day = since % MICROS_PER_DAY as u64;
    let seconds = (of_day / MICROS_PER_SECOND as u64) as u32;
    let fraction = (of_day % MICROS_PER_SECOND as u64) as u32;
    two(&mut text, 11, seconds / 3600);
    two(&mut text, 14, seconds / 60 % 60);
    two(&mut text, 17, seconds % 60);
    two(&mut text, 20, fraction / 10_000);
    two(&mut text, 22, fraction / 100);
    two(&mut text, 24, fraction);
    out.extend_from_slice(&text);
}

/// [`write_timestamp`] as a `String`, for messages.
pub fn timestamp_text(micros: i64) -> String {
    let mut out = Vec::with_capacity(27);
    write_timestamp(&mut out, micros);
    String::from_utf8_lossy(&out).into_owned()
}

/// [`write_date`] as a `String`, for messages.
pub fn date_text(days: i32) -> String {
    let mut out = Vec::with_capacity(10);
    write_date(&mut out, days);
    String::from_utf8_lossy(&out).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_lacks_a_time_or_an_offset_is_completed() {
        for (text, wanted) in [
            ("2026-12-01", Some("2026-12-01T00:00:00Z")),
            ("2021-01-01T00:00:00", Some("2021-01-01T00:00:00Z")),
            ("2021-01-01T12:30", Some("2021-01-01T12:30:00Z")),
            ("2021-01-01 12:30:05.25", Some("2021-01-01T12:30:05.25Z")),
            ("2021-01-01 12:30:05Z", Some("2021-01-01T12:30:05Z")),
            (
                "2021-01-01T12:30:05 02:00",
                Some("2021-01-01T12:30:05+02:00"),
            ),
            ("2021-02-30", None),
            ("2021-1-1", None),
            ("tomorrow", None),
            ("é", None),
            ("", None),
        ] {
            assert_eq!(completed(text).as_deref(), wanted, "{text}");
        }
    }

    #[test]
    fn reads_rfc_3339_and_says_what_is_wrong() {
        for (text, wanted) in [
            ("1970-01-01T00:00:00Z", Ok(0)),
            ("1970-01-01t00:00:00z", Ok(0)),
            ("1970-01-01T00:00:00.5Z", Ok(500_000)),
            ("1970-01-01T00:00:00.000001Z", Ok(1)),
            ("1970-01-01T01:00:00+01:00", Ok(0)),
            ("1969-12-31T23:30:00-00:30", Ok(0)),
            ("1970-01-01T00:00:00-00:00", Ok(0)),
            ("0001-01-01T00:00:00Z", Ok(MIN_TIMESTAMP)),
            ("9999-12-31T23:59:59.999999Z", Ok(MAX_TIMESTAMP)),
            ("0001-01-01T00:00:00+00:01", Err(TimeError::Year)),
            ("9999-12-31T23:59:59-00:01", Err(TimeError::Year)),
            ("0000-12-31T23:59:59Z", Err(TimeError::Year)),
            ("2026-02-29T00:00:00Z", Err(TimeError::Range)),
            ("2024-02-29T24:00:00Z", Err(TimeError::Range)),
            ("2024-02-29T00:60:00Z", Err(TimeError::Range)),
            ("2024-02-29T00:00:61Z", Err(TimeError::Range)),
            ("2024-02-29T00:00:00+24:00", Err(TimeError::Range)),
            ("2016-12-31T23:59:60Z", Err(TimeError::LeapSecond)),
            ("1970-01-01T00:00:00.0000000Z", Err(TimeError::Precision)),
            ("1970-01-01T00:00:00.1234567Z", Err(TimeError::Precision)),
            ("1970-01-01T00:00:00.Z", Err(TimeError::Datetime)),
            ("1970-01-01T00:00:00", Err(TimeError::Datetime)),
            ("1970-01-01 00:00:00Z", Err(TimeError::Datetime)),
            ("1970-01-01T00:00:00+0100", Err(TimeError::Datetime)),
            ("1970-01-01T00:00:00Zx", Err(TimeError::Datetime)),
            ("1970-01-01T00:00Z", Err(TimeError::Datetime)),
            ("10000-01-01T00:00:00Z", Err(TimeError::Datetime)),
            ("1970-01-01T00:00:00+é1:00", Err(TimeError::Datetime)),
            ("", Err(TimeError::Datetime)),
        ] {
            assert_eq!(parse_timestamp(text), wanted, "{text}");
        }
        for (text, wanted) in [
            ("1970-01-01", Ok(0)),
            ("0001-01-01", Ok(MIN_DATE)),
            ("9999-12-31", Ok(MAX_DATE)),
            ("2000-02-29", Ok(11_016)),
            ("1900-02-29", Err(TimeError::Range)),
            ("0000-01-01", Err(TimeError::Year)),
            ("1970-1-01", Err(TimeError::Date)),
            ("1970-01-01T", Err(TimeError::Date)),
            ("19700101", Err(TimeError::Date)),
        ] {
            assert_eq!(parse_date(text), wanted, "{text}");
        }
    }

    #[test]
    fn every_day_of_the_range_is_itself_again() {
        for days in MIN_DATE..=MAX_DATE {
            let (year, month, day) = civil_from_days(days);
            assert_eq!(days_from_civil(year as i32, month, day), days);
        }
    }

    proptest! {
        #[test]
        fn timestamps_agree_with_jiff(micros in MIN_TIMESTAMP..=MAX_TIMESTAMP - 2 * MICROS_PER_DAY) {
            let text = timestamp_text(micros);
            prop_assert_eq!(parse_timestamp(&text), Ok(micros));
            let theirs: jiff::Timestamp = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
            prop_assert_eq!(theirs.as_microsecond(), micros);
            prop_assert_eq!(format!("{theirs:.6}"), text);
        }

        #[test]
        fn whatever_we_read_jiff_reads_alike(text in "[0-9]{4}-[01][0-9]-[0-3][0-9][Tt][0-2][0-9]:[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,6})?([Zz]|[+-][01][0-9]:[0-5][0-9])") {
            let theirs = text.parse::<jiff::Timestamp>().ok().map(|t| t.as_microsecond());
            match parse_timestamp(&text) {
                Ok(ours) => prop_assert_eq!(Some(ours), theirs),
                // Year 0 and the days around the range's ends are theirs alone.
                Err(TimeError::Year) => {}
                Err(_) => prop_assert_eq!(None, theirs),
            }
        }

        #[test]
        fn dates_agree_with_jiff(days in MIN_DATE..=MAX_DATE) {
            let text = date_text(days);
            prop_assert_eq!(parse_date(&text), Ok(days));
            let theirs: jiff::civil::Date = text.parse().map_err(|e| TestCaseError::fail(format!("{e}")))?;
            prop_assert_eq!(theirs.to_string(), text);
        }

        #[test]
        fn no_text_panics(text in ".{0,40}") {
            let _ = parse_timestamp(&text);
            let _ = parse_date(&text);
        }
    }
}
