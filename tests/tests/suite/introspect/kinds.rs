//! Keys and columns of every kind: what is written comes back, and what cannot be written is no way in.

use super::{RICH, on};
use mainstay_tests::*;
use serde_json::json;

#[test]
fn keys_and_types_of_every_kind_come_back_as_they_were_sent() {
    on(RICH, async |old| {
        let draft = old.draft(&["public", "sales"]).await;
        let (fx, client) = old.serve(&draft, "").await;
        let who = admin();
        for (model, body, key) in [
            ("shop.by_uuid", json!({"name": "a"}), None),
            ("shop.by_identity", json!({"name": "a"}), Some("1")),
            ("shop.by_default_identity", json!({}), Some("1")),
            ("shop.by_serial", json!({"name": "a"}), Some("1")),
            (
                "shop.by_text",
                json!({"id": "k/é '\"", "name": "a"}),
                Some("k/é '\""),
            ),
            ("shop.by_char", json!({"id": "de", "name": "a"}), Some("de")),
            ("shop.by_char", json!({"id": "f", "name": "a"}), Some("f")),
            ("shop.by_mood", json!({"id": "so so"}), Some("so so")),
        ] {
            let made = fx.create(&who, model, body).await.ok();
            let key = key.map_or_else(|| id(&made), str::to_owned);
            assert_eq!(id(&made), key, "{model}");
            assert_eq!(fx.one(&who, model, &key).await.ok(), made);
            let changed = fx
                .update(&who, model, &key, json!({"name": "B"}))
                .await
                .ok();
            assert_eq!(changed["name"], "B", "{model}");
            let list = fx.list(&who, model, Query::new().sort("-id")).await.data();
            assert!(list.contains(&changed), "{model}");
        }
        fx.delete(&who, "shop.by_char", "f").await.done();
        fx.delete(&who, "shop.by_mood", "so so").await.done();
        // What the database would have to be given, and nobody can give.
        for (model, body) in [
            ("shop.by_nothing", json!({"name": "a"})),
            ("shop.booked", json!({"room": 1})),
            ("shop.by_mood", json!({"id": "no mood"})),
            ("shop.by_uuid", json!({"name": "quiet"})),
        ] {
            assert_eq!(
                fx.create(&who, model, body).await.code(),
                "data.invalid",
                "{model}"
            );
        }
        fx.import("shop.by_nothing", &[json!({"id": 7, "name": "given"})])
            .await;
        assert_eq!(
            fx.one(&who, "shop.by_nothing", "7").await.ok()["name"],
            "given"
        );

        let mut whole = json!({
            "small": -32768, "middle": 8, "large": 9_007_199_254_740_991_i64, "price": "12345678.90",
            "huge": "12345678901234.5678", "loose": "0.123456", "single": 0.5, "twice": 1e300, "yes": false,
            "line": "é\n'", "wide": "w", "filled": "ab", "free": "free", "folded": "MiXed", "day": "2024-02-29",
            "moment": "2024-02-29T23:59:59.999999Z", "local_moment": "0001-01-01T00:00:00.000000Z", "hour": "23:59:59.5",
            "span": "1 year 2 mons 03:04:05", "token": uid(3), "document": {"a": [1, {"b": null}]},
            "old_document": {"a": 1.5}, "raw": "\\x00ff", "address": "10.0.0.1/8", "net": "10.0.0.0/8",
            "card": "08:00:2b:01:02:03", "bits": "101", "markup": "<a>&amp;</a>", "feeling": "happy", "strange": "",
            "tags": ["a", "", "NULL", "{,}", "\"'\\"], "numbers": [1, -2], "flags": [true, false], "amount": 3,
            "less": 99, "short": "abc", "status": "done", "rank": 5, "nick": "nick", "version_value": 4, "in_value": "in",
        });
        whole["spot"] = json!("(1,2)");
        whole["years"] = json!("[1,3)");
        let made = fx.create(&who, "shop.types", whole.clone()).await.ok();
        for (field, value) in whole.as_object().expect("fields") {
            assert_eq!(made[field], *value, "{field}");
        }
        assert_eq!(made["doubled"], 16);
        let (created, updated) = (&made["created_at"], &made["updated_at"]);
        assert!(created.is_string() && created == updated);
        let key = id(&made);
        let touched = fx
            .update(&who, "shop.types", &key, json!({"rank": 4}))
            .await
            .ok();
        assert_eq!(touched["created_at"], *created);
        assert_ne!(touched["updated_at"], *updated);
        // All of it again, as a change from nothing and as a replacement of itself.
        let least = json!({"price": "0.01"});
        let second = fx.create(&who, "shop.types", least).await.ok();
        assert_eq!(
            (
                &second["feeling"],
                &second["status"],
                &second["document"],
                &second["short"]
            ),
            (&json!("so so"), &json!("new"), &json!({}), &json!("none"))
        );
        let mut patch = whole.clone();
        let taken = fx
            .update(&who, "shop.types", &id(&second), patch.clone())
            .await;
        assert_eq!(taken.errors(), ["/line duplicate"]);
        patch["line"] = json!("another");
        // By an index on an expression, of which no field can be named.
        let taken = fx
            .update(&who, "shop.types", &id(&second), patch.clone())
            .await;
        assert_eq!(taken.code(), "data.conflict");
        assert_eq!(taken.errors(), [" duplicate"]);
        patch["free"] = json!("other");
        patch["rank"] = json!(1);
        let patched = fx
            .update(&who, "shop.types", &id(&second), patch.clone())
            .await
            .ok();
        for (field, value) in patch.as_object().expect("fields") {
            assert_eq!(patched[field], *value, "{field}");
        }
        let same = fx
            .replace(&who, "shop.types", &id(&second), patched.clone())
            .await
            .ok();
        assert_eq!(same["tags"], patched["tags"]);
        // Whatever is shown only is no way in.
        for field in [
            "cash",
            "duo",
            "tokens",
            "backwards",
            "doubled",
            "created_at",
        ] {
            let reply = fx
                .update(&who, "shop.types", &key, json!({field: "1"}))
                .await;
            assert_eq!(reply.code(), "data.invalid", "{field}");
            assert_eq!(reply.problem().errors[0].pointer, format!("/{field}"));
        }
        client
            .batch_execute(
                "UPDATE types SET cash = 1.5, spot = '(1,2)', years = '[1,3)', duo = (1, 'x'), tokens = ARRAY[token],
                   backwards = 12345, tags = '{{a,b},{c,NULL}}', loose = 0.12345678 WHERE id = 1",
            )
            .await
            .expect("values of others");
        let shown = fx.one(&who, "shop.types", &key).await.ok();
        for (field, value) in [
            ("spot", json!("(1,2)")),
            ("years", json!("[1,3)")),
            ("duo", json!({"a": 1, "b": "x"})),
            ("tokens", json!([uid(3)])),
            ("backwards", json!(12300)),
            ("tags", json!([["a", "b"], ["c", null]])),
            ("loose", json!("0.123457")),
        ] {
            assert_eq!(shown[field], value, "{field}");
        }
        // A relation to another module, by a key that is cast.
        let customer = fx
            .create(&who, "sales.customers", json!({"full_name": "A"}))
            .await
            .ok();
        let order =
            json!({"customer_id": customer["id"], "country": "de", "paid_by": customer["id"]});
        let order = fx.create(&who, "sales.orders", order).await.ok();
        let query = Query::new().expand("country,customer_id,paid_by");
        let list = fx.list(&who, "sales.orders", query).await.data();
        assert_eq!(list[0]["country"]["name"], "B");
        assert_eq!(list[0]["paid_by"]["full_name"], "A");
        assert_eq!(order["country"], "de");
        let stray = json!({"customer_id": customer["id"], "country": "xx"});
        assert_eq!(
            fx.create(&who, "sales.orders", stray).await.errors(),
            ["/country not_found"]
        );
        let stray = json!({"customer_id": customer["id"], "a": 1, "b": 1});
        assert_eq!(
            fx.create(&who, "sales.orders", stray).await.errors(),
            [" refused"]
        );
        assert_eq!(
            fx.delete(&who, "shop.by_char", "de").await.code(),
            "data.restricted"
        );
        drop(client);
        fx.remove().await;
    });
}
