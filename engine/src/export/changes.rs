//! The sources that differ between two states, one a row, as one file.

use std::io::{BufWriter, Write};
use std::path::Path;
use std::sync::Arc;

use arrow_array::builder::{Float64Builder, StringBuilder, UInt32Builder};
use arrow_array::{ArrayRef, RecordBatch};
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef};
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::WriterProperties;

use super::ExportError;
use super::pending::{Out, Pending};
use super::table::{TableFormat, format_of};
use super::{arrow, parquet as parquet_file};
use crate::delta::{Measure, csv_text};

/// How many rows go on at once.
const BATCH_ROWS: usize = 64 << 10;

/// A list of changes being written; the file appears when it is finished, and not at all when the writer is dropped before.
///
/// Its columns are `source`, `change` (`insert`, `update` or `delete`), `changed_dims`, `l2`, `cosine` and `max_abs`; a measure
/// that is not defined is null.
pub struct ChangeWriter {
    sink: Sink,
    schema: SchemaRef,
    rows: u64,
    batch: Batch,
}

enum Sink {
    Arrow(Box<FileWriter<Out>>),
    Parquet(Box<ArrowWriter<Out>>),
    Csv(BufWriter<Out>),
}

#[derive(Default)]
struct Batch {
    rows: usize,
    source: StringBuilder,
    change: StringBuilder,
    changed_dims: UInt32Builder,
    l2: Float64Builder,
    cosine: Float64Builder,
    max_abs: Float64Builder,
}

impl ChangeWriter {
    /// Starts a file in the format that its extension names: `.arrow`, `.parquet` or `.csv`.
    ///
    /// # Errors
    /// When the extension is another one, or the file cannot be created.
    pub fn create(path: &Path) -> Result<Self, ExportError> {
        let schema = schema();
        let format = format_of(path).ok().filter(|&format| format != TableFormat::Npy);
        let format = format.ok_or_else(|| ExportError::ListFormat { path: path.to_owned() })?;
        let out = Out::File(Pending::create(path)?);
        let sink = match format {
            TableFormat::Arrow => {
                let writer = FileWriter::try_new(out, &schema);
                Sink::Arrow(Box::new(writer.map_err(|error| arrow::failed(path, error))?))
            }
            TableFormat::Parquet => {
                let compression = Compression::ZSTD(ZstdLevel::default());
                let properties = WriterProperties::builder().set_compression(compression).build();
                let writer = ArrowWriter::try_new(out, schema.clone(), Some(properties));
                Sink::Parquet(Box::new(writer.map_err(|error| parquet_file::failed(path, error))?))
            }
            TableFormat::Csv | TableFormat::Npy => {
                let mut out = BufWriter::with_capacity(1 << 18, out);
                let names: Vec<&str> = schema.fields().iter().map(|field| field.name().as_str()).collect();
                writeln!(out, "{}", names.join(",")).map_err(|error| ExportError::io(path, error))?;
                Sink::Csv(out)
            }
        };
        Ok(Self { sink, schema, rows: 0, batch: Batch::default() })
    }

    /// Adds a source that differs.
    ///
    /// # Errors
    /// When writing fails.
    pub fn write(&mut self, collection: &str, measure: &Measure<'_>) -> Result<(), ExportError> {
        self.rows += 1;
        if let Sink::Csv(out) = &mut self.sink {
            let line = csv_line(collection, measure);
            return out.write_all(&line).map_err(|error| ExportError::io(out.get_ref().path(), error));
        }
        self.batch.push(collection, measure);
        if self.batch.rows >= BATCH_ROWS { self.flush() } else { Ok(()) }
    }

    /// Makes the file durable, gives it its name, and returns how many sources it has.
    ///
    /// # Errors
    /// When writing fails; then there is no file.
    pub fn finish(mut self) -> Result<u64, ExportError> {
        if self.batch.rows > 0 {
            self.flush()?;
        }
        match self.sink {
            Sink::Arrow(writer) => arrow::close(*writer)?,
            Sink::Parquet(writer) => parquet_file::close(*writer)?,
            Sink::Csv(out) => {
                let path = out.get_ref().path().to_owned();
                out.into_inner().map_err(|error| ExportError::io(&path, error.into_error()))?.finish()?
            }
        };
        Ok(self.rows)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        let batch = RecordBatch::try_new(self.schema.clone(), self.batch.columns());
        match &mut self.sink {
            Sink::Arrow(writer) => {
                let written = batch.and_then(|batch| writer.write(&batch));
                written.map_err(|error| arrow::failed(writer.get_ref().path(), error))
            }
            Sink::Parquet(writer) => {
                let written = batch.map_err(ParquetError::from).and_then(|batch| writer.write(&batch));
                written.map_err(|error| parquet_file::failed(writer.inner().path(), error))
            }
            Sink::Csv(_) => Ok(()),
        }
    }
}

impl Batch {
    fn push(&mut self, collection: &str, measure: &Measure<'_>) {
        self.rows += 1;
        // Writing into a builder cannot fail; the value is then ended.
        let _ = [collection, "/", measure.key]
            .into_iter()
            .try_for_each(|text| std::fmt::Write::write_str(&mut self.source, text));
        self.source.append_value("");
        self.change.append_value(measure.change.name());
        self.changed_dims.append_value(measure.changed_dims);
        self.l2.append_option(known(measure.l2));
        self.cosine.append_option(measure.cosine);
        self.max_abs.append_option(known(measure.max_abs));
    }

    fn columns(&mut self) -> Vec<ArrayRef> {
        self.rows = 0;
        vec![
            Arc::new(self.source.finish()),
            Arc::new(self.change.finish()),
            Arc::new(self.changed_dims.finish()),
            Arc::new(self.l2.finish()),
            Arc::new(self.cosine.finish()),
            Arc::new(self.max_abs.finish()),
        ]
    }
}

fn schema() -> SchemaRef {
    let field = |name: &str, kind: DataType, nullable| Field::new(name, kind, nullable);
    Arc::new(Schema::new(vec![
        field("source", DataType::Utf8, false),
        field("change", DataType::Utf8, false),
        field("changed_dims", DataType::UInt32, false),
        field("l2", DataType::Float64, true),
        field("cosine", DataType::Float64, true),
        field("max_abs", DataType::Float64, true),
    ]))
}

/// Between two shapes there is no distance.
fn known(value: f64) -> Option<f64> {
    Some(value).filter(|value| !value.is_nan())
}

fn csv_line(collection: &str, measure: &Measure<'_>) -> Vec<u8> {
    let mut line = Vec::with_capacity(collection.len() + measure.key.len() + 80);
    csv_text(&format!("{collection}/{}", measure.key), &mut line);
    line.extend_from_slice(format!(",{},{}", measure.change.name(), measure.changed_dims).as_bytes());
    for value in [known(measure.l2), measure.cosine, known(measure.max_abs)] {
        let text = value.map(|value| value.to_string()).unwrap_or_default();
        line.extend_from_slice(format!(",{text}").as_bytes());
    }
    line.push(b'\n');
    line
}
