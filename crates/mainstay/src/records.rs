//! Records that come in as files: `import` and the seeds of `dev`. All or nothing, a batch at a time.

mod lines;

use crate::backend::Backend;
use crate::export::Format;
use auth::Auth;
use engine::{Import, Imported};
use lines::Lines;
use spec::{App, ModelId, Problem, Value};
use std::collections::{HashMap, HashSet, VecDeque};
use std::hash::{BuildHasher, RandomState};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use store::{Batch, Items, Loaded, StoreError};

/// Records that go to the store together, and the bytes of their lines.
const BATCH: usize = 1_000;
const BATCH_BYTES: usize = 4 << 20;

/// Bytes of one record. It may have grown over many requests, each within `limits.body`.
const MOST_BYTES: u64 = 64 << 20;

/// Batches that wait for the store.
const AHEAD: usize = 4;

/// Records whose places are remembered: more than the store can be behind, which has at most one batch in its
/// hands while as many wait and one more is made.
const SENT: usize = (AHEAD + 4) * BATCH;

/// Lines that wait for one they refer to at most; with more, what they refer to is taken to be there.
const WAITING: usize = 10_000;

/// Bad lines that are shown; more are counted.
const SHOWN: usize = 20;

/// A file of records; standard input where it is called [`STANDARD`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct File {
    pub model: ModelId,
    pub path: PathBuf,
    pub format: Format,
}

/// The name of standard input and output.
pub const STANDARD: &str = "-";

#[derive(Debug)]
pub enum ImportError {
    Io {
        path: PathBuf,
        error: std::io::Error,
    },
    /// These lines are not valid; nothing was written.
    Lines {
        path: PathBuf,
        bad: Vec<(u64, Problem)>,
        more: u64,
    },
    /// The store refused a line (none where it cannot say which); nothing was written.
    Refused {
        path: PathBuf,
        line: Option<u64>,
        error: StoreError,
    },
    Problem(Problem),
}

/// What is told while it runs: bytes and records done.
pub type Progress<'p> = &'p (dyn Fn(u64, u64) + Sync);

/// Loads files in one transaction, in their order; answers how many records came in.
pub async fn import(
    backend: &Backend,
    auth: Option<&Auth>,
    app: &Arc<App>,
    files: &[File],
    progress: Progress<'_>,
) -> Result<u64, ImportError> {
    let (send, receive) = tokio::sync::mpsc::channel(AHEAD);
    // The sender moves in: an early return drops it, and the store sees that the rest will not come.
    let lines = async move {
        let mut state = Feed {
            sent: VecDeque::new(),
            stopped: false,
            records: 0,
            bytes: 0,
            file: 0,
            now: spec::time::now_micros(),
        };
        for (at, file) in files.iter().enumerate() {
            state.file = at;
            feed(backend, auth, app, file, &send, progress, &mut state).await?;
            if state.stopped {
                break;
            }
        }
        // A closed channel means that the store has failed, and its answer says why.
        let _ = send.send(Batch::Commit).await;
        Ok::<_, ImportError>(state)
    };
    let store = Arc::clone(&backend.store);
    // Beside it: the store sends what it has while the next lines are read.
    let load = tokio::spawn(async move { store.load(receive).await });
    let state = lines.await;
    let loaded = load.await.unwrap_or_else(|panic| {
        Err(StoreError::Other {
            cause: panic.to_string(),
        })
    });
    let state = state?;
    let refused = |item: Option<u64>, error: StoreError| {
        let at = item.and_then(|item| {
            let behind = usize::try_from(state.records.checked_sub(item)?).ok()?;
            state.sent.get(state.sent.len().checked_sub(behind)?)
        });
        let (path, line) = match at {
            Some(sent) => (files[sent.file].path.clone(), Some(sent.line)),
            None => (
                files.last().map(|f| f.path.clone()).unwrap_or_default(),
                None,
            ),
        };
        ImportError::Refused { path, line, error }
    };
    match loaded {
        Ok(Loaded::Done { .. }) => Ok(state.records),
        Ok(Loaded::Missed { item }) => Err(refused(Some(item), StoreError::Contended)),
        Ok(Loaded::Refused { item, error }) => Err(refused(Some(item), error)),
        Ok(Loaded::Abandoned) => Err(ImportError::Problem(Problem::internal(
            "the import was abandoned",
        ))),
        Err(error) => Err(refused(None, error)),
    }
}

