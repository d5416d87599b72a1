//! Query strings → what a list, or the selection of one record, asks for. Pure, bounded, and strict: a parameter
//! that is not understood is an error, since one that is silently ignored answers another question.
//!
//! Names of fields are checked here only where the kind of a parameter hangs on it; the engine resolves the rest.

use super::{decode, expand};
use crate::words::{CONTROLS, MOST_FIELDS, MOST_SORTS, MOST_VALUES, OPS, SELECTS};
use engine::operation::{List, Matching, PlainFilter, PlainOp, Select, SortTerm};
use spec::nearest::nearest;
use spec::problem::shown;
use spec::settings::Limits;
use spec::{App, Code, Model, ModelId, Problem, Rule};
use std::borrow::Cow;

type Result<T> = std::result::Result<T, Problem>;

/// Names in one path of a sort term.
const MOST_HOPS: usize = 16;

/// What the parameters of an address can be, beside filters on fields.
pub(super) struct Steered {
    /// What they steer, for messages.
    pub what: &'static str,
    /// A field of such a name is filtered as `limit[eq]=…`.
    pub controls: &'static [&'static str],
    /// Those that steer something else.
    pub elsewhere: &'static [&'static str],
    /// Names of other systems, and what does that here.
    pub foreign: &'static [(&'static [&'static str], &'static str)],
}

const LISTS: Steered = Steered {
    what: "list",
    controls: CONTROLS,
    elsewhere: &["group_by", "having"],
    foreign: FOREIGN,
};

/// What steers a list elsewhere, and what does here.
const FOREIGN: &[(&[&str], &str)] = &[
    (
        &[
            "offset",
            "page",
            "skip",
            "start",
            "after",
            "before",
            "page_token",
        ],
        "pages are walked with cursor, which takes the next_cursor of the page before",
    ),
    (
        &[
            "per_page",
            "perPage",
            "page_size",
            "pageSize",
            "size",
            "top",
            "take",
            "first",
        ],
        "how many records a page holds is limit",
    ),
    (
        &[
            "order", "order_by", "orderBy", "sort_by", "sortBy", "orderby",
        ],
        "the order is sort, as in sort=-price,name",
    ),
    (
        &["include", "with", "populate", "embed", "join"],
        "related records are asked for with expand",
    ),
    (
        &["select", "columns", "only"],
        "the fields to answer are named with fields",
    ),
    (
        &["where"],
        "records are chosen with filter, as in filter=price < 20",
    ),
    (
        &["q", "query", "text", "find"],
        "records are found by words with search, as in search=red shoes, and chosen with filter, as in filter=price < 20",
    ),
    (
        &["highlight", "highlights", "_highlight"],
        "what a search found is shown with snippets=true",
    ),
];

/// The list that a query string asks for.
pub fn parse_list(query: Option<&str>, model: &Model, app: &App) -> Result<List> {
    let mut list = List::of(model.id);
    let mut once = Once::default();
    for parameter in bounded(query, &app.settings.limits)? {
        let (name, value) = parameter?;
        match &*name {
            "filter" => {
                once.take("filter")?;
                list.filter = Some(filled("filter", &value, Code::BadFilter)?.to_owned());
            }
            "sort" => {
                once.take("sort")?;
                list.sort = sort(filled("sort", &value, Code::BadSort)?)?;
            }
            "limit" => {
                once.take("limit")?;
                list.limit = Some(page(&value, app.settings.limits.page)?);
            }
            "cursor" => {
                once.take("cursor")?;
                list.cursor = Some(cursor(&value)?);
            }
            "fields" => {
                once.take("fields")?;
                list.select.fields = Some(fields(&value)?);
            }
            "expand" => {
                once.take("expand")?;
                list.select.expand = expand::parse(&value, &app.settings.limits)?;
            }
            "count" => {
                once.take("count")?;
                list.count = count(&value)?;
            }
            "search" => {
                once.take("search")?;
                list.search = Some(filled("search", &value, Code::BadSearch)?.to_owned());
            }
            "snippets" => {
                once.take("snippets")?;
                list.snippets = snippets(&value)?;
            }
            _ => plain(&mut list.plain, &name, value, model, &LISTS)?,
        }
    }
    Ok(list)
}

