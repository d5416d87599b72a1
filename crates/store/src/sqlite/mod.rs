//! SQLite.

pub(crate) mod encode;

use crate::{Bounds, Changed, Decision, Result};
use spec::statement::{Rows, Statement, Step, Written};
use spec::value::Value;
use std::time::Instant;

pub struct Sqlite;

impl Sqlite {
    pub async fn read(&self, _statement: &Statement, _bounds: Bounds) -> Result<Rows> {
        unimplemented!()
    }
    pub async fn write(&self, _steps: Vec<Step>, _deadline: Instant) -> Result<Written> {
        unimplemented!()
    }
    pub async fn change<T: Send + 'static>(
        &self,
        _read: Statement,
        _deadline: Instant,
        _decide: impl FnMut(Option<&[Value]>) -> Decision<T> + Send + 'static,
    ) -> Result<Changed<T>> {
        unimplemented!()
    }
}