/// Where a running import is.
struct Feed {
    /// Where the last records came from: what the store may refuse is among them, for it is only so far behind.
    sent: VecDeque<Sent>,
    /// The store takes no more, and its answer says why.
    stopped: bool,
    /// The number of the file that is read.
    file: usize,
    /// Records that went to the store.
    records: u64,
    bytes: u64,
    /// All of it is written at one moment.
    now: i64,
}

/// Where a record came from.
struct Sent {
    file: usize,
    line: u64,
}

impl Feed {
    /// Hands the records that can go to the store, at `least` so many of them or so many bytes together.
    async fn pass_on(
        &mut self,
        import: &Arc<Import>,
        order: &mut Order,
        send: &tokio::sync::mpsc::Sender<Batch>,
        least: (usize, usize),
    ) -> Result<(), ImportError> {
        if order.ready.len() < least.0 && order.ready_bytes < least.1 {
            return Ok(());
        }
        order.ready_bytes = 0;
        while !order.ready.is_empty() && !self.stopped {
            let next = order.ready.drain(..BATCH.min(order.ready.len()));
            let mut records = Vec::with_capacity(next.len());
            for late in next {
                self.records += 1;
                if self.sent.len() == SENT {
                    self.sent.pop_front();
                }
                self.sent.push_back(Sent {
                    file: self.file,
                    line: late.line,
                });
                records.push(late.record);
            }
            let items = items(import, records, order.out_of_order);
            let items = items.map_err(ImportError::Problem)?;
            self.stopped = send.send(Batch::Items(items)).await.is_err();
        }
        Ok(())
    }
}

/// What writes these records.
fn items(import: &Arc<Import>, records: Vec<Imported>, one_by_one: bool) -> Result<Items, Problem> {
    let count = records.len();
    let at_once = match one_by_one {
        true => None,
        false => import.at_once(&records)?,
    };
    let import = Arc::clone(import);
    let each = move || -> Result<Vec<_>, Problem> {
        records
            .into_iter()
            .map(|record| import.steps(record))
            .collect()
    };
    let each: Box<dyn FnOnce() -> store::Result<_> + Send> = match at_once {
        // The store needs them, and has enough to do.
        None => {
            let each = each()?;
            Box::new(move || Ok(each))
        }
        Some(_) => Box::new(move || {
            each().map_err(|problem| StoreError::Other {
                cause: problem.detail,
            })
        }),
    };
    Ok(Items {
        count,
        at_once,
        each,
    })
}

/// Puts the lines of a file into an order in which none refers to a later one, where they do so to records of their
/// own model: a reference must lead somewhere at once. Lines that do not, stay as they are.
#[derive(Default)]
struct Order {
    /// What may go.
    ready: Vec<Late>,
    /// The bytes of its lines.
    ready_bytes: usize,
    /// Lines went that may refer to later ones: each stands or falls by what is there before it, as on any store.
    out_of_order: bool,
    /// The keys of records that went, as hashes, where others may refer to them: of a long file, all are kept.
    gone: HashSet<u64>,
    /// Lines by a key that they wait for.
    waiting: HashMap<u64, Vec<Late>>,
    /// How many.
    count: usize,
    hasher: RandomState,
}

struct Late {
    line: u64,
    /// The key's hash; none where the store assigns it.
    id: Option<u64>,
    /// The keys that must have gone before.
    after: Vec<u64>,
    record: Imported,
    bytes: usize,
}

