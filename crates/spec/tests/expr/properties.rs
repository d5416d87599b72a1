//! What must hold of every expression, whatever it says.

use crate::generate::{NOW, condition, principal, record, shop};
use proptest::prelude::*;
use spec::expr::eval::{Env, EvalErrorKind, Record, holds};
use spec::expr::print::{print, without_spans};
use spec::expr::{Known, Purpose, Scope, compile, fold, parse};
use spec::{App, ModelId};
use std::sync::{Arc, LazyLock};

static SHOP: LazyLock<App> = LazyLock::new(shop);

fn products() -> Option<ModelId> {
    SHOP.model_named("shop.products").map(|m| m.id)
}

fn scope() -> Scope<'static> {
    Scope {
        app: &SHOP,
        model: products(),
        purpose: Purpose::Free,
        closed: &[],
    }
}

/// The generator may join what does not fit (`'a' == auth.kind`); most of it must.
#[test]
fn the_generator_is_worth_something() {
    use proptest::strategy::ValueTree;
    use proptest::test_runner::TestRunner;
    let mut runner = TestRunner::deterministic();
    let condition = condition();
    let mut fit = 0;
    for _ in 0..500 {
        let text = condition.new_tree(&mut runner).expect("a tree").current();
        fit += u32::from(compile(&text, &scope()).is_ok());
    }
    assert!(fit > 250, "{fit} of 500");
}

/// What the generator found once.
#[test]
fn what_is_folded_stays_folded() {
    let roles = ["admin", "admin"].map(Arc::from);
    let auth = spec::Principal::user(spec::Uuid::nil(), None, roles.into());
    for text in [
        "auth.roles.exists(r, r == note || (qty == qty + 1 || date(now) > date('2026-01-31')))",
        "auth.roles.all(r, r == note && (qty == qty + 1 && (active && r != note)))",
    ] {
        let expr = compile(text, &scope()).expect("a condition");
        for now in [None, Some(NOW)] {
            let known = Known {
                auth: Some(&auth),
                now,
            };
            let folded = fold(&expr, known);
            let twice = fold(&folded, known);
            assert!(
                matches!(twice, std::borrow::Cow::Borrowed(_)),
                "{}\n{}",
                print(&folded, &SHOP, products()),
                print(&twice, &SHOP, products())
            );
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1500, max_global_rejects: 100_000, ..ProptestConfig::default() })]

    #[test]
    fn printed_text_compiles_to_the_same_tree(text in condition()) {
        let Ok(expr) = compile(&text, &scope()) else { return Err(TestCaseError::reject("untyped")) };
        let printed = print(&expr, &SHOP, products());
        let again = compile(&printed, &scope());
        let Ok(again) = again else {
            return Err(TestCaseError::fail(format!("{text}\n{printed}\n{again:?}")));
        };
        prop_assert_eq!(without_spans(&again), without_spans(&expr), "{}\n{}", text, printed);
        prop_assert_eq!(print(&again, &SHOP, products()), printed);
    }

    #[test]
    fn folding_changes_no_answer(
        text in condition(),
        this in record(&SHOP),
        old in prop::option::of(record(&SHOP)),
        auth in principal(),
        know_auth in any::<bool>(),
        know_now in any::<bool>(),
    ) {
        let Ok(expr) = compile(&text, &scope()) else { return Err(TestCaseError::reject("untyped")) };
        let env = Env { old: old.as_deref().map(Record::new), ..Env::new(&this, &auth, NOW) };
        let known = Known { auth: know_auth.then_some(&auth), now: know_now.then_some(NOW) };
        let folded = fold(&expr, known);
        let (plain, after) = (holds(&expr, &env), holds(&folded, &env));
        prop_assert_eq!(
            plain.clone().map_err(|e| e.kind),
            after.clone().map_err(|e| e.kind),
            "{}\n{}", text, print(&folded, &SHOP, products())
        );
        prop_assert_ne!(plain.map_err(|e| e.kind), Err(EvalErrorKind::Traverses));
        // What is folded is folded: a second pass finds nothing.
        let twice = fold(&folded, known);
        prop_assert!(
            matches!(twice, std::borrow::Cow::Borrowed(_)),
            "{}\n{}\n{}", text, print(&folded, &SHOP, products()), print(&twice, &SHOP, products())
        );
        if know_auth {
            let mut left = false;
            folded.walk(&mut |e| left |= matches!(e.kind, spec::expr::ExprKind::Auth(_)));
            prop_assert!(!left, "{}", print(&folded, &SHOP, products()));
        }
    }

    #[test]
    fn no_text_panics(text in any::<String>()) {
        let _ = compile(&text, &scope());
    }

    #[test]
    fn no_soup_of_tokens_panics(
        tokens in prop::collection::vec(prop::sample::select(&[
            "(", ")", "[", "]", "{", "}", ".", ",", "?", ":", "&&", "||", "!", "-", "+", "*", "/", "%", "==", "!=",
            "<", "<=", ">", ">=", "in", "true", "false", "null", "name", "qty", "price", "attrs", "tags", "auth",
            "now", "old", "id", "roles", "category", "reviews", "exists", "all", "size", "has", "x", "1", "-1", "0x1",
            "1.5", "'a'", "\"b\"", "r'c'", "'''d'''", "timestamp", "duration", "'1h'", "string", "matches", "//", "\n",
            "'", "\\", "é", "\u{0}", "9223372036854775808", "1e999", "if", "not", "and",
        ][..]), 0..24),
        spaced in any::<bool>(),
    ) {
        let text = tokens.join(if spaced { " " } else { "" });
        let _ = parse::parse(&text);
        if let Ok(expr) = compile(&text, &scope()) {
            let printed = print(&expr, &SHOP, products());
            let again = compile(&printed, &scope());
            prop_assert!(again.is_ok(), "{} -> {}: {:?}", text, printed, again);
        }
    }
}
