//! A table → a model. What it has that a model has not is listed.

use super::catalogue::{Column, Domain, Identity, Index, Kind, OnDelete, Reference, Relation};
use super::checks::{self, Said};
use super::draft::{Listed, What};
use super::types::{self, Mapped};
use super::{Native, defaults, names, shown};
use crate::KeyKind;
use crate::schema::TableName;
use crate::types::FieldType;
use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

/// A model as it will be written.
#[derive(Debug, Clone)]
pub(super) struct Model<'c> {
    pub relation: &'c Relation,
    pub module: String,
    pub name: String,
    pub id: KeyKind,
    pub key: String,
    pub key_native: Option<Native>,
    pub fields: Vec<Field<'c>>,
    pub indexes: Vec<UnnamedIndex>,
}

#[derive(Debug, Clone)]
pub(super) struct Field<'c> {
    pub name: String,
    pub column: &'c Column,
    pub ty: Ty,
    pub native: Option<Native>,
    pub computed: bool,
    pub optional: bool,
    pub unique: bool,
    pub default: Option<String>,
    pub check: Option<String>,
}

impl Field<'_> {
    /// Its column has no scale, and the field has.
    fn is_rounded(&self) -> bool {
        let decimal = matches!(self.ty, Ty::Plain(FieldType::Decimal { .. }));
        decimal && self.column.ty.digits.is_none()
    }
}

#[derive(Debug, Clone)]
pub(super) enum Ty {
    Plain(FieldType),
    Relation {
        /// `model`, or `module.model`.
        to: String,
        on_delete: Option<&'static str>,
        inverse: Option<String>,
    },
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct UnnamedIndex {
    pub name: String,
    pub fields: Vec<String>,
    pub unique: bool,
}

/// A table that can be served, before its columns are looked at.
#[derive(Debug, Clone)]
pub(super) struct Served {
    pub module: String,
    pub model: String,
    pub id: KeyKind,
    pub key: String,
    pub key_native: Option<Native>,
}

pub(super) type AllServed = HashMap<TableName, Served>;

/// Collects what is listed of one table.
pub(super) struct Listing<'l> {
    pub of: String,
    pub all: &'l mut Vec<Listed>,
}

impl Listing<'_> {
    pub fn add(&mut self, part: &str, what: What, why: impl Into<String>) {
        let of = match part {
            "" => self.of.clone(),
            part => format!("{}.{}", self.of, shown(part)),
        };
        self.all.push(Listed {
            of,
            what,
            why: why.into(),
        });
    }
}

/// How records of a table are named; or why it cannot be served.
pub(super) fn key(relation: &Relation) -> Result<(KeyKind, String, Option<Native>), String> {
    match relation.kind {
        Kind::Table | Kind::Partitioned | Kind::Child => {}
        Kind::Partition => {
            return Err("a partition: its rows are those of the table that it is part of".into());
        }
        Kind::View => return Err("a view: only tables are served".into()),
        Kind::MaterializedView => {
            return Err("a materialized view: only tables are served".into());
        }
        Kind::Foreign => return Err("a foreign table: only tables of this database are".into()),
    }
    let name = match relation.key.as_slice() {
        [] => {
            return Err(
                "it has no primary key, so its records cannot be named; one is added with `ALTER TABLE … ADD COLUMN id \
                 bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY`"
                    .into(),
            );
        }
        [one] => one,
        several => {
            let several: Vec<String> = several.iter().map(|name| shown(name)).collect();
            return Err(format!(
                "its primary key has several columns ({}), and a record is named by one",
                several.join(", ")
            ));
        }
    };
    let column = relation.columns.iter().find(|column| column.name == *name);
    let column = column.ok_or("its primary key is on no column that can be read")?;
    let (kind, native) = types::key(column)
        .map_err(|why| format!("{why}, and a record is named by an integer, a uuid or a text"))?;
    Ok((kind, name.clone(), native))
}

