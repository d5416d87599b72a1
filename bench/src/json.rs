//! Database values to JSON bytes, without anything in between.

const HEX: [[u8; 2]; 256] = {
    let digits = b"0123456789abcdef";
    let mut table = [[0; 2]; 256];
    let mut byte = 0;
    while byte < 256 {
        table[byte] = [digits[byte >> 4], digits[byte & 15]];
        byte += 1;
    }
    table
};

const DECIMAL: [[u8; 2]; 100] = {
    let mut table = [[0; 2]; 100];
    let mut n = 0;
    while n < 100 {
        table[n] = [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        n += 1;
    }
    table
};

/// Microseconds between 1970 and 2000, where PostgreSQL counts from.
pub const MICROS_1970_TO_2000: i64 = 946_684_800_000_000;

/// A quoted UUID. Panics unless `bytes` are 16.
pub fn uuid(out: &mut Vec<u8>, bytes: &[u8]) {
    let bytes: &[u8; 16] = bytes.try_into().expect("a UUID has 16 bytes");
    let mut text = *b"\"00000000-0000-0000-0000-000000000000\"";
    let mut at = 1;
    for (i, byte) in bytes.iter().enumerate() {
        if matches!(i, 4 | 6 | 8 | 10) {
            at += 1;
        }
        text[at..at + 2].copy_from_slice(&HEX[*byte as usize]);
        at += 2;
    }
    out.extend_from_slice(&text);
}

/// A quoted RFC 3339 time in UTC with six fractional digits. Takes microseconds since 1970.
pub fn time(out: &mut Vec<u8>, micros: i64) {
    let days = micros.div_euclid(86_400_000_000);
    let mut rest = micros.rem_euclid(86_400_000_000);
    let (year, month, day) = civil(days);
    let fraction = rest % 1_000_000;
    rest /= 1_000_000;
    let mut text = *b"\"0000-00-00T00:00:00.000000Z\"";
    let mut two = |at: usize, n: i64| text[at..at + 2].copy_from_slice(&DECIMAL[n as usize]);
    two(1, year / 100);
    two(3, year % 100);
    two(6, month);
    two(9, day);
    two(12, rest / 3600);
    two(15, rest / 60 % 60);
    two(18, rest % 60);
    two(21, fraction / 10_000);
    two(23, fraction / 100 % 100);
    two(25, fraction % 100);
    out.extend_from_slice(&text);
}

/// Days since 1970 as year, month and day (Howard Hinnant, "chrono-compatible low-level date algorithms").
fn civil(days: i64) -> (i64, i64, i64) {
    let z = days + 719_468;
    let era = z.div_euclid(146_097);
    let day_of_era = z.rem_euclid(146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted_month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted_month + 2) / 5 + 1;
    let month = if shifted_month < 10 {
        shifted_month + 3
    } else {
        shifted_month - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    (year, month, day)
}

/// An integer.
pub fn int(out: &mut Vec<u8>, n: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(n).as_bytes());
}

/// A boolean.
pub fn bool(out: &mut Vec<u8>, yes: bool) {
    out.extend_from_slice(if yes { b"true" } else { b"false" });
}

/// A quoted string. `text` must be UTF-8, which both databases promise.
pub fn string(out: &mut Vec<u8>, text: &[u8]) {
    out.push(b'"');
    if plain(text) {
        out.extend_from_slice(text);
    } else {
        escaped(out, text);
    }
    out.push(b'"');
}

/// Whether nothing in `text` needs an escape; eight bytes at a time.
fn plain(text: &[u8]) -> bool {
    const ONES: u64 = u64::from_ne_bytes([1; 8]);
    const TOPS: u64 = u64::from_ne_bytes([0x80; 8]);
    let zero = |word: u64| word.wrapping_sub(ONES) & !word & TOPS;
    let special = |word: u64| {
        // A byte below 0x20, a quote, or a backslash.
        (word.wrapping_sub(ONES * 0x20) & !word & TOPS)
            | zero(word ^ (ONES * u64::from(b'"')))
            | zero(word ^ (ONES * u64::from(b'\\')))
    };
    let (words, tail) = text.as_chunks::<8>();
    let found = words
        .iter()
        .fold(0, |found, word| found | special(u64::from_ne_bytes(*word)));
    found == 0
        && !tail
            .iter()
            .any(|byte| *byte < 0x20 || matches!(byte, b'"' | b'\\'))
}

fn escaped(out: &mut Vec<u8>, text: &[u8]) {
    for byte in text {
        match byte {
            b'"' => out.extend_from_slice(b"\\\""),
            b'\\' => out.extend_from_slice(b"\\\\"),
            b'\n' => out.extend_from_slice(b"\\n"),
            b'\r' => out.extend_from_slice(b"\\r"),
            b'\t' => out.extend_from_slice(b"\\t"),
            0x08 => out.extend_from_slice(b"\\b"),
            0x0c => out.extend_from_slice(b"\\f"),
            0..0x20 => {
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&HEX[*byte as usize]);
            }
            _ => out.push(*byte),
        }
    }
}

