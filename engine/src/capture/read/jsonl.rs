//! JSON lines: one object a row, `{"id": "a", "embedding": [0.1, 0.2]}`.
//!
//! The fields are found on the first row, as columns are in other formats. Numbers are read as `f64`, correctly rounded, and
//! then rounded once to the element type, as NumPy does; a number too large for it is refused. What is not finite is no
//! JSON. Fields with other names are skipped.

use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde_json::{Map, Value};

use super::batches::{BATCH_ROWS_MAX, batch_rows};
use super::columns;
use super::error::Fault;
use super::ids::KeyList;
use super::json_row::{self, Names, syntax};
use super::json_some::some_fields;
use super::{Opened, ReadOptions, RefusedRow, Refuser, RowForm, Rows};
use crate::delta::{Element, Notes, RowBatch};

/// The longest line; a vector of the greatest width in 60 digits a number fits.
const LINE_BYTES_MAX: u64 = 64 << 20;

/// Where lines come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Source {
    /// A file: batches are as large as they may be.
    File,
    /// Standard input or a pipe: a batch ends where the next row would have to be waited for.
    Stream,
}

/// Starts reading lines. With a `refuser` the first line that is a row says which fields are read; without, the first one
/// must.
pub(super) fn open(
    input: impl Read + Send + 'static,
    source: Source,
    options: &ReadOptions,
    mut refuser: Option<Refuser>,
) -> Result<Opened, Fault> {
    let mut lines =
        Lines { input: BufReader::with_capacity(1 << 18, Box::new(input)), line: Vec::new(), number: 0, bytes: 0 };
    let element = options.element.unwrap_or(Element::F32);
    let mut gone = Gone { field: options.deleted.clone(), id: options.id.clone(), ids: Vec::new() };
    let names = loop {
        if !lines.next()? {
            break Names::default();
        }
        if gone.takes(&lines.line).map_err(|fault| fault.on_line(lines.number))? {
            continue;
        }
        match find_names(&lines.line, options).map_err(|fault| fault.on_line(lines.number)) {
            Ok(names) => break names,
            Err(fault) => refuse(&mut refuser, fault, &lines.line, options.id.as_deref())?,
        }
    };
    let waiting = !lines.line.is_empty();
    Ok(Opened {
        element,
        rows_hint: None,
        rows: Box::new(JsonRows {
            waiting,
            lines,
            source,
            names,
            element,
            // Where rows are refused one by one, so is a first one of another width.
            dims: options.dims.filter(|_| waiting && refuser.is_some()),
            refuser,
            gone,
            next_row: 0,
        }),
    })
}

/// Hands a line to whoever takes what is refused; without anybody, its fault ends the reading.
fn refuse(refuser: &mut Option<Refuser>, fault: Fault, line: &[u8], id: Option<&str>) -> Result<(), Fault> {
    let Some(refuser) = refuser else { return Err(fault) };
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    let row: Option<Map<String, Value>> = serde_json::from_slice(line).ok();
    let id = row.as_ref().and_then(|row| match row.get(id.unwrap_or("id"))? {
        Value::String(id) => Some(id.clone()),
        Value::Number(id) => Some(id.to_string()),
        _ => None,
    });
    refuser(RefusedRow::of(fault, id, RowForm::Json, line.to_vec())?);
    Ok(())
}

/// Finds the fields of a row by the rules for columns.
fn find_names(line: &[u8], options: &ReadOptions) -> Result<Names, Fault> {
    let row: Map<String, Value> = serde_json::from_slice(line).map_err(|error| syntax(&error))?;
    let fields = row.iter().map(|(name, value)| Field::new(name, type_of(value), true)).collect::<Vec<_>>();
    let schema = Schema::new(fields);
    // A row may lack metadata, even the first one.
    let found = columns::find(&schema, &ReadOptions { meta: Vec::new().into(), ..options.clone() })?;
    Ok(Names {
        meta: options.meta.clone(),
        id: schema.field(found.id).name().clone(),
        vector: schema.field(found.vector).name().clone(),
    })
}

fn type_of(value: &Value) -> DataType {
    match value {
        Value::String(_) => DataType::Utf8,
        Value::Number(number) if !number.is_f64() => DataType::Int64,
        Value::Number(_) => DataType::Float64,
        Value::Array(items) => {
            let numbers = items.is_empty() || items.iter().any(Value::is_number);
            let item = if numbers { DataType::Float32 } else { items.first().map_or(DataType::Null, type_of) };
            DataType::List(Arc::new(Field::new("item", item, true)))
        }
        Value::Bool(_) => DataType::Boolean,
        Value::Object(_) => DataType::Struct(arrow_schema::Fields::empty()),
        Value::Null => DataType::Null,
    }
}

/// Lines of text that are not blank, one at a time.
struct Lines {
    input: BufReader<Box<dyn Read + Send>>,
    line: Vec<u8>,
    /// The number of `line`, from 1.
    number: u64,
    /// The bytes of all lines up to this one.
    bytes: u64,
}

