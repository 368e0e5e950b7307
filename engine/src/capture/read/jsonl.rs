//! JSON lines: one object a row, `{"id": "a", "embedding": [0.1, 0.2]}`.
//!
//! The fields are found on the first row, as columns are in other formats. Numbers are read as `f64`, correctly rounded, and
//! then rounded once to the element type, as NumPy does; a number too large for it is refused. What is not finite is no
//! JSON. Fields with other names are skipped.

use std::fmt;
use std::io::{BufRead, BufReader, Read};
use std::sync::Arc;

use arrow_schema::{DataType, Field, Schema};
use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::batches::{BATCH_ROWS_MAX, batch_rows};
use super::columns;
use super::error::Fault;
use super::ids::KeyList;
use super::numbers::push_number;
use super::{Opened, ReadOptions, Rows};
use crate::delta::{Element, RowBatch};

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

/// Starts reading lines.
pub(super) fn open(input: impl Read + Send + 'static, source: Source, options: &ReadOptions) -> Result<Opened, Fault> {
    let mut lines = Lines {
        input: BufReader::with_capacity(1 << 18, Box::new(input)),
        line: Vec::new(),
        number: 0,
    };
    let element = options.element.unwrap_or(Element::F32);
    let names = match lines.next()? {
        true => find_names(&lines.line, options).map_err(|fault| fault.on_line(lines.number))?,
        false => Names::default(),
    };
    Ok(Opened {
        element,
        rows_hint: None,
        rows: Box::new(JsonRows {
            waiting: !lines.line.is_empty(),
            lines,
            source,
            names,
            element,
            dims: None,
            next_row: 0,
        }),
    })
}

/// The names of the fields that are read.
#[derive(Debug, Default)]
struct Names {
    id: String,
    vector: String,
}

/// Finds the fields of a row by the rules for columns.
fn find_names(line: &[u8], options: &ReadOptions) -> Result<Names, Fault> {
    let row: Map<String, Value> = serde_json::from_slice(line).map_err(|error| syntax(&error))?;
    let fields = row
        .iter()
        .map(|(name, value)| Field::new(name, type_of(value), true))
        .collect::<Vec<_>>();
    let schema = Schema::new(fields);
    let found = columns::find(&schema, options)?;
    Ok(Names {
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
            let item = if numbers {
                DataType::Float32
            } else {
                items.first().map_or(DataType::Null, type_of)
            };
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
}

impl Lines {
    /// Reads the next line; returns whether there was one.
    fn next(&mut self) -> Result<bool, Fault> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.input).take(LINE_BYTES_MAX + 1);
            let read = limited
                .read_until(b'\n', &mut self.line)
                .map_err(|error| Fault::io(&error))?;
            self.number += 1;
            if read == 0 {
                return Ok(false);
            }
            if read as u64 > LINE_BYTES_MAX {
                return Err(
                    Fault::data(format!("the line is longer than {} MiB", LINE_BYTES_MAX >> 20))
                        .on_line(self.number)
                        .help("write one object a line"),
                );
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

struct JsonRows {
    lines: Lines,
    source: Source,
    names: Names,
    element: Element,
    dims: Option<u32>,
    next_row: u64,
    /// Whether the current line has not been taken over yet.
    waiting: bool,
}

impl Rows for JsonRows {
    fn dims(&self) -> Option<u32> {
        self.dims
    }

    fn next(&mut self) -> Result<Option<RowBatch>, Fault> {
        let first_row = self.next_row;
        let mut keys = KeyList::new(first_row, 0);
        let mut rows = Vec::new();
        while self.waiting || self.lines.next()? {
            self.waiting = false;
            self.parse(&mut keys, &mut rows)
                .map_err(|fault| fault.on_line(self.lines.number))?;
            self.next_row += 1;
            let count = (self.next_row - first_row) as usize;
            let full = count >= BATCH_ROWS_MAX || count >= batch_rows(rows.len() / count);
            if full || (self.source == Source::Stream && !self.lines.is_buffered()) {
                break;
            }
        }
        if self.next_row == first_row {
            return Ok(None);
        }
        Ok(Some(RowBatch {
            keys: keys.finish()?,
            rows: rows.into(),
            first_row,
        }))
    }
}

impl JsonRows {
    /// Adds the current line's row.
    fn parse(&mut self, keys: &mut KeyList, rows: &mut Vec<u8>) -> Result<(), Fault> {
        let mut row = Row {
            id: None,
            dims: None,
            values: rows,
            names: &self.names,
            element: self.element,
        };
        let mut json = serde_json::Deserializer::from_slice(&self.lines.line);
        row.deserialize(&mut json)
            .and_then(|()| json.end())
            .map_err(|error| syntax(&error))?;
        let (id, dims) = (row.id, row.dims);
        let id = id.ok_or_else(|| Fault::data(format!("there is no `{}`", self.names.id)))?;
        let dims = dims.ok_or_else(|| Fault::data(format!("there is no `{}`", self.names.vector)))?;
        keys.push(id.as_bytes())?;
        let known = match self.dims {
            Some(known) => known,
            None => *self.dims.insert(columns::check_dims(dims)?),
        };
        match u64::from(known) == dims {
            true => Ok(()),
            false => Err(
                Fault::data(format!("the vector is {dims} wide, the ones before are {known} wide"))
                    .help("one table holds vectors of one width"),
            ),
        }
    }
}

/// Says what is wrong within a line, without the line number that the parser of one line gives.
fn syntax(error: &serde_json::Error) -> Fault {
    let text = error.to_string();
    let message = text
        .rsplit_once(" at line ")
        .map_or(text.as_str(), |(message, _)| message);
    match error.classify() {
        serde_json::error::Category::Data => Fault::data(message),
        serde_json::error::Category::Eof => Fault::data(format!("the object is cut short: {message}"))
            .help("fetch or write the file again; one object a line"),
        _ => Fault::data(format!("this is not JSON: {message}, column {}", error.column()))
            .help("write one object a line"),
    }
}

/// One row while its line is parsed.
struct Row<'a> {
    id: Option<String>,
    dims: Option<u64>,
    /// The vectors of the batch; this row's is added at the end.
    values: &'a mut Vec<u8>,
    names: &'a Names,
    element: Element,
}

impl Row<'_> {
    fn deserialize<'de, D: Deserializer<'de>>(&mut self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'de> Visitor<'de> for &mut Row<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object with an id and a vector")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(field) = map.next_key_seed(FieldName(self.names))? {
            match field {
                Some(Which::Id) if self.id.is_none() => self.id = Some(map.next_value_seed(Id)?),
                Some(Which::Vector) if self.dims.is_none() => {
                    let vector = Vector {
                        values: self.values,
                        element: self.element,
                    };
                    self.dims = Some(map.next_value_seed(vector)?);
                }
                None => drop(map.next_value::<IgnoredAny>()?),
                Some(Which::Id) => return Err(A::Error::custom(format!("`{}` stands there twice", self.names.id))),
                Some(Which::Vector) => {
                    return Err(A::Error::custom(format!("`{}` stands there twice", self.names.vector)));
                }
            }
        }
        Ok(())
    }
}

