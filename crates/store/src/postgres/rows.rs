//! Rows to JSON, straight from the bytes that the server sent: no tree of values between.
//!
//! A nested record's columns are the row's own (inline), items of arrays, or fields of an anonymous record:
//! [`Cells`] makes the three look alike, so that there is one function that writes a record.

use super::cell::{self, Malformed, Result};
use spec::Value;
use spec::statement::{Capture, Key, Nested, Output, Part, Rows, Shape, Source, Splice};
use std::sync::Arc;
use tokio_postgres::Row;
use tokio_postgres::types::{FromSql, Type};

/// A column's bytes as they came.
struct Raw<'a>(&'a [u8]);

impl<'a> FromSql<'a> for Raw<'a> {
    fn from_sql(
        _ty: &Type,
        raw: &'a [u8],
    ) -> std::result::Result<Raw<'a>, Box<dyn std::error::Error + Sync + Send>> {
        Ok(Raw(raw))
    }
    fn accepts(_ty: &Type) -> bool {
        true
    }
}

/// Columns by number.
trait Cells {
    fn cell(&self, at: usize) -> Result<Option<&[u8]>>;
}

impl Cells for Row {
    fn cell(&self, at: usize) -> Result<Option<&[u8]>> {
        match self.try_get::<_, Option<Raw<'_>>>(at) {
            Ok(raw) => Ok(raw.map(|raw| raw.0)),
            Err(_) => Err(Malformed("it has too few columns")),
        }
    }
}

impl Cells for &[Option<&[u8]>] {
    fn cell(&self, at: usize) -> Result<Option<&[u8]>> {
        self.get(at)
            .copied()
            .ok_or(Malformed("it has too few columns"))
    }
}

/// A record's row.
struct Place<'c, C> {
    cells: &'c C,
    /// The cell with which it begins: the marker of a nested record.
    first: usize,
    parent: Option<(&'c dyn Cells, usize)>,
}

impl<'c, C: Cells> Place<'c, C> {
    fn shared(&self, source: Source) -> Result<Option<&'c [u8]>> {
        match (source, self.parent) {
            (Source::Row(at), _) => self.cells.cell(self.first + at),
            (Source::Parent(at), Some((cells, first))) => cells.cell(first + at),
            (Source::Parent(_), None) => Err(Malformed("no record is around this one")),
        }
    }

    /// For a record inside this one.
    fn inside<'a, I>(&self, cells: &'a I, first: usize) -> Place<'a, I>
    where
        'c: 'a,
    {
        Place {
            cells,
            first,
            parent: Some((self.cells, self.first)),
        }
    }
}

/// How many of the driver's columns a shape covers.
fn width(columns: &[Output]) -> usize {
    columns.iter().map(output_width).sum()
}

#[inline]
fn output_width(output: &Output) -> usize {
    match output {
        Output::Field { .. }
        | Output::Captured { .. }
        | Output::Unused
        | Output::Total { .. }
        | Output::Members { .. }
        | Output::Splice { .. } => 1,
        Output::Shared { .. } => 0,
        Output::Guarded { .. } => 2,
        Output::Snippets { keys, .. } => keys.len(),
        Output::When(inner) => 1 + output_width(inner),
        Output::Nested(nested) => match &nested.part {
            Part::Inline(shape) | Part::Arrays(shape) => 1 + width(&shape.columns),
            Part::Records(_) => 1,
            // SQLite's: it has no columns in the row.
            Part::Statement { .. } => 0,
        },
    }
}

/// How many slots a shape has for records of other modules, depth first.
fn slots(columns: &[Output]) -> usize {
    columns.iter().map(output_slots).sum()
}

fn output_slots(output: &Output) -> usize {
    match output {
        Output::Splice { .. } => 1,
        Output::Nested(nested) => match &nested.part {
            Part::Inline(shape)
            | Part::Arrays(shape)
            | Part::Records(shape)
            | Part::Statement { shape, .. } => slots(&shape.columns),
        },
        Output::When(inner) => output_slots(inner),
        Output::Field { .. }
        | Output::Total { .. }
        | Output::Guarded { .. }
        | Output::Captured { .. }
        | Output::Unused
        | Output::Members { .. }
        | Output::Snippets { .. }
        | Output::Shared { .. } => 0,
    }
}

