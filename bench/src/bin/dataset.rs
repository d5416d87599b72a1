//! Makes the data and loads it.
//!
//! `dataset jsonl --size N --dir DIR` writes `products.jsonl` and `reviews.jsonl` for `mainstay import`;
//! `dataset sqlite --size N --database FILE` and `dataset postgres --size N --database URL` make and fill
//! the hand-written programs' own tables, where the file or the tables are not there yet;
//! `dataset requests --size N --dir DIR` writes what `load` sends, a file for each kind of work.

use std::{
    env,
    error::Error,
    fs::{self, File},
    io::BufWriter,
    path::PathBuf,
    pin::pin,
};

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use mainstay_bench::{
    args,
    dataset::{self, Dataset},
    json::MICROS_1970_TO_2000,
    work,
};
use rusqlite::{Connection, params};
use tokio_postgres::{Client, NoTls};

fn main() -> Result<(), Box<dyn Error>> {
    let data = Dataset::generate(args::or("size", 100_000));
    match env::args().nth(1).as_deref() {
        Some("jsonl") => jsonl(&data, args::required("dir")),
        Some("sqlite") => sqlite(&data, args::required("database")),
        Some("postgres") => {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_io()
                .build()?;
            runtime.block_on(postgres(&data, args::required("database")))
        }
        Some("requests") => requests(&data, args::required("dir")),
        _ => Err("dataset jsonl | sqlite | postgres | requests".into()),
    }
}

fn jsonl(data: &Dataset, dir: PathBuf) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&dir)?;
    let mut products = BufWriter::new(File::create(dir.join("products.jsonl"))?);
    dataset::write_lines(&data.products, &mut products, |p, line| {
        p.as_json().write(line)
    })?;
    let mut reviews = BufWriter::new(File::create(dir.join("reviews.jsonl"))?);
    dataset::write_lines(&data.reviews, &mut reviews, |r, line| {
        r.as_json().write(line)
    })?;
    Ok(())
}

fn requests(data: &Dataset, dir: PathBuf) -> Result<(), Box<dyn Error>> {
    fs::create_dir_all(&dir)?;
    for work in work::ALL {
        let requests = work.requests(data, 20_000);
        let lines = requests
            .iter()
            .map(|r| format!("{} {} {}\n", r.method, r.path, r.body));
        fs::write(dir.join(work.name()), lines.collect::<String>())?;
    }
    Ok(())
}

const SQLITE_TABLES: &str = "
    create table products (
        id blob primary key, name text not null, description text not null, price integer not null,
        category text not null, active integer not null, created_at integer not null,
        updated_at integer not null
    ) strict;
    create table reviews (
        id blob primary key, product blob not null references products (id) on delete restrict,
        rating integer not null, body text not null, created_at integer not null,
        updated_at integer not null
    ) strict;
    create index products_category_price_id on products (category, price, id);
    create index reviews_product_id on reviews (product, id);
";

fn sqlite(data: &Dataset, file: PathBuf) -> Result<(), Box<dyn Error>> {
    if file.exists() {
        return Ok(());
    }
    if let Some(dir) = file.parent() {
        fs::create_dir_all(dir)?;
    }
    // Made aside and moved into place, so that one cut short is not taken for a whole one.
    let unfinished = file.with_extension("unfinished");
    let _ = fs::remove_file(&unfinished);
    let mut connection = Connection::open(&unfinished)?;
    connection.execute_batch("pragma synchronous = off; pragma journal_mode = off;")?;
    connection.execute_batch(SQLITE_TABLES)?;
    let transaction = connection.transaction()?;
    let mut insert = transaction.prepare("insert into products values (?, ?, ?, ?, ?, ?, ?, ?)")?;
    for p in &data.products {
        let texts = (&p.name, &p.description, &p.category);
        insert.execute(params![
            p.id,
            texts.0,
            texts.1,
            p.price,
            texts.2,
            p.active,
            p.created_at,
            p.created_at
        ])?;
    }
    drop(insert);
    let mut insert = transaction.prepare("insert into reviews values (?, ?, ?, ?, ?, ?)")?;
    for r in &data.reviews {
        insert.execute(params![
            r.id,
            r.product,
            r.rating,
            r.body,
            r.created_at,
            r.created_at
        ])?;
    }
    drop(insert);
    transaction.commit()?;
    connection.execute_batch("analyze; pragma journal_mode = wal;")?;
    connection.close().map_err(|(_, error)| error)?;
    fs::rename(unfinished, file)?;
    Ok(())
}

