//! How far somebody gets by the rules alone, before any record is looked at: what a description of the API shows.

use plan::Caller;
use plan::access::{self, Verb};
use spec::principal::ADMIN_ROLE;
use spec::{App, Field, FieldId, KeyKind, Model, ModelId, Principal, Rule, Uuid};
use std::sync::Arc;

/// Whether a rule lets somebody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reached {
    Never,
    /// It hangs on the record.
    Sometimes,
    Always,
}

/// What somebody could reach. Callers of one reach are shown the same, so it can stand for them in a cache.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reach {
    models: Vec<ModelReach>,
}

/// Of one model.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ModelReach {
    /// Lists and single records.
    pub read: Reached,
    pub create: Reached,
    pub update: Reached,
    /// `PUT`: as a create or as a change, whichever gets further.
    pub replace: Reached,
    pub delete: Reached,
    fields: Vec<FieldReach>,
}

/// Of one field, in a record that is reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct FieldReach {
    pub read: Reached,
    pub write: Reached,
}

impl Reach {
    /// Of a caller.
    pub fn of(app: &App, principal: &Principal) -> Reach {
        let caller = Caller {
            principal,
            now: spec::time::now_micros(),
        };
        let model = |model: &Model| {
            ModelReach::new(
                model,
                &|verb| of_rule(&access::rule(model, verb, caller)),
                |field| FieldReach {
                    read: of_rule(&access::field_read(field, caller)),
                    write: of_rule(&access::field_write(field, caller)),
                },
            )
        };
        Reach {
            models: app.models.iter().map(model).collect(),
        }
    }

    /// Of a user who has just registered and holds no role.
    pub fn of_new_user(app: &App) -> Reach {
        Reach::of(app, &Principal::user(Uuid::now_v7(), None, Arc::from([])))
    }

    /// Of an administrator.
    pub fn of_administrator(app: &App) -> Reach {
        let roles = Arc::from([Arc::from(ADMIN_ROLE)]);
        Reach::of(app, &Principal::user(Uuid::now_v7(), None, roles))
    }

    /// Of whoever may call, all of them at once: nothing is left out, and what a rule keeps from anybody is not
    /// taken for granted.
    pub fn of_everybody(app: &App) -> Reach {
        let of_some = |rule: &Rule| match rule {
            Rule::Allow => Reached::Always,
            // An administrator may.
            Rule::Deny | Rule::When(_) => Reached::Sometimes,
        };
        let model = |model: &Model| {
            ModelReach::new(
                model,
                &|verb| of_some(access::declared(model, verb)),
                |field| FieldReach {
                    read: of_some(&field.read),
                    write: of_some(&field.write),
                },
            )
        };
        Reach {
            models: app.models.iter().map(model).collect(),
        }
    }

    pub fn model(&self, id: ModelId) -> &ModelReach {
        &self.models[usize::from(id.0)]
    }
}

impl ModelReach {
    fn new(
        model: &Model,
        rule: &dyn Fn(Verb) -> Reached,
        field: impl Fn(&Field) -> FieldReach,
    ) -> ModelReach {
        let fields: Vec<FieldReach> = model.fields.iter().map(field).collect();
        let read = rule(Verb::Read);
        let mut create = rule(Verb::Create);
        // What must be given and may not be cannot be created.
        let barred =
            model.fields.iter().zip(&fields).any(|(field, reach)| {
                must_be_given(field, model.key) && reach.write == Reached::Never
            });
        if barred {
            create = Reached::Never;
        }
        // Only what may be read can be changed.
        let update = read.min(rule(Verb::Update));
        let replace = match model.key {
            // The store assigns the key, so a PUT creates nothing.
            KeyKind::Int => update,
            KeyKind::Uuid | KeyKind::String => update.max(create),
        };
        ModelReach {
            read,
            create,
            update,
            replace,
            delete: read.min(rule(Verb::Delete)),
            fields,
        }
    }

    pub fn field(&self, id: FieldId) -> FieldReach {
        self.fields[usize::from(id.0)]
    }

    /// Whether anything at all can be done with the model.
    pub fn is_reached(&self) -> bool {
        let all = [
            self.read,
            self.create,
            self.update,
            self.replace,
            self.delete,
        ];
        all.into_iter().any(|reached| reached > Reached::Never)
    }
}

/// Whether a new record lacks this field unless its creator gives it.
pub fn must_be_given(field: &Field, key: KeyKind) -> bool {
    if field.id == spec::model::ID {
        return key == KeyKind::String;
    }
    !field.system && !field.optional && field.default.is_none()
}

fn of_rule(rule: &Rule) -> Reached {
    match rule {
        Rule::Allow => Reached::Always,
        Rule::Deny => Reached::Never,
        Rule::When(_) => Reached::Sometimes,
    }
}