impl Late {
    fn new(order: &Order, line: u64, bytes: usize, record: Imported) -> Late {
        let hash = |id: &Value| order.hasher.hash_one(id.key_text());
        Late {
            line,
            id: Some(&record.id).filter(|id| !id.is_null()).map(hash),
            after: record.after.iter().map(hash).collect(),
            record,
            bytes,
        }
    }

    /// Of a model whose records do not refer to each other.
    fn alone(line: u64, bytes: usize, record: Imported) -> Late {
        Late {
            line,
            id: None,
            after: Vec::new(),
            record,
            bytes,
        }
    }
}

impl Order {
    fn come(&mut self, late: Late) {
        let mut next = vec![late];
        while let Some(mut late) = next.pop() {
            // A record may refer to itself.
            late.after
                .retain(|key| Some(*key) != late.id && !self.gone.contains(key));
            if let Some(key) = late.after.last() {
                self.waiting.entry(*key).or_default().push(late);
                self.count += 1;
                continue;
            }
            if let Some(id) = late.id {
                self.gone.insert(id);
                let freed = self.waiting.remove(&id).unwrap_or_default();
                self.count -= freed.len();
                next.extend(freed.into_iter().rev());
            }
            self.go(late);
        }
    }

    fn go(&mut self, late: Late) {
        self.ready_bytes += late.bytes;
        self.ready.push(late);
    }

    /// What still waits refers to what is there already, or to nothing, and goes. Those that refer to each other
    /// in a circle go as they came, and the store refuses the first.
    fn finish(&mut self) {
        let mut rest: Vec<Late> = self.waiting.drain().flat_map(|(_, late)| late).collect();
        rest.sort_by_key(|late| late.line);
        self.count = 0;
        self.out_of_order |= !rest.is_empty();
        let own: HashSet<u64> = rest.iter().filter_map(|late| late.id).collect();
        for mut late in rest {
            late.after.retain(|key| own.contains(key));
            self.come(late);
        }
        let mut circles: Vec<Late> = self.waiting.drain().flat_map(|(_, late)| late).collect();
        circles.sort_by_key(|late| late.line);
        self.count = 0;
        circles.into_iter().for_each(|late| self.go(late));
    }
}

async fn feed(
    backend: &Backend,
    auth: Option<&Auth>,
    app: &Arc<App>,
    file: &File,
    send: &tokio::sync::mpsc::Sender<Batch>,
    progress: Progress<'_>,
    state: &mut Feed,
) -> Result<(), ImportError> {
    let io = |error| ImportError::Io {
        path: file.path.clone(),
        error,
    };
    let of = app.model(file.model);
    let import = Arc::new(backend.engine.import(app, file.model, state.now));
    let users = auth.filter(|_| of.full_name() == "auth.users");
    let beside = match users {
        Some(_) => BESIDE_USERS,
        None => &[],
    };
    let mut lines = Lines::open(file, of, beside, MOST_BYTES).map_err(io)?;
    let (mut bad, mut more) = (Vec::new(), 0u64);
    let mut order = Order::default();
    let before = state.bytes;
    while let Some((number, text)) = lines.next().map_err(io)? {
        let bytes = text.as_ref().map_or(0, |text| text.len());
        let record = match (text, users) {
            (Err(problem), _) => Err(problem),
            (Ok(text), Some(auth)) => user(auth, &import, text).await,
            (Ok(text), None) => import.record(text),
        };
        state.bytes = before + lines.bytes();
        match record {
            Ok(record) if import.refers_to_itself() => {
                order.come(Late::new(&order, number, bytes, record));
                if order.count > WAITING {
                    order.finish();
                }
            }
            Ok(record) => order.go(Late::alone(number, bytes, record)),
            Err(problem) if bad.len() < SHOWN => bad.push((number, problem)),
            Err(_) => more += 1,
        }
        // After the first bad line nothing will be written: the rest is only read for its mistakes.
        if bad.is_empty() {
            let before = state.records;
            let least = (BATCH, BATCH_BYTES);
            state.pass_on(&import, &mut order, send, least).await?;
            if state.records > before {
                progress(state.bytes, state.records);
            }
        } else {
            order = Order::default();
        }
        if state.stopped {
            return Ok(());
        }
    }
    if bad.is_empty() {
        order.finish();
        state.pass_on(&import, &mut order, send, (1, 0)).await?;
    }
    progress(state.bytes, state.records);
    if bad.is_empty() {
        Ok(())
    } else {
        Err(ImportError::Lines {
            path: file.path.clone(),
            bad,
            more,
        })
    }
}

