//! A text → its words: lower case, without accents, each with its place.

use super::letters::{self, FOLDED, Kind, UNFOLDED};
use std::ops::Range;
use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// Words of a field that are searched: PostgreSQL's `tsvector` counts their places up to 16,383.
pub const WORDS: usize = 16_000;

/// Characters of a field's words, and of the spaces between them, that are searched: a `tsvector` holds 1 MB.
pub const CHARACTERS: usize = 100_000;

/// Characters of a word; what is behind them does not count.
pub const LONGEST: usize = 64;

/// Hands out each word, with the bytes of the text that it is made of.
pub fn each(text: &str, take: impl FnMut(&str, Range<usize>)) {
    let mut words = Words {
        take,
        word: String::with_capacity(4 * LONGEST),
        letters: 0,
        bytes: 0..0,
        used: 0,
        count: 0,
    };
    let bytes = text.as_bytes();
    let mut at = 0;
    while at < bytes.len() && words.count < WORDS && words.used < CHARACTERS {
        let byte = bytes[at];
        if byte.is_ascii() && bytes.get(at + 1).is_none_or(u8::is_ascii) {
            // Nothing joins what is ASCII alone.
            match byte.is_ascii_alphanumeric() {
                true => words.letter(byte.to_ascii_lowercase().into(), at..at + 1),
                false => words.end(),
            }
            at += 1;
        } else {
            let end = at + cluster(&text[at..]);
            words.cluster(&text[at..end], at..end);
            at = end;
        }
    }
    words.end();
}

/// The words of a text with spaces between them, as SQLite's index takes them.
pub fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    each(text, |word, _| {
        if !out.is_empty() {
            out.push(' ');
        }
        out.push_str(word);
    });
    out
}

/// The bytes of the first character and of what joins it: normalising these is normalising the text, piece by piece.
fn cluster(text: &str) -> usize {
    let joins = |c: char| {
        is_combining_mark(c)
            || letters::is_dropped(c)
            // Vowels and endings of Hangul, and the halfwidth marks of Katakana.
            || matches!(c, '\u{1160}'..='\u{11FF}' | '\u{FF9E}' | '\u{FF9F}')
    };
    let mut chars = text.char_indices().skip(1);
    chars
        .find(|(_, c)| !joins(*c))
        .map_or(text.len(), |(at, _)| at)
}

struct Words<F> {
    take: F,
    word: String,
    /// Characters in `word`.
    letters: usize,
    bytes: Range<usize>,
    /// Characters of all words so far, with a space before each but the first.
    used: usize,
    count: usize,
}

impl<F: FnMut(&str, Range<usize>)> Words<F> {
    fn cluster(&mut self, text: &str, bytes: Range<usize>) {
        let mut marks = 0;
        let few = text.chars().filter(|c| {
            if letters::is_dropped(*c) {
                return false;
            }
            marks = if letters::is_mark(*c) { marks + 1 } else { 0 };
            marks <= letters::IN_A_ROW
        });
        let kept = few.nfkd().filter(|c| !letters::is_dropped(*c));
        for c in kept.nfc().flat_map(char::to_lowercase) {
            if let Some((_, as_two)) = UNFOLDED.iter().find(|(one, _)| *one == c) {
                for c in as_two.chars() {
                    self.letter(c, bytes.clone());
                }
                continue;
            }
            let c = FOLDED
                .iter()
                .find(|(one, _)| *one == c)
                .map_or(c, |(_, to)| *to);
            match letters::kind(c) {
                Kind::Letter => self.letter(c, bytes.clone()),
                Kind::Separator => self.end(),
                Kind::Single => {
                    self.end();
                    self.letter(c, bytes.clone());
                    self.end();
                }
            }
        }
    }

    fn letter(&mut self, c: char, bytes: Range<usize>) {
        if self.word.is_empty() {
            self.used += usize::from(self.count > 0);
            self.bytes.start = bytes.start;
        }
        if self.used >= CHARACTERS || self.count >= WORDS {
            return;
        }
        self.used += 1;
        self.bytes.end = bytes.end;
        if self.letters < LONGEST {
            self.word.push(c);
            self.letters += 1;
        }
    }

    fn end(&mut self) {
        if self.word.is_empty() {
            return;
        }
        (self.take)(&self.word, self.bytes.clone());
        self.count += 1;
        self.word.clear();
        self.letters = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_lower_case_and_without_accents() {
        let table = [
            ("Red Shoes", "red shoes"),
            ("Crème Brûlée, ÇA VA?", "creme brulee ca va"),
            ("Cre\u{300}me", "creme"),
            ("Łódź Straße Ærø Þór", "lodz strasse aero thor"),
            ("don't O’Brien e-mail", "don t o brien e mail"),
            (
                "anna@example.com v2.10 1,000",
                "anna example com v2 10 1 000",
            ),
            ("snake_case 3rd", "snake case 3rd"),
            ("ΣΊΣΥΦΟΣ σίσυφος", "σισυφοσ σισυφοσ"),
            ("Йод Ёлка", "иод елка"),
            ("東京都 タワー", "東 京 都 タ ワ ー"),
            ("ﾄﾞｱ か\u{3099}", "ド ア が"),
            ("한국 \u{1112}\u{1161}\u{11ab}", "한 국 한"),
            ("ﬁn ①② Ｆｕｌｌ ½", "fin 12 full 1 2"),
            ("I ❤\u{FE0F} 🎉🎉x", "i ❤ 🎉 🎉 x"),
            ("co\u{AD}operate می\u{200C}خواهم", "cooperate میخواهم"),
            ("שָׁלוֹם كِتَاب أحمد", "שלום كتاب احمد"),
            ("हिन्दी", "हिन्दी"),
            ("  \t\n-- ", ""),
            ("", ""),
        ];
        for (text, wanted) in table {
            assert_eq!(plain(text), wanted, "{text}");
        }
    }

    #[test]
    fn a_word_knows_where_it_came_from() {
        let text = "A Crème-brûlée, 東京";
        let mut found = Vec::new();
        each(text, |word, bytes| {
            found.push((word.to_owned(), &text[bytes]))
        });
        let words: Vec<(&str, &str)> = found.iter().map(|(w, t)| (w.as_str(), *t)).collect();
        let wanted = [
            ("a", "A"),
            ("creme", "Crème"),
            ("brulee", "brûlée"),
            ("東", "東"),
            ("京", "京"),
        ];
        assert_eq!(words, wanted);
    }

    #[test]
    fn what_is_searched_of_a_text_is_bounded() {
        let words = plain(&"ab ".repeat(50_000));
        assert_eq!(words.split(' ').count(), WORDS);
        assert_eq!(plain(&"x".repeat(200_000)), "x".repeat(LONGEST));
        let long = "y".repeat(99);
        let many = plain(&format!("{long} ").repeat(2_000));
        assert_eq!(many.split(' ').count(), 1_000);
        // Marks that no script has so many of.
        let marks = format!("क{}ख", "\u{94D}\u{93C}".repeat(10_000));
        assert_eq!(plain(&marks).chars().count(), 1 + letters::IN_A_ROW + 1);
    }
}
