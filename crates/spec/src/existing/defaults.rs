//! Defaults of columns → defaults of ours, where those can say them. Others stay the database's: an insert that does not
//! name the column gets them.

use super::checks::{number, whole};
use crate::types::{FieldType, ItemType};

/// An expression of ours for what `pg_get_expr` prints.
pub(super) fn read(text: &str, ty: &FieldType) -> Option<String> {
    let text = text.trim();
    if matches!(ty, FieldType::Datetime) {
        // Sessions of ours are in UTC, so that those without a zone mean the same.
        const NOW: [&str; 10] = [
            "now()",
            "current_timestamp",
            "localtimestamp",
            "transaction_timestamp()",
            "statement_timestamp()",
            "clock_timestamp()",
            "(now())::timestamp without time zone",
            "(current_timestamp)::timestamp without time zone",
            "timezone('utc'::text, now())",
            "(now() at time zone 'utc'::text)",
        ];
        let printed = text.to_lowercase();
        return NOW.contains(&printed.as_str()).then(|| "now".to_owned());
    }
    if matches!(ty, FieldType::Date) {
        const TODAY: [&str; 3] = ["current_date", "(now())::date", "(current_timestamp)::date"];
        let printed = text.to_lowercase();
        return TODAY
            .contains(&printed.as_str())
            .then(|| "date(now)".to_owned());
    }
    if let FieldType::List { items, .. } = ty {
        return list(text, *items);
    }
    let constant = constant(text)?;
    match (ty, constant) {
        (FieldType::Bool, Constant::Word(word)) if ["true", "false"].contains(&&*word) => {
            Some(word)
        }
        (FieldType::Int { .. }, Constant::Word(word) | Constant::Text(word)) => whole(&word),
        (
            FieldType::Decimal { .. } | FieldType::Float { .. },
            Constant::Word(word) | Constant::Text(word),
        ) => number(&word),
        (
            FieldType::String { .. } | FieldType::Text { .. } | FieldType::Enum { .. },
            Constant::Text(value),
        ) => Some(self::text(&value)),
        _ => None,
    }
}

/// `'{a,b}'::text[]` and `ARRAY['a'::text]` of constants; a text with quotes or `NULL` in it stays the database's.
fn list(text: &str, items: ItemType) -> Option<String> {
    let item = |item: Constant| match (items, item) {
        (ItemType::String, Constant::Text(value)) => Some(self::text(&value)),
        (ItemType::Int, Constant::Word(word) | Constant::Text(word)) => whole(&word),
        (ItemType::Float, Constant::Word(word) | Constant::Text(word)) => number(&word),
        (ItemType::Bool, Constant::Word(word) | Constant::Text(word)) => match word.as_str() {
            "true" | "t" => Some("true".to_owned()),
            "false" | "f" => Some("false".to_owned()),
            _ => None,
        },
        (ItemType::String, Constant::Word(_)) => None,
    };
    let within = |text: &str| -> Vec<String> {
        match text.trim().is_empty() {
            true => Vec::new(),
            false => text.split(',').map(|part| part.trim().to_owned()).collect(),
        }
    };
    let parts: Option<Vec<String>> = match text.strip_prefix("ARRAY[") {
        Some(rest) => {
            let inner = rest.strip_suffix(']')?;
            // A cast of the whole ends in brackets of its own.
            let inner = inner.rsplit_once("]::").map_or(inner, |(inner, _)| inner);
            let parts = within(inner);
            parts.iter().map(|part| item(constant(part)?)).collect()
        }
        None => {
            let Constant::Text(body) = constant(text.strip_suffix("[]")?)? else {
                return None;
            };
            let parts = within(body.strip_prefix('{')?.strip_suffix('}')?);
            let odd = |c: char| matches!(c, '"' | '\\' | '{' | '}');
            let plain = |part: &String| {
                !part.is_empty() && !part.contains(odd) && !part.eq_ignore_ascii_case("null")
            };
            match parts.iter().all(plain) {
                true => parts
                    .into_iter()
                    .map(|part| item(Constant::Text(part)))
                    .collect(),
                false => None,
            }
        }
    };
    Some(format!("[{}]", parts?.join(", ")))
}

enum Constant {
    Word(String),
    Text(String),
}

