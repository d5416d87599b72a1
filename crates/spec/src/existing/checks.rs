//! Check constraints → checks of ours, where both mean the same: comparisons of one column with constants, lists of
//! values, lengths, and what `AND`, `OR` and `NOT` make of these. What is not understood stays the database's alone.
//!
//! `pg_get_constraintdef` prints an expression fully parenthesised and with every cast, so a small reader is enough.

use crate::types::FieldType;

/// What a constraint says of the one column that it is about.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Said {
    /// Only that it is not null.
    Required,
    /// One of these texts.
    OneOf(Vec<String>),
    /// An expression of ours.
    Holds(String),
}

/// Parts of one constraint: those joined by `AND` are said apart. `value` is what the text calls the column.
pub(super) fn read(text: &str, value: &str, field: &str, ty: &FieldType) -> Option<Vec<Said>> {
    let inner = text.trim().strip_prefix("CHECK")?.trim();
    let inner = inner.strip_suffix("NOT VALID").unwrap_or(inner).trim();
    let tokens = tokens(inner)?;
    // A bound on what one person reads: longer ones stay in the database.
    if tokens.len() > 200 {
        return None;
    }
    let mut reader = Reader {
        tokens: &tokens,
        at: 0,
        depth: 0,
    };
    let tree = reader.or()?;
    if reader.at != tokens.len() {
        return None;
    }
    let mut parts = Vec::new();
    flatten(tree, &mut parts);
    let writer = Writer { value, field, ty };
    parts.iter().map(|part| writer.said(part)).collect()
}

fn is_word(name: &str) -> bool {
    const WORDS: [&str; 14] = [
        "and", "or", "not", "is", "null", "any", "array", "true", "false", "in", "like", "between",
        "case", "when",
    ];
    WORDS.contains(&name.to_ascii_lowercase().as_str())
}

#[derive(Debug, Clone, PartialEq)]
enum Token {
    /// And whether it was quoted.
    Name(String, bool),
    Text(String),
    Number(String),
    Mark(&'static str),
}

const MARKS: [&str; 17] = [
    "::", "<=", ">=", "<>", "!=", "~~", "(", ")", "[", "]", ",", "<", ">", "=", "-", "+", ".",
];

fn tokens(text: &str) -> Option<Vec<Token>> {
    let mut out = Vec::new();
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        if c.is_whitespace() {
            rest = &rest[c.len_utf8()..];
        } else if c == '\'' || c == '"' {
            let (body, after) = quoted(&rest[1..], c)?;
            out.push(match c {
                '"' => Token::Name(body, true),
                _ => Token::Text(body),
            });
            rest = after;
        } else if c.is_ascii_digit() {
            let end = rest
                .find(|c: char| !(c.is_ascii_digit() || c == '.'))
                .unwrap_or(rest.len());
            out.push(Token::Number(rest[..end].to_owned()));
            rest = &rest[end..];
        } else if c.is_alphabetic() || c == '_' {
            let end = rest
                .find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$'))
                .unwrap_or(rest.len());
            out.push(Token::Name(rest[..end].to_owned(), false));
            rest = &rest[end..];
        } else {
            let mark = MARKS.iter().find(|mark| rest.starts_with(**mark))?;
            out.push(Token::Mark(mark));
            rest = &rest[mark.len()..];
        }
    }
    Some(out)
}

