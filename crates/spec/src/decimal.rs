//! Exact decimals of at most 18 digits: an integer of minor units and a scale.

use std::cmp::Ordering;
use std::fmt;

/// `units / 10^scale`. Two decimals of different scales are equal when they mean the same number.
#[derive(Debug, Clone, Copy)]
pub struct Decimal {
    pub units: i64,
    pub scale: u8,
}

/// Digits a decimal may have in all.
pub const MAX_DIGITS: u32 = 18;

/// The most units of a decimal, whatever its scale.
pub const MAX_UNITS: i64 = 10i64.pow(MAX_DIGITS) - 1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DecimalError {
    /// Not a decimal number.
    Syntax,
    /// More digits behind the point than the scale has room for.
    Scale,
    /// More than 18 digits at this scale.
    Range,
}

pub(crate) fn pow10(n: u8) -> i128 {
    10i128.pow(u32::from(n))
}

impl Decimal {
    pub fn new(units: i64, scale: u8) -> Decimal {
        Decimal { units, scale }
    }

    /// What a `numeric` of PostgreSQL that is no number (`NaN`, which it orders above all, and the infinities) is in
    /// memory: beyond every decimal of 18 digits.
    pub fn beyond(negative: bool, scale: u8) -> Decimal {
        let units = if negative { -i64::MAX } else { i64::MAX };
        Decimal { units, scale }
    }

    pub fn is_beyond(self) -> bool {
        self.units.unsigned_abs() == i64::MAX.unsigned_abs()
    }

    /// The decimal of 18 digits that is nearest.
    pub fn nearest(self) -> Decimal {
        match self.is_beyond() {
            true => Decimal::new(self.units.clamp(-MAX_UNITS, MAX_UNITS), self.scale),
            false => self,
        }
    }

    /// Reads `-12.50`, `1e3` or `7` exactly at `scale`; zeros beyond the scale are no digits.
    pub fn parse(text: &str, scale: u8) -> Result<Decimal, DecimalError> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text),
        };
        let (mantissa, exponent) = match rest.find(['e', 'E']) {
            Some(at) => {
                let digits = &rest[at + 1..];
                let bare = digits.strip_prefix(['+', '-']).unwrap_or(digits);
                if bare.is_empty() || !bare.bytes().all(|b| b.is_ascii_digit()) {
                    return Err(DecimalError::Syntax);
                }
                // An exponent of more than four digits is out of range whatever stands before it, zero apart.
                let value = digits.parse::<i64>().unwrap_or(if digits.starts_with('-') {
                    -99_999
                } else {
                    99_999
                });
                (&rest[..at], value.clamp(-99_999, 99_999))
            }
            None => (rest, 0),
        };
        let (whole, fraction) = match mantissa.split_once('.') {
            Some((_, "")) => return Err(DecimalError::Syntax),
            Some(parts) => parts,
            None => (mantissa, ""),
        };
        if whole.is_empty()
            || !whole
                .bytes()
                .chain(fraction.bytes())
                .all(|b| b.is_ascii_digit())
        {
            return Err(DecimalError::Syntax);
        }
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).collect();
        let Some(first) = digits.iter().position(|b| *b != b'0') else {
            return Ok(Decimal { units: 0, scale });
        };
        let last = digits.iter().rposition(|b| *b != b'0').unwrap_or(first);
        let significant = &digits[first..=last];
        // value = significant × 10^power
        let power = exponent + whole.len() as i64 - (last as i64 + 1);
        let shift = power + i64::from(scale);
        if shift < 0 {
            return Err(DecimalError::Scale);
        }
        if significant.len() as i64 + shift > i64::from(MAX_DIGITS) {
            return Err(DecimalError::Range);
        }
        let mut units: i64 = 0;
        for b in significant {
            units = units * 10 + i64::from(b - b'0');
        }
        units *= 10i64.pow(shift as u32);
        Ok(Decimal {
            units: if negative { -units } else { units },
            scale,
        })
    }

    /// Whether it has no more than [`MAX_DIGITS`].
    pub fn fits(self) -> bool {
        self.units.unsigned_abs() < 10u64.pow(MAX_DIGITS)
    }

    /// The same number at another scale, if it fits without rounding.
    pub fn rescale(self, scale: u8) -> Option<Decimal> {
        let units = i128::from(self.units);
        let units = if scale >= self.scale {
            units * pow10(scale - self.scale)
        } else {
            let by = pow10(self.scale - scale);
            if units % by != 0 {
                return None;
            }
            units / by
        };
        i64::try_from(units)
            .ok()
            .map(|units| Decimal { units, scale })
    }

    pub fn to_f64(self) -> f64 {
        // The shortest text of a decimal is read back correctly rounded; a division of two doubles need not be.
        self.to_string().parse().unwrap_or(f64::NAN)
    }
}

