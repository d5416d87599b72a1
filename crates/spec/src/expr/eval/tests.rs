use super::*;
use crate::Decimal;
use crate::expr::check::tests::shop;
use crate::expr::{Known, Purpose, Scope, compile, fold};
use crate::model::App;
use std::collections::HashMap;

const NOW: i64 = 1_800_000_000_000_000;

fn uuid(n: u128) -> uuid::Uuid {
    uuid::Uuid::from_u128(n)
}

/// A record with these fields, and null for the rest.
fn record(app: &App, model: &str, values: &[(&str, Value)]) -> Vec<Value> {
    let model = app.model_named(model).unwrap();
    let mut fields = vec![Value::Null; model.fields.len()];
    for (name, value) in values {
        fields[usize::from(model.field_named(name).unwrap().id.0)] = value.clone();
    }
    fields
}

fn product(app: &App) -> Vec<Value> {
    record(
        app,
        "shop.products",
        &[
            ("id", uuid(1).into()),
            ("name", "Café au lait".into()),
            ("qty", 7.into()),
            ("weight", Value::Float(2.5)),
            ("price", Value::Decimal(Decimal::new(1250, 2))),
            ("rate", Value::Decimal(Decimal::new(15_000, 4))),
            ("active", true.into()),
            ("at", Value::Timestamp(NOW - 1)),
            ("due", Value::Date(20_000)),
            ("token", uuid(9).into()),
            ("status", "active".into()),
            (
                "attrs",
                Value::Json(
                    r#"{"n":null,"s":"x","u":1.5,"big":9007199254740993,"yes":true,"list":["a",1,null,{"k":2}],"owner":"00000000-0000-0000-0000-000000000007"}"#.into(),
                ),
            ),
            ("tags", Value::Json(r#"["red","blue"]"#.into())),
            ("nums", Value::List([Value::Int(1), Value::Int(2)].into())),
            ("category", uuid(3).into()),
            ("maker", uuid(7).into()),
        ],
    )
}

fn user() -> Principal {
    Principal::user(
        uuid(7),
        Some("me@x.com".into()),
        ["editor".into(), "red".into()].into(),
    )
}

fn evaluate(app: &App, text: &str, auth: &Principal) -> std::result::Result<Value, EvalErrorKind> {
    let scope = Scope {
        app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Free,
        closed: &[],
    };
    let expr = compile(text, &scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
    let fields = product(app);
    let env = Env::new(&fields, auth, NOW);
    let result = eval(&expr, &env);
    // What is known beforehand changes nothing.
    let known = Known {
        auth: Some(auth),
        now: Some(NOW),
    };
    let folded = eval(&fold(&expr, known), &env);
    match (&result, &folded) {
        (Ok(a), Ok(b)) => assert!(
            a == b || matches!((a, b), (Value::Null, Value::Bool(false))),
            "{text}: {a:?}, folded {b:?}"
        ),
        (Err(a), Err(b)) => assert_eq!(a.kind, b.kind, "{text}"),
        _ => panic!("{text}: {result:?}, folded {folded:?}"),
    }
    result.map_err(|e| e.kind)
}

/// The truth table of `docs/expressions.md`: `note`, `cost`, `seller`, `stock` are null.
#[test]
fn null_is_equal_to_nothing_and_only_the_literal_tests_for_it() {
    let app = shop();
    for (text, wanted) in [
        ("note == 'x'", false),
        ("note != 'x'", true),
        ("!(note == 'x')", true),
        ("note == note", false),
        ("note != note", true),
        ("stock < 1", false),
        ("stock >= 1", false),
        ("!(stock < 1)", true),
        ("stock == null", true),
        ("stock != null", false),
        ("qty == null", false),
        ("null == null", true),
        ("stock in [1, 2]", false),
        ("!(stock in [1, 2])", true),
        ("qty in [stock, 7]", true),
        ("qty in [stock]", false),
        ("note.startsWith('')", false),
        ("name.startsWith('')", true),
        ("!note.contains('x')", true),
        ("size(note) == 0", false),
        ("size(note) != 0", true),
        ("size(note) == null", true),
        ("stock + 1 == null", true),
        ("-stock == null", true),
        ("string(stock) == null", true),
        ("(stock < 1) == null", false),
        ("(active ? stock : qty) == null", true),
        ("attrs.nothing == null", true),
        ("attrs.n == null", true),
        ("attrs.s.deeper == null", true),
        ("attrs.nothing == 'x'", false),
        ("attrs.nothing != 'x'", true),
        ("attrs.s == 1", false),
        ("attrs.s < 1", false),
        ("has(attrs.n)", true),
        ("has(attrs.nothing)", false),
        ("has(attrs.s.deeper)", false),
        ("seller == auth.id", false),
        ("seller != auth.id", true),
        ("attrs.s.exists(x, x == 'x')", false),
        ("attrs.s.all(x, x == 'x')", false),
        ("attrs.nothing.all(x, x == 'x')", false),
        ("cost == price", false),
    ] {
        for auth in [user(), Principal::anonymous()] {
            assert_eq!(
                evaluate(&app, text, &auth),
                Ok(Value::Bool(wanted)),
                "{text}"
            );
        }
    }
    // A null condition is false, also inside of something.
    for text in ["note == null && active", "active || stock < 1"] {
        assert_eq!(evaluate(&app, text, &user()), Ok(Value::Bool(true)));
    }
}

#[test]
fn values_compare_as_the_stores_do() {
    let app = shop();
    for (text, wanted) in [
        ("status == 'active' || seller == auth.id", true),
        ("maker == auth.id", true),
        ("auth.id in [seller, maker]", true),
        ("auth.kind == 'user' && auth.email == 'me@x.com'", true),
        ("'editor' in auth.roles", true),
        ("auth.roles.exists(r, r in tags)", true),
        ("auth.roles.all(r, r in tags)", false),
        ("qty > weight", true),
        ("qty == 7 && qty >= 7 && qty <= 7 && !(qty < 7)", true),
        ("price == 12.5", true),
        ("price > rate", true),
        ("price > qty", true),
        ("price * qty == 87.5", true),
        ("price + 0.05 == 12.55", true),
        ("price * 1.1 == 13.75", true),
        ("-price == -12.5", true),
        ("at < now && at > now - duration('1s')", true),
        ("now - at == duration('1us')", true),
        ("due == date('2024-10-04')", true),
        ("timestamp(due) == timestamp('2024-10-04T00:00:00Z')", true),
        ("date(now) > due", true),
        ("token == '00000000-0000-0000-0000-000000000009'", true),
        ("size(name) == 12", true),
        (
            "name.startsWith('Caf') && name.endsWith('lait') && name.contains('é')",
            true,
        ),
        ("name.matches('^C.*t$') && !name.matches('^c')", true),
        ("name + '!' == 'Café au lait!'", true),
        ("'red' in tags && !('green' in tags)", true),
        (
            "tags.exists(t, t == 'blue') && tags.all(t, size(t) > 2)",
            true,
        ),
        (
            "size(tags) == 2 && tags[1] == 'blue' && tags[2] == null",
            true,
        ),
        ("2 in nums && nums[0] == 1 && size(nums) == 2", true),
        (
            "attrs.s == 'x' && attrs.u == 1.5 && attrs.u > 1 && attrs.yes == true",
            true,
        ),
        (
            "attrs.big == 9007199254740993 && attrs.big != 9007199254740992",
            true,
        ),
        (
            "attrs.list[0] == 'a' && attrs.list[3].k == 2 && attrs['list'][1] == 1.0",
            true,
        ),
        (
            "size(attrs.list) == 4 && size(attrs.s) == 1 && size(attrs) == null",
            true,
        ),
        (
            "'a' in attrs.list && 1 in attrs.list && !(2 in attrs.list)",
            true,
        ),
        ("attrs.list.exists(x, x.k == 2)", true),
        ("attrs.owner == auth.id", true),
        ("attrs.s in ['x', 'y'] && !(attrs.u in ['x'])", true),
        ("attrs.s.startsWith('x') && !attrs.u.startsWith('1')", true),
        ("(active ? qty : stock) == 7", true),
        ("['a', 'b'].exists(x, x == 'b')", true),
        ("[name, note].exists(x, x.contains('lait'))", true),
        ("[note].all(x, x == 'a')", false),
        (
            "7 / 2 == 3 && -7 / 2 == -3 && -7 % 2 == -1 && 7.0 / 2.0 == 3.5",
            true,
        ),
        (
            "int(2.9) == 2 && int('-3') == -3 && double('1e3') == 1000.0 && int(price) == 12",
            true,
        ),
        (
            "string(price) == '12.50' && string(qty) == '7' && string(active) == 'true'",
            true,
        ),
        ("string(at) == '2027-01-15T07:59:59.999999Z'", true),
        ("int(attrs.u) == 1 && string(attrs.s) == 'x'", true),
    ] {
        assert_eq!(
            evaluate(&app, text, &user()),
            Ok(Value::Bool(wanted)),
            "{text}"
        );
    }
}

#[test]
fn what_can_fail_fails_where_it_stands() {
    use EvalErrorKind::{Conversion, DivisionByZero, Overflow, Traverses};
    let app = shop();
    for (text, wanted) in [
        ("qty / 0 == 1", DivisionByZero),
        ("qty % 0 == 1", DivisionByZero),
        ("weight / 0.0 > 1.0", DivisionByZero),
        ("qty + 9223372036854775807 > 0", Overflow),
        ("-9223372036854775808 / -1 > 0", Overflow),
        ("weight * 1e308 * 1e308 > 1.0", Overflow),
        ("price * 9999999999999999 > 1", Overflow),
        (
            "now + duration('9999999h') + duration('60000000h') > now",
            Overflow,
        ),
        ("int(name) > 1", Conversion),
        ("int(1e19) > 1", Conversion),
        ("double('inf') > 1.0", Conversion),
        ("timestamp(name) > now", Conversion),
        ("int(attrs.list) > 1", Conversion),
        ("category.name == 'x'", Traverses),
        ("reviews.exists(r, r.rating > 1)", Traverses),
    ] {
        assert_eq!(evaluate(&app, text, &user()), Err(wanted), "{text}");
    }
    // The left side decides first, and then the right is not asked.
    for (text, wanted) in [
        ("false && 1 / 0 == 1", Ok(Value::Bool(false))),
        ("true || 1 / 0 == 1", Ok(Value::Bool(true))),
        ("1 / 0 == 1 && false", Err(DivisionByZero)),
        ("1 / 0 == 1 || true", Err(DivisionByZero)),
        ("qty / 0 == 1 && auth.id == null", Err(DivisionByZero)),
        ("auth.id == null && qty / 0 == 1", Ok(Value::Bool(false))),
        ("active ? qty : 1 / 0", Ok(Value::Int(7))),
        ("auth.email == string(qty / 0)", Err(DivisionByZero)),
    ] {
        assert_eq!(evaluate(&app, text, &user()), wanted, "{text}");
    }
}

#[test]
fn long_loops_end() {
    let app = shop();
    let scope = Scope {
        app: &app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Free,
        closed: &[],
    };
    let text = "nums.all(a, nums.all(b, nums.all(c, a + b + c > 0)))";
    let expr = compile(text, &scope).unwrap();
    let mut fields = product(&app);
    let nums = app.model_named("shop.products").unwrap();
    let nums = nums.field_named("nums").unwrap().id;
    fields[usize::from(nums.0)] = Value::List((0..1000).map(Value::Int).skip(1).collect());
    let auth = user();
    let started = std::time::Instant::now();
    let result = eval(&expr, &Env::new(&fields, &auth, NOW));
    assert_eq!(result.map_err(|e| e.kind), Err(EvalErrorKind::Budget));
    assert!(started.elapsed().as_secs() < 2);
}

/// Records by model and id.
#[derive(Default)]
struct Shelf {
    records: HashMap<(ModelId, uuid::Uuid), Vec<Value>>,
}

impl Related for Shelf {
    fn record(&self, model: ModelId, id: &Value) -> Option<Record<'_>> {
        let Value::Uuid(id) = id else { return None };
        let fields = self.records.get(&(model, *id))?;
        Some(Record::new(fields))
    }

    fn referring(&self, model: ModelId, field: FieldId, id: &Value) -> Vec<Record<'_>> {
        self.records
            .iter()
            .filter(|((m, _), fields)| *m == model && fields[usize::from(field.0)] == *id)
            .map(|(_, fields)| Record::new(fields))
            .collect()
    }
}

#[test]
fn relations_are_followed_where_there_are_means() {
    let app = shop();
    let mut shelf = Shelf::default();
    let mut put = |model: &str, id: u128, values: &[(&str, Value)]| {
        let mut fields = record(&app, model, values);
        fields[0] = uuid(id).into();
        let model = app.model_named(model).unwrap().id;
        shelf.records.insert((model, uuid(id)), fields);
    };
    put(
        "shop.categories",
        3,
        &[("name", "tea".into()), ("parent", uuid(4).into())],
    );
    put("shop.categories", 4, &[("name", "drinks".into())]);
    for (id, rating, author) in [(21, 5, Some(7)), (22, 2, None), (23, 4, Some(8))] {
        put(
            "shop.reviews",
            id,
            &[
                ("product", uuid(1).into()),
                ("rating", rating.into()),
                ("author", author.map(uuid).into()),
            ],
        );
    }
    let fields = product(&app);
    let auth = user();
    let env = Env {
        related: Some(&shelf),
        ..Env::new(&fields, &auth, NOW)
    };
    let scope = Scope {
        app: &app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Filter,
        closed: &[],
    };
    for (text, wanted) in [
        ("category.name == 'tea'", true),
        ("category.parent.name == 'drinks'", true),
        ("category.parent.parent == null", true),
        ("category.parent.parent.name == null", true),
        ("category.parent.parent.name == 'x'", false),
        (
            "reviews.exists(r, r.rating > 4 && r.author == auth.id)",
            true,
        ),
        (
            "reviews.exists(r, r.rating < 4 && r.author == auth.id)",
            false,
        ),
        ("reviews.all(r, r.rating > 1)", true),
        ("reviews.all(r, r.rating > 2)", false),
        ("reviews.exists(r, r.product.category.name == 'tea')", false),
        ("category.parent.products.all(p, p.qty > 100)", true),
        ("category.parent.parent.products.all(p, p.qty > 100)", true),
        (
            "category.parent.parent.products.exists(p, p.qty > 100)",
            false,
        ),
        (
            "reviews.exists(r, ['a'].exists(x, x == 'a') && r.rating == 2)",
            true,
        ),
    ] {
        let expr = compile(text, &scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        assert_eq!(holds(&expr, &env), Ok(wanted), "{text}");
        let known = Known {
            auth: Some(&auth),
            now: Some(NOW),
        };
        assert_eq!(
            holds(&fold(&expr, known), &env),
            Ok(wanted),
            "{text} folded"
        );
    }
}

#[test]
fn folding_leaves_what_depends_on_the_record() {
    let app = shop();
    let scope = Scope {
        app: &app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Filter,
        closed: &[],
    };
    let (user, nobody) = (user(), Principal::anonymous());
    for (text, for_user, for_nobody) in [
        (
            "status == 'active' || seller == auth.id",
            "status == 'active' || seller == '00000000-0000-0000-0000-000000000007'",
            "status == 'active'",
        ),
        (
            "seller == auth.id",
            "seller == '00000000-0000-0000-0000-000000000007'",
            "false",
        ),
        ("'editor' in auth.roles", "true", "false"),
        (
            "auth.roles.exists(r, r == 'editor') || active",
            "true",
            "active",
        ),
        (
            "auth.roles.exists(r, r == 'admin') || active",
            "active",
            "active",
        ),
        (
            "auth.roles.exists(r, r == name)",
            "name in ['editor', 'red']",
            "false",
        ),
        (
            "auth.roles.all(r, r == name)",
            "'editor' == name && 'red' == name",
            "true",
        ),
        ("auth.id != null && active", "active", "false"),
        ("auth.id == null ? active : qty > 1", "qty > 1", "active"),
        (
            "auth.id in [seller, maker]",
            "'00000000-0000-0000-0000-000000000007' in [seller, maker]",
            "false",
        ),
        ("name.contains('')", "name != null", "name != null"),
        (
            "name.startsWith(auth.email)",
            "name.startsWith('me@x.com')",
            "false",
        ),
        (
            "at > now - duration('1s')",
            "at > timestamp('2027-01-15T07:59:59.000000Z')",
            "at > timestamp('2027-01-15T07:59:59.000000Z')",
        ),
        (
            "(true && active) == true",
            "!!active == true",
            "!!active == true",
        ),
        (
            "attrs.owner == auth.id",
            "attrs.owner == '00000000-0000-0000-0000-000000000007'",
            "false",
        ),
        ("1 + 1 == 2 && qty > 2 * 3", "qty > 6", "qty > 6"),
        ("name in []", "false", "false"),
        ("!(!active)", "active", "active"),
        (
            "reviews.exists(r, r.author == auth.id)",
            "reviews.exists(r, r.author == '00000000-0000-0000-0000-000000000007')",
            "false",
        ),
    ] {
        let expr = compile(text, &scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        for (auth, wanted) in [(&user, for_user), (&nobody, for_nobody)] {
            let known = Known {
                auth: Some(auth),
                now: Some(NOW),
            };
            let folded = fold(&expr, known);
            let printed = crate::expr::print(&folded, &app, scope.model);
            assert_eq!(printed, wanted, "{text}");
        }
    }
}

/// Not a benchmark: only that the usual rule stays in the order of the goal (0.3 µs optimised).
#[test]
fn the_usual_rule_is_cheap() {
    let app = shop();
    let scope = Scope {
        app: &app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Read,
        closed: &[],
    };
    let expr = compile("status == 'sold' || seller == auth.id", &scope).unwrap();
    let fields = product(&app);
    let auth = user();
    let env = Env::new(&fields, &auth, NOW);
    let count = 100_000;
    let started = std::time::Instant::now();
    for _ in 0..count {
        let _ = std::hint::black_box(holds(std::hint::black_box(&expr), &env));
    }
    let each = started.elapsed() / count;
    assert!(each.as_micros() < 50, "{each:?}");
}

fn parts(expr: &Expr) -> usize {
    let mut count = 0;
    expr.walk(&mut |_| count += 1);
    count
}

#[test]
fn lists_in_lists_do_not_multiply_without_a_bound() {
    let app = shop();
    let scope = Scope {
        app: &app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Filter,
        closed: &[],
    };
    let list: Vec<String> = (0..60).map(|n| n.to_string()).collect();
    let list = format!("[7,{}]", list.join(","));
    let text = format!(
        "{list}.exists(a, {list}.exists(b, {list}.exists(c, qty == a && qty == b && qty == c)))"
    );
    let expr = compile(&text, &scope).unwrap_or_else(|e| panic!("{e:?}"));
    let folded = fold(&expr, Known::default()).into_owned();
    assert!(parts(&folded) < 20_000, "{}", parts(&folded));
    // What stays a loop means the same.
    let fields = product(&app);
    let auth = user();
    let env = Env::new(&fields, &auth, NOW);
    assert_eq!(holds(&folded, &env), Ok(true));
    assert_eq!(holds(&expr, &env), Ok(true));
}

#[test]
fn equality_with_one_of_a_list_is_membership() {
    let app = shop();
    let scope = Scope {
        app: &app,
        model: app.model_named("shop.products").map(|m| m.id),
        purpose: Purpose::Filter,
        closed: &[],
    };
    let user = user();
    for (text, wanted) in [
        (
            "auth.roles.exists(r, r == name)",
            "name in ['editor', 'red']",
        ),
        (
            "auth.roles.exists(r, name == r)",
            "name in ['editor', 'red']",
        ),
        (
            "auth.roles.all(r, r != name)",
            "!(name in ['editor', 'red'])",
        ),
        ("auth.roles.exists(r, r == auth.kind)", "false"),
        (
            "auth.roles.all(r, r == name)",
            "'editor' == name && 'red' == name",
        ),
        (
            "auth.roles.exists(r, r != name)",
            "'editor' != name || 'red' != name",
        ),
        ("auth.roles.exists(r, r == r)", "true"),
        (
            "auth.roles.exists(r, r == attrs.s)",
            "'editor' == attrs.s || 'red' == attrs.s",
        ),
    ] {
        let expr = compile(text, &scope).unwrap_or_else(|e| panic!("{text}: {e:?}"));
        let known = Known {
            auth: Some(&user),
            now: Some(NOW),
        };
        let folded = fold(&expr, known);
        let printed = crate::expr::print(&folded, &app, scope.model);
        assert_eq!(printed, wanted, "{text}");
    }
}