pub(super) fn model<'c>(
    relation: &'c Relation,
    all: &[Relation],
    served: &AllServed,
    listed: &mut Vec<Listed>,
) -> Option<Model<'c>> {
    let own = served.get(&relation.name)?;
    let mut listing = Listing {
        of: shown(&format!(
            "{}.{}",
            relation.name.namespace, relation.name.name
        )),
        all: listed,
    };
    let columns: Vec<&Column> = relation
        .columns
        .iter()
        .filter(|column| column.name != own.key)
        .collect();
    let field_names = names::fields(columns.iter().map(|column| column.name.as_str()));
    let mut fields: Vec<Field<'c>> = Vec::new();
    for (column, name) in columns.iter().copied().zip(field_names) {
        if let Some(field) = field(relation, column, name, &mut listing) {
            fields.push(field);
        }
    }
    let mut model = Model {
        relation,
        module: own.module.clone(),
        name: own.model.clone(),
        id: own.id,
        key: own.key.clone(),
        key_native: own.key_native.clone(),
        fields,
        indexes: Vec::new(),
    };
    key_notes(&model, &mut listing);
    for reference in &relation.references {
        refer(&mut model, reference, served, &mut listing);
    }
    for index in &relation.indexes {
        index_of(&mut model, index, &mut listing);
    }
    unindexed(&model, &mut listing);
    for check in &relation.checks {
        check_of(&mut model, check, &mut listing);
    }
    times(&mut model);
    others(relation, all, served, &mut listing);
    Some(model)
}

fn field<'c>(
    relation: &Relation,
    column: &'c Column,
    name: String,
    listing: &mut Listing<'_>,
) -> Option<Field<'c>> {
    let indexed = relation.indexes.iter().any(|index| {
        is_plain(index)
            && index
                .columns
                .iter()
                .flatten()
                .any(|one| *one == column.name)
    });
    let required = !column.nullable && column.default.is_none() && column.identity.is_none();
    let Mapped {
        ty,
        native,
        read_only,
        note,
    } = match types::of(column, indexed) {
        Ok(mapped) => mapped,
        Err(why) => {
            listing.add(&column.name, What::LeftOut, why);
            if required {
                listing.add(&column.name, What::Different, NO_CREATE);
            }
            return None;
        }
    };
    if let Some(note) = note {
        let what = match read_only {
            true => What::ReadOnly,
            false => What::Different,
        };
        listing.add(&column.name, what, note);
    }
    if read_only && required {
        listing.add(&column.name, What::Different, NO_CREATE);
    }
    let always = column.identity == Some(Identity::Always);
    if column.generated || always {
        listing.add(&column.name, What::ReadOnly, "the database computes it");
    }
    let computed = read_only || column.generated || always;
    let domain_default = column.ty.domain.as_ref().and_then(|d| d.default.as_ref());
    let printed = column.default.as_ref().or(domain_default);
    let default = match printed {
        Some(text) if !computed => defaults::read(text, &ty),
        _ => None,
    };
    let by_database = column.identity.is_some() || printed.is_some();
    let mut optional = column.nullable;
    if let (Some(text), None, false) = (printed, &default, computed)
        && !text.starts_with("NULL::")
    {
        let why = format!(
            "its default, {}, is the database's: a new record that leaves the field out gets it",
            shown(text)
        );
        listing.add(&column.name, What::Database, why);
    }
    if !column.nullable && by_database && default.is_none() && !computed {
        // It may be left out, which is what `optional` says of a new record.
        optional = true;
        listing.add(
            &column.name,
            What::Different,
            "optional here, for it may be left out; null itself is refused by the database",
        );
    }
    let mut field = Field {
        name,
        column,
        ty: Ty::Plain(ty),
        native,
        computed,
        optional,
        unique: false,
        default,
        check: None,
    };
    field.check = digits_check(&field);
    if let Some(domain) = &column.ty.domain {
        domain_checks(&mut field, domain, listing);
    }
    Some(field)
}

/// A number that is a text here is not rounded where it is kept: more digits are refused.
fn digits_check(field: &Field<'_>) -> Option<String> {
    let number = field.native.as_ref()?.ty == TableName::new("pg_catalog", "numeric");
    let (_, scale) = field.column.ty.digits.filter(|_| number)?;
    let text = matches!(field.ty, Ty::Plain(FieldType::String { .. }));
    (text && !field.computed).then(|| {
        let name = &field.name;
        format!("{name}.matches('^(NaN|-?[0-9]+([.][0-9]{{1,{scale}}})?)$')")
    })
}

