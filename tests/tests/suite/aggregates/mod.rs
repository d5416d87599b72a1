//! Aggregates: what is counted and added up, for whom, and within what bounds.

mod hidden;
mod oracle;

use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
[limits]
groups = 5
aggregates = 4
expand = 2
## modules/shop/module.toml
[models.areas.fields]
name = { type = "string" }
open = { type = "bool" }
[models.areas.access]
read = "open"

[models.categories.fields]
name = { type = "string" }
area = { type = "relation", to = "areas", optional = true }
budget = { type = "decimal", scale = 2, optional = true }
[models.categories.access]
read = "true"

[models.products]
open = true
[models.products.fields]
name     = { type = "string" }
price    = { type = "decimal", scale = 2, optional = true }
stock    = { type = "int", optional = true }
weight   = { type = "float", optional = true }
status   = { type = "enum", values = ["active", "draft", "sold"], default = "'active'" }
category = { type = "relation", to = "categories", optional = true }
seller   = { type = "relation", to = "auth.users", optional = true }
listed   = { type = "datetime", optional = true }
until    = { type = "date", optional = true }
gift     = { type = "bool", default = "false" }
code     = { type = "uuid", optional = true }
attrs    = { type = "json", optional = true }
tags     = { type = "list", items = "string", optional = true }
count    = { type = "int", optional = true }
tiny     = { type = "decimal", scale = 18, optional = true }
before   = { type = "relation", to = "products", optional = true, inverse = "after" }
origin   = { type = "relation", to = "areas", optional = true }
[models.products.access]
read = "status != 'draft'"
create = "true"
"#;

const M: &str = "shop.products";

async fn product(fx: &Fixture, body: Json) {
    let mut whole = json!({"name": "p"});
    for (name, value) in body.as_object().expect("an object") {
        whole[name] = value.clone();
    }
    fx.create(&system(), M, whole).await.ok();
}

async fn asked(fx: &Fixture, query: &str) -> Json {
    let mut answer = fx.aggregate(&anonymous(), M, query).await.ok();
    answer["data"].take()
}

each_store!(groups_are_counted_and_added_up, APP, async |fx| {
    for (name, price, stock) in [
        ("a", json!("10.00"), json!(1)),
        ("a", json!("0.05"), json!(2)),
        ("a", json!("-20.10"), json!(null)),
        ("b", json!(null), json!(null)),
    ] {
        product(fx, json!({"name": name, "price": price, "stock": stock})).await;
    }
    // What may not be read is not counted.
    product(
        fx,
        json!({"name": "a", "price": "1000.00", "status": "draft"}),
    )
    .await;
    assert_eq!(
        asked(fx, "group_by=name&count=*,price&sum=price&avg=price").await,
        json!([
            {"name": "a", "count": 3, "count_price": 3, "sum_price": "-10.05", "avg_price": "-3.350000"},
            {"name": "b", "count": 1, "count_price": 0, "sum_price": null, "avg_price": null},
        ])
    );
    assert_eq!(
        asked(fx, "group_by=name&min=price,stock&max=price,stock").await,
        json!([
            {"name": "a", "min_price": "-20.10", "min_stock": 1, "max_price": "10.00", "max_stock": 2},
            {"name": "b", "min_price": null, "min_stock": null, "max_price": null, "max_stock": null},
        ])
    );
    assert_eq!(
        asked(fx, "sum=stock&avg=stock").await,
        json!([{"sum_stock": 3, "avg_stock": "1.5000"}])
    );
    // As a list does, with both kinds of filters.
    assert_eq!(
        asked(fx, "filter=price < 5.0&name=a&count=*").await,
        json!([{"count": 2}])
    );
    // Members stand as they are asked for.
    let reply = fx
        .aggregate(&anonymous(), M, "sum=stock&group_by=name&count=*&limit=1")
        .await;
    assert_eq!(
        String::from_utf8_lossy(&reply.bytes()),
        r#"{"data":[{"name":"a","sum_stock":3,"count":3}],"more":true}"#
    );
});

