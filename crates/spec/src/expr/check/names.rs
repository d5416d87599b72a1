//! What names and the dots and brackets behind them stand for.

use super::{Bound, Checker, Purpose, Thing};
use crate::expr::ast::{self, Kind, Name};
use crate::expr::tree::{AuthField, PathStep, Place, Type};
use crate::expr::{Expr, ExprKind, Span};
use crate::model::{Field, FieldId, ModelId, Rule};
use crate::nearest::nearest;
use crate::types::{FieldType, ItemType};
use std::sync::Arc;

/// What the caller is called elsewhere.
const CALLERS: &[&str] = &[
    "request",
    "req",
    "user",
    "me",
    "caller",
    "current_user",
    "currentUser",
    "session",
    "principal",
];

/// The type of a field's value in an expression.
pub fn type_of(ty: &FieldType) -> Type {
    match ty {
        FieldType::String { .. }
        | FieldType::Text { .. }
        | FieldType::Email
        | FieldType::Url
        | FieldType::Enum { .. } => Type::String,
        FieldType::Int { .. } => Type::Int,
        FieldType::Float { .. } => Type::Float,
        FieldType::Decimal { scale } => Type::Decimal(*scale),
        FieldType::Bool => Type::Bool,
        FieldType::Datetime => Type::Timestamp,
        FieldType::Date => Type::Date,
        FieldType::Uuid => Type::Uuid,
        FieldType::Relation { key, .. } => match key {
            crate::model::KeyKind::Uuid => Type::Uuid,
            crate::model::KeyKind::Int => Type::Int,
            crate::model::KeyKind::String => Type::String,
        },
        FieldType::Json => Type::Dyn,
        FieldType::List { items, .. } => Type::List(Box::new(match items {
            ItemType::String => Type::String,
            ItemType::Int => Type::Int,
            ItemType::Float => Type::Float,
            ItemType::Bool => Type::Bool,
        })),
    }
}

