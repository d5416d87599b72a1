//! Functions, methods and the two quantifiers.

use super::literals::{self, Target, describe};
use super::{Bound, Checker, MAX_VARS, Thing, Var};
use crate::expr::ast::{self, Kind, Name};
use crate::expr::tree::{Over, TextFn, Type};
use crate::expr::{Expr, ExprKind, Span, is_reserved};
use crate::nearest::nearest;
use crate::time;
use crate::value::Value;

/// The bytes a compiled regular expression may take, and those of its cache of states.
pub(crate) const REGEX_SIZE: usize = 1 << 18;

const FUNCTIONS: [&str; 8] = [
    "size",
    "has",
    "int",
    "double",
    "string",
    "timestamp",
    "date",
    "duration",
];

const METHODS: [&str; 7] = [
    "startsWith",
    "endsWith",
    "contains",
    "matches",
    "exists",
    "all",
    "size",
];

/// CEL's own, left out here on purpose; a near name would be a misleading answer.
const LEFT_OUT: [&str; 24] = [
    "map",
    "filter",
    "exists_one",
    "existsOne",
    "type",
    "dyn",
    "bytes",
    "uint",
    "bool",
    "getDate",
    "getDayOfMonth",
    "getDayOfWeek",
    "getDayOfYear",
    "getFullYear",
    "getHours",
    "getMilliseconds",
    "getMinutes",
    "getMonth",
    "getSeconds",
    "lowerAscii",
    "upperAscii",
    "trim",
    "split",
    "replace",
];

/// The same builder at check and at run time, so that what was accepted here compiles there.
pub(crate) fn regex(pattern: &str) -> Result<regex::Regex, regex::Error> {
    regex::RegexBuilder::new(pattern)
        .size_limit(REGEX_SIZE)
        .dfa_size_limit(REGEX_SIZE)
        .nest_limit(32)
        .build()
}

