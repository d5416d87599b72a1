//! The kinds of work, as lists of requests. Each is deterministic and long enough that no
//! server answers it from one hot page.

use std::fmt::Write as _;

use crate::{
    dataset::{CATEGORIES, Dataset, Random, category},
    json,
};

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Work {
    One,
    List,
    Nested,
    Aggregate,
    Create,
    Bulk,
}

pub const ALL: [Work; 6] = [
    Work::One,
    Work::List,
    Work::Nested,
    Work::Aggregate,
    Work::Create,
    Work::Bulk,
];

/// Records in one request of [`Work::Bulk`].
pub const IN_BULK: usize = 1000;

pub struct Request {
    pub method: &'static str,
    pub path: String,
    pub body: String,
}

impl Work {
    pub fn name(self) -> &'static str {
        match self {
            Work::One => "one",
            Work::List => "list",
            Work::Nested => "nested",
            Work::Aggregate => "aggregate",
            Work::Create => "create",
            Work::Bulk => "bulk",
        }
    }

    pub fn title(self) -> &'static str {
        match self {
            Work::One => "one record",
            Work::List => "list of 20, filtered, sorted",
            Work::Nested => "20 with 5 nested each",
            Work::Aggregate => "aggregate of the table",
            Work::Create => "create, durable",
            Work::Bulk => "create 1,000 at once, durable",
        }
    }

    /// An aggregate takes some ten milliseconds of a core: more at a time would only wait for each other.
    pub fn connections(self, usual: usize) -> usize {
        match self {
            // A thousand records at a time are as much.
            Work::Aggregate | Work::Bulk => usual.min(4),
            Work::One | Work::List | Work::Nested | Work::Create => usual,
        }
    }

    /// `count` requests of this kind against `data`.
    pub fn requests(self, data: &Dataset, count: usize) -> Vec<Request> {
        let mut random = Random(0xbe9c ^ self as u64);
        let visible: Vec<_> = data.products.iter().filter(|p| p.active).collect();
        let mut one = || match self {
            Work::One => {
                let product = visible[random.below(visible.len() as u64) as usize];
                get(format!(
                    "/api/shop/products/{}",
                    uuid::Uuid::from_bytes(product.id)
                ))
            }
            // The dearest 3,000 prices are left out, so that even the small dataset fills each page.
            Work::List => get(list_path(&mut random, 7000)),
            // The cheapest tenth of the products has reviews: those up to a price of about 1,000.
            Work::Nested => get(list_path(&mut random, 800) + "&expand=reviews%28limit%3A5%29"),
            // Created products are left out, of others those of the lowest prices.
            Work::Aggregate => {
                let price = random.below(50);
                get(format!(
                    "/api/shop/products/aggregate?group_by=category&count=*&sum=price&avg=price&max=price\
                     &category%5Blt%5D=created&price%5Bgt%5D={price}"
                ))
            }
            Work::Create => create(&mut random),
            Work::Bulk => bulk(&mut random),
        };
        // A third of a megabyte each.
        let count = if self == Work::Bulk {
            count.min(16)
        } else {
            count
        };
        (0..count).map(|_| one()).collect()
    }
}

fn get(path: String) -> Request {
    Request {
        method: "GET",
        path,
        body: String::new(),
    }
}

fn list_path(random: &mut Random, dearest: u64) -> String {
    let category = category(random.below(CATEGORIES as u64) as usize);
    let price = random.below(dearest);
    format!("/api/shop/products?category={category}&price%5Bgt%5D={price}&sort=price&limit=20")
}

fn create(random: &mut Random) -> Request {
    Request {
        method: "POST",
        path: "/api/shop/products".into(),
        body: new_product(random),
    }
}

fn bulk(random: &mut Random) -> Request {
    let products: Vec<String> = (0..IN_BULK).map(|_| new_product(random)).collect();
    Request {
        method: "POST",
        path: "/api/shop/products".into(),
        body: format!("[{}]", products.join(",")),
    }
}

/// Created products are in categories of their own, so that the lists stay the same.
fn new_product(random: &mut Random) -> String {
    let mut description = String::new();
    for _ in 0..7 {
        write!(description, "{:016x} ", random.draw()).expect("a String takes everything");
    }
    let body = serde_json::json!({
        "name": format!("created-{:016x}", random.draw()),
        "description": description.trim_end(),
        "price": 1 + random.below(10_000),
        "category": format!("created-{:02}", random.below(CATEGORIES as u64)),
        "active": true,
    });
    body.to_string()
}

/// The body that the data says a read must have; of lists, the `data` array alone.
pub fn expected(data: &Dataset, work: Work, request: &Request) -> String {
    let mut out = Vec::new();
    match work {
        Work::One => {
            let product = data
                .products
                .iter()
                .find(|p| request.path.ends_with(&uuid(p.id)));
            product.expect("asked for").as_json().write(&mut out);
        }
        Work::List | Work::Nested => {
            let after = |key: &str| {
                let (_, rest) = request.path.split_once(key).expect("a list names it");
                rest.split('&').next().unwrap_or(rest)
            };
            let (category, price) = (after("category="), after("price%5Bgt%5D="));
            let price: i64 = price.parse().expect("a price is a number");
            let mut page: Vec<_> = data.products.iter().collect();
            page.retain(|p| p.active && p.category == category && p.price > price);
            page.sort_by_key(|p| (p.price, p.id));
            out.push(b'[');
            for product in page.into_iter().take(20) {
                if out.len() > 1 {
                    out.push(b',');
                }
                product.as_json().open(&mut out);
                if work == Work::Nested {
                    expected_reviews(data, product.id, &mut out);
                }
                out.push(b'}');
            }
            out.push(b']');
        }
        Work::Aggregate => {
            let (_, price) = request
                .path
                .split_once("price%5Bgt%5D=")
                .expect("it is named");
            let price: i64 = price.parse().expect("a price is a number");
            out.push(b'[');
            for n in 0..CATEGORIES {
                let category = category(n);
                let mut group = json::Group {
                    category: category.as_bytes(),
                    count: 0,
                    sum: 0,
                    max: 0,
                };
                let products = data.products.iter().filter(|p| p.active);
                for product in products.filter(|p| p.category == category && p.price > price) {
                    group.count += 1;
                    group.sum += product.price;
                    group.max = group.max.max(product.price);
                }
                if n > 0 {
                    out.push(b',');
                }
                group.write(&mut out);
            }
            out.push(b']');
        }
        Work::Create | Work::Bulk => panic!("a created record has an id that nobody can foresee"),
    }
    String::from_utf8(out).expect("JSON is UTF-8")
}

fn expected_reviews(data: &Dataset, product: [u8; 16], out: &mut Vec<u8>) {
    let all: Vec<_> = data
        .reviews
        .iter()
        .filter(|r| r.product == product)
        .collect();
    out.extend_from_slice(b",\"reviews\":{\"data\":[");
    for (i, review) in all.iter().take(5).enumerate() {
        if i > 0 {
            out.push(b',');
        }
        review.as_json().write(out);
    }
    write!(AsText(out), "],\"more\":{}}}", all.len() > 5).expect("a Vec takes everything");
}

struct AsText<'a>(&'a mut Vec<u8>);

impl std::fmt::Write for AsText<'_> {
    fn write_str(&mut self, text: &str) -> std::fmt::Result {
        self.0.extend_from_slice(text.as_bytes());
        Ok(())
    }
}

fn uuid(id: [u8; 16]) -> String {
    uuid::Uuid::from_bytes(id).to_string()
}
