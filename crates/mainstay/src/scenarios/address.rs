//! Addresses as people write them become those that a request may have.

use spec::scenario::{Entry, Names, Text};

/// A path with a query. Values of names and parameters are encoded; of the rest only what no address may hold.
pub fn spell(address: &Text, query: &[Entry], names: &Names) -> Result<String, String> {
    let mut out = legal(&address.spell(names, encoded)?);
    for parameter in query {
        let value = parameter.value.fill(names)?;
        let values = match value {
            serde_json::Value::Array(items) => items,
            value => vec![value],
        };
        for value in values {
            let text = match value {
                serde_json::Value::String(text) => text,
                value => value.to_string(),
            };
            out.push(if out.contains('?') { '&' } else { '?' });
            out.push_str(&format!("{}={}", encoded(&parameter.key), encoded(&text)));
        }
    }
    Ok(out)
}

/// All but the unreserved characters (RFC 3986, 2.3).
fn encoded(text: &str) -> String {
    encode(text, |byte| {
        byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)
    })
}

/// What may stand in an address stays, `%` included: `?filter=price < 5` is read as it is meant.
fn legal(text: &str) -> String {
    encode(text, |byte| {
        byte.is_ascii_graphic() && !b"\"<>\\^`{|}#".contains(&byte)
    })
}

fn encode(text: &str, stays: impl Fn(u8) -> bool) -> String {
    let mut out = String::with_capacity(text.len());
    for byte in text.bytes() {
        match stays(byte) {
            true => out.push(char::from(byte)),
            false => out.push_str(&format!("%{byte:02X}")),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn only_what_has_to_be_is_encoded() {
        let names: Names = [("tag".to_owned(), json!({"id": "a/b c"}))].into();
        for (written, sent) in [
            ("/api/shop/tags", "/api/shop/tags"),
            ("/api/shop/tags/{tag.id}", "/api/shop/tags/a%2Fb%20c"),
            (
                "/t?filter=price < 5.0&limit=1",
                "/t?filter=price%20%3C%205.0&limit=1",
            ),
            ("/t?name=a%20b", "/t?name=a%20b"),
            ("/é", "/%C3%A9"),
        ] {
            let address = Text::parse(written).expect("a text");
            assert_eq!(spell(&address, &[], &names).as_deref(), Ok(sent));
        }
    }
}