/// `'draft'::character varying`, `(-1)`, `0.5`, `true`: one constant, maybe under a cast.
fn constant(text: &str) -> Option<Constant> {
    if let Some(rest) = text.strip_prefix('\'') {
        let mut value = String::new();
        let mut chars = rest.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            if c != '\'' {
                value.push(c);
                continue;
            }
            if chars.next_if(|(_, next)| *next == '\'').is_some() {
                value.push('\'');
                continue;
            }
            let behind = &rest[at + 1..];
            let cast = |text: &str| {
                let bare =
                    |c: char| c.is_alphanumeric() || c == '_' || c == ' ' || "(),.\"".contains(c);
                text.chars().all(bare)
            };
            return match behind.strip_prefix("::") {
                None if behind.is_empty() => Some(Constant::Text(value)),
                Some(ty) if cast(ty) => Some(Constant::Text(value)),
                _ => None,
            };
        }
        return None;
    }
    let bare = text.split("::").next().unwrap_or(text);
    let bare = bare.trim_start_matches('(').trim_end_matches(')');
    let plain = |c: char| c.is_ascii_alphanumeric() || c == '.' || c == '-';
    (!bare.is_empty() && bare.chars().all(plain)).then(|| Constant::Word(bare.to_lowercase()))
}

/// A text as an expression has it.
pub(super) fn text(value: &str) -> String {
    let mut out = String::from("'");
    for c in value.chars() {
        match c {
            '\'' => out.push_str("\\'"),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04x}", u32::from(c))),
            c => out.push(c),
        }
    }
    out.push('\'');
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn constants_and_the_clock_are_taken_over() {
        let int = FieldType::Int {
            min: None,
            max: None,
        };
        let string = FieldType::String { max: 20 };
        let decimal = FieldType::Decimal { scale: 2 };
        let list = |items| FieldType::List { items, max: 9 };
        let (texts, ints, bools) = (
            list(ItemType::String),
            list(ItemType::Int),
            list(ItemType::Bool),
        );
        for (theirs, ty, ours) in [
            ("0", &int, Some("0")),
            ("'-1'::integer", &int, Some("-1")),
            ("(-1)", &int, Some("-1")),
            ("0.5", &decimal, Some("0.5")),
            ("'7'::numeric", &decimal, Some("7.0")),
            ("(0)::numeric", &decimal, Some("0.0")),
            ("'draft'::character varying", &string, Some("'draft'")),
            ("'it''s \\ so'::text", &string, Some("'it\\'s \\\\ so'")),
            ("'a'::public.\"My Mood\"", &string, Some("'a'")),
            ("true", &FieldType::Bool, Some("true")),
            ("now()", &FieldType::Datetime, Some("now")),
            ("CURRENT_TIMESTAMP", &FieldType::Datetime, Some("now")),
            ("LOCALTIMESTAMP", &FieldType::Datetime, Some("now")),
            (
                "timezone('utc'::text, now())",
                &FieldType::Datetime,
                Some("now"),
            ),
            (
                "((now())::date)::timestamp with time zone",
                &FieldType::Datetime,
                None,
            ),
            ("(now() + '01:00:00'::interval)", &FieldType::Datetime, None),
            ("CURRENT_DATE", &FieldType::Date, Some("date(now)")),
            ("(CURRENT_DATE + 1)", &FieldType::Date, None),
            ("nextval('a_seq'::regclass)", &int, None),
            ("('a'::text || 'b'::text)", &string, None),
            ("'a'::text || other()", &string, None),
            ("upper('a'::text)", &string, None),
            ("'{}'::jsonb", &FieldType::Json, None),
            ("NULL::character varying", &string, None),
            ("gen_random_uuid()", &FieldType::Uuid, None),
            ("'{}'::text[]", &texts, Some("[]")),
            ("'{user,\"a b\"}'::text[]", &texts, None),
            ("'{user, admin}'::text[]", &texts, Some("['user', 'admin']")),
            ("'{NULL}'::text[]", &texts, None),
            (
                "ARRAY['new'::text, 'it''s'::text]",
                &texts,
                Some("['new', 'it\\'s']"),
            ),
            ("ARRAY['a,b'::text]", &texts, None),
            (
                "ARRAY['new'::character varying]::text[]",
                &texts,
                Some("['new']"),
            ),
            ("ARRAY[other()]", &texts, None),
            ("ARRAY[]::text[]", &texts, Some("[]")),
            ("'{1,-2}'::integer[]", &ints, Some("[1, -2]")),
            ("ARRAY[1, 2]", &ints, Some("[1, 2]")),
            ("'{{1},{2}}'::integer[]", &ints, None),
            ("'{t,f}'::boolean[]", &bools, Some("[true, false]")),
        ] {
            assert_eq!(read(theirs, ty).as_deref(), ours, "{theirs}");
        }
    }
}
