//! Who reads: callers themselves, inline on a connection of their thread, and a few threads for what may take long.

use super::connection::{self, Role, Session};
use super::{Options, error};
use crate::{Result, StoreError};
use parking_lot::Mutex;
use std::cell::Cell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::time::Instant;

/// A place for a connection, opened when first needed and again after it broke.
pub struct Place {
    session: Option<Session>,
    path: Arc<PathBuf>,
    options: Arc<Options>,
    role: Role,
}

impl Place {
    pub fn new(path: &Arc<PathBuf>, options: &Arc<Options>, role: Role) -> Place {
        Place {
            session: None,
            path: Arc::clone(path),
            options: Arc::clone(options),
            role,
        }
    }

    pub fn run<T>(
        &mut self,
        deadline: Instant,
        run: impl FnOnce(&Session) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let session = match &self.session {
            Some(session) => session,
            None => {
                let opened = connection::open(&self.path, &self.options, self.role);
                self.session.insert(opened.map_err(error::map)?)
            }
        };
        session.limited(deadline, run).map_err(|failed| {
            if error::is_broken(&failed) {
                self.session = None;
            }
            error::map(failed)
        })
    }
}

/// A thread that reads inline starts looking for a connection at its own number. With no more threads than
/// places, each finds the same connection again and again, its cache warm and its lock free. They belong to the
/// store and not to the thread (a `thread_local`), so that they are closed with it.
pub struct Inline {
    places: Box<[Padded]>,
}

/// Two places never share a cache line.
#[repr(align(128))]
struct Padded(Mutex<Place>);

static THREADS: AtomicUsize = AtomicUsize::new(0);
thread_local! {
    static THREAD: Cell<usize> = Cell::new(THREADS.fetch_add(1, Ordering::Relaxed));
}

impl Inline {
    pub fn new(path: &Arc<PathBuf>, options: &Arc<Options>) -> Inline {
        let place = || Padded(Mutex::new(Place::new(path, options, Role::Inline)));
        Inline {
            places: (0..options.inline.max(1)).map(|_| place()).collect(),
        }
    }

    pub fn run<T>(
        &self,
        deadline: Instant,
        run: impl FnOnce(&Session) -> rusqlite::Result<T>,
    ) -> Result<T> {
        let count = self.places.len();
        let own = THREAD.get() % count;
        let free = (0..count).find_map(|by| self.places[(own + by) % count].0.try_lock());
        let mut place = free.unwrap_or_else(|| self.places[own].0.lock());
        place.run(deadline, run)
    }
}

type Task = Box<dyn FnOnce(&mut Place) + Send>;

/// Threads for reads that are not plainly bounded.
pub struct Readers {
    tasks: mpsc::Sender<Task>,
    waiting: Arc<AtomicUsize>,
}

impl Readers {
    pub fn start(path: &Arc<PathBuf>, options: &Arc<Options>) -> Result<Readers> {
        let (tasks, queue) = mpsc::channel::<Task>();
        let queue = Arc::new(Mutex::new(queue));
        let waiting = Arc::new(AtomicUsize::new(0));
        for number in 0..options.readers.max(1) {
            let mut place = Place::new(path, options, Role::Reader);
            let (queue, waiting) = (Arc::clone(&queue), Arc::clone(&waiting));
            std::thread::Builder::new()
                .name(format!("sqlite-read-{number}"))
                .spawn(move || {
                    loop {
                        // Whoever holds the lock waits for the next task; the others wait for the lock.
                        let task = queue.lock().recv();
                        let Ok(task) = task else { return };
                        waiting.fetch_sub(1, Ordering::Relaxed);
                        task(&mut place);
                    }
                })
                .map_err(|cause| StoreError::Unavailable {
                    cause: format!("cannot start a reader thread: {cause}"),
                    maybe: false,
                })?;
        }
        Ok(Readers { tasks, waiting })
    }

    /// Reads waiting for a thread.
    pub fn waiting(&self) -> usize {
        self.waiting.load(Ordering::Relaxed)
    }

    /// Runs on the next free thread. Gives up at the deadline, also while it waits for one.
    pub async fn run<T: Send + 'static>(
        &self,
        deadline: Instant,
        run: impl FnOnce(&Session) -> rusqlite::Result<T> + Send + 'static,
    ) -> Result<T> {
        let (reply, answer) = tokio::sync::oneshot::channel();
        let asked = Instant::now();
        let task: Task = Box::new(move |place| {
            // Nobody may be waiting any more: the caller left, or its time is over.
            if reply.is_closed() {
                return;
            }
            let turn = Instant::now();
            let result = if turn >= deadline {
                Err(StoreError::Overloaded)
            } else {
                let done = super::unwound(|| place.run(deadline, run)).and_then(|result| result);
                done.map_err(|error| error.with_turn(asked, turn))
            };
            let _ = reply.send(result);
        });
        self.waiting.fetch_add(1, Ordering::Relaxed);
        if self.tasks.send(task).is_err() {
            self.waiting.fetch_sub(1, Ordering::Relaxed);
            return Err(super::closed());
        }
        answer.await.map_err(|_| super::closed())?
    }
}
