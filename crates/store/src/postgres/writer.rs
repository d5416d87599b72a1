//! The write lane: writes of one statement, on a few connections, in groups.
//!
//! What limits durable writes is the flush of the log at each commit. Writes that wait anyway, because every
//! connection is busy with a flush, share the next transaction and its flush. A lonely write is committed by
//! itself at once, so nobody waits for company.
//!
//! Neighbours share fate only on paper: when a statement of a group fails, the transaction is undone and each
//! of its writes runs by itself. A group that ran into a lock makes the next ones smaller, for a lock that one
//! write waits for is held up for all of its group.

use super::connection::{Answer, Connection, run};
use super::error::{self, Failure};
use super::join::join_all;
use super::lane::{drive, reconnect};
use super::pool::Pool;
use super::rows;
use crate::{Result, StoreError};
use parking_lot::Mutex;
use spec::statement::{Expect, Step, Written};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use tokio::sync::{Notify, oneshot};
use tokio::task::AbortHandle;

pub(super) struct Writer {
    queue: Arc<Queue>,
    patience: Duration,
    tasks: Vec<AbortHandle>,
}

#[derive(Default)]
struct Queue {
    jobs: Mutex<VecDeque<Job>>,
    /// There is a job.
    waiting: Notify,
    /// A connection came up.
    ready: Notify,
    open: AtomicUsize,
    in_flight: AtomicUsize,
}

struct Job {
    step: Step,
    deadline: Instant,
    /// Set by whoever is first: the connection that runs it, or the caller who gave up on it.
    taken: Arc<AtomicBool>,
    reply: oneshot::Sender<Result<Written>>,
}

impl Job {
    fn answer(self, answer: Result<Written>) {
        // A caller that went away does not want to know.
        let _ = self.reply.send(answer);
    }
}

impl Writer {
    pub(super) fn start(
        config: &tokio_postgres::Config,
        size: usize,
        group: usize,
        pool: &Pool,
        patience: Duration,
    ) -> Writer {
        let queue = Arc::new(Queue::default());
        let tasks = (0..size.max(1))
            .map(|_| {
                let worker = Worker {
                    queue: queue.clone(),
                    pool: pool.clone(),
                    most: group.max(1),
                    group: group.max(1),
                };
                tokio::spawn(worker.serve(config.clone())).abort_handle()
            })
            .collect();
        Writer {
            queue,
            patience,
            tasks,
        }
    }

    /// Runs a step in a transaction of its own or with neighbours; answers when it is durable.
    pub(super) async fn write(&self, step: Step, deadline: Instant) -> Result<Written> {
        let (reply, mut answer) = oneshot::channel();
        let taken = Arc::new(AtomicBool::new(false));
        self.queue.push(Job {
            step,
            deadline,
            taken: taken.clone(),
            reply,
        });
        let gone = || StoreError::Unavailable {
            cause: "the connection's task ended".to_owned(),
            maybe: true,
        };
        let given_up = deadline.min(Instant::now() + self.patience);
        match tokio::time::timeout_at(given_up.into(), &mut answer).await {
            Ok(answer) => return answer.unwrap_or_else(|_| Err(gone())),
            Err(_) if !taken.swap(true, Ordering::AcqRel) => {
                return Err(if self.queue.open.load(Ordering::Relaxed) == 0 {
                    StoreError::Unavailable {
                        cause: "no connection to the database".to_owned(),
                        maybe: false,
                    }
                } else {
                    StoreError::Overloaded
                });
            }
            Err(_) => {}
        }
        // It is being run. The server keeps the limits; ours leaves it some time beyond them.
        let last = deadline + Duration::from_millis(500);
        match tokio::time::timeout_at(last.into(), answer).await {
            Ok(answer) => answer.unwrap_or_else(|_| Err(gone())),
            Err(_) => Err(StoreError::Unavailable {
                cause: "the server did not answer in time".to_owned(),
                maybe: true,
            }),
        }
    }

    pub(super) fn waiting(&self) -> usize {
        self.queue.jobs.lock().len()
    }

    pub(super) fn in_flight(&self) -> usize {
        self.queue.in_flight.load(Ordering::Relaxed)
    }

    pub(super) fn open(&self) -> usize {
        self.queue.open.load(Ordering::Relaxed)
    }

