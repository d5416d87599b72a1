//! What came back, for assertions.

use engine::{Answer, Outcome};
use serde_json::Value as Json;
use spec::Problem;

#[derive(Debug)]
pub struct Reply(pub Result<Answer, Problem>);

impl Reply {
    /// The JSON of a success; null where there was nothing to show.
    #[track_caller]
    pub fn ok(self) -> Json {
        serde_json::from_slice(&self.bytes()).expect("answers are JSON")
    }

    /// The bytes of a success, `null` where there was nothing to show.
    #[track_caller]
    pub fn bytes(&self) -> Vec<u8> {
        match &self.0 {
            Ok(answer) => answer
                .body()
                .map_or_else(|| b"null".to_vec(), <[u8]>::to_vec),
            Err(problem) => panic!("expected a success, got {problem} {:?}", problem.cause),
        }
    }

    /// A success without anything to show.
    #[track_caller]
    pub fn done(&self) -> Outcome {
        match &self.0 {
            Ok(Answer::Done { outcome, .. }) => *outcome,
            other => panic!("expected nothing to show, got {other:?}"),
        }
    }

    #[track_caller]
    pub fn outcome(&self) -> Outcome {
        match &self.0 {
            Ok(
                Answer::Done { outcome, .. }
                | Answer::Record { outcome, .. }
                | Answer::Many { outcome, .. },
            ) => *outcome,
            Ok(Answer::Page { .. }) => Outcome::Read,
            Err(problem) => panic!("expected a success, got {problem}"),
        }
    }

    #[track_caller]
    pub fn etag(&self) -> String {
        match &self.0 {
            Ok(Answer::Record {
                etag: Some(etag), ..
            }) => etag.clone(),
            other => panic!("expected an entity tag, got {other:?}"),
        }
    }

    #[track_caller]
    pub fn problem(&self) -> &Problem {
        match &self.0 {
            Err(problem) => {
                // Whatever is said is a sentence, and ends as one.
                let errors = problem.errors.iter().map(|e| e.detail.as_str());
                for detail in errors.chain([problem.detail.as_str()]) {
                    assert!(detail.ends_with(['.', '?', '!']), "no full stop: {detail}");
                }
                problem
            }
            Ok(answer) => panic!(
                "expected a problem, got {:?}",
                answer.body().map(String::from_utf8_lossy)
            ),
        }
    }

    /// The code of a failure.
    #[track_caller]
    pub fn code(&self) -> &'static str {
        self.problem().code.name()
    }

    /// `pointer code` of each error of a failure, sorted.
    #[track_caller]
    pub fn errors(&self) -> Vec<String> {
        let mut out: Vec<String> = self
            .problem()
            .errors
            .iter()
            .map(|e| format!("{} {}", e.pointer, e.code))
            .collect();
        out.sort();
        out
    }

    /// One word: the code of a failure; `record`, `page`, `many` or `done` of a success.
    pub fn word(&self) -> &'static str {
        match &self.0 {
            Ok(Answer::Record { .. }) => "record",
            Ok(Answer::Page { .. }) => "page",
            Ok(Answer::Many { .. }) => "many",
            Ok(Answer::Done { .. }) => "done",
            Err(problem) => problem.code.name(),
        }
    }

    /// The records of a page.
    #[track_caller]
    pub fn data(self) -> Vec<Json> {
        match self.ok()["data"].take() {
            Json::Array(records) => records,
            other => panic!("expected a page, got {other}"),
        }
    }
}

/// The id of an answered record as it stands in an address.
#[track_caller]
pub fn id(record: &Json) -> String {
    match &record["id"] {
        Json::String(id) => id.clone(),
        Json::Number(id) => id.to_string(),
        other => panic!("no id: {other} in {record}"),
    }
}
