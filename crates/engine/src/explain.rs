//! Why a decision is what it is: the rule, what is left of it for this caller, the values it was decided on,
//! and the SQL it became.

use crate::execute::{Engine, Run, unsupported};
use crate::input;
use crate::judge::Judge;
use crate::record::Record;
use plan::access::{self, Verb};
use plan::condition::condition_of;
use plan::operation::Select;
use plan::read::Page;
use spec::expr::print::print;
use spec::expr::{Expr, ExprKind, Place};
use spec::problem::Result;
use spec::statement::Statement;
use spec::{App, Code, Model, ModelId, Principal, Rule, Value};
use std::sync::Arc;
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
    /// The fields that the folded rule names, with the record's values. None where no record is asked about.
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
            About::Body(body) => run.explain_create(&judge, body, &folded, &mut out)?,
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
                })
            }
        };
        statement.map_err(unsupported(Code::Internal))
    }

    fn explain_create(
        &self,
        judge: &Judge,
        body: &[u8],
        rule: &Rule,
        out: &mut Explanation,
    ) -> Result<()> {
        let input = input::read(judge.model(), body, &self.app.settings.limits)?;
        match judge.draft(&input, None, &[]) {
            Ok(draft) => {
                out.values = values(judge, rule, &draft.record);
                if let (Some(problem), []) = (draft.invalid, draft.steps.as_slice()) {
                    out.allowed = Some(false);
                    out.note = Some(problem.to_string());
                    return Ok(());
                }
                out.allowed = Some(true);
                if crate::judge::traverses(rule) {
                    out.note = Some(
                        "the rule needs other records: it is asked in the statement that writes"
                            .to_owned(),
                    );
                }
            }
            Err(problem) => {
                out.allowed = Some(false);
                out.note = Some(problem.to_string());
            }
        }
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
            .stored(model, key, &asked)
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
        out.becomes = values(judge, rule, &result);
        out.becomes.retain(|value| !out.values.contains(value));
        out.allowed = Some(rehearsal.decided.is_ok());
        out.note = match rehearsal.decided {
            Ok(()) => crate::judge::traverses(rule).then(|| {
                "the rule needs other records: for the resulting one it is asked in the statement that writes"
                    .to_owned()
            }),
            Err(problem) if matches!(problem.code, Code::Forbidden | Code::Unauthenticated) => {
                Some(which_failed(judge, rule, &stored, &result).to_owned())
            }
            Err(problem) if problem.code == Code::NotFound => {
                Some("the caller may not read this record, so to them there is none".to_owned())
            }
            Err(problem) => Some(problem.to_string()),
        };
        Ok(())
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

/// What an expression is to one store.
#[derive(Debug, Clone)]
pub struct Compiled {
    pub dialect: &'static str,
    /// The condition and its parameters, or why there is none.
    pub sql: std::result::Result<(String, Vec<String>), String>,
}

/// What [`evaluate`] found.
#[derive(Debug, Clone)]
pub struct Evaluated {
    pub ty: String,
    /// The value, or why there is none.
    pub value: std::result::Result<String, String>,
    /// The condition it becomes on SQLite and on PostgreSQL; or why it cannot.
    pub sql: Vec<Compiled>,
}

/// Tries an expression on a record that need not exist: the playground for rules.
pub fn evaluate(
    app: &Arc<App>,
    expr: &Expr,
    model: ModelId,
    record: &[u8],
    principal: &Principal,
) -> Result<Evaluated> {
    let now = spec::time::now_micros();
    let judge = Judge {
        app: Arc::clone(app),
        principal: principal.clone(),
        now,
        dialect: spec::Dialect::Sqlite,
        model,
        registers: None,
    };
    let declared = judge.model();
    let input = input::read(declared, record, &app.settings.limits)?;
    if !input.errors.is_empty() {
        return Err(spec::Problem::invalid(input.errors));
    }
    let mut values = vec![Value::Null; declared.fields.len()];
    for (field, value) in &input.fields {
        values[usize::from(field.0)] = value.clone();
    }
    let record = Record {
        values,
        extra: judge.extra_of(&input),
        stale: false,
    };
    let env = spec::expr::eval::Env {
        this: record.for_eval(),
        old: None,
        auth: principal,
        now,
        related: None,
    };
    let value = spec::expr::eval::eval(expr, &env)
        .map(|v| value_text(&v))
        .map_err(|e| why_not(e.kind).to_owned());
    let known = spec::expr::fold::Known {
        auth: Some(principal),
        now: Some(now),
    };
    let folded = spec::expr::fold::fold(expr, known);
    let sql = [spec::Dialect::Sqlite, spec::Dialect::Postgres]
        .map(|dialect| {
            let text = condition_of(app, dialect, model, &folded);
            let text = text
                .map(|s| (s.text, s.params.iter().map(value_text).collect()))
                .map_err(|u| u.reason);
            Compiled {
                dialect: dialect.name(),
                sql: text,
            }
        })
        .to_vec();
    Ok(Evaluated {
        ty: type_name(&expr.ty),
        value,
        sql,
    })
}

fn type_name(ty: &spec::expr::Type) -> String {
    use spec::expr::Type;
    match ty {
        Type::Null => "null".to_owned(),
        Type::Bool => "bool".to_owned(),
        Type::Int => "int".to_owned(),
        Type::Float => "double".to_owned(),
        Type::Decimal(scale) => format!("decimal({scale})"),
        Type::String => "string".to_owned(),
        Type::Uuid => "string (uuid)".to_owned(),
        Type::Timestamp => "timestamp".to_owned(),
        Type::Date => "timestamp (date)".to_owned(),
        Type::Duration => "duration".to_owned(),
        Type::Dyn => "dyn (json)".to_owned(),
        Type::List(item) => format!("list({})", type_name(item)),
    }
}

fn why_not(kind: spec::expr::eval::EvalErrorKind) -> &'static str {
    use spec::expr::eval::EvalErrorKind;
    match kind {
        EvalErrorKind::Overflow => "a number becomes too large",
        EvalErrorKind::DivisionByZero => "it divides by zero",
        EvalErrorKind::Conversion => "a value cannot be converted",
        EvalErrorKind::Traverses => {
            "it follows a relation, which needs stored records: try mainstay explain"
        }
        EvalErrorKind::Budget => "it takes too many steps",
    }
}
