//! Any number of rows, a piece at a time: a cursor of the transaction that is open.

use super::connection::{Connection, query};
use super::{error, rows};
use crate::snapshot::{PIECE_BYTES, PIECE_ROWS};
use crate::{Result, StoreError};
use spec::statement::{Rows, Shape, Statement};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use tokio_postgres::Row;

/// Rows that are asked for before it is known how large they are.
const FIRST: usize = 32;

pub(super) struct Cursor<'c> {
    connection: &'c Connection,
    name: String,
    shape: Arc<Shape>,
    /// Rows of the next piece: a power of two, so that there are few texts to prepare.
    size: usize,
    fetches: HashMap<usize, tokio_postgres::Statement>,
    over: bool,
}

fn failed(error: tokio_postgres::Error) -> StoreError {
    error::map(&error, false)
}

impl<'c> Cursor<'c> {
    pub(super) async fn open(connection: &'c Connection, statement: &Statement) -> Result<Self> {
        // The columns of a prepared FETCH are those of the first cursor of its name.
        static NUMBER: AtomicU64 = AtomicU64::new(0);
        let name = format!("pieces_{}", NUMBER.fetch_add(1, Ordering::Relaxed));
        let declare = format!("declare {name} no scroll cursor for {}", statement.text);
        query(connection.client(), &declare, &statement.params)
            .await
            .map_err(failed)?;
        Ok(Cursor {
            connection,
            name,
            shape: Arc::clone(&statement.shape),
            size: FIRST,
            fetches: HashMap::new(),
            over: false,
        })
    }

    /// The next rows; none behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Rows>> {
        if self.over {
            return Ok(None);
        }
        let client = self.connection.client();
        let fetch = match self.fetches.get(&self.size) {
            Some(fetch) => fetch.clone(),
            None => {
                let text = format!("fetch forward {} from {}", self.size, self.name);
                let fetch = client.prepare(&text).await.map_err(failed)?;
                self.fetches.insert(self.size, fetch.clone());
                fetch
            }
        };
        let found = client.query(&fetch, &[]).await.map_err(failed)?;
        if found.len() < self.size {
            self.over = true;
            let close = format!("close {}", self.name);
            client.batch_execute(&close).await.map_err(failed)?;
        }
        let bytes: usize = found.iter().map(Row::raw_size_bytes).sum();
        if bytes > PIECE_BYTES {
            self.size = (self.size / 2).max(1);
        } else if bytes < PIECE_BYTES / 2 && self.size * 2 <= PIECE_ROWS {
            self.size *= 2;
        }
        if found.is_empty() {
            return Ok(None);
        }
        Ok(Some(rows::write(&found, &self.shape, u32::MAX)?))
    }
}
