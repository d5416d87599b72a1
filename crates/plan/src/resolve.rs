//! Names, as the caller wrote them → fields, relations and typed expressions, for this caller.

use crate::Caller;
use crate::access;
use crate::operation::{Expand, PlainFilter, PlainOp, Select, SortTerm};
use spec::expr::ast;
use spec::expr::check::{self, Purpose, Scope};
use spec::expr::fold::{self, Known};
use spec::expr::parse;
use spec::expr::{Comparison, Expr, ExprKind, Place, Span, Type, type_of};
use spec::nearest::nearest;
use spec::problem::{Result, shown};
use spec::settings::Limits;
use spec::types::{FieldType, ItemType};
use spec::{
    App, Code, Decimal, Field, FieldId, KeyKind, Model, ModelId, Problem, Rule, Value, key,
};

/// A record as it will be answered: which fields, under which rules, with which related records.
#[derive(Debug, Clone)]
pub struct Want<'a> {
    pub model: &'a Model,
    pub fields: Vec<(&'a Field, Rule)>,
    /// Undeclared fields of an open model too.
    pub extra: bool,
    pub to_one: Vec<ToOne<'a>>,
    pub to_many: Vec<ToMany<'a>>,
    pub foreign: Vec<Foreign<'a>>,
}

impl Want<'_> {
    /// How many records one of these may hold at most, itself included.
    pub fn records(&self) -> u64 {
        let to_one: u64 = self.to_one.iter().map(|r| r.want.records()).sum();
        let foreign: u64 = self.foreign.iter().map(|r| r.records).sum();
        let many = self.to_many.iter();
        let to_many: u64 = many
            .map(|r| u64::from(r.limit).saturating_mul(r.want.records()))
            .sum();
        1 + to_one + foreign + to_many
    }
}

/// A relation inside the module, followed forwards.
#[derive(Debug, Clone)]
pub struct ToOne<'a> {
    pub field: &'a Field,
    /// Of the relation field itself.
    pub rule: Rule,
    pub want: Want<'a>,
}

/// A relation inside the module, followed backwards.
#[derive(Debug, Clone)]
pub struct ToMany<'a> {
    pub name: &'a str,
    /// The relation field of `want.model`.
    pub field: FieldId,
    pub limit: u32,
    pub sort: Vec<Sort>,
    pub want: Want<'a>,
}

/// A relation to another module: the engine asks that module.
#[derive(Debug, Clone)]
pub struct Foreign<'a> {
    pub field: &'a Field,
    pub rule: Rule,
    pub to: ModelId,
    pub select: Select,
    /// As [`Want::records`].
    pub records: u64,
}

/// One resolved term of a sort order.
#[derive(Debug, Clone)]
pub struct Sort {
    pub expr: Expr,
    pub descending: bool,
    /// The field, where the term is one of the model's own that everybody who may list may see.
    pub column: Option<FieldId>,
    pub nullable: bool,
}

/// Resolves names against an app for a caller.
#[derive(Clone, Copy)]
pub struct Resolver<'a> {
    pub app: &'a App,
    pub caller: Caller<'a>,
    pub limits: &'a Limits,
}

