//! One test, from what is given to what must not have happened.

use super::address;
use super::compare::{Difference, Extent, differences, shown};
use super::exchange::Exchange;
use super::ground::Instance;
use crate::records;
use bytes::Bytes;
use engine::operation::{One, Operation, Select};
use engine::{Import, Imported};
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderName, HeaderValue};
use http::{Method, Request, StatusCode};
use serde_json::{Value as Json, json};
use spec::diagnostic::{Diagnostic, Severity};
use spec::scenario::{
    ANONYMOUS, Actor, At, Body, Entry, File, From, Given, Keep, Names, Step, Test, Tree, filled,
};
use spec::statement::Written;
use spec::{App, ModelId, Principal, Problem, Value};
use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};
use store::changes::Offset;

/// How long writing one given record may take.
const PATIENCE: Duration = Duration::from_secs(10);
/// Changes of one step that are counted: a test that expects more cannot be written.
const COUNTED: u32 = 10_001;

/// Why a test failed.
#[derive(Debug)]
pub struct Failure {
    pub diagnostics: Vec<Diagnostic>,
    /// The request that was answered otherwise.
    pub exchange: Option<Box<Exchange>>,
}

impl Failure {
    pub fn at(at: At, code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            diagnostics: vec![diagnostic(at, code, message)],
            exchange: None,
        }
    }
}

fn diagnostic(at: At, code: &'static str, message: impl Into<String>) -> Diagnostic {
    Diagnostic {
        severity: Severity::Error,
        code,
        message: message.into(),
        label: None,
        help: None,
        file: at.file,
        span: at.span,
    }
}

/// Runs a test on an instance on which nothing else has run.
pub async fn play(
    instance: &Instance,
    app: &Arc<App>,
    file: &File,
    test: &Test,
) -> Result<(), Failure> {
    let mut player = Player {
        instance,
        app,
        file,
        test,
        names: Names::new(),
        records: HashMap::new(),
        tokens: HashMap::new(),
        log: Offset::start(),
    };
    for actor in &file.actors {
        player.actor(actor).await?;
    }
    for given in file.given.iter().chain(&test.given) {
        player.given(given).await?;
    }
    let head = instance.backend.store.changes_head().await;
    player.log = head.map_err(|e| Failure::at(test.name.at, "database", e.to_string()))?;
    let mut last = None;
    for (index, step) in test.steps.iter().enumerate() {
        last = Some(player.step(index + 1, step).await?);
    }
    player.unchanged(last).await
}

struct Player<'t> {
    instance: &'t Instance,
    app: &'t Arc<App>,
    file: &'t File,
    test: &'t Test,
    names: Names,
    /// Where the records behind names are.
    records: HashMap<String, (ModelId, String)>,
    /// Access tokens of those who have signed in.
    tokens: HashMap<String, String>,
    /// The change log, as far as it has been read.
    log: Offset,
}

