//! `tests/**/*.toml` → [`scenario::File`]s, with every mistake at once: keys, names, models, codes, placeholders.

use super::files;
use super::keys::Table;
use super::report::{At, Located, Report};
use super::scenario_keys as keys;
use super::walk::{self, Entries, choice, list};
use crate::diagnostic::{Diagnostic, FileId, Sources};
use crate::model::{App, Model, ModelId};
use crate::nearest::{nearest, nearest_model};
use crate::problem::{CATALOGUE, Code};
use crate::scenario::{
    self, ANONYMOUS, Actor, Body, Entry, Expect, From, Given, Keep, Like, NULL, Never, Node, Part,
    Path, Piece, Step, Test, Text, Tree, is_name,
};
use crate::time::{parse_timestamp, timestamp_text};
use serde_json::Number;
use std::fs;
use std::io;
use std::path;
use toml::de::{DeTable, DeValue};

/// Of actors who have no other.
const PASSWORD: &str = "a long password";
pub(super) const FOLDER: &str = "tests";
/// The records that actors are.
const USERS: &str = "auth.users";
/// Files of tests that are read.
const MOST_FILES: usize = 2_000;
const METHODS: &[&str] = &["GET", "HEAD", "POST", "PATCH", "PUT", "DELETE", "OPTIONS"];

/// An app's own tests, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub struct Scenarios {
    /// By path. To be run where no diagnostic is an error.
    pub files: Vec<scenario::File>,
    /// Sorted by file and place.
    pub diagnostics: Vec<Diagnostic>,
    pub sources: Sources,
}

/// Reads and checks the files below `tests/` in an app's folder.
pub fn scenarios(folder: &path::Path, app: &App) -> Scenarios {
    let mut found = Vec::new();
    let mut unreadable = Vec::new();
    find(folder, path::Path::new(FOLDER), &mut found, &mut unreadable);
    read(found, unreadable, app)
}

/// The same for texts that are not on disk, with their paths in the app's folder.
pub fn scenarios_of(found: Vec<(path::PathBuf, String)>, app: &App) -> Scenarios {
    read(found, Vec::new(), app)
}

type Found = Vec<(path::PathBuf, String)>;

fn find(folder: &path::Path, inside: &path::Path, found: &mut Found, unreadable: &mut Found) {
    let mut failed = |path: &path::Path, error: io::Error| {
        let why = format!("the file cannot be read: {error}");
        unreadable.push((path.to_owned(), why));
    };
    let entries = match fs::read_dir(folder.join(inside)) {
        Ok(entries) => entries,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return,
        Err(error) => return failed(inside, error),
    };
    let mut entries: Vec<_> = entries.filter_map(Result::ok).collect();
    entries.sort_by_key(fs::DirEntry::file_name);
    let mut folders = Vec::new();
    for entry in entries {
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = inside.join(&name);
        // Links are not followed: one that leads upwards would never end.
        let is_folder = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if name.starts_with('.') || found.len() == MOST_FILES {
            continue;
        } else if is_folder {
            folders.push(path);
        } else if name.ends_with(".toml") {
            match fs::read_to_string(folder.join(&path)) {
                Ok(text) => found.push((path, text)),
                Err(error) => failed(&path, error),
            }
        }
    }
    for path in folders {
        find(folder, &path, found, unreadable);
    }
}

fn read(found: Found, unreadable: Found, app: &App) -> Scenarios {
    let mut report = Report::default();
    let mut sources = Sources::default();
    let mut texts = Vec::new();
    for (path, text) in found {
        if text.len() > files::MAX_FILE {
            let why = format!("the file has more than {} bytes", files::MAX_FILE);
            files::add_unreadable(&mut sources, path, &why, &mut report);
        } else {
            let name = path.strip_prefix(FOLDER).unwrap_or(&path);
            let name = name.with_extension("").to_string_lossy().replace('\\', "/");
            texts.push((files::add(&mut sources, path, text), name));
        }
    }
    for (path, why) in unreadable {
        files::add_unreadable(&mut sources, path, &why, &mut report);
    }
    let mut read = Vec::new();
    for (id, name) in texts {
        let Some(source) = sources.get(id) else {
            continue;
        };
        let table = walk::parse(&source.text, id, &mut report);
        let mut reader = Reader {
            app,
            id,
            actors: Vec::new(),
            names: Vec::new(),
            report: &mut report,
        };
        read.push(reader.file(name, &table));
    }
    Scenarios {
        files: read,
        diagnostics: report.finish(),
        sources,
    }
}

