//! Tokens → [`ast`](mod@super::ast): recursive where brackets nest, loops where operators chain.
//!
//! The grammar is CEL's (`doc/langdef.md` of the specification), less what `docs/expressions.md`
//! leaves out; an oracle test holds the two against each other. Three counters bound it, so that no
//! input can exhaust the stack: bytes, nodes, and the height of the tree (which bounds every later
//! walk over it as well).

use super::Span;
use super::ast::{Binary, Expr, Kind, Name};
use super::error::ExprError;
use super::lex::{self, Token};
use std::sync::Arc;

/// What an expression may be at most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Of the text.
    pub bytes: u32,
    /// Of the tree.
    pub nodes: u32,
    /// Of parentheses, brackets, calls and conditionals in each other. Chains without parentheses
    /// (`a + b + c`, `a.b.c`) may be twice as long; `&&` and `||` chains as long as they like.
    pub depth: u32,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            bytes: 4096,
            nodes: 500,
            depth: 32,
        }
    }
}

/// The tallest tree, in levels of [`Limits::depth`].
const HEIGHT_PER_DEPTH: u32 = 2;

pub fn parse(text: &str) -> Result<Expr, Vec<ExprError>> {
    parse_within(text, Limits::default())
}

/// Reads an expression. All lexical mistakes are told; of the grammatical ones, the first.
pub fn parse_within(text: &str, limits: Limits) -> Result<Expr, Vec<ExprError>> {
    if text.len() > limits.bytes as usize {
        return Err(vec![ExprError::new(
            "expr-too-large",
            lex::span(0, text.len()),
            format!(
                "an expression may have {} bytes, and this one has {}",
                limits.bytes,
                text.len()
            ),
        )]);
    }
    let tokens = lex::lex(text)?;
    let mut parser = Parser {
        text,
        tokens,
        at: 0,
        limits,
        depth: 0,
        nodes: 0,
        end: 0,
    };
    parser.document().map_err(|error| vec![*error])
}

/// A subtree and how tall it is.
struct Tall {
    expr: Expr,
    height: u32,
}

/// Boxed: an error is large, and rare.
type Parsed<T> = Result<T, Box<ExprError>>;

struct Parser<'a> {
    text: &'a str,
    tokens: Vec<(Token, Span)>,
    at: usize,
    limits: Limits,
    depth: u32,
    nodes: u32,
    /// Where the token consumed last ended.
    end: u32,
}

fn fail<T>(span: Span, message: impl Into<String>) -> Parsed<T> {
    Err(Box::new(ExprError::new("expr-syntax", span, message)))
}

fn fail_help<T>(span: Span, message: impl Into<String>, help: impl Into<String>) -> Parsed<T> {
    Err(Box::new(
        ExprError::new("expr-syntax", span, message).help(help),
    ))
}

/// CEL, but not of the subset.
fn unsupported<T>(span: Span, message: &str, help: &str) -> Parsed<T> {
    let error = ExprError::new("expr-unsupported", span, message);
    Err(Box::new(if help.is_empty() {
        error
    } else {
        error.help(help)
    }))
}

impl<'a> Parser<'a> {
    fn peek(&self) -> &(Token, Span) {
        self.ahead(0)
    }

    fn ahead(&self, count: usize) -> &(Token, Span) {
        // The list ends with `End`, which nobody consumes.
        &self.tokens[(self.at + count).min(self.tokens.len() - 1)]
    }

    fn span(&self) -> Span {
        self.peek().1
    }

