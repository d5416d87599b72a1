//! The two models on PostgreSQL, written by hand for speed: axum and tokio-postgres, no engine.
//!
//! Reads are prepared and pipelined over a few shared connections; so are creates, over connections of
//! their own, as many as the server's group commit likes. Rows go from the driver's bytes to JSON.
//!
//! `--listen ADDR --database URL [--threads N] [--readers N] [--writers N]`; connections are per thread.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{SystemTime, UNIX_EPOCH},
};

use axum::{
    Router,
    body::Bytes,
    extract::{Path, RawQuery, State},
    http::StatusCode,
    response::Response,
    routing,
};
use mainstay_bench::{
    args,
    json::{self, Group, MICROS_1970_TO_2000, Product, Review},
    request::{self, PRODUCTS},
    serve,
};
use tokio_postgres::{
    Client, Config, Error, NoTls, Row, Statement,
    types::{FromSql, ToSql, Type},
};
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ONE: &str = "select id, name, description, price, category, active, created_at, updated_at \
    from products where id = $1 and active";
const LIST: &str = "select id, name, description, price, category, active, created_at, updated_at \
    from products where category = $1 and price > $2 and active order by price, id limit $3";
const NESTED: &str = "select p.*, r.* from ( \
        select id, name, description, price, category, active, created_at, updated_at \
        from products where category = $1 and price > $2 and active order by price, id limit $3 \
    ) p cross join lateral ( \
        select array_agg(id), array_agg(rating), array_agg(body), array_agg(created_at), array_agg(updated_at) \
        from (select id, rating, body, created_at, updated_at from reviews where product = p.id order by id limit $4) r \
    ) r order by p.price, p.id";
const AGGREGATE: &str = "select category, count(*), sum(price)::bigint, max(price) \
    from products where category < $1 and price > $2 and active group by category order by category";
const CREATE: &str = "insert into products \
    (id, name, description, price, category, active, created_at, updated_at) \
    values ($1, $2, $3, $4, $5, $6, $7, $7)";
const BULK: &str = "insert into products \
    (id, name, description, price, category, active, created_at, updated_at) \
    select id, name, description, price, category, active, $7, $7 \
    from unnest($1::uuid[], $2::text[], $3::text[], $4::bigint[], $5::text[], $6::boolean[]) \
    as n (id, name, description, price, category, active)";

/// A connection whose requests are pipelined.
struct Lane {
    client: Client,
    one: Statement,
    list: Statement,
    nested: Statement,
    aggregate: Statement,
    create: Statement,
    bulk: Statement,
    in_flight: AtomicUsize,
}

impl Lane {
    async fn open(config: &Config) -> Result<Self, Error> {
        let (client, connection) = config.connect(NoTls).await?;
        tokio::spawn(connection);
        Ok(Self {
            one: client.prepare_typed(ONE, &[Type::UUID]).await?,
            list: client
                .prepare_typed(LIST, &[Type::TEXT, Type::INT8, Type::INT8])
                .await?,
            nested: client
                .prepare_typed(NESTED, &[Type::TEXT, Type::INT8, Type::INT8, Type::INT8])
                .await?,
            aggregate: client
                .prepare_typed(AGGREGATE, &[Type::TEXT, Type::INT8])
                .await?,
            create: client.prepare(CREATE).await?,
            bulk: client.prepare(BULK).await?,
            client,
            in_flight: AtomicUsize::new(0),
        })
    }
}

/// What a thread has.
struct App {
    readers: Vec<Lane>,
    writers: Vec<Lane>,
}

/// The least busy of `lanes`, counted in until the guard is dropped.
fn choose(lanes: &[Lane]) -> Chosen<'_> {
    let lane = lanes
        .iter()
        .min_by_key(|lane| lane.in_flight.load(Ordering::Relaxed));
    let lane = lane.expect("there is at least one");
    lane.in_flight.fetch_add(1, Ordering::Relaxed);
    Chosen(lane)
}

struct Chosen<'a>(&'a Lane);

impl Drop for Chosen<'_> {
    fn drop(&mut self) {
        self.0.in_flight.fetch_sub(1, Ordering::Relaxed);
    }
}

/// A value as the server sent it.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(_: &Type, raw: &'a [u8]) -> Result<Self, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Self(raw))
    }

    fn accepts(_: &Type) -> bool {
        true
    }
}

fn raw(row: &Row, column: usize) -> &[u8] {
    row.get::<_, Raw>(column).0
}

fn int(raw: &[u8]) -> i64 {
    i64::from_be_bytes(raw.try_into().expect("a bigint has 8 bytes"))
}

fn micros(raw: &[u8]) -> i64 {
    int(raw) + MICROS_1970_TO_2000
}

fn product(row: &Row) -> Product<'_> {
    Product {
        id: raw(row, 0),
        name: raw(row, 1),
        description: raw(row, 2),
        price: int(raw(row, 3)),
        category: raw(row, 4),
        active: raw(row, 5) == [1],
        created_at: micros(raw(row, 6)),
        updated_at: micros(raw(row, 7)),
    }
}

