//! Groups of records, and what they amount to.

use crate::answer::Answer;
use crate::execute::{Run, unsupported};
use plan::operation::Aggregate;
use spec::problem::Result;
use spec::{Code, Problem};
use std::time::Instant;
use store::StoreError;
use store::error::problem_of;

impl Run<'_> {
    pub async fn aggregate(&mut self, asked: Aggregate) -> Result<Answer> {
        let start = Instant::now();
        let app = self.app;
        let aggregation = self.resolver().aggregate(app.model(asked.model), &asked)?;
        let statement = self
            .planner()
            .aggregate(&aggregation)
            .map_err(unsupported(Code::BadFilter))?;
        self.planned(start);

        let start = Instant::now();
        let rows = self
            .engine
            .store
            .read(&statement, self.bounds(aggregation.limit))
            .await
            .map_err(|error| match error {
                StoreError::OutOfRange { .. } => too_large().because(error.to_string()),
                error => problem_of(error),
            })?;
        self.stored(start);

        // Whoever said how many they want knows that there may be others; to everybody else a part would be a wrong
        // answer.
        if rows.more && asked.limit.is_none() {
            let most = app.settings.limits.groups;
            return Err(Problem::new(
                Code::TooManyGroups,
                format!(
                    "There are more than {most} groups: narrow them with filter or having, or ask for the first ones with \
                     sort and limit."
                ),
            )
            .limited("limits.groups", u64::from(most)));
        }
        let mut body = rows.body;
        body.splice(..0, *b"{\"data\":[");
        body.extend_from_slice(if rows.more {
            b"],\"more\":true}"
        } else {
            b"],\"more\":false}"
        });
        Ok(Answer::Page { body })
    }
}

fn too_large() -> Problem {
    Problem::new(
        Code::BadAggregate,
        "A sum is too large: of whole numbers they are answered within ±(2^53 − 1), of floats within what a double holds. \
         Narrow the filter, or group by more.",
    )
}
