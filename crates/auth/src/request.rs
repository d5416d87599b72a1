//! Bodies of the operations of this room: one flat JSON object, read strictly, every failure at once.

use crate::passwords::{self, Password};
use serde::de::{Deserializer, MapAccess, Visitor};
use serde_json::value::RawValue;
use spec::input::malformed_at;
use spec::json::write_string;
use spec::nearest::nearest;
use spec::problem::Result;
use spec::{Code, FieldError, Problem};
use std::fmt;
use zeroize::Zeroizing;

/// No body of this room has more than a few, and the fields that an app adds to its users.
const MOST_MEMBERS: usize = 256;

/// An object's members that nobody has asked for yet.
pub struct Body<'b> {
    members: Vec<(String, &'b RawValue)>,
    asked: Vec<&'static str>,
    errors: Vec<FieldError>,
}

impl<'b> Body<'b> {
    /// What is not JSON is a malformed request; JSON that is no object is invalid.
    pub fn read(body: &'b [u8]) -> Result<Body<'b>> {
        let malformed = |detail: String| Problem::new(Code::MalformedJson, detail);
        let text = std::str::from_utf8(body).map_err(|error| {
            malformed(format!(
                "The body is not UTF-8: byte {} is wrong.",
                error.valid_up_to()
            ))
        })?;
        // The whole text is gone over before anything is said about its shape.
        let raw: &RawValue =
            serde_json::from_str(text).map_err(|error| malformed_at(body, &error))?;
        if !raw.get().starts_with('{') {
            let error = FieldError {
                pointer: String::new(),
                code: "type",
                detail: "The body must be a JSON object.".to_owned(),
            };
            return Err(Problem::invalid(vec![error]));
        }
        let members = serde_json::Deserializer::from_str(text)
            .deserialize_map(Members)
            .map_err(|error| malformed_at(body, &error))?;
        Ok(Body {
            members,
            asked: Vec::new(),
            errors: Vec::new(),
        })
    }

    /// The text under a name, or an error and an empty text.
    pub fn text(&mut self, name: &'static str, most: usize) -> String {
        self.asked.push(name);
        let Some(at) = self.members.iter().position(|(known, _)| known == name) else {
            self.wrong(name, "required", format!("{name} is required."));
            return String::new();
        };
        let (_, raw) = self.members.remove(at);
        if raw.get() == "null" {
            self.wrong(name, "required", format!("{name} is required."));
            return String::new();
        }
        let Ok(text) = serde_json::from_str::<String>(raw.get()) else {
            self.wrong(name, "type", format!("{name} must be a string."));
            return String::new();
        };
        if text.contains('\0') {
            self.wrong(name, "type", format!("{name} contains U+0000."));
            return String::new();
        }
        if text.len() > most {
            self.wrong(
                name,
                "too_long",
                format!("{name} is longer than {most} bytes."),
            );
            return String::new();
        }
        text
    }

    /// A password that may be the right one.
    pub fn password(&mut self, name: &'static str) -> Password {
        Zeroizing::new(self.text(name, passwords::MOST_BYTES))
    }

    /// A password that is to be: of `least` characters.
    pub fn new_password(&mut self, name: &'static str, least: u32) -> Password {
        let errors = self.errors.len();
        let password = self.password(name);
        if self.errors.len() == errors {
            self.errors.extend(passwords::check(name, &password, least));
        }
        password
    }

    pub fn wrong(&mut self, name: &str, code: &'static str, detail: String) {
        self.errors.push(FieldError::at(name, code, detail));
    }

    pub fn has(&self, name: &str) -> bool {
        self.members.iter().any(|(known, _)| known == name)
    }

    /// Everything has been asked for: what is left is not known here.
    pub fn end(mut self) -> Result<()> {
        for (name, _) in std::mem::take(&mut self.members) {
            let shown: String = name.chars().take(60).collect();
            let hint = nearest(&name, self.asked.iter().copied())
                .map(|near| format!("; did you mean {near}?"))
                .unwrap_or_default();
            self.wrong(&name, "unknown", format!("There is no {shown} here{hint}"));
        }
        if self.errors.is_empty() {
            Ok(())
        } else {
            Err(Problem::invalid(self.errors))
        }
    }

    /// What is left as an object, for others to judge; and what has been found wrong so far.
    pub fn rest(self) -> (Vec<u8>, Vec<FieldError>) {
        let mut out = vec![b'{'];
        for (at, (name, raw)) in self.members.iter().enumerate() {
            if at > 0 {
                out.push(b',');
            }
            write_string(&mut out, name);
            out.push(b':');
            out.extend_from_slice(raw.get().as_bytes());
        }
        out.push(b'}');
        (out, self.errors)
    }
}

struct Members;

impl<'de> Visitor<'de> for Members {
    type Value = Vec<(String, &'de RawValue)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(
        self,
        mut map: A,
    ) -> std::result::Result<Self::Value, A::Error> {
        let mut members: Self::Value = Vec::new();
        // Compared as what they mean: `"a"` and `"\u0061"` are one key.
        while let Some(name) = map.next_key::<String>()? {
            // Each is compared with those before it.
            if members.len() >= MOST_MEMBERS {
                return Err(serde::de::Error::custom(format_args!(
                    "it has more than {MOST_MEMBERS} members"
                )));
            }
            if members.iter().any(|(known, _)| *known == name) {
                let shown: String = name.chars().take(60).collect();
                return Err(serde::de::Error::custom(format_args!(
                    "the key {shown} is there twice"
                )));
            }
            members.push((name, map.next_value()?));
        }
        Ok(members)
    }
}