async fn one(State(app): State<Arc<App>>, Path(id): Path<String>) -> Response {
    let Ok(id) = Uuid::try_parse(&id) else {
        return serve::empty(StatusCode::NOT_FOUND);
    };
    let lane = choose(&app.readers);
    match lane.0.client.query_opt(&lane.0.one, &[&Id(id)]).await {
        Err(error) => serve::failed(error),
        Ok(None) => serve::empty(StatusCode::NOT_FOUND),
        Ok(Some(row)) => {
            let mut out = Vec::with_capacity(512);
            product(&row).write(&mut out);
            serve::json(StatusCode::OK, out)
        }
    }
}

async fn list(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let Some(list) = request::list(&query) else {
        return serve::empty(StatusCode::BAD_REQUEST);
    };
    let lane = choose(&app.readers);
    let (client, mut out) = (&lane.0.client, Vec::new());
    let category = &*list.category;
    let rows = match list.reviews {
        None => {
            let params: [&(dyn ToSql + Sync); 3] = [&category, &list.price_above, &list.limit];
            client.query(&lane.0.list, &params).await
        }
        Some(reviews) => {
            // One more than wanted shows whether there are more.
            let probe = reviews + 1;
            let params: [&(dyn ToSql + Sync); 4] =
                [&category, &list.price_above, &list.limit, &probe];
            client.query(&lane.0.nested, &params).await
        }
    };
    let rows = match rows {
        Err(error) => return serve::failed(error),
        Ok(rows) => rows,
    };
    out.reserve_exact(64 + rows.len() * if list.reviews.is_some() { 2048 } else { 512 });
    out.extend_from_slice(b"{\"data\":[");
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        product(row).open(&mut out);
        if let Some(limit) = list.reviews {
            reviews(row, limit as usize, &mut out);
        }
        out.push(b'}');
    }
    let last = rows.last().filter(|_| rows.len() == list.limit as usize);
    let (price, id) = last.map_or((0, &[][..]), |row| (int(raw(row, 3)), raw(row, 0)));
    json::close_list(&mut out, last.is_some(), price, id);
    serve::json(StatusCode::OK, out)
}

/// The reviews of a nested row, which come as an array a column.
fn reviews(row: &Row, limit: usize, out: &mut Vec<u8>) {
    out.extend_from_slice(b",\"reviews\":{\"data\":[");
    let array = |column: usize| Items::new(row.get::<_, Option<Raw>>(8 + column));
    let (mut ids, mut ratings, mut bodies) = (array(0), array(1), array(2));
    let (mut created, mut updated) = (array(3), array(4));
    let more = ids.left > limit;
    for i in 0..ids.left.min(limit) {
        if i > 0 {
            out.push(b',');
        }
        let review = Review {
            id: ids.next(),
            product: raw(row, 0),
            rating: int(ratings.next()),
            body: bodies.next(),
            created_at: micros(created.next()),
            updated_at: micros(updated.next()),
        };
        review.write(out);
    }
    out.extend_from_slice(b"],\"more\":");
    json::bool(out, more);
    out.push(b'}');
}

/// Walks a one-dimensional array without nulls: five words (dimensions, flags, type, length, lower
/// bound), then the items, each after its length. No array at all is an empty one.
struct Items<'a> {
    rest: &'a [u8],
    left: usize,
}

impl<'a> Items<'a> {
    fn new(array: Option<Raw<'a>>) -> Self {
        let Some(Raw(bytes)) = array else {
            return Self { rest: &[], left: 0 };
        };
        let left = bytes[12..16]
            .try_into()
            .map(i32::from_be_bytes)
            .expect("four bytes");
        Self {
            rest: &bytes[20..],
            left: left as usize,
        }
    }

    fn next(&mut self) -> &'a [u8] {
        let (length, rest) = self.rest.split_first_chunk().expect("an item has a length");
        let (item, rest) = rest.split_at(i32::from_be_bytes(*length) as usize);
        self.rest = rest;
        self.left -= 1;
        item
    }
}

async fn aggregate(State(app): State<Arc<App>>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let Some((below, above)) = request::aggregate(&query) else {
        return serve::empty(StatusCode::BAD_REQUEST);
    };
    let lane = choose(&app.readers);
    let (client, below) = (&lane.0.client, &*below);
    let rows = match client.query(&lane.0.aggregate, &[&below, &above]).await {
        Err(error) => return serve::failed(error),
        Ok(rows) => rows,
    };
    let mut out = Vec::with_capacity(32 + rows.len() * 128);
    out.extend_from_slice(b"{\"data\":[");
    for (i, row) in rows.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let group = Group {
            category: raw(row, 0),
            count: int(raw(row, 1)),
            sum: int(raw(row, 2)),
            max: int(raw(row, 3)),
        };
        group.write(&mut out);
    }
    out.extend_from_slice(b"],\"more\":false}");
    serve::json(StatusCode::OK, out)
}

