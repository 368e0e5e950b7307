//! One table as one file.

use std::fmt;
use std::io::{self, Write};
use std::path::Path;

use bytes::{Bytes, BytesMut};

use super::ExportError;
use super::arrow::ArrowSink;
use super::csv::CsvSink;
use super::npy::NpySink;
use super::parquet::ParquetSink;
use super::pending::{Out, Pending};
use crate::delta::{Keys, Table};

/// The rows that are collected before a small write goes on: a record batch has a header of about 500 bytes.
const BATCH_BYTES: usize = 4 << 20;

/// A write of so many bytes goes on as it is.
const DIRECT_BYTES: usize = 1 << 20;

/// The most rows that go on at once, so that their ids stay far below the 2 GiB of one column of text.
const BATCH_ROWS_MAX: usize = 64 << 10;

/// A format of exported tables.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TableFormat {
    /// Parquet: small, and read by every analytics tool.
    Parquet,
    /// The Arrow IPC file: as large as the vectors, read without decoding.
    Arrow,
    /// NumPy's array file, with the ids in `PATH.ids.txt`.
    Npy,
    /// Lines of text whose numbers read back to the same bits.
    Csv,
}

/// Returns the format that the extension of a file names.
///
/// # Errors
/// [`ExportError::Format`] for any other extension.
pub fn format_of(path: &Path) -> Result<TableFormat, ExportError> {
    let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or_default();
    match extension.to_ascii_lowercase().as_str() {
        "parquet" => Ok(TableFormat::Parquet),
        "arrow" | "feather" => Ok(TableFormat::Arrow),
        "npy" => Ok(TableFormat::Npy),
        "csv" => Ok(TableFormat::Csv),
        _ => Err(ExportError::Format { path: path.to_owned() }),
    }
}

/// A table being written; the file appears when it is finished, and not at all when the writer is dropped before.
pub struct TableWriter {
    sink: Sink,
    row_bytes: usize,
    rows: u64,
    /// Small writes, collected.
    keys: Vec<String>,
    pending: BytesMut,
}

enum Sink {
    Parquet(ParquetSink),
    Arrow(ArrowSink),
    Npy(NpySink),
    Csv(CsvSink),
}

impl fmt::Debug for TableWriter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TableWriter({} rows)", self.rows)
    }
}

impl TableWriter {
    /// Starts a file; a table of width 0 can have no rows.
    ///
    /// # Errors
    /// When the file cannot be created, or the format has no such element type.
    pub fn create(path: &Path, format: TableFormat, table: &Table) -> Result<Self, ExportError> {
        let sink = match format {
            TableFormat::Parquet => Sink::Parquet(ParquetSink::create(Out::File(Pending::create(path)?), table)?),
            TableFormat::Arrow => Sink::Arrow(ArrowSink::create(Out::File(Pending::create(path)?), table)?),
            TableFormat::Npy => Sink::Npy(NpySink::create(path, table)?),
            TableFormat::Csv => Sink::Csv(CsvSink::create(Out::File(Pending::create(path)?), table)?),
        };
        Ok(Self { sink, row_bytes: table.row_bytes(), rows: 0, keys: Vec::new(), pending: BytesMut::new() })
    }

    /// Starts a table that is no file: whoever writes it [takes](Self::pour) its bytes as they come. There is no such
    /// thing for `.npy`, whose first bytes tell the number of rows.
    ///
    /// # Errors
    /// When the format has no such element type, or cannot be written like this.
    pub fn in_pieces(format: TableFormat, table: &Table) -> Result<Self, ExportError> {
        let out = Out::Pieces(Vec::new());
        let sink = match format {
            TableFormat::Parquet => Sink::Parquet(ParquetSink::create(out, table)?),
            TableFormat::Arrow => Sink::Arrow(ArrowSink::create(out, table)?),
            TableFormat::Csv => Sink::Csv(CsvSink::create(out, table)?),
            TableFormat::Npy => return Err(ExportError::Format { path: Path::new("npy").to_owned() }),
        };
        Ok(Self { sink, row_bytes: table.row_bytes(), rows: 0, keys: Vec::new(), pending: BytesMut::new() })
    }

    /// Passes on the bytes that were made since the last time; none of a file.
    ///
    /// # Errors
    /// When writing them fails.
    pub fn pour(&mut self, to: &mut dyn Write) -> io::Result<()> {
        match &mut self.sink {
            Sink::Parquet(sink) => sink.pour(to),
            Sink::Arrow(sink) => sink.pour(to),
            Sink::Csv(sink) => sink.pour(to),
            Sink::Npy(_) => Ok(()),
        }
    }

    /// Ends a table that is taken in pieces; returns the last one.
    ///
    /// # Errors
    /// When the last rows cannot be encoded.
    pub fn last_piece(mut self) -> Result<Vec<u8>, ExportError> {
        self.flush()?;
        match self.sink {
            Sink::Parquet(sink) => sink.finish(),
            Sink::Arrow(sink) => sink.finish(),
            Sink::Csv(sink) => sink.finish(),
            Sink::Npy(sink) => sink.finish(self.rows).map(|()| Vec::new()),
        }
    }

    /// Adds rows: one key a row, and their little-endian vectors one after another.
    ///
    /// Rows that come as one large, aligned piece are written without a copy.
    ///
    /// # Errors
    /// When writing fails, or the format cannot hold a key.
    ///
    /// # Panics
    /// If there are not as many rows as keys.
    pub fn write(&mut self, keys: &Keys, rows: Bytes) -> Result<(), ExportError> {
        assert_eq!(keys.len() * self.row_bytes, rows.len(), "one row a key");
        assert!(self.row_bytes > 0 || keys.is_empty(), "a table of width 0 has no rows");
        self.rows += keys.len() as u64;
        if self.pending.is_empty() && rows.len() >= DIRECT_BYTES && keys.len() <= BATCH_ROWS_MAX {
            return self.sink.write(keys, rows);
        }
        for (i, row) in rows.chunks_exact(self.row_bytes.max(1)).enumerate() {
            self.keys.push(keys.get(i).to_owned());
            self.pending.extend_from_slice(row);
            if self.pending.len() >= BATCH_BYTES || self.keys.len() >= BATCH_ROWS_MAX {
                self.flush()?;
            }
        }
        Ok(())
    }

    /// Makes the file durable, gives it its name, and returns how many rows it has.
    ///
    /// # Errors
    /// When writing fails; then there is no file.
    pub fn finish(mut self) -> Result<u64, ExportError> {
        self.flush()?;
        let rows = self.rows;
        self.last_piece().map(|_| rows)
    }

    fn flush(&mut self) -> Result<(), ExportError> {
        if self.keys.is_empty() {
            return Ok(());
        }
        let keys = Keys::from_texts(self.keys.iter().map(String::as_str));
        self.keys.clear();
        let rows = std::mem::take(&mut self.pending).freeze();
        self.sink.write(&keys, rows)
    }
}

impl Sink {
    fn write(&mut self, keys: &Keys, rows: Bytes) -> Result<(), ExportError> {
        match self {
            Sink::Parquet(sink) => sink.write(keys, rows),
            Sink::Arrow(sink) => sink.write(keys, rows),
            Sink::Npy(sink) => sink.write(keys, rows),
            Sink::Csv(sink) => sink.write(keys, rows),
        }
    }
}
