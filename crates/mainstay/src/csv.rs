//! Records as CSV (RFC 4180), so that what is exported comes back the same.
//!
//! - The first row names the fields. An open model's undeclared ones are one JSON object, in `_extra`.
//! - A cell without anything in it is null; the empty text is `""`.
//! - JSON and lists stand as their text. Bools are `true` and `false`.
//! - A text that begins as a formula does (`=`, `+`, `-`, `@`, tab, return) gets a `'` before it, so that no
//!   spreadsheet runs it. So does one that begins with `'` before one of these. It is taken off on the way back.
//!
//! The well-known reader does not tell a quoted cell from a bare one, and so not null from the empty text.

use spec::types::ColumnType;
use spec::{Code, FieldError, FieldType, KeyKind, Model, Problem, Value};
use std::io::BufRead;

/// The column of an open model's undeclared fields.
pub const EXTRA: &str = "_extra";

/// How a row ends.
const END: &[u8] = b"\r\n";

/// What a spreadsheet takes for the beginning of a formula, and what shields it.
fn starts_formula(text: &str) -> bool {
    text.starts_with(['=', '+', '-', '@', '\t', '\r'])
}

fn is_shielded(text: &str) -> bool {
    let rest = text.trim_start_matches('\'');
    rest.len() < text.len() && starts_formula(rest)
}

/// The row that names the fields.
pub fn write_header(out: &mut Vec<u8>, model: &Model) {
    let names = model.fields.iter().map(|field| field.name.as_str());
    let extra = model.open.then_some(EXTRA);
    for (at, name) in names.chain(extra).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        write_text(out, name);
    }
    out.extend_from_slice(END);
}

/// A row of values, each of the type beside it.
pub fn write_row(out: &mut Vec<u8>, values: &[Value], types: &[ColumnType], scratch: &mut Vec<u8>) {
    for (at, (value, ty)) in values.iter().zip(types).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match value {
            Value::Null => {}
            Value::Text(text) if starts_formula(text) || is_shielded(text) => {
                write_text(out, &format!("'{text}"));
            }
            Value::Text(text) | Value::Json(text) => write_text(out, text),
            other => {
                // Numbers, and texts between quotes in which nothing needs any.
                scratch.clear();
                spec::json::write_value(scratch, other, *ty);
                let bare = scratch
                    .strip_prefix(b"\"")
                    .and_then(|t| t.strip_suffix(b"\""));
                out.extend_from_slice(bare.unwrap_or(scratch));
            }
        }
    }
    out.extend_from_slice(END);
}

fn write_text(out: &mut Vec<u8>, text: &str) {
    let bare = !text.is_empty()
        && !text
            .bytes()
            .any(|b| matches!(b, b',' | b'"' | b'\r' | b'\n'))
        && !text.starts_with(' ')
        && !text.ends_with(' ');
    if bare {
        out.extend_from_slice(text.as_bytes());
        return;
    }
    out.push(b'"');
    for (at, part) in text.split('"').enumerate() {
        if at > 0 {
            out.extend_from_slice(b"\"\"");
        }
        out.extend_from_slice(part.as_bytes());
    }
    out.push(b'"');
}

/// One row as it was read. It is used again for the next.
#[derive(Debug, Default)]
pub struct Row {
    bytes: Vec<u8>,
    cells: Vec<Cell>,
}

#[derive(Debug, Clone, Copy)]
struct Cell {
    end: usize,
    quoted: bool,
}

impl Row {
    fn clear(&mut self) {
        self.bytes.clear();
        self.cells.clear();
    }

    fn end_cell(&mut self, quoted: bool) {
        self.cells.push(Cell {
            end: self.bytes.len(),
            quoted,
        });
    }

    /// The cells; none for one without anything in it.
    fn texts(&self) -> Result<Vec<Option<&str>>, std::str::Utf8Error> {
        let mut start = 0;
        let cell = |cell: &Cell| {
            let text = std::str::from_utf8(&self.bytes[start..cell.end])?;
            start = cell.end;
            Ok((cell.quoted || !text.is_empty()).then_some(text))
        };
        self.cells.iter().map(cell).collect()
    }

