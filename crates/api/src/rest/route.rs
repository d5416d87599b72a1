//! Addresses: `/api/{module}/{model}`, `…/{id}` and `…/aggregate`, split once, matched by comparison.

use super::decode;
use http::Method;
use spec::nearest::nearest;
use spec::{App, Code, Model, ModelId, Problem};
use std::borrow::Cow;

/// What an address names.
#[derive(Debug)]
pub struct Route<'a> {
    pub model: &'a Model,
    pub target: Target<'a>,
}

#[derive(Debug)]
pub enum Target<'a> {
    /// The model's records.
    Records,
    /// What groups of them amount to.
    Aggregate,
    /// The record with this id, decoded.
    Record(Cow<'a, str>),
}

/// An id that is an endpoint's name.
const AGGREGATE: &str = "aggregate";

pub fn find<'a>(
    app: &'a App,
    path: &'a str,
    is_closed: impl Fn(ModelId) -> bool,
) -> Result<Route<'a>, Problem> {
    let unknown = || Problem::new(Code::UnknownRoute, "There is nothing at this address.");
    let rest = path.strip_prefix("/api/").ok_or_else(unknown)?;
    let mut parts = rest.split('/');
    let (Some(module), Some(name)) = (parts.next(), parts.next()) else {
        return Err(unknown());
    };
    let (id, more) = (parts.next(), parts.next());
    if more.is_some() {
        return Err(unknown());
    }
    let Some(model) = app.model_in(module, name) else {
        return Err(unknown_model(app, module, name, is_closed));
    };
    let target = match id {
        None => Target::Records,
        Some("") => {
            return Err(Problem::new(
                Code::UnknownRoute,
                "There is nothing at this address; leave the last slash out.",
            ));
        }
        Some(AGGREGATE) => Target::Aggregate,
        Some(id) => Target::Record(decode::segment(id)?),
    };
    Ok(Route { model, target })
}

/// What is suggested is what the caller can reach.
fn unknown_model(
    app: &App,
    module: &str,
    name: &str,
    is_closed: impl Fn(ModelId) -> bool,
) -> Problem {
    let open = |id: &&ModelId| !is_closed(**id);
    let detail = match app.modules.iter().find(|m| m.name == module) {
        None => {
            let modules = app.modules.iter();
            let open = modules.filter(|module| module.models.iter().any(|id| open(&id)));
            nearest(module, open.map(|module| module.name.as_str()))
                .map(|near| format!("There is no such module; did you mean {near}?"))
        }
        Some(module) => {
            let open = module.models.iter().filter(open);
            let names = open.map(|id| app.model(*id).name.as_str());
            nearest(name, names).map(|near| {
                format!(
                    "The module {} has no such model; did you mean {near}?",
                    module.name
                )
            })
        }
    };
    Problem::new(
        Code::UnknownRoute,
        detail.unwrap_or_else(|| "There is nothing at this address.".to_owned()),
    )
}

impl Route<'_> {
    /// The `Allow` header.
    pub fn allow(&self) -> &'static str {
        match self.target {
            Target::Records => "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS",
            Target::Aggregate => "GET, HEAD, OPTIONS",
            Target::Record(_) => "GET, HEAD, PATCH, PUT, DELETE, OPTIONS",
        }
    }

    /// The operation's name, as `Operation::name` has it; none where the method is not allowed.
    pub fn verb(&self, method: &Method) -> Option<&'static str> {
        Some(match (&self.target, method.as_str()) {
            (Target::Records, "GET" | "HEAD") => "list",
            (Target::Records, "POST") => "create",
            (Target::Records, "PUT") => "upsert",
            (Target::Records, "PATCH") => "update_many",
            (Target::Records, "DELETE") => "delete_many",
            (Target::Aggregate, "GET" | "HEAD") => "aggregate",
            (Target::Record(_), "GET" | "HEAD") => "one",
            (Target::Record(_), "PATCH") => "update",
            (Target::Record(_), "PUT") => "replace",
            (Target::Record(_), "DELETE") => "delete",
            _ => return None,
        })
    }

    /// `catalog.products.list`.
    pub fn label(&self, verb: &str) -> String {
        let (module, name) = (&self.model.module_name, &self.model.name);
        let mut label = String::with_capacity(module.len() + name.len() + verb.len() + 2);
        label.push_str(module);
        label.push('.');
        label.push_str(name);
        label.push('.');
        label.push_str(verb);
        label
    }
}
