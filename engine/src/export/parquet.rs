//! Tables as Parquet files.
//!
//! Floats are split into byte planes (`BYTE_STREAM_SPLIT`) and compressed with Zstandard at level 1. The page limit of
//! 20,000 values is raised: one page of a quarter million values compresses 1 to 2 bits a value better.

use std::io::{self, Write};
use std::path::Path;

use arrow_array::RecordBatch;
use arrow_schema::{ArrowError, SchemaRef};
use bytes::Bytes;
use parquet::arrow::ArrowWriter;
use parquet::basic::{Compression, Encoding, ZstdLevel};
use parquet::errors::ParquetError;
use parquet::file::properties::{EnabledStatistics, WriterProperties};
use parquet::schema::types::ColumnPath;

use super::ExportError;
use super::arrays::{VECTOR, table_schema, texts, vectors};
use super::pending::{Out, Pending};
use crate::delta::{Element, Keys, Table};

/// The vectors of one row group, which the writer holds in memory, compressed.
const ROW_GROUP_BYTES: usize = 128 << 20;

/// A page of vectors, before compression.
const PAGE_BYTES: usize = 4 << 20;

pub(super) struct ParquetSink {
    writer: ArrowWriter<Out>,
    schema: SchemaRef,
    table: Table,
}

impl ParquetSink {
    pub fn create(out: Out, table: &Table) -> Result<Self, ExportError> {
        let schema = table_schema(table);
        let writer = writer_to(out, schema.clone(), VECTOR, table)?;
        Ok(Self { writer, schema, table: table.clone() })
    }

    pub fn write(&mut self, keys: &Keys, rows: Bytes) -> Result<(), ExportError> {
        let batch = vectors(self.schema.field(1), &self.table, rows, None)
            .and_then(|vectors| RecordBatch::try_new(self.schema.clone(), vec![texts(keys), vectors]))
            .map_err(ParquetError::from);
        let written = batch.and_then(|batch| self.writer.write(&batch));
        written.map_err(|error| failed(self.writer.inner().path(), error))
    }

    pub fn pour(&mut self, to: &mut dyn Write) -> io::Result<()> {
        self.writer.inner_mut().pour(to)
    }

    pub fn finish(self) -> Result<Vec<u8>, ExportError> {
        close(self.writer)
    }
}

/// Starts a Parquet file whose column `vector` holds the vectors of `table`.
pub(super) fn writer(
    path: &Path,
    schema: SchemaRef,
    vector: &str,
    table: &Table,
) -> Result<ArrowWriter<Out>, ExportError> {
    writer_to(Out::File(Pending::create(path)?), schema, vector, table)
}

fn writer_to(out: Out, schema: SchemaRef, vector: &str, table: &Table) -> Result<ArrowWriter<Out>, ExportError> {
    let path = out.path().to_owned();
    let properties = properties(vector, table);
    ArrowWriter::try_new(out, schema, Some(properties)).map_err(|error| failed(&path, error))
}

/// Writes the footer, makes the file durable and gives it its name; returns what nobody has taken yet.
pub(super) fn close(writer: ArrowWriter<Out>) -> Result<Vec<u8>, ExportError> {
    let path = writer.inner().path().to_owned();
    writer.into_inner().map_err(|error| failed(&path, error))?.finish()
}

fn properties(vector: &str, table: &Table) -> WriterProperties {
    let items = ColumnPath::from(vec![vector.to_owned(), "list".to_owned(), "element".to_owned()]);
    let rows = (ROW_GROUP_BYTES / table.row_bytes().max(1)).clamp(1, 1 << 20);
    // A byte has 256 values: a dictionary stores it in 8 bits, where Parquet's plain form takes 32.
    let bytes = matches!(table.element, Element::I8 | Element::U8);
    let builder = WriterProperties::builder()
        .set_created_by(concat!("vecdelta ", env!("CARGO_PKG_VERSION")).to_owned())
        .set_compression(Compression::ZSTD(ZstdLevel::default()))
        .set_max_row_group_row_count(Some(rows))
        .set_data_page_size_limit(PAGE_BYTES)
        .set_data_page_row_count_limit(usize::MAX)
        // The smallest and largest component of a table says nothing, and costs a pass over all of them.
        .set_column_statistics_enabled(items.clone(), EnabledStatistics::None)
        .set_statistics_enabled(EnabledStatistics::Chunk)
        .set_dictionary_enabled(false)
        .set_column_dictionary_enabled(items.clone(), bytes);
    match bytes {
        true => builder.build(),
        false => builder.set_column_encoding(items, Encoding::BYTE_STREAM_SPLIT).build(),
    }
}

pub(super) fn failed(path: &Path, error: ParquetError) -> ExportError {
    let source = match error {
        ParquetError::External(source) => match source.downcast::<io::Error>() {
            Ok(source) => *source,
            Err(source) => match source.downcast::<ArrowError>() {
                Ok(source) => io::Error::other(source),
                Err(source) => io::Error::other(source),
            },
        },
        other => io::Error::other(other),
    };
    ExportError::io(path, source)
}