impl PartialEq for Decimal {
    fn eq(&self, other: &Decimal) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}
impl Eq for Decimal {}
impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Decimal) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Decimal {
    fn cmp(&self, other: &Decimal) -> Ordering {
        if self.is_beyond() || other.is_beyond() {
            let side = |d: &Decimal| if d.is_beyond() { d.units.signum() } else { 0 };
            return side(self).cmp(&side(other));
        }
        let scale = self.scale.max(other.scale);
        let a = i128::from(self.units) * pow10(scale - self.scale);
        let b = i128::from(other.units) * pow10(scale - other.scale);
        a.cmp(&b)
    }
}

impl fmt::Display for Decimal {
    /// At full scale: `12.50`, `-0.05`, `7`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.units < 0 { "-" } else { "" };
        let units = self.units.unsigned_abs();
        if self.scale == 0 {
            return write!(f, "{sign}{units}");
        }
        let by = 10u64.pow(u32::from(self.scale));
        write!(
            f,
            "{sign}{}.{:0width$}",
            units / by,
            units % by,
            width = usize::from(self.scale)
        )
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_exactly_and_refuses_what_does_not_fit() {
        let read = |text: &str, scale| Decimal::parse(text, scale).map(|d| d.to_string());
        assert_eq!(read("12.5", 2).as_deref(), Ok("12.50"));
        assert_eq!(read("-0.05", 2).as_deref(), Ok("-0.05"));
        assert_eq!(read("1e3", 2).as_deref(), Ok("1000.00"));
        assert_eq!(read("1.500e-1", 2).as_deref(), Ok("0.15"));
        assert_eq!(read("0e999999999999", 2).as_deref(), Ok("0.00"));
        assert_eq!(read("1.2300", 2).as_deref(), Ok("1.23"));
        assert_eq!(read("1.234", 2), Err(DecimalError::Scale));
        assert_eq!(read("1e17", 2), Err(DecimalError::Range));
        assert_eq!(
            read("9999999999999999.99", 2).as_deref(),
            Ok("9999999999999999.99")
        );
        assert_eq!(read("1e999999999999", 2), Err(DecimalError::Range));
        assert_eq!(read("1e-999999999999", 2), Err(DecimalError::Scale));
        for bad in [
            "", "-", ".5", "5.", "1e", "1e+", "0x1", "1_000", "--1", "1.2.3", "NaN", "1e1e1", "+1",
        ] {
            assert_eq!(read(bad, 2), Err(DecimalError::Syntax), "{bad}");
        }
    }

    #[test]
    fn compares_across_scales() {
        assert_eq!(Decimal::new(150, 2), Decimal::new(15, 1));
        assert!(Decimal::new(-1, 2) < Decimal::new(0, 0));
        assert_eq!(Decimal::new(150, 2).rescale(1), Some(Decimal::new(15, 1)));
        assert_eq!(Decimal::new(151, 2).rescale(1), None);
    }
}
