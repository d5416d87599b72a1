//! Seeds: whether their lines could be records at all, as [`input`] reads bodies. What only the whole database knows,
//! unique values and whether a reference leads anywhere, shows when they are loaded.

use super::report::{At, Report};
use super::walk::list;
use crate::diagnostic::FileId;
use crate::expr::{AuthField, ExprKind};
use crate::input::{self, Input};
use crate::json::Fault;
use crate::model::{App, Field, KeyKind, Model, Rule};
use crate::nearest::nearest;
use crate::principal::{A_ROLE, ADMIN_ROLE, is_role};
use crate::settings::Settings;
use crate::types::{FieldType, ItemType};
use crate::value::Value;
use crate::{FieldError, Problem};
use serde::de::IgnoredAny;
use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;

// What a user's line may say beside the fields of the model; see `import`.
const PASSWORD: &str = "password";
const ROLES: &str = "roles";

/// What lines are held to.
#[derive(Clone, Copy)]
pub(super) struct Held<'a> {
    pub model: &'a Model,
    pub settings: &'a Settings,
    /// Fields whose declarations are still being mended: nothing is said of them.
    pub excused: &'a HashSet<String>,
    /// Roles that rules ask for.
    pub roles: &'a [Arc<str>],
}

/// The roles that the app's rules ask for, as far as they are written out.
pub(super) fn roles(app: &App) -> Vec<Arc<str>> {
    let mut found: Vec<Arc<str>> = vec![Arc::from(ADMIN_ROLE)];
    let mut look = |rule: &Rule| {
        let Rule::When(rule) = rule else { return };
        let (mut asks, mut texts) = (false, Vec::new());
        rule.walk(&mut |expr| match &expr.kind {
            ExprKind::Auth(AuthField::Roles) => asks = true,
            ExprKind::Literal(Value::Text(text)) => texts.push(Arc::clone(text)),
            _ => {}
        });
        if asks {
            found.append(&mut texts);
        }
    };
    for model in &app.models {
        let access = &model.access;
        for rule in [&access.read, &access.create, &access.update, &access.delete] {
            look(rule);
        }
        for field in &model.fields {
            look(&field.read);
            look(&field.write);
        }
    }
    found
}

/// Looks at the lines of a text, whose last one may be cut off where `cut`.
pub(super) fn check(text: &str, cut: bool, held: Held<'_>, file: FileId, report: &mut Report) {
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        let (from, whole) = (start, line.ends_with('\n') || !cut);
        start += line.len();
        if report.is_full(file) {
            return;
        }
        if !line.trim().is_empty() && whole {
            let from = from + line.len() - line.trim_start().len();
            Line {
                text: line.trim(),
                from,
                file,
                model: held.model,
                held,
            }
            .check(report);
        }
    }
}

struct Line<'a> {
    text: &'a str,
    /// Its first byte in the file.
    from: usize,
    file: FileId,
    model: &'a Model,
    held: Held<'a>,
}

