//! Declarations → models: every name that one declaration says of another is looked up here.
//!
//! What comes out is a whole app but for its expressions, which can only be typed once it exists.

use super::declare::{FieldDecl, ModelDecl, ModuleDecl, TypeDecl};
use super::existing;
use super::names;
use super::report::{At, Located, Report};
use super::walk::list;
use crate::key::MAX_TEXT;
use crate::model::{
    Access, Field, FieldId, Inverse, KeyKind, Model, ModelId, Module, ModuleId, OnDelete, Rule,
};
use crate::nearest::nearest;
use crate::statement::Key;
use crate::types::FieldType;
use std::collections::{HashMap, HashSet};
use std::sync::Arc;

/// What fits the ids, with room to spare; an app of this size is several apps.
const MAX_MODELS: usize = 2_000;

pub(super) struct Resolved {
    pub modules: Vec<Module>,
    pub models: Vec<Model>,
    /// Names of fields that are declared and could not be made: what an expression says about them
    /// cannot be judged, and complaining about it would only repeat the first complaint.
    pub broken: HashSet<String>,
}

/// Models in the order of their ids, with the module of each.
pub(super) fn in_order(
    modules: &[ModuleDecl],
) -> impl Iterator<Item = (usize, &ModuleDecl, &ModelDecl)> {
    modules
        .iter()
        .enumerate()
        .flat_map(|(at, module)| module.models.iter().map(move |model| (at, module, model)))
        .take(MAX_MODELS)
}

/// Puts what an app says in `modules/auth/module.toml` into the built-in module.
pub(super) fn extend_auth(built_in: &mut ModuleDecl, app: ModuleDecl, report: &mut Report) {
    if let Some(schema) = &app.schema {
        report
            .error(
                schema.at,
                "built-in",
                "the tables of `auth` are Mainstay's own",
            )
            .help("declare the tables that are there in a module of another name");
    }
    for model in app.models {
        match built_in
            .models
            .iter_mut()
            .find(|known| known.name.value == model.name.value)
        {
            Some(known) => extend_model(known, model, report),
            None => built_in.models.push(model),
        }
    }
}

fn extend_model(known: &mut ModelDecl, app: ModelDecl, report: &mut Report) {
    for (key, at) in [
        ("id", app.id.map(|id| id.at)),
        ("open", app.open.map(|open| open.at)),
        ("changes", app.changes.map(|changes| changes.at)),
        ("renamed_from", app.renamed_from.map(|old| old.at)),
        ("table", app.table.map(|table| table.at)),
        ("key", app.key.map(|key| key.at)),
        ("key_native", app.key_native.map(|native| native.at)),
    ] {
        if let Some(at) = at {
            report
                .error(
                    at,
                    "built-in",
                    format!("`{key}` of `auth.users` cannot be changed"),
                )
                .help("an app may add fields and indexes to it, and replace its rules");
        }
    }
    for field in app.fields {
        names::check_user_field(&field.name, report);
        if known
            .fields
            .iter()
            .any(|f| f.name.value == field.name.value)
        {
            report
                .error(
                    field.name.at,
                    "built-in",
                    format!("`auth.users` has `{}` already", field.name.value),
                )
                .label("this field is built in")
                .help("leave it out, or choose another name");
            continue;
        }
        known.fields.push(field);
    }
    if let Some(create) = &app.access.create {
        report
            .error(create.at, "built-in", "users are created by registering, by administrators and by seeds alone")
            .help("remove this rule; who may register is `registration` under `[auth]` in mainstay.toml");
    }
    for (known, app) in [
        (&mut known.access.read, app.access.read),
        (&mut known.access.update, app.access.update),
        (&mut known.access.delete, app.access.delete),
    ] {
        if app.is_some() {
            *known = app;
        }
    }
    known.indexes.extend(app.indexes);
    known.search = app.search;
}

