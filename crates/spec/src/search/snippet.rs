//! What is shown of a text that a search found: the part of it that has most of what was searched for.

use super::query::{Query, Term};
use super::rank::Patterns;
use super::words;
use std::ops::Range;

/// Words of a snippet.
const LENGTH: usize = 24;
/// Words of it before the first one that was found.
const BEFORE: usize = 4;
/// Characters of it: what stands between words may be longer than they are.
const CHARACTERS: usize = 320;

/// HTML: the text is escaped, `<mark>` stands around what was found, and `…` where something was left out. None where
/// the text has nothing of what was searched for.
pub fn snippet(query: &Query, text: &str) -> Option<String> {
    let patterns = Patterns::of(query);
    let seen = patterns.look(text);
    // Of each word, which terms it belongs to.
    let mut found: Vec<u64> = vec![0; seen.words];
    for (at, term) in query.required().enumerate() {
        for start in seen.rows(Term::parts(term)) {
            for word in &mut found[start..start + term.words.len()] {
                *word |= 1 << (at % 64);
            }
        }
    }
    let first = best(&found)?;
    let mut places: Vec<Range<usize>> = Vec::with_capacity(seen.words);
    words::each(text, |_, bytes| places.push(bytes));
    // A text that is a little longer than a snippet is shown whole.
    let from = match seen.words <= LENGTH + BEFORE {
        true => 0,
        false => first.saturating_sub(BEFORE).min(seen.words - LENGTH),
    };
    let to = match seen.words <= LENGTH + BEFORE {
        true => seen.words,
        false => (from + LENGTH).min(seen.words),
    };
    Some(write(text, &places[from..to], &found[from..to], from > 0))
}

/// The place from which most terms are near, the first of such.
fn best(found: &[u64]) -> Option<usize> {
    let near = |at: usize| {
        let end = (at + LENGTH - BEFORE).min(found.len());
        found[at..end]
            .iter()
            .fold(0, |all, one| all | one)
            .count_ones()
    };
    let mut best = None;
    for at in (0..found.len()).filter(|at| found[*at] != 0) {
        if best.is_none_or(|(most, _)| near(at) > most) {
            best = Some((near(at), at));
        }
    }
    best.map(|(_, at)| at)
}

fn write(text: &str, places: &[Range<usize>], found: &[u64], cut: bool) -> String {
    let mut out = Snippet {
        html: String::with_capacity(256),
        left: CHARACTERS,
    };
    let start = match cut {
        true => places[0].start,
        // What stands before the first word, if it is not much.
        false => Some(0)
            .filter(|_| places[0].start <= 16)
            .unwrap_or(places[0].start),
    };
    if start > 0 {
        out.html.push('…');
    }
    let mut at = start;
    let mut marked = false;
    for (place, found) in places.iter().zip(found) {
        // Two words may be of one character: `½`.
        let place = place.start.max(at)..place.end.max(at);
        let marks = *found != 0;
        if marked && !(marks && place.start == at) {
            out.html.push_str("</mark>");
            marked = false;
        }
        out.escaped(&text[at..place.start]);
        if out.left == 0 {
            break;
        }
        if marks && !marked {
            out.html.push_str("<mark>");
            marked = true;
        }
        out.escaped(&text[place.clone()]);
        at = place.end;
    }
    if marked {
        out.html.push_str("</mark>");
    }
    let rest = &text[at..];
    if out.left > 0 && rest.len() <= 16 && !rest.chars().any(char::is_alphanumeric) {
        out.escaped(rest);
    } else {
        out.html.push('…');
    }
    out.html
}

struct Snippet {
    html: String,
    left: usize,
}

impl Snippet {
    fn escaped(&mut self, text: &str) {
        for c in text.chars().take(self.left) {
            self.left -= 1;
            match c {
                '&' => self.html.push_str("&amp;"),
                '<' => self.html.push_str("&lt;"),
                '>' => self.html.push_str("&gt;"),
                '"' => self.html.push_str("&quot;"),
                '\'' => self.html.push_str("&#39;"),
                c => self.html.push(c),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(search: &str, text: &str) -> Option<String> {
        snippet(&Query::parse(search, 32).unwrap(), text)
    }

    #[test]
    fn what_was_found_is_marked_and_the_rest_is_escaped() {
        let table = [
            ("red", "A red shoe.", "A <mark>red</mark> shoe."),
            ("cafe", "Au Café, à Paris", "Au <mark>Café</mark>, à Paris"),
            (
                "sho*",
                "shoes & Show",
                "<mark>shoes</mark> &amp; <mark>Show</mark>",
            ),
            (
                "\"red shoe\"",
                "red, a red shoe",
                "red, a <mark>red</mark> <mark>shoe</mark>",
            ),
            ("東京", "東京都", "<mark>東京</mark>都"),
            (
                "b",
                "<b onclick='x'>\"b\"</b>",
                "&lt;<mark>b</mark> onclick=&#39;x&#39;&gt;&quot;<mark>b</mark>&quot;&lt;/<mark>b</mark>&gt;",
            ),
            (
                "mark",
                "</mark><script>",
                "&lt;/<mark>mark</mark>&gt;&lt;script&gt;",
            ),
            (
                "half 1",
                "half ½ cup",
                "<mark>half</mark> <mark>½</mark> cup",
            ),
            ("red -x", "red", "<mark>red</mark>"),
        ];
        for (search, text, wanted) in table {
            assert_eq!(shown(search, text).as_deref(), Some(wanted), "{search}");
        }
        assert_eq!(shown("blue", "red"), None);
    }

    #[test]
    fn the_part_with_most_of_the_search_is_shown() {
        let filler = "word ".repeat(100);
        let text = format!("red {filler}a red shoe here {filler}");
        let html = shown("red shoe", &text).unwrap();
        assert!(
            html.starts_with("…word word word a <mark>red</mark> <mark>shoe</mark> here"),
            "{html}"
        );
        assert!(html.ends_with("word…"), "{html}");
        assert!(html.len() < 200);
    }

    #[test]
    fn a_snippet_is_short_whatever_stands_between_words() {
        let text = format!("red{}shoe{}", "<".repeat(5_000), "&".repeat(5_000));
        for search in ["red", "shoe", "red shoe"] {
            let html = shown(search, &text).unwrap();
            assert!(html.len() < 2_000, "{}", html.len());
            assert_eq!(
                html.matches("<mark>").count(),
                html.matches("</mark>").count()
            );
        }
    }
}
