// The files of examples/marketplace, for `mainstay new --template marketplace`. An expression: see cli/template.rs.
[
    ("mainstay.toml", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/mainstay.toml"))),
    (".gitignore", include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/.gitignore"))),
    (
        "modules/auth/module.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/modules/auth/module.toml")),
    ),
    (
        "modules/auth/seed/users.jsonl",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/modules/auth/seed/users.jsonl")),
    ),
    (
        "modules/catalog/module.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/modules/catalog/module.toml")),
    ),
    (
        "modules/catalog/seed/categories.jsonl",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/marketplace/modules/catalog/seed/categories.jsonl"
        )),
    ),
    (
        "modules/catalog/seed/products.jsonl",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/marketplace/modules/catalog/seed/products.jsonl"
        )),
    ),
    (
        "modules/catalog/seed/reviews.jsonl",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/marketplace/modules/catalog/seed/reviews.jsonl"
        )),
    ),
    (
        "modules/notifications/module.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/modules/notifications/module.toml")),
    ),
    (
        "modules/notifications/seed/notifications.jsonl",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/marketplace/modules/notifications/seed/notifications.jsonl"
        )),
    ),
    (
        "modules/orders/module.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/modules/orders/module.toml")),
    ),
    (
        "modules/orders/seed/orders.jsonl",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/modules/orders/seed/orders.jsonl")),
    ),
    (
        "modules/orders/seed/order_items.jsonl",
        include_str!(concat!(
            env!("CARGO_MANIFEST_DIR"),
            "/../../examples/marketplace/modules/orders/seed/order_items.jsonl"
        )),
    ),
    (
        "tests/accounts.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/tests/accounts.toml")),
    ),
    (
        "tests/catalog.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/tests/catalog.toml")),
    ),
    (
        "tests/orders.toml",
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../../examples/marketplace/tests/orders.toml")),
    ),
]