pub(super) fn resolve(modules: &[ModuleDecl], report: &mut Report) -> Resolved {
    if let Some(first) = modules.iter().flat_map(|m| &m.models).nth(MAX_MODELS) {
        report.error(
            first.name.at,
            "too-many",
            format!("an app has at most {MAX_MODELS} models"),
        );
    }
    let mut resolver = Resolver {
        targets: HashMap::new(),
        modules,
        broken: HashSet::new(),
        report,
    };
    for (id, (_, module, model)) in in_order(modules).enumerate() {
        let target = Target {
            id: ModelId(id as u16),
            key: model.id.as_ref().map_or(KeyKind::Uuid, |id| id.value),
        };
        resolver
            .targets
            .insert((module.name.as_str(), model.name.value.as_str()), target);
    }
    let mut models: Vec<Model> = in_order(modules)
        .enumerate()
        .map(|(id, (module_id, module, decl))| resolver.model(id, module_id, module, decl))
        .collect();
    resolver.inverses(&mut models);
    let modules = modules
        .iter()
        .enumerate()
        .map(|(at, module)| Module {
            id: ModuleId(at as u16),
            name: module.name.clone(),
            models: models
                .iter()
                .filter(|model| usize::from(model.module.0) == at)
                .map(|model| model.id)
                .collect(),
        })
        .collect();
    Resolved {
        modules,
        models,
        broken: resolver.broken,
    }
}

#[derive(Clone, Copy)]
struct Target {
    id: ModelId,
    key: KeyKind,
}

struct Resolver<'a> {
    /// By module and model.
    targets: HashMap<(&'a str, &'a str), Target>,
    modules: &'a [ModuleDecl],
    broken: HashSet<String>,
    report: &'a mut Report,
}