impl Lines {
    /// Reads the next line; returns whether there was one.
    fn next(&mut self) -> Result<bool, Fault> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.input).take(LINE_BYTES_MAX + 1);
            let read = limited.read_until(b'\n', &mut self.line).map_err(|error| Fault::io(&error))?;
            self.number += 1;
            self.bytes += read as u64;
            if read == 0 {
                return Ok(false);
            }
            if read as u64 > LINE_BYTES_MAX {
                return Err(Fault::data(format!("the line is longer than {} MiB", LINE_BYTES_MAX >> 20))
                    .on_line(self.number)
                    .help("write one object a line"));
            }
            if self.number == 1 && self.line.starts_with("\u{FEFF}".as_bytes()) {
                self.line.drain(..3);
            }
            if !self.line.trim_ascii().is_empty() {
                return Ok(true);
            }
        }
    }

    /// Returns whether the next line, or its beginning, has been read already.
    fn is_buffered(&self) -> bool {
        !self.input.buffer().is_empty()
    }
}

/// The ids that lines say are gone.
struct Gone {
    /// The field that says so.
    field: Option<String>,
    id: Option<String>,
    ids: Vec<String>,
}

impl Gone {
    /// Takes a line that says that its id is gone; returns whether it is one. What is no object is for others to refuse.
    fn takes(&mut self, line: &[u8]) -> Result<bool, Fault> {
        let Some(field) = &self.field else { return Ok(false) };
        let name = self.id.as_deref().unwrap_or("id");
        let Some(row) = some_fields(line, &[field, name]) else { return Ok(false) };
        match row.get(field) {
            None | Some(Value::Null | Value::Bool(false)) => return Ok(false),
            Some(Value::Bool(true)) => {}
            Some(_) => return Err(Fault::data(format!("`{field}` is neither true nor false"))),
        }
        let id = match row.get(name) {
            Some(Value::String(id)) if !id.is_empty() => id.clone(),
            Some(Value::Number(id)) if !id.is_f64() => id.to_string(),
            _ => return Err(Fault::data(format!("there is no `{name}`, or it is no text and no integer"))),
        };
        self.ids.push(id);
        Ok(true)
    }
}

struct JsonRows {
    lines: Lines,
    source: Source,
    names: Names,
    element: Element,
    dims: Option<u32>,
    refuser: Option<Refuser>,
    gone: Gone,
    next_row: u64,
    /// Whether the current line has not been taken over yet.
    waiting: bool,
}

impl Rows for JsonRows {
    fn dims(&self) -> Option<u32> {
        self.dims
    }

    fn passed(&self) -> u64 {
        self.lines.bytes
    }

    fn take_gone(&mut self) -> Vec<String> {
        std::mem::take(&mut self.gone.ids)
    }

    fn next(&mut self) -> Result<Option<RowBatch>, Fault> {
        let first_row = self.next_row;
        let mut keys = KeyList::new(first_row, 0);
        let mut rows = Vec::new();
        let mut notes = Notes::new(self.names.meta.clone());
        while self.waiting || self.lines.next()? {
            // The first line was looked at when the fields were found.
            let looked_at = std::mem::take(&mut self.waiting);
            if !looked_at && self.gone.takes(&self.lines.line).map_err(|fault| fault.on_line(self.lines.number))? {
                continue;
            }
            let whole = rows.len();
            if let Err(fault) = self.parse(&mut keys, &mut rows, &mut notes) {
                rows.truncate(whole);
                let fault = fault.on_line(self.lines.number);
                refuse(&mut self.refuser, fault, &self.lines.line, Some(&self.names.id))?;
            }
            self.next_row += 1;
            let count = keys.len();
            let full = count >= BATCH_ROWS_MAX || count > 0 && count >= batch_rows(rows.len() / count);
            if full || (count > 0 && self.source == Source::Stream && !self.lines.is_buffered()) {
                break;
            }
        }
        if keys.len() == 0 {
            return Ok(None);
        }
        Ok(Some(RowBatch { keys: keys.finish()?, rows: rows.into(), first_row, notes }))
    }
}

impl JsonRows {
    /// Adds the current line's row; one that is at fault leaves at most bytes of its vector behind.
    fn parse(&mut self, keys: &mut KeyList, rows: &mut Vec<u8>, notes: &mut Notes) -> Result<(), Fault> {
        let (id, dims, meta) = json_row::parse(&self.lines.line, &self.names, self.element, rows)?;
        let id = id.ok_or_else(|| Fault::data(format!("there is no `{}`", self.names.id)))?;
        let dims = dims.ok_or_else(|| Fault::data(format!("there is no `{}`", self.names.vector)))?;
        let known = self.dims.map_or_else(|| columns::check_dims(dims), Ok)?;
        if u64::from(known) != dims {
            return Err(Fault::data(format!("the vector is {dims} wide, the ones before are {known} wide"))
                .help("one table holds vectors of one width"));
        }
        keys.push(id.as_bytes())?;
        notes.push(meta);
        self.dims = Some(known);
        Ok(())
    }
}