    fn is_blank(&self) -> bool {
        self.bytes.is_empty() && self.cells.len() == 1 && !self.cells[0].quoted
    }
}

/// Why a row is none.
#[derive(Debug)]
pub enum Unread {
    Io(std::io::Error),
    /// The quotes are wrong: where the row ends is not known, so that nothing behind it can be read.
    Quotes(&'static str),
    /// It has more bytes than this. The rest of it was passed over.
    TooLong(u64),
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing of the cell was read yet.
    Start,
    Bare,
    Quoted,
    /// A quote inside a quoted cell: its end, or the first of two.
    Quote,
    /// A return outside of quotes, which may be the first half of the row's end.
    Return {
        quoted: bool,
    },
}

/// Reads rows, and counts lines: a row may have several.
pub struct Reader<R> {
    input: R,
    /// The line that is read next, from 1.
    line: u64,
    /// Bytes read.
    pub bytes: u64,
    limit: u64,
}

impl<R: BufRead> Reader<R> {
    pub fn new(input: R, limit: u64) -> Reader<R> {
        Reader {
            input,
            line: 1,
            bytes: 0,
            limit,
        }
    }

    /// Reads the next row that is not blank; the number of its first line, or none at the end.
    pub fn next(&mut self, row: &mut Row) -> Result<Option<u64>, (u64, Unread)> {
        loop {
            let line = self.line;
            match self.read(row) {
                Err(why) => return Err((line, why)),
                Ok(false) => return Ok(None),
                Ok(true) if row.is_blank() => {}
                Ok(true) => return Ok(Some(line)),
            }
        }
    }

    /// False at the end of the file.
    fn read(&mut self, row: &mut Row) -> Result<bool, Unread> {
        row.clear();
        if self.bytes == 0 {
            self.skip_mark()?;
        }
        let mut state = State::Start;
        let mut read = 0u64;
        loop {
            let buffer = match self.input.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(error) => return Err(Unread::Io(error)),
            };
            if buffer.is_empty() {
                return self.ended(row, state, read);
            }
            let mut used = 0;
            let mut ended = false;
            let mut wrong = None;
            for &byte in buffer {
                used += 1;
                read += 1;
                self.line += u64::from(byte == b'\n');
                match step(row, state, byte, read > self.limit) {
                    Ok(Some(next)) => state = next,
                    Ok(None) => {
                        ended = true;
                        break;
                    }
                    Err(why) => {
                        wrong = Some(why);
                        break;
                    }
                }
            }
            self.input.consume(used);
            self.bytes += used as u64;
            if let Some(why) = wrong {
                return Err(Unread::Quotes(why));
            }
            if ended {
                return match read > self.limit {
                    true => Err(Unread::TooLong(self.limit)),
                    false => Ok(true),
                };
            }
        }
    }

    /// What some programs put before the first name.
    fn skip_mark(&mut self) -> Result<(), Unread> {
        const MARK: &[u8] = "\u{feff}".as_bytes();
        if self.input.fill_buf().map_err(Unread::Io)?.starts_with(MARK) {
            self.input.consume(MARK.len());
            self.bytes = MARK.len() as u64;
        }
        Ok(())
    }

    fn ended(&self, row: &mut Row, state: State, read: u64) -> Result<bool, Unread> {
        match state {
            State::Quoted => return Err(Unread::Quotes("the quotes of a cell are not closed")),
            State::Start if row.cells.is_empty() => return Ok(false),
            State::Start | State::Bare => row.end_cell(false),
            State::Quote => row.end_cell(true),
            State::Return { quoted } => row.end_cell(quoted),
        }
        match read > self.limit {
            true => Err(Unread::TooLong(self.limit)),
            false => Ok(true),
        }
    }
}