struct Reader<'r> {
    app: &'r App,
    id: FileId,
    actors: Vec<String>,
    /// Everything that a placeholder may name at this place, actors included.
    names: Vec<Known>,
    report: &'r mut Report,
}

/// A name, and the model of the record that it stands for; none for what a step has kept.
#[derive(Clone)]
struct Known {
    name: String,
    of: Option<ModelId>,
}

/// Where a value stands: patterns are for what is expected.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Sent,
    Expected,
}

impl<'r> Reader<'r> {
    fn file(&mut self, name: String, table: &DeTable<'_>) -> scenario::File {
        let top = self.open("…", table, &keys::FILE);
        let actors = top
            .named("actors")
            .into_iter()
            .filter_map(|(name, table)| self.actor(name.value, name.at, table))
            .collect();
        let given = self.given(&top);
        let shared = self.names.len();
        let mut tests: Vec<Test> = Vec::new();
        for table in top.tables("tests") {
            self.names.truncate(shared);
            let Some(test) = self.test(&table) else {
                continue;
            };
            if tests.iter().any(|t| t.name.value == test.name.value) {
                let message = format!("there is a test `{}` already", test.name.value);
                self.error(test.name.at, "duplicate-name", message)
                    .help("give each a name of its own, by which it can be run alone");
            }
            tests.push(test);
        }
        scenario::File {
            id: self.id,
            name,
            actors,
            given,
            tests,
        }
    }

    fn actor(&mut self, name: &str, at: At, table: &DeTable<'_>) -> Option<Actor> {
        let entries = self.open(name, table, &keys::ACTOR);
        if name == ANONYMOUS {
            self.error(
                at,
                "reserved-name",
                "`anonymous` is whoever does not sign in",
            )
            .help("call the actor something else");
            return None;
        }
        let email = match entries.text("email") {
            Some(email) => self.text(&email.value, email.at),
            None => Text(vec![Piece::Plain(format!("{name}@example.com"))]),
        };
        let record = self.entries(&entries, "record", Side::Sent);
        if let Some(users) = self.app.model_named(USERS) {
            record
                .iter()
                .for_each(|entry| self.known_field(users, entry));
        }
        let users = self.app.model_named(USERS).map(|users| users.id);
        self.new_name(name, at, users);
        self.actors.push(name.to_owned());
        let password = entries.text("password");
        let roles = entries.texts("roles").map(|roles| roles.value);
        Some(Actor {
            name: Located {
                value: name.to_owned(),
                at,
            },
            email,
            password: password.map_or_else(|| PASSWORD.to_owned(), |text| text.value),
            roles: roles
                .unwrap_or_default()
                .into_iter()
                .map(|role| role.value)
                .collect(),
            record,
        })
    }

    fn given(&mut self, of: &Entries<'_>) -> Vec<Given> {
        let mut all = Vec::new();
        for table in of.tables("given") {
            let entries = self.open("…", table.value, &keys::GIVEN);
            let model = self.needed(&entries, "model", table.at, "a given record");
            let model_at = model.as_ref().map_or(table.at, |model| model.at);
            let model = model.and_then(|name| self.model(&name));
            let record = self.entries(&entries, "record", Side::Sent);
            let name = entries.text("as").map(|name| {
                self.new_name(&name.value, name.at, model.map(|model| model.id));
                name.value
            });
            if let Some(model) = model {
                record
                    .iter()
                    .for_each(|entry| self.known_field(model, entry));
                all.push(Given {
                    at: model_at,
                    model: model.id,
                    name,
                    record,
                });
            }
        }
        all
    }