const POSTGRES_TABLES: &str = r#"
    create table products (
        id uuid primary key, name text collate "C" not null, description text collate "C" not null,
        price bigint not null, category text collate "C" not null, active boolean not null,
        created_at timestamptz not null, updated_at timestamptz not null
    );
    create table reviews (
        id uuid primary key, product uuid not null references products (id) on delete restrict,
        rating bigint not null, body text collate "C" not null, created_at timestamptz not null,
        updated_at timestamptz not null
    );
"#;

const POSTGRES_INDEXES: &str = "
    create index products_category_price_id on products (category, price, id);
    create index reviews_product_id on reviews (product, id);
";

async fn postgres(data: &Dataset, url: String) -> Result<(), Box<dyn Error>> {
    let (mut client, connection) = tokio_postgres::connect(&url, NoTls).await?;
    tokio::spawn(connection);
    let there = client.query_one("select to_regclass('reviews_product_id') is not null", &[]);
    if there.await?.get(0) {
        return Ok(());
    }
    let transaction = client.transaction().await?;
    transaction.batch_execute(POSTGRES_TABLES).await?;
    copy(
        transaction.client(),
        "products",
        data.products.iter().map(|p| {
            let mut row = Row::new(8);
            row.field(&p.id);
            row.field(p.name.as_bytes());
            row.field(p.description.as_bytes());
            row.field(&p.price.to_be_bytes());
            row.field(p.category.as_bytes());
            row.field(&[u8::from(p.active)]);
            row.time(p.created_at);
            row.time(p.created_at);
            row.0
        }),
    )
    .await?;
    copy(
        transaction.client(),
        "reviews",
        data.reviews.iter().map(|r| {
            let mut row = Row::new(6);
            row.field(&r.id);
            row.field(&r.product);
            row.field(&r.rating.to_be_bytes());
            row.field(r.body.as_bytes());
            row.time(r.created_at);
            row.time(r.created_at);
            row.0
        }),
    )
    .await?;
    transaction.batch_execute(POSTGRES_INDEXES).await?;
    transaction.commit().await?;
    client.batch_execute("vacuum analyze").await?;
    Ok(())
}

/// One row of PostgreSQL's binary COPY format.
struct Row(BytesMut);

impl Row {
    fn new(fields: i16) -> Self {
        let mut bytes = BytesMut::with_capacity(512);
        bytes.put_i16(fields);
        Self(bytes)
    }

    fn field(&mut self, bytes: &[u8]) {
        self.0.put_i32(bytes.len() as i32);
        self.0.put_slice(bytes);
    }

    fn time(&mut self, micros: i64) {
        self.field(&(micros - MICROS_1970_TO_2000).to_be_bytes());
    }
}

async fn copy(
    client: &Client,
    table: &str,
    rows: impl Iterator<Item = BytesMut>,
) -> Result<(), Box<dyn Error>> {
    let statement = format!("copy {table} from stdin (format binary)");
    let mut sink = pin!(client.copy_in::<_, Bytes>(&statement).await?);
    let mut chunk = BytesMut::from(&b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0"[..]);
    for row in rows {
        chunk.put_slice(&row);
        if chunk.len() > 60_000 {
            sink.feed(chunk.split().freeze()).await?;
        }
    }
    chunk.put_i16(-1);
    sink.feed(chunk.freeze()).await?;
    sink.finish().await?;
    Ok(())
}