/// What stands up to the closing quote, which is doubled inside. (`E'…'` is a name and a text, which nothing takes.)
fn quoted(text: &str, quote: char) -> Option<(String, &str)> {
    let mut out = String::new();
    let mut rest = text;
    loop {
        let at = rest.find(quote)?;
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match rest.strip_prefix(quote) {
            Some(after) => {
                out.push(quote);
                rest = after;
            }
            None => return Some((out, rest)),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
enum Tree {
    And(Vec<Tree>),
    Or(Vec<Tree>),
    Not(Box<Tree>),
    Compare(&'static str, Box<Tree>, Box<Tree>),
    /// `= ANY (ARRAY[…])`
    In(Box<Tree>, Vec<Tree>),
    NotNull(Box<Tree>),
    Length(Box<Tree>),
    Cast(Box<Tree>, Cast),
    Column(String),
    Text(String),
    Number(String),
    Bool(bool),
}

fn flatten(tree: Tree, out: &mut Vec<Tree>) {
    match tree {
        Tree::And(parts) => parts.into_iter().for_each(|part| flatten(part, out)),
        other => out.push(other),
    }
}

/// What a value is cast to, as far as it matters whether the value is another one then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cast {
    Text,
    /// `char(n)`: blanks at the end do not count.
    Padded,
    Whole,
    Numeric,
    Double,
    Real,
    Bool,
}

impl Cast {
    fn named(name: &str) -> Option<Cast> {
        Some(match name {
            "text" | "character varying" => Cast::Text,
            "bpchar" => Cast::Padded,
            "smallint" | "integer" | "bigint" => Cast::Whole,
            "numeric" => Cast::Numeric,
            "double precision" => Cast::Double,
            "real" => Cast::Real,
            "boolean" => Cast::Bool,
            _ => return None,
        })
    }

    /// Whether every value of a field stays what it is. (A `real` is compared as a double.)
    fn keeps(self, ty: &FieldType) -> bool {
        match ty {
            FieldType::String { .. } | FieldType::Text { .. } => {
                matches!(self, Cast::Text | Cast::Padded)
            }
            FieldType::Enum { .. } => self == Cast::Text,
            // One that is too large for a smaller type is an error there.
            FieldType::Int { .. } => matches!(self, Cast::Whole | Cast::Numeric),
            FieldType::Decimal { .. } => self == Cast::Numeric,
            FieldType::Float { .. } => self == Cast::Double,
            FieldType::Bool => self == Cast::Bool,
            _ => false,
        }
    }
}

/// A constant under a cast that does not make another one of it: `'-3'::integer`, `(0)::numeric`, `'a'::bpchar`.
fn constant(tree: &Tree) -> Option<&Tree> {
    let Tree::Cast(inner, cast) = tree else {
        return Some(tree);
    };
    let inner = constant(inner)?;
    let kept = match (inner, cast) {
        (Tree::Number(n) | Tree::Text(n), Cast::Whole) => whole(n).is_some(),
        (Tree::Number(n) | Tree::Text(n), Cast::Numeric | Cast::Double) => number(n).is_some(),
        // Halves and the like apart, a fraction is another number as a `real`.
        (Tree::Number(n) | Tree::Text(n), Cast::Real) => whole(n).is_some_and(|n| n.len() <= 7),
        (Tree::Text(_), Cast::Text | Cast::Padded) => true,
        (Tree::Bool(_), Cast::Bool) => true,
        _ => false,
    };
    kept.then_some(inner)
}

struct Reader<'t> {
    tokens: &'t [Token],
    at: usize,
    depth: u32,
}

impl Reader<'_> {
    fn mark(&mut self, mark: &str) -> Option<()> {
        match self.tokens.get(self.at) {
            Some(Token::Mark(found)) if *found == mark => {
                self.at += 1;
                Some(())
            }
            _ => None,
        }
    }

    fn word(&mut self, word: &str) -> Option<()> {
        match self.tokens.get(self.at) {
            Some(Token::Name(found, false)) if found.eq_ignore_ascii_case(word) => {
                self.at += 1;
                Some(())
            }
            _ => None,
        }
    }

    fn or(&mut self) -> Option<Tree> {
        let mut parts = vec![self.and()?];
        while self.word("or").is_some() {
            parts.push(self.and()?);
        }
        Some(match parts.len() {
            1 => parts.remove(0),
            _ => Tree::Or(parts),
        })
    }

    fn and(&mut self) -> Option<Tree> {
        let mut parts = vec![self.not()?];
        while self.word("and").is_some() {
            parts.push(self.not()?);
        }
        Some(match parts.len() {
            1 => parts.remove(0),
            _ => Tree::And(parts),
        })
    }

    fn not(&mut self) -> Option<Tree> {
        if self.word("not").is_some() {
            return Some(Tree::Not(Box::new(self.not()?)));
        }
        self.comparison()
    }

    fn comparison(&mut self) -> Option<Tree> {
        let left = self.operand()?;
        if self.word("is").is_some() {
            let not = self.word("not").is_some();
            self.word("null")?;
            let tree = Tree::NotNull(Box::new(left));
            return Some(match not {
                true => tree,
                false => Tree::Not(Box::new(tree)),
            });
        }
        for (theirs, ours) in [
            ("<=", "<="),
            (">=", ">="),
            ("<>", "!="),
            ("!=", "!="),
            ("<", "<"),
            (">", ">"),
            ("=", "=="),
        ] {
            if self.mark(theirs).is_none() {
                continue;
            }
            if theirs == "=" && self.word("any").is_some() {
                self.mark("(")?;
                let items = self.array()?;
                self.mark(")")?;
                return Some(Tree::In(Box::new(left), items));
            }
            let right = self.operand()?;
            return Some(Tree::Compare(ours, Box::new(left), Box::new(right)));
        }
        Some(left)
    }

    /// `ARRAY['a'::text, 'b'::text]`, in parentheses and under casts.
    fn array(&mut self) -> Option<Vec<Tree>> {
        self.deeper()?;
        let items = if self.mark("(").is_some() {
            let items = self.array()?;
            self.mark(")")?;
            items
        } else {
            self.word("array")?;
            self.mark("[")?;
            let mut items = vec![self.operand()?];
            while self.mark(",").is_some() {
                items.push(self.operand()?);
            }
            self.mark("]")?;
            items
        };
        let mut casts = Vec::new();
        while self.mark("::").is_some() {
            casts.push(self.cast()?);
            self.mark("[")?;
            self.mark("]")?;
        }
        self.depth -= 1;
        let cast = |item: Tree| {
            let wrap = |tree, cast: &Cast| Tree::Cast(Box::new(tree), *cast);
            casts.iter().fold(item, wrap)
        };
        Some(items.into_iter().map(cast).collect())
    }

    fn deeper(&mut self) -> Option<()> {
        self.depth += 1;
        (self.depth <= 40).then_some(())
    }

    fn operand(&mut self) -> Option<Tree> {
        self.deeper()?;
        let tree = self.plain()?;
        let tree = self.casts(tree)?;
        self.depth -= 1;
        Some(tree)
    }

    fn plain(&mut self) -> Option<Tree> {
        if self.mark("(").is_some() {
            let tree = self.or()?;
            self.mark(")")?;
            return Some(tree);
        }
        if self.mark("-").is_some() {
            return match self.plain()? {
                Tree::Number(n) => Some(Tree::Number(format!("-{n}"))),
                _ => None,
            };
        }
        let token = self.tokens.get(self.at)?;
        self.at += 1;
        match token {
            Token::Text(text) => Some(Tree::Text(text.clone())),
            Token::Number(n) => Some(Tree::Number(n.clone())),
            Token::Name(name, false) if name.eq_ignore_ascii_case("true") => Some(Tree::Bool(true)),
            Token::Name(name, false) if name.eq_ignore_ascii_case("false") => {
                Some(Tree::Bool(false))
            }
            Token::Name(name, false)
                if ["length", "char_length", "character_length"].contains(&name.as_str())
                    && self.mark("(").is_some() =>
            {
                let of = self.or()?;
                self.mark(")")?;
                Some(Tree::Length(Box::new(of)))
            }
            Token::Name(name, quoted) if *quoted || !is_word(name) => {
                // Any other function stays the database's.
                match self.tokens.get(self.at) {
                    Some(Token::Mark("(" | ".")) => None,
                    _ => Some(Tree::Column(name.clone())),
                }
            }
            _ => None,
        }
    }

    /// `::text`, `::double precision`; one with a length (`::character(2)`) is not understood.
    fn casts(&mut self, mut tree: Tree) -> Option<Tree> {
        while self.mark("::").is_some() {
            tree = Tree::Cast(Box::new(tree), self.cast()?);
        }
        Some(tree)
    }

    fn cast(&mut self) -> Option<Cast> {
        let mut name = String::new();
        while let Some(Token::Name(word, false)) = self.tokens.get(self.at) {
            // What follows a type is a mark, or a word that joins conditions.
            if is_word(word) {
                break;
            }
            name.push_str(if name.is_empty() { "" } else { " " });
            name.push_str(word);
            self.at += 1;
        }
        Cast::named(&name)
    }
}

/// Writes an expression of ours about one field.
struct Writer<'w> {
    value: &'w str,
    field: &'w str,
    ty: &'w FieldType,
}