    fn test(&mut self, table: &Located<&DeTable<'_>>) -> Option<Test> {
        let entries = self.open("…", table.value, &keys::TEST);
        let name = self.needed(&entries, "name", table.at, "a test");
        let given = self.given(&entries);
        // What is given is there from the beginning; what is kept has no record to compare.
        let records = self.known_names();
        let mut steps = Vec::new();
        for table in entries.tables("steps") {
            steps.extend(self.step(&table));
        }
        if !entries.has("steps") {
            self.error(table.at, "missing-key", "a test needs `[[tests.steps]]`")
                .help("write a step: `request = \"GET /api/…\"`, and what it must answer");
        }
        let never = match entries.table("never") {
            Some(table) => self.never(table.value, &records),
            None => Never::default(),
        };
        Some(Test {
            name: name?,
            given,
            steps,
            never,
        })
    }

    fn never(&mut self, table: &DeTable<'_>, records: &[String]) -> Never {
        let entries = self.open("…", table, &keys::NEVER);
        let to = entries.texts("to").map_or_else(Vec::new, |to| to.value);
        for who in &to {
            self.known_actor(who);
        }
        let changed = entries.texts("changed");
        let changed = changed.map_or_else(Vec::new, |changed| changed.value);
        for name in &changed {
            if !records.contains(&name.value) {
                self.unknown_name(&name.value, name.at, records);
            }
        }
        Never {
            shown: self.items(&entries, "shown", Side::Sent),
            to: to.into_iter().map(|who| who.value).collect(),
            changed,
        }
    }

    fn step(&mut self, table: &Located<&DeTable<'_>>) -> Option<Step> {
        let entries = self.open("…", table.value, &keys::STEP);
        let who = entries.text("as");
        if let Some(who) = &who {
            self.known_actor(who);
        }
        let request = self.needed(&entries, "request", table.at, "a step");
        let at = request.as_ref().map_or(table.at, |request| request.at);
        let request = request.and_then(|request| self.request(&request));
        let body = match (entries.value("body"), entries.text("text")) {
            (Some(_), Some(text)) => {
                self.error(
                    text.at,
                    "contradiction",
                    "a step sends `body` or `text`, not both",
                )
                .help("remove one of the two");
                Body::None
            }
            (Some(value), None) => Body::Json(self.tree(value.value, value.at, Side::Sent)),
            (None, Some(text)) => Body::Text(self.text(&text.value, text.at)),
            (None, None) => Body::None,
        };
        let query = self.entries(&entries, "query", Side::Sent);
        let headers = self.entries(&entries, "headers", Side::Sent);
        let expect = match entries.table("expect") {
            Some(table) => self.expect(table.value),
            None => Expect::default(),
        };
        // What is kept is there for the steps behind this one.
        let keep = self.keep(&entries);
        let (method, address) = request?;
        Some(Step {
            at,
            who: who.map_or_else(|| ANONYMOUS.to_owned(), |who| who.value),
            method,
            address,
            query,
            headers,
            body,
            expect,
            keep,
        })
    }

    fn request(&mut self, request: &Located<String>) -> Option<(&'static str, Text)> {
        let (word, path) = match request.value.split_once(char::is_whitespace) {
            Some((word, path)) => (word, path.trim()),
            None => (request.value.as_str(), ""),
        };
        if !path.starts_with('/') && !path.starts_with('{') {
            self.error(
                request.at,
                "bad-request",
                "a request is a method and a path",
            )
            .help("write `request = \"GET /api/MODULE/MODEL\"`");
            return None;
        }
        let Some(method) = METHODS.iter().find(|method| **method == word) else {
            let known: Vec<String> = METHODS.iter().map(|m| m.to_lowercase()).collect();
            let near = nearest(word, known.iter().map(String::as_str)).map(str::to_uppercase);
            let diagnostic = self.error(
                request.at,
                "unknown-value",
                format!("`{word}` is no method of a request"),
            );
            if let Some(near) = near {
                diagnostic.label(format!("did you mean `{near}`?"));
            }
            diagnostic.help(format!("write {}", choice(METHODS.iter().copied())));
            return None;
        };
        Some((method, self.text(path, request.at)))
    }