    /// Waits for the first connection.
    pub(super) async fn ready(&self, until: Instant) -> bool {
        loop {
            let mut ready = std::pin::pin!(self.queue.ready.notified());
            ready.as_mut().enable();
            if self.open() > 0 {
                return true;
            }
            if tokio::time::timeout_at(until.into(), ready).await.is_err() {
                return false;
            }
        }
    }
}

impl Writer {
    pub(super) fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.close();
    }
}

impl Queue {
    fn push(&self, job: Job) {
        self.jobs.lock().push_back(job);
        self.waiting.notify_one();
    }

    /// Waits for jobs, and takes up to `most` that somebody still waits for.
    async fn take(&self, most: usize) -> Vec<Job> {
        loop {
            let batch = {
                let mut jobs = self.jobs.lock();
                let mut batch = Vec::with_capacity(most.min(jobs.len()));
                while batch.len() < most
                    && let Some(job) = jobs.pop_front()
                {
                    if !job.reply.is_closed() && !job.taken.swap(true, Ordering::AcqRel) {
                        batch.push(job);
                    }
                }
                if !jobs.is_empty() {
                    self.waiting.notify_one();
                }
                batch
            };
            if !batch.is_empty() {
                return batch;
            }
            self.waiting.notified().await;
        }
    }

    /// Back to the front: they were not sent.
    fn give_back(&self, batch: Vec<Job>) {
        let mut jobs = self.jobs.lock();
        for job in batch.into_iter().rev() {
            job.taken.store(false, Ordering::Release);
            jobs.push_front(job);
        }
        self.waiting.notify_one();
    }
}

/// One connection and what is run on it.
struct Worker {
    queue: Arc<Queue>,
    pool: Pool,
    /// The largest group there may be, and the largest for now.
    most: usize,
    group: usize,
}

impl Worker {
    async fn serve(mut self, config: tokio_postgres::Config) {
        loop {
            let (connection, driver) = reconnect(&config).await;
            let open = Open::count(&self.queue);
            self.queue.ready.notify_waiters();
            // Its own task, so that statements move while this one waits; ended with this one.
            let mut driver = Driving(tokio::spawn(drive(driver)));
            loop {
                let batch = tokio::select! {
                    biased;
                    _ = &mut driver.0 => break,
                    batch = self.queue.take(self.group) => batch,
                };
                let count = batch.len();
                self.queue.in_flight.fetch_add(count, Ordering::Relaxed);
                let usable = self.run(&connection, batch).await;
                self.queue.in_flight.fetch_sub(count, Ordering::Relaxed);
                if !usable {
                    break;
                }
            }
            drop(open);
        }
    }

    /// Whether the connection can be used for more.
    async fn run(&mut self, connection: &Connection, batch: Vec<Job>) -> bool {
        if connection.is_closed() {
            self.queue.give_back(batch);
            return false;
        }
        let mut ready = Vec::with_capacity(batch.len());
        let mut batch = VecDeque::from(batch);
        while let Some(job) = batch.pop_front() {
            match connection.prepare(&job.step.statement.text).await {
                Ok(prepared) => ready.push((job, prepared)),
                Err(error) if Failure::of(&error) == Failure::Lost => {
                    // Nothing was sent yet: another connection takes them all.
                    let unsent = ready.into_iter().map(|(job, _)| job);
                    self.queue
                        .give_back(unsent.chain([job]).chain(batch).collect());
                    return false;
                }
                Err(error) => job.answer(Err(error::map(&error, false))),
            }
        }
        if let [_] = ready.as_slice() {
            self.alone(connection, ready.into_iter().map(|(job, _)| job).collect())
                .await;
            true
        } else if ready.is_empty() {
            true
        } else {
            self.together(connection, ready).await
        }
    }

    /// Each by itself, one behind the other on the wire.
    async fn alone(&self, connection: &Connection, jobs: Vec<Job>) {
        let answers = join_all(jobs.iter().map(|job| connection.run(&job.step.statement))).await;
        for (job, answer) in jobs.into_iter().zip(answers) {
            match answer {
                Ok(answer) => {
                    let written = written(&job.step, &answer);
                    job.answer(written);
                }
                Err(error) => match Failure::of(&error) {
                    // Undone, and worth more time than a shared connection has.
                    Failure::Slow | Failure::Locked | Failure::Contended => self.elsewhere(job),
                    Failure::Lost | Failure::Stale | Failure::Refused | Failure::Local => {
                        job.answer(Err(error::map(&error, true)))
                    }
                },
            }
        }
    }