each_store!(of_nothing_the_count_is_zero, APP, async |fx| {
    let none = json!([{"count": 0, "count_price": 0, "sum_price": null, "avg_stock": null}]);
    let query = "count=*,price&sum=price&avg=stock";
    assert_eq!(asked(fx, query).await, none);
    assert_eq!(asked(fx, "group_by=name&count=*").await, json!([]));
    assert_eq!(asked(fx, "count=*&having=count > 0").await, json!([]));
    // To whom a model is closed, not even what is asked is looked at.
    product(fx, json!({"price": "1.00"})).await;
    let users = "auth.users";
    let reply = fx.aggregate(&anonymous(), users, "count=*&max=name").await;
    assert!(reply.data().is_empty());
    let reply = fx.aggregate(&user(1), users, "count=*&max=name").await;
    assert_eq!(reply.data(), [json!({"count": 1, "max_name": "User 1"})]);
    let reply = fx.aggregate(&admin(), users, "count=*").await;
    assert_eq!(reply.data(), [json!({"count": 4})]);
});

each_store!(null_is_a_group_and_sorts_lowest, APP, async |fx| {
    for (stock, gift) in [(json!(null), false), (json!(7), true), (json!(null), true)] {
        product(fx, json!({"stock": stock, "gift": gift})).await;
    }
    assert_eq!(
        asked(fx, "group_by=stock&count=*").await,
        json!([{"stock": null, "count": 2}, {"stock": 7, "count": 1}])
    );
    assert_eq!(
        asked(fx, "group_by=stock,gift&count=*&sort=-stock,-gift").await,
        json!([
            {"stock": 7, "gift": true, "count": 1},
            {"stock": null, "gift": true, "count": 1},
            {"stock": null, "gift": false, "count": 1},
        ])
    );
    assert_eq!(
        asked(fx, "group_by=gift&max=stock&sort=max_stock").await,
        json!([{"gift": false, "max_stock": null}, {"gift": true, "max_stock": 7}])
    );
    assert_eq!(
        asked(fx, "group_by=stock&having=stock == null").await,
        json!([{"stock": null}])
    );
});

each_store!(relations_are_followed_under_their_rules, APP, async |fx| {
    let area = |name: &'static str, open| async move {
        let body = json!({"name": name, "open": open});
        id(&fx.create(&system(), "shop.areas", body).await.ok())
    };
    let (open, closed) = (area("north", true).await, area("secret", false).await);
    for (name, area, budget, products) in
        [("books", &open, "10.00", 2), ("tools", &closed, "7.50", 1)]
    {
        let body = json!({"name": name, "area": area, "budget": budget});
        let category = id(&fx.create(&system(), "shop.categories", body).await.ok());
        for _ in 0..products {
            product(fx, json!({"category": category, "stock": 2})).await;
        }
    }
    product(fx, json!({})).await;
    assert_eq!(
        asked(fx, "group_by=category.name&count=*&sum=category.budget").await,
        json!([
            {"category.name": null, "count": 1, "sum_category.budget": null},
            {"category.name": "books", "count": 2, "sum_category.budget": "20.00"},
            {"category.name": "tools", "count": 1, "sum_category.budget": "7.50"},
        ])
    );
    // The area that may not be read is as none.
    assert_eq!(
        asked(fx, "group_by=category.area.name&count=*").await,
        json!([{"category.area.name": null, "count": 2}, {"category.area.name": "north", "count": 2}])
    );
    assert_eq!(
        asked(
            fx,
            "group_by=category.name&sum=stock&having=category.name == 'books'"
        )
        .await,
        json!([{"category.name": "books", "sum_stock": 4}])
    );
    assert_eq!(
        asked(
            fx,
            "group_by=category.name&count=*&sort=-category.name&limit=1"
        )
        .await,
        json!([{"category.name": "tools", "count": 1}])
    );
});