impl Writer<'_> {
    fn said(&self, tree: &Tree) -> Option<Said> {
        if let Tree::NotNull(of) = tree
            && self.is_field(of)
        {
            return Some(Said::Required);
        }
        if let Tree::In(of, items) = tree
            && self.is_field(of)
            && let Some(texts) = texts(items)
            && matches!(self.ty, FieldType::String { .. } | FieldType::Text { .. })
        {
            return Some(Said::OneOf(texts));
        }
        self.condition(tree).map(Said::Holds)
    }

    /// The field itself, also under a cast to what it is.
    fn is_field(&self, tree: &Tree) -> bool {
        match tree {
            Tree::Column(name) => name == self.value,
            Tree::Cast(inner, cast) => cast.keeps(self.ty) && self.is_field(inner),
            _ => false,
        }
    }

    /// Nobody checks a field without a value, so what is said of null does not come up below the top.
    fn condition(&self, tree: &Tree) -> Option<String> {
        let joined = |parts: &[Tree], word: &str| {
            let parts: Option<Vec<String>> =
                parts.iter().map(|part| self.condition(part)).collect();
            Some(format!("({})", parts?.join(word)))
        };
        match tree {
            Tree::And(parts) => joined(parts, " && "),
            Tree::Or(parts) => joined(parts, " || "),
            Tree::Not(inner) => Some(format!("!({})", self.condition(inner)?)),
            Tree::Compare(op, left, right) => {
                let (op, of, constant) = match (&**left, &**right) {
                    (of, constant) if self.is_operand(of) => (*op, of, constant),
                    (constant, of) if self.is_operand(of) => (mirrored(op), of, constant),
                    _ => return None,
                };
                let (subject, ty) = self.operand(of)?;
                let constant = literal(constant, &ty, op)?;
                Some(format!("{subject} {op} {constant}"))
            }
            Tree::In(of, items) if self.is_field(of) => {
                let items: Option<Vec<String>> = items
                    .iter()
                    .map(|item| literal(item, self.ty, "=="))
                    .collect();
                Some(format!("{} in [{}]", self.field, items?.join(", ")))
            }
            Tree::Column(_) | Tree::Cast(..)
                if self.is_field(tree) && *self.ty == FieldType::Bool =>
            {
                Some(self.field.to_owned())
            }
            _ => None,
        }
    }

    fn is_operand(&self, tree: &Tree) -> bool {
        match tree {
            Tree::Length(of) => self.is_field(of),
            other => self.is_field(other),
        }
    }

    fn operand(&self, tree: &Tree) -> Option<(String, FieldType)> {
        let text = matches!(
            self.ty,
            FieldType::String { .. } | FieldType::Text { .. } | FieldType::Enum { .. }
        );
        match tree {
            Tree::Length(_) if text => {
                let int = FieldType::Int {
                    min: None,
                    max: None,
                };
                Some((format!("size({})", self.field), int))
            }
            Tree::Length(_) => None,
            _ => Some((self.field.to_owned(), self.ty.clone())),
        }
    }
}