/// What a byte makes of a state; none at the end of the row. `full`: it is only looked for the end.
fn step(row: &mut Row, state: State, byte: u8, full: bool) -> Result<Option<State>, &'static str> {
    let keep = |row: &mut Row, byte: u8| {
        if !full {
            row.bytes.push(byte);
        }
    };
    let quoted = state == State::Quote || matches!(state, State::Return { quoted: true });
    Ok(Some(match (state, byte) {
        (State::Quoted, b'"') => State::Quote,
        (State::Quoted, byte) => {
            keep(row, byte);
            State::Quoted
        }
        (State::Quote, b'"') => {
            keep(row, byte);
            State::Quoted
        }
        (State::Return { .. }, b'\n') | (State::Start | State::Bare | State::Quote, b'\n') => {
            row.end_cell(quoted);
            return Ok(None);
        }
        (State::Return { quoted: true }, _) => {
            return Err("something follows the quotes of a cell");
        }
        (State::Return { quoted: false }, byte) => {
            keep(row, b'\r');
            return step(row, State::Bare, byte, full);
        }
        (State::Start | State::Bare | State::Quote, b',') => {
            row.end_cell(quoted);
            State::Start
        }
        (State::Start | State::Bare, b'\r') => State::Return { quoted: false },
        (State::Quote, b'\r') => State::Return { quoted: true },
        (State::Quote, _) => return Err("something follows the quotes of a cell"),
        (State::Start, b'"') => State::Quoted,
        (State::Bare, b'"') => {
            return Err("a cell with quotes in it must be in quotes, and they doubled");
        }
        (State::Start | State::Bare, byte) => {
            keep(row, byte);
            State::Bare
        }
    }))
}

/// What a column's cells become.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// A text in which a shielded formula is meant as it was.
    Text,
    /// A text as it is: one that says how it is to be written, and a password.
    Verbatim,
    Number,
    Bool,
    Json,
    /// The members of an object.
    Members,
}

struct Column {
    name: String,
    kind: Kind,
    /// What no cell means: null, or that nothing is said.
    nullable: bool,
}

/// The columns of a file, by its first row: makes a JSON object of each row that follows.
pub struct Columns(Vec<Column>);

impl Columns {
    /// `beside`: what may be there that is no field, as a `password` of a user.
    pub fn read(model: &Model, header: &Row, beside: &[(&str, bool)]) -> Result<Columns, Problem> {
        let wrong = |detail: String| Problem::new(Code::Invalid, detail);
        let names = header
            .texts()
            .map_err(|_| wrong("The first row is not UTF-8.".to_owned()))?;
        let mut columns: Vec<Column> = Vec::with_capacity(names.len());
        for name in names {
            let name = name.unwrap_or_default().trim();
            if columns.iter().any(|known| known.name == name) {
                return Err(wrong(format!("The first row names {name} twice.")));
            }
            let known = beside.iter().find(|(known, _)| *known == name);
            let (kind, nullable) = match (model.field_named(name), known) {
                (Some(field), _) if field.id == spec::model::ID => (key(model.key), false),
                (Some(field), _) => (kind(&field.ty), field.optional),
                (None, Some((_, true))) => (Kind::Json, false),
                (None, Some((_, false))) => (Kind::Verbatim, false),
                (None, None) if model.open && name == EXTRA => (Kind::Members, false),
                (None, None) => {
                    let known = model.fields.iter().map(|field| field.name.as_str());
                    let hint = match spec::nearest::nearest(name, known) {
                        Some(near) => format!("; did you mean {near}?"),
                        None => ". The first row names the fields.".to_owned(),
                    };
                    let of = model.full_name();
                    return Err(wrong(format!("{of} has no field {}{hint}", shown(name))));
                }
            };
            columns.push(Column {
                name: name.to_owned(),
                kind,
                nullable,
            });
        }
        Ok(Columns(columns))
    }