impl<'a> Resolver<'a> {
    pub fn want(&self, model: &'a Model, select: &Select) -> Result<Want<'a>> {
        let mut relations = 0;
        self.want_at(
            model,
            select.fields.as_deref(),
            &select.expand,
            0,
            &mut relations,
        )
    }

    /// Whether an answer of `rows` such records stays within bounds. Each level has a bound of its own, but what
    /// an answer costs is their product.
    pub fn within(&self, want: &Want<'_>, rows: u32) -> Result<()> {
        let records = u64::from(rows).saturating_mul(want.records());
        if records <= u64::from(self.limits.answer) {
            return Ok(());
        }
        Err(Problem::new(
            Code::ExpandTooDeep,
            format!(
                "The answer could hold {records} records, {} are allowed: lower `limit`, or the limits in `expand`.",
                self.limits.answer
            ),
        )
        .limited("limits.answer", u64::from(self.limits.answer)))
    }

    fn want_at(
        &self,
        model: &'a Model,
        names: Option<&[String]>,
        expand: &[Expand],
        depth: u32,
        relations: &mut u32,
    ) -> Result<Want<'a>> {
        let mut want = Want {
            model,
            fields: Vec::with_capacity(model.fields.len()),
            extra: model.open && names.is_none(),
            to_one: Vec::new(),
            to_many: Vec::new(),
            foreign: Vec::new(),
        };
        match names {
            None => {
                for field in model.fields.iter().filter(|f| !f.hidden) {
                    match access::field_read(field, self.caller) {
                        Rule::Deny => {}
                        rule => want.fields.push((field, rule)),
                    }
                }
            }
            Some(names) => {
                for name in names {
                    let field = self.field(model, name, Code::BadFields)?;
                    if !want.fields.iter().any(|(f, _)| f.id == field.id) {
                        want.fields
                            .push((field, access::field_read(field, self.caller)));
                    }
                }
            }
        }
        if !expand.is_empty() && depth >= self.limits.expand_depth {
            return Err(Problem::new(
                Code::ExpandTooDeep,
                format!(
                    "Relations are expanded {} levels deep at most.",
                    self.limits.expand_depth
                ),
            )
            .limited("limits.expand_depth", u64::from(self.limits.expand_depth)));
        }
        for item in expand {
            *relations += 1;
            if *relations > self.limits.expand {
                return Err(Problem::new(
                    Code::ExpandTooDeep,
                    format!("{} relations are expanded at most.", self.limits.expand),
                )
                .limited("limits.expand", u64::from(self.limits.expand)));
            }
            self.relation(&mut want, item, depth, relations)?;
        }
        Ok(want)
    }

    fn relation(
        &self,
        want: &mut Want<'a>,
        item: &Expand,
        depth: u32,
        relations: &mut u32,
    ) -> Result<()> {
        let model = want.model;
        if depth > 0 && access::is_closed(model, self.caller) {
            return Err(not_for_you(&item.name, Code::BadExpand));
        }
        let twice = || Problem::new(Code::BadExpand, format!("{} is expanded twice.", item.name));
        if let Some(field) = model.field_named(&item.name)
            && let Some(relation) = field.relation()
        {
            if item.limit.is_some() || !item.sort.is_empty() {
                return Err(Problem::new(
                    Code::BadExpand,
                    format!(
                        "{} leads to one record: limit and sort have no meaning there.",
                        item.name
                    ),
                ));
            }
            if want.to_one.iter().any(|e| e.field.id == field.id)
                || want.foreign.iter().any(|e| e.field.id == field.id)
            {
                return Err(twice());
            }
            let rule = match access::field_read(field, self.caller) {
                Rule::Deny => return Err(hidden_field(field, Code::BadExpand)),
                rule => rule,
            };
            let target = self.app.model(relation.to);
            if target.module == model.module {
                let nested = self.want_at(target, None, &item.nested, depth + 1, relations)?;
                want.to_one.push(ToOne {
                    field,
                    rule,
                    want: nested,
                });
            } else {
                // The depth below is checked by the other module's own operation; count it here, too.
                let nested = self.want_at(target, None, &item.nested, depth + 1, relations)?;
                let select = Select {
                    fields: None,
                    expand: item.nested.clone(),
                };
                want.foreign.push(Foreign {
                    field,
                    rule,
                    to: relation.to,
                    select,
                    records: nested.records(),
                });
            }
            // The record stands where the id stood, also when `fields` did not name it.
            if !want.fields.iter().any(|(f, _)| f.id == field.id) {
                want.fields
                    .push((field, access::field_read(field, self.caller)));
            }
            return Ok(());
        }
        // What leads here from a model that the caller cannot reach has a name that it gave: it is as if there were none.
        if let Some(inverse) = model.inverse_named(&item.name)
            && !access::is_closed(self.app.model(inverse.model), self.caller)
        {
            if want.to_many.iter().any(|e| e.name == inverse.name) {
                return Err(twice());
            }
            let child = self.app.model(inverse.model);
            // The way back goes over a field that the caller must be able to see.
            if matches!(
                access::field_read(child.field(inverse.field), self.caller),
                Rule::Deny
            ) {
                return Err(hidden_field(child.field(inverse.field), Code::BadExpand));
            }
            let limit = item
                .limit
                .unwrap_or(self.limits.page_default.min(self.limits.nested_page));
            if limit > self.limits.nested_page {
                return Err(Problem::new(
                    Code::PageTooLarge,
                    format!("{} records are nested at most.", self.limits.nested_page),
                )
                .limited("limits.nested_page", u64::from(self.limits.nested_page)));
            }
            let nested = self.want_at(child, None, &item.nested, depth + 1, relations)?;
            let sort = self.sort(child, &item.sort)?;
            want.to_many.push(ToMany {
                name: &inverse.name,
                field: inverse.field,
                limit,
                sort,
                want: nested,
            });
            return Ok(());
        }
        let forward = self.named(model).filter(|f| f.relation().is_some());
        let backward = model.inverses.iter().filter(|inverse| {
            let child = self.app.model(inverse.model);
            !access::is_closed(child, self.caller)
                && !matches!(
                    access::field_read(child.field(inverse.field), self.caller),
                    Rule::Deny
                )
        });
        let known: Vec<&str> = forward
            .map(|field| field.name.as_str())
            .chain(backward.map(|inverse| inverse.name.as_str()))
            .collect();
        Err(Problem::new(
            Code::BadExpand,
            format!(
                "{} has no relation {}{}",
                model.full_name(),
                item.name,
                suggestion(&item.name, &known)
            ),
        ))
    }

