//! An app's own tests, as data: who acts, what is there, what is asked, and what must come back.
//!
//! [`crate::load::scenarios`] reads them from `tests/**/*.toml`, and `mainstay test` runs them. What a failed test
//! points at keeps its place.

mod path;
mod text;

pub use crate::load::{At, Located};
pub use path::{Part, Path};
pub use text::{Names, Piece, Text, is_name};

use crate::diagnostic::FileId;
use crate::model::ModelId;
use crate::problem::Code;
use serde_json::Number;

/// Who calls without an access token.
pub const ANONYMOUS: &str = "anonymous";

/// The name of JSON's null, which TOML has not: `"{null}"`.
pub const NULL: &str = "null";

/// One file of tests.
#[derive(Debug, Clone)]
pub struct File {
    pub id: FileId,
    /// `catalog/products` of `tests/catalog/products.toml`.
    pub name: String,
    pub actors: Vec<Actor>,
    /// What is there before each of the tests.
    pub given: Vec<Given>,
    pub tests: Vec<Test>,
}

/// A user who is there before each test.
#[derive(Debug, Clone)]
pub struct Actor {
    pub name: Located<String>,
    pub email: Text,
    pub password: String,
    pub roles: Vec<String>,
    /// Further fields of `auth.users`.
    pub record: Vec<Entry>,
}

/// A record that is there before a test, written by the system.
#[derive(Debug, Clone)]
pub struct Given {
    pub at: At,
    pub model: ModelId,
    pub name: Option<String>,
    pub record: Vec<Entry>,
}

#[derive(Debug, Clone)]
pub struct Test {
    pub name: Located<String>,
    pub given: Vec<Given>,
    pub steps: Vec<Step>,
    pub never: Never,
}

/// A request, and what must come back.
#[derive(Debug, Clone)]
pub struct Step {
    pub at: At,
    /// An actor's name, or [`ANONYMOUS`].
    pub who: String,
    pub method: &'static str,
    pub address: Text,
    pub query: Vec<Entry>,
    pub headers: Vec<Entry>,
    pub body: Body,
    pub expect: Expect,
    pub keep: Vec<Keep>,
}

#[derive(Debug, Clone)]
pub enum Body {
    None,
    Json(Tree),
    /// These bytes, whatever they are.
    Text(Text),
}

/// What must hold of an answer. Without a status or a code it must be a success.
#[derive(Debug, Clone, Default)]
pub struct Expect {
    pub status: Option<Located<u16>>,
    pub code: Option<Located<Code>>,
    pub headers: Vec<Entry>,
    /// The body has at least this.
    pub body: Option<Tree>,
    /// The body is this and nothing more.
    pub exactly: Option<Tree>,
    pub absent: Vec<Located<Path>>,
    /// Records that the page has, in whatever place.
    pub contains: Vec<Tree>,
    /// Records that it has not.
    pub lacks: Vec<Tree>,
    /// Records of the page.
    pub count: Option<Located<u64>>,
    /// Rows that the request wrote to the change log.
    pub writes: Option<Located<u64>>,
}

impl Expect {
    /// Whether the answer is to be a refusal.
    pub fn is_refusal(&self) -> bool {
        match (&self.status, &self.code) {
            (Some(status), _) => status.value >= 400,
            (None, code) => code.is_some(),
        }
    }
}

/// Something of an answer that later steps use.
#[derive(Debug, Clone)]
pub struct Keep {
    pub name: String,
    pub at: At,
    pub from: From,
}

#[derive(Debug, Clone)]
pub enum From {
    Body(Path),
    /// In lower case.
    Header(String),
}

/// What must not happen in a whole test.
#[derive(Debug, Clone, Default)]
pub struct Never {
    /// Texts that no answer holds …
    pub shown: Vec<Tree>,
    /// … to these actors (to nobody, where none is named).
    pub to: Vec<String>,
    /// Given records that stay as they are.
    pub changed: Vec<Located<String>>,
}

/// A key and its value.
#[derive(Debug, Clone)]
pub struct Entry {
    pub key: String,
    pub at: At,
    pub value: Tree,
}

/// A value of JSON as a test writes it.
#[derive(Debug, Clone)]
pub struct Tree {
    pub at: At,
    pub node: Node,
}

#[derive(Debug, Clone)]
pub enum Node {
    Bool(bool),
    Number(Number),
    Text(Text),
    /// In what is expected only.
    Like(Like),
    List(Vec<Tree>),
    Table(Vec<Entry>),
}

/// Which values are good, where the value itself is not known: `"<uuid>"`.
#[derive(Debug, Clone, PartialEq)]
pub enum Like {
    /// Anything but null.
    Any,
    Uuid,
    /// RFC 3339, in UTC.
    Datetime,
    Date,
    String,
    Number,
    Bool,
    List,
    Object,
    /// A string with this in it.
    Contains(Text),
}

impl Like {
    /// The words that stand between `<` and `>`.
    pub const WORDS: &'static [&'static str] = &[
        "any", "uuid", "datetime", "date", "string", "number", "bool", "list", "object", "contains",
    ];

    /// What a word, and what follows it, stands for.
    pub fn of(word: &str, rest: Text) -> Option<Like> {
        Some(match word {
            "any" => Like::Any,
            "uuid" => Like::Uuid,
            "datetime" => Like::Datetime,
            "date" => Like::Date,
            "string" => Like::String,
            "number" => Like::Number,
            "bool" => Like::Bool,
            "list" => Like::List,
            "object" => Like::Object,
            "contains" => Like::Contains(rest),
            _ => return None,
        })
    }
}

impl Tree {
    /// The value, with names replaced by what they stand for. What is only [`Like`] something has no value.
    pub fn fill(&self, names: &Names) -> Result<serde_json::Value, String> {
        Ok(match &self.node {
            Node::Bool(value) => (*value).into(),
            Node::Number(number) => serde_json::Value::Number(number.clone()),
            Node::Text(text) => text.fill(names)?,
            Node::Like(_) => return Err("a pattern stands for no value".to_owned()),
            Node::List(items) => {
                let items: Result<_, _> = items.iter().map(|item| item.fill(names)).collect();
                serde_json::Value::Array(items?)
            }
            Node::Table(entries) => serde_json::Value::Object(filled(entries, names)?),
        })
    }
}

/// A table's values, filled.
pub fn filled(
    entries: &[Entry],
    names: &Names,
) -> Result<serde_json::Map<String, serde_json::Value>, String> {
    entries
        .iter()
        .map(|entry| Ok((entry.key.clone(), entry.value.fill(names)?)))
        .collect()
}
