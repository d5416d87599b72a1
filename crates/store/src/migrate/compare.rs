//! What was found against what is wanted.

use super::checks::Places;
use super::renames::{self, Names};
use super::{
    Check, ColumnChange, Ddl, Difference, DifferenceKind, Extras, FoundColumn, FoundTable,
    Introspected, Label, Nullability, Part, Plan, PlanStep, Retype, Run, Size, TableChange,
    convert, dotted, existing, indexes, pending, search,
};
use spec::schema::{Column, OWN, Schema, Table, TableName};
use spec::{ColumnType, Domain};
use std::collections::BTreeSet;

/// The column of an open model's undeclared fields, as `plan` calls it.
const EXTRA: &str = "_extra";

const DROPS_IT: &str = "`mainstay migrate apply --drop` drops it";

/// The steps by when they come, and all that is known while they are found.
pub(super) struct Planning<'a> {
    pub ddl: &'a dyn Ddl,
    pub found: &'a Introspected,
    pub wanted: &'a Schema,
    pub names: &'a Names,
    pub extras: Extras,
    /// Whether data steps will run, which may change what is in the way.
    pub data: bool,
    pub prepare: Vec<PlanStep>,
    pub tighten: Vec<PlanStep>,
    pub online: Vec<PlanStep>,
    pub drop: Vec<PlanStep>,
    pub checks: Vec<Check>,
    pub differences: Vec<Difference>,
}

/// Compares, and plans what can be done. Planning against the outcome of a plan gives an empty one.
pub fn plan(found: &Introspected, wanted: &Schema, ddl: &dyn Ddl, extras: Extras) -> Plan {
    let mut plan = Plan::default();
    namespaces(found, wanted, ddl, &mut plan);
    // On a database that has nothing yet, nothing is to be brought along.
    let made = |table: &FoundTable| table.name.namespace != OWN && table.is_made();
    let fresh = !found.tables.iter().any(made);
    let searches = search::compare(found, wanted, ddl, extras);
    plan.steps.extend(searches.drop);
    plan.differences.extend(searches.differences);
    let (mut now, names) = renames::rename(found, wanted, ddl, &mut plan);
    for table in &mut now.tables {
        table
            .triggers
            .retain(|one| !searches.triggers.contains(one));
    }
    let data = data_steps(found, wanted, fresh, ddl, &mut plan.differences);
    let mut planning = Planning {
        ddl,
        found: &now,
        wanted,
        names: &names,
        extras,
        data: !data.is_empty() && !fresh,
        prepare: Vec::new(),
        tighten: Vec::new(),
        online: Vec::new(),
        drop: Vec::new(),
        checks: Vec::new(),
        differences: Vec::new(),
    };
    planning.tables();
    let Planning {
        prepare,
        tighten,
        online,
        drop,
        checks,
        differences,
        ..
    } = planning;
    plan.steps.extend(prepare);
    if !fresh {
        plan.steps.extend(data);
    }
    plan.checks_at = plan.steps.len();
    plan.checks = checks;
    plan.steps.extend(tighten);
    plan.steps.extend(online);
    for table in searches.make {
        plan.steps.extend(search::make(&table, &now, ddl));
    }
    plan.steps.extend(drop);
    plan.differences.extend(differences);
    let existing = existing::differences(found, wanted, ddl.dialect());
    plan.differences.extend(existing);
    plan
}

fn namespaces(found: &Introspected, wanted: &Schema, ddl: &dyn Ddl, plan: &mut Plan) {
    let wanted: BTreeSet<&str> = wanted
        .tables
        .iter()
        .map(|table| table.name.namespace.as_str())
        .collect();
    for namespace in wanted {
        if found.namespaces.iter().any(|one| one == namespace) {
            continue;
        }
        let sql = ddl.create_namespace(namespace);
        if !sql.is_empty() {
            let summary = format!("create schema {namespace}");
            plan.steps.push(PlanStep::new(Label::Safe, summary, sql));
        }
    }
}

/// The app's own SQL that has not run yet. What has run must still say what it said.
fn data_steps(
    found: &Introspected,
    wanted: &Schema,
    fresh: bool,
    ddl: &dyn Ddl,
    differences: &mut Vec<Difference>,
) -> Vec<PlanStep> {
    for step in &wanted.data_steps {
        let ran = found.data_steps.iter().find(|(name, _)| *name == step.name);
        let (Some((_, then)), Some(now)) = (ran, step.text(ddl.dialect())) else {
            continue;
        };
        // How lines and files end is an editor's or git's affair.
        if !then.trim_end().lines().eq(now.trim_end().lines()) && !fresh {
            differences.push(Difference {
                table: TableName::own("data_steps"),
                part: Part::DataStep(step.name.clone()),
                kind: DifferenceKind::Mistyped,
                blocking: true,
                detail: "it ran already, and its file has changed since: put the file back as it was \
                         (`mainstay migrate history --sql` shows it), and write a new step for what is new"
                    .to_owned(),
            });
        }
    }
    pending(found, wanted, ddl.dialect())
        .into_iter()
        .map(|(name, text)| PlanStep {
            run: Run::Data(name.to_owned()),
            ..PlanStep::new(
                Label::Slow,
                format!("run data step {name}"),
                vec![text.to_owned()],
            )
        })
        .collect()
}

