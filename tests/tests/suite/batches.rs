//! A relation into another module costs one read a page and level, however many records it leads to, and so does one
//! below it.

use mainstay_tests::statements::statements_of;
use mainstay_tests::*;
use serde_json::{Value as Json, json};

const APP: &str = r#"
## modules/goods/module.toml
[models.makers.fields]
name = { type = "string" }
[models.makers.access]
read = "name != 'hidden'"

[models.wares.fields]
name  = { type = "string" }
maker = { type = "relation", to = "makers" }
owner = { type = "relation", to = "crew.people", optional = true }
[models.wares.access]
read = "true"

## modules/crew/module.toml
[models.people.fields]
name = { type = "string" }
boss = { type = "relation", to = "people", optional = true, inverse = "staff" }
home = { type = "relation", to = "towns.places", optional = true }
[models.people.access]
read = "name != 'hidden'"

## modules/towns/module.toml
[models.places.fields]
name = { type = "string" }
[models.places.access]
read = "true"

## modules/sales/module.toml
[models.lines.fields]
n    = { type = "int" }
ware = { type = "relation", to = "goods.wares", optional = true }
[models.lines.access]
read = "true"
"#;

each_store!(each_level_is_one_read, APP, async |fx| {
    let make = async |model: &str, body: Json| id(&fx.create(&system(), model, body).await.ok());
    let maker = make("goods.makers", json!({"name": "m"})).await;
    let hidden = make("crew.people", json!({"name": "hidden"})).await;
    let mut wanted: Vec<Json> = Vec::new();
    for n in 0..12 {
        // Names of many lengths, so that no record ends where another one does.
        let name = |what: &str| format!("{what}{}", "x".repeat(n * n % 17));
        let place = make("towns.places", json!({"name": name("place")})).await;
        let boss = make("crew.people", json!({"name": name("boss"), "home": place})).await;
        let body = json!({"name": name("owner"), "boss": boss, "home": place});
        let owner = match n % 4 {
            0 => Json::Null,
            1 => json!(hidden),
            _ => json!(make("crew.people", body).await),
        };
        let ware = json!({"name": name("ware"), "maker": maker, "owner": owner});
        let ware = match n {
            5 => Json::Null,
            _ => json!(make("goods.wares", ware).await),
        };
        make("sales.lines", json!({"n": n, "ware": ware})).await;
        wanted.push(match (n, n % 4) {
            (5, _) => Json::Null,
            (_, 0 | 1) => json!([name("ware"), null, null, null]),
            _ => json!([name("ware"), name("owner"), name("place"), name("place")]),
        });
    }
    let paths = "ware.owner.boss,ware.owner.home,ware.maker";
    let query = |limit: u32| Query::new().expand(paths).sort("n").limit(limit);
    let (who, mut counts) = (user(1), Vec::new());
    for limit in [3, 12] {
        let list = fx.list(&who, "sales.lines", query(limit));
        let (statements, reply) = statements_of("FROM", list).await;
        let lines = reply.data();
        assert_eq!(lines.len(), limit as usize);
        for (line, wanted) in lines.iter().zip(&wanted) {
            let ware = &line["ware"];
            let owner = &ware["owner"];
            let shown = match ware {
                Json::Null => Json::Null,
                _ => json!([
                    ware["name"],
                    owner["name"],
                    owner["home"]["name"],
                    owner["boss"]["name"]
                ]),
            };
            let mut wanted = wanted.clone();
            if let Some(boss) = wanted.get_mut(3).filter(|boss| !boss.is_null()) {
                *boss = json!(boss.as_str().unwrap_or_default().replace("place", "boss"));
            }
            assert_eq!(shown, wanted, "{line}");
        }
        // Lines, wares, people, places: one each.
        counts.push(statements.len());
    }
    assert_eq!(counts, [4, 4]);
});
