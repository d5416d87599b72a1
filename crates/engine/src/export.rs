//! Records that leave as they are: the other way round than [`crate::import`].

use crate::execute::{Engine, unsupported};
use plan::Caller;
use plan::every::Form;
use plan::read::Planner;
use spec::problem::Result;
use spec::{App, Code, ModelId, Principal};
use store::error::problem_of;
use store::snapshot::{Pieces, Snapshot, Writers};

impl Engine {
    /// The state of all models at this moment, to export several of them from.
    pub async fn snapshot(&self) -> Result<Snapshot> {
        let snapshot = self.store().snapshot(Writers::GoOn).await;
        snapshot.map_err(problem_of)
    }

    /// Every record of a model that the principal may read, in the order of ids, with every field that they may see,
    /// hidden ones included. None where they may read no record at all.
    pub async fn export(
        &self,
        app: &App,
        principal: &Principal,
        model: ModelId,
        form: Form,
        snapshot: &mut Snapshot,
    ) -> Result<Option<Pieces>> {
        let planner = Planner {
            app,
            dialect: self.store().dialect(),
            caller: Caller {
                principal,
                now: spec::time::now_micros(),
            },
        };
        let statement = planner
            .every(app.model(model), form)
            .map_err(unsupported(Code::Internal))?;
        Ok(match statement {
            Some(statement) => Some(snapshot.read(statement).await),
            None => None,
        })
    }
}
