//! What can be asked of the data. Every surface builds one of these and hands it to the engine with a
//! principal; names are still text, as the caller wrote them.

use bytes::Bytes;
use spec::ModelId;

#[derive(Debug, Clone, PartialEq)]
pub enum Operation {
    List(List),
    One(One),
    /// What groups of records amount to.
    Aggregate(Aggregate),
    Create(Create),
    /// JSON Merge Patch (RFC 7396).
    Update(Update),
    /// Upsert by id.
    Replace(Replace),
    Delete(Delete),
    /// Several records at once, all or none.
    CreateMany(CreateMany),
    UpdateMany(UpdateMany),
    DeleteMany(DeleteMany),
    /// Upsert by a unique key.
    Upsert(Upsert),
    /// Several operations, all or none.
    Batch(Batch),
}

#[derive(Debug, Clone, PartialEq)]
pub struct List {
    pub model: ModelId,
    /// CEL.
    pub filter: Option<String>,
    /// And-ed with `filter`.
    pub plain: Vec<PlainFilter>,
    pub sort: Vec<SortTerm>,
    pub limit: Option<u32>,
    pub cursor: Option<String>,
    pub select: Select,
    /// Whether the number of all matching records is wanted.
    pub count: bool,
    /// Words that records must have in the fields that their model says are searched; and-ed with the filters. Best
    /// first where `sort` says nothing.
    pub search: Option<String>,
    /// Whether the answer shows what the search found.
    pub snippets: bool,
}