const NO_CREATE: &str = "it must have a value, and none can be given here: records are not created until it has a default";

fn domain_checks(field: &mut Field<'_>, domain: &Domain, listing: &mut Listing<'_>) {
    for check in &domain.checks {
        if !take(field, &check.text, "VALUE") {
            let why = format!(
                "{} of its domain {} goes on holding in the database alone: {}",
                shown(&check.name),
                shown(&domain.name.name),
                shown(&check.text)
            );
            listing.add(&field.column.name, What::Database, why);
        }
    }
}

/// Takes a constraint over into a field, where both mean the same.
fn take(field: &mut Field<'_>, text: &str, value: &str) -> bool {
    let Ty::Plain(ty) = &field.ty else {
        return false;
    };
    if field.computed {
        return false;
    }
    let Some(said) = checks::read(text, value, &field.name, ty) else {
        return false;
    };
    let mut check = field.check.take();
    for one in said {
        let holds = match one {
            Said::Required => {
                field.optional = false;
                continue;
            }
            Said::OneOf(values) if field.native.is_none() && are_values(&values) => {
                let values = values.iter().map(|value| Arc::from(&**value)).collect();
                field.ty = Ty::Plain(FieldType::Enum { values });
                continue;
            }
            Said::OneOf(values) => {
                let values: Vec<String> = values.iter().map(|v| defaults::text(v)).collect();
                format!("{} in [{}]", field.name, values.join(", "))
            }
            Said::Holds(holds) => holds,
        };
        check = Some(match check {
            Some(before) => format!("{before} && {holds}"),
            None => holds,
        });
    }
    field.check = check;
    true
}

fn are_values(values: &[String]) -> bool {
    let mut seen = BTreeSet::new();
    values.iter().all(|value| {
        (1..=100).contains(&value.chars().count())
            && !value.chars().any(char::is_control)
            && seen.insert(value)
    })
}

fn key_notes(model: &Model<'_>, listing: &mut Listing<'_>) {
    let relation = model.relation;
    let Some(column) = relation.columns.iter().find(|c| c.name == model.key) else {
        return;
    };
    if model.id == KeyKind::Int && column.default.is_none() && column.identity.is_none() {
        listing.add(
            &column.name,
            What::Different,
            "the database assigns no keys: records are imported with theirs, and not created by callers",
        );
    }
    if model.key_native.is_some() {
        listing.add(
            &column.name,
            What::Different,
            "a key of this type is cast to be compared: reading one record uses no index",
        );
    }
}

/// A reference of one column to another model's key is a relation.
fn refer(
    model: &mut Model<'_>,
    reference: &Reference,
    served: &AllServed,
    listing: &mut Listing<'_>,
) {
    let name = shown(&reference.name);
    let to = format!(
        "{}.{}",
        shown(&reference.to.namespace),
        shown(&reference.to.name)
    );
    let plain = "the database goes on holding it";
    let (column, to_column) = match (
        reference.columns.as_slice(),
        reference.to_columns.as_slice(),
    ) {
        ([column], [to]) => (column, to),
        _ => {
            let why = format!("{name}, of several columns to {to}, is no relation here; {plain}");
            return listing.add("", What::Database, why);
        }
    };
    if *column == model.key {
        let why = format!(
            "{name} makes the key itself a reference to {to}, which no relation can be; {plain}"
        );
        return listing.add(column, What::Database, why);
    }
    let target = match served.get(&reference.to) {
        Some(target) if target.key == *to_column => target,
        Some(_) => {
            let why = format!("{name} refers to {to} by another column than its key; {plain}");
            return listing.add(column, What::Database, why);
        }
        None => {
            let why = format!("{name} refers to {to}, which is not served; {plain}");
            return listing.add(column, What::Database, why);
        }
    };
    let inside = target.module == model.module;
    let Some(field) = model.fields.iter_mut().find(|f| f.column.name == *column) else {
        return;
    };
    if field.computed || matches!(field.ty, Ty::Relation { .. }) {
        let why = format!("{name} to {to} is no relation here; {plain}");
        return listing.add(column, What::Database, why);
    }
    let on_delete = match (reference.on_delete, inside) {
        (OnDelete::Refuse, _) => None,
        (OnDelete::Cascade, true) => Some("cascade"),
        (OnDelete::SetNull, true) if field.column.nullable => {
            field.optional = true;
            Some("set_null")
        }
        (OnDelete::Cascade | OnDelete::SetNull | OnDelete::SetDefault, _) => {
            let what = match reference.on_delete {
                OnDelete::Cascade => "deletes these rows along",
                OnDelete::SetNull => "sets the column to null",
                _ => "sets the column to its default",
            };
            let why = format!("when its target goes, the database itself {what} ({name})");
            listing.add(column, What::Database, why);
            None
        }
    };
    let to = match inside {
        true => target.model.clone(),
        false => format!("{}.{}", target.module, target.model),
    };
    field.ty = Ty::Relation {
        to,
        on_delete,
        inverse: None,
    };
    // Of keys nobody needs to be told how large a number may be: the target has it.
    let of = format!("{}.{}", listing.of, shown(column));
    listing
        .all
        .retain(|one| one.of != of || one.why != types::LARGE);
    // What a relation holds is the target's key; a constant of it would be one record.
    field.check = None;
    if let Some(default) = field.default.take() {
        field.optional = true;
        let why = format!("its default, {default}, is the database's");
        listing.add(column, What::Database, why);
    }
}

