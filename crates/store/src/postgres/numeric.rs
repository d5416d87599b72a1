//! PostgreSQL's binary `numeric`, without a detour over text.
//!
//! The wire form (`numeric_send`) is four 16-bit words (how many digits, the weight of the first, the sign,
//! the scale it shows) and then digits of base 10,000, the first of them worth `10000^weight`.

use bytes::{BufMut, BytesMut};
use spec::Decimal;

const NEGATIVE: u16 = 0x4000;
const POSITIVE: u16 = 0x0000;
const NAN: u16 = 0xC000;
const INFINITE: u16 = 0xD000;
const NEGATIVE_INFINITE: u16 = 0xF000;
const BASE: u64 = 10_000;

/// What a `numeric` is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Number {
    /// In units of `10^-scale`.
    Units(i128),
    /// Above or below all that 38 digits can say: the infinities, and `NaN`, which PostgreSQL orders above all.
    Beyond { negative: bool },
}

/// Appends the wire form of a decimal.
pub(super) fn encode(value: Decimal, out: &mut BytesMut) {
    if value.is_beyond() {
        // No column of limited digits takes an infinity, so what is above all of one is `NaN`.
        let sign = if value.units < 0 {
            NEGATIVE_INFINITE
        } else {
            NAN
        };
        for word in [0, 0, sign, 0] {
            out.put_u16(word);
        }
        return;
    }
    // Digits of base 10,000 are aligned at the point, so the fraction is padded to a multiple of four.
    let padding = (4 - value.scale % 4) % 4;
    let mut rest = u128::from(value.units.unsigned_abs()) * 10u128.pow(u32::from(padding));
    let fraction = i16::from(value.scale.div_ceil(4));
    // 19 digits of an i64 and at most 3 of padding: six groups, and none of them is lost below.
    let mut groups = [0u16; 8];
    let mut count = 0usize;
    while rest > 0 {
        groups[count] = (rest % u128::from(BASE)) as u16;
        rest /= u128::from(BASE);
        count += 1;
    }
    // Trailing zeros are not sent; the scale says how many to show.
    let zeros = groups[..count]
        .iter()
        .take_while(|group| **group == 0)
        .count();
    let weight = if count == 0 {
        0
    } else {
        count as i16 - 1 - fraction
    };
    out.put_u16((count - zeros) as u16);
    out.put_i16(weight);
    out.put_u16(if value.units < 0 { NEGATIVE } else { POSITIVE });
    out.put_u16(u16::from(value.scale));
    for group in groups[zeros..count].iter().rev() {
        out.put_u16(*group);
    }
}

/// The number in units of `10^-scale`, rounded half to even where it has more digits. `None` for what is not well-formed.
pub(super) fn read(raw: &[u8], scale: u8) -> Option<Number> {
    let word = |at: usize| Some(u16::from_be_bytes([*raw.get(at)?, *raw.get(at + 1)?]));
    let count = usize::from(word(0)?);
    let weight = i32::from(word(2)? as i16);
    let negative = match word(4)? {
        POSITIVE => false,
        NEGATIVE => true,
        NAN | INFINITE => return Some(Number::Beyond { negative: false }),
        NEGATIVE_INFINITE => return Some(Number::Beyond { negative: true }),
        _ => return None,
    };
    if raw.len() != 8 + 2 * count {
        return None;
    }
    Some(match magnitude(raw, count, weight, scale) {
        Some(magnitude) if negative => Number::Units(-magnitude),
        Some(magnitude) => Number::Units(magnitude),
        None => Number::Beyond { negative },
    })
}

/// None where it needs more than 38 digits.
fn magnitude(raw: &[u8], count: usize, weight: i32, scale: u8) -> Option<i128> {
    let mut mantissa: i128 = 0;
    for at in 0..count {
        let at = 8 + 2 * at;
        let digit = i128::from(u16::from_be_bytes([*raw.get(at)?, *raw.get(at + 1)?]));
        mantissa = mantissa.checked_mul(i128::from(BASE))?.checked_add(digit)?;
    }
    if mantissa == 0 {
        return Some(0);
    }
    // mantissa × 10^exponent is the number; shifted by the scale it is in units.
    let exponent = 4 * (weight + 1 - count as i32) + i32::from(scale);
    if exponent >= 0 {
        return mantissa.checked_mul(10i128.checked_pow(exponent as u32)?);
    }
    Some(match 10i128.checked_pow(exponent.unsigned_abs()) {
        Some(by) => round_half_even(mantissa, by),
        None => 0,
    })
}

fn round_half_even(value: i128, by: i128) -> i128 {
    let (whole, rest) = (value / by, value % by);
    match (rest * 2).cmp(&by) {
        std::cmp::Ordering::Less => whole,
        std::cmp::Ordering::Greater => whole + 1,
        std::cmp::Ordering::Equal => whole + whole % 2,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_go_there_and_back() {
        for scale in 0..=18u8 {
            for number in [
                0,
                1,
                -1,
                9,
                10,
                1_250,
                -5,
                9_999,
                10_000,
                -10_001,
                100_000_000,
                123_456_789_012_345_678,
                -999_999_999_999_999_999,
                i64::MAX - 1,
                i64::MIN,
            ] {
                let mut raw = BytesMut::new();
                encode(Decimal::new(number, scale), &mut raw);
                assert_eq!(
                    read(&raw, scale),
                    Some(Number::Units(number.into())),
                    "{number} at {scale}"
                );
            }
        }
    }

    #[test]
    fn rounds_half_to_even_and_tells_what_is_beyond() {
        let at = |number, from, to| {
            let mut raw = BytesMut::new();
            encode(Decimal::new(number, from), &mut raw);
            match read(&raw, to) {
                Some(Number::Units(units)) => Some(units),
                _ => None,
            }
        };
        assert_eq!(at(125, 2, 1), Some(12));
        assert_eq!(at(135, 2, 1), Some(14));
        assert_eq!(at(-1251, 3, 1), Some(-13));
        assert_eq!(at(1, 18, 0), Some(0));
        let beyond = |negative| Some(Number::Beyond { negative });
        for (sign, negative) in [(0xC0, false), (0xD0, false), (0xF0, true)] {
            assert_eq!(read(&[0, 0, 0, 0, sign, 0, 0, 0], 2), beyond(negative));
        }
        // 1 × 10000^16
        assert_eq!(read(&[0, 1, 0, 16, 0x40, 0, 0, 0, 0, 1], 2), beyond(true));
        for negative in [true, false] {
            let mut raw = BytesMut::new();
            encode(Decimal::beyond(negative, 2), &mut raw);
            assert_eq!(read(&raw, 2), beyond(negative));
        }
        assert_eq!(read(&[0, 0, 0, 0, 0x12, 0, 0, 0], 2), None);
        assert_eq!(read(&[0, 1, 0, 0, 0, 0, 0, 0], 2), None);
        assert_eq!(read(&[], 2), None);
    }
}
