//! What only shows once the whole app stands: rules that contradict each other, and models that are
//! probably not what somebody meant.

use super::declare::{FieldDecl, ModelDecl, ModuleDecl};
use super::names;
use super::report::{Located, Report};
use super::resolve;
use crate::expr::ExprKind;
use crate::expr::fold::{self, Known};
use crate::model::{App, Field, Model, Rule};
use crate::principal::Principal;
use crate::settings::Registration;
use crate::value::Value;
use std::sync::Arc;

pub(super) fn check(app: &App, modules: &[ModuleDecl], report: &mut Report) {
    for (model, (_, _, decl)) in app.models.iter().zip(resolve::in_order(modules)) {
        undisclosed(model, decl, report);
        if app.settings.auth.registration == Registration::Open {
            unregistrable(model, decl, report);
        }
        if !decl.built_in {
            unreachable(model, decl, report);
            unseen_writes(model, decl, report);
            uncreatable(model, decl, report);
        }
    }
}

/// `unique` tells whoever may write that a value is taken: told about a field that they may not read,
/// that has to be meant.
fn undisclosed(model: &Model, decl: &ModelDecl, report: &mut Report) {
    for field in declared(model, decl) {
        let (made, decl_field) = field;
        if made.disclose || matches!(made.read, Rule::Allow) {
            continue;
        }
        let by_index = || {
            decl.indexes
                .iter()
                .filter(|index| index.unique)
                .flat_map(|index| &index.fields)
                .find(|name| name.value == made.name)
        };
        let Some(at) = decl_field.unique.or_else(|| by_index().map(|name| name.at)) else {
            continue;
        };
        report
            .error(
                at,
                "undisclosed-unique",
                format!("`unique` would tell writers which values of `{}` there are, and its read rule hides them", made.name),
            )
            .label("a conflict answers what `read` refuses")
            .help("add `disclose = true` to the field if that one bit may be told, or drop `unique`");
    }
}

fn declared<'a>(
    model: &'a Model,
    decl: &'a ModelDecl,
) -> impl Iterator<Item = (&'a Field, &'a FieldDecl)> {
    decl.fields.iter().filter_map(|field| {
        let made = model.field_named(&field.name.value)?;
        (!made.system || made.existing.is_some()).then_some((made, field))
    })
}

/// What was said, not what became of it: a rule with a mistake denies too, and is not meant to.
fn is_denied(said: &Option<Located<String>>) -> bool {
    said.as_ref()
        .is_none_or(|text| text.value.trim() == "false")
}

fn unreachable(model: &Model, decl: &ModelDecl, report: &mut Report) {
    // They are written closed, dozens at a time, and opened one by one.
    if model.existing.is_some() {
        return;
    }
    let access = &decl.access;
    let said = [&access.read, &access.create, &access.update, &access.delete];
    if said.into_iter().all(is_denied) {
        report
            .warning(
                decl.name.at,
                "unreachable-model",
                format!(
                    "nobody but an administrator can reach `{}`",
                    model.full_name()
                ),
            )
            .help(format!(
                "if others should, say who under `[models.{}.access]`",
                model.name
            ));
    }
}

fn unseen_writes(model: &Model, decl: &ModelDecl, report: &mut Report) {
    if !is_denied(&decl.access.read) {
        return;
    }
    for (what, said) in [
        ("update", &decl.access.update),
        ("delete", &decl.access.delete),
    ] {
        if let (false, Some(text)) = (is_denied(said), said) {
            report
                .warning(
                    text.at,
                    "write-without-read",
                    format!(
                        "this `{what}` rule has no effect: nobody may read `{}`",
                        model.full_name()
                    ),
                )
                .label("a record that is not readable answers 404 to every write")
                .help("add a `read` rule that holds for the same callers");
        }
    }
}

fn uncreatable(model: &Model, decl: &ModelDecl, report: &mut Report) {
    if is_denied(&decl.access.create) {
        return;
    }
    for (made, field) in declared(model, decl) {
        let Some(write) = field.write.as_ref().filter(|_| is_denied(&field.write)) else {
            continue;
        };
        if !made.optional && field.default.is_none() {
            report
                .warning(
                    write.at,
                    "uncreatable",
                    format!(
                        "nobody can create a record: `{}` is required, and nobody may write it",
                        made.name
                    ),
                )
                .help("give it a `default`, or make it `optional`");
        }
    }
}

/// Who registers gives their own fields, as far as these fields' write rules let a new user without roles.
fn unregistrable(model: &Model, decl: &ModelDecl, report: &mut Report) {
    if model.module_name != names::AUTH || model.name != "users" {
        return;
    }
    let nobody_yet = Principal::user(uuid::Uuid::nil(), None, Arc::from([]));
    let known = Known {
        auth: Some(&nobody_yet),
        now: None,
    };
    for (made, field) in declared(model, decl) {
        let denied = match &made.write {
            Rule::Allow => false,
            Rule::Deny => is_denied(&field.write),
            Rule::When(rule) => match &fold::fold(rule, known).kind {
                ExprKind::Literal(value) => *value != Value::Bool(true),
                _ => false,
            },
        };
        // The address names the account: registering gives it, whatever its rule.
        let given = made.optional || field.default.is_some() || made.name == "email";
        if let (true, false, Some(write)) = (denied, given, &field.write) {
            report
                .warning(
                    write.at,
                    "unregistrable",
                    format!(
                        "nobody can register: `{}` is required, and who registers may not write it",
                        made.name
                    ),
                )
                .help("give it a `default`, make it `optional`, or set `registration = \"closed\"` under `[auth]`");
        }
    }
}
