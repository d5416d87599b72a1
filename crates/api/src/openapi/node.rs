//! JSON whose members keep the order in which they were added: an app's author chose that of the fields.

use serde::ser::{Serialize, SerializeMap, Serializer};
use serde_json::Value;

#[derive(Debug, Clone, PartialEq)]
pub enum Node {
    /// Whatever has no order that matters.
    Leaf(Value),
    List(Vec<Node>),
    Object(Object),
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Object(Vec<(String, Node)>);

impl Object {
    pub fn new() -> Object {
        Object::default()
    }

    pub fn with(mut self, name: impl Into<String>, value: impl Into<Node>) -> Object {
        self.add(name, value);
        self
    }

    pub fn add(&mut self, name: impl Into<String>, value: impl Into<Node>) {
        self.0.push((name.into(), value.into()));
    }

    /// The members of both.
    pub fn and(mut self, other: Object) -> Object {
        self.0.extend(other.0);
        self
    }

    /// A member that is an object.
    pub fn object_mut(&mut self, name: &str) -> Option<&mut Object> {
        let mut members = self.0.iter_mut();
        match members.find(|(known, _)| known == name)? {
            (_, Node::Object(object)) => Some(object),
            (_, Node::Leaf(_) | Node::List(_)) => None,
        }
    }

    pub fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(known, _)| known == name)
    }
}

impl Serialize for Node {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Node::Leaf(value) => value.serialize(serializer),
            Node::List(items) => serializer.collect_seq(items),
            Node::Object(object) => object.serialize(serializer),
        }
    }
}

impl Serialize for Object {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(Some(self.0.len()))?;
        for (name, value) in &self.0 {
            map.serialize_entry(name, value)?;
        }
        map.end()
    }
}

impl From<Object> for Node {
    fn from(object: Object) -> Node {
        Node::Object(object)
    }
}
impl From<Value> for Node {
    fn from(value: Value) -> Node {
        Node::Leaf(value)
    }
}
impl From<Vec<Node>> for Node {
    fn from(items: Vec<Node>) -> Node {
        Node::List(items)
    }
}
impl From<&str> for Node {
    fn from(text: &str) -> Node {
        Node::Leaf(Value::from(text))
    }
}
impl From<String> for Node {
    fn from(text: String) -> Node {
        Node::Leaf(Value::from(text))
    }
}