    /// The row as a JSON object.
    pub fn object(&self, row: &Row, out: &mut Vec<u8>) -> Result<(), Problem> {
        let texts = row
            .texts()
            .map_err(|_| Problem::new(Code::Invalid, "The row is not UTF-8."))?;
        if texts.len() != self.0.len() {
            return Err(Problem::new(
                Code::Invalid,
                format!(
                    "The row has {} cells, and the first row names {} fields.",
                    texts.len(),
                    self.0.len()
                ),
            ));
        }
        out.clear();
        out.push(b'{');
        for (column, text) in self.0.iter().zip(texts) {
            let Some(text) = text else {
                if column.nullable {
                    member(out, &column.name);
                    out.extend_from_slice(b"null");
                }
                continue;
            };
            if column.kind == Kind::Members {
                let object = raw(text).and_then(|t| t.strip_prefix('{')?.strip_suffix('}'));
                let members = object.ok_or_else(|| no_json(EXTRA, "a JSON object"))?;
                if !members.trim().is_empty() {
                    comma(out);
                    out.extend_from_slice(members.as_bytes());
                }
                continue;
            }
            member(out, &column.name);
            match column.kind {
                Kind::Text if is_shielded(text) => spec::json::write_string(out, &text[1..]),
                Kind::Text | Kind::Verbatim => spec::json::write_string(out, text),
                Kind::Bool if text.eq_ignore_ascii_case("true") => out.extend_from_slice(b"true"),
                Kind::Bool if text.eq_ignore_ascii_case("false") => out.extend_from_slice(b"false"),
                // What is none goes on as a text, for the model to say what is wrong with it.
                Kind::Bool => spec::json::write_string(out, text),
                Kind::Number => match raw(text)
                    .filter(|n| n.starts_with(|c: char| c == '-' || c.is_ascii_digit()))
                {
                    Some(number) => out.extend_from_slice(number.as_bytes()),
                    None => spec::json::write_string(out, text),
                },
                Kind::Json | Kind::Members => {
                    let json = raw(text).ok_or_else(|| no_json(&column.name, "JSON"))?;
                    out.extend_from_slice(json.as_bytes());
                }
            }
        }
        out.push(b'}');
        Ok(())
    }
}

fn kind(ty: &FieldType) -> Kind {
    match ty {
        FieldType::String { .. }
        | FieldType::Text { .. }
        | FieldType::Email
        | FieldType::Url
        | FieldType::Enum { .. } => Kind::Text,
        FieldType::Int { .. } | FieldType::Float { .. } => Kind::Number,
        FieldType::Decimal { .. } | FieldType::Datetime | FieldType::Date | FieldType::Uuid => {
            Kind::Verbatim
        }
        FieldType::Bool => Kind::Bool,
        FieldType::Relation { key: of, .. } => key(*of),
        FieldType::Json | FieldType::List { .. } => Kind::Json,
    }
}

fn key(kind: KeyKind) -> Kind {
    match kind {
        KeyKind::Uuid => Kind::Verbatim,
        KeyKind::Int => Kind::Number,
        KeyKind::String => Kind::Text,
    }
}

/// A text that is one JSON value.
fn raw(text: &str) -> Option<&str> {
    serde_json::from_str::<&serde_json::value::RawValue>(text)
        .ok()
        .map(|raw| raw.get())
}

fn no_json(name: &str, what: &str) -> Problem {
    let detail = format!("{name} must be {what}.");
    Problem::invalid(vec![FieldError::at(name, "type", detail)])
}

fn comma(out: &mut Vec<u8>) {
    if out.len() > 1 {
        out.push(b',');
    }
}

fn member(out: &mut Vec<u8>, name: &str) {
    comma(out);
    spec::json::write_string(out, name);
    out.push(b':');
}

