//! What comes out of a good app.

use crate::{AUTH, SHOP, load_texts};
use spec::diagnostic::render;
use spec::load::{Loaded, load};
use spec::types::{FieldType, ItemType};
use spec::{App, KeyKind, Model, OnDelete, Rule, Settings};
use std::path::Path;
use std::time::Duration;

fn marketplace() -> Loaded {
    let loaded = load(Path::new(concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/tests/apps/marketplace"
    )));
    assert_eq!(render(&loaded.diagnostics, &loaded.sources, false), "");
    loaded
}

fn good(files: &[(&str, &str)]) -> App {
    let loaded = load_texts(files);
    let report = render(&loaded.diagnostics, &loaded.sources, false);
    loaded.app.unwrap_or_else(|| panic!("{report}"))
}

fn names(model: &Model) -> Vec<&str> {
    model
        .fields
        .iter()
        .map(|field| field.name.as_str())
        .collect()
}

/// `field+field` for each index, `!` before a unique one.
fn indexes(model: &Model) -> Vec<String> {
    model
        .indexes
        .iter()
        .map(|index| {
            let fields: Vec<&str> = index
                .fields
                .iter()
                .map(|id| model.field(*id).name.as_str())
                .collect();
            format!(
                "{}{}",
                if index.unique { "!" } else { "" },
                fields.join("+")
            )
        })
        .collect()
}

#[test]
fn the_marketplace_of_the_design_loads_clean() {
    let loaded = marketplace();
    let app = loaded.app.expect("an app");
    let modules: Vec<&str> = app
        .modules
        .iter()
        .map(|module| module.name.as_str())
        .collect();
    assert_eq!(modules, ["auth", "catalog", "orders"]);
    for (place, model) in app.models.iter().enumerate() {
        assert_eq!(usize::from(model.id.0), place);
        for (place, field) in model.fields.iter().enumerate() {
            assert_eq!(usize::from(field.id.0), place);
        }
        assert_eq!(model.field(spec::model::ID).name, "id");
        assert_eq!(
            model.updated_at().map(|id| &*model.field(id).name),
            Some("updated_at")
        );
        assert_eq!(model.field(model.version()).name, "version");
    }
    let products = app.model_named("catalog.products").expect("products");
    assert_eq!(
        names(products),
        [
            "id",
            "name",
            "description",
            "price",
            "category",
            "seller",
            "status",
            "attributes",
            "cost",
            "created_at",
            "updated_at",
            "version"
        ]
    );
    assert_eq!(indexes(products), ["category+price", "seller"]);
    assert_eq!(products.inverses.len(), 1);
    assert_eq!(products.inverses[0].name, "reviews");
    assert!(matches!(products.access.read, Rule::When(_)));
    let relation = |name: &str| {
        products
            .field_named(name)
            .and_then(|f| f.relation())
            .expect("a relation")
    };
    assert_eq!(relation("category").on_delete, OnDelete::Restrict);
    assert_eq!(relation("seller").on_delete, OnDelete::Keep);
    let cost = products.field_named("cost").expect("cost");
    assert!(matches!(
        (&cost.read, &cost.write),
        (Rule::When(_), Rule::When(_))
    ));

    let reviews = app.model_named("catalog.reviews").expect("reviews");
    assert_eq!(indexes(reviews), ["!product+author", "author"]);
    let categories = app.model_named("catalog.categories").expect("categories");
    assert_eq!(indexes(categories), ["!name"]);
    assert!(matches!(categories.access.read, Rule::Allow));
    assert!(matches!(categories.access.create, Rule::Deny));
    let seeds: Vec<_> = loaded
        .seeds
        .iter()
        .map(|seed| (seed.model, seed.path.exists()))
        .collect();
    assert_eq!(seeds, [(categories.id, true)]);
}

#[test]
fn the_empty_app_has_users_and_the_defaults() {
    let app = good(&[]);
    assert_eq!(app.settings, Settings::default());
    let users = app.model_named("auth.users").expect("users");
    assert_eq!(
        names(users),
        [
            "id",
            "email",
            "name",
            "verified",
            "suspended",
            "created_at",
            "updated_at",
            "version"
        ]
    );
    assert_eq!(users.key, KeyKind::Uuid);
    assert_eq!(indexes(users), ["!email"]);
    assert!(matches!(users.access.create, Rule::Deny));
    assert!(matches!(users.access.delete, Rule::Deny));
    assert!(matches!(users.access.update, Rule::When(_)));
    for name in ["email", "verified", "suspended"] {
        let field = users.field_named(name).expect("a built-in field");
        assert!(matches!(field.write, Rule::Deny), "{name}");
        assert!(matches!(field.read, Rule::When(_)), "{name}");
    }
}