/// A product's members, without the closing brace, so that `reviews` can follow.
pub struct Product<'a> {
    pub id: &'a [u8],
    pub name: &'a [u8],
    pub description: &'a [u8],
    pub price: i64,
    pub category: &'a [u8],
    pub active: bool,
    /// Microseconds since 1970, as is `updated_at`.
    pub created_at: i64,
    pub updated_at: i64,
}

impl Product<'_> {
    pub fn open(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        uuid(out, self.id);
        out.extend_from_slice(b",\"name\":");
        string(out, self.name);
        out.extend_from_slice(b",\"description\":");
        string(out, self.description);
        out.extend_from_slice(b",\"price\":");
        int(out, self.price);
        out.extend_from_slice(b",\"category\":");
        string(out, self.category);
        out.extend_from_slice(b",\"active\":");
        bool(out, self.active);
        out.extend_from_slice(b",\"created_at\":");
        time(out, self.created_at);
        out.extend_from_slice(b",\"updated_at\":");
        time(out, self.updated_at);
    }

    pub fn write(&self, out: &mut Vec<u8>) {
        self.open(out);
        out.push(b'}');
    }
}

/// A review.
pub struct Review<'a> {
    pub id: &'a [u8],
    pub product: &'a [u8],
    pub rating: i64,
    pub body: &'a [u8],
    pub created_at: i64,
    pub updated_at: i64,
}

impl Review<'_> {
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"id\":");
        uuid(out, self.id);
        out.extend_from_slice(b",\"product\":");
        uuid(out, self.product);
        out.extend_from_slice(b",\"rating\":");
        int(out, self.rating);
        out.extend_from_slice(b",\"body\":");
        string(out, self.body);
        out.extend_from_slice(b",\"created_at\":");
        time(out, self.created_at);
        out.extend_from_slice(b",\"updated_at\":");
        time(out, self.updated_at);
        out.push(b'}');
    }
}

/// What the products of a category amount to.
pub struct Group<'a> {
    pub category: &'a [u8],
    pub count: i64,
    pub sum: i64,
    pub max: i64,
}

impl Group<'_> {
    /// With the average rounded half to even at four digits; prices are positive.
    pub fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(b"{\"category\":");
        string(out, self.category);
        out.extend_from_slice(b",\"count\":");
        int(out, self.count);
        out.extend_from_slice(b",\"sum_price\":");
        int(out, self.sum);
        let (units, n) = (i128::from(self.sum) * 10_000, i128::from(self.count));
        let (whole, rest) = (units / n, units % n * 2);
        let average = whole + i128::from(rest > n || rest == n && whole % 2 == 1);
        out.extend_from_slice(b",\"avg_price\":\"");
        int(out, (average / 10_000) as i64);
        out.push(b'.');
        let fraction = (average % 10_000) as usize;
        out.extend_from_slice(&DECIMAL[fraction / 100]);
        out.extend_from_slice(&DECIMAL[fraction % 100]);
        out.extend_from_slice(b"\",\"max_price\":");
        int(out, self.max);
        out.push(b'}');
    }
}

/// Ends `{"data":[…` of a list. The cursor names the last record's place, where a full page was found.
pub fn close_list(out: &mut Vec<u8>, full: bool, last_price: i64, last_id: &[u8]) {
    out.extend_from_slice(b"],\"next_cursor\":");
    if full {
        out.push(b'"');
        int(out, last_price);
        out.push(b'_');
        for byte in last_id {
            out.extend_from_slice(&HEX[*byte as usize]);
        }
        out.extend_from_slice(b"\"}");
    } else {
        out.extend_from_slice(b"null}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(write: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        write(&mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn times_are_rfc_3339() {
        assert_eq!(text(|o| time(o, 0)), "\"1970-01-01T00:00:00.000000Z\"");
        assert_eq!(
            text(|o| time(o, 1_709_251_199_000_042)),
            "\"2024-02-29T23:59:59.000042Z\""
        );
        assert_eq!(
            text(|o| time(o, MICROS_1970_TO_2000 - 1)),
            "\"1999-12-31T23:59:59.999999Z\""
        );
    }

    #[test]
    fn strings_are_what_serde_json_writes() {
        let mut cases: Vec<String> = (0u8..128)
            .map(|b| format!("before {} after", b as char))
            .collect();
        cases.extend((0u8..128).map(|b| (b as char).to_string()));
        cases.extend(["", "äöü € 🦀 1234567", "a\"b\\c\u{1}d"].map(String::from));
        for case in cases {
            assert_eq!(
                text(|o| string(o, case.as_bytes())),
                serde_json::to_string(&case).unwrap()
            );
        }
    }

    #[test]
    fn uuids_have_four_dashes() {
        let bytes = u128::to_be_bytes(0x0194_1f29_7c00_7000_8000_0123_4567_89ab);
        assert_eq!(
            text(|o| uuid(o, &bytes)),
            "\"01941f29-7c00-7000-8000-0123456789ab\""
        );
    }
}
