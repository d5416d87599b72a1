use super::*;

/// Fully bracketed, so that structure shows.
fn shape(expr: &Expr) -> String {
    let all = |items: &[Expr], by: &str| items.iter().map(shape).collect::<Vec<_>>().join(by);
    match &expr.kind {
        Kind::Null => "null".into(),
        Kind::Bool(b) => b.to_string(),
        Kind::Int(n) => n.to_string(),
        Kind::Double { text, .. } => text.to_string(),
        Kind::String(s) => format!("{s:?}"),
        Kind::List(items) => format!("[{}]", all(items, ", ")),
        Kind::Name(name) => name.to_string(),
        Kind::Member { base, name } => format!("{}.{}", shape(base), name.text),
        Kind::Index { base, index } => format!("{}[{}]", shape(base), shape(index)),
        Kind::Call {
            function,
            arguments,
        } => format!("{}({})", function.text, all(arguments, ", ")),
        Kind::Method {
            base,
            name,
            arguments,
        } => format!("{}.{}({})", shape(base), name.text, all(arguments, ", ")),
        Kind::Not(inner) => format!("!{}", shape(inner)),
        Kind::Negate(inner) => format!("-({})", shape(inner)),
        Kind::And(items) => format!("({})", all(items, " && ")),
        Kind::Or(items) => format!("({})", all(items, " || ")),
        Kind::Binary { op, left, right } => {
            format!("({} {} {})", shape(left), op.text(), shape(right))
        }
        Kind::Conditional {
            condition,
            then,
            otherwise,
        } => format!(
            "({} ? {} : {})",
            shape(condition),
            shape(then),
            shape(otherwise)
        ),
    }
}

#[test]
fn operators_bind_as_in_cel() {
    for (text, wanted) in [
        ("a || b && c || d", "(a || (b && c) || d)"),
        ("a == b && c", "((a == b) && c)"),
        ("1 + 2 * 3 - 4", "((1 + (2 * 3)) - 4)"),
        ("a - b - c", "((a - b) - c)"),
        ("a < b == c", "((a < b) == c)"),
        ("x in [1, 2,] ", "(x in [1, 2])"),
        ("!a.b", "!a.b"),
        ("!!a", "!!a"),
        ("-a.b", "-(a.b)"),
        ("-1", "-1"),
        ("--1", "-(-(1))"),
        ("a-1", "(a - 1)"),
        ("!-1", "!-1"),
        ("a ? b : c ? d : e", "(a ? b : (c ? d : e))"),
        ("a || b ? c : d", "((a || b) ? c : d)"),
        ("a.b[0].c('x')", "a.b[0].c(\"x\")"),
        ("size(x)", "size(x)"),
        ("1.5e3 + .5 + 0x1F", "((1.5e3 + .5) + 31)"),
        ("-9223372036854775808", "-9223372036854775808"),
        ("a // comment\n && b", "(a && b)"),
        ("'a\\'b\\x41\\u00e9\\101'", "\"a'bAéA\""),
        ("r'a\\n'", "\"a\\\\n\""),
        ("'''a'b\nc'''", "\"a'b\\nc\""),
        ("a.package", "a.package"),
        ("true && null == false", "(true && (null == false))"),
    ] {
        match parse(text) {
            Ok(expr) => assert_eq!(shape(&expr), wanted, "{text}"),
            Err(errors) => panic!("{text}: {errors:?}"),
        }
    }
}

#[test]
fn mistakes_are_told_in_words_and_at_their_place() {
    for (text, place, says) in [
        ("", "", "empty"),
        ("a = b", "=", "use `==`"),
        ("a & b", "&", "`&&`"),
        ("a | b", "|", "`||`"),
        ("a and b", "and", "`&&`"),
        ("(a or b)", "or", "`||`"),
        ("not a", "not", "`!`"),
        ("a <> b", "<>", "`!=`"),
        ("a is null", "is", "== null"),
        ("a == 'x", "'x", "not closed"),
        ("a == (b", "(", "never closed"),
        ("a == b)", ")", "never opened"),
        ("a b", "b", "operator is missing"),
        ("a ==", "", "ends where"),
        ("a == == b", "==", "value was expected"),
        ("{'a': 1}", "{", "map literals"),
        ("M{a: 1}", "{", "message literals"),
        ("1u", "1u", "unsigned"),
        ("b'x'", "b'x'", "byte strings"),
        ("if == 1", "if", "reserved"),
        ("a.in", "in", "['in']"),
        ("a ? b", "", "`:` is missing"),
        ("a ? b ? c : d : e", "?", "parentheses"),
        ("has(a)", "a", "member"),
        ("a.exists(1, b)", "1", "variable"),
        ("'\\q'", "\\q", "no escape"),
        ("'\\ud800'", "\\ud800", "no character"),
        ("'a\\000'", "\\000", "U+0000"),
        ("9223372036854775808", "9223372036854775808", "64 bits"),
        ("1e999", "1e999", "too large"),
        ("“a”", "“", "straight quotes"),
        ("a.", "", "behind the dot"),
        ("!-a", "-", "parentheses"),
        ("a; b", ";", "no meaning"),
    ] {
        let errors = parse(text).expect_err(text);
        let error = &errors[0];
        let (start, end) = (error.span.start as usize, error.span.end as usize);
        assert_eq!(&text[start..end], place, "{text}: {error}");
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    assert_eq!(parse("a = b & c").expect_err("two").len(), 2);
}

#[test]
fn bounds_hold_on_a_small_stack() {
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    let run = small.spawn(|| {
        for (piece, close) in [
            ("(", ")"),
            ("[", "]"),
            ("!", ""),
            ("-", ""),
            ("- ", ""),
            ("1+", ""),
            ("a.", ""),
            ("a==", ""),
            ("f(", ")"),
            ("a?b:", ""),
            ("a[", "]"),
            ("a.b().", ""),
            ("a in ", ""),
            ("a||", ""),
            ("a&&(", ")"),
        ] {
            for count in [5, 30, 100, 400, 1000] {
                let text = piece.repeat(count) + "x" + &close.repeat(count);
                let _ = parse(&text);
            }
        }
    });
    run.expect("a thread").join().expect("no overflow");
    let deep = |count| "(".repeat(count) + "x" + &")".repeat(count);
    assert!(parse(&deep(31)).is_ok());
    assert_eq!(
        parse(&deep(32)).expect_err("deep")[0].code,
        "expr-too-large"
    );
    let wide = |count: usize| vec!["a"; count].join(" || ");
    assert!(parse(&wide(400)).is_ok());
    assert_eq!(
        parse(&wide(600)).expect_err("wide")[0].code,
        "expr-too-large"
    );
    assert!(parse(&vec!["a"; 60].join("+")).is_ok());
    assert!(parse(&vec!["a"; 70].join("+")).is_err());
    assert!(parse(&"a".repeat(5000)).is_err());
}
