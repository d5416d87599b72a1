use super::*;
use crate::expr::print::{print, without_spans};

pub(crate) fn shop() -> App {
    let files = vec![
        ("mainstay.toml".into(), "name = \"shop\"\n".to_owned()),
        (
            "modules/shop/module.toml".into(),
            include_str!("../../../tests/expr/shop.toml").to_owned(),
        ),
    ];
    let loaded = crate::load::load_sources(files);
    let diagnostics = loaded.diagnostics;
    loaded
        .app
        .unwrap_or_else(|| panic!("the fixture: {diagnostics:?}"))
}

fn scope<'a>(app: &'a App, model: &str, purpose: Purpose) -> Scope<'a> {
    Scope {
        app,
        model: app.model_named(model).map(|m| m.id),
        purpose,
        closed: &[],
    }
}

fn default_of(app: &App, field: &str) -> Purpose {
    let products = app.model_named("shop.products").unwrap();
    Purpose::Default(products.field_named(field).unwrap().id)
}

/// What an expression compiles to, printed, which shows what literals became.
#[test]
fn literals_take_the_other_sides_type() {
    let app = shop();
    for (text, wanted) in [
        ("weight > 1", "weight > 1.0"),
        ("qty == 2.0", "qty == 2"),
        ("price > 1", "price > 1.00"),
        ("price >= 1.5", "price >= 1.50"),
        ("price in [1, 2.5]", "price in [1.00, 2.50]"),
        (
            "9999999999999999.99 == price",
            "9999999999999999.99 == price",
        ),
        ("price == '12.5'", "price == 12.50"),
        (
            "at > '2026-01-31T12:00:00+01:00'",
            "at > timestamp('2026-01-31T11:00:00.000000Z')",
        ),
        ("due <= '2026-01-31'", "due <= date('2026-01-31')"),
        (
            "token == '0190B3A4-0000-7000-8000-0000000000AB'",
            "token == '0190b3a4-0000-7000-8000-0000000000ab'",
        ),
        ("contact == 'Bob@X.com'", "contact == 'bob@x.com'"),
        ("contact.endsWith('X.com')", "contact.endsWith('x.com')"),
        ("1 < 2.5", "1.0 < 2.5"),
        (
            "status == (active ? 'draft' : 'sold')",
            "status == (active ? 'draft' : 'sold')",
        ),
        ("null != name", "name != null"),
        ("!(name == null)", "name != null"),
        (
            "(qty > 1 && active) && active",
            "qty > 1 && active && active",
        ),
        ("attrs.a['b'].c[0] == 1", "attrs.a.b.c[0] == 1"),
        ("attrs['x y'] == 'z'", "attrs['x y'] == 'z'"),
        ("attrs.owner == auth.id", "attrs.owner == string(auth.id)"),
        (
            "at > now - duration('1h30m')",
            "at > now - duration('5400s')",
        ),
        ("due < date(now)", "due < date(now)"),
        (
            "tags.exists(t, t.startsWith('a'))",
            "tags.exists(t, t.startsWith('a'))",
        ),
        (
            "reviews.exists(r, r.rating > 3 && r.author == auth.id)",
            "reviews.exists(r, r.rating > 3 && r.author == auth.id)",
        ),
        ("category.parent.name == 'x'", "category.parent.name == 'x'"),
        (
            "size(tags) > 2 && name.size() < 5",
            "size(tags) > 2 && size(name) < 5",
        ),
        ("auth.id in [seller, maker]", "auth.id in [seller, maker]"),
        ("'admin' in auth.roles", "'admin' in auth.roles"),
        ("name in []", "name in []"),
        ("tags[0] == 'x'", "tags[0] == 'x'"),
        ("has(attrs.a.b)", "has(attrs.a.b)"),
    ] {
        let filter = scope(&app, "shop.products", Purpose::Filter);
        match compile(text, &filter) {
            Ok(expr) => {
                let printed = print(&expr, &app, filter.model);
                assert_eq!(printed, wanted, "{text}");
                let again = compile(&printed, &filter).expect(&printed);
                assert_eq!(without_spans(&again), without_spans(&expr), "{text}");
            }
            Err(errors) => panic!("{text}: {errors:?}"),
        }
    }
}

