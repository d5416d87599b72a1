//! Any text: the parser, the checker and what comes behind them end with an answer, and a tree that
//! was printed is the same tree when it is read again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use spec::expr::eval::{Env, EvalErrorKind, holds};
use spec::expr::print::{print, without_spans};
use spec::expr::{Known, Purpose, Scope, compile, fold, parse};
use spec::{App, Principal, Value};
use std::sync::LazyLock;

static SHOP: LazyLock<App> = LazyLock::new(|| {
    let module = include_str!("../../crates/spec/tests/expr/shop.toml").to_owned();
    let files = vec![
        ("mainstay.toml".into(), "name = \"shop\"\n".to_owned()),
        ("modules/shop/module.toml".into(), module),
    ];
    spec::load::load_sources(files)
        .app
        .expect("the fixture loads")
});

fuzz_target!(|text: &str| {
    if parse::parse(text).is_err() {
        return;
    }
    let model = SHOP.model_named("shop.products").map(|m| m.id);
    let somebody = Principal::user(spec::Uuid::from_u128(1), None, ["admin".into()].into());
    let fields: Vec<Value> = Vec::new();
    for purpose in [
        Purpose::Filter,
        Purpose::Update,
        Purpose::Check,
        Purpose::Free,
    ] {
        let scope = Scope {
            app: &SHOP,
            model,
            purpose,
            closed: &[],
        };
        let Ok(expr) = compile(text, &scope) else {
            continue;
        };
        let printed = print(&expr, &SHOP, model);
        // Parentheses that printing needs may exceed a bound that the text just met.
        if let Ok(again) = compile(&printed, &scope) {
            assert_eq!(
                without_spans(&again),
                without_spans(&expr),
                "{text}\n{printed}"
            );
        }
        let env = Env::new(&fields, &somebody, 0);
        let known = Known {
            auth: Some(&somebody),
            now: Some(0),
        };
        let folded = fold(&expr, known);
        let plain = holds(&expr, &env).map_err(|e| e.kind);
        // Folding may answer what would have needed other records to be looked at.
        if expr.ty == spec::expr::Type::Bool && plain != Err(EvalErrorKind::Traverses) {
            assert_eq!(
                plain,
                holds(&folded, &env).map_err(|e| e.kind),
                "{text}\n{}",
                print(&folded, &SHOP, model)
            );
        }
    }
});
