//! A snapshot is a read transaction on a connection and a thread of its own.

use super::connection::{self, Role, Session};
use super::{Options, Sqlite, closed, error, rows, unwound};
use crate::snapshot::{Ask, Snapshot, Writers};
use crate::{Result, StoreError};
use std::path::Path;
use std::sync::Arc;
use tokio::sync::{mpsc, oneshot};

impl Sqlite {
    pub(crate) async fn snapshot(&self, writers: Writers<'_>) -> Result<Snapshot> {
        let (asks, asked) = mpsc::channel(1);
        let (tell, begun) = oneshot::channel();
        let (path, options) = (Arc::clone(&self.path), Arc::clone(&self.options));
        let wait = matches!(writers, Writers::Wait(_));
        std::thread::Builder::new()
            .name("sqlite-snapshot".to_owned())
            .spawn(move || match begin(&path, &options, wait) {
                Ok(session) => {
                    let _ = tell.send(Ok(()));
                    serve(&session, asked);
                }
                Err(failed) => {
                    let _ = tell.send(Err(error::map(failed)));
                }
            })
            .map_err(|cause| StoreError::Unavailable {
                cause: format!("cannot start a thread: {cause}"),
                maybe: false,
            })?;
        begun.await.map_err(|_| closed())??;
        Ok(Snapshot::new(asks))
    }
}

fn begin(path: &Path, options: &Options, wait: bool) -> rusqlite::Result<Session> {
    let (role, begin) = match wait {
        true => (Role::Writer, "BEGIN IMMEDIATE"),
        false => (Role::Reader, "BEGIN DEFERRED"),
    };
    let session = connection::open(path, options, role)?;
    session.conn.execute_batch(begin)?;
    // The state is that of the first read.
    session
        .conn
        .query_row("SELECT count(*) FROM sqlite_schema", [], |_| Ok(()))?;
    Ok(session)
}

/// Until the snapshot is dropped; the transaction ends with the connection.
fn serve(session: &Session, mut asked: mpsc::Receiver<Ask>) {
    while let Some(Ask { statement, pieces }) = asked.blocking_recv() {
        let read = || {
            rows::read_in_pieces(session, &statement, |piece| {
                pieces.blocking_send(Ok(piece)).is_ok()
            })
        };
        let result = unwound(read).and_then(|result| result.map_err(error::map));
        if let Err(cause) = result {
            let _ = pieces.blocking_send(Err(cause));
        }
    }
}
