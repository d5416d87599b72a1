//! What of the models can be relied on while others of their parts have mistakes: a seed is not blamed for the
//! declaration that somebody is still mending, and is held to all the rest.

use super::declare::{ModelDecl, ModuleDecl};
use super::report::{At, Report};
use super::resolve;
use crate::model::{App, ModelId};
use std::collections::HashSet;

/// The mistakes of an app, by model.
pub(super) struct Sound {
    /// By model; none where not even its key and openness are known.
    models: Vec<Option<HashSet<String>>>,
}

/// What begins at a place of a file.
#[derive(Clone, Copy)]
enum Part<'d> {
    /// Its own keys: `id`, `open`.
    Head,
    Field(&'d str),
    /// Rules, indexes: nothing that a record hangs on.
    Other,
}

impl Sound {
    pub fn of(app: &App, modules: &[ModuleDecl], report: &Report) -> Sound {
        let mut models: Vec<Option<HashSet<String>>> =
            app.models.iter().map(|_| Some(HashSet::new())).collect();
        let mut marks: Vec<(At, usize, Part<'_>)> = Vec::new();
        for (at, (_, _, decl)) in resolve::in_order(modules).enumerate() {
            marks.extend(parts(decl).map(|(place, part)| (place, at, part)));
        }
        let place = |at: &At| (at.file.0, at.span.start);
        marks.sort_by_key(|(at, _, _)| place(at));
        for error in report.diagnostics.iter().filter(|d| d.is_error()) {
            let behind =
                marks.partition_point(|(at, _, _)| place(at) <= (error.file.0, error.span.start));
            // What stands above the first mark of a file is of no model.
            let Some((_, model, part)) = behind
                .checked_sub(1)
                .map(|at| &marks[at])
                .filter(|(at, _, _)| at.file == error.file)
            else {
                continue;
            };
            let Some(slot) = models.get_mut(*model) else {
                continue;
            };
            match part {
                Part::Head => *slot = None,
                Part::Field(name) => {
                    if let Some(fields) = slot {
                        fields.insert((*name).to_owned());
                    }
                }
                Part::Other => {}
            }
        }
        // Where the key of the target is not known, neither is the relation's type.
        let unsound: Vec<bool> = models.iter().map(Option::is_none).collect();
        for (model, slot) in app.models.iter().zip(&mut models) {
            let Some(fields) = slot else { continue };
            let mut leads_there = model.fields.iter().filter(|field| {
                let to = field.relation().map(|relation| usize::from(relation.to.0));
                to.is_some_and(|to| unsound.get(to).copied().unwrap_or(true))
            });
            fields.extend(leads_there.by_ref().map(|field| field.name.clone()));
        }
        Sound { models }
    }

    /// The fields of a model of which nothing can be said; none where that is so of all of it.
    pub fn excused(&self, model: ModelId) -> Option<&HashSet<String>> {
        self.models.get(usize::from(model.0))?.as_ref()
    }
}

fn parts(decl: &ModelDecl) -> impl Iterator<Item = (At, Part<'_>)> {
    let access = &decl.access;
    let rules = [&access.read, &access.create, &access.update, &access.delete];
    let others = rules.into_iter().flatten().map(|rule| rule.at);
    let others = others
        .chain(decl.indexes.iter().map(|index| index.at))
        .chain(decl.search.iter().map(|search| search.at));
    let fields = decl.fields.iter();
    std::iter::once((decl.name.at, Part::Head))
        .chain(fields.map(|field| (field.name.at, Part::Field(&field.name.value))))
        .chain(others.map(|at| (at, Part::Other)))
}
