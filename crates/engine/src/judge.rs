//! Deciding a write: types first, then rules, then checks. A rule is decided in memory where it can be; one
//! that needs other records is asked of the store: of the stored record while it is read, and of the
//! resulting one in the `where` of the statement that writes.

use crate::conflict::swallowed;
use crate::record::Record;
use plan::Caller;
use plan::access::{self, Verb};
use plan::read::Planner;
use spec::expr::eval::{self, Env};
use spec::expr::{Expr, ExprKind, Type};
use spec::input::Input;
use spec::problem::Result;
use spec::types::ColumnType;
use spec::{
    App, Code, Dialect, Field, FieldError, FieldId, Model, ModelId, Principal, Problem, Rule,
    Value, fit,
};
use std::sync::Arc;

/// Everything a decision needs, owned: on SQLite it is taken on the writer's thread.
#[derive(Clone)]
pub struct Judge {
    pub app: Arc<App>,
    pub principal: Principal,
    pub now: i64,
    pub dialect: Dialect,
    pub model: ModelId,
    /// The record to create is the caller's own account, named by this field: neither the create rule nor the
    /// field's write rule has anybody to ask about.
    pub registers: Option<FieldId>,
}

/// A question about the stored record: its answer is computed, or it was asked with the record.
#[derive(Debug, Clone)]
pub enum Question {
    Memory(Rule),
    /// Which of the answers that came with the record.
    Asked(usize),
}

/// The rules that must be asked of the store together with the record.
#[derive(Debug, Clone, Default)]
pub struct Questions {
    pub rules: Vec<Rule>,
}

impl Questions {
    pub fn add(&mut self, rule: Rule) -> Question {
        if traverses(&rule) {
            self.rules.push(rule);
            Question::Asked(self.rules.len() - 1)
        } else {
            Question::Memory(rule)
        }
    }
}

/// What the caller sees of a model's records, its rules folded once for many of them.
pub struct Sees<'j> {
    judge: &'j Judge,
    read: Rule,
    /// By field; None where a rule needs other records to tell.
    fields: Option<Vec<Rule>>,
}

impl Sees<'_> {
    /// Whether they see the record at all.
    pub fn record(&self, record: &Record) -> bool {
        self.judge.holds(&self.read, record, None)
    }

    /// Which of its fields; None where other records are needed to tell.
    pub fn fields(&self, record: &Record) -> Option<Vec<bool>> {
        let holds = |rule| self.judge.holds(rule, record, None);
        Some(self.fields.as_ref()?.iter().map(holds).collect())
    }

    /// Its JSON, or none where they do not see it.
    pub fn json(&self, record: &Record) -> Option<Option<Vec<u8>>> {
        if !self.record(record) {
            return Some(None);
        }
        let fields = self.fields(record)?;
        let is_shown = |field: FieldId| fields[usize::from(field.0)];
        Some(Some(record.answer(self.judge.model(), is_shown)))
    }
}

pub fn traverses(rule: &Rule) -> bool {
    matches!(rule, Rule::When(expr) if expr.traverses())
}

/// All of these rules.
pub fn all_of(rules: Vec<Rule>) -> Option<Rule> {
    let mut parts: Vec<Expr> = Vec::new();
    for rule in rules {
        match rule {
            Rule::Allow => {}
            Rule::Deny => return Some(Rule::Deny),
            Rule::When(expr) => parts.push((*expr).clone()),
        }
    }
    match parts.len() {
        0 => None,
        _ => Some(Rule::When(Arc::new(Expr {
            span: parts[0].span,
            kind: ExprKind::And(parts),
            ty: Type::Bool,
        }))),
    }
}

impl Judge {
    pub fn model(&self) -> &Model {
        self.app.model(self.model)
    }

