//! The data: deterministic products and reviews, the same for every server and store.

use std::io::{self, Write};

use crate::json;

pub const CATEGORIES: usize = 50;
pub const REVIEWS_EACH: usize = 5;

/// 2026-01-01T00:00:00Z in microseconds since 1970; products follow a minute apart.
const START: i64 = 1_767_225_600_000_000;
const MINUTE: i64 = 60_000_000;

/// SplitMix64 (Steele, Lea and Flood 2014): small, and the same everywhere.
pub struct Random(pub u64);

impl Random {
    pub fn draw(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `n`.
    pub fn below(&mut self, n: u64) -> u64 {
        self.draw() % n
    }
}

#[derive(Clone, Debug)]
pub struct Product {
    pub id: [u8; 16],
    pub name: String,
    pub description: String,
    pub price: i64,
    pub category: String,
    pub active: bool,
    /// Microseconds since 1970; `updated_at` is the same.
    pub created_at: i64,
}

#[derive(Clone, Debug)]
pub struct Review {
    pub id: [u8; 16],
    pub product: [u8; 16],
    pub rating: i64,
    pub body: String,
    pub created_at: i64,
}

pub struct Dataset {
    /// In the order of their ids.
    pub products: Vec<Product>,
    /// In the order of their ids: those of the cheapest product first.
    pub reviews: Vec<Review>,
}

impl Dataset {
    /// `size` products, with reviews for the cheapest tenth.
    pub fn generate(size: usize) -> Self {
        let products: Vec<Product> = (1..=size as u64).map(product).collect();
        let mut cheapest: Vec<&Product> = products.iter().collect();
        cheapest.sort_by_key(|p| (p.price, p.id));
        cheapest.truncate(size / 10);
        let last = START + (size as i64 + 1) * MINUTE;
        let mut reviews = Vec::with_capacity(cheapest.len() * REVIEWS_EACH);
        for product in cheapest {
            for _ in 0..REVIEWS_EACH {
                reviews.push(review(product, reviews.len() as u64, last));
            }
        }
        Self { products, reviews }
    }
}

fn product(i: u64) -> Product {
    let mut random = Random(i);
    let created_at = START + i as i64 * MINUTE + random.below(MINUTE as u64) as i64;
    let name = format!("product-{i:08}-{}", hex(&mut random, 7));
    Product {
        id: uuid_v7(created_at, &mut random),
        name,
        description: words(&mut random, 120),
        price: 1 + random.below(10_000) as i64,
        category: category(i as usize % CATEGORIES),
        active: random.below(10) != 0,
        created_at,
    }
}

fn review(product: &Product, n: u64, last: i64) -> Review {
    let mut random = Random(n ^ 0x5245_5649_4557);
    let created_at = last + n as i64 * 1_000_000 + random.below(1_000_000) as i64;
    Review {
        id: uuid_v7(created_at, &mut random),
        product: product.id,
        rating: 1 + random.below(5) as i64,
        body: words(&mut random, 80),
        created_at,
    }
}

pub fn category(n: usize) -> String {
    format!("category-{n:02}")
}

fn uuid_v7(micros: i64, random: &mut Random) -> [u8; 16] {
    let millis = (micros / 1000) as u128;
    let low = u128::from(random.draw()) << 64 | u128::from(random.draw());
    let id = millis << 80 | (low & ((1 << 80) - 1));
    let id = id & !(0xf << 76) | 0x7 << 76;
    let id = id & !(0x3 << 62) | 0x2 << 62;
    id.to_be_bytes()
}

fn hex(random: &mut Random, length: usize) -> String {
    let mut text = format!("{:016x}{:016x}", random.draw(), random.draw());
    text.truncate(length);
    text
}

/// Words of 32 characters with a space between, cut at `length`.
fn words(random: &mut Random, length: usize) -> String {
    let words: Vec<String> = (0..length.div_ceil(33)).map(|_| hex(random, 32)).collect();
    let mut text = words.join(" ");
    text.truncate(length);
    text
}

impl Product {
    pub fn as_json(&self) -> json::Product<'_> {
        json::Product {
            id: &self.id,
            name: self.name.as_bytes(),
            description: self.description.as_bytes(),
            price: self.price,
            category: self.category.as_bytes(),
            active: self.active,
            created_at: self.created_at,
            updated_at: self.created_at,
        }
    }
}

impl Review {
    pub fn as_json(&self) -> json::Review<'_> {
        json::Review {
            id: &self.id,
            product: &self.product,
            rating: self.rating,
            body: self.body.as_bytes(),
            created_at: self.created_at,
            updated_at: self.created_at,
        }
    }
}

/// Writes one JSON object a line, as `mainstay import` reads them.
pub fn write_lines<T>(
    records: &[T],
    out: &mut impl Write,
    write: impl Fn(&T, &mut Vec<u8>),
) -> io::Result<()> {
    let mut line = Vec::new();
    for record in records {
        line.clear();
        write(record, &mut line);
        line.push(b'\n');
        out.write_all(&line)?;
    }
    out.flush()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_v7_and_ascend() {
        let data = Dataset::generate(1000);
        assert!(data.products.is_sorted_by_key(|p| p.id));
        assert!(data.reviews.is_sorted_by_key(|r| r.id));
        assert_eq!(data.reviews.len(), 500);
        for product in &data.products {
            let id = uuid::Uuid::from_bytes(product.id);
            assert_eq!(id.get_version_num(), 7);
            assert_eq!(id.get_variant(), uuid::Variant::RFC4122);
        }
    }
}