each_store!(dates_have_parts, APP, async |fx| {
    for (listed, until) in [
        ("2026-01-01T00:00:00Z", "2026-01-01"),
        ("2025-12-31T23:59:59.999999Z", "2025-12-31"),
        ("1969-12-31T23:59:59.999999Z", "1969-12-31"),
        ("0001-01-01T00:00:00Z", "0001-01-01"),
        ("9999-12-31T23:59:59.999999Z", "9999-12-31"),
    ] {
        product(fx, json!({"listed": listed, "until": until})).await;
    }
    for (part, of_datetimes, of_dates) in [
        ("year", json!([1, 1969, 2025, 2026, 9999]), true),
        (
            "quarter",
            json!(["0001-Q1", "1969-Q4", "2025-Q4", "2026-Q1", "9999-Q4"]),
            true,
        ),
        (
            "month",
            json!(["0001-01", "1969-12", "2025-12", "2026-01", "9999-12"]),
            true,
        ),
        // The last days of 2025 are in the first week of 2026; those of 1969 in the first of 1970.
        (
            "week",
            json!(["0001-W01", "1970-W01", "2026-W01", "9999-W52"]),
            true,
        ),
        (
            "day",
            json!([
                "0001-01-01",
                "1969-12-31",
                "2025-12-31",
                "2026-01-01",
                "9999-12-31"
            ]),
            true,
        ),
        (
            "hour",
            json!([
                "0001-01-01T00:00:00.000000Z",
                "1969-12-31T23:00:00.000000Z",
                "2025-12-31T23:00:00.000000Z",
                "2026-01-01T00:00:00.000000Z",
                "9999-12-31T23:00:00.000000Z"
            ]),
            false,
        ),
        ("month_of_year", json!([1, 12]), true),
        ("weekday", json!([1, 3, 4, 5]), true),
        ("hour_of_day", json!([0, 23]), false),
    ] {
        for (field, has) in [("listed", true), ("until", of_dates)] {
            let name = format!("{field}.{part}");
            let query = format!("group_by={name}&count=*");
            if !has {
                let reply = fx.aggregate(&anonymous(), M, &query).await;
                assert_eq!(reply.code(), "request.bad_aggregate", "{query}");
                continue;
            }
            let groups = asked(fx, &query).await;
            let groups = groups.as_array().expect("groups");
            let found: Json = groups.iter().map(|group| group[&name].clone()).collect();
            assert_eq!(found, of_datetimes, "{query}");
        }
    }
    product(fx, json!({})).await;
    assert_eq!(
        asked(
            fx,
            "group_by=listed.month&count=*&having=listed.month == '2026-01' || listed.month == null"
        )
        .await,
        json!([{"listed.month": null, "count": 1}, {"listed.month": "2026-01", "count": 1}])
    );
    assert_eq!(
        asked(
            fx,
            "group_by=listed.year&count=*&having=listed.year > 2025 && listed.year < 3000"
        )
        .await,
        json!([{"listed.year": 2026, "count": 1}])
    );
    assert_eq!(
        asked(
            fx,
            "group_by=until.day&having=until.day > date('2026-01-01')"
        )
        .await,
        json!([{"until.day": "9999-12-31"}])
    );
    assert_eq!(
        asked(fx, "min=listed,until&max=listed,until").await,
        json!([{
            "min_listed": "0001-01-01T00:00:00.000000Z", "min_until": "0001-01-01",
            "max_listed": "9999-12-31T23:59:59.999999Z", "max_until": "9999-12-31",
        }])
    );
});

each_store!(
    having_speaks_of_columns_as_a_filter_does_of_fields,
    APP,
    async |fx| {
        for (name, price, stock) in [("a", "1.00", 3), ("b", "2.50", 4), ("c", "-2.50", 5)] {
            product(
                fx,
                json!({"name": name, "price": price, "stock": stock, "seller": uid(1)}),
            )
            .await;
        }
        let names = async |having: &str| {
            let query = format!(
                "group_by=name,seller,status,gift&count=*&sum=price,stock&avg=price&having={having}"
            );
            let groups = fx.aggregate(&user(1), M, &query).await.data();
            let names = groups.iter().filter_map(|group| group["name"].as_str());
            names.map(str::to_owned).collect::<String>()
        };
        for (having, expected) in [
            ("true", "abc"),
            ("sum_stock in [3, 5]", "ac"),
            ("!(sum_stock in [3, 5])", "b"),
            ("sum_price in [1.0, 2.5]", "ab"),
            ("avg_price in [2.5]", "b"),
            ("count in [2]", ""),
            ("sum_price < 0 || sum_stock == 4", "bc"),
            ("sum_stock >= count && count == 1", "abc"),
            ("name.startsWith('a') || name == 'c'", "ac"),
            ("size(name) == 1", "abc"),
            ("seller == auth.id", "abc"),
            ("seller == null", ""),
            ("status == 'active' && !gift", "abc"),
            ("count > 1 ? name == 'a' : name == 'b'", "b"),
        ] {
            assert_eq!(names(having).await, expected, "{having}");
        }
    }
);

