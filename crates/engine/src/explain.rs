//! Why a decision is what it is: the rule, what is left of it for this caller, the values it was decided on,
//! and the SQL it became.

use crate::execute::{Engine, Run, unsupported};
use crate::judge::Judge;
use crate::record::Record;
use crate::references::Leading;
use plan::access::{self, Verb};
use plan::many::Hold;
use plan::operation::Select;
use plan::read::Page;
use spec::expr::print::print;
use spec::expr::{Expr, ExprKind, Place};
use spec::input;
use spec::problem::Result;
use spec::statement::Statement;
use spec::{App, Code, FieldId, Model, ModelId, Principal, Rule, Value};
use store::error::problem_of;

/// What is asked about.
#[derive(Debug, Clone)]
pub enum About<'a> {
    /// The rule alone.
    Rule,
    /// A stored record.
    Record(&'a str),
    /// A record to create.
    Body(&'a [u8]),
    /// A stored record and a change to it, a merge patch.
    Change(&'a str, &'a [u8]),
}

#[derive(Debug, Clone)]
pub struct Explanation {
    pub model: String,
    pub verb: Verb,
    /// As declared: CEL, or `true` / `false` where there is none.
    pub rule: String,
    /// Why rules do not bind this caller, if so.
    pub above_rules: Option<&'static str>,
    /// What is left once the caller is known.
    pub folded: String,
    /// The fields that the folded rule names, with the record's values, and what it names over to-one relations. None
    /// where no record is asked about.
    pub values: Vec<(String, String)>,
    /// What a change makes of those, where one is asked about.
    pub becomes: Vec<(String, String)>,
    /// None where only the rule is asked about.
    pub allowed: Option<bool>,
    /// Why not, when it is not the rule: there is no such record, or its data is not valid.
    pub note: Option<String>,
    /// The statement that reads under this rule, and its parameters.
    pub sql: Option<(String, Vec<String>)>,
    /// Fields whose own rules hide them from this caller, or bar them from writing.
    pub barred: Vec<String>,
}

impl Engine {
    pub async fn explain(
        &self,
        principal: &Principal,
        verb: Verb,
        model: ModelId,
        about: About<'_>,
    ) -> Result<Explanation> {
        let app = self.app();
        let mut run = Run::begin(self, &app, principal);
        let judge = run.judge(model);
        let model = judge.model();
        let declared = access::declared(model, verb);
        let folded = access::rule(model, verb, judge.caller());
        let above_rules = match (principal.system, principal.above_rules()) {
            (true, _) => Some("the system is above access rules"),
            (_, true) => Some("administrators are above access rules"),
            _ => None,
        };
        let mut out = Explanation {
            model: model.full_name(),
            verb,
            rule: shown(declared, &app, model.id),
            above_rules,
            folded: shown(&folded, &app, model.id),
            values: Vec::new(),
            becomes: Vec::new(),
            allowed: None,
            note: None,
            sql: run
                .sql(model, verb, &about)?
                .map(|s| (s.text, s.params.iter().map(value_text).collect())),
            barred: barred(&judge, model, verb),
        };
        match about {
            About::Rule => {}
            About::Body(body) => {
                run.explain_create(&judge, body, &folded, &mut out).await?;
            }
            About::Record(id) => run.explain_record(&judge, id, &folded, &mut out).await?,
            About::Change(id, body) => {
                run.explain_change(&judge, id, body, &folded, &mut out)
                    .await?;
            }
        }
        Ok(out)
    }
}

impl Run<'_> {
    fn sql(&self, model: &Model, verb: Verb, about: &About<'_>) -> Result<Option<Statement>> {
        if verb != Verb::Read {
            return Ok(None);
        }
        let resolver = self.resolver();
        let want = resolver.want(self.app.model(model.id), &Select::default())?;
        let statement = match about {
            About::Record(id) => self.planner().one(&want, crate::read::parse_id(model, id)?),
            About::Rule | About::Body(_) | About::Change(..) => {
                let sort = resolver.sort(self.app.model(model.id), &[])?;
                let limit = self.app.settings.limits.page_default;
                self.planner().page(&Page {
                    want: &want,
                    filter: None,
                    sort: &sort,
                    after: None,
                    limit,
                    search: None,
                    snippets: false,
                })
            }
        };
        statement.map_err(unsupported(Code::Internal))
    }

    async fn explain_create(
        &mut self,
        judge: &Judge,
        body: &[u8],
        rule: &Rule,
        out: &mut Explanation,
    ) -> Result<()> {
        let input = input::read(judge.model(), body, &self.app.settings.limits)?;
        let unreadable = judge
            .unreadable(&mut self.asks(), &input.fields, Leading::Anywhere)
            .await?;
        let decided = match judge.draft(&input, None, &unreadable) {
            Err(problem) => Err(problem),
            Ok(draft) => {
                out.values = values(judge, rule, &draft.record);
                let related = self
                    .related(judge, rule, &draft.record, &draft.record)
                    .await?;
                out.values.extend(related);
                let record = &draft.record;
                let allowed = match &draft.guard {
                    Some(guard) => self.asked(judge, None, record, guard, &unreadable).await?,
                    None => true,
                };
                match draft.invalid {
                    _ if !allowed => Err(judge.denied("create")),
                    Some(problem) => {
                        let given = draft.record.all();
                        Err(judge.with_dangling(&mut self.asks(), &given, problem).await)
                    }
                    None => Ok(()),
                }
            }
        };
        out.allowed = Some(decided.is_ok());
        out.note = match decided {
            Ok(()) => crate::judge::traverses(rule).then(|| {
                "the rule needs other records: it is asked in the statement that writes".to_owned()
            }),
            Err(problem) => Some(problem.to_string()),
        };
        Ok(())
    }

    async fn explain_record(
        &mut self,
        judge: &Judge,
        id: &str,
        rule: &Rule,
        out: &mut Explanation,
    ) -> Result<()> {
        let model = judge.model();
        let key = crate::read::parse_id(model, id)?;
        let asked: Vec<&Rule> = if crate::judge::traverses(rule) {
            vec![rule]
        } else {
            Vec::new()
        };
        let statement = judge
            .planner()
            .stored(model, key, &asked, Hold::No)
            .map_err(unsupported(Code::Internal))?;
        let rows = self
            .engine
            .store
            .read(&statement, self.bounds(1))
            .await
            .map_err(problem_of)?;
        if rows.captured.is_empty() {
            out.allowed = Some(false);
            out.note = Some("there is no such record".to_owned());
            return Ok(());
        }
        let (record, answers) = Record::from_row(model, &rows.captured);
        out.values = values(judge, rule, &record);
        let related = self.related(judge, rule, &record, &record).await?;
        out.values.extend(related);
        out.allowed = Some(match asked.is_empty() {
            true => judge.holds(rule, &record, Some(&record)),
            false => answers.first() == Some(&Value::Bool(true)),
        });
        if out.verb == Verb::Update
            && let Rule::When(expr) = rule
        {
            let note = match expr.names_old() {
                true => {
                    "as if nothing changed: a rule that names `old` is asked once, with the stored record as \
                     `old` and the resulting one; give the change as JSON after the id to decide on it"
                }
                false => {
                    "of the stored record; the rule must hold for the resulting one as well: give the change \
                     as JSON after the id to decide on it"
                }
            };
            out.note = Some(note.to_owned());
        }
        Ok(())
    }

    async fn explain_change(
        &mut self,
        judge: &Judge,
        id: &str,
        body: &[u8],
        rule: &Rule,
        out: &mut Explanation,
    ) -> Result<()> {
        let rehearsal = self.rehearse(judge.model, id, body).await?;
        let Some((stored, result)) = rehearsal.records else {
            out.allowed = Some(false);
            out.note = Some("there is no such record".to_owned());
            return Ok(());
        };
        out.values = values(judge, rule, &stored);
        let related = self.related(judge, rule, &stored, &stored).await?;
        out.values.extend(related);
        out.becomes = values(judge, rule, &result);
        let related = self.related(judge, rule, &result, &stored).await?;
        out.becomes.extend(related);
        out.becomes.retain(|value| !out.values.contains(value));
        out.allowed = Some(rehearsal.decided.is_ok());
        out.note = match rehearsal.decided {
            Ok(()) => crate::judge::traverses(rule).then(|| {
                "the rule needs other records: for the resulting one it is asked in the statement that writes"
                    .to_owned()
            }),
            Err(problem) if matches!(problem.code, Code::Forbidden | Code::Unauthenticated) => {
                let which = match rehearsal.for_result {
                    true => "the rule does not hold for the resulting record",
                    false => which_failed(judge, rule, &stored, &result),
                };
                Some(which.to_owned())
            }
            Err(problem) if problem.code == Code::NotFound => {
                Some("the caller may not read this record, so to them there is none".to_owned())
            }
            Err(problem) => Some(problem.to_string()),
        };
        Ok(())
    }
}

