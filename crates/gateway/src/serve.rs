//! A listener, from its first connection to its last.

use crate::connection::{self, Stage};
use crate::edge::Edge;
use crate::options::Threads;
use crate::service::Service;
use crate::workers::Workers;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// How serving ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Drained {
    /// Connections that were cut off because their requests took longer than the drain time.
    pub cut_off: usize,
}

/// Serves until `shutdown` is done; then accepts nothing more, lets requests in flight end within
/// [`crate::Options::drain`], and cuts off the rest.
pub async fn serve<S: Service>(
    listener: TcpListener,
    edge: Arc<Edge<S>>,
    shutdown: impl Future<Output = ()>,
) -> io::Result<Drained> {
    let most = edge.options().connections;
    let room = Arc::new(Semaphore::new(most as usize));
    let (tell, stage) = watch::channel(Stage::Serving);
    let workers = match edge.options().threads {
        Threads::Shared => None,
        Threads::Own(number) => Some(Workers::start(number, &edge, &stage)?),
    };
    let accept = async {
        loop {
            // Full: others wait in the listener's queue.
            let Ok(permit) = Arc::clone(&room).acquire_owned().await else {
                return;
            };
            let (socket, peer) = next(&listener).await;
            // Answers are small and whole: holding them back for more to come only delays them.
            let _ = socket.set_nodelay(true);
            edge.metrics().connected();
            match &workers {
                Some(workers) => workers.deal(socket, peer, permit).await,
                None => {
                    let (edge, stage) = (Arc::clone(&edge), stage.clone());
                    tokio::spawn(async move {
                        connection::run(socket, peer, edge, stage).await;
                        drop(permit);
                    });
                }
            }
        }
    };
    tokio::select! {
        () = accept => {}
        () = shutdown => {}
    }
    edge.drain();
    drop(listener);
    let _ = tell.send(Stage::Draining);
    let all = |time| tokio::time::timeout(time, room.acquire_many(most));
    let mut cut_off = 0;
    if all(edge.options().drain).await.is_err() {
        cut_off = most as usize - room.available_permits();
        let _ = tell.send(Stage::Over);
        // They only have to notice.
        let _ = all(Duration::from_secs(1)).await;
    }
    let _ = tell.send(Stage::Over);
    if let Some(workers) = workers {
        workers.stop().await;
    }
    Ok(Drained { cut_off })
}

/// The next connection. Running out of file descriptors passes, so accepting never ends by itself.
async fn next(listener: &TcpListener) -> (TcpStream, std::net::SocketAddr) {
    loop {
        match listener.accept().await {
            Ok(accepted) => return accepted,
            // The client went away before it was accepted.
            Err(error)
                if matches!(
                    error.kind(),
                    io::ErrorKind::ConnectionAborted
                        | io::ErrorKind::ConnectionReset
                        | io::ErrorKind::Interrupted
                ) => {}
            Err(error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        }
    }
}