impl Resolver<'_> {
    fn model(
        &mut self,
        id: usize,
        module_id: usize,
        module: &ModuleDecl,
        decl: &ModelDecl,
    ) -> Model {
        let key = decl.id.as_ref().map_or(KeyKind::Uuid, |id| id.value);
        let mut fields = vec![system("id", key_type(key), false)];
        let existing = existing::of_model(module, decl);
        let system_fields = match existing {
            None => &["id", "created_at", "updated_at", "version"][..],
            Some(_) => &["id", "version"],
        };
        for field in &decl.fields {
            let taken = system_fields.contains(&field.name.value.as_str());
            match self.field_type(module, decl, field) {
                Some(ty) if !taken => {
                    let mut made = declared(field, ty);
                    if existing.is_some() {
                        existing::settle(&mut made, field);
                    }
                    fields.push(made);
                }
                Some(_) => {}
                None => {
                    self.broken.insert(field.name.value.clone());
                }
            }
        }
        if existing.is_none() {
            fields.push(system("created_at", FieldType::Datetime, false));
            fields.push(system("updated_at", FieldType::Datetime, false));
        }
        fields.push(system(
            "version",
            FieldType::Int {
                min: Some(1),
                max: None,
            },
            true,
        ));
        let is_existing = existing.is_some();
        for (at, field) in fields.iter_mut().enumerate() {
            field.id = FieldId(at as u16);
        }
        Model {
            id: ModelId(id as u16),
            module: ModuleId(module_id as u16),
            module_name: module.name.clone(),
            name: decl.name.value.clone(),
            renamed_from: decl.renamed_from.as_ref().map(|old| old.value.clone()),
            key,
            existing,
            open: decl.open.as_ref().is_some_and(|open| open.value),
            changes: match &decl.changes {
                Some(changes) => changes.value,
                None => !is_existing,
            },
            fields,
            access: Access::closed(),
            indexes: Vec::new(),
            search: Vec::new(),
            inverses: Vec::new(),
            taken: Arc::default(),
            logged: Arc::default(),
        }
    }

    fn field_type(
        &mut self,
        module: &ModuleDecl,
        model: &ModelDecl,
        field: &FieldDecl,
    ) -> Option<FieldType> {
        match field.ty.as_ref()? {
            TypeDecl::Plain(ty) => Some(ty.clone()),
            TypeDecl::Relation {
                to,
                on_delete,
                inverse,
            } => {
                let (target_module, target) = self.target(&module.name, to)?;
                let inside = target_module == module.name;
                if let (false, Some(inverse)) = (inside, inverse) {
                    self.report
                        .error(
                            inverse.at,
                            "crosses-module",
                            "`inverse` is for relations inside a module",
                        )
                        .label(format!("`{}` is in the module `{target_module}`", to.value))
                        .help("remove it: across modules a relation is followed forwards only");
                }
                let users = module.name == "auth" && model.name.value == "users";
                if let (true, Some(said)) = (users, on_delete)
                    && said.value == "cascade"
                {
                    self.report
                        .error(
                            said.at,
                            "bad-on-delete",
                            "a user is not deleted along with another record",
                        )
                        .label(
                            "passwords, sessions and roles go with a user who is deleted by name",
                        )
                        .help("choose `restrict`, or make it optional with `set_null`");
                    return None;
                }
                Some(FieldType::Relation {
                    to: target.id,
                    key: target.key,
                    on_delete: self.on_delete(field, on_delete.as_ref(), inside)?,
                })
            }
        }
    }

    /// The model that `to` names, with its module.
    fn target(&mut self, module: &str, to: &Located<String>) -> Option<(String, Target)> {
        let (target_module, model) = to.value.split_once('.').unwrap_or((module, &to.value));
        if let Some(target) = self.targets.get(&(target_module, model)) {
            return Some((target_module.to_owned(), *target));
        }
        self.report_no_target(module, to);
        None
    }

    fn report_no_target(&mut self, module: &str, to: &Located<String>) {
        let (target_module, model) = to.value.split_once('.').unwrap_or((module, &to.value));
        let has_module = self.modules.iter().any(|m| m.name == target_module);
        let bare = !to.value.contains('.');
        // As each would be written here; not looked for where it would not be shown.
        let shown = !self.report.is_full(to.at.file);
        let mut known: Vec<String> = self
            .targets
            .keys()
            .filter(|_| shown)
            .map(|(m, name)| match *m == module {
                true => (*name).to_owned(),
                false => format!("{m}.{name}"),
            })
            .collect();
        known.sort();
        let elsewhere = known
            .iter()
            .find(|full| bare && full.ends_with(&format!(".{model}")));
        let near = elsewhere
            .map(String::as_str)
            .or_else(|| nearest(&to.value, known.iter().map(String::as_str)));
        let message = match (bare, has_module) {
            (true, _) => format!("there is no model `{model}` in the module `{module}`"),
            (false, true) => format!("there is no model `{model}` in the module `{target_module}`"),
            (false, false) => format!("there is no module `{target_module}`"),
        };
        let diagnostic = self.report.error(to.at, "unknown-model", message);
        match near {
            Some(near) => diagnostic
                .label(format!("did you mean `{near}`?"))
                .help("write `model` for a model of this module, `module.model` for another's"),
            None => diagnostic.help(match known.len() {
                0..=12 => format!("there are {}", list(known.iter().map(String::as_str))),
                _ => "write `model` for a model of this module, `module.model` for another's"
                    .to_owned(),
            }),
        };
    }

    fn on_delete(
        &mut self,
        field: &FieldDecl,
        said: Option<&Located<String>>,
        inside: bool,
    ) -> Option<OnDelete> {
        let Some(said) = said else {
            return Some(if inside {
                OnDelete::Restrict
            } else {
                OnDelete::Keep
            });
        };
        match (said.value.as_str(), inside) {
            ("restrict", true) => Some(OnDelete::Restrict),
            ("cascade", true) => Some(OnDelete::Cascade),
            ("set_null", true) if field.optional => Some(OnDelete::SetNull),
            ("set_null", true) => {
                self.report
                    .error(
                        said.at,
                        "bad-on-delete",
                        format!(
                            "`{}` is required: it cannot be set to null",
                            field.name.value
                        ),
                    )
                    .help("add `optional = true`, or choose `restrict` or `cascade`");
                None
            }
            ("keep", false) => Some(OnDelete::Keep),
            ("keep", _) => {
                self.report
                    .error(
                        said.at,
                        "bad-on-delete",
                        "`keep` is for relations between modules",
                    )
                    .label("inside a module a reference never outlives its target")
                    .help("choose `restrict`, `cascade`, or `set_null`");
                None
            }
            ("restrict", false) => {
                self.report
                    .error(
                        said.at,
                        "bad-on-delete",
                        "`restrict` is for relations inside a module",
                    )
                    .label(
                        "the target's module may be another service, which cannot be asked to wait",
                    )
                    .help("write `on_delete = \"keep\"`, or move the model into the same module");
                None
            }
            _ => {
                super::walk::not_built(
                    self.report,
                    said.at,
                    &format!("`on_delete = \"{}\"` between modules", said.value),
                    "deleting across modules by event",
                );
                None
            }
        }
    }

    /// Relations seen from their targets: inside a module only.
    fn inverses(&mut self, models: &mut [Model]) {
        let modules = self.modules;
        for (referring, (_, _, decl)) in in_order(modules).enumerate() {
            for field in &decl.fields {
                let Some(TypeDecl::Relation { inverse: said, .. }) = &field.ty else {
                    continue;
                };
                let Some((relation, field_id)) = models[referring]
                    .field_named(&field.name.value)
                    .and_then(|made| Some((made.relation()?, made.id)))
                else {
                    continue;
                };
                let target = usize::from(relation.to.0);
                if models[target].module != models[referring].module {
                    continue;
                }
                let name = said.as_ref().map_or(&decl.name.value, |said| &said.value);
                let at = said.as_ref().map_or(field.name.at, |said| said.at);
                if self.inverse_clashes(
                    name,
                    at,
                    said.is_some(),
                    decl,
                    field,
                    &models[target],
                    models,
                ) {
                    continue;
                }
                models[target].inverses.push(Inverse {
                    name: name.clone(),
                    model: ModelId(referring as u16),
                    field: field_id,
                });
            }
        }
    }

    #[expect(
        clippy::too_many_arguments,
        reason = "one step of `inverses`, with all that its messages name"
    )]
    fn inverse_clashes(
        &mut self,
        name: &str,
        at: At,
        said: bool,
        decl: &ModelDecl,
        field: &FieldDecl,
        target: &Model,
        models: &[Model],
    ) -> bool {
        let of_target = in_order(self.modules)
            .nth(usize::from(target.id.0))
            .is_some_and(|(_, _, t)| t.fields.iter().any(|f| f.name.value == name));
        let (code, message) = if let Some(other) = target.inverse_named(name) {
            let (other_model, other_field) = (
                &models[usize::from(other.model.0)],
                &models[usize::from(other.model.0)].field(other.field).name,
            );
            (
                "inverse-clash",
                format!(
                    "`{}.{}` and `{}.{}` would both be called `{name}` from the side of `{}`",
                    other_model.name, other_field, decl.name.value, field.name.value, target.name
                ),
            )
        } else if of_target || target.field_named(name).is_some() {
            (
                "inverse-clash",
                format!(
                    "`{name}` is a field of `{}` and, seen from there, this relation",
                    target.full_name()
                ),
            )
        } else if let Some(why) = names::reserved_in_expressions(name).filter(|_| !said) {
            (
                "reserved-name",
                format!(
                    "seen from `{}`, this relation would be called `{name}`: {why}",
                    target.name
                ),
            )
        } else {
            return false;
        };
        let free = format!("{}_{}", field.name.value, decl.name.value);
        self.report.error(at, code, message).help(format!(
            "say what it is called from there: `inverse = \"{free}\"`"
        ));
        true
    }
}

