//! A checked app: what the loader makes of the folder, and every other room reads.

use crate::existing::{self, Existing};
use crate::expr::Expr;
use crate::schema::DataStep;
use crate::settings::Settings;
use crate::statement::Key;
use crate::types::{ColumnType, FieldType};
use crate::value::Value;
use std::collections::HashMap;
use std::sync::Arc;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModuleId(pub u16);

/// A model's place in [`App::models`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct ModelId(pub u16);

/// A field's place in [`Model::fields`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct FieldId(pub u16);

/// The whole of an app, checked: nothing in it needs to be looked up by text or validated again.
#[derive(Debug, Clone)]
pub struct App {
    pub settings: Settings,
    pub modules: Vec<Module>,
    pub models: Vec<Model>,
    /// The app's own SQL for what declaring cannot do, in its order.
    pub data_steps: Vec<DataStep>,
    by_name: HashMap<String, ModelId>,
}

#[derive(Debug, Clone)]
pub struct Module {
    pub id: ModuleId,
    pub name: String,
    pub models: Vec<ModelId>,
}

#[derive(Debug, Clone)]
pub struct Model {
    pub id: ModelId,
    pub module: ModuleId,
    pub module_name: String,
    pub name: String,
    /// What it was called before, in the same module.
    pub renamed_from: Option<String>,
    pub key: KeyKind,
    /// The table that was there before the app, where the model has not one of its own. Mainstay reads and writes its
    /// records, and changes nothing else about it.
    pub existing: Option<Existing>,
    /// Keeps undeclared fields too, as JSON members of the record.
    pub open: bool,
    /// Whether writes are kept in the change log.
    pub changes: bool,
    /// `id` first, then the declared fields in their order, then `created_at`, `updated_at`, `version`. An existing table
    /// has the first two only where they are declared, in their place.
    pub fields: Vec<Field>,
    pub access: Access,
    pub indexes: Vec<Index>,
    /// The fields that `?search=` looks in, the weightiest first.
    pub search: Vec<FieldId>,
    /// To-many relations that other models of this module declare by pointing here.
    pub inverses: Vec<Inverse>,
    /// The names of all fields and inverses, which no undeclared field can have. [`App::new`] makes it.
    pub taken: Arc<[Arc<str>]>,
    /// What the change log says of a record, all but `id` and `version`, in the order of canonical JSON. [`App::new`] makes
    /// it.
    pub logged: Arc<[FieldId]>,
}

/// How records of a model are named.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum KeyKind {
    /// UUIDv7, made by the engine.
    Uuid,
    /// Assigned by the store, or given on import.
    Int,
    /// Given by the caller: 1–128 code points.
    String,
}

impl KeyKind {
    pub fn column(self) -> ColumnType {
        match self {
            KeyKind::Uuid => ColumnType::Uuid,
            KeyKind::Int => ColumnType::Int,
            KeyKind::String => ColumnType::Text,
        }
    }
}

/// Who may do it. "No rule" cannot be written: what was not declared is [`Rule::Deny`].
#[derive(Debug, Clone)]
pub enum Rule {
    Allow,
    Deny,
    When(Arc<Expr>),
}

#[derive(Debug, Clone)]
pub struct Access {
    pub read: Rule,
    pub create: Rule,
    pub update: Rule,
    pub delete: Rule,
}

impl Access {
    /// Reachable by nobody but an administrator.
    pub fn closed() -> Access {
        Access {
            read: Rule::Deny,
            create: Rule::Deny,
            update: Rule::Deny,
            delete: Rule::Deny,
        }
    }
}

#[derive(Debug, Clone)]
pub struct Field {
    pub id: FieldId,
    pub name: String,
    /// The name as answers write it.
    pub key: Key,
    pub ty: FieldType,
    pub optional: bool,
    pub unique: bool,
    /// `unique` beside a narrower read rule was asked for knowingly.
    pub disclose: bool,
    /// Set on create and never again.
    pub immutable: bool,
    /// `id`, `created_at`, `updated_at`, `version`: owned by the engine.
    pub system: bool,
    /// Computed by the database, and never written: a column of an existing table. `system` as well.
    pub computed: bool,
    /// The column of an existing table.
    pub existing: Option<existing::Column>,
    /// Not answered unless asked for (`version`).
    pub hidden: bool,
    pub default: Option<Arc<Expr>>,
    /// What records get that are there when the field is added or becomes required.
    pub backfill: Option<Value>,
    /// What it was called before.
    pub renamed_from: Option<String>,
    pub check: Option<Arc<Expr>>,
    pub read: Rule,
    pub write: Rule,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDelete {
    /// The default inside a module.
    Restrict,
    Cascade,
    SetNull,
    /// The default across modules: the reference may outlive its target.
    Keep,
}

/// A field's relation, as [`Field::relation`] gives it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Relation {
    pub to: ModelId,
    pub on_delete: OnDelete,
}

