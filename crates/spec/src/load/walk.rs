//! Walking TOML by its spans: what is there is compared with the key tables once, and read after that
//! without any further complaint.

use super::keys::{self, Key, Kind, Table};
use super::report::{At, Located, Report};
use crate::diagnostic::FileId;
use crate::nearest::nearest;
use std::borrow::Cow;
use std::time::Duration;
use toml::Spanned;
use toml::de::{DeInteger, DeTable, DeValue};

pub(super) const SYNTAX: &str = "toml-syntax";
const DUPLICATE: &str = "duplicate-key";

type Item<'a> = Spanned<DeValue<'a>>;

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) enum Number {
    Int(i64),
    Float(f64),
}

/// Parses a file, reporting all of its syntax errors. Whatever could be read comes back.
pub(super) fn parse<'a>(text: &'a str, file: FileId, report: &mut Report) -> DeTable<'a> {
    let (table, errors) = DeTable::parse_recoverable(text);
    let mut readable = true;
    for error in errors {
        let at = At::new(file, error.span().unwrap_or(text.len()..text.len()));
        if error.message() == "duplicate key" {
            // Everything else in the file was understood: go on.
            report
                .error(at, DUPLICATE, "this key is there already")
                .help("remove one of the two");
        } else {
            readable = false;
            let diagnostic = report.error(at, SYNTAX, sentence(error.message()));
            if let Some(word) = bare_word(text, at.span.start as usize) {
                diagnostic.label("text needs quotes");
                diagnostic.help(format!("write `\"{word}\"`"));
            }
        }
    }
    if !readable {
        report.mute(file);
    }
    table.into_inner()
}

fn sentence(message: &str) -> String {
    format!("this is not TOML: {message}")
}

/// A word where only a value can stand: what the parser says about it (`expected inf`) helps nobody.
fn bare_word(text: &str, at: usize) -> Option<&str> {
    let (before, rest) = text.split_at_checked(at)?;
    let is_value = before
        .trim_end_matches([' ', '\t'])
        .ends_with(['=', '[', ',']);
    let length = rest
        .find(|c: char| !c.is_alphanumeric() && c != '_')
        .unwrap_or(rest.len());
    let word = &rest[..length];
    (is_value && word.starts_with(char::is_alphabetic)).then_some(word)
}

/// A table whose keys were all compared with its shape; wrong ones are reported and left out.
pub(super) struct Entries<'a> {
    file: FileId,
    /// In the order of the file.
    entries: Vec<Entry<'a>>,
}

struct Entry<'a> {
    key: &'static Key,
    at: At,
    item: &'a Item<'a>,
    /// Whether the value is of the key's kind.
    good: bool,
}

