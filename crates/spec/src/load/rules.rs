//! Expressions: each is typed against the model it stands in, now that every model is known.

use super::declare::{FieldDecl, ModelDecl, ModuleDecl};
use super::literal;
use super::names;
use super::report::{At, Located, Report};
use super::resolve;
use crate::diagnostic::Sources;
use crate::expr::check::{Purpose, Scope, compile};
use crate::expr::{AuthField, Expr, ExprError, ExprKind, Span};
use crate::model::{Access, App, Field, FieldId, Model, ModelId, Rule};
use crate::nearest::nearest;
use crate::types::FieldType;
use crate::value::Value;
use std::collections::HashSet;
use std::sync::Arc;

pub(super) fn add(
    app: &mut App,
    modules: &[ModuleDecl],
    broken: &HashSet<String>,
    sources: &Sources,
    report: &mut Report,
) {
    let mut compiler = Compiler {
        app,
        broken,
        sources,
        report,
    };
    let compiled: Vec<ModelRules> = resolve::in_order(modules)
        .enumerate()
        .map(|(id, (_, _, decl))| compiler.model(ModelId(id as u16), decl))
        .collect();
    // Only now may the models change: until here every expression was typed against them.
    for (model, rules) in app.models.iter_mut().zip(compiled) {
        model.access = rules.access;
        for rules in rules.fields {
            let field = &mut model.fields[usize::from(rules.field.0)];
            field.default = rules.default;
            field.backfill = rules.backfill;
            field.check = rules.check;
            field.read = rules.read;
            field.write = rules.write;
        }
    }
}

struct ModelRules {
    access: Access,
    fields: Vec<FieldRules>,
}

struct FieldRules {
    field: FieldId,
    default: Option<Arc<Expr>>,
    backfill: Option<Value>,
    check: Option<Arc<Expr>>,
    read: Rule,
    write: Rule,
}

struct Compiler<'a> {
    app: &'a App,
    broken: &'a HashSet<String>,
    sources: &'a Sources,
    report: &'a mut Report,
}