    fn expect(&mut self, table: &DeTable<'_>) -> Expect {
        let entries = self.open("…", table, &keys::EXPECT);
        let value = |reader: &mut Self, key: &str| {
            let value = entries.value(key)?;
            Some(reader.tree(value.value, value.at, Side::Expected))
        };
        let number = |key: &str| {
            let number = entries.int(key)?;
            let value = u64::try_from(number.value).ok()?;
            Some(Located {
                value,
                at: number.at,
            })
        };
        let status = number("status").and_then(|status| {
            let value = u16::try_from(status.value).ok()?;
            Some(Located {
                value,
                at: status.at,
            })
        });
        Expect {
            status,
            code: entries.text("code").and_then(|code| self.code(&code)),
            headers: self.entries(&entries, "headers", Side::Expected),
            body: value(self, "body"),
            exactly: value(self, "exactly"),
            absent: self.paths(&entries, "absent"),
            contains: self.items(&entries, "contains", Side::Expected),
            lacks: self.items(&entries, "lacks", Side::Expected),
            count: number("count"),
            writes: number("writes"),
        }
    }

    fn code(&mut self, code: &Located<String>) -> Option<Located<Code>> {
        let names = || CATALOGUE.iter().map(|entry| entry.name);
        if let Some(entry) = CATALOGUE.iter().find(|entry| entry.name == code.value) {
            return Some(Located {
                value: entry.code,
                at: code.at,
            });
        }
        let message = format!("there is no error code `{}`", code.value);
        let near = nearest(&code.value, names()).or_else(|| {
            // `forbidden` for `access.forbidden`.
            names().find(|name| name.rsplit('.').next() == Some(code.value.as_str()))
        });
        let diagnostic = self.error(code.at, "unknown-value", message);
        if let Some(near) = near {
            diagnostic.label(format!("did you mean `{near}`?"));
        }
        diagnostic.help("docs/errors.md lists them; `mainstay errors` prints that page");
        None
    }

    fn paths(&mut self, of: &Entries<'_>, key: &str) -> Vec<Located<Path>> {
        let texts = of.texts(key).map_or_else(Vec::new, |texts| texts.value);
        let mut paths = Vec::new();
        for text in texts {
            match Path::parse(&text.value) {
                Some(value) => paths.push(Located { value, at: text.at }),
                None => self.bad_path(&text.value, text.at),
            }
        }
        paths
    }

    fn bad_path(&mut self, text: &str, at: At) {
        self.error(at, "bad-text", format!("`{text}` is no path into a body"))
            .help("write `cost`, `data[0].cost` or `data[*].cost`");
    }

    fn keep(&mut self, of: &Entries<'_>) -> Vec<Keep> {
        let Some(table) = of.table("keep") else {
            return Vec::new();
        };
        let mut all = Vec::new();
        for (name, item) in walk::in_order(table.value) {
            let at = At::new(self.id, item.span());
            let name_at = At::new(self.id, name.span());
            self.new_name(name.get_ref(), name_at, None);
            let text = item.get_ref().as_str().unwrap_or_default();
            let from = if let Some(header) = text.strip_prefix("headers.") {
                Some(From::Header(header.to_lowercase()))
            } else {
                text.strip_prefix("body").and_then(|path| {
                    let path = path.strip_prefix('.').unwrap_or(path);
                    Path::parse(path).map(From::Body)
                })
            };
            match from {
                Some(from) => all.push(Keep {
                    name: name.get_ref().clone().into_owned(),
                    at,
                    from,
                }),
                None => {
                    self.error(at, "bad-text", "this says nothing of an answer")
                        .help("write `\"body\"`, `\"body.id\"` or `\"headers.etag\"`");
                }
            }
        }
        all
    }

    /// A table of values under names of the app's own.
    fn entries(&mut self, of: &Entries<'_>, key: &str, side: Side) -> Vec<Entry> {
        match of.table(key) {
            Some(table) => self.table(table.value, side),
            None => Vec::new(),
        }
    }

    fn items(&mut self, of: &Entries<'_>, key: &str, side: Side) -> Vec<Tree> {
        let Some(value) = of.value(key) else {
            return Vec::new();
        };
        match self.tree(value.value, value.at, side).node {
            Node::List(items) => items,
            Node::Bool(_) | Node::Number(_) | Node::Text(_) | Node::Like(_) | Node::Table(_) => {
                Vec::new()
            }
        }
    }

