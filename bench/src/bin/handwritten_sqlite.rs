//! The two models on SQLite, written by hand for speed: axum and rusqlite, no engine.
//!
//! Reads run where the request is, on the thread's own connection, with statements prepared once. One
//! writer thread takes whatever creates wait, inserts them in one transaction and commits with one
//! fsync (`synchronous = FULL`); the answers follow the commit.
//!
//! `--listen ADDR --database FILE [--threads N]`

use std::{
    cell::RefCell,
    mem,
    path::{Path as FilePath, PathBuf},
    sync::{Arc, Condvar, Mutex},
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
    json::{self, Group, Product, Review},
    request::{self, List, PRODUCTS},
    serve,
};
use rusqlite::{Connection, OpenFlags, Result, Row, Statement, config::DbConfig};
use tokio::sync::oneshot;
use uuid::Uuid;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ONE: &str = "select id, name, description, price, category, active, created_at, updated_at \
    from products where id = ?1 and active";
const LIST: &str = "select id, name, description, price, category, active, created_at, updated_at \
    from products where category = ?1 and price > ?2 and active order by price, id limit ?3";
const REVIEWS: &str = "select id, rating, body, created_at, updated_at \
    from reviews where product = ?1 order by id limit ?2";
const AGGREGATE: &str = "select category, count(*), sum(price), max(price) \
    from products where category < ?1 and price > ?2 and active group by category order by category";
const CREATE: &str = "insert into products \
    (id, name, description, price, category, active, created_at, updated_at) \
    values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?7)";