impl List {
    /// The first page of all records.
    pub fn of(model: ModelId) -> List {
        List {
            model,
            filter: None,
            plain: Vec::new(),
            sort: Vec::new(),
            limit: None,
            cursor: None,
            select: Select::default(),
            count: false,
            search: None,
            snippets: false,
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct One {
    pub model: ModelId,
    pub id: String,
    pub select: Select,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Aggregate {
    pub model: ModelId,
    /// CEL.
    pub filter: Option<String>,
    /// And-ed with `filter`.
    pub plain: Vec<PlainFilter>,
    /// Fields, paths of to-one relations that end in one, or parts of dates behind either; none: all records are one
    /// group.
    pub group_by: Vec<Vec<String>>,
    pub aggregates: Vec<Amount>,
    /// CEL over the names of the result.
    pub having: Option<String>,
    /// By the names of the result.
    pub sort: Vec<SortTerm>,
    /// Groups that are answered.
    pub limit: Option<u32>,
}

/// `sum=price`.
#[derive(Debug, Clone, PartialEq)]
pub struct Amount {
    pub function: Function,
    /// As in [`Aggregate::group_by`]; none for the records themselves, `count=*`.
    pub path: Option<Vec<String>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Function {
    Count,
    Sum,
    Avg,
    Min,
    Max,
}

impl Function {
    pub fn name(self) -> &'static str {
        match self {
            Function::Count => "count",
            Function::Sum => "sum",
            Function::Avg => "avg",
            Function::Min => "min",
            Function::Max => "max",
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub struct Create {
    pub model: ModelId,
    /// A JSON object.
    pub body: Bytes,
    pub select: Select,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Update {
    pub model: ModelId,
    pub id: String,
    pub body: Bytes,
    pub if_match: Option<Precondition>,
    pub select: Select,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Replace {
    pub model: ModelId,
    pub id: String,
    pub body: Bytes,
    pub if_match: Option<Precondition>,
    /// `If-None-Match: *`: create only.
    pub if_absent: bool,
    pub select: Select,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Delete {
    pub model: ModelId,
    pub id: String,
    pub if_match: Option<Precondition>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct CreateMany {
    pub model: ModelId,
    /// A JSON array of objects.
    pub body: Bytes,
    pub select: Select,
}

/// A merge patch for each record that matches.
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateMany {
    pub matching: Matching,
    /// A JSON object.
    pub body: Bytes,
}

#[derive(Debug, Clone, PartialEq)]
pub struct DeleteMany {
    pub matching: Matching,
}

/// The records of a model that a filter chooses, as in [`List`].
#[derive(Debug, Clone, PartialEq)]
pub struct Matching {
    pub model: ModelId,
    pub filter: Option<String>,
    pub plain: Vec<PlainFilter>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Upsert {
    pub model: ModelId,
    /// Names of fields that are unique together; the body has their values.
    pub key: Vec<String>,
    pub body: Bytes,
    pub if_match: Option<Precondition>,
    /// `If-None-Match: *`: create only.
    pub if_absent: bool,
    pub select: Select,
}

/// Writes of records of one module, one after another in one transaction.
#[derive(Debug, Clone, PartialEq)]
pub struct Batch {
    pub items: Vec<Item>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Item {
    /// What later items call the record that this one writes.
    pub name: Option<String>,
    pub model: ModelId,
    pub act: Act,
}

/// What one item of a [`Batch`] does. A body is a JSON object, in which a relation may be `{"$ref": "name"}`.
#[derive(Debug, Clone, PartialEq)]
pub enum Act {
    Create {
        body: Bytes,
    },
    Update {
        id: Given,
        body: Bytes,
        if_match: Option<Precondition>,
    },
    Replace {
        id: Given,
        body: Bytes,
        if_match: Option<Precondition>,
    },
    Upsert {
        key: Vec<String>,
        body: Bytes,
        if_match: Option<Precondition>,
    },
    Delete {
        id: Given,
        if_match: Option<Precondition>,
    },
}

/// Which record an item of a [`Batch`] is about.
#[derive(Debug, Clone, PartialEq)]
pub enum Given {
    Id(String),
    /// The one that an earlier item of this name wrote.
    Ref(String),
}

/// `If-Match`.
#[derive(Debug, Clone, PartialEq)]
pub enum Precondition {
    /// `*`: the record exists.
    Exists,
    /// One of these entity tags, quotes removed.
    Tags(Vec<String>),
}

/// Which fields and related records an answer holds.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Select {
    /// All that are not hidden, unless named.
    pub fields: Option<Vec<String>>,
    pub expand: Vec<Expand>,
}

#[derive(Debug, Clone, Default, PartialEq)]
pub struct Expand {
    /// A relation field, or an inverse.
    pub name: String,
    /// Records of a to-many relation at most.
    pub limit: Option<u32>,
    pub sort: Vec<SortTerm>,
    pub nested: Vec<Expand>,
}

#[derive(Debug, Clone, PartialEq)]
pub struct SortTerm {
    /// A field, or a path of to-one relations that ends in one.
    pub path: Vec<String>,
    pub descending: bool,
}

/// `price[lte]=100`.
#[derive(Debug, Clone, PartialEq)]
pub struct PlainFilter {
    pub field: String,
    pub op: PlainOp,
    /// One, or several for `in`.
    pub values: Vec<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlainOp {
    Eq,
    Ne,
    Lt,
    Lte,
    Gt,
    Gte,
    In,
}

impl Operation {
    /// What the answer to it holds of records.
    pub fn select(&self) -> &Select {
        static PLAIN: Select = Select {
            fields: None,
            expand: Vec::new(),
        };
        match self {
            Operation::List(o) => &o.select,
            Operation::One(o) => &o.select,
            Operation::Create(o) => &o.select,
            Operation::Update(o) => &o.select,
            Operation::Replace(o) => &o.select,
            Operation::CreateMany(o) => &o.select,
            Operation::Upsert(o) => &o.select,
            Operation::Aggregate(_)
            | Operation::Delete(_)
            | Operation::UpdateMany(_)
            | Operation::DeleteMany(_)
            | Operation::Batch(_) => &PLAIN,
        }
    }

    pub fn name(&self) -> &'static str {
        match self {
            Operation::List(_) => "list",
            Operation::One(_) => "one",
            Operation::Aggregate(_) => "aggregate",
            Operation::Create(_) => "create",
            Operation::Update(_) => "update",
            Operation::Replace(_) => "replace",
            Operation::Delete(_) => "delete",
            Operation::CreateMany(_) => "create_many",
            Operation::UpdateMany(_) => "update_many",
            Operation::DeleteMany(_) => "delete_many",
            Operation::Upsert(_) => "upsert",
            Operation::Batch(_) => "batch",
        }
    }
}
