//! PostgreSQL's binary `numeric`, without a detour over text.
//!
//! The wire form (`numeric_send`) is four 16-bit words (how many digits, the weight of the first, the sign,
//! the scale it shows) and then digits of base 10,000, the first of them worth `10000^weight`.

use bytes::{BufMut, BytesMut};
use spec::Decimal;

const NEGATIVE: u16 = 0x4000;
const POSITIVE: u16 = 0x0000;
const BASE: u64 = 10_000;

/// Appends the wire form of a decimal.
pub(super) fn encode(value: Decimal, out: &mut BytesMut) {
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

/// The number in units of `10^-scale`, rounded half to even where it has more digits. `None` for what is no
/// number (`NaN`, the infinities), is not well-formed, or needs more than 38 digits.
pub(super) fn units(raw: &[u8], scale: u8) -> Option<i128> {
    let word = |at: usize| Some(u16::from_be_bytes([*raw.get(at)?, *raw.get(at + 1)?]));
    let count = usize::from(word(0)?);
    let weight = i32::from(word(2)? as i16);
    let negative = match word(4)? {
        POSITIVE => false,
        NEGATIVE => true,
        _ => return None,
    };
    if raw.len() != 8 + 2 * count {
        return None;
    }
    let mut mantissa: i128 = 0;
    for at in 0..count {
        let digit = i128::from(word(8 + 2 * at)?);
        mantissa = mantissa.checked_mul(i128::from(BASE))?.checked_add(digit)?;
    }
    if mantissa == 0 {
        return Some(0);
    }
    // mantissa × 10^exponent is the number; shifted by the scale it is in units.
    let exponent = 4 * (weight + 1 - count as i32) + i32::from(scale);
    let magnitude = if exponent >= 0 {
        mantissa.checked_mul(10i128.checked_pow(exponent as u32)?)?
    } else {
        match 10i128.checked_pow(exponent.unsigned_abs()) {
            Some(by) => round_half_even(mantissa, by),
            None => 0,
        }
    };
    Some(if negative { -magnitude } else { magnitude })
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
                i64::MAX,
                i64::MIN,
            ] {
                let mut raw = BytesMut::new();
                encode(Decimal::new(number, scale), &mut raw);
                assert_eq!(
                    units(&raw, scale),
                    Some(i128::from(number)),
                    "{number} at {scale}"
                );
            }
        }
    }

    #[test]
    fn rounds_half_to_even_and_refuses_what_is_no_number() {
        let at = |number, from, to| {
            let mut raw = BytesMut::new();
            encode(Decimal::new(number, from), &mut raw);
            units(&raw, to)
        };
        assert_eq!(at(125, 2, 1), Some(12));
        assert_eq!(at(135, 2, 1), Some(14));
        assert_eq!(at(-1251, 3, 1), Some(-13));
        assert_eq!(at(1, 18, 0), Some(0));
        assert_eq!(units(&[0, 0, 0, 0, 0xC0, 0, 0, 0], 2), None);
        assert_eq!(units(&[0, 1, 0, 0, 0, 0, 0, 0], 2), None);
        assert_eq!(units(&[], 2), None);
    }
}