    /// The fields that the caller may name. An error's hint tells of no other: that a hidden field is there is told
    /// only to who names it.
    fn named(&self, model: &'a Model) -> impl Iterator<Item = &'a Field> {
        let caller = self.caller;
        model
            .fields
            .iter()
            .filter(move |field| !matches!(access::field_read(field, caller), Rule::Deny))
    }

    /// The other models of the module that the caller cannot reach.
    fn closed_beside(&self, model: &Model) -> Vec<ModelId> {
        let beside = self.app.module(model.module).models.iter().copied();
        beside
            .filter(|id| *id != model.id && access::is_closed(self.app.model(*id), self.caller))
            .collect()
    }

    /// A field that the caller may name; an error of `code` otherwise.
    fn field(&self, model: &'a Model, name: &str, code: Code) -> Result<&'a Field> {
        if access::is_closed(model, self.caller) {
            return Err(not_for_you(name, code));
        }
        let Some(field) = model.field_named(name) else {
            let known: Vec<&str> = self.named(model).map(|f| f.name.as_str()).collect();
            return Err(Problem::new(
                code,
                format!(
                    "{} has no field {name}{}",
                    model.full_name(),
                    suggestion(name, &known)
                ),
            ));
        };
        match access::field_read(field, self.caller) {
            Rule::Deny => Err(hidden_field(field, code)),
            _ => Ok(field),
        }
    }

    /// Fields that are unique together, as a key to find one record by.
    pub fn unique_key(&self, model: &'a Model, names: &[String]) -> Result<Vec<FieldId>> {
        let mut key = Vec::with_capacity(names.len());
        for name in names {
            let field = self.field(model, name, Code::BadParameter)?.id;
            if !key.contains(&field) {
                key.push(field);
            }
        }
        let is_key = |fields: &[FieldId]| {
            fields.len() == key.len() && fields.iter().all(|field| key.contains(field))
        };
        let mut keys = model
            .indexes
            .iter()
            .filter(|index| index.unique)
            .map(|index| index.fields.as_slice());
        if keys.clone().any(is_key) {
            return Ok(key);
        }
        let named = |fields: &[FieldId]| {
            let names = fields.iter().map(|id| model.field(*id).name.as_str());
            format!("key={}", names.collect::<Vec<_>>().join(","))
        };
        let known = keys
            .by_ref()
            .filter(|fields| {
                let read = |id: &FieldId| access::field_read(model.field(*id), self.caller);
                !fields.iter().any(|id| matches!(read(id), Rule::Deny))
            })
            .map(named)
            .collect::<Vec<_>>();
        let known = match known.as_slice() {
            [] => "it has no unique fields".to_owned(),
            known => format!("there is {}", known.join(", ")),
        };
        Err(Problem::new(
            Code::BadParameter,
            format!(
                "{} is not a unique key of {}; {known}.",
                named(&key),
                model.full_name()
            ),
        ))
    }

    pub fn sort(&self, model: &'a Model, terms: &[SortTerm]) -> Result<Vec<Sort>> {
        let mut sorts: Vec<Sort> = Vec::with_capacity(terms.len() + 1);
        if terms.len() > 8 {
            return Err(Problem::new(
                Code::BadSort,
                "At most 8 fields can be sorted by.",
            ));
        }
        for term in terms {
            let sort = self.sort_term(model, term)?;
            let by_id = sort.column == Some(spec::model::ID);
            sorts.push(sort);
            if by_id {
                // Nothing after the id can matter.
                self.cursor_fits(&sorts[..sorts.len() - 1])?;
                return Ok(sorts);
            }
        }
        let descending = sorts.last().is_some_and(|s| s.descending);
        sorts.push(self.sort_term(
            model,
            &SortTerm {
                path: vec!["id".to_owned()],
                descending,
            },
        )?);
        self.cursor_fits(&sorts[..terms.len()])?;
        Ok(sorts)
    }

    /// A page ends with a cursor, which holds the sort keys of its last record and comes back in a query: three
    /// quarters of one are for it, of which its letters (base64) leave three quarters to the keys.
    fn cursor_fits(&self, sorts: &[Sort]) -> Result<()> {
        let key = |sort: &Sort| match &sort.expr.kind {
            ExprKind::Field { model, field, .. } => {
                let field = self.app.model(*model).field(*field);
                (field.name.as_str(), field.ty.widest())
            }
            // Sort terms are made of fields only.
            _ => ("", 0),
        };
        let most = u64::from(self.limits.query) * 9 / 16;
        let keys = sorts.iter().map(key);
        if keys.clone().map(|(_, bytes)| bytes).sum::<u64>() <= most {
            return Ok(());
        }
        let (name, bytes) = keys.max_by_key(|(_, bytes)| *bytes).unwrap_or_default();
        Err(Problem::new(
            Code::BadSort,
            format!(
                "The values of {name} may be {bytes} bytes long; what a page is sorted by has {most} in all, for its \
                 cursor to fit into a query. Sort by less."
            ),
        )
        .limited("limits.query", u64::from(self.limits.query)))
    }

    fn sort_term(&self, model: &'a Model, term: &SortTerm) -> Result<Sort> {
        let (place, at, field) = self.path(model, &term.path, Code::BadSort, "a sort order")?;
        let unsorted = match field.ty {
            FieldType::Json => "is JSON; it has no order",
            FieldType::List { .. } => "is a list; it has no order",
            FieldType::Text { .. } => {
                "is text, which may be longer than a cursor can hold; sort by a string"
            }
            _ => "",
        };
        if !unsorted.is_empty() {
            return Err(Problem::new(
                Code::BadSort,
                format!("{} {unsorted}.", field.name),
            ));
        }
        let plain =
            place == Place::This && matches!(access::field_read(field, self.caller), Rule::Allow);
        Ok(Sort {
            expr: Expr {
                kind: ExprKind::Field {
                    place,
                    model: at.id,
                    field: field.id,
                },
                ty: type_of(&field.ty),
                span: Span::default(),
            },
            descending: term.descending,
            column: plain.then_some(field.id),
            nullable: field.optional || !plain,
        })
    }

    /// The field that a path of to-one relations inside the module ends in, the model that has it, and where its record
    /// is. `whole` is what cannot cross modules; problems have `code`.
    pub(crate) fn path(
        &self,
        model: &'a Model,
        path: &[String],
        code: Code,
        whole: &str,
    ) -> Result<(Place, &'a Model, &'a Field)> {
        let (mut place, mut at) = (Place::This, model);
        let (last, hops) = path
            .split_last()
            .ok_or_else(|| Problem::new(code, "A name is empty."))?;
        if hops.len() > self.limits.expand_depth as usize {
            return Err(Problem::new(
                code,
                format!("The path {} is too long.", shown(&path.join("."))),
            )
            .limited("limits.expand_depth", u64::from(self.limits.expand_depth)));
        }
        for hop in hops {
            let field = self.field(at, hop, code)?;
            let Some(relation) = field.relation() else {
                return Err(Problem::new(code, format!("{hop} is no relation.")));
            };
            let to = self.app.model(relation.to);
            if to.module != at.module {
                return Err(Problem::new(
                    code,
                    format!(
                        "{hop} leads into the module {}; {whole} cannot cross modules.",
                        to.module_name
                    ),
                ));
            }
            place = Place::Follow {
                base: Box::new(place),
                field: field.id,
                to: relation.to,
            };
            at = to;
        }
        Ok((place, at, self.field(at, last, code)?))
    }

    /// The filter of a list, plain ones and-ed, typed and folded for the caller. None where nothing is asked.
    pub fn filter(
        &self,
        model: &'a Model,
        text: Option<&str>,
        plain: &[PlainFilter],
    ) -> Result<Option<Expr>> {
        let mut parts = Vec::with_capacity(plain.len() + 1);
        for filter in plain {
            parts.push(self.plain(model, filter)?);
        }
        if let Some(text) = text {
            parts.push(self.cel(model, text)?);
        }
        Ok(match parts.len() {
            0 => None,
            1 => parts.pop(),
            _ => Some(Expr {
                kind: ExprKind::And(parts),
                ty: Type::Bool,
                span: Span::default(),
            }),
        })
    }

    /// A condition that a caller wrote, typed, within the bounds of a filter; names are made ready by `prepare`. It is
    /// not looked at whose fields they are.
    pub(crate) fn condition(
        &self,
        parameter: &str,
        text: &str,
        scope: &Scope<'_>,
        prepare: impl FnOnce(&mut ast::Expr),
    ) -> Result<Expr> {
        let what = match parameter {
            "filter" => "The filter",
            other => other,
        };
        if text.len() > self.limits.filter as usize {
            return Err(Problem::new(
                Code::FilterTooLarge,
                format!(
                    "{what} has {} bytes; {} are allowed.",
                    text.len(),
                    self.limits.filter
                ),
            )
            .limited("limits.filter", u64::from(self.limits.filter)));
        }
        let limits = parse::Limits {
            bytes: self.limits.filter,
            nodes: self.limits.filter_nodes,
            depth: self.limits.filter_depth,
        };
        let typed = parse::parse_within(text, limits).and_then(|mut tree| {
            prepare(&mut tree);
            check::check(&tree, scope)
        });
        typed.map_err(|errors| {
            let Some(first) = errors.first() else {
                return Problem::new(Code::BadFilter, format!("{what} is not valid."));
            };
            let at = text
                .get(..first.span.start as usize)
                .map_or(0, |before| before.chars().count())
                + 1;
            let mut detail = match parameter {
                "filter" => format!("At character {at}: {}", first.message),
                other => format!("At character {at} of {other}: {}", first.message),
            };
            if let Some(help) = &first.help {
                detail.push_str(" (");
                detail.push_str(help);
                detail.push(')');
            }
            if !detail.ends_with(['.', '?']) {
                detail.push('.');
            }
            let problem = Problem::new(Code::BadFilter, detail);
            match met_limit(text, limits) {
                Some((name, value)) if first.code == "expr-too-large" => Problem {
                    code: Code::FilterTooLarge,
                    ..problem.limited(name, u64::from(value))
                },
                _ => problem,
            }
        })
    }

    fn cel(&self, model: &'a Model, text: &str) -> Result<Expr> {
        // Only a path leads away from the model.
        let closed = match text.contains('.') {
            true => self.closed_beside(model),
            false => Vec::new(),
        };
        let scope = Scope {
            app: self.app,
            model: Some(model.id),
            purpose: Purpose::Filter,
            closed: &closed,
        };
        let expr = self.condition("filter", text, &scope, |_| {})?;
        let mut hidden = None;
        expr.walk(&mut |e| {
            if let ExprKind::Field { model, field, .. } = &e.kind {
                let field = self.app.model(*model).field(*field);
                if matches!(access::field_read(field, self.caller), Rule::Deny) {
                    hidden = Some(field);
                }
            }
        });
        if let Some(field) = hidden {
            return Err(hidden_field(field, Code::BadFilter));
        }
        let known = Known {
            auth: Some(self.caller.principal),
            now: Some(self.caller.now),
        };
        Ok(fold::fold(&expr, known).into_owned())
    }

    fn plain(&self, model: &'a Model, filter: &PlainFilter) -> Result<Expr> {
        let field = self.field(model, &filter.field, Code::UnknownParameter)?;
        let ty = type_of(&field.ty);
        if let Some(detail) = by_filter_only(field, filter) {
            return Err(Problem::new(Code::BadParameter, detail));
        }
        let place = ExprKind::Field {
            place: Place::This,
            model: model.id,
            field: field.id,
        };
        let span = Span::default();
        let subject = Box::new(Expr {
            kind: place,
            ty: ty.clone(),
            span,
        });
        let mut values = Vec::with_capacity(filter.values.len());
        for text in &filter.values {
            values.push(read_plain(field, model.key, text).map_err(|expected| {
                Problem::new(
                    Code::BadParameter,
                    format!("{}={} is not {expected}.", filter.field, shown(text)),
                )
            })?);
        }
        let kind = match filter.op {
            PlainOp::In => {
                if values.len() > 100 {
                    return Err(Problem::new(
                        Code::BadParameter,
                        "At most 100 values can be listed.",
                    ));
                }
                let list =
                    Expr::literal(Value::List(values.into()), Type::List(Box::new(ty)), span);
                ExprKind::In {
                    item: subject,
                    list: Box::new(list),
                }
            }
            op => {
                let op = match op {
                    PlainOp::Ne => Comparison::Ne,
                    PlainOp::Lt => Comparison::Lt,
                    PlainOp::Lte => Comparison::Le,
                    PlainOp::Gt => Comparison::Gt,
                    PlainOp::Gte => Comparison::Ge,
                    PlainOp::Eq | PlainOp::In => Comparison::Eq,
                };
                let value = values.into_iter().next().unwrap_or(Value::Null);
                ExprKind::Compare {
                    op,
                    left: subject,
                    right: Box::new(Expr::literal(value, ty, span)),
                }
            }
        };
        Ok(Expr {
            kind,
            ty: Type::Bool,
            span,
        })
    }
}

/// Which bound of `mainstay.toml` a text is beyond; none where it is too large in another way.
fn met_limit(text: &str, limits: spec::expr::Limits) -> Option<(&'static str, u32)> {
    let any_nodes = spec::expr::Limits {
        nodes: u32::MAX,
        ..limits
    };
    if spec::expr::parse::parse_within(text, limits).is_ok() {
        None
    } else if spec::expr::parse::parse_within(text, any_nodes).is_ok() {
        Some(("limits.filter_nodes", limits.nodes))
    } else {
        Some(("limits.filter_depth", limits.depth))
    }
}

/// The value of a plain filter, or what was expected.
fn read_plain(field: &Field, key: KeyKind, text: &str) -> std::result::Result<Value, String> {
    if field.id == spec::model::ID {
        return key::read(key, text).ok_or_else(|| key::expected(key).to_owned());
    }
    let value = match &field.ty {
        FieldType::String { .. } | FieldType::Text { .. } | FieldType::Url => (!text
            .contains('\0'))
        .then(|| Value::text(text))
        .ok_or("text without U+0000"),
        FieldType::Email => Ok(Value::text(&text.to_lowercase())),
        FieldType::Enum { values } => {
            if values.iter().any(|v| &**v == text) {
                Ok(Value::text(text))
            } else {
                return Err(format!("one of {}", values.join(", ")));
            }
        }
        FieldType::Int { .. } => key::whole(text)
            .map(Value::Int)
            .ok_or("a whole number within ±(2^53 − 1)"),
        FieldType::Float { .. } => text
            .parse()
            .ok()
            .filter(|v: &f64| v.is_finite())
            .map(Value::Float)
            .ok_or("a number"),
        FieldType::Decimal { scale } => {
            return Decimal::parse(text, *scale)
                .map(Value::Decimal)
                .map_err(|_| {
                    format!("a decimal of at most 18 digits, {scale} of them behind the point")
                });
        }
        FieldType::Bool => match text {
            "true" => Ok(Value::Bool(true)),
            "false" => Ok(Value::Bool(false)),
            _ => Err("true or false"),
        },
        FieldType::Datetime => {
            return spec::time::parse_timestamp(text)
                .map(Value::Timestamp)
                .map_err(|_| match spec::time::completed(text) {
                    // A plain filter stands in an address, where a `+` is a blank.
                    Some(whole) => {
                        format!("an RFC 3339 datetime: write {}", whole.replace('+', "%2B"))
                    }
                    None => "an RFC 3339 datetime, 2026-01-31T12:00:00Z".to_owned(),
                });
        }
        FieldType::Date => spec::time::parse_date(text)
            .map(Value::Date)
            .map_err(|_| "a date, 2026-01-31"),
        FieldType::Uuid => key::hyphenated(text).map(Value::Uuid).ok_or("a UUID"),
        FieldType::Relation { key, .. } => key::read(*key, text).ok_or(key::expected(*key)),
        FieldType::Json | FieldType::List { .. } => Err("comparable here"),
    };
    value.map_err(str::to_owned)
}

/// Why a field has no plain filter, and the filter that may be meant.
fn by_filter_only(field: &Field, asked: &PlainFilter) -> Option<String> {
    let name = &field.name;
    match &field.ty {
        FieldType::Json => Some(format!(
            "{name} is JSON: use filter, as in filter={name}.member == 'x'."
        )),
        FieldType::List { items, .. } => {
            let example = match items {
                ItemType::String => "x",
                ItemType::Int => "7",
                ItemType::Float => "0.5",
                ItemType::Bool => "true",
            };
            let given = asked.values.first().map_or(example, String::as_str);
            let fits = match items {
                ItemType::String => !given.contains(['\'', '\\']) && given.len() <= 60,
                ItemType::Int => key::whole(given).is_some(),
                ItemType::Float => given.contains('.') && given.parse().is_ok_and(f64::is_finite),
                ItemType::Bool => matches!(given, "true" | "false"),
            };
            let item = if fits { given } else { example };
            let item = match items {
                ItemType::String => format!("'{}'", shown(item)),
                ItemType::Int | ItemType::Float | ItemType::Bool => item.to_owned(),
            };
            Some(format!(
                "{name} is a list: use filter, as in filter={item} in {name}."
            ))
        }
        FieldType::String { .. }
        | FieldType::Text { .. }
        | FieldType::Email
        | FieldType::Url
        | FieldType::Enum { .. }
        | FieldType::Int { .. }
        | FieldType::Float { .. }
        | FieldType::Decimal { .. }
        | FieldType::Bool
        | FieldType::Datetime
        | FieldType::Date
        | FieldType::Uuid
        | FieldType::Relation { .. } => None,
    }
}

/// A name of a model that is closed to the caller, whether it has it or not.
fn not_for_you(name: &str, code: Code) -> Problem {
    Problem::new(
        code,
        format!(
            "What leads to {} is not for you, so it cannot be named here.",
            shown(name)
        ),
    )
}

fn hidden_field(field: &Field, code: Code) -> Problem {
    Problem::new(
        code,
        format!(
            "{} is not readable for you, so it cannot be named here.",
            field.name
        ),
    )
}

pub(crate) fn suggestion(word: &str, known: &[&str]) -> String {
    match nearest(word, known.iter().copied()) {
        Some(near) => format!("; did you mean {near}?"),
        None if known.is_empty() => ".".to_owned(),
        None => format!("; there are {}.", known.join(", ")),
    }
}