/// Writes rows into the answer's body, up to `emit` of them.
pub(super) fn write(rows: &[Row], shape: &Shape, emit: u32) -> Result<Rows> {
    let emit = usize::try_from(emit).unwrap_or(usize::MAX);
    let mut out = Rows {
        more: rows.len() > emit,
        ..Rows::default()
    };
    let Some(first) = rows.first() else {
        return Ok(out);
    };
    if first.len() != width(&shape.columns) {
        return Err(Malformed("it has more or fewer columns"));
    }
    let rows = &rows[..rows.len().min(emit)];
    out.ends.reserve_exact(rows.len());
    // With its keys, JSON is up to twice as long as binary: ordinary rows never grow the body, and neither does what
    // is put around them. What stays free is not touched, so it costs no memory.
    let raw: usize = rows.iter().map(Row::raw_size_bytes).sum();
    out.body.reserve(raw * 5 / 2 + 256);
    for (at, row) in rows.iter().enumerate() {
        if at > 0 {
            out.body.push(b',');
        }
        if shape.capture == Capture::Last {
            out.captured.clear();
        }
        let mut record = Record {
            body: &mut out.body,
            splices: &mut out.splices,
            snippets: &mut out.snippets,
        };
        let place = &Place {
            cells: row,
            first: 0,
            parent: None,
        };
        record.write(&shape.columns, place, 0, 0, &mut Some(&mut out.captured))?;
        out.ends.push(out.body.len());
    }
    Ok(out)
}

/// The captured columns of every row, and nothing else: what a write or a `change` wants.
pub(super) fn captured(rows: &[Row], shape: &Shape) -> Result<Vec<Value>> {
    let mut out = Vec::with_capacity(rows.len() * shape.columns.len());
    for row in rows {
        let mut at = 0;
        for output in &shape.columns {
            match output {
                Output::Captured { ty } => out.push(cell::value(*ty, row.cell(at)?)?),
                Output::Shared { source, output } => {
                    if let (Source::Row(at), Output::Captured { ty }) = (source, &**output) {
                        out.push(cell::value(*ty, row.cell(*at)?)?);
                    }
                }
                _ => {}
            }
            at += output_width(output);
        }
    }
    Ok(out)
}

/// A condition that is null does not hold.
fn holds(raw: Option<&[u8]>) -> Result<bool> {
    Ok(raw.map(cell::boolean).transpose()? == Some(true))
}

struct Record<'a> {
    body: &'a mut Vec<u8>,
    splices: &'a mut Vec<Splice>,
    snippets: &'a mut Vec<u8>,
}

