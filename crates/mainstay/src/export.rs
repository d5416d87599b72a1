//! Records that leave as files: what [`crate::records`] takes in again, they wrote.

use crate::backend::Backend;
use crate::csv;
use plan::every::{Form, column_type};
use spec::statement::Rows;
use spec::types::ColumnType;
use spec::{App, Model, ModelId, Principal, Problem, Value};
use std::borrow::Cow;
use std::io::Write;
use store::snapshot::Snapshot;

/// How a file of records is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// One JSON object a line.
    Jsonl,
    /// See [`csv`].
    Csv,
}

impl Format {
    pub fn extension(self) -> &'static str {
        match self {
            Format::Jsonl => "jsonl",
            Format::Csv => "csv",
        }
    }
}

#[derive(Debug)]
pub enum ExportError {
    Problem(Problem),
    Store(store::StoreError),
    Io(std::io::Error),
}

impl From<std::io::Error> for ExportError {
    fn from(error: std::io::Error) -> ExportError {
        ExportError::Io(error)
    }
}

/// Writes every record of a model, in the order of ids, as the system sees it; answers how many. `progress` is told
/// how many there are so far.
pub async fn export(
    backend: &Backend,
    app: &App,
    model: ModelId,
    format: Format,
    snapshot: &mut Snapshot,
    out: &mut impl Write,
    progress: &dyn Fn(u64),
) -> Result<u64, ExportError> {
    let form = match format {
        Format::Jsonl => Form::Json,
        Format::Csv => Form::Values,
    };
    let system = Principal::system();
    let pieces = backend
        .engine
        .export(app, &system, model, form, snapshot)
        .await
        .map_err(ExportError::Problem)?;
    let mut table = Table::new(app.model(model));
    if format == Format::Csv {
        out.write_all(table.header())?;
    }
    let mut count = 0;
    // The system may read everything.
    let Some(mut pieces) = pieces else {
        return Ok(count);
    };
    while let Some(mut rows) = pieces.next().await.map_err(ExportError::Store)? {
        count += rows.ends.len() as u64;
        match format {
            Format::Jsonl => out.write_all(lines(&mut rows))?,
            Format::Csv => out.write_all(table.rows(&rows))?,
        }
        progress(count);
    }
    Ok(count)
}

/// The records with an end of line behind each, where they had a comma between them.
fn lines(rows: &mut Rows) -> &[u8] {
    rows.body.push(b',');
    for end in &rows.ends {
        rows.body[*end] = b'\n';
    }
    &rows.body
}

/// A model's records as rows of CSV.
struct Table<'m> {
    model: &'m Model,
    types: Vec<ColumnType>,
    out: Vec<u8>,
    scratch: Vec<u8>,
}

impl Table<'_> {
    fn new(model: &Model) -> Table<'_> {
        let types = model.fields.iter().map(|field| column_type(model, field));
        let extra = model.open.then_some(ColumnType::Json);
        Table {
            model,
            types: types.chain(extra).collect(),
            out: Vec::new(),
            scratch: Vec::new(),
        }
    }

    fn header(&mut self) -> &[u8] {
        self.out.clear();
        csv::write_header(&mut self.out, self.model);
        &self.out
    }

    fn rows(&mut self, rows: &Rows) -> &[u8] {
        self.out.clear();
        let width = self.types.len();
        for row in rows.captured.chunks(width) {
            let row = declared(self.model, row);
            csv::write_row(&mut self.out, &row, &self.types, &mut self.scratch);
        }
        &self.out
    }
}

/// Without undeclared fields that have the name of a declared one by now, as in JSON.
fn declared<'r>(model: &Model, row: &'r [Value]) -> Cow<'r, [Value]> {
    let Some(Value::Json(extra)) = row.last().filter(|_| model.open) else {
        return Cow::Borrowed(row);
    };
    let mut kept = b"{".to_vec();
    spec::json::write_members(&mut kept, false, extra, &model.taken);
    kept.push(b'}');
    match String::from_utf8(kept) {
        Ok(kept) if kept != **extra => {
            let mut row = row.to_vec();
            row.pop();
            row.push(Value::Json(kept.into()));
            Cow::Owned(row)
        }
        _ => Cow::Borrowed(row),
    }
}

impl std::fmt::Display for ExportError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            ExportError::Problem(problem) => write!(f, "{problem}"),
            ExportError::Store(error) => write!(f, "{error}"),
            ExportError::Io(error) => write!(f, "{error}"),
        }
    }
}