each_store!(texts_have_extremes_by_code_point, APP, async |fx| {
    for (name, status) in [("b", "sold"), ("Z", "active"), ("é", "sold")] {
        product(fx, json!({"name": name, "status": status})).await;
    }
    assert_eq!(
        asked(fx, "min=name,status&max=name,status").await,
        json!([{"min_name": "Z", "min_status": "active", "max_name": "é", "max_status": "sold"}])
    );
    assert_eq!(
        asked(fx, "group_by=name").await,
        json!([{"name": "Z"}, {"name": "b"}, {"name": "é"}])
    );
});

each_store!(
    averages_are_exact_and_rounded_half_to_even,
    APP,
    async |fx| {
        let average = async |name: &str, prices: &[&str]| {
            for price in prices {
                product(fx, json!({"name": name, "price": price})).await;
            }
            asked(fx, &format!("name={name}&avg=price")).await[0]["avg_price"].clone()
        };
        assert_eq!(
            average("third", &["0.01", "0.00", "0.00"]).await,
            "0.003333"
        );
        assert_eq!(average("two", &["0.02", "0.00", "0.00"]).await, "0.006667");
        assert_eq!(
            average("minus", &["-0.02", "0.00", "0.00"]).await,
            "-0.006667"
        );
        // 0.01 ÷ 32 = 0.0003125, and 0.03 ÷ 32 = 0.0009375: halves go to the even digit.
        let mut many = vec!["0.00"; 31];
        many.push("0.01");
        assert_eq!(average("down", &many).await, "0.000312");
        many.push("0.00");
        many.truncate(31);
        many.push("0.03");
        assert_eq!(average("up", &many).await, "0.000938");
        many.truncate(31);
        many.push("-0.01");
        assert_eq!(average("below", &many).await, "-0.000312");
        // At most 18 digits behind the point, of which the field has them all.
        for tiny in ["0.000000000000000001", "0.000000000000000002"] {
            product(fx, json!({"name": "tiny", "tiny": tiny})).await;
        }
        assert_eq!(
            asked(fx, "name=tiny&avg=tiny&sum=tiny").await,
            json!([{"avg_tiny": "0.000000000000000002", "sum_tiny": "0.000000000000000003"}])
        );
    }
);

each_store!(sums_outgrow_their_field, APP, async |fx| {
    for n in 0..30 {
        let sign = if n < 10 { "-" } else { "" };
        let price = format!("{sign}9999999999999999.99");
        let name = if n < 10 { "less" } else { "more" };
        product(fx, json!({"name": name, "price": price})).await;
    }
    product(fx, json!({"name": "none", "price": "1.00"})).await;
    // 20 × (10^16 − 0.01) has 19 digits, and 64 bits have no room for its cents.
    assert_eq!(
        asked(fx, "group_by=name&sum=price&avg=price&sort=-sum_price").await,
        json!([
            {"name": "more", "sum_price": "199999999999999999.80", "avg_price": "9999999999999999.990000"},
            {"name": "none", "sum_price": "1.00", "avg_price": "1.000000"},
            {"name": "less", "sum_price": "-99999999999999999.90", "avg_price": "-9999999999999999.990000"},
        ])
    );
    let names = async |having: &str| {
        let groups = asked(
            fx,
            &format!("group_by=name&sum=price&avg=price&having={having}"),
        )
        .await;
        let groups = groups.as_array().cloned().expect("groups");
        groups
            .iter()
            .map(|group| group["name"].clone())
            .collect::<Json>()
    };
    assert_eq!(
        names("sum_price > 9999999999999999.99").await,
        json!(["more"])
    );
    assert_eq!(
        names("sum_price < -9999999999999999.99").await,
        json!(["less"])
    );
    assert_eq!(names("sum_price == 1.0").await, json!(["none"]));
    assert_eq!(names("avg_price > 1").await, json!(["more"]));
    assert_eq!(
        names("avg_price < 999999999999.0").await,
        json!(["less", "none"])
    );
});

