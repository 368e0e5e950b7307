//! A stream of deltas as Parquet or Arrow files.
//!
//! | column | type | |
//! |---|---|---|
//! | `commit` | text | the commit's hash in hex |
//! | `time` | timestamp, milliseconds, UTC | when it was made |
//! | `source` | text | `collection/key` |
//! | `change` | text | `insert`, `update` or `delete` |
//! | `changed_dims` | u32 | how many components differ |
//! | `l2` | f64 | the Euclidean length of the change |
//! | `vector` | list of the collection's width | the value after the change; null after a delete |

use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow_array::{ArrayRef, Float64Array, RecordBatch, StringArray, TimestampMillisecondArray, UInt32Array};
use arrow_buffer::NullBuffer;
use arrow_ipc::writer::FileWriter;
use arrow_schema::{DataType, Field, Schema, SchemaRef, TimeUnit};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::errors::ParquetError;

use super::ExportError;
use super::arrays::{vector_field, vectors};
use super::parquet::{close, failed, writer};
use super::pending::{Out, Pending};
use crate::delta::{Change, CommitId, DeltaBatch, Table};

/// The column of vectors.
const VECTOR: &str = "vector";

/// The deltas that are encoded at once, which bounds what a batch adds to the writer's memory.
const SLICE_DELTAS: usize = 8 << 10;

/// One file of an exported stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeltaPart {
    /// The file.
    pub path: PathBuf,
    /// The deltas in it.
    pub deltas: u64,
}

/// Writes the deltas of one collection to `DIR/COLLECTION-00000.parquet` and on.
pub struct DeltaWriter {
    directory: PathBuf,
    table: Arc<Table>,
    schema: SchemaRef,
    format: PartFormat,
    /// The number of the first part.
    first: usize,
    /// A part is closed when it has this many bytes.
    part_bytes: u64,
    part: Option<Part>,
    done: Vec<DeltaPart>,
}

struct Part {
    writer: PartWriter,
    path: PathBuf,
    deltas: u64,
}

/// The format of the parts of a stream.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PartFormat {
    /// Parquet.
    #[default]
    Parquet,
    /// Arrow IPC.
    Arrow,
}

impl PartFormat {
    /// Returns the ending of the files' names.
    pub const fn extension(self) -> &'static str {
        match self {
            PartFormat::Parquet => "parquet",
            PartFormat::Arrow => "arrow",
        }
    }
}

enum PartWriter {
    Parquet(Box<ArrowWriter<Out>>),
    /// The bytes of the batches that were written are counted here.
    Arrow(Box<FileWriter<Pending>>, u64),
}

impl PartWriter {
    fn create(format: PartFormat, path: &Path, schema: &SchemaRef, table: &Table) -> Result<Self, ExportError> {
        match format {
            PartFormat::Parquet => Ok(Self::Parquet(Box::new(writer(path, schema.clone(), VECTOR, table)?))),
            PartFormat::Arrow => {
                let file = FileWriter::try_new(Pending::create(path)?, schema);
                Ok(Self::Arrow(Box::new(file.map_err(|error| failed(path, error.into()))?), 0))
            }
        }
    }

    fn write(&mut self, batch: &RecordBatch) -> Result<(), ParquetError> {
        match self {
            Self::Parquet(writer) => writer.write(batch),
            Self::Arrow(writer, bytes) => {
                *bytes += batch.get_array_memory_size() as u64;
                writer.write(batch).map_err(ParquetError::from)
            }
        }
    }

    fn bytes(&self) -> u64 {
        match self {
            Self::Parquet(writer) => (writer.bytes_written() + writer.in_progress_size()) as u64,
            Self::Arrow(_, bytes) => *bytes,
        }
    }

    fn close(self, path: &Path) -> Result<(), ExportError> {
        match self {
            Self::Parquet(writer) => close(*writer).map(drop),
            Self::Arrow(mut writer, _) => {
                writer.finish().map_err(|error| failed(path, error.into()))?;
                writer.into_inner().map_err(|error| failed(path, error.into()))?.finish()
            }
        }
    }
}

impl fmt::Debug for DeltaWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "DeltaWriter({}, {} parts)", self.directory.display(), self.done.len())
    }
}

impl DeltaWriter {
    /// The usual size of a part.
    pub const PART_BYTES: u64 = 128 << 20;