/// The list of a closed model: what shapes an empty page, and nothing that has a name in it.
pub(super) fn parse_closed(query: Option<&str>, model: ModelId) -> List {
    let given = |name: &str| {
        let mut all = parameters(query).flatten();
        all.find(|(one, _)| one == name)
            .map(|(_, value)| value.into_owned())
    };
    List {
        count: given("count").as_deref() == Some("exact"),
        snippets: given("snippets").as_deref() == Some("true"),
        cursor: given("cursor"),
        ..List::of(model)
    }
}

/// The records that a query string chooses, to be written: filters and nothing else.
pub fn parse_matching(query: Option<&str>, model: &Model, app: &App) -> Result<Matching> {
    let mut matching = Matching {
        model: model.id,
        filter: None,
        plain: Vec::new(),
    };
    let mut once = Once::default();
    for parameter in bounded(query, &app.settings.limits)? {
        let (name, value) = parameter?;
        match &*name {
            "filter" => {
                once.take("filter")?;
                matching.filter = Some(filled("filter", &value, Code::BadFilter)?.to_owned());
            }
            name if CONTROLS.contains(&name) || name == "search" => {
                return Err(Problem::new(
                    Code::UnknownParameter,
                    format!(
                        "{name} belongs to reading: records to write are chosen by filters alone."
                    ),
                ));
            }
            _ => plain(&mut matching.plain, &name, value, model, &LISTS)?,
        }
    }
    Ok(matching)
}

/// `key`, the unique fields that a record is found by, and what its answer shall hold.
pub fn parse_key(query: Option<&str>, model: &Model, app: &App) -> Result<(Vec<String>, Select)> {
    let mut key = None;
    let mut select = Select::default();
    let mut once = Once::default();
    for parameter in bounded(query, &app.settings.limits)? {
        let (name, value) = parameter?;
        match &*name {
            "key" => {
                once.take("key")?;
                key = Some(names(&value, "key", Code::BadParameter)?);
            }
            "fields" => {
                once.take("fields")?;
                select.fields = Some(fields(&value)?);
            }
            "expand" => {
                once.take("expand")?;
                select.expand = expand::parse(&value, &app.settings.limits)?;
            }
            name => return Err(unknown(name, ["key"].iter().chain(SELECTS).copied())),
        }
    }
    let key = key.ok_or_else(|| {
        bad(format!(
            "A PUT to a model finds a record by unique fields of the body: say which, as in key=email. By its id it is \
             a PUT to /api/{}/{}/{{id}}.",
            model.module_name, model.name
        ))
    })?;
    Ok((key, select))
}

/// What an answer that is one record shall hold: `fields` and `expand`, and nothing else.
pub fn parse_select(query: Option<&str>, model: &Model, app: &App) -> Result<Select> {
    let mut select = Select::default();
    let mut once = Once::default();
    for parameter in bounded(query, &app.settings.limits)? {
        let (name, value) = parameter?;
        match &*name {
            "fields" => {
                once.take("fields")?;
                select.fields = Some(fields(&value)?);
            }
            "expand" => {
                once.take("expand")?;
                select.expand = expand::parse(&value, &app.settings.limits)?;
            }
            name if CONTROLS.contains(&name) || model.field_named(name).is_some() => {
                return Err(Problem::new(
                    Code::UnknownParameter,
                    format!("{name} belongs to lists; there are fields and expand here."),
                ));
            }
            name => return Err(unknown(name, SELECTS.iter().copied())),
        }
    }
    Ok(select)
}

/// Where no parameter is taken.
pub fn parse_nothing(query: Option<&str>) -> Result<()> {
    // However long it is, and the edge bounds that, the first parameter is one too many.
    match parameters(query).next() {
        None => Ok(()),
        Some(parameter) => {
            let (name, _) = parameter?;
            Err(Problem::new(
                Code::UnknownParameter,
                format!(
                    "{} is not known: no parameters are taken here.",
                    shown(&name)
                ),
            ))
        }
    }
}

type Parameter<'q> = Result<(Cow<'q, str>, Cow<'q, str>)>;

pub(super) fn bounded<'q>(
    query: Option<&'q str>,
    limits: &Limits,
) -> Result<impl Iterator<Item = Parameter<'q>>> {
    let (length, most) = (query.map_or(0, str::len), limits.query);
    if length > most as usize {
        return Err(Problem::new(
            Code::QueryTooLong,
            format!("The query string has {length} bytes; {most} are allowed."),
        )
        .limited("limits.query", u64::from(most)));
    }
    Ok(parameters(query))
}

fn parameters(query: Option<&str>) -> impl Iterator<Item = Parameter<'_>> {
    let query = query.unwrap_or_default();
    query.split('&').filter(|p| !p.is_empty()).map(|parameter| {
        let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
        Ok((decode::parameter(name)?, decode::parameter(value)?))
    })
}