fn mirrored(op: &'static str) -> &'static str {
    match op {
        "<" => ">",
        "<=" => ">=",
        ">" => "<",
        ">=" => "<=",
        same => same,
    }
}

fn texts(items: &[Tree]) -> Option<Vec<String>> {
    items
        .iter()
        .map(|item| match constant(item)? {
            Tree::Text(text) => Some(text.clone()),
            _ => None,
        })
        .collect()
}

/// A constant as a field of this type is compared with. Texts are compared for being equal only: their order is the
/// column's collation's.
fn literal(tree: &Tree, ty: &FieldType, op: &str) -> Option<String> {
    match (ty, constant(tree)?) {
        (FieldType::Int { .. }, Tree::Number(n) | Tree::Text(n)) => whole(n),
        (FieldType::Float { .. } | FieldType::Decimal { .. }, Tree::Number(n) | Tree::Text(n)) => {
            number(n)
        }
        (FieldType::Bool, Tree::Bool(v)) => Some(v.to_string()),
        (
            FieldType::String { .. } | FieldType::Text { .. } | FieldType::Enum { .. },
            Tree::Text(text),
        ) if matches!(op, "==" | "!=") => Some(super::defaults::text(text)),
        _ => None,
    }
}

/// Digits with a sign, and nothing else.
pub(super) fn whole(text: &str) -> Option<String> {
    let n: i64 = text.parse().ok()?;
    Some(n.to_string())
}

/// A number with a point, as decimals and floats are written.
pub(super) fn number(text: &str) -> Option<String> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    let (before, after) = digits.split_once('.').unwrap_or((digits, "0"));
    let good = |part: &str| !part.is_empty() && part.chars().all(|c| c.is_ascii_digit());
    (good(before) && good(after) && before.len() + after.len() <= 18).then(|| {
        let sign = if text.starts_with('-') { "-" } else { "" };
        format!("{sign}{before}.{after}")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: FieldType = FieldType::Int {
        min: None,
        max: None,
    };
    const STRING: FieldType = FieldType::String { max: 20 };
    const FLOAT: FieldType = FieldType::Float {
        min: None,
        max: None,
    };

    #[test]
    fn what_both_say_alike_is_taken_over() {
        let decimal = FieldType::Decimal { scale: 2 };
        for (text, ty, ours) in [
            (
                "CHECK ((price > (0)::numeric))",
                &decimal,
                &["price > 0.0"][..],
            ),
            ("CHECK ((0 < price))", &INT, &["price > 0"]),
            (
                "CHECK (((price >= 1) AND (price <= 5)))",
                &INT,
                &["price >= 1", "price <= 5"],
            ),
            (
                "CHECK (((price = 1) OR (NOT (price < '-3'::integer))))",
                &INT,
                &["(price == 1 || !(price < -3))"],
            ),
            (
                "CHECK ((length((price)::text) > 2))",
                &STRING,
                &["size(price) > 2"],
            ),
            (
                "CHECK (((price)::text <> 'it''s'::text)) NOT VALID",
                &STRING,
                &["price != 'it\\'s'"],
            ),
            (
                "CHECK ((price = ANY (ARRAY[1, 2])))",
                &INT,
                &["price in [1, 2]"],
            ),
            ("CHECK (price)", &FieldType::Bool, &["price"]),
            (
                "CHECK (((price)::numeric < (5)::numeric))",
                &INT,
                &["price < 5"],
            ),
            (
                "CHECK ((price >= '0.5'::double precision))",
                &FLOAT,
                &["price >= 0.5"],
            ),
            (
                "CHECK ((price > (0)::double precision))",
                &FLOAT,
                &["price > 0.0"],
            ),
        ] {
            let said = read(text, "price", "price", ty).unwrap_or_else(|| panic!("{text}"));
            let holds: Vec<Said> = ours.iter().map(|o| Said::Holds((*o).to_owned())).collect();
            assert_eq!(said, holds, "{text}");
        }
    }

    #[test]
    fn a_list_of_texts_is_an_enumeration() {
        let text = "CHECK (((price)::text = ANY ((ARRAY['a'::character varying, 'b'::character varying])::text[])))";
        let one_of = Said::OneOf(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(read(text, "price", "p", &STRING), Some(vec![one_of]));
        let text = "CHECK ((\"Pri\"\"ce\" IS NOT NULL))";
        assert_eq!(
            read(text, "Pri\"ce", "p", &STRING),
            Some(vec![Said::Required])
        );
    }

    /// A cast that makes another value of some says something else than the field's own value does.
    #[test]
    fn a_cast_that_changes_values_is_not_taken_for_none() {
        let decimal = FieldType::Decimal { scale: 2 };
        for (text, ty) in [
            ("CHECK (((price)::integer > 5))", &decimal),
            ("CHECK (((price)::bigint < 5))", &FLOAT),
            ("CHECK (((price)::real > (0)::real))", &FLOAT),
            (
                "CHECK (((price)::double precision > (0)::double precision))",
                &decimal,
            ),
            ("CHECK (((price)::numeric > 0.5))", &FLOAT),
            ("CHECK ((price > (0.1)::real))", &FLOAT),
            ("CHECK ((price > (5.7)::integer))", &INT),
            ("CHECK ((price > (5.7)::smallint))", &decimal),
            ("CHECK (((price)::text = '05'::text))", &INT),
            ("CHECK ((price = (5)::text))", &STRING),
            ("CHECK (((price)::character(1) = 'a'::bpchar))", &STRING),
            (
                "CHECK (((price)::character varying(2) = 'ab'::text))",
                &STRING,
            ),
            ("CHECK (((price)::boolean))", &INT),
            ("CHECK ((price = ANY ((ARRAY[1.5, 2.5])::integer[])))", &INT),
        ] {
            assert_eq!(read(text, "price", "price", ty), None, "{text}");
        }
    }

    #[test]
    fn what_is_not_understood_stays_the_databases() {
        for text in [
            "CHECK ((price > cost))",
            "CHECK ((lower((price)::text) = (price)::text))",
            "CHECK (((price)::text ~~ 'a%'::text))",
            "CHECK (((price)::text < 'm'::text))",
            "CHECK (((price % 2) = 0))",
            "CHECK ((price > now()))",
            "CHECK ((price > 0",
            "EXCLUDE USING gist (price WITH &&)",
            "CHECK ((price > (0)::money))",
            "CHECK ((price = E'\\x'::text))",
            "",
        ] {
            assert_eq!(read(text, "price", "price", &STRING), None, "{text}");
        }
        let deep = format!("CHECK ({}price{})", "(".repeat(500), ")".repeat(500));
        assert_eq!(read(&deep, "price", "price", &FieldType::Bool), None);
    }
}