/// What a user may come with beside the fields, and whether it is JSON in a cell.
const BESIDE_USERS: &[(&str, bool)] = &[("password", false), ("roles", true)];

/// A user may come with a write-only `password` and with `roles`; their address counts as verified.
pub async fn user(auth: &Auth, import: &Import, line: &[u8]) -> Result<Imported, Problem> {
    let malformed = |e: serde_json::Error| spec::input::malformed_at(line, &e);
    let mut user: serde_json::Map<String, serde_json::Value> =
        serde_json::from_slice(line).map_err(malformed)?;
    let password = user.remove("password");
    let roles = user.remove("roles");
    user.entry("verified").or_insert(true.into());
    let body = serde_json::to_vec(&user).map_err(malformed)?;
    let mut imported = import.record(&body)?;
    let Value::Uuid(id) = imported.id else {
        return Err(Problem::internal("a user whose id is no UUID"));
    };
    let steps = &mut imported.beside;
    let wrong = |field: &str, detail: &str| {
        Problem::invalid(vec![spec::FieldError::at(field, "type", detail)])
    };
    match password {
        None => {}
        Some(serde_json::Value::String(password)) => {
            steps.extend(auth.password_steps(id, &password).await?)
        }
        Some(_) => return Err(wrong("password", "password must be a string.")),
    }
    match roles {
        None => {}
        Some(serde_json::Value::Array(roles)) => {
            for role in &roles {
                let role = role
                    .as_str()
                    .ok_or_else(|| wrong("roles", "roles must be an array of strings."))?;
                steps.extend(auth.role_steps(id, role)?);
            }
        }
        Some(_) => return Err(wrong("roles", "roles must be an array of strings.")),
    }
    Ok(imported)
}

impl ImportError {
    /// For people: what is wrong, line by line.
    pub fn report(&self) -> String {
        let file = |path: &Path| path.display().to_string();
        match self {
            ImportError::Io { path, error } => format!("{}: {error}", file(path)),
            ImportError::Problem(problem) => problem.to_string(),
            ImportError::Lines { path, bad, more } => {
                let mut out = String::new();
                for (line, problem) in bad {
                    out.push_str(&format!("{}:{line}: {}\n", file(path), problem.detail));
                    if problem.errors.len() > 1 {
                        for error in &problem.errors {
                            out.push_str(&format!("    {}: {}\n", error.pointer, error.detail));
                        }
                    }
                }
                if *more > 0 {
                    out.push_str(&format!("… and {more} more bad lines\n"));
                }
                out.push_str("nothing was imported: mend these lines and run it again");
                out
            }
            ImportError::Refused { path, line, error } => {
                let at = line.map(|l| format!(":{l}")).unwrap_or_default();
                let what = refusal(error);
                format!("{}{at}: {what}\nnothing was imported", file(path))
            }
        }
    }
}

/// Why the store refused a record, for people.
pub fn refusal(error: &StoreError) -> String {
    match error {
        StoreError::Unique { columns, .. } => {
            format!(
                "a record with the same {} is there already",
                columns.join(" and ")
            )
        }
        StoreError::ForeignKey { columns, .. } => {
            let who = match columns.is_empty() {
                true => "a record".to_owned(),
                false => columns.join(", "),
            };
            format!("{who} refers to a record that is not there; import what it refers to first")
        }
        other => other.to_string(),
    }
}