#[test]
fn an_app_extends_the_users() {
    let app = good(&[(
        AUTH,
        "[models.users.fields]\nbio = { type = \"text\", optional = true }\n\
         [models.users.access]\nread = \"true\"\n\
         [models.teams.fields]\nowner = { type = \"relation\", to = \"users\" }\n\
         [models.teams.access]\nread = \"owner == auth.id\"\n",
    )]);
    let users = app.model_named("auth.users").expect("users");
    assert_eq!(
        names(users),
        [
            "id",
            "email",
            "name",
            "verified",
            "suspended",
            "bio",
            "created_at",
            "updated_at",
            "version"
        ]
    );
    assert!(matches!(users.access.read, Rule::Allow));
    // What was not replaced stays, and what is private stays so.
    assert!(matches!(users.access.update, Rule::When(_)));
    assert!(matches!(
        users.field_named("email").map(|f| &f.read),
        Some(Rule::When(_))
    ));
    assert_eq!(users.inverses[0].name, "teams");
}

#[test]
fn every_type_with_its_limits() {
    let app = good(&[(
        SHOP,
        r#"
[models.things.fields]
a = { type = "string" }
b = { type = "string", max = 7 }
c = { type = "text" }
d = { type = "int", min = -1, max = 1 }
e = { type = "float", min = 0, max = 0.5 }
f = { type = "decimal", scale = 4 }
g = { type = "list", items = "float" }
h = { type = "relation", to = "tags", on_delete = "set_null", optional = true }
i = { type = "relation", to = "things", inverse = "children", on_delete = "cascade" }
[models.things.access]
read = "true"
[models.tags]
id = "string"
[models.tags.access]
read = "true"
"#,
    )]);
    let things = app.model_named("shop.things").expect("things");
    let tags = app.model_named("shop.tags").expect("tags");
    let types: Vec<FieldType> = things.fields[1..10]
        .iter()
        .map(|field| field.ty.clone())
        .collect();
    assert_eq!(
        types,
        [
            FieldType::String { max: 255 },
            FieldType::String { max: 7 },
            FieldType::Text { max: 100_000 },
            FieldType::Int {
                min: Some(-1),
                max: Some(1)
            },
            FieldType::Float {
                min: Some(0.0),
                max: Some(0.5)
            },
            FieldType::Decimal { scale: 4 },
            FieldType::List {
                items: ItemType::Float,
                max: 1_000
            },
            FieldType::Relation {
                to: tags.id,
                key: KeyKind::String,
                on_delete: OnDelete::SetNull
            },
            FieldType::Relation {
                to: things.id,
                key: KeyKind::Uuid,
                on_delete: OnDelete::Cascade
            },
        ]
    );
    assert_eq!(tags.fields[0].ty, FieldType::String { max: 128 });
    assert_eq!(things.inverses[0].name, "children");
    assert_eq!(tags.inverses[0].name, "things");
}

#[test]
fn settings_are_read() {
    let app = good(&[(
        crate::APP,
        r#"
name = "x"
[server]
listen = "0.0.0.0:80"
drain = "250ms"
docs = false
[database]
url = "postgres://localhost/x"
pool = 3
[auth]
registration = "closed"
access_token = "5m"
refresh_token = "12h"
password_min = 12
[limits]
page = 10
body = 4096
query_time = "1s"
[changes]
keep = "30d"
[idempotency]
keep = "2h"
"#,
    )]);
    let settings = &app.settings;
    assert_eq!(settings.server.listen, "0.0.0.0:80");
    assert_eq!(settings.server.drain, Duration::from_millis(250));
    assert!(!settings.server.docs);
    assert_eq!(settings.database.pool, 3);
    assert_eq!(
        settings.auth.registration,
        spec::settings::Registration::Closed
    );
    assert_eq!(settings.auth.refresh_token, Duration::from_secs(12 * 3600));
    assert_eq!(settings.auth.password_min, 12);
    // A page of the default size must fit the largest page.
    assert_eq!(
        (settings.limits.page, settings.limits.page_default),
        (10, 10)
    );
    assert_eq!(settings.limits.body, 4096);
    assert_eq!(settings.changes.keep, Duration::from_secs(30 * 24 * 3600));
    assert_eq!(settings.idempotency.keep, Duration::from_secs(2 * 3600));
}

/// Editors check against the schema what the loader checks: what one names, the other does.
#[test]
fn the_schemas_describe_both_files() {
    let app = spec::load::schema::app_schema();
    assert_eq!(
        app["properties"]["auth"]["properties"]["registration"]["enum"][0],
        "open"
    );
    assert_eq!(app["additionalProperties"], false);
    let module = spec::load::schema::module_schema();
    let text = module.to_string();
    for word in [
        "models",
        "access",
        "indexes",
        "on_delete",
        "relation",
        "disclose",
    ] {
        assert!(text.contains(&format!("\"{word}\"")), "{word}");
    }
}
