//! Which characters words are made of. The tables are fixed, and not those of the standard library, which follow
//! Unicode's versions: what an index was filled with must be what a search asks for, also after an update.
//!
//! Drawn from Unicode 14, blocks that no table of categories would keep together rounded to whole ones.

/// What stands between words, after compatibility decomposition.
pub const SEPARATORS: &[(u32, u32)] = &[
    (0x0, 0x2F),
    (0x3A, 0x60),
    (0x7B, 0xAC),
    (0xAE, 0xD7),
    (0xF7, 0xF7),
    (0x2C2, 0x2C5),
    (0x2D2, 0x2EB),
    (0x2ED, 0x2ED),
    (0x2EF, 0x2FF),
    (0x375, 0x375),
    (0x3F6, 0x3F6),
    (0x482, 0x482),
    (0x55A, 0x55F),
    (0x589, 0x58F),
    (0x5BE, 0x5BE),
    (0x5C0, 0x5C0),
    (0x5C3, 0x5C3),
    (0x5C6, 0x5C6),
    (0x5F3, 0x60F),
    (0x61B, 0x61F),
    (0x66A, 0x66D),
    (0x6D4, 0x6D4),
    (0x6DD, 0x6DE),
    (0x6E9, 0x6E9),
    (0x6FD, 0x6FE),
    (0x700, 0x70F),
    (0x7F6, 0x7F9),
    (0x7FE, 0x7FF),
    (0x830, 0x83E),
    (0x85E, 0x85E),
    (0x888, 0x888),
    (0x890, 0x891),
    (0x8E2, 0x8E2),
    (0x964, 0x965),
    (0x970, 0x970),
    (0x9F2, 0x9F3),
    (0x9FA, 0x9FB),
    (0x9FD, 0x9FD),
    (0xA76, 0xA76),
    (0xAF0, 0xAF1),
    (0xB70, 0xB70),
    (0xBF3, 0xBFA),
    (0xC77, 0xC77),
    (0xC7F, 0xC7F),
    (0xC84, 0xC84),
    (0xD4F, 0xD4F),
    (0xD79, 0xD79),
    (0xDF4, 0xDF4),
    (0xF01, 0xF17),
    (0xF1A, 0xF1F),
    (0xF34, 0xF34),
    (0xF36, 0xF36),
    (0xF38, 0xF38),
    (0xF3A, 0xF3D),
    (0xF85, 0xF85),
    (0xFBE, 0xFC5),
    (0xFC7, 0xFDA),
    (0x10FB, 0x10FB),
    (0x1360, 0x1368),
    (0x1390, 0x1399),
    (0x1400, 0x1400),
    (0x166D, 0x166E),
    (0x1680, 0x1680),
    (0x169B, 0x169C),
    (0x16EB, 0x16ED),
    (0x1735, 0x1736),
    (0x1800, 0x180A),
    (0x180E, 0x180E),
    (0x1940, 0x1945),
    (0x19DE, 0x19FF),
    (0x1A1E, 0x1A1F),
    (0x1AA0, 0x1AA6),
    (0x1AA8, 0x1AAD),
    (0x1B5A, 0x1B6A),
    (0x1B74, 0x1B7E),
    (0x1BFC, 0x1BFF),
    (0x1C3B, 0x1C3F),
    (0x1C7E, 0x1C7F),
    (0x1CC0, 0x1CC7),
    (0x1CD3, 0x1CD3),
    (0x200B, 0x200B),
    (0x200E, 0x20C0),
    (0x2104, 0x214D),
    (0x214F, 0x214F),
    (0x218A, 0x244A),
    (0x2500, 0x25FF),
    (0x27C0, 0x2BFF),
    (0x2CE5, 0x2CEA),
    (0x2CF9, 0x2CFC),
    (0x2CFE, 0x2CFF),
    (0x2D70, 0x2D70),
    (0x2E00, 0x2E2E),
    (0x2E30, 0x2E5D),
    (0x2FF0, 0x3004),
    (0x3008, 0x3020),
    (0x3030, 0x3030),
    (0x3037, 0x3037),
    (0x303D, 0x303F),
    (0x30A0, 0x30A0),
    (0x30FB, 0x30FB),
    (0x3190, 0x3191),
    (0x31C0, 0x31E3),
    (0x327F, 0x327F),
    (0x4DC0, 0x4DFF),
    (0xA4FE, 0xA4FF),
    (0xA60D, 0xA60F),
    (0xA673, 0xA673),
    (0xA67E, 0xA67E),
    (0xA6F2, 0xA716),
    (0xA720, 0xA721),
    (0xA789, 0xA78A),
    (0xA828, 0xA82B),
    (0xA836, 0xA839),
    (0xA874, 0xA877),
    (0xA8CE, 0xA8CF),
    (0xA8F8, 0xA8FA),
    (0xA8FC, 0xA8FC),
    (0xA92E, 0xA92F),
    (0xA95F, 0xA95F),
    (0xA9C1, 0xA9CD),
    (0xA9DE, 0xA9DF),
    (0xAA5C, 0xAA5F),
    (0xAA77, 0xAA79),
    (0xAADE, 0xAADF),
    (0xAAF0, 0xAAF1),
    (0xAB5B, 0xAB5B),
    (0xAB6A, 0xAB6B),
    (0xABEB, 0xABEB),
    (0xE000, 0xF8FF),
    (0xFBB2, 0xFDFF),
    (0xFE45, 0xFE46),
    (0xFEFF, 0xFFFD),
    (0x1D000, 0x1D24F),
    (0xE0000, 0x10FFFF),
];