/// Values over relations that are told at most: each costs a read for every step of its way.
const MOST_RELATED: usize = 20;

impl Run<'_> {
    /// What a rule names over to-one relations, each step of the way and what it leads to: `company`, `company.owner`.
    /// Whoever asks for an explanation runs the app's commands, and sees what decided.
    async fn related(
        &self,
        judge: &Judge,
        rule: &Rule,
        this: &Record,
        old: &Record,
    ) -> Result<Vec<(String, String)>> {
        let Rule::When(expr) = rule else {
            return Ok(Vec::new());
        };
        let mut ways: Vec<Way> = Vec::new();
        expr.walk(&mut |e: &Expr| {
            if let ExprKind::Field { place, field, .. } = &e.kind
                && let Some(way) = Way::of(place, *field)
                && ways.len() < MOST_RELATED
                && !ways.contains(&way)
            {
                ways.push(way);
            }
        });
        let mut out: Vec<(String, String)> = Vec::new();
        for way in ways {
            let (mut name, mut record) = match way.from_old {
                true => ("old.".to_owned(), old.clone()),
                false => (String::new(), this.clone()),
            };
            let mut model = judge.model();
            for (hop, to) in way.hops {
                name.push_str(&model.field(hop).name);
                let key = record.get(hop).clone();
                let said = (name.clone(), value_text(&key));
                if !out.contains(&said) {
                    out.push(said);
                }
                name.push('.');
                model = self.app.model(to);
                match self.record_behind(judge, model, key).await? {
                    Some(found) => record = found,
                    None => {
                        record = Record {
                            values: vec![Value::Null; model.fields.len()],
                            extra: None,
                            stale: false,
                            left_out: Vec::new(),
                        };
                    }
                }
            }
            name.push_str(&model.field(way.field).name);
            out.push((name, value_text(record.get(way.field))));
        }
        Ok(out)
    }

    async fn record_behind(
        &self,
        judge: &Judge,
        model: &Model,
        key: Value,
    ) -> Result<Option<Record>> {
        if key.is_null() {
            return Ok(None);
        }
        let statement = judge
            .planner()
            .stored(model, key, &[], Hold::No)
            .map_err(unsupported(Code::Internal))?;
        let read = self.engine.store.read(&statement, self.bounds(1)).await;
        let rows = read.map_err(problem_of)?;
        Ok((!rows.captured.is_empty()).then(|| Record::from_row(model, &rows.captured).0))
    }
}