impl Line<'_> {
    fn check(&self, report: &mut Report) {
        let read = match input::read(self.model, self.text.as_bytes(), &self.held.settings.limits) {
            Ok(read) => read,
            Err(problem) => return self.malformed(&problem, report),
        };
        let is_users = self.model.module_name == super::names::AUTH && self.model.name == "users";
        let mut misspelt = Vec::new();
        for error in &read.errors {
            let name = field_of(error);
            if self.held.excused.contains(&name) {
                continue;
            }
            match self.model.field_named(&name) {
                Some(field) => self.wrong(field, &error.detail, report),
                None if is_users && name == PASSWORD => self.password(report),
                None if is_users && name == ROLES => self.roles(report),
                None if error.code == "unknown" && !self.model.open => {
                    misspelt.extend(nearest(&name, self.fields()));
                    self.unknown(&name, report);
                }
                None => self.refused(&name, &error.detail, "leave it out", report),
            }
        }
        let version = self.model.field(self.model.version());
        if read.get(version.id).is_some() && !read.errors.iter().any(|e| e.is_at(&version.name)) {
            let detail = "`version` counts the changes of a record, from 1";
            self.refused(&version.name, detail, "leave it out", report);
        }
        self.missing(&read, &misspelt, report);
    }

    /// A member as a value; null where there is none.
    fn member(&self, name: &str) -> serde_json::Value {
        let read = serde_json::from_str::<serde_json::Value>(self.text);
        read.ok()
            .and_then(|mut line| line.get_mut(name).map(serde_json::Value::take))
            .unwrap_or_default()
    }

    fn password(&self, report: &mut Report) {
        let least = self.held.settings.auth.password_min;
        let said = match self.member(PASSWORD).as_str() {
            None => "`password` is not a string".to_owned(),
            Some(text) if text.chars().count() < least as usize => {
                format!("`password` has less than {least} characters")
            }
            Some(_) => return,
        };
        let help = format!("write a password of at least {least} characters, in quotes");
        self.refused(PASSWORD, &said, &help, report);
    }

    fn roles(&self, report: &mut Report) {
        let roles = self.member(ROLES);
        let Some(roles) = roles.as_array() else {
            let help = "write `\"roles\": [\"admin\"]`";
            return self.refused(ROLES, "`roles` is not a list", help, report);
        };
        for role in roles {
            let known = self.held.roles.iter().map(|role| &**role);
            match role.as_str() {
                Some(role) if is_role(role) => {
                    if let Some(near) = nearest(role, known).filter(|near| *near != role) {
                        report
                            .warning(
                                self.key(ROLES),
                                "unknown-role",
                                format!("no rule asks for the role `{role}`"),
                            )
                            .label(format!("did you mean `{near}`?"));
                    }
                }
                Some(_) | None => {
                    let said = format!("{role} is no role");
                    self.refused(ROLES, &said, &format!("a role is {A_ROLE}"), report);
                }
            }
        }
    }

    /// Fields without a value that must have one. One slip is one mistake: a misspelt field is not missing too.
    fn missing(&self, read: &Input, misspelt: &[&str], report: &mut Report) {
        for field in self.model.fields.iter().filter(|field| !field.system) {
            let name = &field.name;
            let excused = field.optional
                || self.held.excused.contains(name)
                || misspelt.contains(&name.as_str());
            if excused || read.errors.iter().any(|error| error.is_at(name)) {
                continue;
            }
            // A default is for fields that are left out.
            let said = match read.get(field.id) {
                Some(value) if value.is_null() => format!("`{name}` is required, and null here"),
                None if field.default.is_none() => {
                    format!("this record has no `{name}`, which is required")
                }
                _ => continue,
            };
            let help = match field.default {
                Some(_) => "leave it out, and it gets its default".to_owned(),
                None => format!(
                    "add `\"{name}\": …`, or give the field a `default` or `optional = true`"
                ),
            };
            let at = match read.get(field.id) {
                Some(_) => self.key(name),
                None => At::new(self.file, self.from..self.from + 1),
            };
            report.error(at, "bad-seed", said).help(help);
        }
    }

    fn malformed(&self, problem: &Problem, report: &mut Report) {
        let (at, what) = match serde_json::from_str::<BTreeMap<String, IgnoredAny>>(self.text) {
            Err(error) => {
                // Columns are bytes from 1.
                let at = error.column().saturating_sub(1).min(self.text.len());
                let fault = Fault::of(self.text.as_bytes(), &error);
                let what = format!("this line is no JSON object: {}", fault.what);
                (self.text.floor_char_boundary(at), what)
            }
            Ok(_) => (0, problem.detail.trim_end_matches('.').to_owned()),
        };
        let at = self.from + at;
        report
            .error(At::new(self.file, at..at), "bad-seed", what)
            .help("a seed is one JSON object a line, without commas between the lines");
    }

    fn unknown(&self, name: &str, report: &mut Report) {
        let diagnostic = report.error(
            self.key(name),
            "bad-seed",
            format!("`{}` has no field `{name}`", self.model.full_name()),
        );
        match nearest(name, self.fields()) {
            Some(near) => diagnostic
                .label(format!("did you mean `{near}`?"))
                .help(format!("write `{near}`, or declare the field")),
            None => diagnostic.help(format!("there are {}", list(self.fields()))),
        };
    }

    fn fields(&self) -> impl Iterator<Item = &str> {
        let fields = self.model.fields.iter().filter(|field| !field.system);
        fields.map(|field| field.name.as_str())
    }

    fn wrong(&self, field: &Field, detail: &str, report: &mut Report) {
        let wanted = wanted(field, self.model.key);
        self.refused(&field.name, detail, &wanted, report);
    }

    fn refused(&self, name: &str, detail: &str, help: &str, report: &mut Report) {
        report
            .error(self.key(name), "bad-seed", detail.trim_end_matches('.'))
            .help(help);
    }

    /// Where a key stands, or the beginning of the line where it has escapes.
    fn key(&self, name: &str) -> At {
        let quoted = format!("\"{name}\"");
        let found = self.text.match_indices(&quoted).find(|(at, _)| {
            let after = self.text[at + quoted.len()..].trim_start();
            after.starts_with(':')
        });
        let (at, length) = found.map_or((0, 1), |(at, _)| (at, quoted.len()));
        At::new(self.file, self.from + at..self.from + at + length)
    }
}