each_store!(a_sum_that_no_client_reads_is_refused, APP, async |fx| {
    let most = (1i64 << 53) - 1;
    product(fx, json!({"name": "a", "stock": most})).await;
    product(fx, json!({"name": "b", "stock": -most})).await;
    assert_eq!(asked(fx, "sum=stock").await, json!([{"sum_stock": 0}]));
    assert_eq!(
        asked(fx, "group_by=name&sum=stock&sort=-sum_stock").await,
        json!([{"name": "a", "sum_stock": most}, {"name": "b", "sum_stock": -most}])
    );
    product(fx, json!({"name": "a", "stock": 1})).await;
    let reply = fx
        .aggregate(&anonymous(), M, "group_by=name&sum=stock")
        .await;
    assert_eq!(reply.code(), "request.bad_aggregate");
    assert_eq!(reply.problem().status(), 400);
    // Of what is not answered, nothing is said; and the average is exact all the same.
    assert_eq!(
        asked(fx, "group_by=name&sum=stock&avg=stock&having=sum_stock < 0").await,
        json!([{"name": "b", "sum_stock": -most, "avg_stock": "-9007199254740991.0000"}])
    );
    assert_eq!(
        asked(fx, "name=a&avg=stock").await,
        json!([{"avg_stock": "4503599627370496.0000"}])
    );
    for weight in [1e308, 1e308] {
        product(fx, json!({"name": "heavy", "weight": weight})).await;
    }
    for query in ["sum=weight", "avg=weight"] {
        let reply = fx.aggregate(&anonymous(), M, query).await;
        assert_eq!(reply.code(), "request.bad_aggregate", "{query}");
    }
    assert_eq!(
        asked(fx, "max=weight").await,
        json!([{"max_weight": 1e308}])
    );
});

each_store!(floats_are_added_as_doubles, APP, async |fx| {
    for weight in [0.5, 1.5, -4.0] {
        product(fx, json!({"weight": weight})).await;
    }
    product(fx, json!({})).await;
    assert_eq!(
        asked(fx, "sum=weight&avg=weight&count=weight").await,
        json!([{"sum_weight": -2, "avg_weight": -2.0 / 3.0, "count_weight": 3}])
    );
});

each_store!(json_is_counted_where_it_is_not_null, APP, async |fx| {
    for attrs in [json!({"a": 1}), json!(null), json!([])] {
        product(fx, json!({"attrs": attrs, "tags": ["x"]})).await;
    }
    assert_eq!(
        asked(fx, "count=attrs,tags,category,code").await,
        json!([{"count_attrs": 2, "count_tags": 3, "count_category": 0, "count_code": 0}])
    );
});