impl<'a> Entries<'a> {
    pub fn open(
        table: &'a DeTable<'a>,
        shape: &'static Table,
        file: FileId,
        report: &mut Report,
    ) -> Entries<'a> {
        Entries::of("…", table, shape, file, report)
    }

    /// The table of a model or field that is called `owner`.
    pub fn of(
        owner: &str,
        table: &'a DeTable<'a>,
        shape: &'static Table,
        file: FileId,
        report: &mut Report,
    ) -> Entries<'a> {
        let mut entries = Vec::new();
        for (name, item) in in_order(table) {
            let at = At::new(file, name.span());
            let Some(key) = shape.key(name.get_ref()) else {
                report_unknown(name.get_ref(), item.get_ref(), at, (shape, owner), report);
                continue;
            };
            let good = complaint(key, item, file, report);
            entries.push(Entry {
                key,
                at,
                item,
                good,
            });
        }
        Entries { file, entries }
    }

    fn find(&self, name: &str) -> Option<&Entry<'a>> {
        debug_assert!(!name.is_empty());
        self.entries.iter().find(|entry| entry.key.name == name)
    }

    fn read<T>(
        &self,
        name: &str,
        read: impl FnOnce(&'a DeValue<'a>) -> Option<T>,
    ) -> Option<Located<T>> {
        let entry = self.find(name).filter(|entry| entry.good)?;
        Some(Located {
            value: read(entry.item.get_ref())?,
            at: At::new(self.file, entry.item.span()),
        })
    }

    /// Whether the key is there, with whatever value.
    pub fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// The keys that are there, each with its place.
    pub fn keys(&self) -> impl Iterator<Item = (&'static Key, At)> {
        self.entries.iter().map(|entry| (entry.key, entry.at))
    }

    pub fn text(&self, name: &str) -> Option<Located<String>> {
        self.read(name, |value| value.as_str().map(str::to_owned))
    }

    pub fn int(&self, name: &str) -> Option<Located<i64>> {
        self.read(name, |value| value.as_integer().and_then(integer))
    }

    pub fn number(&self, name: &str) -> Option<Located<Number>> {
        self.read(name, number)
    }

    pub fn bool(&self, name: &str) -> Option<Located<bool>> {
        self.read(name, DeValue::as_bool)
    }

    pub fn duration(&self, name: &str) -> Option<Located<Duration>> {
        self.read(name, |value| {
            value.as_str().and_then(|text| duration(text).ok())
        })
    }

    pub fn texts(&self, name: &str) -> Option<Located<Vec<Located<String>>>> {
        self.read(name, |value| {
            let items = value.as_array()?.iter();
            Some(
                items
                    .filter_map(|item| {
                        Some(Located {
                            value: item.get_ref().as_str()?.to_owned(),
                            at: At::new(self.file, item.span()),
                        })
                    })
                    .collect(),
            )
        })
    }

    /// Whatever the value is.
    pub fn value(&self, name: &str) -> Option<Located<&'a DeValue<'a>>> {
        self.read(name, Some)
    }

    pub fn table(&self, name: &str) -> Option<Located<&'a DeTable<'a>>> {
        self.read(name, DeValue::as_table)
    }

    /// A table of named tables, in the order of the file; the place is the name's.
    pub fn named(&self, name: &str) -> Vec<(Located<&'a str>, &'a DeTable<'a>)> {
        let Some(table) = self.table(name) else {
            return Vec::new();
        };
        in_order(table.value)
            .into_iter()
            .filter_map(|(name, item)| {
                let located = Located {
                    value: name.get_ref().as_ref(),
                    at: At::new(self.file, name.span()),
                };
                Some((located, item.get_ref().as_table()?))
            })
            .collect()
    }

    pub fn tables(&self, name: &str) -> Vec<Located<&'a DeTable<'a>>> {
        let items = self.read(name, DeValue::as_array);
        items
            .iter()
            .flat_map(|items| items.value.iter())
            .filter_map(|item| {
                Some(Located {
                    value: item.get_ref().as_table()?,
                    at: At::new(self.file, item.span()),
                })
            })
            .collect()
    }
}

/// The parser's table is ordered by name; a person's is ordered by place.
pub(super) fn in_order<'a>(
    table: &'a DeTable<'a>,
) -> Vec<(&'a Spanned<Cow<'a, str>>, &'a Item<'a>)> {
    let mut entries: Vec<_> = table.iter().collect();
    entries.sort_by_key(|(name, _)| name.span().start);
    entries
}

fn report_unknown(
    name: &str,
    value: &DeValue<'_>,
    at: At,
    (shape, owner): (&'static Table, &str),
    report: &mut Report,
) {
    if let Some(designed) = shape.designed(name) {
        not_built(report, at, &format!("`{name}`"), designed.what);
        return;
    }
    let known = || shape.keys.iter().map(|key| key.name);
    let diagnostic = report.error(
        at,
        "unknown-key",
        format!("`{name}` is not a key of {}", shape.title),
    );
    if let Some(help) = misplaced(name, value, (shape, owner)) {
        diagnostic.help(help);
    } else if let Some(foreign) = shape.foreign(name) {
        diagnostic.help(foreign.help.replace("NAME", owner));
    } else if let Some(near) = nearest(name, known()) {
        diagnostic
            .label(format!("did you mean `{near}`?"))
            .help(format!("write `{near}`, or remove the key"));
    } else {
        diagnostic.help(format!("it takes {}", list(known())));
    }
}

/// Where a field or model belongs that stands one table too high.
fn misplaced(
    name: &str,
    value: &DeValue<'_>,
    (shape, owner): (&'static Table, &str),
) -> Option<String> {
    let has = |key: &str| {
        value
            .as_table()
            .is_some_and(|table| table.contains_key(key))
    };
    let is_field = has("type")
        || value
            .as_str()
            .is_some_and(|word| keys::TYPES.iter().any(|(ty, _)| *ty == word));
    if is_field && std::ptr::eq(shape, &keys::MODEL) {
        return Some(format!("fields belong under `[models.{owner}.fields]`"));
    }
    let is_model = has("fields")
        || has("access")
        || value.as_table().is_some_and(|table| {
            let mut values = table.values();
            values.any(|value| {
                let field = value.get_ref().as_table();
                field.is_some_and(|field| field.contains_key("type"))
            })
        });
    if is_model && std::ptr::eq(shape, &keys::MODULE) {
        return Some(format!(
            "models belong under `models`: `[models.{name}]`, with its fields under `[models.{name}.fields]`"
        ));
    }
    None
}

/// Says that something of the design is not there yet, rather than to ignore it.
pub(super) fn not_built(report: &mut Report, at: At, subject: &str, what: &str) {
    report
        .error(
            at,
            "not-built",
            format!("{subject} is designed but not built yet ({what})"),
        )
        .help("remove it for now; it is refused so that nobody relies on what does nothing");
}

/// `a`, `b` and `c`.
pub(super) fn list<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, "and")
}