impl Checker<'_> {
    /// A bare name: a quantifier's variable, a reserved name, or a field.
    pub(super) fn name(&mut self, name: &Arc<str>, span: Span) -> Option<Thing> {
        if let Some(at) = self.vars.iter().rposition(|v| v.name == *name) {
            let index = at as u8;
            return Some(match &self.vars[at].bound {
                Bound::Record(model) => Thing::Record {
                    place: Place::Var(index),
                    model: *model,
                },
                Bound::Element { ty, .. } => Thing::Value(Expr {
                    kind: ExprKind::Element(index),
                    ty: ty.clone(),
                    span,
                }),
            });
        }
        match (&**name, self.scope.model) {
            ("auth", _) => Some(Thing::Auth),
            ("now", _) => Some(Thing::Value(Expr {
                kind: ExprKind::Now,
                ty: Type::Timestamp,
                span,
            })),
            ("old", Some(model)) if self.scope.purpose.has_old() => Some(Thing::Record {
                place: Place::Old,
                model,
            }),
            ("old", _) => self.error(
                "expr-unknown-name",
                span,
                "`old`, the record before the write, exists in update and field write rules and in checks only",
                "",
            ),
            (_, Some(model)) => self.field(Place::This, model, name, span, span),
            (_, None) => self.error(
                "expr-unknown-name",
                span,
                format!("there is no `{name}` here: only `auth` and `now` are known"),
                "",
            ),
        }
    }

    /// A field (or what refers back) of the record at `place`.
    fn field(
        &mut self,
        place: Place,
        model: ModelId,
        name: &Arc<str>,
        at: Span,
        span: Span,
    ) -> Option<Thing> {
        let app = self.scope.app;
        let decl = app.model(model);
        if self.scope.closed.contains(&model) {
            return self.error(
                "expr-unknown-name",
                at,
                "what this leads to is not for you, so its fields cannot be named",
                "",
            );
        }
        if let Some(field) = decl.field_named(name) {
            self.default_may_name(field, at)?;
            self.is_known(field, &place, at)?;
            return Some(Thing::Value(Expr {
                ty: type_of(&field.ty),
                kind: ExprKind::Field {
                    place,
                    model,
                    field: field.id,
                },
                span,
            }));
        }
        if let Some(inverse) = decl.inverse_named(name) {
            self.may_traverse(name, at)?;
            return Some(Thing::Many {
                place,
                model: inverse.model,
                field: inverse.field,
                name: name.clone(),
            });
        }
        if decl.open && !matches!(self.scope.purpose, Purpose::Default(_)) {
            let extra = Expr {
                kind: ExprKind::Extra { place, model },
                ty: Type::Dyn,
                span,
            };
            return Some(Thing::Value(path(
                extra,
                PathStep::Member(name.clone()),
                span,
            )));
        }
        // A caller's filter learns of no field that hides from anybody.
        let named = |f: &&Field| {
            !matches!(self.scope.purpose, Purpose::Filter) || matches!(f.read, Rule::Allow)
        };
        let fields = decl.fields.iter().filter(named).map(|f| f.name.as_str());
        let inverses = decl.inverses.iter();
        let inverses = inverses.filter(|one| !self.scope.closed.contains(&one.model));
        let inverses = inverses.map(|one| one.name.as_str());
        let own = ["auth", "now", "old"].into_iter();
        let is_bare = place == Place::This;
        let help = match nearest(name, fields.chain(inverses).chain(own)) {
            _ if is_bare && CALLERS.contains(&&**name) => {
                "the caller is `auth`: write `auth.id`, `auth.email`, `auth.roles` or `auth.kind`"
                    .to_owned()
            }
            Some(near) => format!("did you mean `{near}`?"),
            None if is_bare => format!("if the text is meant, it needs quotes: `'{name}'`"),
            None => String::new(),
        };
        let model = decl.full_name();
        self.error(
            "expr-unknown-name",
            at,
            format!("`{model}` has no field `{name}`"),
            help,
        )
    }

    /// A default may name what is there when it is computed: the fields declared before its own.
    fn default_may_name(&mut self, field: &Field, at: Span) -> Option<()> {
        let Purpose::Default(own) = self.scope.purpose else {
            return Some(());
        };
        if !field.system && field.id < own {
            return Some(());
        }
        self.error(
            "expr-default-order",
            at,
            format!(
                "`{}` has no value yet when this default is computed",
                field.name
            ),
            "a default may name the fields declared above its own, `auth` and `now`",
        )
    }

    /// What the database computes of a record is not known before it is written.
    fn is_known(&mut self, field: &Field, place: &Place, at: Span) -> Option<()> {
        let of_result = matches!(
            self.scope.purpose,
            Purpose::Create | Purpose::Update | Purpose::FieldWrite | Purpose::Check
        );
        if !field.computed || *place != Place::This || !of_result {
            return Some(());
        }
        self.error(
            "expr-computed",
            at,
            format!(
                "the database computes `{}` when the record is written, so it is not known here",
                field.name
            ),
            "name the fields that it is computed of",
        )
    }

    fn may_traverse(&mut self, name: &str, at: Span) -> Option<()> {
        if self.scope.purpose.may_traverse() {
            return Some(());
        }
        self.error(
            "expr-traverses",
            at,
            format!("checks and defaults see their own record only, and `{name}` leads to another"),
            "put the condition into an access rule",
        )
    }

    pub(super) fn member(&mut self, base: Thing, name: &Name, span: Span) -> Option<Thing> {
        match base {
            Thing::Auth => self.auth_field(name, span),
            Thing::Record { place, model } => self.field(place, model, &name.text, name.span, span),
            Thing::Many { name: many, .. } => self.type_error(
                name.span,
                format!("`{many}` stands for many records, not one"),
                format!(
                    "ask for one or all of them: `{many}.exists(x, x.{} == …)`",
                    name.text
                ),
            ),
            Thing::Value(base) => self.value_member(base, name, span),
        }
    }

    fn auth_field(&mut self, name: &Name, span: Span) -> Option<Thing> {
        let (field, ty) = match &*name.text {
            "id" => (AuthField::Id, Type::Uuid),
            "email" => (AuthField::Email, Type::String),
            "roles" => (AuthField::Roles, Type::List(Box::new(Type::String))),
            "kind" => (AuthField::Kind, Type::String),
            other => {
                let help = match nearest(other, ["id", "email", "roles", "kind"]) {
                    _ if other == "user" => {
                        "`auth` is the user: write `auth.id`, `auth.email`, `auth.roles` or `auth.kind`"
                            .to_owned()
                    }
                    Some(near) => format!("did you mean `auth.{near}`?"),
                    None => {
                        "there are `auth.id`, `auth.email`, `auth.roles` and `auth.kind`".into()
                    }
                };
                return self.error(
                    "expr-unknown-name",
                    name.span,
                    format!("`auth` has no `{other}`"),
                    help,
                );
            }
        };
        Some(Thing::Value(Expr {
            kind: ExprKind::Auth(field),
            ty,
            span,
        }))
    }

    fn value_member(&mut self, base: Expr, name: &Name, span: Span) -> Option<Thing> {
        if let ExprKind::Field {
            place,
            model,
            field,
        } = &base.kind
            && let Some(relation) = self.scope.app.model(*model).field(*field).relation()
        {
            return self.follow(place.clone(), *model, *field, relation.to, name, span);
        }
        if base.ty == Type::Dyn {
            let step = PathStep::Member(name.text.clone());
            return Some(Thing::Value(path(base, step, span)));
        }
        let found = super::literals::describe(&base, self.scope.app);
        let help = if matches!(&*name.text, "size" | "length" | "len") {
            "write `size(…)`"
        } else {
            ""
        };
        self.type_error(
            name.span,
            format!("{found} has no members, so no `.{}`", name.text),
            help,
        )
    }

    /// Over a to-one relation to the record it points at.
    fn follow(
        &mut self,
        base: Place,
        model: ModelId,
        field: FieldId,
        to: ModelId,
        name: &Name,
        span: Span,
    ) -> Option<Thing> {
        let app = self.scope.app;
        let (from, target) = (app.model(model), app.model(to));
        let relation = &from.field(field).name;
        if from.module != target.module {
            let id_help = format!("`{relation}` is the id itself: compare it as such");
            return self.error(
                "expr-crosses-modules",
                name.span,
                format!(
                    "`{relation}` refers to `{}`, which belongs to another module; its data may live in \
                     another database, so no rule, filter or sort can read across",
                    target.full_name()
                ),
                id_help,
            );
        }
        self.may_traverse(&format!("{relation}.{}", name.text), name.span)?;
        let place = Place::Follow {
            base: Box::new(base),
            field,
            to,
        };
        self.field(place, to, &name.text, name.span, span)
    }

    /// `base[index]`: a step into JSON.
    pub(super) fn index(
        &mut self,
        base: &ast::Expr,
        index: &ast::Expr,
        span: Span,
    ) -> Option<Thing> {
        let base = self.value(base)?;
        let step = match &index.kind {
            Kind::Int(n) => match u32::try_from(*n) {
                Ok(n) if i32::try_from(n).is_ok() => PathStep::Index(n),
                _ => {
                    return self.type_error(
                        index.span,
                        "items are counted from 0 to 2147483647",
                        "",
                    );
                }
            },
            Kind::String(name) => {
                if name.contains(['"', '\\']) {
                    // SQLite's paths have no way to write it.
                    self.needs_memory(
                        "a JSON key with a quote or a backslash",
                        index.span,
                        "choose another key",
                    )?;
                }
                PathStep::Member(name.clone())
            }
            _ => {
                return self.type_error(
                    index.span,
                    "what stands in brackets must be written out: a whole number or a string",
                    "",
                );
            }
        };
        let is_list_field = matches!(base.kind, ExprKind::Field { .. })
            && matches!(base.ty, Type::List(_))
            && matches!(step, PathStep::Index(_));
        if base.ty == Type::Dyn || is_list_field {
            return Some(Thing::Value(path(base, step, span)));
        }
        let found = super::literals::describe(&base, self.scope.app);
        self.type_error(
            span,
            format!("brackets reach into JSON and list fields, and this is {found}"),
            "",
        )
    }
}

/// One step further; steps gather in one node.
fn path(base: Expr, step: PathStep, span: Span) -> Expr {
    let (base, steps) = match base.kind {
        ExprKind::Path { base, mut steps } => {
            steps.push(step);
            (base, steps)
        }
        _ => (Box::new(base), vec![step]),
    };
    Expr {
        kind: ExprKind::Path { base, steps },
        ty: Type::Dyn,
        span,
    }
}
