//! What the hand-written programs understand of a request: the shapes that the bench sends, no more.

use std::borrow::Cow;

use serde::Deserialize;

pub const PRODUCTS: &str = "/api/shop/products";

#[derive(Debug, PartialEq)]
pub struct List<'a> {
    pub category: Cow<'a, str>,
    pub price_above: i64,
    pub limit: i64,
    /// How many reviews of each, where they were asked for.
    pub reviews: Option<i64>,
}

/// `category=…&price[gt]=…&sort=price&limit=…[&expand=reviews(limit:…)]`; none where it is another.
pub fn list(query: &str) -> Option<List<'_>> {
    let mut list = List {
        category: "".into(),
        price_above: 0,
        limit: 20,
        reviews: None,
    };
    let (mut category, mut sorted) = (false, false);
    for pair in query.split('&') {
        let (name, value) = pair.split_once('=')?;
        let value = decode(value)?;
        match &*decode(name)? {
            "category" => (list.category, category) = (value, true),
            "price[gt]" => list.price_above = value.parse().ok()?,
            "sort" => sorted = value == "price",
            "limit" => list.limit = value.parse().ok().filter(|n| (1..=100).contains(n))?,
            "expand" => {
                let limit = value.strip_prefix("reviews(limit:")?.strip_suffix(')')?;
                list.reviews = Some(limit.parse().ok().filter(|n| (1..=100).contains(n))?);
            }
            _ => return None,
        }
    }
    (category && sorted).then_some(list)
}

/// `group_by=category&…&category[lt]=…&price[gt]=…`: the bounds on categories and prices. None where it is another.
pub fn aggregate(query: &str) -> Option<(Cow<'_, str>, i64)> {
    let asked = "group_by=category&count=*&sum=price&avg=price&max=price&category%5Blt%5D=";
    let (below, above) = query.strip_prefix(asked)?.split_once("&price%5Bgt%5D=")?;
    Some((decode(below)?, above.parse().ok()?))
}

/// Undoes percent-encoding, and only copies where there is some.
fn decode(text: &str) -> Option<Cow<'_, str>> {
    if !text.bytes().any(|byte| matches!(byte, b'%' | b'+')) {
        return Some(Cow::Borrowed(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        out.push(match byte {
            b'%' => digit(bytes.next()?)? << 4 | digit(bytes.next()?)?,
            b'+' => b' ',
            _ => byte,
        });
    }
    String::from_utf8(out).ok().map(Cow::Owned)
}

fn digit(byte: u8) -> Option<u8> {
    (byte as char).to_digit(16).map(|n| n as u8)
}

/// A new product's body.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NewProduct<'a> {
    #[serde(borrow)]
    pub name: Cow<'a, str>,
    #[serde(borrow)]
    pub description: Cow<'a, str>,
    pub price: i64,
    #[serde(borrow)]
    pub category: Cow<'a, str>,
    #[serde(default = "yes")]
    pub active: bool,
}

fn yes() -> bool {
    true
}

/// Parses and checks a body as the model declares it.
pub fn new_product(body: &[u8]) -> Option<NewProduct<'_>> {
    let product: NewProduct = serde_json::from_str(str::from_utf8(body).ok()?).ok()?;
    is_sound(&product).then_some(product)
}

/// The same of an array.
pub fn new_products(body: &[u8]) -> Option<Vec<NewProduct<'_>>> {
    let products: Vec<NewProduct> = serde_json::from_str(str::from_utf8(body).ok()?).ok()?;
    products.iter().all(is_sound).then_some(products)
}

fn is_sound(product: &NewProduct<'_>) -> bool {
    let short = |text: &str, max| text.len() <= max || text.chars().count() <= max;
    short(&product.name, 120) && short(&product.category, 60)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lists_are_read_in_both_spellings() {
        let want = List {
            category: "category-07".into(),
            price_above: 12,
            limit: 20,
            reviews: Some(5),
        };
        let plain = "category=category-07&price[gt]=12&sort=price&limit=20&expand=reviews(limit:5)";
        let encoded = "category=category-07&price%5Bgt%5D=12&sort=price&limit=20&expand=reviews%28limit%3A5%29";
        assert_eq!(list(plain).as_ref(), Some(&want));
        assert_eq!(list(encoded).as_ref(), Some(&want));
        assert_eq!(list("category=a&sort=price&colour=red"), None);
        assert_eq!(list("category=a&sort=name"), None);
    }
}