impl Player<'_> {
    async fn actor(&mut self, actor: &Actor) -> Result<(), Failure> {
        let at = actor.name.at;
        let failed = |why: String| Failure::at(at, "given", why);
        let Some(users) = self.app.model_named("auth.users") else {
            return Err(failed("the app has no users".to_owned()));
        };
        let email = actor
            .email
            .spell(&self.names, str::to_owned)
            .map_err(failed)?;
        let mut record = filled(&actor.record, &self.names).map_err(failed)?;
        record.insert("email".to_owned(), json!(email));
        record.insert("password".to_owned(), json!(actor.password));
        record.insert("roles".to_owned(), json!(actor.roles));
        let body = Json::Object(record).to_string();
        let Instance { backend, auth, .. } = self.instance;
        let import = backend
            .engine
            .import(self.app, users.id, spec::time::now_micros());
        let imported = records::user(auth, &import, body.as_bytes()).await;
        let imported = imported.map_err(|problem| refused(at, &actor.record, &problem))?;
        let id = self.write(&import, imported).await.map_err(failed)?;
        self.record(&actor.name.value, users.id, id)
            .await
            .map_err(failed)?;
        if let Some(Json::Object(known)) = self.names.get_mut(&actor.name.value) {
            known.insert("password".to_owned(), json!(actor.password));
        }
        Ok(())
    }

    async fn given(&mut self, given: &Given) -> Result<(), Failure> {
        let failed = |why: String| Failure::at(given.at, "given", why);
        let record = filled(&given.record, &self.names).map_err(failed)?;
        let body = Json::Object(record).to_string();
        let engine = &self.instance.backend.engine;
        let import = engine.import(self.app, given.model, spec::time::now_micros());
        let imported = import.record(body.as_bytes());
        let imported = imported.map_err(|problem| refused(given.at, &given.record, &problem))?;
        let id = self.write(&import, imported).await.map_err(failed)?;
        if let Some(name) = &given.name {
            self.record(name, given.model, id).await.map_err(failed)?;
        }
        Ok(())
    }

    /// Writes the record, and answers its key.
    async fn write(&self, import: &Import, imported: Imported) -> Result<String, String> {
        let store = &self.instance.backend.store;
        let id = imported.id.clone();
        let steps = import.steps(imported).map_err(|problem| problem.detail)?;
        let written = store.write(steps, Instant::now() + PATIENCE).await;
        let captured = match written {
            Ok(Written::Done(captured)) => captured,
            Ok(Written::Missed { .. }) => return Err("the record was not written".to_owned()),
            Err(error) => return Err(records::refusal(&error)),
        };
        let drawn = captured.first().and_then(|row| row.first()).cloned();
        Ok(match (id, drawn) {
            (Value::Null, Some(drawn)) => drawn.key_text(),
            (id, _) => id.key_text(),
        })
    }

    /// Gives a record a name, with all that the system sees of it.
    async fn record(&mut self, name: &str, model: ModelId, id: String) -> Result<(), String> {
        let json = self.stored(model, &id).await?;
        let json = json.ok_or_else(|| "the record is not there".to_owned())?;
        self.names.insert(name.to_owned(), json);
        self.records.insert(name.to_owned(), (model, id));
        Ok(())
    }

    async fn stored(&self, model: ModelId, id: &str) -> Result<Option<Json>, String> {
        let one = Operation::One(One {
            model,
            id: id.to_owned(),
            select: Select::default(),
        });
        let engine = &self.instance.backend.engine;
        let done = engine.execute(&Principal::system(), one).await;
        match done.result {
            Ok(answer) => serde_json::from_slice(answer.body().unwrap_or(b"null"))
                .map(Some)
                .map_err(|error| error.to_string()),
            Err(problem) if problem.code == spec::Code::NotFound => Ok(None),
            Err(problem) => Err(problem.to_string()),
        }
    }

    async fn step(&mut self, number: usize, step: &Step) -> Result<Exchange, Failure> {
        let failed = |why: String| Failure::at(step.at, "request", why);
        let token = self.token(&step.who).await.map_err(failed)?;
        let (mut exchange, request) = self.request(number, step, token).map_err(failed)?;
        let response = self.instance.answer(request).await;
        let (head, answer) = response.into_parts();
        exchange.status = head.status.as_u16();
        exchange.answer_headers = head.headers;
        exchange.json = match answer.is_empty() {
            true => Json::Null,
            false => serde_json::from_slice(&answer)
                .unwrap_or_else(|_| String::from_utf8_lossy(&answer).into()),
        };
        exchange.answer = answer;
        let writes = self.writes().await.map_err(failed)?;
        let mut found = self.answered(step, &exchange);
        found.extend(self.wrote(step, &exchange, writes));
        found.extend(self.shown(step, &exchange));
        if found.is_empty() {
            found = self.keep(&step.keep, &exchange);
        }
        match found.is_empty() {
            true => Ok(exchange),
            false => Err(Failure {
                diagnostics: found,
                exchange: Some(Box::new(exchange)),
            }),
        }
    }

    fn request(
        &self,
        number: usize,
        step: &Step,
        token: Option<String>,
    ) -> Result<(Exchange, Request<Bytes>), String> {
        let address = address::spell(&step.address, &step.query, &self.names)?;
        let body = match &step.body {
            Body::None => Bytes::new(),
            Body::Json(tree) => Bytes::from(tree.fill(&self.names)?.to_string()),
            Body::Text(text) => Bytes::from(text.spell(&self.names, str::to_owned)?),
        };
        let mut headers = Vec::new();
        for entry in &step.headers {
            headers.push((entry.key.clone(), plain(&entry.value, &self.names)?));
        }
        let method = Method::from_bytes(step.method.as_bytes()).map_err(|e| e.to_string())?;
        let mut request = Request::builder()
            .method(method.clone())
            .uri(&address)
            .body(body.clone())
            .map_err(|error| format!("{address}: {error}"))?;
        let head = request.headers_mut();
        head.insert(HOST, HeaderValue::from_static("localhost"));
        if !body.is_empty() {
            head.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        }
        if let Some(token) = token {
            let value = HeaderValue::from_str(&format!("Bearer {token}"));
            head.insert(AUTHORIZATION, value.map_err(|e| e.to_string())?);
        }
        for (name, value) in &headers {
            let wrong = |error: String| format!("the header {name}: {error}");
            let key: HeaderName = name.parse().map_err(|e| wrong(format!("{e}")))?;
            let value = HeaderValue::from_str(value).map_err(|e| wrong(e.to_string()))?;
            head.insert(key, value);
        }
        let exchange = Exchange {
            step: number,
            who: step.who.clone(),
            method,
            address,
            headers,
            body,
            status: 0,
            answer_headers: http::HeaderMap::new(),
            answer: Bytes::new(),
            json: Json::Null,
        };
        Ok((exchange, request))
    }

    /// Signs an actor in when a step first needs it, as anybody does.
    async fn token(&mut self, who: &str) -> Result<Option<String>, String> {
        if who == ANONYMOUS {
            return Ok(None);
        }
        if let Some(token) = self.tokens.get(who) {
            return Ok(Some(token.clone()));
        }
        let known = self.names.get(who).cloned().unwrap_or_default();
        let body = json!({"email": known["email"], "password": known["password"]});
        let request = Request::post("/api/auth/login")
            .header(HOST, "localhost")
            .header(CONTENT_TYPE, "application/json")
            .body(Bytes::from(body.to_string()))
            .map_err(|error| error.to_string())?;
        let response = self.instance.answer(request).await;
        let answer: Json = serde_json::from_slice(response.body()).unwrap_or_default();
        match answer["access_token"].as_str() {
            Some(token) => {
                self.tokens.insert(who.to_owned(), token.to_owned());
                Ok(Some(token.to_owned()))
            }
            None => Err(format!(
                "{who} cannot sign in: {} {}",
                response.status().as_u16(),
                answer["detail"].as_str().unwrap_or_default()
            )),
        }
    }

    /// How many rows the change log has that were not there before.
    async fn writes(&mut self) -> Result<u64, String> {
        let store = &self.instance.backend.store;
        let batch = store.changes(&self.log, COUNTED).await;
        let batch = batch.map_err(|error| error.to_string())?;
        self.log = match batch.more {
            true => store
                .changes_head()
                .await
                .map_err(|error| error.to_string())?,
            false => batch.next,
        };
        Ok(batch.changes.len() as u64)
    }

    /// What is wrong with an answer.
    fn answered(&self, step: &Step, exchange: &Exchange) -> Vec<Diagnostic> {
        let mut found = self.status(step, exchange);
        let expect = &step.expect;
        // A refusal where records were expected, or the other way round: whatever else is expected is said of another
        // kind of body, and would only say once more that this is not it. What must be absent must be so anywhere.
        let alike = found.is_empty() || is_refusal(exchange.status) == expect.is_refusal();
        let mut say = |code, differences: Vec<Difference>| {
            found.extend(differences.into_iter().map(|d| {
                let mut said = diagnostic(d.at, code, d.message);
                if !d.label.is_empty() {
                    said.label(d.label);
                }
                said
            }));
        };
        let body = &exchange.json;
        if alike {
            say("header", self.headers(&expect.headers, exchange));
            if let Some(want) = &expect.body {
                say("body", differences(want, body, &self.names, Extent::Part));
            }
            if let Some(want) = &expect.exactly {
                say("body", differences(want, body, &self.names, Extent::Whole));
            }
        }
        for path in &expect.absent {
            let there = path
                .value
                .find(body)
                .into_iter()
                .map(|(way, value)| Difference {
                    at: path.at,
                    message: format!("`{way}` is there"),
                    label: format!("it is {}", shown(value)),
                });
            say("absent", there.collect());
        }
        if !alike {
            return found;
        }
        if let Some(count) = &expect.count
            && records_of(body).len() as u64 != count.value
        {
            let message = format!("expected {} records", count.value);
            let label = format!("got {}", records_of(body).len());
            say(
                "count",
                vec![Difference {
                    at: count.at,
                    message,
                    label,
                }],
            );
        }
        for want in &expect.contains {
            if !self.is_among(want, body) {
                let (message, label) = (
                    "no record of the page is like this".to_owned(),
                    format!("there are {} others", records_of(body).len()),
                );
                say(
                    "contains",
                    vec![Difference {
                        at: want.at,
                        message,
                        label,
                    }],
                );
            }
        }
        for want in &expect.lacks {
            if self.is_among(want, body) {
                let (message, label) = (
                    "a record of the page is like this".to_owned(),
                    String::new(),
                );
                say(
                    "lacks",
                    vec![Difference {
                        at: want.at,
                        message,
                        label,
                    }],
                );
            }
        }
        found
    }

    fn status(&self, step: &Step, exchange: &Exchange) -> Vec<Diagnostic> {
        let expect = &step.expect;
        let status = exchange.status;
        let got = exchange.json["code"]
            .as_str()
            .filter(|_| is_refusal(status));
        let mut found = Vec::new();
        let wanted = match (&expect.status, &expect.code) {
            (Some(wanted), _) => Some((wanted.value, wanted.at)),
            (None, Some(code)) => Some((code.value.status(), code.at)),
            (None, None) => None,
        };
        match wanted {
            Some((wanted, at)) if wanted != status => {
                let message = format!("expected the status {wanted}, got {status}");
                found.push(diagnostic(at, "status", message));
            }
            None if !StatusCode::from_u16(status).is_ok_and(|s| s.is_success()) => {
                let message = format!("expected a success, got {status}");
                found.push(diagnostic(step.at, "status", message));
            }
            Some(_) | None => {}
        }
        if let Some(code) = &expect.code
            && found.is_empty()
            && got != Some(code.value.name())
        {
            let message = format!("expected the code {}", code.value.name());
            found.push(diagnostic(code.at, "code", message));
        }
        for said in &mut found {
            if let Some(got) = got {
                said.label(format!("got {got}"));
                if let Some(detail) = exchange.json["detail"].as_str() {
                    said.help(format!("it says: {detail}"));
                }
            } else if let Some(count) = exchange.json["data"].as_array().map(Vec::len) {
                said.label(format!("got a page of {count}"));
            }
        }
        found
    }

    fn headers(&self, wanted: &[Entry], exchange: &Exchange) -> Vec<Difference> {
        let mut found = Vec::new();
        for entry in wanted {
            let got = exchange.answer_headers.get(entry.key.to_lowercase());
            let got = got.map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned());
            let Some(got) = got else {
                let message = format!("the answer has no header {}", entry.key);
                let label = String::new();
                found.push(Difference {
                    at: entry.at,
                    message,
                    label,
                });
                continue;
            };
            let got = Json::String(got);
            for mut difference in differences(&entry.value, &got, &self.names, Extent::Part) {
                difference.message = format!("the header {} is something else", entry.key);
                found.push(difference);
            }
        }
        found
    }

    fn is_among(&self, want: &Tree, body: &Json) -> bool {
        let is_like = |record| differences(want, record, &self.names, Extent::Part).is_empty();
        records_of(body).iter().any(is_like)
    }

    /// What is wrong with what was written.
    fn wrote(&self, step: &Step, exchange: &Exchange, writes: u64) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        match &step.expect.writes {
            Some(wanted) if wanted.value != writes => {
                let message = format!("expected {} records to be written", wanted.value);
                let mut said = diagnostic(wanted.at, "writes", message);
                said.label(format!("got {writes}"));
                found.push(said);
            }
            None if is_refusal(exchange.status) && writes > 0 => {
                let message = format!(
                    "the request was refused ({}), and yet it wrote",
                    exchange.status
                );
                let mut said = diagnostic(step.at, "writes", message);
                said.label(format!("{writes} changes are in the log"));
                found.push(said);
            }
            Some(_) | None => {}
        }
        found
    }

    /// What an answer holds that it must never hold.
    fn shown(&self, step: &Step, exchange: &Exchange) -> Vec<Diagnostic> {
        let never = &self.test.never;
        if !never.to.is_empty() && !never.to.contains(&step.who) {
            return Vec::new();
        }
        let body = String::from_utf8_lossy(&exchange.answer);
        let mut found = Vec::new();
        for tree in &never.shown {
            let value = match plain(tree, &self.names) {
                Ok(value) => value,
                Err(why) => {
                    found.push(diagnostic(tree.at, "shown", why));
                    continue;
                }
            };
            // As it stands between the quotes of a JSON string.
            let quoted = Json::String(value.clone()).to_string();
            let inside = quoted.trim_matches('"');
            let in_headers = exchange
                .answer_headers
                .iter()
                .find(|(_, header)| String::from_utf8_lossy(header.as_bytes()).contains(&value));
            let place = match in_headers {
                Some((name, _)) => format!("in the header {name}"),
                None if body.contains(inside) || body.contains(&value) => "in the body".to_owned(),
                None => continue,
            };
            let message = format!("{} is shown to {}", quoted, step.who);
            let mut said = diagnostic(tree.at, "shown", message);
            said.label(format!("{place} of step {}", exchange.step));
            found.push(said);
        }
        found
    }

    fn keep(&mut self, keep: &[Keep], exchange: &Exchange) -> Vec<Diagnostic> {
        let mut found = Vec::new();
        for keep in keep {
            let value = match &keep.from {
                From::Body(path) => path.get(&exchange.json).cloned(),
                From::Header(name) => exchange
                    .answer_headers
                    .get(name)
                    .map(|value| String::from_utf8_lossy(value.as_bytes()).into()),
            };
            match value {
                Some(value) => {
                    self.names.insert(keep.name.clone(), value);
                }
                None => {
                    let message = format!("the answer has nothing to keep as `{}`", keep.name);
                    found.push(diagnostic(keep.at, "keep", message));
                }
            }
        }
        found
    }

    /// Records that must be as they were given.
    async fn unchanged(&self, last: Option<Exchange>) -> Result<(), Failure> {
        let mut found = Vec::new();
        for name in &self.test.never.changed {
            let Some((model, id)) = self.records.get(&name.value) else {
                continue;
            };
            let mut before = self.names.get(&name.value).cloned().unwrap_or_default();
            if self
                .file
                .actors
                .iter()
                .any(|actor| actor.name.value == name.value)
                && let Some(known) = before.as_object_mut()
            {
                known.remove("password");
            }
            let now = self.stored(*model, id).await;
            let now = now.map_err(|why| Failure::at(name.at, "changed", why))?;
            let label = match &now {
                Some(now) if *now == before => continue,
                Some(now) => changes(&before, now),
                None => "it is gone".to_owned(),
            };
            let mut said = diagnostic(name.at, "changed", format!("`{}` has changed", name.value));
            said.label(label);
            found.push(said);
        }
        match found.is_empty() {
            true => Ok(()),
            false => Err(Failure {
                diagnostics: found,
                exchange: last.map(Box::new),
            }),
        }
    }
}

