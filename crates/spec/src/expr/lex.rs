//! Text → tokens. A mistake does not end the reading: all of a text's lexical mistakes are told at once.

use super::error::ExprError;
use super::tree::Span;
use std::sync::Arc;

#[derive(Debug, Clone, PartialEq)]
pub(super) enum Token {
    /// An identifier or a keyword.
    Word,
    /// Decimal digits, or `0x` and hexadecimal ones; without a sign.
    Int,
    Double,
    /// Unescaped.
    String(Arc<str>),
    /// An operator or a bracket.
    Mark(&'static str),
    End,
}

/// Identifiers that CEL keeps for itself.
const RESERVED: [&str; 17] = [
    "as",
    "break",
    "const",
    "continue",
    "else",
    "for",
    "function",
    "if",
    "import",
    "let",
    "loop",
    "package",
    "namespace",
    "return",
    "var",
    "void",
    "while",
];

/// Words that are part of the grammar.
const KEYWORDS: [&str; 4] = ["in", "true", "false", "null"];

/// Whether a field of this name could not be written as a bare name: CEL's keywords and reserved
/// words, and the names that this language gives a meaning of their own.
pub fn is_reserved(name: &str) -> bool {
    is_cel_reserved(name) || is_keyword(name) || matches!(name, "auth" | "now" | "old")
}

pub(super) fn is_cel_reserved(name: &str) -> bool {
    RESERVED.contains(&name)
}

pub(super) fn is_keyword(name: &str) -> bool {
    KEYWORDS.contains(&name)
}

/// Longest first, so that `<=` is not read as `<`.
const MARKS: [&str; 25] = [
    "==", "!=", "<=", ">=", "&&", "||", "<", ">", "[", "]", "{", "}", "(", ")", ".", ",", "-", "!",
    "?", ":", "+", "*", "/", "%", "=",
];

/// Mistakes told of one text; what follows is rarely news.
const TOLD: usize = 5;

struct Lexer<'a> {
    text: &'a str,
    at: usize,
    tokens: Vec<(Token, Span)>,
    errors: Vec<ExprError>,
}

pub(super) fn span(start: usize, end: usize) -> Span {
    let clip = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    Span {
        start: clip(start),
        end: clip(end),
    }
}

