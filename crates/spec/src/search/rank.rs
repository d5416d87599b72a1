//! How well a record answers a search.
//!
//! | for each field | points, times the field's weight |
//! |---|---|
//! | a term that stands there | [`FOUND`]; where it is a beginning of a word, half of that, and the rest where it is a whole one |
//! | several terms in a row, in the order of the search | [`ROW`] each |
//! | the field is what was searched for, and nothing else | [`WHOLE`] for each term |
//!
//! The last field that is searched weighs 1, each before it twice as much as the next.

use super::query::{Query, Term};
use super::words;

pub const FOUND: i64 = 2;
/// Of [`FOUND`], where a beginning of a word was asked for and the word ends there.
pub const EXACT: i64 = 1;
pub const ROW: i64 = 2;
pub const WHOLE: i64 = 4;

/// What a field weighs, the `at`th of `count`.
pub fn weight(at: usize, count: usize) -> i64 {
    1 << (count - 1 - at)
}

/// The rank of a record with these fields, null where the caller sees none; none where it is no answer.
pub fn rank(query: &Query, fields: &[Option<&str>]) -> Option<i64> {
    let patterns = Patterns::of(query);
    let required = query.required().count();
    let mut found = vec![false; required];
    let mut points = 0;
    for (at, text) in fields.iter().enumerate() {
        let Some(text) = text else { continue };
        let seen = patterns.look(text);
        if query.excluded().any(|term| seen.has(term)) {
            return None;
        }
        let mut own = 0;
        for (term, found) in query.required().zip(&mut found) {
            if !seen.has(term) {
                continue;
            }
            *found = true;
            own += match term.prefix {
                false => FOUND,
                true if seen
                    .has_row(term.words.iter().map(|word| (word.as_str(), false)))
                    .is_some() =>
                {
                    FOUND
                }
                true => FOUND - EXACT,
            };
        }
        if let Some(row) = query.row()
            && seen.has_row(row.into_iter()).is_some()
        {
            own += ROW * required as i64;
        }
        let all: Vec<(&str, bool)> = query
            .required()
            .flat_map(|term| term.words.iter().map(|word| (word.as_str(), false)))
            .collect();
        if seen.words == all.len() && seen.has_row(all.into_iter()) == Some(0) {
            own += WHOLE * required as i64;
        }
        points += own * weight(at, fields.len());
    }
    found.iter().all(|found| *found).then_some(points)
}

/// The words that a search asks for, each once as itself and once as a beginning where it is one.
pub(super) struct Patterns<'q> {
    words: Vec<(&'q str, bool)>,
}

impl<'q> Patterns<'q> {
    pub fn of(query: &'q Query) -> Patterns<'q> {
        let mut out: Vec<(&str, bool)> = Vec::new();
        for term in query.required().chain(query.excluded()) {
            let exact = term.words.iter().map(|word| (word.as_str(), false));
            for pattern in exact.chain(term.parts()) {
                if !out.contains(&pattern) {
                    out.push(pattern);
                }
            }
        }
        Patterns { words: out }
    }

    pub fn look(&self, text: &str) -> Seen<'_> {
        let mut places = vec![Vec::new(); self.words.len()];
        let mut count = 0;
        words::each(text, |word, _| {
            for ((pattern, prefix), places) in self.words.iter().zip(&mut places) {
                if word == *pattern || *prefix && word.starts_with(pattern) {
                    places.push(count);
                }
            }
            count += 1;
        });
        Seen {
            patterns: &self.words,
            places,
            words: count,
        }
    }
}

/// Where in a text the words are.
pub(super) struct Seen<'p> {
    patterns: &'p [(&'p str, bool)],
    /// Of each pattern, in order.
    places: Vec<Vec<usize>>,
    /// How many words the text has.
    pub words: usize,
}

impl Seen<'_> {
    fn has(&self, term: &Term) -> bool {
        self.has_row(term.parts()).is_some()
    }

    fn places(&self, pattern: (&str, bool)) -> &[usize] {
        let at = self.patterns.iter().position(|one| *one == pattern);
        at.map_or(&[], |at| &self.places[at])
    }

    /// The first place where these words stand in a row.
    fn has_row<'w>(&self, words: impl Iterator<Item = (&'w str, bool)>) -> Option<usize> {
        self.rows(words).first().copied()
    }

    /// All of them.
    pub fn rows<'w>(&self, mut words: impl Iterator<Item = (&'w str, bool)>) -> Vec<usize> {
        let Some(first) = words.next() else {
            return Vec::new();
        };
        let mut starts = self.places(first).to_vec();
        for (behind, word) in words.enumerate() {
            let places = self.places(word);
            starts.retain(|start| places.binary_search(&(start + behind + 1)).is_ok());
        }
        starts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranked(search: &str, fields: &[&str]) -> Option<i64> {
        let query = Query::parse(search, 32).unwrap();
        let fields: Vec<Option<&str>> = fields.iter().map(|text| Some(*text)).collect();
        rank(&query, &fields)
    }

    #[test]
    fn what_is_nearer_to_the_search_ranks_higher() {
        let best_first = [
            ["red shoe", "x"],
            ["A red shoe", "a red shoe"],
            ["A red shoe", "red"],
            ["A red shoe", ""],
            ["shoe, red", "red"],
            ["shoe, red", ""],
            ["shoe", "a red one"],
            ["", "shoes? A shoe of red"],
        ];
        let ranks: Vec<_> = best_first
            .iter()
            .map(|fields| ranked("red shoe", fields))
            .collect();
        assert!(ranks.iter().all(Option::is_some), "{ranks:?}");
        assert!(ranks.windows(2).all(|two| two[0] > two[1]), "{ranks:?}");
    }

    #[test]
    fn every_word_must_be_there_and_none_that_is_excluded() {
        assert_eq!(ranked("red shoe", &["red", "hat"]), None);
        assert_eq!(ranked("red -hat", &["red", "hat"]), None);
        assert_eq!(
            ranked("red -\"hat box\"", &["red", "hat, and box"]),
            Some(2 * (FOUND + WHOLE))
        );
        assert_eq!(ranked("\"red hat\"", &["red", "hat"]), None);
        assert_eq!(ranked("sho*", &["Shoes", ""]), Some(2 * (FOUND - EXACT)));
        assert_eq!(ranked("sho*", &["a sho", ""]), Some(2 * FOUND));
        assert_eq!(ranked("sho", &["shoes", ""]), None);
        assert_eq!(
            ranked("\"red sho\"*", &["a red shoe", ""]),
            Some(2 * (FOUND - EXACT))
        );
        assert_eq!(
            rank(&Query::parse("red", 9).unwrap(), &[None, Some("red")]),
            Some(FOUND + WHOLE)
        );
    }
}