each_store!(
    what_cannot_be_asked_is_refused_with_a_reason,
    APP,
    async |fx| {
        product(fx, json!({"undeclared": 5})).await;
        for (query, code, says) in [
            ("", "request.bad_aggregate", "Nothing is asked for"),
            (
                "having=true",
                "request.bad_aggregate",
                "Nothing is asked for",
            ),
            (
                "group_by=nmae",
                "request.bad_aggregate",
                "did you mean name?",
            ),
            ("group_by=", "request.bad_aggregate", "empty"),
            ("group_by=name,", "request.bad_aggregate", "empty"),
            ("group_by=name,name", "request.bad_aggregate", "twice"),
            ("group_by=name;drop", "request.bad_aggregate", "not a field"),
            ("group_by=attrs", "request.bad_aggregate", "JSON"),
            (
                "group_by=tags",
                "request.bad_aggregate",
                "filter=item in tags&count=*",
            ),
            (
                "group_by=undeclared",
                "request.bad_aggregate",
                "no field undeclared",
            ),
            (
                "group_by=name.length",
                "request.bad_aggregate",
                "name is no relation",
            ),
            (
                "group_by=listed.mnth",
                "request.bad_aggregate",
                "did you mean month?",
            ),
            ("group_by=until.hour", "request.bad_aggregate", "is a date"),
            (
                "group_by=listed.month.year",
                "request.bad_aggregate",
                "no relation",
            ),
            (
                "group_by=seller.name",
                "request.bad_aggregate",
                "cannot cross modules",
            ),
            (
                "group_by=category.area.name,seller,category.name,category.area.open",
                "ok",
                "",
            ),
            ("sum=name", "request.bad_aggregate", "is a string"),
            ("sum=category", "request.bad_aggregate", "is a relation"),
            ("sum=id", "request.bad_aggregate", "is an id"),
            ("avg=listed", "request.bad_aggregate", "is a datetime"),
            ("avg=*", "request.bad_aggregate", "names fields"),
            ("sum=*", "request.bad_aggregate", "names fields"),
            ("max=gift", "request.bad_aggregate", "is a bool"),
            ("max=code", "request.bad_aggregate", "is a uuid"),
            ("min=attrs", "request.bad_aggregate", "is JSON"),
            ("count=exact", "request.bad_aggregate", "no field exact"),
            ("count=*,*", "request.bad_aggregate", "twice"),
            ("sum=price&sum=stock", "request.bad_parameter", "twice"),
            ("sum=price,price", "request.bad_aggregate", "twice"),
            (
                "group_by=count&count=*",
                "request.bad_aggregate",
                "count would be both",
            ),
            (
                "count=*,price,stock,name,listed",
                "request.bad_aggregate",
                "4 counts",
            ),
            (
                "group_by=name,price,stock,status,listed,until,gift,code,weight",
                "request.bad_aggregate",
                "At most 8",
            ),
            ("count=*&limit=0", "request.bad_parameter", "from 1 to 5"),
            ("count=*&limit=x", "request.bad_parameter", "from 1 to 5"),
            ("count=*&limit=6", "limit.groups", "5 groups"),
            ("count=*&sort=price", "request.bad_sort", "no column price"),
            ("count=*&sort=", "request.bad_sort", "empty"),
            (
                "count=*&filter=count",
                "request.bad_filter",
                "At character 1",
            ),
            ("count=*&having=", "request.bad_filter", "empty"),
            ("count=*&having=count", "request.bad_filter", "of having"),
            (
                "count=*&having=price > 1",
                "request.bad_filter",
                "the result has no column `price`",
            ),
            (
                "count=*&having=conut > 1",
                "request.bad_filter",
                "did you mean `count`",
            ),
            (
                "count=*&having=count > 'x'",
                "request.bad_filter",
                "whole number",
            ),
            (
                "count=*&having=count + 1 > 2",
                "request.bad_filter",
                "arithmetic",
            ),
            (
                "avg=price&sum=price&having=avg_price > sum_price",
                "request.bad_filter",
                "(compare each with a number)",
            ),
            (
                "count=*&sum=price&having=sum_price > count",
                "request.bad_filter",
                "compare each",
            ),
            (
                "count=*&having=reviews.exists(r, true)",
                "request.bad_filter",
                "no column",
            ),
            (
                "count=*&cursor=x",
                "request.unknown_parameter",
                "belongs to lists",
            ),
            (
                "count=*&expand=category",
                "request.unknown_parameter",
                "belongs to lists",
            ),
            ("groupby=name", "request.unknown_parameter", "group_by"),
            ("mean=price", "request.unknown_parameter", "avg"),
            ("cuont=*", "request.unknown_parameter", "count"),
            (
                "count=*&undeclared=5",
                "request.unknown_parameter",
                "filter",
            ),
            // A field of a parameter's name, and an undeclared one.
            ("sum=stock&count[eq]=5", "ok", ""),
            ("count=*&filter=undeclared == 5", "ok", ""),
        ] {
            let reply = fx.aggregate(&anonymous(), M, query).await;
            if code == "ok" {
                assert!(reply.0.is_ok(), "{query}: {:?}", reply.0);
                continue;
            }
            assert_eq!(reply.code(), code, "{query}");
            let detail = &reply.problem().detail;
            assert!(detail.contains(says), "{query}: {detail}");
        }
    }
);