    pub fn caller(&self) -> Caller<'_> {
        Caller {
            principal: &self.principal,
            now: self.now,
        }
    }

    pub fn planner(&self) -> Planner<'_> {
        Planner {
            app: &self.app,
            dialect: self.dialect,
            caller: self.caller(),
        }
    }

    fn env<'e>(&'e self, this: &'e Record, old: Option<&'e Record>) -> Env<'e> {
        Env {
            this: this.for_eval(),
            old: old.map(Record::for_eval),
            auth: &self.principal,
            now: self.now,
            related: None,
        }
    }

    /// Whether a rule holds, in memory. One that fails (overflow, division by zero) denies.
    pub fn holds(&self, rule: &Rule, this: &Record, old: Option<&Record>) -> bool {
        match rule {
            Rule::Allow => true,
            Rule::Deny => false,
            Rule::When(expr) => eval::holds(expr, &self.env(this, old)).unwrap_or(false),
        }
    }

    pub fn answer(&self, question: &Question, stored: &Record, answers: &[Value]) -> bool {
        match question {
            Question::Memory(rule) => self.holds(rule, stored, Some(stored)),
            Question::Asked(n) => answers.get(*n) == Some(&Value::Bool(true)),
        }
    }

    /// The refusal of what is readable but not allowed.
    pub fn denied(&self, verb: &str) -> Problem {
        let model = self.model().full_name();
        if self.principal.is_anonymous() {
            Problem::new(
                Code::Unauthenticated,
                format!("Sign in to {verb} records of {model}."),
            )
        } else {
            Problem::new(
                Code::Forbidden,
                format!("The {verb} rule of {model} does not allow this."),
            )
        }
    }

    /// What a write is that touched no row although nobody else moved it. A rule that was asked in the statement
    /// (`guarded`) does not hold; where none was, a trigger or rewrite rule of an existing table took its place, and all
    /// of it is undone.
    pub fn missed(&self, verb: &str, guarded: bool) -> Problem {
        let model = self.model();
        match model.existing {
            Some(_) if !guarded => swallowed(model, verb),
            _ => self.denied(verb),
        }
    }

    /// What a default computes for a record so far. What the field does not keep is a mistake of whoever left the
    /// field out: the default is computed of what they gave.
    pub fn default_of(
        &self,
        field: &Field,
        so_far: &Record,
        errors: &mut Vec<FieldError>,
    ) -> Value {
        let Some(default) = &field.default else {
            return Value::Null;
        };
        let value = match eval::eval(default, &self.env(so_far, None)) {
            Ok(Value::List(items)) => Value::Json(list_text(&items).into()),
            Ok(value) => value,
            Err(_) => Value::Null,
        };
        fit::fitted(field, value).unwrap_or_else(|error| {
            let detail = format!(
                "{} was left out, and its default does not fit: {}",
                field.name, error.detail
            );
            errors.push(FieldError::at(&field.name, error.code, detail));
            Value::Null
        })
    }

    /// What the caller chose: what they gave, and relations that a default computes of it.
    pub fn chosen(&self, input: &Input, key: Option<&Value>) -> Vec<(FieldId, Value)> {
        let mut chosen = input.fields.clone();
        let computed = |field: &&Field| {
            let of_fields = |default: &Arc<Expr>| !default.is_about_caller();
            field.relation().is_some()
                && input.get(field.id).is_none()
                && field.default.as_ref().is_some_and(of_fields)
        };
        let mut fields = self.model().fields.iter().filter(computed).peekable();
        if fields.peek().is_some() {
            let record = self.blank(input, key, &mut Vec::new());
            chosen.extend(fields.map(|field| (field.id, record.get(field.id).clone())));
        }
        chosen
    }

    /// Every check that the record does not meet. A field without a value has nothing to check.
    pub fn checks(&self, record: &Record, old: Option<&Record>, errors: &mut Vec<FieldError>) {
        for field in &self.model().fields {
            if let Some(check) = &field.check
                && !record.get(field.id).is_null()
            {
                let env = self.env(record, old);
                match eval::holds(check, &env) {
                    Ok(true) => {}
                    Ok(false) => errors.push(FieldError::at(
                        &field.name,
                        "check",
                        format!("{} must satisfy: {}.", field.name, self.printed(check)),
                    )),
                    Err(_) => errors.push(FieldError::at(
                        &field.name,
                        "check",
                        format!(
                            "{} cannot be checked: {} fails for it.",
                            field.name,
                            self.printed(check)
                        ),
                    )),
                }
            }
        }
    }

    fn printed(&self, expr: &Expr) -> String {
        spec::expr::print::print(expr, &self.app, Some(self.model))
    }

    /// Fields that lack a value and must have one; those with an error of their own are not named again.
    pub fn missing(&self, record: &Record, errors: &mut Vec<FieldError>) {
        let assigned = self.model().key == spec::KeyKind::Int;
        for field in &self.model().fields {
            let by_store = field.id == spec::model::ID && assigned;
            if field.optional || by_store || !record.get(field.id).is_null() {
                continue;
            }
            if !errors.iter().any(|e| e.is_at(&field.name)) {
                errors.push(FieldError::at(
                    &field.name,
                    "required",
                    format!("{} is required.", field.name),
                ));
            }
        }
    }

    /// What the caller sees of records that are in memory. None where a rule needs other records to tell, or where only
    /// the database knows what was made of the record (defaults, triggers, its version).
    pub fn sees(&self) -> Option<Sees<'_>> {
        let (model, caller) = (self.model(), self.caller());
        let read = access::rule(model, Verb::Read, caller);
        if traverses(&read) || model.existing.is_some() {
            return None;
        }
        Some(Sees {
            judge: self,
            read,
            fields: self.field_rules(),
        })
    }

    fn field_rules(&self) -> Option<Vec<Rule>> {
        let rules = self.model().fields.iter().map(|field| {
            let rule = access::field_read(field, self.caller());
            (!traverses(&rule)).then_some(rule)
        });
        rules.collect()
    }

    /// Which fields of a record the caller sees, who may read it; None where other records are needed to tell.
    pub fn fields_of(&self, record: &Record) -> Option<Vec<bool>> {
        let rules = self.field_rules()?;
        Some(
            rules
                .iter()
                .map(|rule| self.holds(rule, record, None))
                .collect(),
        )
    }

    /// Refuses fields that the caller may not write: a 403 that points at each.
    pub fn field_denials(&self, denied: &[&str]) -> Result<()> {
        if denied.is_empty() {
            return Ok(());
        }
        let errors: Vec<FieldError> = denied
            .iter()
            .map(|name| FieldError::at(name, "forbidden", format!("You may not write {name}.")))
            .collect();
        let code = if self.principal.is_anonymous() {
            Code::Unauthenticated
        } else {
            Code::FieldForbidden
        };
        Err(
            Problem::new(code, format!("You may not write {}.", denied.join(", ")))
                .with_errors(errors),
        )
    }
}

/// A list of scalars as canonical JSON.
fn list_text(items: &[Value]) -> String {
    let mut out = vec![b'['];
    for (i, item) in items.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let ty = match item {
            Value::Int(_) => ColumnType::Int,
            Value::Float(_) => ColumnType::Float,
            Value::Bool(_) => ColumnType::Bool,
            _ => ColumnType::Text,
        };
        spec::json::write_value(&mut out, item, ty);
    }
    out.push(b']');
    String::from_utf8(out).unwrap_or_default()
}
