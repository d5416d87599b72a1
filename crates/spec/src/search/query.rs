//! What a caller searches for: words that must all be there, `"phrases in quotes"`, beginnings of words (`sho*`), and
//! what must not be there (`-used`). Every text is a search or has nothing to search for; there are no other operators.

use super::letters::{self, Kind};
use super::words;

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Query {
    /// In the order in which they were said, each once. One of them at least is required.
    terms: Vec<Term>,
}

/// A word, or several that stand in a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    pub words: Vec<String>,
    /// The last word may go on.
    pub prefix: bool,
    /// It must not be there.
    pub excluded: bool,
}

/// Why a text cannot be searched for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Misread {
    /// There is no word in it.
    Nothing,
    /// It says only what must not be there.
    OnlyExcluded,
    TooManyWords,
}

impl Query {
    /// Reads a search of at most so many words.
    pub fn parse(text: &str, most: usize) -> Result<Query, Misread> {
        let mut terms: Vec<Term> = Vec::new();
        let mut count = 0;
        let mut rest = text.trim_start();
        while !rest.is_empty() {
            let excluded = rest.starts_with('-');
            let behind = rest.strip_prefix('-').unwrap_or(rest);
            let (said, prefix, next) = match behind.strip_prefix('"') {
                // A phrase that is not closed goes on to the end, as it does while somebody types it.
                Some(inside) => {
                    let (said, next) = inside.split_once('"').unwrap_or((inside, ""));
                    (said, next.starts_with('*'), next)
                }
                None => {
                    let end = behind.find(|c: char| c.is_whitespace() || c == '"');
                    let (said, next) = behind.split_at(end.unwrap_or(behind.len()));
                    (said, said.ends_with('*'), next)
                }
            };
            rest = next.trim_start_matches('*').trim_start();
            let mut term = Term {
                words: Vec::new(),
                prefix,
                excluded,
            };
            words::each(said, |word, _| term.words.push(word.to_owned()));
            let Some(last) = term.words.last() else {
                continue;
            };
            // Where each character is a word, none goes on.
            term.prefix &= !last.chars().all(|c| letters::kind(c) == Kind::Single);
            count += term.words.len();
            if count > most {
                return Err(Misread::TooManyWords);
            }
            if !terms.contains(&term) {
                terms.push(term);
            }
        }
        match (terms.is_empty(), terms.iter().any(|term| !term.excluded)) {
            (true, _) => Err(Misread::Nothing),
            (false, false) => Err(Misread::OnlyExcluded),
            (false, true) => Ok(Query { terms }),
        }
    }

    pub fn required(&self) -> impl Iterator<Item = &Term> + Clone {
        self.terms.iter().filter(|term| !term.excluded)
    }

    pub fn excluded(&self) -> impl Iterator<Item = &Term> + Clone {
        self.terms.iter().filter(|term| term.excluded)
    }

    /// The words of all that is required in a row, each with whether it may go on; none where that is one term only.
    pub fn row(&self) -> Option<Vec<(&str, bool)>> {
        (self.required().count() > 1).then(|| self.required().flat_map(Term::parts).collect())
    }

    /// As [`Query::decode`] reads it: a line for each term.
    pub fn encode(&self) -> String {
        let line = |term: &Term| {
            let before = if term.excluded { "-" } else { "" };
            let behind = if term.prefix { "*" } else { "" };
            format!("{before}{}{behind}", term.words.join(" "))
        };
        let lines: Vec<String> = self.terms.iter().map(line).collect();
        lines.join("\n")
    }

    /// What [`Query::encode`] wrote. Words have no characters that mean something there.
    pub fn decode(text: &str) -> Query {
        let term = |line: &str| {
            let words = line.trim_start_matches('-').trim_end_matches('*');
            Term {
                words: words.split(' ').map(str::to_owned).collect(),
                prefix: line.ends_with('*'),
                excluded: line.starts_with('-'),
            }
        };
        Query {
            terms: text.split('\n').map(term).collect(),
        }
    }
}

impl Term {
    /// Its words, each with whether it may go on.
    pub fn parts(&self) -> impl Iterator<Item = (&str, bool)> {
        let last = self.words.len() - 1;
        let words = self.words.iter().enumerate();
        words.map(move |(at, word)| (word.as_str(), self.prefix && at == last))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, Misread> {
        let query = Query::parse(text, 12)?;
        let encoded = query.encode();
        assert_eq!(Query::decode(&encoded), query, "{text}");
        Ok(encoded.replace('\n', " | "))
    }

    #[test]
    fn a_search_is_words_phrases_beginnings_and_exclusions() {
        let table = [
            ("red shoes", "red | shoes"),
            ("  RED   red ", "red"),
            ("\"red shoes\" cheap", "red shoes | cheap"),
            ("sho*", "sho*"),
            ("\"red sho\"*", "red sho*"),
            ("\"red sho\"* x", "red sho* | x"),
            ("red -used -\"very old\"", "red | -used | -very old"),
            ("wi-fi o'brien a@b.c", "wi fi | o brien | a b c"),
            ("\"not closed", "not closed"),
            ("one\"two three\"four", "one | two three | four"),
            ("東京*", "東 京"),
            ("3.14*", "3 14*"),
            ("a - b -- c", "a | b | c"),
            (
                "a NEAR b OR c AND NOT d",
                "a | near | b | or | c | and | not | d",
            ),
            ("name:x ^y {z} (q) k+l", "name x | y | z | q | k l"),
            ("'; DROP TABLE x; --", "drop | table | x"),
            ("x\0y \u{FEFF}z", "x y | z"),
            ("** *x* \"\" -", "x*"),
            ("& | ! <-> x", "x"),
        ];
        for (text, wanted) in table {
            assert_eq!(read(text).as_deref(), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn there_must_be_something_to_search_for() {
        for text in ["", " ", "*", "\"\"", "-", "!?", "- - -"] {
            assert_eq!(read(text), Err(Misread::Nothing), "{text}");
        }
        assert_eq!(read("-used"), Err(Misread::OnlyExcluded));
        assert_eq!(read(&"x1 ".repeat(13)), Err(Misread::TooManyWords));
        assert_eq!(
            read("\"a b c d e f g h i j k l m\""),
            Err(Misread::TooManyWords)
        );
    }
}