/// `a`, `b` or `c`.
pub(super) fn choice<'a>(words: impl IntoIterator<Item = &'a str>) -> String {
    join(words, "or")
}

fn join<'a>(words: impl IntoIterator<Item = &'a str>, last_word: &str) -> String {
    let quoted: Vec<String> = words.into_iter().map(|word| format!("`{word}`")).collect();
    match quoted.split_last() {
        None => "nothing".to_owned(),
        Some((last, [])) => last.clone(),
        Some((last, rest)) => format!("{} {last_word} {last}", rest.join(", ")),
    }
}

/// Whether the value is of the key's kind; reports what is wrong with it.
fn complaint(key: &'static Key, item: &Item<'_>, file: FileId, report: &mut Report) -> bool {
    let at = At::new(file, item.span());
    let value = item.get_ref();
    match key.kind {
        Kind::Text => value.is_str() || wrong_kind(key, "a string", item, at, report),
        Kind::Expression => match value {
            DeValue::String(_) => true,
            DeValue::Boolean(b) => {
                report
                    .error(
                        at,
                        "wrong-kind",
                        format!("`{}` takes an expression in quotes", key.name),
                    )
                    .help(format!("write `{} = \"{b}\"`", key.name));
                false
            }
            _ => {
                let diagnostic = report.error(
                    at,
                    "wrong-kind",
                    format!("`{}` takes an expression in quotes", key.name),
                );
                diagnostic.label(format!("this is {}", described(value)));
                if let Some(text) = expression_of(value).filter(|_| key.name == "default") {
                    diagnostic.help(format!("write `{} = \"{text}\"`", key.name));
                } else if value.is_array() {
                    diagnostic.help(format!(
                        "write a condition, as for a role: `{} = \"'admin' in auth.roles\"`",
                        key.name
                    ));
                } else {
                    diagnostic.help(format!("write a condition: `{} = \"…\"`", key.name));
                }
                false
            }
        },
        Kind::Bool => value.is_bool() || wrong_kind(key, "`true` or `false`", item, at, report),
        Kind::Number => match value {
            DeValue::Integer(_) | DeValue::Float(_) => {
                number(value).is_some() || {
                    report.error(
                        at,
                        "out-of-range",
                        "this is not a number that can be kept exactly",
                    );
                    false
                }
            }
            _ => wrong_kind(key, "a number", item, at, report),
        },
        Kind::Word(words) => match value.as_str() {
            Some(word) if words.contains(&word) => true,
            Some(word) => {
                unknown_word(word, words, at, report);
                false
            }
            None => wrong_kind(key, &choice(words.iter().copied()), item, at, report),
        },
        Kind::Int { min, max } => match value.as_integer() {
            Some(n) if integer(n).is_some_and(|n| (min..=max).contains(&n)) => true,
            Some(_) => {
                report.error(
                    at,
                    "out-of-range",
                    format!("`{}` is from {min} to {max}", key.name),
                );
                false
            }
            None => wrong_kind(key, "a whole number", item, at, report),
        },
        Kind::Duration { min, max } => match value.as_str().map(duration) {
            None => {
                report
                    .error(at, "wrong-kind", format!("`{}` takes a duration in quotes", key.name))
                    .help("write a number and a unit: `\"250ms\"`, `\"10s\"`, `\"15m\"`, `\"12h\"`, `\"30d\"`");
                false
            }
            Some(Err(())) => {
                report
                    .error(at, "bad-duration", "this is not a duration")
                    .help("write a number and a unit: `\"250ms\"`, `\"10s\"`, `\"15m\"`, `\"12h\"`, `\"30d\"`");
                false
            }
            Some(Ok(given)) => {
                let (least, most) = (Duration::from_millis(min), Duration::from_millis(max));
                let fits = (least..=most).contains(&given);
                if !fits {
                    report.error(
                        at,
                        "out-of-range",
                        format!("`{}` is from {} to {}", key.name, spell(least), spell(most)),
                    );
                }
                fits
            }
        },
        Kind::Texts => match value.as_array() {
            None => wrong_kind(key, "a list of strings", item, at, report),
            Some(items) => items.iter().fold(true, |good, item| {
                let at = At::new(file, item.span());
                let is_text = item.get_ref().is_str()
                    || wrong_kind(key, "a list of strings", item, at, report);
                good && is_text
            }),
        },
        Kind::Any => true,
        Kind::Items => value.is_array() || wrong_kind(key, "a list", item, at, report),
        Kind::Entries | Kind::Table(_) => {
            value.is_table() || wrong_kind(key, "a table", item, at, report)
        }
        Kind::Named(shape) => match value.as_table() {
            None => wrong_kind(key, "a table", item, at, report),
            Some(table) => {
                for (name, item) in table {
                    if !item.get_ref().is_table() {
                        not_a_table(name, item, shape, file, report);
                    }
                }
                true
            }
        },
        Kind::Tables(shape) => match value.as_array() {
            None => {
                wrong_kind(key, "an array of tables", item, at, report);
                false
            }
            Some(items) => {
                for item in items.iter().filter(|item| !item.get_ref().is_table()) {
                    let at = At::new(file, item.span());
                    wrong_kind(
                        key,
                        &format!("a table for {}", shape.title),
                        item,
                        at,
                        report,
                    );
                }
                true
            }
        },
    }
}