enum Which {
    Id,
    Vector,
}

/// Tells which field a name is, without keeping the name.
struct FieldName<'a>(&'a Names);

impl<'de> DeserializeSeed<'de> for FieldName<'_> {
    type Value = Option<Which>;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<Self::Value, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for FieldName<'_> {
    type Value = Option<Which>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E: Error>(self, name: &str) -> Result<Self::Value, E> {
        Ok(match name {
            name if name == self.0.id => Some(Which::Id),
            name if name == self.0.vector => Some(Which::Vector),
            _ => None,
        })
    }
}

/// Takes over an id: a text, or an integer in decimal.
struct Id;

impl<'de> DeserializeSeed<'de> for Id {
    type Value = String;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<String, D::Error> {
        json.deserialize_any(self)
    }
}

impl Visitor<'_> for Id {
    type Value = String;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text or an integer as the id")
    }

    fn visit_str<E: Error>(self, id: &str) -> Result<String, E> {
        Ok(id.to_owned())
    }

    fn visit_u64<E: Error>(self, id: u64) -> Result<String, E> {
        Ok(id.to_string())
    }

    fn visit_i64<E: Error>(self, id: i64) -> Result<String, E> {
        Ok(id.to_string())
    }
}

/// Adds the numbers of a vector; gives their count.
struct Vector<'a> {
    values: &'a mut Vec<u8>,
    element: Element,
}

impl<'de> DeserializeSeed<'de> for Vector<'_> {
    type Value = u64;

    fn deserialize<D: Deserializer<'de>>(self, json: D) -> Result<u64, D::Error> {
        json.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Vector<'_> {
    type Value = u64;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array of numbers as the vector")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<u64, A::Error> {
        let mut count = 0;
        while let Some(number) = seq.next_element::<Component>()? {
            push_number(self.values, self.element, number.0)
                .map_err(|message| A::Error::custom(format!("component {count} of the vector {message}")))?;
            count += 1;
        }
        Ok(count)
    }
}

/// A number of a vector.
struct Component(f64);

impl<'de> serde::Deserialize<'de> for Component {
    fn deserialize<D: Deserializer<'de>>(json: D) -> Result<Self, D::Error> {
        struct Number;
        impl Visitor<'_> for Number {
            type Value = Component;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number in every component of the vector")
            }

            fn visit_f64<E: Error>(self, number: f64) -> Result<Component, E> {
                Ok(Component(number))
            }

            fn visit_u64<E: Error>(self, number: u64) -> Result<Component, E> {
                Ok(Component(number as f64))
            }

            fn visit_i64<E: Error>(self, number: i64) -> Result<Component, E> {
                Ok(Component(number as f64))
            }
        }
        json.deserialize_any(Number)
    }
}