impl<'a> Planning<'a> {
    fn tables(&mut self) {
        let (found, wanted) = (self.found, self.wanted);
        // What is taken by an index that goes or moves is free before another is made.
        let mut new = Vec::new();
        for table in &wanted.tables {
            match found.table(&table.name) {
                Some(current) => self.known(current, table),
                None => new.push(table),
            }
        }
        self.create(&new);
        for table in &found.tables {
            if !wanted.tables.iter().any(|one| one.name == table.name) {
                self.extra_table(table);
            }
        }
    }

    /// Tables first and references after, where they cannot be part of the table: models may refer to each other.
    fn create(&mut self, new: &[&'a Table]) {
        for table in new {
            let mut sql = self.ddl.create_table(table);
            for index in &table.indexes {
                sql.extend(self.ddl.create_index(&table.name, index));
            }
            let summary = format!("create table {}", dotted(&table.name));
            self.prepare.push(PlanStep::new(Label::Safe, summary, sql));
        }
        if self.ddl.inline_foreign_keys() {
            return;
        }
        for table in new {
            for key in &table.foreign_keys {
                let summary = format!(
                    "add reference {}.{} to {}",
                    dotted(&table.name),
                    key.column,
                    dotted(&key.to)
                );
                let sql = self.ddl.add_foreign_key(table, key);
                self.prepare.push(PlanStep::new(Label::Safe, summary, sql));
            }
        }
    }

    fn extra_table(&mut self, table: &FoundTable) {
        if !table.is_made() && table.name.namespace != OWN {
            self.differences.push(Difference {
                table: table.name.clone(),
                part: Part::Table,
                kind: DifferenceKind::Extra,
                blocking: false,
                detail: "no migration made this table: it is somebody else's, and left alone"
                    .to_owned(),
            });
            return;
        }
        if self.extras == Extras::Drop && table.name.namespace != OWN {
            let label = match table.size {
                Size::Empty => Label::Safe,
                Size::Small | Size::Large => Label::Destructive,
            };
            let step = PlanStep::new(
                label,
                format!("drop table {}", dotted(&table.name)),
                self.ddl.drop_table(table, self.found),
            );
            self.drop.push(step.spare());
            return;
        }
        let detail = if table.name.namespace == OWN {
            "this version knows no such table; another one may".to_owned()
        } else {
            format!(
                "no model has this table; {DROPS_IT}, and `renamed_from` on a model takes it over"
            )
        };
        self.differences.push(Difference {
            table: table.name.clone(),
            part: Part::Table,
            kind: DifferenceKind::Extra,
            blocking: false,
            detail,
        });
    }

    fn known(&mut self, current: &'a FoundTable, table: &'a Table) {
        if current.key != table.key {
            self.wrong_key(current, table);
            return;
        }
        let mut change = TableChange::default();
        let mut added = BTreeSet::new();
        for column in &table.columns {
            match current.column(&column.name) {
                Some(there) => {
                    if let Some(one) = self.column(current, there, table, column) {
                        change.columns.push(one);
                    }
                }
                None => {
                    added.insert(column.name.as_str());
                    self.add_column(current, table, column, &mut change);
                }
            }
        }
        let dropped = self.extra_columns(current, table, &mut change);
        self.references(current, table, (&added, &dropped), &mut change);
        let kept = indexes::compare(self, current, table, &dropped, &change);
        if !change.is_empty() {
            let altered = self
                .ddl
                .alter(current, table, &change, &kept.indexes, self.found);
            self.prepare.extend(altered.prepare);
            self.tighten.extend(altered.tighten);
            self.online.extend(altered.online);
        }
        // Behind what remakes the table.
        self.tighten.extend(kept.tighten);
        self.online.extend(kept.online);
        for column in dropped {
            let label = match current.size {
                Size::Empty => Label::Safe,
                Size::Small | Size::Large => Label::Destructive,
            };
            let step = PlanStep::new(
                label,
                format!("drop column {}.{column}", dotted(&table.name)),
                self.ddl.drop_column(current, column),
            );
            self.drop.push(step.spare());
        }
    }

    fn wrong_key(&mut self, current: &FoundTable, table: &Table) {
        let detail = format!(
            "the key is ({}) and should be ({}): keys are referred to, so they do not change; make a new model and \
             carry the records over with a data step",
            current.key.join(", "),
            table.key.join(", ")
        );
        self.differ(table, Part::Key, DifferenceKind::Mistyped, true, detail);
    }

    pub(super) fn differ(
        &mut self,
        table: &Table,
        part: Part,
        kind: DifferenceKind,
        blocking: bool,
        detail: String,
    ) {
        self.differences.push(Difference {
            table: table.name.clone(),
            part,
            kind,
            blocking,
            detail,
        });
    }

    pub(super) fn places(&self, table: &'a Table) -> Places<'a> {
        Places {
            dialect: self.ddl.dialect(),
            table: &table.name,
            // What data steps may mend is looked at behind them.
            before: (!self.data).then(|| self.names.table(&table.name)),
        }
    }

    /// A required column begins as an optional one where only the data steps know what it holds.
    fn add_column(
        &mut self,
        current: &'a FoundTable,
        table: &'a Table,
        column: &'a Column,
        change: &mut TableChange<'a>,
    ) {
        let summary = format!("add column {}.{}", dotted(&table.name), column.name);
        let has_value = column.nullable || column.backfill.is_some() || current.size == Size::Empty;
        if has_value {
            let sql = self.ddl.add_column(table, column);
            self.prepare.push(PlanStep::new(Label::Safe, summary, sql));
            return;
        }
        if !self.data {
            let detail = "the table has records, and a required field needs a value for them: give it a constant \
                          `default` or a `backfill`, make it `optional`, or fill it with a data step";
            let part = Part::Column(column.name.clone());
            self.differ(
                table,
                part,
                DifferenceKind::Missing,
                true,
                detail.to_owned(),
            );
            return;
        }
        let optional = Column {
            nullable: true,
            ..column.clone()
        };
        let sql = self.ddl.add_column(table, &optional);
        self.prepare.push(PlanStep::new(Label::Safe, summary, sql));
        self.checks
            .push(self.places(table).nulls(&column.name, None));
        change.columns.push(ColumnChange {
            found: None,
            wanted: column,
            retype: None,
            nullability: Some(Nullability::Required),
        });
    }

    /// What is to be done to a column that is there; what cannot be done is a difference.
    fn column(
        &mut self,
        current: &'a FoundTable,
        there: &'a FoundColumn,
        table: &'a Table,
        column: &'a Column,
    ) -> Option<ColumnChange<'a>> {
        let is_key = table.key.contains(&column.name);
        let retype = match self.retype(there, table, column) {
            Ok(retype) => retype,
            Err(()) => {
                self.cannot_retype(current, there, table, column);
                return None;
            }
        };
        let nullability = match (there.nullable, column.nullable) {
            _ if is_key => None,
            (true, false) => Some(Nullability::Required),
            (false, true) => Some(Nullability::Optional),
            _ => None,
        };
        if nullability == Some(Nullability::Required)
            && column.backfill.is_none()
            && current.size != Size::Empty
        {
            let before = self.names.column(&table.name, &column.name);
            let check = self.places(table).nulls(&column.name, Some(before));
            self.checks.push(check);
        }
        if current.size != Size::Empty {
            self.check_values(there, table, column, retype);
        }
        // Left by a run that stopped on its way to what nobody wants any more.
        let leftover = there.checked && nullability.is_none();
        (retype.is_some() || nullability.is_some() || leftover).then_some(ColumnChange {
            found: Some(there),
            wanted: column,
            retype,
            nullability,
        })
    }

    fn retype(
        &self,
        there: &FoundColumn,
        table: &Table,
        column: &Column,
    ) -> Result<Option<Retype>, ()> {
        let physical = self.ddl.physical(table, column);
        let same = there.recorded.is_none_or(|recorded| recorded == column.ty);
        if same && there.physical == physical {
            return Ok(None);
        }
        if same {
            return match self.ddl.can_restore(there, table, column) {
                true => Ok(Some(Retype::Restore)),
                false => Err(()),
            };
        }
        let from = there.recorded.ok_or(())?;
        if table.key.contains(&column.name) {
            return Err(());
        }
        let lossy = convert::loss(from, column.ty).ok_or(())?;
        Ok(Some(Retype::Convert {
            from,
            to: column.ty,
            lossy,
        }))
    }

    fn cannot_retype(
        &mut self,
        current: &FoundTable,
        there: &FoundColumn,
        table: &Table,
        column: &Column,
    ) {
        let physical = self.ddl.physical(table, column);
        let (is, should) = match there.recorded.filter(|recorded| *recorded != column.ty) {
            Some(recorded) => (
                format!("holds {}", words(recorded)),
                format!("hold {}", words(column.ty)),
            ),
            None => (format!("is {}", there.physical), format!("be {physical}")),
        };
        let detail = if table.key.contains(&column.name) {
            format!(
                "the key {is} and should {should}: keys are referred to, so they do not change; make a new model and \
                 carry the records over with a data step"
            )
        } else if current.size == Size::Empty {
            format!(
                "the column {is} and should {should}, and there is no conversion; the table is empty: remove the \
                 field, run `mainstay migrate apply --drop`, and declare it again"
            )
        } else {
            format!(
                "the column {is} and should {should}, and there is no conversion: declare the new type as a field of \
                 another name and fill it with a data step"
            )
        };
        let part = match table.key.contains(&column.name) {
            true => Part::Key,
            false => Part::Column(column.name.clone()),
        };
        self.differ(table, part, DifferenceKind::Mistyped, true, detail);
    }

    /// Whether the values that are there are values of what is declared now.
    fn check_values(
        &mut self,
        there: &FoundColumn,
        table: &'a Table,
        column: &'a Column,
        retype: Option<Retype>,
    ) {
        let before = self.names.column(&table.name, &column.name).to_owned();
        let places = self.places(table);
        let mut checks = Vec::new();
        let converted = match retype {
            Some(Retype::Convert { from, to, .. }) => {
                let words = words(to);
                checks.extend(places.misfits(&column.name, &before, from, to, &words));
                Some((from, to))
            }
            Some(Retype::Restore) | None => None,
        };
        // Of a database from before domains were recorded nothing is known, and nothing is asked.
        let was = match converted {
            Some(_) => Some(&Domain::Any),
            None => there.domain.as_ref(),
        };
        if let Some(was) = was.filter(|was| !column.domain.takes(was)) {
            let value = |name: &str| {
                let value = format!("t.{}", quoted(name));
                match converted {
                    Some((from, to)) => self.ddl.convert(&value, from, to),
                    None => value,
                }
            };
            checks.extend(places.outside(&column.name, &before, value, (was, &column.domain)));
        }
        self.checks.extend(checks);
    }

    /// What no field has any more: the columns that are dropped. Others stay, and must not be required.
    fn extra_columns(
        &mut self,
        current: &'a FoundTable,
        table: &'a Table,
        change: &mut TableChange<'a>,
    ) -> Vec<&'a str> {
        let mut dropped = Vec::new();
        for column in &current.columns {
            if table.columns.iter().any(|one| one.name == column.name) {
                continue;
            }
            // What two versions disagree on of Mainstay's own is not for either to drop.
            if self.extras == Extras::Drop && table.name.namespace != OWN {
                dropped.push(column.name.as_str());
                continue;
            }
            if !column.nullable && !column.default {
                change.relaxed.push(column);
            }
            let detail = match column.name.as_str() {
                EXTRA => format!(
                    "the model was open, and its undeclared fields are here: write open = true again to use them; {DROPS_IT}"
                ),
                _ => format!(
                    "no field has this column; {DROPS_IT}, and `renamed_from` on a field takes it over"
                ),
            };
            let part = Part::Column(column.name.clone());
            self.differ(table, part, DifferenceKind::Extra, false, detail);
        }
        dropped
    }

