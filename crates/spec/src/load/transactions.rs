//! Statements of a data step that would begin or end a transaction: it runs in one that is not its own.
//!
//! This reads no SQL. It tells statements apart, and looks at the word that each begins with. What it overlooks is found
//! when the step runs, which is later than one likes.

use crate::schema::Dialect;
use std::ops::Range;

/// Where statements stand that are about transactions.
pub(super) fn of(text: &str, dialect: Dialect) -> Vec<Range<usize>> {
    let mut out = Vec::new();
    let mut scan = Scan {
        text,
        dialect,
        at: 0,
    };
    let mut statement = Statement::default();
    while let Some(token) = scan.next() {
        match token {
            Token::Word(at) => {
                if let Some(found) = statement.word(&text[at.clone()].to_ascii_uppercase(), at) {
                    out.push(found);
                }
            }
            Token::End if statement.blocks == 0 => statement = Statement::default(),
            Token::End => {}
            Token::Other => statement.began = true,
        }
    }
    out
}

/// What is known of a statement.
#[derive(Default)]
struct Statement {
    began: bool,
    /// The place of a PREPARE, which is about a transaction or about a statement.
    prepares: Option<Range<usize>>,
    /// It makes something that has statements of its own: a trigger on SQLite, a function on PostgreSQL.
    creates: bool,
    has_body: bool,
    /// How many BEGINs and CASEs of the body are open.
    blocks: u32,
}

impl Statement {
    fn word(&mut self, word: &str, at: Range<usize>) -> Option<Range<usize>> {
        let first = !std::mem::replace(&mut self.began, true);
        if first {
            self.creates = word == "CREATE";
            self.prepares = (word == "PREPARE").then(|| at.clone());
            let about = [
                "ABORT",
                "BEGIN",
                "COMMIT",
                "END",
                "RELEASE",
                "ROLLBACK",
                "SAVEPOINT",
                "START",
            ];
            return about.contains(&word).then_some(at);
        }
        if let Some(prepares) = self.prepares.take() {
            return (word == "TRANSACTION").then_some(prepares);
        }
        if self.creates {
            match word {
                "TRIGGER" | "FUNCTION" | "PROCEDURE" => self.has_body = true,
                "BEGIN" if self.has_body => self.blocks += 1,
                "CASE" if self.blocks > 0 => self.blocks += 1,
                "END" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
        None
    }
}

enum Token {
    Word(Range<usize>),
    /// `;`
    End,
    Other,
}

struct Scan<'t> {
    text: &'t str,
    dialect: Dialect,
    at: usize,
}

impl Scan<'_> {
    fn next(&mut self) -> Option<Token> {
        loop {
            let rest = &self.text[self.at..];
            let first = rest.chars().next()?;
            if first.is_whitespace() || first == '\u{feff}' {
                self.at += first.len_utf8();
            } else if rest.starts_with("--") {
                self.at += rest.find('\n').unwrap_or(rest.len());
            } else if rest.starts_with("/*") {
                self.at += self.comment(rest);
            } else {
                return Some(self.token(rest, first));
            }
        }
    }

    /// The length of a comment. PostgreSQL's stand in one another.
    fn comment(&self, rest: &str) -> usize {
        let (mut depth, mut at) = (0_u32, 0);
        while let Some(next) = rest[at..].find(['/', '*']) {
            at += next;
            let pair = rest.get(at..at + 2);
            match pair {
                Some("/*") if depth == 0 || self.dialect == Dialect::Postgres => {
                    depth += 1;
                    at += 2;
                }
                Some("*/") if depth <= 1 => return at + 2,
                Some("*/") => {
                    depth -= 1;
                    at += 2;
                }
                Some(_) | None => at += 1,
            }
        }
        rest.len()
    }