/// Which control parameters were there already: two of one name have no meaning that all readers would agree on.
#[derive(Default)]
pub(super) struct Once(Vec<&'static str>);

impl Once {
    pub(super) fn take(&mut self, name: &'static str) -> Result<()> {
        if self.0.contains(&name) {
            return Err(bad(format!("{name} is there twice.")));
        }
        self.0.push(name);
        Ok(())
    }
}

pub(super) fn bad(detail: impl Into<String>) -> Problem {
    Problem::new(Code::BadParameter, detail)
}

pub(super) fn filled<'v>(name: &str, value: &'v str, code: Code) -> Result<&'v str> {
    if value.is_empty() {
        return Err(Problem::new(code, format!("{name} is empty.")));
    }
    Ok(value)
}

fn page(value: &str, most: u32) -> Result<u32> {
    let limit = whole(value).ok_or_else(|| {
        bad(format!(
            "limit={} is not a whole number from 1 to {most}.",
            shown(value)
        ))
    })?;
    match u32::try_from(limit) {
        Ok(0) => Err(bad(format!("limit is from 1 to {most}."))),
        Ok(limit) if limit <= most => Ok(limit),
        _ => Err(Problem::new(
            Code::PageTooLarge,
            format!("A page holds {most} records at most."),
        )
        .limited("limits.page", u64::from(most))),
    }
}

/// Digits only, and as many as anybody could mean; what is larger than any number is the largest.
pub(super) fn whole(text: &str) -> Option<u64> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(text.parse().unwrap_or(u64::MAX))
}

fn cursor(value: &str) -> Result<String> {
    // How long one may be hangs on the sort order; `limits.query` bounds all of them.
    if value.is_empty() {
        return Err(Problem::new(
            Code::BadCursor,
            "This is not a cursor that was answered as next_cursor.",
        ));
    }
    Ok(value.to_owned())
}

fn count(value: &str) -> Result<bool> {
    match value {
        "exact" => Ok(true),
        "estimated" => Err(bad("count=estimated is not built yet: use count=exact.")),
        _ => Err(bad(format!("count={} is not exact.", shown(value)))),
    }
}

fn snippets(value: &str) -> Result<bool> {
    match value {
        "true" => Ok(true),
        "false" => Ok(false),
        _ => Err(bad(format!(
            "snippets={} is not true or false.",
            shown(value)
        ))),
    }
}

fn fields(value: &str) -> Result<Vec<String>> {
    names(value, "fields", Code::BadFields)
}

fn names(value: &str, parameter: &str, code: Code) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for name in value.split(',') {
        if names.len() == MOST_FIELDS {
            return Err(Problem::new(
                code,
                format!("At most {MOST_FIELDS} fields can be named."),
            ));
        }
        if !is_name(name) {
            return Err(Problem::new(
                code,
                match name {
                    "" => format!("A name is empty: {parameter}=id,name."),
                    name => format!("{} is not a field's name.", shown(name)),
                },
            ));
        }
        names.push(name.to_owned());
    }
    Ok(names)
}

pub(super) fn sort(value: &str) -> Result<Vec<SortTerm>> {
    let mut terms = Vec::new();
    for term in value.split(',') {
        push_sort(&mut terms, term)?;
    }
    Ok(terms)
}

/// `-price` or `category.name`.
pub(super) fn push_sort(terms: &mut Vec<SortTerm>, term: &str) -> Result<()> {
    let wrong = |detail: String| Problem::new(Code::BadSort, detail);
    if terms.len() == MOST_SORTS {
        return Err(wrong(format!(
            "At most {MOST_SORTS} fields can be sorted by."
        )));
    }
    let (descending, path) = match term.strip_prefix('-') {
        Some(path) => (true, path),
        None => (false, term),
    };
    let names: Vec<String> = path
        .split('.')
        .take(MOST_HOPS + 1)
        .map(str::to_owned)
        .collect();
    if names.len() > MOST_HOPS {
        return Err(wrong("The path of a sort term is too long.".to_owned()));
    }
    if !names.iter().all(|name| is_name(name)) {
        return Err(wrong(match term {
            "" => "A term is empty: sort=-price,name.".to_owned(),
            term => format!("{} is not a field or a path of relations.", shown(term)),
        }));
    }
    if terms.iter().any(|t| t.path == names) {
        return Err(wrong(format!("{} is there twice.", shown(path))));
    }
    terms.push(SortTerm {
        path: names,
        descending,
    });
    Ok(())
}