impl Compiler<'_> {
    fn model(&mut self, model: ModelId, decl: &ModelDecl) -> ModelRules {
        let access = Access {
            read: self.rule(model, Purpose::Read, decl.access.read.as_ref(), Rule::Deny),
            create: self.rule(
                model,
                Purpose::Create,
                decl.access.create.as_ref(),
                Rule::Deny,
            ),
            update: self.rule(
                model,
                Purpose::Update,
                decl.access.update.as_ref(),
                Rule::Deny,
            ),
            delete: self.rule(
                model,
                Purpose::Delete,
                decl.access.delete.as_ref(),
                Rule::Deny,
            ),
        };
        let mut fields = Vec::new();
        for field in &decl.fields {
            // A field that could not be made has expressions all the same, but nothing to judge them by.
            let made = self.app.model(model).field_named(&field.name.value);
            let Some(made) = made.filter(|made| !made.system || made.existing.is_some()) else {
                continue;
            };
            fields.push(self.field(model, made, field));
        }
        ModelRules { access, fields }
    }

    fn field(&mut self, model: ModelId, field: &Field, decl: &FieldDecl) -> FieldRules {
        let default = decl.default.as_ref().and_then(|text| {
            let expr = self.expression(model, Purpose::Default(field.id), text)?;
            self.check_default(field, &expr, text.at);
            Some(expr)
        });
        let backfill = decl
            .backfill
            .as_ref()
            .and_then(|text| self.backfill(model, field, text));
        FieldRules {
            field: field.id,
            default,
            backfill,
            check: decl
                .check
                .as_ref()
                .and_then(|text| self.expression(model, Purpose::Check, text)),
            read: self.rule(model, Purpose::FieldRead, decl.read.as_ref(), Rule::Allow),
            write: self.rule(model, Purpose::FieldWrite, decl.write.as_ref(), Rule::Allow),
        }
    }

    /// What records get that are there already: one value for them all, which the field would take.
    fn backfill(&mut self, model: ModelId, field: &Field, text: &Located<String>) -> Option<Value> {
        let expr = self.expression(model, Purpose::Default(field.id), text)?;
        self.check_default(field, &expr, text.at);
        match &expr.kind {
            ExprKind::Literal(Value::Null) => None,
            ExprKind::Literal(value) => Some(value.clone()),
            _ => {
                self.report
                    .error(text.at, "bad-backfill", "a backfill is a constant")
                    .help(
                        "write a value, such as `backfill = \"0\"`; what differs from record to record is for a data \
                         step, `migrations/2026-11-28-….sql`",
                    );
                None
            }
        }
    }

    fn rule(
        &mut self,
        model: ModelId,
        purpose: Purpose,
        text: Option<&Located<String>>,
        absent: Rule,
    ) -> Rule {
        let Some(text) = text else { return absent };
        let Some(expr) = self.expression(model, purpose, text) else {
            return Rule::Deny;
        };
        match expr.kind {
            ExprKind::Literal(Value::Bool(true)) => Rule::Allow,
            ExprKind::Literal(Value::Bool(false)) => Rule::Deny,
            _ => Rule::When(expr),
        }
    }

    fn expression(
        &mut self,
        model: ModelId,
        purpose: Purpose,
        text: &Located<String>,
    ) -> Option<Arc<Expr>> {
        let scope = Scope {
            app: self.app,
            model: Some(model),
            purpose,
            closed: &[],
        };
        let errors = match compile(&text.value, &scope) {
            Ok(expr) => {
                self.never_equal(&expr, text.at);
                return Some(Arc::new(expr));
            }
            Err(errors) => errors,
        };
        let broken = self.names_broken(&text.value);
        // What touches a field that could not be made says nothing; the rest of the expression does.
        let touches = |error: &ExprError| {
            let (start, end) = (error.span.start as usize, error.span.end as usize);
            text.value
                .get(start..end)
                .is_none_or(|part| self.names_broken(part))
        };
        let errors: Vec<ExprError> = match broken {
            true => errors.into_iter().filter(|e| !touches(e)).collect(),
            false => errors,
        };
        if let false = broken
            && let Some(help) = self.unquoted(model, purpose, &text.value)
            && let Some(first) = errors.first()
        {
            // One slip, however many mistakes an expression of such words has.
            let (code, message) = (first.code, first.message.clone());
            self.report.error(text.at, code, message).help(help);
            return None;
        }
        for error in errors {
            let at = self.inside(text.at, error.span);
            let diagnostic = self.report.error(at, error.code, error.message);
            diagnostic.help = error.help;
        }
        None
    }

    /// The likeliest slip in a default that is a text: `default = "hello"`, without the quotes of its own.
    fn unquoted(&self, model: ModelId, purpose: Purpose, text: &str) -> Option<String> {
        let Purpose::Default(field) = purpose else {
            return None;
        };
        let field = self.app.model(model).field(field);
        if text.contains(['\'', '"', '\\', '(', '\n', '\0']) || text.len() > 200 {
            return None;
        }
        let text = text.trim();
        let quoted = |text: &str| format!("a text has quotes of its own: `default = \"'{text}'\"`");
        let lower = text.to_lowercase();
        match &field.ty {
            FieldType::Datetime if lower.contains("now") || lower.contains("current") => {
                Some("write `default = \"now\"`".to_owned())
            }
            FieldType::Date
                if ["now", "current", "today"]
                    .iter()
                    .any(|w| lower.contains(w)) =>
            {
                Some("write `default = \"date(now)\"`".to_owned())
            }
            FieldType::Enum { values } => {
                let near = nearest(text, values.iter().map(|value| &**value));
                near.map(quoted)
            }
            FieldType::String { .. }
            | FieldType::Text { .. }
            | FieldType::Email
            | FieldType::Url
            | FieldType::Datetime
            | FieldType::Date
            | FieldType::Uuid => Some(quoted(text)),
            _ => None,
        }
    }

    /// A key of the same type is not yet a user's. (A model could be keyed by its users' ids, so it is no error.)
    fn never_equal(&mut self, expr: &Expr, at: At) {
        let app = self.app;
        let mut found = Vec::new();
        expr.walk(&mut |expr| {
            let ExprKind::Compare { left, right, .. } = &expr.kind else {
                return;
            };
            for (one, other) in [(left, right), (right, left)] {
                if let (ExprKind::Auth(AuthField::Id), ExprKind::Field { model, field, .. }) =
                    (&one.kind, &other.kind)
                    && let field = app.model(*model).field(*field)
                    && let Some(relation) = field.relation()
                    && let target = app.model(relation.to)
                    && !is_users(target)
                {
                    found.push((expr.span, &field.name, target.full_name()));
                }
            }
        });
        for (span, field, target) in found {
            let at = self.inside(at, span);
            self.report
                .warning(
                    at,
                    "never-equal",
                    format!("`{field}` refers to `{target}`, and `auth.id` is the id of a user"),
                )
                .label("never true, unless that model's records have the ids of users")
                .help(format!(
                    "follow the relation to a user: `{field}.….user == auth.id`"
                ));
        }
    }

    /// Whether an expression names a field whose declaration is wrong: see [`resolve::Resolved::broken`].
    fn names_broken(&self, text: &str) -> bool {
        text.split(|c: char| !c.is_ascii_alphanumeric() && c != '_')
            .any(|word| self.broken.contains(word))
    }

    /// Where in the file something inside an expression is.
    fn inside(&self, string: At, span: Span) -> At {
        let (start, end) = (string.span.start as usize, string.span.end as usize);
        let raw = self
            .sources
            .get(string.file)
            .and_then(|source| source.text.get(start..end))
            .unwrap_or("");
        let from = literal::place(raw, span.start as usize);
        let to = match span.end > span.start {
            // The end of the last character, not the beginning of the next: an escape may lie between.
            true => literal::place(raw, span.end as usize),
            false => from,
        };
        At::new(string.file, start + from..start + to.max(from))
    }

    /// `auth.id` names a record of `auth.users`, whatever other model has keys of the same type.
    fn check_default_user(&mut self, field: &Field, target: &Model, at: At) {
        if is_users(target) {
            return;
        }
        self.report
            .error(
                at,
                "bad-default",
                format!(
                    "`auth.id` is the id of a user, and `{}` refers to `{}`",
                    field.name,
                    target.full_name()
                ),
            )
            .help("refer to `auth.users`, or leave the field to whoever creates the record");
    }

    /// A default that is written out can be held against the field's own limits already now.
    fn check_default(&mut self, field: &Field, expr: &Expr, at: At) {
        if let (ExprKind::Auth(AuthField::Id), Some(relation)) = (&expr.kind, field.relation()) {
            self.check_default_user(field, self.app.model(relation.to), at);
        }
        let ExprKind::Literal(value) = &expr.kind else {
            return;
        };
        if value.is_null() {
            if !field.optional {
                self.report
                    .error(
                        at,
                        "bad-default",
                        format!("`{}` is required: its default cannot be null", field.name),
                    )
                    .help("remove the default, or add `optional = true`");
            }
            return;
        }
        let why = match (&field.ty, value) {
            (FieldType::Enum { values }, Value::Text(text)) if !values.contains(text) => {
                let known: Vec<&str> = values.iter().map(|value| &**value).collect();
                super::walk::unknown_word(text, &known, at, self.report);
                return;
            }
            (FieldType::String { max } | FieldType::Text { max }, Value::Text(text)) => {
                beyond(text.chars().count(), *max).map(|length| format!("has {length} characters"))
            }
            (FieldType::List { max, .. }, Value::List(items)) => {
                beyond(items.len(), *max).map(|length| format!("has {length} items"))
            }
            (FieldType::Int { min, max }, Value::Int(n)) => outside(n, min, max),
            (FieldType::Float { min, max }, Value::Float(n)) => outside(n, min, max),
            _ => None,
        };
        if let Some(why) = why {
            self.report
                .error(
                    at,
                    "bad-default",
                    format!(
                        "this default {why}, and `{}` does not take that",
                        field.name
                    ),
                )
                .help("a record made with it would be refused");
        }
    }
}

fn is_users(model: &Model) -> bool {
    model.module_name == names::AUTH && model.name == "users"
}

fn beyond(length: usize, max: u32) -> Option<usize> {
    (length > max as usize).then_some(length)
}

fn outside<T: PartialOrd + std::fmt::Display>(
    n: &T,
    min: &Option<T>,
    max: &Option<T>,
) -> Option<String> {
    let fits = min.as_ref().is_none_or(|min| n >= min) && max.as_ref().is_none_or(|max| n <= max);
    (!fits).then(|| format!("is {n}"))
}