/// A value of TOML, as an expression writes it.
fn expression_of(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::String(text) if !text.contains(['\'', '"', '\\', '\n']) => {
            Some(format!("'{text}'"))
        }
        DeValue::Integer(n) if n.radix() == 10 => Some(n.to_string()),
        DeValue::Float(f) => Some(f.to_string()),
        DeValue::Boolean(b) => Some(b.to_string()),
        DeValue::Datetime(time) => Some(format!("'{time}'")),
        DeValue::Array(items) => {
            let items: Option<Vec<String>> = items
                .iter()
                .map(|item| expression_of(item.get_ref()))
                .collect();
            Some(format!("[{}]", items?.join(", ")))
        }
        _ => None,
    }
}

/// `name = "string"` is the likeliest slip of somebody who declares a field for the first time.
fn not_a_table(
    name: &Spanned<Cow<'_, str>>,
    item: &Item<'_>,
    shape: &'static Table,
    file: FileId,
    report: &mut Report,
) {
    let at = At::new(file, item.span());
    let name = name.get_ref();
    let diagnostic = report.error(at, "wrong-kind", format!("{} is a table", shape.title));
    diagnostic.label(format!("this is {}", described(item.get_ref())));
    if let Some(word) = item.get_ref().as_str() {
        diagnostic.help(format!("write `{name} = {{ type = \"{word}\" }}`"));
    }
}

pub(super) fn unknown_word(word: &str, words: &[&str], at: At, report: &mut Report) {
    let diagnostic = report.error(
        at,
        "unknown-value",
        format!("`{word}` is not one of the values here"),
    );
    if let Some(near) = nearest(word, words.iter().copied()) {
        diagnostic.label(format!("did you mean `{near}`?"));
    }
    diagnostic.help(format!("write {}", choice(words.iter().copied())));
}

fn wrong_kind(
    key: &'static Key,
    wanted: &str,
    item: &Item<'_>,
    at: At,
    report: &mut Report,
) -> bool {
    report
        .error(at, "wrong-kind", format!("`{}` takes {wanted}", key.name))
        .label(format!("this is {}", described(item.get_ref())));
    false
}

fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "a string",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a float",
        DeValue::Boolean(_) => "a boolean",
        DeValue::Datetime(_) => "a date or time",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

pub(super) fn integer(n: &DeInteger<'_>) -> Option<i64> {
    i64::from_str_radix(n.as_str(), n.radix()).ok()
}

fn number(value: &DeValue<'_>) -> Option<Number> {
    match value {
        DeValue::Integer(n) => integer(n).map(Number::Int),
        DeValue::Float(f) => {
            let f: f64 = f.as_str().parse().ok()?;
            f.is_finite().then_some(Number::Float(f))
        }
        _ => None,
    }
}

const UNITS: &[(&str, u64)] = &[
    ("ms", 1),
    ("s", 1000),
    ("m", 60_000),
    ("h", 3_600_000),
    ("d", 86_400_000),
];

/// `250ms`, `10s`, `15m`, `12h`, `30d`: one whole number and one unit.
pub(super) fn duration(text: &str) -> Result<Duration, ()> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).ok_or(())?;
    let (number, unit) = text.split_at(digits);
    let (_, millis) = UNITS.iter().find(|(name, _)| *name == unit).ok_or(())?;
    let number: u64 = number.parse().map_err(|_| ())?;
    Ok(Duration::from_millis(
        number.checked_mul(*millis).ok_or(())?,
    ))
}

pub(super) fn spell(duration: Duration) -> String {
    let millis = duration.as_millis() as u64;
    let (unit, size) = UNITS
        .iter()
        .rev()
        .find(|(_, size)| millis >= *size && millis.is_multiple_of(*size))
        .unwrap_or(&UNITS[0]);
    format!("{}{unit}", millis / size)
}
