//! What an operation answers, in no wire format's words.

use serde::{Deserialize, Serialize};
use spec::Problem;
use std::time::Duration;

#[derive(Debug)]
pub enum Answer {
    /// One record, as JSON.
    Record {
        body: Vec<u8>,
        /// Without quotes. None where related records are part of the answer.
        etag: Option<String>,
        outcome: Outcome,
        /// The record's key, as it stands in an address.
        id: String,
    },
    /// A page, `{"data":[…],"next_cursor":…}`, or groups, `{"data":[…],"more":…}`.
    Page { body: Vec<u8> },
    /// What became of several records: `{"data":[…]}`, `{"count":n}`, `{"results":[…]}`.
    Many { body: Vec<u8>, outcome: Outcome },
    /// Done, and there is nothing to show: a delete, or a write whose result the writer may not read.
    Done {
        outcome: Outcome,
        /// The key of what was created, where its writer gave it or may know it.
        id: Option<String>,
    },
}

impl Answer {
    /// The JSON, where there is some.
    pub fn body(&self) -> Option<&[u8]> {
        match self {
            Answer::Record { body, .. } | Answer::Page { body } | Answer::Many { body, .. } => {
                Some(body)
            }
            Answer::Done { .. } => None,
        }
    }

    /// Whether it is a page without a record on it.
    pub fn is_empty_page(&self) -> bool {
        matches!(self, Answer::Page { body } if body.starts_with(b"{\"data\":[]"))
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    Read,
    Created,
    Changed,
    Deleted,
}

/// How long each stage of the pipeline took.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Stages {
    /// Names, rules and SQL.
    pub plan: Duration,
    /// The store, queueing included.
    pub store: Duration,
}

/// An answer or a problem, and where the time went.
#[derive(Debug)]
pub struct Executed {
    pub result: Result<Answer, Problem>,
    /// It was done before, and this is what was answered then.
    pub replayed: bool,
    pub stages: Stages,
}