    fn text_of(&self, span: Span) -> &'a str {
        self.text
            .get(span.start as usize..span.end as usize)
            .unwrap_or("")
    }

    /// The word that is next, if one is.
    fn word(&self) -> Option<&'a str> {
        match self.peek() {
            (Token::Word, span) => Some(self.text_of(*span)),
            _ => None,
        }
    }

    fn is(&self, mark: &str) -> bool {
        matches!(self.peek(), (Token::Mark(m), _) if *m == mark)
    }

    fn advance(&mut self) -> Span {
        let span = self.span();
        self.end = span.end;
        self.at += 1;
        span
    }

    fn eat(&mut self, mark: &str) -> bool {
        let found = self.is(mark);
        if found {
            self.advance();
        }
        found
    }

    fn node(&mut self, kind: Kind, start: u32, height: u32) -> Parsed<Tall> {
        let span = Span {
            start,
            end: self.end,
        };
        self.nodes += 1;
        if self.nodes > self.limits.nodes {
            let most = self.limits.nodes;
            return Err(Box::new(ExprError::new(
                "expr-too-large",
                span,
                format!("an expression may have {most} parts, and this one has more"),
            )));
        }
        if height > self.limits.depth.saturating_mul(HEIGHT_PER_DEPTH) {
            return Err(self.too_deep(span));
        }
        Ok(Tall {
            expr: Expr { kind, span },
            height,
        })
    }

    fn too_deep(&self, span: Span) -> Box<ExprError> {
        Box::new(ExprError::new(
            "expr-too-large",
            span,
            format!(
                "an expression may nest {} deep, and this one nests deeper",
                self.limits.depth
            ),
        ))
    }

    fn document(&mut self) -> Parsed<Expr> {
        if matches!(self.peek().0, Token::End) {
            return fail(self.span(), "the expression is empty");
        }
        let whole = self.expr()?;
        match self.peek() {
            (Token::End, _) => Ok(whole.expr),
            _ => self.unexpected(&whole.expr),
        }
    }

    /// `or ('?' or ':' expr)?`
    fn expr(&mut self) -> Parsed<Tall> {
        let start = self.span().start;
        self.depth += 1;
        if self.depth > self.limits.depth {
            return Err(self.too_deep(self.span()));
        }
        let condition = self.or()?;
        let result = if self.is("?") {
            self.advance();
            let then = self.or()?;
            if self.is("?") {
                return fail_help(
                    self.span(),
                    "a conditional inside a conditional must be set apart",
                    "put the inner `… ? … : …` into parentheses",
                );
            }
            if !self.eat(":") {
                return fail_help(
                    self.span(),
                    "`:` is missing: a conditional is `condition ? one : other`",
                    "add `: …`",
                );
            }
            let otherwise = self.expr()?;
            let height = 1 + condition.height.max(then.height).max(otherwise.height);
            let kind = Kind::Conditional {
                condition: Box::new(condition.expr),
                then: Box::new(then.expr),
                otherwise: Box::new(otherwise.expr),
            };
            self.node(kind, start, height)
        } else {
            Ok(condition)
        };
        self.depth -= 1;
        result
    }

    fn or(&mut self) -> Parsed<Tall> {
        self.chain("||", Self::and, Kind::Or)
    }

    fn and(&mut self) -> Parsed<Tall> {
        self.chain("&&", |p| p.binary(0), Kind::And)
    }

    /// Operands joined by `&&` or `||`: one flat node, however many there are.
    fn chain(
        &mut self,
        mark: &str,
        operand: impl Fn(&mut Self) -> Parsed<Tall>,
        make: impl Fn(Vec<Expr>) -> Kind,
    ) -> Parsed<Tall> {
        let start = self.span().start;
        let first = operand(self)?;
        if !self.is(mark) {
            return Ok(first);
        }
        let mut height = first.height;
        let mut operands = vec![first.expr];
        while self.eat(mark) {
            let next = operand(self)?;
            height = height.max(next.height);
            operands.push(next.expr);
        }
        self.node(make(operands), start, height + 1)
    }

    /// The operator that is next, and how tightly it binds.
    fn operator(&self) -> Option<(Binary, u8)> {
        Some(match self.peek() {
            (Token::Mark(mark), _) => match *mark {
                "==" => (Binary::Eq, 0),
                "!=" => (Binary::Ne, 0),
                "<" => (Binary::Lt, 0),
                "<=" => (Binary::Le, 0),
                ">" => (Binary::Gt, 0),
                ">=" => (Binary::Ge, 0),
                "+" => (Binary::Add, 1),
                "-" => (Binary::Sub, 1),
                "*" => (Binary::Mul, 2),
                "/" => (Binary::Div, 2),
                "%" => (Binary::Rem, 2),
                _ => return None,
            },
            (Token::Word, span) if self.text_of(*span) == "in" => (Binary::In, 0),
            _ => return None,
        })
    }

    /// Precedence climbing over the binary operators; all of them associate to the left.
    fn binary(&mut self, least: u8) -> Parsed<Tall> {
        let start = self.span().start;
        let mut left = self.unary()?;
        while let Some((op, level)) = self.operator().filter(|(_, level)| *level >= least) {
            let at = self.advance();
            if op == Binary::Lt && self.is(">") {
                let span = Span {
                    start: at.start,
                    end: self.span().end,
                };
                return fail_help(span, "`<>` is no operator", "CEL writes `!=` for not equal");
            }
            let right = self.binary(level + 1)?;
            let height = 1 + left.height.max(right.height);
            let kind = Kind::Binary {
                op,
                left: Box::new(left.expr),
                right: Box::new(right.expr),
            };
            left = self.node(kind, start, height)?;
        }
        Ok(left)
    }

    /// `'!'+ member | '-'+ member | member`; a minus before a number belongs to the number.
    fn unary(&mut self) -> Parsed<Tall> {
        let first = self.at;
        let mark = match self.peek() {
            (Token::Mark(mark @ ("!" | "-")), _) => *mark,
            _ => "",
        };
        // One minus belongs to the number behind it; of several (`--1`), none does.
        if !self.at_negative_number() {
            while !mark.is_empty() && self.is(mark) {
                self.advance();
            }
        }
        let behind = self.at;
        if (self.is("!") || self.is("-")) && !self.at_negative_number() {
            return fail_help(
                self.span(),
                "`!` and `-` cannot follow each other",
                "put the inner one into parentheses",
            );
        }
        let mut operand = self.member()?;
        for at in (first..behind).rev() {
            let start = self.tokens[at].1.start;
            let inner = Box::new(operand.expr);
            let kind = if mark == "!" {
                Kind::Not(inner)
            } else {
                Kind::Negate(inner)
            };
            operand = self.node(kind, start, operand.height + 1)?;
        }
        Ok(operand)
    }

    fn at_negative_number(&self) -> bool {
        self.is("-") && matches!(self.ahead(1).0, Token::Int | Token::Double)
    }

    /// `primary ('.' name ('(' arguments ')')? | '[' expr ']')*`
    fn member(&mut self) -> Parsed<Tall> {
        let start = self.span().start;
        let mut base = self.primary()?;
        loop {
            if self.is(".") {
                self.advance();
                if self.is("?") {
                    return unsupported(
                        self.span(),
                        "optional members (`.?`) are not supported",
                        "a path to nothing is null already",
                    );
                }
                let name = self.selector()?;
                if self.is("(") {
                    self.advance();
                    let (arguments, height) = self.list(")")?;
                    self.macro_shape(&name, &arguments)?;
                    let kind = Kind::Method {
                        base: Box::new(base.expr),
                        name,
                        arguments,
                    };
                    base = self.node(kind, start, 1 + base.height.max(height))?;
                } else {
                    let kind = Kind::Member {
                        base: Box::new(base.expr),
                        name,
                    };
                    base = self.node(kind, start, base.height + 1)?;
                }
            } else if self.is("[") {
                let open = self.advance();
                if self.is("?") {
                    return unsupported(
                        self.span(),
                        "optional indexes (`[?…]`) are not supported",
                        "",
                    );
                }
                let index = self.expr()?;
                self.close("]", open)?;
                let height = 1 + base.height.max(index.height);
                let kind = Kind::Index {
                    base: Box::new(base.expr),
                    index: Box::new(index.expr),
                };
                base = self.node(kind, start, height)?;
            } else {
                return Ok(base);
            }
        }
    }

    /// A name behind a dot.
    fn selector(&mut self) -> Parsed<Name> {
        match self.word() {
            Some(word) if !lex::is_keyword(word) => {
                let span = self.advance();
                Ok(Name {
                    text: Arc::from(word),
                    span,
                })
            }
            Some(word) => fail_help(
                self.span(),
                format!("`{word}` is a word of the language and cannot stand behind a dot"),
                format!("write it as `['{word}']`"),
            ),
            None => fail(self.span(), "a name was expected behind the dot"),
        }
    }

    /// Expressions up to `close`, whose opening is consumed already; and the tallest one's height.
    fn list(&mut self, close: &str) -> Parsed<(Vec<Expr>, u32)> {
        let open = self.tokens[self.at - 1].1;
        let mut items = Vec::new();
        let mut height = 0;
        // CEL reads `[,]` as an empty list with a trailing comma.
        if close == "]" && self.is(",") && matches!(self.ahead(1).0, Token::Mark("]")) {
            self.advance();
        }
        if self.eat(close) {
            return Ok((items, height));
        }
        loop {
            let item = self.expr()?;
            height = height.max(item.height);
            items.push(item.expr);
            if !self.eat(",") {
                break;
            }
            if close == "]" && self.is("]") {
                break;
            }
        }
        self.close(close, open)?;
        Ok((items, height))
    }

    fn close(&mut self, mark: &str, open: Span) -> Parsed<()> {
        if self.eat(mark) {
            return Ok(());
        }
        if matches!(self.peek().0, Token::End) {
            let opened = self.text_of(open);
            return fail_help(
                open,
                format!("this `{opened}` is never closed"),
                format!("add `{mark}`"),
            );
        }
        if let Some(error) = self.foreign_word() {
            return Err(error);
        }
        fail(
            self.span(),
            format!("`{mark}` was expected before {}", self.found()),
        )
    }

    fn primary(&mut self) -> Parsed<Tall> {
        let start = self.span().start;
        match self.peek().0.clone() {
            Token::Mark("(") => {
                let open = self.advance();
                let inner = self.expr()?;
                self.close(")", open)?;
                Ok(inner)
            }
            Token::Mark("[") => {
                self.advance();
                let (items, height) = self.list("]")?;
                self.node(Kind::List(items), start, height + 1)
            }
            Token::Mark("{") => unsupported(
                self.span(),
                "map literals are not supported",
                "compare the members one by one",
            ),
            Token::Mark(".") => unsupported(
                self.span(),
                "a leading dot is not supported",
                "leave it out: bare names are the record's fields",
            ),
            Token::Mark("-") | Token::Int | Token::Double => self.number(start),
            Token::String(text) => {
                self.advance();
                self.node(Kind::String(text), start, 1)
            }
            Token::Word => self.name(start),
            Token::Mark(_) => fail(
                self.span(),
                format!("a value was expected before {}", self.found()),
            ),
            Token::End => fail(
                self.span(),
                "the expression ends where a value was expected",
            ),
        }
    }

    fn name(&mut self, start: u32) -> Parsed<Tall> {
        let word = self.word().unwrap_or("");
        let constant = match word {
            "true" => Some(Kind::Bool(true)),
            "false" => Some(Kind::Bool(false)),
            "null" => Some(Kind::Null),
            _ => None,
        };
        if let Some(kind) = constant {
            self.advance();
            return self.node(kind, start, 1);
        }
        if word == "in" {
            return fail(
                self.span(),
                "a value was expected before `in`: it is written `item in list`",
            );
        }
        if lex::is_cel_reserved(word) {
            return fail_help(
                self.span(),
                format!("`{word}` is a reserved word of CEL"),
                "rename the field",
            );
        }
        let span = self.advance();
        if self.is("{") {
            return unsupported(self.span(), "message literals are not supported", "");
        }
        if !self.is("(") {
            return self.node(Kind::Name(Arc::from(word)), start, 1);
        }
        self.advance();
        let (arguments, height) = self.list(")")?;
        if let [argument] = arguments.as_slice()
            && word == "has"
            && !matches!(argument.kind, Kind::Member { .. })
        {
            return fail_help(
                argument.span,
                "`has` asks for a member: `has(attributes.color)`",
                "to ask whether a field has a value, write `field != null`",
            );
        }
        let function = Name {
            text: Arc::from(word),
            span,
        };
        self.node(
            Kind::Call {
                function,
                arguments,
            },
            start,
            height + 1,
        )
    }

    /// CEL's macros bind a variable, which must be a plain name.
    fn macro_shape(&self, name: &Name, arguments: &[Expr]) -> Parsed<()> {
        let binds = match &*name.text {
            "exists" | "all" | "exists_one" | "existsOne" | "filter" => arguments.len() == 2,
            "map" => matches!(arguments.len(), 2 | 3),
            _ => false,
        };
        match arguments.first() {
            Some(first) if binds && !matches!(first.kind, Kind::Name(_)) => fail_help(
                first.span,
                format!("`{}` wants a variable's name first", name.text),
                format!("write `.{}(x, …)` and use `x` in the condition", name.text),
            ),
            _ => Ok(()),
        }
    }

    fn number(&mut self, start: u32) -> Parsed<Tall> {
        let negative = self.eat("-");
        let (token, span) = self.peek().clone();
        let digits = self.text_of(span);
        self.advance();
        let whole = Span {
            start,
            end: span.end,
        };
        let sign = if negative { "-" } else { "" };
        if token == Token::Double {
            let text = format!("{sign}{digits}");
            let Some(value) = text.parse::<f64>().ok().filter(|v| v.is_finite()) else {
                return unsupported(whole, "this number is too large for a double", "");
            };
            let text = Arc::from(text);
            return self.node(Kind::Double { value, text }, start, 1);
        }
        let value = match digits.strip_prefix("0x") {
            Some(hex) => i64::from_str_radix(&format!("{sign}{hex}"), 16),
            None => format!("{sign}{digits}").parse::<i64>(),
        };
        match value {
            Ok(value) => self.node(Kind::Int(value), start, 1),
            Err(_) => fail_help(
                whole,
                "this number does not fit 64 bits",
                "write it with a decimal point if an approximate number will do",
            ),
        }
    }

    /// What is next, for a message.
    fn found(&self) -> String {
        match self.peek() {
            (Token::End, _) => "the end".to_owned(),
            (Token::String(_), _) => "this string".to_owned(),
            (_, span) => format!("`{}`", self.text_of(*span)),
        }
    }

    /// A word of another language where an operator should be.
    fn foreign_word(&self) -> Option<Box<ExprError>> {
        let word = self.word()?;
        let help = match word.to_ascii_lowercase().as_str() {
            "and" => "CEL writes `&&` for and",
            "or" => "CEL writes `||` for or",
            "not" => "CEL writes `!(x in list)` for not in",
            "is" => "CEL writes `== null` and `!= null`",
            "eq" | "equals" => "CEL writes `==`",
            "ne" => "CEL writes `!=`",
            "like" | "ilike" => "use `.startsWith('…')`, `.endsWith('…')` or `.contains('…')`",
            "between" => "write `low <= x && x <= high`",
            "mod" => "CEL writes `%`",
            "contains" | "matches" => "write it as a method: `text.contains('…')`",
            _ => return None,
        };
        Some(Box::new(
            ExprError::new(
                "expr-syntax",
                self.span(),
                format!("`{word}` is no operator of CEL"),
            )
            .help(help),
        ))
    }

    /// Something stands behind a whole expression.
    fn unexpected<T>(&self, whole: &Expr) -> Parsed<T> {
        if let Some(error) = self.foreign_word() {
            return Err(error);
        }
        if let Kind::Name(name) = &whole.kind
            && name.eq_ignore_ascii_case("not")
        {
            return fail_help(
                whole.span,
                format!("`{name}` is no operator of CEL"),
                "CEL writes `!` for not",
            );
        }
        let span = self.span();
        match self.peek().0 {
            Token::Mark(mark @ (")" | "]" | "}")) => {
                fail(span, format!("this `{mark}` was never opened"))
            }
            Token::Word | Token::Int | Token::Double | Token::String(_) => fail_help(
                span,
                format!("an operator is missing before {}", self.found()),
                "for example `==`, `&&` or `||`",
            ),
            _ => fail(span, format!("{} was not expected here", self.found())),
        }
    }
}

#[cfg(test)]
#[path = "parse_tests.rs"]
mod tests;
