//! Our parser against the `cel` crate's: within the subset they accept the same texts and see the same
//! structure in them. Theirs runs on a thread with a large stack, because chains overflow a small one.

use cel::common::ast::{Expr as Theirs, IdedExpr, LiteralValue};
use cel::parser::Parser;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestError, TestRunner};
use spec::expr::ast::{Expr as Ours, Kind};
use spec::expr::parse::parse;

/// One text for one structure. `&&` and `||` are flat (theirs are rebalanced trees), `-5` is a literal.
fn ours(expr: &Ours) -> String {
    let many = |name: &str, items: &[Ours]| {
        let items: Vec<_> = items.iter().map(ours).collect();
        format!("{name}({})", items.join(","))
    };
    match &expr.kind {
        Kind::Null => "null".into(),
        Kind::Bool(b) => b.to_string(),
        Kind::Int(n) => n.to_string(),
        Kind::Double { value, .. } => format!("{value:?}"),
        Kind::String(s) => format!("{s:?}"),
        Kind::List(items) => many("list", items),
        Kind::Name(name) => format!("${name}"),
        Kind::Member { base, name } => format!("select({},{})", ours(base), name.text),
        Kind::Index { base, index } => format!("_[_]({},{})", ours(base), ours(index)),
        Kind::Call {
            function,
            arguments,
        } => match (&*function.text, arguments.as_slice()) {
            ("has", [argument]) => match &argument.kind {
                Kind::Member { base, name } => format!("has({},{})", ours(base), name.text),
                _ => "has(?)".into(),
            },
            (name, arguments) => many(name, arguments),
        },
        Kind::Method {
            base,
            name,
            arguments,
        } => match (&*name.text, arguments.as_slice()) {
            (name @ ("exists" | "all"), [var, body]) => {
                format!("{name}({},{},{})", ours(base), ours(var), ours(body))
            }
            ("exists_one" | "existsOne" | "filter", [var, _]) | ("map", [var, _] | [var, _, _]) => {
                format!("macro({},{})", ours(base), ours(var))
            }
            (name, arguments) => many(&format!("{}.{name}", ours(base)), arguments),
        },
        Kind::Not(inner) => inverted(ours(inner)),
        Kind::Negate(inner) => negated(ours(inner)),
        Kind::And(items) => flat("_&&_", items.iter().map(ours)),
        Kind::Or(items) => flat("_||_", items.iter().map(ours)),
        Kind::Binary { op, left, right } => {
            let op = match op.text() {
                "in" => "@in".to_owned(),
                op => format!("_{op}_"),
            };
            format!("{op}({},{})", ours(left), ours(right))
        }
        Kind::Conditional {
            condition,
            then,
            otherwise,
        } => format!(
            "_?_:_({},{},{})",
            ours(condition),
            ours(then),
            ours(otherwise)
        ),
    }
}

/// Pairs of `!` and of `-` vanish: their parser drops them where they touch.
fn inverted(inner: String) -> String {
    match inner.strip_prefix("!_(") {
        Some(rest) => rest[..rest.len() - 1].to_owned(),
        None => format!("!_({inner})"),
    }
}

fn negated(inner: String) -> String {
    if let Some(rest) = inner.strip_prefix("-_(") {
        return rest[..rest.len() - 1].to_owned();
    }
    match inner.strip_prefix('-') {
        Some(rest) if rest.starts_with(|c: char| c.is_ascii_digit()) => rest.to_owned(),
        _ if inner.starts_with(|c: char| c.is_ascii_digit()) => format!("-{inner}"),
        _ => format!("-_({inner})"),
    }
}

/// Operands of the same operator in parentheses belong to the outer one.
fn flat(name: &str, items: impl Iterator<Item = String>) -> String {
    let items: Vec<_> = items
        .map(|item| match item.strip_prefix(name) {
            Some(rest) => rest[1..rest.len() - 1].to_owned(),
            None => item,
        })
        .collect();
    format!("{name}({})", items.join(","))
}

