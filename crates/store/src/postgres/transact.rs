//! A transaction's body on a connection of its own.

use super::connection::run;
use super::join::join_all;
use super::pool::{Begin, Ended, Leased, Pool, begun, outcome, undone};
use super::rows;
use crate::transaction::{Asked, Resumed, Script, Told};
use crate::{End, Result, StoreError, Tx};
use spec::statement::{Rows, Statement};
use std::future::Future;
use std::time::Instant;
use tokio_postgres::Error;

type Run<T> = std::result::Result<T, Ended>;

impl Pool {
    /// Runs the body in one transaction, again where others beat it or it asks for that.
    pub(super) async fn transact<T, F, B>(&self, body: &B, deadline: Instant) -> Result<T>
    where
        F: Future<Output = Result<End<T>>>,
        B: Fn(Tx) -> F,
    {
        self.again(deadline, |beaten| {
            self.transact_once(body, Begin { deadline, beaten })
        })
        .await
    }

    async fn transact_once<T, F, B>(&self, body: &B, begin: Begin) -> Run<T>
    where
        F: Future<Output = Result<End<T>>>,
        B: Fn(Tx) -> F,
    {
        let client = self.get(begin.deadline).await.map_err(Ended::Failed)?;
        match play(&client, body, begin).await {
            Ok(End::Commit(told)) => {
                client.commit().await?;
                Ok(told)
            }
            Ok(End::Undo(told)) => {
                client.undo(false).await;
                Ok(told)
            }
            Ok(End::Again) => {
                client.undo(false).await;
                Err(Ended::Again(StoreError::Contended))
            }
            Err(ended) => {
                client.undo(matches!(ended, Ended::Stale)).await;
                Err(ended)
            }
        }
    }
}

/// Runs the body to its end, inside a transaction that is then open.
async fn play<T, F, B>(client: &Leased, body: &B, begin: Begin) -> Run<End<T>>
where
    F: Future<Output = Result<End<T>>>,
    B: Fn(Tx) -> F,
{
    let deadline = begin.deadline;
    let mut script = Script::begin(body);
    let mut begin = Some(begin.text());
    let mut told = None;
    loop {
        let asked = match script.resume(told).map_err(Ended::Failed)? {
            Resumed::Ended(end) => return Ok(end),
            Resumed::Asks(asked) => asked,
        };
        // The server bounds each statement, and this the sum of them.
        if Instant::now() >= deadline {
            return Err(Ended::Failed(StoreError::Timeout));
        }
        told = Some(serve(client, asked, begin.take()).await?);
    }
}

/// Does what the body asks for; the first time behind `begin`, in one round trip with it. What undid the
/// transaction so that it is worth another try is not the body's to know.
async fn serve(client: &Leased, asked: Asked, begin: Option<String>) -> Run<Told> {
    let begin = begin.as_deref();
    Ok(match asked {
        Asked::Read(statements, emit) => {
            let statements: Vec<&Statement> = statements.iter().collect();
            let answers = send(client, &statements, begin).await?;
            let mut read = Ok(Vec::with_capacity(answers.len()));
            for (statement, answer) in statements.iter().zip(answers) {
                let rows = told(answer)?.and_then(|answer| write(&answer.rows, statement, emit));
                match (&mut read, rows) {
                    (Ok(all), Ok(rows)) => all.push(rows),
                    (Ok(_), Err(error)) => read = Err(error),
                    // The first failure decides.
                    (Err(_), _) => {}
                }
            }
            Told::Read(read)
        }
        Asked::Write(steps) => {
            let statements: Vec<&Statement> = steps.iter().map(|step| &step.statement).collect();
            let answers = send(client, &statements, begin).await?;
            Told::Written(match outcome(&steps, answers) {
                Ok(written) => Ok(written),
                Err(Ended::Failed(error)) => Err(error),
                Err(ended) => return Err(ended),
            })
        }
    })
}

type Answered = std::result::Result<super::connection::Answer, Error>;

/// Runs statements, all sent at once.
async fn send(
    client: &Leased,
    statements: &[&Statement],
    begin: Option<&str>,
) -> Run<Vec<Answered>> {
    let mut prepared = Vec::with_capacity(statements.len());
    for statement in statements {
        let ready = client.prepare_cached(&statement.text).await;
        prepared.push(ready.map_err(undone)?);
    }
    let work = statements
        .iter()
        .zip(&prepared)
        .map(|(statement, prepared)| run(client, prepared, statement));
    let began = async {
        match begin {
            Some(begin) => client.batch_execute(begin).await,
            None => Ok(()),
        }
    };
    let (began, answers) = tokio::join!(biased; began, join_all(work));
    begun(began, &answers)?;
    Ok(answers)
}

/// A refusal is the body's to know; what is worth another try ends it.
fn told(answer: Answered) -> Run<Result<super::connection::Answer>> {
    match answer.map_err(undone) {
        Ok(answer) => Ok(Ok(answer)),
        Err(Ended::Failed(error)) => Ok(Err(error)),
        Err(ended) => Err(ended),
    }
}

fn write(rows: &[tokio_postgres::Row], statement: &Statement, emit: u32) -> Result<Rows> {
    Ok(rows::write(rows, &statement.shape, emit)?)
}