impl Record<'_> {
    /// Writes `{…}` from the cells from `at` on. `slot` is the number of the shape's first splice.
    fn write<C: Cells>(
        &mut self,
        columns: &[Output],
        place: &Place<'_, C>,
        mut at: usize,
        mut slot: usize,
        captured: &mut Option<&mut Vec<Value>>,
    ) -> Result<()> {
        let cells = place.cells;
        self.body.push(b'{');
        let start = self.body.len();
        for output in columns {
            let output = match output {
                Output::When(inner) => {
                    if !holds(cells.cell(at)?)? {
                        at += output_width(output);
                        slot += output_slots(inner);
                        continue;
                    }
                    at += 1;
                    inner
                }
                output => output,
            };
            match output {
                Output::Field { key, ty } => {
                    self.key(start, key);
                    cell::write(self.body, *ty, cells.cell(at)?)?;
                }
                Output::Total { key, scale } => {
                    self.key(start, key);
                    cell::write_total(self.body, *scale, cells.cell(at)?)?;
                }
                Output::Guarded { key, ty } => {
                    if holds(cells.cell(at)?)? {
                        self.key(start, key);
                        cell::write(self.body, *ty, cells.cell(at + 1)?)?;
                    }
                }
                Output::Snippets { keys, query } => {
                    let texts = (at..).map(|at| cells.cell(at));
                    let texts: Vec<Option<&[u8]>> =
                        texts.take(keys.len()).collect::<Result<_>>()?;
                    let texts = texts
                        .into_iter()
                        .map(|text| text.map(String::from_utf8_lossy));
                    Rows::write_snippets(self.snippets, query, keys.iter().zip(texts));
                }
                Output::Captured { ty } => {
                    if let Some(captured) = captured {
                        captured.push(cell::value(*ty, cells.cell(at)?)?);
                    }
                }
                Output::Unused => {}
                Output::Members { without } => self.members(start, cells.cell(at)?, without)?,
                Output::Splice { key, ty } => {
                    self.key(start, key);
                    match cell::value(*ty, cells.cell(at)?)? {
                        Value::Null => self.body.extend_from_slice(b"null"),
                        id => self.splices.push(Splice {
                            at: self.body.len(),
                            slot,
                            id,
                        }),
                    }
                    slot += 1;
                }
                Output::Nested(nested) => {
                    self.key(start, &nested.key);
                    slot += self.nested(nested, place, at, slot)?;
                }
                Output::Shared { source, output } => {
                    let raw = place.shared(*source)?;
                    match &**output {
                        Output::Field { key, ty } => {
                            self.key(start, key);
                            cell::write(self.body, *ty, raw)?;
                        }
                        Output::Captured { ty } => {
                            if let Some(captured) = captured {
                                captured.push(cell::value(*ty, raw)?);
                            }
                        }
                        _ => return Err(Malformed("only fields and captured columns are shared")),
                    }
                }
                Output::When(_) => {
                    return Err(Malformed("a condition does not hold another one"));
                }
            }
            at += output_width(output);
        }
        self.body.push(b'}');
        Ok(())
    }

    fn key(&mut self, start: usize, key: &Key) {
        let behind = self.body.len() > start;
        self.body.extend_from_slice(key.behind(behind));
    }

    /// The members of a JSON object, without its braces.
    fn members(&mut self, start: usize, raw: Option<&[u8]>, without: &[Arc<str>]) -> Result<()> {
        let Some(raw) = raw else {
            return Ok(());
        };
        let text = cell::canonical(raw)?;
        if !text.starts_with('{') {
            return Err(Malformed("undeclared fields are not a JSON object"));
        }
        let behind = self.body.len() > start;
        spec::json::write_members(self.body, behind, &text, without);
        Ok(())
    }

    /// Writes the records of a relation; answers how many slots its shape has.
    fn nested<C: Cells>(
        &mut self,
        nested: &Nested,
        place: &Place<'_, C>,
        at: usize,
        slot: usize,
    ) -> Result<usize> {
        let cells = place.cells;
        let shape = match &nested.part {
            Part::Inline(shape) => {
                if nested.many.is_some() {
                    return Err(Malformed("records of a to-many relation cannot be inline"));
                }
                match cells.cell(at)? {
                    None => self.body.extend_from_slice(b"null"),
                    Some(_) => {
                        let inside = &place.inside(cells, at);
                        self.write(&shape.columns, inside, at + 1, slot, &mut None)?;
                    }
                }
                shape
            }
            Part::Arrays(shape) => {
                self.arrays(nested, shape, place, at, slot)?;
                shape
            }
            Part::Records(shape) => {
                self.records(nested, shape, place, at, slot)?;
                shape
            }
            Part::Statement { .. } => {
                return Err(Malformed("a statement per parent is for SQLite"));
            }
        };
        Ok(slots(&shape.columns))
    }

    /// One array per column, the marker's first.
    fn arrays<C: Cells>(
        &mut self,
        nested: &Nested,
        shape: &Shape,
        place: &Place<'_, C>,
        at: usize,
        slot: usize,
    ) -> Result<()> {
        let count = 1 + width(&shape.columns);
        let mut arrays = Vec::with_capacity(count);
        for column in at..at + count {
            arrays.push(Items::of(place.cells.cell(column)?)?);
        }
        let length = arrays[0].left;
        if arrays.iter().any(|array| array.left != length) {
            return Err(Malformed("arrays of nested records differ in length"));
        }
        let mut row = vec![None; count];
        let mut list = List::start(self, nested);
        for _ in 0..length {
            for (array, cell) in arrays.iter_mut().zip(&mut row) {
                *cell = array.item()?;
            }
            list.push(shape, &place.inside(&&*row, 0), slot)?;
        }
        list.finish();
        Ok(())
    }

    /// An array of anonymous records: `array(select row(…))`.
    fn records<C: Cells>(
        &mut self,
        nested: &Nested,
        shape: &Shape,
        place: &Place<'_, C>,
        at: usize,
        slot: usize,
    ) -> Result<()> {
        let count = 1 + width(&shape.columns);
        let mut items = Items::of(place.cells.cell(at)?)?;
        let mut row = Vec::with_capacity(count);
        let mut list = List::start(self, nested);
        for _ in 0..items.left {
            let Some(record) = items.item()? else {
                continue;
            };
            let mut wire = Wire(record);
            row.clear();
            if usize::try_from(wire.int()?) != Ok(count) {
                return Err(Malformed("a nested record has more or fewer fields"));
            }
            for _ in 0..count {
                wire.int()?; // the field's type
                row.push(wire.sized()?);
            }
            list.push(shape, &place.inside(&&*row, 0), slot)?;
        }
        list.finish();
        Ok(())
    }
}