fn theirs(expr: &IdedExpr) -> String {
    let list = |items: &[IdedExpr]| items.iter().map(theirs).collect::<Vec<_>>().join(",");
    match &expr.expr {
        Theirs::Unspecified => "?".into(),
        Theirs::Ident(name) => format!("${name}"),
        Theirs::List(items) => format!("list({})", list(&items.elements)),
        Theirs::Literal(literal) => match literal {
            LiteralValue::Boolean(b) => format!("{:?}", *b.inner()),
            LiteralValue::Double(x) => format!("{:?}", *x.inner()),
            LiteralValue::Int(n) => n.inner().to_string(),
            LiteralValue::Null => "null".into(),
            LiteralValue::String(s) => format!("{:?}", s.inner()),
            LiteralValue::Bytes(_) | LiteralValue::UInt(_) => "outside".into(),
        },
        Theirs::Map(_) | Theirs::Struct(_) => "outside".into(),
        Theirs::Select(select) => {
            let name = if select.test { "has" } else { "select" };
            format!("{name}({},{})", theirs(&select.operand), select.field)
        }
        Theirs::Call(call) => match (call.func_name.as_str(), &call.target) {
            (name @ ("_&&_" | "_||_"), None) => flat(name, call.args.iter().map(theirs)),
            ("!_", None) if call.args.len() == 1 => inverted(theirs(&call.args[0])),
            ("-_", None) if call.args.len() == 1 => negated(theirs(&call.args[0])),
            (name, None) => format!("{name}({})", list(&call.args)),
            (name, Some(target)) => format!("{}.{name}({})", theirs(target), list(&call.args)),
        },
        Theirs::Comprehension(c) => {
            let step = match &c.loop_step.expr {
                Theirs::Call(call) if call.args.len() == 2 => match call.func_name.as_str() {
                    "_||_" => Some(("exists", &call.args[1])),
                    "_&&_" => Some(("all", &call.args[1])),
                    _ => None,
                },
                _ => None,
            };
            match step {
                Some((name, body)) => format!(
                    "{name}({},${},{})",
                    theirs(&c.iter_range),
                    c.iter_var,
                    theirs(body)
                ),
                None => format!("macro({},${})", theirs(&c.iter_range), c.iter_var),
            }
        }
    }
}

/// What the two say of a text; none where it is outside the subset or our bounds.
fn both(text: &str) -> Option<(Result<String, String>, Result<String, String>)> {
    let ours = match parse(text) {
        Ok(expr) => Ok(ours(&expr)),
        Err(errors) => {
            if errors
                .iter()
                .any(|e| matches!(e.code, "expr-unsupported" | "expr-too-large"))
            {
                return None;
            }
            // They look at `has(!!a.b)`, or `has(- -a.b)`, after dropping the pair, we before.
            let dense: String = text.chars().filter(|c| !c.is_whitespace()).collect();
            let pairs = dense.contains("!!") || dense.contains("--");
            if pairs
                && ["`has` asks", "wants a variable"]
                    .iter()
                    .any(|m| errors[0].message.contains(m))
            {
                return None;
            }
            Err(errors[0].to_string())
        }
    };
    let theirs = Parser::new().parse(text);
    let theirs = theirs
        .map(|expr| self::theirs(&expr))
        .map_err(|e| e.to_string().chars().take(200).collect());
    Some((ours, theirs))
}

fn on_a_large_stack(run: impl FnOnce() + Send + 'static) {
    let thread = std::thread::Builder::new().stack_size(64 << 20);
    let joined = thread.spawn(run).expect("a thread").join();
    if let Err(panic) = joined {
        std::panic::resume_unwind(panic);
    }
}

fn agree(text: &str) -> Result<(), TestCaseError> {
    match both(text) {
        None => Ok(()),
        Some((Ok(a), Ok(b))) => {
            prop_assert_eq!(a, b, "{:?}", text);
            Ok(())
        }
        Some((Err(_), Err(_))) => Ok(()),
        Some((Ok(a), Err(e))) => Err(TestCaseError::fail(format!(
            "{text:?}: we read {a}, they: {e}"
        ))),
        Some((Err(e), Ok(b))) => Err(TestCaseError::fail(format!(
            "{text:?}: they read {b}, we: {e}"
        ))),
    }
}