#[test]
fn mistakes_are_told_with_their_place_and_a_way_out() {
    let app = shop();
    for (text, code, place, says) in [
        ("naem == 'x'", "expr-unknown-name", "naem", "`name`"),
        ("name == 3", "expr-literal", "3", "a string"),
        ("qty == 'x'", "expr-literal", "'x'", "a whole number"),
        ("qty == 1.5", "expr-literal", "1.5", "whole number"),
        (
            "price == 1.234",
            "expr-literal",
            "1.234",
            "more than 2 digits",
        ),
        ("status == 'actve'", "expr-literal", "'actve'", "`active`"),
        ("status in ['draft', 'x']", "expr-literal", "'x'", "one of"),
        ("'x' in [status]", "expr-literal", "'x'", "one of"),
        ("auth.kind == 'usr'", "expr-literal", "'usr'", "`user`"),
        (
            "due == '2026-02-30'",
            "expr-literal",
            "'2026-02-30'",
            "no such day",
        ),
        ("at == 'soon'", "expr-literal", "'soon'", "datetime"),
        ("token == 'x'", "expr-literal", "'x'", "uuid"),
        ("weight > price", "expr-type", "weight > price", "exact"),
        (
            "price > rate",
            "expr-not-sql",
            "price > rate",
            "different scales",
        ),
        ("price > qty", "expr-not-sql", "price > qty", "whole number"),
        ("due < now", "expr-type", "due < now", "date(now)"),
        (
            "name == auth.id",
            "expr-type",
            "name == auth.id",
            "relation",
        ),
        ("tags == tags", "expr-type", "tags == tags", "items"),
        ("name", "expr-type", "name", "true or false"),
        ("attrs.a", "expr-type", "attrs.a", "== true"),
        ("qty + 1 > 2", "expr-not-sql", "qty + 1", "arithmetic"),
        (
            "name.matches('x')",
            "expr-not-sql",
            "name.matches('x')",
            "startsWith",
        ),
        ("int(name) > 2", "expr-not-sql", "int(name)", "literal"),
        ("attrs.a == name", "expr-not-sql", "attrs.a == name", "JSON"),
        ("name.startsWith(note)", "expr-not-sql", "note", "literal"),
        (
            "seller.name == 'x'",
            "expr-crosses-modules",
            "name",
            "another module",
        ),
        ("reviews.rating > 3", "expr-type", "rating", "exists"),
        ("reviews == 3", "expr-type", "reviews", "exists"),
        ("auth.id in reviews", "expr-type", "reviews", "exists"),
        ("reviews.exists(r, r == 1)", "expr-type", "r", "record"),
        (
            "tags.exists(now, now == 'x')",
            "expr-unknown-name",
            "now",
            "another name",
        ),
        (
            "auth.rols.exists(r, r == 'x')",
            "expr-unknown-name",
            "rols",
            "auth.roles",
        ),
        ("old.name == 'x'", "expr-unknown-name", "old", "update"),
        (
            "tags.map(t, t == 'x')",
            "expr-unknown-function",
            "map",
            "subset",
        ),
        (
            "lower(name) == 'x'",
            "expr-unknown-function",
            "lower",
            "there are",
        ),
        (
            "startsWith(name, 'x')",
            "expr-unknown-function",
            "startsWith",
            "method",
        ),
        (
            "name.startWith('x')",
            "expr-unknown-function",
            "startWith",
            "`startsWith`",
        ),
        ("size(qty) > 1", "expr-type", "qty", "size"),
        (
            "has(category.name)",
            "expr-type",
            "category.name",
            "!= null",
        ),
        ("null in tags", "expr-type", "null", "no list"),
        ("name in [null]", "expr-type", "null", "cannot be in a list"),
        ("1 < qty < 3", "expr-type", "1 < qty < 3", "do not chain"),
        ("name > null", "expr-type", "name > null", "null"),
        ("name.length > 1", "expr-type", "length", "size"),
        ("tags.first == 'x'", "expr-type", "first", "no members"),
        ("attrs[qty] == 1", "expr-type", "qty", "written out"),
        (
            "active ? name : qty",
            "expr-type",
            "active ? name : qty",
            "one type",
        ),
        (
            "name == 'x' && naem == 'y' && nope",
            "expr-unknown-name",
            "naem",
            "",
        ),
        ("attrs.at < now", "expr-type", "attrs.at < now", "JSON"),
        (
            "duration('1x') < duration('2h')",
            "expr-literal",
            "duration('1x')",
            "24h",
        ),
    ] {
        let errors = compile(text, &scope(&app, "shop.products", Purpose::Filter)).expect_err(text);
        let error = &errors[0];
        let (start, end) = (error.span.start as usize, error.span.end as usize);
        assert_eq!(
            (error.code, &text[start..end]),
            (code, place),
            "{text}: {error}"
        );
        assert!(error.to_string().contains(says), "{text}: {error}");
    }
    let errors = compile(
        "naem == 1 && nope == 2",
        &scope(&app, "shop.products", Purpose::Read),
    );
    assert_eq!(errors.expect_err("two").len(), 2);
}

