//! Who reads a description of the API, and what there is in it for them. Formats of descriptions are written from
//! this; the rules behind it are the engine's.

use engine::reach::{FieldReach, Reach, Reached, must_be_given};
use spec::model::ID;
use spec::types::FieldType;
use spec::{App, Field, KeyKind, Model, ModelId, Principal};

/// All that a description hangs on, beside the app.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Reader {
    pub reach: Reach,
    pub kind: Kind,
}

/// What of accounts is within reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Kind {
    Anonymous,
    User,
    Administrator,
}

/// Where a relation leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Related<'a> {
    pub name: &'a str,
    pub to: ModelId,
    pub many: bool,
    /// Inside the module, so that an order can follow it.
    pub near: bool,
}

/// Which body a field stands in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Way {
    Create,
    Update,
    Replace,
}

/// A field of a body.
#[derive(Debug, Clone, Copy)]
pub struct Member<'a> {
    pub field: &'a Field,
    pub sent: Sent,
    /// Whether there is no body without it.
    pub needed: bool,
}

/// How a body may hold a field.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    Set,
    /// With the value that is stored, or not at all.
    Back,
}

impl Reader {
    pub fn of(app: &App, principal: &Principal) -> Reader {
        let kind = if principal.above_rules() {
            Kind::Administrator
        } else if principal.is_anonymous() {
            Kind::Anonymous
        } else {
            Kind::User
        };
        Reader {
            reach: Reach::of(app, principal),
            kind,
        }
    }

    /// Who wants to know of all that anybody could reach: an app's author.
    pub fn everybody(app: &App) -> Reader {
        Reader {
            reach: Reach::of_everybody(app),
            kind: Kind::Administrator,
        }
    }

    /// The fields that they may come to see in a record.
    pub fn readable<'a>(&self, model: &'a Model) -> Vec<(&'a Field, Reached)> {
        let reach = self.reach.model(model.id);
        model
            .fields
            .iter()
            .map(|field| (field, reach.field(field.id).read))
            .filter(|(_, read)| *read > Reached::Never)
            .collect()
    }

    /// The fields that a search of theirs looks in.
    pub fn searched<'a>(&self, model: &'a Model) -> Vec<&'a Field> {
        let reach = self.reach.model(model.id);
        let fields = model.search.iter().map(|field| model.field(*field));
        fields
            .filter(|field| reach.field(field.id).read > Reached::Never)
            .collect()
    }

    /// The relations that they can expand: those that lead to what they can read, over a field that they can read.
    pub fn related<'a>(&self, app: &'a App, model: &'a Model) -> Vec<Related<'a>> {
        let reads = |model: &Model, field: &Field| {
            let reach = self.reach.model(model.id);
            reach.read.min(reach.field(field.id).read) > Reached::Never
        };
        let mut out = Vec::new();
        for field in &model.fields {
            if let Some(relation) = field.relation()
                && reads(model, field)
                && self.reach.model(relation.to).read > Reached::Never
            {
                out.push(Related {
                    name: &field.name,
                    to: relation.to,
                    many: false,
                    near: app.model(relation.to).module == model.module,
                });
            }
        }
        for inverse in &model.inverses {
            let child = app.model(inverse.model);
            if reads(child, child.field(inverse.field)) {
                out.push(Related {
                    name: &inverse.name,
                    to: child.id,
                    many: true,
                    near: true,
                });
            }
        }
        out
    }

    /// How far they get with a body.
    pub fn reached(&self, model: &Model, way: Way) -> Reached {
        let reach = self.reach.model(model.id);
        match way {
            Way::Create => reach.create,
            Way::Update => reach.update,
            Way::Replace => reach.replace,
        }
    }

    /// What a body may hold.
    pub fn members<'a>(&self, model: &'a Model, way: Way) -> Vec<Member<'a>> {
        let reach = self.reach.model(model.id);
        let member = |field: &'a Field| {
            let of = reach.field(field.id);
            Some(Member {
                field,
                sent: sent(model, field, of, way)?,
                needed: needed(model, field, of, way),
            })
        };
        model.fields.iter().filter_map(member).collect()
    }
}

/// Whether lists can be sorted by a field, as the resolver has it.
pub fn is_ordered(field: &Field) -> bool {
    !matches!(
        field.ty,
        FieldType::Json | FieldType::List { .. } | FieldType::Text { .. }
    )
}

fn sent(model: &Model, field: &Field, reach: FieldReach, way: Way) -> Option<Sent> {
    let back = (reach.read > Reached::Never).then_some(Sent::Back);
    let writes = reach.write > Reached::Never;
    if field.id == ID {
        return match (way, model.key) {
            (Way::Create, KeyKind::String) => Some(Sent::Set),
            (Way::Create, KeyKind::Uuid | KeyKind::Int) => None,
            (Way::Update | Way::Replace, _) => back,
        };
    }
    match way {
        Way::Create => (!field.system && writes).then_some(Sent::Set),
        Way::Update | Way::Replace if field.system || !writes => back,
        Way::Update if field.immutable => back,
        // A PUT may create, and then an immutable field is set.
        Way::Update | Way::Replace => Some(Sent::Set),
    }
}

fn needed(model: &Model, field: &Field, reach: FieldReach, way: Way) -> bool {
    let must = must_be_given(field, model.key);
    match way {
        Way::Create => must,
        Way::Update => false,
        // What stays when it is left out is needed to create a record, and not to change one.
        Way::Replace => {
            must && field.id != ID
                && !field.immutable
                && reach.write == Reached::Always
                && reach.read == Reached::Always
        }
    }
}