impl Checker<'_> {
    fn unknown_function(&mut self, name: &Name, method: bool) -> Option<Expr> {
        let (kind, known): (_, &[&str]) = if method {
            ("method", &METHODS)
        } else {
            ("function", &FUNCTIONS)
        };
        let text = &*name.text;
        if LEFT_OUT.contains(&text) {
            return self.error(
                "expr-unknown-function",
                name.span,
                format!("`{text}` is CEL's, but not part of the subset that databases agree on"),
                format!("the {kind}s here are {}", known.join(", ")),
            );
        }
        let other = if method { &FUNCTIONS[..] } else { &METHODS[..] };
        let help = if other.contains(&text) {
            if method {
                format!("write it as a function: `{text}(…)`")
            } else {
                format!("write it as a method: `x.{text}(…)`")
            }
        } else {
            match nearest(text, known.iter().copied()) {
                Some(near) => format!("did you mean `{near}`?"),
                None => format!("there are {}", known.join(", ")),
            }
        };
        self.error(
            "expr-unknown-function",
            name.span,
            format!("there is no {kind} `{text}`"),
            help,
        )
    }

    fn arity<'e, const N: usize>(
        &mut self,
        name: &Name,
        arguments: &'e [ast::Expr],
    ) -> Option<&'e [ast::Expr; N]> {
        if let Ok(exact) = arguments.try_into() {
            return Some(exact);
        }
        self.error(
            "expr-arguments",
            name.span,
            format!(
                "`{}` takes {N}, not {}, arguments",
                name.text,
                arguments.len()
            ),
            "",
        )
    }

    pub(super) fn call(
        &mut self,
        function: &Name,
        arguments: &[ast::Expr],
        span: Span,
    ) -> Option<Expr> {
        let to = match &*function.text {
            "size" => {
                let [subject] = self.arity(function, arguments)?;
                let subject = self.value(subject)?;
                return self.size(subject, span);
            }
            "has" => {
                let [member] = self.arity(function, arguments)?;
                return self.has(member, span);
            }
            "duration" => {
                let [text] = self.arity(function, arguments)?;
                return self.duration(text, span);
            }
            "int" => Type::Int,
            "double" => Type::Float,
            "string" => Type::String,
            "timestamp" => Type::Timestamp,
            "date" => Type::Date,
            _ => return self.unknown_function(function, false),
        };
        let [subject] = self.arity(function, arguments)?;
        let subject = self.value(subject)?;
        self.convert(subject, to, &function.text, span)
    }

    fn size(&mut self, subject: Expr, span: Span) -> Option<Expr> {
        if !matches!(subject.ty, Type::String | Type::List(_) | Type::Dyn) {
            let found = describe(&subject, self.scope.app);
            let message = format!(
                "`size` counts the characters of a string or the items of a list, and this is {found}"
            );
            return self.type_error(subject.span, message, "");
        }
        Some(Expr {
            kind: ExprKind::Size(Box::new(subject)),
            ty: Type::Int,
            span,
        })
    }

    fn has(&mut self, member: &ast::Expr, span: Span) -> Option<Expr> {
        let asked = self.value(member)?;
        if !matches!(asked.kind, ExprKind::Path { .. }) {
            return self.type_error(
                member.span,
                "`has` asks whether JSON has a member; a field is always there",
                "write `… != null`",
            );
        }
        Some(Expr {
            kind: ExprKind::Has(Box::new(asked)),
            ty: Type::Bool,
            span,
        })
    }

    /// `duration('1h30m')`: written out, so that nothing can be wrong with it later.
    fn duration(&mut self, text: &ast::Expr, span: Span) -> Option<Expr> {
        let Kind::String(text) = &text.kind else {
            return self.type_error(
                text.span,
                "a duration is written out: `duration('24h')`",
                "",
            );
        };
        match parse_duration(text) {
            Some(micros) => Some(Expr::literal(Value::Duration(micros), Type::Duration, span)),
            None => self.error(
                "expr-literal",
                span,
                format!("`{text}` is no duration"),
                "write it like '24h', '1h30m', '1.5s' or '-200ms' (h, m, s, ms, us)",
            ),
        }
    }

    fn convert(&mut self, subject: Expr, to: Type, name: &str, span: Span) -> Option<Expr> {
        // A written moment or day is a literal, checked now.
        if let (ExprKind::Literal(Value::Text(_)), Type::Timestamp | Type::Date) =
            (&subject.kind, &to)
        {
            let literal = self.coerce(subject, &Target::of_type(to))?;
            return Some(Expr { span, ..literal });
        }
        use Type::{Bool, Date, Decimal, Dyn, Float, Int, String, Timestamp, Uuid};
        let possible = matches!(
            (&subject.ty, &to),
            (Int | Float | Decimal(_) | String | Timestamp | Dyn, Int)
                | (Int | Float | Decimal(_) | String | Dyn, Float)
                | (
                    Bool | Int | Float | Decimal(_) | String | Uuid | Timestamp | Date | Dyn,
                    String
                )
                | (String | Int | Timestamp | Date | Dyn, Timestamp)
                | (String | Timestamp | Date | Dyn, Date)
        );
        if !possible {
            let found = describe(&subject, self.scope.app);
            return self.type_error(span, format!("`{name}` cannot be made of {found}"), "");
        }
        if !self.is_constant(&subject) {
            self.needs_memory(
                &format!("`{name}(…)` of a field"),
                span,
                "compare the field with a literal of its own type",
            )?;
        }
        Some(Expr {
            kind: ExprKind::Convert(Box::new(subject)),
            ty: to,
            span,
        })
    }

    pub(super) fn method(
        &mut self,
        base: &ast::Expr,
        name: &Name,
        arguments: &[ast::Expr],
        span: Span,
    ) -> Option<Expr> {
        let function = match &*name.text {
            "exists" | "all" => {
                let [var, body] = self.arity(name, arguments)?;
                return self.quantified(base, &*name.text == "all", var, body, span);
            }
            "size" => {
                let [] = self.arity(name, arguments)?;
                let subject = self.value(base)?;
                return self.size(subject, span);
            }
            "startsWith" => TextFn::StartsWith,
            "endsWith" => TextFn::EndsWith,
            "contains" => TextFn::Contains,
            "matches" => TextFn::Matches,
            _ => {
                return self.unknown_function(name, true);
            }
        };
        let [argument] = self.arity(name, arguments)?;
        let (subject, argument) = (self.value(base), self.value(argument));
        self.text_function(function, name, subject?, argument?, span)
    }

    fn text_function(
        &mut self,
        function: TextFn,
        name: &Name,
        subject: Expr,
        argument: Expr,
        span: Span,
    ) -> Option<Expr> {
        let called = &name.text;
        if !matches!(subject.ty, Type::String | Type::Dyn) {
            let found = describe(&subject, self.scope.app);
            let help = match subject.ty {
                Type::List(_) => "to look into a list, write `item in list`",
                _ => "",
            };
            return self.type_error(
                subject.span,
                format!("`{called}` looks into a string, and this is {found}"),
                help,
            );
        }
        if argument.ty != Type::String {
            let found = describe(&argument, self.scope.app);
            return self.type_error(
                argument.span,
                format!("`{called}` looks for a string, and this is {found}"),
                "",
            );
        }
        let mut argument = argument;
        if function == TextFn::Matches {
            self.pattern(&argument)?;
            if !self.is_constant(&subject) {
                self.needs_memory(
                    "`matches`",
                    span,
                    "use `startsWith`, `endsWith` or `contains`",
                )?;
            }
        } else {
            // Addresses are kept in lower case, so a part of one is looked for in lower case.
            if Target::of(&subject, self.scope.app).email
                && let ExprKind::Literal(Value::Text(text)) = &argument.kind
            {
                argument.kind = ExprKind::Literal(Value::text(&text.to_lowercase()));
            }
            if !self.is_constant(&argument) {
                let what = format!("`{called}` of a field's value");
                self.needs_memory(&what, argument.span, "look for a literal")?;
            }
        }
        Some(Expr {
            kind: ExprKind::Text {
                function,
                subject: Box::new(subject),
                argument: Box::new(argument),
            },
            ty: Type::Bool,
            span,
        })
    }

    fn pattern(&mut self, argument: &Expr) -> Option<()> {
        let ExprKind::Literal(Value::Text(pattern)) = &argument.kind else {
            return self.type_error(
                argument.span,
                "a regular expression must be written out",
                "",
            );
        };
        match regex(pattern) {
            Ok(_) => Some(()),
            Err(regex::Error::CompiledTooBig(_)) => self.error(
                "expr-regex",
                argument.span,
                "this regular expression is too large once compiled",
                "repeat less: `{1,1000}` is a thousand copies",
            ),
            Err(error) => {
                // The library draws a picture over several lines; its last line says what is wrong.
                let text = error.to_string();
                let last = text.lines().last().unwrap_or("").trim();
                let why = last.strip_prefix("error: ").unwrap_or(last);
                self.error(
                    "expr-regex",
                    argument.span,
                    format!("this is no regular expression: {why}"),
                    "",
                )
            }
        }
    }

    /// `base.exists(var, body)` and `base.all(var, body)`
    fn quantified(
        &mut self,
        base: &ast::Expr,
        all: bool,
        var: &ast::Expr,
        body: &ast::Expr,
        span: Span,
    ) -> Option<Expr> {
        let Kind::Name(name) = &var.kind else {
            return self.type_error(var.span, "a variable's name was expected", "");
        };
        if is_reserved(name) {
            return self.error(
                "expr-unknown-name",
                var.span,
                format!("`{name}` has a meaning of its own and cannot be a variable"),
                "choose another name",
            );
        }
        let (over, bound) = self.ranged_over(base)?;
        if self.vars.len() >= MAX_VARS {
            return self.error(
                "expr-too-large",
                span,
                format!("at most {MAX_VARS} quantifiers may stand in each other"),
                "",
            );
        }
        let index = self.vars.len() as u8;
        self.vars.push(Var {
            name: name.clone(),
            bound,
        });
        let body = self.condition_of(body);
        self.vars.pop();
        Some(Expr {
            kind: ExprKind::Quantified {
                all,
                over,
                var: index,
                name: name.clone(),
                body: Box::new(body?),
            },
            ty: Type::Bool,
            span,
        })
    }

    fn ranged_over(&mut self, base: &ast::Expr) -> Option<(Over, Bound)> {
        match self.thing(base)? {
            Thing::Many {
                place,
                model,
                field,
                ..
            } => Some((
                Over::Related {
                    place,
                    model,
                    field,
                },
                Bound::Record(model),
            )),
            Thing::Value(list) => {
                let ty = match &list.ty {
                    Type::List(of) => (**of).clone(),
                    Type::Dyn => Type::Dyn,
                    _ => {
                        let message = format!(
                            "`exists` and `all` go through a list or a relation to many, and this is {}",
                            literals::describe(&list, self.scope.app)
                        );
                        return self.type_error(base.span, message, "");
                    }
                };
                let constant = self.is_constant(&list);
                Some((Over::List(Box::new(list)), Bound::Element { ty, constant }))
            }
            Thing::Record { .. } | Thing::Auth => self.type_error(
                base.span,
                "this is one record, not many",
                "name its fields directly",
            ),
        }
    }
}