/// `texts` is called on the thread: a boxed strategy cannot be sent there.
fn check(cases: u32, texts: fn() -> BoxedStrategy<String>) {
    on_a_large_stack(move || {
        let mut runner = TestRunner::new(Config {
            cases,
            failure_persistence: None,
            ..Config::default()
        });
        match runner.run(&texts(), |text| agree(&text)) {
            Ok(()) => {}
            Err(TestError::Fail(reason, text)) => panic!("{reason}\nminimal: {text:?}"),
            Err(other) => panic!("{other}"),
        }
    });
}

/// Grammatical text, blanks and all.
fn expression() -> BoxedStrategy<String> {
    let name = prop::sample::select(&["a", "b", "status", "_x", "auth", "in_", "not"][..]);
    let leaf = prop_oneof![
        name.clone().prop_map(str::to_owned),
        prop::sample::select(
            &[
                "1",
                "0",
                "0x1F",
                "1.5",
                ".5",
                "1e3",
                "2E-3",
                "9223372036854775807",
                "true",
                "false",
                "null",
                "''",
                "'a\\'b'",
                "\"x\"",
                "r'\\d'",
                "'''a'b'''",
                "\"\"\"q\"q\"\"\"",
                "'\\u00e9\\x41\\101\\n'",
                "'é'",
                "-9223372036854775808",
                "[]",
                "-1",
                "- 1",
                "-1.5",
            ][..]
        )
        .prop_map(str::to_owned),
    ];
    leaf.prop_recursive(5, 40, 4, move |inner| {
        let op = prop::sample::select(
            &[
                "==", "!=", "<", "<=", ">", ">=", " in ", "+", "-", " - ", "*", "/", "%", "&&",
                " || ", "//c\n+",
            ][..],
        );
        let unary = prop::sample::select(&["!", "-", "!!", "--", "- "][..]);
        let method = prop::sample::select(&["startsWith", "f", "size", "package"][..]);
        let quantifier =
            prop::sample::select(&["exists", "all", "filter", "map", "exists_one"][..]);
        prop_oneof![
            (inner.clone(), op, inner.clone()).prop_map(|(a, op, b)| format!("{a}{op}{b}")),
            inner.clone().prop_map(|a| format!("( {a})")),
            (unary, inner.clone()).prop_map(|(op, a)| format!("{op}{a}")),
            (inner.clone(), inner.clone(), inner.clone())
                .prop_map(|(a, b, c)| format!("{a}?{b}:{c}")),
            (inner.clone(), name.clone()).prop_map(|(a, n)| format!("{a}.{n}")),
            (inner.clone(), inner.clone()).prop_map(|(a, b)| format!("{a}[{b}]")),
            (
                inner.clone(),
                method,
                prop::collection::vec(inner.clone(), 0..3)
            )
                .prop_map(|(a, m, args)| format!("{a}.{m}({})", args.join(","))),
            (inner.clone(), quantifier, name.clone(), inner.clone())
                .prop_map(|(a, q, v, b)| format!("{a}.{q}({v}, {b})")),
            (name.clone(), prop::collection::vec(inner.clone(), 0..3))
                .prop_map(|(f, args)| format!("{f}({})", args.join(", "))),
            (inner.clone(), name.clone()).prop_map(|(a, n)| format!("has({a}.{n})")),
            (prop::collection::vec(inner, 0..4), any::<bool>()).prop_map(|(items, comma)| {
                let comma = if comma && !items.is_empty() { "," } else { "" };
                format!("[{}{comma}]", items.join(", "))
            }),
        ]
    })
    .boxed()
}

#[test]
fn grammatical_texts_are_read_alike() {
    check(3000, expression);
}