fn open(file: &FilePath, flags: OpenFlags) -> Result<Connection> {
    let connection = Connection::open_with_flags(file, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    // Without it the bundled STAT4 prepares a statement anew at each binding.
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    connection.execute_batch(
        "pragma busy_timeout = 10000; pragma cache_size = -32000; pragma mmap_size = 1073741824; \
         pragma temp_store = memory; pragma synchronous = full;",
    )?;
    Ok(connection)
}

/// A thread's connection and its statements.
struct Reader {
    one: Statement<'static>,
    list: Statement<'static>,
    reviews: Statement<'static>,
    aggregate: Statement<'static>,
}

thread_local! {
    static READER: RefCell<Option<Reader>> = const { RefCell::new(None) };
}

impl Reader {
    fn open(file: &FilePath) -> Result<Self> {
        // Kept until the process ends, as the thread is.
        let connection = Box::leak(Box::new(open(file, OpenFlags::SQLITE_OPEN_READ_ONLY)?));
        Ok(Self {
            one: connection.prepare(ONE)?,
            list: connection.prepare(LIST)?,
            reviews: connection.prepare(REVIEWS)?,
            aggregate: connection.prepare(AGGREGATE)?,
        })
    }

    /// Runs `read` with this thread's reader.
    fn with<T>(read: impl FnOnce(&mut Self) -> Result<T>) -> Result<T> {
        READER.with_borrow_mut(|reader| read(reader.as_mut().expect("opened with the thread")))
    }

    fn one(&mut self, id: Uuid) -> Result<Option<Vec<u8>>> {
        self.one.raw_bind_parameter(1, id.as_bytes())?;
        let mut rows = self.one.raw_query();
        let Some(row) = rows.next()? else {
            return Ok(None);
        };
        let mut out = Vec::with_capacity(512);
        product(row)?.write(&mut out);
        Ok(Some(out))
    }

    fn aggregate(&mut self, below: &str, above: i64) -> Result<Vec<u8>> {
        self.aggregate.raw_bind_parameter(1, below)?;
        self.aggregate.raw_bind_parameter(2, above)?;
        let mut rows = self.aggregate.raw_query();
        let mut out = Vec::with_capacity(8192);
        out.extend_from_slice(b"{\"data\":[");
        let mut first = true;
        while let Some(row) = rows.next()? {
            if !first {
                out.push(b',');
            }
            first = false;
            let group = Group {
                category: row.get_ref(0)?.as_bytes()?,
                count: row.get_ref(1)?.as_i64()?,
                sum: row.get_ref(2)?.as_i64()?,
                max: row.get_ref(3)?.as_i64()?,
            };
            group.write(&mut out);
        }
        out.extend_from_slice(b"],\"more\":false}");
        Ok(out)
    }

    /// With nested reviews this is one snapshot: while the outer statement has rows to give, the
    /// connection stays in its read transaction.
    fn list(&mut self, list: &List) -> Result<Vec<u8>> {
        let Self {
            list: outer,
            reviews,
            ..
        } = self;
        outer.raw_bind_parameter(1, &*list.category)?;
        outer.raw_bind_parameter(2, list.price_above)?;
        outer.raw_bind_parameter(3, list.limit)?;
        let mut rows = outer.raw_query();
        let each = if list.reviews.is_some() { 2048 } else { 512 };
        let mut out = Vec::with_capacity(64 + list.limit as usize * each);
        out.extend_from_slice(b"{\"data\":[");
        let (mut count, mut last) = (0, (0, [0; 16]));
        while let Some(row) = rows.next()? {
            if count > 0 {
                out.push(b',');
            }
            count += 1;
            let product = product(row)?;
            product.open(&mut out);
            if let Some(limit) = list.reviews {
                nested(reviews, product.id, limit, &mut out)?;
            }
            out.push(b'}');
            if count == list.limit {
                last = (
                    product.price,
                    product.id.try_into().expect("a UUID has 16 bytes"),
                );
            }
        }
        json::close_list(&mut out, count == list.limit, last.0, &last.1);
        Ok(out)
    }
}

fn nested(
    reviews: &mut Statement<'static>,
    product: &[u8],
    limit: i64,
    out: &mut Vec<u8>,
) -> Result<()> {
    reviews.raw_bind_parameter(1, product)?;
    // One more than wanted shows whether there are more.
    reviews.raw_bind_parameter(2, limit + 1)?;
    let mut rows = reviews.raw_query();
    out.extend_from_slice(b",\"reviews\":{\"data\":[");
    let (mut count, mut more) = (0, false);
    while let Some(row) = rows.next()? {
        if count == limit {
            more = true;
            break;
        }
        if count > 0 {
            out.push(b',');
        }
        count += 1;
        let review = Review {
            id: row.get_ref(0)?.as_blob()?,
            product,
            rating: row.get_ref(1)?.as_i64()?,
            body: row.get_ref(2)?.as_bytes()?,
            created_at: row.get_ref(3)?.as_i64()?,
            updated_at: row.get_ref(4)?.as_i64()?,
        };
        review.write(out);
    }
    out.extend_from_slice(b"],\"more\":");
    json::bool(out, more);
    out.push(b'}');
    Ok(())
}

fn product<'a>(row: &'a Row<'_>) -> Result<Product<'a>> {
    Ok(Product {
        id: row.get_ref(0)?.as_blob()?,
        name: row.get_ref(1)?.as_bytes()?,
        description: row.get_ref(2)?.as_bytes()?,
        price: row.get_ref(3)?.as_i64()?,
        category: row.get_ref(4)?.as_bytes()?,
        active: row.get_ref(5)?.as_i64()? != 0,
        created_at: row.get_ref(6)?.as_i64()?,
        updated_at: row.get_ref(7)?.as_i64()?,
    })
}

async fn one(Path(id): Path<String>) -> Response {
    let Ok(id) = Uuid::try_parse(&id) else {
        return serve::empty(StatusCode::NOT_FOUND);
    };
    match Reader::with(|reader| reader.one(id)) {
        Err(error) => serve::failed(error),
        Ok(None) => serve::empty(StatusCode::NOT_FOUND),
        Ok(Some(out)) => serve::json(StatusCode::OK, out),
    }
}

async fn list(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let Some(list) = request::list(&query) else {
        return serve::empty(StatusCode::BAD_REQUEST);
    };
    match Reader::with(|reader| reader.list(&list)) {
        Err(error) => serve::failed(error),
        Ok(out) => serve::json(StatusCode::OK, out),
    }
}

async fn aggregate(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let Some((below, above)) = request::aggregate(&query) else {
        return serve::empty(StatusCode::BAD_REQUEST);
    };
    match Reader::with(|reader| reader.aggregate(&below, above)) {
        Err(error) => serve::failed(error),
        Ok(out) => serve::json(StatusCode::OK, out),
    }
}

/// Creates on their way to the writer.
struct Job {
    rows: Vec<NewRow>,
    done: oneshot::Sender<Result<()>>,
}

struct NewRow {
    id: Uuid,
    name: String,
    description: String,
    price: i64,
    category: String,
    active: bool,
    now: i64,
}

#[derive(Default)]
struct Queue {
    waiting: Mutex<Vec<Job>>,
    arrived: Condvar,
}

async fn create(State(queue): State<Arc<Queue>>, body: Bytes) -> Response {
    let since_1970 = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .expect("after 1970");
    let now = since_1970.as_micros() as i64;
    // Nothing in a row is the database's doing, so the answer can be written while it works.
    let (out, rows) = if body.first() == Some(&b'[') {
        let Some(new) = request::new_products(&body) else {
            return serve::empty(StatusCode::UNPROCESSABLE_ENTITY);
        };
        let mut out = Vec::with_capacity(32 + new.len() * 512);
        out.extend_from_slice(b"{\"data\":[");
        let mut rows = Vec::with_capacity(new.len());
        for new in new {
            if !rows.is_empty() {
                out.push(b',');
            }
            rows.push(row(new, now, &mut out));
        }
        out.extend_from_slice(b"]}");
        (out, rows)
    } else {
        let Some(new) = request::new_product(&body) else {
            return serve::empty(StatusCode::UNPROCESSABLE_ENTITY);
        };
        let mut out = Vec::with_capacity(512);
        let row = row(new, now, &mut out);
        (out, vec![row])
    };
    let (done, is_done) = oneshot::channel();
    queue.push(Job { rows, done });
    match is_done.await {
        Err(error) => serve::failed(error),
        Ok(Err(error)) => serve::failed(error),
        Ok(Ok(())) => serve::json(StatusCode::CREATED, out),
    }
}

/// The row of a new product, which is written as JSON on the way.
fn row(new: request::NewProduct<'_>, now: i64, out: &mut Vec<u8>) -> NewRow {
    let id = Uuid::now_v7();
    let product = Product {
        id: id.as_bytes(),
        name: new.name.as_bytes(),
        description: new.description.as_bytes(),
        price: new.price,
        category: new.category.as_bytes(),
        active: new.active,
        created_at: now,
        updated_at: now,
    };
    product.write(out);
    NewRow {
        id,
        name: new.name.into_owned(),
        description: new.description.into_owned(),
        price: new.price,
        category: new.category.into_owned(),
        active: new.active,
        now,
    }
}

impl Queue {
    fn push(&self, job: Job) {
        let mut waiting = self.waiting.lock().expect("nobody panics with it");
        waiting.push(job);
        let first = waiting.len() == 1;
        drop(waiting);
        if first {
            self.arrived.notify_one();
        }
    }

    /// Takes all that wait; sleeps while there are none.
    fn take(&self, jobs: &mut Vec<Job>) {
        let mut waiting = self.waiting.lock().expect("nobody panics with it");
        while waiting.is_empty() {
            waiting = self.arrived.wait(waiting).expect("nobody panics with it");
        }
        mem::swap(&mut *waiting, jobs);
    }
}

fn insert(statement: &mut Statement, row: &NewRow) -> Result<()> {
    statement.raw_bind_parameter(1, row.id.as_bytes())?;
    statement.raw_bind_parameter(2, &row.name)?;
    statement.raw_bind_parameter(3, &row.description)?;
    statement.raw_bind_parameter(4, row.price)?;
    statement.raw_bind_parameter(5, &row.category)?;
    statement.raw_bind_parameter(6, row.active)?;
    statement.raw_bind_parameter(7, row.now)?;
    statement.raw_execute().map(drop)
}

/// A failed insert undoes itself alone; the others of its group commit.
fn write(connection: &Connection, queue: &Queue) -> Result<()> {
    let mut begin = connection.prepare("begin immediate")?;
    let mut commit = connection.prepare("commit")?;
    let mut create = connection.prepare(CREATE)?;
    let mut jobs = Vec::new();
    let mut results = Vec::new();
    loop {
        queue.take(&mut jobs);
        begin.raw_execute()?;
        results.extend(
            jobs.iter()
                .map(|job| job.rows.iter().try_for_each(|row| insert(&mut create, row))),
        );
        commit.raw_execute()?;
        for (job, result) in jobs.drain(..).zip(results.drain(..)) {
            // A client that went away does not hear of it.
            let _ = job.done.send(result);
        }
    }
}

fn main() -> std::result::Result<(), Box<dyn std::error::Error>> {
    let threads = args::or("threads", thread::available_parallelism()?.get());
    let file: PathBuf = args::required("database");
    let queue = Arc::new(Queue::default());
    let writer = open(&file, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    thread::spawn({
        let queue = Arc::clone(&queue);
        move || write(&writer, &queue).expect("the writer can commit")
    });
    let router = move || {
        let reader = Reader::open(&file).expect("the file can be opened");
        READER.set(Some(reader));
        let router = Router::new()
            .route(PRODUCTS, routing::get(list).post(create))
            .route(&format!("{PRODUCTS}/aggregate"), routing::get(aggregate))
            .route(&format!("{PRODUCTS}/{{id}}"), routing::get(one))
            .with_state(Arc::clone(&queue));
        async { router }
    };
    serve::serve(&args::required::<String>("listen"), threads, router)?;
    Ok(())
}