#[test]
fn each_purpose_has_its_own_reach() {
    let app = shop();
    let code = |text: &str, purpose| {
        compile(text, &scope(&app, "shop.products", purpose)).map_or_else(|e| e[0].code, |_| "")
    };
    for (purpose, text, wanted) in [
        (Purpose::Check, "price * 2 > cost + 1", ""),
        (Purpose::Check, "name.matches('^[a-z]+$')", ""),
        (Purpose::Check, "name.matches('(')", "expr-regex"),
        (
            Purpose::Check,
            "name.matches('(a{1000}){1000}')",
            "expr-regex",
        ),
        (Purpose::Check, "name.matches(note)", "expr-type"),
        (Purpose::Check, "price > rate", ""),
        (Purpose::Check, "price > qty", ""),
        (Purpose::Check, "old.qty == null || qty >= old.qty", ""),
        (Purpose::Check, "category.name == 'x'", "expr-traverses"),
        (
            Purpose::Check,
            "reviews.exists(r, r.rating > 1)",
            "expr-traverses",
        ),
        (Purpose::Check, "seller != auth.id", ""),
        (Purpose::Read, "auth.email.matches('@corp[.]com$')", ""),
        (Purpose::Read, "auth.id != null", ""),
        (Purpose::Read, "seller != auth.id", "expr-not-equal-caller"),
        (
            Purpose::Read,
            "!(seller == auth.id)",
            "expr-not-equal-caller",
        ),
        (
            Purpose::Read,
            "!(qty > 1 || auth.id in [seller])",
            "expr-not-equal-caller",
        ),
        (
            Purpose::Read,
            "(seller == auth.id) == false",
            "expr-not-equal-caller",
        ),
        (
            Purpose::Read,
            "!auth.roles.exists(r, r == name)",
            "expr-not-equal-caller",
        ),
        (Purpose::Read, "!auth.roles.exists(r, r == 'x')", ""),
        (Purpose::Read, "!(!(seller == auth.id))", ""),
        (
            Purpose::Read,
            "seller == auth.id ? false : active",
            "expr-not-equal-caller",
        ),
        (Purpose::Read, "seller == auth.id ? active : qty > 1", ""),
        (Purpose::Filter, "seller != auth.id", ""),
        (Purpose::Read, "old.seller == auth.id", "expr-unknown-name"),
        (Purpose::Update, "old.seller == auth.id", ""),
        (
            Purpose::Update,
            "old.status == 'draft' && seller == auth.id",
            "expr-new-value",
        ),
        (
            Purpose::Update,
            "old.seller == auth.id && seller == auth.id",
            "",
        ),
        (
            Purpose::Update,
            "old.seller == auth.id || seller == auth.id",
            "expr-new-value",
        ),
        (
            Purpose::Update,
            "seller == auth.id && (old.seller == auth.id || old.maker == auth.id)",
            "expr-new-value",
        ),
        (
            Purpose::Update,
            "old.status == 'draft' && maker == auth.id",
            "",
        ),
        (
            Purpose::Update,
            "old.qty < qty && auth.id in [seller, old.seller]",
            "expr-new-value",
        ),
        (
            Purpose::Update,
            "old.qty < qty && tags.exists(t, t in auth.roles)",
            "expr-new-value",
        ),
        (
            Purpose::Update,
            "old.tags.exists(t, t in auth.roles) && tags.exists(t, t in auth.roles)",
            "",
        ),
        (
            Purpose::Update,
            "old.qty < qty && category.name == auth.email",
            "expr-new-value",
        ),
        (
            Purpose::Update,
            "old.qty < qty && reviews.exists(r, r.author == auth.id)",
            "",
        ),
        (Purpose::Update, "seller == auth.id", ""),
        (default_of(&app, "price"), "1.5", ""),
        (default_of(&app, "price"), "1.555", "expr-literal"),
        (default_of(&app, "price"), "qty", "expr-type"),
        (default_of(&app, "rate"), "price * qty", ""),
        (default_of(&app, "rate"), "price * 1.19", ""),
        (default_of(&app, "price"), "rate", "expr-default-order"),
        (default_of(&app, "status"), "'draft'", ""),
        (default_of(&app, "status"), "'x'", "expr-literal"),
        (default_of(&app, "at"), "now + duration('24h')", ""),
        (default_of(&app, "due"), "now", "expr-type"),
        (default_of(&app, "due"), "date(now)", ""),
        (default_of(&app, "seller"), "auth.id", ""),
        (default_of(&app, "attrs"), "'{\"a\": [1]}'", ""),
        (default_of(&app, "attrs"), "'{'", "expr-literal"),
        (default_of(&app, "attrs"), "3", ""),
        (default_of(&app, "tags"), "['a', 'b']", ""),
        (default_of(&app, "tags"), "[]", ""),
        (default_of(&app, "tags"), "[1]", "expr-literal"),
        (default_of(&app, "nums"), "[1, 2]", ""),
        (default_of(&app, "name"), "auth.email", ""),
        (default_of(&app, "name"), "name", "expr-default-order"),
        (default_of(&app, "note"), "name + '!'", ""),
        (
            default_of(&app, "category"),
            "category.parent",
            "expr-default-order",
        ),
        (
            default_of(&app, "seller"),
            "category.parent",
            "expr-traverses",
        ),
        (default_of(&app, "qty"), "null", ""),
        (Purpose::Free, "now - at", ""),
        (Purpose::Free, "'a' + 'b'", ""),
    ] {
        assert_eq!(code(text, purpose), wanted, "{purpose:?} {text}");
    }
}