/// Each a word of its own: characters of scripts that put no space between words, and pictures.
pub const SINGLE: &[(u32, u32)] = &[
    // Thai, Lao; Myanmar; Khmer.
    (0xE00, 0xEFF),
    (0x1000, 0x109F),
    (0x1780, 0x17FF),
    (0x2600, 0x27BF),
    (0x2E80, 0x2FDF),
    // Chinese, Japanese, Korean.
    (0x3005, 0x3007),
    (0x3021, 0x3029),
    (0x3031, 0x3035),
    (0x303B, 0x303C),
    (0x3041, 0x309F),
    (0x30A1, 0x30FA),
    (0x30FC, 0x30FF),
    (0x3105, 0x312F),
    (0x31A0, 0x31BF),
    (0x31F0, 0x31FF),
    (0x3400, 0x4DBF),
    (0x4E00, 0xA4CF),
    (0xAC00, 0xD7FF),
    (0xF900, 0xFAFF),
    // Emoji.
    (0x1F000, 0x1FBFF),
    (0x20000, 0x3FFFF),
];

/// Left out of words as if they were not there: accents and points, hyphens and joiners that nobody sees, variants.
pub const DROPPED: &[(u32, u32)] = &[
    (0xAD, 0xAD),
    (0x300, 0x36F),
    // Hebrew and Arabic are searched without their vowels.
    (0x591, 0x5BD),
    (0x5BF, 0x5BF),
    (0x5C1, 0x5C2),
    (0x5C4, 0x5C5),
    (0x5C7, 0x5C7),
    (0x610, 0x61A),
    (0x640, 0x640),
    (0x64B, 0x65F),
    (0x670, 0x670),
    (0x1AB0, 0x1AFF),
    (0x1DC0, 0x1DFF),
    (0x200C, 0x200D),
    (0x20D0, 0x20FF),
    (0xFE00, 0xFE0F),
    (0xFE20, 0xFE2F),
];

/// Letters that have no accent to lose and are still searched as what they look like.
pub const FOLDED: &[(char, char)] = &[
    ('ς', 'σ'),
    ('ø', 'o'),
    ('đ', 'd'),
    ('ð', 'd'),
    ('ħ', 'h'),
    ('ı', 'i'),
    ('ł', 'l'),
    ('ŧ', 't'),
];

/// The same of letters that are two.
pub const UNFOLDED: &[(char, &str)] = &[('ß', "ss"), ('æ', "ae"), ('œ', "oe"), ('þ', "th")];

/// What a character is to words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Letter,
    Separator,
    Single,
}

pub fn kind(c: char) -> Kind {
    if c.is_ascii() {
        return match c.is_ascii_alphanumeric() {
            true => Kind::Letter,
            false => Kind::Separator,
        };
    }
    // Before the separators: rounded ranges of those may lie around a single one.
    if within(SINGLE, c) {
        Kind::Single
    } else if within(SEPARATORS, c) {
        Kind::Separator
    } else {
        Kind::Letter
    }
}

pub fn is_dropped(c: char) -> bool {
    !c.is_ascii() && within(DROPPED, c)
}

fn within(ranges: &[(u32, u32)], c: char) -> bool {
    let c = u32::from(c);
    let at = ranges.partition_point(|(_, last)| *last < c);
    ranges.get(at).is_some_and(|(first, _)| *first <= c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_tables_are_sorted_and_apart() {
        for table in [SEPARATORS, SINGLE, DROPPED] {
            assert!(table.iter().all(|(first, last)| first <= last));
            assert!(table.windows(2).all(|two| two[0].1 < two[1].0));
        }
        for (first, last) in SINGLE.iter().chain(DROPPED) {
            let inside = |c: &u32| SEPARATORS.iter().any(|(a, b)| a <= c && c <= b);
            assert!(
                !(*first..=*last)
                    .any(|c| inside(&c) && !within(SINGLE, char::from_u32(c).unwrap_or('a'))),
                "{first:x}"
            );
        }
    }

    #[test]
    fn what_unicode_calls_letters_and_digits_is_no_separator() {
        use unicode_normalization::UnicodeNormalization as _;
        let odd: Vec<char> = ('\u{80}'..'\u{FFFF}')
            .filter(|c| c.is_alphanumeric() && c.nfkd().eq([*c]) && c.to_lowercase().eq([*c]))
            .filter(|c| kind(*c) == Kind::Separator)
            .collect();
        // Signs of scripts that Unicode 14 did not know, and letters that nobody writes alone.
        assert!(odd.len() < 40, "{odd:?}");
    }
}