/// The tokens of a text; the last one is [`Token::End`].
pub(super) fn lex(text: &str) -> Result<Vec<(Token, Span)>, Vec<ExprError>> {
    let mut lexer = Lexer {
        text,
        at: 0,
        tokens: Vec::new(),
        errors: Vec::new(),
    };
    while lexer.errors.len() < TOLD && lexer.token() {}
    if lexer.errors.is_empty() {
        lexer.push(Token::End, text.len());
        Ok(lexer.tokens)
    } else {
        Err(lexer.errors)
    }
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.text.get(self.at..).unwrap_or("")
    }

    fn byte(&self, ahead: usize) -> Option<u8> {
        self.text.as_bytes().get(self.at + ahead).copied()
    }

    fn push(&mut self, token: Token, start: usize) {
        self.tokens.push((token, span(start, self.at)));
    }

    fn error(&mut self, start: usize, message: impl Into<String>, help: &str) {
        let error = ExprError::new("expr-syntax", span(start, self.at), message);
        self.errors.push(if help.is_empty() {
            error
        } else {
            error.help(help)
        });
    }

    /// CEL, but not of the subset.
    fn unsupported(&mut self, start: usize, message: &str, help: &str) {
        self.error(start, message, help);
        if let Some(error) = self.errors.last_mut() {
            error.code = "expr-unsupported";
        }
    }

    fn while_byte(&mut self, test: impl Fn(u8) -> bool) {
        while self.byte(0).is_some_and(&test) {
            self.at += 1;
        }
    }

    /// Reads one token, blank or comment; false at the end.
    fn token(&mut self) -> bool {
        let start = self.at;
        let Some(b) = self.byte(0) else {
            return false;
        };
        match b {
            b' ' | b'\t' | b'\r' | b'\n' | 0x0c => self.at += 1,
            b'/' if self.byte(1) == Some(b'/') => self.while_byte(|b| b != b'\n'),
            b'"' | b'\'' => self.string(start, false),
            b'r' | b'R' if matches!(self.byte(1), Some(b'"' | b'\'')) => {
                self.at += 1;
                self.string(start, true);
            }
            b'b' | b'B' if matches!(self.byte(1), Some(b'"' | b'\'')) => {
                self.at += 1;
                self.string(start, false);
                self.tokens.pop();
                self.unsupported(start, "byte strings are not supported", "leave out the `b`");
            }
            b'b' | b'B'
                if matches!(self.byte(1), Some(b'r' | b'R'))
                    && matches!(self.byte(2), Some(b'"' | b'\'')) =>
            {
                self.at += 2;
                self.string(start, true);
                self.tokens.pop();
                self.unsupported(start, "byte strings are not supported", "leave out the `b`");
            }
            b'a'..=b'z' | b'A'..=b'Z' | b'_' => {
                self.while_byte(|b| b.is_ascii_alphanumeric() || b == b'_');
                self.push(Token::Word, start);
            }
            b'0'..=b'9' => self.number(start),
            b'.' if self.byte(1).is_some_and(|b| b.is_ascii_digit()) => self.number(start),
            _ => self.mark(start),
        }
        true
    }

    fn digits(&mut self) -> bool {
        let from = self.at;
        self.while_byte(|b| b.is_ascii_digit());
        self.at > from
    }

    /// As CEL's grammar has it: `1`, `0x1F`, `1.5`, `.5`, `1e9`, but not `1.`.
    fn number(&mut self, start: usize) {
        if self.byte(0) == Some(b'0')
            && self.byte(1) == Some(b'x')
            && self.byte(2).is_some_and(|b| b.is_ascii_hexdigit())
        {
            self.at += 2;
            self.while_byte(|b| b.is_ascii_hexdigit());
            return self.integer(start);
        }
        let mut double = false;
        self.digits();
        if self.byte(0) == Some(b'.') && self.byte(1).is_some_and(|b| b.is_ascii_digit()) {
            double = true;
            self.at += 1;
            self.digits();
        }
        if let Some(b'e' | b'E') = self.byte(0) {
            let before = self.at;
            self.at += 1;
            if let Some(b'+' | b'-') = self.byte(0) {
                self.at += 1;
            }
            if self.digits() {
                double = true;
            } else {
                self.at = before;
            }
        }
        if double {
            self.push(Token::Double, start);
        } else {
            self.integer(start);
        }
    }

    fn integer(&mut self, start: usize) {
        if let Some(b'u' | b'U') = self.byte(0) {
            self.at += 1;
            self.unsupported(
                start,
                "there are no unsigned integers here",
                "leave out the `u`",
            );
        } else {
            self.push(Token::Int, start);
        }
    }

    fn mark(&mut self, start: usize) {
        let rest = self.rest();
        if let Some(mark) = MARKS.into_iter().find(|mark| rest.starts_with(mark)) {
            self.at += mark.len();
            if mark == "=" {
                self.error(start, "a single `=` means nothing", "use `==` to compare");
            } else {
                self.push(Token::Mark(mark), start);
            }
            return;
        }
        let Some(c) = rest.chars().next() else {
            return;
        };
        self.at += c.len_utf8();
        match c {
            '&' => self.error(
                start,
                "a single `&` means nothing",
                "CEL writes `&&` for and",
            ),
            '|' => self.error(
                start,
                "a single `|` means nothing",
                "CEL writes `||` for or",
            ),
            '`' => self.unsupported(
                start,
                "names in backquotes are not supported",
                "write a member with an unusual name as `['the name']`",
            ),
            '“' | '”' | '„' | '‘' | '’' | '«' | '»' => self.error(
                start,
                format!("`{c}` does not quote a string"),
                "use straight quotes: 'text'",
            ),
            _ => self.error(
                start,
                format!("the character `{}` has no meaning here", c.escape_debug()),
                match c {
                    '@' | '$' => {
                        "names stand without it: the caller is `auth`, a field its own name"
                    }
                    _ => "",
                },
            ),
        }
    }

    /// A string; the quote is next.
    fn string(&mut self, start: usize, raw: bool) {
        let quote = if self.byte(0) == Some(b'\'') {
            "'"
        } else {
            "\""
        };
        let triple = quote.repeat(3);
        let multiline = self.rest().starts_with(&triple);
        let close: &str = if multiline { &triple } else { quote };
        self.at += close.len();
        let mut value = String::new();
        loop {
            if self.rest().starts_with(close) {
                self.at += close.len();
                return self.push(Token::String(Arc::from(value)), start);
            }
            match self.rest().chars().next() {
                None => break,
                Some('\n' | '\r') if !multiline => break,
                Some('\\') if !raw => self.escape(&mut value),
                Some('\0') => {
                    self.at += 1;
                    self.unsupported(self.at - 1, "U+0000 cannot be stored in a text", "");
                }
                // As the specification has it: a line break in a text is `\n`, however the file ends its lines.
                Some('\r') => {
                    self.at += if self.byte(1) == Some(b'\n') { 2 } else { 1 };
                    value.push('\n');
                }
                Some(c) => {
                    self.at += c.len_utf8();
                    value.push(c);
                }
            }
        }
        self.error(
            start,
            "this string is not closed",
            &format!("end it with `{close}`"),
        );
    }

    fn escape(&mut self, value: &mut String) {
        let start = self.at;
        self.at += 1;
        let Some(c) = self.rest().chars().next() else {
            return;
        };
        self.at += c.len_utf8();
        let plain = match c {
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'v' => '\u{b}',
            '\\' | '\'' | '"' | '?' | '`' => c,
            'x' | 'X' => return self.coded(start, value, 16, 2),
            'u' => return self.coded(start, value, 16, 4),
            'U' => return self.coded(start, value, 16, 8),
            '0'..='3' => {
                self.at -= 1;
                return self.coded(start, value, 8, 3);
            }
            _ => {
                return self.error(
                    start,
                    format!("`\\{}` is no escape", c.escape_debug()),
                    "write a backslash as `\\\\`, or the string as r'…'",
                );
            }
        };
        value.push(plain);
    }

    /// `count` digits of a code point.
    fn coded(&mut self, start: usize, value: &mut String, radix: u32, count: usize) {
        let mut code = 0u32;
        for _ in 0..count {
            let Some(digit) = self.byte(0).and_then(|b| (b as char).to_digit(radix)) else {
                return self.error(
                    start,
                    format!("this escape wants {count} digits of base {radix}"),
                    "",
                );
            };
            // Eight hexadecimal digits fill a u32 exactly.
            code = code * radix + digit;
            self.at += 1;
        }
        match char::from_u32(code) {
            Some('\0') => self.unsupported(start, "U+0000 cannot be stored in a text", ""),
            Some(c) => value.push(c),
            None => self.error(start, format!("U+{code:X} is no character"), ""),
        }
    }
}