/// The name that the pointer of an error begins with.
fn field_of(error: &FieldError) -> String {
    let name = error.pointer.split('/').nth(1).unwrap_or_default();
    name.replace("~1", "/").replace("~0", "~")
}

/// What a field takes, for who wrote something else.
fn wanted(field: &Field, key: KeyKind) -> String {
    if field.id == crate::model::ID {
        return of_key(key).to_owned();
    }
    match &field.ty {
        FieldType::String { max } | FieldType::Text { max } => {
            format!("write a string in quotes, of at most {max} characters")
        }
        FieldType::Email => "write an address in quotes: `\"anna@example.com\"`".to_owned(),
        FieldType::Url => "write an address in quotes: `\"https://example.com\"`".to_owned(),
        FieldType::Enum { values } => {
            let values = super::walk::choice(values.iter().map(|known| &**known));
            format!("write {values}")
        }
        FieldType::Int { min, max } => bounded("write a whole number, without quotes", *min, *max),
        FieldType::Float { min, max } => bounded("write a number, without quotes", *min, *max),
        FieldType::Decimal { scale } => {
            format!("write a number in quotes, with at most {scale} digits behind the point")
        }
        FieldType::Bool => "write `true` or `false`, without quotes".to_owned(),
        FieldType::Datetime => "write a moment in quotes: `\"2026-01-31T12:00:00Z\"`".to_owned(),
        FieldType::Date => "write a day in quotes: `\"2026-01-31\"`".to_owned(),
        FieldType::Uuid => "write a uuid in quotes".to_owned(),
        FieldType::Relation { key, .. } => of_key(*key).to_owned(),
        FieldType::Json => "write JSON".to_owned(),
        FieldType::List { items, max } => format!(
            "write a list of at most {max} values of type `{}`",
            item_name(*items)
        ),
    }
}

fn bounded<T: std::fmt::Display>(what: &str, min: Option<T>, max: Option<T>) -> String {
    match (min, max) {
        (None, None) => what.to_owned(),
        (Some(min), None) => format!("{what}, of at least {min}"),
        (None, Some(max)) => format!("{what}, of at most {max}"),
        (Some(min), Some(max)) => format!("{what}, from {min} to {max}"),
    }
}

fn of_key(key: KeyKind) -> &'static str {
    match key {
        KeyKind::Int => "write the id of a record, a whole number without quotes",
        KeyKind::Uuid => "write the id of a record, a uuid in quotes",
        KeyKind::String => "write the id of a record, in quotes",
    }
}

fn item_name(items: ItemType) -> &'static str {
    match items {
        ItemType::String => "string",
        ItemType::Int => "int",
        ItemType::Float => "float",
        ItemType::Bool => "bool",
    }
}