    fn table(&mut self, table: &DeTable<'_>, side: Side) -> Vec<Entry> {
        walk::in_order(table)
            .into_iter()
            .map(|(key, item)| Entry {
                key: key.get_ref().clone().into_owned(),
                at: At::new(self.id, key.span()),
                value: self.tree(item.get_ref(), At::new(self.id, item.span()), side),
            })
            .collect()
    }

    fn tree(&mut self, value: &DeValue<'_>, at: At, side: Side) -> Tree {
        let node = match value {
            DeValue::String(text) => match side {
                Side::Expected => self.expected(text, at),
                Side::Sent => Node::Text(self.text(text, at)),
            },
            // As answers have it: there, times are strings.
            DeValue::Datetime(time) => {
                let written = time.to_string();
                let moment = parse_timestamp(&written).map(timestamp_text);
                Node::Text(self.text(&moment.unwrap_or(written), at))
            }
            DeValue::Boolean(value) => Node::Bool(*value),
            DeValue::Integer(n) => match walk::integer(n) {
                Some(n) => Node::Number(n.into()),
                None => self.no_number(at),
            },
            DeValue::Float(n) => match n
                .as_str()
                .replace('_', "")
                .parse()
                .ok()
                .and_then(Number::from_f64)
            {
                Some(n) => Node::Number(n),
                None => self.no_number(at),
            },
            DeValue::Array(items) => Node::List(
                items
                    .iter()
                    .map(|item| self.tree(item.get_ref(), At::new(self.id, item.span()), side))
                    .collect(),
            ),
            DeValue::Table(table) => Node::Table(self.table(table, side)),
        };
        Tree { at, node }
    }

    fn no_number(&mut self, at: At) -> Node {
        self.error(
            at,
            "out-of-range",
            "this is not a number that JSON can hold",
        );
        Node::Bool(false)
    }

    /// `<uuid>` and its like; `<<` for a text that begins with `<`.
    fn expected(&mut self, text: &str, at: At) -> Node {
        let Some(behind) = text.strip_prefix('<') else {
            return Node::Text(self.text(text, at));
        };
        if behind.starts_with('<') {
            return Node::Text(self.text(behind, at));
        }
        let Some(inside) = behind.strip_suffix('>') else {
            return Node::Text(self.text(text, at));
        };
        let (word, rest) = inside.split_once(' ').unwrap_or((inside, ""));
        let needs_text = word == "contains";
        let rest_text = self.text(rest, at);
        match Like::of(word, rest_text).filter(|_| needs_text != rest.is_empty()) {
            Some(like) => Node::Like(like),
            None => {
                let message = format!("`<{inside}>` stands for no value");
                let near = nearest(word, Like::WORDS.iter().copied());
                let diagnostic = self.error(at, "bad-text", message);
                match near {
                    Some("contains") if needs_text => {
                        diagnostic.help("write `<contains TEXT>`");
                    }
                    Some(near) => {
                        diagnostic.label(format!("did you mean `<{near}>`?"));
                        diagnostic.help("a text that begins with `<` itself begins with `<<` here");
                    }
                    None => {
                        let words = Like::WORDS.iter().copied();
                        diagnostic.help(format!(
                            "there are {}; a text that begins with `<` itself begins with `<<` here",
                            list(words)
                        ));
                    }
                }
                Node::Bool(false)
            }
        }
    }

    fn text(&mut self, text: &str, at: At) -> Text {
        match Text::parse(text) {
            Ok(parsed) => {
                for (name, path) in parsed.places() {
                    self.place(name, path, at);
                }
                parsed
            }
            Err(why) => {
                self.error(at, "bad-text", format!("this has {why}"))
                    .help("write `{{` for a brace that is meant as one");
                Text::default()
            }
        }
    }