    /// All in one transaction. The commit goes out with the statements: after a failure it undoes them. Whether
    /// the connection can be used for more: not where a transaction may be open on it.
    async fn together(
        &mut self,
        connection: &Connection,
        jobs: Vec<(Job, tokio_postgres::Statement)>,
    ) -> bool {
        let client = connection.client();
        let work = jobs
            .iter()
            .map(|(job, prepared)| run(client, prepared, &job.step.statement));
        let (began, answers, ended) = tokio::join!(
            biased;
            client.batch_execute("begin"),
            join_all(work),
            client.batch_execute("commit"),
        );
        if let Err(error) = &began
            && Failure::of(error) != Failure::Lost
        {
            // Refused by itself (cancelled, say), it leaves the others without a transaction: each was committed
            // alone. What is done must not be done again.
            for ((job, _), answer) in jobs.into_iter().zip(answers) {
                match answer {
                    Ok(answer) => {
                        let written = written(&job.step, &answer);
                        job.answer(written);
                    }
                    Err(error) if Failure::of(&error) == Failure::Lost => {
                        job.answer(Err(error::map(&error, true)));
                    }
                    Err(_) => self.elsewhere(job),
                }
            }
            return false;
        }
        let settled = ended.is_ok();
        let failure = answers
            .iter()
            .filter_map(|answer| answer.as_ref().err())
            .map(Failure::of)
            // A statement that was never sent did not disturb the others.
            .find(|failure| *failure != Failure::Local);
        match (failure, began.and(ended)) {
            (None, Ok(())) => {
                self.group = (self.group * 2).min(self.most);
                for ((job, _), answer) in jobs.into_iter().zip(answers) {
                    let written = match answer {
                        Ok(answer) => written(&job.step, &answer),
                        Err(error) => Err(error::map(&error, false)),
                    };
                    job.answer(written);
                }
            }
            (Some(Failure::Lost), Ok(())) | (None | Some(Failure::Lost), Err(_)) => {
                for (job, _) in jobs {
                    job.answer(Err(StoreError::Unavailable {
                        cause: "the connection was lost before the answer".to_owned(),
                        maybe: true,
                    }));
                }
            }
            // The server said no to one of them, so the commit, if it came that far, undid them all.
            (Some(failure), _) => {
                self.group = match failure {
                    Failure::Slow | Failure::Locked | Failure::Contended => 1,
                    _ => (self.group / 2).max(1),
                };
                if failure == Failure::Stale {
                    for (job, _) in &jobs {
                        connection.forget(&job.step.statement.text);
                    }
                }
                let jobs = jobs.into_iter().map(|(job, _)| job).collect();
                if connection.is_closed() || !settled {
                    self.queue.give_back(jobs);
                } else {
                    self.alone(connection, jobs).await;
                }
            }
        }
        settled
    }

    /// Under its own deadline, on a connection of its own.
    fn elsewhere(&self, job: Job) {
        let pool = self.pool.clone();
        tokio::spawn(async move {
            let answer = pool
                .write(std::slice::from_ref(&job.step), job.deadline)
                .await;
            job.answer(answer);
        });
    }
}

fn written(step: &Step, answer: &Answer) -> Result<Written> {
    match (step.expect, answer.count) {
        (Expect::Any, _) | (Expect::One, 1) => {
            let captured = rows::captured(&answer.rows, &step.statement.shape)?;
            Ok(Written::Done(vec![captured]))
        }
        (Expect::One, 0) => Ok(Written::Missed { step: 0 }),
        // It is committed already. A statement that can touch several must not expect one.
        (Expect::One, many) => Err(StoreError::Other {
            cause: format!("a write meant for one record touched {many}"),
        }),
    }
}

/// Counts an open connection as long as it lives, also when its task is aborted.
struct Open(Arc<Queue>);

impl Open {
    fn count(queue: &Arc<Queue>) -> Open {
        queue.open.fetch_add(1, Ordering::Relaxed);
        Open(queue.clone())
    }
}

impl Drop for Open {
    fn drop(&mut self) {
        self.0.open.fetch_sub(1, Ordering::Relaxed);
    }
}

struct Driving(tokio::task::JoinHandle<()>);

impl Drop for Driving {
    fn drop(&mut self) {
        self.0.abort();
    }
}