/// Many rows in one statement, whose parameters are columns.
async fn bulk(app: &App, body: &[u8], now: i64) -> Response {
    let Some(new) = request::new_products(body) else {
        return serve::empty(StatusCode::UNPROCESSABLE_ENTITY);
    };
    let ids: Vec<Id> = new.iter().map(|_| Id(Uuid::now_v7())).collect();
    let names: Vec<&str> = new.iter().map(|n| &*n.name).collect();
    let descriptions: Vec<&str> = new.iter().map(|n| &*n.description).collect();
    let prices: Vec<i64> = new.iter().map(|n| n.price).collect();
    let categories: Vec<&str> = new.iter().map(|n| &*n.category).collect();
    let active: Vec<bool> = new.iter().map(|n| n.active).collect();
    let lane = choose(&app.writers);
    let params: [&(dyn ToSql + Sync); 7] = [
        &ids,
        &names,
        &descriptions,
        &prices,
        &categories,
        &active,
        &Time(now),
    ];
    if let Err(error) = lane.0.client.execute(&lane.0.bulk, &params).await {
        return serve::failed(error);
    }
    let mut out = Vec::with_capacity(32 + new.len() * 512);
    out.extend_from_slice(b"{\"data\":[");
    for (id, new) in ids.iter().zip(&new) {
        if out.len() > 9 {
            out.push(b',');
        }
        let product = Product {
            id: id.0.as_bytes(),
            name: new.name.as_bytes(),
            description: new.description.as_bytes(),
            price: new.price,
            category: new.category.as_bytes(),
            active: new.active,
            created_at: now,
            updated_at: now,
        };
        product.write(&mut out);
    }
    out.extend_from_slice(b"]}");
    serve::json(StatusCode::CREATED, out)
}

async fn create(State(app): State<Arc<App>>, body: Bytes) -> Response {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = since_1970.as_micros() as i64;
    if body.first() == Some(&b'[') {
        return bulk(&app, &body, now).await;
    }
    let Some(new) = request::new_product(&body) else {
        return serve::empty(StatusCode::UNPROCESSABLE_ENTITY);
    };
    let id = Uuid::now_v7();
    let lane = choose(&app.writers);
    let (name, description, category) = (&*new.name, &*new.description, &*new.category);
    let (id_param, now_param) = (Id(id), Time(now));
    let params: [&(dyn ToSql + Sync); 7] = [
        &id_param,
        &name,
        &description,
        &new.price,
        &category,
        &new.active,
        &now_param,
    ];
    let inserted = lane.0.client.execute(&lane.0.create, &params);
    if let Err(error) = inserted.await {
        return serve::failed(error);
    }
    // Nothing in the row is the database's doing, so there is nothing to ask it for.
    let product = Product {
        id: id.as_bytes(),
        name: name.as_bytes(),
        description: description.as_bytes(),
        price: new.price,
        category: category.as_bytes(),
        active: new.active,
        created_at: now,
        updated_at: now,
    };
    let mut out = Vec::with_capacity(512);
    product.write(&mut out);
    serve::json(StatusCode::CREATED, out)
}

#[derive(Debug)]
struct Id(Uuid);

#[derive(Debug)]
struct Time(i64);

type Written = Result<tokio_postgres::types::IsNull, Box<dyn std::error::Error + Sync + Send>>;

impl ToSql for Id {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> Written {
        out.extend_from_slice(self.0.as_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::UUID
    }

    tokio_postgres::types::to_sql_checked!();
}

impl ToSql for Time {
    fn to_sql(&self, _: &Type, out: &mut bytes::BytesMut) -> Written {
        out.extend_from_slice(&(self.0 - MICROS_1970_TO_2000).to_be_bytes());
        Ok(tokio_postgres::types::IsNull::No)
    }

    fn accepts(ty: &Type) -> bool {
        *ty == Type::TIMESTAMPTZ
    }

    tokio_postgres::types::to_sql_checked!();
}

async fn app(config: Config, readers: usize, writers: usize) -> Result<App, Error> {
    let mut app = App {
        readers: Vec::new(),
        writers: Vec::new(),
    };
    for _ in 0..readers {
        app.readers.push(Lane::open(&config).await?);
    }
    for _ in 0..writers {
        app.writers.push(Lane::open(&config).await?);
    }
    Ok(app)
}

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let threads = args::or("threads", thread::available_parallelism()?.get());
    let (readers, writers) = (args::or("readers", 2), args::or("writers", 16));
    let mut config: Config = args::required("database");
    // Planned once and for all: the default would plan anew wherever it guesses that to be cheaper.
    config.options("-c plan_cache_mode=force_generic_plan");
    let router = move || {
        let config = config.clone();
        async move {
            let app = app(config, readers, writers)
                .await
                .expect("the database answers");
            Router::new()
                .route(PRODUCTS, routing::get(list).post(create))
                .route(&format!("{PRODUCTS}/aggregate"), routing::get(aggregate))
                .route(&format!("{PRODUCTS}/{{id}}"), routing::get(one))
                .with_state(Arc::new(app))
        }
    };
    serve::serve(&args::required::<String>("listen"), threads, router)?;
    Ok(())
}