/// An index as ours are: of columns, in their order, of all rows.
fn is_plain(index: &Index) -> bool {
    index.method == "btree" && !index.partial && index.columns.iter().all(Option::is_some)
}

fn index_of(model: &mut Model<'_>, index: &Index, listing: &mut Listing<'_>) {
    let name = shown(&index.name);
    let mut refuse = |why: &str| {
        let kind = if index.unique {
            "unique index"
        } else {
            "index"
        };
        let why = format!("the {kind} {name} {why}; the database goes on using it");
        listing.add("", What::Database, why);
    };
    if !index.valid {
        return refuse("is not valid");
    }
    if !is_plain(index) {
        let why = match (index.partial, index.method.as_str()) {
            (true, _) => "has a condition".to_owned(),
            (false, "btree") => "is on an expression".to_owned(),
            (false, method) => format!("is a {} index", shown(method)),
        };
        return refuse(&why);
    }
    let mut columns: Vec<&str> = index.columns.iter().flatten().map(String::as_str).collect();
    // Every index of ours ends in the key.
    if !index.unique && columns.last() == Some(&model.key.as_str()) {
        columns.pop();
    }
    if columns.is_empty() || index.unique && columns == [model.key.as_str()] {
        return;
    }
    let mut fields = Vec::new();
    for column in &columns {
        let field = model.fields.iter().find(|f| f.column.name == *column);
        match field {
            // What is shown rounded is not unique as it is shown.
            Some(field) if index.unique && field.is_rounded() => {
                return refuse("is on a number that is shown rounded");
            }
            Some(field) if !field.computed || field.column.generated => {
                fields.push(field.name.clone());
            }
            _ => return refuse("is on columns that are no fields to be indexed"),
        }
    }
    if let ([only], true) = (fields.as_slice(), index.unique) {
        if let Some(field) = model.fields.iter_mut().find(|f| f.name == *only) {
            field.unique = true;
        }
        return;
    }
    let known = |one: &UnnamedIndex| one.fields == fields && (one.unique || !index.unique);
    let relation = matches!(fields.as_slice(), [only] if model.fields.iter().any(|f| f.name == *only && matches!(f.ty, Ty::Relation { .. })));
    if !relation && !model.indexes.iter().any(known) {
        model.indexes.push(UnnamedIndex {
            name,
            fields,
            unique: index.unique,
        });
    }
}