    /// Creates the directory, where it is not there, for parts of about `part_bytes`.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn create(directory: &Path, table: Arc<Table>, part_bytes: u64) -> Result<Self, ExportError> {
        let writer = Self::create_from(directory, table, PartFormat::Parquet, 0)?;
        Ok(Self { part_bytes, ..writer })
    }

    /// Creates a writer whose first part has a number; it goes on to the next one only when it is finished.
    ///
    /// # Errors
    /// When the directory cannot be created.
    pub fn create_from(
        directory: &Path,
        table: Arc<Table>,
        format: PartFormat,
        first: usize,
    ) -> Result<Self, ExportError> {
        let part_bytes = u64::MAX;
        std::fs::create_dir_all(directory).map_err(|error| ExportError::create(directory, error))?;
        Ok(Self {
            directory: directory.to_owned(),
            schema: schema(&table),
            table,
            format,
            first,
            part_bytes,
            part: None,
            done: Vec::new(),
        })
    }

    /// Returns whether deltas of a table can be added: they are as wide.
    pub fn fits(&self, table: &Table) -> bool {
        *self.table == *table
    }

    /// Returns about how many bytes the part has.
    pub fn bytes(&self) -> u64 {
        self.part.as_ref().map_or(0, |part| part.writer.bytes())
    }

    /// Adds the deltas of one commit.
    ///
    /// # Errors
    /// When writing fails, or a part of that name is there already.
    ///
    /// # Panics
    /// If the batch is of another shape than the writer.
    pub fn write(&mut self, commit: CommitId, time_millis: u64, batch: &DeltaBatch) -> Result<(), ExportError> {
        assert_eq!(batch.table.row_bytes(), self.table.row_bytes(), "one width and type a writer");
        let commit = commit.to_hex();
        let time_millis = i64::try_from(time_millis).unwrap_or(i64::MAX);
        for start in (0..batch.deltas.len()).step_by(SLICE_DELTAS) {
            let range = start..batch.deltas.len().min(start + SLICE_DELTAS);
            let deltas = range.len() as u64;
            let columns = self.columns(&commit, time_millis, batch, range);
            let schema = self.schema.clone();
            let part = self.part()?;
            let written = columns
                .and_then(|columns| RecordBatch::try_new(schema, columns))
                .map_err(ParquetError::from)
                .and_then(|batch| part.writer.write(&batch));
            written.map_err(|error| failed(&part.path, error))?;
            part.deltas += deltas;
            self.roll()?;
        }
        Ok(())
    }

    /// Closes the last part and returns all of them, in order.
    ///
    /// # Errors
    /// When writing fails; the parts before are there.
    pub fn finish(mut self) -> Result<Vec<DeltaPart>, ExportError> {
        self.close_part()?;
        Ok(self.done)
    }

    fn columns(
        &self,
        commit: &str,
        time_millis: i64,
        batch: &DeltaBatch,
        range: std::ops::Range<usize>,
    ) -> Result<Vec<ArrayRef>, arrow_schema::ArrowError> {
        let deltas = &batch.deltas[range.clone()];
        let collection = &self.table.collection;
        let sources = range.clone().map(|i| format!("{collection}/{}", batch.keys.get(i)));
        let size = batch.table.row_bytes();
        let rows = Bytes::copy_from_slice(&batch.new[range.start * size..range.end * size]);
        let alive = NullBuffer::from_iter(deltas.iter().map(|delta| delta.change != Change::Delete));
        let field = self.schema.field(self.schema.fields().len() - 1);
        Ok(vec![
            Arc::new(StringArray::from_iter_values(deltas.iter().map(|_| commit))),
            Arc::new(TimestampMillisecondArray::from_value(time_millis, deltas.len()).with_timezone("UTC")),
            Arc::new(StringArray::from_iter_values(sources)),
            Arc::new(StringArray::from_iter_values(deltas.iter().map(|delta| delta.change.name()))),
            Arc::new(UInt32Array::from_iter_values(deltas.iter().map(|delta| delta.changed_dims))),
            Arc::new(Float64Array::from_iter_values(deltas.iter().map(|delta| delta.l2))),
            vectors(field, &self.table, rows, Some(alive))?,
        ])
    }

    /// Returns the part being written, a new one if need be.
    fn part(&mut self) -> Result<&mut Part, ExportError> {
        if self.part.is_none() {
            let number = self.first + self.done.len();
            let name = format!("{}-{number:05}.{}", self.table.collection, self.format.extension());
            let path = self.directory.join(name);
            if path.exists() {
                let error = std::io::Error::new(std::io::ErrorKind::AlreadyExists, "the file is there already");
                return Err(ExportError::create(&path, error));
            }
            self.part = Some(Part {
                writer: PartWriter::create(self.format, &path, &self.schema, &self.table)?,
                path,
                deltas: 0,
            });
        }
        self.part.as_mut().ok_or_else(|| ExportError::io(&self.directory, std::io::Error::other("no part is open")))
    }

    fn roll(&mut self) -> Result<(), ExportError> {
        match self.bytes() >= self.part_bytes {
            true => self.close_part(),
            false => Ok(()),
        }
    }

    fn close_part(&mut self) -> Result<(), ExportError> {
        if let Some(part) = self.part.take() {
            part.writer.close(&part.path)?;
            self.done.push(DeltaPart { path: part.path, deltas: part.deltas });
        }
        Ok(())
    }
}

fn schema(table: &Table) -> SchemaRef {
    let text = |name| Field::new(name, DataType::Utf8, false);
    Arc::new(Schema::new(vec![
        text("commit"),
        Field::new("time", DataType::Timestamp(TimeUnit::Millisecond, Some("UTC".into())), false),
        text("source"),
        text("change"),
        Field::new("changed_dims", DataType::UInt32, false),
        Field::new("l2", DataType::Float64, false),
        vector_field(VECTOR, table, true),
    ]))
}
