//! The records of a file, each as the JSON object that it is or stands for.

use super::{File, STANDARD};
use crate::csv::{Columns, Reader, Row, Unread};
use crate::export::Format;
use spec::{Code, Model, Problem};
use std::io::{BufRead, BufReader, Read, Result};
use std::path::Path;

type Input = Box<dyn BufRead + Send>;

/// How much is read at a time.
const BUFFER: usize = 1 << 16;

pub struct Lines(Kind);

/// The number of a record's (first) line, and the record, or what is wrong with it.
pub type Line<'l> = (u64, std::result::Result<&'l [u8], Problem>);

enum Kind {
    Jsonl {
        input: Input,
        limit: u64,
        number: u64,
        bytes: u64,
        line: Vec<u8>,
    },
    Csv {
        reader: Reader<Input>,
        columns: Columns,
        row: Row,
        line: Vec<u8>,
        /// Nothing more can be read.
        over: bool,
    },
    /// The first row is wrong: what follows means nothing.
    Headless { line: u64, problem: Option<Problem> },
}

impl Lines {
    /// `beside`: see [`Columns::read`]. `limit`: bytes of one record.
    pub fn open(file: &File, model: &Model, beside: &[(&str, bool)], limit: u64) -> Result<Lines> {
        let input: Input = match file.path.as_path() == Path::new(STANDARD) {
            true => Box::new(BufReader::with_capacity(BUFFER, std::io::stdin())),
            false => {
                let file = std::fs::File::open(&file.path)?;
                Box::new(BufReader::with_capacity(BUFFER, file))
            }
        };
        if file.format == Format::Jsonl {
            return Ok(Lines(Kind::Jsonl {
                input,
                limit,
                number: 0,
                bytes: 0,
                line: Vec::new(),
            }));
        }
        let mut reader = Reader::new(input, limit);
        let mut row = Row::default();
        let columns = match reader.next(&mut row) {
            Ok(Some(line)) => Columns::read(model, &row, beside).map_err(|problem| (line, problem)),
            Ok(None) => {
                let detail = "The file is empty: its first row names the fields.";
                Err((1, Problem::new(Code::Invalid, detail)))
            }
            Err((_, Unread::Io(error))) => return Err(error),
            Err((line, why)) => Err((line, unread(&why))),
        };
        Ok(Lines(match columns {
            Ok(columns) => Kind::Csv {
                reader,
                columns,
                row,
                line: Vec::new(),
                over: false,
            },
            Err((line, problem)) => Kind::Headless {
                line,
                problem: Some(problem),
            },
        }))
    }

    /// Bytes read so far.
    pub fn bytes(&self) -> u64 {
        match &self.0 {
            Kind::Jsonl { bytes, .. } => *bytes,
            Kind::Csv { reader, .. } => reader.bytes,
            Kind::Headless { .. } => 0,
        }
    }

    /// The next record; none at the end.
    pub fn next(&mut self) -> Result<Option<Line<'_>>> {
        match &mut self.0 {
            Kind::Headless { line, problem } => {
                Ok(problem.take().map(|problem| (*line, Err(problem))))
            }
            Kind::Jsonl {
                input,
                limit,
                number,
                bytes,
                line,
            } => loop {
                *number += 1;
                line.clear();
                let read = Read::take(&mut *input, *limit + 1).read_until(b'\n', line)?;
                *bytes += read as u64;
                if read == 0 {
                    return Ok(None);
                }
                if read as u64 > *limit && line.last() != Some(&b'\n') {
                    *bytes += skip_line(input)?;
                    return Ok(Some((*number, Err(unread(&Unread::TooLong(*limit))))));
                }
                if line.trim_ascii().is_empty() {
                    continue;
                }
                return Ok(Some((*number, Ok(line.trim_ascii()))));
            },
            Kind::Csv { over: true, .. } => Ok(None),
            Kind::Csv {
                reader,
                columns,
                row,
                line,
                over,
            } => match reader.next(row) {
                Ok(None) => Ok(None),
                Ok(Some(number)) => {
                    let object = columns.object(row, line);
                    Ok(Some((number, object.map(|()| line.as_slice()))))
                }
                Err((_, Unread::Io(error))) => Err(error),
                Err((number, why)) => {
                    *over = matches!(why, Unread::Quotes(_));
                    Ok(Some((number, Err(unread(&why)))))
                }
            },
        }
    }
}

/// Passes over what is left of a line; answers how many bytes.
fn skip_line(input: &mut Input) -> Result<u64> {
    let mut skipped = 0;
    loop {
        let buffer = input.fill_buf()?;
        if buffer.is_empty() {
            return Ok(skipped);
        }
        let end = buffer.iter().position(|byte| *byte == b'\n');
        let used = end.map_or(buffer.len(), |end| end + 1);
        input.consume(used);
        skipped += used as u64;
        if end.is_some() {
            return Ok(skipped);
        }
    }
}

fn unread(why: &Unread) -> Problem {
    match why {
        Unread::TooLong(limit) => Problem::new(
            Code::BodyTooLarge,
            format!("The record is longer than {limit} bytes."),
        ),
        Unread::Quotes(why) => Problem::new(
            Code::Invalid,
            format!("This is no CSV: {why}. What follows was not read."),
        ),
        Unread::Io(error) => Problem::new(Code::Invalid, error.to_string()),
    }
}
