//! What planning costs per operation, and what a rule costs in memory: `cargo bench -p mainstay-plan`.

use criterion::{Criterion, criterion_group, criterion_main};
use plan::Caller;
use plan::operation::{PlainFilter, PlainOp, Select, SortTerm};
use plan::read::{Page, Planner};
use plan::resolve::Resolver;
use spec::expr::eval::{Env, Record, holds};
use spec::{App, Dialect, Principal, Rule, Uuid, Value};
use std::hint::black_box;

fn app() -> App {
    let module = r#"
        [models.products.fields]
        name        = { type = "string", max = 120 }
        description = { type = "text" }
        price       = { type = "int" }
        category    = { type = "string", max = 60 }
        status      = { type = "enum", values = ["draft", "active"] }
        seller      = { type = "relation", to = "auth.users" }
        [models.products.access]
        read = "status == 'active' || seller == auth.id"
        [[models.products.indexes]]
        fields = ["category", "price"]
    "#;
    let files = vec![
        ("mainstay.toml".into(), "name = \"bench\"\n".to_owned()),
        ("modules/shop/module.toml".into(), module.to_owned()),
    ];
    let loaded = spec::load::load_sources(files);
    loaded
        .app
        .unwrap_or_else(|| panic!("{:?}", loaded.diagnostics))
}

fn planning(c: &mut Criterion) {
    let app = app();
    let model = app.model_named("shop.products").expect("declared above");
    let user = Principal::user(Uuid::from_u128(7), None, [].into());
    let caller = Caller {
        principal: &user,
        now: 1_800_000_000_000_000,
    };
    let resolver = Resolver {
        app: &app,
        caller,
        limits: &app.settings.limits,
    };
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        let planner = Planner {
            app: &app,
            dialect,
            caller,
        };
        c.bench_function(&format!("one record, {}", dialect.name()), |b| {
            b.iter(|| {
                let want = resolver
                    .want(model, &Select::default())
                    .expect("names are right");
                black_box(
                    planner
                        .one(&want, Value::Uuid(Uuid::from_u128(1)))
                        .expect("has SQL"),
                )
            });
        });
        let plain = [
            PlainFilter {
                field: "category".to_owned(),
                op: PlainOp::Eq,
                values: vec!["c".to_owned()],
            },
            PlainFilter {
                field: "price".to_owned(),
                op: PlainOp::Gt,
                values: vec!["10".to_owned()],
            },
        ];
        let sort = [SortTerm {
            path: vec!["price".to_owned()],
            descending: false,
        }];
        c.bench_function(
            &format!("list, two plain filters and a sort, {}", dialect.name()),
            |b| {
                b.iter(|| {
                    let want = resolver
                        .want(model, &Select::default())
                        .expect("names are right");
                    let filter = resolver
                        .filter(model, None, &plain)
                        .expect("types are right");
                    let sort = resolver.sort(model, &sort).expect("names are right");
                    let page = Page {
                        want: &want,
                        filter: filter.as_ref(),
                        sort: &sort,
                        after: None,
                        limit: 20,
                        search: None,
                        snippets: false,
                    };
                    black_box(planner.page(&page).expect("has SQL"))
                });
            },
        );
        c.bench_function(&format!("list, a CEL filter, {}", dialect.name()), |b| {
            b.iter(|| {
                let want = resolver
                    .want(model, &Select::default())
                    .expect("names are right");
                let filter = resolver
                    .filter(model, Some("category == 'c' && price > 10"), &[])
                    .expect("is right");
                let sort = resolver.sort(model, &sort).expect("names are right");
                let page = Page {
                    want: &want,
                    filter: filter.as_ref(),
                    sort: &sort,
                    after: None,
                    limit: 20,
                    search: None,
                    snippets: false,
                };
                black_box(planner.page(&page).expect("has SQL"))
            });
        });
    }
    let Rule::When(rule) = &model.access.read else {
        panic!("the model has a read rule")
    };
    let mut values = vec![Value::Null; model.fields.len()];
    let seller = model.field_named("seller").expect("declared above");
    let status = model.field_named("status").expect("declared above");
    values[usize::from(status.id.0)] = Value::text("draft");
    values[usize::from(seller.id.0)] = Value::Uuid(Uuid::from_u128(7));
    let env = Env {
        this: Record {
            fields: &values,
            extra: None,
        },
        old: None,
        auth: &user,
        now: caller.now,
        related: None,
    };
    c.bench_function("a rule of two terms, in memory", |b| {
        b.iter(|| black_box(holds(black_box(rule), &env)));
    });
}

criterion_group!(benches, planning);
criterion_main!(benches);
