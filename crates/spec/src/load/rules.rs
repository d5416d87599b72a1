//! Expressions: each is typed against the model it stands in, now that every model is known.

use super::declare::ModuleDecl;
use super::indexes;
use super::report::Report;
use super::resolve;
use crate::diagnostic::Sources;
use crate::model::{App, Rule};
use std::collections::HashSet;

pub(super) fn add(
    app: &mut App,
    modules: &[ModuleDecl],
    broken: &HashSet<String>,
    _sources: &Sources,
    report: &mut Report,
) {
    for (id, (_, _, decl)) in resolve::in_order(modules).enumerate() {
        let rule = |text: &Option<super::report::Located<String>>| match text
            .as_ref()
            .map(|t| t.value.trim())
        {
            Some("true") => Rule::Allow,
            _ => Rule::Deny,
        };
        let model = &mut app.models[id];
        model.access.read = rule(&decl.access.read);
        model.access.create = rule(&decl.access.create);
        model.access.update = rule(&decl.access.update);
        model.access.delete = rule(&decl.access.delete);
        indexes::add(model, decl, &|name| broken.contains(name), report);
    }
}