/// The far side of a relation: `products?expand=reviews`.
#[derive(Debug, Clone)]
pub struct Inverse {
    /// The referring model's name, or what its relation says as `inverse`.
    pub name: String,
    /// The referring model and its relation field.
    pub model: ModelId,
    pub field: FieldId,
}

#[derive(Debug, Clone)]
pub struct Index {
    pub fields: Vec<FieldId>,
    pub unique: bool,
}

pub const ID: FieldId = FieldId(0);

impl App {
    pub fn new(settings: Settings, modules: Vec<Module>, mut models: Vec<Model>) -> App {
        for model in &mut models {
            let fields = model.fields.iter().map(|f| f.name.as_str());
            let inverses = model.inverses.iter().map(|i| i.name.as_str());
            model.taken = fields.chain(inverses).map(Arc::from).collect();
            let version = model.version();
            let logged = model
                .fields
                .iter()
                .filter(|f| f.id != ID && f.id != version);
            model.logged = model
                .canonical(logged.map(|field| field.id).collect())
                .into();
        }
        let by_name = models.iter().map(|m| (m.full_name(), m.id)).collect();
        App {
            settings,
            modules,
            models,
            data_steps: Vec::new(),
            by_name,
        }
    }

    pub fn model(&self, id: ModelId) -> &Model {
        &self.models[usize::from(id.0)]
    }

    /// By `module.model`.
    pub fn model_named(&self, full_name: &str) -> Option<&Model> {
        self.by_name.get(full_name).map(|id| self.model(*id))
    }

    pub fn model_in(&self, module: &str, model: &str) -> Option<&Model> {
        // Looked up by comparison, not by a joined key: this is on the path of every request.
        let module = self.modules.iter().find(|m| m.name == module)?;
        module
            .models
            .iter()
            .map(|id| self.model(*id))
            .find(|m| m.name == model)
    }

    /// Whether any of its records are in tables that were there before.
    pub fn uses_existing(&self) -> bool {
        self.models.iter().any(|model| model.existing.is_some())
    }

    pub fn module(&self, id: ModuleId) -> &Module {
        &self.modules[usize::from(id.0)]
    }
}

impl Model {
    /// `module.model`, as in `to = "auth.users"`.
    pub fn full_name(&self) -> String {
        format!("{}.{}", self.module_name, self.name)
    }

    pub fn field(&self, id: FieldId) -> &Field {
        &self.fields[usize::from(id.0)]
    }

    pub fn field_named(&self, name: &str) -> Option<&Field> {
        self.fields.iter().find(|f| f.name == name)
    }

    pub fn inverse_named(&self, name: &str) -> Option<&Inverse> {
        self.inverses.iter().find(|i| i.name == name)
    }

    /// Which of its inverses has this name.
    pub fn inverse_at(&self, name: &str) -> Option<usize> {
        self.inverses.iter().position(|i| i.name == name)
    }

    /// What the database calls the key.
    pub fn key_column(&self) -> &str {
        self.existing.as_ref().map_or("id", |one| &one.key.name)
    }

    /// What the database calls the column of a field.
    pub fn column(&self, field: FieldId) -> &str {
        let made = self.field(field);
        match (&made.existing, field) {
            (_, ID) => self.key_column(),
            (Some(column), _) => &column.name,
            (None, _) => &made.name,
        }
    }

    /// The field that is kept in a column of this name; none of the database's alone.
    pub fn field_in(&self, column: &str) -> Option<&Field> {
        if self.existing.is_none() {
            return self.field_named(column);
        }
        if column == self.key_column() {
            return self.fields.first();
        }
        let kept = |field: &&Field| field.existing.as_ref().is_some_and(|c| c.name == column);
        self.fields.iter().find(kept)
    }

    /// None of an existing table, whether it says when its records were made or not.
    pub fn created_at(&self) -> Option<FieldId> {
        let is_own = self.existing.is_none();
        is_own.then(|| FieldId(self.fields.len() as u16 - 3))
    }

    /// None of an existing table that does not say when its records change.
    pub fn updated_at(&self) -> Option<FieldId> {
        if self.existing.is_none() {
            return Some(FieldId(self.fields.len() as u16 - 2));
        }
        let owned = |field: &&Field| field.system && field.name == "updated_at";
        self.fields.iter().find(owned).map(|field| field.id)
    }

    pub fn version(&self) -> FieldId {
        FieldId(self.fields.len() as u16 - 1)
    }

    /// Fields in the order of canonical JSON: by the length of their names, then by their bytes.
    pub fn canonical(&self, mut fields: Vec<FieldId>) -> Vec<FieldId> {
        fields.sort_by_key(|id| (self.field(*id).name.len(), &self.field(*id).name));
        fields
    }
}

impl Field {
    pub fn relation(&self) -> Option<Relation> {
        match self.ty {
            FieldType::Relation { to, on_delete, .. } => Some(Relation { to, on_delete }),
            _ => None,
        }
    }
}