/// Relations of tables of Mainstay's own have an index each; PostgreSQL makes none for a foreign key.
fn unindexed(model: &Model<'_>, listing: &mut Listing<'_>) {
    let relation = model.relation;
    for field in &model.fields {
        let column = &field.column.name;
        let leads = |index: &Index| {
            let first = index.columns.first().and_then(Option::as_ref);
            index.method == "btree" && !index.partial && index.valid && first == Some(column)
        };
        let is_relation = matches!(field.ty, Ty::Relation { .. });
        let served = relation.key.first() == Some(column) || relation.indexes.iter().any(leads);
        if is_relation && !served {
            let why = "no index serves this relation; until there is one, what follows it backwards reads the \
                       whole table";
            listing.add(column, What::Different, why);
        }
    }
}

fn check_of(model: &mut Model<'_>, check: &super::catalogue::Check, listing: &mut Listing<'_>) {
    if let [column] = check.columns.as_slice()
        && let Some(field) = model.fields.iter_mut().find(|f| f.column.name == *column)
        && take(field, &check.text, column)
    {
        return;
    }
    let why = format!(
        "{} goes on holding in the database alone: {}",
        shown(&check.name),
        shown(&check.text)
    );
    listing.add("", What::Database, why);
}

/// Moments that the engine keeps by itself. Others of that name are fields like any.
fn times(model: &mut Model<'_>) {
    let taken: BTreeSet<String> = model.fields.iter().map(|f| f.name.clone()).collect();
    for field in &mut model.fields {
        if !crate::load::names::TIMES.contains(&field.name.as_str()) {
            continue;
        }
        if matches!(field.ty, Ty::Plain(FieldType::Datetime)) && !field.computed {
            field.default = None;
            field.check = None;
            continue;
        }
        let mut taken = taken.clone();
        field.name = names::free(format!("{}_value", field.name), &mut taken);
    }
}

/// What the table has beside its columns.
fn others(relation: &Relation, all: &[Relation], served: &AllServed, listing: &mut Listing<'_>) {
    if !relation.triggers.is_empty() {
        let names: Vec<String> = relation.triggers.iter().map(|name| shown(name)).collect();
        let why = format!("its triggers go on running: {}", names.join(", "));
        listing.add("", What::Database, why);
    }
    if !relation.denied.is_empty() {
        let why = format!(
            "the role that looked at it may not {}: grant that to the role that Mainstay connects as",
            shown(&relation.denied.join(", "))
        );
        listing.add("", What::Different, why);
    }
    if relation.row_security {
        listing.add(
            "",
            What::Database,
            "its row security policies hold for the role that Mainstay connects as, whoever calls",
        );
    }
    if relation.kind == Kind::Child {
        listing.add(
            "",
            What::Different,
            "it inherits from another table, whose model shows these rows too",
        );
    }
    for other in all.iter().filter(|other| !served.contains_key(&other.name)) {
        for reference in &other.references {
            let along = matches!(reference.on_delete, OnDelete::Cascade);
            if reference.to == relation.name && along {
                let why = format!(
                    "when a record goes, the database deletes the rows of {}.{} that refer to it",
                    shown(&other.name.namespace),
                    shown(&other.name.name)
                );
                listing.add("", What::Database, why);
            }
        }
    }
}

/// Names the other side of each relation where the model's own name would not do.
pub(super) fn inverses(models: &mut [Model<'_>]) {
    let mut taken: HashMap<(String, String), BTreeSet<String>> = HashMap::new();
    for model in models.iter() {
        let mut names: BTreeSet<String> = model.fields.iter().map(|f| f.name.clone()).collect();
        names.extend(["id", "version", "created_at", "updated_at"].map(str::to_owned));
        taken.insert((model.module.clone(), model.name.clone()), names);
    }
    for model in models.iter_mut() {
        for field in &mut model.fields {
            let Ty::Relation { to, inverse, .. } = &mut field.ty else {
                continue;
            };
            // Across modules there is none.
            let Some(taken) = taken.get_mut(&(model.module.clone(), to.clone())) else {
                continue;
            };
            let reserved = crate::load::names::reserved_in_expressions(&model.name).is_some();
            if !reserved && taken.insert(model.name.clone()) {
                continue;
            }
            let name = crate::load::names::with_ending(&field.name, &model.name);
            let name = match name.len() <= 40 && name != format!("_{}", model.name) {
                true => name,
                false => crate::load::names::with_ending(&field.name, "of"),
            };
            *inverse = Some(names::free(name, taken));
        }
    }
}