/// `{"data":[…],"more":bool}` for a to-many relation, the first record or `null` for a to-one.
struct List<'a, 'b> {
    record: &'a mut Record<'b>,
    limit: usize,
    many: bool,
    seen: usize,
}

impl<'a, 'b> List<'a, 'b> {
    fn start(record: &'a mut Record<'b>, nested: &Nested) -> List<'a, 'b> {
        if nested.many.is_some() {
            record.body.extend_from_slice(b"{\"data\":[");
        }
        List {
            record,
            limit: nested
                .many
                .map_or(1, |many| usize::try_from(many.limit).unwrap_or(usize::MAX)),
            many: nested.many.is_some(),
            seen: 0,
        }
    }

    /// A row whose first cell is the marker.
    fn push<C: Cells>(&mut self, shape: &Shape, row: &Place<'_, C>, slot: usize) -> Result<()> {
        if row.cells.cell(0)?.is_none() {
            return Ok(());
        }
        self.seen += 1;
        if self.seen > self.limit {
            return Ok(());
        }
        if self.seen > 1 {
            self.record.body.push(b',');
        }
        self.record.write(&shape.columns, row, 1, slot, &mut None)
    }

    fn finish(self) {
        if self.many {
            let more: &[u8] = if self.seen > self.limit {
                b"],\"more\":true}"
            } else {
                b"],\"more\":false}"
            };
            self.record.body.extend_from_slice(more);
        } else if self.seen == 0 {
            self.record.body.extend_from_slice(b"null");
        }
    }
}

/// A reader of big-endian words and length-prefixed bytes.
struct Wire<'a>(&'a [u8]);

impl<'a> Wire<'a> {
    fn int(&mut self) -> Result<i32> {
        let (head, rest) = self
            .0
            .split_first_chunk::<4>()
            .ok_or(Malformed("an array or record ends early"))?;
        self.0 = rest;
        Ok(i32::from_be_bytes(*head))
    }

    /// A length and so many bytes; -1 is null.
    fn sized(&mut self) -> Result<Option<&'a [u8]>> {
        let length = self.int()?;
        if length == -1 {
            return Ok(None);
        }
        let (head, rest) = usize::try_from(length)
            .ok()
            .and_then(|length| self.0.split_at_checked(length))
            .ok_or(Malformed("an array or record ends early"))?;
        self.0 = rest;
        Ok(Some(head))
    }
}

/// The items of an array of one dimension.
struct Items<'a> {
    wire: Wire<'a>,
    left: usize,
}

impl<'a> Items<'a> {
    /// Header: dimensions, whether there are nulls, the items' type; then per dimension its length and the
    /// number of its first item. An empty array has no dimension; a null one counts as empty.
    fn of(raw: Option<&'a [u8]>) -> Result<Items<'a>> {
        let mut wire = Wire(raw.unwrap_or(&[0; 12]));
        let dimensions = wire.int()?;
        wire.int()?;
        wire.int()?;
        let left = match dimensions {
            0 => 0,
            1 => {
                let length = wire.int()?;
                wire.int()?;
                usize::try_from(length).map_err(|_| Malformed("an array has a negative length"))?
            }
            _ => return Err(Malformed("an array has several dimensions")),
        };
        Ok(Items { wire, left })
    }

    fn item(&mut self) -> Result<Option<&'a [u8]>> {
        self.wire.sized()
    }
}