/// Grammatical text with a few careless edits.
fn mutated() -> BoxedStrategy<String> {
    let junk = prop::sample::select(
        &[
            "(", ")", "[", "]", ".", ",", "?", ":", "&&", "||", "&", "|", "=", "==", "!", "-",
            "in", " in ", "'", "\"", "\\", "\n", "//", "1", "0x", "1.", "e5", "u", "a", "if",
            "true", "null", "has(", ".exists(", "x,", "'''", "r'", " ", "%", "é", "#", "\r", "\t",
            "_",
        ][..],
    );
    let edits = prop::collection::vec((any::<prop::sample::Index>(), 0u8..3, junk), 1..4);
    let mutated = (expression(), edits).prop_map(|(text, edits)| {
        let mut chars: Vec<char> = text.chars().collect();
        for (at, how, junk) in edits {
            let at = at.index(chars.len() + 1);
            match how {
                0 => drop(chars.splice(at..at, junk.chars())),
                1 if at < chars.len() => drop(chars.remove(at)),
                _ => chars.truncate(at),
            }
        }
        chars.into_iter().collect::<String>()
    });
    mutated.boxed()
}

#[test]
fn mutated_texts_are_judged_alike() {
    check(4000, mutated);
}

/// What the generators found once, and what the specification is particular about.
#[test]
fn particular_texts() {
    on_a_large_stack(|| {
        for text in [
            "has(- -1.a)",
            "a?b:c?d:e",
            "a?b?c:d:e",
            "--1",
            "---a",
            "!-1",
            "-!a",
            "!-a",
            "1.a",
            "1..a",
            "1.5.a",
            "12a",
            "0x",
            "0xg",
            "1e",
            "a.in",
            "a.if",
            "if",
            "as",
            "a.true",
            "in in in",
            "[,]",
            "[1,]",
            "f(1,)",
            "f(,)",
            "has(a)",
            "has(a.b)",
            "has(a[0])",
            "has(a.b, c)",
            "a.has(b)",
            "a.exists(b.c, d)",
            "a.exists(b)",
            "a.map(1, 2)",
            "a.map(x, y, z)",
            "exists(a, b)",
            "a b",
            "a == b == c",
            "a < b < c",
            "a in b in c",
            "a && b || c && d",
            "(a && b) && c",
            "a || (b || c)",
            "'\\400'",
            "'\\777'",
            "'\\8'",
            "'\\x4'",
            "'\\u12'",
            "'\\U00110000'",
            "'\\uD800'",
            "'a\nb'",
            "'''a\nb'''",
            "'''a\r\nb\rc'''",
            "r'a\\'",
            "r'\\''",
            "R\"x\"",
            "\"a'b\"",
            "'a\"b'",
            "'\t'",
            "'\u{1}'",
            "''''''",
            "'''''",
            "'''a''''",
            "// only",
            "a // b",
            "a //\n+ b",
            "a /b",
            "\u{c}a",
            "\u{a0}a",
            "a\u{2028}",
            "",
            " ",
            "()",
            "(a",
            "a)",
            "[a",
            "a[",
            "a[]",
            "a[1",
            "a.",
            ".5",
            "5.",
            "-.5",
            "- - 1",
            "1 - -1",
            "1--1",
            "a-1",
            "a- 1",
            "a -1",
            "1 -1",
            "9223372036854775808",
            "-9223372036854775808",
            "- 9223372036854775808",
            "-(9223372036854775808)",
            "0x7fffffffffffffff",
            "0x8000000000000000",
            "-0x8000000000000000",
            "0X1F",
            "1E5",
            "true.a",
            "null.b",
            "true()",
            "null == null",
            "a.b.c.d(e).f[g].h",
            "size(a).b",
            "'a'.size()",
            "[1][0]",
            "(a).b",
            "(a)(b)",
            "a(b)(c)",
            "!a.b(c)",
            "!(a)",
            "-a.b",
            "-(a)",
            "a*-b",
            "a*!b",
            "a+-1",
            "a--b",
            "a---b",
            "x.package",
            "package.x",
            "x.package()",
            "x.if()",
            "while()",
            "__result__",
            "@x",
            "a?.b",
            "$a",
            "a;b",
            "a=b",
        ] {
            if let Err(error) = agree(text) {
                panic!("{error}");
            }
        }
    });
}
