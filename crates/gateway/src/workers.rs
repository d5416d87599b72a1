//! A thread per core, each with a runtime of its own, so that a request never crosses threads.

use crate::connection::{self, Stage};
use crate::edge::Edge;
use crate::service::Service;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::net::TcpStream;
use tokio::sync::{Notify, OwnedSemaphorePermit, mpsc, watch};

/// Connections that may wait for one thread. A thread that is held up keeps them waiting, so they are few.
const QUEUE: usize = 16;

struct Dealt {
    socket: std::net::TcpStream,
    peer: SocketAddr,
    permit: OwnedSemaphorePermit,
}

struct Worker {
    deal: mpsc::Sender<Dealt>,
    /// Connections it has.
    load: Arc<AtomicUsize>,
    thread: JoinHandle<()>,
}

/// A connection in a worker's load, for as long as it lasts, however it ends.
struct Counted(Arc<AtomicUsize>);

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub struct Workers {
    all: Vec<Worker>,
    /// Told when one of them takes a connection out of its queue.
    taken: Arc<Notify>,
}

impl Workers {
    pub fn start<S: Service>(
        number: usize,
        edge: &Arc<Edge<S>>,
        stage: &watch::Receiver<Stage>,
    ) -> io::Result<Workers> {
        let taken = Arc::new(Notify::new());
        let all = (0..number.max(1))
            .map(|at| start(at, Arc::clone(edge), stage.clone(), Arc::clone(&taken)))
            .collect::<io::Result<Vec<_>>>()?;
        Ok(Workers { all, taken })
    }

    /// Gives a connection to the worker that has the fewest, of those with room in their queues.
    pub async fn deal(&self, socket: TcpStream, peer: SocketAddr, permit: OwnedSemaphorePermit) {
        let Ok(socket) = socket.into_std() else {
            return;
        };
        let dealt = Dealt {
            socket,
            peer,
            permit,
        };
        let worker = loop {
            // The channel of a thread that is gone is closed.
            let room = self
                .all
                .iter()
                .filter(|w| w.deal.capacity() > 0 && !w.deal.is_closed());
            if let Some(worker) = room.min_by_key(|w| w.load.load(Ordering::Relaxed)) {
                break worker;
            }
            // Not for one of them: that one may be held up.
            self.taken.notified().await;
        };
        worker.load.fetch_add(1, Ordering::Relaxed);
        if worker.deal.try_send(dealt).is_err() {
            worker.load.fetch_sub(1, Ordering::Relaxed);
            tracing::error!("a serving thread is gone");
        }
    }

    /// Waits for the threads, whose connections have ended.
    pub async fn stop(self) {
        let joined = tokio::task::spawn_blocking(move || {
            for worker in self.all {
                drop(worker.deal);
                let _ = worker.thread.join();
            }
        });
        // One that is stuck in a handler is left behind.
        let _ = tokio::time::timeout(Duration::from_secs(1), joined).await;
    }
}

fn start<S: Service>(
    at: usize,
    edge: Arc<Edge<S>>,
    mut stage: watch::Receiver<Stage>,
    taken: Arc<Notify>,
) -> io::Result<Worker> {
    let (deal, mut dealt) = mpsc::channel::<Dealt>(QUEUE);
    let load = Arc::new(AtomicUsize::new(0));
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let count = Arc::clone(&load);
    let thread = std::thread::Builder::new()
        .name(format!("serve-{at}"))
        .spawn(move || {
            runtime.block_on(async {
                edge.service().thread_begins();
                while let Some(Dealt {
                    socket,
                    peer,
                    permit,
                }) = dealt.recv().await
                {
                    taken.notify_one();
                    let (edge, stage) = (Arc::clone(&edge), stage.clone());
                    let counted = Counted(Arc::clone(&count));
                    tokio::spawn(async move {
                        if let Ok(socket) = TcpStream::from_std(socket) {
                            connection::run(socket, peer, edge, stage).await;
                        }
                        drop((counted, permit));
                    });
                }
                let _ = stage.wait_for(|s| *s == Stage::Over).await;
            });
            runtime.shutdown_timeout(Duration::from_millis(200));
        })?;
    Ok(Worker { deal, load, thread })
}