/// From a record over to-one relations to a field.
#[derive(PartialEq)]
struct Way {
    from_old: bool,
    /// Fields, and the models that they lead to.
    hops: Vec<(FieldId, ModelId)>,
    field: FieldId,
}

impl Way {
    /// None where there is no relation on it, or it begins among many records.
    fn of(place: &Place, field: FieldId) -> Option<Way> {
        let mut hops = Vec::new();
        let mut at = place;
        let from_old = loop {
            match at {
                Place::This => break false,
                Place::Old => break true,
                Place::Var(_) => return None,
                Place::Follow { base, field, to } => {
                    hops.push((*field, *to));
                    at = base;
                }
            }
        };
        hops.reverse();
        (!hops.is_empty()).then_some(Way {
            from_old,
            hops,
            field,
        })
    }
}

/// Of an update that its rule denies: for which of the two records it does not hold.
fn which_failed(judge: &Judge, rule: &Rule, stored: &Record, result: &Record) -> &'static str {
    match rule {
        Rule::Allow | Rule::Deny => "no record passes this rule",
        Rule::When(expr) if expr.names_old() => {
            "the rule is asked once, with the stored record as `old` and the resulting one; it does not hold"
        }
        Rule::When(expr) if expr.traverses() => "the rule does not hold for the stored record",
        Rule::When(_) => {
            let holds = |record| judge.holds(rule, record, Some(stored));
            match (holds(stored), holds(result)) {
                (false, false) => {
                    "the rule holds neither for the stored record nor for the resulting one"
                }
                (false, true) => "the rule does not hold for the stored record",
                (true, _) => "the rule does not hold for the resulting record",
            }
        }
    }
}