fn key_type(key: KeyKind) -> FieldType {
    match key {
        KeyKind::Uuid => FieldType::Uuid,
        KeyKind::Int => FieldType::Int {
            min: None,
            max: None,
        },
        KeyKind::String => FieldType::String { max: MAX_TEXT },
    }
}

fn system(name: &str, ty: FieldType, hidden: bool) -> Field {
    Field {
        id: FieldId(0),
        name: name.to_owned(),
        key: Key::new(name),
        ty,
        optional: false,
        unique: false,
        disclose: false,
        // `id` may be given on creation; nothing else of these ever is.
        immutable: name == "id" || name == "created_at",
        system: true,
        computed: false,
        existing: None,
        hidden,
        default: None,
        backfill: None,
        renamed_from: None,
        check: None,
        read: Rule::Allow,
        write: Rule::Allow,
    }
}

fn declared(decl: &FieldDecl, ty: FieldType) -> Field {
    Field {
        id: FieldId(0),
        name: decl.name.value.clone(),
        key: Key::new(&decl.name.value),
        ty,
        optional: decl.optional,
        unique: decl.unique.is_some(),
        disclose: decl.disclose.is_some(),
        immutable: decl.immutable,
        system: false,
        computed: false,
        existing: None,
        hidden: false,
        default: None,
        backfill: None,
        renamed_from: decl.renamed_from.as_ref().map(|old| old.value.clone()),
        check: None,
        read: Rule::Allow,
        write: Rule::Allow,
    }
}
