//! A record that comes with its own principal: a user who registers. The one write that no create rule
//! decides, for before it there is nobody to decide about; everything else binds it as any write of theirs.

use crate::answer::{Answer, Outcome};
use crate::execute::{Engine, Run};
use crate::input;
use plan::operation::Select;
use spec::problem::Result;
use spec::statement::{Step, Written};
use spec::{App, FieldId, ModelId, Principal, Problem, Value};
use std::sync::Arc;

impl Engine {
    /// Creates the record that `principal` will be, under their own id, with private rows in the same
    /// transaction; `naming` is the field that names the account, their address. Which other fields they may give is for the fields' write rules to say.
    pub async fn register(
        &self,
        app: &Arc<App>,
        model: ModelId,
        naming: FieldId,
        principal: &Principal,
        body: &[u8],
        private: Vec<Step>,
    ) -> Result<Answer> {
        let id = principal
            .id
            .ok_or_else(|| Problem::internal("nobody can register as nobody"))?;
        let mut run = Run::begin(self, app, principal);
        let mut judge = run.judge(model);
        judge.registers = Some(naming);
        let input = input::read(judge.model(), body, &app.settings.limits)?;
        let unreadable = run.unreadable(&judge, &input.fields).await?;
        let mut draft = judge.draft(&input, Some(&Value::Uuid(id)), &unreadable)?;
        match draft.invalid {
            Some(problem) if draft.steps.is_empty() => {
                let given = draft.record.all();
                return Err(run.with_dangling(&judge, &given, problem).await);
            }
            Some(_) => {}
            None => draft.steps.extend(private),
        }
        match self.store().write(draft.steps, run.deadline).await {
            Ok(Written::Done(_)) => match draft.invalid {
                Some(problem) => {
                    let given = draft.record.all();
                    Err(run.with_dangling(&judge, &given, problem).await)
                }
                None => {
                    run.show(&judge, &draft.record, &Select::default(), Outcome::Created)
                        .await
                }
            },
            // The write rule of a field that was given, which follows relations.
            Ok(Written::Missed { step: 0 }) => Err(judge.denied("create")),
            Ok(Written::Missed { step }) => Err(Problem::internal(format!(
                "step {step} of a registration missed"
            ))),
            Err(error) => Err(run.write_problem(&judge, &draft.record, error).await),
        }
    }
}
