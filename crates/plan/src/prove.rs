//! Every rule of an app, compiled for both stores before anybody is served: what type-checks but has no SQL
//! must not be a surprise at run time.

use crate::condition::condition_of;
use spec::expr::fold::{self, Known};
use spec::{App, Dialect, Model, Principal, Rule};

/// A rule without SQL.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unproven {
    /// `catalog.products: read`, `catalog.products.cost: write`.
    pub of: String,
    pub reason: String,
}

pub fn prove(app: &App) -> Vec<Unproven> {
    let mut out = Vec::new();
    for model in &app.models {
        let name = model.full_name();
        let access = &model.access;
        for (verb, rule) in [
            ("read", &access.read),
            ("create", &access.create),
            ("update", &access.update),
            ("delete", &access.delete),
        ] {
            prove_rule(app, model, rule, || format!("{name}: {verb}"), &mut out);
        }
        for field in &model.fields {
            prove_rule(
                app,
                model,
                &field.read,
                || format!("{name}.{}: read", field.name),
                &mut out,
            );
            prove_rule(
                app,
                model,
                &field.write,
                || format!("{name}.{}: write", field.name),
                &mut out,
            );
        }
    }
    out
}

fn prove_rule(
    app: &App,
    model: &Model,
    rule: &Rule,
    of: impl Fn() -> String,
    out: &mut Vec<Unproven>,
) {
    let Rule::When(expr) = rule else { return };
    // The caller is known when SQL is written; who it is decides what folds away, so a user with a role that
    // nothing names stands for all: nothing that is about records disappears for them.
    let somebody = Principal::user(
        spec::Uuid::max(),
        Some("somebody@example.com".into()),
        [].into(),
    );
    let folded = fold::fold(
        expr,
        Known {
            auth: Some(&somebody),
            now: Some(0),
        },
    );
    for dialect in [Dialect::Sqlite, Dialect::Postgres] {
        if let Err(error) = condition_of(app, dialect, model.id, &folded) {
            out.push(Unproven {
                of: of(),
                reason: format!("{} ({})", error.reason, dialect.name()),
            });
        }
    }
}