/// `1h30m`, `-1.5s`, `200ms` → microseconds. Exact or nothing.
pub(crate) fn parse_duration(text: &str) -> Option<i64> {
    const UNITS: [(&str, i128); 6] = [
        // In nanoseconds, so that `1500ns` is seen to be inexact, not merely unknown. `ms` before `m`.
        ("h", 3_600_000_000_000),
        ("ms", 1_000_000),
        ("m", 60_000_000_000),
        ("s", 1_000_000_000),
        ("us", 1_000),
        ("ns", 1),
    ];
    let (sign, mut rest) = match text.strip_prefix('-') {
        Some(rest) => (-1, rest),
        None => (1, text),
    };
    if rest == "0" {
        return Some(0);
    }
    if rest.is_empty() || rest.len() > 64 {
        return None;
    }
    let mut total: i128 = 0;
    while !rest.is_empty() {
        let end = rest.find(|c: char| !c.is_ascii_digit() && c != '.')?;
        let (number, behind) = rest.split_at(end);
        let (unit, size) = UNITS
            .into_iter()
            .find(|(unit, _)| behind.starts_with(unit))?;
        rest = &behind[unit.len()..];
        let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
        if whole.is_empty() && fraction.is_empty() || fraction.len() > 18 || fraction.contains('.')
        {
            return None;
        }
        let whole: i128 = if whole.is_empty() {
            0
        } else {
            whole.parse().ok()?
        };
        total = total.checked_add(whole.checked_mul(size)?)?;
        if !fraction.is_empty() {
            let by = 10i128.pow(fraction.len() as u32);
            let scaled = fraction.parse::<i128>().ok()? * size;
            if scaled % by != 0 {
                return None;
            }
            total = total.checked_add(scaled / by)?;
        }
    }
    if total % 1_000 != 0 {
        return None;
    }
    let micros = i64::try_from(sign * total / 1_000).ok()?;
    // The longest span between two moments that can be kept.
    let longest = (time::MAX_TIMESTAMP - time::MIN_TIMESTAMP).unsigned_abs();
    (micros.unsigned_abs() <= longest).then_some(micros)
}

/// The text that [`parse_duration`] reads back: seconds.
pub(crate) fn duration_text(micros: i64) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let (seconds, fraction) = (micros / 1_000_000, micros % 1_000_000);
    if fraction == 0 {
        return format!("{sign}{seconds}s");
    }
    let digits = format!("{fraction:06}");
    format!("{sign}{seconds}.{}s", digits.trim_end_matches('0'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, micros) in [
            ("24h", Some(86_400_000_000)),
            ("1h30m", Some(5_400_000_000)),
            ("1.5s", Some(1_500_000)),
            ("-200ms", Some(-200_000)),
            ("1us", Some(1)),
            ("1000ns", Some(1)),
            ("0", Some(0)),
            (".5s", Some(500_000)),
            ("1ns", None),
            ("", None),
            ("1", None),
            ("h", None),
            ("1d", None),
            ("1.2.3s", None),
            (".s", None),
            ("99999999999999999999h", None),
            ("-9223372036854775808us", None),
            ("9999999h", Some(35_999_996_400_000_000)),
        ] {
            assert_eq!(parse_duration(text), micros, "{text}");
            if let Some(micros) = micros {
                assert_eq!(parse_duration(&duration_text(micros)), Some(micros));
            }
        }
    }
}