fn is_refusal(status: u16) -> bool {
    status >= 400
}

/// A refused record: what is wrong with its fields is told where they stand.
fn refused(at: At, record: &[Entry], problem: &Problem) -> Failure {
    let place = |pointer: &str| {
        let field = pointer.trim_start_matches('/');
        let entry = record.iter().find(|entry| entry.key == field);
        entry.map_or(at, |entry| entry.value.at)
    };
    let mut found: Vec<Diagnostic> = problem
        .errors
        .iter()
        .map(|error| {
            let message = format!("the given record is refused: {}", error.detail);
            diagnostic(place(&error.pointer), "given", message)
        })
        .collect();
    if found.is_empty() {
        let message = format!("the given record is refused: {}", problem.detail);
        found.push(diagnostic(at, "given", message));
    }
    Failure {
        diagnostics: found,
        exchange: None,
    }
}

/// `price was "9.00" and is "1.00"`.
fn changes(before: &Json, now: &Json) -> String {
    let (Some(before), Some(now)) = (before.as_object(), now.as_object()) else {
        return format!("it is {}", shown(now));
    };
    // These follow from the others.
    let follows = ["updated_at", "version"];
    let differing: Vec<String> = now
        .iter()
        .filter(|(key, value)| !follows.contains(&key.as_str()) && before.get(*key) != Some(*value))
        .map(|(key, value)| {
            let was = before.get(key).map_or_else(|| "absent".to_owned(), shown);
            format!("{key} was {was} and is {}", shown(value))
        })
        .collect();
    match differing.is_empty() {
        true => "it was written again".to_owned(),
        false => differing.join(", "),
    }
}

/// A value as text: strings without quotes.
fn plain(tree: &Tree, names: &Names) -> Result<String, String> {
    Ok(match tree.fill(names)? {
        Json::String(text) => text,
        other => other.to_string(),
    })
}

/// Of a page, or of an answer that is a list itself.
fn records_of(body: &Json) -> &[Json] {
    let items = body.as_array().or_else(|| body["data"].as_array());
    items.map_or(&[], Vec::as_slice)
}