    /// A foreign key comes with its table or, on SQLite, with its column.
    fn references(
        &mut self,
        current: &'a FoundTable,
        table: &'a Table,
        (added, dropped): (&BTreeSet<&str>, &[&str]),
        change: &mut TableChange<'a>,
    ) {
        for key in &table.foreign_keys {
            let is_new = added.contains(key.column.as_str());
            if is_new && self.ddl.inline_foreign_keys() {
                continue;
            }
            match current.foreign_keys.iter().find(|one| one.key == *key) {
                Some(there) if !there.valid => change.keys_to_validate.push(there),
                Some(_) => continue,
                None => change.keys_to_add.push(key),
            }
            // Values of another type are looked at when they have it, by the reference itself.
            if current.size != Size::Empty && !change.retypes(&key.column) {
                let before = (!is_new)
                    .then(|| self.found.table(&key.to))
                    .flatten()
                    .map(|to| {
                        let column = self.names.column(&table.name, &key.column).to_owned();
                        (column, self.names.table(&to.name))
                    });
                let check = self.places(table).dangling(key, before);
                self.checks.push(check);
            }
        }
        for there in &current.foreign_keys {
            let goes_along = dropped.contains(&there.key.column.as_str());
            if !goes_along && !table.foreign_keys.contains(&there.key) {
                change.keys_to_drop.push(there);
            }
        }
    }
}

/// What a type's values are called.
pub(super) fn words(ty: ColumnType) -> String {
    match ty {
        ColumnType::Decimal { scale } => format!("decimals of scale {scale}"),
        other => super::record::type_name(other),
    }
}

fn quoted(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}