    /// What stands in braces is a name, and where it is that of a record, one of its fields.
    fn place(&mut self, name: &str, path: &Path, at: At) {
        if name == NULL {
            return;
        }
        let Some(known) = self.names.iter().find(|known| known.name == name) else {
            let names = self.known_names();
            return self.unknown_name(name, at, &names);
        };
        let (app, Some(of)) = (self.app, known.of) else {
            return;
        };
        let (model, Some(Part::Key(key))) = (app.model(of), path.0.first()) else {
            return;
        };
        let is_users = model.full_name() == USERS;
        if model.open || model.field_named(key).is_some() || is_users && key == "password" {
            return;
        }
        let names = model.fields.iter().map(|field| field.name.as_str());
        let near = nearest(key, names.clone());
        let message = format!(
            "`{name}` has no `{key}`: it is a record of `{}`",
            model.full_name()
        );
        let diagnostic = self.error(at, "unknown-field", message);
        match near {
            Some(near) => diagnostic.help(format!("did you mean `{{{name}.{near}}}`?")),
            None => diagnostic.help(format!("it has {}", list(names))),
        };
    }

    fn known_names(&self) -> Vec<String> {
        self.names.iter().map(|known| known.name.clone()).collect()
    }

    fn model(&mut self, name: &Located<String>) -> Option<&'r Model> {
        let app = self.app;
        let model = app.model_named(&name.value);
        if model.is_none() {
            let names: Vec<String> = app.models.iter().map(Model::full_name).collect();
            let near = nearest_model(&name.value, names.iter().map(String::as_str));
            let message = format!("there is no model `{}`", name.value);
            let diagnostic = self.error(name.at, "unknown-model", message);
            match near {
                Some(near) => diagnostic.label(format!("did you mean `{near}`?")),
                None => diagnostic.help("write it as `module.model`"),
            };
        }
        model
    }

    fn known_field(&mut self, model: &Model, entry: &Entry) {
        if model.open || model.field_named(&entry.key).is_some() {
            return;
        }
        let names = model.fields.iter().map(|field| field.name.as_str());
        let near = nearest(&entry.key, names.clone());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("it has {}", list(names)),
        };
        let message = format!("`{}` has no field `{}`", model.full_name(), entry.key);
        self.error(entry.at, "unknown-field", message).help(help);
    }

    fn known_actor(&mut self, who: &Located<String>) {
        if who.value != ANONYMOUS && !self.actors.contains(&who.value) {
            let mut known = self.actors.clone();
            known.push(ANONYMOUS.to_owned());
            self.unknown_name(&who.value, who.at, &known);
        }
    }

    fn unknown_name(&mut self, name: &str, at: At, known: &[String]) {
        let near = nearest(name, known.iter().map(String::as_str)).map(str::to_owned);
        let help = match known {
            [] => "declare it: `[actors.NAME]` for a user, `[[given]]` with `as` for a record"
                .to_owned(),
            known => format!(
                "here it can be {}",
                choice(known.iter().map(String::as_str))
            ),
        };
        let diagnostic = self.error(at, "unknown-name", format!("there is no `{name}` here"));
        if let Some(near) = near {
            diagnostic.label(format!("did you mean `{near}`?"));
        }
        diagnostic.help(help);
    }

    fn new_name(&mut self, name: &str, at: At, of: Option<ModelId>) {
        if !is_name(name) || name == NULL {
            self.error(at, "bad-name", format!("`{name}` cannot be a name here"))
                .help("write lower-case letters, digits and `_`, a letter first");
        } else if self.names.iter().any(|known| known.name == name) {
            self.error(at, "duplicate-name", format!("there is a `{name}` already"))
                .help("call it something else");
        } else {
            self.names.push(Known {
                name: name.to_owned(),
                of,
            });
        }
    }

    fn needed(
        &mut self,
        of: &Entries<'_>,
        key: &str,
        at: At,
        what: &str,
    ) -> Option<Located<String>> {
        if !of.has(key) {
            self.error(at, "missing-key", format!("{what} needs `{key}`"));
        }
        of.text(key)
    }

    fn open<'t>(
        &mut self,
        owner: &str,
        table: &'t DeTable<'t>,
        shape: &'static Table,
    ) -> Entries<'t> {
        Entries::of(owner, table, shape, self.id, self.report)
    }

    fn error(&mut self, at: At, code: &'static str, message: impl Into<String>) -> &mut Diagnostic {
        self.report.error(at, code, message)
    }
}