each_store!(bounds_are_named, APP, async |fx| {
    for n in 0..6 {
        product(fx, json!({"name": format!("p{n}"), "stock": n})).await;
    }
    let who = anonymous();
    // A part of the groups would be a wrong answer, unless a part was asked for.
    let reply = fx.aggregate(&who, M, "group_by=name&sum=stock").await;
    assert_eq!(
        (reply.code(), reply.problem().limit),
        ("limit.groups", Some(("limits.groups", 5)))
    );
    let reply = fx
        .aggregate(&who, M, "group_by=name&sum=stock&sort=-sum_stock&limit=2")
        .await;
    assert_eq!(
        reply.ok(),
        json!({"data": [{"name": "p5", "sum_stock": 5}, {"name": "p4", "sum_stock": 4}], "more": true})
    );
    let reply = fx
        .aggregate(&who, M, "group_by=name&sum=stock&having=sum_stock > 0")
        .await;
    assert_eq!(reply.ok()["more"], false);
    for (query, limit) in [
        ("count=*,name,stock,price,gift", ("limits.aggregates", 4)),
        ("count=*&limit=6", ("limits.groups", 5)),
        ("count=category.area.name.x.y", ("limits.expand_depth", 3)),
        (
            "count=before.name,origin.name,category.name",
            ("limits.expand", 2),
        ),
    ] {
        let reply = fx.aggregate(&who, M, query).await;
        assert_eq!(reply.problem().limit, Some(limit), "{query}");
    }
    let long = format!("count=*&having=count > {}1", " ".repeat(4096));
    let reply = fx.aggregate(&who, M, &long).await;
    assert_eq!(
        (reply.code(), reply.problem().limit),
        ("limit.filter", Some(("limits.filter", 4096)))
    );
    let nodes = vec!["count==1"; 250].join("||");
    let reply = fx
        .aggregate(&who, M, &format!("count=*&having={nodes}"))
        .await;
    assert_eq!(
        (reply.code(), reply.problem().limit),
        ("limit.filter", Some(("limits.filter_nodes", 500)))
    );
});

const LARGE: &str = r#"
[limits]
query_time = "300ms"
## modules/m/module.toml
[models.groups.fields]
name = { type = "string" }
[models.groups.access]
read = "true"
[models.rows.fields]
n     = { type = "int" }
group = { type = "relation", to = "groups" }
[models.rows.access]
read = "true"
"#;

each_store!(what_takes_too_long_is_ended, LARGE, async |fx| {
    let group = id(&fx
        .create(&system(), "m.groups", json!({"name": "one"}))
        .await
        .ok());
    let rows: Vec<Json> = (0..2000).map(|n| json!({"n": n, "group": group})).collect();
    fx.import("m.rows", &rows).await;
    let all = fx
        .aggregate(&anonymous(), "m.rows", "group_by=group.name&sum=n")
        .await;
    assert_eq!(
        all.data(),
        [json!({"group.name": "one", "sum_n": 1_999_000})]
    );
    // Each of the 2,000 looks at 2,000, and each of those at as many.
    let costly = "count=*&filter=group.rows.exists(a, a.group.rows.exists(b, b.n > a.n && b.n < n && b.n > n))";
    let begun = std::time::Instant::now();
    let reply = fx.aggregate(&anonymous(), "m.rows", costly).await;
    assert_eq!(
        (reply.code(), reply.problem().limit),
        ("limit.query_time", Some(("limits.query_time", 300)))
    );
    let took = begun.elapsed();
    assert!(took < std::time::Duration::from_secs(10), "{took:?}");
});