/// Whether a text could be a name at all; longer ones than any name are not worth looking up.
pub(super) fn is_name(text: &str) -> bool {
    let mut bytes = text.bytes();
    text.len() <= 64
        && bytes
            .next()
            .is_some_and(|b| b.is_ascii_alphabetic() || b == b'_')
        && bytes.all(|b| b.is_ascii_alphanumeric() || b == b'_')
}

/// `status=active` or `price[lte]=100`.
pub(super) fn plain(
    filters: &mut Vec<PlainFilter>,
    parameter: &str,
    value: Cow<'_, str>,
    model: &Model,
    steered: &Steered,
) -> Result<()> {
    let (name, op) = match parameter.split_once('[') {
        None => (parameter, PlainOp::Eq),
        Some((name, rest)) => {
            let known = |op: &str| OPS.iter().find(|(name, _)| *name == op);
            match rest.strip_suffix(']').and_then(known) {
                Some((_, op)) => (name, *op),
                None => {
                    return Err(bad(format!(
                        "{} is not understood: the comparisons are [eq], [ne], [lt], [lte], [gt], [gte] and [in].",
                        shown(parameter)
                    )));
                }
            }
        }
    };
    if model.field_named(name).is_none() {
        return Err(unknown_filter(parameter, name, model, steered));
    }
    let earlier = filters.iter_mut().find(|f| f.field == name && f.op == op);
    match earlier {
        None => filters.push(PlainFilter {
            field: name.to_owned(),
            op,
            values: vec![value.into_owned()],
        }),
        Some(filter) if op == PlainOp::In => {
            if filter.values.len() == MOST_VALUES {
                return Err(bad(format!(
                    "{name}[in] takes {MOST_VALUES} values at most."
                )));
            }
            filter.values.push(value.into_owned());
        }
        Some(_) => {
            return Err(bad(format!(
                "{} is there twice; for one of several values repeat {name}[in].",
                shown(parameter)
            )));
        }
    }
    Ok(())
}

fn unknown_filter(parameter: &str, name: &str, model: &Model, steered: &Steered) -> Problem {
    let refused = |detail: String| Problem::new(Code::UnknownParameter, detail);
    if name.contains('.') {
        return refused(format!(
            "{} leads over a relation: use filter, as in filter=category.name == 'x'.",
            shown(name)
        ));
    }
    // Only with a comparison behind it: `limit[eq]=5`.
    if steered.controls.contains(&name) {
        let undeclared = match model.open {
            true => {
                format!(": undeclared fields are compared with filter, as in filter={name} == 'x'")
            }
            false => String::new(),
        };
        return refused(format!(
            "{} compares a field, and {} declares none of that name{undeclared}; {name}=… steers the {}.",
            shown(parameter),
            model.full_name(),
            steered.what
        ));
    }
    if steered.elsewhere.contains(&name) {
        return refused(match steered.what {
            "list" => format!(
                "{name} belongs to aggregates, which are at …/{}/aggregate.",
                model.name
            ),
            what => format!(
                "{name} belongs to lists; of an {what} there are {}.",
                steered.controls.join(", ")
            ),
        });
    }
    if let Some((_, ours)) = steered
        .foreign
        .iter()
        .find(|(names, _)| names.contains(&name))
    {
        return refused(format!("{name} is not known: {ours}."));
    }
    // Who asks is not known here: a hint names the fields that hide from nobody.
    let shared = model
        .fields
        .iter()
        .filter(|f| matches!(f.read, Rule::Allow));
    let fields = shared.map(|f| f.name.as_str());
    let controls = steered.controls.iter().copied();
    if model.open && nearest(name, controls.clone().chain(fields.clone())).is_none() {
        return refused(format!(
            "{0} is not declared on {1}: undeclared fields are compared with filter, as in filter={0} == 'x'.",
            shown(name),
            model.full_name()
        ));
    }
    unknown(name, controls.chain(fields))
}

fn unknown<'n>(name: &str, known: impl Iterator<Item = &'n str> + Clone) -> Problem {
    let said = shown(name);
    let detail = match nearest(name, known.clone()) {
        Some(near) => format!("{said} is not known; did you mean {near}?"),
        None => {
            let names: Vec<&str> = known.collect();
            format!("{said} is not known; there are {}.", names.join(", "))
        }
    };
    Problem::new(Code::UnknownParameter, detail)
}