    fn token(&mut self, rest: &str, first: char) -> Token {
        let (token, length) = match (first, self.dialect) {
            (';', _) => (Token::End, 1),
            ('\'', _) => (Token::Other, quoted(rest, '\'', false)),
            ('"', _) => (Token::Other, quoted(rest, '"', false)),
            ('`', Dialect::Sqlite) => (Token::Other, quoted(rest, '`', false)),
            ('[', Dialect::Sqlite) => (Token::Other, quoted(rest, ']', false)),
            ('e' | 'E', Dialect::Postgres) if rest[1..].starts_with('\'') => {
                (Token::Other, 1 + quoted(&rest[1..], '\'', true))
            }
            ('$', Dialect::Postgres) => (Token::Other, dollars(rest)),
            _ if is_word(first) => {
                let end = rest.find(|c| !is_word(c) && c != '$');
                let length = end.unwrap_or(rest.len());
                (Token::Word(self.at..self.at + length), length)
            }
            _ => (Token::Other, first.len_utf8()),
        };
        self.at += length;
        token
    }
}

fn is_word(c: char) -> bool {
    c.is_alphanumeric() || c == '_'
}

/// The length of what begins with a quote and ends before the first of these that is not doubled.
fn quoted(rest: &str, close: char, backslashes: bool) -> usize {
    let mut inside = rest.char_indices().skip(1).peekable();
    while let Some((at, c)) = inside.next() {
        if c == '\\' && backslashes {
            inside.next();
        } else if c == close {
            match inside.peek() {
                Some((_, next)) if *next == close && close != ']' => {
                    inside.next();
                }
                _ => return at + c.len_utf8(),
            }
        }
    }
    rest.len()
}

/// The length of `$tag$ … $tag$`; of the sign alone where it begins nothing of the kind.
fn dollars(rest: &str) -> usize {
    let tag = rest[1..].find('$').map(|end| &rest[..end + 2]);
    let Some(tag) = tag.filter(|tag| tag[1..tag.len() - 1].chars().all(is_word)) else {
        return 1;
    };
    match rest[tag.len()..].find(tag) {
        Some(end) => tag.len() * 2 + end,
        None => rest.len(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str, dialect: Dialect) -> Vec<&str> {
        of(text, dialect).into_iter().map(|at| &text[at]).collect()
    }

    #[test]
    fn what_begins_or_ends_a_transaction_is_found_wherever_a_statement_begins() {
        let both: &[(&str, &[&str])] = &[
            (
                "update a set b = 1; commit; update a set b = 2;",
                &["commit"],
            ),
            ("BEGIN; end", &["BEGIN", "end"]),
            ("-- begin;\nupdate a set b = 'x; commit;';", &[]),
            ("/* ; commit; */ Rollback to x;", &["Rollback"]),
            (
                "savepoint a; release a;\nabort;",
                &["savepoint", "release", "abort"],
            ),
            ("start transaction;", &["start"]),
            ("update a set \"commit\" = case when b then 1 end;", &[]),
            ("update a set b = 'it''s; commit';;;commit", &["commit"]),
            ("update a set b = 'open; commit", &[]),
            ("", &[]),
        ];
        for (text, wanted) in both {
            for dialect in [Dialect::Sqlite, Dialect::Postgres] {
                assert_eq!(found(text, dialect), *wanted, "{dialect:?}: {text}");
            }
        }
        let trigger = "create trigger t after insert on a begin update a set b = case c when 1 then 2 end; end; commit;";
        assert_eq!(found(trigger, Dialect::Sqlite), ["commit"]);
        assert_eq!(found("select [;commit;]; end", Dialect::Sqlite), ["end"]);
        let postgres: &[(&str, &[&str])] = &[
            ("do $$ begin; commit; end $$; commit", &["commit"]),
            ("do $a$ $$; commit; $a$", &[]),
            (
                "prepare transaction 'x'; prepare y as select 1; rollback prepared 'x'",
                &["prepare", "rollback"],
            ),
            ("/* /* */ commit; */ select 1", &[]),
            (r"select e'\'; commit; --'; end", &["end"]),
            (
                "create function f() returns int language sql begin atomic select case when true then 1 end; end; commit",
                &["commit"],
            ),
            ("select $1; commit", &["commit"]),
        ];
        for (text, wanted) in postgres {
            assert_eq!(found(text, Dialect::Postgres), *wanted, "{text}");
        }
    }
}