#[test]
fn open_models_keep_paths_to_what_is_not_declared() {
    let app = shop();
    let filter = scope(&app, "shop.notes", Purpose::Filter);
    for (text, wanted) in [
        ("color == 'red'", "color == 'red'"),
        ("a.b[2] > 1 && title == 'x'", "a.b[2] > 1 && title == 'x'"),
        ("labels.exists(l, l == 'x')", "labels.exists(l, l == 'x')"),
        ("'x' in labels", "'x' in labels"),
        ("color in ['red', 'blue']", "color in ['red', 'blue']"),
        ("has(a.b)", "has(a.b)"),
    ] {
        let expr = compile(text, &filter).expect(text);
        assert_eq!(print(&expr, &app, filter.model), wanted);
    }
    let expr = compile("color == 'red'", &filter).unwrap();
    let ExprKind::Compare { left, .. } = expr.kind else {
        panic!("a comparison")
    };
    assert!(
        matches!(left.kind, ExprKind::Path { base, .. } if matches!(base.kind, ExprKind::Extra { .. }))
    );
}

#[test]
fn nothing_that_parses_can_exhaust_the_stack() {
    let app = shop();
    let run = move || {
        for (piece, close) in [
            ("(", ")"),
            ("!", ""),
            ("qty+", ""),
            ("attrs.", ""),
            ("-", ""),
        ] {
            for count in [20, 31, 60, 62, 400] {
                let text = piece.repeat(count) + "qty" + &close.repeat(count);
                let free = scope(&app, "shop.products", Purpose::Free);
                if let Ok(expr) = compile(&text, &free) {
                    let principal = crate::Principal::anonymous();
                    let env = crate::expr::Env::new(&[], &principal, 0);
                    let _ = crate::expr::eval::eval(&expr, &env);
                    let _ = crate::expr::fold(&expr, crate::expr::Known::default());
                    let _ = print(&expr, &app, free.model);
                }
            }
        }
    };
    let small = std::thread::Builder::new().stack_size(1024 * 1024);
    small.spawn(run).unwrap().join().unwrap();
}