/// A name as it can be told: short, and without what would disturb a terminal.
fn shown(name: &str) -> String {
    name.chars()
        .take(40)
        .map(|c| if c.is_control() { '·' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str) -> Vec<Result<Vec<Option<String>>, u64>> {
        // In small pieces, so that each state meets the end of one.
        let input = std::io::BufReader::with_capacity(3, text.as_bytes());
        let mut reader = Reader::new(input, 64);
        let (mut out, mut row) = (Vec::new(), Row::default());
        loop {
            match reader.next(&mut row) {
                Ok(None) => return out,
                Ok(Some(_)) => {
                    let texts = row.texts().expect("UTF-8");
                    out.push(Ok(texts.iter().map(|t| t.map(str::to_owned)).collect()));
                }
                Err((line, why)) => {
                    out.push(Err(line));
                    if !matches!(why, Unread::TooLong(_)) {
                        return out;
                    }
                }
            }
        }
    }

    fn row(cells: &[&str]) -> Result<Vec<Option<String>>, u64> {
        let cell = |cell: &&str| (*cell != "∅").then(|| (*cell).to_owned());
        Ok(cells.iter().map(cell).collect())
    }

    #[test]
    fn rows_are_read_as_the_standard_has_them() {
        for (text, expected) in [
            ("", vec![]),
            ("a,b\r\n1,2\r\n", vec![row(&["a", "b"]), row(&["1", "2"])]),
            ("a,b\n1,2", vec![row(&["a", "b"]), row(&["1", "2"])]),
            ("\u{feff}a\n1\n", vec![row(&["a"]), row(&["1"])]),
            ("\n\r\na\n\n1\n", vec![row(&["a"]), row(&["1"])]),
            (",\n\"\",\n", vec![row(&["∅", "∅"]), row(&["", "∅"])]),
            ("\"\"\n", vec![row(&[""])]),
            ("\"a\r\nb\",\"c\"\"d\"\r\n", vec![row(&["a\r\nb", "c\"d"])]),
            ("a b, c \n", vec![row(&["a b", " c "])]),
            ("a\rb\n", vec![row(&["a\rb"])]),
            ("a,\"b\"", vec![row(&["a", "b"])]),
            ("a,", vec![row(&["a", "∅"])]),
            ("ä,\"ö,\"\n", vec![row(&["ä", "ö,"])]),
            ("a\n\"b\n", vec![row(&["a"]), Err(2)]),
            ("a\nb\"c\n", vec![row(&["a"]), Err(2)]),
            ("\"a\"b\n", vec![Err(1)]),
            ("\"a\"\rb\n", vec![Err(1)]),
        ] {
            assert_eq!(rows(text), expected, "{text:?}");
        }
        // A row that is too long is passed over, and its lines are counted.
        let long = format!("a\n\"{}\n{}\"\nb\n", "x".repeat(40), "y".repeat(40));
        assert_eq!(rows(&long), [row(&["a"]), Err(2), row(&["b"])]);
    }

    #[test]
    fn texts_come_back_as_they_were_and_none_is_a_formula() {
        for text in [
            "", "a", " a", "a ", "=1+1", "+1", "-1", "@x", "\tx", "\rx", "'", "'a", "'=1", "''=1",
            "\"", "a,b", "a\"b", "a\nb", "a\r\nb", "\u{feff}", "∅",
        ] {
            let mut out = Vec::new();
            write_row(
                &mut out,
                &[Value::text(text), Value::text("x")],
                &[ColumnType::Text; 2],
                &mut Vec::new(),
            );
            let out = String::from_utf8(out).expect("UTF-8");
            let cell = out.strip_prefix('"').unwrap_or(&out);
            assert!(!starts_formula(cell), "{out:?}");
            let input = std::io::BufReader::new(out.as_bytes());
            let mut row = Row::default();
            // Behind another row: a mark at the beginning of a file is none of a text.
            let mut reader = Reader::new(input, 1000);
            reader.bytes = 1;
            assert!(matches!(reader.next(&mut row), Ok(Some(1))));
            let read = row.texts().expect("UTF-8")[0].expect("not null");
            let read = if is_shielded(read) { &read[1..] } else { read };
            assert_eq!(read, text);
        }
        // What nobody shielded is not touched.
        for text in ["'", "'a", "''", "'a=1"] {
            assert!(!is_shielded(text), "{text}");
        }
    }
}