fn shown(rule: &Rule, app: &App, model: ModelId) -> String {
    match rule {
        Rule::Allow => "true".to_owned(),
        Rule::Deny => "false".to_owned(),
        Rule::When(expr) => print(expr, app, Some(model)),
    }
}

/// The record's own fields that a rule names.
fn values(judge: &Judge, rule: &Rule, record: &Record) -> Vec<(String, String)> {
    let Rule::When(expr) = rule else {
        return Vec::new();
    };
    let model = judge.model();
    let mut out: Vec<(String, String)> = Vec::new();
    expr.walk(&mut |e: &Expr| {
        if let ExprKind::Field {
            place: Place::This | Place::Old,
            field,
            ..
        } = &e.kind
        {
            let name = &model.field(*field).name;
            if !out.iter().any(|(known, _)| known == name) {
                out.push((name.clone(), value_text(record.get(*field))));
            }
        }
    });
    out
}

fn barred(judge: &Judge, model: &Model, verb: Verb) -> Vec<String> {
    let rule = |field| match verb {
        Verb::Read => access::field_read(field, judge.caller()),
        Verb::Create | Verb::Update | Verb::Delete => access::field_write(field, judge.caller()),
    };
    if verb == Verb::Delete {
        return Vec::new();
    }
    model
        .fields
        .iter()
        .filter(|f| !f.system)
        .filter_map(|field| match rule(field) {
            Rule::Allow => None,
            rule => Some(format!(
                "{} when {}",
                field.name,
                shown(&rule, &judge.app, model.id)
            )),
        })
        .collect()
}

/// A value for people.
pub fn value_text(value: &Value) -> String {
    match value {
        Value::Null => "null".to_owned(),
        Value::Bool(v) => v.to_string(),
        Value::Int(v) => v.to_string(),
        Value::Float(v) => v.to_string(),
        Value::Decimal(v) => v.to_string(),
        Value::Text(v) => format!("{v:?}"),
        Value::Uuid(v) => v.hyphenated().to_string(),
        Value::Timestamp(v) => spec::time::timestamp_text(*v),
        Value::Date(v) => spec::time::date_text(*v),
        Value::Duration(v) => format!("{v}µs"),
        Value::Json(v) => v.to_string(),
        Value::List(items) => {
            let items: Vec<String> = items.iter().map(value_text).collect();
            format!("[{}]", items.join(", "))
        }
    }
}
